"""What an erasure left beneath the rows, as `kept rights erase` shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kept.app.commands.common import Acting
from kept.app.output import table
from kept.controller import Controller
from kept.duties.rights import EraseAnswer
from kept.duties.rights.residue import BEYOND, Scrubbed, residue, scrub, scrubbing
from kept.errors import UsageError
from kept.records.residue import Told


@dataclass(frozen=True, slots=True)
class Below:
    """The layers as they were met, and what was or would be done about them."""

    told: Sequence[Told] = ()
    scrubbed: Sequence[Scrubbed] = ()
    done: bool = False

    @classmethod
    def of(
        cls,
        controller: Controller,
        answer: EraseAnswer,
        acting: Acting,
        *,
        physical: bool,
        full: bool,
        yes: bool,
    ) -> Below:
        """Look beneath an erasure that is complete; with `physical` and `yes` scrub it first."""
        if full and not physical:
            raise UsageError(
                "--full says how to scrub, and nothing is to be scrubbed",
                fix="add --physical, or leave --full out",
            )
        now = acting.moment
        done = physical and yes and answer.complete
        what: list[Scrubbed] = []
        if done:
            actor = controller.actors.of(acting.actor, acting.role, now)
            what = scrub(controller, answer.case, actor, now, full=full)
        elif physical:
            what = scrubbing(controller, answer.case, full=full)
        return cls(residue(controller, answer.case, now), what, done)

    @property
    def failed(self) -> bool:
        """Whether something was to be scrubbed and was not."""
        return self.done and any(one.problem for one in self.scrubbed)

    def document(self) -> dict[str, Any]:
        """As JSON: `residue` always, `physical` where it was asked for."""
        made: dict[str, Any] = {"residue": [one.document() for one in self.told]}
        if self.scrubbed:
            made["physical"] = [
                {
                    "store": one.store,
                    "done": self.done and one.problem is None,
                    "problem": one.problem,
                    "steps": [{"what": s.what, "locks": s.locks} for s in one.what],
                }
                for one in self.scrubbed
            ]
        return made

    def words(self) -> list[str]:
        """As a table and sentences."""
        lines = []
        for one in self.scrubbed:
            for step in one.what:
                did = "" if self.done else "would be done: "
                lines.append(f"{one.store}: {did}{step.what}. Meanwhile {step.locks}.")
            if one.problem:
                lines.append(f"{one.store}: NOT done: {one.problem}")
        if not self.told:
            return [*lines, ""] if lines else []
        rows = [
            (f"{t.store}: {t.residue.layer}", t.residue.fate.words, t.residue.until or "–",
             t.residue.words)
            for t in self.told
        ]  # fmt: skip
        return [*lines, "", "Layer by layer:", table(("layer", "state", "until", "why"), rows),
                BEYOND]  # fmt: skip
