"""One case on one page: who asks, until when, what would happen, what happened, what to do next."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from markupsafe import Markup

from kept.app.desk.asked import heard
from kept.app.desk.guard import Asked, form, session
from kept.app.desk.render import back, page, said
from kept.app.desk.start import STATES, UNKNOWN, WAITS
from kept.app.desk.working import actor, counting, may, nearness, sentences
from kept.app.pages import day_words
from kept.app.surface import CASES, SHOWN
from kept.controller import Controller
from kept.duties import holds, staff
from kept.duties.rights import (
    casework,
    clock,
    delivery,
    derived,
    keeping,
    mailing,
    paper,
    parts,
    proving,
    redaction,
)
from kept.duties.rights.choice import beyond, law_in
from kept.duties.rights.covering import decided_since
from kept.duties.rights.language import chosen
from kept.duties.rights.letter import answer_case
from kept.duties.rights.planning import undecided
from kept.duties.rights.receipts import BEFORE, inapplicable, not_asked, to_weigh
from kept.duties.rights.recipients import informed
from kept.duties.rights.request import VERBS, by_herself, can_end
from kept.duties.rights.restriction import GROUNDS
from kept.duties.rights.shown import gathered, problems, summed
from kept.errors import KeptError, UsageError
from kept.model.plan import Action
from kept.records.case import Case
from kept.records.case_state import FINISHED, StepRecord, StepState
from kept.records.case_state import State as CaseState
from kept.records.clock import Clock
from kept.records.declared import SYSTEM
from kept.records.redaction import Stands
from kept.stores.tasks import Outcome
from kept.terms import proof, separation
from kept.terms.authorities import authority_of, countries
from kept.terms.authorities import language as spelt_as
from kept.terms.clock_rules import EXTENSIONS, PAUSES
from kept.terms.refusals import REFUSALS, refusal
from kept.terms.regimes import period_words
from kept.terms.rights import CHILD, ERASURE_GROUNDS, RIGHTS

#: How a state is said of a case that came through it.
_CAME: Final = {
    CaseState.RECEIVED: "came in", CaseState.ACKNOWLEDGED: "she was told that it has come",
    CaseState.IDENTIFIED: "it was checked who asks", CaseState.PLANNED: "was looked at",
    CaseState.APPROVED: "was approved", CaseState.EXECUTING: "was begun",
    CaseState.EXECUTED: "was carried out", CaseState.CHECKED: "was read back",
    CaseState.NOTIFIED: "she was told",
    CaseState.AWAITING: "all is done and others were told or asked",
    CaseState.CLOSED: "was closed",
    CaseState.REFUSED: "was refused", CaseState.WITHDRAWN: "was taken back",
}  # fmt: skip
_UNTOLD: Final = "no mail server took the letter that it has come: she is still to be told"
_DOES: Final = {
    Action.READ: "read", Action.DELETE: "deleted", Action.OVERWRITE: "overwritten",
    Action.ANONYMISE: "made nobody’s", Action.REDACT: "name taken out",
    Action.RETAIN: "stays", Action.ISOLATE: "locked away",
}  # fmt: skip
_STEPS: Final = {
    StepState.PLANNED: "to do", StepState.BEGUN: "under way", StepState.DONE: "done, not read back",
    StepState.FAILED: "not done",
}  # fmt: skip
_MOVED: Final = {
    "started": "counting began", "extended": "more time was taken", "paused": "it stood still",
    "resumed": "it went on", "arrived": "it came on another day", "placed": "she is elsewhere",
    "recounted": "counted anew by a newer rule", "reminded": "somebody was reminded",
    "posted": "the answer went out", "acknowledged": "she was told that it has come",
}  # fmt: skip
#: How it stands with what is left out of a package, and the commands of those who see the texts.
LEFT_OUT: Final = {
    None: "nobody has begun", Stands.OPEN: "being worked on",
    Stands.HANDED: "waits to be approved", Stands.APPROVED: "approved",
    Stands.LEFT: "something was left in the files", Stands.ACCEPTED: "what was left is accepted",
    Stands.OUT: "handed out",
}  # fmt: skip
SEES_TEXTS: Final = ("case redact", "case approve")
#: What is said where something is still to be made anew.
ANEW: Final = "waits for what is made anew"
_WRITTEN: Final = Markup(
    'The letter is written. <a href="#letter">Read it below</a>, then send it.'
)


@get("/cases/{case:str}", sync_to_thread=True)
def case_page(request: Asked, state: State, case: FromPath[str]) -> Response[str]:
    """A case without a name of a person. That somebody opened it is counted."""
    one = found(state, case)
    staff.noted(state.controller, actor(request, state), [one.id], 0, state.clock())
    return shown(request, state, one)


@post("/cases/{case:str}/show", status_code=200, sync_to_thread=True)
def show(request: Asked, state: State, case: FromPath[str]) -> Response[str]:
    """The case with whom it names, and what was said and noted. Entered before it is shown."""
    one, controller = found(state, case), state.controller
    staff.shown(controller, session(request).account, actor(request, state), ("case", one.id),
                one.people, state.clock())  # fmt: skip
    words = controller.cases.words(one)
    named = controller.cases.identifiers(one)
    reasons = [
        (e.words, e.actor.name, e.at) for e in controller.cases.events(one)
        if e.words and e.words not in (words.evidence, words.override)
    ]  # fmt: skip
    opened = {
        "named": named, "words": words, "notes": controller.casework.notes(one),
        "reasons": reasons,
        "told": [(c.words, c.at) for c in controller.clocks.changes(one) if c.words],
        "asked": [heard(controller, came) for came in controller.intakes.of_case(one.id)],
    }  # fmt: skip
    return shown(request, state, one, opened=opened)


@post("/cases/{case:str}/answer", status_code=200, sync_to_thread=True)
def answer(request: Asked, state: State, case: FromPath[str]) -> Response[str]:
    """The case with the letter to the person, made of its record. Entered before it is shown."""
    one, controller, sent = found(state, case), state.controller, form(request)
    try:
        who = actor(request, state, "case answer")
        where, part = country(sent.one("country"))
        staff.shown(controller, session(request).account, who, ("case", one.id), one.people,
                    state.clock())  # fmt: skip
        made = answer_case(
            controller, one.id, state.clock(), role=who.role, country=where,
            subdivision=part, language=chosen(controller, sent.one("language")),
        )  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    letter = {"text": made.text(), "digest": controller.digest(made.text().encode()),
              "language": made.language, "country": sent.one("country"),
              "chosen": sent.one("language")}  # fmt: skip
    return shown(request, state, one, letter=letter, done=_WRITTEN)


@post("/cases/{case:str}/note", status_code=303, sync_to_thread=True)
def note(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Add a note for the staff."""
    one = found(state, case)
    try:
        casework.note(state.controller, one.id, form(request).one("words"),
                      actor(request, state), state.clock())  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "note")


@post("/cases/{case:str}/owner", status_code=303, sync_to_thread=True)
def owner(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Make the case one's own task, another's, or nobody's."""
    one, controller, now = found(state, case), state.controller, state.clock()
    to = form(request).one("to")
    try:
        account = controller.accounts.of(to, now) if to else None
        casework.give(controller, one.id, account, now)
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "owner")


def country(given: str) -> tuple[str | None, str | None]:
    """(country, part of it) where she lives, as a form has it. UsageError."""
    where, _, part = given.strip().upper().partition("-")
    if where and where not in countries():
        raise UsageError(
            "the country is none of the list of authorities",
            expected=f"two letters, as {', '.join(list(countries())[:3])}, or nothing",
        )
    return where or None, part or None


def found(state: State, case: str) -> Case:
    """The case of a path; NotFoundException where there is none."""
    controller: Controller = state.controller
    try:
        return controller.cases.get(case)
    except UsageError:
        raise NotFoundException from None


def shown(
    request: Asked, state: State, one: Case, problem: str | None = None,
    *, opened: dict[str, Any] | None = None, letter: dict[str, str] | None = None,
    handed: dict[str, Any] | None = None, done: str | None = None,
    typed: Mapping[str, Any] | None = None,
) -> Response[str]:  # fmt: skip
    """The page of a case as it stands. `opened` holds what is sealed, where it was asked for,
    `letter` the answer to her, and `handed` a link or a code that is shown once; `done` says what
    was done where no address says it, `typed` what was typed in and not taken.
    """
    controller: Controller = state.controller
    now = state.clock()
    one = controller.cases.get(one.id)
    counted = controller.clocks.of(one)
    looked = controller.casework.looked_at(one)
    steps = controller.cases.steps(one)
    tasks = [(t, casework.stands(t, now), casework.sayable(t))
             for t in casework.tasks(controller, one)]  # fmt: skip
    run = controller.casework.run(one)
    verb = VERBS.get(one.right)
    roles = counting(request, state, one)
    lets = partial(may, request, roles=roles)
    told_her = clock.told_on(controller, [one], now).get(one.number)
    under_way = run is not None and run.going_on(now)
    owner_of = controller.worklist.owner(one)
    acknowledged = clock.acknowledged(controller, one)
    waits = (Outcome.CANNOT, None)
    noted = controller.recipients.of([one.number])
    to_answer = sum(n.outcome in waits for n in noted if n.place is None)
    told, anew = informed(controller, one), derived.stands(controller, one)
    to_make = sum(a.left for a in anew)
    waiting = casework.waits_for_recipients(controller, one)
    accounts = [a for a in controller.accounts.all(now)
                if a.disabled_at is None and a.roles & casework.OWNS]  # fmt: skip
    unasked = not_asked(controller, one)
    fresh = one.state in casework.FRESH
    mails, papers = controller.mailed.of(one), controller.papers.of(one)
    behind = delivery.behind_links(controller, one)
    here = delivery.at_desk(controller, one, now)
    asker = proving.standing(controller, one)
    may_act = verb is not None and lets(f"rights {verb}")
    answers = one.state not in BEFORE
    moves = counted is not None and not clock.answered(one)
    due, more = casework.due(controller, one), casework.more(controller, one)
    mine = session(request).account.name
    ready = not under_way and casework.can_carry_out(controller, one, looked)
    return page(
        request, "desk_case.html.j2", 400 if problem else 200, problem=problem,
        done=done, case=one,
        right=RIGHTS.get(one.right),
        stands=_stands(
            one, to_answer, to_make, waiting, asked_all=not unasked, known=asker.enough
        ),
        to_answer=to_answer, to_make=to_make, anew=anew, to_wait=waiting, not_asked=unasked,
        copy_owed=delivery.copy_owed(controller, one),
        letter_went=mailing.letter_went(controller, one),
        over=one.state in FINISHED, came_of=clock.came_of(one), herself=by_herself(controller, one),
        known=one.evidence or one.override, proof=asker,
        proofs=controller.cases.proofs(one), levels=proof.LEVELS, ways=proof.WAYS,
        recorded=[proof.WAYS[w] for w in proof.RECORDED],
        questions=proving.questions(controller) if proving.asked(controller, one) else {},
        tries=controller.cases.tries_left(one),
        tasks=tasks,
        asked_of=sum(isinstance(t.action, Action) and bool(says) for t, _, says in tasks),
        became=casework.became,
        came=controller.intakes.of_case(one.id), typed=typed or {},
        copies=[{"id": c.id, "title": RIGHTS[c.right].title}
                for c in casework.copies_before(controller, one)],
        opened=opened, letter=letter, handed=handed, no_mail=mailing.why_not(controller, one),
        mails=mails, too_early=clock.too_early,
        answering=[m for m in mails if mailing.answers(one, m)], unsent=any(
            u.case == one.id and u.kind == "answer" for u in controller.mailed.unsent()
        ), behind=behind, over_by_now={d.id for d in behind if d.over(now)},
        unfetched=delivery.never_fetched(controller, one, now),
        told_her=told_her is not None,
        waits=here if may_act and one.state in FINISHED else None, lies_here=here is not None,
        refusals=[replace(r, law=law_in(controller, one, r.law)) for r in REFUSALS.values()],
        papers=papers,
        home=bool(paper.where_to(controller, one)),
        clock=_clock(controller, one, counted, told_her, acknowledged, now),
        looked=looked, at=_moment(looked), sentences=sentences(controller),
        steps=_summed(controller, steps), read_back=sum(s.verified for s in steps),
        of=sum(s.state is not StepState.LEFT for s in steps),
        step_problems=problems([s.result() for s in steps]),
        complaints=controller.complaints.of_case(one.number),
        doubts=undecided(controller, one),
        standing=one.ground == CHILD and one.state is CaseState.CHECKED
        and decided_since(controller, one),
        held=keeping.of_case(controller, one, now) if one.state in FINISHED else [],
        told=told, events=_events(controller, one), run=run,
        under_way=under_way, notes=controller.casework.how_many_notes(one),
        owner=next((a for a in accounts if a.number == owner_of), None), accounts=accounts,
        grounds=GROUNDS if one.right == "restriction" else ERASURE_GROUNDS,
        purposes=_purposes(controller), extensions=EXTENSIONS, pauses=PAUSES,
        languages=[(c, spelt_as(c.partition("-")[0])) for c in controller.bundle.languages],
        today=controller.day(now).isoformat(), packs=one.right in casework.PACKS,
        works=one.right in casework.WORKS, needs_approval=one.right in casework.APPROVED,
        why_not=_why_not(request, controller, one, looked), due=due,
        why_not_erase=controller.stands_against(one, mine, casework.destroys(controller, one))
        if due or more
        else "",
        more=more, drew=controller.cases.waits(one).by, planned=len(steps),
        alone_may=not separation.never(mine, controller.did(one)),
        leaving=_leaving(lets, state, one) if roles & CASES else None,
        places=_places(controller), clauses=holds.allowing(controller.bundle),
        beyond=beyond(controller, inapplicable(controller, one)),
        apart=[(parts.called(controller, p), law_in(controller, one, refusal(p.code).law))
               for p in controller.parts.of(one)],
        can={
            "look": fresh and not under_way and one.right in casework.WORKS and may_act,
            "approve": one.state is CaseState.PLANNED and looked is not None
            and bool(looked["plan"]) and lets("rights erase"),
            "carry": ready and may_act,
            "go_on": ready and not fresh,
            "erase": bool(due) and ready and lets("rights erase"),
            "pack": one.right in casework.PACKS and one.state not in FINISHED and may_act,
            "evidence": not asker.enough and one.state not in FINISHED
            and lets("request verify"),
            "confirm": one.right == "rectification" and fresh and controller.post is not None
            and lets("case confirm"),
            "tell": bool(proving.questions(controller)) and proving.asked(controller, one)
            and one.proof < proof.FACTS and lets("case tell"),
            "task": lets("task send"),  # of all of these, also what recipients were told
            "acknowledge": counted is not None and one.state is not CaseState.WITHDRAWN
            and lets("case acknowledge") and clock.to_date(controller, one, counted),
            "clock": moves and lets("case extend"),
            "refuse": can_end(controller, one, CaseState.REFUSED) and lets("case refuse"),
            "part": one.right in parts.PACKED and one.state in parts.BEFORE
            and lets("case refuse"),
            "keep": one.right == "erasure" and fresh and lets("hold add"),
            "withdraw": can_end(controller, one, CaseState.WITHDRAWN)
            and lets("case withdraw"),
            "answer": answers and lets("case answer"),
            "mail": answers and lets("case answer"),
            "deliver": one.right in casework.PACKS and lets("case deliver"),
            "code": lets("case code"),
            "letters": lets("case posted"),
            "paper": lets("case letter")
            and (answers or (moves and lets("case extend"))),
            "weigh": to_weigh(controller, one) and not unasked and lets("rights weigh"),
            "notify": one.right == "restriction" and one.state is CaseState.CHECKED
            and not unasked and lets("rights lift"),
            "lift": one.right == "restriction" and one.state is CaseState.NOTIFIED
            and lets("rights lift"),
            "show": bool(roles & SHOWN),
        },
    )  # fmt: skip


def _leaving(lets: Callable[[str], bool], state: State, one: Case) -> dict[str, Any] | None:
    """What the page of a case says of it; None where nobody looks at its texts."""
    stands = state.controller.redactions.of(one)
    if one.right not in redaction.PACKED:
        return None
    if stands is None and not redaction.wanted(state.controller, state.clock()):
        return None
    return {
        "words": LEFT_OUT[stands.state if stands else None],
        "sees": any(lets(command) for command in SEES_TEXTS),
        "passed": stands is not None and stands.state in (Stands.APPROVED, Stands.ACCEPTED),
    }


def _places(controller: Controller) -> list[tuple[str, str]]:
    """Where data of people lies, to choose a place: (as the map names it, in words)."""
    found = []
    for system in controller.datamap.systems.values():
        if system.name == SYSTEM.name:
            continue
        title = system.title or system.name
        found.append((system.name, f"{title}: all of it"))
        found += [
            (f"{system.name}.{d.name}", f"{title}: {d.title or d.name}")
            for d in system.datasets.values()
            if d.personal
        ]
    return found


def _why_not(
    request: Asked, controller: Controller, one: Case, looked: dict[str, Any] | None
) -> str:
    """Why whoever asks may not approve the plan; empty where he may."""
    if looked is None:
        return ""
    return controller.stands_against(one, session(request).account.name, looked["rows"])


def _stands(
    one: Case, to_answer: int, to_make: int, waits: bool, *, asked_all: bool, known: bool
) -> str:  # fmt: skip
    """How it stands, in words; `to_answer`: so many recipients have not answered; `to_make`: in so
    many places something is to be made anew; `waits`: for nothing but that; `asked_all`: every
    system answered; `known`: well enough who asks.
    """
    if waits:
        # Of a child not all is done: its case forgets it only then.
        done = one.state is CaseState.AWAITING
        whom = ([WAITS] if to_answer or not to_make else []) + ([ANEW] if to_make else [])
        return f"all done, {' and '.join(whom)}" if done else WAITS
    if one.state is CaseState.CLOSED and to_answer:
        return "closed, recipients still to answer"
    if one.state is CaseState.CLOSED and to_make:
        return "closed, something still to be made anew"
    if clock.in_force(one):
        return "in force" if asked_all else "in force for what was given"
    if one.right == "objection" and one.state is CaseState.CHECKED:
        return "in force, to be weighed" if asked_all else "in force for what was given"
    ended = {CaseState.CLOSED: clock.came_of(one) or "closed", CaseState.REFUSED: "refused",
             CaseState.WITHDRAWN: "taken back"}  # fmt: skip
    if one.state is CaseState.IDENTIFIED and not known:
        return UNKNOWN
    return ended.get(one.state) or STATES.get(one.state) or one.state.value


def _moment(looked: dict[str, Any] | None) -> dt.datetime | None:
    return None if looked is None else dt.datetime.fromisoformat(looked["at"])


def _clock(
    controller: Controller, one: Case, counted: Clock | None, told_her: dt.date | None,
    acknowledged: bool, now: dt.datetime,
) -> dict[str, Any] | None:  # fmt: skip
    """The clock in words: until when, by which rule, and what moved it."""
    if counted is None:
        return None
    over = clock.answered(one)
    told = told_her if over else None
    return {
        "of": counted, "rule": counted.row, "over": over, "told": told,
        "late": (told or controller.day(now)) > counted.due,
        "unheard": not acknowledged,
        "near": None if over else nearness(clock.standing(controller, one, counted, now)),
        "due": day_words(counted.due, controller),
        "arrived": day_words(counted.arrived, controller),
        "first_due": day_words(counted.first_due, controller),
        "confirm": day_words(counted.confirm_by, controller) if counted.confirm_by else None,
        "promise": period_words(counted.promise) if counted.promise else None,
        "where": counted.region if authority_of(counted.region, region=counted.region).certain
        else None,
        "paused_for": PAUSES.get(counted.paused_for or ""),
        "changes": [
            (_MOVED.get(c.act, c.act), c.reason, c.after_due, c.actor.name if c.actor else "Kept",
             c.at)
            for c in controller.clocks.changes(one)
        ],
    }  # fmt: skip


def _summed(controller: Controller, steps: list[StepRecord]) -> list[tuple[tuple[str, ...], Any]]:
    def state(s: StepRecord) -> str:
        if s.state is StepState.LEFT:
            if s.problem:
                return f"left: {s.problem}"
            return f"left: she agreed again on {day_words(controller.day(s.at), controller)}"
        return "read back" if s.verified else _STEPS[s.state]

    return summed(
        steps,
        lambda s: (gathered(s.system, s.dataset), _DOES[s.action], state(s)),
        lambda s: replace(s.counts, found=s.planned),
    )


def _events(controller: Controller, one: Case) -> list[tuple[dt.datetime, str, str, str]]:
    """States that one act went through at one moment stand together."""
    events = controller.cases.events(one)
    return [
        (
            at,
            ", ".join(_UNTOLD if e.state is CaseState.RECEIVED and e is not events[0]
                      else _CAME[e.state] for e in those),
            who.name, who.role,
        )
        for (at, who), those in itertools.groupby(events, lambda e: (e.at, e.actor))
    ]  # fmt: skip


def _purposes(controller: Controller) -> list[tuple[str, str]]:
    """Purposes that something is done for under this policy, with those above them."""
    bundle = controller.bundle
    served = {a.purpose for a in bundle.activities.values()}
    within = bundle.vocabulary.within
    return [
        (p, term.label)
        for p, term in sorted(bundle.vocabulary.purposes.items())
        if any(within("purposes", one, p) for one in served)
    ]


HANDLERS: Final = [case_page, show, answer, note, owner]
