"""MemoryStore: rows in memory. It is the law written out: what other stores must agree with."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from kept.datamap.map import Dataset, Field
from kept.errors import NotAble, StoreError
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.select import Batch, KeyRow, KeySet, KeyTable, Select
from kept.model.values import Type, Value
from kept.stores.base import Session, Store
from kept.stores.rows import Row, assigned, batches, found, held

_CHUNK: Final = 2000


class MemoryStore(Store):
    """Rows per dataset. Sessions see one moment; of two that write at once the later fails."""

    abilities = Abilities(grain="store", snapshot=True)

    def __init__(
        self,
        system: str,
        mapped: Iterable[Dataset] = (),
        url: str = "",
        *,
        rows: Mapping[str, Iterable[Row]] | None = None,
    ) -> None:
        super().__init__(system, mapped)
        self._lock = threading.Lock()
        self._version = 0
        self._rows: dict[str, list[Row]] = {name: [] for name in self.mapped}
        for name, given in (rows or {}).items():
            self._rows[name] = [dict(row) for row in given]

    def datasets(self) -> Iterable[Dataset]:
        """The mapped datasets, and others that hold rows (their fields as the first row's)."""
        for name, rows in self._rows.items():
            known = self.mapped.get(name)
            if known is not None:
                yield known
            else:
                yield Dataset(name, (), {field: Field(field) for field in (rows or [{}])[0]})

    def session(self, *, write: bool = False) -> MemorySession:
        """A snapshot, or a transaction on one."""
        with self._lock:
            return MemorySession(self, self._version, dict(self._rows), write)

    def replace(self, version: int, rows: dict[str, list[Row]]) -> int:
        """Take over a transaction begun at `version`; StoreError if another came first."""
        with self._lock:
            if version != self._version:
                raise StoreError(
                    f"`{self.system}` was changed by another session", fix="run it again"
                )
            self._rows, self._version = rows, version + 1
            return self._version


class MemorySession(Session):
    """Rows are never changed in place, so a snapshot is a copy of the lists only."""

    def __init__(
        self, store: MemoryStore, version: int, rows: dict[str, list[Row]], write: bool
    ) -> None:
        self._store, self._version, self._write = store, version, write
        self._rows = rows
        self._before = dict(rows)
        self._closed = False

    def _of(self, dataset: str) -> list[Row]:
        if self._closed:
            raise StoreError(f"a closed session of `{self._store.system}` was used again")
        try:
            return self._rows[dataset]
        except KeyError:
            raise StoreError(
                f"`{self._store.system}` has no dataset `{dataset}`",
                fix="compare the map with the store: `kept map check`",
            ) from None

    def _kind(self, dataset: str, field: str) -> Type:
        known = self._store.mapped.get(dataset)
        if known is None:
            return "text"
        if field not in known.fields:
            raise StoreError(f"`{dataset}` has no field `{field}`")
        return known.fields[field].type

    def _found(self, select: Select) -> Iterable[tuple[Row, list[int]]]:
        return found(select, self._of, self._kind)

    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        """Rows that match, each once per person."""
        for index, select in enumerate(selects):
            known = self._store.mapped.get(select.dataset)
            rows = self._of(select.dataset)
            columns = tuple(known.fields) if known else tuple(rows[0]) if rows else ()
            for batch in batches(select, self._found(select), columns, _CHUNK):
                yield index, batch

    def keys(self, selects: Sequence[Select]) -> KeySet:
        """The keys of the rows that match."""
        tables: dict[str, tuple[tuple[str, ...], dict[KeyRow, None]]] = {}
        for select in selects:
            _, into = tables.setdefault(select.dataset, (select.key, {}))
            for row, people in self._found(select):
                key = tuple(row.get(name) for name in select.key)
                into.update(((person, key), None) for person in people)
        return KeySet({name: KeyTable(key, tuple(rows)) for name, (key, rows) in tables.items()})

    def count(self, selects: Sequence[Select]) -> list[int]:
        """Distinct rows."""
        return [sum(1 for _ in self._found(select)) for select in selects]

    def rehearse(self, changes: Sequence[Change]) -> list[Obstacle]:
        """Memory has no rules to run into."""
        raise NotAble(f"`{self._store.system}` cannot rehearse")

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """Carry out the changes in order."""
        if not self._write:
            raise StoreError(
                f"a reading session of `{self._store.system}` was asked to write",
                fix="open it with write=True",
            )
        return [self._one(change) for change in changes]

    def _one(self, change: Change) -> Counts:
        dataset = change.select.dataset
        met = {id(row) for row, _ in self._found(change.select)}
        rows: list[Row] = []
        changed = 0
        for row in self._of(dataset):
            if id(row) not in met:
                rows.append(row)
            elif change.assign is None:
                changed += 1
            else:
                new: dict[str, Value] = {
                    name: held(value, self._kind(dataset, name), dataset=dataset, field=name)
                    for name, value in assigned(change.assign, row).items()
                }
                differs = any(row.get(name) != value for name, value in new.items())
                changed += differs
                rows.append({**row, **new} if differs else row)
        self._rows[dataset] = rows
        return Counts(found=len(met), changed=changed)

    def commit(self) -> None:
        """Make it the store's content."""
        if self._write:
            self._version = self._store.replace(self._version, dict(self._rows))
            self._before = dict(self._rows)

    def rollback(self) -> None:
        """Back to the last commit."""
        self._rows = dict(self._before)

    def close(self) -> None:
        """Forget what is not committed."""
        self._closed = True
