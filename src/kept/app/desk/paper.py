"""Letters on paper: made as a PDF, opened again, and entered as sent."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from litestar import Response, post
from litestar.datastructures import State
from litestar.params import FromPath

from kept.app.desk.cases import country, found, shown
from kept.app.desk.guard import Asked, form, session
from kept.app.desk.render import back, said
from kept.app.desk.working import actor
from kept.duties import staff
from kept.duties.rights import mailing, paper
from kept.duties.rights.clock import too_early
from kept.errors import KeptError, UsageError


@post("/cases/{case:str}/letter", status_code=200, sync_to_thread=True)
def letter(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """The letter as a PDF, or one that was made before. Entered before it is handed out."""
    one, controller, now = found(state, case), state.controller, state.clock()
    sent = form(request)
    before = sent.one("letter")
    try:
        who = actor(request, state, "case letter")
        where, part = country(sent.one("country"))
        staff.shown(controller, session(request).account, who, ("case", one.id), one.people, now)
        if before:
            number, pdf = _number(before), paper.again(controller, one.id, _number(before))
        else:
            why = sent.one("more")
            made, pdf = paper.make(
                controller, one.id, sent.one("to").splitlines(), who, now,
                longer=(why, sent.one("words")) if why else None, country=where, subdivision=part,
                language=sent.one("language"),
            )  # fmt: skip
            number = made.id
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    name = f'attachment; filename="letter-{number}-{one.id}.pdf"'
    return Response(pdf, media_type="application/pdf", headers={"Content-Disposition": name})


@post("/cases/{case:str}/posted", status_code=303, sync_to_thread=True)
def posted(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """A letter went out on a day; or the answer reached her in person, with no letter."""
    one, sent = found(state, case), form(request)
    try:
        who = actor(request, state, "case posted")
        try:
            day = dt.date.fromisoformat(sent.one("on"))
        except ValueError:
            raise UsageError("it is not said when it went out", expected="a day") from None
        if sent.one("way") == "in-person":
            mailing.handed(state.controller, one.id, day, who, state.clock())
            return back(f"/desk/cases/{one.id}", "in-person")
        letter = paper.posted(
            state.controller, one.id, _number(sent.one("letter")), day, who, state.clock()
        )
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    early = letter.kind == "answer" and too_early(one, letter.made_at)
    return back(f"/desk/cases/{one.id}", "posted-early" if early else "posted")


def _number(given: str) -> int:
    return int(given) if given.isascii() and given.isdigit() and len(given) < 18 else 0


HANDLERS: Final = [letter, posted]
