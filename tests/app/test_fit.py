"""Tables and sentences on a terminal, and what stays as it is everywhere else."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from tests.app.conftest import Kept

from kept.app.fit import Exact, Table, fitted, wrapped

_WORD = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)
_WORD = _WORD.filter(lambda w: "`" not in w and "kept" not in w and w.split() == [w])
_CELL = st.lists(_WORD, max_size=9).map(" ".join)
ID = "01a20d92-6fab-72c9-8db8-0fa2f441430c"


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.tuples(
            st.tuples(*[st.sampled_from(["name", "#count", "what it is"])] * n),
            st.lists(st.tuples(*[_CELL] * n), min_size=1, max_size=5),
        )
    ),
    st.integers(20, 100),
)
def test_a_table_fits_and_loses_no_word(
    given: tuple[tuple[str, ...], list[tuple[str, ...]]], width: int
) -> None:
    columns, rows = given
    lines = Table(columns, rows).fitted(width).splitlines()
    pieces = [w for line in lines for w in line.split()]
    for line in lines:
        assert cell_len(line) <= width or len(line.split()) == 1
    for word in (w for row in rows for cell in row for w in cell.split()):
        assert word in pieces


def test_a_wide_table_is_wrapped_and_a_wider_one_is_stacked() -> None:
    rows = [(ID, 12345, "a reason in a few words which takes more than what is left of the line")]
    made = Table(("id", "#rows", "why"), rows)
    some = made.fitted(70).splitlines()
    assert [line.split()[0] for line in some[:2]] == ["id", ID]
    assert len(some) > 3
    assert max(map(len, some)) <= 70
    assert made.fitted(50).splitlines()[:3] == [
        ID, "  rows 12,345", "  why a reason in a few words which takes more",
    ]  # fmt: skip
    assert made.fitted(200) == str(made)
    assert len(made.splitlines()) == 2


def test_what_is_copied_stays_in_one_piece() -> None:
    command = f'/srv/kept/.venv/bin/kept rights erase --case {ID} --evidence "…" --yes'
    assert wrapped(f"To carry it out: {command}", 60) == ["To carry it out:", command]
    assert wrapped(f"Use `kept case show {ID}` and then look again", 50) == [
        "Use", f"`kept case show {ID}`", "and then look again",
    ]  # fmt: skip
    assert max(map(len, wrapped("  what is kept by the law for years " * 5, 40))) <= 40
    statement = "UPDATE t SET a = 'two  blanks' WHERE id = 1 AND b = 'and more'"
    assert fitted(Exact(statement), 20) == statement
    assert fitted("a sentence of some words", None) == "a sentence of some words"


def _on_terminal(*arguments: object, columns: int) -> list[str]:
    """What the program writes to a terminal of that many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    command = [sys.executable, "-m", "kept.app", *map(str, arguments)]
    running = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other end was closed
        pass
    os.close(ours)
    running.wait(60)
    return said.decode().splitlines()


def test_the_terminal_decides_and_a_pipe_does_not(kept: Kept, place: Path) -> None:
    who = ("--identity", "email=ana@example.org", "--override", "a try")
    asked = ("rights", "object", "--purpose", "marketing", *who, "--dir", place)
    narrow = _on_terminal(*asked, columns=60)
    piped = kept(*asked).out.splitlines()
    assert max(map(len, piped)) > 60
    assert len(narrow) > len(piped)
    longer = [line for line in narrow if len(line) > 60]
    assert len(longer) == 1
    assert " --yes" in longer[0]  # the command, to be copied
    assert [w for line in narrow for w in line.split() if w == "marketing.email"]
