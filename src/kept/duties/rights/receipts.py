"""What the record of a case says: its steps, what could not be asked, what was decided.

Everything that a letter tells of a case comes from here: from its rows and the entries of the
ledger. Nothing is taken from what a command said when it ran.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller
from kept.errors import UsageError
from kept.ledger.entry import name
from kept.model.plan import Action
from kept.records.case import Case, Event, State, StepRecord
from kept.records.case_state import FINISHED
from kept.records.declared import SYSTEM
from kept.records.part import Part
from kept.terms.tongues import say

#: Kinds of entries that say of a case what was done with it.
_KINDS: Final = (
    "case.closed", "access.given", "consent.withdrawn", "objection.made", "objection.lifted",
    "restriction.set", "restriction.lifted", "keys.shredded", "redaction.scanned", "plan.made",
    "retention.ended", "objection.inapplicable",
)  # fmt: skip
#: States in which nothing was done yet.
BEFORE: Final = frozenset(
    (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED, State.APPROVED)
)
#: Under this name is sealed what a refusal of an objection would take back, while it is weighed.
PENDING: Final = "pending"
#: Kinds of entries that name the systems that could not be asked.
_AWAY: Final = ("case.closed", "objection.made", "restriction.set")
#: Choices that stand while their case is open, and the entry that says of which systems not.
_CHOSEN: Final = {"restriction": "restriction.set", "objection": "objection.made"}


def require_answer(case: Case, fix: str | None = None) -> None:
    """UsageError where nothing was done in a case yet: what is told then is no answer."""
    if case.state in BEFORE:
        raise UsageError(
            "there is no answer yet: nothing was done in this case",
            expected="a case that was carried out, refused or taken back",
            fix=fix,
        )


@dataclass(frozen=True, slots=True)
class Receipts:
    """The record of one case. `unreached`: systems that could not be asked when it was last
    carried out. `said`: kind → the entries of that kind, oldest first, as (moment, body). `parts`:
    what of it is refused. `weighs`: whether an objection is still to be weighed.
    """

    case: Case
    steps: tuple[StepRecord, ...]
    events: tuple[Event, ...]
    unreached: tuple[str, ...]
    said: Mapping[str, tuple[tuple[dt.datetime, Mapping[str, Any]], ...]]
    parts: tuple[Part, ...] = ()
    weighs: bool = False

    @classmethod
    def of(cls, controller: Controller, case: Case) -> Receipts:
        """Read them."""
        said = _said(controller, case, _KINDS)
        steps = tuple(controller.cases.steps(case))
        events = tuple(controller.cases.events(case))
        away = _unreached(controller, case, said)
        refused = tuple(controller.parts.of(case))
        return cls(case, steps, events, away, said, refused, to_weigh(controller, case))

    @property
    def begun(self) -> bool:
        """Whether anything was done or tried."""
        return self.case.state not in BEFORE and not self.ended_without

    @property
    def ended_without(self) -> bool:
        """Whether the case ended without being carried out."""
        return self.case.state in (State.REFUSED, State.WITHDRAWN)

    @property
    def missing(self) -> tuple[str, ...]:
        """Systems in which not all is done: not asked, or with a step that is not settled."""
        left = {s.system for s in self.steps if not s.state.over}
        return tuple(sorted({*self.unreached, *(left if self.begun else ())}))

    @property
    def complete(self) -> bool:
        """Whether all of the case is done, recipients apart, and no system of it is missing."""
        done = self.case.state in (State.AWAITING, State.CLOSED) and bool(self.case.complete)
        return done and not self.missing

    @property
    def in_force(self) -> bool:
        """Whether it is a restriction that stands."""
        return (
            self.case.right == "restriction" and self.begun and self.case.state is not State.CLOSED
        )

    @property
    def last(self) -> Mapping[str, Any]:
        """What the ledger said last of the end of its execution; {} where it said nothing."""
        closed = self.said["case.closed"]
        return closed[-1][1] if closed else {}

    @property
    def weighing(self) -> bool:
        """Whether it is an objection of which all is done but to weigh it."""
        return self.weighs and not self.missing

    @property
    def nothing_found(self) -> bool:
        """Whether neither the steps nor the ledger know of a record that was found, or that names
        her. Of cases that an older Kept answered by reading there are no steps.
        """
        said = [self.last.get("found", 0), *(b["rows"] for _, b in self.said["access.given"])]
        return not any(said) and not self.named_in and not any(s.counts.found for s in self.steps)

    @property
    def looked_through(self) -> frozenset[str]:
        """The systems, by their names in the ledger, in which this case looked for all that is
        hers. A choice, a correction and a package to take along look for what they need and note
        no more, so of them nothing follows from a system that is not on record.
        """
        if self.case.right == "access":
            return frozenset(name(s.system) for s in self.steps if s.action is Action.READ)
        if self.case.right == "erasure":
            return frozenset(str(s) for _, b in self.said["plan.made"] for s in b["systems"])
        return frozenset()

    @property
    def named_in(self) -> frozenset[str]:
        """The systems, by their names in the ledger, in which others wrote of her."""
        given = [b.get("named_in", ()) for _, b in self.said["access.given"]]
        return frozenset(map(str, given[-1])) if given else frozenset()

    @property
    def handed_out(self) -> bool:
        """Whether a package was made and got its name."""
        for event, after in zip(self.events, (*self.events[1:], None), strict=True):
            lost = after is not None and after.state is State.CHECKED and after.words is not None
            if event.state is State.EXECUTED and not lost and self.said["access.given"]:
                return True
        return False

    @property
    def purposes(self) -> tuple[str, ...]:
        """The purposes of a withdrawal or an objection, each once."""
        kinds = ("consent.withdrawn", "objection.made")
        return tuple(dict.fromkeys(str(b["purpose"]) for k in kinds for _, b in self.said[k]))

    @property
    def inapplicable(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What an objection does not reach: (purpose, the bases on which its uses rest)."""
        return _inapplicable(self.said)

    @property
    def ground(self) -> str:
        """Why a restriction was asked for, as the law lists it; empty where none was recorded."""
        made = self.said["restriction.set"]
        return str(made[-1][1].get("ground", "")) if made else ""

    @property
    def lifted(self) -> tuple[str, ...]:
        """Purposes of an objection that was weighed and refused."""
        return tuple(str(b["purpose"]) for _, b in self.said["objection.lifted"])

    @property
    def words(self) -> str | None:
        """The words with which the case ended, or which its last decision gave."""
        ended = [e.words for e in self.events if e.words and e.state in FINISHED]
        return ended[-1] if ended else None


def to_weigh(controller: Controller, case: Case) -> bool:
    """Whether it is an objection that stands, and of which something is still to be weighed."""
    stands = case.right == "objection" and case.state is State.CHECKED
    return stands and controller.cases.sealed_keys(case, PENDING) is not None


def _said(
    controller: Controller, case: Case, kinds: tuple[str, ...]
) -> dict[str, tuple[tuple[dt.datetime, Mapping[str, Any]], ...]]:
    found: dict[str, list[tuple[dt.datetime, Mapping[str, Any]]]] = {kind: [] for kind in kinds}
    for _, e in controller.ledger.entries(kind=kinds, case=case.id):
        found[e.kind].append((e.at, e.body))
    return {kind: tuple(several) for kind, several in found.items()}


def not_asked(controller: Controller, case: Case) -> tuple[str, ...]:
    """Of a restriction or an objection that stands: the systems that were not asked by which else
    she is known, when it was carried out for the last time. For what is hers there under another
    name it does not hold yet.
    """
    kind = _CHOSEN.get(case.right)
    if kind is None or case.state in BEFORE or case.state in FINISHED:
        return ()
    said = dict.fromkeys(_AWAY, ()) | _said(controller, case, (kind,))
    return _unreached(controller, case, said)


def objected(controller: Controller, case: Case) -> tuple[str, ...]:
    """The purposes that a case objects to, as it was recorded so far."""
    made = _said(controller, case, ("objection.made",))["objection.made"]
    return tuple(dict.fromkeys(str(body["purpose"]) for _, body in made if "purpose" in body))


def inapplicable(controller: Controller, case: Case) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What an objection was asked for and does not reach, as it was recorded so far: (purpose, the
    bases on which its uses rest). Nobody can object to these; without any, nothing is done for it.
    """
    return _inapplicable(_said(controller, case, ("objection.made", "objection.inapplicable")))


def _inapplicable(
    said: Mapping[str, tuple[tuple[dt.datetime, Mapping[str, Any]], ...]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    made = {str(body["purpose"]) for _, body in said["objection.made"] if "purpose" in body}
    beyond = said["objection.inapplicable"]
    met = {str(b["purpose"]): tuple(map(str, b["bases"])) for _, b in beyond}
    return tuple((purpose, bases) for purpose, bases in met.items() if purpose not in made)


def _unreached(controller: Controller, case: Case, said: Mapping[str, Any]) -> tuple[str, ...]:
    """Systems that could not be asked, by their names in the map where they still are on it. None
    of a restriction that holds for all that leads to her: what she agrees to later narrows nothing.
    """
    if case.in_force_at is not None:
        return ()
    found: set[str] = set()
    for kind in _AWAY:
        if said[kind]:
            found = set(said[kind][-1][1].get("unreached", ()))
            if found or kind == "case.closed":
                break
    if case.state not in FINISHED:
        made = controller.cases.plan(case)
        found |= {name(system) for system, _ in made.unreached} if made else set()
    known = {name(s): s for s in controller.datamap.systems}
    return tuple(sorted(known.get(one, one) for one in found))


def title(controller: Controller, system: str) -> str:
    """A system as people are told of it."""
    if system == SYSTEM.name:
        return say(SYSTEM.title or SYSTEM.name)
    known = controller.datamap.systems.get(system)
    return (known.title if known else None) or system
