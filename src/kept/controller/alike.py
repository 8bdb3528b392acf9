"""Rows that may be a person's and were not found for her: by what looks alike, never shown.

One statement per dataset for all people. What is found here is counted and put before a human;
it is neither read out nor changed.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kept.controller.retained import hidden
from kept.datamap.map import DataMap, Dataset, Field, OnErase
from kept.datamap.reach import Place
from kept.decide.ties import norm
from kept.errors import IdentifierError, StoreError
from kept.model.predicate import Contains
from kept.model.select import Batch, KeyRow, KeyTable, Route, Select, by_key
from kept.model.values import Value, coerce, fold
from kept.records.declared import SYSTEM
from kept.records.locator import Veil
from kept.records.subject import LINKING, PROVABLE
from kept.stores.base import Store
from kept.terms.identifiers import Identifier, spellings, whole_number
from kept.terms.likeness import same_name, tagged, untagged, variants

#: A name that more others carry tells nobody apart ("not given").
COMMON = 10
#: So many addresses are looked for in a text one by one.
MANY = 25
#: Names of so many words are looked for in every order of them.
FEW = 3

#: Kinds that several people may share, one after the other or at once.
_MACHINES = tuple(kind for kind in PROVABLE if kind not in LINKING)

#: Whether a category of the vocabulary is a person's name.
IsName = Callable[[str | None], bool]
#: The words of a name, in the form in which two names are the same.
_Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Met:
    """Rows that may be a person's. `other`: by what they are somebody's, the strongest of it."""

    who: int
    reason: str
    place: Place
    key: tuple[Value, ...]
    other: Identifier | None


@dataclass(slots=True)
class Alike:
    """What was met; `hers` are the identifiers that each one's own rows say, `called` the names:
    (person, the fields of a row that name her, as they stand there).
    """

    met: list[Met] = field(default_factory=list)
    hers: list[list[Identifier]] = field(default_factory=list)
    called: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    unreached: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Texts of a kind (or a name) under which something may be somebody's; `also` those people of
    a list who are called the same, so that nothing is read for each of them.
    """

    who: int
    reason: str
    kind: str
    texts: tuple[str, ...]
    by: Identifier | None = None
    also: tuple[int, ...] = ()


@dataclass(slots=True)
class _Said:
    """What somebody's own rows say of her."""

    ids: dict[tuple[str, str], Identifier] = field(default_factory=dict)
    machines: dict[tuple[str, str], Identifier] = field(default_factory=dict)
    names: set[_Name] = field(default_factory=set)
    parts: dict[str, None] = field(default_factory=dict)
    #: Her names, field by field, as rows spell them.
    called: dict[tuple[str, ...], None] = field(default_factory=dict)

    def known(self, one: Identifier) -> None:
        """Take up by what a row says whose it is."""
        if one.kind in LINKING:
            self.ids.setdefault((one.kind, one.normalised), one)
        elif one.kind in _MACHINES:
            self.machines.setdefault((one.kind, one.normalised), one)

    def name(self, parts: tuple[str, ...]) -> None:
        """Take up a name, given by the fields of a row that are not empty."""
        if words := same_name(" ".join(parts)):
            self.names.add(words)
            self.parts.update((fold(part), None) for part in parts if part.strip())
            self.called[parts] = None


def look(
    datamap: DataMap,
    stores: Mapping[str, Store],
    veil: Veil,
    is_name: IsName,
    people: Sequence[Sequence[Identifier]],
    own: Mapping[Place, KeyTable],
    before: Sequence[Sequence[Identifier]] = (),
    called: Sequence[tuple[int, tuple[str, ...]]] = (),
) -> Alike:
    """Look for what may be the people's, given by what they were searched and what was found.

    Each is judged as if she were alone: what is another's of them may be hers all the same.
    `before` and `called` are what rows of theirs said that are gone: by what each one was known,
    and names as `Alike.called` has them.
    """
    found = Alike()
    places = _places(datamap, stores)
    said = _heard(places, stores, is_name, people, own, found.unreached)
    for who, several in enumerate(before):
        for one in several:
            said[who].known(one)
    for who, parts in called:
        said[who].name(parts)
    found.hers = [list(one.ids.values()) for one in said]
    found.called = [(who, parts) for who, one in enumerate(said) for parts in one.called]
    given = _given(people)
    wanted = list(_wanted(given, said))
    common: set[int] = set()
    for place, dataset in places.items():
        if place[0] in found.unreached:
            continue
        mine: list[set[tuple[Value, ...]]] = [set() for _ in people]
        for who, key in own[place].rows if place in own else ():
            mine[who].add(norm(key))
        try:
            met = _search(
                stores[place[0]], place, dataset, is_name, wanted, given, said, mine, common, veil
            )  # fmt: skip
            keys = list(dict.fromkeys(one.key for one in met))
            veiled = hidden(veil, stores, place, dataset.key, keys)
        except StoreError as problem:
            found.unreached[place[0]] = str(problem)
            continue
        away = {key for key, hide in zip(keys, veiled, strict=True) if hide}
        found.met += [one for one in met if one.key not in away]
    found.met = _without_common(found.met, common)
    return found


def asked(
    datamap: DataMap,
    stores: Mapping[str, Store],
    is_name: IsName,
    people: Sequence[Sequence[Identifier]],
    own: Mapping[Place, KeyTable],
) -> Iterator[tuple[Place, Select]]:
    """What `look` asks of the stores, beside the people's own rows, which it reads here too."""
    away: dict[str, str] = {}
    places = _places(datamap, stores)
    said = _heard(places, stores, is_name, people, own, away)
    given = _given(people)
    wanted = list(_wanted(given, said))
    for place, dataset in places.items():
        if place[0] not in away:
            able = stores[place[0]].abilities.able(dataset.name, "search")
            for _, select in _selects(dataset, is_name, wanted, _mails(given, said), able=able):
                yield place, select


def _places(datamap: DataMap, stores: Mapping[str, Store]) -> dict[Place, Dataset]:
    return {
        (system.name, dataset.name): dataset
        for system in datamap.systems.values()
        if system.name in stores and system.name != SYSTEM.name
        and not stores[system.name].abilities.word
        for dataset in system.datasets.values()
        if dataset.on_erase is not OnErase.NEVER and (_strong(dataset) or _weak(dataset))
    }  # fmt: skip


def _given(people: Sequence[Sequence[Identifier]]) -> list[dict[tuple[str, str], Identifier]]:
    return [{(i.kind, i.normalised): i for i in one} for one in people]


def _heard(
    places: Mapping[Place, Dataset], stores: Mapping[str, Store], is_name: IsName,
    people: Sequence[Sequence[Identifier]], own: Mapping[Place, KeyTable], away: dict[str, str],
) -> list[_Said]:  # fmt: skip
    """What everybody's own rows say; systems that could not be asked are added to `away`."""
    said = [_Said() for _ in people]
    for place, dataset in places.items():
        if place in own and place[0] not in away:
            try:
                _listen(said, stores[place[0]], dataset, is_name, own[place])
            except StoreError as problem:
                away[place[0]] = str(problem)
    return said


def _strong(dataset: Dataset) -> list[Field]:
    return [f for f in dataset.fields.values() if f.identifies in LINKING]


def _weak(dataset: Dataset) -> list[Field]:
    """What says which machine it was, and so perhaps who."""
    return [f for f in dataset.fields.values() if f.identifies in _MACHINES]


def _naming(dataset: Dataset, is_name: IsName) -> list[Field]:
    return [
        f for f in dataset.fields.values()
        if f.type == "text" and (f.identifies == "name" or is_name(f.category))
    ]  # fmt: skip


def told_by(dataset: Dataset, is_name: IsName) -> tuple[str, ...]:
    """The fields of a dataset that say whose its rows are."""
    told = (*_strong(dataset), *_naming(dataset, is_name), *_weak(dataset))
    return tuple(dict.fromkeys(f.name for f in told))


def _listen(
    said: list[_Said], store: Store, dataset: Dataset, is_name: IsName, table: KeyTable
) -> None:
    strong, naming, weak = _strong(dataset), _naming(dataset, is_name), _weak(dataset)
    with store.session() as session:
        for _, batch in session.read([by_key(dataset.name, table, told_by(dataset, is_name))]):
            for who, row in _rows(batch):
                for one in _identifiers([*strong, *weak], row):
                    said[who].known(one)
                said[who].name(_name(naming, row))


def _wanted(
    given: Sequence[Mapping[tuple[str, str], Identifier]], said: Sequence[_Said]
) -> Iterator[_Wanted]:
    called: dict[tuple[frozenset[_Name], frozenset[str]], list[int]] = {}
    for who, (known, own) in enumerate(zip(given, said, strict=True)):
        for key, one in own.machines.items():
            if key not in known:
                texts = spellings(one) if one.kind == "ip" else (one.value, one.normalised)
                yield _Wanted(who, "same-machine", one.kind, texts, one)
        every = {**known, **{k: i for k, i in own.ids.items() if i.kind != "account"}}
        for key, one in every.items():
            if key not in known:
                cased = one.kind not in ("email", "phone")
                texts = (one.value, one.normalised) if cased else spellings(one)
                yield _Wanted(who, "unproven", one.kind, texts, one)
            for reason, texts in variants(one):
                # 49 30 123456 is a number abroad, or one of another country dialled at home.
                more = (one.normalised[1:],) if reason == "national" else ()
                yield _Wanted(who, reason, one.kind, (*texts, *more))
        if own.names:
            called.setdefault((frozenset(own.names), frozenset(own.parts)), []).append(who)
    for (names, _), (who, *also) in called.items():
        whole = (" ".join(one) for words in sorted(names) for one in _orders(words))
        # Two machines write the accents of one name in two ways.
        texts = tuple(dict.fromkeys(
            unicodedata.normalize(form, text)
            for text in (*said[who].parts, *map(fold, whole)) for form in ("NFC", "NFD")
        ))  # fmt: skip
        yield _Wanted(who, "namesake", "name", texts, also=tuple(also))


def _orders(words: _Name) -> Iterator[_Name]:
    """The words of a name in every order, where they are few; else as they are."""
    return itertools.permutations(words) if len(words) <= FEW else iter((words,))


def _selects(
    dataset: Dataset, is_name: IsName, wanted: Sequence[_Wanted],
    theirs: Sequence[Sequence[Identifier]], *, able: bool,
) -> list[tuple[Field | None, Select]]:  # fmt: skip
    """What to ask of a dataset: by what is wanted (the persons of the Select are its numbers), and
    of each field of addresses those of theirs with a tag, of telephone numbers those dialled at
    home in groups of their own. `able`: texts of the dataset can be searched.
    """
    strong, naming, weak = _strong(dataset), _naming(dataset, is_name), _weak(dataset)
    fields = tuple(dict.fromkeys((*dataset.key, *told_by(dataset, is_name))))
    routes = [
        route
        for f in (*strong, *naming, *weak)
        if (route := _route(f, "name" if f in naming else str(f.identifies), wanted))
    ]
    found: list[tuple[Field | None, Select]] = []
    if routes:
        found.append((None, Select(dataset.name, dataset.key, tuple(routes), fields=fields)))
    home = {digits: None for one in wanted for digits in _at_home(one)}
    for f in strong if home and able else ():
        if f.identifies == "phone" and f.type == "text":
            only = Contains(f.name, tuple(home), bare=True)
            found.append((f, Select(dataset.name, dataset.key, only=only, fields=fields)))
    mails = [f for f in strong if f.identifies == "email" and f.type == "text"]
    texts = {f"{untagged(i).rpartition('@')[0]}+": None for one in theirs for i in one}
    if mails and texts and able:
        # Of many people each row would be searched for each: few rows hold a tag at all.
        named = ("+",) if len(texts) > MANY else tuple(texts)
        for f in mails:
            only = Contains(f.name, named)
            found.append((f, Select(dataset.name, dataset.key, only=only, fields=fields)))
    return found


def _at_home(one: _Wanted) -> tuple[str, ...]:
    """The digits of a number as it is dialled at home."""
    if one.reason != "national":
        return ()
    return tuple(dict.fromkeys(_digits(text) for text in one.texts))


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdecimal())


def _mails(
    given: Sequence[Mapping[tuple[str, str], Identifier]], said: Sequence[_Said]
) -> list[list[Identifier]]:
    """Of each one the addresses that were given, and that her own rows say."""
    return [
        [i for i in {**own.ids, **known}.values() if i.kind == "email"]
        for known, own in zip(given, said, strict=True)
    ]


def _search(
    store: Store, place: Place, dataset: Dataset, is_name: IsName, wanted: Sequence[_Wanted],
    given: Sequence[Mapping[tuple[str, str], Identifier]], said: Sequence[_Said],
    mine: Sequence[set[tuple[Value, ...]]], common: set[int], veil: Veil,
) -> list[Met]:  # fmt: skip
    """What is met in a dataset. Whoever carries a name that more than `COMMON` others here do is
    added to `common`, and nothing is met by that name. What is retained counts nobody.
    """
    strong, naming = _strong(dataset), _naming(dataset, is_name)
    met: dict[tuple[int, str, tuple[Value, ...]], Met] = {}

    def add(who: int, reason: str, row: Mapping[str, Value], by: Identifier | None) -> None:
        key = tuple(row[name] for name in dataset.key)
        if norm(key) in mine[who]:
            return
        hers = {**said[who].ids, **given[who]}
        others = [i for i in _identifiers(strong, row) if (i.kind, i.normalised) not in hers]
        name = _words(naming, row)
        if reason == "same-machine" and (others or name):
            return  # that says whose it is: somebody else's at the same machine
        if reason == "unproven" and (others or name) and name not in said[who].names and name:
            reason = "shared"
        strongest = min(others, key=_strength, default=None)
        other = by if reason in ("unproven", "shared") else strongest
        met.setdefault((who, reason, key), Met(who, reason, place, key, other))

    heads: dict[str, list[tuple[int, Identifier]]] = {}
    theirs = _mails(given, said)
    for who, mails in enumerate(theirs):
        for i in mails:
            heads.setdefault(untagged(i), []).append((who, i))
    # Numbers that only her own rows say: others that carry them, in groups of their own.
    numbers: dict[str, list[tuple[int, Identifier]]] = {}
    for who, (known, own) in enumerate(zip(given, said, strict=True)):
        for named, i in own.ids.items():
            if i.kind == "phone" and named not in known:
                numbers.setdefault(i.normalised, []).append((who, i))
    at_home: dict[str, list[int]] = {}
    for one in wanted:
        for digits in _at_home(one):
            at_home.setdefault(digits, []).append(one.who)
    able = store.abilities.able(dataset.name, "search")
    todo = _selects(dataset, is_name, wanted, theirs, able=able)
    if not todo:
        return []
    namesakes: dict[int, tuple[list[dict[str, Value]], set[object]]] = {}
    with store.session() as session:
        for index, batch in session.read([select for _, select in todo]):
            mail = todo[index][0]
            for number, row in _rows(batch):
                if mail is not None and mail.identifies == "phone":
                    text = str(row[mail.name])
                    whole = whole_number(text)
                    for who, i in numbers.get(whole or "", ()):
                        add(who, "unproven", row, i)
                    if whole is not None and not any(c.isalpha() for c in text):
                        continue  # hers, or a number of somebody else that only begins like it
                    held = _digits(text)
                    for who in {w for d, several in at_home.items() if d in held for w in several}:
                        add(who, "national", row, None)
                    continue
                if mail is not None:
                    for there in _identifiers([mail], row):
                        for who, i in heads.get(untagged(there), ()):
                            if tagged(i, there):
                                add(who, "plus-tag", row, None)
                    continue
                one = wanted[number]
                if one.kind != "name":
                    add(one.who, one.reason, row, one.by)
                elif _words(naming, row) in said[one.who].names:  # and not a part of it alone
                    rows, carriers = namesakes.setdefault(number, ([], set()))
                    if len(carriers) <= COMMON + max(len(mine[w]) for w in (one.who, *one.also)):
                        rows.append(row)
                        key = tuple(row[name] for name in dataset.key)
                        if not veil.hidden(*place, [key])[0]:
                            whose = min(_identifiers(strong, row), key=_strength, default=None)
                            carriers.add((whose.kind, whose.normalised) if whose else key)
    for number, (rows, carriers) in namesakes.items():
        for who in (wanted[number].who, *wanted[number].also):
            if len(carriers) > COMMON + len(mine[who]):
                common.add(who)
            else:
                for row in rows:
                    add(who, "namesake", row, None)
    return list(met.values())


def _strength(one: Identifier) -> int:
    """The lower, the more an identifier says of whose something is."""
    return LINKING.index(one.kind)


def _route(item: Field, kind: str, wanted: Sequence[_Wanted]) -> Route | None:
    exact = kind in ("account", "cookie", "device") or item.indexed_exact or item.type != "text"
    rows: list[KeyRow] = []
    for number, one in enumerate(wanted):
        if one.kind != kind:
            continue
        for text in one.texts:
            value = coerce(text, item.type)
            if value is not None:
                rows.append((number, (value,)))
    if not rows:
        return None
    return Route(KeyTable((item.name,), tuple(dict.fromkeys(rows))), folded=not exact)


def _rows(batch: Batch) -> Iterator[tuple[int, dict[str, Value]]]:
    for who, row in zip(batch.persons, batch.rows, strict=True):
        yield who, dict(zip(batch.columns, row, strict=True))


def _identifiers(fields: Sequence[Field], row: Mapping[str, Value]) -> list[Identifier]:
    found = []
    for f in fields:
        value = row.get(f.name)
        if value is None or not str(value).strip():
            continue
        one = Identifier(str(f.identifies), str(value))
        try:
            _ = one.normalised
        except IdentifierError:
            continue  # not of its kind: it leads to nobody
        found.append(one)
    return found


def _name(fields: Sequence[Field], row: Mapping[str, Value]) -> tuple[str, ...]:
    """The name that a row gives, field by field, as it stands there."""
    return tuple(str(row[f.name]) for f in fields if row.get(f.name) is not None)


def _words(fields: Sequence[Field], row: Mapping[str, Value]) -> _Name:
    return same_name(" ".join(_name(fields, row)))


def _without_common(met: Sequence[Met], common: Collection[int]) -> list[Met]:
    """Namesakes only where they are few; none of whose name is known to be `common`."""
    carried: dict[int, set[object]] = {}
    for one in met:
        if one.reason == "namesake":
            by = one.other
            named: object = (by.kind, by.normalised) if by else (one.place, one.key)
            carried.setdefault(one.who, set()).add(named)
    return [
        one for one in met
        if one.reason != "namesake" or (one.who not in common and len(carried[one.who]) <= COMMON)
    ]  # fmt: skip
