"""Who is who, in the company: namesakes, a shared mailbox, three addresses of one person."""

from __future__ import annotations

from examples.company.seed import CAST

from tests.acceptance.conftest import Pack, World
from tests.acceptance.test_RIGHT import TERESA

PEOPLE = {p.number: p for p in CAST}
#: The tables in which an address leads to rows of its own, and the field.
TABLES = {
    "customers.customer": "email", "customers.form_submission": "email",
    "support.ticket": "requester_email",
}  # fmt: skip


def _addresses(pack: Pack) -> dict[str, set[str]]:
    """Table → the addresses that the rows of a package name."""
    found = {t: {str(r[field]).strip().lower() for r in pack.rows.get(t, ())}
             for t, field in TABLES.items()}  # fmt: skip
    return {table: names for table, names in found.items() if names}


def test_RIGHT_19_neither_of_two_namesakes_gets_the_other(world: World) -> None:
    """RIGHT-19: one name, and a mailbox that one of them shares: neither pack holds the other's.

    What the other has is counted as doubtful, waits for a human, and is shown to nobody.
    """
    ana, twin = PEOPLE[1001], PEOPLE[1002]
    assert ana.name == twin.name
    for one, other in ((ana, twin), (twin, ana)):
        ran, pack = world.access(one.email)
        assert ran.status == 0
        assert {name for names in _addresses(pack).values() for name in names} == {one.email}
        rows = [row for t in ("customers.customer", "customers.invoice") for row in pack.rows[t]]
        assert {int(row["customer_id"]) for row in rows} == {one.number}
        assert other.email not in pack.page
        assert ran.document["identity"]["doubts"]["namesake"] > 0
        assert any("a person has to decide" in w for w in ran.document["warnings"])
    ran = world.kept("identity", "doubts")
    assert ran.status == 1
    assert {d["reason"] for d in ran.document["doubts"]} >= {"namesake"}
    for person in (ana, twin):
        assert person.email not in ran.said
    for shown in (ana.email, twin.email):
        assert shown in world.kept("identity", "doubts", "--show").said
    # What a human settled as different is not asked again, whichever of them asks.
    for doubt in ran.document["doubts"]:
        settled = world.kept(
            "identity", "settle", doubt["match"], "--outcome", "different",
            "--reason", "two people: one in Berlin, one at the shop", "--role", "privacy-officer",
        )  # fmt: skip
        assert (settled.status, settled.document["outcome"]) == (0, "different"), settled.said
    assert world.kept("identity", "doubts").status == 0
    for one in (ana, twin):
        assert "namesake" not in world.access(one.email)[0].document["identity"]["doubts"]


def test_RIGHT_19_three_addresses_proven_hers_are_all_covered(world: World) -> None:
    """RIGHT-19: given one person with three addresses proven theirs, then all three are covered."""
    teresa = PEOPLE[TERESA]
    ((work, _),) = teresa.writes
    ((_, tagged, _),) = teresa.tickets
    _, before = world.access(teresa.email)
    assert _addresses(before) == {"customers.customer": {teresa.email}}
    for address in (teresa.email, work, tagged):
        ran = world.kept(
            "identity", "link", "--identity", f"email={address}", "--to", f"email={teresa.email}",
            "--evidence", "verified", "--reason", "she typed the code that was sent there",
            "--role", "verifier",
        )  # fmt: skip
        assert (ran.status, ran.document["proven"]) == (0, True), ran.said
        assert address not in ran.said
        assert ran.document["covered"] is True
    for address in (teresa.email, work, tagged):
        ran, pack = world.access(address)
        assert _addresses(pack) == {
            "customers.customer": {teresa.email},
            "customers.form_submission": {work},
            "support.ticket": {tagged.lower()},
        }
        assert ran.document["identity"]["added"] == {"email": 2}
        assert pack.rows["support.message"]
    shown = world.kept("identity", "show", "--identity", f"email={work}").document
    assert [one["proven"] for one in shown["linked"]] == [True] * 3
    refused = world.kept(
        "identity", "unlink", "--identity", f"email={work}", "--from", f"email={teresa.email}",
        "--reason", "a trial", "--role", "support",
    )  # fmt: skip
    assert refused.status == 1
    world.proven("RIGHT-19")
