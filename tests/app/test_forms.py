"""Declared forms on Kept's own pages and by the API: told, judged, stored; what must not work."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from playwright.sync_api import Browser
from tests.app.conftest import serve
from tests.browser import COLOURS, NEEDS_CHROMIUM, axe, browser, opened, weak
from tests.forms import (
    AT_TRIAL,
    OWN,
    SITE,
    TOKEN,
    Fields,
    Program,
    Visitor,
    sent,
    serving,
    shop,
)  # fmt: skip
from tests.world import NOW, sql

from kept import deployment
from kept.app import web
from kept.app.often import WINDOW, Bucket, Often
from kept.controller import Controller
from kept.decide.notice import digest
from kept.duties.collect import deciding
from kept.errors import StoreError
from kept.terms.identifiers import parse

__all__ = ["browser"]  # the fixture

#: What nobody may find anywhere after it was refused.
MARK = "Unmistakable-Zwölf"


class Town:
    """The shop, open."""

    def __init__(self, directory: Path, controller: Controller, client: TestClient[Litestar]):
        self.directory, self.controller, self.client = directory, controller, client

    def messages(self) -> list[tuple[Any, ...]]:
        return sql(self.directory, "SELECT * FROM message ORDER BY id")

    def counts(self) -> dict[tuple[str, str], int]:
        return self.controller.quarantine.counts()

    def everywhere(self) -> str:
        """All that is stored, in the shop and in Kept's own tables, as text."""
        found = [repr(self.messages())]
        with self.controller.database.connection() as c:
            names = c.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (name,) in names.fetchall():
                found += [str(r[0]) for r in c.execute(f'SELECT t::text FROM "{name}" t')]
        return "\n".join(found)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Town]:
    directory = shop(tmp_path_factory.mktemp("forms") / "world", kept_module_url)
    with Controller.open(deployment.read(directory)) as controller, serving(controller) as client:
        yield Town(directory, controller, client)


def test_what_is_told_stands_on_the_page_and_with_the_record(town: Town) -> None:
    """VISIT-2, LEGAL-9: stamps, dropped fields, the text again."""
    visit = Visitor(town.client, "contact")
    assert visit.status == 200
    assert visit.headers["referrer-policy"] == "same-origin"  # else browsers send no origin
    assert visit.shown.boxes == {"newsletter": False}
    before = len(town.messages())
    reply = visit.send(
        ("utm_source", "elsewhere"), ("screen", "2560x1440"), email="Ana.New@example.org",
        message="Hello?\r\nAgain.", newsletter="yes",
    )  # fmt: skip
    assert reply.status_code == 200, reply.text
    row = town.messages()[before]
    hash_ = dict(visit.shown.fields)["kept.notice"]
    assert row[1:4] == ("contact", "Ana.New@example.org", "Hello?\nAgain.")
    assert row[-4:-1] == ("legitimate-interest", "communicate", hash_)
    kept = town.controller.notices.get(hash_)
    assert kept is not None
    assert digest(kept.shown) == hash_
    for words in (*kept.shown["told"], *(w for f in kept.shown["fields"] for w in f["words"])):
        assert words in visit.shown.text
    # The consent is hers from now on, with the text that she saw.
    who = town.controller.subjects.find([parse("email=ana.new@example.org")])
    facts = town.controller.consents.facts(who[0], NOW).held
    assert {"consent:marketing.email", "preference:email"} <= facts
    entries = list(town.controller.ledger.entries(kind=("consent.given", "data.collected")))
    given, collected = (e.body for _, e in entries[-2:])
    assert given["wording"] == collected["notice"] == hash_
    assert collected["dropped"] == 2
    # A withdrawal stands against a tick by whoever knows her address.
    town.controller.consents.withdraw(who[0], "marketing.email", NOW, source="test")
    said = Program(town.client).send("trial", email="ana.new@example.org", newsletter="yes")
    assert said["outcome"] == "taken"
    assert [c["allow"] for c in said["consents"]] == [False]
    assert "newsletter" not in said["values"]


def test_only_from_our_sites(town: Town) -> None:
    """PREAM-3: a page elsewhere, a sub-domain, no origin and an opaque one are counted only."""
    before, refused = town.messages(), town.counts().get(("contact", "origin"), 0)
    others = (
        None, "null", "https://evil.example", "https://old.interop.io", "http://interop.io",
        "https://interop.io.evil.example", "https://interop.io:8443", f"{SITE}/path",
    )  # fmt: skip
    for origin in others:
        reply = Visitor(town.client, "contact").send(
            origin=origin, email="x@example.org", message=MARK
        )
        assert reply.status_code == 403, origin
        said = Program(town.client).send(
            "contact", origin=origin, email="x@example.org", message=MARK
        )
        assert (said["outcome"], said["why"], said["values"]) == ("refused", "origin", {})
    assert town.counts()["contact", "origin"] == refused + 2 * len(others)
    assert town.messages() == before
    assert MARK not in town.everywhere()
    for origin in (OWN, SITE, AT_TRIAL):
        reply = Visitor(town.client, "contact").send(
            origin=origin, email="x@example.org", message="Hello?"
        )
        assert reply.status_code == 200, origin
    assert len(town.messages()) == len(before) + 3


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"\xff\xfe=1", "application/x-www-form-urlencoded", 400),
        (b"email=%ff%fe&message=x", "application/x-www-form-urlencoded", 400),
        (b"email=%C3%28&message=x", "application/x-www-form-urlencoded", 400),
        (b"{}", "application/json", 415),
        (b"email=x", "text/plain", 415),
        (b"email=x", "", 415),
        (b"email=x", "application/x-www-form-urlencoded; charset=utf-16", 415),
        (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x", 415),
        (b"&".join(b"a%d=1" % n for n in range(101)), "application/x-www-form-urlencoded", 400),
        (b"message=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 409),
    ],
)
def test_what_is_no_form_is_refused(town: Town, body: bytes, kind: str, status: int) -> None:
    before = town.messages()
    reply = Visitor(town.client, "contact").send(body=body, kind=kind)
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    assert town.messages() == before


@pytest.mark.parametrize(
    ("more", "typed", "why"),
    [
        ((("email", "b@example.org"),), {"email": "a@example.org", "message": "x"}, "twice"),
        ((("kept.notice", "0" * 64),), {"email": "a@example.org", "message": "x"}, "twice"),
        ((), {"email": "a@example.org", "message": "nul \x00 here"}, "unreadable"),
        ((), {"email": "a@example.org", "message": "private \ue000"}, "unreadable"),
        ((("x\x07", "1"),), {"email": "a@example.org", "message": "x"}, "unreadable"),
        ((), {"email": "a@example.org", "message": ""}, "missing"),
        ((), {"email": "no address", "message": "x"}, "malformed"),
        ((), {"email": "a@example.org", "message": "x" * 8001}, "long"),
        ((), {"email": "a" * 400 + "@example.org", "message": "x"}, "long"),
        ((("age", "15"),), {"email": "a@example.org", "message": "x"}, "age"),
        ((("birth_date", "2015-06-01"),), {"email": "a@example.org", "message": "x"}, "age"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_leaves_a_counter_and_nothing_else(
    town: Town, more: tuple[tuple[str, str], ...], typed: dict[str, str], why: str
) -> None:
    before, counted = town.messages(), town.counts().get(("contact", why), 0)
    size = town.controller.ledger.size()
    for email in ("a@example.org", "b@example.org"):
        typed = {n: v.replace(email, f"{MARK.lower()}.{email}") for n, v in typed.items()}
    said = Program(town.client).send("contact", *more, **typed)
    assert (said["outcome"], said["why"]) == ("refused", why)
    assert said["values"] == said["stamps"] == {}
    page = Visitor(town.client, "contact").send(*more, **typed)
    assert page.status_code in (400, 403)
    assert town.counts()["contact", why] == counted + 2
    assert (town.messages(), town.controller.ledger.size()) == (before, size)
    assert MARK.lower() not in town.everywhere().lower()


def test_what_stands_against_her_is_said_to_nobody_who_types_her_address(town: Town) -> None:
    """The page says that it may not be stored; why, as that she objected, is for programs alone."""
    who = town.controller.subjects.of([parse("email=private@example.org")], NOW)
    town.controller.consents.record(who, [("objection:communicate", True)], NOW, source="test")
    typed = {"email": "private@example.org", "message": "Hello"}
    page = Visitor(town.client, "contact").send(**typed)
    assert page.status_code == 403
    assert "We may not store it. If you want it all the same, write to us." in page.text
    assert "objected" not in page.text
    assert "objected" in Program(town.client).send("contact", **typed)["reason"]


def test_a_form_that_was_changed_or_sent_before_is_not_taken(town: Town) -> None:
    visit = Visitor(town.client, "contact")
    typed = {"email": "twice@example.org", "message": "Once."}
    before = len(town.messages())
    assert visit.send(**typed).status_code == 200
    again = visit.send(**typed)
    assert again.status_code == 409
    assert "sent before" in again.text
    assert len(town.messages()) == before + 1
    other = Visitor(town.client, "contact").send(**{**typed, "kept.notice": "f" * 64})
    assert other.status_code == 409
    assert "changed since it was opened" in other.text
    assert Fields(other.text).fields  # the form as it is now, with what was typed
    assert "twice@example.org" in other.text
    # Who was told the rules of elsewhere and lives in the EEA has not seen what holds.
    said = Program(town.client).send("demo", region="US", email="a@example.org", country="FR")
    assert (said["outcome"], said["why"]) == ("refused", "notice")
    said = Program(town.client).send("demo", region="EEA", email="a@example.org", country="us")
    assert said["outcome"] == "taken"
    assert len(town.messages()) == before + 1


def test_no_link_tells_somebody_the_rules_of_elsewhere(town: Town) -> None:
    made = web.make(
        town.controller, token=TOKEN, shows="live", country="X-Country", clock=lambda: NOW
    )
    with TestClient(made) as client:
        for place, asked, told in (
            ("DE", "US", "EEA"), ("US", "EEA", "EEA"), ("", "US", "US"), ("XX", "US", "unknown"),
        ):  # fmt: skip
            client.headers["X-Country"] = place
            shown = Visitor(client, "contact", query=f"?region={asked}")
            assert dict(shown.shown.fields)["kept.region"] == told, place
        # Nor does one that was opened elsewhere hold here.
        client.headers["X-Country"] = "US"
        shown = Visitor(client, "contact", query="?region=US")
        client.headers["X-Country"] = "DE"
        reply = shown.send(email="a@example.org", message="x")
        assert reply.status_code == 409
        assert dict(Fields(reply.text).fields)["kept.region"] == "EEA"


def test_where_the_place_does_not_take_it_nothing_stays(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = Visitor(town.client, "contact")
    typed = {"email": "later@example.org", "message": "Try again."}
    size, before = town.controller.ledger.size(), town.messages()

    def broken(*_: object) -> None:
        raise StoreError("the shop is closed")

    with monkeypatch.context() as patch:
        patch.setattr(town.controller, "collect", broken)
        assert visit.send(**typed).status_code == 503
    assert (town.messages(), town.controller.ledger.size()) == (before, size)
    assert visit.send(**typed).status_code == 200  # the same sending, and it is not a second one


def test_a_form_with_no_place_says_where_it_is_sent(town: Town) -> None:
    visit = Visitor(town.client, "trial")
    assert visit.status == 200
    assert visit.shown.names == []
    assert f"{SITE}/trial" in visit.shown.links
    assert visit.send(email="a@example.org").status_code == 503
    assert Visitor(town.client, "nowhere").status == 404
    assert Visitor(town.client, "contact", query="?region=Atlantis").status in (400, 503)


def test_the_api_is_for_the_company(town: Town) -> None:
    for method, path in (("GET", "contact"), ("POST", "contact"), ("POST", "contact/items/x")):
        reply = town.client.request(method, f"/api/v1/forms/{path}", json={})
        assert reply.status_code == 401, (method, path)
    program = Program(town.client)
    for body in ({}, {"fields": [], "origin": None, "more": 1}, {"fields": "x", "origin": None},
                 {"fields": [["a"]], "origin": None}, [1]):  # fmt: skip
        reply = town.client.post("/api/v1/forms/contact", json=body, headers=program.headers)
        assert reply.status_code == 400, body
    gone = town.client.get("/api/v1/forms/nowhere", headers=program.headers)
    assert gone.status_code == 404
    shown = program.shown("webinar", country="DE")
    assert shown["region"] == "EEA"
    assert "Windowworks Ltd" in shown["told_html"]
    said = program.send("contact", email="a@example.org", message="")
    assert said["problems"] == {"message": "This is needed."}
    assert 'aria-invalid="true"' in said["fields_html"]


def test_what_may_be_a_childs_waits_for_a_person(town: Town) -> None:
    before, now = town.messages(), NOW
    visit = Visitor(town.client, "contact")
    text = f"I am 14 years old and my name is {MARK}"
    reply = visit.send(email="kid@example.org", message=text)
    assert reply.status_code == 200
    assert "Somebody reads it first" in reply.text
    (one,) = town.controller.quarantine.open()
    assert town.messages() == before
    assert MARK not in town.everywhere()  # sealed
    who = town.controller.actors.of("Pia", "privacy-officer", now)
    assert deciding.look(town.controller, one.id)[1]["message"] == text
    deciding.decide(town.controller, one.id, "child", "she says so", who, now)
    with pytest.raises(Exception, match="gone"):
        deciding.look(town.controller, one.id)
    # By the company's own program: held, and handed over once it is decided.
    program = Program(town.client)
    said = program.send("support", subject="Help", body="I was born in 2015, says my brother")
    assert (said["outcome"], said["values"]) == ("held", {})
    path = f"/api/v1/forms/support/items/{said['item']}"
    assert town.client.post(path, headers=program.headers).json()["outcome"] == "held"
    deciding.decide(town.controller, said["item"], "no-child", "his brother", who, now)
    handed = town.client.post(path, headers=program.headers).json()
    assert (handed["outcome"], handed["values"]["subject"]) == ("taken", "Help")
    assert town.client.post(path, headers=program.headers).status_code == 400
    # What is let through of a form with a place is stored there at once.
    Visitor(town.client, "contact").send(email="old@example.org", message="I am 15, said the cat.")
    (one,) = town.controller.quarantine.open()
    deciding.decide(town.controller, one.id, "no-child", "the cat is", who, now)
    assert len(town.messages()) == len(before) + 1
    # What nobody decides goes.
    Visitor(town.client, "contact").send(email="old@example.org", message="I am 15.")
    late = now + dt.timedelta(days=14)
    assert deciding.keep_up(town.controller, late) == 1
    assert town.controller.quarantine.open() == []
    with town.controller.database.connection() as c:
        left = c.execute("SELECT count(*) FROM quarantine WHERE sealed IS NOT NULL").fetchone()
        keys = c.execute("SELECT count(*) FROM subject_key WHERE class = 'quarantine'").fetchone()
    assert (left, keys) == ((0,), (0,))


def test_a_notice_is_shown_again_by_the_command(town: Town, kept: Any) -> None:
    answer = sent(town.controller, "contact", email="n@example.org", message="x")
    ran = kept("notice", "show", answer.stamps["notice"], "--dir", town.directory, "--json")
    assert ran.status == 0, ran.said
    assert ran.document["whole"] is True
    assert "The interest is ours" in ran.document["text"]
    short = kept("notice", "show", answer.stamps["notice"][:16], "--dir", town.directory, "--json")
    assert short.document == ran.document
    for unknown in ("0" * 64, answer.stamps["notice"][:15]):
        assert kept("notice", "show", unknown, "--dir", town.directory).status == 2
    listed = kept("notice", "list", "--dir", town.directory, "--json").document
    assert answer.stamps["notice"] in [n["notice"] for n in listed["notices"]]
    assert sent(town.controller, "contact", email="", message="x").why == "missing"
    waits = kept("quarantine", "list", "--dir", town.directory, "--json").document
    assert {"form", "why", "count"} == set(waits["refused"][0])
    assert kept("quarantine", "sweep", "--dir", town.directory).status == 0
    denied = kept("quarantine", "decide", "x", "child", "--reason", "because", "--role", "auditor",
                  "--dir", town.directory)  # fmt: skip
    assert denied.status == 1


def test_nothing_is_stored_by_looking(town: Town) -> None:
    before = town.everywhere()
    for form in town.controller.bundle.forms:
        assert Visitor(town.client, form).status == 200
        Program(town.client).shown(form)
    assert town.everywhere() == before


@pytest.fixture(scope="module")
def served(town: Town) -> Iterator[str]:
    """The same town, served by a process of its own."""
    process, document = serve(town.directory)
    try:
        yield document["url"]
    finally:
        process.terminate()
        assert process.wait(30) == 0


@NEEDS_CHROMIUM
@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")]
)
def test_in_a_browser(town: Town, served: str, browser: Browser, width: int, scheme: Any) -> None:
    """0 axe violations, no scrolling sideways, contrast; sent as real browsers send it."""
    context = opened(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    amiss = {}
    for form in ("contact", "onboarding", "webinar"):
        page.goto(f"{served}/forms/{form}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, form
        amiss.update({form: found} if (found := axe(page)) else {})
        assert not weak(page.evaluate(COLOURS)), form
    page.goto(f"{served}/forms/contact")
    assert not page.get_by_label("Yes, send me news").is_checked()
    page.get_by_label("E-mail address").fill("not an address")
    page.get_by_role("button", name="Send").click()
    assert page.get_by_role("alert").is_visible()
    assert page.locator("#email").get_attribute("aria-invalid") == "true"
    amiss.update({"wrong": found} if (found := axe(page)) else {})
    before = len(town.messages())
    page.get_by_label("E-mail address").fill(f"reader{width}{scheme}@example.org")
    page.get_by_label("Your message").fill("Hello?")
    page.get_by_role("button", name="Send").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Thank you"
    amiss.update({"sent": found} if (found := axe(page)) else {})
    assert len(town.messages()) == before + 1
    assert amiss == {}
    assert context.cookies() == []
    assert [url for url in asked if not url.startswith(served)] == []
    context.close()


def test_a_source_that_sends_very_often_is_told_to_wait(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(town.client.app.state, "often", Often(1))
    first, second = Visitor(town.client, "contact"), Visitor(town.client, "contact")
    assert first.send(email="o1@example.org", message="One.").status_code == 200
    before, counted = len(town.messages()), town.counts()
    reply = second.send(email="o2@example.org", message="Two & more.")
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "3600")
    assert "Many forms came from where you are" in reply.text
    assert "Two &amp; more." in reply.text  # it need not be typed again
    assert (len(town.messages()), town.counts()) == (before, counted)
    program = Program(town.client).send("trial", email="o3@example.org")
    assert program["outcome"] == "taken"  # the company's own program is no source


def test_often_is_by_source_and_by_hour() -> None:
    often, later = Often(2), NOW + WINDOW
    assert [often.too("a", NOW) for _ in range(4)] == [False, False, True, True]
    assert [often.too("b", NOW), often.too("a", NOW + WINDOW / 2)] == [False, True]
    assert [often.too("a", later), often.too("a", later), often.too("a", later)] == [
        False, False, True,
    ]  # fmt: skip
    free = Often(0)
    assert not any(free.too("a", NOW) for _ in range(1_000))


def test_often_takes_what_one_customer_has_for_one_source() -> None:
    often, bucket = Often(1), Bucket(1, 1)
    one = ("2001:db8:1:2::1", "2001:DB8:1:2:ffff::9%eth0", "2001:db8:1:2::/64")
    other = ("2001:db8:1:3::1", "192.0.2.1", "192.0.2.2", "not an address", ":")
    mapped = ("::ffff:192.0.2.1", "192.0.2.1")
    for late, those in (([False, True, True], one), ([False] * 5, other), ([True, True], mapped)):
        assert [often.too(each, NOW) for each in those] == late
        assert [bucket.too(each, 0) for each in those] == late


def test_often_counts_all_who_come_at_once() -> None:
    often, before = Often(50), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            late = [*pool.map(lambda _: often.too("a", NOW), range(4_000))]
    finally:
        sys.setswitchinterval(before)
    assert late.count(False) == 50


def test_the_openapi_names_the_forms(town: Town) -> None:
    found = json.loads(town.client.get("/api/v1/schema/openapi.json").text)
    assert {"/api/v1/forms/{form}", "/api/v1/forms/{form}/items/{item}"} <= set(found["paths"])
