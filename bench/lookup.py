"""Finding 1,000 people in a column without an index, against a scan for one written by hand.

The same rows in PostgreSQL, SQLite, MariaDB (where its server is installed) and Parquet. By
hand: one value, compared exactly, or as an address is, without blanks around it and whatever the
case of A to Z, in the engine's plain words. Ours: 1,000 values at once, each with its person, as
a search for a batch of people asks for them. Ours must find for each person what is hers and
nothing else. What each key costs whatever the size of the table weighs the more the smaller it is.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from _ratio import Result, Row, bench, interleave, row
from _shop import SETTINGS
from kept.datamap.map import Dataset, Field
from kept.embedded import Server
from kept.model.select import KeyTable, Route, Select
from kept.stores.base import Store
from kept.stores.lake import ParquetStore
from kept.stores.sql import PostgreSQLStore, SQLiteStore

sys.path.insert(0, str(Path(__file__).parents[1]))  # the MariaDB server of the tests

BIG = Dataset("big", ("id",), {"id": Field("id", "integer"), "code": Field("code"),
                               "mail": Field("mail", folded=True)})  # fmt: skip
Scan = Callable[[str], list[int]]
#: A store, and by hand a scan for one code and for one address.
Engine = tuple[Store, Scan, Scan]


def code(number: int) -> str:
    return f"c{number * 7919 % 1_000_003:07}{number:09}"


def mail(number: int) -> str:
    return f"Person{number}@Example.org"


def table(rows: int) -> Iterator[tuple[int, str, str]]:
    return ((n, code(n), mail(n)) for n in range(rows))


@contextlib.contextmanager
def postgresql(rows: int, place: Path) -> Iterator[Engine]:
    server = Server(place / "postgres", SETTINGS)
    server.acquire()
    try:
        url = server.make_database("lookup")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE big (id bigint PRIMARY KEY, code text, mail text)")
            with connection.cursor().copy("COPY big FROM STDIN") as copy:
                for one in table(rows):
                    copy.write_row(one)
            connection.execute("VACUUM (FREEZE, ANALYZE) big")

            def scan(where: str) -> Scan:
                text = f"SELECT id FROM big WHERE {where} = %s"
                return lambda value: [i for (i,) in connection.execute(text, (value,)).fetchall()]

            alike = """lower(btrim(mail, E' \\t\\r\\n\\f\\x0B') COLLATE "C")"""
            yield PostgreSQLStore("s", (BIG,), url), scan("code"), scan(alike)
    finally:
        server.release()


@contextlib.contextmanager
def sqlite(rows: int, place: Path) -> Iterator[Engine]:
    connection = sqlite3.connect(place / "big.sqlite", isolation_level=None)
    connection.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, code TEXT, mail TEXT)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO big VALUES (?, ?, ?)", table(rows))
    connection.execute("COMMIT")

    def scan(where: str) -> Scan:
        text = f"SELECT id FROM big WHERE {where} = ?"
        return lambda value: [i for (i,) in connection.execute(text, (value,)).fetchall()]

    alike = "lower(trim(mail, char(32, 9, 13, 10, 12, 11)))"
    yield SQLiteStore("s", (BIG,), str(place / "big.sqlite")), scan("code"), scan(alike)
    connection.close()


@contextlib.contextmanager
def mariadb(rows: int, place: Path) -> Iterator[Engine]:
    from tests.mariadb import Mariadb
    from tests.stores.engines import opened

    from kept.stores.mariadb import MariaDBStore

    server = Mariadb(place / "maria")
    server.acquire()
    try:
        url = server.make_database("lookup")
        connection = opened(url)
        cursor = connection.cursor()
        cursor.execute(
            "CREATE TABLE big (id bigint PRIMARY KEY, code varchar(40), mail varchar(60))"
            " DEFAULT CHARSET utf8mb4"
        )
        cursor.executemany("INSERT INTO big VALUES (%s, %s, %s)", list(table(rows)))
        connection.commit()
        cursor.execute("ANALYZE TABLE big")
        cursor.fetchall()

        def scan(where: str) -> Scan:
            def one(value: str) -> list[int]:
                cursor.execute(f"SELECT id FROM big WHERE {where} = %s", (value,))
                return [i for (i,) in cursor.fetchall()]

            return one

        exact = "binary code"
        yield MariaDBStore("s", (BIG,), url), scan(exact), scan("lower(trim(mail))")
        connection.close()
    finally:
        server.release()


@contextlib.contextmanager
def parquet(rows: int, place: Path) -> Iterator[Engine]:
    folder = place / "lake" / "big"
    folder.mkdir(parents=True)
    files = 8
    for number in range(files):
        some = [one for one in table(rows) if one[0] % files == number]
        columns = dict(zip(("id", "code", "mail"), map(list, zip(*some, strict=True)), strict=True))
        pq.write_table(pa.table(columns), folder / f"{number}.parquet", compression="zstd")

    def scan(name: str, made: Callable[[Any], Any]) -> Scan:
        def one(value: str) -> list[int]:
            found = []
            for path in sorted(folder.iterdir()):
                part = pq.read_table(path, columns=["id", name])
                found += part.filter(pc.equal(made(part[name]), value))["id"].to_pylist()
            return found

        return one

    store = ParquetStore("s", (BIG,), str(folder.parent))

    def alike(column: Any) -> Any:
        return pc.ascii_lower(pc.ascii_trim(column, characters=" \t\r\n\f\v"))

    yield store, scan("code", lambda c: c), scan("mail", alike)


ENGINES = {"postgresql": postgresql, "sqlite": sqlite, "mariadb": mariadb, "parquet": parquet}


def measure(name: str, engine: Engine, args: argparse.Namespace) -> list[Row]:
    store, exact, folded = engine
    draw = random.Random(args.seed)
    ours_finds = {}

    def ours(field: str, value: Callable[[int], str], wanted: list[int]) -> None:
        keys = KeyTable((field,), tuple((who, (value(n),)) for who, n in enumerate(wanted)))
        select = Select("big", ("id",), (Route(keys, (), field == "mail"),))
        with store.session() as session:
            ours_finds[field] = session.keys([select])["big"].rows

    rows = []
    for field, value, scan, what in (
        ("code", code, exact, "exact"), ("mail", lambda n: mail(n).lower(), folded, "case folded"),
    ):  # fmt: skip
        cases = [
            draw.sample(range(args.rows), min(args.ids, args.rows)) for _ in range(args.rounds)
        ]

        def by_hand(wanted: list[int], value: Any = value, scan: Scan = scan) -> None:
            if scan(value(wanted[0])) != [wanted[0]]:
                raise SystemExit(f"{name}: the scan by hand finds another row")

        def by_ours(wanted: list[int], field: str = field, value: Any = value) -> None:
            ours(field, value, wanted)
            if sorted(ours_finds[field]) != [(who, (n,)) for who, n in enumerate(wanted)]:
                raise SystemExit(f"{name}: not everybody was found, or somebody else was")

        times = interleave({"reference": by_hand, "ours": by_ours}, cases, warm=1)
        rows.append(row(f"{name}, {what}: {len(cases[0]):,} against one", times, goal=1.5))
    store.close()
    return rows


def run(args: argparse.Namespace) -> Result:
    rows: list[Row] = []
    for name in args.engines:
        with (
            tempfile.TemporaryDirectory(prefix="kept-bench-", dir=args.directory) as place,
            ENGINES[name](args.rows, Path(place)) as engine,
        ):
            rows += measure(name, engine, args)
    return Result(tuple(rows), {"rows": args.rows})


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--ids", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--seed", type=int, default=20230627)
    parser.add_argument("--directory", help="where the files are made (default: the temporary one)")


if __name__ == "__main__":
    bench("lookup", run, arguments=arguments)
