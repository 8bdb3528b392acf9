"""`kept rights object` and its neighbours: rights by which a person decides over uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import App, Parameter

from kept.app.commands.common import (
    ACTING,
    COMMON,
    Acting,
    Common,
    Identity,
    IdentityFile,
    opened,
    said,
)
from kept.app.commands.rights import CaseId, Evidence, Override, group, request_of, step_table
from kept.app.output import table
from kept.duties.rights import ChoiceAnswer, object_to, preview_objection, weigh
from kept.duties.rights.choice import Told

Purposes = Annotated[
    list[str] | None,
    Parameter(name="--purpose", help="a purpose of the policy; may be given again", negative=""),
]
Region = Annotated[
    str, Parameter(help="the region whose legal bases apply to her (default: the strictest)")
]
Yes = Annotated[
    bool, Parameter(help="carry it out; without it is only shown what it would do", negative="")
]


def register(app: App) -> None:
    """The commands stand in the group `rights`, which is registered by its own module."""
    del app


@group.command(name="object")
def object_command(
    *,
    purpose: Purposes = None,
    region: Region = "unknown",
    identity: Identity = None,
    identity_file: IdentityFile = None,
    yes: Yes = False,
    override: Override = None,
    evidence: Evidence = None,
    case: CaseId = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """A person objects to purposes: they stop at once; what is not marketing is then weighed."""
    request = request_of(identity, identity_file, override, evidence, case, acting)
    say, act = common.out, object_to if yes else preview_objection
    with opened(common, "rights object", acting.role) as (controller, _):
        answer = act(controller, request, purpose or (), acting.moment, region=region)
        controller.ledger.checkpoint(acting.moment)
    words = _words(answer, "objection")
    if not answer.executed:
        words.append(_go_on(answer, common, purpose or (), named=bool(override or evidence)))
    elif answer.weighed:
        decide = common.next(
            "rights", "weigh", "--case", answer.case, "--outcome", "upheld", "--grounds", "…"
        )
        words += [
            "In force. Not complete: it is to be weighed, then decided and told to her:",
            f"{decide} (or `refused`, with compelling grounds)",
        ]
    else:
        words.append(_ended(answer))
    say.result(answer.document(), words)
    return 0 if answer.complete or not answer.executed else 1


@group.command(name="weigh")
def weigh_command(
    *,
    case: Annotated[str, Parameter(help="the case of the objection")],
    outcome: Annotated[
        Literal["upheld", "refused"],
        Parameter(help="whether the purpose has stopped for good, or goes on"),
    ],
    grounds: Annotated[
        str,
        Parameter(help="what was weighed, in words that she is told; compelling where refused"),
    ],
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Decide an objection that was weighed."""
    now = acting.moment
    with opened(common, "rights weigh", acting.role) as (controller, _):
        done = weigh(
            controller, case, outcome, said(grounds, "--grounds"), actor=acting.actor,
            role=acting.role, now=now,
        )  # fmt: skip
        controller.ledger.checkpoint(now)
    document = {"case": done.id, "right": done.right, "state": done.state.value, "outcome": outcome}
    what = "have stopped for good" if outcome == "upheld" else "go on, on the grounds recorded"
    common.out.result(document, [f"Case {done.id} is {done.state}: the purposes {what}."])
    return 0


def _words(answer: ChoiceAnswer, what: str) -> list[str]:
    """The answer for people, without what comes next."""
    title = f"Case {answer.case}: {what}"
    words = [title + ("" if answer.executed else " (nothing was recorded yet)"), ""]
    for head, told in (
        ("Stops", answer.stops),
        ("Stops while it is weighed", answer.weighed),
        ("Goes on", answer.goes_on),
    ):
        words += _told(head, told)
    if answer.due:
        words += [
            "Nothing may be done any more with:",
            step_table(answer.due, {}, planned=not answer.executed),
        ]
    words += [f"Could not be asked: {system}: {why}" for system, why in answer.unreached]
    words += [f"Note: {w}" for w in answer.warnings]
    return [*words, ""] if words[-1] else words


def _told(head: str, told: Sequence[Told]) -> list[str]:
    if not told:
        return []
    rows = [(t.purpose, t.title, t.ground, ", ".join(t.clauses[:3])) for t in told]
    return [f"{head}:", table(("purpose", "what", "ground", "clauses"), rows), ""]


def _go_on(answer: ChoiceAnswer, common: Common, purposes: Sequence[str], *, named: bool) -> str:
    verb = {"objection": "object", "withdrawal": "withdraw", "restriction": "restrict"}
    asked = [word for p in purposes for word in ("--purpose", p)]
    again = common.next("rights", verb[answer.right], "--case", answer.case, *asked)
    return f"To carry it out: {again}" + ("" if named else ' --evidence "…"') + " --yes"


def _ended(answer: ChoiceAnswer) -> str:
    if answer.complete:
        return "Complete: in force at the next decision."
    return "In force for what was given. Not complete: mend what is named above, then ask again."
