"""What moves a case: who asks, the plan, its approval, carrying it out, its clock, its end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, Literal

from litestar import Response, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Stream

from kept.app.desk.cases import found, shown
from kept.app.desk.guard import Asked, Form, form
from kept.app.desk.render import back, said
from kept.app.desk.working import actor, carry_out
from kept.controller import Controller
from kept.duties import holds, staff
from kept.duties.rights import (
    casework,
    clock,
    delivery,
    entering,
    lift,
    mailing,
    new_address,
    notify,
    proving,
    weigh,
)
from kept.duties.rights.choice import law_in
from kept.duties.rights.objection import WEIGHED
from kept.duties.rights.parts import refuse_part
from kept.duties.rights.request import VERBS, close_case
from kept.errors import KeptError, UsageError
from kept.records.actor import Actor
from kept.records.case import Case
from kept.records.case_state import FINISHED
from kept.terms import clocks
from kept.terms.refusals import refusal
from kept.terms.words import among

#: An end of a case without carrying it out, and the command that does it.
_ENDS: Final[Mapping[Literal["refused", "withdrawn"], str]] = {
    "refused": "case refuse",
    "withdrawn": "case withdraw",
}


@post("/cases/{case:str}/evidence", status_code=303, sync_to_thread=True)
def evidence(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Record how it was checked who asks."""
    one = found(state, case)
    try:
        sent = form(request)
        entering.verify(
            state.controller, one.id, sent.one("words"), actor(request, state, "request verify"),
            state.clock(), way=sent.one("way") or "checked",
        )  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "evidence")


@post("/cases/{case:str}/confirm", status_code=303, sync_to_thread=True)
def confirm(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Have a new e-mail address confirmed at the old one and at itself."""
    one = found(state, case)
    try:
        who = actor(request, state, "case confirm")
        new_address.confirm_address(state.controller, one.id, form(request).one("new"), who,
                               state.clock())  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "codes")


@post("/cases/{case:str}/told", status_code=303, sync_to_thread=True)
def told(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Put aside what she tells of herself, to be compared; the answer is always the same."""
    one, controller, sent = found(state, case), state.controller, form(request)
    try:
        who = actor(request, state, "case tell")
        answers = {p: sent.one(f"told-{n}") for n, p in enumerate(proving.questions(controller))}
        proving.tell(controller, one.id, answers, who, state.clock())
        proving.compare(controller, state.clock())
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "told-us")


@post("/cases/{case:str}/plan", status_code=303, sync_to_thread=True)
def plan(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Look at what would happen; nothing is written into any system."""
    one, given = found(state, case), _given(form(request))
    try:
        who = actor(request, state, f"rights {VERBS.get(one.right, 'erase')}")
        now = state.clock()
        looked = casework.look(state.controller, one.id, given, who, now)
    except KeptError as problem:
        return shown(request, state, one, said(problem), typed=given)
    return back(f"/desk/cases/{one.id}", "plan" if looked["at"] == now.isoformat() else "same-plan")


@post("/cases/{case:str}/approve", status_code=303, sync_to_thread=True)
def approve(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Approve the plan that the page showed. What is large needs another than who drew it up."""
    one = found(state, case)
    try:
        who = actor(request, state, "rights erase")
        sent = form(request)
        casework.approve(state.controller, one.id, sent.one("plan"), who, state.clock(),
                         alone=sent.one("alone").strip() or None)  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "approved")


@post("/cases/{case:str}/carry-out", status_code=303, sync_to_thread=True)
def carry(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Carry out what was looked at and approved, once, however often and by whomever pressed; what
    is due because of a withdrawal goes where whoever may erase says so.
    """
    one, controller = found(state, case), state.controller
    path = f"/desk/cases/{one.id}"
    if one.state in FINISHED:
        return back(path, "over")
    try:
        sent = form(request)
        erase = one.right == "withdrawal" and sent.one("erase") == "yes"
        verb = "erase" if erase else VERBS.get(one.right, "erase")
        who = actor(request, state, f"rights {verb}")
        run = controller.casework.run(one)
        if run is not None and run.going_on(state.clock()):
            return back(path, "busy")
        alone = sent.one("alone").strip() or None
        if not casework.begin(controller, one.id, who, state.clock(), erase=erase, alone=alone):
            return back(path, "busy")
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    carry_out(controller, one.id, who, state.clock, erase=erase, alone=alone)
    run = controller.casework.run(one)
    return back(path, "begun" if run is not None and run.ended_at is None else "")


@post("/cases/{case:str}/package", status_code=200, sync_to_thread=True)
def package(request: Asked, state: State, case: FromPath[str]) -> Response[Any] | Stream:
    """Make the package of an access, once, and hand it to who asked for it: again for a day, a few
    times, since a connection can break. Until then it lies here encrypted.
    """
    one, controller, now = found(state, case), state.controller, state.clock()
    try:
        who = actor(request, state, f"rights {VERBS.get(one.right, 'access')}")
        if one.state in FINISHED and delivery.at_desk(controller, one, now) is not None:
            staff.noted(controller, who, [one.id], 0, now)
        else:
            pack(controller, one, who, now)
        got = delivery.hand(controller, one, now)
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    if got is None:
        return shown(request, state, one, "The package is not there any more.")
    waiting, chunks = got
    headers = {
        "Content-Disposition": f'attachment; filename="{one.right}-{one.id}.zip"',
        "Content-Length": str(waiting.size),
    }
    return Stream(chunks, media_type="application/zip", headers=headers)


def pack(controller: Controller, one: Case, who: Actor, now: dt.datetime) -> None:
    """Make the package of a case, and let it wait here for the staff."""
    with delivery.aside(controller) as folder:
        casework.pack(controller, one.id, folder / "package.zip", who, now)
        delivery.keep(controller, one.id, folder / "package.zip", who, now)


@post("/cases/{case:str}/decide", status_code=303, sync_to_thread=True)
def decide(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Decide an objection that was weighed; say that she was told, and lift a restriction."""
    one, sent, now = found(state, case), form(request), state.clock()
    step, words = sent.one("step"), sent.one("words")
    try:
        if step == "weigh":
            outcome = among(sent.one("outcome"), WEIGHED)
            if outcome is None:
                raise UsageError("it is not said how it was decided", expected="upheld or refused")
            who = actor(request, state, "rights weigh")
            weigh(state.controller, one.id, outcome, words, actor=who.name, role=who.role,
                  now=now)  # fmt: skip
            return back(f"/desk/cases/{one.id}", "decided")
        who = actor(request, state, "rights lift")
        if step == "told":
            notify(state.controller, one.id, words, actor=who.name, role=who.role, now=now)
            return back(f"/desk/cases/{one.id}", "told")
        if step == "lift":
            lift(state.controller, one.id, words, actor=who.name, role=who.role, now=now)
            return back(f"/desk/cases/{one.id}", "lifted")
        raise UsageError("there is no such step")
    except KeptError as problem:
        return shown(request, state, one, said(problem))


@post("/cases/{case:str}/acknowledge", status_code=303, sync_to_thread=True)
def acknowledge(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Record that she was told that her request has come."""
    one = found(state, case)
    try:
        who = actor(request, state, "case acknowledge")
        clock.acknowledge(state.controller, one.id, _day(form(request).one("on")), who,
                          state.clock())  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "acknowledged")


@post("/cases/{case:str}/clock", status_code=303, sync_to_thread=True)
def move_clock(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Take more time, let the clock stand still or go on, put right where or when."""
    one = found(state, case)
    try:
        _move(request, state, one, form(request))
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "clock")


@post("/cases/{case:str}/part", status_code=303, sync_to_thread=True)
def part(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Refuse a part of a request with the reason; the rest is granted. Of an erasure it is a hold,
    by a clause of the policy, and the plan is looked at anew.
    """
    one, sent, now = found(state, case), form(request), state.clock()
    where, code, words = sent.one("where"), sent.one("code"), sent.one("words")
    try:
        if one.right == "erasure":
            why = refusal(code)
            system, _, dataset = where.partition(".")
            who = actor(request, state, "hold add")
            holds.place(
                state.controller, ground=f"{why.words} {words}".strip(), clause=sent.one("clause"),
                actor=who, now=now, person=[i for p in state.controller.cases.identifiers(one)
                                            for i in p],
                system=system or None, dataset=dataset or None,
                law=law_in(state.controller, one, why.law),
            )  # fmt: skip
        else:
            who = actor(request, state, "case refuse")
            refuse_part(state.controller, one.id, where, code, words, who, now)
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "part")


@post("/cases/{case:str}/end", status_code=303, sync_to_thread=True)
def end(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Refuse a request with the reason, or end it because she no longer asks."""
    one, sent = found(state, case), form(request)
    outcome = among(sent.one("outcome"), _ENDS)
    try:
        if outcome is None:
            raise UsageError("there is no such end of a case")
        who = actor(request, state, _ENDS[outcome])
        if outcome == "withdrawn":
            _, why = mailing.take_back(
                state.controller, one.id, sent.one("words"), who, state.clock()
            )
            return back(f"/desk/cases/{one.id}", "withdrawn" if why else "withdrawn-mailed")
        close_case(
            state.controller, one.id, outcome, sent.one("words"), who, state.clock(),
            code=sent.one("code") or None,
        )  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", outcome)


def _given(sent: Form) -> dict[str, Any]:
    words = {name: sent.one(name).strip() for name in ("ground", "at", "value", "was")}
    purposes = sent.all("purpose")
    return {k: v for k, v in words.items() if v} | ({"purposes": purposes} if purposes else {})


def _move(request: Asked, state: State, one: Case, sent: Form) -> None:
    controller: Controller = state.controller
    now, act = state.clock(), sent.one("act")
    known = {"extend": "case extend", "pause": "case pause", "resume": "case resume",
             "put-right": "case clock"}  # fmt: skip
    if act not in known:
        raise UsageError("there is no such change of a clock")
    who = actor(request, state, known[act])
    if act == "extend":
        sent_on = _day(sent.one("day")) or controller.day(now)
        clock.extend(controller, one.id, sent.one("reason"), sent.one("words"), sent_on, who, now)
    elif act == "pause":
        clock.pause(controller, one.id, sent.one("reason"), _day(sent.one("day")), who, now)
    elif act == "resume":
        clock.resume(controller, one.id, _day(sent.one("day")), who, now)
    else:
        there = sent.one("region").strip()
        clock.put_right(controller, one.id, clocks.where(there) if there else None,
                        _day(sent.one("day")), who, now)  # fmt: skip


def _day(text: str) -> dt.date | None:
    if not text.strip():
        return None
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise UsageError("that is no day", expected="a day as 2026-01-31") from None


HANDLERS: Final = [
    evidence, confirm, told, plan, approve, carry, package, decide, acknowledge,
    move_clock, part, end,
]  # fmt: skip
