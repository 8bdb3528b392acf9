"""A request on its way: its case, whom it names, and who answers for letting it pass."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kept.controller import Controller, Place
from kept.errors import Denied, KeptError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.plan import StepResult
from kept.model.select import KeyTable
from kept.records.actor import Actor
from kept.records.case import Case
from kept.terms.identifiers import Identifier

#: Roles that may let a request pass without evidence of who asks; recorded, with the reason.
MAY_OVERRIDE = frozenset({"privacy-officer", "approver", "operator"})


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. `people` are one or more, each with her identifiers.

    `override` is the reason for which evidence of who asks was left out; `case` names a
    case that was opened before.
    """

    people: tuple[tuple[Identifier, ...], ...]
    actor: str = "operator"
    role: str = "operator"
    override: str | None = None
    evidence: str | None = None
    case: str | None = None


class Ambiguous(KeptError):
    """An identifier that leads to several people; nothing was read or changed."""


def open_case(
    controller: Controller, right: str, request: Request, now: dt.datetime
) -> tuple[Case, Actor, tuple[tuple[Identifier, ...], ...]]:
    """The case of a request: opened, or the one it names. Every request has one."""
    actor = controller.actors.of(request.actor, request.role, now)
    if request.override is not None and request.role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{request.role}` may not leave out the check of who asks",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )
    if request.case is not None:
        case = controller.cases.get(request.case)
        if case.right != right:
            raise UsageError(
                f"the case is about the right `{case.right}`",
                expected=f"a case about `{right}`",
                fix=f"use `kept rights` with the verb of {case.right}",
            )
        named = controller.cases.identifiers(case)
        given = _normalised(request.people)
        if request.people and given != _normalised(named):
            raise UsageError(
                "the case names other identifiers than this command",
                expected="the same identifiers, or none together with --case",
                fix="leave --identity out, or open a new case",
            )
        with controller.database.connection() as connection:
            if request.evidence and not case.evidence:
                case = controller.cases.identify(
                    case, request.evidence, actor, now, connection=connection
                )
            if request.override and not case.override:
                case = controller.cases.let_pass(
                    case, request.override, actor, now, connection=connection
                )
                controller.ledger.append_in(
                    connection, [_overridden(case.id, right, request.override, actor, now)]
                )
        return case, actor, tuple(tuple(one) for one in named)
    if not request.people or not all(request.people):
        raise UsageError(
            "nobody is named",
            expected="at least one identifier",
            fix="add for example --identity email=name@example.org",
        )
    _normalised(request.people)  # refuses values that are not of their kind
    with controller.database.connection() as connection:
        case = controller.cases.open(
            right, request.people, actor, request.override, now,
            evidence=request.evidence, connection=connection,
        )  # fmt: skip
        entries = [
            Entry(
                "case.opened",
                now,
                {
                    "case": case.id,
                    "right": right,
                    "people": case.people,
                    "actor": name(actor.role),
                    # That there is evidence; what it says stays in the case.
                    **({"verified": "evidence"} if request.evidence else {}),
                },
            )
        ]
        if request.override:
            entries.append(_overridden(case.id, right, request.override, actor, now))
        controller.ledger.append_in(connection, entries)
    return case, actor, request.people


def _overridden(case: str, right: str, reason: str, actor: Actor, now: dt.datetime) -> Entry:
    digest = hashlib.sha256(reason.encode()).hexdigest()
    body = {"case": case, "reason": digest, "verb": right, "role": name(actor.role)}
    return Entry("override.used", now, body)


def require_known_asker(case: Case) -> None:
    """Refuse to disclose or change anything before it is known who asks (Art. 12(6))."""
    if not case.evidence and not case.override:
        raise Denied(
            f"case {case.id} has no evidence of who asks; it was opened and nothing was done",
            fix="record the evidence in the case, or give --override REASON and answer for it",
        )


def refuse_several(controller: Controller, keys: Mapping[Place, KeyTable]) -> None:
    """Refuse identifiers that lead to several people: a shared mailbox, a cookie of a library.

    A dataset whose key is itself an identifier has one row per person; more rows than one for
    one request means more people than one. Raises Ambiguous, before anything is shown.
    """
    for (system, dataset_name), table in keys.items():
        dataset = controller.datamap.dataset(system, dataset_name)
        if not all(dataset.fields[f].identifies for f in dataset.key):
            continue
        by_person: dict[int, set[tuple[Any, ...]]] = {}
        for who, key in table.rows:
            by_person.setdefault(who, set()).add(key)
        most = max(len(found) for found in by_person.values())
        if most > 1:
            kinds = sorted({str(dataset.fields[f].identifies) for f in dataset.key})
            raise Ambiguous(
                f"what was given leads to {most} people in `{system}.{dataset_name}`;"
                " nothing was shown or changed",
                expected="identifiers of one person",
                fix=f"name her by {' and '.join(kinds)} instead, after a person has looked",
            )


def refuse_mixed(
    controller: Controller,
    case: Case,
    people: Sequence[Sequence[Identifier]],
    live: Mapping[Place, KeyTable],
    held: Mapping[Place, object],
) -> None:
    """Refuse identifiers of which some lead to living rows only, others to retained ones only.

    Somebody who came back is found under one identifier both ways; two people named as one are
    not. Raises Ambiguous.
    """
    # By letter anybody can be asked about: that leads to no row of anybody.
    abilities = controller.abilities
    if not held or all(abilities[system].word for system, _ in live):
        return
    for one in people:
        if len(one) < 2:
            continue
        living = {
            i
            for i in one
            if any(not abilities[s].word for s, _ in controller.keys(controller.locate([[i]])))
        }
        retained = {i for i in one if controller.locator.find(case, [[i]])}
        if living and retained and living.isdisjoint(retained):
            raise Ambiguous(
                "some of what was given leads to one person, some to another whose data is"
                " retained; nothing was shown or changed",
                expected="identifiers of one person",
                fix="ask for each of them in a request of its own",
            )


def step_document(step: StepResult) -> dict[str, Any]:
    """A step as JSON, as the command line and the API show it."""
    reason = step.reason
    return {
        "store": step.store,
        "dataset": step.dataset,
        "action": step.action.value,
        "found": step.counts.found,
        "changed": step.counts.changed,
        "retained": step.counts.retained,
        "isolated": step.counts.isolated,
        "verified": step.verified,
        "word": step.word,
        "reason": reason.words if reason else None,
        "law": reason.law if reason else None,
        "until": reason.until.isoformat() if reason and reason.until else None,
        "clause": reason.clause if reason else None,
        "problem": step.problem,
    }


def verification(case: Case) -> str:
    """How it was checked who asked, in words for the answer."""
    if case.evidence:
        return case.evidence
    return "No. Who asked was not checked; somebody of the organisation answered for it."


def _normalised(people: Sequence[Sequence[Identifier]]) -> list[set[tuple[str, str]]]:
    return [{(i.kind, i.normalised) for i in one} for one in people]
