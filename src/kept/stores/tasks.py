"""Tasks: steps that only people can carry out, kept in a directory that only its owner reads.

One file per task. Whom a task is about stands in it, because whoever does it has to know; as
soon as it is answered that is struck out, and what was handed in goes when its case is complete.
"""

from __future__ import annotations

import abc
import datetime as dt
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

from kept.errors import StoreError, UsageError
from kept.model.plan import Action
from kept.private import make_private
from kept.stores.looking import regular

#: Names that can stand in the name of a file as they are.
SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")

#: Before what is right, in place of the name of a field: who knows her by what was wrong is told.
RIGHT: Final = "right: "
#: In the place of a case where there is none.
_NONE: Final = "no-case"
#: After the case, before why it had left rows with people; in no id of a case.
_LEFT: Final = "_"


class Outcome(StrEnum):
    """What people say became of a task."""

    DONE = "done"
    NOTHING = "nothing-found"
    CANNOT = "cannot"
    LEFT = "disproportionate"  # ours, of a notice: impossible, or out of all proportion (Art. 19)

    @property
    def settles(self) -> bool:
        """Whether nothing is left to do."""
        return self is not Outcome.CANNOT


class Notice(StrEnum):
    """What a recipient is told of data that it had from the company (GDPR Art. 19)."""

    ERASED = "tell-erasure"
    CORRECTED = "tell-rectification"
    RESTRICTED = "tell-restriction"
    OBJECTED = "tell-objection"


class Derived(StrEnum):
    """What is asked of whoever serves a system for values that were made of other data."""

    ANEW = "make-anew"


#: What a task asks for.
Asks: TypeAlias = Action | Notice | Derived


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: who recorded it, when, on what evidence (or: because of what they cannot).

    `rows` are what was handed in, for a request to read: field → value. `same`: whoever records
    it answers for rows that name the person by what was not known of her.
    """

    outcome: Outcome
    by: str
    at: dt.datetime
    evidence: str
    rows: tuple[Mapping[str, Any], ...] = ()
    same: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """What people were asked to do: one step of one case. `asked` None: the letter waits.

    `people` are those it is about, each as (field, value) pairs; empty once it is answered.
    `found` counts the rows that were handed in. A notice has the recipient as its `dataset`,
    and in `fields` what the data was given for; what is to be made anew stands in them.
    `instead`: what is to be put right, each as (field, wrong, right); once it is answered the
    fields alone.
    """

    id: str
    case: str
    system: str
    dataset: str
    action: Asks
    people: tuple[tuple[tuple[str, str], ...], ...]
    fields: tuple[str, ...] = ()
    asked: dt.datetime | None = None
    due: dt.datetime | None = None
    reminded: tuple[dt.datetime, ...] = ()
    answer: Answered | None = None
    found: int = 0
    instead: tuple[tuple[str, str, str], ...] = ()

    @property
    def of_case(self) -> str | None:
        """The case whose step it is, or that had left the rows with them; None: there is none."""
        case = self.case.partition(_LEFT)[0]
        return case if case and case != _NONE else None

    @property
    def left(self) -> bool:
        """Whether it is of rows that a case had left with them (`left_mark`)."""
        return _LEFT in self.case

    @property
    def corrects(self) -> bool:
        """Whether something is to be put right."""
        return bool(self.instead)

    @property
    def open(self) -> bool:
        """Whether it still has to be done."""
        return self.answer is None or not self.answer.outcome.settles

    def late(self, now: dt.datetime) -> bool:
        """Whether an answer should have come."""
        return self.answer is None and self.due is not None and now > self.due


class Served(abc.ABC):
    """What people serve: a store, or a recipient's mailbox."""

    system: str
    folder: TaskFolder

    @abc.abstractmethod
    def tasks(self) -> list[Task]:
        """All tasks, oldest first."""

    @abc.abstractmethod
    def deliver(self, now: dt.datetime) -> list[Task]:
        """Send what waits, and remind where an answer is late. StoreError where that fails."""

    @abc.abstractmethod
    def answer(self, id_: str, answer: Answered) -> Task:
        """Record an answer. UsageError where there is no such task, or it is answered."""

    @abc.abstractmethod
    def tidy(self, task: Task) -> None:
        """Take away the letters of a task where nothing is left to do; may be called twice."""

    @abc.abstractmethod
    def let_off(self, task: Task) -> None:
        """Give up one task, with its letters and answer; may be called twice."""

    @abc.abstractmethod
    def forget(self, case: str) -> None:
        """Give up all tasks of a case, with their letters and answers."""


class TaskFolder:
    """The tasks of one system as files of mode 0600, written whole or not at all."""

    def __init__(self, directory: Path, system: str = "") -> None:
        self.directory, self.system = directory, system

    def id_of(self, case: str, dataset: str, action: Asks) -> str:
        """The id of the task of a step in this system."""
        return task_id(case, dataset, action, self.system)

    def all(self) -> list[Task]:
        """All tasks, oldest first; those whose letter waits come last."""
        found = [self._read(path) for path in self.directory.glob("*.task.json")]
        none = dt.datetime.max.replace(tzinfo=dt.UTC)
        return sorted(found, key=lambda t: (t.asked or none, t.id))

    def get(self, id_: str) -> Task | None:
        """The task of that id."""
        path = self.directory / f"{id_}.task.json"
        return self._read(path) if SAFE.match(id_) and path.exists() else None

    def of(self, case: str, dataset: str, action: Asks) -> Task | None:
        """The task of a step, also under the id that it had in older versions.

        StoreError where another step's task lies in its place.
        """
        asked = (case, dataset, action)
        id_ = self.id_of(*asked)
        task = self.get(id_)
        if task is None:
            # Two datasets could share the oldest: it is the task of the one that it names.
            before = (self.get(task_id(*asked)), self.get(_older_id(*asked)))
            return next((t for t in before if t is not None and asked == _step(t)), None)
        if asked != _step(task):
            raise StoreError(
                "the file of a task is that of another step",
                where=f"{id_}.task.json",
                fix="bring it back from a copy, or remove it and run its case again",
            )
        return task

    def put(self, task: Task) -> None:
        """Write a task down; on the disk before this returns."""
        body = {
            "id": task.id,
            "case": task.case,
            "system": task.system,
            "dataset": task.dataset,
            "action": task.action,
            "people": task.people,
            "fields": task.fields,
            "asked": _told(task.asked),
            "due": _told(task.due),
            "reminded": [_told(at) for at in task.reminded],
            "found": task.found,
            "instead": task.instead,
            "answer": None
            if task.answer is None
            else {
                "outcome": task.answer.outcome,
                "by": task.answer.by,
                "at": _told(task.answer.at),
                "evidence": task.answer.evidence,
            },
        }
        self.write(f"{task.id}.task.json", json.dumps(body, ensure_ascii=False, indent=1) + "\n")

    def rows(self, task: Task) -> list[Mapping[str, Any]]:
        """What was handed in for a task."""
        path = self.directory / f"{task.id}.rows.json"
        if not regular(path):
            return []
        text = path.read_text("utf-8")
        rows: list[Mapping[str, Any]] = json.loads(text)
        return rows

    def settle(self, task: Task, answer: Answered) -> Task:
        """Write down the answer, then strike out whom the task is about where it is done."""
        if answer.rows:
            self.write(f"{task.id}.rows.json", json.dumps(answer.rows, ensure_ascii=False))
        done = replace(
            task, answer=replace(answer, rows=()), found=len(answer.rows),
            people=() if answer.outcome.settles else task.people,
            instead=tuple((f, "", "") for f, *_ in task.instead)
            if answer.outcome.settles
            else task.instead,
        )  # fmt: skip
        self.put(done)
        return done

    def forget(self, case: str) -> None:
        """Give up what was handed in for a case that is complete."""
        for task in self.all():
            if task.case == case:
                self.remove(f"{task.id}.rows.json")

    def let_off(self, task: Task) -> None:
        """Give up one task, with all that is there of it."""
        for end in ("rows.json", "txt", "task.json"):
            self.remove(f"{task.id}.{end}")

    def write(self, name: str, text: str) -> None:
        """A file of mode 0600, whole or not at all."""
        os.close(self.held(name, text))

    def held(self, name: str, text: str) -> int:
        """As `write`; the file is locked until what is returned is closed."""
        make_private(self.directory)
        draft = self._draft(name)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with open(handle, "w", encoding="utf-8", closefd=False) as file:
                file.write(text)
            os.fsync(handle)
            draft.replace(self.directory / name)
        except BaseException:
            os.close(handle)
            raise
        return handle

    def remove(self, name: str) -> None:
        """Remove a file that may not be there, and what a killed writer left of it."""
        self._draft(name).unlink(missing_ok=True)
        (self.directory / name).unlink(missing_ok=True)

    def _draft(self, name: str) -> Path:
        return self.directory / f".{name}.draft"

    def _read(self, path: Path) -> Task:
        try:
            if not regular(path):  # a pipe would hold up everybody
                raise OSError
            raw = json.loads(path.read_text("utf-8"))
            answer = raw["answer"]
            return Task(
                id=raw["id"], case=raw["case"], system=raw["system"], dataset=raw["dataset"],
                action=_action(raw["action"]),
                people=tuple(tuple((k, v) for k, v in person) for person in raw["people"]),
                fields=tuple(raw["fields"]), asked=_moment(raw["asked"]), due=_moment(raw["due"]),
                reminded=tuple(dt.datetime.fromisoformat(at) for at in raw["reminded"]),
                found=raw["found"],
                instead=tuple((f, wrong, right) for f, wrong, right in raw.get("instead", ())),
                answer=answer and Answered(
                    Outcome(answer["outcome"]), answer["by"],
                    dt.datetime.fromisoformat(answer["at"]), answer["evidence"],
                ),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError):
            raise StoreError(
                "the file of a task cannot be read",
                where=path.name,
                fix="bring it back from a copy, or remove it and run its case again",
            ) from None


def handed_in(raw: bytes) -> tuple[Mapping[str, Any], ...]:
    """What was handed in for a task that asked to read: a JSON list of rows by field name.

    UsageError where it is anything else.
    """
    try:
        read = json.loads(raw.decode("utf-8"))
        # No half of a sign, and no number that is none: neither can be written down.
        json.dumps(read, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, list) or not all(isinstance(row, dict) for row in read):
        raise UsageError(
            "what was handed in cannot be read", expected="a JSON list of objects, in UTF-8"
        )
    return tuple(read)


def refused(task: Task | None, answer: Answered) -> None:
    """Refuse an answer that does not fit. UsageError."""
    if task is None:
        raise UsageError("there is no such task", fix="see `kept task list`")
    if task.answer is not None and task.answer.outcome.settles:
        raise UsageError("this task is answered already", fix="see `kept task list --all`")
    if not answer.evidence.strip():
        raise UsageError(
            "an answer needs its evidence, or the reason why it cannot be done",
            fix="add --evidence WORDS: who said so, in which letter",
        )
    if answer.outcome is Outcome.LEFT and not isinstance(task.action, Notice):
        raise UsageError(
            "only what a recipient is told can be left out", expected="done, nothing-found, cannot"
        )
    if answer.rows and (task.action is not Action.READ or answer.outcome is not Outcome.DONE):
        raise UsageError("rows are handed in only where a task asked to read, and it was done")
    unknown = sorted({name for row in answer.rows for name in row} - set(task.fields))
    if unknown:
        raise UsageError(
            f"{len(unknown)} members of what was handed in are not fields of `{task.dataset}`",
            expected=f"rows with {', '.join(task.fields)}",
            fix="add them to the map of the system, or rename them in the file",
        )


def left_mark(case: str | None, ground: str) -> str:
    """What stands in the place of the case in the task of rows that the case left with people as
    long as this ground, a hold or a day, kept them: it had asked them of others, or will have
    forgotten of whom, and what they said of that is not said of these.
    """
    return f"{case or _NONE}{_LEFT}{ground}"


def task_id(case: str, dataset: str, action: Asks, system: str = "") -> str:
    """The one id of a step's task: a case has one task per system, dataset and action.

    What stands in it of the names is for people; the hash at its end tells apart those that
    look alike once they are spelt for a file (`news.list`, `news_list`), and datasets of two
    systems that are called the same; older versions left the system out.
    """
    names = (case, dataset, action.value, *((system,) if system else ()))
    named = "\0".join(names).encode("utf-8", "surrogatepass")
    older = _older_id(case, dataset[:60], action)
    return f"{older}.{hashlib.sha256(named).hexdigest()[:12]}"


def _older_id(case: str, dataset: str, action: Asks) -> str:
    """The id that tasks had before 2026-12; two datasets could share it."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", dataset)
    return f"{case or _NONE}.{safe}.{action.value}"


def spoken(value: object) -> str:
    """A value on one line: nothing in it can pass for the words of the letter."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def people_of(keys: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Keys of a mailbox's datasets back as people."""
    return tuple(tuple((str(k), str(v)) for k, v in json.loads(key)) for key in dict.fromkeys(keys))


def _step(task: Task) -> tuple[str, str, Asks]:
    return task.case, task.dataset, task.action


def _action(text: str) -> Asks:
    for kind in (Notice, Derived):
        if text in set(kind):
            return kind(text)
    return Action(text)


def _told(moment: dt.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else dt.datetime.fromisoformat(text)
