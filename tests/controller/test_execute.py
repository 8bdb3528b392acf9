"""What is reported after a commit whose answer was lost is what is there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.world import NOW, make, sql

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import EraseAnswer, Request
from kept.errors import KeptError, StoreUnreachable
from kept.stores.sqlite import SQLiteSession, SQLiteStore
from kept.terms.identifiers import parse

MAP = """
system: desk
title: Support desk
country: US
datasets:
  ticket:
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      sender: {category: contact.email, identifies: email, nullable: false}
"""
LOST = "the connection was lost"


@pytest.fixture
def two(kept_url: str, tmp_path: Path) -> Path:
    """The small world with a desk, which is written first: by name it comes before the shop."""
    world = make(tmp_path / "two", kept_url)
    with closing(sqlite3.connect(world / "desk.sqlite")) as desk:
        desk.executescript(
            "CREATE TABLE ticket (id INTEGER PRIMARY KEY, sender TEXT NOT NULL);"
            "INSERT INTO ticket VALUES (1, 'ana@example.org'), (2, 'ben@example.org');"
        )
    (world / "desk.yml").write_text(MAP, "utf-8")
    with (world / "kept.toml").open("a") as file:
        file.write(
            f'\n[systems.desk]\nstore = "sqlite"\nurl = "sqlite:///{world / "desk.sqlite"}"\n'
            'mode = "act"\nmap = "desk.yml"\n'
        )
    return world


class Fault:
    """A real store whose commit, once, does or does not happen and whose answer is lost."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, file: str, *, lands: bool) -> None:
        self.met, self.away = 0, False
        whole, connect = SQLiteSession.commit, SQLiteStore.connect
        fault = self

        def commit(session: Any) -> None:
            name = session._connection.execute("PRAGMA database_list").fetchone()[2]
            if not name.endswith(file) or fault.met:
                whole(session)
                return
            fault.met += 1
            if lands:
                whole(session)
            raise StoreUnreachable(LOST)

        def reached(store: SQLiteStore, *, write: bool) -> sqlite3.Connection:
            if fault.away and fault.met and store.path.name == file:
                raise StoreUnreachable("the store is away")
            return connect(store, write=write)

        monkeypatch.setattr(SQLiteSession, "commit", commit)
        monkeypatch.setattr(SQLiteStore, "connect", reached)


def _erase(world: Path, case: str | None = None) -> EraseAnswer:
    people = () if case else ((parse("email=ana@example.org"),),)
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, Request(people=people, case=case, override="test"), NOW)


def _left(world: Path) -> tuple[int, int]:
    """Ana's rows at the desk, and her trials in the shop."""
    with closing(sqlite3.connect(world / "desk.sqlite")) as desk:
        (tickets,) = desk.execute("SELECT count(*) FROM ticket WHERE id = 1").fetchone()
    ((trials,),) = sql(world, "SELECT count(*) FROM signup WHERE customer = 1")
    return int(tickets), int(str(trials))


@pytest.mark.parametrize("file", ["desk.sqlite", "shop.sqlite"])
def test_a_commit_that_landed_counts_although_its_answer_was_lost(
    two: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """Whether it was the first or a later one: all of it is done, and the answer says so."""
    fault = Fault(monkeypatch, file, lands=True)
    answer = _erase(two)
    assert fault.met == 1
    assert _left(two) == (0, 0)
    assert answer.complete
    assert all(s.verified and s.problem is None for s in answer.steps)


def test_a_first_commit_that_did_not_land_leaves_every_system_as_it_was(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(monkeypatch, "desk.sqlite", lands=False)
    with pytest.raises(KeptError, match=LOST):
        _erase(two)
    assert fault.met == 1
    assert _left(two) == (1, 1)
    with Controller.open(deployment.read(two)) as controller:
        (case,) = controller.cases.all()
        assert [s.state.value for s in controller.cases.steps(case)] == ["begun"] * len(
            controller.cases.steps(case)
        )
    assert _erase(two, case.id).complete
    assert _left(two) == (0, 0)


def test_a_later_commit_that_did_not_land_is_not_claimed(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Fault(monkeypatch, "shop.sqlite", lands=False)
    answer = _erase(two)
    assert not answer.complete
    assert _left(two) == (0, 1)
    assert {s.store for s in answer.steps if s.verified} >= {"desk"}
    assert all(LOST in (s.problem or "") for s in answer.steps if not s.verified)
    assert _erase(two, answer.case).complete


@pytest.mark.parametrize("lands", [True, False])
def test_what_cannot_be_found_out_is_neither_done_nor_refused(
    two: Path, monkeypatch: pytest.MonkeyPatch, lands: bool
) -> None:
    """The desk is away from its commit on: nothing is said of it, and the shop is left alone."""
    fault = Fault(monkeypatch, "desk.sqlite", lands=lands)
    fault.away = True
    answer = _erase(two)
    assert fault.met == 1
    assert not answer.complete
    assert _left(two) == (0 if lands else 1, 1)
    desk = [s for s in answer.steps if s.store == "desk"]
    assert [(s.verified, s.counts.changed) for s in desk] == [(False, 0)]
    undone = [s for s in answer.steps if s.store == "shop" and not s.verified]
    assert undone
    assert all("not known whether `desk`" in (s.problem or "") for s in undone)
    fault.away = False
    done = _erase(two, answer.case)
    assert done.complete
    assert _left(two) == (0, 0)
    assert [s.counts.changed for s in done.steps if s.store == "desk"] == [1]
