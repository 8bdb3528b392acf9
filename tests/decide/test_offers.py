"""What has a switch: all that rests on a yes, and what ends without a reason; nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from kept.decide.effects import absolute
from kept.decide.facts import known_basis
from kept.decide.offers import happens, offers, promotion
from kept.decide.use import Rules
from kept.model.decision import Facts
from kept.policy.bundle import Bundle, load

POLICIES: Final = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="module", params=["interop.io", "huettenbund"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return load(POLICIES / request.param)


def test_every_yes_has_a_switch_and_no_weighed_interest_has_one(bundle: Bundle) -> None:
    words = bundle.vocabulary
    offered = {one.purpose: one for one in offers(bundle)}
    for a in bundle.activities.values():
        asks = "consent" in {known_basis(words, b) for b in a.bases.values()}
        assert asks <= (a.purpose in offered), a.id
    for purpose, one in offered.items():
        assert one.consents or absolute(words, purpose)
        assert one.asks
    assert all(any(words.within("purposes", p, top) for p in offered) for top in promotion(bundle))
    for form in bundle.forms.values():
        for purpose in (form.consent, *(f.consent for f in form.fields.values())):
            assert purpose is None or purpose in offered, form.id


def test_a_no_to_all_of_it_stops_each_part_and_a_yes_lets_none_of_the_rest(bundle: Bundle) -> None:
    rules = Rules.of(bundle)
    within = bundle.vocabulary.within
    for one in offers(bundle):
        kinds = ("consent", "preference", "assessment", "contract", "terms")
        grounds = frozenset(f for f in rules.facts if f.partition(":")[0] in kinds)
        assert happens(rules, one, Facts(grounds))
        assert not happens(rules, one, Facts(frozenset()))
        for top in promotion(bundle):
            no = Facts(grounds | {f"objection:{top}"})
            assert happens(rules, one, no) != within("purposes", one.purpose, top)
        assert not happens(rules, one, Facts(grounds | {f"objection:{one.purpose}"}))
