"""What is called done is done: keys given away again, rows that come back, rows without a key."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import AccessAnswer, EraseAnswer, Request
from kept.errors import Obstructed
from kept.terms.identifiers import parse
from tests.world import NOW, edit, sql

ANA = "email=ana@example.org"


def _erase(world: Path, *people: str, case: str | None = None) -> EraseAnswer:
    who = (tuple(parse(p) for p in people),) if people else ()
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, Request(who, override="test", case=case), NOW)


def _access(world: Path, *people: str) -> tuple[AccessAnswer, str]:
    """The answer, and all that its package says."""
    out = world / f"{len(list(world.glob('*.zip')))}.zip"
    with Controller.open(deployment.read(world)) as controller:
        asked = Request((tuple(parse(p) for p in people),), override="test")
        answer = rights.access(controller, asked, NOW, out=out)
    with zipfile.ZipFile(out) as file:
        return answer, "".join(file.read(n).decode() for n in file.namelist())


def _script(world: Path, text: str) -> None:
    shop = sqlite3.connect(world / "shop.sqlite")
    shop.executescript(text)
    shop.close()


def test_RIGHT_15_a_key_given_away_again_is_another_persons(world: Path) -> None:
    """RIGHT-15, RIGHT-1: what is retained is a row, not whatever its key names later."""
    assert _erase(world, ANA).complete
    # Her rows stay by law. Then the company throws them away and its numbers begin again.
    _script(
        world,
        "DELETE FROM invoice WHERE customer = 1; DELETE FROM signup WHERE customer = 1;"
        "DELETE FROM customer WHERE id = 1;"
        "INSERT INTO customer VALUES (1, 'dora@example.org', 'Dora', NULL, '2026-01-01 00:00:00');"
        "INSERT INTO invoice VALUES (1, 1, '99.00', '2026-02-01 00:00:00');",
    )
    dora, hers = _access(world, "email=dora@example.org")
    assert dora.complete
    assert "Dora" in hers
    assert "99.00" in hers
    ana, told = _access(world, ANA)
    assert "Dora" not in told
    assert "99.00" not in told
    assert not ana.complete  # somebody has to look at what became of her rows
    assert any("say something else" in w for w in ana.warnings)
    again = _erase(world, ANA)
    assert any("say something else" in w for w in again.warnings)
    assert sql(world, "SELECT name FROM customer WHERE id = 1") == [("Dora",)]
    assert _erase(world, "email=dora@example.org").complete
    assert sql(world, "SELECT name FROM customer WHERE id = 1") == [("erased",)]


def test_RIGHT_15_what_stays_is_found_as_long_as_it_is_the_same(world: Path) -> None:
    """RIGHT-15: an untouched retained row is hers, and nobody else is shown it."""
    assert _erase(world, ANA).complete
    answer, told = _access(world, ANA)
    assert answer.complete
    assert sum(s.counts.retained for s in answer.steps) > 0
    assert "10.00" in told
    # The company threw one away when the law allowed it: what is gone is not called changed.
    sql(world, "DELETE FROM invoice WHERE id = 1")
    assert _access(world, ANA)[0].complete


def test_RIGHT_15_a_row_that_a_trigger_writes_again_is_not_called_gone(world: Path) -> None:
    """RIGHT-15: the search of the beginning is made again at the end."""
    _script(
        world,
        "CREATE TRIGGER back AFTER DELETE ON note BEGIN"
        " INSERT INTO note VALUES (old.id + 1000, old.about, old.words, old.at); END;",
    )
    answer = _erase(world, ANA)
    assert not answer.complete
    assert any("`note` of `shop`" in w for w in answer.warnings)
    assert sql(world, "SELECT count(*) FROM note WHERE about = 'ANA@example.org'") == [(1,)]
    _script(world, "DROP TRIGGER back")
    resumed = _erase(world, case=answer.case)
    assert resumed.complete
    assert sql(world, "SELECT count(*) FROM note WHERE lower(about) = 'ana@example.org'") == [(0,)]


def test_RIGHT_15_a_row_that_comes_meanwhile_goes_too(world: Path) -> None:
    """RIGHT-15: what is written once while she is erased is met, and goes in the same case."""
    _script(
        world,
        "CREATE TRIGGER once AFTER DELETE ON note WHEN old.id < 1000 BEGIN"
        " INSERT INTO note VALUES (old.id + 1000, old.about, old.words, old.at); END;",
    )
    assert _erase(world, ANA).complete
    assert sql(world, "SELECT count(*) FROM note WHERE lower(about) = 'ana@example.org'") == [(0,)]


@pytest.mark.parametrize("key", ["id TEXT PRIMARY KEY", "id INTEGER"])
def test_RIGHT_15_a_row_that_its_key_does_not_name_is_an_obstacle(world: Path, key: str) -> None:
    """RIGHT-15: nobody else's row goes for hers, and none of hers stays under `deleted`."""
    _script(
        world,
        f"DROP TABLE note; CREATE TABLE note ({key}, about TEXT NOT NULL, words TEXT NOT NULL,"
        " at TEXT NOT NULL);"
        "INSERT INTO note VALUES (1, 'ana@example.org', 'a', '2024-06-01 00:00:00'),"
        " (NULL, 'ana@example.org', 'b', '2024-06-01 00:00:00'),"
        " (2, 'ben@example.org', 'c', '2024-06-01 00:00:00');",
    )
    if "TEXT" in key:
        note = "clock: at\n    activities: [communicate]\n"
        edit(
            world / "shop.yml",
            note + "    fields:\n      id: {type: integer, nullable: false}",
            note + "    fields:\n      id: {type: text}",
        )
    before = sql(world, "SELECT * FROM note")
    with pytest.raises(Obstructed, match="key"):
        _erase(world, ANA)
    assert sql(world, "SELECT * FROM note") == before
    assert sql(world, "SELECT email FROM customer WHERE id = 1") == [("ana@example.org",)]


def test_RIGHT_15_looking_nowhere_is_not_done(world: Path) -> None:
    """RIGHT-15, RIGHT-1: an identifier that leads into no system has answered nothing."""
    assert not _erase(world, "name=Ana").complete
    assert not _erase(world, "ip=192.0.2.7").complete
    assert not _access(world, "ip=192.0.2.7")[0].complete
    assert _erase(world, "email=nobody@example.org").complete


def test_RIGHT_15_what_could_not_be_done_is_planned_again(world: Path) -> None:
    """RIGHT-15: after mending, the same case goes on; meanwhile nothing is called retained."""
    _script(
        world,
        "CREATE TRIGGER no BEFORE DELETE ON note BEGIN SELECT RAISE(ABORT, 'no'); END;",
    )
    with pytest.raises(Obstructed):
        _erase(world, ANA)
    with Controller.open(deployment.read(world)) as controller:
        case = controller.cases.all()[0]
    answer, told = _access(world, ANA)
    assert answer.complete
    assert sum(s.counts.retained for s in answer.steps) == 0
    assert "O'Neill" in json.loads(json.dumps(told))
    _script(world, "DROP TRIGGER no")
    assert _erase(world, case=case.id).complete
    assert sql(world, "SELECT count(*) FROM note WHERE lower(about) = 'ana@example.org'") == [(0,)]
