"""One list of all that somebody can choose or ask, each with the page where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kept.controller import Controller
from kept.duties.visits.banner import PATH, worded
from kept.duties.visits.links import opt_outs
from kept.terms.asks import ASKS
from kept.terms.tongues import say

_REQUESTS: Final = "/privacy/requests"
_PREFERENCES: Final = "/privacy/preferences"


@dataclass(frozen=True, slots=True)
class Way:
    """A choice or a right: in words, and where it is done on this site."""

    id: str
    words: str
    path: str
    kind: str  # choice, right, look


def ways(controller: Controller, language: str) -> list[Way]:
    """All of them: the choices about visits, what can be asked, and what can be read."""
    bundle = controller.bundle
    found = [
        Way(aim, worded(bundle.visits.aims[aim].label, language), f"{PATH}#aim-{aim}", "choice")
        for aim in bundle.visits.optional
    ]
    if opt_outs(bundle):
        found.append(
            Way("elsewhere", say("Opt out with others themselves"), f"{PATH}#elsewhere", "choice")
        )
    back = say("Take back what you allowed, or stop our news")
    found.append(Way("preferences", back, _PREFERENCES, "choice"))
    for ask in ASKS.values():
        if ask.form == "agent" or not ask.form:
            continue  # chosen on no form of people's
        path = {"own": f"{_REQUESTS}?asked={ask.id}", "child": f"{_REQUESTS}/child"}.get(
            ask.form, f"{_REQUESTS}/mail"
        )
        found.append(Way(ask.id, say(ask.title), path, "right"))
    return [
        *found,
        Way("complain", say("Complain to an authority"), "/privacy/authorities", "look"),
        Way("policy", say("Read the policy"), "/privacy", "look"),
        Way("versions", say("Read what it said before"), "/privacy/versions", "look"),
    ]
