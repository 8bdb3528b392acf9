"""How a request of an agent stands, in the words of the Data Rights Protocol, and who tells it.

It is read off the case itself each time; what is stored of it says only what was told last.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller
from kept.duties.rights import clock, proving
from kept.duties.rights.choice import channel_of, matter
from kept.duties.rights.intake import ended, link, page_token, to_prove
from kept.duties.rights.objection import object_to, weigh
from kept.duties.rights.request import Request, open_case
from kept.errors import KeptError
from kept.ledger.entry import Entry, name
from kept.model.agents import SALE
from kept.records import answered
from kept.records.agent import REMEMBERED, AgentRequest
from kept.records.case_state import FINISHED, Case
from kept.records.case_state import State as CaseState
from kept.records.clock import Clock, started
from kept.records.intake import Intake, State
from kept.stores.callback import allowed, tell
from kept.terms.asks import ASKS, SALE_IN, SALE_OUT
from kept.terms.clock_rules import EXTENSIONS, PAUSES
from kept.terms.identifiers import Identifier
from kept.terms.proof import HOW

#: Ends of a request, of which nothing else follows.
FINAL: Final = ("fulfilled", "revoked", "denied", "expired")
#: Rights that answer with what is held: where nothing is, nobody was known.
_HELD: Final = ("access", "portability", "erasure", "rectification", "restriction")
#: Where an opt-out of sale is judged: where the right comes from.
_WHERE: Final = "US-CA"
_ONE_BY_ONE: Final = threading.Lock()
_ITSELF: Final = ("by itself", "operator")
_UPHELD: Final = "an opt-out of the sale of data is not weighed"


@dataclass(frozen=True, slots=True)
class Status:
    """The status object, without what only the agent's own name for it adds. `gone` is the moment
    from which it cannot be asked for any more.
    """

    row: AgentRequest
    state: str
    reason: str | None = None
    due: dt.date | None = None
    details: str | None = None
    page: str | None = None
    until: dt.datetime | None = None

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self.state in FINAL


def stand_now(controller: Controller, row: AgentRequest, now: dt.datetime) -> Status:
    """How a request stands at a moment; changes nothing."""
    one = None if row.intake is None else controller.intakes.numbered(row.intake)
    if row.ended_at is not None:
        until = row.ended_at + REMEMBERED
        said = _why(row, row.reason)
        if row.status == "fulfilled" and one is not None and one.cases:
            said = _done(controller, controller.cases.get(one.cases[0][1]))
        return Status(row, row.status, row.reason, details=said, until=until)
    if one is None:
        return Status(row, "expired")
    if one.state is State.AWAITING:
        if not controller.intakes.said(one):  # she took it back on its page
            return Status(row, "revoked")
        if one.expires_at is None or one.expires_at <= now:
            return Status(row, "expired")
        token = page_token(controller, page_once(row.id))
        return Status(
            row, "in_progress", "need_user_verification", _day_before_case(controller, one),
            "The person has to confirm with a code that we sent to her.",
            link(controller, token), one.expires_at,
        )  # fmt: skip
    if one.cases:
        return _by_case(controller, row, controller.cases.get(one.cases[0][1]), now)
    if one.open:
        return Status(row, "in_progress", None, _day_before_case(controller, one), "We have it.")
    return Status(row, "revoked" if one.state is State.WITHDRAWN else "fulfilled",
                  until=_until(one.ended_at))  # fmt: skip


def page_once(id_: str) -> str:
    """What the token of the page of a request is made of."""
    return f"drp\x00{id_}"


def document(controller: Controller, status: Status) -> dict[str, Any]:
    """The status object as JSON. Dates end with their day at the place of the organisation."""
    row, zone = status.row, controller.desk.zone
    named = controller.agents.said(row).get("id")
    until, results = _results(controller, status)
    due = dt.datetime.combine(status.due, dt.time(23, 59, 59), zone) if status.due else None
    parts = {
        "request_id": row.id,
        "agent_request_id": named,
        "status": status.state,
        "reason": status.reason,
        "received_at": _spelt(row.arrived_at),
        "expected_by": due and _spelt(due),
        "processing_details": status.details,
        "user_verification_url": status.page,
        "results_url": results,
        "expires_at": until and _spelt(until),
    }
    return {key: value for key, value in parts.items() if value is not None}


def _results(controller: Controller, status: Status) -> tuple[dt.datetime | None, str | None]:
    """Until when there is something, and where, if a package waits: there the person gets a code,
    without which nothing opens.
    """
    met = _waits(controller, status.row) if status.state == "fulfilled" else None
    if met is None:
        return status.until, None
    token, ends_at = met
    return ends_at, f"{controller.site_url}/privacy/delivery/{token}"


def _waits(controller: Controller, row: AgentRequest) -> tuple[str, dt.datetime] | None:
    """The token of the link behind which what was asked for waits, and until when; None where
    nothing does. By its record alone: whether its time is over, the moment says.
    """
    token = controller.agents.link(row)
    one = controller.deliveries.by_token(token) if token else None
    if token is None or one is None or one.outcome is not None:
        return None
    # A package of before all was done lacks what was reached since.
    early = clock.too_early(controller.cases.get(one.case), one.made_at)
    return None if early else (token, one.ends_at)


#: Why a case was refused (terms.refusals) → a reason of the protocol, where one says the same.
_REASONS: Final[Mapping[str, str]] = {
    "not-identified": "insuf_verification",
    "excessive": "too_many_requests",
    "not-ours": "claim_not_covered",
    "right-does-not-reach": "claim_not_covered",
}
_MADE: Final = "What came of it is made, and is still to be handed to the person."
_DIRECTLY: Final = "We answer the person directly."
_PARTLY: Final = (
    "It was carried out, but for a part. Which, and why, stands in our answer to the person."
)
#: Of what was denied at once, by what was asked alone.
_AT_ONCE: Final[Mapping[str, str]] = {
    "insuf_verification": "We could not check who asks: send an e-mail address of the person.",
    "claim_not_covered": "We neither sell nor share data, so there is nothing to stop or allow.",
}


def _why(row: AgentRequest, reason: str | None) -> str | None:
    """What is said beside a reason; never the words in which the person was told."""
    if reason is None:
        return None
    if row.intake is None:
        return _AT_ONCE.get(reason)
    if reason == "no_match":
        return "We looked, and found nothing that we know to be of this person."
    return "We could not do it. Why stands in our answer to the person."


def _by_case(controller: Controller, row: AgentRequest, case: Case, now: dt.datetime) -> Status:
    until = _until(case.done_at)
    if case.state is CaseState.WITHDRAWN:
        return Status(row, "revoked", until=until)
    if case.state is CaseState.REFUSED:
        reason = _REASONS.get(case.refusal or "", "other")
        return Status(row, "denied", reason, details=_why(row, reason), until=until)
    if case.state in FINISHED and case.unmet == "whole":
        return Status(row, "denied", "other", details=_why(row, "other"), until=until)
    if case.state in FINISHED and _nothing(controller, row, case):
        return Status(row, "denied", "no_match", details=_why(row, "no_match"), until=until)
    if clock.answered(case) and not _handed(controller, row, case, now):
        counted = controller.clocks.of(case)
        return Status(row, "in_progress", None, counted.due if counted else None, _MADE)
    if clock.answered(case):
        return Status(row, "fulfilled", details=_done(controller, case), until=until)
    counted = controller.clocks.of(case)
    due = counted.due if counted else None
    return Status(row, "in_progress", None, due, _going(controller, case, counted))


def _done(controller: Controller, case: Case) -> str:
    """What is said of a case that was carried out. What is given out, and why a part was not done,
    she gets herself; of the rest nobody is told but the agent.
    """
    if case.right in ("access", "portability"):
        return _DIRECTLY
    with controller.database.connection() as c:
        return _PARTLY if answered.partly(c, case) else "It was carried out."


def _handed(controller: Controller, row: AgentRequest, case: Case, now: dt.datetime) -> bool:
    """Whether what is given out waits for the person behind a link, or she had it. That it was
    made fulfils nothing.
    """
    if case.right not in ("access", "portability") or clock.told_on(controller, [case], now):
        return True
    return _waits(controller, row) is not None


def _going(controller: Controller, case: Case, counted: Clock | None) -> str:
    """What is said of a case that goes on: how the person shows that it is she, where what is
    known of that may be too little, and why its day moved where it did.
    """
    words = "We are working on it."
    if counted is None:
        return words
    # The same whoever she is, and whatever was right of what she told; of an end of sale nothing.
    asks = counted.matter is None and to_prove(controller, case)
    kinds = (case.right,) if asks else ()
    if ways := proving.ways(controller, kinds, counted.region, page=False):
        login = controller.desk.login or ""
        how = [HOW[w] + (f" {login}" if w == "login" else "") for w in ways]
        either = "One of these is enough. " if {"login"} < {*ways} else ""
        words += " The person has to show that it is she who asks. Tell her: "
        words += either + " ".join(how)
    if counted.extended:
        why = next((c.reason for c in controller.clocks.changes(case) if c.act == "extended"), "")
        words += f" It takes longer than usual: {EXTENSIONS.get(why or '', 'it is complex')}."
    if counted.paused_since is not None:
        words += f" The time stands still: {PAUSES.get(counted.paused_for or '', 'we asked back')}."
    elif counted.due != counted.first_due and not counted.extended:
        words += " The day was counted anew."
    return words


def _nothing(controller: Controller, row: AgentRequest, case: Case) -> bool:
    """Whether a case that was carried out, wholly, found nothing anywhere: by its last entry."""
    if case.right not in _HELD or not case.complete or not (case.evidence or case.override):
        return False
    if controller.parts.of(case):  # what is refused was not looked through
        return False
    closed = controller.ledger.entries(kind="case.closed", case=case.id)
    found = [e.body.get("found") for _, e in closed]
    given = controller.ledger.entries(kind="access.given", case=case.id)
    named = [bool(e.body.get("named_in")) for _, e in given]
    return found[-1:] == [0] and named[-1:] != [True]


def _day_before_case(controller: Controller, one: Intake) -> dt.date:
    """Until when it will be to be answered: the clock runs while it is checked who asks."""
    right = ASKS[one.asked[0]].right or "objection"
    about = matter(controller, sale_purposes(controller)) if one.asked[0] == SALE_IN else None
    promise = controller.bundle.answer_within(one.region)
    return started(right, one.region, about, one.arrived, controller.workdays, promise).due


def _until(moment: dt.datetime | None) -> dt.datetime | None:
    return None if moment is None else moment + REMEMBERED


def _spelt(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# — opting out and in —————————————————————————————————————————————————————————————————————


def sale_purposes(controller: Controller) -> tuple[str, ...]:
    """The purposes that are sale or sharing here: the operator's, else what comes nearest."""
    chosen = controller.drp.sale if controller.drp else ()
    served = {activity.purpose for activity in controller.bundle.activities.values()}
    return chosen or tuple(p for p in SALE if p in served)


def carry_out_sale(
    controller: Controller, row: AgentRequest, now: dt.datetime, *, waits: bool = False
) -> None:
    """Opt out, at once, or in, once the person has confirmed; may be repeated. Without `waits` what
    would have to wait for another is left to the job.
    """
    one = None if row.intake is None else controller.intakes.numbered(row.intake)
    if one is None or one.state is not State.VERIFIED or not {SALE_OUT, SALE_IN} & set(one.asked):
        return
    # Here one after another: the lock takes a connection while what is done takes another.
    if not _ONE_BY_ONE.acquire(blocking=waits):
        return
    try:
        with controller.intakes.mine(one) as fresh:
            if fresh is not None and fresh.state is State.VERIFIED:
                (_out if SALE_OUT in fresh.asked else _in)(controller, fresh, now)
    finally:
        _ONE_BY_ONE.release()


def _out(controller: Controller, one: Intake, now: dt.datetime) -> None:
    purposes, said = sale_purposes(controller), controller.intakes.said(one)
    there = dict(one.cases).get(SALE_OUT)
    if there is None:
        who = tuple(Identifier(kind, value) for kind, value in said["identity"])
        request = Request(
            (who,),
            *_ITSELF,
            evidence=said["attested"],
            region=one.region,
            arrived=one.arrived,
            way="attested",
        )
        about = matter(controller, purposes)
        case, _, _ = open_case(
            controller, "objection", request, now, matter=about, acknowledged=True
        )
        with controller.database.connection() as c:
            controller.intakes.opened(one, SALE_OUT, case.number, connection=c)
    else:
        case = controller.cases.get(there)
    if case.state not in FINISHED:
        again = Request((), *_ITSELF, case=case.id)
        answer = object_to(controller, again, purposes, now, region=_WHERE)
        if answer.weighed:
            weigh(
                controller, case.id, "upheld", _UPHELD, actor=_ITSELF[0], role=_ITSELF[1], now=now
            )


def _in(controller: Controller, one: Intake, now: dt.datetime) -> None:
    """What had stopped may go on, for the address whose code was typed. What only an agent vouches
    for may be somebody else's, whose objection stands. A consent where one is needed is not made.
    """
    said, purposes = controller.intakes.said(one), sale_purposes(controller)
    address = Identifier("email", said["person"])
    subjects = controller.subjects.find((address,))
    sold = {name(purpose) for purpose in purposes}
    naming = controller.cases.naming(address)
    hers = {case.id for case in naming if case.right == "objection"}
    made = dict.fromkeys(
        (str(e.body["purpose"]), str(e.body["case"]))
        for _, e in controller.ledger.entries(kind="objection.made")
        if e.body.get("case") in hers and str(e.body.get("purpose")) in sold
    )
    with controller.database.connection() as c:
        for purpose in purposes:
            fact = f"objection:{purpose}"
            controller.suppressions.lift(address, channel=channel_of(fact), connection=c)
            for subject in subjects:
                controller.consents.record(
                    subject, [(fact, False)], now, source="request", connection=c
                )
        entries = [
            Entry(
                "objection.lifted",
                now,
                {"purpose": purpose, "source": "request", "request": one.id, "of": case},
            )
            for purpose, case in made
        ]
        controller.ledger.append_in(c, entries)
        ended(controller, one, State.ANSWERED, "done", None, now, c)


# — what goes on by itself ————————————————————————————————————————————————————————————————


def keep_up(controller: Controller, now: dt.datetime) -> int:
    """Carry out what is left, and note how each request stands now; how much could not be done."""
    if controller.drp is None:
        return 0
    failed = 0
    for row in controller.agents.going():
        try:
            if row.ended_at is None:
                carry_out_sale(controller, row, now, waits=True)
                _note(controller, row, now)
        except KeptError:
            failed += 1
    with controller.database.connection() as c:
        controller.agents.forget(now, connection=c)
    return failed


def _note(controller: Controller, row: AgentRequest, now: dt.datetime) -> None:
    at = stand_now(controller, row, now)
    with controller.database.connection() as c:
        if controller.agents.stands(
            row, at.state, at.reason, at.due, at.final, now, connection=c
        ) and (at.state, at.reason) != (row.status, row.reason):
            body = {
                "request": row.id, "agent": name(row.agent), "status": at.state,
                **({"reason": name(at.reason)} if at.reason else {}),
                **({"due": at.due.isoformat()} if at.due else {}),
            }  # fmt: skip
            controller.ledger.append_in(c, [Entry("agent.status", now, body)])


def tell_agents(
    controller: Controller, now: dt.datetime,
    send: Callable[[str, Mapping[str, Any]], bool] = tell,
) -> int:  # fmt: skip
    """Tell agents, where they asked for it, how requests stand that changed; how many could not
    be told. Only hosts that the directory names now are told anything.
    """
    if controller.drp is None:
        return 0
    failed = 0
    for row in controller.agents.due(now):
        agent = controller.drp.agents.get(row.agent)
        url = controller.agents.said(row).get("callback", "")
        words = document(controller, stand_now(controller, row, now))
        done = agent is not None and allowed(url, agent.hosts) and send(url, words)
        with controller.database.connection() as c:
            if done:
                controller.agents.told(row, words["status"], connection=c)
            else:
                failed += 1
                controller.agents.not_told(row, now, connection=c)
            body = {
                "request": row.id, "agent": name(row.agent), "done": done,
                "attempts": row.attempts + 1,
            }  # fmt: skip
            controller.ledger.append_in(c, [Entry("agent.told", now, body)])
    return failed
