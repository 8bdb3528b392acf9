"""RIGHT-12 and RIGHT-13: what comes by letter, and mail that is entered, from its day on."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from tests.acceptance.conftest import kept
from tests.app.desk import HOST, Desk, opened
from tests.scans import JPEG, PNG, pdf

HOME = ("Bea Post", "1 Long Road", "8001 Zürich")
MONDAY = "2026-11-16"
MX = '\n[desk]\nmail_servers = ["mx.company.example"]\n[mail]\nurl = "out"\nfrom = "a@kept.test"\n'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("letters") / "world", kept_module_url, MX) as made:
        made.account("ines", "intake")
        made.account("pia", "privacy-officer")
        yield made


def judged(desk: Desk) -> tuple[Outcome, int]:
    names = ["rights.letters-count-from-arrival"]
    (evidence,) = run(desk.controller, registered(), desk.now, names=names)
    return evidence.outcome, evidence.looked_at


def sealed(desk: Desk) -> list[bytes]:
    with desk.controller.database.connection() as c:
        return [bytes(r[0]) for r in c.execute("SELECT sealed FROM intake_scan ORDER BY scan")]


def test_RIGHT_13_a_letter_is_entered_with_its_scan_and_answered_on_paper(
    desk: Desk, tmp_path: Path
) -> None:
    """It came on Monday, is entered on Thursday with its scan, and the answer goes by post."""
    assert judged(desk) == (Outcome.VACUOUS, 0)
    where = ("--now", desk.now.isoformat())
    (tmp_path / "letter.pdf").write_bytes(pdf())
    (tmp_path / "page.gif").write_bytes(b"GIF89a")
    came = ("request", "add", "--channel", "letter", "--arrived", MONDAY, *where,
            "--identity", "phone=+41 44 123 45 67", "--right", "stop-mailing",
            *(part for line in HOME for part in ("--post", line)))  # fmt: skip
    refused = kept(desk.directory, *came, "--scan", tmp_path / "page.gif")
    assert refused.status == 2
    assert "no scan" in refused.said
    assert judged(desk)[1] == 0  # nothing of it was entered
    lives = ("--region", "DE")  # a country, as every other command takes it
    ran = kept(desk.directory, *came, *lives, "--right", "access", "--scan",
               tmp_path / "letter.pdf")  # fmt: skip
    assert ran.status == 0, ran.said
    (one,) = ran.document["requests"]
    assert one["region"] == "EEA"
    assert (one["arrived"], [s["form"] for s in one["scans"]]) == (MONDAY, ["pdf"])
    cases = {c["asked"]: c["case"] for c in one["cases"]}
    for case in cases.values():
        shown = kept(desk.directory, "case", "show", case, *where).document
        assert shown["clock"]["arrived"] == MONDAY
    # It lies encrypted, and comes out as it came in.
    (kept_as,) = sealed(desk)
    assert b"%PDF" not in kept_as
    out = tmp_path / "out.pdf"
    assert kept(desk.directory, "request", "scanned", one["request"], "--out", out).status == 0
    assert out.read_bytes() == pdf()
    assert HOME[1] not in repr(desk.entries("request.taken")[-1])
    # The answer goes to the address in the letter, once nobody named another.
    stopped = cases["stop-mailing"]
    made = kept(desk.directory, "case", "letter", stopped, "--pdf", tmp_path / "a.pdf", *where)
    assert made.status == 0, made.said
    import pypdf

    words = pypdf.PdfReader(tmp_path / "a.pdf").pages[0].extract_text()
    assert all(line in words for line in HOME)
    assert sealed(desk)  # one of its cases has ended, the other has not
    ended = kept(desk.directory, "case", "withdraw", cases["access"], "--reason", "she rang",
                 *where)  # fmt: skip
    assert ended.status == 0, ended.said
    assert sealed(desk) == []
    gone = kept(desk.directory, "request", "scanned", one["request"], "--out", tmp_path / "b.pdf")
    assert gone.status == 2
    assert "scans go" in gone.said
    # A week later nobody has posted it, which the control finds.
    assert judged(desk) == (Outcome.PASS, 1)
    desk.later(days=8)
    assert judged(desk) == (Outcome.FAIL, 1)
    sent = (desk.now - dt.timedelta(days=7)).date().isoformat()
    posted = kept(desk.directory, "case", "posted", stopped, "--on", sent, "--now",
                  desk.now.isoformat())  # fmt: skip
    assert posted.status == 0, posted.said
    assert judged(desk) == (Outcome.PASS, 1)
    with psycopg.connect(desk.controller.database.url) as c:
        c.execute("UPDATE case_clock SET arrived = arrived + 3")
    assert judged(desk)[0] is Outcome.FAIL
    with psycopg.connect(desk.controller.database.url) as c:
        c.execute("UPDATE case_clock SET arrived = arrived - 3")


def test_RIGHT_13_the_desk_takes_a_scan_and_gives_it_back_as_a_file(desk: Desk) -> None:
    before = judged(desk)[1]
    ines = desk.browser(desk.session(desk.account("ines")))
    answer = ines.post(
        "/desk/requests/new", channel="letter", arrived=MONDAY, asks="access", kind="phone",
        value="+41 44 765 43 21", post="\n".join(HOME),
    )  # fmt: skip
    assert answer.status_code == 303, answer.text
    at = answer.headers["location"].partition("?")[0]

    def upload(content: bytes, csrf: str | None = None, origin: str = HOST) -> int:
        sent = ines.client.post(
            f"{at}/scan", data={"csrf": ines.csrf if csrf is None else csrf},
            files={"scan": ("x.pdf", content, "application/pdf")}, headers={"Origin": origin},
            follow_redirects=False,
        )  # fmt: skip
        return sent.status_code

    assert upload(PNG) == 303
    assert upload(JPEG) == 303
    assert upload(b"<html>") == 400
    assert upload(PNG, csrf="0" * 64) == 403
    assert upload(PNG, origin="http://elsewhere.example") == 403
    assert upload(bytes(6_000_000)) == 413
    assert len(sealed(desk)) == 2
    page = ines.get(at).text
    numbers = re.findall(r'name="scan" value="(\d+)"', page)
    assert len(numbers) == 2
    assert HOME[0] not in page
    got = ines.post(f"{at}/scanned", scan=numbers[0])
    assert got.content == PNG
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert ines.post(f"{at}/scanned", scan="0").status_code == 400
    assert ", ".join(HOME) in ines.post(f"{at}/show").text
    # No other form of the desk takes a file.
    other = ines.client.post(
        "/desk/requests/new", data={"csrf": ines.csrf}, files={"x": b"y"}, headers={"Origin": HOST}
    )
    assert other.status_code == 415
    assert judged(desk) == (Outcome.PASS, before + 1)
    assert rights.tend(desk.controller, desk.now) == 0
    assert len(sealed(desk)) == 2


MAIL = (
    b"Received: from a.example by inside.company.example; Mon, 16 Nov 2026 10:00:01 +0000\r\n"
    b"Received: from b.example by mx.company.example (x); Mon, 16 Nov 2026 10:00:00 +0000\r\n"
    b"From: Gil <gil@example.org>\r\nDate: Fri, 1 Jan 1999 00:00:00 +0000\r\n\r\n"
    b"Please send me a copy of my data.\r\n"
)


def test_RIGHT_12_a_saved_mail_is_entered_from_the_day_of_its_stamp(
    desk: Desk, tmp_path: Path
) -> None:
    """Not yet: mail to the address does not arrive by itself."""
    (tmp_path / "gil.eml").write_bytes(MAIL)
    (tmp_path / "bare.eml").write_bytes(MAIL.partition(b"From:")[2].join((b"From:", b"")))
    where = ("--now", desk.now.isoformat())
    ran = kept(desk.directory, "request", "add", "--mail", tmp_path / "gil.eml", *where)
    assert ran.status == 0, ran.said
    (one,) = ran.document["requests"]
    assert (one["arrived"], one["channel"], one["asked"]) == (MONDAY, "email", ["access"])
    told = desk.controller.intakes.said(desk.controller.intakes.get(one["request"]))
    assert told["person"] == "gil@example.org"
    (case,) = one["cases"]
    assert not desk.controller.cases.get(case["case"]).evidence  # who it says proves nothing
    bare = kept(desk.directory, "request", "add", "--mail", tmp_path / "bare.eml", *where)
    assert bare.status == 2
    assert "on which day it arrived" in bare.said
    said = ("--arrived", "2026-11-17")
    bare = kept(desk.directory, "request", "add", "--mail", tmp_path / "bare.eml", *said, *where)
    assert bare.document["requests"][0]["arrived"] == "2026-11-17", bare.said
    assert kept(desk.directory, "request", "add", *said, *where).status == 2


def test_RIGHT_12_the_desk_reads_a_saved_mail_into_its_form_and_enters_nothing(
    desk: Desk,
) -> None:
    ines = desk.browser(desk.session(desk.account("ines")))
    ines.get("/desk/requests/new")
    before = len(desk.controller.intakes.all())

    def read(content: bytes) -> tuple[int, str]:
        sent = ines.client.post(
            "/desk/requests/mail", data={"csrf": ines.csrf}, headers={"Origin": HOST},
            files={"mail": ("m.eml", content, "message/rfc822")},
        )  # fmt: skip
        return sent.status_code, sent.text

    status, page = read(MAIL)
    assert status == 200
    assert f'value="{MONDAY}"' in page
    assert 'value="gil@example.org"' in page
    assert "copy of my data" in page
    assert "proves nothing" in page
    assert len(desk.controller.intakes.all()) == before
    status, page = read(MAIL.replace(b"by mx.", b"by not-mx."))
    assert status == 200
    assert "No server of yours stamped it" in page
    assert read(b"\0")[0] == 400
    status, page = read(MAIL + b"<script>alert(1)</script>")
    assert "<script>" not in page
