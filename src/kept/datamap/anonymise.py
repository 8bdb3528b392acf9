"""What of a row is left when it is made anonymous, as the map says it field by field.

Every field that could lead to the person goes: what is personal, and every link that says whose
the row is. What stays, generalised or as it is, is what may be rare together: it is counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from kept.datamap.map import Dataset, Field, Owner
from kept.datamap.overwrite import assignment
from kept.model.change import Assignment, Const
from kept.model.generalise import KEEP, SUPPRESS, Generalise, takes
from kept.model.predicate import And, Eq, IsNull, Predicate
from kept.terms.vocabulary import SHIPPED

#: Categories whose values name a person whatever else is known.
_NAMING = ("contact.name", "contact.email", "contact.phone", "identifier")


def ties(dataset: Dataset) -> tuple[str, ...]:
    """The fields of the links that say whose the row is."""
    owned = (link for link in dataset.links if link.kind is not Owner.ACCESSED)
    return tuple(dict.fromkeys(name for link in owned for name in link.fields))


def naming(dataset: Dataset) -> tuple[Field, ...]:
    """The fields that can name a person."""
    return tuple(
        f
        for f in dataset.fields.values()
        if f.identifies
        or (f.category and any(SHIPPED.within("categories", f.category, c) for c in _NAMING))
    )


def how(dataset: Dataset, item: Field) -> str:
    """The method of a field: what the map says; else nothing personal is left."""
    if item.anonymise is not None:
        return item.anonymise
    personal = item.category is not None or item.name in ties(dataset)
    return SUPPRESS if personal else KEEP


def told(dataset: Dataset) -> tuple[str, ...]:
    """The fields that stay and so can be rare together; not the key, which is a number of a row."""
    return tuple(
        item.name
        for item in dataset.fields.values()
        if item.name not in dataset.key and how(dataset, item) != SUPPRESS
    )


def assigned(dataset: Dataset, *, rare: bool = False) -> dict[str, Assignment]:
    """Field → what is put there; with `rare` nothing of the row is left but its key."""
    made: dict[str, Assignment] = {}
    for item in dataset.fields.values():
        method = SUPPRESS if rare else how(dataset, item)
        # What the engine computes follows from the others and cannot be written.
        if item.name in dataset.key or method == KEEP or item.computed is not None:
            continue
        made[item.name] = assignment(item) if method == SUPPRESS else Generalise(method)
    return made


def nobodys(dataset: Dataset) -> Predicate | None:
    """What is true of rows that were made anonymous; None where nothing tells them."""
    parts: list[Predicate] = []
    for name, what in assigned(dataset).items():
        if isinstance(what, Const) and (name in ties(dataset) or dataset.fields[name].category):
            parts.append(IsNull(name) if what.value is None else Eq(name, what.value))
    return And(tuple(parts)) if parts else None


def stuck(dataset: Dataset, *, rare: bool = False) -> Iterator[tuple[str, str, str]]:
    """Why a row could not be made anonymous: (kind of obstacle, what, fix)."""
    written = assigned(dataset, rare=rare)
    for item in dataset.fields.values():
        method = SUPPRESS if rare else how(dataset, item)
        left = sorted(set(item.computed or ()) - set(written))
        if item.computed is not None and method != KEEP and (left or not item.computed):
            of = ", ".join(f"`{name}`" for name in left) or "what Kept cannot see"
            words = f"the engine computes `{item.name}` from {of}, so it would stay"
            yield "other", words, "make what it is computed from go, or write `erase: delete`"
    for name, what in written.items():
        if what == Const(None) and not dataset.fields[name].nullable:
            words = f"`{name}` may not be null, and the map does not say what else to write"
            fix = f"say under `overwrite:` of `{dataset.name}.{name}` what shall stand there"
            yield "not-null", words, fix


def wrong(dataset: Dataset) -> Iterator[tuple[str | None, str, str]]:
    """(field, what is amiss, fix) of a dataset that is to be made anonymous."""
    if dataset.k is None or dataset.k < 2:
        yield None, "does not say how many people have to be alike", "write `k: 5`, or more"
    if any(link.kind is Owner.SHARED for link in dataset.links):
        yield None, "its rows are shared, and would be taken from the others", "write `overwrite`"
    if not ties(dataset) and not naming(dataset):
        yield None, "nothing in it leads to a person", "write `erase: never`"
    for name in dataset.key:
        item = dataset.fields.get(name)
        if item is not None and (item in naming(dataset) or name in ties(dataset)):
            yield name, f"`{name}` leads to the person and names the row", "write `erase: delete`"
    for item in dataset.fields.values():
        if item.anonymise is None:
            continue
        if not takes(item.anonymise, item.type):
            yield item.name, f"`{item.anonymise}` is not for `{item.type}`", "name another method"
        if item.anonymise != SUPPRESS and (item in naming(dataset) or item.name in ties(dataset)):
            yield item.name, f"`{item.name}` leads to the person", "write `anonymise: suppress`"
