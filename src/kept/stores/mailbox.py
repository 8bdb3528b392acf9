"""A system that people serve: a vendor without a programming interface, a paper archive.

    [systems.agency]
    store = "mailbox"
    url = "smtp://mail.example:587"     # or smtps://, or a folder in which letters are laid
    mode = "act"
    [systems.agency.options]
    to = "privacy@agency.example"
    from = "privacy@company.example"
    user = "kept"
    password = "env:MAIL_PASSWORD"
    days = 14                           # for an answer; then a reminder every `remind` days

Each step becomes a task with a letter: what is to be done, for whom, by when. `apply` and
`read` only write the task down; `deliver` sends, at a moment that is given to it. A step stays
pending until somebody records an answer, and then rests on that person's word: it is never
called read back, because nothing was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kept.datamap.map import Dataset
from kept.datamap.reach import WEAK
from kept.errors import ConfigError, KeptError, NotAble, Pending, StoreError, UsageError
from kept.model.abilities import Abilities
from kept.model.change import Change, Const
from kept.model.plan import Action, Counts, Obstacle, Word
from kept.model.safety import Measured, Safety
from kept.model.select import Batch, KeyRow, KeySet, KeyTable, Select
from kept.model.values import Value, coerce, fold
from kept.stores import guarded
from kept.stores.base import Session, Store
from kept.stores.letters import SETTINGS, Mailbox, letter
from kept.stores.tasks import Answered, Outcome, Task, people_of, spoken
from kept.terms.identifiers import normalise


class MailboxStore(Mailbox, Store):
    """The people behind an address. Each dataset is keyed by one text field of Kept's own."""

    abilities = Abilities(grain="item", reads_back=False, word=True)
    settings = SETTINGS

    def __init__(
        self,
        system: str,
        mapped: Iterable[Dataset] = (),
        url: str = "",
        *,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        Store.__init__(self, system, mapped)
        given = dict(options or {})
        tasks = Path(given.get("directory", "")) / (f"state/{system}" if "://" in url else url)
        Mailbox.__init__(self, system, f"systems.{system}", url or ".", given, tasks)
        for dataset in self.mapped.values():
            _fitting(system, dataset)

    def datasets(self) -> Iterable[Dataset]:
        """As mapped: nobody can look."""
        return self.mapped.values()

    def session(self, *, write: bool = False) -> MailboxSession:
        """A handle; nobody is asked yet."""
        return MailboxSession(self, write)

    def safety(self) -> Safety:
        """The letters and the way they go; what the people have at home cannot be looked at."""
        letters = [self.folder.directory, *self.folder.directory.glob("*")]
        files = guarded.exposure(letters)
        words = "the letters are Kept's alone; who reads their answers elsewhere cannot be told"
        way = (
            "encrypted mail, or to this machine"
            if self._post is not None
            else "letters in a folder"
        )
        return Safety(
            (
                files if files.holds is False else Measured("exposure", None, words),
                Measured("transport", True if self._post is not None else None, way),
            )
        )

    def statements(self, changes: Sequence[Change]) -> list[str]:
        """The letters, for a person to send."""
        tasks = [self.task(change, "") for change in changes]
        return [line for task in tasks for line in letter(task, None)]

    def answer(self, id_: str, answer: Answered) -> Task:
        """Record an answer; UsageError where rows are handed in that name somebody else."""
        task = self.folder.get(id_)
        known = self.mapped.get(task.dataset) if task is not None else None
        if task is not None and known is not None and task.people:
            _refuse_strangers(task, known, answer)
        return super().answer(id_, answer)

    def task(self, change: Change, case: str) -> Task:
        """The task that a change makes."""
        known = self.mapped[change.select.dataset]
        action = Action.DELETE if change.deletes else Action.OVERWRITE
        keys = [str(key[0]) for route in change.select.routes for key in route.keys.values]
        id_ = self.folder.id_of(case, known.name, action)
        assigned = {n: how for n, how in (change.assign or {}).items() if n not in known.key}
        instead = tuple(
            (n, spoken(how.wrong), spoken(how.value))
            for n, how in assigned.items()
            if isinstance(how, Const) and how.wrong is not None
        )
        return Task(
            id_, case, self.system, known.name, action, people_of(keys), tuple(assigned),
            instead=instead,
        )  # fmt: skip

    def settle(self, mark: str) -> None:
        """The case is complete: what was handed in for it goes."""
        self.folder.forget(mark)


class MailboxSession(Session):
    """Writes tasks down; each is durable as it was written."""

    def __init__(self, store: MailboxStore, write: bool) -> None:
        self._store, self._write = store, write
        self._closed = False

    def keys(self, selects: Sequence[Select]) -> KeySet:
        """One row per person who can be asked about: the identifiers by which she is named."""
        tables: dict[str, tuple[tuple[str, ...], list[KeyRow]]] = {}
        for select in selects:
            known = self._known(select.dataset)
            _, into = tables.setdefault(select.dataset, (select.key, []))
            if select.key != known.key:
                continue  # what they hold is not known, so it leads nowhere
            people: dict[int, dict[tuple[str, str], None]] = {}
            for route in select.routes:
                for who, key in route.keys.rows:
                    if route.fields == known.key:
                        into.append((who, key))
                        continue
                    pairs = zip(route.fields, key, strict=True)
                    named = [(n, spoken(v)) for n, v in pairs if v is not None]
                    people.setdefault(who, {}).update(dict.fromkeys(named))
            for who, names in people.items():
                text = json.dumps(sorted(names), ensure_ascii=False)
                into.append((who, (text,)))
        return KeySet(
            {n: KeyTable(key, tuple(dict.fromkeys(rows))) for n, (key, rows) in tables.items()}
        )

    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        """What people handed in for this case. Raises Pending until they answer.

        Outside a case nobody is asked, and nothing is given.
        """
        if not self.mark:
            return
        waiting: list[str] = []
        seen: set[str] = set()
        for index, select in enumerate(selects):
            table = self.keys([select])[select.dataset]
            if not table.rows or select.dataset in seen:
                continue
            seen.add(select.dataset)
            known = self._known(select.dataset)
            task = self._asked(known, table)
            word = said(task)
            if word.done is None:
                waiting.append(select.dataset)
            elif not word.done:
                raise StoreError(f"`{self._store.system}`: {word.words}")
            else:
                columns = select.fields or tuple(known.fields)
                handed = self._store.folder.rows(task)
                rows = [
                    tuple(_value(row.get(name), known, name) for name in columns) for row in handed
                ]
                yield index, Batch(columns, rows, self._owners(known, table, handed))
        if waiting:
            raise Pending(
                f"`{self._store.system}` is served by people, who have not answered yet",
                frozenset(waiting),
                fix="record their answer with `kept task done`, then run the case again",
            )

    def _owners(
        self, known: Dataset, table: KeyTable, handed: Sequence[Mapping[str, Any]]
    ) -> list[int]:
        """Whom each row that was handed in is about. Of one person all are, as was answered."""
        asked: dict[int, list[str]] = {}
        for who, key in table.rows:
            asked.setdefault(who, []).append(str(key[0]))
        everybody = list(asked)
        if len(everybody) == 1:
            return everybody * len(handed)
        people = [tuple(p for one in people_of(keys) for p in one) for keys in asked.values()]
        found = [_whose(row, people, known) for row in handed]
        if any(len(match.hers) != 1 or match.foreign for match in found):
            raise StoreError(
                f"rows that were handed in for `{self._store.system}.{known.name}` do not say"
                " which of several people they are about",
                fix="ask for each person in a case of her own",
            )
        return [everybody[match.hers[0]] for match in found]

    def _asked(self, known: Dataset, table: KeyTable) -> Task:
        task = self._store.folder.of(self.mark, known.name, Action.READ)
        if task is None:
            id_ = self._store.folder.id_of(self.mark, known.name, Action.READ)
            people = people_of([str(key[0]) for key in table.values])
            fields = tuple(n for n in known.fields if n not in known.key)
            task = Task(id_, self.mark, self._store.system, known.name, Action.READ, people, fields)
            self._store.folder.put(task)
        return task

    def count(self, selects: Sequence[Select]) -> list[int]:
        """Nobody can count what other people hold."""
        raise NotAble(f"`{self._store.system}` is served by people and cannot be counted")

    def rehearse(self, changes: Sequence[Change]) -> list[Obstacle]:
        """People cannot be tried and undone."""
        raise NotAble(f"`{self._store.system}` cannot rehearse")

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """Write down a task for each change, once for a step; nothing has changed yet."""
        if self._closed or not self._write:
            raise StoreError(
                f"a closed or reading session of `{self._store.system}` was asked to write",
                fix="open it with write=True",
            )
        counts = []
        for change in changes:
            task = self._store.task(change, step)
            if self._store.folder.of(task.case, task.dataset, task.action) is None:
                self._store.folder.put(task)
            counts.append(Counts(found=len(task.people)))
        return counts

    def word(self, dataset: str, action: Action, mark: str) -> Word:
        """What people said of the task of a step."""
        return said(self._store.folder.of(mark, dataset, action))

    def commit(self) -> None:
        """Each task was durable as it was written."""

    def rollback(self) -> None:
        """What was written stays: the grain is the item."""

    def close(self) -> None:
        """Nothing is held."""
        self._closed = True

    def _known(self, dataset: str) -> Dataset:
        if self._closed:
            raise StoreError(f"a closed session of `{self._store.system}` was used again")
        known = self._store.mapped.get(dataset)
        if known is None:
            raise StoreError(f"`{self._store.system}` has no dataset `{dataset}`")
        return known


def said(task: Task | None) -> Word:
    """How a task stands, in words that name nobody."""
    if task is None:
        return Word(None, "nobody was asked yet")
    if task.answer is None:
        if task.asked is None or task.due is None:
            return Word(None, "asked by letter: `kept task list` says whether it went out")
        day = f"asked on {task.asked:%Y-%m-%d}, an answer is due by {task.due:%Y-%m-%d}"
        return Word(None, f"{day}; task {task.id}")
    when = f"{task.answer.at:%Y-%m-%d}"
    match task.answer.outcome:
        case Outcome.DONE:
            rows = task.found if task.action is Action.READ else None
            return Word(True, f"done, by a person's word of {when}", rows)
        case Outcome.NOTHING:
            return Word(True, f"nothing was found, by a person's word of {when}", 0)
        case _:
            return Word(
                False, f"they say that they cannot; why stands with the task {task.id} of {when}"
            )


@dataclass(frozen=True, slots=True)
class _Match:
    """The numbers of the people whom a row names; whether it also names somebody else.

    `named`: it holds a value that tells people apart at all.
    """

    hers: tuple[int, ...]
    foreign: bool
    named: bool


def _whose(
    row: Mapping[str, Any], people: Sequence[tuple[tuple[str, str], ...]], known: Dataset
) -> _Match:
    """Whom a row is about, by the values that the letter named people by, however spelt."""

    def kind(name: str) -> str:
        field = known.fields.get(name)
        return (field and field.identifies) or f"field {name}"

    asked = {kind(name) for person in people for name, _ in person}
    own: list[dict[str, set[str]]] = []
    for person in people:
        own.append({})
        for name, value in person:
            own[-1].setdefault(kind(name), set()).update(_spelt(kind(name), value))
    hers: set[int] = set()
    foreign = named = False
    for name, value in row.items():
        field = known.fields.get(name)
        of = kind(name)
        tells = of in asked or (field is not None and field.identifies is not None)
        if not tells or of in WEAK or value is None or not spoken(value):
            continue
        named = True
        spelt = _spelt(of, spoken(value))
        met = {number for number, mine in enumerate(own) if spelt & mine.get(of, set())}
        hers |= met
        foreign = foreign or (of in asked and not met)
    return _Match(tuple(sorted(hers)), foreign, named)


def _spelt(kind: str, text: str) -> set[str]:
    try:
        return {fold(text), normalise(kind, text)}
    except KeptError:
        return {fold(text)}


def _refuse_strangers(task: Task, known: Dataset, answer: Answered) -> None:
    """UsageError where a row that is handed in names nobody of the task, or somebody else too."""
    found = [_whose(row, task.people, known) for row in answer.rows]
    several = len(task.people) > 1
    if several:
        wrong = sum(len(match.hers) != 1 or match.foreign for match in found)
        fix = "hand in only rows that name the one person whom they are about"
    elif answer.same:
        return
    else:
        wrong = sum(match.named and (not match.hers or match.foreign) for match in found)
        fix = "take them out; where they are hers all the same, add --same-person"
    if wrong:
        raise UsageError(
            f"{wrong} of {len(found)} rows that were handed in name somebody whom the task is not"
            " about, or do not say who of several it is"
            if several
            else f"{wrong} of {len(found)} rows that were handed in name somebody whom the task is"
            " not about",
            expected="rows that hold what the letter named the person by",
            fix=fix,
        )


def _fitting(system: str, dataset: Dataset) -> None:
    """Refuse a map that people could not serve."""
    key = dataset.key[0] if len(dataset.key) == 1 else ""
    item = dataset.fields.get(key)
    if item is None or item.type != "text" or item.identifies:
        raise ConfigError(
            f"`{system}.{dataset.name}` is served by people, so its rows have no keys of their own",
            expected="`key: [who]`, with `who` a text field of that name that identifies nobody",
            fix="mend the map: Kept writes there by which identifiers it asks",
        )
    if any(link.system is None for link in dataset.links):
        raise ConfigError(
            f"`{system}.{dataset.name}` is linked to a dataset that only people can look into",
            fix="name her in each dataset by `identifies:`, or by a link to another system",
        )


def _value(raw: Any, known: Dataset, name: str) -> Value:
    if raw is None:
        return None
    if isinstance(raw, (list, dict)):
        return json.dumps(raw, ensure_ascii=False)
    kind = known.fields[name].type
    value = coerce(raw, kind)
    return raw if value is None else value
