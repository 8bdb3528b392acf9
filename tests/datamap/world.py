"""Small worlds for the tests of map and plan: rows in plain lists, and laws by brute force.

`World.keys` walks a Select as its words say, row by row; `hers` says whose a row is straight
from the links of the map, without Selects. Neither shares code with what they check.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kept.datamap.map import DataMap, Dataset, Field, Link, OnErase, Owner, System
from kept.datamap.reach import Reach
from kept.model.plan import Action, Plan
from kept.model.select import KeyTable, Route, Select
from kept.model.values import Value, fold, normal
from kept.terms.identifiers import Identifier

Place = tuple[str, str]
Row = dict[str, Value]
Key = tuple[Value, ...]
Named = tuple[Place, Key]


@dataclass
class World:
    """Rows of every dataset of a map."""

    datamap: DataMap
    rows: dict[Place, list[Row]] = field(default_factory=dict)

    def key(self, place: Place, row: Row) -> Key:
        return tuple(row[name] for name in self.datamap.dataset(*place).key)

    def keys(self, system: str, selects: Iterable[Select]) -> dict[str, KeyTable]:
        """What Session.keys answers."""
        found: dict[str, dict[tuple[int, Key], None]] = {}
        fields: dict[str, tuple[str, ...]] = {}
        for select in selects:
            assert fields.setdefault(select.dataset, select.key) == select.key
            rows = found.setdefault(select.dataset, {})
            for row in self.rows.get((system, select.dataset), []):
                for route in select.routes:
                    for who in self._people(system, row, route):
                        rows[who, tuple(row[name] for name in select.key)] = None
        return {name: KeyTable(fields[name], tuple(rows)) for name, rows in found.items()}

    def _people(self, system: str, row: Row, route: Route) -> set[int]:
        ends = [row]
        for join in route.path:
            ends = [
                other
                for end in ends
                for other in self.rows.get((system, join.to), [])
                if all(
                    end[f] is not None and end[f] == other[o]
                    for f, o in zip(join.fields, join.on, strict=True)
                )
            ]
        return {
            who
            for end in ends
            for who, values in route.keys.rows
            if all(
                _same(end[f], value, route.folded)
                for f, value in zip(route.fields, values, strict=True)
            )
        }

    def search(self, look: Reach) -> tuple[dict[Place, KeyTable], int]:
        """Everything found, and how many rounds of looking up it took."""
        rounds = 0
        while look.seek:
            rounds += 1
            assert rounds < 50, "the search does not end"
            look = look.next({s: self.keys(s, selects) for s, selects in look.seek.items()})
        found = {
            (system, dataset): table
            for system, selects in look.selects.items()
            for dataset, table in self.keys(system, selects).items()
        }
        return {place: table for place, table in found.items() if table.rows}, rounds

    def hers(self, people: Sequence[Sequence[Identifier]]) -> dict[Place, set[tuple[int, Key]]]:
        """Whose rows are whose, by the words of the map alone."""
        owned: dict[Place, set[tuple[int, int]]] = {place: set() for place in self.rows}
        for place, rows in self.rows.items():
            for item in self.datamap.dataset(*place).fields.values():
                for at, row in enumerate(rows):
                    for who, person in enumerate(people):
                        if any(_named(item, row[item.name], one) for one in person):
                            owned[place].add((who, at))
        grown = True
        while grown:
            grown = False
            for place, rows in self.rows.items():
                for link in self.datamap.dataset(*place).links:
                    to = (link.system or place[0], link.to)
                    if link.kind is Owner.ACCESSED or to not in self.rows:
                        continue
                    ends = (
                        (self.datamap.dataset(*place), link.fields),
                        (
                            self.datamap.dataset(*to),
                            link.on,
                        ),
                    )
                    both = [d.fields[f] for d, (f, *_) in ends]
                    spelt = any(f.folded for f in both) and {f.type for f in both} == {"text"}
                    how = fold if spelt and len(link.on) == 1 else normal
                    for who, at in list(owned[to]):
                        target = [
                            v and how(v)  # type: ignore[arg-type]
                            for v in (self.rows[to][at][name] for name in link.on)
                        ]
                        for here, row in enumerate(rows):
                            mine = [v and how(v) for v in (row[name] for name in link.fields)]  # type: ignore[arg-type]
                            if None not in mine and mine == target:
                                grown = grown or (who, here) not in owned[place]
                                owned[place].add((who, here))
        return {
            place: {(who, self.key(place, self.rows[place][at])) for who, at in marks}
            for place, marks in owned.items()
            if marks and self.datamap.dataset(*place).on_erase is not OnErase.NEVER
        }

    def carry_out(self, plan: Plan, links: Mapping[Place, Iterable[Link]]) -> None:
        """Do what the plan says, step by step, and refuse as an engine with foreign keys would."""
        ties = self.ties(links)
        there = {(p, self.key(p, r)) for p, rows in self.rows.items() for r in rows}
        for step in plan.steps:
            place = (step.system, step.dataset)
            named = {(place, key) for key in step.keys.values}
            assert named <= there, "a step names rows that are not there"
            if step.action is Action.DELETE:
                there -= named
                torn = [(a, b) for a, b in ties if a in there and b not in there]
                assert not torn, f"step {step.number} breaks a foreign key"
                self.rows[place] = [
                    r for r in self.rows[place] if (place, self.key(place, r)) in there
                ]
            elif step.action is Action.OVERWRITE:
                for row in self.rows[place]:
                    if (place, self.key(place, row)) in named:
                        row.update(dict.fromkeys(step.assign, "gone"))

    def ties(self, links: Mapping[Place, Iterable[Link]]) -> set[tuple[Named, Named]]:
        """Which rows refer to which."""
        found = set()
        for place, its in links.items():
            for link in its:
                to = (place[0], link.to)
                for row in self.rows.get(place, []):
                    values = [row[name] for name in link.fields]
                    for other in self.rows.get(to, []):
                        if None not in values and values == [other[name] for name in link.on]:
                            found.add(((place, self.key(place, row)), (to, self.key(to, other))))
        return found


def _same(met: Value, value: Value, folded: bool) -> bool:
    if met is None or value is None:
        return False
    assert type(met) is type(value), "compared across types"
    return (fold(met) if folded and isinstance(met, str) else met) == value


def _named(item: Field, met: Value, one: Identifier) -> bool:
    if item.identifies != one.kind or met is None:
        return False
    text = str(met)
    return fold(text) == fold(one.value) if item.folded else text in (one.value, fold(one.value))


def links_within(datamap: DataMap) -> dict[Place, list[Link]]:
    """The links of the map that stay in their system: what foreign keys would enforce."""
    return {
        (system.name, dataset.name): [li for li in dataset.links if li.system is None]
        for system in datamap.systems.values()
        for dataset in system.datasets.values()
    }


def random_world(seed: int, *, cross: bool = True) -> tuple[World, list[list[Identifier]]]:
    """A map of one or two systems, its rows, and some people to look for."""
    dice = random.Random(seed)
    systems: dict[str, System] = {}
    rows: dict[Place, list[Row]] = {}
    emails = [f"p{n}@example.org" for n in range(4)]
    for number in range(dice.choice((1, 1, 2)) if cross else 1):
        name = f"s{number}"
        textual = number == 1  # the same keys, in another type
        datasets: dict[str, Dataset] = {}
        for count in range(dice.randint(2, 6)):
            dataset = _dataset(dice, name, f"d{count}", list(datasets.values()), textual, systems)
            datasets[dataset.name] = dataset
            rows[name, dataset.name] = []
        systems[name] = System(name, datasets=datasets, store="memory")
    world = World(DataMap(systems), rows)
    for place in rows:
        _fill(dice, world, place, emails)
    people = [
        [Identifier("email", dice.choice((e, e.upper(), f" {e}"))) for e in some]
        for some in (dice.sample(emails, dice.randint(1, 2)) for _ in range(dice.randint(1, 3)))
    ]
    if dice.random() < 0.3:
        people[0].append(Identifier("account", str(dice.randint(0, 5))))
    return world, people


def _dataset(
    dice: random.Random,
    system: str,
    name: str,
    earlier: list[Dataset],
    textual: bool,
    systems: Mapping[str, System],
) -> Dataset:
    kind = "text" if textual else "integer"
    composite = dice.random() < 0.2
    fields = {"id": Field("id", kind)}
    if composite:
        fields["part"] = Field("part", kind)
    if not earlier or dice.random() < 0.25:
        fields["email"] = Field(
            "email", category="contact.email", identifies="email", folded=dice.random() < 0.9
        )
        if dice.random() < 0.3:
            fields["number"] = Field(
                "number", kind, category="identifier.account", identifies="account"
            )
    if dice.random() < 0.7:
        fields["note"] = Field("note", category="free-text", overwrite="gone")
    links: list[Link] = []

    def link(to: Dataset, owner: Owner, other: str | None = None) -> None:
        on = ("email",) if "email" in to.fields and dice.random() < 0.2 else to.key
        mine = tuple(f"l{len(links)}_{n}" for n in range(len(on)))
        for one in mine:
            fields[one] = Field(one, "text" if on == ("email",) else kind)
        links.append(Link(mine, to.name, on, owner, other))

    for _ in range(dice.choice((0, 1, 1, 1, 2)) if earlier else 0):
        link(dice.choice(earlier), dice.choice((Owner.OWNED,) * 4 + (Owner.ACCESSED, Owner.SHARED)))
    far = [d for s in systems.values() for d in s.datasets.values()]
    if far and dice.random() < 0.4:
        link(dice.choice(far), Owner.OWNED, next(iter(systems)))
    erase = dice.choice((OnErase.DELETE,) * 8 + (OnErase.OVERWRITE,))
    key = ("id", "part") if composite else ("id",)
    if dice.random() < 0.2:
        own = tuple(f"self_{one}" for one in key)
        fields.update({one: Field(one, kind) for one in own})
        links.append(Link(own, name, key, dice.choice((Owner.OWNED, Owner.ACCESSED))))
    if not [f for f in fields.values() if f.category] and dice.random() < 0.1:
        erase = OnErase.NEVER
    return Dataset(name, key, fields, tuple(links), on_erase=erase)


def _fill(dice: random.Random, world: World, place: Place, emails: Sequence[str]) -> None:
    dataset = world.datamap.dataset(*place)
    seen: set[Key] = set()
    for number in range(dice.randint(0, 7)):
        row: Row = {}
        for item in dataset.fields.values():
            value: Value = number if item.name == "id" else dice.randint(0, 5)
            if item.type == "text":
                value = str(value)
            if item.name == "email":
                email = dice.choice(emails)
                value = dice.choice((email, email, email.title() + " ", None))
            row[item.name] = value
        for link in dataset.links:
            to = (link.system or place[0], link.to)
            target = dice.choice(world.rows[to]) if world.rows.get(to) else None
            for mine, on in zip(link.fields, link.on, strict=True):
                value = None if target is None else target[on]
                text = dataset.fields[mine].type == "text"
                row[mine] = str(value) if text and value is not None else value
            if dice.random() < 0.1:
                row[link.fields[0]] = None
        if world.key(place, row) not in seen:
            seen.add(world.key(place, row))
            world.rows[place].append(row)
