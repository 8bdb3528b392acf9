"""A real MariaDB for the tests: one server per run, in a directory of its own.

The programs come with the system (`tools/setup system`); nothing of a service that runs there
is used. Workers of one run share the server; the last of them stops it.
"""

from __future__ import annotations

import fcntl
import getpass
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pymysql
import pytest

_PATHS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
#: Where the server's own tables are written down; the files were renamed in version 11.
_SCRIPTS = [
    sorted(Path("/usr/share").glob(f"m[ay]*/m[ay]*_{name}.sql"))
    for name in ("system_tables", "performance_tables", "system_tables_data")
]
PROGRAM = shutil.which("mariadbd", path=_PATHS) if all(_SCRIPTS) else None
_PATIENCE = 60.0
#: How the server begins to tell that it fell, and how much of that is worth reading, in characters.
_FELL = " got signal "
_TRACE = 4000


class Mariadb:
    """A server on a socket, which listens to no port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._hold = directory / "hold"
        # a socket's path is short, and that of a test's directory need not be
        self._link = directory / "socket.at"

    @property
    def socket(self) -> Path:
        return Path(self._link.read_text()) / "s"

    @property
    def pid(self) -> int:
        return int((self.directory / "pid").read_text())

    @staticmethod
    def here() -> bool:
        """Whether the programs are installed."""
        return PROGRAM is not None

    @property
    def _users(self) -> Path:
        return self.directory / "users"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._hold.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def acquire(self) -> None:
        """Start the server unless another worker has."""
        with self._alone():
            users = int(self._users.read_text()) if self._users.exists() else 0
            if not users:
                self._start()
            self._users.write_text(str(users + 1))

    def release(self) -> None:
        """Stop it when nobody is left."""
        with self._alone():
            users = int(self._users.read_text()) - 1
            self._users.write_text(str(users))
            if not users:
                self._stop()

    def connect(self, database: str | None = None) -> pymysql.Connection:
        """As its superuser."""
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=database, charset="utf8mb4",
            autocommit=True, ssl_disabled=True,
        )  # fmt: skip

    def make_database(self, name: str) -> str:
        """An empty database and a role of its own, which may do what Kept needs; its URL."""
        password = secrets.token_urlsafe(12) + "@:/%"
        self.again()
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}`")  # in the server's own character set
            cursor.execute(f"CREATE USER `{name}`@localhost IDENTIFIED BY %s", (password,))
            rights = (
                "SELECT, INSERT, UPDATE, DELETE, CREATE, CREATE TEMPORARY TABLES, CREATE VIEW,"
                " DROP, ALTER, INDEX, REFERENCES, TRIGGER"
            )
            cursor.execute(f"GRANT {rights} ON `{name}`.* TO `{name}`@localhost")
        return self.url(name, name, password)

    def again(self) -> None:
        """Start the server again where somebody uses it and it does not answer."""
        with self._alone():
            if not int(self._users.read_text()):
                return
            try:
                self.connect().close()
            except pymysql.Error:
                self._await_end()
                self.restart()

    def falls(self) -> list[str]:
        """What the server wrote of each time that it fell by itself, with its own trace.

        It writes of every signal but that with which tests kill it, SIGKILL.
        """
        log = self.directory / "log"
        _, *fallen = log.read_text("utf-8", "replace").split(_FELL) if log.exists() else ("",)
        return [_FELL + told[:_TRACE] for told in fallen]

    def url(self, database: str, user: str, password: str) -> str:
        where = quote(str(self.socket), safe="")
        return f"mariadb://{user}:{quote(password, safe='')}@/{database}?unix_socket={where}"

    def drop(self, name: str) -> None:
        self.again()
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
            cursor.execute(f"DROP USER IF EXISTS `{name}`@localhost")

    def _run(self, *options: str) -> list[str]:
        assert PROGRAM is not None
        return [
            PROGRAM, "--no-defaults", f"--user={getpass.getuser()}",
            f"--datadir={self.directory / 'data'}", "--innodb-log-file-size=16M",
            "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=1", *options,
        ]  # fmt: skip

    def _start(self) -> None:
        (self.directory / "data").mkdir()
        words = ["create database mysql;\nuse mysql;\n"]
        words += [paths[0].read_text("utf-8") for paths in _SCRIPTS]
        with (self.directory / "log").open("ab") as log:
            subprocess.run(
                self._run("--bootstrap"), input="".join(words).encode(), stdout=log, stderr=log,
                check=True, timeout=_PATIENCE,
            )  # fmt: skip
        self._link.write_text(tempfile.mkdtemp(prefix="kept-m-"))
        self.restart()

    def restart(self) -> None:
        """Start a server that is not running."""
        with (self.directory / "log").open("ab") as log:
            server = subprocess.Popen(
                self._run(f"--socket={self.socket}", "--skip-networking"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        (self.directory / "pid").write_text(str(server.pid))
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                self.connect().close()
                return
            except pymysql.Error:
                if time.monotonic() > end or server.poll() is not None:
                    raise
                time.sleep(0.05)

    def _stop(self) -> None:
        if _runs(self.pid):  # else a test has killed it and was stopped before it came back
            with self.connect() as connection, connection.cursor() as cursor:
                cursor.execute("SHUTDOWN")
        self._await_end()
        shutil.rmtree(self.socket.parent, ignore_errors=True)
        shutil.rmtree(self.directory / "data", ignore_errors=True)

    def _await_end(self) -> None:
        end = time.monotonic() + _PATIENCE
        while _runs(self.pid):
            assert time.monotonic() < end, "the server of the tests did not stop"
            time.sleep(0.05)


#: Under which a run keeps its server, once a test has asked for it.
SERVER = pytest.StashKey[Mariadb]()


def _runs(pid: int) -> bool:
    """Whether the process is there and is not only waiting for its parent to look."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")
