"""What only SQLite has: types that bind nobody, files, locks, a write-ahead log."""

from __future__ import annotations

import datetime as dt
import decimal
import os
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from kept.datamap.map import Dataset, Field
from kept.errors import NotAble, StoreError, StoreUnreachable
from kept.model.change import Change, Const, PerRow, Template
from kept.model.plan import Counts
from kept.model.predicate import Before, Eq, In
from kept.model.select import Join, KeyTable, Route, Select, by_key
from kept.model.values import Value
from kept.stores.sql import Options, SQLiteStore

TOKEN = uuid.UUID("6f2c0d3e-1111-4222-8333-abcdefabcdef")
SCHEMA = f"""
CREATE TABLE "Kunde" (id INTEGER PRIMARY KEY, mail TEXT COLLATE NOCASE, tok UUID, born DATE,
  seen DATETIME, at TIMESTAMP, epoch INTEGER, price NUMERIC(10,2), ok BOOLEAN, any_ );
INSERT INTO "Kunde" VALUES
  (1, 'Ana@x.de', '{TOKEN}', '1990-01-31', '2024-01-01 12:00:00', '2024-01-01T12:00:00+02:00',
   1704103200, 1.5, 1, 5),
  (2, 'ana@x.de', '{TOKEN.hex.upper()}', 'unknown', '2024-01-01', 1704103200000, 'x', 2, 0, '5'),
  (3, X'ff00', NULL, '1990-01-31 00:00:00', NULL, NULL, NULL, 'dear', NULL, X'05');
CREATE TABLE note (a, b INTEGER NOT NULL, kunde REFERENCES "Kunde", PRIMARY KEY (a, b))
  WITHOUT ROWID;
INSERT INTO note VALUES ('x', 1, 1), ('x', 2, 2), (5, 1, NULL);
CREATE TABLE free (t TEXT, who INT);
INSERT INTO free VALUES ('a', 1), ('a', 1), ('b', 2), (NULL, 1);
CREATE TABLE later (id INTEGER PRIMARY KEY, kunde INTEGER REFERENCES "Kunde"
  DEFERRABLE INITIALLY DEFERRED);
INSERT INTO later VALUES (1, 3);
CREATE VIEW seen AS SELECT id, seen FROM "Kunde";
"""
MAPPED = [
    Dataset(
        "Kunde",
        ("id",),
        {
            "id": Field("id", "integer"),
            "epoch": Field("epoch", "datetime"),
            "mail": Field("mail"),
        },
    )
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "a b%?#ü.db"
    connection = sqlite3.connect(made)
    connection.executescript(SCHEMA)
    connection.close()
    return made


@pytest.fixture
def store(path: Path) -> SQLiteStore:
    return SQLiteStore("desk", MAPPED, f"sqlite:///{path}")


def keys(dataset: str, field: str, *values: Value) -> Select:
    return by_key(dataset, KeyTable((field,), tuple((0, (v,)) for v in values)))


def read(store: SQLiteStore, select: Select) -> list[dict[str, Value]]:
    with store.session() as session:
        return [
            dict(zip(batch.columns, row, strict=True))
            for _, batch in session.read([select])
            for row in batch.rows
        ]


def test_what_is_stored_becomes_a_value(store: SQLiteStore) -> None:
    one, two, three = (read(store, keys("Kunde", "id", i))[0] for i in (1, 2, 3))
    noon = dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC)
    assert one == {
        "id": 1, "mail": "Ana@x.de", "tok": TOKEN, "born": dt.date(1990, 1, 31),
        "seen": dt.datetime.fromisoformat("2024-01-01T12:00:00"), "at": noon, "epoch": noon,
        "price": decimal.Decimal("1.5"), "ok": True, "any_": 5,
    }  # fmt: skip
    assert (two["tok"], two["born"], two["at"], two["epoch"]) == (TOKEN, "unknown", noon, "x")
    assert (three["mail"], three["price"], three["ok"]) == (b"\xff\x00", "dear", None)


def test_values_find_their_rows(store: SQLiteStore) -> None:
    def ids(only: Eq | In | Before) -> list[Value]:
        return [row["id"] for row in read(store, Select("Kunde", ("id",), (), only))]

    assert ids(Eq("mail", "ana@x.de")) == [2]  # although the column ignores case
    assert ids(Eq("tok", TOKEN)) == [1, 2]
    assert ids(In("at", (dt.datetime(2024, 1, 1, 10, tzinfo=dt.UTC),))) == [1, 2]
    assert ids(Before("epoch", dt.datetime(2024, 1, 1, 10, 0, 1, tzinfo=dt.UTC))) == [1]
    assert ids(Before("born", dt.date(1990, 2, 1))) == [1, 3]
    assert ids(Eq("ok", False)) == [2]
    route = Route(KeyTable(("any_",), ((0, (5,)),)))
    assert len(read(store, Select("Kunde", ("id",), (route,)))) == 2  # 5 and '5', not X'05'


def test_names_keys_and_views(store: SQLiteStore) -> None:
    there = {d.name: d for d in store.datasets()}
    assert set(there) == {"Kunde", "note", "free", "later", "seen"}
    assert there["note"].key == ("a", "b")
    assert there["note"].links[0].on == ("id",)
    assert there["free"].key == ()
    assert there["seen"].on_erase == "never"
    with store.session(write=True) as session, pytest.raises(NotAble):
        session.apply([Change(keys("seen", "id", 1))], "s")


def test_rows_without_a_key(store: SQLiteStore) -> None:
    routes = (
        Route(KeyTable(("who",), ((0, (1,)),))),
        Route(KeyTable(("t",), ((0, ("a",)), (1, ("b",))))),
    )
    select = Select("free", ("t",), routes)
    with store.session(write=True) as session:
        assert session.count([select]) == [4]
        assert sum(len(b.rows) for _, b in session.read([select])) == 4
        assert session.apply([Change(Select("free", ("t",), routes[:1]))], "s") == [Counts(3, 3)]


def test_joins_and_writes(store: SQLiteStore) -> None:
    path = (Join(("kunde",), "Kunde", ("id",)),)
    select = Select("note", ("a", "b"), (Route(KeyTable(("mail",), ((0, ("ana@x.de",)),)), path),))
    with store.session(write=True) as session:
        assert session.keys([select])["note"].rows == ((0, ("x", 2)),)
        changes = [
            Change(select),
            Change(keys("Kunde", "id", 1, 2), {"mail": Template("e-{id}"), "tok": Const(TOKEN)}),
            Change(keys("Kunde", "id", 3), {"any_": PerRow(lambda r: b"\x01\x02")}),
        ]
        assert session.apply(changes, "s") == [Counts(1, 1), Counts(2, 2), Counts(1, 1)]
        assert session.apply(changes[1:], "s") == [Counts(2, 0), Counts(1, 0)]
        session.commit()
    rows = read(store, keys("Kunde", "id", 1, 2, 3))
    assert [r["mail"] for r in rows] == ["e-1", "e-2", b"\xff\x00"]
    assert rows[2]["any_"] == b"\x01\x02"


def test_a_deferred_foreign_key_is_rehearsed(store: SQLiteStore) -> None:
    with store.session(write=True) as session:
        met = session.rehearse([Change(keys("Kunde", "id", 3))])
        assert [(o.dataset, o.kind) for o in met] == [("later", "foreign-key")]
        gone = [Change(keys("later", "id", 1)), Change(keys("Kunde", "id", 3))]
        assert session.rehearse(gone) == []
        assert session.apply(gone, "s") == [Counts(1, 1), Counts(1, 1)]
        session.commit()


@pytest.mark.parametrize("wal", [False, True])
def test_what_was_deleted_is_not_in_the_file(path: Path, wal: bool) -> None:
    store = SQLiteStore("desk", (), str(path))
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("INSERT INTO free VALUES ('Canary-4711', 7)")
    connection.close()
    with store.session(write=True) as session:
        select = Select("free", ("t",), (), Eq("who", 7))
        assert session.apply([Change(select)], "s") == [Counts(1, 1)]
        session.commit()
    assert store.abilities.physical
    files = [f for f in path.parent.iterdir() if f.is_file()]
    assert not any(b"Canary-4711" in f.read_bytes() for f in files)


def test_files_that_cannot_be_used(tmp_path: Path, path: Path) -> None:
    none = SQLiteStore("desk", (), str(tmp_path / "Geheim.db"))
    with pytest.raises(StoreUnreachable, match=r"kept\.toml") as caught:
        none.session()
    assert "Geheim" not in str(caught.value)
    assert not (tmp_path / "Geheim.db").exists()
    for name, pipe in (("pipe.db", "pipe.db"), ("desk.db", "desk.db-journal")):
        (tmp_path / "odd").mkdir(exist_ok=True)
        sqlite3.connect(tmp_path / "odd" / "desk.db").close()
        os.mkfifo(tmp_path / "odd" / pipe)
        with pytest.raises(StoreUnreachable, match="not opened"):
            SQLiteStore("desk", (), str(tmp_path / "odd" / name)).session()
    text = tmp_path / "text.db"
    text.write_text("this is no database, whatever its name says" * 50)
    with pytest.raises(StoreUnreachable):
        list(SQLiteStore("desk", (), str(text)).datasets())
    busy = SQLiteStore("desk", (), str(path), options=Options(lock_timeout=0.05))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with busy.session(write=True) as session, pytest.raises(StoreUnreachable, match="holds it"):
        session.apply([Change(keys("free", "who", 1))], "s")
    with busy.session() as session:
        assert session.count([keys("free", "who", 1)]) == [3]
        with pytest.raises(StoreError):
            session.apply([Change(keys("free", "who", 1))], "s")
    holder.close()


def test_statements_for_a_person_do_the_same(store: SQLiteStore, path: Path) -> None:
    text = "O'H\\ara ? %s \"é"
    changes = [
        Change(keys("Kunde", "id", 1), {"mail": Const(text), "seen": Const(None)}),
        Change(keys("Kunde", "id", 2), {"mail": PerRow(lambda r: f"{r['id']}'")}),
        Change(keys("free", "t", "a", text)),
    ]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("\n".join(store.statements(changes)))
    assert connection.execute('SELECT mail FROM "Kunde" WHERE id < 3').fetchall() == [
        (text,), ("2'",),
    ]  # fmt: skip
    assert connection.execute("SELECT count(*) FROM free").fetchone() == (2,)
    connection.close()
    dated = Select("Kunde", ("id",), (), Before("born", dt.date(2000, 1, 1)))
    with pytest.raises(NotAble):
        store.statements([Change(dated)])


def test_a_marker_makes_a_step_happen_once(path: Path) -> None:
    store = SQLiteStore("desk", (), str(path), options=Options(marker=True))
    change = Change(keys("Kunde", "id", 1), {"mail": PerRow(lambda r: f"{r['mail']}+")})
    for expected in (Counts(1, 1), Counts(1, 0)):
        with store.session(write=True) as session:
            assert session.apply([change], "step-1") == [expected]
            session.commit()
    assert read(store, keys("Kunde", "id", 1))[0]["mail"] == "Ana@x.de+"
    assert "kept_step" not in {d.name for d in store.datasets()}


KILLED = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 2")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE big SET note = 'overwritten'")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_was_killed_leaves_nothing_half_done(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, note TEXT)")
        rows = [(i, "as it was " * 20) for i in range(2000)]
        connection.executemany("INSERT INTO big VALUES (?, ?)", rows)
    connection.close()
    before = path.read_bytes()
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert path.read_bytes() != before  # half of it has reached the file
    store = SQLiteStore("desk", (), str(path))
    with store.session() as session:
        assert session.count([Select("big", ("id",), (), Eq("note", "overwritten"))]) == [0]
        assert session.count([Select("big", ("id",), (), Eq("note", "as it was " * 20))]) == [2000]


def test_a_file_that_may_only_be_read(path: Path) -> None:
    path.chmod(0o444)
    store = SQLiteStore("desk", (), str(path))
    with store.session() as session:
        assert session.count([keys("free", "who", 1)]) == [3]
        with pytest.raises(sqlite3.OperationalError):
            session._connection.execute("DELETE FROM free")
