"""Lists as people keep them: every kind of file, its encodings, and what is no list at all."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from kept.errors import UsageError
from kept.stores import lists
from kept.stores.lists import FORMULA, Limits, Listing

SMALL = Limits(lines=5, columns=4, cell=20)


def read(data: bytes, ending: str = ".csv", limits: Limits = SMALL, **more: Any) -> Listing:
    return lists.read(io.BytesIO(data), ending, limits, **more)


def rows(listing: Listing) -> list[tuple[int, list[str] | str]]:
    """(line, cells, or what is amiss)."""
    return [(n, cells if cells is not None else listing.amiss[n]) for n, cells in listing.lines]


def sheet(*lines: tuple[object, ...]) -> bytes:
    book, data = Workbook(), io.BytesIO()
    assert book.active is not None
    for line in lines:
        book.active.append(line)
    book.save(data)
    return data.getvalue()


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_say_themselves_how_they_are_written(mark: str, encoding: str) -> None:
    text = mark.join(("name", "city")) + "\r\n" + mark.join(("Zoë", '"Köln\n2"')) + "\r\n"
    listing = read(text.encode(encoding))
    assert (listing.head, rows(listing)) == (["name", "city"], [(2, ["Zoë", "Köln\n2"])])


def test_another_encoding_is_said_and_never_guessed() -> None:
    data = "name,city\nZoë,Köln\nAna,Rom\n".encode("windows-1252")
    assert rows(read(data, encoding="windows-1252"))[0] == (2, ["Zoë", "Köln"])
    # Without a word the line is readable to nobody; the next one is what it was.
    first, second = rows(read(data))
    assert "Zoë" not in first[1]
    assert second == (3, ["Ana", "Rom"])


def test_a_line_of_another_length_or_with_a_huge_cell_is_none_and_the_next_one_is() -> None:
    listing = read(b"a,b\n1\n1,2,3\n\n" + b"x" * 21 + b",2\n5,6\n")
    assert rows(listing) == [(2, "columns"), (3, "columns"), (5, "long"), (6, ["5", "6"])]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'a,b\n1,"2\n3,4\n5,6\n', "line 2 cannot be read"),
        (b"a,b\n" + b"1,2\n" * 6, "too long"),
        (b"a,b,c,d,e\n", "too many columns"),
        (b"", "empty"),
        (b'"\n', "line 1 cannot be read"),
    ],
    ids=["open quote", "lines", "columns", "nothing", "open at once"],
)
def test_what_is_no_list_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rows(read(data))


def test_objects_line_by_line_and_columns_that_come_later() -> None:
    data = b'{"a": "x", "n": 1.5}\n\n{"a": null, "later": true}\n[1]\n{"a": {"b": 1}}\n'
    listing = read(data, ".jsonl")
    assert rows(listing) == [
        (2, ["x", "1.5"]), (4, ["", "", "yes"]), (5, "unreadable"), (6, "unreadable"),
    ]  # fmt: skip
    assert listing.head == ["a", "n", "later"]
    assert rows(read(b'{"a": 1, "a": 2}\n', ".jsonl")) == [(2, "unreadable")]


def test_a_sheet_has_its_days_as_days_and_its_formulas_as_none() -> None:
    data = sheet(
        ("day", "number", "text", "sum"),
        (dt.date(2024, 4, 3), 12.0, "'=1+1", "=1+1"),
        (45231, True, None, None, "more"),
        (None, None),
        ("'@x", 1.5),
    )
    assert rows(read(data, ".xlsx")) == [
        (2, ["2024-04-03", "12", "=1+1", FORMULA]), (3, "columns"), (5, ["@x", "1.5", "", ""]),
    ]  # fmt: skip


def test_a_sheet_that_unpacks_to_far_more_than_it_is_is_not_unpacked() -> None:
    data = io.BytesIO(sheet(("a",), ("1",)))
    with zipfile.ZipFile(data, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet2.xml", b" " * 40_000_000)
    assert len(data.getvalue()) < 100_000
    with pytest.raises(UsageError, match="too large, packed or unpacked"):
        read(data.getvalue(), ".xlsx")


def test_entities_of_a_sheet_are_not_unfolded() -> None:
    laughs = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    ) + "]>"  # fmt: skip
    data = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(sheet(("a",), ("1",)))) as parts,
        zipfile.ZipFile(data, "w") as made,
    ):
        for name in parts.namelist():
            text = parts.read(name).decode()
            if name == "xl/worksheets/sheet1.xml":
                text = laughs + text.replace("<t>1</t>", "<t>&j;</t>")
            made.writestr(name, text)
    with pytest.raises(UsageError, match="no XLSX that can be read"):
        rows(read(data.getvalue(), ".xlsx"))


def test_only_files_of_known_kinds_are_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not read"), lists.opened(tmp_path / "list.pdf"):
        pass
    with pytest.raises(UsageError, match="cannot be read"), lists.opened(tmp_path / "none.csv"):
        pass


def test_lines_are_not_held_while_they_are_read(tmp_path: Path) -> None:
    """A list of any length: one line at a time, from the file as it is read."""
    file = tmp_path / "long.csv"
    with file.open("w") as out:
        out.write("a,b\n")
        out.writelines(f"{n},x\n" for n in range(50_000))
    with lists.opened(file) as opened:
        before = opened.tell()
        listing = lists.read(opened, ".csv", Limits())
        assert next(listing.lines) == (2, ["0", "x"])
        assert before < opened.tell() < file.stat().st_size / 2
