"""RowStore: a store for an author in a hurry. Three methods; the rest is written here.

It promises correctness, not speed: what the author reads is filtered again by the law of
`model.predicate.matches`, links are walked in memory, rows are written one by one, and what
a write claims counts only after it was read back.

    class Letters(RowStore):
        def datasets(self): return [Dataset("letter", ("id",), {...})]
        def _read(self, dataset, only): return api.get("/letters")        # may give too much
        def _write(self, dataset, key, new): api.delete("/letters", key["id"])
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from kept.datamap.map import Dataset
from kept.errors import KeptError, NotAble, StoreError, StoreUnreachable
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.predicate import EVERYTHING, And, Eq, In, Predicate, matches
from kept.model.select import Batch, KeyRow, KeySet, KeyTable, Select
from kept.model.values import Type, Value, coerce, normal
from kept.stores.base import Session, Store
from kept.stores.rows import Row, assigned, batches, found, held

_T = TypeVar("_T")
_CHUNK: Final = 500


class RowStore(Store):
    """Write `datasets`, `_read` and `_write`; say in `abilities` what the system can do.

    Any exception of the author's code becomes a StoreError without its text, because texts
    of clients repeat values.
    """

    abilities = Abilities(grain="item")

    @abc.abstractmethod
    def _read(self, dataset: str, only: Predicate) -> Iterable[Row]:
        """All rows of `dataset` that match `only`, with all fields; more is allowed."""

    @abc.abstractmethod
    def _write(self, dataset: str, key: Row, new: Row | None) -> None:
        """Set the fields `new` of the one row with `key`, or delete it (None). Repeatable."""

    def session(self, *, write: bool = False) -> RowSession:
        """A handle; nothing is asked yet."""
        return RowSession(self, write)

    def dataset(self, name: str) -> Dataset:
        """The mapped dataset, else the one that is really there; StoreError if none is."""
        known = self.mapped.get(name)
        if known is None:
            known = next((d for d in self.datasets() if d.name == name), None)
        if known is None:
            raise StoreError(
                f"`{self.system}` has no dataset `{name}`",
                fix="compare the map with the store: `kept map check`",
            )
        return known


class RowSession(Session):
    """Reads through `_read`, writes through `_write` at once: the grain is the item."""

    def __init__(self, store: RowStore, write: bool) -> None:
        self._store, self._writes = store, write
        self._closed = False

    def _guarded(self, dataset: str, work: Callable[[], _T]) -> _T:
        if self._closed:
            raise StoreError(f"a closed session of `{self._store.system}` was used again")
        problem: StoreError
        try:
            return work()
        except KeptError:
            raise
        except OSError as error:  # connection errors and timeouts are among these
            problem = StoreUnreachable(
                f"`{self._store.system}` could not be asked",
                met=type(error).__name__,
                fix="see that the system runs, then run it again",
            )
        except Exception as error:  # the author's code may raise anything
            problem = StoreError(
                f"`{self._store.system}.{dataset}` reported an error", met=type(error).__name__
            )
        raise problem

    def _rows(self, dataset: str, only: Predicate = EVERYTHING) -> list[Row]:
        known = self._store.dataset(dataset)
        read = self._guarded(dataset, lambda: list(self._store._read(dataset, only)))
        return [{name: row.get(name) for name in known.fields} for row in read]

    def _kind(self, dataset: str, field: str) -> Type:
        known = self._store.dataset(dataset)
        if field not in known.fields:
            raise StoreError(f"`{dataset}` has no field `{field}`")
        return known.fields[field].type

    def _found(self, select: Select) -> Iterable[tuple[Row, list[int]]]:
        near = self._near(select)
        return found(select, lambda dataset: near[dataset], self._kind)

    def _near(self, select: Select) -> dict[str, list[Row]]:
        """Dataset → rows, each once, that hold all that the law can want on the select's routes.

        Each route is walked from its end to its start, so that a system which can search is
        asked for the rows of these people only.
        """
        rows: dict[str, dict[tuple[Value, ...], Row]] = {select.dataset: {}}

        def look(dataset: str, only: Predicate) -> list[Row]:
            kept = rows.setdefault(dataset, {})
            read = [row for row in self._rows(dataset, only) if matches(only, row)]
            kept.update((tuple(row.values()), row) for row in read)
            return read

        if not select.routes:
            look(select.dataset, select.only)
        for route in select.routes:
            steps = [*route.path]
            dataset = steps[-1].to if steps else select.dataset
            keys = [key for _, key in route.keys.rows]
            hint = self._among(dataset, route.fields, keys, route.folded)
            while steps:
                join = steps.pop()
                there = look(dataset, hint)
                dataset = steps[-1].to if steps else select.dataset
                keys = [tuple(row.get(name) for name in join.on) for row in there]
                hint = self._among(dataset, join.fields, keys, False)
            look(dataset, hint if select.only == EVERYTHING else And((select.only, hint)))
        return {name: list(found_.values()) for name, found_ in rows.items()}

    def _among(
        self,
        dataset: str,
        fields: Sequence[str],
        keys: Sequence[tuple[Value, ...]],
        folded: bool,
    ) -> Predicate:
        """Rows whose `fields` may equal one of `keys`: nobody's row that does is left out."""
        parts: list[Predicate] = []
        for at, field in enumerate(fields):
            kind = self._kind(dataset, field)
            forms: dict[Value, None] = {}
            for value in dict.fromkeys(key[at] for key in keys):
                # keys of other engines are equal in their common form (model.values.normal)
                for form in (value, normal(value)):
                    forms.update(dict.fromkeys((form, coerce(form, kind))))
            parts.append(In(field, tuple(v for v in forms if v is not None), folded))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        """Rows that match, each once per person."""
        for index, select in enumerate(selects):
            columns = tuple(self._store.dataset(select.dataset).fields)
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
        """Items cannot be tried and undone."""
        raise NotAble(f"`{self._store.system}` cannot rehearse")

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """Row by row; `changed` counts what a fresh read shows to be so."""
        able = self._store.abilities
        for change in changes:
            verb = "delete" if change.deletes else "change"
            if not (able.delete if change.deletes else able.update):
                raise NotAble(
                    f"`{self._store.system}` cannot {verb} rows",
                    expected="an ability that the store states",
                    fix="mark the dataset `erase: never`, or do it in the system itself",
                )
        if not self._writes:
            raise StoreError(
                f"a reading session of `{self._store.system}` was asked to write",
                fix="open it with write=True",
            )
        return [self._one(change) for change in changes]

    def _one(self, change: Change) -> Counts:
        dataset, key = change.select.dataset, change.select.key
        todo: list[tuple[Row, Row | None]] = []
        rows = 0
        for row, _ in self._found(change.select):
            rows += 1
            address = {name: row.get(name) for name in key}
            if None in address.values():
                raise StoreError(
                    f"a row of `{dataset}` has no key by which it could be written",
                    fix="name another key in the data map",
                )
            new = None if change.assign is None else self._new(change, row)
            if new is None or any(row.get(name) != value for name, value in new.items()):
                todo.append((address, new))
        for at, to in todo:
            self._guarded(dataset, partial(self._send, dataset, at, to))
        if not self._store.abilities.reads_back:
            return Counts(found=rows)
        return Counts(found=rows, changed=sum(self._done(dataset, a, n) for a, n in todo))

    def _send(self, dataset: str, key: Row, new: Row | None) -> None:
        self._store._write(dataset, key, new)

    def _new(self, change: Change, row: Row) -> dict[str, Value]:
        dataset = change.select.dataset
        return {
            name: held(value, self._kind(dataset, name), dataset=dataset, field=name)
            for name, value in assigned(change.assign or {}, row).items()
        }

    def _done(self, dataset: str, address: Row, new: Row | None) -> bool:
        """Whether the row is now as it should be (a changed key is looked for as changed)."""
        now = {**address, **{n: v for n, v in (new or {}).items() if n in address}}
        only = And(tuple(Eq(name, value) for name, value in now.items()))
        met = [row for row in self._rows(dataset, only) if matches(only, row)]
        if new is None:
            return not met
        return bool(met) and all(r.get(n) == v for r in met for n, v in new.items())

    def commit(self) -> None:
        """Each item was durable as it was written."""

    def rollback(self) -> None:
        """What was written stays: the grain is the item."""

    def close(self) -> None:
        """Nothing is held."""
        self._closed = True
