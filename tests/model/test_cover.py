"""Others in a text are covered, she is not, and what is nobody's stays."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.model.cover import Cover

HERS = [("email", "ana@example.org"), ("phone", "+49 30 123456"), ("name", "Ana O'Neill"),
        ("account", "4155550132")]  # fmt: skip
STAFF = [
    ("name", "Jane Peacock"), ("name", "Kim"), ("email", "jane@company.example"),
    ("name", "José M. García"), ("name", "Ana O'Neill"), ("phone", "+49 30 901820"),
]  # fmt: skip
COVER = Cover.of(HERS, STAFF, ["info@company.example"], ["DE", "US"])
MAIL, PHONE, AGENT = (
    "[another person's e-mail address]",
    "[another person's telephone number]",
    "[a member of staff]",
)


@pytest.mark.parametrize(
    ("text", "shown", "staff", "people"),
    [
        ("Ask ben@example.org or <Cleo@Example.ORG>.", f"Ask {MAIL} or <{MAIL}>.", 0, 2),
        ("'ben@example.org'; mailto:b.c+d@ελιά.example!", f"'{MAIL}'; mailto:{MAIL}!", 0, 2),
        ("I am ANA@example.org, (ana@EXAMPLE.org)", None, 0, 0),
        ("diana@example.org and ana@example.org.evil", f"{MAIL} and {MAIL}", 0, 2),
        ("Write to info@company.example", None, 0, 0),
        ("JANE@company.example", "[a member of staff's e-mail address]", 1, 0),
        ("Call 030 / 12 34 56 or +49 30 123456", None, 0, 0),
        ("Call +49\u202f30\u202f123\u2009456 or +49\u201330\u2013123\u2007456", None, 0, 0),
        ("Call +49\u200530\u2005231\u200a25\u205f555, home", f"Call {PHONE}, home", 0, 1),
        ("Call +49\u201330\u2013231\u202f25\u202f555, home", f"Call {PHONE}, home", 0, 1),
        ("Call (030) 23125555, home", f"Call {PHONE}, home", 0, 1),
        ("mine (+49 30 901820)", "mine ([a member of staff's telephone number])", 1, 0),
        ("customer 4155550132", None, 0, 0),
        ("Order 2024-01-02 10:11, 17 items, 1.234,50", None, 0, 0),
        ("Dear jane  PEACOCK, dear Peacock, Jane.", f"Dear {AGENT}, dear {AGENT}.", 2, 0),
        ("Jane. Peacock feathers; Kim; peacock", None, 0, 0),
        ("Thanks, José M García", f"Thanks, {AGENT}", 1, 0),
        ("Jos\u0065\u0301 M. García wrote", f"{AGENT} wrote", 1, 0),
        # A namesake on the staff is not told from her: what is hers is never covered.
        ("Yours, Ana O'Neill", None, 0, 0),
        ("@ a@ @b a@b", None, 0, 0),
    ],
)
def test_others_are_covered_and_she_is_not(
    text: str, shown: str | None, staff: int, people: int
) -> None:
    covered, met = COVER.text(text)
    assert covered == (shown if shown is not None else text)
    assert (met["staff"], met["person"]) == (staff, people)
    # Once covered, there is nothing left to cover.
    assert COVER.text(covered) == (covered, Counter())


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab @.+-()0123456789\n", max_size=60))
def test_any_text_is_covered_once(text: str) -> None:
    covered, met = COVER.text(text)
    assert covered.count("[another person's") == met["person"]
    assert (covered == text) == (met.total() == 0)


def test_long_texts_take_time_in_proportion() -> None:
    for text in ("a" * 200_000, "a@" * 50_000, "Jane " * 40_000, "1 " * 5_000):
        begun = time.perf_counter()
        COVER.text(text)
        assert time.perf_counter() - begun < 10


def test_whose_a_value_is() -> None:
    assert COVER.is_hers("email", "Ana@Example.org")
    assert COVER.is_hers(None, "ANA o'neill")
    assert COVER.is_hers("phone", "030 123456")
    assert not COVER.is_hers(None, "4155550132")
    assert not COVER.is_hers(None, "Ben")
