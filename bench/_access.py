"""Access: all rows of one person, of a person with many, and of 1,000 people at once.

By hand: prepared statements in one psycopg pipeline; a streamed join; joins with a temporary
table. Ours: from the e-mail address through the map (`reach`) and a session of the store.
Both give the same rows. Memory is the peak of a process of its own that reads and forgets.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

import _shop
from _ratio import Result, Row, interleave, row


class Rows:
    """Rows by table, compared only outside the time measured."""

    def __init__(self, tables: Iterable[tuple[str, Sequence[tuple[Any, ...]]]]) -> None:
        self.tables: dict[str, list[tuple[Any, ...]]] = {}
        for name, rows in tables:
            if rows:
                self.tables.setdefault(name, []).extend(rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows) or self.tables.keys() != other.tables.keys():
            return False
        return all(sorted(rows) == sorted(other.tables[n]) for n, rows in self.tables.items())

    def __len__(self) -> int:
        return sum(map(len, self.tables.values()))

    def __hash__(self) -> int:
        return len(self)


def by_hand(table: str) -> str:
    """The rows of the person with an e-mail address, by an index at every step."""
    shown = ", ".join(f"{table}.{c}" for c in _shop.columns(table))
    if table == "users":
        return f"SELECT {shown} FROM users WHERE email = %s"
    line = _shop.chain(table)
    joins = " ".join(
        f"JOIN {below} ON {below}.parent_id = {above}.id"
        for above, below in zip(reversed(line), list(reversed(line))[1:], strict=False)
    )
    return (
        f"SELECT {shown} FROM {line[-1]} {joins}"
        f" WHERE {line[-1]}.parent_id = (SELECT id FROM users WHERE email = %s)"
    )


class Reference:
    """What somebody writes who knows the tables."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.prepare_threshold = 0
        self.texts = [(table, by_hand(table)) for table in _shop.TABLES]

    def one(self, number: int) -> Rows:
        cursors = []
        with self.connection.pipeline():
            for _, text in self.texts:
                cursor = self.connection.cursor()
                cursor.execute(text, (_shop.email(number),))
                cursors.append(cursor)
            return Rows((t, c.fetchall()) for (t, _), c in zip(self.texts, cursors, strict=True))

    def many(self, numbers: Sequence[int]) -> Rows:
        """1,000 at once: their numbers in a temporary table, then 30 joins."""
        connection = self.connection
        with connection.transaction():
            connection.execute("CREATE TEMP TABLE who (n int, email text) ON COMMIT DROP")
            with connection.cursor().copy("COPY who FROM STDIN") as copy:
                for n, number in enumerate(numbers):
                    copy.write_row((n, _shop.email(number)))
            connection.execute("ANALYZE who")
            cursors = []
            with connection.pipeline():
                for table in _shop.TABLES:
                    line = list(reversed(_shop.chain(table)))
                    joins = "".join(
                        f" JOIN {below} ON {below}.parent_id = {above}.id"
                        for above, below in zip(["users", *line], line, strict=False)
                    )
                    shown = ", ".join(f"{table}.{c}" for c in _shop.columns(table))
                    cursors.append(
                        connection.execute(
                            f"SELECT {shown}, who.n FROM who JOIN users USING (email) {joins}",
                            prepare=False,
                        )
                    )
                found = [cursor.fetchall() for cursor in cursors]
            return Rows(zip(_shop.TABLES, found, strict=True))

    def streamed(self, number: int) -> int:
        """Statement by statement through a server cursor; counts and forgets."""
        found = 0
        with self.connection.transaction():
            for _, text in self.texts:
                with self.connection.cursor("streamed") as cursor:
                    cursor.itersize = 2000
                    cursor.execute(text, (_shop.email(number),))
                    for _ in cursor:
                        found += 1
        return found


class Ours:
    def __init__(self, url: str) -> None:
        self.map = _shop.datamap()
        self.store = _shop.open_store(url, self.map)

    def one(self, number: int) -> Rows:
        return self.several([number], with_person=False)

    def many(self, numbers: Sequence[int]) -> Rows:
        return self.several(numbers, with_person=True)

    def several(self, numbers: Sequence[int], *, with_person: bool) -> Rows:
        with self.store.session() as session:
            selects = _shop.find(self.map, session, numbers)
            return Rows(
                (
                    selects[i].dataset,
                    [(*r, who) for r, who in zip(batch.rows, batch.persons, strict=True)]
                    if with_person
                    else batch.rows,
                )
                for i, batch in session.read(selects)
            )

    def streamed(self, number: int) -> int:
        with self.store.session() as session:
            selects = _shop.find(self.map, session, [number])
            return sum(len(batch.rows) for _, batch in session.read(selects))


def peak() -> int:
    """The highest resident memory of this process so far, in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def measure(args: argparse.Namespace, shop: _shop.Shop) -> Result:
    reference, ours = Reference(shop.url), Ours(shop.url)
    draw = random.Random(args.seed)
    there = shop.present(reference.connection)
    people = draw.sample(there, args.people + args.warm)
    batches = [draw.sample(there, min(args.batch, len(there))) for _ in range(args.rounds + 1)]
    heavy = [number for number, _ in shop.heavy]
    _shop.identifiers([*people, *heavy, *(n for batch in batches for n in batch)])
    ones = interleave({"reference": reference.one, "ours": ours.one}, people, warm=args.warm)
    rows = [row("access: one person, 30 tables", ones, goal=1.5)]
    notes: dict[str, object] = {}
    for number in heavy:
        streamed = interleave(
            {"reference": reference.streamed, "ours": ours.streamed},
            [number] * (args.rounds + 1), warm=1,
        )  # fmt: skip
        memory = {who: alone(who, shop.url, number) for who in ("reference", "ours")}
        found = memory["ours"]["rows"]
        if memory["reference"]["rows"] != found:
            raise SystemExit("the streamed rows differ")
        more = memory["ours"]["bytes"] / 1e6
        rows += [
            row(f"access: one person, {found:,} rows, streamed", streamed, goal=2.0),
            Row(f"more memory for {found:,} rows (goal: 100 MB)", 100, more, "MB", goal=1.0),
        ]
        notes[f"memory of the streamed cursor for {found:,} rows, MB"] = round(
            memory["reference"]["bytes"] / 1e6, 1
        )
    many = interleave({"reference": reference.many, "ours": ours.many}, batches, warm=1)
    rows.append(row(f"access: {len(batches[0]):,} people at once", many, goal=1.3))
    found_of = [len(ours.one(number)) for number in people[:200]]
    notes["rows of a person, mean"] = sum(found_of) / len(found_of)
    return Result(tuple(rows), notes)


def alone(who: str, url: str, number: int) -> dict[str, int]:
    """One method in a process of its own: {rows, bytes more than before}."""
    command = [sys.executable, __file__, who, url, str(number)]
    out = subprocess.run(command, check=True, capture_output=True)
    found: dict[str, int] = json.loads(out.stdout)
    return found


if __name__ == "__main__":
    _, who, url, number = sys.argv
    method = (Reference if who == "reference" else Ours)(url)
    method.streamed(1)
    before = peak()
    found = method.streamed(int(number))
    print(json.dumps({"rows": found, "bytes": peak() - before}))
