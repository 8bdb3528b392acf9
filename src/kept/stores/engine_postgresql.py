"""How PostgreSQL compares, folds, lists and stores."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from psycopg import sql
from typing_extensions import override

from kept.errors import StoreError
from kept.model.values import Type, Value
from kept.stores.columns import (
    Column,
    Element,
    Param,
    array,
    comparable,
    literal,
    storable,
)
from kept.stores.engines import Dialect, KeyList, Named, engine
from kept.terms.printed import BARE

#: In a statement that has to be planned each time for the values that it is given.
ANEW: Final = "/* planned anew */"


class PostgreSQL(Dialect):
    """PostgreSQL 13 to 18 (13 compares long lists slowly). Parameters are text, cast by the
    statement.
    """

    name = "postgresql"
    turns = True
    unfolds = True
    compiled = engine("postgresql", "numeric_dollar")
    shown = engine("postgresql", "format")
    written = shown
    templated = frozenset({"text", "integer", "uuid", "date"})
    _natives: Final[Mapping[Type, str]] = {
        "integer": "bigint", "decimal": "numeric", "real": "double precision",
        "boolean": "boolean", "date": "date", "uuid": "uuid", "bytes": "bytea",
    }  # fmt: skip

    def type_of(self, column: Column) -> str:
        """The type in which a parameter is compared with `column`."""
        if column.type == "datetime":
            return "timestamptz" if column.aware else "timestamp"
        if column.padded:
            return "bpchar"
        if column.native == "real":
            return "real"
        return self._natives.get(column.type, "text")

    @override
    def side(self, column: Column, element: Element) -> Element:
        if column.type == "other":
            return self._spoken(element)
        if column.type == "json":
            return sa.cast(element, Named("text"))
        return self.bare(column, element)

    @override
    def bare(self, column: Column, element: Element) -> Element:
        return element if column.plain else sa.collate(sa.cast(element, Named("text")), "C")

    @override
    def parameter(self, column: Column, bind: Element) -> Element:
        return sa.cast(bind, Named(self.type_of(column)))

    @override
    def member(self, column: Column, side: Element, bind: Element) -> Element:
        among = sa.func.any(sa.cast(bind, Named(self.type_of(column) + "[]")))
        return side.op("=", is_comparison=True)(among)

    @override
    def folded(self, column: Column, element: Element) -> Element:
        text = element if column.native == "text" else sa.cast(element, Named("text"))
        blanks: Element = sa.literal_column("E' \\t\\r\\n\\f\\x0B'")
        return sa.func.lower(sa.collate(sa.func.btrim(text, blanks), "C"))

    @override
    def lowered(self, column: Column, element: Element) -> Element:
        text = self._spoken(element) if column.type == "other" else sa.cast(element, Named("text"))
        return sa.func.lower(sa.collate(text, "C"))

    @override
    def bared(self, text: Element) -> Element:
        # An expression knows signs by number, also where the database's encoding lacks them.
        signs = "".join(f"\\\\u{ord(sign):04x}" for sign in BARE)
        some: Element = sa.literal_column(f"E'[{signs}]'")
        return sa.func.regexp_replace(text, some, self._nothing, sa.literal_column("'g'"))

    @override
    def holds(self, text: Element, bind: Element) -> Element:
        return sa.func.strpos(text, sa.cast(bind, Named("text"))) > sa.literal_column("0")

    @override
    def shown_as(self, column: Column, element: Element) -> Element:
        # a blank-padded text is read as it is compared: without its padding
        if column.type == "other":
            return self._spoken(element)
        return sa.cast(element, Named("text")) if column.padded else element

    @staticmethod
    def _spoken(element: Element) -> Element:
        """The text that the engine itself shows (a cast says `/32` of an address)."""
        shown = sa.func.format(sa.literal_column("'%s'"), element)
        return sa.case((element.is_not(None), shown))

    @override
    def joined(self, a: Column, left: Element, b: Column, right: Element) -> Element:
        numbers = ("integer", "decimal", "real")
        alike = a.type == b.type or (a.type in numbers and b.type in numbers)
        if alike and a.padded == b.padded and a.aware == b.aware:
            return self.side(a, left) == self.side(b, right)
        return self._text(a, left) == self._text(b, right)

    def _text(self, column: Column, element: Element) -> Element:
        if column.type == "other":
            return sa.collate(self._spoken(element), "C")
        exact = sa.func.trim_scale(element) if column.type == "decimal" else element
        return sa.collate(sa.cast(exact, Named("text")), "C")

    @override
    def new(self, column: Column, text: Element) -> Element:
        return sa.cast(text, Named(column.native))

    @override
    def differs(self, column: Column, element: Element, new: Element) -> Element:
        if column.padded:
            return element.is_distinct_from(new)
        return self.side(column, element).is_distinct_from(self.side(column, new))

    @override
    def unfolded(
        self, columns: Sequence[Column], values: Sequence[Sequence[Param]]
    ) -> tuple[sa.Select[Any], list[Param]]:
        names = [f"c{i}" for i in range(len(columns))]
        arrays = [sa.cast(sa.bindparam(name), Named("text[]")) for name in names]
        source = sa.func.unnest(*arrays).table_valued(*names).render_derived("r")
        new = [self.new(c, source.c[name]) for c, name in zip(columns, names, strict=True)]
        return sa.select(*new), [array(each) for each in values]

    @override
    def key_list(
        self,
        name: str,
        columns: Sequence[Column],
        binds: Sequence[Element],
        persons: Element | None,
    ) -> KeyList:
        arrays = [
            sa.cast(bind, Named(self.type_of(column) + "[]"))
            for column, bind in zip(columns, binds, strict=True)
        ]
        names = [f"k{i}" for i in range(len(columns))]
        if persons is not None:
            arrays.append(sa.cast(persons, Named("integer[]")))
            names.append("person")
        source = sa.func.unnest(*arrays).table_valued(*names).render_derived(name)
        found: list[Element] = [source.c[n] for n in names[: len(columns)]]
        return source, found, None if persons is None else source.c.person

    @override
    def turned(
        self,
        last: sa.FromClause,
        keys: sa.FromClause,
        columns: Sequence[Column],
        sides: Sequence[Element],
        values: Sequence[Element],
        binds: Sequence[Element],
        person: Element | None,
    ) -> tuple[sa.FromClause, Element | None]:
        # Of a list the planner knows nothing, so it would hash or sort the large table instead,
        # on one core. A condition that it cannot make a join of is looked up row by row in a
        # hash of the list, by all workers, and leaves few rows to join. As a bare condition it
        # would be taken to leave every second row, too many to hand over from a worker; of an
        # equality the planner expects few. It hashes only values that it knows, of one type.
        yes: Element = sa.literal_column("1")
        no: Element = sa.literal_column(f"0 {ANEW}")
        on = [side == value for side, value in zip(sides, values, strict=True)]
        for column, side, bind in zip(columns, sides, binds, strict=False):
            one = sa.cast(side, Named(self.type_of(column)))
            on.append(sa.case((self.member(column, one, bind), yes), else_=no) == yes)
        return self.ordered(last, keys, sa.and_(*on)), person

    @override
    def key_params(
        self,
        keys: Sequence[tuple[Param, ...]],
        columns: Sequence[Column],
        persons: Sequence[int] | None,
    ) -> list[Param]:
        params: list[Param] = [array(values) for values in zip(*keys, strict=True)]
        if persons is not None:
            params.append(array(persons))
        return params

    @override
    def quoted(self, param: Param) -> str:
        return sql.Literal(param).as_string(None)

    @override
    def before(self, column: Column, element: Element, bind: Element) -> Element:
        if column.type not in ("date", "datetime"):
            return sa.and_(sa.false(), bind.is_(None))
        return element < self.parameter(column, bind)

    @override
    def moment(self, moment: dt.datetime | dt.date, column: Column) -> Param:
        if column.type == "date":
            return (moment.date() if isinstance(moment, dt.datetime) else moment).isoformat()
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime.combine(moment, dt.time())
        if column.aware:
            return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).isoformat()
        return (
            moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
        ).isoformat()

    @override
    def fit(self, value: Value, column: Column) -> Param:
        if not comparable(value, column):
            return None
        if isinstance(value, str):
            if not storable(value) or (column.padded and value.endswith(" ")):
                return None
            return value
        if isinstance(value, float) and column.type == "decimal":
            value = decimal.Decimal(value)
        if isinstance(value, (int, float, decimal.Decimal)) and column.type == "integer":
            value = int(value)
        return literal(value)

    @override
    def listed(self, params: Sequence[Param], column: Column) -> Param:
        return array(params)

    @override
    def stored(self, value: Value, column: Column) -> Param:
        if isinstance(value, str) and not storable(value):
            raise StoreError(
                f"a text assigned to `{column.name}` cannot be stored by the engine",
                expected="text without a null character",
                fix="mend the overwrite rule of this field in the data map",
            )
        return literal(value)


POSTGRESQL: Final = PostgreSQL()
