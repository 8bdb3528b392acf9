"""Plan, Step, Counts, Receipt: what will happen where, and what happened."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kept.model.abilities import Grain
from kept.model.change import Assignment
from kept.model.select import KeyTable, Select


class Action(StrEnum):
    """What a step does to the rows it names."""

    READ = "read"
    DELETE = "delete"
    OVERWRITE = "overwrite"  # the row stays, its personal fields go
    ANONYMISE = "anonymise"  # the row stays, and nothing in it leads to anybody
    REDACT = "redact"  # somebody else's row stays, the passages that name her go
    RETAIN = "retain"  # the row stays whole, for a named reason
    ISOLATE = "isolate"  # the row stays, what it says of the person lies sealed in Kept


class Mode(StrEnum):
    """Permission before power: what Kept may do to a system."""

    OBSERVE = "observe"
    ASSISTED = "assisted"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows stay: in words, by which law or hold, until when, by which clause.

    `until` None means "not known": the hold has no end yet.
    """

    words: str
    law: str | None
    until: dt.date | None
    clause: str
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One action on some rows of one dataset of one system.

    Reads carry `select`; all other steps carry `keys` (sealed before the first write).
    """

    number: int
    system: str
    dataset: str
    action: Action
    keys: KeyTable
    select: Select | None = None
    assign: Mapping[str, Assignment] = field(default_factory=dict)
    reason: Reason | None = None

    @property
    def rows(self) -> int:
        """Distinct rows the step names."""
        return len(self.keys.values)


@dataclass(frozen=True, slots=True)
class SystemPlan:
    """How the steps of one system are carried out: its mode and its atomic grain."""

    system: str
    mode: Mode
    grain: Grain


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered steps of one right for the people of one case, over all mapped systems.

    `unreached` names each system that could not be asked and why. Nothing is complete
    while one is named there. `obstacles` (system, obstacle) were seen by planning alone; a
    plan that has any is not to be carried out.
    """

    right: str
    people: int
    steps: tuple[Step, ...]
    systems: tuple[SystemPlan, ...]
    unreached: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    obstacles: tuple[tuple[str, Obstacle], ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of a step: found, changed, retained, isolated (rows)."""

    found: int = 0
    changed: int = 0
    retained: int = 0
    isolated: int = 0


#: What was met, by the kind of an obstacle; one of no kind says it in its own words.
_MET: Final[Mapping[str, str]] = {
    "key": "rows that their key does not tell apart",
    "not-null": "a field that must not be empty",
    "foreign-key": "rows that other rows refer to",
    "unique": "a value that may stand there only once",
    "check": "a rule of the table",
    "trigger": "a trigger or a rule of the database",
    "privilege": "a role that may not do this",
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a change cannot be done, found before anything was written; holds no value."""

    dataset: str
    kind: str  # key, not-null, foreign-key, unique, check, trigger, privilege, other
    words: str
    fix: str

    @property
    def met(self) -> str | None:
        """The kind in words; None where `words` say all there is."""
        return _MET.get(self.kind)


@dataclass(frozen=True, slots=True)
class StepResult:
    """One step as it came out. `verified` is what the read-back found, not what was hoped."""

    store: str
    dataset: str
    action: Action
    counts: Counts
    verified: bool
    reason: Reason | None = None
    problem: str | None = None
    word: bool = False  # a person said that it is done; nothing could be read back

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do: it was read back, or a person answers for it."""
        return (self.verified or self.word) and self.problem is None


@dataclass(frozen=True, slots=True)
class Word:
    """What people said of a step that only they can do; `done` is None until they answer.

    `words` name no person; `rows` counts what they found, None where they did not say.
    """

    done: bool | None
    words: str
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What happened. `complete` only when every system was asked and every step read back."""

    case: str
    right: str
    complete: bool
    steps: tuple[StepResult, ...]
    unreached: tuple[tuple[str, str], ...]
    at: dt.datetime
