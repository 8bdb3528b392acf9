"""Who received data of one person: on record, time by time, and by the register (Art. 15(1)(c)).

What was given to an authority is told like everything else, unless a law forbids to tell: then
nothing is said of it until the day on which that ends.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kept.controller import Controller, Place
from kept.duties.rights.recipients import given, titled
from kept.policy.spoken import own
from kept.records.passed import Passed
from kept.terms.disclosures import GROUNDS
from kept.terms.identifiers import Identifier
from kept.terms.tongues import day, say, within


@dataclass(frozen=True, slots=True)
class Received:
    """`lines`: what is on record, the oldest first. `may`: who else may have received data by the
    register, by their names.
    """

    lines: tuple[Passed, ...]
    may: tuple[str, ...]

    def document(self, controller: Controller) -> dict[str, Any]:
        """As JSON."""
        return {
            "recorded": [
                {
                    "recipient": one.recipient, "title": called(controller, one),
                    "on": one.on.isoformat(), "categories": list(one.categories),
                    "ground": one.ground,
                }
                for one in self.lines
            ],
            "by_register": list(self.may),
        }  # fmt: skip


def received(
    controller: Controller, people: Sequence[Sequence[Identifier]],
    rows: Mapping[Place, Collection[int]], now: dt.datetime,
) -> Received:  # fmt: skip
    """Who received data of these people; `rows` (place → whose) are what is held of them now."""
    lines = told(controller, (i for one in people for i in one), now)
    known = {one.recipient for one in lines}
    may = [one for one in given(controller, rows, people=people) if one not in known]
    return Received(lines, tuple(sorted(titled(controller, one) for one in may)))


def told(
    controller: Controller, identifiers: Iterable[Identifier], now: dt.datetime
) -> tuple[Passed, ...]:
    """What is on record of whom these name, and may be told by now."""
    day = controller.day(now)
    return tuple(one for one in controller.passed.of(identifiers) if not one.barred(day))


def called(controller: Controller, one: Passed) -> str:
    """A recipient as she is told of it."""
    return one.title or titled(controller, one.recipient)


def words(controller: Controller, one: Passed) -> str:
    """One line of the record in a sentence."""
    bundle = controller.bundle
    terms = bundle.vocabulary.categories
    what = ", ".join(
        within(own(terms[c].label)) if c in terms else c for c in one.categories
    )  # fmt: skip
    return say("{who}, on {day}: {what}; {why}", who=called(controller, one), day=day(one.on),
               what=what, why=say(GROUNDS[one.ground]))  # fmt: skip
