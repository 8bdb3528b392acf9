"""A request that is granted in part: what is refused is named with its reason (GDPR Art. 12(4)).

For packages. What an erasure leaves is a hold, by which a law or a clause keeps it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from kept.controller import Controller
from kept.duties.rights.about import titled
from kept.duties.rights.choice import law_in
from kept.duties.rights.request import MAY_OVERRIDE
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.declared import SYSTEM
from kept.records.part import Part
from kept.terms.refusals import refusal

#: Rights of which a part can be refused, and the states before anything was handed out.
PACKED: Final = ("access", "portability")
BEFORE: Final = frozenset(
    (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED, State.APPROVED)
)
_LONGEST: Final = 4_000


def refuse_part(
    controller: Controller, case_id: str, where: str, code: str, words: str, actor: Actor,
    now: dt.datetime,
) -> Part:  # fmt: skip
    """Refuse what lies in a system or a dataset (`where`, as SYSTEM or SYSTEM.DATASET); the rest
    is handed out. Raises Denied for a role that answers for no refusal; UsageError where there is
    no such place, no reason, or a package was made already.
    """
    if actor.role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{actor.role}` may not refuse a part of a request",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )
    case = controller.cases.get(case_id)
    if case.right not in PACKED or case.state not in BEFORE:
        raise UsageError(
            f"no part of case {case.id} can be refused",
            expected=f"an open case of one of the rights {', '.join(PACKED)}, before its package",
            met=f"one of the right `{case.right}` that is {case.state}",
            fix="what an erasure leaves is a hold: `kept hold add`"
            if case.right == "erasure" else None,
        )  # fmt: skip
    system, _, dataset = where.strip().partition(".")
    known = controller.datamap.systems.get(system)
    if known is None or system == SYSTEM.name or (dataset and dataset not in known.datasets):
        raise UsageError(
            "there is no such place", expected="SYSTEM or SYSTEM.DATASET, as the map names them"
        )
    refusal(code)
    if not 0 < len(words := words.strip()) <= _LONGEST:
        raise UsageError("no reason is given", expected=f"words, at most {_LONGEST:,} signs")
    part = Part(system, dataset, code, words)
    with controller.database.connection() as c:
        if not controller.parts.add(case, part, actor, now, connection=c):
            raise UsageError("this part is refused already; nothing was changed")
        body = {
            "case": case.id, "state": "part-refused", "code": code,
            "reason": controller.digest(words.encode()), "actor": name(actor.role),
        }  # fmt: skip
        controller.ledger.append_in(c, [Entry("case.moved", now, body)])
    return part


def called(controller: Controller, part: Part) -> str:
    """A part as she is told of it."""
    system = controller.datamap.systems.get(part.system)
    title = (system.title if system else None) or part.system
    dataset = system.datasets.get(part.dataset) if system else None
    return f"{titled(dataset)} ({title})" if dataset else title


def documents(
    controller: Controller, case: Case, parts: Sequence[Part], region: str = "unknown"
) -> list[dict[str, Any]]:
    """As JSON: what is refused, why, by which law of the `region` (by default that of the case's
    clock), what she can do.
    """
    return [
        {
            "system": one.system, "dataset": one.dataset or None,
            "title": called(controller, one), "code": one.code, "why": refusal(one.code).words,
            "in_your_case": one.words,
            "law": law_in(controller, case, refusal(one.code).law, region),
            "then": refusal(one.code).then,
        }
        for one in parts
    ]  # fmt: skip


def of(controller: Controller, case: Case) -> tuple[Part, ...]:
    """The parts of a case that are refused."""
    return tuple(controller.parts.of(case))
