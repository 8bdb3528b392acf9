"""A company's database as in the benches of access and erasure: 30 tables, depth 4.

    users(id, email unique, full_name, phone, created)
    a0..a9 → users    b0..b9 → a0..a9    c0..c5 → b0..b5    d0..d2 → c0..c2

Each child has `parent_id` (indexed, a foreign key), v1, v2, ip, ts. Parents are drawn by a
hash, so rows are spread evenly: about twenty per person. A few more users, the heavy ones, own
as many rows as asked for. At scale 1 that is 1,000,000 people and 20 million rows.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
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
    "shared_buffers": "2GB",
    "work_mem": "128MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "effective_cache_size": "8GB",
    "synchronous_commit": "on",
    "wal_level": "minimal",  # filling writes each row once, not twice
    "max_wal_senders": "0",
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


def settings() -> str:
    return ", ".join(f"{name}={value}" for name, value in SETTINGS.items())


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


@dataclasses.dataclass(frozen=True)
class Shop:
    """A filled database. `heavy`: number of each heavy user and the rows that hang on him."""

    url: str
    users: int
    rows: int
    heavy: tuple[tuple[int, int], ...]

    @property
    def rows_in_all(self) -> int:
        own = sum(count // 4 * 4 for _, count in self.heavy)
        return self.users + len(self.heavy) + len(PARENTS) * self.rows + own

    def present(self, connection: psycopg.Connection[Any]) -> list[int]:
        """The numbers of all users but the heavy ones."""
        rows = connection.execute("SELECT id FROM users WHERE id <= %s ORDER BY id", (self.users,))
        return [number for (number,) in rows.fetchall()]


@contextlib.contextmanager
def shop(args: argparse.Namespace) -> Iterator[Shop]:
    """The database, made and filled, or the one of an earlier run."""
    users, rows = round(1_000_000 * args.scale), round(650_000 * args.scale)
    heavy = tuple((users + 1 + n, count) for n, count in enumerate(args.heavy))
    with contextlib.ExitStack() as stack:
        if args.url:
            url = args.url
        else:
            where = args.directory or stack.enter_context(tempfile.TemporaryDirectory())
            server = Server(Path(where) / "postgres", SETTINGS)
            server.acquire()
            stack.callback(server.release)
            url = server.make_database("shop")
        made = Shop(url, users, rows, heavy)
        with psycopg.connect(url, autocommit=True) as connection:
            fill(connection, made)
        yield made


def fill(connection: psycopg.Connection[Any], shop: Shop) -> None:
    """Made once per database; one that holds it already is used, less who was erased in it."""
    size = f"{shop.users} users, {shop.rows} rows, heavy {[count for _, count in shop.heavy]}"
    made = connection.execute("SELECT to_regclass('users')").fetchone()
    if made != (None,):
        found = connection.execute("SELECT obj_description('users'::regclass)").fetchone()
        if found != (size,):
            raise SystemExit(f"this database holds another shop than {size}; give an empty one")
        return
    with connection.transaction():
        connection.execute(
            "CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, full_name text,"
            " phone text, created timestamp)"
        )
        connection.execute(
            "INSERT INTO users SELECT i, 'user' || i || '@example.org', 'Name ' || i, '+4930' || i,"
            " timestamp '2020-01-01' + i * interval '1 minute'"
            f" FROM generate_series(1, {shop.users + len(shop.heavy)}) i"
        )
        connection.execute("CREATE UNIQUE INDEX ON users (email)")
        connection.execute("ANALYZE users")
        for seed, (table, parent) in enumerate(PARENTS.items()):
            _child(connection, shop, seed, table, parent)
        connection.execute(f"COMMENT ON TABLE users IS '{size}'")
    connection.execute("VACUUM (FREEZE, ANALYZE)")


def _child(
    connection: psycopg.Connection[Any], shop: Shop, seed: int, table: str, parent: str
) -> None:
    rows = shop.rows
    many = shop.users if parent == "users" else rows
    connection.execute(
        f"CREATE TABLE {table} (id bigint NOT NULL, parent_id bigint NOT NULL, v1 text,"
        " v2 int, ip text, ts timestamp)"
    )
    parts = [(rows, "i", f"1 + abs(hashint8(i::bigint * 7919 + {seed})::bigint) % {many}")]
    first = rows
    for number, count in shop.heavy if table in ("a0", "b0", "c0", "d0") else ():
        own = count // 4
        parts.append((own, f"{first} + i", f"{number}" if parent == "users" else f"{first} + i"))
        first += own
    for count, number_of, to in parts:
        connection.execute(
            f"INSERT INTO {table} SELECT {number_of}, {to}, md5(i::text), i % 1000,"
            " '10.' || i % 256 || '.0.1', timestamp '2024-01-01' + i * interval '1 second'"
            f" FROM generate_series(1, {count}) i"
        )
    connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
    connection.execute(f"CREATE INDEX ON {table} (parent_id)")
    connection.execute(f"ALTER TABLE {table} ADD FOREIGN KEY (parent_id) REFERENCES {parent} (id)")


def open_store(url: str, the_map: DataMap) -> PostgreSQLStore:
    return PostgreSQLStore("shop", the_map.systems["shop"].datasets.values(), url)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale", type=float, default=0.1, help="1: 1,000,000 people and 20 million rows"
    )
    parser.add_argument(
        "--heavy", type=int, nargs="*", default=[40_000, 200_000], help="rows of the heavy people"
    )
    parser.add_argument("--url", help="a PostgreSQL to use instead of an embedded one")
    parser.add_argument("--directory", help="keep the embedded one here, for another run")
