"""How much of other people an answer covers, in counts and in words (GDPR Art. 15(4))."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller
from kept.controller.others import Covering
from kept.terms.tongues import count as counted
from kept.terms.tongues import number, say

WHY: Final = (
    "Other people have rights too. Where your records name somebody else, only what they are to"
    " you is shown: a member of staff, or another person. Nothing about you was taken out."
)


@dataclass(frozen=True, slots=True)
class Covered:
    """Of one dataset: how often staff and how often other people were covered."""

    system: str
    dataset: str
    title: str
    staff: int
    people: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.staff + self.people

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "system": self.system, "dataset": self.dataset, "title": self.title,
            "staff": self.staff, "people": self.people,
        }  # fmt: skip


def covered_of(controller: Controller, covering: Covering) -> tuple[Covered, ...]:
    """What was covered, by dataset; those in which nothing was are left out."""
    return tuple(
        Covered(*place, controller.datamap.dataset(*place).title or place[1],
                met["staff"], met["person"])
        for place, met in covering.counts.items()
        if met.total()
    )  # fmt: skip


def words(covered: Sequence[Covered]) -> str | None:
    """In a sentence; None where nothing was covered."""
    count = sum(one.count for one in covered)
    if not count:
        return None
    staff, people = sum(one.staff for one in covered), sum(one.people for one in covered)
    of = [say("{n} of staff", n=number(staff))] * bool(staff)
    of += [say("{n} of other people", n=number(people))] * bool(people)
    return counted(
        count, "{n} name or address was covered: {of}.", "{n} names and addresses were covered:"
        " {of}.", of=f" {say('and')} ".join(of),
    )  # fmt: skip
