"""Regions: who is where, whose rules hold there, calendar arithmetic.

EEA is not EU: Iceland, Liechtenstein and Norway are in the one and not in the other. A
region that is not known has the strictest rules. Months are calendar months.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from typing import Final, TypeVar

from kept.errors import UsageError

_D = TypeVar("_D", dt.date, dt.datetime)

#: The member states of the European Union, ISO 3166 alpha-2.
EU: Final = frozenset(
    (
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE",
        "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
    )
)  # fmt: skip

#: The 30 states of the European Economic Area.
EEA: Final = EU | {"IS", "LI", "NO"}

#: Regions, the more protective first; `other` is every country without rules of its own here.
REGIONS: Final = ("EEA", "UK", "CH", "US-CA", "US-VA", "US", "other", "unknown")

#: Whose rules an unknown region gets.
STRICTEST: Final = "EEA"

_STRICTNESS: Final = {name: rank for rank, name in enumerate(REGIONS[:-1])} | {"unknown": 0}

# Where a region has no rule of its own it takes that of the next: the United Kingdom and
# Switzerland fall to the level of the EEA, not to that of the rest of the world.
_NEXT: Final = {"UK": "EEA", "CH": "EEA", "US-CA": "US", "US-VA": "US"}

_US_STATES: Final = {"CA": "US-CA", "VA": "US-VA"}


def is_eea(country: str) -> bool:
    """Whether the country (ISO 3166 alpha-2) is one of the 30 states of the EEA."""
    return country.strip().upper() in EEA


def is_eu(country: str) -> bool:
    """Whether the country (ISO 3166 alpha-2) is a member state of the European Union."""
    return country.strip().upper() in EU


def region_of(country: str | None, subdivision: str | None = None) -> str:
    """The region of a country (ISO 3166 alpha-2; EL and UK are understood) and its part.

    `subdivision` is ISO 3166-2, with or without the country (`US-CA` or `CA`). What is not
    two letters is `unknown`, which has the strictest rules.
    """
    code = (country or "").strip().upper()
    code = {"EL": "GR", "UK": "GB"}.get(code, code)
    if not re.fullmatch(r"[A-Z]{2}", code) or code in ("XX", "ZZ"):
        return "unknown"
    if code in EEA:
        return "EEA"
    if code == "US":
        part = (subdivision or "").strip().upper().removeprefix("US-")
        return _US_STATES.get(part, "US")
    return {"GB": "UK", "CH": "CH"}.get(code, "other")


def strictest(*regions: str) -> str:
    """The most protective of the regions given; with none, or an unknown one, `STRICTEST`.

    For somebody who moves or travels: what she chooses later follows the more protective.
    """
    if not regions:
        return STRICTEST
    first = min(regions, key=lambda name: (_STRICTNESS.get(name, 0), name))
    return first if first in REGIONS and first != "unknown" else STRICTEST


def rules_of(region: str) -> tuple[str, ...]:
    """Names under which a bundle may hold the rule of a region, the nearest first.

    `default` closes the list. An unknown region has that of the strictest.
    """
    if region not in _STRICTNESS or region == "unknown":
        return (STRICTEST, "default")
    if region == "other":
        return ("default",)
    return (region, _NEXT[region], "default") if region in _NEXT else (region, "default")


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time in calendar months and days."""

    months: int = 0
    days: int = 0


def add_months(date: _D, months: int) -> _D:
    """The same day `months` later (or earlier); a day that month lacks becomes its last.

    31 January and one month: 28 or 29 February (Regulation 1182/71 Art. 3(2)(c)).
    Raises UsageError outside the years 1 to 9999.
    """
    at = date.year * 12 + date.month - 1 + months
    year, month = divmod(at, 12)
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        raise UsageError("a date lies outside the calendar", expected="a year from 1 to 9999")
    last = calendar.monthrange(year, month + 1)[1]
    return date.replace(year=year, month=month + 1, day=min(date.day, last))


_PERIOD: Final = re.compile(r"P(?=\d)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,4})W)?(?:(\d{1,6})D)?")


def parse_period(text: str) -> Period:
    """An ISO 8601 duration of years, months, weeks and days: P24M, P10Y, P30D, P1Y6M.

    Raises UsageError for anything else; hours belong to no retention rule.
    """
    met = _PERIOD.fullmatch(text)
    if met is None:
        raise UsageError(
            f"`{text}` is not a period",
            expected="years, months, weeks or days such as P10Y, P24M, P2W, P30D",
        )
    years, months, weeks, days = (int(part or 0) for part in met.groups())
    return Period(years * 12 + months, weeks * 7 + days)


def period_words(text: str) -> str:
    """A period as a person says it: P1M is "1 month", P1Y6M "18 months"."""
    period = parse_period(text)
    years, months = (0, period.months) if period.months % 12 else (period.months // 12, 0)
    parts = ((years, "year"), (months, "month"), (period.days, "day"))
    return " and ".join(f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n) or "no time"


def end_of(start: _D, period: Period | str) -> _D:
    """When a period that began at `start` is over: months first, then days.

    Raises UsageError where that lies outside the calendar.
    """
    length = parse_period(period) if isinstance(period, str) else period
    try:
        return add_months(start, length.months) + dt.timedelta(days=length.days)
    except OverflowError:
        raise UsageError(
            "a date lies outside the calendar", expected="a year from 1 to 9999"
        ) from None


def start_of(end: _D, period: Period | str) -> _D:
    """When a period began that is over at `end`: months back first, then days.

    Raises UsageError where that lies outside the calendar.
    """
    length = parse_period(period) if isinstance(period, str) else period
    return end_of(end, Period(-length.months, -length.days))
