"""What an erasure leaves in a lake: bytes of the files, and what their pages hold unpacked.

A value can outlive its rows in a dictionary that no row uses any more, in the statistics of a
footer, in the name of a directory, or in a file that nobody listed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kept.model.residue import Needles, Residue, gone, met, unseen
from kept.stores.lake.files import Footer
from kept.stores.looking import affordable, hits, regular, size_of

_TEXTS = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary,
)  # fmt: skip
#: Layers, as they are told.
_BYTES, _PAGES, _BLOCKS = "files", "pages", "blocks of replaced files"
_OTHERS = "what is no file"


def residue(
    root: Path,
    files: Sequence[tuple[Path, Footer]],
    needles: Needles,
    each: Callable[[Callable[[tuple[Path, Footer]], Any], Sequence[Any]], Iterator[Any]],
) -> Iterator[Residue]:
    """All files below the folder as they lie there, then the columns of `files` unpacked."""
    wanted = needles.bytes()
    if not wanted:
        yield unseen(_BYTES, "no value of hers is long enough to be recognised in bytes")
        return
    every = [Path(at, name) for at, _, names in os.walk(root) for name in names]
    # A link to a folder leads out of the lake, and is not followed.
    others = sum(not regular(file) for file in every) + sum(
        Path(at, name).is_symlink() for at, folders, _ in os.walk(root) for name in folders
    )
    if others:
        what = "1 name is" if others == 1 else f"{others} names are"
        yield unseen(_OTHERS, f"{what} no file (a pipe, socket, device or link) and not looked at")
    if not affordable(every, wanted):
        yield unseen(_BYTES, "the files are too large to be looked through")
    else:
        yield _bytes(root, every, wanted)
    packed = sum(
        footer.meta.row_group(n).total_byte_size
        for _, footer in files
        for n in range(footer.meta.num_row_groups)
    )
    if not affordable([], wanted, also=packed):
        yield unseen(_PAGES, "the columns are too large to be looked through")
    elif packed:
        yield _pages(list(each(lambda one: _unpacked(*one, needles), files)), packed)
    yield unseen(_BLOCKS, "a rewritten file takes the place of the old one, whose blocks on the"
                          " disk are free and not overwritten")  # fmt: skip


def _bytes(root: Path, every: Sequence[Path], wanted: Sequence[bytes]) -> Residue:
    looked = sum(map(size_of, every)) + len(every)
    found: set[int] = set()
    where = 0
    for file in every:
        here = {hit.needle for hit in hits(file, wanted)}
        name = os.fsencode(file.relative_to(root)).lower()
        here |= {number for number, needle in enumerate(wanted) if needle.lower() in name}
        found |= here
        where += bool(here)
    if not found:
        return gone(_BYTES, looked) if every else unseen(_BYTES, "there is no file")
    why = f"in the bytes of {_many(where)}: until they are written anew"
    return met(_BYTES, looked, len(found), why)


def _pages(told: Sequence[tuple[set[str], bool]], packed: int) -> Residue:
    found = set().union(*(here for here, _ in told))
    if not found:
        return gone(_PAGES, packed)
    where = sum(bool(here) for here, _ in told)
    if any(stale for _, stale in told):
        why = f"in dictionaries of {_many(where)} that no row uses: until they are written anew"
    else:
        why = f"only in rows of {_many(where)} that are there: they are kept, or somebody else's"
    return met(_PAGES, packed, len(found), why)


def _many(files: int) -> str:
    return "1 file" if files == 1 else f"{files} files"


def _unpacked(path: Path, footer: Footer, needles: Needles) -> tuple[set[str], bool]:
    """The needles that the file's texts hold, and whether one of them is in no row."""
    schema = footer.meta.schema
    texts = [
        schema.column(i).path
        for i in range(footer.meta.num_columns)
        if schema.column(i).physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
    ]
    found: set[str] = set()
    stale = False
    with pq.ParquetFile(path, read_dictionary=texts, pre_buffer=False) as source:
        for number in range(footer.meta.num_row_groups):
            for column in texts:
                table = source.read_row_group(number, columns=[column], use_threads=False)
                for held, indices in _held(table.column(0)):
                    for needle in needles:
                        at = pc.indices_nonzero(pc.match_substring(held, needle, ignore_case=True))
                        if len(at):
                            found.add(needle)
                            stale = stale or not _used(at, indices)
    return found, stale


def _used(places: Any, indices: Any) -> bool:
    """Whether rows use all these places of a dictionary; without one, they do."""
    if indices is None:
        return True
    found = pc.is_in(places.cast(pa.int64()), value_set=indices.cast(pa.int64()))
    return bool(pc.all(found).as_py())


def _held(column: Any) -> Iterator[tuple[Any, Any]]:
    """(texts, the places of those that rows use; None: all) of a column, however nested."""
    for array in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        kind = array.type
        if pa.types.is_dictionary(kind):
            yield from ((held, array.indices) for held, _ in _held(array.dictionary))
        elif pa.types.is_struct(kind):
            for inner in array.flatten():
                yield from _held(inner)
        elif pa.types.is_map(kind):
            yield from _held(array.keys)
            yield from _held(array.items)
        elif hasattr(array, "values"):
            yield from _held(array.values)
        elif any(is_(kind) for is_ in _TEXTS):
            yield array, None
        elif pa.types.is_string_view(kind):
            yield array.cast(pa.large_string()), None
        elif pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind):
            yield array.cast(pa.large_binary()), None
