"""Agents ask in the name of people, by the Data Rights Protocol 1.0.

    key → token · signed message → what is asked, of whom → a request as any other → how it stands

What an agent says of a person counts as far as the operator says so (`[drp] verifications`), as
much as a code that was typed in; else the person types one. Whether somebody is known is looked
up nowhere before that, and no answer to a POST depends on it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights.agent_status import (
    Status,
    carry_out_sale,
    page_once,
    sale_purposes,
    stand_now,
)
from kept.duties.rights.intake import begin, clean, ended, page_token, send_code, taken
from kept.duties.rights.request import HOW, can_end, close_case
from kept.duties.rights.signed import VERSION, Message, Refused, checked, note_refusal, opened
from kept.errors import IdentifierError, KeptError, UsageError
from kept.ledger.entry import Entry, name
from kept.model.agents import CLAIMS, Agent, Drp
from kept.records.agent import AgentRequest
from kept.records.case_state import FINISHED
from kept.records.case_state import State as CaseState
from kept.records.ids import new_id
from kept.records.intake import State
from kept.stores.callback import allowed
from kept.terms.asks import SALE_IN, SALE_OUT
from kept.terms.identifiers import Identifier

#: What can be exercised → kind of terms.asks. Older spellings of two are taken as well.
EXERCISES: Final[Mapping[str, str]] = {
    "sale:opt-out": SALE_OUT, "sale:opt_out": SALE_OUT,
    "sale:opt-in": SALE_IN, "sale:opt_in": SALE_IN,
    "deletion": "erasure",
    "access": "access", "access:categories": "access", "access:specific": "access",
}  # fmt: skip
#: Kept's own extension, which the protocol does not know: `regime: "gdpr"` with these as well.
EXTENSION: Final = ("rectification", "restriction", "objection", "portability", "withdrawal")
#: Regime → where the person is (terms.regimes).
REGIMES: Final[Mapping[str | None, str]] = {None: "unknown", "ccpa": "US-CA", "gdpr": "EEA"}
#: What an agent may ask within the hour: in all, for one person; and what may be asked for a
#: person by everybody. And how often a day it may learn that nobody is known.
LIMITS: Final = (200, 3, 12)
UNKNOWN: Final = 20
_HOUR: Final = dt.timedelta(hours=1)
_DAY: Final = dt.timedelta(days=1)
_NAME: Final = 200
_REASON: Final = 500
_ACTOR: Final = ("an agent", "agent")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a message asks: `who` are all identifiers that it gives, `attested` those that count
    as checked, `email` where the person can be written to.
    """

    exercise: str
    kind: str
    regime: str | None
    who: tuple[Identifier, ...]
    attested: tuple[Identifier, ...]
    email: Identifier | None
    said: Mapping[str, str]


def drp(controller: Controller) -> Drp:
    """The settings; UsageError where the protocol is not on."""
    if controller.drp is None:
        raise UsageError("the Data Rights Protocol is not on", fix="set `on` of [drp]")
    return controller.drp


# — who calls —————————————————————————————————————————————————————————————————————————————


def set_up(controller: Controller, agent_id: str, body: bytes, now: dt.datetime) -> str:
    """A token for the agent who signed this with its key of the directory; Refused otherwise."""
    settings = drp(controller)
    agent = settings.agents.get(agent_id)
    if agent is None:
        raise Refused(403, "unknown", "there is no such agent")
    checked(controller, opened(body, agent), agent, settings.business, now)
    with controller.database.connection() as c:
        token = controller.agents.issue(agent.id, now, connection=c)
        controller.ledger.append_in(c, [Entry("agent.entered", now, {"agent": name(agent.id)})])
    return token


def caller(controller: Controller, token: str | None) -> Agent:
    """The agent whose bearer token it is, while it stands in the directory; Refused otherwise."""
    settings = drp(controller)
    met = controller.agents.whose(token) if token else None
    agent = settings.agents.get(met) if met else None
    if agent is None:
        raise Refused(401, "token", "there is no such token", expected="Authorization: Bearer …")
    return agent


# — asking ————————————————————————————————————————————————————————————————————————————————


def exercise(controller: Controller, agent: Agent, body: bytes, now: dt.datetime) -> Status:
    """Take a request in; how it stands. The same `agent-request-id` again is the same request.

    Raises Refused; nothing is kept of what is refused but an entry that it was.
    """
    try:
        message = opened(body, agent)
        checked(controller, message, agent, drp(controller).business, now)
        asked = _asked(controller, agent, message)
        row = _take(controller, agent, asked, now)
    except Refused as problem:
        note_refusal(controller, agent.id, problem.why, now)
        raise
    if row.intake is not None:
        one = controller.intakes.numbered(row.intake)
        if one is not None and one.state is State.VERIFIED:
            with suppress(KeptError):  # what could not be begun now is begun by the job
                begin(controller, one, now)
                carry_out_sale(controller, row, now)
    return stand_now(controller, row, now)


def found(controller: Controller, agent: Agent, id_: str) -> AgentRequest:
    """A request of this agent; Refused, in the same words, for another's and for none."""
    row = controller.agents.of(agent.id, id_)
    if row is None:
        raise Refused(403, "not-yours", "this agent manages no such request")
    return row


def revoke(controller: Controller, agent: Agent, id_: str, body: bytes, now: dt.datetime) -> Status:
    """Take a request back; Refused where it has ended, or some of it was carried out.

    The protocol's body has a reason alone. Where it names agent, business or times as well, as
    every other message does, they are checked as there.
    """
    try:
        row = found(controller, agent, id_)
        message = opened(body, agent)
        if {"agent-id", "business-id", "issued-at", "expires-at"} & set(message.said):
            checked(controller, message, agent, drp(controller).business, now)
        reason = message.said.get("reason", "")
        if not isinstance(reason, str):
            raise Refused(400, "reason", "`reason` is no text", fatal=True)
        _take_back(controller, row, clean(reason[:_REASON]), now)
    except Refused as problem:
        note_refusal(controller, agent.id, problem.why, now)
        raise
    return stand_now(controller, found(controller, agent, id_), now)


def _asked(controller: Controller, agent: Agent, message: Message) -> _Asked:
    """What is asked, of whom; Refused, fatally, where it is not said as the protocol says it."""
    said, settings = message.said, drp(controller)
    if said.get("drp.version") != VERSION:
        raise _bad("version", "`drp.version` is missing", VERSION)
    regime, exercise = said.get("regime"), said.get("exercise")
    if not isinstance(regime, str | None) or regime not in REGIMES:
        raise _bad("regime", "`regime` is none that is known", "ccpa or none; gdpr, of Kept")
    kind = EXERCISES.get(exercise) if isinstance(exercise, str) else None
    if kind is None and regime == "gdpr" and exercise in EXTENSION:
        kind = str(exercise)
    if kind is None:
        more = EXTENSION if regime == "gdpr" else ()
        known = (*(e for e in EXERCISES if "_" not in e), *more)
        raise _bad("exercise", "`exercise` is none that is known", f"one of {', '.join(known)}")
    kept: dict[str, str] = {}
    for key, to in (("agent-request-id", "id"), ("status_callback", "callback")):
        value = said.get(key)
        if value is None:
            continue
        if not isinstance(value, str) or not 0 < len(value) <= _NAME or not value.isprintable():
            raise _bad(key, f"`{key}` is no text as it is taken", f"1 to {_NAME} signs")
        kept[to] = value
    if "callback" in kept and not allowed(kept["callback"], agent.hosts):
        raise _bad("callback", "`status_callback` is on no host that the directory names",
                   "https and a host of `callback_hosts`")  # fmt: skip
    who: dict[str, Identifier] = {}
    attested: list[Identifier] = []
    for claim, of in CLAIMS.items():
        value, sure = said.get(claim), said.get(f"{claim}_verified")
        # What would not count as checked is not even kept, save where to write to the person.
        if value is None or (claim not in settings.verifications and claim != "email"):
            continue
        if sure is not None and type(sure) is not bool:
            raise _bad(claim, f"`{claim}_verified` is neither true nor false", "true or false")
        try:
            who[claim] = Identifier(of, value if isinstance(value, str) else "")
            _ = who[claim].normalised
        except IdentifierError:
            raise _bad(claim, f"`{claim}` is none", "an address, or a number in E.164") from None
        if sure and claim in settings.verifications:
            attested.append(who[claim])
    return _Asked(
        str(exercise).replace("_", "-"), kind, regime, tuple(who.values()), tuple(attested),
        who.get("email"), kept,
    )  # fmt: skip


def _bad(why: str, what: str, expected: str) -> Refused:
    return Refused(400, why, what, fatal=True, expected=expected)


def _take(controller: Controller, agent: Agent, asked: _Asked, now: dt.datetime) -> AgentRequest:
    """The row of a request: the one that is there under this name, or a new one."""
    words = [asked.exercise, asked.regime, *sorted(f"{i.kind}:{i.normalised}" for i in asked.who)]
    content = controller.agents.content(agent.id, json.dumps(words))
    with controller.database.connection() as c:
        controller.intakes.one_at_a_time(c)
        if "id" in asked.said:
            there = controller.agents.by_name(agent.id, asked.said["id"], connection=c)
            if there is not None and there.content != content:
                raise Refused(409, "name-taken", "`agent-request-id` is that of another request",
                              fatal=True)  # fmt: skip
            if there is not None:
                return there
        _within_limits(controller, agent, asked, now, c)
        id_, denied = new_id(now), _denied(controller, asked)
        intake = None if denied else _take_in(controller, agent, asked, id_, now, c)
        row = controller.agents.add(
            id_, agent.id, asked.exercise, asked.regime, asked.said, content, intake, now,
            status="denied" if denied else "in_progress", reason=denied,
            connection=c,
        )  # fmt: skip
        body = {
            "request": row.id, "agent": name(agent.id), "exercise": name(asked.exercise),
            "status": row.status,
            **({"regime": name(asked.regime)} if asked.regime else {}),
            **({"reason": name(denied)} if denied else {}),
        }  # fmt: skip
        controller.ledger.append_in(c, [Entry("agent.asked", now, body)])
    return row


def _denied(controller: Controller, asked: _Asked) -> str | None:
    """Why a request cannot be taken up, by what it says alone: a reason of the protocol."""
    if asked.kind in (SALE_OUT, SALE_IN) and not sale_purposes(controller):
        return "claim_not_covered"
    if asked.kind == SALE_OUT:
        return None if asked.who else "insuf_verification"
    if asked.attested and asked.kind != SALE_IN:
        return None
    can_write = asked.email is not None and controller.post is not None
    return None if can_write else "insuf_verification"


def _within_limits(
    controller: Controller, agent: Agent, asked: _Asked, now: dt.datetime, c: Connection
) -> None:
    lots, unknown = controller.agents.tally(agent.id, now - _HOUR, now - _DAY, connection=c)
    who = asked.who[0] if asked.who else None
    met = controller.intakes.tally(who, _source(agent), now - _HOUR, connection=c)
    most, pair, person = LIMITS
    if lots >= most or unknown >= UNKNOWN or (who and (met.pair >= pair or met.address >= person)):
        raise Refused(429, "too-many", "more was asked than is taken; ask again later")


def _take_in(
    controller: Controller, agent: Agent, asked: _Asked, id_: str, now: dt.datetime, c: Connection
) -> int:
    """Take it in as a request of a person: known by the word of the agent, by none where none is
    needed, else when she has typed a code.
    """
    said: dict[str, Any] = {"words": "", "person": asked.email.value if asked.email else ""}
    sure = None
    if asked.kind == SALE_OUT:
        sure, people = "none", asked.who
        said["attested"] = HOW[4]
    elif asked.attested and asked.kind != SALE_IN:
        sure, people = "attested", asked.attested
        said["attested"] = HOW[5].format(
            agent=agent.id, day=f"{now:%Y-%m-%d}", time=f"{now:%H:%M}",
            kinds=", ".join(sorted(i.kind for i in people)),
        )  # fmt: skip
    if sure is not None:
        said["identity"] = [[i.kind, i.value] for i in people]
        if asked.email is None or asked.email not in asked.attested:
            said["person"] = ""  # nothing is written to an address that nobody proved
    address = people[0] if sure is not None else asked.email
    token = None if sure else page_token(controller, page_once(id_))
    one = controller.intakes.take(
        "drp", (asked.kind,), said, now, state=State.VERIFIED if sure else State.AWAITING,
        address=address, region=REGIMES[asked.regime], source=_source(agent), token=token,
        connection=c,
    )  # fmt: skip
    if sure is not None:
        one = controller.intakes.verified(one, None, now, connection=c)
        taken(controller, one, sure, now, c)
    else:
        assert asked.email is not None
        send_code(
            controller, one, "person", asked.email, None, now, c, page=token, service=agent.name
        )
    return one.number


def _take_back(controller: Controller, row: AgentRequest, reason: str, now: dt.datetime) -> None:
    stands = stand_now(controller, row, now)
    if stands.final:
        raise Refused(409, "final", "the request has ended", expected="one that has not")
    assert row.intake is not None
    one = controller.intakes.numbered(row.intake)
    assert one is not None
    if one.state is State.AWAITING:
        with controller.database.connection() as c:
            controller.intakes.give_up(one, connection=c)
            _revoked(controller, row, now, c)
        return
    cases = [controller.cases.get(id_) for _, id_ in one.cases]
    left = [case for case in cases if case.state not in FINISHED]
    if not all(can_end(controller, case, CaseState.WITHDRAWN) for case in left):
        raise Refused(409, "begun", "some of the request was carried out, and it is finished")
    actor = controller.actors.of(*_ACTOR, now)
    for case in left:
        words = "taken back through the agent" + (f": {reason}" if reason else "")
        close_case(controller, case.id, "withdrawn", words, actor, now)
    with controller.database.connection() as c:
        if one.open:
            ended(controller, one, State.WITHDRAWN, "withdrawn", None, now, c)
        _revoked(controller, row, now, c)


def _revoked(controller: Controller, row: AgentRequest, now: dt.datetime, c: Connection) -> None:
    controller.agents.stands(row, "revoked", None, None, True, now, connection=c)
    body = {"request": row.id, "agent": name(row.agent), "status": "revoked"}
    controller.ledger.append_in(c, [Entry("agent.status", now, body)])


def _source(agent: Agent) -> str:
    return f"agent\x00{agent.id}"
