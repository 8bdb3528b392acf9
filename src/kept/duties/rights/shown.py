"""How steps are shown to people: places by their names, what is alike once, with a count.

The steps themselves, one for each reason and each date, stand in the JSON.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from kept.model.plan import Counts, Reason, StepResult
from kept.records.declared import SYSTEM

_Row = TypeVar("_Row")
_OWN: Final = "Kept's own records (her requests and choices)"


def called(system: str, dataset: str) -> str:
    """A dataset as people are told of it: Kept's own in words, others as the map names them."""
    if system != SYSTEM.name:
        return f"{system}.{dataset}"
    own = SYSTEM.datasets.get(dataset)
    title = own.title if own and own.title else dataset.replace("_", " ")
    return f"Kept's own records ({title[:1].lower()}{title[1:]})"


def gathered(system: str, dataset: str) -> str:
    """`called`, but what Kept itself holds is one place: what it is for, not how it is stored."""
    return _OWN if system == SYSTEM.name else called(system, dataset)


def system_called(system: str) -> str:
    """A system as people are told of it."""
    return "Kept's own database" if system == SYSTEM.name else system


def summed(
    rows: Iterable[_Row], shown: Callable[[_Row], tuple[str, ...]], counts: Callable[[_Row], Counts]
) -> list[tuple[tuple[str, ...], Counts]]:
    """Rows of which the same is shown as one, their counts together, in the order given."""
    found: dict[tuple[str, ...], Counts] = {}
    for row in rows:
        a, b = found.get(shown(row), Counts()), counts(row)
        found[shown(row)] = Counts(
            a.found + b.found, a.changed + b.changed, a.retained + b.retained,
            a.isolated + b.isolated,
        )  # fmt: skip
    return list(found.items())


@dataclass(frozen=True, slots=True)
class Stay:
    """Rows of one place that stay for one reason, until one day or one each.

    `first` and `last` are the same where they all stay until that day; None: no end is known.
    """

    place: str
    reason: Reason
    isolated: bool
    rows: int
    first: dt.date | None
    last: dt.date | None

    @property
    def until(self) -> str:
        """Until when, in words."""
        if self.first is None:
            return "with no end set yet"
        if self.first == self.last:
            return f"until {self.first}"
        return f"until {self.first} … {self.last}"


def stays(steps: Sequence[StepResult]) -> list[Stay]:
    """What stays, by dataset and reason: of many dates the first and the last."""
    found: dict[tuple[object, ...], list[StepResult]] = {}
    for s in steps:
        if s.reason is not None and s.counts.retained + s.counts.isolated:
            found.setdefault((*alike(s.reason), gathered(s.store, s.dataset), s.action), []).append(
                s
            )
    made = []
    for group in found.values():
        s, reason = group[0], group[0].reason
        assert reason is not None
        ends = sorted(r.until for one in group if (r := one.reason) is not None and r.until)
        rows = sum(one.counts.retained + one.counts.isolated for one in group)
        made.append(
            Stay(
                gathered(s.store, s.dataset), reason, bool(s.counts.isolated), rows,
                ends[0] if ends else None, ends[-1] if ends else None,
            )
        )  # fmt: skip
    return made


def problems(steps: Iterable[StepResult]) -> list[str]:
    """What went wrong with steps: each place and problem once."""
    return list(
        dict.fromkeys(f"{called(s.store, s.dataset)}: {s.problem}" for s in steps if s.problem)
    )


def alike(reason: Reason) -> tuple[object, ...]:
    """What two reasons that differ in their day alone have in common."""
    return (reason.words, reason.law, reason.clause, reason.hold, reason.until is None)
