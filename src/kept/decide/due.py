"""Until when rows must stay, and which are past their time. Pure: dates are arguments.

A law keeps rows of a retention class for a period from their own clock; an explicit hold keeps
what it names until it is released. A law without a date to count from keeps its rows without
a known end and says so: deleting what must stay cannot be undone, keeping it can.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kept.datamap.check import heirs
from kept.datamap.map import DataMap
from kept.datamap.reach import Place
from kept.decide.reasons import UNDATED, UNDECIDED
from kept.decide.ties import Key, Ties, norm
from kept.errors import UsageError
from kept.model.plan import Reason
from kept.model.select import KeyRow, KeyTable
from kept.model.values import Value, coerce
from kept.policy.shapes import RetentionClass
from kept.terms.regimes import end_of

#: Place → rows that must stay whole, each with its reason. A row may be there twice.
Held: TypeAlias = Mapping[Place, tuple[tuple[KeyTable, Reason], ...]]


@dataclass(frozen=True, slots=True)
class Law:
    """What keeps a retention class from erasure. `keep` None: the period is not decided."""

    retention: str
    citation: str
    words: str
    keep: str | None
    clause: str


@dataclass(frozen=True, slots=True)
class HoldScope:
    """An explicit hold: whose rows (index of the plan's people; None: everybody's), and where.

    `system` and `dataset` None mean all. It reaches exactly the datasets that it names.
    """

    reason: Reason
    person: int | None = None
    system: str | None = None
    dataset: str | None = None


def laws(retention: Mapping[str, RetentionClass]) -> dict[str, Law]:
    """Retention class → its law, for the classes of a bundle that have one."""
    return {
        name: Law(name, one.law.citation, one.law.words, one.law.keep, one.law.clause or one.clause)
        for name, one in retention.items()
        if one.law is not None
    }


def hold_until(keep: str | None, clock: Value) -> dt.date | None:
    """The first day on which a row may go: its clock's day and the period `keep` (P10Y).

    None where there is no end to name: no period, no date, or one outside the calendar.
    Moments with a time zone count by their day in UTC.
    """
    if keep is None or clock is None:
        return None
    if isinstance(clock, dt.datetime) and clock.tzinfo is not None:
        clock = clock.astimezone(dt.UTC)
    if isinstance(clock, str):  # engines without dates hold them as text
        clock = coerce(clock, "datetime")
    if not isinstance(clock, dt.date):
        return None
    day = clock.date() if isinstance(clock, dt.datetime) else clock
    try:
        return end_of(day, keep)
    except UsageError:
        return None


def due(keep: str | None, clock: Value, today: dt.date) -> bool:
    """Whether a row is past its time. Without a period or a date it never is."""
    until = hold_until(keep, clock)
    return until is not None and until <= today


def strength(reason: Reason) -> tuple[bool, dt.date, str, str, str, str]:
    """Orders reasons: one without an end before all others, then the latest end."""
    return (
        reason.until is None, reason.until or dt.date.min, reason.law or "", reason.clause,
        reason.hold or "", reason.words,
    )  # fmt: skip


def merge(*held: Held) -> dict[Place, tuple[tuple[KeyTable, Reason], ...]]:
    """All of them as one."""
    both: dict[Place, tuple[tuple[KeyTable, Reason], ...]] = {}
    for one in held:
        for place, reasons in one.items():
            both[place] = (*both.get(place, ()), *reasons)
    return both


def explicit(
    found: Mapping[Place, KeyTable], holds: Iterable[HoldScope], today: dt.date
) -> dict[Place, tuple[tuple[KeyTable, Reason], ...]]:
    """The rows that explicit holds keep; holds past their end keep nothing."""
    held: dict[Place, list[tuple[KeyTable, Reason]]] = {}
    for hold in holds:
        if hold.reason.until is not None and hold.reason.until <= today:
            continue
        for place, table in found.items():
            if hold.system not in (None, place[0]) or hold.dataset not in (None, place[1]):
                continue
            rows = tuple(r for r in table.rows if hold.person in (None, r[0]))
            if rows:
                held.setdefault(place, []).append((KeyTable(table.fields, rows), hold.reason))
    return {place: tuple(reasons) for place, reasons in held.items()}


def standing(
    stayed: Mapping[Place, Sequence[tuple[KeyTable, Reason]]], holds: Collection[str]
) -> dict[Place, tuple[tuple[KeyTable, Reason], ...]]:
    """What rows retained before are kept by still: those of these holds. Laws are judged anew."""
    held = {
        place: tuple((table, why) for table, why in groups if why.hold in holds)
        for place, groups in stayed.items()
    }
    return {place: reasons for place, reasons in held.items() if reasons}


def split(
    table: KeyTable, law: Law, dates: Mapping[Key, Value], today: dt.date
) -> tuple[list[tuple[KeyTable, Reason]], KeyTable]:
    """Found rows into (held, each with its reason) and free. `dates`: key (`norm`) → clock."""
    held: dict[Reason, list[KeyRow]] = {}
    free: list[KeyRow] = []
    made: dict[dt.date | None, Reason] = {}
    for row in table.rows:
        until = hold_until(law.keep, dates.get(norm(row[1])))
        if until is not None and until <= today:
            free.append(row)
            continue
        if until not in made:
            made[until] = _reason(law, until)
        held.setdefault(made[until], []).append(row)
    return _tables(table, held), KeyTable(table.fields, tuple(free))


def statutory(
    datamap: DataMap,
    found: Mapping[Place, KeyTable],
    rules: Mapping[str, Law],
    dates: Mapping[Place, Mapping[Key, Value]],
    ties: Ties,
    today: dt.date,
) -> dict[Place, tuple[tuple[KeyTable, Reason], ...]]:
    """The found rows that a law keeps, as of `today`.

    `dates` (place → key → clock) and `ties` answer `ties.questions`. A dataset of a held class
    with a clock counts by it; one without shares the fate of the rows it is owned by in the
    same class (`datamap.check.heirs`); where neither is known, its rows stay.
    """
    done: dict[Place, dict[Key, Reason]] = {}
    held: dict[Place, tuple[tuple[KeyTable, Reason], ...]] = {}

    def judge(place: Place) -> dict[Key, Reason]:
        if place in done:
            return done[place]
        done[place] = {}
        dataset = datamap.dataset(*place)
        law = rules.get(dataset.retention or "")
        table = found.get(place)
        if law is None or table is None or not table.rows:
            return done[place]
        above = {link.to for link in heirs(datamap.systems[place[0]], dataset)}
        if not above:
            reasons, _ = split(table, law, dates.get(place, {}), today)
        else:
            reasons = _inherited(place, table, law, above)
        held[place] = tuple(reasons)
        done[place] = {norm(key): why for keys, why in reasons for _, key in keys.rows}
        return done[place]

    def _inherited(
        place: Place, table: KeyTable, law: Law, above: set[str]
    ) -> list[tuple[KeyTable, Reason]]:
        kept: dict[Reason, list[KeyRow]] = {}
        for row in table.rows:
            owners = [to for to in ties.parents((place, norm(row[1]))) if to[0][1] in above]
            reasons = [why for at, key in owners if (why := judge(at).get(key)) is not None]
            if reasons:
                kept.setdefault(max(reasons, key=strength), []).append(row)
            elif not owners:
                kept.setdefault(_reason(law, None), []).append(row)
        return _tables(table, kept)

    for place in found:
        judge(place)
    return {place: reasons for place, reasons in held.items() if reasons}


def _tables(table: KeyTable, held: Mapping[Reason, list[KeyRow]]) -> list[tuple[KeyTable, Reason]]:
    return [(KeyTable(table.fields, tuple(rows)), why) for why, rows in held.items()]


def _reason(law: Law, until: dt.date | None) -> Reason:
    words = law.words
    if until is None:
        words = words if words.endswith(".") else f"{words}."
        words += f" {UNDECIDED if law.keep is None else UNDATED}"
    return Reason(words, law.citation, until, law.clause)
