"""The plan of a correction: which fields of which rows get the right value. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kept.datamap.map import DataMap, Dataset, Field
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
    other data, and none that names somebody else, who may be called as she is.

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
            (source.identifies is not None and f.identifies == source.identifies)
            # Many are called by one name: where it is told apart as what names her, elsewhere it
            # may only be hers.
            or (
                source.identifies in (None, "name")
                and f.category == source.category
                and f.others not in ("staff", "person")
                and all(_alike(f, source) >= _alike(f, rival) for rival in rivals)
            )
        )
    ]


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
