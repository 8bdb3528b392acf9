"""The example site behind the gateway, crawled by a browser in every state; nothing is labelled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, sync_playwright
from tests.browser import CHROMIUM, NEEDS_CHROMIUM
from tests.examples.test_company import free_port, run, serving

pytestmark = NEEDS_CHROMIUM
PAGES = ("/", "/product", "/contact", "/news", "/share", "/film", "/thank-you")


class Town:
    """Where the gateway answers, and who was asked on the street."""

    def __init__(self, url: str, street: str) -> None:
        self.url, self._street, self._before = url, street, {}

    def asked(self) -> dict[str, int]:
        """Who was asked since this was asked last, by name and path."""
        with urllib.request.urlopen(f"{self._street}/asked", timeout=10) as answer:
            now: dict[str, int] = json.load(answer)
        new = {n: c - self._before.get(n, 0) for n, c in now.items()}
        self._before = now
        return {name: count for name, count in new.items() if count}

    def crawl(self, context: BrowserContext) -> dict[str, int]:
        """Who was asked while every page was read, each until it asks for nothing more."""
        self.asked()
        pages = {path: context.new_page() for path in PAGES}
        for path, page in pages.items():
            page.goto(self.url + path, wait_until="commit")
        for page in pages.values():
            page.wait_for_load_state("networkidle")
            page.close()
        return self.asked()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    directory = tmp_path_factory.mktemp("street")
    ports = [free_port() for _ in range(3)]
    run("prepare", str(directory), "--port", ports[0], "--street", ports[1])
    settings: Path = directory / "kept.toml"
    text = settings.read_text("utf-8").replace("acts = true", "acts = true\nproxy = true")
    text = text.replace("[site]\n", '[site]\nproxy = true\ncountry = "X-Country"\n')
    settings.write_text(text, "utf-8")
    try:
        with ExitStack() as stack:
            started = stack.enter_context
            kept = started(serving("kept.app", "serve", "--dir", str(directory), "--json"))
            site = started(serving("examples.company", "site", str(directory), "--port", "0"))
            street = started(serving("examples.street", "--port", ports[1]))
            front = started(serving(
                "kept.app", "gateway", "--dir", str(directory), "--upstream", site["site"],
                "--kept", kept["url"], "--port", "0", "--json"))  # fmt: skip
            yield Town(front["url"], street["street"])
    finally:
        run("stop", str(directory))


def test_in_every_state(town: Town) -> None:
    arguments = ["--disable-dev-shm-usage", "--disable-gpu",
                 "--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP * ~NOTFOUND,"
                 " EXCLUDE 127.0.0.1"]  # fmt: skip
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        for country, gpc in (("DE", False), ("DE", True), ("", False)):
            said = {"X-Country": country, **({"Sec-GPC": "1"} if gpc else {})}
            context = browser.new_context(extra_http_headers=said)
            assert town.crawl(context) == {}, (country, gpc)
            context.close()
        context = browser.new_context(extra_http_headers={"X-Country": "DE"})
        page = context.new_page()
        page.goto(town.url + "/news")
        page.get_by_role("button", name="Allow all").click()
        page.wait_for_load_state("networkidle")
        met = town.crawl(context)
        assert {"analytics/tag.js", "ads/pixel.gif", "ads/late.js", "social/like",
                "share/buttons.js", "film/about-us", "ads/ordered.gif"} <= set(met)  # fmt: skip
        assert not [name for name in met if name.startswith("pasted")]
        context.close()
        # Elsewhere the declared tags run until somebody refuses, and none after it.
        context = browser.new_context(extra_http_headers={"X-Country": "US"})
        names = {name.partition("/")[0] for name in town.crawl(context)}
        assert names == {"analytics", "ads"}
        page = context.new_page()
        page.goto(town.url + "/privacy/choices?return_to=/news")
        page.get_by_role("button", name="Refuse all").first.click()
        page.wait_for_load_state("networkidle")
        assert town.crawl(context) == {}
        context.close()
        context = browser.new_context(extra_http_headers={"X-Country": "US", "Sec-GPC": "1"})
        assert town.crawl(context) == {}
        browser.close()


def test_the_street_says_what_it_was_asked() -> None:
    command = [sys.executable, "-m", "examples.street", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--port" in told
