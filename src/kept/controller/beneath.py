"""Beneath the rows: what stores find there of erased values, and having it destroyed.

Counts and closed words come back, never a value. To scrub is to write: only where the mode of
a system is `act`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from kept.datamap.map import DataMap
from kept.errors import Denied, KeptError, UsageError
from kept.model.plan import Mode
from kept.model.residue import Needles, Residue, Scrub, unseen
from kept.stores.base import Store


class Beneath:
    """The stores, as far as their bytes go."""

    def __init__(self, datamap: DataMap, stores: Mapping[str, Store]) -> None:
        self._datamap, self._stores = datamap, stores

    def residue(self, system: str, needles: Needles, now: dt.datetime) -> list[Residue]:
        """What the store says of each layer; that it cannot be asked is an answer too."""
        if system not in self._stores:
            return [unseen("everything", "the system has no store")]
        try:
            return list(self._stores[system].residue(needles, now))
        except KeptError as problem:
            return [unseen("everything", f"it could not be asked: {problem.what}")]

    def scrubbing(self, system: str, *, full: bool) -> list[Scrub]:
        """What `scrub` would do there and whom it holds up; nothing where Kept may not write."""
        if not self._may(system):
            return []
        return list(self._stores[system].scrubbing(full=full))

    def scrub(self, system: str, *, full: bool) -> None:
        """Destroy what deletions left, as far as the engine does; Denied by the system's mode."""
        if not self._may(system):
            raise Denied(
                f"Kept may not write into `{system}`",
                fix='have it done by hand, or set mode = "act" in kept.toml',
            )
        self._stores[system].scrub(full=full)

    def _may(self, system: str) -> bool:
        if system not in self._datamap.systems:
            raise UsageError("there is no such system", fix="see `kept map show`")
        acts = self._datamap.systems[system].mode is Mode.ACT
        return acts and system in self._stores
