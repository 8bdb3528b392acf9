"""What erased means, layer by layer: told after an erasure, scrubbed where that is asked for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from tests.acceptance.conftest import kept
from tests.world import edit, make, sql

HERS = ("--identity", "email=ana@example.org")
OVERRIDE = ("--override", "a test")


@pytest.fixture
def world(kept_url: str, tmp_path: Path) -> Path:
    return make(tmp_path / "residue", kept_url)


def erase(world: Path, *more: str) -> dict[str, Any]:
    ran = kept(world, "rights", "erase", *HERS, *OVERRIDE, "--yes", *more)
    assert ran.status == 0, ran.err
    return dict(ran.document)


def layers(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(r["store"], r["layer"]): r["state"] for r in document["residue"]}


def entries(world: Path, kind: str) -> list[dict[str, Any]]:
    with Controller.open(deployment.read(world)) as controller:
        return [dict(e.body) for _, e in controller.ledger.entries(kind=kind)]


def sealed(world: Path) -> int:
    with (
        Controller.open(deployment.read(world)) as controller,
        controller.database.connection() as c,
    ):
        row = c.execute("SELECT count(*) FROM case_sealed").fetchone()
        assert row is not None
        return int(row[0])


def test_RIGHT_3_an_erasure_tells_of_every_layer(world: Path) -> None:
    """RIGHT-3: gone where it was looked at; what is unseen is said so; nothing stays sealed."""
    document = erase(world)
    told = layers(document)
    assert told["shop", "pages"] == "gone"
    assert b"ana@example.org" not in (world / "shop.sqlite").read_bytes()
    assert {state for (store, _), state in told.items() if store == "own"} == {"cannot be seen"}
    assert all(set(r) == {"store", "layer", "state", "until", "words"} for r in document["residue"])
    assert len(entries(world, "residue.looked")) == len(told)
    assert sealed(world) == 0


def test_RIGHT_3_what_is_left_is_met_and_scrubbed_on_request(world: Path) -> None:
    """RIGHT-3: old copies in free pages; what that locks is shown first, then it is done."""
    with closing(sqlite3.connect(world / "shop.sqlite", isolation_level=None)) as c:
        c.execute("PRAGMA secure_delete = OFF").fetchone()
        c.execute("CREATE TABLE old (words TEXT)")
        c.execute("INSERT INTO old VALUES ('written by ana@example.org long ago')")
        c.execute("DROP TABLE old")
    document = erase(world)
    case = document["case"]
    assert layers(document)["shop", "pages"] == "until"
    assert sealed(world) == 1  # what she is looked for by, until nothing is left
    shown = kept(world, "rights", "erase", "--case", case, "--physical")
    assert shown.status == 0
    (shop,) = (p for p in shown.document["physical"] if p["store"] == "shop")
    assert shop["done"] is False
    assert "locked" in shop["steps"][0]["locks"]
    assert layers(shown.document)["shop", "pages"] == "until"
    assert b"ana@example.org" in (world / "shop.sqlite").read_bytes()
    done = kept(world, "rights", "erase", "--case", case, "--physical", "--yes")
    assert done.status == 0, done.err
    assert layers(done.document)["shop", "pages"] == "gone"
    assert b"ana@example.org" not in (world / "shop.sqlite").read_bytes()
    scrubbed = entries(world, "store.scrubbed")
    assert [(e["system"], e["done"], e["full"]) for e in scrubbed] == [
        ("own", True, False), ("shop", True, False),
    ]  # fmt: skip
    assert sealed(world) == 0
    again = kept(world, "rights", "erase", "--case", case)
    assert layers(again.document) == layers(done.document)
    words = kept(world, "rights", "erase", "--case", case, json=False).out
    assert "Layer by layer" in words
    assert "Backups" in words
    assert "ana@" not in words + str(again.document)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("DORA9@EXAMPLE.org", "dora9@example.org"),
        ("dora9@example.org", "Dora9@Example.ORG"),
        ("zoe9@bücher.example", "zoe9@xn--bcher-kva.example"),
        ("ZOÉ9@example.org", "zoé9@example.org"),
        ("zoe\u0301u\u0308@example.org", "zoéü@example.org"),
    ],
)
def test_RIGHT_3_her_address_is_met_as_her_row_spelt_it(
    world: Path, typed: str, stored: str
) -> None:
    """RIGHT-3: in somebody else's row, too, however whoever asked had spelt it."""
    sql(world, "INSERT INTO customer VALUES (9, ?, 'Dora', NULL, '2024-01-01 00:00:00')", stored)
    sql(world, "INSERT INTO note VALUES (9, 'ben@example.org', ?, '2024-01-01')", f"ask {stored}")
    ran = kept(world, "rights", "erase", "--identity", f"email={typed}", *OVERRIDE, "--yes")
    assert ran.status == 0, ran.err
    assert stored.encode() in (world / "shop.sqlite").read_bytes()
    assert layers(ran.document)["shop", "pages"] == "until"


@pytest.mark.parametrize("spelt", ["ANA@example.org", "030 / 5550001", "ana@example.org"])
def test_RIGHT_3_what_is_met_is_each_spelling_of_each_of_her_rows(world: Path, spelt: str) -> None:
    """RIGHT-3: rows spell her in their own ways; also a number that no country makes whole, and
    what links to her row.
    """
    edit(
        world / "shop.yml",
        "about: {category: contact.email, identifies: email, ",
        "about: {category: contact.email, folded: true, ",
    )
    link = "    links:\n      - {fields: [about], to: customer, on: [email], kind: owned-by}\n"
    with (world / "shop.yml").open("a", encoding="utf-8") as file:
        file.write(link)
    sql(world, "UPDATE customer SET phone = ' 030 / 5550001' WHERE id = 1")
    words = f"somebody wrote {spelt}"
    sql(world, "INSERT INTO note VALUES (9, 'ben@example.org', ?, '2024-01-01')", words)
    assert layers(erase(world, "--same-person", "a test"))["shop", "pages"] == "until"


@pytest.mark.parametrize(
    ("stored", "typed", "noted"),
    [
        ("zoe@shop.example", "ZOE@shop.example", "Zoe@SHOP.example"),
        ("zoe@müller-käse.example", "ZOE@MÜLLER-KÄSE.example", "zoe@Müller-Käse.example"),
        ("zoe@müller-käse.example", "zoe@müller-käse.example", "ZOE@MÜLLER-KÄSE.EXAMPLE"),
        ("zoe@bücher.example", "zoe@bücher.example", "Zoe@XN--bcher-kva.example"),
        ("zoe@xn--bcher-kva.example", "zoe@xn--bcher-kva.example", "zoe@Bücher.example"),
        ("zoë@shop.example", "zoë@shop.example", "ZOË@shop.example"),
        ("zoë@shop.example", "zoë@shop.example", "zoe\u0308@shop.example"),
        ("zoe\u0308@shop.example", "zoe\u0308@shop.example", "zoë@Shop.example"),
    ],
)
def test_RIGHT_3_gone_is_not_said_of_another_spelling_in_a_text_that_nobody_reads(
    world: Path, stored: str, typed: str, noted: str
) -> None:
    """RIGHT-3: neither her row nor whoever asks spelt her as the text does."""
    sql(world, "CREATE TABLE diary (id INTEGER PRIMARY KEY, words TEXT)")
    sql(world, "INSERT INTO diary VALUES (1, ?)", f"written: {noted} here")
    sql(world, "INSERT INTO customer VALUES (9, ?, 'Zoe', NULL, '2024-01-01 00:00:00')", stored)
    ran = kept(world, "rights", "erase", "--identity", f"email={typed}", *OVERRIDE, "--yes")
    assert ran.status == 0, ran.err
    assert layers(ran.document)["shop", "pages"] == "until"


def test_RIGHT_3_gone_says_in_which_spelling(world: Path) -> None:
    """RIGHT-3: of a spelling that was met nowhere nothing is said."""
    document = erase(world)
    words = next(r["words"] for r in document["residue"] if r["state"] == "gone")
    assert "as it was spelt where it was met" in words


def test_RIGHT_3_what_another_program_holds_is_not_scrubbed_and_said_so(world: Path) -> None:
    """RIGHT-3: the engine refuses while somebody writes; the answer says so, and exits 1."""
    case = erase(world)["case"]
    with closing(sqlite3.connect(world / "shop.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (world / "kept.toml").open("a") as file:
            file.write("\n[systems.shop.options]\nlock_timeout = 0.1\n")
        ran = kept(world, "rights", "erase", "--case", case, "--physical", "--yes")
    assert ran.status == 1
    (shop,) = (p for p in ran.document["physical"] if p["store"] == "shop")
    assert shop["done"] is False
    assert "another program" in shop["problem"]


def test_RIGHT_3_nothing_is_scrubbed_that_is_not_erased(world: Path) -> None:
    """RIGHT-3: a plan shows no layer; in mode observe no engine is told to scrub."""
    shown = kept(world, "rights", "erase", *HERS, *OVERRIDE, "--physical")
    assert shown.document["residue"] == []
    assert kept(world, "rights", "erase", *HERS, *OVERRIDE, "--full").status == 2
    case = erase(world)["case"]
    text = (world / "kept.toml").read_text().replace('mode = "act"', 'mode = "observe"')
    (world / "kept.toml").write_text(text)
    observed = kept(world, "rights", "erase", "--case", case, "--physical", "--yes")
    assert {p["store"] for p in observed.document["physical"]} == {"own"}


def test_RIGHT_3_the_embedded_database_of_kept_is_looked_at(tmp_path: Path) -> None:
    """RIGHT-3: Kept's own store is a store like any other: its files hold no value of hers."""
    world = make(tmp_path / "embedded", "embedded")
    document = erase(world)
    told = {layer: state for (store, layer), state in layers(document).items() if store == "own"}
    assert set(told) >= {"tables", "indexes", "write-ahead log"}
    assert set(told.values()) == {"gone"}
    data = world / "postgres" / "data"
    assert not [p for p in data.rglob("*") if p.is_file() and b"ana@example.org" in p.read_bytes()]
