"""What people do for a company's systems: their tasks over all stores, letters, answers."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from kept.errors import StoreError, UsageError
from kept.ledger.entry import Entry, encode, name
from kept.ledger.log import Ledger
from kept.records.recipient import Message, Noted, Recipients
from kept.stores import answering
from kept.stores.base import Store
from kept.stores.recipients import NAME, Reach
from kept.stores.tasks import Answered, Derived, Notice, Served, Task, TaskFolder

#: For an answer of whoever is asked at the desk.
_TIME: Final = dt.timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What went out, and the systems whose letters could not be sent, with the reason."""

    sent: tuple[Task, ...]
    problems: tuple[tuple[str, str], ...]


def served(stores: Mapping[str, Store], reach: Reach) -> list[Served]:
    """Whatever people serve: systems of the map, and recipients."""
    systems = [store for store in stores.values() if isinstance(store, Served)]
    return [*systems, *reach.all()]


def tasks(all_: Iterable[Served]) -> list[Task]:
    """The tasks of all that people serve."""
    return [task for one in all_ for task in one.tasks()]


def deliver(all_: Iterable[Served], now: dt.datetime) -> Delivery:
    """Send what waits everywhere; one that fails does not hold up the others."""
    sent: list[Task] = []
    problems = []
    for one in all_:
        try:
            sent += one.deliver(now)
        except StoreError as problem:
            problems.append((one.system, str(problem)))
    return Delivery(tuple(sent), tuple(problems))


def write_down(recipients: Recipients, reach: Reach, stores: Mapping[str, Store]) -> None:
    """Make a task of each notice, and of what is to be made anew, that is recorded and has none;
    and let people off what is over.
    """
    for noted, message in recipients.unwritten():
        served = _serves(noted, reach, stores)
        there = served.folder.of(noted.case, *_step(noted))
        if message is None and there is not None:
            served.let_off(there)
        elif message is not None and there is None:
            served.folder.put(_task(noted, message, served.folder, stores))
        recipients.written(noted)


def _step(noted: Noted) -> tuple[str, Notice | Derived]:
    """The dataset and what is asked, by which a task is found."""
    if noted.place is None:
        return noted.recipient, Notice(noted.notice)
    return noted.place[1], Derived(noted.notice)


def _serves(noted: Noted, reach: Reach, stores: Mapping[str, Store]) -> Served:
    """Who is asked. Who serves a system by mail is asked by mail."""
    if noted.place is None:
        return reach.mailbox(noted.recipient)
    store = stores.get(noted.place[0])
    return store if isinstance(store, Served) else reach.owner(noted.place[0])


def _task(noted: Noted, message: Message, folder: TaskFolder, stores: Mapping[str, Store]) -> Task:
    """The task of what is recorded. Who is not asked by mail sees it at the desk at once."""
    system = NAME if noted.place is None else noted.place[0]
    dataset, action = _step(noted)
    at_desk = noted.place is not None and not isinstance(stores.get(system), Served)
    at = noted.noted_at if at_desk else None
    return Task(
        folder.id_of(noted.case, dataset, action), noted.case, system, dataset, action,
        message.people, message.given_for, at, at and at + _TIME,
    )  # fmt: skip


def answer(
    all_: Iterable[Served], id_: str, answer: Answered, role: str, enter: Callable[[Task], None]
) -> Task:
    """Record an answer where the task is, and have it entered; `enter_left` finds it between."""
    for one in all_:
        if any(task.id == id_ for task in one.tasks()):
            left = answering.Left(id_, replace(answer, rows=(), same=False), role)
            with answering.beginning(one.folder, left):
                done = one.answer(id_, answer)
                enter(done)
            return done
    raise UsageError("there is no such task", fix="see `kept task list`")


def enter_left(
    all_: Iterable[Served], ledger: Ledger, enter: Callable[[Task, Answered, str], None]
) -> None:
    """Have answers entered whose recording was stopped half-way. One that its task never got is
    given up, with what was handed in: whoever gave it was never told that it is recorded.
    """
    for one in all_:
        with answering.met(one.folder) as found:
            for left in found:
                task = one.folder.get(left.id)
                if task is None or task.answer is None:
                    one.folder.remove(f"{left.id}.rows.json")
                elif left.stands(task):
                    one.tidy(task)
                    made = encode(entry(task, left.answer, left.role))
                    before = ledger.entries(kind="word.given")
                    if not any(encode(e) == made for _, e in before):
                        enter(task, left.answer, left.role)


def entry(task: Task, answer: Answered, role: str) -> Entry:
    """The entry of an answer: its evidence as a hash, no words."""
    body: dict[str, object] = {
        "case": task.of_case or task.case,
        "system": name(task.system),
        "dataset": name(task.dataset),
        "action": task.action.value,
        "outcome": answer.outcome.value,
        "evidence": hashlib.sha256(answer.evidence.encode()).hexdigest(),
        "rows": task.found,
        "role": name(role),
    }
    return Entry("word.given", answer.at, body)
