"""`kept prove`: run the controls, record their evidence, say how every clause stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, moment, opened, shipped
from kept.app.output import table
from kept.controls import runner
from kept.controls.evidence import Evidence
from kept.controls.runner import ClauseReport
from kept.errors import UsageError

#: Outcomes that mean: a promise is not kept, or nobody can say.
BROKEN = frozenset({"fail", "error", "expired"})


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(prove)


def prove(
    *,
    clause: Annotated[
        list[str] | None, Parameter(help="only this clause; may be repeated", negative="")
    ] = None,
    now: Annotated[str | None, Parameter(help="the moment to judge at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Check what can be checked, on the real data, now; the evidence goes into the ledger."""
    at = moment(now)
    say = common.out
    with opened(common) as (controller, _):
        bundle = controller.bundle
        unknown = [c for c in clause or () if c not in bundle.clauses]
        if unknown:
            raise UsageError(
                f"there is no clause `{unknown[0]}`",
                expected=f"one of the {len(bundle.clauses)} ids of clauses.yml",
                fix="see `kept policy check` and clauses.yml for their names",
            )
        wanted = [c for c in bundle.clauses if not clause or c in clause]
        names = {n for c in wanted for n in bundle.clauses[c].controls}
        with say.progress("running controls", len(names)) as step:
            done = runner.run(controller, shipped(), at, names=names, progress=step)
        controller.ledger.checkpoint(at)
        reports = [r for r in runner.report(bundle, done, at) if r.clause.id in wanted]
    totals = runner.totals(reports)
    document = {"clauses": [_document(r) for r in reports], "totals": totals}
    say.result(document, _words(reports, totals))
    return 1 if any(r.outcome in BROKEN for r in reports) else 0


def _document(r: ClauseReport) -> dict[str, Any]:
    return {
        "id": r.clause.id,
        "mode": r.clause.mode,
        "kind": r.clause.kind,
        "status": r.clause.status,
        "outcome": r.outcome,
        "controls": list(r.clause.controls),
        "looked_at": r.looked_at,
        "scope": r.scope,
        "evidence": [_evidence(e) for e in r.evidence],
    }


def _scope(r: ClauseReport) -> str:
    return r.scope if any(e.asked for e in r.evidence) else "–"


def _evidence(e: Evidence) -> dict[str, Any]:
    return {
        "control": e.control,
        "outcome": e.outcome.value,
        "at": e.at.isoformat(),
        "looked_at": e.looked_at,
        "entry": e.entry,
        "findings": [{"where": f.where, "words": f.words, "fix": f.fix} for f in e.findings],
    }


def _words(reports: Sequence[ClauseReport], totals: dict[str, int]) -> list[str]:
    ran = [r for r in reports if r.evidence]
    words: list[str] = []
    if ran:
        words.append(
            table(
                ("clause", "outcome", "#looked at", "scope", "control"),
                [
                    (r.clause.id, r.outcome, r.looked_at, _scope(r),
                     ", ".join(r.clause.controls))
                    for r in ran
                ],
            )
        )  # fmt: skip
        words.append("")
    seen = set()
    for e in (e for r in ran for e in r.evidence):
        if e.control in seen:
            continue
        seen.add(e.control)
        for f in e.findings:
            fix = f" {f.fix[:1].upper()}{f.fix[1:]}." if f.fix else ""
            words.append(f"{e.control}: {f.where}: {f.words}.{fix}")
    if seen and words[-1] != "":
        words.append("")
    words.append("Clauses by outcome: " + ", ".join(f"{n} {o}" for o, n in totals.items()))
    if totals.get("open"):
        words.append("Open means: not kept yet. clauses.yml says why and what is missing.")
    return words
