"""Whom mail reminded of what: once each, so that a run that is repeated sends nothing twice.

Of a person nothing stands here: the id of a case, of a task or of a complaint, and why.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, OnErase
from kept.records.outbox import GIVEN_UP

#: How long it is remembered, for what goes on as long.
_REMEMBERED: Final = dt.timedelta(days=400)

DATASETS: Final = (
    Dataset(
        "reminder",
        ("about", "reason", "whom"),
        {
            "about": Field("about", nullable=False),
            "reason": Field("reason", nullable=False),
            "whom": Field("whom", nullable=False),
            "letter": Field("letter", nullable=False),
            "at": Field("at", "datetime", nullable=False),
        },
        retention="case",
        clock="at",
        on_erase=OnErase.NEVER,
        title="Which of our staff was reminded of what",
    ),
)


class Reminders:
    """What somebody was reminded of by mail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def first(
        self, about: str, reason: str, whom: str, lost: dt.datetime, *, connection: Connection
    ) -> bool:
        """Whether that was not sent before; nobody else decides it until the transaction ends.
        What was given up told nobody, if it was queued at `lost` or before.
        """
        at = f"kept reminder {about}\n{reason}\n{whom}"
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (at,))
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM reminder r WHERE (about, reason, whom) = (%s, %s, %s)"
            " AND NOT (r.at <= %s AND EXISTS (SELECT FROM outbox o WHERE o.id = r.letter"
            " AND o.outcome = %s)))",
            (about, reason, whom, lost, GIVEN_UP),
        ).fetchone()
        return not (row and row[0])

    def note(
        self, about: str, reason: str, whom: str, letter: str, now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """Note that a letter of the outbox says it, in the transaction that queues the letter."""
        connection.execute(
            "INSERT INTO reminder (about, reason, whom, letter, at) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (about, reason, whom) DO UPDATE SET letter = excluded.letter,"
            " at = excluded.at",
            (about, reason, whom, letter, now),
        )

    def of(self, about: str) -> list[tuple[str, str, dt.datetime]]:
        """(why, whom, when) somebody was reminded of one thing, in order."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT reason, whom, at FROM reminder WHERE about = %s ORDER BY at, whom", (about,)
            ).fetchall()
        return [(str(r), str(w), at) for r, w, at in rows]

    def forget(self, now: dt.datetime, *, connection: Connection) -> int:
        """Forget what was long ago; how much that was."""
        return connection.execute(
            "DELETE FROM reminder WHERE at < %s", (now - _REMEMBERED,)
        ).rowcount
