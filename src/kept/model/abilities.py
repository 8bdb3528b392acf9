"""Abilities: what a store can do, as data that the planner reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: What fails or succeeds as one: the whole plan of the store, one dataset, one file, one item.
Grain = Literal["store", "dataset", "file", "item"]
#: What may be missing in one dataset: rows cannot be deleted, or changed; a value cannot be made
#: of what the row says and be read back; texts cannot be searched.
Verb = Literal["delete", "update", "compute", "search"]


@dataclass(frozen=True, slots=True)
class Abilities:
    """Facts about a store. A planner shows them; nothing outside them is ever tried."""

    grain: Grain = "item"
    delete: bool = True
    update: bool = True
    reads_back: bool = True  # a second handle can see what the first committed
    snapshot: bool = False  # one session sees one moment
    rehearse: bool = False  # changes can be tried and rolled back
    pipeline: bool = False  # many statements in one round trip
    temp_tables: bool = False  # key lists may be temporary tables
    marker: bool = False  # may keep a table of applied step ids
    seal: bool = False  # rows can be isolated in place
    null_keys: bool = False  # names a row by a key of several fields that holds a null
    word: bool = False  # people carry it out; what they say is all that can be known
    physical: bool = False  # can overwrite what deletion leaves behind
    lacks: frozenset[tuple[str, Verb]] = frozenset()  # what single datasets do not offer

    def able(self, dataset: str, verb: Verb) -> bool:
        """Whether a dataset offers it."""
        if (dataset, verb) in self.lacks:
            return False
        match verb:
            case "delete":
                return self.delete
            case "update":
                return self.update
            case "compute":
                return self.reads_back and self.able(dataset, "update")
            case "search":
                return not self.word
