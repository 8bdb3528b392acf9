"""Carrying out a sealed plan of a case, step by step, and saying what became of it.

For rights whose plan is one of rows; erasure has more to keep safe and does its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kept.controller import Controller
from kept.controller.execute import Outcome
from kept.database import Connection
from kept.decide import reasons
from kept.duties.rights.anonymity import proven
from kept.errors import DatabaseError, Obstructed
from kept.ledger.entry import Entry, name
from kept.model.codec import encode_plan
from kept.model.plan import Action, Counts, Plan, Step, StepResult
from kept.records.actor import Actor
from kept.records.case import Case, State, StepState
from kept.terms.identifiers import Identifier

#: What these do to rows destroys nothing.
STAY: Final = (Action.READ, Action.RETAIN)


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of the steps, in their order; `statements` are for a person to carry out."""

    steps: tuple[StepResult, ...]
    statements: Mapping[str, tuple[str, ...]]

    @property
    def done(self) -> bool:
        """Whether every step was read back as the plan wants it, or people answer for it."""
        return all(s.settled for s in self.steps)


def refuse_obstacles(made: Plan) -> None:
    """Refuse a plan of which planning alone saw that it cannot be carried out."""
    if made.obstacles:
        system, first = made.obstacles[0]
        raise Obstructed(
            f"`{system}.{first.dataset}` stands in the way: {first.words};"
            " nothing was written in any system",
            met=first.met,
            fix=first.fix,
        )


def planned(case: Case, right: str, made: Plan, actor: Actor, now: dt.datetime) -> list[Entry]:
    """The entries of a plan that is about to be carried out."""
    digest = hashlib.sha256(encode_plan(made)).hexdigest()
    body = {
        "case": case.id,
        "right": right,
        "plan": digest,
        "steps": len(made.steps),
        "people": made.people,
        "rows": sum(s.rows for s in made.steps),
        "systems": [name(p.system) for p in made.systems],
        "unreached": [name(s) for s, _ in made.unreached],
    }
    approved = {"case": case.id, "plan": digest, "actor": name(actor.role)}
    return [Entry("plan.made", now, body), Entry("plan.approved", now, approved)]


def sealed(controller: Controller, case: Case) -> Plan:
    """The plan of a case that was begun."""
    made = controller.cases.plan(case)
    if made is None:
        raise DatabaseError(
            f"the plan of case {case.id} is not there any more",
            expected="a sealed plan until everything is read back",
            fix="open a new case for the same person; what was done stays done",
        )
    return made


def destroyed(steps: Iterable[Step]) -> int:
    """Rows of which something goes."""
    return sum(s.rows for s in steps if s.action not in STAY)


def drawn_up(
    controller: Controller, case: Case, steps: Iterable[int], actor: Actor, now: dt.datetime,
    connection: Connection, also: Iterable[str] = (),
) -> list[Entry]:  # fmt: skip
    """Let steps that were added to a begun plan wait for another person; the entries, for the
    caller's transaction.
    """
    controller.cases.draw_up(case, steps, actor, now, also=also, connection=connection)
    body = {"case": case.id, "state": State.PLANNED.value, "actor": name(actor.role)}
    return [Entry("case.moved", now, body)]


def let_go(
    controller: Controller, case: Case, made: Plan, actor: Actor, now: dt.datetime,
    connection: Connection,
) -> list[Entry]:  # fmt: skip
    """What waited is approved; the entries, for the caller's transaction."""
    controller.cases.let_go(case, actor, now, connection=connection)
    digest = controller.digest(encode_plan(made))
    body = {"case": case.id, "plan": digest, "actor": name(actor.role)}
    return [Entry("plan.approved", now, body)]


def asked_again(
    controller: Controller, case: Case, made: Plan, again: Plan, now: dt.datetime,
    actor: Actor | None = None,
) -> Plan:  # fmt: skip
    """The sealed plan with the steps of systems that could not be asked before and now can.
    `actor` draws up what goes with that: it waits for another person as the rest does.
    """
    away = {system for system, _ in made.unreached}
    # What cannot be planned there now is as far away as what cannot be asked.
    stopped = dict(again.unreached)
    for system, obstacle in again.obstacles:
        stopped.setdefault(system, f"`{obstacle.dataset}`: {obstacle.words}. {obstacle.fix}")
    still = stopped.keys() & away
    first = 1 + max((s.number for s in made.steps), default=0)
    back = [s for s in again.steps if s.system in away - still]
    added = [replace(s, number=first + n) for n, s in enumerate(back)]
    had = {p.system for p in made.systems}
    extended = replace(
        made,
        steps=(*made.steps, *added),
        systems=(*made.systems, *(p for p in again.systems if p.system not in had)),
        unreached=tuple((s, why) for s, why in sorted(stopped.items()) if s in still),
    )
    with controller.database.connection() as connection:
        controller.cases.extend_plan(case, extended, added, now, connection=connection)
        if actor is not None and destroyed(added):
            did = controller.did(case) if destroyed(made.steps) else []
            before = [one.who for one in did if one.act == "planned"]
            waits = [s.number for s in added]
            entries = drawn_up(controller, case, waits, actor, now, connection, before)
            controller.ledger.append_in(connection, entries)
    return extended


def carry_out(
    controller: Controller, case: Case, made: Plan, actor: Actor, now: dt.datetime,
    identifiers: Iterable[Identifier] = (),
) -> Carried:  # fmt: skip
    """Write, read back, record; the case is executed afterwards. Steps that are done stay so.
    By `identifiers` nobody may be recognised in rows that were made anonymous.

    Raises Obstructed, with nothing written anywhere, when a store refuses; the same case goes
    on once that is mended.
    """
    records = {r.number: r for r in controller.cases.steps(case)}
    done = {n: r.result() for n, r in records.items() if r.state is StepState.DONE}
    results = dict(done)
    if case.state is not State.EXECUTING:
        case = controller.cases.move(case, State.EXECUTING, actor, now)
    left = [s.number for s in made.steps if s.number not in done]
    controller.cases.begin_steps(case, left, now)

    former = controller.anonymity.former(s for s in made.steps if s.number in left)
    tested = proven(controller, made, identifiers, [str(key[0]) for _, key in former])

    def record(outcome: Outcome) -> None:
        found = [(number, tested(number, result)) for number, result in outcome.results]
        with controller.database.connection() as connection:
            entries = []
            for number, result in found:
                results[number] = result
                controller.cases.record_step(case, number, result, now, connection=connection)
                attempt = records[number].attempts + 1
                entries.append(step_entry(case, number, result, attempt, now))
            controller.ledger.append_in(connection, entries)

    try:
        outcomes = controller.execute(made, mark=case.id, done=done, record=record)
    except Obstructed as problem:
        with controller.database.connection() as connection:
            for s in made.steps:
                if s.number in left:
                    counts = Counts(found=s.rows)
                    failed = StepResult(
                        s.system, s.dataset, s.action, counts, False, s.reason, problem.what
                    )
                    controller.cases.record_step(case, s.number, failed, now, connection=connection)
        raise
    controller.cases.move(case, State.EXECUTED, actor, now)
    return Carried(
        tuple(results[n] for n in sorted(results)),
        {o.system: o.statements for o in outcomes if o.statements},
    )


def shown(made: Plan) -> tuple[StepResult, ...]:
    """The plan as steps: what would be found, changed, retained and isolated."""
    steps = []
    for s in made.steps:
        retained, isolated = s.action is Action.RETAIN, s.action is Action.ISOLATE
        counts = Counts(
            s.rows, 0 if retained or isolated else s.rows, s.rows * retained, s.rows * isolated
        )
        problem = next(
            (o.words for system, o in made.obstacles
             if (system, o.dataset) == (s.system, s.dataset)),
            None,
        )  # fmt: skip
        steps.append(StepResult(s.system, s.dataset, s.action, counts, False, s.reason, problem))
    return tuple(steps)


def closed(case: Case, made: Plan, carried: Carried, now: dt.datetime, *, complete: bool) -> Entry:
    """The entry of the end of a case whose steps were carried out."""
    counts = [s.counts for s in carried.steps]
    body = {
        "case": case.id,
        "right": case.right,
        "complete": complete,
        "steps": len(carried.steps),
        "found": sum(c.found for c in counts),
        "changed": sum(c.changed for c in counts),
        "retained": sum(c.retained for c in counts),
        "unreached": [name(s) for s, _ in made.unreached],
    }
    return Entry("case.closed", now, body)


def step_entry(case: Case, number: int, r: StepResult, attempt: int, now: dt.datetime) -> Entry:
    """The entry of one step that was read back."""
    body: dict[str, Any] = {
        "case": case.id,
        "step": str(number),
        "action": r.action.value,
        "system": name(r.store),
        "dataset": name(r.dataset),
        "found": r.counts.found,
        "changed": r.counts.changed,
        "retained": r.counts.retained,
        "isolated": r.counts.isolated,
        "verified": r.verified,
        "attempt": attempt,
        **({"word": True} if r.word else {}),
    }
    if r.reason is not None:
        if r.reason.until is not None:
            body["until"] = r.reason.until.isoformat()
        if r.reason.hold:
            body["hold"] = name(r.reason.hold)
        if r.reason.law:
            body["law"] = name(r.reason.law)
        body["clauses"] = [r.reason.clause]
        if reasons.theirs(r.reason.words):
            body["theirs"] = True
    return Entry("step.done", now, body)
