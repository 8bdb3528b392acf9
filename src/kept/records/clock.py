"""Clocks: until when each case is to be answered, by which version of which rule, and why so.

Every change of that day is kept with the day before it. What the person was told is sealed under
the key of her case. The days are those of the organisation's place.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, TypeAlias

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.case_state import FINISHED, Case
from kept.terms import clocks
from kept.terms.clock_rules import RULES, Length, Rule
from kept.terms.regimes import parse_period
from kept.terms.workdays import Workdays

_CLASS: Final = "case"
_WORDS: Final = b"clock"
_RULES: Final = {rule.version: rule for rule in RULES}
_OF_CASE: Final = Link(("number",), "rights_case", ("number",))

DATASETS: Final = (
    Dataset(
        "case_clock",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "region": Field("region", category="rights-case", nullable=False),
            "matter": Field("matter", category="rights-case"),
            "arrived": Field("arrived", "date", category="rights-case", nullable=False),
            **{name: Field(name, nullable=False) for name in ("rule", "place", "calendar")},
            "promise": Field("promise"),
            "confirm_by": Field("confirm_by", "date", category="rights-case"),
            **{
                name: Field(name, "date", category="rights-case", nullable=False)
                for name in ("first_due", "due", "unpaused")
            },
            "skipped": Field("skipped", "json", nullable=False),
            "extended": Field("extended", "boolean", category="rights-case", nullable=False),
            "paused_days": Field("paused_days", "integer", nullable=False),
            "paused_since": Field("paused_since", "date", category="rights-case"),
            "paused_for": Field("paused_for"),
            **{name: Field(name, "boolean", nullable=False) for name in ("waiting", "untold")},
        },
        links=(_OF_CASE,),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Until when your requests are to be answered",
    ),
    Dataset(
        "case_clock_change",
        ("number", "turn"),
        {
            "number": Field("number", "integer", nullable=False),
            "turn": Field("turn", "integer", nullable=False),
            "act": Field("act", category="rights-case", nullable=False),
            "reason": Field("reason", category="rights-case"),
            "dated": Field("dated", "date", category="rights-case"),
            "words": Field("words", "bytes", category="rights-case"),
            **{name: Field(name, nullable=False) for name in ("before_rule", "after_rule")},
            **{
                name: Field(name, "date", category="rights-case", nullable=False)
                for name in ("before_due", "after_due")
            },
            "actor": Field("actor", "integer"),
            "at": Field("at", "datetime", category="rights-case", nullable=False),
        },
        links=(_OF_CASE, Link(("actor",), "actor", ("actor",), Owner.ACCESSED)),
        retention="case",
        on_erase=OnErase.NEVER,
        title="What moved the day of your answer",
    ),
)

#: A public holiday that moved a day: when, and what it is called.
Skipped: TypeAlias = tuple[tuple[dt.date, str], ...]

_COLUMNS: Final = (
    "region, matter, arrived, rule, promise, place, calendar, confirm_by, first_due, due, unpaused,"
    " skipped, extended, paused_days, paused_since, paused_for"
)
_NAMES: Final = tuple(_COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class Clock:
    """Until when a case is to be answered.

    `region` is one of clocks.WHERE. `rule` is the version of a row of RULES, `promise` the period
    that the organisation gives itself, where it does: the earlier day counts. `calendar` is that of
    `place`. `first_due` is the end of the first period as it was counted when the
    case was opened, `due` the day that counts now, `unpaused` that day without any pause.
    """

    region: str
    matter: str | None
    arrived: dt.date
    rule: str
    promise: str | None
    place: str
    calendar: str
    confirm_by: dt.date | None
    first_due: dt.date
    due: dt.date
    unpaused: dt.date
    skipped: Skipped
    extended: bool = False
    paused_days: int = 0
    paused_since: dt.date | None = None
    paused_for: str | None = None

    @property
    def row(self) -> Rule | None:
        """The rule itself; None where this version of Kept has it otherwise, or not any more."""
        return _RULES.get(self.rule)


@dataclass(frozen=True, slots=True)
class Change:
    """One change: what was done, why, for which day it was dated, and both days and rules."""

    act: str
    reason: str | None
    dated: dt.date | None
    words: str | None
    before_rule: str
    after_rule: str
    before_due: dt.date
    after_due: dt.date
    actor: Actor | None
    at: dt.datetime


def started(
    right: str, region: str, matter: str | None, arrived: dt.date, days: Workdays,
    promise: str | None = None,
) -> Clock:  # fmt: skip
    """The clock of a request that has just arrived. Where it is not known where she is, the day
    that comes first by any rule.
    """
    rule = clocks.earliest(clocks.applying(region, right, matter, arrived), arrived, days).rule
    blank = Clock(
        region, matter, arrived, rule.version, promise, "", "", None, arrived, arrived, arrived, ()
    )
    made = counted(blank, rule, days)
    return replace(made, first_due=made.due)


def counted(clock: Clock, rule: Rule, days: Workdays) -> Clock:
    """The clock with its days counted by a rule, with its extension and its pauses."""
    due, unpaused = (_last(clock, rule, days, paused) for paused in (clock.paused_days, 0))
    return replace(
        clock, rule=rule.version, place=days.place, calendar=days.calendar,
        confirm_by=clocks.confirm_by(rule, clock.arrived, days), due=due.day,
        unpaused=unpaused.day, skipped=due.skipped,
    )  # fmt: skip


def _last(clock: Clock, rule: Rule, days: Workdays, paused: int) -> clocks.Due:
    """The last day by the rule, or by the organisation's own promise where that is sooner; who
    was told that it takes longer was told so of both.
    """
    law = clocks.due(rule, clock.arrived, days, extended=clock.extended, paused=paused)
    if clock.promise is None or clock.extended:
        return law
    period = parse_period(clock.promise)
    length = Length(period.months, "months") if period.months else Length(period.days, "days")
    # Counted in the way of the rule: where that rolls on to a working day, so does this.
    own = clocks.due(replace(rule, answer=length), clock.arrived, days, paused=paused)
    return replace(own, rule=rule) if own.day < law.day else law


class Clocks:
    """The clocks of all cases."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def start(self, case: Case, clock: Clock, *, connection: Connection) -> None:
        """Give a case its clock."""
        values = asdict(clock) | {"skipped": _spelt(clock.skipped), "number": case.number}
        names = ", ".join(f"%({name})s" for name in _NAMES)
        connection.execute(
            f"INSERT INTO case_clock (number, {_COLUMNS}) VALUES (%(number)s, {names})".encode(),
            values,
        )

    def of(self, case: Case, *, connection: Connection | None = None) -> Clock | None:
        """The clock of a case; None for one from before there were any."""
        return self.many([case.number], connection=connection).get(case.number)

    def many(
        self, numbers: Iterable[int], *, connection: Connection | None = None
    ) -> dict[int, Clock]:
        """Number of a case → its clock."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                f"SELECT number, {_COLUMNS} FROM case_clock WHERE number = ANY(%s)",
                (list(numbers),),
            ).fetchall()
        return {row[0]: _clock(row[1:]) for row in rows}

    def unanswered(self) -> dict[int, str]:
        """Number → id of the cases that are still to be answered, oldest first.

        A restriction in force is answered, though its case goes on until it is lifted; one that
        could not be asked of every system is not.
        """
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT number, id FROM rights_case WHERE state <> ALL(%s)"
                " AND in_force_at IS NULL ORDER BY number",
                (list(FINISHED),),
            ).fetchall()
        return {int(number): str(id_) for number, id_ in rows}

    def locked(self, case: Case, *, connection: Connection) -> Clock | None:
        """As `of`, for this transaction alone."""
        connection.execute("SELECT FROM case_clock WHERE number = %s FOR UPDATE", (case.number,))
        return self.of(case, connection=connection)

    def change(
        self,
        case: Case,
        before: Clock,
        after: Clock,
        act: str,
        now: dt.datetime,
        *,
        connection: Connection,
        reason: str | None = None,
        dated: dt.date | None = None,
        words: str | None = None,
        actor: Actor | None = None,
    ) -> None:
        """Set the clock to `after`, and remember what was before."""
        c = connection
        sealed = words and self._vault.seal(
            case.key_subject, _CLASS, words.encode(), _WORDS, connection=c
        )
        values = asdict(after) | {"skipped": _spelt(after.skipped), "number": case.number}
        sets = ", ".join(f"{name} = %({name})s" for name in _NAMES)
        c.execute(f"UPDATE case_clock SET {sets} WHERE number = %(number)s".encode(), values)
        self._note(
            c, case, act, reason, dated, sealed or None, before.rule, after.rule, before.due,
            after.due, actor and actor.id, now,
        )  # fmt: skip

    def remind(
        self, case: Case, clock: Clock, level: str, now: dt.datetime, *, connection: Connection
    ) -> bool:
        """Enter that somebody is to be reminded of a day; whether that was not entered before."""
        there = connection.execute(
            "SELECT EXISTS (SELECT FROM case_clock_change WHERE number = %s AND act = 'reminded'"
            " AND reason = %s AND after_due = %s)",
            (case.number, level, clock.due),
        ).fetchone()
        if there and there[0]:
            return False
        self._note(
            connection, case, "reminded", level, None, None, clock.rule, clock.rule, clock.due,
            clock.due, None, now,
        )  # fmt: skip
        return True

    def changes(self, case: Case) -> list[Change]:
        """What moved the clock, and of what somebody is to be reminded, in order."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT act, reason, dated, words, before_rule, after_rule, before_due, after_due,"
                " k.actor, a.name, a.role, at FROM case_clock_change k LEFT JOIN actor a"
                " USING (actor) WHERE number = %s ORDER BY turn",
                (case.number,),
            ).fetchall()
            return [
                Change(
                    row[0], row[1], row[2], self._heard(c, case, row[3]), row[4], row[5], row[6],
                    row[7], None if row[8] is None else Actor(*row[8:11]), row[11],
                )
                for row in rows
            ]  # fmt: skip

    def _heard(self, c: Connection, case: Case, said: bytes | None) -> str | None:
        if said is None:
            return None
        return self._vault.unseal(case.key_subject, _CLASS, said, _WORDS, connection=c).decode()

    def _note(self, c: Connection, case: Case, *values: object) -> None:
        c.execute(
            "INSERT INTO case_clock_change (number, turn, act, reason, dated, words, before_rule,"
            " after_rule, before_due, after_due, actor, at) SELECT %s,"
            " coalesce((SELECT max(turn) FROM case_clock_change WHERE number = %s), 0) + 1,"
            " %s, %s, %s, %s, %s, %s, %s, %s, %s, %s",
            (case.number, case.number, *values),
        )


def _spelt(skipped: Skipped) -> str:
    return json.dumps([[day.isoformat(), name] for day, name in skipped])


def _clock(row: Sequence[Any]) -> Clock:
    values = dict(zip(_NAMES, row, strict=True))
    values["skipped"] = tuple((dt.date.fromisoformat(d), n) for d, n in values["skipped"])
    return Clock(**values)
