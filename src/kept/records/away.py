"""Systems that do not answer, and since when: so that nobody finds out case by case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from kept.database import Database


@dataclass(frozen=True, slots=True)
class Gone:
    """A system that does not answer. `problem` is the class of the error, no words of it."""

    system: str
    since: dt.datetime
    seen_at: dt.datetime
    problem: str

    def days(self, now: dt.datetime) -> int:
        """Whole days for which it has not answered."""
        return (now - self.since).days


class Away:
    """Which systems do not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Gone]:
        """Those that did not answer when they were asked last, the longest gone first."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT system, since, seen_at, problem FROM system_away ORDER BY since, system"
            ).fetchall()
        return [Gone(*row) for row in rows]

    def met(self, silent: Mapping[str, str], now: dt.datetime) -> None:
        """These did not answer now, and all others did."""
        with self._database.connection() as c:
            c.execute("DELETE FROM system_away WHERE system <> ALL(%s)", (list(silent),))
            for system, problem in silent.items():
                c.execute(
                    "INSERT INTO system_away (system, since, seen_at, problem)"
                    " VALUES (%s, %s, %s, %s) ON CONFLICT (system) DO UPDATE"
                    " SET seen_at = excluded.seen_at, problem = excluded.problem",
                    (system, now, now, problem),
                )
