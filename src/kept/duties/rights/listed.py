"""A list of requests that were received elsewhere: looked at line by line, then entered.

Nothing is entered while a line is wrong. Each line is entered once: a list that is read again, or
was cut off half-way, enters what is missing and nothing twice. What is wrong is said with its line
and its column, never with what stands there.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kept.controller import Controller
from kept.duties.rights.entering import CHANNELS, Came, add, checked
from kept.duties.rights.others_mail import partners
from kept.errors import UsageError
from kept.records.actor import Actor
from kept.records.intake import Intake
from kept.stores import lists
from kept.stores.lists import Limits, Listing
from kept.terms import clocks
from kept.terms.asks import CHILD_REPORT
from kept.terms.identifiers import KINDS, Identifier

#: The most lines that one list has.
MOST: Final = 2_000
LIMITS: Final = Limits(lines=MOST, columns=40, packed=5_000_000, unpacked=50_000_000)
#: Columns beside one for each kind of identifier; the first two have to be there.
COLUMNS: Final = ("arrived", "channel", "asked", "words", "region", "reference", "told")
_NEEDED: Final = COLUMNS[:2]
#: Where a line is none of the list.
_BROKEN: Final = "\x00"
#: Before this year nobody asked anybody for his data.
_OLDEST: Final = 1970
_YES: Final = frozenset(("yes", "y", "true", "1", "ja", "oui"))


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `asked` is what it asks for, by the words where nobody chose; `problem` what is
    wrong with it; `there`: it was entered before; `same`: the line of this list that says the same.
    """

    number: int
    came: Came | None
    told: bool
    asked: tuple[str, ...]
    problem: str | None
    there: bool = False
    same: int | None = None

    @property
    def new(self) -> bool:
        """Whether it would be entered."""
        return self.problem is None and not self.there and self.same is None


def read_text(text: str) -> list[Mapping[str, str]]:
    """Rows of CSV, or of cells as a spreadsheet copies them: columns by their names."""
    return named(lists.read_csv(text, LIMITS))


def read_file(path: Path) -> list[Mapping[str, str]]:
    """Rows of a file: XLSX, or CSV in UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as problem:
        raise UsageError("the list cannot be read", met=type(problem).__name__) from None
    read = lists.whole(path.name, data, LIMITS)
    return read_text(read) if isinstance(read, str) else named(read)


def pasted(name: str, data: bytes) -> str:
    """The lines of a file as they would be pasted from a spreadsheet."""
    read = lists.whole(name, data, LIMITS)
    if isinstance(read, str):
        return read
    rows: list[list[str]] = [list(read.head)]
    for number, cells in read.lines:
        rows += [[]] * (number - 1 - len(rows))
        broken = cells is None or lists.FORMULA in cells
        # One cell more than there are columns: the line is shown as none.
        rows.append(["…"] * (len(read.head) + 1) if broken or cells is None else cells)
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    return text.getvalue()


def named(listing: Listing) -> list[Mapping[str, str]]:
    """Rows as column → cell, each at the place of its line. UsageError for columns that nobody
    knows. A line that is none holds `_BROKEN` alone.
    """
    head = [cell.casefold() for cell in listing.head]
    known = (*COLUMNS, *KINDS)
    if missing := [name for name in _NEEDED if name not in head]:
        raise UsageError(f"the list has no column `{missing[0]}`",
                         expected=f"columns of {', '.join(known)}")  # fmt: skip
    names = [name for name in head if name]
    wrong = sum(1 for name in names if name not in known)
    if wrong or len(set(names)) < len(names):
        raise UsageError(f"{wrong or 'two'} columns of the list are not known, or there twice",
                         expected=f"columns of {', '.join(known)}")  # fmt: skip
    rows: list[Mapping[str, str]] = []
    for number, cells in listing.lines:
        rows += [{}] * (number - 2 - len(rows))
        whole = cells is not None and lists.FORMULA not in cells
        rows.append(dict(zip(head, cells or (), strict=False)) if whole else {_BROKEN: "broken"})
    return rows


def look(controller: Controller, rows: Sequence[Mapping[str, str]], now: dt.datetime) -> list[Line]:
    """What would be entered, line by line as a spreadsheet counts them; writes nothing."""
    made: list[Line] = []
    first: dict[str, int] = {}
    with controller.database.connection() as c:
        for number, row in enumerate(rows, 2):
            if not any(row.values()):
                continue
            try:
                if _BROKEN in row:
                    raise UsageError(
                        "the line is none", expected="a cell for each column, and no formula"
                    )
                came, told = _came(row)
                asked = checked(came, now, partners(controller.bundle))[2]
                if CHILD_REPORT in asked:
                    raise UsageError("a report of a child is entered by itself, at once")
            except UsageError as problem:
                hint = f"; expected {problem.expected}" if problem.expected else ""
                words = problem.what + hint
                made.append(Line(number, None, False, (), words))
                continue
            once = _once(came, row.get("reference", ""))
            met = controller.intakes.by_once(once, connection=c)
            done = met is not None and (met.outcome is not None or not met.open)
            made.append(Line(number, came, told, asked, None, done, first.get(once)))
            first.setdefault(once, number)
    return made


def enter(
    controller: Controller, rows: Sequence[Mapping[str, str]], actor: Actor, now: dt.datetime
) -> list[Intake]:
    """Enter what is not there yet. UsageError, and nothing is entered, where a line is wrong."""
    lines = look(controller, rows, now)
    if wrong := [line.number for line in lines if line.problem]:
        raise UsageError(
            f"{len(wrong)} lines are wrong, the first is line {wrong[0]}; nothing was entered",
            fix="mend them, and read the list again",
        )  # fmt: skip
    at = dict(enumerate(rows, 2))
    made: list[Intake] = []
    for line in lines:
        if line.new and line.came is not None:
            once = _once(line.came, at[line.number].get("reference", ""))
            entered, _ = add(controller, line.came, actor, now, once=once, told=line.told)
            made += entered
    return made


def _came(row: Mapping[str, str]) -> tuple[Came, bool]:
    try:
        arrived = dt.date.fromisoformat(row.get("arrived", "")[:10])
    except ValueError:
        raise UsageError("`arrived` is no day", expected="a day as 2026-01-31") from None
    if arrived.year < _OLDEST:
        raise UsageError("`arrived` is too long ago", expected=f"a day since {_OLDEST}")
    if row.get("channel", "") not in CHANNELS:
        raise UsageError("`channel` is none", expected=f"one of {', '.join(CHANNELS)}")
    people = []
    for kind in KINDS:
        if value := row.get(kind, ""):
            one = Identifier(kind, value)
            _ = one.normalised  # refuses what is not of its kind
            people.append(one)
    asked = tuple(row.get("asked", "").replace(";", " ").replace(",", " ").split())
    came = Came(
        row["channel"], arrived, tuple(people), asked, row.get("words", ""),
        clocks.where(row.get("region", "") or "unknown"),
    )  # fmt: skip
    return came, row.get("told", "").casefold() in _YES


def _once(came: Came, reference: str) -> str:
    """What two lines share that are the same request: its reference elsewhere, or all of it."""
    people = sorted(f"{i.kind}={i.normalised}" for i in came.people)
    what = reference or "\n".join((*sorted(came.asked), came.words))
    parts = ("a list", came.channel, came.arrived.isoformat(), *people, what)
    return "\x00".join(parts)
