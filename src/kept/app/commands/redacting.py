"""`kept case redact` and `approve`: other people in the texts of a package are left out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import App, Parameter

from kept.app.commands import working
from kept.app.commands.case import group
from kept.app.commands.common import ACTING, COMMON, Acting, Common, opened, said
from kept.app.fit import Exact
from kept.app.output import table
from kept.controller import Controller
from kept.duties import staff
from kept.duties.rights import redaction
from kept.errors import UsageError
from kept.records.actor import Actor
from kept.records.redaction import Redaction, Stands

Revision = Annotated[
    int | None,
    Parameter(help="the number of the change that was shown; without it nothing is decided"),
]
Show = Annotated[
    bool, Parameter(help="also the texts, and what is found in them of others", negative="")
]


def register(app: App) -> None:
    """Nothing to add: its commands stand in the group of cases."""
    del app


@group.command
def redact(
    case: str,
    /,
    *,
    revision: Revision = None,
    strike: Annotated[
        Sequence[str], Parameter(help="words to leave out, as they stand in the texts")
    ] = (),
    spare: Annotated[
        Sequence[str], Parameter(help="words that were found and stay in, as they were shown")
    ] = (),
    done: Annotated[bool, Parameter(help="hand it over to be approved", negative="")] = False,
    show: Show = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Read the texts of a case for other people, and say what is left out of its package.

    What rules and a look at who is known find is struck to begin with; the rest of what was found
    is struck with each call, except what it spares, or the call before did; --strike takes that
    back. Somebody else approves (`kept case approve`).
    """
    now = acting.moment
    if revision is None and (strike or spare or done):
        raise UsageError(
            "it is not said what was looked at",
            expected="--revision and the number that was shown",
            fix=f"look first: `kept case redact {case} --show`",
        )  # fmt: skip
    with opened(common, "case redact", acting.role) as (controller, _):
        who = controller.actors.of(acting.actor, acting.role, now)
        if revision is None:
            looked = redaction.look(controller, case, who, now)
        else:
            looked = redaction.redact(
                controller,
                case,
                revision,
                who,
                now,
                spared=spare,
                more=strike,
                done=done,
                go_on=True,
            )
        words = _words(controller, common, looked, who, now, show=show)
        if looked.stands.state is Stands.OPEN:
            again = common.next(
                "case", "redact", looked.case.id, "--revision", str(looked.stands.revision)
            )
            words += ["", f"To hand it over: {again} --done"]
        controller.ledger.checkpoint(now)
    common.out.result(_document(looked.stands, looked, show=show), words)
    return 0


@group.command
def approve(
    case: str,
    /,
    *,
    revision: Revision = None,
    give_back: Annotated[
        str | None, Parameter(help="give it back to be struck again, with this reason")
    ] = None,
    accept: Annotated[
        str | None, Parameter(help="accept what is left in the files, with this reason")
    ] = None,
    plan: Annotated[
        str | None,
        Parameter(help="approve what a deletion does: the hash that `kept case plan` names"),
    ] = None,
    alone: Annotated[
        str | None,
        Parameter(
            help="REASON for which a plan that takes another person cannot wait for one;"
            " officers are alerted"
        ),
    ] = None,
    show: Show = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Approve what is left out of a package because it concerns others: never who struck it.

    Without `--revision` it is shown how it stands. With `--plan` the plan of a deletion is
    approved: never by who entered the request.
    """
    now = acting.moment
    if plan is not None:
        return working.approve_plan(case, plan, alone, acting, common)
    if give_back is not None and accept is not None:
        raise UsageError("`--give-back` and `--accept` exclude each other", fix="give one of them")
    if revision is None and (give_back is not None or accept is not None):
        raise UsageError(
            "it is not said what was looked at", expected="--revision and the number that was shown"
        )
    with opened(common, "case approve", acting.role) as (controller, _):
        who = controller.actors.of(acting.actor, acting.role, now)
        looked = None
        if revision is None:
            looked = redaction.look(controller, case, who, now)
            stands, words = looked.stands, _words(controller, common, looked, who, now, show=show)
        else:
            if give_back is not None:
                why = said(give_back, "--give-back")
                stands = redaction.give_back(controller, case, revision, why, who, now)
            elif accept is not None:
                why = said(accept, "--accept")
                stands = redaction.accept(controller, case, revision, why, who, now)
            else:
                stands = redaction.approve(controller, case, revision, who, now)
            words = [f"It is {stands.state}: {stands.struck} struck, {stands.spared} left in."]
        controller.ledger.checkpoint(now)
    common.out.result(_document(stands, looked, show=show), words)
    return 0


def _words(
    controller: Controller, common: Common, looked: redaction.Look, who: Actor, now: dt.datetime,
    *, show: bool,
) -> list[str]:  # fmt: skip
    """How it stands, in words; that texts are shown is noted first."""
    stands = looked.stands
    if show:
        staff.noted(controller, who, [looked.case.id], len(looked.texts), now)
    words: list[str] = [
        f"Case {looked.case.id}, change {stands.revision}: {stands.state}.",
        f"{stands.texts:,} texts; {stands.struck} struck in {looked.places:,} places,"
        f" {stands.spared} left in.",
    ]
    words += [f"{system} could not be read: {why}" for system, why in looked.unreached.items()]
    if looked.left:
        rows = [(one.file, "struck" if one.struck else "found", one.count) for one in looked.left]
        words += ["", "Left in the files:", table(("file", "what", "#places"), rows)]
        words += [Exact(f"  {one.words}") for one in looked.left if show]
    if show:
        words += ["", *(Exact(f"[{'x' if s.on else ' '}] {s.words}")
                        for s in looked.strikes.strikes)]  # fmt: skip
        for one in looked.texts:
            words += ["", f"{one.title}, {one.field}:", Exact(one.text)]
    if stands.state is Stands.HANDED:
        again = common.next("case", "approve", looked.case.id, "--revision", str(stands.revision))
        words += ["", f"Somebody else approves it: {again}"]
    return words


def _document(stands: Redaction, looked: redaction.Look | None, *, show: bool) -> dict[str, Any]:
    said_: dict[str, Any] = {
        "revision": stands.revision, "state": stands.state.value, "texts": stands.texts,
        "struck": stands.struck, "spared": stands.spared, "left": stands.left_over,
    }  # fmt: skip
    if looked is None:
        return said_
    said_ |= {"places": looked.places, "unreached": dict(looked.unreached)}
    if show:
        said_ |= {
            "strikes": [{"words": s.words, "on": s.on, "how": s.how}
                        for s in looked.strikes.strikes],
            "shown": [{"system": t.place[0], "dataset": t.place[1], "field": t.field,
                       "text": t.text} for t in looked.texts],
        }  # fmt: skip
    return said_
