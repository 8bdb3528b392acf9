"""The directory of authorities: whole, sourced and dated, and honest about what it rests on."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from kept.terms import authorities
from kept.terms.authorities import BY, authority_of, directory, of_country
from kept.terms.regimes import EEA

#: Counted by hand: every country that the policy speaks of.
WANTED = EEA | {"CH", "GB", "US", "CA"}


def test_every_country_has_one_that_is_there_for_everybody() -> None:
    assert set(authorities.countries()) == WANTED
    for country in WANTED:
        assert any(a.covers is None and a.part is None for a in of_country(country)), country


def test_every_row_has_a_source_and_a_day_and_a_way_to_reach_it() -> None:
    assert len(directory()) > 55
    assert len({a.id for a in directory()}) == len(directory())
    for one in directory():
        assert one.sources, one.id
        assert all(re.match(r"https?://[\w.-]+/?", s) for s in one.sources), one.id
        assert dt.date(2026, 1, 1) <= one.checked_on <= dt.date(2026, 12, 31), one.id
        assert one.by in BY, one.id
        assert one.form or one.email or one.phone or one.address, one.id
        assert one.email is None or re.fullmatch(r"[\w.+-]+@[\w.-]+\.\w+", one.email), one.id
        assert one.phone is None or re.fullmatch(r"\+\d[\d ]+", one.phone), one.id
        assert one.place.startswith(authorities.countries()[one.country])
        assert all(authorities.language(code) != code for code in one.languages), one.id
    # What was carried over from a list is not said to be confirmed.
    assert {a.confirmed for a in directory() if a.country in EEA} == {False}


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        ({"country": "FR"}, {"frcnil"}),
        ({"country": "fr "}, {"frcnil"}),
        ({"country": "UK"}, {"gbico"}),
        ({"country": "EL"}, {"grdpa"}),
        ({"country": "CY"}, {"cydp"}),
        ({"country": "CH"}, {"chedoeb"}),
        ({"country": "CA"}, {"caopc"}),
        ({"country": "DE"}, {"debfdi"}),
        ({"country": "DE", "subdivision": "DE-BE"}, {"deberlbdi"}),
        ({"country": "DE", "subdivision": "by"}, {"debaylda"}),
        ({"country": "US"}, {"usftc"}),
        ({"country": "US", "subdivision": "CA"}, {"uscalprivacy", "uscaag"}),
        ({"country": "US", "subdivision": "US-VA"}, {"usvaag"}),
        ({"country": "US", "subdivision": "NY"}, {"usftc"}),
        ({"country": None, "region": "UK"}, {"gbico"}),
        ({"country": None, "region": "US-CA"}, {"uscalprivacy", "uscaag"}),
    ],
)
def test_who_lives_there_is_pointed_there(asked: dict[str, str], met: set[str]) -> None:
    choice = authority_of(**asked, lead="AT")
    assert {a.id for a in choice.authorities} == met
    assert choice.certain


def test_an_unknown_country_falls_back_and_says_so() -> None:
    for country in (None, "", "BR", "XX", "nowhere"):
        choice = authority_of(country, region="EEA", lead="CH")
        assert ([a.id for a in choice.authorities], choice.certain) == (["chedoeb"], False)
        assert authority_of(country, lead="BR") == authorities.Choice((), False)


def test_churches_and_broadcasters_are_for_nobody_else() -> None:
    certain = [a for a in of_country("DE") if a.covers]
    assert len(certain) > 5
    pointed = {a for part in authorities.parts() for a in authority_of("DE", part).authorities}
    assert pointed.isdisjoint(certain)
