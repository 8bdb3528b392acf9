"""From identifiers to Selects: which rows are a person's, over all systems of the map.

A dataset is entered by a field that identifies (`email`), or along links that say whose data
its rows are (owned-by, shared), to any depth. What the company's people merely handle
(accessed-by) is not followed. The shape of all ways is worked out once per map; binding it
to people is cheap.

    look = reach(datamap, people)
    while look.seek:                        # often once, seldom more, for one person or thousands
        look = look.next({system: session.keys(selects) for system, selects in look.seek.items()})
    look.selects                            # one complete Select per dataset, each row once

`seek` looks up the few values from which other rows are found: the customer's number behind
the e-mail address, then what the next system calls her. Thirty tables that hang on a customer
number are so found by number, through their indexes, after one search by e-mail; and keys
found in one store seed the next in the type that its columns have. Rows that own rows of
their own dataset (answers to an answer) are followed round by round until nothing new comes.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, TypeAlias

from kept.datamap.map import DataMap, Dataset, Field, Link, OnErase, Owner
from kept.errors import MapError
from kept.model.select import Join, KeyRow, KeyTable, Route, Select
from kept.model.values import Type, Value, coerce, fold, forms
from kept.terms.identifiers import Identifier, spellings

#: (system, dataset).
Place: TypeAlias = tuple[str, str]

#: Kind → (person, identifier, its spellings): worked out once for a whole search.
_Spelt: TypeAlias = dict[str, list[tuple[int, Identifier, tuple[str, ...]]]]

#: Kinds by which nobody is looked up: namesakes would be given each other's data.
WEAK: Final = frozenset(("name",))

#: Kinds whose values differ in another case: `aB` and `ab` may be two visitors.
_CASED: Final = frozenset(("account", "cookie", "device"))


def within(place: Place, named: Container[str]) -> bool:
    """Whether a dataset is one of these, or of one of these systems: what could not be asked is
    named by its system, or as `system.dataset` where that alone left the map.
    """
    return place[0] in named or ".".join(place) in named


@dataclass(frozen=True, slots=True)
class Unreached:
    """A dataset with personal data to which nothing led, for the people (indices) named.

    `written`: all of that are texts in which people are looked for by an access and an erasure.
    """

    system: str
    dataset: str
    people: tuple[int, ...]
    why: str
    written: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """One way into a dataset, before anybody walks it.

    It ends at an identifying field (`kind`) or at fields that hold values looked up before
    (`need`, of which `columns` are meant).
    """

    path: tuple[Join, ...]
    fields: tuple[str, ...]
    types: tuple[Type, ...]
    kind: str | None = None
    folded: bool = False
    exact: bool = False
    need: Place | None = None
    columns: tuple[int, ...] = ()


@dataclass(slots=True)
class _Need:
    """Values of a dataset's rows that have to be known before others can be found.

    `whole`: of all her rows; else only of those that an identifier leads to directly, the
    others being met by joins.
    """

    fields: list[str] = field(default_factory=list)
    whole: bool = False
    ways: tuple[_Way, ...] = ()


class Shape:
    """All ways of a map. Immutable once made; `shape` keeps those of the latest maps."""

    def __init__(self, datamap: DataMap) -> None:
        self.datamap = datamap
        #: Datasets that can be asked: the system has a store.
        self.places: dict[Place, Dataset] = {
            (system.name, dataset.name): dataset
            for system in datamap.systems.values()
            if system.store is not None
            for dataset in system.datasets.values()
        }
        self.needs: dict[Place, _Need] = {}
        self._look_ups()
        self._ways: dict[Place, tuple[_Way, ...]] = {}
        self._same: dict[object, Any] = {}
        for place in self.places:
            self.ways(place)
        for place, need in self.needs.items():
            ways = self._ways[place]
            named = {(item.name,) for item in _identifying(self.places[place])}
            own = (w for w in ways if w.kind and not w.path and w.fields in named)
            need.ways = ways if need.whole else tuple(own)
        self.kinds = self._kinds()
        self.held = frozenset().union(*self.kinds.values())

    def handled(self, place: Place) -> bool:
        """Whether the map calls rows nobody's that name people all the same, as who handles them:
        where these are whose they are, nobody sees it but in the answer.
        """
        return self.places[place].on_erase is OnErase.NEVER and any(
            link.kind is Owner.ACCESSED and self.kinds.get((link.system or place[0], link.to))
            for link in self.places[place].links
        )

    def links(self, place: Place) -> Iterator[tuple[Link, Place]]:
        """Links that say whose data the rows are, with the place they lead to."""
        for link in self.places[place].links:
            to = (link.system or place[0], link.to)
            if link.kind is not Owner.ACCESSED and to in self.places:
                yield link, to

    def _look_ups(self) -> None:
        """Which values of which datasets have to be looked up before others can be found."""
        links = [(place, *link) for place in self.places for link in self.links(place)]
        for place, link, to in links:
            if to == place or to[0] != place[0] or self._folds(place, link, to):
                self.needs[to] = _Need(whole=True)
        for _, link, to in links:
            need = self.needs.get(to)
            held = all((item.name,) == link.on for item in _identifying(self.places[to]))
            if need is None and not held:
                need = self.needs[to] = _Need()
            if need is not None and (need.whole or not held):
                need.fields += [name for name in link.on if name not in need.fields]

    def ways(self, place: Place, below: tuple[Place, ...] = ()) -> tuple[_Way, ...]:
        """All ways into a dataset. MapError where datasets own each other in a circle."""
        if place in self._ways:
            return self._ways[place]
        if place in below:
            raise MapError(
                f"the rows of `{place[1]}` of `{place[0]}` own themselves in a circle",
                fix="make one of the links accessed-by",
            )
        dataset = self.places[place]
        found = [
            _Way(
                (), (item.name,), (item.type,), item.identifies,
                item.folded and not item.indexed_exact and item.type == "text", item.indexed_exact,
            )
            for item in _identifying(dataset)
        ]  # fmt: skip
        for link, to in self.links(place):
            types = tuple(dataset.fields[name].type for name in link.fields)
            need = self.needs.get(to)
            if need is not None and need.whole:
                found.append(self._from(place, link, types, to))
                if to[0] == place[0] and self._folds(place, link, to):
                    found += self._named(dataset.fields[link.fields[0]], link, to)
                continue
            named = {(item.name,) for item in _identifying(self.places[to])}
            for way in self.ways(to, (*below, place)):
                if not way.path and way.fields == link.on:
                    # The link holds the very value that is known: no join is needed.
                    folded = way.folded and types == ("text",)
                    found.append(
                        _Way(
                            (), link.fields, types, way.kind, folded, way.exact, way.need,
                            way.columns,
                        )
                    )  # fmt: skip
                elif not way.path and way.kind and way.fields in named:
                    found.append(self._from(place, link, types, to))
                else:
                    path = (Join(link.fields, link.to, link.on), *way.path)
                    found.append(replace(way, path=path))
        # Equal ways are one object: what is bound once serves every dataset that has it.
        same = self._same
        ways = tuple(same.setdefault(way, way) for way in dict.fromkeys(found))
        self._ways[place] = same.setdefault(ways, ways)
        return self._ways[place]

    def _from(self, place: Place, link: Link, types: tuple[Type, ...], to: Place) -> _Way:
        columns = tuple(self.needs[to].fields.index(name) for name in link.on)
        folds = self._folds(place, link, to)
        exact = folds and self.places[place].fields[link.fields[0]].indexed_exact
        return _Way(
            (), link.fields, types, folded=folds and not exact, exact=exact, need=to,
            columns=columns,
        )  # fmt: skip

    def _folds(self, place: Place, link: Link, to: Place) -> bool:
        """Whether spelling in another case is the same at either end of a link (e-mail).

        Joins compare exactly, so such a link is followed by values looked up, also at home.
        """
        if len(link.fields) != 1:
            return False
        here = self.places[place].fields[link.fields[0]]
        there = self.places[to].fields.get(link.on[0])
        if there is None or here.type != "text" or there.type != "text":
            return False
        return here.folded or there.folded

    def _named(self, here: Field, link: Link, to: Place) -> Iterator[_Way]:
        """Where a link holds the very identifier that was given, no row between is needed."""
        for item in _identifying(self.places[to]):
            if (item.name,) == link.on:
                yield _Way(
                    (), link.fields, (here.type,), item.identifies,
                    folded=not here.indexed_exact, exact=here.indexed_exact,
                )  # fmt: skip

    def _kinds(self) -> dict[Place, frozenset[str]]:
        """Place → kinds of identifiers that lead there, over however many systems."""
        found = {
            place: frozenset(way.kind for way in ways if way.kind is not None)
            for place, ways in self._ways.items()
        }
        grown = True
        while grown:
            grown = False
            for place, ways in self._ways.items():
                more = found[place].union(*(found[way.need] for way in ways if way.need))
                if more != found[place]:
                    found[place], grown = more, True
        return found

    def hanging(self, named: Container[str]) -> frozenset[Place]:
        """The datasets of these (`within`), and all of which rows may be found through theirs."""
        found = {place for place in self.places if within(place, named)}
        grown = True
        while grown:
            more = {
                place
                for place, ways in self._ways.items()
                if place not in found and any(way.need in found for way in ways)
            }
            found, grown = found | more, bool(more)
        return frozenset(found)

    def above(self, place: Place) -> tuple[tuple[tuple[Join, ...], Place], ...]:
        """(path, dataset it leads to) for the dataset itself and all that own its rows.

        It ends where values are looked up anyway, and at other systems.
        """
        found: list[tuple[tuple[Join, ...], Place]] = [((), place)]
        for link, to in self.links(place):
            need = self.needs.get(to)
            if need is None or not need.whole:
                join = Join(link.fields, link.to, link.on)
                found += [((join, *path), end) for path, end in self.above(to)]
        return tuple(found)


def _identifying(dataset: Dataset) -> list[Field]:
    return [f for f in dataset.fields.values() if f.identifies and f.identifies not in WEAK]


_SHAPES: list[tuple[DataMap, Shape]] = []


def shape(datamap: DataMap) -> Shape:
    """The shape of a map, worked out once for each of the maps used lately."""
    for known, made in _SHAPES:
        if known is datamap:
            return made
    made = Shape(datamap)
    _SHAPES[:] = [(datamap, made), *_SHAPES[:7]]
    return made


def reach(
    datamap: DataMap,
    people: Sequence[Sequence[Identifier]],
    known: Mapping[Place, KeyTable] | None = None,
    values: Mapping[Place, KeyTable] | None = None,
    met: Mapping[tuple[str, str], Sequence[str]] | None = None,
) -> Reach:
    """Where to look for the people (the index is their number in every KeyTable).

    `known` are row keys known already (from a locator): these rows are hers, and so is what
    they own. `values` are those of an earlier search for the same people (`Reach.values`): they
    count as looked up, also where the rows that held them are gone; tables that this map would
    not look up so are left out. `met`: kind and normalised value of an identifier → further texts
    that rows hold for it. Raises IdentifierError for a value that is not of its kind.
    """
    made = shape(datamap)
    found = {
        place: dict.fromkeys(table.rows)
        for place, table in (values or {}).items()
        if table.rows and place in made.needs and table.fields == tuple(made.needs[place].fields)
    }
    spelt: _Spelt = {}
    for kind in {kind for kind, _ in met or {}}:
        spelt[kind] = [
            (who, one, (*spellings(one), *(met or {}).get((kind, one.normalised), ())))
            for who, person in enumerate(people)
            for one in person
            if one.kind == kind
        ]
    return Reach(made, people, known or {}, found, None, spelt)


class Reach:
    """A search that goes on: `seek` says what to look up, `next` takes the answer.

    Immutable; `selects` is complete once `seek` is empty.
    """

    def __init__(
        self,
        shape: Shape,
        people: Sequence[Sequence[Identifier]],
        known: Mapping[Place, KeyTable],
        _found: Mapping[Place, dict[KeyRow, None]] | None = None,
        _fresh: Mapping[Place, dict[KeyRow, None]] | None = None,
        _spelt: _Spelt | None = None,
    ) -> None:
        self._shape, self._given = shape, people
        self._spelt: _Spelt = {} if _spelt is None else _spelt
        self._known = {place: table for place, table in known.items() if table.rows}
        self._found = _found or {}
        self._fresh = _fresh

    @property
    def people(self) -> int:
        """How many people are looked for."""
        return len(self._given)

    @property
    def values(self) -> dict[Place, KeyTable]:
        """All values that were looked up so far, to go on from another day (see `reach`)."""
        return {
            place: KeyTable(tuple(self._shape.needs[place].fields), tuple(rows))
            for place, rows in self._found.items()
        }

    @cached_property
    def seek(self) -> Mapping[str, tuple[Select, ...]]:
        """System → Selects whose keys (Session.keys) are to be given to `next`; {}: done.

        A dataset appears once at most; `Select.key` are the values wanted, which need not be
        the dataset's key.
        """
        binder = self._binder(self._found if self._fresh is None else self._fresh)
        found: dict[str, list[Select]] = {}
        for place, need in self._shape.needs.items():
            routes = binder.routes(need.ways, first=self._fresh is None)
            if self._fresh is None and need.whole:
                routes += self._from_known(place)
            if routes:
                key = tuple(need.fields)
                found.setdefault(place[0], []).append(Select(place[1], key, routes))
        return {system: tuple(selects) for system, selects in found.items()}

    def next(self, found: Mapping[str, Mapping[str, KeyTable]]) -> Reach:
        """The search with the answers to `seek`: system → dataset → values.

        A system that could not be asked is left out; what hangs on it is then not found, so
        whoever leaves it out has to name it.
        """
        fresh: dict[Place, dict[KeyRow, None]] = {}
        for place, need in self._shape.needs.items():
            table = found.get(place[0], {}).get(place[1])
            if table is None or not table.rows:
                continue
            if table.fields != tuple(need.fields):
                raise MapError(
                    f"the answer for `{place[1]}` of `{place[0]}` has other fields than asked for",
                    expected=", ".join(need.fields),
                    met=", ".join(table.fields),
                )
            old = self._found.get(place, {})
            new = {row: None for row in table.rows if row not in old}
            if new:
                fresh[place] = new
        if not fresh:
            both = self._found
        else:
            both = {**self._found}
            for place, rows in fresh.items():
                both[place] = {**both.get(place, {}), **rows}
        return Reach(self._shape, self._given, self._known, both, fresh, self._spelt)

    @cached_property
    def selects(self) -> Mapping[str, tuple[Select, ...]]:
        """System → one Select per dataset in which rows may be found, with all its ways.

        Datasets that the map keeps from erasure as nobody's (`erase: never`) are passed
        through, not selected.
        """
        binder = self._binder(self._found)
        found: dict[str, list[Select]] = {}
        for place, dataset in self._shape.places.items():
            if dataset.on_erase is OnErase.NEVER:
                continue
            routes = binder.routes(self._shape.ways(place))
            if self._known:
                routes += self._from_known(place)
            if routes:
                select = Select(dataset.name, dataset.key, routes)
                found.setdefault(place[0], []).append(select)
        return {system: tuple(selects) for system, selects in found.items()}

    def _binder(self, found: Mapping[Place, Mapping[KeyRow, None]]) -> _Binder:
        return _Binder(self._given, found, self._spelt)

    def _from_known(self, place: Place) -> tuple[Route, ...]:
        if not self._known:
            return ()
        return tuple(
            Route(self._known[end], path)
            for path, end in self._shape.above(place)
            if end in self._known
        )

    @cached_property
    def unheld(self) -> tuple[str, ...]:
        """Kinds that were given, but by which no dataset of the map can be entered."""
        given = dict.fromkeys(one.kind for person in self._given for one in person)
        return tuple(kind for kind in given if kind not in self._shape.held)

    @cached_property
    def unreached(self) -> tuple[Unreached, ...]:
        """Datasets with personal data to which nothing that was given leads."""
        groups: dict[frozenset[str], list[int]] = {}
        for number, person in enumerate(self._given):
            groups.setdefault(frozenset(one.kind for one in person), []).append(number)
        found = []
        for place, dataset in self._shape.places.items():
            if not dataset.personal and not self._shape.handled(place):
                continue
            kinds = self._shape.kinds[place]
            missed = tuple(
                sorted(n for given, group in groups.items() if not given & kinds for n in group)
            )
            if missed and not any(end in self._known for _, end in self._shape.above(place)):
                words = f"it can only be entered by {' or '.join(sorted(kinds))}"
                why = words if kinds else "no identifier and no link leads to it"
                written = not kinds and bool(dataset.personal)
                written = written and all(f.mentions for f in dataset.personal)
                found.append(Unreached(*place, missed, why, written))
        return tuple(found)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the person and the operator should know about this search, in words."""
        return self.told()

    def told(self, without: Collection[str] = ()) -> tuple[str, ...]:
        """`warnings`, without those of some systems. What was not searched for one reason is one
        note that names the datasets."""
        found = [
            "a name alone identifies nobody and was not searched for"
            if kind in WEAK
            else f"no dataset of the map can be entered by {kind}"
            for kind in self.unheld
        ]
        missed: dict[str, dict[str, list[str]]] = {}
        for one in self.unreached:
            # What only texts can name her in is looked through where texts are, and else told with
            # the answer, which knows what was asked.
            if one.system not in without and not one.written:
                missed.setdefault(one.why, {}).setdefault(one.system, []).append(one.dataset)
        for why, systems in missed.items():
            places = "; ".join(f"{_and(names)} of `{s}`" for s, names in systems.items())
            if sum(map(len, systems.values())) == 1:
                found.append(f"{places} was not searched: {why}")
            else:
                each = why.replace("it can", "each can").replace("to it", "to any of them")
                found.append(f"{places} were not searched: {each}")
        return tuple(found)


def _and(names: Sequence[str]) -> str:
    *most, last = (f"`{one}`" for one in names)
    return f"{', '.join(most)} and {last}" if most else last


class _Binder:
    """Ways to Routes. Tables and routes that several datasets share are made once."""

    def __init__(
        self,
        people: Sequence[Sequence[Identifier]],
        found: Mapping[Place, Mapping[KeyRow, None]],
        spelt: _Spelt,
    ) -> None:
        self._found, self._spelt = found, spelt
        self._kinds: dict[str, list[tuple[int, Identifier]]] = {}
        for number, person in enumerate(people):
            for one in person:
                self._kinds.setdefault(one.kind, []).append((number, one))
        self._rows: dict[object, tuple[KeyRow, ...]] = {}
        # By the identity of ways of the shape, which outlives this.
        self._made: dict[int, Route | None] = {}
        self._bound: dict[int, tuple[Route, ...]] = {}

    def routes(self, ways: tuple[_Way, ...], *, first: bool = True) -> tuple[Route, ...]:
        """The ways that lead somewhere for these people; identifiers count only at `first`."""
        known = self._bound.get(id(ways))
        if known is not None:
            return known
        merged: dict[tuple[object, ...], Route] = {}
        for way in ways:
            if way.kind is not None and not (first and way.kind in self._kinds):
                continue
            if id(way) not in self._made:
                self._made[id(way)] = self._route(way)
            route = self._made[id(way)]
            if route is None:
                continue
            same = (way.path, way.fields, way.folded)
            before = merged.get(same) if len(ways) > 1 else None
            if before is not None:
                rows = dict.fromkeys((*before.keys.rows, *route.keys.rows))
                route = Route(KeyTable(way.fields, tuple(rows)), way.path, way.folded)
            merged[same] = route
        bound = self._bound[id(ways)] = tuple(merged.values())
        return bound

    def _route(self, way: _Way) -> Route | None:
        source = (way.kind, way.need, way.columns, way.types, way.folded, way.exact)
        rows = self._rows.get(source)
        if rows is None:
            made = self._values(way) if way.need else self._identifiers(way)
            rows = self._rows[source] = tuple(dict.fromkeys(made))
        return Route(KeyTable(way.fields, rows), way.path, way.folded) if rows else None

    def _values(self, way: _Way) -> Iterator[KeyRow]:
        assert way.need is not None
        for who, values in self._found.get(way.need, ()):
            if "text" not in way.types:
                row = tuple(map(coerce, (values[c] for c in way.columns), way.types))
                if None not in row:
                    yield who, row
                continue
            held = [forms(values[c], to) for c, to in zip(way.columns, way.types, strict=True)]
            for spelt in itertools.product(*held):
                if way.folded or way.exact:
                    spelt = tuple(fold(v) if isinstance(v, str) else v for v in spelt)
                yield who, spelt

    def _identifiers(self, way: _Way) -> Iterator[KeyRow]:
        assert way.kind is not None
        if way.kind not in self._spelt:
            self._spelt[way.kind] = [(w, i, spellings(i)) for w, i in self._kinds[way.kind]]
        to = way.types[0]
        for who, one, spelt in self._spelt[way.kind]:
            if way.folded or way.exact:
                texts = tuple(map(fold, spelt))
            elif way.kind in _CASED:
                texts = (one.value, one.normalised)
            else:
                texts = (one.value, one.normalised, *spelt)
            for text in texts:
                value: Value = coerce(text, to)
                if value is not None:
                    yield who, (value,)
