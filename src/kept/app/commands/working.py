"""`kept case note|give|plan|prove|confirm|tell`: a case as the desk works on it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands.common import ACTING, COMMON, Acting, Common, opened, said
from kept.app.output import table
from kept.controller import Controller
from kept.duties.rights import casework, new_address, proving
from kept.duties.rights.request import VERBS
from kept.duties.staff import owed
from kept.errors import UsageError
from kept.records.case import Case, State
from kept.records.case_proof import TRIES
from kept.stores.tasks import Task
from kept.terms.proof import RECORDED, WAYS
from kept.terms.words import many

#: The largest paper and the longest file of answers, in bytes.
_PAPER = 5_000_001
_ANSWERS = 65_536


def register(group: App) -> None:
    """Add the commands to the group `case`."""
    for command in (note, give, plan, prove, confirm, tell):
        group.command(command)


def note(
    case: str,
    /,
    *,
    words: Annotated[str, Parameter(help="for the staff; kept in the case, sealed")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Add a note for the staff to a case."""
    with opened(common, "case note", acting.role) as (controller, _):
        owed.require(controller, {acting.role}, controller.cases.get(case), acting.moment)
        actor = controller.actors.of(acting.actor, acting.role, acting.moment)
        casework.note(controller, case, said(words, "--words"), actor, acting.moment)
        notes = controller.casework.how_many_notes(controller.cases.get(case))
    common.out.result({"case": case, "notes": notes}, [f"Noted. {many(notes, 'note')} in all."])
    return 0


def give(
    case: str,
    /,
    *,
    to: Annotated[
        str | None, Parameter(help="the name of an account of the desk; left out: nobody's")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Make a case the task of an account of the desk, or of nobody."""
    now = acting.moment
    with opened(common, "case give", acting.role) as (controller, _):
        owed.require(controller, {acting.role}, controller.cases.get(case), now)
        account = None if to is None else controller.accounts.named(to, now)
        if to is not None and account is None:
            raise UsageError("there is no such account", fix="see `kept account list`")
        casework.give(controller, case, account, now)
    words = f"Case {case} is the task of {account.shown if account else 'nobody'}."
    common.out.result({"case": case, "owner": account.name if account else None}, [words])
    return 0


def plan(
    case: str,
    /,
    *,
    ground: Annotated[str | None, Parameter(help="why it is asked for")] = None,
    purpose: Annotated[
        list[str] | None, Parameter(name="--purpose", help="may be given again", negative="")
    ] = None,
    at: Annotated[
        str | None, Parameter(help="of a correction: system.dataset.field, as the map names it")
    ] = None,
    value_file: Annotated[
        Path | None, Parameter(help="of a correction: a file with the right value")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Look at what carrying a case out would do, and keep that to be approved; writes nothing."""
    given: dict[str, Any] = {
        key: value
        for key, value in {
            "ground": ground, "purposes": purpose, "at": at,
            "value": None if value_file is None else _text(value_file, _ANSWERS).strip(),
        }.items()
        if value
    }  # fmt: skip
    with opened(common, "case plan", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, acting.moment)
        looked = casework.look(controller, case, given, actor, acting.moment)
        controller.ledger.checkpoint(acting.moment)
        after = _after(controller, controller.cases.get(case), common)
    common.out.result(looked_document(looked) or {}, [*looked_lines(looked), *after])
    return 0


def approve_plan(
    case: str, plan: str, alone: str | None, acting: Acting, common: Common
) -> int:  # fmt: skip
    """Approve the plan of a case, by the hash under which it was looked at."""
    now = acting.moment
    with opened(common, "case approve", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        done = casework.approve(
            controller, case, plan, actor, now, alone=said(alone, "--alone")
        )  # fmt: skip
        controller.ledger.checkpoint(now)
    words = [
        f"Case {done.id} is {done.state}.",
        f"To carry it out: {common.next('rights', 'erase', '--case', done.id, '--yes')}",
    ]
    common.out.result({"case": done.id, "state": done.state.value}, words)
    return 0


def prove(
    case: str,
    /,
    *,
    way: Annotated[
        str,
        Parameter(help="; ".join(f"{w}: {WAYS[w].means}" for w in RECORDED)),
    ] = "checked",
    words: Annotated[
        str, Parameter(help="who checked what, when and how; kept in the case, sealed")
    ],
    paper: Annotated[
        Path | None,
        Parameter(help="a file that came as a proof; sealed, and destroyed when the case ends"),
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Record how it was checked who asks, also better than before."""
    now = acting.moment
    with opened(common, "case prove", acting.role) as (controller, _):
        content = None if paper is None else _bytes(paper, _PAPER)
        actor = controller.actors.of(acting.actor, acting.role, now)
        done = proving.record(
            controller, case, way, said(words, "--words"), actor, now, paper=content
        )  # fmt: skip
        at = proving.standing(controller, done)
        controller.ledger.checkpoint(now)
    out = [*at.lines(), f"Next: {common.next('case', 'show', done.id)}"]
    common.out.result({"case": done.id, "proof": at.document()}, out)
    return 0


def confirm(
    case: str,
    /,
    *,
    value_file: Annotated[Path, Parameter(help="a file (- for standard input) with the address")],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Have a new e-mail address confirmed: codes go to the old one and to the new one."""
    now = acting.moment
    with opened(common, "case confirm", acting.role) as (controller, _):
        new = _text(value_file, _ANSWERS)
        actor = controller.actors.of(acting.actor, acting.role, now)
        new_address.confirm_address(controller, case, new, actor, now)
    words = [
        "Codes wait to be mailed to both addresses; `kept serve` sends them.",
        "When both were typed in, the correction can be carried out.",
    ]
    common.out.result({"case": case, "sent": 2}, words)
    return 0


def tell(
    case: str,
    /,
    *,
    answers_file: Annotated[
        Path | None,
        Parameter(
            help="a file (- for standard input) with one PLACE=ANSWER a line; left out: what may"
            " be asked is listed"
        ),
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Put aside what somebody tells of herself, to be compared with what is held.

    Whether it was right is said to nobody, so that nobody learns anything by trying; `kept case
    show` has the level that is reached.
    """
    now = acting.moment
    with opened(common, "case tell", acting.role) as (controller, _):
        asked = proving.questions(controller)
        if answers_file is None:
            rows = list(asked.items())
            words = [table(("place", "question"), rows)] if rows else ["Nothing may be asked."]
            common.out.result({"asked": dict(asked)}, words)
            return 0
        actor = controller.actors.of(acting.actor, acting.role, now)
        left = proving.tell(controller, case, _pairs(answers_file), actor, now)
        proving.compare(controller, now)
        controller.ledger.checkpoint(now)
    words = [proving.THANKS, f"It can be tried {many(left, 'time')} more."]
    common.out.result({"case": case, "tries_left": left, "tries": TRIES}, words)
    return 0


def looked_document(looked: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The plan that was looked at, as JSON: counts, never whom it is about."""
    if looked is None:
        return None
    return {
        key: looked[key]
        for key in ("right", "plan", "rows", "goes", "stays", "unreached", "by", "role", "at")
    }


def looked_lines(looked: Mapping[str, Any] | None) -> list[str]:
    """The plan that was looked at, in words."""
    if looked is None:
        return []
    lines = [f"Looked at by {looked['by']}, {looked['at'][:16]}: {many(looked['rows'], 'row')} go."]
    if looked["goes"]:
        rows = [(g["place"], g["what"], g["rows"]) for g in looked["goes"]]
        lines.append(table(("where", "what happens", "#rows"), rows))
    if looked["stays"]:
        stay = [(s["place"], s["rows"], s["until"], s["clause"]) for s in looked["stays"]]
        lines += ["", table(("what stays", "#rows", "until", "clause"), stay)]
    lines += [f"{system} could not be asked: {why}" for system, why in looked["unreached"]]
    if looked["plan"]:
        lines.append(f"Plan: {looked['plan']}")
    return lines


def task_rows(tasks: list[Task], now: Any) -> list[tuple[Any, ...]]:
    """Tasks of people as rows: where, what, until when, reminders, state."""
    return [
        (
            t.id, f"{t.system}.{t.dataset}", t.action.value,
            f"{t.due:%Y-%m-%d}" if t.due else "not sent", len(t.reminded), casework.stands(t, now),
        )
        for t in tasks
    ]  # fmt: skip


def _after(controller: Controller, case: Case, common: Common) -> list[str]:
    if not proving.standing(controller, case).enough:
        return ["", *proving.standing(controller, case).lines()]
    by = approval(controller, case, common)
    return ["", by] if by else []


def approval(controller: Controller, case: Case, common: Common) -> str:
    """By whom and how the plan that was looked at last is approved; empty where none waits."""
    looked = controller.casework.looked_at(case) or {}
    if case.right not in casework.APPROVED or case.state is not State.PLANNED:
        return ""
    if not looked.get("plan"):
        return ""
    again = common.next("case", "approve", case.id, "--plan", looked["plan"], "--actor", "…")
    return f"Next, by somebody who did not enter the request: {again}"


def extension(controller: Controller, case: Case, common: Common) -> list[str]:
    """What of a case that was begun waits for another person, for whom and how it goes on; empty
    where nothing does.
    """
    rows = casework.more(controller, case)
    if not rows:
        return []
    erase = ["--erase"] if case.right == "withdrawal" else []
    again = common.next(
        "rights", VERBS[case.right], "--case", case.id, *erase, "--yes", "--actor", "…"
    )
    return [
        f"{many(rows, 'row')} that {'was' if rows == 1 else 'were'} met on going on"
        f" {'waits' if rows == 1 else 'wait'} for another person than"
        f" {' and '.join(controller.cases.waits(case).by)}, who drew"
        f" {'it' if rows == 1 else 'them'} up, and than who entered the request.",
        f"Next, by him: {again} (or alone, with a reason: --alone REASON)",
    ]


def _pairs(file: Path) -> dict[str, str]:
    found = {}
    for number, line in enumerate(_text(file, _ANSWERS).splitlines(), 1):
        place, equals, answer = line.partition("=")
        if not line.strip():
            continue
        if not equals:
            raise UsageError(
                "an answer names no place", where=f"line {number}", expected="PLACE=ANSWER"
            )
        found[place.strip()] = answer.strip()
    return found


def _text(file: Path, most: int) -> str:
    try:
        return _bytes(file, most).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError("the file is no text in UTF-8", where=str(file)) from None


def _bytes(file: Path, most: int) -> bytes:
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(most + 1)
        else:
            with file.open("rb") as opened_:
                content = opened_.read(most + 1)
    except OSError as problem:
        raise UsageError(
            "the file cannot be read", where=str(file), met=problem.strerror or "an error"
        ) from None
    if len(content) > most:
        raise UsageError("the file is too large", expected=f"at most {most:,} bytes")
    return content
