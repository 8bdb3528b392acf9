"""A package of many rows over HTTP: how much more memory the server takes, and how fast it goes.

A person with 200,000 rows in a database of SQLite. Her package is made and handed out at the desk
(asked for, read, sealed and streamed within one request), then once more, and once through the
link that a person gets. Memory is the most that the server process ever held (VmHWM) beyond what
it held before; the time is compared with copying the same file.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import select
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from _ratio import Result, Row, bench
from kept import deployment
from kept.controller import Controller
from kept.duties.rights import Request, delivery
from kept.duties.rights.request import open_case
from kept.records.session import Session
from kept.terms.identifiers import Identifier

ROOT = Path(__file__).resolve().parents[1]
#: More memory that the server may take, in MB.
GOAL = 100.0
WHO = Identifier("email", "ana@example.org")
SCHEMA = """
CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, since TEXT NOT NULL);
CREATE TABLE invoice (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, total TEXT NOT NULL,
    at TEXT NOT NULL);
CREATE INDEX invoice_customer ON invoice (customer);
INSERT INTO customer VALUES (1, 'ana@example.org', '2024-01-01 00:00:00');
"""
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO invoice SELECT i, 1, printf('%d.%02d %s', abs(random() % 100000), i % 100,
    hex(randomblob(16))), '2024-05-01 00:00:00' FROM n;
"""
MAP = """
system: shop
title: Shop
country: US
datasets:
  customer:
    title: Customers
    key: [id]
    origin: provided
    retention: account
    clock: since
    activities: [account]
    fields:
      id: {type: integer, category: identifier.account, identifies: account, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "x-{id}"}
      since: {type: datetime, nullable: false}
  invoice:
    title: Invoices
    key: [id]
    origin: provided
    retention: transactions-paid
    clock: at
    activities: [payment]
    stays: in-place
    fields:
      id: {type: integer, nullable: false}
      customer: {type: integer, category: identifier.account, nullable: false}
      total: {category: transaction.paid, nullable: false, overwrite: erased}
      at: {type: datetime, category: transaction.paid, nullable: false, overwrite: "1970-01-01"}
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by}
"""


def memory(process: int, name: str) -> float:
    """MB of a process: VmRSS as it is, VmHWM the most that it ever was; 0 once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    if "\nState:\tZ" in status:
        return 0
    for line in status.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise SystemExit("this bench reads /proc")


def family(process: int) -> list[int]:
    """A process and all that it began, but those of the database."""
    found = [process]
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (each / "stat").read_text()
            if int(stat.rpartition(")")[2].split()[1]) in found and "(python" in stat:
                found.append(int(each.name))
    return sorted(set(found))


class Server:
    """`kept serve` on a deployment whose database is its own."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "kept.app", "serve", "--port", "0", "--json",
             "--dir", str(directory)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], 120)[0]:
            raise SystemExit("the server did not start")
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def fetch(self, path: str, out: Path, cookie: str | None, **fields: str) -> tuple[float, float]:
        """(seconds, MB more than before) for one answer, written to a file as it comes."""
        them = family(self.process.pid)
        before = {one: memory(one, "VmRSS") for one in them}
        for one in them:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # the most that it was, from here on
                Path(f"/proc/{one}/clear_refs").write_text("5")
        start = time.perf_counter()
        with (
            out.open("wb") as file,
            httpx.stream(
                "POST", self.url + path, data=fields, timeout=1200,
                headers={"Origin": self.url, **({"Cookie": f"kept={cookie}"} if cookie else {})},
            ) as answer,
        ):  # fmt: skip
            for part in answer.iter_raw():
                file.write(part)
        seconds = time.perf_counter() - start
        if answer.headers.get("content-type") != "application/zip":
            raise SystemExit(f"{path} answered {answer.status_code}")
        return seconds, sum(max(0.0, memory(one, "VmHWM") - mb) for one, mb in before.items())


@contextlib.contextmanager
def deployed(rows: int) -> Iterator[tuple[Path, str, Session]]:
    """(directory, case, session of an officer)."""
    directory = Path(tempfile.mkdtemp(prefix="kept-bench-package-"))
    try:
        with sqlite3.connect(directory / "shop.sqlite") as shop:
            shop.executescript(SCHEMA)
            shop.execute(FILL, (rows,))
        (directory / "shop.yml").write_text(MAP, "utf-8")
        shutil.copytree(ROOT / "policies" / "interop.io", directory / "policy")
        (directory / "kept.toml").write_text(
            'bundle = "policy"\ndatabase = "embedded"\n[systems.shop]\nstore = "sqlite"\n'
            f'url = "sqlite:///{directory / "shop.sqlite"}"\nmode = "act"\nmap = "shop.yml"\n',
            "utf-8",
        )
        now = dt.datetime.now(dt.UTC)
        with Controller.open(deployment.read(directory)) as controller:
            request = Request(((WHO,),), "bench", "operator", evidence="a bench")
            case = open_case(controller, "access", request, now)[0].id
            with controller.database.connection() as c:
                made = controller.accounts.add("olga", "Olga", "x", now, connection=c)
                controller.accounts.set_password(made, "x", connection=c)
                controller.accounts.offer_secret(made, connection=c)
                controller.accounts.enrol(made, 0, connection=c)
                controller.accounts.grant(
                    made, "privacy-officer", "a bench", None, now, connection=c
                )
                account = controller.accounts.get(made.number, now, connection=c)
                session = controller.sessions.begin(account, now, proven=True, connection=c)
        yield directory, case, session
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def linked(directory: Path, case: str, package: Path) -> tuple[str, str]:
    """Token and code of the link behind which the package waits."""
    now = dt.datetime.now(dt.UTC)
    with Controller.open(deployment.read(directory)) as controller:
        actor = controller.actors.of("bench", "operator", now)
        made = delivery.deliver(controller, case, package, actor, now)
        return made.token, delivery.code_for(controller, case, now)


def run(args: argparse.Namespace) -> Result:
    with deployed(args.rows) as (directory, case, session):
        server = Server(directory)
        try:
            httpx.get(f"{server.url}/privacy")  # so that what is loaded once is loaded
            httpx.get(f"{server.url}/desk", headers={"Cookie": f"kept={session.token}"})
            path, got = f"/desk/cases/{case}/package", directory / "got.zip"
            met = {
                "made and handed out at the desk": server.fetch(
                    path, got, session.token, csrf=session.csrf
                ),
                "handed out again": server.fetch(
                    path, directory / "again.zip", session.token, csrf=session.csrf
                ),
            }
            if got.read_bytes() != (directory / "again.zip").read_bytes():
                raise SystemExit("the package was another the second time")
            token, code = linked(directory, case, got)
            met["through the link"] = server.fetch(
                f"/privacy/delivery/{token}/package", directory / "link.zip", None, code=code
            )
        finally:
            server.stop()
        start = time.perf_counter()
        with got.open("rb") as source, (directory / "copy.zip").open("wb") as target:
            shutil.copyfileobj(source, target)
            target.flush()
            os.fsync(target.fileno())
        copied = time.perf_counter() - start
        size = got.stat().st_size
    rows = [Row(f"{name}: more memory", GOAL, more, "MB", 1) for name, (_, more) in met.items()]
    rows += [Row(f"{name}: time, beside a copy", copied, s, "s") for name, (s, _) in met.items()]
    return Result(tuple(rows), {"rows of the person": args.rows, "bytes of the package": size})


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=200_000, help="of the one person")


if __name__ == "__main__":
    bench("package", run, arguments=arguments)
