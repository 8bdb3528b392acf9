"""What people are asked to do, at the desk: listed without a name, opened on record, answered."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import Response
from tests.app.desk import HOST, Browser, Desk, opened
from tests.app.test_desk_cases import words
from tests.world import AGENCY, STATS

from kept import deployment
from kept.app.desk import working
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request, derived, recipients, reminding
from kept.errors import Denied
from kept.model.plan import Action
from kept.records.case import State
from kept.stores.tasks import Answered, Derived, Outcome
from kept.terms.identifiers import Identifier

ANA = Identifier("email", "ana@example.org")
EXTRA = """
[systems.agency]
store = "mailbox"
url = "letters"
mode = "act"
map = "agency.yml"
accounts = ["sam", "kim"]
[systems.agency.options]
days = 10
remind = 3
"""
MAIL = '[mail]\nurl = "out"\nfrom = "desk@kept.test"\n'
OTHERS = b'[{"email": "ben@example.org"}]'
ASKED = Request(((ANA,),), "Kim", "operator", evidence="called back")


@pytest.fixture
def desk(tmp_path: Path, kept_url: str) -> Iterator[Desk]:
    directory = tmp_path / "world"
    directory.mkdir()
    (directory / "agency.yml").write_text(AGENCY, "utf-8")
    with opened(directory, kept_url, extra=EXTRA) as made:
        made.account("olga", "privacy-officer", "system-owner")
        made.account("sam", "system-owner")
        yield made


def test_whoever_serves_a_system_sees_her_task_opens_it_and_says_what_became_of_it(
    desk: Desk, tmp_path: Path
) -> None:
    asked = rights.access(desk.controller, ASKED, desk.now, out=tmp_path / "a.zip")
    assert not asked.complete
    gone = rights.erase(desk.controller, ASKED, desk.now)
    desk.controller.deliver(desk.now)
    desk.later(days=12)
    sam = desk.browser(desk.session(desk.account("sam")))
    start = sam.get("/desk").text
    assert "2 tasks of people wait" in words(start)
    assert asked.case not in start
    assert "wait in all" not in words(start), "whoever sees no cases is shown no list of them"
    assert "2 tasks of people wait for an answer" in words(start)
    page = sam.get("/desk/tasks").text
    assert page.count('action="/desk/tasks/show"') == 2
    for said in ("Newsletter agency", "send a copy of it", "erase it", "late"):
        assert said in words(page)
    assert "example.org" not in page.replace(desk.controller.bundle.organisation.email, "")
    assert "/desk/cases/" not in page, "he sees no cases"
    assert desk.entries("data.shown") == []
    asks = {t.action: t for t in desk.controller.tasks() if t.system == "agency"}
    read, erase = asks[Action.READ], asks[Action.DELETE]
    shown = sam.post("/desk/tasks/show", task=read.id)
    assert (shown.status_code, "ana@example.org" in shown.text) == (200, True)
    assert [(e["case"], e["records"]) for e in desk.entries("data.shown")] == [(asked.case, 1)]

    olga = desk.browser(desk.session(desk.account("olga")))
    assert olga.post(f"/desk/cases/{gone.case}/carry-out").status_code == 303
    working.finish()
    waits = words(olga.get(f"/desk/cases/{gone.case}").text)
    assert "It waits for people who were asked by letter." in waits
    assert "left to mend" not in waits

    # What was to be read is done with what was handed in, and with nothing less.
    told = {"task": read.id, "outcome": "done", "words": "Jo of the agency, on 3 June"}
    half = rb'[{"email": "ana@example.org", "list": "\ud800"}]'
    no_number = b'[{"email": "ana@example.org", "list": NaN}]'
    for rows in (None, b"[", b"{}", b'["x"]', b'[{"no": 1}]', OTHERS, half, no_number):
        again = handed(sam, told, rows)
        assert again.status_code == 400, rows
        assert "Jo of the agency" in again.text, "what was typed stands there"
    assert handed(sam, told | {"words": " "}, b"[]").status_code == 400
    rows = json.dumps([{"email": "ana@example.org", "list": "weekly"}]).encode()
    done = handed(sam, told, rows)
    assert done.headers["location"] == "/desk/tasks?done=task"
    assert handed(sam, told, rows).status_code == 400, "pressed twice"
    erased = {"task": erase.id, "outcome": "nothing-found", "words": "Jo, in the same letter"}
    assert sam.post("/desk/tasks/done", **erased).status_code == 303
    assert [(e["outcome"], e["role"]) for e in desk.entries("word.given")] == [
        ("done", "system-owner"), ("nothing-found", "system-owner"),
    ]  # fmt: skip
    assert "Jo" not in str(desk.entries("word.given"))
    assert olga.post(f"/desk/cases/{gone.case}/carry-out").status_code == 303
    working.finish()
    over = words(olga.get(f"/desk/cases/{gone.case}").text)
    assert "every step was read back, or is done on the word of the people there" in over
    assert "Nothing waits" in words(sam.get("/desk/tasks").text)
    assert "of people wait" not in words(sam.get("/desk").text)
    page = sam.get("/desk/tasks?all").text
    assert page.count('action="/desk/tasks/show"') == 2
    before = len(desk.entries("data.shown"))
    assert "struck out" in words(sam.post("/desk/tasks/show", task=read.id).text)
    assert len(desk.entries("data.shown")) == before, "nobody was shown"
    # Both go on with what was said.
    again = rights.access(
        desk.controller, Request((), "Kim", "operator", case=asked.case), desk.now,
        out=tmp_path / "b.zip",
    )  # fmt: skip
    assert again.complete
    on = Request((), "Kim", "operator", case=gone.case)
    assert rights.erase(desk.controller, on, desk.now).complete


def handed(browser: Browser, told: dict[str, str], rows: bytes | None) -> Response:
    """Send the form with a file, or with none chosen, as a browser does."""
    file = ("", b"") if rows is None else ("rows.json", rows)
    return browser.client.post(
        "/desk/tasks/done", data=told | {"csrf": browser.csrf}, files={"rows": file},
        headers={"Origin": HOST}, follow_redirects=False,
    )  # fmt: skip


def test_what_recipients_were_told_is_no_task_of_whoever_serves_systems(desk: Desk) -> None:
    rights.erase(desk.controller, ASKED, desk.now)
    desk.controller.deliver(desk.now)
    (task,) = (t for t in desk.controller.tasks() if t.system == "agency")
    said = Answered(Outcome.DONE, "sam", desk.now, "by phone")
    rights.recipients.record(desk.controller, task.id, said, "system-owner")
    case = Request((), "Kim", "operator", case=task.case)
    assert rights.erase(desk.controller, case, desk.now).complete
    notice = next(t for t in desk.controller.tasks() if t.system != "agency")
    sam = desk.browser(desk.session(desk.account("sam")))
    assert notice.id not in sam.get("/desk/tasks").text
    for path in ("show", "done"):
        sent = {"task": notice.id, "outcome": "done", "words": "by phone"}
        assert sam.post(f"/desk/tasks/{path}", **sent).status_code == 404
    with pytest.raises(Denied, match="a recipient was told"):
        rights.recipients.record(desk.controller, notice.id, said, "system-owner")
    kim = desk.browser(desk.session(desk.account("kim", "support", "system-owner")))
    assert "What became of it" not in kim.get(f"/desk/cases/{notice.case}").text
    olga = desk.browser(desk.session(desk.account("olga")))
    page = olga.get("/desk/tasks").text
    assert "The hosting house" in page
    assert "What became of it" in olga.get(f"/desk/cases/{notice.case}").text
    assert f"/desk/cases/{notice.case}" in page
    assert "ana@example.org" in olga.post("/desk/tasks/show", task=notice.id).text
    assert olga.post("/desk/tasks/done", **sent).status_code == 303


def test_whoever_serves_systems_sees_the_tasks_of_his_own_alone(desk: Desk) -> None:
    rights.erase(desk.controller, ASKED, desk.now)
    desk.controller.deliver(desk.now)
    (task,) = (t for t in desk.controller.tasks() if t.system == "agency")
    roles = {"sam": "system-owner", "pat": "system-owner", "abel": "approver", "olga": ""}
    for name, role in roles.items():
        account = desk.account(name, *([role] if role and name != "sam" else []))
        browser = desk.browser(desk.session(account))
        page, first = browser.get("/desk/tasks").text, words(browser.get("/desk").text)
        assert ('aria-current="page">Tasks</a>' in page) is ("system-owner" in account.roles)
        shown = browser.post("/desk/tasks/show", task=task.id)
        if name == "pat":
            assert task.id not in page
            assert "stands at no system" in words(page)
            assert "wait for an answer" not in first
            assert (shown.status_code, "ana@example.org" in shown.text) == (404, False)
            done = {"task": task.id, "outcome": "nothing-found", "words": "Pat said so"}
            assert browser.post("/desk/tasks/done", **done).status_code == 404
        else:
            assert task.id in page, name
            assert "stands at no system" not in words(page)
            assert (shown.status_code, "ana@example.org" in shown.text) == (200, True)
    assert desk.entries("word.given") == []


def test_a_task_that_cannot_be_read_keeps_nobody_from_the_first_page(desk: Desk) -> None:
    rights.erase(desk.controller, ASKED, desk.now)
    olga = desk.browser(desk.session(desk.account("olga")))
    (file,) = desk.directory.glob("**/*.task.json")
    file.write_text("{", "utf-8")
    first = olga.get("/desk")
    assert (first.status_code, "cannot be read" in words(first.text)) == (200, True)
    page = olga.get("/desk/tasks")
    assert (page.status_code, "cannot be read" in words(page.text)) == (503, True)
    assert "Nothing waits" not in page.text


def test_the_latest_come_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kept.app.desk.tasks._SHOWN", 1)
    for name, day in (("ana", 3), ("ben", 0)):
        asked = Request(((Identifier("email", f"{name}@example.org"),),), "Kim", "operator",
                        evidence="called back")  # fmt: skip
        rights.erase(desk.controller, asked, desk.now + dt.timedelta(days=day))
        desk.controller.deliver(desk.now + dt.timedelta(days=day))
    waits = [t for t in desk.controller.tasks() if t.open]
    first = min(waits, key=lambda t: t.due or dt.datetime.max.replace(tzinfo=dt.UTC))
    olga = desk.browser(desk.session(desk.account("olga")))
    page = olga.get("/desk/tasks").text
    assert f'value="{first.id}"' in page
    assert page.count('action="/desk/tasks/show"') == 1
    assert f"And {len(waits) - 1} more" in words(page)


@pytest.fixture
def scored(tmp_path: Path, kept_url: str) -> Iterator[Desk]:
    """Beside the shop: scores of our own, and an agency that works something out."""
    directory = tmp_path / "world"
    directory.mkdir()
    made_of = AGENCY.replace(
        "list: {category: contact}", "list: {category: contact, origin: derived}"
    )
    (directory / "agency.yml").write_text(made_of, "utf-8")
    (directory / "stats.yml").write_text(STATS, "utf-8")
    with sqlite3.connect(directory / "stats.sqlite") as own:
        own.execute("CREATE TABLE score (id INTEGER PRIMARY KEY, mail TEXT, worth TEXT)")
        own.execute("INSERT INTO score VALUES (1, 'ana@example.org', 'high')")
    more = f'[systems.stats]\nstore = "sqlite"\nurl = "sqlite:///{directory / "stats.sqlite"}"\n'
    more += 'mode = "act"\nmap = "stats.yml"\naccounts = ["sam"]\n'
    with opened(directory, kept_url, extra=EXTRA + more) as made:
        made.account("olga", "privacy-officer")
        made.account("sam", "system-owner")
        yield made


def test_whom_nobody_can_ask_any_more_keeps_no_case_open(scored: Desk) -> None:
    """The agency left the map before it answered: officers are told, and the case ends."""
    desk, later = scored, scored.now + dt.timedelta(days=22)
    case = rights.rectify(desk.controller, ASKED, "shop.customer.name", "Ana Neill", desk.now).case
    desk.controller.deliver(desk.now)
    file = desk.directory / "kept.toml"
    text = file.read_text("utf-8")
    whole = EXTRA.strip() + "\n"
    assert whole in text
    file.write_text(text.replace(whole, MAIL), "utf-8")
    with Controller.open(deployment.read(desk.directory)) as controller:
        for task in controller.tasks():
            said = Answered(Outcome.DONE, "Olga", desk.now, "by phone")
            recipients.record(controller, task.id, said, "privacy-officer")
        assert controller.cases.get(case).state is State.AWAITING
        reminding.remind(controller, later - dt.timedelta(days=2))
        assert controller.cases.get(case).state is State.AWAITING
        calls = [c.words for c in reminding.calls(controller, later) if c.silent and c.officers]
        assert len(calls) == 1
        assert "agency.subscribers" in calls[0]
        reminding.remind(controller, later)
        assert controller.cases.get(case).state is State.CLOSED
        (gone,) = [a for a in derived.stands(controller, controller.cases.get(case)) if a.left]
        assert (gone.system, gone.state) == ("agency", "silent")


def test_what_was_made_of_a_wrong_value_is_asked_of_whoever_serves_it(scored: Desk) -> None:
    desk, controller = scored, scored.controller
    answer = rights.rectify(controller, ASKED, "shop.customer.name", "Ana Neill", desk.now)
    assert answer.complete
    controller.deliver(desk.now)
    # By mail where that is how people are asked, and at the desk where nobody else is asked.
    (mailed,) = (desk.directory / "letters").glob("*make-anew*.txt")
    assert "list" in mailed.read_text("utf-8")
    sam, olga = (desk.browser(desk.session(desk.account(name))) for name in ("sam", "olga"))
    page = words(sam.get("/desk/tasks").text)
    assert "Statistics · Scores To do: make anew what was made of corrected data" in page
    assert "Newsletter agency" in page
    path = f"/desk/cases/{answer.case}"
    case = words(olga.get(path).text)
    for said in ("What was made of it", "Scores (Statistics): whoever serves it was asked on",
                 "In 2 places something is still to be made anew"):  # fmt: skip
        assert said in case
    assert "2 places to make anew" in words(olga.get("/desk").text)
    for task in [t for t in controller.tasks() if t.action is Derived.ANEW]:
        shown = sam.post("/desk/tasks/show", task=task.id)
        assert "none of it rests on what was wrong" in shown.text
        told = {"task": task.id, "outcome": "done", "words": "I ran it anew today"}
        assert sam.post("/desk/tasks/done", **told).status_code == 303
    for task in [t for t in controller.tasks() if t.open]:
        said = {"task": task.id, "outcome": "done", "words": "by phone"}
        assert olga.post("/desk/tasks/done", **said).status_code == 303
    assert controller.cases.get(answer.case).state is State.CLOSED
    case = words(olga.get(path).text)
    assert "Scores (Statistics): it was made anew, by the word of whoever serves it, of" in case
    assert "still to be made anew" not in case
    assert not list((desk.directory / "letters").glob("*make-anew*.txt"))
    assert "ana@" not in "".join(
        p.read_text("utf-8") for p in (desk.directory / "state").rglob("*make-anew*.json")
    )


def test_what_is_to_be_put_right_is_not_called_to_be_emptied(desk: Desk) -> None:
    ask = Request(((Identifier("email", "ben@example.org"),),), "Kim", "operator", override="test")
    rights.rectify(desk.controller, ask, "agency.subscribers.list", "monthly", desk.now,
                   was="weekly")  # fmt: skip
    desk.controller.deliver(desk.now)
    sam = desk.browser(desk.session(desk.account("sam")))
    page = words(sam.get("/desk/tasks").text)
    assert "put right what is wrong" in page
    assert "weekly" not in page
    (one,) = (t for t in desk.controller.tasks() if t.corrects and t.open)
    shown = words(sam.post("/desk/tasks/show", task=one.id).text)
    assert "wrong is “weekly”, right is “monthly”" in shown
    assert "Please empty" not in shown
    sam.post("/desk/tasks/done", task=one.id, outcome="done", words="Jo, by telephone")
    assert "put right what is wrong" in words(sam.get("/desk/tasks?all").text)
    assert "empty what tells" not in words(sam.get("/desk/tasks?all").text)
