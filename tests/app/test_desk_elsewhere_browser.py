"""Login through a provider, and a letter on paper, in a real browser without any script."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests import provider
from tests.app.conftest import put, serve
from tests.app.test_desk_browser import looked_at, spoken
from tests.app.test_desk_elsewhere import settings
from tests.browser import NEEDS_CHROMIUM, browser, opened
from tests.provider import Provider

from kept.embedded import Server

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[tuple[str, Provider, str, tuple[str, ...]]]:
    """(URL, the provider, a case, `--dir` of the deployment)."""
    directory = tmp_path_factory.mktemp("elsewhere") / "deployment"
    spoken("new", str(directory))
    put(directory, database=pg_server.make_database(
        f"elsewhere_{os.getpid()}", template=_kept_template))  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ("--dir", str(directory))
    with provider.served(lambda: dt.datetime.now(dt.UTC)) as there:
        file = directory / "kept.toml"
        text = file.read_text("utf-8") + settings(there.url)
        assert "port = 8790" in text
        file.write_text(text.replace("port = 8790", f"port = {port}"), "utf-8")
        spoken("account", "add", "ana", "--role", "privacy-officer", *where)
        spoken("rights", "access", "--identity", "email=ana@example.org", "--region", "EEA", *where)
        (case,) = (one["case"] for one in spoken("case", "list", *where)["cases"])
        process, document = serve(directory, port)
        try:
            yield document["url"], there, case, where
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_in_by_the_provider_and_a_letter_made(
    browser: Browser, served: tuple[str, Provider, str, tuple[str, ...]], tmp_path: Path
) -> None:
    url, there, case, where = served
    context = opened(browser, java_script_enabled=True)
    page = context.new_page()
    page.goto(f"{url}/desk/login")
    looked_at(page, "elsewhere-login")
    page.get_by_role("link", name="log in with the house").click()
    # The browser was at the provider, which let it in at once, and is back.
    assert page.url.startswith(f"{url}/desk/login/elsewhere/back?code=")
    assert "/authorize" in there.asked
    looked_at(page, "elsewhere-back")
    page.keyboard.press("Enter")  # the button has the focus
    page.wait_for_url("**/desk/login/elsewhere/back")
    looked_at(page, "elsewhere-unknown")
    word = page.locator("main code").inner_text()
    assert word == there.sub
    spoken("account", "link", "ana", "--word", word, "--why", "she showed her badge", *where)
    page.goto(f"{url}/desk/login")
    page.get_by_role("link", name="log in with the house").click()
    page.get_by_role("button", name="Go on to the desk").click()
    page.wait_for_url(f"{url}/desk")
    page.goto(f"{url}/desk/accounts")
    looked_at(page, "elsewhere-accounts")
    page.goto(f"{url}/desk/cases/{case}")
    page.get_by_text("A letter for a window envelope").click()
    page.get_by_label("Name and address").fill("Ana Example\n1 Long Road\n8001 Zürich")
    page.get_by_label("What it says").select_option("complex")
    page.get_by_label("why, in words for her").fill("We look through three archives.")
    with page.expect_download() as got:
        page.get_by_role("button", name="Make the PDF").click()
    got.value.save_as(tmp_path / "letter.pdf")
    assert (tmp_path / "letter.pdf").read_bytes().startswith(b"%PDF-")
    page.goto(f"{url}/desk/cases/{case}")
    looked_at(page, "elsewhere-case")
    page.get_by_role("button", name="Enter it as sent").click()
    page.wait_for_url("**done=posted")
    assert "It went out on" in page.locator("#paper").locator("..").inner_text()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**done=out")
    looked_at(page, "elsewhere-out")
    with page.expect_navigation():
        page.get_by_role("link", name="log out of the house").click()
    assert page.url.startswith(f"{there.url}/logout")
    context.close()
