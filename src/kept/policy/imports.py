"""The imports of a bundle: lists of people that may be brought in, and what is amiss with them.

An import is judged as a form is: `Import.form` is what it asks of the judgement. What a form tells
before it is sent an import cannot tell; so it says instead who gives the list, and what each line
has to prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from kept.policy.bundle import Bundle
from kept.policy.forms import asks_how_old
from kept.policy.problem import Problem
from kept.policy.shapes import OURSELVES, Column, Import
from kept.policy.yamlfile import close

#: Types of columns by which a person is known.
NAMING: Final[Mapping[str, str]] = MappingProxyType(
    {"email": "email", "tel": "phone", "account": "account"}
)


def check(bundle: Bundle) -> Iterator[Problem]:
    """What is amiss with the imports beyond their words."""
    for one in bundle.imports.values():
        where = f"imports.yml:{one.line}"
        own = bundle.activities.get(one.form.activity)
        if own is not None and not {"any", one.form.context} & {*own.contexts}:
            what = f"the import {one.id} comes by {one.form.context}, where the activity {own.id}"
            yield Problem(where, f"{what} collects nothing", close(one.form.context, own.contexts))
        known = {*bundle.recipients, *bundle.vocabulary.recipients, OURSELVES}
        for name in one.gives:
            if name not in known:
                what = f"the import {one.id} comes from {name}, who is no recipient and no lane"
                yield Problem(where, what, close(name, known))
        if not any(c.type in NAMING and c.required for c in one.columns.values()):
            what = f"nothing of the import {one.id} says whose a line is"
            fix = f"give it a required column of type {', '.join(NAMING)}"
            yield Problem(where, f"{what}: nobody could object to it", fix)
        lacks = [n for n in one.needs if all(c.says != n for c in one.columns.values())]
        if lacks:
            what = f"each line of the import {one.id} has to say its {lacks[0]}, and no column does"
            yield Problem(where, what, f"write `says: {lacks[0]}` at the column that holds it")
        asked = own is not None and "consent" in own.bases.values()
        if asked and not any(c.consent for c in one.columns.values()):
            what = f"the import {one.id} rests on consent, and no column holds it"
            fix = "add a column with `consent: PURPOSE` and `proof: {when:, words:, where:}`"
            yield Problem(where, what, fix)
        taken: dict[str, str] = {}
        for column in one.columns.values():
            yield from _asked(bundle, one, column)
            for called in (column.name, *column.names):
                first = taken.setdefault(plain(called), column.name)
                if first != column.name:
                    what = f"two columns of the import {one.id} have one name, {first} and"
                    yield Problem(
                        f"imports.yml:{column.line}", f"{what} {column.name}",
                        "call one of them otherwise",
                    )  # fmt: skip


def plain(name: str) -> str:
    """The name of a column as it is compared: without case, and without what joins its words."""
    return " ".join(name.replace("_", " ").replace("-", " ").casefold().split())


def _asked(bundle: Bundle, one: Import, column: Column) -> Iterator[Problem]:
    where, name = f"imports.yml:{column.line}", f"{one.id}.{column.name}"
    if (column.type == "date") != (column.order is not None):
        what = "has days and does not say how they are written" if column.type == "date" else (
            "says how days are written, and has none"
        )  # fmt: skip
        fix = "write `order: year-month-day`" if column.type == "date" else "write `type: date`"
        yield Problem(where, f"{name} {what}", fix)
    if column.consent and column.required:
        what = f"{name} is a consent that has to be given, which is none"
        yield Problem(where, what, "write `required: false`")
    if (column.consent is None) != (column.proof is None):
        what = f"{name} is {'a consent that nothing proves' if column.consent else 'no consent'}"
        fix = "add `proof: {when: …, words: …, where: …}`" if column.consent else "remove `proof:`"
        yield Problem(where, what, fix)
    if column.consent and column.type != "checkbox":
        yield Problem(where, f"{name} is a consent and says neither yes nor no",
                      "write `type: checkbox`")  # fmt: skip
    for kind, other in (column.proof or {}).items():
        there = one.columns.get(other)
        if there is None or (kind == "when" and there.type != "date"):
            what = f"{name} is proved by {other}, which is no column" + (
                " of days" if kind == "when" else ""
            )
            yield Problem(where, what, close(other, one.columns))
    if column.says == "date" and column.type != "date":
        yield Problem(where, f"{name} says a day and is none", "write `type: date` and `order:`")
    if bundle.minimum_age is not None and asks_how_old(bundle, column.name, column.category):
        what = f"{name} says how old somebody is; who is under {bundle.minimum_age} would stand in"
        fix = "remove the column: a list that has one is judged by it all the same"
        yield Problem(where, f"{what} it", fix)
