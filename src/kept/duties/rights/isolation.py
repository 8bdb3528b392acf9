"""What proves that rows which have to stay are out of everybody's sight, and end by themselves."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from kept.controller import Controller, Located, Place
from kept.controls.registry import Finding, Looked, control, unasked
from kept.duties.rights import lost
from kept.errors import Denied
from kept.ledger.entry import Entry, name
from kept.model.select import Batch

#: The run that lets go is a daily one; a day more for the night on which it failed.
GRACE: Final = dt.timedelta(days=2)
_MEND: Final = "restore Kept's database from a backup, and find out who changed it"


@control("rights.isolated-is-unreadable")
def isolated_is_unreadable(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What has to stay after an erasure can be read by nobody but its ground and its person.

    Looks into the tables themselves and through the door that serves every purpose, row by row.
    By the ledger's count every row that was isolated has a copy, and each copy found is opened.
    """
    yield from _copies(controller, now)
    for one in controller.isolation():
        where = f"{one.system}.{one.dataset}"
        if one.unasked is not None:
            yield unasked(where, one.unasked)
            continue
        if one.problem is not None:
            yield Finding(where, f"{one.rows} retained rows could not be looked at: {one.problem}")
            continue
        if one.shown:
            yield Finding(where, f"{one.shown} retained rows come out where purposes read")
        if one.gone:
            yield Finding(
                where,
                f"{one.gone} retained rows are not there any more, though nothing let them go",
                "restore them from a backup, and find out who deleted them",
            )
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
    """What a law or a hold keeps stays until its day or its release, and then goes by itself.

    The oracle is the ledger: what each step of an erasure retained and until when, which holds
    were placed and which were released.
    """
    yield from lost.holds(controller, now)
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
    yield from _as_told(controller, now)


#: (case, system, dataset): where an erasure retained rows, by the names of the ledger.
_Where: TypeAlias = tuple[str, str, str]


def _as_told(controller: Controller, now: dt.datetime) -> Iterator[Finding]:
    """Whether the way back leads to as many rows, until the same day, as the ledger says."""
    standing, _, days = _told(controller, now)
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT c.id, l.system, l.dataset, l.until, count(DISTINCT r.mac) FROM locator l"
            " JOIN rights_case c USING (number) JOIN retained r USING (entry)"
            " GROUP BY c.id, l.system, l.dataset, l.until"
        ).fetchall()
    ways: Counter[tuple[_Where, dt.date | None]] = Counter()
    for case, system, dataset, until, found in rows:
        at = (str(case), name(system), name(dataset))
        ways[at, until] += found
        if until is not None and until not in days.get(at[1:], ()):
            yield Finding(
                f"{system}.{dataset}",
                f"{found} retained rows are kept until a day that no entry of the ledger names",
                _MEND,
            )
    for (at, until), told in sorted(standing.items(), key=str):
        missing = told - ways[at, until]
        if missing > 0:
            yield Finding(
                ".".join(at[1:]),
                f"the way back to {missing} retained rows is gone, or says another day",
                _MEND,
            )


def _copies(controller: Controller, now: dt.datetime) -> Iterator[Finding]:
    """Whether as many isolated rows have a sealed copy as the ledger says."""
    _, isolated, _ = _told(controller, now)
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT c.id, l.system, l.dataset, count(DISTINCT i.mac) FROM locator l"
            " JOIN rights_case c USING (number) JOIN isolated i USING (entry)"
            " GROUP BY c.id, l.system, l.dataset"
        ).fetchall()
    copies = {(str(r[0]), name(r[1]), name(r[2])): int(r[3]) for r in rows}
    for at, told in sorted(isolated.items()):
        lost_ = told - copies.get(at, 0)
        if lost_ > 0:
            yield Finding(
                ".".join(at[1:]), f"{lost_} isolated rows have no sealed copy any more", _MEND
            )


def _told(
    controller: Controller, now: dt.datetime
) -> tuple[
    Counter[tuple[_Where, dt.date | None]], Counter[_Where], Mapping[tuple[str, ...], set[dt.date]]
]:
    """What the ledger says: rows retained for what keeps them still, by until when; how many of
    these were isolated; and all days that were ever named for a dataset.
    """
    today = now.astimezone(dt.UTC).date()
    holding = lost.holding(controller, now)
    days: dict[tuple[str, ...], set[dt.date]] = {}
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    # Other rights leave rows alone that a law keeps, and make no way back: these are still shown.
    erasures = {
        str(e.body["case"])
        for _, e in controller.ledger.entries(kind="plan.made")
        if e.body["right"] == "erasure"
    }
    for _, e in controller.ledger.entries(kind="step.done"):
        if e.at <= now and e.body.get("case") in erasures:
            last[str(e.body["case"]), str(e.body["step"])] = e.body
    for _, e in controller.ledger.entries(kind="retention.ran"):
        if "until" in e.body:
            place = (str(e.body["system"]), str(e.body["dataset"]))
            days.setdefault(place, set()).add(dt.date.fromisoformat(e.body["until"]))
    standing: Counter[tuple[_Where, dt.date | None]] = Counter()
    isolated: Counter[_Where] = Counter()
    for (case, _), body in last.items():
        at = (case, str(body["system"]), str(body["dataset"]))
        until = dt.date.fromisoformat(body["until"]) if "until" in body else None
        if until is not None:
            days.setdefault(at[1:], set()).add(until)
        # An entry from before it named its hold: any that is over may have been the one.
        hold = body.get("hold")
        released = hold in holding.over if hold or "law" in body else bool(holding.over)
        stays = not released and (until is None or until > today)
        stays = stays and not body.get("theirs")  # left to somebody else, and no way back to her
        if body["verified"] and stays and body["retained"] + body["isolated"]:
            standing[at, until] += body["retained"] + body["isolated"]
            isolated[at] += body["isolated"]
    return standing, isolated, days


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
