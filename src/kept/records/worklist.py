"""The cases that wait to be answered, as the staff work through them, and whose each is.

Of a person nothing stands here. A list is read by the index of the last day, from where the page
before it ended, so that the thousandth page is as quick as the first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.records.account import Account
from kept.records.answered import DAY, values
from kept.records.case_state import Case, State

DATASETS: Final = (
    Dataset(
        "case_owner",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "account": Field("account", "integer", nullable=False),
            "since": Field("since", "datetime", nullable=False),
        },
        links=(
            Link(("number",), "rights_case", ("number",)),
            Link(("account",), "account", ("account",), Owner.ACCESSED),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Who of our staff works on a request",
    ),
)


#: Cases that were done within a year and may be untold: those are, of which `day` is NULL.
_UNTOLD: Final[LiteralString] = (
    f'SELECT r.id, r.number, r."right", k.due, a.shown, o.account, {DAY} AS day'
    " FROM rights_case r JOIN case_clock k ON k.number = r.number"
    " LEFT JOIN case_owner o ON o.number = r.number"
    " LEFT JOIN account a ON a.account = o.account WHERE k.untold"
    " AND r.done_at BETWEEN %(now)s - interval '1 year' AND %(now)s"
)
#: Whether there is any of them: to plan the search costs more than the rest of a page.
_MAY_BE_UNTOLD: Final[LiteralString] = "EXISTS (SELECT FROM case_clock WHERE untold)"
#: How many are late, due today, due later this week; and how many in all.
_DAYS: Final[LiteralString] = (
    "count(*) FILTER (WHERE due < %(today)s), count(*) FILTER (WHERE due = %(today)s),"
    " count(*) FILTER (WHERE due > %(today)s AND due <= %(ends)s), count(*)"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One case in a list. `known`: it is known as well as it takes who asks, or somebody answers
    for it; `owner` is the name of an account as it is shown; `waits`: all of its rows are gone,
    and recipients who were told have still to answer.
    """

    number: int
    id: str
    right: str
    state: State
    due: dt.date
    paused: bool
    extended: bool
    known: bool
    owner: str | None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Untold:
    """A case that is done, and of which it is not on record that the person was told."""

    id: str
    right: str
    due: dt.date
    owner: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many people wait for their answer: late, to be answered today, by the end of the week,
    and in all. Of a case that is done they wait until they are told.
    """

    late: int
    today: int
    week: int
    all: int


class Worklist:
    """Cases that wait, and whose they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, *, right: str | None = None, state: State | None = None, owner: int | None = None,
        nobodys: bool = False, before: dt.date | None = None,
        after: tuple[dt.date, int] | None = None, most: int,
    ) -> list[Line]:  # fmt: skip
        """Up to `most` cases that wait, what is due first in front: of a right, in a state, of an
        account or of nobody, due before a day; `after` is (due, number) of the last one shown.
        """
        where: list[LiteralString] = ["k.waiting"]
        values: dict[str, Any] = {"most": most}
        if after is not None:
            where.append("(k.due, k.number) > (%(due)s, %(number)s)")
            values |= {"due": after[0], "number": after[1]}
        if before is not None:
            where.append("k.due < %(before)s")
            values["before"] = before
        if right is not None:
            where.append('r."right" = %(right)s')
            values["right"] = right
        if state is not None:
            where.append("r.state = %(state)s")
            values["state"] = state
        if right is not None or state is not None:
            where.append("r.done_at IS NULL")
        if owner is not None:
            where.append("o.account = %(owner)s")
            values["owner"] = owner
        elif nobodys:
            where.append("o.account IS NULL")
        with self._database.by_statement() as c:
            rows = c.execute(
                'SELECT k.number, r.id, r."right", r.state, k.due, k.paused_since IS NOT NULL,'
                " k.extended, r.override IS NOT NULL OR (r.evidence IS NOT NULL AND r.proof >="
                " r.needs), a.shown,"
                # Recipients of an erasure are told when all of it is done, and not before.
                " r.state = 'checked' AND r.ground = 'child' AND EXISTS (SELECT FROM"
                " case_recipient n WHERE n.number = r.number"
                " AND (n.outcome IS NULL OR n.outcome = 'cannot'))"
                " FROM case_clock k JOIN rights_case r ON r.number = k.number"
                " LEFT JOIN case_owner o ON o.number = k.number"
                " LEFT JOIN account a ON a.account = o.account"
                f" WHERE {' AND '.join(where)} ORDER BY k.due, k.number LIMIT %(most)s",
                values,
            ).fetchall()
        return [Line(r[0], r[1], r[2], State(r[3]), *r[4:]) for r in rows]

    def tally(self, today: dt.date, week_ends: dt.date, now: dt.datetime, zone: dt.tzinfo) -> Tally:
        """How many wait, or are done and `untold`; `week_ends` is the last day of this week."""
        days = {"today": today, "ends": week_ends}
        with self._database.by_statement() as c:
            # Each by itself: in one, the server would count what waits with one worker alone.
            waiting = c.execute(
                f"SELECT {_DAYS}, {_MAY_BE_UNTOLD} FROM case_clock WHERE waiting", days
            ).fetchone()
            assert waiting is not None
            *counted, may_be = waiting
            if may_be:
                untold = c.execute(
                    f"SELECT {_DAYS} FROM ({_UNTOLD}) one WHERE day IS NULL",
                    values(now, zone) | days,
                ).fetchone()
                assert untold is not None
                counted = [n + more for n, more in zip(counted, untold, strict=True)]
        return Tally(*counted)

    def untold(
        self, now: dt.datetime, zone: dt.tzinfo, most: int | None, before: dt.date | None = None,
        *, owner: int | None = None, nobodys: bool = False,
    ) -> tuple[list[Untold], int]:  # fmt: skip
        """Cases that were done within the last year and of which nobody was told, up to `most`
        (None: all) in order of their last day; and how many there are; with `before` of those due
        before a day, with `owner` of the task of an account, or `nobodys`. Of what staff say that
        she took back she is told, too. `zone`: whose midnight counts.
        """
        with self._database.by_statement() as c:
            if not (c.execute(f"SELECT {_MAY_BE_UNTOLD}").fetchone() or (False,))[0]:
                return [], 0
            rows = c.execute(
                f'SELECT id, "right", due, shown, count(*) OVER () FROM ({_UNTOLD}) one'
                " WHERE day IS NULL AND (%(before)s::date IS NULL OR due < %(before)s)"
                " AND (%(owner)s::bigint IS NULL OR account = %(owner)s)"
                " AND (NOT %(nobodys)s OR account IS NULL)"
                " ORDER BY due, number LIMIT %(most)s",
                values(now, zone)
                | {"most": most, "before": before, "owner": owner, "nobodys": nobodys},
            ).fetchall()
        return [Untold(*row[:4]) for row in rows], int(rows[0][4]) if rows else 0

    def seen_told(self, now: dt.datetime, zone: dt.tzinfo) -> None:
        """Look no more at cases of which the person has been told since; nor at those of long ago.

        `untold` says the same before and after; it only has less to look at.
        """
        with self._database.by_statement() as c:
            c.execute(
                "UPDATE case_clock SET untold = false WHERE number IN ("
                f"SELECT number FROM (SELECT r.number, r.done_at, {DAY} AS day"
                " FROM rights_case r JOIN case_clock k ON k.number = r.number"
                " WHERE k.untold) one"
                " WHERE day IS NOT NULL OR done_at < %(now)s - interval '1 year')",
                values(now, zone),
            )

    def by_due(self) -> list[tuple[dt.date, int]]:
        """Day → how many cases are due on it, of those that wait."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT due, count(*) FROM case_clock WHERE waiting GROUP BY due ORDER BY due"
            ).fetchall()
        return [(row[0], int(row[1])) for row in rows]

    def answered(
        self, since: dt.datetime, now: dt.datetime, zone: dt.tzinfo
    ) -> list[tuple[dt.date, int, int]]:
        """(first day of a month, answered in time, answered late) since a moment, by the clock of
        each case and the day on which the person was told. What she took back is no answer.
        `zone`: whose midnight counts.
        """
        with self._database.by_statement() as c:
            rows = c.execute(
                f"WITH a AS (SELECT k.due, {DAY} AS day"
                " FROM rights_case r JOIN case_clock k ON k.number = r.number"
                " WHERE r.state <> 'withdrawn' AND (r.done_at >= %(since)s - interval '1 year'"
                " OR (r.done_at IS NULL AND r.in_force_at IS NOT NULL)))"
                " SELECT date_trunc('month', day)::date, count(*) FILTER (WHERE day <= due),"
                " count(*) FILTER (WHERE day > due) FROM a"
                " WHERE day >= (%(since)s AT TIME ZONE %(zone)s)::date GROUP BY 1 ORDER BY 1",
                values(now, zone) | {"since": since},
            ).fetchall()
        return [(row[0], int(row[1]), int(row[2])) for row in rows]

    def owner(self, case: Case) -> int | None:
        """The number of the account whose task a case is."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT account FROM case_owner WHERE number = %s", (case.number,)
            ).fetchone()
        return None if row is None else int(row[0])

    def give(
        self, case: Case, to: Account | None, now: dt.datetime, *, connection: Connection
    ) -> None:
        """Let a case be the task of an account, or of nobody."""
        if to is None:
            connection.execute("DELETE FROM case_owner WHERE number = %s", (case.number,))
            return
        connection.execute(
            "INSERT INTO case_owner (number, account, since) VALUES (%s, %s, %s)"
            " ON CONFLICT (number) DO UPDATE SET account = excluded.account,"
            " since = excluded.since",
            (case.number, to.number, now),
        )

    def numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Id → number, of cases that there are."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT id, number FROM rights_case WHERE id = ANY(%s)", (list(ids),)
            ).fetchall()
        return {row[0]: int(row[1]) for row in rows}
