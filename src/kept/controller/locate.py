"""Finding a person's rows over all systems: Selects, keys, and who could not be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kept.controller.retained import hidden
from kept.datamap.map import DataMap
from kept.datamap.reach import Place, reach
from kept.errors import StoreError
from kept.model.select import KeyTable, Select
from kept.records.declared import SYSTEM
from kept.records.locator import Veil
from kept.stores.base import Store
from kept.terms.identifiers import Identifier


@dataclass(slots=True)
class Located:
    """Where people's rows are. `selects` are complete for every system that answered.

    `unreached` names systems that could not be asked, with the reason; while one stands
    there nothing is complete. `warnings` say what was not searched for and why. `values` are
    those by which rows of one dataset lead to others (`reach.Reach.values`). `refilled` counts
    rows that an erasure wrote over and that say something else by now, where the search leads
    to rows that it kept (`Controller.keys`); `hidden` names the places of these.
    """

    people: tuple[tuple[Identifier, ...], ...]
    selects: dict[str, tuple[Select, ...]] = field(default_factory=dict)
    unreached: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    values: dict[Place, KeyTable] = field(default_factory=dict)
    refilled: dict[Place, int] = field(default_factory=dict)
    hidden: frozenset[Place] = frozenset()


def locate(
    datamap: DataMap,
    stores: Mapping[str, Store],
    without: Mapping[str, str],
    people: Sequence[Sequence[Identifier]],
    known: Mapping[Place, KeyTable],
    values: Mapping[Place, KeyTable] | None = None,
) -> Located:
    """Work out the Selects of `people`; stores are asked only where keys of one lead to others.

    `values` go on from an earlier search for the same people.
    """
    found = Located(tuple(tuple(p) for p in people), unreached=dict(without))
    look = reach(datamap, people, known, values)
    while look.seek:
        answers: dict[str, Mapping[str, KeyTable]] = {}
        for system, selects in look.seek.items():
            if system in found.unreached:
                continue
            try:
                with stores[system].session() as session:
                    answers[system] = session.keys(selects)
            except StoreError as problem:
                found.unreached[system] = str(problem)
        look = look.next(answers)
    found.selects = {s: list_ for s, list_ in look.selects.items() if s not in found.unreached}
    found.values = look.values
    # Kept's own tables are entered by the number of a known person, never by an identifier.
    found.warnings = look.told({SYSTEM.name})
    for system in found.selects:
        try:
            told = [f"`{system}`: {words}" for words in stores[system].unsearched()]
        except StoreError as problem:
            found.unreached[system] = str(problem)
        else:
            found.warnings += tuple(told)
    found.selects = {s: list_ for s, list_ in found.selects.items() if s not in found.unreached}
    return found


def keys(stores: Mapping[str, Store], found: Located) -> dict[Place, KeyTable]:
    """The keys of all rows found, per dataset; one statement per dataset, one session per system.

    A system that fails is moved to `found.unreached`.
    """
    tables: dict[Place, KeyTable] = {}
    for system, selects in list(found.selects.items()):
        try:
            with stores[system].session() as session:
                for dataset, table in session.keys(selects).items():
                    tables[(system, dataset)] = table
        except StoreError as problem:
            found.unreached[system] = str(problem)
            del found.selects[system]
    return tables


def shown(veil: Veil, stores: Mapping[str, Store], found: Located) -> dict[Place, KeyTable]:
    """The keys of the rows found, without those retained; sets `found.refilled` and `.hidden`."""
    left: dict[Place, KeyTable] = {}
    met, refilled = set[Place](), dict[Place, int]()
    for place, table in keys(stores, found).items():
        if not veil.covers(*place):
            if table.rows:
                left[place] = table
            continue
        all_ = [key for _, key in table.rows]
        try:
            away = hidden(veil, stores, place, table.fields, all_)
        except StoreError as problem:
            away = veil.hidden(*place, all_)
            found.unreached.setdefault(place[0], str(problem))
        rows = tuple(r for r, hide in zip(table.rows, away, strict=True) if not hide)
        if len(rows) < len(table.rows):
            met.add(place)
        again = sum(veil.hidden(*place, [key for _, key in rows]))
        if again:
            refilled[place] = again
        if rows:
            left[place] = KeyTable(table.fields, rows)
    # A key given away again leads to rows of its own only: then there is nothing to look at.
    found.refilled, found.hidden = refilled if met else {}, frozenset(met)
    return left
