"""What erased means, layer by layer: after a complete erasure every store is looked beneath.

Looked for are the identifiers that her own rows held, sealed with the case until nothing is
left that looking again could settle. They are shown to nobody, and stand in no word that is
recorded here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.duties.rights.proving import require_known_asker
from kept.errors import KeptError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action
from kept.model.residue import Fate, Needles, Scrub
from kept.model.select import KeySet
from kept.model.values import Value
from kept.records.actor import Actor
from kept.records.case import NEEDLES, Case, State
from kept.records.declared import SYSTEM
from kept.records.residue import Residues, Told
from kept.terms.identifiers import Identifier, written

#: What no store can look at, for every answer.
BEYOND = (
    "Backups, exports and snapshots that others made, and blocks of a disk that its file system"
    " gave back, cannot be seen from here."
)

#: States in which nothing of an erasure is left to do in any system.
_DONE: Final = (State.AWAITING, State.CLOSED)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What was done to one system to destroy what was left, or why it was not."""

    store: str
    what: tuple[Scrub, ...]
    problem: str | None = None


def residue(controller: Controller, case_id: str, now: dt.datetime) -> tuple[Told, ...]:
    """What each layer of each system says of an erasure that is complete; () before that.

    Looks again as long as something is left; afterwards what was said last is said again.
    """
    case = controller.cases.get(case_id)
    if not _complete(case):
        return ()
    records = Residues(controller.database)
    sealed = controller.cases.sealed_keys(case, NEEDLES)
    if sealed is None:
        return records.of(case)
    needles = _needles(sealed)
    told = tuple(
        Told(system, one, now)
        for system in _systems(controller, case)
        for one in controller.beneath.residue(system, needles, now)
    )
    entries = [_entry(case, one, now) for one in told]
    with controller.database.connection() as connection:
        records.put(case, told, connection=connection)
        controller.ledger.append_in(connection, entries)
        if all(one.residue.fate is not Fate.UNTIL for one in told):
            controller.cases.unseal(case, NEEDLES, connection=connection)
    return told


def scrubbing(controller: Controller, case_id: str, *, full: bool = False) -> list[Scrubbed]:
    """What `scrub` would do in each system of the case, and whom it holds up meanwhile."""
    case = controller.cases.get(case_id)
    found = []
    for system in _systems(controller, case):
        try:
            found.append(Scrubbed(system, tuple(controller.beneath.scrubbing(system, full=full))))
        except KeptError as problem:
            found.append(Scrubbed(system, (), problem.what))
    return [one for one in found if one.what or one.problem]


def scrub(
    controller: Controller, case_id: str, actor: Actor, now: dt.datetime, *, full: bool = False
) -> list[Scrubbed]:
    """Have every engine destroy what the erasure left, as far as it can; then look again.

    UsageError before the case is complete: what is not erased yet would only be moved.
    """
    case = controller.cases.get(case_id)
    require_known_asker(controller, case)
    if not _complete(case):
        raise UsageError(
            f"case {case.id} is not complete, so there is nothing to scrub yet",
            expected="an erasure of which every step was read back",
            fix="carry it out first, then scrub",
        )
    done = []
    for one in scrubbing(controller, case_id, full=full):
        problem = one.problem
        try:
            if one.what:
                controller.beneath.scrub(one.store, full=full)
        except KeptError as met:
            problem = str(met)
        done.append(Scrubbed(one.store, one.what, problem))
        body = {
            "case": case.id, "actor": name(actor.role), "system": name(one.store), "full": full,
            "done": problem is None,
        }  # fmt: skip
        controller.ledger.append(Entry("store.scrubbed", now, body))
    residue(controller, case_id, now)
    return done


def lines(told: Iterable[Told]) -> list[str]:
    """The layers as sentences, for a letter: what is gone, until when it stays, what is unseen."""
    said = []
    for one in told:
        found = one.residue
        until = f" until {found.until}" if found.until else ""
        said.append(f"{one.store}, {found.layer}: {found.fate.words}{until} ({found.words}).")
    return [*said, BEYOND] if said else []


def _complete(case: Case) -> bool:
    return case.right == "erasure" and case.state in _DONE and bool(case.complete)


def _needles(sealed: KeySet) -> Needles:
    return Needles(
        text
        for table in sealed.values()
        for _, key in table.rows
        for text in written(Identifier(_kind(key), str(key[-1])))
    )


def _kind(key: tuple[Value, ...]) -> str:
    """What was sealed with its kind, or how a row spelt it."""
    if len(key) > 1:
        return str(key[0])
    return "email" if "@" in str(key[0]) else "name"


def _systems(controller: Controller, case: Case) -> list[str]:
    """Where rows of hers went or were emptied, and Kept's own."""
    wrote = {
        step.system
        for step in controller.cases.steps(case)
        if step.action not in (Action.READ, Action.RETAIN)
    }
    return sorted({*wrote, SYSTEM.name} & set(controller.datamap.systems))


def _entry(case: Case, told: Told, now: dt.datetime) -> Entry:
    one = told.residue
    body = {
        "case": case.id, "system": name(told.store), "layer": name(one.layer),
        "state": one.fate.value, "looked": one.looked, "found": one.found,
    }  # fmt: skip
    if one.until is not None:
        body["until"] = one.until.isoformat()
    return Entry("residue.looked", now, body)
