"""`kept hold`: what may not be erased yet, and why."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    Identity,
    IdentityFile,
    day,
    moment,
    opened,
    person,
    said,
)
from kept.app.output import table
from kept.duties import holds
from kept.errors import UsageError
from kept.records.hold import Hold
from kept.terms.words import many

group = App(name="hold", help="What may not be erased yet, by which law or for which reason.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def add(
    *,
    ground: Annotated[str, Parameter(help="why it must stay, in words that a person may read")],
    clause: Annotated[str, Parameter(help="the clause of the policy by which data may stay")],
    identity: Identity = None,
    identity_file: IdentityFile = None,
    system: Annotated[str | None, Parameter(help="hold in this system only")] = None,
    dataset: Annotated[str | None, Parameter(help="hold in this dataset only")] = None,
    law: Annotated[str | None, Parameter(help="the law that asks for it")] = None,
    until: Annotated[str | None, Parameter(help="the first day on which it holds no more")] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Place a hold. It is named to the person in every answer."""
    now = acting.moment
    end = day(until, "--until")
    # A hold that is over on the day it is placed would keep nothing, and say that it does.
    if end is not None and end <= now.astimezone(dt.UTC).date():
        raise UsageError(
            "`--until` is not in the future", expected="the first day on which it holds no more"
        )
    reason = said(ground, "--ground")
    who = person(identity, identity_file)
    with opened(common, "hold add", acting.role) as (controller, _):
        hold = holds.place(
            controller, ground=reason, clause=clause,
            actor=controller.actors.of(acting.actor, acting.role, now), now=now, person=who,
            system=system, dataset=dataset, law=said(law, "--law"), until=end,
        )  # fmt: skip
        found = holds.covered(controller, hold, who) if who else None
        told = holds.allowing(controller.bundle)
    if not told:
        common.out.warn(
            "The policy names no clause by which data may stay (no retention class has a law, and"
            " no clause on retention permits it), so it was not checked that this one does."
        )
    document = {**_document(hold), "found": found}
    words = [f"Hold {hold.id} placed by {acting.actor}, in the role {acting.role}."]
    if found == 0:
        words.append("Under what was given nothing is found today: look whether it is spelt right.")
    elif found is not None:
        words.append(f"It keeps {many(found, 'row')} that {_are(found)} found of her today.")
    common.out.result(document, [*words, *_next(hold, common)])
    return 0


@group.command
def release(
    hold: str,
    /,
    *,
    why: Annotated[str, Parameter(help="why it holds no more; recorded")],
    alone: Annotated[
        str | None,
        Parameter(help="REASON for which it cannot wait for another person; officers are alerted"),
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Release a hold, once. What an erasure left because of it goes with the next `retain run`.

    Before its end that takes two people: each runs this.
    """
    now = acting.moment
    with opened(common, "hold release", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        done = holds.release(
            controller, hold, said(why, "--why"), actor, now, alone=said(alone, "--alone")
        )  # fmt: skip
    if done.released_at is None:
        again = common.next("hold", "release", done.id, "--why", "…", "--actor", "…")
        words = [
            f"Hold {done.id} stays until somebody else releases it too: what it keeps goes early.",
            f"By another person: {again}",
        ]
        common.out.result(_document(done), words)
        return 1
    common.out.result(_document(done), [f"Hold {done.id} released.", *_then(common)])
    return 0


@group.command(name="list")
def list_command(
    *,
    released: Annotated[bool, Parameter(help="also those released or over", negative="")] = False,
    now: Annotated[str | None, Parameter(help="the moment to look at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Holds that are open, oldest first."""
    with opened(common) as (controller, _):
        found = controller.holds.all(moment(now), released=released)
    rows = [(h.id, _scope(h), h.until or "–", h.clause, _state(h), h.law or "–") for h in found]
    words: list[str] = (
        [table(("hold", "holds", "until", "clause", "state", "law"), rows)]
        if rows
        else ["No holds."]
    )
    common.out.result({"holds": [_document(h) for h in found]}, words)
    return 0


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _state(hold: Hold) -> str:
    return "released" if hold.released_at else "open"


def _scope(hold: Hold) -> str:
    place = ".".join(p for p in (hold.system, hold.dataset) if p)
    if hold.subject is None:
        return place
    return f"one person in {place}" if place else "one person everywhere"


def _next(hold: Hold, common: Common) -> list[str]:
    end = f"It ends on {hold.until}." if hold.until else "It has no end: release it one day."
    return [end, f"To release it: {common.next('hold', 'release', hold.id, '--why', '…')}"]


def _then(common: Common) -> list[str]:
    return [
        "What an erasure left because of it goes within a day while `kept serve` runs, unless"
        " something else keeps it.",
        f"To let it go now: {common.next('retain', 'run')}",
    ]


def _document(hold: Hold) -> dict[str, Any]:
    return {
        "hold": hold.id,
        "person": hold.subject is not None,
        "system": hold.system,
        "dataset": hold.dataset,
        "law": hold.law,
        "until": hold.until.isoformat() if hold.until else None,
        "clause": hold.clause,
        "placed_at": hold.placed_at.isoformat(),
        "released_at": hold.released_at.isoformat() if hold.released_at else None,
    }
