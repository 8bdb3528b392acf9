"""`kept trackers`: lists of others that say who an unknown cookie or host may be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, day, opened
from kept.app.output import table
from kept.duties.trackers import known
from kept.errors import UsageError

group = App(name="trackers", help="Lists of others that say who an unknown tracker may be.")
_LARGEST: Final = 64 * 1024 * 1024


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command(name="import")
def import_(
    file: Annotated[Path, Parameter(help="the list: CSV, or rules of a filter list")],
    /,
    *,
    source: Annotated[str, Parameter(help="whose list it is; the same name replaces it")],
    licence: Annotated[str, Parameter(help="under which licence, as Apache-2.0")],
    date: Annotated[str, Parameter(help="of which day it is")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Import the Open Cookie Database (CSV) or a filter list. It suggests, and allows nothing."""
    with opened(common, "trackers import", acting.role) as (controller, _):
        dated = day(date, "--date")
        assert dated is not None
        body = _bytes(file)
        made = known.take(controller, body, source, licence, dated, acting.moment)
        controller.ledger.checkpoint(acting.moment)
    words = [f"{made.rows:,} names of {made.source} ({made.licence}, {made.dated}) are kept here."]
    if made.passed_over:
        words.append(f"{made.passed_over:,} rows were not understood, and are left out.")
    common.out.result(
        {"source": made.source, "kind": made.kind, "rows": made.rows, "left": made.passed_over},
        words,
    )
    return 0


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as read:
            return read.read(_LARGEST + 1)
    except OSError as problem:
        raise UsageError("the list cannot be read", met=problem.strerror or "") from None


@group.command
def lists(*, common: Common = COMMON) -> int:
    """The lists that were imported: whose, of which day, under which licence."""
    with opened(common) as (controller, _):
        rows = controller.known_names.lists()
    cells = [(r.source, r.kind, str(r.dated), r.licence, f"{r.rows:,}", f"{r.passed_over:,}")
             for r in rows]  # fmt: skip
    document = [
        {"source": r.source, "kind": r.kind, "dated": r.dated, "licence": r.licence,
         "rows": r.rows, "left": r.passed_over}
        for r in rows
    ]  # fmt: skip
    head = ("source", "format", "of", "licence", "names", "left out")
    common.out.result({"lists": document}, [table(head, cells)] if rows else ["None."])
    return 0
