"""CHILD: what was collected of a child goes everywhere, and nothing is left that names it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties.rights import casework
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.acceptance.test_laws import spellings
from tests.world import NOW, edit, make, sql

ANA = ("--identity", "email=ana@example.org")
#: Everything in the shop that says who she is.
WORDS = ("ana@example.org", "ana o'neill", "+49 30 123456")
WHEN = ("--now", NOW.isoformat())


@pytest.fixture
def shop(kept_url: str, tmp_path: Path) -> Path:
    return make(tmp_path / "world", kept_url)


def named(shop: Path, database: str, said: tuple[str, ...] = WORDS) -> list[str]:
    """Where she is named: every column of every table of Kept's, every row of the shop, and every
    file of the deployment but the databases themselves.
    """
    needles = [n.lower() for words in said for n in spellings(words)]
    found = []

    def look(where: str, data: bytes) -> None:
        if any(n in data.lower() for n in needles):
            found.append(where)

    with psycopg.connect(database) as connection:
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public'"
        ).fetchall()
        assert len(columns) > 150
        for table, column, kind in columns:
            text = f'"{column}"' if kind == "bytea" else f"convert_to(\"{column}\"::text, 'UTF8')"
            for (value,) in connection.execute(f'SELECT {text} FROM "{table}"'):
                look(f"{table}.{column}", bytes(value or b""))
    for (table,) in sql(shop, "SELECT name FROM sqlite_master WHERE type = 'table'"):
        look(str(table), repr(sql(shop, f"SELECT * FROM {table}")).encode())
    for path in shop.rglob("*"):
        if path.is_file() and path.suffix != ".sqlite":
            look(str(path.relative_to(shop)), path.read_bytes() + path.name.encode())
    return found


def test_CHILD_4_everything_goes_and_when_the_case_closes_nothing_names_the_child(
    shop: Path, kept_url: str
) -> None:
    """Stores, recipients, cases, letters; only what a law keeps stays, and that is sealed.

    Not looked at: what deleted rows leave in the files of the database engines, which the layers
    of `residue` name with their end, and copies that others made.
    """
    # She asked before, somebody holds her data for the business, and she is known to Kept.
    edit(shop / "shop.yml", "free_text: true", "free_text: redact")
    pack = shop.parent / "pack.zip"
    asked = kept(shop, "rights", "access", *ANA, "--evidence", "Ana O'Neill rang us up", "--out",
                 pack, *WHEN)  # fmt: skip
    assert asked.document["complete"]
    with Controller.open(deployment.read(shop)) as controller:
        who = controller.subjects.of([parse("email=ana@example.org")], NOW)
        controller.consents.grant(who, "marketing.email", NOW, source="form")
    held = kept(shop, "hold", "add", *ANA, "--ground", "marketing counts her", "--clause", "RET-10",
                *WHEN)  # fmt: skip
    assert held.status == 0, held.said
    # By any other ground that hold keeps her rows.
    plain = kept(shop, "rights", "erase", *ANA, "--evidence", "she wrote to us", *WHEN)
    assert {s["dataset"] for s in plain.document["steps"] if s["action"] == "retain"} > {"note"}
    kept(shop, "case", "withdraw", plain.document["case"], "--reason", "not now", *WHEN)

    planned = kept(shop, "rights", "erase", *ANA, "--ground", "child", *WHEN,
                   "--evidence", "the mother of Ana O'Neill called us").document  # fmt: skip
    case = planned["case"]
    assert [(t["recipient"], t["state"]) for t in planned["told"]] == [("provider", "waits")]
    ran = kept(shop, "rights", "erase", "--case", case, "--yes", *WHEN)
    steps = {(s["dataset"], s["action"]): s for s in ran.document["steps"] if s["store"] == "shop"}
    assert set(steps) == {
        ("customer", "overwrite"), ("signup", "delete"), ("invoice", "isolate"),
        ("invoice", "delete"), ("note", "delete"),
    }  # fmt: skip
    assert steps["invoice", "isolate"]["law"]
    assert all(s["verified"] for s in ran.document["steps"])
    # Her rows are gone; the case is not over before whoever had them has answered.
    assert (ran.status, ran.document["complete"]) == (1, False)
    assert kept(shop, "case", "show", case).document["state"] == "checked"
    (letter,) = (shop / "notices" / "provider").glob("*.txt")
    assert "email: ana@example.org" in letter.read_text("utf-8")
    assert "Please erase it as well" in letter.read_text("utf-8")
    assert named(shop, kept_url)

    # She waits for nothing that is left to mend: for an answer.
    with Controller.open(deployment.read(shop)) as controller:
        assert casework.waits_for_recipients(controller, controller.cases.get(case))
    (task,) = kept(shop, "task", "list").document["tasks"]
    answer = ("task", "done", task["task"], *WHEN, "--evidence", "they wrote: Ana O'Neill is gone")
    assert kept(shop, *answer).status == 0
    over = kept(shop, "rights", "erase", "--case", case, "--yes", *WHEN)
    assert (over.status, over.document["complete"]) == (0, True)
    assert len(over.document["packages_handed_out"]) == 1
    assert [(t["recipient"], t["state"]) for t in over.document["told"]] == [("provider", "told")]
    assert kept(shop, "case", "show", case, "--show").document["identifiers"] == [[]]
    assert named(shop, kept_url) == []
    # What is left: that there were cases, and keyed hashes by which nobody writes to her again.
    with psycopg.connect(kept_url) as connection:
        for table in ("case_person", "case_subject", "case_sealed", "subject", "identity", "fact"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
        suppressed = connection.execute(
            "SELECT count(*), min(length(mac)) FROM suppression WHERE kind = 'email'"
        ).fetchone()
    assert suppressed == (1, 32)
    # The letter is made of what is left, and can name nobody.
    said = " ".join(kept(shop, "case", "answer", case, *WHEN).document["text"].split())
    assert "What could be done is done." in said
    assert "The case has forgotten by what you were found." in said
    assert not re.search("ana@|neill", said, re.I)
    for clause in ("CHILD-4", "RIGHT-3", "RIGHT-15", "RET-3"):
        (one,) = kept(shop, "prove", "--clause", clause, *WHEN).document["clauses"]
        findings = [f for e in one["evidence"] for f in e["findings"]]
        assert (one["outcome"], findings) == ("pass", []), clause
    # Asked again it says the same, and remembers nobody.
    again = kept(shop, "rights", "erase", "--case", case, "--yes", *WHEN)
    assert (again.status, again.document["complete"]) == (0, True)
    assert "ana" not in json.dumps(again.document)


def test_CHILD_4_a_recipient_whom_no_letter_reaches_keeps_the_case_open(shop: Path) -> None:
    """Until somebody says that it was told another way, or why it cannot be."""
    edit(shop / "kept.toml", "[recipients.provider]", "[recipients.public]")
    ran = kept(shop, "rights", "erase", *ANA, "--ground", "child", "--override", "test", "--yes",
               *WHEN)  # fmt: skip
    (told,) = ran.document["told"]
    assert (told["state"], ran.document["complete"]) == ("no way to tell", False)
    assert "[recipients.provider]" in told["fix"]
    (proof,) = kept(shop, "prove", "--clause", "CHILD-4", *WHEN).document["clauses"]
    assert proof["outcome"] != "pass"
    go_on = ("rights", "erase", "--case", ran.document["case"], "--yes", *WHEN)
    again = kept(shop, *go_on, json=False)
    assert again.status == 1
    assert "is over when everybody named above has answered" in " ".join(again.out.split())
    (task,) = kept(shop, "task", "list").document["tasks"]
    kept(shop, "task", "done", task["task"], "--evidence", "on the phone, Monday", *WHEN)
    over = kept(shop, *go_on)
    assert (over.status, over.document["complete"]) == (0, True)
