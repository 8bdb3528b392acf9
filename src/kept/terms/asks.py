"""What people ask: one row per kind, in the words in which it stands on the public form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Ask:
    """A kind of request. `title` and `hint` are for everybody; `right` is that of terms.rights
    which it opens a case on, None where it is none; `form` the form on which it is chosen.
    """

    id: str
    title: str
    hint: str
    right: str | None
    form: str = ""


#: Told apart, but chosen on no form: what nobody can tell from the words alone.
UNCLEAR: Final = "unclear"
STOP_MAILING: Final = "stop-mailing"
QUESTION: Final = "question"
CHILD_REPORT: Final = "child-report"
MAIL_OF_CUSTOMER: Final = "mail-of-customer"
MAIL_OF_PARTNER: Final = "mail-of-partner"
#: What only an agent asks, by the Data Rights Protocol.
SALE_OUT: Final = "sale-opt-out"
SALE_IN: Final = "sale-opt-in"

_ROWS: Final = (
    Ask("access", "See what you have about me", "You get a copy of it, with what it is for.",
        "access", "own"),
    Ask("portability", "Take my data along", "You get what you gave us as files that other"
        " programs can read.", "portability", "own"),
    Ask("rectification", "Correct something", "Write below what is wrong and what is right.",
        "rectification", "own"),
    Ask("erasure", "Delete what you have about me", "What a law makes us keep stays until it may"
        " go. We tell you what and why.", "erasure", "own"),
    Ask("restriction", "Stop using my data, but keep it", "For example while we check whether it is"
        " right.", "restriction", "own"),
    Ask("objection", "Object to a use", "Write below which use. We stop it while we look at your"
        " reasons.", "objection", "own"),
    Ask("withdrawal", "Take back a consent", "Write below what you had agreed to.",
        "withdrawal", "own"),
    Ask(STOP_MAILING, "Stop advertising mail", "It stops at once. Nothing is deleted.",
        "objection", "own"),
    Ask(QUESTION, "Ask a question about privacy", "We use your address for the answer and for"
        " nothing else.", None, "own"),
    Ask(CHILD_REPORT, "Tell us about data of a child", "", None, "child"),
    Ask(MAIL_OF_CUSTOMER, "Mail from a company that uses our service", "", None, "mail"),
    Ask(MAIL_OF_PARTNER, "Mail from a partner of ours", "", None, "mail"),
    Ask(SALE_OUT, "Do not sell or share my data", "It stops at once.", "objection", "agent"),
    Ask(SALE_IN, "Allow again to sell or share my data", "What you had stopped may go on.", None,
        "agent"),
    Ask(UNCLEAR, "Something else", "Write below what you want. We ask you if it is not clear.",
        None, "own"),
)  # fmt: skip

#: Id → Ask, in the order in which people are offered them.
ASKS: Final[Mapping[str, Ask]] = MappingProxyType({ask.id: ask for ask in _ROWS})
