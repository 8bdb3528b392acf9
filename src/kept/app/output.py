"""How the command line speaks: aligned words for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from kept.errors import KeptError


class Output:
    """Results to stdout, progress and errors to stderr. `as_json`: one document, no words."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out = Console(highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)

    def result(self, document: Mapping[str, Any], words: Sequence[str] = ()) -> None:
        """Print the result: the document with --json, the words otherwise."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, ensure_ascii=False, default=str) + "\n")
            sys.stdout.flush()
            return
        for line in words:
            self._out.print(line, markup=False)

    def say(self, line: str = "") -> None:
        """A line for people, at once; nothing with --json."""
        if not self.as_json:
            self.result({}, [line])

    def warn(self, line: str) -> None:
        """A line on stderr, with --json too: what the result leaves out."""
        self._err.print(line, markup=False)

    def error(self, problem: KeptError) -> None:
        """An error on stderr; with --json also as a document on stdout."""
        if self.as_json:
            document = {
                "error": type(problem).__name__, "what": problem.what, "where": problem.where,
                "expected": problem.expected, "met": problem.met, "fix": problem.fix,
            }  # fmt: skip
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        self._err.print(Text(f"kept: {problem}", style="red"))

    @contextmanager
    def progress(self, title: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
        """Show that something runs, on stderr; call what it gives with each thing that begins.

        Silent with --json and where stderr is no terminal.
        """
        columns = [SpinnerColumn(), TextColumn("{task.description}")]
        if total:
            columns += [BarColumn(), MofNCompleteColumn()]
        hidden = self.as_json or not self._err.is_terminal
        with Progress(*columns, console=self._err, transient=True, disable=hidden) as display:
            task = display.add_task(title, total=total)
            begun = 0

            def step(what: str) -> None:
                nonlocal begun
                display.update(task, description=what, completed=begun)
                begun += 1

            yield step

    @contextmanager
    def counting(self, title: str) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
        """As `progress`, where the number of things is known only later: (begin, step)."""
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn()]
        hidden = self.as_json or not self._err.is_terminal
        display = Progress(
            *columns, MofNCompleteColumn(), console=self._err, transient=True, disable=hidden
        )
        with display:
            task = display.add_task(title, total=None)

            def begin(total: int) -> None:
                display.update(task, total=total)

            def step(what: str) -> None:
                display.update(task, description=what, advance=1)

            yield begin, step


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """An aligned table, two blanks between columns; a name that begins with `#` is of numbers.

    Without names: no head. Nothing is cut or wrapped, so that it can be copied and searched.
    """
    right = [c.startswith("#") for c in columns]
    lines = [[c.removeprefix("#") for c in columns]] if any(columns) else []
    lines += [[f"{cell:,}" if type(cell) is int else str(cell) for cell in row] for row in rows]
    widths = [max((cell_len(line[i]) for line in lines), default=0) for i in range(len(columns))]
    made = []
    for line in lines:
        cells = []
        for cell, width, number in zip(line, widths, right, strict=True):
            gap = " " * (width - cell_len(cell))
            cells.append(gap + cell if number else cell + gap)
        made.append("  ".join(cells).rstrip())
    return "\n".join(made)


def many(count: int, thing: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
