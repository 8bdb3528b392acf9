"""Whose data lies in datasets that were hit: people counted by the map and the stores.

The other way round than `locate`: from rows to whose they are. A row leads to a person by what
identifies her in it, or along the links that own it. Who has two names in common is one person, so
people who share an address count once; texts in which others are named are not searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from kept.datamap.map import DataMap, Dataset, Link, Owner
from kept.errors import IdentifierError, StoreError
from kept.model.predicate import In, IsNull, Not
from kept.model.select import Select
from kept.model.values import Value, coerce, normal
from kept.stores.base import Store
from kept.terms.identifiers import Identifier

_CHUNK: Final = 500
_OWNING: Final = (Owner.OWNED, Owner.SHARED)
#: What names one alone; an IP address only where nothing else does, since many share one.
_ALONE: Final = ("email", "phone", "account", "cookie", "device")
#: Something that stands for a person: an identifier, or a row that others point at.
Token: TypeAlias = tuple[str, ...]
#: (system, dataset, fields) → the values that lead there.
_Wanted: TypeAlias = dict[tuple[str, str, tuple[str, ...]], set[tuple[Value, ...]]]


@dataclass(frozen=True, slots=True)
class Hit:
    """One dataset: its rows, those that lead to nobody, the people of the others, and the
    categories of data in the fields that were hit.
    """

    system: str
    dataset: str
    rows: int
    nobodys: int
    people: int
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody concerned: a keyed reference, and where to write to her, which is never shown.
    `names`: the reference of each of her names. Which of them is hers may be another where more
    is known of her: a system answers again.
    """

    reference: str
    address: str | None = field(default=None, repr=False)
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom it hit. While a system stands in `unreached` (with the reason) the count is no more
    than a lower bound.
    """

    hits: tuple[Hit, ...]
    people: tuple[Person, ...]
    unreached: Mapping[str, str]

    @property
    def rows(self) -> int:
        """Rows in all."""
        return sum(hit.rows for hit in self.hits)

    @property
    def categories(self) -> tuple[str, ...]:
        """Categories of data in all of them."""
        return tuple(sorted({c for hit in self.hits for c in hit.categories}))


def look(
    datamap: DataMap,
    stores: Mapping[str, Store],
    without: Mapping[str, str],
    places: Sequence[tuple[str, str, Sequence[str]]],
    refer: Callable[[str], str],
) -> Concerned:
    """Look up the people of `places` (system, dataset, fields; no fields: all of them).

    `refer` makes the reference of a person from the first of her names.
    """
    return _Look(datamap, stores, without).run(places, refer)


class _Look:
    def __init__(
        self, datamap: DataMap, stores: Mapping[str, Store], without: Mapping[str, str]
    ) -> None:
        self._datamap, self._stores, self._without = datamap, stores, without
        self._parent: dict[Token, Token] = {}
        self._address: dict[Token, str] = {}
        self._unreached: dict[str, str] = {}
        self._wanted: _Wanted = {}
        self._ends: dict[tuple[str, str], set[tuple[str, ...]]] = {}
        for system in datamap.systems.values():
            for dataset in system.datasets.values():
                for link in _owning(dataset):
                    to = (link.system or system.name, link.to)
                    self._ends.setdefault(to, set()).add(link.on)

    def run(
        self, places: Sequence[tuple[str, str, Sequence[str]]], refer: Callable[[str], str]
    ) -> Concerned:
        met = [(*place, *self._rows(place[0], place[1])) for place in places]
        self._follow()
        hits, named = [], dict[Token, list[Token]]()
        for system, name, fields, rows, nobodys, tokens in met:
            whose = {self._find(token) for token in tokens}
            for token in whose:
                named[token] = []
            dataset = self._datamap.dataset(system, name)
            categories = {
                str(f.category) for f in dataset.personal if not fields or f.name in fields
            }
            hits.append(
                Hit(system, name, rows, nobodys, len(whose), tuple(sorted(categories)))
            )  # fmt: skip
        for token in self._parent:
            if (first := self._find(token)) in named:
                named[first].append(token)
        people = [self._person(tokens, refer) for tokens in named.values()]
        return Concerned(
            tuple(hits), tuple(sorted(people, key=lambda p: p.reference)), dict(self._unreached)
        )

    def _person(self, tokens: Iterable[Token], refer: Callable[[str], str]) -> Person:
        first, *_ = ordered = sorted(tokens)
        address = next((self._address[t] for t in ordered if t in self._address), None)
        names = frozenset(refer("\x00".join(t)) for t in ordered)
        return Person(refer("\x00".join(first)), address, names)

    def _rows(self, system: str, name: str) -> tuple[int, int, set[Token]]:
        """(rows, those of nobody, one token for each other row) of a dataset."""
        rows = nobodys = 0
        tokens: set[Token] = set()
        dataset = self._datamap.dataset(system, name)
        for said in self._read(system, dataset, Not(IsNull(dataset.key[0]))):
            rows += 1
            token = self._joined(self._tokens(system, dataset, said))
            if token is None:
                nobodys += 1
            else:
                tokens.add(token)
        return rows, nobodys, tokens

    def _follow(self) -> None:
        """Go along the links to whoever owns the rows, until nothing new is met."""
        done: _Wanted = {}
        while self._wanted:
            (system, name, on), values = self._wanted.popitem()
            new = values - done.setdefault((system, name, on), set())
            done[(system, name, on)] |= new
            dataset = self._datamap.dataset(system, name)
            typed = [v for v in {coerce(one[0], dataset.fields[on[0]].type) for one in new}
                     if v is not None]  # fmt: skip
            for start in range(0, len(typed), _CHUNK):
                only = In(on[0], tuple(typed[start : start + _CHUNK]))
                for said in self._read(system, dataset, only):
                    key = tuple(normal(said[f]) for f in on)
                    if key in new:
                        here = _end(system, name, on, key)
                        self._joined([here, *self._tokens(system, dataset, said)])

    def _read(self, system: str, dataset: Dataset, only: In | Not) -> Iterator[Mapping[str, Value]]:
        store = self._stores.get(system)
        if store is None or store.abilities.word:
            self._unreached[system] = self._without.get(system, "it is asked by letter only")
            return
        wanted = [*dataset.key, *(f.name for f in dataset.fields.values() if f.identifies)]
        wanted += [f for link in _owning(dataset) for f in link.fields]
        wanted += [f for on in self._ends.get((system, dataset.name), ()) for f in on]
        select = Select(dataset.name, dataset.key, only=only, fields=tuple(dict.fromkeys(wanted)))
        try:
            with store.session() as session:
                for _, batch in session.read([select]):
                    for row in batch.rows:
                        yield dict(zip(batch.columns, row, strict=True))
        except StoreError as problem:
            self._unreached[system] = str(problem)

    def _tokens(self, system: str, dataset: Dataset, said: Mapping[str, Value]) -> list[Token]:
        """All that leads from a row to a person; notes which rows have to be looked at."""
        tokens, weak = list[Token](), list[Token]()
        for item in dataset.fields.values():
            value = said.get(item.name)
            if item.identifies is None or value is None or str(value).endswith(".invalid"):
                continue
            try:
                token = (item.identifies, Identifier(item.identifies, str(value)).normalised)
            except IdentifierError:
                continue
            if item.identifies in _ALONE:
                tokens.append(token)
                if item.identifies == "email":
                    self._address.setdefault(token, str(value).strip())
            elif item.identifies == "ip":
                weak.append(token)
        owning = _owning(dataset)
        for link in owning:
            to = (link.system or system, link.to)
            there = self._datamap.dataset(*to).fields
            # The same number can be a text here and a number there.
            key = tuple(
                normal(coerce(said[f], there[on].type))
                for f, on in zip(link.fields, link.on, strict=True)
            )
            if None not in key:
                self._wanted.setdefault((*to, link.on), set()).add(key)
                tokens.append(_end(*to, link.on, key))
        if not owning:
            for on in sorted(self._ends.get((system, dataset.name), ())):
                key = tuple(normal(said[f]) for f in on)
                tokens += [] if None in key else [_end(system, dataset.name, on, key)]
        return tokens or weak

    def _joined(self, tokens: Sequence[Token]) -> Token | None:
        """All of them name one person; a token of hers."""
        if not tokens:
            return None
        first = self._find(tokens[0])
        for token in tokens[1:]:
            self._parent[self._find(token)] = first
        return first

    def _find(self, token: Token) -> Token:
        self._parent.setdefault(token, token)
        path = []
        while (up := self._parent[token]) != token:
            path.append(token)
            token = up
        for one in path:
            self._parent[one] = token
        return token


def _owning(dataset: Dataset) -> list[Link]:
    return [link for link in dataset.links if link.kind in _OWNING]


def _end(system: str, name: str, on: Sequence[str], key: Sequence[Value]) -> Token:
    """The row at the end of a link. Sorted after identifiers, which last longer."""
    return ("~row", system, name, *on, *(repr(v) for v in key))
