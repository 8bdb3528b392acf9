"""The staff's console, `/desk`. To add a page: a handler in a module here, its line in the table
`DESK` of `app/surface.py` with the roles that may use it, and a template that extends
`desk.html.j2`.

    @get("/cases", sync_to_thread=True)                       # under /desk, guarded by the table
    def cases(request: Asked, state: State) -> Response[str]:
        return page(request, "desk_cases.html.j2", cases=…)   # session, roles and csrf are there

    @post("/cases/close", status_code=303, sync_to_thread=True)
    def close(request: Asked, state: State) -> Response[Any]:
        who = session(request)                                # whoever passed the guard
        … form(request).one("case") …                         # parsed, its csrf token checked
        return back("/desk/cases", "closed")                  # words in render.DONE

A form of a page carries `{{ csrf() }}`. Whatever shows a person's data calls
`duties.staff.noted` or `shown` first; whatever approves asks `Controller.approving`.
"""

from __future__ import annotations

from typing import Final

from litestar import Router
from litestar.exceptions import HTTPException

from kept.app.desk import (
    account,
    accounts,
    asked,
    cases,
    complaints,
    disclosures,
    doubts,
    elsewhere,
    figures,
    handing,
    incidents,
    leaving,
    login,
    measures,
    moving,
    paper,
    quarantine,
    start,
    tasks,
    trackers,
)
from kept.app.desk.guard import guard
from kept.app.desk.render import HEADERS, kept_error, refused
from kept.errors import KeptError

HANDLERS: Final = [
    *login.HANDLERS, *elsewhere.HANDLERS, *start.HANDLERS, *cases.HANDLERS,
    *moving.HANDLERS, *leaving.HANDLERS, *paper.HANDLERS, *handing.HANDLERS,
    *tasks.HANDLERS,
    *asked.HANDLERS, *figures.HANDLERS,
    *trackers.HANDLERS, *incidents.HANDLERS, *complaints.HANDLERS, *quarantine.HANDLERS,
    *disclosures.HANDLERS, *doubts.HANDLERS, *measures.HANDLERS,
    *account.HANDLERS,
    *accounts.HANDLERS,
]  # fmt: skip


class _Desk(Router):
    """Made for one application alone, so that its copy would be one too many: to make it took a
    third of the time until the application was there.
    """

    def __deepcopy__(self, known: object) -> _Desk:
        return self


def router() -> Router:
    """Everything under /desk, behind the one guard."""
    return _Desk(
        "/desk",
        route_handlers=HANDLERS,
        guards=[guard],
        response_headers=HEADERS,
        include_in_schema=False,
        exception_handlers={HTTPException: refused, KeptError: kept_error},
    )
