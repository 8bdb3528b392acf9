"""The one door: who asks for a purpose gets what the policy allows for it, and nothing else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.world import NOW, edit, sql

from kept import deployment
from kept.controller import Controller
from kept.decide.use import use
from kept.duties import rights
from kept.duties.rights import Request
from kept.errors import Denied
from kept.model.decision import Ask, Decision, Facts
from kept.terms.identifiers import Identifier, parse

ANA, BEN = parse("email=ana@example.org"), parse("email=BEN@example.org")
NEWS = Ask("marketing.email", "contact.email", "site-form", region="EEA")
DAY = dt.timedelta(days=1)


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def _who(controller: Controller, person: Identifier) -> int:
    return controller.subjects.of([person], NOW - 30 * DAY)


def _read(controller: Controller, ask: Ask, person: Identifier) -> dict[str, set[object]]:
    """Dataset → numbers of the rows that the door gave out."""
    found: dict[str, set[object]] = {}
    for (system, dataset), batch in controller.use(ask, person, NOW):
        assert system == "shop"
        at = batch.columns.index("id")
        found.setdefault(dataset, set()).update(row[at] for row in batch.rows)
    return found


def _agree(controller: Controller, *facts: str, person: Identifier = ANA) -> None:
    controller.consents.record(
        _who(controller, person), [(f, True) for f in facts], NOW - 20 * DAY, source="test"
    )


def _last(controller: Controller) -> dict[str, object]:
    entries = [e for _, e in controller.ledger.entries(kind="use.decided")]
    return dict(entries[-1].body)


# — law 1: one door ——————————————————————————————————————————————————————————————————————————————


def test_law_1_a_purpose_that_no_activity_serves_gets_nothing(controller: Controller) -> None:
    """Whatever is known in favour of the person's data being used."""
    bundle = controller.bundle
    words = bundle.vocabulary
    served = {a.purpose for a in bundle.activities.values()}
    outside = [p for p in words.purposes if not words.above("purposes", p) & served]
    assert outside
    known = sorted({p for p in words.purposes if p not in outside})
    _agree(
        controller, "contract", "terms", "preference:email",
        *(f"consent:{p}" for p in (*outside, *known)),
    )  # fmt: skip
    for purpose in outside:
        for category in ("contact.email", "transaction.paid", "free-text"):
            ask = Ask(purpose, category, "site-form", region="US")
            before = controller.ledger.size()
            assert not controller.decide(ask, ANA, NOW).allow
            with pytest.raises(Denied):
                list(controller.use(ask, ANA, NOW))
            assert controller.audience(ask, NOW) == []
            assert controller.ledger.size() == before + 3
    # The same person and the same facts, for a purpose that is served: something comes.
    assert _read(controller, NEWS, ANA) == {}
    assert controller.audience(NEWS, NOW) == [_who(controller, ANA)]


def test_law_1_every_passage_leaves_one_entry_with_the_clauses(controller: Controller) -> None:
    ask = Ask("service.provide", "transaction.free", "site-form", region="EEA")
    with pytest.raises(Denied) as refused:
        list(controller.use(ask, ANA, NOW))
    assert refused.value.because == tuple(sorted(controller.bundle.activities["trial"].clauses))
    assert "contract" in str(refused.value)
    assert "ana@" not in str(refused.value)
    entry = _last(controller)
    assert (entry["allowed"], entry["clauses"]) == (False, list(refused.value.because))
    assert "activity" not in entry
    _agree(controller, "contract")
    assert _read(controller, ask, ANA)
    entry = _last(controller)
    assert (entry["allowed"], entry["activity"], entry["basis"]) == (True, "trial", "contract")
    assert controller.ledger.size() == 2


def test_a_denial_is_entered_with_the_kind_of_the_rule_that_denies(controller: Controller) -> None:
    """A word of a closed list; what was asked in other words is not repeated."""
    ask = Ask("service.provide", "transaction.free", "site-form", region="EEA")
    who = _who(controller, ANA)
    met = []
    for asked in (replace(ask, purpose="Ana O'Neill"), replace(ask, context="elsewhere"), ask):
        assert not controller.decide(asked, ANA, NOW).allow
        met.append(_last(controller)["reason"])
    controller.consents.restrict(who, True, NOW - DAY, source="test")
    assert not controller.decide(ask, ANA, NOW).allow
    met.append(_last(controller)["reason"])
    assert met == ["word", "context", "contract", "restricted"]
    controller.consents.restrict(who, False, NOW - DAY, source="test")
    _agree(controller, "contract")
    assert controller.decide(ask, ANA, NOW).allow
    assert "reason" not in _last(controller)
    assert "Neill" not in str([e.body for _, e in controller.ledger.entries()])


def test_no_use_without_a_clause_of_the_policy(world: Path) -> None:
    """A policy whose activity is bound to a clause that is not there is opened, and denies it."""
    ask = Ask("service.provide", "transaction.free", "site-form", region="EEA")
    with Controller.open(deployment.read(world)) as controller:
        _agree(controller, "contract")
        assert controller.decide(ask, ANA, NOW).allow
        clauses = ", ".join(controller.bundle.activities["trial"].clauses)
    edit(
        world / "policy" / "activities.yml",
        f"clauses: [{clauses}]",
        f"clauses: [{clauses}, GONE-1]",
    )
    with Controller.open(deployment.read(world)) as controller:
        with pytest.raises(Denied, match="`GONE-1` is not a clause"):
            list(controller.use(ask, ANA, NOW))
        assert controller.audience(ask, NOW) == []
        entry = _last(controller)
        assert (entry["allowed"], entry["reason"]) == (False, "unjudgeable")
        assert "GONE-1" not in entry["clauses"]  # type: ignore[operator]


# — use ——————————————————————————————————————————————————————————————————————————————————————————


@pytest.mark.parametrize(
    ("ask", "rows"),
    [
        (Ask("service.provide", "transaction.free", "site-form"), {"signup": {1}}),
        (Ask("service.payment", "transaction.paid", "order"), {"invoice": {1, 2}}),
        (Ask("service.account", "account", "sales-onboarding"), {"customer": {1}}),
        (Ask("service.provide", "account", "service-use"), {"customer": {1}}),
    ],
)
def test_use_gives_only_datasets_of_the_activity(
    controller: Controller, ask: Ask, rows: dict[str, set[object]]
) -> None:
    """Hand-counted: Ana has one row as a customer, one trial, two invoices, one note."""
    with pytest.raises(Denied):
        _read(controller, ask, ANA)
    _agree(controller, "contract")
    assert _read(controller, ask, ANA) == rows
    with pytest.raises(Denied):  # somebody else's contract is not hers
        _read(controller, ask, BEN)


def test_use_gives_only_the_key_and_the_fields_of_the_activity(
    controller: Controller, world: Path
) -> None:
    """The account needs the name and the number; since when she is here it does not."""
    ask = Ask("service.account", "account", "sales-onboarding")
    _agree(controller, "contract")
    activity = controller.bundle.activities["account"]
    within = controller.bundle.vocabulary.within
    dataset = controller.datamap.dataset("shop", "customer")
    ((place, batch),) = controller.use(ask, ANA, NOW)
    assert place == ("shop", "customer")
    assert set(batch.columns) == {"id", "email", "name", "phone"}
    assert batch.rows[0][batch.columns.index("name")] == "Ana O'Neill"
    for column in set(batch.columns) - {"id"}:
        category = dataset.fields[column].category
        assert category
        assert any(within("categories", category, c) for c in activity.categories)


def test_a_field_that_another_activity_is_stricter_about_needs_that_ground_too(
    world: Path,
) -> None:
    """The question was about one category; the others of the same rows are judged as well."""
    with (world / "policy" / "activities.yml").open("a") as file:
        file.write(
            "- id: strict\n  title: Telephone numbers\n  purpose: service.account\n"
            "  categories: [contact.phone]\n  contexts: [sales-onboarding]\n"
            "  bases: {EEA: consent, default: consent}\n  retention: contact\n  clauses: [USE-1]\n"
        )
    ask = Ask("service.account", "account", "sales-onboarding")
    with Controller.open(deployment.read(world)) as controller:
        _agree(controller, "contract")
        ((_, batch),) = controller.use(ask, ANA, NOW)
        assert set(batch.columns) == {"id", "email", "name"}
        _agree(controller, "consent:service.account")
        ((_, batch),) = controller.use(ask, ANA, NOW)
        assert set(batch.columns) == {"id", "email", "name", "phone"}


def test_use_gives_nothing_that_is_retained(controller: Controller, world: Path) -> None:
    """An invoice that a law keeps after the erasure serves that law, no purpose of ours."""
    billing = Ask("service.payment", "transaction.paid", "order", region="EEA")
    _agree(controller, "contract")
    _agree(controller, "contract", person=BEN)
    assert _read(controller, billing, ANA) == {"invoice": {1, 2}}
    erased = rights.erase(controller, Request(people=((ANA,),), override="test"), NOW)
    assert erased.complete
    assert sql(world, "SELECT id FROM invoice WHERE customer = 1") == [(1,)]
    # She is not known any more. Even with a contract anew, and by the number of her account.
    for person in (ANA, Identifier("account", "1")):
        with pytest.raises(Denied):
            _read(controller, billing, person)
        _agree(controller, "contract", person=person)
        assert _read(controller, billing, person) == {}
    assert _read(controller, billing, BEN) == {"invoice": {3}}


def test_use_is_denied_by_what_forbids(controller: Controller) -> None:
    ask = Ask("service.provide", "account", "service-use", region="EEA")
    _agree(controller, "contract")
    assert _read(controller, ask, ANA)
    who = _who(controller, ANA)
    controller.consents.restrict(who, True, NOW - DAY, source="test")
    with pytest.raises(Denied, match="restricted"):
        _read(controller, ask, ANA)
    controller.consents.restrict(who, False, NOW - DAY, source="test")
    assert _read(controller, ask, ANA)
    # An identifier that leads to two people: what forbids one forbids both.
    with controller.database.connection() as connection:
        other = controller.subjects.of([parse("email=other@example.org")], NOW)
        connection.execute(
            "INSERT INTO identity SELECT mac, %s, kind, sealed, suppress, evidence, linked_at"
            " FROM identity WHERE subject = %s",
            (other, who),
        )
    with pytest.raises(Denied, match="contract"):
        _read(controller, ask, ANA)


# — audience —————————————————————————————————————————————————————————————————————————————————————


def _crowd(controller: Controller) -> dict[int, dict[str, bool]]:
    """People of all sorts, and by hand what each of them said."""
    people: dict[int, dict[str, bool]] = {}
    for number in range(48):
        who = controller.subjects.of([Identifier("email", f"p{number}@example.org")], NOW - 9 * DAY)
        said = {
            "agreed": number % 2 == 0,
            "wants": number % 3 != 0,
            "withdrew": number % 8 == 0,
            "objected": number % 12 == 2,
            "restricted": number % 16 == 4,
        }
        people[who] = said
        consents, at = controller.consents, NOW - 8 * DAY
        if said["agreed"]:
            consents.grant(who, "marketing.email", at, source="form")
        if said["wants"]:
            consents.prefer(who, "email", True, at, source="form")
        if said["withdrew"]:
            consents.withdraw(who, "marketing.email", at + DAY, source="page")
        if said["objected"]:
            consents.object_to(who, "marketing", at + DAY, source="letter")
        if said["restricted"]:
            consents.restrict(who, True, at + DAY, source="letter")
    return people


def _wanted(people: dict[int, dict[str, bool]]) -> list[int]:
    """Counted by hand: agreed and wants it, and nothing speaks against it."""
    return sorted(
        who
        for who, s in people.items()
        if s["agreed"] and s["wants"]
        and not (s["withdrew"] or s["objected"] or s["restricted"])
    )  # fmt: skip


def test_the_audience_is_who_may_be_written_to_and_follows_every_choice(
    controller: Controller,
) -> None:
    people = _crowd(controller)
    wanted = _wanted(people)
    assert 5 < len(wanted) < len(people) / 2
    assert controller.audience(NEWS, NOW) == wanted
    for who in people:
        assert _decided(controller, who).allow is (who in wanted)
    # Each choice changes the very next audience, and nothing else in it.
    leaving, *_, objecting = wanted
    controller.consents.withdraw(leaving, "marketing.email", NOW, source="page")
    assert controller.audience(NEWS, NOW) == sorted({*wanted} - {leaving})
    controller.consents.object_to(objecting, "marketing.email", NOW, source="letter")
    assert controller.audience(NEWS, NOW) == sorted({*wanted} - {leaving, objecting})
    controller.consents.grant(leaving, "marketing.email", NOW, source="form")
    assert controller.audience(NEWS, NOW) == sorted({*wanted} - {objecting})
    drawn = [e.body for _, e in controller.ledger.entries(kind="audience.drawn")]
    assert [b["people"] for b in drawn] == [len(wanted) + n for n in (0, -1, -2, -1)]
    assert all(b["purpose"] == "marketing.email" for b in drawn)


def test_a_choice_that_begins_later_counts_from_then(controller: Controller) -> None:
    who = _who(controller, ANA)
    controller.consents.prefer(who, "email", True, NOW - DAY, source="form")
    controller.consents.grant(who, NEWS.purpose, NOW, source="letter", valid_from=NOW + DAY)
    assert controller.audience(NEWS, NOW) == []
    assert controller.audience(NEWS, NOW + 2 * DAY) == [who]
    controller.consents.withdraw(who, NEWS.purpose, NOW + 3 * DAY, source="page")
    assert controller.audience(NEWS, NOW + 3 * DAY) == []


def test_an_audience_of_an_earlier_moment_is_that_of_what_was_known_then(
    controller: Controller,
) -> None:
    """Whatever was drawn before, each moment has its own answer, forwards and backwards."""
    who = _who(controller, ANA)
    consents = controller.consents
    consents.prefer(who, "email", True, NOW - 9 * DAY, source="form")
    consents.grant(who, NEWS.purpose, NOW - 5 * DAY, source="form")
    consents.withdraw(who, NEWS.purpose, NOW - DAY, source="page")
    # Told on the fourth day what had been so since the first.
    consents.object_to(who, NEWS.purpose, NOW + 4 * DAY, source="letter", valid_from=NOW + DAY)
    consents.grant(who, NEWS.purpose, NOW + 2 * DAY, source="form")
    moments = [NOW + n * DAY for n in (0, -7, 3, -2, 5, -6, 2, -1, 4, -5, 1, 0)]
    for at in (*moments, *reversed(moments)):
        allowed = use(controller.rules, NEWS, consents.facts(who, at)).allow
        assert controller.audience(NEWS, at) == [who] * allowed, at - NOW
    assert {use(controller.rules, NEWS, consents.facts(who, at)).allow for at in moments} == {
        True, False,
    }  # fmt: skip


def test_no_audience_without_the_paper_that_a_basis_needs(world: Path) -> None:
    """Outside the EEA news rest on an interest, and that on an assessment which is in force."""
    ask = Ask(NEWS.purpose, NEWS.category, NEWS.context, region="US")
    with Controller.open(deployment.read(world)) as controller:
        controller.consents.prefer(_who(controller, ANA), "email", True, NOW, source="form")
        assert controller.audience(ask, NOW) == []
    with (world / "kept.toml").open("a") as file:
        file.write(
            '\n[documents."assessment:newsletter"]\nsigner = "officer"\ndate = 2026-11-01\n'
            "expires = 2026-12-01\n"
        )
    with Controller.open(deployment.read(world)) as controller:
        assert controller.audience(ask, NOW) == [_who(controller, ANA)]
        assert controller.audience(ask, NOW + 30 * DAY) == []
        assert controller.audience(ask, NOW - 30 * DAY) == []


def test_who_was_erased_is_in_no_audience(controller: Controller) -> None:
    _agree(controller, "consent:marketing.email", "preference:email")
    _agree(controller, "consent:marketing.email", "preference:email", person=BEN)
    ben = _who(controller, BEN)
    assert controller.audience(NEWS, NOW) == sorted([_who(controller, ANA), ben])
    assert rights.erase(controller, Request(people=((ANA,),), override="test"), NOW).complete
    assert controller.audience(NEWS, NOW) == [ben]
    # Brought again by somebody: the refusal outlives what it protected.
    _agree(controller, "consent:marketing.email", "preference:email")
    assert controller.audience(NEWS, NOW) == [ben]
    decision = controller.decide(
        NEWS, ANA, NOW, arising=("consent:marketing.email", "preference:email")
    )
    assert not decision.allow
    assert "suppressed" in decision.reason


def test_a_changed_rule_changes_the_audience(world: Path) -> None:
    with Controller.open(deployment.read(world)) as controller:
        who = _who(controller, ANA)
        controller.consents.grant(who, NEWS.purpose, NOW, source="form")
        assert controller.audience(NEWS, NOW) == []
    edit(world / "policy" / "activities.yml", "requires: [preference:email]", "requires: []")
    with Controller.open(deployment.read(world)) as controller:
        assert controller.audience(NEWS, NOW) == [who]


def _decided(controller: Controller, who: int) -> Decision:
    facts: Facts = controller.consents.facts(who, NOW)
    return use(controller.rules, NEWS, facts)
