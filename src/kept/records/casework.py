"""What the staff keep with a case while they work on it: notes, the plan that was looked at, and
that it is being carried out. Notes and plan are sealed under the key of the case.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.case_state import Case

_CLASS: Final = "case"
_NOTE: Final = b"note"
#: Under this name lies the plan that was looked at, beside what else is sealed of a case. It goes
#: with the rest when the case has ended.
LOOKED_AT: Final = "looked-at"
#: After this long without an end a run was cut off, and another may begin.
_CUT_OFF: Final = dt.timedelta(minutes=10)

_NUMBER: Final = Field("number", "integer", nullable=False)
_LINKS: Final = (
    Link(("number",), "rights_case", ("number",)),
    Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
)

DATASETS: Final = (
    Dataset(
        "case_note",
        ("number", "turn"),
        {
            "number": _NUMBER,
            "turn": Field("turn", "integer", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "words": Field("words", "bytes", category="rights-case", nullable=False),
            "at": Field("at", "datetime", category="rights-case", nullable=False),
        },
        links=_LINKS,
        retention="case",
        on_erase=OnErase.NEVER,
        title="What our staff noted about a request",
    ),
    Dataset(
        "case_run",
        ("number",),
        {
            "number": _NUMBER,
            "actor": Field("actor", "integer", nullable=False),
            "began_at": Field("began_at", "datetime", nullable=False),
            "ended_at": Field("ended_at", "datetime"),
            "outcome": Field("outcome"),
            "problem": Field("problem"),
        },
        links=_LINKS,
        retention="case",
        on_erase=OnErase.NEVER,
        title="When a request was carried out from the desk",
    ),
)


@dataclass(frozen=True, slots=True)
class Note:
    """Words of the staff about a case."""

    actor: Actor
    words: str
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Run:
    """That a case is carried out, or was: `outcome` is `complete`, `incomplete`, `refused` or
    `failed`; None while it goes on. `problem` says what stood in the way, without personal data.
    """

    actor: Actor
    began_at: dt.datetime
    ended_at: dt.datetime | None
    outcome: str | None
    problem: str | None

    def going_on(self, now: dt.datetime) -> bool:
        """Whether somebody is at it; one that never said how it ended was cut off."""
        return self.ended_at is None and now - self.began_at < _CUT_OFF


class Casework:
    """Notes, plans that were looked at, and runs of cases."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def note(
        self, case: Case, words: str, actor: Actor, now: dt.datetime, *, connection: Connection
    ) -> None:
        """Add words of the staff to a case."""
        sealed = self._vault.seal(
            case.key_subject, _CLASS, words.encode(), _NOTE, connection=connection
        )
        connection.execute(
            "INSERT INTO case_note (number, turn, actor, words, at) SELECT %s,"
            " coalesce((SELECT max(turn) FROM case_note WHERE number = %s), 0) + 1, %s, %s, %s",
            (case.number, case.number, actor.id, sealed, now),
        )

    def notes(self, case: Case) -> list[Note]:
        """What the staff noted, in order, unsealed."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT n.actor, a.name, a.role, n.words, n.at FROM case_note n"
                " JOIN actor a USING (actor) WHERE n.number = %s ORDER BY n.turn",
                (case.number,),
            ).fetchall()
            return [
                Note(
                    Actor(*r[:3]),
                    self._vault.unseal(
                        case.key_subject, _CLASS, r[3], _NOTE, connection=c
                    ).decode(),
                    r[4],
                )
                for r in rows
            ]

    def how_many_notes(self, case: Case) -> int:
        """How many notes there are; nothing is unsealed."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT count(*) FROM case_note WHERE number = %s", (case.number,)
            ).fetchone()
        assert row is not None
        return int(row[0])

    def look(self, case: Case, document: Mapping[str, Any], *, connection: Connection) -> None:
        """Seal the plan that was looked at, in the place of an older one."""
        packed = json.dumps(dict(document)).encode()
        sealed = self._vault.seal(
            case.key_subject, _CLASS, packed, LOOKED_AT.encode(), connection=connection
        )
        connection.execute(
            "INSERT INTO case_sealed (number, name, sealed) VALUES (%s, %s, %s)"
            " ON CONFLICT (number, name) DO UPDATE SET sealed = excluded.sealed",
            (case.number, LOOKED_AT, sealed),
        )

    def looked_at(
        self, case: Case, *, connection: Connection | None = None
    ) -> dict[str, Any] | None:
        """The plan that was looked at last; None where there is none, or the case has ended."""
        with self._database.by_statement(connection) as c:
            row = c.execute(
                "SELECT sealed FROM case_sealed WHERE number = %s AND name = %s",
                (case.number, LOOKED_AT),
            ).fetchone()
            if row is None:
                return None
            plain = self._vault.unseal(
                case.key_subject, _CLASS, row[0], LOOKED_AT.encode(), connection=c
            )
        found: dict[str, Any] = json.loads(plain)
        return found

    def begin(self, case: Case, actor: Actor, now: dt.datetime, *, connection: Connection) -> bool:
        """Claim a case to carry it out; False where somebody is at it already."""
        done = connection.execute(
            "INSERT INTO case_run AS r (number, actor, began_at) VALUES (%s, %s, %s)"
            " ON CONFLICT (number) DO UPDATE SET actor = excluded.actor,"
            " began_at = excluded.began_at, ended_at = NULL, outcome = NULL, problem = NULL"
            " WHERE r.ended_at IS NOT NULL OR r.began_at <= %s",
            (case.number, actor.id, now, now - _CUT_OFF),
        )
        return done.rowcount == 1

    def end(
        self, case: Case, outcome: str, problem: str | None, now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """Say how carrying it out ended."""
        connection.execute(
            "UPDATE case_run SET ended_at = %s, outcome = %s, problem = %s WHERE number = %s",
            (now, outcome, problem, case.number),
        )

    def run(self, case: Case) -> Run | None:
        """How it was carried out last."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT r.actor, a.name, a.role, r.began_at, r.ended_at, r.outcome, r.problem"
                " FROM case_run r JOIN actor a USING (actor) WHERE r.number = %s",
                (case.number,),
            ).fetchone()
        return None if row is None else Run(Actor(*row[:3]), *row[3:])
