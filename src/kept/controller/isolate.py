"""Taking rows out of sight: what they say is sealed first, and only then written over.

Killed between the two, the same step goes on: rows that are written over already keep the copy
they have, all others are read and sealed once more, as they are now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kept.controller.execute import as_wanted
from kept.controller.retained import Row, named, read
from kept.datamap.map import DataMap, Stays
from kept.datamap.overwrite import written
from kept.datamap.reach import Place
from kept.errors import StoreError, VaultError
from kept.model.plan import Action, Step
from kept.model.select import KeyTable
from kept.records.declared import SYSTEM
from kept.records.isolated import Copy
from kept.records.locator import Locator
from kept.stores.base import Store


def seal(
    locator: Locator,
    datamap: DataMap,
    stores: Mapping[str, Store],
    number: int | None,
    steps: Iterable[Step],
    now: dt.datetime,
) -> None:
    """Seal what the rows of the isolating steps say, and read the copies back.

    `number` is the case whose entries they lie under; None: all that retain these rows.

    Raises StoreError or VaultError where that cannot be done: then nothing may be written.
    """
    for step in steps:
        if step.action is not Action.ISOLATE:
            continue
        place = (step.system, step.dataset)
        dataset = datamap.dataset(*place)
        rows = read(stores, place, step.keys).values()
        of = {locator.key_mac(*place, [row[k] for k in dataset.key]): row for row in rows}
        before = locator.isolated.known(place, list(of))
        copies: dict[bytes, Copy] = {}
        for mac, row in of.items():
            emptied = as_wanted(step, dataset, row)
            said = before.get(mac) if emptied else None
            copies[mac] = {name: (said or row).get(name) for name in step.assign}
        locator.isolated.seal(number, place, copies, now)
        kept = locator.isolated.known(place, list(of), number)
        # Compared as text: a number that is none does not even equal itself.
        if {mac: repr(one) for mac, one in kept.items()} != {m: repr(c) for m, c in copies.items()}:
            raise VaultError(
                f"what `{place[1]}` of `{place[0]}` says could not be sealed",
                expected="copies that say what the rows said",
                fix="run the same command again; nothing was written over",
            )


@dataclass(frozen=True, slots=True)
class Sealing:
    """What a look at the retained rows of one dataset found, in rows.

    `gone` are not in the table any more, `sealed` have a copy that can be opened, `readable`
    still say something of the person in the company's table, `in_place` of these because the map
    wants them there, `shown` came out by the door that serves purposes. `unasked`: the store
    could not be asked, and why.
    """

    system: str
    dataset: str
    rows: int = 0
    gone: int = 0
    sealed: int = 0
    readable: int = 0
    in_place: int = 0
    shown: int = 0
    problem: str | None = None
    unasked: StoreError | None = None


def look(
    locator: Locator,
    datamap: DataMap,
    stores: Mapping[str, Store],
    door: Callable[[Place, KeyTable], Iterable[Row]],
) -> Iterator[Sealing]:
    """Every row that the locator keeps, held against its table and against what the door gives.

    `door` reads rows by key as every purpose does.
    """
    for place, table in locator.kept().items():
        system = datamap.systems.get(place[0])
        dataset = system.datasets.get(place[1]) if system else None
        if system is None or dataset is None or place[0] not in stores:
            yield Sealing(*place, rows=len(table), problem="it is not mapped, or has no store")
            continue
        if stores[place[0]].abilities.word:
            continue  # people hold it: nothing of it can be looked at, by anybody here
        try:
            rows = read(stores, place, table)
            shown = sum(1 for _ in door(place, table))
        except StoreError as problem:
            yield Sealing(*place, rows=len(table), unasked=problem)
            continue
        of = {locator.key_mac(*place, [row[k] for k in dataset.key]): row for row in rows.values()}
        copies = locator.isolated.known(place, list(of))
        empty = Step(0, *place, Action.ISOLATE, table, assign=written(system, dataset))
        readable = {mac for mac, row in of.items() if not as_wanted(empty, dataset, row)}
        in_place = readable - copies.keys() if dataset.stays is Stays.IN_PLACE else set()
        # Kept's own records of her go with her, whatever keeps the company's rows.
        missing = {named(key) for key in table.values} - rows.keys()
        gone = len(missing) if place[0] != SYSTEM.name else 0
        yield Sealing(
            *place, len(of) + gone, gone, len(copies), len(readable), len(in_place), shown
        )
