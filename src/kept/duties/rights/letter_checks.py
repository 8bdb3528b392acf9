"""What proves that a letter is treated as if she had asked at once: by its day, and on paper."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control

#: Letters of so long ago are not looked at any more.
_LOOKED_BACK: Final = dt.timedelta(days=365)
#: An answer has so long to be printed, posted and entered, once its case has ended.
_TO_POST: Final = dt.timedelta(days=7)
_MEND: Final = "find out who changed it, and restore Kept's database from a backup"


@control("rights.letters-count-from-arrival")
def letters(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """The time of what came by letter runs from the day of its arrival, the answer goes to the
    address in it, and no scan outlives its request.

    The day is what the ledger says of the letter as it was entered; records and the clock of each
    of its cases have to start there. Where a letter gave an address on paper alone, an answer was
    posted within a week of the end of its case, by the ledger. Looked at are the letters of the
    last twelve months.
    """
    arrived: dict[str, dt.date] = {}
    by_post: set[str] = set()
    for _, entry in controller.ledger.entries(kind="request.taken"):
        body = entry.body
        if body["channel"] == "letter" and now - _LOOKED_BACK < entry.at <= now:
            arrived[str(body["request"])] = dt.date.fromisoformat(body["arrived"])
            if body.get("reply") == "post":
                by_post.add(str(body["request"]))
    posted = {
        str(entry.body["case"])
        for _, entry in controller.ledger.entries(kind="letter.posted")
        if entry.body["kind"] == "answer" and entry.at <= now
    }
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT i.id, i.arrived, r.id, k.arrived, r.done_at, r.state = 'withdrawn'"
            " FROM intake i LEFT JOIN intake_case n USING (number)"
            " LEFT JOIN rights_case r ON r.number = n.case_number"
            " LEFT JOIN case_clock k ON k.number = r.number WHERE i.id = ANY(%s)",
            (list(arrived),),
        ).fetchall()
    if missing := arrived.keys() - {str(row[0]) for row in rows}:
        yield Finding("the ledger", f"{len(missing)} letters in it are not on record", _MEND)
    for request, on_record, case, began, ended, taken_back in rows:
        day = arrived[request]
        if on_record != day:
            yield Finding("a request", "its day is not the one that the ledger says", _MEND)
        if began is not None and began != day:
            yield Finding("a case", "its time does not run from the day on which it came", _MEND)
        late = ended is not None and ended <= now and now - ended > _TO_POST
        if request in by_post and late and not taken_back and case not in posted:
            yield Finding(
                "a case", "no answer went to the address in the letter",
                "make it with `kept case letter`, and say with `kept case posted` when it went",
            )  # fmt: skip
    _, left = controller.letter_scans.left_over()
    if left:
        yield Finding(
            "requests", f"{left} scans outlived what they were for",
            "find out what kept them, and strike them out of Kept's database",
        )  # fmt: skip
    yield Looked(len(arrived), "letters that came")
