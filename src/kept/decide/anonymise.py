"""Whether a row that was made anonymous would be alone: groups smaller than k are emptied. Pure.

A group are rows of nobody that say the same in all that is left of them. The people of the plan
count once each, however many rows they have, and every row that was anonymous before counts
once. Rows of a group that stays smaller than k lose that too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from kept.datamap import anonymise
from kept.datamap.map import DataMap
from kept.datamap.reach import Place
from kept.decide.ties import Key, norm
from kept.model.change import Assignment
from kept.model.generalise import generalise
from kept.model.plan import Action, Obstacle, Plan, Step
from kept.model.select import KeyRow, KeyTable
from kept.model.values import Value

#: What is left of a row, in the order of `datamap.anonymise.told`.
Left: TypeAlias = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Crowd:
    """What was read for one dataset: what rows of the plan say in the fields that are left (by
    `norm` of their key), and how many rows of nobody say what there already.
    """

    said: Mapping[Key, Left]
    there: Mapping[Left, int]


def left(datamap: DataMap, place: Place, said: Left) -> Left:
    """What is left of what a row says."""
    dataset = datamap.dataset(*place)
    return tuple(
        generalise(anonymise.how(dataset, dataset.fields[name]), value)
        for name, value in zip(anonymise.told(dataset), said, strict=True)
    )


def settle(plan: Plan, datamap: DataMap, crowds: Mapping[Place, Crowd]) -> Plan:
    """The plan with what would be alone emptied, and said so; obstacles where it cannot be."""
    steps: list[Step] = []
    emptied: Counter[Place] = Counter()
    obstacles = list(plan.obstacles)
    for step in plan.steps:
        place = (step.system, step.dataset)
        if step.action is not Action.ANONYMISE:
            steps.append(step)
            continue
        dataset = datamap.dataset(*place)
        crowd = crowds[place]
        group: dict[Key, Left] = {}
        people: dict[Left, set[int]] = {}
        for who, key in step.keys.rows:
            said = crowd.said.get(norm(key))
            if said is not None:
                group[norm(key)] = left(datamap, place, said)
                people.setdefault(group[norm(key)], set()).add(who)
        enough = {
            one
            for one, who in people.items()
            if len(who) + crowd.there.get(one, 0) >= (dataset.k or 2)
        }
        fine = [row for row in step.keys.rows if group.get(norm(row[1])) in enough]
        rare = [row for row in step.keys.rows if group.get(norm(row[1])) not in enough]
        steps += _parts(step, fine, rare, anonymise.assigned(dataset, rare=True))
        if rare:
            emptied[place] += len({norm(row[1]) for row in rare})
            alone = f"fewer than {dataset.k or 2} people would be alike, so nothing may be left: "
            obstacles += [
                (step.system, Obstacle(step.dataset, kind, alone + words, fix))
                for kind, words, fix in anonymise.stuck(dataset, rare=True)
            ]
    unique = tuple(dict.fromkeys(obstacles))
    numbered = tuple(replace(s, number=n) for n, s in enumerate(steps, 1))
    words = tuple(
        f"of {n} row{'s' if n > 1 else ''} of `{dataset}` in `{system}` nothing is left but the"
        f" key: with what the map leaves, fewer than {datamap.dataset(system, dataset).k or 2}"
        " people would be alike"
        for (system, dataset), n in emptied.items()
    )
    warnings = (*plan.warnings, *words)
    return replace(plan, steps=numbered, obstacles=unique, warnings=warnings)


def _parts(
    step: Step, fine: Sequence[KeyRow], rare: Sequence[KeyRow], empty: Mapping[str, Assignment]
) -> list[Step]:
    made = []
    if fine:
        made.append(replace(step, keys=KeyTable(step.keys.fields, tuple(fine))))
    if rare:
        table = KeyTable(step.keys.fields, tuple(rare))
        made.append(replace(step, keys=table, assign=empty))
    return made
