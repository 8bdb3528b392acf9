from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kept.database import Database
from kept.decide.use import Rules
from kept.errors import DatabaseError, UsageError
from kept.model.decision import Facts
from kept.policy.shapes import Activity
from kept.records.consent import BITS, WORDS, Consents
from kept.records.subject import Subjects, suppression_mac
from kept.records.suppression import FACT, ONE_CLICK, OWN, PAGE
from kept.terms.identifiers import Identifier

from .conftest import records_on

NOW = dt.datetime(2026, 3, 14, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
MAIL = "marketing.email"
ANA = Identifier("email", "ana@example.org")


@pytest.fixture
def ana(records) -> int:
    return records.subjects.of([ANA], NOW)


def held(records, who: int, now: dt.datetime = NOW, **known: dt.datetime) -> set[str]:
    return set(records.consents.facts(who, now, **known).held)


def test_nothing_is_known_of_a_stranger(records) -> None:
    assert records.consents.facts(12345, NOW) == Facts()
    assert records.consents.epochs([12345]) == {12345: 0}


def test_consent_and_withdrawal(records, ana: int) -> None:
    assert records.consents.grant(ana, MAIL, NOW, source="form", notice="n1") == 1
    assert held(records, ana) == {f"consent:{MAIL}"}
    assert records.consents.withdraw(ana, MAIL, NOW + DAY, source="mail") == 2
    assert held(records, ana, NOW) == {f"consent:{MAIL}"}
    assert held(records, ana, NOW + DAY) == {f"withdrawn:{MAIL}"}
    assert records.consents.grant(ana, MAIL, NOW + 2 * DAY, source="form") == 3
    assert held(records, ana, NOW + 2 * DAY) == {f"consent:{MAIL}"}
    assert records.consents.facts(ana, NOW + 2 * DAY).epoch == 3


def test_the_same_moment_the_later_word_counts(records, ana: int) -> None:
    for _ in range(3):
        records.consents.grant(ana, MAIL, NOW, source="form")
        records.consents.withdraw(ana, MAIL, NOW, source="form")
    assert held(records, ana) == {f"withdrawn:{MAIL}"}


def test_other_facts(records, ana: int) -> None:
    records.consents.object_to(ana, "analytics.own", NOW, source="site")
    records.consents.prefer(ana, "email", True, NOW, source="site")
    records.consents.restrict(ana, True, NOW, source="letter")
    records.consents.record(ana, [("contract", True), ("child", True)], NOW, source="import")
    assert held(records, ana) == {
        "objection:analytics.own", "preference:email", "restricted", "contract", "child",
    }  # fmt: skip
    records.consents.restrict(ana, False, NOW + DAY, source="desk")
    assert "restricted" not in held(records, ana, NOW + DAY)


@pytest.mark.parametrize("name", ["", "Consent:x", "consent:", "a b", "consent:a b", "x:\n"])
def test_names_of_facts_are_checked(records, ana: int, name: str) -> None:
    with pytest.raises(UsageError, match="not the name of a fact"):
        records.consents.record(ana, [(name, True)], NOW, source="x")
    assert records.count("fact") == 0


def test_a_letter_counts_from_its_arrival_and_rewrites_nothing(records, ana: int) -> None:
    records.consents.grant(ana, MAIL, NOW, source="form")
    records.consents.withdraw(ana, MAIL, NOW + 5 * DAY, valid_from=NOW + 2 * DAY, source="letter")
    assert held(records, ana, NOW + 3 * DAY, known=NOW + 5 * DAY) == {f"withdrawn:{MAIL}"}
    assert held(records, ana, NOW + 3 * DAY) == {f"consent:{MAIL}"}  # as it was known that day
    assert held(records, ana, NOW + DAY, known=NOW + 9 * DAY) == {f"consent:{MAIL}"}


def test_suppressions_are_facts(records, ana: int) -> None:
    records.suppressions.add([ANA], NOW, channel="email", source="bounce")
    facts = records.consents.facts(ana, NOW)
    assert facts.held == {"suppressed:email"}
    assert facts.epoch == 1
    records.suppressions.add([ANA], NOW, source="erasure")
    assert held(records, ana) == {"suppressed:email", "suppressed"}
    assert held(records, ana, NOW - DAY) == set()
    assert records.suppressions.lift(ANA, channel="email")
    assert held(records, ana) == {"suppressed"}


def test_what_was_recorded_of_a_request_is_not_taken_back_on_her_page(records, ana: int) -> None:
    channel = f"{FACT}objection:{MAIL}"
    for source in (PAGE, "objection", ONE_CLICK):
        records.suppressions.add([ANA], NOW, channel=channel, source=source)
    with records.database.connection() as c:
        macs = [suppression_mac(records.vault, ANA)]
        lifted = records.suppressions.lift_hashed(macs, sources=OWN, channel=channel, connection=c)
    assert lifted == []
    assert held(records, ana) == {f"objection:{MAIL}"}


def test_what_was_taken_back_outlives_her_until_she_agrees_again(records, ana: int) -> None:
    other, third = Identifier("email", "ana@example.net"), Identifier("account", "7")
    records.subjects.link(ana, [other, third], "asserted", NOW)
    records.consents.grant(ana, "a", NOW, source="form")
    records.consents.withdraw(ana, MAIL, NOW, source="mail")
    records.consents.grant(ana, MAIL, NOW, source="form")
    records.suppressions.outlive([[ana]], NOW)
    records.subjects.forget([ana])
    every = records.suppressions.channels_of([ANA, other, third])
    assert every == [{f"{FACT}withdrawn:{MAIL}"}] * 3
    again = records.subjects.of([other], NOW + DAY)
    records.consents.grant(again, "a", NOW + DAY, source="form")
    assert held(records, again, NOW + DAY) == {"consent:a", f"withdrawn:{MAIL}"}
    records.consents.grant(again, MAIL, NOW + DAY, source="form")
    assert held(records, again, NOW + DAY) == {"consent:a", f"consent:{MAIL}"}
    # Nobody knows that this is hers as well.
    assert records.suppressions.channels(ANA) == {f"{FACT}withdrawn:{MAIL}"}


def test_what_was_taken_back_binds_nobody_else_by_what_they_share(records, ana: int) -> None:
    """A browser at home, a mailbox of two; what somebody only claims stays hers who proved it."""
    home, both, own, claimed = (
        Identifier("cookie", "c" * 32), Identifier("email", "both@example.org"),
        Identifier("phone", "+49 30 123456"), Identifier("email", "ana@example.net"),
    )  # fmt: skip
    ben, eve = (
        records.subjects.of([Identifier("email", f"{n}@example.org")], NOW) for n in ("ben", "eve")
    )
    for who, evidence, names in (
        (ana, "seen", [home]), (ana, "used", [both, own, claimed]), (ben, "seen", [home]),
        (ben, "used", [both]), (eve, "asserted", [claimed]),
    ):  # fmt: skip
        records.subjects.link(who, names, evidence, NOW)
    records.consents.grant(ben, MAIL, NOW, source="form")
    records.consents.withdraw(ana, MAIL, NOW, source="mail")
    records.suppressions.outlive([[ana]], NOW)
    met = [bool(one) for one in records.suppressions.channels_of([ANA, own, claimed, home, both])]
    assert met == [True, True, True, False, False]
    assert held(records, ben) == {f"consent:{MAIL}"}


def test_what_was_objected_to_and_restricted_outlives_her_under_what_was_linked_later(
    records, ana: int
) -> None:
    """Also under what she only claims; nothing of it binds Ben, whose mailbox it is as well, and
    his no does not bind her.
    """
    later, claimed, both = (
        Identifier("phone", "+49 30 123456"), Identifier("account", "7"),
        Identifier("email", "both@example.org"),
    )  # fmt: skip
    ben = records.subjects.of([Identifier("email", "ben@example.org")], NOW)
    no, page = f"{FACT}objection:{MAIL}", f"{FACT}objection:site"
    records.consents.object_to(ana, MAIL, NOW, source="request")
    records.suppressions.add([ANA], NOW, channel=no, source="objection")
    records.suppressions.add([ANA], NOW, channel=page, source=PAGE)
    records.consents.restrict(ana, True, NOW, source="request")
    records.consents.record(ana, [("objection:ads", True)], NOW, source="request")
    records.consents.record(ana, [("objection:ads", False)], NOW, source="weighed")
    for who, evidence, names in (
        (ana, "used", [later, both]), (ana, "asserted", [claimed]), (ben, "used", [both])
    ):  # fmt: skip
        records.subjects.link(who, names, evidence, NOW)
    records.suppressions.add([both], NOW, channel=f"{FACT}objection:his", source=PAGE)
    records.suppressions.outlive([[ana]], NOW)
    met = records.suppressions.channels_of([ANA, later, claimed, both])
    assert met == [{no, page, f"{FACT}restricted"}] * 3 + [{f"{FACT}objection:his"}]
    with records.database.connection() as c:
        macs = [suppression_mac(records.vault, later)]
        for channel, lifted in ((no, []), (page, [page])):
            assert lifted == records.suppressions.lift_hashed(
                macs, sources=OWN, channel=channel, connection=c
            )


# The law of two times, against a list that is gone through by hand.
_ACTS = st.lists(
    st.tuples(
        st.sampled_from(["contract", "terms", "consent:a"]),
        st.booleans(),
        st.integers(0, 6),  # valid from, in days
        st.integers(0, 6),  # known from
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=_ACTS, now=st.integers(-1, 7), known=st.integers(-1, 7))
def test_two_times(
    kept_module_db: Database,
    tmp_path_factory: pytest.TempPathFactory,
    acts: list[tuple[str, bool, int, int]],
    now: int,
    known: int,
) -> None:
    records = records_on(kept_module_db, tmp_path_factory.getbasetemp() / "two-times")
    with kept_module_db.connection() as c:
        made = c.execute(
            "INSERT INTO subject (made_at) VALUES (now()) RETURNING subject"
        ).fetchone()
    assert made is not None
    for name, holds, valid, knew in acts:
        records.consents.record(
            made[0], [(name, holds)], NOW + knew * DAY, valid_from=NOW + valid * DAY, source="x"
        )
    expected = set()
    for fact in {name for name, *_ in acts}:
        best = None
        for order, (name, holds, valid, knew) in enumerate(acts):
            if name == fact and valid <= now and knew <= known:
                best = max(best or (valid, order, holds), (valid, order, holds))
        if best and best[2]:
            expected.add(fact)
    facts = records.consents.facts(made[0], NOW + now * DAY, known=NOW + known * DAY)
    assert facts.held == expected
    assert facts.epoch == len(acts)


# — as bits ———————————————————————————————————————————————————————————————————————————————


def _rules() -> Rules:
    activity = Activity(
        id="news", title="News", purpose=MAIL, categories=("contact.email",), contexts=("any",),
        bases={"default": "consent"}, requires=(), recipients=("controller",),
        retention=None, clauses=("X-1",), line=1,
    )  # fmt: skip
    return Rules([activity])


def _word(records, who: int) -> int | None:
    with records.database.connection() as c:
        row = c.execute(
            f"SELECT {', '.join(WORDS)} FROM subject_facts WHERE subject = %s", (who,)
        ).fetchone()
    return None if row is None else sum(bits << (BITS * n) for n, bits in enumerate(row))


def test_bits_say_what_the_facts_say(records, ana: int) -> None:
    rules = _rules()
    bea = records.subjects.of([Identifier("email", "bea@example.org")], NOW)
    records.consents.grant(ana, MAIL, NOW, source="form")
    assert records.consents.refresh(rules.word, "r1", NOW) == 2
    for who in (ana, bea):
        assert _word(records, who) == rules.word(records.consents.facts(who, NOW))
    assert _word(records, ana) != _word(records, bea)
    assert records.consents.refresh(rules.word, "r1", NOW) == 0
    # A choice takes the row away at once; who has no row is in no audience.
    records.consents.withdraw(ana, MAIL, NOW, source="mail")
    assert _word(records, ana) is None
    assert _word(records, bea) is not None
    assert records.consents.refresh(rules.word, "r1", NOW, [bea]) == 0
    assert records.consents.refresh(rules.word, "r1", NOW, [ana]) == 1
    # So does a suppression, and another set of rules.
    records.suppressions.add([ANA], NOW, source="erasure")
    assert _word(records, ana) is None
    assert records.consents.refresh(rules.word, "r2", NOW) == 2


def test_a_fact_that_begins_later_ends_the_row(records, ana: int) -> None:
    rules = _rules()
    records.consents.grant(ana, MAIL, NOW, source="form")
    records.consents.withdraw(ana, MAIL, NOW, valid_from=NOW + 3 * DAY, source="form")
    records.consents.refresh(rules.word, "r", NOW)
    allowed = _word(records, ana)
    assert records.consents.refresh(rules.word, "r", NOW + 2 * DAY) == 0
    assert records.consents.refresh(rules.word, "r", NOW + 3 * DAY) == 1
    assert _word(records, ana) != allowed


def test_bits_of_an_earlier_moment_are_made_anew(records, ana: int) -> None:
    """Neither do those of a later one serve an earlier, nor the other way round."""
    rules = _rules()
    records.consents.grant(ana, MAIL, NOW, source="form")
    records.consents.refresh(rules.word, "r", NOW + DAY)
    agreed = _word(records, ana)
    assert records.consents.refresh(rules.word, "r", NOW - DAY) == 1
    assert _word(records, ana) == rules.word(Facts()) != agreed
    # What is known only later ends the row, although it speaks of before.
    assert records.consents.refresh(rules.word, "r", NOW + DAY) == 1
    assert _word(records, ana) == agreed
    records.consents.withdraw(ana, MAIL, NOW + 3 * DAY, valid_from=NOW, source="letter")
    records.consents.refresh(rules.word, "r", NOW + DAY)
    assert _word(records, ana) == agreed
    assert records.consents.refresh(rules.word, "r", NOW + 3 * DAY) == 1
    assert _word(records, ana) != agreed
    # So does a suppression.
    records.suppressions.add([ANA], NOW + 5 * DAY, source="erasure")
    records.consents.refresh(rules.word, "r", NOW + 4 * DAY)
    assert records.consents.refresh(rules.word, "r", NOW + 5 * DAY) == 1


def test_an_address_that_is_linked_later_brings_its_suppression(records, ana: int) -> None:
    rules = _rules()
    other = Identifier("email", "ana@example.net")
    records.suppressions.add([other], NOW, source="erasure")
    records.consents.refresh(rules.word, "r", NOW)
    before = _word(records, ana)
    records.subjects.link(ana, [other], "used", NOW)
    assert _word(records, ana) is None
    assert records.consents.refresh(rules.word, "r", NOW) == 1
    assert _word(records, ana) == rules.word(records.consents.facts(ana, NOW)) != before


def test_more_bits_than_the_table_has(records, ana: int) -> None:
    most = (1 << (BITS * len(WORDS))) - 1
    assert records.consents.refresh(lambda _: most, "r", NOW) == 1
    assert _word(records, ana) == most
    with pytest.raises(DatabaseError, match="more facts"):
        records.consents.refresh(lambda _: most + 1, "s", NOW)


def test_a_choice_during_the_refresh_wins(records, ana: int) -> None:
    other = Consents(records.database)

    def word(facts: Facts) -> int:
        other.withdraw(ana, MAIL, NOW, source="meanwhile")
        return 1

    assert records.consents.refresh(word, "r", NOW) == 0
    assert _word(records, ana) is None


def test_many_at_once(records, tmp_path: Path) -> None:
    with records.database.connection() as c:
        c.execute("INSERT INTO subject (made_at) SELECT now() FROM generate_series(1, 25000)")
    assert records.consents.refresh(lambda _: 5, "r", NOW) == 25_000
    assert records.count("subject_facts WHERE word0 = 5") == 25_000
    assert isinstance(records.subjects, Subjects)
