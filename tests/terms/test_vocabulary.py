"""Vocabulary: trees, never spellings."""

from __future__ import annotations

import re

import pytest

from kept.errors import BundleError
from kept.terms import dpv
from kept.terms.vocabulary import KINDS, SHIPPED, Term


def test_within_is_a_fact_of_the_tree_not_of_the_spelling() -> None:
    assert SHIPPED.within("purposes", "marketing.email", "marketing")
    assert not SHIPPED.within("purposes", "marketing", "marketing.email")
    assert SHIPPED.within("purposes", "personalisation", "profiling")  # no common spelling
    words = SHIPPED.with_terms(
        {"purposes": [Term("marketing.lookalike", "statistics", "Not marketing at all")]}
    )
    assert not words.within("purposes", "marketing.lookalike", "marketing")
    assert words.within("purposes", "marketing.lookalike", "statistics")


def test_an_unknown_term_is_within_nothing_not_even_itself() -> None:
    for kind in KINDS:
        assert not SHIPPED.within(kind, "nonsense", "nonsense")
        assert SHIPPED.above(kind, "nonsense") == SHIPPED.below(kind, "nonsense") == frozenset()


@pytest.mark.parametrize("kind", KINDS)
def test_above_and_below_are_within_seen_from_both_ends(kind: str) -> None:
    tree = SHIPPED.tree(kind)  # type: ignore[arg-type]
    for a in tree:
        for b in tree:
            within = SHIPPED.within(kind, a, b)  # type: ignore[arg-type]
            assert within == (b in SHIPPED.above(kind, a)) == (a in SHIPPED.below(kind, b))  # type: ignore[arg-type]


def test_a_refusable_purpose_lies_under_no_other() -> None:
    for purpose in ("marketing", "advertising", "profiling", "analytics", "fraud-screening"):
        assert SHIPPED.above("purposes", purpose) == {purpose}


def test_every_iri_is_one_of_the_data_privacy_vocabulary() -> None:
    iri = re.compile(r"https://w3id\.org/dpv(/pd)?#[A-Za-z]+")
    for kind in KINDS:
        for term in SHIPPED.tree(kind).values():
            assert term.iri is None or iri.fullmatch(term.iri), term
    assert all(term.iri for term in SHIPPED.purposes.values())
    assert {t.id for t in SHIPPED.bases.values()} == {
        "consent", "contract", "legitimate-interest", "legal-obligation",
    }  # fmt: skip


def test_no_shipped_term_stands_twice() -> None:
    for kind, rows in dpv.TABLES.items():
        ids = [row[0] for row in rows]
        assert len(ids) == len(set(ids)), kind


def test_the_channel_of_a_purpose_holds_for_those_below() -> None:
    words = SHIPPED.with_terms({"purposes": [Term("newsletter", "marketing.email", "Newsletter")]})
    assert words.channel_of("newsletter") == "email"
    assert words.channel_of("marketing") is None
    assert words.channel_of("nonsense") is None


def test_a_term_with_a_known_id_takes_the_old_ones_place() -> None:
    words = SHIPPED.with_terms({"purposes": {"site": Term("site", None, "The shop")}})
    assert words.purposes["site"].label == "The shop"
    assert words.within("purposes", "site.operate", "site")
    assert SHIPPED.purposes["site"].label != "The shop"


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ([Term("a", "nowhere", "A")], "`nowhere`"),
        ([Term("a", "b", "A"), Term("b", "a", "B")], "under itself"),
        ([Term("Marketing", None, "M")], "dotted lower-case"),
        ([Term("a..b", None, "A")], "dotted lower-case"),
        ([Term("a", None, "A", channel="pigeon")], "`pigeon`"),
    ],
)
def test_a_broken_tree_is_refused(terms: list[Term], words: str) -> None:
    with pytest.raises(BundleError, match=re.escape(words)):
        SHIPPED.with_terms({"purposes": terms})


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(BundleError, match="`colours`"):
        SHIPPED.with_terms({"colours": []})  # type: ignore[dict-item]
