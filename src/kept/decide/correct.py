"""The plan of a correction: which fields of which rows get the right value. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Final

from kept.datamap.map import DataMap, Dataset, Field, Link, Owner
from kept.datamap.reach import Place
from kept.decide.due import Held
from kept.decide.ties import norm
from kept.model.abilities import Abilities
from kept.model.change import Const
from kept.model.plan import Action, Obstacle, Plan, Reason, Step, SystemPlan
from kept.model.select import KeyRow, KeyTable
from kept.model.values import Value

#: Words of a name: BillingCity, billing_city, billingCity.
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: What machines know people by.
_SIGNS_IN: Final = ("account", "cookie", "device")


@dataclass(frozen=True, slots=True)
class Wrong:
    """Rows of one dataset in which one field holds the wrong value, and what is right there.

    `wrong`: what it is, where people who are asked to put it right have to know.
    """

    place: Place
    field: str
    rows: KeyTable
    right: Value
    wrong: Value = None


def copies(dataset: Dataset, source: Field, beside: Sequence[Field]) -> list[Field]:
    """The fields of another dataset that can hold a copy of `source`: of its very category (also of
    a name that names her), or naming a person by the same kind of identifier; none that is made of
    other data, none by which she signs in, though it be her name, and none that names somebody
    else, who may be called as she is.

    `beside` are the fields of the source's own row. None of them is a copy, and a field whose
    name is more like one of theirs than like the source's (a billing state, not a billing city)
    is a copy of that one, whatever value it happens to hold.
    """
    rivals = [f for f in beside if f.name != source.name and f.category == source.category]
    return [
        f
        for f in dataset.fields.values()
        if dataset.said(f) != "derived"
        and f.computed is None
        and (
            (source.identifies not in (None, "name") and f.identifies == source.identifies)
            # Many are called by one name: where it is told apart as what names her, elsewhere it
            # may only be hers.
            or (
                source.identifies in (None, "name")
                and (f.category == source.category or f.identifies == source.identifies == "name")
                and f.identifies not in _SIGNS_IN
                and f.others not in ("staff", "person")
                and all(_alike(f, source) >= _alike(f, rival) for rival in rivals)
            )
        )
    ]


#: A field of a dataset.
At = tuple[Place, str]


def together(
    datamap: DataMap, foreign: Mapping[Place, Sequence[Link]], source: At, copied: Set[At]
) -> tuple[set[At], set[At], set[At]]:
    """What changes with the source: its copies, and by which rows refer to it, near or far, which
    would refer to nothing else. What refers to it by a foreign key: its engine changes that as
    well, or refuses all of it. And which copies stay: rows are joined by them to what stays; at the
    ends of another foreign key the engine would refuse them and the source.
    """
    real = _pairs(foreign)
    links = _pairs(_links(datamap)) - real
    follow, new = set[At](), {source}
    while new:
        new = {a for a, b in links | real if b in new} - follow - {source}
        follow |= new
    follow -= {a for a in follow if datamap.dataset(*a[0]).fields[a[1]].computed is not None}
    fixed = {source} | follow
    by_engine = {a for a, b in real if a in follow and b in fixed}
    free = copied - fixed
    apart = {end for pair in real for end in pair} & free
    links |= {(b, a) for a, b in links}
    while new := {a for a, b in links if a in free - apart and b not in fixed | free - apart}:
        apart |= new
    return fixed - by_engine | free - apart, by_engine, apart


def owned(datamap: DataMap) -> set[tuple[At, At]]:
    """By which fields rows are whose: what stands here, and there, as long as both say the same."""
    return _pairs(
        {
            place: [link for link in links if link.kind is not Owner.ACCESSED]
            for place, links in _links(datamap).items()
        }
    )


def _links(datamap: DataMap) -> dict[Place, Sequence[Link]]:
    return {(s.name, d.name): d.links for s in datamap.systems.values()
            for d in s.datasets.values()}  # fmt: skip


def _pairs(links: Mapping[Place, Sequence[Link]]) -> set[tuple[At, At]]:
    """What refers to what, field by field."""
    return {
        ((place, here), ((link.system or place[0], link.to), there))
        for place, those in links.items()
        for link in those
        for here, there in zip(link.fields, link.on, strict=True)
    }


def _alike(one: Field, other: Field) -> int:
    """How many words the names of two fields have in common."""
    return len(_words(one.name) & _words(other.name))


def _words(name: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(name)}


def plan(
    datamap: DataMap,
    wrong: Sequence[Wrong],
    held: Held,
    abilities: Mapping[str, Abilities],
    *,
    unreached: Mapping[str, str],
    warnings: Iterable[str],
) -> Plan:
    """One step for each field and dataset; rows that a law or a hold keeps stay as they were.

    People who serve a system are asked once for all fields of a dataset.
    """
    steps: list[Step] = []
    obstacles: list[tuple[str, Obstacle]] = []
    for one in wrong:
        system, name = one.place
        dataset = datamap.dataset(*one.place)
        kept = {norm(key): why for table, why in held.get(one.place, ()) for _, key in table.rows}
        stays: dict[Reason, list[KeyRow]] = {}
        free: list[KeyRow] = []
        for row in one.rows.rows:
            why = kept.get(norm(row[1]))
            if why is None:
                free.append(row)
            else:
                stays.setdefault(why, []).append(row)
        for why, rows in stays.items():
            table = KeyTable(one.rows.fields, tuple(rows))
            assign = {one.field: Const(one.right, one.wrong)}
            steps.append(Step(0, system, name, Action.RETAIN, table, None, assign, why))
        if not free:
            continue
        table = KeyTable(one.rows.fields, tuple(free))
        assign = {one.field: Const(one.right, one.wrong)}
        steps.append(Step(0, system, name, Action.OVERWRITE, table, assign=assign))
        if not abilities[system].update or dataset.readonly:
            words = "the store cannot change rows" if not dataset.readonly else "it is a view"
            fix = "set the system's mode to `assisted`, so that a person does it"
            obstacles.append((system, Obstacle(name, "other", words, fix)))
    return Plan(
        "rectification",
        1,
        tuple(
            Step(n, s.system, s.dataset, s.action, s.keys, s.select, s.assign, s.reason)
            for n, s in enumerate(_together(steps, abilities), 1)
        ),
        tuple(
            SystemPlan(name, system.mode, abilities[name].grain)
            for name, system in sorted(datamap.systems.items())
            if name in abilities
        ),
        tuple(sorted(unreached.items())),
        tuple(dict.fromkeys(warnings)),
        tuple(obstacles),
    )


def _together(steps: Iterable[Step], abilities: Mapping[str, Abilities]) -> list[Step]:
    """The steps, those that people carry out as one for the same rows of a dataset."""
    made: list[Step] = []
    for s in steps:
        same = (s.system, s.dataset, s.action, s.reason, s.keys)
        at = next(
            (
                n
                for n, o in enumerate(made)
                if abilities[s.system].word
                and (o.system, o.dataset, o.action, o.reason, o.keys) == same
            ),
            None,
        )
        if at is None:
            made.append(s)
        else:
            made[at] = replace(made[at], assign={**made[at].assign, **s.assign})
    return made
