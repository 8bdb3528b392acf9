"""What may be of somebody who asked, and by no rule is: listed without a name, opened, decided."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException

from kept.app.desk.guard import Asked, form, session
from kept.app.desk.render import back, page, said
from kept.app.desk.working import actor
from kept.controller import Controller
from kept.duties import staff
from kept.duties.rights import identity
from kept.duties.rights.receipts import BEFORE
from kept.errors import KeptError, UsageError
from kept.records.case_state import FINISHED
from kept.records.case_state import State as CaseState
from kept.records.doubt import Doubt
from kept.terms.identifiers import KINDS
from kept.terms.likeness import REASONS

_PATH: Final = "/desk/doubts"
#: How many stand on the page; those after them come when these are decided.
_SHOWN: Final = 100
_OUTCOMES: Final = {None: "waits", identity.SAME: "one person", identity.DIFFERENT: "two people"}


@get("/doubts", sync_to_thread=True)
def waiting(request: Asked, state: State) -> Response[str]:
    """Those that wait, the oldest first; of one case with `case`, with `all` the decided too."""
    return _listed(request, state)


@post("/doubts/show", status_code=200, sync_to_thread=True)
def open_one(request: Asked, state: State) -> Response[str]:
    """The two of one of them. Entered before they are shown."""
    return _opened(request, state, _found(state.controller, form(request).one("match")))


def _opened(request: Asked, state: State, one: Doubt, problem: str | None = None) -> Response[str]:
    controller: Controller = state.controller
    staff.shown(controller, session(request).account, actor(request, state), ("case", one.case), 2,
                state.clock())  # fmt: skip
    pair = identity.pair(controller, one)
    if pair is None:
        gone = "Its case has forgotten by what the two may be one."
        return _listed(request, state, gone)
    case = controller.cases.get(one.case)
    # An erasure takes along nothing that it did not meet as hers when it began.
    over = FINISHED if case.right != "erasure" else frozenset(CaseState) - BEFORE
    return _listed(request, state, problem, opened={
        "one": one, "hers": pair.one, "other": pair.other, "goes_on": case.state not in over,
        "reason": form(request).one("reason"),
    })  # fmt: skip


@post("/doubts/decide", status_code=303, sync_to_thread=True)
def decide_one(request: Asked, state: State) -> Response[Any]:
    """Decide: one person, or two."""
    sent, controller = form(request), state.controller
    one = _found(controller, sent.one("match"))
    try:
        who = actor(request, state, "identity settle")
        reason = sent.one("reason").strip()
        if not reason:
            raise UsageError("no reason is given", fix="say in words what shows it")
        seen = replace(one, outcome=sent.one("was") or None)
        identity.settle(
            controller, one.id, sent.one("outcome"), reason, who, state.clock(), seen=seen
        )
    except KeptError as problem:
        return _opened(request, state, controller.doubts.get(one.id), said(problem))
    done = "one-person" if sent.one("outcome") == identity.SAME else "two-people"
    case = request.query_params.get("case")  # the page of one case stays that
    return back(f"{_PATH}?{urlencode({'case': case})}" if case else _PATH, done)


def _found(controller: Controller, id_: str) -> Doubt:
    try:
        return controller.doubts.get(id_)
    except UsageError:
        raise NotFoundException from None


def _listed(
    request: Asked, state: State, problem: str | None = None,
    *, opened: dict[str, Any] | None = None,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    case = request.query_params.get("case") or None
    settled = "all" in request.query_params
    found = controller.doubts.all(settled=settled, case=case)
    return page(
        request, "desk_doubts.html.j2", 400 if problem else 200, problem=problem, opened=opened,
        found=found[:_SHOWN], more=max(len(found) - _SHOWN, 0), case=case, settled=settled,
        kinds=KINDS, reasons=REASONS, outcomes=_OUTCOMES,
    )  # fmt: skip


HANDLERS: Final = [waiting, open_one, decide_one]
