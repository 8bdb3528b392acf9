"""A request on its way: its case, whom it names, and who answers for letting it pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from kept.controller import Controller, Located, Place
from kept.database import Connection
from kept.datamap.reach import WEAK, reach, shape
from kept.duties.rights import clock, proving, receipts
from kept.duties.rights.doubt import Ambiguous
from kept.errors import Busy, Denied, Obstructed, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import StepResult
from kept.model.select import KeyTable
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.case_state import FINISHED, TRANSITIONS
from kept.records.clock import Clock
from kept.records.declared import SYSTEM
from kept.records.locator import Held
from kept.terms import proof, tongues
from kept.terms.identifiers import Identifier
from kept.terms.refusals import refusal
from kept.terms.rights import RIGHTS
from kept.terms.tongues import say

#: Roles that may let a request pass without evidence of who asks; recorded, with the reason.
MAY_OVERRIDE = frozenset({"privacy-officer", "approver", "operator"})
#: From here on a case was begun.
_BEGUN: Final = frozenset((State.EXECUTING, State.EXECUTED, State.CHECKED))
#: Of these the region says also which legal bases apply, each time anew.
_BY_REGION: Final = ("objection", "withdrawal", "restriction", "portability")
#: The verb of `kept rights` that carries a right out.
VERBS: Final = {right.id: right.verb for right in RIGHTS.values() if right.verb is not None}
#: How a case ends that is not carried out: the organisation refuses, or the person withdraws.
WITHOUT: Final = {"refused": State.REFUSED, "withdrawn": State.WITHDRAWN}

#: What is said beside the record of a case that was carried out before.
REPEATED: Final = "this happened when the case was executed before"


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. `people` are one or more, each with her identifiers.

    `override` is the reason for which evidence of who asks was left out; `case` names a
    case that was opened before. `same_person` is the reason why records that name different
    people are held to be hers all the same. `ground` is why an erasure is asked for. `region` is
    where she is, one of clocks.WHERE; `arrived` the day on which a letter came, today where it is
    not said; `way` in which way of terms.proof the evidence was found; `alone` the
    reason for which a plan that takes two people is approved by one. `seen`: how many steps the
    page showed on which it was pressed; None where it was no page.
    """

    people: tuple[tuple[Identifier, ...], ...]
    actor: str = "operator"
    role: str = "operator"
    override: str | None = None
    evidence: str | None = None
    case: str | None = None
    same_person: str | None = None
    ground: str | None = None
    region: str = "unknown"
    arrived: dt.date | None = None
    way: str = "checked"
    alone: str | None = None
    seen: int | None = None


def open_case(
    controller: Controller,
    right: str,
    request: Request,
    now: dt.datetime,
    *,
    matter: str | None = None,
    acknowledged: bool = False,
    also: Callable[[Case, Connection], None] | None = None,
) -> tuple[Case, Actor, tuple[tuple[Identifier, ...], ...]]:
    """The case of a request: opened, or the one it names. Every request has one.

    `matter` is what it is about, where a rule says of that how long its answer may take;
    `acknowledged`: she was told at once that it has come; `also` what is written with a case that
    is opened, or not at all.
    """
    controller.enter_answers()  # a word of people is in the ledger before anything rests on it
    actor = controller.actors.of(request.actor, request.role, now)
    refuse_role(request)
    if request.case is not None:
        case = controller.cases.get(request.case)
        if case.right != right:
            raise UsageError(
                f"the case is about the right `{case.right}`",
                expected=f"a case about `{right}`",
                fix=f"use `kept rights {VERBS.get(case.right, case.right)}`",
            )
        if request.arrived or (request.region != "unknown" and right not in _BY_REGION):
            raise UsageError(
                "the case has its clock, and when it arrived and where she is stand in it",
                fix=f"put that right: `kept case clock {case.id} --arrived DATE --region …`",
            )
        if case.state in WITHOUT.values():
            raise UsageError(
                f"case {case.id} is {case.state} and is not carried out",
                fix="open a new case for the same person",
            )
        named = controller.cases.identifiers(case)
        given = _normalised(request.people)
        if request.people and given != _normalised(named):
            raise UsageError(
                "the case names other identifiers than this command",
                expected="the same identifiers, or none together with --case",
                fix="leave --identity out, or open a new case",
            )
        with controller.database.connection() as connection:
            if request.evidence and not case.evidence:
                case = controller.cases.identify(
                    case, request.evidence, actor, now, way=request.way, connection=connection
                )
                entry = proving.proven(case, request.way, actor, now)
                controller.ledger.append_in(connection, [entry])
            elif request.evidence and request.way != "checked" and case.state not in FINISHED:
                case = controller.cases.prove_more(
                    case, request.way, request.evidence, actor, now, connection=connection
                )
                entry = proving.proven(case, request.way, actor, now)
                controller.ledger.append_in(connection, [entry])
            if request.override and not case.override:
                case = controller.cases.let_pass(
                    case, request.override, actor, now, connection=connection
                )
                controller.ledger.append_in(
                    connection,
                    [_overridden(controller, case.id, right, request.override, actor, now)],
                )
            _settled(controller, case, request, actor, now, connection)
            if request.ground is not None:
                named_later = case.ground is None
                case = controller.cases.on_ground(case, request.ground, connection=connection)
                if named_later:
                    body = {
                        "case": case.id, "state": name(case.state), "ground": name(request.ground)
                    }  # fmt: skip
                    controller.ledger.append_in(connection, [Entry("case.moved", now, body)])
        return case, actor, covering(controller, case, named)
    if not request.people or not all(request.people):
        raise UsageError(
            "nobody is named",
            expected="at least one identifier",
            fix="add for example --identity email=name@example.org",
        )
    _normalised(request.people)  # refuses values that are not of their kind
    with controller.database.connection() as connection:
        case = controller.cases.open(
            right, request.people, actor, request.override, now,
            evidence=request.evidence, way=request.way,
            needs=proving.needs(controller, right, request.region, matter),
            acknowledged=acknowledged, connection=connection,
        )  # fmt: skip
        if request.ground is not None:
            case = controller.cases.on_ground(case, request.ground, connection=connection)
        due = clock.start(
            controller, case, now, region=request.region, arrived=request.arrived, matter=matter,
            connection=connection,
        )  # fmt: skip
        controller.ledger.append_in(
            connection, begun(controller, case, actor, now, due, override=request.override)
        )
        _settled(controller, case, request, actor, now, connection)
        if also is not None:
            also(case, connection)
    return case, actor, covering(controller, case, request.people)


def covering(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]]
) -> tuple[tuple[Identifier, ...], ...]:
    """Everybody with all that is proven hers, beside what was given: what the case is about.

    A case that was begun keeps to what it began with, so that a resumed one means the same rows.
    """
    if case.state in FINISHED or case.state in _BEGUN:
        return tuple(tuple(one) for one in controller.cases.covered(case) or people)
    wide = controller.identities.widen(people)
    if wide != tuple(tuple(one) for one in people) or controller.cases.covered(case) is not None:
        controller.cases.cover(case, wide)
    return wide


def refuse_role(request: Request) -> None:
    """Denied where the role may not answer for what the request leaves out or settles."""
    answered = (request.override, request.same_person, request.alone)
    if answered != (None, None, None) and request.role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{request.role}` may not "
            + ("leave out the check of who asks" if request.override else "settle who is meant"),
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )


def begun(
    controller: Controller,
    case: Case,
    actor: Actor,
    now: dt.datetime,
    counted: Clock,
    *,
    override: str | None,
) -> list[Entry]:
    """The entries of a case that was opened; `override` are the words, kept as a hash."""
    body = {
        "case": case.id,
        "right": case.right,
        "people": case.people,
        "actor": name(actor.role),
        # That there is evidence; what it says stays in the case.
        **({"verified": "evidence", "level": case.proof} if case.evidence else {}),
        "needs": case.needs,
        **({"ground": name(case.ground)} if case.ground else {}),
        "arrived": counted.arrived.isoformat(),
        "due": counted.due.isoformat(),
        "rule": name(counted.rule),
    }
    opened = Entry("case.opened", now, body)
    if not override:
        return [opened]
    return [opened, _overridden(controller, case.id, case.right, override, actor, now)]


def close_case(
    controller: Controller,
    case_id: str,
    outcome: Literal["refused", "withdrawn"],
    reason: str,
    actor: Actor,
    now: dt.datetime,
    *,
    code: str | None = None,
) -> Case:
    """End a case without carrying it out; the case as it then stands.

    `reason` are the words that the person is told, sealed in the case (GDPR Art. 12(4)); the
    ledger holds their keyed hash. A refusal also has the `code` of one of REFUSALS, and somebody
    of a role that answers for it. Raises Denied for any other role; UsageError without a reason,
    or where the case has ended or its execution has begun: then it can only be finished.
    """
    if outcome not in WITHOUT:
        raise UsageError(
            "there is no such end of a case", expected=f"one of {', '.join(sorted(WITHOUT))}"
        )
    if outcome == "refused" and actor.role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{actor.role}` may not refuse a request",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )
    if outcome == "refused":
        refusal(code or "")
    if not reason.strip():
        raise UsageError("no reason is given", fix="say in words why the case ends here")
    case = controller.cases.get(case_id)
    with controller.database.connection() as connection:
        case = controller.cases.end(
            case, WITHOUT[outcome], reason, actor, now, idle=idle(controller, case),
            code=code if outcome == "refused" else None, connection=connection,
        )  # fmt: skip
        body = {
            "case": case.id,
            "state": case.state.value,
            "reason": controller.digest(reason.encode()),
            "actor": name(actor.role),
            **({"code": case.refusal} if case.refusal else {}),
        }
        controller.ledger.append_in(connection, [Entry("case.moved", now, body)])
    return case


def by_herself(controller: Controller, case: Case) -> bool:
    """Whether the person took a case back herself, on her page, which says so at once."""
    last = controller.cases.events(case)[-1]
    return last.state is State.WITHDRAWN and last.actor.role == "person"


def idle(controller: Controller, case: Case) -> bool:
    """Whether a case has nothing to write: it is to read only, or nobody could be searched for."""
    right = RIGHTS[case.right]
    if right.writes:
        return not searched(controller, controller.cases.identifiers(case))
    return not right.chooses


def can_end(controller: Controller, case: Case, to: State) -> bool:
    """Whether a case can be refused or withdrawn (`close_case`)."""
    late = case.state is State.CHECKED and idle(controller, case)
    return to in TRANSITIONS[case.state] or late


def _settled(
    controller: Controller,
    case: Case,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    connection: Connection,
) -> None:
    """Record that somebody answers for records that name different people being hers, and why."""
    reason = request.same_person
    if reason is None:
        return
    controller.cases.same_person(case, reason, actor, now, connection=connection)
    entry = _overridden(controller, case.id, "same-person", reason, actor, now)
    controller.ledger.append_in(connection, [entry])


def _overridden(
    controller: Controller, case: str, verb: str, reason: str, actor: Actor, now: dt.datetime
) -> Entry:
    digest = controller.digest(reason.encode())
    body = {"case": case, "reason": digest, "verb": verb, "role": name(actor.role)}
    return Entry("override.used", now, body)


def follows(controller: Controller, case: Case) -> tuple[str, ...]:
    """The words after `kept rights` by which a case goes on, once it is known who asks."""
    right = RIGHTS[case.right]
    asked: tuple[str, ...] = ("--purpose", "…") if case.right in ("objection", "withdrawal") else ()
    asked = ("--ground", "…") if case.right == "restriction" else asked
    if receipts.to_weigh(controller, case):
        return ("weigh", "--case", case.id, "--outcome", "upheld", "--grounds", "…")
    if clock.in_force(case):
        step = "--told" if case.state is State.CHECKED else "--reason"
        return ("lift", "--case", case.id, step, "…")
    if case.state in (State.EXECUTING, State.EXECUTED, State.CHECKED):
        asked = ("--erase",) if case.right == "withdrawal" else asked
    elif case.right == "rectification":
        asked = ("--at", "…", "--value-file", "…")
    yes = ("--yes",) if (right.writes or right.chooses) and (case.evidence or case.override) else ()
    return (VERBS[case.right], "--case", case.id, *asked, *yes)


@contextmanager
def way_on(controller: Controller, case: Case) -> Iterator[None]:
    """Have what stands in the way of a case say how the case goes on when that is mended."""
    try:
        yield
    except (Obstructed, Busy) as problem:
        if case.id not in str(problem):
            mend = problem.fix or "mend what is named"
            if isinstance(problem, Busy):
                mend = "wait until that is done"  # begun anew it would be another case
            again = " ".join(follows(controller, controller.cases.get(case.id)))
            problem.fix = f"{mend}. Case {case.id} waits: go on with it by `kept rights {again}`"
        raise


def searched(controller: Controller, people: Sequence[Sequence[Identifier]]) -> bool:
    """Whether each was named by something that leads into a system of the company at all.

    What looked nowhere has found nothing out: no answer that rests on it is complete.
    """
    held = shape(controller.datamap).held
    return all(any(i.kind in held for i in one) for one in people)


def everywhere(controller: Controller, people: Sequence[Sequence[Identifier]]) -> bool:
    """Whether what was given leads into every dataset of the company that knows people."""
    return not reach(controller.datamap, people).told({SYSTEM.name})


def refuse_mixed(
    controller: Controller,
    case: Case,
    live: Mapping[Place, KeyTable],
    held: Held,
) -> None:
    """Refuse identifiers of which some lead to living rows only, others to retained ones only.

    Somebody who came back is found under one identifier both ways; two people named as one are
    not. Raises Ambiguous.
    """
    # By letter anybody can be asked about: that leads to no row of anybody.
    abilities = controller.abilities
    if not held or all(abilities[system].word for system, _ in live):
        return
    both: list[int] = []
    theirs = {who for groups in held.values() for table, _ in groups for who, _ in table.rows}
    # What is proven hers may lead anywhere; what was merely given may be two people's.
    for who, one in enumerate(controller.cases.identifiers(case)):
        if len(one) < 2 or who not in theirs:
            continue
        living = {
            i
            for i in one
            if any(not abilities[s].word for s, _ in controller.keys(controller.locate([[i]])))
        }
        retained = {i for i in one if controller.locator.find(case, [[i]])}
        if living and retained and living.isdisjoint(retained):
            both.append(who)
    if both:
        problem = Ambiguous(
            "some of what was given leads to one person, some to another whose data is"
            " retained; nothing was shown or changed",
            expected="identifiers of one person",
            fix="ask for each of them in a request of its own",
        )
        problem.who = tuple(both)
        raise problem


@dataclass(frozen=True, slots=True)
class Others:
    """Other open cases under the same identifiers: `linked` are the same person's; of the others,
    `unlinked` in number, nobody checked who asks, so that they say nothing of this one.
    """

    linked: tuple[Case, ...] = ()
    unlinked: int = 0


def also_open(controller: Controller, case: str) -> Others:
    """Other cases that name one of the same identifiers and have not ended, oldest first.

    Not by what two people can have in common: a name. Linked are those of which it is known who
    asks, and what the staff opened themselves: a flood of look-alikes, by form or by letter, links
    with nothing.
    """
    one = controller.cases.get(case)
    named = controller.cases.identifiers(one)
    strong = [i for one in named for i in one if i.kind not in WEAK]
    met = {c.id: c for i in strong for c in controller.cases.naming(i)}
    there = [met[i] for i in sorted(met) if i != case and met[i].state not in FINISHED]

    def sure(case: Case) -> bool:
        return case.evidence or case.override or not controller.intakes.of_case(case.id)

    linked = tuple(c for c in there if sure(one) and sure(c))
    return Others(linked, len(there) - len(linked))


def refilled(found: Located) -> tuple[str, ...]:
    """What a person has to look at: rows written over in an erasure and used again since.

    Whether it is the same person who came back no machine can tell; what that erasure kept is
    not hers to see before somebody has.
    """
    return tuple(
        f"{rows} of the rows found in `{dataset}` of `{system}` were written over in an earlier"
        " erasure and are in use again; what that erasure kept is not shown here: a person has to"
        " look whether it is hers"
        for (system, dataset), rows in sorted(found.refilled.items())
    )


def step_document(step: StepResult) -> dict[str, Any]:
    """A step as JSON, as the command line and the API show it."""
    reason = step.reason
    return {
        "store": step.store,
        "dataset": step.dataset,
        "action": step.action.value,
        "found": step.counts.found,
        "changed": step.counts.changed,
        "retained": step.counts.retained,
        "isolated": step.counts.isolated,
        "verified": step.verified,
        "word": step.word,
        "reason": reason.words if reason else None,
        "law": reason.law if reason else None,
        "until": reason.until.isoformat() if reason and reason.until else None,
        "clause": reason.clause if reason else None,
        "problem": step.problem,
    }


#: How it was found out who asks, as what came by the public pages writes it down.
HOW: Final = (
    "the browser that asked held the site's live cookie on {day} at {time} UTC",
    "a code of eight digits, sent to the e-mail address of the request, was typed in on {day} at"
    " {time} UTC",
    "whoever asks for the person confirmed with a code of their own",
    "whoever wants no advertising need not prove who it is",
    "whoever wants no sale of data need not prove who it is",
    "the agent {agent} of the directory attested on {day} at {time} UTC, under its signature, that"
    " it verified this: {kinds}",
)


def verification(controller: Controller, case: Case) -> str:
    """How it was checked who asked, in words for the answer."""
    evidence = controller.cases.words(case).evidence
    if evidence:
        how = [say("; ".join(tongues.retold(one, HOW) for one in evidence.split("; ")))]
        # What was found out besides rests on each of the ways, and she is to know of all of them.
        ways = [one.way for one in controller.cases.proofs(case)]
        how += [say(proof.WAYS[w].means) for w in dict.fromkeys(ways[1:]) if w != ways[0]]
        return say("Yes. How: {how}", how=sentence("; ".join(how)))
    if evidence is not None:  # struck out, with all that the case knew of her
        return say("Yes. How is not on record any more.")
    if not case.override:
        return say("No. Until now it was not checked.")
    return say(
        "No. Who asked was not checked; somebody of the organisation answered for it."
    )  # fmt: skip


def sentence(words: str) -> str:
    """Words that somebody wrote down, as a sentence: a capital at its beginning, a stop after."""
    text = capital(words.strip())
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def capital(words: str) -> str:
    """The words with a capital at their beginning."""
    return words[:1].upper() + words[1:]


def _normalised(people: Sequence[Sequence[Identifier]]) -> list[set[tuple[str, str]]]:
    return [{(i.kind, i.normalised) for i in one} for one in people]
