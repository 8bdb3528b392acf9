"""Regions and the calendar."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.errors import UsageError
from kept.terms import regimes
from kept.terms.regimes import (
    Period,
    add_months,
    end_of,
    is_eea,
    is_eu,
    parse_period,
    period_words,
    region_of,
    rules_of,
    start_of,
    strictest,
)


def test_eea_is_not_eu() -> None:
    assert len(regimes.EEA) == 30
    assert len(regimes.EU) == 27
    assert {c for c in regimes.EEA if not is_eu(c)} == {"IS", "LI", "NO"}
    assert is_eea("no")
    assert is_eea("CY")
    assert not is_eea("GB")
    assert not is_eea("CH")


@pytest.mark.parametrize(
    ("country", "part", "region"),
    [
        ("DE", None, "EEA"), ("no", None, "EEA"), ("EL", None, "EEA"), ("GB", None, "UK"),
        ("UK", None, "UK"), ("CH", None, "CH"), ("US", None, "US"), ("US", "CA", "US-CA"),
        ("us", "us-va", "US-VA"), ("US", "TX", "US"), ("BR", None, "other"), ("DE", "CA", "EEA"),
        (None, None, "unknown"), ("", "CA", "unknown"), ("ZZ", None, "unknown"),
        ("Germany", None, "unknown"), ("D", None, "unknown"),
    ],
)  # fmt: skip
def test_who_is_where(country: str | None, part: str | None, region: str) -> None:
    assert region_of(country, part) == region


def test_the_more_protective_of_two() -> None:
    assert strictest("US", "UK") == "UK"
    assert strictest("US-CA", "US") == "US-CA"
    assert strictest("other", "US") == "US"
    assert strictest("US", "unknown") == strictest() == strictest("Mars", "UK") == "EEA"


def test_where_a_region_finds_its_rule() -> None:
    assert rules_of("EEA") == rules_of("unknown") == rules_of("Mars") == ("EEA", "default")
    assert rules_of("UK") == ("UK", "EEA", "default")
    assert rules_of("US-CA") == ("US-CA", "US", "default")
    assert rules_of("other") == ("default",)


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2024-01-31", 1, "2024-02-29"), ("2023-01-31", 1, "2023-02-28"),
        ("2024-02-29", 12, "2025-02-28"), ("2024-02-29", 48, "2028-02-29"),
        ("2024-12-31", 2, "2025-02-28"), ("2024-03-31", -1, "2024-02-29"),
        ("2024-05-15", 0, "2024-05-15"),
    ],
)  # fmt: skip
def test_months_are_calendar_months(start: str, months: int, end: str) -> None:
    assert add_months(dt.date.fromisoformat(start), months) == dt.date.fromisoformat(end)


def test_a_moment_keeps_its_hour_and_zone() -> None:
    at = dt.datetime(2024, 1, 31, 23, 59, tzinfo=dt.UTC)
    assert add_months(at, 1) == dt.datetime(2024, 2, 29, 23, 59, tzinfo=dt.UTC)
    assert end_of(at, "P1M1D") == dt.datetime(2024, 3, 1, 23, 59, tzinfo=dt.UTC)


@given(st.dates(dt.date(1900, 1, 1), dt.date(2200, 1, 1)), st.integers(0, 600))
def test_later_never_comes_sooner(start: dt.date, months: int) -> None:
    end = add_months(start, months)
    assert (end.year - start.year) * 12 + end.month - start.month == months
    last = (end + dt.timedelta(1)).month != end.month
    assert end.day == start.day or (end.day < start.day and last)
    assert end_of(start, Period(months, 1)) == end + dt.timedelta(1)


@pytest.mark.parametrize(
    ("text", "period"),
    [("P24M", Period(24)), ("P10Y", Period(120)), ("P30D", Period(0, 30)), ("P2W", Period(0, 14)),
     ("P1Y6M", Period(18)), ("P1Y6M3D", Period(18, 3)), ("P0D", Period())],
)  # fmt: skip
def test_periods(text: str, period: Period) -> None:
    assert parse_period(text) == period


@pytest.mark.parametrize("text", ["", "P", "24M", "p24m", "PT1H", "P-1D", "P1.5Y", "P1D1M", "P1M "])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(UsageError):
        parse_period(text)


def test_when_a_period_began_that_is_over_now() -> None:
    """Months back first: the last day of a shorter month where the day is not there."""
    at = dt.datetime(2024, 3, 31, 12, tzinfo=dt.UTC)
    assert start_of(at, "P1M1D") == dt.datetime(2024, 2, 28, 12, tzinfo=dt.UTC)
    assert start_of(dt.date(2026, 11, 30), Period(24, 0)) == dt.date(2024, 11, 30)
    with pytest.raises(UsageError, match="outside the calendar"):
        start_of(dt.date(3, 1, 1), "P9999Y")


def test_the_end_of_the_calendar() -> None:
    for period in ("P9000Y", "P999999D"):
        with pytest.raises(UsageError):
            end_of(dt.date(9999, 6, 1), period)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("P1M", "1 month"),
        ("P45D", "45 days"),
        ("P24M", "2 years"),
        ("P1Y6M", "18 months"),
        ("P1M2W", "1 month and 14 days"),
    ],
)
def test_a_period_as_a_person_says_it(text: str, words: str) -> None:
    assert period_words(text) == words
