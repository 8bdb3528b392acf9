"""Portability (GDPR Art. 20): what a person provided, in a form that another system can load.

The files are those of `package`, without a page: datapackage.json describes the tables, and
answer.json says what is in it, on which ground, what was left out and why.

In it is what she gave and what was observed of her, where it is processed on consent or a
contract; nothing that was inferred, bought or written about her.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from kept.controller import Controller, Place
from kept.controller.naming import THEIRS
from kept.controller.others import Covering
from kept.datamap.map import Dataset, Field, Owner
from kept.decide.facts import known_basis
from kept.duties.rights import travelling
from kept.duties.rights.choice import known_region
from kept.duties.rights.covered import Covered, covered_of
from kept.duties.rights.covering import coverage
from kept.duties.rights.doubt import refuse_several
from kept.duties.rights.package import Package, refuse_target
from kept.duties.rights.request import (
    Request,
    open_case,
    require_known_asker,
    searched,
    step_document,
)
from kept.duties.rights.tables import Columns
from kept.errors import KeptError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Counts, StepResult
from kept.model.select import Batch, KeyTable
from kept.model.values import Value
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.declared import SYSTEM
from kept.terms.identifiers import Identifier
from kept.terms.origins import PORTABLE, origin_of
from kept.terms.vocabulary import Vocabulary

#: Bases whose data is hers to take along.
_GROUNDS: Final = ("consent", "contract")
_BEGUN: Final = (State.EXECUTING, State.EXECUTED, State.CHECKED)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What of hers is not in the package: fields by name or rows by their number, and why."""

    where: str
    fields: tuple[str, ...]
    rows: int
    why: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "where": self.where, "fields": list(self.fields), "rows": self.rows, "why": self.why,
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


@dataclass(frozen=True, slots=True)
class Portable:
    """What of a dataset is hers to take along.

    `fields` in the order of the map, keys and links among them; `stamp` the field that says of
    each row on which basis it was collected; `ground` that of the activities it serves, where
    that is one; `texts` free text that somebody else may have written, where one of `staff`
    stands in the row.
    """

    fields: tuple[str, ...]
    stamp: str | None
    ground: str | None
    texts: tuple[str, ...] = ()
    staff: tuple[str, ...] = ()


@dataclass(slots=True)
class _Table:
    """What became of one dataset while it was written."""

    file: str = ""
    read: int = 0
    given: int = 0
    grounds: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    texts: int = 0


def portable(controller: Controller, dataset: Dataset, region: str) -> Portable | None:
    """What of the rows of a dataset is hers to take along in a region; None where nothing is."""
    words = controller.bundle.vocabulary
    hers = [
        f
        for f in dataset.fields.values()
        if _origin(words, f) in PORTABLE and not f.secret and f.others not in THEIRS
    ]
    links = {
        name_ for link in dataset.links if link.kind is not Owner.ACCESSED for name_ in link.fields
    }
    if not [f for f in hers if f.name not in dataset.key and f.name not in links]:
        return None
    register = controller.rules.register
    bases = {
        basis
        for activity in controller.rules.register.sound
        if activity.id in dataset.activities
        and (basis := register.basis(activity, region)) is not None
    }
    ground = next((g for g in _GROUNDS if g in bases), None)
    stamp = next((f.name for f in dataset.fields.values() if f.stamp == "basis"), None)
    if ground is None and stamp is None:
        return None
    chosen = {f.name for f in hers} | set(dataset.key) | links
    staff = [n for li in dataset.links if li.kind is Owner.ACCESSED for n in li.fields]
    return Portable(
        tuple(f for f in dataset.fields if f in chosen), stamp, ground,
        tuple(f.name for f in hers if f.free_text), tuple(staff),
    )  # fmt: skip


def port(
    controller: Controller, request: Request, now: dt.datetime, *, out: Path,
    region: str = "unknown",
) -> PortAnswer:  # fmt: skip
    """Find, read and pack what is hers to take along; the package is written to `out`.

    `region` is the one whose legal bases apply to her. Raises UsageError where `out` is
    anything that exists, or lies in no directory.
    """
    refuse_target(out)
    region = known_region(region)
    case, actor, people = open_case(controller, "portability", request, now)
    require_known_asker(case)
    with controller.cases.alone(case) as case:
        if case.state is State.CLOSED:
            raise UsageError(
                f"case {case.id} is closed: its package was made",
                fix="open a new case for the same person",
            )
        return _serve(controller, case, actor, people, now, out, region)


def _serve(
    controller: Controller, case: Case, actor: Actor, people: Sequence[Sequence[Identifier]],
    now: dt.datetime, out: Path, region: str,
) -> PortAnswer:  # fmt: skip
    found = controller.locate(people)
    keys = controller.keys(found)
    refuse_several(controller, case, people, keys)
    covering = controller.covering(people, keys)
    found.unreached.update(covering.unreached)
    found.warnings += coverage(controller, case, keys, now).words
    left: list[LeftOut] = []
    wanted: dict[Place, Portable] = {}
    for place, table in keys.items():
        if place[0] == SYSTEM.name:
            continue  # what Kept holds, it holds to carry out the law
        dataset = controller.datamap.dataset(*place)
        what = portable(controller, dataset, region)
        left += _fields_left(controller, place, dataset)
        if what is None:
            why = "nothing she provided is in it, or it rests on neither consent nor contract"
            left.append(LeftOut(".".join(place), (), len(table.values), why))
        else:
            wanted[place] = what
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
            if made.elsewhere:
                why = "these rows rest on neither consent nor contract"
                left.append(LeftOut(".".join(place), (), made.elsewhere, why))
            if made.texts:
                why = "others of the organisation had a part in it"
                left.append(LeftOut(".".join(place), wanted[place].texts, made.texts, why))
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
                {"where": ".".join(place), "file": t.file, "rows": t.given,
                 "grounds": t.grounds}
                for place, t in tables.items()
            ],
            "left_out": [one.document() for one in left],
            "covered": [one.document() for one in covered_of(controller, covering)],
            "unreached": [{"system": s, "why": why} for s, why in unreached],
        }  # fmt: skip
        package.rules = travelling.rules(controller, people, tables, now)
        manifest = package.ended(answer, bundle.organisation.name)
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
            for state in states[2:] if case.state in _BEGUN else states:
                case = controller.cases.move(case, state, actor, now, connection=connection)
            controller.ledger.append_in(connection, [Entry("access.given", now, body)])
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
            controller.cases.finish(case, complete, actor, now, connection=connection)
            controller.ledger.append_in(connection, [Entry("case.closed", now, closed)])
    return PortAnswer(
        case.id, complete, steps, tuple(left), unreached, found.warnings, out, manifest,
        covered_of(controller, covering),
    )  # fmt: skip


def _origin(words: Vocabulary, item: Field) -> str | None:
    return origin_of(words, item.category, item.origin)


def _fields_left(controller: Controller, place: Place, dataset: Dataset) -> Iterator[LeftOut]:
    """Her fields that are not provided or observed, by why."""
    words = controller.bundle.vocabulary
    why = {
        "derived": "made of other data",
        "others": "given by others",
        "own": "written by the organisation for itself",
        None: "the map does not say where it comes from",
    }
    for origin, reason in why.items():
        names = tuple(
            f.name
            for f in dataset.personal
            if _origin(words, f) == origin and not f.secret and f.others not in THEIRS
        )
        if names:
            yield LeftOut(".".join(place), names, 0, reason)
    named = tuple(f.name for f in dataset.fields.values() if f.others in THEIRS)
    if named:
        yield LeftOut(".".join(place), named, 0, "it names somebody else")
    if dataset.secrets:
        reason = "it proves who she is: whoever reads it could pass for her"
        yield LeftOut(".".join(place), dataset.secrets, 0, reason)


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
        title = dataset.title or dataset.name
        _, made.file = self._table(*place, title, columns, rows(), dataset)
        return made

    def ended(self, answer: Mapping[str, Any], organisation: str) -> str:
        """Write what is in it and seal it; SHA-256 (hex) of the manifest."""
        title = f"What you provided to {organisation}"
        self.describe("portability", title)
        self._write("answer.json", answer)
        self.read_me(
            f"{title}\n\nTo take along: another service can load these tables by their schema."
        )
        return self.seal()


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
            if ground not in _GROUNDS:
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
