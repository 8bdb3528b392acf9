"""What the page of a request says to the person herself, by how her case stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.conftest import kept
from tests.app.desk import opened
from tests.app.test_desk_cases import at, case, words
from tests.app.test_desk_handing import World
from tests.asking import links, mail_server, text

from kept.app import promptly
from kept.duties import rights
from kept.duties.rights import Request, close_case, delivery, mailing
from kept.duties.rights.recipients import record
from kept.records.case_state import State
from kept.stores.tasks import Answered, Outcome
from kept.terms.identifiers import parse


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[World]:
    with mail_server() as (inbox, url):
        mail = f'[mail]\nurl = "{url}"\nfrom = "privacy@example.net"\n'
        place = tmp_path_factory.mktemp("status") / "world"
        with opened(place, kept_module_url, extra=mail) as desk:
            desk.account("olga", "privacy-officer")
            yield World(desk, inbox)


def asked(world: World, right: str, email: str) -> tuple[str, str]:
    """Somebody asks and types the code: (the path of her page, her case)."""
    one = world.proven(right, email)
    promptly.at_once(world.controller, lambda: world.desk.now)
    those = [one for one in links(world.inbox.to(email)[-1]) if "/privacy/requests/" in one]
    return "/privacy/requests/" + those[-1].rpartition("/")[2], one


def page(world: World, path: str) -> str:
    return words(world.desk.browser().get(path).text)


def test_a_page_of_which_the_address_was_forgotten_says_so(world: World) -> None:
    path, one = asked(world, "erasure", "ben@example.org")
    olga = at(world.desk, "olga")
    olga.post(f"/desk/cases/{one}/plan", ground="child")
    plan = re.search(r'name="plan" value="([0-9a-f]+)"', olga.get(f"/desk/cases/{one}").text)
    assert plan
    olga.post(f"/desk/cases/{one}/approve", plan=plan[1])
    olga.post(f"/desk/cases/{one}/carry-out")
    for task in world.controller.tasks():
        told = Answered(Outcome.DONE, "Jo", world.desk.now, "a letter")
        record(world.controller, task.id, told, "operator")
    olga.post(f"/desk/cases/{one}/carry-out")
    ended = world.controller.cases.get(one)
    assert ended.state is State.CLOSED
    assert not world.controller.intakes.said(world.controller.intakes.of_case(one)[0])
    shown = page(world, path)
    assert "By what, we have deleted with your data." in shown
    assert "cookie in your browser" not in shown
    assert "we know no address of yours" not in shown


def test_a_refusal_of_which_she_has_no_letter_is_still_to_be_explained(world: World) -> None:
    path, one = asked(world, "objection", "ana@example.org")
    actor = world.controller.actors.of("Kim", "privacy-officer", world.desk.now)
    close_case(world.controller, one, "refused", "no more", actor, world.desk.now, code="excessive")
    still = "We could not do it. Our answer to you, with the reason, is still to come."
    assert still in page(world, path)
    mailing.mail_answer(world.controller, one, actor, world.desk.now)
    assert still in page(world, path), "what waits in the outbox she has not got"
    world.send()
    assert "We could not do it. The reason is in our answer to you." in page(world, path)


def test_a_package_that_she_never_fetched_is_said_to_be_so(world: World, tmp_path: Path) -> None:
    path, one = asked(world, "access", "ana@example.org")
    controller, desk = world.controller, world.desk
    actor = controller.actors.of("Kim", "operator", desk.now)
    package = tmp_path / "hers.zip"
    rights.access(controller, Request((), case=one, actor="Kim"), desk.now, out=package)
    made = delivery.deliver(controller, one, package, actor, desk.now)
    world.send()
    until = controller.day(made.ends_at)
    shown = page(world, path)
    assert "Done. You have our answer." in shown
    assert "was not fetched" not in shown, "it waits"
    where = ("case", "show", one, "--now")
    assert "never fetched" not in words(at(desk, "olga").get(f"/desk/cases/{one}").text)
    desk.later(days=6)
    for swept in (False, True):
        if swept:
            assert delivery.sweep(controller, desk.now) == 1
        shown = page(world, path)
        assert "You have our answer. Your data was ready for you to fetch until" in shown
        assert f"until {until.day} {until:%B %Y}, and was not fetched." in shown
        assert "ask for it again" in shown
        shown = words(at(desk, "olga").get(f"/desk/cases/{one}").text)
        assert f"Never fetched; ended {until.day} {until:%B %Y}" in shown
        assert "waits behind a link until" not in shown
        said = kept(desk.directory, *where, desk.now.isoformat(), json=False).out
        assert f"never fetched; ended {until} (expired)" in said
    # A new link waits: nothing is over yet.
    delivery.deliver(controller, one, package, actor, desk.now)
    assert "was not fetched" not in page(world, path)
    # Its time ends as well, and she is handed the copy: there is nothing to ask for again.
    desk.later(days=6)
    world.send()
    assert "was not fetched" in page(world, path)
    mailing.handed(controller, one, controller.day(desk.now), actor, desk.now)
    assert "was not fetched" not in page(world, path)


@pytest.mark.parametrize("by", ["desk", "command"])
def test_that_staff_enter_that_she_took_it_back_goes_to_her_by_mail(world: World, by: str) -> None:
    path, one = asked(world, "access", "ana@example.org")
    desk, olga = world.desk, at(world.desk, "olga")
    assert "It goes by mail at once." in words(olga.get(f"/desk/cases/{one}").text)
    before = len(world.inbox.letters)
    if by == "desk":
        sent = olga.post(f"/desk/cases/{one}/end", outcome="withdrawn", words="she called us")
        assert sent.headers["location"].endswith("?done=withdrawn-mailed")
    else:
        said = kept(
            desk.directory, "case", "withdraw", one, "--reason", "she called us", "--now",
            desk.now.isoformat(), json=False,
        ).out  # fmt: skip
        assert "A letter that says so waits to go to the address that she proved hers." in said
    stands = words(olga.get(f"/desk/cases/{one}").text)
    assert "she is still to be told" in stands
    assert "Somebody else than she entered that she took it back." in stands
    assert "That she was told is not on record. The answer waits in the outbox" in stands
    world.send()
    (letter,) = world.inbox.letters[before:]
    assert letter["X-Rcpt"] == "ana@example.org"
    assert "The request was taken back on" in text(letter)
    assert "If you did not take it back, tell us" in text(letter)
    stands = words(olga.get(f"/desk/cases/{one}").text)
    assert "still to be told" not in stands
    assert "not on record" not in stands
    shown = page(world, path)
    assert "We noted that you no longer want it" in shown
    assert "You took it back" not in shown


def test_where_no_mail_can_go_the_desk_says_to_write_that_it_was_taken_back(world: World) -> None:
    desk, olga = world.desk, at(world.desk, "olga")
    one = case(desk, "access", (parse("email=cleo@example.org"),), "Kim called her")
    assert "It cannot go by mail" in words(olga.get(f"/desk/cases/{one}").text)
    before = world.controller.outbox.waiting(), len(world.inbox.letters)
    sent = olga.post(f"/desk/cases/{one}/end", outcome="withdrawn", words="she called us")
    assert sent.headers["location"].endswith("?done=withdrawn")
    shown = words(olga.get(f"/desk/cases/{one}").text)
    assert "That she was told is not on record. Write the letter below, and send it" in shown
    assert "she is still to be told" in shown
    world.send()
    assert (world.controller.outbox.waiting(), len(world.inbox.letters)) == before


def test_who_took_it_back_on_her_page_needs_no_letter(world: World) -> None:
    path, one = asked(world, "access", "ana@example.org")
    before = len(world.inbox.letters)
    world.desk.browser().post(path, do="withdraw")
    world.send()
    assert "You took it back. Nothing was done." in page(world, path)
    assert len(world.inbox.letters) == before
    shown = words(at(world.desk, "olga").get(f"/desk/cases/{one}").text)
    assert "Taken back" in shown
    assert "not on record" not in shown
    assert "still to be told" not in shown


def test_whoever_asked_by_the_form_was_told_by_it_that_it_has_come(world: World) -> None:
    _, one = asked(world, "access", "cem@example.org")
    events = world.controller.cases.events(world.controller.cases.get(one))
    assert [e.state for e in events] == [State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED]
    assert len({e.at for e in events}) == 1
    assert [e.words is None for e in events] == [True, True, False]
    entered = case(world.desk, "access", evidence="called back")
    events = world.controller.cases.events(world.controller.cases.get(entered))
    assert [e.state for e in events] == [State.IDENTIFIED]
    by_hand = "She was told that it has come"
    assert by_hand not in words(at(world.desk, "olga").get(f"/desk/cases/{one}").text)
    assert by_hand in words(at(world.desk, "olga").get(f"/desk/cases/{entered}").text)
