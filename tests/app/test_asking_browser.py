"""The whole story of somebody who asks, in a real browser without JavaScript: form, mail, code,
page, and taken back; on a telephone and in the dark, and nothing that axe finds amiss.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from tests.app.conftest import make, serve
from tests.asking import Inbox, links, mail_server
from tests.browser import COLOURS, NEEDS_CHROMIUM, axe, browser, opened, weak

from kept.embedded import Server

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture
WHO = "zoe@example.org"


@pytest.fixture(scope="module")
def asked(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[tuple[str, Inbox]]:
    """A server as an operator runs it, with a mail server beside it."""
    url = pg_server.make_database(f"asking_{os.getpid()}", template=_kept_template)
    directory = make(tmp_path_factory.mktemp("asking") / "deployment", url)
    with mail_server() as (inbox, server):
        with (directory / "kept.toml").open("a") as file:
            file.write(f'\n[mail]\nurl = "{server}"\nfrom = "privacy@example.net"\n')
        process, document = serve(directory)
        try:
            yield document["pages"]["requests"], inbox
        finally:
            process.terminate()
            assert process.wait(30) == 0


def look(page: Page, name: str) -> None:
    """What every page has to be; with KEPT_SHOTS set, a picture of it."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    shots = os.environ.get("KEPT_SHOTS")
    if shots:
        page.screenshot(path=str(Path(shots) / f"{name}.png"), full_page=True)


def test_RIGHT_16_the_whole_story_on_a_telephone_without_scripts(
    browser: Browser, asked: tuple[str, Inbox]
) -> None:
    url, inbox = asked
    context = opened(
        browser, java_script_enabled=False, viewport={"width": 360, "height": 740},
        color_scheme="dark",
    )  # fmt: skip
    page = context.new_page()
    elsewhere = []
    page.on("request", lambda r: elsewhere.append(r.url) if "//127.0.0.1" not in r.url else None)
    page.goto(url)
    page.get_by_role("button", name="Send me a code").click()
    assert page.get_by_role("alert").is_visible()
    # Who hears the page is told that nothing went: by its title, and by where she stands in it.
    assert page.title().startswith("Not sent yet: ")
    assert page.locator("[role=alert]:focus").count() == 1
    page.get_by_label("Delete what you have about me").check()
    page.get_by_label("In your own words").fill("<b>please</b>")
    page.get_by_label("Your e-mail address", exact=True).fill(WHO)
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_role("heading", name="Type your code").wait_for()
    began = page.url
    page.go_back()
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_role("heading", name="Type your code").wait_for()
    assert page.url == began  # sent twice is sent once
    for _ in range(100):
        if inbox.to(WHO):
            break
        page.wait_for_timeout(100)
    assert len(inbox.to(WHO)) == 1
    page.get_by_label("The eight digits").fill("0000 0001")
    page.get_by_role("button", name="That is it").click()
    assert "4 tries are left" in page.get_by_role("alert").inner_text()
    assert page.title().startswith("Once more: ")
    assert page.locator("[role=alert]:focus").count() == 1
    assert page.locator("#code[aria-invalid=true][aria-describedby~=code-wrong]").count() == 1
    page.get_by_label("The eight digits").fill(inbox.code(WHO))
    page.get_by_role("button", name="That is it").click()
    page.get_by_role("heading", name="We have your request").wait_for()
    assert page.get_by_text("We are working on it.").is_visible()
    assert page.url != began
    for _ in range(100):
        if len(inbox.to(WHO)) == 2:
            break
        page.wait_for_timeout(100)
    sent = {urlsplit(url).path for url in links(inbox.to(WHO)[-1])}
    assert sent == {urlsplit(page.url).path}
    page.get_by_role("button", name="Take the request back").click()
    assert page.get_by_text("You took it back").is_visible()
    page.goto(began)
    assert page.get_by_role("heading", name="Nothing is here any more").is_visible()
    assert elsewhere == []
    assert context.cookies() == []
    context.close()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_RIGHT_16_every_page_is_for_everybody(
    browser: Browser, asked: tuple[str, Inbox], dark: bool, width: int
) -> None:
    url, _ = asked
    context = opened(
        browser, viewport={"width": width, "height": 800},
        color_scheme="dark" if dark else "light",
    )  # fmt: skip
    page = context.new_page()
    name = f"{'dark' if dark else 'light'}-{width}"

    def check(what: str) -> None:
        look(page, f"{what}-{name}")
        assert axe(page) == [], what
        assert weak(page.evaluate(COLOURS)) == set(), what

    for path in ("", "/child", "/mail"):
        page.goto(url + path)
        check(f"form{path.replace('/', '-')}")
        page.locator("form button").first.click()
        page.get_by_role("alert").wait_for()
        check(f"wrong{path.replace('/', '-')}")
    page.get_by_label("Mail from a partner").check()
    page.get_by_label("What is the company called?").fill("Brightside")
    page.locator("form button").first.click()
    page.get_by_role("heading", name="How to stop that mail").wait_for()
    check("guidance")
    page.goto(url + "/child")
    page.get_by_label("By what can we find").fill(f"kid-{name}@example.org")
    page.get_by_role("button", name="Send the report").click()
    page.get_by_role("heading", name="We have your report").wait_for()
    check("report")
    page.goto(url + "?asked=access&asked=erasure")
    page.get_by_label("Your e-mail address", exact=True).fill(f"{name}@example.org")
    page.get_by_role("button", name="Send me a code").click()
    page.get_by_role("heading", name="Type your code").wait_for()
    check("code")
    page.get_by_role("button", name="That is it").click()
    page.get_by_role("alert").wait_for()
    check("code-wrong")
    inbox = asked[1]
    for _ in range(100):
        if inbox.to(f"{name}@example.org"):
            break
        page.wait_for_timeout(100)
    page.get_by_label("The eight digits").fill(inbox.code(f"{name}@example.org"))
    page.get_by_role("button", name="That is it").click()
    page.get_by_role("heading", name="We have your request").wait_for()
    check("status")
    page.goto(f"{url}/nothing")
    check("gone")
    assert re.search("Nothing is here", page.content())
    context.close()
