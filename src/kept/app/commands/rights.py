"""`kept rights`: access and erasure, for one person named by her identifiers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, opened
from kept.app.output import many, table
from kept.duties.rights import Request, access, erase, preview
from kept.errors import UsageError
from kept.model.plan import StepResult
from kept.terms.identifiers import parse

group = App(name="rights", help="Answer a person: what is held of her, and its erasure.")

Identity = Annotated[
    list[str] | None,
    Parameter(
        name="--identity",
        help="KIND=VALUE, as email=name@example.org; several name the same person",
        negative="",
    ),
]
Override = Annotated[
    str | None,
    Parameter(help="REASON for which the check of who asks is left out; recorded"),
]
Evidence = Annotated[str | None, Parameter(help="in words, how it was checked who asks; recorded")]
CaseId = Annotated[str | None, Parameter(name="--case", help="a case that was opened before")]

_DONE: Final[Mapping[str, str]] = {
    "read": "read", "delete": "deleted", "overwrite": "overwritten", "retain": "kept",
}  # fmt: skip


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


def _request(
    identity: list[str] | None, override: str | None, evidence: str | None, case: str | None,
    acting: Acting,
) -> Request:  # fmt: skip
    person = tuple(parse(text) for text in identity or ())
    if not person and case is None:
        raise UsageError(
            "nobody is named",
            expected="at least one --identity KIND=VALUE, or --case ID",
            fix="add for example --identity email=name@example.org",
        )
    people = (person,) if person else ()
    return Request(people, acting.actor, acting.role, override, evidence, case)


@group.command(name="access")
def access_command(
    *,
    identity: Identity = None,
    out: Annotated[
        Path | None, Parameter(help="the package to write (default: access-<moment>.zip)")
    ] = None,
    override: Override = None,
    evidence: Evidence = None,
    case: CaseId = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Everything held of a person, as a package (HTML and JSON); a case is recorded."""
    now = acting.moment
    request = _request(identity, override, evidence, case, acting)
    path = (out or Path(f"access-{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}.zip")).absolute()
    if path.is_dir() or not path.parent.is_dir():
        raise UsageError(
            "the package cannot be written there",
            where=str(path),
            expected="a file in a directory that exists",
            fix="name another file with --out",
        )
    say = common.out
    with opened(common, "rights access", acting.role) as (controller, _):
        with say.progress("asking every mapped system"):
            answer = access(controller, request, now, out=path)
            controller.deliver(now)
        controller.ledger.checkpoint(now)
    rows = sum(s.counts.found for s in answer.steps)
    words: list[str] = [
        f"Case {answer.case}: access",
        "",
        _table(answer.steps, planned=False),
        "",
        *_notes(answer.unreached, answer.warnings),
    ]
    if answer.complete:
        words.append(f"Complete. {many(rows, 'row')} written to {path}")
    else:
        words += [
            f"Not complete: {many(rows, 'row')} written to {path}",
            "Mend what is named above, then ask again; the answer says that it is partial.",
        ]
    say.result(answer.document(), words)
    return 0 if answer.complete else 1


@group.command(name="erase")
def erase_command(
    *,
    identity: Identity = None,
    yes: Annotated[
        bool, Parameter(help="carry it out; without it the plan is only shown", negative="")
    ] = False,
    override: Override = None,
    evidence: Evidence = None,
    case: CaseId = None,
    show: Annotated[
        bool,
        Parameter(help="print statements for systems in mode assisted: they hold row keys",
                  negative=""),
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """Show what an erasure would do, and with --yes do it, read it back and say what is true."""
    now = acting.moment
    request = _request(identity, override, evidence, case, acting)
    say = common.out
    with opened(common, "rights erase", acting.role) as (controller, _):
        with say.progress("carrying out the plan" if yes else "planning; nothing is written"):
            answer = (erase if yes else preview)(controller, request, now)
            controller.deliver(now)
        controller.ledger.checkpoint(now)
    document = answer.document()
    if not show:
        # Statements name rows by key; only a person who asks for them gets them.
        statements = {s: len(lines) for s, lines in answer.statements.items()}
        document = {**document, "statements": statements}
    words: list[str] = [
        f"Case {answer.case}: erasure" + ("" if answer.executed else " (a plan, nothing was done)"),
        "",
        _table(answer.steps, planned=not answer.executed),
        "",
        *_notes(answer.unreached, answer.warnings),
        *_kept(answer.steps),
    ]
    for system, lines in answer.statements.items():
        if show:
            words += [f"For {system}, to be carried out by a person:", *lines, ""]
        else:
            words.append(
                f"{system} is in mode assisted: {len(lines)} statements for a person to carry"
                " out; add --show to print them (they hold row keys)."
            )
    if not answer.executed:
        if override or evidence or case:
            again = f"kept rights erase --case {answer.case} --yes"
            words.append(f"To carry it out: {again}")
        else:
            words.append(
                "To carry it out, ask again with --yes and with --evidence (how it was checked who"
                " asks) or --override (why it was not)."
            )
    elif answer.complete:
        said = sum(s.word for s in answer.steps)
        words.append(
            "Complete: every system was asked and every step was read back"
            + (f", but for {many(said, 'step')} that rest on a person's word." if said else ".")
        )
        if answer.physical:
            words.append(
                f"Her keys are destroyed; the last copy is of no use from {answer.physical} on."
            )
    else:
        words.append(
            "Not complete. Mend what is named above, then go on with:"
            f" kept rights erase --case {answer.case} --yes"
        )
    say.result(document, words)
    blocked = any(s.problem for s in answer.steps) or bool(answer.unreached)
    if answer.executed:
        return 0 if answer.complete else 1
    return 1 if blocked else 0


def _table(steps: Sequence[StepResult], *, planned: bool) -> str:
    if not steps:
        return "Nothing is held under what was given, in any system that answered."
    rows: list[tuple[Any, ...]] = []
    for s in steps:
        c = s.counts
        if planned:
            state = "planned"
        elif s.verified:
            state = "read back"
        elif s.word:
            state = "by a person's word"
        else:
            state = "NOT verified"
        action = s.action.value if planned else _DONE[s.action.value]
        rows.append((f"{s.store}.{s.dataset}", action, c.found, c.changed, c.retained, state))
    return table(("where", "action", "#found", "#changed", "#retained", "state"), rows)


def _kept(steps: Sequence[StepResult]) -> list[str]:
    lines = []
    for s in steps:
        if s.reason is None or not s.counts.retained:
            continue
        law = f" ({s.reason.law})" if s.reason.law else ""
        until = f"until {s.reason.until}" if s.reason.until else "with no end set yet"
        lines.append(
            f"{s.store}.{s.dataset} keeps {many(s.counts.retained, 'row')} {until}:"
            f" {s.reason.words.rstrip('.')}{law}; clause {s.reason.clause}."
        )
    for s in steps:
        if s.problem:
            lines.append(f"{s.store}.{s.dataset}: {s.problem}")
    return [*lines, ""] if lines else []


def _notes(unreached: Sequence[tuple[str, str]], warnings: Sequence[str]) -> list[str]:
    lines = [f"Could not be asked: {system}: {why}" for system, why in unreached]
    lines += [f"Note: {w}" for w in warnings]
    return [*lines, ""] if lines else []
