"""One file written anew, without some rows or with other values in them.

What the input's metadata tells is kept: schema, codec, dictionary, encoding and statistics of
each column, row groups, key-value metadata, sort order, Bloom filters, page index. What
cannot be kept is an obstacle, found by comparing what was written with what was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kept.model.change import Assignment
from kept.model.values import Value
from kept.stores.lake.columns import fitted, one, only_used, replaced
from kept.stores.lake.files import File, Footer, Mark, create, opened, settle
from kept.stores.lake.finding import Chunk, Finder, Hits, Kinds
from kept.stores.obstacles import Refused
from kept.stores.rows import Row, assigned, held

_DICTIONARIES: Final = frozenset(("RLE_DICTIONARY", "PLAIN_DICTIONARY"))
_ENCODINGS: Final = frozenset(
    ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT")
)
#: How a type was noted in the file, and what goes without saying: nothing of the values.
_NOTED: Final = re.compile(
    r", is_from_converted_type=\w+, force_set_converted_type=\w+"
    r"|^Int\(bitWidth=(32|64), isSigned=true\)$|^None$"
)
#: What the first version of the format cannot say, though files that call themselves so do.
_LATER: Final = ("nanoseconds", "Int(bitWidth=32, isSigned=false)")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one file: `mark` None: nothing had to be changed."""

    file: File
    found: int
    changed: int
    left: int
    path: Path | None = None
    mark: Mark | None = None


class Unfaithful(Refused):
    """What was written is not what was read: nothing was replaced."""

    def __init__(self, file: File, words: str) -> None:
        super().__init__(
            "the lake", file.dataset, "other",
            f"{file.words} cannot be written again as it is: {words} would differ",
        )  # fmt: skip


def columns_of(footer: Footer) -> dict[str, list[Any]]:
    """The chunks of each column, by its path."""
    meta = footer.meta
    groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
    return {path: [g.column(number) for g in groups] for path, number in footer.places.items()}


def settings(footer: Footer) -> dict[str, Any]:
    """How a writer must be set to write the file as it was."""
    meta = footer.meta
    chunks = columns_of(footer)
    dictionary = [p for p, cs in chunks.items() if any(_DICTIONARIES & {*c.encodings} for c in cs)]
    encodings = {}
    for path, met in chunks.items():
        special = _ENCODINGS.intersection(*(c.encodings for c in met))
        if special and path not in dictionary:
            encodings[path] = min(special)
    physical = {cs[0].physical_type for cs in chunks.values()}
    decimals = {
        cs[0].physical_type
        for path, cs in chunks.items()
        if meta.schema.column(footer.places[path]).converted_type == "DECIMAL"
    }
    filters: dict[str, dict[str, Any]] = {
        p: {} for p, cs in chunks.items() if any(c.bloom_filter_offset for c in cs)
    }
    sorting = {meta.row_group(n).sorting_columns for n in range(meta.num_row_groups)}
    made: dict[str, Any] = {
        "compression": {p: _codec(cs[0].compression) for p, cs in chunks.items()},
        "use_dictionary": dictionary or False,
        "write_statistics": [p for p, cs in chunks.items() if any(c.is_stats_set for c in cs)]
        or False,
        "version": "1.0" if meta.format_version == "1.0" and not _later(footer) else "2.6",
        "store_schema": False,  # what stands there is copied
        "use_deprecated_int96_timestamps": "INT96" in physical,
        "store_decimal_as_integer": bool(decimals & {"INT32", "INT64"}),
        "write_page_index": any(c.has_offset_index for cs in chunks.values() for c in cs),
    }
    if encodings:
        made["column_encoding"] = encodings
    if len(sorting) == 1 and (order := next(iter(sorting))):
        made["sorting_columns"] = order
    if filters:
        made["bloom_filter_options"] = filters
    return made


#: Levels to try, in this order, where the codec's own default packs worse than the file did.
_LEVELS: Final = {"ZSTD": (3, 9, 19), "GZIP": (9,), "BROTLI": (11,)}
#: Settings on which the size of a column rests.
_BYTES: Final = (
    "version", "store_schema", "use_dictionary", "use_deprecated_int96_timestamps",
    "store_decimal_as_integer",
)  # fmt: skip


#: (dataset, program that wrote the file, codec) → level; None: the codec's own default.
Levels: TypeAlias = dict[tuple[str, str, str], int | None]


def leveled(source: Any, file: File, footer: Footer, made: dict[str, Any], known: Levels) -> None:
    """Set the levels of compression. No file tells them: a row group is tried, once a writer."""
    group = footer.meta.row_group(0)
    chunks = {path: group.column(number) for path, number in footer.places.items()}
    for codec, steps in _LEVELS.items():
        paths = [path for path, chunk in chunks.items() if chunk.compression == codec]
        plain = [path for path in paths if path in footer.schema.names]
        at = (file.dataset, footer.meta.created_by, codec)
        if plain and at not in known:
            table = source.read_row_group(0, columns=plain, use_threads=False)
            wanted = sum(chunks[path].total_compressed_size for path in plain)
            sizes: dict[int | None, int] = {}
            for step in (None, *steps):
                sizes[step] = _packed(table, plain, made, step)
                if sizes[step] <= wanted * 1.02:
                    break
            # where none packs as well, the cheapest of those that pack about as well as can be
            enough = max(wanted, min(sizes.values())) * 1.02
            known[at] = next(step for step, size in sizes.items() if size <= enough)
        level = known.get(at)
        if level is not None:
            made.setdefault("compression_level", {}).update(dict.fromkeys(paths, level))


def _packed(table: Any, names: Sequence[str], made: dict[str, Any], level: int | None) -> int:
    """Bytes of the columns, packed at a level."""
    alone = {k: v for k, v in made.items() if k in _BYTES}
    for setting in ("compression", "column_encoding"):
        if setting in made:
            alone[setting] = {n: v for n, v in made[setting].items() if n in names}
    out = pa.BufferOutputStream()
    levels = None if level is None else dict.fromkeys(names, level)
    with pq.ParquetWriter(out, table.schema, compression_level=levels, **alone) as writer:
        writer.write_table(table, row_group_size=max(1, table.num_rows))
    group = pq.read_metadata(pa.BufferReader(out.getvalue())).row_group(0)
    return sum(group.column(n).total_compressed_size for n in range(group.num_columns))


def _codec(name: str) -> str:
    return "none" if name == "UNCOMPRESSED" else name.lower()


def rewrite(
    file: File, footer: Footer, kept: Callable[[int, Any], Any], into: Path, levels: Levels
) -> Mark:
    """Write the file to `into`, each row group as `kept(number, table)` gives it back."""
    create(file, into)
    if any(cs[0].physical_type == "INT96" for cs in columns_of(footer).values()):
        _representable(file, footer)
    with opened(file, footer) as source:
        schema = footer.schema.with_metadata(None)
        told = settings(footer)
        leveled(source, file, footer, told, levels)
        sink = pa.OSFile(str(into), "wb")
        with sink, pq.ParquetWriter(sink, schema, **told) as writer:
            for number in range(footer.meta.num_row_groups):
                table = kept(number, source.read_row_group(number, use_threads=False))
                if table.num_rows:
                    # A dictionary keeps the values of rows that are gone, and would be written.
                    table = only_used(table)
                    table = table.replace_schema_metadata(None)
                    writer.write_table(table, row_group_size=table.num_rows)
            if footer.meta.metadata:
                writer.add_key_value_metadata(footer.meta.metadata)
    return settle(into)


def _representable(file: File, footer: Footer) -> None:
    """Old moments (INT96) reach further than what they are read as: 9999 would become 1816."""
    with (
        opened(file, footer) as fine,
        opened(file, footer, coerce_int96_timestamp_unit="us") as far,
    ):
        for number in range(footer.meta.num_row_groups):
            told = far.read_row_group(number, use_threads=False)
            met = fine.read_row_group(number, use_threads=False)
            if not met.cast(told.schema, safe=False).equals(told):
                raise Unfaithful(file, "a moment too far away for its form")


def faithful(file: File, before: Footer, after: Footer, rows: int) -> None:
    """Raise Unfaithful unless what was written is of the same form and has so many rows."""
    if after.meta.num_rows != rows:
        raise Unfaithful(file, "the number of its rows")
    if not after.schema.equals(before.schema, check_metadata=True):
        raise Unfaithful(file, "its schema")
    if _form(before) != _form(after):
        raise Unfaithful(file, "the type of a column")
    ours, theirs = columns_of(after), columns_of(before)
    for path, chunks in theirs.items():
        if rows and ours[path][0].compression != chunks[0].compression:
            raise Unfaithful(file, "the compression of a column")
    if before.meta.metadata != after.meta.metadata:
        raise Unfaithful(file, "its metadata")


def _form(footer: Footer) -> list[tuple[Any, ...]]:
    schema = footer.meta.schema
    columns = [schema.column(i) for i in range(footer.meta.num_columns)]
    return [
        (
            c.path, c.physical_type, c.length, c.max_definition_level, c.max_repetition_level,
            _NOTED.sub("", str(c.logical_type)),
        )
        for c in columns
    ]  # fmt: skip


def _later(footer: Footer) -> bool:
    """Whether a column has a type that only a later version of the format can write."""
    return any(
        word in str(told) and physical != "INT96" and (physical, word) != ("INT64", _LATER[1])
        for _, physical, _, _, _, told in _form(footer)
        for word in _LATER
    )


# ---------------------------------------------------------------- without some rows


def without(
    file: File, footer: Footer, hits: Hits, finder: Finder, into: Path, levels: Levels
) -> Written:
    """The file less the rows found. Before it counts: as many are gone, and none is left."""
    gone = {number: rows for number, rows, _ in hits}
    found = sum(len(rows) for rows in gone.values())

    def kept(number: int, table: Any) -> Any:
        if number not in gone:
            return table
        out = pc.is_in(pa.arange(0, table.num_rows), value_set=gone[number].cast(pa.int64()))
        return table.filter(pc.invert(out))

    left = footer.meta.num_rows - found
    mark = rewrite(file, footer, kept, into, levels)
    made = file.staged(into, mark)
    with opened(made) as source:
        after = Footer(source.metadata, source.schema_arrow, footer.leaves, footer.places)
    faithful(file, footer, after, left)
    if finder.hits(made, after, whose=False):
        raise Unfaithful(file, "what is left of the rows that should go")
    return Written(file, found, found, left, into, mark)


# ---------------------------------------------------------------- with other values


def changes_in(
    file: File, footer: Footer, hits: Hits, assign: Mapping[str, Assignment], kinds: Kinds,
    names: Sequence[str],
) -> dict[int, tuple[Any, dict[str, list[Value]]]]:  # fmt: skip
    """Row group → (rows that would become different, their new values per field)."""
    for name in assign:
        leaf = footer.leaves.get(name)
        if leaf is None:
            words = (
                f"`{name}` is the name of a directory, not a column"
                if name in file.parts
                else f"{file.words} has no column `{name}`"
            )
            raise Refused("the lake", file.dataset, "other", words)
    made: dict[int, tuple[Any, dict[str, list[Value]]]] = {}
    with opened(file, footer, coerce_int96_timestamp_unit="us") as source:
        for number, rows, _ in hits:
            table = source.read_row_group(number, use_threads=False).take(rows)
            chunk = Chunk(table, file, footer, kinds)
            columns = [chunk.read(name) for name in names]
            places: list[int] = []
            new: dict[str, list[Value]] = {name: [] for name in assign}
            for place, met in zip(rows.to_pylist(), zip(*columns, strict=True), strict=True):
                row = dict(zip(names, met, strict=True))
                told = _new(assign, row, file, footer, kinds)
                if any(row[name] != value for name, value in told.items()):
                    places.append(place)
                    for name, value in told.items():
                        new[name].append(value)
            if places:
                made[number] = (pa.array(places, pa.int64()), new)
    return made


def _new(
    assign: Mapping[str, Assignment], row: Row, file: File, footer: Footer, kinds: Kinds
) -> dict[str, Value]:
    told: dict[str, Value] = {}
    for name, value in assigned(assign, row).items():
        leaf = footer.leaves[name]
        if value is None and not leaf.nullable:
            words = f"`{name}` of `{file.dataset}` must not be null"
            raise Refused("the lake", file.dataset, "not-null", words)
        kind = kinds.of(name, footer)
        told[name] = fitted(held(value, kind, dataset=file.dataset, field=name), leaf.type)
    return told


def overwritten(
    file: File, footer: Footer, found: int,
    changes: Mapping[int, tuple[Any, Mapping[str, list[Value]]]], kinds: Kinds, into: Path,
    levels: Levels,
) -> Written:  # fmt: skip
    """The file with new values; before it counts, they are read from it again."""
    expected: dict[int, Any] = {}

    def kept(number: int, table: Any) -> Any:
        if number not in changes:
            return table
        rows, new = changes[number]
        out = pc.is_in(pa.arange(0, table.num_rows), value_set=rows)
        for name, values in new.items():
            leaf = footer.leaves[name]
            at = table.schema.get_field_index(leaf.steps[0])
            field = table.schema.field(at)
            column = replaced(one(table.column(at)), leaf, out, values, kinds.of(name, footer))
            table = table.set_column(at, field, column)
        tops = list(dict.fromkeys(footer.leaves[name].steps[0] for name in new))
        expected[number] = only_used(table.select(tops).take(rows))
        return table

    mark = rewrite(file, footer, kept, into, levels)
    with opened(file.staged(into, mark)) as source:
        after = Footer(source.metadata, source.schema_arrow, footer.leaves, footer.places)
        faithful(file, footer, after, footer.meta.num_rows)
        for number, (rows, _) in changes.items():
            tops = expected[number].column_names
            table = source.read_row_group(number, columns=tops, use_threads=False)
            if not only_used(table.select(tops).take(rows)).equals(expected[number]):
                raise Unfaithful(file, "what was to be written")
    done = sum(len(rows) for rows, _ in changes.values())
    return Written(file, found, done, footer.meta.num_rows, into, mark)
