"""The server before a site: what others send wrongly, on either side, ends in a clear answer."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.client
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.app.gateway.conftest import Shop
from tests.app.gateway.street import chosen

from kept import deployment
from kept.app.gateway.upstream import LARGEST, Gateway, Upstream, Waiting, _onwards
from kept.database import Database
from kept.records.visit import VisitRecords

HOST = "Host: shop.test"


def raw(shop: Shop, *lines: str, body: bytes = b"", end: str = "\r\n") -> bytes:
    """What comes back until the connection is closed or nothing comes any more."""
    with socket.create_connection(("127.0.0.1", shop.port), timeout=10) as s:
        s.sendall(end.join([*lines, "", ""]).encode("latin-1") + body)
        s.settimeout(0.7)
        found = b""
        try:
            while data := s.recv(65536):
                found += data
        except TimeoutError:
            pass
        return found


def ask(
    shop: Shop, path: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=20)
    connection.request(method, path, body, {"Host": "shop.test", **headers},
                       encode_chunked=not isinstance(body, (bytes, type(None))))  # fmt: skip
    answer = connection.getresponse()
    try:
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        (400, ("POST / HTTP/1.1", HOST, "Content-Length: 3", "Content-Length: 2")),
        (400, ("POST / HTTP/1.1", HOST, "Transfer-Encoding: gzip, chunked")),
        (400, ("POST / HTTP/1.1", HOST, "Transfer-Encoding: xchunked")),
        (400, ("GET / HTTP/1.1", HOST, "X: 1", " folded")),
        (400, ("GET / HTTP/1.1", HOST, "X : 1")),
        (400, ("GET / HTTP/1.1", HOST, "X: a\x00b")),
        (400, ("GET / HTTP/1.1", HOST, "Host: other.test")),
        (421, ("GET / HTTP/1.1", "Host: evil.test")),
        (421, ("GET / HTTP/1.1",)),
        (400, ("GET / HTTP/1.1", "Host: shop.test:80@evil.test")),
        (400, ("GET / HTTP/1.1", "Host: shop.test:80.evil.test")),
        (405, ("TRACE / HTTP/1.1", HOST)),
        (431, ("GET / HTTP/1.1", HOST, "X: " + "a" * LARGEST)),
        (431, ("GET / HTTP/1.1", HOST, *(f"X{n}: 1" for n in range(120)))),
        (501, ("GET / HTTP/1.1", HOST, "Connection: Upgrade", "Upgrade: websocket")),
        (400, ("GET /privacy/%2e%2e/desk HTTP/1.1", HOST)),
        (400, ("GET /privacy/../desk HTTP/1.1", HOST)),
    ],
)
def test_what_two_servers_could_read_in_two_ways_goes_no_further(
    shop: Shop, status: int, lines: tuple[str, ...]
) -> None:
    answer = raw(shop, *lines)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer[:80]


def test_two_lengths_of_one_body_are_one_to_the_other_side(shop: Shop) -> None:
    """With both the chunks count, the connection ends, and the site gets one framing alone."""
    body = b"2\r\nab\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n"
    lines = ("POST / HTTP/1.1", HOST, "Content-Length: 3", "Transfer-Encoding: chunked")
    answer = raw(shop, *lines, body=body)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b'"body": "ab"' in answer or answer.startswith(b"HTTP/1.1 400")
    assert b'"Content-Length"' not in answer or b'"told": null' in answer


@pytest.mark.parametrize(
    ("path", "status", "whole"),
    [
        ("/nothing", 502, True), ("/garbage", 502, True), ("/half-a-head", 502, True),
        ("/two-lengths", 502, True), ("/too-short", 200, False), ("/cut-chunks", 200, False),
        ("/cut-gzip", 502, True),
        ("/not-gzip", 502, True), ("/too-long", 200, True), ("/no-length", 200, True),
        ("/chunks", 200, True), ("/empty", 204, True), ("/early", 200, True), ("/slow", 200, True),
    ],
)  # fmt: skip
def test_what_a_site_answers_wrongly(shop: Shop, path: str, status: int, whole: bool) -> None:
    if not whole:  # broken off, so that nobody takes a part for the whole
        with pytest.raises((http.client.IncompleteRead, ConnectionError, ValueError)):
            ask(shop, path, Accept="text/html")
        return
    answer, body = ask(shop, path, Accept="text/html")
    assert answer.status == status
    if status == 502:
        assert b"<h1>The site cannot be reached</h1>" in body
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    if path == "/early":
        assert b"unknown.test" not in body + str(answer.headers).encode()
    if path in ("/chunks", "/early"):
        assert body.startswith(b"<p>hi")


@pytest.mark.parametrize("body", [b"abc", b"", None])
def test_what_must_not_be_asked_twice_waits_for_no_kept_connection(
    shop: Shop, body: bytes | None
) -> None:
    """The site closes what it kept open, at the very moment of the next request."""
    ask(shop, "/")  # leaves a connection that waits
    shop.cookies.clear()
    sent = {} if body else {"Content-Length": "0"}
    answer, said = ask(shop, "/first-alone", "POST", body, **sent)
    assert answer.status == 200, said
    assert json.loads(said)["body"] == (body or b"").decode()
    assert shop.cookies == ["asked"]


def test_what_is_for_the_next_machine_stays_there(shop: Shop) -> None:
    answer, _ = ask(shop, "/hop")
    assert not {"x-hop", "keep-alive"} & {name.lower() for name in answer.headers}
    answer, body = ask(
        shop, "/", "POST", b"abc", Connection="X-Mine, close", **{
            "X-Mine": "1", "TE": "trailers", "X-Forwarded-For": "6.6.6.6",
            "Forwarded": "for=6.6.6.6",
            "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.test",
            "Sec-GPC": "1"})  # fmt: skip
    heard = {name.lower(): value for name, value in json.loads(body)["headers"]}
    assert not {"x-mine", "te"} & set(heard)
    assert heard["host"] == "shop.test"
    assert heard["sec-gpc"] == "1"


def test_no_header_comes_in_under_another_spelling(shop: Shop) -> None:
    answer = raw(shop, "POST / HTTP/1.1", HOST, "X_Forwarded_For: 6.6.6.6", "Content-Length: 0")
    assert b"6.6.6.6" not in answer


def test_what_is_said_of_the_visitor() -> None:
    """Only a server before the gateway is believed; Kept hears who asks, the site through whom."""
    headers = [(b"host", b"shop.test"), (b"x-forwarded-for", b"6.6.6.6, 7.7.7.7"),
               (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"evil.test")]  # fmt: skip
    scope = {"headers": headers, "client": ("127.0.0.1", 1), "scheme": "http"}

    def told(proxied: bool, last: bool = False) -> dict[bytes, bytes]:
        return dict(_onwards(scope, proxied, last)[0])

    alone, behind, ours = told(False), told(True), told(True, True)
    assert alone[b"x-forwarded-for"] == b"127.0.0.1"
    assert alone[b"x-forwarded-proto"] == b"http"
    assert alone[b"x-forwarded-host"] == b"shop.test"
    assert behind[b"x-forwarded-for"] == b"6.6.6.6, 7.7.7.7, 127.0.0.1"
    assert behind[b"x-forwarded-proto"] == b"https"
    assert ours[b"x-forwarded-for"] == b"7.7.7.7"
    # A server before this one that says nothing of these passes on what a visitor made up.
    assert behind[b"x-forwarded-host"] == b"shop.test"
    headers += [(b"forwarded", b"host=evil.test"), (b"x-real-ip", b"6.6.6.6")]
    assert b"forwarded" not in told(True)
    assert told(True)[b"x-real-ip"] == b"7.7.7.7"
    assert told(False, True)[b"x-forwarded-for"] == b"127.0.0.1"


def test_bodies_arrive_as_they_were_sent(shop: Shop) -> None:
    _, body = ask(shop, "/", "POST", b"x" * 300_000)
    assert json.loads(body)["body"] == "x" * 300_000
    _, body = ask(shop, "/", "POST", iter([b"ab", b"", b"cd"]), **{"Transfer-Encoding": "chunked"})
    heard = json.loads(body)
    assert (heard["body"], heard["told"]) == ("abcd", "chunked")
    _, body = ask(shop, "/", "POST", b"")
    assert json.loads(body)["body"] == ""


def test_a_head_a_part_and_a_connection_that_stays(shop: Shop) -> None:
    answer, body = ask(shop, "/", "HEAD", Accept="text/html")
    assert (answer.status, body) == (200, b"")
    assert "script-src" in answer.headers["Content-Security-Policy"]
    answer, body = ask(shop, "/part", Range="bytes=2-5")
    assert (answer.status, body, answer.headers["Content-Range"]) == (206, b"2345", "bytes 2-5/10")
    connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=20)
    for path in ("/", "/part", "/chunks", "/"):
        connection.request("GET", path, headers={"Host": "shop.test"})
        assert connection.getresponse().read()
    connection.close()


def test_who_goes_away_in_the_middle_keeps_nothing_open(shop: Shop) -> None:
    with socket.create_connection(("127.0.0.1", shop.port), timeout=10) as s:
        s.sendall(f"GET /endless HTTP/1.1\r\n{HOST}\r\n\r\n".encode())
        assert s.recv(100).startswith(b"HTTP/1.1 200")
    for _ in range(200):
        if "gone" in shop.cookies:
            break
        time.sleep(0.05)
    assert "gone" in shop.cookies


def test_what_is_kepts_comes_from_kept(shop: Shop) -> None:
    answer, body = ask(shop, "/privacy")
    assert answer.status == 200
    assert b"personal information" in body.lower()
    assert ask(shop, "/.well-known/gpc.json")[0].status == 200
    for loaded in re.findall(rb'<link rel="[a-z]+" href="(/[^"]+)"', body):
        assert (
            ask(shop, loaded.decode())[0].headers["Content-Type"].startswith(("text/css", "image/"))
        )
    assert b"Thank you" in ask(shop, "/assets/desk.css")[1]  # of the desk, or of the site
    body = ask(shop, "/desk")[1]  # the staff's desk is not there: the site answers
    assert b"Thank you" in body
    assert b"Log in" not in body


def test_a_site_that_is_down(shop: Shop) -> None:
    """The gateway itself, before a port where nobody listens."""
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    wait = Waiting(connect=0.5, answer=0.3, request=0.2)
    read = deployment.read(shop.directory).read_bundle()
    bundle = replace(read, languages=("en", "de"))

    async def answers(port: int, method: str = "GET", **more: object) -> tuple[int, bytes]:
        up = Upstream(f"http://127.0.0.1:{port}", wait=wait)
        told: list[dict[str, object]] = []

        async def send(message: dict[str, object]) -> None:
            told.append(message)

        async def receive() -> dict[str, object]:
            await asyncio.sleep(60)
            return {"type": "http.request"}

        headers = [(b"host", b"shop.test"), *more.get("headers", [])]  # type: ignore[misc]
        path = str(more.get("path", "/"))
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(),
                 "scheme": "http", "query_string": b"", "headers": headers,
                 "client": ("127.0.0.1", 1)}  # fmt: skip
        gateway = Gateway(up, up, frozenset({"shop.test"}), bundle=lambda: bundle)
        await gateway(scope, receive, send)
        up.close()
        return int(str(told[0]["status"])), bytes(told[-1]["body"])  # type: ignore[arg-type]

    async def all_() -> list[tuple[int, bytes]]:
        return [
            await answers(nobody.getsockname()[1]),
            await answers(silent.getsockname()[1]),
            await answers(silent.getsockname()[1], "POST", headers=[(b"content-length", b"9")]),
            await answers(nobody.getsockname()[1], path="/privacy"),
            await answers(nobody.getsockname()[1], headers=[(b"accept-language", b"de-CH")]),
        ]

    with nobody, silent:
        found = asyncio.run(all_())
    assert [status for status, _ in found] == [502, 504, 408, 502, 502]
    assert b"takes too long" in found[1][1]
    assert '<html lang="de">' in found[4][1].decode()
    assert "Die Website ist nicht erreichbar" in found[4][1].decode()


def test_signals_are_counted_by_day_and_rules_that_changed_are_read(shop: Shop) -> None:
    """SIGHUP does at once what is done now and then."""
    rows = shop.directory / "policy" / "trackers.yml"
    config, declared = deployment.read(shop.directory), rows.read_text()

    def admits() -> bool:
        cookie = chosen(make_edition(), shop.key, {"analyse": True})
        answer, _ = ask(shop, "/", Cookie=f"kept-choices={cookie}", Accept="text/html")
        return "analytics.test" in answer.headers["Content-Security-Policy"]

    def make_edition() -> str:
        return config.read_bundle().edition

    def until(holds: Callable[[], bool]) -> bool:
        os.kill(shop.said["pid"], signal.SIGHUP)
        for _ in range(100):
            if holds():
                return True
            time.sleep(0.1)
        return False

    def counted() -> dict[str, int]:
        with Database.open(config.database, config.directory) as database:
            return VisitRecords(database).counted(dt.datetime.now(dt.UTC).date())

    assert until(lambda: True)
    before = counted()
    for country in ("DE", "US", "US"):
        ask(shop, "/", Accept="text/html", **{"Sec-GPC": "1", "X-Country": country})
    ask(shop, "/", Accept="text/html", DNT="1")
    ask(shop, "/part", **{"Sec-GPC": "1", "Sec-Fetch-Dest": "video"})  # no page
    assert until(lambda: counted().get("dnt", 0) == before.get("dnt", 0) + 1)
    assert counted()["gpc"] == before.get("gpc", 0) + 3
    assert admits()
    try:
        rows.write_text(declared.replace("analytics.test", "moved.test"))
        assert until(lambda: not admits())
        rows.write_text("- what: is this?\n")  # no rules at all: those from before hold on
        os.kill(shop.said["pid"], signal.SIGHUP)
        time.sleep(1)
        assert ask(shop, "/", Accept="text/html")[0].status == 200
    finally:
        rows.write_text(declared)
        assert until(admits)
