"""The HTTP store on a real service: the shipped laws, and the habits of services."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import pytest
from tests.serving import running
from tests.stores.test_planted_faults import broken_laws
from tests.stores.vendor import TOKEN, Vendor, vendor

from kept.datamap.map import Dataset, Field
from kept.errors import ConfigError, NotAble, Pending, StoreError, StoreUnreachable
from kept.model.change import Change, Const
from kept.model.plan import Counts
from kept.model.predicate import IsNull, Not
from kept.model.select import Route, Select
from kept.model.values import coerce, forms, normal
from kept.stores import http_client
from kept.stores import http_describe as describe
from kept.stores.base import Store
from kept.stores.http import HttpStore
from kept.stores.http_client import Client
from kept.stores.http_describe import Limits, Write
from kept.stores.rows import decode
from kept.stores.suite import DATASETS, Rows, StoreSuite, sample
from kept.stores.suite.sample import TO_PERSON, keys, of

HERE = Path(__file__).parent
LACKING = frozenset({"photo"})  # JSON has no bytes
MAPPED = (
    replace(DATASETS[0], fields={n: f for n, f in DATASETS[0].fields.items() if n not in LACKING}),
    *DATASETS[1:],
)


def store(
    service: Vendor, state: Path, mapped: tuple = MAPPED, url: str = "", **more: object
) -> HttpStore:
    options = {"describe": HERE / "vendor.http.yml", "secret": TOKEN, "directory": state, **more}
    return HttpStore("crm", mapped, url or service.url, options=options)


@pytest.fixture(scope="module")
def service() -> Iterator[Vendor]:
    with vendor() as server:
        yield server


class TestHttp(StoreSuite):
    without = LACKING
    examples = 10

    @pytest.fixture(autouse=True)
    def _there(self, service: Vendor, tmp_path: Path) -> None:
        self.service, self.state = service, tmp_path

    def make(self, rows: Rows) -> Store:
        self.service.fill(rows)
        return self.open()

    def open(self) -> Store:
        return store(self.service, self.state)


# ---------------------------------------------------------------- planted faults


def _nothing(method: str, name: str, rows: list, row: dict, body: object) -> bool:
    return True


def _the_first(method: str, name: str, rows: list, row: dict, body: dict) -> bool:
    rows.remove(rows[0]) if method == "DELETE" else rows[0].update(body)
    return True


def _all_of_hers(method: str, name: str, rows: list, row: dict, body: dict) -> bool:
    if method == "DELETE":
        rows[:] = [
            r for r in rows if r.get("person_id", r["id"]) != row.get("person_id", row["id"])
        ]
    return method == "DELETE"


def _forgets(method: str, name: str, rows: list, row: dict, body: dict) -> bool:
    if method == "PATCH":
        row.update({k: None for k in row if k not in ("id", "order_id", "n")}, **body)
    return method == "PATCH"


class Shelf(StoreSuite):
    without = LACKING

    def __init__(self, service: Vendor, state: Path, describe: Path) -> None:
        self.service, self.state, self.describe = service, state, describe

    def make(self, rows: Rows) -> Store:
        self.service.fill(rows)
        return self.open()

    def open(self) -> Store:
        return store(self.service, self.state, describe=self.describe)


@pytest.mark.parametrize("fault", [_nothing, _the_first, _all_of_hers, _forgets])
def test_a_service_that_does_something_else_is_caught(
    fault: object, service: Vendor, tmp_path: Path
) -> None:
    suite = Shelf(service, tmp_path, HERE / "vendor.http.yml")
    assert broken_laws(suite) == []
    service.mutate = fault
    try:
        assert broken_laws(suite)
    finally:
        service.mutate = None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("paging: {kind: cursor, at: /next, query: cursor}}\n    erase", "}\n    erase"),
        ("paging: {kind: offset, query: offset}}\n    erase", "}\n    erase"),
        (", paging: {kind: link}", ""),
        ('"/orders/{id}", records: /data, none', '"/orders/{id}", records: /data/id, none'),
        ('"/lines/{order_id}/{n}", gone: [404]', '"/lines/{n}/{order_id}", gone: [404]'),
        ("none: [404], at_most: 5}\n      - {by: email", "at_most: 5}\n      - {by: email"),
        ('{by: person_id, path: /orders, query: {person_id: "{person_id}"}',
         '{by: person_id, path: /orders, query: {id: "{person_id}"}'),
    ],
)  # fmt: skip
def test_a_wrong_description_is_caught(
    before: str, after: str, service: Vendor, tmp_path: Path
) -> None:
    text = (HERE / "vendor.http.yml").read_text("utf-8")
    assert before in text
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(text.replace(before, after), "utf-8")
    assert broken_laws(Shelf(service, tmp_path, wrong))


# ---------------------------------------------------------------- habits of services


@pytest.fixture
def crm(service: Vendor) -> Iterator[Vendor]:
    service.fill(sample())
    service.asked.clear()
    service.headers.clear()
    service.jobs.clear()
    service.keys.clear()
    service.later = service.hidden = False
    yield service
    service.hurried, service.before, service.after, service.cut = [], [], [], 0
    service.later = service.hidden = False
    service.redirect, service.cookie, service.jobs_at = None, "", "/api"
    service.jobs.clear()


def erase(store: Store, *ids: int, step: str = "case-1") -> list[Counts]:
    with store.session(write=True) as session:
        return session.apply([Change(of("person", *ids))], step)


def there(store: Store, *ids: int) -> int:
    with store.session() as session:
        return session.count([of("person", *ids)])[0]


def test_only_her_rows_are_asked_for(crm: Vendor, tmp_path: Path) -> None:
    """One person by e-mail, her orders and their lines: never the whole list."""
    path = Select("order", ("id",), (Route(keys("email", (0, "a_a@x.de")), (TO_PERSON,), True),))
    with store(crm, tmp_path).session() as session:
        assert session.count([path]) == [0]
    assert [p for _, p in crm.asked] == ["/api/persons?email=a_a%40x.de", "/api/orders?person_id=3&offset=0"]  # fmt: skip # noqa: E501


def test_it_waits_when_it_is_told_to(crm: Vendor, tmp_path: Path) -> None:
    one = store(crm, tmp_path)
    slept: list[float] = []
    one.client._pause = slept.append
    crm.hurried = ["2", "Thu, 01 Jan 1970 00:00:00 GMT", "1"]
    assert there(one, 1) == 1
    assert slept == [2.0, 0.0, 1.0]
    crm.hurried = ["3600"]
    with pytest.raises(StoreUnreachable, match="longer than allowed"):
        there(one, 1)


def test_it_keeps_to_the_rate(crm: Vendor, tmp_path: Path) -> None:
    text = (HERE / "vendor.http.yml").read_text("utf-8").replace("rate: 100000", "rate: 50")
    (tmp_path / "slow.yml").write_text(text, "utf-8")
    one = store(crm, tmp_path, describe=tmp_path / "slow.yml")
    begin = time.monotonic()
    assert there(one, 1, 2, 3, 4, 5) == 5
    assert time.monotonic() - begin >= 4 / 50


@pytest.mark.parametrize("status", [500, 502, 503])
def test_what_failed_after_it_was_done_is_done(crm: Vendor, tmp_path: Path, status: int) -> None:
    one = store(crm, tmp_path)
    one.client._pause = lambda _: None
    crm.after = [status]
    assert erase(one, 3) == [Counts(1, 1)]
    crm.after = [status] * 9  # for ever
    with pytest.raises(StoreUnreachable) as met:
        erase(one, 4)
    assert "geheim" not in str(met.value)
    assert there(store(crm, tmp_path), 4) == 0


def test_a_service_that_says_404_of_everything_has_erased_nothing(
    crm: Vendor, tmp_path: Path
) -> None:
    """Its routes went away with the first DELETE: her rows are there, and nothing is proven."""
    crm.lost_from = "DELETE"
    try:
        with pytest.raises(StoreUnreachable, match="nothing shows that it is there") as met:
            erase(store(crm, tmp_path), 3)
        assert met.value.met == "status 404"
        crm.lost_from = "GET"
        with pytest.raises(StoreUnreachable, match="nothing shows"):
            there(store(crm, tmp_path), 3)
    finally:
        crm.lost_from, crm.lost = None, False
    assert [row["id"] for row in crm.rows["person"] if row["id"] == 3] == [3]
    # With the service back, a 404 of one row is what it says.
    assert erase(store(crm, tmp_path), 3) == [Counts(1, 1)]
    assert there(store(crm, tmp_path), 3) == 0


@pytest.mark.parametrize(
    ("reads", "asked"),
    [
        ('{by: email, folded: true, path: /persons, query: {email: "{email}"}, records: /items}',
         ["/api/persons/99", "/api/persons?email=nobody%40kept.invalid"]),
        ('{by: name, path: "/persons/{name}", records: /data}', None),
    ],
    ids=["search", "none"],
)  # fmt: skip
def test_absence_needs_a_request_that_must_be_answered(
    reads: str, asked: list[str] | None, crm: Vendor, tmp_path: Path
) -> None:
    (tmp_path / "few.yml").write_text(
        "limits: {rate: 100000}\ndatasets:\n  person:\n    read:\n"
        '      - {by: id, path: "/persons/{id}", records: /data, none: [404]}\n'
        f"      - {reads}\n"
        "auth: {}\n",
        "utf-8",
    )
    one = store(crm, tmp_path, MAPPED[:1], describe=tmp_path / "few.yml")
    if asked is None:
        with pytest.raises(StoreUnreachable, match="a request that lists all rows"):
            there(one, 99)
        return
    assert there(one, 99) == 0
    assert [path for _, path in crm.asked] == asked


def test_a_lost_answer_is_asked_for_again(crm: Vendor, tmp_path: Path) -> None:
    one = store(crm, tmp_path)
    one.client._pause = lambda _: None
    crm.cut = 1
    change = Change(of("person", 3), {"name": Const("x")})
    with one.session(write=True) as session:
        assert session.apply([change], "case-1") == [Counts(1, 1)]
    patches = [h for (m, _), h in zip(crm.asked, crm.headers, strict=True) if m == "PATCH"]
    assert len(patches) == 2
    assert patches[0]["Idempotency-Key"] == patches[1]["Idempotency-Key"]


def test_a_change_is_not_repeated_where_theservice_could_do_it_twice(
    crm: Vendor, tmp_path: Path
) -> None:
    text = (HERE / "vendor.http.yml").read_text("utf-8")
    (tmp_path / "plain.yml").write_text(text.replace("idempotency: Idempotency-Key\n", ""), "utf-8")
    one = store(crm, tmp_path, describe=tmp_path / "plain.yml")
    one.client._pause = lambda _: None
    crm.before = [503]
    change = Change(of("person", 3), {"name": Const("x")})
    crm.cut = 1
    crm.before = []
    with one.session(write=True) as session, pytest.raises(StoreUnreachable):
        session.apply([change], "case-1")
    assert [m for m, _ in crm.asked].count("PATCH") == 1


def test_pending_until_theservice_says_done(crm: Vendor, tmp_path: Path) -> None:
    """Also where the row is no longer shown; asked once, by whichever handle."""
    for hidden in (False, True):
        crm.fill(sample())
        crm.jobs.clear()
        crm.later, crm.hidden = True, hidden
        step = f"case-{hidden}"
        for _ in range(2):
            with pytest.raises(Pending) as met:
                erase(store(crm, tmp_path), 3, step=step)
            assert met.value.datasets == {"person"}
        assert len(crm.jobs) == 1
        (note,) = (tmp_path / "state" / "crm").iterdir()
        assert note.stat().st_mode & 0o777 == 0o600
        crm.work()
        erase(store(crm, tmp_path), 3, step=step)
        assert there(store(crm, tmp_path), 3) == 0
        assert list((tmp_path / "state" / "crm").iterdir()) == []


def test_an_order_that_failed_or_was_forgotten_is_named_and_asked_anew(
    crm: Vendor, tmp_path: Path
) -> None:
    crm.later = True
    with pytest.raises(Pending):
        erase(store(crm, tmp_path), 3)
    crm.work("failed")
    with pytest.raises(StoreError, match="failed"):
        erase(store(crm, tmp_path), 3)
    crm.jobs.clear()
    crm.keys.clear()
    with pytest.raises(Pending):
        erase(store(crm, tmp_path), 3)
    crm.jobs.clear()
    crm.keys.clear()
    with pytest.raises(StoreError, match="no longer knows"):
        erase(store(crm, tmp_path), 3)
    crm.later = False
    assert erase(store(crm, tmp_path), 3) == [Counts(1, 1)]


def test_a_refusal_names_the_endpoint_and_no_value(crm: Vendor, tmp_path: Path) -> None:
    route = Route(keys("email", (0, "geheim@x.de")), folded=True)
    one = store(crm, tmp_path, secret="wrong-geheim")
    with one.session() as session, pytest.raises(StoreError) as met:
        session.count([Select("person", ("id",), (route,))])
    assert str(met.value) == (
        "`crm` refuses `GET /persons`; expected status 200; met status 401."
        " See the secret and what it may do"
    )


def test_values_cannot_leave_their_place() -> None:
    """Whatever a value is, the path keeps its segments and the host."""
    for text in (
        "a/b",
        "../x",
        "a?b=c",
        "a#b",
        "%2e%2e",
        "//evil.example",
        "a\\b",
        "é",
        "a;b",
        "@",
    ):
        path = describe.path_of("/p/{id}/q", {"id": text})
        url = Client("x", "http://127.0.0.1:1/api", Limits(), {}).url(path, [("q", text)])
        assert url.host == "127.0.0.1"
        assert url.raw_path.count(b"/") == 4
        assert dict(url.params) == {"q": text}
        assert unquote(url.raw_path.split(b"?")[0].decode().split("/")[3]) == text
    for bad in ("", ".", "..", None, b"x", "\ud800"):
        with pytest.raises(describe.Unspeakable):
            describe.path_of("/p/{id}", {"id": bad})
    assert describe.body_of({"a": ["{id}", "n{id}"], "b": True}, {"id": 7}) == {
        "a": [7, "n7"], "b": True,
    }  # fmt: skip
    # An empty key in a query or a body would mean all rows.
    for call in (Write("/p", query={"id": "{id}"}), Write("/p", "POST", body={"of": ["{id}"]})):
        describe.written(call, {"id": "0"})
        for bad in ("", " ", None):
            with pytest.raises(describe.Unspeakable):
                describe.written(call, {"id": bad})


def test_an_empty_key_is_sent_nowhere(crm: Vendor, tmp_path: Path) -> None:
    text = (HERE / "vendor.http.yml").read_text("utf-8")
    erase_ = 'path: "/persons", query: {id: "{id}"}, pending'
    text = text.replace('path: "/persons/{id}", gone: [404], pending', erase_)
    (tmp_path / "query.yml").write_text(text, "utf-8")
    one = store(crm, tmp_path, describe=tmp_path / "query.yml")
    with pytest.raises(describe.Unspeakable, match="names no row"):
        one.order("person", {"id": ""}, None, "case-1")
    assert crm.asked == []


@pytest.mark.parametrize("number", [b"1e1000000", b"-1E-1000000", b"9" * 2000, b"0." + b"1" * 2000])
def test_a_number_of_endless_digits_is_refused(number: bytes) -> None:
    with pytest.raises(ValueError, match="digits"):
        http_client.document(b'{"id": ' + number + b"}")
    assert http_client.document(b'[1e2, 1e-7, 18446744073709551616]') == [100, Decimal("1e-7"), 2**64]  # fmt: skip # noqa: E501


def test_no_number_takes_the_machine_away() -> None:
    """Wherever one comes from: none of these may be written out digit by digit."""
    for huge in (Decimal("1e1000000000"), Decimal("-1e1000000000"), Decimal("1e-1000000000")):
        assert normal(huge) == huge
        assert coerce(huge, "integer") is None
        assert coerce(huge, "real") is coerce(huge, "decimal") is None
        assert decode(str(huge), "decimal") == str(huge)
        assert forms(huge, "text") == (str(huge),)
        assert describe.plain(huge) == str(huge)
        assert describe.value_of(huge, "integer") == huge
    assert describe.value_of(Decimal("7.0"), "integer") == 7


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/api", "https://me:pw@crm.example/", "ftp://crm.example", "/api", "",
        "https://crm.example/?key=1", "http://127.0.0.1.evil.example/",
    ],
)  # fmt: skip
def test_addresses_that_are_not_taken(url: str) -> None:
    with pytest.raises(ConfigError) as met:
        Client("crm", url, Limits(), {})
    assert "pw" not in str(met.value)


#: What is said at once, and what again and again: headers without end, interim answers instead
#: of one, the length of a piece, the trailer after the last.
_SLOWLY = {
    "headers": (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    "interim": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "pieces": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=", b"x"),
    "trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Slow: ", b"x"),
}


class _Stranger(BaseHTTPRequestHandler):
    """Sends whoever asks elsewhere, or answers too much, too slowly, or nonsense."""

    protocol_version = "HTTP/1.1"
    elsewhere = "http://127.0.0.1:9/stolen"
    asked: ClassVar[list[str]] = []

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        kind = self.path.split("/")[-1].split("?")[0]
        raw, status, headers = b"[]", 200, {}
        if kind == "redirect":
            status, headers = 302, {"Location": self.elsewhere}
        elif kind == "link":
            headers = {"Link": f'<{self.elsewhere}>; rel="next"'}
        elif kind == "next":
            raw = json.dumps({"items": [], "next": self.elsewhere}).encode()
        elif kind == "loop":
            raw = json.dumps({"items": [], "next": "/api/loop"}).encode()
        elif kind == "much":
            raw = b"[" + b" " * 5_000_000 + b"]"
        elif kind == "nonsense":
            raw = b"<html>geheim</html>"
        elif kind == "deep":
            raw = b"[" * 100_000
        elif kind == "digits":
            raw = b'[{"id": 1e1000000}]'
        elif kind == "zip":
            raw, headers = gzip.compress(b"[]"), {"Content-Encoding": "gzip"}
        elif kind == "endless":
            raw = json.dumps({"items": [], "next": f"/api/{uuid.uuid4()}/endless"}).encode()
        if kind in _SLOWLY:
            with contextlib.suppress(OSError):
                self.wfile.write(_SLOWLY[kind][0])
                for _ in range(200):  # each of them in time, all of them never
                    self.wfile.write(_SLOWLY[kind][1])
                    time.sleep(0.05)
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if kind == "drip":
            self.send_header("Content-Length", "1000")
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(40):
                    self.wfile.write(b" ")
                    time.sleep(0.05)
            self.close_connection = True
            return
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(raw)


@pytest.mark.parametrize(
    ("kind", "paging", "words"),
    [
        ("redirect", "", "a redirect, which is not followed"),
        ("link", "paging: {kind: link}", "to another host"),
        ("next", "records: /items, paging: {kind: next, at: /next}", "to another host"),
        ("loop", "records: /items, paging: {kind: next, at: /next}", "without end"),
        ("endless", "records: /items, paging: {kind: next, at: /next}", "more pages"),
        ("much", "", "with too much"),
        ("nonsense", "", "no JSON"),
        ("deep", "", "no JSON"),
        ("digits", "", "a number of too many digits"),
        ("zip", "", "compressed"),
        ("drip", "", "could not be asked"),
        *((kind, "", "could not be asked") for kind in _SLOWLY),
    ],
)
def test_strange_answers_are_errors_and_no_other_host_is_asked(
    kind: str, paging: str, words: str, tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as trap,
        running(ThreadingHTTPServer(("127.0.0.1", 0), _Stranger)) as host,
    ):
        trap.settimeout(0.05)
        _Stranger.elsewhere = f"http://127.0.0.1:{trap.getsockname()[1]}/stolen"
        (tmp_path / "x.yml").write_text(
            "limits: {rate: 100000, bytes: 1000000, timeout: 0.5, retries: 0, pages: 20}\n"
            f"datasets:\n  thing:\n    read:\n      - {{path: /{kind}, {paging}}}\n",
            "utf-8",
        )
        thing = Dataset("thing", ("id",), {"id": Field("id", "integer")})
        url = f"{host}/api"
        one = HttpStore("x", [thing], url, options={"describe": tmp_path / "x.yml"})
        try:
            began = time.monotonic()
            with one.session() as session, pytest.raises(StoreError, match=words) as met:
                session.count([Select("thing", ("id",), only=Not(IsNull("id")))])
            assert time.monotonic() - began < 4  # the limit is half a second
            assert "geheim" not in str(met.value)
            assert "stolen" not in str(met.value)
            with pytest.raises(TimeoutError):
                trap.accept()
        finally:
            one.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_erasure_sent_elsewhere_is_refused_and_no_secret_goes_there(
    status: int, crm: Vendor, tmp_path: Path
) -> None:
    with vendor() as other:
        other.fill(sample())
        crm.redirect = status, f"{other.url}/persons/1"
        with pytest.raises(StoreError, match="a redirect") as met:
            erase(store(crm, tmp_path), 1)
        assert other.url not in str(met.value)
        assert [m for m, _ in crm.asked].count("DELETE") == 1
        assert other.asked == []
        # Nor on the same host: what would happen there was not described.
        crm.redirect = status, f"{crm.url}/persons/2"
        with pytest.raises(StoreError, match="a redirect"):
            erase(store(crm, tmp_path), 1)
        assert not any(path.endswith("/persons/2") for _, path in crm.asked)


def test_what_is_ordered_is_asked_after_on_no_other_host(crm: Vendor, tmp_path: Path) -> None:
    with vendor() as other:
        crm.later, crm.jobs_at = True, other.url
        with pytest.raises(StoreError, match="to another host"):
            erase(store(crm, tmp_path), 1)
        assert other.asked == []


def test_cookies_are_neither_kept_nor_sent(crm: Vendor, tmp_path: Path) -> None:
    crm.cookie = "session=1"
    one = store(crm, tmp_path)
    assert there(one, 1) == there(one, 2) == 1
    assert len(crm.headers) >= 2
    assert not any("Cookie" in headers for headers in crm.headers)


def test_https_asks_only_whom_the_certificate_names(
    crm: Vendor, certificate: Path, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with vendor(context) as secure:
        secure.fill(sample())
        at = f"https://localhost:{secure.server_address[1]}/api"
        one = store(secure, tmp_path, url=at, ca=str(certificate))
        assert there(one, 1, 2) == 2
        one.close()
        secure.asked.clear()
        for url, ca in ((at, None), (at.replace("localhost", "127.0.0.1"), str(certificate))):
            bad = store(secure, tmp_path, url=url, **({"ca": ca} if ca else {}))
            bad.client._pause = lambda _: None
            with pytest.raises(StoreUnreachable):
                there(bad, 1)
        assert secure.asked == []


def test_a_search_that_would_miss_a_spelling_is_not_used(crm: Vendor, tmp_path: Path) -> None:
    text = (HERE / "vendor.http.yml").read_text("utf-8").replace("folded: true, ", "")
    (tmp_path / "exact.yml").write_text(text, "utf-8")
    route = Route(keys("email", (0, "ana@x.de")), folded=True)
    select = Select("person", ("id",), (route,))
    with store(crm, tmp_path, describe=tmp_path / "exact.yml").session() as session:
        assert session.count([select]) == [3]
    assert all("email" not in path for _, path in crm.asked)
    whole = "      - {path: /persons, records: /items, paging: {kind: cursor, at: /next, query: cursor}}\n"  # noqa: E501
    assert whole in text
    (tmp_path / "exact.yml").write_text(text.replace(whole, ""), "utf-8")
    with (
        store(crm, tmp_path, describe=tmp_path / "exact.yml").session() as session,
        pytest.raises(NotAble, match="in any case"),
    ):
        session.count([select])


@pytest.mark.parametrize(
    ("before", "after", "line", "words"),
    [
        ('DELETE, path: "/persons/{id}"', 'DELETE, path: "/persons/{email}"', 12, "is used"),
        ('query: {email: "{email}"}', "query: {mail: none}", 9, "never uses `email`"),
        ("{path: /persons", "{path: //evil.org", 11, "no request goes to another host"),
        ("retries: 3", "retires: 3", 4, "unknown field `retires`"),
        ("kind: offset", "kind: guess", 18, "invalid enum value"),
        ("by: person_id", "by: person", 17, "is used, but its value is not known"),
        ("  line:", "  lines:", 0, "`line` is mapped, but not described"),
        ("auth: {", "auth: [", 2, "not YAML"),
    ],
)  # fmt: skip
def test_what_is_amiss_is_named_at_its_line(
    before: str, after: str, line: int, words: str, tmp_path: Path
) -> None:
    text = (HERE / "vendor.http.yml").read_text("utf-8")
    assert before in text
    file = tmp_path / "x.yml"
    file.write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(ConfigError) as met:
        describe.read(file, {d.name: d for d in MAPPED})
    assert words in str(met.value).lower() or words in str(met.value)
    assert met.value.where == f"{file}:{line or 1}"


def test_members_that_no_map_names_are_found(crm: Vendor, tmp_path: Path) -> None:
    crm.rows["person"][0]["address"] = {"city": "X", "zip": None}
    met = {d.name: d for d in store(crm, tmp_path).datasets()}["person"]
    assert set(met.fields) - set(MAPPED[0].fields) == {"address.city", "address.zip"}
