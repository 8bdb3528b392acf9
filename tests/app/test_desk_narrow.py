"""The tables of a case on a telephone, which shows no heads: each cell says what it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.app.desk import opened
from tests.app.test_desk_cases import HOW, at, case
from tests.browser import NEEDS_CHROMIUM, browser
from tests.browser import opened as context_of

from kept.app.desk import working
from kept.app.pages import asset_bytes
from kept.terms.identifiers import Identifier

pytestmark = NEEDS_CHROMIUM
__all__ = ["browser"]  # the fixture
SHOTS = os.environ.get("KEPT_SHOTS")
#: The heads of the tables of a case, but for the first, which names the row, and the rows' unit.
HEADS = {
    "plan": ["What happens"], "steps": ["What", "How it stands"],
    "tasks": ["What", "Until", "How it stands"],
}  # fmt: skip

#: Whether every line of a role stands right of its box.
_BESIDE_BOX = """() => [...document.querySelectorAll('fieldset label')].every(label => {
  const words = document.createRange(), box = label.querySelector('input');
  words.setStartAfter(box); words.setEndAfter(label.lastChild);
  return [...words.getClientRects()].every(r => r.left >= box.getBoundingClientRect().right);
})"""


@pytest.mark.parametrize("width", [360, 1280])
def test_a_cell_of_a_case_says_what_it_is(
    width: int, browser: Browser, kept_url: str, tmp_path: Path
) -> None:
    with opened(tmp_path / "world", kept_url) as desk:
        desk.account("olga", "privacy-officer")
        olga = at(desk, "olga")
        one = case(desk, who=(Identifier("email", "ben@example.org"),), evidence=HOW)
        path = f"/desk/cases/{one}"
        olga.post(f"{path}/plan")
        pages = {"planned": olga.get(path).text}
        plan = re.search(r'name="plan" value="([0-9a-f]{64})"', pages["planned"])
        assert plan
        olga.post(f"{path}/approve", plan=plan[1])
        olga.post(f"{path}/carry-out")
        working.finish()
        pages["done"] = olga.get(path).text
        pages["accounts"] = olga.get("/desk/accounts").text
    context = context_of(browser, viewport={"width": width, "height": 740})
    page, seen = context.new_page(), set()
    for name, text in pages.items():
        page.set_content(text)
        for sheet in ("kept.css", "desk.css"):
            page.add_style_tag(content=asset_bytes(sheet).decode())
        if name == "accounts":
            assert page.evaluate(_BESIDE_BOX), "what a role means runs on under its box"
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/case-{name}-{width}.png", full_page=True)
        for section, heads in HEADS.items():
            rows = page.locator(f"section[aria-labelledby={section}] table.list tbody tr")
            for row in rows.all():
                seen.add(section)
                said = row.inner_text()
                assert all((f"{head}: " in said) is (width == 360) for head in heads), said
    assert seen == set(HEADS)
    context.close()
