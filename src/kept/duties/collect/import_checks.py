"""Are the lists that were brought in what they were declared to be, as they lie in the systems?"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control, unasked
from kept.decide.lines import Reading
from kept.duties.collect.form_checks import LIST_SAMPLES
from kept.errors import StoreError
from kept.model.predicate import And, In, IsNull, Not, Or
from kept.policy.shapes import OURSELVES

#: Names of columns that no import declares.
_STRAY: Final = ("Score of the lead", "Owner of the record", "Remarks of sales")
#: Categories of which a row has its own number, which no list says.
_NUMBERS: Final = "identifier"
#: So long a list may be on its way.
_WAITS: Final = dt.timedelta(days=1)


@control("collect.imports-hold-what-is-declared")
def imports_hold_what_is_declared(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """What a list says beyond its declaration is left out; each row that came by one says of whom,
    on which basis and, where that is asked, from which address and day; none came without an
    agreement, and none is left half-way. There are no more of them than the ledger says.
    """
    bundle, within = controller.bundle, controller.bundle.vocabulary.within
    for one in bundle.imports.values():
        head = [*one.columns, *_STRAY]
        cells = [LIST_SAMPLES[c.type] for c in one.columns.values()] + ["control"] * len(_STRAY)
        reading = Reading(bundle, one, head, now)
        line = reading.line(2, cells)
        if set(line.values) - set(one.columns) or reading.left_out() != _STRAY:
            yield Finding(f"import {one.id}", "a column that is not declared is taken")
        yield Looked(1, "imports")
    inspector = controller.inspect()
    entered: Counter[tuple[str, str]] = Counter()
    for _, entry in controller.ledger.entries(kind="import.stored"):
        if (known := controller.supplies.get(str(entry.body["import"]))) is not None:
            entered[known.place] += int(entry.body["rows"])
    # A batch that is under way is stored before it is entered.
    runs = (controller.supplies.get(run.import_) for run in controller.imports.all()
            if not run.done and run.under_way is not None)  # fmt: skip
    under_way = {one.place for one in runs if one is not None}
    for name, supply in controller.supplies.items():
        declared, (system, dataset) = bundle.imports[name], supply.place
        where, mapped = f"{system}.{dataset}", controller.datamap.dataset(system, dataset)
        activity, stamps = bundle.activities[declared.form.activity], supply.stamps
        ours = Not(IsNull(stamps["mark"]))
        asked = {c.category for c in declared.columns.values()}
        try:
            rows = inspector.count(system, mapped, ours)
            if not rows:
                continue
            more = rows - entered[supply.place]
            if more > 0 and supply.place not in under_way:
                yield Finding(
                    where, f"{more} rows have the mark of an import that the ledger does not have",
                    "find out which program wrote them",
                )  # fmt: skip
            bad = Or((IsNull(stamps["source"]), Not(In(stamps["source"], supply.sources))))
            if declared.needs and "source" in declared.needs:
                bad = Or((IsNull(stamps["source"]),))  # each line says its own
            if count := inspector.count(system, mapped, And((ours, bad))):
                yield Finding(where, f"{count} rows do not say who gave them, or nobody set up")
            bases = tuple(sorted(set(activity.bases.values())))
            unbased = Or((IsNull(stamps["basis"]), Not(In(stamps["basis"], bases))))
            if count := inspector.count(system, mapped, And((ours, unbased))):
                yield Finding(where, f"{count} rows carry no basis of `{activity.id}`")
            for need in declared.needs:
                column = stamps.get(need)
                count = (
                    rows if column is None
                    else inspector.count(system, mapped, And((ours, IsNull(column))))
                )  # fmt: skip
                if count:
                    yield Finding(
                        where, f"{count} rows do not say the {need} of what stands in them",
                        f"name its column under `stamps` of [imports.{name}]",
                    )  # fmt: skip
            for said in declared.columns.values():
                for proof in (said.proof or {}).values():
                    lacks = IsNull(supply.fields.get(proof, proof))
                    agreed = In(stamps["basis"], ("consent",))
                    if count := inspector.count(system, mapped, And((ours, agreed, lacks))):
                        yield Finding(
                            where, f"{count} rows rest on a consent of which `{proof}` is missing"
                        )
            for field in mapped.fields.values():
                category = field.category
                if category is None or within("categories", category, _NUMBERS):
                    continue
                if any(within("categories", category, c) or within("categories", c, category)
                       for c in asked):  # fmt: skip
                    continue
                filled = And((ours, Not(IsNull(field.name))))
                if count := inspector.count(system, mapped, filled):
                    yield Finding(
                        where,
                        f"{count} rows of the import {name} hold {category} (`{field.name}`), which"
                        " it does not declare",
                        "find out which program adds it, and declare it or take it out",
                    )
            yield Looked(rows, where, system)
        except StoreError as problem:
            yield unasked(where, problem)
    for run in controller.imports.all():
        where = f"import {run.import_}"
        if not run.done and now - run.changed_at > _WAITS:
            yield Finding(
                where, "a list is half-way since more than a day",
                "bring the same file in again: it goes on where it was cut off",
            )  # fmt: skip
        if run.source != OURSELVES and run.agreement is None:
            yield Finding(where, f"a list of `{run.source}` came by an agreement without a paper",
                          "write `file` under its document in kept.toml")  # fmt: skip
        yield Looked(1, "lists")
