"""LEGAL: who answers for the data is said, and each use rests on the basis of its region."""

from __future__ import annotations

import datetime as dt

import pytest
from examples.company.life import Browser

from kept import deployment
from kept.controller import Controller
from kept.model.decision import Ask
from kept.terms.identifiers import Identifier
from tests.acceptance.conftest import Page, World, get, serving

#: Of the EEA without being of the European Union, or easily taken for being outside.
COUNTRIES = {"CY": "costas@ελιά.example", "NO": "nils@fjord.example"}


@pytest.mark.parametrize("country", COUNTRIES)
def test_LEGAL_1_the_EEA_gets_its_rules_and_the_name_of_the_controller(
    world: World, country: str
) -> None:
    """Not yet: a visit itself shows no region; the country is what is declared."""
    shown = Page(get(f"{world.site}/onboarding").text).text
    assert all(w in shown for w in ("interop.io answers for", "info@interop.io", "VA 22902"))
    email, browser = world.stranger(), world.browser()
    assert browser.send("/trial", email=email)[0] == 201
    first = len(world.ledger())
    status, _ = browser.send(
        "/onboarding", email=email, name="Somebody", address="Street 1", country=country,
        password="a long enough secret", terms="yes",
    )  # fmt: skip
    assert status == 201
    asked = [e["body"] for e in world.ledger()[first:] if e["kind"] == "data.collected"]
    assert asked
    assert {body["region"] for body in asked} == {"EEA"}
    _, pack = world.access(COUNTRIES[country])
    controller = pack.answer["controller"]
    assert (controller["name"], controller["email"]) == ("interop.io", "info@interop.io")
    assert "Charlottesville, VA 22902" in controller["post"]
    assert all(words in pack.page for words in ("interop.io", "info@interop.io", "Charlottesville"))
    world.proven("LEGAL-1")


def test_LEGAL_1_who_does_not_say_where_she_is_gets_the_rules_of_the_EEA(world: World) -> None:
    def judged(region: str, *grounds: str) -> tuple[bool, str | None, str]:
        answer = world.ask("marketing.email", "contact.email", *grounds, region=region)
        return answer.allow, answer.basis, answer.reason

    consent = ("consent:marketing.email", "preference:email")
    for grounds in ((), ("preference:email",), consent):
        assert judged("unknown", *grounds) == judged("EEA", *grounds)
    assert judged("unknown", *consent)[:2] == (True, "consent")
    assert "consent" in judged("unknown", "preference:email")[2]
    assert "consent" not in judged("US", "preference:email")[2]
    # The contact form asks for no country: it is judged as unknown, and its notice names us.
    first = len(world.ledger())
    assert world.browser().send("/contact", email=world.stranger(), message="Hello?")[0] == 201
    (entry,) = [e["body"] for e in world.ledger()[first:] if e["kind"] == "data.collected"]
    assert (entry["region"], entry["basis"]) == ("unknown", "legitimate-interest")
    section = get(f"{world.url}/privacy").text.partition('id="LEGAL"')[2].partition("<section")[0]
    words = Page(section).text
    assert all(w in words for w in ("European Economic Area", "interop.io", "info@interop.io"))


def test_LEGAL_2_without_a_basis_for_the_region_nothing_is_collected(
    world: World, person: tuple[str, Browser]
) -> None:
    """And what is collected carries the basis of its activity, by what it is and where it arose."""
    email, _ = person
    assert (
        world.browser().send("/contact", email=email, message="Hello?", newsletter="yes")[0] == 201
    )
    _, pack = world.access(email)
    stamped = {
        (place, row["activity"]): row["legal_basis"]
        for place, rows in pack.rows.items()
        for row in rows
        if "legal_basis" in row
    }
    assert stamped["customers.free_transaction", "trial"] == "contract"
    assert stamped["customers.form_submission", "communicate"] == "legitimate-interest"
    assert stamped["customers.subscription", "newsletter"] == "consent"
    assert stamped["customers.invoice", "payment"] == "contract"
    # The same purpose with a basis elsewhere only: refused for the EEA and for who says nothing.
    elsewhere = world.edition(
        ("activities.yml", "bases: {EEA: legitimate-interest, default: legitimate-interest}",
         "bases: {US: legitimate-interest}"),
    )  # fmt: skip
    before = world.rows()
    with (
        serving("kept.app", "serve", "--dir", str(elsewhere), "--port", "0", "--json") as there,
        serving("examples.company", "site", str(world.directory), "--port", "0",
                "--kept", there["url"]) as site,
    ):  # fmt: skip
        status, told = Browser(site["site"]).send(
            "/contact", email=world.stranger(), message="Hello?"
        )
    # What cannot be told is not even asked: the form is closed there.
    assert (status, told["stored"]) == (503, None)
    assert "no activity has a legal basis for `communicate`" in told["reason"]
    assert world.rows() == before
    world.proven("LEGAL-2")


def test_LEGAL_3_consent_counts_from_when_it_is_given_until_it_is_taken_back(
    world: World,
) -> None:
    """At the site a ticked box is a consent and its absence none. Not yet: no page and no command
    records a consent in Kept, or takes one back; the dated part enters by the Controller. What
    the person was shown (its text) is not kept beside the consent.
    """
    # None recorded: denied, and an unticked box is none.
    alone = world.stranger()
    assert not world.ask("marketing.email", "contact.email", email=alone).allow
    assert world.browser().send("/contact", email=alone, message="Only a question.")[0] == 201
    status, told = world.browser().send(
        "/contact", email=world.stranger(), message="News, please.", newsletter="yes"
    )
    assert (status, told["newsletter_basis"]) == (201, "consent")
    _, pack = world.access(alone)
    assert "customers.subscription" not in pack.rows

    email = world.stranger()
    who = Identifier("email", email)
    ask = Ask("marketing.email", "contact.email", "site-form", region="EEA")
    now = dt.datetime.now(dt.UTC)
    given, taken = now - dt.timedelta(days=20), now - dt.timedelta(days=10)
    first = len(world.ledger())
    with Controller.open(deployment.read(world.directory)) as controller:
        subject = controller.subjects.of([who], given)
        controller.consents.prefer(subject, "email", True, given, source="form")
        controller.consents.grant(subject, ask.purpose, given, source="form")
        told_before = controller.decide(ask, who, given + dt.timedelta(days=1))
        controller.consents.withdraw(subject, ask.purpose, taken, source="page")
        day = dt.timedelta(days=1)
        decided = [
            controller.decide(ask, who, at) for at in (given - day, taken - day, taken + day)
        ]
    assert (told_before.allow, told_before.basis) == (True, "consent")
    assert [d.allow for d in decided] == [False, True, False]
    # The next decision of another process already knows, and a box ticked anew does not undo it.
    assert not world.ask(ask.purpose, ask.category, email=email).allow
    answer = world.ask(ask.purpose, ask.category, "consent:marketing.email", email=email)
    assert not answer.allow
    assert "withdrew" in answer.reason
    # Each of them can be shown afterwards, with its moment.
    entries = [e for e in world.ledger()[first:] if e["kind"] == "use.decided"]
    told_ = [(e["body"]["allowed"], e["body"].get("basis"), e["at"][:10]) for e in entries[:4]]
    days = [str((at).date()) for at in (given + day, given - day, taken - day, taken + day)]
    assert told_ == [
        (True, "consent", days[0]), (False, None, days[1]), (True, "consent", days[2]),
        (False, None, days[3]),
    ]  # fmt: skip
    world.proven("LEGAL-3")
