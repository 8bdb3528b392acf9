"""What only PostgreSQL has: its types, schemas, views, deferred constraints, lost connections."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Iterator

import psycopg
import pytest

from kept.datamap.map import Dataset, Field
from kept.errors import ConfigError, NotAble, StoreError, StoreUnreachable
from kept.model.change import Change, Const, PerRow, Template
from kept.model.plan import Counts
from kept.model.predicate import Before, Eq, In, Not
from kept.model.select import Join, KeyTable, Route, Select, by_key
from kept.model.values import Value
from kept.stores.sql import Options, PostgreSQLStore

SCHEMA = r'''
CREATE SCHEMA "Öff ""Schéma""";
CREATE TYPE mood AS ENUM ('glad', 'O''k');
CREATE DOMAIN short AS varchar(8);
CREATE DOMAIN shorter AS short CHECK (value <> 'never');
CREATE TABLE "Types" (
  id bigint PRIMARY KEY, n numeric(20,5), i2 smallint, f4 real, f8 double precision,
  u uuid, tz timestamptz, ts timestamp(3), d date, t time, iv interval, b bytea, j json,
  jb jsonb, arr text[], m mood, dom shorter, ch char(6), v varchar(5), ip inet, x point,
  blind text COLLATE "C", ok boolean, g bigint GENERATED ALWAYS AS (id * 2) STORED
);
INSERT INTO "Types" VALUES
  (1, 12345678901234.5, -7, 0.1, 0.1, '6f2c0d3e-1111-4222-8333-abcdefabcdef',
   '2024-06-01 12:00+02', '2024-06-01 12:00:00.123', '2024-06-01', '12:30', '1 day',
   '\x00ff', '{"a": 1}', '{"a": 1}', '{a,"b c"}', 'glad', 'Ab', 'ab', 'é', '10.0.0.1',
   '(1,2)', 'Ana', true),
  (2, 'NaN', 3, 'Infinity', '-Infinity', NULL, 'infinity', '-infinity', 'infinity', NULL,
   NULL, '', 'null', 'null', '{}', 'O''k', 'aB', 'ab  c', NULL, NULL, NULL, 'ana', false),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, '0044-03-15 BC', '20000-01-01', NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE "Öff ""Schéma"""."a.b%s" ("select" integer PRIMARY KEY, "O'Hara" text);
INSERT INTO "Öff ""Schéma"""."a.b%s" VALUES (1, 'x'), (2, 'y');
CREATE VIEW watched AS SELECT id, v FROM "Types";
CREATE TABLE parent (id int PRIMARY KEY, code text UNIQUE, mother int REFERENCES parent);
CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent
  DEFERRABLE INITIALLY DEFERRED, note text CHECK (note <> 'forbidden'), code text NOT NULL);
INSERT INTO parent VALUES (1, 'a', NULL), (2, 'b', 1);
INSERT INTO child VALUES (1, 1, 'n', 'a'), (2, 1, 'm', 'a'), (3, 2, NULL, 'b');
CREATE TABLE heap (id int, who int, note text);
INSERT INTO heap VALUES (NULL, 1, 'a'), (NULL, 2, 'b'), (5, 1, 'c'), (5, 2, 'd');
CREATE TABLE part (id int NOT NULL, who int) PARTITION BY LIST (who);
CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);
CREATE TABLE part2 PARTITION OF part FOR VALUES IN (2);
INSERT INTO part VALUES (1, 1), (2, 1), (1, 2);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF old.who = 2 THEN RAISE EXCEPTION 'secret %', old.id; END IF; RETURN NULL; END $$;
CREATE TABLE guarded (id int PRIMARY KEY, who int);
CREATE TRIGGER guard BEFORE DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO guarded VALUES (1, 1), (2, 2);
'''


@pytest.fixture(scope="module")
def url(pg_url: str) -> str:
    with psycopg.connect(pg_url) as connection:
        connection.execute(SCHEMA.encode())
    return pg_url


@pytest.fixture
def store(url: str) -> Iterator[PostgreSQLStore]:
    made = PostgreSQLStore("shop", (), url)
    yield made
    made.close()


def naive(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC).replace(tzinfo=None)  # type: ignore[misc,arg-type]


def keys(dataset: str, field: str, *values: Value) -> Select:
    return by_key(dataset, KeyTable((field,), tuple((0, (v,)) for v in values)))


def read(store: PostgreSQLStore, select: Select) -> list[dict[str, Value]]:
    with store.session() as session:
        return [
            dict(zip(batch.columns, row, strict=True))
            for _, batch in session.read([select])
            for row in batch.rows
        ]


def ids(store: PostgreSQLStore, only: object) -> list[Value]:
    select = Select("Types", ("id",), (), only, ("id",))  # type: ignore[arg-type]
    return sorted(row["id"] for row in read(store, select))  # type: ignore[type-var]


def test_every_type_becomes_a_value(store: PostgreSQLStore) -> None:
    one, two, three = (read(store, keys("Types", "id", i))[0] for i in (1, 2, 3))
    assert one == {
        "id": 1, "n": decimal.Decimal("12345678901234.50000"), "i2": -7, "f4": 0.1, "f8": 0.1,
        "u": uuid.UUID("6f2c0d3e-1111-4222-8333-abcdefabcdef"),
        "tz": dt.datetime(2024, 6, 1, 10, tzinfo=dt.UTC),
        "ts": naive(2024, 6, 1, 12, 0, 0, 123000), "d": dt.date(2024, 6, 1),
        "t": "12:30:00", "iv": "1 day", "b": b"\x00\xff", "j": '{"a": 1}', "jb": '{"a": 1}',
        "arr": '{a,"b c"}', "m": "glad", "dom": "Ab", "ch": "ab", "v": "é", "ip": "10.0.0.1",
        "x": "(1,2)", "blind": "Ana", "ok": True, "g": 2,
    }  # fmt: skip
    # what Python has no value for stays text, and spoils nothing beside it
    assert (two["tz"], two["ts"], two["d"]) == ("infinity", "-infinity", "infinity")
    assert (two["f4"], two["ch"], two["m"]) == (float("inf"), "ab  c", "O'k")
    assert (three["ts"], three["d"]) == ("0044-03-15 00:00:00 BC", "20000-01-01")
    assert three["n"] is None


def test_every_type_is_found_by_its_value(store: PostgreSQLStore) -> None:
    row = read(store, keys("Types", "id", 1))[0]
    for field, value in row.items():
        assert ids(store, Eq(field, value)) == [1], field
        assert ids(store, In(field, (value, None))) == [1], field
        assert ids(store, Not(Eq(field, value))) == [2, 3], field
        route = Select("Types", ("id",), (Route(KeyTable((field,), ((0, (value,)),))),))
        assert [r["id"] for r in read(store, route)] == [1], field


def test_text_is_compared_by_code_points(store: PostgreSQLStore) -> None:
    assert ids(store, Eq("blind", "ana")) == [2]
    assert ids(store, Eq("dom", "ab")) == []
    assert ids(store, Eq("ch", "ab    ")) == []  # the value is `ab`
    assert ids(store, Eq("m", "no such label")) == []
    assert ids(store, Eq("v", "e\u0301")) == []


def test_infinite_moments_are_ordered_as_the_engine_has_them(store: PostgreSQLStore) -> None:
    assert ids(store, Before("tz", dt.datetime(2025, 1, 1, tzinfo=dt.UTC))) == [1]


def test_every_type_is_written(store: PostgreSQLStore) -> None:
    new: dict[str, Value] = {
        "n": decimal.Decimal("0.12345"), "i2": 4, "f4": 0.5, "f8": 1e300, "u": uuid.UUID(int=5),
        "tz": dt.datetime(2025, 1, 1, tzinfo=dt.UTC), "ts": naive(2025, 1, 1),
        "d": dt.date(2025, 1, 1), "t": "01:02:03", "iv": "00:00:01", "b": b"\\'", "j": "[]",
        "jb": "[1]", "arr": "{x}", "m": "O'k", "dom": "x'y", "ch": "x", "v": "\\", "ip": "::1",
        "x": "(0,1)", "blind": "B", "ok": True,
    }  # fmt: skip
    one, other = keys("Types", "id", 2), keys("Types", "id", 3)
    with store.session(write=True) as session:
        constants = Change(one, {n: Const(v) for n, v in new.items()})
        computed = Change(other, {n: PerRow(lambda _, v=v: v) for n, v in new.items()})
        assert session.apply([constants, computed], "s") == [Counts(1, 1), Counts(1, 1)]
        assert session.apply([constants, computed], "s") == [Counts(1, 0), Counts(1, 0)]
        rows = [dict(zip(b.columns, r, strict=True)) for _, b in session.read([one, other])
                for r in b.rows]  # fmt: skip
    for row in rows:
        assert {n: row[n] for n in new} == new
    with store.session(write=True) as session, pytest.raises(StoreError) as caught:
        session.apply([Change(one, {"v": Const("too long for five")})], "s")
    assert "too long" not in repr(caught.value)
    with store.session(write=True) as session, pytest.raises(NotAble):
        session.apply([Change(one, {"g": Const(1)})], "s")


def test_names_of_every_kind(store: PostgreSQLStore) -> None:
    name = 'Öff "Schéma".a.b%s'
    there = {d.name: d for d in store.datasets()}
    assert there[name].key == ("select",)
    assert read(store, keys(name, "select", "2")) == [{"select": 2, "O'Hara": "y"}]
    with store.session(write=True) as session:
        changes = [
            Change(keys(name, "select", 1), {"O'Hara": Template("{select}%s$1")}),
            Change(keys(name, "select", 2)),
        ]
        assert session.apply(changes, "s") == [Counts(1, 1), Counts(1, 1)]
        assert session.count([keys(name, "select", 1, 2)]) == [1]


def test_what_is_there(store: PostgreSQLStore) -> None:
    there = {d.name: d for d in store.datasets()}
    assert set(there) >= {"Types", "watched", "parent", "child", "heap", "part"}
    assert not {"part1", "part2"} & set(there)  # a partition is not a dataset of its own
    child = there["child"]
    assert [(link.fields, link.to, link.on) for link in child.links] == [
        (("parent_id",), "parent", ("id",))
    ]
    assert not child.fields["parent_id"].nullable
    assert there["watched"].on_erase == "never"
    assert there["heap"].key == ()


def test_a_view_is_only_read(store: PostgreSQLStore) -> None:
    assert len(read(store, keys("watched", "id", 1))) == 1
    with store.session(write=True) as session, pytest.raises(NotAble):
        session.apply([Change(keys("watched", "id", 1))], "s")


def test_rows_without_a_proper_key_are_neither_lost_nor_mixed_up(store: PostgreSQLStore) -> None:
    routes = (
        Route(KeyTable(("who",), ((0, (1,)), (1, (2,))))),
        Route(KeyTable(("note",), ((0, ("a",)), (0, ("c",))))),
    )
    select = Select("heap", ("id",), routes)
    with store.session(write=True) as session:
        found = sorted(
            (who, row[2]) for _, b in session.read([select])
            for who, row in zip(b.persons, b.rows, strict=True)
        )  # fmt: skip
        assert found == [(0, "a"), (0, "c"), (1, "b"), (1, "d")]
        assert session.count([select]) == [4]
        one = Select("heap", ("id",), (Route(KeyTable(("who",), ((0, (1,)),))), routes[1]))
        assert session.apply([Change(one)], "s") == [Counts(2, 2)]
        assert session.count([select]) == [2]


def test_partitions_are_one_dataset(store: PostgreSQLStore) -> None:
    both = (Route(KeyTable(("who",), ((0, (1,)),))), Route(KeyTable(("id",), ((0, (1,)),))))
    assert len(read(store, Select("part", ("id",), both))) == 3
    with store.session(write=True) as session:
        assert session.apply([Change(Select("part", ("id",), both[:1]))], "s") == [Counts(2, 2)]


def test_joins_of_different_types(store: PostgreSQLStore) -> None:
    path = (Join(("code",), "parent", ("code",)), Join(("id",), "Types", ("n",)))
    with psycopg.connect(store._url) as connection:
        connection.execute('UPDATE "Types" SET n = 1 WHERE id = 3')
        connection.commit()
        select = Select("child", ("id",), (Route(KeyTable(("id",), ((0, (3,)),)), path),))
        assert [row["id"] for row in read(store, select)] == [1, 2]
        text = (Join(("code",), "Types", ("id",)),)  # text against bigint
        route = Route(KeyTable(("id",), ((0, (1,)),)), text)
        assert read(store, Select("child", ("id",), (route,))) == []


def test_obstacles_are_found_and_classified(store: PostgreSQLStore) -> None:
    tries = [
        (Change(keys("parent", "id", 1)), "foreign-key"),
        (Change(keys("parent", "id", 1, 2), {"code": Const("z")}), "unique"),
        (Change(keys("child", "id", 1), {"code": Const(None)}), "not-null"),
        (Change(keys("child", "id", 1), {"note": Const("forbidden")}), "check"),
        (Change(keys("guarded", "id", 2)), "trigger"),
        (Change(keys("child", "id", 1), {"parent_id": Const(99)}), "foreign-key"),  # deferred
    ]
    for change, kind in tries:
        with store.session(write=True) as session:
            met = session.rehearse([change])
            assert [o.kind for o in met] == [kind]
            assert met[0].fix
            assert not any(word in repr(met) for word in ("secret", "forbidden", "99"))
    with store.session(write=True) as session:
        met = session.rehearse([change for change, _ in tries[:5]])
        assert [o.kind for o in met] == [kind for _, kind in tries[:5]]
        fine = Change(keys("child", "id", 3))
        assert session.rehearse([fine, Change(keys("parent", "id", 2))]) == []
        assert session.apply([fine], "s") == [Counts(1, 1)]


def test_a_rehearsal_inside_a_transaction_keeps_what_came_before(store: PostgreSQLStore) -> None:
    with store.session(write=True) as session:
        session.apply([Change(keys("child", "id", 3))], "s")
        assert session.rehearse([Change(keys("parent", "id", 1))])
        assert session.count([keys("child", "id", 3)]) == [0]
        session.rollback()
        assert session.count([keys("child", "id", 3)]) == [1]


def test_a_trigger_that_keeps_a_row_is_seen(store: PostgreSQLStore) -> None:
    with store.session(write=True) as session:
        assert session.apply([Change(keys("guarded", "id", 1))], "s") == [Counts(1, 0)]


def test_a_rule_in_the_place_of_a_statement_is_named(url: str, store: PostgreSQLStore) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE RULE kept_back AS ON DELETE TO guarded DO INSTEAD NOTHING")
    with store.session(write=True) as session:
        (met,) = session.rehearse([Change(keys("guarded", "id", 1))])
    assert met.kind == "trigger"
    assert "CREATE RULE" in met.words
    assert "rule guards" in met.fix
    assert "map check" not in met.fix


def test_a_privilege_that_is_missing(pg_server: object, url: str, store: PostgreSQLStore) -> None:
    from kept.embedded import SUPERUSER, Server

    assert isinstance(pg_server, Server)
    with psycopg.connect(url) as connection:
        name = connection.info.dbname
        with psycopg.connect(pg_server.url(name, SUPERUSER), autocommit=True) as root:
            root.execute("CREATE TABLE theirs (id int PRIMARY KEY)")
            root.execute("INSERT INTO theirs VALUES (1)")
            root.execute("GRANT SELECT ON theirs TO company")
    with store.session(write=True) as session:
        met = session.rehearse([Change(keys("theirs", "id", 1))])
        assert [o.kind for o in met] == ["privilege"]


def test_row_security_leaves_nothing_out_in_silence(
    pg_server: object, url: str, store: PostgreSQLStore
) -> None:
    from kept.embedded import SUPERUSER, Server

    assert isinstance(pg_server, Server)
    with psycopg.connect(url) as connection:
        name = connection.info.dbname
    with psycopg.connect(pg_server.url(name, SUPERUSER), autocommit=True) as root:
        root.execute("CREATE TABLE hiding (id int PRIMARY KEY)")
        root.execute("INSERT INTO hiding VALUES (1), (2)")
        root.execute("GRANT SELECT, DELETE ON hiding TO company")
        assert len(read(store, keys("hiding", "id", 1, 2))) == 2
        root.execute("ALTER TABLE hiding ENABLE ROW LEVEL SECURITY")
        root.execute("CREATE POLICY one ON hiding USING (id = 1)")
        mapped = Dataset("hiding", ("id",), {"id": Field("id", "integer")})
        whole = PostgreSQLStore("shop", (mapped,), url)
        try:
            # Met by a statement, by a rehearsal, and by the first look at what the map names.
            with pytest.raises(StoreError, match=r"`shop.hiding` from Kept's role.*BYPASSRLS"):
                read(store, keys("hiding", "id", 1, 2))
            with store.session(write=True) as session:
                (met,) = session.rehearse([Change(keys("hiding", "id", 1))])
                assert "row security hides rows" in met.words
                assert "BYPASSRLS" in met.fix
            with pytest.raises(StoreError, match=r"`public.hiding` from Kept's role.*BYPASSRLS"):
                whole.datasets()
            # A table that the map does not name is only looked at, not read.
            assert "hiding" in {d.name for d in store.datasets()}
            root.execute("ALTER ROLE company BYPASSRLS")
            try:
                assert len(read(store, keys("hiding", "id", 1, 2))) == 2
                assert "hiding" in {d.name for d in whole.datasets()}
            finally:
                root.execute("ALTER ROLE company NOBYPASSRLS")
        finally:
            whole.close()
            root.execute("DROP TABLE hiding")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:geheim-77@127.0.0.1:1/shop",
        "postgresql://ana:geheim-77@no-such-host.invalid/shop",
        "postgresql://ana:geheim-77@[broken/shop",
        "host=/no/such/directory password=geheim-77",
        "postgresql://ana:secret@geheim-77@127.0.0.1:1/shop",
        "postgresql://ana:1/geheim-77@127.0.0.1:1/shop",
        "postgresql://geheim-77:1/x@127.0.0.1:1/shop",
        "postgresql://geheim-77:2?x@127.0.0.1:1/shop",
    ],
)
def test_a_wrong_url_is_told_without_its_password(url: str) -> None:
    store = PostgreSQLStore("shop", (), url, options=Options(connect_timeout=2))
    for ask in (store.session, lambda: list(store.datasets())):
        with pytest.raises(StoreUnreachable) as caught:
            ask()
        error: BaseException | None = caught.value
        assert "kept.toml" in str(error)
        while error is not None:
            assert "geheim" not in str(error)
            error = error.__cause__ or error.__context__


def test_a_connection_lost_half_way(url: str, store: PostgreSQLStore) -> None:
    session = store.session(write=True)
    session.apply([Change(keys("child", "id", 3))], "s")
    with psycopg.connect(url, autocommit=True) as other:
        mine = session._wire.connection.info.backend_pid
        other.execute("SELECT pg_terminate_backend(%s)", (mine,))
        with pytest.raises(StoreUnreachable, match="undone"):
            session.commit()
        session.close()
        assert other.execute("SELECT count(*) FROM child WHERE id = 3").fetchone() == (1,)
    with store.session(write=True) as again:
        assert again.apply([Change(keys("child", "id", 3))], "s") == [Counts(1, 1)]


def test_an_idle_connection_that_died_is_not_used(url: str, store: PostgreSQLStore) -> None:
    with store.session() as session:
        session.count([keys("child", "id", 1)])
        pid = session._wire.connection.info.backend_pid
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 2000)", (pid,))
    with store.session() as session:
        assert session.count([keys("child", "id", 1)]) == [1]


def test_reading_back_uses_another_connection(store: PostgreSQLStore) -> None:
    with store.session(write=True) as session:
        writer = session._wire.connection.info.backend_pid
        session.count([keys("child", "id", 1)])
    with store.session() as session:
        session.count([keys("child", "id", 1)])
        assert session._wire.connection.info.backend_pid != writer
        with pytest.raises(StoreError):
            session.apply([Change(keys("child", "id", 1))], "s")


def test_an_answer_left_half_read(store: PostgreSQLStore, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE long AS SELECT i AS id, 1 AS who FROM"
                           " generate_series(1, 30000) i")  # fmt: skip
    select = Select("long", ("id",), (), Eq("who", 1))
    with store.session() as session:
        reading = session.read([select, keys("child", "id", 1)])
        index, batch = next(reading)
        assert index == 0
        assert len(batch.rows) == 2000
        with pytest.raises(StoreError, match="still being read"):
            session.count([select])
        reading.close()
        assert session.count([select]) == [30000]
        assert sum(len(b.rows) for _, b in session.read([select])) == 30000


def test_functions_of_rows_over_many_chunks(store: PostgreSQLStore, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE wide (id int PRIMARY KEY, who int, note text)")
        connection.execute("INSERT INTO wide SELECT i, 1, 'n' FROM generate_series(1, 5001) i")
    note = PerRow(lambda r: f"{r['id']}!")
    change = Change(Select("wide", ("id",), (), Eq("who", 1)), {"note": note})
    with store.session(write=True) as session:
        assert session.apply([change], "s") == [Counts(5001, 5001)]
        assert session.apply([change], "s") == [Counts(5001, 0)]
        session.commit()
    assert read(store, keys("wide", "id", 5001)) == [{"id": 5001, "who": 1, "note": "5001!"}]


def test_a_table_that_is_changed_under_us(store: PostgreSQLStore, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE moving (id int PRIMARY KEY, a text)")
        connection.execute("INSERT INTO moving VALUES (1, 'x')")
        assert read(store, keys("moving", "id", 1)) == [{"id": 1, "a": "x"}]
        connection.execute("ALTER TABLE moving RENAME a TO b")
        with pytest.raises(StoreError, match="map check"):
            read(store, keys("moving", "id", 1))
        assert read(store, keys("moving", "id", 1)) == [{"id": 1, "b": "x"}]
        connection.execute("ALTER TABLE moving ALTER id TYPE bigint")
        with pytest.raises(StoreError, match="map check"):
            read(store, keys("moving", "id", 1))
        assert read(store, keys("moving", "id", 1)) == [{"id": 1, "b": "x"}]


def test_a_statement_that_takes_too_long(url: str) -> None:
    options = Options(statement_timeout=0.2, lock_timeout=0.1)
    store = PostgreSQLStore("shop", (), url, options=options)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE VIEW slow AS SELECT 1 AS id, pg_sleep(5)::text AS s")
    with store.session() as session, pytest.raises(StoreError, match="longer than allowed") as told:
        session.count([Select("slow", ("id",), (), Eq("s", "x"))])
    with psycopg.connect(url) as holder:
        holder.execute("SELECT * FROM child WHERE id = 1 FOR UPDATE")
        with store.session(write=True) as session, pytest.raises(StoreError, match="in use"):
            session.apply([Change(keys("child", "id", 1))], "s")
    store.close()
    assert "raise statement_timeout in [systems.shop.options]" in str(told.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("statement_timeout", "900", "not of its kind; expected seconds"),
        ("statement_timeout", 0, "not of its kind"),
        ("statement_timeout", float("nan"), "not of its kind"),
        ("lock_timeout", -1.5, "not of its kind"),
        ("lock_timeout", True, "not of its kind"),
        ("connections", 0, "a whole number from 1"),
        ("connections", 1.5, "a whole number from 1"),
        ("marker", 1, "true or false"),
        ("statment_timeout", 1, "is not an option of a SQL store; expected one of statement_timeo"),
    ],
)
def test_an_option_that_is_none(name: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        PostgreSQLStore("shop", (), "", options={name: value})
    assert said in str(told.value)


def test_statements_for_a_person_do_the_same(store: PostgreSQLStore, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('CREATE TABLE manual (id int PRIMARY KEY, who int, "n%" text)')
        connection.execute("INSERT INTO manual SELECT i, i % 3, 'x' FROM generate_series(1, 9) i")
        text = "O'H\\ara %s $1 \"é"
        changes = [
            Change(Select("manual", ("id",), (Route(KeyTable(("who",), ((0, (0,)), (0, (1,))))),)),
                   {"n%": Const(text)}),
            Change(keys("manual", "id", 2), {"n%": Template("'{id}'{who}")}),
            Change(keys("manual", "id", 5), {"n%": PerRow(lambda r: f"{r['id']}\\'")}),
            Change(Select("manual", ("id",), (), Eq("n%", text))),
        ]  # fmt: skip
        statements = store.statements(changes)
        assert statements[0] == "BEGIN;"
        assert statements[-1] == "COMMIT;"
        connection.execute("\n".join(statements).encode())
        rows = connection.execute('SELECT id, "n%" FROM manual ORDER BY id').fetchall()
    assert rows == [(2, "'2'2"), (5, "5\\'"), (8, "x")]
    assert store.statements([Change(keys("manual", "id", None))]) == []


def test_a_marker_makes_a_step_happen_once(url: str) -> None:
    store = PostgreSQLStore("shop", (), url, options=Options(marker=True))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE once (id int PRIMARY KEY, note text)")
        connection.execute("INSERT INTO once VALUES (1, 'a')")
    change = Change(keys("once", "id", 1), {"note": PerRow(lambda r: f"{r['note']}+")})
    assert store.abilities.marker
    for expected in (Counts(1, 1), Counts(1, 0)):
        with store.session(write=True) as session:
            assert session.apply([change], "step-1") == [expected]
            session.commit()
    assert read(store, keys("once", "id", 1)) == [{"id": 1, "note": "a+"}]
    assert "kept_step" not in {d.name for d in store.datasets()}
    store.close()


def test_without_prepared_statements(url: str) -> None:
    store = PostgreSQLStore("shop", (), url, options=Options(prepare=False))
    with store.session() as session:
        assert session.count([keys("child", "id", 1), keys("child", "id", 2)]) == [1, 1]
    store.close()
