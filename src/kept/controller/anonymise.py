"""Making rows anonymous: how many are alike, and whether anybody can be recognised afterwards."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kept.controller.retained import named, read
from kept.datamap import anonymise
from kept.datamap.map import DataMap, Dataset, Field, OnErase
from kept.datamap.reach import Place
from kept.decide.anonymise import Crowd, settle
from kept.decide.ties import Key, norm
from kept.errors import StoreError
from kept.model.change import Assignment, Const
from kept.model.plan import Action, Plan, Step
from kept.model.predicate import EVERYTHING, Predicate
from kept.model.select import KeyRow, Select
from kept.model.values import Value, coerce, fold
from kept.stores.base import Session, Store
from kept.terms.identifiers import Identifier, spellings

#: Shorter words name nobody and stand in every text.
_SHORTEST: Final = 4
_HASHES: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b")
#: A run of hexadecimal digits that is as long as what one of these makes.
_DIGEST: Final = re.compile(
    r"(?<![0-9a-f])(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{64}|[0-9a-f]{96}"
    r"|[0-9a-f]{128})(?![0-9a-f])"
)


class Anonymity:
    """The stores, as far as rows in them are to be nobody's. Values never leave it but to the
    case that seals them (`former`).
    """

    def __init__(
        self,
        datamap: DataMap,
        stores: Mapping[str, Store],
        realised: Callable[[Iterable[str]], DataMap],
    ) -> None:
        self._datamap, self._stores, self._realised = datamap, stores, realised

    def settled(self, plan: Plan) -> Plan:
        """The plan with rows emptied that would be alone after they were made anonymous."""
        systems = {s.system for s in plan.steps if s.action is Action.ANONYMISE}
        if not systems:
            return plan
        datamap = self._realised(systems)
        return settle(plan, datamap, crowds(datamap, self._stores, plan))

    def former(self, steps: Iterable[Step]) -> list[KeyRow]:
        """(person, value) by which rows name her that are to be made anonymous."""
        return former(self._datamap, self._stores, steps)

    def recognised(
        self, step: Step, identifiers: Iterable[Identifier], values: Iterable[str]
    ) -> int:
        """How many rows of an anonymising step still hold something by which she was known."""
        return recognised(self._stores, step, Needles(identifiers, values))

    def look(self) -> Iterator[Anonymous]:
        """For every dataset whose rows are made anonymous: whether they are; counts."""
        yield from look(self._datamap, self._stores)


def crowds(datamap: DataMap, stores: Mapping[str, Store], plan: Plan) -> dict[Place, Crowd]:
    """What the planner has to know to see whether a row would be alone; two reads per dataset."""
    found: dict[Place, Crowd] = {}
    for step in plan.steps:
        place = (step.system, step.dataset)
        if step.action is not Action.ANONYMISE:
            continue
        dataset = datamap.dataset(*place)
        told, nobodys = anonymise.told(dataset), anonymise.nobodys(dataset)
        said: dict[Key, tuple[Value, ...]] = {}
        for row in read(stores, place, step.keys).values():
            said[norm(tuple(row[k] for k in dataset.key))] = tuple(row[name] for name in told)
        there: Counter[tuple[Value, ...]] = Counter()
        if nobodys is not None and nobodys != EVERYTHING and told:
            with stores[step.system].session() as session:
                there = _groups(
                    session, Select(dataset.name, dataset.key, only=nobodys, fields=told)
                )
        before = found[place].said if place in found else {}
        found[place] = Crowd({**before, **said}, there)
    return found


def _groups(session: Session, select: Select) -> Counter[tuple[Value, ...]]:
    groups: Counter[tuple[Value, ...]] = Counter()
    for _, batch in session.read([select]):
        at = [batch.columns.index(name) for name in select.fields]
        groups.update(tuple(row[i] for i in at) for row in batch.rows)
    return groups


def former(datamap: DataMap, stores: Mapping[str, Store], steps: Iterable[Step]) -> list[KeyRow]:
    """(person, value) of all by which these rows named her: for the test afterwards."""
    found: dict[KeyRow, None] = {}
    for step in steps:
        if step.action is not Action.ANONYMISE:
            continue
        place = (step.system, step.dataset)
        names = [f.name for f in anonymise.naming(datamap.dataset(*place))]
        rows = read(stores, place, step.keys)
        for who, key in step.keys.rows:
            row = rows.get(named(key))
            for name in names if row is not None else ():
                value = row[name] if row is not None else None
                if isinstance(value, str) and value.strip():
                    found[who, (value,)] = None
    return list(found)


class Needles:
    """All by which somebody could be recognised: what named her, in its spellings, and hashes.

    Numbers are left out: a number that happens to be hers proves nothing.
    """

    def __init__(self, identifiers: Iterable[Identifier], values: Iterable[str]) -> None:
        plain: set[str] = set()
        for one in identifiers:
            plain |= {one.value, one.normalised, *spellings(one)}
        plain |= set(values)
        plain = {fold(text) for text in plain} | {text.strip() for text in plain}
        words = {t for t in plain if len(t) >= _SHORTEST and not t.lstrip("+-").isdigit()}
        self._words = {fold(word) for word in words}
        # Others hash what they hold, and some write addresses in capitals before.
        self._digests = {
            hashlib.new(name, text.encode()).hexdigest()
            for text in plain | {text.upper() for text in plain}
            if text
            for name in _HASHES
        }

    def met(self, value: Value) -> bool:
        """Whether a value holds one of them, as text or as a hash of it."""
        if isinstance(value, bytes):
            return value.hex() in self._digests
        if not isinstance(value, str):
            return False
        text = fold(value)
        if any(word in text for word in self._words):
            return True
        # MD5 is also written in groups, as a UUID.
        return any(
            part in self._digests for form in {text, text.replace("-", "")}
            for part in _DIGEST.findall(form)
        )  # fmt: skip


def recognised(stores: Mapping[str, Store], step: Step, needles: Needles) -> int:
    """How many rows of an anonymising step still hold something by which she was known."""
    rows = read(stores, (step.system, step.dataset), step.keys).values()
    return sum(any(needles.met(value) for value in row.values()) for row in rows)


@dataclass(frozen=True, slots=True)
class Anonymous:
    """What a look at the rows of nobody in one dataset found, in rows.

    `alone`: in groups smaller than the map wants; `naming`: with a value that looks like an
    e-mail address or a hash.
    """

    system: str
    dataset: str
    rows: int = 0
    alone: int = 0
    naming: int = 0
    problem: str | None = None


def look(datamap: DataMap, stores: Mapping[str, Store]) -> Iterator[Anonymous]:
    """Every dataset whose rows are made anonymous, looked at in full."""
    for system in datamap.systems.values():
        for dataset in system.datasets.values():
            if dataset.on_erase is not OnErase.ANONYMISE:
                continue
            only = anonymise.nobodys(dataset)
            if only is None or system.name not in stores:
                yield Anonymous(system.name, dataset.name, problem="nothing tells its rows apart")
                continue
            try:
                with stores[system.name].session() as session:
                    yield _looked(session, system.name, dataset, only)
            except StoreError as problem:
                yield Anonymous(system.name, dataset.name, problem=problem.what)


def _looked(session: Session, system: str, dataset: Dataset, only: Predicate) -> Anonymous:
    told, k = anonymise.told(dataset), dataset.k or 2
    empty = anonymise.assigned(dataset, rare=True)
    nothing = tuple(_constant(empty.get(name), dataset.fields[name]) for name in told)
    groups: Counter[tuple[Value, ...]] = Counter()
    rows = naming = 0
    for _, batch in session.read([Select(dataset.name, dataset.key, only=only)]):
        at = [batch.columns.index(name) for name in told]
        rows += len(batch.rows)
        naming += sum(any(_names(value) for value in row) for row in batch.rows)
        groups.update(tuple(row[i] for i in at) for row in batch.rows)
    alone = sum(n for said, n in groups.items() if n < k and said != nothing)
    return Anonymous(system, dataset.name, rows, alone, naming)


def _constant(what: Assignment | None, item: Field) -> Value:
    return coerce(what.value, item.type) if isinstance(what, Const) else None


def _names(value: Value) -> bool:
    """Whether a value looks as if it led to somebody."""
    if not isinstance(value, str):
        return False
    return bool(_DIGEST.search(value.lower())) or any(
        "@" in word and not word.endswith(".invalid") for word in value.split()
    )
