"""What people were asked to do of somebody who is erased, and have not answered.

Whom a task is about stands in it until it is answered. What is gone need not be made anew: whoever
was asked is let off, and the task goes. Whoever still has to act needs to know of whom; how many
such tasks there are is said with the erasure.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Sequence

from kept.controller import Controller, Place
from kept.database import Connection
from kept.errors import IdentifierError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Plan
from kept.records.actor import Actor
from kept.records.case import Case
from kept.records.recipient import noted_as
from kept.records.subject import LINKING
from kept.stores.tasks import RIGHT, Derived, Notice, Task
from kept.terms.identifiers import KINDS, Identifier, normalise


def naming(controller: Controller, known: Sequence[Sequence[Identifier]]) -> list[Task]:
    """The open tasks in which something stands that names these people, and not many others."""
    hers = _pairs([[i for i in one if i.kind in LINKING] for one in known])
    asked = (t for t in controller.tasks() if t.open)
    return [t for t in asked if hers & (_pairs(_named(controller, t)) | _right(t))]


def said(case: Case, those: Sequence[Task]) -> tuple[str, ...]:
    """How many of them there are, in words."""
    left = others(case, those)
    words = (
        f"tasks that were open before and name her until they are answered: {left}; whoever has to"
        " act there needs to know of whom (`kept task list`)"
    )
    return (words,) if left else ()


def others(case: Case, those: Sequence[Task]) -> int:
    """How many tasks there are beside those that tell recipients of this erasure."""
    return sum((t.case, t.action) != (case.id, Notice.ERASED) for t in those)


def over(
    controller: Controller, known: Sequence[Sequence[Identifier]], made: Plan,
    those: Sequence[Task],
) -> list[Task]:  # fmt: skip
    """Those of these tasks to make anew what is there no more, by a plan that is carried out. One
    that also names somebody else stays while rows of his are there.
    """
    steps = {s.action: {(o.system, o.dataset) for o in made.steps if o.action is s.action}
             for s in made.steps}  # fmt: skip
    stays = steps.get(Action.RETAIN, set()) | steps.get(Action.ISOLATE, set())
    gone, hers = steps.get(Action.DELETE, set()) - stays, _pairs(known)
    asked = [t for t in those if t.action is Derived.ANEW and (t.system, t.dataset) not in stays]
    return [t for t in asked if _gone(controller, t, gone, hers)]


def _gone(controller: Controller, task: Task, gone: set[Place], hers: set[tuple[str, str]]) -> bool:
    """Whether nothing is held any more of whom a task is about, where it is about them."""
    place, abilities = (task.system, task.dataset), controller.abilities.get(task.system)
    system = controller.datamap.systems.get(task.system)
    if system is None or abilities is None or task.dataset not in system.datasets:
        return False
    people = _named(controller, task)
    if abilities.word:  # nobody can look there; what was answered of the erasure is known
        return place in gone and hers >= _pairs(people)
    located = controller.locate(people)
    return place not in controller.keys(located) and task.system not in located.unreached


def let_off(
    controller: Controller, those: Sequence[Task], actor: Actor, now: dt.datetime,
    connection: Connection,
) -> None:  # fmt: skip
    """Nobody has to do these any more; a case that waited for them alone is over."""
    for task in those:
        if controller.recipients.erased(task.case, str(noted_as(task)), now, connection=connection):
            body = {"case": task.case, "system": name(task.system), "dataset": name(task.dataset)}
            controller.ledger.append_in(connection, [Entry("derived.erased", now, body)])
            controller.recipients_settled(task.case, actor, now, connection)


def _named(controller: Controller, task: Task) -> list[list[Identifier]]:
    """By what a task names people: without what is right, or is to be done."""
    system = controller.datamap.systems.get(task.system)
    dataset = system.datasets.get(task.dataset) if system else None
    people = []
    for one in task.people:
        named: list[Identifier] = []
        for what, value in one:
            item = dataset.fields.get(what) if dataset and isinstance(task.action, Action) else None
            kind = (item and item.identifies) or what
            if kind in KINDS:
                with contextlib.suppress(IdentifierError):
                    named.append(Identifier(kind, normalise(kind, value)))
        people.append(named)
    return people


def _right(task: Task) -> set[tuple[str, str]]:
    """Whom what is right names, to those who know her by what was wrong."""
    found = set()
    for what, value in (pair for one in task.people for pair in one):
        for kind in LINKING if what.startswith(RIGHT) else ():
            with contextlib.suppress(IdentifierError):
                found.add((kind, normalise(kind, value)))
    return found


def _pairs(people: Sequence[Sequence[Identifier]]) -> set[tuple[str, str]]:
    return {(i.kind, i.normalised) for one in people for i in one}
