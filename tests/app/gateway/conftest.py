"""The shop, whose pages label nothing, behind `kept gateway`; and servers that misbehave."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests import world as small
from tests.app.conftest import serve
from tests.app.gateway.street import TRACKERS, Others, gateway
from tests.app.gateway.ways import PRESSES
from tests.serving import running

from kept import deployment
from kept.app.gateway import make
from kept.controller import Controller
from kept.embedded import Server

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
  fetch('http://share.test:P/count').catch(() => 0); // our own button, in a hurry
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
<a id=ours href="http://partner.test:P/ours/event">our event there</a>
<a id=in href="/second?email=ana@example.org">here</a></p>
<form id=away action="http://unknown.test:P/form" method=post><button>send</button></form>
"""
#: A script of the site's own that knows people again, and asks by WebRTC, in a frame too: no policy
#: of a page keeps that out.
PLANTED = """<script>document.cookie = 'planted_81723=secret-value; max-age=9000000';
localStorage.setItem('visitor', 'secret-value');
new RTCPeerConnection({iceServers: [{urls: ['stun:called.test:P']}]});
var f = document.createElement('iframe'); document.body.append(f);
new f.contentWindow.RTCPeerConnection({iceServers: [{urls: ['stun:rtc.test:P']}]})</script>"""
#: Pages that are not for whoever only reads: behind an account, and behind a yes.
ASKING = {
    "/login": "<form><input name=who><input name=word type=password><button>In</button></form>",
    "/covered": "<p>" + "Much to read. " * 80 + "<div style='position: fixed; inset: 0; background:"
    " white; z-index: 2147483647'>Allow us first</div><a href=/moved>moved</a>",
}
#: A worker of the site's own that answers for a page, with none of the headers of the gateway.
WORKER = """addEventListener('install', () => skipWaiting());
addEventListener('activate', e => e.waitUntil(clients.claim()));
addEventListener('fetch', e => new URL(e.request.url).pathname == '/made' && e.respondWith(
  new Response('<title>made</title><img src="http://unknown.test:P/px.gif">',
    {headers: {'content-type': 'text/html'}})));"""
REGISTERS = """<script>navigator.serviceWorker.register('/worker.js').then(
() => setTimeout(() => document.title = 'registered', 300))</script>"""
#: Ways to make a browser connect in advance, in places that are read apart from the page.
HINTED = """<noscript><style></noscript><link rel=preconnect href="http://unknown.test:P"></style>
<iframe srcdoc='<link rel=preconnect href="http://unknown.test:P">'></iframe>
<script type=speculationrules>{"prefetch": [{"urls": ["https://ahead.test:P/x"],
  "eagerness": "immediate"}]}</script>
<script>var rules = document.createElement('script'); rules.type = 'speculationrules';
rules.textContent =
  '{"prefetch": [{"urls": ["https://later.test:P/x"], "eagerness": "immediate"}]}';
document.body.append(rules)</script>"""
DIRECTED = ("/pixel-only", "<img src='http://ads.test:P/px.gif' alt=''>")


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
#: Answers as they should not be, byte for byte; after them the connection is closed.
RAW = {
    "/nothing": b"", "/garbage": b"\x00\x01\x02 what\r\n\r\n", "/half-a-head": _HEAD,
    "/too-short": _HEAD + b"Content-Length: 500\r\n\r\n<p>only this",
    "/too-long": _HEAD + b"Content-Length: 5\r\n\r\n<p>hi and much more than was said",
    "/no-length": _HEAD + b"Connection: close\r\n\r\n<p>until the end",
    "/cut-chunks": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n<p>hi\r\n9\r\nabc",
    "/chunks": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n<p>hi\r\n0\r\n\r\n",
    "/not-gzip": _HEAD + b"Content-Encoding: gzip\r\nContent-Length: 6\r\n\r\n<p>hi!",
    "/cut-gzip": _HEAD + b"Content-Encoding: gzip\r\nContent-Length: 30\r\n\r\n"
                 + gzip.compress(bytes(range(100)))[:30],
    "/two-lengths": _HEAD + b"Content-Length: 5\r\nContent-Length: 9\r\n\r\n<p>hi",
    "/empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/early": b"HTTP/1.1 103 Early Hints\r\nLink: <http://unknown.test>; rel=preconnect\r\n\r\n"
              + _HEAD + b"Content-Length: 5\r\n\r\n<p>hi",
    "/hop": _HEAD + b"Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
            b"Content-Length: 5\r\n\r\n<p>hi",
    "/part": b"HTTP/1.1 206 Partial Content\r\nContent-Type: video/mp4\r\n"
             b"Content-Range: bytes 2-5/10\r\nContent-Length: 4\r\n\r\n2345",
    "/endless": b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n",
    "/slow": _HEAD + b"Content-Length: 10\r\n\r\n",
}  # fmt: skip


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def _raw(self, path: str) -> None:
        self.close_connection = True
        self.wfile.write(RAW[path])
        if path == "/endless":
            try:
                for _ in range(100_000):
                    self.wfile.write(bytes(65536))
            except OSError:
                self.server.cookies.append("gone")
        if path == "/slow":
            for _ in range(10):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)

    def _was_asked(self) -> bool:
        before, self.before = getattr(self, "before", False), True
        return before

    def do_POST(self) -> None:
        before = self._was_asked()
        if self.path == "/first-alone":
            self.server.cookies.append("asked")
            if before:
                self.close_connection = True
                return
        length, told = self.headers.get("Content-Length"), self.headers.get("Transfer-Encoding")
        body = self.rfile.read(int(length)) if length else self._chunks()
        heard = {"headers": self.headers.items(), "body": body.decode(), "told": told}
        text = json.dumps(heard).encode()
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_HEAD = lambda self: self.do_GET()  # noqa: E731, N815

    def _chunks(self) -> bytes:
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def do_GET(self) -> None:
        port, path = str(self.server.others), self.path.partition("?")[0]
        self._was_asked()
        if path in RAW:
            self._raw(path)
            return
        inside = (TAGS, BODY) if path == "/" else ("", "<p>Thank you</p>" + DIRECTED[1])
        if path == "/hinted":
            inside = ("<link rel=preconnect href='http://unknown.test:P'>", HINTED)
        if path in ("/planted", "/registers"):
            inside = ("", PLANTED if path == "/planted" else REGISTERS)
        if path == "/presses":
            inside = ("", PRESSES)
        if path in ASKING:
            inside = ("", ASKING[path])
        if path in ("/members", "/moved"):
            self.send_response_only(302)
            away = f"http://unknown.test:{port}/elsewhere"
            self.send_header("Location", "/login" if path == "/members" else away)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        text = (
            "<!doctype html><html lang=en><head><meta charset=utf-8><title>Shop</title>"
            f"{inside[0]}</head><body><main><h1>Shop</h1>{inside[1]}</main></body></html>"
        ).replace(":P", f":{port}")
        worker = path == "/worker.js"
        body = WORKER.replace(":P", f":{port}").encode() if worker else text.encode()
        self.server.cookies.append(self.headers.get("Cookie") or "")
        self.send_response_only(200)
        self.send_header("Content-Type", "text/javascript" if worker else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "login=1; HttpOnly; Path=/")
        self.send_header("Set-Cookie", "_visit_1=tracked; HttpOnly; Path=/")
        self.send_header("Set-Cookie", "strange=1; Path=/")
        self.send_header("Link", f"<http://unknown.test:{port}>; rel=preconnect")
        self.send_header("NEL", '{"report_to":"x","max_age":9}')
        self.send_header("Cache-Control", "public, max-age=600")
        self.end_headers()
        # To HEAD too, as some servers do: nobody else may be given it as his answer.
        self.wfile.write(body)


@dataclass
class Shop:
    """The gateway's port, who stands behind and beside it, and what makes a cookie of a choice."""

    port: int
    directory: Path
    others: Others
    cookies: list[str]
    edition: str
    key: bytes
    said: dict[str, Any] = field(default_factory=dict)
    kept: str = ""


@pytest.fixture(scope="package")
def shop(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[Shop]:
    others, site = Others(), ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    site.daemon_threads = True
    site.others, site.cookies = others.port, []  # type: ignore[attr-defined]
    base = tmp_path_factory.mktemp("street")
    database = pg_server.make_database(f"{base.name}_{os.getpid()}", template=_kept_template)
    directory = small.make(
        base / "world", database,
        extra='\n[recipients.house]\ntitle = "The House"\n'
              'lane = "partner"\npolicy = "https://partner.test/privacy"\n'
              f'pages = ["http://partner.test:{others.port}/ours/"]\n'
              '\n[site]\nproxy = true\ncountry = "X-Country"\nport = 9\n'
              '\n[gateway]\nacts = true\nproxy = true\nhosts = ["shop.test"]\n',
    )  # fmt: skip
    with (directory / "policy" / "trackers.yml").open("a") as file:
        file.write(TRACKERS.format(port=others.port))
    with Controller.open(deployment.read(directory)) as controller:
        edition, key = controller.bundle.edition, make.key_of(controller)
    upstream = f"http://127.0.0.1:{site.server_address[1]}"
    kept, told = serve(directory)
    try:
        with (
            running(others), running(site), gateway(directory, upstream, "--kept", told["url"])
            as said,
        ):  # fmt: skip
            port = urlsplit(said["url"]).port or 0
            yield Shop(port, directory, others, site.cookies, edition, key, said, told["url"])  # type: ignore[attr-defined]
    finally:
        kept.terminate()
        assert kept.wait(30) == 0
