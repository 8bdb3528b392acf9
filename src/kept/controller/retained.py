"""Rows that had to stay: found again only while they are what they were when they were retained.

A database may give a key away again, and somebody may write over a row. Such a row is not the
one that was retained: nobody learns it by way of the locator, and nobody misses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from kept.controller.execute import as_wanted
from kept.datamap.anonymise import nobodys
from kept.datamap.map import DataMap, OnErase
from kept.datamap.overwrite import written
from kept.datamap.reach import Place, within
from kept.decide.ties import Key, norm
from kept.errors import StoreError
from kept.model.plan import Action, Step
from kept.model.predicate import matches
from kept.model.select import KeyTable, by_key
from kept.model.values import Value, normal
from kept.records.locator import Held, Veil
from kept.stores.base import Store

Row = Mapping[str, Value]

_OFF: Final = (
    "it is not on the map any more, and rows of it were kept; bring it back until they are gone"
)


@dataclass(slots=True)
class Retained:
    """What is retained of the people of a case.

    `held` are the rows that are there as they were. `changed` counts those whose keys name
    something else by now, which a person has to look at; of these `erased` holds what an erasure
    puts there. `gone` counts those that are not there any more; `unread` says of which systems
    that is not known, and of which datasets (`system.dataset`), where one alone left the map.
    """

    held: Held = field(default_factory=dict)
    changed: dict[Place, int] = field(default_factory=dict)
    erased: dict[Place, set[Key]] = field(default_factory=dict)
    gone: dict[Place, int] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    def unknown(self, place: Place) -> bool:
        """Whether nobody could look there."""
        return within(place, self.unread)

    @property
    def words(self) -> tuple[str, ...]:
        """What a person has to look at, in words."""
        return tuple(
            f"{rows} retained rows of `{place[1]}` of `{place[0]}` say something else by now than"
            " when they were retained; they are left alone until a person has looked at them"
            for place, rows in sorted(self.changed.items())
        )

    @property
    def tables(self) -> dict[Place, KeyTable]:
        """The keys of `held`, each once."""
        return {
            place: KeyTable(
                groups[0][0].fields,
                tuple(dict.fromkeys(row for table, _ in groups for row in table.rows)),
            )
            for place, groups in self.held.items()
        }


def still(veil: Veil, datamap: DataMap, stores: Mapping[str, Store], held: Held) -> Retained:
    """Hold what the locator says against the rows themselves, one question per dataset."""
    found = Retained()
    for place, groups in held.items():
        fields = groups[0][0].fields
        keys = dict.fromkeys(key for table, _ in groups for key in table.values)
        system = datamap.systems.get(place[0])
        if place[0] not in stores or system is None or place[1] not in system.datasets:
            # Taken off the map: nobody can look there, and that keeps nothing waiting elsewhere.
            system_left = place[0] not in stores or system is None
            found.unread[place[0] if system_left else ".".join(place)] = _OFF
            continue
        if stores[place[0]].abilities.word:
            # What people hold nobody can look at, and not seen is not gone.
            found.held[place] = groups
            continue
        try:
            rows = read(stores, place, KeyTable(fields, tuple((0, key) for key in keys)))
        except StoreError as problem:
            # Not known is not gone: what the locator says stands, and the system is named.
            found.held[place], found.unread[place[0]] = groups, str(problem)
            continue
        there = [key for key in keys if named(key) in rows]
        same = veil.hidden(*place, there, [rows[named(key)] for key in there])
        left = {key for key, one in zip(there, same, strict=True) if one}
        if len(there) < len(keys):
            found.gone[place] = len(keys) - len(there)
        if len(left) < len(there):
            found.changed[place] = len(there) - len(left)
            other = [key for key in there if key not in left]
            found.erased[place] = {
                norm(key) for key in other if _erased(datamap, place, rows[named(key)])
            }
        kept = [
            (KeyTable(fields, tuple(r for r in table.rows if r[1] in left)), reason)
            for table, reason in groups
        ]
        kept = [(table, reason) for table, reason in kept if table.rows]
        if kept:
            found.held[place] = kept
    return found


def _erased(datamap: DataMap, place: Place, row: Row) -> bool:
    """Whether a row holds what an erasure puts there, of a dataset whose rows stay for others."""
    system = datamap.systems.get(place[0])
    dataset = system.datasets.get(place[1]) if system else None
    if system is None or dataset is None:
        return False
    if dataset.on_erase is OnErase.ANONYMISE:
        only = nobodys(dataset)
        return only is not None and matches(only, row)
    if dataset.on_erase is OnErase.OVERWRITE:
        step = Step(0, *place, Action.OVERWRITE, KeyTable((), ()), assign=written(system, dataset))
        return as_wanted(step, dataset, row)
    return False


def hidden(
    veil: Veil, stores: Mapping[str, Store], place: Place, fields: tuple[str, ...],
    keys: list[tuple[Value, ...]],
) -> list[bool]:  # fmt: skip
    """Whether each key names a row that is retained, and still is that row."""
    marked = veil.hidden(*place, keys)
    if not any(marked):
        return marked
    wanted = dict.fromkeys(key for key, mark in zip(keys, marked, strict=True) if mark)
    rows = read(stores, place, KeyTable(fields, tuple((0, key) for key in wanted)))
    return veil.hidden(*place, keys, [rows.get(named(key)) for key in keys])


def read(stores: Mapping[str, Store], place: Place, table: KeyTable) -> dict[object, Row]:
    """Rows by their key (`named`)."""
    found: dict[object, Row] = {}
    with stores[place[0]].session() as session:
        for _, batch in session.read([by_key(place[1], table)]):
            at = [batch.columns.index(name) for name in table.fields]
            for row in batch.rows:
                key = named(tuple(row[i] for i in at))
                found[key] = dict(zip(batch.columns, row, strict=True))
    return found


def named(key: Iterable[Value]) -> object:
    """A key in the form in which 1 and "1" are the same."""
    return tuple(normal(value) for value in key)
