"""What waits because it may be a child's: listed without a word of it, opened, decided."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException

from kept.app.desk.guard import Asked, form, session
from kept.app.desk.render import back, page, said
from kept.app.desk.working import actor
from kept.controller import Controller
from kept.duties import staff
from kept.duties.collect import deciding, importing
from kept.errors import KeptError, UsageError
from kept.policy.shapes import said as in_words

_PATH: Final = "/desk/quarantine"


@get("/quarantine", sync_to_thread=True)
def waiting(request: Asked, state: State) -> Response[str]:
    """All that waits, the oldest first."""
    return _listed(request, state)


@post("/quarantine/show", status_code=200, sync_to_thread=True)
def open_one(request: Asked, state: State) -> Response[str]:
    """One of them with what was sent. Entered before it is shown."""
    controller: Controller = state.controller
    id_ = form(request).one("item")
    try:
        controller.quarantine.get(id_)
    except UsageError:
        raise NotFoundException from None
    staff.shown(controller, session(request).account, actor(request, state), ("request", id_), 1,
                state.clock())  # fmt: skip
    try:
        one, values = deciding.look(controller, id_)
    except KeptError as problem:
        return _listed(request, state, said(problem))
    form_ = controller.bundle.forms.get(one.form)
    fields = {} if form_ is None else form_.fields
    language = controller.bundle.languages[0]
    lines = [(in_words(fields[n].label, language) if n in fields else n, v)
             for n, v in values.items()]  # fmt: skip
    return _listed(request, state, opened={"one": one, "lines": lines})


@post("/quarantine/decide", status_code=303, sync_to_thread=True)
def decide_one(request: Asked, state: State) -> Response[Any]:
    """Decide: it is a child's, and goes; or it is none, and may be stored."""
    sent, controller = form(request), state.controller
    try:
        who = actor(request, state, "quarantine decide")
        outcome = sent.one("outcome")
        deciding.decide(
            controller, sent.one("item"), outcome, sent.one("reason"), who, state.clock()
        )
    except KeptError as problem:
        return _listed(request, state, said(problem))
    return back(_PATH, "destroyed" if outcome == deciding.CHILD else "let-through")


def _listed(
    request: Asked, state: State, problem: str | None = None,
    *, opened: dict[str, Any] | None = None,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    return page(
        request, "desk_quarantine.html.j2", 400 if problem else 200, problem=problem,
        waiting=controller.quarantine.open(), opened=opened, years=controller.bundle.minimum_age,
        title_of=lambda f: _title(controller, f),
        until=lambda moment: moment.astimezone(controller.desk.zone).strftime("%Y-%m-%d %H:%M"),
        refused=sum(n for (_, why), n in controller.quarantine.counts().items() if why == "age"),
    )  # fmt: skip


def _title(controller: Controller, name: str) -> str:
    """Of a form, or of the import of a list, as people call it."""
    bundle = controller.bundle
    listed = bundle.imports.get(name.removeprefix(importing.PREFIX))
    if listed is not None and name.startswith(importing.PREFIX):
        return listed.title
    form_ = bundle.forms.get(name)
    return name if form_ is None else in_words(form_.title, bundle.languages[0])


HANDLERS: Final = [waiting, open_one, decide_one]
