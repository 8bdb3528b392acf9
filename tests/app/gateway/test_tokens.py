# ruff: noqa: E501 — what goes in and what comes out stand side by side
"""HTML cut into tags: nothing is lost, where it is cut does not matter, nothing is changed unasked."""

from __future__ import annotations

import gzip
import html
import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kept.app.gateway.rewrite import MARK, Boxes, Inflating, Rewriter
from kept.app.gateway.tokens import LONGEST, Piece, Tag, Tokens

PARTS = (
    b"<!--", b"-->", b"--!>", b"<!-->", b"<script", b"</script", b"<script>", b"</script>",
    b'<a href="x>y"', b"'", b'"', b">", b"<", b"/", b" ", b"=", b"<svg>", b"</svg>", b"<svg/>",
    b"<![CDATA[", b"]]>", b"<title>", b"</title>", b"<iframe src=x>", b"</iframe>", b"a", b"<!",
    b"<?", b"</", b"<style>", b"</style x>", b"\xff\x00", b"<plaintext>", b"<p>", b"<A HREF=/in>",
    b"</a>", b"<head>", b"<body>", b"</body>", b'<meta name=referrer content="same-origin">',
    b"<link rel=icon href=/i>", b"<textarea>", b"</textarea>", b"\r\n",
)  # fmt: skip
DOCUMENT = st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join) | st.binary(max_size=80)
CUTS = st.lists(st.integers(0, 300), max_size=8)


def cut(parts: list[bytes]) -> list[Piece]:
    tokens = Tokens()
    out = [piece for part in parts for piece in tokens.feed(part)]
    return joined([*out, *tokens.close()])


def joined(pieces: list[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def pieces_of(document: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({min(c, len(document)) for c in cuts} | {0, len(document)})
    return [document[a:b] for a, b in itertools.pairwise(at)]


@settings(max_examples=300, deadline=None)
@given(DOCUMENT, CUTS)
@example(b"<script><!--<script></script>--></script><a>", [9, 13])
def test_nothing_is_lost_and_cuts_do_not_matter(document: bytes, cuts: list[int]) -> None:
    whole = cut([document])
    assert b"".join(p.raw if isinstance(p, Tag) else p for p in whole) == document
    assert cut(pieces_of(document, cuts)) == whole
    assert cut([document[n : n + 1] for n in range(len(document))]) == whole


def rewriter(*memory: Any) -> Rewriter:
    return Rewriter(
        frozenset({"shop.test"}), lambda *_: False, lambda *_: None,
        Boxes(lambda _, host, in_form: f"[{host}{'!' * in_form}]".encode(), b"<HEAD>", b"<FOOT>"), frozenset(), frozenset(),
        *memory,
    )  # fmt: skip


def silent() -> Rewriter:
    return Rewriter(
        frozenset(), lambda *_: False, lambda *_: None, Boxes(lambda *_: b""), frozenset(),
        frozenset(),
    )  # fmt: skip


def out(made: Rewriter | Inflating, parts: list[bytes]) -> bytes:
    return b"".join([*map(made.feed, parts), made.close()])


@settings(max_examples=300, deadline=None)
@given(DOCUMENT, CUTS)
def test_where_nothing_leads_elsewhere_the_page_stays_as_it_is(
    document: bytes, cuts: list[int]
) -> None:
    assert out(silent(), pieces_of(document, cuts)) == document


LINKS = st.lists(
    st.sampled_from((
        b"<a href=//else.test/?email=a@b.example&amp;x=1>", b"</a>", b"word", b"<iframe src=//e.test>",
        b"</iframe>", b"<script src=//e.test/x.js></script>", b"<link rel=preconnect href=//e.test>",
        b"<body>", b"</body>", b"<head>", b"<img referrerpolicy=unsafe-url src=x>", b"<!-- <a> -->",
        b"<object data='//e.test'>", b"</object>", b"<embed src=//e.test>",
    )), max_size=14,
).map(b"".join)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(LINKS, CUTS)
def test_cuts_do_not_matter_where_much_is_changed(document: bytes, cuts: list[int]) -> None:
    assert out(rewriter(), pieces_of(document, cuts)) == out(rewriter(), [document])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'<a href="https://e.test/?a=1&amp;EMAIL=ana%40b.example&amp;c=2#top">out</a>',
         b'<a rel="noopener" href="https://e.test/?a=1&amp;c=2#top">out' + MARK + b"</a>"),
        (b"<a href=//e.test rel='nofollow'>out</a>",
         b'<a href=//e.test rel="nofollow noopener">out' + MARK + b"</a>"),
        (b"<a href=http://u:p@e.test/ rel=noreferrer>x</a>",
         b'<a href="http://e.test/" rel=noreferrer>x' + MARK + b"</a>"),
        # What stands in a frame, for browsers without scripts, or behind what only they read.
        (b"<iframe srcdoc='<link rel=preconnect href=//e.test><b>x</b>'></iframe>",
         b'<iframe srcdoc="&lt;b&gt;x&lt;/b&gt;"></iframe>'),
        (b"<iframe srcdoc='<iframe src=//e.test></iframe>'></iframe>",
         b'<iframe srcdoc="[e.test!]"></iframe>'),
        (b"<noscript><link rel=preconnect href=//e.test><p>x</noscript>",
         b"<noscript><p>x</noscript>"),
        (b"<noscript><style></noscript><link rel=preconnect href=//e.test>",
         b"<noscript><style></noscript>"),
        (b"<noscript><p title='</noscript><link rel=preconnect href=//e.test>'>",
         b"<noscript><p title='</noscript>'>"),
        (b"<svg><noscript></noscript></svg><noscript>never closed",
         b"<svg><noscript></noscript></svg><noscript>never closed"),
        (b"a<script type=' SpeculationRules '>{}</script><p>b", b"a<HEAD><p>b"),
        (b"<frameset><frame src=//e.test><frame src=/own></frameset>",
         b'<frameset><frame src="about:blank"><frame src=/own></frameset>'),
        (b"<meta http-equiv=Refresh content='0; url=//e.test/?email=a@b.example&amp;x=1'>",
         b'<meta http-equiv=Refresh content="0; url=//e.test/?x=1">'),
        (b"<meta http-equiv=refresh content=5>", b"<meta http-equiv=refresh content=5>"),
        (b"<A HREF='//e.test?gclid=1' ping='//e.test/p'>x</A>",
         b'<A rel="noopener" HREF="//e.test" ping="">x' + MARK + b"</A>"),
        (b"<a href=/in?email=a@b.example>in</a>", b"<a href=/in?email=a@b.example>in</a>"),
        (b"<a href=mailto:a@b.example>write</a>", b"<a href=mailto:a@b.example>write</a>"),
        (b"<a href='//shop.test/?email=a@b.example'>", b"<a href='//shop.test/?email=a@b.example'>"),
        (b"a<iframe src=//e.test/x><p>no frames</iframe>b", b"a[e.test]b"),
        (b"a<iframe src=/own></iframe>b", b"a<iframe src=/own></iframe>b"),
        (b"<embed src=//e.test>c", b"[e.test]c"),
        (b"<form><embed src=//e.test></form><embed src=//e.test>", b"<form>[e.test!]</form>[e.test]"),
        (b"<link rel='dns-prefetch' href=//e.test>c", b"c"),
        (b"<link rel=stylesheet href=//e.test>c", b"<link rel=stylesheet href=//e.test>c"),
        (b"<meta name=referrer content=unsafe-url>c", b"c"),
        (b"<meta http-equiv=x-dns-prefetch-control content=on>c", b"c"),
        (b"<img referrerpolicy=unsafe-url src=/x>",
         b'<img referrerpolicy="strict-origin-when-cross-origin" src=/x>'),
        (b"<script>'<a href=//e.test>'</script>", b"<HEAD><script>'<a href=//e.test>'</script>"),
        (b"<!-- <a href=//e.test> -->", b"<!-- <a href=//e.test> -->"),
        (b"<title><a href=//e.test></title>", b"<title><a href=//e.test></title>"),
        (b"<head><title>x</title><body>y</body>", b"<head><HEAD><title>x</title><body>y<FOOT></body>"),
        (b"<body>y", b"<HEAD><body>y<FOOT>"),
        (b"<a href=//e.test>one<a href=/in>two</a>",
         b'<a rel="noopener" href=//e.test>one' + MARK + b"<a href=/in>two</a>"),
    ],
)  # fmt: skip
def test_what_is_changed(before: bytes, after: bytes) -> None:
    assert out(rewriter(), [before]) == after


def test_pages_within_pages_have_an_end() -> None:
    page = "<b>x</b>"
    for _ in range(300):
        page = f'<iframe srcdoc="{html.escape(page)}"></iframe>'
        if len(page) > LONGEST // 8:
            break
    made = out(rewriter(), [page.encode()])
    assert len(made) < 500 < len(page)
    assert b"srcdoc" in made


def test_a_tag_without_end_is_let_through() -> None:
    made = rewriter()
    long = b"<a href='" + b"x" * (LONGEST + 1)
    assert made.feed(long) == long
    assert made.feed(b"<a href=//e.test>") == b"<a href=//e.test>"


def test_a_body_that_was_compressed() -> None:
    plain = b"<a href=//e.test?gclid=1>x</a>" * 50
    packed = gzip.compress(plain)
    cuts = [packed[:7], packed[7:8], packed[8:]]
    assert out(Inflating(rewriter()), cuts) == out(rewriter(), [plain])
    with pytest.raises(ValueError, match="not compressed"):
        out(Inflating(rewriter()), [b"<html>"])
    with pytest.raises(ValueError, match="beyond measure"):
        out(Inflating(rewriter()), [gzip.compress(bytes(20_000_000))])
    for cut in (packed[:40], packed[:-1]):
        with pytest.raises(ValueError, match="cut off"):
            out(Inflating(rewriter()), [cut])
    with pytest.raises(ValueError, match="behind its end"):
        out(Inflating(rewriter()), [packed, packed])
    assert out(Inflating(rewriter()), []) == b""


def test_no_word_of_a_page_stays_in_memory() -> None:
    """Of what was changed it is remembered what was put in, and where: the next page is the same."""
    pages: dict[bytes, Any] = {}
    links: dict[bytes, Any] = {}
    page = (
        b"<html><head><link rel=preconnect href=//secret-a.e.test></head><body>"
        b"<a title='secret-b' rel='me secret-c' href='//e.test/secret-d'>secret-e</a>"
        b"<a href='//e.test/?email=secret-f@b.example&x=secret-g'>secret-h</a>"
        b"<img referrerpolicy=unsafe-url alt=secret-i src=/x>"
        b"<a ping='//e.test/secret-j' href='/in'>in</a>"
        b"<a href='//e.test/secret-o' title='secret-p' ping='//e.test/secret-q'>out</a>"
        b"<object title=secret-k data=//e.test/secret-l><p>secret-m</object></body></html>"
    )
    made = [
        rewriter(links, pages, ("/reset?token=secret-n",)).whole(page) for _ in range(2)
    ]  # fmt: skip
    assert made[0] == made[1] == rewriter().whole(page)
    assert b"secret-d" in made[0]
    assert len(pages) == 1
    assert links
    assert "secret" not in repr(pages) + repr(links)


def test_a_link_of_before_gets_the_mark_of_whoever_asks_now() -> None:
    """What is remembered of links is the same for everybody; their marks speak a language."""
    links: dict[bytes, Any] = {}
    page = b"<body><a href='https://partner.test/x'>p</a></body>"

    def made(mark: bytes, pages: dict[bytes, Any]) -> bytes:
        boxes = Boxes(lambda *_: b"", marks={"https://partner.test/": mark}, key=mark)
        return Rewriter(
            frozenset(), lambda *_: False, lambda *_: None, boxes, frozenset(), frozenset(),
            links, pages, (mark,),
        ).whole(page)  # fmt: skip

    assert b"[other]" in made(b"[other]", {})
    assert links
    assert b"[fremd]" in made(b"[fremd]", {})


def test_a_page_of_very_many_changes_is_not_remembered() -> None:
    """Where each of them stands takes room too, also where nothing is put in."""
    pages: dict[bytes, Any] = {}
    rewriter({}, pages).whole(b"<body>" + b"<link rel=preconnect href=//e.test>" * 5000)
    assert not pages
    rewriter({}, pages).whole(b"<body>" + b"<link rel=preconnect href=//e.test>" * 500)
    assert pages
