"""Killed at any step, or with a store that goes away: nothing lost, nothing half-done, no lie."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import EraseAnswer, Request
from kept.errors import KeptError
from kept.model.plan import Action
from kept.records.case import State
from kept.terms.identifiers import parse
from tests.world import NOW, ROOT, edit, make, sql

EMAIL = "email=ana@example.org"

DESK = """
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
      words: {category: free-text, free_text: true}
"""

#: Where the process is killed: (class, method, before or after the call, which call).
POINTS = [
    ("kept.records.case:Cases", "open", "after", 1),
    ("kept.records.case:Cases", "seal_plan", "before", 1),
    ("kept.records.suppression:Suppressions", "add", "before", 1),
    ("kept.records.locator:Locator", "store", "after", 1),
    ("kept.records.case:Cases", "begin_steps", "before", 1),
    ("kept.records.case:Cases", "begin_steps", "after", 1),
    ("kept.stores.relational:SqlSession", "apply", "before", 1),
    ("kept.stores.relational:SqlSession", "apply", "after", 1),
    ("kept.stores.relational:SqlSession", "apply", "after", 2),
    ("kept.stores.sqlite:SQLiteSession", "commit", "before", 1),
    ("kept.stores.sqlite:SQLiteSession", "commit", "after", 1),
    ("kept.stores.sqlite:SQLiteSession", "commit", "after", 2),
    ("kept.records.case:Cases", "record_step", "before", 1),
    ("kept.records.case:Cases", "record_step", "after", 3),
    ("kept.keys:Vault", "shred", "before", 1),
    ("kept.records.case:Cases", "finish", "before", 1),
    ("kept.records.case:Cases", "finish", "after", 1),
]

_DRIVER = """
import importlib, os, signal, sys
from pathlib import Path
owner, method, when, which = sys.argv[2:6]
module, _, name = owner.partition(":")
cls = getattr(importlib.import_module(module), name)
whole, calls = getattr(cls, method), 0
def killed(self, *args, **kwargs):
    global calls
    calls += 1
    if when == "before" and calls == int(which):
        os.kill(os.getpid(), signal.SIGKILL)
    result = whole(self, *args, **kwargs)
    if when == "after" and calls == int(which):
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(cls, method, killed)
from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.terms.identifiers import parse
from tests.world import NOW
request = rights.Request(people=((parse(sys.argv[6]),),), override="test")
with Controller.open(deployment.read(Path(sys.argv[1]))) as controller:
    rights.erase(controller, request, NOW)
"""


@pytest.fixture
def two(kept_url: str, tmp_path: Path) -> Path:
    """The small world with a second system beside the shop."""
    world = make(tmp_path / "two", kept_url)
    desk = sqlite3.connect(world / "desk.sqlite")
    desk.executescript(
        "CREATE TABLE ticket (id INTEGER PRIMARY KEY, sender TEXT NOT NULL, words TEXT);"
        "INSERT INTO ticket VALUES (1, 'ANA@example.org', 'help'), (2, 'ben@example.org', 'hi');"
    )
    desk.close()
    (world / "desk.yml").write_text(DESK, "utf-8")
    with (world / "kept.toml").open("a") as file:
        file.write(
            f'\n[systems.desk]\nstore = "sqlite"\nurl = "sqlite:///{world / "desk.sqlite"}"\n'
            'mode = "act"\nmap = "desk.yml"\n'
        )
    with Controller.open(deployment.read(world)) as controller:
        who = controller.subjects.of([parse(EMAIL)], NOW)
        controller.consents.grant(who, "marketing.email", NOW, source="form")
    return world


def _state(world: Path) -> dict[str, list[tuple[object, ...]]]:
    tables = ("customer", "signup", "invoice", "note")
    found = {t: sql(world, f"SELECT * FROM {t} ORDER BY id") for t in tables}
    desk = sqlite3.connect(world / "desk.sqlite")
    found["ticket"] = desk.execute("SELECT * FROM ticket ORDER BY id").fetchall()
    desk.close()
    return found


#: What is left when everything that may go is gone; others' rows as they were.
DONE: dict[str, list[tuple[object, ...]]] = {
    "customer": [
        (1, "erased-1@erased.invalid", "erased", None, "2024-01-01 00:00:00"),
        (2, "Ben@Example.org", 'Ben "B" Ünal', None, "2024-02-01 00:00:00"),
        (3, "cleo@example.org", "Cleo; DROP TABLE customer", None, "2024-03-01 00:00:00"),
    ],
    "signup": [(2, 2, "trial", "2024-02-02 00:00:00", "contract")],
    "invoice": [
        (1, 1, "10.00", "2024-05-01 00:00:00"),
        (3, 2, "13.50", "2024-05-03 00:00:00"),
    ],
    "note": [(2, "ben@example.org", "wrote", "2024-06-02 00:00:00")],
    "ticket": [(2, "ben@example.org", "hi")],
}
#: (system.dataset, action) → found, changed, retained.
TOLD = {
    ("desk.ticket", Action.DELETE): (1, 1, 0),
    ("shop.customer", Action.OVERWRITE): (1, 1, 0),
    ("shop.invoice", Action.RETAIN): (1, 0, 1),
    ("shop.invoice", Action.DELETE): (1, 1, 0),
    ("shop.note", Action.DELETE): (1, 1, 0),
    ("shop.signup", Action.DELETE): (1, 1, 0),
    # What Kept itself knows of her: mapped and erased like everything else.
    ("own.case_subject", Action.DELETE): (1, 1, 0),
    ("own.fact", Action.DELETE): (2, 2, 0),
    ("own.identity", Action.DELETE): (1, 1, 0),
    ("own.subject", Action.DELETE): (1, 1, 0),
    ("own.subject_epoch", Action.DELETE): (1, 1, 0),
}


def _told(answer: EraseAnswer) -> dict[tuple[str, Action], tuple[int, int, int]]:
    return {
        (f"{s.store}.{s.dataset}", s.action): (s.counts.found, s.counts.changed, s.counts.retained)
        for s in answer.steps
    }


def _erase(world: Path, **more: Any) -> EraseAnswer:
    request = Request(**{"people": ((parse(EMAIL),),), "override": "test", **more})
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, request, NOW)


def test_what_is_meant(two: Path) -> None:
    answer = _erase(two)
    assert answer.complete
    assert _told(answer) == TOLD
    assert _state(two) == DONE


@pytest.mark.parametrize("point", POINTS, ids=lambda p: "-".join(map(str, p)))
def test_RIGHT_3_killed_anywhere_it_goes_on_and_reports_truly(
    two: Path, point: tuple[str, str, str, int]
) -> None:
    """RIGHT-3: after kill -9 the same request ends where an undisturbed one does."""
    before = _state(two)
    killed = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(two), *map(str, point), EMAIL],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with Controller.open(deployment.read(two)) as controller:
        cases = controller.cases.all()
        if not cases or cases[0].state in (State.RECEIVED, State.PLANNED, State.APPROVED):
            # Nothing was written before the plan was sealed and committed.
            assert _state(two) == before
        case = cases[0].id if cases else None
        report = controller.ledger.verify(deep=True)
        assert report.ok
    resumed = _erase(two, case=case, people=((parse(EMAIL),),))
    assert resumed.complete
    assert _told(resumed) == TOLD
    assert _state(two) == DONE
    again = _erase(two, case=resumed.case)
    assert again.complete
    assert _told(again) == TOLD
    with Controller.open(deployment.read(two)) as controller:
        assert controller.ledger.verify(deep=True).ok
        # What was sealed for the writing is thrown away once all is read back, and by what she
        # is looked for beneath the rows once that is told.
        rights.residue(controller, again.case, NOW)
        with controller.database.connection() as connection:
            assert connection.execute("SELECT count(*) FROM case_sealed").fetchone() == (0,)


def test_RIGHT_15_a_store_that_cannot_be_asked_is_named(two: Path) -> None:
    """RIGHT-15: with one system away the rest is done, and the answer is not complete."""
    (two / "desk.sqlite").rename(two / "away.sqlite")
    answer = _erase(two)
    assert not answer.complete
    assert [s for s, _ in answer.unreached] == ["desk"]
    (two / "away.sqlite").rename(two / "desk.sqlite")
    assert {t: r for t, r in _state(two).items() if t != "ticket"} == {
        t: r for t, r in DONE.items() if t != "ticket"
    }
    # The same case asks again whom it could not ask, and only then is complete.
    resumed = _erase(two, case=answer.case)
    assert resumed.complete
    assert _told(resumed) == TOLD
    assert _state(two) == DONE


def test_a_store_that_refuses_leaves_every_system_as_it_was(two: Path) -> None:
    """A trigger in the way is found before the first lasting write anywhere."""
    desk = sqlite3.connect(two / "desk.sqlite")
    desk.executescript(
        "CREATE TRIGGER no BEFORE DELETE ON ticket BEGIN SELECT RAISE(ABORT, 'ana stays'); END;"
    )
    desk.close()
    before = _state(two)
    with pytest.raises(KeptError, match="nothing was written") as refused:
        _erase(two)
    assert "ana" not in str(refused.value)
    assert _state(two) == before
    desk = sqlite3.connect(two / "desk.sqlite")
    desk.execute("DROP TRIGGER no")
    desk.close()
    with Controller.open(deployment.read(two)) as controller:
        case = controller.cases.all()[0].id
    assert _erase(two, case=case).complete
    assert _state(two) == DONE


def test_mode_observe_writes_nothing(two: Path) -> None:
    edit(two / "kept.toml", 'mode = "act"', 'mode = "observe"')
    before = _state(two)
    answer = _erase(two)
    assert not answer.complete
    after = _state(two)
    assert {t: after[t] for t in after if t != "ticket"} == {
        t: before[t] for t in before if t != "ticket"
    }
    shop = [s for s in answer.steps if s.store == "shop" and s.action is not Action.RETAIN]
    assert shop
    assert all(not s.verified and s.counts.changed == 0 for s in shop)


def test_mode_assisted_hands_out_statements_and_reads_back(two: Path) -> None:
    edit(two / "kept.toml", 'mode = "act"', 'mode = "assisted"')
    before = _state(two)
    answer = _erase(two)
    assert not answer.complete
    after = _state(two)
    assert {t: after[t] for t in after if t != "ticket"} == {
        t: before[t] for t in before if t != "ticket"
    }
    statements = answer.statements["shop"]
    assert statements
    shop = sqlite3.connect(two / "shop.sqlite")
    shop.execute("PRAGMA foreign_keys = ON")
    with contextlib.closing(shop):
        shop.executescript("\n".join(statements))
    done = _erase(two, case=answer.case)
    assert done.complete
    assert _told(done) == TOLD
    assert _state(two) == DONE
