"""What stores hold of several people, asked once for all and told of each as if she were alone.

    memory.ask_keys(…); memory.ask_rows(…)      one statement per dataset, for everybody
    with memory.turn(n): …                      what is asked now is hers: it is known already

A Select names its people by number, so those of several people make one, and its answer falls
apart again. What was not asked before is asked then: memory saves statements, and changes no
answer. What anybody writes is forgotten at once, and what is hers when her turn is over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Final, TypeAlias

from kept.datamap.map import Dataset
from kept.datamap.reach import Place
from kept.decide.ties import Key, norm
from kept.errors import KeptError
from kept.model.change import Change
from kept.model.plan import Action, Counts, Obstacle, Word
from kept.model.predicate import EVERYTHING, Contains, Or, Predicate, fields_of, matches
from kept.model.residue import Needles, Residue, Scrub
from kept.model.safety import Safety
from kept.model.select import Batch, KeyRow, KeySet, KeyTable, Route, Select
from kept.model.values import Value
from kept.stores.base import Session, Store

#: So many rows of several people are held at once, and so many characters of them; a person
#: with more rows than `EACH` is read alone, streamed.
MOST: Final = 20_000
LARGEST: Final = 32_000_000
EACH: Final = 2_000
#: More texts than these are searched for by what they all end with, where they do.
_MANY: Final = 25

#: (page, Select): what one of the people asks.
Asked: TypeAlias = tuple[int, Select]


class TooMuch(KeptError):
    """More came than is held at once."""


@dataclass(slots=True)
class _Known:
    """Rows of a dataset by key. `columns` are those that were read."""

    columns: tuple[str, ...]
    rows: dict[tuple[Value, ...], tuple[Value, ...]]


@dataclass(slots=True)
class _Page:
    """What is known of one person."""

    keys: dict[tuple[str, Select], KeyTable] = field(default_factory=dict)
    rows: dict[tuple[str, Select], Batch] = field(default_factory=dict)
    known: dict[Place, _Known] = field(default_factory=dict)
    #: Rows of hers and rows looked at for her sake: where one is written to, all is asked anew.
    met: dict[Place, set[Key]] = field(default_factory=dict)


class Memory:
    """Pages, one for each person; all questions are answered from that whose turn it is."""

    def __init__(self, stores: Mapping[str, Store], people: int) -> None:
        """`stores` are those that are asked for several people at once."""
        self._stores = dict(stores)
        self._pages = {n: _Page() for n in range(people)}
        self._page: _Page | None = None
        self._common: dict[tuple[str, Select], list[tuple[int, Batch]]] = {}

    @property
    def stores(self) -> dict[str, Store]:
        """The same stores, as they are asked in somebody's turn."""
        return {name: _Remembering(store, self) for name, store in self._stores.items()}

    @contextmanager
    def turn(self, page: int) -> Iterator[None]:
        """What is asked within is asked for this person."""
        before, self._page = self._page, self._pages.get(page)
        try:
            yield
        finally:
            self._page = before

    def forget(self, page: int) -> None:
        """Nothing is known of this person any more."""
        self._pages.pop(page, None)

    def knows(self, page: int) -> bool:
        """Whether anything may be known of this person."""
        return page in self._pages

    def written(self, system: str, changes: Sequence[Change]) -> None:
        """Rows are being written to: nothing is known of whom they were met for."""
        self._common.clear()
        for change in changes:
            place = (system, change.select.dataset)
            named = all(r.named and not r.path for r in change.select.routes)
            keys = {norm(k) for r in change.select.routes for k in r.keys.values}
            for n, page in list(self._pages.items()):
                if not named or keys & page.met.get(place, set()):
                    if page is self._page:
                        self._page = None
                    del self._pages[n]

    # — asking for all ————————————————————————————————————————————————————————————————————

    def ask_keys(
        self, system: str, asked: Sequence[Asked]
    ) -> dict[int, dict[str, KeyTable]]:  # fmt: skip
        """Page → dataset → keys; one Select of each dataset for everybody. StoreError."""
        found: dict[int, dict[str, KeyTable]] = {}
        groups = _grouped(asked)
        with self._stores[system].session() as session:
            answer = session.keys([one.select for one in groups])
        for one in groups:
            table = answer.get(one.select.dataset)
            parts = one.parts(table.rows if table is not None else ())
            for (page, select), rows in zip(one.asked, parts, strict=True):
                told = KeyTable(select.key, tuple(rows))
                found.setdefault(page, {})[select.dataset] = told
                if page in self._pages:
                    self._pages[page].keys[system, select] = told
                    self._meet(page, (system, select.dataset), (key for _, key in rows))
        return found

    def ask_rows(self, system: str, asked: Sequence[Asked], *, hers: bool) -> None:
        """Read the rows of everybody's Selects. StoreError; TooMuch, with nothing known of it.

        `hers`: they are known by their keys from now on, in whatever Select these stand.
        """
        groups = _grouped(asked)
        columns: list[tuple[str, ...]] = [() for _ in groups]
        rows: list[list[KeyRow]] = [[] for _ in groups]
        room, space = MOST, LARGEST
        with self._stores[system].session() as session:
            for index, batch in session.read([one.select for one in groups]):
                columns[index] = batch.columns
                rows[index] += zip(batch.persons, map(tuple, batch.rows), strict=True)
                room -= len(batch.rows)
                space -= sum(
                    len(v) for row in batch.rows for v in row if isinstance(v, str | bytes)
                )
                if room < 0 or space < 0:
                    raise TooMuch("more rows than are held at once")
        for one, names, met in zip(groups, columns, rows, strict=True):
            parts = one.parts(met) if one.routed else one.chosen(names, met)
            for (page, select), theirs in zip(one.asked, parts, strict=True):
                if page in self._pages:
                    keys = self._remember(self._pages[page], system, select, names, theirs)
                    if hers and len(keys) == len(theirs):
                        told = {k: r for k, (_, r) in zip(keys, theirs, strict=True)}
                        self._pages[page].known[system, select.dataset] = _Known(names, told)

    def _remember(
        self, page: _Page, system: str, select: Select, names: tuple[str, ...], rows: list[KeyRow]
    ) -> list[tuple[Value, ...]]:
        place = (system, select.dataset)
        at = [names.index(n) for n in select.key] if names else []
        page.rows[system, select] = Batch(names, [r for _, r in rows], [who for who, _ in rows])
        keys = [tuple(row[i] for i in at) for _, row in rows]
        page.met.setdefault(place, set()).update(map(norm, keys))
        return list(dict.fromkeys(keys))

    def _meet(self, page: int, place: Place, keys: Iterable[tuple[Value, ...]]) -> None:
        self._pages[page].met.setdefault(place, set()).update(map(norm, keys))

    # — answering —————————————————————————————————————————————————————————————————————————

    def keys(self, system: str, select: Select) -> KeyTable | None:
        """The answer, where it is known."""
        return self._page.keys.get((system, select)) if self._page is not None else None

    def rows(self, system: str, select: Select) -> Batch | None:
        """The answer, where it is known."""
        if self._page is None:
            return None
        met = self._page.rows.get((system, select))
        return self._by_key(self._page, system, select) if met is None else met

    def common(self, system: str, selects: Sequence[Select]) -> list[tuple[int, Batch]] | None:
        """The answer to what is asked in everybody's turn; None where it is not known."""
        if len(selects) != 1 or selects[0].routes:
            return None
        return self._common.get((system, selects[0]))

    def keep(
        self, system: str, selects: Sequence[Select], told: Iterator[tuple[int, Batch]]
    ) -> Iterator[tuple[int, Batch]]:
        """The answer as it comes; what is not asked of one person is kept, where it is short."""
        if len(selects) != 1 or selects[0].routes or self._page is None:
            yield from told
            return
        kept: list[tuple[int, Batch]] | None = []
        for index, batch in told:
            if kept is not None:
                kept.append((index, batch))
                kept = kept if sum(len(b.rows) for _, b in kept) <= EACH else None
            yield index, batch
        if kept is not None and len(self._common) < _MANY:
            self._common[system, selects[0]] = kept

    def _by_key(self, page: _Page, system: str, select: Select) -> Batch | None:
        """Rows that are named by key, of those that were read."""
        known = page.known.get((system, select.dataset))
        if known is None or len(select.routes) != 1 or select.only != EVERYTHING:
            return None
        route = select.routes[0]
        if not route.named or route.path or route.fields != select.key or not select.fields:
            return None
        if not set(select.fields) <= set(known.columns):
            return None
        at = [known.columns.index(name) for name in select.fields]
        rows, persons = [], []
        for who, key in dict.fromkeys(route.keys.rows):
            row = known.rows.get(key)
            if row is None:
                return None
            rows.append(tuple(row[i] for i in at))
            persons.append(who)
        return Batch(select.fields, rows, persons)


@dataclass(slots=True)
class _Group:
    """Selects of several people that are asked as one; `firsts`: the number of each one's first."""

    select: Select
    asked: list[Asked]
    firsts: list[int]
    _owner: list[int] = field(default_factory=list)

    @property
    def routed(self) -> bool:
        """Whether rows are told apart by their person; else by what each one wants of them."""
        return bool(self.select.routes)

    def parts(self, rows: Iterable[KeyRow]) -> list[list[KeyRow]]:
        """The rows of each."""
        if not self._owner:
            ends = [*self.firsts[1:], _numbers(self.select)]
            for n, (first, end) in enumerate(zip(self.firsts, ends, strict=True)):
                self._owner += [n] * (end - first)
        found: list[list[KeyRow]] = [[] for _ in self.asked]
        for number, row in rows:
            n = self._owner[number]
            found[n].append((number - self.firsts[n], row))
        return found

    def chosen(self, names: Sequence[str], rows: Sequence[KeyRow]) -> list[list[KeyRow]]:
        """The rows that each one's own condition takes."""
        told = [dict(zip(names, row, strict=True)) for _, row in rows]
        return [
            [one for one, row in zip(rows, told, strict=True) if matches(select.only, row)]
            for _, select in self.asked
        ]


def _numbers(select: Select) -> int:
    """How many numbers a Select uses for its people."""
    return 1 + max((who for r in select.routes for who, _ in r.keys.rows), default=0)


def _grouped(asked: Sequence[Asked]) -> list[_Group]:
    """Selects of the same rows but for whose they are, as one."""

    def alike(select: Select) -> tuple[object, ...]:
        only = select.only if select.routes else _kind(select.only)
        return (select.dataset, select.key, select.fields, bool(select.routes), only)

    groups: dict[tuple[object, ...], list[Asked]] = {}
    for one in asked:
        groups.setdefault(alike(one[1]), []).append(one)
    found = []
    for members in groups.values():
        first = members[0][1]
        counts = [_numbers(select) for _, select in members]
        firsts = [0, *accumulate(counts)][:-1]
        if not first.routes:
            wider = _wider([select.only for _, select in members])
            # Who wants which row is seen in the row.
            named = (*first.fields, *sorted(fields_of(wider) - {*first.fields}))
            whole = replace(first, only=wider, fields=named if first.fields else ())
            found.append(_Group(whole, members, firsts))
            continue
        ways: dict[tuple[object, ...], tuple[Route, list[KeyRow]]] = {}
        for before, (_, select) in zip(firsts, members, strict=True):
            for route in select.routes:
                way = (route.path, route.fields, route.folded, route.named)
                _, rows = ways.setdefault(way, (route, []))
                rows += [(before + who, key) for who, key in route.keys.rows]
        routes = tuple(
            replace(route, keys=KeyTable(route.fields, tuple(dict.fromkeys(rows))))
            for route, rows in ways.values()
        )
        found.append(_Group(replace(first, routes=routes), members, firsts))
    return found


def _kind(only: Predicate) -> object:
    """Conditions of one kind are asked as one."""
    return (only.field, only.bare) if isinstance(only, Contains) else fields_of(only)


def _wider(every: Sequence[Predicate]) -> Predicate:
    """What holds wherever one of these does."""
    parts: dict[Predicate, None] = {}
    texts: dict[tuple[str, bool], dict[str, None]] = {}
    todo = list(reversed(every))
    while todo:
        match todo.pop():
            case Or(inner):
                todo += reversed(inner)
            case Contains(name, sought, bare):
                texts.setdefault((name, bare), {}).update(dict.fromkeys(sought))
            case other:
                parts[other] = None
    for (name, bare), found in texts.items():
        end = _end(list(found)) if len(found) > _MANY else ""
        parts[Contains(name, (end,) if end else tuple(found), bare)] = None
    return next(iter(parts)) if len(parts) == 1 else Or(tuple(parts))


def _end(texts: Sequence[str]) -> str:
    """What all of them end with."""
    end = texts[0]
    for text in texts:
        while end and not text.endswith(end):
            end = end[1:]
    return end


class _Remembering(Store):
    """A store that is asked only for what is not known."""

    def __init__(self, store: Store, memory: Memory) -> None:
        super().__init__(store.system, store.mapped.values())
        self._store, self._memory = store, memory
        self.abilities = store.abilities

    def session(self, *, write: bool = False) -> Session:
        """A handle, opened where it is needed."""
        return _RememberingSession(self._store, self._memory, write=write)

    def datasets(self) -> Iterable[Dataset]:
        """As the store says."""
        return self._store.datasets()

    def notes(self) -> Iterable[str]:
        """As the store says."""
        return self._store.notes()

    def unsearched(self) -> Iterable[str]:
        """As the store says."""
        return self._store.unsearched()

    def safety(self) -> Safety:
        """As the store says."""
        return self._store.safety()

    def statements(self, changes: Sequence[Change]) -> list[str]:
        """As the store writes them."""
        return self._store.statements(changes)

    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        """As the store finds it."""
        return self._store.residue(needles, now)

    def scrubbing(self, *, full: bool = False) -> Iterable[Scrub]:
        """As the store says."""
        return self._store.scrubbing(full=full)

    def scrub(self, *, full: bool = False) -> None:
        """As the store does it."""
        self._store.scrub(full=full)

    def settle(self, mark: str) -> None:
        """As the store does it."""
        self._store.settle(mark)


class _RememberingSession(Session):
    """Answers from memory; else a session of the store, opened then."""

    def __init__(self, store: Store, memory: Memory, *, write: bool) -> None:
        self._store, self._memory, self._write = store, memory, write
        self._opened = store.session(write=True) if write else None

    def _asking(self) -> Session:
        if self._opened is None:
            self._opened = self._store.session()
        self._opened.mark = self.mark
        return self._opened

    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        """From memory where all of it is known."""
        system = self._store.system
        common = None if self._write else self._memory.common(system, selects)
        if common is not None:
            yield from common
            return
        known = [None if self._write else self._memory.rows(system, s) for s in selects]
        if selects and all(one is not None for one in known):
            yield from ((i, one) for i, one in enumerate(known) if one is not None and one.rows)
            return
        told = self._asking().read(selects)
        yield from told if self._write else self._memory.keep(system, selects, told)

    def keys(self, selects: Sequence[Select]) -> KeySet:
        """From memory where all of it is known."""
        known = [None if self._write else self._memory.keys(self._store.system, s) for s in selects]
        if None in known or len({s.dataset for s in selects}) < len(selects):
            return self._asking().keys(selects)
        told = {s.dataset: one for s, one in zip(selects, known, strict=True) if one is not None}
        return KeySet(told)

    def count(self, selects: Sequence[Select]) -> list[int]:
        """As the store counts."""
        return self._asking().count(selects)

    def rehearse(self, changes: Sequence[Change]) -> list[Obstacle]:
        """As the store says."""
        return self._asking().rehearse(changes)

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """What is written to is not known any more."""
        self._memory.written(self._store.system, changes)
        return self._asking().apply(changes, step)

    def word(self, dataset: str, action: Action, mark: str) -> Word:
        """As people said."""
        return self._asking().word(dataset, action, mark)

    def commit(self) -> None:
        """Make it durable."""
        self._asking().commit()

    def rollback(self) -> None:
        """Undo what is not committed."""
        self._asking().rollback()

    def close(self) -> None:
        """Give the handle back, where one was opened."""
        if self._opened is not None:
            self._opened.close()
