"""RIGHT: what a database would refuse is found before the first lasting write in any system.

The town of the soak: PostgreSQL, MariaDB and SQLite with one thing in the way at a time, Parquet
files and a service beside them. The plan is refused with the reason and the way out, every row of
every store is as it was, and once the obstacle is gone the same case goes through.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.mariadb import Mariadb
from tests.soak import town
from tests.soak.matrix import HER, PEOPLE, Matrix
from tests.soak.test_matrix import kept_anew, matrix  # noqa: F401 — fixtures
from tests.stores.engines import opened

#: A row that is nobody's and holds already what an erasure would write into hers.
_TAKEN = "INSERT INTO customer VALUES (900, 'erased-1@erased.invalid', 'x', NULL, '2024-01-01')"
_RAISE = (
    "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'p1@example.org stays'; END $$"
)
_SILENT = "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"
_LOAN = "CREATE TABLE loan (id INTEGER PRIMARY KEY, of INTEGER REFERENCES letters (id) {how})"
_UNLOAN = ("DROP TABLE loan",)
_SIGNAL = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'p1@example.org stays'"


_BOTH = (("shop", "unique-of-the-new-value"), ("shop", "foreign-key"))


@dataclass(frozen=True)
class Wall:
    """What stands in the way: how it is put there and taken away, and what is said of it."""

    name: str
    system: str
    dataset: str
    build: tuple[str, ...]
    tear: tuple[str, ...]
    says: str
    right: str = "erasure"


WALLS = [
    # PostgreSQL
    Wall("not-null", "shop", "customer",
         ("ALTER TABLE customer ALTER phone SET NOT NULL",),
         ("ALTER TABLE customer ALTER phone DROP NOT NULL",), "null"),
    Wall("primary-key", "shop", "receipt",
         ("ALTER TABLE receipt DROP CONSTRAINT receipt_pkey, ADD PRIMARY KEY (id, mail)",),
         ("ALTER TABLE receipt DROP CONSTRAINT receipt_pkey, ALTER mail DROP NOT NULL,"
          " ADD PRIMARY KEY (id)",), "null"),
    Wall("unique-of-the-new-value", "shop", "customer", (_TAKEN,),
         ("DELETE FROM customer WHERE id = 900",), "the same"),
    Wall("check", "shop", "customer",
         ("ALTER TABLE customer ADD CONSTRAINT real_name CHECK (name <> 'erased')",),
         ("ALTER TABLE customer DROP CONSTRAINT real_name",), "real_name"),
    Wall("foreign-key", "shop", "letters",
         (_LOAN.format(how=""), "INSERT INTO loan VALUES (1, 10)"), _UNLOAN, "refer"),
    Wall("foreign-key-deferred", "shop", "loan",
         (_LOAN.format(how="DEFERRABLE INITIALLY DEFERRED"), "INSERT INTO loan VALUES (1, 10)"),
         _UNLOAN, "refer"),
    Wall("trigger-before", "shop", "letters",
         (_RAISE, "CREATE TRIGGER no BEFORE DELETE ON letters FOR EACH ROW EXECUTE FUNCTION no()"),
         ("DROP FUNCTION no CASCADE",), "trigger"),
    Wall("trigger-after", "shop", "customer",
         (_RAISE, "CREATE TRIGGER no AFTER UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION no()"),
         ("DROP FUNCTION no CASCADE",), "trigger"),
    Wall("trigger-deferred", "shop", "",
         (_RAISE, "CREATE CONSTRAINT TRIGGER no AFTER DELETE ON letters DEFERRABLE INITIALLY"
          " DEFERRED FOR EACH ROW EXECUTE FUNCTION no()"),
         ("DROP FUNCTION no CASCADE",), "trigger"),
    Wall("trigger-silent", "shop", "letters",
         (_SILENT, "CREATE TRIGGER no BEFORE DELETE ON letters FOR EACH ROW EXECUTE FUNCTION no()"),
         ("DROP FUNCTION no CASCADE",), "as they were"),
    Wall("rule-silent", "shop", "letters",
         ("CREATE RULE no AS ON DELETE TO letters DO INSTEAD NOTHING",),
         ("DROP RULE no ON letters",), "letters"),
    Wall("may-only-select", "shop", "letters",
         ("REVOKE INSERT, UPDATE, DELETE ON letters FROM company",),
         ("GRANT ALL ON letters TO company",), "may not"),
    Wall("may-update-some-columns", "shop", "customer",
         ("REVOKE UPDATE ON customer FROM company", "GRANT UPDATE (email, name) ON customer"
          " TO company"), ("GRANT ALL ON customer TO company",), "may not"),
    # MariaDB: every constraint is looked at by each statement, none waits for the commit
    Wall("not-null", "desk", "visit", ("ALTER TABLE visit MODIFY town TEXT NOT NULL",),
         ("ALTER TABLE visit MODIFY town TEXT",), "null"),
    Wall("primary-key", "desk", "visit",
         ("ALTER TABLE visit DROP PRIMARY KEY, ADD PRIMARY KEY (id, email(50))",),
         ("ALTER TABLE visit DROP PRIMARY KEY, ADD PRIMARY KEY (id), MODIFY email TEXT",), "null"),
    Wall("unique-of-the-new-value", "desk", "visit",
         ("INSERT INTO visit VALUES (9000, NULL, 'nobody', NULL)",
          "ALTER TABLE visit ADD UNIQUE one_name (name(50))"),
         ("ALTER TABLE visit DROP INDEX one_name", "DELETE FROM visit WHERE id = 9000"),
         "the same"),
    Wall("check", "desk", "visit",
         ("ALTER TABLE visit ADD CONSTRAINT real_name CHECK (name <> 'nobody')",),
         ("ALTER TABLE visit DROP CONSTRAINT real_name",), "rule"),
    Wall("foreign-key", "desk", "ticket",
         ("CREATE TABLE loan (id INTEGER PRIMARY KEY, ticket INTEGER,"
          " FOREIGN KEY (ticket) REFERENCES ticket (id))", "INSERT INTO loan VALUES (1, 10)"),
         _UNLOAN, "refer"),
    Wall("foreign-key-that-empties", "desk", "ticket",
         ("CREATE TABLE loan (id INTEGER PRIMARY KEY, ticket INTEGER,"
          " FOREIGN KEY (ticket) REFERENCES ticket (id) ON DELETE SET NULL)",
          "INSERT INTO loan VALUES (1, 10)"), _UNLOAN, "by itself"),
    Wall("trigger-before", "desk", "ticket",
         (f"CREATE TRIGGER no BEFORE DELETE ON ticket FOR EACH ROW {_SIGNAL}",),
         ("DROP TRIGGER no",), "trigger"),
    Wall("trigger-after", "desk", "post",
         (f"CREATE TRIGGER no AFTER UPDATE ON post FOR EACH ROW {_SIGNAL}",),
         ("DROP TRIGGER no",), "trigger"),
    Wall("may-only-select", "desk", "bill",
         ("REVOKE UPDATE, DELETE ON {db}.* FROM {db}@localhost",),
         ("GRANT UPDATE, DELETE ON {db}.* TO {db}@localhost",), "may not"),
    Wall("may-update-some-columns", "desk", "visit",
         ("REVOKE UPDATE ON {db}.* FROM {db}@localhost",
          "GRANT UPDATE ON {db}.post TO {db}@localhost",
          "GRANT UPDATE ON {db}.bill TO {db}@localhost",
          "GRANT UPDATE (email, name) ON {db}.visit TO {db}@localhost"),
         ("GRANT UPDATE ON {db}.* TO {db}@localhost",), "may not"),
    # SQLite: no privileges; what is overwritten there comes with a rectification
    Wall("foreign-key", "archive", "note",
         ("CREATE TABLE loan (id INTEGER PRIMARY KEY, note INTEGER REFERENCES note (id))",
          "INSERT INTO loan VALUES (1, 10)"), _UNLOAN, "refer"),
    Wall("foreign-key-deferred", "archive", "loan",
         ("CREATE TABLE loan (id INTEGER PRIMARY KEY, note INTEGER REFERENCES note (id)"
          " DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO loan VALUES (1, 10)"),
         _UNLOAN, "refer"),
    Wall("trigger-before", "archive", "note",
         ("CREATE TRIGGER no BEFORE DELETE ON note BEGIN SELECT RAISE(ABORT, 'p1 stays'); END",),
         ("DROP TRIGGER no",), "trigger"),
    Wall("trigger-after-that-rolls-back", "archive", "lead",
         ("CREATE TRIGGER no AFTER DELETE ON lead BEGIN SELECT RAISE(ROLLBACK, 'p1 stays'); END",),
         ("DROP TRIGGER no",), "trigger"),
    Wall("trigger-silent", "archive", "note",
         ("CREATE TRIGGER no BEFORE DELETE ON note BEGIN SELECT RAISE(IGNORE); END",),
         ("DROP TRIGGER no",), "as they were"),
    Wall("unique-of-the-new-value", "archive", "lead",
         ("INSERT INTO lead VALUES (9000, 'staff@corp.example', 'Pat Wright')",
          "CREATE UNIQUE INDEX one_name ON lead (who)"),
         ("DROP INDEX one_name", "DELETE FROM lead WHERE id = 9000"), "the same",
         "rectification"),
    Wall("check-in-a-strict-table", "archive", "lead",
         ("ALTER TABLE lead RENAME TO old",
          "CREATE TABLE lead (id INTEGER PRIMARY KEY, mail TEXT NOT NULL, who TEXT,"
          " CONSTRAINT real_name CHECK (who <> 'Pat Wright')) STRICT",
          "INSERT INTO lead SELECT * FROM old"),
         ("DROP TABLE lead", "ALTER TABLE old RENAME TO lead"), "rule", "rectification"),
]  # fmt: skip


@pytest.fixture
def does(matrix: Matrix, maria_server: Mariadb) -> Callable[[str, tuple[str, ...]], None]:  # noqa: F811
    """Statements by hand in one of the databases; grants of MariaDB by its superuser."""

    def do(system: str, statements: tuple[str, ...]) -> None:
        if system == "shop":
            with psycopg.connect(matrix.town.urls["shop"]) as shop:
                for one in statements:
                    shop.execute(one.encode())
        elif system == "desk":
            database = matrix.town.urls["desk"].rpartition("/")[2].partition("?")[0]
            for one in statements:
                granting = one.startswith(("GRANT", "REVOKE"))
                with (
                    (
                        maria_server.connect() if granting else opened(matrix.town.urls["desk"])
                    ) as desk,
                    desk.cursor() as cursor,
                ):
                    cursor.execute(one.replace("{db}", f"`{database}`"))
                    desk.commit()
        else:
            with closing(sqlite3.connect(matrix.town.directory / "archive.sqlite")) as archive:
                archive.executescript(";".join(statements))

    return do


def _ran(matrix: Matrix, argv: list[str]) -> tuple[int, dict[str, Any]]:  # noqa: F811
    worker = matrix.nursery.run(*argv)
    status = worker.wait()
    return status, json.loads(worker.out)


@pytest.mark.parametrize("wall", WALLS, ids=lambda w: f"{w.system}-{w.name}")
def test_RIGHT_3_found_before_the_first_write_and_done_once_it_is_gone(
    matrix: Matrix,  # noqa: F811
    does: Callable[[str, tuple[str, ...]], None],
    wall: Wall,
) -> None:
    """RIGHT-3, SEC-2: refused with its reason and the way out; nothing is written anywhere."""
    matrix.anew(wall.right)
    does(wall.system, wall.build)
    try:
        before = matrix.town.actual()
        status, refused = _ran(matrix, matrix.argv(wall.right, None))
        met = town.differing(matrix.town.actual(), before)
    finally:
        does(wall.system, wall.tear)
    words = f"{refused.get('what')} {refused.get('fix')} {refused.get('unreached')}"
    assert (status, met) == (1, []), (words, met)
    assert refused["error"] == "Obstructed", words
    assert f"`{wall.system}.{wall.dataset}`".replace(".`", "`") in refused["what"], words
    assert wall.says in refused["what"], words
    assert "nothing was written in any system" in refused["what"], words
    assert refused["fix"], words
    assert "p1" not in words
    case, state = matrix.found()
    status, done = _ran(matrix, matrix.argv(wall.right, case, state))
    assert status == 0, done
    left, _ = town.erased(HER) if wall.right == "erasure" else town.rectified(HER, "Pat Wright")
    whole = town.replaced(town.everybody(PEOPLE), HER, left)
    assert not town.differing(matrix.town.actual(), whole)


def test_RIGHT_3_of_several_walls_each_is_named_with_its_way_out(
    matrix: Matrix,  # noqa: F811
    does: Callable[[str, tuple[str, ...]], None],
) -> None:
    """RIGHT-3: nobody has to mend one, try again, and meet the next."""
    walls = [w for w in WALLS if (w.system, w.name) in _BOTH]
    matrix.anew("erasure")
    for wall in walls:
        does(wall.system, wall.build)
    try:
        status, refused = _ran(matrix, matrix.argv("erasure", None))
    finally:
        for wall in walls:
            does(wall.system, wall.tear)
    assert (status, refused["error"], len(walls)) == (1, "Obstructed", 2)
    for wall in walls:
        assert wall.dataset in refused["what"]
        assert wall.says in refused["what"]
    assert "map their link" in refused["fix"]
    assert "erased-{key}" in refused["fix"]


def test_RIGHT_15_what_row_security_hides_is_named_and_that_system_is_left_alone(
    matrix: Matrix,  # noqa: F811
    does: Callable[[str, tuple[str, ...]], None],
) -> None:
    """RIGHT-15: a role that would see a part only counts as a system that could not be asked."""
    matrix.anew("erasure")
    does("shop", (
        "ALTER TABLE letters ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "CREATE POLICY see ON letters FOR SELECT USING (true)",
    ))  # fmt: skip
    try:
        before = matrix.town.actual()
        status, answer = _ran(matrix, matrix.argv("erasure", None))
        after = matrix.town.actual()
    finally:
        does("shop", (
            "DROP POLICY see ON letters",
            "ALTER TABLE letters DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
        ))  # fmt: skip
    assert (status, answer["complete"]) == (1, False)
    ((system, why),) = ((u["store"], u["why"]) for u in answer["unreached"])
    assert system == "shop"
    assert "row security" in why
    assert {t: r for t, r in after.items() if t.startswith("shop.")} == {
        t: r for t, r in before.items() if t.startswith("shop.")
    }
    status, done = _ran(matrix, matrix.argv("erasure", *matrix.found()))
    assert (status, done["complete"]) == (0, True)
    whole = town.replaced(town.everybody(PEOPLE), HER, town.erased(HER)[0])
    assert not town.differing(matrix.town.actual(), whole)
