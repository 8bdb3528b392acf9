"""Chromium as a witness: what pages ask for, what their policy refuses, what they leave.

It reaches the hosts that were named and nobody else: for every other name it is told that there
is none. So what a page asks of others is seen, and nothing of it goes out.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from kept.decide.scan import Item, Outcome, Party, Stop
from kept.decide.sightings import pattern
from kept.errors import UsageError
from kept.terms.addresses import host_in

#: How a browser calls what it loads, and the directive that governs it.
_DIRECTIVES: Final = {
    "document": "frame", "script": "script", "stylesheet": "style", "image": "img",
    "font": "font", "media": "media", "xhr": "connect", "fetch": "connect", "ping": "connect",
    "eventsource": "connect", "websocket": "connect", "beacon": "connect", "manifest": "manifest",
    "texttrack": "media",
}  # fmt: skip
_PATIENCE: Final = 15_000  # milliseconds for a page
#: What a page tells of itself: what its policy refused (reports alone refuse nothing), and whom
#: it would ask by WebRTC, which no policy governs and no event tells of; those are asked nothing.
_LISTEN: Final = """(() => {
  const found = []; window.__scan = found;
  addEventListener('securitypolicyviolation', e => {
    if (e.disposition === 'enforce') found.push([e.blockedURI, e.effectiveDirective]);
  });
  const Peer = window.RTCPeerConnection, ice = window.__ice = [];
  const noted = given => {
    for (const one of (given && given.iceServers) || []) ice.push(...[one.urls || one.url].flat());
    return {...given, iceServers: []};
  };
  if (Peer) window.RTCPeerConnection = window.webkitRTCPeerConnection = class extends Peer {
    constructor(given, ...more) { super(noted(given), ...more); }
    setConfiguration(given) { return super.setConfiguration(noted(given)); }
  };
})()"""
_SIGNAL: Final = (
    "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl',"
    " {get: () => true, configurable: true})"
)
#: `covered`: something that stays in its place lies over nearly all of the window, and it is not
#: the page itself, which some sites put into such a frame.
_READ: Final = """() => ({
  refused: window.__scan || [],
  words: (document.body ? document.body.innerText : '').split(/\\s+/).filter(Boolean).length,
  password: [...document.querySelectorAll('input[type=password]')].some(
    e => e.getClientRects().length
  ),
  covered: (() => {
    const over = new Map(); let met = 0;
    for (let x = 1; x < 10; x += 2) for (let y = 1; y < 10; y += 2) {
      let at = document.elementFromPoint(innerWidth * x / 10, innerHeight * y / 10);
      const stays = e => getComputedStyle(e).position === 'fixed' || e.matches('dialog[open]');
      while (at && !stays(at)) at = at.parentElement;
      if (at) { met += 1; over.set(at, 1); }
    }
    const said = [...over.keys()].reduce((sum, e) => sum + e.innerText.length, 0);
    return met >= 20 && said < document.body.innerText.length * 0.8;
  })(),
  links: [...document.querySelectorAll('a[href], area[href]')].map(a => a.href).slice(0, 2000),
  hints: [...document.querySelectorAll('link[rel]')].filter(
    l => /(^|\\s)(preconnect|dns-prefetch|prefetch|prerender)(\\s|$)/i.test(l.rel)
  ).map(l => l.href),
})"""
_STORED: Final = """() => {
  const keys = store => { try { return Object.keys(store) } catch (e) { return [] } };
  let local = [], session = [];
  try { local = keys(localStorage) } catch (e) {}
  try { session = keys(sessionStorage) } catch (e) {}
  return [local, session];
}"""


@dataclass
class Met:
    """What one page did, and where its links lead."""

    items: list[Item] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    status: int = 0
    #: The host that the address itself sends on to; nothing was opened then.
    away: str = ""
    #: Led to another page, which asks for a password.
    login: bool = False
    #: Something lies over nearly all of it; and how many words it has for people.
    covered: bool = False
    words: int = 0


def sync_playwright() -> Any:
    """Playwright's door; UsageError where it is not installed."""
    try:
        from playwright.sync_api import sync_playwright as made
    except ImportError:
        raise UsageError(
            "`kept scan` needs a browser, and what drives it is not installed",
            expected="the extra `scan` (playwright), and Chromium of your system",
            fix="install kept[scan]; do not run `playwright install`, Kept takes the browser"
            " that is there",
        ) from None
    return made()


def executable() -> str:
    """Chromium of the system; UsageError where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise UsageError(
            "there is no Chromium on this machine", expected=f"one of {', '.join(names)}",
            fix="install it, as `apt-get install chromium` does",
        )  # fmt: skip
    return found


@contextmanager
def launched(reach: Sequence[str], resolve: Sequence[tuple[str, str]] = ()) -> Iterator[Any]:
    """A browser that can reach these hosts alone; `*.name` stands for all below it.

    `resolve`: hosts whose address is given, so that nobody is asked for it.
    """
    given = dict(resolve)
    rules = ", ".join(
        [
            *(f"MAP {host} {address}" for host, address in given.items()),
            "MAP * ~NOTFOUND",
            *(
                f"EXCLUDE {host}"
                for host in dict.fromkeys([*reach, *given.values()])
                if host not in given
            ),
        ]
    )
    arguments = [
        "--disable-dev-shm-usage", "--disable-gpu", f"--host-resolver-rules={rules}",
        "--disable-blink-features=AutomationControlled", "--no-proxy-server",
        "--webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--disable-features=AsyncDns,DnsOverHttps",
    ]  # fmt: skip
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(),
            args=arguments,
            handle_sigint=False,  # whoever stops a scan is heard between two visitors
            handle_sigterm=False,
            handle_sighup=False,
        )
        try:
            yield browser
        finally:
            with contextlib.suppress(Exception):  # it may have been stopped with us
                browser.close()


@contextmanager
def visitor(
    browser: Any, stop: Stop, header: str | None, site: str = "", let_out: Sequence[str] = ()
) -> Iterator[Any]:
    """A browser that was never here: with the signal, or in a country, as the pass says."""
    said = {"Sec-GPC": "1"} if stop.gpc else {}
    if header:
        said[header] = stop.country
    context = browser.new_context(ignore_https_errors=False, service_workers="block",
                                  extra_http_headers=said)  # fmt: skip
    if header and let_out:
        # Where she is a server of the site's says; others are not told.
        context.route(
            lambda url: host_in(url) != site,
            lambda route, request: route.continue_(
                headers={n: v for n, v in request.headers.items() if n.lower() != header.lower()}
            ),
        )
    context.add_init_script(_LISTEN)
    if stop.gpc:
        context.add_init_script(_SIGNAL)
    try:
        yield context
    finally:
        context.close()


def look(page: Any, url: str, settle: int, clock: Callable[[], dt.datetime]) -> Met:
    """Open a page, let it do what it does, and take down what that was."""
    from playwright.sync_api import Error

    here, where = host_in(url) or "", pattern(url)
    asked: list[Any] = []
    failed: dict[int, str] = {}
    answers: list[Any] = []
    sockets: list[str] = []
    untaken: dict[str, str] = {}
    # Of the whole browser: what a page opens beside itself belongs to it.
    hear = {
        "request": lambda r: asked.append(r),  # it cannot wrap a method of a list
        "requestfailed": lambda r: failed.__setitem__(id(r), r.failure or ""),
        "response": lambda r: answers.append(r),
    }
    for name, handler in hear.items():
        page.context.on(name, handler)
    heard_socket = lambda s: sockets.append(s.url)  # noqa: E731
    page.on("websocket", heard_socket)
    network = page.context.new_cdp_session(page)
    network.on("Network.responseReceivedExtraInfo", lambda event: _untaken(event, untaken))
    network.send("Network.enable")
    met = Met()
    try:
        try:
            answer = page.goto(url, wait_until="load", timeout=_PATIENCE)
            met.status = answer.status if answer else 0
        except Error as problem:
            if "ERR_ABORTED" in str(problem) or "Download" in str(problem):
                return met  # a file to be saved is no page
            led = [host_in(r.url) or "" for r in asked if _leads(r, page)]
            if led and led[-1] != here:
                met.away = led[-1]
                return met
            if "Timeout" not in str(problem):
                raise
        told = _told(page, settle)
        ice = _everywhere(page, "() => window.__ice || []")
    finally:
        for name, handler in hear.items():
            page.context.remove_listener(name, handler)
        page.remove_listener("websocket", heard_socket)
        with contextlib.suppress(Error):  # it went with its page
            network.detach()
        for other in page.context.pages:
            if other is not page:
                other.close()
    if host_in(page.url) not in (here, None) and answer and host_in(answer.url) != here:
        met.away = host_in(answer.url) or ""  # let out to, so that it was opened
        return met
    if host_in(page.url) is not None:  # else it is the browser's own page: nobody was there
        met.links = [str(link) for link in told["links"]]
        met.words, met.covered = int(told["words"]), bool(told["covered"])
    met.login = bool(told["password"]) and _path(page.url) != _path(url)
    refused = {(host_in(urljoin(url, at)), _plain(d)) for at, d in told["refused"]}
    rows: dict[Item, None] = {}
    for request in asked:
        host = host_in(request.url.replace("wss:", "https:").replace("ws:", "http:"))
        if host is None or host == here:
            continue
        directive = _DIRECTIVES.get(request.resource_type, "")
        if directive == "frame" and request.is_navigation_request():
            directive = "frame" if request.frame.parent_frame else "navigate"
        kept_out = "csp" in failed.get(id(request), "").lower() or (
            "BLOCKED_BY_CSP" in failed.get(id(request), "")
        )
        if (host, directive) in refused and kept_out:
            continue  # told once, by the page itself
        outcome: Outcome = "refused" if kept_out else "asked"
        via = request.resource_type
        rows[Item("host", host, outcome, where, directive, via, party="third")] = None
    for address in sockets:
        host = host_in(re.sub(r"^ws", "http", address))
        if host and host != here:
            rows[Item("host", host, "asked", where, "connect", "websocket", party="third")] = None
    for address in ice:
        host = host_in("http://" + re.sub(r"^[a-z]+:|\?.*$", "", str(address)))
        if host and host != here:
            rows[Item("host", host, "asked", where, "connect", "webrtc", party="third")] = None
    for host, directive in refused:
        if host and host != here:
            rows[Item("host", host, "refused", where, directive, party="third")] = None
    for link in told["hints"]:
        host = host_in(link)
        if host and host != here:
            rows[Item("host", host, "asked", where, "", "hint", party="third")] = None
    now = clock()
    met.items = [
        *rows, *_set(answers, here, where, untaken, now), *_stored(page, here, where, now),
    ]  # fmt: skip
    return met


def _told(page: Any, settle: int) -> Any:
    """What a page says of itself after a while. One that leads itself on is asked where it then is:
    a page of the browser's own, where nobody is there.
    """
    from playwright.sync_api import Error

    for last in (False, True):
        try:
            page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
            page.wait_for_timeout(settle)
            return page.evaluate(_READ)
        except Error as problem:
            if last or "context" not in str(problem):
                raise
            page.wait_for_load_state("load", timeout=_PATIENCE)
    return None


def _everywhere(page: Any, code: str) -> list[str]:
    """What a function finds in every frame of a page."""
    from playwright.sync_api import Error

    found: list[str] = []
    for frame in page.frames:
        with contextlib.suppress(Error):  # a frame that was refused has nothing to read
            found += frame.evaluate(code)
    return found


def _untaken(event: Any, into: dict[str, str]) -> None:
    """Cookies of an answer that the browser did not take, by their line, with its reasons."""
    for one in event.get("blockedCookies", ()):
        into[str(one.get("cookieLine", ""))] = ", ".join(one.get("blockedReasons", ()))


def _leads(request: Any, page: Any) -> bool:
    """Whether a request takes the whole page somewhere."""
    return bool(request.is_navigation_request()) and request.frame == page.main_frame


def _path(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc.lower(), parts.path.rstrip("/")


def _plain(directive: str) -> str:
    return re.sub(r"-src(-elem|-attr)?$", "", directive)


def _set(
    answers: Sequence[Any], here: str, where: str, untaken: Mapping[str, str], now: dt.datetime
) -> Iterator[Item]:
    """Cookies that answers carry, those too which the browser does not take: another might.

    `untaken` are the lines that it did not take, with why.
    """
    from playwright.sync_api import Error

    for answer in answers:
        try:
            lines = [
                h["value"] for h in answer.headers_array() if h["name"].lower() == "set-cookie"
            ]
        except Error:
            continue  # the answer went with its frame
        host = host_in(answer.url) or ""
        for line in (one for value in lines for one in value.split("\n")):
            name, _, rest = line.partition("=")
            said = {
                part.strip().partition("=")[0].lower(): part.strip().partition("=")[2]
                for part in rest.split(";")[1:]
            }
            days = _days(said, now)
            if days is not None and days < 0:
                continue  # it ends one
            reasons = untaken.get(line.strip())
            yield Item(
                "cookie", name.strip(), "left", where,
                via="answer" if reasons is None else f"answer, not taken: {reasons}", whose=host,
                party="first" if _same(host, here) else "third", days=days,
                http_only="httponly" in said,
            )  # fmt: skip


def _days(said: dict[str, str], now: dt.datetime) -> int | None:
    """How long a cookie stays, in days, rounded up; None for as long as the browser is open."""
    age = said.get("max-age", "").strip()
    if re.fullmatch(r"-?[0-9]{1,12}", age):
        return -(-int(age) // 86_400) if int(age) > 0 else -1
    if "expires" in said:
        from email.utils import parsedate_to_datetime

        try:
            left = parsedate_to_datetime(said["expires"].replace("-", " ")).timestamp()
        except (ValueError, IndexError, TypeError):
            return None
        return _from(now, left)
    return None


def _from(now: dt.datetime, at: float) -> int:
    left = at - now.timestamp()
    return -(-int(left) // 86_400) if left > 0 else -1


def _stored(page: Any, here: str, where: str, now: dt.datetime) -> Iterator[Item]:
    """What lies in the browser after a page: cookies of scripts, and the storage of frames."""
    from playwright.sync_api import Error

    for cookie in page.context.cookies():
        host = str(cookie["domain"]).lstrip(".")
        expires = float(cookie.get("expires", -1))
        yield Item(
            "cookie", str(cookie["name"]), "left", where, via="browser", whose=host,
            party="first" if _same(host, here) else "third",
            days=None if expires < 0 else max(_from(now, expires), 0),
            http_only=bool(cookie.get("httpOnly")),
        )  # fmt: skip
    for frame in page.frames:
        host = host_in(frame.url) or here
        try:
            local, session = frame.evaluate(_STORED)
        except Error:
            continue  # a frame that was refused has nothing to read
        party: Party = "first" if _same(host, here) else "third"
        for key in local:
            yield Item("local-storage", key, "left", where, whose=host, party=party)
        for key in session:
            yield Item("session-storage", key, "left", where, whose=host, party=party)


def _same(host: str, here: str) -> bool:
    """Whether a host is the site's, or above or below it."""
    return host == here or here.endswith("." + host) or host.endswith("." + here)


def same_site(url: str, link: str) -> str | None:
    """The page of this very site that a link leads to, without query and fragment."""
    mine, theirs = urlsplit(url), urlsplit(link)
    if (theirs.scheme, theirs.netloc.lower()) != (mine.scheme, mine.netloc.lower()):
        return None
    return f"{theirs.scheme}://{theirs.netloc}{theirs.path or '/'}"
