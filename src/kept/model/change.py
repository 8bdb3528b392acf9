"""Change: what happens to the rows of a Select."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from kept.errors import UsageError
from kept.model.generalise import Generalise
from kept.model.redact import Redact
from kept.model.select import Select
from kept.model.values import Value


@dataclass(frozen=True, slots=True)
class Const:
    """The same value for every row; `Const(None)` sets a null. `wrong`: what it takes the place of,
    for people who put it there by hand.
    """

    value: Value
    wrong: Value = None


@dataclass(frozen=True, slots=True)
class Template:
    """Text with `{field}` places, filled per row from the row itself, in the store.

    Only whole fields stand in braces; `{{` and `}}` are literal braces. For columns that
    must stay unique and not null: `erased-{customer_id}@erased.invalid`.
    """

    text: str


@dataclass(frozen=True, slots=True)
class PerRow:
    """A pure function of the row (field → value). The store reads, computes and writes by key."""

    function: Callable[[Mapping[str, Value]], Value]


Assignment: TypeAlias = Const | Template | PerRow | Generalise | Redact


@dataclass(frozen=True, slots=True)
class Change:
    """`assign` sets fields of the selected rows; without it the rows are deleted.

    Repeating a Change does no further harm: applied again it changes nothing.
    """

    select: Select
    assign: Mapping[str, Assignment] | None = None

    def __post_init__(self) -> None:
        if self.assign is not None and not self.assign:
            raise UsageError(
                f"a change of `{self.select.dataset}` assigns nothing",
                expected="fields to set, or None to delete the rows",
            )

    @property
    def deletes(self) -> bool:
        """Whether the rows go."""
        return self.assign is None
