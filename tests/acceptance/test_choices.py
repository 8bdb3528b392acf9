"""Choices and opt-outs by clause: BEHAD, ADNET, SHARE, COOK, TRACK, SOCIAL, RIGHT, PREAM."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import kept_verify
from kept.policy.bundle import load
from tests.acceptance.conftest import Page, World, decisions, free_port, kept, serving
from tests.serving import running
from tests.world import REFERENCE, edit

PATH = "/privacy/choices"
BUNDLE = load(REFERENCE)
#: The addresses of the policy, by clause, as its text gives them.
LINKS = {
    "BEHAD-3": "https://www.facebook.com/settings/?tab=ads",
    "BEHAD-4": "https://www.google.com/settings/ads/anonymous",
    "BEHAD-5": "https://advertise.bingads.microsoft.com/en-us/resources/policies/personalized-ads",
    "BEHAD-6": "https://www.linkedin.com/help/linkedin/answer/a570330/"
    "opt-out-of-sponsored-messaging?lang=en",
    "BEHAD-7": "https://business.twitter.com/en/help/ads-policies/product-policies/"
    "interest-based-opt-out-policy.html",
    "BEHAD-8": "http://optout.aboutads.info/",
    "ADNET-3": "http://preferences.truste.com/",
    "ADNET-4": "http://www.youronlinechoices.eu/",
}
#: What stands at those that opt nobody out, or not of all.
NOTES = {
    "BEHAD-5": "a page about advertiser policy, not a switch",
    "BEHAD-6": "about sponsored messages only, not about all advertisements",
    "BEHAD-7": "a page about policy, not a switch",
    "BEHAD-8": "covers some of these services, not all",
}


#: Links whose addresses the text lost or never had, with the clause that needs each.
LOST = {
    "google-data-use": "SHARE-2", "google-analytics-opt-out": "SHARE-3", "nai-education": "BEHAD-2",
    "policy-facebook": "SOCIAL-5", "policy-share-this": "SOCIAL-5",
}  # fmt: skip
NETWORKS = [row.id for row in BUNDLE.recipients.values() if row.lane.startswith("ad-network")]


@dataclass
class Visitor:
    """A browser without script: cookies, headers, and a link to the last answer."""

    url: str
    country: str | None = None
    gpc: bool = False

    def __post_init__(self) -> None:
        self.jar: dict[str, str] = {}

    def ask(
        self, method: str, path: str, fields: Any = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        given = {"Accept": "text/html", **headers}
        if self.country:
            given["X-Country"] = self.country
        if self.gpc:
            given["Sec-GPC"] = "1"
        if self.jar:
            given["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.jar.items())
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields, doseq=True)
            given["Content-Type"] = "application/x-www-form-urlencoded"
        place = urllib.parse.urlsplit(self.url)
        with contextlib.closing(http.client.HTTPConnection(place.netloc, timeout=60)) as c:
            c.request(method, path, body, given)
            answer = c.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = line.partition(";")[0].partition("=")
                self.jar[name] = value
                if "Max-Age=0" in line:
                    del self.jar[name]
            return answer.status, answer.headers, answer.read().decode()

    def page(self) -> Page:
        status, _, text = self.ask("GET", PATH)
        assert status == 200
        return Page(text)

    def press(self, **fields: Any) -> str:
        status, headers, text = self.ask("POST", PATH, fields)
        assert status == 303, text
        return str(headers["Location"])


@dataclass
class Place:
    """The world behind a server that says where visitors are, with links that can be asked."""

    directory: Path
    url: str
    token: str
    gone: dict[str, tuple[int, str]]

    def visitor(self, country: str | None = None, *, gpc: bool = False) -> Visitor:
        return Visitor(self.url, country, gpc)

    def judged(self, visitor: Visitor, **more: Any) -> dict[str, Any]:
        """What a program is told that wants to send something on about this visit."""
        cookie = "; ".join(f"{n}={v}" for n, v in visitor.jar.items())
        body = json.dumps(
            {"cookie": cookie, "gpc": visitor.gpc, "country": visitor.country, **more}
        )
        place = urllib.parse.urlsplit(self.url)
        with contextlib.closing(http.client.HTTPConnection(place.netloc, timeout=60)) as c:
            token = {"Authorization": f"Bearer {self.token}"}
            kind = {"Content-Type": "application/json"}
            c.request("POST", "/api/v1/visit", body, token | kind)
            answer = c.getresponse()
            assert answer.status == 200
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def proven(self, clause: str) -> None:
        ran = kept(self.directory, "prove", "--clause", clause)
        (one,) = ran.document["clauses"]
        assert one["outcome"] == "pass", one
        assert one["looked_at"] > 0


@pytest.fixture(scope="module")
def place(world: World) -> Iterator[Place]:
    """An edition whose opt-out links lead to a host on loopback that may be looked at."""
    gone: dict[str, tuple[int, str]] = {}

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            status, onward = gone.get(self.path, (200, ""))
            self.send_response(status)
            if onward:
                self.send_header("Location", onward)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)) as elsewhere:
        yield from _place(world, gone, elsewhere.removeprefix("http://"))


def _place(world: World, gone: dict[str, tuple[int, str]], host: str) -> Iterator[Place]:
    directory = world.edition()
    for clause, url in LINKS.items():
        for before in (f"url: {url}", f"words: {url}"):
            moved = f"{before.partition(':')[0]}: http://{host}/{clause}"
            edit(directory / "policy" / "links.yml", before + "\n", moved + "\n")
    port = free_port()
    text = (directory / "kept.toml").read_text("utf-8")
    toml = text.replace("[site]\n", '[site]\nproxy = true\ncountry = "X-Country"\n', 1)
    assert toml != text
    lines = [line for line in toml.splitlines() if not line.startswith(("port =", "url ="))]
    at = lines.index("[site]")
    lines[at + 1 : at + 1] = [f"port = {port}"]
    supplied = ", ".join(f'{name} = "http://{host}/{name}"' for name in LOST)
    (directory / "kept.toml").write_text(
        "\n".join(lines) + f'\n[links]\nlook = ["{host}"]\n'
        f"addresses = {{{supplied}}}\n[networks]\n"
        + "".join(f'{n} = {{country = "US", audiences = []}}\n' for n in NETWORKS), "utf-8"
    )  # fmt: skip
    with serving("kept.app", "serve", "--dir", str(directory), "--port", str(port), "--json") as up:
        yield Place(directory, up["url"], world.company.token, gone)


@pytest.mark.parametrize("clause", sorted(LINKS))
def test_BEHAD_3_to_8_and_ADNET_3_4_stand_there_as_in_the_text(world: World, clause: str) -> None:
    """On the page of the reference bundle, with nothing added, and with what has to be said."""
    page = Visitor(world.url).page()
    assert page.links.count(LINKS[clause]) == 1
    assert NOTES.get(clause, "") in page.text
    assert "What they do there, and whether it works, we cannot see" in page.text
    assert "covers all" not in page.text
    assert "opt out of Google Analytics: the address is still missing" in page.text


@pytest.mark.parametrize("clause", ["BEHAD-3", "BEHAD-8", "ADNET-4"])
def test_BEHAD_3_to_8_and_ADNET_3_4_a_dead_link_is_an_alarm_with_its_clause(
    place: Place, clause: str
) -> None:
    place.gone.clear()
    assert kept(place.directory, "links", "look").status == 0
    place.proven(clause)
    for answer in ((404, ""), (302, "/")):
        place.gone[f"/{clause}"] = answer
        assert kept(place.directory, "links", "look").status == 1
        ran = kept(place.directory, "prove", "--clause", clause)
        assert ran.status == 1
        assert clause in ran.out
    place.gone.clear()
    assert kept(place.directory, "links", "look").status == 0


def test_BEHAD_9_and_SHARE_3_a_refusal_stops_tags_and_servers_at_once(place: Place) -> None:
    """In the United States, where they run until somebody refuses."""
    somebody = place.visitor("US")
    before = place.judged(somebody)
    assert {"google-analytics", "facebook-pixel", "linkedin-insight"} <= set(before["trackers"])
    somebody.press(do="save", aim=["personalise", "social"], by="page")
    after = place.judged(somebody)
    assert set(after["trackers"]) == {"own-choices", "own-session", "facebook-like", "share-this"}
    # Another page, another day, another country: it stays refused.
    somebody.country = "CY"
    assert "google-analytics" not in place.judged(somebody)["trackers"]
    entry = [e for e in ledger(place) if e["kind"] == "choice.made"][-1]["body"]
    assert entry["refused"] == ["advertise", "analyse"]
    assert entry["place"] == "page"
    one = [t.id for t in BUNDLE.trackers.values() if "operate" not in t.aims]
    one.remove("google-analytics")
    alone = place.visitor("US")
    alone.press(do="save", aim=list(BUNDLE.visits.optional), shown="1", tracker=one)
    assert "google-analytics" not in place.judged(alone)["trackers"]
    assert "bing-ads" in place.judged(alone)["trackers"]


def test_ADNET_2_and_COOK_2_nothing_runs_before_a_choice_where_it_is_asked_first(
    place: Place,
) -> None:
    for country in ("DE", "NO", "CY", "GB", "CH", None, "??"):
        visitor = place.visitor(country)
        assert place.judged(visitor)["allowed"] == ["operate"], country
        assert set(place.judged(visitor)["trackers"]) == {"own-choices", "own-session"}
    signal = place.visitor("US", gpc=True)
    assert place.judged(signal)["allowed"] == ["analyse", "operate", "personalise"]
    assert place.judged(signal)["shared"] == ["operate"]
    assert set(place.judged(signal)["trackers"]) == {"own-choices", "own-session"}
    signal.press(do="accept")  # what she says herself comes before what her browser says
    assert "advertise" in place.judged(signal)["allowed"]


def test_ADNET_4_people_in_the_union_are_given_the_address_for_the_union(place: Place) -> None:
    def offered(country: str | None) -> set[str]:
        links = place.visitor(country).page().links
        return {c for c in ("ADNET-3", "ADNET-4") if any(to.endswith(f"/{c}") for to in links)}

    assert offered("DE") == offered("CY") == {"ADNET-4"}
    # The EEA is not the Union: Norway is asked first, and has the other address.
    assert offered("US") == offered("NO") == offered("GB") == {"ADNET-3"}
    assert offered(None) == {"ADNET-3", "ADNET-4"}


def test_ADNET_5_advertisements_remain_and_that_is_said_at_the_switch(world: World) -> None:
    visitor = Visitor(world.url)
    text = visitor.ask("GET", PATH)[2]
    switch = text[text.index('id="aim-advertise"') :]
    switch = switch[: switch.index("</section>")]
    assert "you still see advertisements" in " ".join(switch.split())
    visitor.press(do="refuse")
    assert "you still see advertisements" in visitor.page().text
    world.proven("ADNET-5")


def test_TRACK_1_what_lies_outside_the_policy_still_obeys(place: Place, world: World) -> None:
    outside = {t.id for t in BUNDLE.trackers.values() if t.outside}
    assert len(outside) >= 8
    refused = place.visitor("US")
    refused.press(do="refuse")
    assert not outside & set(place.judged(refused)["trackers"])
    page = Visitor(world.url).page().text
    assert page.count("lies outside our policy") == len(outside)
    # No page of a site stands here: that part was not looked at, and so nothing is proven yet.
    one = world.proof("TRACK-1")
    assert one["outcome"] == "vacuous"
    assert {e["control"]: e["outcome"] for e in one["evidence"]} == {
        "visits.trackers-obey-choices": "pass", "trackers.pages-are-guarded": "vacuous",
    }  # fmt: skip


def test_COOK_4_a_refusal_after_a_yes_removes_what_was_left_and_is_noted(place: Place) -> None:
    visitor = place.visitor("FR")
    visitor.press(do="accept", by="banner", return_to="/")
    visitor.jar |= {"_ga": "GA1.1", "_fbp": "fb.1", "basket": "1"}
    visitor.press(do="refuse")
    assert set(visitor.jar) == {"kept-choices", "basket"}
    assert place.judged(visitor)["allowed"] == ["operate"]
    acts = [e["body"]["act"] for e in ledger(place) if e["kind"] == "choice.made"]
    assert acts[-2:] == ["accept", "refuse"]


def test_PREAM_6_reading_is_no_consent(world: World) -> None:
    def granted() -> list[dict[str, Any]]:
        return [e for e in world.ledger() if e["kind"] in ("choice.made", "consent.given")]

    before = len(granted())
    visitor = Visitor(world.url)
    for path in ["/privacy", "/privacy/versions", PATH, "/privacy/requests"] * 3:
        status, headers, _ = visitor.ask("GET", path)
        assert status == 200
        assert headers.get_all("Set-Cookie") is None
    assert len(granted()) == before
    visitor.press(do="refuse")
    assert visitor.ask("GET", "/privacy")[0] == 200
    assert len(granted()) == before + 1
    world.proven("PREAM-6")


def test_RIGHT_7_a_yes_is_taken_back_where_it_was_given_in_as_many_steps(place: Place) -> None:
    visitor = place.visitor("DE")
    yes = visitor.press(do="accept")
    assert "google-ads" in place.judged(visitor)["trackers"]
    no = visitor.press(do="refuse")
    assert yes.partition("?")[0] == no.partition("?")[0] == PATH
    assert place.judged(visitor)["allowed"] == ["operate"]


def test_LEGAL_3_who_chose_can_show_it_without_us(place: Place, tmp_path: Path) -> None:
    visitor = place.visitor("IS")
    saved = urllib.parse.urlsplit(visitor.press(do="save", aim=["analyse"]))
    number = urllib.parse.parse_qs(saved.query)["receipt"][0]
    status, _, text = visitor.ask("GET", f"{PATH}/receipts/{number}")
    assert status == 200
    file = tmp_path / "receipt.json"
    file.write_text(text, "utf-8")
    assert kept_verify.main([str(file)]) == 0
    file.write_text(text.replace("dpv:ConsentRefused", "dpv:ConsentGiven", 1), "utf-8")
    assert kept_verify.main([str(file)]) == 1


def test_SOCIAL_5_and_SHARE_2_a_missing_address_is_shown_as_missing(world: World) -> None:
    page = Visitor(world.url).page()
    assert (
        "Theirs is here: the privacy policy of Facebook (the address is still missing)" in page.text
    )


@pytest.mark.parametrize("link", ["google-data-use", "nai-education"])
def test_SHARE_2_and_BEHAD_2_an_address_that_was_lost_is_open_until_it_is_supplied(
    world: World, place: Place, link: str
) -> None:
    clause = LOST[link]
    left = world.proof(clause)
    assert left["outcome"] == "open"
    assert f"where does `{link}` lead?" in " ".join(left["missing"])
    assert link in world.kept("policy", "check").document["addresses_open"]
    # Supplied by the operator: there as supplied, and an alarm once nobody answers there.
    place.gone.clear()
    assert kept(place.directory, "links", "look").status == 0
    place.proven(clause)
    place.gone[f"/{link}"] = (404, "")
    assert kept(place.directory, "links", "look").status == 1
    ran = kept(place.directory, "prove", "--clause", clause)
    assert ran.status == 1
    assert f"{link} ({clause}) is gone" in ran.out
    place.gone.clear()
    assert kept(place.directory, "links", "look").status == 0


def judged(directory: Path, clause: str, control: str) -> tuple[str, str]:
    """What one control came to, and what it found, when a clause was proved."""
    (one,) = kept(directory, "prove", "--clause", clause).document["clauses"]
    met = next(e for e in one["evidence"] if e["control"] == control)
    return met["outcome"], " ".join(f["words"] for f in met["findings"])


def test_SHARE_1_what_the_tag_does_is_what_the_activity_says(world: World) -> None:
    name = "trackers.held-against-activities"
    assert judged(world.directory, "SHARE-1", name) == ("pass", "")
    whole = "  recipients: [ad-network.analytics]\n  retention: cookies\n  clauses: [SHARE-1"
    less = world.edition(("activities.yml", whole, whole.replace("ad-network.analytics", "")))
    outcome, words = judged(less, "SHARE-1", name)
    assert outcome == "fail"
    assert "no activity hands anything to google-analytics" in words


def test_ADNET_1_a_network_without_country_and_audiences_is_named(place: Place) -> None:
    name, settings = "trackers.networks-are-registered", place.directory / "kept.toml"
    assert judged(place.directory, "ADNET-1", name) == ("pass", "")
    before = settings.read_text("utf-8")
    settings.write_text(before.replace('bing = {country = "US", audiences = []}\n', ""), "utf-8")
    try:
        outcome, words = judged(place.directory, "ADNET-1", name)
        settings.write_text(before.replace("bing = {country", "bong = {country"), "utf-8")
        assert kept(place.directory, "prove", "--clause", "ADNET-1").status == 2
    finally:
        settings.write_text(before, "utf-8")
    assert (outcome, words) == ("fail", "of bing neither country nor audiences are said")


def ledger(place: Place) -> list[dict[str, Any]]:
    copy = place.directory / f"copy-{free_port()}"
    assert kept(place.directory, "ledger", "export", copy).status == 0
    return list(decisions(copy))
