"""A list of requests received elsewhere: looked at line by line, entered whole, and once."""

from __future__ import annotations

import datetime as dt
import html
import io
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Response
from openpyxl import Workbook
from tests.acceptance.conftest import kept
from tests.app.desk import Desk, opened

from kept.app.desk.sheets import as_csv, as_xlsx
from kept.duties.rights import entering, listed
from kept.errors import KeptError, UsageError
from kept.stores import lists

MAIL = '\n[mail]\nurl = "out"\nfrom = "desk@kept.test"\n'
HEAD = ("arrived", "channel", "asked", "email", "name", "words", "reference", "told")
GOOD = (
    ("2026-11-02", "letter", "access", "ana@example.org", "", "", "A-1", "yes"),
    ("2026-11-03", "email", "erasure; rectification", "ben@example.org", "", "", "A-2", ""),
    ("2026-11-04", "phone", "", "", "=1+1", "Please delete all my data", "A-3", ""),
    ("2026-11-02", "letter", "access", "ANA@example.org", "", "", "A-1", "yes"),
)


@pytest.fixture
def desk(tmp_path: Path, kept_url: str) -> Iterator[Desk]:
    with opened(tmp_path / "world", kept_url, MAIL) as made:
        made.account("ines", "intake")
        yield made


def text(rows: tuple[tuple[str, ...], ...], mark: str = "\t") -> str:
    return "\n".join(mark.join(row) for row in (HEAD, *rows))


def test_a_list_is_looked_at_line_by_line_and_wrong_lines_hold_up_all(desk: Desk) -> None:
    wrong = (
        GOOD[0],
        ("2027-11-02", "letter", "access", "a@example.org", "", "", "", ""),
        ("soon", "letter", "access", "a@example.org", "", "", "", ""),
        ("2026-11-02", "pigeon", "access", "a@example.org", "", "", "", ""),
        ("2026-11-02", "letter", "everything", "a@example.org", "", "", "", ""),
        ("2026-11-02", "letter", "access", "secret@@value", "", "", "", ""),
        ("2026-11-02", "letter", "access", "", "", "", "", ""),
        ("2026-11-02", "letter", "", "a@example.org", "", "", "", ""),
        ("2026-11-02", "letter", "child-report", "a@example.org", "", "", "", ""),
    )
    browser = desk.browser(desk.session(desk.account("ines")))
    page = browser.post("/desk/requests/import", list=text(wrong), do="look").text
    assert page.count("Wrong: ") == 8
    for words in ("is to come", "no day", "`channel` is none", "nobody is named", "of a child"):
        assert words in page, words
    assert "Enter what is new" not in page
    answer = browser.post("/desk/requests/import", list=text(wrong), do="enter")
    assert answer.status_code == 400
    assert "8 lines are wrong, the first is line 3" in answer.text
    assert desk.controller.intakes.all() == []
    for list_, words in (
        ("", "the list is empty"),
        ("name,words\n", "no column `arrived`"),
        ("arrived,channel,shoe size\n", "1 columns of the list are not known"),
        ("arrived,channel,channel\n", "or there twice"),
    ):
        with pytest.raises(UsageError, match=words):
            listed.read_text(list_)


def test_what_is_entered_is_entered_once_also_where_it_was_cut_off(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, actor = (
        listed.read_text(text(GOOD)),
        desk.controller.actors.of("Ines", "intake", desk.now),
    )
    real, calls = entering.opened, iter(range(9))

    def cut(*given: object, **named: object) -> object:
        if next(calls) == 1:
            raise KeptError("the machine stopped")
        return real(*given, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as stop:
        stop.setattr(entering, "opened", cut)
        with pytest.raises(KeptError):
            listed.enter(desk.controller, rows, actor, desk.now)
    # Of the second line a row is there, and no case: that line is not done.
    lines = listed.look(desk.controller, rows, desk.now)
    assert [(line.there, line.new) for line in lines] == [
        (True, False), (False, True), (False, True), (True, False),
    ]  # fmt: skip
    listed.enter(desk.controller, rows, actor, desk.now)
    assert listed.enter(desk.controller, rows, actor, desk.now) == []
    made = desk.controller.intakes.all()
    assert [(one.asked, one.arrived, len(one.cases)) for one in made] == [
        (("access",), dt.date(2026, 11, 2), 1),
        (("rectification", "erasure"), dt.date(2026, 11, 3), 2),
        (("erasure",), dt.date(2026, 11, 4), 1),
    ]
    first = desk.controller.cases.get(made[0].cases[0][1])
    clock = desk.controller.clocks.of(first)
    assert clock is not None
    assert clock.arrived == dt.date(2026, 11, 2)
    # Who was told before is not told again.
    assert desk.controller.outbox.waiting() == 1


def test_files_of_both_kinds_through_the_command(desk: Desk) -> None:
    file = desk.directory / "list.xlsx"
    file.write_bytes(as_xlsx("x", (HEAD, GOOD)))
    now = ("--now", desk.now.isoformat())
    looked = kept(desk.directory, "request", "import", file, *now)
    assert looked.status == 0, looked.said
    assert [line["same"] for line in looked.document["lines"]] == [None, None, None, 2]
    assert desk.controller.intakes.all() == []
    done = kept(desk.directory, "request", "import", file, "--yes", *now)
    assert len(done.document["entered"]) == 3
    other = desk.directory / "list.csv"
    other.write_bytes(as_csv("", (HEAD, GOOD)))
    assert kept(desk.directory, "request", "import", other, "--yes", *now).document["entered"] == []
    # What was a formula is a text, there and back.
    names = [desk.controller.intakes.said(one)["identity"] for one in
             desk.controller.intakes.all()]  # fmt: skip
    assert names[2] == [["name", "=1+1"]]
    book, data = Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    sheet.append((dt.datetime(2026, 11, 2), 12.0, "=1+1", None))  # noqa: DTZ001 — as cells are
    book.save(data)
    assert _head(data.getvalue()) == ["2026-11-02", "12", lists.FORMULA]
    file.write_bytes(b"PK\x03\x04 no file")
    assert kept(desk.directory, "request", "import", file).status == 2
    with pytest.raises(UsageError, match="no XLSX"):
        _head(b"")


def _head(data: bytes) -> list[str]:
    """The first line of a spreadsheet, all of which is read."""
    listing = lists.read(io.BytesIO(data), ".xlsx", listed.LIMITS)
    list(listing.lines)
    return listing.head


@pytest.mark.filterwarnings("ignore:.*invalid dependency")
def test_where_she_lives_is_a_region_or_a_country_as_in_a_single_request(desk: Desk) -> None:
    head = "arrived,channel,asked,email,region\n2026-11-02,letter,access,ana@example.org,"
    for said, region in (("DE", "EEA"), ("us-ca", "US-CA"), ("EEA", "EEA"), ("", "unknown")):
        lines = listed.look(desk.controller, listed.read_text(head + said), desk.now)
        assert [one.came and one.came.region for one in lines] == [region]
    (wrong,) = listed.look(desk.controller, listed.read_text(head + "Germany"), desk.now)
    assert "neither a region nor a country" in (wrong.problem or "")


def test_a_file_that_is_not_what_it_says_is_refused_or_read() -> None:
    """Cut, damaged, encrypted, or a ZIP of something else: never an error nobody foresaw."""
    good, chance, met = as_xlsx("x", (HEAD, GOOD)), random.Random(5), []
    files = [b"", b"%PDF-1.7", good[:-40], good[40:]]
    locked = bytearray(good)
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for at in re.finditer(re.escape(head), good):
            locked[at.start() + flags] |= 1
    files.append(bytes(locked))
    for n in range(120):
        hurt = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(good)) as parts, zipfile.ZipFile(hurt, "w") as made:
            for name in parts.namelist():
                words = bytearray(parts.read(name))
                at = chance.randrange(len(words))
                if chance.random() < 0.4:
                    words[at : at + 4] = chance.choice((b"", b'"x"', b"<a>", b"9e99", b"&lol;"))
                if n or not name.startswith("xl/"):  # the first one is no workbook at all
                    made.writestr(name, bytes(words))
        hit = bytearray(hurt.getvalue() if n % 2 else good)
        for _ in range(0 if n % 2 else 3):
            hit[chance.randrange(len(hit))] = chance.randrange(256)
        files.append(bytes(hit))
    for data in files:
        try:
            _head(data)
        except UsageError as problem:
            met.append(problem.what)
    assert set(met) == {"the file is no XLSX that can be read"}
    assert len(met) > 40


def test_a_file_is_sent_to_the_desk_looked_at_and_entered(desk: Desk) -> None:
    ines = desk.browser(desk.session(desk.account("ines")))

    def send(name: str, data: bytes, csrf: str | None = None) -> Response:
        ines.get("/desk/requests/import")
        return ines.client.post(
            "/desk/requests/import", data={"csrf": csrf or ines.csrf, "do": "file"},
            files={"file": (name, data)}, headers={"Origin": "http://127.0.0.1"},
        )  # fmt: skip

    good = as_xlsx("x", (HEAD, GOOD))
    page = send("list.xlsx", good)
    assert page.status_code == 200
    assert page.text.count(">new<") == 3
    assert "the same as line 2" in page.text
    assert desk.controller.intakes.all() == [], "looked at, not entered"
    met = re.search(r'<textarea id="list"[^>]*>(.*?)</textarea>', page.text, re.DOTALL)
    assert met
    done = ines.post("/desk/requests/import", list=html.unescape(met[1]), do="enter")
    assert "3 requests were entered" in done.text
    assert send("LIST.CSV", as_csv("", (HEAD, GOOD))).text.count("was entered") == 4
    names = [desk.controller.intakes.said(one)["identity"] for one in
             desk.controller.intakes.all()]  # fmt: skip
    assert names[2] == [["name", "=1+1"]], "what was a formula is a text"
    # It has to be what its name says, without programs, and no larger than is taken.
    macros = io.BytesIO(good)
    with zipfile.ZipFile(macros, "a") as parts:
        parts.writestr("xl/vbaProject.bin", b"x")
    for name, data, words in (
        ("list.xlsx", as_csv("", (HEAD, GOOD)), "no XLSX"),
        ("list.csv", good, "no CSV"),
        ("list.csv", "arrivéd".encode("latin-1"), "no CSV"),
        ("list.pdf", b"%PDF-1.7", "of no kind that is read"),
        ("list.xlsx", macros.getvalue(), "programs (macros)"),
        ("list.xlsx", good[:-60], "no XLSX"),
        ("list.csv", b"name,words\nx,y", "no column `arrived`"),
        ("list.csv", b"arrived,channel,words\n" + b"x,y,\xc3\xa4\n" * 150_000, "more in the file"),
    ):
        answer = send(name, data)
        assert (answer.status_code, words in html.unescape(answer.text)) == (400, True), words
    assert send("list.csv", b"x" * 2_100_000).status_code == 413
    # Nothing is taken from a page of another login, and a file nowhere else.
    assert send("list.xlsx", good, csrf="0" * 64).status_code == 403
    elsewhere = ines.client.post(
        "/desk/requests/new", data={"csrf": ines.csrf}, files={"file": ("x", b"x")},
        headers={"Origin": "http://127.0.0.1"},
    )  # fmt: skip
    assert elsewhere.status_code == 415
