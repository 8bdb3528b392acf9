"""Wrong use: exit status 2, what was expected, what to do; never what was typed about a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.app.conftest import Kept, put

SECRET = "zoe.secret@example.fr"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "no such command"),
        (["rights", "nonsense"], "no such command"),
        (["rights", "access", "--identty", f"email={SECRET}"], "no option `--identty`"),
        (["rights", "access", f"--emial={SECRET}"], "no option `--emial`"),
        (["rights", "access", "--identity"], "--help"),
        (["case", "show"], "is missing"),
        (["hold", "add", "--clause", "RET-10"], "is missing"),
        (["ledger", "verify", SECRET, "x"], "2 arguments too many"),
        (["serve", "--port", SECRET], "not of its kind"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_wrong_command_line(arguments: list[str], said: str, as_json: bool, kept: Kept) -> None:
    ran = kept(*arguments, *(["--json"] if as_json and arguments[-1] != "--identity" else []))
    assert ran.status == 2, ran
    assert said in ran.err
    assert "--help" in ran.err
    assert SECRET not in ran.said
    if ran.out:
        assert ran.document["error"] == "UsageError"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rights", "access"], "nobody is named"),
        (["rights", "access", "--identity", SECRET], "kind=value"),
        (["rights", "access", "--identity", f"colour={SECRET}"], "kind of identifier is unknown"),
        (["rights", "access", "--identity", "email=zoe.secret"], "not an e-mail address"),
        (["rights", "erase", "--identity", "phone=12"], "telephone"),
        (["rights", "access", "--identity", f"email={SECRET}", "--out", "/nowhere/x.zip"],
         "cannot be written there"),
        (["rights", "access", "--identity", f"email={SECRET}", "--now", SECRET], "not a moment"),
        (["rights", "access", "--case", "no-such-case"], "no such case"),
        (["case", "show", "no-such-case"], "no such case"),
        (["case", "list", "--state", SECRET], "no such state"),
        (["prove", "--clause", "NO-1"], "no clause `NO-1`"),
        (["hold", "add", "--clause", "NO-1", "--ground", "x", "--system", "example"], "no clause"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x"], "everything was refused"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x", "--system", "y"], "no such system"),
        (["hold", "add", "--clause", "RET-10", "--ground", " ", "--system", "example"], "ground"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x", "--system", "example",
          "--until", "soon"], "not a date"),
        (["hold", "release", "none", "--why", "x"], "no such open hold"),
        (["policy", "check", "/nowhere"], "/nowhere"),
        (["policy", "check", "--source", "/nowhere"], "source cannot be read"),
        (["ledger", "verify", "--since", "/nowhere"], "checkpoint cannot be read"),
    ],
)  # fmt: skip
def test_a_wrong_argument(arguments: list[str], said: str, kept: Kept, place: Path) -> None:
    ran = kept(*arguments, "--json", "--dir", place)
    assert ran.status == 2, ran
    assert said.lower() in ran.said.lower()
    assert SECRET not in ran.said
    assert "zoe" not in ran.said


def test_no_deployment(kept: Kept, tmp_path: Path) -> None:
    for command in (["prove"], ["serve"], ["ledger", "verify"], ["map", "show"]):
        ran = kept(*command, "--dir", tmp_path)
        assert ran.status == 2
        assert "kept new DIR" in ran.err
    ran = kept("doctor", "--json", "--dir", tmp_path)
    assert ran.status == 1
    assert [c["name"] for c in ran.document["checks"] if c["ok"] is False] == ["kept.toml"]


def test_the_deployment_is_named_by_the_environment(
    kept: Kept, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT_DIR", str(place))
    assert kept("map", "show").status == 0


@pytest.mark.parametrize(
    ("database", "said"),
    [
        ("postgresql://kept:s3cret@127.0.0.1:1/kept", "127.0.0.1"),
        ("mysql://somewhere", "not one that Kept knows"),
        ("env:KEPT_NO_SUCH_VARIABLE", "KEPT_NO_SUCH_VARIABLE"),
    ],
)
def test_a_wrong_database(database: str, said: str, kept: Kept, place: Path) -> None:
    put(place, database=database)
    ran = kept("prove", "--json", "--dir", place)
    assert ran.status in (1, 2)
    assert said in ran.said
    assert "s3cret" not in ran.said
    assert ran.document["fix"]


def test_a_choice_that_the_bundle_does_not_leave_open(kept: Kept, place: Path) -> None:
    with (place / "kept.toml").open("a") as file:
        file.write('"retention.typo" = "P1Y"\n')
    for command in (["policy", "check"], ["prove"]):
        ran = kept(*command, "--dir", place)
        assert ran.status == 2
        assert "retention.typo" in ran.err
        assert "kept.toml:" in ran.err


def test_a_setting_that_is_none(kept: Kept, place: Path) -> None:
    file = place / "kept.toml"
    file.write_text(file.read_text("utf-8").replace("port =", "prot ="), "utf-8")
    ran = kept("map", "show", "--dir", place)
    assert ran.status == 2
    assert "`prot` is not a setting" in ran.err


def test_a_typo_in_the_bundle(kept: Kept, place: Path) -> None:
    file = place / "policy" / "clauses.yml"
    file.write_text(file.read_text("utf-8").replace("kind: notice", "knid: notice", 1), "utf-8")
    ran = kept("policy", "check", "--json", "--dir", place)
    assert ran.status == 1
    assert any("clauses.yml:" in p["where"] and p["fix"] for p in ran.document["problems"])
    ran = kept("prove", "--dir", place)
    assert ran.status == 2
    assert "clauses.yml:" in ran.err


def test_a_map_that_names_a_column_that_is_not_there(kept: Kept, place: Path) -> None:
    file = place / "datamap" / "example.yml"
    file.write_text(file.read_text("utf-8").replace("country: text", "contry: text"), "utf-8")
    ran = kept("map", "check", "--json", "--dir", place)
    assert ran.status == 1
    said = " ".join(p["what"] for p in ran.document["problems"])
    assert "contry" in said
    assert "country" in said
    assert all("example.yml:" in p["where"] and p["fix"] for p in ran.document["problems"])
    assert kept("doctor", "--dir", place).status == 1


def test_a_port_that_is_taken(kept: Kept, served: tuple[str, Path]) -> None:
    url, directory = served
    ran = kept("serve", "--port", url.rpartition(":")[2], "--dir", directory)
    assert ran.status == 2
    assert "--port" in ran.err
