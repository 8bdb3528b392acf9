"""`kept task`: what people have to do for a request, their letters and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, opened
from kept.app.output import table
from kept.duties.rights.recipients import record
from kept.duties.rights.request import VERBS
from kept.errors import UsageError
from kept.records.case_state import FINISHED
from kept.stores.tasks import Answered, Notice, Outcome, Task, handed_in
from kept.terms.words import many

#: How a request goes on that changes something, by its verb.
_CHANGES: Final = {"erase": " --yes", "rectify": " --yes", "withdraw": " --erase --yes"}

group = App(name="task", help="What people have to do for a request, and what they say of it.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command(name="list")
def list_command(
    *,
    all: Annotated[bool, Parameter(help="also those that are answered", negative="")] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Tasks that wait for an answer, and which are late."""
    now = acting.moment
    with opened(common) as (controller, _):
        tasks = [task for task in controller.tasks() if all or task.open]
    rows: list[tuple[Any, ...]] = []
    for t in tasks:
        state = t.answer.outcome.value if t.answer else "late" if t.late(now) else "waits"
        due = f"{t.due:%Y-%m-%d}" if t.due else "not sent"
        rows.append((t.id, f"{t.system}.{t.dataset}", t.action.value, due, state))
    words = [table(("task", "where", "to do", "due", "state"), rows)] if rows else ["No tasks."]
    common.out.result({"tasks": [_document(t) for t in tasks]}, words)
    return 0


@group.command
def send(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Send letters that wait, and a reminder where an answer is late; run it every day."""
    with opened(common, "task send", acting.role) as (controller, _):
        went = controller.deliver(acting.moment)
    words = [f"{system}: {why}" for system, why in went.problems]
    reminders = sum(bool(t.reminded) for t in went.sent)
    letters = len(went.sent) - reminders
    words.append(f"{many(letters, 'letter')} and {many(reminders, 'reminder')} went out.")
    document = {
        "sent": [_document(t) for t in went.sent],
        "problems": [{"store": s, "why": why} for s, why in went.problems],
    }
    common.out.result(document, words)
    return 1 if went.problems else 0


@group.command
def done(
    task: str,
    /,
    *,
    evidence: Annotated[str, Parameter(help="who said so and in which letter, or why they cannot")],
    outcome: Annotated[
        str,
        Parameter(
            help="done, nothing-found or cannot; of a recipient also disproportionate: to tell it"
            " is impossible or out of all proportion, for the reason given as evidence"
        ),
    ] = "done",
    rows: Annotated[
        Path | None, Parameter(help="what was handed in: a JSON list of rows by field name")
    ] = None,
    same_person: Annotated[
        bool,
        Parameter(
            negative="",
            help="rows that name her by what was not known of her are hers; the evidence says how"
            " that is known",
        ),
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Record what people say became of a task; their word stands where nothing is read back."""
    try:
        said = Outcome(outcome)
    except ValueError:
        words_ = ", ".join(o.value for o in Outcome)
        raise UsageError("there is no such outcome", expected=f"one of {words_}") from None
    answer = Answered(said, acting.actor, acting.moment, evidence, _rows(rows), same_person)
    with opened(common, "task done", acting.role) as (controller, _):
        one = record(controller, task, answer, acting.role)
        controller.ledger.checkpoint(acting.moment)
        case = controller.cases.get(one.case) if not one.left else None
    words = [f"Recorded: {said.value}."]
    verb = VERBS[case.right] if case else ""
    if case is None:
        words.append("Nothing keeps these rows any more. To go on: kept retain run")
    elif case.state not in FINISHED and (not isinstance(one.action, Notice) or verb == "erase"):
        again = f" --case {case.id}" + _CHANGES.get(verb, "")
        words.append(f"To go on: kept rights {verb}{again}")
    common.out.result(_document(one), words)
    return 0


def _rows(path: Path | None) -> tuple[Mapping[str, Any], ...]:
    if path is None:
        return ()
    try:
        raw = path.read_bytes()
    except OSError:
        raise UsageError("what was handed in cannot be read", where=str(path)) from None
    return handed_in(raw)


def _document(task: Task) -> dict[str, Any]:
    """A task as JSON; whom it is about stays in its letter."""
    return {
        "task": task.id,
        "case": task.of_case or task.case,
        "store": task.system,
        "dataset": task.dataset,
        "action": task.action.value,
        "people": len(task.people),
        "asked_at": task.asked.isoformat() if task.asked else None,
        "due_at": task.due.isoformat() if task.due else None,
        "reminders": len(task.reminded),
        "outcome": task.answer.outcome.value if task.answer else None,
        "answered_at": task.answer.at.isoformat() if task.answer else None,
        "rows": task.found,
    }
