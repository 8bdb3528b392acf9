"""A real browser on a site that labels nothing: what reaches the others, in every state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.app.gateway.conftest import Shop
from tests.app.gateway.street import Others, chosen
from tests.browser import CHROMIUM, NEEDS_CHROMIUM

pytestmark = NEEDS_CHROMIUM


@dataclass
class Street:
    shop: Shop
    browser: Browser

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


@pytest.fixture(scope="module")
def street(shop: Shop) -> Iterator[Street]:
    arguments = [
        "--disable-dev-shm-usage", "--disable-gpu",
        "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]  # fmt: skip
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield Street(shop, browser)
        browser.close()


ALL = {"analyse": True, "personalise": True, "advertise": True, "social": True}
NONE = dict.fromkeys(ALL, False)


@pytest.mark.parametrize(
    ("country", "aims", "gpc"),
    [("DE", None, False), ("GB", None, False), ("", None, False), ("DE", NONE, False),
     ("US", NONE, False), ("DE", None, True)],
    ids=["EEA", "UK", "nowhere", "EEA refused", "US refused", "EEA GPC"],
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


def test_the_signal_stops_sharing_where_nobody_chose(street: Street) -> None:
    context = street.context("US", gpc=True)
    street.opened(context)
    assert street.others.of("ads") == street.others.of("social") == 0
    assert street.others.of("analytics") > 0
    context.close()


def test_a_widget_loads_when_it_is_asked_for(street: Street) -> None:
    context = street.context("DE", trackers={"test-like": True})
    street.opened(context)
    assert street.others.of("social") == 2
    assert sum(street.others.hits.values()) == 2
    context.close()
