"""A destruction takes another than who entered it, a large one two people, but for whoever is at
the machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import casework
from kept.errors import Denied
from kept.terms.identifiers import parse
from tests.world import NOW, make, sql


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
