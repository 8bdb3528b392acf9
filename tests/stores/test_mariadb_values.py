"""Values in MariaDB: types, collations, blanks, zero dates, indexes."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.stores.engines import opened
from tests.stores.mariadb_shop import NOON, TOKEN, do, ids, keys, read, run

from kept.errors import NotAble, StoreError
from kept.model.change import Change, Const, PerRow
from kept.model.plan import Counts
from kept.model.predicate import Before, Eq, In, IsNull, Not, Predicate, matches
from kept.model.select import KeyTable, Route, Select
from kept.model.values import Value, fold
from kept.stores.columns import Column
from kept.stores.dialects import MARIADB, Binder, clause
from kept.stores.mariadb import MariaDBStore


def test_every_type_is_read_as_what_it_is(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    types = {n: c.type for n, c in store.table("types").columns.items()}
    assert types == {
        "id": "integer", "big": "integer", "year_": "integer", "bits": "integer",
        "yes": "boolean", "flag": "boolean", "small": "integer", "price": "decimal",
        "f": "real", "d": "real", "token": "uuid", "packed": "uuid", "raw": "bytes",
        "doc": "json", "kind": "text", "tags": "text", "born": "date", "seen": "datetime",
        "at": "datetime", "clock": "other", "six": "other", "four": "other", "place": "other",
        "c": "text", "v": "text", "l": "text", "twice": "text", "secret": "integer",
    }  # fmt: skip
    one, two, three, four, five = read(store, keys("types", "id", 1, 2, 3, 4, 5))
    assert one == {
        "id": 1, "big": 2**64 - 1, "year_": 2024, "bits": 5, "yes": True, "flag": True,
        "small": 7, "price": decimal.Decimal("1.5"), "f": 0.1, "d": 0.1, "token": TOKEN,
        "packed": TOKEN, "raw": b"\x00\xff'", "doc": '{"a": [1]}', "kind": "b", "tags": "x,y",
        "born": dt.date(1990, 1, 31), "seen": NOON.replace(tzinfo=None),
        "at": NOON.replace(microsecond=1), "clock": "-10:00:00.500", "six": "::1",
        "four": "10.0.0.1", "place": "POINT(1 2)", "c": "ab", "v": "Ana ", "l": "é",
        "twice": "Ana Ana ", "secret": None,
    }  # fmt: skip
    assert set(two.values()) == {2, dt.date(1990, 2, 1), None}
    # days that no calendar has are what the engine shows
    assert (three["born"], three["seen"]) == ("0000-00-00", "0000-00-00 00:00:00")
    assert (four["born"], four["seen"]) == ("2024-02-31", "2024-00-00 00:00:00")
    assert five["born"] == "0000-05-05"


def test_every_value_finds_its_row(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    (row,) = read(store, keys("types", "id", 1))
    for name, value in row.items():
        if value is None or name == "big":  # beyond what Kept calls an integer
            continue
        assert ids(store, "types", Eq(name, value)) == [1], name
        assert ids(store, "types", In(name, (value, value))) == [1], name
        assert ids(store, "types", Not(Eq(name, value))) == [2, 3, 4, 5], name
        for table in (
            KeyTable((name,), ((0, (value,)),)),
            KeyTable((name,), ((0, (value,)), (1, ("?",)))),
        ):
            routes = (Route(table),)
            assert [r["id"] for r in read(store, Select("types", ("id",), routes))] == [1], name


def test_a_zero_date_is_no_date_and_no_null(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    late = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
    assert ids(store, "types", Before("born", late)) == [1, 2]
    assert ids(store, "types", Before("seen", late)) == [1]
    assert ids(store, "types", IsNull("born")) == []
    assert ids(store, "types", Not(IsNull("born"))) == [1, 2, 3, 4, 5]
    assert ids(store, "types", IsNull("seen")) == [2, 5]
    assert ids(store, "types", Before("at", NOON)) == []
    assert ids(store, "types", Before("at", NOON + dt.timedelta(microseconds=2))) == [1]
    assert ids(store, "types", Before("at", dt.datetime(2024, 1, 1, 12, 1))) == [1]  # noqa: DTZ001


NEW: dict[str, Value] = {
    "big": 5, "year_": 2020, "bits": 256, "yes": False, "flag": False, "small": 3,
    "price": decimal.Decimal("-3.2500"), "f": 2.5, "d": 1e-300, "token": uuid.UUID(int=7),
    "packed": uuid.UUID(int=8), "raw": b"\\'\x00", "doc": "[1]", "kind": "É", "tags": "y",
    "born": dt.date(1, 1, 1), "seen": dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    "at": NOON.replace(microsecond=999999), "clock": "25:00:00.250", "six": "ff::",
    "four": "1.2.3.4", "c": "x y", "v": "O'H\\ara\n\0 %s ", "l": "ß",
}  # fmt: skip


def test_every_type_is_written(maria_shop: MariaDBStore) -> None:
    store = maria_shop
    constants = Change(keys("types", "id", 1), {n: Const(v) for n, v in NEW.items()})
    computed = Change(keys("types", "id", 2), {n: PerRow(lambda _, v=v: v) for n, v in NEW.items()})
    assert do(store, constants, computed) == [Counts(1, 1), Counts(1, 1)]
    expected = {**NEW, "seen": dt.datetime(9999, 12, 31, 23, 59, 59)}  # noqa: DTZ001
    for row in read(store, keys("types", "id", 1, 2)):
        assert {n: row[n] for n in NEW} == expected
    assert do(store, constants, computed) == [Counts(1, 0), Counts(1, 0)]
    nothing = {n: Const(None) for n in NEW if n != "born"}
    assert do(store, Change(keys("types", "id", 1, 2, 3), nothing)) == [Counts(3, 3)]
    with pytest.raises(NotAble):
        do(store, Change(keys("types", "id", 1), {"twice": Const("x")}))
    for name, value in (
        ("v", "x" * 61),
        ("kind", "z"),
        ("l", "ж"),
        ("price", decimal.Decimal(10**20)),
    ):
        with pytest.raises(StoreError) as caught:
            do(store, Change(keys("types", "id", 1), {name: Const(value)}))
        assert "xxx" not in repr(caught.value)


def test_texts_are_compared_exactly_and_by_the_index(
    maria_shop: MariaDBStore, maria_shop_url: str
) -> None:
    store = maria_shop
    url = maria_shop_url
    for name in ("mail", "nick"):
        rows = read(store, Select("person", ("id",), (), Not(IsNull("id"))))
        for row in rows:
            for only in (Eq(name, row[name]), In(name, (row[name], "no one"))):
                assert ids(store, "person", only) == [row["id"]]
    assert ids(store, "person", Eq("mail", "ana@x.de", folded=True)) == [1, 2, 4]
    run(
        url,
        "INSERT INTO person (id, mail, nick, code) SELECT seq, concat('m', seq),"
        " concat('n', seq), seq FROM seq_10_to_3000;\nANALYZE TABLE person",
    )
    # whatever the collation, neither a value nor a list of values reads the whole table
    for name in ("mail", "nick"):
        route = Route(KeyTable((name,), ((0, ("m7",)), (0, ("n8",)), (1, ("x",)))))
        select = Select("person", ("id",), (route,))
        statements = store.statements_of
        call = statements.read(select, (), {})
        assert call is not None
        deletion = statements.change(Change(keys("person", name, "m7", "n8")), {})
        assert deletion is not None
        where = MARIADB.compiled
        single = Binder(MARIADB)
        column = store.table("person").column(name)
        table = store.table("person").clause
        text, params = single.compile(
            clause(Eq(name, "m7"), {name: (column, table.c[name])}, single), where
        )
        with opened(url) as connection, connection.cursor() as cursor:
            for asked, given in (
                (call.sql, call.params),
                (f"SELECT * FROM person WHERE {text}", params),
                (deletion.text.replace("DELETE FROM", "DELETE `person` FROM"), None),
            ):
                cursor.execute(f"EXPLAIN {asked}", given)
                plan = {row[2]: row[3] for row in cursor.fetchall()}
                assert plan.get("t", plan.get("person")) in ("ref", "eq_ref"), (name, asked)


def test_keys_of_several_texts(maria_shop: MariaDBStore) -> None:
    pairs = (("ana@x.de", "Ana"), ("ANA@x.de", "Ana"), ("áná@x.de", "Äna"), ("ana@x.de ", "ana"))
    table = KeyTable(("mail", "nick"), tuple((0, pair) for pair in pairs))
    select = Select("person", ("id",), (Route(table),))
    with maria_shop.session(write=True) as session:
        assert session.keys([select])["person"].rows == ((0, (1,)), (0, (3,)))
        assert session.count([select]) == [2]
        assert session.apply([Change(select, {"nick": Const("x")})], "s") == [Counts(2, 2)]


LETTERS = st.sampled_from([*"aAáÁßsSıİKéж😀 \t\n\0\x1f\\'\"%_`;-", "e\u0301"])
TEXTS = st.lists(LETTERS, max_size=5).map("".join)


@pytest.mark.parametrize("collation", [
    "utf8mb4_general_ci", "utf8mb4_unicode_520_ci", "utf8mb4_bin", "utf8mb4_nopad_bin",
    "utf8mb4_unicode_nopad_ci", "utf8mb3_general_ci", "latin1_swedish_ci", "utf16_general_ci",
])  # fmt: skip
def test_any_text_in_any_collation(maria_url: str, collation: str) -> None:
    charset = collation.split("_")[0]
    run(maria_url, f"CREATE OR REPLACE TABLE words (id int PRIMARY KEY, w varchar(20) CHARACTER SET"
                   f" {charset} COLLATE {collation}, KEY (w))")  # fmt: skip
    store = MariaDBStore("shop", (), maria_url)
    with opened(maria_url) as connection, connection.cursor() as cursor:

        @settings(max_examples=40, derandomize=True, database=None, deadline=None)
        @given(st.lists(TEXTS, min_size=1, max_size=12), st.lists(TEXTS, min_size=1, max_size=4))
        def agree(stored: list[str], asked: list[str]) -> None:
            if charset in ("latin1", "utf8mb3"):
                encoding = "cp1252" if charset == "latin1" else "utf-8"
                fits = [w.encode(encoding, "ignore").decode(encoding) for w in stored]
                stored = ["".join(c for c in w if ord(c) < 65536) for w in fits]
            cursor.execute("DELETE FROM words")
            rows = list(enumerate(stored))
            cursor.executemany("INSERT INTO words VALUES (%s, %s)", rows)
            connection.commit()
            values = (*asked, stored[0])
            predicates: list[Predicate] = [In("w", values), Not(In("w", values[:1]))]
            for one in values:
                predicates += [Eq("w", one), Eq("w", fold(one), folded=True)]
            predicates.append(In("w", tuple(map(fold, values)), folded=True))
            for predicate in predicates:
                expected = [i for i, w in rows if matches(predicate, {"w": w})]
                assert sorted(map(int, map(str, ids(store, "words", predicate)))) == expected
            route = Route(KeyTable(("w",), tuple((i, (w,)) for i, w in enumerate(values))))
            with store.session() as session:
                found = session.keys([Select("words", ("id",), (route,))])["words"].rows
            assert set(found) == {
                (i, (n,)) for i, w in enumerate(values) for n, s in rows if s == w
            }

        agree()
    store.close()


def test_folding_changes_a_to_z_and_no_other_letter(maria_url: str) -> None:
    run(maria_url, "CREATE OR REPLACE TABLE letters (n int, w varchar(4) CHARACTER SET utf8mb4)")
    binder = Binder(MARIADB)
    column = MARIADB.folded(Column("w"), sa.column("w"))
    text, _ = binder.compile(column, MARIADB.compiled)
    letters = [chr(n) for n in range(1, 0x2FFFF) if not 0xD800 <= n < 0xE000]
    with opened(maria_url) as connection, connection.cursor() as cursor:
        for start in range(0, len(letters), 20000):
            cursor.execute("DELETE FROM letters")
            part = letters[start : start + 20000]
            cursor.executemany("INSERT INTO letters VALUES (%s, %s)", [(ord(c), c) for c in part])
            cursor.execute(f"SELECT w, {text} FROM letters")
            assert [(w, f) for w, f in cursor.fetchall() if fold(w) != f] == []
