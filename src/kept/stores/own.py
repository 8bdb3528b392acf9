"""Kept's own tables as a store like any other.

What Kept keeps about people is mapped, answered, erased and scanned by the same code as a
company's data. The datasets come from the caller: each record declares its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from kept.database import Database
from kept.datamap.map import Dataset
from kept.model.safety import Safety
from kept.stores import guarded
from kept.stores.columns import Table
from kept.stores.postgresql import PostgreSQLStore

#: The name of the system in maps, plans and receipts.
NAME: Final = "own"
#: The record of migrations: of no person, and of no use to anyone.
_LEFT_OUT: Final = frozenset(("alembic_version",))


class OwnStore(PostgreSQLStore):
    """Kept's own PostgreSQL, through connections of its own: none of the pool's."""

    def __init__(
        self,
        database: Database,
        mapped: Iterable[Dataset],
        system: str = NAME,
        *,
        directory: Path | None = None,
    ) -> None:
        """`directory` is the deployment's: keys, settings and papers lie there."""
        self._directory = directory
        files = {} if database.files is None else {"data_directory": str(database.files)}
        super().__init__(system, mapped, database.url, options=files)

    def reflect(self, names: Collection[str] | None) -> dict[str, Table]:
        """The tables. What goes along with a person here is hers: it was written between the plan
        and the deletion (that she is suppressed, say), and goes with her by its foreign key.
        """
        return {name: replace(t, along=()) for name, t in super().reflect(names).items()}

    def safety(self) -> Safety:
        """As of any PostgreSQL, with the keys and settings; other databases are no part of it."""
        met = super().safety()
        directory = self._directory
        if directory is None:
            return replace(met, seen={})
        secret = [directory / "kept.toml", *(directory / "keys").rglob("*")]
        files = guarded.exposure(p for p in secret if p.is_file())
        beside = [*directory.iterdir(), *directory.glob("*/*")]
        near = guarded.safety(directory, (), beside)
        return replace(met, measured=(*met.measured, files), seen=near.seen)

    def datasets(self) -> Iterable[Dataset]:
        """All tables there really are but the record of migrations."""
        return [d for d in super().datasets() if d.name not in _LEFT_OUT]
