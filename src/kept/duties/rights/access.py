"""Access (GDPR Art. 15): everything that is held, in a package, from every mapped store."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from kept.controller import Controller, Located, Place
from kept.duties.rights.package import Package
from kept.duties.rights.request import (
    Request,
    open_case,
    refuse_mixed,
    refuse_several,
    require_known_asker,
    step_document,
    verification,
)
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import Action, Counts, Reason, StepResult
from kept.model.select import Batch, KeyTable
from kept.policy.render import day
from kept.records.case import Case, State

_RUN: Final = (State.EXECUTING, State.EXECUTED)


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """What was found. `package` is the file written, `manifest` the SHA-256 of its manifest."""

    case: str
    complete: bool
    steps: tuple[StepResult, ...]
    unreached: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    package: Path | None
    manifest: str | None

    def document(self) -> dict[str, Any]:
        """The answer as JSON; no values of rows."""
        return {
            "case": self.case,
            "right": "access",
            "complete": self.complete,
            "steps": [step_document(s) for s in self.steps],
            "unreached": [{"store": s, "why": why} for s, why in self.unreached],
            "warnings": list(self.warnings),
            "package": str(self.package) if self.package else None,
            "manifest_sha256": self.manifest,
        }


def access(
    controller: Controller, request: Request, now: dt.datetime, *, out: Path
) -> AccessAnswer:
    """Find, read and pack the rows of one person; the package is written to `out`."""
    if not out.parent.is_dir() or out.is_dir():
        raise UsageError(
            "the package cannot be written there",
            expected="a file name in a directory that exists",
            fix="name another file with --out",
        )
    case, actor, people = open_case(controller, "access", request, now)
    require_known_asker(case)
    held = controller.locator.find(case, people)
    retained = {place: _together(rows) for place, rows in held.items()}
    reasons = {place: rows[0][1] for place, rows in held.items()}
    found = controller.locate(people)
    keys = controller.keys(found)
    refuse_several(controller, keys)
    refuse_mixed(controller, case, people, keys, held)
    read: dict[Place, int] = {}
    shown: list[dict[str, Any]] = []
    with Package(out, now) as package:
        batches = controller.read(found, retained, case.id)
        for place, group in itertools.groupby(batches, key=itemgetter(0)):
            data = package.data(place[0], place[1], _plain(group))
            read[place] = read.get(place, 0) + data["count"]
            shown.append(_about(controller, place, data, reasons.get(place)))
        steps = _verified(controller, found, keys, retained, reasons, read, case)
        unreached = tuple(sorted(found.unreached.items()))
        complete = not unreached and all(s.settled for s in steps)
        answer = AccessAnswer(case.id, complete, steps, unreached, found.warnings, out, None)
        manifest = package.finish(
            _answer(controller, answer, case, held), _page(controller, shown, now)
        )
    with controller.database.connection() as connection:
        # An answer that had to wait for somebody goes on where it stopped.
        begun = case.state in (State.EXECUTING, State.EXECUTED, State.CHECKED)
        for state in (*((State.PLANNED, State.APPROVED) * (not begun)), *_RUN):
            case = controller.cases.move(case, state, actor, now, connection=connection)
        case = controller.cases.finish(case, complete, actor, now, connection=connection)
        body: dict[str, Any] = {
            "case": case.id,
            "package": manifest,
            "rows": sum(read.values()),
            "datasets": len(read),
            "systems": len(controller.datamap.systems) - len(unreached),
            "known": len(controller.datamap.systems),
            "unreached": [name(s) for s, _ in unreached],
            "right": "access",
        }
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
        entries = [Entry("access.given", now, body), Entry("case.closed", now, closed)]
        if held:
            rows = sum(len(t) for t in retained.values())
            entries.insert(0, Entry("locator.used", now, {"case": case.id, "found": rows}))
        controller.ledger.append_in(connection, entries)
    if complete:
        controller.settle(case.id)
    return AccessAnswer(case.id, complete, steps, unreached, found.warnings, out, manifest)


def _together(rows: Sequence[tuple[KeyTable, Reason]]) -> KeyTable:
    fields = rows[0][0].fields
    return KeyTable(fields, tuple(dict.fromkeys(r for table, _ in rows for r in table.rows)))


def _plain(
    group: Iterator[tuple[Place, Batch]],
) -> Iterator[tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    for _, batch in group:
        yield batch.columns, batch.rows


def _verified(
    controller: Controller,
    found: Located,
    keys: Mapping[Place, KeyTable],
    retained: Mapping[Place, KeyTable],
    reasons: Mapping[Place, Reason],
    read: Mapping[Place, int],
    case: Case,
) -> tuple[StepResult, ...]:
    """A step per dataset that was asked; verified when as many rows were read as are there.

    How many are there was found on another way: by key, in a session of its own.
    """
    steps = []
    for system, selects in found.selects.items():
        for place in dict.fromkeys((system, s.dataset) for s in selects):
            if controller.abilities[system].word:
                said = controller.word(system, place[1], Action.READ, case.id)
                counts, problem = (
                    Counts(found=read.get(place, 0)),
                    None if said.done else said.words,
                )
                steps.append(
                    StepResult(
                        system, place[1], Action.READ, counts, False, None, problem, bool(said.done)
                    )
                )
                continue
            held = len(retained[place].values) if place in retained else 0
            there = len(keys[place].values) if place in keys else 0
            met = read.get(place, 0)
            ok = met == there + held
            steps.append(
                StepResult(
                    system,
                    place[1],
                    Action.READ,
                    Counts(found=met, retained=held),
                    ok,
                    reasons.get(place),
                    None if ok else "the rows changed while they were read; ask again",
                )
            )
    asked = {(s.store, s.dataset) for s in steps}
    for place, table in retained.items():
        if place not in asked:
            met, rows = read.get(place, 0), len(table.values)
            reached = place[0] not in found.unreached
            steps.append(
                StepResult(
                    place[0], place[1], Action.READ, Counts(found=met, retained=met),
                    reached and met == rows, reasons.get(place),
                    None if met == rows else "some retained rows are not there any more",
                )
            )  # fmt: skip
    return tuple(steps)


def _about(
    controller: Controller, place: Place, data: dict[str, Any], reason: Reason | None
) -> dict[str, Any]:
    system = controller.datamap.systems[place[0]]
    dataset = system.datasets[place[1]]
    activities = [
        controller.bundle.activities[a]
        for a in dataset.activities
        if a in controller.bundle.activities
    ]
    names = controller.bundle.recipients
    recipients = dict.fromkeys(
        names[r].name if r in names else controller.bundle.vocabulary.recipients[r].label
        for a in activities
        for r in a.recipients
    )
    bases = dict.fromkeys(b for a in activities for b in a.bases.values())
    return {
        **data,
        "title": dataset.title or dataset.name,
        "system_title": system.title or system.name,
        "country": system.country,
        "why": list(dict.fromkeys(a.title for a in activities)),
        "bases": [controller.bundle.vocabulary.bases[b].label for b in bases],
        "recipients": list(recipients),
        "keep": _keep(controller, dataset.retention, reason),
    }


def _keep(controller: Controller, retention: str | None, reason: Reason | None) -> str:
    if reason is not None:
        until = f", until {reason.until.isoformat()}" if reason.until else ""
        law = f" ({reason.law})" if reason.law else ""
        return f"It stays because {reason.words}{law}{until}."
    rule = controller.bundle.retention.get(retention or "")
    if rule is None or rule.keep is None:
        return "No period has been set for this yet."
    clocks = {
        "creation": "it was made",
        "last_interest": "your last sign of interest",
        "need_closed": "it was last needed",
        "contract_end": "the contract ended",
        "closed": "the matter was closed",
    }
    number, unit = rule.keep[1:-1], {"Y": "year", "M": "month", "D": "day"}[rule.keep[-1]]
    return f"{number} {unit}{'s' if number != '1' else ''} after {clocks[rule.clock]}"


def _answer(
    controller: Controller,
    answer: AccessAnswer,
    case: Case,
    held: Mapping[Place, Sequence[tuple[KeyTable, Reason]]],
) -> dict[str, Any]:
    rows = sum(s.counts.found for s in answer.steps)
    places = sum(1 for s in answer.steps if s.counts.found)
    known = len(controller.datamap.systems)
    asked = known - len(answer.unreached)
    found = f"{rows} row{'s' if rows != 1 else ''} in {places} place{'s' if places != 1 else ''}"
    summary = f"We looked in {asked} of the {known} systems that we know of and found {found}."
    document = answer.document()
    del document["package"], document["manifest_sha256"]
    bundle = controller.bundle
    return {
        **document,
        "summary": summary,
        "verification": verification(case),
        "unreached": [{"system": s, "why": why} for s, why in answer.unreached],
        "kept_by_law": [
            {
                "title": controller.datamap.dataset(*place).title or place[1],
                "rows": len(table.values),
                "words": reason.words,
                "law": reason.law,
                "until": reason.until.isoformat() if reason.until else None,
            }
            for place, rows_ in held.items()
            for table, reason in rows_
        ],
        "controller": {
            "name": bundle.organisation.name,
            "country": bundle.organisation.country,
            "email": bundle.organisation.email,
            "post": list(bundle.organisation.post),
        },
        "policy": {"id": bundle.id, "version": bundle.version.isoformat()},
    }


def _page(controller: Controller, shown: list[dict[str, Any]], now: dt.datetime) -> dict[str, Any]:
    bundle = controller.bundle
    language = bundle.languages[0]
    name, post = bundle.organisation.name, bundle.organisation.post
    return {
        "organisation": bundle.organisation,
        "post": ", ".join(post[1:] if post[0] == name else post),
        "asked_words": day(now.astimezone(dt.UTC).date(), language),
        "policy_words": day(bundle.version, language),
        "datasets": shown,
    }
