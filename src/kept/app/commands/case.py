"""`kept case`: the requests of people and how far each has come."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from kept.app.commands import clock, working
from kept.app.commands.after import astray, ends
from kept.app.commands.clock import Time
from kept.app.commands.common import ACTING, COMMON, Acting, Common, moment, opened, said
from kept.app.commands.people import shown
from kept.app.commands.rights import NOT_DONE, made_anew, recipients_told
from kept.app.fit import Exact
from kept.app.output import table
from kept.controller import Controller
from kept.controller.execute import BY_MODE
from kept.duties.rights import casework, close_case, delivery, derived, mailing, proving
from kept.duties.rights.choice import beyond
from kept.duties.rights.clock import came_of, in_force, told_on, too_early
from kept.duties.rights.covering import decided_since
from kept.duties.rights.parts import PACKED, refuse_part
from kept.duties.rights.planning import undecided
from kept.duties.rights.receipts import Receipts, inapplicable, not_asked, to_weigh
from kept.duties.rights.recipients import informed
from kept.duties.rights.request import VERBS, by_herself, follows
from kept.duties.rights.shown import gathered, problems, summed
from kept.errors import UsageError
from kept.records.bulk import OVER
from kept.records.case import Case, State
from kept.records.case_state import FINISHED, Event, StepRecord, StepState
from kept.records.outbox import GIVEN_UP, REPLACED, SENT
from kept.terms.refusals import REFUSALS, refusal
from kept.terms.rights import CHILD
from kept.terms.words import many

Reason = Annotated[
    str, Parameter(help="in words for the person: the letter says them; kept in the case, sealed")
]

#: What went to her by mail, and what became of it.
_MAILED = {"answer": "The answer by mail", "link": "The link to her package by mail"}
_BECAME = {
    None: "waits in the outbox", SENT: "went out", GIVEN_UP: "could not be sent in time",
    REPLACED: "did not go: a newer letter took its place",
}  # fmt: skip
#: What is on paper.
_PAPERS = {"answer": "The answer on paper", "more-time": "On paper that it takes longer"}

group = App(name="case", help="The requests of people and how far each has come.")
clock.register(group)
working.register(group)


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command(name="list")
def list_command(
    *,
    state: Annotated[str | None, Parameter(help="only cases in this state")] = None,
    sort: Annotated[
        Literal["opened", "due"],
        Parameter(help="oldest first, or what is to be answered first"),
    ] = "opened",
    now: Annotated[
        str | None, Parameter(help="the moment to look at it from, ISO 8601 (default: now)")
    ] = None,
    common: Common = COMMON,
) -> int:
    """All cases, each with the day until which it is to be answered and how near that is."""
    at = moment(now)
    try:
        wanted = State(state) if state else None
    except ValueError:
        raise UsageError(
            "there is no such state", expected=f"one of {', '.join(s.value for s in State)}"
        ) from None
    with opened(common) as (controller, _):
        cases = controller.cases.all(wanted)
        runs = [] if wanted else controller.bulks.all()
        through = {r.id: sum(n for one, n in controller.bulks.tally(r).items() if one in OVER)
                   for r in runs}  # fmt: skip
        found = controller.clocks.many([c.number for c in cases])
        loops = {id_: (n, anew) for id_, _, n, anew, _ in controller.recipients.open_loops()}
        told = told_on(controller, cases, at)
        owed = {u.id for u in controller.worklist.untold(at, controller.desk.zone, None)[0]}
        times = {
            c.id: Time.of(
                controller, c, found.get(c.number), at, told.get(c.number), untold=c.id in owed
            )
            for c in cases
        }
    if sort == "due":
        cases.sort(key=lambda c: (times[c.id].over, times[c.id].due or dt.date.max, c.number))
    rows = [(c.id, c.right, _stands(c), c.people, _complete(c, *loops.get(c.id, (0, 0))),
             f"{c.opened_at:%Y-%m-%d %H:%M}", times[c.id].due or "–", times[c.id].words)
            for c in cases]  # fmt: skip
    head_ = ("case", "right", "state", "#people", "complete", "opened", "due", "light")
    words: list[str] = [table(head_, rows)] if rows else ["No cases."]
    if runs:
        lists = [(r.id, r.right, r.state, through[r.id], r.people,
                  f"{r.opened_at:%Y-%m-%d %H:%M}") for r in runs]  # fmt: skip
        head = ("run over a list", "right", "state", "#done", "#people", "opened")
        words = [table(head, lists), "", *words]
    documents = [
        {"run": r.id, "right": r.right, "state": r.state.value, "people": r.people,
         "done": through[r.id], "opened_at": r.opened_at.isoformat()}
        for r in runs
    ]  # fmt: skip
    listed = [
        {
            **_document(c),
            **times[c.id].document(),
            "recipients_to_answer": loops.get(c.id, (0, 0))[0],
            "to_make_anew": loops.get(c.id, (0, 0))[1],
        }
        for c in cases
    ]
    common.out.result({"cases": listed, "runs": documents}, words)
    return 0


@group.command
def show(
    case: str,
    /,
    *,
    show: Annotated[
        bool,
        Parameter(
            help="also the identifiers that the case names, and notes; of a run all its lines",
            negative="",
        ),
    ] = False,
    now: Annotated[
        str | None, Parameter(help="the moment to look at it from, ISO 8601 (default: now)")
    ] = None,
    common: Common = COMMON,
) -> int:
    """One case: who carried it out, what became of each step, what is left to do."""
    with opened(common) as (controller, _):
        run = controller.bulks.find(case)
        if run is not None:
            common.out.result(*shown(controller, common, run, every=show))
            return 0
        one = controller.cases.get(case)
        after = _next(controller, one, common)
        steps = controller.cases.steps(one)
        events = controller.cases.events(one)
        told, anew = informed(controller, one), derived.stands(controller, one)
        mails, papers = controller.mailed.of(one), controller.papers.of(one)
        behind = delivery.behind_links(controller, one)
        over = {d.id: d.over(moment(now)) for d in behind}
        named = controller.cases.identifiers(one) if show else []
        had = told_on(controller, [one], moment(now)).get(one.number)
        time = Time.of(
            controller, one, controller.clocks.of(one), moment(now), had,
            untold=had is None and not by_herself(controller, one),
        )  # fmt: skip
        if one.state in FINISHED and had is None and not by_herself(controller, one):
            after = _to_tell(controller, one, common)
        changes = controller.clocks.changes(one)
        proof, proofs = proving.standing(controller, one), controller.cases.proofs(one)
        tasks = casework.tasks(controller, one)
        looked = controller.casework.looked_at(one)
        owner = controller.worklist.owner(one)
        accounts = controller.accounts.all(moment(now))
        whose = next((a.name for a in accounts if a.number == owner), None)
        notes = controller.casework.notes(one) if show else []
        many_notes = controller.casework.how_many_notes(one)
        came = [i.id for i in controller.intakes.of_case(one.id)]
        past_reach = beyond(controller, inapplicable(controller, one))
    document: dict[str, Any] = {
        **_document(one),
        **time.document(changes),
        "actor": {"name": one.actor.name, "role": one.actor.role},
        "verified": one.evidence,
        "override": one.override,
        "proof": {
            **proof.document(),
            "ways": [
                {"way": p.way, "level": p.level, "role": p.actor.role, "at": p.at.isoformat()}
                for p in proofs
            ],
        },
        "owner": whose,
        "notes": many_notes,
        "requests": came,
        "looked_at": working.looked_document(looked),
        "tasks": [
            {
                "task": t.id,
                "store": t.system,
                "dataset": t.dataset,
                "action": t.action.value,
                "due_at": t.due.isoformat() if t.due else None,
                "reminders": len(t.reminded),
                "state": casework.stands(t, moment(now)),
            }
            for t in tasks
        ],
        "inapplicable": [
            {"purpose": purpose, "grounds": list(grounds)} for purpose, _, grounds in past_reach
        ],
        "told": [t.document() for t in told],
        "anew": [a.document() for a in anew],
        "mailed": [
            {
                "kind": m.kind,
                "at": m.put_at.isoformat(),
                "outcome": m.outcome or "waits",
                "ended_at": m.ended_at.isoformat() if m.ended_at else None,
            }
            for m in mails
        ],
        "letters": [
            {
                "letter": p.id,
                "kind": p.kind,
                "made_at": p.made_at.isoformat(),
                "posted_on": p.posted_on.isoformat() if p.posted_on else None,
            }
            for p in papers
        ],
        "packages": [
            {
                "made_at": d.made_at.isoformat(),
                "ends_at": d.ends_at.isoformat(),
                "outcome": d.outcome,
                "fetched": d.fetched,
                "allowed": d.allowed,
            }
            for d in behind
        ],
        "steps": [
            {
                "store": s.system,
                "dataset": s.dataset,
                "action": s.action.value,
                "state": s.state.value,
                "planned": s.planned,
                "found": s.counts.found,
                "changed": s.counts.changed,
                "retained": s.counts.retained,
                "isolated": s.counts.isolated,
                "verified": s.verified,
                "attempts": s.attempts,
                "until": s.reason.until.isoformat() if s.reason and s.reason.until else None,
                "clause": s.reason.clause if s.reason else None,
                "problem": s.problem,
            }
            for s in steps
        ],
        "events": [
            {"state": e.state.value, "role": e.actor.role, "at": e.at.isoformat()} for e in events
        ],
    }
    if show:
        document["identifiers"] = [[{"kind": i.kind, "value": i.value} for i in p] for p in named]
    words: list[str] = [
        f"Case {one.id}: {one.right}, {_stands(one)}, {one.people} "
        + ("person" if one.people == 1 else "people"),
        "Who asks: "
        + ("checked" if one.evidence else "not checked" + (", overridden" if one.override else "")),
        *proof.lines(),
        f"Task of {whose or 'nobody'}; {many(many_notes, 'note')} of the staff.",
        *(f"What she wrote: {common.next('request', 'show', id_, '--show')}" for id_ in came),
        *time.lines(changes),
        "",
        table(("when", "state", "who", "role"), _moments(events)),
    ]  # fmt: skip
    if steps:
        words += [
            "",
            table(
                ("where", "action", "state", "#planned", "#changed", "#retained", "#isolated"),
                [
                    (*row, c.found, c.changed, c.retained, c.isolated)
                    for row, c in summed(
                        steps,
                        lambda s: (gathered(s.system, s.dataset), s.action.value, _state(s)),
                        lambda s: replace(s.counts, found=s.planned),
                    )
                ],
            ),
        ]
        words += problems([s.result() for s in steps])
    if looked is not None and one.state not in FINISHED:
        words += ["", *working.looked_lines(looked)]
    if tasks:
        head = ("task of people", "where", "to do", "due", "#reminders", "state")
        words += ["", table(head, working.task_rows(tasks, moment(now)))]
    words += [
        f"Nobody can object to: {what} ({', '.join(grounds).lower() or 'nothing is done for it'})"
        for _, what, grounds in past_reach
    ]
    words += recipients_told(told) + made_anew(anew)
    words += [
        f"{_letter(_MAILED, m.kind, one, m.put_at)}, {m.put_at:%Y-%m-%d %H:%M}:"
        f" {_BECAME[m.outcome]}"
        for m in mails
    ]
    words += [
        f"{_letter(_PAPERS, p.kind, one, p.made_at)}, letter {p.id} of {p.made_at:%Y-%m-%d}: "
        + (f"went out on {p.posted_on}" if p.posted_on else "not entered as sent")
        for p in papers
    ]
    words += [
        f"Her package behind a link, {d.made_at:%Y-%m-%d %H:%M}: "
        + (
            f"fetched {d.fetched} of {d.allowed} times"
            if d.fetched or not over[d.id]
            else "never fetched"
        )
        + (
            f"; ended {end:%Y-%m-%d} ({d.outcome or 'expired'})"
            if (end := over[d.id])
            else f", waits until {d.ends_at:%Y-%m-%d}"
        )
        for d in behind
    ]
    words += [f"{n.at:%Y-%m-%d %H:%M} {n.actor.name}: {n.words}" for n in notes]
    for person in named:
        words += [Exact(f"{i.kind}={i.value}") for i in person]
    words += after
    common.out.result(document, words)
    return 0


@group.command
def refuse(
    case: str,
    /,
    *,
    reason: Annotated[str, Parameter(help=f"one of {', '.join(REFUSALS)}")],
    words: Reason,
    part: Annotated[
        str | None,
        Parameter(help="refuse this part only, SYSTEM or SYSTEM.DATASET, and go on with the rest"),
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """End a case that is not carried out: the organisation refuses it, and says why.

    What the law says of the reason, where to complain and the way to a court stand in the letter
    (`kept case answer`). That nothing is held is no refusal.
    """
    why, code = said(words, "--words"), refusal(reason).code
    if part is None:
        return _end("refused", case, why, acting, common, code)
    now = acting.moment
    with opened(common, "case refuse", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        made = refuse_part(controller, case, part, code, why, actor, now)
        again = common.next("rights", *follows(controller, controller.cases.get(case)))
        controller.ledger.checkpoint(now)
    common.out.result(
        {"case": case, "system": made.system, "dataset": made.dataset or None, "code": code},
        ["That part is refused; the rest is not.", f"To go on: {again}"],
    )
    return 0


@group.command
def withdraw(
    case: str, /, *, reason: Reason, acting: Acting = ACTING, common: Common = COMMON
) -> int:
    """End a case that is not carried out: the person no longer asks, or it was opened in error.

    She is told with your reason: at once by mail where she proved an address hers.
    """
    return _end("withdrawn", case, said(reason, "--reason"), acting, common)


def _end(
    outcome: Literal["refused", "withdrawn"],
    case: str, reason: str, acting: Acting, common: Common, code: str | None = None,
) -> int:  # fmt: skip
    now = acting.moment
    verb = {"refused": "refuse", "withdrawn": "withdraw"}[outcome]
    with opened(common, f"case {verb}", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        if outcome == "withdrawn":
            done, why = mailing.take_back(controller, case, reason, actor, now)
        else:
            done = close_case(controller, case, outcome, reason, actor, now, code=code)
            why = "it is read first"
        controller.ledger.checkpoint(now)
    letter = common.next("case", "answer", done.id)
    words = [
        f"Case {done.id} is {done.state}; nothing was changed.",
        "A letter that says so waits to go to the address that she proved hers." if why is None
        else f"The letter: {letter}",
    ]  # fmt: skip
    common.out.result(_document(done), words)
    return 0


def _next(controller: Controller, case: Case, common: Common) -> list[str]:
    """How the case goes on, and how it ends without being carried out."""
    if case.state in FINISHED or case.right not in VERBS:
        return []
    again = common.next("rights", *follows(controller, case))
    if case.state is State.CHECKED and (away := not_asked(controller, case)):
        past = Receipts.of(controller, case)
        asked = [("--ground", past.ground)] if case.right == "restriction" else [
            ("--purpose", one) for one in past.purposes
        ]  # fmt: skip
        over = [word for pair in asked for word in pair]
        first = common.next("rights", VERBS[case.right], "--case", case.id, *over, "--yes")
        return [
            "",
            f"In force for what was given, and not for all that is hers: {', '.join(away)} could"
            " not be asked by what else she is known there.",
            f"When it answers again: {first}",
            *(
                [f"To go on after that: {again}"]
                if in_force(case) or to_weigh(controller, case)
                else []
            ),
            *ends(controller, common, case),
        ]
    if lost := astray(controller, common, case.id):
        return ["", *lost]
    if not case.evidence and not case.override:
        lines = [f'To go on, say how it was checked who asks: {again} --evidence "…"']
    elif not proving.standing(controller, case).enough:
        more = common.next("case", "prove", case.id, "--way", "facts", "--words", "…")
        lines = [f"To go on, find out better who asks: {more}"]
    elif by := working.approval(controller, case, common):
        lines = [by]
    elif waits := working.extension(controller, case, common):
        lines = waits
    else:
        lines = [f"To go on: {again}"]
    if case.ground == CHILD and undecided(controller, case):
        first = common.next("identity", "doubts", "--show")
        lines = [f"Before it can end, to decide what may be the child's: {first}", *lines]
    elif case.ground == CHILD and decided_since(controller, case):
        first = common.next("identity", "doubts", "--settled", "--show")
        lines = [
            "Before it can end, what was decided to be the child's goes with an erasure of its"
            f" own; of whom: {first}",
            *lines,
        ]
    lines += ends(controller, common, case)
    return ["", *lines]


def _to_tell(controller: Controller, case: Case, common: Common) -> list[str]:
    """How she is told of a case that is over."""
    mails = controller.mailed.of(case)
    # What went before it ended said what was left, and is no answer.
    if any(m.outcome is None and not too_early(case, m.put_at) for m in mails):
        return ["", "She is still to be told: a mail to her waits in the outbox."]
    by_mail = mailing.why_not(controller, case) is None
    way = common.next("case", "answer", case.id, *(["--mail"] if by_mail else []))
    lines = ["", f"She is still to be told: {way}"]
    if not by_mail:
        handed = common.next("case", "posted", case.id, "--on", "DATE", "--in-person")
        paper = common.next("case", "letter", case.id, "--pdf", "FILE")
        lines.append(f"When it has reached her, enter that: {handed} (on paper, before: {paper})")
    if case.right in PACKED and case.state is State.CLOSED:
        lines.append("Her package goes with it: its page at the desk puts that behind a link.")
    return lines


def _letter(titles: Mapping[str, str], kind: str, case: Case, at: dt.datetime) -> str:
    """What a letter is called. One of before all was done said how far it had come."""
    title = titles[kind]
    early = kind == "answer" and too_early(case, at)
    return title.replace("The answer", "How far it had come,") if early else title


def _moments(events: Sequence[Event]) -> list[tuple[str, str, str, str]]:
    """The events as rows: states that one command went through at one moment stand together."""
    return [
        (f"{at:%Y-%m-%d %H:%M:%S}", ", ".join(e.state for e in those), who.name, who.role)
        for (at, who), those in itertools.groupby(events, lambda e: (e.at, e.actor))
    ]


def _state(step: StepRecord) -> str:
    """How a step stands; what is left to a person, by mode or by letter, has not failed."""
    if step.state is StepState.LEFT:
        return f"left: {step.problem or f'she agreed again on {step.at:%Y-%m-%d}'}"
    if step.state is not StepState.FAILED:
        return step.state.value
    modes = [mode for mode, words in BY_MODE.items() if step.problem == words]
    return NOT_DONE[modes[0]] if modes else "not done"


def _stands(case: Case) -> str:
    """The state, and whether it is known too little who asks; a restriction that was read back is
    in force until it is lifted, and of an objection that is to be weighed what she objects to has
    stopped.
    """
    if in_force(case):
        return "in force" if case.in_force_at else "in force for what was given"
    if case.right == "objection" and case.state is State.CHECKED:
        return "in force, and not finished"
    if case.state is State.IDENTIFIED and not case.override and case.proof < case.needs:
        return f"{case.state}, not well enough"
    came = came_of(case)
    return f"{case.state}, {came}" if came else case.state.value


def _complete(case: Case, waiting: int, anew: int) -> str:
    """With how many of those who had her data are still to answer, and what is to be made anew."""
    done = {True: "yes", False: "no", None: "–"}[case.complete]
    left = ((waiting, "to answer"), (anew, "to make anew"))
    return ", ".join([done, *(f"{n} {what}" for n, what in left if n)])


def _document(case: Case) -> dict[str, Any]:
    return {
        "case": case.id,
        "right": case.right,
        "state": case.state.value,
        "people": case.people,
        "complete": case.complete,
        "opened_at": case.opened_at.isoformat(),
        "done_at": case.done_at.isoformat() if case.done_at else None,
        "closed_at": case.closed_at.isoformat() if case.closed_at else None,
        "refusal": case.refusal,
        "unmet": case.unmet,
    }
