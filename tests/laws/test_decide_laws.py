"""The laws of deciding (default deny, fail closed, forbid beats allow …) as properties.

Each runs over generated registers and over every bundle found in policies/.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, given, seed, settings
from hypothesis import strategies as st
from tests.laws import worlds
from tests.laws.worlds import RULES, WORDS, World, activity

from kept.decide.facts import GROUNDS, IMPEDIMENTS, UNJUDGED
from kept.decide.use import Rules, use
from kept.model.decision import Ask, Decision, Facts
from kept.policy.bundle import Bundle
from kept.terms import regimes

LAW = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
BUNDLES = worlds.bundles()
BASES = {"consent", "contract", "legitimate-interest", "legal-obligation"}


def judged(world: World) -> tuple[Rules, Decision]:
    register, ask, facts = world
    rules = Rules(register, WORDS)
    return rules, use(rules, ask, facts)


# Are the laws put to the test by every rule?


def test_the_generators_reach_every_rule_as_the_deciding_one() -> None:
    met: Counter[str] = Counter()
    bases: Counter[str] = Counter()

    def look(world: World) -> None:
        _register, ask, facts = world
        rules, decision = judged(world)
        rule = rules.judge(ask).deciding(rules.word(facts))
        met[rule] += 1
        assert decision.allow == (rule == "allow")
        if decision.basis:
            bases[decision.basis] += 1

    # What is drawn hangs on which modules were imported before, so a rare rule takes longer at
    # times; a rule that nothing reaches is not met in twelve turns either.
    for turn in range(12):
        settings(LAW, max_examples=1_000, database=None)(seed(turn)(given(worlds.WORLDS)(look)))()
        rare = {rule: met[rule] for rule in RULES if met[rule] < 2}
        few = {basis: bases[basis] for basis in BASES if bases[basis] < 10}
        if not rare and not few:
            break
    assert set(met) == RULES
    assert not rare, met
    assert set(bases) == BASES
    assert not few, bases


@settings(LAW, max_examples=1_200)
@given(worlds.WORLDS)
def test_use_agrees_with_a_slow_judgement_written_from_the_laws(world: World) -> None:
    register, ask, facts = world
    _, decision = judged(world)
    assert decision.allow == worlds.permits(WORDS, register, ask, facts), decision


# Default deny.


@LAW
@given(worlds.WORLDS)
def test_default_deny(world: World) -> None:
    register, ask, facts = world
    _, decision = judged(world)
    assert not use(Rules((), WORDS), ask, facts).allow
    if decision.allow:
        left = worlds.covering(WORDS, register, ask)
        assert any(ask.context in a.contexts or "any" in a.contexts for a in left)


@LAW
@given(worlds.WORLDS)
def test_nothing_goes_to_a_recipient_whom_no_activity_names(world: World) -> None:
    _register, ask, facts = world
    rules, _ = judged(world)
    sale = dataclasses.replace(ask, recipient="successor")
    decision = use(rules, sale, facts)
    assert not decision.allow  # no generated register names that lane


# What cannot be judged forbids.


@LAW
@given(worlds.WORLDS, st.data())
def test_a_fact_that_cannot_be_judged_forbids(world: World, data: st.DataObject) -> None:
    register, ask, facts = world
    rules, decision = judged(world)
    name = data.draw(st.sampled_from(worlds.names_of_facts(register, ask, WORDS)))
    doubtful = use(rules, ask, dataclasses.replace(facts, unknown=facts.unknown | {name}))
    assert doubtful.allow <= decision.allow
    if name.split(":")[0] in GROUNDS:  # a ground in doubt is no ground
        without = use(rules, ask, dataclasses.replace(facts, held=facts.held - {name}))
        assert doubtful.allow == without.allow
    else:  # an impediment in doubt is one
        with_it = use(rules, ask, dataclasses.replace(facts, held=facts.held | {name}))
        assert doubtful.allow == with_it.allow


@LAW
@given(worlds.SOUND_WORLDS, st.sampled_from(("banned", "objection", "objection:tpyo", "?")))
def test_an_impediment_of_an_unknown_kind_forbids(world: World, name: str) -> None:
    _register, ask, facts = world
    rules, _ = judged(world)
    decision = use(rules, ask, dataclasses.replace(facts, held=facts.held | {name}))
    spared = any(WORDS.within("purposes", ask.purpose, p) for p in ("rights", "storage"))
    assert not decision.allow or spared


@LAW
@given(worlds.SOUND_WORLDS, st.data())
def test_an_activity_that_cannot_be_judged_forbids_what_it_covers(
    world: World, data: st.DataObject
) -> None:
    register, ask, facts = world
    speaking = worlds.speaking(WORDS, register, ask)
    assume(speaking)
    one = data.draw(st.sampled_from(speaking))
    flaw = data.draw(
        st.sampled_from(
            (
                {"purpose": "tpyo"},
                {"categories": (*one.categories, "tpyo")},
                {"recipients": (*one.recipients, "tpyo")},
                {"bases": {**one.bases, "EAA": "consent"}},
                {"bases": {"default": "tpyo"}},
                {"requires": ("restricted",)},
            )
        )
    )
    flawed = tuple(dataclasses.replace(a, **flaw) if a is one else a for a in register)
    rules = Rules(flawed, WORDS)
    decision = use(rules, ask, facts)
    assert not decision.allow
    if ask.purpose in WORDS.purposes and ask.category in WORDS.categories:
        assert rules.judge(ask).deciding(rules.word(facts)) == "unjudgeable"
        assert set(one.clauses) <= set(decision.because)


@LAW
@given(worlds.SOUND_WORLDS, st.data())
def test_no_use_without_a_clause_of_the_policy(world: World, data: st.DataObject) -> None:
    """An activity bound to no clause, or to one that is not there, forbids what it covers."""
    register, ask, facts = world
    known = frozenset(clause for a in register for clause in a.clauses)
    whole = Rules(register, WORDS, clauses=known)
    assert use(whole, ask, facts) == use(Rules(register, WORDS), ask, facts)
    speaking = worlds.speaking(WORDS, register, ask)
    assume(speaking)
    one = data.draw(st.sampled_from(speaking))
    bare = tuple(dataclasses.replace(a, clauses=()) if a is one else a for a in register)
    astray = tuple(
        dataclasses.replace(a, clauses=(*one.clauses, "GONE-1")) if a is one else a
        for a in register
    )
    for rules in (
        Rules(bare, WORDS),
        Rules(bare, WORDS, clauses=known),
        Rules(astray, WORDS, clauses=known),
        Rules(register, WORDS, clauses=known - set(one.clauses)),
    ):
        decision = use(rules, ask, facts)
        assert not decision.allow
        assert rules.clauses is None or set(decision.because) <= rules.clauses
        if ask.purpose in WORDS.purposes and ask.category in WORDS.categories:
            assert rules.judge(ask).deciding(rules.word(facts)) == "unjudgeable"
            assert "clause" in decision.reason


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_a_bundle_with_an_activity_of_an_unknown_clause_denies_it(name: str) -> None:
    bundle = BUNDLES[name]
    for one in bundle.activities.values():
        astray = dataclasses.replace(one, clauses=("GONE-1",))
        changed = dataclasses.replace(bundle, activities={**bundle.activities, one.id: astray})
        region = worlds.regions_of(bundle, one)[0]
        ask = Ask(one.purpose, one.categories[0], one.contexts[0], region=region)
        for policy, allow in ((bundle, True), (changed, False)):
            rules = Rules.of(policy)
            granted = sum(
                bit for fact, bit in rules.layout.place.items() if fact.partition(":")[0] in GROUNDS
            )
            assert use(rules, ask, granted).allow is allow


@LAW
@given(worlds.WORLDS, st.sampled_from(("purpose", "category", "recipient")))
def test_a_word_that_nobody_knows_is_denied(world: World, part: str) -> None:
    _register, ask, facts = world
    rules, _ = judged(world)
    decision = use(rules, dataclasses.replace(ask, **{part: "tpyo"}), facts)
    assert not decision.allow
    assert "`tpyo`" in decision.reason


def test_a_denial_says_which_facts_could_not_be_judged() -> None:
    rules = Rules([activity()], WORDS)
    ask = Ask("marketing.email", "contact.email", region="EEA")
    decision = use(rules, ask, Facts(unknown=frozenset(("child", "consent:marketing"))))
    assert decision.reason.endswith("could not be judged: `child`, `consent:marketing`")
    unrelated = use(rules, ask, Facts(unknown=frozenset(("contract", "objection:support"))))
    assert "judged" not in unrelated.reason


# Forbid beats allow.


@LAW
@given(worlds.WORLDS, st.data())
def test_forbid_trumps_allow(world: World, data: st.DataObject) -> None:
    register, ask, facts = world
    rules, decision = judged(world)
    names = worlds.names_of_facts(register, ask, WORDS)
    against = [name for name in names if name.split(":")[0] not in GROUNDS]
    name = data.draw(st.sampled_from(against))
    with_it = use(rules, ask, dataclasses.replace(facts, held=facts.held | {name}))
    assert with_it.allow <= decision.allow


@pytest.mark.parametrize("name", ["erased", "child", "isolated", "restricted", "banned"])
def test_what_freezes_a_person_beats_every_ground(name: str) -> None:
    for purpose in ("marketing.email", "service.provide", "analytics.own", "legal-requirement"):
        rules = Rules([activity(purpose=purpose, bases={"default": "contract"})], WORDS)
        ask = Ask(purpose, "contact", region="EEA")
        kinds = GROUNDS - {"hold", "agreed"}
        all_grounds = frozenset(f for f in rules.facts if f.split(":")[0] in kinds)
        assert use(rules, ask, Facts(all_grounds)).allow
        assert not use(rules, ask, Facts(all_grounds | {name})).allow


def test_what_she_agrees_to_is_not_restricted_and_nothing_more() -> None:
    rules = Rules([activity(purpose="marketing.email", bases={"default": "consent"})], WORDS)
    ask = Ask("marketing.email", "contact", region="EEA")
    consented = frozenset(("consent:marketing.email", "restricted"))
    assert not use(rules, ask, Facts(consented)).allow
    assert use(rules, ask, Facts(consented | {"agreed:marketing"})).allow
    # It lifts the restriction, and stands for no basis; nor does it lift anything else.
    assert not use(rules, ask, Facts(frozenset(("restricted", "agreed:marketing")))).allow
    for other in ("child", "erased", "isolated", "objection:marketing"):
        assert not use(rules, ask, Facts(consented | {"agreed:marketing", other})).allow


def test_what_each_freeze_leaves_alone() -> None:
    purposes = ("rights", "storage", "dispute", "legal-requirement", "service", "marketing")
    rules = Rules(
        (activity(n, purpose=p, bases={"default": "contract"}) for n, p in enumerate(purposes)),
        WORDS,
    )
    left = {
        state: {
            purpose
            for purpose in purposes
            if use(rules, Ask(purpose, "contact"), Facts(frozenset(("contract", state)))).allow
        }
        for state in ("erased", "child", "isolated", "restricted", "banned")
    }
    assert left == {
        "erased": {"rights", "storage"},
        "child": {"rights", "storage"},
        "isolated": {"rights", "storage"},
        "restricted": {"rights", "storage", "dispute"},
        "banned": {"rights", "storage"},
    }


# Order and duplicates.


@LAW
@given(worlds.WORLDS, st.randoms(use_true_random=False))
def test_order_and_duplicates_do_not_matter(world: World, draw: random.Random) -> None:
    register, ask, facts = world
    rules, decision = judged(world)
    shuffled = [*register, *draw.sample(register, draw.randint(0, len(register)))]
    draw.shuffle(shuffled)
    other = Rules(shuffled, WORDS)
    assert other.facts == rules.facts
    assert use(other, ask, facts) == decision


# Only grounds make lawful.


@LAW
@given(worlds.WORLDS, st.data())
def test_a_fact_turns_a_deny_into_an_allow_only_if_it_names_a_ground(
    world: World, data: st.DataObject
) -> None:
    register, ask, facts = world
    rules, decision = judged(world)
    name = data.draw(st.sampled_from((*worlds.names_of_facts(register, ask, WORDS), "?")))
    with_it = use(rules, ask, dataclasses.replace(facts, held=facts.held | {name}))
    if with_it.allow and not decision.allow:
        assert name.split(":")[0] in GROUNDS
    if decision.allow and not with_it.allow:
        assert name.split(":")[0] not in GROUNDS


def test_a_fact_names_a_ground_or_an_impediment_never_both() -> None:
    assert not GROUNDS & IMPEDIMENTS
    assert UNJUDGED not in GROUNDS


# An allow says why.


@LAW
@given(worlds.WORLDS)
def test_an_allow_names_its_clauses_and_its_basis(world: World) -> None:
    register, ask, facts = world
    _, decision = judged(world)
    assert decision.reason
    if not decision.allow:
        assert decision.basis is None
        return
    rows = [
        (a, basis)
        for a in worlds.speaking(WORDS, register, ask)
        if (basis := worlds.basis_in(WORDS, a, ask.region))
    ]
    assert (decision.activity, decision.basis) in {(a.id, basis) for a, basis in rows}
    assert set(decision.because) == {c for a, _ in rows for c in a.clauses}
    assert decision.because
    grounds = {
        "consent": {f"consent:{p}" for p in WORDS.above("purposes", ask.purpose)},
        "contract": {"contract"},
        "legitimate-interest": {f"assessment:{decision.activity}"},
        "legal-obligation": {f for f in facts.held if f.startswith("citation:")},
    }[str(decision.basis)]
    assert grounds & facts.held


@LAW
@given(worlds.SOUND_WORLDS, st.data())
def test_a_deny_names_all_that_is_missing(world: World, data: st.DataObject) -> None:
    _register, ask, facts = world
    rules, decision = judged(world)
    judge = rules.judge(ask)
    assume(judge.lawful and not decision.allow)
    failing = judge.failing(rules.word(facts))
    assert decision.reason.startswith("; ".join(dict.fromkeys(c.words for c in failing)))
    mended = rules.word(facts)
    for check in failing:
        mended = (mended | check.needs) & ~check.forbids
    assert judge(mended).allow


def test_refusals_give_clauses_to_what_no_activity_covers() -> None:
    rules = Rules([activity()], WORDS, {"purpose": ("COMP-1",), "restricted": ("R-5",)})
    nothing = use(rules, Ask("support", "contact"), 0)
    assert nothing.because == ("COMP-1",)
    frozen = use(rules, Ask("marketing", "contact"), Facts(frozenset(("restricted",))))
    assert frozen.because == ("C-0", "R-5")


# What is not said is judged by the strictest.


@LAW
@given(worlds.WORLDS, st.sampled_from(("unknown", "Mars", "")))
def test_an_unknown_region_gets_the_strictest(world: World, region: str) -> None:
    register, ask, facts = world
    rules = Rules(register, WORDS)
    allowed = use(rules, dataclasses.replace(ask, region=region), facts)
    if not allowed.allow:
        return
    rows = worlds.speaking(WORDS, register, dataclasses.replace(ask, region="unknown"))
    asked = {worlds._basis(WORDS, b) for a in rows for b in a.bases.values()}
    if "consent" in asked:  # some region asks for it
        assert allowed.basis == "consent"
    else:
        assert use(rules, dataclasses.replace(ask, region="EEA"), facts).allow


@LAW
@given(worlds.WORLDS)
def test_an_unknown_region_never_gets_more_than_the_eea_where_the_eea_asks_for_consent(
    world: World,
) -> None:
    register, ask, facts = world
    rules = Rules(register, WORDS)
    if not use(rules, dataclasses.replace(ask, region="unknown"), facts).allow:
        return
    eea = dataclasses.replace(ask, region="EEA")
    bases = {worlds.basis_in(WORDS, a, "EEA") for a in worlds.speaking(WORDS, register, eea)}
    if "consent" in bases:
        assert use(rules, dataclasses.replace(ask, region="EEA"), facts).allow


def test_switzerland_and_the_united_kingdom_fall_to_the_level_of_the_eea() -> None:
    rules = Rules([activity()], WORDS)
    word = rules.word(Facts(frozenset(("assessment:a0",))))
    allowed = {
        region
        for region in regimes.REGIONS
        if use(rules, Ask("marketing", "contact", region=region), word).allow
    }
    assert allowed == {"US", "US-CA", "US-VA", "other"}


@LAW
@given(worlds.WORLDS)
def test_leaving_out_the_context_never_gets_round_consent(world: World) -> None:
    register, ask, facts = world
    rules = Rules(register, WORDS)
    open_ = dataclasses.replace(ask, context="any")
    if use(rules, open_, facts).allow:
        for context in worlds.CONTEXTS[1:]:
            named = dataclasses.replace(ask, context=context)
            speak = worlds.speaking(WORDS, register, named)
            if any(worlds.basis_in(WORDS, a, ask.region) == "consent" for a in speak):
                assert use(rules, open_, facts).basis == "consent"


# A basis is never swapped.


@LAW
@given(worlds.WORLDS)
def test_where_a_purpose_rests_on_consent_no_other_basis_stands_in(world: World) -> None:
    register, ask, _facts = world
    rules = Rules(register, WORDS)
    rows = worlds.speaking(WORDS, register, ask)
    assume(any(worlds.basis_in(WORDS, a, ask.region) == "consent" for a in rows))
    everything_but = Facts(
        frozenset(f for f in rules.facts if f.split(":")[0] in GROUNDS - {"consent"})
    )
    assert not use(rules, ask, everything_but).allow


def test_another_activity_does_not_lend_its_basis_unless_the_context_differs() -> None:
    consent = activity(1, bases={"default": "consent"})
    interest = activity(2, bases={"default": "legitimate-interest"})
    customers = activity(3, contexts=("order",), bases={"default": "legitimate-interest"})
    grounds = Facts(frozenset(("assessment:a2", "assessment:a3")))
    ask = Ask("marketing.email", "contact.email", "site-form", region="EEA")
    assert use(Rules([interest], WORDS), ask, grounds).allow
    assert not use(Rules([consent, interest], WORDS), ask, grounds).allow
    bought = dataclasses.replace(ask, context="order")
    decision = use(Rules([consent, interest, customers], WORDS), bought, grounds)
    assert (decision.allow, decision.activity) == (True, "a3")


def test_a_withdrawal_is_not_got_round_by_a_legitimate_interest() -> None:
    rules = Rules([activity(bases={"default": "legitimate-interest"})], WORDS)
    ask = Ask("marketing.email", "contact", region="US")
    grounds = frozenset(("assessment:a0",))
    assert use(rules, ask, Facts(grounds)).allow
    for name in ("withdrawn:marketing", "withdrawn:marketing.email", "objection:newsletter"):
        assert not use(rules, ask, Facts(grounds | {name})).allow
    assert use(rules, ask, Facts(grounds | {"withdrawn:marketing.post"})).allow


def test_a_withdrawal_leaves_what_rests_on_a_contract() -> None:
    rules = Rules([activity(purpose="service", bases={"default": "contract"})], WORDS)
    facts = Facts(frozenset(("contract", "withdrawn:marketing", "objection:service")))
    assert use(rules, Ask("service.provide", "contact", region="EEA"), facts).allow


def test_a_suppressed_channel_stops_what_uses_it_and_promotion_that_may_use_it() -> None:
    rules = Rules(
        [activity(), activity(1, purpose="service", bases={"default": "contract"})], WORDS
    )
    grounds = frozenset(("consent:marketing", "contract"))

    def open_to(*against: str) -> set[str]:
        word = rules.word(Facts(grounds | set(against)))
        names = (
            "marketing",
            "marketing.email",
            "newsletter",
            "marketing.post",
            "service",
            "alerts",
        )
        asks = {name: Ask(name, "contact", region="EEA") for name in names}
        return {name for name, ask in asks.items() if use(rules, ask, word).allow}

    assert open_to("suppressed:email") == {"marketing.post", "service"}
    assert open_to("suppressed:post") == {"marketing.email", "newsletter", "service", "alerts"}
    assert open_to("suppressed:ads") == open_to() - {"marketing"}
    assert open_to("suppressed") == {"service"}


def test_a_hold_opens_what_is_isolated_for_its_own_purpose_alone() -> None:
    rules = Rules(
        [
            activity(n, purpose=p, bases={"default": "legal-obligation"})
            for n, p in enumerate(("legal-requirement", "dispute", "marketing"))
        ],
        WORDS,
    )
    cited = {f"citation:a{n}" for n in range(3)}
    for state in ("isolated", "erased"):
        held = Facts(frozenset({*cited, state, "hold:legal-requirement", "hold:marketing"}))
        assert use(rules, Ask("audit", "contact", region="EEA"), held).allow
        assert not use(rules, Ask("dispute", "contact", region="EEA"), held).allow
        assert not use(rules, Ask("marketing", "contact", region="EEA"), held).allow


# Decisions are values, made once.


@LAW
@given(worlds.WORLDS)
def test_facts_and_their_word_are_judged_alike_and_equal_decisions_are_one(world: World) -> None:
    _register, ask, facts = world
    rules, _ = judged(world)
    plain = dataclasses.replace(facts, unknown=frozenset(), epoch=facts.epoch + 1)
    word = rules.word(plain)
    first = use(rules, ask, word)
    assert use(rules, ask, word) is first
    assert use(rules, dataclasses.replace(ask), plain) is first  # another Ask, equal
    assert use(rules, ask, plain) is first
    noise = 1 << (len(rules.facts) + 1)
    assert use(rules, ask, word | noise) is first


def test_asks_that_are_thrown_away_do_not_lend_their_place() -> None:
    rules = Rules([activity(), activity(1, purpose="service")], WORDS)
    word = rules.word(Facts(frozenset(("consent:marketing",))))
    for n in range(5_000):
        yes, no = Ask("marketing", "contact", region="EEA"), Ask("service", "contact", region="EEA")
        assert use(rules, yes if n % 2 else no, word).allow == bool(n % 2)
    assert len(rules.near) <= 1_024


def test_more_words_than_are_kept_are_still_judged() -> None:
    rules = Rules([activity()], WORDS)
    ask = Ask("marketing", "contact", region="EEA")
    draw = random.Random(1)
    for _ in range(5_000):
        word = draw.getrandbits(len(rules.facts))
        assert use(rules, ask, word).allow == (not rules.judge(ask).failing(word))


# The same under every bundle.


def cases(bundle: Bundle) -> Iterator[Ask]:
    """Everything that the activities say of themselves, and its neighbours."""
    register, words = tuple(bundle.activities.values()), bundle.vocabulary
    for a in register:
        for purpose in sorted(words.below("purposes", a.purpose)):
            for category in a.categories:
                for context in ("any", *a.contexts):
                    for recipient in ("controller", "partner", *a.recipients):
                        for region in (*worlds.regions_of(bundle, a), "unknown"):
                            yield Ask(purpose, category, context, recipient, region)


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_under_every_bundle_each_check_of_each_judgement_decides_alone(name: str) -> None:
    bundle = BUNDLES[name]
    rules = Rules.of(bundle)
    register = tuple(bundle.activities.values())
    assert not [a.id for a in register if rules.register.flaw(a)]
    asked, allowed = 0, set()
    for ask in dict.fromkeys(cases(bundle)):
        judge = rules.judge(ask)
        asked += 1
        if not judge.lawful:
            speaking = worlds.speaking(bundle.vocabulary, register, ask)
            # Nobody speaks of it, or nobody does so for that region.
            assert not any(worlds.basis_in(bundle.vocabulary, a, ask.region) for a in speaking)
            continue
        granted = 0
        for check in judge.checks:
            granted |= check.needs
        decision = use(rules, ask, granted)
        assert decision.allow
        allowed.add(decision.activity)
        for check in judge.checks:
            word = granted & ~check.needs | check.forbids
            denied = use(rules, ask, word)
            assert not denied.allow
            assert check.words in denied.reason
            assert judge.deciding(word) == check.rule
    assert asked > 100
    # Each activity decides somewhere; where two speak the stricter hides the other, never both.
    assert allowed == set(bundle.activities)


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_under_every_bundle_use_agrees_with_the_slow_judgement(name: str) -> None:
    bundle = BUNDLES[name]
    rules = Rules.of(bundle)
    register = tuple(bundle.activities.values())
    met: Counter[str] = Counter()

    @settings(LAW, max_examples=1_500, derandomize=True, database=None)
    @given(st.data())
    def look(data: st.DataObject) -> None:
        ask = data.draw(worlds.asks(register, bundle.vocabulary))
        facts = data.draw(worlds.facts(register, ask, bundle.vocabulary))
        decision = use(rules, ask, facts)
        assert decision.allow == worlds.permits(bundle.vocabulary, register, ask, facts)
        assert decision.allow <= bool(decision.because and decision.basis)
        met[rules.judge(ask).deciding(rules.word(facts))] += 1

    look()
    assert met["allow"] > 100
    assert len(met) > 10, met


def test_there_is_a_bundle() -> None:
    assert BUNDLES
