"""`kept disclosure`: to whom data of one person was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    Identity,
    IdentityFile,
    day,
    opened,
    person,
)
from kept.app.output import table
from kept.duties import disclosure
from kept.errors import UsageError
from kept.records.passed import Passed
from kept.terms.disclosures import GROUNDS

group = App(name="disclosure", help="To whom data of one person was given, and what she is told.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def add(
    *,
    to: Annotated[
        str, Parameter(help="a recipient of the policy or of kept.toml, or a lane, as `authority`")
    ],
    what: Annotated[Sequence[str], Parameter(help="categories of what was given")],
    ground: Annotated[str, Parameter(help=f"one of {', '.join(GROUNDS)}")],
    on: Annotated[str, Parameter(help="the day on which it was given")],
    name: Annotated[
        str | None, Parameter(help="what the organisation is called, where only its lane is known")
    ] = None,
    barred_until: Annotated[
        str | None, Parameter(help="the first day on which she may be told of it")
    ] = None,
    barred_by: Annotated[str | None, Parameter(help="the law that forbids to tell her")] = None,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Note that data of one person was given to somebody. Her next package tells her of it, unless
    a law forbids that: then from the day on which it ends.
    """
    now = acting.moment
    until, given = day(barred_until, "--barred-until"), day(on, "--on")
    if (until is None) != (barred_by is None):
        raise UsageError(
            "`--barred-until` and `--barred-by` belong together",
            expected="the day on which she may know, and the law that forbids it until then",
        )
    assert given is not None
    with opened(common, "disclosure add", acting.role) as (controller, _):
        who = controller.actors.of(acting.actor, acting.role, now)
        made = disclosure.note(
            controller, person(identity, identity_file), to, given, what, ground, who, now,
            title=name, barred=(until, barred_by) if until and barred_by else None,
        )  # fmt: skip
        controller.ledger.checkpoint(now)
    told = f"She is told of it from {made.barred_until} on." if made.barred_until else (
        "Her next package tells her of it.")  # fmt: skip
    common.out.result(_document(made), [f"Noted as {made.id}. {told}"])
    return 0


@group.command(name="list")
def list_command(*, acting: Acting = ACTING, common: Common = COMMON) -> int:
    """Every line of the record, without whose data it was."""
    with opened(common, "disclosure list", acting.role) as (controller, _):
        found = controller.passed.all()
    rows = [(p.id, str(p.on), p.recipient, ", ".join(p.categories), p.ground,
             str(p.barred_until or "–")) for p in found]  # fmt: skip
    head = ("disclosure", "on", "to", "what", "ground", "barred until")
    words = [table(head, rows)] if rows else ["Nothing is noted."]
    common.out.result({"disclosures": [_document(p) for p in found]}, words)
    return 0


def _document(one: Passed) -> dict[str, Any]:
    return {
        "id": one.id, "recipient": one.recipient, "title": one.title, "on": one.on.isoformat(),
        "categories": list(one.categories), "ground": one.ground,
        "barred_until": one.barred_until.isoformat() if one.barred_until else None,
        "barred_by": one.barred_by,
    }  # fmt: skip
