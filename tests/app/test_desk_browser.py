"""The desk in a real browser, on a server process as an operator runs it: from the one-time
password of `kept new` on, by keyboard alone; looked at in both schemes.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import io
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.app.conftest import put, serve
from tests.browser import COLOURS, NEEDS_CHROMIUM, axe, browser, opened, weak

from kept import deployment
from kept.app.cli import main
from kept.controller import Controller
from kept.duties import staff
from kept.embedded import Server
from kept.records import totp
from kept.records.doubt import Pair
from kept.stores.tasks import Notice, Task
from kept.terms.identifiers import Identifier

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture
NEW = "a very blue teapot on a hill"
SHOTS = os.environ.get("KEPT_SHOTS")


def spoken(*arguments: str) -> Any:
    """What a command says with --json."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as end:
        main([*arguments, "--json"])
    assert end.value.code in (0, 1), out.getvalue()
    return json.loads(out.getvalue())


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[tuple[str, Any]]:
    """(URL, what `kept new` said of the officer), with a case and a second account."""
    directory = tmp_path_factory.mktemp("desk") / "deployment"
    officer = spoken("new", str(directory))["officer"]
    url = pg_server.make_database(f"desk_{os.getpid()}", template=_kept_template)
    put(directory, database=url)
    where = ("--dir", str(directory))
    spoken("rights", "access", "--identity", "email=ana@example.org", *where)
    spoken("account", "add", "cleo", "--role", "intake", "--role", "redactor", "--shown",
           "Cleopatra Example-Longname", *where)  # fmt: skip
    with (directory / "kept.toml").open("a") as file:
        file.write("\n[desk]\npeople = 1\n")
    spoken("identity", "show", "--identity", "email=ana@example.org", "--show", "--actor",
           "reader", "--role", "verifier", *where)  # fmt: skip
    now = dt.datetime.now(dt.UTC)
    with Controller.open(deployment.read(directory)) as controller:
        cleo = controller.accounts.named("cleo", now)
        assert cleo is not None
        staff.break_glass(controller, cleo, "verifier", "nobody else can be reached", now)
        like = [
            Pair(Identifier("email", "ana@example.org"), Identifier(kind, value), reason)
            for kind, value, reason in (
                ("account", "0042", "typed-key"),
                ("email", "ana.maria+newsletter@mail.example-longname.org", "plus-tag"),
            )
        ]
        with controller.database.connection() as c:
            controller.doubts.add(controller.cases.all()[0], like, now, connection=c)
        folder, case = controller.reach.mailbox("provider").folder, controller.cases.all()[0].id
        for notice, days in ((Notice.ERASED, 20), (Notice.CORRECTED, 2)):
            folder.put(
                Task(f"{case}.{notice}", case, "recipients", "provider", notice,
                     ((("email", "ana.maria+newsletter@mail.example-longname.org"),),),
                     ("Hosting of what the shop sells, and all that is written beside it",),
                     now - dt.timedelta(days=days), now + dt.timedelta(days=14 - days))
            )  # fmt: skip
    process, document = serve(directory)
    try:
        yield document["url"], officer
    finally:
        process.terminate()
        assert process.wait(20) == 0


def press(page: Page, *words: str) -> None:
    """Type by keyboard: go on with Tab until a field has the focus, type, at the end Enter."""
    for word in words:
        for _ in range(25):
            page.keyboard.press("Tab")
            if page.locator("main input:focus, main select:focus").count():
                break
        page.keyboard.type(word)
    page.keyboard.press("Enter")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def looked_at(page: Page, name: str) -> None:
    """The page as it stands reads well: in both schemes, on a phone and on a desk."""
    for width in (360, 1280):
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            shot(page, f"{name}-{width}-{scheme}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
            assert not weak(page.evaluate(COLOURS)), (name, scheme)
            small = page.eval_on_selector_all(
                "main button, main a.button, main select, main input:not([type=hidden])",
                "all => all.filter(e => e.getClientRects().length)"
                ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect().height])",
            )
            # Boxes to tick stand in labels that are pressed as well (WCAG 2.5.8).
            assert not [s for s in small if s[1] < 24 and "checkbox" not in s[0]], name
            if (width, scheme) in ((360, "dark"), (1280, "light")):
                assert axe(page) == [], (name, width, scheme)
    # No page has a script, and none would run: whoever has none turned on misses nothing.
    assert page.evaluate("document.scripts.length") == 0


def test_from_the_one_time_password_to_the_desk_by_keyboard(
    browser: Browser, served: tuple[str, Any]
) -> None:
    url, officer = served
    context = opened(browser)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    answer = page.goto(url + "/desk")
    assert answer is not None
    assert answer.status == 401
    looked_at(page, "login")
    press(page, officer["name"], "wrong")
    assert "That did not work" in page.locator("[role=alert]").inner_text()
    looked_at(page, "login-failed")
    press(page, officer["name"], officer["password"])
    page.wait_for_url(url + "/desk/login/password")
    looked_at(page, "password")
    press(page, "password12345", "password12345")
    assert "cannot be a password" in page.locator("[role=alert]").inner_text()
    press(page, NEW, NEW)
    page.wait_for_url(url + "/desk/second-proof")
    looked_at(page, "proof")
    spelt = page.locator("pre").inner_text() or page.locator("pre").text_content() or ""
    key = spelt.replace(" ", "").strip()
    secret = base64.b32decode(key + "=" * (-len(key) % 8))
    press(page, totp.code(secret, totp.step(dt.datetime.now(dt.UTC))))
    page.get_by_role("heading", level=1, name="Your recovery codes").wait_for()
    codes = page.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    looked_at(page, "codes")
    page.get_by_role("link", name="I have them").press("Enter")
    page.wait_for_url(url + "/desk")
    looked_at(page, "start")
    assert "privacy-officer" in page.locator("main").inner_text()
    assert "See what is kept" in page.locator("main").inner_text()
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")

    page.get_by_role("link", name="Privacy officer").press("Enter")
    looked_at(page, "account")
    page.get_by_role("link", name="Accounts").press("Enter")
    looked_at(page, "accounts")
    assert "Cleopatra Example-Longname" in page.locator("main").inner_text()
    for what in ("Alerts", "Roles taken in an emergency"):
        part = page.locator("section.alarm", has_text=what)
        part.get_by_role("button", name="I have looked into it").press("Enter")
        page.wait_for_url(url + "/desk/accounts?done=*")
        assert part.count() == 0
    opens = page.get_by_text("Change Cleopatra")
    opens.focus()
    page.keyboard.press("Enter")
    looked_at(page, "accounts-open")
    card = page.locator("section.card", has_text="Cleopatra")
    card.get_by_label("Why").fill("helps with letters")
    card.get_by_label("Role").select_option("support")
    card.get_by_role("button", name="Give the role").press("Enter")
    page.wait_for_url(url + "/desk/accounts?done=granted")
    assert page.locator("[role=status]").inner_text() == "The role was given."
    assert "helps with letters" in page.locator("main").inner_text()
    page.get_by_text("Change Cleopatra").click()
    card = page.locator("section.card", has_text="Cleopatra")
    card.get_by_label("Why").fill("and approves")
    card.get_by_label("Role").select_option("approver")
    card.get_by_role("button", name="Give the role").click()
    assert "kept apart" in page.locator("[role=alert]").inner_text()
    looked_at(page, "accounts-refused")
    page.goto(url + "/desk/accounts")
    page.get_by_label("Name to log in with").fill("dora")
    page.get_by_label("Name as others see it").fill("Dora D.")
    page.locator("#n-why").fill("new here")
    page.get_by_role("button", name="Make the account").click()
    assert re.search(r"(?:[a-z0-9]{5}-){3}[a-z0-9]{5}", page.locator("main").inner_text())
    looked_at(page, "first")

    page.goto(url + "/desk")
    page.get_by_role("link", name=re.compile("pairs?$")).press("Enter")
    page.wait_for_url(url + "/desk/doubts")
    looked_at(page, "doubts")
    page.get_by_role("button", name="Open").first.press("Enter")
    page.wait_for_url(url + "/desk/doubts/show")
    looked_at(page, "doubt")
    page.get_by_label("What shows it").fill("another date of birth")
    page.get_by_role("button", name="Two people").press("Enter")
    page.wait_for_url(url + "/desk/doubts?done=two-people")
    assert "two people" in page.locator("[role=status]").inner_text()
    page.goto(url + "/desk")
    page.get_by_role("link", name="2 tasks").press("Enter")
    page.wait_for_url(url + "/desk/tasks")
    looked_at(page, "tasks")
    page.get_by_role("button", name="Open").first.press("Enter")
    page.wait_for_url(url + "/desk/tasks/show")
    looked_at(page, "task")
    page.get_by_label("Who said so, when and how").fill("the house, by letter")
    page.get_by_role("button", name="Record it").press("Enter")
    page.wait_for_url(url + "/desk/tasks?done=task")
    assert "became of it" in page.locator("[role=status]").inner_text()
    page.goto(url + "/desk")
    page.get_by_role("button", name="Log out").press("Enter")
    page.wait_for_url(url + "/desk/login?done=out")
    assert context.cookies() == []
    answer = page.goto(url + "/desk")
    assert answer is not None
    assert answer.status == 401
    page.go_back()
    assert "See what is kept" not in page.locator("body").inner_text(), "nothing was kept"
    # Again, with a recovery code in the place of the authenticator.
    page.goto(url + "/desk/login")
    press(page, officer["name"], NEW)
    page.wait_for_url(url + "/desk/login/code")
    looked_at(page, "code")
    press(page, codes[3])
    page.wait_for_url(url + "/desk")
    page.goto(url + "/desk/nowhere")
    looked_at(page, "nowhere")
    assert [r for r in requests if not r.startswith(url)] == []
    context.close()


def test_a_page_elsewhere_gets_nothing(browser: Browser, served: tuple[str, Any]) -> None:
    """A form of another origin, in the very browser: the cookie does not come along, and what
    comes is refused for whence it comes.
    """
    url, _ = served
    context = opened(browser)
    page = context.new_page()
    page.set_content(
        f'<form method="post" action="{url}/desk/login"><input name="name" value="officer">'
        '<input name="password" value="x"><button>Win</button></form>'
    )
    with page.expect_response(url + "/desk/login") as met:
        page.get_by_role("button").click()
    assert met.value.status == 403
    assert "another place" in page.locator("main").inner_text()
    assert axe(page) == []
    context.close()
