"""Days for an answer, against a calendar that is walked day by day and shares no code with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.errors import UsageError
from kept.terms import clocks
from kept.terms.clock_rules import PAUSES, RULES
from kept.terms.clocks import Light, applying, due, earliest, light, where
from kept.terms.rights import RIGHTS
from kept.terms.workdays import Workdays

DAY = dt.timedelta(days=1)
BY_ID = {rule.id: rule for rule in RULES}
#: Two years of days on which something can arrive, one of them before a leap year.
STARTS = [dt.date(2026, 1, 1) + DAY * n for n in range(730)]

# Public holidays that fall on a working day, typed from the governments' own lists.
FREE = {
    ("GB", "ENG"): """
        2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31 2026-12-25 2026-12-28
        2027-01-01 2027-03-26 2027-03-29 2027-05-03 2027-05-31 2027-08-30 2027-12-27 2027-12-28
        2028-01-03""",
    ("US", None): """
        2026-01-01 2026-01-19 2026-02-16 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-10-12
        2026-11-11 2026-11-26 2026-12-25 2027-01-01 2027-01-18 2027-02-15 2027-05-31 2027-06-18
        2027-07-05 2027-09-06 2027-10-11 2027-11-11 2027-11-25 2027-12-24 2027-12-31 2028-01-17
        2028-02-21""",
    ("DE", None): """
        2026-01-01 2026-04-03 2026-04-06 2026-05-01 2026-05-14 2026-05-25 2026-12-25
        2027-01-01 2027-03-26 2027-03-29 2027-05-06 2027-05-17""",
    (None, None): "",
}  # fmt: skip

# Rule → (first period, with the extension, does its end roll on): m months, d days, w working days.
ORACLE = {
    "eea": ("1m", "3m", True),
    "uk-2019": ("1m", "3m", True),
    "uk-2026": ("1m", "3m", True),
    "uk-complaint": ("30d", None, False),
    "us-ca": ("45d", "90d", False),
    "us-ca-opt-out": ("15w", None, False),
    "us-va": ("45d", "90d", False),
    "br": ("15d", None, False),
    "ch": ("30d", None, False),
    "ca": ("30d", None, False),
    "marketing": ("0d", None, False),
}


def _free(place: tuple[str | None, str | None]) -> Callable[[dt.date], bool]:
    listed = {dt.date.fromisoformat(text) for text in FREE[place].split()}
    return lambda day: day.isoweekday() in (6, 7) or day in listed


def _walk(start: dt.date, length: str, rolls: bool, free: Callable[[dt.date], bool]) -> dt.date:
    """Where one arrives who walks through the calendar day by day."""
    day, steps, unit = start, int(length[:-1]), length[-1]
    if unit == "m":
        while steps:
            day += DAY
            if day.day == 1:
                steps -= 1
        while day.day != start.day and (day + DAY).month == day.month:
            day += DAY
    while unit != "m" and steps:
        day += DAY
        if unit == "d" or not free(day):
            steps -= 1
    while rolls and free(day):
        day += DAY
    return day


@pytest.mark.parametrize("place", sorted(FREE, key=str))
def test_every_start_of_two_years_ends_where_a_walk_through_the_calendar_ends(
    place: tuple[str | None, str | None],
) -> None:
    days, free = Workdays.at(*place), _free(place)
    assert ORACLE.keys() == BY_ID.keys()
    for id_, (first, longer, rolls) in ORACLE.items():
        rule = BY_ID[id_]
        assert (rule.extension is None) == (longer is None)
        for start in STARTS:
            assert due(rule, start, days).day == _walk(start, first, rolls, free), (id_, start)
            if longer is not None:
                met = due(rule, start, days, extended=True).day
                assert met == _walk(start, longer, rolls, free), (id_, start)


def test_thirty_days_are_no_month() -> None:
    months = [_walk(start, "1m", False, lambda _: False) for start in STARTS]
    assert sum(start + 30 * DAY > end for start, end in zip(STARTS, months, strict=True)) == 60


@pytest.mark.parametrize(
    ("start", "place", "end"),
    [
        ("2027-03-05", None, "2027-04-05"),
        ("2026-08-31", None, "2026-09-30"),
        ("2026-01-31", None, "2026-03-02"),  # 28 February is a Saturday
        ("2026-03-05", "DE", "2026-04-07"),  # Easter
        ("2026-11-25", "GB", "2026-12-29"),  # Christmas, then a weekend, then a day in lieu
        ("2026-11-28", "CY", "2026-12-28"),
        ("2027-01-29", None, "2027-03-01"),  # 28 February is a Sunday
        ("2028-01-29", None, "2028-02-29"),
        ("2028-01-31", None, "2028-02-29"),
        ("2028-02-29", None, "2028-03-29"),
    ],
)
def test_a_month_as_one_counts_it_by_hand(start: str, place: str | None, end: str) -> None:
    met = due(BY_ID["eea"], dt.date.fromisoformat(start), Workdays.at(place))
    assert met.day.isoformat() == end


def test_what_was_skipped_is_said() -> None:
    met = due(BY_ID["eea"], dt.date(2026, 11, 25), Workdays.at("GB", "ENG"))
    assert [day.isoformat() for day, _ in met.skipped][:1] == ["2026-12-25"]
    assert met.skipped[0][1] == "Christmas Day"
    met = due(BY_ID["us-ca-opt-out"], dt.date(2026, 11, 20), Workdays.at("US"))
    assert [day.isoformat() for day, _ in met.skipped] == ["2026-11-26"]


def test_weekends_are_those_of_the_place() -> None:
    friday, sunday = dt.date(2026, 11, 27), dt.date(2026, 11, 29)
    for country, works in (("IL", (False, True)), ("DE", (True, False)), (None, (True, False))):
        days = Workdays.at(country)
        assert (days.works(friday), days.works(sunday)) == works, country


def test_a_clock_that_stood_still_ends_as_many_days_later() -> None:
    days = Workdays.at("GB", "ENG")
    assert due(BY_ID["uk-2026"], dt.date(2026, 6, 1), days).day == dt.date(2026, 7, 1)
    assert due(BY_ID["uk-2026"], dt.date(2026, 6, 1), days, paused=5).day == dt.date(2026, 7, 6)
    # What then is a weekend ends on the next working day.
    assert due(BY_ID["uk-2026"], dt.date(2026, 6, 1), days, paused=3).day == dt.date(2026, 7, 6)


def test_no_extension_where_the_rule_has_none() -> None:
    with pytest.raises(UsageError, match="no extension"):
        due(BY_ID["br"], STARTS[0], Workdays(), extended=True)


@pytest.mark.parametrize("right", sorted(RIGHTS))
def test_of_whom_nobody_knows_where_she_is_the_strictest_holds(right: str) -> None:
    days = Workdays.at("CY")
    for start in STARTS[::7]:
        first = earliest(applying("unknown", right, None, start), start, days).day
        for region in clocks.WHERE:
            for rule in applying(region, right, None, start):
                assert first <= due(rule, start, days).day


def test_which_rule_applies() -> None:
    on = dt.date(2026, 11, 23)

    def ids(region: str, right: str, matter: str | None = None, day: dt.date = on) -> list[str]:
        return [rule.id for rule in applying(region, right, matter, day)]

    assert ids("EEA", "erasure") == ids("other", "erasure") == ids("US", "erasure") == ["eea"]
    assert ids("US-CA", "erasure") == ["us-ca"]
    assert ids("US-CA", "objection") == ["us-ca-opt-out"]
    # A right that its law does not know is served as everywhere.
    assert ids("US-CA", "withdrawal") == ["eea"]
    assert ids("BR", "access") == ["br"]
    assert ids("CA", "access") == ["ca"]
    assert ids("UK", "complaint") == ids("EEA", "complaint") == ["uk-complaint"]
    for region in clocks.WHERE:
        assert ids(region, "objection", "marketing") == ["marketing"]
    # One row ends where the next begins.
    assert ids("UK", "access", day=dt.date(2026, 2, 5)) == ["uk-2019"]
    assert ids("UK", "access", day=dt.date(2026, 2, 6)) == ["uk-2026"]


def test_every_row_says_whence_it_is_and_what_of_it_is_not_certain() -> None:
    assert len({rule.id for rule in RULES}) == len({rule.version for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.source
        assert rule.checked <= dt.date(2026, 11, 30)
        assert set(rule.pauses) <= set(PAUSES)
        assert {what.partition(":")[0] for what in rule.of} <= set(RIGHTS)
        for length in (rule.answer, rule.extension):
            first = rule.answer or rule.confirm
            assert length is None or first is None or length.unit == first.unit
    unsure = {rule.id for rule in RULES if not rule.sure}
    assert {"eea", "us-ca", "us-ca-opt-out", "us-va", "br", "ch", "ca"} <= unsure


def test_a_row_that_says_something_else_is_another_version() -> None:
    import dataclasses

    rule = BY_ID["ch"]
    other = dataclasses.replace(rule, source="FADP Art. 25")
    assert other.version != rule.version == dataclasses.replace(rule).version


@pytest.mark.parametrize(
    ("text", "region"),
    [("DE", "EEA"), ("el", "EEA"), ("GB", "UK"), ("uk", "UK"), ("us-ca", "US-CA"), ("BR", "BR"),
     ("CA", "CA"), ("US-TX", "US"), ("JP", "other"), ("unknown", "unknown"), ("EEA", "EEA")],
)  # fmt: skip
def test_where_somebody_is(text: str, region: str) -> None:
    assert where(text) == region


@pytest.mark.parametrize("text", ["", "Germany", "D", "California", "US_CA", "ZZ", "DE-"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(UsageError, match="neither a region nor a country"):
        where(text)


def test_places_without_a_calendar() -> None:
    for country, part in (("XX", None), ("DE", "ZZ"), ("Cyprus", None)):
        with pytest.raises(UsageError):
            Workdays.at(country, part)
    assert Workdays.at(None).calendar == "weekends"
    assert Workdays.at("US", "VA").place == "US-VA"


@given(st.sampled_from(STARTS), st.integers(-20, 60), st.sampled_from(sorted(FREE, key=str)))
def test_a_light_counts_the_working_days_that_are_left(
    day: dt.date, ahead: int, place: tuple[str | None, str | None]
) -> None:
    last = day + DAY * ahead
    left, at, free = 0, day, _free(place)
    while at < last:
        at += DAY
        left += not free(at)
    expected = Light.RED if left <= 3 else Light.AMBER if left <= 7 else Light.GREEN
    assert light(day, last, Workdays.at(*place)) is (Light.OVERDUE if ahead < 0 else expected)


@given(st.sampled_from(STARTS), st.sampled_from([r for r in RULES if r.answer]))
def test_a_light_only_ever_darkens(start: dt.date, rule: clocks.Rule) -> None:
    days = Workdays.at("DE")
    last = due(rule, start, days).day
    order = [Light.GREEN, Light.AMBER, Light.RED, Light.OVERDUE]
    met = [order.index(light(start + DAY * n, last, days)) for n in range(60)]
    assert met == sorted(met)


@pytest.mark.parametrize(
    ("text", "region"),
    [("DE", "EEA"), ("br", "other"), ("CA", "other"), ("US-CA", "US-CA"), ("unknown", "unknown")],
)
def test_the_rules_of_a_policy_hold_where_a_clock_has_somebody(text: str, region: str) -> None:
    assert clocks.rules_at(text) == region
    with pytest.raises(UsageError, match="neither a region nor a country"):
        clocks.rules_at("Atlantis")
