"""Holds: what may not be erased yet, placed and released by somebody, each with its entry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from kept.controller import REGISTRY, Controller
from kept.decide.due import laws
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.policy.bundle import Bundle
from kept.records.actor import OPERATOR, Actor
from kept.records.declared import SYSTEM
from kept.records.hold import Hold
from kept.terms import separation
from kept.terms.identifiers import Identifier


def allowing(bundle: Bundle) -> tuple[str, ...]:
    """The clauses by which data may stay although it is to be erased, in the order of the bundle.

    Those that a retention class names for its law, and those on retention that permit (mode
    `may`) rather than oblige. () where the bundle has neither: then it does not tell.
    """
    by_law = {law.clause for law in laws(bundle.retention).values()}
    return tuple(
        one.id
        for one in bundle.clauses.values()
        if one.id in by_law or (one.kind == "retention" and one.mode == "may")
    )


def place(
    controller: Controller,
    *,
    ground: str,
    clause: str,
    actor: Actor,
    now: dt.datetime,
    person: Sequence[Identifier] = (),
    system: str | None = None,
    dataset: str | None = None,
    law: str | None = None,
    until: dt.date | None = None,
) -> Hold:
    """Place a hold on a person, a system or a dataset; it is named to the person in answers.

    `ground` are words that she may read, `clause` the one of the policy that allows it, `until`
    the first day on which it holds no more. Raises UsageError for a clause, system or dataset
    that is not there, a clause by which nothing may stay, a hold on everything, or one without a
    ground, and where an erasure of rows that it may keep is being carried out.
    """
    clauses, allowed = controller.bundle.clauses, allowing(controller.bundle)
    expected = f"one by which data may stay: {', '.join(allowed)}" if allowed else None
    if clause not in clauses:
        raise UsageError(
            "there is no such clause",
            expected=expected or "the id of a clause that allows the hold",
        )
    if allowed and clause not in allowed:
        raise UsageError(
            "no data may be kept by this clause",
            expected=expected,
            met=f"a clause of kind `{clauses[clause].kind}` and mode `{clauses[clause].mode}`",
            fix="name one of these with --clause",
        )
    systems = controller.datamap.systems
    if system is not None and system not in systems:
        raise UsageError("there is no such system", expected=f"one of {', '.join(sorted(systems))}")
    if system is not None and dataset is not None and dataset not in systems[system].datasets:
        raise UsageError(
            f"`{system}` has no such dataset",
            expected=f"one of {', '.join(sorted(systems[system].datasets))}",
        )
    # Of all that Kept has the registry is a part.
    if (system, dataset) in REGISTRY or (system, dataset) == (SYSTEM.name, None):
        raise UsageError(
            f"`{dataset or system}` is how Kept knows people; that goes with an erasure, whatever"
            " is held",
            expected="data that a system of the company holds, or a person",
            fix="take a package of what Kept knows of her (`kept rights access`) before it",
        )
    # An erasure that is under way has counted what is held: either it is over before the hold
    # begins, or it sees it. Nobody is told of a hold that came too late to keep anything. Whose
    # rows are being written is not known by her name alone: what others wrote of somebody is
    # changed in her case. So every hold waits for every case.
    with (
        controller.cases.everybody_alone(),
        controller.database.connection() as connection,
    ):
        subject = controller.subjects.of(person, now, connection=connection) if person else None
        hold = controller.holds.add(
            ground=ground, clause=clause, actor=actor, now=now, subject=subject, system=system,
            dataset=dataset, law=law, until=until, connection=connection,
        )  # fmt: skip
        body: dict[str, Any] = {
            "hold": hold.id,
            "ground": "law" if law else "reason",
            "reason": controller.digest(ground.encode()),
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
        if until is not None:
            body["until"] = until.isoformat()
        controller.ledger.append_in(connection, [Entry("hold.added", now, body)])
    return hold


def covered(controller: Controller, hold: Hold, person: Sequence[Identifier]) -> int:
    """How many rows of the company's systems the hold keeps today: of that person, as far as
    the systems answer."""
    keys = controller.keys(controller.locate(controller.identities.widen([person])))
    return sum(
        len(table.rows)
        for (system, dataset), table in keys.items()
        if system != SYSTEM.name and hold.covers(system, dataset)
    )


def release(
    controller: Controller, hold: str, why: str, actor: Actor, now: dt.datetime,
    *, alone: str | None = None,
) -> Hold:  # fmt: skip
    """Release a hold, once. What an erasure left because of it goes with the next run of
    `duties.rights.ending`.

    Before its end that takes two people: the first call notes who asks for it, and the hold stays
    (`released_at` None) until another name calls. `alone` is the reason why it cannot wait for
    that; officers are alerted. Raises UsageError where there is no such open hold.
    """
    one = controller.holds.get(hold)
    over = one.until is not None and one.until <= controller.day(now)
    waits = actor.role != OPERATOR and separation.releasing(actor.name, one.asked, over)
    with controller.database.connection() as connection:
        if waits and alone is None:
            if one.asked is None:
                controller.holds.ask(one, actor, now, connection=connection)
                reason = controller.digest(why.encode())
                body = {"hold": one.id, "reason": reason, "actor": name(actor.role)}
                controller.ledger.append_in(connection, [Entry("hold.asked", now, body)])
            return one
        if waits and alone is not None:
            controller.ledger.append_in(
                connection,
                controller.alone(None, actor, 0, "release", alone, now, connection=connection),
            )
        done = controller.holds.release(hold, actor, why, now, connection=connection)
        reason = controller.digest(why.encode())
        body = {"hold": done.id, "reason": reason, "actor": name(actor.role)}
        controller.ledger.append_in(connection, [Entry("hold.released", now, body)])
    return done
