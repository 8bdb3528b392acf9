"""How each engine compares, folds, lists and stores.

Expressions are SQLAlchemy Core; the text is compiled once per shape and runs on the raw
driver. Values never enter the text: they travel as parameters, in the form that
`Dialect.fit` gives them.

The traps that are closed here: engines compare text by collation (citext, NOCASE,
nondeterministic ICU), pad characters, cast silently between types, and fold letters beyond
ASCII. An index on a plain column stays usable.
"""

from __future__ import annotations

import abc
import datetime as dt
import decimal
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import Join
from sqlalchemy.types import UserDefinedType
from typing_extensions import override

from kept.errors import StoreError
from kept.model.values import Type, Value, coerce, normal
from kept.stores.columns import (
    BIG,
    Column,
    Element,
    Param,
    array,
    comparable,
    encodable,
    literal,
    storable,
)
from kept.stores.rows import canonical, decode, instant, json_list

#: A row source of keys, its key columns, its column of persons.
KeyList: TypeAlias = tuple[sa.FromClause, list[Element], Element | None]


def _engine(name: str, paramstyle: str) -> EngineDialect:
    made: EngineDialect = registry.load(name)(paramstyle=paramstyle)
    return made


class Named(UserDefinedType[Any]):
    """A type of the engine by its own name, for casts."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: object) -> str:
        """The name as the engine writes it."""
        return self.name


class CrossJoin(Join):
    """A join whose left side comes first: SQLite does not reorder CROSS JOIN."""

    inherit_cache = True


@compiles(CrossJoin)
def _cross_join(join: CrossJoin, compiler: SQLCompiler, **options: Any) -> str:
    options["asfrom"] = True
    left, right = (compiler.process(side, **options) for side in (join.left, join.right))
    options["asfrom"] = False
    assert join.onclause is not None
    return f"{left} CROSS JOIN {right} ON {compiler.process(join.onclause, **options)}"


class Dialect(abc.ABC):
    """How one engine compares, folds, lists and stores."""

    name: str
    compiled: EngineDialect  # placeholders of the raw road: $1 or ?
    shown: EngineDialect  # placeholders of a DB-API cursor: %s or ?
    written: EngineDialect  # placeholders that `Binder.written` replaces by literals: %s
    #: types whose text, cast by the engine, is what model.values.coerce gives
    templated: frozenset[Type] = frozenset({"text", "integer"})

    @abc.abstractmethod
    def side(self, column: Column, element: Element) -> Element:
        """The row's side of a comparison, exact by code points."""

    @abc.abstractmethod
    def parameter(self, column: Column, bind: Element) -> Element:
        """The parameter's side of a comparison with `column`."""

    @abc.abstractmethod
    def member(self, column: Column, side: Element, bind: Element) -> Element:
        """`side` is one of the values of the list parameter `bind`."""

    @abc.abstractmethod
    def folded(self, column: Column, element: Element) -> Element:
        """`model.values.fold` of the column, by the engine."""

    @abc.abstractmethod
    def shown_as(self, column: Column, element: Element) -> Element:
        """The column in a list of results."""

    @abc.abstractmethod
    def joined(self, a: Column, left: Element, b: Column, right: Element) -> Element:
        """Two columns of the same system are equal."""

    @abc.abstractmethod
    def new(self, column: Column, text: Element) -> Element:
        """A parameter (or text made from the row) as the new value of `column`."""

    @abc.abstractmethod
    def differs(self, column: Column, element: Element, new: Element) -> Element:
        """The column does not hold `new` yet; nulls count."""

    @abc.abstractmethod
    def key_list(
        self,
        name: str,
        columns: Sequence[Column],
        binds: Sequence[Element],
        persons: Element | None,
    ) -> KeyList:
        """Keys (and persons) given as list parameters: a row source, its columns, its person."""

    @abc.abstractmethod
    def key_params(
        self,
        keys: Sequence[tuple[Param, ...]],
        columns: Sequence[Column],
        persons: Sequence[int] | None,
    ) -> list[Param]:
        """The list parameters for `key_list`; `persons[i]` owns `keys[i]`."""

    def ordered(self, left: sa.FromClause, right: sa.FromClause, on: Element) -> sa.FromClause:
        """A join that starts from `left`."""
        return left.join(right, on)

    @abc.abstractmethod
    def quoted(self, param: Param) -> str:
        """The parameter as a literal, quoted by the driver."""

    @abc.abstractmethod
    def before(self, column: Column, element: Element, bind: Element) -> Element:
        """`element` is strictly before the moment given as `bind`."""

    @abc.abstractmethod
    def moment(self, moment: dt.datetime | dt.date, column: Column) -> Param:
        """The parameter for `before`."""

    @abc.abstractmethod
    def fit(self, value: Value, column: Column) -> Param:
        """The parameter that only equal values of `column` equal; None: nothing can equal it."""

    @abc.abstractmethod
    def listed(self, params: Sequence[Param], column: Column) -> Param:
        """Several fitted parameters as one list parameter."""

    def listable(self, param: Param) -> bool:
        """Whether the parameter can stand in a list; one that cannot is no key of anybody."""
        return True

    @abc.abstractmethod
    def stored(self, value: Value, column: Column) -> Param:
        """The parameter that stores `value` in `column`."""

    def keys(self, value: Value, column: Column) -> tuple[Param, ...]:
        """The stored forms of a key of a possibly foreign type; none: it matches nothing."""
        held = coerce(value, column.type)
        return () if held is None else self.spellings(held, column)

    def spellings(self, value: Value, column: Column) -> tuple[Param, ...]:
        """All stored forms that equal `value`."""
        one = self.fit(value, column)
        return () if one is None else (one,)


class PostgreSQL(Dialect):
    """PostgreSQL 13 to 18. Parameters are text, cast by the statement."""

    name = "postgresql"
    compiled = _engine("postgresql", "numeric_dollar")
    shown = _engine("postgresql", "format")
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
        if not column.plain:
            return sa.collate(sa.cast(element, Named("text")), "C")
        return element

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


class SQLite(Dialect):
    """SQLite 3.35 and later. Moments and UUIDs are text there; the law is kept by functions.

    The connection must have the functions that `install` gives it.
    """

    name = "sqlite"
    compiled = _engine("sqlite", "qmark")
    shown = _engine("sqlite", "qmark")
    written = _engine("sqlite", "format")

    @override
    def side(self, column: Column, element: Element) -> Element:
        if column.type in ("date", "datetime"):
            return sa.func.kept_same(element, sa.literal_column(f"'{column.type}'"))
        if column.type in ("integer", "real", "decimal", "boolean", "bytes"):
            return element
        return sa.collate(element, "BINARY")

    @override
    def parameter(self, column: Column, bind: Element) -> Element:
        return bind

    @override
    def member(self, column: Column, side: Element, bind: Element) -> Element:
        each = sa.func.json_each(bind).table_valued("value", name="listed")
        if column.type == "bytes":  # JSON carries no bytes
            blob = sa.func.typeof(side) == sa.literal_column("'blob'")
            return sa.and_(blob, sa.func.hex(side).in_(sa.select(each.c.value)))
        return side.in_(sa.select(each.c.value))

    @override
    def folded(self, column: Column, element: Element) -> Element:
        blanks: Element = sa.literal_column("char(32, 9, 13, 10, 12, 11)")
        return sa.collate(sa.func.lower(sa.func.trim(element, blanks)), "BINARY")

    @override
    def shown_as(self, column: Column, element: Element) -> Element:
        return element

    @override
    def joined(self, a: Column, left: Element, b: Column, right: Element) -> Element:
        if a.type in ("date", "datetime") and b.type in ("date", "datetime"):
            return left == right
        return self.side(a, left) == self.side(b, right)

    @override
    def new(self, column: Column, text: Element) -> Element:
        return text

    @override
    def differs(self, column: Column, element: Element, new: Element) -> Element:
        bare = column.type in ("date", "datetime")
        return (element if bare else self.side(column, element)).is_distinct_from(new)

    @override
    def key_list(
        self,
        name: str,
        columns: Sequence[Column],
        binds: Sequence[Element],
        persons: Element | None,
    ) -> KeyList:
        source = sa.func.json_each(binds[0]).table_valued("value", name=name)
        found: list[Element] = []
        alone = len(columns) == 1 and persons is None
        for i, column in enumerate(columns):
            value: Element = source.c.value
            if not alone:
                value = sa.func.json_extract(value, sa.literal_column(f"'$[{i}]'"))
            # JSON carries no bytes: they travel as hexadecimal text behind a function
            found.append(sa.func.kept_bytes(value) if column.type == "bytes" else value)
        person: Element = sa.func.json_extract(
            source.c.value, sa.literal_column(f"'$[{len(columns)}]'")
        )
        return source, found, None if persons is None else person

    @override
    def key_params(
        self,
        keys: Sequence[tuple[Param, ...]],
        columns: Sequence[Column],
        persons: Sequence[int] | None,
    ) -> list[Param]:
        rows: list[list[Param]] = [
            [v.hex().upper() if isinstance(v, bytes) else v for v in key] for key in keys
        ]
        if persons is None and len(columns) == 1:
            return [json_list([row[0] for row in rows])]
        if persons is not None:
            rows = [[*row, person] for row, person in zip(rows, persons, strict=True)]
        return [json_list(rows)]

    @override
    def ordered(self, left: sa.FromClause, right: sa.FromClause, on: Element) -> sa.FromClause:
        return CrossJoin(left, right, on)

    @override
    def quoted(self, param: Param) -> str:
        connection = sqlite3.connect(":memory:")
        try:
            return str(connection.execute("SELECT quote(?)", (param,)).fetchone()[0])
        finally:
            connection.close()

    @override
    def before(self, column: Column, element: Element, bind: Element) -> Element:
        if column.type not in ("date", "datetime"):
            return sa.and_(sa.false(), bind.is_(None))
        return sa.func.kept_instant(element, sa.literal_column(f"'{column.type}'")) < bind

    @override
    def moment(self, moment: dt.datetime | dt.date, column: Column) -> Param:
        if column.type == "date" and isinstance(moment, dt.datetime):
            moment = moment.date()
        return instant(moment)

    @override
    def fit(self, value: Value, column: Column) -> Param:
        if column.type == "other":
            return self._bare(value)
        return self._bare(value) if comparable(value, column) else None

    @override
    def listed(self, params: Sequence[Param], column: Column) -> Param:
        carried = [p for p in params if self.listable(p)]
        return json_list([p.hex().upper() if isinstance(p, bytes) else p for p in carried])

    @override
    def listable(self, param: Param) -> bool:
        # SQLite's JSON ends a text at a null character: it would find a shorter one
        return not (isinstance(param, str) and "\0" in param)

    @override
    def stored(self, value: Value, column: Column) -> Param:
        if isinstance(value, dt.datetime):
            return value.isoformat(sep=" ")
        return self._bare(value)

    @override
    def keys(self, value: Value, column: Column) -> tuple[Param, ...]:
        if column.type != "other":
            return super().keys(value, column)
        forms = dict.fromkeys((self._bare(value), self._bare(normal(value))))
        if isinstance(value, int):
            forms[str(value)] = None
        return tuple(form for form in forms if form is not None)

    @override
    def spellings(self, value: Value, column: Column) -> tuple[Param, ...]:
        if column.type != "uuid" or not isinstance(value, uuid.UUID):
            return super().spellings(value, column)
        return str(value), str(value).upper(), value.hex, value.hex.upper()

    @staticmethod
    def _bare(value: Value) -> Param:
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, decimal.Decimal):
            if not value.is_finite():
                return None
            whole = value == value.to_integral_value() and abs(value) < BIG
            return int(value) if whole else float(value)
        if isinstance(value, (dt.date, dt.time, uuid.UUID)):
            return str(canonical(value))
        if isinstance(value, dt.timedelta):
            return str(value)
        if isinstance(value, int):
            return value if -BIG <= value < BIG else None
        if isinstance(value, str) and not encodable(value):
            return None
        return value


#: How calls of the functions begin that only a connection of Kept has.
OURS: Final = ("kept_same(", "kept_instant(", "kept_bytes(")


def install(connection: sqlite3.Connection) -> None:
    """Give a SQLite connection the functions that rendered expressions call."""

    def pure(name: str, arity: int, function: Callable[..., Any]) -> None:
        connection.create_function(name, arity, function, deterministic=True)

    pure("kept_same", 2, lambda value, kind: canonical(decode(value, kind)))
    pure("kept_instant", 2, lambda value, kind: instant(decode(value, kind)))
    pure("kept_bytes", 1, lambda text: None if text is None else bytes.fromhex(text))


POSTGRESQL: Final = PostgreSQL()
SQLITE: Final = SQLite()
DIALECTS: Final[Mapping[str, Dialect]] = {d.name: d for d in (POSTGRESQL, SQLITE)}
