"""The control over scans of the site: it passes, fails, and says so where nobody looked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final, LiteralString

import pytest

from kept import deployment
from kept.app import mail
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide import scan
from kept.decide.scan import Item, Stop
from kept.duties import trackers
from kept.duties.trackers import known, scanned
from kept.errors import UsageError
from tests.world import NOW, make

NAME: Final = "trackers.scans-find-what-is-declared"
OWN = Item("cookie", "kept-choices", "left", "/", "", "browser", "site.example", days=180)
GA = Item("host", "www.google-analytics.com", "asked", "/", "script", "script", party="third")
PLANTED = Item("local-storage", "visitor", "left", "/", whose="site.example")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("scans") / "world", kept_module_url)
    with Controller.open(deployment.read(directory)) as controller:
        yield controller


def outcome(controller: Controller, now: dt.datetime = NOW) -> tuple[Outcome, list[str]]:
    met = run(controller, registered(), now, names=[NAME])[0]
    return met.outcome, [f"{f.where} {f.words}" for f in met.findings]


def scanned_with(
    controller: Controller, more: Any = lambda stop: [], *, whole: bool = True, site: str = "a.test"
) -> None:
    """A scan of every visitor, in which `more` says what was met beside the site's own cookie."""
    bundle = controller.bundle
    passes = [
        {
            "choice": choice, "gpc": gpc, "country": country, "pages": 1,
            "region": scan.visit(bundle, Stop(choice, gpc, country)).region,
            "items": [asdict(i) for i in (OWN, *more(Stop(choice, gpc, country)))], "amiss": [],
        }
        for choice in scan.choices(bundle) for gpc in (False, True)
        for country in scan.countries(bundle)
    ]  # fmt: skip
    found = {"passes": passes, "pages": ["/"], "amiss": []}
    scanned.keep(controller, site, found, complete=whole, now=NOW)


def test_the_control_over_scans(world: Controller) -> None:
    assert outcome(world)[0] is Outcome.VACUOUS
    scanned_with(world, whole=False)
    assert outcome(world)[0] is Outcome.VACUOUS  # not every visitor was played
    allows = lambda stop: [GA] if "analyse" in scan.visit(world.bundle, stop).allowed else []  # noqa: E731
    scanned_with(world, allows)
    assert outcome(world) == (Outcome.PASS, [])
    # A tag that is declared, and runs after a no; what a scan said of itself does not count.
    scanned_with(world, lambda stop: [GA])
    met, found = outcome(world)
    assert met is Outcome.FAIL
    assert "google-analytics was met before a choice" in " ".join(found)
    assert "though it was refused" in " ".join(found)
    scanned_with(world, allows)
    assert outcome(world) == (Outcome.PASS, [])
    # Something planted, seen by one visitor alone, and in a scan that was not whole.
    scanned_with(world, lambda s: [PLANTED] if s.choice == "refused" else [], whole=False)
    met, found = outcome(world)
    assert (met, len(found)) == (Outcome.FAIL, 1)
    assert "a.test: visitor a local-storage that stands on no list" in found[0]
    refused = Item("host", "stranger.example", "refused", "/", "script")
    scanned_with(world, lambda stop: [refused])
    assert outcome(world) == (Outcome.PASS, [])  # it was kept out; the desk hears of it
    assert ("host", "stranger.example") in {(m.kind, m.name) for m in world.sightings.all()}
    # A second site is looked at for itself.
    scanned_with(world, lambda stop: [PLANTED], site="b.test")
    assert outcome(world)[0] is Outcome.FAIL
    scanned_with(world, site="b.test")
    assert outcome(world) == (Outcome.PASS, [])
    # Five weeks later nobody has looked.
    assert outcome(world, NOW + dt.timedelta(days=36))[0] is Outcome.VACUOUS


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE scan SET document = jsonb_set(document, '{passes,0,items}', '[]')",
         "a scan is not as the ledger has it"),
        ("UPDATE scan SET whole = true", "a scan is not as the ledger"),
        ("INSERT INTO scan (site, at, rules, whole, document)"
         " SELECT 'c.test', at, rules, true, document FROM scan LIMIT 1", "c.test a scan"),
        ("DELETE FROM scan WHERE number = (SELECT max(number) FROM scan)", "is not there"),
        ("DELETE FROM scan", "is not there"),
    ],
)  # fmt: skip
def test_a_scan_that_somebody_made_up_is_none(
    world: Controller, statement: LiteralString, words: str
) -> None:
    scanned_with(world)
    scanned_with(world, lambda stop: [PLANTED], whole=False)
    with world.database.connection() as c:
        c.execute(statement)
    met, found = outcome(world)
    assert met is Outcome.FAIL
    assert words in " ".join(found)
    scanned_with(world)
    scanned_with(world, site="b.test")
    with world.database.connection() as c:
        c.execute("DELETE FROM scan WHERE site = 'c.test'")
    assert outcome(world) == (Outcome.PASS, [])


def test_a_scan_under_other_rules_is_none(world: Controller, monkeypatch: Any) -> None:
    import dataclasses

    scanned_with(world)
    assert outcome(world)[0] is Outcome.PASS
    less = dict(world.bundle.trackers)
    del less["bing-ads"]
    monkeypatch.setattr(world, "bundle", dataclasses.replace(world.bundle, trackers=less))
    assert outcome(world)[0] is Outcome.VACUOUS


def test_the_ledger_has_the_scan(world: Controller) -> None:
    before = len(world.scans.all())
    scanned_with(world)
    assert len(world.scans.all()) == min(before + 1, 20) or before >= 20


def test_lists_of_others_suggest(world: Controller) -> None:
    text = b"[Adblock Plus 2.0]\n||stranger.example^\n"
    made = known.take(world, text, "A list", "CC0", NOW.date(), NOW)
    assert (made.rows, made.passed_over) == (1, 0)
    known.take(world, text + b"||other.example^\n/x/\n", "A list", "CC0", NOW.date(), NOW)
    [one] = world.known_names.lists()
    assert (one.rows, one.passed_over, one.licence) == (2, 1, "CC0")
    met = known.suggest(world, "host", "cdn.stranger.example")
    assert known.words(met) == "what for, the list does not say; by A list"
    assert known.suggest(world, "host", "nobody.example") is None
    # It allows nothing: the host stays on no list of ours.
    stranger = next(m for m in world.sightings.all() if m.name == "stranger.example")
    assert trackers.declared(world, stranger) == []
    for body, source in ((b"\xff\xfe", "x"), (b"hello", "x"), (text, " ")):
        with pytest.raises(UsageError):
            known.take(world, body, source, "CC0", NOW.date(), NOW)


def test_letters_load_nothing(world: Controller, monkeypatch: Any) -> None:
    name = "trackers.letters-load-nothing"

    def met() -> tuple[Outcome, list[str]]:
        one = run(world, registered(), NOW, names=[name])[0]
        return one.outcome, [f.words for f in one.findings]

    assert met()[0] is Outcome.VACUOUS
    monkeypatch.setattr(world, "specimens", mail.specimens)
    assert met() == (Outcome.PASS, [])
    # A template that does not cover what stands in it.
    monkeypatch.setattr(mail, "_html", lambda title, body: f"<p>{body}</p>")
    outcome_, found = met()
    assert outcome_ is Outcome.FAIL
    assert "img src" in " ".join(found)
