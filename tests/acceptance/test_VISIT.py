"""VISIT: browsing needs nothing; forms ask what they declare, and need what they need."""

from __future__ import annotations

import dataclasses
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.company.life import Browser
from playwright.sync_api import Browser as Chromium

from kept import deployment
from kept.app.gateway import make
from kept.controller import Controller
from tests.acceptance.conftest import IN_FORCE, Page, World, crawl, get, kept
from tests.app.gateway.street import chosen, gateway
from tests.browser import NEEDS_CHROMIUM, browser
from tests.forms import Fields
from tests.world import edit

__all__ = ["browser"]  # the fixture

FORMS = ("contact", "newsletter", "trial", "download", "demo", "onboarding", "order", "support",
         "testimonial", "webinar", "partner-offers")  # fmt: skip
#: What somebody fills in who fills in what is needed, and nothing else.
NEEDED = {
    "contact": {"message": "Hello?"}, "newsletter": {}, "trial": {}, "download": {}, "demo": {},
    "testimonial": {"words": "It works."}, "webinar": {}, "partner-offers": {},
}  # fmt: skip


def test_VISIT_1_all_public_pages_are_read_without_saying_who_one_is(world: World) -> None:
    """Every page of the site and of Kept, with no cookie and every choice refused."""
    before, own = world.rows(), {**world.dump(), "job": []}
    pages = crawl(world.site)
    assert len(pages) > 14
    # What the site leads to on Kept is read as well.
    assert {p.status for p in pages.values()} <= {200, 302}
    for path, reply in {**pages, **crawl(world.url, "/privacy")}.items():
        assert reply.status in (200, 302, 303), path
        assert reply.headers["Set-Cookie"] is None, path
        assert "password" not in reply.text or path == "/onboarding", path
    assert world.rows() == before
    assert {**world.dump(), "job": []} == own  # jobs run by the clock


def test_VISIT_2_a_field_that_is_not_declared_is_never_stored(world: World) -> None:
    email, secret = world.stranger(), "utm-of-nobody-else"
    status, said = world.browser().send(
        "/contact", email=email, message="Hello?", utm_source=secret, screen=secret,
        referrer=secret, **{"contact.religion": secret},
    )  # fmt: skip
    assert (status, said["dropped"]) == (201, 4)
    assert secret not in str(world.rows())
    assert secret not in str(world.dump())
    assert secret not in world.log.read_text("utf-8")
    world.proven("VISIT-2")


@pytest.mark.parametrize("form", sorted(NEEDED))
def test_VISIT_4_the_needed_fields_are_enough(world: World, form: str) -> None:
    shown = Fields(get(f"{world.site}/{form}").text)
    assert set(shown.boxes.values()) <= {False}  # nothing is ticked
    typed = [value for name, value in shown.fields if not name.startswith("kept.")]
    assert set(typed) <= {""}  # nothing is filled in
    assert shown.required == {"email", *NEEDED[form]}
    email = world.stranger()
    status, said = world.browser().send(f"/{form}", email=email, **NEEDED[form])
    assert status == 201, said
    if form in ("contact", "trial"):
        assert said["newsletter"] is None
    if form == "contact":
        world.proven("VISIT-4")


def test_PREAM_3_what_comes_from_no_site_of_the_policy_is_counted_and_not_kept(
    world: World,
) -> None:
    """A stored page of an old brand, a sub-domain, a page that hides whence it comes."""
    secret = world.stranger()
    before = world.rows()
    form = Fields(get(f"{world.site}/contact").text)
    for origin in ("https://glue42.com", "https://old.interop.io", "null", None):
        fields = [*form.fields[:4], ("email", secret), ("message", "Hello?")]
        body = urllib.parse.urlencode(fields).encode()
        headers = {"Accept": "application/json"} | ({"Origin": origin} if origin else {})
        request = urllib.request.Request(f"{world.site}/contact", body, headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=30)
        assert refused.value.code == 403
    assert world.rows() == before
    assert secret not in str(world.dump())
    waits = world.kept("quarantine", "list").document["refused"]
    assert {"form": "contact", "why": "origin", "count": 4} in waits
    world.proven("PREAM-3")


def test_PREAM_6_reading_is_never_agreeing(world: World) -> None:
    """Ten pages and every form, looked at: nobody has agreed to anything."""
    before = len(world.ledger())
    agreed = "SELECT count(*) FROM fact WHERE fact LIKE 'consent:%'"
    with world.sql() as c:
        count = c.execute(agreed).fetchone()
    browser = world.browser()
    assert [browser.get(f"/{form}") for form in FORMS] == [200] * len(FORMS)
    with world.sql() as c:
        assert c.execute(agreed).fetchone() == count
    assert len(world.ledger()) == before


def test_LEGAL_7_what_law_or_contract_asks_stands_by_the_field(
    world: World, person: tuple[str, Browser]
) -> None:
    """The order form asks for a tax number: which law, whether it must be, and what follows."""
    for form, field, words in (
        ("order", "tax_number", ("2006/112/EC", "You may leave it empty", "add the tax")),
        ("order", "quantity", ("You have to give this", "contract")),
        ("onboarding", "address", ("You have to give this", "law", "not sell to you")),
    ):
        text = get(f"{world.site}/{form}").text
        beside = text.partition(f'id="{field}-told"')[2].partition("</span>")[0]
        assert all(word in beside for word in words), beside
        assert text.index(f'id="{field}-told"') < text.index("<button")
    _, browser = person
    status, said = browser.send("/order", quantity="1")
    assert status == 201
    shown = world.kept("notice", "show", said["notice"]).document
    assert "add the tax of your country" in shown["text"]
    world.proven("LEGAL-7")


def test_LEGAL_8_the_interest_and_whose_it_is_stand_on_the_form(world: World) -> None:
    page = Page(get(f"{world.site}/contact").text)
    assert "to answer whoever writes to us" in page.text
    assert "The interest is ours, and that of whoever writes" in page.text
    email = world.stranger()
    assert world.browser().send("/contact", email=email, message="Hello?")[0] == 201
    _, pack = world.access(email)
    assert "to answer whoever writes to us" in pack.page  # the package repeats it
    world.proven("LEGAL-8")


def test_LEGAL_9_what_was_shown_can_be_shown_again(world: World) -> None:
    email = world.stranger()
    page = Page(get(f"{world.site}/contact").text)
    status, said = world.browser().send("/contact", email=email, message="Hello?")
    assert status == 201
    (row,) = [r for r in world.rows().values() if r.get("email") == email]
    assert row["notice"] == said["notice"]
    again = world.kept("notice", "show", row["notice"]).document
    assert again["whole"] is True
    assert again["version"] == row["policy_version"]
    for line in again["text"].splitlines():
        assert line.strip(" -()") in page.text
    # The same text is kept once, however often it was shown.
    world.browser().send("/contact", email=world.stranger(), message="Hello?")
    listed = world.kept("notice", "list").document["notices"]
    assert [n["notice"] for n in listed].count(row["notice"]) == 1
    world.proven("LEGAL-9")


def test_LEGAL_9_words_that_change_in_place_are_noticed(world: World) -> None:
    assert world.browser().send("/contact", email=world.stranger(), message="Hello?")[0] == 201
    elsewhere = world.edition(("forms.yml", "so that we can answer you", "because we like to"))
    one = world.proof("LEGAL-9", elsewhere)
    assert one["outcome"] == "fail"
    assert "tells something else" in str([e["findings"] for e in one["evidence"]])


def test_PART_8_each_partner_stands_on_the_form_with_a_link_to_its_own_policy(
    world: World,
) -> None:
    reply = get(f"{world.site}/webinar").text
    page = Page(reply)
    for name in ("Windowworks", "Deskline"):
        assert name in page.text
        link = f"https://{name.lower()}.example/privacy"
        assert link in page.links
        assert reply.index(link) < reply.index("<button")
    email = world.stranger()
    status, said = world.browser().send("/webinar", email=email)
    assert (status, said["basis"]) == (201, "consent")
    shown = world.kept("notice", "show", said["notice"]).document["shown"]
    assert [p[0] for p in shown["partners"]] == ["Windowworks", "Deskline"]
    world.proven("PART-8")


def test_CHILD_2_of_who_is_certainly_too_young_nothing_is_left(world: World) -> None:
    """A field with a birth date, an age, a year: refused before anything is stored."""
    before, entries = world.rows(), len(world.ledger())
    secret = world.stranger()
    for name, value in (("birth_date", "2019-12-31"), ("age", "15"), ("geburtsjahr", "2018")):
        status, said = world.browser().send(
            "/contact", email=secret, message="Hello?", **{name: value}
        )
        assert (status, said["stored"]) == (403, None), name
    assert world.rows() == before
    assert len(world.ledger()) == entries
    assert secret not in str(world.dump())
    assert secret not in world.log.read_text("utf-8")
    counted = world.kept("quarantine", "list").document["refused"]
    assert next(r["count"] for r in counted if (r["form"], r["why"]) == ("contact", "age")) >= 3
    status, said = world.browser().send(
        "/contact", email=secret, message="Hello?", birth_date="1990-01-01"
    )
    assert (status, said["dropped"]) == (201, 1)  # nobody asked; nothing of it is kept
    assert "1990-01-01" not in str(world.rows())


def test_CHILD_2_what_only_sounds_like_a_child_waits_sealed(world: World) -> None:
    before, secret = world.rows(), world.stranger()
    status, said = world.browser().send(
        "/contact", email=secret, message="I am 14 years old. May I try it?"
    )
    assert (status, said["stored"]) == (202, None)
    assert world.rows() == before
    assert secret not in str(world.dump())
    waits = world.kept("quarantine", "list").document["waiting"]
    done = world.kept("quarantine", "decide", waits[-1]["item"], "child", "--reason", "she says so")
    assert (done.status, done.document["outcome"]) == (0, "child")
    assert world.kept("quarantine", "list").document["waiting"] == waits[:-1]


@dataclasses.dataclass
class Counted:
    """The site behind a gateway that records views: the deployment, its address, how to look."""

    world: World
    place: Path
    url: str

    def views(self) -> list[dict[str, Any]]:
        with self.world.sql() as c:
            found = c.execute("SELECT row_to_json(v) FROM visit_event v ORDER BY at").fetchall()
        return [row[0] for row in found]

    def proven(self, clause: str) -> None:
        one = self.world.proof(clause, self.place)
        findings = [f for e in one["evidence"] for f in e["findings"]]
        assert (one["outcome"], findings) == ("pass", []), findings
        assert one["looked_at"] > 0


@pytest.fixture(scope="module")
def counted(world: World) -> Iterator[Counted]:
    declared = ("trackers.yml", "name: __Host-kept, lifetime", "name: account, lifetime")
    place = world.edition(declared)
    edit(place / "kept.toml", "[site]\n", '[site]\ncookie = "account"\nproxy = true\n'
         'country = "X-Country"\n')  # fmt: skip
    with (place / "kept.toml").open("a") as file:
        file.write("\n[gateway]\nacts = true\nproxy = true\n")
    with gateway(place, world.site, "--kept", world.url) as said:
        yield Counted(world, place, said["url"])


@NEEDS_CHROMIUM
def test_VISIT_3_one_view_is_one_event_and_none_is_made_after_a_no(
    counted: Counted, browser: Chromium
) -> None:
    """A browser at the site: before a choice, after a yes, after a no; then its views are hers,
    who is known by its cookie: shown, erased.
    """
    world, url, cookie = counted.world, counted.url, "acc0unt-of-hers"
    before = len(counted.views())
    context = browser.new_context(extra_http_headers={"X-Country": "DE"})
    context.add_cookies([{"name": "account", "value": cookie, "url": url}])
    page = context.new_page()
    told: list[str] = []
    page.on("request", lambda request: told.append(request.url))

    def read(path: str) -> int:
        """Read a page; how many events there are more than at the beginning."""
        page.goto(url + path, wait_until="networkidle")
        return len(counted.views()) - before

    assert read("/product") == 0
    assert not any(one.endswith("/c") for one in told)  # nothing was even told
    with page.expect_navigation(wait_until="networkidle"):
        page.get_by_role("button", name="Allow all").click()
    assert len(counted.views()) - before == 1
    assert read("/contact?email=ana@example.org") == 2
    page.goto(url + "/privacy/choices", wait_until="networkidle")
    with page.expect_navigation(wait_until="networkidle"):
        page.get_by_role("button", name="Refuse all").first.click()
    told.clear()
    assert read("/trial") == 2
    assert not any(one.endswith("/c") for one in told)
    body = {"id": "f" * 32, "page": "/trial"}
    late = page.request.post(url + "/c", data=body, headers={"Origin": url})
    assert (late.status, len(counted.views()) - before) == (204, 2)
    context.close()

    made = counted.views()[-2:]
    assert [one["page"] for one in made] == ["/product", "/contact"]
    for one in made:
        assert (one["region"], one["why"], one["country"]) == ("EEA", "allowed", "DE")
        assert (one["browser"], one["referrer"], one["version"]) == ("Chrome", None, IN_FORCE)
    assert cookie not in str(world.dump()["visit_event"])
    counted.proven("VISIT-3")
    # A log that fills the same table would count each visit a second time.
    with world.sql() as c:
        c.execute("INSERT INTO visit_event SELECT sha256(id), at, site, page, referrer, browser,"
                  " country, mac, region, why, version, 'log' FROM visit_event")  # fmt: skip
    assert world.proof("VISIT-3", counted.place)["outcome"] == "fail"
    with world.sql() as c:
        c.execute("DELETE FROM visit_event WHERE batch = 'log'")

    email = world.stranger()
    proof = ("--to", f"email={email}", "--evidence", "verified", "--reason", "she showed it")
    for identity in (f"email={email}", f"cookie={cookie}"):
        ran = kept(counted.place, "identity", "link", "--identity", identity, *proof)
        assert ran.status == 0, ran.said
    _, pack = world.access(email, counted.place)
    assert len(pack.rows["own.visit_event"]) == 2
    ran = kept(counted.place, "rights", "erase", "--identity", f"email={email}", "--override",
               "acceptance", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True), ran.said
    assert len(counted.views()) == before


def test_PI_7_a_recording_of_the_screen_or_an_exact_position_is_never_kept(
    counted: Counted,
) -> None:
    place = deployment.read(counted.place)
    with Controller.open(place) as controller:
        yes = chosen(controller.bundle.edition, make.key_of(controller), {"analyse": True})
    secret = "s3cret-of-a-screen"
    # No second of a clock reads like these two, as 52.52 did.
    latitude, longitude = 84.520008, 163.404954
    body = {
        "id": "a" * 32, "page": f"/product?who={secret}", "referrer": f"https://x.example/{secret}",
        "recording": secret, "position": {"lat": latitude, "lon": longitude, "of": secret},
        "canvas": secret, "ip": "192.0.2.77",
    }  # fmt: skip
    request = urllib.request.Request(
        counted.url + "/c", json.dumps(body).encode(),
        {"Origin": counted.url, "Cookie": f"kept-choices={yes}", "X-Country": "DE",
         "X-Forwarded-For": "192.0.2.77", "User-Agent": f"Firefox/140 {secret}"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204
    dumped = counted.world.dump()
    for one in (secret, "84.52", "163.4", "192.0.2.77"):
        assert one not in str(dumped)
    assert counted.views()[-1]["page"] == "/product"
    recorded = [e["body"] for e in counted.world.ledger() if e["kind"] == "views.recorded"]
    assert recorded[-1]["dropped"] == 4
    counted.proven("PI-7")
