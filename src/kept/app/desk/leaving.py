"""What is left out of the package of a case because it concerns others: struck by one, approved by
another. Whoever opens it sees counts; the texts are shown on asking, and that is entered first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath

from kept.app.desk.cases import LEFT_OUT, SEES_TEXTS, found
from kept.app.desk.guard import Asked, Form, form, session
from kept.app.desk.render import back, page, said
from kept.app.desk.working import actor, may
from kept.duties import staff
from kept.duties.rights import redaction
from kept.errors import KeptError, UsageError
from kept.model import strike
from kept.records.case import Case

#: Texts on one page.
_TEXTS: Final = 50
_DID: Final = {
    "looked": "the texts were read", "redacted": "something was decided",
    "handed": "it was handed over", "approved": "it was approved", "returned": "it was given back",
    "scanned": "the files were stopped", "accepted": "what was left was accepted",
    "released": "the package was made",
}  # fmt: skip


@get("/cases/{case:str}/redaction", sync_to_thread=True)
def redaction_page(request: Asked, state: State, case: FromPath[str]) -> Response[str]:
    """How it stands, in counts."""
    return _page(request, state, found(state, case))


@post("/cases/{case:str}/redaction/show", status_code=200, sync_to_thread=True)
def redaction_show(request: Asked, state: State, case: FromPath[str]) -> Response[str]:
    """The texts, with what is found in them of others. Entered before they are shown."""
    one = found(state, case)
    try:
        return _shown(request, state, one)
    except KeptError as problem:
        return _page(request, state, one, said(problem))


@post("/cases/{case:str}/redaction/strike", status_code=303, sync_to_thread=True)
def redaction_strike(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Note what is struck, and hand it over where that is pressed."""
    one, sent, controller = found(state, case), form(request), state.controller
    done = sent.one("step") == "hand"
    try:
        who = actor(request, state, "case redact")
        strikes, _ = controller.redactions.strikes(one)
        spared = [s.words for i, s in enumerate(strikes.strikes) if str(i) in sent.all("spare")]
        redaction.redact(
            controller, one.id, _revision(sent), who, state.clock(), spared=spared,
            more=sent.one("more").splitlines(), done=done,
        )  # fmt: skip
    except KeptError as problem:
        return _page(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}/redaction", "handed" if done else "struck")


@post("/cases/{case:str}/redaction/approve", status_code=303, sync_to_thread=True)
def redaction_approve(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Approve it as it was shown, give it back, or accept what was left in the files."""
    one, sent = found(state, case), form(request)
    step, words = sent.one("step"), sent.one("words")
    try:
        who = actor(request, state, "case approve")
        given = (state.controller, one.id, _revision(sent))
        if step == "approve":
            redaction.approve(*given, who, state.clock())
        elif step == "return":
            redaction.give_back(*given, words, who, state.clock())
        elif step == "accept":
            redaction.accept(*given, words, who, state.clock())
        else:
            raise UsageError("there is no such step")
    except KeptError as problem:
        return _page(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}/redaction", f"redaction-{step}")


def _revision(sent: Form) -> int:
    number = sent.one("revision")
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        raise UsageError("it is not said what was shown", expected="the number of the change")
    return int(number)


def _shown(request: Asked, state: State, one: Case) -> Response[str]:
    controller, now = state.controller, state.clock()
    who = actor(request, state, next(c for c in SEES_TEXTS if may(request, c)))
    looked = redaction.look(controller, one.id, who, now)
    staff.shown(controller, session(request).account, who, ("case", one.id), len(looked.texts),
                now)  # fmt: skip
    texts = [(t, list(_pieces(t.text, looked.strikes))) for t in looked.texts]
    # What names somebody comes first.
    texts.sort(key=lambda one: all(how == "" for _, how in one[1]))
    number = form(request).one("page")
    first = (int(number) - 1) * _TEXTS if number.isdigit() and 0 < int(number) < 10_000 else 0
    counts = [
        (i, s, sum(strike.holds(t.text, s.words) for t in looked.texts))
        for i, s in enumerate(looked.strikes.strikes)
    ]
    return _page(
        request, state, one, looked=looked, strikes=counts, texts=texts[first : first + _TEXTS],
        number=first // _TEXTS + 1, pages=-(-len(texts) // _TEXTS),
    )  # fmt: skip


def _pieces(text: str, strikes: strike.Strikes) -> Iterator[tuple[str, str]]:
    """The text in pieces: (words, `struck`, `spared` or nothing)."""
    at = 0
    for start, end, one in strike.places(text, strikes.strikes):
        if start > at:
            yield text[at:start], ""
        yield text[start:end], "struck" if one.on else "spared"
        at = end
    if at < len(text):
        yield text[at:], ""


def _page(
    request: Asked, state: State, one: Case, problem: str | None = None, **more: Any
) -> Response[str]:
    controller = state.controller
    stands = controller.redactions.of(one)
    strikes = may(request, "case redact")
    approves = may(request, "case approve")
    name = session(request).account.name
    return page(
        request, "desk_redaction.html.j2", 400 if problem else 200, problem=problem, case=one,
        stands=stands, words=LEFT_OUT[stands.state if stands else None],
        acts=[(_DID[a.act], a.actor, a.at) for a in controller.redactions.acts(one)],
        can_strike=strikes, can_approve=approves,
        why_not=redaction.why_not(controller, one, name) if approves else "",
        **{"looked": None, "strikes": [], "texts": [], "number": 1, "pages": 1, **more},
    )  # fmt: skip


HANDLERS: Final = [redaction_page, redaction_show, redaction_strike, redaction_approve]
