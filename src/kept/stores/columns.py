"""Real columns and tables, and which parameter equals what a column holds."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from kept import wire
from kept.errors import StoreError
from kept.model.values import Type, Value

Element: TypeAlias = sa.ColumnElement[Any]
#: What the raw driver is given for one parameter.
Param: TypeAlias = wire.Param

BIG: Final = 2**63


@dataclass(frozen=True, slots=True)
class Column:
    """One real column. `native` is the engine's type for casts; `plain`: bare `=` is exact."""

    name: str
    type: Type = "text"
    native: str = "text"
    nullable: bool = True
    plain: bool = True
    aware: bool = False  # a moment with an offset
    padded: bool = False  # blank-padded characters
    generated: bool = False  # the engine computes it; never written
    touched: bool = False  # the engine sets it with every update that does not
    sources: tuple[str, ...] = ()  # the columns that a generated one may be computed from
    loose: bool = False  # the engine takes unlike texts for equal


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: `fields` here must be found as `on` of dataset `to`."""

    fields: tuple[str, ...]
    to: str
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Along:
    """A foreign key of another table by which its rows may change when a row here goes.

    `fields` of the table (`schema` None: the same one) hold the values of `on` here.
    """

    schema: str | None
    table: str
    fields: tuple[str, ...]
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One real table or view. `unique` holds sets of fields proven unique and not null.

    `physical` names the engine's own row address (none for views). `barred` says, after "it
    is", why its rows are never changed. `along`: what a deletion here would reach elsewhere.
    """

    dataset: str
    name: str
    schema: str | None
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()
    unique: tuple[frozenset[str], ...] = ()
    references: tuple[Reference, ...] = ()
    view: bool = False
    physical: tuple[str, ...] = ()
    barred: str | None = None
    along: tuple[Along, ...] = ()
    names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    _clauses: dict[None, sa.TableClause] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.columns))
        object.__setattr__(self, "_clauses", {})

    @property
    def clause(self) -> sa.TableClause:
        """The table in a statement, the same in all: made when it is first asked for, as most
        tables of a database never are.
        """
        made = self._clauses.get(None)
        return self._clauses.setdefault(None, self._clause()) if made is None else made

    def _clause(self) -> sa.TableClause:
        names = [*self.columns, *(p for p in self.physical if p not in self.columns)]
        return sa.table(
            sa.quoted_name(self.name, quote=True),
            *(sa.column(sa.quoted_name(n, quote=n not in self.physical)) for n in names),
            schema=None if self.schema is None else sa.quoted_name(self.schema, quote=True),
        )

    def column(self, name: str) -> Column:
        """The column `name`; StoreError where the table has none."""
        try:
            return self.columns[name]
        except KeyError:
            raise StoreError(
                f"`{self.dataset}` has no column `{name}`",
                expected="every field of the data map to be a column of the table",
                fix="compare the map with the database: `kept map check`",
            ) from None

    def typed(self, kinds: Mapping[str, Type]) -> Table:
        """The same table, with other types for some columns."""
        columns = {
            name: replace(column, type=kinds.get(name, column.type))
            for name, column in self.columns.items()
        }
        return replace(self, columns=columns)

    def proven(self, fields: Sequence[str]) -> bool:
        """Whether at most one row can have given values of `fields`, none of them null."""
        return any(unique <= set(fields) for unique in self.unique)


# ---------------------------------------------------------------- values


def comparable(value: Value, column: Column) -> bool:
    """Whether any value of `column` can equal `value` under the law (nothing is converted)."""
    kind = column.type
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, (int, float, decimal.Decimal)):
        if value != value or value in (float("inf"), float("-inf")):
            return False
        if kind == "integer":
            return -BIG <= value < BIG and value == int(value)
        if kind == "real":
            try:
                return float(value) == value
            except OverflowError:
                return False
        return kind == "decimal"
    if isinstance(value, str):
        return kind in ("text", "json", "other") and encodable(value)
    if isinstance(value, dt.datetime):
        return kind == "datetime" and (value.tzinfo is not None) == column.aware
    if isinstance(value, dt.date):
        return kind == "date"
    if isinstance(value, uuid.UUID):
        return kind == "uuid"
    return isinstance(value, bytes) and kind == "bytes"


def encodable(text: str) -> bool:
    """Whether the text has a UTF-8 form (a lone surrogate has none)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text at all."""
    return "\0" not in text and encodable(text)


def literal(value: Value) -> str | None:
    """A value in PostgreSQL's text form."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return f"{value / dt.timedelta(microseconds=1):.0f} microseconds"
    return str(value)


def array(params: Sequence[Param]) -> str:
    """An array in PostgreSQL's text form."""
    if all(type(param) is int for param in params):
        return "{" + ",".join(map(str, params)) + "}"
    parts = []
    for param in params:
        if param is None:
            parts.append("NULL")
        elif isinstance(param, str):
            parts.append('"' + param.replace("\\", "\\\\").replace('"', '\\"') + '"')
        else:
            parts.append(str(param))
    return "{" + ",".join(parts) + "}"
