"""The common ground of the laws: two stores to make and open, and ways to look at them."""

from __future__ import annotations

import abc
from functools import partial
from typing import ClassVar

from kept.model.change import Change
from kept.model.plan import Counts
from kept.model.predicate import (
    And,
    IsNull,
    Not,
    Or,
    Predicate,
    fields_of,
)
from kept.model.select import Select
from kept.model.values import Value
from kept.stores.base import Store
from kept.stores.suite.sample import (
    DATASETS,
    Rows,
    order_of,
    sample,
)


class Laws(abc.ABC):
    """What an author gives, and what the laws are written with."""

    #: Fields of person that the engine has no type for.
    without: ClassVar[frozenset[str]] = frozenset()
    #: Constraints that `make` put on the tables (`unique`: the keys; `not-null`: the keys;
    #: `foreign-key`: the links) for the rehearsal to run into.
    constraints: ClassVar[frozenset[str]] = frozenset()
    #: Random sequences tried against the memory store.
    examples: ClassVar[int] = 40

    @abc.abstractmethod
    def make(self, rows: Rows) -> Store:
        """A store that holds exactly `rows`, mapped by `DATASETS`."""

    @abc.abstractmethod
    def open(self) -> Store:
        """Another handle on what `make` filled last."""

    # ------------------------------------------------------------ helpers

    def fresh(self, rows: Rows | None = None) -> Store:
        """A store with the sample (or `rows`), less the fields that the engine lacks."""
        given = sample() if rows is None else rows
        return self.make(
            {
                name: [
                    {f: v for f, v in row.items() if name != "person" or f not in self.without}
                    for row in given.get(name, ())
                ]
                for name in ("person", "order", "line")
            }
        )

    def content(self, store: Store | None = None) -> dict[str, list[dict[str, Value]]]:
        """Every row, read through a fresh handle, sorted by key."""
        opened = self.open() if store is None else store
        found: dict[str, list[dict[str, Value]]] = {}
        with opened.session() as session:
            for dataset in DATASETS:
                first = dataset.key[0]
                select = Select(
                    dataset.name, dataset.key, (), Or((IsNull(first), Not(IsNull(first))))
                )
                rows = [
                    dict(zip(batch.columns, row, strict=True))
                    for _, batch in session.read([select])
                    for row in batch.rows
                ]
                found[dataset.name] = sorted(rows, key=partial(order_of, dataset))
        if store is None:
            opened.close()
        return found

    def read(self, store: Store, select: Select) -> list[tuple[int, tuple[Value, ...]]]:
        """(person, key) of the rows of a Select, sorted."""
        found: list[tuple[int, tuple[Value, ...]]] = []
        with store.session() as session:
            for index, batch in session.read([select]):
                assert index == 0
                at = [batch.columns.index(name) for name in select.key]
                pairs = zip(batch.persons, batch.rows, strict=True)
                found += [(who, tuple(row[i] for i in at)) for who, row in pairs]
        return sorted(found, key=repr)

    def ids(self, store: Store, only: Predicate) -> list[Value]:
        """Keys of the persons that match a predicate."""
        found = self.read(store, Select("person", ("id",), (), And((only,))))
        return sorted((key[0] for _, key in found), key=repr)

    def do(self, store: Store, *changes: Change) -> list[Counts]:
        """Apply and commit."""
        with store.session(write=True) as session:
            counts = session.apply(changes, "step")
            session.commit()
        return counts

    def supported(self, predicate: Predicate) -> bool:
        """Whether the predicate reads only fields that the engine has."""
        return not (fields_of(predicate) & self.without)

    #: Whether others can commit while a reading session is open.
    writes_while_read: ClassVar[bool] = True
