"""Whose personal data beside hers stands in a person's rows, as the map says.

A link `accessed-by` leads to staff, `shared` to somebody who has the row as well, and `others:`
at a field says it of that field. What only looks like it is named for somebody to decide.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kept.datamap.map import DataMap, Dataset, Link, OnErase, Owner
from kept.datamap.reach import Place
from kept.model.cover import Role

#: Last words of a field's name that tell of a person who is not the one the row is about.
_LOOKS: Final = re.compile(
    r"(?:^|_)(?:(?:\w+_)?by|agent|employee|staff|assignee|assigned(?:_to)?|manager|supervisor|rep"
    r"|representative|seller|clerk|operator|moderator|reviewer|approver|author|editor|sender"
    r"|recipient|guest|colleague|referrer|referee|referred|witness|spouse|next_of_kin"
    r"|emergency_contact|contact_person|beneficiary|cc|bcc|counsellor|doctor|teacher"
    r"|bearbeiter|sachbearbeiter|mitarbeiter|betreuer|vertreter|ansprechpartner|empfaenger"
    r"|absender|conseiller|employe|destinataire|expediteur|empleado|destinatario|remitente)"
    r"(?:_(?:name|email|mail|phone|tel|full_name))?\Z"
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Types of values that can name somebody.
_NAMES: Final = ("text", "integer", "uuid", "other")


@dataclass(frozen=True, slots=True)
class Rule:
    """These fields hold what names somebody else, who is `role` to her, unless it is her own.

    `kind` is that of the identifier. `to`, `on`: where a link leads: of the rows there some may
    be hers, and their values are.
    """

    fields: tuple[str, ...]
    role: Role
    kind: str | None = None
    to: Place | None = None
    on: tuple[str, ...] = ()


def rules(datamap: DataMap, place: Place) -> tuple[Rule, ...]:
    """What of the rows of a dataset is somebody else's."""
    dataset = datamap.dataset(*place)
    owners = Counter((link.system, link.to) for link in dataset.links if link.kind is Owner.OWNED)
    alone = _owning(dataset)
    found = []
    for link in dataset.links:
        role = _role(dataset, link, owners[link.system, link.to])
        if link.kind is Owner.ACCESSED and _nobody(datamap, link.system or place[0], link.to):
            continue
        fields = tuple(f for f in link.fields if f not in alone)
        if role is not None and fields:
            found.append(Rule(link.fields, role, None, (link.system or place[0], link.to), link.on))
    tied = {name for rule in found for name in rule.fields}
    for item in dataset.fields.values():
        if item.others in ("staff", "person") and item.name not in tied:
            role = "staff" if item.others == "staff" else "person"
            found.append(Rule((item.name,), role, item.identifies))
    return tuple(found)


def _role(dataset: Dataset, link: Link, owners: int) -> Role | None:
    """What the one to whom a link leads is to the person whose row it is; None: herself."""
    said = {dataset.fields[name].others for name in link.fields if name in dataset.fields}
    if "no" in said:
        return None
    if "staff" in said or "person" in said:
        return "staff" if "staff" in said else "person"
    if link.kind is Owner.ACCESSED:
        return "staff"
    # Of two owners of a row one is not she.
    return "person" if link.kind is Owner.SHARED or owners > 1 else None


def _nobody(datamap: DataMap, system: str, name: str) -> bool:
    """Whether the rows of a dataset are neither people nor theirs, as far as the map says."""
    there = datamap.systems[system].datasets.get(name) if system in datamap.systems else None
    if there is None or there.personal:
        return False
    return all(link.kind is Owner.ACCESSED for link in there.links)


def _owning(dataset: Dataset) -> frozenset[str]:
    """Fields that say whose the row is, and nobody else's."""
    owners = Counter((link.system, link.to) for link in dataset.links if link.kind is Owner.OWNED)
    return frozenset(
        name
        for link in dataset.links
        if link.kind is Owner.OWNED and owners[link.system, link.to] == 1
        for name in link.fields
    )


def staff(datamap: DataMap) -> Mapping[Place, tuple[tuple[str, ...], ...]]:
    """Datasets of people who handle what is others' → the fields by which links name them."""
    found: dict[Place, dict[tuple[str, ...], None]] = {}
    for system in datamap.systems.values():
        for dataset in system.datasets.values():
            for link in dataset.links:
                place = (link.system or system.name, link.to)
                role = _role(dataset, link, 0)
                if role == "staff" and place[1] in datamap.systems[place[0]].datasets:
                    found.setdefault(place, {})[link.on] = None
    return {place: tuple(ons) for place, ons in found.items()}


def texts(dataset: Dataset) -> tuple[str, ...]:
    """Fields in which people write what they like."""
    return tuple(f.name for f in dataset.fields.values() if f.free_text)


def unsaid(datamap: DataMap, place: Place) -> Iterator[tuple[str, str]]:
    """(field, why it looks as if it held somebody else's data): the map has no rule for it."""
    dataset = datamap.dataset(*place)
    people = dataset.personal or any(link.kind is not Owner.ACCESSED for link in dataset.links)
    if dataset.on_erase is OnErase.NEVER or not people:
        return
    known = {name for rule in rules(datamap, place) for name in rule.fields}
    tied = known | _owning(dataset) | set(dataset.key)
    naming = Counter(f.identifies for f in dataset.fields.values() if f.identifies)
    for item in dataset.fields.values():
        if item.others is not None or item.name in known or item.secret:
            continue
        kind = item.identifies
        if kind is not None and naming[kind] > 1 and item.name not in dataset.key:
            yield item.name, "several fields of a row name somebody by the same kind"
        elif item.name not in tied and item.type in _NAMES and item.stamp is None:
            word = _HUMP.sub("_", item.name).lower()
            if _LOOKS.search(word):
                yield item.name, "its name speaks of somebody else"


def wrong(dataset: Dataset) -> Iterator[tuple[str, str, str]]:
    """(field, what is amiss with its `others:`, the fix)."""
    alone = _owning(dataset)
    for item in dataset.fields.values():
        if item.others in ("staff", "person") and item.name in alone:
            yield (
                item.name,
                f"`{item.name}` says whose the row is, so it cannot be somebody else's",
                "remove its `others:`, or say what the link is: accessed-by or shared",
            )
