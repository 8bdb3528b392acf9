"""Searches without an index are named, and what is proposed is what the planner then uses."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.stores.engines import opened

from kept.datamap.map import DataMap, Dataset, Field, Link, System
from kept.datamap.searches import Search, searches
from kept.model.select import KeyTable, Route, Select
from kept.stores.dialects import install
from kept.stores.indexes import unindexed
from kept.stores.mariadb import MariaDBStore
from kept.stores.relational import SqlStore
from kept.stores.sql import PostgreSQLStore, SQLiteStore

MANY, FEW = 12_000, 500


def _map(engine: str) -> DataMap:
    def number(name: str) -> Field:
        return Field(name, "integer")

    mail = Field("Mail", identifies="email", folded=True, category="contact")
    person = Dataset(
        "person",
        ("id",),
        {"id": number("id"), "Mail": mail, "phone": Field("phone", identifies="phone")},
    )
    child = Dataset("child", ("id",), {"id": number("id"), "person": number("person")},
                    (Link(("person",), "person", ("id",)),))  # fmt: skip
    grand = Dataset("grand", ("id",), {"id": number("id"), "child": number("child")},
                    (Link(("child",), "child", ("id",)),))  # fmt: skip
    covered, small = replace(child, name="covered"), replace(child, name="small")
    pair = Dataset(
        "pair", ("id",), {"id": number("id"), "a": number("a"), "b": number("b")},
        (Link(("a",), "person", ("id",)), Link(("a", "b"), "two", ("a", "b"))),
    )  # fmt: skip
    two = Dataset("two", ("a", "b"), {"a": number("a"), "b": number("b")},
                  (Link(("a",), "person", ("id",)),))  # fmt: skip
    all_ = {d.name: d for d in (person, child, grand, covered, small, pair, two)}
    return DataMap({"shop": System("shop", datasets=all_, store=engine)})


def _script(engine: str) -> list[str]:
    mark = "`" if engine == "mariadb" else '"'
    text = "varchar(300)" if engine == "mariadb" else "text"
    counted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    made = [
        f"CREATE TABLE person (id integer PRIMARY KEY, {mark}Mail{mark} {text}, phone {text})",
        *(
            f"CREATE TABLE {t} (id integer PRIMARY KEY, person integer)"
            for t in ("child", "covered", "small")
        ),
        "CREATE TABLE grand (id integer PRIMARY KEY, child integer)",
        "CREATE TABLE pair (id integer PRIMARY KEY, a integer, b integer)",
        "CREATE TABLE two (a integer NOT NULL, b integer NOT NULL, PRIMARY KEY (a, b))",
        "CREATE INDEX c ON covered (person, id)",
    ]
    one, other = ("'+49' || i", "'U' || i || '@Example.org'")
    if engine == "mariadb":
        one, other = "concat('+49', i)", "concat('U', i, '@Example.org')"
    rows = {
        "person": f"i, {other}, {one}", "child": "i, i", "covered": "i, i", "small": "i, i",
        "grand": "i, i", "pair": "i, i, i", "two": "i, i",
    }  # fmt: skip
    for table, values in rows.items():
        n = FEW if table == "small" else MANY
        if engine == "mariadb":
            made.append(f"INSERT INTO {table} {counted.format(n)} SELECT {values} FROM n")
        else:
            made.append(f"{counted.format(n)} INSERT INTO {table} SELECT {values} FROM n")
    return made


@dataclass
class World:
    engine: str
    datamap: DataMap
    open: Callable[[DataMap], SqlStore]
    run: Callable[[str], list[tuple[Any, ...]]]

    def store(self, datamap: DataMap | None = None) -> SqlStore:
        return self.open(datamap or self.datamap)


@pytest.fixture(params=["postgresql", "sqlite", "mariadb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    engine: str = request.param
    kinds: dict[str, type[SqlStore]] = {
        "postgresql": PostgreSQLStore, "sqlite": SQLiteStore, "mariadb": MariaDBStore,
    }  # fmt: skip
    connection: Any
    if engine == "postgresql":
        url = request.getfixturevalue("fresh_pg_url")
        connection = psycopg.connect(url, autocommit=True)
    elif engine == "mariadb":
        url = request.getfixturevalue("fresh_maria_url")
        connection = opened(url)
        connection.autocommit(True)
        with connection.cursor() as cursor:
            cursor.execute("SET max_recursive_iterations = 100000")
    else:
        url = str(tmp_path / "shop.sqlite")
        connection = sqlite3.connect(url, isolation_level=None)
        install(connection)
    stores = []

    def run(text: str) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        cursor.execute(text)
        return list(cursor.fetchall()) if cursor.description else []

    def open_(datamap: DataMap) -> SqlStore:
        made = kinds[engine]("shop", datamap.systems["shop"].datasets.values(), url)
        stores.append(made)
        return made

    for text in _script(engine):
        run(text)
    made = World(engine, _map(engine), open_, run)
    _analyse(made)
    yield made
    for store in stores:
        store.close()
    connection.close()


def _analyse(world: World) -> None:
    if world.engine == "mariadb":
        tables = ", ".join(world.datamap.systems["shop"].datasets)
        world.run(f"ANALYZE TABLE {tables}")
    else:
        world.run("ANALYZE")


def _plan(world: World, search: Search, keys: list[Any]) -> str:
    """What the engine says of the search for many people at once, asked without the store."""
    store = world.store()
    table = KeyTable(search.fields, tuple((n, (key,)) for n, key in enumerate(keys)))
    route = Route(table, (), search.folded)
    select = Select(search.dataset, search.fields, (route,))
    call = store.statements_of.read(select, search.fields, {})
    assert call is not None
    text = call.sql
    for number, param in reversed(list(enumerate(call.params, 1))):
        quoted = store.dialect.quoted(param)
        text = text.replace(f"${number}", quoted) if world.engine == "postgresql" else text
        if world.engine != "postgresql":
            before, mark, after = text.rpartition("?" if world.engine == "sqlite" else "%s")
            assert mark
            text = before + quoted + after
    how = {"postgresql": "EXPLAIN ", "sqlite": "EXPLAIN QUERY PLAN ", "mariadb": "EXPLAIN "}
    return json.dumps(world.run(how[world.engine] + text.replace("%%", "%")), default=str)


def test_what_is_searched_without_an_index_is_named(world: World) -> None:
    wanted = searches(world.datamap)["shop"]
    assert Search("person", ("Mail",), folded=True) in wanted
    found = unindexed(world.store(), wanted)
    assert {(one.dataset, one.fields) for one in found} == {
        ("person", ("Mail",)), ("person", ("phone",)), ("child", ("person",)),
        ("grand", ("child",)), ("pair", ("a", "b")),
    }  # fmt: skip
    assert all(MANY * 0.5 < one.rows < MANY * 2 for one in found)
    assert all(one.where in one.words for one in found)


def test_the_planner_uses_what_is_proposed(world: World) -> None:
    wanted = searches(world.datamap)["shop"]
    found = unindexed(world.store(), wanted)
    one_by_one = {
        ("person", "phone"): ["+491", "+492", "+493"],
        ("person", "Mail"): ["u1@example.org", "u2@example.org", "u3@example.org"],
        ("child", "person"): [1, 2, 3], ("grand", "child"): [1, 2, 3],
    }  # fmt: skip
    looked = 0
    for one in found:
        name = "_".join((one.dataset, *one.fields, "kept"))
        keys = one_by_one.get((one.dataset, one.fields[0]))
        search = next(s for s in wanted if (s.dataset, s.fields) == (one.dataset, one.fields))
        if keys and one.first is None:
            assert name not in _plan(world, search, keys)
        world.run(one.statement)
        _analyse(world)
        if keys and one.first is None:
            assert name in _plan(world, search, keys), one.statement
            looked += 1
    left = unindexed(world.store(), wanted)
    if world.engine == "mariadb":
        # First what it says has to be done in the map.
        (mail,) = left
        assert mail.first is not None
        datasets = dict(world.datamap.systems["shop"].datasets)
        person = datasets["person"]
        exact = replace(person.fields["Mail"], indexed_exact=True)
        datasets["person"] = replace(person, fields={**person.fields, "Mail": exact})
        shop = replace(world.datamap.systems["shop"], datasets=datasets)
        again = DataMap({"shop": shop})
        left = unindexed(world.store(again), searches(again)["shop"])
    assert left == []
    assert looked == (3 if world.engine == "mariadb" else 4)


def test_nothing_is_said_of_small_tables(world: World) -> None:
    for table in world.datamap.systems["shop"].datasets:
        column = "a" if table == "two" else "id"
        world.run(f"DELETE FROM {table} WHERE {column} > {FEW}")
    if world.engine == "postgresql":
        world.run("VACUUM")
    _analyse(world)
    assert unindexed(world.store(), searches(world.datamap)["shop"]) == []


def test_many_people_are_found_in_one_look_at_the_table(world: World) -> None:
    """With and without an index: the same rows, and each table is read once at most."""
    people = range(1, 401)
    wanted = searches(world.datamap)["shop"]
    cases = {
        Search("person", ("Mail",), folded=True): [f"u{n}@example.org" for n in people],
        Search("person", ("phone",)): [f"+49{n}" for n in people],
        Search("child", ("person",)): list(people),
    }
    assert cases.keys() <= set(wanted)

    def found(store: SqlStore, search: Search) -> set[tuple[int, object]]:
        keys = [(n, (key,)) for n, key in zip(people, cases[search], strict=True)]
        keys += [(1, ("nobody",)), (2, ("5 ",))] if search.dataset == "person" else [(1, (-1,))]
        route = Route(KeyTable(search.fields, tuple(keys)), (), search.folded)
        with store.session() as session:
            rows = session.keys([Select(search.dataset, ("id",), (route,))])[search.dataset].rows
        assert len(rows) == len(set(rows))
        return {(who, key[0]) for who, key in rows}

    for search in cases:
        assert found(world.store(), search) == {(n, n) for n in people}
        if world.engine == "sqlite":
            plan = _plan(world, search, cases[search])
            assert "AUTOMATIC COVERING INDEX" in plan, plan
        if world.engine == "postgresql":
            plan = _plan(world, search, cases[search])
            # The server knows the values, of the type that it compares: so it hashes them.
            assert "Seq Scan" in plan, plan
            assert "= ANY ('{" in plan, plan
            assert "Nested Loop" not in plan, plan
            kind = {"integer": "bigint"}.get(world.store().table(search.dataset).column(
                search.fields[0]).type, "text")  # fmt: skip
            assert f"::{kind}[])" in plan, plan
        if world.engine == "mariadb":
            plan = _plan(world, search, cases[search])
            assert "<derived2>" in plan, plan
    for one in unindexed(world.store(), wanted):
        world.run(one.statement)
    _analyse(world)
    for search in cases:
        assert found(world.store(), search) == {(n, n) for n in people}
        plan = _plan(world, search, cases[search])
        assert "AUTOMATIC" not in plan
        assert "hashed SubPlan" not in plan
        # MariaDB has no index over folded texts.
        assert "<derived2>" not in plan or (world.engine, search.folded) == ("mariadb", True)
