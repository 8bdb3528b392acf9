"""By which fields the datasets of a map are searched when somebody's rows are looked for.

What an index would help is exactly this: the identifying fields that a search enters by, and
the fields of links that it follows, each compared exactly or with case folded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kept.datamap.map import DataMap
from kept.datamap.reach import shape


@dataclass(frozen=True, slots=True)
class Search:
    """Rows of `dataset` whose `fields` equal a value, together; `folded`: in whatever case."""

    dataset: str
    fields: tuple[str, ...]
    folded: bool = False


def searches(datamap: DataMap) -> dict[str, tuple[Search, ...]]:
    """System → its searches, each once, in the order of the map."""
    made = shape(datamap)
    found: dict[str, dict[Search, None]] = {}
    for place in made.places:
        for way in made.ways(place):
            into = found.setdefault(place[0], {})
            stations = [place[1], *(join.to for join in way.path)]
            into[Search(stations[-1], way.fields, way.folded)] = None
            into.update(dict.fromkeys(_along(stations, [join.fields for join in way.path])))
    return {system: tuple(some) for system, some in found.items()}


def _along(stations: list[str], fields: list[tuple[str, ...]]) -> Iterator[Search]:
    """A path is walked from its end: each dataset on it is searched by the fields of its link."""
    for dataset, names in zip(stations, fields, strict=False):
        yield Search(dataset, names)
