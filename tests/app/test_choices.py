"""Where visitors choose: page, banner, cookies, records, receipts; nothing by a GET."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import gzip
import html
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient
from tests import world as small
from tests.app.conftest import TOKEN

from kept import deployment
from kept.app import web
from kept.app.pages import asset_bytes
from kept.controller import Controller
from kept.decide.visit import judge, met
from kept.duties.visits import banner, choosing
from kept.embedded import Server
from kept.ledger.proof import VerifierKey
from kept.ledger.receipt import DOMAIN
from kept.model import choice, gpp
from kept.model.decision import Ask
from kept.policy.bundle import load
from kept.terms import dpv
from kept.terms.identifiers import Identifier
from kept.terms.signals import Signals

NOW = small.NOW
PATH = "/privacy/choices"
BUNDLE = load(small.REFERENCE)


@dataclasses.dataclass
class Site:
    """The application, with an own cookie of the site and a header for the country."""

    controller: Controller
    app: Any
    moment: dt.datetime = NOW

    def open(self) -> TestClient[Any]:
        return TestClient(self.app, base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[Site]:
    url = pg_server.make_database(f"choices_{os.getpid()}", template=_kept_template)
    directory = small.make(tmp_path_factory.mktemp("choices") / "world", url)
    with Controller.open(deployment.read(directory)) as controller:
        made = Site(controller, None)
        made.app = web.make(
            controller, token=TOKEN, shows="text", clock=lambda: made.moment,
            proxy=True, cookie="shop", country="X-Country", console=False,
        )  # fmt: skip
        yield made


def press(client: TestClient[Any], **fields: Any) -> Any:
    headers = fields.pop("headers", {})
    return client.post(PATH, data=fields, headers=headers, follow_redirects=False)


def chosen(client: TestClient[Any], site: Site) -> choice.Choices | None:
    key = site.controller.vault.mac("visitor choices", b"cookie")
    return choice.decode(
        client.cookies.get("kept-choices"), key, edition=BUNDLE.edition, today=site.moment.date()
    )


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_a_get_sets_no_cookie_and_keeps_nothing(site: Site) -> None:
    before = len(site.controller.visits.all())
    with site.open() as client:
        for headers in ({}, {"Sec-GPC": "1"}, {"X-Country": "US"}):
            for _ in range(10):
                answer = client.get(PATH, headers=headers)
                assert answer.status_code == 200
                assert "set-cookie" not in answer.headers
                assert answer.headers["cache-control"] == "no-store"
        said = words(answer.text)
        assert "This page sets a cookie when you save, to remember what you chose" in said
        assert "sets no cookie" not in said
    assert len(site.controller.visits.all()) == before


def test_what_is_chosen_is_kept_in_the_browser_and_as_a_record(site: Site) -> None:
    with site.open() as client:
        answer = press(client, do="save", aim=["analyse"], by="banner", return_to="/prices?a=b")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/prices?a=b"
        kept = chosen(client, site)
        assert kept is not None
        assert dict(kept.aims) == {
            "analyse": True, "personalise": False, "advertise": False, "social": False,
        }  # fmt: skip
        page = words(client.get(PATH).text)
        assert "On: you allowed it." in page
        assert "Off: you refused it." in page
    made = site.controller.visits.all()[-1]
    assert (made.act, made.place, made.region, made.gpc) == ("save", "banner", "unknown", False)
    entry = [e for _, e in site.controller.ledger.entries() if e.kind == "choice.made"][-1]
    assert entry.body["allowed"] == ["analyse"]
    assert entry.body["notice"] == made.notice
    assert made.notice in site.controller.visits.notices()
    # Nothing by which the browser or who reads in it could be known again.
    assert not {"ip", "agent", "cookie", "subject"} & set(dataclasses.asdict(made))


def test_yes_and_no_take_one_step_each_and_taking_back_takes_one_too(site: Site) -> None:
    with site.open() as client:
        press(client, do="accept", by="banner", return_to="/")
        yes = chosen(client, site)
        assert yes is not None
        assert all(yes.aims.values())
        press(client, do="refuse")
        no = chosen(client, site)
        assert no is not None
        assert not any(no.aims.values())
    document = json.loads(site.controller.visits.all()[-1].record)
    states = {p["dpv:hasConsentStatus"][0]["@type"][0] for p in document["dpv:hasProcess"]}
    assert states == {"dpv:ConsentWithdrawn"}


def test_one_network_can_be_stopped_alone(site: Site) -> None:
    others = [r.id for r in BUNDLE.trackers.values() if "operate" not in r.aims]
    others.remove("facebook-pixel")
    with site.open() as client:
        press(client, do="save", aim=list(BUNDLE.visits.optional), shown="1", tracker=others)
        kept = chosen(client, site)
        assert kept is not None
        assert dict(kept.trackers) == {"facebook-pixel": False}
        visit = judge(BUNDLE.visits, "US", kept)
        running = banner.running(BUNDLE, visit)
        assert "facebook-pixel" not in running
        assert "google-ads" in running
        box = re.search(r'<input[^>]*value="facebook-pixel"[^>]*>', client.get(PATH).text)
        assert box is not None
        assert "checked" not in box[0]


def test_a_part_of_a_page_is_loaded_by_a_click_and_nothing_else_is(site: Site) -> None:
    with site.open() as client:
        press(client, do="refuse")
        answer = press(client, do="load", tracker="facebook-like", by="embed", return_to="/a")
        assert answer.headers["location"] == "/a"
        kept = chosen(client, site)
        assert kept is not None
        visit = judge(BUNDLE.visits, "EEA", kept)
        assert banner.running(BUNDLE, visit) == ["own-choices", "own-session", "facebook-like"]
        press(client, do="refuse")
        assert (again := chosen(client, site)) is not None
        assert not again.trackers


def test_what_a_refused_tracker_left_is_removed(site: Site) -> None:
    names = ["_ga", "_ga_X1", "_fbp", "basket", "_gcl_au"]
    visit = judge(BUNDLE.visits, "US", choice.Choices(NOW.date(), BUNDLE.edition, {
        "analyse": False, "advertise": True}))  # fmt: skip
    gone = choosing.expired(BUNDLE, visit, names, "shop.example.org")
    assert [line.partition("=")[0] for line in gone] == ["_ga"] * 3 + ["_ga_X1"] * 3
    assert {line.partition("Domain=")[2] for line in gone} == {
        "", "shop.example.org", "example.org",
    }  # fmt: skip
    assert not choosing.expired(BUNDLE, visit, ["_ga; Path", 'a"b'], "shop.example.org")
    with site.open() as client:
        client.cookies.set("_ga", "GA1.1.1.1")
        answer = press(client, do="refuse")
        assert any(c.startswith("_ga=; Path=/; Max-Age=0")
                   for c in answer.headers.get_list("set-cookie"))  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"do": "seduce"},
        {},
        {"do": "save", "aim": "operate"},
        {"do": "save", "aim": "no-such"},
        {"do": "load", "tracker": "no-such"},
        {"do": "load"},
        {"do": "load", "tracker": "own-session"},
        {"do": "save", "shown": "1", "tracker": "\x00"},
    ],
)
def test_what_nobody_can_choose_is_refused_and_keeps_nothing(
    site: Site, fields: dict[str, str]
) -> None:
    before = len(site.controller.visits.all())
    with site.open() as client:
        answer = press(client, **fields)
        assert answer.status_code == 400
        assert "set-cookie" not in answer.headers
        assert "nothing is named" in words(answer.text) or "can be chosen here" in answer.text
    assert len(site.controller.visits.all()) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_no_other_site_chooses_for_anybody(site: Site, headers: dict[str, str]) -> None:
    with site.open() as client:
        answer = press(client, do="accept", headers=headers)
        assert answer.status_code == 400
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nX: y", "javascript:x",
     "/" + "a" * 3000, "/ä", ""],
)  # fmt: skip
def test_nobody_is_sent_elsewhere(site: Site, path: str) -> None:
    with site.open() as client:
        answer = press(client, do="refuse", by="banner", return_to=path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"{PATH}?receipt=")
        assert "evil" not in client.get(PATH, params={"return_to": path}).text


def test_the_signal_and_the_country_decide_until_somebody_chooses(site: Site) -> None:
    def page(**headers: str) -> str:
        with site.open() as client:
            return words(client.get(PATH, headers=headers).text)

    assert "strictest rule holds" in page()
    assert "On, until you refuse it." in page(**{"X-Country": "US"})
    assert "strictest rule holds" not in page(**{"X-Country": "US-CA"})
    heard = page(**{"X-Country": "US", "Sec-GPC": "1"})
    assert heard.count("Off: your browser sends Global Privacy Control") == 2
    assert heard.count("On, until you refuse it.") == 1
    assert heard.count("What others would get is off") == 1
    # What nobody ticked is not sent as a yes by whoever saves the page as it stands.
    with site.open() as client:
        for headers, ticked in (({}, set()),
                                ({"X-Country": "US", "Sec-GPC": "1"}, {"personalise"}),
                                ({"X-Country": "US"}, {"analyse", "personalise", "advertise"}),
                                ):  # fmt: skip
            text = client.get(PATH, headers=headers).text
            boxes = re.findall(r'<input[^>]*name="aim"[^>]*>', text)
            on = {re.findall('value="([a-z]+)"', box)[0] for box in boxes if " checked" in box}
            assert on == ticked
    assert "On, until you refuse it." not in page(**{"X-Country": "NO"})


def test_a_browser_that_is_known_carries_its_no_and_never_its_yes(site: Site) -> None:
    one, ask = Identifier("cookie", "visitor-12345678"), "advertising.targeted"

    def refused() -> bool:
        facts = site.controller.facts(one, NOW)
        return f"objection:{ask}" in facts.held

    assert not refused()
    with site.open() as client:
        client.cookies.set("shop", "visitor-12345678")
        press(client, do="accept")
        assert not refused()
        assert not [f for f in site.controller.facts(one, NOW).held if f.startswith("consent:")]
        press(client, do="refuse")
        assert refused()
        about = BUNDLE.activities["targeted-ads"] if "targeted-ads" in BUNDLE.activities else next(
            a for a in BUNDLE.activities.values() if a.purpose == ask
        )  # fmt: skip
        decision = site.controller.decide(
            Ask(ask, about.categories[0], about.contexts[0], region="US"), one, NOW
        )
        assert not decision.allow
        press(client, do="accept")
        assert not refused()
        # What she says herself comes before what her browser said, in both orders.
        press(client, do="refuse")
        site.controller.suppressions.add([one], NOW, channel=f":objection:{ask}", source="case")
        press(client, do="accept")
        assert refused()


def test_a_person_and_her_browser_are_two_levels(site: Site) -> None:
    """A no reaches her by the cookie she is known by; her own no narrows; no yes crosses."""
    cookie, email = Identifier("cookie", "visitor-of-lea-1"), Identifier("email", "lea@example.org")
    her = site.controller.subjects.of([email, cookie], NOW)
    consents = site.controller.consents
    consents.grant(her, "analytics.third-party", NOW, source="form")
    program = {"Authorization": f"Bearer {TOKEN}"}

    def allowed(client: TestClient[Any]) -> list[str]:
        both = "; ".join(f"{k}={v}" for k, v in client.cookies.items())
        with site.open() as other:
            found: list[str] = other.post(
                "/api/v1/visit", json={"cookie": both, "country": "DE"}, headers=program
            ).json()["allowed"]
        return found

    with site.open() as client:
        client.cookies.set("shop", "visitor-of-lea-1")
        # That she agreed somewhere, as a person, allows nothing in a browser that was not asked.
        assert allowed(client) == ["operate"]
        press(client, do="save", aim=["analyse", "social"])
        assert allowed(client) == ["analyse", "operate", "social"]
        # What she takes back as a person, at the desk, counts here as well.
        consents.withdraw(her, "analytics.third-party", NOW, source="request")
        assert allowed(client) == ["operate", "social"]
        consents.grant(her, "analytics.third-party", NOW, source="form")
        assert allowed(client) == ["analyse", "operate", "social"]
        press(client, do="refuse")
        held = consents.facts(her, NOW).held
        assert "consent:analytics.third-party" not in held
        assert "withdrawn:analytics.third-party" in held
        assert "objection:advertising.targeted" in held
        entries = [e for _, e in site.controller.ledger.entries(kind="consent.withdrawn")]
        assert entries[-1].body["source"] == "browser"
        # A yes in the browser gives nothing back that she had given as a person.
        press(client, do="accept")
        held = consents.facts(her, NOW).held
        assert "consent:analytics.third-party" not in held
        assert "objection:advertising.targeted" not in held


def test_programs_ask_before_they_send_anything_on(site: Site) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with site.open() as client:
        press(client, do="save", aim=["analyse"])
        cookie = f"kept-choices={client.cookies.get('kept-choices')}"
    with site.open() as client:
        assert client.post("/api/v1/visit", json={}).status_code == 401
        said = client.post("/api/v1/visit", json={"cookie": cookie}, headers=headers).json()
        assert said["allowed"] == ["analyse", "operate"]
        assert "google-analytics" in said["trackers"]
        bare = client.post("/api/v1/visit", json={"country": "US", "gpc": True}, headers=headers)
        assert bare.json()["why"]["advertise"] == "signal"
        assert gpp.decode(bare.json()["gpp"])["usnat"]["SaleOptOut"] == 1
        assert said["gpp"] == ""  # nobody knows where that was
        assert client.post("/api/v1/visit", json={"x": 1}, headers=headers).status_code == 400


def test_a_receipt_holds_what_the_standard_asks_and_its_seal(site: Site) -> None:
    with site.open() as client:
        answer = press(client, do="save", aim=["analyse"], language="en",
                       headers={"Accept": "application/json", "X-Country": "CY"})  # fmt: skip
        said = answer.json()
        assert said["consent"] == ["analytics_storage"]
        assert "google-analytics" in said["allowed"]
        given = client.get(said["receipt"])
        assert given.headers["content-disposition"].startswith("attachment")
        assert client.get(f"{PATH}/receipts/nobody").status_code == 404
        assert client.get(f"{PATH}?receipt=%00").status_code == 200
    body = given.json()
    record = body["record"]
    key = VerifierKey.parse(body["key"])
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert key.holds(base64.b64decode(body["signature"]), DOMAIN + text)
    assert not key.holds(base64.b64decode(body["signature"]), text)
    assert record["dct:conformsTo"] == "dpv-27560:record-2"
    assert record["dpv:hasJurisdiction"] == "EEA"
    shown = site.controller.visits.notices()[record["dpv:hasNotice"][0]["dpv:hasIdentifier"][7:]]
    assert "Advertisements picked for you" in shown.words
    assert len(record["dpv:hasProcess"]) == 4
    for process in record["dpv:hasProcess"]:
        assert {
            "dpv:hasPurpose", "dpv:hasPersonalData", "dpv:hasProcessing", "dpv:hasDataController",
            "dpv:hasDataSource", "dpv:hasStorageCondition", "dpv:hasRecipient",
            "dpv:hasLegalBasis", "dpv:hasConsentStatus",
        } <= set(process)  # fmt: skip
        assert set(process["dpv:hasRecipient"]) <= set(record["dpv:hasEntity"])
    assert set(_names(record, "dpv:")) - {"dpv:"} <= {
        f"dpv:{n}" for n in (*dpv.RECORD, *_shipped(dpv.DPV))
    }
    assert set(_names(record, "pd:")) <= {f"pd:{n}" for n in _shipped(dpv.PD)}


def _names(value: Any, prefix: str) -> Iterator[str]:
    """Every word of a vocabulary in a document, as key or as value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _names(key, prefix)
            yield from _names(inner, prefix)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, prefix)
    elif isinstance(value, str) and value.startswith(prefix):
        yield value


def _shipped(base: str) -> set[str]:
    rows = [row for rows in dpv.TABLES.values() for row in rows]
    iris = [str(row[3]) for row in rows if row[3]]
    iris += [t.iri for t in BUNDLE.vocabulary.purposes.values() if t.iri]
    return {i.removeprefix(base) for i in iris if i.startswith(base)}


def test_the_statement_about_the_signal(site: Site) -> None:
    with site.open() as client:
        answer = client.get("/.well-known/gpc.json")
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json() == {"gpc": True, "lastUpdate": "2023-06-27"}


def test_whom_to_tell_of_a_weakness(site: Site) -> None:
    with site.open() as client:
        answer = client.get("/.well-known/security.txt")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
        assert fields["Contact"] == "mailto:info@interop.io"
        until = dt.datetime.fromisoformat(fields["Expires"])
        assert NOW < until < NOW + dt.timedelta(days=365)
        assert client.get("/.well-known/nothing").status_code == 404
        # Without a desk nobody has a password here.
        assert client.get("/.well-known/change-password").status_code == 404


def test_what_a_page_carries_is_small() -> None:
    files = gzip.compress(asset_bytes("banner.css") + asset_bytes("banner.js"), 9, mtime=0)
    assert len(files) <= 8 * 1024
    visit = judge(BUNDLE.visits, "EEA")
    piece = banner.head(BUNDLE, visit) + banner.fragment(BUNDLE, visit, "en", "/")
    assert len(gzip.compress(piece.encode(), 9, mtime=0)) <= 2 * 1024


def test_the_banner_says_yes_and_no_alike_and_only_where_something_waits() -> None:
    text = banner.fragment(BUNDLE, judge(BUNDLE.visits, "EEA"), "en", '/a"><script>x</script>')
    assert "<script>x" not in text
    yes, no = (re.search(rf"<button[^>]*value=\"{do}\">[^<]+</button>", text)
               for do in ("accept", "refuse"))  # fmt: skip
    assert yes is not None
    assert no is not None
    assert re.sub("accept|Allow all", "", yes[0]) == re.sub("refuse|Refuse all", "", no[0])
    assert "checked" not in text  # no tick that somebody else made
    for visit in (
        judge(BUNDLE.visits, "US"),
        judge(BUNDLE.visits, "EEA", None, Signals(gpc=True)),
        met(BUNDLE, [("sec-gpc", "1")], b"k", secure=True, country=None,
            today=NOW.date()).visit,
    ):  # fmt: skip
        shown = banner.fragment(BUNDLE, visit, "en", "/")
        assert "kept-banner" not in shown
        assert f'href="{PATH}' in shown


def test_a_placeholder_says_what_goes_out_and_whose_policy_holds() -> None:
    like = BUNDLE.trackers["facebook-like"]
    text = banner.placeholder(BUNDLE, like, "en", "/a", '<iframe src="https://x.example"></iframe>')
    assert "the privacy policy of Facebook (the address is still missing)" in text
    assert "IP address" in text
    assert '<template><iframe src="https://x.example"></iframe></template>' in text
    known = BUNDLE.with_addresses({"policy-facebook": "https://f.example/p?a=1&b=2"})
    text = banner.placeholder(known, like, "en", "/a")
    assert 'href="https://f.example/p?a=1&amp;b=2"' in text


@pytest.mark.parametrize("gpc", [False, True])
def test_the_string_for_the_united_states_follows_signal_and_choice(gpc: bool) -> None:
    """The criteria of what a site does under the signal: each opt-out is 1."""

    def string(choices: choice.Choices | None, country: str = "US-CO") -> str:
        lines = [("sec-gpc", "1")] if gpc else []
        if choices:
            lines.append(("cookie", f"kept-choices={choice.encode(choices, b'k')}"))
        return met(BUNDLE, lines, b"k", secure=False, country=country,
                   today=NOW.date()).visit.gpp(BUNDLE.visits)  # fmt: skip

    def outs(text: str) -> set[Any]:
        read = gpp.decode(text)
        assert set(read) == {"usnat", "usco"}
        assert {fields["Gpc"] for fields in read.values()} == {int(gpc)}
        return {v for f in read.values() for k, v in f.items() if k.endswith("OptOut")}

    assert outs(string(None)) == {1 if gpc else 2}
    for yes in (True, False):
        said = choice.Choices(
            NOW.date(), BUNDLE.edition, dict.fromkeys(BUNDLE.visits.optional, yes)
        )
        assert outs(string(said)) == {2 if yes else 1}
    assert string(None, "DE") == string(None, "") == ""
    shown = banner.head(BUNDLE, judge(BUNDLE.visits, "US"))
    assert f' data-gpp="{gpp.opted(False, gpc=False)}"' in shown
    assert f' data-gpc-gpp="{gpp.opted(True, gpc=True)}" data-gpp-sections="7:usnat"' in shown


def test_languages_are_those_of_the_bundle() -> None:
    huts = load(Path(small.ROOT) / "policies" / "huettenbund")
    for wanted, met_ in {
        "de": "de", "de-CH,de;q=0.9": "de", "en;q=0.1, de;q=0.8": "de", "fr": "en-GB", "": "en-GB",
        "en-US": "en-GB", "de;q=0, en": "en-GB", "x" * 9999: "en-GB", ";q=nan,de;q=x": "en-GB",
    }.items():  # fmt: skip
        assert banner.language_of(huts, wanted) == met_
    assert banner.fragment(huts, judge(huts.visits, "EEA"), "de", "/") == ""
    assert banner.head(huts, judge(huts.visits, "EEA")) == ""


def test_many_choices_from_one_place_lose_no_refusal(site: Site) -> None:
    """One on record, then no more: each no holds, no yes is new, and the page says so."""
    app = web.make(
        site.controller, token=TOKEN, shows="text", clock=lambda: site.moment, cookie="shop",
        proxy=True, country="X-Country", console=False, choices_per_hour=1,
    )  # fmt: skip
    rows = len(site.controller.visits.all())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.headers["X-Forwarded-For"] = "192.0.2.7"
        client.cookies.set("shop", "browser-9")
        press(client, do="save", aim=["analyse"])
        # A yes to all waits, and takes back none of what was refused before.
        answer = press(client, do="accept", by="banner", return_to="/prices")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
        page = words(answer.text)
        assert "What you allowed was not taken" in page
        assert "Back to where you were" in page
        kept = chosen(client, site)
        assert kept is not None
        assert [aim for aim, yes in kept.aims.items() if yes] == ["analyse"]
        assert 'value="analyse" checked' in answer.text
        assert 'value="advertise" checked' not in answer.text
        # By a script as well; it then sends the form, and the page above is seen.
        answer = press(client, do="accept", headers={"Accept": "application/json"})
        assert (answer.status_code, "receipt" in answer.json()) == (429, False)
        # A no is carried out whole: here, and for the site's own cookie.
        client.cookies.set("_ga", "GA1.1")
        answer = press(client, do="refuse")
        assert (answer.status_code, "retry-after" in answer.headers) == (200, False)
        assert "Your choice holds in this browser." in words(answer.text)
        assert "there is no receipt" in words(answer.text)
        kept = chosen(client, site)
        assert kept is not None
        assert not any(kept.aims.values())
        assert any(v.startswith("_ga=;") for v in answer.headers.get_list("set-cookie"))
        held = site.controller.suppressions.channels(Identifier("cookie", "browser-9"))
        assert any("analytics" in channel for channel in held)
        answer = press(client, do="refuse", by="banner", return_to="/prices")
        assert (answer.status_code, answer.headers["location"]) == (303, "/prices")
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.headers["X-Forwarded-For"] = "192.0.2.7"  # a neighbour, who chose nothing yet
        answer = press(client, do="accept")
        assert answer.status_code == 429
        assert "nothing has changed" in words(answer.text)
        assert "set-cookie" not in answer.headers
        client.headers["X-Forwarded-For"] = "192.0.2.8"  # and somebody elsewhere
        assert press(client, do="accept").status_code == 303
    assert len(site.controller.visits.all()) == rows + 2
