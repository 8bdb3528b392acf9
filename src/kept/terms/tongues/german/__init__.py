"""German: every sentence of ours for people, by the English one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from kept.terms.tongues.german import (
    asking,
    forms,
    labels,
    letters,
    mails,
    packages,
    pages,
    preferences,
)

_ROOMS: Final = (pages, asking, preferences, forms, labels, mails, letters, packages)

SAID: Final[Mapping[str, str]] = {k: v for room in _ROOMS for k, v in room.SAID.items()}
#: By the English plural: one of it, several.
FORMS: Final[Mapping[str, Sequence[str]]] = {**pages.FORMS, **letters.FORMS, **packages.FORMS}
MONTHS: Final = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
    "Oktober", "November", "Dezember",
)  # fmt: skip
#: An article of a law, or several, as English sources name them.
_ARTICLES: Final = re.compile(r"(GDPR|FADP) (Art\. \d[\w(), ]*?)(\.?)")
#: What these laws are called in German: of the Union, of Switzerland.
_LAWS: Final = {"GDPR": "DSGVO", "FADP": "DSG"}


def cites(source: str) -> str:
    """A source as German law is cited: GDPR Art. 12(5)(b) is Art. 12 Abs. 5 Buchst. b DSGVO."""
    met = _ARTICLES.fullmatch(source)
    if met is None:
        return source
    words = re.sub(r"(\d)\((\d+)\)", r"\1 Abs. \2", met[2])
    words = re.sub(r" (to|and) \((\w)\)", lambda m: f" {_BETWEEN[m[1]]} {m[2]}", words)
    words = re.sub(r"\(([a-z])\)", r" Buchst. \1", words)
    words = re.sub(r" (to|and) ", lambda m: f" {_BETWEEN[m[1]]} ", words)
    return f"{words} {_LAWS[met[1]]}{met[3]}"


_BETWEEN: Final = {"to": "bis", "and": "und"}
