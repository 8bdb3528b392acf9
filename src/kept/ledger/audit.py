"""The log checked and handed out: `verify` reads everything stored, `export` writes C2SP tiles.

Structure: sizes, every tile against the tiles above it, the head, every checkpoint's signatures
and root. Deep: also every entry, strictly decoded and hashed. What is checked is the database
as of one moment; entries that others append meanwhile are left for the next time.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg.rows import tuple_row

from kept.database import Connection
from kept.errors import LedgerError, Tampered, UsageError
from kept.ledger import proof
from kept.ledger.entry import kind_of, number_of
from kept.ledger.proof import HASH, WIDTH, Checkpoint, Edge, VerifierKey
from kept.ledger.tiles import Connects, Tiles, misfiled, newest_checkpoint, read_head

_PAGE: Final = 64 * WIDTH  # entries read at once: whole tiles
_MOST: Final = 20  # problems named one by one


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of the ledger came to.

    `root` is base64, as in checkpoints. `signed` is the size of the newest checkpoint whose
    signatures hold: entries after it are chained, but nobody has signed for them yet.
    `unchecked` says in words what this check could not see.
    """

    entries: int
    root: str
    ok: bool
    problems: tuple[str, ...]
    signed: int
    deep: bool
    unchecked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote: `entries` up to the newest checkpoint; `unsigned` were left out."""

    entries: int
    root: str
    unsigned: int
    files: int
    key: str


class _Problems(list[str]):
    """Problems in words; after the first few only their number grows."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 0

    def add(self, words: str) -> None:
        if len(self) < _MOST:
            self.append(words)
        else:
            self.more += 1

    def all(self) -> tuple[str, ...]:
        return (*self, *([f"and {self.more} more"] if self.more else []))


def verify(
    database: Connects, key: VerifierKey, *, deep: bool = True, since: bytes | None = None
) -> Report:
    """Check the ledger's tables; `since` is an earlier checkpoint (the bytes of its note).

    With `since`, a rolled-back or forked ledger is found too. Raises nothing for what is
    amiss: it is in the report.
    """
    found, unchecked, signed = _Problems(), [], 0
    with database.connection() as connection:
        checkpoints = _checkpoints(connection, key, found)
        try:
            size, root, packed = _counted(connection, found)
        except Tampered as error:
            return Report(0, "", False, (error.what,), 0, deep, ())
        tiles = Tiles(connection, size)
        _tree(connection, tiles, root, packed, found)
        if deep:
            _entries(connection, tiles, found)
        for checkpoint in checkpoints:
            if _prefix(checkpoint, size, tiles):
                signed = checkpoint.size
            else:
                found.add(f"the checkpoint of {checkpoint.size} entries is not of this tree")
        if since is None:
            unchecked.append("that nothing was rolled back: no earlier checkpoint was given")
        else:
            try:
                earlier = proof.read_checkpoint(since, key)
                if not _prefix(earlier, size, tiles):
                    what = "rolled back" if earlier.size > size else "forked"
                    found.add(
                        f"the ledger was {what}: it does not continue the given checkpoint"
                        f" of {earlier.size} entries"
                    )
            except Tampered as error:
                found.add(f"the given earlier checkpoint: {error.what}")
    if not deep:
        unchecked.append("the entries themselves: only the tree over them was")
    if signed < size:
        unchecked.append(f"a signature over the last {size - signed} entries: they have none yet")
    text = base64.b64encode(root).decode()
    return Report(size, text, not found, found.all(), signed, deep, tuple(unchecked))


def _prefix(checkpoint: Checkpoint, size: int, tiles: Tiles) -> bool:
    """Whether the checkpoint's tree is a prefix of the stored one."""
    if checkpoint.size > size:
        return False
    try:
        return proof.range_root(0, checkpoint.size, tiles.node) == checkpoint.root
    except Tampered:
        return False


def _checkpoints(connection: Connection, key: VerifierKey, found: _Problems) -> list[Checkpoint]:
    good = []
    rows = connection.execute("SELECT size, root, note FROM ledger_checkpoint ORDER BY size")
    for size, root, note in rows:
        try:
            checkpoint = proof.read_checkpoint(bytes(note), key)
        except Tampered as error:
            found.add(f"checkpoint of {size} entries: {error.what}")
            continue
        if (checkpoint.size, checkpoint.root) != (size, bytes(root)):
            found.add(f"checkpoint of {size} entries: its row and its note differ")
        good.append(checkpoint)
    return good


def _counted(connection: Connection, found: _Problems) -> tuple[int, bytes, bytes]:
    """The head; and in the same moment the numbers of entries and tiles that it implies."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(
            "SELECT h.size, h.root, h.edge, e.n, e.low, e.high, t.n FROM ledger_head h,"
            " (SELECT count(*) AS n, min(index) AS low, max(index) AS high FROM ledger_entry) e,"
            " (SELECT count(*) AS n FROM ledger_tile) t"
        ).fetchall()
    if len(rows) != 1:
        raise Tampered(f"the ledger has {len(rows)} heads instead of one")
    size, root, edge, entries, low, high, tiles = rows[0]
    expected = (0, None, None) if size == 0 else (size, 0, size - 1)
    if (entries, low, high) != expected:
        found.add(
            f"the head says {size} entries, and there are {entries}, numbered from {low} to {high}"
        )
    full = sum(full for _, full, _ in proof.tile_widths(size))
    if tiles != full:
        found.add(f"{size} entries make {full} full tiles, and there are {tiles}")
    return size, bytes(root), bytes(edge)


def _tree(
    connection: Connection, tiles: Tiles, root: bytes, packed: bytes, found: _Problems
) -> None:
    """Every tile against its root and the tile above, and the right edge against the head."""
    below = b""
    nodes: dict[int, bytes] = {}
    for level, full, width in proof.tile_widths(tiles.size):
        roots = []
        for number, (tile_root, hashes) in enumerate(_level(connection, level, full)):
            where = f"tile {level}/{number}"
            if tile_root is None or len(hashes) != WIDTH * HASH:
                found.add(f"{where} is missing or has not 256 hashes")
            elif proof.fold(hashes) != tile_root:
                found.add(f"{where} does not hash to its root")
            elif level and hashes != below[number * WIDTH * HASH : (number + 1) * WIDTH * HASH]:
                found.add(f"{where} is not made of the tiles below it")
            roots.append(tile_root or bytes(HASH))
        partial = tiles.hashes(level, full) if width else b""
        if len(partial) != width * HASH:
            found.add(f"the unfinished tile {level}/{full} has not {width} hashes")
            partial = bytes(width * HASH)
        at = 0
        for bit in range(7, -1, -1):
            if width >> bit & 1:
                nodes[8 * level + bit] = proof.fold(partial[at : at + (HASH << bit)])
                at += HASH << bit
        below = b"".join(roots)
    edge = Edge(tiles.size, nodes)
    if edge.pack() != packed:
        found.add("the edge in the head is not that of the stored tree")
    if edge.root() != root:
        found.add("the root in the head is not that of the stored tree")


def _level(connection: Connection, level: int, full: int) -> Iterator[tuple[bytes | None, bytes]]:
    """(root, hashes) of each full tile of a level in order; (None, b"") where one is missing."""
    for start in range(0, full, 256):
        stop = min(start + 256, full)
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            rows = cursor.execute(
                "SELECT index, root, hashes FROM ledger_tile"
                " WHERE level = %s AND index >= %s AND index < %s ORDER BY index",
                (level, start, stop),
            ).fetchall()
        there = {index: (root, hashes) for index, root, hashes in rows}
        for number in range(start, stop):
            yield there.get(number, (None, b""))


def _entries(connection: Connection, tiles: Tiles, found: _Problems) -> None:
    """Every entry: its number, its one spelling, its kind, its hash in the tile."""
    size, leaf_hash = tiles.size, proof.leaf_hash
    for low in range(0, size, _PAGE):
        high = min(low + _PAGE, size)
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            rows = cursor.execute(
                "SELECT index, kind, leaf FROM ledger_entry"
                " WHERE index >= %s AND index < %s ORDER BY index",
                (low, high),
            ).fetchall()
        expected = low
        for index, number, leaf in rows:
            if index != expected:
                found.add(f"entries {expected} to {index - 1} are missing")
                expected = index
            expected += 1
            kind = kind_of(leaf)
            if kind is None:
                found.add(f"entry {index} is not the canonical form of a known kind")
            elif kind.number != number:
                found.add(f"entry {index} is filed under another kind")
        if expected != high:
            found.add(f"entries {expected} to {high - 1} are missing")
        if len(rows) != high - low:
            continue
        for start in range(0, high - low, WIDTH):
            leaves = [leaf_hash(leaf) for _, _, leaf in rows[start : start + WIDTH]]
            stored = tiles.hashes(0, (low + start) // WIDTH)
            if b"".join(leaves) != stored:
                for at, one in enumerate(leaves):
                    if one != stored[at * HASH : at * HASH + HASH]:
                        found.add(f"entry {low + start + at} is not the one that was written")


def export(database: Connects, key: VerifierKey, directory: Path) -> Exported:
    """Write the log up to its newest checkpoint into `directory` (new or empty).

    C2SP layout: `checkpoint`, `tile/<L>/<N>[.p/<W>]`, `tile/entries/<N>[.p/<W>]`, and `key`,
    the verifier key. Written beside it and moved into place at the end, so that a killed
    export leaves nothing under that name. Writes what is stored: checking it is `verify`'s
    and kept-verify's work, but for the one thing that is stored and not written, the number
    under which the database files an entry: Tampered where it is not that of the entry.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            "the export needs a directory of its own",
            expected="a new or empty directory",
            met="one with files in it" if directory.is_dir() else "a file",
            fix="name another directory",
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    draft = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    draft.mkdir()
    try:
        with database.connection() as connection:
            checkpoint = newest_checkpoint(connection, key)
            if checkpoint is None:
                raise LedgerError(
                    "there is no checkpoint to export",
                    expected="a signed head",
                    fix="run `kept ledger checkpoint` first",
                )
            size = checkpoint.size
            unsigned = read_head(connection)[0] - size
            files = _write_tiles(connection, size, draft)
        (draft / "key").write_text(f"{key}\n", encoding="utf-8")
        (draft / "checkpoint").write_bytes(checkpoint.note)
        if directory.exists():
            directory.rmdir()
        os.rename(draft, directory)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return Exported(size, checkpoint.root_text, unsigned, files + 2, str(key))


def _write_tiles(connection: Connection, size: int, directory: Path) -> int:
    """Write all tiles and entry bundles of a tree of `size`; how many files."""
    files, tiles, prefix = 0, Tiles(connection, size), struct.Struct(">H").pack

    def write(level: int | str, number: int, width: int, data: bytes) -> None:
        nonlocal files
        path = directory / proof.tile_path(level, number, width)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        files += 1

    for level, full, width in proof.tile_widths(size):
        for number in range(full + bool(width)):
            wide = width if number == full else WIDTH
            write(level, number, wide, tiles.hashes(level, number)[: wide * HASH])
    for low in range(0, size, _PAGE):
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            rows = cursor.execute(
                "SELECT kind, leaf FROM ledger_entry WHERE index >= %s AND index < %s"
                " ORDER BY index",
                (low, min(low + _PAGE, size)),
            ).fetchall()
        for place, (number, leaf) in enumerate(rows):
            if number_of(leaf) not in (number, None):
                raise misfiled(low + place)
        for start in range(0, len(rows), WIDTH):
            bundle = rows[start : start + WIDTH]
            data = b"".join([part for _, leaf in bundle for part in (prefix(len(leaf)), leaf)])
            write("entries", (low + start) // WIDTH, len(bundle), data)
    return files
