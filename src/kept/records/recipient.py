"""Recipients: who had data of the people of a case, and whether they were told what became of it.

Beside them stands, under its place, what is to be made anew because it was made of wrong data.

Recorded with the end of the case, so that nobody is forgotten when a machine stops; what is told
is sealed under the key of the case and given up as soon as it stands in a task (`stores.tasks`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase
from kept.keys import Vault
from kept.records.case_state import Case
from kept.stores.tasks import Derived, Notice, Task

_CLASS: Final = "case"

DATASETS: Final = (
    Dataset(
        "case_recipient",
        ("number", "recipient"),
        {
            "number": Field("number", "integer", nullable=False),
            "recipient": Field("recipient", "text", nullable=False),
            "notice": Field("notice", "text", category="rights-case", nullable=False),
            "sealed": Field("sealed", "bytes", category="identity-link"),
            "outcome": Field("outcome", "text", category="rights-case"),
            "noted_at": Field("noted_at", "datetime", nullable=False),
            "answered_at": Field("answered_at", "datetime"),
            "escalated_at": Field("escalated_at", "datetime"),
        },
        links=(Link(("number",), "rights_case", ("number",)),),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Who was told what became of your data, and what was to be made anew",
    ),
)

#: In the place of an answer where nothing is left to make anew, or to be told of a correction: what
#: it was is erased.
ERASED: Final = "erased"
#: People as (field, value) pairs each, and what the data was given for.
People: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """What one recipient is told: of whom, and what the data was given to it for."""

    people: People
    given_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """One recipient of a case. `outcome` is what was answered last, None before; `escalated_at`
    since when whoever answers for it all knows that it does not answer.
    """

    case: str
    number: int
    recipient: str
    notice: str
    outcome: str | None
    noted_at: dt.datetime
    answered_at: dt.datetime | None
    escalated_at: dt.datetime | None = None

    @property
    def place(self) -> tuple[str, str] | None:
        """The system and the dataset of what is to be made anew; None of a recipient."""
        if self.notice != Derived.ANEW:
            return None
        system, _, dataset = self.recipient.partition(".")
        return system, dataset


def noted_as(task: Task) -> str | None:
    """Under which name it is recorded how a task stands; None where its step says that."""
    if isinstance(task.action, Derived):
        return f"{task.system}.{task.dataset}"
    return task.dataset if isinstance(task.action, Notice) else None


class Recipients:
    """Who has to be told, case by case."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def note(
        self, case: Case, notice: str, messages: Mapping[str, Message], now: dt.datetime,
        *, connection: Connection,
    ) -> list[str]:  # fmt: skip
        """Record whom to tell what; the names of those who were not recorded before."""
        new = []
        for name, message in sorted(messages.items()):
            packed = json.dumps([message.people, message.given_for]).encode()
            sealed = self._vault.seal(
                case.key_subject, _CLASS, packed, _label(name), connection=connection
            )
            done = connection.execute(
                "INSERT INTO case_recipient (number, recipient, notice, sealed, noted_at)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (case.number, name, notice, sealed, now),
            )
            new += [name] * done.rowcount
        return new

    def of(self, cases: Iterable[int]) -> list[Noted]:
        """Who is recorded for these cases, by their numbers."""
        return self._noted("c.number = ANY(%s)", (list(cases),))

    def unanswered(self) -> list[Noted]:
        """Those of whom nothing was recorded yet."""
        return self._noted("c.outcome IS NULL", ())

    def open_loops(self) -> list[tuple[str, str, int, int, dt.datetime]]:
        """(case, right, how many have not answered, of how many datasets something is still to be
        made anew, since when) of cases in which all is done, the longest waited for first.
        """
        with self._database.by_statement() as c:
            rows = c.execute(
                'SELECT r.id, r."right", count(*) FILTER (WHERE n.notice <> %s),'
                " count(*) FILTER (WHERE n.notice = %s), min(n.noted_at) FROM case_recipient n"
                " JOIN rights_case r USING (number) WHERE r.done_at IS NOT NULL"
                " AND (n.outcome IS NULL OR n.outcome = 'cannot')"
                ' GROUP BY r.id, r."right" ORDER BY 5, 1',
                (Derived.ANEW, Derived.ANEW),
            ).fetchall()
        return [(row[0], row[1], int(row[2]), int(row[3]), row[4]) for row in rows]

    def waiting(self, case: Case, *, connection: Connection) -> bool:
        """Whether somebody of the case has not answered, or could not do it."""
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM case_recipient WHERE number = %s"
            " AND (outcome IS NULL OR outcome = 'cannot'))",
            (case.number,),
        ).fetchone()
        return bool(row and row[0])

    def expected(self, case: Case, *, connection: Connection) -> bool:
        """Whether somebody of the case has neither answered nor was escalated."""
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM case_recipient WHERE number = %s"
            " AND outcome IS NULL AND escalated_at IS NULL)",
            (case.number,),
        ).fetchone()
        return bool(row and row[0])

    def outcomes(self, case: str, *, connection: Connection) -> list[str | None] | None:
        """What each recipient of a case answered, None for one that was escalated; None while
        one has neither answered nor was escalated. Nobody else decides it meanwhile.
        """
        connection.execute("SELECT FROM rights_case WHERE id = %s FOR UPDATE", (case,))
        rows = connection.execute(
            "SELECT n.outcome, n.escalated_at IS NOT NULL FROM case_recipient n"
            " JOIN rights_case r USING (number) WHERE r.id = %s",
            (case,),
        ).fetchall()
        return None if any(o is None and not up for o, up in rows) else [o for o, _ in rows]

    def escalate(
        self, case: str, recipient: str, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Record that officers were told that it does not answer; whether that was not before."""
        done = connection.execute(
            "UPDATE case_recipient n SET escalated_at = %s FROM rights_case c"
            " WHERE c.number = n.number AND c.id = %s AND n.recipient = %s"
            " AND n.outcome IS NULL AND n.escalated_at IS NULL",
            (now, case, recipient),
        )
        return bool(done.rowcount)

    def unwritten(self) -> list[tuple[Noted, Message | None]]:
        """Those for whom no task was written down yet, with what they are to be told; and, with
        None, those whose task is over and may still be there. `written` says that it is done.
        """
        found: list[tuple[Noted, Message | None]] = []
        for one in self._noted("c.sealed IS NOT NULL", ()):
            if one.outcome == ERASED:
                found.append((one, None))
                continue
            with self._database.connection() as c:
                row = c.execute(
                    "SELECT sealed FROM case_recipient WHERE number = %s AND recipient = %s",
                    (one.number, one.recipient),
                ).fetchone()
                if row is None or row[0] is None:
                    continue
                label = _label(one.recipient)
                plain = self._vault.unseal(-one.number, _CLASS, row[0], label, connection=c)
            people, given_for = json.loads(plain)
            named = tuple(tuple((k, v) for k, v in person) for person in people)
            found.append((one, Message(named, tuple(given_for))))
        return found

    def written(self, one: Noted) -> None:
        """The task is written down: what is told stands there alone."""
        with self._database.connection() as c:
            c.execute(
                "UPDATE case_recipient SET sealed = NULL WHERE number = %s AND recipient = %s",
                (one.number, one.recipient),
            )

    def erased(
        self, case: str, recipient: str, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Record that nothing is left to be made anew or put right there, unless that was answered
        meanwhile; whether it is so by this. The task goes next (`unwritten`).
        """
        done = connection.execute(
            "UPDATE case_recipient n SET outcome = %s, answered_at = %s, sealed = ''"
            " FROM rights_case c WHERE c.number = n.number AND c.id = %s AND n.recipient = %s"
            " AND n.notice = ANY(%s) AND (n.outcome IS NULL OR n.outcome = 'cannot')",
            (ERASED, now, case, recipient, [Derived.ANEW, Notice.CORRECTED]),
        )
        return bool(done.rowcount)

    def answered(
        self, case: str, recipient: str, outcome: str, now: dt.datetime,
        *, connection: Connection | None = None,
    ) -> None:  # fmt: skip
        """Record what was answered."""
        with self._database.within(connection) as c:
            c.execute(
                "UPDATE case_recipient n SET outcome = %s, answered_at = %s, sealed = NULL"
                " FROM rights_case c WHERE c.number = n.number AND c.id = %s AND n.recipient = %s",
                (outcome, now, case, recipient),
            )

    def _noted(self, where: str, parameters: Sequence[object]) -> list[Noted]:
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT r.id, c.number, c.recipient, c.notice, c.outcome, c.noted_at,"
                " c.answered_at, c.escalated_at"
                " FROM case_recipient c JOIN rights_case r USING (number)"
                f" WHERE {where} ORDER BY c.number, c.recipient",
                parameters,
            ).fetchall()
        return [Noted(*row) for row in rows]


def _label(recipient: str) -> bytes:
    return f"told:{recipient}".encode()
