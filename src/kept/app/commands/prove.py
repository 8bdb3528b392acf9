"""`kept prove`: run the controls, record their evidence, say how every clause stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, moment, opened, shipped
from kept.app.output import table
from kept.controller import Controller
from kept.controls import runner
from kept.controls.evidence import Evidence, gathered
from kept.controls.runner import ClauseReport
from kept.controls.words import WORDS
from kept.errors import Tampered, UsageError
from kept.policy.bundle import Bundle
from kept.records import wholeness

#: Outcomes that mean: a promise is not kept, or nobody can say.
BROKEN = frozenset({"fail", "error", "expired"})


#: What people read for `vacuous`: here, on the pages and in the demonstration.
_NOTHING: Final = WORDS["vacuous"]["one"]


def in_words(outcome: str) -> str:
    """An outcome, or one within another's brackets, as people read it."""
    return outcome.replace("vacuous", _NOTHING)


def counted(totals: Mapping[str, int]) -> str:
    """How many clauses stand how, in one line."""
    return "Clauses by outcome: " + ", ".join(f"{n} {in_words(o)}" for o, n in totals.items())


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
        if not set(clause or ()) <= set(bundle.clauses):
            raise UsageError(
                "there is no such clause",
                expected=f"one of the {len(bundle.clauses)} ids of clauses.yml",
                fix="look into clauses.yml for their names",
            )
        wanted = [c for c in bundle.clauses if not clause or c in clause]
        names = {n for c in wanted for n in bundle.clauses[c].controls}
        with say.progress("running controls", len(names)) as step:
            done = runner.run(controller, shipped(), at, names=names, progress=step)
        reports = [r for r in runner.report(bundle, done, at) if r.clause.id in wanted]
        altered = _sign(controller, at)
    totals = runner.totals(reports)
    document: dict[str, Any] = {
        "clauses": [_document(r, bundle) for r in reports],
        "totals": totals,
    }
    words = _words(reports, totals)
    if clause:
        words += [line for r in reports for line in _missing(r, bundle)]
    if altered is not None:
        document["ledger"] = {"problem": altered.what, "expected": altered.expected,
                              "met": altered.met, "fix": altered.fix}  # fmt: skip
        words += ["", f"The ledger does NOT hold, and nothing of this was recorded: {altered}."]
    say.result(document, words)
    return 1 if altered is not None or any(map(broken, reports)) else 0


def _sign(controller: Controller, at: dt.datetime) -> Tampered | None:
    """Sign the ledger's head; where the ledger was altered that is a finding like others."""
    gone = wholeness.missing(controller.database, controller.ledger)
    if gone:
        return Tampered("the ledger is not as it was written", met=gone[0])
    try:
        controller.ledger.checkpoint(at)
    except Tampered as problem:
        return problem
    return None


def _missing(r: ClauseReport, bundle: Bundle) -> list[str]:
    """Why a clause is open: the choices that nobody has made, and its note."""
    if r.outcome != "open":
        return []
    lines = []
    for name in bundle.waiting.get(r.clause.id, ()):
        if name in bundle.choices:
            asks = bundle.choices[name].asks
            lines.append(f"{r.clause.id} waits for the choice `{name}`: {asks}")
        else:
            lines.append(
                f"{r.clause.id} waits for an address: where does `{name.removeprefix('links.')}`"
                " lead? Say it under [links] addresses in kept.toml"
            )
    if r.clause.notes:
        lines.append(f"{r.clause.id}: {' '.join(r.clause.notes.split())}")
    return lines


def _document(r: ClauseReport, bundle: Bundle) -> dict[str, Any]:
    return {
        "id": r.clause.id,
        "mode": r.clause.mode,
        "kind": r.clause.kind,
        "status": r.clause.status,
        "outcome": r.outcome,
        "measured": r.measured,
        "missing": _missing(r, bundle),
        "controls": list(r.clause.controls),
        "looked_at": r.looked_at,
        "scope": r.scope,
        "evidence": [_evidence(e) for e in r.evidence],
    }


def broken(r: ClauseReport) -> bool:
    """Whether it is not kept; what an open clause does check already has to hold as well."""
    return r.outcome in BROKEN or (r.outcome == "open" and r.measured in BROKEN)


def _scope(r: ClauseReport) -> str:
    return r.scope if any(e.asked or e.own for e in r.evidence) else "–"


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
                    (r.clause.id, in_words(r.word), r.looked_at, _scope(r),
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
        for f, times in gathered(e.findings):
            fix = f" {f.fix[:1].upper()}{f.fix[1:]}." if f.fix else ""
            often = f" ({times} times)" if times > 1 else ""
            words.append(f"{e.control}: {f.where}: {f.words}{often}.{fix}")
    if seen and words[-1] != "":
        words.append("")
    words.append(counted(totals))
    if amiss := sum(r.outcome == "open" and broken(r) for r in reports):
        which = "1 does not" if amiss == 1 else f"{amiss} do not"
        words.append(f"Of the open ones {which} even hold in what is checked of them.")
    if any("vacuous" in r.word for r in reports):
        words.append(
            f"{_NOTHING[:1].upper()}{_NOTHING[1:]} means: the check ran, but there is nothing here"
            " yet that it could look at; of several checks, this is so of one at least. It says"
            " nothing (`vacuous` in --json)."
        )
    if totals.get("open"):
        words.append("Open means: not kept yet. clauses.yml says why and what is missing.")
    return words
