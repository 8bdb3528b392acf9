"""Complaints about the organisation itself (GDPR Art. 77; UK DPA 2018 s. 164A).

    form, letter or call → acknowledged in time → looked into → an outcome, with the authority

Whoever complains has to prove nothing, and nobody is looked up. With a case it is linked only
once it is known that the complaint comes from the person whose case it is.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kept.controller import Controller
from kept.database import Connection
from kept.duties.rights.intake import (
    LONGEST,
    PERSON,
    clean,
    limits,
    page_token,
    refuse_past,
    turning_away,
)
from kept.duties.rights.letter import complain_to
from kept.errors import UsageError
from kept.ledger.entry import Entry, moment, name
from kept.policy.spoken import speaking
from kept.records.actor import Actor
from kept.records.complaint import AUTHORITY, WITHDRAWN, Complaint
from kept.records.complaint import PERSON as BY_PERSON
from kept.records.intake import CODE_GOOD, TRIES, WINDOW, Typed
from kept.records.watch import COMPLAINTS_FULL
from kept.terms import clocks
from kept.terms.addresses import masked
from kept.terms.authorities import authority_of
from kept.terms.identifiers import Identifier
from kept.terms.tongues import day, say

#: How a complaint comes in that somebody enters, in words.
CHANNELS: Final[Mapping[str, str]] = {
    "letter": "by letter", "phone": "by telephone", "email": "by e-mail",
}  # fmt: skip
#: Ways by which somebody is answered.
WAYS: Final = ("mail", "letter", "telephone")
#: How one ends, in words for the letter.
OUTCOMES: Final[Mapping[str, str]] = {
    "upheld": "You are right. This is what we do about it:",
    "partly-upheld": "You are right in part. This is what we do about it, and what we do not:",
    "not-upheld": "We looked into it, and see it otherwise. This is why:",
    WITHDRAWN: "You took your complaint back, so we look into it no further.",
}
#: How an authority's matter ends.
SETTLED: Final = "settled"
#: Until when mail about a complaint is tried.
_TRIED: Final = dt.timedelta(days=7)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Form:
    """What somebody sent by the public form. `once` and `source` as those of a request."""

    words: str
    email: str
    post: str
    about: str
    once: str
    source: str
    region: str = "unknown"


@dataclass(frozen=True, slots=True)
class Came:
    """What came by letter, call or mail. `of` is who complains, None where nothing names her;
    `authority` is its name, where it is one that writes, and `due` the day that it set.
    """

    channel: str
    arrived: dt.date
    words: str
    of: Identifier | None = None
    post: str = ""
    about: str = ""
    region: str = "unknown"
    authority: str = ""
    due: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page of a complaint says; `address` is masked, "" where none was given."""

    id: str
    state: str
    arrived: dt.date
    confirm_by: dt.date
    acknowledged: dt.datetime | None
    ended: dt.datetime | None
    outcome: str | None
    address: str
    proven: bool
    good_until: dt.datetime | None
    tried: bool
    tries: int
    again: bool


# — coming in ——————————————————————————————————————————————————————————————————————————————


def send(controller: Controller, form: Form, now: dt.datetime) -> str:
    """Take a complaint in and say at once that it has come; the token of its page.

    The same form sent twice is one complaint. Raises UsageError for what cannot be taken, TooMany
    past the limits: neither depends on who is known.
    """
    words, post = clean(form.words), clean(form.post, 500)
    who = Identifier("email", form.email.strip()) if form.email.strip() else None
    if not words:
        raise UsageError("it is not said what is wrong", expected="a few words about it")
    if who is None and not post:
        raise UsageError("there is no way to answer", expected="an e-mail or a postal address")
    address = "" if who is None else who.normalised and who.value
    region = clocks.where(form.region)
    about = clean(form.about, 100)
    token = page_token(
        controller, "\x00".join(("complaint", form.once, words, address, post, about, region))
    )
    with turning_away(controller, now, COMPLAINTS_FULL), controller.database.connection() as c:
        controller.complaints.one_at_a_time(c)
        if controller.complaints.by_once(token, connection=c) is not None:
            return token
        met = controller.complaints.tally(who, form.source, now - WINDOW, connection=c)
        refuse_past(met, limits(controller))
        said = {"words": words, "email": address, "post": post, "about": about}
        one = _take(
            controller, "web", said, controller.day(now), region, None, now, c, address=who,
            source=form.source, token=token, once=token,
        )  # fmt: skip
        if who is not None and controller.post is not None:
            actor = controller.actors.of(*PERSON, now, connection=c)
            _acknowledge(controller, one, address, actor, now, c, token=token)
    return token


def add(controller: Controller, came: Came, actor: Actor, now: dt.datetime) -> Complaint:
    """Enter what came by letter, call or mail, with the day of its arrival.

    Raises UsageError where it says nothing, or the day is to come.
    """
    if came.channel not in CHANNELS:
        raise UsageError("there is no such channel", expected=f"one of {', '.join(CHANNELS)}")
    if came.arrived > controller.day(now):
        raise UsageError("the day of arrival is to come", expected="the day on which it arrived")
    words = clean(came.words)
    if not words:
        raise UsageError("it is not said what is wrong", fix="give the words of the complaint")
    if came.due is not None and not (came.authority and came.due >= came.arrived):
        raise UsageError(
            "only an authority sets a day", expected="its name, and a day that is not over"
        )
    of = came.of
    email = of.normalised and of.value if of is not None and of.kind == "email" else ""
    said = {
        "words": words, "email": email, "post": clean(came.post, 500),
        "about": clean(came.about, 100), "authority": clean(came.authority, 200),
        "of": [of.kind, of.value] if of is not None else None,
    }  # fmt: skip
    with controller.database.connection() as c:
        one = _take(
            controller, came.channel, said, came.arrived, clocks.where(came.region), actor, now, c,
            address=of, by_whom=AUTHORITY if came.authority.strip() else BY_PERSON, due=came.due,
        )  # fmt: skip
        if email and one.by_whom == BY_PERSON and controller.post is not None:
            one = _acknowledge(controller, one, email, actor, now, c)
    return one


def _take(
    controller: Controller, channel: str, said: Mapping[str, Any], arrived: dt.date, region: str,
    actor: Actor | None, now: dt.datetime, c: Connection, *, by_whom: str = BY_PERSON,
    due: dt.date | None = None, **given: Any,
) -> Complaint:  # fmt: skip
    # Where no law names a day for a complaint, what one law asks for is promised to everybody.
    rule = clocks.applying(region, "complaint", None, arrived)[0]
    confirm_by = clocks.confirm_by(rule, arrived, controller.workdays)
    assert confirm_by is not None, rule.id
    one = controller.complaints.take(
        channel, said, now, by_whom=by_whom, region=region, arrived=arrived, rule=rule.version,
        confirm_by=confirm_by, due=due, actor=actor, connection=c, **given,
    )  # fmt: skip
    body = {
        "complaint": one.id, "channel": name(channel), "by": by_whom,
        "arrived": arrived.isoformat(), "confirm": confirm_by.isoformat(),
        "rule": name(rule.version), "words": controller.digest(said["words"].encode()),
        **({"due": due.isoformat()} if due else {}),
        "actor": name(actor.role if actor else PERSON[1]),
    }  # fmt: skip
    controller.ledger.append_in(c, [Entry("complaint.opened", now, body)])
    return one


# — the page of a complaint ——————————————————————————————————————————————————————————————————


def found(controller: Controller, token: str) -> Complaint | None:
    """The complaint whose page a token leads to; None for any other."""
    return controller.complaints.by_token(token) if _TOKEN.fullmatch(token) else None


def standing(controller: Controller, token: str, now: dt.datetime) -> Standing | None:
    """What the page of a complaint says; None where there is no such page (any more)."""
    one = found(controller, token)
    if one is None:
        return None
    email = str(controller.complaints.said(one).get("email", ""))
    proven, good = one.verified_at is not None, one.code_until
    return Standing(
        one.id, one.state.value, one.arrived, one.confirm_by, one.acknowledged_at, one.ended_at,
        one.outcome, masked(email) if email else "", proven,
        good if good and good > now else None, one.tries > 0, TRIES - one.tries,
        bool(email) and not proven and one.open and controller.post is not None,
    )  # fmt: skip


def send_code(controller: Controller, token: str, now: dt.datetime) -> bool:
    """Send a code that proves the address; False where that cannot be, or there were enough."""
    one = found(controller, token)
    if one is None or not one.open or controller.post is None:
        return False
    code = f"{secrets.randbelow(10**8):08}"
    with controller.database.connection() as c:
        email = controller.complaints.said(one, connection=c).get("email")
        if not email or not controller.complaints.send_code(one, code, now, connection=c):
            return False
        values = {"code": f"{code[:4]} {code[4:]}", "number": one.id}
        controller.outbox.put(
            email, "complaint-code", values, now, good_until=now + CODE_GOOD, connection=c
        )
    return True


def type_code(controller: Controller, token: str, code: str, now: dt.datetime) -> Typed:
    """What becomes of a code that was typed on a page. UsageError where the page is gone."""
    one = found(controller, token)
    if one is None:
        raise UsageError("this page has gone", fix="write to us")
    digits = "".join(d for d in code if d in "0123456789")[:16]
    with controller.database.connection() as c:
        outcome = controller.complaints.type_code(one, digits, now, connection=c)
        if outcome is Typed.RIGHT:
            actor = controller.actors.of(*PERSON, now, connection=c)
            _moved(controller, c, one, "verified", actor, now)
    return outcome


def withdraw(controller: Controller, token: str, now: dt.datetime) -> bool:
    """Take a complaint back on its page; False where it has ended."""
    one = found(controller, token)
    if one is None or not one.open:
        return False
    with controller.database.connection() as c:
        one = controller.complaints.get(one.id, connection=c)
        if not one.open:
            return False
        actor = controller.actors.of(*PERSON, now, connection=c)
        controller.complaints.act(one, "withdrawn", actor, now, connection=c)
        _ended(controller, c, one, WITHDRAWN, (), actor, now)
    return True


# — what the staff do ————————————————————————————————————————————————————————————————————————


def acknowledge(
    controller: Controller, id_: str, way: str, sent: dt.datetime, actor: Actor, now: dt.datetime
) -> Complaint:
    """Say that it has come: by mail, which is queued here; or record that a letter or a call did.

    Raises UsageError where nothing can be mailed, or the moment cannot be.
    """
    if way not in WAYS:
        raise UsageError("there is no such way", expected=f"one of {', '.join(WAYS)}")
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        _between(controller, one, sent, now)
        if way == "mail":
            return _acknowledge(controller, one, _mailbox(controller, one, c), actor, now, c)
        return _moved(controller, c, one, "acknowledged", actor, now, way=way, done=sent)


def note(controller: Controller, id_: str, words: str, actor: Actor, now: dt.datetime) -> Complaint:
    """Write down what was looked into."""
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        return _moved(controller, c, one, "noted", actor, now, words=_said(words, "was looked at"))


def verify(
    controller: Controller, id_: str, evidence: str, actor: Actor, now: dt.datetime
) -> Complaint:
    """Record how it was checked who complains. UsageError where that is on record already."""
    words = _said(evidence, "was checked")
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        if one.verified_at is not None:
            raise UsageError("it is on record already how it was checked who complains")
        controller.complaints.verified(one, now, connection=c)
        return _moved(controller, c, one, "verified", actor, now, words=words)


def link(
    controller: Controller, id_: str, case_id: str, actor: Actor, now: dt.datetime
) -> Complaint:
    """Say which case it is about. UsageError unless it is known of both whose they are, and it is
    the same person.
    """
    case = controller.cases.get(case_id)
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        if one.verified_at is None:
            raise UsageError(
                "it is not known who complains, so it is linked with no case",
                expected="a code typed on its page, or how it was checked",
                fix=f"record it: `kept complaint verify {one.id} --evidence …`",
            )
        if not (case.evidence or case.override):
            raise UsageError(
                f"of case {case.id} it is not known who asks",
                fix=f"record it first: `kept request verify {case.id} --evidence …`",
            )
        named = {(i.kind, i.normalised) for p in controller.cases.identifiers(case) for i in p}
        said = controller.complaints.said(one, connection=c)
        of = [Identifier(*said["of"])] if said.get("of") else []
        of += [Identifier("email", said["email"])] if said.get("email") else []
        if not named.intersection((i.kind, i.normalised) for i in of):
            raise UsageError(
                "the case names nobody by what names who complains",
                expected="the same person in both",
                fix="say in a note why you think so; it stays without a link",
            )
        controller.complaints.link(one, case.number, connection=c)
        return _moved(controller, c, one, "linked", actor, now, case=case.id)


def answer(
    controller: Controller, id_: str, outcome: str, words: str, way: str, actor: Actor,
    now: dt.datetime, *, country: str | None = None, sent: dt.datetime | None = None,
) -> Complaint:  # fmt: skip
    """Tell the outcome, by a letter that names an authority and the way to a court; it ends.

    `way`: `mail` queues it; else that the same words went otherwise is recorded, at `sent`.
    """
    at = sent or now
    with controller.database.connection() as c:
        one = _open(controller, id_, c)
        _between(controller, one, at, now)
        if way not in WAYS:
            raise UsageError("there is no such way", expected=f"one of {', '.join(WAYS)}")
        if one.by_whom == AUTHORITY:
            if outcome != SETTLED:
                raise UsageError("an authority's matter ends otherwise", expected=SETTLED)
            words = _said(words, "was answered")
            one = controller.complaints.act(
                one, "answered", actor, now, what=outcome, way=way, words=words, done=at,
                connection=c,
            )  # fmt: skip
            return _ended(controller, c, one, outcome, (), actor, now, words=words, way=way)
        if outcome not in OUTCOMES:
            raise UsageError("there is no such outcome", expected=f"one of {', '.join(OUTCOMES)}")
        if outcome != WITHDRAWN:
            _said(words, "came of it")
        language = language_of(controller, one, c)
        with speaking(controller.bundle, language):
            title, text, named = letter(controller, one, outcome, words, country=country)
        if not named and outcome != WITHDRAWN:
            raise UsageError(
                "no authority is known there to which she can complain",
                expected="a country of the directory", fix="say where she lives: --country",
            )  # fmt: skip
        if way == "mail":
            controller.outbox.put(
                _mailbox(controller, one, c), "complaint-answer", {"title": title, "body": text},
                now, good_until=now + _TRIED, connection=c, language=language,
            )  # fmt: skip
        act = "withdrawn" if outcome == WITHDRAWN else "answered"
        one = controller.complaints.act(
            one, act, actor, now, what=outcome, way=way, words=text, done=at, connection=c
        )
        return _ended(controller, c, one, outcome, named, actor, now, words=text, way=way)


def letter(
    controller: Controller, one: Complaint, outcome: str, words: str, *, country: str | None = None
) -> tuple[str, str, tuple[str, ...]]:
    """(title, words, ids of authorities) of the answer to a complaint."""
    bundle = controller.bundle
    choice = authority_of(
        country, region=one.region, lead=bundle.organisation.country or None
    )  # fmt: skip
    part = complain_to(controller, choice)
    lines = [
        say("You complained to us on {day}. The number of your complaint is {number}.",
            day=day(one.arrived), number=one.id),
        say(OUTCOMES[outcome]), clean(words), part.title, *part.lines,
        "\n".join(f"- {point}" for point in part.points),
    ]  # fmt: skip
    text = "\n\n".join(line for line in lines if line)
    return say("Our answer to your complaint"), text, tuple(i.id for i in choice.authorities)


def language_of(controller: Controller, one: Complaint, c: Connection) -> str | None:
    """The language in which somebody complained; None where nobody chose one, or it is gone."""
    language = controller.complaints.said(one, connection=c).get("language")
    return str(language) if language in controller.bundle.languages else None


def missing(one: Complaint) -> list[str]:
    """What is left to do, in words."""
    if not one.open:
        return []
    left = [] if one.acknowledged_at else [f"say by {one.confirm_by:%-d %B %Y} that it has come"]
    left += [] if one.last("noted") else ["look into it, and write down what you find"]
    return [*left, "tell the outcome"]


def tend(controller: Controller, now: dt.datetime) -> None:
    """What is left to do without a person."""
    with controller.database.connection() as c:
        controller.complaints.forget_sources(now - WINDOW, connection=c)


# — inside ————————————————————————————————————————————————————————————————————————————————


def _acknowledge(
    controller: Controller, one: Complaint, email: str, actor: Actor, now: dt.datetime,
    c: Connection, *, token: str | None = None,
) -> Complaint:  # fmt: skip
    values = {"number": one.id, "day": one.arrived.isoformat()}
    page = controller.site_url or ""
    values["link"] = f"{page}/privacy/complaints" + (f"/{token}" if token else "")
    controller.outbox.put(
        email, "complaint-came", values, now, good_until=now + _TRIED, connection=c,
        language=language_of(controller, one, c),
    )  # fmt: skip
    return _moved(controller, c, one, "acknowledged", actor, now, way="mail", done=now)


def _moved(
    controller: Controller, c: Connection, one: Complaint, act: str, actor: Actor,
    now: dt.datetime, *, words: str | None = None, way: str | None = None,
    done: dt.datetime | None = None, case: str | None = None,
) -> Complaint:  # fmt: skip
    body = {
        "complaint": one.id, "act": act, "actor": name(actor.role),
        **({"way": way} if way else {}), **({"done": moment(done)} if done else {}),
        **({"words": controller.digest(words.encode())} if words else {}),
        **({"case": case} if case else {}),
    }  # fmt: skip
    controller.ledger.append_in(c, [Entry("complaint.moved", now, body)])
    return controller.complaints.act(
        one, act, actor, now, way=way, words=words, done=done, connection=c
    )


def _ended(
    controller: Controller, c: Connection, one: Complaint, outcome: str,
    authorities: tuple[str, ...], actor: Actor, now: dt.datetime, *, words: str = "",
    way: str | None = None,
) -> Complaint:  # fmt: skip
    body = {
        "complaint": one.id, "outcome": outcome, "actor": name(actor.role),
        **({"authorities": [name(a) for a in authorities]} if authorities else {}),
        **({"words": controller.digest(words.encode())} if words else {}),
        **({"way": way} if way else {}),
    }  # fmt: skip
    controller.ledger.append_in(c, [Entry("complaint.ended", now, body)])
    return controller.complaints.end(one, outcome, now, connection=c)


def _open(controller: Controller, id_: str, c: Connection) -> Complaint:
    one = controller.complaints.get(id_, connection=c)
    if not one.open:
        raise UsageError("the complaint has ended; nothing was changed")
    return one


def _mailbox(controller: Controller, one: Complaint, c: Connection) -> str:
    email = controller.complaints.said(one, connection=c).get("email")
    if not email or controller.post is None:
        raise UsageError(
            "nothing can be mailed", expected="an e-mail address of hers, and [mail] in kept.toml",
            fix="answer by letter or by telephone, and record that",
        )  # fmt: skip
    return str(email)


def _between(controller: Controller, one: Complaint, sent: dt.datetime, now: dt.datetime) -> None:
    if sent > now or controller.day(sent) < one.arrived:
        raise UsageError("it cannot have gone then", expected=f"a moment from {one.arrived} to now")


def _said(words: str, what: str) -> str:
    if not (found := clean(words, LONGEST)):
        raise UsageError(f"it is not said what {what}", fix="say it in words")
    return found
