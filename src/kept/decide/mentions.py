"""What becomes of texts of others in which a person is named, as the map says field by field. Pure.

Their rows stay theirs: a passage is taken out, or the text of that field goes. Nothing is taken
out of what a law or a hold keeps as it is; that is said in the plan instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from kept.datamap.map import DataMap
from kept.datamap.overwrite import assignment
from kept.datamap.reach import Place
from kept.decide.obstacles import amiss
from kept.decide.obstacles import unsearched as nowhere
from kept.decide.ties import Key, norm
from kept.model.abilities import Abilities
from kept.model.change import Assignment, Const
from kept.model.plan import Action, Obstacle, Plan, Step
from kept.model.redact import Redact
from kept.model.select import KeyTable
from kept.model.values import Value

#: (person, place, key of the row, field).
Found = tuple[int, Place, tuple[Value, ...], str]


def redacted(
    plan: Plan,
    datamap: DataMap,
    found: Iterable[Found],
    needles: Sequence[tuple[tuple[str, str], ...]],
    spared: Callable[[Place, Key], str | None],
    abilities: Mapping[str, Abilities],
    unsearched: Iterable[Place] = (),
) -> Plan:
    """The plan with a step more for each person and dataset in whose texts she is named.

    `spared` says why a row is kept as it is, if it is. `unsearched` are datasets in which the map
    wants people found and nobody can.
    """
    groups: dict[tuple[int, Place, frozenset[str]], dict[tuple[Value, ...], None]] = {}
    whole: dict[tuple[int, Place, tuple[Value, ...]], set[str]] = {}
    kept: dict[tuple[Place, str], set[Key]] = {}
    for who, place, key, name in found:
        why = spared(place, norm(key))
        if why is not None:
            kept.setdefault((place, why), set()).add(norm(key))
            continue
        goes = whole.setdefault((who, place, key), set())
        if datamap.dataset(*place).fields[name].mentions == "delete":
            goes.add(name)
    for (who, place, key), goes in whole.items():
        groups.setdefault((who, place, frozenset(goes)), {})[key] = None
    steps = list(plan.steps)
    obstacles = list(plan.obstacles)
    for (who, place, fields), keys in sorted(
        groups.items(), key=lambda g: (g[0][:2], sorted(g[0][2]))
    ):
        dataset = datamap.dataset(*place)
        assign: dict[str, Assignment] = {}
        for item in dataset.fields.values():
            if item.name in fields:
                assign[item.name] = assignment(item)
                if assign[item.name] == Const(None) and not item.nullable:
                    words = f"`{item.name}` may not be null, and the map has no other word for it"
                    fix = f"say under `overwrite:` of `{dataset.name}.{item.name}` what shall stand"
                    obstacles.append((place[0], Obstacle(dataset.name, "not-null", words, fix)))
            elif item.mentions == "redact":
                assign[item.name] = Redact(needles[who])
        for name in assign:
            if dataset.fields[name].computed is not None:
                words = f"the engine computes `{name}`, so nothing can be taken out of it"
                fix = "say `free_text: redact` of what it is computed from instead"
                obstacles.append((place[0], Obstacle(dataset.name, "other", words, fix)))
        table = KeyTable(dataset.key, tuple((who, key) for key in keys))
        made = Step(len(steps) + 1, *place, Action.REDACT, table, assign=assign)
        steps.append(made)
        obstacles += [(place[0], one) for one in amiss(dataset, [made], abilities[place[0]])]
    obstacles += [(system, nowhere(name)) for system, name in unsearched]
    said = [
        f"{len(rows)} texts of `{place[1]}` of `{place[0]}` name the person and stay as they are:"
        f" {why}"
        for (place, why), rows in sorted(kept.items())
    ]
    return replace(
        plan,
        steps=tuple(steps),
        warnings=(*plan.warnings, *said),
        obstacles=tuple(dict.fromkeys(obstacles)),
    )


def without(step: Step, named: Collection[tuple[str, str]]) -> Step:
    """A step that leaves these (kind, value) in texts."""
    assign = {
        field: replace(how, needles=tuple(n for n in how.needles if n not in named))
        if isinstance(how, Redact)
        else how
        for field, how in step.assign.items()
    }
    return replace(step, assign=assign)


def needles(plan: Plan) -> dict[int, list[tuple[str, str]]]:
    """Person → by what the texts of the plan were searched."""
    found: dict[int, list[tuple[str, str]]] = {}
    for step in plan.steps:
        for how in step.assign.values():
            if isinstance(how, Redact):
                for who in {row[0] for row in step.keys.rows}:
                    found.setdefault(who, []).extend(how.needles)
    return found
