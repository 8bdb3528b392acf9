"""Lists of others that say who a cookie or a host may be, as the operator imported them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from kept.database import Connection, Database
from kept.decide.known import Kind, Known, candidates


@dataclass(frozen=True, slots=True)
class Source:
    """One imported list: whose it is, of which day, under which licence, and what was left out."""

    source: str
    kind: str
    dated: dt.date
    licence: str
    sha256: str
    at: dt.datetime
    passed_over: int
    rows: int


class KnownNames:
    """The rows of all lists."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, source: Source, rows: Sequence[Known], *, connection: Connection) -> None:
        """Keep a list; an older one of the same name goes."""
        connection.execute("DELETE FROM known_list WHERE source = %s", (source.source,))
        connection.execute(
            "INSERT INTO known_list (source, kind, dated, licence, sha256, at, passed_over)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (source.source, source.kind, source.dated, source.licence, source.sha256, source.at,
             source.passed_over),
        )  # fmt: skip
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY known_name (source, kind, name, prefix, domain, provider, likely, days)"
                " FROM STDIN"
            ) as copy,
        ):
            for row in rows:
                copy.write_row((source.source, row.kind, row.name, row.prefix, row.domain,
                                row.provider, row.likely, row.days))  # fmt: skip

    def lists(self) -> list[Source]:
        """Every list that was imported."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT l.source, l.kind, l.dated, l.licence, l.sha256, l.at, l.passed_over,"
                " count(n.number) FROM known_list l LEFT JOIN known_name n USING (source)"
                " GROUP BY l.source ORDER BY l.source"
            ).fetchall()
        return [Source(*row) for row in rows]

    def of(self, kind: Kind, name: str) -> list[Known]:
        """The rows that could fit a name."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT kind, name, prefix, domain, provider, likely, days, source"
                " FROM known_name WHERE kind = %s AND name = ANY(%s) ORDER BY source, number",
                (kind, list(candidates(name[:200], kind))),
            ).fetchall()
        return [Known(*row) for row in rows]
