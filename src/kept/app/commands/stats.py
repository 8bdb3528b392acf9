"""`kept stats`: figures from what is on record."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, moment, opened
from kept.app.output import table
from kept.duties import figures
from kept.duties.figures import OUTCOMES, Row
from kept.errors import UsageError

group = App(name="stats", help="Figures from what is on record, without groups of few.")

_HEAD: Final = (
    "right", "regime", "channel", "received", *OUTCOMES, "median_days", "on_time",
    "extension_rate", "oldest_open_days",
)  # fmt: skip


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def requests(
    *,
    year: Annotated[
        int | None, Parameter(help="the year in which they arrived (default: this one)")
    ] = None,
    csv: Annotated[bool, Parameter(help="as CSV", negative="")] = False,
    now: Annotated[str | None, Parameter(help="the moment to look at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Requests by right, regime and channel: how they ended, how fast, how many in time."""
    at = moment(now)
    if csv and common.json:
        raise UsageError("only one form at a time", expected="--json or --csv")
    with opened(common) as (controller, _):
        which = controller.day(at).year if year is None else year
        if which not in range(1970, 2201):
            raise UsageError("`--year` is too far away", expected="a year from 1970 to 2200")
        found = figures.requests(controller, which, at)
    if csv:
        common.out.result({}, [_csv(found.rows)])
        return 0
    words = [
        f"Requests that arrived in {found.year}: {_or(found.received, found.least)}."
        f" Not confirmed by anybody: {_or(found.expired, found.least)}.",
        *([table(_titles(), [_cells(row) for row in found.rows])] if found.rows else []),
        f"Groups and counts of fewer than {found.least} are put together or left out (*), with"
        " others that would give them away.",
    ]
    document = {
        "year": found.year, "least": found.least, "received": found.received,
        "expired_unverified": found.expired, "rows": [_document(r) for r in found.rows],
    }  # fmt: skip
    common.out.result(document, words)
    return 0


def _titles() -> tuple[str, ...]:
    numbers = ("received", *OUTCOMES, "median days", "in time", "extended", "oldest open")
    return ("right", "regime", "channel", *(f"#{name}" for name in numbers))


def _or(count: int | None, least: int) -> str:
    return f"fewer than {least}" if count is None else f"{count:,}"


def _document(row: Row) -> dict[str, Any]:
    values = (
        row.right, row.regime, row.channel, row.received,
        *(getattr(row, name) for name in OUTCOMES), row.median, _share(row.on_time),
        _share(row.extension_rate), row.oldest,
    )  # fmt: skip
    return {**dict(zip(_HEAD, values, strict=True)), "hidden": sorted(row.hidden)}


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _cells(row: Row) -> list[object]:
    def cell(name: str, value: object) -> object:
        return "*" if name in row.hidden else "–" if value is None else value

    return [
        row.right, row.regime, row.channel, row.received,
        *(cell(name, getattr(row, name)) for name in OUTCOMES), cell("median", row.median),
        cell("late", figures.percent(row.on_time)),
        cell("extended", figures.percent(row.extension_rate)), cell("oldest", row.oldest),
    ]  # fmt: skip


def _csv(rows: tuple[Row, ...]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEAD)
    for row in rows:
        document = _document(row)
        writer.writerow(["" if document[n] is None else document[n] for n in _HEAD])
    return out.getvalue().rstrip("\n")
