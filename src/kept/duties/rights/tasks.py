"""What people were asked to do of somebody who is erased, and have not answered.

Whom a task is about stands in it until it is answered. What is gone need not be made anew or put
right: whoever was asked is let off, and the task goes. Whoever still has to act needs to know of
whom; how many such tasks there are is said with the erasure.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Collection, Sequence
from typing import Final

from kept.controller import Controller, Place
from kept.controller.naming import identifier
from kept.database import Connection
from kept.duties.rights import carry
from kept.duties.rights.wish import wished
from kept.errors import IdentifierError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Plan
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.recipient import noted_as
from kept.records.subject import LINKING
from kept.stores.tasks import RIGHT, Derived, Notice, Task
from kept.terms.identifiers import KINDS, Identifier, normalise

#: Why a correction ended, and its steps were left.
GONE: Final = "what it was to put right is erased"
#: Through which states a case that was begun comes to its end.
_TO_THE_END: Final = (State.EXECUTING, State.EXECUTED, State.CHECKED)


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
    controller: Controller, case: Case, known: Sequence[Sequence[Identifier]], made: Plan,
    those: Sequence[Task], told: Collection[str],
) -> list[Task]:  # fmt: skip
    """Those of these tasks to make anew what is there no more, by a plan that is carried out, and
    to tell recipients of a correction who are `told` of this erasure. One that also names somebody
    else stays: of what is to be made anew while rows of his are there.
    """
    stays, hers = _staying(made), _pairs(known)
    gone = {(s.system, s.dataset) for s in made.steps if s.action is Action.DELETE} - stays
    asked = [t for t in those if t.action is Derived.ANEW and (t.system, t.dataset) not in stays]
    tell = [
        t for t in those
        if t.action is Notice.CORRECTED and t.dataset in told and t.case != case.id
        and hers >= _pairs(_named(controller, t))
    ]  # fmt: skip
    return [*(t for t in asked if _gone(controller, t, gone, hers)), *tell]


def overtake(
    controller: Controller, known: Sequence[Sequence[Identifier]], made: Plan,
    undone: Collection[Place], actor: Actor, now: dt.datetime,
) -> None:  # fmt: skip
    """End the corrections of these people of which all that is left would be done to what goes by
    a plan that is being carried out: who serves a system is not asked to put right what he is asked
    to erase. The letters go first, so that whoever is stopped between finds the case open still.
    In the places of `undone` something failed, or waits for another person.
    """
    hers = _pairs(known)
    stays, away = _staying(made) | {*undone}, {system for system, _ in made.unreached}
    named = [i for one in known for i in one if i.kind in LINKING]
    for case in controller.cases.begun("rectification", named):
        plan = controller.cases.plan(case)
        if plan is None or not hers >= _pairs(controller.cases.identifiers(case)):
            continue
        left = [s for s in controller.cases.steps(case) if not s.state.over]
        if stays & {(s.system, s.dataset) for s in left}:
            continue
        unseen = {system for system, _ in plan.unreached}
        if away & (unseen | {s.system for s in left}) or unseen & {system for system, _ in undone}:
            continue
        # What it never looked through has her by what was wrong.
        if unseen and not _by_what_was(controller, case, hers):
            continue
        controller.let_off(t for t in controller.tasks() if t.open and t.case == case.id)
        with controller.database.connection() as connection:
            numbers = [s.number for s in left]
            controller.cases.overtaken(case, numbers, GONE, now, connection=connection)
            for state in _TO_THE_END[_TO_THE_END.index(case.state) + 1 :]:
                case = controller.cases.move(case, state, actor, now, connection=connection)
            controller.cases.close(case, GONE, actor, now, connection=connection)
            steps = tuple(s.result() for s in controller.cases.steps(case))
            entry = carry.closed(case, plan, carry.Carried(steps, {}), now, complete=True)
            controller.ledger.append_in(connection, [entry])


def _by_what_was(controller: Controller, case: Case, hers: set[tuple[str, str]]) -> bool:
    """Whether these are found by what a correction puts right as well, where it named them."""
    wish = wished(controller, case)
    if wish is None:
        return False
    place, field, wrong, _ = wish
    kind = controller.datamap.dataset(*place).fields[field].identifies
    if kind not in LINKING:
        return True
    was = identifier(str(kind), wrong)
    return was is not None and (was.kind, was.normalised) in hers


def _staying(made: Plan) -> set[Place]:
    """Where something of these people stays by a plan."""
    actions = (Action.RETAIN, Action.ISOLATE)
    return {(s.system, s.dataset) for s in made.steps if s.action in actions}


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
