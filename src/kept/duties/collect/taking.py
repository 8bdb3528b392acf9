"""Taking what somebody sends by a form: what is shown first, and what may be stored of what came.

Kept judges and keeps what was shown; the company stores, in its own transaction, with the stamps
of the answer. Of what is not taken a counter goes up, and nothing else is kept.
"""

from __future__ import annotations

import datetime as dt
import weakref
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kept.controller import Controller
from kept.database import Connection
from kept.decide import form as judging
from kept.decide.form import Consent, Read, Verdict, Why
from kept.decide.notice import Notice, Unsaid, asks, digest, leading, notice
from kept.errors import UsageError
from kept.keys import PERSON
from kept.ledger.entry import Entry, name
from kept.model.decision import Ask, Decision
from kept.policy.shapes import Form
from kept.policy.spoken import named
from kept.records.consent import Said
from kept.records.preference import PAGE_GOOD, token, way_of
from kept.terms import ages, regimes
from kept.terms.addresses import web_origin
from kept.terms.identifiers import Identifier
from kept.wire import Statement

#: How a form comes to be answered.
TAKEN: Final = "taken"
HELD: Final = "held"
REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A form as it is shown in a region and a language, and what it asks of the judgement."""

    form: Form
    notice: Notice
    hash: str
    document: Mapping[str, Any]
    asks: Mapping[str, Ask]


@dataclass(frozen=True, slots=True)
class Sent:
    """What came: the fields in their order, from which origin, under which notice.

    `own` are the origins of Kept's own pages, where it came by one; `once` is what a form that is
    sent twice sends twice. `subject` is whom the company knows it to come from, as by an account:
    what she restricted or refused holds also where no field names her.
    """

    fields: Sequence[tuple[str, str]]
    origin: str | None
    notice: str
    region: str = "unknown"
    language: str | None = None
    once: str | None = None
    own: frozenset[str] = frozenset()
    subject: Identifier | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it. `values` may be stored, with `stamps`; on anything but TAKEN nothing may.

    `unmet` are consents that were given and count for nothing, `withheld` fields that may not be
    stored; both with their reason. `problems` says what is amiss with a field.
    """

    outcome: str
    form: str
    why: Why | None = None
    reason: str = ""
    because: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    stamps: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Decision] = field(default_factory=dict)
    consents: tuple[Consent, ...] = ()
    unmet: tuple[Consent, ...] = ()
    withheld: Mapping[str, Decision] = field(default_factory=dict)
    problems: Mapping[str, Why] = field(default_factory=dict)
    dropped: int = 0
    item: str | None = None

    @property
    def taken(self) -> bool:
        """Whether it may be stored."""
        return self.outcome == TAKEN


#: Controller → (form, region, language) → what is shown. A policy does not change beneath one.
_PREPARED: Final[weakref.WeakKeyDictionary[Controller, dict[tuple[str, str, str], Prepared]]] = (
    weakref.WeakKeyDictionary()
)

#: Why nothing was taken, in words for everybody.
REASONS: Final[Mapping[Why, str]] = {
    Why.ORIGIN: "it was sent from a page that is none of ours",
    Why.AGE: "it is about somebody who is too young for us to keep it; we kept nothing of it",
    Why.TWICE: "one of its fields stands there twice, so that it can be read in two ways",
    Why.UNREADABLE: "there are characters in it that are no text",
    Why.MANY: "it has more fields than any of our forms",
    Why.MISSING: "something that is needed is missing",
    Why.MALFORMED: "something in it cannot be what it should be",
    Why.LONG: "something in it is too long",
    Why.DENIED: "we may not store it",
    Why.NOTICE: "what the form says has changed since it was opened, or holds for another region",
    # A machine may have stopped in between: then it is known as sent, and stored nowhere.
    Why.REPLAYED: "the same form was sent before, and counts once; if nobody thanked you for it,"
    " open the form anew and send it again",
    Why.CLOSED: "this form is not open at present",
}


def prepared(controller: Controller, form: str, region: str, language: str | None) -> Prepared:
    """A form as it is to be shown. UsageError where there is none, or it cannot be shown."""
    bundle = controller.bundle
    one = bundle.forms.get(form)
    if one is None:
        raise UsageError("there is no such form", expected=f"one of {', '.join(bundle.forms)}")
    if region not in regimes.REGIONS:
        raise UsageError("there is no such region", expected=f"one of {', '.join(regimes.REGIONS)}")
    spoken = language if language in bundle.languages else bundle.languages[0]
    known = _PREPARED.setdefault(controller, {})
    found = known.get((form, region, spoken))
    if found is None:
        try:
            made = notice(bundle, controller.rules, one, region, spoken)
        except Unsaid as problem:
            raise UsageError(
                str(problem), fix="say it in the policy, or name in kept.toml who is missing"
            ) from None
        document = made.document()
        wanted = asks(one, region, leading(bundle, one))
        found = known[form, region, spoken] = Prepared(
            one, made, digest(document), document, wanted
        )
    return found


def accepted(controller: Controller, form: Form, origin: str | None, own: Container[str]) -> bool:
    """Whether a form may come from there: its own site, what stands for it, or Kept's own page."""
    met = None if origin is None else web_origin(origin)
    if met is None or met != (origin or "").lower():
        return False  # no origin, an opaque one (`null`), or more than an origin
    if met in own:
        return True
    if met == web_origin(form.site):
        return True
    any_port = met.rpartition(":")[0] + ":*"
    return form.site in (controller.origins.get(met), controller.origins.get(any_port))


def once_of(form: str, sent: Sent) -> str:
    """By which the same sending of a form is known again."""
    return f"{form}\x00{sent.once}"


def closed(controller: Controller, form: str, now: dt.datetime) -> Answer:
    """The answer of a form that is not open here."""
    return _refused(controller, controller.bundle.forms[form], Why.CLOSED, now)


def submit(
    controller: Controller, form: str, sent: Sent, now: dt.datetime, *,
    hand: Callable[[Answer], None] | None = None,
) -> Answer:  # fmt: skip
    """Judge what was sent, and write down what was shown and agreed to. See Answer.

    `hand` is given what was taken before that is committed; what it raises takes all back.
    """
    one = controller.bundle.forms.get(form)
    if one is None:
        raise UsageError("there is no such form")
    if not accepted(controller, one, sent.origin, sent.own):
        return _refused(controller, one, Why.ORIGIN, now)
    try:
        shown = prepared(controller, form, sent.region, sent.language)
    except UsageError as problem:
        shut = Decision(False, tuple(one.clauses), problem.what)
        return _refused(controller, one, Why.CLOSED, now, decision=shut)
    met = judging.read(
        controller.bundle, one, sent.fields, sent.region, ages.today_in(sent.region, now)
    )
    if met.refused is not None:
        return _refused(controller, one, met.refused, now)
    if sent.notice != shown.hash or not _protective(sent.region, met.region):
        return _refused(controller, one, Why.NOTICE, now)
    if met.problems:
        why = next(iter(met.problems.values()))
        return _refused(controller, one, why, now, problems=met.problems)
    if met.person is None and sent.subject is not None:
        met = replace(met, person=sent.subject)
    arising = judging.grounds(controller.bundle, one, met.values)
    once = None if sent.once is None else once_of(form, sent)
    with controller.database.connection(quick=True) as c:
        agrees = not met.doubt and any(fact.startswith("consent:") for fact in arising)
        who = controller.arriving(met.person, once, now, c, joins=agrees)
        if not who.first:
            c.rollback()
            return _refused(controller, one, Why.REPLAYED, now)
        facts = controller.facts(
            met.person, now, arising, met=(who.people, who.refused), connection=c
        )
        verdict = judging.judge(controller.bundle, controller.rules, one, met, facts, shown.asks)
        if not verdict.taken:
            c.rollback()  # it may be sent again
            denied = next(iter(verdict.withheld), "")
            ask = shown.asks.get(denied) or next(iter(shown.asks.values()))
            controller.note(ask, facts, verdict.decision, now)
            return _refused(controller, one, Why.DENIED, now, decision=verdict.decision)
        new = controller.notices.keep(shown.hash, shown.document, now, connection=c)
        entries = [_kept(shown, now)] if new else []
        if met.doubt:
            by = None if met.person is None else [met.person.kind, met.person.value]
            kept = {
                "values": dict(verdict.values), "language": shown.notice.language, "subject": by,
            }  # fmt: skip
            item = controller.quarantine.hold(
                form, sent.region, shown.hash, kept, now, connection=c
            )
            held = {"item": item, "form": name(form), "notice": shown.hash}
            controller.ledger.append_in(c, [*entries, Entry("form.held", now, held)])
            answer = Answer(HELD, form, Why.AGE, item=item)
        else:
            answer = take(controller, shown, met, verdict, now, c, entries, hand, new=who.new)
    controller.notices.remember(shown.hash)
    return answer


def take(
    controller: Controller, shown: Prepared, met: Read, verdict: Verdict, now: dt.datetime,
    connection: Connection, entries: Sequence[Entry],
    hand: Callable[[Answer], None] | None = None, *, new: tuple[int, int] | None = None,
) -> Answer:  # fmt: skip
    """Write down that something was taken, with the consents that it gives.

    `new`: nobody knows who sent it; she is made under that number, in that epoch of the keys.
    """
    version, form = str(controller.bundle.version), shown.form
    source = f"form:{form.id}"
    made = list(entries)
    before: list[Statement] = []
    if verdict.consents and met.person is None:
        made += [_given(shown, one, version, {}, now) for one in verdict.consents]
    elif verdict.consents and met.person is not None:
        held = frozenset[str]()
        if new is None:
            subject = controller.subjects.of([met.person], now, connection=connection)
            held = controller.consents.facts(subject, now, connection=connection).held
        else:
            subject = new[0]
        said = [
            Said(subject, [(fact, True) for fact in one.facts], now, shown.hash)
            for one in verdict.consents
        ]
        if new is None:
            epochs = controller.consents.record_many(
                said, now, source=source, connection=connection
            )
            called = controller.vault.pseudonym(subject, PERSON, now, connection=connection)
        else:
            key = controller.vault.newborn(subject, PERSON, new[1])
            before = [
                *controller.subjects.made(subject, met.person, key, now),
                *controller.consents.first(said, now, source=source),
            ]
            epochs, called = list(range(1, len(said) + 1)), key.pseudonym(now)
        made += [
            _given(shown, one, version, {"epoch": epoch, "subject": called}, now)
            for one, epoch in zip(verdict.consents, epochs, strict=True)
        ]
        news = [one.purpose for one in verdict.consents if f"consent:{one.purpose}" not in held]
        if news:
            _tell(controller, shown, met.person, news, now, connection)
    decision = verdict.decision
    region = regimes.strictest(met.region, shown.notice.region)
    collected = {
        "activity": name(decision.activity or ""), "basis": name(decision.basis or ""),
        "rows": 1, "form": name(form.id), "notice": shown.hash,
        "region": region if met.region != "unknown" else "unknown",
        "language": name(shown.notice.language), "dropped": met.dropped,
        "clauses": list(decision.because),
    }  # fmt: skip
    stamps = {
        "basis": decision.basis or "", "activity": decision.activity or "", "policy": version,
        "notice": shown.hash,
    }  # fmt: skip
    answer = Answer(
        TAKEN, form.id, None, decision.reason, decision.because, verdict.values, stamps,
        verdict.fields, verdict.consents, verdict.unmet, verdict.withheld, {}, met.dropped,
    )  # fmt: skip
    if hand is not None:
        hand(answer)
    entry = Entry("data.collected", now, collected)
    controller.ledger.append_in(connection, [*made, entry], end=True, before=before)
    return answer


def _given(
    shown: Prepared, consent: Consent, version: str, whose: Mapping[str, Any], now: dt.datetime
) -> Entry:
    body = {
        "purpose": name(consent.purpose), "wording": shown.hash, "version": name(version),
        "source": name(f"form:{shown.form.id}"), "clauses": list(consent.decision.because), **whose,
    }  # fmt: skip
    return Entry("consent.given", now, body)


def _tell(
    controller: Controller, shown: Prepared, person: Identifier, purposes: Sequence[str],
    now: dt.datetime, connection: Connection,
) -> None:  # fmt: skip
    """Write to who said yes for the first time, with the way back: to the address itself, so that
    whoever typed in another's is seen by its owner. Once for each yes, however often it is sent.
    """
    if person.kind != "email" or controller.post is None or controller.site_url is None:
        return
    titles = {
        a.purpose: a.title
        for a in [*controller.bundle.activities.values()][::-1]
        if {"any", shown.form.context} & {*a.contexts}
    }
    page = token(controller.vault, way_of(controller.vault, "page", person, now))
    # She is written to in the language in which she was asked.
    language = shown.notice.language
    speaks = named(controller.bundle, language)
    values = {
        "day": controller.day(now).isoformat(),
        "form": shown.notice.title,
        "asked": "\n".join(titles.get(p, p) for p in purposes),
        "link": f"{controller.site_url}/p/{page}{speaks}",
        "days": str(PAGE_GOOD.days),
        "way": f"{controller.site_url}/privacy/preferences{speaks}",
    }
    controller.outbox.put(
        person.value, "allowed", values, now, good_until=now + PAGE_GOOD, connection=connection,
        language=language,
    )  # fmt: skip


def _kept(shown: Prepared, now: dt.datetime) -> Entry:
    words = shown.notice
    body = {"notice": shown.hash, "form": name(words.form), "region": name(words.region),
            "language": name(words.language), "version": name(words.version)}  # fmt: skip
    return Entry("notice.kept", now, body)


def _protective(told: str, lives: str) -> bool:
    """Whether who was told the rules of one region may be judged by them where she lives."""
    return regimes.strictest(told, lives) == regimes.strictest(told)


def _refused(
    controller: Controller, form: Form, why: Why, now: dt.datetime, *,
    problems: Mapping[str, Why] | None = None, decision: Decision | None = None,
) -> Answer:  # fmt: skip
    controller.quarantine.count(form.id, why, now)
    reason = REASONS[why] if decision is None else decision.reason
    because = decision.because if decision else ()
    return Answer(REFUSED, form.id, why, reason, because, problems=problems or {})
