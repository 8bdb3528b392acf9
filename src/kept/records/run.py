"""Runs of controls in full: what the ledger keeps as a hash stands here in words.

The ledger has no place for free text. It holds the counts and the hash of the document kept
here; the two are compared whenever a run is read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import rfc8785
from psycopg.types.json import Jsonb

from kept.database import Connection, Database


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the document's canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(dict(document))).hexdigest()


class Runs:
    """The documents of control runs, by their entry in the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, connection: Connection, rows: Sequence[tuple[int, str, dt.datetime, dict[str, Any]]]
    ) -> None:
        """Keep (entry, control, moment, document), in the transaction that writes the entries."""
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO control_run (entry, control, at, document) VALUES (%s, %s, %s, %s)",
                [(entry, control, at, Jsonb(doc)) for entry, control, at, doc in rows],
            )

    def newest(self) -> list[tuple[int, dict[str, Any]]]:
        """(entry, document) of the newest run of every control."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT DISTINCT ON (control) entry, document FROM control_run"
                " ORDER BY control, entry DESC"
            ).fetchall()
        return [(int(entry), dict(document)) for entry, document in rows]

    def last(self) -> int:
        """The highest entry of the ledger that a run or a published version names; -1 for none."""
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT greatest((SELECT max(entry) FROM control_run),"
                " (SELECT max(entry) FROM policy_version), -1)"
            ).fetchone()
        assert row is not None
        return int(row[0])


def lost(last: int, entries: int) -> str | None:
    """What says that a ledger of so many entries was longer once, in words; None: nothing.

    In itself nothing is amiss with a ledger that was cut off, or emptied and begun anew. `last`
    (`Runs.last`) is to be read before the entries are counted: they grow meanwhile.
    """
    if last < entries:
        return None
    return f"there are {entries} entries, and a record of entry {last}"
