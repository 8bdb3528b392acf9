"""One request over the music shop in six stores at once, against hand-written SQL.

The whole shop lies in PostgreSQL, MariaDB and SQLite; what was played in Parquet files; contacts
and tickets with a service over HTTP; and an agency that people answer for.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request
from kept.model.plan import Action
from kept.stores.tasks import Answered, Outcome
from kept.terms.identifiers import parse
from tests.acceptance import chinook
from tests.acceptance.chinook import needs_chinook, snake, sqlite_rows
from tests.acceptance.test_chinook import _OWN, TABLES, Shop, _as_handed_out, _same
from tests.acceptance.test_services import AGENCY, CRM, CRM_HTTP
from tests.stores.vendor import TOKEN, Vendor, vendor
from tests.world import NOW

pytestmark = needs_chinook

LAKE = """
system: lake
title: What was played
country: US
datasets:
  play:
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
      track: integer
"""
#: The oracle of what is derived from the shop: by hand, over its SQLite form.
_PLAYS = (
    "SELECT l.InvoiceLineId AS id, c.Email AS mail, l.TrackId AS track FROM InvoiceLine l"
    " JOIN Invoice i ON i.InvoiceId = l.InvoiceId JOIN Customer c ON c.CustomerId = i.CustomerId"
)
_CONTACTS = "SELECT CustomerId AS id, Email AS email, FirstName AS name FROM Customer"
_TICKETS = "SELECT InvoiceId AS id, CustomerId AS contact_id, BillingCity AS words FROM Invoice"
COPIES = {"shop": "postgresql", "desk": "mariadb", "archive": "sqlite"}


class Everywhere:
    """The deployment, and a way by hand into each of its stores."""

    def __init__(self, directory: Path, copies: dict[str, Shop], crm: Vendor) -> None:
        self.directory, self.copies, self.crm = directory, copies, crm
        self.file = directory / "oracle.sqlite"

    def by_hand(self, statement: str) -> list[dict[str, Any]]:
        names = [w.partition(",")[0] for w in statement.split(" AS ")[1:]]
        names = [name.split(" ")[0] for name in names]
        rows = sqlite_rows(self.file, statement)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def plays(self) -> Counter[str]:
        rows = pq.read_table(self.directory / "lake" / "play").to_pylist()
        return Counter(json.dumps(row, sort_keys=True) for row in rows)


@pytest.fixture
def world(
    tmp_path: Path, kept_url: str, fresh_pg_url: str, fresh_maria_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Everywhere]:  # fmt: skip
    directory = tmp_path / "everywhere"
    chinook.deploy(directory, "sqlite", None)
    oracle = directory / "oracle.sqlite"
    oracle.write_bytes((directory / "shop.sqlite").read_bytes())
    chinook.load_postgresql(fresh_pg_url)
    chinook.load_mariadb(fresh_maria_url)
    urls = {
        "shop": fresh_pg_url,
        "desk": fresh_maria_url,
        "archive": f"sqlite:///{directory / 'shop.sqlite'}",
    }
    text = f'bundle = "{chinook.BUNDLE}"\ndatabase = "{kept_url}"\n\n'
    text += '[choices]\n"retention.invoices" = "P10Y"\n'
    for system, engine in COPIES.items():
        map_ = chinook.map_text(snake if engine == "postgresql" else str)
        map_ = map_.replace("system: shop", f"system: {system}")
        if system != "shop":  # a number of one copy is nobody's name in another
            map_ = map_.replace("identifies: account, ", "")
        (directory / f"{system}.yml").write_text(map_, "utf-8")
        text += f'[systems.{system}]\nstore = "{engine}"\nurl = "{urls[system]}"\n'
        text += f'mode = "act"\nmap = "{system}.yml"\n'
    with vendor() as crm:
        monkeypatch.setenv("CRM_TOKEN", TOKEN)
        others = {
            "crm": ("http", crm.url, CRM, 'describe = "crm.http.yml"\nsecret = "env:CRM_TOKEN"'),
            "agency": ("mailbox", "letters", AGENCY, "days = 10"),
            "lake": ("parquet", "lake", LAKE, ""),
        }
        for system, (kind, url, map_, options) in others.items():
            (directory / f"{system}.yml").write_text(map_, "utf-8")
            text += f'[systems.{system}]\nstore = "{kind}"\nurl = "{url}"\nmode = "act"\n'
            text += f'map = "{system}.yml"\n'
            text += f"[systems.{system}.options]\n{options}\n" if options else ""
        (directory / "crm.http.yml").write_text(CRM_HTTP, "utf-8")
        (directory / "kept.toml").write_text(text, "utf-8")
        copies = {s: Shop(engine, directory, urls[s]) for s, engine in COPIES.items()}
        made = Everywhere(directory, copies, crm)
        crm.page = 50
        crm.fill({"contact": made.by_hand(_CONTACTS), "ticket": made.by_hand(_TICKETS)})
        plays = made.by_hand(_PLAYS)
        (directory / "lake" / "play").mkdir(parents=True)
        for part in range(4):
            rows = pa.Table.from_pylist([p for p in plays if p["id"] % 4 == part])
            pq.write_table(rows, directory / "lake" / "play" / f"{part}.parquet")
        yield made


@pytest.fixture
def controller(world: Everywhere) -> Iterator[Controller]:
    with Controller.open(deployment.read(world.directory)) as opened:
        yield opened


def _answered(controller: Controller, *rows: dict[str, str]) -> str:
    """The agency answers what it was asked; whom it was asked about."""
    controller.deliver(NOW)
    (task,) = (t for t in controller.tasks() if t.open)
    about = " ".join(value for person in task.people for _, value in person)
    answer = Answered(Outcome.DONE, "operator", NOW, "letter of the agency", rows)
    controller.answer_task(task.id, answer, "operator")
    return about


@pytest.mark.parametrize("customer", [2, 37])
def test_RIGHT_1_RIGHT_18_one_request_over_six_stores(
    world: Everywhere, controller: Controller, tmp_path: Path, customer: int
) -> None:
    """RIGHT-1, RIGHT-18, PI-3, RET-11: found, answered, erased everywhere; others untouched."""
    ((email,),) = sqlite_rows(
        world.file, "SELECT Email FROM Customer WHERE CustomerId = ?", customer
    )
    given = Request(people=((parse(f"email={str(email).upper()}"),),), override="test")

    # — access: equal to hand-written SQL in every store —
    first = rights.access(controller, given, NOW, out=tmp_path / "waits.zip")
    assert (first.complete, [s for s, _ in first.unreached]) == (False, ["agency"])
    asked = {"email": str(email), "list": "weekly"}
    assert str(email).lower() in _answered(controller, asked).lower()
    again = Request(people=(), case=first.case)
    whole = rights.access(controller, again, NOW, out=tmp_path / "whole.zip")
    assert whole.complete
    with zipfile.ZipFile(tmp_path / "whole.zip") as package:
        packed = {
            name.removeprefix("data/").removesuffix(".json"): json.loads(package.read(name))
            for name in package.namelist()
            if name.startswith("data/") and name.endswith(".json")
        }
    hers = {
        "crm.contact": world.by_hand(f"{_CONTACTS} WHERE CustomerId = {customer}"),
        "crm.ticket": world.by_hand(f"{_TICKETS} WHERE CustomerId = {customer}"),
        "lake.play": world.by_hand(f"{_PLAYS} WHERE c.CustomerId = {customer}"),
        "agency.subscribers": [{"who": None, **asked}],
    }
    for system, shop in world.copies.items():
        for table in TABLES:
            rows = _as_handed_out(shop.sql(_OWN[table].format(id=customer)))
            hers[f"{system}.{shop.name(table)}"] = rows
    assert {name for name in packed if not name.startswith("kept.")} == set(hers)
    told = {f"{s.store}.{s.dataset}": s.counts.found for s in whole.steps if s.store != "own"}
    for name, rows in hers.items():
        assert rows
        assert _same(packed[name], rows), name
        assert told[name] == len(rows), name

    # — erasure: what a law keeps stays in three stores, all else goes in six —
    before = {s: shop.everything() for s, shop in world.copies.items()}
    own = {
        (s, t): {row[shop.name(f"{t}Id")] for row in shop.sql(_OWN[t].format(id=customer))}
        for s, shop in world.copies.items()
        for t in TABLES
    }
    plays = world.plays()
    remote = {name: list(rows) for name, rows in world.crm.rows.items()}
    waits = rights.erase(controller, given, NOW)
    assert not waits.complete
    assert {s.store for s in waits.steps if not s.settled} == {"agency"}
    assert str(email).lower() in _answered(controller).lower()
    done = rights.erase(controller, Request(people=(), case=waits.case), NOW)
    assert done.complete
    assert [s.store for s in done.steps if s.word] == ["agency"]
    for system, shop in world.copies.items():
        after = shop.everything()
        for table in TABLES:
            mine = own[system, table]
            stays = set(before[system][table]) - (mine if table == "Customer" else set())
            assert set(after[table]) == set(before[system][table])
            assert {k: after[table][k] for k in stays} == {
                k: before[system][table][k] for k in stays
            }, (system, table)
        row = shop.sql(f"SELECT * FROM Customer WHERE CustomerId = {customer}")[0]
        known = {shop.name("CustomerId"), shop.name("SupportRepId")}
        assert {v for k, v in row.items() if k not in known} == {
            None, "erased", f"erased-{customer}@erased.invalid",
        }  # fmt: skip
    gone = Counter(json.dumps(row, sort_keys=True) for row in hers["lake.play"])
    assert world.plays() == plays - gone
    assert gone
    for name, field in (("contact", "id"), ("ticket", "contact_id")):
        assert world.crm.rows[name] == [r for r in remote[name] if r[field] != customer]
    kept = {s.store for s in done.steps if s.action is Action.RETAIN}
    assert kept == set(COPIES)
    assert all(s.reason and s.reason.until and s.reason.law for s in done.steps
               if s.action is Action.RETAIN)  # fmt: skip

    # — and once more: only what the law keeps is found, by the way back alone —
    last = rights.access(controller, given, NOW, out=tmp_path / "last.zip")
    found = {(s.store, s.dataset): s.counts for s in last.steps if s.counts.found}
    assert {place[0] for place in found} - {"kept"} == set(COPIES)
    assert all(c.retained == c.found for (s, _), c in found.items() if s != "kept")
