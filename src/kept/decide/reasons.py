"""Why rows stay, in our words: as a plan holds them, and as a person is told. Pure.

A plan is written in English, whoever it is about; words of the policy stand in it as they are.
"""

from __future__ import annotations

from typing import Final

from kept.policy import spoken
from kept.terms.tongues import retold, say

REFERRED: Final = "Data of others refers to it."
REFERRED_FROM_ROWS: Final = "Rows that stay for others refer to it."
REFERRED_FROM: Final = "What stays of “{title}” refers to it."
BARE: Final = "The row is kept for others, and nothing in it names the person."
ONE_SIDE: Final = "It belongs to somebody else as well: only one side of it went."
LAST_OWNER: Final = "It belongs to others as well, and goes with the last of them."
PART_OF: Final = "It is part of “{title}”, which belongs to somebody else as well."
OF_ANOTHER: Final = "It belongs to others as well, and has to be kept for one of them."
RESTRICTED: Final = "Its use is restricted at her wish, so it stays until that is lifted."
#: What follows the words of a law where the end is not known.
UNDECIDED: Final = "How long is not decided yet, so no end can be named."
UNDATED: Final = "No date to count from is known yet, so no end can be named."
SENTENCES: Final = (
    REFERRED, REFERRED_FROM_ROWS, REFERRED_FROM, BARE, ONE_SIDE, LAST_OWNER, PART_OF, OF_ANOTHER,
    RESTRICTED, UNDECIDED, UNDATED,
)  # fmt: skip


def for_others(words: str) -> bool:
    """Whether a row stays only because others need it, with nothing of the person in it."""
    before, _, after = REFERRED_FROM.partition("{title}")
    of_title = words.startswith(before) and words.endswith(after)
    return of_title or words in (REFERRED, REFERRED_FROM_ROWS, BARE)


def theirs(words: str) -> bool:
    """Whether a row stays because it is somebody else's as well: who has it may use it."""
    before, _, after = PART_OF.partition("{title}")
    part = words.startswith(before) and words.endswith(after)
    return part or words in (ONE_SIDE, LAST_OWNER)


def told(words: str) -> str:
    """The words of a reason in the language that is spoken, as far as they are there in it."""
    for end in (UNDECIDED, UNDATED):
        if words.endswith(f" {end}"):
            return f"{_law(words.removesuffix(f' {end}'))} {say(end)}"
    said = spoken.told(words)
    return retold(words, SENTENCES) if said == words else said


def _law(words: str) -> str:
    """What a law is called in the policy; a stop was set behind it where it had none."""
    for one, stop in ((words, ""), (words.removesuffix("."), ".")):
        if (said := spoken.told(one)) != one:
            return said + stop
    return words
