"""How old somebody says she is: to the day, in her region's day, and never guessed."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.terms.ages import asks_age, tells_of_younger, today_in, told, under
from kept.terms.regimes import REGIONS, add_months

TODAY = dt.date(2026, 11, 23)


@pytest.mark.parametrize(
    "name",
    ["age", "Age", "your_age", "birth_date", "birthDate", "dob", "date-of-birth", "BIRTHDAY",
     "geburtsdatum", "Alter", "child.age", "year_of_birth", "bornOn"],
)  # fmt: skip
def test_names_that_ask_it(name: str) -> None:
    assert asks_age(name)


@pytest.mark.parametrize("name", ["page", "message", "usage", "manager", "stage", "language",
                                  "newborn_product", "average", "village", "company"])  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    assert not asks_age(name)


def test_one_day_short_of_it_and_on_the_day_itself() -> None:
    assert under("2010-11-24", 16, TODAY) is True
    assert under("2010-11-23", 16, TODAY) is False
    assert under("24.11.2010", 16, TODAY) is True
    assert under("23.11.2010", 16, TODAY) is False
    # Born on a leap day: where there is none, she is older once 28 February is over.
    assert under("2012-02-29", 16, dt.date(2028, 2, 28)) is True
    assert under("2012-02-29", 16, dt.date(2028, 2, 29)) is False
    assert under("2012-02-29", 15, dt.date(2027, 2, 28)) is True
    assert under("2012-02-29", 15, dt.date(2027, 3, 1)) is False
    # Of a year alone, who may still be younger is; of day and month exchanged, the later day.
    assert (under("2010", 16, TODAY), under("2009", 16, TODAY)) == (True, False)
    assert under("11/12/2010", 16, TODAY) is True
    assert (under("15", 16, TODAY), under("16", 16, TODAY)) == (True, False)
    assert (under("15 years old", 16, TODAY), under("16 Jahre", 16, TODAY)) == (True, False)


@pytest.mark.parametrize(
    "value",
    ["12 May 2015", "May 12th, 2015", "12. Mai 2015", "12-May-2015", "20150512", "2015-05",
     "05/2015", "12.05.15", "12/05/15", "2015\u201305\u201312", "\uff12\uff10\uff11\uff15-05-12",
     "2015 05 12", "2\u200b015", "nine", "<13",
     "under 13"],
)  # fmt: skip
def test_however_it_is_spelt(value: str) -> None:
    assert under(value, 16, TODAY) is True


def test_of_a_date_in_parts_only_the_year_says_something() -> None:
    parts = {"birth_day": "12", "birthMonth": "5", "birth_year": "1980"}
    assert [told(name, value, 16, TODAY) for name, value in parts.items()] == [None, None, False]
    assert (
        told("birth_year", "2015", 16, TODAY) is told("birth_day", "2015-05-12", 16, TODAY) is True
    )
    assert told("page", "12", 16, TODAY) is None


@pytest.mark.parametrize(
    "value",
    ["12.05.85", "12 May 1985", "12 Foo 2015", "2015-13", "1431388800", "under 30"],
)
def test_no_sign_of_it(value: str) -> None:
    assert not under(value, 16, TODAY)


@pytest.mark.parametrize(
    "value",
    ["", "old enough", "2026-13-40", "2999-01-01", "1850-01-01", "0x10", "15.5", "-3",
     "31.02.2012", "15; DROP TABLE"],
)  # fmt: skip
def test_what_cannot_be_read_says_nothing(value: str) -> None:
    assert under(value, 16, TODAY) is None


@given(st.dates(dt.date(1920, 1, 1), dt.date(2025, 12, 31)), st.integers(1, 21))
def test_the_birthday_divides_whatever_the_spelling(born: dt.date, years: int) -> None:
    birthday = add_months(born, 12 * years)
    birthday += dt.timedelta(days=born.day - birthday.day)  # of a leap day, where there is none
    for spelt in (born.isoformat(), f"{born:%d.%m.%Y}", f"{born:%Y/%m/%d}"):
        if birthday - dt.timedelta(days=1) >= born:
            assert under(spelt, years, birthday - dt.timedelta(days=1)) is True
        assert under(spelt, years, birthday) is False


@given(st.text(max_size=200), st.integers(1, 21))
def test_no_text_breaks_it(text: str, years: int) -> None:
    assert under(text, years, TODAY) in (True, False, None)
    assert tells_of_younger(text, years, TODAY) in (True, False)
    assert asks_age(text) in (True, False)


@pytest.mark.parametrize(
    "text",
    ["I am 14 years old.", "i'm 15 and I like it", "My daughter is here; she is 12.",
     "I turned 13 last week? No: my 13th birthday was fun", "I'm fifteen", "14yo here", "15 y/o",
     "Ich bin 14 Jahre alt", "ich bin erst vierzehn.", "Mein 15-jähriger Sohn",
     "my son is 9", "I am 12 - help", "age: 12", "I was born on 12 May 2015",
     "I am 12\u200b years old",
     "geboren am 3. März 2014", "I was born in 2012", "geboren am 3. 4. 2013",
     "a boy aged 9, says he"],
)  # fmt: skip
def test_texts_that_may_be_a_childs(text: str) -> None:
    assert tells_of_younger(text, 16, TODAY)


@pytest.mark.parametrize(
    "text",
    ["We have 14 seats.", "I am 34 years old.", "I am 14 days late.", "Our company is 16 years old",
     "Version 12 of 15 crashes", "I am 1,000 km away", "Ich bin 42 Jahre alt", "born in 1980",
     "my son is 30", "I was born on 12 May 1980", "Born March 1, 1999", "our product is 9",
     "Can I have 10 licences and 5 trials?", "It takes 15 minutes", "I am the 3rd to ask"],
)  # fmt: skip
def test_texts_that_are_not(text: str) -> None:
    assert not tells_of_younger(text, 16, TODAY)


def test_it_is_the_day_that_has_begun_everywhere_in_the_region() -> None:
    begun = dt.datetime(2026, 11, 23, 0, 30, tzinfo=dt.UTC)  # still the 22nd on the Azores
    assert today_in("EEA", begun) == today_in("unknown", begun) == dt.date(2026, 11, 22)
    assert today_in("UK", begun) == dt.date(2026, 11, 23)
    assert today_in("CH", dt.datetime(2026, 11, 22, 23, 30, tzinfo=dt.UTC)) == TODAY
    for region in REGIONS:
        assert today_in(region, dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)) >= TODAY
