"""Lists of others: every trap of theirs, and that nothing in them allows anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.decide import known
from kept.decide.known import Known
from kept.errors import UsageError

HEAD = (
    "ID,Platform,Category,Cookie / Data Key name,Domain,Description,Retention period,"
    "Data Controller,User Privacy & GDPR Rights Portals,Wildcard match\n"
)
CSV = HEAD + (
    '1,Counter,Analytics,_cnt,,"Counts, and more",2 years,Counter,,0\n'
    "2,Counter,Analytics,_cnt_,,,1 Year,Counter,,1\n"
    "3,Counter,Marketing,_cnt_ads_,,,12 months,Counter,,1\n"
    "4,Short,Marketing,_s,.short.example (3rd party),,session,Short,,1\n"
    "5,One,Functional,token,one.example,,forever,One,,0\n"
    "6,Two,Marketing,token,,,365 days,Two,,0\n"
    "7,Star,Security,STAR_*,,,30 minutes,Star,,0\n"
    "8,Odd,Marketing,pagead/conv/%INTEGER%,,,,Odd,,0\n"
    "9,Need,Necessary,needed,,,Session,Need,,0\n"
)


def rows() -> list[Known]:
    kind, found, left = known.read("\ufeff" + CSV)
    assert (kind, left) == ("open-cookie-database", 1)
    return found


def likely(name: str, domain: str = "") -> tuple[str, str, bool] | None:
    met = known.suggest(rows(), name, domain)
    return None if met is None else (met.provider, met.likely, met.conflict)


def test_exact_before_prefix_and_the_longest_prefix_wins() -> None:
    assert likely("_cnt") == ("Counter", "analyse", False)
    assert likely("_cnt_12") == ("Counter", "analyse", False)
    assert likely("_cnt_ads_12") == ("Counter", "advertise", False)
    assert likely("STAR_9") == ("Star", "", False)
    assert likely("li_at") is None


def test_a_short_prefix_needs_its_domain() -> None:
    assert likely("_strange") is None
    assert likely("_strange", "elsewhere.example") is None
    assert likely("_strange", "www.short.example") == ("Short", "advertise", False)


def test_lists_that_do_not_agree_are_for_somebody_to_judge() -> None:
    assert likely("token") == ("One or Two", "", True)
    assert likely("token", "one.example") == ("One", "", False)


def test_functional_and_necessary_say_nothing_of_consent() -> None:
    assert {row.likely for row in rows()} == {"analyse", "advertise", ""}
    assert likely("needed") == ("Need", "", False)


@pytest.mark.parametrize(
    ("period", "days"),
    [("1 year", 365), ("1 Year", 365), ("12 months", 360), ("365 days", 365), ("session", 0),
     ("End of session (browser)", 0), ("30 minutes", 0), ("Unknown", None), ("forever", None),
     ("", None)],
)  # fmt: skip
def test_lengths_of_time_in_words(period: str, days: int | None) -> None:
    assert known.days(period) == days


def test_rules_that_name_a_host_and_no_others() -> None:
    text = (
        "[Adblock Plus 2.0]\n! a comment\n||ads.example^\n||T.Example^$third-party,script\n"
        "@@||good.example^\n/banner/*\n||ads.example/path\n##.ad\n||x.example^$domain=y.example\n"
    )
    kind, found, left = known.read(text)
    assert (kind, [row.name for row in found], left) == (
        "filter-list", ["ads.example", "t.example"], 5,
    )  # fmt: skip
    assert known.suggest(found, "a.ads.example") is not None
    assert known.suggest(found, "bads.example") is None
    assert known.suggest(found, "example") is None


@given(st.text(max_size=300))
def test_whatever_a_file_says_is_read_or_refused(text: str) -> None:
    for given_ in (text, HEAD + text, "[Adblock]\n" + text):
        try:
            _, found, left = known.read(given_)
        except UsageError:
            continue
        assert left >= 0
        assert all(row.name for row in found)
        assert {row.likely for row in found} <= {"", "advertise", "analyse", "personalise"}
