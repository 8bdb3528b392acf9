"""People of a dataset on their way to somebody else: each judged, and none shown but to be sent.

Whom the door does not let go is a reason in a count. The region of each is taken as unknown, so
that the strictest rules hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kept.controller.naming import THEIRS, identifier
from kept.controller.retained import hidden
from kept.datamap.map import DataMap, Dataset
from kept.deployment import Release
from kept.deployment.releases import NAMED_BY
from kept.errors import NotAble
from kept.model.decision import Ask, Facts
from kept.model.predicate import IsNull, Not
from kept.model.select import Select
from kept.model.values import Value
from kept.policy.shapes import Activity
from kept.records.locator import Veil
from kept.stores.base import Store
from kept.terms.identifiers import Identifier

#: People that are judged at once, just before they are sent.
BATCH = 100


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row, and whether the door lets it go. `people`: by what she is named, the best first;
    `values`: what goes, under the recipient's names; `notice`: what she was shown. `why` is empty
    where it may go, else the kind of rule that denies; `basis` is the legal basis.
    """

    people: tuple[Identifier, ...]
    values: Mapping[str, Value]
    notice: str | None
    subjects: tuple[int, ...]
    why: str
    basis: str


#: The people of some rows → what is known of each, as `Controller.facts_of_many`.
Known = Callable[[Sequence[Sequence[Identifier]]], Sequence[tuple[tuple[int, ...], Facts]]]
#: Asks and facts → (the kind of rule that denies, the basis).
Judge = Callable[[Sequence[Ask], Facts], tuple[str, str]]


def asks(activity: Activity, to: str, context: str, categories: Sequence[str]) -> list[Ask]:
    """What is asked of the door for somebody: each kind of data for itself."""
    return [Ask(activity.purpose, one, context, to) for one in categories]


def categories(dataset: Dataset, release: Release) -> tuple[str, ...]:
    """The kinds of data that a release sends."""
    return tuple(sorted({str(dataset.fields[name].category) for name in release.fields}))


def candidates(
    datamap: DataMap, stores: Mapping[str, Store], veil: Veil, release: Release,
    wanted: Sequence[Ask], known: Known, judge: Judge,
) -> Iterator[list[Candidate]]:  # fmt: skip
    """The rows of a release, judged batch by batch as they are asked for."""
    system, name = release.place
    dataset = datamap.dataset(system, name)
    if system not in stores:
        raise NotAble(
            f"`{system}` has no store", expected="one that can be read",
            fix=f"give [systems.{system}] a store in kept.toml",
        )  # fmt: skip
    naming = {
        f.name: str(f.identifies) for f in dataset.fields.values()
        if f.identifies in NAMED_BY and f.others not in THEIRS
    }  # fmt: skip
    shown = next((f.name for f in dataset.fields.values() if f.stamp == "notice"), None)
    fields = dict.fromkeys((*dataset.key, *release.fields, *naming, *([shown] if shown else [])))
    everything = Select(
        name, dataset.key, only=Not(IsNull(dataset.key[0])), fields=tuple(fields)
    )  # fmt: skip
    with stores[system].session() as session:
        for _, batch in session.read([everything]):
            rows = [dict(zip(batch.columns, row, strict=True)) for row in batch.rows]
            keys = [tuple(row[k] for k in dataset.key) for row in rows]
            away = hidden(veil, stores, release.place, dataset.key, keys)
            left = [row for row, hide in zip(rows, away, strict=True) if not hide]
            for at in range(0, len(left), BATCH):
                part = left[at : at + BATCH]
                people = [_people(row, naming) for row in part]
                yield [
                    Candidate(
                        who, {to: row[column] for column, to in release.fields.items()},
                        str(row[shown]) if shown and row[shown] else None, subjects,
                        *judge(wanted, facts),
                    )
                    for row, who, (subjects, facts) in zip(part, people, known(people), strict=True)
                ]  # fmt: skip


def _people(row: Mapping[str, Value], naming: Mapping[str, str]) -> tuple[Identifier, ...]:
    found = [one for field, kind in naming.items() if (one := identifier(kind, row[field]))]
    return tuple(sorted(found, key=lambda one: NAMED_BY.index(one.kind)))
