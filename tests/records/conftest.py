"""The records on a fresh database with a vault."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pytest

from kept.database import Database
from kept.keys import FileCustodian, Vault
from kept.records.actor import Actor, Actors
from kept.records.case import Cases
from kept.records.consent import Consents
from kept.records.hold import Holds
from kept.records.locator import Locator
from kept.records.subject import Subjects
from kept.records.suppression import Suppressions

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)


@dataclass
class Records:
    database: Database
    vault: Vault
    subjects: Subjects
    cases: Cases
    consents: Consents
    holds: Holds
    suppressions: Suppressions
    locator: Locator
    actors: Actors
    actor: Actor

    def count(self, table: str) -> int:
        with self.database.connection() as c:
            row = c.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        return int(row[0])


def records_on(database: Database, keys: Path) -> Records:
    vault = Vault(database, FileCustodian(keys), now=NOW)
    subjects = Subjects(database, vault)
    actors = Actors(database)
    return Records(
        database, vault, subjects, Cases(database, vault, subjects), Consents(database),
        Holds(database, vault), Suppressions(database, vault), Locator(database, vault), actors,
        actors.of("Pia", "privacy-officer", NOW),
    )  # fmt: skip


@pytest.fixture
def records(kept_db: Database, tmp_path: Path) -> Records:
    return records_on(kept_db, tmp_path / "keys")
