"""What comes by letter, telephone or e-mail, entered by somebody with the day on which it arrived.

A case is opened for each right that is asked; who asks is checked later, and until then nothing is
disclosed or changed. What needs no proof is done at once: mail stops, a child's record is frozen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from kept.controller import Controller
from kept.decide.asks import LONGEST as READ
from kept.decide.asks import Recognised, recognise
from kept.duties.rights import proving
from kept.duties.rights.intake import clean, ended, known_by, opened, ways_told
from kept.duties.rights.others_mail import partners
from kept.duties.rights.reported import enter_report, freeze
from kept.duties.rights.request import Request
from kept.duties.rights.scan_form import form_of
from kept.duties.rights.scanned import MOST, keep, reply_to
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.records.actor import Actor
from kept.records.case_state import FINISHED, Case
from kept.records.intake import Intake, State
from kept.terms.asks import (
    ASKS,
    CHILD_REPORT,
    MAIL_OF_CUSTOMER,
    MAIL_OF_PARTNER,
    QUESTION,
    UNCLEAR,
)
from kept.terms.clocks import WHERE
from kept.terms.identifiers import Identifier

#: How something comes in that somebody enters, in words.
CHANNELS: Final = {
    "letter": "by letter",
    "phone": "by telephone",
    "email": "by e-mail",
}
_OTHERS: Final = (MAIL_OF_CUSTOMER, MAIL_OF_PARTNER)
_NEWS: Final = dt.timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Came:
    """What came in. `people` are identifiers of one person; `asked` kinds of terms.asks, empty:
    the words say; `arrived` is the day of arrival, not of entering. Of a letter: `post` is where
    the answer goes on paper, a line each, `scans` are its pages.
    """

    channel: str
    arrived: dt.date
    people: tuple[Identifier, ...]
    asked: tuple[str, ...]
    words: str
    region: str = "unknown"
    post: tuple[str, ...] = ()
    scans: tuple[bytes, ...] = ()


def checked(
    came: Came, now: dt.datetime, partners: Iterable[str] = ()
) -> tuple[str, Recognised | None, tuple[str, ...]]:
    """(its words, what they say where nobody chose, what is asked). Raises UsageError where it is
    not said what is asked, or of whom, or the day is to come.
    """
    if came.channel not in CHANNELS:
        raise UsageError("there is no such channel", expected=f"one of {', '.join(CHANNELS)}")
    if came.arrived > now.astimezone(dt.UTC).date() + dt.timedelta(days=1):
        raise UsageError("the day of arrival is to come", expected="the day on which it arrived")
    if came.region not in WHERE:
        raise UsageError("there is no such region", expected=f"one of {', '.join(WHERE)}")
    for one in came.people:
        _ = one.normalised  # refuses what is not of its kind
    if came.channel != "letter" and (came.scans or reply_to(came.post)):
        raise UsageError("only a letter has a scan and an address on paper", met=came.channel)
    for scan in came.scans:
        form_of(scan)
    if len(came.scans) > MOST:
        raise UsageError("there are too many scans", expected=f"{MOST} at most")
    words = clean(came.words, READ)
    seen = None if came.asked else recognise(words, partners)
    asked = kinds(came.asked) if seen is None else seen.kinds
    if seen is not None and not words:
        raise UsageError(
            "it is not said what is asked", fix="name it with --right, or give --words-file"
        )
    _whom(tuple(k for k in asked if k != CHILD_REPORT), came.people)
    return words, seen, asked


def add(
    controller: Controller, came: Came, actor: Actor, now: dt.datetime, *,
    once: str | None = None, told: bool = False,
) -> tuple[list[Intake], Recognised | None]:  # fmt: skip
    """Enter what came in: the requests it makes, and what was recognised where nobody chose.

    With `once` the same is entered once, however often, and what was cut off is finished; `told`:
    she was told before that it has come. Raises as `checked` does.
    """
    words, seen, asked = checked(came, now, partners(controller.bundle))
    said: dict[str, Any] = {
        "words": words,
        "person": next((i.value for i in came.people if i.kind == "email"), ""),
        "identity": [[i.kind, i.value] for i in came.people],
    }
    if post := reply_to(came.post):
        said["post"] = list(post)
    made: list[Intake] = []
    if CHILD_REPORT in asked:
        made.append(
            enter_report(
                controller, came.people, said, now, channel=came.channel, arrived=came.arrived,
                actor=actor.id,
            )
        )  # fmt: skip
    rest = tuple(k for k in asked if k != CHILD_REPORT)
    if rest:
        stop = bool(seen and seen.unclear and seen.words)
        made.append(_enter(controller, came, rest, said, actor, now, stop, once, told))
    elif came.scans:
        with controller.database.connection() as c:
            keep(controller, made[0], came.scans, actor, now, c)
    return made, seen


def classify(
    controller: Controller, id_: str, asked: Sequence[str], people: Sequence[Identifier],
    actor: Actor, now: dt.datetime,
) -> Intake:  # fmt: skip
    """Say what is asked after all, and of whom: cases are opened for what has none yet."""
    one = controller.intakes.get(id_)
    if not one.open:
        raise UsageError("the request is not open", expected="one that is open", met=one.state)
    chosen, said = kinds(asked), controller.intakes.said(one)
    if people:
        said = {
            **said,
            "identity": [[i.kind, i.normalised and i.value] for i in people],
            "about": [[i.kind, i.value] for i in people],
        }
        with controller.database.connection() as c:
            controller.intakes.keep(one, said, connection=c)
    known = [Identifier(k, v) for k, v in said.get("identity", ())]
    if not known and said.get("person"):
        known = [Identifier("email", said["person"])]
    if CHILD_REPORT in chosen:
        if len(chosen) > 1 or one.cases:
            raise UsageError(
                "a report of a child stands for itself",
                fix="enter what else was asked with `kept request add`",
            )
        about = said.get("about") or [[i.kind, i.value] for i in known]
        with controller.database.connection() as c:
            controller.intakes.keep(one, {**said, "about": about}, connection=c)
            one = controller.intakes.begun(one, chosen, None, connection=c)
        freeze(controller, one, now)
        return controller.intakes.get(id_)
    _whom(chosen, known)
    request = Request((tuple(known),), actor.name, actor.role)
    if one.verified_at is not None and not said.get("about"):
        # What she proved holds for whatever she turns out to ask; not for somebody named since.
        evidence, way = known_by(said, one.verified_at)
        request = replace(request, evidence=evidence, way=way)
    return opened(controller, one, chosen, request, now, told=bool(said.get("told")))


def verify(
    controller: Controller, case_id: str, evidence: str, actor: Actor, now: dt.datetime,
    *, way: str = "checked",
) -> Case:  # fmt: skip
    """Record how it was checked who asks, the first time or better than before. UsageError where
    that is on record already.
    """
    case = controller.cases.get(case_id)
    if case.evidence and way == "checked":
        raise UsageError(f"of case {case.id} it is on record how it was checked who asks")
    return proving.record(controller, case_id, way, evidence, actor, now)


def close(
    controller: Controller, id_: str, outcome: Literal["answered", "refused", "withdrawn"],
    reason: str, reply: str | None, actor: Actor, now: dt.datetime,
) -> Intake:  # fmt: skip
    """End a request that leaves nothing to do; `reply` are words that are mailed to the person.

    What was asked on a right ends with its case; a report of a child is decided.
    """
    one = controller.intakes.get(id_)
    if CHILD_REPORT in one.asked:
        raise UsageError(
            "a report of a child is decided, not closed", fix=f"use `kept request decide {one.id}`"
        )
    for _, case_id in one.cases:
        if controller.cases.get(case_id).state not in FINISHED:
            raise UsageError(
                f"case {case_id} of the request is open",
                fix=f"carry it out, or end it: see `kept case show {case_id}`",
            )
    state = State.WITHDRAWN if outcome == "withdrawn" else State.ANSWERED
    address = controller.intakes.said(one).get("person")
    if reply is not None and (not address or controller.post is None):
        raise UsageError(
            "the answer cannot be mailed",
            expected="an e-mail address of the person, and [mail] in kept.toml",
            fix="answer by another way, and leave --reply-file out",
        )
    with controller.database.connection() as c:
        if reply is not None:
            language = controller.intakes.said(one).get("language")
            values = {"words": clean(reply)}
            _mail(controller, str(address), "reply", values, now, c, language)
        return ended(controller, one, state, outcome, reason, now, c)


def kinds(asked: Sequence[str]) -> tuple[str, ...]:
    """Kinds in their order; UsageError for one that is none."""
    known = [k for k, one in ASKS.items() if one.form != "agent"]
    for kind in asked:
        if kind not in known:
            raise UsageError("nothing of that kind is asked", expected=f"one of {', '.join(known)}")
    return tuple(k for k in ASKS if k in asked)


def _whom(asked: Sequence[str], people: Sequence[Identifier]) -> None:
    if not people and any(ASKS[kind].right is not None for kind in asked):
        raise UsageError(
            "nobody is named",
            expected="at least one identifier of who asks",
            fix="add for example --identity email=name@example.org",
        )


def _enter(
    controller: Controller, came: Came, asked: tuple[str, ...], said: dict[str, Any],
    actor: Actor, now: dt.datetime, stop: bool, once: str | None, told: bool,
) -> Intake:  # fmt: skip
    request = Request((came.people,), actor.name, actor.role)
    stop = stop and bool(came.people)
    first = came.people[0] if came.people else None
    mails = bool(said["person"]) and controller.post is not None and not told
    if told := told or mails:
        said = {**said, "told": True}  # whenever somebody says what she asks
    with controller.database.connection() as c:
        controller.intakes.one_at_a_time(c)
        there = None if once is None else controller.intakes.by_once(once, connection=c)
        one = there or controller.intakes.take(
            came.channel, asked, said, now, state=State.ENTERED, address=first,
            region=came.region, arrived=came.arrived, actor=actor.id, once=once, connection=c,
        )  # fmt: skip
        if there is None:
            body = {
                "request": one.id, "channel": one.channel, "kinds": list(asked),
                "arrived": one.arrived.isoformat(), "actor": name(actor.role),
            }  # fmt: skip
            if said.get("post") and not said["person"]:
                body["reply"] = "post"
            controller.ledger.append_in(c, [Entry("request.taken", now, body)])
            keep(controller, one, came.scans, actor, now, c)
            template = _answer_to(asked)
            if mails:
                day = f"{one.arrived:%Y-%m-%d}"
                policies = (
                    _policies(controller, said["words"]) if template == "mail-of-partner" else ""
                )
                values = {
                    "day": day, "policies": policies,
                    **ways_told(controller, asked, came.region, page=False),
                }  # fmt: skip
                put = _mail(controller, said["person"], template, values, now, c)
                controller.intakes.told_by(one, put, connection=c)
            if set(asked) <= set(_OTHERS):
                # Nothing of theirs is touched; both ways to have it stopped were told.
                return ended(controller, one, State.ANSWERED, "guidance", None, now, c)
    if there is not None and (there.outcome is not None or not there.open):
        return there  # else it was cut off before its cases were opened
    return opened(controller, one, asked, request, now, stop=stop, told=told)


def _policies(controller: Controller, words: str) -> str:
    """Addresses of the policies of partners that these words name, a line each."""
    met = words.casefold()
    known = partners(controller.bundle)
    return "\n".join(p.policy for name_, p in known.items() if p.policy and name_ in met)


def _answer_to(asked: Sequence[str]) -> str:
    if set(asked) <= set(_OTHERS):
        return "mail-of-partner" if MAIL_OF_PARTNER in asked else "mail-of-customer"
    if asked == (QUESTION,):
        return "question"
    return "unclear" if UNCLEAR in asked else "arrived"


def _mail(
    controller: Controller, to: str, template: str, values: dict[str, str], now: dt.datetime,
    c: Any, language: str | None = None,
) -> str:  # fmt: skip
    link = f"{controller.site_url}/privacy/requests"
    return controller.outbox.put(
        to, template, {"link": link, **values}, now, good_until=now + _NEWS, connection=c,
        language=language,
    )  # fmt: skip
