"""Why a request can be refused, one row per reason (GDPR Art. 12(4)): a code, words, the law.

That nothing is held is not among them: it is an answer. What stays of somebody whose request is
carried out is no refusal either: the letter names each part that stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kept.errors import UsageError


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason: `words` are for the person, `law` is what it rests on, `then` what she can do."""

    code: str
    words: str
    law: str
    then: str


_ROWS: Final = (
    Refusal(
        "not-identified",
        "We could not make sure that you are the person whose data it is. Giving it to somebody"
        " else, or deleting it for somebody else, would harm that person.",
        "GDPR Art. 11(2), 12(2) and 12(6)",
        "Tell us something else by which we can find you and know you, and ask again.",
    ),
    Refusal(
        "manifestly-unfounded",
        "The request plainly has no ground. That it is so is for us to show, and we do it here.",
        "GDPR Art. 12(5)(b)",
        "Tell us what we have overlooked, and ask again.",
    ),
    Refusal(
        "excessive",
        "The request goes beyond all measure, above all because it was made again and again."
        " That it is so is for us to show, and we do it here.",
        "GDPR Art. 12(5)(b)",
        "Ask again when something has changed, or for less.",
    ),
    Refusal(
        "others-rights",
        "To do it would harm the rights of other people, and we found no way to leave them out.",
        "GDPR Art. 15(4) and 20(4)",
        "Ask for less: what is about you alone.",
    ),
    Refusal(
        "law-forbids",
        "A law forbids us to do it, or to say more about it.",
        "GDPR Art. 23, with the law named here",
        "Ask the authority to look into it: it may see what we may not show.",
    ),
    Refusal(
        "legal-duty",
        "A law, or a task in the public interest, tells us to keep or to use this data.",
        "GDPR Art. 17(3)(b) to (d)",
        "Ask again when the time that the law sets is over.",
    ),
    Refusal(
        "legal-claims",
        "The data is needed to make, carry out or defend legal claims.",
        "GDPR Art. 17(3)(e), 18(2) and 21(1)",
        "Ask again when the dispute is over.",
    ),
    Refusal(
        "free-expression",
        "The data is part of what may be said and read freely.",
        "GDPR Art. 17(3)(a)",
        "Tell us which words are wrong: those we correct.",
    ),
    Refusal(
        "not-ours",
        "The data belongs to a customer of ours. We only keep it for that customer, who decides"
        " over it; we changed nothing.",
        "GDPR Art. 28(3)(a) and (e)",
        "Ask that customer. We tell you who it is, as far as we may, and pass your request on.",
    ),
    Refusal(
        "right-does-not-reach",
        "The law gives this right only for certain data or uses, and this is not one of them.",
        "GDPR Art. 12(4), with the article of the right",
        "Another right may do what you want: write to us what it is.",
    ),
)  # fmt: skip

#: Code → why.
REFUSALS: Final[Mapping[str, Refusal]] = MappingProxyType({row.code: row for row in _ROWS})


def refusal(code: str) -> Refusal:
    """The reason of that code; UsageError where there is none."""
    if code not in REFUSALS:
        raise UsageError(
            "there is no such reason to refuse a request",
            expected=f"one of {', '.join(REFUSALS)}",
            fix="that nothing is held is no refusal: carry the case out, and the answer says so",
        )
    return REFUSALS[code]


def law_at(law: str, region: str) -> str:
    """What a reason rests on, as the law of a region is called: that of the UK is the UK GDPR."""
    return law.replace("GDPR", "UK GDPR") if region == "UK" else law
