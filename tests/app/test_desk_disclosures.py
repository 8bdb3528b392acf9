"""Disclosures at the desk: noted by an officer; listed, without whose data it was."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from tests.app.desk import opened

from kept.terms.identifiers import parse

ANA = "ana@example.org"


def test_one_is_noted_and_listed_without_whose_it_was(tmp_path: Path, kept_url: str) -> None:
    with opened(tmp_path / "world", kept_url) as desk:
        olga = desk.browser(desk.session(desk.account("olga", "privacy-officer")))
        rita = desk.browser(desk.session(desk.account("rita", "auditor")))
        assert "Nothing is noted" in olga.get("/desk/disclosures").text
        good = {
            "kind": ["email", "phone"], "value": [ANA, ""], "to": "authority",
            "name": "The court of Springfield", "on": "2026-11-20", "ground": "court-order",
            "what": ["contact.email"],
        }  # fmt: skip
        for wrong, words in (
            ({"value": ["", ""]}, "Nobody is named"),
            ({"to": "nobody"}, "There is no such recipient"),
            ({"on": "soon"}, "That is no day"),
            ({"what": []}, "It is not said what was given"),
            ({"ground": "contract"}, "That is no ground"),
            ({"until": "2027-01-01"}, "without an end, or without a law"),
        ):
            answer = olga.post("/desk/disclosures/add", **{**good, **wrong})
            assert (answer.status_code, words in answer.text) == (400, True), words
            assert "The court of Springfield" in answer.text, "what was typed is not lost"
        assert desk.controller.passed.all() == []
        assert rita.post("/desk/disclosures/add", **good).status_code == 403
        barred = {"law": "§ 1 of a law", "until": "2027-01-01"}
        assert olga.post("/desk/disclosures/add", **good, **barred).status_code == 303
        [made] = desk.controller.passed.of([parse(f"email={ANA}")])
        assert (made.on, made.barred_until) == (dt.date(2026, 11, 20), dt.date(2027, 1, 1))
        page = rita.get("/desk/disclosures").text
        assert "The court of Springfield" in page
        assert "Nothing before 2027-01-01: § 1 of a law" in page
        assert ANA not in page
        assert 'action="/desk/disclosures/add"' not in page
