"""Why a database refuses a change, in words and with the way out; never with a value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kept.errors import StoreError
from kept.model.plan import Obstacle

FIXES: Final[Mapping[str, str]] = {
    "not-null": "give the field an `overwrite` in the data map, or delete the row",
    "foreign-key": "delete or overwrite the rows that refer to it first: map their link",
    "unique": "let `overwrite` make every row different, such as erased-{key}",
    "check": "choose an `overwrite` that the rule allows",
    "trigger": "ask the owner of the database what the trigger or rule guards",
    "privilege": "let the role of the system's `url` change this table",
    "other": "mend what the words name, then plan again",
}


class Refused(StoreError):
    """A database refused a change. `kind` is that of model.plan.Obstacle."""

    def __init__(self, where: str, dataset: str, kind: str, words: str) -> None:
        super().__init__(f"{where} refused the change: {words}", fix=FIXES[kind])
        self.dataset, self.kind, self.words = dataset, kind, words

    @property
    def obstacle(self) -> Obstacle:
        """The same as a value, for a plan."""
        return Obstacle(self.dataset, self.kind, self.words, FIXES[self.kind])


def obstacle(dataset: str, error: StoreError) -> Obstacle:
    """Any failure of a rehearsed change as an obstacle."""
    if isinstance(error, Refused):
        return error.obstacle
    return Obstacle(dataset, "other", error.what, error.fix or FIXES["other"])


def named(kind: str, table: str | None, column: str | None, constraint: str | None) -> str:
    """The obstacle in words, from the names that the engine gives (never its values)."""
    at = f" of `{table}`" if table else ""
    rule = f" (constraint `{constraint}`)" if constraint else ""
    if kind == "not-null":
        what = f"`{column}`" if column else "a column"
        return f"{what}{at} must not be null"
    if kind == "foreign-key":
        return f"rows{at} refer to rows that would go, or to none{rule}"
    if kind == "unique":
        return f"two rows{at} would be the same{rule}"
    if kind == "check":
        return f"a rule{at} forbids the new value{rule}"
    if kind == "trigger":
        return "a trigger of the database forbids it"
    if kind == "privilege":
        return "the role may not do this"
    return "the engine cannot do this"
