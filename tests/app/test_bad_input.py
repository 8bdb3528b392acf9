"""Wrong use: exit status 2, what was expected, what to do; never what was typed about a person."""

from __future__ import annotations

import dataclasses
import errno
from pathlib import Path

import pytest
from tests.app.conftest import Kept, put

from kept import deployment
from kept.controller import Controller
from kept.errors import MapError

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
        (["prove", "--clause", SECRET], "no such clause"),
        (["hold", "add", "--clause", SECRET, "--ground", "x", "--system", "example"],
         "no such clause"),
        (["rights", "erase", "--identity", f"email={SECRET}", "--role", SECRET], "no such role"),
        (["case", "refuse", "x", "--reason", "excessive", "--words", SECRET, "--role", SECRET],
         "no such role"),
        (["case", "refuse", "x", "--reason", SECRET, "--words", "x"], "no such reason to refuse"),
        (["case", "withdraw", "no-such-case", "--reason", SECRET], "no such case"),
        (["ledger", "verify", "--since", f"/nowhere/{SECRET}"], "checkpoint cannot be read"),
        (["ledger", "verify", "--since", __file__], "is no checkpoint"),
        (["serve", "--port", "99999"], "from 0 to 65535"),
        (["demo", "--port", "-1"], "from 0 to 65535"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x"], "everything was refused"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x", "--system", "y"], "no such system"),
        (["hold", "add", "--clause", "RET-10", "--ground", " ", "--system", "example"], "ground"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x", "--system", "example",
          "--until", "soon"], "not a date"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x", "--system", "example",
          "--until", "2000-01-01"], "`--until` is not in the future"),
        (["hold", "add", "--clause", "RET-10", "--ground", "x", "--system", "example",
          "--until", "2030-01-02", "--now", "2030-01-02"], "`--until` is not in the future"),
        (["hold", "release", "none", "--why", "x"], "no such open hold"),
        (["hold", "release", "none", "--why", "—"], "`--why` says nothing"),
        (["case", "refuse", "none", "--reason", "excessive", "--words", " "],
         "`--words` says nothing"),
        (["case", "withdraw", "none", "--reason", " "], "`--reason` says nothing"),
        (["rights", "access", "--identity", f"email={SECRET}", "--override", "  "],
         "`--override` says nothing"),
        (["rights", "erase", "--identity", f"email={SECRET}", "--evidence", "\u200b."],
         "`--evidence` says nothing"),
        (["rights", "access", "--identity", "email="], "this is not an e-mail address"),
        (["rights", "access", "--identity", "phone="], "this is not a telephone number"),
        (["rights", "access", "--identity-file", f"/nowhere/{SECRET}"], "cannot be read"),
        (["rights", "access", "--identity-file", "/"], "cannot be read"),
        (["rights", "access", "--identity-file", "/dev/null"], "nobody is named"),
        (["rights", "access", "--identity", f"email={SECRET}", "--override", "x",
          "--out", f"/tmp/{SECRET}{'x' * 300}.zip"], "cannot be written there"),
        (["rights", "access", "--identity", f"email={SECRET}", "--now", "9999-12-31"],
         "a year from 1970 to 2200"),
        (["ledger", "checkpoint", "--now", "0001-01-01"], "a year from 1970 to 2200"),
        (["ledger", "export", f"/dev/null/{SECRET}"], "the copy cannot be written there"),
        (["ledger", "export", f"/tmp/{SECRET}{'x' * 300}"], "the copy cannot be written there"),
        (["case", "show", f"{SECRET}\udcff"], "argument 3 is not UTF-8"),
        (["rights", "access", "--identity", f"email={SECRET}", "--override", f"{SECRET}\udce9"],
         "argument 6 is not UTF-8"),
        (["hold", "add", "--clause", "RET-10", "--ground", "\udcff"], "argument 6 is not UTF-8"),
        (["policy", "check", "/nowhere"], "/nowhere"),
        (["policy", "check", "--source", "/nowhere"], "source cannot be read"),
        (["policy", "check", "--source", "/nowhere"], "no such file"),
        (["policy", "check", "--source", "/"], "is a directory"),
        (["ledger", "verify", "--since", "/nowhere"], "checkpoint cannot be read"),
    ],
)  # fmt: skip
def test_a_wrong_argument(arguments: list[str], said: str, kept: Kept, place: Path) -> None:
    ran = kept(*arguments, "--json", "--dir", place)
    assert ran.status == 2, ran
    assert said.lower() in ran.said.lower()
    assert SECRET not in ran.said
    assert "zoe" not in ran.said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"email=ana@example.org\n\n{SECRET}\n", "line 3 of `--identity-file`"),
        ("email=ana@example.org\nphone=12", "line 2 of `--identity-file`: this is not a tele"),
        (" \n\n", "nobody is named"),
        (b"email=zo\xe9@example.org", "bytes that are not UTF-8"),
        ("email=ana@example.org\n" * 4000, "too long"),
    ],
)
def test_a_file_of_identifiers_that_is_none(
    content: str | bytes, said: str, kept: Kept, place: Path, tmp_path: Path
) -> None:
    file = tmp_path / f"{SECRET}.txt"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    ran = kept("rights", "access", "--identity-file", file, "--override", "x", "--dir", place)
    assert ran.status == 2
    assert said in ran.err
    assert SECRET not in ran.said


def test_the_environment_is_text_too(
    kept: Kept, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEPT_ACTOR", f"{SECRET}\udcff")
    ran = kept("map", "show", "--dir", place)
    assert ran.status == 2
    assert "`KEPT_ACTOR` is not UTF-8" in ran.err
    assert SECRET not in ran.said


@pytest.mark.parametrize(
    ("problem", "status", "said"),
    [
        (PermissionError(errno.EACCES, "no", SECRET), 2, "Permission denied"),
        (OSError(errno.ENOSPC, "no", SECRET), 1, "No space left on device"),
        (OSError(SECRET), 1, "met OSError"),
        (ValueError(SECRET), 1, "something went wrong inside Kept"),
        (RecursionError(SECRET), 1, "met RecursionError"),
    ],
)
@pytest.mark.parametrize("debug", [False, True])
def test_what_nobody_foresaw_is_told_without_its_words(
    problem: Exception, status: int, said: str, debug: bool, kept: Kept, place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fails(_: object) -> None:
        raise problem

    monkeypatch.setattr("kept.deployment.read", fails)
    if debug:
        monkeypatch.setenv("KEPT_DEBUG", "1")
    ran = kept("map", "show", "--json", "--dir", place)
    assert ran.status == status
    assert said in ran.err
    assert ran.document["what"]
    assert SECRET not in ran.said
    assert ("in fails" in ran.err) is debug


def test_a_system_of_the_name_of_kepts_own(kept: Kept, place: Path) -> None:
    file = place / "kept.toml"
    file.write_text(file.read_text("utf-8").replace("[systems.example]", "[systems.own]"), "utf-8")
    for command in (["map", "check"], ["prove"], ["doctor"]):
        ran = kept(*command, "--dir", place)
        assert ran.status == 2
        assert "kept.toml:" in ran.said
        assert "the name `own` is that of Kept's own tables" in ran.said


def test_a_deployment_of_ones_own_making_cannot_hide_kepts_own(place: Path) -> None:
    config = deployment.read(place)
    (system,) = config.systems.values()
    file = place / "datamap" / "example.yml"
    file.write_text(file.read_text("utf-8").replace("system: example", "system: own"), "utf-8")
    hiding = dataclasses.replace(config, systems={"own": dataclasses.replace(system, name="own")})
    with pytest.raises(MapError, match="the name `own` is that of Kept's own tables"):
        Controller.open(hiding)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("statment_timeout = 5", "`statment_timeout` is not an option of a SQL store"),
        ('lock_timeout = "5"', "the value of the option `lock_timeout` is not of its kind"),
        ("connections = 0", "a whole number from 1"),
    ],
)
def test_an_option_of_a_store_that_is_none(
    options: str, said: str, kept: Kept, place: Path
) -> None:
    file = place / "kept.toml"
    text = file.read_text("utf-8").replace(
        "[choices]", f"[systems.example.options]\n{options}\n[choices]"
    )
    file.write_text(text, "utf-8")
    ran = kept("prove", "--dir", place)
    assert ran.status == 2
    assert said in ran.err
    assert "kept.toml:" in ran.err


def test_no_deployment(kept: Kept, tmp_path: Path) -> None:
    for command in (["prove"], ["serve"], ["ledger", "verify"], ["map", "show"]):
        ran = kept(*command, "--dir", tmp_path)
        assert ran.status == 2
        assert "kept new DIR" in ran.err
    ran = kept("doctor", "--json", "--dir", tmp_path)
    assert ran.status == 2
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


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("retention.invoices", '"ten years"', 'expected a period. Write it as "retention.invoices'),
        ("retention.invoices", "10", '"P30D", "P24M" or "P10Y"'),
        ("rights.identity-proof", '{level = "high"}', "a word, a number, yes or no, or several"),
        ("rights.identity-proof", '"…"', "a word, a number, yes or no, or several"),
        ("statistics.minimum-group", "nan", "a word, a number, yes or no, or several"),
        ("basis.of-activities", '"another"', "made by the bundle itself"),
    ],
)
def test_a_wrong_value_of_a_choice(
    name: str, value: str, said: str, kept: Kept, place: Path
) -> None:
    file = place / "kept.toml"
    text = file.read_text("utf-8") + f'\n"{name}" = {value}\n'
    file.write_text(text, "utf-8")
    for command in (["policy", "check"], ["prove"]):
        ran = kept(*command, "--dir", place)
        assert ran.status == 2
        assert f"kept.toml:{len(text.splitlines())}: " in ran.err
        assert said in ran.err


@pytest.mark.parametrize(
    "value", ["yes", "0", "P30D", '["open", "click"]', "20", '"strict"', "true"]
)
def test_values_that_a_choice_takes(value: str, kept: Kept, place: Path) -> None:
    """Those that a new kept.toml names, and no other."""
    with (place / "kept.toml").open("a") as file:
        file.write(f'"rights.identity-proof" = {value}\n')
    assert kept("policy", "check", "--dir", place).status == (2 if value in ("yes", "P30D") else 0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('signer = "K"\ndate = 2026-13-01', "kept.toml:LAST: kept.toml cannot be read"),
        ('signer = "K"\ndate = "2026-01-01"', "is not a date; expected date = 2026-01-31, without"
         " quotes and without a time; met a text"),
        ('signer = "K"\ndate = 2026-01-01T10:00:00', "met a moment"),
        ('signer = "K"\ndate = 20', "met a number"),
        ('signer = "K"', "`date` of the document `assessment:x` is not a date"),
        ("date = 2026-01-01", "does not say who signed it"),
        ('signer = "K"\ndate = 2026-01-01\nexpires = "soon"', "`expires` of the document"),
        ('signer = "K"\ndate = 2026-01-01\nexpires = 2025-01-01', "before it was signed"),
    ],
)  # fmt: skip
def test_a_date_of_kept_toml_that_is_none(lines: str, said: str, kept: Kept, place: Path) -> None:
    file = place / "kept.toml"
    text = f'{file.read_text("utf-8")}\n[documents."assessment:x"]\n{lines}\n'
    file.write_text(text, "utf-8")
    ran = kept("map", "show", "--dir", place)
    assert ran.status == 2
    assert "kept.toml:" in ran.err
    assert said.replace("LAST", str(len(text.splitlines()))) in ran.err


def test_a_store_of_an_unknown_kind(kept: Kept, place: Path) -> None:
    put(place, store="sqllite")
    ran = kept("doctor", "--dir", place)
    assert ran.status == 1
    assert "met `sqllite`" in ran.out
    assert "`sqlite`" in ran.out


@pytest.mark.parametrize("port", ['"8790"', "99999", "true", "-1"])
def test_a_port_that_is_none(port: str, kept: Kept, place: Path) -> None:
    file = place / "kept.toml"
    file.write_text(file.read_text("utf-8").replace("port = 8790", f"port = {port}"), "utf-8")
    ran = kept("doctor", "--dir", place)
    assert ran.status == 2
    assert "`port` is not a port; expected a whole number from 0 to 65535" in ran.out


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
