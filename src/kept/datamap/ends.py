"""The map as a whole: links with both their ends, rows with one owner, numbers of one series."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kept.datamap.check import Problem, close
from kept.datamap.map import Dataset, Link, OnErase, Owner, System
from kept.datamap.sides import sides


def ends(
    systems: Mapping[str, System],
    problems: list[Problem],
    lines: Mapping[tuple[str, str, int], str],
) -> dict[str, System]:
    """The systems with every link complete: `on` is the target's key unless it was said."""
    done: dict[str, System] = {}
    for system in systems.values():
        datasets = {}
        for dataset in system.datasets.values():
            links = []
            for number, link in enumerate(dataset.links):
                where = lines[system.name, dataset.name, number]
                whole, wrong = _end(systems, system, dataset, link)
                problems += [Problem(where, f"{dataset.name}: {w}", f) for w, f in wrong]
                links += [whole] * (not wrong)
            datasets[dataset.name] = replace(dataset, links=tuple(links))
        done[system.name] = replace(system, datasets=datasets)
    return done


def _end(
    systems: Mapping[str, System], system: System, dataset: Dataset, link: Link
) -> tuple[Link, list[tuple[str, str]]]:
    wrong = [
        (f"the link's field `{name}` is not mapped", close(name, dataset.fields))
        for name in link.fields
        if name not in dataset.fields
    ]
    home = system if link.system is None else systems.get(link.system)
    if home is None:
        return link, [*wrong, (f"no system `{link.system}`", close(link.system or "", systems))]
    target = home.datasets.get(link.to)
    if target is None:
        missing = f"`{home.name}` maps no dataset `{link.to}`"
        return link, [*wrong, (missing, close(link.to, home.datasets))]
    on = link.on or target.key
    wrong += [
        (f"`{link.to}` has no field `{name}`", close(name, target.fields))
        for name in on
        if name not in target.fields
    ]
    if len(on) != len(link.fields):
        wrong.append(
            (f"the link to `{link.to}` pairs {len(link.fields)} fields with {len(on)}",
             "name as many under `fields:` as under `on:`")
        )  # fmt: skip
    return Link(link.fields, link.to, on, link.kind, link.system), wrong


def owners(systems: Mapping[str, System]) -> list[Problem]:
    """Rows that stay for somebody else, where nobody could tell whether somebody is there."""
    found = []
    for system in systems.values():
        for dataset in system.datasets.values():
            for link in (side.link for side in sides(dataset) if side.must):
                there = systems[link.system or system.name].datasets[link.to]
                where = f"{system.file or system.name}:{dataset.line}"
                if there.on_erase is OnErase.NEVER:
                    what = f"`{link.to}` is nobody's by the map, so nobody is ever the last owner"
                    fix = "let the link lead to whoever the row belongs to"
                elif any(one.kind is Owner.SHARED for one in there.links):
                    what = f"rows of `{link.to}` are several people's themselves"
                    fix = "let the link lead to people, or say `kind: owned-by`"
                else:
                    continue
                found.append(Problem(where, f"{dataset.name}: {what}", fix))
    return found


def circles(systems: Mapping[str, System]) -> list[Problem]:
    """Datasets of a system that own each other in a circle: whose rows are they?

    A dataset may own itself (answers to a comment); that ends where its rows end.
    """
    found = []
    for system in systems.values():
        owners = {
            name: sorted(
                {
                    link.to
                    for link in dataset.links
                    if link.kind is not Owner.ACCESSED and not link.system and link.to != name
                }
            )
            for name, dataset in system.datasets.items()
        }
        clear: set[str] = set()
        for start in owners:
            path: list[str] = []
            stack = [(start, False)]
            while stack:
                name, left = stack.pop()
                if left:
                    path.pop()
                    clear.add(name)
                elif name in path:
                    circle = path[path.index(name) :]
                    first = min(circle, key=lambda n: system.datasets[n].line)
                    at = circle.index(first)
                    words = " → ".join([*circle[at:], *circle[:at], first])
                    found.append(
                        Problem(
                            f"{system.file or system.name}:{system.datasets[first].line}",
                            f"rows own each other in a circle: {words}",
                            "make one of these links accessed-by: the one that says who handles "
                            "the row, not whose it is",
                        )
                    )
                elif name not in clear:
                    path.append(name)
                    stack.append((name, True))
                    stack += [(to, False) for to in reversed(owners.get(name, []))]
    return found


def accounts(systems: Mapping[str, System]) -> list[Problem]:
    """Account numbers of unrelated series: number 7 of one is not number 7 of the other."""
    group: dict[tuple[str, str, str], tuple[str, str, str]] = {}

    def root(place: tuple[str, str, str]) -> tuple[str, str, str]:
        while group.setdefault(place, place) != place:
            place = group[place]
        return place

    named = []
    for system in systems.values():
        for dataset in system.datasets.values():
            for link in dataset.links:
                for mine, other in zip(link.fields, link.on, strict=False):
                    if link.kind is Owner.OWNED:
                        far = (link.system or system.name, link.to, other)
                        group[root((system.name, dataset.name, mine))] = root(far)
            named += [
                (system.name, dataset.name, item.name)
                for item in dataset.fields.values()
                if item.identifies == "account"
            ]
    found = []
    for place in named[1:]:
        if root(place) != root(named[0]):
            system = systems[place[0]]
            dataset = system.datasets[place[1]]
            found.append(
                Problem(
                    f"{system.file or system.name}:{dataset.line}",
                    f"{place[1]}: `{place[2]}` identifies an account, and so does "
                    f"`{named[0][2]}` of `{named[0][1]}`, but no link says that they are the same",
                    "leave `identifies: account` to one of them, or link them as owned-by",
                )
            )
    return found
