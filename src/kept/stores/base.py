"""Store and Session: the one interface between Kept and a company's systems.

Laws (the shipped suite proves every store against them):

- A Session is one snapshot, or one transaction at the grain that the abilities state.
- `apply` is ordered, and repeatable under the same step id: it does no more the second time.
- Nothing is durable before `commit`; after `commit` a second handle sees it.
- An error leaves the store as its grain promises, and holds system, dataset and kind only.
- Leaving a write session without `commit` rolls it back.
"""

from __future__ import annotations

import abc
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import ClassVar

from kept.datamap.map import Dataset
from kept.errors import NotAble
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.plan import Action, Counts, Obstacle, Word
from kept.model.residue import Needles, Residue, Scrub, unseen
from kept.model.safety import Safety
from kept.model.select import Batch, KeySet, Select
from kept.model.values import Value


class Session(AbstractContextManager["Session"], abc.ABC):
    """One snapshot (read) or one transaction (write) on a store."""

    #: The case for which is read. Where people answer, they are asked once for each.
    mark: str = ""

    @abc.abstractmethod
    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        """Stream (index of the select, Batch); a select's batches come in turn, bounded in size."""

    @abc.abstractmethod
    def keys(self, selects: Sequence[Select]) -> KeySet:
        """The keys of the selected rows per dataset, each with its person."""

    @abc.abstractmethod
    def count(self, selects: Sequence[Select]) -> list[int]:
        """Distinct rows per select; counted in the store."""

    @abc.abstractmethod
    def rehearse(self, changes: Sequence[Change]) -> list[Obstacle]:
        """Try the changes and undo them. Raises NotAble where abilities say it cannot."""

    @abc.abstractmethod
    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """Carry out the changes in order; Counts per change: found and changed by this attempt."""

    def add(self, dataset: str, row: Mapping[str, Value]) -> tuple[Value, ...]:
        """Add a row, which the engine gives the key that it lacks; that key. NotAble by default."""
        raise NotAble(
            "this kind of store takes no new rows",
            expected="a table of a database",
            fix="let your own program store it, with the stamps of the answer",
        )

    def add_rows(
        self, dataset: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]
    ) -> None:
        """Add rows, each with values for these columns; one statement for many where it can."""
        for row in rows:
            self.add(dataset, dict(zip(columns, row, strict=True)))

    def word(self, dataset: str, action: Action, mark: str) -> Word:
        """Where the abilities say `word`: what people said of a step of the case `mark`."""
        raise NotAble("nobody answers for this store")

    @abc.abstractmethod
    def commit(self) -> None:
        """Make it durable; the session can go on with a new transaction."""

    @abc.abstractmethod
    def rollback(self) -> None:
        """Undo what is not committed, as far as the grain allows."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the handle back; may be called twice. What is not committed is undone."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Store(abc.ABC):
    """The connector to a system's engine. `datasets` (the map's) tell types and keys."""

    abilities: Abilities
    #: Further keys of [systems.NAME] in kept.toml that this kind of store understands; they
    #: come in `options`, with `directory` (that of kept.toml) beside them.
    settings: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, system: str, mapped: Iterable[Dataset] = ()) -> None:
        self.system = system
        self.mapped = {d.name: d for d in mapped}

    @abc.abstractmethod
    def datasets(self) -> Iterable[Dataset]:
        """What is REALLY there (names, types, keys, foreign keys as links), mapped or not."""

    @abc.abstractmethod
    def session(self, *, write: bool = False) -> Session:
        """A fresh handle. Raises StoreUnreachable. Only the Controller calls this."""

    def notes(self) -> Iterable[str]:
        """What an operator should know and no Dataset can say, in words without a value."""
        return ()

    def unsearched(self) -> Iterable[str]:
        """Data that is there and is never searched, in counts and without a name of a file.

        Every answer that rests on this store says it.
        """
        return ()

    def safety(self) -> Safety:
        """How safe the place is where the data lies, as far as it shows; StoreError.

        An aspect that is not measured, as here all of them, has to be declared by a person.
        """
        return Safety()

    def statements(self, changes: Sequence[Change]) -> list[str]:
        """The changes as text for a person to carry out (mode assisted); NotAble by default."""
        raise NotAble(
            f"the store of `{self.system}` cannot write its changes down",
            expected="a store that can be driven by hand",
            fix="set the system's mode to `act`, or do it in the system itself",
        )

    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        """Look for erased values beneath the rows, layer by layer.

        A layer is called gone only where its bytes were looked at and hold none of them.
        """
        return (unseen("everything", "this kind of store cannot look beneath its rows"),)

    def scrubbing(self, *, full: bool = False) -> Iterable[Scrub]:
        """What `scrub` would do to destroy what deletions left, and what it locks; () : nothing.

        `full`: also what rewrites whole tables and locks them against everybody.
        """
        return ()

    def scrub(self, *, full: bool = False) -> None:
        """Do what `scrubbing` says; StoreError where the engine refuses."""

    def settle(self, mark: str) -> None:
        """The case `mark` is complete: what was kept for it alone can go."""

    def close(self) -> None:
        """Give back what the store holds; may be called twice."""
