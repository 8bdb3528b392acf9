"""How recipients are reached: a mailbox each, also for those to whom no way is known yet.

What owners of systems are asked lies beside it: they are asked at the desk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kept.stores.letters import Mailbox

#: The folder of their tasks beside kept.toml, and how tasks name it in the place of a system.
NAME: Final = "recipients"
#: The folder of what owners of systems are asked.
OWNERS: Final = "derived"


@dataclass(frozen=True, slots=True)
class Way:
    """One `[recipients.NAME]` table of kept.toml.

    `lane` is that of a recipient whom the policy does not name; `options` are `stores.letters`'.
    `recorded`: whatever it gets of somebody is noted, so that the register alone says nothing; not
    so (False): it gets what the activities that name it use, of everybody; None: nobody says which.
    A partner whom forms name has the address of its own `policy`, and `forms` on which it stands;
    `pages` are those of its pages that carry our name.
    """

    name: str
    title: str | None
    lane: str | None
    url: str
    options: Mapping[str, Any]
    recorded: bool | None = None
    policy: str | None = None
    forms: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()


class Reach:
    """The mailboxes of all recipients. Their tasks lie in `directory`/state/recipients/NAME, those
    of owners of systems in `directory`/state/derived/NAME.
    """

    def __init__(self, directory: Path, ways: Mapping[str, Way]) -> None:
        self.ways = ways
        self.directory = directory
        self._known = {name: self._open(name, way) for name, way in ways.items()}

    def mailbox(self, name: str) -> Mailbox:
        """The mailbox of a recipient; where no way is known, its letters wait."""
        return self._known.get(name) or self._open(name, None)

    def owner(self, system: str) -> Mailbox:
        """What the owner of a system is asked; no letter of it goes anywhere."""
        tasks = self.directory / "state" / OWNERS / system
        return Mailbox(system, f"systems.{system}", "", {"directory": self.directory}, tasks)

    def all(self) -> list[Mailbox]:
        """Every mailbox that is set up or has tasks."""
        met = self._met(NAME)
        told = [self.mailbox(name) for name in sorted(met | self._known.keys())]
        return [*told, *(self.owner(name) for name in sorted(self._met(OWNERS)))]

    def _met(self, folder: str) -> set[str]:
        there = self.directory / "state" / folder
        return {path.name for path in there.iterdir()} if there.is_dir() else set()

    def _open(self, name: str, way: Way | None) -> Mailbox:
        tasks = self.directory / "state" / NAME / name
        url, given = (way.url, way.options) if way else ("", {})
        # A folder of letters is one for all; those of each lie in one of its own.
        url = url if not url or "://" in url else f"{url}/{name}"
        options = {**given, "directory": self.directory}
        return Mailbox(NAME, f"recipients.{name}", url, options, tasks)
