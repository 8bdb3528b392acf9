"""The passes of a scan: which pages, as which visitors; and the file by which it goes on."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from kept.app.scan import chromium
from kept.decide import scan
from kept.decide.scan import Item, Stop
from kept.decide.sightings import pattern
from kept.decide.visit import switched_on
from kept.errors import UsageError
from kept.policy.bundle import Bundle
from kept.private import make_private
from kept.terms.addresses import host_in

_CHOICES: Final = "/privacy/choices"
#: Pages of Kept's own: they load nothing of others, and hold a form that changes what is scanned.
_OURS: Final = ("/privacy", "/desk", "/.well-known")
_FILES: Final = (".pdf", ".zip", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".mp4", ".ics")


@dataclass(frozen=True)
class Task:
    """What is scanned: the site, how many pages, as whom, and whom the browser may reach."""

    url: str
    pages: int
    extra: tuple[str, ...]
    stops: tuple[Stop, ...]
    let_out: tuple[str, ...]
    header: str | None
    settle: int
    resolve: tuple[tuple[str, str], ...] = ()
    #: Beginnings of paths whose pages are for people with an account: they are not opened.
    members: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The host of the site."""
        return host_in(self.url) or ""

    def mark(self, rules: str) -> str:
        """What must be the same for a scan to go on where it was."""
        text = json.dumps([asdict(self), rules], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Done:
    """How far a scan is. `links`: where links lead that leave the site, by kind of page. `left`:
    how many pages were found and not opened.
    """

    mark: str
    addresses: list[str] = field(default_factory=list)
    browser: str = ""
    passes: list[dict[str, Any]] = field(default_factory=list)
    links: list[list[str]] = field(default_factory=list)
    left: int = 0


def target(url: str) -> str:
    """The address of a site; UsageError where it is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise UsageError(
            "what is to be scanned is no address of a site",
            expected="http:// or https:// and a host, as https://www.example.org/",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path or '/'}"


def load(file: Path, mark: str) -> Done:
    """What was done of the same scan; nothing where it was another one."""
    try:
        raw = json.loads(file.read_text("utf-8"))
        done = Done(**raw)
    except (OSError, ValueError, TypeError):
        return Done(mark)
    return done if done.mark == mark else Done(mark)


def save(file: Path, done: Done) -> None:
    """Write down how far it is, whole or not at all."""
    make_private(file.parent)
    beside = file.with_suffix(".part")
    beside.touch(mode=0o600)
    beside.write_text(json.dumps(asdict(done)), "utf-8")
    os.replace(beside, file)


def walk(
    bundle: Bundle,
    task: Task,
    done: Done,
    kept: Callable[[Done], None],
    step: Callable[[str], None],
    stopped: Callable[[], bool],
    rows: Callable[[], Mapping[str, int]],
    clock: Callable[[], dt.datetime],
) -> bool:
    """Go through what is left, pass by pass; `kept` is called after each. Whether all is done.

    `stopped` is asked before each: what drives the browser swallows the exception of a signal.
    `rows` counts what Kept itself holds, by table: who only reads adds nothing to it.
    """
    with chromium.launched([task.host, *task.let_out], task.resolve) as browser:
        done.browser = f"Chromium {browser.version}"
        for stop in task.stops[len(done.passes) :]:
            if stopped():
                break
            step(stop.words)
            before = rows() if stop.choice == scan.NONE else {}
            made = _pass(bundle, browser, task, stop, done, clock)
            if stop.choice == scan.NONE:
                after = rows()
                made["rows"] = {n: more for n in after if (more := after[n] - before.get(n, 0)) > 0}
            done.passes.append(made)
            kept(done)
    return len(done.passes) == len(task.stops)


def _pass(
    bundle: Bundle, browser: Any, task: Task, stop: Stop, done: Done,
    clock: Callable[[], dt.datetime],
) -> dict[str, Any]:  # fmt: skip
    from playwright.sync_api import Error

    items: dict[Item, None] = {}
    opened: list[dict[str, Any]] = []
    with chromium.visitor(browser, stop, task.header, task.host, task.let_out) as context:
        page = context.new_page()
        try:
            _choose(bundle, page, task, stop)
            if done.addresses:
                for address in done.addresses:
                    met = chromium.look(page, address, task.settle, clock)
                    items.update(dict.fromkeys(met.items))
                    opened.append(_opened(address, met))
            else:
                _crawl(page, task, done, items, opened, clock)
        except Error as problem:
            line = str(problem).splitlines()[0]
            raise UsageError(
                "a page of the site could not be opened", met=line[:200],
                fix="start the site; the scan goes on where it was when it is started again",
            ) from None  # fmt: skip
    found: dict[tuple[str, ...], Item] = {}
    for item in (scan.shown(bundle, one) for one in items):
        # What lies in the browser is there on every later page as well: once is enough.
        page_of = item.page if item.kind == "host" else ""
        key = (item.kind, item.name, item.outcome, item.directive, item.via, item.whose, page_of)
        found.setdefault(key, item)
    # Judged by the names as they are, told by those in which nobody's number is left.
    wrong = dict.fromkeys(
        (scan.shown(bundle, item).name, words)
        for item in items
        for _, words in scan.amiss(bundle, stop, [item])
    )
    return {
        "choice": stop.choice, "gpc": stop.gpc, "country": stop.country,
        "region": scan.visit(bundle, stop).region, "pages": len(done.addresses),
        "items": [asdict(item) for item in found.values()],
        "amiss": [list(row) for row in wrong],
        "opened": opened,
    }  # fmt: skip


def _opened(address: str, met: chromium.Met) -> dict[str, Any]:
    """How a page answered whoever opened it: nothing that stands on it, and only its kind."""
    asks = "account" if met.status in (401, 403, 407) or met.login else "choice" * met.covered
    return {"page": pattern(address), "status": met.status, "asks": asks, "words": met.words}


def _crawl(
    page: Any,
    task: Task,
    done: Done,
    items: dict[Item, None],
    opened: list[dict[str, Any]],
    clock: Callable[[], dt.datetime],
) -> None:
    """Breadth first from the address, by links of the site itself. What was named is opened
    whatever the most is.
    """
    waiting = [task.url, *(urljoin(task.url, path) for path in task.extra)]
    seen = set(waiting)
    links: dict[tuple[str, str, str], None] = {}
    most = max(task.pages, 1 + len(task.extra))
    while waiting and len(done.addresses) < most:
        address = waiting.pop(0)
        met = chromium.look(page, address, task.settle, clock)
        if met.away:
            # An address that sends on to another site is a link there.
            links[pattern(address), met.away, address] = None
            if address not in (task.url, *(urljoin(task.url, p) for p in task.extra)):
                continue
        if met.status:
            opened.append(_opened(address, met))
        if not 200 <= met.status < 300:
            if address in (task.url, *(urljoin(task.url, p) for p in task.extra)):
                raise UsageError(
                    "a page that was named did not answer", where=pattern(address),
                    met=f"it sends on to {met.away}" if met.away else f"status {met.status}",
                    fix="name a page that is there",
                )  # fmt: skip
            continue
        done.addresses.append(address)
        items.update(dict.fromkeys(met.items))
        for link in met.links:
            inside = chromium.same_site(task.url, link)
            if inside is None:
                host = host_in(link)
                if host and host != task.host:
                    # With a query it may be somebody's: it is counted, and not asked.
                    plain = "" if "?" in link else link.partition("#")[0]
                    links[pattern(address), host, plain] = None
            elif inside not in seen and _is_page(inside, task.members):
                seen.add(inside)
                waiting.append(inside)
    done.links = [list(row) for row in links]
    done.left = len(waiting)


def _is_page(address: str, members: Sequence[str]) -> bool:
    path = urlsplit(address).path.lower()
    if any(f"{path}/".startswith(f"{one.lower().rstrip('/')}/") for one in members):
        return False
    return not path.startswith(_OURS) and not path.endswith(_FILES) and "logout" not in path


def _choose(bundle: Bundle, page: Any, task: Task, stop: Stop) -> None:
    """Make the choice of a pass where visitors make theirs; and see that it is who we think."""
    if not bundle.visits.optional:
        return
    address = urljoin(task.url, _CHOICES)
    answer = page.goto(address)
    if answer is None or answer.status != 200 or not page.locator("form.choices").count():
        if stop.choice == scan.NONE:
            return
        raise UsageError(
            "the site has no page on which to choose", where=_CHOICES,
            expected="Kept answers under /privacy of the site, as `kept gateway` has it",
            fix="put it there, or scan who chose nothing: --states none",
        )  # fmt: skip
    boxes = page.locator('form.choices input[name="aim"]')
    ticked = {boxes.nth(n).get_attribute("value") for n in range(boxes.count())
              if boxes.nth(n).is_checked()}  # fmt: skip
    before = switched_on(bundle, scan.visit(bundle, Stop(scan.NONE, stop.gpc, stop.country)))
    if ticked != set(before) & set(bundle.visits.optional):
        raise UsageError(
            "the site takes us for somebody else",
            expected=f"the rules of {scan.visit(bundle, stop).region}, and the policy of this"
            " deployment",
            fix="a server before the site says where visitors are: scan behind it, or name the"
            " country that it says with --country; after `kept policy publish` start the site anew",
        )  # fmt: skip
    if stop.choice == scan.NONE:
        return
    if stop.choice in (scan.REFUSED, scan.ALL):
        word = "refuse" if stop.choice == scan.REFUSED else "accept"
        page.locator(f'form.choices button[value="{word}"]').first.click()
    else:
        for n in range(boxes.count()):
            boxes.nth(n).set_checked(boxes.nth(n).get_attribute("value") == stop.choice)
        page.locator('form.choices button[value="save"]').click()
    page.wait_for_load_state("load")
    if not page.locator("#saved").count():
        words = page.locator("[role=alert]")
        raise UsageError(
            "the site did not take the choice", where=_CHOICES,
            met=words.first.inner_text() if words.count() else f"a page at {pattern(page.url)}",
            fix="make a choice there by hand, and see why",
        )  # fmt: skip


def stops(
    bundle: Bundle, states: Sequence[str], countries: Sequence[str], gpc: Iterable[bool]
) -> tuple[Stop, ...]:
    """The passes: every choice with and without the signal, in every country."""
    known = scan.choices(bundle)
    for name in states:
        if name not in known:
            raise UsageError("there is no such state", expected=f"one of {', '.join(known)}")
    return tuple(
        Stop(choice, signal, country)
        for country in countries
        for signal in gpc
        for choice in known
        if choice in states
    )
