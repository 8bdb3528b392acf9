"""Outcomes in words, for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: How each outcome is said: of one sentence, of several, and in a sentence for everybody.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "pass": {
        "one": "checked",
        "many": "checked",
        "long": "A program checked this on the system as it runs, and found nothing amiss.",
    },
    "fail": {
        "one": "check failed",
        "many": "checks failed",
        "long": "A program checked this and found something that is not as promised.",
    },
    "error": {
        "one": "could not be checked",
        "many": "could not be checked",
        "long": "The check broke off, or could not look everywhere; so it says nothing now.",
    },
    "vacuous": {
        "one": "nothing to check yet",
        "many": "nothing to check yet",
        "long": "The check ran but found nothing to look at, so it says nothing yet.",
    },
    "expired": {
        "one": "out of date",
        "many": "out of date",
        "long": "What this rests on is out of date.",
    },
    "gated": {
        "one": "rests on a document",
        "many": "rest on a document",
        "long": "A program enforces this as long as a signed document stands behind it.",
    },
    "attested": {
        "one": "a person’s word",
        "many": "a person’s word",
        "long": "A person answers for this with their name; a program cannot see it.",
    },
    "statement": {
        "one": "a statement",
        "many": "statements",
        "long": "This explains something or sets a limit; there is nothing in it to check.",
    },
    "open": {
        "one": "still open",
        "many": "still open",
        "long": "What would keep this promise is not finished yet, and we say so.",
    },
}
