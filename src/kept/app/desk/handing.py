"""What goes to the person of a case without paper: the answer by mail, the link to her package, and
the code for it where somebody tells it to her.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, post
from litestar.datastructures import State
from litestar.params import FromPath

from kept.app.desk.cases import country, found, shown
from kept.app.desk.guard import Asked, form
from kept.app.desk.moving import pack
from kept.app.desk.render import back, said
from kept.app.desk.working import actor
from kept.duties import staff
from kept.duties.rights import delivery, mailing
from kept.duties.rights.language import chosen
from kept.duties.rights.request import VERBS
from kept.errors import KeptError
from kept.records.case_state import FINISHED


@post("/cases/{case:str}/mail", status_code=303, sync_to_thread=True)
def mail(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Send the answer that was read to the address that she proved hers, once."""
    one, sent, now = found(state, case), form(request), state.clock()
    try:
        who = actor(request, state, "case answer")
        where, part = country(sent.one("country"))
        mailing.mail_answer(
            state.controller, one.id, who, now, again=sent.one("again") == "yes", country=where,
            subdivision=part, shown=sent.one("digest"),
            language=chosen(state.controller, sent.one("language")),
        )  # fmt: skip
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    state.wake()
    return back(f"/desk/cases/{one.id}", "mailed")


@post("/cases/{case:str}/link", status_code=200, sync_to_thread=True)
def link(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Make the package where there is none yet, and put it behind a link. It goes by mail to the
    address that she proved hers, else it is shown here, once.
    """
    one, controller, now = found(state, case), state.controller, state.clock()
    try:
        who = actor(request, state, "case deliver")
        if one.state not in FINISHED:
            pack(controller, one, actor(request, state, f"rights {VERBS[one.right]}"), now)
        else:
            staff.noted(controller, who, [one.id], 0, now)
        made = delivery.link(controller, one.id, who, now)
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    if made.mailed:
        state.wake()
        return back(f"/desk/cases/{one.id}", "link")
    address = f"{controller.site_url or ''}/privacy/delivery/{made.token}"
    return shown(request, state, one, handed={"link": address, "code": ""})


@post("/cases/{case:str}/code", status_code=200, sync_to_thread=True)
def code(request: Asked, state: State, case: FromPath[str]) -> Response[str]:
    """A fresh code for the package that waits, to tell her on the telephone or by letter."""
    one, controller, now = found(state, case), state.controller, state.clock()
    try:
        who = actor(request, state, "case code")
        staff.noted(controller, who, [one.id], 0, now)
        made = delivery.code_for(controller, one.id, now)
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return shown(request, state, one, handed={"link": "", "code": f"{made[:4]} {made[4:]}"})


HANDLERS: Final = [mail, link, code]
