"""What the door notes of whoever acts for the organisation, and what it refuses him."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from kept.database import Connection
from kept.deployment import Desk
from kept.errors import Denied
from kept.ledger.entry import Entry, name
from kept.records.account import Accounts
from kept.records.actor import OPERATOR, Actor
from kept.records.case import Case, Cases, State
from kept.records.watch import Watch
from kept.terms import separation


def noted(
    watch: Watch, accounts: Accounts, desk: Desk, actor: Actor, what: Iterable[str], records: int,
    now: dt.datetime, connection: Connection,
) -> list[Entry]:  # fmt: skip
    """Note whom somebody opens: ids of cases, or people, and how many records in all.

    Gives the entry of an alert where he opened as many within the hour as kept.toml [desk] takes
    for too many, for the caller's transaction; one an hour.
    """
    hour = watch.opened(actor, what, records, now, connection=connection)
    if hour.people < desk.people and hour.records < desk.records:
        return []
    if watch.recent(actor, now, connection=connection):
        return []
    watch.raised(actor, hour, now, connection=connection)
    account = accounts.named(actor.name, now, connection=connection)
    body = {"what": "bulk-reading", "people": hour.people, "records": hour.records}
    whose = {} if account is None else {"account": account.id}
    return [Entry("alert.raised", now, {**body, "actor": name(actor.role), **whose})]


def approving(
    cases: Cases, desk: Desk, case: Case, actor: Actor, rows: int, *, early: bool = False
) -> None:
    """Refuse an approval that takes another person; `rows` are those that its plan destroys.

    By what stands in the case. Whoever acts as operator answers for the machine itself, and is
    recorded so. Raises Denied.
    """
    if actor.role == OPERATOR:
        return
    did = [separation.Did(case.actor.name, "opened")]
    did += [
        separation.Did(e.actor.name, "planned")
        for e in cases.events(case)
        if e.state is State.PLANNED
    ]
    large = separation.is_large(rows, desk.large)
    if why := separation.approving(actor.name, did, large=large, early=early):
        raise Denied(
            f"this approval takes another person: {why}; nothing was changed",
            fix="somebody else, in the role of an approver, carries the case out",
        )
