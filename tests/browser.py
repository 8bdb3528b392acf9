"""A real browser for tests, axe-core in it, and the contrast of what it shows."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = [
        "--disable-dev-shm-usage",
        "--disable-gpu",
        # A name that a browser does not take for this machine, as it does `localhost`.
        "--host-resolver-rules=MAP shop.test 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield made
        made.close()


def opened(browser: Browser, **settings: Any) -> BrowserContext:
    return browser.new_context(bypass_csp=False, **settings)


def axe(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds amiss on the page as it stands: rule, and where."""
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate(AXE_FILE_PATH.read_text())
    # Every rule on every node; what passes is not described node by node, since nobody reads that.
    found = page.evaluate(
        "axe.run({resultTypes: ['violations']}).then(r => [r.violations, r.passes.length])"
    )
    assert found[1] > 3  # looked at nothing is not a pass
    return [(v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found[0]]


# Contrast of every piece of text against what really lies behind it (WCAG 1.4.3), icons 1.4.11.
COLOURS = """() => {
  const numbers = c => c.match(/[\\d.]+/g).map(Number);
  const parse = c => numbers(c).length < 4 ? [...numbers(c), 1] : numbers(c);
  const behind = el => {
    for (; el; el = el.parentElement) {
      const b = parse(getComputedStyle(el).backgroundColor);
      if (b[3] === 1) return b;
    }
    return parse(getComputedStyle(document.documentElement).backgroundColor);
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !el.getClientRects().length) continue;
    const s = getComputedStyle(el);
    if (s.opacity !== '1') found.push([el.className, [0,0,0,1], [0,0,0,1], 16]);
    const where = el.tagName + '.' + el.className;
    found.push([where, parse(s.color), behind(el), parseFloat(s.fontSize)]);
  }
  for (const el of document.querySelectorAll('a.mark svg'))
    found.push(['icon', parse(getComputedStyle(el).color), behind(el), 24]);
  return found;
}"""


def weak(found: list[tuple[str, list[float], list[float], float]]) -> set[tuple[str, float]]:
    """What has less contrast than WCAG 1.4.3 asks for."""
    return {
        (where, round(contrast(fore, back), 2))
        for where, fore, back, size in found
        if contrast(fore, back) < (3 if size >= 24 else 4.5)
    }


def luminance(colour: list[float]) -> float:
    parts = [c / 255 for c in colour[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: list[float], b: list[float]) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
