"""Restriction (GDPR Art. 18): what is held stays and is not used, until she was told otherwise.

Storing, legal claims, the protection of others and an important public interest are left, and
what she agrees to. The case stands open as long as the restriction does. Lifting it takes two
steps: that she was told is recorded, and after that it is lifted.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights import recipients
from kept.duties.rights.choice import (
    ANY_GROUND,
    ChoiceAnswer,
    Whom,
    channel_of,
    everyone,
    held_at_the_door,
    judged,
    known_purposes,
    known_region,
    let,
    refuse_ended,
    region_in,
    told,
    whom,
)
from kept.duties.rights.identity import of_case
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.receipts import Receipts, not_asked
from kept.duties.rights.request import (
    MAY_OVERRIDE,
    Request,
    open_case,
    way_on,
)
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry, name
from kept.model.select import KeySet, KeyTable
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.stores.tasks import Notice
from kept.terms.identifiers import Identifier

#: Why she asks, as the law lists it (GDPR Art. 18(1)), in words for people.
GROUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "accuracy": "whether the data is right is being checked",
        "unlawful": "its use is unlawful, and she wants it restricted rather than erased",
        "claims": "she needs it for legal claims",
        "objection": "an objection is being weighed",
    }
)

_FRESH: Final = (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED)
#: While a case is in one of these its restriction is in force.
IN_FORCE: Final = (State.EXECUTED, State.CHECKED, State.NOTIFIED)
_FACT: Final = "restricted"
#: Under this name is sealed whom the restriction was recorded for.
_BOUND: Final = "restricted"
#: And what it took over from another that was lifted.
_TAKEN: Final = "restricted-elsewhere"
_STOPS: Final = "it stays stored, and is not used in any other way while it is restricted"
_LEFT: Final = "the law leaves this although it is restricted (GDPR Art. 18(2))"
_AGREED: Final = "she agreed to it although it is restricted"
_LACKS: Final = f"{_AGREED}, but what it needs besides, such as a consent, is not on record"


def preview_restriction(
    controller: Controller, request: Request, ground: str | None, now: dt.datetime,
    *, but: Sequence[str] = (), region: str = "unknown",
) -> ChoiceAnswer:  # fmt: skip
    """Open a case and show what a restriction would stop; nothing is recorded."""
    _ground(controller, request, ground)
    region = known_region(region)
    but = known_purposes(controller.bundle, but) if but else ()
    case, _, people = open_case(controller, "restriction", request, now)
    refuse_ended(case, *_FRESH)
    region = region_in(controller, case, region)
    her = whom(controller, case, people, now)
    return _answer(controller, case, her, but, region, now, executed=False)


def restrict(
    controller: Controller, request: Request, ground: str | None, now: dt.datetime,
    *, but: Sequence[str] = (), region: str = "unknown",
) -> ChoiceAnswer:  # fmt: skip
    """Record the restriction, for one of GROUNDS; what is in `but` she agrees to all the same.

    Given a case whose restriction is in force: its ground is known, what is in `but` is added, and
    identifiers found in a system that was away. `complete` says that it is in force, for all that
    leads to her.
    """
    ground = _ground(controller, request, ground)
    region = known_region(region)
    but = known_purposes(controller.bundle, but) if but else ()
    case, actor, people = open_case(controller, "restriction", request, now)
    require_known_asker(controller, case)
    region = region_in(controller, case, region)
    with (
        way_on(controller, case),
        controller.cases.alone(case) as case,
        controller.cases.person_alone(people),
    ):
        refuse_ended(case, *_FRESH, State.EXECUTED, State.CHECKED)
        her = whom(controller, case, people, now)
        case = _record(controller, case, her, people, ground, but, actor, now)
        messages = recipients.messages(_had(controller, her), [her.identifiers])
        with controller.database.connection() as connection:
            recipients.note(controller, case, Notice.RESTRICTED, messages, now, connection)
        held = held_at_the_door(controller, people, [_FACT], now)
        whole = held and not her.unreached
        # Not complete as a case: it ends when the restriction does.
        case = controller.cases.finish(case, False, actor, now, in_force=whole)
        return _answer(
            controller, case, her, but, region, now, executed=True, complete=whole
        )  # fmt: skip


def notify(
    controller: Controller, case_id: str, words: str, *, actor: str, role: str, now: dt.datetime
) -> Case:
    """Record that she was told that the restriction is to be lifted: how and when, in `words`.

    Raises UsageError without words, where no restriction is in force in this case, or where a
    system is still to be asked by what else she is known there: nothing goes on after the notice.
    """
    if not words.strip():
        raise UsageError("nothing says how she was told", fix="say in words how and when")
    case, who = _restriction(controller, case_id, actor, role, now)
    with controller.cases.alone(case) as case, controller.database.connection() as connection:
        refuse_ended(case, State.CHECKED)
        if away := not_asked(controller, case):
            raise UsageError(
                f"{', '.join(away)} was not asked by what else she is known there",
                expected="a restriction that holds for all that is hers",
                fix=f"go on when it answers: `kept rights restrict --case {case.id}`; what is no"
                " more goes off the map first",
            )
        case = controller.cases.move(
            case, State.NOTIFIED, who, now, words=words, connection=connection
        )
        controller.ledger.append_in(connection, [_moved(case, "notified", words, role, now)])
    return case


def lift(
    controller: Controller, case_id: str, reason: str, *, actor: str, role: str, now: dt.datetime
) -> tuple[Case, bool]:
    """Lift the restriction of a case, after she was told; the case, closed.

    Also whether data may be used again: False while another case restricts it. Raises Denied
    before she was told.
    """
    if not reason.strip():
        raise UsageError("no reason is given", fix="say in words why it is lifted")
    case, who = _restriction(controller, case_id, actor, role, now)
    with controller.cases.alone(case) as case:
        refuse_ended(case, State.CHECKED, State.NOTIFIED)
        when = [e.at for e in controller.cases.events(case) if e.state is State.NOTIFIED]
        if case.state is not State.NOTIFIED or not when or when[-1] >= now:
            raise Denied(
                f"the restriction of case {case.id} cannot be lifted before she was told of it",
                fix=f'tell her, then record it: `kept rights lift --case {case.id} --told "…"`',
            )
        # One after another: of two that bind the same each would leave it to the other.
        with controller.cases.person_alone([bound(controller, case)]):
            rows, others = _bound(controller, case), _others(controller, case)
            if others:
                rows = [*_sealed(controller, others[0], _TAKEN), *rows]
            with controller.database.connection() as connection:
                if others:  # what this one alone was recorded for ends with it
                    _seal(controller, others[0], _TAKEN, rows, connection)
                known = controller.subjects.known(
                    [int(value) for kind, value in rows if not kind], connection=connection
                )
                for kind, value in () if others else rows:
                    if kind:
                        controller.suppressions.lift(
                            Identifier(kind, value), channel=channel_of(_FACT),
                            connection=connection,
                        )  # fmt: skip
                        continue
                    subject = int(value)
                    if subject not in known:
                        continue  # erased meanwhile
                    held = controller.consents.facts(subject, now, connection=connection).held
                    agreed = [(f, False) for f in sorted(held) if f.startswith("agreed:")]
                    controller.consents.record(
                        subject, [(_FACT, False), *agreed], now, source="lifted",
                        connection=connection,
                    )  # fmt: skip
                lifted = Entry("restriction.lifted", now, {"case": case.id, "actor": name(role)})
                closed = {"case": case.id, "right": "restriction", "complete": True}
                controller.ledger.append_in(
                    connection,
                    [
                        _moved(case, "closed", reason, role, now),
                        *([] if others else [lifted]),
                        Entry("case.closed", now, closed),
                    ],
                )
                case = controller.cases.close(case, reason, who, now, connection=connection)
        return case, not others


def _ground(controller: Controller, request: Request, ground: str | None) -> str:
    """The ground that is given, else that of the case that goes on; UsageError where none is."""
    if ground is None and request.case is not None:
        ground = Receipts.of(controller, controller.cases.get(request.case)).ground or None
    return known_ground(ground)


def known_ground(ground: str | None) -> str:
    """A ground of the law for a restriction; UsageError for any other, or for none."""
    if ground is None or ground not in GROUNDS:
        words = "; ".join(f"{key}: {why}" for key, why in GROUNDS.items())
        raise UsageError(
            "there is no such ground for a restriction"
            if ground is not None
            else "it is not said why she asks for a restriction",
            expected=words,
            fix="name one after --ground",
        )
    return ground


def _restriction(
    controller: Controller, case_id: str, actor: str, role: str, now: dt.datetime
) -> tuple[Case, Actor]:
    if role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{role}` may not lift a restriction",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )
    case = controller.cases.get(case_id)
    if case.right != "restriction":
        raise UsageError("the case is about another right", expected="a case about `restriction`")
    return case, controller.actors.of(actor, role, now)


def _moved(case: Case, state: str, words: str, role: str, now: dt.datetime) -> Entry:
    digest = hashlib.sha256(words.encode()).hexdigest()
    body = {"case": case.id, "state": state, "reason": digest, "actor": name(role)}
    return Entry("case.moved", now, body)


def bound(controller: Controller, case: Case) -> list[Identifier]:
    """The identifiers for which a restriction was recorded."""
    return [Identifier(kind, value) for kind, value in _bound(controller, case) if kind]


def _bound(controller: Controller, case: Case) -> list[tuple[str, str]]:
    """For whom it was recorded: (kind, value), and of people ("", number)."""
    both = (*_sealed(controller, case, _BOUND), *_sealed(controller, case, _TAKEN))
    return list(dict.fromkeys(both))


def also_for(
    controller: Controller, hers: Sequence[tuple[str, str]],
    more: Sequence[tuple[Identifier, str]], connection: Connection,
) -> None:  # fmt: skip
    """A restriction of somebody who is being erased ends for these (identifier, fact) of hers as
    well: it holds under them from now on.
    """
    new = [(i.kind, i.value) for i, fact in more if fact == _FACT]
    for state in IN_FORCE if new else ():
        for one in controller.cases.all(state):
            if one.right == "restriction" and not everyone(hers).isdisjoint(
                everyone(_bound(controller, one))
            ):
                rows = [*_sealed(controller, one, _BOUND), *new]
                _seal(controller, one, _BOUND, rows, connection)


def _sealed(controller: Controller, case: Case, what: str) -> list[tuple[str, str]]:
    keys = controller.cases.sealed_keys(case, what)
    return [(str(kind), str(value)) for _, (kind, value) in keys[what].rows] if keys else []


def _seal(
    controller: Controller, case: Case, what: str, rows: Iterable[tuple[str, str]],
    connection: Connection,
) -> None:  # fmt: skip
    table = KeyTable(("kind", "value"), tuple((0, row) for row in dict.fromkeys(rows)))
    controller.cases.seal_keys(case, {what: KeySet({what: table})}, connection=connection)


def _others(controller: Controller, case: Case) -> list[Case]:
    """The other cases that restrict something of what this one does."""
    who = everyone(_bound(controller, case))
    return [
        one
        for state in IN_FORCE
        for one in controller.cases.all(state)
        if one.right == "restriction"
        and one.id != case.id
        and not who.isdisjoint(everyone(_bound(controller, one)))
    ]


def _record(
    controller: Controller, case: Case, her: Whom, people: Sequence[Sequence[Identifier]],
    ground: str, but: Sequence[str], actor: Actor, now: dt.datetime,
) -> Case:  # fmt: skip
    """All of it in one transaction, with its entry."""
    first = case.state in _FRESH
    todo = (State.PLANNED, State.APPROVED, State.EXECUTING, State.EXECUTED)
    subjects = her.subjects
    with controller.database.connection() as connection:
        if case.state is not State.EXECUTED:
            way = todo if first else todo[2:]
            case = controller.cases.move(case, way, actor, now, connection=connection)
        if but and not subjects:
            # A consent is that of somebody; a restriction holds for whoever is met.
            subjects = (of_case(controller, case, people, actor, now, connection),)
        for subject in subjects:
            facts = [(_FACT, True), *((f"agreed:{p}", True) for p in but)]
            if not first:  # what was recorded before it was cut off is not recorded again
                held = controller.consents.facts(subject, now, connection=connection).held
                facts = [(fact, holds) for fact, holds in facts if fact not in held]
            if facts:
                controller.consents.record(
                    subject, facts, now, source="request", connection=connection
                )
        controller.suppressions.add(
            her.identifiers, now, channel=channel_of(_FACT), source="restriction",
            connection=connection,
        )  # fmt: skip
        _seal(
            controller, case, _BOUND,
            [
                *_sealed(controller, case, _BOUND),
                *((i.kind, i.value) for i in her.identifiers),
                *(("", str(subject)) for subject in subjects),
            ],
            connection,
        )  # fmt: skip
        # Once more where a system that was away at first was asked since: it is missing no more.
        body = {"case": case.id, "ground": name(ground), "source": "request",
                "actor": name(actor.role),
                "unreached": [name(s) for s, _ in her.unreached]}  # fmt: skip
        away = tuple(sorted(s for s, _ in her.unreached))
        if first or (case.in_force_at is None and not_asked(controller, case) != away):
            controller.ledger.append_in(connection, [Entry("restriction.set", now, body)])
    return case


def _answer(
    controller: Controller, case: Case, her: Whom, but: Sequence[str], region: str,
    now: dt.datetime, *, executed: bool, complete: bool = False,
) -> ChoiceAnswer:  # fmt: skip
    words = controller.bundle.vocabulary
    # What she has agreed to before holds as long as any restriction of hers.
    ((_, known),) = controller.facts_of_many([her.identifiers], now)
    before = [f.partition(":")[2] for f in known.held if f.startswith("agreed:")]
    agreed = {q for p in (*but, *before) for q in words.below("purposes", p)}
    met = judged(controller, [_FACT], region)
    facts = [_FACT, *(f"agreed:{p}" for p in but)]
    lets = let(controller, her.identifiers, facts, region, now, given=ANY_GROUND)
    # What she agrees to goes on only where the door has all that it needs.
    sure = let(controller, her.identifiers, facts, region, now)
    going = tuple(
        told(controller, e, _AGREED if e.stops else _LEFT)
        for e in met
        if e.activity.id in (sure if e.stops else lets)
        and (not e.stops or e.activity.purpose in agreed)
    )
    stops = tuple(
        told(controller, e, _LACKS if e.activity.purpose in agreed else _STOPS)
        for e in met
        if e.stops and not (e.activity.purpose in agreed and e.activity.id in sure)
    )
    return ChoiceAnswer(
        case.id, "restriction", executed, complete, case.state.value,
        tuple(sorted(stops)), (), tuple(sorted(going)), (),
        her.unreached, her.warnings,
        told=recipients.informed(controller, case, _had(controller, her)),
        held=her.held,
    )  # fmt: skip


def _had(controller: Controller, her: Whom) -> dict[str, recipients.Given]:
    """Who had her data: a choice is that of one person."""
    rows = {place: {0} for place in her.rows}
    return recipients.given(controller, rows, people=[her.identifiers])
