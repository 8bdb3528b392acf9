"""One request and its answer: who may load what, by what the visitor chose.

The same for the server before a site and for the middleware within it. It knows no socket and
no clock: headers in, headers out, and a rewriter where the answer is a page.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from kept.app.gateway import cookies
from kept.app.gateway.rewrite import (
    REFERRER,
    STRICT,
    Boxes,
    Edits,
    Inflating,
    Instead,
    Link,
    Rewriter,
    led_on,
)  # fmt: skip
from kept.decide import csp
from kept.decide.loading import of_host
from kept.decide.visit import Visit, met
from kept.duties.visits.banner import PATH
from kept.model import choice
from kept.policy.bundle import Bundle
from kept.policy.trackers import Directive, Tracker
from kept.terms.addresses import elsewhere, host_of, without_people
from kept.terms.signals import DNT, GPC, signals

Header: TypeAlias = tuple[bytes, bytes]
#: What a body passes through.
Passage: TypeAlias = Rewriter | Inflating | Instead

#: Where a browser shows, or runs, what comes back: its policy is that of what it contains.
_SHOWN: Final = frozenset(
    b"document iframe frame embed object worker sharedworker serviceworker".split()
)
_PAGES: Final = (b"text/html", b"application/xhtml+xml")
#: Where a browser that is told no kind finds out by itself, and may find a page.
_OPENED: Final = frozenset((b"document", b"iframe", b"frame"))
_UNTOLD: Final = frozenset((b"", b"*/*", b"unknown/unknown", b"application/unknown"))
#: Kinds that a browser shows as documents of their own, with scripts.
_LIVE: Final = (*_PAGES, b"image/svg+xml", b"text/xml", b"application/xml")
#: Character sets in which a `<` is not always a tag's.
_STRANGE: Final = (b"utf-16", b"utf-32", b"utf-7", b"iso-2022", b"hz-gb")
#: Headers of a page that would make a browser speak to others, or remember how to.
_TELLING: Final = frozenset(
    (
        b"nel", b"report-to", b"reporting-endpoints", b"alt-svc", b"speculation-rules",
        b"x-dns-prefetch-control", b"attribution-reporting-register-source",
        b"attribution-reporting-register-trigger", b"attribution-reporting-register-os-source",
        b"attribution-reporting-register-os-trigger", b"observe-browsing-topics",
        b"supports-loading-mode", b"accept-ch", b"critical-ch", b"origin-trial",
    )
)  # fmt: skip
_OWN_POLICY: Final = frozenset((b"content-security-policy", b"content-security-policy-report-only"))
#: Where another site may be named, or something be kept.
_JUDGED: Final = frozenset(
    (
        b"set-cookie", b"referrer-policy", b"link", b"location", b"clear-site-data", b"refresh",
        b"cache-control", b"vary", b"expires", b"pragma", b"content-encoding",
    )
)  # fmt: skip
#: What no longer holds of a body that was changed.
_OF_THE_BODY: Final = frozenset(
    (
        b"content-length", b"etag", b"last-modified", b"content-md5", b"digest", b"repr-digest",
        b"content-digest", b"accept-ranges",
    )
)  # fmt: skip
#: The headers of an answer that do not all go on as they are.
_CARED_FOR: Final = _JUDGED | _TELLING | _OWN_POLICY | _OF_THE_BODY
_CONDITIONS: Final = frozenset(
    (
        b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since", b"if-range",
        b"range",
    )
)  # fmt: skip
_PERMISSIONS: Final = (
    b"browsing-topics=(), interest-cohort=(), attribution-reporting=(), join-ad-interest-group=(),"
    b" run-ad-auction=(), private-state-token-issuance=(), private-state-token-redemption=()"
)
#: The headers by which a visitor is met.
_ASKED: Final = frozenset((b"cookie", GPC.encode(), DNT.encode()))
_WORKER: Final = b"serviceworker"
#: In the place of a service worker. One could answer for pages, with none of our headers: a
#: browser that knows one gets this at its next look, and forgets it.
_NO_WORKER: Final = (
    b"self.addEventListener('install', () => self.skipWaiting());\n"
    b"self.addEventListener('activate', e => e.waitUntil(self.registration.unregister()));\n"
)
#: Cookies that one answer ends: servers take only so much for a head. The next ends others.
_ENDED: Final = 8
_FORGOTTEN: Final = 32
_NAMED: Final = re.compile(r"<([^<>]*)")
#: Choices that are remembered at once.
_MOST: Final = 2048
#: What the answer depends on.
_VARY: Final = b"Cookie, Sec-GPC"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a visitor stands who chose so: the visit, what may run and the ids of that, whether all
    of it is necessary, and the value of the cookie that says so, None where there is none.
    """

    visit: Visit
    allowed: tuple[Tracker, ...]
    ids: frozenset[str]
    necessary: bool
    chosen: str | None


@dataclass(frozen=True)
class Site:
    """One site and its rules.

    `names` are its hosts, `secure` whether people reach it by https. `acts` False: nothing is
    changed and nothing refused, browsers only report what would have been. `country` is the
    header in which a server before this one says where a visitor is; None: nobody knows.
    `forms`: hosts that forms may be sent to; `links`: hosts to which links keep all they say.
    `workers`: service workers of the site are let through, and make pages that nobody judges.
    `boxes` makes what is put into a page, of what may run, the languages that a browser asks
    for, and the page. `noticed` hears of what nobody declared: its kind, its name and the page;
    `met` of the visit for which a page is answered.
    """

    bundle: Bundle
    key: bytes
    names: frozenset[str]
    acts: bool
    boxes: Callable[[Visit, str, str], Boxes]
    secure: bool = False
    country: bytes | None = None
    forms: Sequence[str] = ()
    links: frozenset[str] = frozenset()
    workers: bool = False
    noticed: Callable[[str, str, str], None] = lambda _kind, _name, _path: None
    met: Callable[[Visit], None] = lambda _visit: None
    seen: dict[bytes, Link] = field(default_factory=dict, repr=False)
    pages: dict[bytes, Edits] = field(default_factory=dict, repr=False)
    _policies: dict[tuple[str, ...], bytes] = field(default_factory=dict, repr=False)
    _standings: dict[object, Standing] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "declared", cookies.Declared(self.bundle.trackers.values()))
        texts = (link.url for link in self.bundle.links.values())
        object.__setattr__(self, "verbatim", frozenset(url for url in texts if url))

    declared: cookies.Declared = field(init=False, repr=False)
    verbatim: frozenset[str] = field(init=False, repr=False)

    def standing(self, headers: Sequence[Header], today: dt.date) -> Standing:
        """What this visitor allowed, by the cookie and the signals of a request. Who chose the
        same on the same day is told the same, made once.
        """
        lines = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers if n in _ASKED]
        country = dict(headers).get(self.country, b"").decode("latin-1") if self.country else ""
        value = choice.found((v for n, v in lines if n == "cookie"), self.secure)
        key = (value, country, signals(lines), today)
        known = self._standings.get(key)
        if known is None:
            visit = met(
                self.bundle, lines, self.key, secure=self.secure, country=country, today=today
            ).visit
            rows = tuple(t for t in self.bundle.trackers.values() if visit.allows(t))
            aims = self.bundle.visits.aims
            known = Standing(
                visit, rows, frozenset(row.id for row in rows),
                all(aims[aim].necessary for row in rows for aim in row.aims), value,
            )  # fmt: skip
            if len(self._standings) >= _MOST:
                self._standings.clear()
            self._standings[key] = known
        return known

    def policy(self, allowed: Iterable[Tracker]) -> bytes:
        """Our policy while these may run; made once for each choice that is met."""
        rows = tuple(allowed)
        key = tuple(row.id for row in rows)
        if key not in self._policies:
            if len(self._policies) >= _MOST:  # a visitor can refuse in more ways than fit
                self._policies.clear()
            self._policies[key] = csp.policy(rows, self.forms, secure=self.secure).encode("ascii")
        return self._policies[key]


def _kind(headers: Iterable[Header]) -> bytes:
    """The kind of a body, as browsers read it: of several that are said, the last."""
    parts = [
        part.strip(b" \t").lower()
        for name, value in headers if name == b"content-type" for part in value.split(b",")
    ]  # fmt: skip
    return next((one for one in reversed(parts) if b"/" in one.partition(b";")[0]), b"")


class Passing:
    """One request on its way. `request` are the headers with which it goes on."""

    def __init__(self, site: Site, headers: Sequence[Header], *, path: str, today: dt.date) -> None:
        self._site, self._path = site, path
        self._standing = standing = site.standing(headers, today)
        self.visit, self.allowed, self._ids = standing.visit, standing.allowed, standing.ids
        found = dict(headers)
        self._host = host_of(found.get(b"host", b"").decode("latin-1"))
        kind = found.get(b"sec-fetch-dest")
        self._worker = _WORKER in (kind, found.get(b"service-worker", b"") and _WORKER)
        # What is fetched in advance may be shown later, as it came.
        ahead = b"prefetch" in (found.get(b"sec-purpose") or found.get(b"purpose", b""))
        self._opened = kind in _OPENED or (
            kind is None and b"text/html" in found.get(b"accept", b"")
        )
        self._page = self._worker or self._opened or kind in _SHOWN
        self._fetched = kind is not None and kind not in _SHOWN and not ahead
        self._anew = self._page or ahead
        self._languages = found.get(b"accept-language", b"").decode("latin-1")
        self._expire: list[str] = []
        self._today = today
        self._cookies = [v.decode("latin-1") for n, v in headers if n == b"cookie"]
        self.request = self._onwards(headers)

    def _onwards(self, headers: Sequence[Header]) -> list[Header]:
        found = []
        for name, value in headers:
            if self._site.acts and name == b"cookie":
                stay = []
                for cookie, pair in cookies.pairs(value):
                    if self._passes(cookie):
                        stay.append(pair)
                    else:
                        self._expire.append(cookie)
                if stay:
                    found.append((name, b"; ".join(stay)))
            elif self._anew and self._site.acts and name in _CONDITIONS:
                pass  # the body that comes back depends on more than the other end knows
            elif self._anew and name == b"accept-encoding":
                found.append((name, b"identity"))
            else:
                found.append((name, value))
        return found

    def _passes(self, cookie: str) -> bool:
        return self._site.declared.passes(cookie, lambda t: t.id in self._ids)

    def answer(self, status: int, headers: Sequence[Header]) -> tuple[list[Header], Passage | None]:
        """The headers with which an answer goes out, and what its body has to pass through."""
        first = dict(reversed(headers))
        kind = _kind(headers)
        if kind in _UNTOLD and self._opened:
            kind = _PAGES[0]
        shown = not self._fetched and (self._page or kind.startswith(_LIVE))
        if shown and kind.startswith(_PAGES):
            self._site.met(self.visit)
        if not self._site.acts:
            return self._watched(headers, shown), None
        rewriter: Passage | None = self._rewriter(status, kind, first) if shown else None
        if self._worker and not self._site.workers and status == 200:
            rewriter = Instead(_NO_WORKER)
        if status == 304 and self._fetched:
            kind = _PAGES[0]  # it does not say of what; what a browser keeps may be a page
        found = self._headers(headers, shown, rewriter is not None, kind)
        return found, rewriter

    def _watched(self, headers: Sequence[Header], shown: bool) -> list[Header]:
        """Nothing is changed; the browser reports what would be refused."""
        found = list(headers)
        for name, value in headers:
            if name == b"set-cookie" and not self._passes(cookie := cookies.name_set(value)):
                self._site.noticed("cookie", cookie, self._path)
        if shown:
            policy = self._site.policy(self.allowed)
            found.append((b"content-security-policy-report-only", policy))
            found += self._endpoints()
        return found

    def _headers(
        self, headers: Sequence[Header], shown: bool, changed: bool, kind: bytes
    ) -> list[Header]:
        site, own = self._site, self._site.names
        found: list[Header] = []
        referrer = REFERRER
        # A page that a script fetched is not kept for somebody who opens it: it is not as shown.
        alone = shown or kind.startswith(_LIVE)
        for name, value in headers:
            if name not in _CARED_FOR:
                found.append((name, value))
                continue
            if name == b"set-cookie":
                cookie = cookies.name_set(value)
                if cookie in cookies.OURS and self._path.partition("?")[0] != PATH:
                    continue  # the site neither makes nor lifts the choice of a visitor
                if not self._passes(cookie):
                    site.noticed("cookie", cookie, self._path)
                    continue
            elif name in _TELLING or (changed and name in (*_OF_THE_BODY, b"content-encoding")):
                continue
            elif name == b"referrer-policy":
                words = value.decode("latin-1").replace(" ", "").lower().split(",")
                known = [word for word in words if word in STRICT]
                referrer = known[-1] if known and words[-1] in STRICT else REFERRER
                continue
            elif name in _OWN_POLICY:
                value = csp.kept_to_itself(value.decode("latin-1"), own).encode("latin-1")
            elif name == b"link":
                value = self._hints(value)
                if not value:
                    continue
            elif name == b"location":
                value = self._target(value)
            elif name == b"clear-site-data":
                value = self._cleared(value, found)
                if not value:
                    continue
            elif name == b"refresh":
                value = led_on(value.decode("latin-1"), self._leads).encode("latin-1")
            elif alone and name in (b"cache-control", b"vary", b"expires", b"pragma"):
                continue
            found.append((name, value))
        allowed = self.allowed if shown else ()
        found += [
            (b"content-security-policy", site.policy(allowed)),
            (b"referrer-policy", referrer.encode("ascii")),
            (b"permissions-policy", _PERMISSIONS),
            (b"x-dns-prefetch-control", b"off"),
        ]
        if alone:
            found += [(b"cache-control", self._caching(headers)), (b"vary", self._vary(headers))]
        if shown:
            found += self._endpoints()
            for cookie in [*dict.fromkeys(self._expire)][:_ENDED]:
                found += [(b"set-cookie", v) for v in cookies.expiring(cookie, self._host)]
            chosen = self._standing.chosen
            again = choice.renewed(chosen, self._today) if chosen else None
            if again:
                found.append((b"set-cookie", choice.set_cookie(again, site.secure).encode()))
        return found

    def _endpoints(self) -> list[Header]:
        value = f'{csp.GROUP}="{csp.REPORTS}"'.encode("ascii")
        return [(b"reporting-endpoints", value)] if self._site.secure else []

    def _caching(self, headers: Sequence[Header]) -> bytes:
        """What the site says, for this browser alone and never without asking again.

        A page on which something runs that can be refused is not kept at all: a browser that
        goes back to it would let that run on after a no.
        """
        said = b",".join(v for n, v in headers if n == b"cache-control").lower()
        stays = self._standing.necessary and b"no-store" not in said
        return b"private, no-cache" if stays else b"no-store"

    @staticmethod
    def _vary(headers: Sequence[Header]) -> bytes:
        said = [v for n, v in headers if n == b"vary"]
        return b", ".join([*said, _VARY])

    def _cleared(self, value: bytes, found: list[Header]) -> bytes:
        """What a browser is told to forget, save what it was told to refuse.

        The cookies that came are ended one by one, all but that of the choice.
        """
        words = [word.strip(b" \t") for word in value.split(b",")]
        stay = [word for word in words if word not in (b'"cookies"', b'"*"')]
        if len(stay) == len(words) or choice.found(self._cookies, self._site.secure) is None:
            return value
        named = (name for one in self._cookies for name, _ in cookies.pairs(one.encode("latin-1")))
        for name in [n for n in dict.fromkeys(named) if n not in cookies.OURS][:_FORGOTTEN]:
            found += [(b"set-cookie", v) for v in cookies.expiring(name, self._host)]
        if b'"*"' in words:
            stay += [b'"cache"', b'"storage"']
        return b", ".join(stay)

    def _hints(self, value: bytes) -> bytes:
        """A `Link` header without what would make a browser connect to who may not."""
        parts = value.decode("latin-1").split(",")
        if any(part.count("<") != 1 for part in parts):
            parts = [value.decode("latin-1")]  # something is quoted: all of it stays, or nothing
        stay = []
        for part in parts:
            hosts = (elsewhere(one, self._site.names) for one in _NAMED.findall(part))
            if all(host is None or self.loads(None, host) for host in hosts):
                stay.append(part)
        return ",".join(stay).strip().encode("latin-1")

    def _target(self, value: bytes) -> bytes:
        return self._leads(value.decode("latin-1")).encode("latin-1")

    def _leads(self, address: str) -> str:
        host = elsewhere(address, self._site.names)
        if host is None or host in self._site.links or address in self._site.verbatim:
            return address
        return without_people(address)

    def loads(self, kind: Directive | None, host: str) -> bool:
        """Whether a page may load a kind of thing (None: any) from a host, for this visitor."""
        return bool(of_host(self.allowed, host, kind))

    def _held(self, kind: Directive, host: str) -> Tracker | None:
        """The tracker that is declared for a host and does not run; one to be clicked first."""
        rows = of_host(self._site.bundle.trackers.values(), host, kind)
        return next(iter(sorted(rows, key=lambda t: not t.embed)), None)

    def _rewriter(
        self, status: int, kind: bytes, first: Mapping[bytes, bytes]
    ) -> Rewriter | Inflating | None:
        if status in (204, 205, 206, 304) or not kind.startswith(_PAGES):
            return None
        if any(name in kind for name in _STRANGE):
            return None
        coding = first.get(b"content-encoding", b"identity").strip().lower()
        if coding not in (b"identity", b"gzip", b"x-gzip", b"deflate"):
            return None
        site = self._site
        boxes = site.boxes(self.visit, self._languages, self._path)
        made = Rewriter(
            site.names, self.loads, self._held, boxes,
            site.verbatim, site.links, site.seen, site.pages,
            (self._ids, self._languages, self._path, boxes.key),
        )  # fmt: skip
        return made if coding == b"identity" else Inflating(made)
