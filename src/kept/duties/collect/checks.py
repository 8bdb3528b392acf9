"""Collection: who answers for it is said, and each record carries the basis it was taken on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.errors import StoreError
from kept.model.predicate import In, IsNull, Not
from kept.policy.render import render
from kept.terms import regimes

# The states of the European Economic Area, written down here apart from terms.regimes, which
# this list checks (EEA Agreement, Art. 126; the European Union's 27 and three of EFTA).
_EEA: Final = (
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT",
    "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO",
)  # fmt: skip


@control("collect.basis-is-stamped")
def basis_is_stamped(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every record that is collected carries one of the legal bases of its activity."""
    inspector = controller.inspect()
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            stamp = next((f for f in dataset.fields.values() if f.stamp == "basis"), None)
            if stamp is None:
                continue
            where = f"{system}.{dataset.name}"
            activities = [
                controller.bundle.activities[a]
                for a in dataset.activities
                if a in controller.bundle.activities
            ]
            allowed = tuple(sorted({b for a in activities for b in a.bases.values()}))
            try:
                rows = inspector.count(system, dataset)
                without = inspector.count(system, dataset, IsNull(stamp.name))
                known = inspector.count(system, dataset, In(stamp.name, allowed)) if allowed else 0
                undated = inspector.count(system, dataset, Not(Not(IsNull(dataset.key[0]))))
            except StoreError as problem:
                yield unasked(where, problem)
                continue
            yield Looked(rows, where, system)
            if without:
                yield Finding(where, f"{without} rows carry no legal basis")
            if rows - without - known:
                yield Finding(
                    where,
                    f"{rows - without - known} rows carry a basis that none of its activities has",
                )
            if undated:
                yield Finding(where, f"{undated} rows have no key")


@control("notice.controller-is-named")
def controller_is_named(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """For the EEA the policy names who answers for the data and how to reach them."""
    for country in _EEA:
        if regimes.region_of(country) != "EEA":
            yield Finding("regions", f"{country} is not treated as a state of the EEA")
    if regimes.strictest("unknown") != "EEA":
        yield Finding("regions", "an unknown region does not get the rules of the EEA")
    organisation = controller.bundle.organisation
    sections = ["\n".join(u.words for u in s.units) for s in render(controller.bundle)]
    shown = [text for text in sections if "European Economic Area" in text]
    if not any(organisation.name in text and organisation.email in text for text in shown):
        yield Finding(
            "text.md",
            "no part of the policy says who answers for the data in the EEA and how to reach them",
            "name the organisation and its address where the EEA is spoken of",
        )
    if not any(organisation.post[-1] in text for text in sections):
        yield Finding("text.md", "the text does not show the postal address")
    yield Looked(
        len(_EEA) + len(shown), "states of the EEA and parts of the policy that speak of it"
    )
