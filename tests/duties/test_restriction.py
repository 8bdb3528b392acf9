"""Restriction: everything stops but what the law leaves; lifted only after word."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment, migrations
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.decide.use import use
from kept.duties import rights
from kept.duties.rights import ChoiceAnswer, Request, receipts
from kept.duties.rights.choice import channel_of
from kept.duties.rights.letter import letter
from kept.errors import Denied, UsageError
from kept.ledger.entry import Entry
from kept.model.decision import Ask, Facts
from kept.records.case import State
from kept.terms.identifiers import parse
from tests.world import NOW, sql

ANA, PHONE, NEW = (
    parse("email=ana@example.org"),
    parse("phone=+49 30 123456"),
    parse("email=new@example.net"),
)
LATER = NOW + dt.timedelta(days=7)
PAY = Ask("service.payment", "transaction.paid", "order", region="EEA")
IMPROVE = Ask("site.improve", "navigation", "site-visit", region="EEA")
BY = {"actor": "Pia", "role": "privacy-officer"}


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def _restrict(controller: Controller, who: Any = ANA, **more: Any) -> ChoiceAnswer:
    request = Request(((who,),), override="test")
    given = {"ground": "claims", "now": NOW, "region": "EEA", **more}
    return rights.restrict(controller, request, **given)


def _allowed(controller: Controller, ask: Ask, who: Any = ANA, at: dt.datetime = NOW) -> bool:
    arising = ("contract", "consent:site.improve")
    return controller.decide(ask, who, at, arising=arising).allow


def test_nothing_is_used_but_what_the_law_leaves(controller: Controller) -> None:
    assert _allowed(controller, PAY)
    answer = _restrict(controller)
    assert (answer.complete, answer.state) == (True, "checked")
    for who in (ANA, PHONE):
        assert not _allowed(controller, PAY, who)
        assert not _allowed(controller, IMPROVE, who)
    left = {t.purpose for t in answer.goes_on}
    assert left == {"rights", "storage", "dispute", "disclosure.protection"}
    assert {"service.payment", "legal-requirement", "disclosure.compelled"} <= {
        t.purpose for t in answer.stops
    }
    # The door lets through for them whom their own ground allows, and nobody else.
    facts = controller.facts(ANA, NOW)
    for purpose, allow in (("dispute", True), ("corporate-event", False)):
        (activity,) = (a for a in controller.bundle.activities.values() if a.purpose == purpose)
        ground = frozenset({f"assessment:{activity.id}"})
        ask = Ask(purpose, "contact", region="EEA")
        assert use(controller.rules, ask, Facts(facts.held | ground)).allow is allow
    # Her rights are carried out all the same.
    assert rights.erase(controller, Request(((ANA,),), override="test"), NOW).complete


def test_it_is_lifted_only_after_she_was_told(controller: Controller) -> None:
    case = _restrict(controller).case
    with pytest.raises(Denied, match="before she was told"):
        rights.lift(controller, case, "checked", now=LATER, **BY)
    assert not _allowed(controller, PAY, at=LATER)
    said = "A letter to ana@example.org of 30 November."
    told = rights.notify(controller, case, said, now=LATER, **BY)
    assert told.state is State.NOTIFIED
    assert controller.cases.events(told)[-1].words == said
    # Told and lifted in one breath is not told before.
    with pytest.raises(Denied, match="before she was told"):
        rights.lift(controller, case, "checked", now=LATER, **BY)
    assert not _allowed(controller, PAY, at=LATER)
    after = LATER + dt.timedelta(days=3)
    done, again = rights.lift(controller, case, "it was right", now=after, **BY)
    assert (done.state, done.complete, again) == (State.CLOSED, True, True)
    assert _allowed(controller, PAY, at=after)
    assert _allowed(controller, IMPROVE, PHONE, at=after)
    text = str([e for _, e in controller.ledger.entries()])
    for word in ("ana@", "letter to", "it was right"):
        assert word not in text


def test_what_another_case_restricts_stays_restricted(controller: Controller) -> None:
    cases = [_restrict(controller, NEW, ground=ground).case for ground in ("claims", "accuracy")]
    for case, free in zip(cases, (False, True), strict=True):
        rights.notify(controller, case, "told", now=NOW, **BY)
        assert rights.lift(controller, case, "over", now=LATER, **BY)[1] is free
        assert _allowed(controller, PAY, NEW, at=LATER) is free
    # Written once more when neither stands, the letter of the first says nothing else.
    said = " ".join(letter(controller, cases[0], LATER).text().split())
    assert "restricts stays restricted until that one ends" in said
    assert "the use of your data stays restricted" not in said


def test_another_case_is_one_by_whatever_she_asked_there(
    controller: Controller, world: Path
) -> None:
    """By her new number, which the first knew nothing of; and nothing stays restricted for good."""
    first = _restrict(controller).case
    sql(world, "UPDATE customer SET phone = '+49 30 999999' WHERE id = 1")
    moved = parse("phone=+49 30 999999")
    second = _restrict(controller, moved).case
    for case, free in ((first, False), (second, True)):
        rights.notify(controller, case, "told", now=NOW, **BY)
        assert rights.lift(controller, case, "over", now=LATER, **BY)[1] is free
        for who in (ANA, PHONE, moved, parse("account=1")):
            assert _allowed(controller, PAY, who, at=LATER) is free


def test_what_only_the_first_of_two_restricts_ends_with_the_last(controller: Controller) -> None:
    """Who has her data was told of it by the first, and need not be told by the other as well."""
    request = Request(((NEW, ANA),), override="test")
    first = rights.restrict(controller, request, "claims", NOW, region="EEA").case
    second = _restrict(controller, NEW).case
    for case, free in ((first, False), (second, True)):
        rights.notify(controller, case, "told", now=NOW, **BY)
        assert rights.lift(controller, case, "over", now=LATER, **BY)[1] is free
        assert (_allowed(controller, PAY, NEW, at=LATER), _allowed(controller, PAY, at=LATER)) == (
            free, free
        )  # fmt: skip
        (met,) = run(controller, registered(), LATER, names=["rights.recipients-are-told"])
        assert "nobody of" not in str(met.findings)


def test_a_restriction_is_looked_at_by_all_that_it_was_recorded_for(controller: Controller) -> None:
    _restrict(controller, PHONE)
    names = ["rights.restrictions-stop-every-use"]
    (met,) = run(controller, registered(), LATER, names=names)
    assert met.outcome is Outcome.PASS
    with controller.database.connection() as c:
        controller.suppressions.lift(ANA, channel=channel_of("restricted"), connection=c)
    (met,) = run(controller, registered(), LATER, names=names)
    assert met.outcome is Outcome.FAIL


def test_what_no_case_restricts_and_yet_is_restricted_is_found(controller: Controller) -> None:
    """As an older Kept left what only the first of two had restricted."""
    names = ["rights.restrictions-stop-every-use"]
    case = _restrict(controller, NEW).case
    with controller.database.connection() as c:
        controller.suppressions.add(
            [parse("account=77")], NOW, channel=channel_of("restricted"), source="restriction",
            connection=c,
        )  # fmt: skip
    (met,) = run(controller, registered(), LATER, names=names)
    assert met.outcome is Outcome.FAIL
    assert "1 identifier is restricted, and no case restricts it" in str(met.findings)
    # The way out that it names.
    again = _restrict(controller, parse("account=77")).case
    for one in (case, again):
        rights.notify(controller, one, "told", now=NOW, **BY)
        rights.lift(controller, one, "over", now=LATER, **BY)
    (met,) = run(controller, registered(), LATER, names=names)
    assert met.outcome is not Outcome.FAIL


def test_another_binds_who_is_known_by_one_number_alone(controller: Controller) -> None:
    """Nothing that was given is in both; she is not told that her data may be used again."""
    account = parse("account=77")
    controller.subjects.of([NEW, account], NOW)
    made = [_restrict(controller, who).case for who in (NEW, account)]
    for case, free in zip(made, (False, True), strict=True):
        rights.notify(controller, case, "told", now=NOW, **BY)
        assert rights.lift(controller, case, "over", now=LATER, **BY)[1] is free
        for who in (NEW, account):
            assert _allowed(controller, PAY, who, at=LATER) is free


def test_it_is_lifted_although_she_was_erased(controller: Controller) -> None:
    controller.subjects.of([ANA], NOW)
    case = _restrict(controller).case
    assert rights.erase(controller, Request(((ANA,),), override="test"), NOW).complete
    rights.notify(controller, case, "told", now=NOW, **BY)
    assert rights.lift(controller, case, "over", now=LATER, **BY)[1]
    assert "restricted" not in controller.facts(ANA, LATER).held


def test_it_holds_for_whoever_is_first_met_later(controller: Controller) -> None:
    _restrict(controller, NEW)
    assert controller.subjects.find([NEW]) == ()
    assert not _allowed(controller, PAY, NEW)
    subject = controller.subjects.of([NEW, parse("account=77")], LATER)
    controller.consents.grant(subject, "site.improve", LATER, source="form")
    assert not _allowed(controller, IMPROVE, parse("account=77"), at=LATER)
    assert controller.audience(IMPROVE, LATER) == []


def test_what_she_agrees_to_goes_on_until_it_is_lifted(controller: Controller) -> None:
    first = _restrict(controller, NEW, but=["site.improve"])
    assert _allowed(controller, IMPROVE, NEW)
    assert not _allowed(controller, PAY, NEW)
    # The consent arises with the visit; none is on record.
    assert any("such as a consent" in t.why for t in first.stops if t.purpose == "site.improve")
    more = rights.restrict(
        controller, Request((), case=first.case), "claims", NOW, but=["service.payment"]
    )
    assert more.complete
    assert any("she agreed" in t.why for t in more.goes_on if t.purpose == "service.payment")
    assert _allowed(controller, PAY, NEW)
    rights.notify(controller, first.case, "told", now=NOW, **BY)
    rights.lift(controller, first.case, "over", now=LATER, **BY)
    (subject,) = controller.subjects.find([NEW])
    held = controller.consents.facts(subject, LATER).held
    assert not {f for f in held if f.startswith("agreed") or f == "restricted"}


def test_what_she_had_agreed_to_is_not_said_to_stop(controller: Controller) -> None:
    """In a case that goes on, and in another: the door allows it."""
    case = _restrict(controller, NEW, but=["service.payment"]).case
    again = Request((), case=case, override="test")
    for done in (
        rights.restrict(controller, again, "claims", LATER, region="EEA"),
        _restrict(controller, NEW, ground="accuracy", now=LATER),
    ):
        assert _allowed(controller, PAY, NEW, at=LATER)
        assert "service.payment" not in {t.purpose for t in done.stops}
        assert "service.payment" in {t.purpose for t in done.goes_on}


def test_what_she_agrees_to_without_its_consent_stops_all_the_same(
    controller: Controller,
) -> None:
    ask = rights.preview_restriction
    for done in (
        ask(controller, Request(((NEW,),)), "claims", NOW, but=["marketing.email"], region="EEA"),
        _restrict(controller, NEW, but=["marketing.email"], region="EEA"),
    ):
        why = {t.why for t in done.stops if t.purpose == "marketing.email"}
        assert len(why) == 1
        assert "such as a consent, is not on record" in why.pop()
        assert "marketing.email" not in {t.purpose for t in done.goes_on}


def test_nothing_goes_by_itself_while_it_stands(controller: Controller, world: Path) -> None:
    _restrict(controller, ANA, but=["communicate"])
    notes = sql(world, "SELECT * FROM note")
    answer = rights.withdraw(
        controller, Request(((ANA,),), override="test"), ["communicate"], NOW, region="EEA",
        erase=True,
    )  # fmt: skip
    assert [(s.dataset, s.action.value) for s in answer.due] == [("note", "retain")]
    assert answer.due[0].reason is not None
    assert answer.due[0].reason.law == "GDPR Art. 18"
    assert sql(world, "SELECT * FROM note") == notes


def test_wrong_use(controller: Controller, world: Path) -> None:
    with pytest.raises(UsageError, match="no such ground"):
        _restrict(controller, ground="because")
    shown = rights.preview_restriction(controller, Request(((NEW,),)), "claims", NOW)
    assert shown.stops
    with pytest.raises(Denied, match="no evidence"):
        rights.restrict(controller, Request((), case=shown.case), "claims", NOW)
    assert _allowed(controller, PAY, NEW)
    case = _restrict(controller, NEW).case
    for words, role, error in ((" ", "operator", UsageError), ("told", "marketer", Denied)):
        with pytest.raises(error):
            rights.notify(controller, case, words, actor="x", role=role, now=NOW)
    other = rights.preview_objection(controller, Request(((NEW,),)), ["marketing"], NOW).case
    with pytest.raises(UsageError, match="another right"):
        rights.notify(controller, other, "told", now=NOW, **BY)
    (world / "shop.sqlite").rename(world / "away.sqlite")
    away = _restrict(controller, ANA)
    assert (away.complete, [s for s, _ in away.unreached]) == (False, ["shop"])
    assert not _allowed(controller, PAY, ANA)
    # When it is back the case goes on by what it says: why she asks is not asked again.
    (world / "away.sqlite").rename(world / "shop.sqlite")
    on = Request((), case=away.case, override="test")
    assert rights.restrict(controller, on, None, LATER).complete
    with pytest.raises(UsageError, match="not said why she asks"):
        rights.restrict(controller, Request(((ANA,),), override="test"), None, LATER)


def test_what_she_agrees_to_later_while_a_system_is_away_narrows_nothing(
    controller: Controller, world: Path
) -> None:
    """It holds for all that leads to her: neither letter nor case say that it does so in part."""
    case = _restrict(controller).case
    (world / "shop.sqlite").rename(world / "away.sqlite")
    again = Request((), case=case, override="test")
    rights.restrict(controller, again, "claims", LATER, but=["site.improve"])
    assert controller.cases.get(case).in_force_at == NOW
    assert receipts.not_asked(controller, controller.cases.get(case)) == ()
    assert "could NOT ask" not in letter(controller, case, LATER).text()
    # Nor does a database of before, whose ledger named the system then.
    body = {"case": case, "ground": "claims", "source": "request", "actor": "x",
            "unreached": ["shop"]}  # fmt: skip
    with controller.database.connection() as c:
        controller.ledger.append_in(c, [Entry("restriction.set", LATER, body)])
        c.execute("ALTER TABLE rights_case DROP COLUMN in_force_at")
        c.execute((migrations.HERE / "0048_in_force.sql").read_bytes())
    assert controller.cases.get(case).in_force_at == NOW
    assert controller.clocks.unanswered() == {}
