"""Until when a case is to be answered, what moves that day, and who is reminded of it."""

from __future__ import annotations

import dataclasses
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
from kept.duties import rights
from kept.duties.rights import Request, clock, close_case, mailing
from kept.duties.rights.bulk import open_run
from kept.errors import ConfigError, Denied, UsageError
from kept.ledger.entry import Entry
from kept.records import answered
from kept.records.clock import Clock
from kept.records.struck import strike
from kept.terms import clock_rules, clocks
from kept.terms.clocks import Light
from kept.terms.identifiers import Identifier
from kept.terms.workdays import Workdays
from tests.world import NOW, edit

ANA = Identifier("email", "ana@example.org")
DAY = dt.timedelta(days=1)
TODAY = NOW.date()  # a Monday


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    edit(world / "kept.toml", "[choices]", '[desk]\ncountry = "GB"\nsubdivision = "ENG"\n[choices]')
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def _asked(controller: Controller, region: str = "UK", **more: Any) -> str:
    request = Request(**{"people": ((ANA,),), "region": region, **more})
    return rights.preview(controller, request, NOW).case


def _clock(controller: Controller, case: str) -> Clock:
    found = controller.clocks.of(controller.cases.get(case))
    assert found is not None
    return found


def _pia(controller: Controller, role: str = "privacy-officer") -> Any:
    return controller.actors.of("Pia", role, NOW)


def _moved(controller: Controller) -> list[dict[str, Any]]:
    return [dict(e.body) for _, e in controller.ledger.entries(kind="clock.moved")]


def _proved(controller: Controller, now: dt.datetime) -> dict[str, Outcome]:
    names = ["rights.answered-in-time", "rights.extension-told-in-time"]
    return {e.control: e.outcome for e in run(controller, registered(), now, names=names)}


def test_she_is_told_by_its_day_that_her_request_has_come(controller: Controller) -> None:
    """California: ten working days (11 CCR 7021). Entered with the day on which she was told."""
    case = _asked(controller, "US-CA")
    by = _clock(controller, case).confirm_by
    assert by is not None
    after = NOW + (by - TODAY + DAY)
    for now, met in ((after - DAY, Outcome.PASS), (after, Outcome.FAIL)):
        assert _proved(controller, now)["rights.answered-in-time"] is met
    pia = controller.actors.of("Pia", "intake", NOW)
    for wrong in (TODAY - DAY, after.date() + DAY):
        with pytest.raises(UsageError):
            clock.acknowledge(controller, case, wrong, pia, after)
    assert clock.acknowledge(controller, case, by, pia, after).state == "acknowledged"
    assert [m["act"] for m in _moved(controller)] == ["acknowledged"]
    assert _clock(controller, case).due == _clock(controller, case).first_due
    assert _proved(controller, after)["rights.answered-in-time"] is Outcome.PASS
    with pytest.raises(UsageError, match="on record"):
        clock.acknowledge(controller, case, by, pia, after)
    # It goes on as any other; and one that is further on stays where it is.
    on = Request((), case=case, override="she is known here")
    assert rights.erase(controller, on, after).complete
    known = _asked(controller, "US-CA", evidence="called back")
    before = controller.cases.get(known).state
    late = clock.acknowledge(controller, known, by + DAY, pia, after)
    assert late.state is before
    assert _proved(controller, after)["rights.answered-in-time"] is Outcome.FAIL


def test_a_case_has_its_clock_from_the_day_on_which_its_letter_came(
    controller: Controller,
) -> None:
    monday, thursday = TODAY - 7 * DAY, NOW - 4 * DAY
    request = Request(((ANA,),), region="UK", arrived=monday)
    case = rights.preview(controller, request, thursday).case
    met = _clock(controller, case)
    assert (met.arrived, met.first_due, met.due) == (monday, dt.date(2026, 12, 16), met.first_due)
    assert met.rule.startswith("uk-2026:")
    assert (met.place, met.calendar[:9]) == ("GB-ENG", "holidays-")
    [opened] = [e.body for _, e in controller.ledger.entries(kind="case.opened")]
    assert (opened["arrived"], opened["due"]) == ("2026-11-16", "2026-12-16")
    assert opened["rule"] == met.rule


def test_holidays_that_moved_the_day_are_kept(controller: Controller) -> None:
    case = _asked(controller, arrived=dt.date(2026, 11, 28 - 5), region="EEA")
    assert _clock(controller, case).skipped == ()
    late = Request(((ANA,),), region="EEA", arrived=dt.date(2026, 11, 25))
    with pytest.raises(UsageError, match="still to come"):
        rights.preview(controller, late, NOW)
    case = rights.preview(controller, late, NOW + 2 * DAY).case
    met = _clock(controller, case)
    assert met.due == dt.date(2026, 12, 29)
    assert [d.day for d, _ in met.skipped] == [25, 26, 28]


def test_who_says_nothing_of_where_she_is_gets_the_strictest(controller: Controller) -> None:
    met = _clock(controller, _asked(controller, region="unknown"))
    every = [clocks.applying(r, "erasure", None, TODAY)[0] for r in clocks.WHERE if r != "unknown"]
    days = Workdays.at("GB", "ENG")
    assert met.due == min(clocks.due(rule, TODAY, days).day for rule in every)


@pytest.mark.parametrize(
    ("region", "due"), [("EEA", "2026-12-03"), ("US-VA", "2026-12-14"), ("BR", "2026-12-03")]
)
def test_what_the_policy_promises_counts_where_it_is_sooner(
    world: Path, region: str, due: str
) -> None:
    """The law leaves a month, 45 days, 15 days."""
    chosen = '"rights.response-time.eea" = "P10D"\n"rights.response-time.elsewhere" = "P21D"'
    edit(world / "kept.toml", "[choices]", f"[choices]\n{chosen}")
    with Controller.open(deployment.read(world)) as controller:
        case = _asked(controller, region=region)
        assert _clock(controller, case).due.isoformat() == due
        if region != "EEA":
            return
        # A longer promise is none: the law's day counts.
        named = controller.bundle.choices["rights.response-time.eea"]
        longer = {named.name: dataclasses.replace(named, value="P3M")}
        choices = {**controller.bundle.choices, **longer}
        controller.bundle = dataclasses.replace(controller.bundle, choices=choices)
        clock.keep_up(controller, NOW)
        met = _clock(controller, case)
        assert (met.promise, met.due) == ("P3M", dt.date(2026, 12, 23))
        clock.extend(controller, case, "complex", "Longer.", TODAY, _pia(controller), NOW)
        assert _clock(controller, case).due == dt.date(2027, 2, 23)


@pytest.mark.parametrize(
    ("value", "says"), [('"soon"', "not of its kind"), ("30", "not of its kind")]
)
def test_a_promise_that_is_no_period_is_refused(world: Path, value: str, says: str) -> None:
    edit(world / "kept.toml", "[choices]", f'[choices]\n"rights.response-time.eea" = {value}')
    with pytest.raises(ConfigError, match=says):
        deployment.read(world).read_bundle()


def test_an_objection_to_marketing_is_due_at_once(controller: Controller) -> None:
    for purposes, due in ((["marketing"], TODAY), (["site.improve"], dt.date(2026, 12, 23))):
        request = Request(((ANA,),), region="UK")
        answer = rights.preview_objection(controller, request, purposes, NOW)
        assert _clock(controller, answer.case).due == due


def test_an_extension_is_counted_from_the_start_and_taken_once(controller: Controller) -> None:
    case = _asked(controller, arrived=TODAY - 20 * DAY)
    first = _clock(controller, case).due
    with pytest.raises(Denied, match="may not move"):
        clock.extend(controller, case, "complex", "x", TODAY, _pia(controller, "support"), NOW)
    for reason, words, sent, match in (
        ("holidays", "We are busy.", TODAY, "no reason for more time"),
        ("complex", " ", TODAY, "what she was told"),
        ("complex", "Longer.", TODAY + DAY, "still to come"),
        ("complex", "Longer.", TODAY - 21 * DAY, "first period"),
    ):
        with pytest.raises(UsageError, match=match):
            clock.extend(controller, case, reason, words, sent, _pia(controller), NOW)
    assert (_clock(controller, case).due, _moved(controller)) == (first, [])
    told = "Dear ana@example.org, it takes two months more."
    after = clock.extend(controller, case, "complex", told, TODAY, _pia(controller), NOW)
    assert after == _clock(controller, case)
    assert (after.first_due, after.due) == (dt.date(2026, 12, 3), dt.date(2027, 2, 3))
    [entry] = _moved(controller)
    assert (entry["act"], entry["before"], entry["due"]) == ("extended", "2026-12-03", "2027-02-03")
    assert "ana" not in repr(entry)
    [change] = controller.clocks.changes(controller.cases.get(case))
    assert (change.words, change.dated, change.reason) == (told, TODAY, "complex")
    with pytest.raises(UsageError, match="extended before"):
        clock.extend(controller, case, "complex", told, TODAY, _pia(controller), NOW)
    assert set(_proved(controller, NOW).values()) == {Outcome.PASS}


def test_a_notice_that_went_out_too_late_extends_nothing(controller: Controller) -> None:
    case = _asked(controller, arrived=TODAY - 40 * DAY)
    with pytest.raises(UsageError, match="the first period is over"):
        clock.extend(controller, case, "numerous", "Longer.", TODAY, _pia(controller), NOW)
    # Nor is a day believed that lies inside it, and is said afterwards.
    before = TODAY - 35 * DAY
    with pytest.raises(UsageError, match="the first period is over"):
        clock.extend(controller, case, "numerous", "Longer.", before, _pia(controller), NOW)
    assert not _clock(controller, case).extended
    assert _proved(controller, NOW)["rights.answered-in-time"] is Outcome.FAIL


def test_where_the_rule_has_no_extension_there_is_none(controller: Controller) -> None:
    case = _asked(controller, region="BR")
    with pytest.raises(UsageError, match="knows no extension") as met:
        clock.extend(controller, case, "complex", "Longer.", TODAY, _pia(controller), NOW)
    assert "kept case clock" in str(met.value)


def test_a_clock_stands_still_only_where_its_rule_lets_it(controller: Controller) -> None:
    uk, eea, ca = (_asked(controller, region=r) for r in ("UK", "EEA", "US-CA"))
    for case, reason in ((eea, "clarification"), (eea, "fee"), (ca, "identity")):
        with pytest.raises(UsageError, match="does not let the clock stand still"):
            clock.pause(controller, case, reason, None, _pia(controller), NOW)
    with pytest.raises(UsageError, match="does not stand still"):
        clock.resume(controller, uk, None, _pia(controller), NOW)
    clock.pause(controller, uk, "clarification", TODAY, _pia(controller), NOW)
    with pytest.raises(UsageError, match="stands still already"):
        clock.pause(controller, uk, "fee", TODAY, _pia(controller), NOW)
    with pytest.raises(UsageError, match="stands still"):
        clock.extend(controller, uk, "complex", "Longer.", TODAY, _pia(controller), NOW)
    later = NOW + 5 * DAY
    with pytest.raises(UsageError, match="before it stood still"):
        clock.resume(controller, uk, TODAY - DAY, _pia(controller), later)
    after = clock.resume(controller, uk, None, _pia(controller), later)
    assert (after.paused_days, after.unpaused) == (5, dt.date(2026, 12, 23))
    assert after.due == dt.date(2026, 12, 29)  # the 28th is a day in lieu
    with pytest.raises(UsageError, match="from that day on"):
        clock.pause(controller, uk, "fee", TODAY, _pia(controller), later)
    acts = [e["act"] for e in _moved(controller)]
    assert acts == ["paused", "resumed"]


def test_of_doubt_over_who_asks_both_days_are_kept(controller: Controller) -> None:
    case = _asked(controller, region="EEA")
    clock.pause(controller, case, "identity", None, _pia(controller), NOW)
    after = clock.resume(controller, case, None, _pia(controller), NOW + 10 * DAY)
    assert (after.unpaused, after.due) == (dt.date(2026, 12, 23), dt.date(2027, 1, 4))


def test_a_clock_that_ran_out_is_not_let_stand_still_afterwards(controller: Controller) -> None:
    case = _asked(controller, region="UK")
    due = _clock(controller, case).due
    late = NOW + 60 * DAY
    with pytest.raises(UsageError, match="last day is over"):
        clock.pause(controller, case, "identity", TODAY + DAY, _pia(controller), late)
    assert _clock(controller, case).due == due
    assert _proved(controller, late)["rights.answered-in-time"] is Outcome.FAIL


def test_an_extension_that_was_entered_afterwards_is_found(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an older version, or somebody at the database, would have left it."""
    case = _asked(controller, arrived=TODAY - 40 * DAY)
    monkeypatch.setattr(Controller, "day", lambda *_: TODAY - 35 * DAY)
    clock.extend(controller, case, "complex", "Longer.", TODAY - 35 * DAY, _pia(controller), NOW)
    monkeypatch.undo()
    assert _proved(controller, NOW)["rights.extension-told-in-time"] is Outcome.FAIL


def test_nobody_is_late_while_the_clock_stands_still(controller: Controller) -> None:
    case = _asked(controller, region="UK")
    due = _clock(controller, case).due
    clock.pause(controller, case, "identity", due - DAY, _pia(controller), _noon(due - DAY))
    late = _noon(due + 5 * DAY)
    assert _proved(controller, late)["rights.answered-in-time"] is Outcome.PASS
    assert clock.keep_up(controller, late) == ()
    clock.resume(controller, case, due, _pia(controller), late)
    assert _proved(controller, late)["rights.answered-in-time"] is Outcome.FAIL


def test_a_clock_that_nobody_lets_go_on_goes_on_by_itself(controller: Controller) -> None:
    case = _asked(controller, region="UK")
    due = _clock(controller, case).due
    clock.pause(controller, case, "identity", None, _pia(controller), NOW)
    # Somebody hears of it a week before; then it counts again, and is late like any other.
    soon, over = NOW + 23 * DAY, NOW + 31 * DAY
    assert clock.keep_up(controller, NOW + 22 * DAY) == ()
    assert [s.case.id for s in clock.keep_up(controller, soon)] == [case]
    assert _proved(controller, over)["rights.answered-in-time"] is Outcome.FAIL
    assert [s.case.id for s in clock.keep_up(controller, over)] == [case]
    assert _proved(controller, over)["rights.answered-in-time"] is Outcome.PASS
    met = _clock(controller, case)
    assert (met.paused_since, met.paused_days) == (None, controller.desk.pause_days)
    assert met.due >= due + 30 * DAY
    assert _moved(controller)[-1]["dated"] == (TODAY + 30 * DAY).isoformat()
    assert "actor" not in _moved(controller)[-1]
    levels = [e.body["level"] for _, e in controller.ledger.entries(kind="clock.reminded")]
    assert levels == ["paused", "resumed"]
    late = _noon(met.due + DAY)
    assert _proved(controller, late)["rights.answered-in-time"] is Outcome.FAIL


def _noon(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12), dt.UTC)


def test_where_she_is_and_when_it_came_can_be_put_right_openly(controller: Controller) -> None:
    case = _asked(controller, region="unknown")
    before = _clock(controller, case)
    after = clock.put_right(controller, case, "EEA", None, _pia(controller), NOW)
    assert (before.due, after.due) == (TODAY + 15 * DAY, dt.date(2026, 12, 23))
    assert after.first_due == before.due
    after = clock.put_right(controller, case, None, TODAY - 3 * DAY, _pia(controller), NOW)
    assert after.due == dt.date(2026, 12, 21)  # the 20th is a Sunday
    acts = [(e["act"], e["before"], e["due"]) for e in _moved(controller)]
    assert acts == [
        ("placed", "2026-12-08", "2026-12-23"), ("arrived", "2026-12-23", "2026-12-21"),
    ]  # fmt: skip
    assert _proved(controller, NOW)["rights.answered-in-time"] is Outcome.PASS
    with pytest.raises(UsageError, match="nothing is to be put right"):
        clock.put_right(controller, case, None, None, _pia(controller), NOW)
    again = Request((), case=case, arrived=TODAY)
    with pytest.raises(UsageError, match="has its clock"):
        rights.preview(controller, again, NOW)


def test_an_extension_does_not_go_to_where_the_rule_has_none(controller: Controller) -> None:
    case = _asked(controller, region="EEA", arrived=TODAY - 20 * DAY)
    clock.extend(controller, case, "complex", "Longer.", TODAY, _pia(controller), NOW)
    with pytest.raises(UsageError, match="the rule there does not know"):
        clock.put_right(controller, case, "BR", None, _pia(controller), NOW)
    # It really came earlier: then the notice went out too late.
    with pytest.raises(UsageError, match="after the first period that would be"):
        clock.put_right(controller, case, None, TODAY - 50 * DAY, _pia(controller), NOW)


def test_everybody_is_reminded_once_of_each_step(controller: Controller) -> None:
    case = _asked(controller, region="UK")  # due on Wednesday 23 December
    due = dt.date(2026, 12, 23)
    met = []
    for n in range(40):
        at = NOW + n * DAY
        for _ in range(2):
            met += [(at.date(), s.light, clock.reminded(s)) for s in clock.keep_up(controller, at)]
    assert met == [
        (dt.date(2026, 12, 14), Light.AMBER, "operator"),
        (dt.date(2026, 12, 18), Light.RED, "privacy-officer"),
        (due + DAY, Light.OVERDUE, "privacy-officer"),
    ]
    told = [dict(e.body) for _, e in controller.ledger.entries(kind="clock.reminded")]
    assert [(t["level"], t["due"]) for t in told] == [
        (level, "2026-12-23") for level in ("amber", "red", "overdue")
    ]
    acts = [c.act for c in controller.clocks.changes(controller.cases.get(case))]
    assert acts == ["reminded"] * 3
    close_case(
        controller, case, "refused", "Not hers.", _pia(controller), NOW + 41 * DAY,
        code="not-identified",
    )  # fmt: skip
    assert clock.keep_up(controller, NOW + 42 * DAY) == ()
    assert _proved(controller, NOW + 42 * DAY)["rights.answered-in-time"] is Outcome.FAIL
    # A year later that is not looked at any more.
    vacuous = _proved(controller, NOW + 500 * DAY)["rights.answered-in-time"]
    assert vacuous is Outcome.VACUOUS


def test_an_end_of_which_nobody_told_her_is_no_answer(controller: Controller) -> None:
    case = rights.erase(controller, Request(((ANA,),), override="a test", region="UK"), NOW).case
    due = _clock(controller, case).due
    name = "rights.answered-in-time"
    # Until the last day there is time to tell her.
    assert _proved(controller, _noon(due))[name] is Outcome.PASS
    assert _proved(controller, _noon(due + DAY))[name] is Outcome.FAIL
    late, early = _noon(due + 2 * DAY), due - DAY
    mailing.handed(controller, case, due + DAY, _pia(controller), late)
    assert _proved(controller, late)[name] is Outcome.FAIL  # told, and late
    mailing.handed(controller, case, early, _pia(controller), late)
    assert _proved(controller, late)[name] is Outcome.PASS


def test_what_she_was_told_before_all_was_done_is_no_answer(world: Path) -> None:
    """Somebody of the staff has to do it in the system itself, and does it after the last day."""
    name, mode = "rights.answered-in-time", 'mode = "{}"'
    edit(world / "kept.toml", mode.format("act"), mode.format("assisted"))
    with Controller.open(deployment.read(world)) as controller:
        asked = Request(((ANA,),), override="a test", region="UK")
        rights.erase(controller, asked, NOW + 10 * DAY)
        (met,) = controller.cases.all()
        due, pia = _clock(controller, met.id).due, _pia(controller)
        with pytest.raises(UsageError, match="not her answer yet"):
            mailing.handed(controller, met.id, TODAY + 11 * DAY, pia, NOW + 12 * DAY)
    edit(world / "kept.toml", mode.format("assisted"), mode.format("act"))
    with Controller.open(deployment.read(world)) as controller:
        late = _noon(due + 5 * DAY)
        assert _proved(controller, late)[name] is Outcome.FAIL
        rights.erase(controller, Request((), case=met.id), late)
        assert controller.cases.get(met.id).done_at == late
        assert _proved(controller, late)[name] is Outcome.FAIL
        day = {"zone": "UTC", "now": late}
        assert answered.days(controller.database, [met.number], **day) == {}
        with pytest.raises(UsageError, match="cannot have reached her that day"):
            mailing.handed(controller, met.id, late.date() - DAY, pia, late)
        mailing.handed(controller, met.id, late.date(), _pia(controller), late)
        assert answered.days(controller.database, [met.number], **day) == {met.number: late.date()}
        assert _proved(controller, late)[name] is Outcome.FAIL  # told, and late


@pytest.mark.parametrize(("outcome", "met"), [("sent", "PASS"), ("given-up", "FAIL")])
def test_a_mail_that_was_given_up_answers_nothing(
    controller: Controller, outcome: str, met: str
) -> None:
    case = rights.erase(controller, Request(((ANA,),), override="a test", region="UK"), NOW).case
    late = _noon(_clock(controller, case).due + DAY)
    put = {"case": case, "kind": "answer", "letter": "a", "again": False, "actor": "operator"}
    controller.ledger.append(Entry("mail.put", NOW + DAY, put))
    # Ledgers of before do not say which letter it was.
    body = {"case": case, "kind": "answer", "outcome": outcome}
    controller.ledger.append(Entry("mail.ended", NOW + DAY, body))
    assert _proved(controller, late)["rights.answered-in-time"] is Outcome[met]


def test_a_rule_that_changes_counts_open_cases_anew_and_keeps_both_days(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _asked(controller, region="CH")
    before = _clock(controller, case)
    other = tuple(
        dataclasses.replace(r, answer=clock_rules.Length(20, "days")) if r.id == "ch" else r
        for r in clock_rules.RULES
    )
    monkeypatch.setattr(clocks, "RULES", other)
    clock.keep_up(controller, NOW + DAY)
    after = _clock(controller, case)
    assert (before.due, after.due) == (TODAY + 30 * DAY, TODAY + 20 * DAY)
    assert after.first_due == before.due
    [change] = controller.clocks.changes(controller.cases.get(case))
    assert (change.act, change.before_rule, change.after_rule) == (
        "recounted", before.rule, after.rule,
    )  # fmt: skip
    assert (change.before_due, change.after_due) == (before.due, after.due)
    clock.keep_up(controller, NOW + DAY)
    assert len(_moved(controller)) == 1
    assert _proved(controller, NOW + DAY)["rights.answered-in-time"] is Outcome.PASS


def test_a_case_from_before_there_were_clocks_gets_one(controller: Controller) -> None:
    case = _asked(controller)
    with controller.database.connection() as c:
        c.execute("DELETE FROM case_clock")
    with pytest.raises(UsageError, match="from before there were clocks"):
        clock.pause(controller, case, "fee", None, _pia(controller), NOW)
    clock.keep_up(controller, NOW + DAY)
    assert _clock(controller, case).arrived == TODAY
    assert [e["act"] for e in _moved(controller)] == ["started"]


def test_a_restriction_is_answered_when_it_is_in_force(controller: Controller) -> None:
    request = Request(((ANA,),), override="test", region="EEA")
    rights.restrict(controller, request, "claims", NOW)
    assert clock.standings(controller, NOW) == []
    much_later = NOW + 200 * DAY
    assert _proved(controller, much_later)["rights.answered-in-time"] is Outcome.PASS


def _unset(controller: Controller) -> None:
    """As a database of before, brought up to now."""
    statement = (migrations.HERE / "0048_in_force.sql").read_bytes()
    with controller.database.connection() as c:
        c.execute("ALTER TABLE rights_case DROP COLUMN in_force_at")
        c.execute("UPDATE case_clock SET waiting = false")
        c.execute(statement)


@pytest.mark.parametrize("upgraded", [False, True])
def test_a_restriction_waits_while_a_system_was_not_asked_of_her(
    controller: Controller, world: Path, upgraded: bool
) -> None:
    """It is due, somebody is reminded, and the control does not pass on it; until it is asked."""
    shop = world / "shop.sqlite"
    away = shop.rename(shop.with_suffix(".away"))
    request = Request(((ANA,),), override="test", region="EEA")
    case = rights.restrict(controller, request, "claims", NOW).case
    _unset(controller) if upgraded else None
    [stands] = clock.standings(controller, NOW)
    assert (stands.case.id, stands.case.in_force_at) == (case, None)
    assert [one.id for one in controller.worklist.page(most=9)] == [case]
    late = controller.clocks.many([stands.case.number])[stands.case.number].due + DAY
    then = dt.datetime.combine(late, NOW.timetz())
    assert [c.about for c in rights.reminding.calls(controller, then)].count(case) == 1
    assert clock.told_on(controller, [stands.case], then) == {}
    assert _proved(controller, then)["rights.answered-in-time"] is Outcome.FAIL
    away.rename(shop)
    again = Request((), case=case, override="test", region="EEA")
    assert rights.restrict(controller, again, "claims", NOW + DAY).complete
    _unset(controller) if upgraded else None
    one = controller.cases.get(case)
    assert (clock.standings(controller, then), controller.worklist.page(most=9)) == ([], [])
    assert one.in_force_at == NOW + DAY
    assert clock.told_on(controller, [one], then) == {one.number: TODAY + DAY}
    assert case not in [c.about for c in rights.reminding.calls(controller, then)]
    assert _proved(controller, then)["rights.answered-in-time"] is Outcome.PASS


def test_who_is_set_apart_from_a_list_keeps_her_day_of_arrival(controller: Controller) -> None:
    people = [(n, (Identifier("email", f"p{n}@example.org"),)) for n in (1, 2, 3)]
    request = Request((), region="UK", arrived=TODAY - 5 * DAY)
    open_run(controller, "erasure", people, request, NOW)
    [case] = controller.cases.all()
    actor = _pia(controller)
    with controller.database.connection() as connection:
        [made] = controller.bulks.set_apart(case, [[1]], actor, NOW, connection=connection)
        clock.split(controller, case, made, NOW, connection=connection)
    first, second = (_clock(controller, c.id) for c in controller.cases.all())
    assert first == second
    assert first.arrived == TODAY - 5 * DAY


def test_a_child_leaves_no_word_of_it(controller: Controller) -> None:
    case = _asked(controller, ground="child")
    clock.extend(controller, case, "complex", "ana@example.org", TODAY, _pia(controller), NOW)
    one = controller.cases.get(case)
    with controller.database.connection() as connection:
        strike(controller.vault, [one.number], NOW, connection)
    [change] = controller.clocks.changes(one)
    assert (change.words, change.dated) == (None, TODAY)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('country = "XX"', "are not known"),
        ('country = "DE"\nsubdivision = "ZZ"', "not a part of DE"),
        ('subdivision = "VA"', "without its country"),
        ('zone = "Mars/Olympus"', "not a time zone"),
        ("country = 7", "is not text"),
        ('land = "DE"', "is not a setting"),
    ],
)
def test_a_desk_that_is_nowhere_is_refused(world: Path, table: str, says: str) -> None:
    edit(world / "kept.toml", "[choices]", f"[desk]\n{table}\n[choices]")
    with pytest.raises(ConfigError, match=says) as met:
        deployment.read(world)
    assert "kept.toml" in str(met.value)


def test_a_day_ends_at_midnight_of_the_place(world: Path) -> None:
    edit(world / "kept.toml", "[choices]", '[desk]\nzone = "America/New_York"\n[choices]')
    with Controller.open(deployment.read(world)) as controller:
        night = NOW.replace(hour=3)  # the evening before in New York
        case = rights.preview(controller, Request(((ANA,),)), night).case
        assert _clock(controller, case).arrived == TODAY - DAY
        # Of a deployment that says nothing else it is the country of the policy.
        assert controller.workdays.place == "US"
