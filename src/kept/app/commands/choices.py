"""`kept rights object` and its neighbours: rights by which a person decides over uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from kept.app.commands.after import named, unchanged
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
from kept.app.commands.people import SIZE, People, Several, choosing
from kept.app.commands.rights import (
    Arrived,
    CaseId,
    Evidence,
    Override,
    SamePerson,
    group,
    others_open,
    recipients_told,
    request_of,
    require_checker,
    step_table,
)
from kept.app.fit import Exact
from kept.app.output import table
from kept.app.surface import require
from kept.controller import Controller
from kept.duties.rights import (
    ChoiceAnswer,
    lift,
    notify,
    object_to,
    preview_objection,
    preview_restriction,
    preview_withdrawal,
    restrict,
    weigh,
    withdraw,
)
from kept.duties.rights.choice import Told
from kept.duties.rights.request import VERBS, Others, also_open
from kept.duties.rights.restriction import GROUNDS, known_ground
from kept.errors import UsageError
from kept.terms.words import many

Purposes = Annotated[
    list[str] | None,
    Parameter(name="--purpose", help="a purpose of the policy; may be given again", negative=""),
]
Region = Annotated[
    str,
    Parameter(
        help="where she is: a region or a country as DE, US-CA; its rules apply, also of how long"
        " the answer may take (default: the strictest)"
    ),
]
Show = Annotated[
    bool,
    Parameter(
        help="print statements for systems in mode assisted: they hold row keys", negative=""
    ),
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
    arrived: Arrived = None,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    people: People = None,
    yes: Yes = False,
    override: Override = None,
    evidence: Evidence = None,
    same_person: SamePerson = None,
    case: CaseId = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """A person objects to purposes: they stop at once; what is not marketing is then weighed."""
    request = request_of(
        identity, identity_file, override, evidence, case, acting, same_person, people,
        region=region, arrived=arrived,
    )  # fmt: skip
    say, act = common.out, object_to if yes else preview_objection
    with opened(common, "rights object", acting.role) as (controller, _):
        require_checker(request)
        several = Several.of(controller, common, acting, "objection", request, people, SIZE)
        if several is not None:
            carry = choosing(
                lambda controller, one, now: object_to(
                    controller, one, purpose or (), now, region=region
                )
            )
            return several.carry(carry) if yes else several.only_opened()
        answer = act(controller, request, purpose or (), acting.moment, region=region)
        controller.ledger.checkpoint(acting.moment)
        to_do = _go_on(controller, answer, common, asked("--purpose", purpose))
        others = also_open(controller, answer.case)
    words = _words(answer, "objection", others, common)
    if not answer.executed:
        words += to_do
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
        Parameter(help="upheld (the purpose has stopped for good) or refused (it goes on)"),
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
    what = (
        "what was weighed has stopped for good"
        if outcome == "upheld"
        else "what was weighed goes on, on the grounds recorded, where no other objection stops it"
    )
    common.out.result(document, [f"Case {done.id} is {done.state}: {what}."])
    return 0


@group.command(name="restrict")
def restrict_command(
    *,
    ground: Annotated[
        str | None,
        Parameter(
            help=f"why she asks: {', '.join(GROUNDS)} (GDPR Art. 18(1)); of a case that goes on it"
            " is known"
        ),
    ] = None,
    but: Annotated[
        list[str] | None,
        Parameter(
            help="a purpose that she agrees to all the same; may be given again", negative=""
        ),
    ] = None,
    region: Region = "unknown",
    arrived: Arrived = None,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    people: People = None,
    yes: Yes = False,
    override: Override = None,
    evidence: Evidence = None,
    same_person: SamePerson = None,
    case: CaseId = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """A person has the use of her data restricted: it stays, and is not used until lifted."""
    request = request_of(
        identity, identity_file, override, evidence, case, acting, same_person, people,
        region=region, arrived=arrived,
    )  # fmt: skip
    say, act = common.out, restrict if yes else preview_restriction
    with opened(common, "rights restrict", acting.role) as (controller, _):
        require_checker(request)
        several = Several.of(controller, common, acting, "restriction", request, people, SIZE)
        if several is not None:
            known_ground(ground)
            carry = choosing(
                lambda controller, one, now: restrict(
                    controller, one, ground, now, but=but or (), region=region
                )
            )
            return several.carry(carry) if yes else several.only_opened()
        answer = act(controller, request, ground, acting.moment, but=but or (), region=region)
        controller.deliver(acting.moment)
        controller.ledger.checkpoint(acting.moment)
        given = (*asked("--ground", [ground] if ground else ()), *asked("--but", but))
        to_do = _go_on(controller, answer, common, given)
        others = also_open(controller, answer.case)
    # A case that goes on was shown before; all that a policy does is not listed a second time.
    words = _words(answer, "restriction", others, common, brief=yes and case is not None)
    words += [
        "What is stored stays stored, also where a law asks for it; what stops is every other use"
        " of it (GDPR Art. 18(2)).",
        *recipients_told(answer.told),
    ]
    if not answer.executed:
        words += to_do
    else:
        words.append(_ended(answer))
        told = common.next("rights", "lift", "--case", answer.case, "--told", "…")
        words.append(f"It stands until it is lifted, and before that she is told: {told}")
    say.result(answer.document(), words)
    return 0 if answer.complete or not answer.executed else 1


@group.command(name="lift")
def lift_command(
    *,
    case: Annotated[str, Parameter(help="the case of the restriction")],
    told: Annotated[
        str | None, Parameter(help="first: how and when she was told that it is to be lifted")
    ] = None,
    reason: Annotated[
        str | None, Parameter(help="then: why it is lifted, in words that she may be told")
    ] = None,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Lift a restriction, in two steps: record that she was told, then lift it."""
    if (told is None) == (reason is None):
        raise UsageError(
            "lifting is done in two steps, one at a time",
            expected="--told first; later --reason",
        )
    now, again = acting.moment, False
    with opened(common, "rights lift", acting.role) as (controller, _):
        if told is not None:
            done = notify(
                controller, case, said(told, "--told"), actor=acting.actor, role=acting.role,
                now=now,
            )  # fmt: skip
        else:
            done, again = lift(
                controller, case, said(reason or "", "--reason"), actor=acting.actor,
                role=acting.role, now=now,
            )  # fmt: skip
        controller.ledger.checkpoint(now)
    document = {"case": done.id, "right": done.right, "state": done.state.value, "lifted": again}
    if told is not None:
        step = common.next("rights", "lift", "--case", done.id, "--reason", "…")
        words = f"Recorded that she was told; it still stands. To lift it: {step}"
    elif again:
        words = f"Case {done.id} is closed: the restriction is lifted."
    else:
        words = f"Case {done.id} is closed; another case restricts the same data, so it stands."
    common.out.result(document, [words])
    return 0


@group.command(name="withdraw")
def withdraw_command(
    *,
    purpose: Purposes = None,
    region: Region = "unknown",
    arrived: Arrived = None,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    people: People = None,
    yes: Yes = False,
    erase: Annotated[
        bool,
        Parameter(help="also erase the data that rested on the consent alone", negative=""),
    ] = False,
    alone: Annotated[
        str | None,
        Parameter(help="REASON for which an erasure that takes two people cannot wait for another;"
                  " officers are alerted"),
    ] = None,
    override: Override = None,
    evidence: Evidence = None,
    same_person: SamePerson = None,
    case: CaseId = None,
    show: Show = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:  # fmt: skip
    """A person takes consent back: what rests on it stops, all else goes on and is listed."""
    request = request_of(
        identity, identity_file, override, evidence, case, acting, same_person, people,
        region=region, arrived=arrived,
    )  # fmt: skip
    request = replace(request, alone=said(alone, "--alone"))
    say, now = common.out, acting.moment
    if erase:
        # Erasing is for those who may erase, whatever it is for.
        require("rights erase", acting.role)
    with opened(common, "rights withdraw", acting.role) as (controller, _):
        require_checker(request)
        several = Several.of(controller, common, acting, "withdrawal", request, people, SIZE)
        if several is not None:
            carry = choosing(
                lambda controller, one, now: withdraw(
                    controller, one, purpose or (), now, region=region, erase=erase
                )
            )
            return several.carry(carry) if yes else several.only_opened()
        if yes:
            answer = withdraw(controller, request, purpose or (), now, region=region, erase=erase)
        else:
            answer = preview_withdrawal(controller, request, purpose or (), now, region=region)
        controller.deliver(now)
        controller.ledger.checkpoint(now)
        to_do = _go_on(controller, answer, common, asked("--purpose", purpose))
        others = also_open(controller, answer.case)
    words = [
        *_words(answer, "withdrawal of consent", others, common, carried=erase),
        *statements(answer.statements, show=show),
        *recipients_told(answer.told),
    ]
    if not answer.executed:
        words += to_do
    elif not answer.complete and answer.due:
        again = common.next("rights", "withdraw", "--case", answer.case, "--erase", "--yes")
        words += ["In force. Not complete: what is due has to go:", again]
    else:
        words.append(_ended(answer))
    say.result(_document(answer, show=show), words)
    return 0 if answer.complete or not answer.executed else 1


def _document(answer: ChoiceAnswer, *, show: bool) -> dict[str, Any]:
    """The answer as JSON; statements, which name rows by key, only where they are asked for."""
    document = answer.document()
    if not show:
        document["statements"] = {s: len(lines) for s, lines in answer.statements.items()}
    return document


def statements(made: Mapping[str, Sequence[str]], *, show: bool) -> list[str]:
    """What a person has to carry out in systems of mode assisted."""
    words: list[str] = []
    for system, lines in made.items():
        if show:
            words += [f"For {system}, to be carried out by a person:", *map(Exact, lines), ""]
        else:
            words.append(
                f"{system}: {many(len(lines), 'statement')} for a person to carry out; add --show"
                " to print them (they hold row keys)."
            )
    return words


def _words(
    answer: ChoiceAnswer, what: str, others: Others, common: Common, *, brief: bool = False,
    carried: bool = False,
) -> list[str]:  # fmt: skip
    """The answer for people, without what comes next.

    `brief`: activities are only counted. `carried`: what is due was erased, or that was tried.
    """
    title = f"Case {answer.case}: {what}"
    words = [title + ("" if answer.executed else " (nothing was recorded yet)")]
    words += [*others_open(common, answer.right, answer.case, others), ""]
    for head, told in (
        ("Stops", answer.stops),
        ("Stops while it is weighed", answer.weighed),
        ("Goes on", answer.goes_on),
    ):
        words += _counted(head, told) if brief else _told(head, told)
    if answer.due:
        words += [
            "Nothing may be done any more with:",
            step_table(answer.due, {}, planned=not (answer.executed and carried)),
        ]
    words += [f"Could not be asked: {system}: {why}" for system, why in answer.unreached]
    words += [f"Note: {w}" for w in answer.warnings]
    if not answer.held:
        words.append(
            "Nothing is held under what was given; it holds for that address all the same. Check"
            " its spelling."
        )
    return [*words, ""] if words[-1] else words


def _told(head: str, told: Sequence[Told]) -> list[str]:
    if not told:
        return []
    rows = [(t.purpose, t.title, t.ground, ", ".join(t.clauses[:3])) for t in told]
    return [f"{head}:", table(("purpose", "what", "ground", "clauses"), rows), ""]


def _counted(head: str, told: Sequence[Told]) -> list[str]:
    if not told:
        return []
    things = "1 activity" if len(told) == 1 else f"{len(told)} activities"
    return [f"{head}: {things}, as they were shown (--json lists them)."]


def asked(option: str, values: Sequence[str] | None) -> tuple[str, ...]:
    """An option that may be given again, as it was given."""
    return tuple(word for value in values or () for word in (option, value))


def _go_on(
    controller: Controller, answer: ChoiceAnswer, common: Common, given: Sequence[str]
) -> list[str]:
    case = controller.cases.get(answer.case)
    again = common.next("rights", VERBS[answer.right], "--case", case.id, *given)
    if not (answer.stops or answer.weighed or answer.due or answer.unreached):
        why = "nothing that is done with her data for this stops by it"
        return unchanged(controller, common, case.id, why, named(case, again))
    return [f"To carry it out: {named(case, again)}"]


def _ended(answer: ChoiceAnswer) -> str:
    if answer.complete and answer.right == "objection" and not answer.stops:
        return "Complete: nothing stops by it."
    if answer.complete:
        return "Complete: in force at the next decision."
    return "In force for what was given. Not complete: mend what is named above, then ask again."
