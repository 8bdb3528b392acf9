"""What proves that rows which have to stay are out of everybody's sight, and end by themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller, Located, Place
from kept.controls.registry import Finding, Looked, control
from kept.errors import Denied
from kept.ledger.entry import Entry, name
from kept.model.select import Batch

#: The run that lets go is a daily one; a day more for the night on which it failed.
GRACE: Final = dt.timedelta(days=2)


@control("rights.isolated-is-unreadable")
def isolated_is_unreadable(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What has to stay after an erasure can be read by nobody but its ground and its person.

    Looks into the tables themselves and through the door that serves every purpose, row by row.
    """
    for one in controller.isolation():
        where = f"{one.system}.{one.dataset}"
        if one.problem is not None:
            yield Finding(where, f"{one.rows} retained rows could not be looked at: {one.problem}")
            continue
        if one.shown:
            yield Finding(where, f"{one.shown} retained rows come out where purposes read")
        open_ = one.readable - one.in_place
        if open_:
            yield Finding(
                where,
                f"{open_} retained rows can be read in the table by whoever reads the table",
                "write `stays: isolated` in the map and run the erasure again, or `stays: in-place`"
                " where the law itself wants them readable there",
            )
        yield Looked(one.rows, where, one.system)


@control("rights.what-is-kept-ends")
def what_is_kept_ends(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """When the law's day has come or the hold is released, what it kept goes by itself."""
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT l.system, l.dataset, count(*), count(*) FILTER (WHERE l.until <= %(day)s"
            " OR h.released_at <= %(then)s OR h.until <= %(day)s) FROM locator l"
            " LEFT JOIN hold h ON h.id = l.hold GROUP BY l.system, l.dataset ORDER BY 1, 2",
            {"then": now - GRACE, "day": (now - GRACE).astimezone(dt.UTC).date()},
        ).fetchall()
    for system, dataset, groups, late in rows:
        where = f"{system}.{dataset}"
        if late:
            yield Finding(
                where,
                f"{late} groups of rows are still there although nothing keeps them any more",
                "run `kept retain run`, which says why it stops; `kept serve` runs it every day",
            )
        yield Looked(groups, where, system)


def for_ground(
    controller: Controller, hold: str, now: dt.datetime
) -> Iterator[tuple[Place, Batch]]:
    """The rows that an open hold keeps, with what isolated ones said: for its own ground.

    That they were asked for is an entry before anything is read. Denied where there is no such
    open hold. What comes is for whoever the ground names, and nobody else.
    """
    if hold not in {h.id for h in controller.holds.all(now)}:
        raise Denied("there is no such open hold", fix="see `kept hold list` for those that are")
    held, opened = controller.locator.opened_for(hold)
    rows = sum(len(table.values) for groups in held.values() for table, _ in groups)
    controller.ledger.append(Entry("locator.used", now, {"found": rows, "ground": name(hold)}))
    kept = controller.still(held)
    yield from controller.read(Located((), unreached=kept.unread), kept.tables, opened)
