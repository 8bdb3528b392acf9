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
from kept.duties.rights.language import language_of
from kept.duties.rights.letter import Letter, Part, appeal, asked, complain_to, lives, spelt
from kept.duties.rights.receipts import Receipts
from kept.duties.rights.request import sentence
from kept.policy.spoken import speaking
from kept.records.case import Case
from kept.records.clock import counted
from kept.terms import tongues
from kept.terms.rights import RIGHTS
from kept.terms.tongues import law, say, within

#: Reason of an extension → how she is told.
_WHY = {
    "complex": "What you ask for takes much work.",
    "numerous": "You have made many requests.",
}


def more_time(
    controller: Controller, case_id: str, reason: str, words: str, now: dt.datetime,
    *, country: str | None = None, subdivision: str | None = None, language: str | None = None,
) -> Letter:  # fmt: skip
    """The notice, to go out today. Raises UsageError where the rule of the case gives no time."""
    case = controller.cases.get(case_id)
    with speaking(controller.bundle, language or language_of(controller, case)):
        return _more_time(controller, case, reason, words, now, country, subdivision)


def _more_time(
    controller: Controller, case: Case, reason: str, words: str, now: dt.datetime,
    country: str | None, subdivision: str | None,
) -> Letter:  # fmt: skip
    today = controller.day(now)
    _, before, rule = extendable(controller, case.id, reason, words, today, now)
    after = counted(replace(before, extended=True), rule, controller.workdays)
    record, organisation = Receipts.of(controller, case), controller.bundle.organisation
    choice, region = lives(controller, case, country, subdivision)
    lines = (
        say(
            "We cannot answer you by {day}. You will hear from us by {end} at the latest. The law:"
            " {law}.",
            day=spelt(controller, before.due),
            end=spelt(controller, after.due),
            law=law(rule.source),
        ),
        f"{say('Why: {why}', why=say(_WHY[reason]))} {sentence(words)}",
        say("You need not do anything. Your request goes on."),
    )
    parts = (
        asked(controller, record, controller.cases.identifiers(case), region),
        Part(say("It takes longer"), lines),
        complain_to(controller, choice, *appeal(record, region)),
    )
    right = within(say(RIGHTS[case.right].title))
    title = say("We need more time for your request: {right}", right=right)
    return Letter(
        case.id, case.right, tongues.spoken().language, title, address(organisation),
        spelt(controller, now), False, (), tuple(one.id for one in choice.authorities), 0, 0, 0,
        parts, say("Case"),
    )  # fmt: skip
