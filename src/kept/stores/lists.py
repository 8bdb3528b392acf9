"""Lists that people keep in files, read line by line: CSV, XLSX, JSON lines.

One reader for all that comes in by a file. It says what it cannot read with the line, never with
what stands there; it holds a line in memory and never the file, but for what a spreadsheet itself
keeps apart (its shared texts). Lines are counted as a spreadsheet counts its rows: the names of
columns are line 1. Nothing is guessed: a text is UTF-8, or says itself that it is UTF-16, or is
what its owner says it is.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import datetime as dt
import hashlib
import io
import itertools
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

from kept.errors import UsageError
from kept.terms.spreadsheets import unguarded

#: Endings of files that are read.
ENDINGS: Final = (".csv", ".tsv", ".txt", ".xlsx", ".jsonl", ".ndjson")
#: A cell that holds a formula, whatever it came to: nobody said what stands there.
FORMULA: Final = "=\x00"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_MARKS: Final = ("\t", ";", ",")
_PIECE: Final = 1 << 20
#: What a workbook says that it is: one with programs inside says something else.
_BOOK: Final = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_MACROS: Final = "vbaproject.bin"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a list may be; `packed` and `unpacked` are bytes of a spreadsheet."""

    lines: int = 5_000_000
    columns: int = 100
    cell: int = 32_768
    packed: int = 60_000_000
    unpacked: int = 600_000_000
    #: So much larger than its file a spreadsheet may be, beyond ten million bytes.
    ratio: int = 100


@dataclass(slots=True)
class Listing:
    """A list being read. `head` are its columns; those of JSON lines grow as they are met.

    `lines` gives (line, cells): cells by the head, texts without blanks around them, or None
    where the line is none (`amiss` says why then). `dated`: days come as days, whatever is shown.
    """

    head: list[str]
    lines: Iterator[tuple[int, list[str] | None]]
    amiss: dict[int, str] = field(default_factory=dict)
    dated: bool = False


def digest_of(file: BinaryIO) -> bytes:
    """The SHA-256 of a file, which is then at its beginning again."""
    made = hashlib.sha256()
    while piece := file.read(_PIECE):
        made.update(piece)
    file.seek(0)
    return made.digest()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file. UsageError where it cannot be read, or is of no kind that is."""
    if path.suffix.casefold() not in ENDINGS:
        raise UsageError(
            "the list is of a kind that is not read", expected=f"a file {', '.join(ENDINGS)}"
        )
    try:
        file = path.open("rb")
    except OSError as problem:
        raise UsageError("the list cannot be read", met=type(problem).__name__) from None
    with file:
        yield file


def read(file: BinaryIO, ending: str, limits: Limits, *, encoding: str | None = None) -> Listing:
    """The list in a file. UsageError for what is no list at all, or too large for one."""
    ending = ending.casefold()
    if ending == ".xlsx":
        return _sheet(file, limits)
    text = _text(file, encoding)
    if ending in (".jsonl", ".ndjson"):
        return _objects(text, limits)
    return _csv(text, limits)


def read_csv(text: str, limits: Limits) -> Listing:
    """A text of CSV, or of cells as a spreadsheet copies them."""
    return _csv(io.StringIO(text.lstrip("\ufeff"), newline=""), limits)


def _text(file: BinaryIO, encoding: str | None) -> IO[str]:
    begins = file.read(4)
    file.seek(0)
    told = next((name for mark, name in _BOMS if begins.startswith(mark)), None)
    try:
        # A byte that is no letter stays one that nobody takes for a letter: its line is refused.
        return io.TextIOWrapper(
            file, told or encoding or "utf-8", errors="surrogateescape", newline=""
        )
    except LookupError:
        raise UsageError(
            "the encoding of the list is not known", expected="a name such as windows-1252"
        ) from None


def _csv(text: IO[str], limits: Limits) -> Listing:
    first = text.readline(limits.cell * 4)
    mark = max(_MARKS, key=first.count)
    rows = csv.reader(itertools.chain([first], text), delimiter=mark, strict=True)
    try:
        head = [unguarded(cell).strip() for cell in next(rows, [])]
    except (csv.Error, UnicodeError):
        raise _unreadable(1) from None
    listing = Listing(_head(head, limits), iter(()))
    listing.lines = _rows(rows, listing, limits)
    return listing


def _rows(
    rows: Iterator[list[str]], listing: Listing, limits: Limits
) -> Iterator[tuple[int, list[str] | None]]:
    wanted, longest = len(listing.head), limits.cell
    number = 1
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except (csv.Error, UnicodeError):
            # Where a quote is not closed nobody can say where the next line begins.
            raise _unreadable(number) from None
        if number > limits.lines + 1:
            raise _too_long(limits)
        if not any(row):
            continue
        if len(row) != wanted:
            listing.amiss[number] = "columns"
            yield number, None
        elif sum(map(len, row)) > longest and any(len(cell) > longest for cell in row):
            listing.amiss[number] = "long"
            yield number, None
        else:
            yield (
                number,
                [cell.strip() if cell[:1] != "'" else unguarded(cell).strip() for cell in row],
            )


def _objects(text: IO[str], limits: Limits) -> Listing:
    listing = Listing([], iter(()))
    places: dict[str, int] = {}

    def lines() -> Iterator[tuple[int, list[str] | None]]:
        longest = limits.cell * 4
        for number in itertools.count(2):
            try:
                line = text.readline(longest + 1)
            except UnicodeError:
                raise _unreadable(number) from None
            if not line:
                return
            if len(line) > longest:
                raise _unreadable(number)
            if number > limits.lines + 1:
                raise _too_long(limits)
            if not line.strip():
                continue
            try:
                one = json.loads(line, parse_constant=_no_number, object_pairs_hook=_once)
            except (ValueError, RecursionError):
                one = None
            cells = _cells(one, places, listing.head, limits) if isinstance(one, dict) else None
            if cells is None:
                listing.amiss[number] = "unreadable"
            yield number, cells

    found = lines()
    # The first line says the columns; one that is met later is added behind them.
    first = next(found, None)
    listing.lines = itertools.chain([] if first is None else [first], found)
    return listing


def _no_number(_: str) -> None:
    raise ValueError


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, in which a name stands once."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError
    return made


def _cells(
    one: dict[str, Any], places: dict[str, int], head: list[str], limits: Limits
) -> list[str] | None:
    cells = [""] * len(head)
    for name, value in one.items():
        if isinstance(value, bool):
            shown = "yes" if value else ""
        elif value is None:
            shown = ""
        elif isinstance(value, str | int | float):
            shown = str(value)
        else:
            return None
        if len(shown) > limits.cell:
            return None
        at = places.get(name)
        if at is None:
            if len(head) >= limits.columns:
                return None
            at = places[name] = len(head)
            head.append(name.strip())
            cells.append("")
        cells[at] = shown.strip()
    return cells


def _sheet(file: BinaryIO, limits: Limits) -> Listing:
    try:
        file.seek(0, io.SEEK_END)
        packed = file.tell()
        file.seek(0)
        with zipfile.ZipFile(file) as parts:
            _says_it_is(parts)
            unpacked = sum(part.file_size for part in parts.infolist())
        bomb = unpacked > max(10_000_000, packed * limits.ratio)
        if packed > limits.packed or unpacked > limits.unpacked or bomb:
            raise UsageError(
                "the file is too large, packed or unpacked",
                expected=f"at most {limits.packed:,} bytes, {limits.unpacked:,} unpacked",
                fix="save it as CSV",
            )
        file.seek(0)
        from openpyxl import load_workbook  # every start would wait for it, and few lists need it

        book = load_workbook(file, read_only=True)
        rows = book.worksheets[0].iter_rows(
            max_row=limits.lines + 2, max_col=limits.columns + 1, values_only=False
        )
        head = [_cell(cell) for cell in next(rows, ())]
    except UsageError:
        raise
    except Exception:
        raise _no_sheet() from None
    while head and not head[-1]:
        head.pop()
    listing = Listing(_head(head, limits), iter(()), dated=True)
    listing.lines = _sheet_rows(rows, listing, limits)
    return listing


def whole(name: str, data: bytes, limits: Limits) -> Listing | str:
    """A small list that somebody sends as one file: XLSX, or the text of CSV.

    It has to be what its name says: UsageError for another kind of file, for programs inside it,
    and for text that is not UTF-8.
    """
    ending = name.casefold().rpartition(".")[2]
    if ending == "xlsx":
        return _sheet(io.BytesIO(data), limits)
    if ending != "csv":
        raise UsageError("the file is of no kind that is read", expected="a file .xlsx or .csv")
    if len(data) > limits.packed:
        raise UsageError("the file is too large", expected=f"at most {limits.packed:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text or text.startswith(("PK\x03\x04", "%PDF")):
        raise UsageError(
            "the file is no CSV that can be read", expected="text in UTF-8, as its name says",
            fix="save it as CSV (UTF-8), or as XLSX",
        )  # fmt: skip
    return text


def _says_it_is(parts: zipfile.ZipFile) -> None:
    """Refuse what is no workbook, and one with programs in it."""
    names = [part.filename.casefold() for part in parts.infolist()]
    info = parts.getinfo("[Content_Types].xml")
    kinds = parts.read(info) if info.file_size <= _PIECE else b""
    if any(one.endswith(_MACROS) for one in names) or b"macroEnabled" in kinds:
        raise UsageError(
            "there are programs (macros) in the file; it was not opened", expected="XLSX or CSV",
            fix="save it as XLSX without macros",
        )  # fmt: skip
    if _BOOK not in kinds:
        raise _no_sheet()


def _sheet_rows(
    rows: Iterable[Sequence[Any]], listing: Listing, limits: Limits
) -> Iterator[tuple[int, list[str] | None]]:
    wanted = len(listing.head)
    made = iter(rows)
    for number in itertools.count(2):
        try:
            row = next(made, None)
        except Exception:
            raise _no_sheet() from None
        if row is None:
            return
        cells = [_cell(cell) for cell in row]
        if not any(cells):
            continue
        if number > limits.lines + 1:
            raise _too_long(limits)
        # A spreadsheet leaves out what is empty at the end.
        more = cells[wanted:]
        cells = cells[:wanted] + [""] * (wanted - len(cells))
        if any(more):
            listing.amiss[number] = "columns"
            yield number, None
        elif any(len(cell) > limits.cell for cell in cells):
            listing.amiss[number] = "long"
            yield number, None
        else:
            yield number, cells


def _cell(cell: Any) -> str:
    """A cell as text: days as 2026-01-31, whole numbers without a point, of a formula its mark."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return FORMULA
    if isinstance(value, str):
        return unguarded(value).strip()
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _head(head: list[str], limits: Limits) -> list[str]:
    if not any(head):
        raise UsageError("the list is empty", expected="a line of column names, and lines")
    if len(head) > limits.columns:
        raise UsageError(
            "the list has too many columns", expected=f"at most {limits.columns} columns"
        )
    return head


def _unreadable(number: int) -> UsageError:
    return UsageError(
        f"line {number} cannot be read, and so where the next one begins",
        expected="CSV (each quote closed), XLSX or one JSON object a line",
        fix="save the list again from the program that made it",
    )


def _no_sheet() -> UsageError:
    """Encrypted, damaged or another kind of file: the library raises whatever it stumbles over."""
    return UsageError("the file is no XLSX that can be read", expected="XLSX or CSV")


def _too_long(limits: Limits) -> UsageError:
    return UsageError("the list is too long", expected=f"at most {limits.lines:,} lines")
