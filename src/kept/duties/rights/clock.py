"""How long a request may still take: its clock, what may move it, and who is to be reminded.

GDPR Art. 12(3) and (6), UK GDPR Art. 12A, and what other laws say (`terms.clock_rules`). A day
moves only for a reason that the rule of the case knows, and never silently: both days stay.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.answered import days
from kept.records.case import Case
from kept.records.case_state import FINISHED, State
from kept.records.clock import Clock, counted, started
from kept.records.intake import ANSWERED
from kept.terms import clocks
from kept.terms.clock_rules import EXTENSIONS, PAUSES, Rule
from kept.terms.clocks import Light

#: Roles that may move the last day of an answer.
MAY_MOVE: Final = frozenset({"privacy-officer", "approver", "operator"})
#: A case nearly late, or late, is one for who answers for all of it.
_ESCALATED: Final = "privacy-officer"
#: Of what somebody is reminded besides the lights: a clock will soon have stood still for as long
#: as it may; it went on by itself.
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
#: So long before that.
_BEFORE: Final = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Standing:
    """A case that is still to be answered. `left` are working days; negative days are late."""

    case: Case
    clock: Clock
    light: Light
    left: int

    @property
    def paused(self) -> bool:
        """Whether the clock stands still."""
        return self.clock.paused_since is not None


def start(
    controller: Controller, case: Case, now: dt.datetime, *, connection: Connection,
    region: str = "unknown", arrived: dt.date | None = None, matter: str | None = None,
) -> Clock:  # fmt: skip
    """Give a case that is being opened its clock."""
    today = controller.day(now)
    arrived = today if arrived is None else _not_later(arrived, today, "a request arrived")
    promise = controller.bundle.answer_within(region)
    clock = started(case.right, region, matter, arrived, controller.workdays, promise)
    controller.clocks.start(case, clock, connection=connection)
    return clock


def split(
    controller: Controller, case: Case, to: Case, now: dt.datetime, *, connection: Connection
) -> Clock:
    """Give a case that was split off another a clock from the same day on.

    What moved that of the first has to be said of this one anew: it was another's notice.
    """
    of = controller.clocks.of(case, connection=connection)
    return start(
        controller, to, now, region=of.region if of else "unknown",
        arrived=of.arrived if of else controller.day(case.opened_at),
        matter=of.matter if of else None, connection=connection,
    )  # fmt: skip


def came(controller: Controller, cases: Sequence[Case]) -> dict[int, dt.date]:
    """Number of a case → the day on which its request came, which may lie before it was entered."""
    clocks_ = controller.clocks.many(case.number for case in cases)
    return {
        c.number: clocks_[c.number].arrived if c.number in clocks_ else controller.day(c.opened_at)
        for c in cases
    }


def extend(
    controller: Controller, case_id: str, reason: str, words: str, sent: dt.date, actor: Actor,
    now: dt.datetime, *, connection: Connection | None = None,
) -> Clock:  # fmt: skip
    """Add the extension of the rule, once, after the person was told; the clock as it then stands.

    `reason` is a key of EXTENSIONS, `words` what she was told, `sent` the day on which that went
    out: without it, or after the first period, there is no extended day. Raises Denied for a role
    that may not, UsageError for everything that the rule does not allow.
    """
    _may(actor)
    _not_later(sent, controller.day(now), "a notice was sent")
    with controller.database.within(connection) as c:
        case, clock, rule = extendable(controller, case_id, reason, words, sent, now, connection=c)
        after = counted(replace(clock, extended=True), rule, controller.workdays)
        _changed(
            controller, c, case, clock, after, "extended", now, actor=actor, reason=reason,
            dated=sent, words=words,
        )  # fmt: skip
    return after


def extendable(
    controller: Controller, case_id: str, reason: str, words: str, sent: dt.date,
    now: dt.datetime, *, connection: Connection | None = None,
) -> tuple[Case, Clock, Rule]:  # fmt: skip
    """The case, its clock and rule, where a notice that goes out that day gives it more time.

    UsageError for everything that the rule does not allow.
    """
    if reason not in EXTENSIONS:
        known = "; ".join(f"{key}: {why}" for key, why in EXTENSIONS.items())
        raise UsageError("that is no reason for more time", expected=known)
    if not words.strip():
        raise UsageError(
            "it is not said what she was told", fix="give the words of the notice in --words"
        )
    with controller.database.within(connection) as c:
        case, clock, rule = _open(controller, case_id, c)
        if rule.extension is None:
            raise UsageError(
                "the rule of this case knows no extension",
                met=f"{rule.source}, for {_of(clock)}",
                fix=_elsewhere(case),
            )
        if clock.extended:
            raise UsageError(
                f"the time of case {case.id} was extended before", expected="one extension"
            )
        if clock.paused_since is not None:
            raise UsageError(
                "the clock stands still", fix=f"first end that: `kept case resume {case.id}`"
            )
        if controller.day(now) > clock.due:
            # A day that is said afterwards proves no notice: nobody could have contradicted it.
            raise UsageError(
                "the first period is over, and no notice was entered while it ran; there is no"
                " extended day",
                expected=f"a notice that was sent and entered up to {clock.due}",
                fix="answer it",
            )
        if not clock.arrived <= sent <= clock.due:
            raise UsageError(
                "the notice was not sent inside the first period, so there is no extended day",
                expected=f"a day from {clock.arrived} to {clock.due}",
                met=str(sent),
            )
    return case, clock, rule


def too_early(case: Case, made_at: dt.datetime) -> bool:
    """Whether what was written then was written before all was done, and is no answer. A
    restriction is answered since it is in force for all that leads to her.
    """
    since = case.in_force_at or case.done_at
    return since is None or made_at < since


def posted(
    controller: Controller, case: Case, made_at: dt.datetime, day: dt.date, actor: Actor,
    now: dt.datetime, connection: Connection,
) -> None:  # fmt: skip
    """Have it on record with the clock that an answer went out; no day moves by it. What was
    written before all was done is none, and is not.
    """
    if too_early(case, made_at):
        return
    clock = controller.clocks.locked(case, connection=connection)
    if clock is not None:
        _changed(controller, connection, case, clock, clock, "posted", now, actor=actor, dated=day)


def acknowledged(controller: Controller, case: Case) -> bool:
    """Whether it is on record that she was told that her request has come: by staff, by the page or
    the protocol by which she asked, or by a mail, unless no server took that.
    """
    if any(c.act == "acknowledged" for c in controller.clocks.changes(case)):
        return True
    came = controller.intakes.of_case(case.id)
    if any(one.channel in ANSWERED for one in came):
        return True
    noted = any(e.state is State.ACKNOWLEDGED for e in controller.cases.events(case))
    return noted and not any(one.untold_at for one in came)


def to_date(controller: Controller, case: Case, clock: Clock) -> bool:
    """Whether it is still to be entered on which day she was told that her request has come: it is
    not on record that she was, or only since after the day by which she was to be.
    """
    if any(c.act == "acknowledged" for c in controller.clocks.changes(case)):
        return False
    came = controller.intakes.of_case(case.id)
    if any(one.channel in ANSWERED for one in came):
        return False
    if any(one.untold_at for one in came):
        return True
    noted = [e.at for e in controller.cases.events(case) if e.state is State.ACKNOWLEDGED]
    by = clock.confirm_by
    return not noted or (by is not None and controller.day(min(noted)) > by)


def acknowledge(
    controller: Controller, case_id: str, day: dt.date | None, actor: Actor, now: dt.datetime
) -> Case:
    """Have it on record that she was told on a day, today where none is given, that her request
    has come. Raises UsageError where that is on record, or the day cannot be.
    """
    told = _not_later(day or controller.day(now), controller.day(now), "she was told")
    with controller.database.connection() as connection:
        case = controller.cases.get(case_id)
        clock = controller.clocks.locked(case, connection=connection)
        if clock is None or case.state is State.WITHDRAWN:
            raise UsageError(
                f"of case {case.id} nobody has to be told that it has come",
                expected="a case with a last day, of a person who still asks",
            )
        if told < clock.arrived:
            raise UsageError(
                "she was told before it came",
                expected=f"a day from {clock.arrived} on",
                met=str(told),
            )
        # A mail or a list says that she was told, and not always on which day.
        if any(c.act == "acknowledged" for c in controller.clocks.changes(case)):
            raise UsageError(f"it is on record that she was told that case {case.id} has come")
        _changed(
            controller, connection, case, clock, clock, "acknowledged", now, actor=actor,
            dated=told,
        )  # fmt: skip
        if case.state is State.RECEIVED:
            case = controller.cases.move(
                case, State.ACKNOWLEDGED, actor, now, connection=connection
            )
            body = {"case": case.id, "state": case.state.value, "actor": name(actor.role)}
            controller.ledger.append_in(connection, [Entry("case.moved", now, body)])
    return case


def pause(
    controller: Controller, case_id: str, reason: str, since: dt.date | None, actor: Actor,
    now: dt.datetime,
) -> Clock:  # fmt: skip
    """Let the clock stand still from a day on, today where none is given.

    Raises UsageError where the rule of the case does not let it stand still for that reason.
    """
    _may(actor)
    day = _not_later(since or controller.day(now), controller.day(now), "a clock stood still")
    with controller.database.connection() as connection:
        case, clock, rule = _open(controller, case_id, connection)
        if reason not in rule.pauses:
            known = "; ".join(f"{key}: {PAUSES[key]}" for key in rule.pauses)
            raise UsageError(
                f"the rule of this case does not let the clock stand still for `{reason[:20]}`",
                expected=known or "no pause at all",
                met=f"{rule.source}, for {_of(clock)}",
                fix=_elsewhere(case),
            )
        if clock.paused_since is not None:
            raise UsageError(
                f"the clock of case {case.id} stands still already, since {clock.paused_since}"
            )
        if controller.day(now) > clock.due:
            # Else a word said afterwards would take away every delay.
            raise UsageError(
                "the last day is over; a clock that ran out is not let stand still afterwards",
                expected=f"a pause that was entered up to {clock.due}",
                fix="answer it",
            )
        ended = [
            one.dated for one in controller.clocks.changes(case) if one.act == "resumed"
        ]  # fmt: skip
        first = max([clock.arrived, *(day for day in ended if day)])
        if not first <= day <= clock.due:
            raise UsageError(
                "the clock cannot have stood still from that day on",
                expected=f"a day from {first} to {clock.due}",
                met=str(day),
            )
        after = replace(clock, paused_since=day, paused_for=reason)
        _changed(
            controller, connection, case, clock, after, "paused", now, actor=actor, reason=reason,
            dated=day,
        )  # fmt: skip
    return after


def resume(
    controller: Controller, case_id: str, until: dt.date | None, actor: Actor, now: dt.datetime
) -> Clock:
    """Let the clock go on from a day, today where none is given; its last day moves by as many
    days as it stood still, `[desk] pause_days` at most. UsageError where it does not stand still.
    """
    _may(actor)
    day = _not_later(until or controller.day(now), controller.day(now), "a clock went on")
    with controller.database.connection() as connection:
        case, clock, rule = _open(controller, case_id, connection)
        since = clock.paused_since
        if since is None:
            raise UsageError(f"the clock of case {case.id} does not stand still")
        if day < since:
            raise UsageError(
                "the clock cannot go on before it stood still",
                expected=f"a day from {since} on",
                met=str(day),
            )
        after = _gone_on(controller, clock, rule, min(day, _ends(controller, since)))
        _changed(
            controller, connection, case, clock, after, "resumed", now, actor=actor,
            reason=clock.paused_for, dated=min(day, _ends(controller, since)),
        )  # fmt: skip
    return after


def _ends(controller: Controller, since: dt.date) -> dt.date:
    """The day on which a clock that stands still goes on by itself."""
    return since + dt.timedelta(days=controller.desk.pause_days)


def _gone_on(controller: Controller, clock: Clock, rule: Rule, day: dt.date) -> Clock:
    assert clock.paused_since is not None
    days = clock.paused_days + (day - clock.paused_since).days
    still = replace(clock, paused_days=days, paused_since=None, paused_for=None)
    return counted(still, rule, controller.workdays)


def put_right(
    controller: Controller, case_id: str, region: str | None, arrived: dt.date | None,
    actor: Actor, now: dt.datetime,
) -> Clock:  # fmt: skip
    """Count the clock of a case anew, by where she is or when her request really arrived.

    UsageError where nothing is said, or where what moved the clock does not go with the rule that
    then holds.
    """
    _may(actor)
    if region is None and arrived is None:
        raise UsageError("nothing is to be put right", fix="add --region or --arrived")
    if arrived is not None:
        _not_later(arrived, controller.day(now), "a request arrived")
    with controller.database.connection() as connection:
        case, clock, _ = _open(controller, case_id, connection)
        there = region or clock.region
        moved = replace(
            clock, region=there, arrived=arrived or clock.arrived,
            promise=controller.bundle.answer_within(there),
        )  # fmt: skip
        if moved == clock:
            return clock
        changes = controller.clocks.changes(case)
        early = [c.dated for c in changes if c.dated and c.act in ("extended", "paused")]
        if early and min(early) < moved.arrived:
            raise UsageError(
                "the clock was moved on a day before that",
                expected=f"an arrival up to {min(early)}",
                met=str(moved.arrived),
            )
        rule = _rule(controller, case, moved)
        wanted = {c.reason for c in changes if c.act == "paused"}
        if (clock.extended and rule.extension is None) or not wanted <= set(rule.pauses):
            raise UsageError(
                "the clock was extended or stood still, which the rule there does not know",
                met=f"{rule.source}, for {moved.region}",
                fix="answer by the day that counts now",
            )
        after = counted(moved, rule, controller.workdays)
        if clock.extended:
            told = next(c.dated for c in changes if c.act == "extended")
            first = counted(replace(moved, extended=False), rule, controller.workdays).due
            if told is None or told > first:
                raise UsageError(
                    "her notice of the extension went out after the first period that would be",
                    expected=f"a notice sent up to {first}",
                    met=str(told),
                    fix="answer by the day that counts now",
                )
        act = "arrived" if arrived is not None and arrived != clock.arrived else "placed"
        _changed(
            controller, connection, case, clock, after, act, now, actor=actor,
            dated=after.arrived, reason=after.region,
        )  # fmt: skip
    return after


def standings(controller: Controller, now: dt.datetime) -> list[Standing]:
    """All cases that are still to be answered, the most urgent first."""
    waiting = controller.clocks.unanswered()
    found = controller.clocks.many(waiting)
    cases = {case.number: case for case in controller.cases.all()} if found else {}
    made = [standing(controller, cases[n], clock, now) for n, clock in found.items()]
    return sorted(made, key=lambda one: (one.clock.due, one.case.number))


def standing(controller: Controller, case: Case, clock: Clock, now: dt.datetime) -> Standing:
    """How a case stands at a moment."""
    today, days = controller.day(now), controller.workdays
    left = days.left(today, clock.due)
    if today > clock.due:
        left = -(today - clock.due).days
    return Standing(case, clock, clocks.light(today, clock.due, days), left)


def answered(case: Case) -> bool:
    """Whether a case is answered: nothing is left to do, or it is a restriction that is in force
    for all that leads to her.
    """
    return case.state in FINISHED or case.in_force_at is not None


def in_force(case: Case) -> bool:
    """Whether a case is a restriction that is in force, be it for what was given alone."""
    return case.right == "restriction" and case.state in (State.CHECKED, State.NOTIFIED)


def came_of(case: Case) -> str | None:
    """What came of an objection that is over; None of any other case. Whether every system was
    asked says nothing of that.
    """
    if case.right != "objection" or case.state not in (State.CLOSED, State.AWAITING):
        return None
    return {"part": "followed in part", "whole": "not followed"}.get(case.unmet or "", "followed")


def told_on(controller: Controller, cases: Sequence[Case], now: dt.datetime) -> dict[int, dt.date]:
    """Number → the day on which the person was told, of those of these cases in which she was."""
    numbers = [case.number for case in cases]
    return days(controller.database, numbers, now, controller.desk.zone)


def keep_up(controller: Controller, now: dt.datetime) -> tuple[Standing, ...]:
    """Bring every open clock up to date and enter whom to remind, once each; who was entered.

    A case from before there were clocks gets one. Where a rule or the calendar has changed, the
    day is counted anew; the day before it stays on record.
    """
    for number in _without(controller):
        with controller.database.connection() as connection:
            _adopt(controller, number, now, connection)
    entered = []
    for one in standings(controller, now):
        with controller.database.connection() as connection:
            clock = controller.clocks.locked(one.case, connection=connection)
            assert clock is not None
            clock = _recounted(controller, one.case, clock, now, connection)
            clock, level = _bounded(controller, one.case, clock, now, connection)
            at = standing(controller, one.case, clock, now)
            if level is None and (at.paused or at.light is Light.GREEN):
                continue
            level = level or at.light.value
            if controller.clocks.remind(one.case, clock, level, now, connection=connection):
                body = {
                    "case": one.case.id, "level": level, "due": clock.due.isoformat(),
                    "role": name(reminded(at)),
                }  # fmt: skip
                entry = Entry("clock.reminded", now, body)
                controller.ledger.append_in(connection, [entry])
                entered.append(at)
    return tuple(entered)


def _bounded(
    controller: Controller, case: Case, clock: Clock, now: dt.datetime, connection: Connection
) -> tuple[Clock, str | None]:
    """The clock, going on by itself where it stood still as long as it may; and of what somebody
    is to be reminded because of that.
    """
    since, today = clock.paused_since, controller.day(now)
    if since is None:
        return clock, None
    ends = _ends(controller, since)
    if today < ends:
        return clock, PAUSED if today >= ends - _BEFORE else None
    after = _gone_on(controller, clock, clock.row or _rule(controller, case, clock), ends)
    _changed(
        controller, connection, case, clock, after, "resumed", now, reason=clock.paused_for,
        dated=ends,
    )  # fmt: skip
    return after, RESUMED


def reminded(one: Standing) -> str:
    """Whose task it is now: of who opened the case, and when it is nearly late of her who answers
    for all of it.
    """
    return one.case.actor.role if one.light is Light.AMBER else _ESCALATED


def _without(controller: Controller) -> Sequence[int]:
    waiting = controller.clocks.unanswered()
    known = controller.clocks.many(waiting)
    return [number for number in waiting if number not in known]


def _adopt(controller: Controller, number: int, now: dt.datetime, connection: Connection) -> None:
    case = next(c for c in controller.cases.all() if c.number == number)
    clock = start(
        controller, case, now, arrived=controller.day(case.opened_at), connection=connection
    )
    _entered(controller, connection, case, clock, clock, "started", now)


def _recounted(
    controller: Controller, case: Case, clock: Clock, now: dt.datetime, connection: Connection
) -> Clock:
    """The clock by the rules and the calendar of today."""
    rule, promise = _rule(controller, case, clock), controller.bundle.answer_within(clock.region)
    if (rule.version, promise, controller.workdays.calendar, controller.workdays.place) == (
        clock.rule, clock.promise, clock.calendar, clock.place,
    ):  # fmt: skip
        return clock
    if clock.extended and rule.extension is None:
        return clock  # what she was told stands
    after = counted(replace(clock, promise=promise), rule, controller.workdays)
    _changed(controller, connection, case, clock, after, "recounted", now)
    return after


def _rule(controller: Controller, case: Case, clock: Clock) -> Rule:
    rules = clocks.applying(clock.region, case.right, clock.matter, clock.arrived)
    return clocks.earliest(rules, clock.arrived, controller.workdays).rule


def _open(
    controller: Controller, case_id: str, connection: Connection
) -> tuple[Case, Clock, Rule]:  # fmt: skip
    """An unanswered case with its clock, for this transaction alone."""
    case = controller.cases.get(case_id)
    if answered(case):
        raise UsageError(
            f"case {case.id} is answered; its clock moves no more",
            expected="a case that is still to be answered",
            met=f"one that is {case.state}",
        )
    clock = controller.clocks.locked(case, connection=connection)
    if clock is None:
        raise UsageError(
            f"case {case.id} is from before there were clocks",
            fix="give it one: `kept case remind`",
        )
    return case, clock, clock.row or _rule(controller, case, clock)


def _changed(
    controller: Controller, connection: Connection, case: Case, before: Clock, after: Clock,
    act: str, now: dt.datetime, *, actor: Actor | None = None, reason: str | None = None,
    dated: dt.date | None = None, words: str | None = None,
) -> None:  # fmt: skip
    controller.clocks.change(
        case, before, after, act, now, connection=connection, reason=reason, dated=dated,
        words=words, actor=actor,
    )  # fmt: skip
    _entered(
        controller, connection, case, before, after, act, now, actor=actor, reason=reason,
        dated=dated, words=words,
    )  # fmt: skip


def _entered(
    controller: Controller, connection: Connection, case: Case, before: Clock, after: Clock,
    act: str, now: dt.datetime, *, actor: Actor | None = None, reason: str | None = None,
    dated: dt.date | None = None, words: str | None = None,
) -> None:  # fmt: skip
    body = {
        "case": case.id,
        "act": name(act),
        "before": before.due.isoformat(),
        "due": after.due.isoformat(),
        "rule": name(after.rule),
        **({"reason": name(reason)} if reason else {}),
        **({"dated": dated.isoformat()} if dated else {}),
        **({"words": controller.digest(words.encode())} if words else {}),
        **({"actor": name(actor.role)} if actor else {}),
    }
    controller.ledger.append_in(connection, [Entry("clock.moved", now, body)])


def _may(actor: Actor) -> None:
    if actor.role not in MAY_MOVE:
        raise Denied(
            f"the role `{actor.role}` may not move the last day of an answer",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_MOVE))}",
        )


def _not_later(day: dt.date, today: dt.date, what: str) -> dt.date:
    if day > today:
        raise UsageError(
            f"{what} on a day that is still to come", expected=f"a day up to {today}", met=str(day)
        )
    return day


def _of(clock: Clock) -> str:
    unknown = clock.region == "unknown"
    return "a person of whom nobody said where she is" if unknown else clock.region


def _elsewhere(case: Case) -> str:
    return f"if she is elsewhere, say so: `kept case clock {case.id} --region …`"
