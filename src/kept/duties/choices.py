"""Choices of people: what they agreed to, took back or refused decides at the next use."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.use import use
from kept.model.decision import Ask


@control("choices.consent-decides")
def consent_decides(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Where a use rests on consent it is denied without one, and after it was taken back."""
    asks: dict[str, Ask] = {}
    for activity in controller.bundle.activities.values():
        if "consent" in activity.bases.values():
            ask = Ask(activity.purpose, activity.categories[0], activity.contexts[0], region="EEA")
            asks.setdefault(activity.purpose, ask)
    with controller.database.connection() as connection:
        # Read straight from the records: who holds which consent now, by the latest word.
        rows = connection.execute(
            "SELECT DISTINCT ON (subject, fact) subject, fact, holds FROM fact"
            " WHERE (fact LIKE 'consent:%%' OR fact LIKE 'withdrawn:%%')"
            " AND valid_from <= %s AND known_from <= %s"
            " ORDER BY subject, fact, valid_from DESC, seq DESC",
            (now, now),
        ).fetchall()
    held: dict[tuple[int, str], dict[str, bool]] = {}
    for subject, fact, holds in rows:
        kind, _, purpose = str(fact).partition(":")
        held.setdefault((int(subject), purpose), {})[kind] = bool(holds)
    count = 0
    for (subject, purpose), words in held.items():
        wanted = asks.get(purpose)
        if wanted is None:
            continue
        count += 1
        agreed = words.get("consent", False) and not words.get("withdrawn", False)
        decision = use(controller.rules, wanted, controller.consents.facts(subject, now))
        if decision.allow and not agreed:
            yield Finding("the door", f"`{purpose}` was allowed after the consent was taken back")
        if (
            not decision.allow
            and agreed
            and "consent" in decision.reason
            and "missing" in decision.reason
        ):
            yield Finding("the door", f"`{purpose}` was denied although consent was given")
    yield Looked(count, "consents on record")
