"""Kept's own tables as a store like any other.

What Kept keeps about people is mapped, answered, erased and scanned by the same code as a
company's data. The datasets come from the caller: each record declares its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Final

from kept.database import Database
from kept.datamap.map import Dataset
from kept.stores.columns import Table
from kept.stores.postgresql import PostgreSQLStore

#: The name of the system in maps, plans and receipts.
NAME: Final = "own"
#: The record of migrations: of no person, and of no use to anyone.
_LEFT_OUT: Final = frozenset(("alembic_version",))


class OwnStore(PostgreSQLStore):
    """Kept's own PostgreSQL, through connections of its own: none of the pool's."""

    def __init__(self, database: Database, mapped: Iterable[Dataset], system: str = NAME) -> None:
        files = {} if database.files is None else {"data_directory": str(database.files)}
        super().__init__(system, mapped, database.url, options=files)

    def reflect(self, names: Collection[str] | None) -> dict[str, Table]:
        """What the catalogue says. What goes along with a row is meant to: the schema is ours."""
        found = super().reflect(names)
        return {name: replace(table, along=()) for name, table in found.items()}

    def datasets(self) -> Iterable[Dataset]:
        """All tables there really are but the record of migrations."""
        return [d for d in super().datasets() if d.name not in _LEFT_OUT]
