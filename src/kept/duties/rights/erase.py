"""Erasure (GDPR Art. 17): everything goes that may, what must stay is named, all is read back.

In this order, each committed before the next: the plan with its row keys is sealed; whom not
to write to again and the way back to what stays are recorded; the stores are written; every
step is read back by key; the keys of her classes are shredded. Killed in between, the same
command goes on from the sealed plan and reports what is true of all of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kept.controller import SUBJECT, Controller, Place
from kept.controller.execute import Outcome
from kept.decide import due, ties
from kept.decide.plan import plan as make_plan
from kept.duties.rights.request import (
    Request,
    open_case,
    refuse_mixed,
    refuse_several,
    require_known_asker,
    step_document,
)
from kept.errors import DatabaseError, Obstructed
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.model.codec import encode_plan
from kept.model.plan import Action, Counts, Plan, StepResult
from kept.model.select import KeySet, KeyTable
from kept.records.actor import Actor
from kept.records.case import Case, State, StepState
from kept.terms.identifiers import Identifier

_REPEATED = "this happened when the case was executed before"
#: Under this name the identifiers found in her own rows are sealed in the case.
_NAMES = "identifiers"
#: From here on the stores may have been written: only finishing is left.
_BEGUN = (State.EXECUTING, State.EXECUTED, State.CHECKED)


@dataclass(frozen=True, slots=True)
class EraseAnswer:
    """What was planned and, once executed, what happened.

    `executed` False: nothing was written, the steps show the plan. `statements` are for a
    person to carry out, by system, in mode assisted. `physical` is the day on which the last
    copy of her shredded keys is of no use any more.
    """

    case: str
    executed: bool
    complete: bool
    steps: tuple[StepResult, ...]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    physical: dt.date | None = None

    def document(self) -> dict[str, Any]:
        """The answer as JSON."""
        return {
            "case": self.case,
            "right": "erasure",
            "executed": self.executed,
            "complete": self.complete,
            "steps": [step_document(s) for s in self.steps],
            "unreached": [{"store": s, "why": why} for s, why in self.unreached],
            "warnings": list(self.warnings),
            "statements": {s: list(lines) for s, lines in self.statements.items()},
            "keys_gone_for_good_on": self.physical.isoformat() if self.physical else None,
        }


def preview(controller: Controller, request: Request, now: dt.datetime) -> EraseAnswer:
    """Open a case and show what would happen; nothing is written into any system."""
    case, _, people = open_case(controller, "erasure", request, now)
    if case.state in _BEGUN:
        return _shown(controller, case, _sealed(controller, case), executed=True)
    made, _ = _plan(controller, case, people, now)
    return _shown(controller, case, made, executed=False)


def erase(controller: Controller, request: Request, now: dt.datetime) -> EraseAnswer:
    """Erase one person or many; given a case that was begun, go on from where it stopped."""
    case, actor, people = open_case(controller, "erasure", request, now)
    require_known_asker(case)
    if case.state is State.CLOSED:
        return _closed(controller, case)
    if case.state in _BEGUN:
        made = _sealed(controller, case)
        if made.unreached:
            made = _ask_again(controller, case, made, people, now)
    else:
        made, found = _plan(controller, case, people, now)
        if made.obstacles:
            system, first = made.obstacles[0]
            raise Obstructed(
                f"`{system}.{first.dataset}` stands in the way: {first.words};"
                " nothing was written in any system",
                met=first.kind,
                fix=first.fix,
            )
        case = _commit(controller, case, made, _known(people, controller, found), actor, now)
    return _carry_out(controller, case, made, actor, now)


def _plan(
    controller: Controller,
    case: Case,
    people: Sequence[Sequence[Identifier]],
    now: dt.datetime,
    *,
    known: Sequence[Sequence[Identifier]] | None = None,
) -> tuple[Plan, dict[Place, KeyTable]]:
    """Find, hold against laws and holds, plan. Reads only.

    `known` are all identifiers to search by; the locator opens only for those the case names.
    """
    bundle = controller.bundle
    located = controller.locate(known or people)
    found = controller.keys(located)
    refuse_several(controller, found)
    before_held = controller.locator.find(case, people)
    refuse_mixed(controller, case, people, found, before_held)
    for place, rows in before_held.items():
        if place[0] in located.unreached:
            continue
        before = found.get(place)
        together = dict.fromkeys(
            (*(before.rows if before else ()), *(r for table, _ in rows for r in table.rows))
        )
        found[place] = KeyTable(rows[0][0].fields, tuple(together))
    laws = due.laws(bundle.retention)
    subjects = {s: person for person, known in enumerate(case.subjects) for s in known}
    holds = controller.holds.applying(list(subjects), now)
    datamap = controller.realised({system for system, _ in found})
    foreign = controller.foreign_keys()
    asked = ties.questions(datamap, found, laws, [(h.system, h.dataset) for h in holds], foreign)
    dates, tied = controller.answer(asked)
    today = now.astimezone(dt.UTC).date()
    scopes = [
        due.HoldScope(h.reason(), subjects[h.subject] if h.subject else None, h.system, h.dataset)
        for h in holds
    ]
    held = due.merge(
        due.statutory(datamap, found, laws, dates, tied, today),
        due.explicit(found, scopes, today),
    )
    abilities = controller.abilities
    made = make_plan(
        "erasure", datamap, found, held, tied,
        {s: a for s, a in abilities.items() if s not in located.unreached},
        people=len(people), foreign_keys=foreign, unreached=located.unreached,
        warnings=located.warnings, clause=_erasure_clause(controller),
    )  # fmt: skip
    return made, found


def _erasure_clause(controller: Controller) -> str:
    """The clause that promises erasure: the first of kind right whose activity is `rights`."""
    for activity in controller.bundle.activities.values():
        if activity.purpose == "rights" and activity.clauses:
            return activity.clauses[0]
    return next(iter(controller.bundle.clauses))


def _known(
    people: Sequence[Sequence[Identifier]],
    controller: Controller,
    found: Mapping[Place, KeyTable],
) -> list[list[Identifier]]:
    """Everybody with all identifiers: those given and those that her own rows hold."""
    known = [{(i.kind, i.normalised): i for i in one} for one in people]
    for who, identifier in controller.identifiers(found):
        known[who].setdefault((identifier.kind, identifier.normalised), identifier)
    return [list(one.values()) for one in known]


def _commit(
    controller: Controller,
    case: Case,
    made: Plan,
    known: list[list[Identifier]],
    actor: Actor,
    now: dt.datetime,
) -> Case:
    """All that has to be safe before the first write, in one transaction with its entries."""
    retained = [
        (s.system, s.dataset, s.keys, s.reason)
        for s in made.steps
        if s.reason is not None and s.action in (Action.RETAIN, Action.OVERWRITE)
    ]
    flat = [i for one in known for i in one]
    with controller.database.connection() as connection:
        case = controller.cases.seal_plan(case, made, actor, now, connection=connection)
        case = controller.cases.move(case, State.APPROVED, actor, now, connection=connection)
        case = controller.cases.move(case, State.EXECUTING, actor, now, connection=connection)
        controller.suppressions.add(flat, now, source="erasure", connection=connection)
        controller.locator.store(case, known, retained, now, connection=connection)
        # By these she is found in a system that can only be asked later.
        named = tuple((who, (i.kind, i.value)) for who, one in enumerate(known) for i in one)
        table = KeyTable(("kind", "value"), named)
        controller.cases.seal_keys(case, _NAMES, KeySet({_NAMES: table}), connection=connection)
        digest = hashlib.sha256(encode_plan(made)).hexdigest()
        rows = sum(s.rows for s in made.steps)
        controller.ledger.append_in(
            connection,
            [
                Entry(
                    "plan.made",
                    now,
                    {
                        "case": case.id,
                        "right": "erasure",
                        "plan": digest,
                        "steps": len(made.steps),
                        "people": made.people,
                        "rows": rows,
                        "systems": [name(p.system) for p in made.systems],
                        "unreached": [name(s) for s, _ in made.unreached],
                    },
                ),
                Entry(
                    "plan.approved",
                    now,
                    {"case": case.id, "plan": digest, "actor": name(actor.role)},
                ),
                Entry("suppression.added", now, {"case": case.id, "reason": "erasure"}),
            ],
        )
    return case


def _ask_again(
    controller: Controller,
    case: Case,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    now: dt.datetime,
) -> Plan:
    """The sealed plan with steps for systems that could not be asked before and now can.

    Steps that were planned before stay as they are; what is still away stays named.
    """
    known = [list(one) for one in people]
    sealed = controller.cases.sealed_keys(case, _NAMES)
    for who, (kind, value) in sealed[_NAMES].rows if sealed else ():
        known[who].append(Identifier(str(kind), str(value)))
    again, _ = _plan(controller, case, people, now, known=known)
    away = {system for system, _ in made.unreached}
    back = away - {system for system, _ in again.unreached}
    if any(system in back for system, _ in again.obstacles):
        return made
    first = 1 + max((s.number for s in made.steps), default=0)
    wanted = [s for s in again.steps if s.system in back]
    added = [replace(s, number=n) for n, s in enumerate(wanted, first)]
    extended = replace(
        made,
        steps=(*made.steps, *added),
        systems=(*made.systems, *(p for p in again.systems if p.system in back)),
        unreached=tuple((s, why) for s, why in again.unreached if s in away),
    )
    retained = [
        (s.system, s.dataset, s.keys, s.reason)
        for s in extended.steps
        if s.reason is not None and s.action in (Action.RETAIN, Action.OVERWRITE)
    ]
    with controller.database.connection() as connection:
        controller.cases.extend_plan(case, extended, added, now, connection=connection)
        controller.locator.store(case, known, retained, now, connection=connection)
    return extended


def _carry_out(
    controller: Controller, case: Case, made: Plan, actor: Actor, now: dt.datetime
) -> EraseAnswer:
    records = {r.number: r for r in controller.cases.steps(case)}
    done = {number: r.result() for number, r in records.items() if r.state is StepState.DONE}
    results = dict(done)
    if case.state is not State.EXECUTING:
        case = controller.cases.move(case, State.EXECUTING, actor, now)
    left = [s.number for s in made.steps if s.number not in done]
    controller.cases.begin_steps(case, left, now)
    attempts = {n: r.attempts + 1 for n, r in records.items()}

    def record(outcome: Outcome) -> None:
        with controller.database.connection() as connection:
            entries = []
            for number, result in outcome.results:
                results[number] = result
                controller.cases.record_step(case, number, result, now, connection=connection)
                entries.append(_entry(case, number, result, attempts[number], now))
            controller.ledger.append_in(connection, entries)

    try:
        outcomes = controller.execute(made, mark=case.id, done=done, record=record)
    except Obstructed as problem:
        # Nothing was written: the case says why and can be executed again after mending.
        with controller.database.connection() as connection:
            for number in left:
                step = next(s for s in made.steps if s.number == number)
                failed = StepResult(
                    step.system, step.dataset, step.action, Counts(found=step.rows), False,
                    step.reason, problem.what,
                )  # fmt: skip
                controller.cases.record_step(case, number, failed, now, connection=connection)
        raise
    unreached = made.unreached
    complete = not unreached and all(r.settled for r in results.values())
    physical = None
    with controller.database.connection() as connection:
        case = controller.cases.move(case, State.EXECUTED, actor, now, connection=connection)
        entries = []
        if complete:
            physical, shredded = _shred(controller, case, made, now, connection)
            entries += shredded
        case = controller.cases.finish(case, complete, actor, now, connection=connection)
        total = [results[n].counts for n in sorted(results)]
        entries.append(
            Entry(
                "case.closed",
                now,
                {
                    "case": case.id,
                    "right": "erasure",
                    "complete": complete,
                    "steps": len(results),
                    "found": sum(c.found for c in total),
                    "changed": sum(c.changed for c in total),
                    "retained": sum(c.retained for c in total),
                    "isolated": sum(c.isolated for c in total),
                    "unreached": [name(s) for s, _ in unreached],
                },
            )
        )
        controller.ledger.append_in(connection, entries)
    if complete:
        controller.settle(case.id)
    return EraseAnswer(
        case.id,
        True,
        complete,
        tuple(results[n] for n in sorted(results)),
        unreached,
        made.warnings,
        {o.system: o.statements for o in outcomes if o.statements},
        physical,
    )


def _shred(
    controller: Controller, case: Case, made: Plan, now: dt.datetime, connection: Any
) -> tuple[dt.date | None, list[Entry]]:
    """Destroy the keys of the classes whose rows are all gone, and of the person herself.

    A class of which rows are retained keeps its key until the hold ends.
    """
    # From the sealed plan: the case itself has forgotten her by now.
    subjects = sorted(
        int(str(key[0]))
        for step in made.steps
        if (step.system, step.dataset) == SUBJECT
        for key in step.keys.values
    )
    if not subjects:
        return None, []
    kept = set()
    for step in made.steps:
        if step.action is Action.RETAIN:
            kept.add(controller.datamap.dataset(step.system, step.dataset).retention)
    classes = {PERSON} | {r for r in controller.bundle.retention if r not in kept}
    day = controller.vault.shred(subjects, classes, now, connection=connection)
    controller.subjects.forget(subjects, connection=connection)
    entry = Entry(
        "keys.shredded",
        now,
        {
            "case": case.id,
            "classes": [name(c) for c in sorted(classes)],
            "dies": day.isoformat(),
            "people": len(subjects),
        },
    )
    return day, [entry]


def _entry(case: Case, number: int, r: StepResult, attempt: int, now: dt.datetime) -> Entry:
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
        if r.reason.law:
            body["law"] = name(r.reason.law)
        body["clauses"] = [r.reason.clause]
    return Entry("step.done", now, body)


def _sealed(controller: Controller, case: Case) -> Plan:
    made = controller.cases.plan(case)
    if made is None:
        raise DatabaseError(
            f"the plan of case {case.id} is not there any more",
            expected="a sealed plan until everything is read back",
            fix="open a new case for the same person; what is gone stays gone",
        )
    return made


def _shown(controller: Controller, case: Case, made: Plan, *, executed: bool) -> EraseAnswer:
    """The plan as steps: what would be found, changed and retained."""
    steps = []
    for s in made.steps:
        stays = s.action is Action.RETAIN
        counts = Counts(
            found=s.rows, changed=0 if stays else s.rows, retained=s.rows if stays else 0
        )
        problem = next(
            (
                o.words
                for system, o in made.obstacles
                if (system, o.dataset) == (s.system, s.dataset)
            ),
            None,
        )
        steps.append(StepResult(s.system, s.dataset, s.action, counts, False, s.reason, problem))
    return EraseAnswer(case.id, executed, False, tuple(steps), made.unreached, made.warnings)


def _closed(controller: Controller, case: Case) -> EraseAnswer:
    """A case that is done already, from its record."""
    steps = tuple(r.result() for r in controller.cases.steps(case))
    return EraseAnswer(case.id, True, bool(case.complete), steps, (), (_REPEATED,))
