"""The notice that an answer takes longer (GDPR Art. 12(3)): why, until when, and where to complain.

It says what will be so once it went out inside the first period; that the clock has moved it does
not say, since that comes with its posting.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from kept.controller import Controller
from kept.duties.rights.answer import address
from kept.duties.rights.clock import extendable
from kept.duties.rights.letter import Letter, Part, appeal, asked, complain_to, spelt
from kept.duties.rights.receipts import Receipts
from kept.duties.rights.request import sentence
from kept.records.clock import counted
from kept.terms.authorities import authority_of
from kept.terms.regimes import region_of
from kept.terms.rights import RIGHTS

#: Reason of an extension → how she is told.
_WHY = {
    "complex": "What you ask for takes much work.",
    "numerous": "You have made many requests.",
}


def more_time(
    controller: Controller, case_id: str, reason: str, words: str, now: dt.datetime,
    *, country: str | None = None, subdivision: str | None = None,
) -> Letter:  # fmt: skip
    """The notice, to go out today. Raises UsageError where the rule of the case gives no time."""
    case = controller.cases.get(case_id)
    today = controller.day(now)
    _, before, rule = extendable(controller, case_id, reason, words, today, now)
    after = counted(replace(before, extended=True), rule, controller.workdays)
    record, organisation = Receipts.of(controller, case), controller.bundle.organisation
    choice = authority_of(country, subdivision, lead=organisation.country)
    lines = (
        f"We cannot answer you by {spelt(controller, before.due)}. You will hear from us by"
        f" {spelt(controller, after.due)} at the latest. The law: {rule.source}.",
        f"Why: {_WHY[reason]} {sentence(words)}",
        "You need not do anything. Your request goes on.",
    )
    parts = (
        asked(controller, record, controller.cases.identifiers(case)),
        Part("It takes longer", lines),
        complain_to(controller, choice, *appeal(record, region_of(country, subdivision))),
    )
    title = f"We need more time for your request: {RIGHTS[case.right].title.lower()}"
    return Letter(
        case.id, case.right, controller.bundle.languages[0], title, address(organisation),
        spelt(controller, now), False, (), tuple(one.id for one in choice.authorities), 0, 0, 0,
        parts,
    )  # fmt: skip
