"""How sure it is that an identifier is a person's: one row a level, the weakest first.

GDPR Art. 12(6): who is meant must not be in reasonable doubt; Art. 5(1)(d): links are accurate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kept.errors import UsageError


@dataclass(frozen=True, slots=True)
class Level:
    """One level. `means` is said to people.

    `links`: an identifier can be linked to a person at this level; else it only makes a doubtful
    match. `counts`: another person's claim of it makes the identifier a shared one. `proves`: a
    request by it covers what else is proven the same person's, and it is covered by theirs.
    """

    word: str
    means: str
    links: bool = True
    counts: bool = False
    proves: bool = False


_TABLE: Final = (
    Level("name", "only the name is the same: two people may have it", links=False),
    Level("asserted", "somebody says so"),
    Level("seen", "a cookie, a device or a number was met beside hers; others may use it too"),
    Level("used", "it stands in her own records", counts=True),
    Level("account", "her account holds it, and she was logged in", counts=True, proves=True),
    Level(
        "verified",
        "she typed a code that was sent there, or somebody looked at evidence and recorded it",
        counts=True,
        proves=True,
    ),
)

#: Word → level, the weakest first.
LEVELS: Final[dict[str, Level]] = {level.word: level for level in _TABLE}
#: Levels at which an identifier can be linked, the weakest first.
LINKED: Final = tuple(level.word for level in _TABLE if level.links)
PROVEN: Final = tuple(level.word for level in _TABLE if level.proves)
COUNTED: Final = tuple(level.word for level in _TABLE if level.counts)


def linkable(word: str) -> str:
    """The word of a level at which something can be linked; UsageError for any other."""
    if word not in LINKED:
        raise UsageError(
            "there is no such evidence of identity by which something can be linked",
            expected=f"one of {', '.join(LINKED)}",
        )
    return word
