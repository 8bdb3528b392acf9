"""Normalising never brings two people together; what only looks alike is said apart from it."""

from __future__ import annotations

import random
import unicodedata

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kept.errors import IdentifierError, UsageError
from kept.model import values
from kept.terms.evidence import COUNTED, LEVELS, LINKED, PROVEN, linkable
from kept.terms.identifiers import Identifier, normalise, spellings
from kept.terms.likeness import REASONS, same_name, tagged, variants

LETTERS = "abcxyzäöüßéñłøπωλιάабв"
WORDS = st.text(alphabet=LETTERS, min_size=1, max_size=8)
DOMAINS = st.builds("{}.example".format, st.text(alphabet="abcäöüéñλ", min_size=1, max_size=8))
LOCALS = st.builds(
    lambda head, tag: f"{head}+{tag}" if tag else head,
    st.text(alphabet="abc.äö_-", min_size=1, max_size=8).filter(
        lambda t: not t.startswith(".") and not t.endswith(".") and ".." not in t
    ),
    st.none() | st.text(alphabet="abc", min_size=1, max_size=4),
)
FORMS = st.sampled_from(("NFC", "NFD"))
NUMBERS = st.builds(
    lambda region, step: _number(region, step),
    st.sampled_from(("DE", "GB", "US", "FR", "SE", "NO")),
    st.integers(min_value=0, max_value=999),
)


def _number(region: str, step: int) -> str:
    example = phonenumbers.example_number(region)
    assert example is not None
    number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    return number[:-3] + f"{step:03}"


def _email(local: str, domain: str) -> str:
    return f"{local}@{domain}"


def _read(kind: str, value: str) -> str:
    try:
        return normalise(kind, value)
    except IdentifierError:
        assume(False)
        raise


@settings(deadline=None)
@given(LOCALS, DOMAINS, FORMS, st.booleans(), st.booleans())
def test_an_address_is_one_however_it_is_spelt(
    local: str, domain: str, form: str, capital: bool, ascii_: bool
) -> None:
    """Case, NFC or NFD, and a domain in letters or in ASCII (IDNA 2008)."""
    one = _read("email", _email(local, domain))
    there = one.rpartition("@")[2] if ascii_ else domain
    text = _email(local, there)
    # A letter whose capital is two letters, or none, is another word when it is written large.
    assume(text.upper().lower() == text or not capital)
    text = unicodedata.normalize(form, text.upper() if capital else text)
    assert normalise("email", text) == one
    assert normalise("email", one) == one
    assert values.fold(one) in spellings(Identifier("email", text))


@settings(deadline=None)
@given(LOCALS, DOMAINS, LOCALS, DOMAINS)
def test_two_addresses_that_differ_by_more_than_spelling_stay_two(
    local: str, domain: str, other: str, elsewhere: str
) -> None:
    """A tag, a dot, another letter or domain: never the same by a rule."""
    assume((local, domain) != (other, elsewhere))
    one, two = _read("email", _email(local, domain)), _read("email", _email(other, elsewhere))
    assert one != two
    assert not set(spellings(Identifier("email", one))) & set(spellings(Identifier("email", two)))


@settings(deadline=None)
@given(LOCALS, DOMAINS, st.text(alphabet="abc", min_size=1, max_size=4))
def test_a_tag_makes_a_candidate_and_never_the_same(local: str, domain: str, tag: str) -> None:
    base = local.partition("+")[0]
    plain = Identifier("email", _email(base, domain))
    more = Identifier("email", _email(f"{base}+{tag}", domain))
    _read("email", plain.value)
    assert plain.normalised != more.normalised
    assert tagged(plain, more)
    assert tagged(more, plain)
    assert not tagged(plain, plain)
    found = dict(variants(more))
    assert plain.normalised in found["plus-tag"]
    assert more.normalised not in found["plus-tag"]
    assert not dict(variants(plain))


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_a_number_is_one_with_its_country_and_a_candidate_without(one: str, other: str) -> None:
    """E.164; the national form is no spelling: in the next country it is somebody else's."""
    mine = Identifier("phone", one)
    international = phonenumbers.format_number(
        phonenumbers.parse(one), phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )
    assert normalise("phone", international) == normalise("phone", one) == one
    national = dict(variants(mine))["national"]
    assert national
    assert not set(national) & set(spellings(mine))
    if one != other:
        assert not set(spellings(mine)) & set(spellings(Identifier("phone", other)))


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=3))
def test_a_key_with_other_zeros_is_a_candidate(number: int, zeros: int) -> None:
    text = "0" * zeros + str(number)
    found = dict(variants(Identifier("account", text)))["typed-key"]
    assert text not in found
    assert {int(one) for one in found} == {number}
    assert normalise("account", text) == text


@settings(deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=4), st.randoms())
def test_a_name_is_the_same_in_any_order_and_case(words: list[str], chance: random.Random) -> None:
    other = list(words)
    chance.shuffle(other)
    text = " ".join(words)
    assume(text.upper().casefold() == text.casefold())
    assert same_name("  ".join(other).upper()) == same_name(text)
    assert same_name(f"{text} x") != same_name(text)


def test_levels_are_ordered_closed_and_what_proves_counts() -> None:
    assert list(LEVELS) == ["name", "asserted", "seen", "used", "account", "verified"]
    assert set(PROVEN) < set(COUNTED) < set(LINKED) < set(LEVELS)
    # Each property begins at a level and holds above it.
    for name in ("links", "counts", "proves"):
        held = [getattr(level, name) for level in LEVELS.values()]
        assert held == sorted(held)
    for word in ("name", "certain", ""):
        with pytest.raises(UsageError):
            linkable(word)
    assert all(REASONS.values())
