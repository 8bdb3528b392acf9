"""Why data of one person was given to somebody else: a closed list.

For an authority, or whoever else asks by law, one of the first six: what the law requires, and
what is needed to protect somebody (GDPR Art. 6(1)(c), (d), (f); Art. 13(1)(e)).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Ground → in words that she reads.
COMPELLED: Final[Mapping[str, str]] = {
    "law": "a law asks for it",
    "court-order": "a court ordered it",
    "process": "it was asked for in legal proceedings",
    "own-rights": "it was needed to defend our rights",
    "safety": "it was needed to protect you or others",
    "fraud": "it was needed to look into fraud",
}
GROUNDS: Final[Mapping[str, str]] = {
    **COMPELLED,
    "task": "it does a task for us",
    "request": "you asked for it",
    "contract": "it was needed for a contract with you",
    "consent": "you agreed to it",
    "interest": "we had an interest in it, to which you may object",
}
#: The same in words for the staff, who speak of her.
OF_HER: Final[Mapping[str, str]] = {
    **GROUNDS,
    "safety": "it was needed to protect her or others",
    "request": "she asked for it",
    "contract": "it was needed for a contract with her",
}
