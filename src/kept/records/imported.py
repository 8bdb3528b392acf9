"""Lists that were brought in: of each file how far it is, and how many lines became what.

Nobody is named here: counts, and a keyed hash by which the same file is known again. A batch is
noted before the company's store is written to, so that one that was cut off is done again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from kept.database import Connection, Database
from kept.errors import Busy
from kept.records.actor import Actor
from kept.records.ids import new_id

#: States of a run.
RUNNING: Final = "running"
DONE: Final = "done"
_LOCK: Final = "hashtextextended('import:' || %s, 0)"
_COLUMNS: Final = (
    "run, id, import, source, agreement, given, lines, through, under_way, counts, state,"
    " opened_at, changed_at"
)


@dataclass(frozen=True, slots=True)
class Run:
    """One file. `through`: the last line that is done; `under_way`: the last of a batch that was
    begun and of which nobody knows yet whether it is stored. `counts`: what lines became.
    """

    number: int
    id: str
    import_: str
    source: str
    agreement: str | None
    given: dt.date
    lines: int
    through: int
    under_way: int | None
    counts: Mapping[str, int]
    state: str
    opened_at: dt.datetime
    changed_at: dt.datetime

    @property
    def done(self) -> bool:
        """Whether all its lines are through."""
        return self.state == DONE


class Imports:
    """The files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, import_: str, content: bytes) -> Run | None:
        """The run of a file; None where it was never brought in."""
        with self._database.by_statement() as c:
            row = c.execute(
                f"SELECT {_COLUMNS} FROM import_run WHERE import = %s AND content = %s",
                (import_, content),
            ).fetchone()
        return None if row is None else Run(*row)

    def get(self, run: Run) -> Run:
        """A run as it stands now."""
        with self._database.by_statement() as c:
            row = c.execute(
                f"SELECT {_COLUMNS} FROM import_run WHERE run = %s", (run.number,)
            ).fetchone()
        assert row is not None
        return Run(*row)

    def all(self) -> list[Run]:
        """Every run, the oldest first."""
        with self._database.by_statement() as c:
            rows = c.execute(f"SELECT {_COLUMNS} FROM import_run ORDER BY run").fetchall()
        return [Run(*row) for row in rows]

    def open(
        self, import_: str, content: bytes, source: str, agreement: str | None, given: dt.date,
        lines: int, actor: Actor, now: dt.datetime, *, connection: Connection,
    ) -> Run | None:  # fmt: skip
        """Begin a run; None where somebody just did."""
        row = connection.execute(
            "INSERT INTO import_run (id, import, content, source, agreement, given, lines, through,"
            " counts, state, opened_at, changed_at, actor)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 1, '{}', %s, %s, %s, %s)"
            f" ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
            (new_id(now), import_, content, source, agreement, given, lines, RUNNING, now, now,
             actor.id),
        ).fetchone()  # fmt: skip
        return None if row is None else Run(*row)

    def begin(self, run: Run, last: int, now: dt.datetime) -> None:
        """A batch up to this line is about to be stored."""
        with self._database.by_statement() as c:
            c.execute(
                "UPDATE import_run SET under_way = %s, changed_at = %s WHERE run = %s",
                (last, now, run.number),
            )

    def decide_alone(self, import_: str, *, connection: Connection) -> None:
        """Until the transaction ends nobody else lets a line of this import through."""
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('import line:' || %s, 0))", (import_,)
        )

    def through(
        self, run: Run, last: int, counts: Mapping[str, int], now: dt.datetime, *, over: bool,
        connection: Connection,
    ) -> None:  # fmt: skip
        """All lines up to this one are done; `over`: it was the last."""
        connection.execute(
            "UPDATE import_run SET through = %s, under_way = NULL, counts = %s, state = %s,"
            " changed_at = %s WHERE run = %s",
            (last, Jsonb(dict(counts)), DONE if over else RUNNING, now, run.number),
        )

    @contextmanager
    def alone(self, import_: str) -> Iterator[None]:
        """The import for this process only, as long as it lives. Raises Busy where another runs."""
        with self._database.connection() as c:
            held = c.execute(f"SELECT pg_try_advisory_lock({_LOCK})", (import_,)).fetchone()
            c.commit()
            if held is None or not held[0]:
                raise Busy(
                    f"a list of `{import_}` is being brought in by somebody else right now",
                    fix="wait until it is through",
                )
            try:
                yield
            finally:
                with suppress(psycopg.Error):  # a lost connection has given it back already
                    c.execute(f"SELECT pg_advisory_unlock({_LOCK})", (import_,))
                    c.commit()
