"""People ask by the form: taken in and their codes mailed, against the same by hand.

A burst of as many requests as the form takes in an hour comes from as many addresses, eight at a
time, through the whole application; the reference writes the same rows by hand, one transaction
a request, on as many connections. Then the codes go to a mail server of this machine (aiosmtpd,
a process of its own); the reference sends messages of the same size over one connection.

Then both at once, as a server does it, until the mail server has the last code; the reference is
a bare handler that inserts one row and sends one letter by hand. Here the processor time of all
processes (this one, PostgreSQL, the mail server) is taken too: it tells more than a rate where
others work on the same cores. At last a flood: what comes beyond the limit is turned away.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import email
import email.policy
import os
import secrets
import shutil
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg

from _ratio import Result, Row, bench, median
from kept import deployment
from kept.app import mail, promptly, web
from kept.controller import Controller

ROOT = Path(__file__).resolve().parents[1]
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
#: Requests, and codes, a second.
GOAL = 200.0
FORM = "/privacy/requests"


class Desk:
    """The application over a new deployment, and connections of its own beside it."""

    def __init__(self, controller: Controller, together: int) -> None:
        self.controller = controller
        self.wake: Callable[[], None] = lambda: None
        self.app = web.make(
            controller, token=None, shows="text", clock=lambda: NOW, wake=lambda: self.wake()
        )
        self.loop = asyncio.new_event_loop()
        self.together = together
        self.raw = [psycopg.connect(controller.database.url) for _ in range(together)]
        with controller.database.connection() as c:
            c.execute(
                "CREATE TABLE bench_intake (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " id text UNIQUE, asked text, at timestamptz, mac bytea, source bytea,"
                " token bytea UNIQUE, once bytea UNIQUE, sealed bytea)"
            )
            c.execute("CREATE TABLE bench_code (number bigint PRIMARY KEY, mac bytea, code bytea)")
            c.execute(
                "CREATE TABLE bench_out (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                " id text, sealed bytea)"
            )

    def close(self) -> None:
        for one in self.raw:
            one.close()
        self.loop.close()

    def forget(self) -> None:
        """An hour has gone: nothing of the last burst counts, or waits, any more."""
        with self.controller.database.connection() as c:
            for table in ("intake", "outbox", "bench_intake", "bench_code", "bench_out"):
                c.execute(f"DELETE FROM {table}".encode())
        self.raw[0].autocommit = True
        self.raw[0].execute("VACUUM ANALYZE intake")
        self.raw[0].execute("VACUUM ANALYZE outbox")
        self.raw[0].autocommit = False

    def through(self, many: int) -> float:
        """Seconds from the first request until the mail server has the last code."""
        with promptly.running(self.controller, lambda: NOW) as self.wake:
            start = time.perf_counter()
            _, statuses = self.ours(many)
            if statuses != {303: many}:
                raise SystemExit(f"the form answered {statuses}")
            while self.controller.outbox.waiting():
                time.sleep(0.01)
            took = time.perf_counter() - start
        self.wake = lambda: None
        return took

    def bare(self, many: int, port: int, message: bytes) -> float:
        """A handler that inserts one row and sends one letter, by hand."""

        def some(place: int) -> None:
            c = self.raw[place]
            with smtplib.SMTP("127.0.0.1", port) as server:
                for number in range(place, many, self.together):
                    with c.transaction():
                        c.execute(
                            "INSERT INTO bench_out (id, sealed) VALUES (%s, %s)",
                            (secrets.token_hex(16), bytes(200)),
                        )
                    server.sendmail("privacy@example.org", f"p{number}@example.org", message)

        start = time.perf_counter()
        with ThreadPoolExecutor(self.together) as pool:
            list(pool.map(some, range(self.together)))
        return time.perf_counter() - start

    def processor(self, sink: int) -> float:
        """Seconds of processor time so far: of this process, PostgreSQL and the mail server."""
        server = _parent(self.raw[0].info.backend_pid)
        return (
            time.process_time()
            + _used(sink)
            + _used(server)
            + sum(_used(one) for one in _processes() if _parent(one) == server)
        )

    def ours(self, many: int) -> tuple[float, dict[int, int]]:
        """Seconds, and how many answers of each status."""
        return self.loop.run_until_complete(self._all(many))

    async def _all(self, many: int) -> tuple[float, dict[int, int]]:
        room, statuses = asyncio.Semaphore(self.together), dict[int, int]()

        async def one(number: int) -> None:
            async with room:
                status = await self._post(number)
            statuses[status] = statuses.get(status, 0) + 1

        start = time.perf_counter()
        await asyncio.gather(*(one(n) for n in range(many)))
        return time.perf_counter() - start, statuses

    async def _post(self, number: int) -> int:
        body = urllib.parse.urlencode(
            {"asked": "access", "email": f"p{number}@example.org", "region": "EEA",
             "words": "Please show me what you hold.", "once": secrets.token_hex(16)}
        ).encode()  # fmt: skip
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "path": FORM, "raw_path": FORM.encode(), "root_path": "", "scheme": "http",
            "query_string": b"", "server": ("127.0.0.1", 80),
            "client": (f"10.{number // 60000}.{number // 250 % 240}.{number % 250}", 1),
            "headers": [(b"host", b"127.0.0.1"),
                        (b"content-type", b"application/x-www-form-urlencoded"),
                        (b"content-length", str(len(body)).encode())],
        }  # fmt: skip
        status: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return status[0]

    def reference(self, many: int) -> float:
        """The same rows by hand: what is counted, what is asked, the code, the message."""

        def some(place: int) -> None:
            c = self.raw[place]
            for number in range(place, many, self.together):
                mac = number.to_bytes(32, "big")
                with c.transaction():
                    c.execute("SELECT pg_advisory_xact_lock(1)")
                    c.execute("SELECT number FROM bench_intake WHERE once = %s", (mac,))
                    c.execute(
                        "SELECT count(*) FILTER (WHERE mac = %s), count(*) FILTER"
                        " (WHERE source = %s), count(*) FROM bench_intake WHERE at > %s",
                        (mac, mac, NOW - dt.timedelta(hours=1)),
                    )
                    row = c.execute(
                        "INSERT INTO bench_intake (id, asked, at, mac, source, token, once, sealed)"
                        " VALUES (%s, 'access', %s, %s, %s, %s, %s, %s) RETURNING number",
                        (secrets.token_hex(16), NOW, mac, mac, mac, mac, bytes(120)),
                    ).fetchone()
                    c.execute("INSERT INTO bench_code VALUES (%s, %s, %s)", (row[0], mac, mac))  # type: ignore[index]
                    c.execute(
                        "INSERT INTO bench_out (id, sealed) VALUES (%s, %s)",
                        (secrets.token_hex(16), bytes(200)),
                    )

        start = time.perf_counter()
        with ThreadPoolExecutor(self.together) as pool:
            list(pool.map(some, range(self.together)))
        return time.perf_counter() - start


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return ["0"] * 40


def _parent(process: int) -> int:
    return int(_stat(process)[1])


def _used(process: int) -> float:
    """Its processor time, and that of those that it started and that have ended."""
    return sum(int(one) for one in _stat(process)[11:15]) / os.sysconf("SC_CLK_TCK")


def by_hand(port: int, many: int, message: EmailMessage) -> float:
    start = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as server:
        for number in range(many):
            server.send_message(message, to_addrs=[f"p{number}@example.org"])
    return time.perf_counter() - start


@contextlib.contextmanager
def sink() -> Iterator[tuple[int, int]]:
    """A mail server that takes everything and keeps nothing: (its port, its process)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}",
               "-c", "aiosmtpd.handlers.Sink"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def deployed(port: int, together: int) -> Iterator[Desk]:
    directory = Path(tempfile.mkdtemp(prefix="kept-bench-intake-"))
    try:
        (directory / "kept.toml").write_text(
            f'bundle = "{ROOT / "policies" / "interop.io"}"\ndatabase = "embedded"\n'
            f'[mail]\nurl = "smtp://127.0.0.1:{port}"\nfrom = "privacy@example.org"\n', "utf-8"
        )  # fmt: skip
        with Controller.open(deployment.read(directory)) as controller:
            desk = Desk(controller, together)
            try:
                yield desk
            finally:
                desk.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run(args: argparse.Namespace) -> Result:
    many: int = args.requests
    taken: dict[str, list[float]] = {"ours": [], "reference": []}
    sent: dict[str, list[float]] = {"ours": [], "reference": []}
    both: dict[str, list[float]] = {"ours": [], "reference": []}
    spent: dict[str, list[float]] = {"ours": [], "reference": []}
    flood = 0.0
    with sink() as (port, server), deployed(port, args.together) as desk:
        controller = desk.controller
        for number in range(args.rounds + 1):  # the first one is warm-up
            desk.forget()
            steps: list[Callable[[], None]] = []

            def ours() -> None:
                seconds, statuses = desk.ours(many)
                if statuses != {303: many}:
                    raise SystemExit(f"the form answered {statuses}")
                taken["ours"].append(seconds)

            def reference() -> None:
                taken["reference"].append(desk.reference(many))

            steps = [ours, reference] if number % 2 else [reference, ours]
            for step in steps:
                step()
            with controller.outbox.next(NOW) as met:
                assert met is not None
                plain = mail.composed(controller, met[0]).data
                message = email.message_from_bytes(plain, policy=email.policy.default)
                assert isinstance(message, EmailMessage)
            for one in ("ours", "reference") if number % 2 else ("reference", "ours"):
                if one == "reference":
                    sent[one].append(by_hand(port, many, message))
                    continue
                start = time.perf_counter()
                done = mail.deliver(controller, lambda: NOW)
                sent[one].append(time.perf_counter() - start)
                if (done.sent, done.failed) != (many, 0):
                    raise SystemExit(f"{done.sent} codes were sent, {done.failed} failed")
            desk.forget()
            for one in ("ours", "reference") if number % 2 else ("reference", "ours"):
                before = desk.processor(server)
                both[one].append(
                    desk.through(many) if one == "ours" else desk.bare(many, port, plain)
                )
                spent[one].append((desk.processor(server) - before) / many * 1000)
        if many >= 500:
            seconds, statuses = desk.ours(many)
            if set(statuses) != {429}:
                raise SystemExit(f"beyond the limit the form answered {statuses}")
            flood = many / seconds

    def rate(seconds: list[float]) -> float:
        return many / median(seconds[1:])

    rows = [
        Row("taken in", rate(taken["reference"]), rate(taken["ours"]), "/s", more=True),
        Row("taken in, against the goal", GOAL, rate(taken["ours"]), "/s", 1, more=True),
        Row("codes mailed", rate(sent["reference"]), rate(sent["ours"]), "/s", more=True),
        Row("codes mailed, against the goal", GOAL, rate(sent["ours"]), "/s", 1, more=True),
        Row("asked, until the code is sent", rate(both["reference"]), rate(both["ours"]), "/s",
            more=True),
        Row("asked and sent, against the goal", GOAL, rate(both["ours"]), "/s", 1, more=True),
        Row("processor time of one, until it is sent", median(spent["reference"][1:]),
            median(spent["ours"][1:]), "ms"),
    ]  # fmt: skip
    if flood:
        rows.append(
            Row("turned away beyond the limit", rate(taken["ours"]), flood, "/s", more=True)
        )
    return Result(tuple(rows), {"requests in a burst": many, "at one time": args.together})


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=int, default=500, help="in one burst, 500 at most")
    parser.add_argument("--together", type=int, default=8, help="at one time")
    parser.add_argument("--rounds", type=int, default=3)


if __name__ == "__main__":
    bench("intake", run, arguments=arguments)
