"""The pages and the API, over HTTP, on a server process as an operator runs it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.client
import itertools
import json
import os
import re
import signal
import socket
import time
import urllib.parse
from pathlib import Path
from typing import Any

import psycopg
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from tests.app.conftest import TOKEN, Kept, serve
from tests.world import NOW, REFERENCE

from kept import deployment
from kept.app import (
    api,
    choices,
    complaints,
    delivery,
    drp,
    forms,
    pages,
    preferences,
    reports,
    requests,
    web,
    wellknown,
)
from kept.app.jobs import JOBS
from kept.app.surface import ROUTES
from kept.app.web import HEADERS, UNREADABLE
from kept.controller import Controller
from kept.controls.runner import ClauseReport
from kept.duties import rights
from kept.policy.bundle import load
from kept.terms.identifiers import parse

SECRET = "zoe.secret@example.fr"
DAY = dt.timedelta(days=1)


def ask(
    url: str, path: str, method: str = "GET", body: object = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, str]:
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    data = body if isinstance(body, (str, type(None))) else json.dumps(body)
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def sent(url: str, raw: bytes) -> tuple[int, str]:
    """The status of an answer to bytes as they are, and all of the answer."""
    place = urllib.parse.urlsplit(url)
    with socket.create_connection((place.hostname, place.port), 30) as connection:
        connection.sendall(raw)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return int(answer.split()[1]), answer.decode()


def decide(url: str, body: object, token: str = TOKEN) -> tuple[int, Any]:
    status, _, text = ask(
        url, "/api/v1/decide", "POST", body,
        **{"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )  # fmt: skip
    return status, json.loads(text)


def paths() -> list[str]:
    """Every GET route, with its places filled in; but deliveries, which need a link."""
    fill = {
        "number:int": "2", "version:str": "2023-06-27", "name:str": "kept.css",
        "token:str": "nobody-asked", "request_id:str": "x", "agent_id:str": "X",
        "record:str": "nobody-asked", "form:str": "nobody-asked",
    }  # fmt: skip
    return [
        re.sub(r"\{([^}]+)\}", lambda place: fill[place[1]], route.name)
        for route in ROUTES
        if route.method == "GET"
        and "delivery" not in route.name
        and not route.name.startswith("/api/v1/forms")  # for programs with a token
    ]


def test_the_table_names_every_route() -> None:
    handlers = [*pages.HANDLERS, *requests.HANDLERS, *complaints.HANDLERS, *delivery.HANDLERS,
                *choices.HANDLERS, *wellknown.HANDLERS, *forms.PAGES, *forms.PROGRAMS,
                *reports.HANDLERS, *preferences.PAGES, *preferences.PROGRAMS, api.decide,
                drp.router(lambda answer: answer)]  # fmt: skip
    app = Litestar(handlers, openapi_config=None)
    real = {
        (route.path_format if hasattr(route, "path_format") else route.path, method)
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }
    plain = {(re.sub(r":\w+\}", "}", r.name), r.method) for r in ROUTES}
    assert real | {("/api/v1/schema/openapi.json", "GET")} == plain


def test_a_get_never_may_change_anything() -> None:
    assert not [r.name for r in ROUTES if r.method == "GET" and r.changes]
    assert all(r.changes for r in ROUTES if r.method != "GET")
    assert [r.name for r in ROUTES if r.changes and not r.roles] == []


def state(directory: Path) -> dict[str, tuple[Any, ...]]:
    """Every row of Kept's own database, and of the example's."""
    found = {}
    with psycopg.connect(deployment.read(directory).database) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for (table,) in tables:
            row = connection.execute(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY"
                                     f" t::text)) FROM {table} t").fetchone()  # fmt: skip
            assert row is not None
            found[table] = tuple(row)
    found["example"] = ((directory / "example.sqlite3").read_bytes(),)
    return found


def at_rest(directory: Path) -> dict[str, tuple[Any, ...]]:
    """The state once what the server does by itself, right after its start, is done for the day."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with psycopg.connect(deployment.read(directory).database) as connection:
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE ended_at IS NOT NULL) FROM job"
            ).fetchone()
        if row is not None and row[0] == len(JOBS):
            return state(directory)
        time.sleep(0.2)
    raise AssertionError("what runs by itself did not come to its end")


def test_get_changes_nothing(served: tuple[str, Path]) -> None:
    url, directory = served
    before = at_rest(directory)
    assert len(before) > 10
    for path in paths():
        for method in ("GET", "HEAD", "OPTIONS"):
            status, headers, _ = ask(url, path, method)
            assert status < 500, (method, path)
            assert headers.get("Set-Cookie") is None
        # Under /v1 all is off, so not there; one press says the same of every link.
        gone = ("nobody-asked" in path and "/u/" not in path) or path.startswith("/v1/")
        assert ask(url, path)[0] in ((404,) if gone else (200, 302, 301, 307)), path
    assert state(directory) == before


@pytest.mark.parametrize("path", [*paths(), "/nothing-here", "/privacy/sentences/99999"])
def test_every_answer_is_strict(path: str, served: tuple[str, Path]) -> None:
    status, headers, text = ask(served[0], path)
    assert status in (200, 302, 404)
    # A form that asks whence it comes, also where there is no https, has to be told.
    tells = {"Referrer-Policy": "same-origin"} if path == "/privacy/choices" else {}
    for name, value in (HEADERS | tells).items():
        assert headers[name] == value
    # Written out, so that a constant that is changed is met here.
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("no-referrer", "same-origin")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    rules = dict(one.split(maxsplit=1) for one in headers["Content-Security-Policy"].split("; "))
    assert rules == {
        "default-src": "'none'", "style-src": "'self'", "img-src": "'self'",
        "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
    }  # fmt: skip
    assert headers.get("Set-Cookie") is None
    if headers["Content-Type"].startswith("text/html"):
        assert "<script" not in text
        assert "style=" not in text
        assert not re.findall(r'(?:src|srcset|data|action)\s*=\s*"', text)
        assert set(re.findall(r'<link [^>]*href="([^"]+)"', text)) <= {
            "/assets/kept.css", "/assets/kept.svg",
        }  # fmt: skip


@pytest.mark.parametrize("path", [*paths(), "/nothing-here"])
def test_every_answer_says_of_what_kind_it_is(path: str, served: tuple[str, Path]) -> None:
    _, headers, text = ask(served[0], path)
    kind = headers["Content-Type"]
    if not text:
        return
    if text.lstrip().startswith("<!doctype html>"):
        assert kind == "text/html; charset=utf-8"
    elif text.startswith("<svg"):
        assert kind.startswith("image/svg+xml")
    elif text.startswith("{"):
        assert re.fullmatch(r"application/([a-z.]+\+)?json", kind)
        json.loads(text)
    else:
        assert re.fullmatch("text/(plain|css|javascript); charset=utf-8", kind)


def test_nobody_elsewhere_may_read_and_nothing_is_talked_of_but_http(
    served: tuple[str, Path],
) -> None:
    for path in (*paths(), "/desk/login"):
        for method in ("GET", "OPTIONS"):
            _, headers, _ = ask(served[0], path, method, Origin="https://evil.example",
                                **{"Access-Control-Request-Method": "POST"})  # fmt: skip
            assert not [h for h in headers if h.lower().startswith("access-control-")], path
        status, headers, _ = ask(
            served[0], path, Connection="Upgrade", Upgrade="websocket",
            **{"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
        )  # fmt: skip
        assert status != 101, path
        assert headers.get("Upgrade") is None


_BODY = b"5\r\na=%31\r\n0\r\n\r\n"
_NEXT = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("lines", "met"),
    [
        # Whole requests, one after the other.
        ([f"Content-Length: {len(_BODY)}"], [400, 200]),
        (["Transfer-Encoding: chunked"], [400, 200]),
        # What another server could cut elsewhere: nothing behind it is read.
        (["Transfer-Encoding: chunked", "Content-Length: 3"], [400]),
        (["Content-Length: 3", "Transfer-Encoding: chunked"], [400]),
        ([f"Content-Length: {len(_BODY)}", "Content-Length: 0"], [400]),
        (["Content-Length: 0", f"Content-Length: {len(_BODY)}"], [400]),
        (["Transfer-Encoding: identity", f"Content-Length: {len(_BODY)}"], [400]),
        (["Transfer-Encoding: chunked, x", "Content-Length: 0"], [400]),
        (["Transfer-Encoding : chunked", f"Content-Length: {len(_BODY)}"], [400]),
        (["Content-Length: +5"], [400]),
        (["Content-Length: 0x5"], [400]),
        (["Content-Length: 5,5"], [400]),
    ],
)
def test_where_a_request_ends_cannot_be_read_in_two_ways(
    lines: list[str], met: list[int], served: tuple[str, Path]
) -> None:
    """RFC 9112, 6.3: of what two servers could cut differently no second request is made."""
    kind = "Content-Type: application/x-www-form-urlencoded"
    head = ["POST /privacy/choices HTTP/1.1", "Host: localhost", kind, *lines, "", ""]
    place = urllib.parse.urlsplit(served[0])
    with socket.create_connection((place.hostname, place.port), 10) as connection:
        connection.sendall("\r\n".join(head).encode() + _BODY + _NEXT)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)] == met


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, False), ("http://127.0.0.1:8790", False), ("https://privacy.example.org", True),
        ("https://privacy.example.org:443/x", True), ("https://privacy.example.org:8443", False),
    ],
)  # fmt: skip
def test_browsers_are_told_to_come_by_https_alone_where_they_can(
    url: str | None, told: bool, place: Path
) -> None:
    with Controller.open(deployment.read(place)) as controller:
        controller.site_url = url
        app = web.make(controller, token=None, shows="text", clock=lambda: NOW,
                       names=frozenset(("localhost",)))  # fmt: skip
        browser = TestClient(app, base_url="http://localhost.local")
        for path in ("/privacy", "/nothing", "/desk/login", "/desk", "/api/v1/decide"):
            for host in ("localhost", "evil.example"):
                answer = browser.get(path, headers={"Host": host})
                year = "max-age=31536000" if told else None
                assert answer.headers.get("Strict-Transport-Security") == year, (path, host)


def test_head_is_get_without_what_it_shows(served: tuple[str, Path]) -> None:
    url = served[0]
    for path in [*paths(), "/nothing-here", "/api/v1/decide"]:
        status, headers, _ = ask(url, path)
        met, told, shown = ask(url, path, "HEAD")
        assert (met, shown) == (status, ""), path
        gone = path in ("/nothing-here", "/api/v1/decide") or "nobody-asked" in path
        assert met in (200, 302) or gone or path.startswith("/v1/")  # off: not there
        same = {k.lower(): v for k, v in headers.items() if k.lower() != "date"}
        assert {k.lower(): v for k, v in told.items() if k.lower() != "date"} == same, path


def test_a_point_of_a_list_stands_with_what_leads_to_it(served: tuple[str, Path]) -> None:
    _, _, policy = ask(served[0], "/privacy")
    point = re.search(r'<li class="unit" id="s(\d+)"', policy)
    assert point
    _, _, text = ask(served[0], f"/privacy/sentences/{point[1]}")
    quote = text.partition('<h1 class="sentence">')[2].partition("</h1>")[0]
    assert re.search(r'<span class="lead">[^<]*\w.*</span> \w', quote), quote
    _, _, first = ask(served[0], "/privacy/sentences/2")
    assert 'class="lead"' not in first


def test_the_style_asks_nobody(served: tuple[str, Path]) -> None:
    text = ask(served[0], "/assets/kept.css")[2]
    assert "url(" not in text
    assert "@import" not in text


def test_an_error_page_repeats_nothing(served: tuple[str, Path]) -> None:
    status, _, text = ask(served[0], f"/privacy/{urllib.parse.quote(SECRET)}?who={SECRET}")
    assert status == 404
    assert "<title>This page does not exist.</title>" in text
    assert SECRET not in text
    assert "/privacy" in text
    status, _, text = ask(served[0], "/privacy", "POST", "x")
    assert status == 405


def test_the_authorities_can_be_picked_without_a_script(served: tuple[str, Path]) -> None:
    url = served[0]
    assert '<a href="/privacy/authorities">' in ask(url, "/privacy")[2].partition("<footer>")[2]
    every = ask(url, "/privacy/authorities")[2]
    codes = re.findall(r'<option value="([A-Z]{2})"', every)
    assert len(codes) == 34
    assert re.findall(r'href="/privacy/authorities\?country=([A-Z]{2})"', every) == codes
    for code in codes:
        status, _, text = ask(url, f"/privacy/authorities?country={code}")
        assert status == 200
        assert re.search(r'<article class="card">.*Looked at on \d+ \w+ 2026\. ', text, re.S), code
        assert f'<option value="{code}" selected>' in text
    # What is not in the list is no page, and is not repeated.
    status, _, text = ask(url, f"/privacy/authorities?country={urllib.parse.quote(SECRET)}")
    assert status == 404
    assert SECRET not in text


def test_the_page_of_a_delivery_tells_nothing_and_changes_nothing(world: Path) -> None:
    """In this process, with a sender of codes plugged in."""
    now, sent = [NOW], []
    out = world / "ben.zip"
    with Controller.open(deployment.read(world)) as controller:
        asked = rights.Request(((parse("email=ben@example.org"),),), evidence="she typed a code")
        case = rights.access(controller, asked, NOW, out=out).case
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        made = rights.delivery.deliver(controller, case, out, actor, NOW, downloads=2)
        app = web.make(controller, token=None, shows="text", clock=lambda: now[0])
        link = f"/privacy/delivery/{made.token}"
        with TestClient(app) as browser:
            assert "You get it from us another way" in browser.get(link).text
            assert browser.post(f"{link}/code").status_code == 409
            app.state[delivery.SENDER] = lambda *said: bool(sent.append(said[1])) or True
            before = str(controller.deliveries.all())
            for _ in range(3):
                page = browser.get(link)
                assert page.status_code == 200
                assert browser.head(link).status_code == 200
            assert str(controller.deliveries.all()) == before
            assert sent == []
            for answer in (page, browser.post(f"{link}/code")):
                assert answer.headers["Cache-Control"] == "no-store"
                assert "ben" not in answer.text.lower()
                assert case not in answer.text
                assert all(answer.headers[name] == value for name, value in HEADERS.items())
            (code,) = sent
            for button in ("code", "package"):  # what her browser shows afterwards, opened again
                again = browser.get(f"{link}/{button}")
                assert (again.status_code, again.url.path) == (200, link)
                assert "You can still fetch it" in again.text
            assert len(sent) == 1
            for wrong in ({"code": "12"}, {"code": ["1", "2"]}, {}, {"other": SECRET}):
                answer = browser.post(f"{link}/package", data=wrong)
                assert answer.status_code in (400, 403), wrong
                assert SECRET not in answer.text
            got = browser.post(f"{link}/package", data={"code": code})
            assert (got.status_code, got.content) == (200, out.read_bytes())
            assert got.headers["Content-Disposition"].startswith("attachment")
            assert got.headers["Content-Type"] == "application/zip"
            # A link that nobody was given, and one whose time is over, look alike.
            now[0] += 6 * DAY
            pages = [browser.get(path).text for path in (link, "/privacy/delivery/x")]
            assert pages[0] == pages[1]
            assert "This link does not work" in pages[0]
            assert case not in pages[0]
            german = browser.get(f"{link}?lang=de").text
            assert ("Dieser Link funktioniert nicht" in german) == (
                "de" in controller.bundle.languages
            )
            for path in (link, "/privacy/delivery/x"):
                assert browser.get(path).status_code == 404
                assert browser.post(f"{path}/code").status_code == 404
                assert browser.post(f"{path}/package", data={"code": code}).status_code == 404
            assert len(sent) == 1


def test_the_policy_shows_every_sentence_with_its_mark(served: tuple[str, Path]) -> None:
    url, directory = served
    text = ask(url, "/privacy")[2]
    units = deployment.read(directory).read_bundle().units
    marks = re.findall(r'<a class="mark (\w+)" href="(/privacy/sentences/\d+)"', text)
    assert len(marks) == len(units)
    assert len({path for _, path in marks}) == len(units)
    assert {"pass", "open", "statement"} <= {mark for mark, _ in marks}
    for word in ("pass", "open", "statement"):
        path = next(path for mark, path in marks if mark == word)
        status, _, behind = ask(url, path)
        assert status == 200
        assert f'class="state {word}"' in behind
    checked = next(path for mark, path in marks if mark == "pass")
    behind = ask(url, checked)[2]
    assert "kept prove --clause" in behind
    assert "kept-verify" in behind
    assert "entry " in behind


@pytest.mark.parametrize("shows", ["text", "checks"])
def test_the_operator_decides_what_the_page_shows(shows: str, place: Path, kept: Kept) -> None:
    file = place / "kept.toml"
    text = file.read_text("utf-8").replace('shows = "live"', f'shows = "{shows}"')
    file.write_text(text, "utf-8")
    kept("policy", "publish", "--dir", place)
    kept("prove", "--dir", place)
    process, document = serve(place)
    try:
        page = ask(document["url"], "/privacy")[2]
        marks = set(re.findall(r'<a class="mark (\w+)"', page))
        assert marks == (set() if shows == "text" else {"pass", "statement"})
        shown = {int(n) for n in re.findall(r"/privacy/sentences/(\d+)", page)}
        hidden = next(n for n in range(1, 200) if n not in shown)
        assert ask(document["url"], f"/privacy/sentences/{hidden}")[0] == 404
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_the_versions(served: tuple[str, Path]) -> None:
    text = ask(served[0], "/privacy/versions")[2]
    assert 'href="/privacy/versions/2023-06-27"' in text
    assert "27 June 2023" in text
    old = ask(served[0], "/privacy/versions/2023-06-27")[2]
    assert "This version was last updated on 27 June 2023." in old
    assert ask(served[0], "/privacy/versions/1999-01-01")[0] == 404


# The door for other programs.

ASK = {"purpose": "communicate", "category": "contact.email", "context": "site-form"}


def test_a_decision_is_answered_and_recorded(served: tuple[str, Path], kept: Kept) -> None:
    url, directory = served
    before = kept("ledger", "verify", "--json", "--dir", directory).document["entries"]
    status, answer = decide(url, {**ASK, "subject": {"kind": "email", "value": SECRET}})
    assert status == 200
    assert set(answer) == {"allow", "because", "basis", "activity", "reason", "policy"}
    assert answer["policy"] == {"id": "interop.io", "version": "2023-06-27"}
    assert answer["because"]
    after = kept("ledger", "verify", "--json", "--dir", directory).document
    assert (after["entries"], after["ok"]) == (before + 1, True)


def test_a_ground_that_arises_in_the_act_counts(served: tuple[str, Path]) -> None:
    news = {"purpose": "marketing.email", "category": "contact.email", "context": "site-form",
            "region": "EEA"}  # fmt: skip
    _, denied = decide(served[0], news)
    assert denied["allow"] is False
    grounds = ["consent:marketing.email", "preference:email"]
    _, allowed = decide(served[0], {**news, "grounds": grounds})
    assert (allowed["allow"], allowed["basis"]) == (True, "consent")
    assert decide(served[0], news)[1]["allow"] is False, "an act leaves nothing behind"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"purpose":' * 5_000,
        b'{"purpose": "\xff\xfe", "category": "contact"}',
        b'{"purpose": "communicate", "category": "contact", "context": "\xc3\x28"}',
        b'{"purpose": "\\ud800", "category": "contact"}',
        b"\xff",
        b"\x00",
    ],
)
def test_bytes_that_are_no_json(body: bytes, served: tuple[str, Path]) -> None:
    head = (
        f"POST /api/v1/decide HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    status, answer = sent(served[0], head.encode() + body)
    assert status == 400, answer[:500]
    assert json.loads(answer.partition("\r\n\r\n")[2])["detail"] == UNREADABLE
    assert "content-security-policy" in answer.lower()


def test_a_body_that_is_said_to_be_packed_is_not_taken(served: tuple[str, Path]) -> None:
    body = json.dumps(ASK).encode()
    met = {}
    for packed in ("gzip", "identity", "x, identity"):
        head = (
            f"POST /api/v1/decide HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
            f"Content-Encoding: {packed}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        met[packed] = sent(served[0], head.encode() + body)[0]
    assert met == {"gzip": 415, "identity": 200, "x, identity": 415}


def test_the_scheme_of_the_token_is_the_same_in_all_letters(served: tuple[str, Path]) -> None:
    body = b'{"purpose": "communicate", "category": "contact", "context": "any"}'
    met = {}
    for said in (f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer {TOKEN.upper()}", f"Basic {TOKEN}",
                 f"Bearer  {TOKEN}", TOKEN, "bearer"):  # fmt: skip
        head = (
            "POST /api/v1/decide HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: {said}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        met[said] = sent(served[0], head.encode() + body)[0]
    assert [said for said, status in met.items() if status == 401] == [
        f"Bearer {TOKEN.upper()}", f"Basic {TOKEN}", f"Bearer  {TOKEN}", TOKEN, "bearer",
    ]  # fmt: skip


_SLOW_BODY = (
    "POST /api/v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Authorization: Bearer {TOKEN}\r\nContent-Length: 500\r\n\r\n{{"
)


def test_those_who_send_slowly_shut_nobody_out(served: tuple[str, Path]) -> None:
    """Whoever sends nothing, half a head, or half a body."""
    place = urllib.parse.urlsplit(served[0])
    halves = {"": b"", "GET /privacy HTTP/1.1\r\nHost: localhost\r\nX-Slow: ": b"",
              _SLOW_BODY: b"408"}  # fmt: skip
    slow: dict[str, list[socket.socket]] = {half: [] for half in halves}
    try:
        for half, opened in slow.items():
            for _ in range(200):
                opened.append(socket.create_connection((place.hostname, place.port), 30))
                opened[-1].sendall(half.encode())
            assert ask(served[0], "/privacy")[0] == 200
        # And they are not waited for without end.
        for half, answer in halves.items():
            for one in (slow[half][0], slow[half][-1]):
                one.settimeout(60)
                assert answer in one.recv(65536)
    finally:
        for one in itertools.chain.from_iterable(slow.values()):
            one.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:1", 200), ("127.0.0.1:80", 200), ("[::1]:80", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example:80", 421),
        ("localhost@evil.example", 421), ("[", 421), ("", 421),
    ],
)  # fmt: skip
def test_it_answers_under_its_own_names_only(
    host: str, status: int, served: tuple[str, Path]
) -> None:
    for path in ("/privacy", "/api/v1/schema/openapi.json"):
        raw = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        met, answer = sent(served[0], raw.encode())
        assert met == status
        assert "content-security-policy" in answer.lower()
        assert ("sets no cookie" in answer or "openapi" in answer) is (status == 200)


def test_the_names_of_a_server(place: Path) -> None:
    config = deployment.read(place)
    loopback = {"localhost", "127.0.0.1", "::1"}
    assert web.hosts(config, "127.0.0.1") == loopback
    assert web.hosts(config, "Kept.Example") == {*loopback, "kept.example"}
    public = dataclasses.replace(config, url="https://Privacy.example.org/x")
    assert web.hosts(public, "127.0.0.1") == {*loopback, "privacy.example.org"}
    assert web.hosts(public, "0.0.0.0") is None


@pytest.mark.parametrize("token", ["ü", "x y", "tokén", "=a", "a\tb", "“x”", "a,b"])
def test_a_token_that_no_program_could_send(token: str, place: Path, kept: Kept) -> None:
    file = place / "kept.toml"
    file.write_text(file.read_text("utf-8").replace(TOKEN, token), "utf-8")
    ran = kept("map", "show", "--dir", place)
    assert ran.status == 2
    assert "`token` cannot be sent as a bearer token (RFC 6750)" in ran.err
    assert "kept.toml:" in ran.err
    assert token not in ran.err


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ü"])
def test_without_the_token_nothing(token: str, served: tuple[str, Path]) -> None:
    encoded = token.encode().decode("latin-1")
    status, answer = decide(served[0], ASK, encoded)
    assert status == 401
    assert "allow" not in answer


def test_without_a_token_in_the_deployment_the_api_is_closed(place: Path) -> None:
    file = place / "kept.toml"
    text = file.read_text("utf-8").replace(f'token = "{TOKEN}"', 'token = "env:KEPT_NO_TOKEN"')
    file.write_text(text, "utf-8")
    process, document = serve(place)
    try:
        for token in ("", "None", TOKEN):
            assert decide(document["url"], ASK, token)[0] == 403
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "",
        "[]",
        SECRET,
        {"purpose": 1, "category": SECRET},
        {"purpose": SECRET},
        {"purpose": "", "category": SECRET},
        {**ASK, SECRET: 1},
        {**ASK, "subject": SECRET},
        {**ASK, "subject": {"kind": SECRET, "value": "x"}},
        {**ASK, "subject": {"kind": "email", "value": f"{SECRET} {SECRET}"}},
        {**ASK, "subject": {"kind": "email", "value": SECRET, SECRET: 1}},
        {**ASK, "subject": {"kind": "email", "value": "x" * 500 + SECRET}},
        {**ASK, "grounds": SECRET},
        {**ASK, "grounds": [SECRET]},
        {**ASK, "grounds": [f"assessment:{SECRET}"]},
        {**ASK, "grounds": ["consent:x"] * 21},
        {**ASK, "grounds": ["consent:\x00"]},
        {**ASK, "subject": {"kind": "email\n", "value": "x"}},
        json.dumps(ASK).replace("{", f'{{"purpose": "{SECRET}", ', 1),
        json.dumps({**ASK, "subject": 1}).replace("1", f'{{"kind": "{SECRET}", "kind": "email"}}'),
        {**ASK, "purpose": SECRET * 20},
        # Made-up terms would be recorded for ever.
        {**ASK, "purpose": SECRET},
        {**ASK, "category": SECRET},
        {**ASK, "context": SECRET},
        {**ASK, "recipient": SECRET},
        {**ASK, "region": SECRET},
    ],
)
def test_a_wrong_body_is_refused_and_not_repeated(body: object, served: tuple[str, Path]) -> None:
    url, directory = served
    before = state(directory)
    status, answer = decide(url, body)
    assert status == 400
    assert state(directory) == before, "nothing is recorded of it"
    assert answer["detail"]
    text = json.dumps(answer)
    assert SECRET not in text
    assert "secret" not in text


def test_a_body_that_is_too_large(served: tuple[str, Path]) -> None:
    status, answer = decide(served[0], {**ASK, "context": "x" * 100_000})
    assert status == 413
    assert "x" * 100 not in json.dumps(answer)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/privacy/requests", "Please use at most 5,000 characters."),
        ("/privacy/complaints", "Please use at most 5,000 characters."),
        ("/privacy/choices", "At most 64 kB are taken."),
    ],
)
def test_a_text_that_is_too_large_is_said_to_be(
    path: str, words: str, served: tuple[str, Path]
) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    # Of much more the server closes the connection before all is sent, and an answer may be lost.
    status, _, page = ask(served[0], path, "POST", "words=" + "x" * 80_000, **kind)
    assert status == 413
    assert f"What you sent is too long. {words}" in page
    assert "went wrong" not in page


def test_the_schema_describes_the_door(served: tuple[str, Path]) -> None:
    schema = json.loads(ask(served[0], "/api/v1/schema/openapi.json")[2])
    assert schema["openapi"].startswith("3.1")
    assert "post" in schema["paths"]["/api/v1/decide"]
    body = schema["components"]["schemas"]["DecideRequest"]
    assert set(body["required"]) == {"purpose", "category"}
    assert {"grounds", "subject", "region"} <= set(body["properties"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly(number: int, place: Path) -> None:
    process, document = serve(place)
    assert ask(document["url"], "/health")[2] == "ok"
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    assert "Traceback" not in out + err
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody of its group is left
    with socket.socket() as probe:
        place_ = urllib.parse.urlsplit(document["url"])
        assert probe.connect_ex((place_.hostname, place_.port)) != 0


def test_it_listens_on_loopback_only(served: tuple[str, Path]) -> None:
    assert urllib.parse.urlsplit(served[0]).hostname == "127.0.0.1"


def test_a_page_is_quick(served: tuple[str, Path]) -> None:
    ask(served[0], "/privacy")
    begun = time.monotonic()
    for _ in range(5):
        ask(served[0], "/privacy")
    assert (time.monotonic() - begun) / 5 < 1


@pytest.mark.parametrize(
    ("outcomes", "mark"),
    [
        (("vacuous", "open"), "open"),
        (("pass", "open"), "open"),
        (("attested", "vacuous"), "vacuous"),
        (("open", "expired"), "expired"),
        (("open", "fail"), "fail"),
    ],
)
def test_a_sentence_is_marked_as_its_weakest_clause(outcomes: tuple[str, ...], mark: str) -> None:
    clauses = list(load(REFERENCE).clauses.values())
    reports = {c.id: ClauseReport(c, o) for c, o in zip(clauses, outcomes, strict=False)}
    assert pages._outcome(tuple(reports), reports) == mark
    standing = pages._standing([{"outcome": mark}, {"outcome": None}], "")
    assert standing is not None
    assert [r["outcome"] for r in standing["rows"]] == [mark]
