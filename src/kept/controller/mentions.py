"""Where a person is named in texts of others: notes, messages, whatever people write.

The engine is asked for texts that may hold one of her identifiers, one statement per dataset for
all people; what really does is decided here (`model.redact`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kept.controller import naming
from kept.controller.retained import hidden
from kept.datamap.map import DataMap, Dataset, OnErase
from kept.datamap.reach import Place
from kept.decide.ties import Key, norm
from kept.errors import StoreError
from kept.model.predicate import NOTHING, Or
from kept.model.redact import found, may_hold, passages
from kept.model.select import KeyTable, Select
from kept.records.declared import SYSTEM
from kept.records.locator import Veil
from kept.stores.base import Store
from kept.terms.identifiers import Identifier
from kept.terms.vocabulary import Vocabulary

#: (kind, value), as `model.redact` takes them.
Needle = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Mention:
    """A text that names a person of the request: whose row it is does not matter.

    `passages`: each with how many addresses and numbers of others are masked in it.
    """

    person: int
    place: Place
    key: Key
    field: str
    passages: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Mentions:
    """What was found. `spared` counts rows that are retained for somebody and so left alone;
    `unreached` says of which systems nothing is known; in `unable` nobody can search.
    """

    found: list[Mention] = field(default_factory=list)
    spared: dict[Place, int] = field(default_factory=dict)
    unreached: dict[str, str] = field(default_factory=dict)
    unable: list[Place] = field(default_factory=list)

    def rows(self) -> dict[Place, int]:
        """Rows by place."""
        by: dict[Place, set[Key]] = {}
        for one in self.found:
            by.setdefault(one.place, set()).add(norm(one.key))
        return {place: len(keys) for place, keys in by.items()}


class Texts:
    """The stores, as far as people may be named in texts that are not theirs."""

    def __init__(
        self,
        datamap: DataMap,
        stores: Mapping[str, Store],
        veil: Callable[[], Veil],
        words: Vocabulary,
    ) -> None:
        self._datamap, self._stores, self._veil, self._words = datamap, stores, veil, words

    def mentions(
        self, people: Sequence[Sequence[Identifier]], own: Mapping[Place, KeyTable]
    ) -> Mentions:
        """Where texts of others name the people, in the fields that the map wants searched."""
        return search(self._datamap, self._stores, self._veil(), people, own)

    def asked(self, people: Sequence[Sequence[Identifier]]) -> Iterator[tuple[Place, Select]]:
        """What `mentions` asks of the stores."""
        needles = tuple(dict.fromkeys((i.kind, i.value) for one in people for i in one))
        for place, fields in searched(self._datamap).items():
            if place[0] in self._stores and self._stores[place[0]].abilities.able(
                place[1], "search"
            ):
                select = _select(self._datamap.dataset(*place), fields, needles)
                if select is not None:
                    yield place, select

    def known_by(
        self, people: Sequence[Sequence[Identifier]], own: Mapping[Place, KeyTable]
    ) -> list[list[Identifier]]:
        """By what texts are searched for the people: what was given, and what their rows say.

        Only what was given where the map wants no text searched.
        """
        known = [{(i.kind, i.normalised): i for i in one} for one in people]
        if searched(self._datamap):
            said = naming.identifiers(self._datamap, self._stores, own, people)
            named = naming.names(self._datamap, self._stores, own, self._words, people)
            for who, one in (*said, *named):
                known[who].setdefault((one.kind, one.value), one)
        return [list(one.values()) for one in known]


def searched(datamap: DataMap) -> dict[Place, tuple[str, ...]]:
    """Place → the fields in which the map wants people found."""
    return {
        (system.name, dataset.name): names
        for system in datamap.systems.values()
        if system.store is not None
        for dataset in system.datasets.values()
        if (names := tuple(f.name for f in dataset.fields.values() if f.mentions))
    }


def unread_texts(datamap: DataMap) -> tuple[Place, ...]:
    """Datasets with texts of people in which the map has nobody looked for."""
    return tuple(
        (system.name, dataset.name)
        for system in datamap.systems.values()
        if system.store is not None and system.name != SYSTEM.name
        for dataset in system.datasets.values()
        if dataset.on_erase is not OnErase.NEVER
        and any(f.free_text and not f.mentions for f in dataset.fields.values())
    )


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
        if place[0] not in stores:
            continue  # the search for her rows says so already
        if not stores[place[0]].abilities.able(place[1], "search"):
            mentions.unable.append(place)
            continue
        dataset = datamap.dataset(*place)
        select = _select(dataset, fields, every)
        if select is None or place[0] in mentions.unreached:
            continue
        try:
            _one(mentions, stores, veil, place, dataset, fields, needles, own, select)
        except StoreError as problem:
            mentions.unreached[place[0]] = str(problem)
    return mentions


def _select(dataset: Dataset, fields: tuple[str, ...], needles: Sequence[Needle]) -> Select | None:
    """The texts that may hold one of the needles; None where nothing can be searched by them."""
    only = Or(tuple(p for name in fields if (p := may_hold(name, needles)) != NOTHING))
    if only == NOTHING:
        return None
    shown = tuple(dict.fromkeys((*dataset.key, *fields)))
    return Select(dataset.name, dataset.key, only=only, fields=shown)


def _one(
    mentions: Mentions,
    stores: Mapping[str, Store],
    veil: Veil,
    place: Place,
    dataset: Dataset,
    fields: tuple[str, ...],
    needles: Sequence[tuple[Needle, ...]],
    own: Mapping[Place, KeyTable],
    select: Select,
) -> None:
    mine = {norm(key) for key in own[place].values} if place in own else set()
    met: list[Mention] = []
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
