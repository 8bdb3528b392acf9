"""What goes with data that leaves the house: under which rules it was held (GDPR Art. 44)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from kept.controller import Controller, Place
from kept.terms.identifiers import Identifier


def rules(
    controller: Controller,
    people: Sequence[Sequence[Identifier]],
    places: Iterable[Place],
    now: dt.datetime,
) -> dict[str, Any]:
    """Policy and version, restrictions in force, and of each dataset purposes and retention.

    A row ends `keep` (P2Y) after what its field `from` says; null: nobody has decided it yet.
    """
    bundle = controller.bundle
    subjects = sorted({n for found in controller.subjects.find_many(people) for n in found})
    facts = controller.consents.facts_of(subjects, now) if subjects else []
    datasets = {}
    for place in places:
        dataset = controller.datamap.dataset(*place)
        known = [bundle.activities[a] for a in dataset.activities if a in bundle.activities]
        keep = bundle.retention.get(dataset.retention or "")
        law = keep.law if keep is not None else None
        datasets[".".join(place)] = {
            "activities": [a.id for a in known],
            "purposes": sorted({a.purpose for a in known}),
            "retention": dataset.retention,
            "keep": keep.keep if keep is not None else None,
            "law": law.keep if law is not None else None,
            "clock": keep.clock if keep is not None else None,
            "from": dataset.clock,
        }
    return {
        "policy": {"id": bundle.id, "version": bundle.version.isoformat()},
        "restricted": any(f == "restricted" for one in facts for f in one.held),
        "datasets": datasets,
    }
