"""What an erasure leaves in a SQLite file, byte by byte.

The format is that of https://www.sqlite.org/fileformat2.html: pages of one size, a list of
free ones, and in a page in use cells that a list of pointers names. Bytes outside of all
cells, and free pages, are what a deletion left; `secure_delete` and VACUUM overwrite them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kept.model.residue import Needles, Residue, Scrub, gone, met, unseen
from kept.stores.looking import affordable, hits, regular, size_of

_ENCODINGS: Final = {1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}
#: First byte of a page of a table or an index → the bytes of its header.
_TREES: Final = {2: 12, 5: 12, 10: 8, 13: 8}

SCRUB: Final = Scrub(
    "VACUUM, then the write-ahead log is emptied",
    "the whole file is locked against writers, and at its end against readers too; it needs"
    " as much free memory as the file is large",
)


@dataclass(frozen=True, slots=True)
class _Form:
    page: int
    encoding: str
    first_free: int
    reserved: int

    @classmethod
    def of(cls, header: bytes) -> _Form:
        size = int.from_bytes(header[16:18], "big")
        encoding = _ENCODINGS.get(int.from_bytes(header[56:60], "big"), "utf-8")
        return cls(
            65536 if size == 1 else size, encoding, int.from_bytes(header[32:36], "big"), header[20]
        )


def residue(path: Path, needles: Needles) -> Iterator[Residue]:
    """The pages of the file, and the logs beside it that are there."""
    try:
        with path.open("rb") as file:
            form = _Form.of(file.read(100))
    except OSError as problem:
        yield unseen("pages", f"the file could not be read ({type(problem).__name__})")
        return
    wanted = needles.bytes(form.encoding)
    if not wanted:
        yield unseen("pages", "no value of hers is long enough to be recognised in bytes")
        return
    logs = {"write-ahead log": "-wal", "rollback journal": "-journal"}
    if not affordable([path], wanted):
        yield unseen("pages", "the file is too large to be looked through")
    else:
        yield _pages(path, form, wanted)
    for layer, suffix in logs.items():
        log = path.with_name(path.name + suffix)
        looked = size_of(log)
        if log.exists() and not regular(log):
            yield unseen(layer, "it is no file (a pipe, socket, device or folder)")
        if not looked:
            continue
        found = len({hit.needle for hit in hits(log, wanted)})
        why = "it waits for a checkpoint that no reader holds up, or for `--physical`"
        yield met(layer, looked, found, why) if found else gone(layer, looked)


def _pages(path: Path, form: _Form, wanted: Sequence[bytes]) -> Residue:
    looked = size_of(path)
    found = list(hits(path, wanted))
    if not found:
        return gone("pages", looked)
    with path.open("rb") as file:

        def page(number: int) -> bytes:
            file.seek((number - 1) * form.page)
            return file.read(form.page)

        free = _free(page, form.first_free)
        left = 0
        for hit in found:
            number, at = hit.offset // form.page + 1, hit.offset % form.page
            left += number in free or not _living(page(number), at, number, form)
    if left:
        places = "1 place" if left == 1 else f"{left} places"
        why = f"in {places} that no row uses any more: until used again, or `--physical`"
    else:
        why = "only in rows that are there: they are kept, or somebody else's"
    return met("pages", looked, len({hit.needle for hit in found}), why)


def _free(page: Callable[[int], bytes], first: int) -> set[int]:
    """The numbers of all free pages: trunks, and the leaves that they list."""
    free: set[int] = set()
    while first and first not in free:
        free.add(first)
        trunk = page(first)
        count = int.from_bytes(trunk[4:8], "big")
        for place in range(8, min(8 + 4 * count, len(trunk)), 4):
            free.add(int.from_bytes(trunk[place : place + 4], "big"))
        first = int.from_bytes(trunk[:4], "big")
    return free


def _living(page: bytes, at: int, number: int, form: _Form) -> bool:
    """Whether an offset lies in a cell, or in a page of a long value."""
    start = 100 if number == 1 else 0
    if at < start or page[start] not in _TREES:
        return True
    kind = page[start]
    pointers = start + _TREES[kind]
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for place in range(pointers, pointers + 2 * count, 2):
        cell = int.from_bytes(page[place : place + 2], "big")
        if cell <= at < cell + _size(page, cell, kind, form):
            return True
    return False


def _size(page: bytes, cell: int, kind: int, form: _Form) -> int:
    """The bytes of a cell on its own page."""
    at = cell + (4 if kind in (2, 5) else 0)
    payload, at = _varint(page, at)
    if kind == 5:  # a number alone
        return at - cell
    if kind == 13:
        _, at = _varint(page, at)
    usable = form.page - form.reserved
    least = (usable - 12) * 32 // 255 - 23
    most = usable - 35 if kind == 13 else (usable - 12) * 64 // 255 - 23
    if payload <= most:
        return at - cell + payload
    local = least + (payload - least) % (usable - 4)
    return at - cell + (local if local <= most else least) + 4


def _varint(page: bytes, at: int) -> tuple[int, int]:
    value = 0
    for turn in range(9):
        byte = page[at + turn]
        if turn == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + turn + 1
    return value, at + 9


def scrub(connection: sqlite3.Connection) -> bool:
    """VACUUM and empty the write-ahead log; False: a reader keeps the log from being emptied.

    sqlite3.Error where somebody else uses the file.
    """
    connection.execute("VACUUM")
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return not busy
