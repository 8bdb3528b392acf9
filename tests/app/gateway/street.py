"""A street on loopback: a site that labels nothing, the others its pages call, and the gateway.

The others count what reaches them, connections too: their count is the proof.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kept.model import choice

GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
#: Added to the trackers of the bundle. `unknown.test` stands on no list.
TRACKERS = """
- id: test-analytics
  title: Counting of visits
  provider: google-analytics
  purposes: [analyse]
  hosting: provider
  hosts:
    script: ["http://analytics.test:{port}"]
    connect: ["http://analytics.test:{port}"]
    img: ["http://analytics.test:{port}"]
  leaves: [{{name: _visit, lifetime: P24M}}, {{name: "_visit_*", lifetime: P24M}}]
  sends: [navigation.ip, navigation.pages, cookie]
  outside: true
  policy: policy-google
  clauses: [SHARE-1, COOK-1]
- id: test-ads
  title: Advertisements
  provider: google
  purposes: [advertise]
  hosting: provider
  hosts:
    script: ["http://ads.test:{port}"]
    connect: ["http://ads.test:{port}"]
    img: ["http://ads.test:{port}"]
    frame: ["http://ads.test:{port}"]
  leaves: [{{name: _ad, lifetime: P90D}}]
  sends: [navigation.ip, navigation.pages, cookie]
  outside: true
  policy: policy-google
  clauses: [ADNET-1, ADNET-2]
- id: test-like
  title: Like button
  provider: facebook-social
  purposes: [social]
  hosting: provider
  hosts:
    script: ["http://social.test:{port}"]
    frame: ["http://social.test:{port}"]
    img: ["http://social.test:{port}"]
  sends: [navigation.ip, navigation.pages, cookie]
  outside: true
  policy: policy-facebook
  embed: true
  clauses: [SOCIAL-1, SOCIAL-2]
- id: test-video
  title: The film about us
  provider: share-this
  purposes: [social]
  hosting: provider
  hosts: {{frame: ["http://video.test:{port}"], media: ["http://video.test:{port}"]}}
  sends: [navigation.ip]
  outside: true
  policy: policy-share-this
  embed: true
  clauses: [SOCIAL-1, SOCIAL-2]
- id: test-share
  title: Share this page
  provider: null
  purposes: [social]
  hosting: self
  hosts: {{connect: ["http://share.test:{port}"]}}
  embed: true
  clauses: [SOCIAL-1, SOCIAL-3]
- id: test-login
  title: Being logged in
  provider: null
  purposes: [operate]
  hosting: self
  leaves: [{{name: login, lifetime: session}}]
  clauses: [COOK-1]
"""


class Others(ThreadingHTTPServer):
    """All third parties, on one port: who was asked for what, and how often one connected."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Other)
        self.hits: Counter[str] = Counter()
        self.connected = 0
        self.referrers: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connected += 1
        super().process_request(request, client_address)

    def forget(self) -> None:
        self.hits.clear()
        self.connected = 0
        self.referrers.clear()

    def of(self, name: str) -> int:
        return sum(n for place, n in self.hits.items() if place.startswith(f"{name}.test/"))


class _Other(BaseHTTPRequestHandler):
    server: Others
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        host = (self.headers.get("Host") or "").partition(":")[0]
        path = self.path.partition("?")[0]
        self.server.hits[host + path] += 1
        self.server.referrers.append(self.headers.get("Referer") or "")
        kind, body = "text/html", b"<!doctype html><title>elsewhere</title><p>elsewhere"
        if path.endswith(".js"):
            kind = "text/javascript"
            body = f"document.documentElement.dataset.{host.partition('.')[0]} = 'ran'".encode()
        elif path.endswith(".gif"):
            kind = "image/gif"
            body = GIF
        self.send_response_only(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.do_GET()

    do_OPTIONS = do_GET  # noqa: N815


@contextlib.contextmanager
def gateway(directory: Path, upstream: str, *options: str) -> Iterator[dict[str, Any]]:
    """`kept gateway` as a process of its own; what it says when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kept.app", "gateway", "--upstream", upstream, "--port", "0",
         "--json", "--dir", str(directory), *options],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "the gateway did not start"
        yield json.loads(line)
    finally:
        process.terminate()
        assert process.wait(30) == 0
        process.stdout.close()


def chosen(
    edition: str, key: bytes, aims: dict[str, bool], trackers: dict[str, bool] | None = None
) -> str:
    """The value of the cookie of who chose so today."""
    today = dt.datetime.now(dt.UTC).date()
    said = choice.Choices(today, edition, MappingProxyType(aims), MappingProxyType(trackers or {}))
    return choice.encode(said, key)
