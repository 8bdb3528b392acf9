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
