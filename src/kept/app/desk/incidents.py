"""Incidents on the desk: what happened, its clock, whom it hit, and what is done about it.

Whoever examines without acting reads it without the words that people wrote.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath

from kept.app.desk.guard import Asked, Form, form, session
from kept.app.desk.render import back, page, said
from kept.controller import Controller
from kept.duties import incidents
from kept.errors import KeptError, UsageError
from kept.records.account import OFFICER
from kept.records.actor import Actor
from kept.records.incident import Incident
from kept.records.incident import State as Standing
from kept.terms.incident_rules import BY_ID, KINDS, RISKS, UNTOLD, hours_left, light

_PATH: Final = "/desk/incidents"


@get("/incidents", sync_to_thread=True)
def listed(request: Asked, state: State) -> Response[str]:
    """All incidents, those noticed last first, and a form for another."""
    return _listed(request, state)


@get("/incidents/{incident:str}", sync_to_thread=True)
def shown(request: Asked, state: State, incident: FromPath[str]) -> Response[str]:
    """One incident."""
    return _shown(request, state, incident)


@post("/incidents/add", status_code=303, sync_to_thread=True)
def add(request: Asked, state: State) -> Response[Any]:
    """Enter an incident."""
    sent, controller, now = form(request), state.controller, state.clock()
    try:
        noticed = _moment(controller, sent.one("noticed"))
        made, _ = incidents.enter(
            controller, kinds=sent.all("kind"), places=sent.all("place"),
            nature=sent.one("nature"), noticed=noticed or now,
            happened=_moment(controller, sent.one("happened")), actor=_actor(request, state),
            now=now,
        )  # fmt: skip
    except KeptError as problem:
        return _listed(request, state, said(problem))
    return back(f"{_PATH}/{made.id}")


@post("/incidents/judge", status_code=303, sync_to_thread=True)
def judge(request: Asked, state: State) -> Response[Any]:
    """Judge what follows for people."""

    def do(c: Controller, sent: Form, who: Actor, now: dt.datetime) -> None:
        words = {name: sent.one(name) for name in incidents.WORDS}
        incidents.judge(c, sent.one("incident"), sent.one("risk"), sent.one("why"), words, who, now)

    return _done(request, state, do)


@post("/incidents/notice", status_code=303, sync_to_thread=True)
def notice(request: Asked, state: State) -> Response[Any]:
    """Record that the authority was told."""

    def do(c: Controller, sent: Form, who: Actor, now: dt.datetime) -> None:
        incidents.notified(
            c, sent.one("incident"), to=sent.one("to"), way=sent.one("way"),
            sent=_moment(c, sent.one("sent")) or now, late=sent.one("late"), actor=who, now=now,
        )  # fmt: skip

    return _done(request, state, do)


@post("/incidents/tell", status_code=303, sync_to_thread=True)
def tell(request: Asked, state: State) -> Response[Any]:
    """Write to the people, record that they were told, or why not."""

    def do(c: Controller, sent: Form, who: Actor, now: dt.datetime) -> None:
        id_, how = sent.one("incident"), sent.one("how")
        if how == "mail":
            incidents.mail(c, id_, who, now)
        elif how == "untold":
            incidents.untold(c, id_, sent.one("ground"), sent.one("why"), who, now)
        else:
            count = sent.one("people")
            incidents.told(
                c, id_, way=sent.one("way"), sent=_moment(c, sent.one("sent")) or now, actor=who,
                people=int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0,
                now=now,
            )  # fmt: skip

    return _done(request, state, do)


@post("/incidents/close", status_code=303, sync_to_thread=True)
def close(request: Asked, state: State) -> Response[Any]:
    """Close an incident."""

    def do(c: Controller, sent: Form, who: Actor, now: dt.datetime) -> None:
        incidents.close(c, sent.one("incident"), sent.one("why"), who, now)

    return _done(request, state, do)


def _done(
    request: Asked, state: State,
    do: Callable[[Controller, Form, Actor, dt.datetime], None],
) -> Response[Any]:  # fmt: skip
    sent = form(request)
    try:
        do(state.controller, sent, _actor(request, state), state.clock())
    except KeptError as problem:
        return _shown(request, state, sent.one("incident"), said(problem))
    return back(f"{_PATH}/{sent.one('incident')}", "incident")


def _listed(request: Asked, state: State, problem: str | None = None) -> Response[str]:
    controller: Controller = state.controller
    now = state.clock()
    places = [
        f"{s.name}.{d}" for s in controller.datamap.systems.values() if s.store != "own"
        for d in s.datasets
    ]  # fmt: skip
    return page(
        request, "desk_incidents.html.j2", 400 if problem else 200, problem=problem,
        incidents=controller.incidents.all(), left=lambda one: _left(one, now), kinds=KINDS,
        places=places, acts=_acts(request), now=_local(controller, now),
        sent=form(request),
    )  # fmt: skip


def _shown(request: Asked, state: State, id_: str, problem: str | None = None) -> Response[str]:
    controller: Controller = state.controller
    now = state.clock()
    try:
        one = controller.incidents.find(id_)
    except UsageError as missing:
        return page(request, "desk_error.html.j2", 404, message=said(missing), why="")
    found = controller.concerned(one)
    acts = _acts(request)
    subject, letter = incidents.letter(controller, one, found) if acts else ("", "")
    return page(
        request, "desk_incident.html.j2", 400 if problem else 200, problem=problem, one=one,
        found=found, left=_left(one, now), rule=BY_ID.get(one.rule), kinds=KINDS, risks=RISKS,
        grounds=UNTOLD, ways=incidents.WAYS, words=incidents.WORDS, acts=acts,
        todo=incidents.missing(one), open=one.state is not Standing.CLOSED,
        notice=incidents.notice(controller, one, found) if acts else "", subject=subject,
        letter=letter, can_mail=controller.post is not None, now=_local(controller, now),
        titles=dict(_titles(controller, one)), sent=form(request),
        categories=controller.bundle.vocabulary.categories,
    )  # fmt: skip


def _titles(controller: Controller, one: Incident) -> list[tuple[tuple[str, str], str]]:
    return [
        ((p.system, p.dataset),
         controller.datamap.dataset(p.system, p.dataset).title or f"{p.system}.{p.dataset}")
        for p in one.places
        if p.system in controller.datamap.systems
        and p.dataset in controller.datamap.systems[p.system].datasets
    ]  # fmt: skip


def _left(one: Incident, now: dt.datetime) -> tuple[str, str]:
    """(how it stands with the authority, whether that is bad)."""
    if one.told_by is not None:
        return ("told, but late", "bad") if one.told_by > one.due else ("told", "")
    if not one.waiting:
        return "need not be told", ""
    left = hours_left(now, one.due)
    words = f"{abs(left):.0f} hours " + ("late" if left < 0 else "left")
    return f"{light(now, one.due).value}: {words}", "bad" if left <= 24 else ""


def _acts(request: Asked) -> bool:
    return OFFICER in session(request).account.roles


def _actor(request: Asked, state: State) -> Actor:
    name = session(request).account.name
    found: Actor = state.controller.actors.of(name, OFFICER, state.clock())
    return found


def _moment(controller: Controller, text: str) -> dt.datetime | None:
    """A moment of a form, at the place of the organisation; None where nothing was filled in."""
    if not text.strip():
        return None
    try:
        at = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError("a moment cannot be read", expected="one as 2026-01-31T14:30") from None
    return at if at.tzinfo else at.replace(tzinfo=controller.desk.zone)


def _local(controller: Controller, at: dt.datetime) -> str:
    return f"{at.astimezone(controller.desk.zone):%Y-%m-%dT%H:%M}"


HANDLERS: Final = [listed, shown, add, judge, notice, tell, close]
