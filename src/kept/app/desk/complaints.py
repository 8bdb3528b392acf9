"""Complaints about us on the desk: what waits, one of them, and what is done about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from kept.app.desk.guard import Asked, Form, form, session
from kept.app.desk.render import back, page, said
from kept.app.desk.working import Shown, actor, counting, may, near
from kept.app.pages import day_words
from kept.app.requests import REGIONS
from kept.app.surface import SHOWN
from kept.controller import Controller
from kept.duties import staff
from kept.duties.rights import complaints
from kept.errors import KeptError, UsageError
from kept.records.complaint import AUTHORITY, WITHDRAWN, Complaint
from kept.terms import clocks
from kept.terms.authorities import countries
from kept.terms.identifiers import Identifier

_PATH: Final = "/desk/complaints"
_CHANNELS: Final = {**complaints.CHANNELS, "web": "by our form"}
#: How a complaint ends, in words for the staff.
_OUTCOMES: Final = {
    "upheld": "she is right", "partly-upheld": "she is right in part",
    "not-upheld": "we see it otherwise", WITHDRAWN: "she took it back",
}  # fmt: skip
_ACTS: Final = {
    "acknowledged": "was told that it has come", "noted": "was looked into",
    "verified": "it was checked whose it is", "linked": "was linked with a case",
    "answered": "was answered", "withdrawn": "was taken back",
}  # fmt: skip


@get("/complaints", sync_to_thread=True)
def listed(request: Asked, state: State) -> Response[str]:
    """Complaints that wait, then those that were answered, and a form for a letter or a call."""
    return _listed(request, state)


@post("/complaints/add", status_code=303, sync_to_thread=True)
def add(request: Asked, state: State) -> Response[Any]:
    """Enter what came by letter, call or mail."""
    sent, controller, now = form(request), state.controller, state.clock()
    try:
        email = sent.one("email").strip()
        made = complaints.add(
            controller,
            complaints.Came(
                sent.one("channel"), _day(sent.one("arrived"), "it arrived") or _missing(),
                sent.one("words"), Identifier("email", email) if email else None,
                sent.one("post"), sent.one("about"), sent.one("region") or "unknown",
                sent.one("authority"), _day(sent.one("due"), "the authority waits until"),
            ),
            actor(request, state, "complaint add"), now,
        )  # fmt: skip
    except KeptError as problem:
        return _listed(request, state, said(problem), sent)
    state.wake()
    controller.ledger.checkpoint(now)
    return back(f"{_PATH}/{made.id}", "complaint")


@get("/complaints/{complaint:str}", sync_to_thread=True)
def shown(request: Asked, state: State, complaint: FromPath[str]) -> Response[str]:
    """One complaint, without who complains and what was said. That it was opened is counted."""
    one = _found(state, complaint)
    staff.noted(state.controller, actor(request, state), [one.id], 0, state.clock())
    return _shown(request, state, one)


@post("/complaints/{complaint:str}/show", status_code=200, sync_to_thread=True)
def show(request: Asked, state: State, complaint: FromPath[str]) -> Response[str]:
    """The same with who complains, and what was said and written. Entered before it is shown."""
    one, controller = _found(state, complaint), state.controller
    staff.shown(controller, session(request).account, actor(request, state),
                ("request", one.id), 1, state.clock())  # fmt: skip
    told = controller.complaints.said(one)
    names = {"email": "E-mail", "post": "Postal address", "authority": "The authority",
             "about": "It names the request"}  # fmt: skip
    lines = [(words, str(told[key])) for key, words in names.items() if told.get(key)]
    return _shown(request, state, one, opened={"lines": lines, "words": told.get("words", "")})


@post("/complaints/{complaint:str}/acknowledge", status_code=303, sync_to_thread=True)
def acknowledge(request: Asked, state: State, complaint: FromPath[str]) -> Response[Any]:
    """Say that it has come, or record that it was said."""

    def do(c: Controller, sent: Form, id_: str, now: dt.datetime) -> None:
        who = actor(request, state, "complaint acknowledge")
        at = _at(c, sent.one("sent"), now)
        complaints.acknowledge(c, id_, sent.one("way"), at, who, now)

    return _done(request, state, complaint, do)


@post("/complaints/{complaint:str}/note", status_code=303, sync_to_thread=True)
def note(request: Asked, state: State, complaint: FromPath[str]) -> Response[Any]:
    """Write down what was looked into."""

    def do(c: Controller, sent: Form, id_: str, now: dt.datetime) -> None:
        complaints.note(
            c, id_, sent.one("words"), actor(request, state, "complaint note"), now
        )  # fmt: skip

    return _done(request, state, complaint, do)


@post("/complaints/{complaint:str}/link", status_code=303, sync_to_thread=True)
def link(request: Asked, state: State, complaint: FromPath[str]) -> Response[Any]:
    """Record how it was checked who complains, or say which case it is about."""

    def do(c: Controller, sent: Form, id_: str, now: dt.datetime) -> None:
        if sent.one("evidence").strip():
            who = actor(request, state, "complaint verify")
            complaints.verify(c, id_, sent.one("evidence"), who, now)
        if sent.one("case").strip():
            who = actor(request, state, "complaint link")
            complaints.link(c, id_, sent.one("case").strip(), who, now)

    return _done(request, state, complaint, do)


@post("/complaints/{complaint:str}/answer", status_code=303, sync_to_thread=True)
def answer(request: Asked, state: State, complaint: FromPath[str]) -> Response[Any]:
    """Tell the outcome, by a letter that names the authority; it ends."""

    def do(c: Controller, sent: Form, id_: str, now: dt.datetime) -> None:
        where = sent.one("country").strip().upper()
        if where and where not in countries():
            raise UsageError(
                "the country is none of the list of authorities", expected="two letters, or nothing"
            )
        complaints.answer(
            c, id_, sent.one("outcome"), sent.one("words"), sent.one("way"),
            actor(request, state, "complaint answer"), now, country=where or None,
            sent=_at(c, sent.one("sent"), now),
        )  # fmt: skip
        c.ledger.checkpoint(now)

    return _done(request, state, complaint, do)


def nearest(controller: Controller, one: Complaint, today: dt.date) -> Shown | None:
    """How near the next day of a complaint is."""
    if one.next_day is None:
        return None
    days = controller.workdays
    late = (today - one.next_day).days
    left = -late if late > 0 else days.left(today, one.next_day)
    return near(clocks.light(today, one.next_day, days), left)


def _done(
    request: Asked, state: State, id_: str,
    do: Callable[[Controller, Form, str, dt.datetime], None],
) -> Response[Any]:  # fmt: skip
    one, sent = _found(state, id_), form(request)
    try:
        do(state.controller, sent, one.id, state.clock())
    except KeptError as problem:
        return _shown(request, state, one, problem=said(problem), sent=sent)
    state.wake()
    return back(f"{_PATH}/{one.id}", "complaint")


def _found(state: State, id_: str) -> Complaint:
    controller: Controller = state.controller
    try:
        return controller.complaints.get(id_)
    except UsageError:
        raise NotFoundException from None


def _listed(
    request: Asked, state: State, problem: str | None = None, sent: Form | None = None
) -> Response[str]:
    controller: Controller = state.controller
    today = controller.day(state.clock())
    every = controller.complaints.all()
    waiting = sorted(
        (c for c in every if c.open), key=lambda c: (c.next_day or dt.date.max, c.number)
    )
    return page(
        request, "desk_complaints.html.j2", 400 if problem else 200, problem=problem,
        waiting=[(c, nearest(controller, c, today), complaints.missing(c)) for c in waiting],
        ended=[c for c in reversed(every) if not c.open][:50], channels=_CHANNELS,
        ways_in=complaints.CHANNELS, regions=REGIONS, typed=sent or Form([]), today=today,
        can_add=may(request, "complaint add"), authority=AUTHORITY,
    )  # fmt: skip


def _shown(
    request: Asked, state: State, one: Complaint, *, problem: str | None = None,
    opened: dict[str, Any] | None = None, sent: Form | None = None,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    one = controller.complaints.get(one.id)
    now = state.clock()
    of_authority = one.by_whom == AUTHORITY
    return page(
        request, "desk_complaint.html.j2", 400 if problem else 200, problem=problem, one=one,
        of_authority=of_authority, channel=_CHANNELS.get(one.channel, one.channel),
        arrived=day_words(one.arrived, controller), opened=opened, acts=_ACTS,
        near=nearest(controller, one, controller.day(now)), left=complaints.missing(one),
        outcomes={"settled": "it is settled"} if of_authority else _OUTCOMES,
        ways=complaints.WAYS, typed=sent or Form([]),
        now=f"{now.astimezone(controller.desk.zone):%Y-%m-%dT%H:%M}",
        can={
            "act": one.open and may(request, "complaint note"),
            "link": one.open and not of_authority and may(request, "complaint link"),
            "answer": one.open and may(request, "complaint answer"),
            "show": bool(counting(request, state, one) & SHOWN),
        },
    )  # fmt: skip


def _at(controller: Controller, text: str, now: dt.datetime) -> dt.datetime:
    if not text.strip():
        return now
    try:
        met = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError("the moment cannot be read", expected="as 2026-01-31T12:00") from None
    at = met.replace(tzinfo=controller.desk.zone) if met.tzinfo is None else met
    # A form has whole minutes: what was typed in this minute is now.
    return now if dt.timedelta() <= now - at < dt.timedelta(minutes=1) else at


def _day(text: str, what: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        raise UsageError(f"the day on which {what} cannot be read",
                         expected="a day as 2026-01-31") from None  # fmt: skip


def _missing() -> dt.date:
    raise UsageError("it is not said on which day it arrived", expected="a day as 2026-01-31")


HANDLERS: Final = [listed, add, shown, show, acknowledge, note, link, answer]
