"""The ledger: append in batches of 1,000, and verify, against the same work written by hand.

Append: both start from the same entries as Python values and end durable. By hand: canonical
JSON without any check, RFC 6962 leaf and root, one INSERT into SQLite (WAL, synchronous=full),
or one binary COPY into the same PostgreSQL. Ours also checks each entry's closed schema, keeps
the tiles, and swaps the head. The roots must be equal. SQLite is the floor without a second
process; the goal is set against the same PostgreSQL.

Verify: kept-verify on the exported files against hashing the same entries in memory, level by
level; once the tree only, once with strict decoding by the same rule.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import sqlite3
import struct
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import kept_verify
from _ratio import Result, bench, interleave, row
from kept.database import Database
from kept.ledger.entry import Entry
from kept.ledger.log import Ledger
from kept.ledger.proof import KeySigner

BATCH = 1000
NOW = dt.datetime(2026, 11, 23, 20, 16, 14, 123_000, tzinfo=dt.UTC)
ENCODER = msgspec.json.Encoder(order="sorted")
STAMP = "2026-11-23T20:16:14.123Z"


def batch_of(draw: random.Random, first: int) -> list[Entry]:
    """1,000 entries of 314 bytes, as an erasure writes them."""
    return [
        Entry(
            "step.done",
            NOW,
            {
                "action": "erase",
                "case": f"0192f0c1-5d2a-7c3e-9b1a-{number:012d}",
                "changed": 3,
                "dataset": "public.customer",
                "found": 3,
                "isolated": 0,
                "retained": 0,
                "step": "erase.shop.customer.3",
                "subject": f"{draw.getrandbits(128):032x}",
                "system": "shop",
                "verified": True,
            },
        )
        for number in range(first, first + BATCH)
    ]


class ByHand:
    """Leaf and root, nothing else; the sink is the subclass's."""

    def __init__(self) -> None:
        self.size, self.edge = 0, list[bytes | None]()

    def append(self, entries: list[Entry]) -> bytes:
        leaves, hashes = [], []
        for kind, _, body in entries:
            leaf = ENCODER.encode({"at": STAMP, "body": body, "kind": kind, "v": 1})
            leaves.append(leaf)
            hashes.append(sha256(b"\x00" + leaf).digest())
        first, edge = self.size, self.edge
        for node in hashes:
            level, number = 0, self.size
            while number & 1:
                node = sha256(b"\x01" + edge[level] + node).digest()  # type: ignore[operator]
                level, number = level + 1, number >> 1
            if level == len(edge):
                edge.append(None)
            edge[level] = node
            self.size += 1
        root = b""
        for level, part in enumerate(edge):
            if self.size >> level & 1:
                assert part is not None
                root = sha256(b"\x01" + part + root).digest() if root else part
        self.put(first, leaves, hashes, root)
        return root

    def put(self, first: int, leaves: list[bytes], hashes: list[bytes], root: bytes) -> None:
        raise NotImplementedError


class BySQLite(ByHand):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE e (i INTEGER PRIMARY KEY, leaf BLOB, hash BLOB)")
        self.db.execute("CREATE TABLE r (size INTEGER PRIMARY KEY, root BLOB)")

    def put(self, first: int, leaves: list[bytes], hashes: list[bytes], root: bytes) -> None:
        self.db.execute("BEGIN")
        rows = zip(range(first, first + len(leaves)), leaves, hashes, strict=True)
        self.db.executemany("INSERT INTO e VALUES (?, ?, ?)", rows)
        self.db.execute("INSERT INTO r VALUES (?, ?)", (self.size, root))
        self.db.execute("COMMIT")


class ByPostgres(ByHand):
    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        with database.connection() as connection:
            connection.execute("CREATE TABLE by_hand (i bigint PRIMARY KEY, leaf bytea, h bytea)")
            connection.execute("CREATE TABLE by_hand_root (size bigint PRIMARY KEY, root bytea)")

    def put(self, first: int, leaves: list[bytes], hashes: list[bytes], root: bytes) -> None:
        pack = struct.Struct(">hiqi").pack
        length = struct.Struct(">i").pack
        parts = [b"PGCOPY\n\xff\r\n\x00" + bytes(8)]
        for number, (leaf, digest) in enumerate(zip(leaves, hashes, strict=True), first):
            parts += (pack(3, 8, number, len(leaf)), leaf, length(32), digest)
        parts.append(b"\xff\xff")
        with self.database.connection() as connection:
            with connection.cursor().copy("COPY by_hand FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(b"".join(parts))
            connection.execute("INSERT INTO by_hand_root VALUES (%s, %s)", (self.size, root))


class Ours:
    def __init__(self, database: Database) -> None:
        self.ledger = Ledger(database, KeySigner(Ed25519PrivateKey.generate()), "bench/kept")
        self.database = database

    def append(self, entries: list[Entry]) -> int:
        return len(self.ledger.append_many(entries))

    def root(self) -> bytes:
        with self.database.connection() as connection:
            found = connection.execute("SELECT root FROM ledger_head").fetchone()
        assert found is not None
        return bytes(found[0])


def hash_only(leaves: list[bytes]) -> bytes:
    """The root of the leaves, level by level in memory."""
    row = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(row) > 1:
        pairs = zip(row[::2], row[1::2], strict=False)
        odd = row[-1:] if len(row) & 1 else []
        row = [sha256(b"\x01" + a + b).digest() for a, b in pairs] + odd
    return row[0]


def decode_and_hash(leaves: list[bytes]) -> bytes:
    """The same, and each entry decoded strictly, by the rule of kept-verify."""
    accept = kept_verify.Forms().accept
    if not all(map(accept, leaves)):
        raise SystemExit("an entry was refused")
    return hash_only(leaves)


def run(args: argparse.Namespace) -> Result:
    draw = random.Random(7)
    with tempfile.TemporaryDirectory(prefix="kept-bench-") as scratch:
        directory = Path(scratch)
        database = Database.open(args.database, directory)
        try:
            return measure(args, draw, directory, database)
        finally:
            database.close()


def measure(
    args: argparse.Namespace, draw: random.Random, directory: Path, database: Database
) -> Result:
    sqlite, postgres = BySQLite(directory / "by-hand.sqlite"), ByPostgres(database)
    ours = Ours(database)
    roots: dict[str, Any] = {}

    def by(name: str, hand: ByHand) -> Any:
        def method(entries: list[Entry]) -> None:
            roots[name] = hand.append(entries)

        return method

    def append(entries: list[Entry]) -> None:
        ours.append(entries)

    total = args.entries // BATCH
    batches = [batch_of(draw, number * BATCH) for number in range(min(total, args.batches))]
    methods = {"sqlite": by("sqlite", sqlite), "postgres": by("postgres", postgres), "ours": append}
    times = interleave(methods, batches, warm=10)
    if not ours.root() == roots["sqlite"] == roots["postgres"]:
        raise SystemExit("the roots differ")
    singles = interleave(
        {"postgres": methods["postgres"], "ours": append}, [b[:1] for b in batches], warm=5
    )
    for number in range(len(batches), total):
        ours.append(batch_of(draw, number * BATCH))

    ours.ledger.checkpoint(NOW)
    out = directory / "export"
    exported = ours.ledger.export(out)
    with database.connection() as connection:
        found = connection.execute("SELECT leaf FROM ledger_entry ORDER BY index").fetchall()
    leaves = [bytes(leaf) for (leaf,) in found]
    del found

    def verify(tree_only: bool) -> bytes:
        report = kept_verify.verify(out, tree_only=tree_only)
        if report.problems:
            raise SystemExit(report.problems[0])
        return report.root.encode()

    def in_base64(root: bytes) -> bytes:
        return kept_verify.base64.b64encode(root)

    rounds = range(args.rounds)
    tree = interleave(
        {"reference": lambda _: in_base64(hash_only(leaves)), "ours": lambda _: verify(True)},
        rounds,
    )
    strict = interleave(
        {
            "reference": lambda _: in_base64(decode_and_hash(leaves)),
            "ours": lambda _: verify(False),
            "tables": lambda _: ours.ledger.verify(deep=True).root.encode(),
        },
        rounds,
    )
    each = {"unit": "µs", "per": BATCH}
    whole = f"verify {len(leaves):,}"
    return Result(
        (
            row("append 1,000: SQLite by hand", times, reference="sqlite", **each),
            row("append 1,000: PostgreSQL by hand", times, reference="postgres", goal=1.3, **each),
            row("append one: PostgreSQL by hand", singles, reference="postgres"),
            row(f"{whole}, tree only", tree, unit="s", goal=1.3),
            row(f"{whole}, strict decoding", strict, unit="s", goal=1.3),
            row(f"{whole}, in the tables", strict, ours="tables", unit="s"),
        ),
        {"bytes of an entry": len(leaves[0]), "files": exported.files},
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=200, help="timed batches of 1,000")
    parser.add_argument("--rounds", type=int, default=3, help="timed verifications")
    parser.add_argument("--database", default="embedded", help="a PostgreSQL URL")


if __name__ == "__main__":
    bench("ledger", run, arguments=arguments)
