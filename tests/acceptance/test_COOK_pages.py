"""COOK, SOCIAL and EXT at the pages of a site behind the gateway, by its public doors."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept import deployment
from kept.app import mail
from kept.controller import Controller
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties.trackers import scanned
from tests.app.gateway.conftest import Shop, shop
from tests.app.gateway.scanning import ended, started
from tests.app.gateway.street import chosen
from tests.browser import NEEDS_CHROMIUM
from tests.world import NOW

__all__ = ["shop"]  # the fixture


def page(shop: Shop, path: str = "/", **headers: str) -> tuple[http.client.HTTPMessage, str]:
    """A page, as who chose nothing gets it in Germany unless the headers say more."""
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=20)
    connection.request("GET", path, headers={"Host": "shop.test", "Accept": "text/html",
                                             "X-Country": "DE", **headers})  # fmt: skip
    answer = connection.getresponse()
    try:
        return answer.headers, answer.read().decode()
    finally:
        connection.close()


def who_may(headers: http.client.HTTPMessage, directive: str) -> set[str]:
    """The hosts of the street that a policy lets in for a kind of thing."""
    policy = headers["Content-Security-Policy"]
    words = next(d.split() for d in policy.split(";") if d.split()[0] == directive)
    return {word.partition("//")[2].partition(".")[0] for word in words if "//" in word}


def cookie(shop: Shop, **aims: bool) -> str:
    return f"kept-choices={chosen(shop.edition, shop.key, aims)}"


def test_COOK_2_what_has_no_aim_never_loads(shop: Shop) -> None:
    every = dict.fromkeys(("analyse", "personalise", "advertise", "social"), True)
    headers, _ = page(shop, Cookie=cookie(shop, **every))
    assert {"analytics", "ads", "social"} <= who_may(headers, "script-src")
    for directive in ("script-src", "img-src", "connect-src", "frame-src", "media-src"):
        assert "unknown" not in who_may(headers, directive)


def test_COOK_4_a_choice_governs_tags_of_others_and_takes_their_cookies(shop: Shop) -> None:
    headers, _ = page(shop)
    assert who_may(headers, "script-src") == set()
    assert [c.partition("=")[0] for c in headers.get_all("Set-Cookie") or ()] == ["login"]
    headers, _ = page(shop, Cookie=cookie(shop, analyse=True))
    assert who_may(headers, "script-src") == {"analytics"}
    refused = cookie(shop, analyse=False, advertise=False, personalise=False, social=False)
    headers, _ = page(shop, Cookie=f"{refused}; _visit_1=tracked; _ad=1")
    assert who_may(headers, "script-src") == set()
    gone = {c.partition("=")[0] for c in headers.get_all("Set-Cookie") or () if "Max-Age=0" in c}
    assert gone == {"_visit_1", "_ad"}
    elsewhere, _ = page(shop, **{"X-Country": "US"})
    assert {"analytics", "ads"} <= who_may(elsewhere, "script-src")
    heard, _ = page(shop, **{"X-Country": "US", "Sec-GPC": "1"})
    assert "ads" not in who_may(heard, "script-src")


def test_SOCIAL_1_a_widget_that_is_not_registered_is_kept_out(shop: Shop) -> None:
    headers, text = page(shop)
    assert "Something from unknown.test was not loaded" in text
    assert re.search(r"<(iframe|embed|object) (src|data)=\S*unknown\.test", text) is None
    assert "unknown.test" not in headers["Content-Security-Policy"]


def test_SOCIAL_2_and_4_a_box_says_what_goes_out_and_whose_policy_holds(shop: Shop) -> None:
    headers, text = page(shop, **{"X-Country": "US"})  # also where others run until refused
    assert "social" not in who_may(headers, "frame-src")
    script = f"http://social.test:{shop.others.port}/widget.js"  # kept out by the policy
    assert "http://social.test" not in text.replace(script, "")
    box = text.partition('data-kept-embed="test-like"')[2].partition("</div>")[0]
    assert "IP address" in box
    assert "What they do then is theirs to say" in box
    with Controller.open(deployment.read(shop.directory)) as controller:
        rows = [t for t in controller.bundle.trackers.values() if t.embed]
    assert all(row.outside for row in rows if row.provider)


def test_EXT_2_and_4_a_link_away_is_marked_and_tells_nothing(shop: Shop) -> None:
    headers, text = page(shop, Cookie="login=1")
    link = re.search(r'<a [^>]*href="(http://partner.test[^"]*)"[^>]*>our partner(.*?)</a>', text)
    assert link is not None
    assert "email" not in link[1]
    assert "gclid" not in link[1]
    assert "another website" in link[2]
    assert "endorse" not in link[0]
    assert 'rel="noopener"' in link[0]
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"


@contextlib.contextmanager
def looked_at(shop: Shop, more: str = "") -> Iterator[Controller]:
    """The deployment, while it may look at its own pages behind the gateway."""
    settings = shop.directory / "kept.toml"
    before = settings.read_text("utf-8")
    settings.write_text(
        before.replace("port = 9\n", f'port = 9\nurl = "http://127.0.0.1:{shop.port}"\n')
        + f'\n[links]\nlook = ["127.0.0.1:{shop.port}"]\n{more}', "utf-8",
    )  # fmt: skip
    try:
        with Controller.open(deployment.read(shop.directory)) as controller:
            yield controller
    finally:
        settings.write_text(before, "utf-8")


def test_SOCIAL_5_a_box_links_the_policy_of_the_provider(shop: Shop) -> None:
    """Or says that the address is missing; one that is supplied has to stand there."""
    name = "trackers.boxes-say-whose-policy"
    with looked_at(shop) as controller:
        met = run(controller, registered(), NOW, names=[name])[0]
    assert (met.outcome, met.findings) == ("pass", ())
    assert met.looked_at >= 2
    # The gateway was started before the operator wrote the address down.
    with looked_at(
        shop, 'addresses = {policy-facebook = "http://social.test/policy"}'
    ) as controller:
        met = run(controller, registered(), NOW, names=[name])[0]
    assert met.outcome == "fail"
    assert met.findings[0].words == "the box of test-like does not link the policy of its provider"


def test_EXT_1_every_link_that_leaves_the_site_is_listed_with_page_and_state(shop: Shop) -> None:
    name = "trackers.outbound-links-are-known"

    def judged(*links: tuple[str, str, str]) -> tuple[str, str]:
        rows = [{"page": p, "host": h, "declared": "", "state": s} for p, h, s in links]
        found = {"passes": [], "pages": ["/"], "amiss": [], "links": rows}
        with looked_at(shop) as controller:
            scanned.keep(controller, "listed.test", found, complete=False, now=NOW)
            met = run(controller, registered(), NOW, names=[name])[0]
        return met.outcome, " ".join(f.words for f in met.findings)

    with looked_at(shop) as controller:
        assert run(controller, registered(), NOW, names=[name])[0].outcome == "vacuous"
    there = ("/", "partner.test", "there")
    assert judged(there) == ("pass", "")
    assert judged(("/", "partner.test", ""))[0] == "pass"  # nobody may look
    assert judged(there, ("/", "old.test", "gone")) == ("fail", "a link to old.test is gone")
    assert judged(("/", "old.test", "")) == (
        "fail",
        "a link to partner.test stands in no inventory",
    )


def test_EXT_3_a_partners_page_with_our_name_says_whose_policy_holds(shop: Shop) -> None:
    _, text = page(shop)
    link = text.partition("our event there")[2].partition("</a>")[0]
    assert "falls under the privacy policy of The House, not under ours" in link
    assert "The House" not in text.partition("our partner")[2].partition("</a>")[0]
    name = "trackers.partner-pages-say-whose"
    with looked_at(shop) as controller:
        met = run(controller, registered(), NOW, names=[name])[0]
        assert (met.outcome, met.looked_at) == ("pass", 1)
        # The gateway does not know of this one yet.
        late = f"http://partner.test:{shop.others.port}/"
        house = dataclasses.replace(controller.bundle.recipients["house"], pages=(late,))
        recipients = {**controller.bundle.recipients, "house": house}
        controller.bundle = dataclasses.replace(controller.bundle, recipients=recipients)
        met = run(controller, registered(), NOW, names=[name])[0]
        assert met.outcome == "fail"
        assert "does not say whose policy holds there" in met.findings[0].words
        recipients["house"] = dataclasses.replace(house, pages=())
        controller.bundle = dataclasses.replace(controller.bundle, recipients=recipients)
        assert run(controller, registered(), NOW, names=[name])[0].outcome == "vacuous"


def test_SHARE_3_a_no_holds_the_tag_back_on_every_page(shop: Shop) -> None:
    """On pages that label nothing and ask nothing, in every country, and on the next page."""
    refused = cookie(shop, analyse=False, advertise=True, personalise=True, social=True)
    for path in ("/", "/thank-you", "/elsewhere"):
        headers, _ = page(shop, path, **{"X-Country": "US"})
        assert "analytics" in who_may(headers, "script-src"), path  # until it is refused
        for country in ("US", "DE"):
            headers, _ = page(shop, path, Cookie=refused, **{"X-Country": country})
            for directive in ("script-src", "img-src", "connect-src", "frame-src"):
                assert "analytics" not in who_may(headers, directive), path


@pytest.mark.parametrize("behind", [True, False])
def test_COOK_4_the_control_sees_whether_the_pages_are_guarded(shop: Shop, behind: bool) -> None:
    """Through the gateway nothing is amiss; the same site reached past it fails."""
    port = shop.port if behind else int(shop.said["upstream"].rpartition(":")[2])
    settings = shop.directory / "kept.toml"
    before = settings.read_text("utf-8")
    settings.write_text(
        before.replace("port = 9\n", f'port = 9\nurl = "http://127.0.0.1:{port}"\n')
        + f'\n[links]\nlook = ["127.0.0.1:{port}"]\n', "utf-8",
    )  # fmt: skip
    try:
        with Controller.open(deployment.read(Path(shop.directory))) as controller:
            met = run(controller, registered(), NOW, names=["trackers.pages-are-guarded"])[0]
    finally:
        settings.write_text(before, "utf-8")
    words = " ".join(finding.words for finding in met.findings)
    if behind:
        assert (met.outcome, words) == ("pass", "")
    else:
        assert met.outcome == "fail"
        for amiss in ("nothing keeps out", "tells who follows", "connect elsewhere"):
            assert amiss in words
    assert met.looked_at >= 2


@NEEDS_CHROMIUM
def test_COOK_1_a_script_that_was_planted_is_found(shop: Shop, tmp_path: Path) -> None:
    """It loads nothing of others, so that only a browser that looks sees what it leaves."""
    page = tmp_path / "evidence.html"
    code, found, told = ended(
        started(
            shop, shop.port, "--states", "refused", "--country", "US", "--gpc", "--page",
            "/planted", "--pages", "2", "--draft", "--evidence", str(page),
        )
    )  # fmt: skip
    assert code == 1, told
    assert {row["what"] for row in found["amiss"]} == {"planted_*", "visitor", "rtc.test"}
    # A call of the page itself is kept out by the script of the gateway, and known to the desk.
    assert "called.test" in {row["name"] for row in found["review"]}
    assert 'name: "planted_*", kind: cookie, party: first, lifetime: P105D' in found["draft"]
    assert "purposes: []" in found["draft"]
    for text in (json.dumps(found), page.read_text("utf-8")):
        assert "secret" not in text
        assert "_81723" not in text
        assert "who=" not in text
    with Controller.open(deployment.read(shop.directory)) as controller:
        assert ("cookie", "planted_*") in {(m.kind, m.name) for m in controller.sightings.all()}


@NEEDS_CHROMIUM
def test_COOK_4_a_yes_that_nobody_pressed_is_found(shop: Shop) -> None:
    """A script of the site's own says yes for whoever reads; this visitor chose nothing."""
    code, found, told = ended(
        started(shop, shop.port, "--states", "none", "--country", "DE", "--no-gpc", "--page",
                "/presses", "--pages", "2")
    )  # fmt: skip
    assert code == 1, told
    assert {row["what"] for row in found["amiss"]} >= {"kept-choices"}
    assert "a choice that nobody made" in " ".join(row["words"] for row in found["amiss"])


@NEEDS_CHROMIUM
def test_VISIT_1_and_SOCIAL_3_pages_behind_an_account_or_a_yes_are_found(shop: Shop) -> None:
    """Who only reads: a page sends her to a log-in, one is covered, one has moved elsewhere."""
    pages = ("--page", "/thank-you", "--page", "/members", "--page", "/covered")
    code, found, told = ended(
        started(shop, shop.port, "--states", "none,refused", "--country", "US", "--gpc",
                *pages, "--pages", "6", "--links", "--now", NOW.isoformat())
    )  # fmt: skip
    assert code in (0, 1), told
    opened = [{row["page"]: row["asks"] for row in one["opened"]} for one in found["passes"]]
    asks = {"/": "", "/thank-you": "", "/members": "account", "/covered": "choice", "/second": ""}
    assert opened == [asks, asks]
    assert [one.get("rows") for one in found["passes"]] == [{}, None]
    assert {"page": "/moved", "host": "unknown.test"} in [
        {"page": row["page"], "host": row["host"]} for row in found["links"]
    ]
    with Controller.open(deployment.read(shop.directory)) as controller:
        met = run(controller, registered(), NOW, names=["trackers.reading-asks-nothing"])[0]
        # Our own button asked before it was used, and was kept out.
        own = run(controller, registered(), NOW, names=["trackers.own-widgets-send-nothing"])[0]
    assert (own.outcome, own.looked_at) == ("pass", 10)
    assert met.outcome == "fail"
    assert {f.where for f in met.findings} == {"localhost/members", "localhost/covered"}
    assert met.looked_at == 10


@NEEDS_CHROMIUM
def test_COOK_1_ADNET_2_and_SOCIAL_3_a_tag_past_the_gateway_is_met_and_told_nobody(
    shop: Shop,
) -> None:
    shop.others.forget()
    port = int(shop.said["upstream"].rpartition(":")[2])
    code, found, told = ended(
        started(
            shop,
            port,
            "--states",
            "none",
            "--country",
            "DE",
            "--no-gpc",
            "--pages",
            "1",
            "--now",
            NOW.isoformat(),
            host="shop.test",
        )
    )
    assert code == 1, told
    amiss = {row["what"] for row in found["amiss"]}
    assert {"unknown.test", "ads.test", "analytics.test", "social.test", "strange"} <= amiss
    assert shop.others.connected == 0
    via = {i["via"] for i in found["passes"][0]["items"]}
    assert {"script", "image", "document", "ping", "fetch", "websocket", "hint"} <= via
    with Controller.open(deployment.read(shop.directory)) as controller:
        met = run(controller, registered(), NOW, names=["trackers.own-widgets-send-nothing"])[0]
    assert met.outcome == "fail"
    assert "test-share, which is ours, asked share.test" in met.findings[0].words
    assert ended(started(shop, port, "--states", "some"))[0] == 2


def test_ADNET_2_a_letter_of_ours_loads_nothing(shop: Shop) -> None:
    with Controller.open(deployment.read(shop.directory)) as controller:
        controller.specimens = mail.specimens
        met = run(controller, registered(), NOW, names=["trackers.letters-load-nothing"])[0]
        assert met.outcome == "pass"
        assert met.looked_at > 8
        controller.specimens = lambda: [("offer", '<img src="https://ads.test/p.gif" width=1>')]
        assert run(controller, registered(), NOW, names=[met.control])[0].outcome == "fail"
