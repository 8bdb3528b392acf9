"""What a hold keeps of the desk's own data past its time: cases, requests, complaints, disclosures.

A hold on a person keeps what the desk has of her; one on Kept's own system keeps what it names, of
everybody. It keeps the whole record of a case, since its parts say nothing without each other.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.errors import VaultError
from kept.records.case_state import Case
from kept.records.declared import SYSTEM
from kept.records.hold import Hold
from kept.records.struck import hers
from kept.terms.identifiers import Identifier

#: What is forgotten together → what datasets of it are called at the beginning.
_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("cases", "proofs", "requests", "scans"), ("rights_case", "case_", "intake")),
    "complaints": ("complaint",),
    "incidents": ("incident",),
    "disclosures": ("passed_",),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """So many of one kind that stay past their time because of a hold."""

    what: str
    count: int
    hold: Hold


def covers(hold: Hold, what: str) -> bool:
    """Whether a hold speaks to desk data of that kind."""
    if hold.system not in (None, SYSTEM.name):
        return False
    return hold.dataset is None or hold.dataset.startswith(_GROUPS[what])


def by_holds(
    controller: Controller, late: Mapping[str, Sequence[int]], now: dt.datetime,
    connection: Connection,
) -> dict[str, dict[int, Hold]]:  # fmt: skip
    """Kind → number → the hold that keeps it, of what is past its time otherwise."""
    found: dict[str, dict[int, Hold]] = {what: {} for what in late}
    if not any(late.values()):
        return found
    for hold in controller.holds.all(now):
        kinds = [what for what in late if covers(hold, what)]
        theirs = _theirs(controller, hold, connection) if kinds and hold.subject else None
        for what in kinds:
            for number in late[what]:
                if theirs is None or number in theirs.get(what, ()):
                    found[what].setdefault(number, hold)
    return found


def summed(found: Mapping[str, Mapping[int, Hold]]) -> list[Kept]:
    """How many of each kind each hold keeps."""
    holds = {hold.id: hold for those in found.values() for hold in those.values()}
    return [
        Kept(what, count, holds[id_])
        for what, those in found.items()
        for id_, count in Counter(hold.id for hold in those.values()).items()
    ]


def of_case(controller: Controller, case: Case, now: dt.datetime) -> list[Hold]:
    """The open holds that keep what the desk has of a case."""
    with controller.database.connection() as c:
        return [
            hold for hold in controller.holds.all(now)
            if covers(hold, "cases") and (
                hold.subject is None or case.number in _theirs(controller, hold, c)["cases"]
            )
        ]  # fmt: skip


def _theirs(controller: Controller, hold: Hold, c: Connection) -> dict[str, set[int]]:
    """Kind → numbers of what the desk has of the person of a hold."""
    assert hold.subject is not None
    known: list[Identifier] = []
    # Erased since, nobody is named here; what her erasure left because of the hold still names it.
    with contextlib.suppress(VaultError):
        known = [one for one, _ in controller.subjects.identifiers(hold.subject)]
    cases = hers(controller.vault, hold.subject, known, hold.id, c)
    requests = set(controller.intakes.hers(sorted(cases), known, connection=c))
    return {
        "cases": cases,
        "proofs": cases,
        "requests": requests,
        "scans": requests,
        "complaints": set(controller.complaints.hers(sorted(cases), known, connection=c)),
        "incidents": set(),
        "disclosures": controller.passed.hers(known, connection=c),
    }


def words(found: Sequence[Kept], of: Mapping[str, str]) -> list[str]:
    """What stays because of a hold, and why, in sentences; `of`: what each kind is, in words."""
    return [
        f"Because of hold {one.hold.id} ({one.hold.ground.rstrip('.')}"
        + (f"; {one.hold.law}" if one.hold.law else "")
        + (f"; until {one.hold.until}" if one.hold.until else "; until it is released")
        + f"): {one.count:,} {of[one.what]}."
        for one in found
    ]


def documents(found: Sequence[Kept]) -> list[dict[str, object]]:
    """The same for programs, without the words of the ground."""
    return [
        {"what": one.what, "count": one.count, "hold": one.hold.id, "law": one.hold.law,
         "until": one.hold.until.isoformat() if one.hold.until else None}
        for one in found
    ]  # fmt: skip
