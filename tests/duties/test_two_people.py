"""A destruction takes another than who entered it, a large one two people, but for whoever is at
the machine.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import casework
from kept.errors import Denied, Obstructed
from kept.records.case import Case, Cases, State
from kept.terms.identifiers import parse
from tests.world import NOW, ROOT, edit, make, sql


def _request(who: str, role: str, case: str | None = None) -> rights.Request:
    people = () if case else ((parse("email=ben@example.org"),),)
    return rights.Request(people, actor=who, role=role, evidence="a card", case=case)


@pytest.fixture
def world(kept_url: str, tmp_path: Path) -> Path:
    made = make(tmp_path / "world", kept_url, extra="\n[desk]\nlarge = 5\n")
    for number in range(10, 16):
        sql(made, "INSERT INTO note VALUES (?, 'ben@example.org', 'x', '2026-01-01')", number)
    return made


def test_a_large_erasure_takes_another_than_who_opened_it_and_another_than_who_drew_it_up(
    world: Path,
) -> None:
    with Controller.open(deployment.read(world)) as controller:
        case = rights.preview(controller, _request("ana", "approver"), NOW).case
        with pytest.raises(Denied, match="takes another person"):
            rights.erase(controller, _request("ana", "approver", case), NOW)
        assert len(sql(world, "SELECT 1 FROM note WHERE about = 'ben@example.org'")) == 7
        with pytest.raises(Denied, match="another than who drew it up"):
            rights.erase(controller, _request("bo", "approver", case), NOW)
        bo, cy = (controller.actors.of(who, "approver", NOW) for who in ("bo", "cy"))
        plan = str(casework.look(controller, case, {}, bo, NOW)["plan"])
        casework.approve(controller, case, plan, cy, NOW)
        answer = rights.erase(controller, _request("bo", "approver", case), NOW)
        assert answer.complete
        assert sql(world, "SELECT 1 FROM note WHERE about = 'ben@example.org'") == []


def test_who_is_at_the_machine_answers_for_it_alone(world: Path) -> None:
    with Controller.open(deployment.read(world)) as controller:
        assert rights.erase(controller, _request("ana", "operator"), NOW).complete


def test_a_small_one_that_she_asked_for_herself_needs_nobody_else(
    kept_url: str, tmp_path: Path
) -> None:
    world = make(tmp_path / "world", kept_url)
    with Controller.open(deployment.read(world)) as controller:
        case = rights.preview(controller, _request("by herself", "person"), NOW).case
        assert rights.erase(controller, _request("ana", "approver", case), NOW).complete


_NEWS = """
system: news
title: News
country: US
datasets:
  letters:
    key: [id]
    retention: marketing-preferences
    activities: [newsletter]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false}
"""


@pytest.fixture
def away(world: Path) -> Path:
    """The world with a system that cannot be asked, and one note of Ben alone."""
    sql(world, "DELETE FROM note WHERE id >= 10")
    (world / "news.yml").write_text(_NEWS, "utf-8")
    with (world / "kept.toml").open("a") as file:
        file.write(
            f'\n[systems.news]\nstore = "sqlite"\nurl = "sqlite:///{world / "news.sqlite"}"\n'
            'mode = "act"\nmap = "news.yml"\n'
        )
    return world


def _back(world: Path, rows: int) -> None:
    """The system answers, and has so many rows of Ben."""
    with closing(sqlite3.connect(world / "news.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE letters (id INTEGER PRIMARY KEY, email TEXT NOT NULL)")
        every = [(n, "ben@example.org") for n in range(rows)]
        connection.executemany("INSERT INTO letters VALUES (?, ?)", every)


def _there(world: Path) -> int:
    with closing(sqlite3.connect(world / "news.sqlite")) as connection:
        return int(connection.execute("SELECT count(*) FROM letters").fetchone()[0])


def _begun(world: Path) -> str:
    """A small erasure that Ana opened and Bo carried out while a system was away."""
    with Controller.open(deployment.read(world)) as controller:
        case = rights.preview(controller, _request("ana", "approver"), NOW).case
        done = rights.erase(controller, _request("bo", "approver", case), NOW)
        assert [s for s, _ in done.unreached] == ["news"]
    return case


def _on(world: Path, who: str, case: str, **more: Any) -> rights.EraseAnswer:
    request = rights.Request((), actor=who, role="approver", case=case, **more)
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, request, NOW)


def test_what_makes_an_erasure_large_on_going_on_waits_for_another_than_who_drew_it_up(
    away: Path,
) -> None:
    """The second go is the one that meets it; whoever carried out the rest may approve it."""
    case = _begun(away)
    _back(away, 50)
    for who in ("ana", "ana", "Ana "):
        answer = _on(away, who, case)
        assert (answer.complete, answer.unreached, _there(away)) == (False, (), 50)
        assert "50 of her rows in `letters` of `news`" in " ".join(answer.warnings)
    with Controller.open(deployment.read(away)) as controller:
        one = controller.cases.get(case)
        assert controller.cases.waits(one).by == ("ana",)
        assert casework.more(controller, one) == 50
        kinds = ("plan.made", "plan.approved", "case.moved")
        last = [e for _, e in controller.ledger.entries(kind=kinds, case=case)][-2:]
        assert [e.kind for e in last] == ["plan.made", "case.moved"], "drawn up, not approved"
    assert _on(away, "bo", case).complete
    assert _there(away) == 0
    with Controller.open(deployment.read(away)) as controller:
        events = controller.cases.events(controller.cases.get(case))
        acts = [(e.state, e.actor.name) for e in events
                if e.state in (State.PLANNED, State.APPROVED)]  # fmt: skip
        assert acts[-2:] == [(State.PLANNED, "ana"), (State.APPROVED, "bo")]
        assert controller.watch.alerts() == []


def test_a_correction_is_not_over_while_what_it_puts_right_waits_for_another_person(
    away: Path,
) -> None:
    edit(away / "kept.toml", "large = 5", "large = 20")
    _back(away, 50)
    file, gone = away / "news.sqlite", away / "gone.sqlite"
    no = "CREATE TRIGGER no BEFORE UPDATE ON letters BEGIN SELECT RAISE(ABORT, 'no'); END"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(no)
    with Controller.open(deployment.read(away)) as controller:
        her = rights.Request(((parse("email=ben@example.org"),),), override="test")
        with pytest.raises(Obstructed):
            rights.rectify(controller, her, "shop.customer.email", "benno@example.org", NOW)
        (correction,) = controller.cases.all()
    file.rename(gone)
    case = _begun(away)
    gone.rename(file)
    assert not _on(away, "ana", case).complete
    with Controller.open(deployment.read(away)) as controller:
        assert controller.cases.get(correction.id).state is State.EXECUTING
    assert _on(away, "bo", case).complete
    assert _there(away) == 0
    with Controller.open(deployment.read(away)) as controller:
        assert controller.cases.get(correction.id).state is State.CLOSED


def test_a_correction_is_not_over_while_what_it_never_saw_waits_for_another_person(
    away: Path,
) -> None:
    """What named her before names her until that is gone, and is written to no more."""
    edit(away / "kept.toml", "large = 5", "large = 20")
    with Controller.open(deployment.read(away)) as controller:
        by = rights.Request(((parse("email=ben@example.org"),),), override="test")
        correction = rights.rectify(controller, by, "shop.customer.email", "bo@example.org", NOW)
        assert [s for s, _ in correction.unreached] == ["news"]
        her = ((parse("email=bo@example.org"),),)
        asked = rights.Request(her, actor="ana", role="approver", evidence="a card")
        case = rights.preview(controller, asked, NOW).case
    assert not _on(away, "bo", case).complete
    _back(away, 50)
    assert not _on(away, "ana", case).complete
    with Controller.open(deployment.read(away)) as controller:
        assert controller.cases.get(correction.case).state is not State.CLOSED
    answer = _on(away, "bo", case)
    assert (answer.complete, _there(away)) == (True, 0)
    assert "not covered" not in " ".join(answer.warnings)
    with Controller.open(deployment.read(away)) as controller:
        assert controller.cases.get(correction.case).state is State.CLOSED
        held = controller.facts(parse("email=ben@example.org"), NOW).held
        assert held == {"suppressed"}


def test_a_correction_is_not_over_where_it_could_not_look_by_what_was_wrong(away: Path) -> None:
    """Somebody else has what was wrong by then: an erasure by what is right finds nothing there."""
    with Controller.open(deployment.read(away)) as controller:
        by = rights.Request(((parse("email=ben@example.org"),),), override="test")
        correction = rights.rectify(controller, by, "shop.customer.email", "bo@example.org", NOW)
        assert [s for s, _ in correction.unreached] == ["news"]
        her = rights.Request(((parse("email=bo@example.org"),),), override="test")
        on = rights.Request((), case=rights.erase(controller, her, NOW).case, override="test")
    _back(away, 50)
    sql(away, "INSERT INTO customer VALUES (9, 'ben@example.org', 'Ben anew', NULL, '2026-11-23')")
    with Controller.open(deployment.read(away)) as controller:
        answer = rights.erase(controller, on, NOW)
        assert _there(away) == 50
        assert "was not covered: others use it as well" in " ".join(answer.warnings)
        assert controller.cases.get(correction.case).state is not State.CLOSED


def test_who_entered_it_and_who_drew_it_up_go_on_with_it_alone_with_a_reason_and_an_alert(
    away: Path,
) -> None:
    case = _begun(away)
    _back(away, 50)
    assert not _on(away, "bo", case).complete
    assert not _on(away, "ana", case).complete, "who entered it approves nothing of it"
    assert _there(away) == 50
    assert _on(away, "bo", case, alone="nobody else is here before the day").complete
    with Controller.open(deployment.read(away)) as controller:
        assert [(a.name, a.records) for a in controller.watch.alerts()] == [("bo", 53)]


def test_what_keeps_it_small_goes_with_whoever_goes_on(away: Path) -> None:
    case = _begun(away)
    _back(away, 2)
    assert _on(away, "bo", case).complete


def test_what_she_came_back_with_while_it_waited_is_left_to_her(away: Path) -> None:
    case = _begun(away)
    values = "9, 'ben@example.org', 'Ben anew', NULL, '2026-11-23 12:00:00'"
    sql(away, f"INSERT INTO customer VALUES ({values})")
    _back(away, 50)
    for who in ("cy", "bo", "cy"):
        _on(away, who, case)
    assert _there(away) == 0
    assert len(sql(away, "SELECT 1 FROM customer WHERE id = 9")) == 1


def test_what_goes_early_takes_another_on_going_on_as_well(away: Path) -> None:
    """Nobody knows that she asked for it: not one record more goes by who entered it alone."""
    ben = ((parse("email=ben@example.org"),),)
    early = rights.Request(ben, actor="ana", role="approver", override="a letter")
    with Controller.open(deployment.read(away)) as controller:
        case = rights.preview(controller, early, NOW).case
        bo, cy = (controller.actors.of(who, "approver", NOW) for who in ("bo", "cy"))
        plan = str(casework.look(controller, case, {}, bo, NOW)["plan"])
        casework.approve(controller, case, plan, cy, NOW)
        on = rights.Request((), actor="bo", role="approver", case=case)
        assert not rights.erase(controller, on, NOW).complete
    _back(away, 1)
    assert not _on(away, "ana", case).complete
    assert _there(away) == 1
    assert _on(away, "bo", case).complete
    assert _there(away) == 0


def test_what_was_drawn_up_while_he_waited_is_approved_by_nobody_unseen(
    away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two go on at once: the second one had read of nothing that waits."""
    case = _begun(away)
    _back(away, 50)
    whole, first = Cases.alone, [1]

    @contextmanager
    def slow(self: Cases, one: Case) -> Iterator[Case]:
        if first.pop() if first else None:
            assert not _on(away, "ana", case).complete
        with whole(self, one) as now:
            yield now

    monkeypatch.setattr(Cases, "alone", slow)
    assert not _on(away, "bo", case).complete
    assert _there(away) == 50
    # Nor from a page of before, that shows no step of it.
    assert not _on(away, "bo", case, seen=2).complete
    assert _there(away) == 50
    assert _on(away, "bo", case).complete


_DRIVER = """
import importlib, os, signal, sys
from pathlib import Path
from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.records.case import Cases
from tests.world import NOW
world, case, who, method, when = sys.argv[1:]
whole = getattr(Cases, method)
def killed(self, *args, **kwargs):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, *args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(Cases, method, killed)
with Controller.open(deployment.read(Path(world))) as controller:
    rights.erase(controller, rights.Request((), who, "approver", case=case), NOW)
"""


def _killed(world: Path, case: str, who: str, method: str, when: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(world), case, who, method, when],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize(
    ("method", "when"), [("draw_up", "after"), ("begin_steps", "before"), ("finish", "before")]
)
def test_killed_after_it_was_drawn_up_it_waits_on(away: Path, method: str, when: str) -> None:
    case = _begun(away)
    _back(away, 50)
    _killed(away, case, "ana", method, when)
    assert not _on(away, "ana", case).complete
    assert _there(away) == 50
    assert _on(away, "bo", case).complete


@pytest.mark.parametrize("method", ["let_go", "begin_steps"])
def test_killed_after_it_was_approved_it_goes_or_waits_whole(away: Path, method: str) -> None:
    """Approved, it goes with whoever goes on; not yet, it waits as it did."""
    case = _begun(away)
    _back(away, 50)
    assert not _on(away, "ana", case).complete
    _killed(away, case, "bo", method, "after")
    assert _on(away, "ana", case).complete is (method == "begin_steps")
    assert _on(away, "bo", case).complete
    assert _there(away) == 0


def test_where_a_correction_has_still_to_be_what_named_her_before_names_her(away: Path) -> None:
    """The system that was away for both has her by the address of before alone."""
    ben = rights.Request(((parse("email=ben@example.org"),),), override="for a test")
    later = rights.Request(((parse("email=benno@example.org"),),), override="for a test")
    with Controller.open(deployment.read(away)) as controller:
        changed = rights.rectify(controller, ben, "shop.customer.email", "benno@example.org", NOW)
        assert [s for s, _ in changed.unreached] == ["news"]
        gone = rights.erase(controller, later, NOW)
        assert not gone.complete
    _back(away, 1)
    with Controller.open(deployment.read(away)) as controller:
        gone = rights.erase(controller, rights.Request((), case=gone.case), NOW)
        assert (gone.complete, _there(away)) == (True, 0), gone
        assert "nobody has proven" not in " ".join(gone.warnings)
        # With her the correction is over: nobody is told of a new address of hers.
        assert controller.cases.get(changed.case).state is State.CLOSED
        controller.deliver(NOW)
        assert "benno" not in str([t.people for t in controller.tasks() if t.case == changed.case])
