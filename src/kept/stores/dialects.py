"""Predicates in the words of an engine.

`model.predicate.matches` is the law; here each engine is made to obey it: a null is never a
third truth value, and an index on a plain column stays usable.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect as EngineDialect

from kept.errors import StoreError, UsageError
from kept.model.predicate import And, Before, Bits, Contains, Eq, In, IsNull, Not, Or, Predicate
from kept.model.values import Type, Value
from kept.stores.columns import BIG, Column, Element, Param, storable
from kept.stores.engine_mariadb import MARIADB
from kept.stores.engine_postgresql import POSTGRESQL
from kept.stores.engine_sqlite import SQLITE, install
from kept.stores.engines import Dialect

__all__ = [
    "DIALECTS",
    "MARIADB",
    "POSTGRESQL",
    "SQLITE",
    "Binder",
    "Dialect",
    "clause",
    "compiled",
    "install",
    "render",
]

#: How many texts are looked for in one group of ORs.
_GROUP: Final = 64
DIALECTS: Final[Mapping[str, Dialect]] = {d.name: d for d in (POSTGRESQL, SQLITE, MARIADB)}


class Binder:
    """Collects the parameters of one statement by name, in whatever order it is written."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.params: dict[str, Param] = {}

    def bind(self, param: Param) -> Element:
        """A new parameter holding `param`."""
        name = f"p{len(self.params)}"
        self.params[name] = param
        return sa.bindparam(name)

    def name(self, name: str, param: Param) -> Element:
        """A parameter with a name of its own."""
        self.params[name] = param
        return sa.bindparam(name)

    def compile(
        self, statement: sa.ClauseElement, target: EngineDialect
    ) -> tuple[str, list[Param]]:
        """The text, and the parameters in the order of its placeholders."""
        text, names = compiled(statement, target)
        return text, [self.params[name] for name in names]

    def written(self, statement: sa.ClauseElement) -> str:
        """The statement with literal values in its places."""
        text, params = self.compile(statement, self.dialect.written)
        left = iter(params)
        quote = self.dialect.quoted
        return re.sub("%([%s])", lambda m: "%" if m[1] == "%" else quote(next(left)), text)


def compiled(statement: sa.ClauseElement, target: EngineDialect) -> tuple[str, tuple[str, ...]]:
    """The text for `target`, and the names of its parameters in the order of its places."""
    made = statement.compile(dialect=target)
    return str(made), tuple(getattr(made, "positiontup", None) or ())


def clause(
    predicate: Predicate,
    columns: Mapping[str, tuple[Column, Element]],
    binder: Binder,
    *,
    dataset: str = "the dataset",
) -> Element:
    """The predicate as an expression that is true exactly where `matches` is.

    In a positive place it may be null where `matches` is false, so that an index serves;
    `Not` makes it two-valued again.
    """
    dialect = binder.dialect

    def at(name: str) -> tuple[Column, Element]:
        try:
            return columns[name]
        except KeyError:
            raise StoreError(
                f"`{dataset}` has no column `{name}`",
                expected="every field of the data map to be a column of the table",
                fix="compare the map with the database: `kept map check`",
            ) from None

    def compare(name: str, values: Sequence[Value], folded: bool) -> Element:
        column, element = at(name)
        if folded and column.type in ("text", "other"):
            side = dialect.folded(column, element)
            column = Column(column.name)
        else:
            side = dialect.side(column, element)
        forms = [form for value in values for form in dialect.spellings(value, column)]
        if len(forms) == 1 and isinstance(forms[0], (bool, int, float, str, bytes)):
            return side == dialect.parameter(column, binder.bind(forms[0]))
        if not forms:
            return sa.false()
        return dialect.member(column, side, binder.bind(dialect.listed(forms, column)))

    def walk(part: Predicate) -> Element:
        match part:
            case Eq(name, value, folded):
                return compare(name, (value,), folded)
            case In(name, values, folded):
                return compare(name, values, folded)
            case Before(name, moment):
                column, element = at(name)
                return dialect.before(column, element, binder.bind(dialect.moment(moment, column)))
            case IsNull(name):
                return dialect.absent(*at(name))
            case Contains(name, texts, bare):
                column, element = at(name)
                if column.type not in ("text", "other", "json"):
                    return sa.false()
                text = dialect.lowered(column, element)
                text = dialect.bared(text) if bare else text
                # A null character is in no text of PostgreSQL, and ends one for SQLite's functions.
                wanted = [one for one in texts if storable(one)]
                return _any([dialect.holds(text, binder.bind(one)) for one in wanted])
            case Bits(name, mask, value):
                if not (0 <= mask < BIG and 0 <= value < BIG):
                    return sa.false()
                column, element = at(name)
                if column.type != "integer":
                    return sa.false()
                word = Column(name, "integer", "bigint")
                masked = element.op("&", precedence=6)(
                    dialect.parameter(word, binder.bind(dialect.fit(mask, word)))
                )
                return masked == dialect.parameter(word, binder.bind(dialect.fit(value, word)))
            case And(parts):
                return sa.and_(sa.true(), *map(walk, parts))
            case Or(parts):
                return sa.or_(sa.false(), *map(walk, parts))
            case Not(inner):
                return walk(inner).self_group().is_not(sa.true())

    return walk(predicate)


def _any(parts: Sequence[Element]) -> Element:
    """One of the parts holds. In groups: SQLite takes no expression deeper than 1,000, and a chain
    of ORs is as deep as it is long.
    """
    while len(parts) > _GROUP:
        groups = [parts[n : n + _GROUP] for n in range(0, len(parts), _GROUP)]
        parts = [sa.or_(*group).self_group().is_(sa.true()) for group in groups]
    return sa.or_(sa.false(), *parts)


def render(
    predicate: Predicate,
    dialect: Dialect | str,
    types: Mapping[str, Type | Column] | None = None,
    *,
    alias: str | None = None,
) -> tuple[str, list[Param]]:
    """A boolean expression and its parameters, for a DB-API cursor (`%s` or `?`).

    `types` gives the columns' types; where it is silent they are taken from the values.
    """
    if isinstance(dialect, str):
        try:
            dialect = DIALECTS[dialect]
        except KeyError:
            raise UsageError(
                f"no SQL dialect `{dialect}`", expected=" or ".join(f"`{n}`" for n in DIALECTS)
            ) from None
    known: dict[str, tuple[Column, Element]] = {}
    for name, column in {**_guessed(predicate), **dict(types or {})}.items():
        made = column if isinstance(column, Column) else _column(name, column)
        quoted = sa.quoted_name(name, quote=True)
        if alias is None:
            known[name] = made, sa.column(quoted)
        else:
            known[name] = (
                made,
                sa.table(sa.quoted_name(alias, quote=True), sa.column(quoted)).c[name],
            )
    binder = Binder(dialect)
    return binder.compile(clause(predicate, known, binder), dialect.shown)


def _column(name: str, kind: Type) -> Column:
    return Column(name, kind, "text" if kind == "text" else "", aware=kind == "datetime")


def _guessed(predicate: Predicate) -> dict[str, Column]:
    """Columns with the types that the predicate's own values suggest."""
    match predicate:
        case And(parts) | Or(parts):
            return {name: c for part in parts for name, c in _guessed(part).items()}
        case Not(part):
            return _guessed(part)
        case Bits(name):
            return {name: Column(name, "integer", "bigint")}
        case Eq(name, value):
            return {name: _guess(name, value)}
        case In(name, values):
            return {name: _guess(name, next((v for v in values if v is not None), None))}
        case Before(name, moment):
            return {name: _guess(name, moment)}
        case IsNull(name):
            return {name: Column(name)}
        case Contains(name):
            return {name: _guess(name, "")}


def _guess(name: str, value: Value) -> Column:
    kinds: tuple[tuple[type, Type], ...] = (
        (bool, "boolean"), (int, "integer"), (decimal.Decimal, "decimal"), (float, "real"),
        (dt.datetime, "datetime"), (dt.date, "date"), (uuid.UUID, "uuid"), (bytes, "bytes"),
    )  # fmt: skip
    kind: Type = next((t for cls, t in kinds if isinstance(value, cls)), "text")
    aware = isinstance(value, dt.datetime) and value.tzinfo is not None
    return Column(name, kind, "text" if kind == "text" else "", aware=aware)
