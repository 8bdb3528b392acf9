"""Other people in the texts of a package, at the desk and on the command line."""

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
from kept.records.redaction import Stands
from kept.terms.identifiers import parse

OTHER, NICK = "max@else.example", "Böbby <i>"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("redaction") / "world"
    with opened(directory, kept_module_url) as made:
        world.sql(directory, "UPDATE note SET words = ? WHERE id = 1",
                  f"Came with {NICK}; write to {OTHER}.")  # fmt: skip
        made.account("olga", "privacy-officer")
        made.account("abel", "approver")
        made.account("red", "redactor")
        made.account("rob", "redactor")
        made.account("rita", "auditor")
        yield made


def case(desk: Desk) -> str:
    request = Request(((parse("email=ana@example.org"),),), "web", "operator", evidence="by phone")
    return open_case(desk.controller, "access", request, desk.now)[0].id


def at(desk: Desk, name: str) -> Browser:
    return desk.browser(desk.session(desk.account(name)))


def revision(text: str) -> str:
    met = re.search(r'name="revision" value="(\d+)"', text)
    assert met, text
    return met[1]


def test_struck_by_one_approved_by_another(desk: Desk) -> None:
    olga, abel, red, rob, rita = (at(desk, n) for n in ("olga", "abel", "red", "rob", "rita"))
    one = case(desk)
    path = f"/desk/cases/{one}"
    assert "before two of you have looked at them" in " ".join(olga.get(path).text.split())
    assert olga.post(f"{path}/package").status_code == 400
    # Opened, the page says how it stands, and no word of the texts.
    assert OTHER not in red.get(f"{path}/redaction").text
    assert rita.get(f"{path}/redaction").status_code == 200
    assert rita.post(f"{path}/redaction/show").status_code == 403
    assert desk.entries("data.shown") == []
    seen = red.post(f"{path}/redaction/show").text
    assert f"<del>{OTHER}</del>" in seen
    assert "Böbby &lt;i&gt;" in seen
    assert [e["records"] for e in desk.entries("data.shown")] == [1]
    shown = revision(seen)
    assert abel.post(f"{path}/redaction/strike", revision=shown).status_code == 403
    assert red.post(f"{path}/redaction/approve", revision=shown).status_code == 403
    sent = {"revision": shown, "more": f"\n{NICK}\n", "step": "hand"}
    assert red.post(f"{path}/redaction/strike", **sent).headers["location"].endswith("=handed")
    # Pressed twice, from a page that was shown before, by another at the same time: once.
    for browser in (red, rob):
        late = browser.post(f"{path}/redaction/strike", revision=shown, spare="0", step="hand")
        assert late.status_code == 400
        assert "changed it since" in late.text
    assert len(desk.entries("redaction.handed")) == 1
    assert olga.post(f"{path}/package").status_code == 400
    seen = abel.post(f"{path}/redaction/show").text
    assert "<del>Böbby &lt;i&gt;</del>" in seen
    back = abel.post(f"{path}/redaction/approve", revision=revision(seen), step="return")
    assert back.status_code == 400, "not without a reason"
    done = abel.post(f"{path}/redaction/approve", revision=revision(seen), step="approve")
    assert done.headers["location"].endswith("redaction-approve")
    assert "What is left out of the package" in olga.get(path).text
    made = olga.post(f"{path}/package")
    assert made.status_code == 200
    with zipfile.ZipFile(io.BytesIO(made.content)) as package:
        every = "".join(package.read(name).decode() for name in package.namelist())
    assert "Came with [another person]" in every
    assert OTHER not in every
    assert "Böbby" not in every
    page = " ".join(olga.get(f"{path}/redaction").text.split())
    assert "The package was made. The words are gone" in page
    letter = " ".join(olga.post(f"{path}/answer").text.split())
    assert "2 places that concern other people were left out" in letter


def test_what_is_left_is_accepted_at_the_desk(desk: Desk) -> None:
    olga, abel, red = (at(desk, n) for n in ("olga", "abel", "red"))
    world.sql(desk.directory, "UPDATE signup SET what = ? WHERE customer = 1", f"for {OTHER}")
    one = case(desk)
    path = f"/desk/cases/{one}"
    seen = red.post(f"{path}/redaction/show").text
    red.post(f"{path}/redaction/strike", revision=revision(seen), step="hand")
    seen = abel.post(f"{path}/redaction/show").text
    abel.post(f"{path}/redaction/approve", revision=revision(seen), step="approve")
    stopped = olga.post(f"{path}/package")
    assert stopped.status_code == 400
    assert "left in the files" in stopped.text
    assert OTHER not in stopped.text
    seen = abel.post(f"{path}/redaction/show").text
    assert "data/shop.signup.csv" in seen
    done = abel.post(
        f"{path}/redaction/approve", revision=revision(seen), step="accept", words="hers to see"
    )
    assert done.headers["location"].endswith("redaction-accept")
    assert olga.post(f"{path}/package").status_code == 200
    world.sql(desk.directory, "UPDATE signup SET what = 'trial' WHERE customer = 1")


def test_the_same_by_commands(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = case(desk)

    def run(*words: str, who: str, role: str, status: int = 0) -> str:
        with pytest.raises(SystemExit) as end:
            main([*words, "--dir", str(desk.directory), "--actor", who, "--role", role])
        said = capsys.readouterr()
        assert end.value.code == status, said
        return said.out + said.err

    out = str(tmp_path / "ana.zip")
    stopped = run("rights", "access", "--case", one, "--out", out, who="olga",
                  role="privacy-officer", status=2)  # fmt: skip
    assert f"kept case redact {one}" in stopped
    assert OTHER not in run("case", "redact", one, who="red", role="redactor")
    seen = json.loads(run("case", "redact", one, "--show", "--json", who="red", role="redactor"))
    assert [s["words"] for s in seen["strikes"]] == [OTHER]
    number = str(seen["revision"])
    run("case", "redact", one, "--strike", "x", who="red", role="redactor", status=2)
    spare = ("case", "redact", one, "--revision", number, "--spare", OTHER, "--json")
    kept = json.loads(run(*spare, who="red", role="redactor"))["revision"]
    again = ("case", "redact", one, "--revision", str(kept), "--json")
    assert json.loads(run(*again, who="red", role="redactor"))["spared"] == 1
    number = str(kept + 1)
    run("case", "redact", one, "--revision", number, "--strike", "Böbby", "--strike", OTHER,
        "--done", who="red", role="redactor")  # fmt: skip
    run("case", "redact", one, who="abel", role="approver", status=1)
    run("case", "approve", one, "--revision", number, who="abel", role="approver", status=2)
    seen = json.loads(run("case", "approve", one, "--json", who="abel", role="approver"))
    assert seen["state"] == Stands.HANDED
    number = str(seen["revision"])
    assert "another person" in run("case", "approve", one, "--revision", number, who="red",
                                   role="approver", status=1)  # fmt: skip
    run("case", "approve", one, "--revision", number, who="abel", role="approver")
    run("rights", "access", "--case", one, "--out", out, who="olga", role="privacy-officer")
    with zipfile.ZipFile(out) as package:
        assert OTHER not in package.read("index.html").decode()
