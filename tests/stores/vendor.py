"""A vendor's CRM: a real HTTP service on 127.0.0.1, with the habits of such services.

It pages, refuses to be hurried, fails after it has done what was asked, takes erasures and
carries them out later, and finds e-mail addresses in any case.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import ssl
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.serving import running

from kept.model.values import Value, fold
from kept.stores.suite import Rows

TOKEN = "s3cret-token"

#: Path of a dataset's collection → (its name, the fields of its key).
PATHS = {
    "persons": ("person", ("id",)),
    "orders": ("order", ("id",)),
    "lines": ("line", ("order_id", "n")),
    "contacts": ("contact", ("id",)),
    "tickets": ("ticket", ("id",)),
}


class Vendor(ThreadingHTTPServer):
    """The service and its content. What it shall do wrong is set on it, and counted down."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name, _ in PATHS.values()}
        self.lock = threading.RLock()
        self.page = 3
        self.asked: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        #: Requests that are turned away with 429, with what `Retry-After` says.
        self.hurried: list[str] = []
        #: Statuses given instead of an answer, after the request was carried out.
        self.after: list[int] = []
        #: Statuses given before anything was done.
        self.before: list[int] = []
        #: Writes whose connection is cut after they were carried out.
        self.cut = 0
        #: Erasures are taken and wait for `work`; what is ordered under which key.
        self.later = False
        self.hidden = False
        self.jobs: dict[str, tuple[str, dict[str, Any], str]] = {}
        self.keys: dict[str, str] = {}
        #: From the first request of this method on, no path is known any more.
        self.lost_from: str | None = None
        self.lost = False
        #: Writes are sent elsewhere: status and address. A cookie that every answer sets.
        self.redirect: tuple[int, str] | None = None
        self.cookie = ""
        #: Where the state of an order is asked, as the service says.
        self.jobs_at = "/api"
        self.mutate: Any = None  # a planted fault: (method, name, rows) → whether to do nothing

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api"

    def fill(self, rows: Rows) -> None:
        with self.lock:
            for name, given in rows.items():
                self.rows[name] = [
                    {k: told(v) for k, v in row.items() if k != "photo"} for row in given
                ]

    def work(self, state: str = "done") -> None:
        """Carry out what was taken."""
        with self.lock:
            for job, (name, row, _) in self.jobs.items():
                self.jobs[job] = (name, row, state)
                if state == "done":
                    self.rows[name] = [r for r in self.rows[name] if r != row]


@contextmanager
def vendor(secure: ssl.SSLContext | None = None) -> Iterator[Vendor]:
    """The service while it is used; `secure`: over TLS."""
    server = Vendor()
    if secure is not None:
        server.socket = secure.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    with running(server):
        yield server


def told(value: Value) -> Any:
    """A value as this service tells it."""
    if isinstance(value, (dt.date, dt.datetime, uuid.UUID, decimal.Decimal)):
        return str(value) if not isinstance(value, dt.datetime) else value.isoformat()
    return value


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Vendor

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def serve(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        s = self.server
        with s.lock:
            s.asked.append((self.command, self.path))
            s.headers.append(dict(self.headers.items()))
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.say(401, {})
            if s.hurried:
                return self.say(429, {}, {"Retry-After": s.hurried.pop(0)})
            if s.before:
                return self.say(s.before.pop(0), {"error": "geheim"})
            s.lost = s.lost or self.command == s.lost_from
            if s.lost:
                return self.say(404, {"error": "no route"})
            if s.redirect is not None and self.command != "GET":
                return self.say(s.redirect[0], {}, {"Location": s.redirect[1]})
            status, answer, headers = self.answer(body)
            if self.command != "GET":
                if s.cut:
                    s.cut -= 1
                    self.close_connection = True
                    return None
                if s.after:
                    status, answer = s.after.pop(0), {"error": "geheim"}
        return self.say(status, answer, headers)

    def say(self, status: int, answer: Any, headers: Mapping[str, str] | None = None) -> None:
        raw = b"" if status == 204 else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.server.cookie:
            self.send_header("Set-Cookie", self.server.cookie)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def answer(self, body: Any) -> tuple[int, Any, Mapping[str, str]]:
        s = self.server
        url = urlsplit(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
        parts = [unquote(p) for p in url.path.removeprefix("/api/").split("/")]
        if parts[0] == "jobs":
            job = s.jobs.get(parts[1])
            return (200, {"job": {"state": job[2]}}, {}) if job else (404, {}, {})
        if parts[0] not in PATHS:
            return 404, {}, {}
        name, key = PATHS[parts[0]]
        if len(parts) == 1 + len(key):
            row = next((r for r in s.rows[name] if [str(r[k]) for k in key] == parts[1:]), None)
            if row is not None and self.command == "GET" and self.waits(name, row) and s.hidden:
                row = None
            return self.one(name, row, parts[1:], body)
        if self.command != "GET" or len(parts) > 1:
            return 405, {}, {}
        rows = [r for r in s.rows[name] if not (s.hidden and self.waits(name, r))]
        for field, value in query.items():
            if field == "email":
                rows = [r for r in rows if fold(r["email"] or "") == fold(value)]
            elif field not in ("cursor", "offset", "limit", "page", "size"):
                rows = [r for r in rows if str(r.get(field)) == value]
        return self.listed(parts[0], rows, query)

    def waits(self, name: str, row: Mapping[str, Any]) -> bool:
        return any(n == name and r == row for n, r, _ in self.server.jobs.values())

    def one(
        self, name: str, row: dict[str, Any] | None, key: list[str], body: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        s = self.server
        if row is None:
            return 404, {}, {}
        if self.command == "GET":
            return 200, {"data": row}, {}
        if s.mutate is not None and s.mutate(self.command, name, s.rows[name], row, body):
            return 200, {}, {}
        if self.command == "DELETE":
            if s.later and name in ("person", "contact"):
                mark = self.headers.get("Idempotency-Key") or "/".join(key)
                job = s.keys.setdefault(mark, f"j{len(s.keys) + 1}")
                s.jobs.setdefault(job, (name, row, "working"))
                return 202, {}, {"Location": f"{s.jobs_at}/jobs/{job}"}
            s.rows[name].remove(row)
            return 204, None, {}
        row.update(body)
        return 200, {"data": row}, {}

    def listed(
        self, path: str, rows: list[dict[str, Any]], query: Mapping[str, str]
    ) -> tuple[int, Any, Mapping[str, str]]:
        size = self.server.page
        if path == "orders":  # offset, in the query
            at = int(query.get("offset", 0))
            return 200, {"items": rows[at : at + size]}, {}
        if path == "lines":  # Link header
            at = int(query.get("page", 1))
            more = len(rows) > at * size
            link = f'<{quote("/api/lines")}?page={at + 1}>; rel="next"'
            return 200, rows[(at - 1) * size : at * size], {"Link": link} if more else {}
        at = int(query.get("cursor", "c0")[1:])
        more = len(rows) > at + size
        return 200, {"items": rows[at : at + size], "next": f"c{at + size}" if more else None}, {}
