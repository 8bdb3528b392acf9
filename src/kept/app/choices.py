"""Where visitors choose: one page, the banner's files, receipts. No account, no script needed.

A GET shows and changes nothing; what is chosen is posted, from this site alone.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody, RawBody
from litestar.response.base import ASGIResponse
from markupsafe import Markup

from kept.app.api import REFUSALS, bearer, unambiguous
from kept.app.often import WINDOW
from kept.app.pages import asset_bytes, day_words, rendered
from kept.app.posted import aside, fields_of, one, source
from kept.app.requests import own_cookie
from kept.controller import Controller
from kept.decide.visit import Visit, Visitor, judge, met, switched_on, waiting
from kept.duties.visits import banner, choosing, links, receipt, ways
from kept.duties.visits.reach import heed, narrowed, reach
from kept.errors import UsageError
from kept.model import choice
from kept.policy import spoken
from kept.policy.bundle import Bundle
from kept.policy.trackers import Tracker
from kept.terms import tongues
from kept.terms.addresses import place_of
from kept.terms.tongues import count, say
from kept.terms.words import among

_PRIVATE: Final = {"Cache-Control": "no-store"}
#: Without https a browser says whence a form comes by its origin alone, and `no-referrer`, which
#: holds for all other pages, would make that `null`.
_HERE: Final = {"Referrer-Policy": "same-origin"}
#: Why something runs or not, in words.
_WHY: Final[Mapping[str, str]] = {
    "necessary": "Always on: the site cannot work without it.",
    "allowed": "On: you allowed it.",
    "refused": "Off: you refused it.",
    "signal": "Off: your browser sends Global Privacy Control, and we follow it.",
    "not-asked": "Off, until you allow it.",
    "until-refused": "On, until you refuse it.",
}
#: The same where what stands behind a purpose waits for a yes all the same.
_WAITS: Final[Mapping[bool, str]] = {
    True: "What others would get is off: your browser sends Global Privacy Control, and we follow"
          " it. What we do ourselves is on, until you refuse it.",
    False: "Off in our pages, until you load a part where it stands, or allow all of them here.",
}  # fmt: skip
#: What is said where no more choices are put on record: nothing of it is lost, a yes was not
#: taken, nothing was.
_UNRECORDED: Final = (
    "Your choice holds in this browser. Many choices came from where you are within the last hour,"
    " so there is no receipt of this one."
)
_NO_ALONE: Final = (
    "What you refused holds in this browser. What you allowed was not taken: many choices came from"
    " where you are within the last hour. Allow it again in an hour."
)
_TOO_MANY: Final = (
    "This was not taken, and nothing has changed: many choices came from where you are within the"
    " last hour. Allow it again in an hour. A refusal is taken at any time."
)
#: How long something stays, by the letter of its period.
_LASTS: Final[Mapping[str, tuple[str, str]]] = {
    "Y": ("for {n} year", "for {n} years"),
    "M": ("for {n} month", "for {n} months"),
    "D": ("for {n} day", "for {n} days"),
    "TH": ("for {n} hour", "for {n} hours"),
    "TM": ("for {n} minute", "for {n} minutes"),
}


def visitor(request: Request[Any, Any, Any], state: State) -> Visitor:
    """Who asks, as far as her browser and the server before this one say it."""
    controller: Controller = state.controller
    header = state.country
    return met(
        controller.bundle,
        request.headers.multi_items(),
        state.choice_key,
        secure=state.secure,
        country=request.headers.get(header) if header else None,
        today=controller.day(state.clock()),
    )


def _language(request: Request[Any, Any, Any], bundle: Bundle) -> str:
    """The language of a banner: the page's own where one is spoken, else what the browser asks."""
    asked = tongues.spoken().chosen
    return asked or banner.language_of(bundle, request.headers.get("accept-language"))


@get(banner.PATH, media_type=MediaType.HTML)
@aside
def choices_page(request: Request[Any, Any, Any], state: State) -> Response[str]:
    """What may run, why, and the switches; the opt-outs elsewhere; all rights with their pages."""
    back = choosing.back(request.query_params.get("return_to"))
    controller: Controller = state.controller
    made = request.query_params.get("receipt")
    known = controller.visits.find(made) if made else None
    return _page(request, state, back=back, saved=known.id if known else None)


def _page(
    request: Request[Any, Any, Any], state: State, *, back: str | None = None,
    saved: str | None = None, problem: str = "", said: str = "", status: int = 200,
    who: Visitor | None = None,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    bundle, who = controller.bundle, who or visitor(request, state)
    language = _language(request, bundle)
    looks = controller.visits.looks()
    own, on, waits = (
        dict(who.visit.trackers),
        switched_on(bundle, who.visit),
        waiting(bundle, who.visit),
    )
    response = rendered(
        "choices.html.j2",
        controller,
        status,
        here="choices",
        aims=[
            {
                "id": aim.id,
                "necessary": aim.necessary,
                "label": spoken.marked(aim.label),
                "words": spoken.marked(aim.words),
                # A tick that nobody made must not become a yes when the page is saved.
                "on": aim.id in on,
                "why": say(
                    _WAITS[who.visit.signals.gpc]
                    if aim.id in waits
                    else _WHY[who.visit.why[aim.id]]
                ),
                "ads": any(
                    bundle.vocabulary.within("purposes", one, "advertising") for one in aim.covers
                ),
                "trackers": [
                    _tracker(bundle, row, own.get(row.id))
                    for row in bundle.trackers.values()
                    if aim.id in row.aims
                ],
            }
            for aim in bundle.visits.aims.values()
        ],
        optional=bundle.visits.optional,
        gpc=who.visit.signals.gpc,
        unknown=who.visit.region == "unknown",
        told=who.visit.chosen,
        elsewhere=[
            {
                "url": one.link.url,
                "words": spoken.marked(one.link.words),
                "note": spoken.marked(one.link.note),
                "of": Markup(", ").join(map(spoken.marked, one.of)),
                "where": one.link.where,
                "look": _look(looks.get(one.link.id), controller),
            }
            for one in links.opt_outs(bundle, who.eu)
        ],
        unlooked=any(
            one.link.url and one.link.id not in looks for one in links.opt_outs(bundle, who.eu)
        ),
        ways=ways.ways(controller, language),
        language_asked=language,
        back=back,
        saved=saved,
        said=said,
        problem=problem,
    )
    response.headers.update(_PRIVATE | _HERE)
    return response


def _tracker(bundle: Bundle, row: Tracker, own: bool | None) -> dict[str, Any]:
    provider = bundle.recipients[row.provider].name if row.provider else None
    link = bundle.links.get(row.policy or "")
    return {
        "id": row.id,
        "title": spoken.marked(row.title),
        "provider": provider,
        "apart": own is not False,
        "loaded": own is True,
        "sends": [spoken.marked(bundle.vocabulary.categories[name].label) for name in row.sends],
        "leaves": [
            {"name": t.name, "words": spoken.marked(t.words), "lifetime": _lifetime(t.lifetime)}
            for t in row.traces
        ],
        "outside": row.outside,
        "policy": {"url": link.url, "words": spoken.marked(link.words)} if link else None,
    }


def _lifetime(period: str | None) -> str:
    if period is None:
        return say("for a time that we do not know")
    if period == "session":
        return say("until you close the browser")
    time = "T" if period.startswith("PT") else ""
    return count(int(period[1 + len(time) : -1]), *_LASTS[time + period[-1]])


def _look(look: Any, controller: Controller) -> str:
    if look is None:
        return ""
    day = day_words(look.at.date(), controller)
    words = {
        "there": "The page answered on {day}.",
        "moved": "On {day} it led to a front page: it may be gone.",
        "gone": "On {day} it was gone.",
        "unreachable": "On {day} nobody answered there.",
    }
    return say(words[look.outcome], day=day)


@post(banner.PATH, status_code=303)
@aside
def make_choice(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[Any]:
    """Take a choice in: the cookie, the record, and what a refused tracker left goes."""
    controller: Controller = state.controller
    bundle, who, now = controller.bundle, visitor(request, state), state.clock()
    fields = fields_of(body)
    wants_json = "application/json" in request.headers.get("accept", "")
    if _other_origin(request, controller):
        words = say("Another site sent this. If you want it, choose here yourself.")
        return _refused(request, state, words, wants_json)
    act = among(one(fields, "do"), choosing.ACTS)
    place = one(fields, "by") if one(fields, "by") in choosing.PLACES else "page"
    language = one(fields, "language")
    language = language if language in bundle.languages else _language(request, bundle)
    shown = fields.get("tracker", []) if act == "load" or "shown" in fields else None
    try:
        if act is None:
            raise choosing.nothing()
        made = choosing.choose(
            bundle, who.choices, act, controller.day(now), aims=fields.get("aim", []),
            trackers=shown,
        )  # fmt: skip
    except UsageError as problem:
        return _refused(
            request, state, f"{say(problem.what)}: {say(problem.fix or '')}.", wants_json
        )
    back = choosing.back(one(fields, "return_to"))
    if state.choosing.too(source(request, state), now):
        there = back is not None and place != "page"
        return _unrecorded(request, state, who, made, back, there=there, script=wants_json)
    after = judge(bundle.visits, who.visit.region, made, who.visit.signals)
    record = receipt.record(
        controller, act, place, who.visit, who.choices, made, language, now,
        # Fetch Metadata Request Headers, section 2.4: no script can write it.
        pressed=request.headers.get("sec-fetch-user") == "?1",
    )  # fmt: skip
    reach(controller, own_cookie(request, state), made, now)
    link = f"{banner.PATH}/receipts/{record.id}"
    lines = _lines(request, state, made, after)
    if wants_json:
        return _Chosen(
            lines,
            {
                "allowed": banner.running(bundle, after),
                "consent": list(banner.consent_mode(bundle, after)),
                "reload": True,
                "receipt": link,
            },
            status_code=200,
            headers=_PRIVATE,
        )
    query = {"receipt": record.id} | ({"return_to": back} if back else {})
    page = f"{banner.PATH}?{urllib.parse.urlencode(query, safe='/')}#saved"
    to = back if back and place != "page" else page
    return _Chosen(lines, "", headers=_PRIVATE | {"Location": to}, media_type=MediaType.TEXT)


def _lines(
    request: Request[Any, Any, Any], state: State, made: choice.Choices, after: Visit
) -> list[str]:
    """The cookie of a choice, and the ends of what a refused tracker left."""
    host = (request.url.hostname or "").lower()
    return [
        choice.set_cookie(choice.encode(made, state.choice_key), state.secure),
        *choosing.expired(state.controller.bundle, after, request.cookies, host),
    ]


def _unrecorded(
    request: Request[Any, Any, Any], state: State, who: Visitor, made: choice.Choices,
    back: str | None, *, there: bool, script: bool,
) -> Response[Any]:  # fmt: skip
    """Answer one choice too many from one source: no record, no receipt, and so no new yes.

    Each no is carried out all the same, in the browser and for the site's own cookie. `there`: she
    goes back to the page where she chose. The answer is the same for everybody who sends this.
    """
    controller, now = state.controller, state.clock()
    bundle, held = controller.bundle, choosing.held(who.choices, made)
    lines: list[str] = []
    if held is not None:
        after = judge(bundle.visits, who.visit.region, held, who.visit.signals)
        noes = MappingProxyType({aim: yes for aim, yes in held.aims.items() if not yes})
        reach(controller, own_cookie(request, state), replace(held, aims=noes), now)
        lines = _lines(request, state, held, after)
        who = replace(who, visit=after, choices=held)
    whole = held is not None and (held.aims, held.trackers) == (made.aims, made.trackers)
    words = say(_UNRECORDED if whole else _NO_ALONE if lines else _TOO_MANY)
    later = {} if whole else {"Retry-After": str(int(WINDOW.total_seconds()))}
    status = 200 if whole else 429
    if script:
        answer: dict[str, Any] = {"detail": words} if not whole else {
            "allowed": banner.running(bundle, who.visit),
            "consent": list(banner.consent_mode(bundle, who.visit)),
            "reload": True, "receipt": None,
        }  # fmt: skip
        return _Chosen(lines, answer, status_code=status, headers=_PRIVATE | later)
    if whole and there:
        return _Chosen(
            lines, "", headers=_PRIVATE | {"Location": back or ""}, media_type=MediaType.TEXT
        )
    page = _page(
        request, state, back=back, said=words if whole else "", problem="" if whole else words,
        status=status, who=who,
    )  # fmt: skip
    return _Chosen(
        lines, page.content, status_code=status, media_type=MediaType.HTML,
        headers=dict(page.headers) | later,
    )  # fmt: skip


class _Chosen(Response[Any]):
    """An answer with `Set-Cookie` lines as they are: several of one name, for several domains."""

    def __init__(self, lines: Sequence[str], content: Any, **rest: Any) -> None:
        super().__init__(content, **rest)
        self._lines = tuple(lines)

    def to_asgi_response(self, *given: Any, **named: Any) -> ASGIResponse:
        """As it goes out."""
        made = super().to_asgi_response(*given, **named)
        for line in self._lines:
            made.headers.add("set-cookie", line)
        return made


def _other_origin(request: Request[Any, Any, Any], controller: Controller) -> bool:
    """Whether it came from another origin: also from another name or port of the same site.

    Newer browsers say it themselves (Sec-Fetch-Site), also where the policy on referrers makes
    them keep the origin to themselves; of older ones the origin is looked at.
    """
    came = request.headers.get("sec-fetch-site")
    if came is not None:
        return came not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return False
    ours = {
        request.headers.get("host", ""),
        place_of(controller.site_url or ""),
    }
    return place_of(origin) not in ours - {""}


def _refused(
    request: Request[Any, Any, Any], state: State, words: str, wants_json: bool
) -> Response[Any]:
    if wants_json:
        return Response({"detail": words}, status_code=400)
    return _page(request, state, problem=words, status=400)


@get(f"{banner.PATH}/receipts/{{record:str}}")
@aside
def receipt_file(record: FromPath[str], state: State) -> Response[bytes]:
    """The receipt of one choice: the record, signed. Who knows its number has made it."""
    controller: Controller = state.controller
    made = controller.visits.find(record)
    if made is None:
        raise NotFoundException
    body = msgspec.json.format(msgspec.json.encode(receipt.receipt(controller, made)))
    name = f'attachment; filename="receipt-{made.at:%Y-%m-%d}.json"'
    return Response(
        body, media_type="application/json", headers=_PRIVATE | {"Content-Disposition": name}
    )


@get([banner.STYLE, banner.SCRIPT, banner.GUARD], include_in_schema=False)
async def banner_file(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Style and scripts of the banner: for the pages of the site, not for ours."""
    file = request.url.path.rpartition("/")[2]
    style = file == "banner.css"
    return Response(
        asset_bytes(file),
        media_type="text/css" if style else "text/javascript",
        headers={"Cache-Control": "public, max-age=300"},
    )


@get("/.well-known/gpc.json", include_in_schema=False)
async def gpc_statement(state: State) -> Response[dict[str, Any]]:
    """That Global Privacy Control is followed here (its specification, section 4)."""
    bundle: Bundle = state.controller.bundle
    follows = bool(bundle.visits.gpc) or not bundle.visits.optional
    return Response(
        {"gpc": follows, "lastUpdate": str(bundle.version)}, media_type="application/json"
    )


class VisitRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What a program knows of a visit: the `Cookie` header, the signal, the country."""

    cookie: str = ""
    gpc: bool = False
    country: str | None = None


class VisitAnswer(msgspec.Struct, frozen=True):
    """What may be done: aims, for others (`shared`: less, under Global Privacy Control) and
    at all (`allowed`), trackers, why each aim stands as it does; `gpp` in the US.
    """

    allowed: list[str]
    shared: list[str]
    trackers: list[str]
    why: dict[str, str]
    region: str
    gpp: str


@post(
    "/api/v1/visit", guards=[bearer], before_request=unambiguous, status_code=200,
    responses=REFUSALS,
    sync_to_thread=True, tags=["door"],
)  # fmt: skip
def visit(data: JSONBody[VisitRequest], state: State) -> VisitAnswer:
    """May this be sent on about a visit? For programs that speak to third parties themselves."""
    controller: Controller = state.controller
    headers = [("cookie", data.cookie), *([("sec-gpc", "1")] if data.gpc else [])]
    now = state.clock()
    who = met(
        controller.bundle, headers, state.choice_key, secure=state.secure, country=data.country,
        today=controller.day(now),
    )  # fmt: skip
    own = choice.named([data.cookie], state.cookie) if state.cookie else None
    heed(controller, own, who.visit, now)
    found = narrowed(controller, who.visit, own, now)
    return VisitAnswer(
        allowed=sorted(found.allowed),
        shared=sorted(found.shared),
        trackers=banner.running(controller.bundle, found),
        why=dict(found.why),
        region=found.region,
        gpp=found.gpp(controller.bundle.visits),
    )


HANDLERS: Final = [
    choices_page, make_choice, receipt_file, banner_file, gpc_statement, visit,
]  # fmt: skip
