"""Rows of several people, read: by which link they are hers, and whether anybody else is left.

One question per dataset and link, for all rows and people of a plan. Somebody is left at the end
of a link where a row is that is not hers, was not retained for somebody who was erased, and holds
more than an erasure leaves. Where that cannot be asked, somebody is taken to be there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kept.controller.retained import hidden, named, read
from kept.datamap.map import DataMap, Dataset, Link, OnErase, Owner
from kept.datamap.overwrite import assignment
from kept.datamap.reach import Place
from kept.datamap.sides import Side, sides
from kept.decide.sides import Kept, Seen, Sides
from kept.decide.sides import kept as decide
from kept.decide.ties import Key, norm
from kept.errors import StoreError
from kept.model.change import Const, Template
from kept.model.select import KeyTable, Route, Select, by_key
from kept.model.values import Value, fold, forms
from kept.records.locator import Veil
from kept.stores.base import Store
from kept.stores.rows import fill

Row = Mapping[str, Value]
#: Whether a value in a row, of this kind of identifier, names who goes there.
Says = Callable[[Place, Key, str, Value], bool]


@dataclass(slots=True)
class Reader:
    """Reads for one plan. `own`: all rows of its people; `selects`: how they were found, per
    system; `foreign`: the real foreign keys. `says`: where it is not known any more how they were
    found, as what led to them may be gone.
    """

    datamap: DataMap
    stores: Mapping[str, Store]
    veil: Callable[[], Veil]
    own: Mapping[Place, KeyTable]
    selects: Mapping[str, Sequence[Select]]
    foreign: Mapping[Place, Iterable[Link]]
    says: Says | None = None
    _veil: Veil | None = field(default=None, init=False)
    _looked: Mapping[Place, KeyTable] = field(default_factory=dict, init=False)
    #: Which of the rows looked at stay; None while that is being found out.
    _kept: dict[Place, dict[Key, Kept] | None] = field(default_factory=dict, init=False)
    _hanging: dict[Place, set[Key]] = field(default_factory=dict, init=False)

    def look(self, found: Mapping[Place, KeyTable]) -> Sides:
        """What becomes of those of the rows `found` that are several people's. StoreError."""
        self._looked = found
        for place in found:
            self._decide(place)
        kept = {place: rows for place, rows in self._kept.items() if rows}
        return Sides(kept, self._along(found, kept) if kept else {})

    def _decide(self, place: Place) -> None:
        """Find out which rows stay, first of those at the ends of the links."""
        dataset, table = self.datamap.dataset(*place), self._looked[place]
        asked = sides(dataset) and table.rows and not self.stores[place[0]].abilities.word
        if asked and place not in self._kept:
            self._kept[place] = None
            self._kept[place] = decide(dataset, self.seen(place, table))

    def part(self, place: Place, table: KeyTable, name: str) -> KeyTable:
        """Those of the rows in which a field is not somebody else's: all of them where the map says
        on nobody's side it is. StoreError.
        """
        dataset = self.datamap.dataset(*place)
        said = dataset.fields[name].side
        for side in sides(dataset):
            if said in side.ties:
                hers = self._found(place, side.finds) | self._naming(place, name)
                rows = tuple(row for row in table.rows if norm(row[1]) in hers)
                return KeyTable(table.fields, rows)
        return table

    def there(
        self, rows: Mapping[Place, KeyTable]
    ) -> tuple[dict[Place, KeyTable], dict[Place, KeyTable], dict[str, str]]:
        """Those of the rows that are there, those of them that are nobody's, and which systems
        could not be asked.
        """
        found: dict[Place, KeyTable] = {}
        nobodys: dict[Place, KeyTable] = {}
        away: dict[str, str] = {}
        for place, table in rows.items():
            try:
                with self.stores[place[0]].session() as session:
                    met = session.keys([by_key(place[1], table)]).get(place[1])
                if met is None or not met.rows:
                    continue
                found[place] = met
                if sides(self.datamap.dataset(*place)):
                    seen = self.seen(place, met)
                    left = {key for key, row in seen.items() if not row.others}
                    hers = tuple(row for row in met.rows if norm(row[1]) in left)
                    nobodys.update({place: KeyTable(met.fields, hers)} if hers else {})
            except StoreError as problem:
                away[place[0]] = str(problem)
        return found, nobodys, away

    def seen(self, place: Place, table: KeyTable) -> dict[Key, Seen]:
        """Each row that is there, by its key."""
        dataset = self.datamap.dataset(*place)
        both = sides(dataset)
        rows = self._rows(place, table)
        hers = [self._found(place, side.finds) for side in both]
        live = [self._live(place, side, rows, mine)
                for side, mine in zip(both, hers, strict=True)]  # fmt: skip
        named = {
            (i, name): self._named(place, name, rows)
            for i, side in enumerate(both) for name in side.names
        }  # fmt: skip
        if self.says is not None:
            hers = [frozenset(rows) - those for those in live]
        # Her address on a side is her side, unless somebody else is at its end.
        for (i, _), those in named.items():
            hers[i] |= those - live[i]
        return {
            key: Seen(
                frozenset(i for i, those in enumerate(hers) if key in those),
                frozenset(i for i, those in enumerate(live) if key in those),
                tuple(self._refers(place, row)),
                frozenset(
                    name for (i, name), those in named.items() if key in those and key in live[i]
                ),
            )
            for key, row in rows.items()
        }

    def _rows(self, place: Place, table: KeyTable) -> dict[Key, Row]:
        found: dict[Key, Row] = {}
        dataset = self.datamap.dataset(*place)
        names = [n for link in self._links(place) for n in link.fields if n in dataset.fields]
        names += [n for side in sides(dataset) for n in side.names]
        fields = tuple(dict.fromkeys((*dataset.key, *names)))
        with self.stores[place[0]].session() as session:
            for _, batch in session.read([by_key(place[1], table, fields)]):
                for row in batch.rows:
                    said = dict(zip(batch.columns, row, strict=True))
                    found[norm(tuple(said[n] for n in dataset.key))] = said
        return found

    def _links(self, place: Place) -> Iterator[Link]:
        yield from self.datamap.dataset(*place).links
        yield from self.foreign.get(place, ())

    def _refers(
        self, place: Place, row: Row
    ) -> Iterator[tuple[tuple[tuple[str, ...], str, tuple[str, ...]], Key]]:
        for link in self._links(place):
            if link.system is None:
                # What the map does not name cannot be read, and may refer to anybody.
                on = link.on if row.keys() >= set(link.fields) else ()
                yield (link.fields, link.to, on), norm(tuple(row.get(n, "") for n in link.fields))

    def _named(self, place: Place, name: str, rows: Mapping[Key, Row]) -> frozenset[Key]:
        """The rows in which this field of theirs names who goes."""
        kind = self.datamap.dataset(*place).fields[name].identifies
        if self.says is None or kind is None:
            return self._naming(place, name)
        return frozenset(
            key for key, row in rows.items()
            if row[name] is not None and self.says(place, key, kind, row[name])
        )  # fmt: skip

    def _naming(self, place: Place, name: str) -> frozenset[Key]:
        """The rows that this field of theirs leads to."""
        return self._found(place, lambda path, fields: path is None and fields == (name,))

    def _found(
        self, place: Place,
        by: Callable[[tuple[tuple[str, ...], str] | None, tuple[str, ...]], bool],
    ) -> frozenset[Key]:  # fmt: skip
        """The rows that are found along those of the ways that `by` takes."""
        for select in self.selects.get(place[0], ()):
            if select.dataset != place[1]:
                continue
            routes = tuple(
                r for r in select.routes
                if by((r.path[0].fields, r.path[0].to) if r.path else None, r.fields)
            )  # fmt: skip
            if routes:
                with self.stores[place[0]].session() as session:
                    one = Select(select.dataset, select.key, routes, select.only)
                    tables = session.keys([one])
                    table = tables.get(place[1], KeyTable(select.key))
                    return frozenset(norm(key) for key in table.values)
        return frozenset()

    def _live(
        self, place: Place, side: Side, rows: Mapping[Key, Row], hers: frozenset[Key]
    ) -> frozenset[Key]:
        """The rows on whose side somebody is who stays."""
        link, dataset = side.link, self.datamap.dataset(*place)
        to = (link.system or place[0], link.to)
        there = self.datamap.dataset(*to)
        # Where a row at the end is several people's, or hangs on one, others are there beside her.
        several = sides(there) or self._stays(to)
        alone = set(there.key) <= set(link.on) and not several
        asked = {
            key: tuple(row[n] for n in link.fields)
            for key, row in rows.items()
            if not (alone and key in hers) and not _nobody(dataset, side, row)
        }
        return self._with(to, link.on, link, dataset, asked)

    def _with(
        self, to: Place, on: tuple[str, ...], link: Link, dataset: Dataset,
        asked: Mapping[Key, tuple[Value, ...]],
    ) -> frozenset[Key]:  # fmt: skip
        store = self.stores.get(to[0])
        if not asked or store is None or store.abilities.word:
            return frozenset(asked)
        values = {value: n for n, value in enumerate(dict.fromkeys(asked.values()))}
        there = self.datamap.dataset(*to)
        if there.on_erase is OnErase.NEVER:
            return frozenset()
        try:
            met = _matching(store, there, on, dataset, link.fields, list(values))
            stays = self._people(to, [key for keys in met.values() for key in keys])
        except StoreError:
            return frozenset(asked)
        return frozenset(
            row for row, value in asked.items()
            if any(norm(key) in stays for key in met.get(values[value], ()))
        )  # fmt: skip

    def _people(self, place: Place, keys: Sequence[Key]) -> frozenset[Key]:
        """Those of these rows that are somebody's who is not of the plan and was not erased."""
        stays = self._stays(place)
        asked = {key: norm(key) for key in keys}
        known = frozenset(key for key in asked.values() if stays and key in stays)
        mine = self._mine(place, stays)
        left = [key for key, name in asked.items() if name not in mine and name not in known]
        if not left:
            return known
        if self._veil is None:
            self._veil = self.veil()
        dataset = self.datamap.dataset(*place)
        away = hidden(self._veil, self.stores, place, dataset.key, left)
        left = [key for key, hide in zip(left, away, strict=True) if not hide]
        if left and dataset.on_erase is OnErase.OVERWRITE:
            table = KeyTable(dataset.key, tuple((0, key) for key in left))
            rows = read(self.stores, place, table)
            left = [k for k in left if named(k) in rows and not _empty(dataset, rows[named(k)])]
        return known.union(map(norm, left))

    def _mine(self, place: Place, stays: Collection[Key] | None) -> set[Key]:
        """Rows of the people of the plan that are left to nobody else; none where that is not
        known.
        """
        # Of rows of several people those that are not looked at were left to somebody before.
        rows = self._looked if sides(self.datamap.dataset(*place)) else self.own
        if stays is None or place not in rows:
            return set()
        return {norm(key) for key in rows[place].values} - set(stays)

    def _stays(self, place: Place) -> Collection[Key] | None:
        """Rows looked at that stay for somebody else, or hang on such; None where that is not
        known.
        """
        several = sides(self.datamap.dataset(*place))
        if place not in self._looked or self.stores[place[0]].abilities.word:
            return None if several else ()
        if several:
            self._decide(place)
            return self._kept.get(place)
        if place not in self._hanging:
            self._hanging[place] = set()
            above = [(link, (link.system or place[0], link.to))
                     for link in self.datamap.dataset(*place).links
                     if link.kind is not Owner.ACCESSED]  # fmt: skip
            staying = {to: set(up) for _, to in above if to != place and (up := self._stays(to))}
            rows = {key for link, to in above if to in staying
                    for key in self._hang(place, link, to, staying[to])}  # fmt: skip
            rows -= self._apart(place, staying) if rows else set()
            self._hanging[place] = rows & {norm(key) for key in self._looked[place].values}
        return self._hanging[place]

    def _along(
        self, found: Mapping[Place, KeyTable], kept: Mapping[Place, Mapping[Key, Kept]]
    ) -> dict[Place, dict[Key, Place]]:
        """Rows that are hers only because they belong to a row that stays: they stay with it."""
        along: dict[Place, dict[Key, Place]] = {}
        staying: dict[Place, set[Key]] = {p: set(keys) for p, keys in kept.items() if keys}
        todo = list(staying)
        while todo:
            above = todo.pop()
            for place, table in found.items():
                dataset = self.datamap.dataset(*place)
                if sides(dataset) or not table.rows or self.stores[place[0]].abilities.word:
                    continue
                for link in dataset.links:
                    to = (link.system or place[0], link.to)
                    if to != above or link.kind is Owner.ACCESSED:
                        continue
                    with_it = self._hang(place, link, above, staying[above]) - self._apart(
                        place, staying
                    )
                    with_it &= {norm(key) for key in table.values}
                    new = with_it - staying.get(place, set())
                    if new:
                        along.setdefault(place, {}).update(dict.fromkeys(new, above))
                        staying.setdefault(place, set()).update(new)
                        todo.append(place)
        return along

    def _hang(self, place: Place, link: Link, above: Place, staying: set[Key]) -> set[Key]:
        """Rows that belong to rows that stay."""
        there = self.datamap.dataset(*above)
        table = self.own[above]
        rows = tuple((0, key) for key in table.values if norm(key) in staying)
        fields = tuple(dict.fromkeys((*there.key, *link.on)))
        values: dict[tuple[Value, ...], None] = {}
        with self.stores[above[0]].session() as session:
            select = by_key(above[1], KeyTable(there.key, rows), fields)
            for _, batch in session.read([select]):
                for row in batch.rows:
                    said = dict(zip(batch.columns, row, strict=True))
                    values[tuple(said[n] for n in link.on)] = None
        dataset = self.datamap.dataset(*place)
        met = _matching(self.stores[place[0]], dataset, link.fields, there, link.on, list(values))
        return {norm(key) for keys in met.values() for key in keys}

    def _apart(self, place: Place, staying: Mapping[Place, set[Key]]) -> frozenset[Key]:
        """Rows that are hers by something else than rows that may stay."""
        dataset = self.datamap.dataset(*place)
        owned = [link for link in dataset.links if link.kind is not Owner.ACCESSED]
        ours = [link for link in owned if (link.system or place[0], link.to) in staying]
        if self.says is not None:
            return self._led(place, [link for link in owned if link not in ours])

        def apart(path: tuple[tuple[str, ...], str] | None, fields: tuple[str, ...]) -> bool:
            if path is not None:
                return path not in {(link.fields, link.to) for link in ours}
            return fields != dataset.key and fields not in {link.fields for link in ours}

        return self._found(place, apart)

    def _led(self, place: Place, links: Sequence[Link]) -> frozenset[Key]:
        """Rows that these links lead from, by key, to rows of the people of the plan, whether these
        are there still or not.
        """
        rows, found = self._rows(place, self._looked[place]), set[Key]()
        for link in links:
            to = (link.system or place[0], link.to)
            named_so = to in self.own and link.on == self.datamap.dataset(*to).key
            mine = {norm(key) for key in self.own[to].values} if named_so else set()
            found |= {key for key, row in rows.items()
                      if norm(tuple(row[n] for n in link.fields)) in mine}  # fmt: skip
        return frozenset(found)


def _nobody(dataset: Dataset, side: Side, row: Row) -> bool:
    """Whether a row names nobody on a side: a null, or what stands there instead of somebody."""
    for name in side.link.fields:
        value, item = row.get(name), dataset.fields[name]
        if value is None:
            return True
        if name in side.ties and item.overwrite is not None:
            match assignment(item):
                case Const(instead) if instead == value:
                    return True
                case Template(text) if fill(text, row) == value:
                    return True
    return False


def _empty(dataset: Dataset, row: Row) -> bool:
    """Whether a row holds what an erasure puts there, and nothing that names anybody.

    Only a text that the map puts there says so: whoever never filled in a field is there.
    """
    marked = False
    for item in dataset.personal:
        if item.name in dataset.key or item.computed is not None:
            continue
        how = assignment(item)
        wanted = fill(how.text, row) if isinstance(how, Template) else how.value
        if row.get(item.name) != wanted:
            return False
        marked = marked or (isinstance(wanted, str) and bool(wanted.strip()))
    return marked


def _matching(
    store: Store, there: Dataset, on: tuple[str, ...], here: Dataset, fields: tuple[str, ...],
    values: Sequence[tuple[Value, ...]],
) -> dict[int, list[Key]]:  # fmt: skip
    """Number of a value → keys of the rows of `there` that hold it."""
    types = [there.fields[name].type for name in on]
    folded = types == ["text"] and (
        there.fields[on[0]].folded or here.fields[fields[0]].folded
    ) and here.fields[fields[0]].type == "text"  # fmt: skip
    rows = []
    for number, value in enumerate(values):
        held = [forms(v, t) for v, t in zip(value, types, strict=True)]
        for one in itertools.product(*held):
            if None not in one:
                rows.append((number, tuple(fold(str(v)) for v in one) if folded else one))
    if not rows:
        return {}
    route = Route(KeyTable(on, tuple(dict.fromkeys(rows))), (), folded)
    met: dict[int, list[Key]] = {}
    with store.session() as session:
        tables = session.keys([Select(there.name, there.key, (route,))])
    for number, key in tables.get(there.name, KeyTable(there.key)).rows:
        met.setdefault(number, []).append(key)
    return met
