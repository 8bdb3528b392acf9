"""Words of a closed list, and how many there are of something."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

_Word = TypeVar("_Word", bound=str)


def among(text: str, words: Iterable[_Word]) -> _Word | None:
    """The one of these words that a text is; None where it is none of them."""
    return next((word for word in words if word == text), None)


def many(count: int, thing: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
