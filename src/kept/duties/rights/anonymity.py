"""What proves that rows which were made anonymous are no longer anybody's.

`proven` is part of carrying a plan out; the control looks at all such rows, whoever made them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.model.plan import Action, Plan, StepResult
from kept.terms.identifiers import Identifier

#: (number of the step, its result) → the result as it is after a further test.
Tested: TypeAlias = Callable[[int, StepResult], StepResult]


def proven(
    controller: Controller, made: Plan, identifiers: Iterable[Identifier], former: Iterable[str]
) -> Tested:
    """The test whether rows that were made anonymous lead to anybody: nothing by which she was
    known is met in them again, as it was or as a hash.
    """
    steps = {s.number: s for s in made.steps if s.action is Action.ANONYMISE}
    known, values = list(identifiers), list(former)

    def tested(number: int, result: StepResult) -> StepResult:
        if number not in steps or not result.verified:
            return result
        met = controller.anonymity.recognised(steps[number], known, values)
        words = f"{met} rows still hold something by which the person was known"
        return replace(result, verified=False, problem=words) if met else result

    return tested


@control("rights.anonymised-is-nobodys")
def anonymised_is_nobodys(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No row that was made anonymous is rare, or holds what could lead to a person.

    Looks at all rows of nobody of every dataset that is made anonymous, whoever made them so.
    """
    for one in controller.anonymity.look():
        where = f"{one.system}.{one.dataset}"
        if one.problem is not None:
            yield Finding(where, f"it could not be looked at: {one.problem}")
            continue
        if one.alone:
            yield Finding(
                where,
                f"{one.alone} rows of nobody are like too few others",
                "generalise more in the map, and empty these rows",
            )
        if one.naming:
            yield Finding(
                where,
                f"{one.naming} rows of nobody hold an address or a hash",
                "suppress that field in the map, and empty these rows",
            )
        yield Looked(one.rows, where, one.system)
