"""Cases: every request of a person, who carried it out, and what became of each step.

What a case knows of people is sealed under a key of the case itself, which an erasure does
not shred. The plan with its row keys is sealed before the first write and thrown away when
all is read back: so a resumed case knows which rows were meant, and reports what really
changed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final, Literal, LiteralString

import psycopg

from kept.database import Connection, Database
from kept.errors import Busy, Denied, UsageError
from kept.keys import Vault
from kept.model.codec import decode_keys, decode_plan, encode_keys, encode_plan
from kept.model.plan import Plan, Step
from kept.model.select import KeySet
from kept.records import case_proof, letter_scan
from kept.records.actor import Actor
from kept.records.case_proof import GONE, PAPER, Proofs
from kept.records.case_state import (
    DATASETS as STATES,
)
from kept.records.case_state import (
    ENDS,
    FINISHED,
    NEED_EVIDENCE,
    TRANSITIONS,
    Case,
    Event,
    State,
    StepRecord,
    StepState,
    Waits,
    Words,
    past,
)
from kept.records.case_steps import add_steps
from kept.records.ids import new_id
from kept.records.subject import Subjects
from kept.terms import proof
from kept.terms.identifiers import Identifier
from kept.terms.rights import ERASURE_GROUNDS, RIGHTS

__all__ = [
    "DATASETS", "Case", "Cases", "Event", "State", "StepRecord", "StepState", "Words", "case_mac",
]  # fmt: skip

DATASETS: Final = (*STATES, *case_proof.DATASETS)
_CLASS: Final = "case"
_WORDS: Final = b"words"
#: Under this name is sealed why records that name different people are one person's.
_SAME: Final = "same-person"
#: And under this one what is proven hers beside what the case names.
_COVERED: Final = "covered"
#: And which steps, drawn up after writing had begun, wait for another person.
_WAITS: Final = "waits"
#: Seconds for which a second process waits for a case that is being carried out.
_PATIENCE: Final = 5
#: Sets that patience for the statement that it begins.
_PATIENT: Final = "WITH w AS MATERIALIZED (SELECT set_config('lock_timeout', %s, true)) "
#: The lock that everybody who writes rows of people shares ("kepe" in ASCII).
_EVERYBODY: Final = 0x6B657065
#: What sealed data begins with; words of cases from before they were sealed begin otherwise.
_SEAL: Final = b"\x01"


_COLUMNS: Final = (
    'r.id, r.number, r."right", r.state, a.actor, a.name, a.role, r.override IS NOT NULL,'
    " r.evidence IS NOT NULL,"
    " r.people, r.opened_at, r.changed_at, r.closed_at, r.complete, r.ground,"
    " (SELECT json_agg(json_build_array(p.person, p.subject)) FROM case_subject p"
    " WHERE p.number = r.number), r.refusal, r.proof, r.needs, r.done_at,"
    " r.in_force_at, r.unmet"
)


#: Under this name a case seals the identifiers that its people's own rows held.
NEEDLES = "identifiers"


def case_mac(vault: Vault, identifier: Identifier) -> bytes:
    """The hash by which a case knows an identifier that it names."""
    return vault.mac("case", f"{identifier.kind}\x00{identifier.normalised}".encode())


class Cases(Proofs):
    """The requests of people."""

    def __init__(self, database: Database, vault: Vault, subjects: Subjects) -> None:
        super().__init__(database, vault)
        self._subjects = subjects

    def open(
        self,
        right: str,
        people: Sequence[Sequence[Identifier]],
        actor: Actor,
        override: str | None,
        now: dt.datetime,
        *,
        evidence: str | None = None,
        way: str = "checked",
        needs: int = proof.ADDRESS,
        acknowledged: bool = False,
        connection: Connection | None = None,
    ) -> Case:
        """Open a case on a right for people, each named by her identifiers. Makes no subject.

        `evidence` says how it was checked who asks, `way` in which way (terms.proof); `override`
        why that was left out. The words of people are sealed. `needs` is the level that it takes.
        `acknowledged`: she was told at once that it has come.
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
        came = [State.RECEIVED, State.ACKNOWLEDGED] if acknowledged else [State.RECEIVED]
        state = State.IDENTIFIED if evidence else came[-1]
        with self._database.within(connection) as c, c.pipeline():
            known = self._subjects.find_many(people, connection=c)
            row = c.execute(
                'INSERT INTO rights_case (id, "right", state, actor, people, opened_at, changed_at)'
                " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING number",
                (id_, right, state, actor.id, len(people), now, now),
            ).fetchone()
            assert row is not None
            number = int(row[0])
            # One key for all of it, so that one statement fetches it.
            words = [override, evidence, override or evidence]
            said = [(-number, _CLASS, one.encode(), _WORDS) for one in words if one]
            sealed = self._vault.seal_many([*said, _named(number, people)], connection=c)
            named = sealed.pop()
            left, right_, why = (sealed.pop(0) if one else None for one in words)
            c.execute(
                "UPDATE rights_case SET override = %s, evidence = %s, needs = %s, proof = %s"
                " WHERE number = %s",
                (left, right_, needs, proof.reached([way]) if evidence else 0, number),
            )
            if evidence:
                c.execute(
                    "INSERT INTO case_proof (number, turn, way, level, actor, at)"
                    " VALUES (%s, 1, %s, %s, %s, %s)",
                    (number, way, proof.reached([way]), actor.id, now),
                )
            self._name(c, number, people, named, known)
            if acknowledged and evidence:  # the words are those of the proof
                self._event(c, number, came, actor, None, now)
            self._event(c, number, [state] if evidence else came, actor, why, now)
            cursor = self._asked(c, "r.number = %s", (number,))
        return _case(cursor.fetchall()[0])

    def name_only(
        self, case: Case, people: Sequence[Sequence[Identifier]], *, connection: Connection
    ) -> None:
        """Let the case name only these of its people, in this order; nothing is planned yet."""
        for table in ("case_person", "case_subject"):
            connection.execute(f"DELETE FROM {table} WHERE number = %s", (case.number,))
        sealed = self._vault.seal_many([_named(case.number, people)], connection=connection)[0]
        known = self._subjects.find_many(people, connection=connection)
        self._name(connection, case.number, people, sealed, known)

    def _name(
        self,
        c: Connection,
        number: int,
        people: Sequence[Sequence[Identifier]],
        sealed: bytes,
        known: Sequence[Sequence[int]],
    ) -> None:
        """Say whom a case names, sealed, and make it found by that; `known` are their subjects."""
        c.execute(
            "UPDATE rights_case SET sealed = %s, people = %s WHERE number = %s",
            (sealed, len(people), number),
        )
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

    def get(self, id_: str) -> Case:
        """The case of that id. UsageError where there is none."""
        with self._database.by_statement() as c:
            found = self._get(c, "r.id = %s", (id_,))
        if not found:
            raise UsageError("there is no such case", fix="see `kept case list`")
        return found[0]

    def all(self, state: State | None = None) -> list[Case]:
        """All cases, or those in a state, oldest first."""
        with self._database.by_statement() as c:
            return self._get(c, "(%s::text IS NULL OR r.state = %s)", (state, state))

    def naming(self, identifier: Identifier) -> list[Case]:
        """The cases that name an identifier, oldest first."""
        with self._database.by_statement() as c:
            return self._get(
                c,
                "r.number IN (SELECT number FROM case_person WHERE mac = %s)",
                (case_mac(self._vault, identifier),),
            )

    def begun(self, right: str, identifiers: Sequence[Identifier]) -> list[Case]:
        """The cases of a right that name any of these and were begun and not finished."""
        with self._database.by_statement() as c:
            return self._get(
                c,
                'r."right" = %s AND r.state = ANY(%s) AND r.number IN'
                " (SELECT number FROM case_person WHERE mac = ANY(%s))",
                (
                    right, [State.EXECUTING, State.EXECUTED, State.CHECKED],
                    [case_mac(self._vault, one) for one in identifiers],
                ),
            )  # fmt: skip

    def identifiers(self, case: Case) -> list[list[Identifier]]:
        """Whom the case names, unsealed."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT sealed FROM rights_case WHERE number = %s", (case.number,)
            ).fetchone()
            assert row is not None
            if row[0] is None:  # struck out
                return [[] for _ in range(case.people)]
            plain = self._vault.unseal(case.key_subject, _CLASS, row[0], b"people", connection=c)
        return [[Identifier(kind, value) for kind, value in one] for one in json.loads(plain)]

    def cover(
        self, case: Case, people: Sequence[Sequence[Identifier]],
        *, connection: Connection | None = None,
    ) -> None:  # fmt: skip
        """Let the case reach what is proven its people's too: what `covered` gives from now on."""
        packed = json.dumps([[[i.kind, i.value] for i in one] for one in people]).encode()
        rows = [
            (who, i.kind, case_mac(self._vault, i)) for who, one in enumerate(people) for i in one
        ]
        with self._database.within(connection) as c:
            named = self.identifiers(case)
            rows += [
                (who, i.kind, case_mac(self._vault, i))
                for who, one in enumerate(named)
                for i in one
            ]
            c.execute(
                "DELETE FROM case_person WHERE number = %s AND mac <> ALL(%s)",
                (case.number, [mac for _, _, mac in rows]),
            )
            c.execute(
                "INSERT INTO case_person (number, person, kind, mac)"
                " SELECT %s, * FROM unnest(%s::int[], %s::text[], %s::bytea[])"
                " ON CONFLICT DO NOTHING",
                (case.number, *([r[n] for r in rows] for n in range(3))),
            )
            self._seal(c, case, {_COVERED: packed})

    def covered(self, case: Case) -> list[list[Identifier]] | None:
        """What `cover` was given last, person by person; None where nothing is sealed."""
        data = self._unseal(case, _COVERED)
        if data is None:
            return None
        return [[Identifier(kind, value) for kind, value in one] for one in json.loads(data)]

    def events(self, case: Case) -> list[Event]:
        """The states through which the case has come, in order."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT e.state, a.actor, a.name, a.role, e.words, e.at FROM case_event e"
                " JOIN actor a USING (actor) WHERE e.number = %s ORDER BY e.turn",
                (case.number,),
            ).fetchall()
            return [
                Event(State(r[0]), Actor(*r[1:4]), self._heard(c, case.number, r[4]), r[5])
                for r in rows
            ]

    def words(self, case: Case) -> Words:
        """In whose words the case passed the check of who asks, unsealed."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT override, evidence FROM rights_case WHERE number = %s", (case.number,)
            ).fetchone()
            assert row is not None
            return Words(*(self._heard(c, case.number, one) for one in row))

    @contextmanager
    def alone(self, case: Case) -> Iterator[Case]:
        """The case as it stands now, for this process only: another that wants to carry it out
        waits a little, then gets UsageError. A process that dies gives it back.
        """
        at = f"kept case {case.number}"
        # Of the session, so that no transaction stays open as long as stores work.
        with self._database.by_statement() as c:
            try:
                c.execute(
                    _PATIENT + "SELECT pg_advisory_lock(hashtextextended(%s, 0)) FROM w",
                    (f"{_PATIENCE}s", at),
                )
            except psycopg.errors.LockNotAvailable:
                raise Busy(
                    f"case {case.id} is being carried out by somebody else right now",
                    fix="wait until that is done, then see `kept case show`",
                ) from None
            try:
                yield self.get(case.id)
            finally:
                with suppress(psycopg.Error):  # a lost connection has given it back already
                    c.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (at,))

    @contextmanager
    def person_alone(self, people: Iterable[Iterable[Identifier]]) -> Iterator[None]:
        """These people for this process only, over all cases: what two cases mean to write is
        counted by one of them. Who waits too long gets UsageError.
        """
        macs = {case_mac(self._vault, i)[:8] for one in people for i in one}
        # In one order everywhere, so that two never wait for each other.
        at = sorted(int.from_bytes(mac, "big", signed=True) for mac in macs)
        with self._locked(
            "SELECT pg_advisory_lock_shared(%s) FROM w UNION ALL"
            " SELECT pg_advisory_lock(n) FROM unnest(%s::bigint[]) n",
            (_EVERYBODY, at),
            "another case of the same person, or a hold on a whole system, is being carried out"
            " right now",
        ):
            yield

    @contextmanager
    def everybody_alone(self) -> Iterator[None]:
        """All people for this process only: nobody's rows are being written meanwhile. Who waits
        too long gets UsageError.
        """
        with self._locked(
            "SELECT pg_advisory_lock(%s) FROM w",
            (_EVERYBODY,),
            "somebody's case is being carried out right now",
        ):
            yield

    @contextmanager
    def _locked(self, text: LiteralString, at: Sequence[Any], met: str) -> Iterator[None]:
        # Of the session, so that no transaction stays open as long as stores work.
        with self._database.by_statement() as c:
            try:
                c.execute(_PATIENT + text, (f"{_PATIENCE}s", *at))
            except psycopg.errors.LockNotAvailable:
                c.execute("SELECT pg_advisory_unlock_all()")
                raise Busy(met, fix="wait until that is done, then run this again") from None
            try:
                yield
            finally:
                with suppress(psycopg.Error):  # a lost connection has given it back already
                    c.execute("SELECT pg_advisory_unlock_all()")

    def identify(
        self,
        case: Case,
        evidence: str,
        actor: Actor,
        now: dt.datetime,
        *,
        way: str = "checked",
        connection: Connection | None = None,
    ) -> Case:
        """Record how it was checked who asks, and in which way (terms.proof)."""
        with self._database.within(connection) as c:
            moved = self.move(case, State.IDENTIFIED, actor, now, words=evidence, connection=c)
            self.prove(moved, way, actor, now, connection=c)
            c.execute(
                "UPDATE rights_case SET evidence = %s WHERE number = %s",
                (self._said(c, case.number, evidence), case.number),
            )
            return self._get(c, "r.number = %s", (moved.number,))[0]

    def prove_more(
        self, case: Case, way: str, words: str, actor: Actor, now: dt.datetime,
        *, connection: Connection,
    ) -> Case:  # fmt: skip
        """Record one more way, of a case in which it is known already who asks, and its words."""
        said = self._said(connection, case.number, words)
        self._event(connection, case.number, [case.state], actor, said, now)
        self.prove(case, way, actor, now, connection=connection)
        return self._get(connection, "r.number = %s", (case.number,))[0]

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
                (self._said(c, case.number, reason), now, case.number),
            )
            self._event(
                c, case.number, [case.state], actor, self._said(c, case.number, reason), now
            )
            return self._get(c, "r.number = %s", (case.number,))[0]

    def on_ground(self, case: Case, ground: str, *, connection: Connection) -> Case:
        """Record on which ground an erasure is asked for. UsageError for another than before."""
        if ground not in ERASURE_GROUNDS:
            words = "; ".join(f"{key}: {why}" for key, why in ERASURE_GROUNDS.items())
            raise UsageError("there is no such ground for an erasure", expected=words)
        if case.right != "erasure":
            raise UsageError("only an erasure is asked for on a ground", met=case.right)
        done = connection.execute(
            "UPDATE rights_case SET ground = %s WHERE number = %s AND coalesce(ground, %s) = %s"
            " AND (ground IS NOT NULL OR state = ANY(%s))",
            (ground, case.number, ground, ground, [State.RECEIVED, State.ACKNOWLEDGED,
             State.IDENTIFIED, State.PLANNED]),
        ).rowcount  # fmt: skip
        if not done:
            raise UsageError(
                f"case {case.id} was opened or begun on another ground",
                expected=case.ground or "none",
                fix="leave --ground out, or open a new case",
            )
        return self._get(connection, "r.number = %s", (case.number,))[0]

    def same_person(
        self,
        case: Case,
        reason: str,
        actor: Actor,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Record that somebody answers for records that name different people being hers."""
        with self._database.within(connection) as c:
            self._seal(c, case, {_SAME: reason.encode()})
            state = self._get(c, "r.number = %s", (case.number,))[0].state
            self._event(c, case.number, [state], actor, self._said(c, case.number, reason), now)

    def is_same_person(self, case: Case) -> bool:
        """Whether somebody answers for that (see `same_person`)."""
        return self._unseal(case, _SAME) is not None

    def move(
        self,
        case: Case,
        to: State | Sequence[State],
        actor: Actor,
        now: dt.datetime,
        *,
        words: str | None = None,
        connection: Connection | None = None,
    ) -> Case:
        """Bring the case into another state, or through several, as it stands in the database now.

        UsageError for a transition that the table does not have; Denied where it needs
        evidence of who asks, or an override, and has neither.
        """
        with self._database.within(connection) as c:
            states = [to] if isinstance(to, State) else to
            return self._move(c, case, states, actor, now, words)

    def _move(
        self,
        c: Connection,
        case: Case,
        states: Sequence[State],
        actor: Actor,
        now: dt.datetime,
        words: str | None = None,
        complete: bool | None = None,
        in_force: bool = False,
        named: bool | None = None,
    ) -> Case:
        """Bring the case through states, one after another; `complete` and `named` are set where
        they are given, `in_force_at` the first time that it is `in_force`.
        """
        case = _case(
            self._asked(c, "r.number = %s", (case.number,), "FOR UPDATE OF r").fetchall()[0]
        )
        at = case.state
        for to in states:
            if to not in TRANSITIONS[at]:
                raise UsageError(
                    f"a case that is {at} cannot become {to}",
                    expected=f"one of {', '.join(sorted(TRANSITIONS[at]))}"
                    if TRANSITIONS[at]
                    else "nothing more: this case has ended",
                    where=f"case {case.id}",
                )
            if to in NEED_EVIDENCE and not case.override and not case.evidence:
                raise Denied(
                    f"a case cannot become {to} before it is known who asks",
                    fix="record the evidence, or give --override REASON and answer for it",
                )
            at = to
        closed = now if at in ENDS else None
        done = (case.done_at or now) if at in FINISHED else None
        complete = case.complete if complete is None else complete
        since = case.in_force_at or (now if in_force else None)
        c.execute(
            "UPDATE rights_case SET state = %s, changed_at = %s, closed_at = %s, done_at = %s,"
            " complete = %s, in_force_at = %s, named = coalesce(%s, named) WHERE number = %s",
            (at, now, closed, done, complete, since, named, case.number),
        )
        self._event(c, case.number, states, actor, self._said(c, case.number, words), now)
        if done:
            # What proved who asks, and her letter, are of no use to whoever waits for others.
            self.destroyed(case.number, connection=c)
            letter_scan.gone_with_case(case.number, connection=c)
        if done or since:
            self._answered(c, case.number)
        return replace(
            case, state=at, changed_at=now, closed_at=closed, complete=complete, done_at=done,
            in_force_at=since,
        )  # fmt: skip

    def _answered(self, c: Connection, number: int) -> None:
        """Let the clock of a case know whether it still waits (`Clocks.unanswered`), and whether
        somebody has to look if she was told (`Worklist.untold`).
        """
        c.execute(
            "UPDATE case_clock k SET waiting = r.done_at IS NULL AND r.in_force_at IS NULL,"
            # What she took back herself, on her page, told her by that.
            " untold = r.done_at IS NOT NULL AND NOT (r.state = %s AND EXISTS (SELECT FROM"
            " case_event e JOIN actor a USING (actor) WHERE e.number = r.number"
            " AND e.state = r.state AND a.role = 'person'))"
            " FROM rights_case r WHERE r.number = k.number AND k.number = %s",
            (State.WITHDRAWN, number),
        )

    def end(
        self,
        case: Case,
        to: State,
        reason: str,
        actor: Actor,
        now: dt.datetime,
        *,
        code: str | None = None,
        idle: bool = False,
        connection: Connection | None = None,
    ) -> Case:
        """End a case that is not carried out (refused, for the reason of `code`; withdrawn); what
        was sealed to carry it out is thrown away. `idle`: the case had nothing to write, so it can
        end after it was read back too. UsageError where it has ended, or can only be finished.
        """
        with self._database.within(connection) as c:
            c.execute("SELECT FROM rights_case WHERE number = %s FOR UPDATE", (case.number,))
            case = self._get(c, "r.number = %s", (case.number,))[0]
            late = to not in TRANSITIONS[case.state]
            steps = "SELECT FROM case_step WHERE number = %s AND action <> 'read' LIMIT 1"
            if late and (
                case.state is not State.CHECKED
                or not idle
                or c.execute(steps, (case.number,)).fetchone() is not None
            ):
                raise past(case)
            if late:
                c.execute(
                    "UPDATE rights_case SET state = %s, changed_at = %s, closed_at = %s,"
                    " done_at = %s WHERE number = %s",
                    (to, now, now, now, case.number),
                )
                said = self._said(c, case.number, reason)
                self._event(c, case.number, [to], actor, said, now)
                self._answered(c, case.number)
                self.destroyed(case.number, connection=c)
                letter_scan.gone_with_case(case.number, connection=c)
            else:
                self.move(case, to, actor, now, words=reason, connection=c)
            c.execute("UPDATE rights_case SET refusal = %s WHERE number = %s", (code, case.number))
            self._throw_away(c, case.number)
            return self._get(c, "r.number = %s", (case.number,))[0]

    @staticmethod
    def _throw_away(c: Connection, number: int, but: str = "") -> None:
        """What was sealed to carry a case out goes; not that a paper was destroyed."""
        c.execute(
            "DELETE FROM case_sealed WHERE number = %s AND name <> %s AND name NOT LIKE %s",
            (number, but, f"{GONE}%"),
        )

    def close(
        self, case: Case, words: str | None, actor: Actor, now: dt.datetime,
        *, connection: Connection | None = None,
    ) -> Case:  # fmt: skip
        """Close a case whose execution left something to decide, once that is decided."""
        with self._database.within(connection) as c:
            moved = self.move(case, State.CLOSED, actor, now, words=words, connection=c)
            self._throw_away(c, case.number)
            c.execute("UPDATE rights_case SET complete = true WHERE number = %s", (case.number,))
            return self._get(c, "r.number = %s", (moved.number,))[0]

    def seal_plan(
        self,
        case: Case,
        plan: Plan,
        actor: Actor,
        now: dt.datetime,
        *,
        then: Sequence[State] = (),
        approved: bool = False,
        connection: Connection | None = None,
    ) -> Case:
        """Fix the plan with its row keys, sealed; the case becomes `planned`, then what is named.
        `approved`: what the plan does was approved before, and the case goes on from there.

        A new plan takes the place of an older one until writing has begun.
        """
        packed = encode_plan(plan)
        with self._database.within(connection) as c:
            ways = [*then] if approved else [State.PLANNED, *then]
            moved = self._move(c, case, ways, actor, now)
            self._seal(c, case, {"plan": packed})
            c.execute("DELETE FROM case_step WHERE number = %s", (case.number,))
            add_steps(c, case, plan.steps, now)
            c.execute(
                "UPDATE rights_case SET plan_sha256 = %s WHERE number = %s",
                (self._vault.mac("plan", packed).hex(), case.number),
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
            self._seal(c, case, {"plan": packed})
            add_steps(c, case, added, now)
            c.execute(
                "UPDATE rights_case SET plan_sha256 = %s WHERE number = %s",
                (self._vault.mac("plan", packed).hex(), case.number),
            )

    def draw_up(
        self, case: Case, steps: Iterable[int], actor: Actor, now: dt.datetime,
        *, also: Iterable[str] = (), connection: Connection,
    ) -> None:  # fmt: skip
        """Record that steps of a case that was begun wait for another person than who drew them up.
        `also`: who drew up what is left of the plan before, where that waits, too.
        """
        before = self.waits(case)
        packed = {
            "steps": sorted({*before.steps, *steps}),
            "by": list(dict.fromkeys((*(before.by or also), actor.name))),
        }
        self._seal(connection, case, {_WAITS: json.dumps(packed).encode()})
        self._event(connection, case.number, [State.PLANNED], actor, None, now)

    def waits(self, case: Case) -> Waits:
        """Which steps of a case that was begun wait for another person (see `draw_up`)."""
        data = self._unseal(case, _WAITS)
        if data is None:
            return Waits()
        said = json.loads(data)
        return Waits(frozenset(said["steps"]), tuple(said["by"]))

    def let_go(
        self, case: Case, actor: Actor, now: dt.datetime, *, connection: Connection
    ) -> None:  # fmt: skip
        """Record who approved the steps that waited; they are carried out with the others."""
        connection.execute(
            "DELETE FROM case_sealed WHERE number = %s AND name = %s", (case.number, _WAITS)
        )
        self._event(connection, case.number, [State.APPROVED], actor, None, now)

    def unplan(
        self, case: Case, actor: Actor, now: dt.datetime, *, connection: Connection | None = None
    ) -> Case:
        """Throw away a plan of which nothing was or could have been written, to plan again.

        Denied where a step is done, or was begun more than once: then it can only go on.
        """
        with self._database.within(connection) as c:
            row = c.execute(
                "SELECT r.state = %s AND NOT EXISTS (SELECT FROM case_step s WHERE s.number ="
                " r.number AND (s.state = %s OR s.attempts > 1 OR s.changed > 0))"
                " FROM rights_case r WHERE r.number = %s FOR UPDATE",
                (State.EXECUTING, StepState.DONE, case.number),
            ).fetchone()
            if row is None or not row[0]:
                raise Denied(
                    f"the plan of case {case.id} was begun, so it cannot be made again",
                    fix="mend what its steps name, then execute it again",
                )
            c.execute("DELETE FROM case_step WHERE number = %s", (case.number,))
            c.execute(
                "DELETE FROM case_sealed WHERE number = %s AND name <> ALL(%s)"
                " AND name NOT LIKE %s",
                (case.number, [_SAME, _COVERED], f"{PAPER}%"),
            )
            c.execute(
                "UPDATE rights_case SET state = %s, changed_at = %s WHERE number = %s",
                (State.PLANNED, now, case.number),
            )
            self._event(c, case.number, [State.PLANNED], actor, None, now)
            return self._get(c, "r.number = %s", (case.number,))[0]

    def plan(self, case: Case) -> Plan | None:
        """The sealed plan; None before there is one and after the case was read back."""
        data = self._unseal(case, "plan")
        return None if data is None else decode_plan(data)

    def seal_keys(
        self,
        case: Case,
        keys: Mapping[str, KeySet],
        *,
        connection: Connection | None = None,
    ) -> None:
        """Seal row keys, by system, until the read-back is done."""
        packed = {
            f"keys:{system}": json.dumps({n: encode_keys(t) for n, t in those.items()}).encode()
            for system, those in keys.items()
        }
        with self._database.within(connection) as c:
            self._seal(c, case, packed)

    def sealed_keys(self, case: Case, system: str) -> KeySet | None:
        """What `seal_keys` sealed for a system; None where nothing is (any more)."""
        return self.all_sealed_keys(case, [system])[0]

    def all_sealed_keys(self, case: Case, systems: Sequence[str]) -> list[KeySet | None]:
        """`sealed_keys` for each system."""
        found = self._unsealed(case, [f"keys:{system}" for system in systems])
        return [
            None
            if data is None
            else KeySet({name: decode_keys(table) for name, table in json.loads(data).items()})
            for data in found
        ]

    def unseal(self, case: Case, system: str, *, connection: Connection) -> None:
        """Throw away what `seal_keys` sealed."""
        connection.execute(
            "DELETE FROM case_sealed WHERE number = %s AND name = %s",
            (case.number, f"keys:{system}"),
        )

    def unmet(
        self, case: Case, what: Literal["part", "whole"], *, connection: Connection
    ) -> None:  # fmt: skip
        """Note that a part of an objection, or all of it, is not followed."""
        connection.execute(
            "UPDATE rights_case SET unmet = %s WHERE number = %s", (what, case.number)
        )

    def finish(
        self,
        case: Case,
        complete: bool,
        actor: Actor,
        now: dt.datetime,
        *,
        through: Sequence[State] = (),
        waits: bool = False,
        in_force: bool = False,
        named: bool | None = None,
        connection: Connection | None = None,
    ) -> Case:
        """End an execution, `through` the states that come before. Complete, it is closed and what
        was sealed is thrown away, except by what she is looked for beneath the rows (`NEEDLES`:
        until `unseal`); incomplete, it stays `checked` and can be executed again. `waits`:
        complete, it stays open until whoever had the data has answered (`over`). `in_force`: what
        it asked for holds now for all that leads to her, and its case ends only with that. `named`:
        whether its package shows what others wrote that names her.
        """
        last = State.AWAITING if waits else State.CLOSED
        with self._database.within(connection) as c:
            ways = [*through, State.CHECKED, *[last] * complete]
            moved = self._move(
                c, case, ways, actor, now, complete=complete, in_force=in_force, named=named
            )
            if complete:
                self._throw_away(c, case.number, f"keys:{NEEDLES}")
            return moved

    def over(
        self, id_: str, actor: Actor, now: dt.datetime, *, connection: Connection
    ) -> Case | None:
        """Close a case that waited for recipients; None where it is in any other state."""
        connection.execute("SELECT FROM rights_case WHERE id = %s FOR UPDATE", (id_,))
        found = self._get(connection, "r.id = %s", (id_,))
        if not found or found[0].state is not State.AWAITING:
            return None
        return self._move(connection, found[0], [State.CLOSED], actor, now)

    def _asked(
        self, c: Connection, where: str, parameters: tuple[object, ...], lock: LiteralString = ""
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        return c.execute(
            f"SELECT {_COLUMNS} FROM rights_case r JOIN actor a USING (actor) WHERE {where}"
            f" ORDER BY r.number {lock}",
            parameters,
        )

    def _get(self, c: Connection, where: str, parameters: tuple[object, ...]) -> list[Case]:
        return [_case(row) for row in self._asked(c, where, parameters).fetchall()]

    def _said(self, c: Connection, number: int, words: str | None) -> bytes | None:
        if words is None:
            return None
        return self._vault.seal(-number, _CLASS, words.encode(), _WORDS, connection=c)

    def _heard(self, c: Connection, number: int, said: bytes | None) -> str | None:
        if said is None or not said.startswith(_SEAL):
            return None if said is None else said.decode()
        return self._vault.unseal(-number, _CLASS, said, _WORDS, connection=c).decode()

    def _event(
        self,
        c: Connection,
        number: int,
        states: Sequence[State],
        actor: Actor,
        said: bytes | None,
        now: dt.datetime,
    ) -> None:
        c.execute(
            "INSERT INTO case_event (number, turn, state, actor, words, at) SELECT %s,"
            " coalesce((SELECT max(turn) FROM case_event WHERE number = %s), 0) + n, s, %s, %s, %s"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS t (s, n)",
            (number, number, actor.id, said, now, list(states)),
        )

    def _seal(self, c: Connection, case: Case, parts: Mapping[str, bytes]) -> None:
        """Seal data under names, in the place of what stood there."""
        sealed = self._vault.seal_many(
            [(case.key_subject, _CLASS, data, name.encode()) for name, data in parts.items()],
            connection=c,
        )
        c.execute(
            "INSERT INTO case_sealed (number, name, sealed)"
            " SELECT %s, * FROM unnest(%s::text[], %s::bytea[])"
            " ON CONFLICT (number, name) DO UPDATE SET sealed = excluded.sealed",
            (case.number, list(parts), sealed),
        )

    def _unseal(self, case: Case, name: str) -> bytes | None:
        return self._unsealed(case, [name])[0]

    def _unsealed(self, case: Case, names: Sequence[str]) -> list[bytes | None]:
        """What is sealed under each name; None where nothing is."""
        with self._database.by_statement() as c:
            there = dict(
                c.execute(
                    "SELECT name, sealed FROM case_sealed WHERE number = %s AND name = ANY(%s)",
                    (case.number, list(names)),
                ).fetchall()
            )
            parts = [(case.key_subject, _CLASS, data, n.encode()) for n, data in there.items()]
            plain = dict(zip(there, self._vault.unseal_many(parts, connection=c), strict=True))
        return [plain.get(name) for name in names]


def _named(number: int, people: Sequence[Sequence[Identifier]]) -> tuple[int, str, bytes, bytes]:
    """Whom a case names, to be sealed."""
    named = json.dumps([[[i.kind, i.value] for i in one] for one in people]).encode()
    return -number, _CLASS, named, b"people"


def _case(row: tuple[Any, ...]) -> Case:
    subjects: list[set[int]] = [set() for _ in range(row[9])]
    for person, subject in row[15] or ():
        subjects[person].add(subject)
    return Case(
        id=row[0], number=row[1], right=row[2], state=State(row[3]), actor=Actor(*row[4:7]),
        override=row[7], evidence=row[8], people=row[9],
        subjects=tuple(tuple(sorted(one)) for one in subjects),
        opened_at=row[10], changed_at=row[11], closed_at=row[12], complete=row[13],
        ground=row[14], refusal=row[16], proof=row[17], needs=row[18],
        done_at=row[19], in_force_at=row[20], unmet=row[21],
    )  # fmt: skip
