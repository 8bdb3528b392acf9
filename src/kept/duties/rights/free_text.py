"""A person in texts of others: what is planned, what is left of it, what she is shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from kept.controller import Controller, Place
from kept.controller.mentions import Mentions, searched, unread_texts
from kept.controller.naming import Compared
from kept.controller.others import Covering
from kept.controls.registry import Finding, Looked, control, unasked
from kept.datamap.map import OnErase
from kept.decide import due, mentions, reasons
from kept.decide.obstacles import unsearched as nowhere
from kept.decide.ties import Key, norm
from kept.duties.rights.package import Package
from kept.duties.rights.whose import strangers, without
from kept.errors import StoreError
from kept.model.plan import Plan
from kept.model.select import KeyTable
from kept.records.hold import Hold
from kept.terms.identifiers import Identifier

#: People of each dataset that are looked for in texts by the control.
SAMPLE: Final = 25
_HELD: Final = "a hold keeps these records"


def sought_by(
    controller: Controller,
    people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable],
) -> list[list[Identifier]]:
    """By what texts of others are searched for people whose rows are `found`."""
    known = controller.texts.known_by(people, found)
    # Where no text is searched nothing else is asked for it.
    if not searched(controller.datamap):
        return known
    theirs, _ = strangers(controller, people, found)
    return without(known, theirs)


def redacted(
    controller: Controller,
    plan: Plan,
    people: Sequence[Sequence[Identifier]],
    found: Mapping[Place, KeyTable],
    now: dt.datetime,
    strange: Collection[Compared] = (),
) -> Plan:
    """The plan with what becomes of texts of others that name the people; `strange` are addresses
    in their rows that are somebody else's.
    """
    about = without(controller.texts.known_by(people, found), strange)
    hers, goes = _hers(plan, found)
    met = controller.texts.mentions(about, hers)
    away = {**met.unreached, **dict(plan.unreached)}
    datamap = controller.realised({one.place[0] for one in met.found})
    needles = [tuple(dict.fromkeys((i.kind, i.value) for i in one)) for one in about]
    rows = [
        (m.person, m.place, m.key, m.field)
        for m in met.found
        if m.field not in goes.get((m.place, norm(m.key)), ())
    ]
    made = mentions.redacted(
        plan,
        datamap,
        rows,
        needles,
        _spared(controller, met, now),
        controller.abilities,
        met.unable,
    )
    said = [
        f"{rows} texts of `{place[1]}` of `{place[0]}` name the person and stay as they are:"
        " they are retained for somebody else"
        for place, rows in sorted(met.spared.items())
    ]
    return replace(made, unreached=tuple(sorted(away.items())), warnings=(*made.warnings, *said))


def _hers(
    plan: Plan, found: Mapping[Place, KeyTable]
) -> tuple[dict[Place, KeyTable], dict[tuple[Place, Key], Container[str]]]:
    """Her rows without those that stay somebody else's, where she may be named in what stays; and
    which fields of these go anyway.
    """
    goes: dict[tuple[Place, Key], Container[str]] = {
        ((s.system, s.dataset), norm(key)): s.assign.keys()
        for s in plan.steps
        if s.reason is not None and reasons.theirs(s.reason.words)
        for key in s.keys.values
    }
    hers = {
        place: KeyTable(
            table.fields, tuple(r for r in table.rows if (place, norm(r[1])) not in goes)
        )
        for place, table in found.items()
    }
    return hers, goes


def left(
    controller: Controller,
    about: Sequence[Sequence[Identifier]],
    own: Mapping[Place, KeyTable],
    now: dt.datetime,
) -> tuple[dict[tuple[Place, Key], set[int]], dict[str, str]]:
    """Texts that still name people although all steps are done, whom; systems not asked."""
    met = controller.texts.mentions(about, own)
    spared = _spared(controller, met, now)
    rows: dict[tuple[Place, Key], set[int]] = {}
    for m in met.found:
        if spared(m.place, norm(m.key)) is None:
            rows.setdefault((m.place, norm(m.key)), set()).add(m.person)
    return rows, met.unreached


def _spared(controller: Controller, met: Mentions, now: dt.datetime) -> Callable[
    [Place, Key], str | None
]:  # fmt: skip
    """Why no passage is taken out of a row: a law keeps its dataset, or a hold does, or keeps
    whose row it is.
    """
    if not met.found:
        return lambda place, key: None
    laws = due.laws(controller.bundle.retention)
    holds = controller.holds.all(now)
    every: dict[Place, str] = {}
    for place in met.rows():
        if controller.datamap.dataset(*place).retention in laws:
            every[place] = "a law keeps these records"
        elif any(h.subject is None and h.covers(*place) for h in holds):
            every[place] = _HELD
    met_in = list(met.rows())
    named = [h for h in holds if h.subject is not None and any(h.covers(*p) for p in met_in)]
    kept = theirs(controller, named) if named else {}
    return lambda place, key: every.get(place) or (_HELD if key in kept.get(place, ()) else None)


def theirs(controller: Controller, holds: Sequence[Hold]) -> dict[Place, set[Key]]:
    """Rows of people on whom somebody placed a hold that covers them, also what is retained."""
    people = [
        [one for one, _ in controller.subjects.identifiers(h.subject)] if h.subject else []
        for h in holds
    ]
    found: dict[Place, set[Key]] = {}
    for place, table in controller.keys(controller.locate(people), retained=True).items():
        rows = {norm(key) for who, key in table.rows if holds[who].covers(*place)}
        found[place] = rows
    return found


def unread(controller: Controller, unreached: Container[str]) -> Iterator[str]:
    """Where nobody is looked for in what others wrote, for whoever approves an erasure."""
    for system, dataset in unread_texts(controller.datamap):
        if system not in unreached:
            yield (
                f"what others wrote in `{dataset}` of `{system}` is not searched: the map does not"
                " say what becomes of people there; write `free_text: redact` or `delete`"
            )


def unsearched(met: Mentions) -> dict[str, str]:
    """System → why not all that was written there of her is known."""
    return {
        system: f"`{dataset}`: {nowhere(dataset).words}. {nowhere(dataset).fix}"
        for system, dataset in met.unable
    }


def write(
    controller: Controller, package: Package, met: Mentions, covering: Covering
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What others wrote about her, into the package: (for programs, for the page)."""
    told, shown = [], []
    for place in dict.fromkeys(one.place for one in met.found):
        rows = [
            (m.field, covering.text(place, text, masked, field=m.field))
            for m in met.found
            if m.place == place
            for text, masked in m.passages
        ]
        data = package.data(place[0], f"{place[1]}.mentions", [(None, ("field", "passage"), rows)])
        system = controller.datamap.systems[place[0]]
        title = system.datasets[place[1]].title or place[1]
        texts = sum(m.place == place for m in met.found)
        told.append({"system": place[0], "dataset": place[1], "title": title, "texts": texts})
        part = data.parts[None]
        where = {
            "title": title,
            "system": system.title or place[0],
            "file": data.file,
            "table": data.table,
            "secrets": (),
            "covered": 0,
        }
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
                yield unasked(where, problem)
                continue
            if missed:
                yield Finding(where, f"{missed} texts name a person and were not found for her")
            yield Looked(looked, where, system)
