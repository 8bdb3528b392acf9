"""Somebody asks: nobody is looked up, a code goes to the address, and what was typed in proves it.

    form → row of its own → code by mail → typed → a case for each right → a page that says how it
    stands

Whether an address is known is asked nowhere before its owner typed the code: the same words, the
same work and the same time for everybody. What nobody confirms touches nothing and leaves.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from kept.controller import Controller
from kept.database import Connection
from kept.decide.asks import Recognised, recognise
from kept.duties.rights import clock, delivery, destroyed, forgetting, mailing, proving
from kept.duties.rights.choice import known_purposes, matter
from kept.duties.rights.objection import object_to
from kept.duties.rights.receipts import not_asked, to_weigh
from kept.duties.rights.request import HOW, Request, by_herself, can_end, close_case, open_case
from kept.errors import KeptError, UsageError
from kept.ledger.entry import Entry
from kept.records import answered
from kept.records.case_state import FINISHED, Case
from kept.records.case_state import State as CaseState
from kept.records.intake import (
    ANSWERED,
    BEGUN,
    CODE_GOOD,
    LIMITS,
    SENDS,
    TRIES,
    UNCONFIRMED,
    WINDOW,
    Intake,
    State,
    Tally,
    Typed,
)
from kept.records.outbox import Place
from kept.records.watch import FULL
from kept.terms.addresses import masked
from kept.terms.asks import ASKS, CHILD_REPORT, SALE_OUT, STOP_MAILING, UNCLEAR
from kept.terms.identifiers import Identifier
from kept.terms.regimes import REGIONS

__all__ = ["UNCONFIRMED", "Form", "TooMany", "ask", "standing", "tend", "type_code", "withdraw"]

#: Who acts where a person does by herself.
PERSON: Final = ("by herself", "person")
#: The longest text that is taken, in characters.
LONGEST: Final = 5_000
#: Until when a message that is no code is of use.
_NEWS: Final = dt.timedelta(days=3)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
#: Held by whoever begins what was asked, in this process.
_BEGINNING: Final = threading.Lock()
_NO_PROOF: Final = HOW[3]
_MARKETING: Final = "marketing"


class TooMany(UsageError):
    """More came in within the hour than is taken: the same for everybody."""


class Full(TooMany):
    """So much `came` from everybody together that whoever asks now is turned away."""

    def __init__(self, came: int) -> None:
        super().__init__("more was asked within the hour than is taken", fix="ask again later")
        self.came = came


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody sent. `once` is what a form that is sent twice sends twice; `source` where it
    came from; `agent` the address of who asks for her; `changed` her address as it is to be.
    """

    asked: tuple[str, ...]
    email: str
    words: str
    once: str
    source: str
    region: str = "unknown"
    agent: str = ""
    changed: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page of a request says. `addresses` are masked, each with whether it confirmed;
    `rights` (kind of terms.asks, a word of `_STANDS`); `tries` are left before a code is of no use;
    `questions` what she may tell of herself where an address alone is too little proof, and
    `chances` how often still; `ways` (of terms.proof.HOW) what there is for her to prove who she is
    where an address is too little. `due` is the last day of the answer, while one is waited for;
    `held`: a report that a person looks at before anything is frozen. `forgotten`: by what it is
    known that it is from her went with her data. `unfetched`: (kind, the day until which her
    data waited for her to fetch it, which she did not).
    """

    id: str
    state: str
    asked: tuple[str, ...]
    arrived: dt.date
    addresses: tuple[tuple[str, bool], ...]
    rights: tuple[tuple[str, str], ...]
    good_until: dt.datetime | None = None
    tried: bool = False
    tries: int = 0
    again: bool = False
    withdrawable: bool = False
    questions: tuple[str, ...] = ()
    chances: int = 0
    ways: tuple[str, ...] = ()
    due: dt.date | None = None
    held: bool = False
    forgotten: bool = False
    unfetched: tuple[tuple[str, dt.date], ...] = ()


#: States of a case of which nothing was carried out yet.
_UNDONE: Final = (
    CaseState.RECEIVED, CaseState.ACKNOWLEDGED, CaseState.IDENTIFIED, CaseState.PLANNED,
    CaseState.APPROVED,
)  # fmt: skip
_STANDS: Final[Mapping[CaseState, str]] = {
    **dict.fromkeys(CaseState, "working"),
    CaseState.AWAITING: "done",
    CaseState.CLOSED: "done",
    CaseState.REFUSED: "refused",
    CaseState.WITHDRAWN: "withdrawn",
}
#: How a case has ended → that while the person has no answer, and with one.
_ANSWERED: Final = {"done": ("untold", "told"), "refused": ("unexplained", "refused")}


# — asking ————————————————————————————————————————————————————————————————————————————————


def ask(controller: Controller, form: Form, now: dt.datetime) -> str:
    """Take a request in and send the codes; the token of its page.

    The same form sent twice is one request. Raises UsageError for what cannot be taken (which
    says nothing about who is known), TooMany past the limits.
    """
    asked = _kinds(form.asked)
    who = Identifier("email", form.email.strip())
    parties = {"person": who}
    if form.agent.strip():
        parties["agent"] = Identifier("email", form.agent.strip())
    if form.changed.strip():
        parties["changed"] = Identifier("email", form.changed.strip())
    if len({one.normalised for one in parties.values()}) < len(parties):
        raise UsageError("the addresses are the same", expected="another address in each field")
    if {"agent", "changed"} <= set(parties):
        # The person sees her own address alone: she would confirm one that somebody else chose.
        raise UsageError(
            "who asks for somebody else cannot change that person's address",
            expected="the person herself to ask for a new address",
        )
    if form.region not in REGIONS:
        raise UsageError("there is no such region", expected=f"one of {', '.join(REGIONS)}")
    words = clean(form.words)
    said: dict[str, Any] = {"words": words, **{p: i.value for p, i in parties.items()}}
    once = "\x00".join((form.once, *asked, form.region, words, *sorted(said.values())))
    token = page_token(controller, once)
    channel = "agent" if "agent" in parties else "web"
    # One transaction for the request and its letters; waited for is once what was counted, once
    # what was written.
    with turning_away(controller, now), controller.database.connection() as c, c.pipeline():
        controller.intakes.one_at_a_time(c)
        keys = controller.vault.fresh(c)
        places = controller.outbox.places(len(parties), c, keys)
        there, number, tallies = controller.intakes.arriving(
            tuple(parties.values()), form.source, once, now - WINDOW, connection=c
        )
        if there:
            return token
        for tally in tallies:
            refuse_past(tally, limits(controller))
        one = controller.intakes.take(
            channel, asked, said, now, state=State.AWAITING, address=who, region=form.region,
            source=form.source, token=token, once=once, connection=c, number=number, keys=keys,
        )  # fmt: skip
        for party, address in parties.items():
            # Who is asked for by somebody else confirms on a page of her own.
            own = secrets.token_urlsafe(32) if (party, channel) == ("person", "agent") else None
            code = _new_code()
            controller.intakes.first_code(one, party, address, code, now, connection=c, token=own)
            _mail_code(controller, one, party, address, code, own, now, c, place=places)
    return token


def ask_by_cookie(controller: Controller, form: Form, cookie: str, now: dt.datetime) -> str:
    """Take in what a mere visitor asks: that her browser holds the site's cookie proves it hers.

    The token of its page. No address is asked for; raises as `ask` does.
    """
    asked, words, who = _kinds(form.asked), clean(form.words), Identifier("cookie", cookie)
    if form.region not in REGIONS:
        raise UsageError("there is no such region", expected=f"one of {', '.join(REGIONS)}")
    once = "\x00".join((form.once, *asked, form.region, words, who.normalised))
    token = page_token(controller, once)
    with turning_away(controller, now), controller.database.connection() as c:
        controller.intakes.one_at_a_time(c)
        if controller.intakes.by_once(once, connection=c) is not None:
            return token
        within_limits(controller, who, form.source, now, c)
        one = controller.intakes.take(
            "web", asked, {"words": words, "identity": [["cookie", cookie]]}, now,
            state=State.AWAITING, address=who, region=form.region, source=form.source,
            token=token, once=once, connection=c,
        )  # fmt: skip
        one = controller.intakes.verified(one, token, now, connection=c)
        taken(controller, one, "cookie", now, c)
    with suppress(KeptError):  # what could not be begun now is begun by the job
        begin(controller, one, now)
    return token


def ways_told(
    controller: Controller, asked: Sequence[str], region: str, *, page: bool = True
) -> dict[str, str]:  # fmt: skip
    """What a mail says of the ways in which she can show that it is she who asks."""
    open_ = proving.ways(controller, asked, region, page=page)
    return {"ways": "\n".join(open_), "login": controller.desk.login or ""} if open_ else {}


def found(controller: Controller, token: str) -> tuple[Intake, str | None] | None:
    """The request whose page a token leads to, and whose own page it is; None for any other."""
    return controller.intakes.by_token(token) if _TOKEN.fullmatch(token) else None


def type_code(
    controller: Controller, token: str, code: str, now: dt.datetime
) -> tuple[Typed, str | None]:
    """What becomes of a code typed on a page; and, where it is known now who asks, the token of
    the page from then on. UsageError where the page is gone.
    """
    one, own = _page(controller, token)
    digits = "".join(c for c in code if c in "0123456789")[:16]
    fresh = secrets.token_urlsafe(32)
    with controller.database.connection() as c:
        outcome = controller.intakes.type_code(one, own, digits, now, connection=c)
        if outcome is not Typed.RIGHT:
            return outcome, None
        said = controller.intakes.said(one)
        # Who began it and who typed it may be two: whoever holds the page now is who typed it.
        one = controller.intakes.verified(one, fresh, now, connection=c)
        taken(controller, one, "code", now, c)
        values = {
            "link": link(controller, fresh), "asked": _titles(one.asked),
            **ways_told(controller, one.asked, one.region),
        }  # fmt: skip
        # The person, never only who asks for her: what is sent there leads to her page.
        controller.outbox.put(
            said["person"], "received", values, now, good_until=now + _NEWS, connection=c
        )
    with suppress(KeptError):  # what could not be begun now is begun by the job
        begin(controller, one, now)
    return outcome, fresh


def send_again(controller: Controller, token: str, now: dt.datetime) -> bool:
    """Send new codes to whoever has not confirmed yet; False where there were enough of them."""
    one, own = _page(controller, token)
    said = controller.intakes.said(one)
    sent, by_agent = False, _by_agent(controller, one, token)
    with controller.database.connection() as c:
        if not said or not controller.intakes.awaits(one, connection=c):
            return False
        for party in controller.intakes.parties(one):
            if party.verified_at is None and (party.party == own or not (own or party.own)):
                address = Identifier("email", said[party.party])
                sent = (
                    send_code(controller, one, party.party, address, None, now, c, **by_agent)
                    or sent
                )
    return sent


def _by_agent(controller: Controller, one: Intake, token: str) -> dict[str, str]:
    """What the mail of a code says besides where an agent of the directory asked: the page, and
    the name of that agent. Else the same person would be told now of an agent and now of nobody.
    """
    asker = controller.agents.asker(one.number) if one.channel == "drp" else None
    if asker is None:
        return {}
    listed = controller.drp.agents.get(asker) if controller.drp is not None else None
    return {"page": token, "service": asker if listed is None else listed.name}


def withdraw(controller: Controller, token: str, now: dt.datetime) -> bool:
    """Take a request back; False where some of it was begun and is finished all the same."""
    one, _ = _page(controller, token)
    if one.state is State.AWAITING:
        with controller.database.connection() as c:
            if controller.intakes.give_up(one, connection=c):
                return True
        return False  # confirmed in this moment: its own page takes it back from now on
    if not one.open or CHILD_REPORT in one.asked:
        return False  # a report is decided, not taken back: what it froze waits for that
    actor = controller.actors.of(*PERSON, now)
    cases = [controller.cases.get(id_) for _, id_ in one.cases]
    if not _waits(one, cases):
        return False  # all of it has ended: what was done is not taken back
    left = False
    for case in cases:
        if case.state in FINISHED:
            continue
        if can_end(controller, case, CaseState.WITHDRAWN):
            reason = "taken back on the page of the request"
            close_case(controller, case.id, "withdrawn", reason, actor, now)
        else:
            left = True
    if not left:
        with controller.database.connection() as c:
            ended(controller, one, State.WITHDRAWN, "withdrawn", None, now, c)
    return not left


def _waits(one: Intake, cases: Collection[Case]) -> bool:
    """Whether something of a request has not ended yet."""
    return len(cases) < len(one.asked) or any(c.state not in FINISHED for c in cases)


def _stands(controller: Controller, case: Case) -> str:
    """How a case stands, as its page says it (`requests.STANDS`)."""
    objected = case.right == "objection" and case.state is CaseState.CHECKED
    if not objected and not clock.in_force(case):
        over = _STANDS[case.state]
        return "refused" if over == "done" and case.unmet == "whole" else over
    if not_asked(controller, case):
        return "in-force-partly"
    if to_weigh(controller, case):
        return "weighed"
    return "in-force" if case.in_force_at else "working"


def standing(controller: Controller, token: str, now: dt.datetime) -> Standing | None:
    """What the page of a request says; None where there is no such page (any more)."""
    met = found(controller, token)
    if met is None:
        return None
    one, own = met
    said = controller.intakes.said(one)
    if one.state is State.AWAITING:
        parties = controller.intakes.parties(one)
        if one.expires_at is None or one.expires_at <= now or not parties:
            return None
        # Who confirms on a page of her own sees her own address alone.
        mine = [p for p in parties if (p.party == own if own else not p.own)]
        wait = [p for p in mine if p.verified_at is None]
        good = [p.good_until for p in wait if p.good_until is not None]
        return Standing(
            one.id, one.state, one.asked, one.arrived,
            tuple((masked(said[p.party]), p.verified_at is not None) for p in mine),
            (), min(good) if good and min(good) > now else None,
            any(p.tries for p in wait),
            max((TRIES - p.tries for p in wait), default=0),
            any(p.sent < SENDS for p in wait),
            withdrawable=True,
        )  # fmt: skip
    cases = {kind: controller.cases.get(id_) for kind, id_ in one.cases}
    stands = {kind: _stands(controller, c) for kind, c in cases.items()}
    over = [c.number for kind, c in cases.items() if stands[kind] in _ANSWERED]
    known = answered.days(controller.database, over, now, controller.desk.zone) if over else {}
    for kind, c in cases.items():
        if stands[kind] == "withdrawn" and not by_herself(controller, c):
            stands[kind] = "taken-back"
        if c.number in over:
            stands[kind] = _ANSWERED[stands[kind]][c.number in known]
            if mailing.letter_went(controller, c) and delivery.copy_owed(controller, c):
                stands[kind] = "told-of-copy"
    rest = "working" if one.open else ("withdrawn" if one.state is State.WITHDRAWN else "done")
    asking = [c for c in cases.values() if proving.asked(controller, c)]
    unproven = [kind for kind, c in cases.items() if to_prove(controller, c)]
    waited = [c.number for c in cases.values() if not clock.answered(c)]
    clocks = controller.clocks.many(waited).values() if one.open else ()
    # A clock that stands still names no day that would hold.
    days = [c.due for c in clocks if c.paused_since is None]
    return Standing(
        one.id, one.state, one.asked, one.arrived,
        tuple((masked(said[p]), True) for p in ("person", "changed", "agent") if p in said),
        tuple((kind, stands.get(kind, rest)) for kind in one.asked),
        withdrawable=one.open
        and _waits(one, cases.values())
        and all(
            can_end(controller, c, CaseState.WITHDRAWN)
            for c in cases.values()
            if c.state not in FINISHED
        ),
        questions=tuple(proving.questions(controller).values()) if asking else (),
        chances=min((controller.cases.tries_left(c) for c in asking), default=0),
        ways=proving.ways(controller, unproven, one.region),
        due=max(days) if days and len(days) == len(clocks) else None, held=one.held,
        forgotten=not said,
        unfetched=tuple(
            (kind, controller.day(until)) for kind, c in cases.items()
            if (until := delivery.never_fetched(controller, c, now)) is not None
        ),
    )  # fmt: skip


def to_prove(controller: Controller, case: Case) -> bool:
    """Whether more may be needed to know who asks in a case. What she told counts for nothing here:
    else the page would say whether it was right.
    """
    if case.state in FINISHED or case.done_at is not None or case.override:
        return False
    return all(p.way != "login" for p in controller.cases.proofs(case))


def tell(controller: Controller, token: str, answers: Sequence[str], now: dt.datetime) -> None:
    """Put aside what she tells of herself on her page, for each case that takes it: to be compared
    by the job, so that neither words nor time say what was right. UsageError where it is too
    little, or the page is gone.
    """
    one, _ = _page(controller, token)
    actor = controller.actors.of(*PERSON, now)
    told = dict(zip(proving.questions(controller), answers, strict=False))
    for _, id_ in one.cases:
        case = controller.cases.get(id_)
        if proving.asked(controller, case):
            proving.tell(controller, id_, told, actor, now)


# — going on ——————————————————————————————————————————————————————————————————————————————


def begin(controller: Controller, one: Intake, now: dt.datetime, *, waits: bool = False) -> Intake:
    """Open a case for each right that is asked, now that it is known who asks. May be repeated.

    Advertising stops at once, also where nobody can tell from the words whether she wants more.
    Where it is being begun already, whoever does that goes on with it. Without `waits` what
    would have to wait for another is left to the job.
    """
    # Here one after another: the lock takes a connection while what is begun takes another.
    if not _BEGINNING.acquire(blocking=waits):
        return one
    try:
        with controller.intakes.mine(one) as mine:
            if mine is None or mine.state is not State.VERIFIED or mine.outcome is not None:
                return mine or one
            return _begin(controller, mine, now)
    finally:
        _BEGINNING.release()


def _begin(controller: Controller, one: Intake, now: dt.datetime) -> Intake:
    said = controller.intakes.said(one)
    if not said:  # struck out with an erasure of hers: nobody knows any more what she asked
        with controller.database.connection() as c:
            return ended(controller, one, State.ANSWERED, "struck-out", None, now, c)
    cookie = [Identifier(kind, value) for kind, value in said.get("identity", ())]
    who = tuple(cookie) or (Identifier("email", said["person"]),)
    asked, unclear = one.asked, None
    if UNCLEAR in asked and said.get("words"):
        unclear = recognise(said["words"])
        asked = told_apart(asked, unclear)
    evidence, way = known_by(said, one.verified_at or now)
    request = Request((who,), *PERSON, evidence=evidence, way=way)
    if "case" in said and not one.cases:  # asked for by the staff, of a case that is there
        with controller.database.connection() as c:
            case = controller.cases.get(said["case"])
            one = controller.intakes.opened(one, "rectification", case.number, connection=c)
            if not case.evidence and case.state not in FINISHED:
                actor = controller.actors.of(*PERSON, now)
                case = controller.cases.identify(case, evidence, actor, now, way=way, connection=c)
                entry = proving.proven(case, way, actor, now)
                controller.ledger.append_in(c, [entry])
    return opened(controller, one, asked, request, now, stop=bool(unclear and unclear.words))


def known_by(said: Mapping[str, Any], at: dt.datetime) -> tuple[str, str]:
    """How it is known who asks of what came by the form or an agent, since `at`: in words, and by
    which way of terms.proof.
    """
    moment = {"day": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}"}
    evidence = said.get("attested", HOW[0 if said.get("identity") else 1].format(**moment))
    if "agent" in said:
        evidence += f"; {HOW[2]}"
    way = "cookie" if said.get("identity") else "attested" if "attested" in said else "code"
    return evidence, way


def told_apart(asked: Sequence[str], words: Recognised) -> tuple[str, ...]:
    """What is asked, with what the words say in the place of "something else"."""
    chosen = {k for k in asked if k != UNCLEAR} | {k for k in words.kinds if ASKS[k].form == "own"}
    return tuple(k for k in ASKS if k in chosen) or (UNCLEAR,)


def opened(
    controller: Controller, one: Intake, asked: Sequence[str], request: Request, now: dt.datetime,
    *, stop: bool = False, told: bool = False,
) -> Intake:  # fmt: skip
    """Open a case for each right of `asked` that has none yet, linked to the request.

    `told`: a mail tells her that it has come, or she was told before; not where no server took it.
    `stop`: advertising stops also where that was not asked for in so many words. Each case is
    linked as it is opened: a machine that stops leaves either both or none.
    """
    told = told and one.untold_at is None
    if STOP_MAILING in asked or (stop and UNCLEAR in asked):
        one = stop_mailing(controller, one, request, now, told=told)
    for kind in asked:
        apart = (STOP_MAILING, SALE_OUT)  # carried out, not only opened
        if kind not in apart and ASKS[kind].right is not None and kind not in dict(one.cases):
            one, _ = _case(controller, one, kind, request, now, told=told)
    with controller.database.connection() as c:
        _both(controller, one, now, c)
        return controller.intakes.begun(one, asked, BEGUN, connection=c)


def _both(controller: Controller, one: Intake, now: dt.datetime, c: Connection) -> None:
    """Record that a new address was confirmed, at the old one and at itself."""
    said = controller.intakes.said(one)
    if one.verified_at is None or one.channel not in mailing.TYPED or not said.get("changed"):
        return
    actor, new = controller.actors.of(*PERSON, now), Identifier("email", said["changed"])
    for kind, id_ in one.cases:
        case = controller.cases.get(id_)
        if kind == "rectification" and not controller.cases.confirmed(case, new):
            controller.cases.prove(case, "both", actor, now, connection=c, about=new)
            controller.ledger.append_in(
                c, [proving.proven(controller.cases.get(id_), "both", actor, now)]
            )


def stop_mailing(
    controller: Controller, one: Intake, request: Request, now: dt.datetime, *, told: bool = False
) -> Intake:
    """An objection to marketing, carried out: it needs neither a reason nor a decision."""
    try:
        known_purposes(controller.bundle, (_MARKETING,))
    except UsageError:
        return one  # a policy without marketing has none to stop
    if not request.evidence and not request.override:
        request = replace(request, evidence=_NO_PROOF, way="free")
    there = dict(one.cases).get(STOP_MAILING)
    if there is None:
        one, case = _case(controller, one, STOP_MAILING, request, now, told=told)
    else:
        case = controller.cases.get(there)
    if case.state in _UNDONE:
        again = Request((), request.actor, request.role, case=case.id)
        object_to(controller, again, (_MARKETING,), now, region=one.region)
    return one


def _case(
    controller: Controller, one: Intake, kind: str, request: Request, now: dt.datetime,
    *, told: bool = False,
) -> tuple[Intake, Case]:  # fmt: skip
    right = ASKS[kind].right
    assert right is not None
    # The clock starts on the day on which it arrived, not on that of today.
    request = replace(request, region=one.region, arrived=one.arrived)
    about = matter(controller, (_MARKETING,)) if kind == STOP_MAILING else None

    def linked(case: Case, c: Any) -> None:
        controller.intakes.opened(one, kind, case.number, connection=c)

    case, _, _ = open_case(
        controller, right, request, now, matter=about,
        acknowledged=told or one.channel in ANSWERED, also=linked,
    )  # fmt: skip
    return controller.intakes.get(one.id), case


def begin_waiting(controller: Controller, now: dt.datetime) -> int:
    """Begin what is not begun wholly although it is known who asks, and compare what people told
    of themselves; how much could not be.
    """
    failed = 0
    for one in controller.intakes.waiting_for_cases():
        try:
            begin(controller, one, now, waits=True)
        except KeptError:
            failed += 1
    return failed + proving.compare(controller, now)


def tend(controller: Controller, now: dt.datetime) -> int:
    """What is left to do without a person: begin what was cut off, end what is done, let go of
    what nobody confirmed. How much could not be done.
    """
    failed = begin_waiting(controller, now)
    for one in controller.intakes.all(open_only=True):
        if one.only_cases:
            states = [controller.cases.get(id_).state for _, id_ in one.cases]
            if all(state in FINISHED for state in states):
                with controller.database.connection() as c:
                    ended(controller, one, State.ANSWERED, "cases-ended", None, now, c)
    with controller.database.connection() as c:
        controller.intakes.forget_sources(now - WINDOW, connection=c)
        gone = controller.intakes.remove_unconfirmed(now, connection=c)
        if gone:
            controller.ledger.append_in(c, [Entry("request.left", now, {"count": gone})])
    if controller.letter_scans.over_all():
        forgetting.forget_scans(controller, now)
    destroyed.enter(controller, now)
    mailing.settle(controller, now)
    controller.outbox.tidy(now)
    return failed


def ended(
    controller: Controller, one: Intake, state: State, outcome: str, reason: str | None,
    now: dt.datetime, c: Any, *, forget: bool = False,
) -> Intake:  # fmt: skip
    """End a request, with its entry."""
    body = {"request": one.id, "outcome": outcome}
    if reason:
        body["reason"] = controller.digest(reason.encode())
    controller.ledger.append_in(c, [Entry("request.ended", now, body)])
    return controller.intakes.end(one, state, outcome, now, connection=c, forget=forget)


def link(controller: Controller, token: str) -> str:
    """The address of a page of a request."""
    return f"{controller.site_url}/privacy/requests/{token}"


# — inside ————————————————————————————————————————————————————————————————————————————————


def _page(controller: Controller, token: str) -> tuple[Intake, str | None]:
    met = found(controller, token)
    if met is None:
        raise UsageError("this page has gone", fix="ask again")
    return met


def _kinds(asked: Sequence[str]) -> tuple[str, ...]:
    known = tuple(k for k in ASKS if k in asked and ASKS[k].form == "own")
    if not known or len(known) < len(set(asked)):
        raise UsageError("nothing is chosen", expected="at least one of what is offered")
    return known


def clean(words: str, longest: int = LONGEST) -> str:
    """Words as they are, without what cannot be shown; line ends as one."""
    if len(words) > longest:
        raise UsageError("the text is too long", expected=f"at most {longest:,} characters")
    words = words.replace("\r\n", "\n").replace("\r", "\n")
    # Blanks of other widths keep words apart as well.
    words = "".join(" " if c.isspace() and c not in "\n\t" else c for c in words)
    return "".join(c for c in words if c in "\n\t" or c.isprintable()).strip()


def page_token(controller: Controller, once: str) -> str:
    """The token that the same sending leads to, which nobody can work out without the key."""
    mac = controller.vault.mac("intake-page", once.encode())
    return urlsafe_b64encode(mac).decode().rstrip("=")


def within_limits(
    controller: Controller, who: Identifier | None, source: str, now: dt.datetime, c: Any
) -> None:
    """Refuse (TooMany) what goes past the limits, counted without looking at who it is."""
    met = controller.intakes.tally(who, source, now - WINDOW, connection=c)
    refuse_past(met, limits(controller))


def limits(controller: Controller) -> tuple[int, ...]:
    """What may come in within an hour, in the order in which `refuse_past` counts it."""
    return (*LIMITS, controller.desk.requests)


def refuse_past(met: Tally, most: Sequence[int]) -> None:
    """Refuse (TooMany) where as much came in already as is taken."""
    counts = (met.pair, met.address, met.source, met.all)
    past = [count >= few for count, few in zip(counts, most, strict=True)]
    if any(past[:-1]):
        raise TooMany("more was asked within the hour than is taken", fix="ask again later")
    if past[-1]:
        raise Full(met.all)


@contextmanager
def turning_away(controller: Controller, now: dt.datetime, what: str = FULL) -> Iterator[None]:
    """Alert the officers, once an hour, where somebody is turned away because of all others, by
    which form. Around the transaction that this undoes.
    """
    try:
        yield
    except Full as full:
        controller.turned_away(what, full.came, now)
        raise


def send_code(
    controller: Controller, one: Intake, party: str, address: Identifier, own: str | None,
    now: dt.datetime, c: Any, *, page: str | None = None, template: str = "code",
    service: str = "",
) -> bool:  # fmt: skip
    """Send a code; False where there were enough. `own`: the token of a page of the party's own;
    `page`: that of the page that an agent shows her, `service` the name of that agent.
    """
    code = _new_code()
    if not controller.intakes.send_code(one, party, address, code, now, connection=c, token=own):
        return False
    _mail_code(controller, one, party, address, code, own, now, c, page=page, template=template,
               service=service)  # fmt: skip
    return True


def _new_code() -> str:
    return f"{secrets.randbelow(10**8):08}"


def _mail_code(
    controller: Controller, one: Intake, party: str, address: Identifier, code: str,
    own: str | None, now: dt.datetime, c: Any, *, page: str | None = None, template: str = "code",
    place: Place | None = None, service: str = "",
) -> None:  # fmt: skip
    if one.channel == "agent" and party == "person":
        template = "code-for-person"
    values = {"code": f"{code[:4]} {code[4:]}", "asked": _titles(one.asked)}
    if page is not None:  # an agent leads her to a page that she has not seen yet
        template, values["link"] = "code-by-agent", link(controller, page)
        values["service"] = service
    if own is not None:
        values["link"] = link(controller, own)
    controller.outbox.put(
        address.value, template, values, now, good_until=now + CODE_GOOD, connection=c, place=place
    )


def taken(controller: Controller, one: Intake, how: str, now: dt.datetime, c: Any) -> None:
    """Enter that it is known who asks, or need not be, and how."""
    body = {
        "request": one.id, "channel": one.channel, "kinds": list(one.asked),
        "arrived": one.arrived.isoformat(), "verified": how,
    }  # fmt: skip
    controller.ledger.append_in(c, [Entry("request.taken", now, body)])


def _titles(asked: Sequence[str]) -> str:
    return "\n".join(ASKS[kind].title for kind in asked)
