"""A request that is granted in part: from the page of the case to the package and the letter."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import world
from tests.app.desk import Browser, Desk, opened

from kept.app.cli import main
from kept.duties.rights import Request
from kept.duties.rights.request import open_case
from kept.terms.identifiers import parse

WHY = "the notes hold what a neighbour told us in confidence"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("parts") / "world"
    with opened(directory, kept_module_url) as made:
        made.account("olga", "privacy-officer")
        made.account("vera", "verifier")
        yield made


def case(desk: Desk, right: str, who: str = "ana", region: str = "EEA") -> str:
    one = (parse(f"email={who}@example.org"),)
    request = Request((one,), "web", "operator", evidence="by phone", region=region)
    return open_case(desk.controller, right, request, desk.now)[0].id


def at(desk: Desk, name: str) -> Browser:
    return desk.browser(desk.session(desk.account(name)))


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("right", ["access", "portability"])
def test_a_part_of_a_package_is_refused_and_the_rest_given(desk: Desk, right: str) -> None:
    olga = at(desk, "olga")
    one = case(desk, right)
    path = f"/desk/cases/{one}"
    part = {"where": "shop.note", "code": "others-rights", "words": WHY}
    assert at(desk, "vera").post(f"{path}/part", **part).status_code == 403
    for wrong in ({"where": "shop.no"}, {"where": "own"}, {"code": "no"}, {"words": " "}):
        assert olga.post(f"{path}/part", **{**part, **wrong}).status_code == 400
    assert olga.post(f"{path}/part", **part).headers["location"].endswith("=part")
    assert "refused already" in olga.post(f"{path}/part", **part).text
    assert "Refused: Notes (Shop)" in flat(olga.get(path).text)
    made = olga.post(f"{path}/package")
    assert made.status_code == 200
    with zipfile.ZipFile(io.BytesIO(made.content)) as package:
        files = {name: package.read(name).decode() for name in package.namelist()}
    answer = json.loads(files["answer.json"])
    assert answer["complete"] is True
    assert [(p["system"], p["dataset"], p["code"]) for p in answer["refused"]] == [
        ("shop", "note", "others-rights")
    ]
    assert not [name for name in files if "note" in name]
    page = flat(files["index.html"])
    assert "What we do not give you, and why" in page
    assert WHY in page
    assert "data/shop.signup.csv" in files, "the rest is given"
    letter = flat(olga.post(f"{path}/answer").text)
    assert "Not everything could" in letter
    assert "What we refuse of it" in letter
    assert "GDPR Art. 15(4)" in letter
    assert WHY[1:] in letter
    assert olga.post(f"{path}/part", **part).status_code == 400, "it was handed out"
    assert WHY not in str(desk.entries("case.moved"))


def test_that_nothing_is_held_is_not_said_of_what_is_refused(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = case(desk, "access", "cleo")
    for words in (
        ("case", "refuse", one, "--part", "shop", "--reason", "law-forbids", "--words", "a court"),
        ("rights", "access", "--case", one, "--out", str(tmp_path / "cleo.zip")),
        ("case", "answer", one),
    ):
        with pytest.raises(SystemExit) as end:
            main([*words, "--dir", str(desk.directory)])
        said = capsys.readouterr()
        assert end.value.code == 0, said
    with zipfile.ZipFile(tmp_path / "cleo.zip") as package:
        answer = json.loads(package.read("answer.json"))
        page = flat(package.read("index.html").decode())
    assert answer["nothing_held"] is False
    for text in (answer["summary"], page, flat(said.out)):
        assert "Nothing is held" not in text
        assert "hold nothing" not in text
        assert "No record of yours was met in: Shop" not in text
        # What is refused was not looked through, and there is no rest that could be given.
        assert "found nothing there" not in text
        assert "the rest you get" not in text
    assert "in part not given" in page


def test_a_part_of_an_erasure_stays_by_a_clause(desk: Desk) -> None:
    olga = at(desk, "olga")
    one = case(desk, "erasure", "ben")
    path = f"/desk/cases/{one}"
    part = {"where": "shop.note", "code": "law-forbids", "words": WHY}
    assert olga.post(f"{path}/part", **part).status_code == 400, "no clause"
    done = olga.post(f"{path}/part", **part, clause="RET-10")
    assert done.status_code == 303, flat(done.text)
    olga.post(f"{path}/plan")
    page = flat(olga.get(path).text)
    assert WHY in page
    plan = re.search(r'name="plan" value="([0-9a-f]{64})"', page)
    assert plan
    olga.post(f"{path}/approve", plan=plan[1])
    olga.post(f"{path}/carry-out")
    letter = flat(olga.post(f"{path}/answer").text)
    assert WHY in letter
    assert "Not everything could" in letter
    kept = world.sql(desk.directory, "SELECT count(*) FROM note WHERE about LIKE 'ben%'")
    assert kept == [(1,)], "what was refused stays"


def test_the_law_of_the_united_kingdom_is_named_wherever_a_refusal_is(desk: Desk) -> None:
    olga = at(desk, "olga")
    for right in ("access", "portability"):
        one = case(desk, right, "ana", "UK")
        path = f"/desk/cases/{one}"
        part = {"where": "shop.note", "code": "others-rights", "words": WHY}
        olga.post(f"{path}/part", **part)
        page = flat(olga.get(path).text)
        assert "UK GDPR Art. 15(4) and 20(4)" in page
        assert "UK GDPR Art. 12(5)(b)" in page, "what may be chosen"
        assert not re.search(r"(?<!UK )GDPR Art\. 1[25]\([45]\)", page)
        made = olga.post(f"{path}/package")
        with zipfile.ZipFile(io.BytesIO(made.content)) as package:
            answer = json.loads(package.read("answer.json"))
            shown = flat(package.read("index.html").decode())
        assert [p["law"] for p in answer["refused"]] == ["UK GDPR Art. 15(4) and 20(4)"]
        assert "UK GDPR Art. 15(4) and 20(4)" in shown
    one = case(desk, "erasure", "cem", "UK")
    part = {"where": "shop.note", "code": "law-forbids", "words": WHY, "clause": "RET-10"}
    assert olga.post(f"/desk/cases/{one}/part", **part).status_code == 303
    (hold,) = (h for h in desk.controller.holds.all(desk.now) if h.law and h.law.startswith("UK"))
    assert hold.law == "UK GDPR Art. 23, with the law named here"
