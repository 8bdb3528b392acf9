"""Is the ledger what it was? What it says of itself, and what Kept's other records say of it.

In itself nothing is amiss with a ledger that was cut off, or whose signatures were taken away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kept.database import Database
from kept.ledger.audit import Report
from kept.ledger.log import Ledger
from kept.records.run import Runs, lost

#: The control that signs the head and has the signed copy checked: a run of it that passed says
#: how many entries were signed for then.
CONTROL: Final = "ledger.is-whole"


def look(
    database: Database, ledger: Ledger, *, deep: bool = True, since: bytes | None = None
) -> Report:
    """The report of the ledger, with what records beside it prove to be missing from it."""
    found = missing(database, ledger)
    report = ledger.verify(deep, since=since)
    return replace(report, ok=report.ok and not found, problems=(*report.problems, *found))


def missing(database: Database, ledger: Ledger) -> tuple[str, ...]:
    """What Kept's other records prove the ledger to have had and to have no more, in words."""
    runs = Runs(database)
    # Read before the ledger is: entries and signatures come to it meanwhile.
    last, signed = runs.last(), runs.counted(CONTROL)
    cut, gone = lost(last, ledger.size()), sorted(signed - ledger.sizes())
    found = [cut] if cut else []
    if gone:
        some = ", ".join(f"{size:,}" for size in gone[:3])
        also = f" and {len(gone) - 3:,} more" if len(gone) > 3 else ""
        found.append(
            f"signatures were taken away: runs of the control {CONTROL} prove a signed head of"
            f" {some}{also} entries, which is not there"
        )
    return tuple(found)


def unsigned(report: Report) -> str | None:
    """That nothing at all is signed, in words; None where something is, or there is nothing."""
    if report.signed or not report.entries:
        return None
    entries = "1 entry is" if report.entries == 1 else f"{report.entries:,} entries are"
    return f"not signed: {entries} signed by nothing, so nothing shows whether they were altered"
