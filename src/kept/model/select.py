"""Select: rows of one dataset and to whom they belong. KeySet: rows named by key.

A row belongs to a person when, along the joins of a route, the row at its end carries one
of the route's keys. A Select of nothing is refused: matching nothing is never everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from kept.errors import UsageError
from kept.model.predicate import EVERYTHING, And, Predicate
from kept.model.values import Value, normal

#: Rows as (person, key values…): the person is an index into the people of the plan.
KeyRow = tuple[int, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class KeyTable:
    """Key values of one dataset, each with the person (index) it was found for.

    `rows` hold values as the store gave them; `normalised()` compares across engines.
    """

    fields: tuple[str, ...]
    rows: tuple[KeyRow, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def values(self) -> list[tuple[Value, ...]]:
        """Distinct key values, in order of first appearance."""
        return list(dict.fromkeys(key for _, key in self.rows))

    def normalised(self) -> frozenset[tuple[int, tuple[Value, ...]]]:
        """Rows in the form in which keys of different engines are equal."""
        return frozenset((who, tuple(normal(v) for v in key)) for who, key in self.rows)


@dataclass(frozen=True, slots=True)
class KeySet(Mapping[str, KeyTable]):
    """Dataset → its KeyTable."""

    tables: Mapping[str, KeyTable] = field(default_factory=dict)

    def __getitem__(self, dataset: str) -> KeyTable:
        return self.tables[dataset]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)


@dataclass(frozen=True, slots=True)
class Join:
    """One step from a dataset to the dataset `to`: `fields` here equal `on` there, pairwise."""

    fields: tuple[str, ...]
    to: str
    on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One way from a person to rows: walk `path` (nearest join first), then compare.

    At the end of the path `fields` must equal one row of `keys`; with `folded`, text fields
    are folded first (`keys` hold folded values already). A null equals nothing; only where
    `keys` name rows (`named`) may a store whose abilities say so take it for the null of a key.
    """

    keys: KeyTable
    path: tuple[Join, ...] = ()
    folded: bool = False
    named: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields compared at the end of the path."""
        return self.keys.fields


@dataclass(frozen=True, slots=True)
class Select:
    """Rows of `dataset` on any of `routes` that also match `only`.

    `key` names the fields that identify a row; `fields` the ones wanted (empty: all).
    A row found on several routes for one person counts once.
    """

    dataset: str
    key: tuple[str, ...]
    routes: tuple[Route, ...] = ()
    only: Predicate = EVERYTHING
    fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.routes and self.only == EVERYTHING:
            raise UsageError(
                f"a selection of all rows of `{self.dataset}` was refused",
                expected="at least one route from a person, or a condition",
                fix="give the rows wanted; there is no selection of everything",
            )
        if not self.key:
            raise UsageError(
                f"the dataset `{self.dataset}` has no key",
                expected="fields that identify one row",
                fix="name them under `key:` in the data map",
            )

    def also(self, only: Predicate) -> Select:
        """The same rows, narrowed by `only`."""
        both = only if self.only == EVERYTHING else And((self.only, only))
        return replace(self, only=both)


def by_key(dataset: str, keys: KeyTable, fields: tuple[str, ...] = ()) -> Select:
    """The Select of exactly the rows that `keys` name."""
    return Select(dataset, keys.fields, (Route(keys, named=True),), fields=fields)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one Select: `columns`, `rows` in that order, `persons[i]` owns `rows[i]`.

    A row that belongs to two people of the plan appears once for each. Where the Select had
    no routes, every person is -1.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    persons: list[int]
