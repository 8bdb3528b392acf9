"""What people tell of themselves, in the spellings that they use: one reading for each text."""

from __future__ import annotations

import datetime as dt

import pytest

from kept.terms import told

TODAY = dt.date(2026, 11, 23)
SECOND_OF_MARCH = """2025-03-02
2025-03-02 10:00:00
2025-03-02T23:59:59.123+01:00
2025/3/2
20250302
2.3.2025
02.03.2025
2. 3. 25
02/03/2025
2-3-2025
2 March 2025
2 Mar. 2025
the 2nd of March, 2025
March 2, 2025
Sunday, 2 March 2025, 10:00
2. März 2025
2. MAERZ 2025
am Sonntag, den 2. März 2025
2025 March 2"""


@pytest.mark.parametrize("text", SECOND_OF_MARCH.splitlines())
def test_a_day_in_every_common_spelling(text: str) -> None:
    assert told.day(text, TODAY) == dt.date(2025, 3, 2)


@pytest.mark.parametrize(
    ("text", "month_first", "day"),
    [
        ("02/03/2025", True, "2025-02-03"),  # one reading only, by where she is
        ("02.03.2025", True, "2025-03-02"),  # with points nobody puts the month first
        ("02/13/2025", False, "2025-02-13"),
        ("13/02/2025", True, "2025-02-13"),
        ("1.4.85", False, "1985-04-01"),
        ("1.4.26", False, "2026-04-01"),
        ("Jänner 6, 2001", False, "2001-01-06"),
    ],
)
def test_what_could_be_two_days_is_one(text: str, month_first: bool, day: str) -> None:
    assert str(told.day(text, TODAY, month_first=month_first)) == day


@pytest.mark.parametrize(
    "text",
    ["", "March 2025", "2 3", "30.2.2025", "13.13.2025", "2 or 3 March 2025", "1.2.2025 3.2.2025",
     f"2.{'3' * 5000}.2025", "2.3.202", "Ana March 2", "٢.٣.2025"],
)  # fmt: skip
def test_no_day(text: str) -> None:
    assert told.day(text, TODAY) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10", "10"), ("10.00", "10"), ("10,00 €", "10"), ("€10", "10"), ("EUR 10.0", "10"),
        ("10,-", "10"), ("10 Euro", "10"), ("0", "0"), ("0.50", "0.5"), ("0.500", "0.5"),
        ("1.234,50", "1234.5"), ("1,234.50", "1234.5"), ("CHF 1'234.50", "1234.5"),
        ("1 234,5", "1234.5"), ("1.234", "1234"), ("1.234.567", "1234567"), ("-7.10", "-7.1"),
        ("1.5.2", None), ("10 or 12", None), ("", None), ("ten", None), ("1" * 61, None),
    ],
)  # fmt: skip
def test_a_number_in_plain_digits(text: str, number: str | None) -> None:
    assert told.number(text) == number


def test_a_text_is_a_number_where_it_says_so_itself() -> None:
    assert [told.marked_number(t) for t in ("10.00", "10 EUR", "010", "10")] == [
        "10", "10", None, None,
    ]  # fmt: skip


def test_a_telephone_number_is_one_of_the_country() -> None:
    spelt = ("030 / 123456", "+49 30 123456", "0049 (30) 12-34-56", "tel:+4930123456")
    assert {told.phone(text, "DE") for text in spelt} == {"+4930123456"}
    assert told.phone("030 123456", None) is None
    assert told.phone("0049 30 123456", "US") == "+4930123456"
    assert told.phone("Ana", "DE") is None


def test_letters_without_accents() -> None:
    assert told.letters("  Ána O’Neill-Straße 3 ") == "anaoneillstrasse3"
