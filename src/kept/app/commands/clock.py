"""`kept case clock|extend|pause|resume|remind`: until when a request is to be answered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from kept.app import mail
from kept.app.commands.common import ACTING, COMMON, Acting, Common, day, opened, said
from kept.app.output import table
from kept.controller import Controller
from kept.duties.rights import clock as duty
from kept.duties.rights import reminding
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.clock import Change, Clock
from kept.terms import clocks
from kept.terms.clock_rules import EXTENSIONS, PAUSES
from kept.terms.clocks import Light
from kept.terms.regimes import period_words
from kept.terms.words import many

On = Annotated[
    str | None, Parameter(help="the day from which that is so, as 2026-01-31 (default: today)")
]
_PAST = {
    "started": "it got a clock",
    "extended": "may take longer",
    "paused": "stands still",
    "resumed": "goes on",
    "arrived": "came on another day",
    "placed": "she is elsewhere",
    "recounted": "counted anew: the rule or the calendar changed",
    "reminded": "somebody is to be reminded",
}


def register(group: App) -> None:
    """Add the commands to the group `case`."""
    for command in (clock_command, acknowledge, extend, pause, resume, remind):
        group.command(command, name="clock" if command is clock_command else None)


@dataclass(frozen=True, slots=True)
class Time:
    """The clock of a case as it is shown. `over`: it is answered."""

    clock: Clock | None
    over: bool
    words: str

    @classmethod
    def of(
        cls, controller: Controller, case: Case, clock: Clock | None, now: dt.datetime,
        told: dt.date | None = None, *, untold: bool = False,
    ) -> Time:  # fmt: skip
        """How a case stands at a moment; of an answered one whether that was in time. `told`: the
        day on which she was told, once she was. `untold`: staff say that she took it back, and she
        has not heard of that.
        """
        over = duty.answered(case)
        if clock is None or case.state is State.WITHDRAWN:
            return cls(clock, over, "she is to be told" if untold else "–")
        if over:
            late = (told or controller.day(now)) > clock.due
            words = ["late"] if late else ["in time"] if told else []
            return cls(clock, over, ", ".join(words + ([] if told else ["she is to be told"])))
        at = duty.standing(controller, case, clock, now)
        if at.paused and at.light is not Light.OVERDUE:
            return cls(clock, over, "paused")
        left = many(abs(at.left), "day") if at.left < 0 else many(at.left, "working day")
        return cls(clock, over, f"{at.light.value}, {left}" + (" late" if at.left < 0 else ""))

    @property
    def due(self) -> dt.date | None:
        """The last day."""
        return None if self.clock is None else self.clock.due

    def document(self, changes: Sequence[Change] = ()) -> dict[str, Any]:
        """As JSON."""
        if self.clock is None:
            return {"due": None, "light": None}
        one, rule = self.clock, self.clock.row
        return {
            "due": one.due.isoformat(),
            "light": self.words.partition(",")[0],
            "clock": {
                "arrived": one.arrived.isoformat(),
                "region": one.region,
                "rule": one.rule,
                "source": rule.source if rule else None,
                "checked": rule.checked.isoformat() if rule else None,
                "sure": rule.sure if rule else None,
                "promise": one.promise,
                "place": one.place,
                "calendar": one.calendar,
                "confirm_by": one.confirm_by.isoformat() if one.confirm_by else None,
                "first_due": one.first_due.isoformat(),
                "unpaused": one.unpaused.isoformat(),
                "skipped": [[d.isoformat(), name] for d, name in one.skipped],
                "extended": one.extended,
                "paused_since": one.paused_since.isoformat() if one.paused_since else None,
                "paused_days": one.paused_days,
                "changes": [
                    {
                        "act": c.act, "reason": c.reason,
                        "dated": c.dated.isoformat() if c.dated else None,
                        "before": c.before_due.isoformat(), "due": c.after_due.isoformat(),
                        "rule_before": c.before_rule, "rule": c.after_rule,
                        "role": c.actor.role if c.actor else None, "at": c.at.isoformat(),
                    }
                    for c in changes
                ],
            },
        }  # fmt: skip

    def lines(self, changes: Sequence[Change]) -> list[str]:
        """In words: until when, by which rule, what moved it."""
        if self.clock is None:
            return ["To be answered by: nobody counted that yet (`kept case remind` does)."]
        one, rule = self.clock, self.clock.row
        here = "not said where she is: the strictest" if one.region == "unknown" else one.region
        lines = [
            f"Arrived: {one.arrived}. To be answered by: {one.due} ({self.words}).",
            f"By {rule.source if rule else 'a rule that is no longer in this version'},"
            f" rule {one.rule} ({here});" + (f" facts as of {rule.checked}." if rule else ""),
        ]
        if rule and rule.doubt:
            lines.append(f"Not certain about that rule: {rule.doubt}.")
        if one.promise:
            within = period_words(one.promise)
            lines.append(f"The policy promises an answer within {within}; the sooner counts.")
        if one.confirm_by and not any(c.act == "acknowledged" for c in changes):
            lines.append(f"Tell her that it has come by: {one.confirm_by}.")
        lines += [f"A public holiday in {one.place}: {d}, {name}." for d, name in one.skipped]
        if one.paused_since:
            why = PAUSES.get(one.paused_for or "", "")
            lines.append(f"The clock stands still since {one.paused_since}: {why}.")
        if one.unpaused != one.due:
            lines.append(f"Without the {many(one.paused_days, 'day')} of pause: {one.unpaused}.")
        if changes:
            rows = [
                (f"{c.at:%Y-%m-%d %H:%M}", _PAST.get(c.act, c.act), c.reason or "–",
                 c.dated or "–", c.before_due, c.after_due)
                for c in changes
            ]  # fmt: skip
            lines += ["", table(("when", "clock", "why", "dated", "due before", "due"), rows)]
        return lines


def clock_command(
    case: str,
    /,
    *,
    region: Annotated[
        str | None, Parameter(help="where she is: a region or a country as DE, US-CA")
    ] = None,
    arrived: Annotated[
        str | None, Parameter(help="the day on which her request came, as 2026-01-31")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Put right where a person is, or when her request came: the day is counted anew."""
    there = None if region is None else clocks.where(region)
    came = day(arrived, "--arrived")
    return _moved(
        "clock", acting, common, case,
        lambda controller, actor: duty.put_right(
            controller, case, there, came, actor, acting.moment
        ),
    )  # fmt: skip


def acknowledge(
    case: str,
    /,
    *,
    on: Annotated[str | None, Parameter(help="the day on which she was told; today")] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Record that she was told that her request has come; of the form and of agents that is so."""
    now = acting.moment
    with opened(common, "case acknowledge", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        one = duty.acknowledge(controller, case, day(on, "--on"), actor, now)
        controller.ledger.checkpoint(now)
    words = ["It is on record that she was told that her request has come."]
    common.out.result({"case": one.id, "state": one.state.value}, words)
    return 0


def extend(
    case: str,
    /,
    *,
    reason: Annotated[Literal["complex", "numerous"], Parameter(help="why it takes longer")],
    words: Annotated[str, Parameter(help="what she was told; kept in the case, sealed")],
    notice_sent: Annotated[
        str, Parameter(help="the day on which that went out to her, as 2026-01-31")
    ],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Take the one extension that the rule of a case has, after the person was told of it."""
    sent = day(notice_sent, "--notice-sent")
    assert sent is not None
    told = said(words, "--words")
    return _moved(
        "extend", acting, common, case,
        lambda controller, actor: duty.extend(
            controller, case, reason, told, sent, actor, acting.moment
        ),
        why=EXTENSIONS[reason],
    )  # fmt: skip


def pause(
    case: str,
    /,
    *,
    reason: Annotated[
        Literal["identity", "clarification", "fee"],
        Parameter(help="why it stands still; only what the rule of the case knows"),
    ],
    on: On = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Let the clock of a case stand still, where its rule allows that."""
    since = day(on, "--on")
    return _moved(
        "pause", acting, common, case,
        lambda controller, actor: duty.pause(
            controller, case, reason, since, actor, acting.moment
        ),
        why=PAUSES[reason],
    )  # fmt: skip


def resume(case: str, /, *, on: On = None, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Let the clock of a case go on."""
    until = day(on, "--on")
    return _moved(
        "resume", acting, common, case,
        lambda controller, actor: duty.resume(controller, case, until, actor, acting.moment),
    )  # fmt: skip


def remind(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Remind whoever has something to do that is nearly late or late, by mail, once each."""
    with opened(common, "case remind", acting.role) as (controller, _):
        entered = duty.keep_up(controller, acting.moment)
        if entered:
            controller.ledger.checkpoint(acting.moment)
        reminding.look_for_systems(controller, acting.moment)
        queued = reminding.remind(controller, acting.moment)
        mail.deliver(controller, lambda: acting.moment)
    rows = [(s.case.id, s.case.right, s.clock.due, s.light.value, duty.reminded(s))
            for s in entered]  # fmt: skip
    head = ("case", "right", "due", "light", "for the role")
    words: list[Any] = [table(head, rows)] if rows else []
    if queued or rows:
        words.append(f"{many(queued, 'mail')} to remind somebody went out.")
    else:
        words.append("Nobody is to be reminded of anything new.")
    document = [
        {"case": s.case.id, "due": s.clock.due.isoformat(), "light": s.light.value,
         "role": duty.reminded(s)}
        for s in entered
    ]  # fmt: skip
    common.out.result({"reminded": document, "mailed": queued}, words)
    return 0


def _moved(
    verb: str,
    acting: Acting,
    common: Common,
    case_id: str,
    move: Callable[[Controller, Actor], Clock],
    why: str | None = None,
) -> int:
    with opened(common, f"case {verb}", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, acting.moment)
        after = move(controller, actor)
        case = controller.cases.get(case_id)
        time = Time.of(controller, case, after, acting.moment)
        controller.ledger.checkpoint(acting.moment)
    words = [f"Case {case.id}: to be answered by {after.due} ({time.words})."]
    if why is not None:
        words.append(f"On record, with the day before: {why}.")
    common.out.result({"case": case.id, **time.document()}, words)
    return 0
