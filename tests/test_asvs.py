"""The table of what OWASP ASVS asks: no number is left out, and each test that is named exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "asvs.md").read_text("utf-8")
#: Of a chapter that was gone through: section → numbers of its requirements of levels 1 and 2, in
#: version 5.0.0.
ASKED = {
    "2.1": (1, 2, 3), "2.2": (1, 2, 3), "2.3": (1, 2, 3, 4), "2.4": (1,),
    "3.2": (1, 2), "3.3": (1, 2, 3, 4), "3.4": (1, 2, 3, 4, 5, 6), "3.5": (1, 2, 3, 4, 5),
    "3.7": (1, 2),
    "4.1": (1, 2, 3), "4.2": (1,), "4.3": (1, 2), "4.4": (1, 2, 3, 4),
    "6.1": (1, 2, 3), "6.2": tuple(range(1, 13)), "6.3": (1, 2, 3, 4), "6.4": (1, 2, 3, 4),
    "6.5": (1, 2, 3, 4, 5), "6.6": (1, 2, 3), "6.8": (1, 2, 3, 4),
    "7.1": (1, 2, 3), "7.2": (1, 2, 3, 4), "7.3": (1, 2), "7.4": (1, 2, 3, 4, 5), "7.5": (1, 2),
    "7.6": (1, 2),
    "8.1": (1, 2), "8.2": (1, 2, 3), "8.3": (1,), "8.4": (1,),
    "14.1": (1, 2), "14.2": (1, 2, 3, 4), "14.3": (1, 2, 3),
    "16.1": (1,), "16.2": (1, 2, 3, 4, 5), "16.3": (1, 2, 3, 4), "16.4": (1, 2, 3),
    "16.5": (1, 2, 3),
}  # fmt: skip
#: Chapters in which a row that is held names a test, and has not only words.
TESTED = ("2.", "3.", "4.", "14.", "16.")
STANDS = {"held", "partly", "not held", "not there"}
_NAMED = re.compile(r"\b([A-Z]{1,2}) (`\w+`(?:, `\w+`)*)")
_ALONE = re.compile(r"(?<![\w`])([A-Z]{1,2})(?=[,.;:]| and |$)")


def files(text: str) -> dict[str, str]:
    """Letter → the file of tests that it stands for."""
    line = next(line for line in text.splitlines() if line.startswith("Tests: "))
    return dict(re.findall(r"\b([A-Z]{1,2}) = `(tests/[\w/]+\.py)`", line))


def rows(text: str) -> list[tuple[list[str], str, str, bool]]:
    """(numbers, how it stands, the last cell, whether it is of level 3) of each row."""
    found = []
    for line in text.splitlines():
        if not re.match(r"\| \d", line):
            continue
        number, _, stands, last = (cell.strip() for cell in line.strip("|").split("|"))
        numbers = []
        for part in number.removesuffix(" (level 3)").split(", "):
            first, _, end = part.partition("–")
            section, _, at = first.rpartition(".")
            until = int(end.rpartition(".")[2]) if end else int(at)
            numbers += [f"{section}.{n}" for n in range(int(at), until + 1)]
        found.append((numbers, stands, last, number.endswith("(level 3)")))
    return found


def amiss(text: str) -> list[str]:
    """What is named and is no test, or stands nowhere."""
    known, problems = files(text), []
    tests = {
        letter: re.findall(r"def (test_\w+)", (ROOT / path).read_text("utf-8"))
        for letter, path in known.items()
    }
    for numbers, stands, last, _ in rows(text):
        if stands not in STANDS:
            problems.append(f"{numbers[0]}: {stands}")
        for letter, names in _NAMED.findall(last):
            for name in re.findall(r"\w+", names):
                if not any(name in one for one in tests.get(letter, ())):
                    problems.append(f"{numbers[0]}: {letter} {name}")
        problems += [f"{numbers[0]}: {one}" for one in _ALONE.findall(last) if one not in known]
        if stands == "held" and numbers[0].startswith(TESTED):
            letters = {*_ALONE.findall(last), *(letter for letter, _ in _NAMED.findall(last))}
            if not letters:
                problems.append(f"{numbers[0]}: held by no test")
    return problems


def test_each_test_that_is_named_exists() -> None:
    assert len(files(TEXT)) > 20
    assert amiss(TEXT) == []


def test_no_number_is_left_out_and_none_stands_twice() -> None:
    numbers = [n for found, _, _, _ in rows(TEXT) for n in found]
    assert len(numbers) == len(set(numbers))
    asked = {f"{section}.{n}" for section, all_ in ASKED.items() for n in all_}
    assert asked <= set(numbers)
    chapters = tuple({section.split(".")[0] for section in ASKED})
    here = {
        n for found, _, _, third in rows(TEXT) for n in found
        if n.split(".")[0] in chapters and not third
    }  # fmt: skip
    assert here == asked


@pytest.mark.parametrize(
    ("old", "new"),
    [("D `cookie`", "D `no_such_test`"), ("D `cookie`", "ZZ `cookie`"), ("| held |", "| fine |")],
)
def test_a_row_that_names_nothing_is_found(old: str, new: str) -> None:
    assert old in TEXT
    assert amiss(TEXT.replace(old, new, 1))
