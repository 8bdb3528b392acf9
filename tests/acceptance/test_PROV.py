"""PROV: who had data of hers is told what became of it, and nobody else."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.conftest import kept
from tests.acceptance.test_COMPEL import ANA, BEN, note, package, shop
from tests.world import edit

__all__ = ["shop"]  # the fixture


def test_PROV_6_exactly_those_who_had_her_data_are_told(shop: Path) -> None:
    note(shop, *ANA, "--to", "printer", "--what", "contact.email", "--ground", "task",
         "--on", "2026-10-30")  # fmt: skip
    edit(shop / "shop.yml", "      phone: {category: contact.phone,",
         "      phone: {origin: others, source: Facts Ltd, category: contact.phone,")  # fmt: skip
    had, every = package(shop, "2026-11-20")
    assert "From Facts Ltd, not from you: phone" in every
    assert [line["title"] for line in had["recorded"]] == ["The printing house"]  # type: ignore[attr-defined]
    assert had["by_register"] == ["The hosting house"], "the courier had nothing"
    assert "may have received" in every
    assert "The courier" not in every
    for who, told in ((ANA, {"printer", "provider"}), (BEN, {"provider"})):
        ran = kept(shop, "rights", "erase", *who, "--override", "test", "--yes",
                   "--now", "2026-11-21T12:00:00Z")  # fmt: skip
        assert ran.status == 0, ran.said
        assert {one["recipient"] for one in ran.document["told"]} == told
    (letter,) = (shop / "notices" / "printer").glob("*.txt")
    text = letter.read_text("utf-8")
    assert "ana@example.org" in text
    assert "+49" not in text, "it never had her number"
    # The case is looked after until each of them has answered, also those of the register.
    waits = {c["case"]: c["recipients_to_answer"] for c in cases(shop) if c["right"] == "erasure"}
    assert sorted(waits.values()) == [1, 2]
    mine = [c for c in cases(shop) if c["right"] == "erasure"]
    assert [(c["state"], c["closed_at"], c["light"]) for c in mine] == [
        ("awaiting", None, "she is to be told")
    ] * 2
    for task in kept(shop, "task", "list").document["tasks"]:
        done = kept(shop, "task", "done", task["task"], "--outcome", "done", "--evidence", "a mail",
                    "--now", "2026-11-22T12:00:00Z")  # fmt: skip
        assert done.status == 0, done.said
    assert {c["recipients_to_answer"] for c in cases(shop)} == {0}
    assert {c["state"] for c in cases(shop) if c["right"] == "erasure"} == {"closed"}


def cases(shop: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = kept(shop, "case", "list").document["cases"]
    return found


def test_PROV_6_an_objection_is_told_to_who_had_her_data(shop: Path) -> None:
    note(shop, *ANA, "--to", "printer", "--what", "contact.email", "--ground", "task",
         "--on", "2026-10-30")  # fmt: skip
    for who, told in ((ANA, ["printer"]), (BEN, [])):
        ran = kept(shop, "rights", "object", *who, "--purpose", "marketing", "--yes",
                   "--override", "test", "--now", "2026-11-21T12:00:00Z")  # fmt: skip
        assert ran.status == 0, ran.said
        assert [one["recipient"] for one in ran.document["told"]] == told
    assert kept(shop, "task", "send", "--now", "2026-11-21T13:00:00Z").status == 0
    (letter,) = (shop / "notices" / "printer").glob("*.txt")
    text = letter.read_text("utf-8")
    assert "objects to the uses" in text
    assert "objects to: Promote" in text
    assert "ana@example.org" in text
    assert "+49" not in text


def test_PROV_6_of_who_is_told_somebody_says_that_it_had_her_data(shop: Path) -> None:
    """Five could have it, one had it: where the others' uses are noted, nobody else is told."""
    edit(shop / "kept.toml", "[recipients.printer]\n", "".join(
        f'[recipients.{n}]\ntitle = "House {n}"\nlane = "provider"\nrecorded = true\n'
        for n in ("mailer", "caller")
    ) + "[recipients.printer]\n")  # fmt: skip
    edit(shop / "kept.toml", 'title = "The hosting house"\nrecorded = false\n',
         'title = "The hosting house"\n')  # fmt: skip
    note(shop, *ANA, "--to", "printer", "--what", "contact.email", "--ground", "task",
         "--on", "2026-10-30")  # fmt: skip
    ran = kept(shop, "rights", "erase", *ANA, "--override", "test", "--yes",
               "--now", "2026-11-21T12:00:00Z")  # fmt: skip
    assert {one["recipient"] for one in ran.document["told"]} == {"printer", "provider"}
    now = ("--now", "2026-11-22T12:00:00Z")
    for task in kept(shop, "task", "list").document["tasks"]:
        assert kept(shop, "task", "done", task["task"], "--outcome", "done", "--evidence", "a mail",
                    *now).status == 0  # fmt: skip
    (proof,) = kept(shop, "prove", "--clause", "PROV-6", *now).document["clauses"]
    assert proof["outcome"] == "fail"
    said = json.dumps(proof)
    assert "recipient provider" in said
    assert "nobody noted that it had their data" in said
    # Of the printing house it is noted; once somebody answers for the other too, nothing is amiss.
    assert "recipient printer" not in said
    edit(shop / "kept.toml", 'title = "The hosting house"\n',
         'title = "The hosting house"\nrecorded = false\n')  # fmt: skip
    (proof,) = kept(shop, "prove", "--clause", "PROV-6", *now).document["clauses"]
    assert proof["outcome"] == "pass", proof
