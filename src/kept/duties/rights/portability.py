"""Portability (GDPR Art. 20): what a person provided, in a form that another system can load.

The files are those of `package`: datapackage.json describes the tables; answer.json, and
index.html for her, say what is in it, on which ground, what was left out and why.

What is hers to take along `portable` judges; what is left out is named, field by field, with why.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from kept.controller import Controller, Place
from kept.controller.others import Covering
from kept.decide.facts import known_basis
from kept.duties.rights import parts, redaction, travelling
from kept.duties.rights.about import fielded, readable, sources, titled
from kept.duties.rights.choice import known_region, region_in
from kept.duties.rights.covered import Covered, covered_of
from kept.duties.rights.covering import coverage
from kept.duties.rights.doubt import refuse_several
from kept.duties.rights.language import language_of
from kept.duties.rights.package import Package, refuse_target
from kept.duties.rights.portable import (
    GROUNDS,
    TOLD,
    UNDECIDED,
    WORDS,
    Portable,
    Why,
    portable,
)
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.receipts import title
from kept.duties.rights.request import (
    Request,
    open_case,
    searched,
    step_document,
)
from kept.duties.rights.tables import Columns
from kept.errors import KeptError, StoreError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Counts, StepResult
from kept.model.select import Batch, KeyTable
from kept.model.values import Value
from kept.policy.spoken import own, speaking
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.declared import SYSTEM
from kept.records.part import refused
from kept.terms import tongues
from kept.terms.identifiers import Identifier
from kept.terms.tongues import say

_BEGUN: Final = (State.EXECUTING, State.EXECUTED, State.CHECKED)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of hers is not in the package, and why.

    `fields` by name; `rows`: in how many rows, 0 in all of them; `whole`: these rows are not in
    the package at all (0: whatever lies there, for nobody counted it).
    """

    where: str
    fields: tuple[str, ...]
    rows: int
    reason: Why
    whole: bool = False

    @property
    def why(self) -> str:
        """In words, for whoever answers her."""
        return WORDS[self.reason]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "where": self.where, "fields": list(self.fields), "rows": self.rows,
            "whole": self.whole, "reason": self.reason.value, "why": self.why,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class PortAnswer:
    """What was given along. `steps`: rows in the package by dataset; `left_out` the rest.

    `complete` False while a system could not be asked, or rows changed while they were read.
    """

    case: str
    complete: bool
    steps: tuple[StepResult, ...]
    left_out: tuple[LeftOut, ...]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    package: Path
    manifest: str
    covered: tuple[Covered, ...] = ()

    def document(self) -> dict[str, Any]:
        """The answer as JSON; no values of rows."""
        return {
            "case": self.case,
            "right": "portability",
            "complete": self.complete,
            "steps": [step_document(s) for s in self.steps],
            "left_out": [one.document() for one in self.left_out],
            "unreached": [{"store": s, "why": why} for s, why in self.unreached],
            "warnings": list(self.warnings),
            "covered": [one.document() for one in self.covered],
            "package": str(self.package),
            "manifest_sha256": self.manifest,
        }


@dataclass(slots=True)
class _Table:
    """What became of one dataset while it was written."""

    file: str = ""
    schema: str = ""
    read: int = 0
    given: int = 0
    grounds: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    texts: int = 0


def port(
    controller: Controller, request: Request, now: dt.datetime, *, out: Path,
    region: str = "unknown",
) -> PortAnswer:  # fmt: skip
    """Find, read and pack what is hers to take along; the package is written to `out`.

    `region` is the one whose legal bases apply to her, by default that of the case. Raises
    UsageError where `out` is anything that exists, or lies in no directory.
    """
    refuse_target(out)
    region = known_region(region)
    case, actor, people = open_case(controller, "portability", request, now)
    require_known_asker(controller, case)
    region = region_in(controller, case, region)
    with controller.cases.alone(case) as case:
        if case.state is State.CLOSED:
            raise UsageError(
                f"case {case.id} is closed: its package was made",
                fix="open a new case for the same person",
            )
        with speaking(controller.bundle, language_of(controller, case)):
            return _serve(controller, case, actor, people, now, out, region)


def _serve(
    controller: Controller, case: Case, actor: Actor, people: Sequence[Sequence[Identifier]],
    now: dt.datetime, out: Path, region: str,
) -> PortAnswer:  # fmt: skip
    stayed = controller.retained(case, people)
    found = controller.locate(people)
    found.unreached.update(stayed.unread)
    found.warnings += stayed.words
    keys = controller.keys(found)
    refuse_several(controller, case, people, keys)
    covering = controller.covering(people, keys)
    guard = redaction.guard(controller, case, covering, now)
    found.unreached.update(covering.unreached)
    found.warnings += coverage(controller, case, keys, now).words
    left: list[LeftOut] = []
    wanted: dict[Place, Portable] = {}
    apart = parts.of(controller, case)
    for place, table in keys.items():
        if refused(apart, place):
            continue
        if place[0] == SYSTEM.name:
            continue  # what Kept holds, it holds to carry out the law
        dataset = controller.datamap.dataset(*place)
        what = portable(controller, dataset, region)
        # What people serve was not looked into: how much lies there is not known.
        served = controller.abilities[place[0]].word
        where, rows = ".".join(place), 0 if served else len(table.values)
        if what.why is not None:
            left.append(LeftOut(where, tuple(dataset.fields), rows, what.why, True))
        else:
            wanted[place] = what
            left += [LeftOut(where, names, 0, why) for why, names in what.left.items()]
    left += _unmapped(controller, wanted)
    for place, table in stayed.tables.items():
        if place[0] != SYSTEM.name and not refused(apart, place):
            fields = tuple(controller.datamap.dataset(*place).fields)
            left.append(LeftOut(".".join(place), fields, len(table.values), Why.KEPT, True))
    found.selects = {
        system: tuple(s for s in selects if (system, s.dataset) in wanted)
        for system, selects in found.selects.items()
    }
    found.selects = {system: selects for system, selects in found.selects.items() if selects}
    tables: dict[Place, _Table] = {}
    with _PortPackage(out, now, controller.bundle.vocabulary) as package:
        for place, group in itertools.groupby(controller.read(found), key=itemgetter(0)):
            tables[place] = package.along(
                controller, covering, place, wanted[place], (batch for _, batch in group)
            )
        steps = tuple(_step(place, wanted, tables, keys[place]) for place in wanted)
        unreached = tuple(sorted(found.unreached.items()))
        for place, made in tables.items():
            where, what = ".".join(place), wanted[place]
            if made.elsewhere:
                every = tuple(controller.datamap.dataset(*place).fields)
                left.append(LeftOut(where, every, made.elsewhere, Why.GROUND, True))
            if made.texts:
                left.append(LeftOut(where, what.texts, made.texts, Why.TEXTS))
        complete = searched(controller, people) and not unreached
        complete = complete and all(s.verified for s in steps)
        bundle = controller.bundle
        answer = {
            "case": case.id,
            "right": "portability",
            "made_at": now.isoformat(),
            "complete": complete,
            "controller": bundle.organisation.name,
            "policy": {"id": bundle.id, "version": bundle.version.isoformat()},
            "region": region,
            "tables": [
                {"where": ".".join(place), "file": t.file.removesuffix("json") + "csv",
                 "rows": t.given,
                 "grounds": t.grounds}
                for place, t in tables.items()
            ],
            "left_out": [one.document() for one in left],
            "covered": [one.document() for one in covered_of(controller, covering)],
            "refused": parts.documents(controller, case, apart, region),
            "others_left_out": guard.document() if guard else None,
            "unreached": [{"system": s} for s, _ in unreached],
        }  # fmt: skip
        package.rules = travelling.rules(controller, people, tables, now)
        manifest = package.ended(answer, _page(controller, wanted, tables, left, answer, now))
        passed = guard.pass_(package.whole, actor, now) if guard else ()
        body: dict[str, Any] = {
            "case": case.id,
            "package": manifest,
            "rows": sum(t.given for t in tables.values()),
            "datasets": len(tables),
            "known": len(controller.datamap.systems),
            "unreached": [name(s) for s, _ in unreached],
            "right": "portability",
        }
        states = (State.PLANNED, State.APPROVED, State.EXECUTING, State.EXECUTED)
        with controller.database.connection() as connection:
            way = states[2:] if case.state in _BEGUN else states
            case = controller.cases.move(case, way, actor, now, connection=connection)
            noted = controller.noted(actor, [case.id], body["rows"], now, connection=connection)
            scanned = [e._replace(body={**e.body, "package": manifest}) for e in passed]
            controller.ledger.append_in(
                connection, [Entry("access.given", now, body), *scanned, *noted]
            )
        try:
            package.place()
        except (KeptError, OSError):
            why = "the package could not be given its name; nothing was handed out"
            controller.cases.move(case, State.CHECKED, actor, now, words=why)
            raise
        closed = {
            "case": case.id,
            "right": "portability",
            "complete": complete,
            "package": manifest,
            "steps": len(steps),
            "found": sum(s.counts.found for s in steps),
            "unreached": [name(s) for s, _ in unreached],
        }
        with controller.database.connection() as connection:
            controller.cases.record_reads(case, steps, now, connection=connection)
            controller.cases.finish(case, complete, actor, now, connection=connection)
            # Of one that is not complete another is made, with the same left out.
            if guard and complete:
                guard.end(actor, now, connection)
            controller.ledger.append_in(connection, [Entry("case.closed", now, closed)])
    return PortAnswer(
        case.id, complete, steps, tuple(left), unreached, found.warnings, out, manifest,
        covered_of(controller, covering),
    )  # fmt: skip


def _unmapped(controller: Controller, places: Iterable[Place]) -> Iterator[LeftOut]:
    """Columns of her rows that are there and that the map does not name: nothing reads them."""
    inspector = controller.inspect()
    wanted = sorted(places)
    for system in dict.fromkeys(system for system, _ in wanted):
        try:
            there = {d.name: d for d in inspector.reality(system)}
        except StoreError:
            continue  # away: the answer names it as such
        for place in wanted:
            if place[0] == system and place[1] in there:
                known = controller.datamap.dataset(*place).fields
                names = tuple(n for n in there[place[1]].fields if n not in known)
                if names:
                    yield LeftOut(".".join(place), names, 0, Why.UNMAPPED)


def _step(
    place: Place, wanted: Mapping[Place, Portable], tables: Mapping[Place, _Table], keys: KeyTable
) -> StepResult:
    """Verified when as many rows were read as are there, found on another way: by key."""
    made = tables.get(place)
    read, given = (made.read, made.given) if made else (0, 0)
    there = len(keys.values)
    problem = None if read == there else "the rows changed while they were read; ask again"
    return StepResult(*place, Action.READ, Counts(found=given), read == there, None, problem)


class _PortPackage(Package):
    """A package of tables, each as CSV and as JSON, with their schema."""

    def along(
        self, controller: Controller, covering: Covering, place: Place, what: Portable,
        batches: Iterator[Batch],
    ) -> _Table:  # fmt: skip
        """Stream the rows of one dataset into its two files."""
        dataset = controller.datamap.dataset(*place)
        made = _Table()

        def rows() -> Iterator[Sequence[Value]]:
            for row in _rows(controller, what, made, batches):
                made.given += 1
                yield from covering.rows(place, what.fields, [row])

        columns = Columns(what.fields, dataset)
        made.file, _ = self._table(*place, titled(dataset), columns, rows(), dataset)
        made.schema = made.file.replace("data/", "schema/", 1)
        return made

    def ended(self, answer: Mapping[str, Any], page: Mapping[str, Any]) -> str:
        """Write what is in it and seal it; SHA-256 (hex) of the manifest."""
        title = page["title"]
        self.describe("portability", title)
        self._write("answer.json", answer)
        self.page("portable.html.j2", {**page, "answer": answer})
        self.read_me(
            f"{title}\n\n"
            + say(
                "Open index.html in any browser: it lists what is in here, and what is not and"
                " why.\nAnother service can load the tables by their schema (datapackage.json)."
            )
        )
        return self.seal()


def _page(
    controller: Controller, wanted: Mapping[Place, Portable], tables: Mapping[Place, _Table],
    left: Sequence[LeftOut], answer: Mapping[str, Any], now: dt.datetime,
) -> dict[str, Any]:  # fmt: skip
    """What index.html is made of: each table with its fields, and what was left out with why."""
    bundle = controller.bundle
    words = bundle.vocabulary
    language = tongues.spoken().language
    shown = []
    for place, made in tables.items():
        dataset = controller.datamap.dataset(*place)
        shown.append(
            {
                "title": titled(dataset),
                "system": controller.datamap.systems[place[0]].title or place[0],
                "rows": made.given,
                "sources": sources(bundle, dataset, wanted[place].fields),
                "grounds": [(own(words.bases[g].label), n) for g, n in made.grounds.items()],
                "files": [made.file.removesuffix("json") + "csv", made.file, made.schema],
                "fields": [
                    fielded(bundle, dataset, dataset.fields[name]) for name in wanted[place].fields
                ],
            }
        )
    out: dict[str, dict[str, Any]] = {}
    for one in left:
        system, _, name_ = one.where.partition(".")
        dataset = controller.datamap.dataset(system, name_)
        group = out.setdefault(
            one.where,
            {"title": titled(dataset), "reasons": [],
             "system": controller.datamap.systems[system].title or system},
        )  # fmt: skip
        names = [readable(n) for n in one.fields]
        group["reasons"].append(
            {"fields": names, "rows": one.rows, "whole": one.whole, "why": TOLD[one.reason]}
        )
    return {
        "language": language,
        "title": say("What you provided to {who}", who=bundle.organisation.name),
        "organisation": bundle.organisation,
        "made_words": tongues.day(now.astimezone(dt.UTC).date()),
        "tables": shown,
        "left": list(out.values()),
        "undecided": any(one.reason in UNDECIDED for one in left),
        "unreached": [title(controller, u["system"]) for u in answer["unreached"]],
    }  # fmt: skip


def _rows(
    controller: Controller, what: Portable, made: _Table, batches: Iterator[Batch]
) -> Iterator[list[Value]]:
    """The rows that rest on consent or a contract, without the words of others."""
    words = controller.bundle.vocabulary
    for batch in batches:
        at = {column: i for i, column in enumerate(batch.columns)}
        for row in batch.rows:
            made.read += 1
            said = row[at[what.stamp]] if what.stamp is not None else None
            ground = what.ground if said is None else known_basis(words, str(said))
            if ground not in GROUNDS:
                made.elsewhere += 1
                continue
            made.grounds[ground] = made.grounds.get(ground, 0) + 1
            others = any(row[at[field]] is not None for field in what.staff)
            values = [row[at[field]] for field in what.fields]
            if others and what.texts:
                made.texts += 1
                values = [
                    None if field in what.texts else value
                    for field, value in zip(what.fields, values, strict=True)
                ]
            yield values
