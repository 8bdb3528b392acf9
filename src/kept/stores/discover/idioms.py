"""What discovery asks of an engine beyond plain SELECTs; one class for each engine.

An engine that is not named here is asked in plain SQL: the first rows instead of a sample, no
definitions of views, no paths into documents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from kept.errors import StoreError
from kept.stores.columns import Element, Table
from kept.stores.relational import SqlSession

#: A sample is drawn with the same seed each time: the same database gives the same answer.
_SEED: Final = 7
#: Rows from which on a table is large.
_LARGE: Final = 500_000
_PRIME: Final = 1_000_003
#: A table this many times as large as what is wanted is sampled; a smaller one is cut off.
_MANY: Final = 4


def _number(value: int) -> Element:
    """A number of ours, written into the statement."""
    return sa.literal_column(str(value))


class Idiom:
    """Plain SQL."""

    #: sqlglot's name of the dialect.
    sqlglot = ""

    def sizes(self, session: SqlSession, tables: Mapping[str, Table]) -> Mapping[str, int]:
        """Rows per dataset as far as the engine knows them without counting; an estimate."""
        return {}

    def views(self, session: SqlSession) -> Mapping[str, str]:
        """The SELECT of each view, by dataset."""
        return {}

    def rows(self, table: Table, wanted: int | None, size: int | None) -> sa.FromClause:
        """A row source of about `wanted` rows (None: all), drawn from the whole table."""
        return table.clause

    def text(self, element: Element) -> Element:
        """The value as text."""
        return sa.cast(element, sa.Text)

    def number(self, element: Element, type_: str) -> Element:
        """The value of a column of numbers; none where it is none (NaN, which programs write for
        nothing, and which compares as greater than all).
        """
        return element

    def short(self, element: Element, length: int) -> Element:
        """The first characters of the value as text."""
        return sa.func.substr(self.text(element), sa.literal_column("1"), sa.literal(length))

    def leaf(self, element: Element, path: tuple[str, ...]) -> Element | None:
        """The scalar at `path` of a document, as text; None: the engine cannot say."""
        return None


class PostgreSQLIdiom(Idiom):
    """TABLESAMPLE, the catalogue, and paths into json and jsonb."""

    sqlglot = "postgres"

    def number(self, element: Element, type_: str) -> Element:
        """Without NaN, which only numbers with a fraction can be."""
        return element if type_ == "integer" else sa.func.nullif(element, sa.text("'NaN'"))

    def sizes(self, session: SqlSession, tables: Mapping[str, Table]) -> Mapping[str, int]:
        """By the statistics of the last ANALYZE, else by the pages of the table."""
        asked = """
            SELECT n.nspname, c.relname, sum(CASE WHEN p.reltuples > 0 THEN p.reltuples
                ELSE pg_relation_size(p.oid) / 8192 * 60 END)::bigint
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN LATERAL (
                SELECT c.oid, c.reltuples WHERE c.relkind <> 'p' UNION ALL
                SELECT q.oid, q.reltuples FROM pg_partition_tree(c.oid) t
                JOIN pg_class q ON q.oid = t.relid WHERE c.relkind = 'p' AND t.isleaf
            ) p ON true
            WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
            AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
            GROUP BY 1, 2
        """
        rows = session.ask(None, sa.text(asked))
        return {_name(schema, table): int(rows) for schema, table, rows in rows}

    def views(self, session: SqlSession) -> Mapping[str, str]:
        """As the catalogue writes them, names with their schema where it is not on the path."""
        asked = """
            SELECT n.nspname, c.relname, pg_get_viewdef(c.oid)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('v', 'm')
            AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        """
        rows = session.ask(None, sa.text(asked))
        return {_name(schema, view): text.rstrip("; \n") for schema, view, text in rows if text}

    def rows(self, table: Table, wanted: int | None, size: int | None) -> sa.FromClause:
        """Rows at random, of large tables pages; of views and foreign tables the first rows."""
        whole: sa.FromClause = table.clause
        if wanted is None or not table.physical or size is None or size <= _MANY * wanted:
            return whole
        share = min(100.0, 100 * 1.5 * wanted / size)
        # rows of one page were often written together; but to draw rows is to read all pages
        draw = sa.func.bernoulli if size < _LARGE else sa.func.system
        return whole.tablesample(
            draw(sa.literal_column(f"{share:.6f}")), seed=sa.literal_column(str(_SEED))
        )

    def leaf(self, element: Element, path: tuple[str, ...]) -> Element | None:
        """`#>>` with the path as an array."""
        steps: Element = sa.cast(
            sa.literal("{" + ",".join(map(_quoted, path)) + "}"), sa.ARRAY(sa.Text)
        )
        return sa.cast(element, _Jsonb()).op("#>>")(steps)


class SQLiteIdiom(Idiom):
    """Rows by their scattered numbers, and json_extract."""

    sqlglot = "sqlite"

    def sizes(self, session: SqlSession, tables: Mapping[str, Table]) -> Mapping[str, int]:
        """Counted: a few rows may have numbers as high as they like, which are their keys."""
        found = {}
        for name, table in tables.items():
            if table.physical:
                asked = sa.select(sa.func.count()).select_from(table.clause)
                with contextlib.suppress(StoreError):
                    found[name] = int(session.ask(name, asked)[0][0])
        return found

    def views(self, session: SqlSession) -> Mapping[str, str]:
        """As they were written, `CREATE VIEW … AS` before them."""
        rows = session.ask(None, sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'view'"))
        return {name: text for name, text in rows if text}

    def rows(self, table: Table, wanted: int | None, size: int | None) -> sa.FromClause:
        """Rows whose number, scattered, is small: every n-th row would follow any rhythm."""
        if wanted is None or not table.physical or size is None or size <= _MANY * wanted:
            return table.clause
        number = table.clause.c[table.physical[0]]
        scattered = number % _number(2**31 - 1) * _number(2_654_435_761) % _number(_PRIME)
        least = _number(max(1, _PRIME * 3 * wanted // (2 * size)))
        return sa.select(table.clause).where(scattered < least).subquery("taken")

    def leaf(self, element: Element, path: tuple[str, ...]) -> Element | None:
        """`json_extract`, where the text is a document at all."""
        where = "$" + "".join('."' + step.replace('"', "") + '"' for step in path)
        valid = sa.func.json_valid(element) == sa.literal_column("1")
        taken = sa.func.json_extract(element, sa.literal(where))
        return sa.case((valid, sa.cast(taken, sa.Text)), else_=sa.null())


class MariaDBIdiom(Idiom):
    """Rows by lot, the catalogue, and JSON_VALUE."""

    sqlglot = "mysql"

    def sizes(self, session: SqlSession, tables: Mapping[str, Table]) -> Mapping[str, int]:
        """By the engine's statistics, which are rough."""
        asked = (
            "SELECT table_name, table_rows FROM information_schema.tables "
            "WHERE table_schema = database() AND table_type <> 'VIEW'"
        )
        return {name: int(rows or 0) for name, rows in session.ask(None, sa.text(asked))}

    def views(self, session: SqlSession) -> Mapping[str, str]:
        """As the catalogue writes them, without the name of the database; needs SHOW VIEW."""
        asked = (
            "SELECT table_name, view_definition, database() FROM information_schema.views "
            "WHERE table_schema = database()"
        )
        rows = session.ask(None, sa.text(asked))
        return {n: text.replace(f"`{here}`.", "") for n, text, here in rows if text}

    def rows(self, table: Table, wanted: int | None, size: int | None) -> sa.FromClause:
        """Each row by lot, with a fixed seed: the whole table is read, little is given."""
        if wanted is None or table.view or size is None or size <= _MANY * wanted:
            return table.clause
        lot: Element = sa.func.rand(sa.literal_column(str(_SEED)))
        share: Element = sa.literal_column(f"{1.5 * wanted / size:.9f}")
        return sa.select(table.clause).where(lot < share).subquery("taken")

    def text(self, element: Element) -> Element:
        """The value as text."""
        return sa.cast(element, sa.CHAR)

    def leaf(self, element: Element, path: tuple[str, ...]) -> Element | None:
        """`JSON_VALUE`; null where the text is no document."""
        where = "$" + "".join('."' + step.replace('"', "") + '"' for step in path)
        return sa.func.json_value(element, sa.literal(where))


class _Jsonb(sa.types.UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The engine's name."""
        return "jsonb"


def _quoted(step: str) -> str:
    return '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _name(schema: str, table: str) -> str:
    return table if schema == "public" and "." not in table else f"{schema}.{table}"


_IDIOMS: Final[Mapping[str, Idiom]] = {
    "postgresql": PostgreSQLIdiom(),
    "sqlite": SQLiteIdiom(),
    "mariadb": MariaDBIdiom(),
}


def idiom(dialect: str) -> Idiom:
    """The idiom of an engine; plain SQL for one that is not named here."""
    return _IDIOMS.get(dialect, Idiom())
