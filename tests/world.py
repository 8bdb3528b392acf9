# ruff: noqa: E501 — the map is easier to read with one field a line
"""A small world of our own: one SQLite shop, the reference bundle, everything real.

It needs nothing from outside the repository, so the laws and the controls run anywhere.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import sqlite3
from pathlib import Path

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "policies" / "interop.io"
NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)

#: What nobody can measure of a drive, on the word of a person.
VOUCHED = 'encryption = {by = "Jo", date = 2020-01-31, how = "LUKS"}'

#: And of a house: when somebody did it last.
DONE = """[measures]
updates = {by = "Jo", date = 2020-01-31, how = "all of them", days = 3650}
restore = {by = "Jo", date = 2020-01-31, how = "into an empty server", days = 3650}
"""

SCHEMA = """
CREATE TABLE customer (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, phone TEXT,
    since TEXT NOT NULL
);
CREATE TABLE signup (
    id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer, what TEXT NOT NULL,
    at TEXT NOT NULL, basis TEXT
);
CREATE TABLE invoice (
    id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer, total TEXT NOT NULL,
    at TEXT NOT NULL
);
CREATE TABLE note (
    id INTEGER PRIMARY KEY, about TEXT NOT NULL, words TEXT NOT NULL, at TEXT NOT NULL
);
"""
ROWS = """
INSERT INTO customer VALUES
    (1, 'ana@example.org', 'Ana O''Neill', '+49 30 123456', '2024-01-01 00:00:00'),
    (2, 'Ben@Example.org', 'Ben "B" Ünal', NULL, '2024-02-01 00:00:00'),
    (3, 'cleo@example.org', 'Cleo; DROP TABLE customer', NULL, '2024-03-01 00:00:00');
INSERT INTO signup VALUES
    (1, 1, 'trial', '2024-01-02 00:00:00', 'contract'), (2, 2, 'trial', '2024-02-02 00:00:00', 'contract');
INSERT INTO invoice VALUES
    (1, 1, '10.00', '2024-05-01 00:00:00'), (2, 1, '12.00', '2010-05-01 00:00:00'),
    (3, 2, '13.50', '2024-05-03 00:00:00');
INSERT INTO note VALUES
    (1, 'ANA@example.org', 'called', '2024-06-01 00:00:00'), (2, 'ben@example.org', 'wrote', '2024-06-02 00:00:00');
"""
MAP = """
system: shop
title: Shop
country: US
datasets:
  customer:
    title: Customers
    key: [id]
    origin: provided
    retention: account
    clock: since
    activities: [account, service]
    fields:
      id: {type: integer, category: identifier.account, identifies: account, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      name: {category: contact.name, nullable: false, overwrite: erased}
      phone: {category: contact.phone, identifies: phone}
      since: {type: datetime, nullable: false}
  signup:
    title: Trials
    key: [id]
    origin: provided
    retention: transactions-free
    clock: at
    activities: [trial]
    fields:
      id: {type: integer, nullable: false}
      customer: {type: integer, category: identifier.account, nullable: false}
      what: {category: transaction.free, nullable: false, overwrite: erased}
      at: {type: datetime, nullable: false}
      basis: {stamp: basis}
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by}
  invoice:
    title: Invoices
    key: [id]
    origin: provided
    retention: transactions-paid
    clock: at
    activities: [payment]
    stays: in-place
    fields:
      id: {type: integer, nullable: false}
      customer: {type: integer, category: identifier.account, nullable: false}
      total: {category: transaction.paid, nullable: false, overwrite: erased}
      at: {type: datetime, category: transaction.paid, nullable: false, overwrite: "1970-01-01"}
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by}
  note:
    title: Notes
    key: [id]
    origin: provided
    retention: messages
    clock: at
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      about: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      words: {category: free-text, free_text: true, nullable: false, overwrite: erased}
      at: {type: datetime, nullable: false}
"""

#: The map of what a vendor holds who is asked by mail.
AGENCY = """
system: agency
title: Newsletter agency
country: US
datasets:
  subscribers:
    key: [who]
    retention: contact
    activities: [communicate]
    fields:
      who: {category: contact, nullable: false}
      email: {category: contact.email, identifies: email}
      list: {category: contact}
"""


def make(directory: Path, database: str, *, mode: str = "act", extra: str = "") -> Path:
    """A deployment in `directory`: its own copy of the bundle, a shop, a map. Returns it."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(REFERENCE, directory / "policy")
    connection = sqlite3.connect(directory / "shop.sqlite")
    connection.executescript(SCHEMA + ROWS)
    connection.close()
    (directory / "shop.yml").write_text(MAP, "utf-8")
    (directory / "kept.toml").write_text(
        f'bundle = "policy"\ndatabase = "{database}"\n\n'
        '[choices]\n"retention.invoices" = "P10Y"\n\n'
        '[recipients]\nurl = "notices"\n[recipients.provider]\ntitle = "The hosting house"\n'
        "recorded = false\n\n"
        '[systems.shop]\nstore = "sqlite"\n'
        f'url = "sqlite:///{directory / "shop.sqlite"}"\nmode = "{mode}"\nmap = "shop.yml"\n'
        f"{extra}",
        "utf-8",
    )
    return directory


def sql(directory: Path, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """A statement by hand on the shop, committed."""
    connection = sqlite3.connect(directory / "shop.sqlite")
    try:
        with connection:
            return connection.execute(statement, parameters).fetchall()
    finally:
        connection.close()


def edit(file: Path, before: str, after: str) -> None:
    """Replace `before`, which must be there, in a file of a deployment."""
    text = file.read_text("utf-8")
    assert before in text, file
    file.write_text(text.replace(before, after, 1), "utf-8")


def vouch(directory: Path, word: str = VOUCHED) -> None:
    """Say of every place of a deployment, and of Kept's own, what nobody can measure of it."""
    directory.chmod(0o700)
    file = directory / "kept.toml"
    said = f'owner = "Sales"\ndeclared = {{{word}}}\n'
    text = re.sub(r"(?m)^(\[systems\.\w+\]\n)", lambda m: m[1] + said, file.read_text("utf-8"))
    head, mark, rest = text.partition("[choices]")
    own = f'[own]\ncountry = "DE"\nowner = "Jo"\ndeclared = {{{word}}}\n\n{DONE}\n'
    file.write_text(f"{head}{own}{mark}{rest}", "utf-8")


#: The map of a system of its own that holds an address of hers, and what was worked out of her.
STATS = """
system: stats
title: Statistics
country: US
datasets:
  score:
    title: Scores
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email, nullable: false}
      worth: {category: statistics}
"""
