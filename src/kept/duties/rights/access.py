"""Access (GDPR Art. 15): everything that is held, in a package, from every mapped store."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

from kept.controller import Controller, Located, Place
from kept.controller.others import Covering
from kept.decide.ties import Key, norm
from kept.duties.rights import answer as words
from kept.duties.rights import free_text, own, parts, redaction, travelling
from kept.duties.rights.clock import came
from kept.duties.rights.covered import Covered, covered_of
from kept.duties.rights.covering import Coverage, coverage
from kept.duties.rights.doubt import refuse_several
from kept.duties.rights.former import former, with_former
from kept.duties.rights.language import language_of
from kept.duties.rights.package import Data, Package, refuse_target
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.received import received
from kept.duties.rights.received import words as received_words
from kept.duties.rights.redaction import together
from kept.duties.rights.request import (
    Request,
    open_case,
    refilled,
    refuse_mixed,
    searched,
    step_document,
    verification,
)
from kept.errors import KeptError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Counts, Reason, StepResult
from kept.model.select import Batch, KeyTable, Select
from kept.model.values import Value
from kept.policy.spoken import speaking
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.part import Part, refused
from kept.terms import tongues
from kept.terms.identifiers import Identifier
from kept.terms.tongues import say

#: States in which a package was on its way once, and the way there again; else the way there.
#: Said where a part is refused.
_APART: Final = "A part of what you asked for we do not give you; it is named below."
#: Where nothing else was met: what lies in the part is not said, nor that it was looked through.
_BESIDE: Final = (
    "Beside the part that we do not give you, and that is named below, we met nothing of yours."
)
_BESIDE_NAMED: Final = (
    "Beside the part that we do not give you, and that is named below, we met no record of yours,"
    " but others name you."
)
_BEGUN: Final = frozenset((State.EXECUTING, State.EXECUTED, State.CHECKED))
_WAY: Final = {
    False: (State.PLANNED, State.APPROVED, State.EXECUTING, State.EXECUTED),
    True: (State.EXECUTING, State.EXECUTED),
}

_RUN: Final = (State.EXECUTING, State.EXECUTED)


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """What was found. `package` is the file written, `manifest` the SHA-256 of its manifest.

    `steps` hold what is read, one for the rows in use of a dataset and one more for each reason
    (`StepResult.reason`) for which rows of it stay after an erasure. `complete` False where
    nothing that was given could be searched by. `summary` says it in a sentence or two;
    `not_searched` what was left out, each with why; `covered` how much of other people was;
    `unread` says for the staff where nobody was looked for in what others wrote.
    """

    case: str
    complete: bool
    steps: tuple[StepResult, ...]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    package: Path | None
    manifest: str | None
    summary: str
    not_searched: tuple[tuple[str, str], ...] = ()
    covered: tuple[Covered, ...] = ()
    covers: Coverage = field(default_factory=Coverage)
    unread: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The answer as JSON; no values of rows."""
        return {
            "case": self.case,
            "right": "access",
            "complete": self.complete,
            "summary": self.summary,
            "steps": [step_document(s) for s in self.steps],
            "unreached": [{"store": s, "why": why} for s, why in self.unreached],
            "not_searched": [{"what": what, "why": why} for what, why in self.not_searched],
            "warnings": list(self.warnings),
            "covered": [one.document() for one in self.covered],
            "identity": self.covers.document(),
            "package": str(self.package) if self.package else None,
            "manifest_sha256": self.manifest,
        }


def access(
    controller: Controller, request: Request, now: dt.datetime, *, out: Path
) -> AccessAnswer:
    """Find, read and pack the rows of one person; the package is written to `out`.

    Raises UsageError where `out` is anything that exists, or lies in no directory.
    """
    refuse_target(out)
    case, actor, people = open_case(controller, "access", request, now)
    require_known_asker(controller, case)
    language = language_of(controller, case)
    with controller.cases.alone(case) as case, speaking(controller.bundle, language):
        return _serve(controller, case, actor, people, now, out)


def _serve(
    controller: Controller,
    case: Case,
    actor: Actor,
    people: tuple[tuple[Identifier, ...], ...],
    now: dt.datetime,
    out: Path,
) -> AccessAnswer:
    if case.state is State.CLOSED:
        raise UsageError(
            f"case {case.id} is closed: its package was made",
            fix="open a new case for the same person",
        )
    stayed = controller.retained(case, people)
    held = stayed.held
    stays = words.Stays.of(held)
    opened = controller.locator.opened(case, people)
    found = controller.locate(people)
    keys = controller.keys(found)
    refuse_several(controller, case, people, keys)
    before = former(controller, people, keys)
    if before.hers:
        people = tuple(with_former(people, before.hers))
        found = controller.locate(people)
        keys = controller.keys(found)
    found.unreached.update(before.away)
    found.warnings += stayed.words
    # What cannot be read now is named, like every system that is away.
    found.unreached.update(stayed.unread)
    refuse_mixed(controller, case, keys, held)
    again = () if held else refilled(found)
    staying = {p: t for p, t in stayed.tables.items() if p[0] not in found.unreached}
    hers = together({p: t for p, t in keys.items() if p[0] not in found.unreached}, staying)
    covering = controller.covering(people, hers)
    guard = redaction.guard(controller, case, covering, now)
    apart = parts.of(controller, case)
    keys, found.selects, stays = _granted(apart, keys, found.selects, stays)
    covers = coverage(controller, case, keys, now)
    found.warnings += (*again, *covers.words)
    shown: dict[Place, Data] = {}
    with Package(out, now, controller.bundle.vocabulary) as package:
        batches = controller.read(found, stays.rows(), opened, mark=case.id)
        for place, group in itertools.groupby(batches, key=itemgetter(0)):
            dataset = controller.datamap.dataset(*place)
            labelled = _labelled(group, dataset.key, stays.reasons(place))
            runs = _covered(covering, place, _without(dataset.secrets, labelled))
            shown[place] = package.data(place[0], place[1], runs, dataset)
        met = controller.texts.mentions(free_text.sought_by(controller, people, hers), keys)
        met.found = [one for one in met.found if not refused(apart, one.place)]
        found.unreached.update({**free_text.unsearched(met), **met.unreached})
        found.unreached.update(covering.unreached)
        told_of, named = free_text.write(controller, package, met, covering)
        steps = _verified(controller, case, found, keys, stays, shown, opened.met)
        unreached = tuple(sorted(found.unreached.items()))
        search = words.Search.of(controller, people, found)
        complete = searched(controller, people) and not unreached and not stayed.changed
        complete = complete and not again
        complete = complete and all(s.settled for s in steps)
        # Of what is refused nothing is said but that it is; so not that nothing is held.
        nothing = bool(apart) and not any(s.counts.found for s in steps)
        plain = complete and not nothing
        told = words.answer(
            controller, case.id, steps, unreached, found.warnings, search, stays, opened.met,
            complete=plain, named=bool(told_of), verified=verification(controller, case),
        )  # fmt: skip
        told["complete"] = complete
        # The staff, who are told it too, read English.
        with tongues.speaking("en"):
            told_to_staff = words.Search.of(controller, people, found)
            staff_summary = words.answer(
                controller, case.id, steps, unreached, (), told_to_staff, stays, opened.met,
                complete=plain, named=bool(told_of), verified="",
            )["summary"] + (f" {_APART}" if apart else "")  # fmt: skip
        if nothing:
            staff_summary = _BESIDE_NAMED if told_of else _BESIDE
            told["summary"] = say(staff_summary)
        elif apart:
            told["summary"] += " " + say(_APART)
        for one in told["systems"]:
            one["apart"] = any(p.system == one["system"] for p in apart)
        told["mentions"] = told_of
        told["own"] = own.holds(controller, people, stays)
        covered = covered_of(controller, covering)
        told["covered"] = [one.document() for one in covered]
        had = received(controller, people, dict.fromkeys(shown, (0,)), now)
        told["refused"] = parts.documents(controller, case, apart)
        told["received"] = had.document(controller)
        told["others_left_out"] = guard.document() if guard else None
        day = came(controller, [case])[case.number]
        page = {**words.page(controller, shown, stays, opened.met, covered, day), "named": named}
        page["received"] = [received_words(controller, one) for one in had.lines]
        package.rules = travelling.rules(controller, people, shown, now)
        manifest = package.finish(told, page)
        passed = guard.pass_(package.whole, actor, now) if guard else ()
        read = {place: data.count for place, data in shown.items()}
        body: dict[str, Any] = {
            "case": case.id,
            "package": manifest,
            "rows": sum(read.values()),
            "datasets": len(read),
            "systems": len(search.asked),
            "known": len(controller.datamap.systems),
            "unreached": [name(s) for s, _ in unreached],
            "right": "access",
            "received": len(had.lines),
            "named_in": sorted({name(one.place[0]) for one in met.found}) if told_of else [],
        }
        entries = [
            Entry("access.given", now, body),
            *(e._replace(body={**e.body, "package": manifest}) for e in passed),
        ]
        if held:
            rows = sum(len(table) for table in stays.rows().values())
            entries.insert(0, Entry("locator.used", now, {"case": case.id, "found": rows}))
        # Nothing leaves before it is recorded: first the entry, then the name, then the end.
        with controller.database.connection() as connection:
            way = _WAY[case.state in _BEGUN]
            with connection.pipeline():
                case = controller.cases.move(case, way, actor, now, connection=connection)
            noted = controller.noted(actor, [case.id], body["rows"], now, connection=connection)
            controller.ledger.append_in(connection, [*entries, *noted])
        try:
            package.place()
        except (KeptError, OSError):
            told_why = "the package could not be given its name; nothing was handed out"
            controller.cases.move(case, State.CHECKED, actor, now, words=told_why)
            raise
        closed: dict[str, Any] = {
            "case": case.id,
            "right": "access",
            "complete": complete,
            "package": manifest,
            "steps": len(steps),
            "found": sum(s.counts.found for s in steps),
            "retained": sum(s.counts.retained for s in steps),
            "unreached": [name(s) for s, _ in unreached],
        }
        with controller.database.connection() as connection:
            with connection.pipeline():
                controller.cases.record_reads(case, steps, now, connection=connection)
                controller.cases.finish(
                    case, complete, actor, now, named=bool(told_of), connection=connection
                )
            # Of one that is not complete another is made, with the same left out.
            if guard and complete:
                guard.end(actor, now, connection)
            controller.ledger.append_in(connection, [Entry("case.closed", now, closed)])
    if complete:
        controller.settle(case.id)
    return AccessAnswer(
        case.id, complete, steps, unreached, (*found.warnings, *before.words), out, manifest,
        staff_summary, told_to_staff.left_out, covered, covers,
        tuple(free_text.unread(controller, found.unreached)),
    )  # fmt: skip


def _granted(
    apart: Sequence[Part], keys: Mapping[Place, KeyTable],
    selects: Mapping[str, tuple[Select, ...]], stays: words.Stays,
) -> tuple[dict[Place, KeyTable], dict[str, tuple[Select, ...]], words.Stays]:  # fmt: skip
    """What is to be read, without the parts that are refused."""
    asked = {
        system: tuple(s for s in those if not refused(apart, (system, s.dataset)))
        for system, those in selects.items()
    }
    return (
        {place: table for place, table in keys.items() if not refused(apart, place)},
        {system: those for system, those in asked.items() if those},
        words.Stays({p: t for p, t in stays.tables.items() if not refused(apart, p)}),
    )


_Run: TypeAlias = tuple[Reason | None, tuple[str, ...], list[tuple[Value, ...]]]


def _without(secrets: tuple[str, ...], runs: Iterator[_Run]) -> Iterator[_Run]:
    """The runs without what proves who she is: whoever reads the package could pass for her."""
    for why, columns, rows in runs:
        at = [i for i, column in enumerate(columns) if column not in secrets]
        if len(at) == len(columns):
            yield why, columns, rows
        else:
            yield why, tuple(columns[i] for i in at), [tuple(r[i] for i in at) for r in rows]


def _covered(covering: Covering, place: Place, runs: Iterator[_Run]) -> Iterator[_Run]:
    """The runs with other people in them covered (Art. 15(4))."""
    for why, columns, rows in runs:
        yield why, columns, covering.rows(place, columns, rows)


def _labelled(
    group: Iterator[tuple[Place, Batch]], key: tuple[str, ...], reasons: Mapping[Key, Reason]
) -> Iterator[_Run]:
    """(why the rows stay, or None; columns; rows): runs of rows of the same label."""
    for _, batch in group:
        if not reasons:
            yield None, batch.columns, batch.rows
            continue
        at = [batch.columns.index(field) for field in key]

        def label(row: tuple[Value, ...], at: list[int] = at) -> Reason | None:
            return reasons.get(norm(tuple(row[i] for i in at)))

        for why, rows in itertools.groupby(batch.rows, key=label):
            yield why, batch.columns, list(rows)


def _told(
    controller: Controller, case: Case, place: Place, shown: Mapping[Place, Data]
) -> StepResult:
    """The step of a system for which people answer: it rests on their word."""
    said = controller.word(*place, Action.READ, case.id)
    met = shown[place].count if place in shown else 0
    return StepResult(
        *place, Action.READ, Counts(met), False, None, None if said.done else said.words,
        bool(said.done),
    )  # fmt: skip


def _verified(
    controller: Controller,
    case: Case,
    found: Located,
    keys: Mapping[Place, KeyTable],
    stays: words.Stays,
    shown: Mapping[Place, Data],
    isolated: Mapping[Place, int],
) -> tuple[StepResult, ...]:
    """The steps; each verified when as many rows were read as are there.

    How many are there was found on another way: by key, in a session of its own.
    """

    def step(place: Place, reason: Reason | None, there: int, problem: str) -> StepResult:
        part = shown[place].parts.get(reason) if place in shown else None
        met = part.count if part else 0
        # Of a system that could not be asked the answer says so as a whole.
        reached = place[0] not in found.unreached
        kept = Counts(met, isolated=met) if place in isolated else Counts(met, retained=met)
        return StepResult(
            *place, Action.READ, kept if reason else Counts(met),
            reached and met == there, reason, problem if reached and met != there else None,
        )  # fmt: skip

    steps = []
    asked = [(s, select.dataset) for s, selects in found.selects.items() for select in selects]
    for place in dict.fromkeys((*asked, *stays.tables)):
        if place in asked and controller.abilities[place[0]].word:
            steps.append(_told(controller, case, place, shown))
            continue
        there = len(keys[place].values) if place in keys else 0
        groups = stays.tables.get(place, {})
        if place in asked and (there or not groups or None in _labels(shown, place)):
            steps.append(
                step(place, None, there, "the rows changed while they were read; ask again")
            )
        for reason, table in groups.items():
            lost = "some rows that were to stay are not there any more"
            steps.append(step(place, reason, len(table.values), lost))
    return tuple(steps)


def _labels(shown: Mapping[Place, Data], place: Place) -> Mapping[Any, object]:
    return shown[place].parts if place in shown else {}
