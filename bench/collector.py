"""The collector of views against the same server that answers 204 and does nothing else.

Both are processes of their own on the same stack (granian's ASGI server, as `kept gateway` has
it), asked by the same client with the same bytes, in turns. Ours reads and cleans the message,
decides by choice, region and what is known of the cookie, commits the view and its ledger entry,
and answers then; the reference answers 204. Many at a time, because a commit serves all that wait;
one at a time is shown, and is the price of a commit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from _ratio import Result, Row, bench, median, quantile
from kept.embedded import Server

ROOT = Path(__file__).resolve().parents[1]
#: How many answers of the reference one of ours may cost.
GOAL = 1.6
SETTINGS = """bundle = "{bundle}"
database = "{database}"

[site]
proxy = true
country = "X-Country"
cookie = "__Host-kept"

[gateway]
acts = true
proxy = true

[documents."assessment:own-analytics"]
signer = "Jo"
date = 2020-01-31
file = "assessment.md"
"""
BARE = """
import asyncio, sys
from kept.app.serving import serve
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    await send({"type": "http.response.start", "status": 204,
                "headers": [(b"cache-control", b"no-store")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
stopped = asyncio.Event()
ready = lambda: print("ready", flush=True)
asyncio.run(serve(app, "127.0.0.1", int(sys.argv[1]), ready, stopped, head_seconds=15))
"""


def message(port: int, known: int) -> bytes:
    """A view as the script tells it, from an address and a browser of its own."""
    body = json.dumps(
        {"id": secrets.token_hex(16), "page": "/product/desktop", "referrer": "https://a.example"}
    ).encode()
    address = ".".join(str(n) for n in (10, *secrets.token_bytes(3)))
    return (
        f"POST /c HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        "Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nContent-Type: application/json\r\n"
        f"X-Country: US\r\nX-Forwarded-For: {address}\r\nSec-Fetch-Site: same-origin\r\n"
        f"Cookie: __Host-kept=browser-{secrets.randbelow(known)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class Client:
    """A connection that tells one view after the other."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def tell(self, one: bytes) -> None:
        self.writer.write(one)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 204"):
            raise SystemExit(f"answered {head[:40]!r}")


async def at_once(port: int, many: int, each: int) -> float:
    """Answers in a second, of `many` connections that tell `each` views one after the other."""
    clients = [Client(port) for _ in range(many)]
    for client in clients:
        await client.open()
    told = [[message(port, 50_000) for _ in range(each)] for _ in clients]

    async def work(client: Client, mine: list[bytes]) -> None:
        for one in mine:
            await client.tell(one)

    start = time.perf_counter()
    await asyncio.gather(*map(work, clients, told))
    took = time.perf_counter() - start
    for client in clients:
        client.writer.close()
    return many * each / took


async def one_by_one(ports: dict[str, int], rounds: int) -> dict[str, list[float]]:
    clients = {name: Client(port) for name, port in ports.items()}
    for client in clients.values():
        await client.open()
    times: dict[str, list[float]] = {name: [] for name in clients}
    for n in range(rounds + 20):
        for name, client in clients.items():
            one = message(client.port, 50_000)
            start = time.perf_counter()
            await client.tell(one)
            if n >= 20:
                times[name].append(time.perf_counter() - start)
    for client in clients.values():
        client.writer.close()
    return times


def started(*command: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    return process, process.stdout.readline()


def run(args: argparse.Namespace) -> Result:
    directory = Path(tempfile.mkdtemp(prefix="kept-bench-collector-"))
    running: list[subprocess.Popen[str]] = []
    server = Server(directory / "postgres")
    try:
        server.acquire()
        database = server.make_database("kept")
        settings = SETTINGS.format(bundle=ROOT / "policies" / "interop.io", database=database)
        (directory / "kept.toml").write_text(settings, "utf-8")
        (directory / "assessment.md").write_text("Whoever reads wants better pages.\n", "utf-8")
        process, line = started(
            sys.executable, "-m", "kept.app", "gateway", "--upstream", "http://127.0.0.1:9",
            "--port", "0", "--json", "--dir", str(directory),
        )  # fmt: skip
        running.append(process)
        ours = int(json.loads(line)["url"].rpartition(":")[2])
        with socket.create_server(("127.0.0.1", 0)) as probe:
            bare = int(probe.getsockname()[1])
        process, line = started(sys.executable, "-c", BARE, str(bare))
        running.append(process)
        assert line.strip() == "ready"
        ports = {"reference": bare, "ours": ours}
        rows: list[Row] = []
        told = 0
        for port in ports.values():
            asyncio.run(at_once(port, 8, 20))
        told += 160
        for many in args.at_once:
            rates: dict[str, list[float]] = {name: [] for name in ports}
            for turn in range(args.turns):
                for name in sorted(ports, reverse=bool(turn % 2)):
                    each = max(1, args.views // many)
                    rates[name].append(asyncio.run(at_once(ports[name], many, each)))
                told += many * each
            goal = GOAL if many == max(args.at_once) else None
            rows.append(Row(f"{many} at a time", median(rates["reference"]),
                            median(rates["ours"]), "/s", goal, more=True))  # fmt: skip
        times = asyncio.run(one_by_one(ports, args.rounds))
        told += args.rounds + 20
        p50 = {name: median(found) * 1e3 for name, found in times.items()}
        rows.append(Row("one at a time (a commit each)", p50["reference"], p50["ours"], "ms",
                        reference_p99=quantile(times["reference"], 0.99) * 1e3,
                        ours_p99=quantile(times["ours"], 0.99) * 1e3))  # fmt: skip
        with psycopg.connect(database) as connection:
            found = connection.execute("SELECT count(*), count(DISTINCT batch) FROM visit_event")
            views, batches = found.fetchone() or (0, 0)
        if views != told:
            raise SystemExit(f"{views} views are there, and {told} were acknowledged")
        notes: dict[str, Any] = {
            "views acknowledged and there": views, "commits": batches, "cpus": os.cpu_count() or 0,
            "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip
        return Result(tuple(rows), notes)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(30)
        server.release()
        shutil.rmtree(directory, ignore_errors=True)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at-once", type=int, nargs="+", default=[16, 64, 256],
                        help="connections; the goal stands for the most")  # fmt: skip
    parser.add_argument("--views", type=int, default=4000, help="views told in each turn")
    parser.add_argument("--turns", type=int, default=5, help="times each is told by so many")
    parser.add_argument("--rounds", type=int, default=300, help="views one at a time")


if __name__ == "__main__":
    bench("collector", run, arguments=arguments)
