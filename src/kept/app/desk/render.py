"""How a page of the desk is made, and how it says that something went wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from litestar import MediaType, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from markupsafe import Markup

from kept.app.desk.guard import Asked, cookie
from kept.app.log import logged
from kept.app.pages import minute, templates
from kept.app.surface import CASES, LINKS, LOOKS, TAKES
from kept.controller import Controller
from kept.duties import page as public
from kept.duties import staff
from kept.errors import Denied, KeptError, UsageError
from kept.records.account import OFFICER
from kept.records.actor import ROLES
from kept.records.session import Session

#: Beside the headers of every answer. The referrer stays on this server, and with it the Origin
#: of forms is told, which `no-referrer` would make `null`; nothing of the desk is kept by a
#: browser that was logged out.
HEADERS: Final = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
_ALL: Final = {
    "Content-Security-Policy": public.POLICY,
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "browsing-topics=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    **HEADERS,
}
#: What was done, as a page says it after a redirect.
DONE: Final = {
    "password": "The password was changed. Every other login of yours has ended.",
    "mail": "It was noted where you are reminded.",
    "proof": "The second proof was replaced.",
    "out": "You are logged out.",
    "linked": "The account can log in that way.",
    "unlinked": "The account logs in that way no more, and whoever was logged in is out.",
    "granted": "The role was given.",
    "revoked": "The role was taken away.",
    "disabled": "The account was disabled, and whoever was logged in with it is out.",
    "enabled": "The account can be used again.",
    "reviewed": "It was noted that you looked at the roles.",
    "seen": "It was noted that you looked into the alert.",
    "incident": "It was recorded.",
    "settled": "The decision was recorded.",
    "disclosed": "It was noted. Her next package tells her of it, unless a law forbids that.",
    "codes": "Codes go to the old address and to the new one. Both have to be typed in.",
    "told-us": "What she told is put aside and compared. Tell her only that.",
    "complaint": "It was recorded.",
    "destroyed": "It was deleted, and so was the key to it.",
    "one-person": "It was noted: one person. What is asked by either covers the other from now on.",
    "two-people": "It was noted: two people. It is not asked again.",
    "let-through": "It may be stored. Nothing of it waits here longer than it has to.",
    "evidence": "It was noted how it was checked who asks.",
    "plan": "This is what would happen. Nothing was done yet.",
    "same-plan": "The same would happen as when it was looked at before. Nothing was done yet.",
    "approved": "The plan was approved. Nothing was done yet.",
    "begun": "It is being carried out. You can leave this page.",
    "busy": "Somebody is carrying it out already; it is done once.",
    "over": "This case has ended; nothing was done again.",
    "acknowledged": "It was noted that she was told that it has come.",
    "clock": "The day was counted anew. The day before stays on record.",
    "refused": "The request was refused, and why is kept.",
    "withdrawn": "The case has ended; nothing was changed. Write to her that it has.",
    "withdrawn-mailed": "The case has ended; nothing was changed. A letter that says so is on its"
    " way to the address that she proved hers.",
    "mailed": "The answer is on its way to the address that she proved hers.",
    "link": "The package waits behind a link, which goes to the address that she proved hers.",
    "posted": "It was entered that the letter went out.",
    "posted-early": "It was entered that the letter went out. It was written before all was done,"
    " and is not her answer: write it anew.",
    "task": "It was noted what became of it.",
    "in-person": "It was entered that the answer reached her.",
    "note": "The note was added.",
    "owner": "It was noted whose task this is.",
    "entered": "The request was entered.",
    "scan": "The scan lies with the request, sealed. It goes when that has ended.",
    "classified": "It was noted what is asked.",
    "closed": "The request has ended.",
    "confirmed": "It is a child’s. The record stays frozen until it is erased in this case.",
    "frozen": "Every use of these records has stopped. Each report waits to be decided.",
    "unfounded": "Unfounded. What the report froze can be used again.",
    "decided": "The decision was recorded.",
    "told": "It was recorded that she was told. The restriction still stands.",
    "lifted": "This restriction was lifted. What another case restricts stays restricted.",
    "part": "That part is refused; the rest is not.",
    "struck": "It was noted what is struck. Nothing was handed over yet.",
    "handed": "It was handed over. Somebody else approves it.",
    "redaction-approve": "It was approved. The package can be made.",
    "redaction-return": "It was given back to be struck again.",
    "redaction-accept": "It was noted why this may stay. The package can be made.",
    "emergency": "You have the role for an hour. Every privacy officer sees it, with your reason.",
}


def page(
    request: Asked,
    template: str,
    /,
    status: int = 200,
    *,
    made: Session | None = None,
    done: str | None = None,
    **values: Any,
) -> Response[str]:
    """A page from its template, for whoever asks. `made`: the session that begins with it; `done`:
    what was done, where no address says it.
    """
    controller: Controller = request.app.state.controller
    found: Session | None = made or request.state.desk
    full = found is not None and staff.stage(found) == "full"
    csrf = Markup('<input type="hidden" name="csrf" value="{}">').format(
        found.csrf if found else ""
    )
    roles = found.account.roles if full and found is not None else frozenset[str]()
    officer = OFFICER in roles
    body = templates.get_template(template).render(
        language="en",
        organisation=controller.bundle.organisation.name,
        account=found.account if found else None,
        full=full,
        officer=officer,
        alerts=_alerts(controller) if officer else 0,
        roles_words=ROLES,
        incident_roles=LOOKS,
        elsewhere=controller.provider.settings.title if controller.provider else None,
        csrf=lambda: csrf,
        when=lambda at: _when(at, controller),
        zone=controller.desk.zone,
        done=done or DONE.get(request.query_params.get("done", ""), ""),
        here=request.url.path,
        sees_cases=bool(roles & CASES),
        enters=bool(roles & TAKES),
        decides_who=bool(roles & LINKS),
        **{"problem": None, "leave": None, **values},
    )
    return Response(
        body, media_type=MediaType.HTML, status_code=status,
        cookies=[cookie(controller, made)] if made else None,
    )  # fmt: skip


def back(path: str, done: str = "") -> Redirect:
    """After a change: the page that shows it, which can be loaded again."""
    more = f"{'&' if '?' in path else '?'}done={done}" if done else ""
    return Redirect(f"{path}{more}", status_code=303)


def said(problem: KeptError) -> str:
    """An error as a page shows it; errors hold no personal data. Commands help nobody here."""
    words = problem.what + (f"; expected {problem.expected}" if problem.expected else "")
    mend = problem.fix if problem.fix and "`kept " not in problem.fix else ""
    fix = f". {mend[0].upper()}{mend[1:]}" if mend else ""
    return words[0].upper() + words[1:] + fix + "."


def refused(request: Asked, problem: HTTPException) -> Response[Any]:
    """Nobody is logged in: the login. Not in these roles, or not from here: that, and no more."""
    if "desk" not in request.state or "form" not in request.state:
        request.state.desk = None
    status = problem.status_code
    if status == 401:
        half = request.state.desk
        made = page(
            request, "desk_login.html.j2", 401, step=NEXT[staff.stage(half)] if half else None
        )
        made.headers["WWW-Authenticate"] = "Form"
    else:
        words = {
            403: "You are not let in here.", 404: "This page does not exist.",
            405: "This cannot be done here.", 413: "This is larger than what is taken here.",
        }  # fmt: skip
        why = problem.detail if status == 403 else ""
        if status == 403:
            _told(request, "refused", why)
        made = page(request, "desk_error.html.j2", status,
                    message=words.get(status, "This could not be read."), why=why)  # fmt: skip
    made.headers.update(_ALL)
    return made


def kept_error(request: Asked, problem: KeptError) -> Response[Any]:
    """An error of Kept that no handler has shown on its own page."""
    wrong = isinstance(problem, UsageError | Denied)
    if isinstance(problem, Denied):
        _told(request, "refused", problem.what)
    elif not wrong:
        _told(request, "failed", type(problem).__name__)
    status = 403 if isinstance(problem, Denied) else 400 if wrong else 503
    words = "This was not done." if wrong else "Something went wrong on our side."
    made = page(request, "desk_error.html.j2", status, message=words,
                why=said(problem) if wrong else "")  # fmt: skip
    made.headers.update(_ALL)
    return made


def _told(request: Asked, outcome: str, why: str) -> None:
    """Say on stderr that somebody was kept out, or what failed: the route and the ledger's name of
    the account. Errors of Kept hold no personal data.
    """
    found: Session | None = request.state.desk
    who = found.account.id if found else "nobody"
    route = request.scope.get("path_template", "")
    logged(request.app.state.clock(), f"{outcome}: {request.method} {route} by {who}: {why}")


#: Where a login goes on.
NEXT: Final = {
    "full": "/desk", "code": "/desk/login/code", "password": "/desk/login/password",
    "enrol": "/desk/second-proof",
}  # fmt: skip


def _alerts(controller: Controller) -> int:
    """How much an officer has to look into under Accounts."""
    return len(controller.watch.alerts(unseen=True)) + len(controller.accounts.emergencies())


def _when(at: dt.datetime | None, controller: Controller) -> Markup:
    if at is None:
        return Markup("never")
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), minute(at, controller))
