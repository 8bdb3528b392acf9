"""The control over scans of the site: it passes, fails, and says so where nobody looked."""

from __future__ import annotations

import dataclasses
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
from kept.deployment import Network
from kept.duties import trackers
from kept.duties.trackers import known, scanned
from kept.errors import UsageError
from kept.policy.bundle import load
from tests.world import NOW, ROOT, make

NAME: Final = "trackers.scans-find-what-is-declared"
READING: Final = "trackers.reading-asks-nothing"
OWN = Item("cookie", "kept-choices", "left", "/", "", "browser", "site.example", days=180)
GA = Item("host", "www.google-analytics.com", "asked", "/", "script", "script", party="third")
PLANTED = Item("local-storage", "visitor", "left", "/", whose="site.example")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("scans") / "world", kept_module_url)
    with Controller.open(deployment.read(directory)) as controller:
        yield controller


def outcome(
    controller: Controller, now: dt.datetime = NOW, name: str = NAME
) -> tuple[Outcome, list[str]]:
    met = run(controller, registered(), now, names=[name])[0]
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
            "items": [
                asdict(i) for i in (*[OWN][choice == "none" :], *more(Stop(choice, gpc, country)))
            ],
            "amiss": [],
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
    # A script of the site's own pressed the button for a visitor who pressed nothing.
    scanned_with(world, lambda stop: [OWN] if stop.choice == "none" else [])
    met, found = outcome(world)
    assert met is Outcome.FAIL
    assert found == ["a.test: kept-choices a choice was made for a visitor who made none"]
    scanned_with(world)
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


def _read(choice: str, **more: Any) -> dict[str, Any]:
    """A visitor who opened two pages; `more` is what is so of the second."""
    row = {"page": "/", "status": 200, "asks": "", "words": 90}
    return {
        "choice": choice, "gpc": False, "country": "DE", "region": "EEA", "pages": 2, "items": [],
        "amiss": [], "opened": [row, {**row, "page": "/news", **more}],
        **({"rows": {}} if choice == "none" else {}),
    }  # fmt: skip


def test_the_control_over_reading(world: Controller, monkeypatch: Any) -> None:
    def keep(*passes: dict[str, Any], site: str = "read.test") -> tuple[Outcome, list[str]]:
        found = {"passes": passes, "pages": ["/", "/news"], "amiss": []}
        scanned.keep(world, site, found, complete=False, now=NOW)
        return outcome(world, name=READING)

    none, refused, everything = map(_read, ("none", "refused", "all"))
    assert keep(none)[0] is Outcome.VACUOUS  # nobody refused
    assert keep(none, {**refused, "opened": []})[0] is Outcome.VACUOUS
    assert keep(none, refused, everything) == (Outcome.PASS, [])
    assert run(world, registered(), NOW, names=[READING])[0].looked_at == 4
    for passes, words in (
        ((none, _read("refused", status=401, asks="account")), "read.test/news a reader is asked"),
        ((_read("none", asks="choice"), refused), "something lies over the page"),
        ((none, _read("refused", words=30), everything), "who refused is not shown most of it"),
        ((none, _read("refused", status=404), everything), "who refused is not shown most of it"),
        (({**none, "rows": {"visit_choice": 2}}, refused), "own.visit_choice rows came each time"),
    ):
        met, found = keep(*passes)
        assert met is Outcome.FAIL, words
        assert any(words in one for one in found), found
    # What came in one of two walks may be another visitor's.
    with_gpc = {**none, "gpc": True, "rows": {"case_": 1}}
    assert keep(none, with_gpc, refused) == (Outcome.PASS, [])
    # A page that is not there, and one that says little to anybody.
    gone = [_read(choice, status=404, words=2) for choice in ("none", "refused", "all")]
    assert keep(*gone) == (Outcome.PASS, [])
    assert outcome(world, NOW + dt.timedelta(days=36), READING)[0] is Outcome.VACUOUS
    # A policy under which nobody chooses anything: nobody refuses there.
    with monkeypatch.context() as second:
        second.setattr(world, "bundle", load(ROOT / "policies" / "huettenbund"))
        assert keep(none, site="huts.test") == (Outcome.PASS, [])
        assert keep(_read("none", asks="choice"), site="huts.test")[0] is Outcome.FAIL


def _with(world: Controller, monkeypatch: Any, *rows: Any, **more: Any) -> None:
    """The world with trackers that are as said here, and what else of its bundle is."""
    known = {**world.bundle.trackers, **{row.id: row for row in rows}}
    monkeypatch.setattr(world, "bundle", dataclasses.replace(world.bundle, trackers=known, **more))


def test_the_control_over_activities(world: Controller, monkeypatch: Any) -> None:
    name, bundle = "trackers.held-against-activities", world.bundle
    assert outcome(world, name=name) == (Outcome.PASS, [])
    ga = bundle.trackers["google-analytics"]
    analysed = bundle.activities["google-analytics"]
    other = dataclasses.replace(analysed, bases={"default": "consent"})
    for rows, more, words in (
        ([dataclasses.replace(ga, aims=("advertise",))], {}, "no activity hands anything"),
        ([dataclasses.replace(ga, sends=("contact.email",))], {}, "sends contact.email"),
        ([], {"activities": {**bundle.activities, analysed.id: other}},
         "runs until it is refused in US-CA, where google-analytics rests on consent"),
    ):  # fmt: skip
        with monkeypatch.context() as changed:
            _with(world, changed, *rows, **more)
            met, found = outcome(world, name=name)
        assert met is Outcome.FAIL, words
        assert any(words in one for one in found), found
    monkeypatch.setattr(world, "bundle", dataclasses.replace(bundle, trackers={}))
    assert outcome(world, name=name)[0] is Outcome.VACUOUS


def test_the_control_over_networks(world: Controller, monkeypatch: Any) -> None:
    name, bundle = "trackers.networks-are-registered", world.bundle
    assert outcome(world, name=name)[0] is Outcome.VACUOUS  # nobody has said anything yet
    networks = {
        row.id: Network("US", ()) for row in bundle.recipients.values()
        if row.lane.startswith("ad-network")
    }  # fmt: skip
    monkeypatch.setattr(world, "networks", networks)
    assert outcome(world, name=name) == (Outcome.PASS, [])
    monkeypatch.setattr(world, "networks", {"google": Network("US", ("visitors of a page",))})
    met, found = outcome(world, name=name)
    assert met is Outcome.FAIL
    assert "of facebook neither country nor audiences are said" in " ".join(found)
    assert "of google neither" not in " ".join(found)
    monkeypatch.setattr(world, "networks", networks)
    ads = dataclasses.replace(bundle.trackers["bing-ads"], opt_out=())
    with monkeypatch.context() as changed:
        _with(world, changed, ads)
        assert "names no way to opt out" in " ".join(outcome(world, name=name)[1])
    less = {k: v for k, v in bundle.trackers.items() if k != "bing-ads"}
    monkeypatch.setattr(world, "bundle", dataclasses.replace(bundle, trackers=less))
    assert "no tag of bing is declared" in " ".join(outcome(world, name=name)[1])


def test_the_control_over_our_own_buttons(world: Controller, monkeypatch: Any) -> None:
    name = "trackers.own-widgets-send-nothing"
    assert outcome(world, name=name)[0] is Outcome.VACUOUS  # all buttons are of others
    own = dataclasses.replace(
        world.bundle.trackers["share-this"], id="own-share", provider=None, hosting="self",
        outside=False, hosts={"connect": ("https://share.example:8443",)},
    )  # fmt: skip
    _with(world, monkeypatch, own)
    asked = Item("host", "share.example", "asked", "/news", "connect", "fetch", party="third")
    used = lambda stop: [asked] if stop.choice in ("social", "all") else []  # noqa: E731
    scanned_with(world, used, whole=False, site="own.test")
    met, found = outcome(world, name=name)
    assert (met, found) == (Outcome.PASS, [])
    scanned_with(world, lambda stop: [asked], whole=False, site="own.test")
    met, found = outcome(world, name=name)
    assert (met, len(found)) == (Outcome.FAIL, 1)
    assert "own.test/news own-share, which is ours, asked share.example before" in found[0]
    assert outcome(world, NOW + dt.timedelta(days=36), name)[0] is Outcome.VACUOUS


def test_a_scan_under_other_rules_is_none(world: Controller, monkeypatch: Any) -> None:
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
