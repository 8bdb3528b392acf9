"""A real browser on a site that labels nothing: what reaches the others, in every state."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright
from tests.app.gateway.conftest import Shop
from tests.app.gateway.street import Others, chosen
from tests.browser import CHROMIUM, NEEDS_CHROMIUM

from kept import deployment
from kept.controller import Controller

pytestmark = NEEDS_CHROMIUM


@dataclass
class Street:
    shop: Shop
    browser: Browser
    playwright: Playwright

    @property
    def url(self) -> str:
        return f"http://shop.test:{self.shop.port}"

    @property
    def others(self) -> Others:
        return self.shop.others

    def context(
        self, country: str, aims: dict[str, bool] | None = None, *, gpc: bool = False,
        trackers: dict[str, bool] | None = None, **settings: Any,
    ) -> BrowserContext:  # fmt: skip
        headers = {"X-Country": country, **({"Sec-GPC": "1"} if gpc else {})}
        context = self.browser.new_context(extra_http_headers=headers, **settings)
        if aims is not None or trackers is not None:
            value = chosen(self.shop.edition, self.shop.key, aims or {}, trackers)
            context.add_cookies([{"name": "kept-choices", "value": value, "url": self.url}])
        self.others.forget()
        return context

    def opened(self, context: BrowserContext, path: str = "/") -> Page:
        page = context.new_page()
        page.goto(self.url + path, wait_until="networkidle")
        page.wait_for_timeout(150)
        return page


ARGUMENTS = [
    "--disable-dev-shm-usage", "--disable-gpu",
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1,"
    " EXCLUDE localhost",
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]  # fmt: skip


@pytest.fixture(scope="module")
def street(shop: Shop) -> Iterator[Street]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Street(shop, browser, playwright)
        browser.close()


ALL = {"analyse": True, "personalise": True, "advertise": True, "social": True}
NONE = dict.fromkeys(ALL, False)


@pytest.mark.parametrize(
    ("country", "aims", "gpc"),
    [("DE", None, False), ("GB", None, False), ("", None, False), ("DE", NONE, False),
     ("US", NONE, False), ("DE", None, True), ("US", None, True), ("JP", None, True)],
    ids=["EEA", "UK", "nowhere", "EEA refused", "US refused", "EEA GPC", "US GPC", "else GPC"],
)  # fmt: skip
def test_nothing_reaches_others(
    street: Street, country: str, aims: dict[str, bool] | None, gpc: bool
) -> None:
    context = street.context(country, aims, gpc=gpc)
    page = street.opened(context)
    assert page.evaluate("document.documentElement.dataset.inline") == "ran"  # the page works
    street.opened(context, "/thank-you")
    assert street.others.connected == 0
    # A form is refused as well; the browser connects before it looks, and sends nothing.
    page.evaluate("document.getElementById('away').submit()")
    page.wait_for_timeout(200)
    assert dict(street.others.hits) == {}
    names = {cookie["name"] for cookie in context.cookies()}
    assert names - {"kept-choices"} == {"login"}
    context.close()


def test_a_browser_that_connects_in_advance_connects_to_nobody(
    street: Street, tmp_path: Path
) -> None:
    """Only a profile of its own follows such hints: the other browsers here never do."""
    context = street.playwright.chromium.launch_persistent_context(
        tmp_path, executable_path=CHROMIUM, args=ARGUMENTS, extra_http_headers={"X-Country": "DE"}
    )
    page = context.pages[0]
    for place, least, most in ((street.url, 0, 0), (str(street.shop.said["upstream"]), 3, 99)):
        street.others.forget()
        address = place.replace("shop.test", "127.0.0.1") + "/hinted"  # rules need a safe page
        page.goto(address)
        page.wait_for_timeout(700)
        assert least <= street.others.connected <= most, address
    context.close()


AHEAD: Final = """async many => {
    const rules = kind => Object.assign(document.createElement('script'), {type: kind, text: '{}'});
    const deep = document.createElement('div'), late = document.createElement('script');
    deep.innerHTML = '<p><b></b></p>';
    deep.querySelector('b').append(rules('speculationrules'), rules('text/plain'));
    deep.attachShadow({mode: 'open'}).append(rules('speculationrules'));
    document.body.append(rules(' SpeculationRules '), deep, late, 'words');
    for (let n = 0; n < many; n++) document.body.append(document.createElement('hr'));
    late.type = 'speculationrules';
    late.textContent = '{}';
    await Promise.resolve();
    const left = [...document.querySelectorAll('script'), ...deep.shadowRoot.children];
    return left.map(one => one.type).filter(type => /speculation|plain/i.test(type));
}"""


@pytest.mark.parametrize("many", [0, 50])
def test_rules_to_fetch_ahead_go_however_they_come(street: Street, many: int) -> None:
    """By themselves, within something, in a tree of its own, late; other scripts stay."""
    context = street.context("DE")
    assert street.opened(context).evaluate(AHEAD, many) == ["text/plain"]
    context.close()


def test_a_worker_of_the_site_makes_no_pages(street: Street) -> None:
    context = street.context("DE")
    page, url = context.new_page(), street.url.replace("shop.test", "localhost")
    page.goto(url + "/registers")
    page.wait_for_function("document.title == 'registered'")
    street.others.forget()
    page.goto(url + "/made")
    page.wait_for_timeout(200)
    assert page.title() == "Shop"
    assert street.others.connected == 0
    context.close()


def test_what_is_declared_runs_until_it_is_refused(street: Street) -> None:
    context = street.context("US")
    street.opened(context)
    assert street.others.of("analytics") >= 2
    assert street.others.of("ads") >= 2
    assert street.others.of("social") == street.others.of("video") == 0  # they wait for a click
    assert street.others.of("unknown") == 0
    assert "_visit_1" in {cookie["name"] for cookie in context.cookies()}
    # Refused, in the same browser: nothing more, and what was left is gone, HttpOnly or not.
    value = chosen(street.shop.edition, street.shop.key, NONE)
    context.add_cookies([{"name": "kept-choices", "value": value, "url": street.url}])
    street.others.forget()
    street.opened(context)
    assert dict(street.others.hits) == {}
    assert {c["name"] for c in context.cookies()} == {"login", "kept-choices"}
    context.close()


def test_a_yes_that_somebody_gives_comes_before_the_signal(street: Street) -> None:
    context = street.context("US", {"analyse": True}, gpc=True)
    street.opened(context)
    assert street.others.of("analytics") > 0
    assert street.others.of("ads") == street.others.of("social") == 0
    context.close()


def test_a_widget_loads_when_it_is_asked_for(street: Street) -> None:
    context = street.context("DE", trackers={"test-like": True})
    street.opened(context)
    assert street.others.of("social") == 2
    assert sum(street.others.hits.values()) == 2
    context.close()


def test_a_click_is_enough_and_needs_no_script(street: Street) -> None:
    context = street.context("DE", java_script_enabled=False)
    page = street.opened(context)
    box = page.locator(".kept-embed", has_text="Like button").first
    told = box.inner_text()
    for word in ("Facebook", "the privacy policy of", "Cookies"):
        assert word in told
    assert page.locator(".kept-embed", has_text="unknown.test was not loaded").count() >= 1
    assert street.others.connected == 0
    box.get_by_role("button").click()
    page.wait_for_load_state("networkidle")
    assert page.url == street.url + "/", page.content()
    assert street.others.of("social") >= 1
    assert sum(street.others.hits.values()) == street.others.of("social")
    # A no to all takes that back as well, in one step.
    page.get_by_role("button", name="Refuse all").click()
    page.wait_for_load_state("networkidle")
    street.others.forget()
    street.opened(context)
    assert dict(street.others.hits) == {}
    context.close()


def test_what_was_put_in_can_be_read_by_everybody(street: Street) -> None:
    for width, scheme in ((360, "light"), (1280, "dark")):
        context = street.context(
            "DE", viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        page = street.opened(context)
        page.evaluate(AXE_FILE_PATH.read_text())
        found = page.evaluate(
            "axe.run({include: [['.kept-embed'], ['.kept-banner'], ['#out']]})"
            ".then(r => [r.violations.map(v => [v.id, v.nodes[0].html]), r.passes.length])"
        )
        assert found[0] == []
        assert found[1] > 3
        # Of rules about whole pages too, nothing that was put in is amiss.
        ours = page.evaluate(
            "axe.run().then(r => r.violations.flatMap(v => v.nodes.map(n => [v.id, n.html]))"
            ".filter(([, html]) => html.includes('kept-')))"
        )
        assert ours == []
        assert (
            page.get_by_role("link", name=re.compile(r"our partner\s\(another website\)")).count()
            == 1
        )
        href = page.locator("#out").get_attribute("href")
        assert href is not None
        assert href.endswith("/?page=2")
        assert page.locator("#in").get_attribute("href") == "/second?email=ana@example.org"
        if folder := os.environ.get("KEPT_SHOTS"):
            page.screenshot(path=f"{folder}/gateway-{width}-{scheme}.png", full_page=True)
        context.close()


def test_what_browsers_refused_is_known_to_the_desk(street: Street) -> None:
    """The last test: by then every kind of tag was refused, and the cookie that nobody declared."""
    with Controller.open(deployment.read(street.shop.directory)) as controller:
        for _ in range(40):
            met = {(one.kind, one.name): one for one in controller.sightings.all()}
            if ("host", "unknown.test") in met and ("cookie", "strange") in met:
                break
            time.sleep(0.5)
    unknown = met["host", "unknown.test"]
    assert {"img-src", "connect-src", "media-src"} <= set(unknown.directives)
    assert unknown.page == "/"
    assert ("host", "ads.test") in met
