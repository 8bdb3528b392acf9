"""What a pass of a scan may meet, judged without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kept.decide import scan
from kept.decide.scan import Item, Stop
from kept.policy.bundle import load

POLICIES = Path(__file__).parents[2] / "policies"
BUNDLE = load(POLICIES / "interop.io")
GA = Item("host", "www.google-analytics.com", "asked", "/", "script", "script", party="third")


def words(stop: Stop, *items: Item) -> list[str]:
    return [why for _, why in scan.amiss(BUNDLE, stop, items)]


@pytest.mark.parametrize("name", ["interop.io", "huettenbund"])
def test_every_choice_and_a_country_for_each_rule(name: str) -> None:
    bundle = load(POLICIES / name)
    choices = scan.choices(bundle)
    assert choices[0] == "none"
    assert set(bundle.visits.optional) <= set(choices)
    rules = {
        tuple(sorted(scan.visit(bundle, Stop("none", False, c)).allowed))
        for c in ("DE", "GB", "CH", "US", "US-CA", "US-VA", "BR", "")
    }
    found = {
        tuple(sorted(scan.visit(bundle, Stop("none", False, c)).allowed))
        for c in scan.countries(bundle)
    }
    assert found == rules


def test_what_is_declared_is_asked_only_where_it_may() -> None:
    assert words(Stop("all", False, "DE"), GA) == []
    assert words(Stop("analyse", True, "DE"), GA) == []
    assert words(Stop("none", False, "US"), GA) == []
    for stop in (Stop("none", False, "DE"), Stop("none", False, ""), Stop("refused", False, "US"),
                 Stop("advertise", False, "US")):  # fmt: skip
        assert len(words(stop, GA)) == 1, stop
    refused = Item("host", GA.name, "refused", "/", "script")
    assert words(Stop("none", False, "DE"), refused) == []


def test_a_button_waits_for_a_yes_everywhere() -> None:
    like = Item("host", "www.facebook.com", "asked", "/", "frame")
    assert words(Stop("social", False, "US"), like) == []
    assert len(words(Stop("none", False, "US"), like)) == 1


def test_what_stands_on_no_list() -> None:
    stranger = Item("host", "stranger.example", "asked", "/", "img")
    assert words(Stop("all", False, "DE"), stranger) == ["host that stands on no list"]
    # Declared for scripts is not declared for frames.
    frame = Item("host", "www.google-analytics.com", "asked", "/", "frame")
    assert words(Stop("all", False, "DE"), frame) == ["host that stands on no list"]
    local = Item("local-storage", "_ga", "left", "/")
    assert len(words(Stop("all", False, "DE"), local)) == 1


def test_a_cookie_lasts_as_declared() -> None:
    ga = Item("cookie", "_ga_ABC", "left", "/", days=730)
    assert words(Stop("all", False, "DE"), ga) == []
    longer = Item("cookie", "_ga_ABC", "left", "/", days=900)
    assert "longer than declared" in words(Stop("all", False, "DE"), longer)[0]
    assert "refused" in words(Stop("refused", False, "US"), ga)[0]
    session = Item("cookie", "kept", "left", "/", days=30)
    assert "longer" in words(Stop("none", False, "DE"), session)[0]
    own = Item("cookie", "kept-choices", "left", "/", days=180)
    assert words(Stop("refused", False, "DE"), own) == []


def test_unseen_and_new() -> None:
    stranger = Item("host", "stranger.example", "refused", "/a", "img")
    unseen = scan.unseen(BUNDLE, [GA, stranger])
    assert "google-analytics" not in unseen
    assert "bing-ads" in unseen
    [sighting] = scan.new(BUNDLE, [GA, stranger, stranger])
    assert (sighting.name, sighting.directive) == ("stranger.example", "img-src")
    rows = yaml.safe_load(scan.draft(BUNDLE, [GA, stranger, Item("cookie", "x*", "left", "/")]))
    assert [row["id"] for row in rows] == ["stranger-example", "x"]
    assert rows[0]["hosts"] == {"img": ["stranger.example"]}
    assert all(row["purposes"] == [] for row in rows)


@given(st.text("0123456789abcdef", min_size=6, max_size=30))
def test_no_number_of_somebody_is_shown(number: str) -> None:
    item = scan.shown(BUNDLE, Item("cookie", f"who_{number}", "left", "/"))
    assert item.name == "who_*"
    host = scan.shown(BUNDLE, Item("host", f"{number}0000.t.example", "asked", "/"))
    assert host.name == "*.t.example"
