"""The log: append, checkpoint, read. Kept's own PostgreSQL holds it; the tree never shrinks.

One writer at a time (an advisory lock until its transaction ends), and the head is replaced
by compare-and-swap, so that two processes, or a stale copy of one, cannot give an index away
twice. Appending costs one COPY and one statement per batch, or one statement for few entries:
the right edge of the tree is kept, nothing is read back. Only what is committed is ever signed.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import psycopg
from psycopg.pq import PipelineStatus
from psycopg.rows import tuple_row

from kept.database import Connection, at_once
from kept.errors import LedgerError, Tampered
from kept.ledger import audit, proof
from kept.ledger.audit import Exported, Report
from kept.ledger.entry import KINDS, Entry, Kind, decode, encode
from kept.ledger.proof import HASH, WIDTH, Checkpoint, Edge, Signer, VerifierKey, leaf_hash
from kept.ledger.tiles import (
    Connects,
    Tiles,
    last_head,
    misfiled,
    newest_checkpoint,
    read_head,
)
from kept.wire import Statement

#: Key of the advisory lock that the one writer holds ("kepl" in ASCII).
_LOCK: Final = 0x6B65706C
_PAGE: Final = 8192  # entries read at once
#: The case that canonical bytes name, as the index of entries by case spells it.
_OF_CASE: Final = """substring(encode(leaf, 'escape') FROM '"case":"([^"]*)"')"""
_CHUNK: Final = 250  # entries sent at once
_TILE: Final = HASH * WIDTH  # bytes of a full tile

# Each statement of the text has a snapshot of its own, so the head is read after the lock is
# held. A deployment may have turned durable commits off for speed; the ledger turns them on.
_BEGIN: Final = (
    "SET LOCAL synchronous_commit TO on; "
    f"SELECT pg_advisory_xact_lock({_LOCK}); "
    "SELECT size, root, edge FROM ledger_head"
)
#: The same without the head, for who knows it from what was appended last.
_LOCKED: Final = (
    f"SELECT set_config('synchronous_commit', 'on', true), pg_advisory_xact_lock({_LOCK})"
)
#: Entries behind a head that still is what it was; otherwise nothing.
_NEXT: Final = (
    "WITH swapped AS (UPDATE ledger_head"
    " SET size = $1::bigint, root = $2::bytea, edge = $3::bytea"
    " WHERE size = $4::bigint AND root = $5::bytea RETURNING 1),"
    " entries AS (INSERT INTO ledger_entry (index, kind, leaf)"
    " SELECT * FROM unnest($6::bigint[], $7::smallint[], $8::bytea[])"
    " WHERE EXISTS (SELECT FROM swapped))"
    " SELECT 1 FROM swapped"
)
#: The same for who commits in the same breath: an error where the head has moved.
_OR_NOTHING: Final = _NEXT.replace("SELECT 1 FROM", "SELECT 1 / count(*) FROM")
_COPY: Final = "COPY ledger_entry (index, kind, leaf) FROM STDIN (FORMAT BINARY)"
_COPY_START: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END: Final = b"\xff\xff"
#: Columns, then length and value of index and kind, then length of the leaf.
_COPY_ROW: Final = struct.Struct(">hiqihi").pack
_SWAP: Final = (
    "UPDATE ledger_head SET size = %b, root = %b, edge = %b WHERE size = %b AND root = %b"
)
_TILES: Final = (
    "tiles AS (INSERT INTO ledger_tile (level, index, root, hashes)"
    " SELECT * FROM unnest(%b::smallint[], %b::bigint[], %b::bytea[], %b::bytea[])) "
)
_FEW: Final = (
    "entries AS (INSERT INTO ledger_entry (index, kind, leaf)"
    " SELECT * FROM unnest(%b::bigint[], %b::smallint[], %b::bytea[])) "
)


#: Level, number, root, hashes.
_Tile: TypeAlias = tuple[int, int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class _State:
    """The tree as of a head: its edge, and per level the hashes of the unfinished tile."""

    edge: Edge
    root: bytes
    pending: dict[int, bytes]


@dataclass(frozen=True, slots=True)
class Inclusion:
    """Proof that a leaf hash stands at `index` in the tree of `size` with `root`."""

    index: int
    size: int
    leaf: bytes
    root: bytes
    path: tuple[bytes, ...]

    def holds(self) -> bool:
        """Whether it proves what it says (RFC 9162 §2.1.3.2)."""
        return proof.includes(self.leaf, self.index, self.size, self.path, self.root)


@dataclass(frozen=True, slots=True)
class Consistency:
    """Proof that the first tree is a prefix of the second."""

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    path: tuple[bytes, ...]

    def holds(self) -> bool:
        """Whether it proves what it says (RFC 9162 §2.1.4.2)."""
        return proof.consistent(
            self.first, self.second, self.path, self.first_root, self.second_root
        )


class Ledger:
    """The append-only log of one controller; threads may share it.

    `origin` names the log and its key in checkpoints, e.g. `example.com/kept`.
    """

    def __init__(self, database: Connects, signer: Signer, origin: str) -> None:
        self.database = database
        self.origin = proof.check_origin(origin)
        self.key = VerifierKey(self.origin, signer.public_bytes)
        self._signer = signer
        # What the last append left behind. Used only if it is what the head says, so that a
        # roll-back, another process or a restored database cannot mislead.
        self._last: _State | None = None

    # ---- append ----------------------------------------------------------------------------

    def append(self, entry: Entry) -> int:
        """Append one entry durably; its index."""
        return self.append_many([entry])[0]

    def append_many(self, entries: Iterable[Entry]) -> range:
        """Append entries durably, in order and side by side; their indices.

        All or none. LedgerError where an entry breaks its schema; then nothing is written.
        """
        with self.database.connection() as connection:
            return self.append_in(connection, entries)

    def append_in(
        self, connection: Connection, entries: Iterable[Entry], *, end: bool = False,
        before: Sequence[Statement] = (),
    ) -> range:  # fmt: skip
        """Append in the caller's transaction, so that records and entries commit together.

        From here to the end of that transaction nobody else can append: call it last, or with
        `end`, which commits it where that takes no round trip of its own. `before` is what records
        have to write first, sent along. The transaction must be READ COMMITTED, PostgreSQL's
        default; after an error it must end.
        """
        rest = iter(entries)
        made = [encode(entry) for entry in islice(rest, _CHUNK)]
        state = self._last
        if state is not None and 0 < len(made) < _CHUNK:
            grown, before = _next(connection, state, made, end, before)
            if grown is not None:
                self._last = grown
                return range(state.edge.size, grown.edge.size)
        if before:
            at_once(connection, before)
        with connection.cursor(row_factory=tuple_row, binary=True) as cursor:
            size, root, edge = last_head(cursor, _BEGIN)
            if not made:
                return range(size, size)
            state = self._last
            if state is None or state.edge.size != size or state.root != root:
                state = _load(connection, size, root, edge)
            if len(made) < _CHUNK:
                self._last = _few(cursor, state, made)
                return range(size, size + len(made))
            index, hashes = size, list[bytes]()
            with cursor.copy(_COPY) as copy:
                # Chunk by chunk: the server stores one while we make the next.
                copy.write(_COPY_START)
                while made:
                    rows = list[bytes]()
                    for kind, leaf in made:
                        rows += (_COPY_ROW(3, 8, index, 2, kind.number, len(leaf)), leaf)
                        index += 1
                    copy.write(b"".join(rows))
                    hashes += [leaf_hash(leaf) for _, leaf in made]
                    made = [encode(entry) for entry in islice(rest, _CHUNK)]
                copy.write(_COPY_END)
                grown, tiles = _grow(state, b"".join(hashes))
            _swap(cursor, state, grown, tiles)
            self._last = grown
        return range(size, index)

    # ---- checkpoint ------------------------------------------------------------------------

    def checkpoint(self, now: dt.datetime) -> Checkpoint:
        """Sign the head as of `now` (aware) and keep the note; the newest if nothing was added.

        A transaction of its own under the writer's lock: it sees, and so signs, only what is
        committed. Raises Tampered rather than sign a tree that does not continue the newest
        checkpoint.
        """
        with self.database.connection() as connection:
            with connection.cursor(row_factory=tuple_row) as cursor:
                size, root, edge = last_head(cursor, _BEGIN)
            state = _load(connection, size, root, edge)
            newest = newest_checkpoint(connection, self.key)
            if newest is not None:
                if newest.size == size and newest.root == root:
                    return newest
                _continues(connection, newest, size)
            signed = proof.sign_checkpoint(
                self.origin, size, state.root, int(now.timestamp()), self._signer
            )
            connection.execute(
                "INSERT INTO ledger_checkpoint (size, root, note) VALUES (%s, %s, %s)",
                (size, root, signed.note),
            )
        return signed

    def sizes(self) -> frozenset[int]:
        """How many entries each checkpoint is of, whether or not its signature holds."""
        with self.database.by_statement() as connection:
            rows = connection.execute("SELECT size FROM ledger_checkpoint").fetchall()
        return frozenset(int(row[0]) for row in rows)

    def newest(self) -> Checkpoint | None:
        """The newest checkpoint, its signatures verified; None before the first."""
        with self.database.by_statement() as connection:
            return newest_checkpoint(connection, self.key)

    # ---- read ------------------------------------------------------------------------------

    def size(self) -> int:
        """How many entries there are."""
        with self.database.by_statement() as connection:
            return read_head(connection)[0]

    def entries(
        self, start: int = 0, stop: int | None = None, kind: str | Sequence[str] | None = None,
        *, case: str | None = None,
    ) -> Iterator[tuple[int, Entry]]:  # fmt: skip
        """(index, entry) of [start, stop) in order, strictly decoded; of these kinds if named, and
        of the one `case` (by its id), for which the kinds have to be named.

        Reads page by page and holds no transaction between pages. Tampered where stored bytes
        are not an entry, or of another kind than the one under which they are filed. That they
        are what was signed, and that none is filed elsewhere, `verify` tells.
        """
        kinds = (kind,) if isinstance(kind, str) else kind
        if not set(kinds or ()) <= KINDS.keys():
            raise LedgerError("the ledger knows no such kind of entry")
        last, end = start - 1, 2**63 - 1 if stop is None else stop
        only, values = "", [last, end, *([] if case is None else [case])]
        if kinds is not None:
            # The numbers are our own; spelt out so that the partial index can be chosen.
            only = f" AND kind IN ({', '.join(str(KINDS[one].number) for one in kinds)})"
        if case is not None:
            only += f" AND {_OF_CASE} = %s"
        while True:
            values[0] = last
            with (
                self.database.by_statement() as connection,
                connection.cursor(row_factory=tuple_row, binary=True) as cursor,
            ):
                page = cursor.execute(
                    "SELECT index, kind, leaf FROM ledger_entry"
                    f" WHERE index > %s AND index < %s{only} ORDER BY index LIMIT {_PAGE}",
                    values,
                ).fetchall()
            for index, number, leaf in page:
                try:
                    entry = decode(leaf)
                except LedgerError as error:
                    raise Tampered(error.what, where=f"entry {index}", fix=error.fix) from None
                if KINDS[entry.kind].number != number:
                    raise misfiled(index)
                if case is None or entry.body.get("case") == case:
                    yield index, entry
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    def inclusion(self, index: int, size: int | None = None) -> Inclusion:
        """Proof that entry `index` is in the tree of `size` (default: of the head)."""
        with self.database.connection() as connection:
            size = self._within(connection, size)
            tiles = Tiles(connection, size)
            path = proof.inclusion(index, size, tiles.node)
            root = proof.range_root(0, size, tiles.node)
            return Inclusion(index, size, tiles.node(0, index), root, tuple(path))

    def consistency(self, first: int, second: int | None = None) -> Consistency:
        """Proof that the tree of `first` is a prefix of that of `second` (default: the head)."""
        with self.database.connection() as connection:
            second = self._within(connection, second)
            tiles = Tiles(connection, second)
            path = proof.consistency(first, second, tiles.node)
            old, new = (proof.range_root(0, size, tiles.node) for size in (first, second))
            return Consistency(first, second, old, new, tuple(path))

    @staticmethod
    def _within(connection: Connection, size: int | None) -> int:
        head = read_head(connection)[0]
        if size is not None and size > head:
            raise LedgerError(
                "the ledger is not that long", expected=f"at most {head} entries", met=str(size)
            )
        return head if size is None else size

    # ---- verify and export -----------------------------------------------------------------

    def verify(self, deep: bool = True, since: bytes | None = None) -> Report:
        """Check everything stored; see `kept.ledger.audit.verify`."""
        return audit.verify(self.database, self.key, deep=deep, since=since)

    def export(self, directory: Path) -> Exported:
        """Write the log as C2SP tiles; see `kept.ledger.audit.export`."""
        return audit.export(self.database, self.key, directory)


def _load(connection: Connection, size: int, root: bytes, edge: bytes) -> _State:
    """The state of a head, from the database; Tampered where its right edge does not fit."""
    tree = Edge.unpack(size, edge)
    tiles = Tiles(connection, size)
    pending = {
        level: tiles.hashes(level, full) for level, full, width in proof.tile_widths(size) if width
    }
    fits = tree.root() == root
    for level, _, width in proof.tile_widths(size):
        hashes, at = pending.get(level, b""), 0
        fits = fits and len(hashes) == width * HASH
        for bit in range(7, -1, -1):
            if fits and width >> bit & 1:
                fits = proof.fold(hashes[at : at + (HASH << bit)]) == tree.nodes[8 * level + bit]
                at += HASH << bit
    if not fits:
        raise Tampered(
            "the end of the ledger is not what its head says",
            expected=f"the tree of {size} entries that was written last",
            fix="run `kept ledger verify` and restore the ledger's tables from a backup;"
            " nothing was appended or signed",
        )
    return _State(tree, root, pending)


def _grow(state: _State, hashes: bytes) -> tuple[_State, list[_Tile]]:
    """The state after more leaf hashes, and the tiles that became full."""
    edge, tops = state.edge.extend(hashes)
    pending = dict(state.pending)
    tiles: list[_Tile] = []
    level, fresh = 0, hashes
    while fresh:
        row = pending.get(level, b"") + fresh
        number = state.edge.size >> 8 * (level + 1)
        above = tops.get(8 * (level + 1), b"")
        for at in range(0, len(above), HASH):
            start = at * WIDTH
            tiles.append((level, number, above[at : at + HASH], row[start : start + _TILE]))
            number += 1
        pending[level] = row[len(above) * WIDTH :]
        level, fresh = level + 1, above
    return _State(edge, edge.root(), pending), tiles


def _next(
    connection: Connection, state: _State, made: Sequence[tuple[Kind, bytes]], end: bool,
    before: Sequence[Statement],
) -> tuple[_State | None, Sequence[Statement]]:  # fmt: skip
    """Append a few entries behind a known head, in one round trip, with what comes before and,
    where it is the `end`, with the commit; None where the head has moved, or where more than that
    has to be stored: then no entry was written. And what of `before` is not written yet.
    """
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        return None, before
    grown, tiles = _grow(state, b"".join(leaf_hash(leaf) for _, leaf in made))
    if tiles:
        return None, before
    old, new = state.edge, grown.edge
    places = ",".join(map(str, range(old.size, new.size)))
    kinds = ",".join(str(kind.number) for kind, _ in made)
    leaves = ",".join(f'"\\\\x{leaf.hex()}"' for _, leaf in made)
    given = (
        new.size, grown.root, new.pack(), old.size, state.root,
        f"{{{places}}}", f"{{{kinds}}}", f"{{{leaves}}}",
    )  # fmt: skip
    if not end:
        swapped = at_once(connection, [*before, (_LOCKED, ()), (_NEXT, given)])[-1]
        return grown if swapped else None, ()
    calls: list[Statement] = [
        *before, ("SAVEPOINT head", ()), (_LOCKED, ()), (_OR_NOTHING, given), ("COMMIT", ()),
    ]  # fmt: skip
    try:
        at_once(connection, calls)
    except psycopg.errors.DivisionByZero:
        at_once(connection, [("ROLLBACK TO SAVEPOINT head", ())])
        return None, ()
    return grown, ()


def _few(cursor: Any, state: _State, made: Sequence[tuple[Kind, bytes]]) -> _State:
    """Append a few entries with one statement; the state after it."""
    grown, tiles = _grow(state, b"".join(leaf_hash(leaf) for _, leaf in made))
    kinds = [kind.number for kind, _ in made]
    first = state.edge.size
    rows = [list(range(first, first + len(made))), kinds, [leaf for _, leaf in made]]
    _swap(cursor, state, grown, tiles, rows)
    return grown


def _swap(
    cursor: Any, old: _State, new: _State, tiles: list[_Tile], rows: Sequence[object] = ()
) -> None:
    """Store the full tiles and replace the head, if it still is the old one; with the columns of
    entries where `rows` gives them.
    """
    swap = (new.edge.size, new.root, new.edge.pack(), old.edge.size, old.root)
    full = map(list, zip(*tiles, strict=True)) if tiles else ()
    with_ = ", ".join([_FEW] * bool(rows) + [_TILES] * bool(tiles))
    cursor.execute(f"WITH {with_}{_SWAP}" if with_ else _SWAP, (*rows, *full, *swap))
    if cursor.rowcount != 1:
        raise LedgerError(
            "the head of the ledger moved while it was appended to",
            expected=f"{old.edge.size} entries",
            fix="run it again in a READ COMMITTED transaction; nothing was appended",
        )


def _continues(connection: Connection, newest: Checkpoint, size: int) -> None:
    """Tampered unless the tree of the newest checkpoint is a prefix of the head's."""
    if newest.size <= size:
        nodes = Tiles(connection, size).node
        if proof.range_root(0, newest.size, nodes) == newest.root:
            return
    raise Tampered(
        "the ledger does not continue its newest checkpoint",
        expected=f"the {newest.size} entries that were signed, and then more",
        met=f"{size} entries of another history",
        fix="restore the ledger's tables from a backup; nothing was signed",
    )
