"""Declared forms: shown with all that is told beside them, and judged when they are sent.

On Kept's own pages under /forms, and for a company's own site by the API. What came is read here
once for both: bytes that are no form, fields twice, pages elsewhere.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
import urllib.parse
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody, RawBody

from kept.app.api import REFUSALS, Subject, bearer, unambiguous
from kept.app.often import WINDOW
from kept.app.pages import rendered, templates
from kept.app.posted import aside, source
from kept.controller import Controller
from kept.decide.form import LONG, SHORT, Why
from kept.duties.collect import deciding, storing, taking
from kept.duties.collect.taking import HELD, TAKEN, Answer, Prepared, Sent
from kept.errors import UsageError
from kept.policy import spoken
from kept.terms import regimes, tongues
from kept.terms.addresses import web_origin
from kept.terms.identifiers import Identifier
from kept.terms.tongues import say

#: What a browser may fill in by itself (WCAG 1.3.5), by category.
FILL: Final[Mapping[str, str]] = {
    "contact.email": "email", "contact.name": "name", "contact.phone": "tel",
    "contact.address": "street-address", "contact.company": "organization",
    "contact.job": "organization-title",
}  # fmt: skip
_LONGEST: Final = {"text": SHORT, "textarea": LONG}
#: Fields that the form itself carries, beside those that are declared.
_OWN: Final = "kept."
_SAYS: Final[Mapping[Why, str]] = {
    Why.MISSING: "This is needed.",
    Why.MALFORMED: "This cannot be right. Please look at it again.",
    Why.LONG: "This is too long.",
}
#: Browsers say whence a form comes only where the page does not hide it.
_HEADERS: Final = {"Referrer-Policy": "same-origin", "Cache-Control": "no-store"}
_TOO_MANY: Final = (
    "Many forms came from where you are within the last hour, so we took nothing of this one. Try"
    " again in an hour, or write to us: our addresses stand in our privacy policy."
)
_STATUS: Final[Mapping[Why, int]] = {
    Why.ORIGIN: 403, Why.AGE: 403, Why.DENIED: 403, Why.NOTICE: 409, Why.REPLAYED: 409,
    Why.CLOSED: 503,
}  # fmt: skip


# — the page ——————————————————————————————————————————————————————————————————————————————


@get("/forms/{form:str}", media_type=MediaType.HTML)
@aside
def declared_page(
    request: Request[Any, Any, Any], form: FromPath[str], state: State,
    region: FromQuery[str] = "unknown", language: FromQuery[str] = "",
) -> Response[str]:  # fmt: skip
    """A form with all that is told beside it. Changes nothing."""
    with _in(state, language):
        told = _told(request, state, region)
        return _page(state, _prepared(state, form, told, tongues.spoken().asked))


def _told(request: Request[Any, Any, Any], state: State, region: str) -> str:
    """The region whose rules somebody is told: no link names one with less for her than where the
    server before this one says that she is.
    """
    said = request.headers.get(state.country, "") if state.country else ""
    place, _, part = said.partition("-")
    lives = regimes.region_of(place, part or None) if said else region
    strict = lives not in regimes.REGIONS or region not in regimes.REGIONS or (
        regimes.strictest(region, lives) == regimes.strictest(region)
    )  # fmt: skip
    return region if strict else lives


@post("/forms/{form:str}", media_type=MediaType.HTML, status_code=200)
@aside
def send_form(
    request: Request[Any, Any, Any], form: FromPath[str], state: State, body: RawBody
) -> Response[str]:
    """Judge a form, and hand it to the place that is set up for it."""
    fields = _read(request, body)
    given = dict(fields)
    # The answer speaks as the form did; its address may have said another language meanwhile.
    with _in(state, given.get("kept.language", "")):
        return _answered(request, state, form, fields)


def _in(state: State, language: str) -> AbstractContextManager[Any]:
    """Speak the language of a form, where it names one of the policy's."""
    bundle = state.controller.bundle
    named = language if language in bundle.languages else tongues.spoken().chosen
    return spoken.speaking(bundle, named)


def _answered(
    request: Request[Any, Any, Any], state: State, form: str, fields: list[tuple[str, str]]
) -> Response[str]:
    controller: Controller = state.controller
    sent = _sent(fields, request.headers.get("origin"), own=_own(request, controller))
    sent = dataclasses.replace(sent, region=_told(request, state, sent.region))
    shown = _prepared(state, form, sent.region, tongues.spoken().asked)
    if state.often.too(source(request, state), state.clock()):
        typed = {n: v for n, v in fields if n in shown.form.fields}
        page = _page(state, shown, typed=typed, status=429, told=say(_TOO_MANY))
        page.headers["Retry-After"] = str(int(WINDOW.total_seconds()))
        return page
    if storing.place_of(controller, form) is None:
        answer = taking.closed(controller, form, state.clock())
    else:
        answer = storing.submit(controller, form, sent, state.clock())
    if answer.taken or answer.outcome == HELD:
        state.wake()  # a yes is confirmed by a letter with the way back
        return _done(controller, answer)
    status = 400 if answer.why is None else _STATUS.get(answer.why, 400)
    if answer.why in (Why.AGE, Why.ORIGIN, Why.REPLAYED):
        return _ended(controller, say("We took nothing"), [_sentence(say(answer.reason))], status)
    return _page(state, shown, answer, {n: v for n, v in fields if n in shown.form.fields}, status)


def _prepared(state: State, form: str, region: str, language: str) -> Prepared:
    if form not in state.controller.bundle.forms:
        raise NotFoundException
    try:
        return taking.prepared(state.controller, form, region, language)
    except UsageError:
        raise HTTPException("this form cannot be shown", status_code=503) from None


def _page(
    state: State, shown: Prepared, answer: Answer | None = None,
    typed: Mapping[str, str] | None = None, status: int = 200, told: str = "",
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    problems = (
        {}
        if answer is None
        else {n: say(_SAYS[w]) if w in _SAYS else "" for n, w in answer.problems.items()}
    )
    words = {f.name: f.label for f in shown.notice.fields}
    page = rendered(
        "declared.html.j2", controller, status, here="forms", form=shown.form, shown=shown.notice,
        hash=shown.hash, once=secrets.token_hex(16), typed=typed or {}, problems=problems,
        met=[(n, f"{words[n]}: {said}") for n, said in problems.items()],
        said=told or (_refusal(answer) if answer is not None and not problems else ""),
        open=storing.place_of(controller, shown.form.id) is not None, fill=FILL, longest=_LONGEST,
    )  # fmt: skip
    page.headers.update(_HEADERS)
    return page


def _done(controller: Controller, answer: Answer) -> Response[str]:
    if answer.outcome == HELD:
        words = [
            say("Somebody reads it first: something in it may say that it is about a child, and of"
                " children we keep nothing."),
            say("If nobody has decided within 14 days, it is deleted."),
        ]  # fmt: skip
        return _ended(controller, say("Thank you"), words, 200)
    words = [say("We have it.")]
    if answer.consents or answer.unmet:
        words.append(
            say("What you agreed to holds from now on, as far as nothing that you told us before"
                " stands against it. You can take it back at any time, as easily as you gave it.")
        )  # fmt: skip
        if controller.post is not None and controller.site_url is not None and answer.consents:
            words.append(say("We send you a letter with the link to it, if this yes is a new one."))
    back = bool(answer.consents or answer.unmet)
    return _ended(controller, say("Thank you"), words, 200, back=back)


def _ended(
    controller: Controller, title: str, lines: Sequence[str], status: int, *, back: bool = False
) -> Response[str]:
    page = rendered("declared-done.html.j2", controller, status, here="forms", title_=title,
                    lines=lines, back=back)  # fmt: skip
    page.headers.update(_HEADERS)
    return page


def _refusal(answer: Answer) -> str:
    """Why nothing was taken. Anybody can type an address: what stands against storing it, as that
    its owner was erased or objected, is said to whoever may read decisions, and not here.
    """
    if answer.why is Why.DENIED:
        return say("We may not store it. If you want it all the same, write to us.")
    return _sentence(say(answer.reason))


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


# — what came —————————————————————————————————————————————————————————————————————————————


def _read(request: Request[Any, Any, Any], body: bytes) -> list[tuple[str, str]]:
    """The fields of a form as a browser sends it; HTTPException for anything else."""
    kind, parameters = _content_type(request)
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException("a form is expected", status_code=415)
    if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise HTTPException("a form in UTF-8 is expected", status_code=415)
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise HTTPException("a body is taken as it is", status_code=415)
    try:
        return urllib.parse.parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100
        )
    except ValueError:  # no form, no UTF-8, or too many fields
        raise HTTPException("this is no form that can be read", status_code=400) from None


def _content_type(request: Request[Any, Any, Any]) -> tuple[str, dict[str, str]]:
    kind, *rest = request.headers.get("content-type", "").split(";")
    pairs = (part.partition("=") for part in rest)
    return kind.strip().lower(), {k.strip().lower(): v.strip().strip('"') for k, _, v in pairs}


def _sent(
    fields: Sequence[tuple[str, str]], origin: str | None, own: frozenset[str] = frozenset()
) -> Sent:
    """What came, with the form's own fields apart from those that somebody filled in."""
    mine: dict[str, str] = {}
    rest = []
    for name, value in fields:
        if not name.startswith(_OWN):
            rest.append((name, value))
        elif mine.setdefault(name, value) != value:
            rest.append((name, value))  # twice and unlike: it is refused as undeclared and doubled
            rest.append((name, value))
    once = mine.get("kept.once") or None
    return Sent(
        rest, origin, mine.get("kept.notice", ""), mine.get("kept.region", "unknown"),
        mine.get("kept.language"), once[:64] if once else None, own,
    )  # fmt: skip


def _own(request: Request[Any, Any, Any], controller: Controller) -> frozenset[str]:
    """The origins of Kept's own pages: as they were asked for, and as kept.toml names them."""
    asked = f"{request.url.scheme}://{request.headers.get('host', '')}"
    found = (web_origin(asked), web_origin(controller.site_url or ""))
    return frozenset(one for one in found if one is not None)


# — the API ———————————————————————————————————————————————————————————————————————————————

_Word = Annotated[str, msgspec.Meta(max_length=120)]


class FormShown(msgspec.Struct, frozen=True):
    """A declared form: the words that are told (`text`, of which `notice` is the hash), and the
    same as HTML for a page of the company's own: `told_html` above the fields, `fields_html`.
    """

    form: str
    title: str
    path: str
    site: str
    region: str
    language: str
    notice: str
    policy: str
    text: str
    told_html: str
    fields_html: str


class FormSent(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a visitor's browser sent: its Origin header, and all fields, in order; and, where you
    know it, in which country (ISO 3166) and which part of it she lives, and by what you know her,
    as by the account she is logged in to.
    """

    fields: list[tuple[str, str]]
    origin: Annotated[str, msgspec.Meta(max_length=300)] | None
    country: _Word = ""
    part: _Word = ""
    subject: Subject | None = None


class Agreed(msgspec.Struct, frozen=True):
    """A consent that was given. Without `allow` it counts for nothing, for the `reason`."""

    purpose: str
    allow: bool
    basis: str | None
    activity: str | None
    because: list[str]
    reason: str


class Decided(msgspec.Struct, frozen=True):
    """On what one field is taken; `:category` is what comes to be by the form beside its fields."""

    basis: str | None
    activity: str | None


class FormAnswer(msgspec.Struct, frozen=True):
    """On `taken`, store `values` with `stamps` in your own transaction; otherwise nothing.

    `held`: somebody decides first; ask for `item` later. `problems` names what is amiss by field;
    `told_html` and `fields_html` are then the form again, with what was typed.
    """

    outcome: str
    why: str | None
    reason: str
    because: list[str]
    values: dict[str, str]
    stamps: dict[str, str]
    fields: dict[str, Decided]
    consents: list[Agreed]
    withheld: dict[str, str]
    problems: dict[str, str]
    dropped: int
    item: str | None
    told_html: str
    fields_html: str


@get("/api/v1/forms/{form:str}", guards=[bearer], responses=REFUSALS, tags=["forms"])
@aside
def form_shown(
    form: FromPath[str], state: State, region: FromQuery[str] = "unknown",
    country: FromQuery[str] = "", part: FromQuery[str] = "", language: FromQuery[str] = "",
) -> FormShown:  # fmt: skip
    """A form as it is to be shown, before anything is sent. Changes nothing.

    `country` (and `part` of it), where you know where the visitor lives, takes the place of a
    region; whoever is not known to live anywhere is told the strictest.
    """
    where = regimes.region_of(country, part) if country else region
    shown = _for_program(state, form, where, language)
    words = shown.notice
    return FormShown(
        form, words.title, shown.form.path, shown.form.site, words.region, words.language,
        shown.hash, words.version, words.text(), *_html(shown, {}, {}),
    )  # fmt: skip


@post(
    "/api/v1/forms/{form:str}", guards=[bearer], before_request=unambiguous, status_code=200,
    responses=REFUSALS,
    tags=["forms"],
)  # fmt: skip
@aside
def form_sent(form: FromPath[str], data: JSONBody[FormSent], state: State) -> FormAnswer:
    """What of a form may be stored; what was shown and agreed to is recorded here."""
    controller: Controller = state.controller
    sent = _sent(data.fields, data.origin)
    if data.country:
        # The company knows where she lives: what was shown has to be of that region.
        sent = dataclasses.replace(sent, region=regimes.region_of(data.country, data.part))
    if data.subject is not None:
        by = Identifier(data.subject.kind, data.subject.value)
        sent = dataclasses.replace(sent, subject=by)
    if form not in controller.bundle.forms:
        raise NotFoundException("there is no such form")
    answer = taking.submit(controller, form, sent, state.clock())
    if answer.consents:
        state.wake()
    if answer.why is Why.CLOSED:
        return _answer(answer, None, [])
    shown = _for_program(state, form, sent.region, sent.language or "")
    with spoken.speaking(controller.bundle, shown.notice.language):
        return _answer(answer, shown, data.fields)


@post(
    "/api/v1/forms/{form:str}/items/{item:str}", guards=[bearer], status_code=200,
    responses=REFUSALS, tags=["forms"],
)  # fmt: skip
@aside
def form_item(form: FromPath[str], item: FromPath[str], state: State) -> FormAnswer:
    """What became of something that was held: once it is `taken`, it is handed over this once."""
    controller: Controller = state.controller
    now: dt.datetime = state.clock()
    answer = deciding.fetch(controller, form, item, now)
    return _answer(answer, None, [])


def _for_program(state: State, form: str, region: str, language: str) -> Prepared:
    if form not in state.controller.bundle.forms:
        raise NotFoundException("there is no such form")
    known = region if region in regimes.REGIONS else "unknown"
    return taking.prepared(state.controller, form, known, language)


def _answer(
    answer: Answer, shown: Prepared | None, fields: Sequence[tuple[str, str]]
) -> FormAnswer:
    problems = {n: say(_SAYS[w]) if w in _SAYS else str(w) for n, w in answer.problems.items()}
    again = ("", "")
    if shown is not None and answer.outcome not in (TAKEN, HELD):
        again = _html(shown, {n: v for n, v in fields if n in shown.form.fields}, problems)
    return FormAnswer(
        answer.outcome, answer.why, answer.reason, list(answer.because), dict(answer.values),
        dict(answer.stamps),
        {n: Decided(d.basis, d.activity) for n, d in answer.fields.items()},
        [
            Agreed(c.purpose, c.decision.allow, c.decision.basis, c.decision.activity,
                   list(c.decision.because), c.decision.reason)
            for c in (*answer.consents, *answer.unmet)
        ],
        {n: d.reason for n, d in answer.withheld.items()}, problems, answer.dropped, answer.item,
        *again,
    )  # fmt: skip


def _html(
    shown: Prepared, typed: Mapping[str, str], problems: Mapping[str, str]
) -> tuple[str, str]:
    """What is told above the fields, and the fields, as HTML without style or script."""
    module: Any = templates.get_template("_declared.html.j2").make_module(
        {"fill": FILL, "longest": _LONGEST}
    )
    once = secrets.token_hex(16)
    fields = module.fields(shown.form, shown.notice, shown.hash, once, typed, problems)
    return str(module.told(shown.notice)), str(fields)


PAGES: Final = [declared_page, send_form]
PROGRAMS: Final = [form_shown, form_sent, form_item]
