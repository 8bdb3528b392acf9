"""Stores over a shop made for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.stores.mariadb_shop import MAPPED, SCHEMA, run

from kept.stores.mariadb import MariaDBStore


@pytest.fixture
def maria_shop_url(fresh_maria_url: str) -> str:
    """The URL of the shop of tests.stores.mariadb_shop."""
    run(fresh_maria_url, SCHEMA)
    return fresh_maria_url


@pytest.fixture
def maria_shop(maria_shop_url: str) -> Iterator[MariaDBStore]:
    """Its store."""
    made = MariaDBStore("shop", (MAPPED,), maria_shop_url)
    yield made
    made.close()
