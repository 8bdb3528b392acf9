"""`kept import`: a list of people, looked at line by line, then brought in."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, day, interrupted, opened
from kept.app.output import table
from kept.controller import Controller
from kept.decide.lines import REASONS, Amiss
from kept.duties.collect.importing import (
    HELD,
    REFUSED,
    TAKEN,
    THERE,
    Delivery,
    Judged,
    Survey,
    bring,
    look,
    survey,
)
from kept.records.imported import Run
from kept.terms.words import many

#: So many lines are shown where not all are asked for; what is not simply taken comes first.
_SHOWN: Final = 40
#: How it stands for a line, in words for who looks before anything is stored.
_WORDS: Final = {TAKEN: "is stored", REFUSED: "refused", HELD: "waits", THERE: "nothing to do"}
_TOLD: Final = {
    TAKEN: "stored", REFUSED: "refused", HELD: "waiting for a person to decide",
    THERE: "there already, or said twice",
}  # fmt: skip
_WAITS: Final = "it may say that somebody is too young; a person decides"


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(import_, name="import")


def import_(
    file: Path,
    /,
    *,
    as_: Annotated[str, Parameter(name="--as", help="the import of the policy that the list is")],
    from_: Annotated[
        str | None, Parameter(name="--from", help="who gave it, where several may")
    ] = None,
    given: Annotated[
        str | None, Parameter(help="the day from which the list is, as 2026-01-31")
    ] = None,
    every: Annotated[
        bool, Parameter(name="--all", help="show every line, not some of each kind", negative="")
    ] = False,
    yes: Annotated[
        bool, Parameter(help="store it; without, it is only looked at", negative="")
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Bring in a list of people (CSV, XLSX, JSON lines): looked at first, stored with --yes.

    What the policy does not declare is left out. The same list again changes nothing; one that was
    stopped goes on where it was.
    """
    now = acting.moment
    with opened(common, "import", acting.role) as (controller, _):
        delivery = Delivery(file, as_, from_, day(given, "--given"))
        if not yes:
            return _look(common, delivery, _looked(controller, delivery, every, now))
        actor = controller.actors.of(acting.actor, acting.role, now)
        surveyed = survey(controller, delivery, now)
        before = controller.imports.find(as_, surveyed.content)
        same = before is not None and before.done
        begun = before.through if before is not None else 1
        with (
            interrupted() as stop,
            common.out.running(surveyed.lines - 1, begun - 1, "lines") as tell,
        ):
            run = bring(controller, delivery, actor, now,
                        tell=lambda line, _: tell(line - 1), stop=stop)  # fmt: skip
        controller.ledger.checkpoint(now)
    common.out.result(_document(run, surveyed, same), _told(common, run, surveyed, same))
    return 0 if run.done else 1


@dataclass
class _Looked:
    """What would become of a list: counts, and as many lines as are shown."""

    surveyed: Survey
    counts: Counter[str]
    shown: list[Judged]


def _looked(controller: Controller, delivery: Delivery, every: bool, now: dt.datetime) -> _Looked:
    surveyed = survey(controller, delivery, now)
    counts: Counter[str] = Counter()
    plain: list[Judged] = []
    other: list[Judged] = []
    for one in look(controller, delivery, now):
        counts[one.outcome] += 1
        if one.why is not None:
            counts[f"refused.{one.why}"] += 1
        into = plain if one.outcome == TAKEN else other
        if every or len(into) < _SHOWN:
            into.append(one)
    room = len(plain) if every else max(0, _SHOWN - len(other))
    return _Looked(surveyed, counts, sorted([*other, *plain[:room]], key=lambda o: o.line.number))


def _look(common: Common, delivery: Delivery, found: _Looked) -> int:
    counts, shown = found.counts, found.shown
    rows = [(one.line.number, _WORDS[one.outcome], _why(one)) for one in shown]
    words: list[Any] = [table(("#line", "", "why"), rows) if rows else "No lines."]
    words += _left_out(found.surveyed)
    words.append(_summary(counts, "to be stored"))
    lines = sum(counts[what] for what in _TOLD)
    if lines > len(shown):
        words.append(f"{many(lines - len(shown), 'line')} more: see them with --all")
    words.append("Nothing was stored yet. To store it: add --yes")
    document = {
        "import": delivery.import_, "lines": lines, "left_out": list(found.surveyed.dropped),
        "counts": dict(counts),
        "shown": [
            {"line": o.line.number, "outcome": o.outcome, "why": o.why,
             "column": o.line.column or None, "reason": _why(o)}
            for o in shown
        ],
    }  # fmt: skip
    common.out.result(document, words)
    return 0


def _why(one: Judged) -> str:
    if one.outcome == HELD:
        return _WAITS
    where = f" (`{one.line.column}`)" if one.line.column else ""
    return f"{one.reason}{where}"


def _left_out(surveyed: Survey) -> list[str]:
    if not surveyed.dropped:
        return []
    names = ", ".join(f"`{name}`" for name in surveyed.dropped)
    return [f"Left out, because the policy does not declare it: {names}."]


def _summary(counts: Counter[str] | dict[str, int], stored: str = "stored") -> str:
    said = [f"{counts.get(TAKEN, 0):,} {stored}"]
    said += [f"{counts.get(what, 0):,} {words}" for what, words in _TOLD.items() if what != TAKEN]
    return f"Lines: {', '.join(said)}."


def _document(run: Run, surveyed: Survey, same: bool) -> dict[str, Any]:
    return {
        "run": run.id, "import": run.import_, "source": run.source, "lines": run.lines - 1,
        "through": run.through - 1, "complete": run.done, "there_before": same,
        "left_out": list(surveyed.dropped), "counts": dict(run.counts),
    }  # fmt: skip


def _told(common: Common, run: Run, surveyed: Survey, same: bool) -> list[str]:
    if same:
        return [f"This file was brought in on {run.changed_at:%Y-%m-%d}; nothing was changed."]
    words = [*_left_out(surveyed), _summary(dict(run.counts))]
    reasons = {n.partition(".")[2]: c for n, c in run.counts.items() if n.startswith("refused.")}
    words += [f"  {count:,}: {REASONS[Amiss(why)]}"
              for why, count in sorted(reasons.items())]  # fmt: skip
    if run.counts.get(HELD):
        words.append(f"What waits: {common.next('quarantine', 'list')}")
    if not run.done:
        words.append(f"Stopped behind line {run.through:,} of {run.lines:,}; the same command goes"
                     " on there.")  # fmt: skip
    return words
