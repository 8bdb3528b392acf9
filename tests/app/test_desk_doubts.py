"""What may be of one person, on the desk: listed without a name, opened on record, decided."""

from __future__ import annotations

from pathlib import Path

from tests import world
from tests.app.desk import opened
from tests.app.test_desk_cases import words

from kept.duties import rights
from kept.duties.rights import Request
from kept.terms.identifiers import Identifier

ANA = Identifier("email", "ana@example.org")
LIKE = (
    "INSERT INTO customer VALUES (77, 'ana+shop@example.org', 'Ana', NULL, '2024-03-01 00:00:00')"
)


def test_one_is_opened_and_decided_and_decided_anew(tmp_path: Path, kept_url: str) -> None:
    with opened(tmp_path / "world", kept_url) as desk:
        world.sql(desk.directory, LIKE)
        asked = Request(((ANA,),), "Kim", "operator", evidence="called back")
        first = rights.access(desk.controller, asked, desk.now, out=tmp_path / "a.zip")
        waiting = desk.controller.doubts.all(case=first.case)
        assert waiting
        one = next(d for d in waiting if d.reason == "plus-tag")
        olga = desk.browser(desk.session(desk.account("olga", "privacy-officer")))
        assert 'href="/desk/doubts"' in olga.get("/desk").text
        assert f"/desk/doubts?case={first.case}" in olga.get(f"/desk/cases/{first.case}").text
        page = olga.get("/desk/doubts").text
        assert page.count('action="/desk/doubts/show"') == len(waiting)
        assert "example.org" not in page.replace(desk.controller.bundle.organisation.email, "")
        assert desk.entries("data.shown") == []
        shown = olga.post("/desk/doubts/show", match=one.id)
        assert shown.status_code == 200
        assert {"ana@example.org", "77"} <= set(words(shown.text).split())
        assert [e["case"] for e in desk.entries("data.shown")] == [first.case]
        # What shows it is said, and a decision that there is.
        for sent in ({"reason": " ", "outcome": "same"}, {"reason": "x", "outcome": "maybe"}):
            again = olga.post("/desk/doubts/decide", match=one.id, **sent)
            assert again.status_code == 400
            assert f">{sent['reason']}</textarea>" in again.text, "what was typed stands there"
        assert len(desk.controller.doubts.all(case=first.case)) == len(waiting)
        done = olga.post(
            "/desk/doubts/decide", match=one.id, outcome="same", reason="she typed the code"
        )
        assert done.status_code == 303
        assert "one person" in words(olga.get(done.headers["location"]).text)
        assert one.id not in olga.get("/desk/doubts").text
        twice = olga.post("/desk/doubts/decide", match=one.id, outcome="same", reason="again")
        assert "settled as `same` already" in words(twice.text)
        # A request by either covers the other now; and somebody can have been wrong.
        again = rights.access(desk.controller, asked, desk.now, out=tmp_path / "b.zip")
        assert again.covers.added["account"] >= 1
        assert one.id in olga.get("/desk/doubts?all").text
        # Whoever has it still open as one that waits does not undo what another decided.
        sent = {"match": one.id, "outcome": "different", "reason": "her sister"}
        stale = olga.post("/desk/doubts/decide", **sent)
        assert "somebody has decided this meanwhile" in words(stale.text).lower()
        assert desk.controller.doubts.get(one.id).outcome == "same"
        assert 'name="was" value="same"' in olga.post("/desk/doubts/show", match=one.id).text
        of_one = olga.post("/desk/doubts/show?case=" + first.case, match=one.id)
        assert f'action="/desk/doubts/decide?case={first.case}"' in of_one.text
        other = olga.post(f"/desk/doubts/decide?case={first.case}", was="same", **sent)
        assert other.status_code == 303
        assert other.headers["location"] == f"/desk/doubts?case={first.case}&done=two-people"
        assert desk.controller.doubts.get(one.id).outcome == "different"
        assert "sister" not in str(desk.entries("identity.settled"))
        assert olga.post("/desk/doubts/show", match="nowhere").status_code == 404
        support = desk.browser(desk.session(desk.account("sue", "support")))
        assert support.get("/desk/doubts").status_code == 403
        assert "/desk/doubts" not in support.get("/desk").text


def test_the_case_of_a_child_says_that_what_was_decided_to_be_hers_stands(
    tmp_path: Path, kept_url: str
) -> None:
    with opened(tmp_path / "world", kept_url) as desk:
        world.sql(desk.directory, LIKE)
        request = Request(((ANA,),), override="her mother called", ground="child")
        gone = rights.erase(desk.controller, request, desk.now)
        olga = desk.browser(desk.session(desk.account("olga", "privacy-officer")))
        standing = "stands there still"
        assert standing not in olga.get(f"/desk/cases/{gone.case}").text
        desk.later(minutes=1)
        for one in desk.controller.doubts.all(case=gone.case):
            shown = olga.post("/desk/doubts/show", match=one.id).text
            assert "carried out without it: a new request takes it along" in words(shown)
            sent = {"match": one.id, "outcome": "same", "reason": "her mother says so"}
            assert olga.post("/desk/doubts/decide", **sent).status_code == 303
        page = olga.get(f"/desk/cases/{gone.case}").text
        assert standing in page
        assert f"/desk/doubts?all&amp;case={gone.case}" in page
