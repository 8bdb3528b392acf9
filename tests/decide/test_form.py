"""What a form takes, under both bundles: nothing more than declared, nothing that was not told."""

from __future__ import annotations

import datetime as dt
import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.world import ROOT

from kept.decide.form import MOST, Why, grounds, judge, read
from kept.decide.form import given as arising
from kept.decide.notice import Unsaid, asks, digest, leading, notice
from kept.decide.use import Rules
from kept.model.decision import Facts
from kept.policy.bundle import Bundle, load
from kept.policy.shapes import Recipient
from kept.terms.regimes import REGIONS

TODAY = dt.date(2026, 11, 23)
BUNDLES = ("interop.io", "huettenbund")
PARTNER = Recipient("them", "Them Ltd", "co-marketing", None, (), "", 0, "https://them.example/p")


@functools.cache
def policy(name: str) -> tuple[Bundle, Rules]:
    bundle = load(ROOT / "policies" / name)
    if name == "interop.io":
        bundle = bundle.with_partners([PARTNER])
    return bundle, Rules.of(bundle)


def forms() -> list[tuple[str, str]]:
    return [(name, form) for name in BUNDLES for form in policy(name)[0].forms]


@pytest.mark.parametrize(("name", "form"), forms())
def test_everything_that_has_to_be_is_told_in_every_region_and_language(
    name: str, form: str
) -> None:
    bundle, rules = policy(name)
    one = bundle.forms[form]
    seen = set()
    for region in REGIONS:
        for language in bundle.languages:
            made = notice(bundle, rules, one, region, language)
            text = made.text()
            assert bundle.organisation.email in text
            assert {f.name for f in made.fields} == set(one.fields)
            assert all(f.words for f in made.fields)
            assert "{" not in text
            for field in one.fields.values():
                if field.demand:
                    beside = next(f for f in made.fields if f.name == field.name).words
                    assert str(field.demand.otherwise) in " ".join(beside)
            # Made again it is the same, word for word; another region or language is another.
            again = notice(bundle, rules, one, region, language)
            assert digest(made.document()) == digest(again.document())
            seen.add(digest(made.document()))
    assert len(seen) == len(REGIONS) * len(bundle.languages)


def test_a_form_with_partners_is_not_shown_without_them() -> None:
    bundle = load(ROOT / "policies" / "interop.io")
    with pytest.raises(Unsaid, match="names its partners"):
        notice(bundle, Rules.of(bundle), bundle.forms["webinar"], "EEA", "en")
    bundle, rules = policy("interop.io")
    made = notice(bundle, rules, bundle.forms["webinar"], "EEA", "en")
    assert made.partners == (("Them Ltd", "https://them.example/p"),)


_NAMES = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(["email", "message", "newsletter", "name", "age", "birth_date", "utm_source"]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(forms()),
    st.lists(st.tuples(_NAMES, st.text(max_size=40)), max_size=12),
    st.sampled_from(REGIONS),
)
def test_whatever_is_sent_nothing_more_than_declared_is_taken(
    which: tuple[str, str], sent: list[tuple[str, str]], region: str
) -> None:
    bundle, rules = policy(which[0])
    one = bundle.forms[which[1]]
    met = read(bundle, one, sent, region, TODAY)
    assert set(met.values) <= set(one.fields)
    if met.refused:
        assert not met.values
        return
    facts = Facts(grounds(bundle, one, met.values))
    verdict = judge(bundle, rules, one, met, facts, asks(one, region, leading(bundle, one)))
    assert set(verdict.values) <= set(met.values)
    if verdict.taken:
        assert all(d.allow for d in verdict.fields.values())
        # A box that was not ticked gives nothing.
        given_ = {c.purpose for c in verdict.consents}
        assert given_ <= set(arising(bundle, one, met.values))
    else:
        assert not verdict.values


def test_a_consent_counts_for_its_own_purpose_only() -> None:
    bundle, rules = policy("interop.io")
    one = bundle.forms["trial"]
    sent = [("email", "a@example.org"), ("newsletter", "yes")]
    met = read(bundle, one, sent, "EEA", TODAY)
    held = grounds(bundle, one, met.values)
    assert held == {"contract", "consent:marketing.email", "preference:email"}
    wanted = asks(one, "EEA", leading(bundle, one))
    verdict = judge(bundle, rules, one, met, Facts(held), wanted)
    assert [c.purpose for c in verdict.consents] == ["marketing.email"]
    assert verdict.decision.basis == "contract"
    # An objection stands against the box, and not against the trial.
    stands = Facts(held | {"objection:marketing.email"})
    verdict = judge(bundle, rules, one, met, stands, wanted)
    assert verdict.taken
    assert [c.purpose for c in verdict.unmet] == ["marketing.email"]
    assert "newsletter" not in verdict.values
    # Whoever is suppressed as a whole cannot be taken in by a form.
    assert not judge(bundle, rules, one, met, Facts(held | {"erased"}), wanted).taken


def test_health_is_left_out_where_nobody_agreed_to_it() -> None:
    bundle, rules = policy("huettenbund")
    one = bundle.forms["course"]
    sent = [("who", "Ana"), ("born", "2015-01-01"), ("call", "+41 1"), ("health", "asthma")]
    wanted = asks(one, "CH", leading(bundle, one))
    for more, kept in (([], False), ([("agreed", "yes")], True)):
        met = read(bundle, one, [*sent, *more], "CH", TODAY)
        facts = Facts(grounds(bundle, one, met.values))
        verdict = judge(bundle, rules, one, met, facts, wanted)
        assert verdict.taken
        # This policy takes children along: a day of birth is asked, and no age refused.
        assert verdict.values["born"] == "2015-01-01"
        assert ("health" in verdict.values) is kept
        assert ("health" in verdict.withheld) is not kept


def test_what_no_person_sends() -> None:
    bundle, _ = policy("interop.io")
    one = bundle.forms["contact"]
    many = [(f"a{n}", "1") for n in range(MOST + 1)]
    assert read(bundle, one, many, "EEA", TODAY).refused is Why.MANY
    for sent, why in (
        ([("email", "a@b.example"), ("email", "a@b.example")], Why.TWICE),
        ([("email", "a@b.example\x00")], Why.UNREADABLE),
        ([("message", "\ud800")], Why.UNREADABLE),
        ([("age", "12"), ("age", "12")], Why.AGE),  # first of all
    ):
        assert read(bundle, one, sent, "EEA", TODAY).refused is why
    met = read(bundle, one, [("email", "A@B.example"), ("message", "a\r\nb")], "EEA", TODAY)
    assert met.values["message"] == "a\nb"
    assert met.problems == {}
