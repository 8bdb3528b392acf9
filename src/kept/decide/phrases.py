"""The words that stand around a policy's own on every form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PHRASES: Final[Mapping[str, str]] = {
    "who": "{org} answers for what you send here: {email}, or by letter to {post}.",
    "use": "What we do with it: {what}.",
    "interest": "We may because of an interest: {what}. The interest is {whose}. You can object"
    " to it at any time.",
    "contract": "We may because what you ask for is a contract with us, or leads to one.",
    "legal-obligation": "We have to: a law asks for it.",
    "sending": "We may only because you agree by sending this. You can take that back at any"
    " time, as easily, and then we stop.",
    "ticking": "Only if you tick the box: then you agree. You can take that back at any time, as"
    " easily, and then we stop. Everything else works without it.",
    "recipients": "Who gets it beside us: {who}.",
    "nobody": "Nobody gets it beside us.",
    "partners": "These partners get what you send here, and use it for themselves. Their own"
    " privacy policies say how to refuse their messages:",
    "kept": "How long we keep it: {what}",
    "period.open": "no longer than we need it for this; our privacy policy says when that ends.",
    "clock.creation": "{length} from today.",
    "clock.last_interest": "{length} after you last showed an interest.",
    "clock.need_closed": "{length} after it is no longer needed for this.",
    "clock.contract_end": "{length} after the end of the contract.",
    "clock.closed": "{length} after the matter is closed.",
    "needed": "Needed: {why}.",
    "optional": "You may leave this empty.",
    "why": "We ask {why}.",
    "law.must": "You have to give this. The law asks for it: {law}.",
    "law.may": "The law asks for this: {law}. You may leave it empty.",
    "contract.must": "You have to give this. The contract needs it.",
    "contract.may": "The contract needs this. You may leave it empty.",
    "otherwise": "If you do not give it: {what}.",
    "rights": "You can see, correct, take with you and delete what we have of you, and complain"
    " to an authority. How, and all the rest, says our privacy policy of {version}.",
}  # fmt: skip
#: The unit of a period → one of it, several of it.
UNITS: Final[Mapping[str, tuple[str, str]]] = {
    "Y": ("{n} year", "{n} years"), "M": ("{n} month", "{n} months"), "D": ("{n} day", "{n} days"),
}  # fmt: skip
