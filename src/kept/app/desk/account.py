"""One's own account: password, second proof, recovery codes, logins, a role in an emergency."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.response import Redirect

from kept.app.desk.guard import Asked, cookie, form, session, source
from kept.app.desk.login import TWICE
from kept.app.desk.render import back, page, said
from kept.controller import Controller
from kept.duties import staff
from kept.errors import KeptError
from kept.records.account import STAFF


@get("/account", sync_to_thread=True)
def account_page(request: Asked, state: State) -> Response[str]:
    """Everything that one can change oneself."""
    return _shown(request, state)


@post("/account/password", status_code=303, sync_to_thread=True)
def password(request: Asked, state: State) -> Response[Any]:
    """Another password; every other login ends."""
    sent = form(request)
    if sent.one("new") != sent.one("again"):
        return _shown(request, state, TWICE)
    try:
        made = staff.change_password(
            state.controller, session(request), sent.one("password"), sent.one("new"),
            source(request), state.clock(),
        )  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, said(problem))
    path = "/desk/account?done=password"
    return Redirect(path, status_code=303, cookies=[cookie(state.controller, made)])


@post("/account/second-proof", status_code=303, sync_to_thread=True)
def second_proof(request: Asked, state: State) -> Response[Any]:
    """Begin with another authenticator; the old one counts until the new one gave a code."""
    try:
        staff.offer(state.controller, session(request), form(request).one("password"),
                    source(request), state.clock())  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return back("/desk/second-proof")


@post("/account/codes", status_code=200, sync_to_thread=True)
def codes(request: Asked, state: State) -> Response[Any]:
    """New recovery codes; they are shown once, and so in the answer itself."""
    try:
        made = staff.new_codes(state.controller, session(request), form(request).one("password"),
                               source(request), state.clock())  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return page(request, "desk_codes.html.j2", codes=made)


@post("/account/mail", status_code=303, sync_to_thread=True)
def mail(request: Asked, state: State) -> Response[Any]:
    """Where one is reminded of what is to be done."""
    account = session(request).account
    try:
        staff.remind_at(state.controller, account, form(request).one("mail"), account,
                        state.clock())  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return back("/desk/account", "mail")


@post("/account/emergency", status_code=303, sync_to_thread=True)
def emergency(request: Asked, state: State) -> Response[Any]:
    """Take a role for an hour, with the reason."""
    sent = form(request)
    try:
        staff.break_glass(state.controller, session(request).account, sent.one("role"),
                          sent.one("why"), state.clock())  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return back("/desk/account", "emergency")


def _shown(request: Asked, state: State, problem: str | None = None) -> Response[str]:
    controller: Controller = state.controller
    account, now = session(request).account, state.clock()
    grants = [g for g in controller.accounts.grants(living=now) if g.account == account.number]
    return page(
        request, "desk_account.html.j2", 400 if problem else 200, problem=problem, grants=grants,
        mail=controller.accounts.mail(account) or "",
        codes_left=controller.accounts.codes_left(account),
        sessions=controller.sessions.count(account, now),
        takes=[r for r in STAFF if r not in account.roles],
    )  # fmt: skip


HANDLERS: Final = [account_page, password, second_proof, codes, mail, emergency]
