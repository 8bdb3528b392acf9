"""Selects as statements of an engine: one per dataset, for all people at once.

What does not depend on values (the shape of a Select: its dataset, fields and routes) is
compiled once; on the hot path only parameters are bound. A row that several routes find for
one person comes once; keys that a column cannot hold match nothing, so a Select
all of whose keys are such makes no statement at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeGuard, cast

import sqlalchemy as sa

from kept.datamap.searches import Search
from kept.model.predicate import EVERYTHING
from kept.model.select import Join, KeyRow, Route, Select
from kept.stores.columns import BIG, Column, Element, Param, Table
from kept.stores.dialects import Binder, Dialect, clause, compiled

#: Shapes kept compiled; a deployment has a few per dataset.
_KEEP: Final = 4096


@dataclass(slots=True)  # not frozen: thirty are made for every person
class Call:
    """One statement with its parameters."""

    dataset: str
    sql: str
    params: Sequence[Param]


@dataclass(slots=True)
class ReadCall(Call):
    """A reading statement. `person` owns every row; None: the last column says whose it is."""

    columns: tuple[str, ...]
    table: Table
    person: int | None


@dataclass(slots=True)
class _Bound:
    """A route with its parameters: one key compared directly, or `many` as a list."""

    many: bool
    params: Sequence[Param]


#: Routes bound during one call, so that thirty Selects with the same keys encode them once.
#: The KeyTable is kept beside its id, or the id could be used again.
Memo: TypeAlias = dict[Any, Any]
#: A route without its values: path, fields compared at its end, folded, many keys.
_Way: TypeAlias = tuple[tuple[Join, ...], tuple[str, ...], bool, bool]
Shape: TypeAlias = tuple[_Way, ...]
Text: TypeAlias = tuple[str, tuple[str, ...]]


class Reading:
    """Writes the reading statements of one store. `tables` finds what a dataset really is."""

    def __init__(
        self,
        dialect: Dialect,
        tables: Callable[[str], Table],
        served: Callable[[Search], bool] = lambda _: True,
    ) -> None:
        self.dialect, self.table, self._served = dialect, tables, served
        self.texts: dict[Any, Text] = {}
        self._ends: dict[tuple[str, tuple[str, ...], bool], tuple[Column, ...]] = {}
        self._alike: dict[tuple[Column, ...], tuple[Column, ...]] = {}

    # ------------------------------------------------------------ reading

    def read(
        self, select: Select, fields: tuple[str, ...], memo: Memo, *, whose: bool = True
    ) -> ReadCall | None:
        """The statement that reads `fields` (none: all) of the rows; None: there are none.

        Not `whose`: each row once, whoever it belongs to.
        """
        table = self.table(select.dataset)
        people = self._people(select, memo) if whose else ()
        several = len(people) > 1
        bound = self.bind(select, several, memo)
        if bound is None:
            return None
        shape, params = bound
        person = None if several else people[0] if people else -1
        columns = fields or table.names
        key = (
            ("read", select.dataset, select.key, fields, several, shape) if all_of(select) else None
        )
        text = self.texts.get(key) if key is not None else None
        if text is None:
            binder = Binder(self.dialect)
            binder.params = params
            statement = self._read(select, table, columns, several, shape, binder)
            text = self.keep(key, statement)
        return ReadCall(
            select.dataset, text[0], [params[n] for n in text[1]], columns, table, person
        )

    def count(self, select: Select, memo: Memo) -> Call | None:
        """The statement that counts distinct rows; None: there are none."""
        table = self.table(select.dataset)
        bound = self.bind(select, False, memo)
        if bound is None:
            return None
        shape, params = bound
        binder = Binder(self.dialect)
        binder.params.update(params)
        key = ("count", select.dataset, shape) if all_of(select) else None
        text = self.texts.get(key) if key is not None else None
        if text is None:
            if self._once(table, shape):
                row = table.clause.alias("t")
                source, where, _ = self._walk(table, row, 0, shape[0], False)
                where = [*where, *self._only(select, table, row, binder)]
                counted = sa.select(sa.func.count()).select_from(source).where(*where)
            else:
                where = self.where(select, table, shape, binder)
                counted = sa.select(sa.func.count()).select_from(table.clause).where(*where)
            text = self.keep(key, counted)
        return Call(select.dataset, text[0], [binder.params[n] for n in text[1]])

    def keep(self, key: object, statement: sa.ClauseElement) -> Text:
        """Compile, and keep the text under `key` (None: do not)."""
        text = compiled(statement, self.dialect.compiled)
        if key is not None:
            if len(self.texts) >= _KEEP:
                self.texts.clear()
            self.texts[key] = text
        return text

    def _people(self, select: Select, memo: Memo) -> tuple[int, ...]:
        found: tuple[int, ...] = ()
        for route in select.routes:
            at = ("people", id(route.keys))
            known = memo.get(at)
            if known is None:
                known = memo[at] = (tuple({who for who, _ in route.keys.rows}), route.keys)
            found = known[0] if not found or found == known[0] else (*{*found, *known[0]},)
        return found

    def bind(
        self, select: Select, several: bool, memo: Memo
    ) -> tuple[Shape, dict[str, Param]] | None:
        """The routes that have keys: their shape and parameters. None: no key is left."""
        shape: list[_Way] = []
        params: dict[str, Param] = {}
        for route in select.routes:
            end = route.path[-1].to if route.path else select.dataset
            compared = self._compared(route.keys.fields, route.folded, end)
            at = (id(route.keys), id(compared), several)
            known = memo.get(at)
            if known is None:
                known = memo[at] = (self._encode(route, compared, several), route.keys)
            bound: _Bound | None = known[0]
            if bound is None:
                continue
            for i, param in enumerate(bound.params):
                params[f"r{len(shape)}k{i}"] = param
            shape.append((route.path, route.keys.fields, route.folded, bound.many))
        if select.routes and not shape:
            return None
        return tuple(shape), params

    def _encode(self, route: Route, columns: Sequence[Column], several: bool) -> _Bound | None:
        if all(column.type == "integer" for column in columns) and _whole(route.keys.rows):
            return self._listed(dict.fromkeys(route.keys.rows), columns, several)
        keys = self.dialect.keys
        rows: dict[tuple[int, tuple[Param, ...]], None] = {}
        for person, key in route.keys.rows:
            forms = [keys(v, c) for v, c in zip(key, columns, strict=True)]
            for spelt in itertools.product(*forms):
                rows[person, spelt] = None
        return self._listed(rows, columns, several)

    def _listed(
        self,
        rows: Mapping[tuple[int, tuple[Param, ...]], None],
        columns: Sequence[Column],
        several: bool,
    ) -> _Bound | None:
        if not several:
            rows = dict.fromkeys([(0, key) for _, key in rows])
        if not rows:
            return None
        if len(rows) == 1 and not several:
            return _Bound(False, next(iter(rows))[1])
        able = [(who, key) for who, key in rows if all(map(self.dialect.listable, key))]
        persons = [who for who, _ in able] if several else None
        return _Bound(True, self.dialect.key_params([key for _, key in able], columns, persons))

    def _compared(self, fields: tuple[str, ...], folded: bool, end: str) -> tuple[Column, ...]:
        """The columns as they are compared at the end of a path, equal ones the same object.

        Their names do not matter here, so that one list of keys serves every table.
        """
        found = self._ends.get((end, fields, folded))
        if found is None:
            table = self.table(end)
            columns = [replace(table.column(name), name="", nullable=True) for name in fields]
            if folded:
                columns = [Column("") if c.type in ("text", "other") else c for c in columns]
            made = tuple(columns)
            found = self._ends[end, fields, folded] = self._alike.setdefault(made, made)
        return found

    def _once(self, table: Table, shape: Shape) -> bool:
        """Whether each row is found at most once per person, so that nothing need be distinct."""
        if len(shape) != 1:
            return False
        path, fields, _, _ = shape[0]
        end = table
        for join in path:
            end = self.table(join.to)
            if not end.proven(join.on):
                return False
        return all(end.column(name).type != "other" for name in fields)

    def _read(
        self,
        select: Select,
        table: Table,
        columns: Sequence[str],
        several: bool,
        shape: Shape,
        binder: Binder,
    ) -> sa.Select[Any]:
        row = table.clause.alias("t")
        shown: list[Element] = [
            self.dialect.shown_as(table.column(n), row.c[n]).label(n) for n in columns
        ]
        only = self._only(select, table, row, binder)
        if not shape:
            return sa.select(*shown).where(*only)
        if self._once(table, shape):
            source, where, person = self._walk(table, row, 0, shape[0], several)
            extra: list[Element] = [] if person is None else [person.label("kept_person")]
            return sa.select(*shown, *extra).select_from(source).where(*where, *only)
        identity = self._identity(table, select.key)
        found = self._union(table, identity, shape, several).cte("found")
        same = self._same(table, identity, found, row)
        extra = [found.c["kept_person"]] if several else []
        source = self.dialect.ordered(found, row, same)
        return sa.select(*shown, *extra).select_from(source).where(*only)

    def _union(
        self, table: Table, identity: tuple[str, ...], shape: Shape, several: bool
    ) -> sa.Select[Any] | sa.CompoundSelect[Any]:
        parts = []
        for i, route in enumerate(shape):
            row = table.clause.alias(f"t{i}")
            source, where, person = self._walk(table, row, i, route, several)
            extra = [person.label("kept_person")] if person is not None else []
            whole = self._whole(table, identity)
            named = [
                (
                    self.dialect.side(table.column(n), row.c[n])
                    if whole
                    else self._named(table, row, n)
                ).label(n)
                for n in identity
            ]
            parts.append(sa.select(*named, *extra).select_from(source).where(*where))
        return sa.union(*parts) if len(parts) > 1 else parts[0].distinct()

    def _named(self, table: Table, row: sa.FromClause, name: str) -> Element:
        """A field that names a row, exactly: a collation could take two rows for one."""
        column = table.columns.get(name)
        # The engine's own row address is not among the columns.
        return row.c[name] if column is None else self.dialect.bare(column, row.c[name])

    def _identity(self, table: Table, key: tuple[str, ...]) -> tuple[str, ...]:
        # A key that is not proven unique could join one person's row to another's.
        if table.proven(key):
            return key
        return table.physical or (key if self.dialect.addressed else table.names)

    def _whole(self, table: Table, identity: tuple[str, ...]) -> bool:
        """Whether a row is known by all that stands in it: rows that are alike go together."""
        return not (self.dialect.addressed or table.proven(identity))

    def _same(
        self, table: Table, identity: tuple[str, ...], found: sa.FromClause, row: sa.FromClause
    ) -> Element:
        if not self._whole(table, identity):
            return sa.and_(*(found.c[n] == self._named(table, row, n) for n in identity))
        sides = [(n, self.dialect.side(table.column(n), row.c[n])) for n in identity]
        return sa.and_(*(side.is_not_distinct_from(found.c[n]) for n, side in sides))

    def _walk(
        self,
        table: Table,
        row: sa.FromClause,
        number: int,
        route: _Way,
        several: bool,
    ) -> tuple[sa.FromClause, list[Element], Element | None]:
        """From the keys along the path to `row`: joined source, conditions, the person."""
        path, fields, folded, many = route
        stations: list[tuple[Table, sa.FromClause]] = [(table, row)]
        hops: list[Element] = []
        for n, join in enumerate(path):
            here, at = stations[-1]
            there = self.table(join.to)
            beyond = there.clause.alias(f"r{number}j{n}")
            hops.append(
                sa.and_(
                    *(
                        self.dialect.joined(here.column(a), at.c[a], there.column(b), beyond.c[b])
                        for a, b in zip(join.fields, join.on, strict=True)
                    )
                )
            )
            stations.append((there, beyond))
        end, last = stations[-1]
        columns = self._compared(fields, folded, end.dataset)
        sides = [
            self.dialect.folded(end.column(n), last.c[n])
            if folded and end.column(n).type in ("text", "other")
            else self.dialect.side(end.column(n), last.c[n])
            for n in fields
        ]
        binds: list[Element] = [sa.bindparam(f"r{number}k{i}") for i in range(len(fields) + 1)]
        source: sa.FromClause = last
        where: list[Element] = []
        person: Element | None = None
        if many:
            keys, values, person = self.dialect.key_list(
                f"k{number}", columns, binds[: len(fields)], binds[-1] if several else None
            )
            search = Search(end.dataset, fields, folded)
            if self.dialect.turns and not self._served(search):
                # Key by key, each would cost a look at all rows; so the rows are read once.
                source, person = self.dialect.turned(
                    last, keys, columns, sides, values, binds, person
                )
            else:
                on = sa.and_(*(s == v for s, v in zip(sides, values, strict=True)))
                source = self.dialect.ordered(keys, last, on)
        else:
            where = [
                side == self.dialect.parameter(column, bind)
                for side, column, bind in zip(sides, columns, binds, strict=False)
            ]
        for (_, near), hop in zip(reversed(stations[:-1]), reversed(hops), strict=True):
            source = self.dialect.ordered(source, near, hop)
        return source, where, person

    def _only(
        self, select: Select, table: Table, row: sa.FromClause, binder: Binder
    ) -> list[Element]:
        if all_of(select):
            return []
        columns = {name: (column, row.c[name]) for name, column in table.columns.items()}
        return [clause(select.only, columns, binder, dataset=select.dataset)]

    def where(self, select: Select, table: Table, shape: Shape, binder: Binder) -> list[Element]:
        """Conditions on the bare table for the rows of a Select, whoever they belong to."""
        row = table.clause
        only = self._only(select, table, row, binder)
        if not shape:
            return only
        if len(shape) == 1 and not shape[0][0] and not shape[0][2]:
            _, fields, _, many = shape[0]
            columns = [table.column(n) for n in fields]
            sides = [self.dialect.side(c, row.c[c.name]) for c in columns]
            binds: list[Element] = [sa.bindparam(f"r0k{i}") for i in range(len(fields))]
            if not many:
                parts = [
                    side == self.dialect.parameter(column, bind)
                    for side, column, bind in zip(sides, columns, binds, strict=True)
                ]
                return [*parts, *only]
            if len(sides) == 1:
                return [self.dialect.member(columns[0], sides[0], binds[0]), *only]
            source, values, _ = self.dialect.key_list("k0", columns, binds, None)
            return [self.dialect.among(sides, values, source), *only]
        identity = self._identity(table, select.key)
        found = self._union(table, identity, shape, False).subquery("found")
        if self._whole(table, identity):
            alike = self._same(table, identity, found, row)
            return [sa.exists().select_from(found).where(alike), *only]
        wanted = sa.select(*(found.c[n] for n in identity))
        mine = [self._named(table, row, n) for n in identity]
        return [mine[0].in_(wanted) if len(mine) == 1 else sa.tuple_(*mine).in_(wanted), *only]


def all_of(select: Select) -> bool:
    """Whether nothing but the routes narrows the Select, so that its shape says all."""
    return select.only is EVERYTHING or select.only == EVERYTHING


def _whole(rows: Sequence[KeyRow]) -> TypeGuard[Sequence[tuple[int, tuple[int, ...]]]]:
    """Whether all key values are plain integers that every engine can hold (the usual case)."""
    values = [value for _, key in rows for value in key]
    if {type(value) for value in values} != {int}:
        return False
    whole = cast("list[int]", values)
    return min(whole) >= -BIG and max(whole) < BIG
