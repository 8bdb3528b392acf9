"""What an erasure leaves in a PostgreSQL, as far as the server or its files show it.

A deleted row stays in its page until VACUUM, and its bytes after that until the space is used
again; an index keeps its key as long; the statistics of the planner hold values of rows; the
write-ahead log holds all changes until its segments are reused. A role can see none of it. Where
this machine may read the server's files (`data_directory`), they are looked at byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from kept.model.residue import Fate, Needles, Residue, Scrub, gone, met, unseen
from kept.stores.looking import Hit, affordable, hits, size_of

#: Runs a statement outside of a transaction; its rows.
Ask: TypeAlias = Callable[..., Sequence[tuple[Any, ...]]]

#: A relation, and one of its files.
_File: TypeAlias = tuple[str, Path]

TABLES, INDEXES, PLANNER, LOG = "tables", "indexes", "planner statistics", "write-ahead log"

#: Every relation of the database whose pages may hold values of rows, with its file.
_FILES: Final = """
    WITH planner AS (
        SELECT oid, reltoastrelid FROM pg_class WHERE relkind = 'r' AND oid IN
               ('pg_catalog.pg_statistic'::regclass, 'pg_catalog.pg_statistic_ext_data'::regclass)
    ), held AS (SELECT unnest(ARRAY[oid, reltoastrelid]) AS oid FROM planner)
    SELECT CASE WHEN c.oid IN (SELECT oid FROM held) THEN 'p' WHEN c.relkind = 'i' THEN 'i'
                ELSE 't' END,
           coalesce(o.relname, c.relname), pg_relation_filepath(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class o ON o.reltoastrelid = c.oid AND c.relkind = 't'
    WHERE c.relkind IN ('r', 'm', 't', 'i') AND pg_relation_filepath(c.oid) IS NOT NULL
      AND (c.oid IN (SELECT oid FROM held)
           OR coalesce(o.relnamespace, c.relnamespace) NOT IN
              (SELECT oid FROM pg_namespace
               WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast')))
"""
_OUTSIDE: Final = """
    SELECT (SELECT count(*) FROM pg_stat_replication) + (SELECT count(*) FROM pg_replication_slots),
           current_setting('archive_mode') <> 'off'
"""
_OURS: Final = """
    SELECT format('%%I.%%I', n.nspname, c.relname), pg_has_role(c.relowner, 'USAGE')
    FROM unnest(%s::text[], %s::text[]) AS asked(s, t)
    JOIN pg_namespace n ON n.nspname = s JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t
    WHERE c.relkind IN ('r', 'p', 'm') ORDER BY 1
"""
_ITEM: Final = 4  # bytes of a pointer to a row in its page
_HEADER: Final = 24  # bytes before the first of them
#: In the head of a row: nobody deleted it, or who did only locked it.
_LIVING: Final = 0x0800 | 0x0080


def residue(ask: Ask, directory: Path | None, needles: Needles) -> Iterator[Residue]:
    """Every layer of the database, and those of the server around it."""
    wanted = needles.bytes()
    if not wanted:
        yield unseen(TABLES, "no value of hers is long enough to be recognised in bytes")
    elif directory is None:
        yield from _unshown()
    else:
        yield from _looked(ask, directory, wanted)
    followers, archived = ask(_OUTSIDE)[0]
    if followers:
        yield unseen("replicas", f"{followers} servers follow this one and have pages of their own")
    if archived:
        yield unseen("archived log", "the server copies its log away; who keeps it says how long")


def _unshown() -> Iterator[Residue]:
    way = "the server does not show its pages (option `data_directory`)"
    yield unseen(TABLES, f"{way}; rows stay in them until VACUUM, then until the space is used")
    yield unseen(INDEXES, f"{way}; keys stay in them until VACUUM")
    yield unseen(PLANNER, f"{way}; values stay in them until ANALYZE")
    yield unseen(LOG, "its segments stay until the server uses them again")


def _looked(ask: Ask, directory: Path, wanted: Sequence[bytes]) -> Iterator[Residue]:
    layers: dict[str, list[_File]] = {"t": [], "i": [], "p": []}
    for layer, name, place in ask(_FILES):
        layers[layer] += [(name, file) for file in _segments(directory / place)]
    files = [file for some in layers.values() for _, file in some]
    log = [file for file in (directory / "pg_wal").glob("*") if file.is_file()]
    if not affordable([*files, *log], wanted):
        for layer in (TABLES, INDEXES, PLANNER, LOG):
            yield unseen(layer, "the files are too large to be looked through")
        return
    pages = []
    try:
        ask("CHECKPOINT")  # what changed lies in memory until then
    except PermissionError:
        why = "what lies on the disk is older than what changed: grant the role `pg_checkpoint`"
        pages = [unseen(layer, why) for layer in (TABLES, INDEXES, PLANNER)]
    else:
        block = int(ask("SELECT current_setting('block_size')")[0][0])
        pages = [_layer(TABLES, layers["t"], wanted, lambda found: _rows(found, block))]
        if layers["i"]:
            wait = "an index keeps the key of a deleted row until VACUUM, its bytes longer"
            pages.append(_layer(INDEXES, layers["i"], wanted, lambda _: wait))
        known = "the planner's statistics hold values of rows until ANALYZE, then until VACUUM"
        pages.append(_layer(PLANNER, layers["p"], wanted, lambda _: known))
    yield from pages
    if ask("SELECT current_setting('wal_compression')")[0][0] != "off":
        yield unseen(LOG, "what it holds is compressed (wal_compression)")
        return
    held = "it holds all changes until the server uses its segments again"
    told = _layer(LOG, [("", file) for file in log], wanted, lambda _: held)
    if told.fate is Fate.GONE and any(page.fate is not Fate.GONE for page in pages):
        told = met(LOG, told.looked, 0, "a page that holds her values can be copied into it again")
    yield told


def _segments(first: Path) -> Iterator[Path]:
    if first.exists():
        yield first
    for more in sorted(first.parent.glob(f"{first.name}.*")):
        if more.suffix[1:].isdigit():
            yield more


def _layer(
    layer: str,
    files: Sequence[_File],
    wanted: Sequence[bytes],
    why: Callable[[Mapping[_File, Sequence[Hit]]], str],
) -> Residue:
    found = {}
    looked = 0
    for one in files:
        try:
            met_here = list(hits(one[1], wanted))
        except PermissionError:
            return unseen(layer, "the server's files may not be read by this account")
        looked += size_of(one[1])
        if met_here:
            found[one] = met_here
    if found:
        values = len({hit.needle for some in found.values() for hit in some})
        return met(layer, looked, values, why(found))
    return (
        gone(layer, looked) if looked else unseen(layer, "its files are not where they should be")
    )


def _rows(found: Mapping[_File, Sequence[Hit]], block: int) -> str:
    """Whether rows that are there hold the values, or what is left of others."""
    left: set[str] = set()
    for (name, file), some in found.items():
        with file.open("rb") as handle:
            for hit in some:
                handle.seek(hit.offset - hit.offset % block)
                if not _living(handle.read(block), hit.offset % block):
                    left.add(name)
    if not left:
        return "only in rows that are there: they are kept, or somebody else's"
    names = ", ".join(f"`{name}`" for name in sorted(left))
    return f"in pages of {names} where no row is any more: until used again, or `--physical --full`"


def _living(page: bytes, at: int) -> bool:
    """Whether an offset lies in a row that nobody deleted (storage/bufpage.h, access/htup.h)."""
    lower = int.from_bytes(page[12:14], "little")
    for place in range(_HEADER, min(lower, len(page)), _ITEM):
        item = int.from_bytes(page[place : place + _ITEM], "little")
        start, state, size = item & 0x7FFF, item >> 15 & 3, item >> 17
        if state == 1 and start <= at < start + size:
            deleted = int.from_bytes(page[start + 4 : start + 8], "little")
            marks = int.from_bytes(page[start + 20 : start + 22], "little")
            return deleted == 0 or bool(marks & _LIVING)
    return False


# ---------------------------------------------------------------- scrubbing


def ours(ask: Ask, places: Collection[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Of tables (schema, name): quoted names of those that the role may vacuum, and the others."""
    found = ask(_OURS, ([s for s, _ in places], [t for _, t in places]))
    return [n for n, may in found if may], [n for n, may in found if not may]


def scrubbing(tables: Sequence[str], others: Sequence[str], *, full: bool) -> Iterator[Scrub]:
    """What VACUUM would do to the tables, and what it would not."""
    names = ", ".join(tables)
    if tables and full:
        yield Scrub(
            f"VACUUM (FULL, ANALYZE) {names}",
            "nobody can read or write a table while it is written anew (ACCESS EXCLUSIVE); it"
            " needs as much room on the disk as the table",
        )
    elif tables:
        yield Scrub(
            f"VACUUM (ANALYZE) {names}",
            "nobody who reads or writes waits; changes of the table's shape do (SHARE UPDATE"
            " EXCLUSIVE)",
        )
    if others:
        yield Scrub(f"nothing with {', '.join(others)}", "another role owns them")


def scrub(ask: Ask, tables: Sequence[str], *, full: bool) -> None:
    """Vacuum them one after the other, then what the planner knew of them."""
    for name in tables:
        ask(f"VACUUM ({'FULL, ' if full else ''}ANALYZE) {name}")
    ask("VACUUM pg_catalog.pg_statistic")
