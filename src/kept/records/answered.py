"""On which day a person had the answer of her case, by what is on record.

That a case ended is no answer. She has it when a mail with it was taken by a server, a letter
went out, it was handed to her, or she fetched her package; that the staff fetched it from the desk
is nothing she has. What was written before all was done, or before it was refused, tells her of
what was left, whenever it reaches her. A letter that a copy was made is not the copy: where one
belongs to the answer, a mail counts once a link leads her to what was packed when all was done.
The end itself is the answer only of what she did on a page that says so at once, of a report of a
child, whose page says so, and of what an agent reads as wholly done or took back himself; a
restriction is answered when it is in force for all that leads to her, and not while a system was
away that may know her by more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final, LiteralString

from kept.database import Connection, Database
from kept.records.case_state import Case, State
from kept.records.outbox import SENT
from kept.terms.asks import CHILD_REPORT

#: The role in which a person acts for herself.
_HERSELF: Final = "person"
#: What was done in a case, by whoever did it.
_DONE: Final = (State.EXECUTED, State.CHECKED, State.CLOSED)

#: Whether a copy of what is held belongs to the answer of a case `r`.
COPY: Final[LiteralString] = (
    "(r.\"right\" IN ('access', 'portability') AND r.state = 'closed' AND (r.named OR EXISTS"
    " (SELECT FROM case_step s WHERE s.number = r.number AND s.planned > 0)))"
)
#: Whether what a case `r` asked for was done but for a part: something stays by a law or a hold, or
#: was refused; or an objection was not followed, in part or at all.
PARTLY: Final[LiteralString] = (
    "(r.unmet IS NOT NULL"
    " OR r.\"right\" = 'erasure' AND EXISTS (SELECT FROM case_step s WHERE s.number = r.number"
    " AND s.retained + s.isolated > 0)"
    " OR EXISTS (SELECT FROM case_part p WHERE p.number = r.number))"
)
#: Whether the end of a case `r` tells the person by itself. Wants AT_ONCE_VALUES.
AT_ONCE: Final[LiteralString] = (
    "(EXISTS (SELECT FROM case_event e JOIN actor a USING (actor) WHERE e.number = r.number"
    " AND e.state = ANY(%(done_states)s) AND a.role = %(herself)s AND e.at >= r.done_at)"
    " OR EXISTS (SELECT FROM intake_case i JOIN intake n USING (number)"
    " WHERE i.case_number = r.number AND (i.asked = %(child_report)s OR n.channel = 'drp'"
    # Why it was refused, or a part of it was not done, the agent does not read, nor what else took
    # it back than he.
    " AND CASE r.state WHEN 'refused' THEN false WHEN 'withdrawn' THEN EXISTS"
    " (SELECT FROM case_event e JOIN actor a USING (actor) WHERE e.number = r.number"
    " AND e.state = r.state AND a.role = 'agent')"
    " ELSE NOT " + COPY + " AND (i.asked = %(child_report)s OR NOT " + PARTLY + ") END)))"
)
AT_ONCE_VALUES: Final = {
    "done_states": list(_DONE), "herself": _HERSELF, "child_report": CHILD_REPORT,
}  # fmt: skip
#: When a letter that a mail server took at `w.at` was an answer; NULL while it is none.
_COUNTS: Final[LiteralString] = (
    "CASE WHEN m.kind <> 'answer' OR NOT " + COPY + " THEN w.at ELSE"
    " (SELECT greatest(w.at, min(d.made_at)) FROM case_delivery d WHERE d.number = r.number"
    " AND NOT d.desk AND d.made_at BETWEEN r.done_at AND %(now)s"
    # A link that was put into a mail, and that no server took, leads nobody anywhere.
    " AND NOT EXISTS (SELECT FROM case_mail l LEFT JOIN outbox q ON q.id = l.letter"
    " WHERE l.number = d.number AND l.kind = 'link' AND l.put_at = d.made_at"
    " AND coalesce(l.outcome, q.outcome) IS DISTINCT FROM %(sent)s)"
    " HAVING count(*) > 0) END"
)
#: The day on which the person of a case `r` had her answer, as of `now` by the midnight of `zone`;
#: NULL where she has none yet. Wants AT_ONCE_VALUES, `sent`, `now` and `zone`.
DAY: Final[LiteralString] = (
    "CASE WHEN r.in_force_at <= %(now)s THEN (r.in_force_at AT TIME ZONE %(zone)s)::date"
    " WHEN r.done_at IS NULL OR r.done_at > %(now)s THEN NULL"
    " WHEN " + AT_ONCE + " THEN (r.done_at AT TIME ZONE %(zone)s)::date"
    " ELSE least("
    "(SELECT min(k.dated) FROM case_clock_change k WHERE k.number = r.number"
    " AND k.act = 'posted' AND k.at BETWEEN r.done_at AND %(now)s"
    " AND k.dated >= (r.done_at AT TIME ZONE %(zone)s)::date),"
    "(SELECT (min(" + _COUNTS + ") AT TIME ZONE %(zone)s)::date"
    " FROM case_mail m LEFT JOIN outbox o ON o.id = m.letter,"
    " LATERAL (SELECT coalesce(m.ended_at, o.sent_at) AS at) w WHERE m.number = r.number"
    " AND m.put_at >= r.done_at AND coalesce(m.outcome, o.outcome) = %(sent)s"
    " AND w.at <= %(now)s),"
    "(SELECT (min(d.fetched_at) AT TIME ZONE %(zone)s)::date FROM case_delivery d"
    " WHERE d.number = r.number AND NOT d.desk AND d.made_at >= r.done_at"
    " AND d.fetched_at <= %(now)s)) END"
)


def with_copy(connection: Connection, case: Case) -> bool:
    """Whether a copy of what is held belongs to the answer of a case."""
    row = connection.execute(
        f"SELECT {COPY} FROM rights_case r WHERE r.number = %s", (case.number,)
    ).fetchone()
    return row is not None and bool(row[0])


def partly(connection: Connection, case: Case) -> bool:
    """Whether what a case asked for was done but for a part."""
    row = connection.execute(
        f"SELECT {PARTLY} FROM rights_case r WHERE r.number = %s", (case.number,)
    ).fetchone()
    return row is not None and bool(row[0])


def values(now: dt.datetime, zone: dt.tzinfo | str) -> dict[str, object]:
    """What DAY wants: as of when, and whose midnight counts."""
    return {**AT_ONCE_VALUES, "sent": SENT, "now": now, "zone": str(zone)}


def days(
    database: Database, numbers: Iterable[int], now: dt.datetime, zone: dt.tzinfo | str
) -> dict[int, dt.date]:
    """Number → the day on which she had her answer, of those cases in which she has."""
    wanted = values(now, zone) | {"numbers": list(numbers)}
    with database.by_statement() as c:
        rows = c.execute(
            f"SELECT number, day FROM (SELECT r.number, {DAY} AS day FROM rights_case r"
            " WHERE r.number = ANY(%(numbers)s)) one WHERE day IS NOT NULL",
            wanted,
        ).fetchall()
    return {int(number): day for number, day in rows}
