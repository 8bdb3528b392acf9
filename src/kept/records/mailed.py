"""What went to the person of a case by mail, and what became of it.

The words wait in the outbox and are gone once they went; here stands that they did.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final, LiteralString

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.records.actor import Actor
from kept.records.case_state import Case
from kept.records.outbox import GIVEN_UP

DATASETS: Final = (
    Dataset(
        "case_mail",
        ("mail",),
        {
            "mail": Field("mail", "integer", nullable=False),
            "number": Field("number", "integer", nullable=False),
            "kind": Field("kind", category="rights-case", nullable=False),
            "letter": Field("letter", nullable=False),
            "put_at": Field("put_at", "datetime", category="rights-case", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "outcome": Field("outcome", category="rights-case"),
            "ended_at": Field("ended_at", "datetime", category="rights-case"),
        },
        links=(
            Link(("number",), "rights_case", ("number",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Letters that went to you by mail",
    ),
)
#: How the outbox has it now, until that is noted here for good.
_OUTCOME: LiteralString = (
    "m.outcome, m.ended_at,"
    " (SELECT o.outcome FROM outbox o WHERE o.id = m.letter AND m.outcome IS NULL),"
    " (SELECT o.sent_at FROM outbox o WHERE o.id = m.letter AND m.outcome IS NULL)"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. `kind` is answer or link; `letter` its id in the outbox; `outcome` None while it
    waits to be sent.
    """

    id: int
    kind: str
    letter: str
    put_at: dt.datetime
    outcome: str | None
    ended_at: dt.datetime | None

    @property
    def waits(self) -> bool:
        """Whether it is not known yet what becomes of it."""
        return self.outcome is None


@dataclass(frozen=True, slots=True)
class Unsent:
    """A mail of a case that no server took, and after which nothing else reached the person."""

    id: int
    case: str
    right: str
    kind: str
    ended_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """A mail of which it is known now what became of it."""

    case: str
    kind: str
    letter: str
    put_at: dt.datetime
    outcome: str
    ended_at: dt.datetime
    actor: Actor


class Mailed:
    """The mails of all cases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, case: Case, kind: str, letter: str, actor: Actor, now: dt.datetime, *,
        connection: Connection,
    ) -> None:  # fmt: skip
        """A letter of the outbox is to go to the person of a case."""
        connection.execute(
            "INSERT INTO case_mail (number, kind, letter, put_at, actor)"
            " VALUES (%s, %s, %s, %s, %s)",
            (case.number, kind, letter, now, actor.id),
        )

    def alone(self, case: Case, connection: Connection) -> list[Mail]:
        """The mails of a case, oldest first; until the transaction ends nobody adds another."""
        connection.execute("SELECT 1 FROM rights_case WHERE number = %s FOR UPDATE", (case.number,))
        return self.of(case, connection=connection)

    def of(self, case: Case, *, connection: Connection | None = None) -> list[Mail]:
        """The mails of a case, oldest first."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                f"SELECT m.mail, m.kind, m.letter, m.put_at, {_OUTCOME} FROM case_mail m"
                " WHERE m.number = %s ORDER BY m.mail",
                (case.number,),
            ).fetchall()
        return [
            Mail(
                id_,
                kind,
                letter,
                put,
                outcome or waiting,
                ended or sent or (put if waiting else None),
            )
            for id_, kind, letter, put, outcome, ended, waiting, sent in rows
        ]

    def unsent(self) -> list[Unsent]:
        """The newest mail of each kind of a case, where it was given up, and neither a letter on
        paper, nor a word that it was handed over, nor a download came after it; oldest first.
        Of a case that names nobody any more there is nobody to write to.
        """
        with self._database.by_statement() as c:
            rows = c.execute(
                'SELECT m.mail, r.id, r."right", m.kind, m.ended_at FROM case_mail m'
                " JOIN rights_case r USING (number) WHERE m.outcome = %s AND NOT EXISTS"
                " (SELECT FROM case_mail n WHERE n.number = m.number AND n.kind = m.kind"
                " AND n.mail > m.mail)"
                " AND NOT EXISTS (SELECT FROM case_clock_change k"
                " WHERE k.number = m.number AND k.act = 'posted' AND k.at > m.put_at)"
                " AND NOT EXISTS (SELECT FROM case_delivery d WHERE m.kind = 'link'"
                " AND d.number = m.number AND NOT d.desk AND d.fetched > 0"
                " AND d.made_at >= m.put_at)"
                # What was written before all was done is no answer that did not reach her.
                " AND (m.kind <> 'answer'"
                " OR m.put_at >= coalesce(r.in_force_at, r.done_at, m.put_at))"
                " AND r.sealed IS NOT NULL"
                " ORDER BY m.mail",
                (GIVEN_UP,),
            ).fetchall()
        return [Unsent(*row) for row in rows]

    def settle(self, now: dt.datetime, *, connection: Connection) -> list[Ended]:
        """Note for good what became of those that waited; those, oldest first."""
        rows = connection.execute(
            "UPDATE case_mail m SET outcome = o.outcome, ended_at = coalesce(o.sent_at, %s)"
            " FROM outbox o, rights_case c, actor a WHERE m.outcome IS NULL AND o.id = m.letter"
            " AND o.outcome IS NOT NULL AND c.number = m.number AND a.actor = m.actor"
            " RETURNING m.mail, c.id, m.kind, m.letter, m.put_at, m.outcome, m.ended_at, a.actor,"
            " a.name, a.role",
            (now,),
        ).fetchall()
        return [
            Ended(case, kind, letter, put, outcome, ended, Actor(*who))
            for _, case, kind, letter, put, outcome, ended, *who in sorted(rows)
        ]
