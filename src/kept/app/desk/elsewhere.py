"""Login through the provider of the organisation: on the way there, and back.

Going there is a link: it changes nothing here. Coming back is a page with a button, since the
provider's link back changes nothing either; and a form of this server brings the cookies with it.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import Cookie, State
from litestar.response import Redirect

from kept.app.desk.guard import Asked, cookie, cookie_name, form, source
from kept.app.desk.render import page, said
from kept.app.log import logged
from kept.controller import Controller
from kept.duties.staff import Unknown, elsewhere
from kept.errors import Denied, KeptError, StoreUnreachable
from kept.records.linked import LASTS

#: Of one answer of the provider.
_LONGEST: Final = 4096


def _keep(controller: Controller, word: str) -> Cookie:
    """The word of one login, in the browser that began it; "": it is over."""
    name = f"{cookie_name(controller)}-elsewhere"
    return Cookie(
        key=name, value=word, path="/", httponly=True, samesite="strict",
        secure=name.startswith("__Host-"), max_age=int(LASTS.total_seconds()) if word else 0,
    )  # fmt: skip


@get("/login/elsewhere", sync_to_thread=True)
def go(request: Asked, state: State) -> Response[Any]:
    """The way to the provider."""
    try:
        word, there = elsewhere.begin(state.controller, state.clock())
    except KeptError as problem:
        return _failed(request, problem)
    return Redirect(there, status_code=303, cookies=[_keep(state.controller, word)])


@get("/login/elsewhere/back", sync_to_thread=False)
def returned(request: Asked) -> Response[Any]:
    """Back from the provider, with its answer in the address: nothing is done before a button is
    pressed.
    """
    given = {key: request.query_params.get(key, "") for key in ("code", "state", "iss")}
    if any(len(one) > _LONGEST for one in given.values()) or not given["code"]:
        problem = "You were not let in there." if "error" in request.query_params else (
            "This address lacks what it should hold.")  # fmt: skip
        return page(request, "desk_login.html.j2", 400, step=None, problem=problem)
    return page(request, "desk_elsewhere.html.j2", given=given)


@post("/login/elsewhere/back", status_code=303, sync_to_thread=True)
def come_back(request: Asked, state: State) -> Response[Any]:
    """The provider's answer is looked at, and who it is is let in."""
    controller: Controller = state.controller
    sent = form(request)
    word = request.cookies.get(_keep(controller, "").key, "")
    try:
        made = elsewhere.come_back(
            controller, word, sent.one("state"), sent.one("code")[:_LONGEST], sent.one("iss"),
            source(request), state.clock(), request.state.desk,
        )  # fmt: skip
    except KeptError as problem:
        return _failed(request, problem)
    if isinstance(made, Unknown):
        logged(state.clock(), "a login through the provider failed: it is linked to no account")
        return page(request, "desk_unknown.html.j2", 403, word=made.word)
    return Redirect(
        "/desk", status_code=303, cookies=[cookie(controller, made), _keep(controller, "")]
    )


def _failed(request: Asked, problem: KeptError) -> Response[str]:
    status = 503 if isinstance(problem, StoreUnreachable) else (
        403 if isinstance(problem, Denied) else 400)  # fmt: skip
    logged(request.app.state.clock(), f"a login through the provider failed: {problem.what}")
    return page(request, "desk_login.html.j2", status, step=None, problem=said(problem))


HANDLERS: Final = [go, returned, come_back]
