"""The suite is itself tested: each fault planted in a store must be caught by some law."""

from __future__ import annotations

import inspect
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.stores.engines import Cupboard, drawers, fill_sqlite

from kept.errors import StoreError
from kept.model.change import Assignment, Change, Const
from kept.model.generalise import Generalise
from kept.model.plan import Counts, Obstacle
from kept.model.predicate import Predicate
from kept.model.redact import Redact
from kept.model.select import Batch, KeySet, KeyTable, Route, Select
from kept.model.values import Value
from kept.stores.base import Store
from kept.stores.memory import MemorySession, MemoryStore
from kept.stores.sqlite import SQLiteSession, SQLiteStore
from kept.stores.suite import DATASETS, Rows, StoreSuite


def broken_laws(suite: StoreSuite) -> list[str]:
    """The first deterministic law that the store breaks, if any."""
    for name, law in inspect.getmembers(suite, inspect.ismethod):
        if name.startswith("test_") and "agree" not in name:
            try:
                law()
            except Exception:  # whatever breaks, breaks the law
                return [name]
    return []


class Faulty(SQLiteSession):
    """A real SQLite session with a twist in its statements or its doings."""

    def twist(self, text: str) -> str:
        return text

    def params(self, params: Sequence[Any]) -> Sequence[Any]:
        return params

    def prepare(self, connection: sqlite3.Connection) -> None: ...

    def _execute(self, dataset: str | None, text: str, params: Sequence[Any] = ()) -> Any:
        if not hasattr(self, "_prepared"):
            self._prepared = True
            self.prepare(self._connection)
        return super()._execute(dataset, self.twist(text), self.params(params))


FAULTS: dict[str, type[Faulty]] = {}


def fault(cls: type[Faulty]) -> type[Faulty]:
    FAULTS[cls.__name__] = cls
    return cls


@fault
class LikeForEquals(Faulty):
    def twist(self, text: str) -> str:
        return text.replace(" = ?", " LIKE ?")


@fault
class BeforeIncludesTheMoment(Faulty):
    def twist(self, text: str) -> str:
        return text.replace("< ?", "<= ?")


@fault
class DeletesWithoutWhere(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(
            r"^(DELETE FROM \S+) WHERE .*\?.*", r"\1 WHERE ? IS NOT 0.5", text, flags=re.S
        )


@fault
class DeletesTooMuch(Faulty):
    def twist(self, text: str) -> str:
        if not text.startswith("DELETE"):
            return text
        return re.sub(r'\("line"\."order_id", "line"\."n"\) IN \(SELECT (.*?), .*? \nFROM',
                      r'"line"."order_id" IN (SELECT \1 \nFROM', text)  # fmt: skip


@fault
class ChangesOnlyTheFirstRow(Faulty):
    def twist(self, text: str) -> str:
        made = re.match(r'^(DELETE FROM|UPDATE) ("\w+")(.*?) WHERE (.*)$', text, re.S)
        if made is None or " FROM " in made[3]:
            return text
        verb, table, sets, where = made.groups()
        first = f"SELECT rowid FROM {table} WHERE {where} LIMIT 1"
        return f"{verb} {table}{sets} WHERE {table}.rowid IN ({first})"


@fault
class ForgetsToCommit(Faulty):
    def commit(self) -> None:
        self._open()


@fault
class RollsBackButReports(Faulty):
    def commit(self) -> None:
        self.rollback()


@fault
class CommitsTooEarly(Faulty):
    def carry_out(self, changes: Sequence[Change]) -> list[Counts]:
        counts = super().carry_out(changes)
        self.commit()
        return counts


@fault
class FoldsEveryLetter(Faulty):
    def prepare(self, connection: sqlite3.Connection) -> None:
        connection.create_function("lower", 1, lambda s: s.lower() if isinstance(s, str) else s)


@fault
class DoesNotTrim(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(r"trim\((\S+), char\([0-9, ]+\)\)", r"\1", text)


@fault
class IgnoresCase(Faulty):
    def twist(self, text: str) -> str:
        return text.replace("BINARY", "NOCASE")


@fault
class CountsOfTheWrongAttempt(Faulty):
    before: ClassVar[dict[Any, list[Counts]]] = {}

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        counts = super().apply(changes, step)
        return self.before.setdefault((str(self.store.path), step, len(counts)), counts)


@fault
class ReportsWhatItFound(Faulty):
    def _change(self, changes: Sequence[Any]) -> list[Counts]:
        return [replace(c, changed=c.found) for c in super()._change(changes)]


@fault
class ParametersInTheWrongOrder(Faulty):
    def params(self, params: Sequence[Any]) -> Sequence[Any]:
        return list(reversed(params))


@fault
class IgnoresTheJoinPath(Faulty):
    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        return super().read([self._short(s) for s in selects])

    def _short(self, select: Select) -> Select:
        columns = self.store.table(select.dataset).columns
        routes = tuple(
            Route(r.keys, (), r.folded) if set(r.fields) <= set(columns) else r
            for r in select.routes
        )
        return replace(select, routes=routes)


@fault
class NullLinksMatch(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(
            r"(ON \S+ COLLATE \"BINARY\"\)|ON \(\S+ COLLATE \"BINARY\"\)) =", r"\1 IS", text
        )


@fault
class HoldsWhatLooksAlike(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(r"instr\((lower\(.*?\)), \?\) > 0", r"\1 LIKE '%' || ? || '%'", text)


@fault
class CoarseForAllAlike(Faulty):
    def computed(self, change: Change) -> Iterator[tuple[int, Any]]:
        one = {n: Const(None) if isinstance(a, (Generalise, Redact)) else a
               for n, a in (change.assign or {}).items()}  # fmt: skip
        return super().computed(replace(change, assign=one))


@fault
class NotOfANullIsUnknown(Faulty):
    def twist(self, text: str) -> str:
        return text.replace(" IS NOT 1", " = 0")


@fault
class TemplateFromTheWrongRow(Faulty):
    def twist(self, text: str) -> str:
        return text.replace('CAST("person"."id" AS TEXT)', '(SELECT max("id") FROM "person")')


@fault
class EveryRowIsTheFirstPersons(Faulty):
    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        for index, batch in super().read(selects):
            yield index, replace(batch, persons=[batch.persons[0]] * len(batch.rows))


@fault
class KeysWithTheWrongPerson(Faulty):
    def keys(self, selects: Sequence[Select]) -> KeySet:
        found = super().keys(selects)
        return KeySet(
            {
                n: KeyTable(t.fields, tuple((1 - who, key) for who, key in t.rows))
                for n, t in found.items()
            }
        )


@fault
class RowsOfTwoRoutesTwice(Faulty):
    def twist(self, text: str) -> str:
        return text.replace(" UNION ", " UNION ALL ").replace("SELECT DISTINCT", "SELECT")


@fault
class CountsRowsOncePerRoute(Faulty):
    def count(self, selects: Sequence[Select]) -> list[int]:
        count = super().count
        return [
            sum(count([replace(s, routes=(r,))])[0] for r in s.routes)
            if s.routes
            else count([s])[0]
            for s in selects
        ]


@fault
class RehearsalStays(Faulty):
    def _attempt(self, changes: Sequence[Change]) -> list[Obstacle]:
        self.carry_out(changes)
        return []


@fault
class ForgetsTheNarrowing(Faulty):
    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        from kept.model.predicate import EVERYTHING

        return super().read([replace(s, only=EVERYTHING) if s.routes else s for s in selects])


@fault
class LosesTheSnapshot(Faulty):
    def count(self, selects: Sequence[Select]) -> list[int]:
        counts = super().count(selects)
        if not self.write:
            self._abandon()
        return counts


@fault
class WritesNullAsText(Faulty):
    def twist(self, text: str) -> str:
        return re.sub(r"^(UPDATE .*?)=NULL", r"\1=''", text)


class FaultySuite(StoreSuite):
    constraints = frozenset(("unique", "not-null", "foreign-key"))

    def __init__(self, path: Path, session: type[SQLiteSession]) -> None:
        self.path = path
        connection = sqlite3.connect(path)
        connection.execute("pragma journal_mode = wal")
        connection.close()

        class FaultyStore(SQLiteStore):
            def session(self, *, write: bool = False) -> SQLiteSession:
                connection = self.connect(write=write)
                connection.execute("pragma synchronous = off")  # no test here cuts the power
                return session(self, connection, write=write)

        self.kind = FaultyStore

    def make(self, rows: Rows) -> Store:
        fill_sqlite(self.path, rows)
        return self.open()

    def open(self) -> Store:
        return self.kind("faulty", DATASETS, f"sqlite:///{self.path}")

    def beneath(self, layer: str) -> list[bytes]:
        end = {"pages": "", "write-ahead log": "-wal"}[layer]
        return [self.path.with_name(self.path.name + end).read_bytes()]


def test_the_same_session_without_a_fault_passes(tmp_path: Path) -> None:
    assert broken_laws(FaultySuite(tmp_path / "x.db", Faulty)) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_sqlite_is_caught(name: str, tmp_path: Path) -> None:
    assert broken_laws(FaultySuite(tmp_path / "x.db", FAULTS[name]))


# ---------------------------------------------------------------- faults of other authors


class Memory(StoreSuite):
    session: type[MemorySession] = MemorySession

    def make(self, rows: Rows) -> Store:
        kind = self.session

        class FaultyMemory(MemoryStore):
            def session(self, *, write: bool = False) -> MemorySession:
                return kind(self, self._version, dict(self._rows), write)

        self.store = FaultyMemory("memory", DATASETS, rows=rows)
        return self.store

    def open(self) -> Store:
        return self.store


class FunctionsSeeTheNewValues(MemorySession):
    def _one(self, change: Change) -> Counts:
        counts = Counts()
        assign: dict[str, Assignment | None] = dict(change.assign or {"": None})
        for name, how in assign.items():
            one = None if how is None else {name: how}
            counts = super()._one(Change(change.select, one))
        return counts


class UndoesNothing(MemorySession):
    def rollback(self) -> None: ...


class ValuesInErrors(MemorySession):
    def _of(self, dataset: str) -> Any:
        if dataset not in self._rows:
            raise StoreError(f"no {dataset} for Geheim-4711")
        return super()._of(dataset)


class ForgetsOtherFields(MemorySession):
    def _one(self, change: Change) -> Counts:
        if change.assign:
            extra: dict[str, Assignment] = {"photo": Const(None)}
            if change.select.dataset == "person":
                change = Change(change.select, {**extra, **change.assign})
        return super()._one(change)


@pytest.mark.parametrize(
    "session", [FunctionsSeeTheNewValues, UndoesNothing, ValuesInErrors, ForgetsOtherFields]
)
def test_a_fault_in_memory_is_caught(session: type[MemorySession]) -> None:
    suite = Memory()
    suite.session = session
    assert broken_laws(suite)


class Lies(Cupboard):
    """Says it wrote and did nothing."""

    def _write(self, dataset: str, key: Any, new: Any) -> None: ...


class ReadsTooLittle(Cupboard):
    def _read(self, dataset: str, only: Predicate) -> Any:
        return list(super()._read(dataset, only))[:3]


class MixesUpKeys(Cupboard):
    def _write(self, dataset: str, key: Any, new: Any) -> None:
        super()._write(dataset, dict(zip(key, reversed(list(key.values())), strict=True)), new)


class Shelf(StoreSuite):
    def __init__(self, kind: Callable[..., Cupboard]) -> None:
        self.kind = kind

    def make(self, rows: Rows) -> Store:
        self.content_ = drawers(rows)
        return self.kind(self.content_)

    def open(self) -> Store:
        return self.kind(self.content_)


@pytest.mark.parametrize("kind", [Lies, ReadsTooLittle, MixesUpKeys])
def test_a_fault_in_a_row_store_is_caught(kind: Callable[..., Cupboard]) -> None:
    assert broken_laws(Shelf(kind))


def test_a_row_store_that_lies_claims_nothing() -> None:
    content = drawers({"person": [{"id": 1, "email": "a@x.de"}], "order": [], "line": []})
    keys: tuple[tuple[int, tuple[Value, ...]], ...] = ((0, (1,)),)
    change = Change(Select("person", ("id",), (Route(KeyTable(("id",), keys)),)))
    with Lies(content).session(write=True) as session:
        assert session.apply([change], "step") == [Counts(found=1, changed=0)]
