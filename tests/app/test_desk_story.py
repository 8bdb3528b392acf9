"""The desk in a real browser, from the login to the end, by two people and by all of them; every
page of the console looked at in both schemes, on a phone and on a desk.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page
from tests import world
from tests.app.conftest import serve
from tests.app.desk import HASH, PASSWORD
from tests.app.test_desk_browser import looked_at, press, spoken
from tests.asking import Inbox, links, mail_server
from tests.browser import NEEDS_CHROMIUM, axe, browser, opened

from kept import deployment
from kept.app.commands.serve import free_port
from kept.controller import Controller
from kept.duties.rights import Request, casework, entering
from kept.duties.rights.request import open_case
from kept.embedded import Server
from kept.records import totp
from kept.terms.identifiers import Identifier

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture
HOW = "Kim called the number on file; she named her last two orders"
PEOPLE = {
    "olga": "privacy-officer", "abel": "approver", "ines": "intake", "red": "redactor",
    "oona": "privacy-officer", "ada": "approver", "remy": "redactor", "rita": "auditor",
}  # fmt: skip
#: What stands of others in Cleo's note.
NOTE = (
    "Cleo came with Dora Quill (+44 20 7946 0018), who wants it sent to max@else.example; ask Bö."
)


class Served(NamedTuple):
    """A desk that is served, its case that is due, and the secrets of authenticators."""

    url: str
    directory: Path
    case: str
    request: str
    access: str
    secrets: dict[str, bytes]
    inbox: Inbox
    used: dict[str, int]

    def code(self, name: str) -> str:
        """What the authenticator shows; a code is good once, so the next one where two tests log
        somebody in within half a minute, waited for where it would come too early.
        """
        at = max(self.used.get(name, 0) + 1, totp.step(dt.datetime.now(dt.UTC)))
        while at > totp.step(dt.datetime.now(dt.UTC)) + totp.SLACK:
            time.sleep(0.1)
        self.used[name] = at
        return totp.code(self.secrets[name], at)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[Served]:
    url = pg_server.make_database(f"story_{os.getpid()}", template=_kept_template)
    directory = tmp_path_factory.mktemp("story") / "world"
    port = free_port("127.0.0.1", 0)
    post = ExitStack()
    inbox, server = post.enter_context(mail_server())
    extra = (
        f'[desk]\nlarge = 2\n[site]\nurl = "http://127.0.0.1:{port}"\n'
        f'[mail]\nurl = "{server}"\nfrom = "privacy@example.net"\n'
    )
    config = deployment.read(world.make(directory, url, extra=extra))
    now, secrets = dt.datetime.now(dt.UTC), {}
    with Controller.open(config) as controller:
        accounts = controller.accounts
        with controller.database.connection() as c:
            for name, role in PEOPLE.items():
                made = accounts.add(name, f"{name.title()} Example", HASH, now, connection=c)
                accounts.set_password(made, HASH, connection=c)
                accounts.offer_secret(made, connection=c)
                accounts.enrol(made, 0, connection=c)
                accounts.grant(made, role, "a test", None, now, connection=c)
                secret, _ = accounts.secret(made, connection=c)
                assert secret is not None
                secrets[name] = secret
        today = controller.day(now)

        def case(right: str, who: str, days: int, evidence: str | None = None) -> str:
            request = Request(
                ((Identifier("email", who),),), "web", "operator", evidence=evidence,
                region="EEA", arrived=today - dt.timedelta(days=days),
            )  # fmt: skip
            return open_case(controller, right, request, now)[0].id

        case("access", "ben@example.org", 40, HOW)
        world.sql(directory, "INSERT INTO note VALUES (3, 'cleo@example.org', ?, '2026-01-02')",
                  NOTE)  # fmt: skip
        world.sql(directory, "INSERT INTO customer VALUES (9, 'dora@example.org', 'Dora Quill',"
                  " NULL, '2024-01-01')")  # fmt: skip
        world.sql(directory, "INSERT INTO note VALUES (4, 'dora@example.org', ?, '2026-01-02')",
                  "Dora came with Otto (otto@else.example).")  # fmt: skip
        cleos = case("access", "cleo@example.org", 12, HOW)
        due = case("erasure", "ana@example.org", 27)
        for n, right in enumerate(("access", "rectification", "objection", "portability")):
            one = case(right, f"p{n}@example.org", 26 - 5 * n, HOW if n % 2 else None)
            if n:
                olga = accounts.named("olga" if n % 2 else "ines", now)
                casework.give(controller, one, olga, now)
        ines = controller.actors.of("ines", "intake", now)
        asked = [
            entering.add(
                controller,
                entering.Came("letter", today, (Identifier("email", who),), kinds, text),
                ines, now,
            )[0][0]
            for who, kinds, text in (
                ("kid@example.org", ("child-report",), "My son is eleven."),
                ("ulf@example.org", ("question",), "How long do you keep letters?"),
            )
        ]  # fmt: skip
    process, document = serve(directory, port)
    try:
        yield Served(document["url"], directory, due, asked[0].id, cleos, secrets, inbox, {})
    finally:
        process.terminate()
        assert process.wait(40) == 0
        post.close()


def log_in(page: Page, served: Served, name: str) -> None:
    page.goto(served.url + "/desk/login")
    press(page, name, PASSWORD)
    page.wait_for_url(served.url + "/desk/login/code")
    press(page, served.code(name))
    page.wait_for_url(served.url + "/desk")


def button(page: Page, name: str) -> None:
    """Press a button by keyboard alone."""
    page.get_by_role("button", name=name, exact=True).press("Enter")


def reached(page: Page, most: int = 60) -> list[str]:
    """What Tab reaches from the top of the page, in order; each with a ring that is seen."""
    page.evaluate("document.activeElement && document.activeElement.blur()")
    met = []
    for _ in range(most):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "(() => { const e = document.activeElement; if (!e || e === document.body) return null;"
            " const s = getComputedStyle(e); return [e.textContent.trim() || e.name,"
            " s.outlineStyle !== 'none' || e.type === 'date']; })()"
        )
        if at is None:
            break
        assert at[1], at
        met.append(at[0])
    return met


def test_an_erasure_by_two_people(browser: Browser, served: Served) -> None:
    officer, second = opened(browser), opened(browser)
    page, other = officer.new_page(), second.new_page()
    log_in(page, served, "olga")
    looked_at(page, "inbox")
    assert "ana@example.org" not in page.content()
    assert reached(page)[0] == "Go to the text"
    page.locator(f'a[href="/desk/cases/{served.case}"]').press("Enter")
    page.wait_for_url(f"**/{served.case}")
    looked_at(page, "case-new")
    page.get_by_label("How it was checked who asks").fill(HOW)
    button(page, "Record it")
    page.get_by_role("button", name="Look at what would happen").press("Enter")
    page.wait_for_url("**?done=plan")
    looked_at(page, "case-plan")
    assert "Invoices" in page.locator("main").inner_text() or "invoice" in page.content()
    button(page, "Show who it is")
    page.get_by_text("ana@example.org").wait_for()
    looked_at(page, "case-shown")
    # Large: whoever drew it up does not approve it.
    assert "needs two people" in page.locator("main").inner_text()
    assert page.get_by_role("button", name="Approve the plan").count() == 0

    log_in(other, served, "abel")
    other.set_viewport_size({"width": 360, "height": 800})  # approved on a phone
    other.goto(f"{served.url}/desk/cases/{served.case}")
    button(other, "Approve the plan")
    other.wait_for_url("**?done=approved")
    looked_at(other, "case-approved")
    other.goto(f"{served.url}/desk/cases/{served.case}")
    page.goto(f"{served.url}/desk/cases/{served.case}")
    # Both press; it is done once. A page of its own looks on: what the presses lead to would break
    # off what is opened beside it.
    page.get_by_role("button", name="Carry it out").dblclick(no_wait_after=True)
    button(other, "Carry it out")
    watched = other.context.new_page()
    for _ in range(30):
        watched.goto(f"{served.url}/desk/cases/{served.case}")
        if "What it waits for" in watched.content():
            break
        watched.wait_for_timeout(500)
    watched.close()
    page.goto(f"{served.url}/desk/cases/{served.case}")
    text = page.locator("main").inner_text()
    assert "every step was read back" in text
    assert text.count("Was begun") <= 1
    looked_at(page, "case-ended")
    assert world.sql(served.directory, "SELECT count(*) FROM note WHERE about LIKE 'ana%'") == [
        (0,)
    ]
    page.goto(served.url + "/desk")
    # Nothing is to be decided any more; it stays listed as one of which she was not told yet, and
    # with who was told and has not answered.
    there = page.locator(f'a[href*="{served.case}"]').evaluate_all("all => all.map(a => a.hash)")
    assert there == ["#letter", "#told"]
    # Nothing is remembered by the browser: the page of before is loaded as it stands now.
    page.go_back()
    assert "What it waits for" in page.content()
    # Other rights: one that hands data out, one that stops a use.
    page.goto(served.url + "/desk?right=access")
    page.get_by_role("link", name="See what is kept").first.click()
    looked_at(page, "case-access")
    with page.expect_download() as met:
        button(page, "Make the package and download it")
    assert met.value.suggested_filename.startswith("access-")
    page.goto(served.url + "/desk?right=objection")
    page.get_by_role("link", name="Object to a use").first.click()
    page.get_by_role("checkbox").first.check()
    button(page, "Look at what would happen")
    page.wait_for_url("**?done=plan")
    looked_at(page, "case-objection")
    page.goto(served.url + "/desk/figures")
    looked_at(page, "figures-officer")
    with page.expect_download() as met:
        page.get_by_role("link", name="XLSX of Recipients").click()
    assert met.value.suggested_filename.endswith(".xlsx")
    officer.close()
    second.close()


def test_requests_figures_and_a_letter(browser: Browser, served: Served) -> None:
    context = opened(browser)
    page = context.new_page()
    log_in(page, served, "ines")
    page.goto(f"{served.url}/desk/requests/new")
    looked_at(page, "enter")
    page.get_by_label("See what you have about me").check()
    page.get_by_label("Which 1").fill("zoe@example.org")
    button(page, "Enter the request")
    page.wait_for_url("**?done=entered")
    looked_at(page, "request-entered")
    page.goto(f"{served.url}/desk/requests/{served.request}")
    button(page, "Show it")
    assert "My son is eleven." in page.locator("main").inner_text()
    looked_at(page, "request-child")
    page.goto(f"{served.url}/desk/figures")
    looked_at(page, "figures")
    page.goto(f"{served.url}/desk?whose=mine")
    looked_at(page, "inbox-mine")
    assert re.search(r"Task of", page.locator("main").inner_text())
    context.close()


def test_what_concerns_others_is_left_out_by_two(browser: Browser, served: Served) -> None:
    first, second, third = opened(browser), opened(browser), opened(browser)
    page, other, officer = first.new_page(), second.new_page(), third.new_page()
    where = f"{served.url}/desk/cases/{served.access}/redaction"
    log_in(page, served, "red")
    page.goto(where)
    looked_at(page, "redaction")
    assert "else.example" not in page.content()
    button(page, "Show the texts")
    looked_at(page, "redaction-texts")
    assert page.locator("del").all_inner_texts() == [
        "Dora Quill", "+44 20 7946 0018", "max@else.example"
    ]  # fmt: skip
    page.get_by_label("Strike also").fill("Bö")
    page.get_by_label("max@else.example").check()
    button(page, "Hand it over to be approved")
    page.wait_for_url("**?done=handed")
    log_in(other, served, "abel")
    other.goto(where)
    button(other, "Show the texts")
    looked_at(other, "redaction-approve")
    assert "Bö" in other.locator("del").all_inner_texts()
    assert other.locator(".reading mark").all_inner_texts() == ["max@else.example"]
    button(other, "Approve it")
    other.wait_for_url("**?done=redaction-approve")
    log_in(officer, served, "olga")
    officer.goto(f"{served.url}/desk/cases/{served.access}")
    looked_at(officer, "redaction-passed")
    with officer.expect_download() as got:
        officer.get_by_role("button", name="Make the package and download it").click()
    assert got.value.suggested_filename.startswith("access-")
    for context in (first, second, third):
        context.close()


def on(page: Page, name: str, typed: str | None = None, *, leads: bool = True) -> None:
    """By Tab alone to what has this name; type into it, or press Enter, which leads to a page."""
    for _ in range(120):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "(() => { const e = document.activeElement; return [e.textContent.trim(),"
            " ...[...(e.labels || [])].map(l => l.textContent.trim())]; })()"
        )
        if name in at:
            break
    else:
        raise AssertionError(f"Tab does not reach {name}")
    if typed is None and leads:
        with page.expect_navigation():
            page.keyboard.press("Enter")
    elif typed is None:
        page.keyboard.press("Enter")
    else:
        page.keyboard.type(typed)


def mailed(page: Page, served: Served, who: str, count: int) -> str:
    """The one link of the newest letter to somebody, when so many have come."""
    for _ in range(200):
        if len(served.inbox.to(who)) >= count:
            break
        page.wait_for_timeout(100)
    assert len(served.inbox.to(who)) == count
    return next(iter(links(served.inbox.to(who)[-1])), "")


def test_RIGHT_16_from_her_question_to_her_package(browser: Browser, served: Served) -> None:
    """She asks without scripts; an officer takes it, by keyboard; a redactor strikes; an approver
    approves on a telephone; link and code reach her by mail; an auditor reads whose data it is
    nowhere.
    """
    who = "dora@example.org"
    hers = opened(browser, java_script_enabled=False, viewport={"width": 360, "height": 740})
    staff = {name: opened(browser) for name in ("oona", "ada", "remy", "rita")}
    desk = {name: context.new_page() for name, context in staff.items()}
    page, looks = hers.new_page(), opened(browser).new_page()

    def clean(met: Page) -> None:
        """Nothing amiss on a page; hers is looked at where scripts run, which it has none of."""
        if met is page:
            looks.goto(page.url)
        assert axe(looks if met is page else met) == [], met.url

    page.goto(f"{served.url}/privacy/requests")
    clean(page)
    page.get_by_label("See what you have about me").check()
    page.get_by_label("Your e-mail address", exact=True).fill(who)
    page.get_by_role("button", name="Send me a code").click()
    mailed(page, served, who, 1)
    clean(page)
    page.get_by_label("The eight digits").fill(served.inbox.code(who))
    page.get_by_role("button", name="That is it").click()
    page.get_by_role("heading", name="We have your request").wait_for()
    clean(page)
    status = mailed(page, served, who, 2)
    with Controller.open(deployment.read(served.directory)) as controller:
        (case,) = [
            c.id for c in controller.cases.all()
            if [[i.value for i in one] for one in controller.cases.identifiers(c)] == [[who]]
        ]  # fmt: skip
    where = f"{served.url}/desk/cases/{case}"

    officer = desk["oona"]
    log_in(officer, served, "oona")
    officer.goto(where)
    clean(officer)
    assert who not in officer.content()
    on(officer, "Take it")
    on(officer, "Add a note", leads=False)
    on(officer, "For the staff alone", "She wants it before Friday.")
    on(officer, "Add the note")
    officer.wait_for_url("**?done=note")
    on(officer, "Show who it is")
    text = officer.locator("main").inner_text()
    assert who in text
    assert "before Friday" in text
    clean(officer)
    officer.goto(where)
    # Nothing is made before two have looked at what stands of others in it.
    on(officer, "Make the package and download it")
    officer.get_by_role("alert").wait_for()
    assert officer.title().startswith("Not taken: ")
    assert officer.locator("[role=alert]:focus").count() == 1
    clean(officer)

    redactor = desk["remy"]
    log_in(redactor, served, "remy")
    redactor.goto(f"{where}/redaction")
    button(redactor, "Show the texts")
    assert "otto@else.example" in redactor.locator("del").all_inner_texts()
    redactor.get_by_label("Strike also").fill("Otto")
    clean(redactor)
    button(redactor, "Hand it over to be approved")
    redactor.wait_for_url("**?done=handed")

    approver = desk["ada"]
    approver.set_viewport_size({"width": 360, "height": 740})
    log_in(approver, served, "ada")
    approver.goto(f"{where}/redaction")
    button(approver, "Show the texts")
    clean(approver)
    assert approver.evaluate("document.documentElement.scrollWidth") <= 360
    button(approver, "Approve it")
    approver.wait_for_url("**?done=redaction-approve")

    officer.goto(where)
    with officer.expect_download() as got:
        on(officer, "Make the package and download it", leads=False)
    package = served.directory.parent / "hers.zip"
    got.value.save_as(package)
    officer.goto(where)
    on(officer, "Write the letter")
    letter = officer.locator("pre.letter").inner_text()
    assert "complain" in letter
    assert "otto@else.example" not in letter
    clean(officer)
    said = spoken("case", "deliver", case, str(package), "--actor", "oona", "--role",
                  "privacy-officer", "--dir", str(served.directory))  # fmt: skip
    assert said["mailed"]
    spoken("request", "run", "--dir", str(served.directory))  # the server does it within a minute

    link = mailed(page, served, who, 3)
    assert link == said["link"] != status
    page.goto(link)
    clean(page)
    page.get_by_role("button", name="Send me a code").click()
    mailed(page, served, who, 4)
    page.get_by_label("The code, eight digits").fill(served.inbox.code(who))
    with page.expect_download() as got:
        page.get_by_role("button", name="Fetch my data").click()
    got.value.save_as(package.with_name("fetched.zip"))
    with zipfile.ZipFile(package.with_name("fetched.zip")) as packed:
        whole = b"".join(packed.read(name) for name in packed.namelist())
    assert who.encode() in whole
    assert b"otto@else.example" not in whole
    assert b"Otto" not in whole
    page.goto(status)
    assert page.get_by_text("Done. You have our answer.").is_visible()

    auditor = desk["rita"]
    log_in(auditor, served, "rita")
    for path in (f"/desk/cases/{case}", f"/desk/cases/{case}/redaction", "/desk/figures", "/desk"):
        auditor.goto(served.url + path)
        clean(auditor)
        seen = auditor.content().casefold()
        assert not [w for w in (who, "quill", "otto", "friday") if w in seen], path
        assert auditor.get_by_role("button", name=re.compile("^Show (who|the texts)")).count() == 0
    auditor.goto(where)
    assert "oona" in auditor.locator("main").inner_text()
    assert "read back" in auditor.locator("main").inner_text()
    auditor.goto(f"{where}/redaction")
    assert "2 struck" in auditor.locator("main").inner_text()
    for context in (hers, looks.context, *staff.values()):
        context.close()
