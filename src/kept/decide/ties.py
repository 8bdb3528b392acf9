"""What a plan has to know of the rows it found: their dates, and which rows refer to which.

A row may only go when nothing that stays refers to it. `questions` says what has to be read for
that, and no more: dates of classes that a law keeps, and references onto rows that would go
from rows that may stay. `Session.keys` answers references: each row that would go is numbered
where a KeyTable has its person, so that what comes back says who refers to which row, without
values and whatever the fields of the reference are.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from kept.datamap.check import heirs
from kept.datamap.map import DataMap, Dataset, Link, OnErase, Owner
from kept.datamap.reach import Place
from kept.datamap.sides import referred
from kept.model.select import Batch, Join, KeyTable, Route, Select, by_key
from kept.model.values import Value, forms, normal

#: A key in the form in which equal keys are equal (model.values.normal).
Key: TypeAlias = tuple[Value, ...]
#: One row of one dataset.
Row: TypeAlias = tuple[Place, Key]


def norm(key: Key) -> Key:
    """The key in its common form."""
    return tuple(map(normal, key))


@dataclass(frozen=True, slots=True)
class Ties:
    """Which rows refer to which, as far as a plan needs it.

    `asked` holds the pairs (referring dataset, dataset referred to) that were looked at: no
    tie between two of them means that there is none, and nothing is known of others.
    """

    asked: frozenset[tuple[Place, Place]] = frozenset()
    edges: Mapping[Row, tuple[Row, ...]] = field(default_factory=dict)

    def parents(self, row: Row) -> tuple[Row, ...]:
        """The rows that a row refers to."""
        return self.edges.get(row, ())


@dataclass(frozen=True, slots=True)
class Questions:
    """What to read before a plan is made, per system; both may be asked in one session.

    `dates` is for Session.read, `references` for Session.keys. Systems with nothing to
    ask are not named.
    """

    dates: Mapping[str, tuple[Select, ...]]
    references: Mapping[str, tuple[Select, ...]]
    asked: frozenset[tuple[Place, Place]]
    _clocks: Mapping[Place, str]
    _numbers: Mapping[str, tuple[Row, ...]]

    def dated(
        self, system: str, batches: Iterable[tuple[int, Batch]]
    ) -> dict[Place, dict[Key, Value]]:
        """What Session.read gave for `dates[system]`, as place → key → clock."""
        found: dict[Place, dict[Key, Value]] = {}
        for number, batch in batches:
            select = self.dates[system][number]
            place = (system, select.dataset)
            at = [batch.columns.index(name) for name in select.key]
            clock = batch.columns.index(self._clocks[place])
            rows = found.setdefault(place, {})
            for row in batch.rows:
                rows[norm(tuple(row[i] for i in at))] = row[clock]
        return found

    def ties(self, answers: Mapping[str, Mapping[str, KeyTable]]) -> Ties:
        """What Session.keys gave for `references`: system → dataset → rows.

        A system that was to be asked and is not among the answers has told nothing, and a
        plan over its rows is refused.
        """
        edges: dict[Row, list[Row]] = {}
        for system, tables in answers.items():
            numbers = self._numbers.get(system, ())
            for dataset, table in tables.items():
                for number, key in table.rows:
                    edges.setdefault(((system, dataset), norm(key)), []).append(numbers[number])
        asked = frozenset(pair for pair in self.asked if pair[0][0] in answers)
        return Ties(asked, {row: tuple(dict.fromkeys(to)) for row, to in edges.items()})


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference of a dataset into its own system: a foreign key, or a link of the map.

    `followed`: a search goes along it, so whoever is found brings all rows that refer.
    """

    link: Link
    to: Place
    followed: bool


_References: TypeAlias = dict[Place, tuple[Reference, ...]]
#: (map, foreign keys, what they come to) of the maps planned for lately.
_LATEST: list[tuple[DataMap, object, _References]] = []


def references(
    datamap: DataMap, foreign_keys: Mapping[Place, Iterable[Link]] | None
) -> _References:
    """Place → its references into its own system. Worked out once for the same two objects."""
    for known, keys, made in _LATEST:
        if known is datamap and keys is foreign_keys:
            return made
    found: _References = {}
    for system in datamap.systems.values():
        for dataset in system.datasets.values():
            place = (system.name, dataset.name)
            its: dict[tuple[str, frozenset[tuple[str, str]]], Reference] = {}
            for link in (*dataset.links, *(foreign_keys or {}).get(place, ())):
                if referred(dataset, link):
                    continue
                if link.system is None and link.to in system.datasets:
                    pairs = frozenset(zip(link.fields, link.on, strict=True))
                    one = Reference(link, (system.name, link.to), _followed(dataset, link))
                    its.setdefault((link.to, pairs), one)
            if its:
                found[place] = tuple(its.values())
    _LATEST[:] = [(datamap, foreign_keys, found), *_LATEST[:7]]
    return found


def wanted(
    datamap: DataMap,
    found: Mapping[Place, KeyTable],
    held: Collection[Place],
    foreign_keys: Mapping[Place, Iterable[Link]] | None,
) -> dict[tuple[Place, Place], list[Link]]:
    """(referring, referred to) → the references that decide whether found rows may go.

    `held` are the places some of whose rows may have to stay, found or not. References
    along which a search goes are asked only where the referring rows may stay: all of these are
    found, and are to go as well. All others are asked: strangers' rows may hang on them.
    """
    full = {place for place, table in found.items() if table.rows}
    staying = set(held) | {
        place for place in full if datamap.dataset(*place).on_erase is not OnErase.DELETE
    }
    # Rows that the map wants to stay anyway need no further reason.
    asked = [
        (place, one)
        for place, its in references(datamap, foreign_keys).items()
        for one in its
        if one.to in full and datamap.dataset(*one.to).on_erase is not OnErase.OVERWRITE
    ]
    pairs: dict[tuple[Place, Place], list[Link]] = {}
    while True:
        left = []
        for place, one in asked:
            if one.followed and place not in staying:
                left.append((place, one))
                continue
            pairs.setdefault((place, one.to), []).append(one.link)
            staying.add(one.to)
        if len(left) == len(asked):
            return pairs
        asked = left


def questions(
    datamap: DataMap,
    found: Mapping[Place, KeyTable],
    laws: Collection[str],
    holds: Collection[tuple[str | None, str | None]] = (),
    foreign_keys: Mapping[Place, Iterable[Link]] | None = None,
    hidden: Collection[Place] = (),
) -> Questions:
    """What to read before planning what becomes of the rows `found`.

    `laws`: retention classes that a law keeps; `holds`: (system, dataset) of each explicit
    hold, None for all; `foreign_keys`: the real ones, as links (Store.datasets); `hidden`: places
    with rows that the search met and that are not among `found`, because an earlier erasure
    retains them, or with rows that stay for others: what they refer to cannot go.
    """
    dates: dict[str, list[Select]] = {}
    clocks: dict[Place, str] = {}
    held: set[Place] = set()
    for place, table in sorted(found.items()):
        dataset = datamap.dataset(*place)
        if not table.rows:
            continue
        if any(s in (None, place[0]) and d in (None, place[1]) for s, d in holds):
            held.add(place)
        if dataset.retention not in laws:
            continue
        held.add(place)
        if dataset.clock is not None:
            fields = tuple(dict.fromkeys((*dataset.key, dataset.clock)))
            dates.setdefault(place[0], []).append(by_key(place[1], table, fields))
            clocks[place] = dataset.clock
    pairs = wanted(datamap, found, held.union(hidden), foreign_keys)
    for place in held:
        dataset = datamap.dataset(*place)
        if dataset.retention in laws:
            for link in heirs(datamap.systems[place[0]], dataset):
                to = (place[0], link.to)
                if found.get(to) and link not in pairs.setdefault((place, to), []):
                    pairs[place, to].append(link)
    numbered: dict[str, list[Row]] = {}
    tables: dict[Place, list[tuple[int, Key]]] = {}
    routes: dict[Place, list[Route]] = {}
    for (place, to), links in sorted(pairs.items(), key=lambda item: item[0]):
        if to not in tables:
            numbers = numbered.setdefault(to[0], [])
            tables[to] = []
            for key in found[to].values:
                tables[to].append((len(numbers), key))
                numbers.append((to, norm(key)))
        for link in links:
            route = _route(datamap.dataset(*place), datamap.dataset(*to), link, tables[to])
            routes.setdefault(place, []).append(route)
    selects: dict[str, list[Select]] = {}
    for place, ways in routes.items():
        select = Select(place[1], datamap.dataset(*place).key, tuple(ways))
        selects.setdefault(place[0], []).append(select)
    return Questions(
        {system: tuple(one) for system, one in dates.items()},
        {system: tuple(one) for system, one in selects.items()},
        frozenset(pairs),
        clocks,
        {system: tuple(rows) for system, rows in numbered.items()},
    )


def _followed(dataset: Dataset, link: Link) -> bool:
    return dataset.on_erase is not OnErase.NEVER and any(
        one.to == link.to
        and one.system is None
        and one.kind is not Owner.ACCESSED
        and set(zip(one.fields, one.on, strict=True)) == set(zip(link.fields, link.on, strict=True))
        for one in dataset.links
    )


def _route(dataset: Dataset, target: Dataset, link: Link, rows: Iterable[tuple[int, Key]]) -> Route:
    if set(link.on) != set(target.key) or len(link.on) != len(target.key):
        join = Join(link.fields, link.to, link.on)
        return Route(KeyTable(target.key, tuple(rows)), (join,))
    # The reference holds the key itself: no join is needed.
    at = [target.key.index(name) for name in link.on]
    keys = []
    for number, key in rows:
        held = [
            forms(key[i], dataset.fields[name].type) if name in dataset.fields else (key[i],)
            for i, name in zip(at, link.fields, strict=True)
        ]
        keys += [(number, values) for values in itertools.product(*held) if None not in values]
    return Route(KeyTable(link.fields, tuple(keys)))
