"""A list as a file for a spreadsheet, in which no cell is a formula."""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from kept.duties.rights.tables import guarded
from kept.errors import UsageError

#: The names of columns, and rows.
Rows = tuple[Sequence[str], Iterable[Sequence[object]]]


def as_csv(title: str, rows: Rows) -> bytes:
    """CSV (RFC 4180), with a ' before whatever a spreadsheet would take for a formula."""
    del title
    head, lines = rows
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([guarded(str(cell)) for cell in line] for line in lines)
    # The mark at the beginning tells a spreadsheet that it is UTF-8.
    return ("\ufeff" + text.getvalue()).encode()


def as_xlsx(title: str, rows: Rows) -> bytes:
    """XLSX (ISO/IEC 29500) with one sheet; every cell is said to be text."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31])
    head, lines = rows
    for line in (head, *lines):
        cells = []
        for value in line:
            cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", str(value)))
            cell.data_type = "s"  # what begins with = is a formula otherwise
            cells.append(cell)
        sheet.append(cells)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


#: The largest file that is read, packed and unpacked; cells of one row.
_LARGEST: Final = (5_000_000, 50_000_000)
_CELLS: Final = 40
#: What a workbook says that it is: one with programs inside says something else.
_BOOK: Final = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_MACROS: Final = "vbaproject.bin"


def read_list(name: str, data: bytes, most: int) -> list[list[str]] | str:
    """A list that somebody sends as a file: rows of cells of XLSX, or the text of CSV.

    It has to be what its name says: UsageError for another kind of file, for programs inside it,
    and for text that is not UTF-8.
    """
    ending = name.casefold().rpartition(".")[2]
    if ending == "xlsx":
        _says_it_is(data)
        return read_xlsx(data, most)
    if ending != "csv":
        raise UsageError("the file is of no kind that is read", expected="a file .xlsx or .csv")
    if len(data) > _LARGEST[0]:
        raise UsageError("the file is too large", expected=f"at most {_LARGEST[0]:,} bytes")
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


def _says_it_is(data: bytes) -> None:
    """Refuse what is no workbook, and one with programs in it."""
    refused = UsageError("the file is no XLSX that can be read", expected="XLSX or CSV")
    if not data.startswith(b"PK\x03\x04"):
        raise refused
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            names = [part.filename.casefold() for part in parts.infolist()]
            info = parts.getinfo("[Content_Types].xml")
            if info.file_size > _LARGEST[0]:
                raise refused
            kinds = parts.read(info)
    except UsageError:
        raise
    except Exception:  # damaged or encrypted: the library raises whatever it stumbles over
        raise refused from None
    if any(one.endswith(_MACROS) for one in names) or b"macroEnabled" in kinds:
        raise UsageError(
            "there are programs (macros) in the file; it was not opened", expected="XLSX or CSV",
            fix="save it as XLSX without macros",
        )  # fmt: skip
    if _BOOK not in kinds:
        raise refused


def read_xlsx(data: bytes, most: int) -> list[list[str]]:
    """The cells of the first sheet as text, days as 2026-01-31; of a formula what it came to.

    UsageError for what is no such file, or larger than a list of `most` lines can be.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if len(data) > _LARGEST[0] or unpacked > _LARGEST[1]:
            raise UsageError("the file is too large", expected=f"at most {_LARGEST[0]:,} bytes")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(max_row=most + 2, max_col=_CELLS, values_only=True)
        return [[_text(cell) for cell in row] for row in rows]
    except UsageError:
        raise
    except Exception:
        # Encrypted, damaged or another kind of file: the library raises whatever it stumbles over.
        raise UsageError("the file is no XLSX that can be read", expected="XLSX or CSV") from None


def as_text(rows: Iterable[Sequence[str]]) -> str:
    """Rows as a spreadsheet copies them: cells apart by tabs, in quotes where that is needed."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    return text.getvalue()


def _text(cell: object) -> str:
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


#: Ending of a file → (media type, what makes it).
KINDS: Final[Mapping[str, tuple[str, Callable[[str, Rows], bytes]]]] = {
    "csv": ("text/csv; charset=utf-8", as_csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx),
}
