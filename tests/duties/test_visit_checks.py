"""The controls over visits, each in a world in which it passes, fails, and looks at nothing."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from litestar.testing import TestClient

import kept_verify
from kept import deployment
from kept.app import web
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide.visit import Visit, judge
from kept.duties.visits import choosing, links, receipt
from kept.policy.bundle import Bundle, load
from kept.terms.signals import Signals
from tests.serving import running
from tests.world import NOW, make

STAND: Final = "visits.choices-stand-as-made"
OBEY: Final = "visits.trackers-obey-choices"
WORK: Final = "visits.opt-out-links-work"
TELLS: Final = "visits.choices-page-tells-all"
SUPPLIED: Final = "visits.supplied-addresses-lead-there"
POLICIES: Final = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("visits") / "world", kept_module_url)
    with (directory / "kept.toml").open("a") as file:
        file.write('\n[links]\nlook = ["optout.aboutads.info", "www.facebook.com"]\n')
    with Controller.open(deployment.read(directory)) as controller:
        yield controller


def outcome(controller: Controller, name: str) -> tuple[Outcome, list[str]]:
    met = run(controller, registered(), NOW, names=[name])[0]
    return met.outcome, [f.words for f in met.findings]


def press(controller: Controller, act: choosing.Act, **more: Any) -> receipt.Made:
    bundle = controller.bundle
    made = choosing.choose(bundle, None, act, NOW.date(), **more)
    visit = judge(bundle.visits, "EEA", None, Signals())
    return receipt.record(controller, act, "page", visit, None, made, "en", NOW)


def statement(controller: Controller, words: str) -> None:
    with controller.database.connection() as c:
        c.execute(words)  # type: ignore[arg-type]


TAMPER: Final = {
    "a yes that nobody signed": (
        "UPDATE visit_choice SET aims = jsonb_set(aims, '{advertise}', 'true')",
        "the row allows something else",
    ),
    "a yes to something else": (
        """UPDATE visit_choice SET aims = aims || '{"analyse": false, "advertise": true}'"""
        " WHERE act = 'save'",
        "the row allows something else",
    ),
    "another record": (
        "UPDATE visit_choice SET record = replace(record, 'ConsentRefused', 'ConsentGiven')",
        "the record is not as it was signed",
    ),
    "a consent by browsing": (
        "UPDATE visit_choice SET act = 'browsing'", "came of no button",
    ),
    "a text changed in place": (
        "UPDATE visit_notice SET words = replace(words, 'Advertising networks see', 'We see')",
        "the words that were shown are not there",
    ),
    "a choice without an entry": (
        "INSERT INTO visit_choice (id, at, act, place, region, gpc, dnt, notice, edition, aims,"
        " trackers, record, signature) SELECT id || 'x', at, act, place, region, gpc, dnt, notice,"
        " edition, aims, trackers, record || ' ', signature FROM visit_choice LIMIT 1",
        "the ledger does not have this record",
    ),
}  # fmt: skip


def test_choices_stand_as_made(world: Controller) -> None:
    assert outcome(world, STAND)[0] is Outcome.VACUOUS
    press(world, "refuse")
    press(world, "save", aims=["analyse"])
    assert outcome(world, STAND) == (Outcome.PASS, [])
    for words, finding in TAMPER.values():
        with _put_back(world):
            statement(world, words)
            met, found = outcome(world, STAND)
            assert met is Outcome.FAIL
            assert any(finding in one for one in found), found
        assert outcome(world, STAND) == (Outcome.PASS, [])
    with _put_back(world):
        statement(world, "DELETE FROM visit_choice WHERE act = 'save'")
        assert "stand in the ledger and nowhere else" in " ".join(outcome(world, STAND)[1])


@contextmanager
def _put_back(controller: Controller) -> Iterator[None]:
    """The two tables as they were, after a fault was planted in them."""
    tables = ("visit_notice", "visit_choice")
    with controller.database.connection() as c:
        for table in tables:
            c.execute(f"CREATE TABLE {table}_was AS TABLE {table}")
    yield
    with controller.database.connection() as c:
        for table in reversed(tables):
            c.execute(f"DELETE FROM {table}")
        c.execute("INSERT INTO visit_notice TABLE visit_notice_was")
        c.execute("INSERT INTO visit_choice OVERRIDING SYSTEM VALUE TABLE visit_choice_was")
        for table in tables:
            c.execute(f"DROP TABLE {table}_was")


@pytest.mark.parametrize("name", ["interop.io", "huettenbund"])
def test_declared_trackers_obey(world: Controller, name: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(world, "bundle", load(POLICIES / name))
    assert outcome(world, OBEY) == (Outcome.PASS, [])


def _lax(bundle: Bundle) -> Bundle:
    rules = {**bundle.visits.rules, "EEA": dict.fromkeys(bundle.visits.optional, "opt-out")}
    return dataclasses.replace(bundle, visits=dataclasses.replace(bundle.visits, rules=rules))


def _exempt(bundle: Bundle) -> Bundle:
    row = dataclasses.replace(bundle.trackers["facebook-pixel"], aims=("operate",))
    return dataclasses.replace(bundle, trackers={**bundle.trackers, row.id: row})


def _empty(bundle: Bundle) -> Bundle:
    from kept.policy.visits import NOTHING

    return dataclasses.replace(bundle, trackers={}, visits=NOTHING)


@pytest.mark.parametrize(
    ("change", "words"),
    [(_lax, "google-analytics may run before a choice in EEA"),
     (_exempt, "facebook-pixel lies outside the policy and runs without a choice")],
)  # fmt: skip
def test_a_bundle_that_lets_them_run_is_found(
    world: Controller, change: Callable[[Bundle], Bundle], words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(world, "bundle", change(world.bundle))
    met, found = outcome(world, OBEY)
    assert met is Outcome.FAIL
    assert any(words in one for one in found), found[:3]
    monkeypatch.setattr(world, "bundle", _empty(world.bundle))
    assert outcome(world, OBEY)[0] is Outcome.VACUOUS


def test_a_judgement_that_does_not_hear_the_signal_is_found(
    world: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Visit, "waits", lambda *_: False)
    met, found = outcome(world, OBEY)
    assert met is Outcome.FAIL
    for words in ("google-analytics may run before a choice in US under Global Privacy Control",
                  "facebook-like may run before a choice in US"):  # fmt: skip
        assert any(words in one for one in found), found[:3]


def test_links_that_work_and_links_that_do_not(
    world: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answers(status: int, onward: str | None = None) -> links.Ask:
        def ask(url: str) -> tuple[int, str | None]:
            asked.append(url)
            return status, onward

        return ask

    assert "was not looked at of late" in " ".join(outcome(world, WORK)[1])
    links.look(world, NOW, answers(200))
    assert sorted(asked) == [
        "http://optout.aboutads.info/", "https://www.facebook.com/settings/?tab=ads",
    ]  # fmt: skip
    assert outcome(world, WORK) == (Outcome.PASS, [])
    minute = NOW - NOW.resolution
    for ask, words in (
        (answers(404), "is gone"),
        (answers(301, "https://www.facebook.com/"), "leads to a front page"),
        (lambda url: None, "does not answer"),
    ):
        statement(world, "DELETE FROM outbound_look")
        links.look(world, minute, ask)
        met, found = outcome(world, WORK)
        assert met is Outcome.FAIL
        assert f"opt-out-facebook (BEHAD-3) {words}" in found
    statement(world, "DELETE FROM outbound_look")
    links.look(world, NOW, answers(301, "/settings/ads"))
    assert outcome(world, WORK) == (Outcome.PASS, [])
    monkeypatch.setattr(world, "looks", frozenset())
    assert links.look(world, NOW, answers(200)) == []
    assert outcome(world, WORK)[0] is Outcome.VACUOUS


def test_addresses_that_the_operator_supplied(
    world: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real ones on loopback: one that answers, one that is gone."""
    bundle = world.bundle
    assert outcome(world, SUPPLIED)[0] is Outcome.VACUOUS  # none is there
    assert bundle.status("BEHAD-2") == "open"
    gone: set[str] = set()
    with elsewhere(gone) as there:
        host = there.removeprefix("http://")
        named = {name: f"{there}/{name}" for name in ("nai-education", "policy-facebook")}
        monkeypatch.setattr(world, "bundle", bundle.with_addresses(named))
        monkeypatch.setattr(world, "looks", frozenset({host}))
        assert "BEHAD-2" not in world.bundle.waiting
        assert "links.google-data-use" in world.bundle.waiting["SHARE-2"]
        with served(world, lambda path, text: text) as url:
            monkeypatch.setattr(world, "site_url", url)
            links.look(world, NOW)
            assert outcome(world, SUPPLIED) == (Outcome.PASS, [])
            assert links.stands(f"{there}/anything") == "there"
            gone.add("/nai-education")
            assert links.stands(f"{there}/nai-education") == "gone"
            links.look(world, NOW + NOW.resolution)
            met, found = outcome(world, SUPPLIED)
            assert (met, found) == (Outcome.FAIL, ["nai-education (BEHAD-2) is gone"])
            gone.clear()
            links.look(world, NOW + 2 * NOW.resolution)
            monkeypatch.setattr(world, "looks", frozenset())
            met, found = outcome(world, SUPPLIED)
            assert met is Outcome.ERROR
            assert "nobody may look whether nai-education" in " ".join(found)
        monkeypatch.setattr(world, "looks", frozenset({host}))
        with served(world, lambda _, text: text.replace(f"{there}/nai", "http://x/")) as url:
            monkeypatch.setattr(world, "site_url", url)
            met, found = outcome(world, SUPPLIED)
            assert met is Outcome.FAIL
            assert "does not lead where the operator said" in " ".join(found)
        assert outcome(world, SUPPLIED)[0] is Outcome.VACUOUS  # nothing is served


@contextmanager
def elsewhere(gone: set[str]) -> Iterator[str]:
    """Somebody else's site, where `gone` says which pages are not there any more."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            self.send_response(404 if self.path in gone else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as at:
        yield at


@contextmanager
def served(controller: Controller, change: Callable[[str, str], str]) -> Iterator[str]:
    """The real pages on loopback; `change` gets path and text of each, and gives the text."""
    app = web.make(controller, token=None, shows="text", clock=lambda: NOW, console=False)
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            with lock, TestClient(app, base_url="http://127.0.0.1") as client:
                answer = client.get(self.path)
            text = change(self.path, answer.text).encode()
            self.send_response(answer.status_code if text else 404)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as at:
        yield at


@pytest.mark.parametrize("name", ["interop.io", "huettenbund"])
def test_the_page_tells_all(world: Controller, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "bundle", load(POLICIES / name))
    with served(world, lambda path, text: text) as url:
        monkeypatch.setattr(world, "site_url", url)
        assert outcome(world, TELLS) == (Outcome.PASS, [])
    assert outcome(world, TELLS)[0] is Outcome.VACUOUS  # nothing answers any more


def swap(old: str, new: str) -> Callable[[str, str], str]:
    return lambda path, text: text.replace(old, new) if path == "/privacy/choices" else text


FAULTS: Final = {
    "a link with a tracker on it": (
        swap('href="http://optout.aboutads.info/"', 'href="http://optout.aboutads.info/?utm=1"'),
        "opt-out-daa (BEHAD-8) is not there as it is",
    ),
    "a link of somebody else": (
        swap("http://preferences.truste.com/", "http://preferences.evil.example/"),
        "a link leads out that the policy does not have",
    ),
    "all covered": (swap("covers some of these services, not all", "covers all"), "opt-out-daa"),
    "no more ads": (
        swap("Without it you still see advertisements", "No more advertisements"),
        "nothing says that advertisements remain",
    ),
    "an invented address": (
        swap("<b>the address is still missing</b>", '<a href="https://x.example">there</a>'),
        "google-analytics-opt-out (SHARE-3) is not shown as open",
    ),
    "no way to refuse": (swap('value="refuse"', 'value="later"'), "do not stand there together"),
    "a switch less": (swap('name="aim" value="social"', 'name="x"'), "no switch for social"),
    "a right less": (swap("/privacy/requests?asked=erasure", "/"), "does not lead to `erasure`"),
    "a page that is gone": (
        lambda path, text: "" if path.startswith("/privacy/authorities") else text,
        "the way to `complain` leads nowhere",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_page_that_leaves_something_out_is_found(
    fault: str, world: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, words = FAULTS[fault]
    with served(world, change) as url:
        monkeypatch.setattr(world, "site_url", url)
        met, found = outcome(world, TELLS)
    assert met is Outcome.FAIL
    assert any(words in one for one in found), found


def test_a_receipt_is_checked_without_kept(
    world: Controller, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = receipt.receipt(world, press(world, "accept"))
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(body, indent=2), "utf-8")
    assert kept_verify.main([str(file)]) == 0
    assert "no --key was given" in capsys.readouterr().out
    assert kept_verify.main([str(file), "--key", str(world.ledger.key)]) == 0
    other = str(world.ledger.key).replace(str(world.ledger.key)[-8:], "AAAAAAA=")
    assert kept_verify.main([str(file), "--key", other]) in (1, 2)
    capsys.readouterr()
    for change in (
        {"record": {**body["record"], "dct:language": "de"}},
        {"signature": body["signature"][:-4] + "AAA="},
        {"key": "x"}, {"kept": "consent receipt 2"}, {"record": []}, {"more": 1},
    ):  # fmt: skip
        file.write_text(json.dumps({**body, **change}), "utf-8")
        assert kept_verify.main([str(file)]) == 1, change
    for odd in (b"", b"\xff", b"[" * 100_000, b"{}", b'{"record": NaN}', b"1" * 2_000_000):
        file.write_bytes(odd)
        assert kept_verify.main([str(file)]) == 1
