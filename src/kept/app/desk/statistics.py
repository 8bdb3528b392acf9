"""Figures of requests on the desk, with a plot; safe to show to others."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.datastructures import State

from kept.app.desk.guard import Asked
from kept.app.desk.render import page
from kept.controller import Controller
from kept.duties import figures
from kept.terms.rights import RIGHTS


@get("/statistics", sync_to_thread=True)
def statistics(request: Asked, state: State) -> Response[str]:
    """Requests that arrived in one year: this one, or `?year=`."""
    controller: Controller = state.controller
    now = state.clock()
    this = controller.day(now).year
    given = request.query_params.get("year", "")
    year = int(given) if given.isascii() and given.isdigit() and len(given) == 4 else this
    year = min(max(year, 1970), this)
    found = figures.requests(controller, year, now)
    return page(
        request, "desk_statistics.html.j2", found=found, this=this, rights=RIGHTS,
        outcomes=figures.OUTCOMES, percent=figures.percent,
        most=max((row.received for row in found.rows), default=1),
    )  # fmt: skip


HANDLERS: Final = [statistics]
