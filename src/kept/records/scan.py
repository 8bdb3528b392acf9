"""Scans of the site: what a browser met in each pass. It played the visitors; nobody is in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb

from kept.database import Connection, Database

#: Scans that are kept of one site.
KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan. `rules` is the hash of the rules it was held against; `whole`: every visitor."""

    number: int
    site: str
    at: dt.datetime
    rules: str
    whole: bool
    document: Mapping[str, Any]


class Scans:
    """What scans found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, site: str, at: dt.datetime, rules: str, whole: bool, document: Mapping[str, Any], *,
        connection: Connection,
    ) -> None:  # fmt: skip
        """Keep a scan; the oldest of the same site go, never the last that was whole."""
        connection.execute(
            "INSERT INTO scan (site, at, rules, whole, document) VALUES (%s, %s, %s, %s, %s)",
            (site, at, rules, whole, Jsonb(dict(document))),
        )
        connection.execute(
            "DELETE FROM scan WHERE site = %(site)s AND number NOT IN (SELECT number FROM scan"
            " WHERE site = %(site)s ORDER BY number DESC LIMIT %(kept)s) AND number <> (SELECT"
            " coalesce(max(number), 0) FROM scan WHERE site = %(site)s AND whole)",
            {"site": site, "kept": KEPT},
        )

    def all(self) -> list[Scan]:
        """Every scan that is kept, the newest first."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT number, site, at, rules, whole, document FROM scan ORDER BY number DESC"
            ).fetchall()
        return [Scan(*row) for row in rows]
