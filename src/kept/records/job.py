"""Jobs that run by themselves: when each ran last, how it ended, and that one process runs it.

A run holds a lock of its database session: a process that dies gives it back, and what it left
half done is due again at once. No arguments are kept, and of an error its class alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psycopg

from kept.database import Database

#: How a run ended that did all it had to.
DONE: Final = "done"
#: What failed is tried again after this long, then after twice as long, and so on.
_RETRY: Final = dt.timedelta(minutes=1)
_COLUMNS: Final = "job, began_at, ended_at, outcome, failures"


@dataclass(frozen=True, slots=True)
class Last:
    """The last run of a job. `ended_at` None: it runs, or whoever ran it is gone.

    `outcome` is `done`, `incomplete` or the class of an error; `failures` counts runs in a row
    that were not done.
    """

    job: str
    began_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: str | None
    failures: int

    def due(self, every: dt.timedelta, now: dt.datetime) -> bool:
        """Whether it is time to run again, for a job that nobody is running."""
        if self.ended_at is None or self.began_at > now:
            return True  # cut off in the middle, or the clock was set back
        if self.failures:
            wait: dt.timedelta = min(_RETRY * 2 ** min(self.failures - 1, 20), every)
            return self.ended_at + wait <= now
        return self.began_at + every <= now


class Jobs:
    """The last run of every job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Last]:
        """The last run of each job that ever ran, by name."""
        with self._database.connection() as c:
            rows = c.execute(f"SELECT {_COLUMNS} FROM job ORDER BY job").fetchall()
        return [Last(*row) for row in rows]

    @contextmanager
    def taken(self, job: str, every: dt.timedelta, now: dt.datetime) -> Iterator[bool]:
        """Whether the job is due and this process is the one that runs it now.

        Where it is, its run begins with the block; `ended` is to be called within.
        """
        at = (f"kept job {job}",)
        with self._database.connection() as c:
            row = c.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", at).fetchone()
            c.commit()
            if row is None or not row[0]:
                yield False
                return
            try:
                found = c.execute(f"SELECT {_COLUMNS} FROM job WHERE job = %s", (job,)).fetchone()
                mine = found is None or Last(*found).due(every, now)
                if mine:
                    c.execute(
                        "INSERT INTO job (job, began_at) VALUES (%s, %s) ON CONFLICT (job)"
                        " DO UPDATE SET began_at = excluded.began_at, ended_at = NULL,"
                        " outcome = NULL",
                        (job, now),
                    )
                # Of the session, so that no transaction stays open as long as the job runs.
                c.commit()
                yield mine
            finally:
                with suppress(psycopg.Error):  # a lost connection has given it back already
                    c.rollback()
                    c.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", at)
                    c.commit()

    def ended(self, job: str, outcome: str, now: dt.datetime) -> None:
        """How the run of a job ended: `done`, or what to say of it."""
        with self._database.connection() as c:
            c.execute(
                "UPDATE job SET ended_at = %s, outcome = %s,"
                " failures = CASE WHEN %s THEN 0 ELSE failures + 1 END WHERE job = %s",
                (now, outcome, outcome == DONE, job),
            )
