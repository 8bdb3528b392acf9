"""The runner: carries out controls, writes their evidence into the ledger, sums up clauses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final

from kept.controller import Controller
from kept.controls.evidence import Evidence, Outcome, worst
from kept.controls.history import document
from kept.controls.registry import UNDER_WAY, Control, Finding, Looked, registered, unasked
from kept.errors import KeptError, StoreError, Tampered, UsageError
from kept.ledger.entry import Entry, name
from kept.policy.bundle import Bundle
from kept.policy.shapes import Clause
from kept.records import wholeness
from kept.records.declared import SYSTEM
from kept.records.run import Runs, digest

#: Findings kept of one run; the rest are counted in the last one.
MOST_FINDINGS = 50
#: What has run in the pass that is under way.
_SO_FAR: Final[ContextVar[dict[str, Evidence] | None]] = ContextVar("so_far", default=None)


@dataclass(frozen=True, slots=True)
class ClauseReport:
    """One clause as it stands: its status and, where controls ran, what they came to.

    `outcome` is an Outcome's value, or the status itself of a clause that is open or a statement:
    what its controls came to, where it names any, is `measured` and makes it no better.
    """

    clause: Clause
    outcome: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def measured(self) -> str | None:
        """What the controls came to that ran; None where none did."""
        return worst([e.outcome for e in self.evidence]).value if self.evidence else None

    @property
    def word(self) -> str:
        """The outcome, and beside an open clause what its controls came to."""
        beside = self.measured if self.outcome == "open" else None
        return f"{self.outcome} ({beside})" if beside else self.outcome

    @property
    def looked_at(self) -> int:
        """Things examined by all its controls."""
        return sum(e.looked_at for e in self.evidence)

    @property
    def scope(self) -> str:
        """The narrowest scope among its controls, in words."""
        about = [e for e in self.evidence if e.asked] or [e for e in self.evidence if e.own]
        return min(about, key=lambda e: e.asked).scope if about else "not about systems"


def run(
    controller: Controller,
    controls: Mapping[str, Control],
    now: dt.datetime,
    *,
    names: Iterable[str] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Evidence]:
    """Run the named controls (default: all that the bundle names) and record their evidence, and
    that of the controls that they had run.

    Evidence whose `entry` is None could not be recorded, because the ledger was altered.
    """
    named = _named(controller)
    wanted = sorted(set(names if names is not None else named))
    missing = [one for one in wanted if one not in controls]
    if missing:
        raise UsageError(
            f"the control `{missing[0]}` is not known",
            expected="the name of a shipped control",
            fix="correct the name in clauses.yml; `kept policy check` lists every wrong one",
        )
    done: list[Evidence] = []
    full = named <= set(wanted)
    so_far: dict[str, Evidence] = {}
    before, earlier = UNDER_WAY.set(frozenset(wanted)), _SO_FAR.set(so_far)
    try:
        for one in wanted:
            progress(one)
            if one not in so_far:
                so_far[one] = _run_one(controller, controls[one], now)
        # Those asked for first, then what they had run for them.
        for one in (*wanted, *(n for n in so_far if n not in wanted)):
            done.append(replace(so_far[one], full=full))
    finally:
        UNDER_WAY.reset(before)
        _SO_FAR.reset(earlier)
    if not done:
        return []
    documents = [document(e) for e in done]
    entries = [_entry(e, digest(d)) for e, d in zip(done, documents, strict=True)]
    try:
        runs = Runs(controller.database)
        if wholeness.missing(controller.database, controller.ledger):
            return done  # a ledger that was cut off would give the same numbers away twice
        with controller.database.connection() as connection:
            indices = controller.ledger.append_in(connection, entries)
            rows = zip(indices, done, documents, strict=True)
            runs.add(connection, [(i, e.control, e.at, d) for i, e, d in rows])
    except Tampered:
        # A ledger that was altered takes nothing more. What was seen is still told, unrecorded.
        return done
    return [replace(e, entry=i) for e, i in zip(done, indices, strict=True)]


def came_to(controller: Controller, name_: str, now: dt.datetime) -> Evidence:
    """What another control comes to, run now; within one pass each runs once and is recorded.

    For a control over measures that others check. KeyError where there is no such control.
    """
    so_far = _SO_FAR.get()
    ran = (so_far or {}).get(name_) or _run_one(controller, registered()[name_], now)
    if so_far is not None:
        so_far[name_] = ran
    return ran


def report(bundle: Bundle, evidence: Sequence[Evidence], now: dt.datetime) -> list[ClauseReport]:
    """Sum up every clause from the newest evidence of each of its controls."""
    newest: dict[str, Evidence] = {}
    for one in evidence:
        if one.control not in newest or newest[one.control].at <= one.at:
            newest[one.control] = one
    return [_clause(c, bundle.status(c.id), newest, now) for c in bundle.clauses.values()]


def totals(reports: Iterable[ClauseReport]) -> dict[str, int]:
    """How many clauses stand how, by outcome."""
    counted: dict[str, int] = {}
    for one in reports:
        counted[one.outcome] = counted.get(one.outcome, 0) + 1
    return dict(sorted(counted.items()))


def _named(controller: Controller) -> set[str]:
    return {name for c in controller.bundle.clauses.values() for name in c.controls}


def _clause(
    clause: Clause, status: str, newest: Mapping[str, Evidence], now: dt.datetime
) -> ClauseReport:
    ran = tuple(newest[name] for name in clause.controls if name in newest)
    if status in ("open", "statement"):
        return ClauseReport(clause, status, ran)
    outcomes = [e.outcome for e in ran]
    outcomes += [Outcome.VACUOUS] * (len(clause.controls) - len(ran))
    if status in ("gated", "attested"):
        word = clause.document or clause.attestation
        lasting = word is not None and (word.expiry is None or word.expiry >= now.date())
        outcomes.append(Outcome.PASS if lasting else Outcome.EXPIRED)
    return ClauseReport(clause, worst(outcomes).value, ran)


def _run_one(controller: Controller, one: Control, now: dt.datetime) -> Evidence:
    looked, places, systems = 0, set(), set()
    findings: list[Finding] = []
    more = 0
    fault = error = False
    try:
        for item in one.check(controller, now):
            if isinstance(item, Looked):
                looked += item.count
                places.add(item.where)
                if item.system:
                    systems.add(item.system)
                continue
            fault |= not item.unasked
            if len(findings) < MOST_FINDINGS:
                findings.append(item)
            else:
                more += 1
    except StoreError as problem:
        findings.append(unasked(one.name, problem))
    except KeptError as problem:
        error = True
        findings.append(Finding(one.name, str(problem), "run it again once this is mended"))
    except Exception as problem:  # a fault of the control itself must never look like a pass
        error = True
        findings.append(Finding(one.name, f"the control broke off: {type(problem).__name__}"))
    if more:
        findings.append(Finding(one.name, f"and {more} more findings of this kind"))
    if fault:  # what is known to be broken is no better for what could not be looked at
        outcome = Outcome.FAIL
    elif error or findings:
        outcome = Outcome.ERROR
    else:
        outcome = Outcome.PASS if looked else Outcome.VACUOUS
    bundle = controller.bundle
    own = {SYSTEM.name}
    others = systems - own
    return Evidence(
        control=one.name,
        sentence=one.sentence,
        code=one.code,
        policy=f"{bundle.id} {bundle.version}",
        text_digest=bundle.text_digest,
        rules_digest=bundle.rules_digest,
        map_digest=controller.datamap.digest,
        at=now,
        outcome=outcome,
        looked_at=looked,
        places=len(places),
        asked=len(others),
        known=len(controller.datamap.systems.keys() - own) if others else 0,
        own=bool(systems & own),
        findings=tuple(findings),
    )


def _entry(e: Evidence, evidence: str) -> Entry:
    found = [{"count": 1, "what": name(e.control), "where": name(f.where[:60])} for f in e.findings]
    return Entry(
        "control.ran",
        e.at,
        {
            "control": e.control,
            "code": e.code,
            "outcome": e.outcome.value,
            "looked_at": e.looked_at,
            "findings": found,
            "systems": e.asked,
            "known": e.known,
            "policy": name(e.policy),
            "rules": e.rules_digest,
            "map": e.map_digest,
            "evidence": evidence,
        },
    )
