"""The review of access: who may what, since when, by whom; alerts; for privacy officers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State

from kept.app.desk.guard import Asked, form, session
from kept.app.desk.render import back, page, said
from kept.controller import Controller
from kept.duties import staff
from kept.duties.rights import reported
from kept.errors import KeptError
from kept.records.account import STAFF, Account
from kept.records.watch import CHOICES_FULL, COMPLAINTS_FULL, FULL, REPORTS_FULL

#: What turned people away, as `records.watch` names it: the form, and where its number stands.
_SETTING: Final = "How many it takes stands in kept.toml [desk] requests."
_FULL: Final = {
    FULL: ("form for requests", _SETTING),
    COMPLAINTS_FULL: ("form for complaints", _SETTING),
    CHOICES_FULL: ("form for letters to the page of choices", _SETTING),
    REPORTS_FULL: (
        "form for reports of a child",
        f"It takes {reported.LIMITS[-1]:,} within an hour; kept.toml does not change that.",
    ),
}  # fmt: skip
#: Grants that are over and still shown, newest first.
_PAST: Final = 50


@get("/accounts", sync_to_thread=True)
def accounts_page(request: Asked, state: State) -> Response[str]:
    """Every account with its roles, what was taken in an emergency, and alerts."""
    return _shown(request, state)


@post("/accounts/add", status_code=200, sync_to_thread=True)
def add(request: Asked, state: State) -> Response[Any]:
    """Make an account. Its first password is shown once, and so in the answer itself."""
    sent = form(request)
    try:
        made, password = staff.add(
            state.controller, sent.one("name").strip(), sent.one("shown"), sent.all("role"),
            sent.one("why"), session(request).account, state.clock(),
        )  # fmt: skip
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return page(request, "desk_first.html.j2", name=made.name, password=password)


@post("/accounts/reset", status_code=200, sync_to_thread=True)
def reset(request: Asked, state: State) -> Response[Any]:
    """Void password and second proof of an account; the next password is shown once."""
    sent, controller = form(request), state.controller
    try:
        of = controller.accounts.of(sent.one("account"), state.clock())
        by = session(request).account
        password = staff.reset(controller, of, sent.one("why"), by, state.clock())
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return page(request, "desk_first.html.j2", name=of.name, password=password)


@post("/accounts/grant", status_code=303, sync_to_thread=True)
def grant(request: Asked, state: State) -> Response[Any]:
    """Give a role."""
    role, why = form(request).one("role"), form(request).one("why")
    return _change(request, state, "granted",
                   lambda c, of, by: staff.grant(c, of, role, why, by, state.clock()))  # fmt: skip


@post("/accounts/revoke", status_code=303, sync_to_thread=True)
def revoke(request: Asked, state: State) -> Response[Any]:
    """Take a role away."""
    role, why = form(request).one("role"), form(request).one("why")
    return _change(request, state, "revoked",
                   lambda c, of, by: staff.revoke(c, of, role, why, by, state.clock()))  # fmt: skip


@post("/accounts/disable", status_code=303, sync_to_thread=True)
def disable(request: Asked, state: State) -> Response[Any]:
    """Nobody uses the account any more."""
    why = form(request).one("why")
    return _change(request, state, "disabled",
                   lambda c, of, by: staff.disable(c, of, why, by, state.clock()))  # fmt: skip


@post("/accounts/enable", status_code=303, sync_to_thread=True)
def enable(request: Asked, state: State) -> Response[Any]:
    """The account may be used again."""
    why = form(request).one("why")
    return _change(request, state, "enabled",
                   lambda c, of, by: staff.enable(c, of, why, by, state.clock()))  # fmt: skip


@post("/accounts/link", status_code=303, sync_to_thread=True)
def link(request: Asked, state: State) -> Response[Any]:
    """Whoever the provider knows by that word logs in with this account."""
    word, why = form(request).one("word").strip(), form(request).one("why")
    return _change(request, state, "linked",
                   lambda c, of, by: staff.link(c, of, word, why, by, state.clock()))  # fmt: skip


@post("/accounts/unlink", status_code=303, sync_to_thread=True)
def unlink(request: Asked, state: State) -> Response[Any]:
    """The account logs in through the provider no more."""
    why = form(request).one("why")
    return _change(request, state, "unlinked",
                   lambda c, of, by: staff.unlink(c, of, why, by, state.clock()))  # fmt: skip


@post("/accounts/review", status_code=303, sync_to_thread=True)
def review(request: Asked, state: State) -> Response[Any]:
    """The roles that are ticked were looked at and are right."""
    numbers = [int(n) for n in form(request).all("grant") if n.isascii() and n.isdigit()]
    staff.review(state.controller, [n for n in numbers if n < 2**63], session(request).account,
                 state.clock())  # fmt: skip
    return back("/desk/accounts", "reviewed")


@post("/accounts/alert", status_code=303, sync_to_thread=True)
def alert(request: Asked, state: State) -> Response[Any]:
    """An alert was looked into."""
    given = form(request).one("alert")
    number = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0
    try:
        staff.see_alert(state.controller, number, session(request).account, state.clock())
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return back("/desk/accounts", "seen")


def _change(
    request: Asked, state: State, done: str,
    change: Callable[[Controller, Account, Account], None],
) -> Response[Any]:  # fmt: skip
    controller: Controller = state.controller
    try:
        of = controller.accounts.of(form(request).one("account"), state.clock())
        change(controller, of, session(request).account)
    except KeptError as problem:
        return _shown(request, state, said(problem))
    return back("/desk/accounts", done)


def _shown(request: Asked, state: State, problem: str | None = None) -> Response[str]:
    controller: Controller = state.controller
    now = state.clock()
    grants = controller.accounts.grants()
    accounts = controller.accounts.all(now)
    holding = {a.number: [g for g in grants if g.account == a.number and g.holds(now)]
               for a in accounts}  # fmt: skip
    return page(
        request, "desk_accounts.html.j2", 400 if problem else 200, problem=problem,
        accounts=accounts, holding=holding,
        emergencies=controller.accounts.emergencies(),
        past=[g for g in grants if not g.holds(now)][: -_PAST - 1 : -1],
        linked=controller.links.all(),
        named={a.number: a for a in accounts}, staff_roles=STAFF,
        forms=_FULL, open_alerts=controller.watch.alerts(unseen=True),
        review_days=controller.desk.review_days,
        alone=staff.officers(controller, now) <= {session(request).account.number},
    )  # fmt: skip


HANDLERS: Final = [
    accounts_page, add, reset, grant, revoke, disable, enable, link, unlink, review, alert,
]  # fmt: skip
