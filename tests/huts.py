# ruff: noqa: E501 — the maps are easier to read with one field a line
"""A small world under the second bundle: mountain huts, members in PostgreSQL, huts in SQLite.

Unlike `tests.world` in all that it can be: numbers of members are texts, the huts know people by
those numbers and by what the register says, one company is two systems.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from tests.world import ROOT

BUNDLE = ROOT / "policies" / "huettenbund"

OFFICE = """
CREATE TABLE mitglied (nr varchar(12) PRIMARY KEY, name text NOT NULL, rufname text, mail text NOT NULL UNIQUE, natel text, geboren date, sektion text, austritt timestamp);
CREATE TABLE spende (id bigint PRIMARY KEY, mitglied varchar(12) NOT NULL REFERENCES mitglied, betrag numeric(10,2) NOT NULL, am timestamp NOT NULL);
CREATE TABLE heft (mitglied varchar(12) REFERENCES mitglied, nummer int, PRIMARY KEY (mitglied, nummer));
INSERT INTO mitglied VALUES
 ('CH-0017', 'Seraina Caflisch', 'Serli vom Grat', 'seraina.caflisch@example.org', '+41 79 555 01 01', '1981-04-09', 'Prättigau', NULL),
 ('AT-0002', 'Severin Öhe', NULL, 'S.Oehe@example.org', NULL, '2012-02-29', 'Montafon', NULL),
 ('CH-0099', 'Beat Ronner', NULL, 'beat@example.org', NULL, NULL, 'Prättigau', '2020-01-31 00:00:00');
INSERT INTO spende VALUES (1, 'CH-0017', 50.00, '2025-12-06 00:00:00'), (2, 'CH-0017', 20.00, '2009-12-06 00:00:00'), (3, 'CH-0099', 5.00, '2026-01-01 00:00:00');
INSERT INTO heft VALUES ('CH-0017', 1), ('CH-0017', 2), ('AT-0002', 1);
"""
OFFICE_MAP = """
system: geschaeftsstelle
title: Office in the valley
country: CH
datasets:
  mitglied:
    title: Members
    key: [nr]
    origin: provided
    retention: list-of-members
    activities: [members, magazine]
    fields:
      nr: {category: identifier.account, identifies: account, nullable: false}
      name: {category: contact.name, identifies: name, nullable: false, overwrite: erased}
      rufname: {category: contact.name.called}
      mail: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{nr}@erased.invalid"}
      natel: {category: contact.phone, identifies: phone}
      geboren: {type: date, category: birth, origin: provided}
      sektion: {category: membership}
      austritt: datetime
  spende:
    title: Gifts
    key: [id]
    origin: provided
    retention: books
    clock: am
    activities: [gifts, books-of-gifts]
    stays: in-place
    fields:
      id: {type: integer, nullable: false}
      mitglied: {category: identifier.account, nullable: false}
      betrag: {type: decimal, category: gift, nullable: false, overwrite: "0"}
      am: {type: datetime, category: gift, nullable: false, overwrite: "1970-01-01"}
    links:
      - {fields: [mitglied], to: mitglied, on: [nr], kind: owned-by}
  heft:
    title: Magazines sent
    key: [mitglied, nummer]
    origin: provided
    retention: list-of-members
    activities: [magazine]
    fields:
      mitglied: {category: identifier.account, nullable: false}
      nummer: {type: integer, nullable: false, category: membership}
    links:
      - {fields: [mitglied], to: mitglied, on: [nr], kind: owned-by}
"""

HUTS = """
CREATE TABLE buchung (id INTEGER PRIMARY KEY, mail TEXT NOT NULL, name TEXT NOT NULL, nacht TEXT NOT NULL, basis TEXT);
CREATE TABLE meldeblatt (blatt TEXT PRIMARY KEY, mail TEXT NOT NULL UNIQUE, ausweis TEXT, ankunft TIMESTAMP NOT NULL);
CREATE TABLE kurs (id INTEGER PRIMARY KEY, mitglied TEXT NOT NULL, vormund TEXT, rufen TEXT, gesundheit TEXT);
CREATE TABLE huettenbuch (id INTEGER PRIMARY KEY, seite TEXT NOT NULL);
INSERT INTO buchung VALUES (1, 'Seraina.Caflisch@Example.org', 'S. Caflisch', '2026-07-11', 'contract'), (2, 's.oehe@example.org', 'Öhe', '2026-07-11', 'contract');
INSERT INTO meldeblatt VALUES ('G-1', 'seraina.caflisch@example.org', 'X0481516', '2026-07-11 18:00:00'), ('G-2', 'nobody@example.org', 'P9', '2026-07-12 17:00:00');
INSERT INTO kurs VALUES (1, 'CH-0017', NULL, '+41 79 555 09 09', 'asthma, has a spray'), (2, 'AT-0002', 'Ida Öhe', '+43 664 5550101', NULL);
INSERT INTO huettenbuch VALUES (1, 'Fog. Whoever finds a red glove: Serli vom Grat, seraina.caflisch@example.org, +41 79 555 01 01.'), (2, 'Clear. Nobody came.');
"""
HUTS_MAP = """
system: huetten
title: Terminals of the huts
country: AT
datasets:
  buchung:
    title: Bookings
    key: [id]
    origin: provided
    retention: bookings
    activities: [let-beds]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      name: {category: contact.name, nullable: false, overwrite: erased}
      nacht: {category: stay, origin: provided, nullable: false, overwrite: "-"}
      basis: {stamp: basis}
  meldeblatt:
    title: Register of guests
    key: [blatt]
    origin: provided
    retention: register-austria
    clock: ankunft
    activities: [register-of-guests]
    stays: isolated
    fields:
      blatt: {nullable: false}
      mail: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{blatt}@erased.invalid"}
      ausweis: {category: register.paper, origin: provided}
      ankunft: {type: datetime, category: register, origin: provided, nullable: false, overwrite: "1970-01-01"}
  kurs:
    title: Courses about avalanches
    key: [id]
    origin: provided
    retention: health-notes
    activities: [teach-courses, notes-about-health]
    fields:
      id: {type: integer, nullable: false}
      mitglied: {category: identifier.account, nullable: false, overwrite: "erased-{id}"}
      vormund: {category: contact.guardian}
      rufen: {category: contact.emergency}
      gesundheit: {category: health, origin: provided, free_text: redact}
    links:
      - {fields: [mitglied], to: mitglied, system: geschaeftsstelle, on: [nr], kind: owned-by}
  huettenbuch:
    title: Book of the hut
    key: [id]
    origin: provided
    retention: letters
    activities: [let-beds]
    fields:
      id: {type: integer, nullable: false}
      seite: {category: free-text, free_text: redact, nullable: false, overwrite: erased}
"""


def make(directory: Path, database: str, office: str, *, mode: str = "act") -> Path:
    """A deployment in `directory`; `office` is the URL of an empty PostgreSQL database."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(BUNDLE, directory / "policy")
    with psycopg.connect(office) as connection:
        connection.execute(OFFICE)
    with closing(sqlite3.connect(directory / "huetten.sqlite")) as huts:
        huts.executescript(HUTS)
    (directory / "office.yml").write_text(OFFICE_MAP, "utf-8")
    (directory / "huts.yml").write_text(HUTS_MAP, "utf-8")
    (directory / "kept.toml").write_text(
        f'bundle = "policy"\ndatabase = "{database}"\n\n'
        '[choices]\n"rescue.keep-report" = "P10Y"\n\n'
        f'[systems.geschaeftsstelle]\nstore = "postgresql"\nurl = "{office}"\nmode = "{mode}"\n'
        'map = "office.yml"\n\n'
        f'[systems.huetten]\nstore = "sqlite"\nurl = "sqlite:///{directory / "huetten.sqlite"}"\n'
        f'mode = "{mode}"\nmap = "huts.yml"\n',
        "utf-8",
    )
    return directory
