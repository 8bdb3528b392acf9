"""The pages of the site as a stranger gets them: what they may load, set and tell before a choice.

Looked at from outside, where the operator wrote the site's host into kept.toml ([links] look);
read anew, by nothing that the gateway uses.
"""

from __future__ import annotations

import datetime as dt
import html.parser
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.controls.served import fetch
from kept.policy.bundle import Bundle
from kept.terms.addresses import place_of

_LARGEST: Final = 4 * 1024 * 1024
#: Pages that scans met and that are asked for once more.
_MOST: Final = 50
#: A host that nobody declares: what it may not, nobody may who is not on the list.
_NOBODY: Final = "undeclared.invalid"
#: The doors of a page by which something can be loaded or sent, and what stands in for each.
_DOORS: Final = ("script", "style", "img", "connect", "font", "media", "frame", "object", "worker")
_QUIET: Final = frozenset(
    ["no-referrer", "same-origin", "strict-origin", "origin", "strict-origin-when-cross-origin"]
)
#: Words in the query of a link by which whoever follows it is known.
_WHO: Final = frozenset(
    (
        "email", "mail", "e-mail", "phone", "uid", "user", "user_id", "userid", "customer",
        "customer_id", "token", "session", "sid", "gclid", "fbclid", "msclkid", "mc_eid", "_ga",
    )
)  # fmt: skip


@control("trackers.pages-are-guarded")
def pages_are_guarded(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """A page of the site, asked for by a stranger who chose nothing, loads nothing of others.

    Its policy admits no host that is not necessary, its cookies are declared and necessary, its
    links say nothing of who follows them, and a cache keeps it for nobody else.
    """
    bundle, count = controller.bundle, 0
    for one in pages(controller):
        if isinstance(one, Finding):
            yield one
            continue
        own, path, headers, body = one
        count += 1
        yield from _judged(bundle, own, path, headers)
        yield from _links(own, path, body)
    yield Looked(count, "pages of the site, as a stranger gets them")


@control("trackers.boxes-say-whose-policy")
def boxes_say_whose_policy(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Where something of others was not loaded, a box links the policy of whoever provides it.

    Or says that the address is missing. Pages are asked for as a stranger does who chose nothing.
    """
    bundle, count = controller.bundle, 0
    for one in pages(controller):
        if isinstance(one, Finding):
            yield one
            continue
        page = _Page()
        page.feed(one[3])
        for name, found in page.boxes:
            row = bundle.trackers.get(name)
            if row is None or row.provider is None:
                continue
            count += 1
            link = bundle.links.get(row.policy or "")
            if link is None:
                yield Finding(one[1], f"the box of {name} has no policy that it could link")
            elif link.url is not None and link.url not in found.links:
                yield Finding(one[1], f"the box of {name} does not link the policy of its provider")
            elif link.url is None and (found.links or link.words not in found.words):
                yield Finding(one[1], f"the box of {name} does not say that an address is missing")
    yield Looked(count, "boxes in the place of what was not loaded")


@control("trackers.partner-pages-say-whose")
def partner_pages_say_whose(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """A link to a page of a partner that carries our name says whose policy holds there."""
    bundle, count = controller.bundle, 0
    theirs = [(start, row) for row in bundle.recipients.values() for start in row.pages]
    for one in pages(controller) if theirs else ():
        if isinstance(one, Finding):
            yield one
            continue
        page = _Page()
        page.feed(one[3])
        for values, words in zip(page.links, page.words, strict=True):
            for start, row in theirs:
                if not values["href"].startswith(start):
                    continue
                count += 1
                if row.name not in words or "privacy policy" not in words:
                    yield Finding(
                        one[1], f"a link to a page of {row.id} that carries our name does not say"
                        " whose policy holds there", "lead the page through `kept gateway`",
                    )  # fmt: skip
    yield Looked(count, "links to pages of partners that carry our name")


def pages(
    controller: Controller,
) -> Iterator[tuple[str, str, list[tuple[str, str]], str] | Finding]:
    """(our host, path, headers, body) of the front page, of forms, and of pages that scans met."""
    bundle = controller.bundle
    paths = dict.fromkeys(("/", *sorted({form.path for form in bundle.forms.values()})))
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT DISTINCT ON (s.site) s.document->'pages' FROM scan s"
            " ORDER BY s.site, s.number DESC"
        ).fetchall()
    met = sorted({str(page) for (pages,) in rows for page in pages or () if "*" not in str(page)})
    paths |= dict.fromkeys(met[:_MOST])
    for address in _addresses(controller):
        for path in paths:
            got = fetch(address, path, most=_LARGEST)
            if got is None:
                yield Finding(address, "could not be asked", "start the site", unasked=True)
                break
            status, body, headers = got
            kind = next((v for n, v in headers if n == "content-type"), "")
            if status == 200 and kind.startswith("text/html"):
                yield urllib.parse.urlsplit(address).hostname or "", path, headers, body


def links(body: str) -> list[str]:
    """Where the links of a page lead, as they are written."""
    page = _Page()
    page.feed(body)
    return [values["href"] for values in page.links]


def _addresses(controller: Controller) -> list[str]:
    """The addresses of the site at which kept.toml lets us look."""
    known = dict.fromkeys((controller.site_url or "", *controller.bundle.sites))
    looks = controller.looks
    return [one.rstrip("/") for one in known if place_of(one) in looks]


def _judged(
    bundle: Bundle, own: str, path: str, headers: list[tuple[str, str]]
) -> Iterator[Finding]:
    policies = [
        one for n, v in headers if n == "content-security-policy" for one in v.split(",") if one
    ]
    fix = "lead the site's visitors through `kept gateway`, with acts = true"
    if not policies:
        yield Finding(path, "nothing keeps out what was not allowed", fix)
        return
    free = {
        aim.id for aim in bundle.visits.aims.values() if aim.necessary
    }  # what runs without being chosen
    hosts = {
        (kind, host): row.id
        for row in bundle.trackers.values()
        if not (row.aims and free.issuperset(row.aims))
        for kind, names in row.hosts.items()
        for host in names
    }
    for (kind, host), row in hosts.items():
        if all(_admits(one, str(kind), _bare(host)) for one in policies):
            yield Finding(path, f"`{row}` may load before a choice", fix)
    for door in _DOORS:
        if all(_admits(one, door, _NOBODY) for one in policies):
            yield Finding(path, f"whoever is on no list may load ({door}-src)", fix)
    said = next((v for n, v in headers if n == "referrer-policy"), "")
    if said.rpartition(",")[2].strip().lower() not in _QUIET:
        yield Finding(path, "other sites are told which page somebody comes from", fix)
    kept = ",".join(v for n, v in headers if n == "cache-control").lower()
    if "private" not in kept and "no-store" not in kept:
        yield Finding(path, "a shared cache may give one visitor's page to another", fix)
    declared = [
        (trace.name, free.issuperset(row.aims) and bool(row.aims))
        for row in bundle.trackers.values()
        for trace in row.traces
        if trace.kind == "cookie"
    ]
    for header, value in headers:
        name = value.partition("=")[0].strip()
        if header != "set-cookie" or "max-age=0" in value.lower():
            continue
        if not any(
            may and (name == one or (one.endswith("*") and name.startswith(one[:-1])))
            for one, may in declared
        ):
            yield Finding(path, "a cookie is set that is not declared as necessary", fix)


def _bare(host: str) -> str:
    plain = host.rpartition("//")[2].replace("*.", "any.")
    head, colon, port = plain.rpartition(":")
    return head if colon and port.isdigit() else plain


def _admits(policy: str, kind: str, host: str) -> bool:
    """Whether a policy lets a page load a kind of thing from a host, over http or https."""
    rules: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        words = directive.split()
        if words:
            rules.setdefault(words[0].lower(), words[1:])
    chain = {"frame": ("frame-src", "child-src", "default-src"),
             "worker": ("worker-src", "child-src", "script-src", "default-src")}.get(
                 kind, (f"{kind}-src", "default-src"))  # fmt: skip
    sources = next((rules[name] for name in chain if name in rules), None)
    if sources is None:
        return True
    for source in sources:
        one = source.lower()
        if one in ("*", "http:", "https:"):
            return True
        if one.startswith("'") or one.endswith(":"):
            continue
        name = _bare(one).partition("/")[0]
        if name == host or (name.startswith("any.") and host.endswith(name[3:])):
            return True
    return False


@dataclass
class _Box:
    """What stands in a box: where its links lead, and its words."""

    links: list[str] = field(default_factory=list)
    words: str = ""


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[dict[str, str]] = []
        self.hints: list[str] = []
        self.words: list[str] = []  # of each link, at its place in `links`
        self.boxes: list[tuple[str, _Box]] = []
        self._in_link = False
        self._deep = 0

    def handle_data(self, data: str) -> None:
        if self._deep:
            self.boxes[-1][1].words += data
        if self._in_link:
            self.words[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in_link = self._in_link and tag != "a"
        self._deep -= bool(self._deep and tag == "div")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in reversed(attrs)}
        if tag == "div" and "data-kept-embed" in values:
            self.boxes.append((values["data-kept-embed"], _Box()))
            self._deep = 1
        elif tag == "div" and self._deep:
            self._deep += 1
        if tag == "a" and "href" in values:
            self.links.append(values)
            self.words.append("")
            self._in_link = True
            if self._deep:
                self.boxes[-1][1].links.append(values["href"])
        if tag == "link" and "pre" in values.get("rel", "").lower():
            self.hints.append(values.get("href", ""))


def _links(own: str, path: str, body: str) -> Iterator[Finding]:
    page = _Page()
    page.feed(body)
    for values in page.links:
        parts = urllib.parse.urlsplit(values["href"])
        if not parts.netloc or parts.hostname == own:
            continue
        query = urllib.parse.parse_qsl(parts.query)
        if parts.username or any(n.lower() in _WHO or "@" in v for n, v in query):
            yield Finding(path, "a link to another site tells who follows it")
        if not {"noopener", "noreferrer"} & set(values.get("rel", "").lower().split()):
            yield Finding(path, "a link to another site gives it a hold on our page")
    for href in page.hints:
        there = urllib.parse.urlsplit(href)
        if there.netloc and there.hostname != own:
            yield Finding(path, "a browser is told to connect elsewhere in advance")
