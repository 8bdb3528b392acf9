"""The table of commands, the documentation and the program say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from cyclopts import App
from tests.app.conftest import ROOT, Kept

from kept.app import reference
from kept.app.cli import make
from kept.app.surface import COMMANDS, GUEST, HALF, STAFF, SURFACES, require
from kept.errors import Denied
from kept.records.actor import ROLES


def leaves(app: App, path: tuple[str, ...] = ()) -> dict[str, App]:
    found = {}
    for name in app:
        if name.startswith("-"):
            continue
        one = app[name]
        if one.default_command is not None:
            found[" ".join((*path, name))] = one
        found |= leaves(one, (*path, name))
    return found


def test_the_table_names_every_command() -> None:
    assert set(leaves(make())) == {s.name for s in COMMANDS}


@pytest.mark.parametrize("name", [s.name for s in COMMANDS])
def test_every_command_takes_json_and_dir(name: str) -> None:
    taken = {a.name for a in leaves(make())[name].assemble_argument_collection()}
    assert {"--json", "--dir"} <= taken


def test_every_command_explains_itself() -> None:
    for name, app in leaves(make()).items():
        assert app.help, name
        for argument in app.assemble_argument_collection():
            if argument.show and not argument.field_info.is_positional:
                assert argument.parameter.help, f"{name} {argument.name}"


def test_the_documentation_is_what_the_program_says() -> None:
    written = (ROOT / "docs" / "cli.md").read_text("utf-8")
    assert written == reference.text(), "run `python -m kept.app.reference > docs/cli.md`"


def test_roles_of_the_table_exist() -> None:
    programs = {"program", GUEST, HALF, STAFF}
    assert all(s.roles <= set(ROLES) | programs for s in SURFACES)


def test_a_role_that_the_table_does_not_name_is_refused() -> None:
    with pytest.raises(Denied):
        require("rights erase", "marketer")
    require("rights erase", "privacy-officer")
    require("prove", "anybody")


@pytest.mark.parametrize("arguments", [["--help"], ["rights", "--help"], ["--version"]])
def test_help_is_no_error(arguments: list[str], kept: Kept) -> None:
    assert kept(*arguments).status == 0


def test_demo_and_bench_say_so_where_there_is_no_clone(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("kept.app.commands.demo.clone", lambda: None)
    monkeypatch.setattr("kept.app.commands.bench.clone", lambda: tmp_path)
    assert (ran := kept("demo")).status == 2
    assert "is not here" in ran.err
    assert (ran := kept("bench", "decide")).status == 2
    assert "no benchmarks here" in ran.err


def test_an_unknown_benchmark_names_those_that_are(kept: Kept) -> None:
    ran = kept("bench", "nothing")
    assert ran.status == 2
    assert "ledger" in ran.err
