"""The page of choices in a real browser: without script, by keyboard, in two lights and widths."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from tests.asking import Desk, desk
from tests.browser import COLOURS, NEEDS_CHROMIUM, axe, browser, opened, weak
from tests.forms import sent
from tests.robot import listening
from tests.world import NOW

from kept.app.commands.serve import free_port
from kept.decide.use import use
from kept.duties.preferences import changing, letters
from kept.model.decision import Ask
from kept.records.preference import way_of
from kept.terms.identifiers import Identifier, parse

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture
DAY = dt.timedelta(days=1)
SHOTS = os.environ.get("KEPT_SHOTS")  # where to leave pictures of the pages, for people


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, kept_module_url: str) -> Iterator[Desk]:
    port = free_port("127.0.0.1", 0)
    directory = tmp_path_factory.mktemp("hers") / "world"
    extra = f'[site]\nurl = "http://127.0.0.1:{port}"\n'
    with (
        desk(directory, kept_module_url, extra=extra) as one,
        listening(one.client.app, port),
    ):
        yield one


def pages(here: Desk, who: str) -> tuple[str, str]:
    """Somebody with a few choices: her page, and the one press of a letter."""
    for form in ("newsletter", "partner-offers"):
        assert sent(here.controller, form, NOW - 2 * DAY, email=who).taken
    way = way_of(here.controller.vault, "page", parse(f"email={who}"), NOW)
    changing.narrow(here.controller, way, ["marketing.partner-offers"], NOW - DAY)
    made = letters.links(here.controller, Identifier("email", who), NOW)
    return made.preferences, made.unsubscribe


def allowed(here: Desk, who: str) -> bool:
    ask = Ask("marketing.email", "contact.email", "site-form", region="EEA")
    facts = here.controller.facts(parse(f"email={who}"), here.now)
    return use(here.controller.rules, ask, facts).allow


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_everybody_can_read_and_use_it(
    width: int, scheme: Any, browser: Browser, here: Desk
) -> None:
    hers, press = pages(here, f"ana{width}@example.org")
    context = opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    base = str(here.controller.site_url)
    for name, url in (("press", press), ("way", f"{base}/privacy/preferences"), ("hers", hers)):
        page.goto(url)
        _shot(page, f"{name}-{width}-{scheme}")
        if name == "hers" or width == 360:
            _good(page, width)
    page.get_by_role("button", name="Stop all news and advertising").click()
    _shot(page, f"stopped-{width}-{scheme}")
    page.get_by_role("button", name="Undo that").click()
    page.get_by_label("Contact you on behalf of a business partner").check()
    page.get_by_role("button", name="Save these").click()
    _shot(page, f"again-{width}-{scheme}")
    page.get_by_label("Your e-mail address").fill(f"ana{width}@example.org")
    page.get_by_role("button", name="Send me a code").click()
    _shot(page, f"code-{width}-{scheme}")
    if width != 360:
        _good(page, width)
    context.close()


def _good(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe(page) == []
    assert weak(page.evaluate(COLOURS)) == set()


def _shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def test_without_script_and_by_keyboard_alone(browser: Browser, here: Desk) -> None:
    """RIGHT-7: one switch and one button, from the letter to the door; and the one press."""
    who = "zoe@example.org"
    hers, press = pages(here, who)
    context = opened(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(hers)
    switch = page.get_by_label("Send news and marketing by e-mail")
    switch.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Save these").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Off, as of now").wait_for()
    assert not allowed(here, who)
    page.get_by_role("button", name="Undo that").press("Enter")
    page.get_by_text("It is as it was before.").wait_for()
    assert allowed(here, who)
    page.goto(press)
    assert allowed(here, who)
    page.get_by_role("button", name="Stop them").press("Enter")
    page.get_by_role("heading", name="Stopped").wait_for()
    assert not allowed(here, who)
    page.reload()  # sent twice, it is still done once
    assert context.cookies() == []
    context.close()
