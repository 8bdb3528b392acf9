"""Searches that no index serves, told once, with the statement for somebody to copy."""

from __future__ import annotations

from collections.abc import Sequence

from kept.app.fit import Exact
from kept.stores.indexes import Unindexed

#: Shown before somebody carries a plan out; `kept doctor` shows all.
_SOME = 3


def slowly(found: Sequence[Unindexed], most: int | None = None) -> list[str]:
    """In words: each search, and the index that would help. Nothing where there is none."""
    if not found:
        return []
    words = [
        "Read whole for every person, because no index serves the search (Kept makes none itself):"
    ]
    for one in found[:most]:
        words += [f"  {one.words}", Exact(f"    {one.statement}")]
    if most is not None and len(found) > most:
        words.append(f"  and {len(found) - most:,} more; `kept doctor` names all")
    return words


def briefly(found: Sequence[Unindexed]) -> list[str]:
    """The first of them."""
    return slowly(found, _SOME)
