"""The map against the bundle's words and against what is really there.

Both functions return what is amiss and raise nothing: whoever shows it decides what follows.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from kept.datamap.map import DataMap, Dataset, Link, OnErase, Owner, Stays, System
from kept.datamap.overwrite import stuck
from kept.datamap.sides import stuck as parted

#: What helps where the map names what the store will not change.
READONLY: Final = (
    "map the tables behind a view, and write `erase: never` for it; let the owner of a table"
    " change how it is kept"
)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something amiss. `where` is file:line, the file named as the operator would open it."""

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix[:1].upper()}{self.fix[1:]}"


def check(
    datamap: DataMap,
    categories: Collection[str],
    retention: Collection[str],
    activities: Collection[str] | None = None,
    laws: Collection[str] = (),
) -> list[Problem]:
    """What the map says in words that the bundle does not have.

    `categories`, `retention`, `activities` are the bundle's ids (None: not looked at), `laws`
    the retention classes that a law keeps from erasure. Personal data without a retention
    class is a problem: it would be kept for ever.
    """
    found: list[Problem] = []
    for system in datamap.systems.values():
        for dataset in system.datasets.values():
            where = f"{system.file or system.name}:{dataset.line}"
            for what, fix in _words(system, dataset, categories, retention, activities, laws):
                found.append(Problem(where, f"{dataset.name}: {what}", fix))
    return found


def _words(
    system: System,
    dataset: Dataset,
    categories: Collection[str],
    retention: Collection[str],
    activities: Collection[str] | None,
    laws: Collection[str],
) -> Iterator[tuple[str, str]]:
    for item in dataset.fields.values():
        if item.category is not None and item.category not in categories:
            yield (
                f"the category `{item.category}` of `{item.name}` is not in the vocabulary",
                close(item.category, categories),
            )
    if dataset.retention is None:
        if dataset.personal:
            yield "personal data without a retention class", "name one under `retention:`"
    elif dataset.retention not in retention:
        yield (
            f"the retention class `{dataset.retention}` is not in retention.yml",
            close(dataset.retention, retention),
        )
    elif dataset.retention in laws and dataset.clock is None and not heirs(system, dataset):
        what = f"a law keeps `{dataset.retention}`, but no date says since when"
        fix = "name the field with the date under `clock:`, or link it as owned-by to a dataset"
        yield what, f"{fix} of the same retention class"
    for name in dataset.activities if activities is not None else ():
        if name not in (activities or ()):
            yield f"the activity `{name}` is not in activities.yml", close(name, activities or ())


def unasked(datamap: DataMap, places: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Of places written SYSTEM.DATASET.FIELD that the map does not have: (place, what, fix).

    What is told of such a place is compared with nothing. Of a system whose map cannot be read
    nothing is said.
    """
    for place in places:
        name, _, rest = place.partition(".")
        table, _, item = rest.rpartition(".")
        system = datamap.systems.get(name)
        if system is not None and system.file and not system.datasets:
            continue
        dataset = system.datasets.get(table) if system else None
        if dataset is not None and item in dataset.fields:
            continue
        if system is None:
            what, fix = f"the map has no system `{name}`", close(name, datamap.systems)
        elif dataset is None:
            what, fix = f"`{name}` has no dataset `{table}`", close(table, system.datasets)
        else:
            what, fix = f"`{name}.{table}` has no field `{item}`", close(item, dataset.fields)
        yield place, what, fix


def unused(system: System) -> list[Dataset]:
    """Datasets about people of which the map does not say what they are used for.

    Not a problem of the map's form; but no answer can then name purpose, ground or recipients.
    """
    return [
        dataset
        for dataset in system.datasets.values()
        if dataset.personal and not dataset.activities and dataset.on_erase is not OnErase.NEVER
    ]


def unsaid(dataset: Dataset) -> list[str]:
    """Fields of people's rows of which nobody can say whether they are hers to take along.

    They have no category, and neither they nor their dataset say where they come from
    (`origin`). What names or ties rows goes along by itself.
    """
    ties = [link for link in dataset.links if link.kind is not Owner.ACCESSED]
    if dataset.on_erase is OnErase.NEVER or not (dataset.personal or ties):
        return []
    tied = {*dataset.key, *(name for link in dataset.links for name in link.fields)}
    return [
        item.name
        for item in dataset.fields.values()
        if item.category is None
        and item.name not in tied
        and item.others is None
        and dataset.said(item) is None
    ]


def unshared(system: System) -> list[Dataset]:
    """Datasets with rows of several people of which the map does not say what follows when one of
    them goes: all personal fields are emptied, also those of the others.
    """
    return [
        d
        for d in system.datasets.values()
        if d.shared is None and any(link.kind is Owner.SHARED for link in d.links)
    ]


def heirs(system: System, dataset: Dataset) -> tuple[Link, ...]:
    """Links along which a hold travels down to `dataset`.

    A dataset without a clock of its own shares the fate of the rows that it is owned by, where
    both have the same retention class: the lines of an invoice stay as long as the invoice.
    """
    if dataset.clock is not None or dataset.retention is None:
        return ()
    return tuple(
        link
        for link in dataset.links
        if link.kind is Owner.OWNED
        and link.system is None
        and link.to != dataset.name
        and link.to in system.datasets
        and system.datasets[link.to].retention == dataset.retention
    )


def compare(system: System, real: Iterable[Dataset], laws: Collection[str] = ()) -> list[Problem]:
    """The map of one system against what its store says is there (Store.datasets).

    Found are: mapped datasets and fields that are not there; tables and columns that no map
    names, which is how personal data goes unseen; keys that do not name one row; foreign keys
    to people's rows that no link explains; types that would compare nothing; and fields that
    an erasure may have to empty but that may not be empty. `laws` as in `check`.
    """
    there = {dataset.name: dataset for dataset in real}
    found: list[Problem] = []
    for dataset in system.datasets.values():
        where = f"{system.file or system.name}:{dataset.line}"
        met = there.get(dataset.name)
        if met is None:
            found.append(
                Problem(
                    where,
                    f"`{dataset.name}` is mapped, but `{system.name}` has no such dataset",
                    close(dataset.name, there),
                )
            )
            continue
        for what, fix in _differences(system, dataset, met, there, laws):
            found.append(Problem(where, f"{dataset.name}: {what}", fix))
    for name in there:
        if name not in system.datasets:
            found.append(
                Problem(
                    f"{system.file or system.name}:1",
                    f"`{name}` is there, but no map names it",
                    "map it; without personal data a dataset needs only its key and fields",
                )
            )
    return found


def _differences(
    system: System,
    dataset: Dataset,
    met: Dataset,
    there: Mapping[str, Dataset],
    laws: Collection[str],
) -> Iterator[tuple[str, str]]:
    for name in dataset.fields:
        if name not in met.fields:
            yield f"the field `{name}` is mapped, but not there", close(name, met.fields)
    for name in met.fields:
        if name not in dataset.fields:
            yield (
                f"the field `{name}` is there, but no map names it",
                "map it with its category, or without one when it is not personal",
            )
    if not met.key:
        yield (
            f"nothing promises that `{', '.join(dataset.key)}` names one row",
            "give the table a primary key or a unique constraint",
        )
    elif not set(met.key) <= set(dataset.key):
        yield (
            f"`{', '.join(dataset.key)}` may name several rows",
            f"write `key: [{', '.join(met.key)}]`, which is what the store promises",
        )
    compared = {*dataset.key, *(name for link in dataset.links for name in link.fields)}
    for item in dataset.fields.values():
        real = met.fields.get(item.name)
        if real is None:
            continue
        looked_for = item.name in compared or item.identifies is not None
        if looked_for and "other" not in (item.type, real.type) and item.type != real.type:
            yield (
                f"`{item.name}` is mapped as {item.type}, but it is {real.type}",
                f"write `type: {real.type}`",
            )
    if met.readonly and dataset.on_erase is not OnErase.NEVER:
        yield f"nothing of it can be deleted or overwritten ({met.title})", READONLY
    # What a law keeps of a child is sealed away and emptied where it stands, whatever `stays` is.
    if dataset.retention in laws or _may_stay(system, dataset, there):
        real_one = realised(system, [met]).datasets[dataset.name]
        for _, what, fix in stuck(system, real_one):
            yield f"rows may have to stay without the person, but {what}", fix
    if dataset.shared is not None:
        real_one = realised(system, [met]).datasets[dataset.name]
        for _, what, fix in parted(real_one):
            yield f"rows may have to stay without one of their people, but {what}", fix
    named = {(link.to, _pairs(link)) for link in dataset.links if link.system is None}
    for link in met.links:
        target = system.datasets.get(link.to)
        if target and target.personal and (link.to, _pairs(link)) not in named:
            yield (
                f"the foreign key ({', '.join(link.fields)}) to `{link.to}` has no link in the map",
                "add the link and say whose data the row is: owned-by, accessed-by or shared",
            )


def _pairs(link: Link) -> frozenset[tuple[str, str]]:
    return frozenset(zip(link.fields, link.on, strict=False))


def _may_stay(system: System, dataset: Dataset, there: Mapping[str, Dataset]) -> bool:
    """Whether a row may have to stay, emptied: others refer to it, or the map wants it so."""
    if dataset.on_erase is OnErase.OVERWRITE or dataset.stays is Stays.ISOLATED:
        return True
    links = (
        link
        for other in (*system.datasets.values(), *there.values())
        for link in other.links
        if link.system is None
    )
    return any(link.to == dataset.name for link in links)


def realised(system: System, real: Iterable[Dataset]) -> System:
    """The mapped system with what only the store knows: which fields may not be null, whether
    the key names one row, and which columns the map does not name.

    Plans made from it know before anything is tried where a null cannot be written, and where
    a row of somebody else could go with hers.
    """
    there = {dataset.name: dataset for dataset in real}
    datasets = {}
    for name, dataset in system.datasets.items():
        met = there.get(name)
        fields = dict(dataset.fields)
        for item in dataset.fields.values():
            if met and item.name in met.fields:
                seen = met.fields[item.name]
                fields[item.name] = replace(
                    item, nullable=item.nullable and seen.nullable, computed=seen.computed,
                    loose=seen.loose,
                )  # fmt: skip
        unique = met is None or (bool(met.key) and set(met.key) <= set(dataset.key))
        unmapped = tuple(n for n in met.fields if n not in dataset.fields) if met else ()
        datasets[name] = replace(
            dataset, fields=fields, unique=unique, readonly=met is not None and met.readonly,
            unmapped=unmapped,
        )  # fmt: skip
    return replace(system, datasets=datasets)


def close(word: str, words: Iterable[str]) -> str:
    """A hint for a misspelt word: `write X`, or the words there are."""
    known = sorted(words)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    if near:
        return f"write `{near[0]}`"
    if not known:
        return "remove it"
    return f"write one of: {', '.join(known)}" if len(known) <= 40 else "write one that is defined"
