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
from kept.records.watch import ALONE, Watch
from kept.terms import separation


def noted(
    watch: Watch, accounts: Accounts, desk: Desk, actor: Actor, what: Iterable[str], records: int,
    now: dt.datetime, connection: Connection,
) -> list[Entry]:  # fmt: skip
    """Note whom somebody opens: ids of cases, or people, and how many records in all.

    Gives the entry of an alert where he opened as many within the hour as kept.toml [desk] takes
    for too many, for the caller's transaction; one an hour.
    """
    most = (desk.people, desk.records)
    hour = watch.opened(actor, what, records, now, most, connection=connection)
    if not hour.too_much(most):
        return []
    if watch.recent(actor, now, connection=connection):
        return []
    watch.raised(actor, hour, now, connection=connection)
    account = accounts.named(actor.name, now, connection=connection)
    body = {"what": "bulk-reading", "people": hour.people, "records": hour.records}
    whose = {} if account is None else {"account": account.id}
    return [Entry("alert.raised", now, {**body, "actor": name(actor.role), **whose})]


def did(cases: Cases, case: Case) -> list[separation.Did]:
    """What was done in a case so far, by whom, as terms.separation names acts.

    Of plans the last one counts alone: it is the one that is approved, and an older one is gone.
    Where steps wait that were drawn up later, whoever drew these up.
    """
    known: dict[State, separation.Act] = {
        State.PLANNED: "planned", State.IDENTIFIED: "verified", State.APPROVED: "approved",
    }  # fmt: skip
    events = [e for e in cases.events(case) if e.state in known]
    drawn = [e for e in events if e.state is State.PLANNED]
    counted = [e for e in events if e.state is not State.PLANNED or e is drawn[-1]]
    acts = [
        separation.Did(case.actor.name, "opened"),
        *(separation.Did(e.actor.name, known[e.state]) for e in counted),
    ]
    if by := cases.waits(case).by:
        acts = [a for a in acts if a.act != "planned"]
        acts += [separation.Did(who, "planned") for who in by]
    return acts


def is_early(case: Case) -> bool:
    """Whether what goes with a case goes early: nobody knows that the person asked for it."""
    return case.override and not case.evidence


def takes_two(case: Case, rows: int, desk: Desk) -> bool:
    """Whether so much, or what goes so early, is not for one person to destroy."""
    return separation.is_large(rows, desk.large) or is_early(case)


def stands_against(
    cases: Cases, desk: Desk, case: Case, who: str, rows: int, *, draws: bool = False
) -> str:
    """Why somebody may not approve the plan of a case, by what stands in it; empty where he may.

    `rows` are those that the plan destroys; `draws`: he draws it up with that, whoever looked.
    """
    large = separation.is_large(rows, desk.large)
    acts = did(cases, case)
    if draws:
        acts = [*(a for a in acts if a.act != "planned"), separation.Did(who, "planned")]
    return separation.approving(who, acts, large=large, early=is_early(case))


def approving(
    cases: Cases, desk: Desk, case: Case, actor: Actor, rows: int, *, draws: bool = False
) -> None:
    """Refuse an approval that takes another person.

    Whoever acts as operator answers for the machine itself, and is recorded so. Raises Denied.
    """
    if actor.role == OPERATOR:
        return
    if why := stands_against(cases, desk, case, actor.name, rows, draws=draws):
        raise Denied(
            f"this approval takes another person: {why}; nothing was changed",
            fix="somebody else, in the role of an approver, approves it; where nobody else can in"
            " time, approve it alone with a reason (--alone REASON), and officers are alerted",
        )


def alone(
    watch: Watch, accounts: Accounts, case: Case | None, actor: Actor, rows: int, verb: str,
    reason: str, now: dt.datetime, connection: Connection,
) -> list[Entry]:  # fmt: skip
    """Raise the alert that somebody did alone, in an emergency, what takes two people; the entries
    for the caller's transaction. `reason` is a hash.
    """
    people = case.people if case else 0
    watch.alone(actor, people, rows, now, connection=connection)
    account = accounts.named(actor.name, now, connection=connection)
    whose = {} if account is None else {"account": account.id}
    about = {} if case is None else {"case": case.id}
    return [
        Entry(
            "override.used", now,
            {**about, "reason": reason, "verb": name(verb), "role": name(actor.role)},
        ),
        Entry(
            "alert.raised", now,
            {**about, "what": ALONE, "people": people, "records": rows,
             "actor": name(actor.role), **whose},
        ),
    ]  # fmt: skip
