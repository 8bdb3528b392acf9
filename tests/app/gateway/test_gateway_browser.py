"""A real browser on a site that labels nothing: what reaches the others, in every state."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests import world as small
from tests.app.gateway.street import TRACKERS, Others, chosen, gateway, running
from tests.browser import CHROMIUM, NEEDS_CHROMIUM

from kept import deployment
from kept.app.gateway import make
from kept.controller import Controller
from kept.embedded import Server

pytestmark = NEEDS_CHROMIUM

#: Everything by which a page reaches others, labelled nowhere. P is their port.
TAGS = """
<link rel="preconnect" href="http://unknown.test:P"><link rel=dns-prefetch href=//ads.test:P>
<link rel="prefetch" href="http://unknown.test:P/prefetched"><link rel="stylesheet"
 href="http://unknown.test:P/style.css"><script src="http://analytics.test:P/tag.js"></script>
<script>
  var s = document.createElement('script'); s.src = 'http://ads.test:P/late.js';
  document.head.append(s); new Image().src = 'http://ads.test:P/px.gif?inline';
  navigator.sendBeacon('http://analytics.test:P/beacon', 'x');
  fetch('http://unknown.test:P/fetched').catch(() => 0);
  try { new WebSocket('ws://unknown.test:P/socket') } catch (e) { 0 }
  try { new EventSource('http://unknown.test:P/events') } catch (e) { 0 }
  try { new Worker('http://unknown.test:P/worker.js') } catch (e) { 0 }
  document.documentElement.dataset.inline = 'ran';
</script>
"""
BODY = """
<img src="http://ads.test:P/px.gif" alt=""><img srcset="http://unknown.test:P/px.gif 1x" alt="">
<iframe src="http://social.test:P/like" title="Like"></iframe>
<iframe src="http://unknown.test:P/frame" title="What is this?"></iframe>
<script src="http://social.test:P/widget.js"></script>
<iframe src='http://video.test:P/film' title=Film></iframe>
<video src="http://unknown.test:P/film.mp4" poster="http://unknown.test:P/px.gif"></video>
<object data="http://unknown.test:P/object"></object><embed src="http://unknown.test:P/embed">
<iframe srcdoc='<script src="http://unknown.test:P/inner.js"></script>' title="Inner"></iframe>
<div style="background: url(http://unknown.test:P/back.gif)">styled</div>
<svg width=1 height=1><image href="http://unknown.test:P/svg.gif"/></svg>
<input type=image src="http://unknown.test:P/button.gif" alt=press>
<p><a id=out href="http://partner.test:P/?email=ana@example.org&page=2&gclid=1">our partner</a>
<a id=in href="/second?email=ana@example.org">here</a></p>
<form id=away action="http://unknown.test:P/form" method=post><button>send</button></form>
"""
DIRECTED = ("/pixel-only", "<img src='http://ads.test:P/px.gif' alt=''>")


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        port, path = str(self.server.others), self.path.partition("?")[0]
        inside = (TAGS, BODY) if path == "/" else ("", "<p>Thank you</p>" + DIRECTED[1])
        text = (
            "<!doctype html><html lang=en><head><meta charset=utf-8><title>Shop</title>"
            f"{inside[0]}</head><body><main><h1>Shop</h1>{inside[1]}</main></body></html>"
        ).replace(":P", f":{port}")
        body = text.encode()
        self.server.cookies.append(self.headers.get("Cookie") or "")
        self.send_response_only(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "login=1; HttpOnly; Path=/")
        self.send_header("Set-Cookie", "_visit_1=tracked; HttpOnly; Path=/")
        self.send_header("Set-Cookie", "strange=1; Path=/")
        self.send_header("Link", f"<http://unknown.test:{port}>; rel=preconnect")
        self.send_header("NEL", '{"report_to":"x","max_age":9}')
        self.send_header("Cache-Control", "public, max-age=600")
        self.end_headers()
        self.wfile.write(body)


@dataclass
class Street:
    url: str
    others: Others
    cookies: list[str]
    edition: str
    key: bytes
    browser: Browser

    def context(
        self, country: str, aims: dict[str, bool] | None = None, *, gpc: bool = False,
        trackers: dict[str, bool] | None = None, **settings: Any,
    ) -> BrowserContext:  # fmt: skip
        headers = {"X-Country": country, **({"Sec-GPC": "1"} if gpc else {})}
        context = self.browser.new_context(extra_http_headers=headers, **settings)
        if aims is not None or trackers is not None:
            value = chosen(self.edition, self.key, aims or {}, trackers)
            context.add_cookies([{"name": "kept-choices", "value": value, "url": self.url}])
        self.others.forget()
        return context

    def opened(self, context: BrowserContext, path: str = "/") -> Page:
        page = context.new_page()
        page.goto(self.url + path, wait_until="networkidle")
        page.wait_for_timeout(300)
        return page


@pytest.fixture(scope="module")
def street(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[Street]:
    others, site = Others(), ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    site.daemon_threads = True
    site.others, site.cookies = others.port, []  # type: ignore[attr-defined]
    database = pg_server.make_database(f"street_{os.getpid()}", template=_kept_template)
    directory = small.make(
        tmp_path_factory.mktemp("street") / "world", database,
        extra='\n[gateway]\nacts = true\ncountry = "X-Country"\nhosts = ["shop.test"]\n',
    )  # fmt: skip
    with (directory / "policy" / "trackers.yml").open("a") as file:
        file.write(TRACKERS.format(port=others.port))
    with Controller.open(deployment.read(directory)) as controller:
        edition, key = controller.bundle.edition, make.key_of(controller)
    arguments = [
        "--disable-dev-shm-usage", "--disable-gpu",
        "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    ]  # fmt: skip
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    upstream = f"http://127.0.0.1:{site.server_address[1]}"
    with (
        running(others), running(site), gateway(directory, upstream) as said,
        sync_playwright() as playwright,
    ):  # fmt: skip
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        url = f"http://shop.test:{urlsplit(said['url']).port}"
        yield Street(url, others, site.cookies, edition, key, browser)  # type: ignore[attr-defined]
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
    value = chosen(street.edition, street.key, NONE)
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
