"""`/c`: who may tell of a view, what is turned away, and what is there after a kill."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.app.gateway.conftest import Shop
from tests.app.gateway.street import chosen
from tests.duties.test_view_checks import ASSESSED
from tests.world import NOW, REFERENCE, make

from kept import deployment
from kept.app.gateway import collect
from kept.app.gateway.boxes import Fragments
from kept.app.gateway.collect import Collector
from kept.app.gateway.guard import Site
from kept.app.often import Bucket
from kept.controller import Controller
from kept.decide import views as deciding
from kept.decide.views import Told, browser, country, read
from kept.duties.visits.views import View
from kept.errors import DatabaseError
from kept.model import choice
from kept.policy.bundle import load

KEY: Final = b"k" * 32
#: A cookie of the site itself that the policy declares.
OWN: Final = "__Host-kept"
BUNDLE: Final = load(REFERENCE)
YES: Final = {"analyse": True}
NUMBER: Final = "0123456789abcdef" * 2


class Counter:
    """A collector whose batches are held here."""

    def __init__(self, **more: Any) -> None:
        site = Site(
            bundle=BUNDLE, key=KEY, names=frozenset({"shop.test"}), acts=True,
            boxes=Fragments(BUNDLE, views=True), country=b"x-country",
        )  # fmt: skip
        self.batches: list[tuple[list[View], int]] = []
        self.broken = False
        self.app = Collector(site, self._keep, lambda: NOW, cookie=OWN, **more)

    def _keep(self, came: Sequence[View], refused: int, now: dt.datetime) -> None:
        if self.broken:
            raise DatabaseError("no database")
        self.batches.append((list(came), refused))

    @property
    def kept(self) -> list[View]:
        return [view for came, _ in self.batches for view in came]

    def tell(self, body: Any = None, *, close: Any = False, **more: Any) -> int:
        return asyncio.run(self._all([(body, more)], close))[0]

    async def _all(
        self, told: Sequence[tuple[bytes | None, dict[str, str | None]]], close: bool
    ) -> list[int]:
        found = list(await asyncio.gather(*(self._one(body, more) for body, more in told)))
        if close:
            await self.app.close()
        return found

    async def _one(self, body: bytes | None, more: dict[str, str | None]) -> int:
        said: dict[str, str | None] = {
            "host": "shop.test:8800", "origin": "http://shop.test:8800",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "x-country": "DE", "cookie": f"{OWN}=s3ss10n; {CHOSE}", **more,
        }  # fmt: skip
        method = said.pop("method", "POST")
        scope = {
            "type": "http", "method": method, "path": "/c", "scheme": "http",
            "client": (said.pop("from", "127.0.0.1"), 9),
            "headers": [(n.encode(), v.encode()) for n, v in said.items() if v is not None],
        }  # fmt: skip
        status: list[int] = []
        parts = [body if body is not None else message()]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}

        async def send(answer: Any) -> None:
            if answer["type"] == "http.response.start":
                status.append(answer["status"])

        await self.app(scope, receive, send)
        return status[0]


def chose(aims: dict[str, bool]) -> str:
    said = choice.Choices(NOW.date(), BUNDLE.edition, MappingProxyType(aims))
    return f"kept-choices={choice.encode(said, KEY)}"


CHOSE: Final = chose(YES)


def message(**more: object) -> bytes:
    said = {"id": NUMBER, "page": "/product/desktop", "referrer": "https://search.example", **more}
    return json.dumps({k: v for k, v in said.items() if v is not None}).encode()


def test_one_view_has_what_is_declared_and_no_more() -> None:
    counter = Counter()
    extra = {"screen": [1920, 1080], "position": {"lat": 52.5200, "lon": 13.4050}, "canvas": "a1"}
    assert counter.tell(message(**extra)) == 204
    (view,) = counter.kept
    row = view.row
    assert (view.cookie, view.dropped) == ("s3ss10n", 3)
    assert (row.page, row.referrer, row.browser, row.country) == (
        "/product/desktop", "search.example", "Firefox", "DE",
    )  # fmt: skip
    assert (row.at, row.region, row.why, row.site) == (NOW, "EEA", "allowed", "shop.test")
    for secret in ("1920", "52.5", "13.4", "a1", "Mozilla"):
        assert secret not in str(row)


@pytest.mark.parametrize(
    "more",
    [
        {"cookie": None},
        {"cookie": chose({"analyse": False})},
        {"cookie": CHOSE[:-2]},  # a yes that was not given here
        {"cookie": chose({"advertise": True})},
        {"cookie": None, "x-country": None},  # nobody knows where: the strictest
        {"cookie": f"{CHOSE}; {chose({'analyse': False})}"},
        {"cookie": chose({"analyse": False}), "x-country": "US"},
    ],
)
def test_nothing_is_kept_where_it_was_not_allowed(more: dict[str, str | None]) -> None:
    counter = Counter()
    assert counter.tell(**more) == 204  # as if it had been: it says nothing of anybody
    assert counter.kept == []
    assert counter.tell(close=True) == 204
    assert counter.batches[0][1] == 1  # counted with what came next


def test_in_a_region_of_opt_out_a_view_counts_until_a_no() -> None:
    counter = Counter()
    assert counter.tell(**{"cookie": None, "x-country": "US"}) == 204
    (view,) = counter.kept
    assert (view.row.why, view.cookie) == ("until-refused", None)


def test_a_cookie_that_is_not_declared_ties_a_view_to_nobody() -> None:
    counter = Counter()
    counter.app._cookie = "strange"
    assert counter.tell(cookie=f"strange=x; {CHOSE}") == 204
    (view,) = counter.kept
    assert view.cookie is None


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"origin": "http://elsewhere.test"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": None}, 403),
        ({"origin": "http://shop.test"}, 403),  # another port of the same machine
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"method": "GET"}, 405),
        ({"content-length": "2049"}, 413),
        ({"content-length": "9999999999"}, 413),
        ({"content-length": "x"}, 400),
    ],
)
def test_who_is_turned_away_before_anything_is_read(
    more: dict[str, str | None], status: int
) -> None:
    counter = Counter()
    assert counter.tell(close=True, **more) == status
    assert counter.batches == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"1", b"\xff\xfe", b'{"id": 1}', b"[" * 2000, b'{"a":' * 400,
        message(id=None), message(page=None), message(id="x"), message(id=NUMBER.upper()),
        message(id=NUMBER + "0"), message(page="product"), message(page=["/"]),
        message(page="https://shop.test/"), message(referrer=1), b'"\\ud800"',
        b'{"id": "\\ud800", "page": "/"}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_leaves_nothing(body: bytes) -> None:
    counter = Counter()
    assert counter.tell(body, close=True) == 400
    assert counter.batches == []


def test_too_much_is_not_read() -> None:
    assert Counter().tell(message(page="/" + "a" * 2048)) == 413


def test_too_many_from_one_address_wait() -> None:
    counter = Counter(often=Bucket(2, 3600))
    assert [counter.tell(**{"from": "192.0.2.1"}) for _ in range(3)] == [204, 204, 429]
    assert counter.tell(**{"from": "192.0.2.2"}) == 204
    # Of IPv6 everything that one customer has is one source.
    six = [counter.tell(**{"from": f"2001:db8:1:2::{n}"}) for n in range(1, 4)]
    assert (six, counter.tell(**{"from": "2001:db8:1:3::1"})) == ([204, 204, 429], 204)
    bucket = Bucket(2, 3600)
    assert [bucket.too("a", at) for at in (0, 0, 0, 1, 1)] == [False, False, True, False, True]


def test_what_waits_meanwhile_is_one_batch_and_what_fails_is_said() -> None:
    counter = Counter()
    told: list[tuple[bytes | None, dict[str, str | None]]] = [
        (message(id=f"{n:032x}"), {}) for n in range(50)
    ]
    assert asyncio.run(counter._all(told, False)) == [204] * 50
    assert len(counter.kept) == 50
    assert len(counter.batches) < 10
    counter.broken = True
    assert counter.tell() == 503
    counter.broken = False
    assert counter.tell() == 204


@pytest.mark.parametrize(
    ("page", "referrer", "kept"),
    [
        ("/a/ana@example.org", "", ("/a/*", None)),
        ("/users/ana", "https://shop.test/users/ana", ("/users/*", None)),
        ("/p?email=ana@example.org#x", "https://mail.example/u/ana?q=1", ("/p", "mail.example")),
        ("/1/2/3/4/5/6", "javascript:alert(1)", ("/*/*/*/*/*", None)),
        ("/", "https://ana@a1b2c3d4e5.mail.example/", ("/", "*.mail.example")),
    ],
)
def test_a_page_and_who_led_there_name_nobody(
    page: str, referrer: str, kept: tuple[str, str | None]
) -> None:
    told = read(message(page=page, referrer=referrer), "shop.test")
    assert isinstance(told, Told)
    assert (told.page, told.referrer) == kept


def test_browsers_and_places_are_coarse() -> None:
    assert browser("Mozilla/5.0 AppleWebKit/537.36 Chrome/141.0.7390 Safari/537.36") == "Chrome"
    assert browser("… Chrome/141.0 Safari/537.36 Edg/141.0") == "Edge"
    assert browser("Mozilla/5.0 (iPhone) Version/18.0 Mobile/15E148 Safari/604.1") == "Safari"
    assert browser("curl/8 ana@example.org") == "other"
    assert [country(c) for c in ("de", "US-CA", "", "XYZ", "ÄÖ")] == ["DE", "US", None, None, None]


def _ask(port: int, body: bytes, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", "/c", body, {
            "Host": f"shop.test:{port}", "Origin": f"http://shop.test:{port}", **headers,
        })  # fmt: skip
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, kept_url: str) -> None:
    """The process is killed while sixteen at a time are told: each 204 has its row."""
    directory = make(
        tmp_path / "world", kept_url,
        extra='\n[site]\nproxy = true\ncountry = "X-Country"\ncookie = "__Host-kept"\nport = 9\n'
              '\n[gateway]\nacts = true\nproxy = true\nhosts = ["shop.test"]\n',
    )  # fmt: skip
    (directory / "assessment.md").write_text("x\n", "utf-8")
    with (directory / "kept.toml").open("a") as file:
        file.write(ASSESSED)
    process = subprocess.Popen(
        [sys.executable, "-m", "kept.app", "gateway", "--upstream", "http://127.0.0.1:9", "--port",
         "0", "--json", "--dir", str(directory)], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        port = urlsplit(json.loads(process.stdout.readline())["url"]).port or 0
        done: list[str] = []

        def tell(n: int) -> None:
            number = secrets.token_hex(16)
            told = {"X-Country": "US", "X-Forwarded-For": f"192.0.2.{n % 250}"}
            try:
                if _ask(port, message(id=number), Cookie=f"{OWN}=browser-{n % 7}", **told) == 204:
                    done.append(number)
            except (OSError, http.client.HTTPException):
                return
            if len(done) == 60:
                os.kill(process.pid, signal.SIGKILL)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(tell, range(400)))
        assert process.wait(30) == -signal.SIGKILL
        assert len(done) >= 60
        with psycopg.connect(kept_url) as connection:
            there = {bytes(r[0]).hex() for r in connection.execute("SELECT id FROM visit_event")}
        assert set(done) <= there
        with Controller.open(deployment.read(directory)) as controller:
            said = [e.body for _, e in controller.ledger.entries(kind="views.recorded")]
            assert sum(int(body["rows"]) for body in said) == len(there)
            assert len(said) < len(there)  # several were one commit
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(30)
        process.stdout and process.stdout.close()


def test_the_page_carries_where_to_tell_only_after_a_yes(shop: Shop) -> None:
    def page(**headers: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", shop.port, timeout=20)
        try:
            connection.request("GET", "/second", headers={
                "Host": "shop.test", "Accept": "text/html", "X-Country": "DE", **headers,
            })  # fmt: skip
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    yes = f"kept-choices={chosen(shop.edition, shop.key, YES)}"
    no = f"kept-choices={chosen(shop.edition, shop.key, {'analyse': False})}"
    assert "data-view" not in page()
    assert f'data-view="{deciding.PATH}"' in page(Cookie=yes)
    assert "data-view" not in page(Cookie=no)
    assert f'data-view="{deciding.PATH}"' in page(**{"X-Country": "US"})
    assert "data-view" not in page(**{"X-Country": "US", "Cookie": no})


def test_who_never_ends_a_message_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "_SECONDS", 0.0)
    counter = Counter()

    async def never() -> int:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            return {}

        return await counter.app._take(
            {"method": "POST", "client": ("127.0.0.1", 9), "headers": [
                (b"host", b"shop.test"), (b"origin", b"http://shop.test"),
            ]}, receive,
        )  # fmt: skip

    assert asyncio.run(never()) == 408
