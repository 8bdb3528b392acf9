"""What discovery finds, as values. Nothing here holds anything that stands in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from kept.datamap.map import Owner
from kept.stores.columns import Table
from kept.stores.discover.values import Look

#: (dataset, column)
Place: TypeAlias = tuple[str, str]
#: A view's column → the columns of tables that it is made of.
Traced: TypeAlias = dict[str, tuple[Place, ...]]


@dataclass(slots=True)
class Profile:
    """One table as it was looked at. `size` is the engine's estimate, `exact` where counted."""

    table: Table
    size: int | None = None
    exact: bool = False
    looks: dict[str, Look] = field(default_factory=dict, repr=False)
    unseen: str | None = None

    @property
    def name(self) -> str:
        """The dataset."""
        return self.table.dataset

    def look(self, column: str) -> Look:
        """What the column looks like; nothing seen where the table could not be read."""
        return self.looks.get(column) or Look()

    def unique(self, column: str) -> bool:
        """Whether the column names one row: promised, or so in the whole sample."""
        if self.table.proven((column,)) or (column,) == self.table.key:
            return True
        return self.look(column).seen >= 20 and self.look(column).unique


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a column holds. `category` is a term of the vocabulary, None: not personal.

    `confidence` is the probability, 0 to 1, that the category is right; `ask` a question to a
    person where it is not sure enough.
    """

    category: str | None
    confidence: float
    evidence: tuple[str, ...] = ()
    identifies: str | None = None
    free_text: bool = False
    detail: str | None = None
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A link: `columns` of a dataset hold `on` of dataset `to`.

    `basis` is how it was met: `declared`, `inferred`, `polymorphic` (only where the column
    `when` says so), `json` (`columns` is the column and the path in it), `email`.
    """

    columns: tuple[str, ...]
    to: str
    on: tuple[str, ...]
    confidence: float
    evidence: tuple[str, ...]
    basis: str = "inferred"
    kind: Owner = Owner.ACCESSED
    role: str | None = None
    when: str | None = None
    path: tuple[str, ...] = ()
    outcome: str | None = None
    ask: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What a person has to decide of a dataset; of its `columns`, or of its rows as such (none)."""

    words: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Discovered:
    """One dataset. `person` is how it takes part: `person`, `staff`, `owned`, `shared`, None."""

    profile: Profile
    fields: Mapping[str, Verdict]
    links: tuple[Found, ...]
    person: str | None = None
    outcome: str | None = None
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Discovery:
    """Everything, by dataset; `sample` is the rows asked of each table (None: all).

    `unseen`: datasets that could not be read, and why. `left_out`: what was not done because the
    extra `discover` is not installed.
    """

    datasets: Mapping[str, Discovered]
    sample: int | None
    unseen: Mapping[str, str]
    left_out: tuple[str, ...] = ()
