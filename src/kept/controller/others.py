"""Other people in a person's rows: covered by what they are to her, before anything is handed out.

The rules stand in the map (`datamap.others`), what a text may hold is found by `model.cover`.
Who she is and who the staff are is read here, once for an answer and only where it is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from kept.controller import naming
from kept.datamap.map import DataMap
from kept.datamap.others import Rule, rules, staff, texts
from kept.datamap.reach import Place
from kept.errors import StoreError
from kept.model.cover import ROLES, Cover, Role
from kept.model.predicate import And, In, IsNull, Not, Or, Predicate
from kept.model.select import KeyTable, Select
from kept.model.values import Value, fold, normal
from kept.stores.base import Store
from kept.terms.identifiers import Identifier
from kept.terms.vocabulary import Vocabulary

#: (place, field, text) → the text without others, and how many places that were, by role.
Deciding: TypeAlias = Callable[[Place, str, str], tuple[str, Counter[Role]]]
#: Names that are looked up with one question.
_AT_ONCE: Final = 400


@dataclass(slots=True)
class Covering:
    """What is done to the rows of one answer. `counts`: values and passages covered so far.

    `unreached` says of which systems the staff could not be read: their names may then stand in
    texts. Where people decided about texts, `deciding` says what becomes of each.
    """

    datamap: DataMap
    cover: Cover
    deciding: Deciding | None = None
    counts: dict[Place, Counter[Role]] = field(default_factory=dict)
    unreached: dict[str, str] = field(default_factory=dict)
    _ends: Mapping[Rule, frozenset[tuple[Value, ...]]] = field(default_factory=dict)
    _rules: dict[Place, tuple[tuple[Rule, ...], tuple[str, ...]]] = field(default_factory=dict)

    def rows(
        self, place: Place, columns: Sequence[str], rows: Iterable[Sequence[Value]]
    ) -> list[tuple[Value, ...]]:
        """The rows of a dataset with what is others' covered."""
        told, written = self._of(place)
        at = {name: i for i, name in enumerate(columns)}
        ruled = [rule for rule in told if all(name in at for name in rule.fields)]
        free = [(name, at[name]) for name in written if name in at]
        if not ruled and not free:
            return [tuple(row) for row in rows]
        met = self.counts.setdefault(place, Counter())
        return [self._row(place, row, at, ruled, free, met) for row in rows]

    def text(self, place: Place, text: str, masked: int = 0, *, field: str = "") -> str:
        """A passage of a text with what is others' covered, beside what was `masked` before."""
        covered, met = self._decided(place, field, text)
        met["person"] += masked
        self.counts.setdefault(place, Counter()).update(met)
        return covered

    def _decided(self, place: Place, field: str, text: str) -> tuple[str, Counter[Role]]:
        if self.deciding is not None:
            return self.deciding(place, field, text)
        return self.cover.text(text)

    def _row(
        self,
        place: Place,
        row: Sequence[Value],
        at: Mapping[str, int],
        ruled: Sequence[Rule],
        free: Sequence[tuple[str, int]],
        met: Counter[Role],
    ) -> tuple[Value, ...]:
        values = list(row)
        for rule in ruled:
            said = tuple(row[at[name]] for name in rule.fields)
            if self._hers(rule, said):
                continue
            for name in rule.fields:
                if values[at[name]] is not None:
                    values[at[name]] = ROLES[rule.role]
                    met[rule.role] += 1
        for name, i in free:
            value = values[i]
            if isinstance(value, str) and value and value is row[i]:
                values[i], found = self._decided(place, name, value)
                met.update(found)
        return tuple(values)

    def _hers(self, rule: Rule, said: tuple[Value, ...]) -> bool:
        if all(value is None or value == "" for value in said):
            return True
        if rule.to is not None:
            return tuple(map(normal, said)) in self._ends.get(rule, frozenset())
        return self.cover.is_hers(rule.kind, str(said[0]))

    def _of(self, place: Place) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
        if place not in self._rules:
            self._rules[place] = (
                rules(self.datamap, place), texts(self.datamap.dataset(*place)),
            )  # fmt: skip
        return self._rules[place]


def covering(
    datamap: DataMap,
    stores: Mapping[str, Store],
    people: Sequence[Sequence[Identifier]],
    own: Mapping[Place, KeyTable],
    public: Iterable[str],
    country: str,
    words: Vocabulary,
) -> Covering:
    """For one answer. `own` are all rows of hers, those that stay among them; `public` the
    addresses of the organisation, `country` (ISO 3166) where it sits, `words` those of its policy.
    """
    ruled = {place: rules(datamap, place) for place in own}
    written = [place for place in own if texts(datamap.dataset(*place))]
    made = Covering(datamap, Cover())
    # Texts of others that name her are shown too, wherever the map has them searched.
    searched = any(
        item.mentions
        for system in datamap.systems.values()
        for dataset in system.datasets.values()
        for item in dataset.fields.values()
    )
    if not any(ruled.values()) and not written and not searched:
        return made
    ends: dict[Rule, frozenset[tuple[Value, ...]]] = {}
    for rule in {rule for told in ruled.values() for rule in told if rule.to is not None}:
        ends[rule] = frozenset(_values(stores, rule, own))
    hers = [(one.kind, one.value) for person in people for one in person]
    hers += [(one.kind, one.value) for _, one in naming.identifiers(datamap, stores, own, people)]
    hers += [(one.kind, one.value) for _, one in naming.names(datamap, stores, own, words, people)]
    theirs: list[tuple[str, str]] = []
    for place, _ in staff(datamap).items() if written or searched else ():
        try:
            theirs += _staff(datamap, stores, place, words)
        except StoreError as problem:
            made.unreached[place[0]] = f"whose names are those of staff is not known: {problem}"
    numbers = [datamap.systems[place[0]].country for place in own]
    regions = tuple(dict.fromkeys(c for c in (country, *numbers) if c))
    made.cover = Cover.of(hers, theirs, public, regions)
    made._ends = ends
    return made


def _values(
    stores: Mapping[str, Store], rule: Rule, own: Mapping[Place, KeyTable]
) -> Iterator[tuple[Value, ...]]:
    """What the rows of hers say to which the link of a rule may lead."""
    table = own.get(rule.to) if rule.to is not None else None
    if table is None or rule.to is None:
        return
    if table.fields == rule.on:
        yield from (tuple(map(normal, key)) for key in table.values)
        return
    for row in naming.together(stores, rule.to, table, rule.on):
        yield tuple(map(normal, row))


def _staff(
    datamap: DataMap, stores: Mapping[str, Store], place: Place, words: Vocabulary
) -> Iterator[tuple[str, str]]:
    """(kind, value) of what names the people of a dataset."""
    dataset, store = datamap.dataset(*place), stores.get(place[0])
    if store is None or store.abilities.word or not store.abilities.able(place[1], "search"):
        return
    kinds = {f.name: kind for f in dataset.fields.values() if (kind := naming.kind_of(f, words))}
    if not kinds:
        return
    select = Select(
        dataset.name, dataset.key, only=Not(IsNull(dataset.key[0])),
        fields=tuple(dict.fromkeys((*dataset.key, *kinds))),
    )  # fmt: skip
    with store.session() as session:
        for _, batch in session.read([select]):
            at = {name: batch.columns.index(name) for name in kinds}
            for row in batch.rows:
                for name, kind in kinds.items():
                    value = row[at[name]]
                    if isinstance(value, str) and value.strip():
                        yield kind, value


def known(
    datamap: DataMap, stores: Mapping[str, Store], runs: Iterable[tuple[str, ...]],
    words: Vocabulary, without: str,
) -> tuple[list[tuple[str, str]], dict[str, str]]:  # fmt: skip
    """Those of these runs of words that are names of people whom the systems know, as (`name`,
    value); and the systems that could not be asked, each with why. `without`: a system left out.

    Asked is by the words, not by the people: a table of millions is not read.
    """
    wanted = {fold(" ".join(run)) for run in runs}
    found: dict[tuple[str, str], None] = {}
    unreached: dict[str, str] = {}
    for system in datamap.systems.values() if wanted else ():
        store = stores.get(system.name)
        if store is None or system.name == without or store.abilities.word:
            continue
        for dataset in system.datasets.values():
            fields = tuple(
                f.name for f in dataset.fields.values() if naming.kind_of(f, words) == "name"
            )
            if not fields or not store.abilities.able(dataset.name, "search"):
                continue
            try:
                for name in _named(store, dataset.name, dataset.key, fields, wanted):
                    found["name", name] = None
            except StoreError as problem:
                unreached[system.name] = f"whom else it knows could not be asked: {problem}"
                break
    return list(found), unreached


def _named(
    store: Store, dataset: str, key: tuple[str, ...], fields: tuple[str, ...], wanted: set[str]
) -> Iterator[str]:
    """Names of a dataset that are among those wanted; first and last name may stand apart."""
    every = sorted(wanted)
    with store.session() as session:
        for i in range(0, len(every), _AT_ONCE):
            some = tuple(every[i : i + _AT_ONCE])
            apart = tuple(sorted({word for name in some for word in name.split()}))
            asked: list[Predicate] = [In(name, some, folded=True) for name in fields]
            if len(fields) > 1:
                asked += [
                    And((In(one, apart, folded=True), In(two, apart, folded=True)))
                    for n, one in enumerate(fields)
                    for two in fields[n + 1 :]
                ]
            select = Select(dataset, key, only=Or(tuple(asked)), fields=(*key, *fields))
            for _, batch in session.read([select]):
                at = [batch.columns.index(name) for name in fields]
                for row in batch.rows:
                    said = [str(row[j]) for j in at if row[j]]
                    for name in (*said, " ".join(said), " ".join(reversed(said))):
                        if fold(name) in wanted:
                            yield name
