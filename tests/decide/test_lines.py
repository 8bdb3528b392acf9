"""Lines of a list, judged without any world: ages, days, proofs, origins, what is left out."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.world import NOW, REFERENCE, ROOT

from kept.decide.lines import Amiss, Judge, Line, Reading
from kept.decide.use import Rules
from kept.errors import UsageError
from kept.model.decision import Facts
from kept.policy import bundle as reading
from kept.stores.lists import FORMULA
from kept.terms import ages, regimes

POLICY = reading.load(REFERENCE)
LEADS = POLICY.imports["partner-leads"]
HEAD = ["email", "event", "agreed", "agreed_on", "agreed_to", "agreed_at"]
GOOD = ["lea@example.org", "Fair", "yes", "2026-11-02", "version 3", "https://fair.example"]


def line(*more: tuple[str, str], now: dt.datetime = NOW, **cells: str) -> Line:
    """A good line, with other cells and with columns more."""
    values = [cells.get(name, value) for name, value in zip(HEAD, GOOD, strict=True)]
    head = [*HEAD, *(name for name, _ in more)]
    return Reading(POLICY, LEADS, head, now).line(7, [*values, *(value for _, value in more)])


def known(*facts: str) -> Facts:
    return Facts(frozenset(facts))


JUDGE = Judge(POLICY, Rules.of(POLICY), LEADS)


def test_a_good_line_is_taken_on_the_consent_that_is_proved() -> None:
    good = line()
    assert (good.why, good.people[0].normalised) == (None, "lea@example.org")
    made = JUDGE(good, Facts())
    assert (made.taken, made.decision.basis) == (True, "consent")
    assert [c.purpose for c in made.consents] == ["marketing.email"]


@pytest.mark.parametrize("region", regimes.REGIONS)
@pytest.mark.parametrize("name", ["birth_date", "Date of Birth", "Geburtsdatum", "dateOfBirth"])
def test_one_day_short_is_refused_and_the_birthday_itself_is_not(region: str, name: str) -> None:
    country = {"EEA": "DE", "UK": "GB", "CH": "CH", "US": "US", "other": "JP"}.get(region, "")
    lives = regimes.region_of(country) if country else "unknown"
    birthday = regimes.add_months(ages.today_in(lives, NOW), -12 * (POLICY.minimum_age or 0))
    for late, why in ((1, Amiss.AGE), (0, None)):
        born = (birthday + dt.timedelta(days=late)).isoformat()
        made = line((name, born), ("country", country))
        assert made.why is why
        assert bool(made.values) is (why is None)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("14", Amiss.AGE), ("15 years", Amiss.AGE), ("16", None), ("", None), ("2012", Amiss.AGE),
        ("06/11/12", Amiss.AGE), ("40123", Amiss.UNCLEAR), ("young", Amiss.UNCLEAR),
        (FORMULA, Amiss.UNCLEAR), ("3/4/2000", None),
    ],
)  # fmt: skip
def test_an_age_that_cannot_be_read_is_no_sign_that_she_is_old_enough(
    said: str, why: Amiss | None
) -> None:
    assert line(("Age", said)).why is why


def test_a_day_and_a_month_of_their_own_are_no_ages() -> None:
    made = line(("birth_day", "3"), ("birth_month", "11"), ("birth_year", "1990"))
    assert made.why is None
    assert line(("birth_day", "3"), ("birth_year", "2012")).why is Amiss.AGE


def test_an_age_comes_before_whatever_else_is_amiss_and_leaves_no_value() -> None:
    made = line(("age", "12"), email="no address", event="")
    assert (made.why, made.values, made.people) == (Amiss.AGE, {}, ())


def test_words_that_sound_like_a_child_are_a_doubt() -> None:
    assert line(("note", "I am 14, may I come?")).doubt == ("note",)
    assert line(("note", "she turned sixteen. We met 14 people")).doubt == ()


def test_a_policy_without_a_minimum_age_asks_no_age() -> None:
    free = dataclasses.replace(POLICY, minimum_age=None)
    made = Reading(free, LEADS, [*HEAD, "age"], NOW).line(2, [*GOOD, "12"])
    assert made.why is None


@pytest.mark.parametrize(
    ("cells", "why", "column"),
    [
        ({"email": ""}, Amiss.MISSING, "email"),
        ({"event": ""}, Amiss.MISSING, "event"),
        ({"email": "lea"}, Amiss.MALFORMED, "email"),
        ({"email": "lea@example.org\x00"}, Amiss.UNREADABLE, "email"),
        ({"event": "x" * 301}, Amiss.LONG, "event"),
        ({"event": "=HYPERLINK(1)"}, Amiss.FORMULA, "event"),
        ({"event": "@SUM(1)"}, Amiss.FORMULA, "event"),
        ({"event": "-2+3+cmd|' /C calc'!A0"}, Amiss.FORMULA, "event"),
        ({"event": FORMULA}, Amiss.FORMULA, "event"),
        ({"event": "caf\udce9"}, Amiss.UNREADABLE, "event"),
    ],
)
def test_a_line_is_refused_with_its_column(cells: dict[str, str], why: Amiss, column: str) -> None:
    made = line(**cells)
    assert (made.why, made.column) == (why, column)


@pytest.mark.parametrize("said", ["- 3 seats", "@lea", "-5", "+49 (30) 12-34", "- see (1)"])
def test_what_only_begins_like_a_formula_is_taken(said: str) -> None:
    assert line(event=said).values["event"] == said


@pytest.mark.parametrize(
    ("order", "said", "day"),
    [
        ("day-month-year", "03.04.2024", "2024-04-03"),
        ("month-day-year", "03/04/2024", "2024-03-04"),
        ("year-month-day", "2024/3/4", "2024-03-04"),
        ("day-month-year", "2024-03-04", "2024-03-04"),
        ("day-month-year", "03.04.24", None),
        ("year-month-day", "24-03-04", None),
        ("month-day-year", "31/01/2024", None),
        ("day-month-year", "45231", None),
        ("year-month-day", "2023-02-29", None),
        ("day-month-year", "3.4.2024 ", "2024-04-03"),
    ],
)
def test_days_are_read_as_declared_and_never_guessed(
    order: str, said: str, day: str | None
) -> None:
    columns = dict(LEADS.columns)
    columns["agreed_on"] = dataclasses.replace(columns["agreed_on"], order=order)
    one = dataclasses.replace(LEADS, columns=columns)
    values = [said.strip() if n == "agreed_on" else v for n, v in zip(HEAD, GOOD, strict=True)]
    made = Reading(POLICY, one, HEAD, NOW).line(2, values)
    assert made.why is (None if day else Amiss.MALFORMED)
    if day:
        assert made.values["agreed_on"] == day


@pytest.mark.parametrize(
    "cells",
    [{"agreed_on": ""}, {"agreed_to": ""}, {"agreed_at": ""}, {"agreed_on": "2026-11-25"}],
    ids=["when", "words", "where", "tomorrow"],
)
def test_a_consent_without_its_proof_is_none(cells: dict[str, str]) -> None:
    made = line(**cells)
    assert made.unproven
    assert "agreed" not in made.values
    assert not JUDGE(made, Facts()).taken


def test_no_proof_helps_against_what_she_said_herself() -> None:
    for fact in ("withdrawn:marketing.email", "objection:marketing.email", "suppressed:email",
                 "suppressed", "restricted", "child", "erased", "isolated"):  # fmt: skip
        assert not JUDGE(line(), known(fact)).taken, fact


def test_whoever_was_erased_comes_back_by_no_import_whatever_it_is_for() -> None:
    facts = POLICY.imports["provider-facts"]
    made = Reading(POLICY, facts, ["email", "job_title"], NOW).line(2, ["a@example.org", "Head"])
    judge = Judge(POLICY, Rules.of(POLICY), facts)
    assessed = "assessment:facts-from-providers"
    assert judge(made, known(assessed)).taken
    assert judge(made, known(assessed, "suppressed")).taken  # it is no message
    assert not judge(made, known(assessed, "erased")).taken
    assert not judge(made, known(assessed, "objection:enrichment")).taken


def test_each_fact_of_the_public_web_says_where_it_stood() -> None:
    one = POLICY.imports["public-facts"]
    head = ["email", "fact", "site", "address", "seen_on"]
    good = ["a@example.org", "Speaker", "Fair", "https://fair.example/1", "2026-11-01"]
    reader = Reading(POLICY, one, head, NOW)
    made = reader.line(2, good)
    assert (made.why, reader.origin(made)) == (
        None, {"source": "Fair", "address": "https://fair.example/1", "date": "2026-11-01"},
    )  # fmt: skip
    for at in (2, 3, 4):
        lacks = [*good[:at], "", *good[at + 1 :]]
        assert reader.line(3, lacks).why is Amiss.ORIGIN


def test_columns_are_known_by_their_other_names_and_the_rest_is_named() -> None:
    reader = Reading(POLICY, LEADS, ["E-Mail  address", "CAMPAIGN", "Score", "Owner"], NOW)
    made = reader.line(2, ["a@example.org", "Fair", "9", "Jo"])
    assert made.values == {"email": "a@example.org", "event": "Fair"}
    assert reader.left_out() == ("Score", "Owner")


def test_a_list_without_what_is_needed_or_with_it_twice_is_none() -> None:
    with pytest.raises(UsageError, match="no column `event`"):
        Reading(POLICY, LEADS, ["email"], NOW)
    with pytest.raises(UsageError, match="`email` stands in the list twice"):
        Reading(POLICY, LEADS, ["email", "E-mail", "event"], NOW)


def test_the_second_bundle_is_read_by_the_same_rules() -> None:
    policy = reading.load(ROOT / "policies" / "huettenbund")
    one = policy.imports["section-joins"]
    head = ["Mitgliedsnummer", "Name", "E-Mail", "Geburtsdatum", "Land"]
    made = Reading(policy, one, head, NOW).line(
        2, ["4711", "Seraina", "s@example.org", "03.04.2014", "ch"]
    )
    # Children of members are members: this policy has no minimum age.
    assert (made.why, made.values["born"], made.region) == (None, "2014-04-03", "CH")
    assert [i.kind for i in made.people] == ["account", "email"]
    assert Judge(policy, Rules.of(policy), one)(made, Facts()).decision.basis == "contract"


@given(st.lists(st.text(max_size=40), min_size=len(HEAD), max_size=len(HEAD)))
def test_nothing_that_is_taken_is_more_than_was_declared(cells: list[str]) -> None:
    made = Reading(POLICY, LEADS, HEAD, NOW).line(2, cells)
    assert set(made.values) <= set(LEADS.columns)
    if made.why is None:
        assert made.people
