"""Cases: every request of a person, who carried it out, and what became of each step.

What a case knows of people is sealed under a key of the case itself, which an erasure does
not shred. The plan with its row keys is sealed before the first write and thrown away when
all is read back: so a resumed case knows which rows were meant, and reports what really
changed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.errors import Denied, UsageError
from kept.keys import Vault
from kept.model.codec import decode_keys, decode_plan, encode_keys, encode_plan
from kept.model.plan import Action, Counts, Plan, Reason, Step, StepResult
from kept.model.select import KeySet
from kept.records.actor import Actor
from kept.records.case_state import (
    DATASETS,
    ENDS,
    NEED_EVIDENCE,
    TRANSITIONS,
    State,
    StepRecord,
    StepState,
)
from kept.records.ids import new_id
from kept.records.subject import Subjects
from kept.terms.identifiers import Identifier
from kept.terms.rights import RIGHTS

__all__ = ["DATASETS", "Case", "Cases", "Event", "State", "StepRecord", "StepState", "case_mac"]

_CLASS: Final = "case"


@dataclass(frozen=True, slots=True)
class Case:
    """One request. `people` counts whom it names, `subjects` those of them who are known.

    `override` is the reason for which somebody let it pass without evidence.
    """

    id: str
    number: int
    right: str
    state: State
    actor: Actor
    override: str | None
    evidence: str | None
    people: int
    subjects: tuple[tuple[int, ...], ...]
    opened_at: dt.datetime
    changed_at: dt.datetime
    closed_at: dt.datetime | None
    complete: bool | None

    @property
    def key_subject(self) -> int:
        """The number under which the vault keeps the case's own key."""
        return -self.number


@dataclass(frozen=True, slots=True)
class Event:
    """One change of state: who, when, and in which words."""

    state: State
    actor: Actor
    words: str | None
    at: dt.datetime


_COLUMNS: Final = (
    'r.id, r.number, r."right", r.state, a.actor, a.name, a.role, r.override, r.evidence,'
    " r.people, r.opened_at, r.changed_at, r.closed_at, r.complete,"
    " (SELECT json_agg(json_build_array(p.person, p.subject)) FROM case_subject p"
    " WHERE p.number = r.number)"
)


def case_mac(vault: Vault, identifier: Identifier) -> bytes:
    """The hash by which a case knows an identifier that it names."""
    return vault.mac("case", f"{identifier.kind}\x00{identifier.normalised}".encode())


class Cases:
    """The requests of people."""

    def __init__(self, database: Database, vault: Vault, subjects: Subjects) -> None:
        self._database, self._vault, self._subjects = database, vault, subjects

    def open(
        self,
        right: str,
        people: Sequence[Sequence[Identifier]],
        actor: Actor,
        override: str | None,
        now: dt.datetime,
        *,
        evidence: str | None = None,
        connection: Connection | None = None,
    ) -> Case:
        """Open a case on a right for people, each named by her identifiers. Makes no subject.

        `evidence` says how it was checked who asks; `override` why that was left out.
        """
        if right not in RIGHTS:
            raise UsageError("there is no such right", expected=f"one of {', '.join(RIGHTS)}")
        if not people or not all(people):
            raise UsageError(
                "a case names nobody",
                expected="at least one identifier per person",
                fix="add one, for example --identity email=…",
            )
        id_ = new_id(now)
        state = State.IDENTIFIED if evidence else State.RECEIVED
        with self._database.within(connection) as c:
            row = c.execute(
                'INSERT INTO rights_case (id, "right", state, actor, override, people, evidence,'
                " opened_at, changed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
                " RETURNING number",
                (id_, right, state, actor.id, override, len(people), evidence, now, now),
            ).fetchone()
            assert row is not None
            number = int(row[0])
            named = json.dumps([[[i.kind, i.value] for i in one] for one in people]).encode()
            sealed = self._vault.seal(-number, _CLASS, named, b"people", connection=c)
            c.execute("UPDATE rights_case SET sealed = %s WHERE number = %s", (sealed, number))
            known = self._subjects.find_many(people, connection=c)
            rows = [
                (person, i.kind, case_mac(self._vault, i))
                for person, identifiers in enumerate(people)
                for i in identifiers
            ]
            c.execute(
                "INSERT INTO case_person (number, person, kind, mac)"
                " SELECT %s, * FROM unnest(%s::int[], %s::text[], %s::bytea[])"
                " ON CONFLICT DO NOTHING",
                (number, *([r[n] for r in rows] for n in range(3))),
            )
            pairs = [(person, s) for person, those in enumerate(known) for s in those]
            c.execute(
                "INSERT INTO case_subject (number, person, subject)"
                " SELECT %s, * FROM unnest(%s::int[], %s::bigint[])",
                (number, [p for p, _ in pairs], [s for _, s in pairs]),
            )
            _event(c, number, state, actor, override or evidence, now)
            return self._get(c, "r.number = %s", (number,))[0]

    def get(self, id_: str) -> Case:
        """The case of that id. UsageError where there is none."""
        with self._database.connection() as c:
            found = self._get(c, "r.id = %s", (id_,))
        if not found:
            raise UsageError("there is no such case", fix="see `kept case list`")
        return found[0]

    def all(self, state: State | None = None) -> list[Case]:
        """All cases, or those in a state, oldest first."""
        with self._database.connection() as c:
            return self._get(c, "(%s::text IS NULL OR r.state = %s)", (state, state))

    def naming(self, identifier: Identifier) -> list[Case]:
        """The cases that name an identifier, oldest first."""
        with self._database.connection() as c:
            return self._get(
                c,
                "r.number IN (SELECT number FROM case_person WHERE mac = %s)",
                (case_mac(self._vault, identifier),),
            )

    def identifiers(self, case: Case) -> list[list[Identifier]]:
        """Whom the case names, unsealed."""
        with self._database.connection() as c:
            row = c.execute(
                "SELECT sealed FROM rights_case WHERE number = %s", (case.number,)
            ).fetchone()
            assert row is not None
            plain = self._vault.unseal(case.key_subject, _CLASS, row[0], b"people", connection=c)
        return [[Identifier(kind, value) for kind, value in one] for one in json.loads(plain)]

    def events(self, case: Case) -> list[Event]:
        """The states through which the case has come, in order."""
        with self._database.connection() as c:
            rows = c.execute(
                "SELECT e.state, a.actor, a.name, a.role, e.words, e.at FROM case_event e"
                " JOIN actor a USING (actor) WHERE e.number = %s ORDER BY e.turn",
                (case.number,),
            ).fetchall()
        return [Event(State(r[0]), Actor(*r[1:4]), r[4], r[5]) for r in rows]

    def identify(
        self,
        case: Case,
        evidence: str,
        actor: Actor,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> Case:
        """Record how it was checked who asks."""
        with self._database.within(connection) as c:
            moved = self.move(case, State.IDENTIFIED, actor, now, words=evidence, connection=c)
            c.execute(
                "UPDATE rights_case SET evidence = %s WHERE number = %s", (evidence, case.number)
            )
            return self._get(c, "r.number = %s", (moved.number,))[0]

    def let_pass(
        self,
        case: Case,
        reason: str,
        actor: Actor,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> Case:
        """Record that somebody answers for a case without evidence of who asks, and why."""
        with self._database.within(connection) as c:
            c.execute(
                "UPDATE rights_case SET override = %s, changed_at = %s WHERE number = %s",
                (reason, now, case.number),
            )
            _event(c, case.number, case.state, actor, reason, now)
            return self._get(c, "r.number = %s", (case.number,))[0]

    def move(
        self,
        case: Case,
        to: State,
        actor: Actor,
        now: dt.datetime,
        *,
        words: str | None = None,
        connection: Connection | None = None,
    ) -> Case:
        """Bring the case into another state, as it stands in the database now.

        UsageError for a transition that the table does not have; Denied where it needs
        evidence of who asks, or an override, and has neither.
        """
        with self._database.within(connection) as c:
            row = c.execute(
                "SELECT state, coalesce(override, evidence) FROM rights_case WHERE number = %s"
                " FOR UPDATE",
                (case.number,),
            ).fetchone()
            assert row is not None
            at = State(row[0])
            if to not in TRANSITIONS[at]:
                raise UsageError(
                    f"a case that is {at} cannot become {to}",
                    expected=f"one of {', '.join(sorted(TRANSITIONS[at]))}"
                    if TRANSITIONS[at]
                    else "nothing more: this case has ended",
                    where=f"case {case.id}",
                )
            if to in NEED_EVIDENCE and not row[1]:
                raise Denied(
                    f"a case cannot become {to} before it is known who asks",
                    fix="record the evidence, or give --override REASON and answer for it",
                )
            c.execute(
                "UPDATE rights_case SET state = %s, changed_at = %s,"
                " closed_at = CASE WHEN %s THEN %s::timestamptz END WHERE number = %s",
                (to, now, to in ENDS, now, case.number),
            )
            _event(c, case.number, to, actor, words, now)
            return self._get(c, "r.number = %s", (case.number,))[0]

    def seal_plan(
        self,
        case: Case,
        plan: Plan,
        actor: Actor,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> Case:
        """Fix the plan with its row keys, sealed; the case becomes `planned`.

        A new plan takes the place of an older one until writing has begun.
        """
        packed = encode_plan(plan)
        with self._database.within(connection) as c:
            moved = self.move(case, State.PLANNED, actor, now, connection=c)
            self._seal(c, case, "plan", packed)
            c.execute("DELETE FROM case_step WHERE number = %s", (case.number,))
            _add_steps(c, case, plan.steps, now)
            c.execute(
                "UPDATE rights_case SET plan_sha256 = %s WHERE number = %s",
                (hashlib.sha256(packed).hexdigest(), case.number),
            )
        return moved

    def extend_plan(
        self,
        case: Case,
        plan: Plan,
        added: Sequence[Step],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Seal a begun plan again, with steps for systems that could not be asked before."""
        packed = encode_plan(plan)
        with self._database.within(connection) as c:
            self._seal(c, case, "plan", packed)
            _add_steps(c, case, added, now)
            c.execute(
                "UPDATE rights_case SET plan_sha256 = %s WHERE number = %s",
                (hashlib.sha256(packed).hexdigest(), case.number),
            )

    def plan(self, case: Case) -> Plan | None:
        """The sealed plan; None before there is one and after the case was read back."""
        data = self._unseal(case, "plan")
        return None if data is None else decode_plan(data)

    def seal_keys(
        self,
        case: Case,
        system: str,
        keys: KeySet,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Seal row keys of one system, until the read-back is done."""
        packed = json.dumps({name: encode_keys(table) for name, table in keys.items()}).encode()
        with self._database.within(connection) as c:
            self._seal(c, case, f"keys:{system}", packed)

    def sealed_keys(self, case: Case, system: str) -> KeySet | None:
        """What `seal_keys` sealed for a system; None where nothing is (any more)."""
        data = self._unseal(case, f"keys:{system}")
        if data is None:
            return None
        return KeySet({name: decode_keys(table) for name, table in json.loads(data).items()})

    def steps(self, case: Case) -> list[StepRecord]:
        """The steps of the case with what became of them, in order."""
        with self._database.connection() as c:
            rows = c.execute(
                "SELECT step, system, dataset, action, planned, state, found, changed, retained,"
                " isolated, verified, words, law, until, clause, hold, problem, attempts"
                " FROM case_step WHERE number = %s ORDER BY step",
                (case.number,),
            ).fetchall()
        return [
            StepRecord(
                r[0], r[1], r[2], Action(r[3]), r[4], StepState(r[5]), Counts(*r[6:10]), r[10],
                Reason(r[11], r[12], r[13], r[14], r[15]) if r[11] is not None else None,
                r[16], r[17],
            )
            for r in rows
        ]  # fmt: skip

    def begin_steps(
        self,
        case: Case,
        steps: Sequence[int],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Record that steps begin; committed before the store is touched.

        Denied where the case is not executing, or its plan is not sealed.
        """
        with self._database.within(connection) as c:
            row = c.execute(
                "SELECT state, EXISTS (SELECT FROM case_sealed s WHERE s.number = r.number"
                " AND s.name = 'plan') FROM rights_case r WHERE number = %s FOR UPDATE",
                (case.number,),
            ).fetchone()
            assert row is not None
            if row != (State.EXECUTING, True):
                raise Denied(
                    "a step cannot begin before the case executes a sealed plan",
                    fix="seal the plan, then move the case to `executing`",
                )
            c.execute(
                "UPDATE case_step SET state = %s, attempts = attempts + 1, problem = NULL, at = %s"
                " WHERE number = %s AND step = ANY(%s)",
                (StepState.BEGUN, now, case.number, list(steps)),
            )

    def record_step(
        self,
        case: Case,
        step: Step | int,
        result: StepResult,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Record how a step came out; counts are those of the whole step, not of an attempt.

        It is done when it is settled, else failed.
        """
        number = step if isinstance(step, int) else step.number
        n = result.counts
        with self._database.within(connection) as c:
            c.execute(
                "UPDATE case_step SET state = %s, found = %s, changed = %s, retained = %s,"
                " isolated = %s, verified = %s, words = %s, law = %s, until = %s, clause = %s,"
                " hold = %s, problem = %s, at = %s WHERE number = %s AND step = %s",
                (
                    StepState.DONE if result.settled else StepState.FAILED,
                    n.found, n.changed, n.retained, n.isolated, result.verified,
                    *_reason_columns(result.reason), result.problem, now, case.number, number,
                ),
            )  # fmt: skip

    def finish(
        self,
        case: Case,
        complete: bool,
        actor: Actor,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> Case:
        """End an execution: complete, it is closed and what was sealed is thrown away;
        incomplete, it stays `checked` and can be executed again.
        """
        with self._database.within(connection) as c:
            moved = self.move(case, State.CHECKED, actor, now, connection=c)
            c.execute(
                "UPDATE rights_case SET complete = %s WHERE number = %s", (complete, case.number)
            )
            if complete:
                c.execute("DELETE FROM case_sealed WHERE number = %s", (case.number,))
                moved = self.move(case, State.CLOSED, actor, now, connection=c)
            return self._get(c, "r.number = %s", (moved.number,))[0]

    def _get(self, c: Connection, where: str, parameters: tuple[object, ...]) -> list[Case]:
        rows = c.execute(
            f"SELECT {_COLUMNS} FROM rights_case r JOIN actor a USING (actor) WHERE {where}"
            " ORDER BY r.number",
            parameters,
        ).fetchall()
        return [_case(row) for row in rows]

    def _seal(self, c: Connection, case: Case, name: str, data: bytes) -> None:
        sealed = self._vault.seal(case.key_subject, _CLASS, data, name.encode(), connection=c)
        c.execute(
            "INSERT INTO case_sealed (number, name, sealed) VALUES (%s, %s, %s)"
            " ON CONFLICT (number, name) DO UPDATE SET sealed = excluded.sealed",
            (case.number, name, sealed),
        )

    def _unseal(self, case: Case, name: str) -> bytes | None:
        with self._database.connection() as c:
            row = c.execute(
                "SELECT sealed FROM case_sealed WHERE number = %s AND name = %s",
                (case.number, name),
            ).fetchone()
            if row is None:
                return None
            return self._vault.unseal(case.key_subject, _CLASS, row[0], name.encode(), connection=c)


def _add_steps(c: Connection, case: Case, steps: Sequence[Step], now: dt.datetime) -> None:
    with c.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO case_step (number, step, system, dataset, action, planned, state,"
            " words, law, until, clause, hold, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    case.number, s.number, s.system, s.dataset, s.action, s.rows,
                    StepState.PLANNED, *_reason_columns(s.reason), now,
                )
                for s in steps
            ],
        )  # fmt: skip


def _event(
    c: Connection, number: int, state: State, actor: Actor, words: str | None, now: dt.datetime
) -> None:
    c.execute(
        "INSERT INTO case_event (number, turn, state, actor, words, at) SELECT %s,"
        " coalesce(max(turn), 0) + 1, %s, %s, %s, %s FROM case_event WHERE number = %s",
        (number, state, actor.id, words, now, number),
    )


def _reason_columns(reason: Reason | None) -> tuple[object, ...]:
    if reason is None:
        return (None,) * 5
    return reason.words, reason.law, reason.until, reason.clause, reason.hold


def _case(row: tuple[Any, ...]) -> Case:
    subjects: list[set[int]] = [set() for _ in range(row[9])]
    for person, subject in row[14] or ():
        subjects[person].add(subject)
    return Case(
        id=row[0], number=row[1], right=row[2], state=State(row[3]), actor=Actor(*row[4:7]),
        override=row[7], evidence=row[8], people=row[9],
        subjects=tuple(tuple(sorted(one)) for one in subjects),
        opened_at=row[10], changed_at=row[11], closed_at=row[12], complete=row[13],
    )  # fmt: skip
