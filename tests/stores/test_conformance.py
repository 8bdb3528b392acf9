"""Every store of the house keeps the shipped laws, on real engines."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.stores.engines import (
    Cupboard,
    drawers,
    fill_mariadb,
    fill_postgresql,
    fill_sqlite,
    mariadb,
    postgresql,
    sqlite,
)

from kept.stores.base import Store
from kept.stores.memory import MemoryStore
from kept.stores.suite import DATASETS, Rows, StoreSuite


class TestPostgreSQL(StoreSuite):
    constraints = frozenset(("unique", "not-null", "foreign-key"))
    examples = 20

    @pytest.fixture(autouse=True)
    def _engine(self, pg_url: str) -> None:
        self.url = pg_url

    def make(self, rows: Rows) -> Store:
        fill_postgresql(self.url, rows)
        return postgresql(self.url)

    def open(self) -> Store:
        return postgresql(self.url)


class TestMariaDB(StoreSuite):
    constraints = frozenset(("unique", "not-null", "foreign-key"))
    examples = 20

    @pytest.fixture(autouse=True)
    def _engine(self, maria_url: str) -> None:
        self.url = maria_url

    def make(self, rows: Rows) -> Store:
        fill_mariadb(self.url, rows)
        return mariadb(self.url)

    def open(self) -> Store:
        return mariadb(self.url)


class TestSQLite(StoreSuite):
    constraints = frozenset(("unique", "not-null", "foreign-key"))
    writes_while_read = False  # a rollback journal: readers hold writers up

    @pytest.fixture(autouse=True)
    def _engine(self, tmp_path: Path) -> None:
        self.path = tmp_path / "desk.db"

    def make(self, rows: Rows) -> Store:
        fill_sqlite(self.path, rows)
        return sqlite(self.path)

    def open(self) -> Store:
        return sqlite(self.path)

    def beneath(self, layer: str) -> Iterable[bytes]:
        ends = {"pages": "", "write-ahead log": "-wal", "rollback journal": "-journal"}
        return [self.path.with_name(self.path.name + ends[layer]).read_bytes()]


class TestSQLiteWal(TestSQLite):
    """With a write-ahead log, others write while we read."""

    writes_while_read = True
    examples = 5

    def make(self, rows: Rows) -> Store:
        connection = sqlite3.connect(self.path)
        connection.execute("pragma journal_mode = wal")
        connection.close()
        return super().make(rows)


class TestMemory(StoreSuite):
    def make(self, rows: Rows) -> Store:
        self.store = MemoryStore("memory", DATASETS, rows=rows)
        return self.store

    def open(self) -> Store:
        return self.store


class TestRowStore(StoreSuite):
    def make(self, rows: Rows) -> Store:
        self.drawers = drawers(rows)
        return Cupboard(self.drawers)

    def open(self) -> Store:
        return Cupboard(self.drawers)
