"""Which rows of several people stay for somebody else when a person goes. Pure.

Whoever draws up a plan reads the links of the rows found, and who is at their ends (`Row`); what
follows for each row is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from kept.datamap.map import Dataset
from kept.datamap.reach import Place
from kept.datamap.sides import goes, looses, sides
from kept.decide.ties import Key


@dataclass(frozen=True, slots=True)
class Seen:
    """A row of several people, as it was read. By place in `sides`: `hers`, by which it was found
    for people of the plan; `others`, where somebody is who stays. `held`: of its fields that refer
    to rows of its own system, what each holds: ((fields, dataset, on), value). `named`: fields of
    somebody else's side by which it was found for people of the plan.
    """

    hers: frozenset[int]
    others: frozenset[int]
    held: tuple[tuple[tuple[tuple[str, ...], str, tuple[str, ...]], Key], ...] = ()
    named: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Kept:
    """A row that stays for somebody else: which fields of it go, and to which datasets it refers
    no more without these.
    """

    gone: frozenset[str]
    released: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Sides:
    """What a plan has to know of rows of several people: those that stay for somebody else
    (`kept`), and those that stay because they belong to such a row, with its dataset (`along`).
    """

    kept: Mapping[Place, Mapping[Key, Kept]] = field(default_factory=dict)
    along: Mapping[Place, Mapping[Key, Place]] = field(default_factory=dict)

    @property
    def places(self) -> frozenset[Place]:
        """Where rows stay."""
        return frozenset(p for p, keys in (*self.kept.items(), *self.along.items()) if keys)


def kept(dataset: Dataset, seen: Mapping[Key, Seen]) -> dict[Key, Kept]:
    """Of the rows found, those that stay for somebody else; the others have nobody left.

    A row that was found by none of its sides (it was kept before, or hangs on something else)
    loses those at whose end nobody is.
    """
    found = {}
    every = range(len(sides(dataset)))
    for key, row in seen.items():
        if row.others:
            # A side on which somebody else is as well stays as it is.
            gone = (row.hers if row.hers or row.named else frozenset(every)) - row.others
            found[key] = Kept(goes(dataset, gone, row.named), _released(dataset, row, gone))
    return found


def _released(dataset: Dataset, row: Seen, gone: Collection[int]) -> frozenset[str]:
    """Datasets of its own system to whose rows it refers no more once these sides are emptied."""
    both = sides(dataset)
    ways = {(s.link.fields, s.link.to, s.link.on) for i, s in enumerate(both)
            if i in gone and looses(dataset, i)}  # fmt: skip
    let = {to for _, to, _ in ways}
    emptied = {(to, on, value) for (fields, to, on), value in row.held if (fields, to, on) in ways}
    still: Iterable[str] = (
        to for (fields, to, on), value in row.held
        if (fields, to, on) not in ways and None not in value
        and ((to, on, value) in emptied or on not in {o for t, o, _ in emptied if t == to})
    )  # fmt: skip
    return frozenset(let - set(still))
