"""What the ledger says was begun, and Kept's own records do not know any more.

Controls that go through records alone would not miss what is gone: these go through the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kept.controller import Controller
from kept.controls.registry import Finding
from kept.ledger.entry import name

#: What a hold keeps and until when, as its entry says it.
_HELD = ("subject", "system", "dataset", "law", "until")
_MEND = "find out who took it away, and restore Kept's database from a backup"


def cases(controller: Controller, named: Iterable[str]) -> Iterator[Finding]:
    """A finding where cases that the ledger names are not on record.

    An erasure leaves the record of a case, and nothing else deletes one.
    """
    wanted = sorted(set(named))
    with controller.database.connection() as connection:
        row = connection.execute(
            "SELECT count(*) FROM unnest(%s::text[]) AS w (id)"
            " WHERE NOT EXISTS (SELECT FROM rights_case c WHERE c.id = w.id)",
            (wanted,),
        ).fetchone()
    if row and row[0]:
        yield Finding("a case", f"{row[0]} cases that the ledger names are not on record", _MEND)


@dataclass(frozen=True, slots=True)
class Holding:
    """The holds of the ledger: what was placed, by id, and which are over as of a moment."""

    added: dict[str, dict[str, Any]]
    over: frozenset[str]


def holding(controller: Controller, now: dt.datetime) -> Holding:
    """What the ledger says of holds."""
    today = now.astimezone(dt.UTC).date()
    added = {
        str(e.body["hold"]): dict(e.body)
        for _, e in controller.ledger.entries(kind="hold.added")
        if e.at <= now
    }
    released = {
        str(e.body["hold"])
        for _, e in controller.ledger.entries(kind="hold.released")
        if e.at <= now
    }
    ended = {
        hold
        for hold, body in added.items()
        if "until" in body and dt.date.fromisoformat(body["until"]) <= today
    }
    return Holding(added, frozenset(released | ended))


def holds(controller: Controller, now: dt.datetime) -> Iterator[Finding]:
    """A finding for each hold that the ledger says stands, and the records do not or otherwise."""
    said = holding(controller, now)
    standing = {one.id: one for one in controller.holds.all(now)}
    for hold, body in sorted(said.added.items()):
        if hold in said.over:
            continue
        one = standing.get(hold)
        if one is None:
            yield Finding("a hold", "a hold that nobody released holds no more", _MEND)
            continue
        kept = {
            "system": one.system and name(one.system),
            "dataset": one.dataset and name(one.dataset),
            "law": one.law and name(one.law),
            "until": one.until and one.until.isoformat(),
            "clause": one.clause,
        }
        if one.subject is not None:
            kept["subject"] = controller.vault.pseudonym(one.subject, "hold", one.placed_at)
        if any(body.get(key) != kept.get(key) for key in (*_HELD, "clause")):
            yield Finding("a hold", "a hold is not what was placed", _MEND)
    if standing.keys() - said.added.keys():
        yield Finding("a hold", "a hold stands that nobody placed", _MEND)
