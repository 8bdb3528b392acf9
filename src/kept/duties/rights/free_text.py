"""A person in texts of others: what is planned, what is left of it, what she is shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kept.controller import Controller, Place
from kept.controller.mentions import Mentions, searched
from kept.controls.registry import Finding, Looked, control
from kept.datamap.map import OnErase
from kept.decide import due, mentions
from kept.duties.rights.package import Package
from kept.errors import StoreError
from kept.model.plan import Plan
from kept.model.select import KeyTable
from kept.terms.identifiers import Identifier

#: People of each dataset that are looked for in texts by the control.
SAMPLE: Final = 25


def redacted(
    controller: Controller,
    plan: Plan,
    people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable],
    now: dt.datetime,
) -> Plan:
    """The plan with what becomes of texts of others that name the people."""
    about = controller.known_by(people, found)
    met = controller.mentions(about, found)
    away = {**met.unreached, **dict(plan.unreached)}
    datamap = controller.realised({one.place[0] for one in met.found})
    needles = [tuple(dict.fromkeys((i.kind, i.value) for i in one)) for one in about]
    rows = [(m.person, m.place, m.key, m.field) for m in met.found]
    made = mentions.redacted(plan, datamap, rows, needles, _spared(controller, met, now))
    return replace(made, unreached=tuple(sorted(away.items())))


def left(
    controller: Controller,
    about: Sequence[Sequence[Identifier]],
    own: Mapping[Place, KeyTable],
    now: dt.datetime,
) -> tuple[dict[Place, int], dict[str, str]]:
    """Place → texts that still name her although all steps are done; systems not asked."""
    met = controller.mentions(about, own)
    spared = _spared(controller, met, now)
    return {p: n for p, n in met.rows().items() if p not in spared}, met.unreached


def _spared(controller: Controller, met: Mentions, now: dt.datetime) -> dict[Place, str]:
    """Datasets out of which no passage is taken, and why."""
    laws = due.laws(controller.bundle.retention)
    holds = controller.holds.applying([], now)
    spared: dict[Place, str] = {}
    for place in met.rows():
        if controller.datamap.dataset(*place).retention in laws:
            spared[place] = "a law keeps these records"
        elif any(h.covers(*place) for h in holds):
            spared[place] = "a hold keeps these records"
    return spared


def write(
    controller: Controller, package: Package, met: Mentions
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What others wrote about her, into the package: (for programs, for the page)."""
    told, shown = [], []
    for place in dict.fromkeys(one.place for one in met.found):
        rows = [(m.field, text) for m in met.found if m.place == place for text in m.passages]
        data = package.data(place[0], f"{place[1]}.mentions", [(None, ("field", "passage"), rows)])
        system = controller.datamap.systems[place[0]]
        title = system.datasets[place[1]].title or place[1]
        texts = sum(m.place == place for m in met.found)
        told.append({"system": place[0], "dataset": place[1], "title": title, "texts": texts})
        part = data.parts[None]
        where = {"title": title, "system": system.title or place[0], "file": data.file}
        shown.append(
            {**where, "columns": list(data.columns), "rows": part.rows, "count": part.count}
        )
    return told, shown


@control("rights.texts-name-nobody-unfound")
def texts_name_nobody_unfound(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Whoever is named in a text of others by an e-mail address is found there.

    For people drawn from the data. The oracle reads the texts one by one and compares letters;
    the answer is found by the engine and by patterns.
    """
    inspector = controller.inspect()
    fields = searched(controller.datamap)
    for system in inspector.systems:
        for dataset in controller.datamap.systems[system].datasets.values():
            where = f"{system}.{dataset.name}"
            unsaid = [f.name for f in dataset.fields.values() if f.free_text and not f.mentions]
            if unsaid and dataset.on_erase is not OnErase.NEVER:
                yield Finding(
                    where,
                    f"people are not looked for in `{unsaid[0]}`, where anything may stand",
                    "write `free_text: redact` there, or `delete`",
                )
            if (system, dataset.name) not in fields:
                continue
            try:
                looked, missed = inspector.mentioned((system, dataset.name), SAMPLE)
            except StoreError as problem:
                yield Finding(where, f"it could not be asked: {problem.what}", problem.fix or "")
                continue
            if missed:
                yield Finding(where, f"{missed} texts name a person and were not found for her")
            yield Looked(looked, where, system)
