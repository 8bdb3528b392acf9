"""What a MariaDB store does: keys, joins, obstacles, cascades, privileges, others in the way."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pymysql
import pytest
from tests.mariadb import Mariadb
from tests.stores.engines import opened
from tests.stores.mariadb_shop import do, ids, keys, read, run

from kept.errors import ConfigError, NotAble, StoreError, StoreUnreachable
from kept.model.change import Change, Const, PerRow, Template
from kept.model.plan import Counts
from kept.model.predicate import And, Eq, In
from kept.model.select import Join, KeyTable, Route, Select
from kept.stores import open_store
from kept.stores.mariadb import MariaDBStore, Options


def test_columns_that_the_engine_would_set_keep_their_value(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    (before,) = read(store, keys("person", "id", 1))
    assert do(store, Change(keys("person", "id", 1), {"mail": Template("e-{id}-{nick}")})) == [
        Counts(1, 1)
    ]
    (after,) = read(store, keys("person", "id", 1))
    assert after == {**before, "mail": "e-1-Ana"}


def test_names_of_every_kind(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    name = "order`s %s.x"
    assert {d.name: d for d in store.datasets()}[name].key == ("select",)
    changes = [
        Change(keys(name, "select", 1), {"O'Hara": Template("{select}%s")}),
        Change(keys(name, "select", 2)),
    ]
    assert do(store, *changes) == [Counts(1, 1), Counts(1, 1)]
    assert read(store, keys(name, "select", 1, 2)) == [{"select": 1, "O'Hara": "1%s"}]


def test_what_is_there(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    there = {d.name: d for d in store.datasets()}
    assert "numbers" not in there
    child = there["child"]
    assert [(k.fields, k.to, k.on) for k in child.links] == [(("person",), "person", ("id",))]
    assert child.key == ("id",)
    assert not child.fields["person"].nullable
    assert child.fields["note"].nullable
    assert store.table("person").proven(("code",))
    assert not store.table("person").proven(("mail",))
    assert there["pair"].key == ()
    assert not store.table("pair").proven(("a", "b"))  # nulls are not unique
    assert {n: d.title for n, d in there.items() if d.on_erase == "never"} == {
        "watched": "view",
        "old": "kept by the engine MyISAM, which has no transactions",
        "aria": "kept by the engine Aria, which has no transactions",
        "past": "system-versioned: what is deleted stays readable in its history",
    }


@pytest.mark.parametrize("name", ["old", "past", "watched"])
def test_what_could_not_be_undone_or_would_stay_is_only_read(
    maria_shop: MariaDBStore, name: str
) -> None:
    store = maria_shop
    assert len(read(store, keys(name, "id", 1))) == 1
    for assign in (None, {"name" if name != "watched" else "mail": Const("y")}):
        with store.session(write=True) as session, pytest.raises(NotAble):
            session.apply(
                [Change(keys("child", "id", 3)), Change(keys(name, "id", 1), assign)], "s"
            )
    assert len(read(store, keys("child", "id", 3))) == 1


def test_rows_without_a_key_are_neither_lost_nor_mixed_up(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    routes = (
        Route(KeyTable(("who",), ((0, (1,)), (1, (2,))))),
        Route(KeyTable(("note",), ((0, ("a",)), (0, ("c",))))),
    )
    select = Select("heap", ("id",), routes)
    with store.session(write=True) as session:
        found = sorted(
            (who, repr(row)) for _, b in session.read([select])
            for who, row in zip(b.persons, b.rows, strict=True)
        )  # fmt: skip
        assert found == [
            (0, "(1, 1, 'a')"), (0, "(1, 1, 'a')"), (0, "(None, 1, 'a')"),
            (0, "(None, None, 'c')"), (1, "(1, 2, 'A')"),
        ]  # fmt: skip
        assert session.count([select]) == [5]
        one = Select("heap", ("id",), (Route(KeyTable(("who",), ((0, (1,)),))), routes[1]))
        assert session.apply([Change(one)], "s") == [Counts(4, 4)]
        assert session.count([select]) == [1]
        with pytest.raises(StoreError, match="one by one"):
            session.apply([Change(keys("heap", "who", 2), {"note": PerRow(lambda _: "x")})], "s")
        assert session.apply([Change(keys("pair", "a", 1), {"note": Const("q")})], "s") == [
            Counts(3, 3)
        ]


def test_joins_of_different_types_and_collations(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    path = (Join(("code",), "person", ("code",)),)
    seed = Route(KeyTable(("id",), ((0, (1,)), (1, (2,)))), path)
    with store.session() as session:
        assert set(session.keys([Select("child", ("id",), (seed,))])["child"].rows) == {
            (0, (1,)),
            (1, (3,)),
        }
        for fields, on in ((("code",), ("id",)), (("person",), ("code",)), (("person",), ("upd",))):
            route = Route(KeyTable(("id",), ((0, (1,)),)), (Join(fields, "person", on),))
            assert session.count([Select("child", ("id",), (route,))]) == [0]
        for field, on, found in (
            ("id", "flag", 0), ("v", "price", 0), ("id", "d", 0), ("token", "packed", 1),
            ("small", "bits", 0),
        ):  # fmt: skip
            route = Route(KeyTable(("id",), ((0, (1,)),)), (Join((field,), "types", (on,)),))
            assert session.count([Select("types", ("id",), (route,))]) == [found]


def test_numbers_and_texts_join_as_the_law_says(maria_url: str) -> None:
    run(maria_url, "CREATE OR REPLACE TABLE n (id int PRIMARY KEY, price decimal(6,2), w text)")
    values = "(1, 100.00, '100'), (2, 2.50, '2.5'), (3, 0, '0'), (4, 7, '07')"
    run(maria_url, f"INSERT INTO n VALUES {values}")
    store = MariaDBStore("shop", (), maria_url)
    for join in (Join(("price",), "n", ("w",)), Join(("w",), "n", ("price",))):
        route = Route(KeyTable(("id",), tuple((i, (i,)) for i in range(1, 5))), (join,))
        with store.session() as session:
            found = session.keys([Select("n", ("id",), (route,))])["n"].rows
        assert set(found) == {(i, (i,)) for i in (1, 2, 3)}
    store.close()


def test_obstacles_are_found_and_classified(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    tries = [
        (Change(keys("person", "id", 1)), "foreign-key"),
        (Change(keys("person", "id", 3, 4), {"code": Const("z")}), "unique"),
        (Change(keys("child", "id", 1), {"person": Const(None)}), "not-null"),
        (Change(keys("child", "id", 1), {"note": Const("forbidden")}), "check"),
        (Change(keys("child", "id", 1), {"person": Const(99)}), "foreign-key"),
        (Change(keys("guarded", "id", 1)), "trigger"),
    ]
    for change, kind in tries:
        with store.session(write=True) as session:
            (met,) = session.rehearse([change])
            assert (met.dataset, met.kind) == (change.select.dataset, kind)
            assert met.fix
            assert not any(word in repr(met) for word in ("secret", "forbidden", "99"))
    with store.session(write=True) as session:
        obstacles = session.rehearse([change for change, _ in tries])
        assert [o.kind for o in obstacles] == [kind for _, kind in tries]
        assert "`code`" in obstacles[1].words or "code" in obstacles[1].words
        assert "`person`" in obstacles[2].words
        assert "no_word" in obstacles[3].words
        assert session.rehearse([Change(keys("person", "id", 3))]) == []
    assert len(read(store, keys("person", "id", 3))) == 1


def test_a_rehearsal_inside_a_transaction_keeps_what_came_before(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    with store.session(write=True) as session:
        session.apply([Change(keys("child", "id", 3))], "s")
        assert session.rehearse([Change(keys("person", "id", 2)), Change(keys("guarded", "id", 1))])
        assert session.count([keys("child", "id", 3)]) == [0]
        session.rollback()
        assert session.count([keys("child", "id", 3)]) == [1]


def test_what_a_cascade_would_take_along_is_an_obstacle(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    one = Change(keys("child", "id", 2))
    with store.session(write=True) as session:
        (met,) = session.rehearse([one])
        assert (met.dataset, met.kind) == ("child", "foreign-key")
        assert "`trail`" in met.words
        with pytest.raises(StoreError, match="trail"):
            session.apply([one], "s")
        # in the right order nothing is taken along
        both = [Change(keys("trail", "child", 2)), one]
        assert session.rehearse(both) == []
        assert session.apply(both, "s") == [Counts(1, 1), Counts(1, 1)]
        # a link to its own table: whole branches go, the middle alone does not
        assert session.rehearse([Change(keys("tree", "id", 2))])
        assert session.apply([Change(keys("tree", "id", 2, 3))], "s") == [Counts(2, 2)]


def test_a_cascade_into_another_database_is_seen(
    maria_server: Mariadb, maria_shop_url: str, maria_shop: MariaDBStore
) -> None:
    with opened(maria_shop_url) as connection:
        database = str(connection.db.decode())
    with maria_server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{database}.b`")
        try:
            cursor.execute(
                f"CREATE TABLE `{database}.b`.`k``id` (id int PRIMARY KEY, child int, FOREIGN KEY"
                f" (child) REFERENCES `{database}`.child (id) ON DELETE SET NULL)"
            )
            cursor.execute(f"INSERT INTO `{database}.b`.`k``id` VALUES (1, 3)")
            cursor.execute(f"GRANT SELECT ON `{database}.b`.* TO `{database}`@localhost")
            with maria_shop.session(write=True) as session:
                (met,) = session.rehearse([Change(keys("child", "id", 3))])
                assert met.kind == "foreign-key"
                assert session.rehearse([Change(keys("child", "id", 1))]) == []
        finally:
            cursor.execute(f"DROP DATABASE `{database}.b`")


def test_least_privilege(maria_server: Mariadb, maria_shop_url: str) -> None:
    url = maria_shop_url
    with opened(url) as connection:
        database = str(connection.db.decode())  # type: ignore[union-attr]
    role = f"r_{database}"[:60]
    with maria_server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE USER `{role}`@localhost IDENTIFIED BY 'p'")
        cursor.execute(f"GRANT SELECT ON `{database}`.* TO `{role}`@localhost")
        theirs = maria_server.url(database, role, "p")
        store = MariaDBStore("shop", (), theirs)
        # reading everything there is to know takes SELECT alone
        full = MariaDBStore("shop", (), url)
        assert list(store.datasets()) == list(full.datasets())
        assert store.table("child").references == full.table("child").references
        many = In("mail", tuple(f"{i}@x" for i in range(5000)))
        assert ids(store, "person", many) == []
        with store.session(write=True) as session:
            assert [o.kind for o in session.rehearse([Change(keys("child", "id", 3))])] == [
                "privilege"
            ]
        # the rule of a foreign key is hidden from it, so each is looked at
        cursor.execute(f"GRANT UPDATE, DELETE ON `{database}`.child TO `{role}`@localhost")
        store.forget()
        with store.session(write=True) as session:
            assert session.rehearse([Change(keys("child", "id", 2))])
            changes = [
                Change(keys("child", "id", 3)),
                Change(keys("child", "id", 1), {"note": Const("x")}),
            ]
            assert session.apply(changes, "s") == [Counts(1, 1), Counts(1, 1)]
        store.close()
        full.close()
        cursor.execute(f"DROP USER `{role}`@localhost")


@pytest.mark.parametrize(
    "url",
    [
        "mariadb://ana:geheim-77@127.0.0.1:1/shop",
        "mariadb://ana:geheim-77@no-such-host.invalid/shop",
        "mariadb://ana:geheim-77@/shop?unix_socket=/no/such/socket",
        "mariadb://ana:geheim-77@[broken/shop",
        "mariadb://ana:geheim-77@host:port/shop",
        "mariadb://ana:secret@geheim-77@127.0.0.1:1/shop",
        "mariadb://geheim-77:1/x@127.0.0.1:1/shop",
        "mariadb://ana:geheim-77@host/",
        "mariadb://ana:geheim-77@host/shop?geheim-77=1",
        "mysql://ana:geheim-77@host/shop",
    ],
)
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    store = MariaDBStore("shop", (), url, options=Options(connect_timeout=2))
    for ask in (store.session, lambda: list(store.datasets())):
        with pytest.raises((StoreUnreachable, ConfigError)) as caught:
            ask()
        error: BaseException | None = caught.value
        assert "kept.toml" in str(error)
        while error is not None:
            assert "geheim" not in str(error)
            error = error.__cause__ or error.__context__


def test_a_login_that_is_refused(maria_shop_url: str) -> None:
    url = maria_shop_url
    wrong = re.sub(r":[^:@]+@", ":geheim-77@", url)
    with pytest.raises(StoreUnreachable, match="refused the login") as caught:
        MariaDBStore("shop", (), wrong).session()
    assert "geheim" not in repr(caught.value)


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "pymysql"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymysql", None)
    for name in ("kept.stores.mariadb", "kept.stores.link_mariadb"):
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=r"kept\[mariadb\]"):
        open_store("mariadb", "shop", [], "mariadb://x@y/z")


def _thread(session: Any) -> int:
    return int(session._connection.thread_id())


def test_a_connection_lost_half_way(maria_shop_url: str, maria_shop: MariaDBStore) -> None:
    store = maria_shop
    url = maria_shop_url
    session = store.session(write=True)
    session.apply([Change(keys("child", "id", 3))], "s")
    with opened(url) as other, other.cursor() as cursor:
        cursor.execute(f"KILL {_thread(session)}")
        with pytest.raises(StoreUnreachable, match="undone"):
            session.commit()
        session.close()
        assert cursor.execute("SELECT 1 FROM child WHERE id = 3") == 1
    assert do(store, Change(keys("child", "id", 3))) == [Counts(1, 1)]


def test_an_idle_connection_that_died_is_not_used(
    maria_shop_url: str, maria_shop: MariaDBStore
) -> None:
    store = maria_shop
    url = maria_shop_url
    with store.session() as session:
        session.count([keys("child", "id", 1)])
        thread = _thread(session)
    with opened(url) as other, other.cursor() as cursor:
        cursor.execute(f"KILL {thread}")
    with store.session() as session:
        assert session.count([keys("child", "id", 1)]) == [1]
        assert _thread(session) != thread


def test_reading_back_uses_another_connection(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    with store.session(write=True) as session:
        writer = _thread(session)
        session.count([keys("child", "id", 1)])
    with store.session() as session:
        session.count([keys("child", "id", 1)])
        assert _thread(session) != writer
        with pytest.raises(StoreError):
            session.apply([Change(keys("child", "id", 1))], "s")
        with pytest.raises(pymysql.err.OperationalError), session._connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("DELETE FROM child")  # the engine itself refuses, too


def test_an_answer_left_half_read(maria_shop: MariaDBStore, maria_shop_url: str) -> None:
    store = maria_shop
    url = maria_shop_url
    run(url, "CREATE TABLE `long` AS SELECT seq AS id, 1 AS who FROM seq_1_to_30000")
    select = Select("long", ("id",), (), Eq("who", 1))
    with store.session() as session:
        reading = session.read([select, keys("child", "id", 1)])
        _, batch = next(reading)
        assert len(batch.rows) == 2000
        with pytest.raises(StoreError, match="still being read"):
            session.count([select])
        reading.close()
        assert session.count([select]) == [30000]
        assert sum(len(b.rows) for _, b in session.read([select])) == 30000


def test_functions_of_rows_over_many_chunks(maria_shop: MariaDBStore, maria_shop_url: str) -> None:
    store = maria_shop
    url = maria_shop_url
    run(
        url,
        "CREATE TABLE wide (id int PRIMARY KEY, who int, note text)"
        " SELECT seq AS id, 1 AS who, 'n' AS note FROM seq_1_to_5001",
    )
    note = PerRow(lambda r: f"{r['id']}!")
    change = Change(Select("wide", ("id",), (), Eq("who", 1)), {"note": note})
    assert do(store, change, change) == [Counts(5001, 5001), Counts(5001, 0)]
    assert read(store, keys("wide", "id", 5001)) == [{"id": 5001, "who": 1, "note": "5001!"}]


def test_a_table_that_is_changed_under_us(maria_shop: MariaDBStore, maria_shop_url: str) -> None:
    store = maria_shop
    url = maria_shop_url
    assert len(read(store, keys("guarded", "id", 1))) == 1
    run(url, "ALTER TABLE guarded RENAME COLUMN note TO words")
    with pytest.raises(StoreError, match="map check"):
        read(store, keys("guarded", "id", 1))
    assert read(store, keys("guarded", "id", 1)) == [{"id": 1, "words": "n"}]


def test_others_in_the_way(maria_shop_url: str) -> None:
    url = maria_shop_url
    options = Options(statement_timeout=0.3, lock_timeout=1)
    store = MariaDBStore("shop", (), url, options=options)
    run(url, "CREATE VIEW slow AS SELECT 1 AS id, sleep(5) AS s")
    with store.session() as session, pytest.raises(StoreError, match="longer than allowed"):
        session.count([Select("slow", ("id",), (), Eq("s", 1))])
    store.close()
    store = MariaDBStore("shop", (), url, options=Options(lock_timeout=1))
    with opened(url) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT * FROM child WHERE id = 1 FOR UPDATE")
        changes = [Change(keys("child", "id", 1))]
        with store.session(write=True) as session, pytest.raises(StoreError, match="in use"):
            session.apply(changes, "s")
        with store.session(write=True) as session, pytest.raises(StoreError, match="in use"):
            session.rehearse(changes)
    store.close()


def test_more_keys_than_a_packet_holds(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    many = In("mail", tuple(f"{i:0>990}" for i in range(17000)))
    with store.session() as session:
        with pytest.raises(StoreError, match="max_allowed_packet"):
            session.count([Select("person", ("id",), (), many)])
        assert session.count([keys("person", "id", 1)]) == [1]


def test_statements_for_a_person_do_the_same(maria_shop: MariaDBStore, maria_shop_url: str) -> None:
    store = maria_shop
    url = maria_shop_url
    run(url, "CREATE TABLE manual (id int PRIMARY KEY, who int, `n%` varchar(60), m text)"
             " DEFAULT CHARSET utf8mb4 SELECT seq AS id, mod(seq, 3) AS who, 'x' AS `n%`, 'y' AS m"
             " FROM seq_1_to_9")  # fmt: skip
    text = "O'H\\ara %s $1 \"é"
    changes = [
        Change(keys("manual", "who", 0, 1), {"n%": Const(text)}),
        Change(keys("manual", "id", 2), {"n%": Template("'{id}'{m}"), "m": Template("{n%}")}),
        Change(keys("manual", "id", 5), {"n%": PerRow(lambda r: f"{r['id']}\\'")}),
        Change(Select("manual", ("id",), (), And((Eq("n%", text),)))),
    ]
    statements = store.statements(changes)
    assert statements[-1] == "COMMIT;"
    for mode in ("", "NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES"):
        with opened(url) as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = %s", (mode,))
            for statement in statements[:-1]:
                cursor.execute(statement)
            cursor.execute("SELECT id, `n%`, m FROM manual ORDER BY id")
            rows = cursor.fetchall()
            connection.rollback()
        assert rows == ((2, "'2'y", "x"), (5, "5\\'", "y"), (8, "x", "y"))
    assert store.statements([Change(keys("manual", "id", None))]) == []


def test_a_marker_makes_a_step_happen_once_and_commits_nothing(maria_shop_url: str) -> None:
    url = maria_shop_url
    store = MariaDBStore("shop", (), url, options=Options(marker=True))
    change = Change(keys("guarded", "id", 1), {"note": PerRow(lambda r: f"{r['note']}+")})
    with store.session(write=True) as session:  # making the table must not commit what is open
        session.apply([change], "step-1")
    assert read(store, keys("guarded", "id", 1))[0]["note"] == "n"
    for expected in (Counts(1, 1), Counts(1, 0)):
        assert do(store, change) == [expected]
    assert read(store, keys("guarded", "id", 1))[0]["note"] == "n+"
    assert "kept_step" not in {d.name for d in store.datasets()}
    store.close()


def test_nothing_of_a_server_that_is_killed_is_half_done(tmp_path: Path) -> None:
    """What was committed is there after the crash, what was not is gone."""
    if not Mariadb.here():
        pytest.skip("no MariaDB is installed here: `tools/setup system`")
    server = Mariadb(tmp_path / "m")
    server.acquire()
    try:
        url = server.make_database("shop")
        run(
            url,
            "CREATE TABLE t (id int PRIMARY KEY, note text);\n"
            "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
        )
        store = MariaDBStore("shop", (), url)
        assert do(store, Change(keys("t", "id", 1))) == [Counts(1, 1)]
        session = store.session(write=True)
        session.apply([Change(keys("t", "id", 2))], "s")
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(StoreUnreachable):
            session.commit()
        session.close()
        server.restart()
        assert read(store, keys("t", "id", 1, 2)) == [{"id": 2, "note": "b"}]
        store.close()
    finally:
        server.release()
