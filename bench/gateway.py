"""The gateway before a site: against the same server passing everything on as it is.

Both are processes of their own, on the same stack, before the same site; a page of about 20 kB
with forty links and a frame, and an image of 8 kB. The page is the same again and again, as one
that says the same to everybody; what was changed in it is remembered. One that is never the same
is changed anew, and has a row of its own. One at a time for what is added to an answer; sixteen at
a time for how many answers there are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _ratio import Result, Row, bench, median, quantile

ROOT = Path(__file__).resolve().parents[1]
#: Files that are fetched with a page: styles, scripts, pictures.
FILES = 9
#: Milliseconds that the gateway may add to a page, in the middle (p50).
ADDED = 2.0
_WORDS = "More words, so that the page has some length. " * 9
#: Forty links, ten of them away, two with words about who follows.
LINKS = "".join(
    f'<p class="text">A link <a href="/thing/{n}" class="x">there</a>. {_WORDS}</p>'
    for n in range(30)
) + "".join(
    f'<li><a href="https://elsewhere.example/{n}{"?email=ana@example.org&amp;n=1" * (n < 2)}">away'
    f"</a> {_WORDS}</li>"
    for n in range(10)
)
PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title><script src='
    '"https://pasted.example/tag.js"></script></head><body><h1>Shop</h1>'
    + LINKS
    + '<iframe src="https://video.example/film"></iframe></body></html>'
).encode()
IMAGE = bytes(8192)
SITE = """
import asyncio, sys
page, image = open(sys.argv[1], "rb").read(), bytes(8192)
def head(kind, body):
    return (f"HTTP/1.1 200 OK\\r\\nContent-Type: {kind}\\r\\nContent-Length: {len(body)}\\r\\n"
            "Cache-Control: max-age=60\\r\\nSet-Cookie: strange=1\\r\\n\\r\\n").encode() + body
answers = {b"/": head("text/html; charset=utf-8", page), b"/image": head("image/png", image)}
class P(asyncio.Protocol):
    n = 0
    def connection_made(self, t): self.t, self.b = t, b""
    def data_received(self, d):
        self.b += d
        while b"\\r\\n\\r\\n" in self.b:
            one, _, self.b = self.b.partition(b"\\r\\n\\r\\n")
            path = one.split(b" ", 2)[1]
            if path == b"/new":
                P.n += 1
                self.t.write(answers[b"/"].replace(b"Shop</h1>", b"%08d</h1>" % P.n).replace(
                    b"Content-Length: %d" % len(page), b"Content-Length: %d" % (len(page) + 4)))
            else:
                self.t.write(answers[path])
async def main():
    s = await asyncio.get_running_loop().create_server(P, "127.0.0.1", 0)
    print(s.sockets[0].getsockname()[1], flush=True)
    await s.serve_forever()
asyncio.run(main())
"""
BARE = """
import asyncio, sys
from kept.app.gateway.upstream import Gateway, Upstream
from kept.app.serving import serve
up = Upstream(sys.argv[1])
app = Gateway(up, up, frozenset({"127.0.0.1"}))
stopped = asyncio.Event()
ready = lambda: print("ready", flush=True)
asyncio.run(serve(app, "127.0.0.1", int(sys.argv[2]), ready, stopped, head_seconds=15))
"""


class Client:
    """A connection that asks again and again."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, path: str) -> int:
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/html\r\n"
            "Cookie: kept-choices=x; _ga=1\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower, size = head.lower(), 0
        assert head.startswith(b"HTTP/1.1 200"), head[:60]
        if b"content-length:" in lower:
            size = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await self._reader.readexactly(size)
            return size
        while length := int(await self._reader.readuntil(b"\r\n"), 16):
            size += len(await self._reader.readexactly(length))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return size

    def close(self) -> None:
        self._writer.close()


async def one_by_one(ports: dict[str, int], path: str, rounds: int) -> dict[str, list[float]]:
    clients = {name: Client(port) for name, port in ports.items()}
    for client in clients.values():
        await client.open()
    times: dict[str, list[float]] = {name: [] for name in clients}
    for n in range(rounds + 20):
        for name, client in clients.items():
            start = time.perf_counter()
            await client.ask(path)
            if n >= 20:
                times[name].append(time.perf_counter() - start)
    for client in clients.values():
        client.close()
    return times


async def at_once(port: int, paths: tuple[str, ...], seconds: float) -> float:
    clients = [Client(port) for _ in range(16)]
    done, end = 0, time.perf_counter() + seconds

    async def work(client: Client) -> None:
        nonlocal done
        await client.open()
        while time.perf_counter() < end:
            for path in paths:
                await client.ask(path)
                done += 1
        client.close()

    start = time.perf_counter()
    await asyncio.gather(*map(work, clients))
    return done / (time.perf_counter() - start)


def started(*command: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    return process, process.stdout.readline()


def run(args: argparse.Namespace) -> Result:
    directory = Path(tempfile.mkdtemp(prefix="kept-bench-gateway-"))
    running: list[subprocess.Popen[str]] = []
    try:
        (directory / "page").write_bytes(PAGE)
        process, line = started(sys.executable, "-c", SITE, str(directory / "page"))
        running.append(process)
        site = f"http://127.0.0.1:{line.strip()}"
        (directory / "kept.toml").write_text(
            f'bundle = "{ROOT / "policies" / "interop.io"}"\ndatabase = "embedded"\n'
            "[gateway]\nacts = true\n", "utf-8",
        )  # fmt: skip
        process, line = started(sys.executable, "-m", "kept.app", "gateway", "--upstream", site,
                                "--port", "0", "--json", "--dir", str(directory))  # fmt: skip
        running.append(process)
        ours = int(json.loads(line)["url"].rpartition(":")[2])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            bare = int(free.getsockname()[1])
        process, line = started(sys.executable, "-c", BARE, site, str(bare))
        running.append(process)
        assert line.strip() == "ready"
        ports = {"reference": bare, "ours": ours}
        rows: list[Row] = []
        notes: dict[str, Any] = {"bytes of the page": len(PAGE), "cpus": os.cpu_count() or 0}
        for path, what in (("/", "page"), ("/image", "image")):
            times = asyncio.run(one_by_one(ports, path, args.rounds))
            p50 = {name: median(found) * 1e3 for name, found in times.items()}
            rows.append(Row(f"{what}, one at a time (shown)", p50["reference"], p50["ours"], "ms",
                            reference_p99=quantile(times["reference"], 0.99) * 1e3,
                            ours_p99=quantile(times["ours"], 0.99) * 1e3))  # fmt: skip
            added = max(0.0, p50["ours"] - p50["reference"])
            rows.append(Row(f"{what}, p50 added, against the goal", ADDED, added, "ms", 1))
        for paths, what, goal in (
            (("/",), "pages alone (shown)", None),
            (("/new",), "pages that are never the same (shown)", None),
            (("/", *["/image"] * FILES), f"views: a page and {FILES} files", 1.5),
        ):
            rates: dict[str, list[float]] = {name: [] for name in ports}
            for turn in range(args.turns):
                for name in sorted(ports, reverse=bool(turn % 2)):
                    rates[name].append(asyncio.run(at_once(ports[name], paths, args.seconds)))
            rows.append(Row(f"sixteen at a time, {what}", median(rates["reference"]),
                            median(rates["ours"]), "/s", goal, more=True))  # fmt: skip
        return Result(tuple(rows), notes)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(30)
        shutil.rmtree(directory, ignore_errors=True)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=400, help="answers one at a time")
    parser.add_argument("--turns", type=int, default=4, help="times each is asked by sixteen")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each time")


if __name__ == "__main__":
    bench("gateway", run, arguments=arguments)
