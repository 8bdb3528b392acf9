"""Redaction: nothing but what names her changes, and done twice it is done once."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kept.model.predicate import matches
from kept.model.redact import MARK, Redact, found, may_hold, passages, redact

NEEDLES = (
    ("email", "Ana.Müller@bücher.example"), ("email", "ana@x.de"), ("phone", "+49 30 123456"),
    ("name", "Ana Müller"), ("name", "Ana"), ("account", "17"), ("cookie", "c00k1e-4711-ab"),
)  # fmt: skip
HERS = (
    "ana@x.de", "ANA@X.DE", "ana.müller@bücher.example", "ANA.MÜLLER@BÜCHER.EXAMPLE",
    "ana.müller@xn--bcher-kva.example", unicodedata.normalize("NFD", "ana.müller@bücher.example"),
    "+49 30 123456", "+4930123456", "0049-30-12 34 56", "030/123456", "(030) 123 456",
    "+49 (0)30 123456", "+49 030 123456", "C00K1E-4711-AB",
)  # fmt: skip
#: Others, however near they come.
OTHERS = (
    "diana@x.de", "ana@x.de.evil", "ana@x.dev", "an@x.de", "ana+x@y.de", "x-ana@x.de",
    "di_ana@x.de", "+ana@x.de", "x--ana@x.de", "ana@x.de-evil", "ana@x.de_evil", "%3Aana@x.de",
    "diana%40x.de", "1030123456", "0301234567", "+49 30 1234567", "17", "xc00k1e-4711-ab",
    "Ana", "Ana Müllerin", "Susana Müller",
)  # fmt: skip
WORDS = st.text(alphabet=st.sampled_from(" .,;:\n\t()[]<>äÄßİıſΩ-/'\"") | st.characters(
    codec="utf-8", exclude_categories=("L", "N", "M", "P", "S")), max_size=12)  # fmt: skip
texts = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(HERS + OTHERS + ("Ana Müller", "a", "@", MARK)) | WORDS, max_size=9)
    .map("".join),
    st.lists(st.sampled_from(HERS + OTHERS + ("Ana Müller",)), max_size=6).map(" ".join),
)  # fmt: skip
HOW = Redact(NEEDLES)


@pytest.mark.parametrize("hers", HERS)
@pytest.mark.parametrize(
    "around", ["{}", "to {}.", "<{}>", "({}),", "x\n{}\ny", "„{}“", "- {}", "*{}*"]
)
def test_every_variant_is_found_whole(hers: str, around: str) -> None:
    assert redact(HOW, around.format(hers)) == around.format(MARK)


@pytest.mark.parametrize(
    "around", ["-{}", "_{}_", "__{}__", "...{}...", "{}-", "mailto:{}?subject=x"]
)
def test_an_address_is_found_beside_signs_of_lists_and_emphasis(around: str) -> None:
    assert redact(HOW, around.format("Ana@X.de")) == around.format(MARK)


@pytest.mark.parametrize("hers", ["ana%40x.de", "ANA&#64;x.de"])
def test_an_address_is_found_as_programs_write_it(hers: str) -> None:
    assert redact(HOW, f"to {hers}, then") == f"to {MARK}, then"
    assert matches(may_hold("t", NEEDLES), {"t": f"?to={hers}&x"})


@pytest.mark.parametrize("other", OTHERS)
def test_what_only_looks_alike_is_somebody_elses(other: str) -> None:
    assert redact(HOW, f"about {other}") == f"about {other}"
    # Also beside one of hers; a full name then counts as hers.
    assert redact(HOW, f"{other} or ana@x.de") == f"{other} or {MARK}"


def test_a_name_counts_only_beside_something_stronger() -> None:
    assert redact(HOW, "Ana Müller called") == "Ana Müller called"
    assert redact(HOW, "ANA  müller, ana@x.de") == f"{MARK}, {MARK}"
    assert redact(HOW, "Ana here, ana@x.de") == f"Ana here, {MARK}"


@settings(max_examples=400, deadline=None)
@given(texts)
def test_nothing_outside_what_was_found_changes(text: str) -> None:
    spans = found(NEEDLES, text)
    rebuilt, last = [], 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        rebuilt.append(text[last:start])
        last = end
    rebuilt.append(text[last:])
    assert redact(HOW, text) == MARK.join(rebuilt)
    assert len(str(redact(HOW, text))) <= len(text)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_done_twice_it_is_done_once(text: str) -> None:
    once = redact(HOW, text)
    assert isinstance(once, str)
    assert redact(HOW, once) == once
    assert found(NEEDLES, once) == []


@settings(max_examples=400, deadline=None)
@given(texts)
def test_the_engine_is_asked_for_every_text_that_names_her(text: str) -> None:
    if found(NEEDLES, text):
        assert matches(may_hold("words", NEEDLES), {"words": text})


@settings(max_examples=200, deadline=None)
@given(texts)
def test_passages_hold_what_names_her(text: str) -> None:
    shown = passages(NEEDLES, text, around=10)
    assert bool(shown) == bool(found(NEEDLES, text))
    for one, masked in shown:
        assert len(one) <= len(text) + 2
        assert one.count(MARK) >= masked


@given(st.none() | st.integers() | st.binary() | st.booleans())
def test_what_is_no_text_stays(value: bytes | int | None) -> None:
    assert redact(HOW, value) == value
