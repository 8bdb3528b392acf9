"""What people read, fitted to the width of their terminal; what goes on to a program is not.

Lines break at blanks only. What somebody copies stays in one piece, however long it is: an id, a
number, a path, a command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final, Self, TextIO

from rich.cells import cell_len

from kept.app.surface import COMMANDS

#: Columns of text are not made narrower than this where there is another way.
_NARROW: Final = 14
_GAP: Final = "  "
#: The first words of the commands, by which one is told from the word "kept" in a sentence.
_VERBS: Final = "|".join(dict.fromkeys(c.name.split()[0] for c in COMMANDS))
#: One piece: what stands in back quotes, a command to the end of its line, else a word.
_PIECES: Final = re.compile(
    rf"\S?`[^`]*`\S*|(?:'[^']*kept'|\S*kept|\S+ -m kept\.app) (?:{_VERBS})\b.*"
    r"|\S*kept-verify .*|\S+"
)


class Exact(str):
    """Text that is printed as it is: statements, files, what somebody will copy."""

    __slots__ = ()


class Table(str):
    """An aligned table, one row a line; `fitted` gives it for a terminal."""

    rows: list[list[str]]
    right: list[bool]
    head: bool

    def __new__(cls, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Self:
        """A name that begins with `#` is of numbers. Without names: no head."""
        head = any(columns)
        lines = [[c.removeprefix("#") for c in columns]] if head else []
        lines += [[f"{cell:,}" if type(cell) is int else str(cell) for cell in row] for row in rows]
        right = [c.startswith("#") for c in columns]
        widths = [max((cell_len(one[i]) for one in lines), default=0) for i in range(len(columns))]
        made = super().__new__(cls, "\n".join(_line(one, widths, right) for one in lines))
        made.rows, made.right, made.head = lines, right, head
        return made

    def fitted(self, width: int) -> str:
        """The table in at most `width` columns: its text wrapped, else each row under its first
        cell. Only a piece that is longer by itself goes beyond."""
        if all(cell_len(line) <= width for line in self.splitlines()):
            return str(self)
        widths = self._widths(width)
        if widths is None:
            return self._stacked(width)
        made = []
        for row in self.rows:
            cells = [wrapped(cell, size) or [""] for cell, size in zip(row, widths, strict=True)]
            for n in range(max(len(c) for c in cells)):
                one = [c[n] if n < len(c) else "" for c in cells]
                made.append(_line(one, widths, self.right))
        return "\n".join(made)

    def _widths(self, width: int) -> list[int] | None:
        """A width for each column; None where even whole words leave no room."""
        room = width - len(_GAP) * (len(self.right) - 1)
        full, word = [], []
        for i in range(len(self.right)):
            cells = [row[i] for row in self.rows]
            full.append(max(map(cell_len, cells)))
            word.append(max((cell_len(p) for c in cells for p in _PIECES.findall(c)), default=0))
        least = [max(w, min(f, _NARROW)) for w, f in zip(word, full, strict=True)]
        if sum(least) > room:
            return None
        while sum(full) > room:
            widest = max((i for i in range(len(full)) if full[i] > least[i]), key=full.__getitem__)
            full[widest] -= 1
        return full

    def _stacked(self, width: int) -> str:
        names = self.rows[0] if self.head else [""] * len(self.right)
        made = []
        for row in self.rows[1:] if self.head else self.rows:
            made += wrapped(row[0], width)
            pairs = [f"{name} {cell}".strip() for name, cell in zip(names, row, strict=True)]
            line = ""
            for pair in pairs[1:]:
                longer = f"{line} · {pair}" if line else pair
                if line and cell_len(longer) > width - len(_GAP):
                    made += wrapped(_GAP + line, width)
                    longer = pair
                line = longer
            made += wrapped(_GAP + line, width)
        return "\n".join(made)


def wrapped(line: str, width: int) -> list[str]:
    """One line of words as lines of at most `width` columns, indented as it is."""
    if cell_len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip(" ")))
    made: list[str] = []
    for piece in _PIECES.findall(line):
        if made and cell_len(made[-1]) + 1 + cell_len(piece) <= width:
            made[-1] += f" {piece}"
        else:
            made.append(indent + piece)
    return made


def fitted(text: str, width: int | None) -> str:
    """Text for a terminal of that width; as it is where `width` is None."""
    if width is None or isinstance(text, Exact):
        return str(text)
    if isinstance(text, Table):
        return text.fitted(width)
    return "\n".join(part for line in text.split("\n") for part in wrapped(line, width))


def width_of(stream: TextIO) -> int | None:
    """The columns of the terminal to which a stream goes; None where it goes elsewhere."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
    except (OSError, ValueError):
        return None


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    made = []
    for cell, width, number in zip(cells, widths, right, strict=True):
        gap = " " * (width - cell_len(cell))
        made.append(gap + cell if number else cell + gap)
    return _GAP.join(made).rstrip()
