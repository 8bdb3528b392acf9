"""What is changed in a page on its way out, and nothing else.

- a frame that may not load stands as a box which says what it is, and loads it on a click;
- hints that make a browser connect elsewhere in advance go, as no policy governs them;
- links that lead elsewhere are marked, and carry nothing that tells who follows them;
- the banner comes in at the end.

Nothing here keeps trackers out: the policy does, of pages that are not HTML too. What cannot be
read passes as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
import secrets
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from kept.app.gateway.tokens import LONGEST, Piece, Tag, Tokens, passes
from kept.policy.trackers import Directive, Tracker
from kept.terms.addresses import elsewhere, without_people

#: The last a page may be told to send along to other sites: where it comes from, not which page.
REFERRER: Final = "strict-origin-when-cross-origin"
STRICT: Final = frozenset({"no-referrer", "same-origin", "strict-origin", "origin", REFERRER})
#: Reads as part of the link: the arrow is a picture with a name. Nothing but ASCII is put in.
MARK: Final = b'&nbsp;<span role="img" aria-label="(another website)">&#8599;</span>'
_HINTS: Final = frozenset(
    {"preconnect", "dns-prefetch", "prefetch", "prerender", "preload", "modulepreload"}
)
_SOURCE: Final[Mapping[bytes, str]] = {
    b"iframe": "src", b"embed": "src", b"object": "data", b"frame": "src",
}  # fmt: skip
#: The tags that are looked at.
_LOOKED_AT: Final = frozenset(
    b"a area link meta iframe frame embed object script head body form noscript".split()
)
#: A link on the site as it is mostly written, with nothing in it that could be another host.
_INTERNAL: Final = rb'<a(?: [a-z-]++(?:="(?:[^"&:\\\t\n\r/]++|/(?!/))*+")?+)*+>|</a>'
_CALM: Final = passes(_LOOKED_AT, _INTERNAL)
_MARKING: Final = passes(_LOOKED_AT)
#: Bytes of a link that is remembered, and how many are.
_SHORT, _MANY = 512, 4096
#: Bytes of a page of which it is remembered what was changed, of the changes, and how many are;
#: and as how many bytes a change counts besides what it puts in: most of it is where it stands.
_PAGE, _CHANGES, _PAGES = 512 * 1024, 64 * 1024, 256
_EACH: Final = 64
#: What was changed in a page: (from, to, what stands there instead); None: a link there tells
#: something of somebody, and is judged again; `_FOOT`: what comes last in the body, which says to
#: which address one comes back. Words of the page itself are in none of them.
Edits: TypeAlias = Sequence[tuple[int, int, bytes | None]]
#: What a link that leads elsewhere is given.
_REL: Final = b' rel="noopener"'
_FOOT: Final = b"<!--foot-->"
#: What became of a link: the same for its own bytes, and whose mark it gets: by the beginning of
#: the addresses in `Boxes.marks`, empty for that of another website, None for no mark. Never the
#: mark itself, which speaks the language of one visitor.
Link: TypeAlias = tuple[int, int, bytes, str | None]
#: What is remembered is found by a hash under a key that dies with the process.
_KEY: Final = secrets.token_bytes(32)
#: A link without any of these stays on the site, whatever else it says.
_AWAY: Final = re.compile(rb"(?i)//|[\\:&\t\n\r]|referrerpolicy")
_REFERRER: Final = b"referrerpolicy"
_AHEAD: Final = "speculationrules"
#: Pages within pages that are read; what is deeper is left out.
_DEEPEST: Final = 4
#: Where a page leads by itself after a while: what stands before the address, and the address.
_LEADS: Final = re.compile(r"(?is)(\s*[0-9.]*\s*[;,]?\s*(?:url\s*=\s*)?[\"']?)(.*)")


@dataclass(frozen=True, slots=True)
class Boxes:
    """What is put into pages: ready HTML, in ASCII.

    `box(tracker, host, in_form)`: where a frame or a button of a declared tracker stood, or of a
    host that nobody declared (None); within a form there is no room for another. `head` comes
    first in the head, `foot` last in the body. `marks`: what stands in links to addresses that
    begin so, in the place of the mark of another website. `queried`: the address to come back to
    has a query, which may be somebody's. `key` is the same where all but the address to come back
    to is the same.
    """

    box: Callable[[Tracker | None, str, bool], bytes]
    head: bytes = b""
    foot: bytes = b""
    marks: Mapping[str, bytes] = field(default_factory=dict)
    queried: bool = False
    key: bytes = b""


class Rewriter:
    """One page. `own`: names of the site; `loads(kind, host)`: may it be loaded by this page?

    `held(kind, host)`: the tracker that a click would load from there. `verbatim`: addresses that
    stay as they are; `trusted`: hosts to which all of them do.
    `links` remembers, from page to page, what became of links that told nothing of anybody; `pages`
    where a page was changed to what, by a hash of it and of `about`, all else on which it depends.
    Of both it is remembered what was put in and where, and nothing of the page itself: no word, no
    address with a query, no link that tells of somebody.
    """

    def __init__(
        self, own: frozenset[str], loads: Callable[[Directive | None, str], bool],
        held: Callable[[Directive, str], Tracker | None], boxes: Boxes, verbatim: frozenset[str],
        trusted: frozenset[str], links: dict[bytes, Link] | None = None,
        pages: dict[bytes, Edits] | None = None, about: tuple[object, ...] = (),
    ) -> None:  # fmt: skip
        self._own, self._loads, self._held = own, loads, held
        self._boxes, self._verbatim, self._trusted = boxes, verbatim, trusted
        self._tokens = Tokens(_CALM, _REFERRER)
        self._marking = b""
        self._in_body = self._in_form = False
        self._links, self._pages, self._about = links, pages, about
        self._told = False  # whether a link told something of somebody
        self._said = False  # whether what was put in holds words of the page, or its whole address
        self._headed = not boxes.head
        self._skipping: bytes | None = None
        self._depth = 0
        self._unscripted: bytes | None = None  # what stands there for browsers without scripts
        self._shown: set[str] = set()
        self._foot = boxes.foot

    def feed(self, data: bytes) -> bytes:
        """What can go out by now."""
        return b"".join(map(self._piece, self._tokens.feed(data)))

    def close(self) -> bytes:
        """What is left."""
        rest = b"".join(map(self._piece, self._tokens.close())) + (self._unscripted or b"")
        foot, self._foot = self._foot, b""
        return rest + (foot if self._in_body else b"")

    def whole(self, page: bytes) -> bytes:
        """The same of a page that is there as one part."""
        if self._pages is None or len(page) > _PAGE:
            return self.feed(page) + self.close()
        key = hmac.digest(_hashed(repr(self._about).encode()), page, "sha256")
        known = self._pages.get(key)
        if known is not None:
            return self._edited(page, known)
        at, edits = 0, list[tuple[int, int, bytes | None]]()
        for piece in itertools.chain(self._tokens.feed(page), self._tokens.close()):
            raw = piece if isinstance(piece, bytes) else piece.raw
            self._told = False
            new = self._piece(piece)
            if self._told:
                again = self._again(raw)
                before = new[: len(new) - len(again)]  # of a link that nobody closed
                edits += ((at, at, before), *_cuts(at, raw, again))
            elif self._boxes.foot and new == self._boxes.foot + raw:
                edits.append((at, at, _FOOT))
            elif new != raw:
                start, end, put = _difference(raw, new)
                edits.append((at + start, at + end, put))
            at += len(raw)
        last = self.close()
        edits.append((at, at, _FOOT if last and last == self._boxes.foot else last))
        if not self._said and sum(_EACH + len(new or b"") for _, _, new in edits) <= _CHANGES:
            if len(self._pages) >= _PAGES:
                self._pages.clear()
            self._pages[key] = edits
        return self._edited(page, edits)

    def _again(self, raw: bytes) -> bytes:
        """A link that tells of somebody, as it goes out."""
        return self._judged(Tag(raw, _name(raw), False))[0][0]

    def _edited(self, page: bytes, edits: Edits) -> bytes:
        parts, at = list[bytes](), 0
        for start, end, new in edits:
            if new is None:
                new = self._again(page[start:end])
            elif new == _FOOT:
                new = self._boxes.foot
            parts += (page[at:start], new)
            at = end
        parts.append(page[at:])
        return b"".join(parts)

    def _piece(self, piece: Piece) -> bytes:
        if isinstance(piece, bytes):
            if self._unscripted is not None and not self._skipping:
                return self._later(piece)
            return b"" if self._skipping else piece
        if self._skipping:
            if piece.end and piece.name == self._skipping:
                self._skipping = None
            return b""
        if piece.end:
            return self._end(piece)
        if piece.name in _LOOKED_AT:
            return self._start(piece)
        if _REFERRER in piece.raw.lower():
            return self._discreet(piece)
        return piece.raw

    def _later(self, piece: bytes) -> bytes:
        """Text to most browsers, and a part of the page to those without scripts."""
        self._said = True
        self._unscripted = (self._unscripted or b"") + piece
        if len(self._unscripted) <= LONGEST:
            return b""
        rest, self._unscripted = self._unscripted, None
        return rest

    def _within(self, data: bytes, in_form: bool) -> bytes:
        """A piece of HTML that browsers read apart from the page around it."""
        boxes = Boxes(lambda tracker, host, _: self._boxes.box(tracker, host, in_form))
        inner = Rewriter(self._own, self._loads, self._held, boxes, self._verbatim, self._trusted)
        inner._depth = self._depth + 1
        return inner.feed(data) + inner.close()

    def _end(self, tag: Tag) -> bytes:
        if tag.name == b"noscript" and self._unscripted is not None:
            inside, self._unscripted = self._unscripted, None
            return self._within(inside, self._in_form) + tag.raw
        if tag.name == b"a" and self._marking:
            mark = self._mark(b"")
            return mark + tag.raw
        if tag.name == b"form":
            self._in_form = False
        if tag.name == b"body" and self._foot:
            foot, self._foot = self._foot, b""
            return foot + tag.raw
        return tag.raw

    def _start(self, tag: Tag) -> bytes:
        name = tag.name
        if name == b"head":
            self._headed = True
            return tag.raw + self._boxes.head
        if not self._headed and name in (b"script", b"body"):  # a page may leave its head out
            self._headed = True
            return self._boxes.head + self._started(tag)
        return self._started(tag)

    def _started(self, tag: Tag) -> bytes:
        name = tag.name
        if name == b"body":
            self._in_body = True
            return tag.raw
        if name == b"form":
            self._in_form = True
            return tag.raw
        if name == b"noscript":
            self._unscripted = b"" if self._tokens.within == name else None
            return tag.raw
        if name in (b"a", b"area"):
            return self._link(tag)
        if name in _SOURCE:
            return self._frame(tag)
        if name == b"script":
            return self._script(tag)
        if name == b"link":
            return self._hint(tag)
        if name == b"meta":
            return self._meta(tag)
        return tag.raw

    def _mark(self, mark: bytes) -> bytes:
        """What is to stand before the next end of a link; until then every such end matters.

        Gives what was to stand there before.
        """
        before, self._marking = self._marking, mark
        self._tokens.passing = _MARKING if mark else _CALM
        return before

    def _link(self, tag: Tag) -> bytes:
        before = b""
        if tag.name == b"a" and self._marking:  # a link that nobody closed ends at the next
            before = self._mark(b"")
        raw, links = tag.raw, self._links
        key = _hashed(raw) if links is not None else b""
        known = links.get(key) if links is not None else None
        if known is not None:
            start, end, put, whose = known
            out = b"".join((raw[:start], put, raw[end:]))
        else:
            (out, whose), anybodys = self._judged(tag)
            self._told = self._told or not anybodys
            if links is not None and anybodys and len(raw) <= _SHORT:
                if len(links) >= _MANY:
                    links.clear()
                links[key] = (*_difference(raw, out), whose)
        if whose is not None:
            self._mark(self._boxes.marks.get(whose, MARK))
        return before + out

    def _judged(self, tag: Tag) -> tuple[tuple[bytes, str | None], bool]:
        """((the tag as it goes out, whose mark it gets), it told nothing of anybody)."""
        if _AWAY.search(tag.raw) is None:
            return (tag.raw, None), True
        values, changes, anybodys = tag.attributes(), {}, True
        if elsewhere(values.get("ping", ""), self._own):
            changes["ping"] = ""
        href = values.get("href", "")
        host = elsewhere(href, self._own)
        if host is not None:
            clean = self._leads(href)
            if clean != href:
                changes["href"], anybodys = clean, False
            words = values.get("rel", "").split()
            if not {"noopener", "noreferrer"} & {word.lower() for word in words}:
                changes["rel"] = " ".join((*words, "noopener"))
                anybodys = anybodys and not words  # they would be remembered with it
        changes |= _discretion(values)
        # Between two changes stand words of the page, which would be remembered with them.
        anybodys = anybodys and len(changes) < 2
        out = tag.changed(changes) if changes else tag.raw
        if host is None or tag.name != b"a":
            return (out, None), anybodys
        return (out, next(filter(href.startswith, self._boxes.marks), "")), anybodys

    def _frame(self, tag: Tag) -> bytes:
        values = tag.attributes()
        host = elsewhere(values.get(_SOURCE[tag.name], ""), self._own)
        if host is None or self._loads("frame", host):
            return self._discreet(tag, self._document(values))
        if tag.name == b"frame":  # within a frameset there is room for frames alone
            return tag.changed({"src": "about:blank"})
        if tag.name != b"embed":
            self._skipping = tag.name
        tracker = self._held("frame", host)
        if tracker is not None:
            self._shown.add(tracker.id)
        self._said = self._said or self._boxes.queried
        return self._boxes.box(tracker, host, self._in_form)

    def _document(self, values: Mapping[str, str]) -> dict[str, str]:
        """The page that a frame brings along."""
        said = values.get("srcdoc", "")
        if not said or self._depth >= _DEEPEST:
            return {"srcdoc": ""} if said else {}
        clean = self._within(said.encode("utf-8", "surrogateescape"), True)
        made = clean.decode("utf-8", "surrogateescape")
        self._said = self._said or made != said
        return {} if made == said else {"srcdoc": made}

    def _script(self, tag: Tag) -> bytes:
        """A button that is a script: the policy keeps it out, the box stands before it."""
        values = tag.attributes()
        if values.get("type", "").strip().lower() == _AHEAD:
            self._skipping = tag.name  # pages of others would be fetched before anybody asks
            return b""
        host = elsewhere(values.get("src", ""), self._own)
        if host is not None and self._in_body and not self._loads("script", host):
            tracker = self._held("script", host)
            if tracker is not None and tracker.embed and tracker.id not in self._shown:
                self._shown.add(tracker.id)
                self._said = self._said or self._boxes.queried
                return self._boxes.box(tracker, host, self._in_form) + tag.raw
        return self._discreet(tag)

    def _hint(self, tag: Tag) -> bytes:
        values = tag.attributes()
        if _HINTS & set(values.get("rel", "").lower().split()):
            host = elsewhere(values.get("href", ""), self._own)
            if host is not None and not self._loads(None, host):
                return b""
        return self._discreet(tag)

    def _meta(self, tag: Tag) -> bytes:
        values = tag.attributes()
        loud = values.get("http-equiv", "").strip().lower() == "x-dns-prefetch-control"
        if values.get("name", "").strip().lower() == "referrer":
            loud = values.get("content", "").strip().lower() not in STRICT
        if values.get("http-equiv", "").strip().lower() == "refresh":
            said = values.get("content", "")
            clean = led_on(said, self._leads)
            self._said = self._said or clean != said
            return tag.raw if clean == said else tag.changed({"content": clean})
        return b"" if loud else tag.raw

    def _leads(self, address: str) -> str:
        host = elsewhere(address, self._own)
        same = host is None or address in self._verbatim or host in self._trusted
        return address if same else without_people(address)

    def _discreet(self, tag: Tag, also: Mapping[str, str] | None = None) -> bytes:
        changes = _discretion(tag.attributes()) if _REFERRER in tag.raw.lower() else {}
        changes |= also or {}
        return tag.changed(changes) if changes else tag.raw


def _name(link: bytes) -> bytes:
    return b"area" if link[1:5].lower() == b"area" else b"a"


def _hashed(data: bytes) -> bytes:
    return hashlib.blake2b(data, key=_KEY, digest_size=16).digest()


def _difference(raw: bytes, new: bytes) -> tuple[int, int, bytes]:
    """(from, to, what stands there instead), with nothing in it that both have at either end."""
    most = min(len(raw), len(new))
    start = next((n for n in range(most) if raw[n] != new[n]), most)
    left = most - start
    end = next((n for n in range(left) if raw[-1 - n] != new[-1 - n]), left)
    return start, len(raw) - end, new[start : len(new) - end]


def _cuts(at: int, raw: bytes, new: bytes) -> list[tuple[int, int, bytes | None]]:
    """What was taken out of a link that told of somebody, and what of ours was put in before its
    attributes; where more than that was done it is judged again.
    """
    begin = 1 + len(_name(raw))
    ours = _REL if new.startswith(_REL, begin) and not raw.startswith(_REL, begin) else b""
    start, end, put = _difference(raw[begin:], new[begin + len(ours) :])
    if put:
        return [(at, at + len(raw), None)]
    return [(at + begin, at + begin, ours), (at + begin + start, at + begin + end, b"")]


def _discretion(values: Mapping[str, str]) -> dict[str, str]:
    """What an element may not say more of than the page does."""
    said = values.get("referrerpolicy")
    return {} if said is None or said.lower() in STRICT else {"referrerpolicy": REFERRER}


def led_on(said: str, leads: Callable[[str], str]) -> str:
    """Where a page leads by itself (`refresh`), the address as `leads` makes it."""
    met = _LEADS.fullmatch(said)
    return said if met is None else met[1] + leads(met[2])


class Instead:
    """Something else in the place of a body."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def feed(self, data: bytes) -> bytes:
        """Nothing of what came."""
        return b""

    def whole(self, page: bytes) -> bytes:
        """The same where it came as one part."""
        return self.close()

    def close(self) -> bytes:
        """All of it."""
        return self._data


class Garbled(ValueError):
    """A body that cannot be what its headers say."""


class Inflating:
    """A body that was compressed although nobody asked for it, read as it comes."""

    #: How much one piece may become: a page is no place for a bomb.
    _MOST: Final = 8 * 1024 * 1024

    def __init__(self, inner: Rewriter) -> None:
        self._inner = inner
        self._inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, by its first bytes
        self._begun = False

    def feed(self, data: bytes) -> bytes:
        """What can go out by now. Raises Garbled on what is not compressed so."""
        self._begun = self._begun or bool(data)
        try:
            plain = self._inflate.decompress(data, self._MOST)
        except zlib.error:
            raise Garbled("a body that is not compressed as its header says") from None
        if self._inflate.unconsumed_tail:
            raise Garbled("a body that grows beyond measure")
        if self._inflate.unused_data.strip(b"\0"):
            raise Garbled("a body with something behind its end")
        return self._inner.feed(plain)

    def whole(self, page: bytes) -> bytes:
        """The same of a body that is there as one part. Raises Garbled."""
        return self.feed(page) + self.close()

    def close(self) -> bytes:
        """What is left. Raises Garbled where the end did not come: a part is not the whole."""
        if self._begun and not self._inflate.eof:
            raise Garbled("a compressed body that is cut off")
        return self._inner.feed(self._inflate.flush()) + self._inner.close()
