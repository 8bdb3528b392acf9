"""A company's database as in the benches of access and erasure: 30 tables, depth 4.

    users(id, email unique, full_name, phone, created)
    a0..a9 → users    b0..b9 → a0..a9    c0..c5 → b0..b5    d0..d2 → c0..c2

Each child has `parent_id` (indexed, a foreign key), v1, v2, ip, ts. Parents are drawn by a
hash, so rows are spread evenly: about twenty per person. One more user, the heavy one, owns
as many rows as asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from kept.datamap.map import DataMap, Dataset, Field, Link, System
from kept.datamap.reach import reach
from kept.embedded import Server
from kept.model.plan import Mode
from kept.model.select import Select
from kept.stores.base import Session
from kept.stores.sql import PostgreSQLStore
from kept.terms.identifiers import Identifier, parse

SETTINGS = {
    "shared_buffers": "1GB",
    "work_mem": "64MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "effective_cache_size": "8GB",
    "synchronous_commit": "on",
    "autovacuum": "off",  # it would run in one method's time and not in the other's
}
PARENTS: dict[str, str] = {
    **{f"a{i}": "users" for i in range(10)},
    **{f"b{i}": f"a{i}" for i in range(10)},
    **{f"c{i}": f"b{i}" for i in range(6)},
    **{f"d{i}": f"c{i}" for i in range(3)},
}
TABLES = ("users", *PARENTS)
DEEPEST_FIRST = tuple(reversed(TABLES))
COLUMNS = ("id", "parent_id", "v1", "v2", "ip", "ts")
USER_COLUMNS = ("id", "email", "full_name", "phone", "created")


def columns(table: str) -> tuple[str, ...]:
    return USER_COLUMNS if table == "users" else COLUMNS


def chain(table: str) -> list[str]:
    """The tables from `table` up to, but without, users."""
    found = []
    while table != "users":
        found.append(table)
        table = PARENTS[table]
    return found


def datamap() -> DataMap:
    def text(name: str, **more: Any) -> Field:
        return Field(name, "text", category="contact", **more)

    users = Dataset(
        "users", ("id",),
        {
            "id": Field("id", "integer", nullable=False),
            "email": text("email", identifies="email", folded=True, indexed_exact=True),
            "full_name": text("full_name"), "phone": text("phone"),
            "created": Field("created", "datetime"),
        },
    )  # fmt: skip
    children = [
        Dataset(
            name, ("id",),
            {
                "id": Field("id", "integer", nullable=False),
                "parent_id": Field("parent_id", "integer"), "v1": text("v1"),
                "v2": Field("v2", "integer"), "ip": text("ip"), "ts": Field("ts", "datetime"),
            },
            (Link(("parent_id",), parent, ("id",)),),
        )
        for name, parent in PARENTS.items()
    ]  # fmt: skip
    datasets = {d.name: d for d in (users, *children)}
    return DataMap({"shop": System("shop", Mode.ACT, datasets, "postgresql")}, "bench")


def email(number: int) -> str:
    return f"user{number}@example.org"


@functools.lru_cache(None)
def identifier(number: int) -> Identifier:
    """Parsed once: reading what somebody typed is not what is measured."""
    return parse(f"email={email(number)}")


def identifiers(numbers: Sequence[int]) -> list[list[Identifier]]:
    return [[identifier(number)] for number in numbers]


def find(the_map: DataMap, session: Session, numbers: Sequence[int]) -> tuple[Select, ...]:
    """Reach: from e-mail addresses to one Select per table, asking the store where needed."""
    look = reach(the_map, identifiers(numbers))
    while look.seek:
        look = look.next({system: session.keys(selects) for system, selects in look.seek.items()})
    return look.selects["shop"]


@contextlib.contextmanager
def shop(args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """The URL of the filled database, and the number of the heavy user."""
    with contextlib.ExitStack() as stack:
        if args.url:
            url = args.url
        else:
            where = args.directory or stack.enter_context(tempfile.TemporaryDirectory())
            server = Server(Path(where) / "postgres", SETTINGS)
            server.acquire()
            stack.callback(server.release)
            url = server.make_database("shop")
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection, args.users, args.rows, args.heavy)
        yield url, args.users + 1


def fill(connection: psycopg.Connection[Any], users: int, rows: int, heavy: int) -> None:
    """Made once per database; one that holds it already is used, less who was erased in it."""
    made = connection.execute("SELECT to_regclass('users')").fetchone()
    if made != (None,):
        found = connection.execute("SELECT max(id) FROM users").fetchone()
        if found != (users + 1,):
            raise SystemExit("this database holds a shop of another size; give an empty one")
        return
    connection.execute(
        "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, full_name text,"
        " phone text, created timestamp)"
    )
    connection.execute(
        "INSERT INTO users SELECT i, 'user' || i || '@example.org', 'Name ' || i, '+4930' || i,"
        f" timestamp '2020-01-01' + i * interval '1 minute' FROM generate_series(1, {users + 1}) i"
    )
    connection.execute("CREATE UNIQUE INDEX ON users (email)")
    connection.execute("ANALYZE users")
    for seed, (table, parent) in enumerate(PARENTS.items()):
        many = users if parent == "users" else rows
        line = chain(table)
        base = {1: "a", 2: "b", 3: "c", 4: "d"}[len(line)]
        own = heavy // 4 if table == f"{base}0" else 0  # of the heavy one: a0, b0, c0, d0
        above = f"{users + 1}" if parent == "users" else f"{rows} + i"
        connection.execute(
            f"CREATE TABLE {table} (id bigint NOT NULL, parent_id bigint NOT NULL, v1 text,"
            " v2 int, ip text, ts timestamp)"
        )
        spread = f"1 + abs(hashint8(i * 7919 + {seed})::bigint) % {many}"
        for count, number, to in ((rows, "i", spread), (own, f"{rows} + i", above)):
            connection.execute(
                f"INSERT INTO {table} SELECT {number}, {to}, md5(i::text), i % 1000,"
                " '10.' || i % 256 || '.0.1', timestamp '2024-01-01' + i * interval '1 second'"
                f" FROM generate_series(1, {count}) i"
            )
        connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
        connection.execute(f"CREATE INDEX ON {table} (parent_id)")
        connection.execute(
            f"ALTER TABLE {table} ADD FOREIGN KEY (parent_id) REFERENCES {parent} (id)"
        )
    connection.execute("VACUUM (FREEZE, ANALYZE)")


def present(connection: psycopg.Connection[Any], heavy: int) -> list[int]:
    """The numbers of all users but the heavy one."""
    rows = connection.execute("SELECT id FROM users WHERE id <> %s ORDER BY id", (heavy,))
    return [number for (number,) in rows.fetchall()]


def open_store(url: str, the_map: DataMap) -> PostgreSQLStore:
    return PostgreSQLStore("shop", the_map.systems["shop"].datasets.values(), url)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=68_000, help="of each of the 29 child tables")
    parser.add_argument("--heavy", type=int, default=40_000, help="rows of the heavy person")
    parser.add_argument("--url", help="a PostgreSQL to use instead of an embedded one")
    parser.add_argument("--directory", help="keep the embedded one here, for another run")
