"""What strangers send: policies, cookies, addresses, pages and bodies of any kind are read without
a fault, and nothing is changed in them but what is meant.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import re
import zlib
from urllib.parse import urlsplit

import h11
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.app.gateway.test_tokens import CUTS, LINKS, PARTS, out, pieces_of, rewriter

from kept.app.gateway import cookies
from kept.app.gateway.line import Broken, Line
from kept.app.gateway.rewrite import MARK, Boxes, Edits, Garbled, Inflating, Rewriter
from kept.app.gateway.tokens import Tag, Tokens
from kept.decide import csp
from kept.policy.trackers import DIRECTIVES, Tracker
from kept.terms.addresses import place_of, web_origin

HOSTS = st.sampled_from(("a.test", "*.b.test", "c.test:8443", "d.test"))
TRACKER = Tracker(
    "x", "X", None, ("aim",), "third", {}, (), (), False, None, (), False, (), "", 1
)  # fmt: skip
TRACKERS = st.lists(
    st.dictionaries(
        st.sampled_from(DIRECTIVES), st.lists(HOSTS, max_size=3).map(tuple), max_size=3
    ),
    max_size=5,
).map(lambda rows: [dataclasses.replace(TRACKER, id=str(n), hosts=h) for n, h in enumerate(rows)])


def directives(policy: str) -> dict[str, set[str]]:
    """A policy as a browser reads it: of a directive given twice the first."""
    found: dict[str, set[str]] = {}
    for one in policy.split(";"):
        words = one.split()
        if words:
            found.setdefault(words[0].lower(), set(words[1:]))
    return found


@given(TRACKERS, st.lists(HOSTS, max_size=2))
def test_a_policy_lets_in_who_is_allowed_and_nobody_else(
    rows: list[Tracker], forms: list[str]
) -> None:
    made = directives(csp.policy(rows, forms))
    none = directives(csp.policy([]))
    assert made.keys() == none.keys()
    for name, own in none.items():
        more = {h for row in rows for h in row.hosts.get(name.removesuffix("-src"), ())}  # type: ignore[call-overload]
        assert made[name] == own | more | (set(forms) if name == "form-action" else set())
    assert csp.policy(reversed(rows), forms) == csp.policy(rows, forms)


WORD = st.sampled_from(
    ("default-src", "report-uri", "Report-URI", "report-to", "script-src", "'self'", "https://x.test",
     "https://shop.test/r", "/own", "//x.test/r", "*", "\t", "sandbox", "\xa0")
)  # fmt: skip


@given(st.lists(st.lists(WORD, max_size=5).map(" ".join) | st.text(max_size=9), max_size=6),
       st.sampled_from((";", ",", " ; ", ";,")))  # fmt: skip
def test_what_a_site_forbids_stays_forbidden_and_tells_nobody_else(
    parts: list[str], by: str
) -> None:
    theirs = by.join(parts)
    kept = csp.kept_to_itself(theirs, {"shop.test"})
    assert csp.kept_to_itself(kept, {"shop.test"}) == kept
    assert kept.count(",") == theirs.count(",")  # as many policies as before
    for before, after in zip(theirs.split(","), kept.split(","), strict=True):
        was, now = directives(before), directives(after)
        silent = {n: v for n, v in was.items() if n not in ("report-uri", "report-to")}
        assert {n: v for n, v in now.items() if n != "report-uri"} == silent
        assert now.get("report-uri", set()) <= {"'self'", "https://shop.test/r", "/own", "*"} | {
            word for word in re.split(r"[\s;]+", before) if not re.match(r"https?:|//|\\\\", word)
        }


@given(st.binary(max_size=80), st.lists(st.sampled_from((b"a=1", b"b", b"=x", b"__Host-c=2"))))
def test_cookies_of_any_kind(junk: bytes, known: list[bytes]) -> None:
    header = b"; ".join([*known, junk])
    pairs = list(cookies.pairs(header))
    assert [pair for _, pair in pairs][: len(known)] == known
    assert all(pair in header and b";" not in pair for _, pair in pairs)
    name = cookies.name_set(header)
    assert ";" not in name
    assert "=" not in name
    assert all(name.encode("latin-1") in line for line in cookies.expiring(name, "www.shop.test"))


@given(
    st.text(max_size=40) | st.from_regex(r"(?i)https?://[a-z0-9.@:\[\]/?#-]{0,24}", fullmatch=True)
)
def test_origins_are_those_of_the_standard_library(text: str) -> None:
    found = web_origin(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return  # it says of more addresses that they are none
    assert found is None or re.fullmatch(r"https?://[^/@?#\s]+", found)
    if found is not None:
        assert parts.hostname is not None
        assert found.split("://")[1].strip("[]").startswith((parts.hostname, f"[{parts.hostname}"))
        assert found.endswith(f":{port}") == (
            port not in (None, 80 if parts.scheme == "http" else 443)
        )
    if text.isascii() and text.isprintable() and " " not in text and "\\" not in text:
        assert place_of(text) == parts.netloc.lower()


@settings(max_examples=200, deadline=None)
@given(st.lists(LINKS | st.sampled_from(PARTS) | st.binary(max_size=20), max_size=8).map(b"".join))
def test_only_what_is_marked_changes(document: bytes) -> None:
    """Text, and tags that nobody looks at, stand in what comes out byte by byte and in order."""
    # What a box stands for goes with all that is in it.
    document = re.sub(rb"(?i)<(iframe|object)", b"<q", document)
    looked_at = set(b"a area link meta embed script head body form".split())
    tokens = Tokens()
    pieces = [*tokens.feed(document), *tokens.close()]
    assert b"".join(p.raw if isinstance(p, Tag) else p for p in pieces) == document
    pattern = b""
    for piece in pieces:
        if isinstance(piece, bytes):
            pattern += re.escape(piece)
        elif piece.name in looked_at or b"referrerpolicy" in piece.raw.lower():
            pattern += rb".*?"
        else:
            pattern += re.escape(piece.raw)
    found = out(rewriter(), [document])
    bare = found.replace(MARK, b"").removesuffix(b"<FOOT>")
    assert re.fullmatch(pattern, bare, re.DOTALL) or re.fullmatch(pattern, found, re.DOTALL)


HELD = st.sampled_from((
    b"<noscript><a href=//e.test>Ana Weber</a></noscript>",
    b"<iframe srcdoc='<a href=//e.test?email=ana@b.example>Ana Weber</a>'></iframe>",
    b"<meta http-equiv=refresh content='1; url=//e.test?email=ana@b.example'>",
))  # fmt: skip


@settings(deadline=None)
@given(st.lists(LINKS | st.sampled_from(PARTS) | HELD, max_size=6).map(b"".join), st.integers(0, 2))
def test_a_page_that_came_before_is_changed_in_the_same_way(document: bytes, who: int) -> None:
    """Whose boxes they are and what may load is a part of what is remembered."""
    pages: dict[tuple[object, ...], Edits] = {}
    for turn in (who, 0, 1, who, 2, 0):

        def made(known: dict[tuple[object, ...], Edits] | None, turn: int = turn) -> Rewriter:
            boxes = Boxes(lambda _, host, __: f"[{turn}{host}]".encode(), b"<H>", b"<F%d>" % turn)
            return Rewriter(
                frozenset({"shop.test"}), lambda *_: turn == 1, lambda *_: None, boxes, frozenset(),
                frozenset(), None, known, (turn,),
            )  # fmt: skip

        assert made(pages).whole(document) == out(made(None), [document])
    kept = b"".join(new or b"" for edits in pages.values() for _, _, new in edits)
    # A link that told of somebody is remembered nowhere, nor are words of the page.
    assert b"b.example" not in kept
    assert b"Ana" not in kept


PACK = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
}


@settings(deadline=None)
@given(LINKS, CUTS, st.sampled_from(sorted(PACK)), st.integers(0, 40), st.binary(max_size=6))
def test_packed_bodies(page: bytes, cuts: list[int], how: str, short: int, after: bytes) -> None:
    packed = PACK[how](page)
    assert out(Inflating(rewriter()), pieces_of(packed, cuts)) == out(rewriter(), [page])
    with contextlib.suppress(Garbled):  # cut off, or with something behind
        out(Inflating(rewriter()), pieces_of(packed[: len(packed) - short] + after, cuts))
    with contextlib.suppress(Garbled):
        out(Inflating(rewriter()), [after, packed])


class Wire(asyncio.Transport):
    """Takes what is written; the test says what comes."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        return

    def abort(self) -> None:
        return

    def pause_reading(self) -> None:
        return

    def resume_reading(self) -> None:
        return


async def heard(parts: list[bytes]) -> tuple[bytes, bool]:
    """The body that a site's answer has, and whether it came to its end. Raises Broken."""
    line = Line()
    line.connection_made(Wire())
    await line.send(h11.Request(method="GET", target="/", headers=[("host", "x")]), 1)
    await line.send(h11.EndOfMessage(), 1)
    body = b""
    for part in parts:
        line.data_received(part)
        while (event := line.ready()) is not None:
            if isinstance(event, h11.Data):
                body += event.data
            if isinstance(event, h11.EndOfMessage):
                return body, True
    return body, False


def chunked(parts: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts if p) + b"0\r\n\r\n"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5), CUTS, st.binary(max_size=40), st.booleans())
def test_bodies_by_length_and_in_chunks(
    parts: list[bytes], cuts: list[int], junk: bytes, sized: bool
) -> None:
    whole, head = b"".join(parts), b"HTTP/1.1 200 OK\r\n"
    if sized:
        answer = head + b"content-length: %d\r\n\r\n" % len(whole) + whole
    else:
        answer = head + b"transfer-encoding: chunked\r\n\r\n" + chunked(parts)

    async def ask() -> None:
        assert await heard(pieces_of(answer, cuts)) == (whole, True)
        for strange in (
            junk,
            head + junk,
            answer[:-3] + junk,
            head + b"content-length: 5, 6\r\n\r\n",
        ):
            with contextlib.suppress(Broken):
                body, _ = await heard(pieces_of(strange, cuts))
                assert len(body) <= len(strange)

    asyncio.run(ask())
