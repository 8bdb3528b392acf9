"""The pages of incidents and figures, and all that an auditor alone sees, in a real browser: both
schemes, phone and desk.
"""

from __future__ import annotations

import base64
import datetime as dt
import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from tests.app.conftest import put, serve
from tests.app.test_desk_browser import NEW, looked_at, press, spoken
from tests.browser import NEEDS_CHROMIUM, browser, opened

from kept import deployment
from kept.controller import Controller
from kept.decide.sightings import Sighting
from kept.duties import incidents, trackers
from kept.embedded import Server
from kept.records import totp

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[tuple[str, str, str]]:
    """(URL, token of an officer's session, one-time password of an auditor), with an incident
    judged high and six requests.
    """
    directory = tmp_path_factory.mktemp("desk") / "deployment"
    spoken("new", str(directory))
    url = pg_server.make_database(f"incidents_{os.getpid()}", template=_kept_template)
    put(directory, database=url)
    where = ("--dir", str(directory))
    for _ in range(6):
        spoken("rights", "access", "--identity", "email=ana@example.org", *where)
    auditor = spoken("account", "add", "aud", "--role", "auditor", *where)["password"]
    now = dt.datetime.now(dt.UTC)
    with Controller.open(deployment.read(directory)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", now)
        places = [f"{s.name}.{d}" for s in controller.datamap.systems.values()
                  if s.name != "own" for d in s.datasets]  # fmt: skip
        made, _ = incidents.enter(
            controller, kinds=["confidentiality", "availability"], places=places,
            nature="A copy lay open.", noticed=now - dt.timedelta(hours=60), happened=None,
            actor=actor, now=now,
        )  # fmt: skip
        words = {"measures": "The server was closed.", "consequences": "Unwanted mail."}
        incidents.judge(controller, made.id, "high", "addresses", words, actor, now)
        hosts = {"pasted.example": "script-src", "old.ads.example": "img-src",
                 "www.google-analytics.com": "connect-src"}  # fmt: skip
        met = {Sighting("host", h, d, "/news"): 3 for h, d in hosts.items()}
        trackers.note(controller, met | {Sighting("cookie", "strange", "", "/*"): 1}, now)
        trackers.settle(controller, "host", "old.ads.example", "remove", actor, now)
        accounts = controller.accounts
        with controller.database.connection() as c:
            pia = accounts.add("pia", "Pia P.", "no hash", now, connection=c)
            accounts.set_password(pia, "no hash", connection=c)
            accounts.offer_secret(pia, connection=c)
            accounts.enrol(pia, 0, connection=c)
            accounts.grant(pia, "privacy-officer", "a test", None, now, connection=c)
        pia = accounts.get(pia.number, now)
        with controller.database.connection() as c:
            session = controller.sessions.begin(pia, now, proven=True, connection=c)
    process, document = serve(directory)
    try:
        yield document["url"], session.token, auditor
    finally:
        process.terminate()
        assert process.wait(20) == 0


@pytest.fixture
def page(browser: Browser, served: tuple[str, str, str]) -> Iterator[Page]:
    context = opened(browser)
    context.add_cookies([{"name": "kept", "value": served[1], "url": served[0]}])
    yield context.new_page()
    context.close()


def test_the_pages_read_well_everywhere(page: Page, served: tuple[str, str, str]) -> None:
    url = served[0]
    page.goto(f"{url}/desk/incidents")
    looked_at(page, "incidents")
    page.locator("table a").click()
    assert "red: 12 hours left" in page.locator("dl").inner_text()
    looked_at(page, "incident")
    page.get_by_label("To which authority it went").fill("the authority of Berlin")
    page.get_by_role("button", name="Record that it went").click()
    assert "It was recorded." in page.locator("[role=status]").inner_text()
    # Somebody complains, without a login; then the desk.
    page.goto(f"{url}/privacy/complaints")
    page.get_by_role("button", name="Send the complaint").click()
    assert "what went wrong" in page.get_by_role("alert").inner_text()
    looked_at(page, "complain")
    page.get_by_label("What went wrong?").fill("You wrote to me again, after I had said no.")
    page.get_by_label("Your postal address").fill("4 Mill Lane, Bath")
    page.get_by_role("button", name="Send the complaint").click()
    assert "We have your complaint" in page.locator("h1").inner_text()
    looked_at(page, "complaint-public")
    page.goto(f"{url}/desk/complaints")
    looked_at(page, "complaints")
    page.locator("table a").click()
    page.get_by_role("button", name="Show it").click()
    assert "4 Mill Lane" in page.locator("dl.opened").inner_text()
    page.get_by_label("What was looked into").fill("The list was out of date.")
    page.get_by_role("button", name="Add it").click()
    looked_at(page, "complaint")
    page.goto(f"{url}/desk/requests/import")
    page.locator("#list").fill(
        "arrived\tchannel\tasked\temail\n2026-01-02\tletter\taccess\ta@b.de\nx"
    )
    page.get_by_role("button", name="Look at it").click()
    assert "Wrong:" in page.locator("table").inner_text()
    looked_at(page, "import")
    page.goto(f"{url}/desk/account")
    looked_at(page, "account")
    page.goto(f"{url}/desk/figures")
    assert page.locator(".bars li").count() == 1
    looked_at(page, "figures")
    page.goto(f"{url}/desk/trackers")
    looked_at(page, "trackers")
    page.get_by_label("What to do about pasted.example").select_option("remove")
    page.get_by_role("row", name="pasted.example").get_by_role("button").click()
    assert "The decision was recorded." in page.locator("[role=status]").inner_text()
    assert page.get_by_label("What to do about").count() == 1
    page.goto(f"{url}/desk/measures")
    assert page.get_by_role("row").count() > 10
    looked_at(page, "measures")


def _status(page: Page, address: str) -> int:
    answer = page.goto(address)
    assert answer is not None
    return answer.status


def test_an_auditor_alone_sees_what_is_on_record_and_changes_nothing(
    browser: Browser, served: tuple[str, str, str]
) -> None:
    url, _, password = served
    context = opened(browser)
    page = context.new_page()
    page.goto(f"{url}/desk/login")
    press(page, "aud", password)
    page.wait_for_url(f"{url}/desk/login/password")
    press(page, NEW, NEW)
    page.wait_for_url(f"{url}/desk/second-proof")
    spelt = (page.locator("pre").text_content() or "").replace(" ", "").strip()
    secret = base64.b32decode(spelt + "=" * (-len(spelt) % 8))
    press(page, totp.code(secret, totp.step(dt.datetime.now(dt.UTC))))
    page.get_by_role("link", name="I have them").click()
    assert "in the role auditor" in page.locator("main").inner_text()
    case = page.locator("main a[href*='/desk/cases/']").first.get_attribute("href")
    looks = {"case": case, "complaints": "/desk/complaints", "incidents": "/desk/incidents",
             "disclosures": "/desk/disclosures", "figures": "/desk/figures"}  # fmt: skip
    for name, path in looks.items():
        assert _status(page, f"{url}{path}") == 200, name
        looked_at(page, f"auditor-{name}")
        # Whoever holds the others to account has nothing on these pages to change them with.
        assert page.locator("main form[method=post]").count() == 0, name
    page.goto(f"{url}/desk/incidents")
    page.locator("table a").click()
    assert page.locator("main h1").count() == 1
    assert "/desk/incidents/" in page.url
    assert page.locator("main form[method=post]").count() == 0
    for path in ("/desk/accounts", "/desk/quarantine", "/desk/requests/new"):
        assert _status(page, f"{url}{path}") == 403, path
    context.close()
