"""Packages that were handed out to a person, as the record of her requests tells.

Kept knows when, not where they are now: nobody can fetch them back.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable
from typing import Final

from kept.database import Database
from kept.keys import Vault
from kept.records.case import case_mac
from kept.records.case_state import State
from kept.terms.identifiers import Identifier

#: Rights that are answered by a package.
_PACKED: Final = ["access", "portability"]


def handed(
    database: Database, vault: Vault, identifiers: Iterable[Identifier]
) -> tuple[dt.date, ...]:
    """The days (UTC) on which packages were made for whom these name, the oldest first.

    A package is whole before its case counts as executed; words beside the next state say that
    it never got a name, so nobody has it. One statement, however many people are named.
    """
    macs = [case_mac(vault, one) for one in set(identifiers)]
    if not macs:
        return ()
    with database.connection() as c:
        rows = c.execute(
            "SELECT e.number, e.state, e.at, e.words IS NOT NULL FROM case_event e"
            ' JOIN rights_case r USING (number) WHERE r."right" = ANY(%s) AND e.number IN'
            " (SELECT number FROM case_person WHERE mac = ANY(%s)) ORDER BY e.number, e.turn",
            (_PACKED, macs),
        ).fetchall()
    days = []
    for _, group in itertools.groupby(rows, key=lambda row: row[0]):
        events = [*group]
        after = [*events[1:], None]
        for event, then in zip(events, after, strict=True):
            lost = then is not None and then[1] == State.CHECKED and then[3]
            if event[1] == State.EXECUTED and not lost:
                days.append(event[2].astimezone(dt.UTC).date())
    return tuple(sorted(days))
