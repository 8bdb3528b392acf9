"""What people were asked to do for a case: what became of it, as they said."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, post
from litestar.datastructures import State
from litestar.params import FromPath

from kept.app.desk.cases import found, shown
from kept.app.desk.guard import Asked, form
from kept.app.desk.render import back, said
from kept.app.desk.working import actor
from kept.duties.rights import casework, recipients
from kept.errors import KeptError, UsageError
from kept.stores.tasks import Answered


@post("/cases/{case:str}/task", status_code=303, sync_to_thread=True)
def answered(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Record what a recipient, or whoever serves a system, said became of it."""
    one, controller, sent, now = found(state, case), state.controller, form(request), state.clock()
    try:
        who = actor(request, state, "task done")
        given, words = sent.one("outcome"), sent.one("words").strip()
        asked = next((t for t in casework.tasks(controller, one) if t.id == sent.one("task")), None)
        if asked is None:
            raise UsageError("this case has no such task", fix="load the page once more")
        outcome = next((o for o in casework.sayable(asked) if o.value == given), None)
        if outcome is None:
            raise UsageError("it is not said what became of it, or it was said already")
        if not words:
            raise UsageError("it is not said who said so", expected="who, when and how")
        recipients.record(controller, asked.id, Answered(outcome, who.name, now, words), who.role)
        controller.ledger.checkpoint(now)
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "task")


HANDLERS: Final = [answered]
