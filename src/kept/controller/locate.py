"""Finding a person's rows over all systems: Selects, keys, and who could not be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kept.controller.retained import hidden
from kept.datamap.map import DataMap
from kept.datamap.reach import Place, reach
from kept.errors import StoreError
from kept.model.predicate import Contains
from kept.model.select import KeyTable, Select
from kept.records.declared import SYSTEM
from kept.records.locator import Veil
from kept.stores.base import Store
from kept.terms.identifiers import Identifier, home_digits, whole_number


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
    look = reach(datamap, people, known, values, numbers(datamap, stores, found))
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
    found.warnings += look.told({SYSTEM.name})
    for system in found.selects:
        try:
            told = [f"`{system}`: {words}" for words in stores[system].unsearched()]
        except StoreError as problem:
            found.unreached[system] = str(problem)
        else:
            found.warnings += tuple(told)
    found.selects = {s: list_ for s, list_ in found.selects.items() if s not in found.unreached}
    return found


def numbers(
    datamap: DataMap, stores: Mapping[str, Store], found: Located
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Telephone numbers of the people → how rows spell them, which nobody could list beforehand.

    Adds to `found` which systems could not be asked, and where only usual spellings count.
    """
    hers = {i.normalised: i for one in found.people for i in one if i.kind == "phone"}
    met: dict[tuple[str, str], dict[str, None]] = {}
    for system, selects in _holding(datamap, stores, list(hers.values())).items():
        if system in found.unreached:
            continue
        wanted = [one for one in selects if stores[system].abilities.able(one.dataset, "search")]
        if len(wanted) < len(selects) and not stores[system].abilities.word:
            left = dict.fromkeys(one.dataset for one in selects if one not in wanted)
            found.warnings += (
                f"`{system}`: telephone numbers were looked for as +49…, 0049… and 49… only in"
                f" {', '.join(f'`{name}`' for name in left)}, which cannot be searched for numbers"
                " in groups of their own",
            )
        if not wanted:
            continue
        try:
            with stores[system].session() as session:
                for _, batch in session.read(wanted):
                    for text in {row[-1] for row in batch.rows if isinstance(row[-1], str)}:
                        number = whole_number(text)
                        if number in hers:
                            met.setdefault(("phone", number), {})[text] = None
        except StoreError as problem:
            found.unreached[system] = str(problem)
    return {number: tuple(texts) for number, texts in met.items()}


def holding(
    datamap: DataMap, stores: Mapping[str, Store], person: Sequence[Identifier]
) -> Mapping[str, list[Select]]:
    """What `numbers` asks of the stores that can be searched."""
    every = _holding(datamap, stores, [i for i in person if i.kind == "phone"])
    return {
        system: [s for s in selects if stores[system].abilities.able(s.dataset, "search")]
        for system, selects in every.items()
    }


def _holding(
    datamap: DataMap, stores: Mapping[str, Store], hers: Sequence[Identifier]
) -> dict[str, list[Select]]:
    """System → rows whose telephone number holds the digits of one of these, wherever texts do."""
    digits = tuple(dict.fromkeys(map(home_digits, hers)))
    asked: dict[str, list[Select]] = {}
    for system in datamap.systems.values() if digits else ():
        if system.name == SYSTEM.name or system.name not in stores:
            continue
        for dataset in system.datasets.values():
            for item in dataset.fields.values():
                if item.identifies == "phone" and item.type == "text":
                    only = Contains(item.name, digits, bare=True)
                    fields = (*(k for k in dataset.key if k != item.name), item.name)
                    select = Select(dataset.name, dataset.key, only=only, fields=fields)
                    asked.setdefault(system.name, []).append(select)
    return asked


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
