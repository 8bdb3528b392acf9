"""Looking without seeing: counts, hashes and comparisons of rows, never a value.

Controls and discovery work through this. `Rows` is opaque: it can be counted, hashed,
compared and followed along a link, and nothing of it can be printed.
"""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from kept.controller import returned
from kept.datamap.map import DataMap, Dataset, Link, OnErase, Owner
from kept.datamap.reach import Place
from kept.datamap.searches import searches
from kept.errors import IdentifierError, StoreError, StoreUnreachable
from kept.model.predicate import And, In, IsNull, Not, Or, Predicate
from kept.model.select import KeyTable, Select, by_key
from kept.model.values import Value, coerce, normal
from kept.records.declared import SYSTEM
from kept.stores.base import Store
from kept.stores.indexes import Unindexed, unindexed
from kept.terms.identifiers import Identifier
from kept.terms.printed import BLANKS, DASHES

#: Key values asked for in one statement by the walk.
CHUNK = 500


#: People (each by her identifiers) → the keys of their rows; as the door finds them.
Find: TypeAlias = Callable[[Sequence[Sequence[Identifier]]], Mapping[Place, KeyTable]]
#: (system, dataset, keys) → whether each names a row that is retained.
Hidden: TypeAlias = Callable[
    [str, str, Sequence[Sequence[Value]], Sequence[Mapping[str, Value]]], Sequence[bool]
]

#: People, their rows, a place → the keys (`normal`) of texts there that name them, as the door
#: finds them.
Mentioned: TypeAlias = Callable[
    [Sequence[Sequence[Identifier]], Mapping[Place, KeyTable], Place],
    AbstractSet[tuple[Value, ...]],
]


#: People → their rows as a package would show them: (place, columns, rows).
Rehearse: TypeAlias = Callable[
    [Sequence[Sequence[Identifier]]],
    Iterator[tuple[Place, Sequence[str], Sequence[Sequence[Value]]]],
]


#: The longest name that is looked for, in words, and the shortest number, in digits.
_MOST_WORDS, _LEAST_DIGITS = 4, 7
_AROUND = ".,;:!?'\"<>()[]*_"
#: Signs within a number. One number a line: what stands on two lines is two.
_WITHIN = frozenset(f" -./()+{BLANKS}{DASHES}")


@dataclass(frozen=True, slots=True)
class Packed:
    """What a package says, by place, as hashes that live as long as the Inspector; how many rows
    were `looked` at; `known` is what names her herself.
    """

    looked: int
    said: Mapping[Place, AbstractSet[bytes]]
    known: AbstractSet[bytes]


class Rows:
    """Rows of one dataset, as an opaque set. Equality and hashes are of their keys."""

    __slots__ = ("_rows", "_salt", "columns", "dataset", "key", "system")

    def __init__(
        self,
        system: str,
        dataset: str,
        key: tuple[str, ...],
        columns: tuple[str, ...],
        rows: Sequence[tuple[Value, ...]],
        salt: bytes,
    ) -> None:
        self.system, self.dataset, self.key, self.columns = system, dataset, key, columns
        self._rows = rows
        self._salt = salt

    def __len__(self) -> int:
        return len(self.hashes())

    def __repr__(self) -> str:
        return f"<{len(self._rows)} rows of {self.system}.{self.dataset}>"

    def hashes(self) -> frozenset[bytes]:
        """Keyed hashes of the rows' keys; the key lives as long as the Inspector."""
        at = [self.columns.index(name) for name in self.key]
        found = set()
        for row in self._rows:
            text = "\x00".join(repr(normal(row[i])) for i in at)
            message = f"{self.system}\x00{self.dataset}\x00{text}".encode()
            found.add(hmac.new(self._salt, message, hashlib.sha256).digest())
        return frozenset(found)

    def plus(self, others: Rows) -> Rows:
        """These rows and others of the same dataset."""
        rows = list(dict.fromkeys((*self._rows, *others._rows)))
        return Rows(self.system, self.dataset, self.key, self.columns, rows, self._salt)

    def singles(self) -> list[Rows]:
        """Each row alone."""
        return [
            Rows(self.system, self.dataset, self.key, self.columns, [row], self._salt)
            for row in self._rows
        ]


class Inspector:
    """The read side that gives no values away. Every call opens a fresh handle."""

    def __init__(
        self,
        datamap: DataMap,
        stores: Mapping[str, Store],
        find: Find,
        hidden: Hidden,
        mentions: Mentioned,
        rehearse: Rehearse,
    ) -> None:
        self._datamap, self._stores, self._find, self._hidden = datamap, stores, find, hidden
        self._mentions, self._rehearse = mentions, rehearse
        self._salt = secrets.token_bytes(32)

    @property
    def systems(self) -> list[str]:
        """Systems that have a store."""
        return list(self._stores)

    def reality(self, system: str) -> list[Dataset]:
        """What is really there: names, types, keys and links, no rows."""
        return list(self._store(system).datasets())

    def unindexed(self) -> list[Unindexed]:
        """Searches of the mapped systems that read whole large tables.

        Of a system that cannot be asked nothing is said; of Kept's own tables there is nothing.
        """
        found: list[Unindexed] = []
        for system, wanted in searches(self._datamap).items():
            if system in self._stores and system != SYSTEM.name:
                with suppress(StoreError):
                    found += unindexed(self._stores[system], wanted)
        return found

    def count(self, system: str, dataset: Dataset, only: Predicate | None = None) -> int:
        """How many rows of a mapped dataset match `only` (all rows without it)."""
        everything = Not(IsNull(dataset.key[0]))
        where = everything if only is None else And((everything, only))
        with self._store(system).session() as session:
            return session.count([Select(dataset.name, dataset.key, only=where)])[0]

    def holding(
        self, system: str, dataset: str, keys: KeyTable, field: str,
        meant: Callable[[Value], bool],
    ) -> int:  # fmt: skip
        """How many of these rows hold a value in `field` that `meant` knows."""
        found: set[tuple[Value, ...]] = set()
        with self._store(system).session() as session:
            for _, batch in session.read([by_key(dataset, keys)]):
                at, key = batch.columns.index(field), [batch.columns.index(k) for k in keys.fields]
                found |= {tuple(r[i] for i in key) for r in batch.rows if meant(r[at])}
        return len(found)

    def prints(self, system: str, dataset: Dataset, fields: Sequence[str]) -> dict[bytes, bytes]:
        """Keyed hash of the key → that of what `fields` say, of every row of a mapped dataset.

        The same row gives the same hashes in whatever system: places are left out, and types of
        engines are brought together.
        """
        everything = Not(IsNull(dataset.key[0]))
        select = Select(dataset.name, dataset.key, only=everything)
        found: dict[bytes, bytes] = {}
        with self._store(system).session() as session:
            for _, batch in session.read([select]):
                keys = [batch.columns.index(name) for name in dataset.key]
                said = [batch.columns.index(name) for name in fields]
                for row in batch.rows:
                    key, words = (
                        self._hash("\x00".join(repr(_plain(row[i])) for i in at))
                        for at in (keys, said)
                    )
                    found[key] = words
        return found

    def judged(
        self, system: str, dataset: Dataset, most: int,
        judge: Callable[[Sequence[str]], str | None],
    ) -> dict[str, str]:  # fmt: skip
        """Column → what `judge` says of its texts, where it says something; of up to `most` rows
        of a dataset, mapped or not.
        """
        key = dataset.key or tuple(dataset.fields)[:1]
        # A row of which nothing stands in any column says nothing.
        something = Or(tuple(Not(IsNull(name)) for name in dataset.fields))
        select = Select(dataset.name, key, only=something)
        texts: dict[str, list[str]] = {}
        left = most
        with self._store(system).session() as session:
            for _, batch in session.read([select]):
                for row in batch.rows[:left]:
                    for name, value in zip(batch.columns, row, strict=True):
                        if isinstance(value, (str, uuid.UUID)) and str(value).strip():
                            texts.setdefault(name, []).append(str(value).strip())
                left -= len(batch.rows)
                if left <= 0:
                    break
        said = {name: judge(values) for name, values in texts.items()}
        return {name: word for name, word in said.items() if word is not None}

    def some(self, system: str, dataset: Dataset, most: int) -> Rows:
        """Up to `most` rows of a dataset, as they come; none that is retained."""
        select = Select(dataset.name, dataset.key, only=Not(IsNull(dataset.key[0])))
        rows: list[tuple[Value, ...]] = []
        columns: tuple[str, ...] = tuple(dataset.fields)
        with self._store(system).session() as session:
            for _, batch in session.read([select]):
                columns = batch.columns
                at = [columns.index(name) for name in dataset.key]
                hidden = self._hidden(
                    system,
                    dataset.name,
                    [tuple(row[i] for i in at) for row in batch.rows],
                    [dict(zip(columns, row, strict=True)) for row in batch.rows],
                )
                shown = [r for r, hide in zip(batch.rows, hidden, strict=True) if not hide]
                rows += shown[: most - len(rows)]
                if len(rows) >= most:
                    break
        return Rows(system, dataset.name, dataset.key, columns, rows, self._salt)

    def along(self, system: str, child: Dataset, link: Link, parents: Rows) -> Rows:
        """The rows of `child` whose link leads to one of `parents`: plain comparisons, no joins.

        This is the slow road on purpose: it shares no code with the routes it checks.
        """
        wanted: set[tuple[Value, ...]] = set()
        at = [parents.columns.index(name) for name in link.on]
        for row in parents._rows:
            key = tuple(row[i] for i in at)
            if None not in key:
                wanted.add(key)
        rows: list[tuple[Value, ...]] = []
        columns: tuple[str, ...] = tuple(child.fields)
        first = child.fields[link.fields[0]].type
        values = [v for v in {coerce(key[0], first) for key in wanted} if v is not None]
        with self._store(system).session() as session:
            for start in range(0, len(values), CHUNK):
                only = In(link.fields[0], tuple(values[start : start + CHUNK]))
                for _, batch in session.read([Select(child.name, child.key, only=only)]):
                    columns = batch.columns
                    here = [columns.index(name) for name in link.fields]
                    same = {tuple(normal(v) for v in key) for key in wanted}
                    rows += [r for r in batch.rows if tuple(normal(r[i]) for i in here) in same]
        return Rows(system, child.name, child.key, columns, rows, self._salt)

    def reach(self, person: Rows) -> dict[Place, Rows]:
        """The rows that the door finds for one person, named by the key of her own row."""
        return {
            (system, name): Rows(system, name, t.fields, t.fields, t.values, self._salt)
            for (system, name), t in self._find(self._identified(person)).items()
        }

    def _identified(self, person: Rows) -> list[list[Identifier]]:
        dataset = self._datamap.dataset(person.system, person.dataset)
        at = [person.columns.index(name) for name in person.key]
        return [
            [
                Identifier(str(dataset.fields[name].identifies), str(row[i]))
                for name, i in zip(person.key, at, strict=True)
            ]
            for row in person._rows
        ]

    def named_by(self, person: Rows) -> list[Identifier]:
        """By what `reach` asks for a person."""
        return [one for row in self._identified(person) for one in row if _is_one(one)]

    def says(self, person: Rows) -> list[list[Identifier]]:
        """All that can name somebody alone, of what each row says; what is no such value is not
        among it.
        """
        dataset = self._datamap.dataset(person.system, person.dataset)
        kinds = {f.name: f.identifies for f in dataset.fields.values() if f.identifies}
        return [
            [
                one
                for column, value in zip(person.columns, row, strict=True)
                if (kind := kinds.get(column)) and value is not None and kind != "name"
                if _is_one(one := Identifier(kind, str(value)))
            ]
            for row in person._rows
        ]

    def found(self, people: Sequence[Sequence[Identifier]]) -> dict[Place, Rows]:
        """The rows that the door finds for people named by their identifiers."""
        return {
            (system, name): Rows(system, name, t.fields, t.fields, t.values, self._salt)
            for (system, name), t in self._find(people).items()
        }

    def naming(
        self, system: str, dataset: Dataset, kinds: Mapping[str, str | None],
        hers: Sequence[Identifier],
    ) -> Rows:  # fmt: skip
        """Whole rows of which a field (name → kind) says one of the identifiers, spelt as it is or
        in small letters; none that is retained. Value by value, without the ways of the map.
        """
        rows: dict[tuple[Value, ...], tuple[Value, ...]] = {}
        columns: tuple[str, ...] = dataset.key
        with self._store(system).session() as session:
            for name, kind in kinds.items():
                item = dataset.fields[name]
                texts = {t for i in hers if i.kind == kind for t in (i.value, i.normalised)}
                texts |= {t.lower() for t in texts} if item.folded else set()
                values = tuple(v for t in sorted(texts) if (v := coerce(t, item.type)) is not None)
                if not values:
                    continue
                only = In(name, values, folded=item.folded and item.type == "text")
                asked = [Select(dataset.name, dataset.key, only=only)]
                for _, batch in session.read(asked):
                    columns = batch.columns
                    at = [columns.index(field) for field in dataset.key]
                    keys = [tuple(row[i] for i in at) for row in batch.rows]
                    hidden = self._hidden(system, dataset.name, keys, [
                        dict(zip(columns, row, strict=True)) for row in batch.rows
                    ])  # fmt: skip
                    together = zip(keys, batch.rows, hidden, strict=True)
                    rows |= {key: row for key, row, hide in together if not hide}
        return Rows(system, dataset.name, dataset.key, columns, list(rows.values()), self._salt)

    def again(
        self, system: str, dataset: Dataset, known: returned.Known
    ) -> tuple[int, list[returned.Again]]:
        """(rows looked at, those that name somebody who was erased), as `returned.look`."""
        of = self._datamap.systems[system]
        return returned.look(self._store(system), of, dataset, self._hidden, known)

    def mentioned(self, place: Place, most: int) -> tuple[int, int]:
        """(texts looked at, those that name somebody and were not found for her), for up to `most`
        people of each dataset that knows them by e-mail.

        Letter by letter, text by text: the slow road, which shares nothing with the search.
        """
        dataset = self._datamap.dataset(*place)
        fields = [f.name for f in dataset.fields.values() if f.mentions]
        people = sorted(set(self._addresses(most)))
        answers = {}
        for address in people:
            who = [[Identifier("email", address)]]
            own = self._find(who)
            hers = {tuple(map(normal, key)) for key in own[place].values} if place in own else set()
            answers[address.strip().lower()] = hers | self._mentions(who, own, place)
        looked = missed = 0
        select = Select(dataset.name, dataset.key, only=Not(IsNull(dataset.key[0])))
        with self._store(place[0]).session() as session:
            for _, batch in session.read([select]):
                at = {name: i for i, name in enumerate(batch.columns)}
                keys = [tuple(row[at[name]] for name in dataset.key) for row in batch.rows]
                hidden = self._hidden(*place, keys, [
                    dict(zip(batch.columns, row, strict=True)) for row in batch.rows
                ])  # fmt: skip
                for key, row, hide in zip(keys, batch.rows, hidden, strict=True):
                    words = {
                        word.strip(".,;:!?'\"<>()[]").lower()
                        for name in fields
                        for word in str(row[at[name]] or "").split()
                    }
                    looked += 1
                    name_ = tuple(map(normal, key))
                    missed += not hide and any(
                        word in answers and name_ not in answers[word] for word in words
                    )
        return looked, missed

    def package(self, person: Rows) -> Packed:
        """What a package for one person says, named by all that her own row says; hashed."""
        people = self.says(person)
        known: set[bytes] = set()
        for place, keys in self._find(people).items():
            dataset = self._datamap.dataset(*place)
            naming = _naming(dataset)
            if not naming or not all(dataset.fields[name].identifies for name in dataset.key):
                continue
            with self._store(place[0]).session() as session:
                for _, batch in session.read([by_key(place[1], keys)]):
                    for row in batch.rows:
                        known |= self._called(naming, batch.columns, row)
        said: dict[Place, set[bytes]] = {}
        looked = 0
        for place, columns, rows in self._rehearse(people):
            hashes = said.setdefault(place, set())
            links = [
                (columns.index(link.fields[0]), (link.system or place[0], link.to, link.on[0]))
                for link in self._datamap.dataset(*place).links
                if link.kind is Owner.ACCESSED and link.fields[0] in columns
            ]
            for given in rows:
                looked += 1
                for text in given:
                    if isinstance(text, str):
                        hashes.update(self._words(text))
                hashes |= {self._number(to, given[i]) for i, to in links if given[i] is not None}
        return Packed(looked, said, known)

    def named(self, system: str, dataset: Dataset, packages: Sequence[Packed]) -> dict[Place, int]:
        """Place → how often people of this dataset are named there in packages of others.

        Every row is looked at, one after the other, and letters are compared by their hashes.
        """
        naming = _naming(dataset)
        ends = {
            (link.system or other.name, link.to, link.on[0])
            for other in self._datamap.systems.values()
            for child in other.datasets.values()
            for link in child.links
            if link.kind is Owner.ACCESSED
            and (link.system or other.name, link.to) == (system, dataset.name)
        }
        found: set[tuple[int, Place, bytes]] = set()
        select = Select(dataset.name, dataset.key, only=Not(IsNull(dataset.key[0])))
        with self._store(system).session() as session:
            for _, batch in session.read([select]):
                for row in batch.rows:
                    words = self._called(naming, batch.columns, row)
                    words |= {self._number(to, row[batch.columns.index(to[2])]) for to in ends}
                    found |= {
                        (number, place, word)
                        for number, package in enumerate(packages)
                        for place, said in package.said.items()
                        for word in (words & said) - package.known
                    }
        counted: dict[Place, int] = {}
        for _, place, _ in found:
            counted[place] = counted.get(place, 0) + 1
        return counted

    def _called(
        self, naming: Sequence[str], columns: Sequence[str], row: Sequence[Value]
    ) -> set[bytes]:
        values = [row[columns.index(name)] for name in naming]
        return {w for v in values if isinstance(v, str) and (w := self._whole(v)) is not None}

    def _number(self, to: tuple[str, str, str], value: Value) -> bytes:
        return self._hash("\x00".join((*to, repr(normal(value)))))

    def _whole(self, value: str) -> bytes | None:
        """The hash of an address, a number or a name, as `_words` finds it; None for one word."""
        words = [w.strip(_AROUND).lower() for w in value.split()]
        if len(words) == 1 and "@" in words[0]:
            return self._hash(words[0])
        digits = "".join(c for c in value if c.isdigit())
        if len(digits) >= _LEAST_DIGITS and not any(c.isalpha() for c in value):
            return self._hash(digits)
        return self._hash(" ".join(words)) if 1 < len(words) <= _MOST_WORDS else None

    def _words(self, text: str) -> Iterator[bytes]:
        """Hashes of all that could name somebody: addresses, runs of digits, words in a row."""
        words = [w.strip(_AROUND).lower() for w in text.split()]
        for i, word in enumerate(words):
            if "@" in word:
                yield self._hash(word)
            for most in range(2, _MOST_WORDS + 1):
                if i + most <= len(words):
                    yield self._hash(" ".join(words[i : i + most]))
        run = ""
        for sign in f"{text}x":
            if sign.isdigit():
                run += sign
            elif sign not in _WITHIN or (sign == "+" and run):
                if len(run) >= _LEAST_DIGITS:
                    yield self._hash(run)
                run = ""

    def _hash(self, text: str) -> bytes:
        return hmac.new(self._salt, text.encode(), hashlib.sha256).digest()

    def _addresses(self, most: int) -> Iterator[str]:
        for system in self._stores:
            for dataset in self._datamap.systems[system].datasets.values():
                naming = [f.name for f in dataset.fields.values() if f.identifies == "email"]
                if not naming or dataset.on_erase is OnErase.NEVER:
                    continue
                rows = self.some(system, dataset, most)
                for name in naming:
                    at = rows.columns.index(name)
                    for row in rows._rows:
                        value = row[at]
                        if isinstance(value, str) and "@" in value and ".invalid" not in value:
                            yield value

    def _store(self, system: str) -> Store:
        store = self._stores.get(system)
        if store is None:
            raise StoreUnreachable(
                f"the system `{system}` has no store",
                fix=f"give [systems.{system}] a store and a url in kept.toml",
            )
        return store


def _naming(dataset: Dataset) -> list[str]:
    """Fields that hold an address, a telephone number or a name."""
    return [
        f.name
        for f in dataset.fields.values()
        if f.identifies in ("email", "phone", "name")
        or (f.category or "").startswith("contact.name")
    ]


def _plain(value: Value) -> Value:
    """A value in the one form in which engines agree: moments in UTC, numbers without zeros."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    whole = normal(value)
    if isinstance(whole, (float, decimal.Decimal)):
        return str(decimal.Decimal(str(whole)).normalize())
    return whole


def _is_one(identifier: Identifier) -> bool:
    try:
        return bool(identifier.normalised)
    except IdentifierError:
        return False
