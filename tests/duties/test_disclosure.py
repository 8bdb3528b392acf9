"""What was noted of disclosures and is gone again is missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import disclosure
from kept.terms.identifiers import parse
from tests.world import NOW


@pytest.mark.parametrize("gone", ["passed_person", "passed_person, passed_on"])
def test_the_control_misses_lines_that_were_noted_and_are_gone(world: Path, gone: str) -> None:
    with Controller.open(deployment.read(world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        disclosure.note(
            controller, (parse("email=ana@example.org"),), "authority", NOW.date(),
            ["contact.email"], "court-order", actor, NOW, title="A court",
        )  # fmt: skip
        name = "disclosure.told-unless-barred"
        [before] = run(controller, registered(), NOW, names=[name])
        assert before.findings == ()
        with controller.database.connection() as c:
            for table in gone.split(", "):
                c.execute(f"DELETE FROM {table}".encode())
        [after] = run(controller, registered(), NOW, names=[name])
        assert after.outcome is Outcome.FAIL
        assert "are gone, or name nobody" in after.findings[0].words
