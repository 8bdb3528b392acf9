"""Reminders: whose task it is hears of it in time, the officer of what stays undone; once each."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.acceptance.conftest import kept
from tests.app.desk import Desk, opened

from kept.app import jobs, mail
from kept.controls.registry import Finding
from kept.duties import rights, staff
from kept.duties.rights import (
    Request,
    clock,
    complaints,
    entering,
    identity,
    intake,
    mailing,
    reminding,
)
from kept.duties.rights.clock_checks import answered_in_time
from kept.duties.rights.recipients import record
from kept.duties.staff import watching
from kept.errors import KeptError, StoreUnreachable
from kept.records.case import State
from kept.records.doubt import Pair
from kept.records.outbox import _Turn
from kept.stores.post import Written
from kept.stores.tasks import Answered, Outcome
from kept.terms.identifiers import parse

MAIL = '\n[mail]\nurl = "out"\nfrom = "desk@kept.test"\n'
WORKER, OFFICER = "worker@kept.test", "officer@kept.test"


@pytest.fixture
def desk(tmp_path: Path, kept_url: str) -> Iterator[Desk]:
    with opened(tmp_path / "world", kept_url, MAIL) as made:
        for name, role, address in (
            ("worker", "verifier", WORKER), ("keeper", "privacy-officer", OFFICER),
        ):  # fmt: skip
            staff.remind_at(made.controller, made.account(name, role), address, None, made.now)
        yield made


def _words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def case_of(desk: Desk) -> str:
    ana = (parse("email=ana@example.org"),)
    request = Request((ana,), region="EEA", arrived=desk.controller.day(desk.now))
    id_ = rights.preview(desk.controller, request, desk.now).case
    assert id_ is not None
    return id_


def sent(desk: Desk) -> list[tuple[str, str]]:
    """(to whom, subject) of all mail that went, in order."""
    mail.deliver(desk.controller, lambda: desk.now)
    found = []
    for file in sorted((desk.directory / "out").glob("*.eml")):
        letter = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = letter.get_body(("plain",))  # type: ignore[attr-defined]
        assert body is not None
        for word in ("ana", "example.org", "Neill"):
            assert word not in body.get_content().casefold().replace("privacy", "")
        found.append((str(letter["To"]), str(letter["Subject"])))
    return found


def test_the_owner_is_reminded_before_the_day_and_the_officer_of_what_is_late(desk: Desk) -> None:
    id_ = case_of(desk)
    case = desk.controller.cases.get(id_)
    with desk.controller.database.connection() as c:
        desk.controller.worklist.give(case, desk.account("worker"), desk.now, connection=c)
    seen: dict[str, list[int]] = {WORKER: [], OFFICER: []}
    for day in range(40):
        for _ in range(2):  # what is repeated sends nothing twice
            jobs._clocks(desk.controller, desk.now)
        now = sent(desk)
        for who, days in seen.items():
            new = sum(1 for to, _ in now if who in to) - len(days)
            days += [day] * new
        desk.later(days=1)
    # Nearly due, due at once, late; the officer hears of the last two.
    assert len(seen[WORKER]) == 3
    assert seen[OFFICER] == seen[WORKER][1:]
    due = desk.controller.clocks.of(case)
    assert due is not None
    last = (due.due - due.arrived).days
    assert seen[WORKER][0] < seen[WORKER][1] <= last < seen[WORKER][2]
    assert {subject for _, subject in sent(desk)} == {f"To be done: {id_}"}
    assert desk.controller.reminders.of(id_)[0][0].startswith("amber:")


def test_what_no_server_took_is_said_again_and_the_officers_are_reached_by_themselves(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail was away while the last day went by. No officer says where; the owner does."""
    controller = desk.controller
    case = controller.cases.get(case_of(desk))
    with controller.database.connection() as c:
        controller.worklist.give(case, desk.account("worker"), desk.now, connection=c)
    staff.remind_at(controller, desk.account("keeper"), "", None, desk.now)
    desk.later(days=50)

    def away(*_: object, **__: object) -> None:
        raise StoreUnreachable("no way there")

    with monkeypatch.context() as broken:
        broken.setattr(type(controller.post), "many", lambda _: nullcontext(away))
        for _ in range(4 * 24):
            jobs._clocks(controller, desk.now)
            mail.deliver(controller, lambda: desk.now)
            controller.outbox.tidy(desk.now)
            desk.later(hours=1)
    assert not (desk.directory / "out").exists()
    for _ in range(3):
        jobs._clocks(controller, desk.now)
        desk.later(hours=2)
        there = sent(desk)
    assert sorted(to for to, _ in there) == [controller.bundle.organisation.email, WORKER]


def test_of_a_case_that_is_done_and_nobody_was_told_the_officer_hears_until_she_was(
    desk: Desk,
) -> None:
    controller = desk.controller
    ana = (parse("email=ana@example.org"),)
    asked = Request((ana,), region="EEA", arrived=controller.day(desk.now), override="a test")
    id_ = rights.access(controller, asked, desk.now, out=desk.directory / "ana.zip").case
    assert reminding.remind(controller, desk.now) == 0
    clock = controller.clocks.of(controller.cases.get(id_))
    assert clock is not None
    seen = []
    for _ in range(45):
        desk.later(days=1)
        seen += [reason for about, reason in ((c.about, c.reason) for c in reminding.calls(
            controller, desk.now)) if about == id_ and reason not in seen]  # fmt: skip
    assert seen == [f"told-{light}:{clock.due}" for light in ("amber", "red", "overdue")]
    assert reminding.remind(controller, desk.now) == 1
    assert sent(desk) == [(OFFICER, f"To be done: {id_}")]
    actor = controller.actors.of("Kim", "operator", desk.now)
    mailing.handed(controller, id_, controller.day(desk.now), actor, desk.now)
    assert [c for c in reminding.calls(controller, desk.now) if c.about == id_] == []


def test_many_cases_of_which_nobody_was_told_are_one_mail(desk: Desk) -> None:
    controller, ids = desk.controller, []
    for n in range(7):
        who = (parse(f"email=p{n}@example.org"),)
        asked = Request((who,), region="EEA", arrived=controller.day(desk.now), override="a test")
        ids.append(rights.erase(controller, asked, desk.now).case)
    due = controller.clocks.of(controller.cases.get(ids[0]))
    assert due is not None
    queued = []
    for _ in range(45):
        desk.later(days=1)
        queued += [n for n in (reminding.remind(controller, desk.now) for _ in range(2)) if n]
        sent(desk)
    assert queued == [1, 1, 1], "near its day, on it, and after it"
    assert sent(desk) == [(OFFICER, "To be done: 7 cases")] * 3
    for file in (desk.directory / "out").glob("*.eml"):
        letter = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = letter.get_body(("plain",))  # type: ignore[attr-defined]
        said = " ".join(body.get_content().split())
        assert all(id_ in said for id_ in ids)
        assert str(due.due) in said
    # A few are told one by one.
    who = (parse("email=last@example.org"),)
    asked = Request((who,), region="EEA", arrived=controller.day(desk.now), override="a test")
    one = rights.erase(controller, asked, desk.now).case
    desk.later(days=45)
    assert reminding.remind(controller, desk.now) == 1
    assert (OFFICER, f"To be done: {one}") in sent(desk)


def test_cut_off_between_sending_and_noting_it_goes_once_more_and_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_of(desk)
    desk.later(days=40)
    assert reminding.remind(desk.controller, desk.now) == 1  # nobody's: the officer
    handed: list[str] = []
    post = desk.controller.post
    assert post is not None
    send = type(post).send

    def counted(self: object, message: Written, **words: str) -> None:
        handed.append(message.id)
        send(self, message, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(type(post), "send", counted)
    with monkeypatch.context() as cut:

        def stop(self: _Turn, now: object) -> None:
            raise KeptError("the machine stopped")

        cut.setattr(_Turn, "sent", stop)
        with pytest.raises(KeptError):
            mail.deliver(desk.controller, lambda: desk.now)
    for _ in range(3):
        reminding.remind(desk.controller, desk.now)
        mail.deliver(desk.controller, lambda: desk.now)
    assert len(handed) == 2
    assert len(set(handed)) == 1


def test_a_system_that_is_away_for_a_week_is_on_the_desk_and_told_twice(desk: Desk) -> None:
    keeper = desk.account("keeper")
    shop = desk.directory / "shop.sqlite"
    shop.rename(desk.directory / "gone")
    for day in range(9):
        assert jobs._systems(desk.controller, desk.now)
        jobs._clocks(desk.controller, desk.now)
        told = [to for to, _ in sent(desk)]
        (away,) = desk.controller.away.all()
        assert (away.system, away.days(desk.now)) == ("shop", day)
        desk.later(days=1)
    assert told == [OFFICER] * 2
    page = desk.browser(desk.session(keeper)).get("/desk").text
    assert "has not answered since" in page
    assert "for 9 days" in page
    (desk.directory / "gone").rename(shop)
    assert jobs._systems(desk.controller, desk.now)
    assert "has not answered" not in desk.browser(desk.session(keeper)).get("/desk").text


def test_a_complaint_that_waits_reaches_the_officer_or_the_organisation(desk: Desk) -> None:
    actor = desk.controller.actors.of("Jo", "intake", desk.now)
    came = complaints.Came("letter", desk.controller.day(desk.now), "You were rude.")
    one = complaints.add(desk.controller, came, actor, desk.now)
    on, hana = desk.controller.day(desk.now), (parse("email=hana@example.org"),)
    (question,), _ = entering.add(
        desk.controller, entering.Came("email", on, hana, ("question",), "Why?"), actor, desk.now
    )
    assert reminding.remind(desk.controller, desk.now) == 0
    desk.later(days=8)
    assert [call.about for call in reminding.calls(desk.controller, desk.now)] == [question.id]
    desk.controller.outbox.tidy(desk.now)
    desk.later(days=-8)
    desk.later(days=31)
    staff.remind_at(desk.controller, desk.account("keeper"), "", None, desk.now)
    assert reminding.remind(desk.controller, desk.now) == 2
    to = desk.controller.bundle.organisation.email
    assert {*sent(desk)} == {(to, f"To be done: {id_}") for id_ in (one.id, question.id)}
    with pytest.raises(KeptError):
        staff.remind_at(desk.controller, desk.account("keeper"), "no mail", None, desk.now)
    browser = desk.browser(desk.session(desk.account("worker")))
    assert browser.post("/desk/account/mail", mail="w2@kept.test").status_code == 303
    assert "w2@kept.test" in browser.get("/desk/account").text
    assert browser.post("/desk/account/mail", mail="not one").status_code == 400
    assert [e["what"] for e in desk.entries("account.changed")][-1] == "reminded-at"


def test_who_does_not_answer_is_brought_before_the_officers_and_the_case_ends(desk: Desk) -> None:
    controller = desk.controller
    id_ = case_of(desk)
    rights.erase(controller, Request((), case=id_, override="a test"), desk.now)
    case = controller.cases.get(id_)
    assert (case.state, case.closed_at) == (State.AWAITING, None)
    began = desk.now
    assert controller.deliver(began).sent
    # Nobody is escalated before its time, nor by a mail that was not queued.
    desk.now = began + dt.timedelta(days=6)
    reminding.remind(controller, desk.now)
    assert controller.cases.get(id_).state is State.AWAITING
    desk.now = began + dt.timedelta(days=60)
    assert reminding.remind(controller, desk.now) > 0
    over = controller.cases.get(id_)
    assert (over.state, over.done_at, over.closed_at) == (State.CLOSED, began, desk.now)
    assert reminding.remind(controller, desk.now) == 0
    (settled,) = desk.entries("recipients.settled")
    noted = controller.recipients.of([case.number])
    assert (settled["escalated"], settled["done"]) == (len(noted), 0)
    assert all(one.escalated_at == desk.now for one in noted)
    # It stays listed, and an open point, until it is settled with them.
    assert [one[0] for one in controller.recipients.open_loops()] == [id_]


def test_of_a_child_it_says_that_it_waits_and_not_that_something_is_left_to_mend(
    desk: Desk,
) -> None:
    keeper = desk.browser(desk.session(desk.account("keeper")))
    asked = Request(((parse("email=ana@example.org"),),), override="a test", ground="child")
    one = rights.erase(desk.controller, asked, desk.now).case
    page = _words(keeper.get(f"/desk/cases/{one}").text)
    for said in ("Waits for recipients", "All rows that it met are gone.", "1 recipient has still"):
        assert said in page
    for wrong in ("not complete", "left to mend"):
        assert wrong not in page.casefold()
    inbox = _words(keeper.get("/desk").text)
    assert "waits for recipients Task of: nobody" in inbox
    (task,) = desk.controller.tasks()
    record(desk.controller, task.id, Answered(Outcome.DONE, "Jo", desk.now, "a letter"), "operator")
    page = _words(keeper.get(f"/desk/cases/{one}").text)
    assert "waits for recipients" not in page.casefold()


def test_an_alert_that_nobody_looked_into_is_told_and_told_once_more(desk: Desk) -> None:
    controller, worker = desk.controller, desk.controller.actors.of("worker", "support", desk.now)
    most = controller.desk.people
    assert watching.noted(controller, worker, (f"person {n}" for n in range(most)), 1, desk.now)
    assert [reminding.remind(controller, desk.now) for _ in range(2)] == [1, 0]
    ((to, subject),) = sent(desk)
    assert OFFICER in to
    assert subject == "To be done: alert-1"
    desk.later(days=8)
    # No day has come nearer, and somebody is reminded all the same: it says that, and no more.
    at = ("--now", desk.now.isoformat())
    said = [kept(desk.directory, "case", "remind", *at, json=False).out.strip() for _ in range(2)]
    assert said == [
        "1 mail to remind somebody went out.", "Nobody is to be reminded of anything new.",
    ]  # fmt: skip
    (alert,) = controller.watch.alerts(unseen=True)
    with controller.database.connection() as c:
        assert controller.watch.seen(alert.number, desk.account("keeper"), desk.now, connection=c)
    desk.later(days=30)
    assert reminding.remind(controller, desk.now) == 0


def test_a_role_taken_in_an_emergency_is_told_to_officers_until_one_looked(desk: Desk) -> None:
    taker = desk.account("taker", "intake")
    staff.break_glass(desk.controller, taker, "verifier", "nobody else is here", desk.now)
    assert [reminding.remind(desk.controller, desk.now) for _ in range(2)] == [1, 0]
    ((_, subject),) = sent(desk)
    assert subject.startswith("To be done: emergency-")
    officer = desk.browser(desk.session(desk.account("keeper")))
    assert '<span class="count">1<' in officer.get("/desk").text
    (grant,) = desk.controller.accounts.emergencies()
    officer.post("/desk/accounts/review", grant=str(grant.number))
    assert '<span class="count">' not in officer.get("/desk").text.partition("</nav>")[0]
    assert desk.controller.accounts.emergencies() == []


def test_many_alerts_at_once_are_one_mail(desk: Desk) -> None:
    controller = desk.controller
    worker = controller.actors.of("worker", "support", desk.now)
    with controller.database.connection() as c:
        for _ in range(40):
            controller.watch.alone(worker, 1, 1, desk.now, connection=c)
    assert [reminding.remind(controller, desk.now) for _ in range(2)] == [1, 0]
    assert [subject for _, subject in sent(desk)] == ["To be done: alerts"]
    with controller.database.connection() as c:
        controller.watch.alone(worker, 1, 1, desk.now, connection=c)
    assert reminding.remind(controller, desk.now) == 0
    desk.later(days=1)
    with controller.database.connection() as c:
        controller.watch.alone(worker, 1, 1, desk.now, connection=c)
    assert reminding.remind(controller, desk.now) == 1
    desk.later(days=8)
    assert [reminding.remind(controller, desk.now) for _ in range(2)] == [1, 0]


def test_what_may_be_one_person_or_two_is_told_of_once_a_week_until_it_is_decided(
    desk: Desk,
) -> None:
    controller = desk.controller
    case = controller.cases.get(case_of(desk))
    pair = Pair(parse("email=ana@example.org"), parse("account=77"), "plus-tag")
    with controller.database.connection() as c:
        controller.doubts.add(case, [pair], desk.now, connection=c)

    def told() -> int:
        return sum(c.about == "doubts" for c in reminding.calls(controller, desk.now))

    assert told() == 0
    desk.later(days=7)
    for _ in range(3):
        assert told() == 1
        reminding.remind(controller, desk.now)
        mails = sent(desk)
        desk.later(days=1)
    assert [subject for _, subject in mails if "doubts" in subject] == ["To be done: doubts"]
    (doubt,) = controller.doubts.all()
    officer = controller.actors.of("keeper", "privacy-officer", desk.now)
    identity.settle(controller, doubt.id, "different", "her sister", officer, desk.now)
    assert told() == 0


def test_somebody_is_reminded_to_tell_her_that_it_has_come(desk: Desk) -> None:
    """California: within ten working days; once it is entered nobody hears of it any more."""
    ana = (parse("email=ana@example.org"),)
    request = Request((ana,), region="US-CA", arrived=desk.controller.day(desk.now))
    id_ = rights.preview(desk.controller, request, desk.now).case
    assert id_ is not None
    (by,) = (s.clock.confirm_by for s in clock.standings(desk.controller, desk.now))
    assert by is not None

    def told() -> list[str]:
        return [c.words for c in reminding.calls(desk.controller, desk.now)
                if "her request has come" in c.words]  # fmt: skip

    assert told() == []
    desk.now += dt.timedelta(days=(by - desk.controller.day(desk.now)).days)
    (words,) = told()
    assert f"is to be by {by}" in words
    desk.now += dt.timedelta(days=3)
    (words,) = told()
    assert f"was to be by {by}" in words
    who = desk.controller.actors.of("Kim", "operator", desk.now)
    clock.acknowledge(desk.controller, id_, None, who, desk.now)
    assert told() == []


def test_whom_a_mail_tells_that_it_has_come_nobody_has_to_tell(desk: Desk) -> None:
    """What staff enter with an address is answered by a mail; on a list she may have been told."""
    who = desk.controller.actors.of("Kim", "intake", desk.now)
    came = entering.Came(
        "letter", desk.controller.day(desk.now), (parse("email=ana@example.org"),), ("access",),
        "What do you hold of me?", "US-CA",
    )  # fmt: skip
    (one,), _ = entering.add(desk.controller, came, who, desk.now)
    (case,) = (desk.controller.cases.get(id_) for _, id_ in one.cases)
    assert case.state is State.ACKNOWLEDGED
    assert clock.acknowledged(desk.controller, case)
    desk.now += dt.timedelta(days=20)
    assert not any("has come" in c.words for c in reminding.calls(desk.controller, desk.now))
    assert _not_told(desk) == []


def _not_told(desk: Desk) -> list[str]:
    found = answered_in_time(desk.controller, desk.now)
    return [f.words for f in found if isinstance(f, Finding) and "has come" in f.words]


def test_whom_a_mail_told_before_it_was_said_what_she_asks_is_told(desk: Desk) -> None:
    """Staff sort what nobody recognised days later; the mail went when it was entered."""
    who = desk.controller.actors.of("Kim", "intake", desk.now)
    ana = parse("email=ana@example.org")
    came = entering.Came(
        "letter", desk.controller.day(desk.now), (ana,), (), "Hm, that thing of last week.", "US-CA"
    )
    (one,), _ = entering.add(desk.controller, came, who, desk.now)
    assert one.asked == ("unclear",)
    one = entering.classify(desk.controller, one.id, ["access"], (), who, desk.now)
    (case,) = (desk.controller.cases.get(id_) for _, id_ in one.cases)
    assert clock.acknowledged(desk.controller, case)


def test_of_whom_was_told_before_the_day_can_be_entered_at_the_desk(desk: Desk) -> None:
    """A list that is read late says that she was told, and not when: it was counted as late, and
    only a command could put it right.
    """
    who = desk.controller.actors.of("Kim", "intake", desk.now)
    came = entering.Came(
        "letter", desk.controller.day(desk.now) - dt.timedelta(days=30),
        (parse("email=ana@example.org"),), ("access",), "What do you hold of me?", "US-CA",
    )  # fmt: skip
    (one,), _ = entering.add(desk.controller, came, who, desk.now, told=True)
    ((_, case),) = one.cases
    assert len(_not_told(desk)) == 1
    olga = desk.browser(desk.session(desk.account("olga", "privacy-officer")))
    assert f"/desk/cases/{case}/acknowledge" in olga.get(f"/desk/cases/{case}").text
    day = desk.controller.day(desk.now) - dt.timedelta(days=29)
    assert olga.post(f"/desk/cases/{case}/acknowledge", on=day).status_code == 303
    assert _not_told(desk) == []
    assert "/acknowledge" not in olga.get(f"/desk/cases/{case}").text


def test_whom_a_letter_without_a_case_did_not_reach_officers_hear_of(desk: Desk) -> None:
    controller, who = desk.controller, desk.controller.actors.of("Kim", "intake", desk.now)
    came = entering.Came("letter", controller.day(desk.now), (parse("email=ana@example.org"),),
                         ("mail-of-customer",), "Your customer writes to me", "US-CA")  # fmt: skip
    (one,), _ = entering.add(controller, came, who, desk.now)
    assert not one.open
    assert not [c for c in reminding.calls(controller, desk.now) if c.about == one.id]
    desk.now += dt.timedelta(days=4)
    for _ in range(2):  # given up, and noted
        intake.tend(controller, desk.now)
    (call,) = [c for c in reminding.calls(controller, desk.now) if c.about == one.id]
    assert "heard nothing" in call.words
    assert call.officers


def test_by_a_mail_that_no_server_took_nobody_was_told_that_it_has_come(desk: Desk) -> None:
    """Once it is given up somebody has to tell her; what stands on record by then is not so."""
    controller = desk.controller
    who, arrived = controller.actors.of("Kim", "intake", desk.now), controller.day(desk.now)
    for address in ("ana@example.org", "ben@example.org"):
        came = entering.Came("letter", arrived, (parse(f"email={address}"),), ("access",),
                             "What do you hold of me?", "US-CA")  # fmt: skip
        entering.add(controller, came, who, desk.now)
    came = entering.Came(
        "letter", arrived, (parse("email=cleo@example.org"),), (), "Hm, that thing.", "US-CA"
    )
    (unclear,), _ = entering.add(controller, came, who, desk.now)
    lost, told = controller.cases.all()
    letters = "SELECT letter FROM intake WHERE case_number = %s"
    with controller.database.connection() as c:
        (sent,) = c.execute(letters, (told.number,)).fetchone() or ()
        c.execute("UPDATE outbox SET outcome = 'sent', sent_at = %s WHERE id = %s",
                  (desk.now, sent))  # fmt: skip
    assert {one.state for one in (lost, told)} == {State.ACKNOWLEDGED}
    desk.now += dt.timedelta(days=4)
    for _ in range(2):  # given up, and noted
        intake.tend(controller, desk.now)
    lost, told = (controller.cases.get(one.id) for one in (lost, told))
    assert (lost.state, told.state) == (State.RECEIVED, State.ACKNOWLEDGED)
    assert [clock.acknowledged(controller, one) for one in (lost, told)] == [False, True]
    unclear = entering.classify(controller, unclear.id, ["access"], (), who, desk.now)
    late_said = controller.cases.get(unclear.cases[0][1])
    assert late_said.state is State.RECEIVED
    assert not clock.acknowledged(controller, late_said)
    clock.acknowledge(controller, late_said.id, None, who, desk.now)
    desk.now += dt.timedelta(days=20)
    calls = [c.about for c in reminding.calls(controller, desk.now) if "has come" in c.words]
    assert calls == [lost.id]
    late = [f for f in answered_in_time(controller, desk.now) if isinstance(f, Finding)]
    assert sum("has come" in f.words for f in late) == 1
    desk.account("keeper", "privacy-officer")
    page = desk.browser(desk.session(desk.account("keeper"))).get(f"/desk/cases/{lost.id}").text
    assert "she is still to be told" in page
    assert f"/desk/cases/{lost.id}/acknowledge" in page
    clock.acknowledge(controller, lost.id, arrived + dt.timedelta(days=5), who, desk.now)
    assert clock.acknowledged(controller, lost)
    assert not any("has come" in c.words for c in reminding.calls(controller, desk.now))
