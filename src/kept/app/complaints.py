"""Complaints about us, in public: a form, and a page that says how a complaint stands.

No account, no cookie, no script, and nothing to prove. Nobody is looked up.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, RawBody
from litestar.response import Redirect

from kept.app.pages import day_words, rendered
from kept.app.posted import ELSEWHERE, PRIVATE, aside, elsewhere, fields_of, is_email, one, source
from kept.app.requests import NO_ADDRESS, REGIONS, TOO_LONG
from kept.controller import Controller
from kept.duties.rights import complaints
from kept.duties.rights.intake import LONGEST, TooMany
from kept.errors import UsageError
from kept.terms.tongues import number, say

_FORM: Final = "/privacy/complaints"
_FIELDS: Final = ("words", "email", "post", "about")
#: How a complaint stands, in words for everybody.
STANDS: Final[Mapping[str, str]] = {
    "received": "It has come. Nobody has looked at it yet.",
    "acknowledged": "It has come, and a person looks into it.",
    "looked-into": "A person looks into it.",
    "answered": "We have answered it.",
    "withdrawn": "You took it back.",
}
_TOO_MANY: Final = (
    "Many complaints came in within the last hour, so we cannot take this one by this form now."
    " Try again in an hour, or write to us: our addresses are below."
)


def _form(
    state: State, fields: dict[str, list[str]], problems: Mapping[str, str], status: int = 200
) -> Response[str]:
    page = rendered(
        "complaints.html.j2", state.controller, status, here="complaints",
        typed={name: one(fields, name) for name in _FIELDS},
        region=one(fields, "region") or "unknown", regions=REGIONS,
        problems=dict.fromkeys((*_FIELDS, "form"), "") | dict(problems),
        amiss=[(name, words) for name, words in problems.items() if name != "form"],
        once=secrets.token_hex(16),
    )  # fmt: skip
    if status != 200:  # it shows what she typed, which whoever goes back finds there again
        page.headers["Cache-Control"] = "private"
    return page


@get(_FORM, media_type=MediaType.HTML)
@aside
def form_page(request: Request[Any, Any, Any], state: State) -> Response[str]:
    """The form; `?about=` names a request before."""
    return _form(state, {"about": [request.query_params.get("about", "")[:100]]}, {})


@post(_FORM, media_type=MediaType.HTML, status_code=303)
@aside
def complain(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[Any]:
    """Take a complaint in, whoever's it is."""
    controller: Controller = state.controller
    fields = fields_of(body)
    words, email, address = (one(fields, n).strip() for n in ("words", "email", "post"))
    problems: dict[str, str] = {}
    if not words:
        problems["words"] = say("Tell us in a few words what went wrong.")
    elif len(words) > LONGEST:
        problems["words"] = say(TOO_LONG, most=number(LONGEST))
    if email and not is_email(email):
        problems["email"] = say(NO_ADDRESS)
    elif not email and not address:
        problems["email"] = say("Tell us where our answer goes: an e-mail or a postal address.")
    if len(address) > 500:
        problems["post"] = say("This is too long for an address.")
    if elsewhere(request):
        problems["form"] = say(ELSEWHERE)
    if not problems:
        try:
            token = complaints.send(
                controller,
                complaints.Form(
                    words, email, address, one(fields, "about")[:100], one(fields, "once"),
                    source(request, state), one(fields, "region") or "unknown",
                ),
                state.clock(),
            )  # fmt: skip
        except TooMany:
            return _form(state, fields, {"form": say(_TOO_MANY)}, 429)
        except UsageError as problem:
            problems["form"] = say("We cannot take it like this: {why}.", why=say(problem.what))
        else:
            state.wake()
            return Redirect(f"{_FORM}/{token}", status_code=303, headers=PRIVATE)
    return _form(state, fields, problems, 400)


@get(f"{_FORM}/{{token:str}}", media_type=MediaType.HTML)
@aside
def complaint_page(token: FromPath[str], state: State) -> Response[str]:
    """How a complaint stands."""
    return _page(state, token)


@post(f"{_FORM}/{{token:str}}", media_type=MediaType.HTML, status_code=303)
@aside
def go_on(
    request: Request[Any, Any, Any], token: FromPath[str], state: State, body: RawBody
) -> Response[Any]:
    """Have a code sent, type it, or take the complaint back."""
    controller: Controller = state.controller
    fields, now = fields_of(body), state.clock()
    if complaints.found(controller, token) is None:
        return _page(state, token)
    match one(fields, "do"):
        case "send":
            complaints.send_code(controller, token, now)
        case "code":
            complaints.type_code(controller, token, one(fields, "code"), now)
        case "withdraw":
            complaints.withdraw(controller, token, now)
    state.wake()
    return Redirect(f"{_FORM}/{token}", status_code=303, headers=PRIVATE)


def _page(state: State, token: str) -> Response[str]:
    controller: Controller = state.controller
    stands = complaints.standing(controller, token, state.clock())
    if stands is None:
        return rendered("requests-gone.html.j2", controller, 404, here="complaints")
    page = rendered(
        "complaint.html.j2", controller, here="complaints", stands=stands, states=STANDS,
        arrived=day_words(stands.arrived, controller),
        confirm_by=day_words(stands.confirm_by, controller),
    )  # fmt: skip
    page.headers.update(PRIVATE)
    return page


HANDLERS: Final = [form_page, complain, complaint_page, go_on]
