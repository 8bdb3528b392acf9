"""What people were shown: the words themselves, each text once, under its hash.

A record that is stored carries the hash; by it the text can be shown again as it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from kept.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Shown:
    """One text as it is kept; `shown` is the document of which `notice` is the hash."""

    notice: str
    policy: str
    version: str
    form: str
    region: str
    language: str
    shown: Mapping[str, Any]
    kept_at: dt.datetime


_COLUMNS = "notice, policy, version, form, region, language, shown, kept_at"


class Notices:
    """The texts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # Kept for good, so a hash that was seen once need not be asked for again.
        self._known: set[str] = set()

    def keep(
        self, notice: str, document: Mapping[str, Any], now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Keep a text; whether it is new. Nothing is asked where this process kept it before."""
        if notice in self._known:
            return False
        done = connection.execute(
            f"INSERT INTO notice_text ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (
                notice, document["policy"], document["version"], document["form"],
                document["region"], document["language"], Jsonb(dict(document)), now,
            ),
        ).rowcount  # fmt: skip
        return done == 1

    def remember(self, notice: str) -> None:
        """What `keep` wrote is committed."""
        self._known.add(notice)

    def get(self, notice: str) -> Shown | None:
        """The text of a hash; None where none was kept."""
        with self._database.by_statement() as c:
            row = c.execute(
                f"SELECT {_COLUMNS} FROM notice_text WHERE notice = %s", (notice,)
            ).fetchone()
        return None if row is None else Shown(*row)

    def all(self) -> Iterator[Shown]:
        """Every text, the oldest first."""
        with self._database.by_statement() as c:
            rows = c.execute(f"SELECT {_COLUMNS} FROM notice_text ORDER BY kept_at, notice")
            for row in rows.fetchall():
                yield Shown(*row)
