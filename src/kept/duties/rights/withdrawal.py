"""Withdrawal of consent (GDPR Art. 7(3)): forward only, and nothing but what rests on it.

What was done before stays as lawful as it was: the history of her consents is added to, never
changed. What rests on other grounds goes on, and the answer lists it. Data that nothing else
may be done with any more is due: it goes with `erase`, in the same case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from kept.controller import Controller, Located, Place
from kept.database import Connection
from kept.datamap.sides import sides
from kept.decide import due, ties
from kept.decide.effects import Effect
from kept.decide.facts import known_basis
from kept.decide.plan import plan as make_plan
from kept.decide.reasons import RESTRICTED
from kept.duties.rights import carry, recipients
from kept.duties.rights.choice import (
    ChoiceAnswer,
    Told,
    Whom,
    going_on,
    held_at_the_door,
    judged,
    known_purposes,
    known_region,
    let,
    matter,
    refuse_ended,
    region_in,
    told,
    whom,
)
from kept.duties.rights.erase import may_approve, shown_before
from kept.duties.rights.identity import of_case
from kept.duties.rights.planning import of_others
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.request import Request, open_case, way_on
from kept.errors import Denied, StoreError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Plan, Reason, Step, StepResult
from kept.model.select import KeyTable, by_key
from kept.records.actor import OPERATOR, Actor
from kept.records.case import Case, State, StepRecord, StepState
from kept.stores.tasks import Notice
from kept.terms.identifiers import Identifier

_FRESH: Final = (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED)
_BEGUN: Final = (State.EXECUTING, State.EXECUTED, State.CHECKED)
#: A row stamped with one of these does not rest on consent, whatever its table is for.
_OTHER_GROUNDS: Final = ("contract", "legal-obligation")

_FROZEN: Final = "restricted"


def preview_withdrawal(
    controller: Controller, request: Request, purposes: Sequence[str], now: dt.datetime,
    *, region: str = "unknown",
) -> ChoiceAnswer:  # fmt: skip
    """Open a case and show what a withdrawal would stop, leave and make due; nothing is done."""
    purposes, region = known_purposes(controller.bundle, purposes), known_region(region)
    case, _, people = open_case(
        controller, "withdrawal", request, now, matter=matter(controller, purposes)
    )
    refuse_ended(case, *_FRESH)
    region = region_in(controller, case, region)
    her = whom(controller, case, people, now)
    made = _due(controller, case, people, her, _parts(controller, her, purposes, now), region, now)
    return _answer(controller, case, her, purposes, region, carry.shown(made), made, now,
                   executed=False)  # fmt: skip


def withdraw(
    controller: Controller, request: Request, purposes: Sequence[str], now: dt.datetime,
    *, region: str = "unknown", erase: bool = False,
) -> ChoiceAnswer:  # fmt: skip
    """Record the withdrawal; with `erase`, also erase what is due because of it.

    Given a case that was begun, go on with what is left of it; its purposes are known then. Where
    she is stands in the case, once it was said.
    `complete` False while data is due, or a system could not be asked. Denied where what is due
    takes another person to erase it.
    """
    region = known_region(region)
    if request.case is None:
        purposes = known_purposes(controller.bundle, purposes)
    case, actor, people = open_case(
        controller, "withdrawal", request, now, matter=matter(controller, purposes)
    )
    require_known_asker(controller, case, purposes)
    region = region_in(controller, case, region)
    seen = shown_before(controller, case, request)
    with (
        way_on(controller, case),
        controller.cases.alone(case) as case,
        controller.cases.person_alone(people),
    ):
        refuse_ended(case, *_FRESH, *_BEGUN)
        her = whom(controller, case, people, now)
        left: dict[int, dt.datetime] = {}
        if case.state in _BEGUN:
            parts, anew = _recorded(controller, case, her, now)
            purposes = parts
            made = carry.sealed(controller, case)
            if erase and not controller.cases.waits(case).steps <= seen:
                raise UsageError(
                    "more is due by now than was shown when this was asked for; nothing was erased",
                    fix="look at what is due, then erase it",
                )
            if made.unreached or not her.subjects:
                with controller.database.connection() as connection:
                    _hold(controller, case, her, people, parts, actor, now, connection, again=True)
            if made.unreached:
                again = _due(controller, case, people, her, parts, region, now)
                made = carry.asked_again(controller, case, made, again, now, actor)
            if anew:
                over = _over(controller, _facts(controller, her, now), parts, region)
                left = _left(controller, case, made, over, anew)
                made = replace(made, steps=tuple(s for s in made.steps if s.number not in left))
            if erase and _to_go(controller, case, made):
                _may_erase(controller, case, made, actor, request.alone, now)
            if erase and controller.cases.waits(case).steps:
                with controller.database.connection() as connection:
                    entries = carry.let_go(controller, case, made, actor, now, connection)
                    controller.ledger.append_in(connection, entries)
        else:
            purposes = known_purposes(controller.bundle, purposes)
            parts = _parts(controller, her, purposes, now)
            made = _due(controller, case, people, her, parts, region, now)
            if erase and (rows := _to_go(controller, case, made)):
                may_approve(controller, case, actor, rows, request.alone, now)
            case = _record(controller, case, her, people, parts, made, actor, now)
        steps, statements = carry.shown(made), {}
        done = not made.steps
        # Where all has to stay nothing is erased: that it is there is read back.
        erase = erase or all(s.action is Action.RETAIN for s in made.steps)
        if erase and made.steps:
            carry.refuse_obstacles(made)
            carried = carry.carry_out(controller, case, made, actor, now, her.identifiers)
            case = controller.cases.get(case.id)
            steps, statements, done = carried.steps, dict(carried.statements), carried.done
        else:
            carried = carry.Carried((), {})
            if case.state is not State.EXECUTED:
                for state in (State.EXECUTING, State.EXECUTED):
                    if case.state is not state:
                        case = controller.cases.move(case, state, actor, now)
        held = held_at_the_door(controller, people, [f"withdrawn:{p}" for p in parts], now)
        complete = held and done and not made.unreached and not her.unreached
        meant = recipients.meant(made) if erase else {}
        had = recipients.given(controller, meant, people=[her.identifiers])
        messages = recipients.messages(had, [her.identifiers]) if complete else {}
        with controller.database.connection() as connection:
            controller.cases.leave_steps(case, left, now, connection=connection)
            recipients.note(controller, case, Notice.ERASED, messages, now, connection)
            if complete:
                entry = carry.closed(case, made, carried, now, complete=True)
                controller.ledger.append_in(connection, [entry])
            case = controller.cases.finish(case, complete, actor, now, connection=connection)
        return _answer(
            controller, case, her, purposes, region, steps, made, now, executed=True,
            complete=complete, statements=statements, had=had,
        )  # fmt: skip


def _to_go(controller: Controller, case: Case, made: Plan) -> int:
    """How many rows a plan destroys that have not gone yet."""
    done = {r.number for r in controller.cases.steps(case) if r.state is StepState.DONE}
    return carry.destroyed(s for s in made.steps if s.number not in done)


def _may_erase(
    controller: Controller, case: Case, made: Plan, actor: Actor, alone: str | None,
    now: dt.datetime,
) -> None:  # fmt: skip
    """Refuse what is due in a case that was begun, where that takes another person. What went
    before counts with it: a destruction does not become small by being cut in two.
    """
    rows, waits = carry.destroyed(made.steps), controller.cases.waits(case)
    why = controller.stands_against(case, actor.name, rows)
    if why and waits.by and alone is None and actor.role != OPERATOR:
        late = carry.destroyed(s for s in made.steps if s.number in waits.steps)
        raise Denied(
            f"this takes another person: {why}; nothing was erased. {late:,} of the rows that are"
            f" due were met on going on, and {' and '.join(waits.by)} drew up what is due",
            fix="somebody else, in the role of an approver, looks at the case and erases what is"
            " due; where nobody else can in time, do it alone with a reason (--alone REASON), and"
            " officers are alerted",
        )
    may_approve(controller, case, actor, rows, alone, now, draws=False)


def _parts(
    controller: Controller, her: Whom, purposes: Sequence[str], now: dt.datetime
) -> tuple[str, ...]:
    """The purposes for each of which it is recorded: those that activities serve or that she
    agreed to, at or below what she named. So a later consent to one of them is one.
    """
    words = controller.bundle.vocabulary
    agreed = {
        fact.partition(":")[2]
        for facts in controller.consents.facts_of(her.subjects, now)
        for fact in facts.held
        if fact.startswith("consent:")
    }
    served = {a.purpose for a in controller.bundle.activities.values()} | agreed
    found: dict[str, None] = {}
    for purpose in purposes:
        below = served & words.below("purposes", purpose)
        found.update(dict.fromkeys(sorted(below) or [purpose]))
    return tuple(found)


def _record(
    controller: Controller, case: Case, her: Whom, people: Sequence[Sequence[Identifier]],
    parts: Sequence[str], made: Plan, actor: Actor, now: dt.datetime,
) -> Case:  # fmt: skip
    """The plan, her choice and its entries, in one transaction."""
    with controller.database.connection() as connection:
        then = (State.APPROVED, State.EXECUTING)
        case = controller.cases.seal_plan(case, made, actor, now, then=then, connection=connection)
        _hold(controller, case, her, people, parts, actor, now, connection)
        if made.steps:
            entries = carry.planned(case, "withdrawal", made, actor, now)
            controller.ledger.append_in(connection, entries)
    return case


def _hold(
    controller: Controller, case: Case, her: Whom, people: Sequence[Sequence[Identifier]],
    parts: Sequence[str], actor: Actor, now: dt.datetime, connection: Connection,
    *, again: bool = False,
) -> None:  # fmt: skip
    """Her choice, under all that is known to be hers by now, and its entries. `again`: what holds
    already is not recorded again.
    """
    layout = controller.rules.layout
    # A choice that nobody is known for yet would be met by nobody's next decision.
    subjects = her.subjects or (of_case(controller, case, people, actor, now, connection),)
    known = controller.consents.facts_of(subjects, now, connection=connection)
    if len(subjects) == 1:
        controller.subjects.link(subjects[0], her.identifiers, "used", now, connection=connection)
    new: dict[str, None] = {}
    for subject, facts in zip(subjects, known, strict=True):
        todo = [p for p in parts if not (
            again and f"withdrawn:{p}" in facts.held and f"consent:{p}" not in facts.held
        )]  # fmt: skip
        said = [
            (f"{kind}:{p}", kind == "withdrawn") for p in todo for kind in ("consent", "withdrawn")
        ]
        if said:
            controller.consents.record(subject, said, now, source="request", connection=connection)
        new.update(dict.fromkeys(todo))
    held = [layout.word(one) for one in known]
    controller.ledger.append_in(connection, [
        Entry("consent.withdrawn", now, {
            "purpose": name(p), "case": case.id, "source": "request", "actor": name(actor.role),
            "had": any(word & layout.place.get(f"consent:{p}", 0) for word in held),
        })
        for p in new
    ])  # fmt: skip


def _recorded(
    controller: Controller, case: Case, her: Whom, now: dt.datetime
) -> tuple[tuple[str, ...], dict[str, dt.datetime]]:
    """The purposes of a case that was begun, from its entries, without those that she has agreed to
    since: that stands, whatever is left to do. And these, each with when she did.
    """
    entries = [e for _, e in controller.ledger.entries(kind="consent.withdrawn", case=case.id)]
    since: dict[str, dt.datetime] = {}
    for subject, facts in zip(
        her.subjects, controller.consents.facts_of(her.subjects, now), strict=True
    ):
        yes = {w.fact: w.since for w in controller.consents.words([subject], now) if w.holds}
        since |= {f: yes[f] for f in facts.held & yes.keys() if yes[f] > entries[0].at}
    found = dict.fromkeys(str(e.body["purpose"]) for e in entries)
    anew = {p: since[f"consent:{p}"] for p in found if f"consent:{p}" in since}
    return tuple(p for p in found if p not in anew), anew


def _left(
    controller: Controller, case: Case, made: Plan, over: Callable[[Place], bool],
    anew: Mapping[str, dt.datetime],
) -> dict[int, dt.datetime]:  # fmt: skip
    """The steps that are left to do no more, each with since when: what was to go may be hers
    again, since she has agreed to it after the plan was made.
    """
    records = {r.number: r for r in controller.cases.steps(case)}
    return {
        s.number: _since(controller, place, anew)
        for s in made.steps
        if not over(place := (s.system, s.dataset)) and _untouched(controller, s, records[s.number])
    }


def _since(controller: Controller, place: Place, anew: Mapping[str, dt.datetime]) -> dt.datetime:
    """When she agreed again to what her data there serves."""
    activities = controller.datamap.dataset(*place).activities
    served = {controller.bundle.activities[a].purpose for a in activities}
    return max(at for p, at in anew.items() if p in served or served.isdisjoint(anew))


def _untouched(controller: Controller, step: Step, record: StepRecord) -> bool:
    """Whether nothing of a step was done. Of what was tried before the rows themselves say it: it
    may have been done, and only the answer lost.
    """
    if not record.attempts:
        return True
    if record.state is StepState.DONE or controller.abilities[step.system].word:
        return False
    keys = Located((), {step.system: (by_key(step.dataset, step.keys),)})
    try:
        there = sum(controller.count(keys).values())
        return there == step.rows and not (step.assign and controller.written_before(step))
    except StoreError:
        return False


def _due(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]], her: Whom,
    parts: Sequence[str], region: str, now: dt.datetime,
) -> Plan:  # fmt: skip
    """The plan for her rows that nothing may be done with any more. Reads only."""
    facts = _facts(controller, her, now)
    kinds = {f.partition(":")[0] for f in facts}
    over = _over(controller, facts, parts, region)
    found = {place: table for place, table in her.rows.items() if over(place)}
    unreached = dict(her.unreached)
    found = _on_consent(controller, people, found, unreached)
    laws = due.laws(controller.bundle.retention)
    subjects = dict.fromkeys(her.subjects, 0)
    holds = controller.holds.applying(list(subjects), now)
    datamap = controller.realised({system for system, _ in found})
    foreign = controller.foreign_keys()
    several = any(sides(datamap.dataset(*place)) for place in found)
    ways = controller.locate(people).selects if several else None
    theirs = controller.sides(datamap, found, her.rows, ways)
    others = [h for h in controller.holds.all(now) if h not in holds]
    kept = of_others(controller, others, datamap, found)
    places = [(h.system, h.dataset) for h in holds] + list(kept)
    asked = ties.questions(datamap, found, laws, places, foreign, theirs.places)
    dates, tied = controller.answer(asked)
    today = now.astimezone(dt.UTC).date()
    scopes = [due.HoldScope(_restricted(controller), 0)] if _FROZEN in kinds else []
    scopes += [due.HoldScope(h.reason(), 0 if h.subject else None, h.system, h.dataset)
              for h in holds]  # fmt: skip
    held = due.merge(
        due.statutory(datamap, found, laws, dates, tied, today),
        due.explicit(found, scopes, today),
        kept,
    )
    abilities = {s: a for s, a in controller.abilities.items() if s not in unreached}
    made = make_plan(
        "withdrawal", datamap, found, held, tied, abilities, people=len(people),
        foreign_keys=foreign, unreached=unreached, clause=_clause(controller),
        sides=theirs,
    )  # fmt: skip
    # What a law keeps stays where it is: it is hers to ask for its erasure, which isolates it.
    steps = tuple(
        replace(s, action=Action.RETAIN, assign={}) if s.action is Action.ISOLATE else s
        for s in made.steps
    )
    return controller.anonymity.settled(replace(made, steps=steps))


def _facts(controller: Controller, her: Whom, now: dt.datetime) -> set[str]:
    return {f for i in her.identifiers for f in controller.facts(i, now).held}


def _over(
    controller: Controller, facts: Iterable[str], parts: Sequence[str], region: str
) -> Callable[[Place], bool]:
    """Whether nothing may be done any more with her rows of a dataset."""
    withdrawn = [f"withdrawn:{p}" for p in parts]
    taken = {*withdrawn, *(f for f in facts if f.partition(":")[0] in ("withdrawn", "objection"))}
    going = {e.activity.id for e in judged(controller, taken, region) if not e.stops}
    over = {e.activity.id for e in judged(controller, withdrawn, region) if e.stops}

    def ends(place: Place) -> bool:
        system = controller.datamap.systems.get(place[0])
        if system is None or place[1] not in system.datasets:
            return True  # off the map: whatever is left to do there is as it was planned
        activities = system.datasets[place[1]].activities
        return not over.isdisjoint(activities) and going.isdisjoint(activities)

    return ends


def _restricted(controller: Controller) -> Reason:
    """Why nothing of hers goes by itself while its use is restricted."""
    return Reason(RESTRICTED, "GDPR Art. 18", None, _clause(controller))


def _clause(controller: Controller) -> str:
    """The first clause of the activity that carries out rights."""
    for activity in controller.bundle.serving("rights"):
        if activity.clauses:
            return activity.clauses[0]
    return next(iter(controller.bundle.clauses))


def _on_consent(
    controller: Controller, people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable], unreached: dict[str, str],
) -> dict[Place, KeyTable]:  # fmt: skip
    """Without rows on which it is stamped that they rest on a contract or a law."""
    words = controller.bundle.vocabulary
    kept = dict(found)
    for place, table in found.items():
        dataset = controller.datamap.dataset(*place)
        stamp = next((f.name for f in dataset.fields.values() if f.stamp == "basis"), None)
        if stamp is None:
            continue
        select = by_key(place[1], table, (*dataset.key, stamp))
        asked = Located(tuple(map(tuple, people)), {place[0]: (select,)})
        rows = []
        for _, batch in controller.read(asked):
            at = [batch.columns.index(f) for f in dataset.key]
            basis = batch.columns.index(stamp)
            rows += [
                (who, tuple(row[i] for i in at))
                for who, row in zip(batch.persons, batch.rows, strict=True)
                if known_basis(words, str(row[basis])) not in _OTHER_GROUNDS
            ]
        unreached.update(asked.unreached)
        kept[place] = KeyTable(table.fields, tuple(rows))
    return {place: table for place, table in kept.items() if table.rows}


def _answer(
    controller: Controller, case: Case, her: Whom, purposes: Sequence[str], region: str,
    steps: tuple[StepResult, ...], made: Plan, now: dt.datetime, *, executed: bool,
    complete: bool = False,
    statements: Mapping[str, tuple[str, ...]] | None = None, had: Iterable[str] = (),
) -> ChoiceAnswer:  # fmt: skip
    words = controller.bundle.vocabulary
    parts = {q for p in purposes for q in words.below("purposes", p)}
    facts = [f"withdrawn:{p}" for p in purposes]
    met = judged(controller, facts, region)
    lets = let(controller, her.identifiers, facts, region, now)
    stops: dict[str, Told] = {}
    rests: dict[str, Told] = going_on(controller, met, her.rows, lets)
    for e in met:
        if e.stops:
            stops[e.activity.id] = told(controller, e, _why(e))
        elif e.activity.purpose in parts and e.activity.id in lets:
            rests[e.activity.id] = told(controller, e, "it does not rest on consent")
    unreached = dict(her.unreached) | dict(made.unreached)
    return ChoiceAnswer(
        case.id, "withdrawal", executed, complete, case.state.value,
        tuple(sorted(stops.values())), (), tuple(sorted(rests.values())), steps,
        tuple(sorted(unreached.items())),
        tuple(dict.fromkeys((*her.warnings, *made.warnings))), statements or {},
        recipients.informed(controller, case, had), her.held,
    )  # fmt: skip


def _why(effect: Effect) -> str:
    if effect.basis == "consent":
        return "it rests on the consent that is withdrawn"
    return "a withdrawal ends it as an objection would"
