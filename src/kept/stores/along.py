"""Rows of other tables that an engine would delete or empty by itself when rows here go.

Foreign keys with CASCADE, SET NULL or SET DEFAULT do that in silence, also in tables that no
map names, and from there on. What is not in the plan does not go: such a deletion is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from kept.stores.columns import Along, Param, Table
from kept.stores.obstacles import Refused
from kept.stores.statements import Built, Statements, Written


def looks(statements: Statements, made: Written) -> Iterator[tuple[Along, tuple[str, list[Param]]]]:
    """For each such foreign key, the statement that says whether the deletion would reach rows.

    One row, one value. To be run right before the deletion, in its transaction.
    """
    if not made.deletes:
        return
    for along in made.table.along:

        def any_(built: Built, along: Along = along) -> sa.ClauseElement:
            return sa.select(sa.exists(_reached(made.table, along, built[0])))

        yield along, statements.compiled(f"along {along}", made, any_)


def refusal(system: str, made: Written, along: Along) -> Refused:
    """Why the deletion is refused."""
    return Refused(
        f"`{system}.{made.table.dataset}`",
        made.table.dataset,
        "foreign-key",
        f"rows of `{along.table}` refer to rows that would go, and the engine would"
        " delete or empty them by itself",
    )


def _reached(table: Table, along: Along, where: Sequence[Any]) -> sa.Select[Any]:
    """Rows of another table (or others of the same) that refer to rows that would go."""
    own = (along.schema in (None, table.schema)) and along.table == table.name
    names = {*along.fields, *(table.key if own else ())}
    other = sa.table(
        sa.quoted_name(along.table, quote=True),
        *(sa.column(sa.quoted_name(n, quote=True)) for n in sorted(names)),
        schema=None if along.schema is None else sa.quoted_name(along.schema, quote=True),
    ).alias("other")

    def going(names: Sequence[str]) -> sa.Select[Any]:
        return sa.select(*(table.clause.c[n] for n in names)).where(*where)

    def among(mine: Sequence[str], theirs: Sequence[str]) -> sa.ColumnElement[bool]:
        sides = [other.c[n] for n in mine]
        left = sides[0] if len(sides) == 1 else sa.tuple_(*sides)
        return left.in_(going(theirs).correlate(None))

    one: sa.ColumnElement[Any] = sa.literal_column("1")
    met = sa.select(one).select_from(other).where(among(along.fields, along.on))
    return met.where(sa.not_(among(table.key, table.key))) if own and table.key else met
