"""What an engine would delete or empty by itself is refused, also where no map names it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kept.errors import StoreError
from kept.model.change import Change
from kept.model.plan import Counts
from kept.model.select import KeyTable, Select, by_key
from kept.stores.relational import SqlStore
from kept.stores.sql import PostgreSQLStore, SQLiteStore

SCHEMA = """
CREATE TABLE note (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE);
CREATE TABLE "odd ""one" (id INTEGER PRIMARY KEY,
    note INTEGER REFERENCES note ON DELETE CASCADE, code TEXT REFERENCES note (code)
    ON DELETE SET NULL);
CREATE TABLE pair (a INTEGER, b INTEGER, PRIMARY KEY (a, b));
CREATE TABLE of_pair (id INTEGER PRIMARY KEY, x INTEGER, y INTEGER,
    FOREIGN KEY (x, y) REFERENCES pair (a, b) ON DELETE SET NULL);
CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree ON DELETE CASCADE);
CREATE TABLE strict (id INTEGER PRIMARY KEY, note INTEGER REFERENCES note);
INSERT INTO note VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, 'four');
INSERT INTO "odd ""one" VALUES (10, 1, NULL), (11, NULL, 'two');
INSERT INTO pair VALUES (1, 1), (1, 2); INSERT INTO of_pair VALUES (1, 1, 1), (2, NULL, 2);
INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
INSERT INTO strict VALUES (1, 4);
"""


@pytest.fixture(params=["postgresql", "sqlite"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[SqlStore, Callable[[str], list[Any]]]]:
    """A store, and a way to ask the engine past it."""
    if request.param == "sqlite":
        path = tmp_path / "shop.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(SCHEMA)
        with closing(sqlite3.connect(path)) as beside:
            yield (
                SQLiteStore("shop", (), f"sqlite:///{path}"),
                lambda q: beside.execute(q).fetchall(),
            )
        return
    url = request.getfixturevalue("pg_url")
    with psycopg.connect(url, autocommit=True) as beside:
        beside.execute(SCHEMA.encode())
        store = PostgreSQLStore("shop", (), url)
        yield store, lambda q: beside.execute(q.encode()).fetchall()
        store.close()
        beside.execute(b"DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def rows(dataset: str, fields: tuple[str, ...], *keys: tuple[int, ...]) -> Select:
    return by_key(dataset, KeyTable(fields, tuple((0, key) for key in keys)))


@pytest.mark.parametrize(
    ("dataset", "fields", "alone", "other"),
    [
        ("note", ("id",), (1,), 'odd "one'),
        ("note", ("id",), (2,), 'odd "one'),
        ("pair", ("a", "b"), (1, 1), "of_pair"),
        ("tree", ("id",), (2,), "tree"),
    ],
)
def test_rows_taken_along_are_an_obstacle(
    dataset: str,
    fields: tuple[str, ...],
    alone: tuple[int, ...],
    other: str,
    world: tuple[SqlStore, Callable[[str], list[Any]]],
) -> None:
    store, ask = world
    # 3 and (1, 2) are referred to by nobody: they go before, and the refusal undoes them too.
    free = {"note": (3,), "pair": (1, 2)}.get(dataset)
    before = ask(f'SELECT * FROM "{dataset}" ORDER BY 1, 2')
    changes = [Change(rows(dataset, fields, key)) for key in (free, alone) if key]
    with store.session(write=True) as session:
        (met,) = session.rehearse(changes)
        assert (met.dataset, met.kind) == (dataset, "foreign-key")
        assert f"`{other}`" in met.words
        with pytest.raises(StoreError, match="by itself"):
            session.apply(changes, "step")
    assert ask(f'SELECT * FROM "{dataset}" ORDER BY 1, 2') == before


def test_what_nothing_hangs_on_goes(world: tuple[SqlStore, Callable[[str], list[Any]]]) -> None:
    store, ask = world
    free = [Change(rows("note", ("id",), (3,))), Change(rows("pair", ("a", "b"), (1, 2)))]
    whole = Change(rows("tree", ("id",), (2,), (3,)))
    with store.session(write=True) as session:
        assert session.rehearse([*free, whole]) == []
        assert session.apply([*free, whole], "step") == [Counts(1, 1), Counts(1, 1), Counts(2, 2)]
        session.commit()
    assert ask("SELECT id FROM tree") == [(1,)]
    # In the right order nothing is taken along either.
    first = Change(rows('odd "one', ("id",), (10,), (11,)))
    with store.session(write=True) as session:
        both = [first, Change(rows("note", ("id",), (1,), (2,)))]
        assert session.apply(both, "step") == [Counts(2, 2), Counts(2, 2)]
        session.commit()
    assert ask("SELECT id FROM note") == [(4,)]


def test_what_refuses_by_itself_does_so_as_before(
    world: tuple[SqlStore, Callable[[str], list[Any]]],
) -> None:
    store, _ = world
    with store.session(write=True) as session:
        (met,) = session.rehearse([Change(rows("note", ("id",), (4,)))])
        assert (met.kind, "by itself" in met.words) == ("foreign-key", False)
