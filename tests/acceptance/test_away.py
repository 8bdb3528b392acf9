"""A system that is away while the rest is erased: when it is back, all of it is still found.

By then the rows are gone that led there; what led there is sealed with the plan.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import EraseAnswer, Request
from kept.errors import KeptError, UsageError
from kept.model.plan import Action
from kept.records import case as cases
from kept.records.case import State
from kept.terms.identifiers import parse
from tests.world import NOW, ROOT, edit, make, sql

ANA, BEN = parse("email=ana@example.org"), parse("email=ben@example.org")

#: The desk knows customers by their number, as text; the calls know the desk's tickets.
MAPS = {
    "desk": """
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
      customer_ref: {category: identifier.account}
      words: {category: free-text, free_text: true}
    links:
      - {fields: [customer_ref], to: customer, on: [id], kind: owned-by, system: shop}
""",
    "calls": """
system: calls
title: Calls
country: US
datasets:
  call:
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      ticket: {type: integer, category: support-case}
      customer: {type: integer, category: identifier.account}
    links:
      - {fields: [ticket], to: ticket, on: [id], kind: owned-by, system: desk}
      - {fields: [customer], to: customer, on: [id], kind: owned-by, system: shop}
""",
}
ROWS = {
    "desk": "CREATE TABLE ticket (id INTEGER PRIMARY KEY, customer_ref TEXT, words TEXT);"
    "INSERT INTO ticket VALUES (10, '1', 'help'), (11, '2', 'hi'), (12, '3', 'so'),"
    " (13, NULL, '-');",
    "calls": "CREATE TABLE call (id INTEGER PRIMARY KEY, ticket INTEGER, customer INTEGER);"
    "INSERT INTO call VALUES (20, 10, NULL), (21, 11, NULL), (22, 12, NULL), (23, NULL, 1),"
    " (24, 10, 1);",
}


@pytest.fixture
def three(kept_url: str, tmp_path: Path) -> Path:
    """The small world with a desk and calls. Ana's customer row stays, overwritten; Ben's goes."""
    world = make(tmp_path / "three", kept_url)
    sql(world, "DELETE FROM invoice WHERE customer = 2")
    for system, text in MAPS.items():
        (world / f"{system}.yml").write_text(text, "utf-8")
        with closing(sqlite3.connect(world / f"{system}.sqlite")) as connection:
            connection.executescript(ROWS[system])
        with (world / "kept.toml").open("a") as file:
            file.write(
                f'\n[systems.{system}]\nstore = "sqlite"\n'
                f'url = "sqlite:///{world / system}.sqlite"\nmode = "act"\nmap = "{system}.yml"\n'
            )
    return world


def _erase(world: Path, **more: Any) -> EraseAnswer:
    request = Request(**{"people": ((ANA,), (BEN,)), "override": "test", **more})
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, request, NOW)


def _ids(world: Path, system: str) -> set[int]:
    table = {"desk": "ticket", "calls": "call"}[system]
    with closing(sqlite3.connect(world / f"{system}.sqlite")) as connection:
        return {int(row[0]) for row in connection.execute(f"SELECT id FROM {table}")}


def _told(answer: EraseAnswer) -> dict[tuple[str, Action], tuple[int, int]]:
    """What became of each dataset's rows, whatever number of steps it took."""
    told: dict[tuple[str, Action], tuple[int, int]] = {}
    for s in answer.steps:
        at = (f"{s.store}.{s.dataset}", s.action)
        found, changed = told.get(at, (0, 0))
        told[at] = (found + s.counts.found, changed + s.counts.changed)
    return told


def _away(world: Path, system: str) -> Path:
    return (world / f"{system}.sqlite").rename(world / f"{system}.away")


def _back(world: Path, system: str) -> None:
    (world / f"{system}.away").rename(world / f"{system}.sqlite")


def _sealed(world: Path) -> list[str]:
    with (
        Controller.open(deployment.read(world)) as controller,
        controller.database.connection() as connection,
    ):
        rows = connection.execute("SELECT name FROM case_sealed ORDER BY name").fetchall()
    return [str(row[0]) for row in rows]


WHOLE = {
    ("desk.ticket", Action.DELETE): (2, 2),
    ("calls.call", Action.DELETE): (4, 4),
    ("shop.customer", Action.DELETE): (1, 1),
    ("shop.customer", Action.OVERWRITE): (1, 1),
    ("shop.invoice", Action.DELETE): (1, 1),
    ("shop.invoice", Action.RETAIN): (1, 0),
    ("shop.note", Action.DELETE): (2, 2),
    ("shop.signup", Action.DELETE): (2, 2),
}


def test_what_is_meant(three: Path) -> None:
    answer = _erase(three)
    assert answer.complete
    assert _told(answer) == WHOLE
    assert (_ids(three, "desk"), _ids(three, "calls")) == ({12, 13}, {22})
    # Nobody was away: nothing beside the plan had to be sealed.
    # By what she is looked for beneath the rows stays sealed until that is told.
    assert _sealed(three) == ["keys:identifiers"]


@pytest.mark.parametrize("away", [["desk"], ["calls"], ["desk", "calls"], ["calls", "desk"]])
def test_RIGHT_15_what_hangs_on_rows_that_are_gone_is_found_when_its_system_is_back(
    three: Path, away: list[str]
) -> None:
    """RIGHT-15: the end is the one of an undisturbed run, whoever was away, one by one back."""
    for system in away:
        _away(three, system)
    answer = _erase(three)
    assert not answer.complete
    assert {s for s, _ in answer.unreached} == set(away)
    assert answer.keys is None
    assert sql(three, "SELECT id, name FROM customer ORDER BY id") == [
        (1, "erased"), (3, "Cleo; DROP TABLE customer"),
    ]  # fmt: skip
    assert _sealed(three) == ["keys:identifiers", "keys:values", "plan"]
    # Asked again while nothing is back: nothing is claimed.
    assert not _erase(three, case=answer.case).complete
    for number, system in enumerate(away, 1):
        _back(three, system)
        resumed = _erase(three, case=answer.case, people=())
        assert {s for s, _ in resumed.unreached} == set(away[number:])
        assert resumed.complete is (number == len(away))
    assert _told(resumed) == WHOLE
    assert (_ids(three, "desk"), _ids(three, "calls")) == ({12, 13}, {22})
    # By what she is looked for beneath the rows stays sealed until that is told.
    assert _sealed(three) == ["keys:identifiers"]
    with Controller.open(deployment.read(three)) as controller:
        assert controller.ledger.verify(deep=True).ok
        plans = [e.body["plan"] for _, e in controller.ledger.entries(kind="plan.made")]
        approved = [e.body["plan"] for _, e in controller.ledger.entries(kind="plan.approved")]
    assert len(plans) == 1 + len(away)
    assert approved == plans


def test_RIGHT_15_who_was_erased_is_answered_although_a_system_is_away(three: Path) -> None:
    """RIGHT-15: what stays of her there is named as not asked; the package holds the rest."""
    assert _erase(three).complete
    edit(three / "shop.yml", "free_text: true", "free_text: redact")
    _away(three, "shop")
    with Controller.open(deployment.read(three)) as controller:
        request = Request(((ANA,),), override="test")
        answer = rights.access(controller, request, NOW, out=three / "out.zip")
        assert [store for store, _ in answer.unreached] == ["shop"]
        assert not answer.complete
        assert answer.package
        assert answer.package.exists()
        _back(three, "shop")
        again = replace(request, people=(), case=answer.case)
        whole = rights.access(controller, again, NOW, out=three / "whole.zip")
    assert whole.complete
    assert any(s.counts.retained for s in whole.steps)


def test_a_store_that_refuses_once_it_is_back_is_done_after_mending(three: Path) -> None:
    _away(three, "desk")
    answer = _erase(three)
    _back(three, "desk")
    with closing(sqlite3.connect(three / "desk.sqlite")) as connection:
        connection.executescript(
            "CREATE TRIGGER no BEFORE DELETE ON ticket BEGIN SELECT RAISE(ABORT, 'stays'); END;"
        )
    with pytest.raises(KeptError, match="nothing was written"):
        _erase(three, case=answer.case)
    assert _ids(three, "desk") == {10, 11, 12, 13}
    with closing(sqlite3.connect(three / "desk.sqlite")) as connection:
        connection.execute("DROP TRIGGER no")
    resumed = _erase(three, case=answer.case)
    assert resumed.complete
    assert _told(resumed) == WHOLE


def test_what_cannot_be_planned_once_it_is_back_is_named(three: Path) -> None:
    """It is as little done as when the system was away, and the answer says why."""
    edit(three / "desk.yml", "    key: [id]\n", "    key: [id]\n    erase: overwrite\n")
    _away(three, "desk")
    answer = _erase(three)
    _back(three, "desk")
    with closing(sqlite3.connect(three / "desk.sqlite")) as connection:
        connection.executescript(
            "ALTER TABLE ticket RENAME TO old; CREATE TABLE ticket (id INTEGER PRIMARY KEY,"
            " customer_ref TEXT NOT NULL, words TEXT); INSERT INTO ticket SELECT * FROM old"
            " WHERE customer_ref NOT NULL;"
        )
    stuck = _erase(three, case=answer.case)
    assert not stuck.complete
    ((system, why),) = stuck.unreached
    assert system == "desk"
    assert "`ticket`" in why
    with closing(sqlite3.connect(three / "desk.sqlite")) as connection:
        connection.executescript("DROP TABLE ticket; ALTER TABLE old RENAME TO ticket;")
    resumed = _erase(three, case=answer.case)
    assert resumed.complete
    with closing(sqlite3.connect(three / "desk.sqlite")) as connection:
        assert connection.execute("SELECT * FROM ticket ORDER BY id").fetchall() == [
            (10, None, None), (11, None, None), (12, "3", "so"), (13, None, "-"),
        ]  # fmt: skip
    assert _ids(three, "calls") == {22}


def test_a_row_that_came_meanwhile_where_all_was_done_is_left_alone(three: Path) -> None:
    """Ben came back on his own account; the case finishes what it was about."""
    _away(three, "desk")
    answer = _erase(three)
    sql(three, "INSERT INTO customer VALUES (9, 'ben@example.org', 'Ben', NULL, '2026-11-24')")
    _back(three, "desk")
    assert _erase(three, case=answer.case).complete
    assert sql(three, "SELECT id FROM customer ORDER BY id") == [(1,), (3,), (9,)]


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
from tests.world import NOW
request = rights.Request(people=(), override="test", case=sys.argv[6])
with Controller.open(deployment.read(Path(sys.argv[1]))) as controller:
    rights.erase(controller, request, NOW)
"""


@pytest.mark.parametrize(
    "point",
    [
        ("kept.records.case:Cases", "extend_plan", "before", 1),
        ("kept.records.case:Cases", "extend_plan", "after", 1),
        ("kept.records.case:Cases", "seal_keys", "after", 1),
        ("kept.records.case:Cases", "begin_steps", "after", 1),
        ("kept.stores.sqlite:SQLiteSession", "commit", "after", 1),
        ("kept.records.case:Cases", "record_step", "after", 1),
    ],
    ids=lambda p: "-".join(map(str, p)),
)
def test_RIGHT_3_killed_while_a_system_that_is_back_is_done(
    three: Path, point: tuple[str, str, str, int]
) -> None:
    """RIGHT-3: between the sealing and the writing, and anywhere after. Calls stay away."""
    for system in ("desk", "calls"):
        _away(three, system)
    case = _erase(three).case
    _back(three, "desk")
    killed = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(three), *map(str, point), case],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    resumed = _erase(three, case=case)
    assert [s for s, _ in resumed.unreached] == ["calls"]
    assert _ids(three, "desk") == {12, 13}
    _back(three, "calls")
    done = _erase(three, case=case)
    assert done.complete
    assert _told(done) == WHOLE
    assert _ids(three, "calls") == {22}


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Executing takes until the event is set."""
    go, whole = threading.Event(), Controller.execute

    def waiting(self: Controller, *args: Any, **more: Any) -> Any:
        assert go.wait(30)
        return whole(self, *args, **more)

    monkeypatch.setattr(Controller, "execute", waiting)
    yield go
    go.set()


def test_two_who_carry_out_one_case_do_it_once(
    three: Path, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits a little and is sent away, or finds it done; nothing is done twice."""
    monkeypatch.setattr(cases, "_PATIENCE", 1)
    _away(three, "desk")
    slow.set()
    case = _erase(three).case
    _back(three, "desk")
    slow.clear()
    answers: list[EraseAnswer] = []
    first = threading.Thread(target=lambda: answers.append(_erase(three, case=case)))
    first.start()
    try:
        with Controller.open(deployment.read(three)) as controller:
            while controller.cases.get(case).state is not State.EXECUTING:
                assert first.is_alive()
        with pytest.raises(UsageError, match="by somebody else right now"):
            _erase(three, case=case)
    finally:
        slow.set()
        first.join()
    assert answers[0].complete
    assert _told(answers[0]) == WHOLE
    again = _erase(three, case=case)
    assert again.complete
    assert _told(again) == WHOLE
    with Controller.open(deployment.read(three)) as controller:
        done = [e.body["step"] for _, e in controller.ledger.entries(kind="step.done")]
        closed = [e.body["complete"] for _, e in controller.ledger.entries(kind="case.closed")]
    assert len(done) == len(set(done))
    assert closed == [False, True]
