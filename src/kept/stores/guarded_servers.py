"""How safe a database server is, by what it says of itself: its doors, its drive, its neighbours.

What a role may not see is not judged: it then has to be declared by a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from kept.model.safety import Measured, Safety
from kept.stores.guarded import encrypted
from kept.terms.support import Software

#: Runs a statement outside of a transaction; its rows.
Ask: TypeAlias = Callable[..., Sequence[tuple[Any, ...]]]

_HERE: Final = """
    SELECT current_database(), pg_postmaster_start_time()::text || ' ' || current_setting('port'),
           inet_server_addr() IS NULL,
           coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', false),
           coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
           current_setting('listen_addresses'),
           has_function_privilege('pg_hba_file_rules()', 'EXECUTE'),
           current_setting('server_version'),
           current_setting('archive_mode') <> 'off' AND coalesce((
               SELECT last_failed_time > coalesce(last_archived_time, '-infinity')
               FROM pg_stat_archiver), false)
"""
#: Rules that let somebody in from another machine (pg_hba.conf).
_RULES: Final = """
    SELECT count(*) FILTER (WHERE auth_method = 'trust'),
           count(*) FILTER (WHERE type IN ('host', 'hostnossl', 'hostnogssenc')),
           count(*) FILTER (WHERE address = 'all' OR address IN ('0.0.0.0', '::')
                            AND netmask IN ('0.0.0.0', '::')),
           count(*)
    FROM pg_hba_file_rules() WHERE type LIKE 'host%' AND auth_method <> 'reject'
      AND address NOT LIKE '127.%' AND address NOT IN ('::1', 'localhost', 'samehost')
"""
#: Other databases that Kept's role could open; the empty one that every server has is none.
_NEIGHBOURS: Final = """
    SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND datname NOT IN (current_database(), 'postgres')
      AND has_database_privilege(datname, 'CONNECT') ORDER BY 1
"""
_LOCAL: Final = frozenset(("", "localhost", "127.0.0.1", "::1"))
_NOTHING_ELSE: Final = "the server listens to this machine only"


def postgresql(ask: Ask, directory: Path | None) -> Safety:
    """The Safety of a PostgreSQL; `directory` is where its files lie, where that can be seen."""
    ((database, start, socket, loop, tls, listens, may, version, unsaved),) = ask(_HERE)
    if socket or loop:
        way = Measured("transport", True, "a socket of this machine")
    else:
        way = _way(tls, "add `sslmode=verify-full` to the `url`, and let the server use TLS")
    addresses = {part.strip() for part in str(listens).split(",")}
    if addresses <= _LOCAL:
        doors = Measured("exposure", True, _NOTHING_ELSE)
    elif not may:
        doors = Measured(
            "exposure", None, "the server listens to the network, and Kept may not read its rules"
        )
    else:
        doors = _doors(*ask(_RULES)[0])
    at_rest = (encrypted(directory),) if directory is not None else ()
    return Safety(
        (*at_rest, way, doors),
        frozenset((f"postgresql:{start}/{database}",)),
        {
            f"postgresql:{start}/{name}": f"the database `{name}` of the same server"
            for (name,) in ask(_NEIGHBOURS)
        },
        (Software("PostgreSQL", str(version).partition(" ")[0]),),
        bool(unsaved),
    )


def _doors(trust: int, plain: int, everywhere: int, all_: int) -> Measured:
    if trust:
        words = "the server lets other machines in without a password"
        return Measured("exposure", False, words, "write `scram-sha-256` or `cert` for `trust` in"
                        " pg_hba.conf")  # fmt: skip
    if plain:
        words = "the server takes connections without TLS from other machines"
        return Measured("exposure", False, words, "write `hostssl` for `host` in pg_hba.conf")
    if everywhere:
        words = "the server takes every address; whether a firewall keeps it closed cannot be told"
        return Measured("exposure", None, words)
    words = "named networks, with TLS and a password" if all_ else "no rule lets others in"
    return Measured("exposure", True, words)


_VARIABLES: Final = (
    "SHOW GLOBAL VARIABLES WHERE variable_name IN ('bind_address', 'skip_networking',"
    " 'require_secure_transport', 'innodb_encrypt_tables', 'hostname', 'port', 'server_uid',"
    " 'pid_file')"
)
_SCHEMAS: Final = (
    "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN"
    " (database(), 'information_schema', 'performance_schema', 'mysql', 'sys') ORDER BY 1"
)


def mariadb(ask: Ask) -> Safety:
    """The Safety of a MariaDB."""
    said = {str(key).lower(): str(value) for key, value in ask(_VARIABLES)}
    ((database, host, version),) = ask(
        "SELECT database(), (SELECT host FROM information_schema.processlist"
        " WHERE id = connection_id()), version()"
    )
    tls = any(value for _, value in ask("SHOW SESSION STATUS LIKE 'Ssl_cipher'"))
    if str(host).rpartition(":")[0] in _LOCAL or host == "localhost":
        way = Measured("transport", True, "a socket of this machine")
    else:
        way = _way(tls, "add `?ssl_ca=FILE` to the `url`, and let the server use TLS")
    server = "/".join(said.get(name, "") for name in ("server_uid", "hostname", "port", "pid_file"))
    return Safety(
        (_at_rest(ask, said), way, listening(said)),
        frozenset((f"mariadb:{server}/{database}",)),
        {
            f"mariadb:{server}/{name}": f"the database `{name}` of the same server"
            for (name,) in ask(_SCHEMAS)
        },
        (Software("MariaDB", str(version).partition("-")[0]),),
    )


def _at_rest(ask: Ask, said: Mapping[str, str]) -> Measured:
    if said.get("innodb_encrypt_tables", "OFF").upper() not in ("ON", "FORCE"):
        words = "the server does not encrypt its tables; whether its drive is cannot be told"
        return Measured("encryption", None, words)
    ((plain,),) = ask(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()"
        " AND lower(create_options) LIKE '%encrypted%=%no%'"
    )
    if plain:
        words = f"{plain} tables were made without encryption"
        return Measured("encryption", False, words, "ALTER TABLE … ENCRYPTED=YES")
    return Measured("encryption", True, "the server encrypts its tables")


def listening(said: Mapping[str, str]) -> Measured:
    """Who can knock at a MariaDB, by its settings."""
    if said.get("skip_networking") == "ON":
        return Measured("exposure", True, _NOTHING_ELSE)
    addresses = {part.strip() for part in said.get("bind_address", "*").split(",")}
    if addresses <= _LOCAL - {""}:
        return Measured("exposure", True, _NOTHING_ELSE)
    if said.get("require_secure_transport") != "ON":
        words = "the server takes connections without TLS from other machines"
        fix = "set `require_secure_transport = ON`, or bind_address to 127.0.0.1"
        return Measured("exposure", False, words, fix)
    words = "the server listens to the network; whom its firewall lets through cannot be told"
    return Measured("exposure", None, words)


def _way(tls: bool, fix: str) -> Measured:
    if tls:
        return Measured("transport", True, "encrypted (TLS)")
    return Measured("transport", False, "the connection crosses the network unencrypted", fix)
