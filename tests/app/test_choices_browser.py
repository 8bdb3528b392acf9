"""The banner and the page of choices in a real browser: by keyboard, without script, by a signal.

One small site on loopback answers for its own pages, which carry what the house hands out, and
passes all paths of Kept on to the real application, as a gateway does.
"""

from __future__ import annotations

import datetime as dt
import http.server
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from litestar.testing import TestClient
from playwright.sync_api import Browser, Page
from tests import world as small
from tests.app.conftest import TOKEN
from tests.browser import COLOURS, NEEDS_CHROMIUM, axe, browser, opened, weak
from tests.serving import running

from kept import deployment
from kept.app import web
from kept.controller import Controller
from kept.decide.visit import met
from kept.duties import visits
from kept.duties.visits import banner
from kept.embedded import Server
from kept.model import gpp

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture

#: No inline script and no inline style: the strictest that a site can have.
CSP: Final = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
CSP_REST: Final = " connect-src 'self'; form-action 'self'; frame-src 'self'"
LABELLED: Final = (
    '<script type="text/plain" data-kept="google-analytics" data-src="/tag.js"></script>'
    '<iframe data-kept="facebook-pixel" data-src="/pixel" title="Pixel"></iframe>'
)


class Site:
    """The site: `hits` counts what was fetched, by path."""

    def __init__(self, controller: Controller, *, reload: bool = False) -> None:
        self.controller, self.hits, self._reload = controller, Counter[str](), reload
        self._app = web.make(
            controller, token=TOKEN, shows="text", clock=lambda: dt.datetime.now(dt.UTC),
            proxy=True, country="X-Country", console=False,
        )  # fmt: skip
        self._lock = threading.Lock()
        self.url = ""

    def page(self, headers: list[tuple[str, str]], path: str) -> bytes:
        bundle = self.controller.bundle
        key = self.controller.vault.mac("visitor choices", b"cookie")
        country = {n.lower(): v for n, v in headers}.get("x-country")
        who = met(bundle, headers, key, secure=False, country=country,
                  today=dt.datetime.now(dt.UTC).date())  # fmt: skip
        visit = who.visit
        like = bundle.trackers["facebook-like"]
        button = '<iframe src="/like" title="Like"></iframe>'
        part = (
            button if visit.allows(like) else visits.placeholder(bundle, like, "en", path, button)
        )
        return (
            f'<!doctype html><html lang="en"><head>{visits.head(bundle, visit)}'
            '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            '<link rel="stylesheet" href="/site.css">'
            "<title>Prices</title></head><body><main><h1>Prices</h1>"
            '<p><a href="/next">Next page</a></p>'
            f"{part}{LABELLED}</main>"
            f"<footer>{visits.fragment(bundle, visit, 'en', path, reload=self._reload)}</footer>"
            "</body></html>"
        ).encode()

    def forward(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Any:
        with self._lock, TestClient(self._app, base_url="http://127.0.0.1") as client:
            return client.request(
                method, path, headers=headers, content=body, follow_redirects=False
            )


@contextmanager
def standing(site: Site) -> Iterator[Site]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, body: bytes) -> None:
            headers = list(self.headers.items())
            site.hits[self.path.partition("?")[0]] += 1
            if self.path.startswith(("/privacy", "/assets", "/.well-known")):
                answer = site.forward(self.command, self.path, headers, body)
                self.send_response(answer.status_code)
                for name, value in answer.headers.multi_items():
                    if name not in ("content-length", "connection"):
                        self.send_header(name, value)
                text = answer.content
            else:
                tag = self.path == "/tag.js"
                text = (
                    b"document.body.dataset.tagged = 1;" if tag else site.page(headers, self.path)
                )
                if self.path in ("/like", "/pixel"):
                    text = b"<!doctype html><html lang=en><title>x</title>"
                if self.path == "/site.css":
                    text = b"html { background: #fff; color: #222 } a { color: #00c }"
                self.send_response(200)
                kind = "text/javascript" if tag else "text/html; charset=utf-8"
                kind = "text/css" if self.path == "/site.css" else kind
                self.send_header("Content-Type", kind)
                self.send_header("Content-Security-Policy", CSP + CSP_REST)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as site.url:
        yield site


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[Site]:
    url = pg_server.make_database(f"banner_{os.getpid()}", template=_kept_template)
    directory = small.make(tmp_path_factory.mktemp("banner") / "world", url)
    with (
        Controller.open(deployment.read(directory)) as controller,
        standing(Site(controller)) as made,
    ):
        yield made


def names(page: Page) -> list[str]:
    return [c["name"] for c in page.context.cookies()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_everybody_can_read_and_use_it(
    width: int, scheme: Any, browser: Browser, site: Site
) -> None:
    context = opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    for path in ("/prices", "/privacy/choices"):
        page.goto(site.url + path)
        if path == "/prices":
            page.locator(".kept-banner").wait_for()
        assert axe(page) == []
        assert weak(page.evaluate(COLOURS)) == set()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # Twice as large (WCAG 1.4.4): nothing is cut off, the buttons can still be reached.
        page.set_viewport_size({"width": max(180, width // 2), "height": 400})
        if width > 360:
            assert page.evaluate("document.documentElement.scrollWidth") <= width // 2
        page.set_viewport_size({"width": width, "height": 800})
    page.goto(site.url + "/prices")
    boxes = [page.get_by_role("button", name=n, exact=True).bounding_box()
             for n in ("Refuse all", "Allow all")]  # fmt: skip
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert (boxes[0]["width"], boxes[0]["height"], boxes[0]["y"]) == (
        boxes[1]["width"], boxes[1]["height"], boxes[1]["y"],
    )  # fmt: skip
    looks = [
        page.get_by_role("button", name=n, exact=True).evaluate(
            "e => { const s = getComputedStyle(e);"
            " return [s.color, s.backgroundColor, s.fontSize, s.fontWeight, s.borderColor] }"
        )
        for n in ("Refuse all", "Allow all")
    ]
    assert looks[0] == looks[1]
    context.close()


def test_by_keyboard_alone_and_nothing_runs_before(browser: Browser, site: Site) -> None:
    context = opened(browser, viewport={"width": 1000, "height": 700})
    page = context.new_page()
    site.hits.clear()
    page.goto(site.url + "/prices", wait_until="networkidle")
    assert {"/tag.js", "/pixel", "/like"} & set(site.hits) == set()
    assert names(page) == []
    order = page.evaluate("window.dataLayer.map(a => [a[0], a[1], Object.values(a[2])])")
    assert order == [["consent", "default", ["denied"] * 5]]
    focus = "document.activeElement.textContent.trim()"
    page.keyboard.press("Tab")
    assert page.evaluate(focus) == "Refuse all"  # the first stop of all
    for expected in ("Allow all", "Choose one by one"):
        page.keyboard.press("Tab")
        assert page.evaluate(focus) == expected
    page.keyboard.press("Enter")
    assert page.locator(".kept-banner details").get_attribute("open") is not None
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Escape")  # first the list, then the banner; nothing is chosen by it
    assert page.evaluate(focus) == "Choose one by one"
    page.keyboard.press("Escape")
    assert page.locator(".kept-banner").count() == 0
    assert page.evaluate(focus) == "Your privacy choices"
    assert names(page) == []
    page.reload()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")  # count and improve
    page.get_by_role("button", name="Save these").press("Enter")
    page.locator("body[data-tagged]").wait_for()
    assert names(page) == ["kept-choices"]
    assert page.locator(".kept-banner").count() == 0
    assert page.evaluate(focus) == "Your privacy choices"
    last = page.evaluate("[...window.dataLayer].pop()[2]")
    assert [k for k, v in last.items() if v == "granted"] == ["analytics_storage"]
    assert site.hits["/pixel"] == 0
    # The way back is on every page and takes one step more than none.
    page.get_by_role("link", name="Your privacy choices").click()
    page.get_by_role("button", name="Refuse all").click()
    page.get_by_text("Saved.").wait_for()
    page.get_by_role("link", name="Back to where you were").click()
    site.hits.clear()
    page.reload(wait_until="networkidle")
    assert site.hits["/tag.js"] == 0
    context.close()


def test_a_button_of_others_loads_after_a_click_and_not_before(
    browser: Browser, site: Site
) -> None:
    context = opened(browser)
    page = context.new_page()
    page.goto(site.url + "/prices")
    page.get_by_role("button", name="Refuse all").click()
    page.locator(".kept-banner").wait_for(state="detached")
    site.hits.clear()
    box = page.locator("[data-kept-embed]")
    assert "whoever provides it learns:" in box.inner_text()
    assert "IP address" in box.inner_text()
    box.get_by_role("button", name="Load it").click()
    page.locator("iframe[title=Like]").wait_for()
    page.goto(site.url + "/next", wait_until="networkidle")
    assert site.hits["/like"] >= 1
    assert site.hits["/pixel"] == site.hits["/tag.js"] == 0
    context.close()


def test_whole_without_script(browser: Browser, site: Site) -> None:
    context = opened(browser, java_script_enabled=False, viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto(site.url + "/prices")
    page.get_by_role("button", name="Refuse all").click()
    assert page.url == site.url + "/prices"
    assert page.locator(".kept-banner").count() == 0
    assert names(page) == ["kept-choices"]
    page.get_by_role("button", name="Load it").click()
    assert page.locator("iframe[title=Like]").count() == 1
    page.get_by_role("link", name="Your privacy choices").click()
    page.get_by_label("Count and improve").check()
    page.get_by_role("button", name="Save these").click()
    page.get_by_text("On: you allowed it.").wait_for()
    assert page.locator("iframe").count() == 0
    page.get_by_role("link", name="Keep the receipt")
    context.close()


def test_the_signal_keeps_the_banner_away_and_writes_nothing(browser: Browser, site: Site) -> None:
    heard = "Object.defineProperty(Navigator.prototype,'globalPrivacyControl',{get:()=>true})"
    for headers, script in (({"Sec-GPC": "1"}, ""), ({}, heard)):
        context = opened(browser, extra_http_headers={**headers, "X-Country": "US-CA"})
        context.add_init_script(script)
        page = context.new_page()
        site.hits.clear()
        page.goto(site.url + "/prices", wait_until="networkidle")
        assert page.locator(".kept-banner").count() == 0
        assert names(page) == []
        assert site.hits["/tag.js"] == site.hits["/pixel"] == 0  # nothing that another receives
        granted = page.evaluate("dataLayer.filter(d => d[1] === 'update').length")
        assert granted == 0  # Google's tags hear no yes either
        ask = "new Promise(d => __gpp('ping', (p, ok) => d([p.gppString, p.sectionList, ok])))"
        assert page.evaluate(ask) == [gpp.opted(True, gpc=True, state="CA"), [7, 8], True]
        context.close()
    context = opened(browser)
    context.add_init_script(heard)
    page = context.new_page()
    page.goto(site.url + "/prices", wait_until="networkidle")
    assert page.locator(".kept-banner").count() == 0
    assert names(page) == []
    context.close()


def test_where_the_page_is_fixed_by_its_headers_a_yes_asks_for_it_again(
    browser: Browser, site: Site
) -> None:
    with standing(Site(site.controller, reload=True)) as strict:
        context = opened(browser)
        page = context.new_page()
        # A script that presses for whoever reads makes no yes of it.
        page.add_init_script(
            "addEventListener('load', () => {"
            " document.querySelector('.kept-banner [value=accept]')?.click();"
            " document.body.dataset.pressed = 1})"
        )
        page.goto(strict.url + "/prices")
        page.locator("body[data-pressed]").wait_for()
        page.wait_for_timeout(200)
        assert (strict.hits["/privacy/choices"], strict.hits["/prices"]) == (0, 1)
        strict.hits.clear()
        page.get_by_role("button", name="Allow all").click()
        page.locator("iframe[title=Like]").wait_for()
        assert strict.hits["/prices"] == 1
        record = json.loads(site.controller.visits.all()[-1].record)
        assert record["dct:description"]["pressed"] == "said by the browser"
        context.close()


def test_the_words_stand_in_the_file_that_is_signed(site: Site) -> None:
    shown = banner.notice(site.controller.bundle, "en")
    for words in ("Allow all", "Refuse all", "Google Analytics", "Advertisements picked for you"):
        assert words in shown


def test_under_a_name_without_https_what_is_chosen_is_taken(browser: Browser, site: Site) -> None:
    """There a browser does not say whether another site made it send a form, only from where."""
    url = site.url.replace("127.0.0.1", "shop.test")
    context = opened(browser)
    page = context.new_page()
    page.goto(url + "/privacy/choices")
    assert page.evaluate("isSecureContext") is False
    page.get_by_role("button", name="Refuse all").click()
    page.get_by_text("Saved.").wait_for()
    assert names(page) == ["kept-choices"]
    context.clear_cookies()
    page.goto(url + "/prices")
    page.get_by_role("button", name="Refuse all").click()
    page.locator(".kept-banner").wait_for(state="detached")
    assert names(page) == ["kept-choices"]
    context.close()
