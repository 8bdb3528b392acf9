"""What people do for a company's systems: their tasks over all stores, letters, answers."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kept.errors import StoreError, UsageError
from kept.ledger.entry import Entry, name
from kept.stores.base import Store
from kept.stores.tasks import Answered, Served, Task


@dataclass(frozen=True, slots=True)
class Delivery:
    """What went out, and the systems whose letters could not be sent, with the reason."""

    sent: tuple[Task, ...]
    problems: tuple[tuple[str, str], ...]


def _served(stores: Mapping[str, Store]) -> Iterator[Served]:
    return (store for store in stores.values() if isinstance(store, Served))


def tasks(stores: Mapping[str, Store]) -> list[Task]:
    """The tasks of all systems that people serve."""
    return [task for store in _served(stores) for task in store.tasks()]


def deliver(stores: Mapping[str, Store], now: dt.datetime) -> Delivery:
    """Send what waits in every system; one that fails does not hold up the others."""
    sent: list[Task] = []
    problems = []
    for store in _served(stores):
        try:
            sent += store.deliver(now)
        except StoreError as problem:
            problems.append((store.system, str(problem)))
    return Delivery(tuple(sent), tuple(problems))


def answer(stores: Mapping[str, Store], id_: str, answer: Answered) -> Task:
    """Record an answer where the task is."""
    for store in _served(stores):
        if any(task.id == id_ for task in store.tasks()):
            return store.answer(id_, answer)
    raise UsageError("there is no such task", fix="see `kept task list`")


def entry(task: Task, answer: Answered, role: str) -> Entry:
    """The entry of an answer: its evidence as a hash, no words."""
    body: dict[str, object] = {
        "case": task.case,
        "system": name(task.system),
        "dataset": name(task.dataset),
        "action": task.action.value,
        "outcome": answer.outcome.value,
        "evidence": hashlib.sha256(answer.evidence.encode()).hexdigest(),
        "rows": task.found,
        "role": name(role),
    }
    return Entry("word.given", answer.at, body)
