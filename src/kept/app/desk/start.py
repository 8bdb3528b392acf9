"""The first page of the desk: who one is, in which roles, and which cases are open."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.datastructures import State

from kept.app.desk.guard import Asked
from kept.app.desk.render import page
from kept.controller import Controller
from kept.terms.rights import RIGHTS

#: Cases that the first page lists.
_SHOWN: Final = 200


@get("/", sync_to_thread=True)
def start(request: Asked, state: State) -> Response[str]:
    """Open cases, oldest first; of a case no name of a person stands here."""
    controller: Controller = state.controller
    cases = [c for c in controller.cases.all() if c.closed_at is None]
    return page(request, "desk_start.html.j2", cases=cases[:_SHOWN], count=len(cases),
                rights=RIGHTS)  # fmt: skip


HANDLERS: Final = [start]
