"""The pages in a real browser: nothing from elsewhere, no cookie, readable by everybody.

WCAG 2.2 AA is checked by hand where a program can: contrast of every text in both schemes,
landmarks, headings in order, names of links, size of targets, reflow at 320 px (1.4.10).
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from tests import world as small
from tests.browser import COLOURS, NEEDS_CHROMIUM, axe, browser, contrast, opened, weak

from kept import deployment
from kept.controller import Controller
from kept.controls.words import WORDS
from kept.duties import rights
from kept.duties.rights.letter import letter
from kept.embedded import Server
from kept.policy import render
from kept.terms.identifiers import parse

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture
PAGES = (
    "/privacy", "/privacy/sentences/2", "/privacy/sentences/5", "/privacy/versions",
    "/privacy/versions/2023-06-27", "/privacy/authorities", "/privacy/authorities?country=DE",
    "/nothing-here",
)  # fmt: skip


#: Pages of packages: of somebody with more rows of a kind than fit on cards, of somebody whose
#: data was erased, of nobody, and of a search that was none.
PACKS = ("living", "erased", "nobody", "no-search")


@pytest.fixture(scope="module")
def packs(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> dict[str, str]:
    """Name → address of the page of a package."""
    base = tmp_path_factory.mktemp("packs")
    url = pg_server.make_database(f"packs_{os.getpid()}", template=_kept_template)
    directory = small.make(base / "world", url)
    for number in range(10, 22):
        words = "Long-words-without-a-blank" * 4 if number == 15 else "It happened again. " * number
        small.sql(directory, "INSERT INTO note VALUES (?, 'ben@example.org', ?, '2026-01-01')",
                  number, words)  # fmt: skip
    found = {}
    with Controller.open(deployment.read(directory)) as controller:
        ben = controller.subjects.of([parse("email=ben@example.org")], small.NOW)
        controller.consents.grant(ben, "marketing.email", small.NOW, source="form")

        def ask(*who: str) -> rights.Request:
            return rights.Request((tuple(map(parse, who)),), override="test")

        assert rights.erase(controller, ask("email=ana@example.org"), small.NOW).complete
        people = (("email=ben@example.org",), ("email=ana@example.org",),
                  ("email=nobody@example.org", "name=Nora"), ("name=Nora",))  # fmt: skip
        for name, who in zip(PACKS, people, strict=True):
            out = base / f"{name}.zip"
            rights.access(controller, ask(*who), small.NOW, out=out)
            shutil.unpack_archive(out, base / name)
            found[name] = (base / name / "index.html").as_uri()
        out = base / "portable.zip"
        rights.port(controller, ask("email=ben@example.org"), small.NOW, out=out)
        shutil.unpack_archive(out, base / "portable")
        written = base / "letter.html"
        case = controller.cases.all()[0]
        written.write_text(letter(controller, case.id, small.NOW, country="DE").html(), "utf-8")
        found["letter"] = written.as_uri()
        found["portable"] = (base / "portable" / "index.html").as_uri()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(
    width: int, scheme: Any, browser: Browser, served: tuple[str, Path], packs: dict[str, str]
) -> None:
    context = opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    amiss = {}
    for address in (*(served[0] + path for path in PAGES), *packs.values()):
        page.goto(address)
        if found := axe(page):
            amiss[address] = found
    assert amiss == {}
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_a_delivery_is_fetched_in_a_browser_without_script(
    width: int, scheme: Any, browser: Browser, served: tuple[str, Path], tmp_path: Path
) -> None:
    url, directory = served
    out, now = tmp_path / "ana.zip", dt.datetime.now(dt.UTC)
    with Controller.open(deployment.read(directory)) as controller:
        asked = rights.Request(((parse("email=ana@example.org"),),), override="test")
        case = rights.access(controller, asked, now, out=out).case
        actor = controller.actors.of("Pia", "privacy-officer", now)
        made = rights.delivery.deliver(controller, case, out, actor, now, downloads=1)
        code = rights.delivery.code_for(controller, case, now)
    look = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    context = opened(browser, **look)
    page = context.new_page()
    page.goto(f"{url}/privacy/delivery/{made.token}")
    assert axe(page) == []
    assert weak(page.evaluate(COLOURS)) == set()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
    context = opened(browser, java_script_enabled=False, accept_downloads=True, **look)
    page = context.new_page()
    page.goto(f"{url}/privacy/delivery/{made.token}")
    page.get_by_label("The code, eight digits").fill("0000 0000")
    page.get_by_role("button", name="Fetch my data").click()
    page.get_by_text("That is not the code that counts now.").wait_for()
    page.get_by_label("The code, eight digits").fill(f"{code[:4]} {code[4:]}")
    with page.expect_download() as got:
        page.get_by_role("button", name="Fetch my data").click()
    assert got.value.suggested_filename == "your-data.zip"
    assert Path(got.value.path()).read_bytes() == out.read_bytes()
    assert page.goto(f"{url}/privacy/delivery/{made.token}").status == 404  # type: ignore[union-attr]
    context.close()


def test_axe_finds_what_is_amiss(browser: Browser) -> None:
    context = opened(browser)
    page = context.new_page()
    page.set_content("<html><body><img src=''><p style='color: #ccc'>Faint</p></body></html>")
    rules = {rule for rule, _ in axe(page)}
    assert {"image-alt", "color-contrast", "html-has-lang"} <= rules
    context.close()


def test_no_cookie_no_script_no_stranger(browser: Browser, served: tuple[str, Path]) -> None:
    url = served[0]
    context = opened(browser)
    page = context.new_page()
    requests: list[str] = []
    noise: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: noise.append(message.text))
    page.on("pageerror", lambda error: noise.append(str(error)))
    for path in PAGES[:-1]:
        page.goto(url + path, wait_until="networkidle")
    assert len(requests) > len(PAGES)
    assert [r for r in requests if not r.startswith(url)] == []
    assert context.cookies() == []
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.evaluate("document.scripts.length") == 0
    assert noise == []
    context.close()


def test_whole_without_javascript(browser: Browser, served: tuple[str, Path]) -> None:
    texts = []
    for enabled in (True, False):
        context = opened(browser, java_script_enabled=enabled)
        page = context.new_page()
        page.goto(served[0] + "/privacy")
        texts.append(page.locator("main").inner_text())
        if not enabled:
            page.locator("a.mark").first.click()
            assert "/privacy/sentences/" in page.url
            page.get_by_text("Back to where it stands").click()
            assert "/privacy#s" in page.url
        context.close()
    assert texts[0] == texts[1]


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_runs_off_the_side(
    path: str, width: int, browser: Browser, served: tuple[str, Path]
) -> None:
    context = opened(browser, viewport={"width": width, "height": 700})
    page = context.new_page()
    page.goto(served[0] + path)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_the_measure_of_contrast() -> None:
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)
    assert contrast([118, 118, 118], [255, 255, 255]) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_contrast(path: str, scheme: Any, browser: Browser, served: tuple[str, Path]) -> None:
    context = opened(browser, color_scheme=scheme)
    page = context.new_page()
    page.goto(served[0] + path)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = page.evaluate(COLOURS)
    assert len(found) > 5
    assert not weak(found)
    ground = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == ("rgb(253, 253, 251)" if scheme == "light" else "rgb(20, 23, 26)")
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_structure(path: str, browser: Browser, served: tuple[str, Path]) -> None:
    context = opened(browser, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(served[0] + path)
    assert page.title()
    assert page.locator("html").get_attribute("lang") == "en"
    for landmark in ("header.top", "main", "footer", "header nav[aria-label]"):
        assert page.locator(landmark).count() == 1, landmark
    levels = page.eval_on_selector_all(
        "h1,h2,h3,h4", "all => all.filter(h => h.getClientRects().length).map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = page.eval_on_selector_all("[id]", "all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
    for target in page.eval_on_selector_all(
        "a[href^='#']", "all => all.map(a => a.getAttribute('href').slice(1))"
    ):
        assert target in ids, target
    names = page.eval_on_selector_all("a", "all => all.map(a => a.textContent.trim())")
    assert all(names)
    for image in page.locator("[role=img]").all():
        assert image.get_attribute("aria-label")
    assert page.locator("svg:not([aria-hidden]):not([role=img] svg)").count() == 0
    context.close()


def test_marks_have_names_of_their_own_and_can_be_pressed(
    browser: Browser, served: tuple[str, Path]
) -> None:
    context = opened(browser, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(served[0] + "/privacy")
    names = page.eval_on_selector_all("a.mark", "all => all.map(a => a.textContent.trim())")
    assert len(names) > 100
    assert len(set(names)) == len(names)
    sizes = page.eval_on_selector_all(
        "a.mark", "all => all.map(a => { const r = a.getBoundingClientRect();"
        " return [r.width, r.height, r.left] })"
    )  # fmt: skip
    # What is drawn of the smallest one can be seen, and no two outcomes are drawn alike.
    drawn = page.eval_on_selector_all(
        "symbol", "all => all.map(s => { const u = document.createElementNS(s.namespaceURI, 'svg');"
        " u.setAttribute('viewBox', '0 0 16 16'); u.setAttribute('width', 16);"
        " u.setAttribute('height', 16); u.innerHTML = s.innerHTML; document.body.append(u);"
        " const box = u.getBBox({stroke: true}); u.remove();"
        " return [s.id, box.width, box.height, s.innerHTML] })"
    )  # fmt: skip
    assert {name.removeprefix("m-") for name, *_ in drawn} == set(WORDS)
    assert all(max(w, h) >= 7 for _, w, h, _ in drawn), drawn
    assert len({shape for *_, shape in drawn}) == len(drawn)
    # WCAG 2.5.8: at least 24 by 24.
    assert all(w >= 24 and h >= 24 and left >= 0 for w, h, left in sizes)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.wait_for_url("**/privacy#main")
    context.close()


def test_headings_are_called_what_they_say(browser: Browser, served: tuple[str, Path]) -> None:
    """No mark is part of their name; it comes after, and lies beside the first line."""
    context = opened(browser, viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    page = context.new_page()
    page.goto(served[0] + "/privacy")
    bundle = deployment.read(served[1]).read_bundle()
    titles = [s.title for s in render.render(bundle) if s.title]
    assert len(titles) > 10
    for title in titles:
        assert page.get_by_role("heading", name=title, exact=True).count() == 1, title
    for level in ("h1", "h2"):
        heading = page.locator(f".unit > {level}").first.bounding_box()
        mark = page.locator(f".unit > {level} + .mark").first.bounding_box()
        assert heading
        assert mark
        assert mark["x"] + mark["width"] <= heading["x"]
        assert abs(mark["y"] - heading["y"]) < 20
    context.close()


def test_what_a_word_means_is_reached_without_a_mouse_or_a_script(
    browser: Browser, served: tuple[str, Path]
) -> None:
    context = opened(browser, viewport={"width": 360, "height": 740}, java_script_enabled=False)
    page = context.new_page()
    for path in ("/privacy", "/privacy/sentences/5"):
        page.goto(served[0] + path)
        assert page.locator("abbr, main [title]:not(.mark)").count() == 0
        for term in page.locator("a.term").all()[:3]:
            page.goto(served[0] + path)
            term.focus()
            page.keyboard.press("Enter")
            page.wait_for_url("**/privacy#word-*")
            named = page.locator(f"dt[id='{page.url.partition('#')[2]}']")
            assert named.is_visible()
            assert named.locator("+ dd").inner_text()
    page.goto(served[0] + "/privacy")
    assert page.locator("a.term").count() > 20
    context.close()


def test_the_focus_can_be_seen(browser: Browser, served: tuple[str, Path]) -> None:
    context = opened(browser)
    page = context.new_page()
    page.goto(served[0] + "/privacy")
    for _ in range(3):
        page.keyboard.press("Tab")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"
    context.close()


def test_print(browser: Browser, served: tuple[str, Path]) -> None:
    context = opened(browser)
    page = context.new_page()
    page.goto(served[0] + "/privacy")
    page.emulate_media(media="print")
    for gone in ("header.top nav", ".contents-box", ".side"):
        assert not page.locator(gone).first.is_visible()
    assert page.locator("a.mark").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert len(page.pdf(format="A4")) > 20_000
    page.goto(served[0] + "/privacy/sentences/2")
    assert not page.locator(".around").is_visible()
    context.close()


def test_no_line_ends_within_a_word_such_as_e_mail(
    browser: Browser, served: tuple[str, Path]
) -> None:
    context = opened(browser)
    page = context.new_page()
    page.goto(served[0] + "/privacy")
    met = 0
    for width in range(320, 500, 12):
        page.set_viewport_size({"width": width, "height": 800})
        lines = page.eval_on_selector_all(
            ".whole", "all => all.filter(e => e.getClientRects().length > 0)"
            ".map(e => [e.textContent, e.getClientRects().length])"
        )  # fmt: skip
        met += len(lines)
        assert not [word for word, count in lines if count != 1]
    assert met > 50
    text = page.locator("main").inner_text()
    held = page.eval_on_selector_all("main .whole", "all => all.map(e => e.textContent)")
    assert sum(word.startswith("e-mail") for word in held) == len(re.findall(r"\be-mail", text))
    context.close()


def test_each_sentence_has_a_page_with_a_name_of_its_own(
    browser: Browser, served: tuple[str, Path]
) -> None:
    context = opened(browser)
    page = context.new_page()
    names = []
    page.goto(served[0] + "/privacy/sentences/2")
    for _ in range(4):
        heading = page.get_by_role("heading", level=1).inner_text()
        assert page.title().startswith(heading.rpartition(": ")[2][:30])
        names.append(page.title())
        page.get_by_role("link", name="The next one").click()
    assert len(set(names)) == len(names)
    page.get_by_role("link", name="The one before").click()
    assert page.title() == names[-1]
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("name", [*PACKS, "portable"])
def test_a_package_reads_well_everywhere(
    name: str, width: int, scheme: Any, browser: Browser, packs: dict[str, str]
) -> None:
    context = opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(packs[name])
    assert requests == [packs[name]]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = page.evaluate(COLOURS)
    assert len(found) > 20
    assert not weak(found)
    # On a phone a table is a stack of cards; nothing has to be pushed aside to be read.
    if width < 400:
        sides = page.eval_on_selector_all(
            ".wide", "all => all.map(e => e.scrollWidth > e.clientWidth)"
        )
        assert not any(sides)
    context.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", PACKS)
def test_a_package_as_a_screen_reader_meets_it(
    name: str, width: int, browser: Browser, packs: dict[str, str]
) -> None:
    context = opened(browser, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(packs[name])
    assert page.title()
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("heading", level=1).count() == 1
    levels = page.eval_on_selector_all("h1,h2,h3,h4", "all => all.map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = page.eval_on_selector_all("[id]", "all => all.map(e => e.id)")
    assert len(ids) == len(set(ids))
    named = page.eval_on_selector_all(
        "[aria-labelledby]", "all => all.map(e => e.getAttribute('aria-labelledby'))"
    )
    assert set(named) <= set(ids)
    tables = page.get_by_role("table")
    assert tables.count() == (1 if name == "living" else 0)
    for table in tables.all():
        assert table.get_by_role("columnheader").count() == 4
        assert table.get_by_role("row").count() == 1 + 13
        assert table.get_by_role("cell").count() == 4 * 13
    context.close()


def test_a_package_on_paper(browser: Browser, packs: dict[str, str]) -> None:
    context = opened(browser, color_scheme="dark")
    page = context.new_page()
    page.goto(packs["living"])
    page.emulate_media(media="print", color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.querySelector('.wide')).overflowX") == "visible"
    assert len(page.pdf(format="A4")) > 20_000
    context.close()


def test_details_are_printed(browser: Browser, served: tuple[str, Path]) -> None:
    context = opened(browser)
    page = context.new_page()
    page.goto(served[0] + "/privacy/versions")
    digest = page.get_by_text("Text (SHA-256)")
    assert not digest.is_visible()
    page.emulate_media(media="print")
    assert digest.evaluate("e => e.checkVisibility({contentVisibilityAuto: true})")
    context.close()
