"""Rows of several people: which part of a row is whose, and what stays when one of them goes.

A side is a link by which a row is somebody's; one to rows of its own dataset is none. What the link
alone holds is that side's, and so is each field with `side:`; what has none is everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kept.datamap.map import Dataset, Field, Link, OnErase, Owner, Shared
from kept.datamap.overwrite import assignment
from kept.model.change import Assignment

#: Outcomes by which a row may stay for somebody else.
STAYING: Final = (Shared.ONE_SIDE, Shared.LAST_OWNER)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the people of a row: her link, which of its fields tie nobody else (`ties`), and the
    fields that are hers by the word of the map (`holds`).
    """

    link: Link
    ties: tuple[str, ...]
    holds: tuple[str, ...]

    @property
    def must(self) -> bool:
        """Whether it has to be emptied where the map says so. The way to what a row belongs to
        (`owned-by`) is, where it can be.
        """
        return self.link.kind is Owner.SHARED

    @property
    def names(self) -> tuple[str, ...]:
        """The fields of `holds` by which somebody may be found who is not at the link's end."""
        return tuple(name for name in self.holds if name not in self.link.fields)

    def finds(self, path: tuple[tuple[str, ...], str] | None, fields: tuple[str, ...]) -> bool:
        """Whether a way into the dataset is by this side's link: its first join (fields, dataset),
        or the fields compared where there is none.
        """
        if path is not None:
            return path == (self.link.fields, self.link.to)
        return fields == self.link.fields


def sides(dataset: Dataset) -> tuple[Side, ...]:
    """The sides of a dataset whose rows may stay for somebody else; none of any other."""
    if dataset.shared not in STAYING:
        return ()
    return tuple(_sides(dataset))


def _sides(dataset: Dataset) -> Iterator[Side]:
    links = [
        link for link in dataset.links
        if link.kind is not Owner.ACCESSED and (link.system or link.to != dataset.name)
    ]  # fmt: skip
    for link in links:
        other = {name for one in links if one is not link for name in one.fields}
        ties = tuple(n for n in link.fields if n not in dataset.key and n not in other)
        holds = tuple(f.name for f in dataset.fields.values() if f.side and f.side in ties)
        yield Side(link, ties, holds)


def links_of(dataset: Dataset, name: str) -> tuple[Link, ...]:
    """By which of its links it is said whose a field is, where rows may be several people's: those
    that it is of, and that of its `side:`.
    """
    links = [
        link for link in dataset.links
        if link.kind is not Owner.ACCESSED and (link.system or link.to != dataset.name)
    ]  # fmt: skip
    if not any(link.kind is Owner.SHARED for link in links):
        return ()
    of = {name, dataset.fields[name].side}
    return tuple(link for link in links if of.intersection(link.fields))


def referred(dataset: Dataset, link: Link) -> bool:
    """Whether a link is by what names the row, so that the other end refers here: a household that
    is its residents'.
    """
    return dataset.shared in STAYING and set(link.fields) <= set(dataset.key)


def goes(dataset: Dataset, numbers: Iterable[int], named: Iterable[str] = ()) -> frozenset[str]:
    """The fields that go with these sides (by their place in `sides`), and those `named`.

    None where a row stays whole and its link cannot be emptied.
    """
    one_side = dataset.shared is Shared.ONE_SIDE
    alone = frozenset(name for name in named if _can(dataset.fields[name]))
    return alone | frozenset(
        name
        for side in (sides(dataset)[number] for number in numbers)
        for name in (*side.ties, *side.holds)
        if _can(dataset.fields[name])
        or (one_side and side.must and dataset.fields[name].computed is None)
    )


def emptied(dataset: Dataset, gone: Iterable[str]) -> Mapping[str, Assignment]:
    """Field → what is written there when these go."""
    return {name: assignment(dataset.fields[name]) for name in sorted(gone)}


def looses(dataset: Dataset, number: int) -> bool:
    """Whether nobody is found by a side any more once it is emptied."""
    side = sides(dataset)[number]
    return any(_can(dataset.fields[name]) for name in side.ties)


def _can(item: Field) -> bool:
    return item.computed is None and (item.nullable or item.overwrite is not None)


def wrong(dataset: Dataset) -> Iterator[tuple[str | None, str, str]]:
    """(field, what is amiss with `shared:` and `side:`, the fix)."""
    links = [link for link in dataset.links if link.kind is Owner.SHARED]
    if dataset.shared is not None and not links:
        yield None, "`shared:` is said, and no link is shared", "remove it, or say `kind: shared`"
        return
    if dataset.shared is not None and dataset.on_erase is not OnErase.DELETE:
        yield (
            None,
            f"`erase: {dataset.on_erase.value}` and `shared: {dataset.shared.value}` say two things"
            " of the same rows",
            "remove `erase:`, or `shared:`",
        )
    both = list(_sides(dataset))
    names = {name: side for side in both for name in side.ties}
    for item in dataset.fields.values():
        if item.side is not None and dataset.shared not in STAYING:
            yield item.name, f"`side:` of `{item.name}` says nothing here", "remove it"
        elif item.side is not None and item.side not in names:
            known = ", ".join(names) or "none can be"
            yield (
                item.name,
                f"`side: {item.side}` of `{item.name}` is no field of one of the people's links",
                f"name one of them: {known}",
            )
        elif item.side is not None and item.name in dataset.key:
            yield item.name, f"`{item.name}` names the row and is nobody's side", "remove `side:`"
        elif item.side is not None and dataset.shared is Shared.LAST_OWNER and not item.identifies:
            yield (
                item.name,
                f"`side:` of `{item.name}` would take from a row that stays as it is",
                "remove it, or write `shared: one-side`",
            )
    if dataset.shared in STAYING:
        yield from _found_still(dataset, both)
    if dataset.shared is Shared.ONE_SIDE:
        for side in both:
            if side.must and not side.ties:
                what = ", ".join(f"`{name}`" for name in side.link.fields)
                yield (
                    None,
                    f"the side {what} cannot be emptied: it names the row, or ties others as well",
                    "write `shared: last-owner`, or `delete`",
                )
        if len(both) < 2:
            yield None, "`shared: one-side` has one side only", "name the other, as `kind: shared`"


def _found_still(dataset: Dataset, both: list[Side]) -> Iterator[tuple[str | None, str, str]]:
    linked = {name for side in both for name in (*side.link.fields, *side.holds)}
    for item in dataset.fields.values():
        if item.identifies and item.name not in linked and item.name not in dataset.key:
            yield (
                item.name,
                f"`{item.name}` names a person, and nothing says on which side: she would be found"
                " by it when she is gone",
                "write `side:` there, with the field of the link that is hers",
            )


def stuck(dataset: Dataset) -> list[tuple[str, str, str]]:
    """Why a side could not be emptied: (kind of obstacle, what, fix); none when it can. A row that
    stays for its last owner may keep a link, and no address by which she would be found.
    """
    one_side = dataset.shared is Shared.ONE_SIDE
    found = []
    for side in sides(dataset):
        for name in (*side.ties, *side.holds) if one_side and side.must else side.holds:
            item = dataset.fields[name]
            if item.computed is not None:
                what = f"the engine computes `{name}`, so it would stay"
                fix = "give what it is computed from the same `side:`, and remove it here"
                found.append(("other", what, fix))
            elif not _can(item):
                what = f"`{name}` may not be null, and the map does not say what else to write"
                fix = f"say under `overwrite:` of `{dataset.name}.{name}` what shall stand there"
                found.append(("not-null", what, fix))
    return found
