"""Which words may be a password, and which roles and acts are kept apart."""

from __future__ import annotations

import itertools

import pytest

from kept.records.account import STAFF
from kept.terms import passwords, separation
from kept.terms.separation import APART, Did, approving, redacting, together

OWN = ("Hütten Bund", "ana.b", "Ana Bauer")


@pytest.mark.parametrize(
    "word",
    [
        "", "elevensigns", "a" * 12, "abababababab", "password1234", "P4ssw0rd!2026",
        "123456789012",
        "abcdefghijklm", "qwertyuiop12", "Ana Bauer 1999", "bauerbauerana", "HüttenBund2026",
        "welcome welcome!", "x" * 300, "987654321098", "letmein-letmein",
    ],
)  # fmt: skip
def test_what_is_tried_first_is_no_password(word: str) -> None:
    assert passwords.problem(word, OWN)


@pytest.mark.parametrize(
    "word",
    [
        "seven green umbrellas", "correct horse", "тихий синий чайник", "83920174652918",
        "ana likes old wooden boats", "aB3$aB3$xyQ!", "xqvyzw" * 40, "           _a1b2",
    ],
)  # fmt: skip
def test_any_signs_make_a_password(word: str) -> None:
    assert passwords.problem(word, OWN) is None, "no rule on which signs"


def test_roles_apart() -> None:
    assert together(["redactor", "approver", "intake"])
    assert together(["approver", "redactor"]) == together(["redactor", "approver"])
    assert together(["privacy-officer", "approver"]) is None
    for one, other in itertools.combinations(STAFF, 2):
        assert (together([one, other]) is not None) == (frozenset((one, other)) in APART)
    assert all(pair <= set(STAFF) for pair in APART)


def test_who_blackened_does_not_approve_nor_the_other_way_round() -> None:
    did = [Did("ana", "redacted"), Did("bo", "verified"), Did("cy", "approved")]
    assert approving("ana", did)
    assert separation.never("ana", did), "nor in an emergency"
    assert not approving("bo", did)
    assert not separation.never("bo", did)
    assert redacting("cy", did)
    assert not redacting("ana", did)


def test_who_entered_a_request_approves_nothing_of_it() -> None:
    did = [Did("ana", "opened"), Did("bo", "planned")]
    assert "entered" in approving("ana", did)
    assert not approving("bo", did)
    assert not separation.never("ana", did)


@pytest.mark.parametrize(
    ("who", "asked", "over", "waits"),
    [("ana", None, False, True), ("ana", "ana", False, True), ("ana", "bo", False, False),
     ("ana", None, True, False), ("ana", "ana", True, False)],
)  # fmt: skip
def test_a_hold_that_is_not_over_takes_two(
    who: str, asked: str | None, over: bool, waits: bool
) -> None:
    assert bool(separation.releasing(who, asked, over)) is waits


def test_a_large_or_early_destruction_needs_two() -> None:
    did = [Did("ana", "planned")]
    assert not approving("ana", did)
    assert "large" in approving("ana", did, large=True)
    assert "early" in approving("ana", did, early=True)
    assert not approving("bo", did, large=True, early=True)
    assert separation.is_large(1001, 1000)
    assert not separation.is_large(1000, 1000)
