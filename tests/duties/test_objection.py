"""Objection: at once at the door, absolute for marketing, weighed for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import ChoiceAnswer, Request
from kept.duties.rights.choice import channel_of
from kept.duties.rights.objection import WEIGHED
from kept.errors import Denied, UsageError
from kept.model.decision import Ask
from kept.records.case import State
from kept.terms.identifiers import parse
from tests.world import NOW, sql

ANA, PHONE, NEW = (
    parse("email=ana@example.org"),
    parse("phone=+49 30 123456"),
    parse("email=new@example.net"),
)
MAIL = Ask("marketing.email", "contact.email", "site-form", region="EEA")
IMPROVE = Ask("site.improve", "navigation", "site-visit", region="EEA")
PIA = {"actor": "Pia", "role": "privacy-officer"}
ARISING = ("consent:marketing.email", "preference:email", "consent:site.improve")


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def _object(controller: Controller, who: Any, *purposes: str, **more: Any) -> ChoiceAnswer:
    request = Request(((who,),), override="test")
    return rights.object_to(controller, request, purposes, NOW, **{"region": "EEA", **more})


def _allowed(controller: Controller, ask: Ask, who: Any = ANA) -> bool:
    return controller.decide(ask, who, NOW, arising=ARISING).allow


def _bodies(controller: Controller, kind: str) -> list[dict[str, Any]]:
    return [dict(e.body) for _, e in controller.ledger.entries(kind=kind)]


def test_against_marketing_it_is_absolute_and_at_once(controller: Controller) -> None:
    subject = controller.subjects.of([ANA], NOW)
    controller.consents.grant(subject, "marketing.email", NOW, source="form")
    controller.consents.prefer(subject, "email", True, NOW, source="form")
    assert _allowed(controller, MAIL)
    assert controller.audience(MAIL, NOW) == [subject]
    answer = _object(controller, ANA, "marketing")
    assert (answer.executed, answer.complete, answer.state) == (True, True, "closed")
    assert not _allowed(controller, MAIL)
    assert controller.audience(MAIL, NOW) == []
    assert _allowed(controller, IMPROVE)
    stopped = {t.purpose for t in answer.stops}
    assert {"marketing.email", "marketing.post", "marketing.phone"} <= stopped
    assert all(p.startswith("marketing") for p in stopped)
    assert answer.weighed == ()
    # What goes on is told: what for, on which ground, by which clauses.
    rests = {t.purpose: t for t in answer.goes_on}
    assert rests["service.payment"].ground == "Contract"
    assert rests["service.payment"].clauses
    # New consent does not lift it, and neither does asking a second time.
    controller.consents.grant(subject, "marketing.email", NOW, source="form")
    assert not _allowed(controller, MAIL)
    assert _object(controller, ANA, "marketing").complete


def test_it_holds_for_whoever_is_met_under_the_identifiers_later(controller: Controller) -> None:
    """Nobody is known under the address yet; the telephone number stands in her row."""
    answer = _object(controller, NEW, "marketing", "site.improve")
    assert answer.goes_on == ()
    assert controller.subjects.find([NEW]) == ()
    assert not _allowed(controller, MAIL, NEW)
    assert not _allowed(controller, IMPROVE, NEW)
    subject = controller.subjects.of([NEW, parse("account=77")], NOW)
    for purpose in ("marketing.email", "site.improve"):
        controller.consents.grant(subject, purpose, NOW, source="form")
    controller.consents.prefer(subject, "email", True, NOW, source="form")
    for who in (NEW, parse("account=77")):
        assert not _allowed(controller, MAIL, who)
        assert not _allowed(controller, IMPROVE, who)
    assert controller.audience(MAIL, NOW) == []
    _object(controller, ANA, "marketing")
    assert not _allowed(controller, MAIL, PHONE)


def test_a_shared_address_binds_itself_and_nobody_else(controller: Controller, world: Path) -> None:
    """Ana's and Cleo's rows carry one telephone number."""
    sql(world, "UPDATE customer SET phone = '+49 30 123456' WHERE id = 3")
    cleo = parse("email=cleo@example.org")
    answer = _object(controller, ANA, "marketing")
    assert any("leads to others" in w for w in answer.warnings)
    assert not _allowed(controller, MAIL)
    assert _allowed(controller, MAIL, cleo)
    both = _object(controller, PHONE, "marketing")
    assert any("several people" in w for w in both.warnings)
    assert not _allowed(controller, MAIL, PHONE)
    assert _allowed(controller, MAIL, cleo)


@pytest.mark.parametrize("outcome", ["refused", "upheld"])
def test_another_purpose_stops_while_it_is_weighed(controller: Controller, outcome: Any) -> None:
    answer = _object(controller, NEW, "site.improve", "marketing")
    assert (answer.complete, answer.state) == (False, "checked")
    assert [t.purpose for t in answer.weighed] == ["site.improve"]
    assert "marketing.email" in {t.purpose for t in answer.stops}
    assert not _allowed(controller, IMPROVE, NEW)
    for role, grounds, problem in (("marketer", "x", Denied), ("operator", " ", UsageError)):
        with pytest.raises(problem):
            rights.weigh(
                controller, answer.case, outcome, grounds, actor="x", role=role, now=NOW
            )  # fmt: skip
    assert not _allowed(controller, IMPROVE, NEW)
    said = "She is one of new@example.net's two users, and the site is under attack."
    done = rights.weigh(
        controller, answer.case, outcome, said, actor="Pia", role="privacy-officer", now=NOW
    )
    assert (done.state, done.complete) == (State.CLOSED, True)
    assert controller.cases.events(done)[-1].words == said
    assert _allowed(controller, IMPROVE, NEW) is (outcome == "refused")
    assert not _allowed(controller, MAIL, NEW)  # nothing to weigh there
    assert len(_bodies(controller, "objection.lifted")) == (outcome == "refused")
    (moved,) = _bodies(controller, "case.moved")
    assert (moved["state"], moved["actor"]) == (outcome, "privacy-officer")
    with pytest.raises(UsageError, match="cannot be done"):
        rights.weigh(controller, answer.case, outcome, "x", actor="x", role="operator", now=NOW)


def test_a_refusal_takes_back_nothing_that_an_earlier_objection_had_stopped(
    controller: Controller,
) -> None:
    first = _object(controller, NEW, "site.improve")
    rights.weigh(
        controller, first.case, "upheld", "hers", actor="x", role="operator", now=NOW
    )  # fmt: skip
    second = _object(controller, NEW, "site.improve")
    assert second.complete
    assert not _allowed(controller, IMPROVE, NEW)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("outcomes", [(a, b) for a in WEIGHED for b in WEIGHED])
def test_who_objects_again_while_it_is_weighed_waits_for_that_too(
    controller: Controller, outcomes: tuple[Any, Any], order: tuple[int, int]
) -> None:
    """By another of her identifiers; each is decided, and the use goes on when none stands."""
    made = [_object(controller, who, "site.improve") for who in (ANA, PHONE)]
    assert [one.complete for one in made] == [False, False]
    assert [t.purpose for t in made[1].weighed] == ["site.improve"]
    names = ["rights.objections-stop-the-purpose"]
    stands = {0, 1}
    for at, outcome in zip(order, outcomes, strict=True):
        rights.weigh(controller, made[at].case, outcome, "a word", now=NOW, **PIA)
        if outcome == "refused":
            stands.remove(at)
        assert _allowed(controller, IMPROVE) is not bool(stands)
        (met,) = run(controller, registered(), NOW, names=names)
        assert met.outcome is (Outcome.PASS if stands else Outcome.VACUOUS)


@pytest.mark.parametrize("outcomes", [(a, b) for a in WEIGHED for b in WEIGHED])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_two_that_are_weighed_each_binds_what_the_other_does(
    controller: Controller, world: Path, outcomes: tuple[Any, Any], order: tuple[int, int]
) -> None:
    """By a number that the first knew nothing of, and an address that is in no row: nothing goes on
    while one stands, nothing is stopped for good once none does.
    """
    made = [_object(controller, ANA, "site.improve").case]
    sql(world, "UPDATE customer SET phone = '+49 30 999999' WHERE id = 1")
    moved = parse("phone=+49 30 999999")
    request = Request(((moved, NEW),), override="test")
    made += [rights.object_to(controller, request, ["site.improve"], NOW, region="EEA").case]
    stands = {0, 1}
    for at, outcome in zip(order, outcomes, strict=True):
        rights.weigh(controller, made[at], outcome, "a word", now=NOW, **PIA)
        if outcome == "refused":
            stands.remove(at)
        for who in (ANA, PHONE, moved, NEW):
            assert _allowed(controller, IMPROVE, who) is not bool(stands)


@pytest.mark.parametrize("whose", [(ANA, PHONE), (PHONE, ANA)])
@pytest.mark.parametrize("outcomes", [(a, b) for a in WEIGHED for b in WEIGHED])
def test_what_was_upheld_stays_where_she_named_only_what_had_stopped_before(
    controller: Controller, whose: tuple[Any, Any], outcomes: tuple[Any, Any]
) -> None:
    """What had stopped before is in no row of what is weighed, and stays whatever is decided."""
    channel = channel_of("objection:site.improve")
    with controller.database.connection() as c:
        controller.suppressions.add([PHONE], NOW, channel=channel, source="page", connection=c)
    made = [_object(controller, who, "site.improve").case for who in whose]
    for case, outcome in zip(made, outcomes, strict=True):
        rights.weigh(controller, case, outcome, "a word", now=NOW, **PIA)
    assert _allowed(controller, IMPROVE, ANA) is ("upheld" not in outcomes)
    assert controller.suppressions.channels_of([PHONE]) == [{channel}]


def test_an_objection_is_looked_at_by_all_that_it_is_weighed_for(controller: Controller) -> None:
    _object(controller, PHONE, "site.improve")
    names = ["rights.objections-stop-the-purpose"]
    (met,) = run(controller, registered(), NOW, names=names)
    assert met.outcome is Outcome.PASS
    with controller.database.connection() as c:
        channel = channel_of("objection:site.improve")
        controller.suppressions.lift(ANA, channel=channel, connection=c)
    (met,) = run(controller, registered(), NOW, names=names)
    assert met.outcome is Outcome.FAIL


@pytest.mark.parametrize("outcome", WEIGHED)
def test_it_can_be_decided_once_she_was_erased(controller: Controller, outcome: Any) -> None:
    controller.subjects.of([ANA], NOW)
    case = _object(controller, ANA, "site.improve").case
    assert rights.erase(controller, Request(((ANA,),), override="test"), NOW).complete
    assert rights.weigh(controller, case, outcome, "a word", now=NOW, **PIA).complete
    assert ("objection:site.improve" in controller.facts(ANA, NOW).held) is (outcome == "upheld")


def test_what_rests_on_a_contract_goes_on_and_she_is_told(controller: Controller) -> None:
    answer = _object(controller, ANA, "service.payment")
    assert answer.complete
    assert (answer.stops, answer.weighed) == ((), ())
    (told,) = [t for t in answer.goes_on if t.purpose == "service.payment"]
    assert "does not reach it" in told.why
    assert _bodies(controller, "objection.made") == []
    (noted,) = _bodies(controller, "objection.inapplicable")
    assert (noted["case"], noted["purpose"]) == (answer.case, "service.payment")
    assert noted["bases"] == ["contract"]


def test_what_it_does_not_reach_is_noted_once_with_the_bases(
    controller: Controller, world: Path
) -> None:
    """Beside what it stops, and though it goes on later for a system that was away."""
    asked = ("marketing", "service.payment")
    away = (world / "shop.sqlite").rename(world / "away.sqlite")
    case = _object(controller, ANA, *asked).case
    away.rename(world / "shop.sqlite")
    again = rights.object_to(controller, Request((), case=case), asked, NOW, region="EEA")
    assert again.complete
    assert {b["purpose"] for b in _bodies(controller, "objection.made")} == {"marketing"}
    assert [b["purpose"] for b in _bodies(controller, "objection.inapplicable")] == [
        "service.payment"
    ]


def test_nothing_happens_before_it_is_known_who_asks_and_what_for(controller: Controller) -> None:
    shown = rights.preview_objection(
        controller, Request(((NEW,),)), ["marketing"], NOW, region="EEA"
    )  # fmt: skip
    assert not shown.executed
    assert shown.stops
    with pytest.raises(Denied, match="no evidence"):
        rights.object_to(controller, Request((), case=shown.case), ["marketing"], NOW)
    assert _allowed(controller, MAIL, NEW)
    for purposes, who in (([], NEW), (["made-up"], NEW), (["marketing"], parse("name=Ana"))):
        with pytest.raises(UsageError):
            _object(controller, who, *purposes)
    with pytest.raises(UsageError, match="neither a region"):
        _object(controller, NEW, "marketing", region="Mars")
    assert _bodies(controller, "objection.made") == []
    done = rights.object_to(
        controller, Request((), case=shown.case, evidence="she called"), ["marketing"], NOW
    )
    assert (done.case, done.complete) == (shown.case, True)
    with pytest.raises(UsageError, match="closed"):
        rights.object_to(controller, Request((), case=shown.case), ["marketing"], NOW)


def test_a_system_that_is_away_is_named_and_the_objection_holds(
    controller: Controller, world: Path
) -> None:
    (world / "shop.sqlite").rename(world / "away.sqlite")
    answer = _object(controller, ANA, "marketing")
    assert (answer.complete, [s for s, _ in answer.unreached]) == (False, ["shop"])
    assert not _allowed(controller, MAIL)
    assert _allowed(controller, MAIL, PHONE)
    # Once it is back, what else leads to her is bound as well.
    (world / "away.sqlite").rename(world / "shop.sqlite")
    again = rights.object_to(controller, Request((), case=answer.case), ["marketing"], NOW)
    assert (again.complete, again.state) == (True, "closed")
    assert not _allowed(controller, MAIL, PHONE)


@pytest.mark.parametrize("cut", [False, True])
def test_it_is_weighed_once_every_system_was_asked(
    controller: Controller, world: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    """What leads to her in a system that was away was bound by no outcome, and the letter said that
    it is done; nor was it where the machine stopped before it was read back.
    """
    away = (world / "shop.sqlite").rename(world / "away.sqlite")
    if cut:
        with monkeypatch.context() as stopped:
            stopped.setattr(type(controller.cases), "finish", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                _object(controller, ANA, "marketing", "site.improve")
        (case,) = (one.id for one in controller.cases.naming(ANA))
    else:
        case = _object(controller, ANA, "marketing", "site.improve").case
        for outcome in WEIGHED:
            with pytest.raises(UsageError, match="shop was not asked"):
                rights.weigh(controller, case, outcome, "x", now=NOW, **PIA)
    away.rename(world / "shop.sqlite")
    # Whatever is named when it goes on, or nothing, all that she objected to does.
    named = ["marketing"] if cut else []
    again = rights.object_to(controller, Request((), case=case), named, NOW)
    assert (again.complete, again.state, again.unreached) == (False, "checked", ())
    assert {"objection:marketing", "objection:site.improve"} <= controller.facts(PHONE, NOW).held
    assert rights.weigh(controller, case, "upheld", "x", now=NOW, **PIA).complete


def test_the_ledger_names_no_person(controller: Controller) -> None:
    _object(controller, ANA, "marketing", "site.improve")
    text = str([e for _, e in controller.ledger.entries()]).lower()
    assert "objection.made" in text
    for word in ("ana@", "example.org", "30123456", "o'neill"):
        assert word not in text


def test_it_outlives_her_erasure(controller: Controller) -> None:
    _object(controller, ANA, "marketing")
    assert rights.erase(controller, Request(((ANA,),), override="test"), NOW).complete
    subject = controller.subjects.of([ANA], NOW)
    facts = controller.consents.facts(subject, NOW).held
    assert "objection:marketing" in facts
