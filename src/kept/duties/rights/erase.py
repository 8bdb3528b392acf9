"""Erasure (GDPR Art. 17): everything goes that may, what must stay is named, all is read back.

In this order, each committed before the next: the plan with its row keys is sealed; whom not
to write to again and the way back to what stays are recorded; the stores are written; every
step is read back by key; the keys of her classes are shredded. Killed in between, the same
command goes on from the sealed plan and reports what is true of all of it.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kept.controller import REGISTRY, Controller, Place
from kept.controller.execute import Outcome
from kept.datamap.reach import WEAK, shape
from kept.decide import reasons
from kept.decide.ties import norm
from kept.duties.rights import carry, delivery, mailing, recipients, tasks
from kept.duties.rights.child import forget
from kept.duties.rights.covering import decided_since
from kept.duties.rights.doubt import hers_alone
from kept.duties.rights.ends import ends
from kept.duties.rights.free_text import theirs
from kept.duties.rights.planning import (
    Known,
    ask_again,
    binding,
    draw_up,
    given_back,
    keep,
    look_again,
    met_again,
    numbers,
    of_several,
    outlive,
    sought,
    still_known,
    subjects_of,
    undecided,
)
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.recipients import Informed
from kept.duties.rights.request import (
    REPEATED,
    Request,
    open_case,
    searched,
    step_document,
    way_on,
)
from kept.errors import Obstructed, StoreUnreachable, UsageError
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Counts, Plan, Step, StepResult
from kept.model.select import KeyTable
from kept.records.actor import OPERATOR, Actor
from kept.records.case import Case, State, StepState
from kept.records.declared import SYSTEM
from kept.records.handed import handed
from kept.stores.tasks import Notice
from kept.terms.identifiers import Identifier
from kept.terms.rights import CHILD

#: Said where the case of a child cannot end for that.
_STANDING: Final = (
    "what was decided to be the same person's since stands there still: it goes with an erasure of"
    " its own (`kept identity doubts --settled --show` says of whom), and after that this case ends"
)
#: From here on the stores may have been written: only finishing is left.
_BEGUN = (State.EXECUTING, State.EXECUTED, State.CHECKED)


@dataclass(frozen=True, slots=True)
class EraseAnswer:
    """What was planned and, once executed, what happened.

    `executed` False: nothing was written, the steps show the plan. `statements` are for a
    person to carry out, by system, in mode assisted. `physical` is the day on which the last
    copy of her shredded keys is of no use any more; None before the case is complete, and
    where Kept had no key of hers (`keys` says which). `appeared`: rows of hers were met again
    after all steps were done. `packages`: the days on which packages were handed out to her
    before; what is in them no erasure reaches. `told`: who had her data, and how each stands.
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
    packages: tuple[dt.date, ...] = ()
    told: tuple[Informed, ...] = ()

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
            "packages_handed_out": [day.isoformat() for day in self.packages],
            "told": [one.document() for one in self.told],
        }


def preview(controller: Controller, request: Request, now: dt.datetime) -> EraseAnswer:
    """Open a case and show what would happen; nothing is written into any system."""
    return look(controller, request, now)[0]


def look(
    controller: Controller, request: Request, now: dt.datetime
) -> tuple[EraseAnswer, str | None]:
    """`preview`, and the keyed hash of what would be done, by which it can be approved; None where
    the case was begun.
    """
    case, _, people = open_case(controller, "erasure", request, now)
    if case.state in (State.AWAITING, State.CLOSED):
        return _reminded(controller, people, _closed(controller, case, now)), None
    if case.state in _BEGUN:
        known = sought(controller, case, people).known
        answer = _shown(controller, case, carry.sealed(controller, case), executed=True)
        return _reminded(controller, known, answer), None
    made, everybody, _ = draw_up(controller, case, people, now, shown=True)
    answer = _reminded(controller, everybody.people, _shown(controller, case, made, executed=False))
    return answer, intent(controller, made)


def intent(controller: Controller, made: Plan) -> str:
    """A keyed hash of what a plan does in the systems of the company: which rows go and which
    stay, why, and which systems are away. What Kept itself notes meanwhile is not in it.
    """
    steps = sorted(
        repr((s.system, s.dataset, s.action.value, s.reason and (s.reason.words, s.reason.clause),
              sorted(repr(norm(key)) for key in s.keys.values)))
        for s in made.steps
        if s.system != SYSTEM.name
    )  # fmt: skip
    away = sorted(system for system, _ in made.unreached)
    return controller.digest(repr((made.right, steps, away)).encode())


def erase(
    controller: Controller, request: Request, now: dt.datetime, *, approved: str | None = None
) -> EraseAnswer:
    """Erase one person or many; given a case that was begun, go on from where it stopped.

    `approved` is the hash of what somebody approved (`look`): anything else is not carried out.
    Raises UsageError where it would be. Where the case becomes large by what is met after it was
    begun, that waits for another than who drew it up: he approves it by going on.
    """
    case, actor, people = open_case(controller, "erasure", request, now)
    require_known_asker(controller, case)
    seen = shown_before(controller, case, request)
    with way_on(controller, case), controller.cases.alone(case) as case:
        if case.state in (State.AWAITING, State.CLOSED):
            return _reminded(controller, people, _closed(controller, case, now))
        if case.state in _BEGUN:
            known = sought(controller, case, people).known
            packages = _packages(controller, known)  # a child's case forgets whose they were
            with controller.cases.person_alone(known):
                answer = _go_on(controller, case, people, actor, request.alone, seen, now)
            return replace(answer, packages=packages)
        before = controller.ledger.size()
        drawn = _drawn(controller, case, people, now)
        with controller.cases.person_alone(drawn[1].people):
            # What somebody else did for her meanwhile is counted there, also where it was planned
            # before; and a hold that was placed meanwhile keeps what it names.
            kinds = ("plan.made", "step.done", "hold.added")
            if next(controller.ledger.entries(before, kind=kinds), None):
                drawn = _drawn(controller, case, people, now)
            _refuse_other(controller, case, drawn[0], actor, approved, request.alone, now)
            case = _commit(controller, case, *drawn, actor, now)
            packages = _packages(controller, drawn[1].people)
            answer = _to_the_end(
                controller,
                case,
                drawn[0],
                people,
                _everywhere(controller),
                actor,
                request.alone,
                now,
            )
        return replace(answer, packages=packages)


def _packages(controller: Controller, known: Sequence[Sequence[Identifier]]) -> tuple[dt.date, ...]:
    """When packages were handed out to these people."""
    return handed(controller.database, controller.vault, _strong(known))


def _strong(known: Sequence[Sequence[Identifier]]) -> list[Identifier]:
    return [i for one in known for i in one if i.kind not in WEAK]


def _waiting(controller: Controller, known: Sequence[Sequence[Identifier]]) -> tuple[str, ...]:
    """What is said before the erasure of packages that wait to be fetched."""
    days = [f"{d.ends_at:%Y-%m-%d}" for d in controller.deliveries.waiting_for(_strong(known))]
    return tuple(
        f"a package for her waits to be fetched until {day}; with the erasure it is gone: let her"
        " fetch it first"
        for day in days
    )


def _reminded(
    controller: Controller, known: Sequence[Sequence[Identifier]], answer: EraseAnswer
) -> EraseAnswer:
    """The answer, with when packages were handed out to the same people, and which still wait."""
    warnings = answer.warnings if answer.executed else answer.warnings + _waiting(controller, known)
    return replace(answer, packages=_packages(controller, known), warnings=warnings)


def _drawn(
    controller: Controller,
    case: Case,
    people: Sequence[Sequence[Identifier]],
    now: dt.datetime,
) -> tuple[Plan, Known, dict[Place, KeyTable]]:
    """The plan, everybody with all identifiers, the values that lead on; Obstructed."""
    made, known, values = draw_up(controller, case, people, now)
    carry.refuse_obstacles(made)
    return made, known, values


def _refuse_other(
    controller: Controller, case: Case, made: Plan, actor: Actor, approved: str | None,
    alone: str | None, now: dt.datetime,
) -> None:  # fmt: skip
    """Refuse a plan that is not the one which was approved; where none was, approving is the act
    of whoever carries it out, and may take another person (`alone`: the reason why not).
    """
    if approved is None and case.state is State.APPROVED:
        approved = str((controller.casework.looked_at(case) or {}).get("plan"))
    if approved is None:
        may_approve(controller, case, actor, carry.destroyed(made.steps), alone, now)
    elif case.state is not State.APPROVED or intent(controller, made) != approved:
        _refuse_away(controller, case, made)
        raise UsageError(
            "what is held of her is not what it was when the plan was approved; nothing was done",
            fix="look at the plan again and have it approved",
        )


def _refuse_away(controller: Controller, case: Case, made: Plan) -> None:
    """Refuse with the systems that answered when the plan was looked at, and do not now: what they
    hold of her may well be what it was; and with those that did not, and do now. Raises
    StoreUnreachable, UsageError.
    """
    looked = controller.casework.looked_at(case) or {}
    before = {system for system, _ in looked.get("unreached", ())}
    still = {system for system, _ in made.unreached}
    again = sorted((before - still) & controller.datamap.systems.keys())
    if case.state is State.APPROVED and again:
        raise UsageError(
            f"{', '.join(f'`{system}`' for system in again)} answers again, and did not when the"
            " plan was approved; nothing was done",
            fix="look at the plan again, with what is held there, and have it approved",
        )
    away = [(system, why) for system, why in made.unreached if system not in before]
    if case.state is State.APPROVED and looked and away:
        words = "; ".join(f"`{system}` does not answer now ({why})" for system, why in away)
        raise StoreUnreachable(
            f"{words}. It did when the plan was looked at; nothing was done",
            fix="carry it out when it answers again: the approval stands for as long as what is"
            " held of her is the same. To do it without that system now, look at the plan again"
            " and have it approved",
        )


def may_approve(
    controller: Controller, case: Case, actor: Actor, rows: int, alone: str | None,
    now: dt.datetime, *, draws: bool = True,
) -> None:  # fmt: skip
    """Refuse the approval of a plan, where that takes another person; of one done alone officers
    are alerted. `draws`: it is drawn up with that.
    """
    if alone is None or actor.role == OPERATOR:
        controller.approving(case, actor, rows, draws=draws)
    elif controller.stands_against(case, actor.name, rows, draws=draws):
        with controller.database.connection() as c:
            entries = controller.alone(case, actor, rows, "approve", alone, now, connection=c)
            controller.ledger.append_in(c, entries)


def shown_before(controller: Controller, case: Case, request: Request) -> frozenset[int]:
    """Which steps waited for another person when this was asked for; of a page those that it
    showed. What somebody else draws up meanwhile nobody approves unseen.
    """
    steps = controller.cases.waits(case).steps
    return frozenset(n for n in steps if request.seen is None or n <= request.seen)


def _let_go(
    controller: Controller, case: Case, made: Plan, actor: Actor, alone: str | None,
    seen: frozenset[int], now: dt.datetime,
) -> None:  # fmt: skip
    """Approve what waits of a begun plan, where this person may; of one done `alone` officers are
    alerted. Else it waits on.
    """
    waits = controller.cases.waits(case).steps
    if not waits:
        return
    entries: list[Entry] = []
    rows = carry.destroyed(made.steps)
    against = actor.role != OPERATOR and controller.stands_against(case, actor.name, rows)
    if against and alone is None:
        return
    if not against and actor.role != OPERATOR and not waits <= seen:
        return
    with controller.database.connection() as c:
        if against and alone is not None:
            entries = controller.alone(case, actor, rows, "approve", alone, now, connection=c)
        entries += carry.let_go(controller, case, made, actor, now, c)
        controller.ledger.append_in(c, entries)


def _everywhere(controller: Controller) -> frozenset[Place]:
    """Where rows of hers that came since the search are met, and go too."""
    every = controller.datamap.systems.values()
    return frozenset((s.name, d) for s in every for d in s.datasets)


def _go_on(
    controller: Controller,
    case: Case,
    people: Sequence[Sequence[Identifier]],
    actor: Actor,
    alone: str | None,
    seen: frozenset[int],
    now: dt.datetime,
) -> EraseAnswer:
    """A case that was begun, from where it stopped."""
    people = hers_alone(controller, case, people)
    among = _everywhere(controller)
    made = carry.sealed(controller, case)
    _refuse_held(controller, case, made, sought(controller, case, people).known, now)
    made = given_back(controller, case, made, people, actor, now)
    waited = controller.cases.waits(case).steps
    _let_go(controller, case, made, actor, alone, seen, now)
    made = look_again(controller, case, made, people, actor, now)
    away = {system for system, _ in made.unreached}
    if away:
        made = ask_again(controller, case, made, people, actor, now)
        # Elsewhere she may have come back of her own will since: that is left to her.
        back = away - {system for system, _ in made.unreached}
        among = shape(controller.datamap).hanging(back)
    elif waited:  # the same of what was drawn up when those were back
        back = {s.system for s in made.steps if s.number in waited}
        among = shape(controller.datamap).hanging(back)
    elif _all_done(controller, case):
        if decided_since(controller, case, unasked=True):
            among -= REGISTRY  # what links them there leads the erasure that it needs to it
        made = ask_again(controller, case, made, people, actor, now, among)
    with controller.database.connection() as connection:
        # What she said no to since the plan was sealed: as long as her number is there it is known.
        outlive(controller, made, now, connection)
    return _to_the_end(controller, case, made, people, among, actor, alone, now)


def _refuse_held(
    controller: Controller,
    case: Case,
    made: Plan,
    known: Sequence[Sequence[Identifier]],
    now: dt.datetime,
) -> None:
    """Refuse to go on where a hold was placed, since the plan was sealed, on what is left to do.

    What is gone is gone; what is left stays as long as the hold is open. Raises UsageError.
    """
    sealed = min(e.at for e in controller.cases.events(case) if e.state is State.APPROVED)
    counted = {s.reason.hold for s in made.steps if s.reason is not None}
    done = {r.number for r in controller.cases.steps(case) if r.state is StepState.DONE}
    left = [s for s in made.steps if s.number not in done and s.action is not Action.RETAIN]
    hers = list(subjects_of(controller, case, known))
    datamap = controller.datamap
    both = [
        s for s in left if s.action is Action.REDACT or of_several(datamap, (s.system, s.dataset))
    ]
    for hold in controller.holds.all(now):
        if hold.placed_at < sealed or hold.id in counted or not binding(case, hold):
            continue
        if hold.subject is None or hold.subject in hers:
            late = any(hold.covers(s.system, s.dataset) for s in left)
        else:
            # What others wrote of her, or have with her, is changed in her case: it may be a
            # person's who is held.
            kept = theirs(controller, [hold]) if both else {}
            late = any(
                norm(key) in kept.get((s.system, s.dataset), ())
                for s in both
                for key in s.keys.values
            )
        if late:
            raise UsageError(
                "a hold was placed after the erasure had begun, on what is left of it;"
                " nothing more was written",
                fix=f"go on with the case when hold {hold.id} is released or over",
            )


def _to_the_end(
    controller: Controller,
    case: Case,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    among: frozenset[Place],
    actor: Actor,
    alone: str | None,
    now: dt.datetime,
) -> EraseAnswer:
    # What was met on the way here, of whoever may have it go by himself.
    _let_go(controller, case, made, actor, alone, frozenset(), now)
    answer = _carry_out(controller, case, made, people, among, actor, now)
    if answer.appeared:
        # What came meanwhile is hers too: once more, and what comes again has a cause.
        case = controller.cases.get(case.id)
        made = given_back(controller, case, made, people, actor, now)
        made = ask_again(controller, case, made, people, actor, now, among)
        _let_go(controller, case, made, actor, alone, frozenset(), now)
        answer = _carry_out(controller, case, made, people, among, actor, now)
    return answer


def _said(waiting: Sequence[Step], by: Sequence[str]) -> Iterator[str]:
    """What waits for another person, place by place."""
    rows: dict[Place, int] = {}
    for s in waiting:
        place = (s.system, s.dataset)
        rows[place] = rows.get(place, 0) + s.rows * (s.action not in carry.STAY)
    for (system, dataset), n in sorted(rows.items()):
        if n:
            yield (
                f"{n:,} of her rows in `{dataset}` of `{system}` were met on going on, and wait:"
                " with them more is destroyed than one person answers for, and"
                f" {' and '.join(by)} drew them up"
            )


def _all_done(controller: Controller, case: Case) -> bool:
    return all(r.state is StepState.DONE for r in controller.cases.steps(case))


def _commit(
    controller: Controller,
    case: Case,
    made: Plan,
    known: Known,
    values: Mapping[Place, KeyTable],
    actor: Actor,
    now: dt.datetime,
) -> Case:
    """All that has to be safe before the first write, in one transaction with its entries."""
    with controller.database.connection() as connection:
        with connection.pipeline():
            # Who approved it before is on record, and it is not said to be whoever carries it out.
            approved = case.state is State.APPROVED
            then = (State.EXECUTING,) if approved else (State.APPROVED, State.EXECUTING)
            case = controller.cases.seal_plan(
                case, made, actor, now, then=then, approved=approved, connection=connection
            )
            entries = keep(controller, case, made, known, values, actor, now, connection)
        controller.ledger.append_in(connection, entries)
        # A package that still waits for her is a copy of what goes: it can be fetched no more.
        waiting = controller.deliveries.waiting_for(_strong(known.people), connection=connection)
        delivery.ended(controller, waiting, "withdrawn", now, connection)
    delivery.discard(controller, waiting)
    return case


def _carry_out(
    controller: Controller,
    case: Case,
    made: Plan,
    people: Sequence[Sequence[Identifier]],
    among: frozenset[Place],
    actor: Actor,
    now: dt.datetime,
) -> EraseAnswer:
    more = controller.cases.waits(case)
    waiting = [s for s in made.steps if s.number in more.steps]
    made = replace(made, steps=tuple(s for s in made.steps if s.number not in more.steps))
    records = {r.number: r for r in controller.cases.steps(case)}
    done = {number: r.result() for number, r in records.items() if r.state is StepState.DONE}
    results = dict(done)
    if case.state is not State.EXECUTING:
        case = controller.cases.move(case, State.EXECUTING, actor, now)
    left = [s.number for s in made.steps if s.number not in done]
    controller.cases.begin_steps(case, left, now)
    attempts = {n: r.attempts + 1 for n, r in records.items()}

    before = sought(controller, case, people)
    tested = still_known(controller, before, made)

    def record(outcome: Outcome) -> None:
        found = [(number, tested(number, result)) for number, result in outcome.results]
        with controller.database.connection() as connection:
            with connection.pipeline():
                for number, result in found:
                    results[number] = result
                    controller.cases.record_step(case, number, result, now, connection=connection)
            entries = [carry.step_entry(case, n, result, attempts[n], now) for n, result in found]
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
    tasks.overtake(
        controller, before.known, made, _undone(controller, made, waiting, results), actor, now
    )
    unreached = made.unreached
    ours = [s for s in made.steps if results[s.number].verified and s.reason is not None
            and not reasons.theirs(s.reason.words)]  # fmt: skip
    with controller.database.connection() as connection:
        controller.witness(case, ours, connection)
    complete = not (unreached or waiting) and all(r.settled for r in results.values())
    warnings = made.warnings + tuple(_said(waiting, more.by))
    met: dict[Place, int] = {}
    came: set[int] = set()
    if complete and not searched(controller, people):
        complete = False
    elif complete:
        met, came, away = met_again(controller, before, made, people, among, now)
        unreached = tuple(sorted(away.items()))
        warnings += tuple(
            f"{rows} of her rows came into `{place[1]}` of `{place[0]}` while she was erased;"
            " look for what writes them"
            for place, rows in sorted(met.items())
        )
        complete = not met and not away
    went = recipients.went(made, results) if complete else {}
    gone = recipients.given(controller, went, people=people)
    known = before.known
    to_tell = recipients.messages(gone, known)
    meant = recipients.meant(made) if not complete else {}
    later = recipients.given(controller, meant, people=people)
    nowhere = not searched(controller, people)
    ended = ends(controller, made, results, unreached=bool(unreached), nowhere=nowhere, came=came,
                 waiting=waiting)  # fmt: skip
    physical = None
    # A child's case is not over before everybody who had the data has answered, and somebody has
    # decided of what looks like the child's, and what is has gone: it forgets by what.
    waits = case.ground == CHILD and undecided(controller, case)
    # After that: what somebody decides at the same moment waits there, or stands here.
    standing = case.ground == CHILD and decided_since(controller, case)
    warnings += (_STANDING,) * standing
    open_before = tasks.naming(controller, known) if complete else []
    over = tasks.over(controller, case, known, made, open_before, to_tell)
    with controller.database.connection() as connection:
        entries: list[Entry] = []
        with connection.pipeline():
            recipients.note(controller, case, Notice.ERASED, to_tell, now, connection)
            if complete and case.ground == CHILD:
                untold = controller.recipients.waiting(case, connection=connection)
                complete = not (untold or waits or standing)
            if complete:
                physical, entries = _shred(controller, case, made, now, connection)
            case = controller.cases.finish(
                case, complete, actor, now, through=(State.EXECUTED,),
                waits=controller.recipients.expected(case, connection=connection),
                connection=connection,
            )  # fmt: skip
            controller.bulks.record(case, ended, now, connection=connection)
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
            tasks.let_off(controller, over, actor, now, connection)
    if complete:
        if over:
            controller.tasks()  # what is over goes
        controller.settle(case.id)
        warnings += tasks.said(case, [t for t in open_before if t not in over])
        if case.ground == CHILD:
            # Nothing stays by which she could be written to later.
            if mailing.why_not(controller, case) is None:
                with contextlib.suppress(UsageError):  # one that waits says that it is not over
                    mailing.mail_answer(controller, case.id, actor, now, again=True)
            forget(controller, case, known, now)
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
        told=recipients.informed(controller, case, later),
    )


def _undone(
    controller: Controller, made: Plan, waiting: Sequence[Step], results: Mapping[int, StepResult]
) -> set[Place]:
    """Where something of a plan failed, or waits for another person. Who was asked by letter does
    it.
    """
    asked = {system for system, abilities in controller.abilities.items() if abilities.word}
    failed = [s for s in made.steps if s.system not in asked and not results[s.number].settled]
    return {(s.system, s.dataset) for s in (*failed, *waiting)}


def _shred(
    controller: Controller, case: Case, made: Plan, now: dt.datetime, connection: Any
) -> tuple[dt.date | None, list[Entry]]:
    """Destroy the keys of the classes whose rows are all gone, and of the person herself.

    A class of which rows are retained keeps its key until the hold ends.
    """
    # From the sealed plan: the case itself has forgotten her by now.
    subjects = numbers(made)
    if not subjects:
        return None, []
    kept = set()
    for step in made.steps:
        if step.reason is not None and reasons.theirs(step.reason.words):
            continue  # somebody else's
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


def _shown(controller: Controller, case: Case, made: Plan, *, executed: bool) -> EraseAnswer:
    named = controller.cases.identifiers(case)
    later = recipients.given(controller, recipients.meant(made), people=named)
    return EraseAnswer(
        case.id, executed, False, carry.shown(made), made.unreached, made.warnings,
        told=recipients.informed(controller, case, later),
    )  # fmt: skip


def _closed(controller: Controller, case: Case, now: dt.datetime) -> EraseAnswer:
    """A case that is done already, from its record."""
    if case.complete and case.ground == CHILD:
        # Where a machine stopped between the end and this: there is still somebody to forget.
        known = sought(controller, case, controller.cases.identifiers(case)).known
        if any(known):
            forget(controller, case, known, now)
    steps = tuple(r.result() for r in controller.cases.steps(case))
    days = [
        dt.date.fromisoformat(entry.body["dies"])
        for _, entry in controller.ledger.entries(kind="keys.shredded", case=case.id)
    ]
    day = days[0] if days else None
    return EraseAnswer(
        case.id, True, bool(case.complete), steps, (), (REPEATED,), physical=day,
        told=recipients.informed(controller, case),
    )  # fmt: skip
