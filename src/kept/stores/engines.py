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
from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect as EngineDialect
from sqlalchemy.types import UserDefinedType

from kept.model.values import Type, Value, coerce
from kept.stores.columns import (
    Column,
    Element,
    Param,
)
from kept.terms.printed import BARE

#: A row source of keys, its key columns, its column of persons.
KeyList: TypeAlias = tuple[sa.FromClause, list[Element], Element | None]


def engine(name: str, paramstyle: str) -> EngineDialect:
    """SQLAlchemy's dialect with the placeholders wanted."""
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


class Dialect(abc.ABC):
    """How one engine compares, folds, lists and stores."""

    name: str
    compiled: EngineDialect  # placeholders of the raw road: $1 or ?
    shown: EngineDialect  # placeholders of a DB-API cursor: %s or ?
    written: EngineDialect  # placeholders that `Binder.written` replaces by literals: %s
    #: types whose text, cast by the engine, is what model.values.coerce gives
    templated: frozenset[Type] = frozenset({"text", "integer"})
    #: whether a row without a proven key has an address of the engine's own (Table.physical)
    addressed: bool = True

    #: whether a join from keys to rows that no index finds is turned round
    turns: bool = False

    #: whether many rows are added with a parameter for each column (`unfolded`)
    unfolds: bool = False

    def unfolded(
        self, columns: Sequence[Column], values: Sequence[Sequence[Param]]
    ) -> tuple[sa.Select[Any], list[Param]] | None:
        """Rows out of few parameters: a selection of them, and the parameters `c0`, `c1` …; None
        where each value is a parameter of its own. `values` are those of each column.
        """
        return None

    @abc.abstractmethod
    def side(self, column: Column, element: Element) -> Element:
        """The row's side of a comparison, exact by code points."""

    @abc.abstractmethod
    def bare(self, column: Column, element: Element) -> Element:
        """The column as rows of one table are told apart by it: by code points."""

    @abc.abstractmethod
    def parameter(self, column: Column, bind: Element) -> Element:
        """The parameter's side of a comparison with `column`."""

    @abc.abstractmethod
    def member(self, column: Column, side: Element, bind: Element) -> Element:
        """`side` is one of the values of the list parameter `bind`."""

    def among(
        self, sides: Sequence[Element], values: Sequence[Element], source: sa.FromClause
    ) -> Element:
        """The row of `sides` is one of the rows of `values` in `source`."""
        return sa.tuple_(*sides).in_(sa.select(*values).select_from(source))

    @abc.abstractmethod
    def folded(self, column: Column, element: Element) -> Element:
        """`model.values.fold` of the column, by the engine."""

    def lowered(self, column: Column, element: Element) -> Element:
        """The text of the column with A-Z in lower case, for `holds`."""
        return sa.func.lower(element)

    def bared(self, text: Element) -> Element:
        """The text without the signs that a bare comparison leaves out."""
        for sign in BARE:
            text = sa.func.replace(text, self.sign(sign), self._nothing)
        return text

    def sign(self, sign: str) -> Element:
        """A sign as the engine writes it, whatever quoting means to it."""
        return sa.literal_column(f"char({ord(sign)})")

    def holds(self, text: Element, bind: Element) -> Element:
        """The text has the parameter in it, by code points."""
        return sa.func.instr(text, bind) > sa.literal_column("0")

    _nothing: Element = sa.literal_column("''")

    @abc.abstractmethod
    def shown_as(self, column: Column, element: Element) -> Element:
        """The column in a list of results."""

    @abc.abstractmethod
    def joined(self, a: Column, left: Element, b: Column, right: Element) -> Element:
        """Two columns of the same system are equal."""

    def together(self, parts: Sequence[Element]) -> Element:
        """Texts, one after the other."""
        made, *rest = parts
        for part in rest:
            made = made.op("||")(part)
        return made

    def absent(self, column: Column, element: Element) -> Element:
        """The column holds a null."""
        return element.is_(None)

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
        """A join that reads all rows of `last` once and looks each up among the keys.

        `values` are the columns of `keys`, `binds` the parameters that they are made of.
        """
        on = sa.and_(*(s == v for s, v in zip(sides, values, strict=True)))
        return self.ordered(last, keys, on), person

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
