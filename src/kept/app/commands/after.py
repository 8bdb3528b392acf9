"""What can be done with a case that a command could not bring to its end, as commands."""

from __future__ import annotations

from kept.app.commands.common import Common
from kept.controller import Controller
from kept.duties.rights.request import VERBS, can_end, everywhere, searched
from kept.records.case import Case, State
from kept.records.subject import LINKING


def ends(controller: Controller, common: Common, case: Case) -> list[str]:
    """How the case ends without being carried out, where it still can."""
    lines = []
    if can_end(controller, case, State.WITHDRAWN):
        say = common.next("case", "withdraw", case.id, "--reason", "…")
        lines.append(f"Where the person no longer asks: {say}")
    if can_end(controller, case, State.REFUSED):
        why = ("--reason", "not-identified", "--words", "…")
        lines.append(f"To refuse it, for one of the law's reasons: "
                     f"{common.next('case', 'refuse', case.id, *why)}")  # fmt: skip
    return lines


def astray(controller: Controller, common: Common, case_id: str) -> list[str]:
    """What can be done where what was given leads to nobody, so that nothing was searched.

    [] where something was. A case keeps the identifiers that it was opened with, so better ones
    are a new case.
    """
    case = controller.cases.get(case_id)
    if searched(controller, controller.cases.identifiers(case)):
        return []
    kinds = ", ".join(LINKING)
    again = common.next("rights", VERBS[case.right], "--identity", "KIND=VALUE", "--evidence", "…")
    return [
        "What was given does not lead to one person, so nothing was searched. What can be done:",
        f"Ask her for something that does ({kinds}), and open a new case with it: {again}",
        *ends(controller, common, case),
    ]


def limits(controller: Controller, case_id: str) -> str:
    """For the first line of an answer: that there are places in which nobody was looked for."""
    people = controller.cases.identifiers(controller.cases.get(case_id))
    return "" if everywhere(controller, people) else "; not all was searched, see the notes"


def unchanged(
    controller: Controller, common: Common, case_id: str, why: str, again: str
) -> list[str]:
    """What can be done where carrying the case out would change nothing. `again` carries it out."""
    case = controller.cases.get(case_id)
    return [
        f"Nothing would change: {why}.",
        f"To close the case with that answer: {again}",
        *ends(controller, common, case),
    ]


def named(case: Case, command: str) -> str:
    """The command with what still has to be said before the case can be carried out."""
    known = case.evidence or case.override
    return command + ("" if known else ' --evidence "…"') + " --yes"
