"""What people ask, in public: a form, a code, and a page that says how it stands.

No account, no cookie, no script. Every answer says the same, and takes the same work, whether or
not somebody is known; nothing is changed by a GET.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath, RawBody
from litestar.response import Redirect
from markupsafe import Markup

from kept.app.pages import day_words, rendered
from kept.app.posted import ELSEWHERE, PRIVATE, aside, elsewhere, fields_of, is_email, one, source
from kept.controller import Controller
from kept.duties.rights import intake, others_mail, proving, reported
from kept.errors import UsageError
from kept.records.intake import State as Standing
from kept.records.intake import Typed
from kept.terms import tongues
from kept.terms.asks import ASKS, CHILD_REPORT, MAIL_OF_CUSTOMER, MAIL_OF_PARTNER
from kept.terms.proof import HOW
from kept.terms.tongues import number, say

_FORM: Final = "/privacy/requests"
#: What the form offers for where somebody lives: words → region of terms.regimes.
REGIONS: Final[Mapping[str, str]] = {
    "unknown": "I do not want to say",
    "EEA": "In the European Union, Iceland, Liechtenstein or Norway",
    "UK": "In the United Kingdom",
    "CH": "In Switzerland",
    "US-CA": "In California",
    "US-VA": "In Virginia",
    "US": "Elsewhere in the United States",
    "other": "In another country",
}
#: How what was asked stands, in words for everybody.
STANDS: Final[Mapping[str, str]] = {
    "working": "We are working on it.",
    "in-force": "It is in force: what we know to be yours is not used, but for what the law"
    " allows.",
    "in-force-partly": "It is in force for the address that you gave. Not every system could be"
    " asked yet by what else you are known there; what we hold under that may still be used. We go"
    " on.",
    "weighed": "What you objected to has stopped. Whether it may go on is still to be weighed.",
    "done": "Done.",
    "told": "Done. You have our answer.",
    "told-of-copy": "Done. You have our letter; your copy is still to come.",
    "untold": "Done. Our answer to you, with what was done, is still to come.",
    "refused": "We could not do it. The reason is in our answer to you.",
    "unexplained": "We could not do it. Our answer to you, with the reason, is still to come.",
    "withdrawn": "You took it back. Nothing was done.",
    "taken-back": "We noted that you no longer want it, so nothing was done. If that is not so,"
    " tell us.",
}
_FIELDS: Final = ("email", "words", "agent", "changed", "about", "reporter", "name")
NO_ADDRESS: Final = "This is no e-mail address that we can write to. Look for a typo."
TOO_LONG: Final = "This is too long. Please use at most {most} characters."
_TOO_MANY: Final = (
    "Many requests came in within the last hour, so we cannot take this one by this form now. Try"
    " again in an hour, or write to us: our addresses are below."
)


def own_cookie(request: Request[Any, Any, Any], state: State) -> str | None:
    """The site's own cookie that the reader's browser holds; None where none is known."""
    value = request.cookies.get(state.cookie, "").strip() if state.cookie else ""
    return value if 0 < len(value) <= 200 and value.isprintable() else None


def _form(
    state: State, fields: Mapping[str, Sequence[str]], problems: Mapping[str, str],
    status: int = 200, *, form: str = "own", visitor: bool = False,
) -> Response[str]:  # fmt: skip
    """A form, with what was typed before and what is amiss with it (field → words)."""
    controller: Controller = state.controller
    template = {"own": "requests", "child": "requests-child", "mail": "requests-mail"}[form]
    page = rendered(
        f"{template}.html.j2",
        controller,
        status,
        here="requests",
        asks=[a for a in ASKS.values() if a.form == form],
        chosen=list(fields.get("asked", [])),
        typed={name: one(fields, name) for name in _FIELDS},
        region=one(fields, "region") or "unknown",
        regions=REGIONS,
        problems=dict.fromkeys((*_FIELDS, "asked", "form"), "") | dict(problems),
        amiss=[(name, words) for name, words in problems.items() if name != "form"],
        once=secrets.token_hex(16),
        takes=controller.post is not None,
        visitor=visitor,
    )
    if status != 200:  # it shows what she typed, which whoever goes back finds there again
        page.headers["Cache-Control"] = "private"
    return page


@get(_FORM, media_type=MediaType.HTML)
@aside
def form_page(request: Request[Any, Any, Any], state: State) -> Response[str]:
    """The form on which somebody asks; `?asked=` chooses something before."""
    chosen = [a for a in request.query_params.getall("asked", []) if a in ASKS]
    visitor = own_cookie(request, state) is not None
    return _form(state, {"asked": chosen}, {}, visitor=visitor)


@post(_FORM, media_type=MediaType.HTML, status_code=303)
@aside
def ask(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[Any]:
    """Take a request in and send a code to the address, whoever's it is."""
    controller: Controller = state.controller
    fields = fields_of(body)
    if controller.post is None:
        return _form(state, fields, {}, 503)
    problems: dict[str, str] = {}
    cookie = own_cookie(request, state) if fields.get("by") == ["cookie"] else None
    if not [a for a in fields.get("asked", []) if a in ASKS]:
        problems["asked"] = say("Choose at least one thing that you want.")
    for name in ("email", "agent", "changed") if cookie is None else ():
        value = one(fields, name).strip()
        if (value or name == "email") and not is_email(value):
            problems[name] = say(NO_ADDRESS)
    if len(one(fields, "words")) > intake.LONGEST:
        problems["words"] = say(TOO_LONG, most=number(intake.LONGEST))
    if elsewhere(request):
        problems["form"] = say(ELSEWHERE)
    if not problems:
        try:
            form = intake.Form(
                tuple(fields["asked"]), one(fields, "email"), one(fields, "words"),
                one(fields, "once"), source(request, state), one(fields, "region") or "unknown",
                one(fields, "agent"), one(fields, "changed"),
            )  # fmt: skip
            if cookie is None:
                token = intake.ask(controller, form, state.clock())
            else:
                token = intake.ask_by_cookie(controller, form, cookie, state.clock())
        except intake.TooMany:
            return _form(state, fields, {"form": say(_TOO_MANY)}, 429)
        except UsageError as problem:
            problems["form"] = say("We cannot take it like this: {why}.", why=say(problem.what))
        else:
            state.wake()
            return Redirect(f"{_FORM}/{token}", status_code=303, headers=PRIVATE)
    visitor = own_cookie(request, state) is not None
    return _form(state, fields, problems, 400, visitor=visitor)


@get(f"{_FORM}/child", media_type=MediaType.HTML)
@aside
def child_page(state: State) -> Response[str]:
    """The form on which anybody reports that a record is a child's."""
    return _form(state, {}, {}, form="child")


@post(f"{_FORM}/child", media_type=MediaType.HTML, status_code=303)
@aside
def report_child(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[Any]:
    """Take the report in; the record is frozen at once, beside the answer."""
    controller: Controller = state.controller
    fields = fields_of(body)
    about, words, reporter = (one(fields, n) for n in ("about", "words", "reporter"))
    problems: dict[str, str] = {}
    if not about.strip() and not words.strip():
        problems["about"] = say("Tell us by what we can find the child's data.")
    if reporter.strip() and not is_email(reporter):
        problems["reporter"] = say(NO_ADDRESS)
    if len(words) > intake.LONGEST:
        problems["words"] = say(TOO_LONG, most=number(intake.LONGEST))
    if elsewhere(request):
        problems["form"] = say(ELSEWHERE)
    if not problems:
        try:
            token = reported.report(
                controller, about, words, reporter, once=one(fields, "once"),
                source=source(request, state), now=state.clock(),
            )  # fmt: skip
        except intake.TooMany:
            return _form(state, fields, {"form": say(_TOO_MANY)}, 429, form="child")
        except UsageError:
            problems["about"] = say("We cannot search by this. Write it another way.")
        else:
            state.wake()
            return Redirect(f"{_FORM}/{token}", status_code=303, headers=PRIVATE)
    return _form(state, fields, problems, 400, form="child")


@get(f"{_FORM}/mail", media_type=MediaType.HTML)
@aside
def mail_page(state: State) -> Response[str]:
    """The form on which somebody complains about mail of a customer or of a partner."""
    return _form(state, {}, {}, form="mail")


@post(f"{_FORM}/mail", media_type=MediaType.HTML, status_code=200)
@aside
def complain(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[Any]:
    """Say how such mail is stopped; nothing of theirs is touched, nothing of hers is kept."""
    controller: Controller = state.controller
    fields = fields_of(body)
    kind = one(fields, "asked")
    if kind not in (MAIL_OF_CUSTOMER, MAIL_OF_PARTNER):
        return _form(state, fields, {"asked": say("Choose whose mail it is.")}, 400, form="mail")
    if elsewhere(request):
        return _form(state, fields, {"form": say(ELSEWHERE)}, 400, form="mail")
    try:
        told = others_mail.complain(
            controller, kind, one(fields, "name"), once=one(fields, "once"),
            source=source(request, state), now=state.clock(),
        )  # fmt: skip
    except intake.TooMany:
        return _form(state, fields, {"form": say(_TOO_MANY)}, 429, form="mail")
    return rendered("requests-guidance.html.j2", controller, here="requests", told=told)


@get(f"{_FORM}/{{token:str}}", media_type=MediaType.HTML)
@aside
def request_page(
    request: Request[Any, Any, Any], token: FromPath[str], state: State
) -> Response[str]:  # fmt: skip
    """How a request stands: where the code is typed, then what became of it."""
    return _page(state, token, told=request.query_params.get("told") == "1")


@post(f"{_FORM}/{{token:str}}", media_type=MediaType.HTML, status_code=303)
@aside
def go_on(
    request: Request[Any, Any, Any], token: FromPath[str], state: State, body: RawBody
) -> Response[Any]:
    """Type the code, have it sent again, or take the request back."""
    controller: Controller = state.controller
    fields, now = fields_of(body), state.clock()
    if intake.found(controller, token) is None:
        return _page(state, token)
    match one(fields, "do"):
        case "code":
            outcome, fresh = intake.type_code(controller, token, one(fields, "code"), now)
            token = fresh if outcome is Typed.RIGHT and fresh else token
        case "again":
            intake.send_again(controller, token, now)
        case "tell":
            answers = [one(fields, f"told-{n}") for n in range(len(controller.desk.facts))]
            try:
                intake.tell(controller, token, answers, now)
            except UsageError as problem:
                return _page(state, token, problem.what)
            state.wake()
            return Redirect(
                f"{_FORM}/{token}?told=1", status_code=303, headers=PRIVATE
            )  # fmt: skip
        case "withdraw":
            intake.withdraw(controller, token, now)
    state.wake()
    return Redirect(f"{_FORM}/{token}", status_code=303, headers=PRIVATE)


def _page(
    state: State, token: str, problem: str = "", *, told: bool = False
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    stands = intake.standing(controller, token, state.clock())
    if stands is None:
        return rendered("requests-gone.html.j2", controller, 404, here="requests")
    waits = stands.state == Standing.AWAITING
    page = rendered(
        "requests-code.html.j2" if waits else "requests-status.html.j2",
        controller,
        400 if problem else 200,
        here="requests",
        problem=problem,
        told=told,
        thanks=proving.THANKS,
        how=HOW,
        ways=[way for way in stands.ways if way != "person"],
        login=controller.desk.login,
        stands=stands,
        reached=_reached(stands),
        child=CHILD_REPORT in stands.asked,
        titles={kind: ASKS[kind].title for kind in stands.asked},
        states=STANDS,
        arrived=day_words(stands.arrived, controller),
        unfetched={kind: day_words(day, controller) for kind, day in stands.unfetched},
        due=day_words(stands.due, controller) if stands.due else None,
    )
    page.headers.update(PRIVATE)
    return page


def _reached(stands: intake.Standing) -> Markup:
    """The addresses that a request names; while a code is waited for, which of them confirmed."""
    waits = stands.state == Standing.AWAITING
    sure, bare = Markup("<b>{}</b> ({})"), Markup("<b>{}</b>")
    named = [
        sure.format(address, say("confirmed")) if known and waits else bare.format(address)
        for address, known in stands.addresses
    ]
    return Markup(tongues.listed(named))  # noqa: S704 — each is escaped above


HANDLERS: Final = [
    form_page, ask, child_page, report_child, mail_page, complain, request_page, go_on,
]  # fmt: skip
