"""A case as the console brings it to its end: looked at, approved, carried out, noted.

    look → approve (where rows are destroyed) → begin → carry_out → read back

Everything is done by the duty of its right, as on the command line. What is carried out is what
was looked at, and of an erasure what was approved, by its keyed hash.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from kept.controller import Controller
from kept.controller.staff import takes_two
from kept.duties.rights import carry, proving
from kept.duties.rights import erase as erasing
from kept.duties.rights.access import access
from kept.duties.rights.choice import ChoiceAnswer, Told
from kept.duties.rights.objection import object_to, preview_objection
from kept.duties.rights.portability import port
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.receipts import Receipts, not_asked, to_weigh
from kept.duties.rights.rectification import preview_rectification, rectify
from kept.duties.rights.request import MAY_OVERRIDE, Request, also_open, capital
from kept.duties.rights.restriction import preview_restriction, restrict
from kept.duties.rights.shown import gathered, problems, stays, summed
from kept.duties.rights.withdrawal import preview_withdrawal, withdraw
from kept.errors import Busy, KeptError, Obstructed, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, StepResult
from kept.records.account import Account
from kept.records.actor import Actor
from kept.records.case import Case, State, StepState
from kept.records.case_state import FINISHED
from kept.stores.tasks import Derived, Notice, Outcome, Task
from kept.terms.rights import CHILD

#: What was chosen for a case before it is looked at: `ground`, `purposes`, `at`, `value`, `was`.
Given = Mapping[str, Any]

#: States in which a plan can be looked at, anew too: nothing was written.
FRESH: Final = frozenset(
    (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED, State.APPROVED)
)
#: Rights of which the plan is approved before it is carried out.
APPROVED: Final = frozenset(("erasure",))
#: Rights that are answered by a package.
PACKS: Final = frozenset(("access", "portability"))
#: Roles of accounts that can have a case as their task.
OWNS: Final = frozenset(
    ("intake", "verifier", "redactor", "approver", "privacy-officer", "support")
)
#: What a step does, in words.
_DOES: Final[Mapping[Action, str]] = {
    Action.READ: "is read", Action.DELETE: "goes", Action.OVERWRITE: "is overwritten",
    Action.ANONYMISE: "is made nobody’s", Action.REDACT: "her name goes out of it",
    Action.RETAIN: "stays", Action.ISOLATE: "stays, locked away",
}  # fmt: skip
#: What people say became of a task, in words.
BECAME: Final[Mapping[Outcome, str]] = {
    Outcome.DONE: "it is done", Outcome.NOTHING: "nothing of hers is there",
    Outcome.CANNOT: "it cannot be done",
    Outcome.LEFT: "telling it is impossible, or out of all proportion",
}  # fmt: skip
#: And of one to make something anew.
BECAME_ANEW: Final[Mapping[Outcome, str]] = {
    Outcome.DONE: "it is made anew", Outcome.NOTHING: "none of it rests on what was wrong",
    Outcome.CANNOT: "it cannot be made anew",
}  # fmt: skip
_CHANGES: Final = (Action.DELETE, Action.OVERWRITE, Action.ANONYMISE, Action.REDACT)
_LONGEST: Final = 4_000


def look(
    controller: Controller, case_id: str, given: Given, actor: Actor, now: dt.datetime
) -> dict[str, Any]:
    """Look at what carrying a case out would do, and keep that, sealed; nothing else is written.

    Where it would do what it would when somebody looked before, nothing is written at all: that
    plan stays his who drew it up, approved or not; another has to be approved anew. Raises
    UsageError where nothing can be looked at: the case was begun or has ended, or its right is
    carried out in another way.
    """
    case = controller.cases.get(case_id)
    if case.state not in FRESH or case.right not in _LOOKS:
        raise UsageError(
            f"there is nothing to look at in case {case.id}",
            expected="a case of which nothing was carried out yet",
            met=f"one of the right `{case.right}` that is {case.state}",
        )
    run = controller.casework.run(case)
    if run is not None and run.going_on(now):
        raise Busy(
            f"case {case.id} is being carried out by somebody else right now",
            fix="wait until that is done",
        )
    document = {
        "right": case.right, "given": dict(given), "by": actor.name, "role": actor.role,
        "at": now.isoformat(), "plan": None, "rows": 0, **_NOTHING,
        **_LOOKS[case.right](controller, _request(controller, case, given, actor), given, now),
    }  # fmt: skip
    before = controller.casework.looked_at(case)
    if before is not None and _does(before) == _does(json.loads(json.dumps(document))):
        return before
    with controller.database.connection() as c:
        case = controller.cases.move(case, State.PLANNED, actor, now, connection=c)
        controller.casework.look(case, document, connection=c)
        controller.ledger.append_in(c, [_moved(case, actor, now)])
    return document


def copies_before(controller: Controller, case: Case) -> list[Case]:
    """The cases of the same request, or else of the same person, in which a copy was asked for that
    was not made yet. What an erasure takes, or a withdrawal, is not in it any more.
    """
    if case.right not in ("erasure", "withdrawal") or case.state in FINISHED:
        return []
    beside = {id_ for one in controller.intakes.of_case(case.id) for _, id_ in one.cases}
    beside |= {one.id for one in also_open(controller, case.id).linked}
    cases = [controller.cases.get(id_) for id_ in sorted(beside - {case.id})]
    return [c for c in cases if c.right in PACKS and c.state in FRESH]


def _does(looked: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan that was looked at does, whoever looked, and whenever."""
    return {key: value for key, value in looked.items() if key not in ("by", "role", "at")}


def approve(
    controller: Controller, case_id: str, plan: str, actor: Actor, now: dt.datetime,
    *, alone: str | None = None,
) -> Case:  # fmt: skip
    """Approve the plan of a case by the hash under which it was looked at.

    `alone` is the reason why it could not wait for another person: officers are alerted. Raises
    UsageError where another plan has been looked at since; Obstructed where it says itself what
    stands in its way; Denied while it is not known who asks, and where it takes another person than
    this one.
    """
    case = controller.cases.get(case_id)
    require_known_asker(controller, case)
    if case.state is not State.APPROVED:
        try:
            return _approve(controller, case, plan, actor, now, alone)
        except UsageError:
            case = controller.cases.get(case_id)
            if case.state is not State.APPROVED:
                raise
    # Somebody was quicker. It is approved for whoever read the same plan, and for nobody else.
    _require_plan(controller.casework.looked_at(case), plan)
    return case


def _approve(
    controller: Controller, case: Case, plan: str, actor: Actor, now: dt.datetime,
    alone: str | None,
) -> Case:  # fmt: skip
    with controller.database.connection() as c:
        case = controller.cases.move(case, State.APPROVED, actor, now, connection=c)
        body = {"case": case.id, "plan": plan, "actor": name(actor.role)}
        looked = _require_plan(controller.casework.looked_at(case, connection=c), plan)
        if looked["problems"]:
            raise Obstructed(
                f"this plan cannot be carried out, and was not approved: {looked['problems'][0]}",
                expected="a plan in whose way nothing stands",
                fix="mend that, look at what would happen anew, then approve it",
            )
        if alone is None or not controller.stands_against(case, actor.name, looked["rows"]):
            controller.approving(case, actor, looked["rows"])
        else:
            rows, verb = looked["rows"], "approve"
            controller.ledger.append_in(
                c, controller.alone(case, actor, rows, verb, alone, now, connection=c)
            )
        controller.ledger.append_in(c, [Entry("plan.approved", now, body)])
    return case


def _require_plan(looked: Mapping[str, Any] | None, plan: str) -> Mapping[str, Any]:
    """The plan that was looked at last. UsageError where it is not the one that was read."""
    if looked is None or not looked["plan"] or looked["plan"] != plan:
        raise UsageError(
            "the plan was looked at anew since; nothing was approved",
            fix="read it again, then approve it",
        )
    return looked


def can_carry_out(
    controller: Controller, case: Case, looked: Mapping[str, Any] | None
) -> bool:  # fmt: skip
    """Whether nothing but a person's word is missing to carry a case out, or to go on with it."""
    purposes = (looked or {}).get("given", {}).get("purposes")
    enough = proving.standing(controller, case, purposes).enough
    if case.state in FINISHED or case.right not in _CARRIES or not enough:
        return False
    if case.state in FRESH:
        needed = State.APPROVED if case.right in APPROVED else State.PLANNED
        return looked is not None and case.state is needed
    if case.right in ("restriction", "objection") and case.state is State.CHECKED:
        # It stands. What a system was not asked for is done when that answers again.
        left = case.in_force_at is None and not to_weigh(controller, case)
        return left or bool(not_asked(controller, case))
    return case.state is not State.NOTIFIED


def due(controller: Controller, case: Case) -> int:
    """How many records rested on a consent alone that is withdrawn, and have not gone yet: that
    takes a press of its own, of somebody who may erase.
    """
    if case.right != "withdrawal" or case.state is not State.CHECKED:
        return 0
    steps = controller.cases.steps(case)
    return sum(s.planned for s in steps if not s.state.over and s.action not in carry.STAY)


def destroys(controller: Controller, case: Case) -> int:
    """How many records go with a case in all, those that went already among them: by that it is
    large, and takes two people.
    """
    steps = controller.cases.steps(case)
    return sum(
        s.planned for s in steps if s.state is not StepState.LEFT and s.action not in carry.STAY
    )


def more(controller: Controller, case: Case) -> int:
    """How many records wait for another person than who drew them up, in a case that was begun
    before they were met.
    """
    waits = controller.cases.waits(case).steps
    if not waits or not takes_two(case, destroys(controller, case), controller.desk):
        return 0
    steps = controller.cases.steps(case)
    return sum(s.planned for s in steps if s.number in waits and s.action not in carry.STAY)


def waits_for_recipients(controller: Controller, case: Case) -> bool:
    """Whether nothing of a case is left but that recipients answer. The case of a child, which
    forgets her then, goes on by hand afterwards.
    """
    if case.state is State.AWAITING:
        return True
    if case.right != "erasure" or case.ground != CHILD or case.state is not State.CHECKED:
        return False
    made = controller.cases.plan(case)
    if made is None or made.unreached:
        return False
    if not all(s.result().settled for s in controller.cases.steps(case)):
        return False
    with controller.database.connection() as connection:
        return controller.recipients.waiting(case, connection=connection)


def begin(
    controller: Controller, case_id: str, actor: Actor, now: dt.datetime,
    *, erase: bool = False, alone: str | None = None,
) -> bool:  # fmt: skip
    """Claim a case to carry it out; False where somebody is at it. UsageError where it cannot be.

    Whoever began it calls `carry_out` then, once, with the same words. With `erase` also what is
    due because of a withdrawal: Denied where that takes another person than this one. `alone` is
    the reason why it could not wait for him.
    """
    case = controller.cases.get(case_id)
    require_known_asker(controller, case)
    if not can_carry_out(controller, case, controller.casework.looked_at(case)):
        raise UsageError(
            f"case {case.id} cannot be carried out now",
            expected="a plan that was looked at"
            + (" and approved" if case.right in APPROVED else ""),
            met=f"a case that is {case.state}",
        )
    if erase and alone is None and due(controller, case):
        controller.approving(case, actor, destroys(controller, case))
    with controller.database.connection() as c:
        return controller.casework.begin(case, actor, now, connection=c)


def carry_out(
    controller: Controller, case_id: str, actor: Actor, now: Callable[[], dt.datetime],
    *, erase: bool = False, alone: str | None = None, seen: int | None = None,
) -> None:  # fmt: skip
    """Carry out a case that was claimed, tell whoever is to be told, and say how it ended. With
    `erase` also what is due because of a withdrawal; of one who does that `alone`, where it takes
    another person, officers are alerted. `seen`: how many steps were shown to whoever began it;
    what was drawn up since he does not approve with it.
    """
    case = controller.cases.get(case_id)
    outcome, problem = "failed", None
    try:
        looked = controller.casework.looked_at(case) or {}
        given = {**looked.get("given", {}), "erase": erase}
        request = replace(_request(controller, case, given, actor), alone=alone, seen=seen)
        complete = _CARRIES[case.right](controller, request, given, looked.get("plan"), now())
        outcome = "complete" if complete else "incomplete"
        controller.deliver(now())
        controller.ledger.checkpoint(now())
    except KeptError as error:
        outcome = "refused" if outcome == "failed" else outcome
        problem = error.what + (f". {capital(error.fix)}" if error.fix else "")
    except Exception as error:
        # The kind alone: words of an error nobody foresaw may hold a person's data.
        problem = type(error).__name__
    finally:
        with controller.database.connection() as c:
            controller.casework.end(case, outcome, problem, now(), connection=c)


def pack(
    controller: Controller, case_id: str, out: Path, actor: Actor, now: dt.datetime
) -> bool:  # fmt: skip
    """Make the package of a case of access, or of what she takes along, at `out`; whether it is
    complete. It is made once: UsageError for a case that has its package, or is of another right.
    """
    case = controller.cases.get(case_id)
    if case.right not in PACKS or case.state in FINISHED:
        raise UsageError(
            f"no package is made in case {case.id}",
            expected=f"an open case of one of the rights {', '.join(sorted(PACKS))}",
            met=f"one of the right `{case.right}` that is {case.state}",
        )
    request = _request(controller, case, {}, actor)
    if case.right == "access":
        complete = access(controller, request, now, out=out).complete
    else:
        complete = port(controller, request, now, out=out, region=request.region).complete
    controller.deliver(now)
    controller.ledger.checkpoint(now)
    return complete


def note(controller: Controller, case_id: str, words: str, actor: Actor, now: dt.datetime) -> None:
    """Add a note for the staff to a case, sealed under its key."""
    words = words.strip()
    if not words or len(words) > _LONGEST:
        raise UsageError("that is no note", expected=f"words, at most {_LONGEST:,} signs")
    case = controller.cases.get(case_id)
    with controller.database.connection() as c:
        controller.casework.note(case, words, actor, now, connection=c)


def give(controller: Controller, case_id: str, to: Account | None, now: dt.datetime) -> None:
    """Make a case the task of an account, or of nobody. UsageError for one that cannot have it."""
    case = controller.cases.get(case_id)
    if to is not None and (to.disabled_at is not None or not to.roles & OWNS):
        raise UsageError(
            "that account cannot have a case as its task",
            expected=f"an account in use, in one of the roles {', '.join(sorted(OWNS))}",
        )
    with controller.database.connection() as c:
        controller.worklist.give(case, to, now, connection=c)


def tasks(controller: Controller, case: Case) -> list[Task]:
    """What people were asked to do in a case, oldest first; whom it is about is left out."""
    return [replace(t, people=()) for t in controller.tasks() if t.of_case == case.id]


def owned(controller: Controller, account: Account) -> frozenset[str]:
    """The systems of which an account sees the tasks in the role `system-owner`."""
    systems = controller.datamap.systems.values()
    return frozenset(system.name for system in systems if account.name in system.accounts)


def serves(controller: Controller, account: Account) -> list[Task]:
    """Tasks that an account sees: those that wait first, by their day, then the answered, the
    latest first. Whoever serves systems alone sees those of his own, and not what recipients are
    told.
    """
    every, his = bool(account.roles & MAY_OVERRIDE), owned(controller, account)
    found = [
        t for t in controller.tasks()
        if every or (t.system in his and not isinstance(t.action, Notice))
    ]  # fmt: skip
    never = dt.datetime.max.replace(tzinfo=dt.UTC)
    waiting = sorted((t for t in found if t.open), key=lambda t: (t.due or never, t.id))
    said = [(t.answer.at, t.id, t) for t in found if t.answer is not None and not t.open]
    return waiting + [t for *_, t in sorted(said, key=lambda one: one[:2], reverse=True)]


def sayable(task: Task) -> list[Outcome]:
    """What can still be said of a task in words alone: of rows that are to be read they have to be
    handed in, by the command; who could not may have done it since.
    """
    if task.answer is not None and task.answer.outcome.settles:
        return []
    if isinstance(task.action, Notice):
        return [Outcome.DONE, Outcome.CANNOT, Outcome.LEFT]
    if task.action is Action.READ:
        return [Outcome.NOTHING, Outcome.CANNOT]
    return [Outcome.DONE, Outcome.NOTHING, Outcome.CANNOT]


def became(task: Task) -> Mapping[Outcome, str]:
    """What can be said of a task, in words."""
    return BECAME_ANEW if task.action is Derived.ANEW else BECAME


def stands(task: Task, now: dt.datetime) -> str:
    """How a task stands, in a word; of one that waits also how often somebody was reminded."""
    if task.answer is not None:
        return task.answer.outcome.value
    if task.asked is None:
        return "not sent"
    word = "late" if task.late(now) else "waits"
    times = len(task.reminded)
    return f"{word}, reminded {times} time{'s' if times > 1 else ''}" if times else word


def _request(controller: Controller, case: Case, given: Given, actor: Actor) -> Request:
    region = "unknown"
    if case.right in ("objection", "withdrawal", "restriction", "portability"):
        clock = controller.clocks.of(case)
        region = clock.region if clock else region
    return Request(
        (), actor.name, actor.role, case=case.id, ground=given.get("ground") or None
        if case.right == "erasure" else None, region=region,
    )  # fmt: skip


def _moved(case: Case, actor: Actor, now: dt.datetime) -> Entry:
    body = {"case": case.id, "state": case.state.value, "actor": name(actor.role)}
    return Entry("case.moved", now, body)


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType(
    {key: [] for key in ("goes", "stays", "stops", "weighed", "goes_on", "unreached", "warnings",
                         "problems", "told")}
)  # fmt: skip


def _look_erasure(
    controller: Controller, request: Request, given: Given, now: dt.datetime
) -> dict[str, Any]:
    del given
    answer, plan = erasing.look(controller, request, now)
    return {
        **_steps(answer.steps), **_beside(answer), "plan": plan,
        "packages": [day.isoformat() for day in answer.packages],
    }  # fmt: skip


def _look_rectification(
    controller: Controller, request: Request, given: Given, now: dt.datetime
) -> dict[str, Any]:
    answer = preview_rectification(
        controller, request, given.get("at", ""), given.get("value", ""), now,
        was=given.get("was") or None,
    )  # fmt: skip
    return {**_steps(answer.steps), **_beside(answer)}


def _look_objection(
    controller: Controller, request: Request, given: Given, now: dt.datetime
) -> dict[str, Any]:
    purposes, region = given.get("purposes", ()), request.region
    return _choice(preview_objection(controller, request, purposes, now, region=region))


def _look_withdrawal(
    controller: Controller, request: Request, given: Given, now: dt.datetime
) -> dict[str, Any]:
    purposes, region = given.get("purposes", ()), request.region
    return _choice(preview_withdrawal(controller, request, purposes, now, region=region))


def _look_restriction(
    controller: Controller, request: Request, given: Given, now: dt.datetime
) -> dict[str, Any]:
    ground, region = given.get("ground", ""), request.region
    return _choice(preview_restriction(controller, request, ground, now, region=region))


def _erase(
    controller: Controller, request: Request, given: Given, plan: str | None, now: dt.datetime
) -> bool:
    del given
    return erasing.erase(controller, request, now, approved=plan or "").complete


def _rectify(
    controller: Controller, request: Request, given: Given, plan: str | None, now: dt.datetime
) -> bool:
    del plan
    return rectify(
        controller, request, given.get("at"), given.get("value"), now, was=given.get("was") or None
    ).complete


def _object(
    controller: Controller, request: Request, given: Given, plan: str | None, now: dt.datetime
) -> bool:
    del plan
    purposes = given.get("purposes") or _before(controller, request).purposes
    return object_to(controller, request, purposes, now, region=request.region).complete


def _withdraw(
    controller: Controller, request: Request, given: Given, plan: str | None, now: dt.datetime
) -> bool:
    del plan
    purposes = given.get("purposes", ())
    return withdraw(
        controller, request, purposes, now, region=request.region, erase=given["erase"]
    ).complete


def _restrict(
    controller: Controller, request: Request, given: Given, plan: str | None, now: dt.datetime
) -> bool:
    del plan
    ground = given.get("ground") or _before(controller, request).ground
    return restrict(controller, request, ground, now, region=request.region).complete


def _before(controller: Controller, request: Request) -> Receipts:
    """The record of a case that somebody began without looking at it first, by command."""
    return Receipts.of(controller, controller.cases.get(request.case or ""))


_Look = Callable[[Controller, Request, Given, dt.datetime], dict[str, Any]]
_Carry = Callable[[Controller, Request, Given, str | None, dt.datetime], bool]
#: Right → how it is looked at, and how it is carried out. What hands data out is not among them.
_LOOKS: Final[Mapping[str, _Look]] = {
    "erasure": _look_erasure, "rectification": _look_rectification,
    "objection": _look_objection, "withdrawal": _look_withdrawal,
    "restriction": _look_restriction,
}  # fmt: skip
_CARRIES: Final[Mapping[str, _Carry]] = {
    "erasure": _erase, "rectification": _rectify, "objection": _object,
    "withdrawal": _withdraw, "restriction": _restrict,
}  # fmt: skip
#: Rights that the console brings to their end.
WORKS: Final = frozenset(_CARRIES)


def _steps(steps: Sequence[StepResult]) -> dict[str, Any]:
    """What goes and what stays, by place; of what stays why, by which clause, until when."""
    going = [s for s in steps if s.action in _CHANGES]
    rows = summed(
        going, lambda s: (gathered(s.store, s.dataset), _DOES[s.action]), lambda s: s.counts
    )
    kept = [
        {
            "place": one.place, "rows": one.rows, "words": one.reason.words,
            "law": one.reason.law, "until": one.until, "clause": one.reason.clause,
            "isolated": one.isolated,
        }
        for one in stays(steps)
    ]  # fmt: skip
    return {
        "rows": sum(s.counts.found for s in steps if s.action not in carry.STAY),
        "goes": [{"place": p, "what": w, "rows": c.found} for (p, w), c in rows],
        "stays": kept,
        "problems": problems(steps),
    }


def _beside(answer: Any) -> dict[str, Any]:
    return {
        "unreached": [list(pair) for pair in answer.unreached],
        "warnings": list(answer.warnings),
        "told": [one.words for one in answer.told],
    }


def _choice(answer: ChoiceAnswer) -> dict[str, Any]:
    def told(those: Sequence[Told]) -> list[dict[str, Any]]:
        return [one.document() for one in those]

    return {
        **_steps(answer.due), **_beside(answer), "stops": told(answer.stops),
        "weighed": told(answer.weighed), "goes_on": told(answer.goes_on),
    }  # fmt: skip
