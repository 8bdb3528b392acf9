"""The control over all measures: each is listed with a check, and holds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.controls.runner import came_to
from kept.duties.measures.register import standings
from kept.records.declared import SYSTEM


@control("security.measures-are-checked")
def measures_are_checked(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every measure against unauthorised access, use and disclosure has a check, and passes it.

    Where no system of the map has a store there is nothing that they would guard.
    """
    if controller.abilities.keys() <= {SYSTEM.name}:
        return
    for one in standings(controller, now, lambda name: came_to(controller, name, now)):
        yield Looked(int(one.holds is not None), one.measure.id)
        for seen in one.amiss:
            yield Finding(one.measure.id, seen.words, seen.fix, seen.unasked)
