"""Datasets that the map calls a copy of another: what can be wrong with that. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kept.datamap.check import Problem, close
from kept.datamap.map import Dataset, Link, System


def place(text: str | None) -> tuple[str, str] | None:
    """`system.dataset` as a place; the name of a dataset may have dots of its own."""
    if text is None:
        return None
    system, _, dataset = text.partition(".")
    return system, dataset


def wrong(systems: Mapping[str, System]) -> Iterator[Problem]:
    """Copies of nothing, of themselves or of other copies, and copies under other keys."""
    known = {(s.name, name): d for s in systems.values() for name, d in s.datasets.items()}
    for (system, name), dataset in known.items():
        if dataset.copy_of is None:
            continue
        where = f"{systems[system].file}:{dataset.line}"
        said = ".".join(dataset.copy_of)
        source = known.get(dataset.copy_of)
        if source is None:
            fix = close(said, [".".join(one) for one in known])
            yield Problem(where, f"{name}: a copy of `{said}`, which no map has", fix)
        elif source.copy_of is not None:
            fix = "name the dataset where the rows are first written"
            yield Problem(where, f"{name}: a copy of `{said}`, which is one itself", fix)
        elif len(source.key) != len(dataset.key):
            fix = f"write a key of {len(source.key)} fields, in the same order"
            yield Problem(where, f"{name}: its key is not that of `{said}`, its source", fix)


def linked(systems: Mapping[str, System]) -> dict[str, System]:
    """The systems with every copy owned by the rows that it is a copy of: who is found at the
    source is found in the copy, whatever the copy itself says of her.
    """
    return {
        name: replace(
            system,
            datasets={
                at: replace(one, links=(*one.links, *_source(systems, name, one)))
                for at, one in system.datasets.items()
            },
        )
        for name, system in systems.items()
    }


def _source(systems: Mapping[str, System], system: str, copy: Dataset) -> tuple[Link, ...]:
    if copy.copy_of is None:
        return ()
    home, name = copy.copy_of
    source = systems[home].datasets.get(name) if home in systems else None
    if source is None or len(source.key) != len(copy.key):
        return ()
    link = Link(copy.key, name, source.key, system=None if home == system else home)
    return () if link in copy.links else (link,)
