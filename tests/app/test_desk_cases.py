"""A case at the desk from the inbox to its end; with what must not work."""

from __future__ import annotations

import datetime as dt
import io
import re
import threading
import zipfile
from collections.abc import Iterator

import pytest
from openpyxl import load_workbook
from tests import world
from tests.acceptance.conftest import kept
from tests.app.desk import Browser, Desk, opened

from kept.app.desk import start, working
from kept.app.surface import DESK
from kept.duties.rights import Request, casework, entering, erase, reported
from kept.duties.rights.casework import can_carry_out
from kept.duties.rights.delivery import code_for
from kept.duties.rights.request import follows, open_case
from kept.errors import UsageError
from kept.records import watch
from kept.records.case_state import State
from kept.terms.identifiers import Identifier

ANA = (Identifier("email", "ana@example.org"),)
BEN = (Identifier("email", "ben@example.org"),)
#: So many within an hour are too many.
PEOPLE = 12
HOW = "Kim called the number on file, she named her last two orders"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("cases") / "world"
    with opened(
        directory, kept_module_url, extra=f"[desk]\nlarge = 2\npeople = {PEOPLE}\n"
    ) as made:
        made.account("olga", "privacy-officer")
        made.account("abel", "approver")
        made.account("vera", "verifier")
        made.account("ines", "intake")
        made.account("rita", "auditor")
        yield made


def words(text: str) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def case(desk: Desk, right: str = "erasure", who: tuple[Identifier, ...] = ANA,
         evidence: str | None = None, arrived: dt.date | None = None,
         by: str = "web") -> str:  # fmt: skip
    request = Request((who,), by, "operator", evidence=evidence, arrived=arrived)
    return open_case(desk.controller, right, request, desk.now)[0].id


def at(desk: Desk, name: str) -> Browser:
    return desk.browser(desk.session(desk.account(name)))


def test_the_head_of_a_case_says_that_too_little_is_known_of_who_asks(desk: Desk) -> None:
    for region, head, listed in (
        ("US-CA", "Not known well enough who asks", "identified, not well enough"),
        ("EEA", "Known who asks", "identified"),
    ):
        request = Request((ANA,), "web", "operator", evidence=HOW, region=region)
        one = open_case(desk.controller, "erasure", request, desk.now)[0].id
        olga = at(desk, "olga")
        page = olga.get(f"/desk/cases/{one}").text
        assert head in page
        # No way is offered that adds nothing to what is known.
        assert '<option value="checked">' not in page
        assert ('<option value="statement">' in page) == (region == "US-CA")
        # The list says the same, at the desk and by command.
        (row,) = re.findall(rf"<tr>(?:(?!</tr>).)*{one}.*?</tr>", olga.get("/desk").text, re.S)
        assert head.casefold() in words(row).casefold()
        said = kept(desk.directory, "case", "list", json=False).out
        assert re.search(rf"{one} +erasure +{listed}  ", said)


def test_from_the_inbox_to_the_end_by_two_people(desk: Desk) -> None:
    olga, abel, vera = (at(desk, n) for n in ("olga", "abel", "vera"))
    one = case(desk)
    path = f"/desk/cases/{one}"
    inbox = olga.get("/desk").text
    assert f'href="{path}"' in inbox
    assert "ana@example.org" not in inbox
    page = olga.get(path).text
    assert "ana@example.org" not in page
    # Nothing before it is known who asks.
    assert olga.post(f"{path}/carry-out").status_code == 400
    assert "before it is known who asks" in words(page)
    assert vera.post(f"{path}/evidence", words=HOW).status_code == 303
    assert olga.post(f"{path}/plan").headers["location"].endswith("?done=plan")
    page = olga.get(path).text
    assert "What would happen" in page
    assert "customer" in page
    assert re.search(r'href="/privacy#s\d+"', page), "why something stays leads to its sentence"
    plan = re.search(r'name="plan" value="([0-9a-f]{64})"', abel.get(path).text)
    assert plan
    assert "Approve the plan" not in page
    assert "Nobody else can in time" in page
    # It destroys more than one person answers for, so whoever drew it up does not approve it.
    refused = olga.post(f"{path}/approve", plan=plan[1])
    assert refused.status_code == 400
    assert "needs two people" in words(refused.text)
    assert vera.post(f"{path}/approve", plan=plan[1]).status_code == 403
    assert abel.post(f"{path}/carry-out").status_code == 400, "not approved yet"
    assert abel.post(f"{path}/approve", plan="0" * 64).status_code == 400
    assert abel.post(f"{path}/approve", plan=plan[1]).headers["location"].endswith("approved")
    assert abel.post(f"{path}/approve", plan=plan[1]).status_code == 303, "pressed twice"
    events = desk.controller.cases.events(desk.controller.cases.get(one))
    assert [(e.state, e.actor.name) for e in events][-1] == (State.APPROVED, "abel")
    assert olga.post(f"{path}/carry-out").status_code == 303
    working.finish()
    page = words(olga.get(path).text)
    assert "every step was read back" in page
    assert "read back" in page
    # Who has to be told by letter is a task of people, with how it stands.
    assert "What people are to do" in page
    assert re.search(r"tell it of the erasure .* waits", page)
    done = desk.controller.cases.get(one)
    assert (done.state, done.complete) == (State.AWAITING, True)
    # Who approved stays who approved.
    events = desk.controller.cases.events(done)
    assert [e.actor.name for e in events if e.state is State.APPROVED] == ["abel"]
    assert [e.actor.name for e in events if e.state is State.EXECUTING] == ["olga"]
    # The back button, and once more.
    assert olga.post(f"{path}/carry-out").headers["location"].endswith("?done=over")
    assert olga.post(f"{path}/plan").status_code == 400
    inbox = olga.get("/desk").text
    assert f'href="{path}"' not in inbox
    # It waits for whoever had the data, and says so; and nobody has told her yet.
    assert "Waits for recipients" in words(inbox)
    assert f'href="{path}#told"' in inbox
    page = words(olga.get(path).text)
    for said in ("All done, waits for recipients", "What it waits for", "she is still to be told",
                 "1 recipient of her data has still to answer"):  # fmt: skip
        assert said in page
    (task,) = (t for t in desk.controller.tasks() if t.case == one)
    told = {"task": task.id, "outcome": "done", "words": "Jo wrote on 3 June that it is gone"}
    assert "What became of it" in page
    assert "What became of it" not in vera.get(path).text
    assert vera.post(f"{path}/task", **told).status_code == 403
    for wrong in ({"words": " "}, {"outcome": "nothing-found"}, {"task": "another"}):
        assert olga.post(f"{path}/task", **(told | wrong)).status_code == 400
    assert olga.post(f"{path}/task", **told).headers["location"].endswith("?done=task")
    assert olga.post(f"{path}/task", **told).status_code == 400, "pressed twice"
    (entry,) = [e for e in desk.entries("word.given") if e["case"] == one]
    assert "Jo" not in str(entry)
    page = words(olga.get(path).text)
    assert "How it ended" in page
    assert "What became of it" not in page
    assert "waits for" not in page.casefold()
    assert "Waits for recipients" not in words(olga.get("/desk").text)


def test_a_copy_that_was_asked_for_as_well_is_to_be_made_before_the_erasure(desk: Desk) -> None:
    cleo = (Identifier("email", "cleo@example.org"),)
    erasure = case(desk, "erasure", cleo, evidence=HOW)
    path = f"/desk/cases/{erasure}"
    assert "Make it first" not in at(desk, "olga").get(path).text
    copy = case(desk, "access", cleo, evidence=HOW)
    page = at(desk, "olga").get(path).text
    assert "Make it first" in page
    assert f'href="/desk/cases/{copy}"' in page
    assert "Make it first" not in at(desk, "olga").get(f"/desk/cases/{copy}").text
    # A copy for somebody else says nothing of this one.
    other = case(desk, "erasure", (Identifier("email", "dora@example.org"),), evidence=HOW)
    assert "Make it first" not in at(desk, "olga").get(f"/desk/cases/{other}").text


def test_whom_it_is_about_is_shown_on_asking_and_entered(desk: Desk) -> None:
    olga, rita = at(desk, "olga"), at(desk, "rita")
    one = case(desk, who=BEN, evidence=HOW)
    path = f"/desk/cases/{one}"
    assert olga.post(f"{path}/note", words="she is <b>in a hurry</b> =1+1").status_code == 303
    page = olga.get(path).text
    for secret in ("ben@example.org", HOW, "in a hurry"):
        assert secret not in page
    before = len(desk.entries("data.shown"))
    page = olga.post(f"{path}/show").text
    for secret in ("ben@example.org", HOW, "she is &lt;b&gt;in a hurry&lt;/b&gt; =1+1"):
        assert secret in page
    entered = desk.entries("data.shown")[before:]
    assert [(e["case"], e["account"]) for e in entered] == [(one, desk.account("olga").id)]
    assert rita.get(path).status_code == 200
    assert rita.post(f"{path}/show").status_code == 403
    assert "Show who it is" not in rita.get(path).text


def test_what_she_wrote_is_shown_with_her_case(desk: Desk) -> None:
    """Whoever corrects something has to read what is wrong and what is right."""
    olga = at(desk, "olga")
    came = entering.Came("letter", desk.controller.day(desk.now), BEN, ("rectification",),
                         "My name is <i>Benno</i>, not Ben.")  # fmt: skip
    (asked,), _ = entering.add(
        desk.controller, came, desk.controller.actors.of("ines", "intake", desk.now), desk.now
    )
    ((_, one),) = asked.cases
    path = f"/desk/cases/{one}"
    page = olga.get(path).text
    assert f'href="/desk/requests/{asked.id}"' in page
    assert "Benno" not in page
    assert "My name is &lt;i&gt;Benno&lt;/i&gt;, not Ben." in olga.post(f"{path}/show").text
    told = kept(desk.directory, "case", "show", one, json=False)
    assert f"request show {asked.id} --show" in told.out
    assert "Benno" not in told.out


def test_an_erasure_says_that_her_copy_is_to_be_made_first(desk: Desk) -> None:
    """Who asks for both in one request gets little where the erasure is carried out before."""
    olga, asks = at(desk, "olga"), ("access", "erasure")
    came = entering.Came("letter", desk.controller.day(desk.now), BEN, asks, "A copy, then go.")
    ines = desk.controller.actors.of("ines", "intake", desk.now)
    (asked,), _ = entering.add(desk.controller, came, ines, desk.now)
    copy, gone = (dict(asked.cases)[right] for right in asks)
    said = f'not made yet: <a href="/desk/cases/{copy}">'
    assert said in olga.get(f"/desk/cases/{gone}").text
    assert "not made yet" not in olga.get(f"/desk/cases/{copy}").text
    olga.post(f"/desk/cases/{copy}/end", outcome="withdrawn", words="she wants no copy any more")
    assert said not in olga.get(f"/desk/cases/{gone}").text


def test_until_when_she_has_to_hear_that_it_has_come_is_said(desk: Desk) -> None:
    """California: ten working days (11 CCR 7021); the EEA has no such day."""
    olga = at(desk, "olga")
    for region, said in (("US-CA", True), ("EEA", False)):
        request = Request((BEN,), "web", "operator", region=region)
        one = open_case(desk.controller, "access", request, desk.now)[0]
        page = words(olga.get(f"/desk/cases/{one.id}").text)
        assert ("tell her by" in page) is said
        path = f"/desk/cases/{one.id}"
        assert "She was told that it has come" in page
        assert olga.post(f"{path}/acknowledge", on="2999-01-01").status_code == 400
        assert olga.post(f"{path}/acknowledge", on=desk.now.date()).status_code == 303
        page = words(olga.get(path).text)
        assert "tell her by" not in page
        assert "she was told that it has come" in page
        assert desk.controller.cases.get(one.id).state is State.ACKNOWLEDGED
        assert olga.post(f"{path}/acknowledge", on=desk.now.date()).status_code == 400


def test_support_sees_whom_a_case_is_about_only_until_it_is_over(desk: Desk) -> None:
    """What they may do goes by what is owed to her; who has another role too goes by that one."""
    helper = desk.browser(desk.session(desk.account("helper", "support")))
    both = desk.browser(desk.session(desk.account("both", "support", "intake")))
    olga = at(desk, "olga")
    one = case(desk, "withdrawal", BEN, HOW)
    path = f"/desk/cases/{one}"
    assert "ben@example.org" in helper.post(f"{path}/show").text
    found = desk.controller.cases.get(one)
    actor = desk.controller.actors.of("Kim", "operator", desk.now)
    desk.controller.cases.move(found, (State.WITHDRAWN,), actor, desk.now)
    before = len(desk.entries("data.shown"))
    assert "Show who it is" not in helper.get(path).text
    refused = helper.post(f"{path}/show")
    assert (refused.status_code, "ben@example.org" in refused.text) == (403, False)
    assert len(desk.entries("data.shown")) == before
    for browser in (olga, both):
        assert "Show who it is" in browser.get(path).text
        assert "ben@example.org" in browser.post(f"{path}/show").text
    # The letter takes a role that she has by support alone.
    assert "Write the letter" not in both.get(path).text
    assert both.post(f"{path}/answer").status_code == 403
    assert olga.post(f"{path}/answer").status_code == 200


def test_support_is_shown_nothing_by_any_path_of_what_is_over(desk: Desk) -> None:
    """Every path that the table gives support, tried while it is open and when it is over: a new
    one cannot be forgotten.
    """
    olga = at(desk, "olga")
    today = desk.controller.day(desk.now).isoformat()
    hers = {"email": "ana@example.org", "name": "O’Neill", "phone": "+49 30 123456",
            "street": "Lindenallee 4711", "words": "because of the blue teapot"}  # fmt: skip
    post = f"Ana {hers['name']}\n{hers['street']}"
    came = olga.post("/desk/requests/new", channel="letter", arrived=today, kind="email",
                     value=hers["email"], words=hers["words"], asks="access",
                     post=post)  # fmt: skip
    request = came.headers["location"].partition("?")[0].rpartition("/")[2]
    ((_, one),) = desk.controller.intakes.get(request).cases
    came = olga.post("/desk/complaints/add", channel="letter", arrived=today, email=hers["email"],
                     words=hers["words"], post=post)  # fmt: skip
    complaint = came.headers["location"].partition("?")[0].rpartition("/")[2]
    path = f"/desk/cases/{one}"
    olga.post(f"{path}/evidence", words=f"called her at {hers['phone']}")
    olga.post(f"{path}/note", words=f"{hers['name']}, {hers['phone']}")

    ids = {"case": one, "request_id": request, "complaint": complaint}
    tried = [s for s in DESK if "support" in s.roles]
    below = [s.name for s in tried if s.name.partition("}")[2]]
    assert len(below) > 10

    def met(name: str, method: str) -> tuple[int, set[str]]:
        """What is answered, and which of her values stand in it."""
        where = re.sub(r"\{(\w+):\w+\}", lambda m: ids[m[1]], name)
        browser = at(desk, "helper")
        answer = browser.get(where) if method == "GET" else browser.post(where, to="", words="x")
        text = answer.content.decode("latin-1") + answer.text
        return answer.status_code, {kind for kind, value in hers.items() if value in text}

    # While it is open support sees her; once all is done it still does until she was told.
    desk.account("helper", "support")
    for name in ("cases/{case:str}", "requests/{request_id:str}", "complaints/{complaint:str}"):
        status, seen = met(f"/desk/{name}/show", "POST")
        assert (status, seen >= {"email"}) == (200, True), name
    assert olga.post(f"{path}/package").status_code == 200
    assert olga.post(f"/desk/requests/{request}/close", outcome="answered",
                     reason="done").status_code == 303  # fmt: skip
    for name in ("cases/{case:str}", "requests/{request_id:str}"):
        assert met(f"/desk/{name}/show", "POST")[0] == 200, name
    assert met("/desk/cases/{case:str}/answer", "POST")[0] == 200
    assert "Write the letter" in at(desk, "helper").get(path).text
    # Now she is told, and the complaint is answered.
    assert olga.post(f"{path}/posted", way="in-person", on=today).status_code == 303
    assert olga.post(f"/desk/complaints/{complaint}/answer", outcome="upheld", words="sorry",
                     way="letter").status_code == 303  # fmt: skip
    before = len(desk.entries("data.shown"))
    for surface in tried:
        status, seen = met(surface.name, surface.method)
        assert not seen, surface
        if surface.name in below:
            assert status == 403, surface
    assert len(desk.entries("data.shown")) == before
    assert desk.controller.intakes.get(request).ended_at is not None
    # What it cannot do there it is not offered.
    helper = at(desk, "helper")
    for place in (path, f"/desk/requests/{request}", f"/desk/complaints/{complaint}"):
        assert f"{place}/" not in helper.get(place).text
    refused = words(helper.post(f"{path}/answer").text)
    assert "this one is over" in refused
    assert "Ask a privacy officer" in refused
    assert hers["email"] in olga.post(f"{path}/show").text, "it is still there for others"
    # The command line holds the same limit against the role.
    at_now = ("--now", desk.now.isoformat())
    pdf = desk.directory / "letter.pdf"
    for command in (("answer", one), ("letter", one, "--pdf", pdf), ("code", one),
                    ("deliver", one, pdf), ("posted", one, "--on", today),
                    ("note", one, "--words", "a word"), ("give", one)):  # fmt: skip
        ran = kept(desk.directory, "case", *command, *at_now, "--role", "support")
        assert (ran.status, "this one is over" in ran.said) == (1, True), ran.said
    ran = kept(desk.directory, "case", "answer", one, *at_now, "--role", "privacy-officer")
    assert ran.status == 0, ran.said


def test_support_is_not_shown_who_asked_where_only_the_jobs_have_still_to_end_the_request(
    desk: Desk,
) -> None:
    """A request with nothing left but its cases is over with them, not with the next job."""
    olga = at(desk, "olga")
    today = desk.controller.day(desk.now).isoformat()
    came = olga.post("/desk/requests/new", channel="letter", arrived=today, kind="email",
                     value="ben@example.org", words="please", asks="access")  # fmt: skip
    request = came.headers["location"].partition("?")[0].rpartition("/")[2]
    ((_, one),) = desk.controller.intakes.get(request).cases
    olga.post(f"/desk/cases/{one}/evidence", words="called her back at her number")
    assert olga.post(f"/desk/cases/{one}/package").status_code == 200
    desk.account("helper", "support")
    place = f"/desk/requests/{request}"
    assert "ben@example.org" in at(desk, "helper").post(f"{place}/show").text, "she is to be told"
    assert olga.post(f"/desk/cases/{one}/posted", way="in-person", on=today).status_code == 303
    assert desk.controller.intakes.get(request).ended_at is None, "no job has run"
    refused = at(desk, "helper").post(f"{place}/show")
    assert (refused.status_code, "ben@example.org" in refused.text) == (403, False)
    assert f"{place}/show" not in at(desk, "helper").get(place).text
    assert "ben@example.org" in olga.post(f"{place}/show").text


def test_support_does_not_say_by_command_how_it_was_checked_who_asks(desk: Desk) -> None:
    """Else it would ask, check and be given whom it likes, alone; at the desk it can do neither."""
    before = len(desk.controller.cases.all())
    out = desk.directory / "hers.zip"
    ran = kept(
        desk.directory,
        "rights",
        "access",
        "--identity",
        "email=ben@example.org",
        "--evidence",
        "she rang us from her number",
        "--out",
        out,
        "--role",
        "support",
    )
    assert (ran.status, "does not record how it was checked" in ran.said) == (1, True), ran.said
    assert not out.exists()
    assert len(desk.controller.cases.all()) == before


def test_opening_many_cases_raises_an_alert(desk: Desk) -> None:
    browser = desk.browser(desk.session(desk.account("curious", "support")))
    before = len(desk.controller.watch.alerts())
    for n in range(PEOPLE):
        assert len(desk.controller.watch.alerts()) == before, n
        assert browser.get(f"/desk/cases/{case(desk, 'access', BEN)}").status_code == 200
    alerts = desk.controller.watch.alerts()
    assert [a.name for a in alerts[: len(alerts) - before]] == ["curious"]
    # Lists count nobody: there is nobody in them.
    desk.browser(desk.session(desk.account("lister", "support"))).get("/desk")
    assert len(desk.controller.watch.alerts()) == before + 1


def test_what_was_cut_off_can_be_taken_up(desk: Desk) -> None:
    olga = at(desk, "olga")
    one = case(desk, "withdrawal", BEN, HOW)
    path = f"/desk/cases/{one}"
    assert olga.post(f"{path}/plan", purpose="marketing").status_code == 303
    actor = desk.controller.actors.of("abel", "approver", desk.now)
    assert casework.begin(desk.controller, one, actor, desk.now)
    # The machine stops here: nobody says how it ended.
    assert olga.post(f"{path}/carry-out").headers["location"].endswith("?done=busy")
    assert olga.post(f"{path}/plan", purpose="marketing").status_code == 400
    assert "It is being carried out" in words(olga.get(path).text)
    desk.later(minutes=11)
    assert olga.post(f"{path}/carry-out").status_code == 303
    working.finish()
    run = desk.controller.casework.run(desk.controller.cases.get(one))
    assert run is not None
    assert (run.actor.name, run.outcome) == ("olga", "complete")


def test_a_plan_of_rows_that_changed_is_not_carried_out(desk: Desk) -> None:
    olga, abel = at(desk, "olga"), at(desk, "abel")
    one = case(desk, who=BEN, evidence=HOW)
    path = f"/desk/cases/{one}"
    olga.post(f"{path}/plan")
    desk.later(seconds=1)
    assert olga.post(f"{path}/plan").headers["location"].endswith("?done=same-plan")
    plan = re.search(r'name="plan" value="([0-9a-f]{64})"', abel.get(path).text)
    assert plan
    abel.post(f"{path}/approve", plan=plan[1])
    new = "INSERT INTO note VALUES (77, 'ben@example.org', 'x', '2024-06-03 00:00:00')"
    world.sql(desk.directory, new)
    olga.post(f"{path}/carry-out")
    working.finish()
    page = words(olga.get(path).text)
    assert "not what it was when the plan was approved" in page
    assert desk.controller.cases.get(one).state is State.APPROVED
    # Looked at anew it is to be approved anew, whatever hash somebody still holds.
    assert olga.post(f"{path}/plan").status_code == 303
    assert desk.controller.cases.get(one).state is State.PLANNED
    actor = desk.controller.actors.of("abel", "approver", desk.now)
    looked = desk.controller.casework.looked_at(desk.controller.cases.get(one))
    assert looked
    request = Request((), actor.name, actor.role, case=one)
    with pytest.raises(UsageError, match="not what it was"):
        erase(desk.controller, request, desk.now, approved=looked["plan"])
    assert abel.post(f"{path}/carry-out").status_code == 400


def test_a_store_that_goes_away_after_the_approval_is_named(desk: Desk) -> None:
    olga, abel = at(desk, "olga"), at(desk, "abel")
    one = case(desk, who=BEN, evidence=HOW)
    path, shop = f"/desk/cases/{one}", desk.directory / "shop.sqlite"
    olga.post(f"{path}/plan")
    plan = re.search(r'name="plan" value="([0-9a-f]{64})"', abel.get(path).text)
    assert plan
    abel.post(f"{path}/approve", plan=plan[1])
    away = shop.rename(shop.with_suffix(".away"))
    try:
        olga.post(f"{path}/carry-out")
        working.finish()
        page = words(olga.get(path).text)
    finally:
        away.rename(shop)
    assert "It was not carried out: `shop` does not answer now" in page
    assert "Carry it out when it answers again" in page
    assert "is not what it was" not in page
    assert desk.controller.cases.get(one).state is State.APPROVED
    # Nothing was changed meanwhile, so what was approved is what is done.
    olga.post(f"{path}/carry-out")
    working.finish()
    run = desk.controller.casework.run(desk.controller.cases.get(one))
    assert run is not None
    assert run.outcome == "complete"


def test_a_store_that_is_down_is_named_and_nothing_is_complete(desk: Desk) -> None:
    olga, abel = at(desk, "olga"), at(desk, "abel")
    one = case(desk, who=(Identifier("email", "cleo@example.org"),), evidence=HOW)
    path, shop = f"/desk/cases/{one}", desk.directory / "shop.sqlite"
    away = shop.rename(shop.with_suffix(".away"))
    try:
        olga.post(f"{path}/plan")
        page = words(abel.get(path).text)
        assert "shop could not be asked" in page
        plan = re.search(r'name="plan" value="([0-9a-f]{64})"', abel.get(path).text)
        assert plan
        abel.post(f"{path}/approve", plan=plan[1])
        olga.post(f"{path}/carry-out")
        working.finish()
        page = words(olga.get(path).text)
        assert "Complete:" not in page
        assert "It is not complete" in page
    finally:
        away.rename(shop)
    olga.post(f"{path}/carry-out")
    working.finish()
    assert "every step was read back" in words(olga.get(path).text)


def test_two_officers_at_once_do_it_once(desk: Desk) -> None:
    one = case(desk, "restriction", (Identifier("email", "cleo@example.org"),), HOW)
    olga, abel = at(desk, "olga"), at(desk, "abel")
    path = f"/desk/cases/{one}"
    assert olga.post(f"{path}/plan", ground="accuracy").status_code == 303
    answers: list[str] = []

    def press(browser: Browser) -> None:
        made = browser.client.post(
            f"{path}/carry-out", data={"csrf": browser.csrf},
            headers={"Origin": "http://127.0.0.1"}, follow_redirects=False,
        )  # fmt: skip
        answers.append(made.headers.get("location", str(made.status_code)))

    threads = [threading.Thread(target=press, args=(b,)) for b in (olga, abel)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    working.finish()
    executing = [e for e in desk.controller.cases.events(desk.controller.cases.get(one))
                 if e.state is State.EXECUTING]  # fmt: skip
    assert len(executing) == 1, answers
    assert desk.controller.cases.get(one).state is State.CHECKED
    # In force is answered: it does not wait in the list.
    assert f'href="{path}"' not in olga.get("/desk").text
    page = words(olga.get(path).text)
    assert "In force" in page
    assert olga.post(f"{path}/decide", step="told", words="by letter on Monday").status_code == 303
    desk.later(minutes=1)
    lifted = olga.post(f"{path}/decide", step="lift", words="it is right now")
    assert lifted.status_code == 303, words(lifted.text)
    assert desk.controller.cases.get(one).state is State.CLOSED


def test_approvers_who_are_at_it_at_once_read_the_plan_that_was_approved(desk: Desk) -> None:
    """Whoever is slower by a moment is told so by no error; who read another plan is not told that
    what he read was approved.
    """
    one = case(desk, "erasure", (Identifier("email", "cleo@example.org"),), HOW)
    olga, path = at(desk, "olga"), f"/desk/cases/{one}"
    assert olga.post(f"{path}/plan").status_code == 303
    looked = desk.controller.casework.looked_at(desk.controller.cases.get(one))
    assert looked is not None
    answers: list[str] = []

    def press(browser: Browser) -> None:
        made = browser.client.post(
            f"{path}/approve", data={"csrf": browser.csrf, "plan": looked["plan"]},
            headers={"Origin": "http://127.0.0.1"}, follow_redirects=False,
        )  # fmt: skip
        answers.append(made.headers.get("location", words(made.text)))

    threads = [threading.Thread(target=press, args=(at(desk, "abel"),)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert set(answers) == {f"{path}?done=approved"}
    approved = [e for e in desk.entries("plan.approved") if e["case"] == one]
    assert len(approved) == 1
    abel = at(desk, "abel")
    abel.get(path)
    other = abel.post(f"{path}/approve", plan="0" * 64)
    assert (other.status_code, "looked at anew since" in words(other.text)) == (400, True)


def carried(desk: Desk, one: str, **given: object) -> str:
    """Looked at and carried out by the officer; what the page says then."""
    olga, path = at(desk, "olga"), f"/desk/cases/{one}"
    looked = olga.post(f"{path}/plan", **given)
    assert looked.status_code == 303, words(looked.text)
    assert "What would happen" in olga.get(path).text
    assert olga.post(f"{path}/carry-out").status_code == 303
    working.finish()
    return words(olga.get(path).text)


@pytest.mark.parametrize(("outcome", "came"), [("refused", "not followed"), ("upheld", "followed")])
def test_an_objection_stops_at_once_and_is_weighed(desk: Desk, outcome: str, came: str) -> None:
    one = case(desk, "objection", BEN, HOW)
    path, olga = f"/desk/cases/{one}", at(desk, "olga")
    assert olga.post(f"{path}/plan").status_code == 400, "no use is named"
    assert olga.post(f"{path}/plan", purpose="nothing").status_code == 400
    page = carried(desk, one, purpose="analytics")
    assert "in force, to be weighed" in page.lower()
    assert olga.post(f"{path}/decide", step="weigh", outcome="maybe", words="x").status_code == 400
    assert olga.post(f"{path}/decide", step="weigh", outcome="upheld", words="").status_code == 400
    done = olga.post(f"{path}/decide", step="weigh", outcome=outcome, words="as was weighed")
    assert done.status_code == 303, words(done.text)
    assert desk.controller.cases.get(one).state is State.CLOSED
    assert f"Her objection is {came}; every system was asked." in words(olga.get(path).text)


def test_what_an_objection_does_not_reach_stands_on_its_page(desk: Desk) -> None:
    one = case(desk, "objection", BEN, HOW)
    page = carried(desk, one, purpose="service.payment")
    assert "What her objection does not reach" in page
    assert desk.controller.cases.get(one).unmet == "whole"


@pytest.mark.parametrize(
    ("right", "given", "then"),
    [
        ("objection", {"purpose": "marketing"}, State.CLOSED),
        ("objection", {"purpose": "site.improve"}, State.CHECKED),
        ("restriction", {"ground": "claims"}, State.CHECKED),
    ],
)
def test_a_choice_of_which_a_system_was_not_asked_asks_it_later(
    desk: Desk, right: str, given: dict[str, str], then: State
) -> None:
    """It stands for what was given; nothing is to be weighed or lifted only because of that."""
    olga, shop = at(desk, "olga"), desk.directory / "shop.sqlite"
    who = (Identifier("email", f"{right}-{then}@example.org"),)
    one = case(desk, right, who, HOW)
    path = f"/desk/cases/{one}"
    away = shop.rename(shop.with_suffix(".away"))
    try:
        carried(desk, one, **given)
        page = words(olga.get(path).text)
        assert "could not be asked by what else she is known there" in page
        assert "in force for what was given" in page
        assert path in olga.get("/desk/").text, "it still waits to be answered"
        assert "Weigh her reasons" not in page, "no outcome would bind what is not asked"
        weighs = follows(desk.controller, desk.controller.cases.get(one))[0] == "weigh"
        assert weighs is (given == {"purpose": "site.improve"})
    finally:
        away.rename(shop)
    olga.post(f"{path}/carry-out")
    working.finish()
    page = words(olga.get(path).text)
    assert "could not be asked by what else" not in page
    assert ("Weigh her reasons" in page) is (given == {"purpose": "site.improve"})
    # In force, a restriction is answered; an objection waits to be weighed, or to be told of.
    assert (path in olga.get("/desk/").text) is (right == "objection")
    assert desk.controller.cases.get(one).state is then
    assert not can_carry_out(desk.controller, desk.controller.cases.get(one), {"given": {}})


def test_what_she_agreed_to_again_reads_as_left(desk: Desk) -> None:
    """It read as a step that somebody has still to do, in a case that is closed."""
    new = "INSERT INTO note VALUES (60, 'gil@example.org', 'asked', '2024-06-03 00:00:00')"
    world.sql(desk.directory, new)
    who = Identifier("email", "gil@example.org")
    one = case(desk, "withdrawal", (who,), HOW)
    page = carried(desk, one, purpose="communicate")
    assert "shop.note What: deleted How it stands: to do" in page
    (subject,) = desk.controller.subjects.find([who])
    desk.later(days=1)
    desk.controller.consents.grant(subject, "communicate", desk.now, source="form")
    at(desk, "olga").post(f"/desk/cases/{one}/carry-out")
    working.finish()
    page = words(at(desk, "olga").get(f"/desk/cases/{one}").text)
    assert desk.controller.cases.get(one).complete
    assert "left: she agreed again on 24 November 2026" in page
    assert "How it stands: to do" not in page


def test_what_is_due_because_of_a_withdrawal_is_erased_at_the_desk(desk: Desk) -> None:
    """It could be pressed for ever, and only a command ended the case."""
    new = "INSERT INTO note VALUES (61, 'hal@example.org', 'asked', '2024-06-03 00:00:00')"
    world.sql(desk.directory, new)
    one = case(desk, "withdrawal", (Identifier("email", "hal@example.org"),), HOW)
    path, rows = f"/desk/cases/{one}", "SELECT count(*) FROM note WHERE id = 61"
    page = carried(desk, one, purpose="communicate")
    assert "1 record rested on that consent alone and is due" in page
    helper = desk.browser(desk.session(desk.account("hanna", "support")))
    assert "An approver or a privacy officer erases it" in words(helper.get(path).text)
    assert helper.post(f"{path}/carry-out", erase="yes").status_code == 400
    at(desk, "olga").post(f"{path}/carry-out")
    working.finish()
    assert world.sql(desk.directory, rows) == [(1,)], "nothing goes without that word"
    abel = at(desk, "abel")
    assert "Erase what is due" in abel.get(path).text
    abel.post(f"{path}/carry-out", erase="yes")
    working.finish()
    assert world.sql(desk.directory, rows) == [(0,)]
    assert desk.controller.cases.get(one).complete
    assert "Complete" in words(abel.get(path).text)


def test_who_entered_a_withdrawal_does_not_erase_what_is_due_but_in_an_emergency(
    desk: Desk,
) -> None:
    new = "INSERT INTO note VALUES (62, 'ida@example.org', 'asked', '2024-06-03 00:00:00')"
    world.sql(desk.directory, new)
    one = case(desk, "withdrawal", (Identifier("email", "ida@example.org"),), HOW, by="olga")
    path, olga = f"/desk/cases/{one}", at(desk, "olga")
    # Nor with the press by which it holds, which no page offers.
    olga.post(f"{path}/plan", purpose="communicate")
    olga.post(f"{path}/carry-out", erase="yes")
    working.finish()
    assert world.sql(desk.directory, "SELECT count(*) FROM note WHERE id = 62") == [(1,)]
    page = carried(desk, one, purpose="communicate")
    assert "It takes somebody else to erase it: who entered a request" in page
    assert olga.post(f"{path}/carry-out", erase="yes").status_code == 400
    assert not desk.controller.cases.get(one).complete
    alerts = len(desk.entries("override.used"))
    olga.post(f"{path}/carry-out", erase="yes", alone="nobody else is here before the day")
    working.finish()
    assert desk.controller.cases.get(one).complete
    assert len(desk.entries("override.used")) == alerts + 1


def test_a_value_is_put_right(desk: Desk) -> None:
    new = "INSERT INTO customer VALUES (44, 'dan@example.org', 'Dan', NULL, '2024-03-01 00:00:00')"
    world.sql(desk.directory, new)
    one = case(desk, "rectification", (Identifier("email", "dan@example.org"),), HOW)
    olga, path = at(desk, "olga"), f"/desk/cases/{one}"
    wrong = olga.post(f"{path}/plan", at="shop.nowhere.x", value="Daniel", was="Dan")
    assert wrong.status_code == 400
    for typed in ("shop.nowhere.x", "Daniel", "Dan"):
        assert f'value="{typed}"' in wrong.text, "what was typed in is not typed again"
    olga.post(f"{path}/plan", at="shop.customer.name", value="Daniel <i>")
    plan = olga.get(path).text
    assert "What changes" in plan
    assert "<code>shop.customer.name</code>" in plan
    assert "Daniel" not in plan
    assert "<b>Daniel &lt;i&gt;</b>" in at(desk, "abel").post(f"{path}/show").text
    evil = "Dan <script>alert(1)</script>"
    page = carried(desk, one, at="shop.customer.name", value=evil)
    assert desk.controller.cases.get(one).state in (State.AWAITING, State.CLOSED), page
    assert world.sql(desk.directory, "SELECT name FROM customer WHERE id = 44") == [(evil,)]
    assert "alert(1)" not in page


@pytest.mark.parametrize("right", ["access", "portability"])
def test_a_package_is_made_once_and_fetched_again(desk: Desk, right: str) -> None:
    olga, ines = at(desk, "olga"), at(desk, "ines")
    unknown = case(desk, right, BEN)
    before = set(desk.directory.iterdir())
    assert olga.post(f"/desk/cases/{unknown}/package").status_code == 400, "not known who asks"
    assert ines.post(f"/desk/cases/{unknown}/package").status_code == 403
    one = case(desk, right, BEN, HOW)
    made = olga.post(f"/desk/cases/{one}/package")
    assert made.status_code == 200
    assert one in made.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(made.content)) as package:
        assert package.testzip() is None
        assert len(package.namelist()) > 2
    assert set(desk.directory.iterdir()) - before <= {desk.directory / "state"}
    assert desk.controller.cases.get(one).state is State.CLOSED
    # What is left here is encrypted; it is handed out three times in all, and to nobody else.
    (waits,) = desk.controller.deliveries.of(desk.controller.cases.get(one))
    file = desk.directory / "state" / "deliveries" / waits.file
    assert made.content[:64] not in file.read_bytes()
    assert f"can be fetched {waits.allowed - 1} more times" in words(
        olga.get(f"/desk/cases/{one}").text
    )
    assert ines.post(f"/desk/cases/{one}/package").status_code == 403
    with pytest.raises(UsageError, match="no package"):
        code_for(desk.controller, one, desk.now)
    for _ in range(waits.allowed - 1):
        assert olga.post(f"/desk/cases/{one}/package").content == made.content
    assert not file.exists()
    assert olga.post(f"/desk/cases/{one}/package").status_code == 400, "made once"
    counted = [e["fetched"] for e in desk.entries("delivery.fetched") if e["case"] == one]
    assert counted == [1, 2, 3]
    assert "every system was asked" in words(olga.get(f"/desk/cases/{one}").text)


def test_clock_owner_and_ends(desk: Desk) -> None:
    olga, ines = at(desk, "olga"), at(desk, "ines")
    one = case(desk, "access", BEN, arrived=desk.controller.day(desk.now) - dt.timedelta(days=90))
    path = f"/desk/cases/{one}"
    assert "late by" in words(olga.get("/desk?due=late").text)
    assert ines.post(f"{path}/clock", act="extend").status_code == 403
    assert olga.post(f"{path}/clock", act="extend", reason="complex", words="x",
                     day="nonsense").status_code == 400  # fmt: skip
    day = desk.controller.day(desk.now) - dt.timedelta(days=2)
    assert olga.post(f"{path}/clock", act="put-right", region="DE",
                     day=day.isoformat()).status_code == 303  # fmt: skip
    assert olga.post(f"{path}/clock", act="extend", reason="complex", words="it takes longer",
                     day=desk.controller.day(desk.now).isoformat()).status_code == 303  # fmt: skip
    assert "more time was taken" in words(olga.get(path).text)
    assert ines.post(f"{path}/owner", to=desk.account("ines").id).status_code == 303
    assert "Task of Ines" in words(olga.get(path).text)
    assert f'href="{path}"' in ines.get("/desk?whose=mine").text
    assert f'href="{path}"' not in ines.get("/desk?whose=nobodys").text
    assert ines.post(f"{path}/owner", to=desk.account("rita").id).status_code == 400, (
        "an auditor has no cases"
    )
    assert ines.post(f"{path}/end", outcome="refused", words="no").status_code == 403
    assert olga.post(f"{path}/end", outcome="refused", words=" ").status_code == 400
    said = {"outcome": "refused", "words": "asked before"}
    assert olga.post(f"{path}/end", **said).status_code == 400, "without a reason of the law"
    assert olga.post(f"{path}/end", code="excessive", **said).status_code == 303
    assert desk.controller.cases.get(one).state is State.REFUSED
    # Nobody has told her of it yet, and that is a task of whose the case is.
    assert f'href="{path}#letter"' in ines.get("/desk?whose=mine").text
    assert f'href="{path}#letter"' not in ines.get("/desk?whose=nobodys").text
    assert f'href="{path}#letter"' not in olga.get("/desk?whose=mine").text
    assert olga.post(f"{path}/end", outcome="refused", words="again").status_code == 400
    assert "Write the letter" in olga.get(path).text
    assert olga.post(f"{path}/answer", country="Narnia").status_code == 400
    letter = olga.post(f"{path}/answer", country="DE")
    assert letter.status_code == 200
    assert "GDPR Art. 12(5)" in letter.text
    assert "Asked before." in letter.text
    assert at(desk, "rita").post(f"{path}/answer", country="DE").status_code == 403
    assert olga.get("/desk/cases/nothing").status_code == 404


def test_a_letter_is_entered_and_a_report_decided(desk: Desk) -> None:
    ines, olga = at(desk, "ines"), at(desk, "olga")
    today = desk.controller.day(desk.now).isoformat()
    evil = '"><script>alert(1)</script>'
    bad = ines.post("/desk/requests/new", channel="letter", arrived="x", words=evil)
    assert bad.status_code == 400
    assert evil not in bad.text
    assert "as 2026-01-31" in words(bad.text)
    made = ines.post("/desk/requests/new", channel="letter", arrived=today, kind="email",
                     value="dora@example.org", words=evil, asks="access")  # fmt: skip
    assert made.status_code == 303
    path = made.headers["location"].partition("?")[0]
    page = ines.get(path).text
    assert "dora@example.org" not in page
    assert "See what you have about me" in page
    assert '<a href="/desk/cases/' in page
    page = ines.post(f"{path}/show").text
    assert "dora@example.org" in page
    assert evil not in page
    assert "&lt;script&gt;" in page
    made = ines.post("/desk/requests/new", channel="phone", arrived=today, kind="email",
                     value="kid@example.org", words="a child", asks="child-report")  # fmt: skip
    path = made.headers["location"].partition("?")[0]
    inbox = words(ines.get("/desk").text)
    assert "A report of data of a child" in inbox
    assert ines.post(f"{path}/decide", outcome="confirmed", reason="x").status_code == 403
    assert olga.post(f"{path}/decide", outcome="confirmed", reason="").status_code == 400
    done = olga.post(f"{path}/decide", outcome="confirmed", reason="the school confirmed it")
    assert "/desk/cases/" in done.headers["location"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"arrived": "2099-01-01"}, "the day of arrival is to come"),
        ({"arrived": "yesterday"}, "day"),
        ({"channel": "phone", "post": "1 Long Road"}, "only a letter has a scan and an address"),
        ({"channel": "pigeon"}, "there is no such channel"),
        ({"region": "Atlantis"}, "there is no such region"),
        ({"kind": "email", "value": "+41 44 765 43 21"}, "e-mail"),
        ({"value": ""}, "nobody is named"),
        ({"asks": "everything"}, "nothing of that kind is asked"),
        ({"words": "x" * 30_000}, "the text is too long"),
    ],
)
def test_what_is_not_so_or_does_not_go_together_is_not_entered(
    wrong: dict[str, str], said: str, desk: Desk
) -> None:
    """Sent as a browser sends it that asks for nothing to be filled in."""
    ines = at(desk, "ines")
    whole = {"channel": "letter", "arrived": str(desk.now.date()), "asks": "access",
             "kind": "phone", "value": "+41 44 765 43 21"}  # fmt: skip
    before = len(desk.controller.intakes.all())
    answer = ines.post("/desk/requests/new", **(whole | wrong))
    assert answer.status_code == 400
    assert said in words(answer.text).lower()
    assert len(desk.controller.intakes.all()) == before


def test_what_is_unclear_is_sorted_and_ended(desk: Desk) -> None:
    ines = at(desk, "ines")
    today = desk.controller.day(desk.now).isoformat()
    made = ines.post("/desk/requests/new", channel="email", arrived=today, kind="email",
                     value="ulf@example.org", words="hello there", asks="question")  # fmt: skip
    path = made.headers["location"].partition("?")[0]
    assert ines.post(f"{path}/classify", asks="nothing").status_code == 400
    assert ines.post(f"{path}/close", outcome="answered", reason="").status_code == 400
    assert ines.post(f"{path}/close", outcome="answered", reason="by telephone").status_code == 303
    assert ines.post(f"{path}/close", outcome="answered", reason="again").status_code == 400


def _answered(desk: Desk) -> tuple[int, int]:
    """(in time, late), counted again from the cases one by one: by when it was entered as told, a
    package was there that she fetched, or a restriction was in force.
    """
    found = {True: 0, False: 0}
    for one in desk.controller.cases.all():
        clock = desk.controller.clocks.of(one)
        told = [c.dated for c in desk.controller.clocks.changes(one) if c.act == "posted"]
        told += [d.made_at.date() for d in desk.controller.deliveries.of(one)
                 if d.fetched and not d.desk]  # fmt: skip
        told += [e.at.date() for e in desk.controller.cases.events(one)
                 if (one.right, e.state) == ("restriction", State.CHECKED)]  # fmt: skip
        if clock and told and one.state is not State.WITHDRAWN:
            found[min(filter(None, told)) <= clock.due] += 1
    return found[True], found[False]


def test_figures_and_lists_hold_nobody(desk: Desk) -> None:
    olga, rita, ines = at(desk, "olga"), at(desk, "rita"), at(desk, "ines")

    def refuse(one: str) -> None:
        olga.post(f"/desk/cases/{one}/end", outcome="refused", code="excessive",
                  words="asked before")  # fmt: skip
        page = words(olga.get(f"/desk/cases/{one}").text)
        assert "she is still to be told" in page
        assert "Answer by" in page
        assert "Was due by" not in page
        day = desk.controller.day(desk.now).isoformat()
        olga.post(f"/desk/cases/{one}/posted", on=day, way="in-person")

    one = case(desk, "access", BEN, evidence=HOW)
    refuse(one)
    assert "answered in time" in words(olga.get(f"/desk/cases/{one}").text)
    page = olga.get("/desk/figures")
    assert page.status_code == 200
    assert "What is due when" in page.text
    good, late = _answered(desk)
    assert good + late >= 1
    apart = good + late >= 5 and not {good, late} & {1, 2, 3, 4}
    assert ("are not shown apart" in words(page.text)) is not apart
    for days in (90, 1, 1, 1, 1, *[90] * 4):
        arrived = desk.controller.day(desk.now) - dt.timedelta(days=days)
        one = case(desk, "access", BEN, evidence=HOW, arrived=arrived)
        refuse(one)
    good, late = _answered(desk)
    assert min(good, late) >= 5, "neither part is of few, so both are shown"
    shown = words(olga.get("/desk/figures").text)
    assert f"{good} in time" in shown
    assert f"{late} late" in shown
    assert f"{good} of {good + late} answers" in shown
    for name in ("cases", "processing", "recipients"):
        answer = rita.get(f"/desk/lists/{name}.csv")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in answer.headers["content-disposition"]
        assert "@example.org" not in answer.text
        assert len(answer.text.splitlines()) > 1, name
        assert rita.get(f"/desk/lists/{name}.xlsx").content[:2] == b"PK"
    assert ines.get("/desk/lists/cases.csv").status_code == 403
    assert rita.get("/desk/lists/people.csv").status_code == 404


def test_a_name_that_is_a_formula_is_guarded(desk: Desk) -> None:
    formula = desk.account("formula", "support")
    with desk.controller.database.connection() as c:
        c.execute("UPDATE account SET shown = %s WHERE account = %s",
                  ('=HYPERLINK("http://x","y")', formula.number))  # fmt: skip
    one = case(desk, "access", BEN)
    casework.give(desk.controller, one, desk.account("formula"), desk.now)
    olga = at(desk, "olga")
    assert "'=HYPERLINK" in olga.get("/desk/lists/cases.csv").text
    data = olga.get("/desk/lists/cases.xlsx").content
    cells = [c for row in load_workbook(io.BytesIO(data)).active.iter_rows() for c in row]
    assert {c.data_type for c in cells} <= {"s", "inlineStr", "n"}, "none is a formula"
    assert [c.value for c in cells if "HYPERLINK" in str(c.value)] == ['=HYPERLINK("http://x","y")']


def test_pages_go_on_from_where_the_last_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "PAGE", 2)
    made = [case(desk, "access", BEN) for _ in range(5)]
    olga, met, path = at(desk, "olga"), list[str](), "/desk?right=access"
    while path:
        text = olga.get(path).text
        met += re.findall(r'href="/desk/cases/([^"]+)"', text)
        onward = re.search(r'href="(/desk\?[^"]+)">Next', text)
        path = onward[1].replace("&amp;", "&") if onward else ""
    assert len(met) == len(set(met))
    assert set(made) <= set(met)
    assert olga.get("/desk?after=9999-99-99.1&right=x&state=y").status_code == 200


def test_what_waits_in_the_list_is_what_is_not_answered(desk: Desk) -> None:
    """The mark by which the list is read, against the states of the cases."""
    with desk.controller.database.connection() as c:
        waiting = c.execute("SELECT number FROM case_clock WHERE waiting").fetchall()
    unanswered = set(desk.controller.clocks.unanswered())
    assert {row[0] for row in waiting} == unanswered
    ended = [one for one in desk.controller.cases.all() if one.number not in unanswered]
    assert len(ended) > 3
    today, zone = desk.now.date(), desk.controller.desk.zone
    _, untold = desk.controller.worklist.untold(desk.now, zone, 1)
    tally = desk.controller.worklist.tally(today, today, desk.now, zone)
    assert tally.all == len(unanswered) + untold


def test_a_letter_on_paper_is_made_opened_and_entered_as_sent(desk: Desk) -> None:
    request = Request((ANA,), "web", "operator", evidence=HOW, region="EEA")
    one = open_case(desk.controller, "access", request, desk.now)[0].id
    path, olga = f"/desk/cases/{one}", at(desk, "olga")
    before = len(desk.entries("data.shown"))
    fields = {
        "to": "Ana <b>A.</b>\n1 Road\r\n\n8001 Zürich",
        "more": "complex",
        "words": "archives",
    }
    answer = olga.post(f"{path}/letter", **fields)
    assert answer.status_code == 200, words(answer.text)
    assert answer.headers["content-type"] == "application/pdf"
    assert f"-{one}.pdf" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"%PDF-")
    assert len(desk.entries("data.shown")) == before + 1
    shown = olga.get(path).text
    (number,) = re.findall(r'name="letter" value="(\d+)"><p><button class="quiet">Open', shown)
    again = olga.post(f"{path}/letter", letter=number)
    assert again.content == answer.content
    for day, why in (("", "not said when"), ("x", "not said when"), ("2020-01-01", "cannot have")):
        refused = olga.post(f"{path}/posted", letter=number, on=day)
        assert refused.status_code == 400
        assert why in words(refused.text).lower().replace("it is ", "")
    # Who examines sees that there is one, and neither opens nor enters it.
    rita = at(desk, "rita")
    assert "Not entered as sent yet" in words(rita.get(path).text)
    for where in ("letter", "posted"):
        assert rita.post(f"{path}/{where}", letter=number, on="2026-01-01").status_code == 403
    day = desk.controller.day(desk.now).isoformat()
    assert olga.post(f"{path}/posted", letter=number, on=day).status_code == 303
    shown = words(olga.get(path).text)
    assert f"It went out on {day}." in shown
    assert "more time was taken" in shown
    # A number of another case, or none at all.
    other = case(desk, "access", BEN, evidence=HOW)
    for strange in (number, "9" * 17, "-1", "x"):
        assert olga.post(f"/desk/cases/{other}/letter", letter=strange).status_code == 400
    assert "to whom" in words(olga.post(f"{path}/letter", to="  ").text)


def test_reports_that_came_in_a_crowd_are_seen_to_together(desk: Desk) -> None:
    for n in range(6):
        reported.report(desk.controller, f"held{n}@example.org", "she is nine", "", once=f"c{n}",
                        source="192.0.2.66", now=desk.now)  # fmt: skip
    held = [one.id for one in desk.controller.intakes.held()]
    assert len(held) == 3
    olga, rita = at(desk, "olga"), at(desk, "rita")
    assert "3 reports of data of a child came among too many" in words(olga.get("/desk").text)
    assert "4 reports of data of a child had come within an hour" in words(
        olga.get("/desk/accounts").text
    )
    for what in (watch.FULL, watch.COMPLAINTS_FULL, watch.CHOICES_FULL, watch.REPORTS_FULL):
        desk.controller.turned_away(what, 7, desk.now)
    page = words(olga.get("/desk/accounts").text)
    for form in ("requests", "complaints", "letters to the page of choices", "reports of a child"):
        assert f"The form for {form} turned people away" in page
    assert "It takes 2,000 within an hour" in page
    assert page.count("How many it takes stands in kept.toml [desk] requests.") == 3
    assert "Freeze these records" not in words(rita.get("/desk/reports").text)
    assert rita.post("/desk/reports", step="freeze", report=held).status_code == 403
    # What was not ticked waits on; nothing is ended without a reason.
    assert olga.post("/desk/reports", step="freeze", report=held[:1]).status_code == 303
    assert desk.controller.intakes.get(held[0]).frozen_at == desk.now
    assert olga.post("/desk/reports", step="unfounded", report=held, reason=" ").status_code == 400
    done = olga.post("/desk/reports", step="unfounded", report=held, reason="all from one office")
    assert (done.status_code, "were left alone" in done.text) == (200, True)
    assert held[0] in done.text
    assert desk.controller.intakes.get(held[0]).open, "that was not held any more"
    assert "None waits" in words(olga.get("/desk/reports").text)
