"""What may be a child's and waits for a person: looked at, decided, handed over, or gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from kept.controller import Controller
from kept.controller.collect import Collecting
from kept.decide import form as judging
from kept.decide.form import Why
from kept.duties.collect import importing, storing, taking
from kept.duties.collect.taking import HELD, REFUSED, Answer
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.quarantine import Waiting
from kept.terms import ages
from kept.terms.identifiers import Identifier

#: What a person may decide: it is a child's, and goes; it is none, and may be stored.
CHILD: Final = "child"
NO_CHILD: Final = "no-child"
OUTCOMES: Final = (CHILD, NO_CHILD)
#: Words of which nobody could later see why it was decided.
_SHORTEST: Final = 3


def look(controller: Controller, id_: str) -> tuple[Waiting, Mapping[str, str]]:
    """One that waits, with what was sent. For whoever decides."""
    one = controller.quarantine.get(id_)
    values: dict[str, str] = controller.quarantine.sent(one)["values"]
    return one, values


def decide(
    controller: Controller, id_: str, outcome: str, reason: str, actor: Actor, now: dt.datetime
) -> Waiting:
    """Decide whether something is a child's. Then it is destroyed at once; else it is stored where
    its form is set up to be, or waits until the company's own program fetches it.
    """
    if outcome not in OUTCOMES:
        raise UsageError("this is no decision", expected=f"one of {', '.join(OUTCOMES)}")
    if len(reason.strip()) < _SHORTEST:
        raise UsageError("say why", expected="a few words, which are not shown to anybody else")
    one = controller.quarantine.get(id_)
    listed = one.form.startswith(importing.PREFIX)
    if listed and one.outcome == outcome == NO_CHILD:
        # Decided before, and not stored then: its place did not take it.
        importing.let_through(controller, one, controller.quarantine.sent(one), now)
        return controller.quarantine.get(id_)
    store = outcome == NO_CHILD and storing.place_of(controller, one.form) is not None
    sent = controller.quarantine.sent(one) if outcome == NO_CHILD else {}
    with controller.database.connection() as c:
        if not controller.quarantine.decide(
            one, outcome, actor.id, now, keep=outcome == NO_CHILD, connection=c
        ):
            raise UsageError("somebody has decided, or its time was over")
        body = {"item": one.id, "form": name(one.form), "outcome": outcome,
                "reason": controller.digest(reason.strip().encode()),
                "actor": name(actor.role)}  # fmt: skip
        controller.ledger.append_in(c, [Entry("form.decided", now, body)])
    if listed and outcome == NO_CHILD:
        importing.let_through(controller, one, sent, now)
    elif store:
        _store(controller, one, sent, now)
    return controller.quarantine.get(id_)


def fetch(controller: Controller, form: str, id_: str, now: dt.datetime) -> Answer:
    """What may be stored of one that waited: judged again, and handed over this once."""
    one = controller.quarantine.get(id_)
    if one.form != form:
        raise UsageError("nothing waits under this id")
    if one.open and one.expires_at > now:
        return Answer(HELD, form, Why.AGE, taking.REASONS[Why.AGE], item=id_)
    if one.outcome != NO_CHILD:
        return Answer(REFUSED, form, Why.AGE, taking.REASONS[Why.AGE], item=id_)
    return _taken(controller, one, controller.quarantine.sent(one), now, None)


def keep_up(controller: Controller, now: dt.datetime) -> int:
    """Remove what is past its time; how many of them nobody had decided."""
    return controller.quarantine.sweep(now)


def _store(controller: Controller, one: Waiting, sent: Mapping[str, Any], now: dt.datetime) -> None:
    place = controller.destinations[one.form]
    open_: list[Collecting] = []

    def hand(answer: Answer) -> None:
        open_.append(controller.collect(place.place, storing.row_of(place, answer, now)))

    try:
        _taken(controller, one, sent, now, hand)
        for row in open_:
            row.commit()
    finally:
        for row in open_:
            with row:
                pass


def _taken(
    controller: Controller, one: Waiting, sent: Mapping[str, Any], now: dt.datetime,
    hand: Callable[[Answer], None] | None,
) -> Answer:  # fmt: skip
    """Judge what waited by what holds today, and write down that it was taken."""
    values: dict[str, str] = sent["values"]
    shown = taking.prepared(controller, one.form, one.region, str(sent["language"]))
    if shown.hash != one.notice:
        return Answer(REFUSED, one.form, Why.NOTICE, taking.REASONS[Why.NOTICE], item=one.id)
    form = shown.form
    met = judging.read(
        controller.bundle, form, list(values.items()), one.region, ages.today_in(one.region, now)
    )
    if met.person is None and sent["subject"] is not None:
        met = replace(met, person=Identifier(*sent["subject"]))
    facts = controller.facts(met.person, now, judging.grounds(controller.bundle, form, met.values))
    verdict = judging.judge(controller.bundle, controller.rules, form, met, facts, shown.asks)
    if not verdict.taken:
        return Answer(REFUSED, one.form, Why.DENIED, verdict.decision.reason, item=one.id)
    with controller.database.connection() as c:
        handed = Entry("form.handed", now, {"item": one.id, "form": name(one.form)})
        if not controller.quarantine.gone(one, connection=c):
            raise UsageError("it is gone: it was handed over before")
        return taking.take(controller, shown, met, verdict, now, c, [handed], hand)
