"""How the command line speaks: aligned words for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from kept.app.fit import Table, fitted, width_of
from kept.errors import KeptError

#: Seconds between two lines of progress where there is no terminal.
_NOW_AND_THEN: Final = 2.0


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
        width = width_of(sys.stdout)
        for line in words:
            self._out.print(fitted(line, width), markup=False)

    def say(self, line: str = "") -> None:
        """A line for people, at once; nothing with --json."""
        if not self.as_json:
            self.result({}, [line])

    def warn(self, line: str) -> None:
        """A line on stderr, with --json too: what the result leaves out."""
        self._err.print(fitted(line, width_of(sys.stderr)), markup=False)

    def error(self, problem: KeptError) -> None:
        """An error on stderr; with --json also as a document on stdout."""
        if self.as_json:
            document = {
                "error": type(problem).__name__, "what": problem.what, "where": problem.where,
                "expected": problem.expected, "met": problem.met, "fix": problem.fix,
            }  # fmt: skip
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        told = fitted(f"kept: {problem}", width_of(sys.stderr))
        self._err.print(Text(told, style="red"))

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

    @contextmanager
    def running(
        self, people: int | None, before: int, things: str = "people"
    ) -> Iterator[Callable[[int], None]]:
        """How far a run over many people, or other things, has come, on stderr: call what it
        gives with how many are through (`before`: were so at the beginning; `people` None: nobody
        knows of how many). On a terminal a bar with the rate; elsewhere a line now and then, from
        two seconds on. Silent with --json.
        """
        columns = [
            SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TextColumn(things),
            TextColumn("{task.fields[rate]}"), TimeElapsedColumn(),
        ]  # fmt: skip
        terminal = self._err.is_terminal and not self.as_json
        begun = said = time.monotonic()
        batch = 0
        with Progress(*columns, console=self._err, transient=True, disable=not terminal) as display:
            task = display.add_task("", total=people, rate="")

            of = "" if people is None else f" of {people:,}"

            def tell(done: int) -> None:
                nonlocal said, batch
                now = time.monotonic()
                batch += 1
                pace = max(done - before, 0) / max(now - begun, 1e-3)
                rate = f"batch {batch}, {pace:,.0f} a second"
                display.update(task, completed=done, rate=rate)
                if not terminal and not self.as_json and now - said >= _NOW_AND_THEN:
                    said = now
                    self.warn(f"{done:,}{of} {things}, {rate}")

            yield tell


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """An aligned table, two blanks between columns; a name that begins with `#` is of numbers.

    Without names: no head. Elsewhere than on a terminal one row is one line, so that it can be
    searched.
    """
    return Table(columns, rows)
