"""Whatever stands in the files: problems with a place and a fix, or a bundle; no other error."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.conftest import CONTROLS, FILES

from kept.errors import BundleError
from kept.policy import clauses, render

PIECES = st.one_of(
    st.sampled_from(
        ["", ":", "- ", "{", "}", "[", "]", "'", '"', "#", "&a ", "*a", "<<: ", "!!python/x ", "|",
         "null", "~", "NO", "1e3", "0x1", "\t", "\n", "\n\n", "  ", "{#", "}}", "[[", "{ref:", "é",
         "\u2028", "\x00", "\ufeff", "USE-1", "? ", "---\n", "...\n", "2024-03-01", "{}", "[]"]
    ),
    st.text(max_size=6),
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, str]:
    """A file of the small bundle with one stretch of it replaced."""
    name = draw(st.sampled_from(sorted(FILES)))
    text = FILES[name]
    start = draw(st.integers(0, len(text)))
    length = draw(st.one_of(st.integers(0, 3), st.integers(0, 200)))
    return name, text[:start] + draw(PIECES) + text[start + length :]


@settings(max_examples=400, deadline=None)
@given(damaged())
def test_any_damage(damage: tuple[str, str]) -> None:
    name, text = damage
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for file, whole in FILES.items():
            (root / file).write_bytes((text if file == name else whole).encode())
        bundle, problems = clauses.check_directory(root, CONTROLS)
    for problem in problems:
        file, _, line = problem.where.rpartition(":")
        assert file in FILES
        assert re.fullmatch(r"[1-9][0-9]*", line)
        have = (text if file == name else FILES[file]).count("\n") + 2
        # YAML counts more line ends than an editor; the place still lies within the file.
        assert int(line) <= have + text.count("\u2028") + text.count("\x85") + text.count("\r")
        assert problem.what
        assert problem.fix
    if bundle is None:
        assert problems
        return
    try:
        render.render(bundle)
    except BundleError:
        assert problems  # what cannot be shown was found before
