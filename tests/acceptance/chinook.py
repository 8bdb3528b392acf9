# ruff: noqa: E501 — the map is easier to read with one field a line
"""Deployments over the Chinook music shop, each in a fresh server or file.

The shop's data is not part of this repository; tests that need it are skipped without it.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import psycopg
import pytest

from tests.stores.engines import opened

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
DATA = SHARED / "data" / "chinook"
BUNDLE = ROOT / "policies" / "interop.io"

needs_chinook = pytest.mark.skipif(
    not DATA.exists(), reason="needs ../shared: the Chinook music shop"
)

_MAP = """
system: shop
title: Music shop
country: US
datasets:
  {Customer}:
    title: Customers
    key: [{CustomerId}]
    origin: provided
    retention: account
    activities: [service, account]
    fields:
      {CustomerId}: {{type: integer, category: identifier.account, identifies: account, nullable: false}}
      {FirstName}: {{type: text, category: contact.name, nullable: false, overwrite: erased}}
      {LastName}: {{type: text, category: contact.name, nullable: false, overwrite: erased}}
      {Company}: {{type: text, category: contact.company}}
      {Address}: {{type: text, category: contact.address}}
      {City}: {{type: text, category: contact.address}}
      {State}: {{type: text, category: contact.address}}
      {Country}: {{type: text, category: contact.address}}
      {PostalCode}: {{type: text, category: contact.address}}
      {Phone}: {{type: text, category: contact.phone, identifies: phone}}
      {Fax}: {{type: text, category: contact.phone}}
      {Email}: {{type: text, category: contact.email, identifies: email, nullable: false, overwrite: "erased-{{{CustomerId}}}@erased.invalid"}}
      {SupportRepId}: integer
    links:
      - {{fields: [{SupportRepId}], to: {Employee}, on: [{EmployeeId}], kind: accessed-by}}
  {Employee}:
    title: Staff
    key: [{EmployeeId}]
    retention: account
    activities: [service]
    erase: overwrite
    fields:
      {EmployeeId}: {{type: integer, nullable: false}}
      {LastName}: {{type: text, category: contact.name, nullable: false, overwrite: erased}}
      {FirstName}: {{type: text, category: contact.name, nullable: false, overwrite: erased}}
      {Title}: {{type: text, category: contact.job}}
      {ReportsTo}: integer
      {BirthDate}: {{type: datetime, category: contact}}
      {HireDate}: {{type: datetime, category: contact.job}}
      {Address}: {{type: text, category: contact.address}}
      {City}: {{type: text, category: contact.address}}
      {State}: {{type: text, category: contact.address}}
      {Country}: {{type: text, category: contact.address}}
      {PostalCode}: {{type: text, category: contact.address}}
      {Phone}: {{type: text, category: contact.phone}}
      {Fax}: {{type: text, category: contact.phone}}
      {Email}: {{type: text, category: contact.email, identifies: email}}
    links:
      - {{fields: [{ReportsTo}], to: {Employee}, on: [{EmployeeId}], kind: accessed-by}}
  {Invoice}:
    title: Invoices
    key: [{InvoiceId}]
    origin: provided
    retention: transactions-paid
    clock: {InvoiceDate}
    activities: [payment]
    fields:
      {InvoiceId}: {{type: integer, nullable: false}}
      {CustomerId}: {{type: integer, category: identifier.account, nullable: false}}
      {InvoiceDate}: {{type: datetime, category: transaction.paid, nullable: false}}
      {BillingAddress}: {{type: text, category: transaction.paid}}
      {BillingCity}: {{type: text, category: transaction.paid}}
      {BillingState}: {{type: text, category: transaction.paid}}
      {BillingCountry}: {{type: text, category: transaction.paid}}
      {BillingPostalCode}: {{type: text, category: transaction.paid}}
      {Total}: {{type: decimal, category: transaction.paid, nullable: false}}
    links:
      - {{fields: [{CustomerId}], to: {Customer}, on: [{CustomerId}], kind: owned-by}}
  {InvoiceLine}:
    title: Lines of invoices
    key: [{InvoiceLineId}]
    origin: provided
    retention: transactions-paid
    activities: [payment]
    fields:
      {InvoiceLineId}: {{type: integer, nullable: false}}
      {InvoiceId}: {{type: integer, category: transaction.paid, nullable: false}}
      {TrackId}: {{type: integer, category: transaction.paid, nullable: false}}
      {UnitPrice}: {{type: decimal, category: transaction.paid, nullable: false}}
      {Quantity}: {{type: integer, category: transaction.paid, nullable: false}}
    links:
      - {{fields: [{InvoiceId}], to: {Invoice}, on: [{InvoiceId}], kind: owned-by}}
"""

#: Tables without personal data, with their columns; named so that the map covers all.
_REST = {
    "Album": ("AlbumId", "Title", "ArtistId"),
    "Artist": ("ArtistId", "Name"),
    "Genre": ("GenreId", "Name"),
    "MediaType": ("MediaTypeId", "Name"),
    "Playlist": ("PlaylistId", "Name"),
    "PlaylistTrack": ("PlaylistId", "TrackId"),
    "Track": (
        "TrackId", "Name", "AlbumId", "MediaTypeId", "GenreId", "Composer", "Milliseconds",
        "Bytes", "UnitPrice",
    ),
}  # fmt: skip


def snake(name: str) -> str:
    """`InvoiceLineId` → `invoice_line_id`, as the PostgreSQL form of the shop spells it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def map_text(spell: object = str) -> str:
    """The map of the shop; `spell` turns a name of the SQLite form into that of the engine."""
    names = dict.fromkeys(re.findall(r"\{([A-Z][A-Za-z]+)\}", _MAP))
    spelt = {n: spell(n) for n in names}  # type: ignore[operator]
    text = _MAP
    for name, word in sorted(spelt.items(), key=lambda pair: -len(pair[0])):
        text = text.replace("{" + name + "}", word)
    text = text.replace("{{", "{").replace("}}", "}")
    for table, columns in _REST.items():
        words = [spell(c) for c in columns]  # type: ignore[operator]
        key = words[:2] if table == "PlaylistTrack" else words[:1]
        fields = "".join(f"      {w}: other\n" for w in words)
        text += f"  {spell(table)}:\n    key: [{', '.join(key)}]\n    erase: never\n"  # type: ignore[operator]
        text += f"    fields:\n{fields}"
    return text


def load_postgresql(url: str) -> None:
    """The shop in an empty PostgreSQL database."""
    script = (DATA / "Chinook_PostgreSql.sql").read_text("utf-8")
    script = re.sub(r"^(DROP DATABASE|CREATE DATABASE|\\c ).*$", "", script, flags=re.M)
    with psycopg.connect(url) as connection:
        connection.execute(script.encode())


def load_mariadb(url: str) -> None:
    """The shop in an empty MariaDB database."""
    script = (DATA / "Chinook_MySql.sql").read_text("utf-8-sig")
    script = re.sub(r"/\*.*?\*/", "", script, flags=re.S)
    script = re.sub(r"^(DROP DATABASE|CREATE DATABASE|USE ).*$", "", script, flags=re.M)
    with opened(url) as connection, connection.cursor() as cursor:
        for statement in re.split(r";\s*\n", script):
            if statement.strip():
                cursor.execute(statement)
        connection.commit()


def deploy(directory: Path, engine: str, url: str | None, mode: str = "act") -> Path:
    """A deployment directory over a fresh copy of the shop; `url` for servers."""
    directory.mkdir(parents=True, exist_ok=True)
    if engine == "postgresql":
        assert url is not None
        load_postgresql(url)
        spelling: object = snake
    elif engine == "mariadb":
        assert url is not None
        load_mariadb(url)
        spelling = str
    else:
        file = directory / "shop.sqlite"
        shutil.copyfile(DATA / "Chinook_Sqlite.sqlite", file)
        file.chmod(0o600)
        url, spelling = f"sqlite:///{file}", str
    (directory / "shop.yml").write_text(map_text(spelling), "utf-8")
    return directory


def toml(directory: Path, engine: str, url: str, database: str, mode: str = "act") -> None:
    """kept.toml of the deployment."""
    (directory / "kept.toml").write_text(
        f'bundle = "{BUNDLE}"\ndatabase = "{database}"\n\n'
        '[choices]\n"retention.invoices" = "P10Y"\n\n'
        f'[systems.shop]\nstore = "{engine}"\nurl = "{url}"\nmode = "{mode}"\nmap = "shop.yml"\n',
        "utf-8",
    )


def sqlite_rows(file: Path, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Rows by hand-written SQL."""
    connection = sqlite3.connect(file)
    try:
        return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()
