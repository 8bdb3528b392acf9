"""A list as a file for a spreadsheet, in which no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from kept.terms.spreadsheets import guarded

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
    # Every start of the server would wait for it, and few ask for a spreadsheet.
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

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


#: Ending of a file → (media type, what makes it).
KINDS: Final[Mapping[str, tuple[str, Callable[[str, Rows], bytes]]]] = {
    "csv": ("text/csv", as_csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_xlsx),
}
