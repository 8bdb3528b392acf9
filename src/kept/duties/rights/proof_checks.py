"""What proves that nobody was answered who was not known well enough, and that nothing by which
somebody proved who she is outlives her case.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.duties.rights.proving import standing

#: What is compared by itself within the minute may be late by so much.
_LATE: Final = dt.timedelta(hours=2)
#: Entries by which something was given out or done for a person.
_DONE: Final = ("access.given", "delivery.made", "case.closed")


@dataclass(slots=True)
class _Known:
    """What the ledger says of who asks in a case."""

    needs: int
    level: int
    answered_for: bool


@control("rights.proof-ends-with-its-case")
def proof_ends(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Of a case that has ended nothing is left by which somebody proved who she is.

    No paper that came as a proof, nothing that was typed, no code. What was typed to be compared
    waits for two hours at most. Looked at is every case in which something was proven.
    """
    with controller.database.connection() as c:
        row = c.execute(
            "SELECT (SELECT count(*) FROM rights_case r WHERE r.tried > 0 OR EXISTS"
            "  (SELECT FROM case_proof p WHERE p.number = r.number)),"
            " (SELECT count(*) FROM case_sealed s JOIN rights_case r USING (number)"
            "  WHERE r.done_at IS NOT NULL AND s.name LIKE 'paper:%%'),"
            " (SELECT count(*) FROM case_sealed s JOIN rights_case r USING (number)"
            "  WHERE r.done_at IS NOT NULL AND s.name = 'typed'),"
            " (SELECT count(*) FROM intake_code k JOIN intake i USING (number)"
            "  WHERE i.state <> 'awaiting-code')",
        ).fetchone()
    assert row is not None
    looked, papers, typed, codes = row
    if papers:
        yield Finding("a case", f"{papers} papers that came as a proof outlived their case", _GONE)
    if typed:
        yield Finding("a case", f"what was typed as a proof outlived {typed} cases", _GONE)
    if codes:
        yield Finding("requests", f"{codes} codes outlived what they were for", _GONE)
    waits = set(controller.cases.with_typed())
    tried: dict[str, dt.datetime] = {}
    for _, e in controller.ledger.entries(kind="identity.tried"):
        tried[str(e.body["case"])] = e.at
    late = [id_ for id_ in waits if now - tried.get(id_, now) > _LATE]
    if late:
        yield Finding(
            "a case", f"what was typed in {len(late)} cases was not compared for hours",
            "see that `kept serve` runs, or run `kept request run`",
        )  # fmt: skip
    yield Looked(looked, "cases in which somebody proved who she is")


@control("rights.asker-known-well-enough")
def known_well_enough(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Nothing was given out or done in a case before it was known as well as it takes who asks.

    By the ledger alone: the level that a case takes is that of the record now, the level that was
    reached stands in the ledger before what was done, or that somebody answered for it.
    """
    known: dict[str, _Known] = {}
    told: set[str] = set()
    looked = 0
    with controller.database.connection() as c:
        takes = {
            row[0]: int(row[1])
            for row in c.execute(
                'SELECT id, needs FROM rights_case WHERE "right" <> %s', ("complaint",)
            ).fetchall()
        }
    kinds = ("case.opened", "identity.proven", "override.used", *_DONE)
    for _, entry in controller.ledger.entries(kind=kinds):
        id_ = str(entry.body.get("case", ""))
        if entry.at > now or not id_:
            continue
        if entry.kind == "case.opened":
            if "needs" in entry.body:  # from before there were levels: nothing to compare
                level = int(entry.body.get("level", 0))
                known[id_] = _Known(int(entry.body["needs"]), level, "override" in entry.body)
        elif id_ not in known:
            continue
        elif entry.kind == "identity.proven":
            known[id_].level = max(known[id_].level, int(entry.body["level"]))
            known[id_].needs = int(entry.body.get("needs", known[id_].needs))
        elif entry.kind == "override.used":
            known[id_].answered_for |= entry.body["verb"] not in ("same-person", "approve")
        elif id_ not in told:
            looked += 1
            one = known[id_]
            if not one.answered_for and one.level < _takes(controller, id_, takes, one.needs):
                told.add(id_)
                yield Finding("a case", _EARLY, "see who carried it out; treat it as an incident")
    yield Looked(looked, "answers and deeds, each with who asked")


def _takes(controller: Controller, id_: str, takes: Mapping[str, int], entered: int) -> int:
    """The level that a case takes. A record that says less than was entered is believed only as
    far as the terms of the case bear it out: else whoever edits the row has the last word.
    """
    said = takes.get(id_, entered)
    case = controller.cases.get(id_)
    if said >= entered or case.right in ("objection", "withdrawal"):
        return said
    return max(said, min(entered, standing(controller, case).need.level))


_EARLY: Final = "something was done before it was known well enough who asks"
_GONE: Final = "find out what kept it, and strike it out of Kept's database"
