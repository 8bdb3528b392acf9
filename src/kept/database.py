"""Kept's own PostgreSQL: embedded, or by URL (15 to 18, no extension needed).

The embedded server is one cluster per deployment directory, `DIR/postgres`. The first process
that opens it starts it, others share it, the last one to close it stops it. It listens on a
UNIX socket only, and lets in only the operating-system user that it was made by.

Kept connects as a role that is neither superuser nor above row policies, because such a role
passes every grant: no control may run as one. Where the URL names a superuser, Kept makes an
ordinary role of its own and connects as that.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolTimeout

from kept import migrations
from kept.embedded import ROLE, Server, url_of
from kept.errors import DatabaseError
from kept.private import make_private
from kept.wire import Prepared, Statement, Wire

#: A connection whose rows are plain tuples.
Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
#: What a statement answers with.
Cursor: TypeAlias = psycopg.Cursor[tuple[Any, ...]]

OLDEST: Final = 15
#: Seconds until a database that does not answer counts as not there.
PATIENCE: Final = 10
#: Seconds after which a connection of the pool is asked whether it is still there.
IDLE: Final = 10
#: When each was taken from the pool last.
_ASKED: Final[weakref.WeakKeyDictionary[Connection, float]] = weakref.WeakKeyDictionary()
#: What is prepared on connections on which nobody else prepares.
_PREPARED: Final[weakref.WeakKeyDictionary[Connection, Prepared]] = weakref.WeakKeyDictionary()
#: Set on every connection. Times come back in UTC; a lost client gives its locks back.
_SESSION: Final[dict[str, Any]] = {
    "application_name": "kept",
    "connect_timeout": str(PATIENCE),
    "options": "-c timezone=UTC -c client_min_messages=warning"
    " -c idle_in_transaction_session_timeout=600000",
}
#: Said of a server whose name cannot be told from a part of a password.
UNNAMED: Final = (
    "a server that cannot be named here: in the URL an `@` stands where a part of the password"
    " could be (write it as %40)"
)
_PASSWORD_FILE: Final = "database.password"  # noqa: S105 — the name of a file, not a password


class Database:
    """A pool of connections to Kept's own PostgreSQL, migrated to this version of Kept.

    Threads may share it; processes open their own.
    """

    def __init__(self, url: str, *, server: Server | None = None, size: int = 10) -> None:
        """Open the pool on `url` (a role that is no superuser). Most callers want `open`."""
        self.url = url
        self._server = server
        self._pool = self._pooled(1, size)
        # psycopg destroys all that is prepared where one of its own goes; here it has none.
        self._quick = self._pooled(0, size, prepare_threshold=None)

    def _pooled(self, least: int, most: int, **more: Any) -> ConnectionPool[Connection]:
        return ConnectionPool(
            self.url,
            kwargs=_session(self.url) | more,
            min_size=least,
            max_size=most,
            open=False,
            timeout=30,
            configure=_newborn,
            check=_alive,
            name="kept",
        )

    @classmethod
    def open(cls, spec: str, directory: Path) -> Database:
        """Open the database of a deployment: `spec` is `embedded` or a PostgreSQL URL.

        Makes what is missing (cluster, role, database, tables) and migrates. Two processes may
        do so at once. Raises DatabaseError when the server cannot be reached, is too old, or
        holds tables of a newer Kept.
        """
        if spec == "embedded":
            server = Server(directory / "postgres")
            server.acquire()
            try:
                url = server.make_database("kept")
                _migrate(url)
                return cls._opened(url, server)
            except BaseException:
                server.release()
                raise
        if not spec.startswith(("postgresql://", "postgres://")):
            raise DatabaseError(
                "the setting `database` is not one that Kept knows",
                expected='"embedded", a URL that starts with postgresql://, or "env:NAME"',
                fix="correct `database` in kept.toml",
            )
        return cls._opened(_prepared(spec, directory), None)

    @classmethod
    def _opened(cls, url: str, server: Server | None) -> Database:
        database = cls(url, server=server)
        database._pool.open()
        return database

    @contextlib.contextmanager
    def connection(self, *, quick: bool = False) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back on any error.

        An error of PostgreSQL that leaves the block becomes a DatabaseError without values.
        `quick`: for who mostly runs the same few statements `at_once`, which stay prepared on it;
        those of the driver are not.
        """
        failure: DatabaseError | None = None
        pool = self._quick if quick else self._pool
        try:
            if quick:
                pool.open()  # the first time; those who never need it have no connection for it
            with pool.connection() as connection:
                yield connection
        except PoolTimeout:
            failure = DatabaseError(
                "Kept's database did not give a connection in time",
                met=self.where,
                fix="see whether PostgreSQL runs and has connections left (max_connections)",
            )
        except psycopg.Error as error:
            failure = without_values(error)
        if failure is not None:
            raise failure from None

    @contextlib.contextmanager
    def by_statement(self, connection: Connection | None = None) -> Iterator[Connection]:
        """A connection on which every statement stands by itself, or the caller's transaction.

        For reading: in READ COMMITTED every statement sees what is committed when it begins,
        so the two messages of a transaction around it would buy nothing.
        """
        if connection is not None:
            yield connection
            return
        with self.connection() as own:
            own.autocommit = True
            try:
                yield own
            finally:
                # One that broke, or stopped in the middle, the pool throws away.
                if own.info.transaction_status is TransactionStatus.IDLE:
                    own.autocommit = False
                else:
                    own.close()

    @contextlib.contextmanager
    def within(self, connection: Connection | None) -> Iterator[Connection]:
        """The caller's transaction where there is one, else one of its own."""
        if connection is not None:
            yield connection
            return
        with self.connection() as own:
            yield own

    @property
    def files(self) -> Path | None:
        """Where the server's own files lie; None where they are not ours to read."""
        return None if self._server is None else self._server.data

    @property
    def where(self) -> str:
        """The database in words, without a password."""
        return place(self.url)

    def close(self) -> None:
        """Give all connections back; stop the embedded server if nobody else uses it."""
        self._pool.close()
        self._quick.close()
        if self._server is not None:
            self._server.release()
            self._server = None

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _newborn(connection: Connection) -> None:
    """One that has just been made answered just now."""
    _ASKED[connection] = time.monotonic()


def _alive(connection: Connection) -> None:
    """Ask the server only where there is a reason to: a server that went has left word in the
    socket, and one that a network swallowed has been silent for a while.
    """
    now = time.monotonic()
    last, _ASKED[connection] = _ASKED.get(connection, 0.0), now
    met = select.poll()
    met.register(connection, select.POLLIN)
    if met.poll(0) or now - last > IDLE:
        ConnectionPool.check_connection(connection)


def at_once(connection: Connection, statements: Sequence[Statement]) -> list[list[Any]]:
    """The rows of each statement (with $1, $2, … in it), all of them in one round trip.

    Begins the transaction where none is open, as the driver does.
    """
    begin = not connection.autocommit and (
        connection.info.transaction_status is TransactionStatus.IDLE
    )
    sole = connection.prepare_threshold is None
    known = _PREPARED.setdefault(connection, Prepared()) if sole else None
    wire = Wire(connection, connection, prepare=sole, known=known)
    sent = [("BEGIN", ()), *statements] if begin else statements
    found: list[list[Any]] = [[] for _ in sent]
    try:
        for index, rows, _ in wire.run(sent):
            found[index] += rows
    except psycopg.OperationalError:
        if wire.broken:
            connection.close()
        raise
    return found[1:] if begin else found


def without_values(error: psycopg.Error) -> DatabaseError:
    """The error without what PostgreSQL quotes from rows and statements.

    Keeps the kind, the SQLSTATE and the names of table, column and constraint. The error
    itself loses its text too, because Python shows it as the context of what is raised next.
    """
    diag = error.diag
    error.args = (type(error).__name__,)
    named = [
        f"{what} `{name}`"
        for what, name in (
            ("table", diag.table_name),
            ("column", diag.column_name),
            ("constraint", diag.constraint_name),
        )
        if name
    ]
    # Without a state the connection broke; 57P and 08 are a server that goes, or is gone.
    lost = error.sqlstate is None or error.sqlstate.startswith(("57P", "08"))
    if lost and isinstance(error, psycopg.OperationalError):
        return DatabaseError(
            "the connection to Kept's database was lost",
            fix="see whether PostgreSQL runs; what was not committed is undone, so run it again",
        )
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    return DatabaseError(
        "Kept's database refused a statement",
        met=", ".join([f"{type(error).__name__}{state}", *named]),
        fix="nothing of it was kept",
    )


def names_its_host(url: str) -> bool:
    """Whether what a URL names as host and port is surely no part of its password.

    A password whose `@`, `/`, `?` or `#` is not written as %40 and so on is cut there, and the
    rest of it is taken for the host (RFC 3986, section 3.2).
    """
    _, found, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    return bool(found) and "@" not in rest.replace(authority, "", 1) and authority.count("@") < 2


def place(url: str) -> str:
    """Host and database of a URL in words; never the password, nor a part of it."""
    if not names_its_host(url):
        return UNNAMED
    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error:
        return "an unreadable URL"
    host = parts.get("host") or "the local socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"database `{parts.get('dbname', '')}` on {host}{port}"


@contextlib.contextmanager
def connecting(url: str) -> Iterator[Connection]:
    """One connection outside the pool, for the preparations; errors without values."""
    failure: DatabaseError | None = None
    connection: Connection | None = None
    try:
        connection = psycopg.connect(url, **_session(url))
    except psycopg.Error as error:
        failure = _unreachable(url, error)
    if connection is None:
        assert failure is not None
        raise failure
    try:
        with connection:
            yield connection
    except psycopg.Error as error:
        failure = without_values(error)
    if failure is not None:
        raise failure from None


def _session(url: str) -> dict[str, Any]:
    """The settings of a session; what the URL says itself stands."""
    try:
        said = conninfo_to_dict(url)
    except psycopg.Error:
        return {}
    both = f"{said['options']} {_SESSION['options']}" if said.get("options") else None
    own = {name: value for name, value in _SESSION.items() if not said.get(name)}
    return own | {"options": both} if both else own


def _unreachable(url: str, error: psycopg.Error) -> DatabaseError:
    # libpq speaks of host, port, role and database only, after the word "failed:".
    text = str(error).strip().splitlines()
    reason = text[0].rpartition("failed: ")[2] if text else ""
    return DatabaseError(
        "Kept's database cannot be reached",
        expected="a PostgreSQL server that lets Kept in",
        met=f"{place(url)}: {reason or type(error).__name__}",
        fix="correct `database` in kept.toml, or start that server",
    )


def _check_version(connection: Connection) -> None:
    major = connection.info.server_version // 10000
    if major < OLDEST:
        raise DatabaseError(
            "Kept's database is too old",
            expected=f"PostgreSQL {OLDEST} or newer",
            met=f"PostgreSQL {major}",
            fix='upgrade the server, or use the embedded one: database = "embedded"',
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise DatabaseError(
            "Kept's database cannot hold every letter",
            expected="the encoding UTF8",
            met=f"the encoding {encoding}",
            fix="create it anew: CREATE DATABASE kept ENCODING 'UTF8' TEMPLATE template0",
        )


def _migrate(url: str) -> None:
    with connecting(url) as connection:
        _check_version(connection)
        migrations.migrate(connection)


def _prepared(url: str, directory: Path) -> str:
    """The URL under a role that is no superuser, made with a password of its own if needed; the
    tables there are those of this version.
    """
    with connecting(url) as connection:
        _check_version(connection)
        powers = connection.execute(
            "SELECT rolsuper OR rolbypassrls, current_database(), pg_get_userbyid(datdba) "
            "FROM pg_roles, pg_database "
            "WHERE rolname = current_user AND datname = current_database()"
        ).fetchone()
        assert powers is not None
        if not powers[0]:
            migrations.migrate(connection)
            return url
        name = str(powers[1])
        role = ROLE if name == ROLE else f"{ROLE}_{name}"[:63]
        path = directory / "keys" / _PASSWORD_FILE
        password = _password(path)
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
        connection.execute(
            sql.SQL(
                "{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD {}"
            ).format(
                sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(role), sql.Literal(password)
            )
        )
        connection.execute(
            sql.SQL("GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
                sql.Identifier(name), sql.Identifier(role)
            )
        )
        connection.execute(
            sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(sql.Identifier(role))
        )
    parts = {k: str(v) for k, v in conninfo_to_dict(url).items() if v is not None}
    ordinary = url_of(**{**parts, "user": role, "password": password})
    try:
        with connecting(ordinary):
            pass
    except DatabaseError as error:
        raise DatabaseError(
            "Kept will not work as a superuser, and the server does not let its own role in",
            expected=f"the role `{role}` to log in with a password",
            met=error.met,
            fix="give the URL of a role that is no superuser and owns the database",
        ) from None
    _migrate(ordinary)
    return ordinary


def _password(path: Path) -> str:
    """The password of Kept's own role: made once, in a file that only its owner reads."""
    make_private(path.parent)
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
    return path.read_text("utf-8").strip()
