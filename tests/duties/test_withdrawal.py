"""Withdrawal: forward only, nothing but what rests on consent; what is due goes with it."""

from __future__ import annotations

import datetime as dt
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import holds, rights
from kept.duties.rights import ChoiceAnswer, Request, identity
from kept.duties.rights.doubt import Ambiguous
from kept.duties.rights.letter import answer_case, letter
from kept.duties.rights.receipts import Receipts
from kept.errors import Denied, UsageError
from kept.model.decision import Ask
from kept.records.case import State, StepState
from kept.terms.identifiers import parse
from tests.world import NOW, edit, sql

ANA, BEN, PHONE = (
    parse("email=ana@example.org"),
    parse("email=ben@example.org"),
    parse("phone=+49 30 123456"),
)
BEFORE = NOW - dt.timedelta(days=90)
LATER = NOW + dt.timedelta(days=1)
MAIL = Ask("marketing.email", "contact.email", "site-form", region="EEA")
PAY = Ask("service.payment", "transaction.paid", "order", region="EEA")
IMPROVE = Ask("site.improve", "navigation", "site-visit", region="EEA")
LETTERS = """
  letters:
    title: Newsletter
    key: [id]
    retention: marketing-preferences
    activities: [newsletter]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false}
      basis: {stamp: basis}
"""


@pytest.fixture
def letters(world: Path) -> Path:
    """The shop with a table that serves the newsletter and nothing else."""
    sql(world, "CREATE TABLE letters (id INTEGER PRIMARY KEY, email TEXT NOT NULL, basis TEXT)")
    for number, email, basis in (
        (1, "ANA@example.org", "consent"),
        (2, "ben@example.org", "consent"),
        (3, "ana@example.org", "contract"),
        (4, "ana@example.org", None),
    ):
        sql(world, "INSERT INTO letters VALUES (?, ?, ?)", number, email, basis)
    edit(world / "shop.yml", "datasets:\n", f"datasets:{LETTERS}")
    return world


@pytest.fixture
def controller(letters: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(letters)) as opened:
        yield opened


@pytest.fixture
def agreed(controller: Controller) -> int:
    """Ana, who agreed to mail three months ago."""
    subject = controller.subjects.of([ANA], BEFORE)
    controller.consents.grant(subject, "marketing.email", BEFORE, source="form")
    controller.consents.grant(subject, "site.improve", BEFORE, source="form")
    controller.consents.prefer(subject, "email", True, BEFORE, source="form")
    return subject


def _withdraw(controller: Controller, who: Any, *purposes: str, **more: Any) -> ChoiceAnswer:
    request = Request(((who,),), override="test")
    return rights.withdraw(controller, request, purposes, NOW, **{"region": "EEA", **more})


def _allowed(controller: Controller, ask: Ask, who: Any = ANA, at: Any = NOW) -> bool:
    arising = ("contract",) if ask is PAY else ()
    return controller.decide(ask, who, at, arising=arising).allow


def _ids(world: Path) -> list[object]:
    return [row[0] for row in sql(world, "SELECT id FROM letters ORDER BY id")]


def test_what_rests_on_consent_stops_and_the_rest_goes_on_and_is_listed(
    controller: Controller, agreed: int, letters: Path
) -> None:
    assert _allowed(controller, MAIL)
    answer = _withdraw(controller, ANA, "marketing")
    assert not _allowed(controller, MAIL)
    assert _allowed(controller, PAY)
    assert _allowed(controller, IMPROVE)
    assert "marketing.email" in {t.purpose for t in answer.stops}
    rests = {t.purpose: t for t in answer.goes_on}
    assert rests["service.payment"].ground == "Contract"
    assert all(t.clauses and t.why for t in answer.goes_on)
    # Forward only: what was done before stays covered by the consent of that day.
    assert controller.audience(MAIL, NOW - dt.timedelta(days=1)) == [agreed]
    assert controller.audience(MAIL, NOW) == []
    # Due: her rows of the newsletter that are not stamped with another ground; not erased yet.
    assert (answer.complete, answer.state) == (False, "checked")
    assert [(s.dataset, s.counts.found, s.verified) for s in answer.due] == [("letters", 2, False)]
    assert _ids(letters) == [1, 2, 3, 4]
    done = rights.withdraw(controller, Request((), case=answer.case), (), NOW, erase=True)
    assert (done.complete, done.state) == (True, "closed")
    assert [(s.dataset, s.counts.changed, s.verified) for s in done.due] == [("letters", 2, True)]
    # Whoever mailed for us hears that it went (GDPR Art. 19), and not before.
    assert [(t.recipient, t.state) for t in (*answer.told, *done.told)] == [("provider", "waits")]
    (task,) = controller.tasks()
    assert (task.action, [k for k, _ in task.people[0]]) == ("tell-erasure", ["email"])
    assert _ids(letters) == [2, 3]
    assert len(sql(letters, "SELECT * FROM invoice")) == 3


def test_what_is_unlinked_while_a_case_waits_takes_a_person_who_says_whose_it_is(
    controller: Controller, letters: Path
) -> None:
    """Somebody has said that both are not one person's: the case goes on for neither by itself."""
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    for one in (ANA, BEN):
        identity.link(controller, one, ANA, "verified", "seen", officer, NOW, same=one is BEN)
    here, away = letters / "shop.sqlite", letters / "away.sqlite"
    here.rename(away)
    request = Request(((ANA, BEN),), override="test")
    begun = rights.withdraw(controller, request, ["marketing.email"], NOW, region="EEA")
    assert not begun.complete
    identity.unlink(controller, BEN, ANA, "it is his", officer, NOW)
    away.rename(here)
    on = Request((), case=begun.case, override="test")
    with pytest.raises(Ambiguous) as refused:
        rights.withdraw(controller, on, (), LATER)
    assert "`kept identity link`" in str(refused.value)
    assert "open a new case by what is hers alone" in str(refused.value)
    identity.link(controller, BEN, ANA, "verified", "it is hers", officer, LATER, same=True)
    assert rights.withdraw(controller, on, (), LATER, erase=True).complete


def test_a_new_consent_counts_again(controller: Controller, agreed: int) -> None:
    _withdraw(controller, ANA, "marketing", "site.improve", erase=True)
    assert not _allowed(controller, MAIL, at=LATER)
    controller.consents.grant(agreed, "marketing.email", LATER, source="form")
    assert _allowed(controller, MAIL, at=LATER)
    assert not _allowed(controller, IMPROVE, at=LATER)


def test_with_a_purpose_left_the_data_stays(letters: Path) -> None:
    edit(letters / "shop.yml", "activities: [newsletter]", "activities: [newsletter, support]")
    with Controller.open(deployment.read(letters)) as controller:
        answer = _withdraw(controller, ANA, "marketing")
        assert (answer.due, answer.complete) == ((), True)


def test_a_hold_keeps_what_is_due(controller: Controller, agreed: int, letters: Path) -> None:
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    holds.place(
        controller, ground="A claim is open.", clause="RET-10", actor=officer, now=NOW, person=[ANA]
    )
    answer = _withdraw(controller, ANA, "marketing", erase=True)
    assert [(s.action.value, s.counts.retained) for s in answer.due] == [("retain", 2)]
    assert answer.due[0].reason is not None
    assert _ids(letters) == [1, 2, 3, 4]
    assert answer.complete


def test_what_is_due_takes_another_person_by_command_as_at_the_desk(
    controller: Controller, agreed: int, letters: Path
) -> None:
    """Who entered it; and, of what is large, who drew it up: at once, or after it holds."""
    controller.desk = replace(controller.desk, large=1)
    mia = Request(((ANA,),), "Mia", "approver", evidence="she called from her number")
    with pytest.raises(Denied, match="who entered a request"):
        rights.withdraw(controller, mia, ["marketing"], NOW, region="EEA", erase=True)
    hers = replace(mia, people=(), evidence=None, case=controller.cases.all()[-1].id)
    ira = replace(hers, actor="Ira")
    with pytest.raises(Denied, match="another than who drew it up"):
        rights.withdraw(controller, ira, ["marketing"], NOW, region="EEA", erase=True)
    assert _allowed(controller, MAIL), "what is refused changes nothing"
    assert not rights.withdraw(controller, ira, ["marketing"], NOW, region="EEA").complete
    for one, why in ((hers, "who entered a request"), (ira, "another than who drew it up")):
        with pytest.raises(Denied, match=why):
            rights.withdraw(controller, one, (), NOW, erase=True)
    assert _ids(letters) == [1, 2, 3, 4]
    alone = replace(ira, alone="nobody else is here before the day")
    assert rights.withdraw(controller, alone, (), NOW, erase=True).complete
    assert _ids(letters) == [2, 3]
    assert [a.name for a in controller.watch.alerts()] == ["Ira"]


def test_what_makes_it_large_on_going_on_takes_another_than_who_drew_that_up(
    letters: Path,
) -> None:
    """Of a system that was away: with what was due before, and went already."""
    (letters / "news.yml").write_text(
        f"system: news\ntitle: News\ncountry: US\ndatasets:{LETTERS}", "utf-8"
    )
    with (letters / "kept.toml").open("a") as file:
        file.write(
            f'\n[systems.news]\nstore = "sqlite"\nurl = "sqlite:///{letters / "news.sqlite"}"\n'
            'mode = "act"\nmap = "news.yml"\n\n[desk]\nlarge = 4\n'
        )

    def go(who: str, purposes: Sequence[str] = (), **more: Any) -> ChoiceAnswer:
        request = Request(actor=who, role="approver", **{"people": (), "case": case, **more})
        with Controller.open(deployment.read(letters)) as controller:
            erase = not purposes
            return rights.withdraw(controller, request, purposes, NOW, region="EEA", erase=erase)

    case = None
    who_asks = {"people": ((ANA,),), "evidence": "she called from her number"}
    case = go("Ann", ["marketing"], **who_asks).case
    assert not go("Bea").complete
    assert _ids(letters) == [2, 3], "two rows are small"
    with closing(sqlite3.connect(letters / "news.sqlite")) as connection, connection:
        connection.execute(
            "CREATE TABLE letters (id INTEGER PRIMARY KEY, email TEXT NOT NULL, basis TEXT)"
        )
        rows = [(n, "ana@example.org", "consent") for n in range(3)]
        connection.executemany("INSERT INTO letters VALUES (?, ?, ?)", rows)
    for who, why in (("Bea", "3 of the rows.*Bea"), ("Ann", "who entered"), ("Bea", "drew it up")):
        with pytest.raises(Denied, match=why):
            go(who)
    with pytest.raises(UsageError, match="more is due by now"):
        go("Cy", seen=1)
    with closing(sqlite3.connect(letters / "news.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM letters").fetchone() == (3,)
    assert go("Cy").complete
    with Controller.open(deployment.read(letters)) as controller:
        events = controller.cases.events(controller.cases.get(case))
        acts = [(e.state, e.actor.name) for e in events]
        assert (State.PLANNED, "Bea") in acts
        assert (State.APPROVED, "Cy") in acts


def test_what_is_taken_back_while_an_erasure_stands_still_outlives_her(
    controller: Controller, agreed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    her = Request(((ANA,),), override="test")
    with monkeypatch.context() as killed:
        killed.setattr(controller, "execute", lambda *_, **__: sys.exit())
        with pytest.raises(SystemExit):
            rights.erase(controller, her, NOW)
    case = controller.cases.all()[-1].id
    assert controller.subjects.find([ANA]) == (agreed,)
    _withdraw(controller, ANA, "site.improve")
    assert rights.erase(controller, Request((), case=case), LATER).complete
    assert controller.subjects.find([ANA]) == ()
    assert ":withdrawn:site.improve" in controller.suppressions.channels(ANA)


def test_who_is_not_known_yet_is_so_from_then_on(controller: Controller) -> None:
    assert controller.subjects.find([BEN]) == ()
    answer = _withdraw(controller, ANA, "marketing", erase=True)
    assert answer.complete
    (subject,) = controller.subjects.find([ANA])
    # Also by the number that stands in her row.
    assert controller.subjects.find([PHONE]) == (subject,)
    assert "withdrawn:marketing.email" in controller.facts(PHONE, NOW).held
    (entry,) = [
        e.body
        for _, e in controller.ledger.entries(kind="consent.withdrawn")
        if e.body["purpose"] == "marketing.email"
    ]
    assert entry["had"] is False


def test_what_never_rested_on_consent_is_said(controller: Controller, agreed: int) -> None:
    answer = _withdraw(controller, ANA, "service.payment")
    assert answer.complete
    assert answer.stops == ()
    (told,) = [t for t in answer.goes_on if t.purpose == "service.payment"]
    assert "not rest on consent" in told.why
    assert _allowed(controller, PAY)


def test_shown_first_and_nothing_done_before_it_is_known_who_asks(
    controller: Controller, agreed: int, letters: Path
) -> None:
    shown = rights.preview_withdrawal(
        controller, Request(((ANA,),)), ["marketing.email"], NOW, region="EEA"
    )
    assert [(s.dataset, s.counts.found) for s in shown.due] == [("letters", 2)]
    with pytest.raises(Denied, match="no evidence"):
        rights.withdraw(controller, Request((), case=shown.case), ["marketing.email"], NOW)
    with pytest.raises(UsageError, match="no purpose"):
        rights.withdraw(controller, Request((), case=shown.case, override="x"), [], NOW)
    assert _allowed(controller, MAIL)
    assert list(controller.ledger.entries(kind="consent.withdrawn")) == []


def test_a_system_that_was_away_is_asked_when_it_is_back(
    controller: Controller, agreed: int, letters: Path
) -> None:
    (letters / "shop.sqlite").rename(letters / "away.sqlite")
    answer = _withdraw(controller, ANA, "marketing", erase=True)
    assert (answer.complete, [s for s, _ in answer.unreached]) == (False, ["shop"])
    assert not _allowed(controller, MAIL)
    (letters / "away.sqlite").rename(letters / "shop.sqlite")
    again = rights.withdraw(controller, Request((), case=answer.case), (), NOW, erase=True)
    assert (again.complete, again.unreached) == (True, ())
    assert _ids(letters) == [2, 3]
    text = str([e for _, e in controller.ledger.entries()]).lower()
    assert "ana@" not in text


def test_what_a_system_that_was_away_knows_her_by_is_bound_when_it_is_back(
    controller: Controller, letters: Path
) -> None:
    """It was complete, in force at the next decision, and nothing bound her number there. What she
    agreed to since stays.
    """
    (letters / "shop.sqlite").rename(letters / "away.sqlite")
    answer = _withdraw(controller, ANA, "marketing")
    (subject,) = controller.subjects.find([ANA])
    controller.consents.grant(subject, "marketing.phone", LATER, source="form")
    (letters / "away.sqlite").rename(letters / "shop.sqlite")
    later = LATER + dt.timedelta(days=1)
    done = rights.withdraw(controller, Request((), case=answer.case), (), later, erase=True)
    assert "withdrawn:marketing.email" in controller.facts(PHONE, later).held
    assert "consent:marketing.phone" in controller.facts(ANA, later).held
    # That is not among what it stops, and the case is over all the same: it never was.
    assert done.complete
    assert "marketing.phone" not in {t.purpose for t in done.stops}


def test_what_she_agreed_to_since_stays_in_a_system_that_comes_back(
    controller: Controller, agreed: int, letters: Path
) -> None:
    """Her newsletter of today went with what she took back before, and the case never ended."""
    (letters / "shop.sqlite").rename(letters / "away.sqlite")
    answer = _withdraw(controller, ANA, "marketing.email")
    controller.consents.grant(agreed, "marketing.email", LATER, source="form")
    (letters / "away.sqlite").rename(letters / "shop.sqlite")
    later = LATER + dt.timedelta(days=1)
    assert rights.withdraw(
        controller, Request((), case=answer.case), (), later, erase=True
    ).complete
    assert _ids(letters) == [1, 2, 3, 4]
    assert _allowed(controller, MAIL, at=later)
    # What stays is nothing that is left to do, in her letter too.
    record = Receipts.of(controller, controller.cases.get(answer.case))
    assert (record.complete, record.missing) == (True, ())
    words = letter(controller, answer.case, later).text()
    assert "NOT done" not in words
    # Nor is it said to stand, or to stop what she is asked for anew.
    assert "It stands for" not in words
    assert "given it again since then, for: - Promote by e-mail" in " ".join(words.split())


def test_what_she_agreed_to_since_stays_where_it_was_planned_to_go(
    controller: Controller, agreed: int, letters: Path
) -> None:
    """Nothing was away: what was due went all the same, after she had asked for it anew."""
    answer = _withdraw(controller, ANA, "marketing.email")
    assert answer.due
    controller.consents.grant(agreed, "marketing.email", LATER, source="form")
    later = LATER + dt.timedelta(days=1)
    done = rights.withdraw(controller, Request((), case=answer.case), (), later, erase=True)
    assert (done.complete, done.due) == (True, ())
    assert _ids(letters) == [1, 2, 3, 4]
    assert _allowed(controller, MAIL, at=later)
    # It reads as what it is: nothing that somebody still has to do.
    (step,) = controller.cases.steps(controller.cases.get(answer.case))
    assert (step.state, step.at) == (StepState.LEFT, LATER)
    said = answer_case(controller, answer.case, later, role="privacy-officer").text()
    assert "2 records stay, because you agreed again on 24 November 2026." in " ".join(said.split())
    name = "rights.answers-claim-what-was-done"
    assert run(controller, registered(), later, names=[name])[0].outcome is Outcome.PASS


def test_what_stays_for_a_new_yes_goes_when_she_takes_that_back(
    controller: Controller, agreed: int, letters: Path
) -> None:
    answer = _withdraw(controller, ANA, "marketing.email")
    case = controller.cases.get(answer.case)
    controller.consents.grant(agreed, "marketing.email", LATER, source="form")
    (letters / "shop.sqlite").rename(letters / "away.sqlite")
    later = LATER + dt.timedelta(days=1)
    assert not rights.withdraw(controller, Request((), case=case.id), (), later).complete
    assert [s.state for s in controller.cases.steps(case)] == [StepState.LEFT]
    (letters / "away.sqlite").rename(letters / "shop.sqlite")
    controller.consents.withdraw(agreed, "marketing.email", later, source="form")
    done = rights.withdraw(controller, Request((), case=case.id), (), later, erase=True)
    assert done.complete
    assert [s.state for s in controller.cases.steps(case)] == [StepState.DONE]
    assert _ids(letters) == [2, 3]


@pytest.mark.parametrize("act", [rights.withdraw, rights.preview_withdrawal, rights.object_to])
def test_where_she_is_is_not_asked_twice(controller: Controller, act: Any) -> None:
    """Gone on with by its number, a case was judged as of somebody of whom nobody knows where she
    is: she was told of a consent on which nothing rests there.
    """
    right = "objection" if act is rights.object_to else "withdrawal"
    request = Request(((ANA,),), override="test", region="US-CA")
    first = rights.preview_objection if right == "objection" else rights.preview_withdrawal
    shown = first(controller, request, ["marketing.email"], NOW, region="US-CA")
    again = act(controller, Request((), case=shown.case), ["marketing.email"], NOW)
    grounds = {t.title: t.ground for t in again.stops}
    assert grounds["Send news and marketing by e-mail"] == "Legitimate interest"


@pytest.mark.parametrize("landed", [True, False])
def test_what_had_gone_before_she_agreed_anew_is_told(
    controller: Controller,
    agreed: int,
    letters: Path,
    landed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its end was cut off: what was written is told, and what was not stays with her."""
    answer = _withdraw(controller, ANA, "marketing.email")
    execute = controller.execute

    def cut_off(*args: Any, **more: Any) -> Any:
        if landed:
            execute(*args, **{**more, "record": lambda outcome: None})
        raise RuntimeError("the machine stopped")

    monkeypatch.setattr(controller, "execute", cut_off)
    with pytest.raises(RuntimeError):
        rights.withdraw(controller, Request((), case=answer.case), (), NOW, erase=True)
    monkeypatch.undo()
    controller.consents.grant(agreed, "marketing.email", LATER, source="form")
    later = LATER + dt.timedelta(days=1)
    done = rights.withdraw(controller, Request((), case=answer.case), (), later, erase=True)
    assert done.complete
    assert _ids(letters) == ([2, 3] if landed else [1, 2, 3, 4])
    assert letter(controller, answer.case, later).changed == (2 if landed else 0)


def test_who_was_erased_meanwhile_is_held_to_her_withdrawal(
    controller: Controller, agreed: int, letters: Path
) -> None:
    """What was recorded went with her; her case said *not complete* for good, and not why."""
    (letters / "shop.sqlite").rename(letters / "away.sqlite")
    answer = _withdraw(controller, ANA, "marketing")
    assert not answer.complete
    (letters / "away.sqlite").rename(letters / "shop.sqlite")
    rights.erase(controller, Request(((ANA,),), override="test"), LATER)
    again = rights.withdraw(controller, Request((), case=answer.case), (), LATER, erase=True)
    assert again.complete
    assert "withdrawn:marketing.email" in controller.facts(ANA, LATER).held
