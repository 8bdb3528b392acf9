"""One thing amiss in a bundle: where, what, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something amiss. `where` is file:line, the file named as the operator would open it."""

    where: str
    what: str
    fix: str

    @property
    def place(self) -> tuple[str, int, str]:
        """What to sort by: the file, the line as a number, what it is."""
        file, _, line = self.where.rpartition(":")
        return file, int(line), self.what

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix[:1].upper()}{self.fix[1:]}"
