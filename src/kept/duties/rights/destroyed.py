"""That papers and copies of identity papers were destroyed stands in the ledger.

They go in the transaction that ends their case or request; the entry follows within the minute.
"""

from __future__ import annotations

import datetime as dt

from kept.controller import Controller
from kept.ledger.entry import Entry
from kept.records.letter_scan import take_destroyed


def enter(controller: Controller, now: dt.datetime) -> int:
    """Enter what was destroyed since; of how many cases and requests that was. Repeatable."""
    with controller.database.connection() as c:
        those = take_destroyed(c)
        entries = [
            Entry(
                "proof.destroyed", now,
                {"what": what, "count": count} | ({"case": case} if case else {"request": request}),
            )
            for what, case, request, count in those
        ]  # fmt: skip
        if entries:
            controller.ledger.append_in(c, entries)
    return len(those)
