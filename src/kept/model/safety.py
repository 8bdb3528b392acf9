"""What is known of how safe a place of data is: measured there, or declared by a person.

GDPR Art. 32(1)(a) (encryption) and (b) (confidentiality), Art. 5(1)(f).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from kept.terms.support import Software

Aspect: TypeAlias = Literal["encryption", "transport", "exposure"]

#: What has to be known of every place, and how people call it.
ASPECTS: Final[Mapping[Aspect, str]] = {
    "encryption": "encryption at rest",
    "transport": "the way to it",
    "exposure": "who can reach it",
}

#: What nobody can measure of a whole house, and how many days such a word is good by default.
WORDS: Final[Mapping[str, int]] = {"updates": 35, "restore": 365, "login": 365}


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
    """What a person vouches for: who, since when, until when, and how it is so.

    `about` is an aspect of a place, one of `WORDS`, or a release of software ("OpenSSL 3.0").
    """

    about: str
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
    `software` is what runs there, as it names itself; `unsaved`: its last try to lay a copy of what
    was written elsewhere (PostgreSQL's archive) failed.
    """

    measured: tuple[Measured, ...] = ()
    names: frozenset[str] = frozenset()
    seen: Mapping[str, str] = field(default_factory=dict)
    software: tuple[Software, ...] = ()
    unsaved: bool = False
