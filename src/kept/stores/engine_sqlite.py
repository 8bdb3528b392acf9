"""How SQLite compares, folds, lists and stores, and the functions it lacks for that."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Join
from typing_extensions import override

from kept.model.values import Value, normal
from kept.stores.columns import (
    BIG,
    Column,
    Element,
    Param,
    comparable,
    encodable,
)
from kept.stores.engines import Dialect, KeyList, engine
from kept.stores.rows import canonical, decode, instant, json_list


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


class SQLite(Dialect):
    """SQLite 3.35 and later. Moments and UUIDs are text there; the law is kept by functions.

    The connection must have the functions that `install` gives it.
    """

    name = "sqlite"
    turns = True
    compiled = engine("sqlite", "qmark")
    shown = engine("sqlite", "qmark")
    written = engine("sqlite", "format")

    @override
    def side(self, column: Column, element: Element) -> Element:
        if column.type in ("date", "datetime"):
            return sa.func.kept_same(element, sa.literal_column(f"'{column.type}'"))
        return self.bare(column, element)

    @override
    def bare(self, column: Column, element: Element) -> Element:
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
    def lowered(self, column: Column, element: Element) -> Element:
        return sa.func.lower(sa.collate(element, "BINARY"))

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
            if column.type == "bytes":
                tagged = sa.literal_column("'b'").op("||")(value) if alone else value
                found.append(sa.func.kept_bytes(tagged))
            else:
                found.append(value)
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
        if persons is None and len(columns) == 1:
            return [self.listed([key[0] for key in keys], columns[0])]
        # JSON carries no bytes: in a column of bytes a letter says what follows it
        blobs = [column.type == "bytes" for column in columns]
        rows: list[list[Param]] = [
            [_tagged(v) if blob else v for v, blob in zip(key, blobs, strict=True)] for key in keys
        ]
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
        # Keys that are kept SQLite indexes by itself, where both sides are of one affinity; what
        # a function makes has none. A cast may take more for equal than the law does, so a
        # column is compared with and without it.
        kinds: dict[str, sa.types.TypeEngine[Any]] = {"text": sa.TEXT(), "integer": sa.INTEGER()}
        shown: list[Element] = []
        compared: list[tuple[Element, str]] = []
        for i, (column, side, value) in enumerate(zip(columns, sides, values, strict=True)):
            shown.append(value.label(f"k{i}"))
            kind = kinds.get(column.type)
            if kind is not None and not _made(side):
                shown.append(sa.cast(value, kind).label(f"c{i}"))
                compared.append((side, f"c{i}"))
            compared.append((side, f"k{i}"))
        if person is not None:
            shown.append(person.label("person"))
        kept = sa.select(*shown).select_from(keys).cte(f"{keys.description}held")
        kept = kept.prefix_with("MATERIALIZED")
        on = sa.and_(*(side == kept.c[name] for side, name in compared))
        for column, side in zip(columns, sides, strict=True):
            if (column.type, column.native) == ("text", "text"):
                # Looked up in a hash first, by its bytes: a tree of texts takes far longer.
                passes = sa.func.kept_met(sa.cast(side, sa.BLOB))
                on = sa.and_(passes, on)
                break
        source = self.ordered(last, kept, on)
        return source, None if person is None else kept.c["person"]

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
        if column.type == "datetime" and isinstance(value, dt.datetime):
            return self._bare(value)  # rows of one column may be with or without an offset
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


def _made(side: Element) -> bool:
    """Whether a function makes it; else it is a column."""
    return any(isinstance(part, FunctionElement) for part in visitors.iterate(side))


def _tagged(param: Param) -> Param:
    if isinstance(param, bytes):
        return "b" + param.hex()
    return "s" + param if isinstance(param, str) else param


def _untagged(param: Any) -> Any:
    if not isinstance(param, str):
        return param
    return bytes.fromhex(param[1:]) if param[0] == "b" else param[1:]


#: How calls of the functions begin that only a connection of Kept has.
OURS: Final = ("kept_same(", "kept_instant(", "kept_bytes(", "kept_met(")
#: Encodings that the texts of a file can have.
_ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-16-be")


def install(connection: sqlite3.Connection) -> None:
    """Give a SQLite connection the functions that rendered expressions call."""

    def pure(name: str, arity: int, function: Callable[..., Any]) -> None:
        connection.create_function(name, arity, function, deterministic=True)

    pure("kept_same", 2, lambda value, kind: canonical(decode(value, kind)))
    pure("kept_instant", 2, lambda value, kind: instant(decode(value, kind)))
    pure("kept_bytes", 1, _untagged)
    install_met(connection, set())


def install_met(connection: sqlite3.Connection, met: set[bytes]) -> None:
    """Give it the function that says whether bytes are in `met`, which may grow later."""
    connection.create_function("kept_met", 1, met.__contains__)


def listed_in(text: str, params: Sequence[Param]) -> Iterator[bytes]:
    """The bytes of every text in the lists of a statement that calls `kept_met`."""
    if "kept_met(" not in text:
        return
    for param in dict.fromkeys(params):
        if isinstance(param, str) and param.startswith("["):
            for row in json.loads(param):
                for value in row if isinstance(row, list) else (row,):
                    if isinstance(value, (str, int)):  # a number is compared as a text, too
                        yield from (str(value).encode(one) for one in _ENCODINGS)


SQLITE: Final = SQLite()
