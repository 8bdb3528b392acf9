"""Deployments for the acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kept.embedded import Server
from tests.conftest import _drop, _name


@pytest.fixture
def kept_url(pg_server: Server, _kept_template: str) -> Iterator[str]:
    """The URL of a migrated, empty database for Kept's own state, one per test."""
    name = _name("kept")
    yield pg_server.make_database(name, template=_kept_template)
    _drop(pg_server, name)
