"""What became of rows that an erasure had to leave, once what kept them had ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kept.controller import Controller, Place
from kept.datamap.overwrite import written
from kept.decide import reasons
from kept.duties.rights.receipts import Receipts
from kept.ledger.entry import name
from kept.model.plan import Action, Reason

#: What leaves a row where it is.
STAY: Final = (Action.RETAIN, Action.ISOLATE)


@dataclass(frozen=True, slots=True)
class Afterwards:
    """Of each place in which something changed since the case was carried out: `went`, what was
    done to how many rows and when; `stands`, how many are kept by now and why.
    """

    went: Mapping[Place, tuple[tuple[dt.datetime, Action, int], ...]]
    stands: Mapping[Place, Mapping[Reason, int]]

    @classmethod
    def of(cls, controller: Controller, record: Receipts) -> Afterwards:
        """From the ledger, and from what the locator keeps for the case."""
        went: dict[Place, list[tuple[dt.datetime, Action, int]]] = {}
        places = {(name(s.system), name(s.dataset)): (s.system, s.dataset) for s in record.steps}
        for at, body in record.said["retention.ended"]:
            place = places.get((str(body["system"]), str(body["dataset"])))
            if place is not None:
                went.setdefault(place, []).append((at, Action(body["action"]), body["rows"]))
        standing = controller.locator.standing(record.case) if went else {}
        return cls(
            {place: tuple(w for w in of if w[1] not in STAY) for place, of in went.items()},
            {place: _whole(controller, place, standing.get(place, {})) for place in went},
        )

    def keeps(self, record: Receipts) -> bool:
        """Whether anything of hers is still kept."""
        return any(any(of.values()) for of in self.stands.values()) or any(
            s.counts.retained or s.counts.isolated
            for s in record.steps
            if (s.system, s.dataset) not in self.went
            and not (s.reason is not None and reasons.theirs(s.reason.words))
        )


def _whole(controller: Controller, place: Place, of: Mapping[Reason, int]) -> dict[Reason, int]:
    """Without rows that stay for others alone and were emptied."""
    system = controller.datamap.systems.get(place[0])
    dataset = system.datasets.get(place[1]) if system else None
    if system is None or dataset is None or not written(system, dataset):
        return dict(of)
    return {why: rows for why, rows in of.items() if not reasons.for_others(why.words)}
