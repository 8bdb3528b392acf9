"""Erasure (GDPR Art. 17): everything goes that may, what must stay is named, all is read back.

In this order, each committed before the next: the plan with its row keys is sealed; whom not
to write to again and the way back to what stays are recorded; the stores are written; every
step is read back by key; the keys of her classes are shredded. Killed in between, the same
command goes on from the sealed plan and reports what is true of all of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kept.controller import SUBJECT, Controller, Place
from kept.controller.execute import Outcome
from kept.datamap.reach import shape
from kept.decide import due, mentions, ties
from kept.decide.plan import plan as make_plan
from kept.duties.rights import free_text
from kept.duties.rights.request import (
    Request,
    open_case,
    refuse_mixed,
    refuse_several,
    require_known_asker,
    searched,
    step_document,
)
from kept.errors import DatabaseError, Obstructed
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.model.codec import encode_plan
from kept.model.plan import Action, Counts, Plan, Step, StepResult
from kept.model.select import KeySet, KeyTable
from kept.records.actor import Actor
from kept.records.case import Case, State, StepState
from kept.terms.identifiers import Identifier

_REPEATED = "this happened when the case was executed before"
#: Under these names is sealed by what she is looked for again, at the end and in a system that
#: was away: the identifiers found in her own rows, and the values that lead from rows to rows.
_NAMES, _VALUES = "identifiers", "values"
#: And by what rows named her that were made anonymous: none of it may be met in them again.
_FORMER: Final = "former"
_BETWEEN = "\n"  # a system and its dataset, as one name
#: From here on the stores may have been written: only finishing is left.
_BEGUN = (State.EXECUTING, State.EXECUTED, State.CHECKED)


@dataclass(frozen=True, slots=True)
class EraseAnswer:
    """What was planned and, once executed, what happened.

    `executed` False: nothing was written, the steps show the plan. `statements` are for a
    person to carry out, by system, in mode assisted. `physical` is the day on which the last
    copy of her shredded keys is of no use any more; None before the case is complete, and
    where Kept had no key of hers (`keys` says which). `appeared`: rows of hers were met again
    after all steps were done.
    """

    case: str
    executed: bool
    complete: bool
    steps: tuple[StepResult, ...]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    statements: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    physical: dt.date | None = None
    appeared: bool = False

    @property
    def keys(self) -> str | None:
        """What became of her keys, in words; None before the case is complete."""
        if not self.complete:
            return None
        if self.physical is None:
            return "Kept had made none, so there was none to destroy"
        return f"destroyed; the last copy is of no use from {self.physical} on"

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
            "keys": self.keys,
            "keys_gone_for_good_on": self.physical.isoformat() if self.physical else None,
        }


def preview(controller: Controller, request: Request, now: dt.datetime) -> EraseAnswer:
    """Open a case and show what would happen; nothing is written into any system."""
    case, _, people = open_case(controller, "erasure", request, now)
    if case.state in _BEGUN:
        return _shown(controller, case, _sealed(controller, case), executed=True)
    made, _, _ = _plan(controller, case, people, now)
    return _shown(controller, case, made, executed=False)


def erase(controller: Controller, request: Request, now: dt.datetime) -> EraseAnswer:
    """Erase one person or many; given a case that was begun, go on from where it stopped."""
    case, actor, people = open_case(controller, "erasure", request, now)
    require_known_asker(case)
    with controller.cases.alone(case) as case:
        if case.state is State.CLOSED:
            return _closed(controller, case)
        every = controller.datamap.systems.values()
        # Where rows of hers that came since the search are met, and go too.
        among = frozenset((s.name, d) for s in every for d in s.datasets)
        if case.state in _BEGUN:
            made = _sealed(controller, case)
            away = {system for system, _ in made.unreached}
            if away:
                made = _ask_again(controller, case, made, people, actor, now)
                # Elsewhere she may have come back of her own will since: that is left to her.
                back = away - {system for system, _ in made.unreached}
                among = shape(controller.datamap).hanging(back)
            elif _all_done(controller, case):
                made = _ask_again(controller, case, made, people, actor, now, among)
        else:
            made, found, values = _plan(controller, case, people, now)
            if made.obstacles:
                system, first = made.obstacles[0]
                raise Obstructed(
                    f"`{system}.{first.dataset}` stands in the way: {first.words};"
                    " nothing was written in any system",
                    met=first.kind,
                    fix=first.fix,
                )
            known = _known(people, controller, found)
            case = _commit(controller, case, made, known, values, actor, now)
        answer = _carry_out(controller, case, made, people, among, actor, now)
        if answer.appeared:
            # What came meanwhile is hers too: once more, and what comes again has a cause.
            case = controller.cases.get(case.id)
            made = _ask_again(controller, case, made, people, actor, now, among)
            answer = _carry_out(controller, case, made, people, among, actor, now)
        return answer


def _all_done(controller: Controller, case: Case) -> bool:
    return all(r.state is StepState.DONE for r in controller.cases.steps(case))


def _plan(
    controller: Controller,
    case: Case,
    people: Sequence[Sequence[Identifier]],
    now: dt.datetime,
    values: Mapping[Place, KeyTable] | None = None,
    about: Sequence[Sequence[Identifier]] | None = None,
) -> tuple[Plan, dict[Place, KeyTable], dict[Place, KeyTable]]:
    """Find, hold against laws and holds, plan: the plan, her rows, and the values by which rows
    lead to others. Reads only. `values` are those that were found before; by `about` she is
    looked for in texts of others, beside what her rows say.
    """
    bundle = controller.bundle
    located = controller.locate(people, values=values)
    found = controller.keys(located)
    refuse_several(controller, found)
    stayed = controller.retained(case, people)
    refuse_mixed(controller, case, people, found, stayed.held)
    located.unreached.update(stayed.unread)
    for place, table in stayed.tables.items():
        if place[0] not in located.unreached:
            rows = found[place].rows if place in found else ()
            found[place] = KeyTable(table.fields, tuple(dict.fromkeys((*rows, *table.rows))))
    laws = due.laws(bundle.retention)
    subjects = {s: person for person, known in enumerate(case.subjects) for s in known}
    holds = controller.holds.applying(list(subjects), now)
    datamap = controller.realised({system for system, _ in found})
    foreign = controller.foreign_keys()
    # A hold on her was placed on a number that an erasure forgot: what it keeps it keeps still.
    standing = {h.id for h in controller.holds.all(now)}
    before = due.standing(stayed.held, standing)
    places = [(h.system, h.dataset) for h in holds] + list(before)
    asked = ties.questions(datamap, found, laws, places, foreign)
    dates, tied = controller.answer(asked)
    today = now.astimezone(dt.UTC).date()
    scopes = [
        due.HoldScope(h.reason(), subjects[h.subject] if h.subject else None, h.system, h.dataset)
        for h in holds
    ]
    held = due.merge(
        due.statutory(datamap, found, laws, dates, tied, today),
        due.explicit(found, scopes, today),
        {place: kept for place, kept in before.items() if place in found},
    )
    abilities = controller.abilities
    made = make_plan(
        "erasure", datamap, found, held, tied,
        {s: a for s, a in abilities.items() if s not in located.unreached},
        people=len(people), foreign_keys=foreign, unreached=located.unreached,
        warnings=(*located.warnings, *stayed.words), clause=_erasure_clause(controller),
    )  # fmt: skip
    made = free_text.redacted(controller, controller.settled(made), about or people, found, now)
    return made, found, located.values


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
    values: Mapping[Place, KeyTable],
    actor: Actor,
    now: dt.datetime,
) -> Case:
    """All that has to be safe before the first write, in one transaction with its entries."""
    with controller.database.connection() as connection:
        case = controller.cases.seal_plan(case, made, actor, now, connection=connection)
        case = controller.cases.move(case, State.APPROVED, actor, now, connection=connection)
        case = controller.cases.move(case, State.EXECUTING, actor, now, connection=connection)
        _keep(controller, case, made, known, values, actor, now, connection)
    return case


def _keep(
    controller: Controller,
    case: Case,
    made: Plan,
    known: list[list[Identifier]],
    values: Mapping[Place, KeyTable],
    actor: Actor,
    now: dt.datetime,
    connection: Any,
) -> None:
    """Beside the sealed plan: the suppression, the way back to what stays, and by what she is
    looked for once more when all is done; with the entries of the plan.
    """
    retained = [
        (s.system, s.dataset, s.keys, s.reason)
        for s in made.steps
        if s.reason is not None and s.action is not Action.DELETE
    ]
    flat = [i for one in known for i in one]
    controller.suppressions.add(flat, now, source="erasure", connection=connection)
    controller.locator.store(case, known, retained, now, connection=connection)
    named = tuple((who, (i.kind, i.value)) for who, one in enumerate(known) for i in one)
    names = KeySet({_NAMES: KeyTable(("kind", "value"), named)})
    controller.cases.seal_keys(case, _NAMES, names, connection=connection)
    tables = KeySet({_BETWEEN.join(place): table for place, table in values.items()})
    controller.cases.seal_keys(case, _VALUES, tables, connection=connection)
    once = controller.cases.sealed_keys(case, _FORMER) or KeySet()
    former = [row for table in once.values() for row in table.rows]
    former += controller.former(made.steps)
    if former:
        table = KeyTable(("value",), tuple(dict.fromkeys(former)))
        controller.cases.seal_keys(case, _FORMER, KeySet({_FORMER: table}), connection=connection)
    digest = hashlib.sha256(encode_plan(made)).hexdigest()
    planned = {
        "case": case.id,
        "right": "erasure",
        "plan": digest,
        "steps": len(made.steps),
        "people": made.people,
        "rows": sum(s.rows for s in made.steps),
        "systems": [name(p.system) for p in made.systems],
        "unreached": [name(s) for s, _ in made.unreached],
    }
    approved = {"case": case.id, "plan": digest, "actor": name(actor.role)}
    controller.ledger.append_in(
        connection,
        [
            Entry("plan.made", now, planned),
            Entry("plan.approved", now, approved),
            Entry("suppression.added", now, {"case": case.id, "reason": "erasure"}),
        ],
    )


def _ask_again(
    controller: Controller,
    case: Case,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    actor: Actor,
    now: dt.datetime,
    among: frozenset[Place] = frozenset(),
) -> Plan:
    """The sealed plan with steps for systems that could not be asked before and now can, and for
    rows elsewhere that only they lead to: what the plan would have been, had they been there.
    In the places of `among` also with steps for her rows that came since all was done.

    Steps that were planned before stay as they are; what is still away stays named.
    """
    known = _named(controller, case, people)
    before = _values(controller, case)
    again, _, values = _plan(controller, case, people, now, before, _searched_by(known, made))
    away = {system for system, _ in made.unreached}
    back = away - {system for system, _ in again.unreached}
    if not back and not among:
        return made
    hanging = shape(controller.datamap).hanging(back) | among
    # What cannot be planned there now is as far away as what cannot be asked.
    stopped = dict(again.unreached)
    for system, obstacle in again.obstacles:
        stopped.setdefault(system, f"`{obstacle.dataset}`: {obstacle.words}. {obstacle.fix}")
    concerned = away | {system for system, _ in hanging}
    planned: dict[Place, set[ties.Key]] = {}
    for s in made.steps:
        # A row that went and is there again has to go again.
        if s.action is Action.REDACT:
            continue  # named in the same text again, or not at all
        if s.action is not Action.DELETE or (s.system, s.dataset) not in among:
            keys = planned.setdefault((s.system, s.dataset), set())
            keys |= {ties.norm(key) for key in s.keys.values}
    first = 1 + max((s.number for s in made.steps), default=0)
    added: list[Step] = []
    for s in again.steps:
        place = (s.system, s.dataset)
        if place in hanging and s.system not in stopped:
            old = planned.get(place, set())
            rows = tuple(row for row in s.keys.rows if ties.norm(row[1]) not in old)
            if rows:
                table = KeyTable(s.keys.fields, rows)
                added.append(replace(s, number=first + len(added), keys=table))
    if not back and not added:
        return made
    had = {p.system for p in made.systems}
    extended = replace(
        made,
        steps=(*made.steps, *added),
        systems=(*made.systems, *(p for p in again.systems if p.system not in had)),
        unreached=tuple((s, why) for s, why in sorted(stopped.items()) if s in concerned),
    )
    hers: dict[Place, KeyTable] = {}
    for s in added:
        if s.action is Action.REDACT:
            continue  # rows of others
        place = (s.system, s.dataset)
        rows = hers[place].rows if place in hers else ()
        hers[place] = KeyTable(s.keys.fields, (*rows, *s.keys.rows))
    known = _known(known, controller, hers)
    with controller.database.connection() as connection:
        controller.cases.extend_plan(case, extended, added, now, connection=connection)
        _keep(controller, case, extended, known, values, actor, now, connection)
    return extended


def _named(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]]
) -> list[list[Identifier]]:
    """Everybody with what was given and what was sealed of her own rows."""
    known = [list(one) for one in people]
    for table in (controller.cases.sealed_keys(case, _NAMES) or KeySet()).values():
        for who, (kind, value) in table.rows:
            known[who].append(Identifier(str(kind), str(value)))
    return known


def _still_known(
    controller: Controller, case: Case, made: Plan, people: Sequence[Sequence[Identifier]]
) -> Callable[[int, StepResult], StepResult]:
    """A result as it is after the test whether rows that were made anonymous lead to anybody."""
    steps = {s.number: s for s in made.steps if s.action is Action.ANONYMISE}
    if not steps:
        return lambda _, result: result
    names = [one for person in _named(controller, case, people) for one in person]
    former = controller.cases.sealed_keys(case, _FORMER) or KeySet()
    values = [str(key[0]) for table in former.values() for _, key in table.rows]

    def tested(number: int, result: StepResult) -> StepResult:
        if number not in steps or not result.verified:
            return result
        met = controller.recognised(steps[number], names, values)
        words = f"{met} rows still hold something by which the person was known"
        return replace(result, verified=False, problem=words) if met else result

    return tested


def _values(controller: Controller, case: Case) -> dict[Place, KeyTable]:
    found: dict[Place, KeyTable] = {}
    for at, table in (controller.cases.sealed_keys(case, _VALUES) or KeySet()).items():
        system, _, dataset = at.partition(_BETWEEN)
        found[system, dataset] = table
    return found


def _met_again(
    controller: Controller,
    case: Case,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    among: frozenset[Place],
    now: dt.datetime,
) -> tuple[dict[Place, int], dict[str, str]]:
    """Rows of hers that are there although all steps are done, and systems not asked.

    The same search as in the beginning, by the same identifiers and by the values that led from
    her rows to others: what a trigger, an import or another program wrote meanwhile is met.
    """
    located = controller.locate(people, values=_values(controller, case))
    there = controller.keys(located)
    staying: dict[Place, set[ties.Key]] = {}
    for s in made.steps:
        if s.action is not Action.DELETE:
            keys = staying.setdefault((s.system, s.dataset), set())
            keys |= {ties.norm(key) for key in s.keys.values}
    met: dict[Place, int] = {}
    for place, table in there.items():
        old = staying.get(place, set())
        rows = sum(ties.norm(key) not in old for key in table.values)
        if rows and place in among:
            met[place] = rows
    about = _searched_by(_named(controller, case, people), made)
    named, away = free_text.left(controller, about, there, now)
    for place, rows in named.items():
        if place in among:
            met[place] = met.get(place, 0) + rows
    return met, {**away, **located.unreached}


def _searched_by(known: Sequence[Sequence[Identifier]], made: Plan) -> list[list[Identifier]]:
    """By what texts of others are searched once more: also by what they were searched by before."""
    more = mentions.needles(made)
    return [
        [*one, *(Identifier(kind, value) for kind, value in more.get(who, ()))]
        for who, one in enumerate(known)
    ]


def _carry_out(
    controller: Controller,
    case: Case,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    among: frozenset[Place],
    actor: Actor,
    now: dt.datetime,
) -> EraseAnswer:
    records = {r.number: r for r in controller.cases.steps(case)}
    done = {
        number: StepResult(r.system, r.dataset, r.action, r.counts, True, r.reason, None)
        for number, r in records.items()
        if r.state is StepState.DONE
    }
    results = dict(done)
    if case.state is not State.EXECUTING:
        case = controller.cases.move(case, State.EXECUTING, actor, now)
    left = [s.number for s in made.steps if s.number not in done]
    controller.cases.begin_steps(case, left, now)
    attempts = {n: r.attempts + 1 for n, r in records.items()}

    tested = _still_known(controller, case, made, people)

    def record(outcome: Outcome) -> None:
        found = [(number, tested(number, result)) for number, result in outcome.results]
        with controller.database.connection() as connection:
            entries = []
            for number, result in found:
                results[number] = result
                controller.cases.record_step(case, number, result, now, connection=connection)
                entries.append(_entry(case, number, result, attempts[number], now))
            controller.ledger.append_in(connection, entries)

    controller.isolate(case, (s for s in made.steps if s.number in left), now)
    try:
        outcomes = controller.execute(made, mark=case.id, done=done, record=record)
    except Obstructed as problem:
        # Nothing was written, now at least: the case is planned again after mending.
        never = all(r.attempts == 0 for r in records.values())
        with controller.database.connection() as connection:
            if never:
                controller.locator.store(case, [], [], now, connection=connection)
                controller.cases.unplan(case, actor, now, connection=connection)
            for number in () if never else left:
                step = next(s for s in made.steps if s.number == number)
                failed = StepResult(
                    step.system, step.dataset, step.action, Counts(found=step.rows), False,
                    step.reason, problem.what,
                )  # fmt: skip
                controller.cases.record_step(case, number, failed, now, connection=connection)
        raise
    unreached = made.unreached
    ours = [s for s in made.steps if results[s.number].verified and s.reason is not None]
    with controller.database.connection() as connection:
        controller.witness(case, ours, connection)
    complete = not unreached and all(r.verified and r.problem is None for r in results.values())
    warnings = made.warnings
    met: dict[Place, int] = {}
    if complete and not searched(controller, people):
        complete = False
    elif complete:
        met, away = _met_again(controller, case, made, people, among, now)
        unreached = tuple(sorted(away.items()))
        warnings += tuple(
            f"{rows} of her rows came into `{place[1]}` of `{place[0]}` while she was erased;"
            " look for what writes them"
            for place, rows in sorted(met.items())
        )
        complete = not met and not away
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
    return EraseAnswer(
        case.id,
        True,
        complete,
        tuple(results[n] for n in sorted(results)),
        unreached,
        warnings,
        {o.system: o.statements for o in outcomes if o.statements},
        physical,
        bool(met),
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
        if step.action in (Action.RETAIN, Action.ISOLATE):
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
        retained, isolated = s.action is Action.RETAIN, s.action is Action.ISOLATE
        counts = Counts(
            s.rows, 0 if retained or isolated else s.rows, s.rows * retained, s.rows * isolated
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
    steps = tuple(
        StepResult(r.system, r.dataset, r.action, r.counts, r.verified, r.reason, r.problem)
        for r in controller.cases.steps(case)
    )
    days = [
        dt.date.fromisoformat(entry.body["dies"])
        for _, entry in controller.ledger.entries(kind="keys.shredded")
        if entry.body.get("case") == case.id
    ]
    day = days[0] if days else None
    return EraseAnswer(case.id, True, bool(case.complete), steps, (), (_REPEATED,), physical=day)
