"""Objection (GDPR Art. 21): a purpose stops at once; marketing and the profiling for it for good.

Any other purpose stops while the objection is weighed. It goes on only where somebody who
answers for it records compelling grounds; else it has stopped for good.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

from kept.controller import Controller
from kept.decide.effects import Effect, absolute
from kept.duties.rights import recipients
from kept.duties.rights.choice import (
    ChoiceAnswer,
    Told,
    Whom,
    channel_of,
    concerning,
    everyone,
    going_on,
    held_at_the_door,
    judged,
    known_purposes,
    known_region,
    let,
    matter,
    refuse_ended,
    region_in,
    told,
    whom,
)
from kept.duties.rights.proving import require_known_asker
from kept.duties.rights.receipts import PENDING, inapplicable, not_asked, objected
from kept.duties.rights.request import MAY_OVERRIDE, Request, open_case, way_on
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry, name
from kept.model.select import KeySet, KeyTable
from kept.records.actor import Actor
from kept.records.case import Case, State
from kept.stores.tasks import Notice
from kept.terms.identifiers import Identifier

#: How an objection that was weighed is decided.
Weighed = Literal["upheld", "refused"]
WEIGHED: Final[tuple[Weighed, ...]] = get_args(Weighed)
#: For whom a purpose is weighed: (purpose, kind, value), and of people (purpose, "", number).
_Row: TypeAlias = tuple[str, str, str]
#: Before an objection is recorded a case is in one of these.
_FRESH: Final = (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED)
_AT_ONCE: Final = "stopped for good: against this an objection needs no reason"
_WEIGHED: Final = "stopped until it is decided whose interest prevails"


def preview_objection(
    controller: Controller, request: Request, purposes: Sequence[str], now: dt.datetime,
    *, region: str = "unknown",
) -> ChoiceAnswer:  # fmt: skip
    """Open a case and show what an objection to these purposes would stop; nothing is recorded."""
    purposes, region = known_purposes(controller.bundle, purposes), known_region(region)
    case, _, people = open_case(
        controller, "objection", request, now, matter=matter(controller, purposes)
    )
    refuse_ended(case, *_FRESH)
    region = region_in(controller, case, region)
    her = whom(controller, case, people, now, several=True)
    return _answer(controller, case, her, purposes, region, now, executed=False)


def object_to(
    controller: Controller, request: Request, purposes: Sequence[str], now: dt.datetime,
    *, region: str = "unknown",
) -> ChoiceAnswer:  # fmt: skip
    """Record the objection: from here on the door denies these purposes for her.

    It holds for every identifier of hers, also where nobody is known under it yet. Given a case
    that was begun, what was objected to is known, and more can be named. `complete` False: purposes
    that are weighed are left (`weigh`), or a system could not be asked which other identifiers are
    hers.
    """
    purposes = known_purposes(controller.bundle, purposes or _before(controller, request))
    region = known_region(region)
    case, actor, people = open_case(
        controller, "objection", request, now, matter=matter(controller, purposes)
    )
    require_known_asker(controller, case, purposes)
    region = region_in(controller, case, region)
    with (
        way_on(controller, case),
        controller.cases.alone(case) as case,
        controller.cases.person_alone(people),
    ):
        refuse_ended(case, *_FRESH, State.EXECUTED, State.CHECKED)
        her = whom(controller, case, people, now, several=True)
        # What it was recorded for before goes on in a system that was away, too.
        purposes = tuple(dict.fromkeys((*objected(controller, case), *purposes)))
        reached, concerned = _objectable(controller, purposes, region)
        facts = [f"objection:{p}" for p in reached]
        bases = {p: sorted({e.basis for e in concerned[p]}) for p in purposes if p not in reached}
        case = _record(controller, case, her, reached, bases, actor, now)
        held = held_at_the_door(controller, people, facts, now)
        pending = controller.cases.sealed_keys(case, PENDING)
        weighed = {str(key[0]) for _, key in pending[PENDING].rows} if pending else set()
        complete = held and not weighed and not her.unreached
        with controller.database.connection() as connection:
            if len(reached) < len(purposes) or case.unmet:
                controller.cases.unmet(case, "part" if reached else "whole", connection=connection)
            if complete:
                _tell(controller, case, her.identifiers, reached, now, connection)
                _closed(controller, case, now, connection, complete=True)
            case = controller.cases.finish(case, complete, actor, now, connection=connection)
        return _answer(
            controller, case, her, purposes, region, now, executed=True, complete=complete,
            weighed=weighed,
        )  # fmt: skip


def _before(controller: Controller, request: Request) -> tuple[str, ...]:
    """What the case of a request objects to, as it was recorded; () where nothing was yet."""
    if request.case is None:
        return ()
    case = controller.cases.get(request.case)
    every = (*objected(controller, case), *(p for p, _ in inapplicable(controller, case)))
    return tuple(p for p in every if p in controller.bundle.vocabulary.purposes)


def weigh(
    controller: Controller, case_id: str, outcome: Weighed, grounds: str,
    *, actor: str, role: str, now: dt.datetime,
) -> Case:  # fmt: skip
    """Decide an objection that was weighed; the case, closed.

    Refused, the purposes go on; `grounds` are the compelling ones, in words that she is told,
    sealed in the case. Upheld, they have stopped for good. Raises Denied for a role that does
    not answer for it; UsageError without grounds, where nothing is being weighed, or where a
    system is still to be asked by what else she is known there: it would be bound by no outcome.
    """
    if role not in MAY_OVERRIDE:
        raise Denied(
            f"the role `{role}` may not decide an objection",
            fix=f"ask somebody in one of the roles {', '.join(sorted(MAY_OVERRIDE))}",
        )
    if not grounds.strip():
        raise UsageError("no grounds are given", fix="say in words what was weighed")
    case = controller.cases.get(case_id)
    if case.right != "objection":
        raise UsageError("the case is about another right", expected="a case about `objection`")
    who = controller.actors.of(actor, role, now)
    people = [*controller.cases.identifiers(case), weighed_for(controller, case)]
    with controller.cases.alone(case) as case, controller.cases.person_alone(people):
        refuse_ended(case, State.CHECKED)
        pending = controller.cases.sealed_keys(case, PENDING)
        if pending is None:
            raise UsageError(
                f"nothing is being weighed in case {case.id}",
                fix=f"go on with it: `kept rights object --case {case.id}`",
            )
        if away := not_asked(controller, case):
            raise UsageError(
                f"{', '.join(away)} was not asked by what else she is known there",
                expected="an objection that holds for all that is hers",
                fix=f"go on when it answers: `kept rights object --case {case.id}`; what is no"
                " more goes off the map first",
            )
        entries = [
            Entry(
                "case.moved",
                now,
                {
                    "case": case.id,
                    "state": name(outcome),
                    "reason": hashlib.sha256(grounds.encode()).hexdigest(),
                    "actor": name(role),
                },
            )
        ]
        rows = _pending(controller, case)
        others = _others(controller, case, [(kind, value) for _, kind, value in rows])
        stands = {p for one in others for p in _standing(controller, one)}
        weighed = [(one, _pending(controller, one)) for one in others]
        subjects = [int(value) for _, kind, value in rows if not kind]
        with controller.database.connection() as connection:
            # What is weighed elsewhere as well is decided with the last: nothing stays for good.
            # By what she named here that is met there where this one stands, be it in no row.
            stopped = dict.fromkeys(row[0] for row in rows) if outcome == "upheld" else ()
            named = [one for person in controller.cases.identifiers(case) for one in person]
            by = [(purpose, one.kind, one.value) for purpose in stopped for one in named]
            for other, theirs in weighed:
                there = {purpose for purpose, _, _ in theirs}
                if more := [row for row in (*rows, *by) if row[0] in there]:
                    _seal(controller, other, [*theirs, *more], connection)
            known = controller.subjects.known(subjects, connection=connection)
            if outcome == "refused":
                for purpose, kind, value in rows:
                    if name(purpose) in stands:
                        continue  # she asked for it in another case as well
                    fact = f"objection:{purpose}"
                    if kind:
                        one = Identifier(kind, value)
                        controller.suppressions.lift(
                            one, channel=channel_of(fact), connection=connection
                        )
                    elif int(value) in known:
                        controller.consents.record(
                            int(value), [(fact, False)], now, source="weighed",
                            connection=connection,
                        )  # fmt: skip
                lifted = dict.fromkeys(row[0] for row in rows)
                left = set(objected(controller, case)) - {name(one) for one in lifted}
                controller.cases.unmet(case, "part" if left else "whole", connection=connection)
                for purpose in lifted:
                    body = {"purpose": name(purpose), "case": case.id, "actor": name(role)}
                    entries.append(Entry("objection.lifted", now, body))
            controller.ledger.append_in(connection, entries)
            _tell(controller, case, named, tuple(stopped), now, connection)
            _closed(controller, case, now, connection, complete=True)
            return controller.cases.close(case, grounds, who, now, connection=connection)


def _record(
    controller: Controller, case: Case, her: Whom, purposes: Sequence[str],
    beyond: Mapping[str, Sequence[str]], actor: Actor, now: dt.datetime,
) -> Case:  # fmt: skip
    """All of it in one transaction, with its entries; `beyond`: purposes that it does not
    reach → the bases that their uses have.
    """
    words = controller.bundle.vocabulary
    channels = controller.suppressions.channels_of(her.identifiers)
    known = controller.consents.facts_of(her.subjects, now)
    pending = _pending(controller, case)
    hers = [*((i.kind, i.value) for i in her.identifiers), *(("", str(s)) for s in her.subjects)]
    asked = {f"objection:{purpose}" for purpose in purposes}
    # Where nothing of it stands for her yet, nothing of it is weighed elsewhere.
    stands = any(channel_of(f) in there for f in asked for there in channels)
    stands = stands or any(asked & one.held for one in known)
    others = _others(controller, case, hers) if stands else []
    weighed = [row for one in others for row in _pending(controller, one)]
    said = objected(controller, case)
    noted = {*said, *(purpose for purpose, _ in inapplicable(controller, case))}
    away = tuple(sorted(s for s, _ in her.unreached))
    todo = (State.PLANNED, State.APPROVED, State.EXECUTING, State.EXECUTED)
    with controller.database.connection() as connection:
        # Cut off before it was read back it may have been recorded without a system that was away.
        cut = case.state is State.EXECUTED
        if not cut:
            way = todo[2:] if case.state is State.CHECKED else todo
            case = controller.cases.move(case, way, actor, now, connection=connection)
        for purpose in purposes:
            fact = f"objection:{purpose}"
            new: list[tuple[str, str]] = []
            for subject, facts in zip(her.subjects, known, strict=True):
                if fact not in facts.held:
                    controller.consents.object_to(
                        subject, purpose, now, source="request", connection=connection
                    )
                    new.append(("", str(subject)))
            controller.suppressions.add(
                her.identifiers, now, channel=channel_of(fact), source="objection",
                connection=connection,
            )  # fmt: skip
            new += [
                (i.kind, i.value)
                for i, there in zip(her.identifiers, channels, strict=True)
                if channel_of(fact) not in there
            ]
            # What an earlier objection had stopped, a refusal of this one does not allow; what is
            # still weighed there has not stopped for good.
            new += [(kind, value) for p, kind, value in weighed if p == purpose]
            if new and not absolute(words, purpose):
                pending += [(purpose, *one) for one in new]
        if pending:
            _seal(controller, case, pending, connection)
        controller.ledger.append_in(
            connection,
            [
                Entry(
                    "objection.made",
                    now,
                    {"purpose": name(p), "case": case.id, "source": "request",
                     "actor": name(actor.role), "unreached": [name(s) for s, _ in her.unreached]},
                )
                for p in purposes
                if not cut or away != not_asked(controller, case) or p not in said
            ]
            + [
                Entry(
                    "objection.inapplicable",
                    now,
                    {"purpose": name(p), "case": case.id, "bases": [name(b) for b in bases],
                     "actor": name(actor.role)},
                )
                for p, bases in beyond.items()
                if name(p) not in noted
            ],
        )  # fmt: skip
    return case


def weighed_for(controller: Controller, case: Case, purpose: str | None = None) -> list[Identifier]:
    """The identifiers for which a case is weighed, or a purpose, as the ledger calls it, is in it;
    none once it is decided.
    """
    return [Identifier(kind, value) for p, kind, value in _pending(controller, case)
            if kind and purpose in (None, name(p))]  # fmt: skip


def also_for(
    controller: Controller, hers: Sequence[tuple[str, str]],
    more: Sequence[tuple[Identifier, str]], connection: Any,
) -> None:  # fmt: skip
    """What is weighed for somebody who is being erased is decided for these (identifier, fact) of
    hers as well: it holds under them from now on.
    """
    who = everyone(hers)
    for state in (State.EXECUTED, State.CHECKED) if more else ():
        for one in controller.cases.all(state):
            rows = _pending(controller, one) if one.right == "objection" else []
            weighed = {p for p, *row in rows if not who.isdisjoint(everyone([(row[0], row[1])]))}
            new = [(p, i.kind, i.value) for p in weighed for i, f in more if f == f"objection:{p}"]
            if new:
                _seal(controller, one, [*rows, *new], connection)


def _pending(controller: Controller, case: Case) -> list[_Row]:
    keys = controller.cases.sealed_keys(case, PENDING)
    return [(str(p), str(k), str(v)) for _, (p, k, v) in keys[PENDING].rows] if keys else []


def _seal(controller: Controller, case: Case, rows: Iterable[_Row], connection: Any) -> None:
    table = KeyTable(("purpose", "kind", "value"), tuple((0, row) for row in dict.fromkeys(rows)))
    controller.cases.seal_keys(case, {PENDING: KeySet({PENDING: table})}, connection=connection)


def _others(controller: Controller, case: Case, hers: Sequence[tuple[str, str]]) -> list[Case]:
    """The other objections of a person, each once: those that name her, and those in which
    something is weighed for her, by whatever she asked there.
    """
    who = everyone(hers)
    met = {c.number: c for k, v in hers if k for c in controller.cases.naming(Identifier(k, v))}
    for state in (State.EXECUTED, State.CHECKED):
        for one in controller.cases.all(state):
            if one.right == "objection" and not who.isdisjoint(
                everyone((kind, value) for _, kind, value in _pending(controller, one))
            ):
                met[one.number] = one
    return [one for one in met.values() if one.right == "objection" and one.id != case.id]


def _standing(controller: Controller, case: Case) -> set[str]:
    """The purposes for which an objection stands, decided or not."""
    lifted = {
        str(e.body["purpose"])
        for _, e in controller.ledger.entries(kind="objection.lifted")
        if case.id in (e.body.get("case"), e.body.get("of"))
    }
    return set(objected(controller, case)) - lifted


def _tell(
    controller: Controller, case: Case, hers: Sequence[Identifier], purposes: Sequence[str],
    now: dt.datetime, connection: Any,
) -> None:  # fmt: skip
    """Whoever had data of hers, as it is on record, is told which uses have stopped."""
    if purposes and hers:
        words = controller.bundle.vocabulary.purposes
        uses = ", ".join(words[p].label if p in words else p for p in purposes)
        had = recipients.on_record(controller, [hers])
        messages = recipients.messages(had, [hers], ("objects to", uses))
        recipients.note(controller, case, Notice.OBJECTED, messages, now, connection)


def _closed(
    controller: Controller, case: Case, now: dt.datetime, connection: Any, *, complete: bool
) -> None:
    body = {"case": case.id, "right": "objection", "complete": complete}
    controller.ledger.append_in(connection, [Entry("case.closed", now, body)])


def _objectable(
    controller: Controller, purposes: Sequence[str], region: str
) -> tuple[tuple[str, ...], dict[str, list[Effect]]]:
    """The purposes of which an objection stops anything, and what each of them concerns."""
    concerned = {purpose: concerning(controller, purpose, region) for purpose in purposes}
    stopping = tuple(p for p, met in concerned.items() if any(e.stops for e in met))
    return stopping, concerned


def _answer(
    controller: Controller, case: Case, her: Whom, purposes: Sequence[str], region: str,
    now: dt.datetime, *, executed: bool, complete: bool = False, weighed: set[str] | None = None,
) -> ChoiceAnswer:  # fmt: skip
    words = controller.bundle.vocabulary
    reached, concerned = _objectable(controller, purposes, region)
    facts = [f"objection:{p}" for p in reached]
    lets = let(controller, her.identifiers, facts, region, now)
    stops: dict[str, Told] = {}
    waits: dict[str, Told] = {}
    rests: dict[str, Told] = {}
    for purpose, met in concerned.items():
        # Before it is recorded what would be weighed is known by the purpose alone.
        later = not absolute(words, purpose) if weighed is None else purpose in weighed
        for e in met:
            if not e.stops and e.activity.id not in lets:
                continue
            if not e.stops:
                why = "an objection does not reach it: it rests on a ground of another kind"
                rests[e.activity.id] = told(controller, e, why)
            elif later and not absolute(words, e.activity.purpose):
                waits[e.activity.id] = told(controller, e, _WEIGHED)
            else:
                stops[e.activity.id] = told(controller, e, _AT_ONCE)
    all_of_it = judged(controller, facts, region)
    for activity, one in going_on(controller, all_of_it, her.rows, lets).items():
        rests.setdefault(activity, one)
    return ChoiceAnswer(
        case.id, "objection", executed, complete, case.state.value,
        tuple(sorted(stops.values())),
        tuple(sorted(t for a, t in waits.items() if a not in stops)),
        tuple(sorted(t for a, t in rests.items() if a not in stops and a not in waits)),
        (), her.unreached, her.warnings, held=her.held,
        told=recipients.informed(controller, case),
    )  # fmt: skip
