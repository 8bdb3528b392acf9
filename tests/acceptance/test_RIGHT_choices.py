"""RIGHT: what a person decides about uses of her data holds at the door, at once and everywhere."""

from __future__ import annotations

import json

from examples.company.life import Browser

from tests.acceptance.conftest import World

GROUNDS = ("consent:marketing.email", "preference:email", "consent:site.improve")


def _mail(world: World, email: str) -> bool:
    return world.ask("marketing.email", "contact.email", *GROUNDS, email=email).allow


def _improve(world: World, email: str) -> bool:
    return world.ask(
        "site.improve", "navigation", *GROUNDS, context="site-visit", email=email
    ).allow


def _serve(world: World, email: str) -> bool:
    return world.ask(
        "service.payment", "transaction.paid", "contract", context="order", email=email
    ).allow


def test_RIGHT_4_an_objection_stops_the_purpose_and_nothing_else(
    world: World, person: tuple[str, Browser]
) -> None:
    email, browser = person
    who = ("--identity", f"email={email}")
    assert _mail(world, email)
    assert _improve(world, email)
    # Shown first; and nothing is done before it is known who asks.
    ran = world.kept("rights", "object", *who, "--purpose", "marketing", "--region", "EEA")
    assert (ran.status, ran.document["executed"]) == (0, False)
    case = ran.document["case"]
    refused = world.kept("rights", "object", "--case", case, "--purpose", "marketing", "--yes")
    assert refused.status == 1
    assert "no evidence of who asks" in refused.err
    assert _mail(world, email)
    ran = world.kept("rights", "object", "--case", case, "--purpose", "marketing",
                     "--evidence", "she called from her number", "--yes",
                     "--region", "EEA")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True)
    assert "marketing.email" in {t["purpose"] for t in ran.document["stops"]}
    goes_on = {t["purpose"]: t for t in ran.document["goes_on"]}
    assert goes_on["service.payment"]["ground"] == "Contract"
    assert goes_on["service.payment"]["clauses"]
    # At once at the running door, for that purpose; all else goes on, orders among it.
    assert not _mail(world, email)
    assert _improve(world, email)
    assert _serve(world, email)
    status, said = browser.send("/order", quantity="1")
    assert status == 201, said
    shown = world.kept("case", "show", case).document
    assert (shown["state"], shown["complete"]) == ("closed", True)
    world.proven("RIGHT-4")


def test_RIGHT_4_what_is_no_marketing_stops_while_it_is_weighed(world: World) -> None:
    email = world.stranger()
    ran = world.kept("rights", "object", "--identity", f"email={email}", "--override", "acceptance",
                     "--purpose", "site.improve", "--region", "EEA", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"], ran.document["state"]) == (1, False, "checked")
    assert [t["purpose"] for t in ran.document["weighed"]] == ["site.improve"]
    assert not _improve(world, email)
    assert _mail(world, email)
    world.proven("RIGHT-4")
    case = ran.document["case"]
    said = world.kept("case", "show", case, json=False).out
    assert f"weigh --case {case}" in said
    decide = ("rights", "weigh", "--case", case, "--outcome", "refused")
    assert world.kept(*decide, "--grounds", "…").status == 2
    assert world.kept(*decide, "--grounds", "because", "--role", "marketer").status == 1
    assert not _improve(world, email)
    assert world.kept(*decide, "--grounds", "without it the site is not safe").status == 0
    assert _improve(world, email)
    told = [e for e in world.ledger() if e["body"].get("case") == case]
    assert [e["kind"] for e in told][-3:] == ["case.moved", "objection.lifted", "case.closed"]
    assert "not safe" not in json.dumps(told)
    assert email not in json.dumps(told)
    world.proven("RIGHT-4")


def test_RIGHT_4_it_holds_when_somebody_is_first_met(world: World) -> None:
    """She objects before she is anybody's customer; then she becomes one."""
    email, browser = world.stranger(), world.browser()
    ran = world.kept("rights", "object", "--identity", f"email={email}", "--override", "acceptance",
                     "--purpose", "marketing", "--yes")  # fmt: skip
    assert (ran.status, ran.document["complete"]) == (0, True)
    status, said = browser.send("/trial", email=email, name="Nia New")
    assert status == 201, said
    assert not _mail(world, email)
    assert _serve(world, email)
    # Past Kept, somebody takes her objection away: that is seen.
    with world.sql() as connection:
        connection.execute("CREATE TABLE kept_aside AS SELECT * FROM suppression")
        connection.execute("DELETE FROM suppression WHERE channel LIKE ':objection:%'")
    try:
        assert _mail(world, email)
        assert world.proof("RIGHT-4")["outcome"] == "fail"
    finally:
        with world.sql() as connection:
            connection.execute(
                "INSERT INTO suppression SELECT * FROM kept_aside ON CONFLICT DO NOTHING"
            )
            connection.execute("DROP TABLE kept_aside")
    world.proven("RIGHT-4")
