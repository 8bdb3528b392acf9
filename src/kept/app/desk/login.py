"""Login: name and password, then a code; the first password and the second proof; logout."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException
from litestar.response import Redirect

from kept.app.desk.guard import Asked, cookie, form, session, source
from kept.app.desk.qr import drawn
from kept.app.desk.render import NEXT, back, page, said
from kept.app.log import logged
from kept.controller import Controller
from kept.duties import staff
from kept.errors import KeptError
from kept.records import totp
from kept.records.session import WINDOW, Session

#: The one thing that is said of a login that failed.
_FAILED: Final = (
    "That did not work. Look whether name and password are right; after several tries, wait"
    f" {int(WINDOW.total_seconds()) // 60} minutes."
)
_WRONG: Final = "That code did not work. Each is good once; wait for the next one."


@get("/login", sync_to_thread=True)
def login_page(request: Asked) -> Response[str]:
    """Where one logs in."""
    found: Session | None = request.state.desk
    provider = request.app.state.controller.provider
    out = request.query_params.get("done") == "out" and provider is not None
    return page(
        request, "desk_login.html.j2", step=NEXT[staff.stage(found)] if found else None,
        leave=provider.leave if out else None,
    )  # fmt: skip


@post("/login", status_code=303, sync_to_thread=True)
def log_in(request: Asked, state: State) -> Response[Any]:
    """The first proof."""
    sent = form(request)
    made = staff.enter(
        state.controller, sent.one("name"), sent.one("password"), source(request), state.clock(),
        request.state.desk,
    )  # fmt: skip
    if made is None:
        # Without the name: some type their password there.
        logged(state.clock(), "a login failed at name and password")
        return page(request, "desk_login.html.j2", 400, step=None, problem=_FAILED)
    return _go_on(state.controller, made)


@get("/login/code", sync_to_thread=True)
def code_page(request: Asked) -> Response[Any]:
    """The second proof is asked for."""
    return _step(request, "code") or page(request, "desk_code.html.j2")


@post("/login/code", status_code=303, sync_to_thread=True)
def give_code(request: Asked, state: State) -> Response[Any]:
    """The second proof."""
    if other := _step(request, "code"):
        return other
    controller: Controller = state.controller
    before = session(request)
    made = staff.prove(
        controller, before, form(request).one("code"), source(request), state.clock()
    )
    if made is not None:
        return _go_on(controller, made)
    logged(state.clock(), f"a login of {before.account.id} failed at the second proof")
    if controller.sessions.find(before.token, state.clock()) is None:
        request.state.desk = None
        return page(request, "desk_login.html.j2", 400, step=None, problem=_FAILED)
    return page(request, "desk_code.html.j2", 400, problem=_WRONG)


@get("/login/password", sync_to_thread=True)
def password_page(request: Asked) -> Response[Any]:
    """The first password is replaced by one that only its owner knows."""
    return _step(request, "password") or page(request, "desk_password.html.j2")


@post("/login/password", status_code=303, sync_to_thread=True)
def first_password(request: Asked, state: State) -> Response[Any]:
    """Replace it."""
    if other := _step(request, "password"):
        return other
    sent = form(request)
    if sent.one("new") != sent.one("again"):
        return page(request, "desk_password.html.j2", 400, problem=TWICE)
    try:
        made = staff.change_password(
            state.controller, session(request), None, sent.one("new"), source(request),
            state.clock(),
        )  # fmt: skip
    except KeptError as problem:
        return page(request, "desk_password.html.j2", 400, problem=said(problem))
    return _go_on(state.controller, made)


@get("/second-proof", sync_to_thread=True)
def proof_page(request: Asked, state: State) -> Response[Any]:
    """The secret that was offered, to be put into an authenticator."""
    return _offered(request, state)


@post("/second-proof", status_code=200, sync_to_thread=True)
def prove_it(request: Asked, state: State) -> Response[Any]:
    """A code shows that the authenticator has it; the recovery codes are shown, once."""
    found = session(request)
    if staff.stage(found) not in ("enrol", "full"):
        return back(NEXT[staff.stage(found)])
    done = staff.enrol(state.controller, found, form(request).one("code"), state.clock())
    if done is None:
        return _offered(request, state, 400, _WRONG)
    made, codes = done
    return page(request, "desk_codes.html.j2", made=made, codes=codes)


@post("/logout", status_code=303, sync_to_thread=True)
def log_out(request: Asked, state: State) -> Response[Any]:
    """End this login, or all of one's own."""
    everywhere = bool(form(request).one("everywhere"))
    staff.leave(state.controller, session(request), state.clock(), everywhere=everywhere)
    return Redirect(
        "/desk/login?done=out", status_code=303, cookies=[cookie(state.controller, None)]
    )


TWICE: Final = "The two passwords are not the same."


def _go_on(controller: Controller, made: Session) -> Redirect:
    return Redirect(NEXT[staff.stage(made)], status_code=303, cookies=[cookie(controller, made)])


def _step(request: Asked, wanted: str) -> Redirect | None:
    """The way to the step that is due, where it is another one."""
    due = staff.stage(session(request))
    return None if due == wanted else back(NEXT[due])


def _offered(
    request: Asked, state: State, status: int = 200, problem: str | None = None
) -> Response[Any]:
    controller: Controller = state.controller
    found = session(request)
    due = staff.stage(found)
    if due not in ("enrol", "full"):
        return back(NEXT[due])
    secret, _ = controller.accounts.secret(found.account, offered=True)
    if secret is None:
        if due == "full":
            return back("/desk/account")
        raise NotAuthorizedException
    uri = totp.uri(secret, controller.bundle.organisation.name, found.account.name)
    return page(
        request, "desk_proof.html.j2", status, problem=problem, secret=totp.spelt(secret), uri=uri,
        picture=drawn(uri), renewing=due == "full",
    )  # fmt: skip


HANDLERS: Final = [
    login_page, log_in, code_page, give_code, password_page, first_password, proof_page, prove_it,
    log_out,
]  # fmt: skip
