"""Controls on staff: who may what is looked at again, and reading in bulk is noticed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.terms import separation

_WHERE = "the staff's desk"
_REVIEW = "a privacy officer looks at /desk/accounts, takes away what is too much, and says so"


@control("security.access-is-reviewed")
def access_is_reviewed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Who of the staff may see what is looked at again in time, and roles apart stay apart."""
    accounts = {a.number: a for a in controller.accounts.all(now) if a.disabled_at is None}
    grants = controller.accounts.grants()
    yield Looked(len(grants), _WHERE)
    oldest = now - dt.timedelta(days=controller.desk.review_days)
    late = [
        g
        for g in grants
        if g.holds(now) and g.account in accounts and max(g.at, g.reviewed_at or g.at) < oldest
    ]
    if late:
        days = controller.desk.review_days
        yield Finding(
            _WHERE, f"{len(late)} roles were not looked at again within {days} days", _REVIEW
        )
    broken = [
        g for g in grants
        if g.until is not None and g.reviewed_at is None and g.at < now - dt.timedelta(days=7)
    ]  # fmt: skip
    if broken:
        yield Finding(
            _WHERE,
            f"{len(broken)} roles were taken in an emergency, and no officer looked into it"
            " within a week",
            _REVIEW,
        )
    both = sum(separation.together(a.roles) is not None for a in accounts.values())
    if both:
        yield Finding(_WHERE, f"{both} accounts hold roles that are kept apart", _REVIEW)


@control("security.bulk-reads-are-noticed")
def bulk_reads_are_noticed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whoever of the staff opened many people within an hour, an alert was raised about it."""
    usual = controller.desk
    hours = controller.watch.hours(now - dt.timedelta(days=30))
    yield Looked(len(hours), _WHERE)
    missed = [
        hour
        for hour, _, alerted in hours
        if (hour.people > usual.people or hour.records > usual.records) and not alerted
    ]
    if missed:
        yield Finding(
            _WHERE,
            f"{len(missed)} times more was opened within an hour than is usual, without an alert",
            "ask who it was and why; see whether the thresholds in kept.toml [desk] were raised",
        )
    waiting = [
        a for a in controller.watch.alerts(unseen=True) if a.at < now - dt.timedelta(days=7)
    ]  # fmt: skip
    if waiting:
        yield Finding(
            _WHERE,
            f"nobody looked into {len(waiting)} alerts within a week",
            "a privacy officer looks into them at /desk/accounts",
        )
