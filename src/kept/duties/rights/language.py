"""In which language somebody is answered: the one in which she asked."""

from __future__ import annotations

from kept.controller import Controller
from kept.errors import UsageError
from kept.records.case import Case


def language_of(controller: Controller, case: Case) -> str | None:
    """The language in which a case was asked for; None where nobody chose one, or it is gone."""
    for one in controller.intakes.of_case(case.id):
        language = controller.intakes.said(one).get("language")
        if language in controller.bundle.languages:
            return str(language)
    return None


def chosen(controller: Controller, language: str | None) -> str | None:
    """A language that somebody chose for a letter; "" chooses none. UsageError for one that the
    policy has not.
    """
    known = controller.bundle.languages
    if language and language not in known:
        raise UsageError(
            "the policy is not there in that language", expected=f"one of {', '.join(known)}"
        )
    return language or None
