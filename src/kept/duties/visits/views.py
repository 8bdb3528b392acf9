"""Views of pages are recorded: only declared fields, only where that may be, each once.

What a visitor chose decides first, then the door: the activity of the register with its basis in
her region, and what is known of whoever the site's own cookie leads to. A batch is judged, stored
and entered in the ledger in one transaction, with one entry for all of it.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kept.controller import Controller
from kept.decide.use import use
from kept.errors import IdentifierError
from kept.ledger.entry import Entry, name
from kept.model.decision import Ask, Decision, Facts
from kept.policy.shapes import Activity
from kept.policy.visits import RECORDED, Events
from kept.records.declared import SYSTEM
from kept.records.view import NAME, Row
from kept.terms.identifiers import Identifier
from kept.terms.regimes import start_of


@dataclass(frozen=True, slots=True)
class View:
    """One view as it came, at the door: `row` without the hash of the cookie, `cookie` the site's
    own where the browser holds one, `dropped` how many undeclared things were sent with it.
    """

    row: Row
    cookie: str | None
    dropped: int


def record(
    controller: Controller, came: Sequence[View], refused: int, now: dt.datetime
) -> int:  # fmt: skip
    """Keep what may be kept of these views, committed; how many are new.

    `refused` is how many were turned away before, by choice or region: they are only counted.
    Raises DatabaseError; then nothing of the batch was kept.
    """
    bundle = controller.bundle
    events = bundle.visits.events
    activity = bundle.activities.get(events.activity) if events else None
    if events is None or activity is None or not (came or refused):
        return 0
    hashed = [(view, _mac(controller, view.cookie)) for view in came]
    judge = _Judge(controller, events, activity, hashed, now)
    rows, bases = [], set[str]()
    columns = frozenset(RECORDED[name] for name in events.fields)
    for view, found in hashed:
        decision = judge(view.row, found[0] if found else None)
        if decision.allow:
            bases.add(decision.basis or "")
            rows.append(_declared(columns, view.row, found[0] if found else None))
    batch = secrets.token_hex(16)
    with controller.database.connection() as connection:
        version = bundle.version
        new = controller.views.add(rows, version, batch, connection=connection) if rows else 0
        counts = {
            "refused": refused + len(came) - len(rows), "repeated": len(rows) - new,
            "dropped": sum(view.dropped for view in came),
        }  # fmt: skip
        body = {
            "activity": name(activity.id), "batch": batch, "rows": new,
            "version": name(str(version)), "bases": sorted(map(name, bases)),
            **{key: n for key, n in counts.items() if n},
        }  # fmt: skip
        entry = Entry("views.recorded", now, body)
        controller.ledger.append_in(connection, [entry], end=True)
    return new


def _mac(controller: Controller, cookie: str | None) -> tuple[bytes, Identifier] | None:
    if not cookie:
        return None
    try:
        one = Identifier("cookie", cookie)
        return controller.views.mac(one), one
    except IdentifierError:
        return None


def _declared(kept: frozenset[str], row: Row, mac: bytes | None) -> Row:
    """The row with what is declared, and nothing else."""
    return Row(
        row.id, row.at, row.site,
        row.page if "page" in kept else None,
        row.referrer if "referrer" in kept else None,
        row.browser if "browser" in kept else None,
        row.country if "country" in kept else None,
        mac if "mac" in kept else None,
        row.region, row.why,
    )  # fmt: skip


class _Judge:
    """The decisions of one batch: those about nobody in particular are made once."""

    def __init__(
        self, controller: Controller, events: Events, activity: Activity,
        came: Sequence[tuple[View, tuple[bytes, Identifier] | None]], now: dt.datetime,
    ) -> None:  # fmt: skip
        self._controller, self._events, self._activity = controller, events, activity
        self._standing = controller.facts(None, now)
        self._people = self._known(came, now)
        self._made: dict[tuple[str, str], Decision] = {}

    def __call__(self, row: Row, mac: bytes | None) -> Decision:
        """May it be recorded: every declared field of it?"""
        person = self._people.get(mac) if mac is not None else None
        if person is not None:
            return self._judged(row, person)
        key = (row.region, row.why)
        if key not in self._made:
            self._made[key] = self._judged(row, self._standing)
        return self._made[key]

    def _judged(self, row: Row, facts: Facts) -> Decision:
        activity = self._activity
        if row.why == "allowed":
            # What she pressed in this browser; what she refused elsewhere forbids all the same.
            facts = replace(facts, held=facts.held | {f"consent:{activity.purpose}"})
        made = [
            use(
                self._controller.rules,
                Ask(activity.purpose, category, activity.contexts[0], region=row.region),
                facts,
            )
            for category in self._events.fields
        ]
        return next((decision for decision in made if not decision.allow), made[0])

    def _known(
        self, came: Sequence[tuple[View, tuple[bytes, Identifier] | None]], now: dt.datetime
    ) -> Mapping[bytes, Facts]:
        """What is known of whoever these cookies lead to; nothing for all others."""
        named = dict(found for _, found in came if found is not None)
        known = sorted(self._controller.views.known(list(named)))
        facts = self._controller.facts_of_many([[named[mac]] for mac in known], now)
        return {mac: of for mac, (_, of) in zip(known, facts, strict=True)}


def forget(controller: Controller, now: dt.datetime) -> int:
    """Let views go that are past the period of their class; how many. Where nobody decided it,
    nothing goes; what a hold keeps stays. Repeatable.
    """
    bundle, events = controller.bundle, controller.bundle.visits.events
    activity = bundle.activities.get(events.activity) if events else None
    rule = bundle.retention.get(activity.retention) if activity else None
    if activity is None or rule is None or rule.keep is None:
        return 0
    before = start_of(now, rule.keep)
    holds = [hold for hold in controller.holds.all(now) if hold.covers(SYSTEM.name, NAME)]
    if any(hold.subject is None for hold in holds):
        return 0
    held = sorted({hold.subject for hold in holds if hold.subject is not None})
    with controller.database.connection() as connection:
        gone, stay = controller.views.forget(before, held, connection=connection)
        if gone:
            day = controller.day(before).isoformat()
            body = {"activity": name(activity.id), "rows": gone, "before": day}
            more = {"held": stay} if stay else {}
            controller.ledger.append_in(
                connection, [Entry("views.forgotten", now, {**body, **more})]
            )
    return gone
