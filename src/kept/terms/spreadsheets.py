"""What a spreadsheet takes for a formula, and how a text is kept from being one. Pure.

Whoever writes a table puts a ' before it (`guarded`); whoever reads one takes it away
(`unguarded`). A list of people holds no formulas: `is_formula` says which cells are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

GUARD: Final = "'"
#: What begins a formula, also in its wide and its small form; what may stand before it and is
#: skipped or not seen; and what ends a cell where another list separator is usual. A spreadsheet
#: that expects `;` takes a quote in the middle of a cell for a letter, and splits there.
_BEGINS: Final = r"=+\-@\u2212\uFE62\uFE63\uFE66\uFE6B\uFF1D\uFF0B\uFF0D\uFF20"
_SKIPPED: Final = (
    r"[\x00-\x08\x0B\x0C\x0E-\x20\x22\x27\x7F-\xA0\xAD\u1680\u2000-\u200F\u2028-\u202F"
    r"\u205F-\u2064\u3000\uFEFF]*"
)
_SPLITS: Final = r"[;,|\t\r\n]"
_AT_FIRST: Final = rf"(?={_SKIPPED}(?:[{_BEGINS}\t\r\n]|\\N(?![\s\S])))"
_LATER: Final = rf"(?={_SKIPPED}[{_BEGINS}])"
_RISKY: Final = re.compile(rf"^{_AT_FIRST}|(?<={_SPLITS}){_LATER}")
_SET: Final = re.compile(rf"^'{_AT_FIRST}|(?<={_SPLITS})'{_LATER}")
#: What a reader has to know of it, in words and as a pattern.
GUARDED: Final[Mapping[str, str]] = {
    "sign": GUARD,
    "pattern": _SET.pattern,
    "words": "Take away every match of the pattern, a regular expression, all at once; what is"
    " left is the text as it was. It keeps a spreadsheet from running a formula, at the beginning"
    " of a cell or behind what could be taken for the beginning of another.",
}
NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?\Z")
#: What a cell begins with that is a formula whatever follows, and what such a cell does.
_STARTS: Final = frozenset("=+-@\t\r\u2212\ufe62\ufe63\ufe66\ufe6b\uff1d\uff0b\uff0d\uff20")
_CALLS: Final = re.compile(r"[(|!]|\b[A-Za-z]{1,3}\$?[0-9]")
_TELEPHONE: Final = re.compile(r"[+\uff0b][0-9 ()./-]*")
_EQUALS: Final = frozenset("=\ufe66\uff1d")


def guarded(text: str) -> str:
    """The text, with a ' wherever a spreadsheet would take what follows for a formula."""
    return text if NUMBER.match(text) else _RISKY.sub(GUARD, text)


def unguarded(text: str) -> str:
    """What `guarded` made safe, as it was."""
    return _SET.sub("", text)


def is_formula(text: str) -> bool:
    """Whether a cell is one: it begins with an equals sign, or with another sign that begins one
    and calls or names something. A telephone number, a handle, a number below zero, what is
    struck off with a dash: they are none.
    """
    if text[:1] not in _STARTS:
        return False
    begun = text.lstrip("\t\r")
    if begun[:1] in _EQUALS:
        return begun != ""
    if begun[:1] not in _STARTS or begun[1:2].isspace() or _TELEPHONE.fullmatch(begun):
        return False
    return _CALLS.search(begun) is not None
