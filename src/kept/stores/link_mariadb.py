"""How a connection to MariaDB is made, and what its errors mean.

The driver has no parameters on the server's side: it writes each value into the statement as
a literal, quoted for the character set and the mode that are fixed here for the connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from kept.database import UNNAMED, names_its_host
from kept.errors import ConfigError, StoreError, StoreUnreachable
from kept.stores import refusals
from kept.stores.obstacles import Refused, named
from kept.stores.relational import Options

try:
    import pymysql
    from pymysql.connections import Connection
    from pymysql.constants import CR, ER
    from pymysql.cursors import Cursor, SSCursor
except ImportError:
    raise ConfigError(
        "a system has a store of the kind `mariadb`, and the driver for it is not installed",
        expected="the package PyMySQL",
        fix="install Kept with its extra: `pip install 'kept[mariadb]'`",
    ) from None

__all__ = [
    "STALE", "Connection", "Cursor", "InUse", "SSCursor", "connect", "number", "pymysql", "send",
    "shut", "wrapped",
]  # fmt: skip

# Errors that the driver has no name for.
_CHECK_FAILED: Final = 4025
_TIMED_OUT: Final = 1969
_RECORD_CHANGED: Final = 1020
_BINLOG_OF_STATEMENTS: Final = 1665
_SIGNALLED: Final = 1644
_READ_ONLY_TRANSACTION: Final = 1792
_KILLED: Final = 1927
_DUPLICATE: Final = 1586

#: Number of the error → kind of obstacle.
_KINDS: Final[Mapping[int, str]] = {
    ER.BAD_NULL_ERROR: "not-null", ER.NO_DEFAULT_FOR_FIELD: "not-null",
    ER.DUP_ENTRY: "unique", _DUPLICATE: "unique",
    ER.ROW_IS_REFERENCED: "foreign-key", ER.ROW_IS_REFERENCED_2: "foreign-key",
    ER.NO_REFERENCED_ROW: "foreign-key", ER.NO_REFERENCED_ROW_2: "foreign-key",
    _CHECK_FAILED: "check", ER.VIEW_CHECK_FAILED: "check", _SIGNALLED: "trigger",
    ER.TABLEACCESS_DENIED_ERROR: "privilege", ER.COLUMNACCESS_DENIED_ERROR: "privilege",
    ER.DBACCESS_DENIED_ERROR: "privilege", ER.SPECIFIC_ACCESS_DENIED_ERROR: "privilege",
    ER.PROCACCESS_DENIED_ERROR: "privilege", ER.OPTION_PREVENTS_STATEMENT: "privilege",
    _READ_ONLY_TRANSACTION: "privilege",
}  # fmt: skip
_LOST: Final = frozenset(
    (
        0, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, CR.CR_CONN_HOST_ERROR,
        CR.CR_CONNECTION_ERROR, CR.CR_UNKNOWN_HOST, ER.ACCESS_DENIED_ERROR, ER.BAD_DB_ERROR,
        ER.CON_COUNT_ERROR, ER.SERVER_SHUTDOWN, ER.TOO_MANY_USER_CONNECTIONS,
        ER.HOST_NOT_PRIVILEGED, ER.HOST_IS_BLOCKED, ER.USER_LIMIT_REACHED, _KILLED,
    )
)  # fmt: skip
_BUSY: Final = frozenset((ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, _RECORD_CHANGED))
#: A table or a column is not there: what was known of the tables no longer holds.
STALE: Final = frozenset((ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR, ER.VIEW_INVALID))

#: Where the name of the rule stands in an error's text; nothing else of the text is told.
_RULE: Final[Mapping[str, re.Pattern[str]]] = {
    "unique": re.compile(r"for key '([^']+)'\Z"),
    "foreign-key": re.compile(r"\A[^(`]*\(`[^`]+`\.`[^`]+`, CONSTRAINT `([^`]+)` FOREIGN KEY"),
    "check": re.compile(r"\ACONSTRAINT `([^`]+)` failed for"),
}
_NULLED: Final = re.compile(r"\A(?:Column|Field) '([^']+)' ")

_QUERY: Final = frozenset(("unix_socket", "ssl_ca", "ssl_cert", "ssl_key"))


class InUse(StoreError):
    """Somebody else holds the rows. The engine may have undone the transaction by itself."""


def _settings(options: Options) -> str:
    wait = max(1, round(options.lock_timeout))
    made = {
        # no value is bent to fit, and `SET a = b, b = a` swaps
        "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,SIMULTANEOUS_ASSIGNMENT'",
        "time_zone": "'+00:00'",
        "foreign_key_checks": 1,
        "unique_checks": 1,
        "check_constraint_checks": 1,
        "sql_auto_is_null": 0,
        "sql_safe_updates": 0,
        "sql_select_limit": "DEFAULT",
        "completion_type": 0,
        "default_regex_flags": "''",
        "innodb_lock_wait_timeout": wait,
        "lock_wait_timeout": wait,
        "max_statement_time": options.statement_timeout,
        "idle_transaction_timeout": round(options.idle_timeout),
        "net_write_timeout": round(options.idle_timeout),
    }
    return "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in made.items())


def _place(url: str, system: str) -> dict[str, Any]:
    """What the driver is given; ConfigError for a URL that is not one."""
    found: dict[str, Any] = {}
    with suppress(ValueError):
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        database = unquote(parts.path.removeprefix("/"))
        if parts.scheme == "mariadb" and database and not parts.fragment and set(query) <= _QUERY:
            found = {
                "host": parts.hostname or "localhost",
                "port": parts.port or 3306,
                "user": unquote(parts.username or ""),
                "password": unquote(parts.password or ""),
                "database": database,
                **query,
            }
    if not found:
        raise ConfigError(
            f"the `url` of `{system}` is not one of a MariaDB database",
            expected="mariadb://user:password@host:port/database, with unix_socket, ssl_ca,"
            " ssl_cert or ssl_key behind a question mark",
            fix="mend it in kept.toml; write letters with a meaning of their own as %40",
        )
    if "ssl_ca" in found:
        found["ssl_verify_cert"] = True
        found["ssl_verify_identity"] = "unix_socket" not in found
    elif "unix_socket" in found:
        found["ssl_disabled"] = True  # nothing leaves the machine
    return found


def connect(url: str, system: str, options: Options) -> Connection[Any]:
    """A connection with Kept's settings; StoreUnreachable, ConfigError for a wrong URL."""
    place = _place(url, system)
    # the server ends what takes too long; the driver's own wait is for a server that is gone
    patience = round(options.statement_timeout) + 30
    problem: StoreError
    try:
        connection: Connection[Any] = Connection(
            **place,
            charset="utf8mb4",
            connect_timeout=options.connect_timeout,
            read_timeout=patience,
            write_timeout=patience,
            autocommit=True,
            local_infile=False,
        )
    except (pymysql.Error, OSError) as error:
        problem = _unreachable(error, url, place, system)
    else:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT version(), @@max_allowed_packet")
                ((version, connection.max_allowed_packet),) = cursor.fetchall()
                if _old(version):
                    raise pymysql.OperationalError
                cursor.execute(_settings(options))
            return connection
        except (pymysql.Error, OSError) as error:
            shut(connection)
            problem = _unreachable(error, url, place, system)
    raise problem


def _old(version: str) -> bool:
    """Whether the server is none of MariaDB's, or one from before JSON_TABLE."""
    made = re.match(r"(\d+)\.(\d+).*MariaDB", version)
    return made is None or (int(made[1]), int(made[2])) < (10, 6)


def send(
    cursor: Cursor, text: str, params: Sequence[Any], dataset: str | None, *, system: str
) -> int:
    """Run one statement; the number of rows affected. StoreError where it is too long.

    That is told before it is sent: the server answers by closing the connection.
    """
    statement = cursor.mogrify(text, params)
    most = cursor.connection.max_allowed_packet - 1024
    if len(statement) > most // 4 and len(statement.encode()) > most:
        raise StoreError(
            f"a statement on `{system}.{dataset}` is longer than the server takes",
            expected="a `max_allowed_packet` that holds all keys of one statement",
            fix="raise `max_allowed_packet` on the server",
        )
    return cursor.execute(statement)


def shut(connection: Connection[Any]) -> None:
    """Close the connection, whatever state it is in."""
    if connection.open:
        with suppress(pymysql.Error, OSError):
            connection.close()


def _unreachable(
    error: BaseException, url: str, place: Mapping[str, Any], system: str
) -> StoreUnreachable:
    """Never the driver's message: it can repeat what the URL holds."""
    met = f"server {place['host']}, port {place['port']}" if names_its_host(url) else UNNAMED
    if "unix_socket" in place:
        met = "a socket of this machine"
    code = number(error)
    why = refusals.of_socket(getattr(error, "original_exception", error))
    if code in (ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR):
        why = refusals.LOGIN
    elif code == ER.BAD_DB_ERROR:
        why = refusals.DATABASE
    more = why or (f"error {code}" if code else "")
    return StoreUnreachable(
        f"the database of `{system}` could not be asked",
        expected="a MariaDB server (10.6 or later) that answers",
        met=f"{met}; {more}" if more else met,
        fix=refusals.fix(why),
    )


def number(error: BaseException) -> int:
    """The number of a driver's error; 0 where it has none."""
    first = error.args[0] if isinstance(error, pymysql.Error) and error.args else 0
    return first if isinstance(first, int) else 0


def wrapped(
    error: BaseException, dataset: str | None, *, system: str, options: Options
) -> StoreError:
    """The error without anything that a person wrote: its number and names of rules."""
    code = number(error)
    where = f"`{system}.{dataset}`" if dataset else f"`{system}`"
    if code in _LOST:
        return StoreUnreachable(
            f"the connection to `{system}` was lost; what was not committed is undone",
            met=f"error {code}" if code else "no answer",
            fix="see that the server runs, then run it again",
        )
    if code in (_TIMED_OUT, ER.QUERY_INTERRUPTED):
        return StoreError(
            f"a statement on {where} took longer than allowed",
            expected=f"at most {options.statement_timeout:g} s",
            fix="look for a missing index on a link or identifying column, or raise the limit",
        )
    if code in _BUSY:
        return InUse(
            f"{where} is in use by others; nothing was changed",
            met=f"error {code}",
            fix="run it again",
        )
    if code == _BINLOG_OF_STATEMENTS:
        return StoreError(
            f"{where} cannot be changed: the server's log of changes holds statements only",
            expected="a `binlog_format` of MIXED or ROW",
            fix="change `binlog_format` on the server",
        )
    if code in STALE:
        return StoreError(
            f"{where} is not as it was when it was last looked at",
            met=f"error {code}",
            fix="compare the map with the database: `kept map check`",
        )
    kind = _KINDS.get(code)
    if kind is not None:
        return Refused(where, dataset or "", kind, _words(kind, dataset, error))
    return StoreError(
        f"{where} reported an error",
        met=f"error {code}",
        fix="look the number up in the server's manual; the server's log has the details",
    )


def _words(kind: str, dataset: str | None, error: BaseException) -> str:
    text = str(error.args[1]) if len(error.args) > 1 else ""
    column = _NULLED.search(text) if kind == "not-null" else None
    rule = _RULE[kind].search(text) if kind in _RULE else None
    return named(kind, dataset, column[1] if column else None, rule[1] if rule else None)
