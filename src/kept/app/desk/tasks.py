"""What people were asked to do: listed without a name, opened on record, and answered."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from kept.app.desk.cases import found, shown
from kept.app.desk.guard import Asked, Form, form, session
from kept.app.desk.render import back, page, said
from kept.app.desk.working import actor
from kept.controller import Controller
from kept.duties import staff
from kept.duties.rights import casework, recipients
from kept.duties.rights.request import MAY_OVERRIDE
from kept.errors import KeptError, StoreError, UsageError
from kept.model.plan import Action
from kept.stores.letters import letter
from kept.stores.tasks import Answered, Derived, Notice, Outcome, Task, handed_in

_PATH: Final = "/desk/tasks"
#: How many stand on the page; those after them come when these are answered.
_SHOWN: Final = 100
#: Bytes of a form with the rows that were handed in.
LARGEST: Final = 2_000_000
#: What is to be done, in words.
DOES: Final = {
    Action.READ: "send a copy of it", Action.DELETE: "erase it",
    Action.OVERWRITE: "empty what tells who is meant", Notice.ERASED: "tell it of the erasure",
    Notice.CORRECTED: "tell it of the correction",
    Notice.RESTRICTED: "tell it of the restriction",
    Notice.OBJECTED: "tell it of the objection",
    Derived.ANEW: "make anew what was made of corrected data",
}  # fmt: skip


@get("/tasks", sync_to_thread=True)
def waiting(request: Asked, state: State) -> Response[str]:
    """Those that wait, the latest first; with `all` the answered too."""
    try:
        return _listed(request, state)
    except StoreError as problem:  # the file of one cannot be read: it says which
        return page(request, "desk_tasks.html.j2", 503, problem=said(problem), found=None,
                    opened=None, settled=False)  # fmt: skip


@post("/tasks/show", status_code=200, sync_to_thread=True)
def open_one(request: Asked, state: State) -> Response[str]:
    """What is to be done, and for whom. Entered before it is shown."""
    return _opened(request, state, _found(request, state))


@post("/tasks/done", status_code=303, sync_to_thread=True, request_max_body_size=LARGEST)
def done(request: Asked, state: State) -> Response[Any]:
    """Record what became of it, with the rows that were handed in."""
    one = _found(request, state)
    try:
        _record(request, state, one, form(request))
    except KeptError as problem:
        return _opened(request, state, _found(request, state), said(problem))
    return back(_PATH, "task")


@post("/cases/{case:str}/task", status_code=303, sync_to_thread=True)
def answered(request: Asked, state: State, case: FromPath[str]) -> Response[Any]:
    """Record what a recipient, or whoever serves a system, said became of it."""
    one, controller, sent = found(state, case), state.controller, form(request)
    try:
        asked = next((t for t in casework.tasks(controller, one) if t.id == sent.one("task")), None)
        if asked is None:
            raise UsageError("this case has no such task", fix="load the page once more")
        _record(request, state, asked, sent)
    except KeptError as problem:
        return shown(request, state, one, said(problem))
    return back(f"/desk/cases/{one.id}", "task")


def _record(request: Asked, state: State, asked: Task, sent: Form) -> None:
    controller, now = state.controller, state.clock()
    # Of what recipients were told, those say what became of it who tell them.
    who = actor(request, state, "task send" if isinstance(asked.action, Notice) else "task done")
    words, file = sent.one("words").strip(), sent.file("rows")
    rows = handed_in(file[1]) if file else ()
    can = [*casework.sayable(asked), *([Outcome.DONE] if file and asked.open else [])]
    outcome = next((o for o in can if o.value == sent.one("outcome")), None)
    if outcome is None:
        raise UsageError(
            "it is not said what became of it, or it was said already",
            expected="of what is to be read, that it is done with the rows that were handed in",
        )
    if not words:
        raise UsageError("it is not said who said so", expected="who, when and how")
    same = sent.one("same") == "yes"
    answer = Answered(outcome, who.name, now, words, rows, same)
    recipients.record(controller, asked.id, answer, who.role)
    controller.ledger.checkpoint(now)


def _found(request: Asked, state: State) -> Task:
    tasks = casework.serves(state.controller, session(request).account)
    one = next((t for t in tasks if t.id == form(request).one("task")), None)
    if one is None:
        raise NotFoundException
    return one


def _opened(request: Asked, state: State, one: Task, problem: str | None = None) -> Response[str]:
    controller: Controller = state.controller
    now, sent = state.clock(), form(request)
    if one.people:
        staff.shown(controller, session(request).account, actor(request, state),
                    ("case", one.of_case or one.case), len(one.people), now)  # fmt: skip
    return _listed(request, state, problem, opened={
        "one": one, "letter": "\n".join(letter(one, None)) if one.people else None,
        "stands": casework.stands(one, now), "sayable": casework.sayable(one),
        "reads": one.action is Action.READ and one.open, "words": sent.one("words"),
        "outcome": sent.one("outcome"),
    })  # fmt: skip


def _listed(
    request: Asked, state: State, problem: str | None = None,
    *, opened: dict[str, Any] | None = None,
) -> Response[str]:  # fmt: skip
    controller: Controller = state.controller
    now, settled = state.clock(), "all" in request.query_params
    tasks = casework.serves(controller, session(request).account)
    listed = [t for t in tasks if settled or t.open]
    return page(
        request, "desk_tasks.html.j2", 400 if problem else 200, problem=problem, opened=opened,
        found=[(t, casework.stands(t, now), _where(controller, t)) for t in listed[:_SHOWN]],
        more=max(len(listed) - _SHOWN, 0), settled=settled, owns=_owns(request, controller),
        does=_does, became=casework.became,
        where=_where(controller, opened["one"]) if opened else "",
    )  # fmt: skip


def _does(one: Task) -> str:
    """What is to be done, in words."""
    return "put right what is wrong" if one.corrects else DOES[one.action]


def _owns(request: Asked, controller: Controller) -> bool:
    """Whether there are systems of which whoever asks sees the tasks."""
    account = session(request).account
    return bool(account.roles & MAY_OVERRIDE or casework.owned(controller, account))


def _where(controller: Controller, one: Task) -> str:
    """The system and the dataset, or the recipient, in words."""
    if isinstance(one.action, Notice):
        return recipients.titled(controller, one.dataset)
    system = controller.datamap.systems.get(one.system)
    if system is None:
        return f"{one.system} · {one.dataset}"
    known = system.datasets.get(one.dataset)
    title = (known.title if known is not None else None) or one.dataset
    return f"{system.title or one.system} · {title}"


HANDLERS: Final = [waiting, open_one, done, answered]
