"""Where a case and its steps stand, what may follow (a table), and the tables that hold it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.model.plan import Action, Counts, Reason, StepResult
from kept.records.actor import Actor


class State(StrEnum):
    """Where a case stands."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    IDENTIFIED = "identified"  # it is the person: evidence is recorded
    PLANNED = "planned"
    APPROVED = "approved"
    EXECUTING = "executing"
    EXECUTED = "executed"
    CHECKED = "checked"  # read back
    NOTIFIED = "notified"
    AWAITING = "awaiting"  # all is done; who was told, or is to make something anew, has to answer
    CLOSED = "closed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


#: State → the states that may follow. Once writing has begun a case can only be finished:
#: it may be executed again after an interruption or an incomplete run, never withdrawn. Two ways
#: more, where nothing was or could have been written: `Cases.unplan`, out of `executing`, and
#: `Cases.end`, out of `checked`.
TRANSITIONS: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.RECEIVED: frozenset(
            (State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED, State.REFUSED, State.WITHDRAWN)
        ),
        # Back, where no server took the mail that was to tell her.
        State.ACKNOWLEDGED: frozenset(
            (State.RECEIVED, State.IDENTIFIED, State.PLANNED, State.REFUSED, State.WITHDRAWN)
        ),
        State.IDENTIFIED: frozenset((State.PLANNED, State.REFUSED, State.WITHDRAWN)),
        State.PLANNED: frozenset((State.PLANNED, State.APPROVED, State.REFUSED, State.WITHDRAWN)),
        State.APPROVED: frozenset((State.PLANNED, State.EXECUTING, State.WITHDRAWN)),
        State.EXECUTING: frozenset((State.EXECUTING, State.EXECUTED)),
        State.EXECUTED: frozenset((State.EXECUTING, State.CHECKED)),
        State.CHECKED: frozenset((State.EXECUTING, State.NOTIFIED, State.AWAITING, State.CLOSED)),
        State.NOTIFIED: frozenset((State.CLOSED,)),
        State.AWAITING: frozenset((State.CLOSED,)),
        State.CLOSED: frozenset(),
        State.REFUSED: frozenset(),
        State.WITHDRAWN: frozenset(),
    }
)
#: States that nothing follows.
ENDS: Final = frozenset(state for state, after in TRANSITIONS.items() if not after)
#: States in which nothing is left to do for the person who asked: her answer can go out, and
#: nothing more is written for her. One whose recipients have still to answer is open all the same.
FINISHED: Final = ENDS | {State.AWAITING}
#: To go there somebody must have checked who asks, or answer for not having done so.
NEED_EVIDENCE: Final = frozenset((State.APPROVED, State.EXECUTING))


class StepState(StrEnum):
    """How far a step has come."""

    PLANNED = "planned"
    BEGUN = "begun"  # from here on the store may have changed, whether or not we heard of it
    DONE = "done"
    FAILED = "failed"
    # Of a withdrawal: she has agreed anew to what her data there serves. Of a correction, with the
    # reason as its problem: what it was to put right is erased.
    LEFT = "left"

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self in (StepState.DONE, StepState.LEFT)


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What is known of a step. `planned` counts the rows meant, `attempts` its beginnings; `at` is
    since when it stands so, of one that was left since when she has agreed anew, or was erased.
    """

    number: int
    system: str
    dataset: str
    action: Action
    planned: int
    state: StepState
    counts: Counts
    verified: bool
    reason: Reason | None
    problem: str | None
    attempts: int
    at: dt.datetime

    def result(self) -> StepResult:
        """The step as a receipt shows it."""
        return StepResult(
            self.system, self.dataset, self.action, self.counts, self.verified, self.reason,
            self.problem, self.state is StepState.DONE and not self.verified,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One request. `people` counts whom it names, `subjects` those of them who are known.

    `evidence`: it is recorded how it was checked who asks; `override`: why that was left out.
    The words themselves are sealed (`Cases.words`). `ground` is one of ERASURE_GROUNDS,
    `refusal` one of REFUSALS where it was refused. `proof` is the level (terms.proof) at which it
    is known who asks, `needs` the one that it takes, as it was worked out last. `done_at`: since
    when nothing is left to do for her (FINISHED); `closed_at`: since when the case has ended.
    `unmet`: whether a `part` or the `whole` of an objection was not followed; None where all was.
    `in_force_at`: since when a restriction holds for all that leads to her, of every system.
    """

    id: str
    number: int
    right: str
    state: State
    actor: Actor
    override: bool
    evidence: bool
    people: int
    subjects: tuple[tuple[int, ...], ...]
    opened_at: dt.datetime
    changed_at: dt.datetime
    closed_at: dt.datetime | None
    complete: bool | None
    ground: str | None = None
    refusal: str | None = None
    proof: int = 0
    needs: int = 1
    done_at: dt.datetime | None = None
    in_force_at: dt.datetime | None = None
    unmet: str | None = None

    @property
    def key_subject(self) -> int:
        """The number under which the vault keeps the case's own key."""
        return -self.number


def past(case: Case) -> UsageError:
    """Why a case cannot be refused or withdrawn: it has ended, or was begun."""
    if case.state is State.AWAITING:
        return UsageError(
            f"case {case.id} was carried out already; nothing was changed",
            expected="a case of which nothing was carried out yet",
            met=f"one that was carried out on {case.done_at:%Y-%m-%d} and waits for answers",
            fix=f"see `kept case show {case.id}`; what the person asks for now is a new case",
        )
    if case.closed_at is None:
        return UsageError(
            f"case {case.id} was begun and can only be finished; nothing was changed",
            expected="a case of which nothing was carried out yet",
            met=f"one that is {case.state}",
            fix=f"see `kept case show {case.id}`, which says how it goes on",
        )
    outcome = "carried out" if case.state is State.CLOSED else case.state
    return UsageError(
        f"case {case.id} has ended already; nothing was changed",
        expected="a case that is open",
        met=f"one that was closed on {case.closed_at:%Y-%m-%d} as {outcome}",
        fix=f"see `kept case show {case.id}`; what the person asks for now is a new case",
    )


@dataclass(frozen=True, slots=True)
class Waits:
    """Steps that were drawn up after writing had begun and that wait for another person; who drew
    them up. Empty where none waits.
    """

    steps: frozenset[int] = frozenset()
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Words:
    """What people wrote in a case: why the check of who asks was left out, how it was done."""

    override: str | None
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One change of state: who, when, and in which words."""

    state: State
    actor: Actor
    words: str | None
    at: dt.datetime


_NUMBER: Final = Field("number", "integer", nullable=False)
_OF_CASE: Final = Link(("number",), "rights_case", ("number",))


def _own(
    name: str, key: tuple[str, ...], title: str, *fields: Field, links: tuple[Link, ...]
) -> Dataset:
    """A dataset of cases: kept for the period of class `case`, whatever is erased meanwhile."""
    return Dataset(
        name,
        key,
        {f.name: f for f in fields},
        links=links,
        retention="case",
        clock="closed_at" if name == "rights_case" else None,
        # The row that leads from a person to her case goes with her; the case stays.
        on_erase=OnErase.DELETE if name == "case_subject" else OnErase.NEVER,
        title=title,
    )


DATASETS: Final = (
    _own(
        "rights_case",
        ("number",),
        "Requests of people",
        _NUMBER,
        Field("id", nullable=False),
        Field("right", category="rights-case", nullable=False),
        Field("state", nullable=False),
        Field("actor", "integer", nullable=False),
        Field("override", "bytes", category="rights-case"),
        Field("people", "integer", nullable=False),
        Field("sealed", "bytes", category="rights-case"),
        Field("evidence", "bytes", category="rights-case"),
        Field("plan_sha256"),
        Field("opened_at", "datetime", category="rights-case", nullable=False),
        Field("changed_at", "datetime", nullable=False),
        Field("closed_at", "datetime"),
        Field("done_at", "datetime"),
        Field("in_force_at", "datetime"),
        Field("complete", "boolean"),
        Field("named", "boolean", category="rights-case", nullable=False),
        Field("unmet", category="rights-case"),
        Field("ground", category="rights-case"),
        Field("refusal", category="rights-case"),
        Field("proof", "integer", category="rights-case", nullable=False),
        Field("needs", "integer", category="rights-case", nullable=False),
        Field("tried", "integer", category="rights-case", nullable=False),
        links=(Link(("actor",), "actor", ("actor",), Owner.ACCESSED),),
    ),
    _own(
        "case_person",
        ("number", "person", "mac"),
        "Whom a case names, as keyed hashes",
        _NUMBER,
        Field("person", "integer", nullable=False),
        Field("kind", nullable=False),
        Field("mac", "bytes", category="identity-link", nullable=False),
        links=(_OF_CASE,),
    ),
    _own(
        "case_subject",
        ("number", "person", "subject"),
        "Which requests are the person’s",
        _NUMBER,
        Field("person", "integer", nullable=False),
        Field("subject", "integer", category="identity-link", nullable=False),
        links=(Link(("subject",), "subject", ("subject",)),),
    ),
    _own(
        "case_event",
        ("number", "turn"),
        "Through which states a case came",
        _NUMBER,
        Field("turn", "integer", nullable=False),
        Field("state", category="rights-case", nullable=False),
        Field("actor", "integer", nullable=False),
        Field("words", "bytes", category="rights-case"),
        Field("at", "datetime", category="rights-case", nullable=False),
        links=(_OF_CASE, Link(("actor",), "actor", ("actor",), Owner.ACCESSED)),
    ),
    _own(
        "case_sealed",
        ("number", "name"),
        "Plans and row keys, sealed until they are read back",
        _NUMBER,
        Field("name", nullable=False),
        Field("sealed", "bytes", category="identity-link", nullable=False),
        links=(_OF_CASE,),
    ),
    _own(
        "case_step",
        ("number", "step"),
        "What became of each step",
        _NUMBER,
        Field("step", "integer", nullable=False),
        *(Field(n, nullable=False) for n in ("system", "dataset", "action", "state")),
        *(
            Field(n, "integer", category="rights-case", nullable=False)
            for n in ("planned", "found", "changed", "retained", "isolated")
        ),
        Field("verified", "boolean", nullable=False),
        *(Field(n) for n in ("words", "law", "clause", "hold", "problem")),
        Field("until", "date"),
        Field("attempts", "integer", nullable=False),
        Field("at", "datetime", nullable=False),
        links=(_OF_CASE,),
    ),
)
