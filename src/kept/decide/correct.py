"""The plan of a correction: which fields of which rows get the right value. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kept.datamap.map import DataMap, Dataset, Field
from kept.datamap.reach import Place
from kept.decide.due import Held
from kept.decide.ties import norm
from kept.model.abilities import Abilities
from kept.model.change import Const
from kept.model.plan import Action, Obstacle, Plan, Reason, Step, SystemPlan
from kept.model.select import KeyRow, KeyTable
from kept.model.values import Value


@dataclass(frozen=True, slots=True)
class Wrong:
    """Rows of one dataset in which one field holds the wrong value, and what is right there."""

    place: Place
    field: str
    rows: KeyTable
    right: Value


def copies(dataset: Dataset, source: Field) -> list[Field]:
    """The fields that can hold a copy of `source`: of its very category, or naming a person by
    the same kind of identifier; none that is made of other data.
    """
    return [
        f
        for f in dataset.fields.values()
        if f.origin != "derived"
        and f.computed is None
        and (
            f.category == source.category
            if source.identifies is None
            else f.identifies == source.identifies
        )
    ]


def plan(
    datamap: DataMap,
    wrong: Sequence[Wrong],
    held: Held,
    abilities: Mapping[str, Abilities],
    *,
    unreached: Mapping[str, str],
    warnings: Iterable[str],
) -> Plan:
    """One step for each field and dataset; rows that a law or a hold keeps stay as they were."""
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
            steps.append(Step(0, system, name, Action.RETAIN, table, reason=why))
        if not free:
            continue
        table = KeyTable(one.rows.fields, tuple(free))
        assign = {one.field: Const(one.right)}
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
            for n, s in enumerate(steps, 1)
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
