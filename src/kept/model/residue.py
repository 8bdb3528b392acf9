"""Residue: what is left of erased values beneath the rows, layer by layer; and how to scrub it.

An engine that deletes a row seldom destroys it: pages, indexes and logs keep bytes that no
query shows. A store looks where it can, and says of each layer one of three things.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kept.errors import UsageError
from kept.model.values import fold

#: Shorter values (in bytes of UTF-8) cannot be told from other bytes that look the same.
SHORTEST: Final = 6


class Fate(StrEnum):
    """What a store says of one layer."""

    GONE = "gone"  # looked at, and none of the values was met
    UNTIL = "until"  # met, or known to stay until a date or an event
    UNSEEN = "unseen"  # it cannot be looked at

    @property
    def words(self) -> str:
        """As people read it."""
        return "cannot be seen" if self is Fate.UNSEEN else self.value


@dataclass(frozen=True, slots=True)
class Residue:
    """One layer. `looked` counts the bytes looked at, `found` the values met there.

    `until` is the date from which it is gone for good; with UNTIL and no date, `words` name
    what it waits for. UsageError for a layer that is called gone although nobody looked.
    """

    layer: str
    fate: Fate
    words: str
    until: dt.date | None = None
    looked: int = 0
    found: int = 0

    def __post_init__(self) -> None:
        if self.fate is Fate.GONE and (self.looked <= 0 or self.found or self.until):
            raise UsageError(
                f"the layer `{self.layer}` was called gone",
                expected="a layer that was looked at, in which nothing was met",
                fix="say that it cannot be seen, or until when it stays",
            )


@dataclass(frozen=True, slots=True)
class Scrub:
    """One thing that a store would do to destroy what is left, and whom it holds up meanwhile."""

    what: str
    locks: str


def gone(layer: str, looked: int) -> Residue:
    """A layer in which nothing was met."""
    return Residue(
        layer,
        Fate.GONE,
        "looked at; none of what named her (addresses, numbers), as it was spelt where it was met,"
        " is there",
        looked=looked,
    )


def met(layer: str, looked: int, found: int, why: str, until: dt.date | None = None) -> Residue:
    """A layer in which something was met: `why` says what it waits for."""
    return Residue(layer, Fate.UNTIL, why, until, looked, found)


def unseen(layer: str, why: str) -> Residue:
    """A layer that cannot be looked at, and why."""
    return Residue(layer, Fate.UNSEEN, why)


class Needles(tuple[str, ...]):
    """Values to look for, each once; those too short to be told apart are left out.

    Stores look for them with A to Z in either case, so they are folded.
    They are a person's: shown to nobody, not even in `repr`.
    """

    __slots__ = ()

    def __new__(cls, texts: Iterable[str]) -> Needles:
        """Of any texts."""
        kept = {t for t in map(fold, texts) if len(t.encode("utf-8", "replace")) >= SHORTEST}
        return super().__new__(cls, sorted(kept))

    def __repr__(self) -> str:
        return f"<{len(self)} needles>"

    def bytes(self, encoding: str = "utf-8") -> Sequence[bytes]:
        """As bytes of an encoding; what it cannot hold is nowhere in it."""
        made = []
        for text in self:
            try:
                made.append(text.encode(encoding))
            except UnicodeEncodeError:
                continue
        return made
