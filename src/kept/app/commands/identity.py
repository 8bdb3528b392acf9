"""`kept identity`: who is who, by which evidence, and what a person has to decide."""

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
    opened,
    person,
    said,
)
from kept.app.fit import Exact
from kept.app.output import table
from kept.controller import Controller
from kept.duties import staff
from kept.duties.rights import identity as duty
from kept.errors import UsageError
from kept.records.doubt import Doubt
from kept.terms.evidence import LEVELS, LINKED
from kept.terms.identifiers import Identifier, parse
from kept.terms.likeness import REASONS
from kept.terms.words import many

Reason = Annotated[str, Parameter(help="what was looked at, in words; sealed, its hash recorded")]
Show = Annotated[bool, Parameter(help="also the identifiers themselves", negative="")]

group = App(
    name="identity",
    help="Which identifiers are proven one person's, and matches that somebody has to decide.",
)


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


def _one(identity: list[str] | None, file: Any, option: str = "--identity") -> Identifier:
    named = person(identity, file)
    if len(named) != 1:
        raise UsageError(f"`{option}` names one identifier here", met=str(len(named)))
    return named[0]


@group.command(name="show")
def show_command(
    *,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    show: Show = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """What is linked to a person and how sure it is; what was linked and undone before."""
    who = person(identity, identity_file)
    if not who:
        raise UsageError("nobody is named", fix="add for example --identity email=name@example.org")
    with opened(common, "identity show", acting.role) as (controller, _):
        linked = controller.identities.of(who)
        history = controller.identities.history(who)
        known = controller.identities.known([who])[0]
        if show:
            _noted(controller, acting, who, len(linked))
    covers = [*who, *known.added]
    document = {
        "linked": [
            {
                "kind": one.identifier.kind,
                "evidence": one.evidence,
                "proven": LEVELS[one.evidence].proves,
                "others": one.others,
                **({"value": one.identifier.value} if show else {}),
            }
            for one in linked
        ],
        "added_by_proof": len(known.added),
        "several": known.several,
        "history": [
            {
                "at": change.at.isoformat(), "act": change.act, "kind": change.kind,
                "before": change.before, "after": change.after, "role": change.actor.role,
                **({"reason": change.reason} if show else {}),
            }
            for change in history
        ],
    }  # fmt: skip
    rows = [
        (
            one.identifier.kind, one.evidence,
            "shared" if one.others else "yes" if LEVELS[one.evidence].proves else "no",
            one.others,
        )
        for one in linked
    ]  # fmt: skip
    words: list[str] = (
        [table(("kind", "evidence", "covered", "#others"), rows)]
        if rows
        else ["Nobody is known by what was given."]
    )
    words += [Exact(f"{one.identifier.kind}={one.identifier.value}") for one in linked if show]
    if known.several:
        words.append("What was given leads to several people, so it widens no search.")
    elif linked:
        words.append(
            f"A request by what was given is searched by {many(len(covers), 'identifier')}."
        )
    if history:
        words += ["", table(("when", "act", "kind", "before", "after", "role"),
                            [(f"{h.at:%Y-%m-%d %H:%M}", h.act, h.kind, h.before or "–",
                              h.after or "–", h.actor.role) for h in history])]  # fmt: skip
    common.out.result(document, words)
    return 0


@group.command
def link(
    *,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    to: Annotated[str, Parameter(help="KIND=VALUE by which the person is known")],
    evidence: Annotated[str, Parameter(help=f"how sure it is: {', '.join(LINKED)}")],
    reason: Reason,
    shared: Annotated[
        bool, Parameter(help="others use it too, so it widens nobody's search", negative="")
    ] = False,
    same_person: Annotated[
        bool, Parameter(help="whoever is known by it is the same person", negative="")
    ] = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Link an identifier to a person. What is proven hers is covered by every request of hers."""
    now = acting.moment
    one, hers = _one(identity, identity_file), parse(to)
    words = said(reason, "--reason")
    if shared and same_person:
        raise UsageError(
            "`--shared` and `--same-person` say the opposite of each other", expected="one of them"
        )
    with opened(common, "identity link", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        others = duty.link(
            controller, one, hers, evidence, words, actor, now, shared=shared, same=same_person
        )
        covered = duty.covers(controller, hers, one)
    level = LEVELS[evidence]
    told = [f"Linked: {one.kind}, evidence {evidence} ({level.means})."]
    if others:
        told.append(f"It leads to {others} more of the people known as well: not covered.")
    elif level.proves and not covered:
        told.append(
            f"A request by the {hers.kind} by which she is known does not cover it yet: that one is"
            " not proven hers. Prove it too: "
            + common.next("identity", "link", "--identity", f"{hers.kind}=…", "--to",
                          f"{hers.kind}=…", "--evidence", "…", "--reason", "…")
        )  # fmt: skip
    elif level.proves:
        told.append("Every request of hers covers it from now on.")
    else:
        told.append("That proves nothing: no search is widened by it.")
    again = ("identity", "unlink", "--identity", f"{one.kind}=…", "--from", f"{hers.kind}=…")
    told.append(f"To undo it: {common.next(*again, '--reason', '…')}")
    common.out.result(
        {
            "kind": one.kind, "evidence": evidence, "proven": level.proves, "others": others,
            "covered": covered,
        },
        told,
    )  # fmt: skip
    return 0


@group.command
def unlink(
    *,
    identity: Identity = None,
    identity_file: IdentityFile = None,
    from_: Annotated[str, Parameter(name="--from", help="KIND=VALUE by which the person is known")],
    reason: Reason,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Undo the latest link of an identifier to a person: what stood before stands again."""
    now = acting.moment
    one, hers = _one(identity, identity_file), parse(from_)
    words = said(reason, "--reason")
    with opened(common, "identity unlink", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        before, after = duty.unlink(controller, one, hers, words, actor, now)
    common.out.result(
        {"kind": one.kind, "before": before, "after": after},
        [f"Undone: {one.kind}, evidence {before}; now {after or 'not linked'}."],
    )
    return 0


@group.command
def doubts(
    *,
    settled: Annotated[bool, Parameter(help="also those that were decided", negative="")] = False,
    case: Annotated[str | None, Parameter(help="only those that this case met")] = None,
    show: Show = False,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Doubtful matches that wait for a person, oldest first; 1 while one waits."""
    with opened(common, "identity doubts", acting.role) as (controller, _):
        found = controller.doubts.all(settled=settled, case=case)
        pairs = {one.id: p for one in found if (p := duty.pair(controller, one))} if show else {}
        if pairs:
            whose = [one for p in pairs.values() for one in (p.one, p.other)]
            _noted(controller, acting, whose, len(pairs))
    rows = [(d.id, d.kind, d.other, REASONS[d.reason], d.outcome or "waits",
             f"{d.met_at:%Y-%m-%d}") for d in found]  # fmt: skip
    words: list[str] = (
        [table(("match", "of", "with", "records that", "state", "met"), rows)]
        if rows
        else ["Nothing waits."]
    )
    for one in found if show else []:
        if (pair := pairs.get(one.id)) is None:
            words.append(f"{one.id}: its case has forgotten by what")
            continue
        words.append(
            Exact(
                f"{one.id}: {pair.one.kind}={pair.one.value} | {pair.other.kind}={pair.other.value}"
            )
        )
    waiting = [d for d in found if d.outcome is None]
    if waiting:
        again = ("identity", "settle", waiting[0].id, "--outcome", "different", "--reason", "…")
        words.append(f"To decide one: {common.next(*again)}")
    document = {
        "doubts": [
            {
                **_document(one),
                **({"one": p.one.value, "with": p.other.value} if (p := pairs.get(one.id)) else {}),
            }
            for one in found
        ]
    }
    common.out.result(document, words)
    return 1 if waiting else 0


@group.command
def settle(
    match: str,
    /,
    *,
    outcome: Annotated[str, Parameter(help="same or different")],
    reason: Reason,
    acting: Acting = ACTING,
    common: Common = COMMON,
) -> int:
    """Decide a doubtful match, once or anew: the same person, or another (not asked again)."""
    now = acting.moment
    words = said(reason, "--reason")
    with opened(common, "identity settle", acting.role) as (controller, _):
        actor = controller.actors.of(acting.actor, acting.role, now)
        done = duty.settle(controller, match, outcome, words, actor, now)
    told = [f"Settled: {done.outcome}."]
    if outcome == duty.SAME:
        told.append("Both are proven one person's; a request by either covers the other.")
        told.append(f"The case that met it does not know yet: ask again, see case {done.case}.")
    common.out.result(_document(done), told)
    return 0


def _document(one: Doubt) -> dict[str, Any]:
    return {
        "match": one.id,
        "case": one.case,
        "reason": one.reason,
        "kind": one.kind,
        "other": one.other,
        "met_at": one.met_at.isoformat(),
        "outcome": one.outcome,
        "settled_at": one.settled_at.isoformat() if one.settled_at else None,
    }


def _noted(controller: Controller, acting: Acting, who: Sequence[Identifier], records: int) -> None:
    """Values are about to be shown: whose, and to whom, is noted (as keyed hashes)."""
    actor = controller.actors.of(acting.actor, acting.role, acting.moment)
    what = [f"{one.kind}={one.value}" for one in who]
    staff.noted(controller, actor, what, records, acting.moment)
