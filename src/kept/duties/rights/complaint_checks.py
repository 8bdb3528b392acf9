"""What proves that whoever complains is heard: acknowledged in time, and told where else to go.

What was complained is read from the ledger, and held against the register and the letters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.ledger.entry import Entry, name
from kept.records.complaint import WITHDRAWN
from kept.terms.authorities import directory

_WHERE: Final = "complaints"
_BY_PERSON: Final = "person"


@control("rights.complaints-are-heard")
def complaints_are_heard(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every complaint was acknowledged in its time; every answer named an authority, as sent.

    By the ledger, not by the register: what was taken away is missed, what nobody entered too. A
    complaint is linked with a case only after it was known whose it is.
    """
    opened = _by_complaint(controller, "complaint.opened", now)
    moved = _by_complaint(controller, "complaint.moved", now)
    ended = _by_complaint(controller, "complaint.ended", now)
    known = {c.id: c for c in controller.complaints.all() if c.arrived_at <= now}
    yield Looked(len(opened.keys() | known.keys()), _WHERE)
    if gone := opened.keys() - known.keys():
        yield Finding(
            _WHERE, f"{len(gone)} that the ledger names are not in the register",
            "find out who took them away, and restore Kept's database from a backup",
        )  # fmt: skip
    if known.keys() - opened.keys():
        yield Finding(_WHERE, "the register holds some that nobody entered")
    today, listed = controller.day(now), {name(a.id): a.name for a in directory()}
    for id_, (entry, *_) in opened.items():
        acts = moved.get(id_, [])
        heard = [e for e in acts if e.body["act"] == "acknowledged"] + ended.get(id_, [])
        first = min((controller.day(_done(e)) for e in heard), default=None)
        last = dt.date.fromisoformat(str(entry.body["confirm"]))
        if (first or today) > last:
            yield Finding(
                "a complaint", "nobody said in time that it had come",
                "do so with `kept complaint acknowledge`",
            )  # fmt: skip
        linked = [e.at for e in acts if e.body["act"] == "linked"]
        proven = [e.at for e in acts if e.body["act"] == "verified"]
        if linked and not (proven and min(proven) <= min(linked)):
            yield Finding("a complaint", "it was linked before it was known whose it is")
        over = ended.get(id_, [])
        if over and id_ in known and known[id_].open:
            yield Finding("a complaint", "the ledger says that it ended, the register does not")
        if not over or entry.body["by"] != _BY_PERSON or over[0].body["outcome"] == WITHDRAWN:
            continue
        named = [a for a in over[0].body.get("authorities", ()) if a in listed]
        if not named:
            yield Finding("a complaint", "its answer named no authority")
        last_act = known[id_].last("answered") if id_ in known else None
        if last_act is None or not last_act.words:
            continue  # its words are struck out
        if controller.digest(last_act.words.encode()) != over[0].body.get("words"):
            yield Finding("a complaint", "the answer on record is not the one that was sent")
        elif not any(listed[a] in last_act.words for a in named):
            yield Finding("a complaint", "its answer names another authority than was recorded")


def _by_complaint(controller: Controller, kind: str, now: dt.datetime) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for _, entry in controller.ledger.entries(kind=kind):
        if entry.at <= now:
            found.setdefault(str(entry.body["complaint"]), []).append(entry)
    return found


def _done(entry: Entry) -> dt.datetime:
    said = entry.body.get("done")
    return entry.at if said is None else dt.datetime.fromisoformat(str(said))
