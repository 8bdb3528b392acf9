"""Searches that no index serves, each with the CREATE INDEX that would help.

The engine itself is asked: the very statement that a search runs is explained, and where its
planner reads the whole table, the index on the very expression that the statement compares is
written down. Nothing is ever created here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from kept.datamap.searches import Search
from kept.errors import StoreError, StoreUnreachable
from kept.stores.base import Store
from kept.stores.columns import Column, Table
from kept.stores.discover.idioms import idiom
from kept.stores.explain import SAMPLES, served
from kept.stores.relational import SqlSession, SqlStore

#: Rows below which reading the whole table costs next to nothing.
FEW: Final = 10_000

#: Characters of a text that MariaDB can index whole, in any of its character sets.
_WHOLE: Final = 191
_LENGTHS: Final = """
    SELECT table_name, column_name, character_maximum_length FROM information_schema.columns
    WHERE table_schema = database() AND character_maximum_length IS NOT NULL"""
_PARTITIONED: Final = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'p'"""


@dataclass(frozen=True, slots=True)
class Unindexed:
    """A search for which the engine reads all rows of a table, of which it has about `rows`.

    `statement` makes the index that helps, once `first` is done (None: at once).
    """

    system: str
    dataset: str
    fields: tuple[str, ...]
    rows: int
    statement: str
    first: str | None = None

    @property
    def where(self) -> str:
        """The searched fields by name."""
        return f"{self.system}.{self.dataset}.{'+'.join(self.fields)}"

    @property
    def words(self) -> str:
        """What is amiss, in a sentence that the statement ends."""
        then = f" {self.first}; then" if self.first else " So"
        return f"`{self.where}`, about {self.rows:,} rows.{then} this would help:"

    def document(self) -> dict[str, object]:
        """For JSON."""
        return dataclasses.asdict(self)


def unindexed(store: Store, searches: Iterable[Search]) -> list[Unindexed]:
    """The searches of a system that read a whole large table; StoreError.

    Of stores that are no SQL database nothing is said, nor where an index could not help: what
    is compared is made by a function that the engine cannot keep in one.
    """
    if not isinstance(store, SqlStore):
        return []
    wanted = [s for s in searches if _able(store, s)]
    if not wanted:
        return []
    found: list[Unindexed] = []
    session = store.session()
    with session:
        tables = {search.dataset: store.table(search.dataset) for search in wanted}
        sizes = {**_counted(session, tables), **idiom(store.dialect.name).sizes(session, tables)}
        large = [s for s in wanted if sizes.get(s.dataset, 0) >= FEW]
        missing = [s for s in large if not served(store.statements_of, s, session.explain)]
        ddl = _Ddl(session) if missing else None
        for search in missing:
            # What begins another proposal is served by that one.
            longer = (
                o for o in missing if o.dataset == search.dataset and o.folded == search.folded
            )
            if ddl and not any(_begins(search.fields, other.fields) for other in longer):
                rows = sizes[search.dataset]
                found.append(ddl.proposal(store, search, rows))
    return found


def _begins(some: Sequence[str], more: Sequence[str]) -> bool:
    return len(some) < len(more) and list(more[: len(some)]) == list(some)


def _able(store: SqlStore, search: Search) -> bool:
    """Whether an index can serve the search at all. What is not there is said elsewhere."""
    try:
        table = store.table(search.dataset)
    except StoreUnreachable:
        raise
    except StoreError:
        return False
    if table.view or not table.columns.keys() >= set(search.fields):
        return False
    return all(_keepable(store.dialect.name, table.column(name)) for name in search.fields)


def _keepable(engine: str, column: Column) -> bool:
    if column.type not in SAMPLES:
        return False
    if engine == "postgresql":
        # The text of an enumeration, say, is not immutable to PostgreSQL.
        return column.plain or column.native in ("text", "citext")
    # The moments of SQLite are compared by a function of Kept's own connection.
    return not (engine == "sqlite" and column.type == "date")


def _counted(session: SqlSession, tables: Mapping[str, Table]) -> dict[str, int]:
    """Of tables whose size the engine may not tell: whether they are large."""
    if session.store.dialect.name != "sqlite":
        return {}
    found = {}
    one: sa.ColumnElement[Any] = sa.literal_column("1")
    for name, table in tables.items():
        if not table.physical:
            some = sa.select(one).select_from(table.clause).limit(sa.literal_column(str(FEW)))
            counted = sa.select(sa.func.count()).select_from(some.subquery("some"))
            found[name] = int(session.ask(name, counted)[0][0])
    return found


class _Ddl:
    """Writes CREATE INDEX as the engine of a session wants it."""

    def __init__(self, session: SqlSession) -> None:
        self._engine = session.store.dialect.name
        self._lengths: dict[tuple[str, str], int] = {}
        self._partitioned: set[tuple[str, str]] = set()
        if self._engine == "mariadb":
            rows = session.ask(None, sa.text(_LENGTHS))
            self._lengths = {(t, c): int(n) for t, c, n in rows}
        elif self._engine == "postgresql":
            self._partitioned = {(s, t) for s, t in session.ask(None, sa.text(_PARTITIONED))}

    def proposal(self, store: SqlStore, search: Search, rows: int) -> Unindexed:
        """The index for a search, on the expressions that it compares."""
        table = store.table(search.dataset)
        quote = store.dialect.compiled.identifier_preparer
        parts = [self._part(store, table.column(n), search.folded) for n in search.fields]
        name = quote.quote_identifier("_".join((table.name, *search.fields, "kept"))[:60])
        where = quote.format_table(table.clause)
        how = ""
        if (
            self._engine == "postgresql"
            and (table.schema or "", table.name) not in self._partitioned
        ):
            how = " CONCURRENTLY"  # a company goes on writing meanwhile
        if self._engine == "mariadb":
            parts = [
                f"{part}({_WHOLE})" if self._lengths.get((table.name, n), 0) > _WHOLE else part
                for part, n in zip(parts, search.fields, strict=True)
            ]
        first = None
        if search.folded and self._engine == "mariadb":
            first = (
                "MariaDB keeps no index in which case counts for nothing: where all values are"
                " stored in lower case, say `indexed_exact: true` of the field in the map"
            )
        statement = f"CREATE INDEX{how} {name} ON {where} ({', '.join(parts)});"
        return Unindexed(store.system, search.dataset, search.fields, rows, statement, first)

    def _part(self, store: SqlStore, column: Column, folded: bool) -> str:
        dialect = store.dialect
        bare: sa.ColumnElement[Any] = sa.column(sa.quoted_name(column.name, quote=True))
        if self._engine == "mariadb":
            compared = bare  # in its own collation; the rest is compared row by row
        elif folded and column.type == "text":
            compared = dialect.folded(column, bare)
        else:
            compared = dialect.side(column, bare)
        text = str(compared.compile(dialect=dialect.compiled))
        return text if compared is bare or self._engine == "sqlite" else f"({text})"
