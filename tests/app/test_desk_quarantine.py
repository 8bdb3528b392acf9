"""What may be a child's, on the desk: listed without a word of it, opened on record, decided."""

from __future__ import annotations

from pathlib import Path

from tests import forms
from tests.app.desk import opened

WORDS = "I am 14 years old, says Unmistakable Zwölf"


def test_one_is_opened_and_decided(tmp_path: Path, kept_url: str) -> None:
    with opened(tmp_path / "world", kept_url) as desk:
        for n in range(2):
            answer = forms.sent(
                desk.controller, "support", desk.now, subject=f"Help {n}", body=WORDS
            )
            assert answer.outcome == "held"
        officer = desk.account("pia", "privacy-officer")
        browser = desk.browser(desk.session(officer))
        page = browser.get("/desk/quarantine").text
        assert page.count('action="/desk/quarantine/show"') == 2
        assert "Unmistakable" not in page
        one, other = desk.controller.quarantine.open()
        shown = browser.post("/desk/quarantine/show", item=one.id)
        assert shown.status_code == 200
        assert WORDS in shown.text
        assert [e["request"] for e in desk.entries("data.shown")] == [one.id]
        # A reason is needed, and a decision that there is.
        for fields in ({"reason": ""}, {"reason": "because", "outcome": "maybe"}):
            refused = browser.post("/desk/quarantine/decide", item=one.id, **fields)
            assert refused.status_code == 400
        done = browser.post(
            "/desk/quarantine/decide", item=one.id, outcome="child", reason="she says so"
        )
        assert done.status_code == 303
        browser.post(
            "/desk/quarantine/decide", item=other.id, outcome="no-child", reason="her teacher"
        )
        again = browser.post(
            "/desk/quarantine/decide", item=one.id, outcome="no-child", reason="after all"
        )
        assert again.status_code == 400
        assert "Nothing waits." in browser.get("/desk/quarantine").text
        told = desk.entries("form.decided")
        assert [(e["item"], e["outcome"]) for e in told] == [
            (one.id, "child"), (other.id, "no-child"),
        ]  # fmt: skip
        assert "teacher" not in str(told)
        assert browser.post("/desk/quarantine/show", item="nowhere").status_code == 404
        # A line of a list is shown by what the list is called.
        with desk.controller.database.connection() as c:
            line = {"values": {"note": WORDS}, "people": [], "line": 2, "run": "x"}
            listed = desk.controller.quarantine.hold(
                "import:partner-leads", "EEA", "", line, desk.now, connection=c
            )
        assert "People who left their details with a partner" in browser.get(
            "/desk/quarantine"
        ).text  # fmt: skip
        assert WORDS in browser.post("/desk/quarantine/show", item=listed).text
        gone = browser.post(
            "/desk/quarantine/decide", item=listed, outcome="child", reason="it is one"
        )
        assert gone.status_code == 303
