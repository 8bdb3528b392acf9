"""How well it has to be known who asks: the table, its order, and that nothing lowers it."""

from __future__ import annotations

import itertools

import pytest

from kept.errors import UsageError
from kept.terms import proof
from kept.terms.proof import ADDRESS, CALIFORNIA, FACTS, LOGIN, NONE, OPT_OUT, SENSITIVE
from kept.terms.rights import RIGHTS

RISKS = (OPT_OUT, SENSITIVE, CALIFORNIA)


def _subsets() -> list[frozenset[str]]:
    return [frozenset(c) for n in range(4) for c in itertools.combinations(RISKS, n)]


@pytest.mark.parametrize(
    ("right", "risks", "level"),
    [
        ("objection", {OPT_OUT}, NONE),
        ("withdrawal", {OPT_OUT, SENSITIVE, CALIFORNIA}, NONE),
        ("objection", set(), ADDRESS),
        ("access", set(), ADDRESS),
        ("erasure", {SENSITIVE}, ADDRESS),
        ("access", {SENSITIVE}, FACTS),
        ("portability", {SENSITIVE}, FACTS),
        ("erasure", {CALIFORNIA}, FACTS),
        ("access", {CALIFORNIA}, LOGIN),
        ("access", {SENSITIVE, CALIFORNIA}, LOGIN),
        ("complaint", {SENSITIVE}, NONE),
    ],
)
def test_what_a_right_takes(right: str, risks: set[str], level: int) -> None:
    assert proof.needed(right, risks).level == level


def test_every_right_has_a_row_and_every_row_says_why_and_where_from() -> None:
    assert {r for need in proof.NEEDS for r in need.rights} == set(RIGHTS)
    assert all(need.why and need.source and need.level in proof.LEVELS for need in proof.NEEDS)


def test_more_risk_never_takes_less_and_only_an_opt_out_takes_nothing() -> None:
    for right, risks, more in itertools.product(RIGHTS, _subsets(), _subsets()):
        if OPT_OUT in risks | more:
            continue
        assert proof.needed(right, risks | more).level >= proof.needed(right, risks).level
        assert proof.needed(right, risks).level > NONE or right == "complaint"


def test_an_organisation_may_ask_for_more_and_never_for_less() -> None:
    for right, risks, level in itertools.product(RIGHTS, _subsets(), proof.LEVELS):
        table = proof.needed(right, risks).level
        met = proof.needed(right, risks, {right: level}).level
        free = OPT_OUT in risks and right in ("objection", "withdrawal")
        assert met == (table if free else max(table, level)), "an opt-out stays free"
        assert proof.needed(right, risks, {"other": level}).level == table


@pytest.mark.parametrize(
    ("ways", "level"),
    [
        ((), NONE),
        (("free",), NONE),
        (("code",), ADDRESS),
        (("cookie", "checked"), ADDRESS),
        (("facts",), FACTS),
        (("statement",), NONE),  # a signature alone proves nothing
        (("code", "statement"), ADDRESS),
        (("statement", "facts"), LOGIN),
        (("login",), LOGIN),
        (("made up",), NONE),
    ],
)
def test_what_ways_prove_together(ways: tuple[str, ...], level: int) -> None:
    assert proof.reached(ways) == level
    assert proof.reached([*ways, *ways]) == level
    assert all(proof.reached([*ways, w]) >= level for w in proof.WAYS)


def test_nobody_records_what_only_a_machine_can_know() -> None:
    assert set(proof.RECORDED) == {"checked", "facts", "statement", "login"}
    for word in ("code", "cookie", "both", "attested", "free", "x"):
        with pytest.raises(UsageError, match="nobody can record"):
            proof.recorded(word)
