"""Counting by the rules of `clock_rules`: until when, and how near that is. Pure.

Every day here is a day of the organisation's place; nothing knows what day it is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kept.errors import UsageError
from kept.terms.clock_rules import RULES, Length, Rule
from kept.terms.regimes import REGIONS, STRICTEST, Period, end_of, region_of
from kept.terms.workdays import Workdays

#: With so many working days left a case is to be hurried, and with so many it is nearly late.
AMBER: Final = 7
RED: Final = 3
#: Countries with a rule of their own that are no region of a policy.
_BESIDE: Final = ("BR", "CA")
#: Where somebody can be, as a clock has it.
WHERE: Final = (*REGIONS, *_BESIDE)
_DAY: Final = dt.timedelta(days=1)


class Light(StrEnum):
    """How near the last day is, in working days."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Due:
    """The last day for an answer by a rule; `skipped` are the public holidays that moved it."""

    rule: Rule
    day: dt.date
    skipped: tuple[tuple[dt.date, str], ...] = ()


def where(text: str) -> str:
    """Where somebody is, from a region or a country (DE, BR, US-CA); one of WHERE.

    Raises UsageError for what is neither.
    """
    known = {name.casefold(): name for name in WHERE}
    if text.strip().casefold() in known:
        return known[text.strip().casefold()]
    country, _, part = text.strip().upper().partition("-")
    found = region_of(country, part)
    if not re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", text.strip().upper()) or found == "unknown":
        raise UsageError(
            f"`{text[:20]}` is neither a region nor a country",
            expected=f"one of {', '.join(WHERE)}, or a country as ISO 3166 has it: DE, US-CA",
        )
    return country if country in _BESIDE else found


def rules_at(region: str) -> str:
    """The region of a policy (one of REGIONS) whose rules hold where a clock has somebody, or for
    what `where` understands.
    """
    found = where(region)
    return "other" if found in _BESIDE else found


def applying(region: str, right: str, matter: str | None, arrived: dt.date) -> tuple[Rule, ...]:
    """The rules for a request; several only where it is not known where she is.

    What holds everywhere for a matter goes first. Of a region without a rule of its own it is
    that of the strictest level, and of a right that no rule names there, every rule that does.
    """
    if matter is not None:
        found = _of(f"{right}:{matter}", arrived)
        if found:
            return found
    found = _of(right, arrived)
    if region == "unknown":
        return found
    own = tuple(rule for rule in found if rule.regime == region)
    return own or tuple(rule for rule in found if rule.regime == STRICTEST) or found


def _of(what: str, arrived: dt.date) -> tuple[Rule, ...]:
    named = tuple(rule for rule in RULES if what in rule.of)
    return tuple(rule for rule in named if rule.holds_on(arrived)) or named


def due(
    rule: Rule, arrived: dt.date, days: Workdays, *, extended: bool = False, paused: int = 0
) -> Due:
    """The last day of what is owed first: of the answer, or where no law names one of telling
    that it has come.

    The extension is counted from the same start as the first period. `paused` are the days for
    which the clock stood still. Raises UsageError where the rule has no extension.
    """
    length = rule.answer or rule.confirm
    assert length is not None, rule.id
    if extended:
        if rule.extension is None:
            raise UsageError("the rule has no extension", where=rule.source)
        assert rule.extension.unit == length.unit, rule.id
        length = Length(length.count + rule.extension.count, length.unit)
    day, skipped = _end(rule, length, arrived, days)
    day += _DAY * paused
    while rule.rolls and not days.works(day):
        if name := days.holiday(day):
            skipped = (*skipped, (day, name))
        day += _DAY
    return Due(rule, day, skipped)


def earliest(rules: Iterable[Rule], arrived: dt.date, days: Workdays) -> Due:
    """What is due first by any of the rules; of two on one day that of the first row."""
    return min((due(rule, arrived, days) for rule in rules), key=lambda one: one.day)


def confirm_by(rule: Rule, arrived: dt.date, days: Workdays) -> dt.date | None:
    """The last day for telling that the request has come, where the rule names one."""
    return None if rule.confirm is None else _end(rule, rule.confirm, arrived, days)[0]


def light(day: dt.date, last: dt.date, days: Workdays) -> Light:
    """How a case stands on a day that is to be answered by `last`."""
    if day > last:
        return Light.OVERDUE
    left = days.left(day, last)
    return Light.RED if left <= RED else Light.AMBER if left <= AMBER else Light.GREEN


def _end(
    rule: Rule, length: Length, arrived: dt.date, days: Workdays
) -> tuple[dt.date, tuple[tuple[dt.date, str], ...]]:
    if length.unit == "months":
        anchor = arrived + _DAY if rule.starts == "next-day" else arrived
        return end_of(anchor, Period(length.count)), ()
    if length.unit == "days":
        return arrived + _DAY * length.count, ()
    day, left, skipped = arrived, length.count, list[tuple[dt.date, str]]()
    while left:
        day += _DAY
        if days.works(day):
            left -= 1
        elif name := days.holiday(day):
            skipped.append((day, name))
    return day, tuple(skipped)
