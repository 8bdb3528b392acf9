"""Mail to the person of a case: to the address that a code typed in proved hers, and to no other.

The link to her package, the code for it, and the letter that answers. What goes is queued in the
transaction that says so; a letter goes once, and again only if somebody says that it is to.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights import clock
from kept.duties.rights.language import language_of
from kept.duties.rights.letter import claimed, letter
from kept.duties.rights.receipts import require_answer
from kept.duties.rights.request import close_case
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records import answered
from kept.records.actor import Actor
from kept.records.case_state import Case, State
from kept.records.intake import CODE_GOOD
from kept.records.mailed import Mail
from kept.records.outbox import SENT
from kept.terms.identifiers import Identifier

#: By these ways a code that was typed in proves the address of the person, or an agent's word
#: that counts as much.
TYPED: Final = ("web", "agent", "drp")
#: Ends of a correction after which the old address is hers as before.
_NOT_DONE: Final = (State.REFUSED, State.WITHDRAWN)
#: Who acts where nobody does.
_ITSELF: Final = ("by itself", "operator")
#: For how long it is tried to send an answer.
TRIED: Final = dt.timedelta(days=3)


def proven_address(controller: Controller, case: Case) -> str | None:
    """The address of the person of a case that a code typed in proved hers, or the newest one that
    was confirmed in its place since; None where none was.
    """
    for one in controller.intakes.of_case(case.id):
        # Of what staff entered or vouched for, no address was proven.
        if one.verified_at is not None and one.channel in TYPED:
            address = controller.intakes.said(one).get("person")
            if not isinstance(address, str) or not address:
                return None
            return _newest(controller, address, one.verified_at)
    return None


def _newest(controller: Controller, address: str, since: dt.datetime) -> str:
    """The address that was confirmed in the place of this one since, at both; and so on.

    Whoever reads one of them alone changes nothing: codes went to the old and to the new one. Of
    an address that several people are known by none takes the place, for the others still read it.
    """
    seen = {Identifier("email", address).normalised}
    while True:
        at, later = Identifier("email", address), []
        if len(controller.subjects.find([at])) > 1:
            return address
        with controller.database.connection() as c:
            numbers = controller.intakes.hers([], [at], connection=c)
        for one in filter(None, map(controller.intakes.numbered, numbers)):
            said = controller.intakes.said(one)
            if one.verified_at is None or one.verified_at < since or not said.get("changed"):
                continue
            new = Identifier("email", said["changed"])
            cases = [controller.cases.get(id_) for _, id_ in one.cases]
            if new.normalised not in seen and any(
                case.state not in _NOT_DONE and controller.cases.confirmed(case, new)
                for case in cases
            ):
                later.append((one.verified_at, one.number, new.value))
        if not later:
            return address
        since, _, address = max(later)
        seen.add(Identifier("email", address).normalised)


def why_not(controller: Controller, case: Case) -> str | None:
    """Why nothing of the case can go by mail; None where it can."""
    if controller.post is None:
        return "Kept has no way to send mail"
    if proven_address(controller, case) is None:
        return "no code that was typed in proved an address hers"
    return None


def answers(case: Case, mail: Mail) -> bool:
    """Whether a mail of a case stands for its answer: what went before it ended said what was
    left, and stands in the way of none. Until then each does.
    """
    open_ = not clock.answered(case)
    return mail.kind == "answer" and (open_ or not clock.too_early(case, mail.put_at))


def letter_went(controller: Controller, case: Case) -> bool:
    """Whether a mail server took a letter that answers a case."""
    mails = controller.mailed.of(case)
    return any(answers(case, m) and m.outcome == SENT for m in mails)


def mail_code(controller: Controller, case: Case, code: str, until: dt.datetime) -> bool:
    """Mail the code of a delivery (`delivery.Sender`) to the address that was proven hers."""
    address = proven_address(controller, case) if controller.post is not None else None
    if address is None:
        return False
    values = {"code": f"{code[:4]} {code[4:]}"}
    with controller.database.connection() as c:
        controller.outbox.put(
            address, "delivery-code", values, until - CODE_GOOD, good_until=until, connection=c,
            language=language_of(controller, case),
        )  # fmt: skip
    return True


def mail_link(
    controller: Controller, case: Case, token: str, until: dt.datetime, actor: Actor,
    now: dt.datetime, connection: Connection,
) -> bool:  # fmt: skip
    """Mail where a package waits to the address that was proven hers; False where none was."""
    address = proven_address(controller, case) if controller.post is not None else None
    if address is None:
        return False
    values = {
        "link": f"{controller.site_url}/privacy/delivery/{token}",
        "until": until.isoformat(),
    }
    put = controller.outbox.put(
        address, "delivery", values, now, good_until=until, connection=connection,
        language=language_of(controller, case),
    )  # fmt: skip
    controller.mailed.add(case, "link", put, actor, now, connection=connection)
    controller.ledger.append_in(connection, [_put(case, "link", put, actor, now)])
    return True


def mail_answer(
    controller: Controller, case_id: str, actor: Actor, now: dt.datetime, *, again: bool = False,
    country: str | None = None, subdivision: str | None = None, shown: str | None = None,
    language: str | None = None,
) -> dt.datetime:  # fmt: skip
    """Send the letter that answers to the address that was proven hers; until when that is tried.

    It speaks `language`, else that in which she asked. With `shown`, the digest of a letter that
    somebody read, nothing else goes than that. Raises UsageError where no address was proven,
    nothing was done yet, one waits to be sent, or one went before and it is not said (`again`)
    that she is to get another.
    """
    case = controller.cases.get(case_id)
    if (why := why_not(controller, case)) is not None:
        raise UsageError(
            f"the answer cannot go by mail: {why}",
            fix=f"send it on paper (`kept case letter {case.id}`), or hand it to her in person",
        )
    require_answer(case)
    made = letter(
        controller, case.id, now, country=country, subdivision=subdivision, language=language
    )
    text = controller.digest(made.text().encode())
    if shown is not None and shown != text:
        raise UsageError("the letter is another than the one that was read", fix="read it again")
    address = proven_address(controller, case)
    assert address is not None
    with controller.database.connection() as c:
        every = controller.mailed.alone(case, c)
        before = [m for m in every if answers(case, m)]
        if any(m.waits for m in before):
            raise UsageError("the answer waits to be sent already; it goes once")
        went = [m for m in before if m.outcome == SENT]
        if went and not again:
            raise UsageError(
                f"the answer went to her on {controller.day(went[-1].put_at)}",
                fix="say that she is to get another, if she is (--again)",
            )
        for old in every:
            # What said how far it had come would reach her after the answer, and gainsay it.
            if old.kind == "answer" and old.waits and old not in before:
                controller.outbox.replace(old.letter, connection=c)
        values = {"title": made.title, "words": made.mail(), "case": case.id}
        put = controller.outbox.put(
            address, "answer", values, now, good_until=now + TRIED, connection=c,
            language=language or language_of(controller, case),
        )  # fmt: skip
        controller.mailed.add(case, "answer", put, actor, now, connection=c)
        controller.ledger.append_in(
            c,
            [
                claimed(controller, made, actor.role, now),
                _put(case, "answer", put, actor, now, text=text, again=bool(went)),
            ],
        )
    return now + TRIED


def take_back(
    controller: Controller, case_id: str, reason: str, actor: Actor, now: dt.datetime
) -> tuple[Case, str | None]:
    """End a case because staff say that she no longer asks; and why no letter goes to her, None
    where one does. She knows it from nobody else, and may not have said so: where mail can go to
    her, it goes at once.
    """
    case = close_case(controller, case_id, "withdrawn", reason, actor, now)
    why = why_not(controller, case)
    if why is None:
        mail_answer(controller, case.id, actor, now, again=True)
    return case, why


def handed(
    controller: Controller, case_id: str, day: dt.date, actor: Actor, now: dt.datetime
) -> None:
    """The answer reached the person in another way than by mail or on paper, that day, by the
    word of who says so: it was handed or read to her. UsageError where there is none yet, or the
    day cannot be.
    """
    case = controller.cases.get(case_id)
    require_answer(case)
    since = case.in_force_at or case.done_at
    if since is None:
        raise UsageError(
            "what she was handed is not her answer yet: not all is done",
            expected="a case that was carried out, refused or taken back",
            met=f"one that is {case.state}",
            fix=f"see `kept case show {case.id}`, which says how it goes on; what she is told till"
            " then is noted with `kept case note`",
        )
    first = controller.day(since)
    if not first <= day <= controller.day(now):
        raise UsageError(
            "the answer cannot have reached her that day",
            expected=f"a day from {first} to today", met=str(day),
        )  # fmt: skip
    with controller.database.connection() as c:
        clock.posted(controller, case, now, day, actor, now, c)
        body = {"case": case.id, "on": day.isoformat(), "actor": name(actor.role)}
        controller.ledger.append_in(c, [Entry("answer.handed", now, body)])


def settle(controller: Controller, now: dt.datetime) -> int:
    """Note for good what became of mail to people of cases, and with the clock when an answer
    went; how many that was. Repeatable.
    """
    with controller.database.connection() as c:
        done = controller.mailed.settle(now, connection=c)
        entries = []
        for one in done:
            body = {
                "case": one.case, "kind": one.kind, "outcome": one.outcome, "letter": one.letter
            }  # fmt: skip
            entries.append(Entry("mail.ended", now, body))
            case = controller.cases.get(one.case)
            # Where a copy belongs to it, the letter is not all of the answer.
            alone = (one.kind, one.outcome) == ("answer", SENT) and not answered.with_copy(c, case)
            if alone:
                day = controller.day(one.ended_at)
                clock.posted(controller, case, one.put_at, day, one.actor, now, c)
        entries += _untold(controller, now, c)
        if entries:
            controller.ledger.append_in(c, entries)
    return len(done)


def _untold(controller: Controller, now: dt.datetime, c: Connection) -> list[Entry]:
    """Take back that people were told that their requests have come, where no server took the mail:
    somebody has to tell them; the entries of that.
    """
    entries: list[Entry] = []
    for one in controller.intakes.untold(now, connection=c):
        for case in (controller.cases.get(id_) for _, id_ in one.cases):
            by_staff = any(m.act == "acknowledged" for m in controller.clocks.changes(case))
            if case.state is not State.ACKNOWLEDGED or by_staff:
                continue
            actor = controller.actors.of(*_ITSELF, now, connection=c)
            case = controller.cases.move(case, State.RECEIVED, actor, now, connection=c)
            body = {"case": case.id, "state": case.state.value, "actor": name(actor.role)}
            entries.append(Entry("case.moved", now, body))
    return entries


def _put(
    case: Case, kind: str, put: str, actor: Actor, now: dt.datetime, *, text: str | None = None,
    again: bool = False,
) -> Entry:  # fmt: skip
    body = {"case": case.id, "kind": kind, "letter": put, "again": again, "actor": name(actor.role)}
    return Entry("mail.put", now, body if text is None else {**body, "text": text})
