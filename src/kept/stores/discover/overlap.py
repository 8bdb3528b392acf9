"""Do the values here stand there? Compared inside the engine, one statement per table.

The distinct values of each column (of a sample, or all) are a set; a hash or index join counts
how many of them are met at the other end. Only the two counts leave the engine.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from kept.errors import StoreError, StoreUnreachable
from kept.stores.columns import Column, Element
from kept.stores.discover.idioms import Idiom
from kept.stores.discover.shapes import Profile
from kept.stores.relational import SqlSession

#: Distinct values compared for each column of a sample, and rows they are taken from.
DISTINCT: Final = 1000
_ROWS: Final = 20_000
#: Types that hold whole numbers, and are equal to each other where they do.
_COUNTS: Final = frozenset(("integer", "decimal", "real"))
#: Tables below this size are counted where the engine has no statistics.
_COUNTED: Final = 500_000


def _whole(value: Any) -> bool:
    """Whether a value is a whole number; none is without end, nor what a float cannot hold."""
    # Of a decimal of more than 28 digits there is no `%`.
    return isinstance(value, int | float | Decimal) and math.isfinite(value) and int(value) == value


@dataclass(frozen=True, slots=True)
class Side:
    """Fields of a dataset; `path` leads into a document, `when` is (column, its value)."""

    dataset: str
    fields: tuple[str, ...]
    path: tuple[str, ...] = ()
    when: tuple[str, str] | None = None
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Met:
    """`values` distinct values here, of which `hits` stand there (None: could not be asked)."""

    values: int
    hits: int


class Overlap:
    """Compares columns of one store; remembers the spans of keys."""

    def __init__(
        self,
        session: SqlSession,
        idiom: Idiom,
        profiles: Mapping[str, Profile],
        sample: int | None,
    ) -> None:
        self.session, self.idiom, self.profiles, self.sample = session, idiom, profiles, sample
        self._spans: dict[tuple[str, str], float] = {}
        self._middles: dict[tuple[str, str], int] = {}
        self._keys: dict[tuple[str, str], tuple[int, int]] = {}

    def compare(self, pairs: Sequence[tuple[Side, Side]]) -> list[Met | None]:
        """One statement for all pairs of one dataset; one for each where that is refused."""
        if not pairs:
            return []
        try:
            return self._ask(pairs)
        except StoreUnreachable:
            raise
        except StoreError:
            if len(pairs) == 1:
                return [None]
        return [one for pair in pairs for one in self.compare([pair])]

    def _ask(self, pairs: Sequence[tuple[Side, Side]]) -> list[Met | None]:
        sets: dict[tuple[Side, tuple[bool, ...]], tuple[sa.CTE, int]] = {}
        places: list[tuple[int, int]] = []
        asked: list[Element] = []
        for here, there in pairs:
            cast = self._cast(here, there)
            known = sets.get((here, cast))
            if known is None:
                made = self._distinct(here, cast, f"d{len(sets)}")
                known = sets[here, cast] = made, len(asked)
                asked.append(sa.select(sa.func.count()).select_from(made).scalar_subquery())
            places.append((known[1], len(asked)))
            asked.append(self._hits(known[0], there, cast))
        statement = sa.select(*(a.label(f"n{i}") for i, a in enumerate(asked)))
        row = self.session.ask(pairs[0][0].dataset, statement)[0]
        return [Met(int(row[a]), int(row[b])) for a, b in places]

    def ends(
        self, dataset: str, fields: Collection[str], beyond: int | None = None
    ) -> dict[str, tuple[int, int]]:
        """Least and greatest value of columns of whole numbers, by one reading; of none that holds
        nothing or something else, nor where it could not be asked. `beyond`: of what is greater.
        """
        if not fields:
            return {}
        table = self.profiles[dataset].table
        asked: list[Element] = []
        for one in fields:
            value = self.idiom.number(table.clause.c[one], table.columns[one].type)
            if beyond is not None:
                value = sa.case((value > sa.literal_column(str(beyond)), value))
            asked += [sa.func.min(value), sa.func.max(value)]
        try:
            row = self.session.ask(dataset, sa.select(*asked))[0]
        except StoreUnreachable:
            raise
        except StoreError:
            return {}
        both = zip(fields, row[::2], row[1::2], strict=True)
        return {
            one: (int(least), int(most)) for one, least, most in both
            if _whole(least) and _whole(most)
        }  # fmt: skip

    def span(self, dataset: str, key: str) -> tuple[int, int]:
        """The least and the greatest key of a dataset; (0, -1) where there is none."""
        at = dataset, key
        if at not in self._keys:
            self._keys[at] = self.ends(dataset, (key,)).get(key, (0, -1))
        return self._keys[at]

    def above(self, here: Side, there: Side) -> float:
        """Which share of the distinct values here stands there among the greater half of its keys:
        of what leads there about half, of small numbers and of counts that begin at 1 none. 1
        where keys are no whole numbers, 0 where it could not be asked.
        """
        column = self._column(there, there.fields[0])
        if column.type != "integer":
            return 1.0
        cast = self._cast(here, there)
        made = self._distinct(here, cast, "d0")
        try:
            middle = self.middle(there.dataset, there.fields[0])
            count = sa.select(sa.func.count()).select_from(made).scalar_subquery()
            great = self._hits(made, there, cast, middle)
            asked = sa.select(count.label("n0"), great.label("n1"))
            values, hits = self.session.ask(here.dataset, asked)[0]
        except StoreUnreachable:
            raise
        except StoreError:
            return 0.0
        return int(hits) / int(values) if values else 0.0

    def middle(self, dataset: str, key: str) -> int:
        """The key that half of the rows of a dataset are beyond."""
        at = dataset, key
        if at not in self._middles:
            profile = self.profiles[dataset]
            element = profile.table.clause.c[key]
            # Where a size is guessed too high, nobody stands so far.
            for skip in ((profile.size or 0) // 2, 0):
                one: Element = sa.literal_column("1")
                skipped: Element = sa.literal_column(str(skip))
                asked = sa.select(element).order_by(element).limit(one).offset(skipped)
                if rows := self.session.ask(dataset, asked):
                    break
            self._middles[at] = int(rows[0][0]) if rows else 0
        return self._middles[at]

    def _column(self, side: Side, field: str) -> Column:
        return self.profiles[side.dataset].table.columns[field]

    def _cast(self, here: Side, there: Side) -> tuple[bool, ...]:
        """Which fields have to be compared as text."""
        if here.path:
            return (True,)
        kinds = [
            (self._column(here, a), self._column(there, b))
            for a, b in zip(here.fields, there.fields, strict=True)
        ]
        return tuple(
            not (
                a.type == b.type
                or {a.type, b.type} <= _COUNTS
            )
            or a.type == "other"
            or not (a.plain and b.plain)
            for a, b in kinds
        )  # fmt: skip

    def _element(self, column: Column, element: Element, cast: bool, folded: bool) -> Element:
        if folded:
            return sa.func.lower(sa.func.trim(self.idiom.text(element)))
        return self.idiom.text(element) if cast else element

    def _distinct(self, side: Side, cast: tuple[bool, ...], name: str) -> sa.CTE:
        profile = self.profiles[side.dataset]
        wanted = None if self.sample is None else max(_ROWS, self.sample)
        source = self.idiom.rows(profile.table, wanted, profile.size)
        elements: list[Element] = []
        where: list[Element] = []
        for field, as_text in zip(side.fields, cast, strict=True):
            element: Any = source.c[field]
            if side.path:
                leaf = self.idiom.leaf(element, side.path)
                assert leaf is not None
                element = leaf
            else:
                column = self._column(side, field)
                if column.type in _COUNTS:
                    # programs write 0 and -1 for "nobody"
                    where.append(self.idiom.number(element, column.type) > sa.literal_column("0"))
                elif column.type == "text":
                    # and nothing at all
                    where.append(self.idiom.text(element) != sa.literal_column("''"))
                element = self._element(column, element, as_text, side.folded)
            where.append(element.is_not(None))
            elements.append(element.label(f"v{len(elements)}"))
        if side.when is not None:
            where.append(source.c[side.when[0]] == sa.literal(side.when[1]))
        taken = sa.select(*elements).select_from(source).where(*where)
        if wanted is not None:
            taken = taken.limit(sa.literal_column(str(wanted)))
            inner = taken.subquery(f"{name}s")
            taken = sa.select(*inner.c).distinct().limit(sa.literal_column(str(DISTINCT)))
        else:
            taken = taken.distinct()
        return taken.cte(name)

    def _hits(
        self, made: sa.CTE, there: Side, cast: tuple[bool, ...], beyond: int | None = None
    ) -> Element:
        table = self.profiles[there.dataset].table.clause.alias()
        ends = [
            self._element(self._column(there, field), table.c[field], as_text, there.folded)
            for field, as_text in zip(there.fields, cast, strict=True)
        ]
        if len(ends) == 1:
            # not correlated, so that an engine without hash joins makes the set only once
            keys = sa.select(ends[0])
            if beyond is not None:
                keys = keys.where(table.c[there.fields[0]] > sa.literal_column(str(beyond)))
            found: Element = made.c.v0.in_(keys)
        else:
            same = [end == made.c[f"v{i}"] for i, end in enumerate(ends)]
            one: Element = sa.literal_column("1")
            found = sa.select(one).select_from(table).where(*same).correlate(made).exists()
        return sa.select(sa.func.count()).select_from(made).where(found).scalar_subquery()

    def values(self, dataset: str, column: str, most: int) -> list[str]:
        """The distinct values of a column that names kinds of things; none where many."""
        table = self.profiles[dataset].table.clause
        element = self.idiom.text(table.c[column])
        limit: Element = sa.literal_column(str(most + 1))
        rows = self.session.ask(
            dataset, sa.select(element).where(element.is_not(None)).distinct().limit(limit)
        )
        return [row[0] for row in rows] if len(rows) <= most else []

    def density(self, dataset: str, column: str) -> float:
        """How full the span of a whole-number key is: 1 means that any small number is met."""
        known = self._spans.get((dataset, column))
        if known is None:
            known = self._spans[dataset, column] = self._density(dataset, column)
        return known

    def _density(self, dataset: str, column: str) -> float:
        profile = self.profiles[dataset]
        element = profile.table.clause.c[column]
        counted = (profile.size or 0) < _COUNTED
        count = sa.func.count() if counted else sa.literal_column(str(profile.size))
        try:
            low, high, rows = self.session.ask(
                dataset, sa.select(sa.func.min(element), sa.func.max(element), count)
            )[0]
        except StoreUnreachable:
            raise
        except StoreError:
            return 1.0
        if low is None or rows == 0:
            return 1.0
        return min(1.0, float(rows if counted else 1.2 * rows) / (int(high) - int(low) + 1))
