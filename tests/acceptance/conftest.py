"""One acceptance world: the example company at work, with its deployment of Kept.

Both sites run as processes of their own on loopback ports; tests enter by them and by the
command line. People of the Cast are only read, so that every test finds them as they were; a
test that changes somebody's life brings that somebody along (`person`, `World.stranger`).
"""

from __future__ import annotations

import contextlib
import html.parser
import http.client
import io
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import psutil
import psycopg
import pytest
from examples.company import world as company
from examples.company.door import Answer, Door, Use
from examples.company.life import Browser

from kept.app.cli import main
from kept.database import Database
from tests.world import REFERENCE, ROOT, edit

#: The world's policy has a past: an edition before that of the reference bundle.
BEFORE, IN_FORCE = "2022-01-10", "2023-06-27"
#: A sentence of the text, and how the edition before had it.
SENTENCE = "Please come back every so often and read it again."
EARLIER = "Please read it again."


class Ran(NamedTuple):
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        return self.out + self.err


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    text: str


class Page(html.parser.HTMLParser):
    """What a browser would find on a page: ids, links, what it would fetch, run or show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetches: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self._text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {k: v or "" for k, v in attrs}
        self.tags.append(tag)
        self.attributes += values
        if "id" in values:
            self.ids.append(values["id"])
        if tag in ("a", "form"):
            self.links.append(values.get("href", values.get("action", "")))
        names = ("src", "srcset", "data", "poster", "background")
        self.fetches += [values[n] for n in names if n in values]
        if tag == "link":
            self.fetches.append(values["href"])

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    @property
    def text(self) -> str:
        """All words, with single blanks."""
        return " ".join("".join(self._text).split())


def get(url: str) -> Reply:
    """An anonymous GET; redirections are followed by hand, so that a cookie would be seen."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", place.path or "/", headers={"Accept": "text/html"})
        reply = connection.getresponse()
        return Reply(reply.status, reply.headers, reply.read().decode())


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(*command: str, log: Path | None = None) -> Iterator[dict[str, Any]]:
    """A server for a while; the line of JSON with which it says that it is ready.

    What it says on stderr goes into `log`.
    """
    with (log or Path(os.devnull)).open("ab") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=err,
            text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"`{command[0]}` did not start"
        yield json.loads(line)
    finally:
        process.terminate()
        assert process.wait(30) == 0
        assert process.stdout is not None
        process.stdout.close()


def kept(directory: Path, *arguments: object, json: bool = True) -> Ran:
    """The command `kept` on a deployment."""
    out, err = io.StringIO(), io.StringIO()
    given = [str(a) for a in arguments] + ["--dir", str(directory)] + ["--json"] * json
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main(given)
    assert isinstance(end.value.code, int)
    return Ran(end.value.code, out.getvalue(), err.getvalue())


def decisions(copy: Path) -> Iterator[dict[str, Any]]:
    """The entries of an exported ledger, read by hand (C2SP tlog-tiles entry bundles)."""
    bundles = [p for p in (copy / "tile" / "entries").rglob("*") if p.is_file()]
    for path in sorted(bundles, key=lambda p: re.sub(r"\D", "", str(p.relative_to(copy)))):
        data, at = path.read_bytes(), 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 2], "big")
            yield json.loads(data[at + 2 : at + 2 + size])
            at += 2 + size


@dataclass
class Pack:
    """A package of an access, opened."""

    answer: dict[str, Any]
    page: str
    rows: dict[str, list[dict[str, Any]]]
    files: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> Pack:
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        rows = {
            name.removeprefix("data/").removesuffix(".json"): json.loads(data)
            for name, data in files.items()
            if name.startswith("data/") and name.endswith(".json")
        }
        answer = json.loads(files["answer.json"])
        return cls(
            answer, files["index.html"].decode(), {k: v for k, v in rows.items() if v}, files
        )


@dataclass
class World:
    """The world: where it lies, where it answers, and how to ask it."""

    directory: Path
    site: str
    url: str
    database: str
    scratch: Path
    _number: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def log(self) -> Path:
        """What both servers said on stderr."""
        return self.scratch / "servers.log"

    @property
    def company(self) -> company.World:
        return company.load(self.directory)

    @property
    def door(self) -> Door:
        """The company's own way to ask Kept."""
        return Door(self.url, self.company.token)

    def ask(
        self,
        purpose: str,
        category: str,
        *grounds: str,
        context: str = "site-form",
        region: str = "EEA",
        email: str | None = None,
    ) -> Answer:
        """POST /api/v1/decide."""
        return self.door.ask(Use(purpose, context, region, grounds), category, email)

    def kept(self, *arguments: object, json: bool = True) -> Ran:
        return kept(self.directory, *arguments, json=json)

    def rows(self) -> company.Rows:
        """Every row of the company, looked at without Kept."""
        return company.everything(self.company)

    def browser(self) -> Browser:
        """Somebody's browser, at the company's site."""
        return Browser(self.site)

    def stranger(self) -> str:
        """An e-mail address that nobody has used yet."""
        return f"new.{os.getpid()}.{next(self._number)}@example.org"

    def new(self, name: str) -> Path:
        """A path that nothing lies at."""
        return self.scratch / f"{name}-{next(self._number)}"

    def access(self, email: str, directory: Path | None = None) -> tuple[Ran, Pack]:
        """`kept rights access` and the package it wrote."""
        out = self.new("pack").with_suffix(".zip")
        ran = kept(
            directory or self.directory, "rights", "access", "--identity", f"email={email}",
            "--override", "acceptance", "--out", out,
        )  # fmt: skip
        return ran, Pack.read(out)

    def ledger(self) -> list[dict[str, Any]]:
        """All entries, from an export."""
        copy = self.new("ledger")
        assert self.kept("ledger", "export", copy).status == 0
        return list(decisions(copy))

    def proof(self, clause: str, directory: Path | None = None) -> dict[str, Any]:
        """What `kept prove --clause` says of one clause."""
        ran = kept(directory or self.directory, "prove", "--clause", clause)
        (one,) = ran.document["clauses"]
        assert one["id"] == clause
        assert ran.status == (1 if one["outcome"] in ("fail", "error", "expired") else 0)
        found: dict[str, Any] = one
        return found

    def proven(self, clause: str) -> None:
        """The clause's own controls looked at something here, and found nothing amiss."""
        one = self.proof(clause)
        findings = [f for e in one["evidence"] for f in e["findings"]]
        assert (one["outcome"], findings) == ("pass", []), findings
        assert one["looked_at"] > 0

    def edition(self, *edits: tuple[str, str, str]) -> Path:
        """A deployment of the same world with a bundle of its own, changed: (file, was, is)."""
        place = self.new("edition")
        shutil.copytree(self.directory / "policy", place / "policy")
        for name in ("datamap", "documents", "keys"):
            shutil.copytree(self.directory / name, place / name)
        (place / "company").mkdir()
        shutil.copy(self.directory / "company" / "token", place / "company" / "token")
        text = (self.directory / "kept.toml").read_text("utf-8")
        text = text.replace('database = "embedded"', f"database = {json.dumps(self.database)}")
        text = text.replace("company/support.sqlite3", self.company.support)
        (place / "kept.toml").write_text(text, "utf-8")
        for name, was, now in edits:
            edit(place / "policy" / name, was, now)
        return place

    @contextlib.contextmanager
    def sql(self) -> Iterator[psycopg.Connection[Any]]:
        """Kept's own database, past Kept: as somebody with its password."""
        with psycopg.connect(self.database) as connection:
            yield connection

    def dump(self) -> dict[str, list[str]]:
        """Table → all rows of Kept's own database as text, in an order of their own."""
        with self.sql() as connection:
            tables = [
                str(name)
                for (name,) in connection.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                )
            ]
            found = {}
            for table in sorted(tables):
                rows = connection.execute(f'SELECT t::text FROM "{table}" t').fetchall()
                found[table] = sorted(str(row[0]) for row in rows)
        return found


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The acceptance world, for the whole run of this process."""
    base = tmp_path_factory.mktemp("acceptance")
    directory = base / "company"
    port = free_port()
    with contextlib.ExitStack() as stack:
        stack.callback(_nothing_left, directory)
        _company("prepare", str(directory), "--port", str(port))
        stack.callback(_company, "stop", str(directory))
        database = stack.enter_context(Database.open("embedded", directory))
        _publish(directory)
        log = base / "servers.log"
        kept_ = stack.enter_context(
            serving("kept.app", "serve", "--dir", str(directory), "--port", str(port), "--json",
                    log=log)
        )  # fmt: skip
        site = stack.enter_context(
            serving("examples.company", "site", str(directory), "--port", "0", log=log)
        )
        yield World(directory, site["site"], kept_["url"], database.url, base)


def _company(*arguments: str) -> None:
    command = [sys.executable, "-m", "examples.company", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def _publish(directory: Path) -> None:
    """Two editions of the policy, one after the other, each on its day."""
    policy = directory / "policy"
    settings = directory / "kept.toml"
    settings.write_text(
        re.sub(r"(?m)^bundle = .*$", 'bundle = "policy"', settings.read_text("utf-8"), count=1),
        "utf-8",
    )
    shutil.copytree(REFERENCE, policy)
    edit(policy / "policy.yml", f"version: {IN_FORCE}", f"version: {BEFORE}")
    edit(policy / "text.md", SENTENCE, EARLIER)
    for version in (BEFORE, IN_FORCE):
        ran = kept(directory, "policy", "publish", "--now", f"{version}T09:00:00Z")
        assert ran.status == 0, ran.said
        shutil.rmtree(policy)
        shutil.copytree(REFERENCE, policy)


def _nothing_left(directory: Path) -> None:
    here = str(directory)
    left = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(here in word for word in process.info["cmdline"] or [])
    ]
    assert not left, "a process of the world was left behind"


@pytest.fixture
def person(world: World) -> tuple[str, Browser]:
    """A new customer with a free trial, an account and a paid order, and her browser."""
    email, browser = world.stranger(), world.browser()
    status, said = browser.send("/trial", email=email, name="Noa O'Brien-Łuc")
    assert status == 201, said
    status, said = browser.send(
        "/onboarding", email=email, name="Noa O'Brien-Łuc", address="Street 9\nHamburg",
        country="DE", password="a long enough secret", terms="yes",
    )  # fmt: skip
    assert status == 201, said
    status, said = browser.send("/order", quantity="2")
    assert status == 201, said
    return email, browser


def crawl(base: str, start: str = "/") -> dict[str, Reply]:
    """Path → reply, of all pages of one host that links lead to."""
    found: dict[str, Reply] = {}
    todo = [start]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        reply = found[path] = get(base + path)
        targets: list[str] = []
        if reply.status in (301, 302, 303, 307, 308):
            targets = [reply.headers["Location"]]
        elif "html" in (reply.headers["Content-Type"] or ""):
            page = Page(reply.text)
            targets = [*page.links, *page.fetches]
        for target in targets:
            place = urlsplit(urljoin(base + path, target))
            if place.netloc == urlsplit(base).netloc and place.scheme == "http":
                todo.append(place.path)
    return found


def headings(bundle: Path) -> list[str]:
    """The codes of the sections in the order of text.md, read without Kept."""
    return re.findall(r"\{section=([A-Z]+)\}", (bundle / "text.md").read_text("utf-8"))
