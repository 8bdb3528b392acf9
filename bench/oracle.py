"""Can anybody tell by the time of an answer whether an address is known? A rank test says.

Pairs of an address that Kept knows well (in its registry, with a case, an objection and a request
of its own before) and one that it never met go through the form, the page of the code and a wrong
code, one after the other in an order drawn anew, through the whole application. For each step the
differences within the pairs are ranked (Wilcoxon, with the normal approximation): a small p says
that the times differ. An attacker would need what it cannot find here over a network as well.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import math
import random
import re
import secrets
import shutil
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Any, Final

from _ratio import Result, Row, bench, median, quantile
from kept import deployment
from kept.app import web
from kept.controller import Controller
from kept.duties.rights import entering
from kept.terms.identifiers import Identifier

ROOT = Path(__file__).resolve().parents[1]
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
FORM = "/privacy/requests"
STEPS = ("the form", "the page of the code", "a wrong code")
#: Below this the times are taken to differ, over all steps together (Bonferroni).
DOUBT: Final = 0.01


class Visitor:
    """Sends forms as a browser does, from a machine that nobody met before."""

    def __init__(self, controller: Controller) -> None:
        self.now = NOW
        self.app = web.make(controller, token=None, shows="text", clock=lambda: self.now)
        self.loop = asyncio.new_event_loop()
        self._machine = 0

    def steps(self, address: str) -> list[float]:
        """Seconds of each step."""
        self._machine += 1
        form = {"asked": "access", "email": address, "region": "EEA", "words": "Please.",
                "once": secrets.token_hex(16)}  # fmt: skip
        took, (status, page, _) = self._timed("POST", FORM, form)
        if status != 303:
            raise SystemExit(f"the form answered {status}")
        read, (status, _, body) = self._timed("GET", page, None)
        if status != 200 or b'name="code"' not in body:
            raise SystemExit(f"the page of the code answered {status}")
        typed, (status, _, _) = self._timed("POST", page, {"do": "code", "code": "0000 0000"})
        if status != 303:
            raise SystemExit(f"a wrong code was answered with {status}")
        return [took, read, typed]

    def _timed(
        self, method: str, path: str, form: dict[str, str] | None
    ) -> tuple[float, tuple[int, str, bytes]]:
        body = urllib.parse.urlencode(form or {}).encode()
        start = time.perf_counter()
        met = self.loop.run_until_complete(self._send(method, path, body))
        return time.perf_counter() - start, met

    async def _send(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        n = self._machine
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http",
            "query_string": b"", "server": ("127.0.0.1", 80),
            "client": (f"10.{n // 60000}.{n // 250 % 240}.{n % 250}", 1),
            "headers": [(b"host", b"127.0.0.1"),
                        (b"content-type", b"application/x-www-form-urlencoded"),
                        (b"content-length", str(len(body)).encode())],
        }  # fmt: skip
        met: list[Any] = [0, "", b""]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                met[0] = message["status"]
                met[1] = dict(message["headers"]).get(b"location", b"").decode()
            else:
                met[2] += message.get("body", b"")

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        return met[0], re.sub(r"^https?://[^/]*", "", met[1]), met[2]


def known(controller: Controller, visitor: Visitor, many: int) -> list[str]:
    """Addresses of people with a case, an objection, and a request of their own of yesterday."""
    actor = controller.actors.of("Pia", "privacy-officer", NOW)
    yesterday = NOW - dt.timedelta(hours=20)
    addresses = [f"k{n:05}@example.org" for n in range(many)]
    for n, address in enumerate(addresses):
        came = entering.Came(
            "email", yesterday.date(), (Identifier("email", address),),
            ("access", "stop-mailing"), "", "EEA",
        )  # fmt: skip
        entering.add(controller, came, actor, yesterday)
        visitor.now = yesterday + dt.timedelta(minutes=n // 5)  # within what an hour takes
        visitor.steps(address)
    visitor.now = NOW
    return addresses


def ranked(differences: list[float]) -> float:
    """p, two-sided: how likely ranks as uneven as these are where the sign of each is chance."""
    met = sorted((d for d in differences if d), key=abs)
    n = len(met)
    if n < 10:
        return 1.0
    plus = sum(rank for rank, d in enumerate(met, 1) if d > 0)
    mean, spread = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return math.erfc(abs(plus - mean) / spread / math.sqrt(2))


def run(args: argparse.Namespace) -> Result:
    directory = Path(tempfile.mkdtemp(prefix="kept-bench-oracle-"))
    draw = random.Random(args.seed)
    try:
        (directory / "kept.toml").write_text(
            f'bundle = "{ROOT / "policies" / "interop.io"}"\ndatabase = "embedded"\n'
            '[mail]\nurl = "letters"\nfrom = "privacy@example.org"\n', "utf-8"
        )  # fmt: skip
        with Controller.open(deployment.read(directory)) as controller:
            visitor = Visitor(controller)
            pairs = [
                (address, f"u{n:05}@example.org")
                for n, address in enumerate(known(controller, visitor, args.pairs + args.warm))
            ]
            draw.shuffle(pairs)
            times: list[list[tuple[float, float]]] = [[] for _ in STEPS]
            for n, pair in enumerate(pairs):
                if n % 150 == 0:  # an hour has gone: the limits hold for everybody
                    visitor.now += dt.timedelta(hours=1, minutes=1)
                order = [0, 1]
                draw.shuffle(order)
                took = {one: visitor.steps(pair[one]) for one in order}
                if n >= args.warm:
                    for step, found in enumerate(times):
                        found.append((took[0][step], took[1][step]))
            visitor.loop.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    rows, notes = [], dict[str, object]({"pairs": args.pairs})
    for name, found in zip(STEPS, times, strict=True):
        ours, reference = [a * 1e3 for a, _ in found], [b * 1e3 for _, b in found]
        rows.append(
            Row(f"{name}: known, against unknown", median(reference), median(ours), "ms",
                None, False, quantile(reference, 0.99), quantile(ours, 0.99))
        )  # fmt: skip
        p = ranked([a - b for a, b in found])
        slower = sum(1 for a, b in found if a > b) / len(found)
        # Gated as a row, so that a difference is a goal that was missed.
        rows.append(Row(f"{name}: doubt, over p", p, DOUBT / len(STEPS), "", 1))
        notes[f"{name}: p, and how often the known one took longer"] = f"{p:.3f}, {slower:.1%}"
    return Result(tuple(rows), notes)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--warm", type=int, default=20, help="pairs that are not counted")
    parser.add_argument("--seed", type=int, default=20230627)


if __name__ == "__main__":
    bench("oracle", run, arguments=arguments)
