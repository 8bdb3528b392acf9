"""Letters on paper: what is said is text whatever it looks like, and what went out is on record."""

from __future__ import annotations

import datetime as dt
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import Request, close_case, paper
from kept.duties.rights.letter import letter
from kept.errors import Denied, UsageError
from kept.records.actor import Actor
from kept.terms.identifiers import parse
from tests.world import NOW, make

DAY = dt.timedelta(days=1)
HOME = ("Ben Ortiz", "1 Long Road", "10115 Berlin", "Germany")
#: What looks like an order to the typesetter, a page or a spreadsheet, and what is hard to set.
HOSTILE = (
    '#eval("1+1") #strong[x] $a^2$ *b* _c_ `d` <label> @ref // gone?',
    "= a heading", "- a list", "+ one more", "/ term: x", "\\u{41} \\# \\", "<b>&amp;</b>",
    '#import "@preview/cetz:0.1.0": *', '#image("/etc/passwd")', "=HYPERLINK(1)", "{{ x }} {% y %}",
)  # fmt: skip


@pytest.fixture(scope="module")
def controller(
    tmp_path_factory: pytest.TempPathFactory, kept_module_url: str
) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("paper") / "world", kept_module_url)
    with Controller.open(deployment.read(directory)) as opened:
        yield opened


def _pia(controller: Controller, role: str = "privacy-officer") -> Actor:
    return controller.actors.of("Pia", role, NOW)


def _asked(controller: Controller, who: str = "ben", region: str = "EEA") -> str:
    request = Request(((parse(f"email={who}@example.org"),),), evidence="a code", region=region)
    return rights.preview(controller, request, NOW).case


def _refused(controller: Controller, who: str) -> str:
    """A case that has an answer."""
    case = _asked(controller, who)
    close_case(controller, case, "refused", "we do not know you", _pia(controller), NOW,
               code="not-identified")  # fmt: skip
    return case


def _read(pdf: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf))


def _text(pdf: bytes) -> str:
    """What a reader sees, without regard to where lines end."""
    return "".join("".join(page.extract_text() for page in _read(pdf).pages).split())


def _flat(words: str) -> str:
    return "".join(words.split())


def _entries(controller: Controller, kind: str, case: str) -> list[dict[str, Any]]:
    found = [dict(e.body) for _, e in controller.ledger.entries(kind=kind)]
    return [body for body in found if body["case"] == case]


def test_the_answer_on_paper_is_the_answer(controller: Controller, tmp_path: Path) -> None:
    given = rights.access(
        controller, Request(((parse("email=ben@example.org"),),), evidence="a code"), NOW,
        out=tmp_path / "ben.zip",
    )  # fmt: skip
    one, pdf = paper.make(controller, given.case, HOME, _pia(controller), NOW, country="DE")
    said = letter(controller, given.case, NOW, country="DE")
    text = _text(pdf)
    for part in said.parts:
        for words in (part.title, *part.lines, *part.points):
            assert _flat(words) in text.replace("•", ""), words
    for line in (*HOME, said.title, said.sender, said.date, given.case):
        assert _flat(line) in text
    read = _read(pdf)
    pages = len(read.pages)
    for number, page in enumerate(read.pages, 1):
        assert _flat(f"Page {number} / {pages}") in _flat(page.extract_text())
    root: Any = read.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "en"
    assert read.metadata is not None
    assert read.metadata.title == said.title
    # Every font is inside, and nothing is asked of anybody or run.
    fonts = [f.get_object() for p in read.pages for f in p["/Resources"]["/Font"].values()]
    assert fonts
    for font in fonts:
        (inner,) = font["/DescendantFonts"]
        file = inner.get_object()["/FontDescriptor"].get_object()
        assert "/FontFile2" in file or "/FontFile3" in file
    for word in (b"/URI", b"/JavaScript", b"/Launch", b"/SubmitForm", b"/EmbeddedFile"):
        assert word not in pdf
    # What it claims is held against the steps, as of a letter by mail.
    (claim,) = _entries(controller, "answer.given", given.case)
    assert claim["complete"] is True
    (made,) = _entries(controller, "letter.made", given.case)
    assert made["text"] == claim["text"]
    met = run(controller, registered(), NOW, names=["rights.answers-claim-what-was-done"])
    assert met[0].outcome is Outcome.PASS, met[0].findings
    assert paper.again(controller, given.case, one.id) == pdf
    # It lies sealed: the address is nowhere in the clear.
    with controller.database.connection() as c:
        stored = c.execute("SELECT sealed, kind FROM case_letter").fetchall()
    assert all(b"Berlin" not in row[0] and b"%PDF" not in row[0] for row in stored)


def test_hostile_words_are_text(controller: Controller) -> None:
    case, open_ = _refused(controller, "cara"), _asked(controller, "cara")
    for turn in range(0, len(HOSTILE), 5):
        lines = HOSTILE[turn : turn + 5]
        _, pdf = paper.make(controller, case, lines, _pia(controller), NOW)
        for line in lines:
            assert _flat(line) in _text(pdf), line
    _, pdf = paper.make(
        controller, open_, ("Ana",), _pia(controller), NOW, longer=("complex", " ".join(HOSTILE))
    )
    assert _flat(" ".join(HOSTILE)) in _text(pdf)
    # What turns the direction, is of no shape, or no letter at all, is not there.
    _, pdf = paper.make(
        controller, case,
        ("Ana\u202eana\u0007 \ud800B\u200bo", "", "  ", "Ζωή Иван Nguyễn Đặng Şükrü", "W" * 100),
        _pia(controller), NOW,
    )  # fmt: skip
    assert "AnaanaBo" in _text(pdf)
    assert "ΖωήИванNguyễnĐặngŞükrü" in _text(pdf)
    assert "W" * 100 in _text(pdf).replace("\u200b", "")
    assert len(_read(pdf).pages) == 1


@pytest.mark.parametrize(
    ("lines", "why"),
    [((), "to whom"), (("", " \u202e "), "to whom"), (("—", "#"), "to whom"),
     (("Ana",) * 8, "window"), (("x" * 101,), "window")],
)  # fmt: skip
def test_addresses_that_are_none(lines: tuple[str, ...], why: str, controller: Controller) -> None:
    case = _asked(controller, "dora")
    with pytest.raises(UsageError, match=why):
        paper.make(controller, case, lines, _pia(controller), NOW)
    assert controller.papers.of(controller.cases.get(case)) == []


def test_a_refusal_on_paper(controller: Controller) -> None:
    case = _refused(controller, "emil")
    _, pdf = paper.make(controller, case, HOME, _pia(controller), NOW)
    assert _flat("We refuse this request") in _text(pdf)
    assert _flat("We do not know you") in _text(pdf)


def test_of_a_case_in_which_nothing_was_done_there_is_no_answer(controller: Controller) -> None:
    """Entered as sent it would count as the answer later, though it told her of none."""
    case = _asked(controller, "edda")
    before = len(list(controller.ledger.entries()))
    with pytest.raises(UsageError, match=r"no answer yet.*--more-time"):
        paper.make(controller, case, HOME, _pia(controller), NOW)
    assert len(list(controller.ledger.entries())) == before
    assert paper.make(
        controller, case, HOME, _pia(controller), NOW, longer=("complex", "three archives")
    )


def test_it_is_entered_as_sent_once_with_a_day_that_can_be(controller: Controller) -> None:
    case = _refused(controller, "fay")
    with pytest.raises(UsageError, match="no such letter"):
        paper.posted(controller, case, None, NOW.date(), _pia(controller), NOW)
    one, _ = paper.make(controller, case, HOME, _pia(controller), NOW)
    later = NOW + 3 * DAY
    for day in (NOW.date() - DAY, later.date() + DAY):
        with pytest.raises(UsageError, match="cannot have gone out"):
            paper.posted(controller, case, one.id, day, _pia(controller), later)
    with pytest.raises(UsageError, match="no such letter"):
        paper.posted(controller, case, one.id + 1000, later.date(), _pia(controller), later)
    before = controller.clocks.of(controller.cases.get(case))
    paper.posted(controller, case, one.id, later.date(), _pia(controller), later)
    (kept,) = controller.papers.of(controller.cases.get(case))
    assert kept.posted_on == later.date()
    (entry,) = _entries(controller, "letter.posted", case)
    assert (entry["sent"], entry["actor"]) == (later.date().isoformat(), "privacy-officer")
    assert entry["file"] == _entries(controller, "letter.made", case)[0]["file"]
    # The clock has it, and no day moved.
    assert controller.clocks.of(controller.cases.get(case)) == before
    change = controller.clocks.changes(controller.cases.get(case))[-1]
    assert (change.act, change.dated) == ("posted", later.date())
    with pytest.raises(UsageError, match="before; nothing was changed"):
        paper.posted(controller, case, one.id, later.date(), _pia(controller), later)


def test_a_notice_gives_more_time_when_it_went_out_and_not_before(
    controller: Controller,
) -> None:
    case = _asked(controller, "gus")
    first = controller.clocks.of(controller.cases.get(case))
    assert first is not None
    one, pdf = paper.make(
        controller, case, HOME, _pia(controller), NOW, longer=("complex", "three archives"),
    )  # fmt: skip
    assert _flat("Three archives") in _text(pdf)
    assert controller.clocks.of(controller.cases.get(case)) == first, "a letter on a desk is none"
    # Who may not move a day does not do it with a letter either; and nothing is half done.
    with pytest.raises(Denied):
        paper.posted(controller, case, one.id, NOW.date(), _pia(controller, "support"), NOW)
    assert controller.papers.of(controller.cases.get(case))[0].posted_on is None
    paper.posted(controller, case, one.id, NOW.date(), _pia(controller), NOW)
    after = controller.clocks.of(controller.cases.get(case))
    assert after is not None
    assert after.extended
    assert after.due > first.due
    months = ("January", "February")
    assert _flat(f"by {after.due.day} {months[after.due.month - 1]} {after.due.year}") in _text(pdf)
    met = run(controller, registered(), NOW, names=["rights.extension-told-in-time"])
    assert met[0].outcome is Outcome.PASS
    # It is given once.
    with pytest.raises(UsageError, match="extended before"):
        paper.make(controller, case, HOME, _pia(controller), NOW, longer=("complex", "more"))


def test_a_notice_that_went_out_too_late_gives_nothing(controller: Controller) -> None:
    case = _asked(controller, "hal")
    one, _ = paper.make(controller, case, HOME, _pia(controller), NOW, longer=("numerous", "many"))
    late = NOW + 60 * DAY
    with pytest.raises(UsageError, match="the first period is over"):
        paper.posted(controller, case, one.id, late.date(), _pia(controller), late)
    assert controller.papers.of(controller.cases.get(case))[0].posted_on is None
    with pytest.raises(UsageError, match="the first period is over"):
        paper.make(controller, case, HOME, _pia(controller), late, longer=("numerous", "many"))


def test_a_sign_that_no_font_has_is_not_left_out(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typst

    case = _refused(controller, "jo")
    # A machine that has no font but those that typst brings.
    monkeypatch.setattr(paper, "_fonts", lambda: typst.Fonts(include_system_fonts=False))
    with pytest.raises(UsageError, match="in no font of this machine") as met:
        paper.make(controller, case, ("王小明",), _pia(controller), NOW)
    assert "王" not in str(met.value)
    assert controller.papers.of(controller.cases.get(case)) == []
    assert "Ben" in _text(paper.make(controller, case, HOME, _pia(controller), NOW)[1])


def test_without_the_library_it_says_which_extra(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _asked(controller, "ida")
    before = len(list(controller.ledger.entries()))
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(UsageError, match=r"kept\[letters\]"):
        paper.make(controller, case, HOME, _pia(controller), NOW)
    assert len(list(controller.ledger.entries())) == before
