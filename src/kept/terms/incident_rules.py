"""How soon an authority hears of an incident: one dated row per rule, with its source.

Facts as of the day in `checked`, on the word of `source`; nobody's legal advice. A proposal is a
row without a first day: it is known and never counts. Hours run through weekends and holidays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kept.terms.clocks import Light

#: What went wrong, in words (GDPR Art. 4(12)).
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "confidentiality": "somebody saw it, or may have, who must not",
        "integrity": "it was changed, or may have been",
        "availability": "it was lost, or could not be used",
    }
)
#: What follows for people (GDPR Art. 33(1), 34(1)).
RISKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "none": "a risk for people is unlikely; the authority need not be told",
        "risk": "there is a risk for people; the authority is told",
        "high": "the risk for people is high; the authority and the people are told",
    }
)
#: Why people need not be told although the risk was high (GDPR Art. 34(3)).
UNTOLD: Final[Mapping[str, str]] = MappingProxyType(
    {
        "protected": "nobody can read what was taken, as by encryption",
        "averted": "what was done since makes a high risk unlikely",
        "public": "to tell each would be out of proportion, and it was said in public instead",
    }
)
#: With so many hours left an incident is to be hurried, and with so many it is nearly late.
_AMBER: Final = 48.0
_RED: Final = 24.0


@dataclass(frozen=True, slots=True)
class Rule:
    """The authority is told within `hours` of awareness. `valid_from` None: not in force."""

    id: str
    regimes: tuple[str, ...]
    hours: int
    source: str
    checked: dt.date
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    doubt: str | None = None

    def holds_on(self, day: dt.date) -> bool:
        """Whether the rule is in force for what was noticed on a day."""
        return self.valid_from is not None and self.valid_from <= day <= (self.valid_to or day)


RULES: Final = (
    Rule(
        "gdpr-33", ("EEA", "UK"), 72, "GDPR Art. 33(1)", dt.date(2026, 11, 1),
        valid_from=dt.date(2018, 5, 25),
    ),
    Rule(
        "omnibus-33", ("EEA",), 96, "Digital Omnibus, proposal of 19 November 2025",
        dt.date(2026, 11, 1), doubt="proposed, for high risks only; not in force",
    ),
)  # fmt: skip
#: By their names.
BY_ID: Final = MappingProxyType({rule.id: rule for rule in RULES})


def applying(noticed: dt.datetime) -> Rule:
    """The shortest rule in force for what was noticed then; the oldest where none was yet."""
    day = noticed.astimezone(dt.UTC).date()
    return min((r for r in RULES if r.holds_on(day)), key=lambda r: r.hours, default=RULES[0])


def light(now: dt.datetime, due: dt.datetime) -> Light:
    """How near the end of the time is."""
    left = hours_left(now, due)
    if left < 0:
        return Light.OVERDUE
    return Light.RED if left <= _RED else Light.AMBER if left <= _AMBER else Light.GREEN


def hours_left(now: dt.datetime, due: dt.datetime) -> float:
    """Hours until then, below zero after it."""
    return (due - now).total_seconds() / 3600
