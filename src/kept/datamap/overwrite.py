"""What is written over a row that must stay when the person in it goes."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

from kept.datamap.map import Dataset, Field, System
from kept.errors import MapError
from kept.model.change import Assignment, Const, Template
from kept.model.values import Value, coerce
from kept.terms.vocabulary import SHIPPED

_TEXTS = ("text", "json", "other")


def assignment(item: Field) -> Const | Template:
    """What is written over the field; MapError where its type cannot hold what the map says."""
    if item.overwrite is None:
        return Const(None)
    value: Value
    if any(name is not None for _, name, _, _ in string.Formatter().parse(item.overwrite)):
        if item.type in _TEXTS:
            return Template(item.overwrite)
        value = None
    else:
        text = item.overwrite.replace("{{", "{").replace("}}", "}")
        if item.type in _TEXTS:
            value = text
        elif item.type == "boolean":
            value = {"true": True, "false": False}.get(text)
        else:
            value = coerce(text, item.type)
    if value is None:
        raise MapError(
            f"`{item.name}` cannot hold what `overwrite:` says",
            expected=f"a value of type {item.type}",
            fix=f"write a value of type {item.type} there",
        )
    return Const(value)


def standing(system: System, dataset: Dataset) -> frozenset[str]:
    """Fields that an overwriting leaves: the key, and account numbers that tie rows together.

    A number that only ties rows together says nothing once the row it leads to is empty;
    an e-mail address does, so a link by e-mail is written over like any other field.
    """
    ties = {
        name
        for link in dataset.links
        if link.system is None and link.to in system.datasets
        for name in link.fields
    }
    numbers = {name for name in ties if name in dataset.fields and _number(dataset.fields[name])}
    return frozenset(dataset.key) | numbers


def written(system: System, dataset: Dataset) -> Mapping[str, Assignment]:
    """Field → what an overwriting puts there, for every personal field that can go.

    What the engine computes follows from the others and cannot be written.
    """
    keep = standing(system, dataset)
    return {
        item.name: assignment(item)
        for item in dataset.personal
        if item.name not in keep and item.computed is None
    }


def stuck(system: System, dataset: Dataset) -> list[tuple[str, str, str]]:
    """Why a row could not be emptied: (kind of obstacle, what, fix); none when it can."""
    keep = standing(system, dataset)
    found = []
    for item in dataset.personal:
        name = item.name
        if name in dataset.key and not _number(item):
            what = f"`{name}` names the row and is personal itself, so it would stay"
            fix = f"give `{dataset.name}` a key that says nothing about a person, or wait until"
            found.append(("other", what, f"{fix} nothing keeps the rows that refer to it"))
        elif item.computed is not None:
            found += _computed(dataset, item, keep)
        elif name not in keep and item.overwrite is None and not item.nullable:
            what = f"`{name}` may not be null, and the map does not say what else to write"
            fix = f"say under `overwrite:` of `{dataset.name}.{name}` what shall stand there"
            found.append(("not-null", what, fix))
    return found


def _computed(
    dataset: Dataset, item: Field, keep: frozenset[str]
) -> Iterator[tuple[str, str, str]]:
    """Why a field that the engine computes would keep the person; nothing when it follows from
    fields that are written over (and, beside them, from such as stay anyway).
    """
    written_over = {f.name for f in dataset.personal if f.name not in keep and f.computed is None}
    todo, seen = list(item.computed or ()), {item.name}
    left, gone = [], False
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        source = dataset.fields.get(name)
        if source is not None and source.computed is not None:
            todo += source.computed
        elif name in written_over:
            gone = True
        elif name not in keep:
            left.append(name)
    if left or not gone:
        of = ", ".join(f"`{name}`" for name in sorted(left)) or "nothing that is written over"
        what = f"the engine computes `{item.name}` from {of}, so it would stay"
        fix = f"give what `{dataset.name}.{item.name}` is computed from a category and say under"
        yield "other", what, f"{fix} `overwrite:` what shall stand there, or map it as not personal"


def _number(item: Field) -> bool:
    return item.category is None or SHIPPED.within(
        "categories", item.category, "identifier.account"
    )
