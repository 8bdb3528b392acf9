"""Real servers for the tests: one embedded cluster per run, fresh databases in it."""

from __future__ import annotations

import fcntl
import gc
import itertools
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import kept.duties.table  # noqa: F401 — the shipped controls are known, as where they are run
from kept.database import Database
from kept.embedded import ROLE, SUPERUSER, Server, url_of
from tests import memory
from tests.mariadb import PROGRAM, SERVER, Mariadb
from tests.world import make as make_world

# Hundreds of tests start `kept`. Where Python is told to keep no bytecode, each start would compile
# all of it again, which takes longer than what most of them look at.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What is read in and collected stays. To look through it for what does not, again and again, takes
# a fifth of the time until the first test, and goes on in the tests.
gc.disable()

#: Lists what was skipped, and lets CI skip for one reason only; a server that fell over by itself
#: takes no test with it.
pytest_plugins = ["tests._skips", "tests._falls"]

#: Speed in exchange for durability across power cuts, which no test of these fixtures needs.
CARELESS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
}

#: Files that keep a worker for a quarter of a minute or longer.
LONG = (
    "demo", "desk_story", "controls", "benches", "browser", "company", "matrix", "kills",
    "jobs", "cli", "map_discover", "decide_laws", "scan_browser", "gateway_browser", "web",
    "street", "desk_browser", "bulk_together", "skips", "desk_incidents_browser", "ways_browser",
    "package_files", "forms", "compile_laws", "asking_browser", "bench_links",
)  # fmt: skip

_TEMPLATE = "kept_template"
_numbers = itertools.count(1)
_OURS = pytest.StashKey[Path]()
_FINE = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give each run a directory of its own.

    pytest would put all runs under one, and take from other accounts the right to walk through
    it whenever a run begins: a server that runs as another account (because we are root) would
    lose its files while it works.
    """
    if not hasattr(config, "workerinput") and config.option.basetemp is None:
        # Tests get theirs below it: pytest empties what it is given.
        ours = memory.directory()
        config.option.basetemp = str(ours / "t")
        config.stash[_OURS] = ours


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it; what the tests of a failed run left is kept to be looked at, until the next."""
    ours = config.stash.get(_OURS, None)
    if ours is not None and config.stash.get(_FINE, False):
        shutil.rmtree(ours, ignore_errors=True)
    elif ours is not None:
        for server in ("postgres", "mariadb"):
            shutil.rmtree(ours / "t" / server, ignore_errors=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[_FINE] = int(exitstatus) in (0, 5)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first, so that at the end no worker waits for the other.

    In the one acceptance world clauses come before what goes wrong on purpose and what links
    people: a world in which somebody was linked or erased shows more than a clause speaks of.
    """
    sizes = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        name = item.path.stem.removeprefix("test_")
        if item.path.parent.name == "acceptance":
            return 1 if name[0].isupper() else 2, -sizes[item.path]
        return (0, LONG.index(name)) if name in LONG else (3, -sizes[item.path])

    items.sort(key=place)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """From here on waste is looked for as ever; what is there now is left out."""
    gc.freeze()
    gc.enable()


class Cluster(Server):
    """A server whose copies of the template cost little: thousands of tests want one."""

    _hand: psycopg.Connection | None = None
    _last: str | None = None

    def make_database(self, name: str, *, role: str = ROLE, template: str = "template0") -> str:
        if template != _TEMPLATE:
            return super().make_database(name, role=role, template=template)
        # File by file: in memory, and without waiting for a disk, less work than page by page.
        self.hand.execute(
            f'CREATE DATABASE "{name}" OWNER "{role}" TEMPLATE "{template}" STRATEGY file_copy'
        )
        self.hand.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        return self.url(name, role)

    def drop(self, name: str) -> None:
        """Drop a database that no test needs any more, with the next one: who was connected till
        now is still leaving, and to wait for it takes longer than most of the tests.
        """
        before, self._last = self._last, name
        if before is not None:
            self.hand.execute(f'DROP DATABASE IF EXISTS "{before}" WITH (FORCE)')

    @property
    def hand(self) -> psycopg.Connection:
        """One connection for all that is made and dropped."""
        if self._hand is None:
            self._hand = psycopg.connect(self.url("postgres", SUPERUSER), autocommit=True)
        return self._hand

    def release(self) -> None:
        if self._hand is not None:
            self._hand.close()
            self._hand = None
        super().release()


@pytest.fixture(scope="session")
def pg_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The run's PostgreSQL server; workers of one run share it."""
    server = Cluster(_base(tmp_path_factory) / "postgres", CARELESS)
    server.acquire()
    try:
        yield server
    finally:
        server.release()


def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the run, whichever of its workers asks."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


def _name(prefix: str) -> str:
    return f"{prefix}_{os.getpid()}_{next(_numbers)}"


@pytest.fixture(scope="module")
def pg_url(pg_server: Cluster) -> Iterator[str]:
    """The URL of an empty database, one per test module, owned by the ordinary role `company`."""
    name = _name("company")
    yield pg_server.make_database(name, role="company")
    pg_server.drop(name)


@pytest.fixture
def fresh_pg_url(pg_server: Cluster) -> Iterator[str]:
    """Like `pg_url`, but one per test."""
    name = _name("company")
    yield pg_server.make_database(name, role="company")
    pg_server.drop(name)


@pytest.fixture(scope="session")
def maria_server(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Mariadb]:
    """The run's MariaDB server; workers of one run share it."""
    if PROGRAM is None:
        pytest.skip("no MariaDB is installed here: `tools/setup system`")
    server = Mariadb(_base(tmp_path_factory) / "mariadb")
    server.acquire()
    pytestconfig.stash[SERVER] = server
    try:
        yield server
    finally:
        server.release()


@pytest.fixture(scope="module")
def maria_url(maria_server: Mariadb) -> Iterator[str]:
    """The URL of an empty MariaDB database, one per test module, and of an ordinary role."""
    name = _name("company")
    yield maria_server.make_database(name)
    maria_server.drop(name)


@pytest.fixture
def fresh_maria_url(maria_server: Mariadb) -> Iterator[str]:
    """Like `maria_url`, but one per test."""
    name = _name("company")
    yield maria_server.make_database(name)
    maria_server.drop(name)


@pytest.fixture(scope="session")
def _kept_template(pg_server: Cluster) -> str:
    """A migrated database to copy. One worker makes it; nobody copies it before it is done."""
    ready = pg_server.directory / "template.ready"
    with (pg_server.directory / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            pg_server.make_database(_TEMPLATE)
            Database.open(pg_server.url(_TEMPLATE), pg_server.directory).close()
            ready.touch()
    return _TEMPLATE


@pytest.fixture
def kept_db(pg_server: Cluster, _kept_template: str, tmp_path: Path) -> Iterator[Database]:
    """Kept's own database, migrated and empty, one per test."""
    name = _name("kept")
    url = pg_server.make_database(name, template=_kept_template)
    database = Database.open(url, tmp_path)
    yield database
    database.close()
    pg_server.drop(name)


@pytest.fixture(scope="module")
def kept_module_url(pg_server: Cluster, _kept_template: str) -> Iterator[str]:
    """Like `kept_url`, but one per test module."""
    name = _name("kept")
    yield pg_server.make_database(name, template=_kept_template)
    pg_server.drop(name)


@pytest.fixture(scope="module")
def kept_module_db(
    kept_module_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Like `kept_db`, but one per test module: for generated examples that add up."""
    database = Database.open(kept_module_url, tmp_path_factory.mktemp("kept"))
    yield database
    database.close()


@pytest.fixture(scope="session")
def older_pg_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a superuser, with a password, on a PostgreSQL older than the embedded one."""
    homes = sorted(Path("/usr/lib/postgresql").glob("1[5-7]/bin/initdb"))
    if not homes:
        pytest.skip("no PostgreSQL 15 to 17 is installed here")
    programs = homes[0].parent
    base = tmp_path_factory.mktemp("older")
    account: dict[str, object] = {}
    if os.geteuid() == 0:
        entry = pwd.getpwnam("pgserver")
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        os.chown(base, entry.pw_uid, entry.pw_gid)
        for directory in (base.parent, base.parent.parent):
            directory.chmod(directory.stat().st_mode | 0o011)
    password = secrets.token_urlsafe(16)
    secret = base / "password"
    secret.write_text(password)
    secret.chmod(0o644)
    data = base / "data"

    def run(*command: object) -> None:
        with (base / "out").open("ab") as out:
            subprocess.run(
                [str(part) for part in command], check=True, cwd="/", stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, **account,  # type: ignore[call-overload]
            )  # fmt: skip

    run(
        programs / "initdb", "-D", data, "-U", "postgres", "--auth=scram-sha-256",
        f"--pwfile={secret}", "--encoding=UTF8", "--no-locale", "--no-sync",
    )  # fmt: skip
    options = f"-c listen_addresses='' -c fsync=off -k {base}"
    run(programs / "pg_ctl", "start", "-w", "-s", "-D", data, "-l", base / "log", "-o", options)
    try:
        yield url_of(user="postgres", password=password, host=str(base), dbname="postgres")
    finally:
        run(programs / "pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", data)


@pytest.fixture
def kept_url(pg_server: Cluster, _kept_template: str) -> Iterator[str]:
    """The URL of a migrated, empty database for Kept's own state, one per test."""
    name = _name("kept")
    yield pg_server.make_database(name, template=_kept_template)
    pg_server.drop(name)


@pytest.fixture
def world(kept_url: str, tmp_path: Path) -> Path:
    """A small deployment over a SQLite shop (tests.world), not yet opened."""
    return make_world(tmp_path / "world", kept_url)
