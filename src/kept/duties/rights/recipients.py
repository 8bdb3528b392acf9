"""Who had her data is told what became of it (GDPR Art. 19), and she is told who they are.

Known are the recipients that the register names for the activities that her rows served. Each
gets one notice per case, by the channel of tasks, with what is needed to find her and no more.
One to whom no way leads is named as not told. That it cannot be done, or out of proportion, is
for a person to say, with the reason.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kept.controller import Controller, Place
from kept.database import Connection
from kept.duties.rights.request import MAY_OVERRIDE
from kept.errors import Denied
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Plan, StepResult
from kept.policy.shapes import Activity
from kept.policy.spoken import own
from kept.records import recipient as recipients_
from kept.records.case import Case
from kept.records.declared import SYSTEM
from kept.records.recipient import Message, Noted
from kept.records.subject import LINKING
from kept.stores.tasks import Answered, Notice, Outcome, Task
from kept.terms.disclosures import GROUNDS
from kept.terms.identifiers import Identifier
from kept.terms.tongues import say

#: What a step did that her recipients are told of: rows or words of hers went.
WENT: Final = frozenset((Action.DELETE, Action.OVERWRITE, Action.ANONYMISE, Action.REDACT))
#: Lanes in which nothing leaves: the organisation itself, the person, offers that it sends itself.
_NOBODY: Final = ("controller", "person", "partner-campaign")
#: The role of those who serve a system.
SERVES: Final = "system-owner"
#: The state of one whom nothing in kept.toml leads to.
NO_WAY: Final = "no way to tell"
_WORDS: Final[Mapping[str, str]] = {
    "told": "it was told, and has answered",
    "waits": "it is told by letter; the answer is waited for",
    "silent": "it was told and has not answered; whoever answers for your data here goes after it",
    "cannot": "it says that it cannot",
    "left out": "to tell it is impossible or out of all proportion, as somebody recorded",
    "erased": "it is told that what it had of you is erased, so there is nothing to put right",
    NO_WAY: "it is NOT told: no way to reach it is set up",
}


@dataclass(frozen=True, slots=True)
class Informed:
    """A recipient and how it stands: told, waits, silent (officers know), cannot, left out, erased
    (of a correction: it is told of an erasure instead), or no way to tell.

    `noted` False: the case is not complete, and nothing was recorded for it yet.
    """

    recipient: str
    title: str
    state: str
    fix: str | None = None
    noted: bool = True

    @property
    def said(self) -> str:
        """In words for the person."""
        if self.state == "waits" and not self.noted:
            return f"{self.title}: {say('it is told by letter when all is done')}"
        return f"{self.title}: {say(_WORDS[self.state])}"

    @property
    def words(self) -> str:
        """In words for whoever carries it out, with what is left to do."""
        return f"{self.said}. {self.fix}" if self.fix else f"{self.said}."

    def document(self) -> dict[str, Any]:
        """As JSON."""
        told = {"recipient": self.recipient, "title": self.title, "state": self.state}
        return told | ({"fix": self.fix} if self.fix else {})


@dataclass(slots=True)
class Given:
    """What one recipient had: for which activities, of whom, with which kinds of identifiers."""

    activities: dict[str, Activity] = field(default_factory=dict)
    people: set[int] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    grounds: set[str] = field(default_factory=set)


def given(
    controller: Controller, rows: Mapping[Place, Collection[int]], category: str | None = None,
    people: Sequence[Sequence[Identifier]] = (),
) -> dict[str, Given]:  # fmt: skip
    """Recipient → what it had of these rows (place → whose). With `category` only who had that.

    Where it is known who `people` are, what is on record of each counts: a recipient of whom
    everything is recorded (`[recipients.NAME] recorded`) had what was recorded and nothing else.
    """
    bundle = controller.bundle
    within = bundle.vocabulary.within
    found: dict[str, Given] = {}
    for (system, place), whose in rows.items():
        if system == SYSTEM.name or not whose:
            continue
        dataset = controller.datamap.dataset(system, place)
        for one in dataset.activities:
            activity = bundle.activities[one]

            def had(what: str | None, activity: Activity = activity) -> bool:
                return bool(what) and any(
                    within("categories", str(what), c) for c in activity.categories
                )

            if category is not None and not had(category):
                continue
            fields = [f for f in dataset.fields.values() if f.identifies]
            kinds = {str(f.identifies) for f in fields if had(f.category)}
            for recipient in _named(controller, activity.recipients):
                had_by = found.setdefault(recipient, Given())
                had_by.activities[activity.id] = activity
                had_by.people |= set(whose)
                had_by.kinds |= kinds
    if people:
        _as_recorded(controller, found, rows, category, people)
    return found


def on_record(controller: Controller, people: Sequence[Sequence[Identifier]]) -> dict[str, Given]:
    """Who had data of these people as it is on record, whatever is held of them now."""
    found: dict[str, Given] = {}
    rows = {
        (system.name, dataset): range(len(people))
        for system in controller.datamap.systems.values()
        for dataset in system.datasets
    }
    _as_recorded(controller, found, rows, None, people)
    return found


def _as_recorded(
    controller: Controller, found: dict[str, Given], rows: Mapping[Place, Collection[int]],
    category: str | None, people: Sequence[Sequence[Identifier]],
) -> None:  # fmt: skip
    """Hold who had data by the register against what is on record of each of these people."""
    within = controller.bundle.vocabulary.within
    whose = {who for those in rows.values() for who in those if who < len(people)}
    recorded = [r for r, way in controller.reach.ways.items() if way.recorded and r in found]
    # The register says what such a one may get; what it got stands on record.
    found.update({recipient: Given() for recipient in recorded})
    for who in sorted(whose):
        for one in controller.passed.of(people[who]):
            # An authority that looks into one matter is no recipient (GDPR Art. 4(9)).
            if within("recipients", one.recipient, "authority") or (
                category is not None
                and not any(within("categories", category, c) for c in one.categories)
            ):
                continue
            had = found.setdefault(one.recipient, Given())
            had.people.add(who)
            had.grounds.add(GROUNDS[one.ground])
            had.kinds |= {
                item.identifies
                for (system, place) in rows
                if system != SYSTEM.name
                for item in controller.datamap.dataset(system, place).fields.values()
                if item.identifies and item.category
                and any(within("categories", item.category, c) for c in one.categories)
            }  # fmt: skip
    for recipient in recorded:
        if not found[recipient].people:
            del found[recipient]


def _named(controller: Controller, recipients: Iterable[str]) -> set[str]:
    """The recipients that are meant: those named, and everybody in a lane that is named. A lane
    of which nobody is known stands for whoever is in it.
    """
    bundle, ways = controller.bundle, controller.reach.ways
    within = bundle.vocabulary.within
    found = set()
    for one in recipients:
        if any(within("recipients", one, nobody) for nobody in _NOBODY):
            continue
        inside = {r.id for r in bundle.recipients.values() if within("recipients", r.lane, one)}
        inside |= {w.name for w in ways.values() if within("recipients", w.lane or w.name, one)}
        found |= inside if inside and one not in bundle.recipients else {one}
    return found


def went(made: Plan, results: Mapping[int, StepResult]) -> dict[Place, set[int]]:
    """Where rows went or were put right, and whose, as it was read back."""
    found: dict[Place, set[int]] = {}
    for step in made.steps:
        result = results.get(step.number)
        if step.action in WENT and result and result.settled and result.counts.changed:
            whose = found.setdefault((step.system, step.dataset), set())
            whose |= {who for who, _ in step.keys.rows}
    return found


def meant(made: Plan) -> dict[Place, set[int]]:
    """Where rows are to go or to be put right, and whose."""
    steps = [s for s in made.steps if s.action in WENT]
    return {(s.system, s.dataset): {who for who, _ in s.keys.rows} for s in steps}


def messages(
    whom: Mapping[str, Given],
    known: Sequence[Sequence[Identifier]],
    right: tuple[str, str] | None = None,
) -> dict[str, Message]:
    """What each is told: of whom, by what it can know her, and the right value as (what, value)."""
    made = {}
    for recipient, had in whom.items():
        people = []
        for who in sorted(had.people):
            named = [i for i in known[who] if i.kind in had.kinds]
            named = named or [i for i in known[who] if i.kind in LINKING] or list(known[who])
            pairs = {(i.kind, i.normalised): (i.kind, i.value) for i in named}
            people.append((*pairs.values(), *((right,) if right else ())))
        titles = [a.title for _, a in sorted(had.activities.items())]
        titles += sorted(had.grounds) if not titles else []
        made[recipient] = Message(tuple(people), tuple(titles))
    return made


def note(
    controller: Controller, case: Case, notice: Notice, told: Mapping[str, Message],
    now: dt.datetime, connection: Connection,
) -> None:  # fmt: skip
    """Record whom to tell, with the end of the case; the letters follow."""
    new = controller.recipients.note(case, notice, told, now, connection=connection)
    if new:
        body = {"case": case.id, "right": case.right, "recipients": [name(one) for one in new]}
        controller.ledger.append_in(connection, [Entry("recipient.noted", now, body)])


def informed(controller: Controller, case: Case, more: Iterable[str] = ()) -> tuple[Informed, ...]:
    """Everybody who is recorded for a case, and how it stands; `more`: who is to be told yet."""
    noted = {n.recipient: n for n in controller.recipients.of([case.number]) if n.place is None}
    every = sorted({*more, *noted})
    return tuple(_stands(controller, one, noted.get(one)) for one in every)


def titled(controller: Controller, recipient: str) -> str:
    """A recipient as people are told of it."""
    bundle, way = controller.bundle, controller.reach.ways.get(recipient)
    known = bundle.recipients.get(recipient)
    term = bundle.vocabulary.recipients.get(recipient)
    return own((way and way.title) or (known and known.name) or (term and term.label) or recipient)


def _stands(controller: Controller, recipient: str, noted: Noted | None) -> Informed:
    way, title = controller.reach.ways.get(recipient), titled(controller, recipient)
    match noted.outcome if noted else None:
        case Outcome.DONE | Outcome.NOTHING:
            return Informed(recipient, title, "told")
        case recipients_.ERASED:
            return Informed(recipient, title, "erased")
        case Outcome.LEFT:
            return Informed(recipient, title, "left out")
        case Outcome.CANNOT:
            fix = "Settle it with them, then `kept task done`."
            return Informed(recipient, title, "cannot", fix)
    if way is not None and noted is not None and noted.escalated_at is not None:
        return Informed(recipient, title, "silent", "Settle it with them, then `kept task done`.")
    if way is not None:
        return Informed(recipient, title, "waits", noted=noted is not None)
    fix = (
        f"Write [recipients.{recipient}] with its address into kept.toml, then `kept task send`;"
        " or tell it another way and record that with `kept task done`."
    )
    return Informed(recipient, title, NO_WAY, fix, noted is not None)


def record(controller: Controller, task: str, answer: Answered, role: str) -> Task:
    """Record what became of a task. Denied where the role may not leave a recipient untold, or may
    not answer for what recipients were told at all.
    """
    if role == SERVES and any(
        t.id == task and isinstance(t.action, Notice) for t in controller.tasks()
    ):
        raise Denied(
            f"the role `{role}` carries out tasks in systems; a recipient was told of this one",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )
    if answer.outcome is Outcome.LEFT and role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{role}` may not decide that a recipient is not told",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )
    return controller.answer_task(task, answer, role)
