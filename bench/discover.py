"""Discovery of a database in which no key is declared, against reflecting and scanning it.

Reference: SQLAlchemy reflects all tables (columns, keys, indexes, foreign keys), then every
table is read once in full by the server (`count(*)`, and a hash of every row, so that each
page and each column is really visited). It learns nothing about links, owners or categories;
it is what any tool has to do that reads a database once. Ours: `discover` with its default
sample. The database: people, and tables around them in the manner of a shop and a help desk,
with whole-number keys that all count from 1; every link is true in the rows, none is declared.
The goal of 60 s is for the whole of ours on 200 tables.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from _ratio import Result, Row, bench, interleave, row
from kept.embedded import Server
from kept.stores.discover import discover
from kept.stores.sql import PostgreSQLStore

SETTINGS = {"shared_buffers": "512MB", "autovacuum": "off", "synchronous_commit": "off"}
NOUNS = (
    "order invoice payment shipment return ticket reply visit session document upload review "
    "rating address device subscription coupon booking refund claim"
)
OWNERS = ("user_id", "created_by", "author_id", "owner_id", "customer_id")
SECONDS = 60.0


def fill(connection: psycopg.Connection[Any], tables: int, rows: int, seed: int) -> dict[str, str]:
    """The tables and their rows, made by the server; table → the column that leads to people."""
    draw = random.Random(seed)
    nouns = NOUNS.split()
    connection.execute(
        "CREATE TABLE users AS SELECT n AS id, 'person' || n || '@example.org' AS email, "
        "'First' || n % 997 AS first_name, 'Last' || n % 9973 AS last_name, "
        "'+49 30 ' || 2000000 + n AS phone, DATE '1950-01-01' + n % 18000 AS birth_date, "
        "'10.' || n % 250 || '.' || n % 240 || '.7' AS last_ip, now() AS created_at "
        f"FROM generate_series(1, {rows}) n"
    )
    connection.execute("ALTER TABLE users ADD PRIMARY KEY (id)")
    truth, made = {}, ["users"]
    for number in range(tables - 1):
        name = f"{nouns[number % len(nouns)]}s_{number}"
        if number % 3 == 2:
            parent = draw.choice(made[1:])
            column = f"{parent}_id"
        else:
            column = draw.choice(OWNERS)
            truth[name] = column
        connection.execute(
            f"CREATE TABLE {name} AS SELECT n AS id, 1 + (hashint4(n) & 2147483647) % {rows} "
            f"AS {column}, 'thing ' || n AS title, n % 50 AS position, n % 7 AS state, "
            "(n % 9000) / 100.0 AS amount, 'please look at number ' || n || ' before the end "
            "of the week and call back' AS note, now() AS updated_at, n % 90 AS batch_no, "
            "md5(n::text) AS checksum, n % 2 = 0 AS active, now()::date AS due_on "
            f"FROM generate_series(1, {rows}) n"
        )
        connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (id)")
        made.append(name)
    connection.execute("ANALYZE")
    return truth


class Reference:
    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(url)
        )

    def __call__(self, _: int) -> int:
        metadata = sa.MetaData()
        with self.engine.connect() as connection:
            metadata.reflect(connection)
            for table in metadata.sorted_tables:
                connection.exec_driver_sql(
                    f"SELECT count(*), bit_xor(hashtext(t::text)) FROM {table.name} t"
                ).one()
        return len(metadata.tables)


class Ours:
    def __init__(self, url: str, truth: dict[str, str]) -> None:
        self.url, self.truth = url, truth
        self.right = self.wrong = 0

    def __call__(self, _: int) -> int:
        store = PostgreSQLStore("bench", (), self.url)
        found = discover(store, year=2026)
        store.close()
        met = {
            (name, link.columns[0])
            for name, one in found.datasets.items()
            for link in one.links
            if link.to == "users"
        }
        self.right = len(met & set(self.truth.items()))
        self.wrong = len(met - set(self.truth.items()))
        return len(found.datasets)


def run(args: argparse.Namespace) -> Result:
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory())
        server = Server(Path(where) / "postgres", SETTINGS)
        server.acquire()
        stack.callback(server.release)
        url = server.make_database("shop")
        with psycopg.connect(url) as connection:
            truth = fill(connection, args.tables, args.rows, args.seed)
        reference, ours = Reference(url), Ours(url, truth)
        times = interleave({"reference": reference, "ours": ours}, range(args.rounds + 1), warm=1)
        began = time.perf_counter()
        ours(0)
        once = time.perf_counter() - began
        return Result(
            (
                row(f"{args.tables} tables, {args.rows:,} rows each", times, unit="s"),
                Row("the whole (goal: 60 s)", SECONDS, once, "s", goal=1.0),
            ),
            {
                "links to people, true": len(truth),
                "of these found": ours.right,
                "found and not true": ours.wrong,
            },
        )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20230627)


if __name__ == "__main__":
    bench("discover", run, arguments=arguments)
