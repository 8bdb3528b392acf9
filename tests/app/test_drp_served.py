"""The Data Rights Protocol over a real server, and what it tells agents over real HTTP."""

from __future__ import annotations

import contextlib
import datetime as dt
import http.server
import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from tests.agent import Client
from tests.app.conftest import make, serve
from tests.serving import running

from kept import deployment
from kept.embedded import Server
from kept.stores.callback import allowed, tell


@dataclass
class Listener:
    """An agent's own server: what it was told, and where it sends who tells it."""

    port: int
    met: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def listening() -> Iterator[Listener]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            one.met.append((self.path, json.loads(body)))
            if self.path == "/slow":
                time.sleep(2)
            if self.path == "/trickles":
                self._trickle()
            self.send_response({"/fails": 500, "/moved": 307}.get(self.path, 200))
            if self.path == "/moved":
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _trickle(self) -> None:
            """Headers without an end, each well within the time of one read."""
            with contextlib.suppress(OSError):
                for _ in range(50):
                    self.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                    time.sleep(0.1)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one = Listener(server.server_address[1])
    with running(server):
        yield one


@pytest.fixture(scope="module")
def agent(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[tuple[Client, Path, Listener]]:
    """An agent with its token, the deployment that is served, and the agent's own server."""
    url = pg_server.make_database(f"drp_served_{os.getpid()}", template=_kept_template)
    directory = make(tmp_path_factory.mktemp("drp") / "deployment", url)
    with listening() as listener:
        http_client = httpx.Client(timeout=30)

        def send(
            method: str, path: str, headers: dict[str, str], body: bytes | None
        ) -> httpx.Response:
            return http_client.request(method, base + path, headers=headers, content=body)

        one = Client("AGENT_ONE", send, lambda: dt.datetime.now(dt.UTC))
        entry = one.entry(f"127.0.0.1:{listener.port}")
        (directory / "agents.json").write_text(json.dumps([entry]), "utf-8")
        with (directory / "kept.toml").open("a", encoding="utf-8") as file:
            file.write(
                '\n[drp]\non = true\nbusiness = "OUR_HOUSE"\ndirectory = "agents.json"\n'
                'verifications = ["email"]\n'
            )
        process, document = serve(directory)
        base = document["url"]
        try:
            assert one.set_up().status_code == 200
            yield one, directory, listener
        finally:
            http_client.close()
            process.terminate()
            assert process.wait(20) == 0


def sql(directory: Path, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    with psycopg.connect(deployment.read(directory).database) as connection:
        return connection.execute(statement, parameters).fetchall()


def test_two_posts_at_once_are_one_request(agent: tuple[Client, Path, Listener]) -> None:
    one, directory, _ = agent
    said = one.exercise("deletion", "twice@example.org", email_verified=True)
    later = (one.clock() + dt.timedelta(minutes=4)).isoformat()
    bodies = [one.signed(said)] * 3 + [one.signed({**said, "expires-at": later})] * 3
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda b: one.call("POST", "/v1/data-rights-request", b), bodies))
    assert sorted(a.status_code for a in answers) == [200, 200, 409, 409, 409, 409]
    taken = [a.json() for a in answers if a.status_code == 200]
    assert taken[0]["request_id"] == taken[1]["request_id"]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not sql(directory, "SELECT FROM intake_case"):
        time.sleep(0.1)
    time.sleep(0.5)
    assert sql(directory, "SELECT count(*) FROM agent_request") == [(1,)]
    assert sql(directory, "SELECT count(*) FROM rights_case") == [(1,)]


def test_the_agent_is_told_on_its_own_server(agent: tuple[Client, Path, Listener]) -> None:
    one, _, listener = agent
    said = one.ask("sale:opt-out", "told@example.org", regime="ccpa",
                   status_callback=listener.url("/status"))  # fmt: skip
    assert said.json()["status"] == "fulfilled", said.text
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not listener.met:
        time.sleep(0.1)
    path, words = listener.met[0]
    assert (path, words["status"]) == ("/status", "fulfilled")
    assert words["request_id"] == said.json()["request_id"]
    assert "told@example.org" not in json.dumps(words)


def test_an_agent_is_told_nothing_where_its_server_fails_or_leads_elsewhere() -> None:
    with listening() as listener:
        assert tell(listener.url("/status"), {"status": "fulfilled"})
        assert not tell(listener.url("/fails"), {"status": "fulfilled"})
        assert not tell(listener.url("/moved"), {"status": "fulfilled"})
        assert not tell(listener.url("/slow"), {"status": "fulfilled"}, timeout=0.2)
        began = time.monotonic()
        assert not tell(listener.url("/trickles"), {"status": "fulfilled"}, timeout=0.5)
        assert time.monotonic() - began < 2
        assert [path for path, _ in listener.met] == [
            "/status", "/fails", "/moved", "/slow", "/trickles",
        ]  # fmt: skip
        port = listener.port
    assert not tell(f"http://127.0.0.1:{port}/status", {})  # nobody listens any more


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://a.example.org/x?y=1", True), ("https://a.example.org:443/", True),
        ("https://A.example.org/", True), ("https://b.example.org:8443/", True),
        ("https://b.example.org/", False), ("https://a.example.org:22/", False),
        ("http://a.example.org/", False), ("https://x.a.example.org/", False),
        ("https://a.example.org.evil.test/", False), ("https://a.example.org@evil.test/", False),
        ("https://evil.test#@a.example.org/", False), ("https://evil.test\\@a.example.org/", False),
        ("https://a.example.org\t/", False), ("ftp://a.example.org/", False),
        ("https:///x", False), ("https://a.example.org:99999/", False), ("http://[::1/", False),
        ("http://127.0.0.1/", False), ("http://169.254.169.254/", False), ("", False),
    ],
)  # fmt: skip
def test_only_hosts_of_the_directory_are_told(url: str, may: bool) -> None:
    assert allowed(url, {"a.example.org", "b.example.org:8443"}) is may
