"""Trackers at the desk: hosts and cookies that were met on the pages, and what to do about each."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State

from kept.app.desk.guard import Asked, form, session
from kept.app.desk.render import back, page, said
from kept.duties import trackers
from kept.errors import KeptError
from kept.records.account import OFFICER

_PATH: Final = "/desk/trackers"
#: The decisions, as they are offered and as they stand.
WORDS: Final = {
    "declare": "It belongs to the site: declare it in trackers.yml",
    "remove": "It does not belong there: take it out of the pages",
    "noise": "It is none of the site's doing: a browser's, or made up",
}


#: How a link stands that leaves the site.
STANDING: Final = {
    "there": "answers", "moved": "leads to a front page", "gone": "is gone",
    "unreachable": "does not answer",
}  # fmt: skip


@get("/trackers", sync_to_thread=True)
def listed(request: Asked, state: State) -> Response[str]:
    """What was met and is not declared, what was decided, and what is declared."""
    return _listed(request, state)


@post("/trackers/settle", status_code=303, sync_to_thread=True)
def settle(request: Asked, state: State) -> Response[Any]:
    """Decide about a name."""
    sent, who = form(request), session(request)
    try:
        actor = state.controller.actors.of(who.account.name, OFFICER, state.clock())
        trackers.settle(
            state.controller, sent.one("kind"), sent.one("name"), sent.one("verdict"), actor,
            state.clock(),
        )  # fmt: skip
    except KeptError as problem:
        return _listed(request, state, said(problem))
    return back(_PATH, "settled")


def _listed(request: Asked, state: State, problem: str | None = None) -> Response[str]:
    controller = state.controller
    met = [(one, trackers.declared(controller, one)) for one in controller.sightings.all()]
    return page(
        request, "desk_trackers.html.j2", 400 if problem else 200, problem=problem,
        waiting=[one for one, by in met if not by and one.verdict is None],
        settled=[one for one, by in met if not by and one.verdict is not None],
        known=[(one, by) for one, by in met if by], words=WORDS,
        links=trackers.outbound.inventory(controller, state.clock()), standing=STANDING,
        acts=OFFICER in session(request).account.roles,
    )  # fmt: skip


HANDLERS: Final = [listed, settle]
