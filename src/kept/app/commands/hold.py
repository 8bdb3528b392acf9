"""`kept hold`: what may not be erased yet, and why."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, day, moment, opened
from kept.app.output import table
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.hold import Hold
from kept.terms.identifiers import parse

group = App(name="hold", help="What may not be erased yet, by which law or for which reason.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def add(
    *,
    ground: Annotated[str, Parameter(help="why it must stay, in words that a person may read")],
    clause: Annotated[str, Parameter(help="the clause of the policy that allows it")],
    identity: Annotated[
        list[str] | None,
        Parameter(help="KIND=VALUE: hold what is held of this person", negative=""),
    ] = None,
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
    person = [parse(text) for text in identity or ()]
    if not ground.strip():
        raise UsageError("a hold has no ground", fix="say in words why it must stay")
    with opened(common, "hold add", acting.role) as (controller, _):
        if clause not in controller.bundle.clauses:
            raise UsageError(
                f"there is no clause `{clause}`", expected="the id of a clause that allows the hold"
            )
        systems = controller.datamap.systems
        if system is not None and system not in systems:
            raise UsageError(
                "there is no such system", expected=f"one of {', '.join(sorted(systems))}"
            )
        if system is not None and dataset is not None and dataset not in systems[system].datasets:
            raise UsageError(
                f"`{system}` has no such dataset",
                expected=f"one of {', '.join(sorted(systems[system].datasets))}",
            )
        actor = controller.actors.of(acting.actor, acting.role, now)
        with controller.database.connection() as connection:
            subject = controller.subjects.of(person, now, connection=connection) if person else None
            hold = controller.holds.add(
                ground=ground, clause=clause, actor=actor, now=now, subject=subject,
                system=system, dataset=dataset, law=law, until=end, connection=connection,
            )  # fmt: skip
            body: dict[str, Any] = {
                "hold": hold.id,
                "ground": "law" if law else "reason",
                "reason": hashlib.sha256(ground.encode()).hexdigest(),
                "clause": clause,
                "actor": name(actor.role),
            }
            if subject is not None:
                body["subject"] = controller.vault.pseudonym(
                    subject, "hold", now, connection=connection
                )
            for key, value in (("system", system), ("dataset", dataset), ("law", law)):
                if value is not None:
                    body[key] = name(value)
            if end is not None:
                body["until"] = end.isoformat()
            controller.ledger.append_in(connection, [Entry("hold.added", now, body)])
    common.out.result(_document(hold), [f"Hold {hold.id} placed.", *_next(hold)])
    return 0


@group.command
def release(
    hold: str,
    /,
    *,
    why: Annotated[str, Parameter(help="why it holds no more; recorded")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Release a hold, once. What it kept is not erased by that: ask for the erasure again."""
    now = acting.moment
    with opened(common, "hold release", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        with controller.database.connection() as connection:
            done = controller.holds.release(hold, actor, why, now, connection=connection)
            reason = hashlib.sha256(why.encode()).hexdigest()
            body = {"hold": done.id, "reason": reason, "actor": name(actor.role)}
            controller.ledger.append_in(connection, [Entry("hold.released", now, body)])
    common.out.result(_document(done), [f"Hold {done.id} released."])
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
        holds = controller.holds.all(moment(now), released=released)
    rows = [(h.id, _scope(h), h.until or "–", h.clause, _state(h), h.law or "–") for h in holds]
    words: list[str] = (
        [table(("hold", "holds", "until", "clause", "state", "law"), rows)]
        if rows
        else ["No holds."]
    )
    common.out.result({"holds": [_document(h) for h in holds]}, words)
    return 0


def _state(hold: Hold) -> str:
    return "released" if hold.released_at else "open"


def _scope(hold: Hold) -> str:
    place = ".".join(p for p in (hold.system, hold.dataset) if p)
    if hold.subject is None:
        return place
    return f"one person in {place}" if place else "one person everywhere"


def _next(hold: Hold) -> list[str]:
    end = f"It ends on {hold.until}." if hold.until else "It has no end: release it one day."
    return [end, f'To release it: kept hold release {hold.id} --why "…"']


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
