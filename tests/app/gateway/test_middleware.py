"""The same guard within a site's own server, and the lines for a server before it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from tests.app.conftest import Kept
from tests.world import REFERENCE

from kept.app.gateway import asgi, wsgi
from kept.app.gateway.boxes import Fragments
from kept.app.gateway.guard import Site
from kept.app.gateway.noticed import _MOST, Noticed
from kept.policy import bundle as policies

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
PARTS = [
    b"<head><body><a href=https://e.test/?ema", b"il=a@b.example>out</",
    b"a><iframe src=//e.test>", b"</iframe></body>",
]  # fmt: skip
HEADERS = [("Content-Type", "text/html"), ("Set-Cookie", "strange=1"), ("Content-Length", "99")]


@pytest.fixture(scope="module")
def site() -> Site:
    loaded = policies.load(REFERENCE)
    return Site(loaded, bytes(32), frozenset({"shop.test"}), True, Fragments(loaded))


def by_asgi(site: Site, sent: list[tuple[bytes, bytes]]) -> tuple[dict[str, str], bytes, Any]:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append(dict(scope["headers"]).get(b"cookie"))
        await send({"type": "http.response.start", "status": 200,
                    "headers": [(n.encode(), v.encode()) for n, v in HEADERS]})  # fmt: skip
        for part in PARTS:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "scheme": "http",
             "query_string": b"a=1", "headers": sent}  # fmt: skip
    asyncio.run(asgi.Guarded(app, site, lambda: NOW)(scope, None, send))  # type: ignore[arg-type]
    headers = {n.decode(): v.decode() for n, v in told[0]["headers"]}
    return headers, b"".join(m.get("body", b"") for m in told[1:]), heard[0]


def by_wsgi(site: Site, sent: list[tuple[bytes, bytes]]) -> tuple[dict[str, str], bytes, Any]:
    heard: list[Any] = []

    def app(environ: Any, start: Any) -> Any:
        cookie = environ.get("HTTP_COOKIE")
        heard.append(cookie and cookie.encode())
        start("200 OK", HEADERS)
        return iter(PARTS)

    environ: dict[str, Any] = {
        "PATH_INFO": "/", "QUERY_STRING": "a=1", "wsgi.url_scheme": "http",
        **{"HTTP_" + n.decode().upper().replace("-", "_"): v.decode() for n, v in sent},
    }  # fmt: skip
    told: list[Any] = []
    guarded = wsgi.Guarded(app, site, lambda: NOW)
    body = b"".join(guarded(environ, lambda *given: told.append(given)))
    return dict(told[0][1]), body, heard[0]


def test_both_answer_the_same(site: Site) -> None:
    sent = [(b"host", b"shop.test"), (b"accept", b"text/html"), (b"cookie", b"strange=1; _ga=2")]
    one, other = by_asgi(site, sent), by_wsgi(site, sent)
    assert one == other
    headers, body, heard = one
    assert heard is None
    assert "content-length" not in headers
    assert "script-src" in headers["content-security-policy"]
    assert b"a@b.example" not in body
    assert b"another website" in body
    assert b"e.test was not loaded" in body
    assert b'value="/?a=1"' in body  # the banner leads back to the page


def test_a_signal_that_a_server_joined_is_heard(site: Site) -> None:
    heard: list[str] = []
    seen = dataclasses.replace(site, met=lambda visit: heard.append(str(visit.signals.gpc)))
    page = (b"sec-fetch-dest", b"document")
    for said in (b"1", b"0,1", b"0"):
        by_wsgi(seen, [page, (b"sec-gpc", said)])
    assert heard == ["True", "True", "False"]


def test_nothing_is_sent_past_the_guard(site: Site) -> None:
    heard: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append(scope["extensions"])

    offered = {"http.response.pathsend": {}, "http.response.early_hint": {}, "tls": {"a": 1}}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "extensions": offered}
    asyncio.run(asgi.Guarded(app, site)(scope, None, None))  # type: ignore[arg-type]
    assert heard == [{"tls": {"a": 1}}]


def test_what_was_noticed_has_an_end(site: Site) -> None:
    noticed = Noticed("http://127.0.0.1:9")
    for n in range(_MOST * 2):
        noticed("cookie", f"n{n}", "/")
    assert len(noticed._seen) == _MOST
    asyncio.run(noticed.flush())  # nobody is there: it is let go
    assert noticed._seen == {}


@pytest.mark.parametrize("server", ["nginx", "caddy"])
def test_lines_for_a_server(server: str, place: Path, kept: Kept) -> None:
    settings = place / "kept.toml"
    settings.write_text(
        settings.read_text("utf-8")
        + '\n[gateway]\nupstream = "http://127.0.0.1:8080"\nhosts = ["www.shop.test"]\n', "utf-8",
    )  # fmt: skip
    lines = kept("gateway", "snippet", server, "--dir", place)
    assert lines.status == 0
    for word in ("www.shop.test", "127.0.0.1:8800", "X-Forwarded-For", "http://127.0.0.1:8080"):
        assert word in lines.out
    assert lines.out.count("{") == lines.out.count("}")
    assert kept("gateway", "snippet", "apache", "--dir", place).status == 2


@pytest.mark.parametrize(
    "upstream", ["ftp://127.0.0.1", "http://", "shop.test", "http://127.0.0.1/path"]
)
def test_a_site_has_an_address(upstream: str, place: Path, kept: Kept) -> None:
    ran = kept("gateway", "--upstream", upstream, "--dir", place)
    assert ran.status == 2
    assert "http://127.0.0.1:8080" in ran.err
