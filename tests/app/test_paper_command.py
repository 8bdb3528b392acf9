"""`kept case letter` and `posted`, as somebody types them."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.app.conftest import Kept


def test_a_letter_is_written_once_and_entered_as_sent(kept: Kept, place: Path) -> None:
    where = ("--dir", place)
    kept("rights", "access", "--identity", "email=ana@example.org", "--region", "EEA", *where)
    (case,) = (c["case"] for c in kept("case", "list", "--json", *where).document["cases"])
    pdf, to = place / "letter.pdf", ("--to", "Ana", "--to", "8001 Zürich")
    assert "to whom" in kept("case", "letter", case, "--pdf", pdf, *where).said
    ran = kept("case", "letter", case, "--pdf", pdf, *to, "--more-time", "complex", *where)
    assert (ran.status, pdf.exists()) == (2, False)
    assert "--words" in ran.said
    notice = ("--more-time", "complex", "--words", "three archives")
    # Words for a notice are not dropped where an answer is asked for, and there is none yet.
    for more, why in ((notice[2:], "notice that it takes longer"), ((), "no answer yet")):
        ran = kept("case", "letter", case, "--pdf", pdf, *to, *more, *where)
        assert (ran.status, pdf.exists()) == (2, False)
        assert why in ran.said
    ran = kept("case", "letter", case, "--pdf", pdf, *to, *notice, *where)
    assert ran.status == 0, ran.said
    assert f"kept case posted {case} --on DAY" in ran.out
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert stat.S_IMODE(pdf.stat().st_mode) == 0o600
    ran = kept("case", "letter", case, "--pdf", pdf, *to, *where)
    assert ran.status == 2
    assert "a file name that nothing has yet" in ran.said
    unknown = ("--pdf", place / "x.pdf", "--again", "2")
    assert kept("case", "letter", case, *unknown, *where).status == 2
    again = place / "again.pdf"
    assert kept("case", "letter", case, "--pdf", again, "--again", "1", *where).status == 0
    assert again.read_bytes() == pdf.read_bytes()
    (listed,) = kept("case", "list", "--json", *where).document["cases"]
    day = listed["opened_at"][:10]
    assert kept("case", "posted", case, "--on", "soon", *where).status == 2
    ran = kept("case", "posted", case, "--on", day, "--letter", "1", *where)
    assert ran.status == 0, ran.said
    (after,) = kept("case", "list", "--json", *where).document["cases"]
    assert after["due"] > listed["due"]
    assert f"Her request is to be answered by {after['due']} now." in ran.out
