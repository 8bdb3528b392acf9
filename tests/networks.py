"""Whoever gets people by a release, on this machine: a partner, or a network with its audiences.

It holds what it was given under the path of each, counts every request, and can be told to be
down, to take and not do, to refuse, or to answer late.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.serving import running

SECRET = "a secret of the partner"


class Network(ThreadingHTTPServer):
    """The service. `asked`: (method, path) of every request that was let in, in order."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.held: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        #: Methods that are taken and not done: 202; answered with another status; never answered.
        self.later: set[str] = set()
        self.answers: dict[str, int] = {}
        #: After so many requests the connection is cut, the request having been carried out.
        self.cut_after: int | None = None
        self.on: Any = None  # called with (method, path) before anything is done

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def at(self, path: str) -> list[dict[str, Any]]:
        """What is held under a path, in the order in which it came."""
        return [said for where, said in self.held.items() if where.startswith(f"/{path}/")]

    def times(self, method: str, path: str = "") -> int:
        """How often it was asked."""
        return sum(m == method and p.startswith(f"/{path}") for m, p in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Network

    def do_PUT(self) -> None:
        self._do("PUT")

    def do_DELETE(self) -> None:
        self._do("DELETE")

    def _do(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        here = self.server
        if self.headers.get("Authorization") != f"Bearer {SECRET}":
            return self._answer(401)
        if here.on is not None:
            here.on(method, self.path)
        here.asked.append((method, self.path))
        if method in here.answers:
            return self._answer(here.answers[method])
        if method in here.later:
            return self._answer(202)
        status = 204
        if method == "PUT":
            here.held[self.path] = json.loads(body)
        elif here.held.pop(self.path, None) is None:
            status = 404
        if here.cut_after is not None:
            here.cut_after -= 1
            if here.cut_after < 0:
                self.close_connection = True
                return None
        return self._answer(status)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests look at `asked`."""


@contextmanager
def network() -> Iterator[Network]:
    """The service while it is used."""
    server = Network()
    with running(server):
        yield server
