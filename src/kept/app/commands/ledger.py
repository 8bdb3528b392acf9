"""`kept ledger`: verify the record, sign its head, give a copy away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, moment, opened, program
from kept.app.output import table
from kept.errors import UsageError
from kept.ledger.proof import is_note

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
        report = controller.ledger.verify(since=earlier)
    document = {
        "entries": report.entries,
        "root": report.root,
        "ok": report.ok,
        "signed": report.signed,
        "problems": list(report.problems),
        "unchecked": list(report.unchecked),
    }
    words: list[str] = [f"Not as it was written: {p}" for p in report.problems]
    words.append(
        f"{report.entries:,} entries, {report.signed:,} of them signed for, root {report.root}"
    )
    words += [f"Not checked: {what}" for what in report.unchecked]
    words.append("The ledger holds." if report.ok else "The ledger does NOT hold.")
    common.out.result(document, words)
    return 0 if report.ok else 1


@group.command
def export(directory: Path, /, *, common: Common = COMMON) -> int:
    """Sign the head and write the whole ledger into a new directory; check it with kept-verify."""
    with opened(common) as (controller, _), common.out.progress("writing the ledger"):
        controller.ledger.checkpoint(moment(None))
        try:
            done = controller.ledger.export(directory.absolute())
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
        "directory": str(directory.absolute()),
    }
    common.out.result(
        document,
        [
            f"{done.entries:,} entries in {done.files:,} files, root {done.root}",
            f"Key: {done.key}",
            f"To check it, here or anywhere else: {program('kept-verify')} {directory}",
            "Give the key by another way than the copy, so that nobody can swap both.",
        ],
    )
    return 0


@group.command
def checkpoint(
    *,
    now: Annotated[str | None, Parameter(help="the moment to sign at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """Sign the head of the ledger as it is now."""
    with opened(common) as (controller, _):
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
