"""What is left in a SQLite file: met where it is, gone when nothing is there, never guessed."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.stores import test_conformance
from tests.stores.test_planted_faults import broken_laws

from kept.errors import StoreUnreachable, UsageError
from kept.model.residue import Fate, Needles, Residue, gone
from kept.stores import looking
from kept.stores.base import Store
from kept.stores.sqlite import SQLiteStore
from kept.stores.suite import DATASETS, Rows

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
ANA, LONG = "ana@residue.example", "ana.long@residue.example"


def made(path: Path, *before: str, rows: int = 500, long: bool = False) -> SQLiteStore:
    """A shop whose own program deleted Ana before, without overwriting anything."""
    with closing(sqlite3.connect(path, isolation_level=None)) as c:
        for statement in before:
            c.execute(statement).fetchone()
        c.execute("PRAGMA secure_delete = OFF")
        c.execute("CREATE TABLE person (id INTEGER PRIMARY KEY, mail TEXT UNIQUE, note TEXT)")
        for n in range(rows):
            mail = ANA if n == rows // 2 else f"p{n}@x.example"
            note = "x" * 9000 + LONG + "y" * 2000 if long and n == 3 else "n" * 40
            c.execute("INSERT INTO person VALUES (?, ?, ?)", (n, mail, note))
    return SQLiteStore("desk", (), str(path))


def by_hand(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as c:
        c.execute("PRAGMA secure_delete = OFF").fetchone()
        for statement in statements:
            c.execute(statement).fetchone()


def told(store: Store, *texts: str) -> dict[str, Residue]:
    return {r.layer: r for r in store.residue(Needles(texts or (ANA,)), NOW)}


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_what_another_program_deleted_is_met_until_it_is_vacuumed(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "a.db"
    store = made(path, f"PRAGMA encoding = '{encoding}'")
    living = told(store)["pages"]
    assert (living.fate, living.found) == (Fate.UNTIL, 1)
    assert "only in rows that are there" in living.words
    by_hand(path, f"DELETE FROM person WHERE mail = '{ANA}'")
    left = told(store)["pages"]
    assert (left.fate, left.until) == (Fate.UNTIL, None)
    assert "in 2 places that no row uses" in left.words  # the row, and its entry in the index
    (scrub,) = store.scrubbing()
    assert "locked" in scrub.locks
    store.scrub()
    clean = told(store)["pages"]
    assert (clean.fate, clean.found, clean.looked) == (Fate.GONE, 0, path.stat().st_size)


def test_free_pages_and_long_values_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = made(path, long=True)
    assert "only in rows" in told(store, LONG)["pages"].words
    by_hand(path, "DELETE FROM person")
    assert "no row uses" in told(store, ANA, LONG)["pages"].words
    assert told(store, ANA, LONG)["pages"].found == 2
    store.scrub()
    assert told(store, ANA, LONG)["pages"].fate is Fate.GONE


def test_the_write_ahead_log_is_a_layer_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = made(path, "PRAGMA journal_mode = WAL")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("SELECT count(*) FROM person").fetchone()
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM person").fetchone()
        by_hand(path, f"UPDATE person SET note = '{LONG}' WHERE id = 1",
                "UPDATE person SET note = '' WHERE id = 1")  # fmt: skip
        log = told(store, LONG)["write-ahead log"]
        assert (log.fate, log.found) == (Fate.UNTIL, 1)
        with pytest.raises(StoreUnreachable, match="another program"):
            SQLiteStore("desk", (), str(path), options={"lock_timeout": 0.1}).scrub()
        other.execute("COMMIT")
    store.scrub()
    assert told(store, LONG)["pages"].fate is Fate.GONE
    assert "write-ahead log" not in told(store, LONG)


def test_what_cannot_be_looked_at_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = made(tmp_path / "a.db")
    assert [r.fate for r in store.residue(Needles(["1", "42", "ab"]), NOW)] == [Fate.UNSEEN]
    monkeypatch.setattr(looking, "MOST", 1000)
    assert told(store)["pages"].fate is Fate.UNSEEN
    gone_ = SQLiteStore("desk", (), str(tmp_path / "none.db"))
    assert told(gone_)["pages"].fate is Fate.UNSEEN


def test_nobody_can_say_gone_of_nothing() -> None:
    for wrong in (
        lambda: Residue("pages", Fate.GONE, "words"),
        lambda: Residue("pages", Fate.GONE, "words", looked=10, found=1),
        lambda: gone("pages", 0),
    ):
        with pytest.raises(UsageError, match="called gone"):
            wrong()


# ---------------------------------------------------------------- faults planted in it


class WithoutLooking(SQLiteStore):
    """The rows are not found any more, so it is gone: is it?"""

    def residue(self, needles: Needles, now: dt.datetime) -> Iterator[Residue]:
        yield gone("pages", 1)


class TheLogOnly(SQLiteStore):
    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        looked = len(self.path.read_bytes()[:4096])
        return [gone("pages", looked)]


class InAnotherSpelling(SQLiteStore):
    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        return super().residue(Needles(text[::-1] for text in needles), now)


class ByTheLetter(SQLiteStore):
    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        held = self.path.read_bytes()
        if any(text.encode() in held for text in needles):
            return super().residue(needles, now)
        return [gone("pages", len(held))]


class OfALayerThatNobodyShows(SQLiteStore):
    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        return [gone("replicas", 1)]


class TellsTheValue(SQLiteStore):
    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        return [Residue("pages", Fate.UNTIL, f"met {needle}") for needle in needles]


class ScrubsTooMuch(SQLiteStore):
    def scrub(self, *, full: bool = False) -> None:
        by_hand(self.path, "DELETE FROM line WHERE n = 1")


class SaysNothing(SQLiteStore):
    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        return ()


class Suite(test_conformance.TestSQLite):
    __test__ = False

    def __init__(self, path: Path, kind: type[SQLiteStore]) -> None:
        self.path, self.kind = path, kind

    def make(self, rows: Rows) -> Store:
        super().make(rows)
        return self.open()

    def open(self) -> Store:
        return self.kind("desk", DATASETS, str(self.path))


@pytest.mark.parametrize(
    "kind",
    [WithoutLooking, TheLogOnly, InAnotherSpelling, ByTheLetter, OfALayerThatNobodyShows,
     TellsTheValue, ScrubsTooMuch, SaysNothing],
)  # fmt: skip
def test_a_store_that_says_gone_without_looking_is_caught(
    kind: type[SQLiteStore], tmp_path: Path
) -> None:
    (law,) = broken_laws(Suite(tmp_path / "a.db", kind))
    assert law in (
        "test_gone_is_said_only_of_what_was_looked_at", "test_words_and_layers_tell_no_value",
    )  # fmt: skip


def test_the_store_itself_is_not(tmp_path: Path) -> None:
    assert broken_laws(Suite(tmp_path / "a.db", SQLiteStore)) == []
