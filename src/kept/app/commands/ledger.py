"""`kept ledger`: verify the record, sign its head, give a copy away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

import kept_verify
from kept.app.commands.common import COMMON, Common, moment, opened, program
from kept.app.output import table
from kept.controller import Controller
from kept.errors import Tampered, UsageError
from kept.ledger.audit import Report
from kept.ledger.proof import is_note
from kept.records import wholeness

#: The program that checks an export without Kept, to be given along.
_VERIFY: Final = Path(kept_verify.__file__).resolve()
group = App(name="ledger", help="The record of what happened, which cannot be altered unseen.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def verify(
    *,
    since: Annotated[
        Path | None, Parameter(help="an earlier checkpoint: finds a rolled back or forked ledger")
    ] = None,
    common: Common = COMMON,
) -> int:
    """Check every entry, the tree over them and the signatures."""
    earlier = None
    if since is not None:
        try:
            earlier = since.read_bytes()
        except OSError as problem:
            raise UsageError(
                "the earlier checkpoint cannot be read",
                expected="the file `checkpoint` of an export",
                met=problem.strerror or type(problem).__name__,
            ) from None
        if not is_note(earlier):
            raise UsageError(
                "what `--since` names is no checkpoint",
                expected="the file `checkpoint` of an export",
            )
    with opened(common) as (controller, _), common.out.progress("checking the ledger"):
        report = _report(controller, earlier)
    document = {
        "entries": report.entries,
        "root": report.root,
        "ok": report.ok,
        "signed": report.signed,
        "problems": list(report.problems),
        "unchecked": list(report.unchecked),
    }
    words = _altered(report)
    words.append(
        f"{report.entries:,} entries, {report.signed:,} of them signed for, root {report.root}"
    )
    words += [f"Not checked: {what}" for what in report.unchecked]
    bare = wholeness.unsigned(report)
    if not report.ok:
        words.append("The ledger does NOT hold.")
    elif bare is not None:
        words.append(f"The ledger is {bare}. If signing it now is right: `kept ledger checkpoint`")
    else:
        words.append("The ledger holds.")
    common.out.result(document, words)
    return 0 if report.ok and bare is None else 1


@group.command
def export(directory: Path, /, *, common: Common = COMMON) -> int:
    """Sign the head and write the whole ledger into a new directory; check it with kept-verify."""
    with opened(common) as (controller, _), common.out.progress("writing the ledger"):
        report = _report(controller)
        if report.ok:  # what was altered is not signed for once more
            controller.ledger.checkpoint(moment(None))
        elif controller.ledger.newest() is None:
            raise _tampered(report, "there is no signed head to copy")
        try:
            done = controller.ledger.export(directory.resolve())
        except OSError as problem:
            raise UsageError(
                "the copy cannot be written there",
                expected="a new or empty directory, where you may write",
                met=problem.strerror or type(problem).__name__,
                fix="name another directory",
            ) from None
    document = {
        "entries": done.entries,
        "root": done.root,
        "files": done.files,
        "key": done.key,
        "directory": str(directory.resolve()),
    }
    words = _altered(report)
    if words:
        words.append("The ledger does NOT hold; its head was not signed anew. The copy shows it.")
    common.out.result(
        {**document, "ok": report.ok, "problems": list(report.problems)},
        [
            *words,
            f"{done.entries:,} entries in {done.files:,} files, root {done.root}",
            f"Key: {done.key}",
            f"To check it, here or anywhere else: {program('kept-verify')} {directory}",
            f"kept-verify is one file that needs Python and `cryptography` alone: {_VERIFY}",
            f"The public key stands above and in {directory / 'key'}. Give it by another way than"
            " the copy, so that nobody can swap both.",
        ],
    )
    return 0 if report.ok else 1


@group.command
def checkpoint(
    *,
    now: Annotated[str | None, Parameter(help="the moment to sign at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Sign the head of the ledger as it is now, after every entry was checked."""
    with opened(common) as (controller, _), common.out.progress("checking the ledger"):
        report = _report(controller)
        if not report.ok:
            raise _tampered(report, "nothing was signed")
        signed = controller.ledger.checkpoint(moment(now))
        key = str(controller.ledger.key)
    document = {
        "entries": signed.size,
        "root": signed.root_text,
        "key": key,
        "note": signed.note.decode(),
    }
    rows = (("entries", f"{signed.size:,}"), ("root", signed.root_text), ("key", key))
    common.out.result(document, [table(("", ""), rows)])
    return 0


def _report(controller: Controller, since: bytes | None = None) -> Report:
    """What the ledger says of itself, and what Kept's other tables say of it."""
    return wholeness.look(controller.database, controller.ledger, since=since)


def _tampered(report: Report, then: str) -> Tampered:
    return Tampered(
        f"the ledger is not as it was written: {report.problems[0]}; {then}",
        fix="see `kept ledger verify`, and restore Kept's database from a backup before the change",
    )


def _altered(report: Report) -> list[str]:
    return [f"Not as it was written: {p}" for p in report.problems]
