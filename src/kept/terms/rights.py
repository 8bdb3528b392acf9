"""Rights: one row per right that a person has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kept.errors import UsageError


@dataclass(frozen=True, slots=True)
class Right:
    """A right: its article, the verb on the command line, and what it does.

    `verb` is None where there is no command: a complaint goes to an authority. `writes`
    says whether carrying it out changes what the company's stores hold; `chooses`
    whether it changes what may be done from now on.
    """

    id: str
    title: str
    article: str
    verb: str | None
    writes: bool
    chooses: bool


_ROWS: Final = (
    Right("access", "See what is kept", "GDPR Art. 15", "access", False, False),
    Right("portability", "Take it along", "GDPR Art. 20", "port", False, False),
    Right("rectification", "Have it corrected", "GDPR Art. 16", "rectify", True, False),
    Right("erasure", "Have it deleted", "GDPR Art. 17", "erase", True, True),
    Right("restriction", "Have its use stopped", "GDPR Art. 18", "restrict", False, True),
    Right("objection", "Object to a use", "GDPR Art. 21", "object", False, True),
    Right("withdrawal", "Withdraw consent", "GDPR Art. 7(3)", "withdraw", False, True),
    Right("complaint", "Complain to an authority", "GDPR Art. 77", None, False, False),
)

#: Why somebody asks for an erasure, as the law lists it (GDPR Art. 17(1)), in words for people.
ERASURE_GROUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "not-needed": "it is not needed any more for what it was collected for",
        "withdrawn": "consent was withdrawn, and nothing else carries it",
        "objection": "an objection stands",
        "unlawful": "its use is unlawful",
        "law": "a law asks for its erasure",
        "child": "it is of a child; nothing but a law keeps anything, and no name is left",
    }
)
#: The ground under which nothing but a law keeps anything, and the case forgets whom it was about.
CHILD: Final = "child"

#: Region → right → where the law of that region gives it, if not the GDPR.
_ELSEWHERE: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "UK": {right.id: f"UK {right.article}" for right in _ROWS},
        "CH": {
            "access": "FADP Art. 25", "portability": "FADP Art. 28",
            "rectification": "FADP Art. 32(1)", "erasure": "FADP Art. 32(2)",
            "objection": "FADP Art. 30(2)",
        },
        "US-CA": {
            "access": "Cal. Civ. Code § 1798.110", "portability": "Cal. Civ. Code § 1798.130",
            "rectification": "Cal. Civ. Code § 1798.106", "erasure": "Cal. Civ. Code § 1798.105",
            "restriction": "Cal. Civ. Code § 1798.121", "objection": "Cal. Civ. Code § 1798.120",
        },
        "US-VA": dict.fromkeys(
            ("access", "portability", "rectification", "erasure", "objection"),
            "Va. Code § 59.1-577",
        ),
    }
)  # fmt: skip

#: Right id → Right, in the order in which people are told of them.
RIGHTS: Final = MappingProxyType({right.id: right for right in _ROWS})


def by_verb(verb: str) -> Right:
    """The right that a verb of the command line carries out; UsageError for another word."""
    for right in _ROWS:
        if right.verb == verb:
            return right
    known = ", ".join(right.verb for right in _ROWS if right.verb)
    raise UsageError("no right has that verb", expected=known)


def article_at(right: str, region: str) -> str:
    """Where the law of a region gives a right; the article of the GDPR where that law is not known
    to give it, since the organisation grants it to everybody.
    """
    return _ELSEWHERE.get(region, {}).get(right, RIGHTS[right].article)
