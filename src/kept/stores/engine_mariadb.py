"""How MariaDB compares, folds, lists and stores.

Its collations ignore case and accents, and most of them blanks at the end as well. Every text
is therefore compared twice: in its own collation, so that an index serves, and exactly.
Lists travel as one JSON text each and are read by JSON_TABLE, so that no privilege beyond
the tables' own is needed.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.mysql.mariadb import MariaDBDialect
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Join
from sqlalchemy.sql.util import ClauseAdapter
from sqlalchemy.types import UserDefinedType
from typing_extensions import override

from kept.errors import StoreError
from kept.model.values import Value
from kept.stores.columns import Column, Element, Param, comparable, encodable
from kept.stores.engines import Dialect, KeyList
from kept.stores.rows import json_list

#: Compares by code points; blanks at the end count.
_EXACT: Final = "utf8mb4_nopad_bin"
#: The same, but blanks at the end do not count: how CHAR(n) keeps its texts.
_PADDED: Final = "utf8mb4_bin"

#: `fold`'s blanks at both ends. Possessive and bounded: a long run of blanks costs one look.
#: Written in hexadecimal, because what a backslash means depends on the connection.
_BLANKS: Final = "_utf8mb4 x'{}'".format(rb"(?<![\x09-\x0D ])[\x09-\x0D ]++$|^[\x09-\x0D ]++".hex())

#: Digits before and behind the point of MariaDB's widest DECIMAL with room on both sides.
_DIGITS, _SCALE = 35, 30

_SHAPES: Final = frozenset(
    (
        "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
        "multipolygon", "geometrycollection",
    )
)  # fmt: skip


class _Cast(FunctionElement[Any]):
    """CAST to a type by MariaDB's own name for it; SQLAlchemy leaves out those it does not know."""

    inherit_cache = False

    def __init__(self, element: Element, kind: str) -> None:
        super().__init__(element)
        self.kind = kind


class _Using(FunctionElement[Any]):
    """CONVERT to another character set."""

    inherit_cache = False

    def __init__(self, element: Element, charset: str) -> None:
        super().__init__(element)
        self.charset = charset


class _JsonTable(FunctionElement[Any]):
    """The rows of a JSON text. `shape`: what stands in each, in MariaDB's words."""

    inherit_cache = False

    def __init__(self, document: Element, shape: str) -> None:
        super().__init__(document)
        self.shape = shape


class StraightJoin(Join):
    """A join whose left side comes first: MariaDB does not reorder STRAIGHT_JOIN."""

    inherit_cache = True


@compiles(_Cast)
def _cast(cast: _Cast, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST({compiler.process(cast.clauses, **options)} AS {cast.kind})"


@compiles(_Using)
def _using(using: _Using, compiler: SQLCompiler, **options: Any) -> str:
    return f"CONVERT({compiler.process(using.clauses, **options)} USING {using.charset})"


@compiles(_JsonTable)
def _json_table(table: _JsonTable, compiler: SQLCompiler, **options: Any) -> str:
    return f"JSON_TABLE({compiler.process(table.clauses, **options)}, {table.shape})"


@compiles(StraightJoin)
def _straight_join(join: StraightJoin, compiler: SQLCompiler, **options: Any) -> str:
    options["asfrom"] = True
    left, right = (compiler.process(side, **options) for side in (join.left, join.right))
    options["asfrom"] = False
    assert join.onclause is not None
    return f"{left} STRAIGHT_JOIN {right} ON {compiler.process(join.onclause, **options)}"


class _Exact(UserDefinedType[Any]):
    """The type of a text that is compared exactly, which knows the column it is made of.

    What equals it exactly equals it in the column's own collation too: asked for as well, an
    index on the column serves.
    """

    cache_ok = False

    def __init__(self, column: Column, bare: Element) -> None:
        self.column, self.bare = column, bare

    class Comparator(UserDefinedType.Comparator[Any]):
        """Equality by both."""

        def operate(self, op: operators.OperatorType, *other: Any, **options: Any) -> Any:
            """Add the column's own comparison to an equality."""
            exact = super().operate(op, *other, **options)
            kind = self.type
            if op is not operators.eq or not isinstance(kind, _Exact):
                return exact
            return sa.and_(kind.bare == kind.alike(other[0]), exact)

    comparator_factory = Comparator

    def alike(self, text: Element) -> Element:
        """A text as the column would hold and compare it."""
        collation = self.column.native
        return sa.collate(_Using(text, _charset(self.column)), collation)


def _packed(column: Column) -> bool:
    """Whether a UUID is kept as its sixteen bytes."""
    return column.type == "uuid" and column.native == "binary(16)"


def _charset(column: Column) -> str:
    return column.native.partition("_")[0]


#: Types of which a checksum, or the number itself, can be looked up.
_SUMMED: Final = frozenset(("text", "json", "other", "bytes", "integer"))


class MariaDB(Dialect):
    """MariaDB 10.6 and later, on a connection with the settings that the store gives it."""

    name = "mariadb"
    turns = True
    compiled: EngineDialect = MariaDBDialect(paramstyle="format")
    shown = compiled
    written = compiled
    #: InnoDB shows no address of a row: where no key is proven, the whole row is its own.
    addressed = False

    @override
    def side(self, column: Column, element: Element) -> Element:
        match column.type:
            case "text" | "json":
                return self._exact(column, element)
            case "other":
                return sa.collate(self._spoken(column, element), _EXACT)
            case "real" if column.native == "float":
                # what is read is its six digits, not what it is rounded from
                return _Cast(_Cast(element, "CHAR"), "DOUBLE")
            case _:
                return self.shown_as(column, element)

    @override
    def bare(self, column: Column, element: Element) -> Element:
        # Rows are told apart so only by a key that is proven under the column's own collation.
        return element

    def _exact(self, column: Column, element: Element) -> Element:
        if column.native == _EXACT:
            return element
        known = column.native.startswith("utf8mb4_")
        exact = sa.collate(element if known else _Using(element, "utf8mb4"), _EXACT)
        if "_" not in column.native:  # its collation is not known, or it is an enumeration
            return exact
        return sa.type_coerce(exact, _Exact(column, element))

    @staticmethod
    def _spoken(column: Column, element: Element) -> Element:
        """The text that the engine itself shows."""
        if column.native in _SHAPES:
            return sa.func.st_astext(element)
        return _Cast(element, "CHAR CHARACTER SET utf8mb4")

    @override
    def shown_as(self, column: Column, element: Element) -> Element:
        if column.type == "other":
            return self._spoken(column, element)
        return _Cast(element, "UNSIGNED") if column.native == "bit" else element

    @override
    def parameter(self, column: Column, bind: Element) -> Element:
        match column.type:
            case "decimal":
                return _Cast(bind, f"DECIMAL({_DIGITS + _SCALE},{_SCALE})")
            case "date":
                return _Cast(bind, "DATE")
            case "datetime":
                return _Cast(bind, "DATETIME(6)")
            case "uuid" if column.native == "uuid":
                return _Cast(bind, "UUID")
            case _:
                return bind

    @override
    def member(self, column: Column, side: Element, bind: Element) -> Element:
        listed, (value,) = self._rows("listed", (column,), ("$",), bind)
        return self.among([side], [value], listed)

    @override
    def among(
        self, sides: Sequence[Element], values: Sequence[Element], source: sa.FromClause
    ) -> Element:
        left, right = list(sides), list(values)
        for side, value in zip(sides, values, strict=True):
            if isinstance(side.type, _Exact):
                left.append(side.type.bare)
                right.append(side.type.alike(value))
        wanted = sa.select(*right).select_from(source)
        return left[0].in_(wanted) if len(left) == 1 else sa.tuple_(*left).in_(wanted)

    @override
    def folded(self, column: Column, element: Element) -> Element:
        text = (
            self._spoken(column, element) if column.type == "other" else _Using(element, "utf8mb4")
        )
        trimmed = sa.func.regexp_replace(
            sa.collate(text, _EXACT), sa.literal_column(_BLANKS), sa.literal_column("''")
        )
        return self._lower(trimmed)

    @staticmethod
    def _lower(text: Element) -> Element:
        # byte by byte: beyond ASCII nothing has two cases in tis620, so only A-Z change
        lower = sa.func.lower(_Using(_Cast(text, "BINARY"), "tis620"))
        return sa.collate(_Using(_Cast(lower, "BINARY"), "utf8mb4"), _EXACT)

    @override
    def lowered(self, column: Column, element: Element) -> Element:
        other = column.type == "other"
        text = self._spoken(column, element) if other else _Using(element, "utf8mb4")
        return self._lower(text)

    @override
    def sign(self, sign: str) -> Element:
        return sa.literal_column(f"_utf8mb4 x'{sign.encode().hex()}'")

    @override
    def joined(self, a: Column, left: Element, b: Column, right: Element) -> Element:
        numbers = ("integer", "decimal", "real")
        texts = ("text", "json", "other")
        if a.type in texts and b.type in texts:
            return self.side(a, left) == self._plainly(b, right)
        if a.type in numbers and b.type in numbers:
            return self.side(a, left) == self.side(b, right)
        if a.type == b.type:
            if a.type == "uuid" and a.native != b.native:
                return self._text(a, left) == self._text(b, right)
            same = self.side(a, left) == self.side(b, right)
            return same if a.aware == b.aware else sa.false()
        apart = ("boolean", "date", "datetime", "bytes")
        if a.type in apart or b.type in apart:
            return sa.false()
        return self._text(a, left) == self._text(b, right)

    def _plainly(self, column: Column, element: Element) -> Element:
        """The exact side as nothing but a text."""
        return sa.type_coerce(self.side(column, element), sa.Text())

    def _text(self, column: Column, element: Element) -> Element:
        if column.type in ("text", "json", "other"):
            return self._plainly(column, element)
        text: Element = _Cast(self.shown_as(column, element), "CHAR CHARACTER SET utf8mb4")
        if column.type == "decimal":
            zero: Element = sa.literal_column("'0'")
            point: Element = sa.literal_column("'.'")
            bare = _Trailing(_Trailing(text, zero), point)
            nowhere: Element = sa.literal_column("0")
            text = sa.case((sa.func.locate(point, text) == nowhere, text), else_=bare)
        elif _packed(column):
            text = _Cast(_Cast(sa.func.hex(element), "UUID"), "CHAR CHARACTER SET utf8mb4")
        return sa.collate(text, _EXACT)

    @override
    def together(self, parts: Sequence[Element]) -> Element:
        return sa.func.concat(*parts)

    @override
    def absent(self, column: Column, element: Element) -> Element:
        # of a column that may not be null, MariaDB calls a zero date null
        asked = _Cast(element, "CHAR") if column.type in ("date", "datetime") else element
        return asked.is_(None)

    @override
    def new(self, column: Column, text: Element) -> Element:
        if column.native == "bit":
            return _Cast(text, "UNSIGNED")
        if _packed(column):
            dash: Element = sa.literal_column("'-'")
            nothing: Element = sa.literal_column("''")
            return sa.func.unhex(sa.func.replace(text, dash, nothing))
        return text

    @override
    def differs(self, column: Column, element: Element, new: Element) -> Element:
        if column.padded:
            padded = sa.collate(_Using(element, "utf8mb4"), _PADDED)
            return padded.is_distinct_from(_Using(new, "utf8mb4"))
        if column.type in ("text", "json", "other"):
            return self._plainly(column, element).is_distinct_from(_Using(new, "utf8mb4"))
        return self.side(column, element).is_distinct_from(self.parameter(column, new))

    def _rows(
        self, name: str, columns: Sequence[Column], paths: Sequence[str], document: Element
    ) -> tuple[sa.TableValuedAlias, list[Element]]:
        """The rows of a JSON text, and their values as `columns` are compared with."""
        names = [f"k{i}" for i in range(len(columns))]
        shape = ", ".join(
            f"{n} {_carrier(c)} PATH '{p}'" for n, c, p in zip(names, columns, paths, strict=True)
        )
        made = _JsonTable(document, f"'$[*]' COLUMNS ({shape})")
        source = made.table_valued(*names, name=name)
        values: list[Element] = []
        for n, column in zip(names, columns, strict=True):
            value: Element = source.c[n]
            if column.type == "bytes" or _packed(column):
                value = sa.func.unhex(value)
            values.append(self.parameter(column, value) if column.type == "uuid" else value)
        return source, values

    @override
    def key_list(
        self,
        name: str,
        columns: Sequence[Column],
        binds: Sequence[Element],
        persons: Element | None,
    ) -> KeyList:
        carried = [*columns, *([] if persons is None else [Column("person", "integer")])]
        # a list of single values is the one that `member` reads, too
        paths = [f"$[{i}]" for i in range(len(carried))] if len(carried) > 1 else ["$"]
        source, values = self._rows(name, carried, paths, binds[0])
        return source, values[: len(columns)], None if persons is None else values[-1]

    @override
    def key_params(
        self,
        keys: Sequence[tuple[Param, ...]],
        columns: Sequence[Column],
        persons: Sequence[int] | None,
    ) -> list[Param]:
        if persons is None and len(columns) == 1:
            return [self.listed([key[0] for key in keys], columns[0])]
        rows: list[list[Param]] = [[_carried(v) for v in key] for key in keys]
        if persons is not None:
            rows = [[*row, person] for row, person in zip(rows, persons, strict=True)]
        return [json_list(rows)]

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
        # MariaDB compares each row with every key of a list; only a table that it makes itself
        # gets an index, and a fast one only where it holds no long text. So a table of checksums
        # comes first, which few rows pass, and then the keys.
        at = next((i for i, column in enumerate(columns) if column.type in _SUMMED), None)
        if at is None:
            on = sa.and_(*(s == v for s, v in zip(sides, values, strict=True)))
            return self.ordered(keys, last, on), person
        brief = [
            one if columns[at].type == "integer" else sa.func.crc32(one)
            for one in (sides[at], values[at])
        ]
        name = keys.description
        sums = sa.select(brief[1].label("h")).select_from(keys).distinct().subquery(f"{name}sums")
        # The limit, which cuts nothing off, keeps it a table of its own. It holds the keys as they
        # are carried: of what UNHEX gives it would keep nothing.
        whole: Element = sa.literal_column(str(2**64 - 1))
        carried = sa.select(*keys.c, brief[1].label("h")).select_from(keys).limit(whole)
        held = carried.subquery(f"{name}held")
        there = ClauseAdapter(held)
        # Asked whether it is true, an equality is no way to look a row up: an index over a long
        # text finds nothing. Nor is it asked by `==`, which would compare by the column's own
        # collation too.
        same = [
            side.op("=", is_comparison=True)(there.traverse(value)).is_(sa.true())
            for side, value in zip(sides, values, strict=True)
        ]
        passed = self.ordered(last, sums, sums.c.h == brief[0])
        source = self.ordered(passed, held, sa.and_(held.c.h == sums.c.h, *same))
        return source, None if person is None else there.traverse(person)

    @override
    def ordered(self, left: sa.FromClause, right: sa.FromClause, on: Element) -> sa.FromClause:
        return StraightJoin(left, right, on)

    @override
    def quoted(self, param: Param) -> str:
        if param is None:
            return "NULL"
        if isinstance(param, bytes):
            return f"x'{param.hex()}'"
        if isinstance(param, str):
            # what a backslash means depends on the connection that it is read by
            if re.search(r"[\\\0-\x1f\x7f]", param):
                return f"_utf8mb4 x'{param.encode().hex()}'"
            return "'" + param.replace("'", "''") + "'"
        return (
            f"{param!r}e0" if isinstance(param, float) and "e" not in repr(param) else repr(param)
        )

    @override
    def before(self, column: Column, element: Element, bind: Element) -> Element:
        if column.type not in ("date", "datetime"):
            return sa.and_(sa.false(), bind.is_(None))
        # a day that no calendar has (the zero date, 31 February) is before nothing
        real = sa.func.adddate(element, sa.literal_column("0")).is_not(None)
        first = element >= sa.literal_column("'0001-01-01'")
        return sa.and_(element < self.parameter(column, bind), first, real)

    @override
    def moment(self, moment: dt.datetime | dt.date, column: Column) -> Param:
        if column.type == "date":
            return (moment.date() if isinstance(moment, dt.datetime) else moment).isoformat()
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime.combine(moment, dt.time())
        return _utc(moment)

    @override
    def fit(self, value: Value, column: Column) -> Param:
        if not comparable(value, column):
            return None
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, (int, float, decimal.Decimal)):
            if column.type == "integer":
                return int(value)
            if column.type == "real":
                return float(value)
            return _digits(decimal.Decimal(value))
        if isinstance(value, dt.datetime):
            return _utc(value)
        if isinstance(value, dt.date):
            return value.isoformat()
        if isinstance(value, uuid.UUID):
            return value.bytes if _packed(column) else str(value)
        return value if isinstance(value, (str, bytes)) else None

    @override
    def listed(self, params: Sequence[Param], column: Column) -> Param:
        return json_list([_carried(param) for param in params])

    @override
    def stored(self, value: Value, column: Column) -> Param:
        if isinstance(value, str) and not encodable(value):
            raise StoreError(
                f"a text assigned to `{column.name}` cannot be stored by the engine",
                expected="text that has a UTF-8 form",
                fix="mend the overwrite rule of this field in the data map",
            )
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, decimal.Decimal):
            return format(value, "f")
        if isinstance(value, dt.datetime):
            return _utc(value)
        if isinstance(value, (dt.date, dt.time)):
            return value.isoformat()
        if isinstance(value, dt.timedelta):
            seconds = value / dt.timedelta(seconds=1)
            sign, rest = ("-" if seconds < 0 else ""), abs(value)
            hours, rest = divmod(rest, dt.timedelta(hours=1))
            minutes, rest = divmod(rest, dt.timedelta(minutes=1))
            return f"{sign}{hours:02}:{minutes:02}:{rest / dt.timedelta(seconds=1):09.6f}"
        return str(value) if isinstance(value, uuid.UUID) else value


class _Trailing(FunctionElement[Any]):
    """A text without every `what` at its end."""

    inherit_cache = False

    def __init__(self, text: Element, what: Element) -> None:
        super().__init__(text, what)


@compiles(_Trailing)
def _trailing(trim: _Trailing, compiler: SQLCompiler, **options: Any) -> str:
    text, what = (compiler.process(part, **options) for part in trim.clauses)
    return f"TRIM(TRAILING {what} FROM {text})"


def _carrier(column: Column) -> str:
    """The type in which JSON_TABLE gives the values for a column."""
    match column.type:
        case "integer" | "boolean":
            return "BIGINT"
        case "decimal":
            return f"DECIMAL({_DIGITS + _SCALE},{_SCALE})"
        case "real":
            return "DOUBLE"
        case "date":
            return "DATE"
        case "datetime":
            return "DATETIME(6)"
        case "uuid":
            return "VARCHAR(36)"
        case _:
            return f"LONGTEXT CHARACTER SET utf8mb4 COLLATE {_EXACT}"


def _carried(param: Param) -> Param:
    """A parameter as JSON can carry it."""
    return param.hex() if isinstance(param, bytes) else param


def _digits(number: decimal.Decimal) -> str | None:
    """The number in full; None where MariaDB's DECIMAL would round it."""
    if not number.is_finite():
        return None
    _, digits, exponent = number.normalize(decimal.Context(prec=400)).as_tuple()
    assert isinstance(exponent, int)
    if -exponent > _SCALE or len(digits) + exponent > _DIGITS:
        return None
    return format(number, "f")


def _utc(moment: dt.datetime) -> str:
    """The moment as MariaDB reads it on a connection in UTC."""
    bare = moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return bare.isoformat(sep=" ")


MARIADB: Final = MariaDB()
