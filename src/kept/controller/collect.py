"""Rows on their way into a store of the company's: one that somebody sent by a form, or the lines
of a list, batch by batch.

A form's row is added and held open until what Kept itself records of it is committed; then it is
committed too, and read back by its key through a second session. The lines of a batch carry a
mark each, by which it is known what is there already: a batch that was cut off is done again, and
adds what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from kept.datamap.map import DataMap
from kept.datamap.reach import Place
from kept.errors import NotAble, StoreError
from kept.model.plan import Mode
from kept.model.predicate import In
from kept.model.select import KeyTable, Select, by_key
from kept.model.values import Value
from kept.stores.base import Store


class Collecting:
    """A row that is added and not committed; leaving it without `commit` takes it back."""

    def __init__(
        self, datamap: DataMap, stores: Mapping[str, Store], place: Place, row: Mapping[str, Value]
    ) -> None:
        system, dataset = place
        _writable(datamap, system)
        self._store = stores[system]
        self._mapped, self._name = datamap.dataset(system, dataset), f"{system}.{dataset}"
        self._session = self._store.session(write=True)
        try:
            self._key = self._session.add(dataset, row)
        except BaseException:
            self._session.close()
            raise

    def __enter__(self) -> Collecting:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    def commit(self) -> None:
        """Make it durable, and see that it is; StoreError where it is not."""
        self._session.commit()
        self._session.close()
        table = KeyTable(self._mapped.key, ((0, self._key),))
        with self._store.session() as session:
            if session.count([by_key(self._mapped.name, table)]) != [1]:
                raise StoreError(f"what was stored in `{self._name}` is not found there again")


class Gathering:
    """Where the lines of a list go: a dataset, with the column that holds the mark of each."""

    def __init__(
        self, datamap: DataMap, stores: Mapping[str, Store], place: Place, mark: str
    ) -> None:
        self.mapped = datamap.dataset(*place)
        self._datamap, self._system, self._mark = datamap, place[0], mark
        self._name = ".".join(place)
        store = stores.get(place[0])
        if store is None:
            raise NotAble(
                f"`{place[0]}` has no store", expected="one that lines can be written to",
                fix=f"give [systems.{place[0]}] a store in kept.toml",
            )  # fmt: skip
        self._store = store

    def there(self, marks: Sequence[str]) -> set[str]:
        """Which of these marks are there already."""
        if not marks:
            return set()
        name, key = self.mapped.name, self.mapped.key
        wanted = Select(name, key, only=In(self._mark, tuple(marks)), fields=(self._mark,))
        found: set[str] = set()
        with self._store.session() as session:
            for _, batch in session.read([wanted]):
                at = batch.columns.index(self._mark)
                found.update(str(row[at]) for row in batch.rows)
        return found

    def add(self, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
        """Add rows, commit them, and see that they are there; StoreError where they are not."""
        if not rows:
            return
        _writable(self._datamap, self._system)
        with self._store.session(write=True) as session:
            session.add_rows(self.mapped.name, columns, rows)
            session.commit()
        at = list(columns).index(self._mark)
        marks = tuple(str(row[at]) for row in rows)
        wanted = Select(self.mapped.name, self.mapped.key, only=In(self._mark, marks))
        with self._store.session() as session:
            if session.count([wanted]) != [len(rows)]:
                raise StoreError(f"what was stored in `{self._name}` is not found there again")


def _writable(datamap: DataMap, system: str) -> None:
    if datamap.systems[system].mode is not Mode.ACT:
        raise NotAble(
            f"nothing may be stored in `{system}`",
            expected="mode act",
            fix=f'write `mode = "act"` under [systems.{system}], or store it yourself',
        )
