"""What is known of how safe a place of data is: measured there, or declared by a person.

GDPR Art. 32(1)(a) (encryption) and (b) (confidentiality), Art. 5(1)(f).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast

Aspect: TypeAlias = Literal["encryption", "transport", "exposure"]

#: What has to be known of every place, and how people call it.
ASPECTS: Final[Mapping[Aspect, str]] = {
    "encryption": "encryption at rest",
    "transport": "the way to it",
    "exposure": "who can reach it",
}


def aspect(word: str) -> Aspect | None:
    """The aspect of this name; None where there is none."""
    return cast(Aspect, word) if word in ASPECTS else None


@dataclass(frozen=True, slots=True)
class Measured:
    """One aspect as the place itself shows it. `holds` None: it cannot be told from here.

    `words` and `fix` name files, settings and counts, never a value that the place holds.
    """

    aspect: Aspect
    holds: bool | None
    words: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Declared:
    """One aspect as a person vouches for it: who, since when, until when, and how it is so."""

    aspect: Aspect
    by: str
    date: dt.date
    how: str
    expires: dt.date | None = None

    def in_force(self, now: dt.datetime) -> bool:
        """Whether it was said by `now` and is not past its time."""
        today = now.astimezone(dt.UTC).date()
        return self.date <= today and (self.expires is None or today <= self.expires)


@dataclass(frozen=True, slots=True)
class Safety:
    """What a store says of its place.

    `names` are its own, under which other stores would see it; `seen` are places of data that can
    be seen from it (name → words). A name is `file:PATH` or made of what a server says of itself.
    """

    measured: tuple[Measured, ...] = ()
    names: frozenset[str] = frozenset()
    seen: Mapping[str, str] = field(default_factory=dict)
