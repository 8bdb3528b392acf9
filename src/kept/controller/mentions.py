"""Where a person is named in texts of others: notes, messages, whatever people write.

The engine is asked for texts that may hold one of her identifiers, one statement per dataset for
all people; what really does is decided here (`model.redact`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kept.controller.retained import hidden
from kept.datamap.map import DataMap, Dataset
from kept.datamap.reach import Place
from kept.decide.ties import Key, norm
from kept.errors import StoreError
from kept.model.predicate import NOTHING, Or
from kept.model.redact import found, may_hold, passages
from kept.model.select import KeyTable, Select, by_key
from kept.model.values import Value
from kept.records.locator import Veil
from kept.stores.base import Store
from kept.terms.identifiers import Identifier
from kept.terms.vocabulary import SHIPPED

#: (kind, value), as `model.redact` takes them.
Needle = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Mention:
    """A text that names a person of the request: whose row it is does not matter."""

    person: int
    place: Place
    key: Key
    field: str
    passages: tuple[str, ...]


@dataclass(slots=True)
class Mentions:
    """What was found. `spared` counts rows that are retained for somebody and so left alone;
    `unreached` says of which systems nothing is known.
    """

    found: list[Mention] = field(default_factory=list)
    spared: dict[Place, int] = field(default_factory=dict)
    unreached: dict[str, str] = field(default_factory=dict)

    def rows(self) -> dict[Place, int]:
        """Rows by place."""
        by: dict[Place, set[Key]] = {}
        for one in self.found:
            by.setdefault(one.place, set()).add(norm(one.key))
        return {place: len(keys) for place, keys in by.items()}


def searched(datamap: DataMap) -> dict[Place, tuple[str, ...]]:
    """Place → the fields in which the map wants people found."""
    return {
        (system.name, dataset.name): names
        for system in datamap.systems.values()
        if system.store is not None
        for dataset in system.datasets.values()
        if (names := tuple(f.name for f in dataset.fields.values() if f.mentions))
    }


def search(
    datamap: DataMap,
    stores: Mapping[str, Store],
    veil: Veil,
    people: Sequence[Sequence[Identifier]],
    own: Mapping[Place, KeyTable],
) -> Mentions:
    """Find the people in texts of rows that are not `own` (rows of theirs, which go or stay)."""
    mentions = Mentions()
    needles = [tuple(dict.fromkeys((i.kind, i.value) for i in one)) for one in people]
    every = tuple(dict.fromkeys(needle for one in needles for needle in one))
    for place, fields in searched(datamap).items():
        only = Or(tuple(p for name in fields if (p := may_hold(name, every)) != NOTHING))
        if only == NOTHING or place[0] in mentions.unreached:
            continue
        dataset = datamap.dataset(*place)
        try:
            _one(mentions, stores, veil, place, dataset, fields, needles, own, only)
        except StoreError as problem:
            mentions.unreached[place[0]] = str(problem)
    return mentions


def _one(
    mentions: Mentions,
    stores: Mapping[str, Store],
    veil: Veil,
    place: Place,
    dataset: Dataset,
    fields: tuple[str, ...],
    needles: Sequence[tuple[Needle, ...]],
    own: Mapping[Place, KeyTable],
    only: Or,
) -> None:
    mine = {norm(key) for key in own[place].values} if place in own else set()
    met: list[Mention] = []
    select = Select(dataset.name, dataset.key, only=only,
                    fields=tuple(dict.fromkeys((*dataset.key, *fields))))  # fmt: skip
    with stores[place[0]].session() as session:
        for _, batch in session.read([select]):
            at = {name: i for i, name in enumerate(batch.columns)}
            for row in batch.rows:
                key = tuple(row[at[name]] for name in dataset.key)
                if norm(key) in mine:
                    continue
                for name in fields:
                    text = row[at[name]]
                    met += [
                        Mention(who, place, key, name, tuple(passages(theirs, text)))
                        for who, theirs in enumerate(needles)
                        if isinstance(text, str) and found(theirs, text)
                    ]
    keys = list(dict.fromkeys(one.key for one in met))
    veiled = hidden(veil, stores, place, dataset.key, keys)
    away = {key for key, hide in zip(keys, veiled, strict=True) if hide}
    if away:
        mentions.spared[place] = len(away)
    mentions.found += [one for one in met if one.key not in away]


def names(
    datamap: DataMap, stores: Mapping[str, Store], own: Mapping[Place, KeyTable]
) -> list[tuple[int, Identifier]]:
    """(person, name) as her own rows say it."""
    told: dict[tuple[int, str], None] = {}
    for place, table in own.items():
        dataset = datamap.dataset(*place)
        fields = tuple(f.name for f in dataset.fields.values() if _name(f.category, f.identifies))
        if not fields or not table.rows:
            continue
        with stores[place[0]].session() as session:
            for _, batch in session.read([by_key(place[1], table, fields)]):
                at = [batch.columns.index(name) for name in fields]
                for who, row in zip(batch.persons, batch.rows, strict=True):
                    told.update({(who, v): None for i in at if (v := _text(row[i]))})
    return [(who, Identifier("name", value)) for who, value in told]


def _name(category: str | None, identifies: str | None) -> bool:
    return identifies == "name" or (
        category is not None and SHIPPED.within("categories", category, "contact.name")
    )


def _text(value: Value) -> str:
    return value.strip() if isinstance(value, str) else ""
