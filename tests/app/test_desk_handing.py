"""What goes to the person of a case by mail, from the desk: a real mail server takes it, or not."""

from __future__ import annotations

import datetime as dt
import io
import re
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.acceptance.conftest import kept
from tests.app.desk import Desk, opened
from tests.app.test_desk_cases import at, case, words
from tests.asking import Inbox, links, mail_server, text

from kept.app import promptly
from kept.controller import Controller
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import intake, mailing, reminding
from kept.duties.rights.delivery import fetch
from kept.errors import UsageError
from kept.records.recipient import Message
from kept.stores.tasks import Notice, Outcome
from kept.terms.identifiers import parse

HOW = "Kim called the number on file"


@dataclass
class World:
    desk: Desk
    inbox: Inbox
    asked: int = 0

    @property
    def controller(self) -> Controller:
        return self.desk.controller

    def send(self) -> None:
        promptly.at_once(self.controller, lambda: self.desk.now)
        intake.tend(self.controller, self.desk.now)

    def proven(self, right: str, email: str) -> str:
        """Somebody asks on the form and types the code; her case."""
        self.asked += 1
        form = rights.Form((right,), email, "", f"{self.asked:032x}", "192.0.2.7")
        token = intake.ask(self.controller, form, self.desk.now)
        promptly.at_once(self.controller, lambda: self.desk.now)
        assert intake.type_code(self.controller, token, self.inbox.code(email), self.desk.now)[1]
        promptly.at_once(self.controller, lambda: self.desk.now)
        return self.controller.cases.all()[-1].id


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[World]:
    with mail_server() as (inbox, url):
        mail = f'[mail]\nurl = "{url}"\nfrom = "privacy@example.net"\n'
        place = tmp_path_factory.mktemp("handing") / "world"
        with opened(place, kept_module_url, extra=mail) as desk:
            desk.account("olga", "privacy-officer")
            desk.account("rita", "auditor")
            yield World(desk, inbox)


def test_the_answer_goes_once_to_the_address_that_was_proven(world: World) -> None:
    desk, olga = world.desk, at(world.desk, "olga")
    one = world.proven("access", "ana@example.org")
    path = f"/desk/cases/{one}"
    actor = world.controller.actors.of("olga", "privacy-officer", desk.now)
    with pytest.raises(UsageError, match="nothing was done"):
        mailing.mail_answer(world.controller, one, actor, desk.now)
    assert olga.post(f"{path}/package").status_code == 200

    def read() -> str:
        page = olga.post(f"{path}/answer", country="DE").text
        assert '>The letter is written. <a href="#letter">' in page
        met = re.search(r'name="digest" value="([0-9a-f]{64})"', page)
        assert met, words(page)
        return met[1]

    assert "That she was told is not on record." in words(olga.get(path).text)
    # A letter that nobody read does not go, and nobody without the role sends one.
    assert olga.post(f"{path}/mail", country="DE", digest="0" * 64).status_code == 400
    assert at(desk, "rita").post(f"{path}/mail", digest=read()).status_code == 403
    # A server that refuses loses nothing, and doubles nothing.
    world.inbox.refuse = True
    before = len(world.inbox.letters)
    digest = read()
    assert olga.post(f"{path}/mail", country="DE", digest=digest).status_code == 303
    world.send()
    shown = words(olga.get(path).text)
    assert "waits to be sent to the address" in shown
    told = "That she was told is not on record. The answer waits in the outbox"
    assert told in shown, "what waits has told nobody yet"
    assert olga.post(f"{path}/mail", country="DE", digest=digest, again="yes").status_code == 400
    world.inbox.refuse = False
    desk.later(hours=1)
    world.send()
    world.send()
    olga = at(desk, "olga")  # her login has ended meanwhile
    (letter,) = world.inbox.letters[before:]
    assert letter["X-Rcpt"] == "ana@example.org"
    assert letter["Subject"] == "Our answer to your request: see what is kept"
    assert "What came of it" in text(letter)
    html = letter.get_body(("html",))
    assert html is not None
    assert "<h2>What came of it</h2>" in html.get_content()
    shown = words(olga.get(path).text)
    assert "went to the address that she proved hers" in shown
    assert "That she was told" not in shown
    assert "That her copy is with her is not on record: only the letter went." in shown
    # It is on record: what went, and that it went; not with the clock, for her copy is to come.
    mine = [e for e in desk.entries("mail.put") if e["case"] == one]
    assert [(e["kind"], e["again"]) for e in mine] == [("answer", False)]
    assert [e["outcome"] for e in desk.entries("mail.ended") if e["case"] == one] == ["sent"]
    assert not [e for e in desk.entries("clock.moved") if e["case"] == one]
    assert "ana@" not in str(desk.entries("mail.put"))
    # Another only where somebody says so.
    assert olga.post(f"{path}/mail", country="DE", digest=read()).status_code == 400
    assert olga.post(f"{path}/mail", country="DE", digest=read(), again="yes").status_code == 303
    world.send()
    assert len(world.inbox.letters) == before + 2


def test_what_no_server_took_can_be_sent_anew(world: World) -> None:
    desk = world.desk
    one = world.proven("access", "ben@example.org")
    assert at(desk, "olga").post(f"/desk/cases/{one}/package").status_code == 200
    actor = world.controller.actors.of("olga", "privacy-officer", desk.now)
    world.inbox.refuse = True
    mailing.mail_answer(world.controller, one, actor, desk.now)
    desk.later(days=4)
    world.send()
    world.send()
    world.inbox.refuse = False
    assert "could not be sent in time" in words(at(desk, "olga").get(f"/desk/cases/{one}").text)
    # She has no answer, and nobody would know: whose task it is and the officer are told, once;
    # after a week once more. It stands first at the desk.
    told = {call.reason: call for call in reminding.calls(world.controller, desk.now)}
    (call,) = (c for reason, c in told.items() if reason.startswith("unsent:"))
    assert (call.about, call.officers) == (one, True)
    assert reminding.remind(world.controller, desk.now) >= 1
    assert reminding.remind(world.controller, desk.now) == 0
    world.send()
    told_of = [text(x) for x in world.inbox.letters if x["Subject"] == f"To be done: {one}"]
    assert any("did not reach the person" in words for words in told_of)
    assert not any("ben@" in words for words in told_of)
    week = desk.now + dt.timedelta(days=8)
    assert f"unsent-still:{call.reason.partition(':')[2]}" in {
        c.reason for c in reminding.calls(world.controller, week)
    }
    first = words(at(desk, "olga").get("/desk").text)
    assert first.index("The answer did not reach the person") < first.index("By the day of")
    before = len(world.inbox.letters)
    given = ("case", "answer", one, "--mail", "--now", desk.now.isoformat())
    sent = kept(desk.directory, *given)
    assert (sent.status, sent.document["mailed"]) == (0, True), sent.said
    assert "it goes once" in kept(desk.directory, *given).said
    assert "did not reach" not in at(desk, "olga").get("/desk").text, "it is on its way"
    world.send()
    assert len(world.inbox.letters) == before + 1
    shown = kept(desk.directory, "case", "show", one).document["mailed"]
    assert [(m["kind"], m["outcome"]) for m in shown] == [
        ("answer", "given-up"), ("answer", "sent"),
    ]  # fmt: skip
    assert "say that she is to get another" in kept(desk.directory, *given).said


def test_a_letter_of_before_the_end_that_waits_tells_her_no_end(world: World) -> None:
    """It says that her objection is weighed; the command says how she is told what came of it."""
    desk, controller = world.desk, world.controller
    one = world.proven("objection", "early@example.org")
    rights.object_to(controller, rights.Request((), case=one), ["analytics"], desk.now)
    mailing.mail_answer(
        controller, one, controller.actors.of("olga", "privacy-officer", desk.now), desk.now
    )
    desk.later(hours=1)
    rights.weigh(controller, one, "refused", "as was weighed", actor="Pia", role="privacy-officer",
                 now=desk.now)  # fmt: skip
    show = (desk.directory, "case", "show", one)
    shown = kept(*show, json=False).out
    assert re.search(f"still to be told: .*case answer {one}.* --mail", shown), shown
    given = ("case", "answer", one, "--mail", "--now", desk.now.isoformat())
    assert kept(desk.directory, *given).document["mailed"] is True
    assert "a mail to her waits in the outbox" in kept(*show, json=False).out


def test_a_link_that_waits_to_be_sent_is_one_however_often_it_is_asked_for(world: World) -> None:
    desk, olga = world.desk, at(world.desk, "olga")
    one = world.proven("access", "eva@example.org")
    path = f"/desk/cases/{one}"
    world.inbox.refuse = True
    assert olga.post(f"{path}/link").status_code == 303
    world.send()
    for _ in range(2):
        again = olga.post(f"{path}/link")
        assert again.status_code == 400
        assert "waits to be sent already" in words(again.text)
    world.inbox.refuse = False
    desk.later(hours=1)
    before = len(world.inbox.letters)
    world.send()
    assert len(world.inbox.letters) == before + 1
    # Once it went, she may have lost it.
    olga = at(desk, "olga")
    assert olga.post(f"{path}/link").status_code == 303
    world.send()
    assert len(world.inbox.letters) == before + 2


def test_a_package_that_waits_nowhere_any_more_is_made_by_a_request_anew(world: World) -> None:
    """Made straight behind a link, and its mail given up: nobody has the file."""
    desk, olga = world.desk, at(world.desk, "olga")
    one = world.proven("access", "cleo@example.org")
    path = f"/desk/cases/{one}"
    world.inbox.refuse = True
    assert olga.post(f"{path}/link").status_code == 303
    desk.later(days=7)
    for _ in range(2):
        world.send()
    world.inbox.refuse = False
    olga = at(desk, "olga")
    page = olga.get(path).text
    assert "The link could not be sent in time: no mail server took it." in words(page)
    assert "can be sent again" not in words(page)
    assert "Put it behind a link for her" not in words(page)
    assert 'href="/desk/requests/new">enter what she asks once more' in page
    assert olga.post(f"{path}/link").status_code == 400
    today = str(world.controller.day(desk.now))
    assert olga.post(f"{path}/posted", way="in-person", on=today).status_code == 303
    assert "once more" not in words(olga.get(path).text)
    assert world.controller.mailed.unsent() == []


def test_an_answer_that_no_server_took_is_settled_when_it_reached_her_in_person(
    world: World,
) -> None:
    desk = world.desk
    one = world.proven("access", "dora@example.org")
    olga = at(desk, "olga")
    today, path = str(world.controller.day(desk.now)), f"/desk/cases/{one}"
    by_hand = {"way": "in-person", "on": today}
    assert olga.post(f"{path}/posted", **by_hand).status_code == 400, "nothing was done yet"
    assert olga.post(f"{path}/package").status_code == 200
    page = words(olga.get(path).text)
    assert "That she was told is not on record." in page
    assert "It reached her in another way" in page
    # Nobody waits for it in the list of what is to be done, so it stands by itself, with its day.
    (due,) = [
        u.due for u in world.controller.worklist.untold(desk.now, dt.UTC, 20)[0] if u.id == one
    ]
    inbox = words(olga.get("/desk").text)
    assert "Done, and she is still to be told" in inbox
    assert f"{one} · to be answered by {due} · task of nobody" in inbox
    assert "Done, and she is" not in words(olga.get("/desk?due=late").text)
    actor = world.controller.actors.of("olga", "privacy-officer", desk.now)
    world.inbox.refuse = True
    mailing.mail_answer(world.controller, one, actor, desk.now)
    desk.later(days=4)
    world.send()
    world.inbox.refuse = False
    world.send()
    assert [u.case for u in world.controller.mailed.unsent()] == [one]
    assert at(desk, "rita").post(f"{path}/posted", **by_hand).status_code == 403
    olga = at(desk, "olga")
    page = words(olga.get(path).text)
    assert "It reached her in another way" in page
    assert "the answer did not reach her" in page
    future = str(world.controller.day(desk.now) + dt.timedelta(days=1))
    assert olga.post(f"{path}/posted", way="in-person", on=future).status_code == 400
    today = str(world.controller.day(desk.now))
    assert olga.post(f"{path}/posted", way="in-person", on=today).status_code == 303
    assert "That she was told is not on record." not in words(olga.get(path).text)
    assert world.controller.mailed.unsent() == []
    page = words(olga.get(path).text)
    assert "It reached her in another way" not in page
    assert "did not reach her" not in page
    assert "did not reach" not in olga.get("/desk").text
    assert one not in words(olga.get("/desk").text)
    assert [e["on"] for e in desk.entries("answer.handed") if e["case"] == one] == [today]
    given = ("case", "posted", one, "--on", today, "--in-person", "--now", desk.now.isoformat())
    assert kept(desk.directory, *given).document["in_person"] is True
    # It speaks languages of the policy, and no other.
    spoken = kept(desk.directory, "case", "answer", one, "--language", "en").document["text"]
    assert "What came of it" in spoken
    wrong = kept(desk.directory, "case", "answer", one, "--language", "tlh")
    assert (wrong.status, "expected one of en" in wrong.said) == (2, True)
    # Whoever had her data has to answer too before it is over.
    case = world.controller.cases.get(one)
    assert "still to answer" not in words(olga.get(path).text)
    with world.controller.database.connection() as c:
        told = {"google-analytics": Message((), ("Analysis",))}
        world.controller.recipients.note(case, Notice.ERASED, told, desk.now, connection=c)
    page = words(olga.get(path).text)
    assert "Closed, recipients still to answer" in page
    assert "1 recipient of her data has still to answer" in page
    world.controller.recipients.answered(one, "google-analytics", Outcome.DONE, desk.now)
    assert "still to answer" not in words(olga.get(path).text)
    assert kept(desk.directory, *given, "--letter", "1").status == 2


def test_a_package_goes_behind_a_link_that_is_mailed(world: World) -> None:
    desk, olga = world.desk, at(world.desk, "olga")
    one = world.proven("access", "ben@example.org")
    path = f"/desk/cases/{one}"
    assert at(desk, "rita").post(f"{path}/link").status_code == 403
    before = len(world.inbox.letters)
    assert olga.post(f"{path}/link").status_code == 303, "made, and put behind a link at once"
    world.send()
    (letter,) = world.inbox.letters[before:]
    (link,) = [urllib.parse.urlsplit(u).path for u in links(letter) if "/delivery/" in u]
    page = words(olga.get(path).text)
    assert "It waits behind a link until" in page
    assert "The link went to the address that she proved hers" in page
    assert link not in page
    asked = desk.browser()
    assert asked.client.post(f"{link}/code").status_code == 200
    world.send()
    got = asked.client.post(f"{link}/package", data={"code": world.inbox.code("ben@example.org")})
    assert got.status_code == 200
    # For the staff it waits too, and it is the same.
    assert olga.post(f"{path}/package").content == got.content
    with zipfile.ZipFile(io.BytesIO(got.content)) as package:
        assert package.testzip() is None
    assert not list(desk.directory.glob("*package-*"))


def test_where_no_address_is_proven_the_desk_says_so_and_shows_the_link_once(world: World) -> None:
    desk, olga = world.desk, at(world.desk, "olga")
    one = case(desk, "access", evidence=HOW)
    path = f"/desk/cases/{one}"
    assert olga.post(f"{path}/package").status_code == 200
    page = olga.post(f"{path}/answer", country="").text
    assert "It cannot go by mail: no code that was typed in proved an address hers" in words(page)
    assert f"{path}/mail" not in page
    assert olga.post(f"{path}/mail", digest="0" * 64).status_code == 400
    before = len(world.inbox.letters)
    shown = olga.post(f"{path}/link")
    assert shown.status_code == 200
    met = re.search(r"(/privacy/delivery/[\w-]+)<", shown.text)
    assert met
    assert met[1] not in olga.get(path).text, "once"
    code = re.search(r"The code: (\d{4} \d{4})", words(olga.post(f"{path}/code").text))
    assert code
    still = "Done, and she is still to be told"
    inbox = words(olga.get("/desk").text)
    assert still in inbox
    assert one in inbox.partition(still)[2], "a link that nobody fetched has told her nothing"
    got = desk.browser().client.post(f"{met[1]}/package", data={"code": code[1]})
    assert got.status_code == 200
    assert one not in words(olga.get("/desk").text), "it is how she was told"
    world.send()
    assert len(world.inbox.letters) == before
    desk.later(days=6)
    rights.delivery.sweep(world.controller, desk.now)
    assert "is destroyed: its time was over, fetched 1 of 3 times" in words(
        at(desk, "olga").get(path).text
    )


def test_a_package_that_staff_fetched_has_told_nobody(world: World) -> None:
    """Theirs, to be handed on: not counted as the answer by the desk, nor by the control. What
    does not fit on the first page is counted.
    """
    desk = world.desk
    olga, ids = at(desk, "olga"), []
    for n in range(21):
        who = (parse(f"email=many{n}@example.org"),)
        ids.append(case(desk, "access", who, evidence=HOW))
        assert olga.post(f"/desk/cases/{ids[-1]}/package").status_code == 200
    untold, count = world.controller.worklist.untold(desk.now, dt.UTC, 100)
    assert set(ids) <= {u.id for u in untold}
    assert len(world.controller.worklist.untold(desk.now, dt.UTC, 20)[0]) == 20
    assert f"And {count - 20} more, in" in words(olga.get("/desk").text)
    with world.controller.database.connection() as connection:
        late = connection.execute("SELECT max(due) + 9 FROM case_clock").fetchall()[0][0]
    then = dt.datetime.combine(late, dt.time(), dt.UTC)
    (met,) = run(world.controller, registered(), then, names=["rights.answered-in-time"])
    assert any(f"of {count} requests" in one.words for one in met.findings), met.findings


def test_a_case_says_on_the_command_line_what_went_on_paper_and_was_fetched(world: World) -> None:
    desk, olga = world.desk, at(world.desk, "olga")
    one = case(desk, "access", (parse("email=ana@example.org"),), HOW)
    path, where = f"/desk/cases/{one}", ("case", "show", one, "--now", desk.now.isoformat())
    today = str(world.controller.day(desk.now))
    assert olga.post(f"{path}/package").status_code == 200
    link = olga.post(f"{path}/link").text
    code = re.search(r"The code: (\d{4} \d{4})", olga.post(f"{path}/code").text)
    token = re.search(r"/privacy/delivery/([\w-]{20,})", link)
    assert code
    assert token
    assert olga.post(f"{path}/letter", to="Ana\n10115 Berlin").status_code == 200
    said = kept(desk.directory, *where, json=False).out
    assert f"The answer on paper, letter 1 of {today}: not entered as sent" in said
    assert "Her package behind a link, " in said
    assert "fetched 0 of 3 times, waits until " in said
    got = world.controller, token[1], code[1], desk.now
    found = fetch(*got)
    assert found
    assert b"".join(found[1])
    assert olga.post(f"{path}/posted", letter="1", on=today).status_code == 303
    said = kept(desk.directory, *where, json=False).out
    assert f"The answer on paper, letter 1 of {today}: went out on {today}" in said
    assert "fetched 1 of 3 times" in said
    document = kept(desk.directory, *where).document
    assert [(x["letter"], x["posted_on"]) for x in document["letters"]] == [(1, today)]
    assert [(x["fetched"], x["allowed"], x["outcome"]) for x in document["packages"]] == [
        (1, 3, None)
    ]
