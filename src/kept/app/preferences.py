"""What a person allowed, in her own hands: her page, one press that stops, and how she gets there.

No account, no cookie, no script. A link is all that is asked for, and it can only narrow; a yes
takes a code that goes to her address. A GET shows and changes nothing: mail scanners press links.
"""

from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody, RawBody
from markupsafe import Markup

from kept.app.api import REFUSALS, Subject, _Term, bearer, unambiguous
from kept.app.choices import visitor
from kept.app.pages import day_words, rendered, whole
from kept.app.posted import (
    ELSEWHERE,
    PRIVATE,
    aside,
    elsewhere,
    fields_of,
    foreign,
    is_email,
    one,
    source,
)
from kept.app.requests import NO_ADDRESS
from kept.controller import Controller
from kept.decide.offers import GROUPS, Group, offers, promotion
from kept.duties.preferences import changing, letters, receipt, shown
from kept.policy import spoken
from kept.records.intake import Typed
from kept.records.preference import Way
from kept.records.suppression import ONE_CLICK
from kept.terms.identifiers import Identifier
from kept.terms.tongues import say, sheets

PATH: Final = "/privacy/preferences"
#: For whoever holds the link, and nobody else: not kept on the way, not found by searching.
_OWN: Final = {**PRIVATE, "X-Robots-Tag": "noindex, nofollow"}
_GROUPS: Final[Mapping[Group, str]] = {
    "messages": "What we send you",
    "picked": "What we pick for you",
    "other": "What else you allowed",
    "visits": "What we learn from your visits",
}
_TOO_MANY: Final = (
    "Many letters were asked for within the last hour, so we cannot send one now. Try again in an"
    " hour, or write to us: our addresses are below."
)


# — the way there —————————————————————————————————————————————————————————————————————————


@get(PATH, media_type=MediaType.HTML)
@aside
def way_page(state: State) -> Response[str]:
    """Where somebody types her address, to be sent the link to her page."""
    return _way(state)


@post(PATH, media_type=MediaType.HTML, status_code=200)
@aside
def send_way(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[str]:
    """Send the link, whoever's address it is: the same words and the same work for everybody."""
    controller: Controller = state.controller
    address = one(fields_of(body), "email").strip()
    if not _mails(controller):
        return _way(state, status=503)
    if elsewhere(request):
        return _way(state, address, form=say(ELSEWHERE), status=400)
    if not is_email(address):
        return _way(state, address, wrong=say(NO_ADDRESS), status=400)
    try:
        letters.send_link(controller, address, source(request, state), state.clock())
    except letters.TooMany:
        return _way(state, address, form=say(_TOO_MANY), status=429)
    state.wake()
    return _way(state, sent=True)


def _way(
    state: State, address: str = "", *, wrong: str = "", form: str = "", sent: bool = False,
    status: int = 200,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    page = rendered(
        "preferences-way.html.j2", controller, status, here="choices", sent=sent,
        takes=_mails(controller), typed={"email": address}, problems={"email": wrong, "form": form},
    )  # fmt: skip
    page.headers.update(PRIVATE)
    return page


def _mails(controller: Controller) -> bool:
    return controller.post is not None and controller.site_url is not None


# — her page ——————————————————————————————————————————————————————————————————————————————


@get("/p/{token:str}", media_type=MediaType.HTML)
@aside
def own_page(
    request: Request[Any, Any, Any], token: FromPath[str], state: State
) -> Response[str]:  # fmt: skip
    """What somebody allowed, when and on which words, with a switch for each. Changes nothing."""
    controller: Controller = state.controller
    way = letters.way(controller, token, "page", state.clock())
    return _gone(controller) if way is None else _page(request, state, way, token)


@post("/p/{token:str}", media_type=MediaType.HTML, status_code=200)
@aside
def change(
    request: Request[Any, Any, Any], token: FromPath[str], state: State, body: RawBody
) -> Response[str]:
    """A no at once, that no taken back, and the two steps of a yes."""
    controller: Controller = state.controller
    fields, now = fields_of(body), state.clock()
    way = letters.way(controller, token, "page", now)
    if way is None:
        return _gone(controller)
    if elsewhere(request) or foreign(request):
        return _page(request, state, way, token, problem=say(ELSEWHERE), status=400)
    match one(fields, "do"):
        case "save":
            return _save(request, state, way, token, fields)
        case "stop":
            _heed(request, state, way)
            done = changing.narrow(controller, way, promotion(controller.bundle), now)
            return _page(request, state, way, token, done=done, all_of_it=True)
        case "undo":
            back = changing.undo(controller, way, one(fields, "undo"), now)
            return _page(request, state, way, token, undone=back, late=not back)
        case "send":
            return _send(request, state, way, token, fields)
        case "code":
            typed, allowed = changing.type_code(
                controller, way, one(fields, "ask"), one(fields, "code"), now
            )
            if typed is Typed.RIGHT:
                return _page(request, state, way, token, allowed=allowed, yes=True)
            return _step(
                state, token, fields.get("want", []), ask=one(fields, "ask"), typed=typed,
                status=400,
            )  # fmt: skip
    return _page(request, state, way, token)


def _save(
    request: Request[Any, Any, Any], state: State, way: Way, token: str,
    fields: Mapping[str, Sequence[str]],
) -> Response[str]:  # fmt: skip
    """What was switched off goes off; what was switched on waits for a code. All else stays: a
    page that was open for long says nothing about what changed meanwhile.
    """
    controller: Controller = state.controller
    now = state.clock()
    was, on = set(fields.get("was", [])), set(fields.get("on", []))
    _heed(request, state, way)
    off = changing.stoppable(controller, (p for p in fields.get("was", []) if p not in on))
    done = changing.narrow(controller, way, off, now)
    again = {c.purpose for c in shown.page(controller, way, now).choices if c.again}
    wanted = [p for p in changing.stoppable(controller, on - was) if p in again]
    if wanted:
        return _step(state, token, wanted, saved=bool(done.purposes))
    return _page(request, state, way, token, done=done)


def _heed(request: Request[Any, Any, Any], state: State, way: Way) -> None:
    """Whoever is known by her link and whose browser says no to sharing: it is her no. Never a
    yes, and never against what she allowed with a code.
    """
    controller: Controller = state.controller
    visit = visitor(request, state).visit
    if not visit.signals.gpc:
        return
    aims = controller.bundle.visits.aims
    covered = (p for aim in controller.bundle.visits.gpc for p in aims[aim].covers)
    changing.heed(controller, way, changing.stoppable(controller, covered), state.clock())


def _send(
    request: Request[Any, Any, Any], state: State, way: Way, token: str,
    fields: Mapping[str, Sequence[str]],
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    wanted, address = fields.get("want", []), one(fields, "email").strip()
    wanted = list(changing.stoppable(controller, wanted))
    if not _mails(controller):
        return _step(state, token, wanted, status=503)
    if not is_email(address):
        return _step(state, token, wanted, address, wrong=say(NO_ADDRESS), status=400)
    try:
        ask = letters.send_code(
            controller, way, address, tuple(wanted), source(request, state), state.clock()
        )
    except letters.TooMany:
        return _step(state, token, wanted, address, form=say(_TOO_MANY), status=429)
    if ask is None:
        words = say("The link that brought you here was not sent to this address.")
        return _step(state, token, wanted, address, wrong=words, status=400)
    state.wake()
    return _step(state, token, wanted, ask=ask)


def _step(
    state: State, token: str, wanted: Iterable[str], address: str = "", *, ask: str = "",
    typed: Typed | None = None, wrong: str = "", form: str = "", saved: bool = False,
    status: int = 200,
) -> Response[str]:  # fmt: skip
    """The steps of a yes: her address, then the code that went there."""
    controller: Controller = state.controller
    titles = {o.purpose: [*map(_titled, o.titles)] for o in offers(controller.bundle)}
    page = rendered(
        "preferences-code.html.j2", controller, status, here="choices", token=token, ask=ask,
        wanted=[(p, titles[p]) for p in wanted if p in titles], stale=typed is Typed.STALE,
        wrong_code=typed is Typed.WRONG, saved=saved, takes=_mails(controller),
        typed={"email": address}, problems={"email": wrong, "form": form},
    )  # fmt: skip
    page.headers.update(_OWN)
    return page


def _page(
    request: Request[Any, Any, Any], state: State, way: Way, token: str, *,
    done: changing.Changed | None = None, all_of_it: bool = False, undone: bool = False,
    late: bool = False, yes: bool = False, allowed: Sequence[str] = (), problem: str = "",
    status: int = 200,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    stands = shown.page(controller, way, state.clock())
    titles = {o.purpose: _titled(o.titles[0]) for o in offers(controller.bundle)}
    told = [c for c in stands.choices if c.on or c.allowed or c.no]
    page = rendered(
        "preferences.html.j2", controller, status, here="choices", token=token, stands=stands,
        groups=[
            (say(title), rows)
            for group, title in _GROUPS.items()
            if (rows := [_row(c, controller) for c in told if c.group == group])
        ],
        rest=[_row(c, controller) for g in GROUPS for c in stands.choices
              if c.group == g and c not in told],
        done=done, all_of_it=all_of_it, undone=undone, late=late, yes=yes,
        stopped=[titles[p] for p in done.purposes if p in titles] if done else [],
        allowed=[titles[c.purpose] for c in stands.choices if c.purpose in allowed and c.on],
        lifted=[titles[c.purpose] for c in stands.choices if c.purpose in allowed and not c.on],
        again=any(c.again for c in stands.choices),
        gpc=visitor(request, state).visit.signals.gpc and controller.bundle.visits.gpc,
        problem=problem,
    )  # fmt: skip
    page.headers.update(_OWN)
    return page


def _row(c: shown.Choice, controller: Controller) -> dict[str, Any]:
    return {
        "id": c.purpose, "titles": [*map(_titled, c.titles)], "on": c.on,
        "fixed": not (c.on or c.again), "words": _stands(c, controller), "wording": c.wording,
        "wording_in": sheets.attribute(c.wording.language) if c.wording else "",
        "where": [(spoken.marked(title), path) for title, path in c.where],
    }  # fmt: skip


def _titled(title: str) -> Markup:
    """A title of the policy for the page, its words in one piece."""
    words, language = spoken.found(title)
    return sheets.marked(whole(words), language)


def _stands(c: shown.Choice, controller: Controller) -> Markup:
    """How a choice stands, in a sentence or two."""
    at = c.allowed if c.allowed and (c.on or c.rests) else c.refused
    day = day_words(controller.day(at), controller) if at else ""
    form = sheets.marked(c.wording.title, c.wording.language) if c.wording else ""
    if c.rests and c.allowed:
        words = (
            say("You allowed it on {day}, on the form “{form}”.")
            if form
            else say("You allowed it on {day}.")
        )
        words += " " + say("At present nothing is done with it.")
    elif c.on and c.allowed:
        words = (
            say("On. You allowed it on {day}, on the form “{form}”.")
            if form
            else say("On. You allowed it on {day}.")
        )
    elif c.on:
        words = say("On, although you were not asked: where the law allows that, until you say no.")
    elif c.no:
        words = say("Off. You said no on {day}.") if day else say("Off. You said no.")
        if c.asked:
            words += " " + say(
                "You told us so elsewhere, not on this page: to take it back, write to us."
            )
    else:
        words = say("Off. You have not allowed it.")
    return Markup.escape(words).format(day=day, form=form)


def _gone(controller: Controller) -> Response[str]:
    page = rendered("preferences-gone.html.j2", controller, 404, here="choices")
    page.headers.update(_OWN)
    return page


@get("/p/{token:str}/receipt")
@aside
def own_receipt(token: FromPath[str], state: State) -> Response[bytes]:
    """How her choices stand, as a file that anybody can check. Made now, and kept nowhere."""
    controller: Controller = state.controller
    now = state.clock()
    way = letters.way(controller, token, "page", now)
    if way is None:
        raise NotFoundException
    body = msgspec.json.format(msgspec.json.encode(receipt.receipt(controller, way, now)))
    name = f'attachment; filename="receipt-{controller.day(now)}.json"'
    return Response(
        body, media_type="application/json", headers={**_OWN, "Content-Disposition": name}
    )


# — one press ——————————————————————————————————————————————————————————————————————————————


@get("/u/{token:str}", media_type=MediaType.HTML)
@aside
def stop_page(state: State) -> Response[str]:
    """One button. Whatever the link: the same words, so that it tells nobody anything."""
    return _stop(state.controller, done=False)


@post("/u/{token:str}", media_type=MediaType.HTML, status_code=200)
@aside
def stop(
    request: Request[Any, Any, Any], token: FromPath[str], state: State, body: RawBody
) -> Response[str]:
    """Stop it at once (RFC 8058): sent by a mail program, or by the one button of the page."""
    controller: Controller = state.controller
    if not _one_click(request, body):
        return _stop(controller, done=False, status=400)
    now = state.clock()
    way = letters.way(controller, token, "stop", now)
    if way is None:
        return _gone(controller)  # of nobody: a link of somebody unknown is whole as well
    # Of a purpose that the policy has no more all that it may have been is stopped.
    known = changing.stoppable(controller, (way.about,)) or promotion(controller.bundle)
    changing.narrow(controller, way, known, now, source=ONE_CLICK)
    return _stop(controller, done=True)


def _one_click(request: Request[Any, Any, Any], body: bytes) -> bool:
    """Whether the body is the pair that RFC 8058 names, in either form in which it may come."""
    kind = request.headers.get("content-type", "")
    if kind.lower().startswith("multipart/form-data"):
        head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1", "replace")
        parts = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        for part in parts.iter_parts() if parts.is_multipart() else ():
            named = part.get_param("name", header="content-disposition")
            value = part.get_payload(decode=True)
            if named == "List-Unsubscribe" and isinstance(value, bytes):
                return value.strip() == b"One-Click"
        return False
    return fields_of(body).get("List-Unsubscribe") == ["One-Click"]


def _stop(controller: Controller, *, done: bool, status: int = 200) -> Response[str]:
    page = rendered("preferences-stop.html.j2", controller, status, here="choices", done=done)
    page.headers.update(_OWN)
    return page


# — for a company's own letters ———————————————————————————————————————————————————————————


class LinkRequest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """To whom a letter goes; and which purpose its one press is to stop: all advertising, where
    none is named.
    """

    subject: Subject
    purpose: _Term | None = None


class LinkAnswer(msgspec.Struct, frozen=True):
    """What the letter carries: `preferences` in its text, `headers` as they are. Who has
    `preferences` sees what its reader chose: give it to nobody else.
    """

    preferences: str
    unsubscribe: str
    headers: dict[str, str]


@post(
    "/api/v1/preferences-link", guards=[bearer], before_request=unambiguous, status_code=200,
    responses=REFUSALS, tags=["preferences"],
)  # fmt: skip
@aside
def preferences_link(data: JSONBody[LinkRequest], state: State) -> LinkAnswer:
    """Links for a letter to somebody, known or not: her page, and one press that stops it."""
    person = Identifier(data.subject.kind, data.subject.value)
    made = letters.links(state.controller, person, state.clock(), data.purpose or "")
    return LinkAnswer(made.preferences, made.unsubscribe, made.headers)


PAGES: Final = [
    way_page, send_way, own_page, change, own_receipt, stop_page, stop,
]  # fmt: skip
PROGRAMS: Final = [preferences_link]
