"""XFER: the policy goes on applying where data lies in another country."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.errors import Denied
from kept.model.decision import Ask
from kept.terms.identifiers import parse
from tests.acceptance.conftest import World, kept
from tests.world import edit

COLUMNS = "customer_id, name, email, phone, country, created_at, closed_at"
MAP = """
system: cyprus
title: Read replica of the customers
country: CY
datasets:
  customer:
    copy_of: customers.customer
    title: Customers and those who try
    key: [customer_id]
    retention: contact
    clock: closed_at
    activities: [trial, account, service]
    fields:
      customer_id: {type: integer, category: identifier.account, identifies: account}
      name: {category: contact.name, nullable: false, overwrite: erased}
      email: {category: contact.email, identifies: email, nullable: false,
        overwrite: "erased-{customer_id}@erased.invalid"}
      phone: {category: contact.phone, identifies: phone}
      country: {category: contact.address}
      created_at: datetime
      closed_at: datetime
"""
TOML = """
[systems.cyprus]
store = "sqlite"
url = "cyprus.sqlite"
mode = "act"
map = "datamap/cyprus.yml"
"""


def _replicate(world: World, place: Path) -> None:
    """Every row of the customers, copied to a store in Cyprus: the company's own program."""
    with world.company.database() as source:
        rows = source.execute(f"SELECT {COLUMNS} FROM customer".encode()).fetchall()
    with contextlib.closing(sqlite3.connect(place / "cyprus.sqlite")) as copy, copy:
        copy.execute("DROP TABLE IF EXISTS customer")
        copy.execute(
            "CREATE TABLE customer (customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
            " email TEXT NOT NULL, phone TEXT, country TEXT, created_at TEXT, closed_at TEXT)"
        )
        marks = ", ".join("?" * len(COLUMNS.split(",")))
        copy.executemany(
            f"INSERT INTO customer VALUES ({marks})",
            [[_text(value) for value in row] for row in rows],
        )


def _text(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ")
    return value


def _there(place: Path) -> dict[int, tuple[object, ...]]:
    """The copy, read by hand."""
    with contextlib.closing(sqlite3.connect(place / "cyprus.sqlite")) as copy:
        return {int(row[0]): row for row in copy.execute("SELECT * FROM customer")}


@pytest.fixture
def abroad(world: World) -> Path:
    """The world's deployment with a copy in Cyprus."""
    place = world.edition()
    (place / "datamap" / "cyprus.yml").write_text(MAP, "utf-8")
    with (place / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(TOML)
    return place


def _newcomer(world: World) -> str:
    email = world.stranger()
    status, said = world.browser().send("/trial", email=email, name="Eleni Ioannou")
    assert status == 201, said
    return email


def test_XFER_4_a_record_in_cyprus_follows_an_erasure_and_a_restriction(
    world: World, abroad: Path
) -> None:
    gone, bound = _newcomer(world), _newcomer(world)
    _replicate(world, abroad)
    before = _there(abroad)
    hers = {email: n for n, row in before.items() for email in (gone, bound) if row[2] == email}
    assert len(hers) == 2
    _proven(abroad)

    # What is handed out carries the rules under which it was held.
    _, pack = world.access(gone, abroad)
    rules = json.loads(pack.files["manifest.json"])["rules"]
    copy = rules["datasets"]["cyprus.customer"]
    assert rules["policy"]["version"] == "2023-06-27"
    assert rules["restricted"] is False
    assert (copy["keep"], copy["from"]) == ("P2Y", "closed_at")
    assert copy == rules["datasets"]["customers.customer"]
    assert copy["purposes"]

    who = ("--identity", f"email={gone}", "--override", "acceptance", "--yes")
    ran = kept(abroad, "rights", "erase", *who)
    assert ran.status == 0, ran.said
    done = {(s["store"], s["dataset"]) for s in ran.document["steps"]}
    assert ("cyprus", "customer") in done
    after = _there(abroad)
    assert hers[gone] not in after
    assert after == {n: row for n, row in before.items() if n != hers[gone]}
    _proven(abroad)

    # The world's own map names no Cyprus: what was erased there breaks no control.
    assert world.proof("RIGHT-2")["outcome"] != "error"

    ask = Ask("service.account", "account", "sales-onboarding", region="EEA")
    _customer(abroad, bound)
    assert _used(abroad, ask, bound) == {"customers", "cyprus"}
    who = ("--identity", f"email={bound}", "--override", "acceptance", "--yes")
    ran = kept(abroad, "rights", "restrict", *who, "--ground", "claims")
    assert ran.status == 0, ran.said
    with pytest.raises(Denied):
        _used(abroad, ask, bound)
    assert _there(abroad) == after  # it stays where it is, and is not used
    _, pack = world.access(bound, abroad)
    assert json.loads(pack.files["manifest.json"])["rules"]["restricted"] is True

    # A copy that comes back, and one with a period of its own.
    with contextlib.closing(sqlite3.connect(abroad / "cyprus.sqlite")) as again, again:
        marks = ", ".join("?" * len(before[hers[gone]]))
        again.execute(f"INSERT INTO customer VALUES ({marks})", before[hers[gone]])
    assert "1 rows of the copy are not at their source any more" in _amiss(world, abroad)
    edit(abroad / "datamap" / "cyprus.yml", "retention: contact", "retention: rights-cases")
    assert any("kept longer" in words for words in _amiss(world, abroad))


def _proven(place: Path) -> None:
    ran = kept(place, "prove", "--clause", "XFER-4")
    (one,) = ran.document["clauses"]
    findings = [f for e in one["evidence"] for f in e["findings"]]
    assert (one["outcome"], findings) == ("pass", [])
    assert one["looked_at"] > 0


def _amiss(world: World, place: Path) -> list[str]:
    one = world.proof("XFER-4", place)
    assert one["outcome"] == "fail"
    return [str(f["words"]) for e in one["evidence"] for f in e["findings"]]


def _customer(place: Path, email: str) -> None:
    """She has a contract."""
    now = dt.datetime.now(dt.UTC)
    with Controller.open(deployment.read(place)) as controller:
        who = controller.subjects.of([parse(f"email={email}")], now)
        controller.consents.record(who, [("contract", True)], now, source="order")


def _used(place: Path, ask: Ask, email: str) -> set[str]:
    """Systems of which the door gives her rows for a purpose."""
    now = dt.datetime.now(dt.UTC)
    with Controller.open(deployment.read(place)) as controller:
        rows = controller.use(ask, parse(f"email={email}"), now)
        return {system for (system, _), batch in rows if batch.rows}
