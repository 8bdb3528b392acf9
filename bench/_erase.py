"""Erasure: one person, and 1,000 in a batch, from 30 tables, committed and read back.

By hand: a pipeline of deletes, deepest table first, and a count of the deleted keys through a
second connection; for a batch the people in a temporary table. Ours: from the e-mail address
through the map, the keys (which a plan seals before the first write), the changes by key, the
commit, and the count by key through a second connection. Two rows more show the whole duty
against the same reference: `_duty`. Distinct people per method; what was not theirs is compared
afterwards.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

import _duty
import _shop
from _ratio import Result, interleave, row
from kept.model.change import Change
from kept.model.select import by_key


class Reference:
    """What somebody writes who knows the tables."""

    def __init__(self, url: str) -> None:
        self.write = psycopg.connect(url, autocommit=True)
        self.read = psycopg.connect(url, autocommit=True)
        self.write.prepare_threshold = self.read.prepare_threshold = 0

    def one(self, number: int) -> int:
        cursors = []
        with self.write.transaction(), self.write.pipeline():
            for table in _shop.DEEPEST_FIRST:
                cursor = self.write.cursor()
                if table == "users":
                    text = "DELETE FROM users WHERE email = %s RETURNING id"
                else:
                    text = "(SELECT id FROM users WHERE email = %s)"
                    for above in reversed(_shop.chain(table)[1:]):
                        text = f"(SELECT id FROM {above} WHERE parent_id IN {text})"
                    text = f"DELETE FROM {table} WHERE parent_id IN {text} RETURNING id"
                cursor.execute(text, (_shop.email(number),))
                cursors.append(cursor)
            keys = [[key for (key,) in cursor.fetchall()] for cursor in cursors]
        return self.back(keys)

    def back(self, keys: Sequence[list[int]]) -> int:
        """Counts the deleted keys that are still there (none may be); how many were deleted."""
        with self.read.pipeline():
            counts = [
                self.read.execute(f"SELECT count(*) FROM {table} WHERE id = ANY(%s)", (ids,))
                for table, ids in zip(_shop.DEEPEST_FIRST, keys, strict=True)
                if ids
            ]
            left = sum(cursor.fetchall()[0][0] for cursor in counts)
        if left:
            raise SystemExit("rows are left")
        return sum(map(len, keys))

    def many(self, numbers: Sequence[int]) -> int:
        connection = self.write
        with connection.transaction():
            connection.execute("CREATE TEMP TABLE who (email text) ON COMMIT DROP")
            with connection.cursor().copy("COPY who FROM STDIN") as copy:
                for number in numbers:
                    copy.write_row((_shop.email(number),))
            connection.execute("ANALYZE who")
            cursors = []
            with connection.pipeline():
                for table in _shop.DEEPEST_FIRST:
                    above = (
                        [*_shop.chain(table)[1:], "users", "who"] if table != "users" else ["who"]
                    )
                    joins = [
                        f"{below}.parent_id = {parent}.id"
                        for below, parent in zip([table, *above], above, strict=False)
                        if parent != "who"
                    ]
                    where = " AND ".join([*joins, "users.email = who.email"])
                    text = f"DELETE FROM {table} USING {', '.join(above)} WHERE {where}"
                    cursors.append(
                        connection.execute(f"{text} RETURNING {table}.id", prepare=False)
                    )
                keys = [[key for (key,) in cursor.fetchall()] for cursor in cursors]
        return self.back(keys)


class Ours:
    def __init__(self, url: str) -> None:
        self.map = _shop.datamap()
        self.store = _shop.open_store(url, self.map)

    def one(self, number: int) -> int:
        return self.many([number])

    def many(self, numbers: Sequence[int]) -> int:
        with self.store.session() as session:
            keys = session.keys(_shop.find(self.map, session, numbers))
        named = [(t, keys[t]) for t in _shop.DEEPEST_FIRST if t in keys and len(keys[t])]
        with self.store.session(write=True) as session:
            counts = session.apply([Change(by_key(t, table)) for t, table in named], "bench")
            session.commit()
        with self.store.session() as session:
            left = session.count([by_key(t, table) for t, table in named])
        if any(left):
            raise SystemExit("rows are left")
        return sum(count.changed for count in counts)


def owned(connection: psycopg.Connection[Any], numbers: Sequence[int]) -> int:
    """How many rows the people have, by a third way."""
    found = 0
    for table in _shop.TABLES:
        source = "users"
        for below in reversed(_shop.chain(table)):
            above = "users" if below == _shop.chain(table)[-1] else _shop.PARENTS[below]
            source += f" JOIN {below} ON {below}.parent_id = {above}.id"
        mails = [_shop.email(number) for number in numbers]
        text = f"SELECT count(*) FROM {source} WHERE users.email = ANY(%s)"
        met = connection.execute(text, (mails,)).fetchone()
        found += met[0] if met else 0
    return found


def others(connection: psycopg.Connection[Any], numbers: Sequence[int]) -> list[object]:
    """Count and hash of the rows of users that nobody erases."""
    mails = [_shop.email(number) for number in numbers]
    found: list[object] = []
    deep = (
        "users JOIN a0 ON a0.parent_id = users.id JOIN b0 ON b0.parent_id = a0.id"
        " JOIN c0 ON c0.parent_id = b0.id JOIN d0 ON d0.parent_id = c0.id"
    )
    for table, source in (("users", "users"), ("d0", deep)):
        text = (
            f"SELECT count(*), sum(hashtextextended({table}::text, 0)::numeric) FROM {source}"
            " WHERE email = ANY(%s)"
        )
        found.append(connection.execute(text, (mails,)).fetchone())
    return found


def measure(args: argparse.Namespace, shop: _shop.Shop) -> Result:
    with (
        psycopg.connect(shop.url, autocommit=True) as connection,
        tempfile.TemporaryDirectory() as directory,
        _duty.duty(shop.url, Path(directory)) as whole,
    ):
        ways: dict[str, Reference | Ours | _duty.Duty] = {
            "reference": Reference(shop.url), "ours": Ours(shop.url), "duty": whole,
        }  # fmt: skip
        there = shop.present(connection)
        draw = random.Random(args.seed)
        draw.shuffle(there)
        people: Iterator[int] = iter(there)
        spared = [next(people) for _ in range(min(2_000, len(there) // 5))]
        before = others(connection, spared)
        rows_of: dict[str, int] = dict.fromkeys(ways, 0)

        def erase(name: str, who: Sequence[int], single: bool) -> None:
            method = ways[name]
            rows_of[name] += method.one(who[0]) if single else method.many(who)

        def part(size: int) -> dict[str, list[int]]:
            return {name: [next(people) for _ in range(size)] for name in rows_of}

        def methods(single: bool) -> Any:
            return {name: (lambda case, n=name: erase(n, case[n], single)) for name in rows_of}

        singles = [part(1) for _ in range(args.people + args.warm)]
        batches = [part(args.batch) for _ in range(args.rounds + 1)]
        asked = {name: [n for case in (*singles, *batches) for n in case[name]] for name in rows_of}
        for numbers in asked.values():
            _shop.identifiers(numbers)
        expected = {name: owned(connection, numbers) for name, numbers in asked.items()}
        one = interleave(methods(True), singles, warm=args.warm)
        many = interleave(methods(False), batches, warm=1)
        if rows_of != expected:
            raise SystemExit(f"deleted {rows_of}, expected {expected}")
        if others(connection, spared) != before:
            raise SystemExit("rows of somebody else were touched")
        left = sum(owned(connection, numbers) for numbers in asked.values())
        if left:
            raise SystemExit("rows are left")
        return Result(
            (
                row("erase: one person, 30 tables", one, goal=1.5),
                row(f"erase: {args.batch:,} people in a batch", many, goal=1.3),
                row("erase: one person, with case, ledger, keys", one, ours="duty"),
                row(f"erase: {args.batch:,} people, with case, ledger, keys", many, ours="duty"),
            ),
            {
                "rows deleted by hand": rows_of["reference"],
                "by ours": rows_of["ours"],
                "by the duty": rows_of["duty"],
            },
        )
