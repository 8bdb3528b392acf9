"""Answers on their way: from the file of a task into the ledger, whenever the machine stops.

What is about to be recorded is written down first, and given up once its entry is committed. It
is held by a lock of the system, which a killed process gives back: whatever is met without one
was left by somebody who is gone.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from kept.errors import StoreError, UsageError
from kept.stores.tasks import Answered, Outcome, Task, TaskFolder

_NAME: Final = ".answer.json"


@dataclass(frozen=True, slots=True)
class Left:
    """An answer that somebody began to record: the id of its task, in which role."""

    id: str
    answer: Answered
    role: str

    def stands(self, task: Task | None) -> bool:
        """Whether the task got it."""
        return task is not None and task.answer == self.answer


@contextmanager
def beginning(folder: TaskFolder, left: Left) -> Iterator[None]:
    """Hold an answer while it is recorded. It stays where that fails; refused, it is given up."""
    body = {
        "outcome": left.answer.outcome, "by": left.answer.by, "at": left.answer.at.isoformat(),
        "evidence": left.answer.evidence, "role": left.role,
    }  # fmt: skip
    name = f"{left.id}{_NAME}"
    handle = folder.held(name, json.dumps(body, ensure_ascii=False))
    try:
        yield
        folder.remove(name)
    except UsageError:
        folder.remove(name)
        raise
    finally:
        os.close(handle)


@contextmanager
def met(folder: TaskFolder) -> Iterator[list[Left]]:
    """The answers that whoever is gone left; given up after the block, unless it raises."""
    handles: list[int] = []
    found: list[Left] = []
    try:
        for path in sorted(folder.directory.glob(f"*{_NAME}")):
            handle = _taken(str(path))
            if handle is None:
                continue
            handles.append(handle)
            with open(handle, encoding="utf-8", closefd=False) as file:
                found.append(_read(path.name, file))
        yield found
        for left in found:
            folder.remove(f"{left.id}{_NAME}")
    finally:
        for handle in handles:
            os.close(handle)


def _read(name: str, file: IO[str]) -> Left:
    try:
        raw = json.load(file)
        answer = Answered(
            Outcome(raw["outcome"]), raw["by"], dt.datetime.fromisoformat(raw["at"]),
            raw["evidence"],
        )  # fmt: skip
        return Left(name.removesuffix(_NAME), answer, str(raw["role"]))
    except (ValueError, KeyError, TypeError):
        raise StoreError(
            "the file of an answer that is being recorded cannot be read",
            where=name,
            fix="see with `kept task list --all` whether its task is answered, then remove it",
        ) from None


def _taken(path: str) -> int | None:
    """The file, locked; None where somebody holds it, or has given it up meanwhile."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.stat(path).st_ino == os.fstat(handle).st_ino:
            return handle
    except OSError:
        pass
    os.close(handle)
    return None
