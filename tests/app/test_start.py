"""A command reads the code that it needs: whoever asks for little does not wait for all of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tests.app.conftest import ROOT
from tests.app.test_commands import leaves

from kept.app.cli import make
from kept.app.commands.common import names_shipped, shipped
from kept.app.surface import COMMANDS
from kept.records import wholeness

HUTS = str(ROOT / "policies" / "huettenbund")
#: Runs the command line in this process; then says which modules came with it.
RUN = """
import json, sys
from kept.app.__main__ import main
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
print()
print(json.dumps(sorted(sys.modules)))
"""


def modules(*words: str) -> tuple[str, set[str]]:
    """What a command printed, and what it had read when it was done."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, text=True, check=True, cwd=ROOT
    )
    printed, _, last = done.stdout.rstrip("\n").rpartition("\n")
    return printed, set(json.loads(last))


@pytest.mark.parametrize(
    ("words", "met"),
    [
        (("--version",), "0."),
        (("policy", "check", HUTS), "no problems"),
        (("policy", "render", HUTS), "Hüttenbund"),
        (("authorities", "--help"), "authorities"),
    ],
)
def test_what_asks_for_little_reads_little(words: tuple[str, ...], met: str) -> None:
    printed, read = modules(*words)
    assert met in printed
    heavy = {"litestar", "psycopg", "sqlalchemy", "pyarrow", "httpx", "openpyxl", "jinja2"}
    assert not read & heavy, "read where it is needed: see kept.app.cli"
    assert "kept.app.cli" in read


def test_what_was_read_is_not_looked_through_for_waste_and_the_rest_is() -> None:
    said = """
import gc, sys
from kept.app import cli
from kept.app.__main__ import main
made = cli.make
def make(given):
    print("reads", gc.isenabled(), gc.get_freeze_count())
    return made(given)
cli.make = make
try:
    main()
finally:
    print("runs", gc.isenabled(), gc.get_freeze_count() > 10_000)
"""
    done = subprocess.run(
        [sys.executable, "-c", said, "policy", "check", HUTS],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("reads False 0", "runs True True")


def test_a_command_on_a_deployment_reads_no_web_server_and_no_spreadsheets() -> None:
    _, read = modules("rights", "access", "--help")
    assert {"kept.controller", "psycopg"} <= read, "or this shows nothing"
    assert not read & {"litestar", "openpyxl", "httpx", "pyarrow", "kept.duties.table"}


def test_what_may_ask_others_reads_how_when_it_asks() -> None:
    _, read = modules("doctor", "--help")
    assert "kept.duties.release.way" in read, "or this shows nothing"
    assert not read & {"httpx", "httpcore"}


@pytest.mark.parametrize("name", [s.name for s in COMMANDS])
def test_every_command_is_found_by_its_first_word(name: str) -> None:
    assert name in leaves(make(name.split()))


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("--dir", "x"), ("nothing-so",)])
def test_all_are_there_where_none_is_named(words: tuple[str, ...]) -> None:
    assert set(leaves(make(words))) == {s.name for s in COMMANDS}


def test_the_names_of_controls_are_read_as_they_are_registered() -> None:
    assert names_shipped() == set(shipped())
    assert wholeness.CONTROL in shipped()
