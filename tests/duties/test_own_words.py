"""What Kept itself holds of a person is said to her in words, and never as nothing."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request
from kept.terms.identifiers import Identifier, parse
from tests.world import NOW

ANA, NOBODY = parse("email=ana@example.org"), parse("email=nobody@example.org")
BEN = parse("email=ben@example.org")


def _own(controller: Controller, out: Path, who: Identifier = ANA) -> tuple[list[str], str]:
    rights.access(controller, Request(((who,),), override="test"), NOW, out=out)
    with zipfile.ZipFile(out) as archive:
        answer = json.loads(archive.read("answer.json"))
        return answer["own"], archive.read("index.html").decode()


def test_requests_what_is_remembered_and_what_stays_are_told(world: Path, tmp_path: Path) -> None:
    with Controller.open(deployment.read(world)) as controller:
        first = rights.preview(controller, Request(((ANA,),)), NOW)
        said, page = _own(controller, tmp_path / "1.zip")
        assert f"erasure of {NOW.day} " in said[0]
        assert first.case in said[0]
        assert first.case in page
        assert "nothing" not in page.partition("Where we looked")[2].partition("</ul>")[0]
        assert not any("hash" in line for line in said)
        assert rights.preview(controller, Request((), case=first.case), NOW).packages
        done = rights.erase(controller, Request((), override="test", case=first.case), NOW)
        said, _ = _own(controller, tmp_path / "2.zip")
        assert "3 requests" in said[0]
        assert f"(case {first.case}, done; others are still to answer" in said[0]
        assert any("not to be used again" in line for line in said)
        assert any("had to stay can be found" in line for line in said)
        # Packages from before the erasure are in the world; it says so, and of nobody else's.
        assert done.packages == (NOW.date(),)
        assert done.document()["packages_handed_out"] == [NOW.date().isoformat()]
        assert rights.preview(controller, Request(((BEN,),)), NOW).packages == ()
        # She is known by another name in the second case: her row says both.
        rights.port(controller, Request(((BEN,),), override="test"), NOW, out=tmp_path / "b.zip")
        by_number = Request(((parse("account=2"),),), override="test")
        assert rights.erase(controller, by_number, NOW).packages == (NOW.date(),)
        # Of somebody else nothing of this is told.
        other, page = _own(controller, tmp_path / "3.zip", NOBODY)
        assert len(other) == 1
        assert first.case not in page
