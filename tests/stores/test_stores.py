"""Opening stores by kind, rendered predicates on a plain cursor, the RowStore adapter."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

import psycopg
import pytest
from tests.stores.engines import opened

from kept.datamap.map import Dataset, Field
from kept.errors import ConfigError, NotAble, StoreError, StoreUnreachable, UsageError
from kept.model.abilities import Abilities
from kept.model.change import Change, Const, Template
from kept.model.plan import Counts
from kept.model.predicate import EVERYTHING, And, Bits, Eq, In, IsNull, Not, Or, Predicate, matches
from kept.model.select import KeyTable, by_key
from kept.stores import kinds, open_store
from kept.stores.adapter import RowStore
from kept.stores.dialects import SQLITE, install, render
from kept.stores.mariadb import MariaDBStore
from kept.stores.memory import MemoryStore
from kept.stores.rows import fill, template_fields
from kept.stores.sql import PostgreSQLStore, SQLiteStore


def test_stores_are_opened_by_kind() -> None:
    assert {"postgresql", "sqlite", "mariadb", "memory"} <= set(kinds())
    assert isinstance(open_store("postgresql", "a", [], "postgresql:///x"), PostgreSQLStore)
    assert isinstance(open_store("sqlite", "a", [], "sqlite:///x"), SQLiteStore)
    assert isinstance(open_store("mariadb", "a", [], "mariadb://x@y/z"), MariaDBStore)
    assert isinstance(open_store("memory", "a", [], ""), MemoryStore)
    quick = open_store("sqlite", "a", [], "x", {"lock_timeout": 1, "marker": True})
    assert isinstance(quick, SQLiteStore)
    assert (quick.options.lock_timeout, quick.abilities.marker) == (1, True)
    for wrong in ({"speed": 1}, {"marker": 1}, {"connections": True}, {"lock_timeout": "1"}):
        with pytest.raises(ConfigError, match="option"):
            open_store("postgresql", "a", [], "x", wrong)
    with pytest.raises(ConfigError, match="`orakle`"):
        open_store("orakle", "a", [], "")


PREDICATES: list[Predicate] = [
    EVERYTHING, Or(), Not(EVERYTHING), Not(Or()), Eq("a%", "x?$1"), In("a%", ("x?$1", "y", None)),
    Not(Eq("a%", "x?$1")), Bits("w", 6, 4), Not(Bits("w", 6, 4)), IsNull("w"),
    And((Or((Bits("w", 1, 1), IsNull("a%"))), Not(And((Bits("w", 4, 4), Eq("a%", "y")))))),
    Eq("a%", "X?$1".lower(), folded=True), Not(In("w", ())), Bits("w", 2**62, 2**62),
]  # fmt: skip
ROWS: list[tuple[int | None, str | None]] = [
    (None, None), (0, "x?$1"), (4, "y"), (5, " X?$1"), (6, "y"), (2**62 + 4, "x_"), (7, None),
]  # fmt: skip


@pytest.mark.parametrize("alias", [None, "some rows"])
def test_rendered_predicates_on_mariadb(maria_url: str, alias: str | None) -> None:
    named = f" AS `{alias}`" if alias else ""
    with opened(maria_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE t (w bigint, `a%` text)")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", ROWS)
        for predicate in PREDICATES:
            expected = sum(matches(predicate, {"w": w, "a%": a}) for w, a in ROWS)
            text, params = render(predicate, "mariadb", {"w": "integer"}, alias=alias)
            cursor.execute(f"SELECT count(*) FROM t{named} WHERE {text}", params)
            assert cursor.fetchone() == (expected,), text


@pytest.mark.parametrize("alias", [None, "some rows"])
def test_rendered_predicates_on_plain_cursors(pg_url: str, alias: str | None) -> None:
    lite = sqlite3.connect(":memory:")
    install(lite)
    create = 'CREATE TEMP TABLE "t" (w bigint, "a%" text)'
    named = f' AS "{alias}"' if alias else ""
    with psycopg.connect(pg_url) as post:
        lite.execute(create)
        post.execute(create.encode())
        lite.executemany("INSERT INTO t VALUES (?, ?)", ROWS)
        post.cursor().executemany("INSERT INTO t VALUES (%s, %s)", ROWS)
        for predicate in PREDICATES:
            expected = sum(matches(predicate, {"w": w, "a%": a}) for w, a in ROWS)
            for dialect in ("sqlite", SQLITE):
                text, params = render(predicate, dialect, {"w": "integer"}, alias=alias)
                asked = f"SELECT count(*) FROM t{named} WHERE {text}"
                assert lite.execute(asked, params).fetchone() == (expected,), text
            text, params = render(predicate, "postgresql", {"w": "integer"}, alias=alias)
            asked = f"SELECT count(*) FROM t{named} WHERE {text}"
            assert post.execute(asked.encode(), params).fetchone() == (expected,), text
    with pytest.raises(UsageError):
        render(EVERYTHING, "latin")


def test_templates() -> None:
    assert fill("{{a}} {b}{c}", {"b": 1, "c": None}) == "{a} 1"
    assert template_fields("{a}-{b}") == {"a", "b"}
    for wrong in ("{", "{a!r}", "{a:>3}", "{}", "}"):
        with pytest.raises(UsageError):
            fill(wrong, {"a": 1})


class Post(RowStore):
    """A system whose client fails in some way."""

    abilities = Abilities(grain="item", update=False, reads_back=False)

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("post")
        self.error = error

    def datasets(self) -> Iterable[Dataset]:
        fields = {"id": Field("id", "integer"), "text": Field("text")}
        return [Dataset("letter", ("id",), fields)]

    def _read(self, dataset: str, only: Predicate) -> Any:
        if self.error is not None:
            raise self.error
        return [{"id": 1, "text": "x"}, {"id": 2}]

    def _write(self, dataset: str, key: Any, new: Any) -> None: ...


LETTER = by_key("letter", KeyTable(("id",), ((0, ("1",)),)))


def test_an_authors_errors_are_wrapped() -> None:
    for error, kind in (
        (ValueError("Geheim"), StoreError),
        (ConnectionRefusedError("Geheim"), StoreUnreachable),
        (TimeoutError("Geheim"), StoreUnreachable),
    ):
        with Post(error).session() as session, pytest.raises(kind) as caught:
            session.count([LETTER])
        assert "Geheim" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


def test_a_store_that_cannot_read_back_claims_no_change() -> None:
    with Post().session(write=True) as session:
        assert session.count([LETTER]) == [1]
        assert session.apply([Change(LETTER)], "s") == [Counts(found=1)]


def test_not_able_is_said_before_anything_is_tried() -> None:
    changes = [Change(LETTER), Change(LETTER, {"text": Const("x")})]
    with Post(ValueError()).session(write=True) as session, pytest.raises(NotAble):
        session.apply(changes, "s")
    with pytest.raises(NotAble):
        Post().statements(changes)


def test_a_template_of_an_unknown_field(tmp_path: Any) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE letter (id INTEGER PRIMARY KEY, text TEXT)")
    connection.close()
    store = SQLiteStore("post", (), str(path))
    with store.session(write=True) as session, pytest.raises(UsageError, match="`nobody`"):
        session.apply([Change(LETTER, {"text": Template("{nobody}")})], "s")


def test_two_memory_sessions_that_write() -> None:
    store = MemoryStore("m", Post().datasets(), rows={"letter": [{"id": 1}]})
    with store.session(write=True) as one, store.session(write=True) as two:
        one.apply([Change(LETTER)], "s")
        two.apply([Change(LETTER)], "s")
        one.commit()
        with pytest.raises(StoreError, match="another session"):
            two.commit()
