"""Letters to people who do what no program can: their words, and the way out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

from kept.errors import ConfigError
from kept.model.plan import Action
from kept.stores.post import Post, Written, address
from kept.stores.tasks import (
    Answered,
    Asks,
    Derived,
    Notice,
    Served,
    Task,
    TaskFolder,
    refused,
    spoken,
)

_ASKS: Final[Mapping[Asks, tuple[str, str]]] = {
    Action.READ: (
        "Access",
        "Please send us a copy of everything that you hold about the following in",
    ),
    Action.DELETE: (
        "Erasure",
        "Please erase everything that you hold about the following, copies too, in",
    ),
    Action.OVERWRITE: (
        "Erasure",
        "Please empty every field that tells who is meant, and leave the rest, in",
    ),
    Derived.ANEW: (
        "Correction",
        "We have corrected data of the following. What was made of it may be wrong as well, in"
        " every row of theirs, and in every copy. Please make it anew from the corrected data;"
        " where none of it rests on what was wrong, say that nothing was found. It lies in",
    ),
    Notice.ERASED: (
        "Erasure",
        "We have erased data that you had from us. Please erase it as well, with every copy of it"
        " and link to it, and pass this on to whoever had it from you (GDPR Art. 19).",
    ),
    Notice.CORRECTED: (
        "Correction",
        "We have corrected data that you had from us. Please correct it as well, in every copy of"
        " it, and pass this on to whoever had it from you (GDPR Art. 19).",
    ),
    Notice.RESTRICTED: (
        "Restriction",
        "The use of data that you had from us is restricted. Please keep it and do not use it"
        " until you hear from us, and pass this on to whoever had it from you (GDPR Art. 18, 19).",
    ),
    Notice.OBJECTED: (
        "Objection",
        "Somebody whose data you had from us objects to the uses that are named below. Please stop"
        " them, and pass this on to whoever had it from you (GDPR Art. 21).",
    ),
}
#: Of a task that says what is wrong and what is right.
_CORRECT: Final = (
    "Correction",
    "Please put right what you hold about the following, copies too: wherever it says what is wrong"
    " below, let it say what is right. Leave the rest. It lies in",
)
#: Settings of a mailbox in kept.toml.
SETTINGS: Final = frozenset(("to", "from", "user", "password", "days", "remind", "ca"))


class Mailbox(Served):
    """The people behind an address: what they were asked to do, and what they say of it.

    `table` names the settings in kept.toml. `url` is a mail server, or the folder in which
    letters are laid; without one letters wait. `tasks` is where the tasks are kept.
    """

    def __init__(
        self, system: str, table: str, url: str, options: Mapping[str, Any], tasks: Path
    ) -> None:
        self.system = system
        given = {"directory": Path(), "days": 14, "remind": 7, **options}
        for name in ("days", "remind"):
            if type(given[name]) is not int or given[name] < 1:
                raise ConfigError(f"`{name}` of [{table}] is a number of days")
        self._days, self._remind = int(given["days"]), int(given["remind"])
        self._post = _Post(table, url, given) if "://" in url else None
        self.folder = TaskFolder(tasks, system)
        self._laid = TaskFolder(Path(given["directory"]) / url) if url and not self._post else None

    @property
    def reached(self) -> bool:
        """Whether there is a way for letters to go."""
        return self._post is not None or self._laid is not None

    def tasks(self) -> list[Task]:
        """All tasks, oldest first."""
        return self.folder.all()

    def deliver(self, now: dt.datetime) -> list[Task]:
        """Send the letters that wait and reminders; a letter that went is never sent again.

        Should the machine stop between the two, it goes twice, under the same Message-ID.
        """
        sent = []
        for task in self.folder.all() if self.reached else ():
            if not task.open or (task.answer is not None and task.asked is not None):
                continue
            last = task.reminded[-1] if task.reminded else task.due
            if task.asked is None:
                due = now + dt.timedelta(days=self._days)
                went = replace(task, asked=now, due=due)
            elif last is not None and now >= last + dt.timedelta(
                days=self._remind if task.reminded else 0
            ):
                went = replace(task, reminded=(*task.reminded, now))
            else:
                continue
            lines = letter(went, now)
            if self._post is not None:
                self._post.send(went, lines)
            elif self._laid is not None:
                self._laid.write(f"{task.id}.txt", "\n".join(lines) + "\n")
            self.folder.put(went)
            sent.append(went)
        return sent

    def answer(self, id_: str, answer: Answered) -> Task:
        """Record what a person says became of a task."""
        task = self.folder.get(id_)
        refused(task, answer)
        assert task is not None
        done = self.folder.settle(task, answer)
        self.tidy(done)
        return done

    def tidy(self, task: Task) -> None:
        """Take away the letters of a task where nothing is left to do."""
        if not task.open:
            for folder in (self.folder, self._laid):
                if folder is not None:
                    folder.remove(f"{task.id}.txt")

    def let_off(self, task: Task) -> None:
        """Give up one task, with its letters and answer."""
        if self._laid is not None:
            self._laid.remove(f"{task.id}.txt")
        self.folder.let_off(task)

    def forget(self, case: str) -> None:
        """Give up all tasks of a case, with their letters and answers."""
        for task in self.folder.all():
            if task.case == case:
                self.let_off(task)


def letter(task: Task, now: dt.datetime | None) -> list[str]:
    """The letter of a task, or its reminder, line by line."""
    _, please = _asks(task)
    lines = []
    told = isinstance(task.action, Notice)
    if task.reminded and task.asked is not None:
        lines += [f"We asked you on {task.asked:%Y-%m-%d} and have no answer yet.", ""]
    lines += [please, ""] if told else [f"{please} `{task.dataset}`:", ""]
    if told and task.fields:
        lines += ["You had it for:", *(f"  {why}" for why in task.fields), ""]
    for number, person in enumerate(task.people, 1):
        lines.append(f"  Person {number}")
        lines += [f"    {spoken(field)}: {spoken(value)}" for field, value in person]
    if task.corrects:
        lines += ["", "It is this:"]
        lines += [
            f"    {field}: wrong is “{wrong}”, right is “{right}”"
            for field, wrong, right in task.instead
        ]
    elif task.action in (Action.OVERWRITE, Derived.ANEW) and task.fields:
        lines += ["", f"The fields are: {', '.join(task.fields)}."]
    if task.action is Action.READ:
        fields = ", ".join(task.fields)
        lines += ["", f"As far as you hold it: {fields}. A JSON list of rows is easiest for us."]
    lines += ["", "Please answer with the number below, and say one of:", ""]
    lines += ["  done", "  nothing found", "  cannot, because ...", ""]
    if task.due is not None:
        lines.append(f"Please answer by {task.due:%Y-%m-%d}. Keep this letter no longer than that.")
    lines.append(f"Number: {task.id}")
    return lines


def _asks(task: Task) -> tuple[str, str]:
    """What the letter of a task is about, and its first words."""
    return _CORRECT if task.corrects else _ASKS[task.action]


class _Post:
    """Letters about tasks, by SMTP, to one address."""

    def __init__(self, table: str, url: str, given: Mapping[str, Any]) -> None:
        self._name = table.partition(".")[2]
        self._to, self._post = address(table, given, "to"), Post(table, url, given)

    def send(self, task: Task, lines: Sequence[str]) -> None:
        """Hand one letter to the mail server. StoreUnreachable, without its words."""
        message = EmailMessage()
        again = "Reminder: " if task.reminded else ""
        # No identifier in the subject: it travels and is shown in more places than the letter.
        message["Subject"] = f"{again}{_asks(task)[0]} request {task.id}"
        message["From"], message["To"] = self._post.sender, self._to
        turn = len(task.reminded)
        message["Message-ID"] = f"<{task.id}.{turn}@{self._post.sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        if task.asked is not None:
            message["Date"] = task.reminded[-1] if task.reminded else task.asked
        message.set_content("\n".join(lines) + "\n", cte="base64")
        self._post.send(
            Written.of(message), what=f"the letters of `{self._name}`", then="`kept task send`"
        )
