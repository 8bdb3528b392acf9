"""How long an answer to a request may take: one dated row per rule, with its source.

Nobody's legal advice: facts as of the day in `checked`, on the word of `source`. What was not
read there, or only in a second hand, stands in `doubt`. A rule that changes gets a new row and
ends the old one; a case keeps the version of the row by which it was counted.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["months", "days", "working-days"]

#: Why a clock may stand still, in words.
PAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "identity": "there is doubt over who asks, and more was asked for to be sure",
        "clarification": "she was asked what she means, and nothing can be done before",
        "fee": "a fee was asked for, which the law allows here",
    }
)
#: Why an answer may take longer, in words (GDPR Art. 12(3)).
EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "complex": "what she asks for is complex",
        "numerous": "she has made many requests",
    }
)


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time. Working days are those of the organisation's place."""

    count: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `of` are rights, or `right:matter` where it holds for one matter only.

    `starts` is what is counted from. `receipt`: days are counted from the day after it, months
    end on the day of the same number. `next-day`: the day after is the first day, and months end
    on the day of its number. `confirm` is for telling that it has come, `answer` for the answer
    (None: the law names no day), `extension` is added once. `rolls`: what ends on a weekend or a
    public holiday ends on the next working day; where nothing says so it does not.

    `pauses` are keys of PAUSES. `both`: it is not certain that the clock stands still, so the day
    without the pause is kept beside the other. `valid_from` and `valid_to` are days of arrival.
    """

    id: str
    regime: str
    of: tuple[str, ...]
    answer: Length | None
    source: str
    checked: dt.date
    doubt: str | None = None
    extension: Length | None = None
    confirm: Length | None = None
    starts: Literal["receipt", "next-day"] = "receipt"
    rolls: bool = False
    pauses: tuple[str, ...] = ()
    both: bool = False
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    version: str = field(init=False, default="")

    def __post_init__(self) -> None:
        row = {key: value for key, value in asdict(self).items() if key != "version"}
        spelt = json.dumps(row, sort_keys=True, default=str).encode()
        object.__setattr__(self, "version", f"{self.id}:{hashlib.sha256(spelt).hexdigest()[:16]}")

    @property
    def sure(self) -> bool:
        """Whether all of it was read at its source."""
        return self.doubt is None

    def holds_on(self, day: dt.date) -> bool:
        """Whether the rule is in force for what arrives on a day."""
        return (self.valid_from or day) <= day <= (self.valid_to or day)


def _months(count: int) -> Length:
    return Length(count, "months")


def _days(count: int) -> Length:
    return Length(count, "days")


def _working(count: int) -> Length:
    return Length(count, "working-days")


_READ: Final = dt.date(2026, 11, 1)
_SECOND_HAND: Final = "read in a second hand only"
_UNREAD: Final = "not read at its source"
_RIGHTS: Final = (
    "access", "portability", "rectification", "erasure", "restriction", "objection", "withdrawal",
)  # fmt: skip
_KNOW_DELETE_CORRECT: Final = ("access", "portability", "rectification", "erasure")

#: Of these regimes there are rules, EEA to Canada; `*` holds in all of them.
RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "eea", "EEA", _RIGHTS, _months(1), "GDPR Art. 12(3) and (6)", _READ,
        doubt="how months are counted, and that the last day rolls on (Regulation 1182/71 Art. 3,"
        " EDPB Guidelines 01/2022): not read at the source; whether the clock stands still while"
        " there is doubt over who asks is disputed",
        extension=_months(2), rolls=True, pauses=("identity",), both=True,
        valid_from=dt.date(2018, 5, 25),
    ),
    Rule(
        "uk-2019", "UK", _RIGHTS, _months(1), "UK GDPR Art. 12(3); ICO, time limits", _READ,
        extension=_months(2), rolls=True,
        valid_from=dt.date(2018, 5, 25), valid_to=dt.date(2026, 2, 5),
    ),
    Rule(
        "uk-2026", "UK", _RIGHTS, _months(1), "UK GDPR Art. 12(3) and 12A; ICO, time limits",
        _READ,
        doubt="sources name 5 or 6 February 2026 as the day from which Art. 12A is in force",
        extension=_months(2), rolls=True, pauses=("identity", "clarification", "fee"),
        valid_from=dt.date(2026, 2, 6),
    ),
    Rule(
        "uk-complaint", "UK", ("complaint",), None, "Data Protection Act 2018 s. 164A", _READ,
        confirm=_days(30), starts="next-day", valid_from=dt.date(2026, 6, 19),
    ),
    Rule(
        "us-ca", "US-CA", _KNOW_DELETE_CORRECT, _days(45), "11 CCR § 7021", _READ,
        doubt=_SECOND_HAND, extension=_days(45), confirm=_working(10),
    ),
    Rule(
        "us-ca-opt-out", "US-CA", ("objection", "restriction"), _working(15),
        "11 CCR §§ 7026 and 7027", _READ, doubt=_SECOND_HAND,
    ),
    Rule(
        "us-va", "US-VA", (*_KNOW_DELETE_CORRECT, "objection"), _days(45), "Va. Code § 59.1-577",
        _READ, doubt=_SECOND_HAND, extension=_days(45),
    ),
    Rule("br", "BR", _RIGHTS, _days(15), "LGPD Art. 19", _READ, doubt=_SECOND_HAND),
    Rule("ch", "CH", _RIGHTS, _days(30), "FADP Art. 25(7)", _READ, doubt=_UNREAD),
    Rule("ca", "CA", _RIGHTS, _days(30), "PIPEDA; Québec Law 25", _READ, doubt=_UNREAD),
    # Not to be written to is obeyed at once; so it is promised, whatever a law would leave.
    Rule(
        "marketing", "*", ("objection:marketing", "withdrawal:marketing"), _days(0),
        "GDPR Art. 21(3) and 7(3)", _READ,
    ),
)  # fmt: skip
