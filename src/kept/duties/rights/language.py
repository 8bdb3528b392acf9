"""In which language somebody is answered: the one in which she asked."""

from __future__ import annotations

from kept.controller import Controller
from kept.records.case import Case


def language_of(controller: Controller, case: Case) -> str | None:
    """The language in which a case was asked for; None where nobody chose one, or it is gone."""
    for one in controller.intakes.of_case(case.id):
        language = controller.intakes.said(one).get("language")
        if language in controller.bundle.languages:
            return str(language)
    return None
