"""Reports of browsers: what is kept of them, who decides, what a control makes of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient
from tests.app.desk import Desk, opened

from kept.app import reports
from kept.controller import Controller
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide import sightings
from kept.duties import trackers
from kept.records.sighting import MOST

PAGE = "https://interop.io/account/ana@example.org/orders/4711?mail=ana@example.org"


def csp(blocked: str, directive: str = "script-src-elem", page: str = PAGE, **more: str) -> bytes:
    body = {"document-uri": page, "blocked-uri": blocked, "effective-directive": directive, **more}
    return json.dumps({"csp-report": body}).encode()


def outcome_of(controller: Controller, name: str, now: dt.datetime) -> str:
    return run(controller, registered(), now, names=[name])[0].outcome


def said(body: bytes) -> list[tuple[sightings.Sighting, int]]:
    return list(sightings.read(body))


def test_what_is_kept_of_a_report() -> None:
    met = sightings.Sighting("host", "t.ads.example", "script-src", "/account/*/orders/*")
    assert said(csp("https://t.ads.example/x.js?uid=1")) == [(met, 1)]
    modern = [{"type": "csp-violation", "body": {
        "documentURL": PAGE, "blockedURL": "https://t.ads.example/x.js",
        "effectiveDirective": "script-src-elem"}}]  # fmt: skip
    assert said(json.dumps(modern).encode()) == [(met, 1)]
    cookie = [{"type": "kept-cookie", "body": {"name": "_v_8271938", "path": "/a", "count": 3}}]
    assert said(json.dumps(cookie).encode()) == [
        (sightings.Sighting("cookie", "_v_*", "", "/a"), 3)
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"nothing", b"[[[", b"{}", b"[]", b"[1, null]", b'{"csp-report": 1}', b"\xff",
        csp("inline"), csp("data"), csp("eval"), csp("https://interop.io/own.js"),
        csp("chrome-extension://abc/x.js"), csp("https://a.example/", "upgrade-insecure-requests"),
        csp("https://a.example/", **{"source-file": "moz-extension"  "://1/x.js"}),
        csp("https://[::1]/"), csp("https://localhost/"), csp("https://" + "a" * 300 + ".example/"),
        json.dumps([{"type": "kept-cookie", "body": {"name": "a b", "count": 1}}]).encode(),
        json.dumps([{"type": "kept-cookie", "body": {"name": "a", "count": -1}}]).encode(),
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_says_nothing(body: bytes) -> None:
    assert said(body) == []


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/members/ana-gomez/orders", "/members/*/orders"), ("/en/u/ana", "/en/u/*"),
        ("/blog/ana.gomez", "/blog/*"),
        ("/reset/qwertyuiop", "/reset/*"), ("/search/ana", "/search/*"),
        ("/about-us/index.html", "/about-us/index.html"),
    ],
)  # fmt: skip
def test_of_a_path_nothing_is_kept_that_could_be_a_name(path: str, shown: str) -> None:
    assert sightings.pattern(f"https://interop.io{path}?q=ana#x") == shown


def test_a_host_made_for_one_person_is_not_kept() -> None:
    made = csp("https://u83749273.track.ads.example/")
    assert said(made)[0][0].name == "*.track.ads.example"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["csp-report", "body", "type", "blocked-uri", "document-uri", "name",
                         "effective-directive", "count", "path", "source-file"]), inner),
)  # fmt: skip


@given(_JSON, st.text(max_size=60))
def test_no_report_is_too_strange(document: Any, path: str) -> None:
    for one, count in said(json.dumps(document).encode()):
        assert count > 0
        assert "@" not in one.page + one.name
    assert "@" not in sightings.pattern(path)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("reports") / "world", kept_module_url) as made:
        yield made


def test_reports_are_counted_reviewed_and_watched(desk: Desk) -> None:
    controller = desk.controller
    assert outcome_of(controller, "trackers.nothing-undeclared", desk.now) == "vacuous"
    with TestClient(desk.app) as client:
        for _ in range(3):
            told = client.post(
                "/privacy/reports", content=csp("https://www.google-analytics.com/a.js")
            )
            assert (told.status_code, told.content) == (204, b"")
        desk.app.state[reports.WAITING].write()
        # Declared, and kept out: nothing is amiss.
        assert outcome_of(controller, "trackers.nothing-undeclared", desk.now) == "pass"
        # A tag pasted into a page.
        for address in ("https://pasted.example/tag.js", "https://pasted.example/px.gif"):
            client.post("/privacy/reports", content=csp(address))
        client.post("/privacy/reports", content=b"\x00" * 5000)
        assert client.get("/privacy/reports").status_code == 405
        desk.app.state[reports.WAITING].write()
    assert outcome_of(controller, "trackers.nothing-undeclared", desk.now) == "fail"
    rows = {one.name: one for one in controller.sightings.all()}
    assert rows["pasted.example"].count == 2
    assert rows["www.google-analytics.com"].count == 3
    # The auditor reads, the officer decides.
    reading = desk.browser(desk.session(desk.account("aud", "auditor"))).get("/desk/trackers")
    assert "pasted.example" in reading.text
    assert "<form class" not in reading.text
    browser = desk.browser(desk.session(desk.account("pia", "privacy-officer")))
    sent = {"kind": "host", "name": "pasted.example", "verdict": "remove"}
    path = "/desk/trackers/settle"
    assert browser.post(path, **{**sent, "name": "never.example"}).status_code == 400
    assert browser.post(path, **{**sent, "verdict": "maybe"}).status_code == 400
    assert browser.post(path, **sent).status_code == 303
    assert outcome_of(controller, "trackers.nothing-undeclared", desk.now) == "pass"
    desk.later(days=1)
    trackers.note(controller, {next(iter(dict(said(csp("https://pasted.example/tag.js"))))): 1},
                  desk.now)  # fmt: skip
    assert outcome_of(controller, "trackers.nothing-undeclared", desk.now) == "fail"
    browser = desk.browser(desk.session(desk.account("pia")))
    assert "met again since" in browser.get("/desk/trackers").text
    with controller.database.connection() as c:
        rows_ = c.execute("SELECT count(*) FROM ledger_entry WHERE kind IN (127, 128)").fetchone()
    assert rows_ == (3,)  # two names met, one decision
    # What somebody wrote into the tables himself decides nothing, and hides nothing.
    for statement in (
        "UPDATE sighting_verdict SET verdict = 'noise'",
        "DELETE FROM sighting WHERE name = 'pasted.example'",
        "DELETE FROM sighting",
    ):
        with controller.database.connection() as c:
            c.execute(statement)
        assert outcome_of(controller, "trackers.nothing-undeclared", desk.now) == "fail", statement


def test_where_links_lead_stands_at_the_desk(desk: Desk) -> None:
    browser = desk.browser(desk.session(desk.account("lin", "auditor")))
    assert "Where links lead" not in browser.get("/desk/trackers").text
    rows = [
        {"page": "/news", "host": "partner.example", "declared": "", "state": ""},
        {"page": "/", "host": "old.example", "declared": "site", "state": "gone"},
    ]
    found = {"passes": [], "pages": ["/"], "amiss": [], "links": rows}
    trackers.scanned.keep(desk.controller, "a.example", found, complete=False, now=desk.now)
    text = browser.get("/desk/trackers").text
    assert "Where links lead" in text
    assert "/news</td><td>not declared</td><td>was not looked at" in text
    assert '/</td><td>site</td><td><b class="fail">is gone</b>' in text


def test_there_is_an_end_to_what_is_kept(desk: Desk) -> None:
    many = {
        sightings.Sighting("host", f"h{n}.example", "img-src", "/"): 1 for n in range(MOST + 50)
    }
    trackers.note(desk.controller, many, desk.now)
    assert len(desk.controller.sightings.all()) <= MOST
    # Whoever fills the list keeps nothing out for good: what is called noise makes room.
    real = sightings.Sighting("host", "real.example", "script-src", "/")
    trackers.note(desk.controller, {real: 1}, desk.now)
    assert "real.example" not in {one.name for one in desk.controller.sightings.all()}
    browser = desk.browser(desk.session(desk.account("pia")))
    noise = {"kind": "host", "name": "h1.example", "verdict": "noise"}
    assert browser.post("/desk/trackers/settle", **noise).status_code == 303
    more = sightings.Sighting("host", "h1.example", "img-src", "/more")
    trackers.note(desk.controller, {more: 1, real: 1}, desk.now)
    rows = {one.name: one for one in desk.controller.sightings.all()}
    assert rows["real.example"].count == rows["h1.example"].pages == 1
    later = desk.now + dt.timedelta(days=200)
    trackers.note(desk.controller, {next(iter(many)): 1}, later)
    assert len(desk.controller.sightings.all()) == 1
