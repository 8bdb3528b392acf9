"""Measures at the desk: what guards the data, how each is checked, and how it stands."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.datastructures import State

from kept.app.desk.guard import Asked
from kept.app.desk.render import page
from kept.controls.history import latest
from kept.duties import measures


@get("/measures", sync_to_thread=True)
def listed(request: Asked, state: State) -> Response[str]:
    """Every measure. What controls check stands as it was proven last; looking runs none."""
    controller = state.controller
    ran = {one.control: one for one in latest(controller)}
    found = measures.standings(controller, state.clock(), ran.get)
    return page(request, "desk_measures.html.j2", rows=found)


HANDLERS: Final = [listed]
