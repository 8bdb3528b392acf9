"""The verbs of the command line, one file per group. Each is thin: parse, call, say."""

from __future__ import annotations

from cyclopts import App

from kept.app.commands import (
    bench,
    case,
    demo,
    doctor,
    hold,
    ledger,
    mapping,
    new,
    policy,
    prove,
    rights,
    serve,
)


def register(app: App) -> None:
    """Give the command line all its verbs, in the order in which help shows them."""
    for group in (
        demo, new, serve, doctor, policy, mapping, rights, case, hold, prove, ledger, bench,
    ):  # fmt: skip
        group.register(app)
