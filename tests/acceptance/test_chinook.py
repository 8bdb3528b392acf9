"""Access and erasure over the Chinook music shop, on every engine, against hand-written SQL."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request
from kept.errors import KeptError
from kept.terms.identifiers import parse
from tests.acceptance import chinook
from tests.acceptance.chinook import needs_chinook, snake
from tests.stores.engines import opened

pytestmark = needs_chinook

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
ENGINES = ("postgresql", "sqlite", "mariadb")
TABLES = ("Customer", "Invoice", "InvoiceLine")

#: The oracle: what is a customer's, by hand, with the e-mail address as it stands in the table.
_OWN = {
    "Customer": "SELECT * FROM Customer WHERE CustomerId = {id}",
    "Invoice": "SELECT * FROM Invoice WHERE CustomerId = {id}",
    "InvoiceLine": "SELECT l.* FROM InvoiceLine l JOIN Invoice i ON i.InvoiceId = l.InvoiceId"
    " WHERE i.CustomerId = {id}",
}


class Shop:
    """A deployment over a fresh shop, and a second, independent way into its rows."""

    def __init__(self, engine: str, directory: Path, url: str) -> None:
        self.engine, self.directory, self.url = engine, directory, url

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """Rows by a statement in the spelling of the SQLite form."""
        if self.engine == "sqlite":
            connection = sqlite3.connect(self.url.removeprefix("sqlite:///"))
            try:
                cursor = connection.execute(statement)
                names = [c[0] for c in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor]
            finally:
                connection.close()
        if self.engine == "mariadb":
            with opened(self.url) as maria, maria.cursor() as asked:
                asked.execute(statement)
                names = [c[0] for c in asked.description]
                return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]
        words = set(TABLES) | {c for t in TABLES for c in self._columns(t)}
        for word in sorted(words, key=len, reverse=True):
            statement = statement.replace(word, snake(word))
        with psycopg.connect(self.url) as connection:
            cursor = connection.execute(statement.encode())
            assert cursor.description
            names = [c.name for c in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def _columns(self, table: str) -> list[str]:
        known = {
            "Customer": ["CustomerId", "Email", "FirstName", "LastName"],
            "Invoice": ["InvoiceId", "CustomerId", "InvoiceDate"],
            "InvoiceLine": ["InvoiceLineId", "InvoiceId"],
        }
        return known[table]

    def name(self, word: str) -> str:
        return snake(word) if self.engine == "postgresql" else word

    def everything(self) -> dict[str, dict[Any, bytes]]:
        """Table → key → all bytes of the row, for every row there is."""
        found: dict[str, dict[Any, bytes]] = {}
        for table in TABLES:
            key = self.name(f"{table}Id")
            found[table] = {
                row[key]: repr(sorted(row.items())).encode()
                for row in self.sql(f"SELECT * FROM {table}")
            }
        return found


@pytest.fixture(params=ENGINES)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    engine = request.param
    directory = tmp_path / "deployment"
    url = None
    if engine != "sqlite":
        server = {"postgresql": "fresh_pg_url", "mariadb": "fresh_maria_url"}[engine]
        url = request.getfixturevalue(server)
    chinook.deploy(directory, engine, url)
    where = url or f"sqlite:///{directory / 'shop.sqlite'}"
    chinook.toml(directory, engine, where, request.getfixturevalue("kept_url"))
    return Shop(engine, directory, where)


@pytest.fixture
def controller(shop: Shop) -> Iterator[Controller]:
    with Controller.open(deployment.read(shop.directory)) as opened:
        yield opened


def _ask(text: str) -> Request:
    return Request(people=((parse(text),),), override="test")


def _packed(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Dataset → its rows in the package; the manifest is checked on the way."""
    with zipfile.ZipFile(path) as package:
        manifest = json.loads(package.read("manifest.json"))
        for name, told in manifest["files"].items():
            assert hashlib.sha256(package.read(name)).hexdigest() == told["sha256"]
        return {
            name.removeprefix("data/").split(".")[1]: json.loads(package.read(name))
            for name in package.namelist()
            if name.startswith("data/") and name.endswith(".json")
        }


STAFF = "a member of staff"


def _as_packed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from kept.duties.rights.tables import plain

    return [{k: plain(v) for k, v in row.items()} for row in rows]


def _as_handed_out(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Who looks after her is said by what they are to her, never by their number."""
    return [
        {n: STAFF if n.replace("_", "").lower() == "supportrepid" else v for n, v in row.items()}
        for row in _as_packed(rows)
    ]


def _same(met: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    # SQLite keeps dates as text: a moment may stand with a blank or a T in the middle.
    def form(rows: list[dict[str, Any]]) -> list[str]:
        spelt = []
        for row in rows:
            row = {k: _number(v) for k, v in row.items()}
            spelt.append(json.dumps(row, sort_keys=True, default=str).replace("T00:", " 00:"))
        return sorted(spelt)

    return form(met) == form(wanted)


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, (int, float, str)) else value
    except ValueError:
        return value


@pytest.mark.parametrize("customer", [1, 2, 37, 59])
def test_RIGHT_1_access_equals_hand_written_sql(
    shop: Shop, controller: Controller, tmp_path: Path, customer: int
) -> None:
    """RIGHT-1, PI-3: the package holds the person's rows, none missing, none of another."""
    email = shop.sql(f"SELECT Email FROM Customer WHERE CustomerId = {customer}")[0]
    given = f"email={next(iter(email.values())).upper()}"
    answer = rights.access(controller, _ask(given), NOW, out=tmp_path / "pack.zip")
    assert answer.complete
    packed = _packed(tmp_path / "pack.zip")
    for table in TABLES:
        wanted = _as_handed_out(shop.sql(_OWN[table].format(id=customer)))
        assert wanted
        assert _same(packed[shop.name(table)], wanted), table
    assert shop.name("Employee") not in packed


@pytest.mark.parametrize("customer", [1, 26])
def test_RIGHT_3_erasure_does_what_the_preview_said_and_nothing_else(
    shop: Shop, controller: Controller, tmp_path: Path, customer: int
) -> None:
    """RIGHT-3, RET-6, PI-3: the invoices stay by law, the customer goes from her own row."""
    email = next(
        iter(shop.sql(f"SELECT Email FROM Customer WHERE CustomerId = {customer}")[0].values())
    )
    before = shop.everything()
    own = {
        t: {r[shop.name(f"{t}Id")] for r in shop.sql(_OWN[t].format(id=customer))} for t in TABLES
    }
    shown = rights.preview(controller, _ask(f"email={email}"), NOW)
    assert not shown.executed
    assert shop.everything() == before
    done = rights.erase(controller, _ask(f"email={email}"), NOW)
    assert done.complete
    assert [(s.dataset, s.action, s.counts) for s in shown.steps] == [
        (s.dataset, s.action, s.counts) for s in done.steps
    ]
    assert all(s.verified for s in done.steps)
    after = shop.everything()
    for table in TABLES:
        others = set(before[table]) - own[table]
        assert {k: after[table][k] for k in others} == {k: before[table][k] for k in others}
    for table in ("Invoice", "InvoiceLine"):
        assert {k: after[table][k] for k in own[table]} == {k: before[table][k] for k in own[table]}
    row = shop.sql(f"SELECT * FROM Customer WHERE CustomerId = {customer}")[0]
    personal = {
        k: v for k, v in row.items() if k not in map(shop.name, ("CustomerId", "SupportRepId"))
    }
    assert set(personal.values()) == {None, "erased", f"erased-{customer}@erased.invalid"}
    for step in done.steps:
        assert step.reason is not None
        assert step.reason.law
        assert step.reason.until is not None
        assert step.reason.clause in controller.bundle.clauses

    # A second access comes by the locator only, and shows only what is retained.
    second = rights.access(controller, _ask(f"email={email}"), NOW, out=tmp_path / "second.zip")
    packed = _packed(tmp_path / "second.zip")
    assert second.complete
    assert {len(packed[shop.name(t)]) for t in ("Customer",)} == {1}
    assert len(packed[shop.name("Invoice")]) == len(own["Invoice"])
    assert email.lower() not in json.dumps(packed, ensure_ascii=False).lower()
    # By her number she is found by the locator as well, and by nothing else.
    found = controller.locate([[parse(f"account={customer}")]])
    assert controller.keys(found) == {}
    # Again: nothing is left to change, and the answer says so.
    again = rights.erase(controller, _ask(f"email={email}"), NOW)
    assert again.complete
    assert shop.everything() == after


def test_nobody_is_found_and_nothing_is_made(
    shop: Shop, controller: Controller, tmp_path: Path
) -> None:
    """An identifier that matches nobody: a complete answer that says so, and no subject."""
    before = shop.everything()
    answer = rights.access(
        controller, _ask("email=nobody@example.org"), NOW, out=tmp_path / "p.zip"
    )
    assert answer.complete
    assert sum(s.counts.found for s in answer.steps) == 0
    erased = rights.erase(controller, _ask("email=nobody@example.org"), NOW)
    assert erased.complete
    assert erased.steps == ()
    assert shop.everything() == before
    with controller.database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM subject").fetchone() == (0,)


def test_RIGHT_19_a_shared_mailbox_is_refused_before_anything_is_shown(
    shop: Shop, controller: Controller, tmp_path: Path
) -> None:
    """RIGHT-19: one address, two customers: no package, no change, no address in the message."""
    email = next(iter(shop.sql("SELECT Email FROM Customer WHERE CustomerId = 5")[0].values()))
    _write(shop, f"UPDATE Customer SET Email = '{email}' WHERE CustomerId = 6")
    before = shop.everything()
    for act in (
        lambda: rights.access(controller, _ask(f"email={email}"), NOW, out=tmp_path / "p.zip"),
        lambda: rights.erase(controller, _ask(f"email={email}"), NOW),
    ):
        with pytest.raises(KeptError, match="leads to 2 records") as refused:
            act()
        assert email not in str(refused.value)
    assert not (tmp_path / "p.zip").exists()
    assert shop.everything() == before


def _write(shop: Shop, statement: str) -> None:
    if shop.engine == "sqlite":
        connection = sqlite3.connect(shop.url.removeprefix("sqlite:///"))
        with connection:
            connection.execute(statement)
        connection.close()
        return
    if shop.engine == "mariadb":
        with opened(shop.url) as maria, maria.cursor() as cursor:
            cursor.execute(statement)
            maria.commit()
        return
    for word in ("CustomerId", "Customer", "Email"):
        statement = statement.replace(word, snake(word))
    with psycopg.connect(shop.url) as connection:
        connection.execute(statement.encode())


def test_RIGHT_1_who_came_back_gets_both_what_is_retained_and_what_is_new(
    shop: Shop, controller: Controller, tmp_path: Path
) -> None:
    """RIGHT-1: retained and living rows of one dataset stand in one file, none of them lost."""
    email = next(iter(shop.sql("SELECT Email FROM Customer WHERE CustomerId = 1")[0].values()))
    assert rights.erase(controller, _ask(f"email={email}"), NOW).complete
    _write(shop, f"UPDATE Customer SET Email = '{email}' WHERE CustomerId = 7")
    out = tmp_path / "back.zip"
    assert rights.access(controller, _ask(f"email={email}"), NOW, out=out).complete
    with zipfile.ZipFile(out) as package:
        assert len(package.namelist()) == len(set(package.namelist()))
    keys = {row[shop.name("CustomerId")] for row in _packed(out)[shop.name("Customer")]}
    assert keys == {1, 7}
