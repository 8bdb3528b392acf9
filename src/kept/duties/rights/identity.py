"""Who is who: links that somebody makes and undoes, and doubtful matches that somebody settles.

Each is an entry, with who did it in which role, at which level, and the keyed hash of the reason;
which identifier it was the ledger does not say. Each can be undone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from kept.controller import Controller
from kept.database import Connection
from kept.errors import Denied, Shredded, UsageError
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.records.doubt import DIFFERENT, OUTCOMES, SAME, Doubt, Pair
from kept.records.subject import LINKING, PROVABLE, identity_mac
from kept.terms.evidence import COUNTED, LEVELS, PROVEN, linkable
from kept.terms.identifiers import Identifier

#: An erasure in one of these has been begun, and is not over.
_BEGUN: Final = (State.EXECUTING, State.EXECUTED, State.CHECKED)
#: Roles that may say who is who. Whoever only takes requests in or serves them may not.
MAY_LINK: Final = frozenset(("privacy-officer", "approver", "verifier", "operator"))


def link(
    controller: Controller, identifier: Identifier, to: Identifier, evidence: str, reason: str,
    actor: Actor, now: dt.datetime, *, shared: bool = False, same: bool = False,
) -> int:  # fmt: skip
    """Link an identifier to the person to whom `to` leads; how many others it leads to as well.

    `reason` says what was looked at. Where others are known by it, somebody has to say what that
    means: it is `shared` (then it widens nobody's search), or they are the `same` person (both
    stay what they are, tied). Raises Denied for a role that may not; UsageError for a kind or a
    level at which nothing can be linked, for several people behind `to`, and where neither is said.
    """
    _may(actor)
    linkable(evidence)
    _refuse_kind(identifier, PROVABLE if evidence in PROVEN else LINKING)
    _refuse_kind(to, LINKING)
    if (identifier.kind, identifier.normalised) == (to.kind, to.normalised) and same:
        raise UsageError(
            "an identifier cannot be tied to itself", expected="two identifiers of one person"
        )
    with controller.database.connection() as connection:
        subject = _the_one(controller, to, now, connection)
        others = controller.identities.others(identifier, subject, connection=connection)
        if others and not shared and not same and evidence in COUNTED:
            raise UsageError(
                f"this identifier is known as that of {_people(others)} already;"
                " nobody was merged, nothing was changed",
                fix="add --shared where several use it, or --same-person where they are one person",
            )
        _link(controller, subject, identifier, evidence, reason, actor, now, connection, same=same)
        return 0 if same else others


def covers(controller: Controller, given: Identifier, other: Identifier) -> bool:
    """Whether a request by `given` is searched by `other` as well: both are proven one person's."""
    (known,) = controller.identities.known([[given]])
    searched = (given, *known.added)
    return (other.kind, other.normalised) in {(i.kind, i.normalised) for i in searched}


def unlink(
    controller: Controller, identifier: Identifier, of: Identifier, reason: str, actor: Actor,
    now: dt.datetime,
) -> tuple[str, str | None]:  # fmt: skip
    """Undo a link: (the level it had, the level that holds again; None: none).

    Raises Denied, and UsageError where it is not linked, or is all by which she is known.
    """
    _may(actor)
    with controller.database.connection() as connection:
        hers = controller.subjects.find([of], connection=connection)
        linked = sorted(
            {*controller.identities.direct(identifier, connection=connection)} & {*hers}
        )
        if not linked:
            raise _not_linked(controller, identifier, of)
        # Two numbers that are tied may both have it: what was done last is undone.
        last = controller.identities.latest(identifier, linked, connection=connection)
        subject = linked[0] if last is None else last
        done = _unlink(controller, subject, identifier, reason, actor, now, connection)
        if not controller.identities.left(subject, connection=connection):
            raise UsageError(
                "this is all by which this person is known; nothing was changed",
                fix="link another identifier first, or erase her",
            )
    return done


def _not_linked(controller: Controller, identifier: Identifier, of: Identifier) -> UsageError:
    """Why a link cannot be undone that is not there; an erasure that waits may have taken it."""
    both = {(i.kind, i.normalised) for i in (identifier, of)}
    for case in (*controller.cases.naming(of), *controller.cases.naming(identifier)):
        if case.right != "erasure" or case.state not in _BEGUN:
            continue
        named = controller.cases.covered(case) or controller.cases.identifiers(case)
        if any(both <= {(i.kind, i.normalised) for i in one} for one in named):
            return UsageError(
                f"the erasure of case {case.id} has begun and took every link of hers with it; what"
                " waits for a system is still looked for there by both identifiers",
                expected="a link that is undone before her erasure begins",
                fix="if both are not one person's, keep what is left there before the case goes on:"
                " decide anew what it had met (`kept identity doubts --settled --show --case"
                f" {case.id}`, then `kept identity settle`), or else place a hold on that system"
                " (`kept hold add`) until it is known whose the rows are",
            )
    return UsageError(
        "this identifier is not linked to that person",
        expected="one that `kept identity show` lists",
    )


def pair(controller: Controller, one: Doubt) -> Pair | None:
    """The identifiers of a doubtful match; None where its case has forgotten them: it was that of a
    child, or its period is over.
    """
    try:
        return controller.doubts.pair(one)
    except Shredded:
        return None


def settle(
    controller: Controller, id_: str, outcome: str, reason: str, actor: Actor, now: dt.datetime,
    *, seen: Doubt | None = None,
) -> Doubt:  # fmt: skip
    """Decide a doubtful match: `same` links both, tied and proven; `different` is not asked again.

    Deciding once more undoes what was decided before; `seen` is how it stood when it was looked
    at. Raises Denied, UsageError (also where it has been decided since).
    """
    _may(actor)
    if outcome not in OUTCOMES:
        raise UsageError("there is no such outcome", expected=f"one of {', '.join(OUTCOMES)}")
    doubt = controller.doubts.get(id_)
    if doubt.outcome == outcome:
        raise UsageError(f"this was settled as `{outcome}` already; nothing was changed")
    pair = controller.doubts.pair(doubt)
    with controller.database.connection() as connection:
        controller.doubts.settle(seen or doubt, outcome, reason, actor, now, connection=connection)
        subject = _the_one(controller, pair.one, now, connection)
        if outcome == SAME:
            for one in (pair.one, pair.other):
                _link(
                    controller, subject, one, "verified", reason, actor, now, connection,
                    same=one is pair.other,
                )  # fmt: skip
        elif doubt.outcome == SAME:
            for one in (pair.other, pair.one):
                if subject in controller.identities.direct(one, connection=connection):
                    _unlink(controller, subject, one, reason, actor, now, connection)
        settled = {
            "case": doubt.case,
            "what": doubt.reason,
            "outcome": outcome,
            "reason": controller.digest(reason.encode()),
            "actor": name(actor.role),
        }
        controller.ledger.append_in(connection, [Entry("identity.settled", now, settled)])
    return controller.doubts.get(id_)


def of_case(
    controller: Controller, case: Case, people: Sequence[Sequence[Identifier]], actor: Actor,
    now: dt.datetime, connection: Connection,
) -> int:  # fmt: skip
    """The number of the one person of a case; made where she is not known yet.

    How it was checked who asks proves the one identifier that was given, where nobody else has a
    claim to it. Of several it does not say which: each has to be proven for itself.
    """
    subject = controller.subjects.of(people[0], now, connection=connection)
    words = controller.cases.words(case).evidence
    named = controller.cases.identifiers(case)[0]
    if words is None or len(named) != 1 or named[0].kind not in LINKING:
        return subject
    (one,) = named
    direct = controller.identities.direct(one, connection=connection)
    if direct == (subject,) and not controller.identities.known([[one]])[0].subjects:
        _link(controller, subject, one, "verified", words, actor, now, connection, same=False)
    return subject


def _link(
    controller: Controller, subject: int, identifier: Identifier, evidence: str, reason: str,
    actor: Actor, now: dt.datetime, connection: Connection, *, same: bool,
) -> None:  # fmt: skip
    before = controller.identities.link(
        subject, identifier, evidence, reason, actor, now, same=same, connection=connection
    )
    body: dict[str, Any] = {
        **_entry(controller, subject, identifier, reason, actor, now, connection),
        "level": evidence,
        "same": same,
    }
    if before is not None:
        body["before"] = before
    controller.ledger.append_in(connection, [Entry("identity.linked", now, body)])


def _unlink(
    controller: Controller, subject: int, identifier: Identifier, reason: str, actor: Actor,
    now: dt.datetime, connection: Connection,
) -> tuple[str, str | None]:  # fmt: skip
    before, after = controller.identities.unlink(
        subject, identifier, reason, actor, now, connection=connection
    )
    body: dict[str, Any] = {
        **_entry(controller, subject, identifier, reason, actor, now, connection),
        "before": before,
        **({} if after is None else {"level": after}),
    }
    controller.ledger.append_in(connection, [Entry("identity.unlinked", now, body)])
    return before, after


def _entry(
    controller: Controller, subject: int, identifier: Identifier, reason: str, actor: Actor,
    now: dt.datetime, connection: Connection,
) -> dict[str, Any]:  # fmt: skip
    return {
        "subject": controller.vault.pseudonym(subject, PERSON, now, connection=connection),
        "link": link_digest(controller, subject, identity_mac(controller.vault, identifier)),
        "kind": identifier.kind,
        "reason": controller.digest(reason.encode()),
        "actor": name(actor.role),
    }


def link_digest(controller: Controller, subject: int, mac: bytes) -> str:
    """What the ledger calls a link of a person and an identifier."""
    return controller.digest(b"link\x00" + str(subject).encode() + b"\x00" + mac)


def _the_one(
    controller: Controller, to: Identifier, now: dt.datetime, connection: Connection
) -> int:
    """The number of the person whom an identifier names; made where nobody is known by it."""
    known = controller.identities.known([[to]])[0].subjects
    if known:
        direct = controller.identities.direct(to, connection=connection)
        return min(set(direct) & set(known))
    found = controller.subjects.find([to], connection=connection)
    if len(found) > 1:
        raise UsageError(
            f"what was given leads to {_people(len(found))}; nothing was changed",
            expected="an identifier of one person",
            fix="name her by another identifier",
        )
    return found[0] if found else controller.subjects.of([to], now, connection=connection)


def _refuse_kind(identifier: Identifier, kinds: Sequence[str]) -> None:
    if identifier.kind not in kinds:
        raise UsageError(
            f"nobody can be known by a {identifier.kind}: {LEVELS['name'].means}"
            if identifier.kind == "name"
            else f"nobody can be known by an identifier of kind {identifier.kind}",
            expected=f"one of {', '.join(kinds)}",
            fix="an IP address or a device has to be proven hers: --evidence verified"
            if identifier.kind in PROVABLE
            else None,
        )


def _may(actor: Actor) -> None:
    if actor.role not in MAY_LINK:
        raise Denied(
            f"the role `{actor.role}` may not say who is who",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_LINK))}",
        )


def _people(count: int) -> str:
    return "another person" if count == 1 else f"{count} people"


__all__ = [
    "DIFFERENT",
    "MAY_LINK",
    "OUTCOMES",
    "SAME",
    "link",
    "link_digest",
    "of_case",
    "settle",
    "unlink",
]
