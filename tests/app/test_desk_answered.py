"""What was written before all was done is no answer, by whichever way and whenever it comes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.acceptance.conftest import kept
from tests.app.desk import opened
from tests.app.test_desk_cases import at, words
from tests.app.test_desk_handing import World
from tests.asking import links, mail_server, text
from tests.world import edit

from kept import deployment, migrations
from kept.app import web
from kept.app.desk import working
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import Request, close_case, delivery, mailing, paper, recipients
from kept.duties.rights.letter import letter
from kept.duties.rights.request import open_case
from kept.errors import UsageError
from kept.records import answered
from kept.records.actor import Actor
from kept.records.case import State
from kept.stores.tasks import Answered
from kept.stores.tasks import Outcome as TaskOutcome
from kept.terms.identifiers import Identifier

LONG = dt.timedelta(days=60)


@pytest.fixture
def world(tmp_path: Path, kept_url: str) -> Iterator[World]:
    with mail_server() as (inbox, url):
        mail = f'[mail]\nurl = "{url}"\nfrom = "privacy@example.net"\n'
        with opened(tmp_path / "world", kept_url, extra=mail) as desk:
            yield World(desk, inbox)


def _who(world: World, role: str = "operator") -> Actor:
    return world.controller.actors.of("Kim", role, world.desk.now)


def _asked(case: str, role: str = "operator") -> Request:
    return Request((), case=case, actor="Kim", role=role)


def _untold(world: World, case: str) -> None:
    """Nobody counts her as told: neither the records, nor the first page, nor, too late, the
    control."""
    controller, now = world.controller, world.desk.now
    number = controller.cases.get(case).number
    assert answered.days(controller.database, [number], now, controller.desk.zone) == {}
    assert case in [one.id for one in controller.worklist.untold(now, controller.desk.zone, 50)[0]]
    (met,) = run(controller, registered(), now + LONG, names=["rights.answered-in-time"])
    assert met.outcome is Outcome.FAIL
    assert any("not on record that the person was told" in f.words for f in met.findings)


def _her_page(world: World, address: str) -> str:
    """Where her request stands, by the newest mail to her."""
    (link,) = [p for p in links(world.inbox.to(address)[-1]) if "/requests/" in p]
    return "/privacy/requests/" + link.rpartition("/")[2]


def _told(world: World, case: str) -> None:
    controller, now = world.controller, world.desk.now
    mailing.mail_answer(controller, case, _who(world), now, again=True)
    world.send()
    number = controller.cases.get(case).number
    days = answered.days(controller.database, [number], now, controller.desk.zone)
    assert days == {number: controller.day(now)}
    (met,) = run(controller, registered(), now + LONG, names=["rights.answered-in-time"])
    assert met.outcome is Outcome.PASS


@pytest.mark.parametrize("way", ["mail", "mail-late", "paper"])
def test_a_letter_of_what_is_left_is_no_answer_once_it_is_done(world: World, way: str) -> None:
    controller, desk = world.controller, world.desk
    one = world.proven("erasure", "ben@example.org")
    shop, gone = desk.directory / "shop.sqlite", desk.directory / "gone"
    shop.rename(gone)
    assert not rights.erase(controller, _asked(one), desk.now).complete
    with pytest.raises(UsageError, match="not her answer yet"):
        mailing.handed(controller, one, controller.day(desk.now), _who(world), desk.now)
    if way == "paper":
        paper.make(controller, one, ("Ben", "1 Road"), _who(world), desk.now)
    else:
        world.inbox.refuse = way == "mail-late"
        mailing.mail_answer(controller, one, _who(world), desk.now)
        world.send()
    desk.later(hours=3)
    gone.rename(shop)
    assert rights.erase(controller, _asked(one), desk.now).complete
    desk.later(minutes=20)
    if way == "paper":
        paper.posted(controller, one, None, controller.day(desk.now), _who(world), desk.now)
    elif way == "mail-late":
        world.inbox.refuse = False
        desk.later(hours=2)
        world.send()
        assert world.inbox.letters
    _untold(world, one)
    _told(world, one)


def test_a_package_of_what_was_reached_is_no_answer_once_the_rest_is(world: World) -> None:
    controller, desk = world.controller, world.desk
    one = world.proven("access", "ben@example.org")
    shop, gone = desk.directory / "shop.sqlite", desk.directory / "gone"
    shop.rename(gone)
    first, second = desk.directory / "1.zip", desk.directory / "2.zip"
    assert not rights.access(controller, _asked(one), desk.now, out=first).complete
    made = delivery.deliver(controller, one, first, _who(world), desk.now)
    world.send()
    desk.later(hours=3)
    gone.rename(shop)
    assert rights.access(controller, _asked(one), desk.now, out=second).complete
    desk.later(hours=1)
    old = delivery.found(controller, made.token, desk.now)
    assert old is not None
    code = delivery.fresh_code(controller, old, desk.now)
    assert code is not None
    got = delivery.fetch(controller, made.token, code, desk.now)
    assert got is not None
    assert b"".join(got[1])
    _untold(world, one)
    made = delivery.deliver(controller, one, second, _who(world), desk.now)
    world.send()
    number = controller.cases.get(one).number
    days = answered.days(controller.database, [number], desk.now, controller.desk.zone)
    assert days == {number: controller.day(desk.now)}


def test_what_she_was_told_before_it_was_refused_is_no_answer(world: World) -> None:
    controller, desk = world.controller, world.desk
    weighed = world.proven("objection", "ben@example.org")
    hers = _her_page(world, "ben@example.org")
    refused = world.proven("access", "ana@example.org")
    officer = _who(world, "privacy-officer")
    asked = _asked(weighed, officer.role)
    rights.object_to(controller, asked, ["analytics"], desk.now, region="EEA")
    (desk.directory / "shop.sqlite").rename(desk.directory / "gone")
    rights.access(controller, _asked(refused), desk.now, out=desk.directory / "1.zip")
    for case in (weighed, refused):
        mailing.mail_answer(controller, case, officer, desk.now)
    world.send()
    (desk.directory / "gone").rename(desk.directory / "shop.sqlite")
    desk.later(days=10)
    rights.weigh(
        controller, weighed, "refused", "we need it", actor="Kim", role=officer.role, now=desk.now
    )
    close_case(controller, refused, "refused", "no more", officer, desk.now, code="excessive")
    for case in (weighed, refused):
        _untold(world, case)
    page = words(desk.browser().get(hers).text)
    assert "We could not do it. Our answer to you, with the reason, is still to come." in page
    for case in (weighed, refused):
        mailing.mail_answer(controller, case, officer, desk.now, again=True)
    world.send()
    page = words(desk.browser().get(hers).text)
    assert "We could not do it. The reason is in our answer to you." in page
    (met,) = run(controller, registered(), desk.now + LONG, names=["rights.answered-in-time"])
    assert met.outcome is Outcome.PASS


def test_what_was_late_stays_late_when_it_is_taken_back(world: World) -> None:
    controller, desk = world.controller, world.desk
    in_time = world.proven("access", "ana@example.org")
    late = world.proven("access", "ben@example.org")
    officer = _who(world, "privacy-officer")
    close_case(controller, in_time, "withdrawn", "she called", officer, desk.now)
    (met,) = run(controller, registered(), desk.now, names=["rights.answered-in-time"])
    assert met.outcome is Outcome.PASS
    desk.later(days=80)
    close_case(controller, late, "withdrawn", "she called", officer, desk.now)
    (met,) = run(controller, registered(), desk.now, names=["rights.answered-in-time"])
    assert met.outcome is Outcome.FAIL
    (finding,) = met.findings
    assert "taken back" in finding.words


@pytest.mark.parametrize("mail", [True, False])
def test_who_asked_for_a_child_is_answered_before_nothing_of_her_is_left(
    world: World, mail: bool
) -> None:
    """At the end of a child's case nobody knows an address any more."""
    controller, desk = world.controller, world.desk
    one = world.proven("erasure", "ben@example.org")
    asked = dataclasses.replace(_asked(one), ground="child")
    world.inbox.refuse = not mail
    before = len(world.inbox.letters)
    assert not rights.erase(controller, asked, desk.now).complete, "others are still to answer"
    mailing.mail_answer(controller, one, _who(world), desk.now)
    world.send()
    desk.later(days=20)
    for task in controller.tasks():
        done = Answered(TaskOutcome.DONE, "Jo", desk.now, "a letter")
        recipients.record(controller, task.id, done, "operator")
    assert rights.erase(controller, asked, desk.now).complete
    world.send()
    number = controller.cases.get(one).number
    days = answered.days(controller.database, [number], desk.now, controller.desk.zone)
    assert mailing.proven_address(controller, controller.cases.get(one)) is None
    if mail:
        assert days == {number: controller.day(desk.now)}
        interim, last = world.inbox.letters[before:]
        assert "it was told, and has answered" in text(last)
        assert "the answer is waited for" in text(interim)
    else:
        assert days == {}
    (met,) = run(controller, registered(), desk.now, names=["rights.child-cases-name-nobody"])
    assert met.outcome is Outcome.PASS


def test_a_letter_of_before_stands_in_nobodys_way(world: World) -> None:
    """Neither of the end nor of the answer, while it waits and once it went."""
    controller, desk = world.controller, world.desk
    taken, done = (world.proven(r, "ben@example.org") for r in ("access", "erasure"))
    shop, gone = desk.directory / "shop.sqlite", desk.directory / "gone"
    shop.rename(gone)
    rights.access(controller, _asked(taken), desk.now, out=desk.directory / "1.zip")
    rights.erase(controller, _asked(done), desk.now)
    world.inbox.refuse = True
    for case in (taken, done):
        mailing.mail_answer(controller, case, _who(world), desk.now)
    world.send()
    gone.rename(shop)
    desk.later(hours=3)
    assert rights.erase(controller, _asked(done), desk.now).complete
    assert mailing.take_back(controller, taken, "she called", _who(world), desk.now)[1] is None
    desk.account("olga", "privacy-officer")
    page = words(at(desk, "olga").get(f"/desk/cases/{done}").text)
    assert "A letter of how far it had come waits to be sent" in page
    assert "The answer waits in the outbox" not in page
    mailing.mail_answer(controller, done, _who(world), desk.now)
    with pytest.raises(UsageError, match="waits to be sent already"):
        mailing.mail_answer(controller, done, _who(world), desk.now)
    world.inbox.refuse = False
    desk.later(hours=2)
    world.send()
    # What had waited did not go after the answer.
    sent = [text(letter) for letter in world.inbox.letters]
    assert not [one for one in sent if "This is not finished" in one]
    (old, new) = controller.mailed.of(controller.cases.get(done))
    assert (old.outcome, new.outcome) == ("replaced", "sent")
    page = words(at(desk, "olga").get(f"/desk/cases/{done}").text)
    assert "did not go: a newer letter took its place" in page
    numbers = [controller.cases.get(case).number for case in (taken, done)]
    days = answered.days(controller.database, numbers, desk.now, controller.desk.zone)
    assert set(days) == set(numbers)


def test_an_old_letter_on_paper_is_said_to_be_no_answer(world: World) -> None:
    controller, desk = world.controller, world.desk
    one = world.proven("erasure", "ben@example.org")
    shop, gone = desk.directory / "shop.sqlite", desk.directory / "gone"
    shop.rename(gone)
    rights.erase(controller, _asked(one), desk.now)
    old, _ = paper.make(controller, one, ("Ben", "1 Road"), _who(world), desk.now)
    gone.rename(shop)
    desk.later(hours=1)
    rights.erase(controller, _asked(one), desk.now)
    desk.account("olga", "privacy-officer")
    olga, day = at(desk, "olga"), str(controller.day(desk.now))
    sent = olga.post(f"/desk/cases/{one}/posted", letter=str(old.id), on=day)
    page = words(olga.get(sent.headers["location"]).text)
    assert "It was written before all was done, and is not her answer" in page
    said = kept(desk.directory, "case", "show", one, json=False).said
    assert "How far it had come, on paper, letter" in said
    _untold(world, one)


def test_her_page_says_that_a_restriction_is_in_force(world: World) -> None:
    controller, desk = world.controller, world.desk
    one = world.proven("restriction", "ben@example.org")
    rights.restrict(controller, _asked(one), "claims", desk.now)
    page = words(desk.browser().get(_her_page(world, "ben@example.org")).text)
    assert "It is in force: what we know to be yours is not used" in page
    assert "We are working on it" not in page
    assert "The last day for our answer" not in page


def test_a_restriction_says_where_nobody_could_be_asked_until_it_is_gone_on_with(
    world: World,
) -> None:
    """While a system is away what she is known by there may still be used. The desk, her page and
    the letter say so, the desk offers to go on, and none says so any more once it was asked.
    """
    controller, desk = world.controller, world.desk
    one = world.proven("restriction", "ben@example.org")
    hers = _her_page(world, "ben@example.org")
    desk.account("olga", "privacy-officer")
    olga, path = at(desk, "olga"), f"/desk/cases/{one}"
    shop, gone = desk.directory / "shop.sqlite", desk.directory / "gone"
    shop.rename(gone)
    olga.post(f"{path}/plan", ground="claims")
    olga.post(f"{path}/carry-out")
    working.finish()
    known = Identifier("account", "2")
    assert "restricted" not in controller.facts(known, desk.now).held, "as said: it may be used"
    page = words(olga.get(path).text)
    assert "shop could not be asked by what else she is known there" in page
    assert "what is stored is not used" not in page
    assert "Stands at: in force, and not finished" in words(olga.get("/desk").text)
    page = words(desk.browser().get(hers).text)
    assert "Not every system could be asked yet" in page
    assert "The last day for our answer" in page
    ran = kept(desk.directory, "case", "show", one, json=False)
    assert f"rights restrict --case {one} --ground claims --yes" in ran.said
    # Nothing goes on after the notice that it is lifted, so that waits; and no letter answers yet.
    assert "told that it is lifted" not in page
    refused = olga.post(f"{path}/decide", step="told", words="on the telephone")
    assert refused.status_code == 400
    assert "was not asked by what else she is known there" in words(refused.text)
    with pytest.raises(UsageError, match="not her answer yet"):
        mailing.handed(controller, one, controller.day(desk.now), _who(world), desk.now)
    mailing.mail_answer(controller, one, _who(world), desk.now)
    world.send()
    said = kept(desk.directory, "case", "show", one, json=False).said
    assert "How far it had come, by mail" in said
    assert "A letter of how far it had come went" in words(olga.get(path).text)
    assert "We could NOT ask this system" in _letter(world, one)
    assert "what we hold under that may still be used" in " ".join(_letter(world, one).split())
    gone.rename(shop)
    desk.later(minutes=5)
    assert olga.post(f"{path}/carry-out").status_code == 303
    working.finish()
    assert "restricted" in controller.facts(known, desk.now).held
    page = words(olga.get(path).text)
    assert "It is in force: what is stored is not used." in page
    assert "Write the letter" in page, "for whom asked on paper it is all that says so"
    assert "could not be asked" not in page
    assert f"{path}/carry-out" not in olga.get(path).text
    page = words(desk.browser().get(hers).text)
    assert "It is in force: what we know to be yours is not used" in page
    assert "NOT ask" not in _letter(world, one)
    assert (
        "not for all that is hers" not in kept(desk.directory, "case", "show", one, json=False).said
    )
    names = ["rights.restrictions-stop-every-use"]
    (met,) = run(controller, registered(), desk.now, names=names)
    assert met.outcome is Outcome.PASS


def _letter(world: World, case: str) -> str:
    return letter(world.controller, case, world.desk.now).text()


@pytest.mark.parametrize("way", ["link", "in-person"])
def test_a_letter_that_a_copy_was_made_does_not_stand_for_the_copy(world: World, way: str) -> None:
    """Only the letter went: her page and the desk say that her copy is still to come, until a link
    leads to it or it is entered that she was handed it.
    """
    controller, desk = world.controller, world.desk
    one = world.proven("access", "ben@example.org")
    hers = _her_page(world, "ben@example.org")
    desk.account("olga", "privacy-officer")
    olga, path = at(desk, "olga"), f"/desk/cases/{one}"
    out = desk.directory / "hers.zip"
    assert rights.access(controller, _asked(one), desk.now, out=out).complete
    mailing.mail_answer(controller, one, _who(world), desk.now)
    world.send()
    # A letter that counted before, so that nobody looked at the case any more, is found again.
    with controller.database.connection() as c:
        c.execute("UPDATE case_clock SET untold = false")
        c.execute((migrations.HERE / "0047_looked_at_again.sql").read_bytes())
    _untold(world, one)
    owed = "Done. You have our letter; your copy is still to come."
    assert owed in words(desk.browser().get(hers).text)
    assert "her copy is with her is not on record: only the letter" in words(olga.get(path).text)
    if way == "link":
        delivery.deliver(controller, one, out, _who(world), desk.now)
        world.send()
    else:
        today = controller.day(desk.now).isoformat()
        assert olga.post(f"{path}/posted", way="in-person", on=today).status_code == 303
    assert "Done. You have our answer." in words(desk.browser().get(hers).text)
    assert "is not on record" not in words(olga.get(path).text)
    number = controller.cases.get(one).number
    days = answered.days(controller.database, [number], desk.now, controller.desk.zone)
    assert days == {number: controller.day(desk.now)}
    (met,) = run(controller, registered(), desk.now + LONG, names=["rights.answered-in-time"])
    assert met.outcome is Outcome.PASS


@pytest.mark.parametrize("first", ["letter", "link"])
def test_a_link_that_no_server_took_leads_nobody_to_her_copy(world: World, first: str) -> None:
    """The letter went and the mail with the link did not: in no order is that her answer."""
    controller, desk = world.controller, world.desk
    one = world.proven("access", "ben@example.org")
    hers = _her_page(world, "ben@example.org")
    out = desk.directory / "hers.zip"
    assert rights.access(controller, _asked(one), desk.now, out=out).complete

    def letter_goes() -> None:
        world.inbox.refuse = False
        mailing.mail_answer(controller, one, _who(world), desk.now)
        world.send()

    if first == "letter":
        letter_goes()
    world.inbox.refuse = True
    delivery.deliver(controller, one, out, _who(world), desk.now)
    for _ in range(6):
        world.send()
        desk.later(days=1)
    controller.outbox.tidy(desk.now)
    mailing.settle(controller, desk.now)
    if first == "link":
        letter_goes()
    assert [m.outcome for m in controller.mailed.of(controller.cases.get(one))].count("sent") == 1
    _untold(world, one)
    page = words(desk.browser().get(hers).text)
    assert "You have our letter; your copy is still to come." in page
    # Another link that arrives does.
    world.inbox.refuse = False
    delivery.deliver(controller, one, out, _who(world), desk.now)
    world.send()
    assert "Done. You have our answer." in words(desk.browser().get(hers).text)
    (met,) = run(controller, registered(), desk.now + LONG, names=["rights.answered-in-time"])
    assert met.outcome is Outcome.PASS


def test_a_link_to_what_was_reached_leads_to_no_copy_of_all(world: World) -> None:
    """A system was away when the package behind it was made; the letter came once it was asked."""
    controller, desk = world.controller, world.desk
    one = world.proven("access", "ben@example.org")
    hers = _her_page(world, "ben@example.org")
    shop, gone = desk.directory / "shop.sqlite", desk.directory / "gone"
    first, second = desk.directory / "1.zip", desk.directory / "2.zip"
    shop.rename(gone)
    assert not rights.access(controller, _asked(one), desk.now, out=first).complete
    delivery.deliver(controller, one, first, _who(world), desk.now)
    world.send()
    gone.rename(shop)
    desk.later(hours=3)
    assert rights.access(controller, _asked(one), desk.now, out=second).complete
    mailing.mail_answer(controller, one, _who(world), desk.now)
    world.send()
    _untold(world, one)
    owed = "You have our letter; your copy is still to come."
    assert owed in words(desk.browser().get(hers).text)
    desk.later(days=6)  # nor did she miss it when the time of that one is over
    page = words(desk.browser().get(hers).text)
    assert owed in page
    assert "was not fetched" not in page
    with pytest.raises(UsageError, match="one that was made before"):
        delivery.deliver(controller, one, first, _who(world), desk.now)
    delivery.deliver(controller, one, second, _who(world), desk.now)
    world.send()
    assert "Done. You have our answer." in words(desk.browser().get(hers).text)


def test_a_copy_that_was_handed_over_ends_what_is_said_of_its_link(world: World) -> None:
    """No server took the mail with it: neither she nor the staff read that she did not fetch it,
    and once she has it nobody is told to send it again.
    """
    controller, desk = world.controller, world.desk
    one = world.proven("access", "ben@example.org")
    hers = _her_page(world, "ben@example.org")
    desk.account("olga", "privacy-officer")
    out = desk.directory / "hers.zip"
    assert rights.access(controller, _asked(one), desk.now, out=out).complete
    world.inbox.refuse = True
    delivery.deliver(controller, one, out, _who(world), desk.now)
    page = words(at(desk, "olga").get(f"/desk/cases/{one}").text)
    assert "The mail with its link waits in the outbox" in page
    assert "Put it behind a link for her" not in page
    for _ in range(6):
        world.send()
        desk.later(days=1)
    mailing.settle(controller, desk.now)
    assert [(u.case, u.kind) for u in controller.mailed.unsent()] == [(one, "link")]
    assert "was not fetched" not in words(desk.browser().get(hers).text)
    page = words(at(desk, "olga").get(f"/desk/cases/{one}").text)
    assert "Never fetched" not in page
    assert "is to be fetched no more: its time was over" in page
    mailing.handed(controller, one, controller.day(desk.now), _who(world), desk.now)
    assert controller.mailed.unsent() == []
    assert "was not fetched" not in words(desk.browser().get(hers).text)


def test_texts_of_others_that_name_her_are_a_copy_as_well(tmp_path: Path, kept_url: str) -> None:
    with mail_server() as (inbox, url):
        mail = f'[mail]\nurl = "{url}"\nfrom = "privacy@example.net"\n'
        with opened(tmp_path / "world", kept_url, extra=mail) as desk:
            edit(desk.directory / "shop.yml", "free_text: true", "free_text: redact")
        with closing(sqlite3.connect(desk.directory / "shop.sqlite")) as shop, shop:
            shop.execute("UPDATE note SET words = 'ask zora@example.org'")
        config = deployment.read(desk.directory)
        with Controller.open(config) as controller:
            desk.controller = controller
            desk.app = web.make(controller, token="t", shows="text", clock=lambda: desk.now)
            world = World(desk, inbox)
            one = world.proven("access", "zora@example.org")
            out = desk.directory / "hers.zip"
            assert rights.access(controller, _asked(one), desk.now, out=out).complete
            mailing.mail_answer(controller, one, _who(world), desk.now)
            world.send()
            assert "Your copy was made" in text(inbox.letters[-1])
            _untold(world, one)
            # Of before nobody noted it: the ledger says it, and the case is listed again.
            with controller.database.connection() as c:
                c.execute("UPDATE case_clock SET untold = false")
                c.execute("ALTER TABLE rights_case DROP COLUMN named")
                c.execute((migrations.HERE / "0049_named.sql").read_bytes())
            _untold(world, one)
            delivery.deliver(controller, one, out, _who(world), desk.now)
            world.send()
            number = controller.cases.get(one).number
            days = answered.days(controller.database, [number], desk.now, controller.desk.zone)
            assert days == {number: controller.day(desk.now)}


def test_where_nothing_is_held_the_letter_is_all_that_she_gets(world: World) -> None:
    controller, desk = world.controller, world.desk
    one = world.proven("access", "nobody@example.org")
    hers = _her_page(world, "nobody@example.org")
    out = desk.directory / "hers.zip"
    assert rights.access(controller, _asked(one), desk.now, out=out).complete
    _told(world, one)
    page = words(desk.browser().get(hers).text)
    assert "Done. You have our answer." in page
    # So it promises nothing that is to come.
    assert "copy was made" not in text(world.inbox.letters[-1])


@pytest.mark.parametrize("away", [False, True])
def test_an_objection_that_is_weighed_is_called_incomplete_only_where_it_is(
    world: World, away: bool
) -> None:
    controller, desk = world.controller, world.desk
    one = world.proven("objection", "ben@example.org")
    hers = _her_page(world, "ben@example.org")
    desk.account("olga", "privacy-officer")
    olga, path = at(desk, "olga"), f"/desk/cases/{one}"
    shop, gone = desk.directory / "shop.sqlite", desk.directory / "gone"
    if away:
        shop.rename(gone)
    assert olga.post(f"{path}/plan", purpose="analytics").status_code == 303
    olga.post(f"{path}/carry-out")
    working.finish()
    page = words(olga.get(path).text)
    assert ("The uses she objects to have stopped." in page) is not away
    assert ("not for all that is hers" in page) is away
    read = words(desk.browser().get(hers).text)
    assert ("Not every system could be asked yet" in read) is away
    assert ("What you objected to has stopped." in read) is not away
    assert "The last day for our answer" in read
    if away:
        gone.rename(shop)
        assert olga.post(f"{path}/carry-out").status_code == 303
        working.finish()
        page = words(olga.get(path).text)
        assert "The uses she objects to have stopped." in page
    assert "left to mend" not in page
    assert "It stops for good" in page
    assert controller.cases.get(one).state is State.CHECKED


def test_what_staff_say_she_took_back_is_listed_until_she_is_told(world: World) -> None:
    """Nothing could go to her by mail: the list, the first page and whoever is reminded know."""
    controller, desk = world.controller, world.desk
    request = Request(
        ((Identifier("email", "ben@example.org"),),), actor="Kim", role="operator", evidence="said"
    )
    case, _, _ = open_case(controller, "erasure", request, desk.now)
    _, why = mailing.take_back(controller, case.id, "she called", _who(world), desk.now)
    assert why is not None
    desk.later(minutes=5)

    def listed() -> tuple[bool, str]:
        there = controller.worklist.untold(desk.now, controller.desk.zone, 50)[0]
        ran = kept(desk.directory, "case", "list", "--now", desk.now.isoformat(), json=False)
        (line,) = [row for row in ran.out.splitlines() if row.startswith(case.id)]
        return case.id in [one.id for one in there], line

    on, line = listed()
    assert on
    assert "she is to be told" in line
    # Of before it was not listed: the migration lists it, and not what she took back herself.
    other, _, _ = open_case(controller, "erasure", request, desk.now)
    close_case(controller, other.id, "withdrawn", "mine", _who(world, "person"), desk.now)
    with controller.database.connection() as c:
        c.execute("UPDATE case_clock SET untold = false")
        c.execute((migrations.HERE / "0047_looked_at_again.sql").read_bytes())
    there = controller.worklist.untold(desk.now, controller.desk.zone, 50)[0]
    assert [one.id for one in there] == [case.id]
    paper.make(controller, case.id, ("Ben", "1 Road"), _who(world), desk.now)
    paper.posted(controller, case.id, None, controller.day(desk.now), _who(world), desk.now)
    on, line = listed()
    assert not on
    assert "she is to be told" not in line


def test_who_is_still_to_be_told_today_is_counted_and_stands_under_the_number(
    tmp_path: Path, kept_url: str
) -> None:
    with opened(tmp_path / "world", kept_url) as desk:
        desk.account("olga", "privacy-officer")
        arrived = desk.now.date()
        asked = Request(((Identifier("email", "ana@example.org"),),), evidence="called back")
        one = rights.access(desk.controller, asked, desk.now, out=tmp_path / "a.zip").case
        counted = desk.controller.clocks.of(desk.controller.cases.get(one))
        assert counted is not None
        desk.now += counted.due - arrived
        for late, number, where in ((0, "1 due today", "today"), (1, "1 late", "late")):
            desk.later(days=late)
            olga = at(desk, "olga")
            first = words(olga.get("/desk").text)
            assert number in first
            assert "1 waits in all" in first
            assert one in olga.get(f"/desk?due={where}").text
            assert one not in olga.get("/desk?due=late").text or late
            assert one not in olga.get("/desk?right=erasure").text
