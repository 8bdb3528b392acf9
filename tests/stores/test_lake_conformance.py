"""The store of Parquet files keeps the shipped laws, and the laws catch faults planted in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.stores.lake import fill, lake

from kept.stores.base import Store
from kept.stores.suite import Rows, StoreSuite


class TestParquet(StoreSuite):
    constraints = frozenset(("not-null",))
    examples = 20

    @pytest.fixture(autouse=True)
    def _engine(self, tmp_path: Path) -> None:
        self.root = tmp_path / "lake"

    def make(self, rows: Rows) -> Store:
        fill(self.root, rows)
        return lake(self.root)

    def open(self) -> Store:
        return lake(self.root)
