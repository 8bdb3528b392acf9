"""The log as the database holds it: connections, head, tiles, newest checkpoint. Reads only."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from psycopg.rows import tuple_row

from kept.database import Connection
from kept.errors import Tampered
from kept.ledger import proof
from kept.ledger.proof import HASH, WIDTH, Checkpoint, VerifierKey, leaf_hash


class Connects(Protocol):
    """What the ledger needs of the database: connections in a transaction."""

    def connection(self) -> AbstractContextManager[Connection]:
        """A connection, committed at the end, rolled back on any error."""

    def by_statement(self) -> AbstractContextManager[Connection]:
        """A connection on which every statement stands by itself."""


class Tiles:
    """The hashes of a tree of `size` as the database holds them, fetched tile by tile."""

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection, self.size = connection, size
        self._cache: dict[tuple[int, int], bytes] = {}

    def hashes(self, level: int, number: int) -> bytes:
        """The hashes of one tile, full or, at the right edge of the tree, partial."""
        known = self._cache.get((level, number))
        if known is None:
            known = self._fetch(level, number)
            if len(self._cache) > 64:
                self._cache.clear()
            self._cache[level, number] = known
        return known

    def node(self, height: int, index: int) -> bytes:
        """The hash of the complete node (height, index)."""
        level, above = divmod(height, 8)
        first = index << above
        at = (first & 255) * HASH
        part = self.hashes(level, first >> 8)[at : at + (HASH << above)]
        if len(part) != HASH << above:
            raise Tampered(
                "hashes of the ledger's tree are missing",
                where=f"tile {level}/{first >> 8}",
                fix="run `kept ledger verify` and restore the ledger's tables from a backup",
            )
        return proof.fold(part)

    def _fetch(self, level: int, number: int) -> bytes:
        width = min(WIDTH, (self.size >> 8 * level) - number * WIDTH)
        with self._connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            row = cursor.execute(
                "SELECT hashes FROM ledger_tile WHERE level = %s AND index = %s", (level, number)
            ).fetchone()
            if row is not None:
                return bytes(row[0])
            low, high = number * WIDTH, number * WIDTH + width
            if level:
                rows = cursor.execute(
                    "SELECT root FROM ledger_tile WHERE level = %s AND index >= %s AND index < %s"
                    " ORDER BY index",
                    (level - 1, low, high),
                )
                return b"".join(root for (root,) in rows)
            rows = cursor.execute(
                "SELECT leaf FROM ledger_entry WHERE index >= %s AND index < %s ORDER BY index",
                (low, high),
            )
            return b"".join(leaf_hash(leaf) for (leaf,) in rows)


def misfiled(index: int) -> Tampered:
    """An entry stands under another kind than its own, and would not be found by it.

    The number of the kind serves look-ups only: it is in no hash.
    """
    return Tampered(
        "an entry is filed under another kind than its own",
        where=f"entry {index}",
        expected="the number of its own kind",
        fix="run `kept ledger verify` and restore the ledger's tables from a backup",
    )


def read_head(connection: Connection) -> tuple[int, bytes, bytes]:
    """(size, root, edge) of the head."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return last_head(cursor, "SELECT size, root, edge FROM ledger_head")


def last_head(cursor: Any, statements: Any) -> tuple[int, bytes, bytes]:
    """The head from the last of the statements."""
    cursor.execute(statements, binary=False)
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    if row is None:
        raise Tampered(
            "the ledger has no head",
            expected="one row in ledger_head",
            fix="restore the ledger's tables from a backup",
        )
    return row[0], bytes(row[1]), bytes(row[2])


def newest_checkpoint(connection: Connection, key: VerifierKey) -> Checkpoint | None:
    """The newest checkpoint, its signatures verified; None before the first."""
    row = connection.execute(
        "SELECT note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1"
    ).fetchone()
    return None if row is None else proof.read_checkpoint(bytes(row[0]), key)
