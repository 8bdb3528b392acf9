"""A town of people over five stores, and by hand what each request leaves of them.

The shop is PostgreSQL, the desk MariaDB, the archive SQLite, what was played lies in Parquet
files, contacts with a service over HTTP. Everybody has rows of every kind, told apart by a
number; what is expected is written down here without any of Kept's code.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql

from tests.stores.engines import opened
from tests.stores.vendor import Vendor
from tests.world import NOW, REFERENCE

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = dict[str, dict[int, Row]]

SHOP = """
system: shop
title: Shop
country: US
datasets:
  customer:
    key: [id]
    retention: account
    clock: since
    activities: [account, service]
    fields:
      id: {type: integer, category: identifier.account, identifies: account, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      name: {category: contact.name, nullable: false, overwrite: erased}
      phone: {category: contact.phone, identifies: phone}
      since: {type: datetime, nullable: false}
  invoice:
    key: [id]
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
  receipt:
    key: [id]
    retention: transactions-paid
    clock: at
    activities: [payment]
    stays: isolated
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
      words: {category: transaction.paid}
      at: {type: datetime, nullable: false}
  letters:
    key: [id]
    retention: marketing-preferences
    activities: [newsletter]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false}
      basis: {stamp: basis}
"""  # noqa: E501
DESK = """
system: desk
title: Support desk
country: US
datasets:
  ticket:
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      sender: {category: contact.email, identifies: email}
      words: {category: support-case}
  visit:
    key: [id]
    retention: support-cases
    activities: [support]
    erase: anonymise
    k: 3
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email}
      name: {category: contact.name, nullable: false, overwrite: nobody}
      town: {category: support-case, anonymise: prefix-2}
  post:
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      author: {category: contact.email, identifies: email}
      words: {category: support-case, free_text: redact}
  bill:
    key: [id]
    retention: transactions-paid
    clock: at
    activities: [payment]
    stays: isolated
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
      words: {category: transaction.paid}
      at: {type: datetime, nullable: false}
  claim:
    key: [id]
    retention: transactions-paid
    clock: at
    activities: [payment]
    stays: in-place
    erase: anonymise
    k: 3
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
      name: {category: contact.name, nullable: false, overwrite: nobody}
      at: {type: datetime}
"""
ARCHIVE = """
system: archive
title: Archive
country: US
datasets:
  note:
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      about: {category: contact.email, identifies: email, nullable: false}
      words: {category: support-case}
  lead:
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email, nullable: false}
      who: {category: contact.name}
"""
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
  sale:
    key: [id]
    retention: transactions-paid
    clock: at
    activities: [payment]
    stays: isolated
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
      at: {type: datetime, nullable: false}
"""
CRM = """
system: crm
title: Customer relations
country: US
datasets:
  contact:
    key: [id]
    retention: contact
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email}
      stage: {category: contact}
"""
CRM_HTTP = """
auth: {header: Authorization, value: "Bearer {secret}"}
idempotency: Idempotency-Key
limits: {rate: 100000, timeout: 20, retries: 1, wait: 2}
datasets:
  contact:
    read:
      - {by: id, path: "/contacts/{id}", records: /data, none: [404]}
      - {by: email, folded: true, path: /contacts, query: {email: "{email}"}, records: /items,
         paging: {kind: cursor, at: /next, query: cursor}}
      - {path: /contacts, records: /items, paging: {kind: cursor, at: /next, query: cursor}}
    erase: {path: "/contacts/{id}", gone: [404]}
"""
#: People who are written to: the one system that nothing can be read back from.
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
"""
AGENCY_SYSTEM = """
[systems.agency]
store = "mailbox"
url = "letters"
mode = "act"
map = "agency.yml"
[systems.agency.options]
days = 10
remind = 3
"""
MAPS = {"shop": SHOP, "desk": DESK, "archive": ARCHIVE, "lake": LAKE, "crm": CRM}
STORES = {"shop": "postgresql", "desk": "mariadb", "archive": "sqlite", "lake": "parquet",
          "crm": "http"}  # fmt: skip
#: Table → its columns, in each relational store.
COLUMNS = {
    "shop.customer": "id, email, name, phone, since",
    "shop.invoice": "id, customer, total, at",
    "shop.receipt": "id, mail, words, at",
    "shop.letters": "id, email, basis",
    "desk.ticket": "id, sender, words",
    "desk.visit": "id, email, name, town",
    "desk.post": "id, author, words",
    "desk.bill": "id, mail, words, at",
    "desk.claim": "id, mail, name, at",
    "archive.note": "id, about, words",
    "archive.lead": "id, mail, who",
}
SCHEMA = {
    "shop": """
CREATE TABLE customer (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    phone TEXT, since TIMESTAMP NOT NULL);
CREATE TABLE invoice (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customer,
    total TEXT NOT NULL, at TIMESTAMP NOT NULL);
CREATE TABLE receipt (id INTEGER PRIMARY KEY, mail TEXT, words TEXT, at TIMESTAMP NOT NULL);
CREATE TABLE letters (id INTEGER PRIMARY KEY, email TEXT NOT NULL, basis TEXT);""",
    "desk": """
CREATE TABLE ticket (id INTEGER PRIMARY KEY, sender TEXT, words TEXT);
CREATE TABLE visit (id INTEGER PRIMARY KEY, email TEXT, name TEXT NOT NULL, town TEXT);
CREATE TABLE post (id INTEGER PRIMARY KEY, author TEXT, words TEXT);
CREATE TABLE bill (id INTEGER PRIMARY KEY, mail TEXT, words TEXT, at DATETIME NOT NULL);
CREATE TABLE claim (id INTEGER PRIMARY KEY, mail TEXT, name TEXT NOT NULL,
    at DATETIME);""",
    "archive": """
CREATE TABLE note (id INTEGER PRIMARY KEY, about TEXT NOT NULL, words TEXT);
CREATE TABLE lead (id INTEGER PRIMARY KEY, mail TEXT NOT NULL, who TEXT);""",
}
DESK_TABLES = ("ticket", "visit", "post", "bill", "claim")
#: People in one file of the lake.
TOGETHER = 5
OLD = "2010-05-01 00:00:00"


def email(person: int) -> str:
    """Where one number ends in another, so that a search too wide meets somebody else."""
    return f"p{person}@example.org"


def phone(person: int) -> str:
    return f"+49 30 5{person:06}"


def named(person: int) -> str:
    return f"Pat O'Num-{person}"


def moment(person: int) -> dt.datetime:
    """When the request of this person is carried out: everybody has two days of her own."""
    return NOW + dt.timedelta(days=2 * person)


def _receipt_at(person: int) -> str:
    """What keeps her receipt ends between her request and that of the next."""
    end = (moment(person) + dt.timedelta(days=1)).date()
    if (end.month, end.day) == (2, 29):
        end += dt.timedelta(days=1)
    return f"{end.replace(year=end.year - 10)} 00:00:00"


def stays(person: int) -> bool:
    """Whether the law keeps an invoice of hers, and with it her emptied customer row."""
    return person % 3 != 0


def of(person: int) -> Rows:
    """All rows of one person, in every store."""
    mail, n = email(person), 10 * person
    recent = [(n + 1, person, "10.00", "2024-05-01 00:00:00")] if stays(person) else []
    rows: dict[str, list[Row]] = {
        "shop.customer": [(person, mail, named(person), phone(person), "2024-01-01 00:00:00")],
        "shop.invoice": [(n, person, "12.00", OLD), *recent],
        "shop.receipt": [
            (n, mail, f"paid by {mail}", _receipt_at(person)), (n + 1, mail, "old", OLD)
        ],
        "shop.letters": [(n, mail, "consent"), (n + 1, mail.upper(), "contract")],
        "desk.ticket": [(n, mail.upper(), "help\nme"), (n + 1, mail, "it's \\ odd")],
        "desk.visit": [(n, mail, named(person), "Berlin")],
        "desk.post": [(n, "staff@corp.example", f"Ask {mail}, or q{mail}.")],
        "desk.bill": [(n, mail, "paid by card", _receipt_at(person))],
        "desk.claim": [(n, mail, f"Holder {person}", _receipt_at(person))],
        "archive.note": [(n, mail.title(), "wrote"), (n + 1, mail, "called")],
        "archive.lead": [(n, mail, named(person))],
        "lake.play": [(n, mail, 7), (n + 1, mail.upper(), 8)],
        "lake.sale": [(n, mail, _receipt_at(person))],
        "crm.contact": [(person, mail.title(), "lead")],
    }  # fmt: skip
    return {table: {row[0]: row for row in hers} for table, hers in rows.items()}


#: (table, action) → (found, changed, retained, isolated).
Told: TypeAlias = dict[tuple[str, str], tuple[int, int, int, int]]


#: What a law keeps for a day longer than her request.
LATER = ("desk.bill", "desk.claim", "lake.sale")


def erased(person: int) -> tuple[Rows, Told]:
    """What is left of a person whose receipt still has to stay, and what is said of it."""
    n, hers = 10 * person, of(person)
    left: Rows = {table: {} for table in hers}
    told: Told = {
        (table, "delete"): (len(rows), len(rows), 0, 0)
        for table, rows in hers.items()
        if table not in ("shop.customer", "desk.visit", "desk.post", *LATER)
    }
    one = (1, 1, 0, 0)
    told |= {("shop.invoice", "delete"): one, ("shop.receipt", "delete"): one,
             ("shop.receipt", "isolate"): (1, 0, 0, 1), ("desk.visit", "anonymise"): one,
             ("desk.post", "redact"): one, ("desk.claim", "retain"): (1, 0, 1, 0)}  # fmt: skip
    told |= {(table, "isolate"): (1, 0, 0, 1) for table in ("desk.bill", "lake.sale")}
    action = "delete"
    if stays(person):
        action = "overwrite"
        left["shop.customer"][person] = (
            person, f"erased-{person}@erased.invalid", "erased", None, "2024-01-01 00:00:00",
        )  # fmt: skip
        left["shop.invoice"][n + 1] = hers["shop.invoice"][n + 1]
        told["shop.invoice", "retain"] = (1, 0, 1, 0)
    told["shop.customer", action] = one
    left["shop.receipt"][n] = (n, None, None, _receipt_at(person))
    left["desk.visit"][n] = (n, None, "nobody", None)
    left["desk.bill"][n] = (n, None, None, _receipt_at(person))
    left["desk.claim"] = hers["desk.claim"]
    left["lake.sale"][n] = (n, None, _receipt_at(person))
    left["desk.post"][n] = (n, "staff@corp.example", f"Ask [-], or q{email(person)}.")
    return left, told


def ended(person: int) -> tuple[Rows, Told]:
    """What is left once nothing keeps what a law kept of an erased person any more."""
    left, _ = erased(person)
    one = (1, 1, 0, 0)
    left |= {table: {} for table in ("shop.receipt", "desk.bill", "lake.sale")}
    n = 10 * person
    left["desk.claim"] = {n: (n, None, "nobody", None)}
    told: Told = {(t, "delete"): one for t in ("shop.receipt", "desk.bill", "lake.sale")}
    return left, told | {("desk.claim", "anonymise"): one}


def rectified(person: int, right: str) -> tuple[Rows, Told]:
    """With the name put right wherever the wrong one stood."""
    left = of(person)
    for table, at in (("shop.customer", 2), ("desk.visit", 2), ("archive.lead", 2)):
        left[table] = {k: (*r[:at], right, *r[at + 1 :]) for k, r in left[table].items()}
    one = (1, 1, 0, 0)
    return left, {("shop.customer", "overwrite"): one, ("desk.visit", "overwrite"): one,
                  ("archive.lead", "overwrite"): one}  # fmt: skip


def withdrawn(person: int) -> tuple[Rows, Told]:
    """Without what rested on her consent to letters alone."""
    left = of(person)
    del left["shop.letters"][10 * person]
    return left, {("shop.letters", "delete"): (1, 1, 0, 0)}


class Town:
    """The deployment in `directory`, and a way by hand into each of its stores."""

    def __init__(self, directory: Path, shop: str, desk: str, crm: Vendor) -> None:
        self.directory, self.crm = directory, crm
        self._read: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        self.urls = {
            "shop": shop, "desk": desk, "archive": f"sqlite:///{directory / 'archive.sqlite'}",
            "lake": "lake", "crm": crm.url,
        }  # fmt: skip

    def build(self, people: Sequence[int], database: str) -> None:
        """Write the deployment and fill the stores."""
        self.directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(REFERENCE, self.directory / "policy")
        text = f'bundle = "policy"\ndatabase = "{database}"\n\n'
        text += '[choices]\n"retention.invoices" = "P10Y"\n'
        for system, kind in STORES.items():
            (self.directory / f"{system}.yml").write_text(MAPS[system], "utf-8")
            text += f'\n[systems.{system}]\nstore = "{kind}"\nurl = "{self.urls[system]}"\n'
            text += f'mode = "act"\nmap = "{system}.yml"\n'
        text += '[systems.crm.options]\ndescribe = "crm.http.yml"\nsecret = "env:CRM_TOKEN"\n'
        (self.directory / "crm.http.yml").write_text(CRM_HTTP, "utf-8")
        (self.directory / "agency.yml").write_text(AGENCY, "utf-8")
        (self.directory / "kept.toml").write_text(text, "utf-8")
        self.fill(people)

    def fill(self, people: Sequence[int]) -> None:
        """Everything of these people and of nobody else."""
        rows = everybody(people)
        with self._postgres() as shop:
            if shop.execute("SELECT to_regclass('customer')").fetchone() == (None,):
                shop.execute(SCHEMA["shop"].encode())
            shop.execute("TRUNCATE customer, invoice, receipt, letters")
            with shop.cursor() as cursor:
                for table in ("customer", "invoice", "receipt", "letters"):
                    marks = ", ".join(["%s"] * len(COLUMNS[f"shop.{table}"].split(",")))
                    cursor.executemany(
                        f"INSERT INTO {table} VALUES ({marks})",
                        list(rows[f"shop.{table}"].values()),
                    )
        with opened(self.urls["desk"]) as desk, desk.cursor() as cursor:
            for statement in filter(str.strip, SCHEMA["desk"].split(";")):
                cursor.execute(statement.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
            for table in DESK_TABLES:
                cursor.execute(f"DELETE FROM {table}")
                marks = ", ".join(["%s"] * len(COLUMNS[f"desk.{table}"].split(",")))
                cursor.executemany(
                    f"INSERT INTO {table} VALUES ({marks})", list(rows[f"desk.{table}"].values())
                )
            desk.commit()
        with closing(sqlite3.connect(self.directory / "archive.sqlite")) as archive, archive:
            if not archive.execute("SELECT 1 FROM sqlite_master").fetchone():
                archive.executescript(SCHEMA["archive"])
            for table in ("note", "lead"):
                archive.execute(f"DELETE FROM {table}")
                archive.executemany(
                    f"INSERT INTO {table} VALUES (?, ?, ?)", rows[f"archive.{table}"].values()
                )
        shutil.rmtree(self.directory / "lake", ignore_errors=True)
        for name in ("play", "sale"):
            (self.directory / "lake" / name).mkdir(parents=True)
        files: dict[str, list[dict[str, Any]]] = {}
        for key, mail, track in rows["lake.play"].values():
            row = {"id": key, "mail": mail, "track": track}  # everybody in two files
            files.setdefault(f"play/{key // 10 // TOGETHER}-{key % 2}", []).append(row)
        for key, mail, at in rows["lake.sale"].values():
            row = {"id": key, "mail": mail, "at": dt.datetime.fromisoformat(at)}
            files.setdefault(f"sale/{key // 10 // TOGETHER}", []).append(row)
        for name, part in files.items():
            pq.write_table(pa.Table.from_pylist(part), self.directory / "lake" / f"{name}.parquet")
        self.crm.page = 1000
        contacts = rows["crm.contact"].values()
        self.crm.fill({"contact": [{"id": i, "email": e, "stage": s} for i, e, s in contacts]})

    def actual(self) -> Rows:
        """Every row of every store, read by hand."""
        found: Rows = {}
        with self._postgres() as shop:
            shop.execute("SET timezone = 'UTC'")
            for table in ("customer", "invoice", "receipt", "letters"):
                columns = COLUMNS[f"shop.{table}"]
                rows = shop.execute(f"SELECT {columns} FROM {table}".encode()).fetchall()
                found[f"shop.{table}"] = {r[0]: tuple(map(_plain, r)) for r in rows}
        with opened(self.urls["desk"]) as desk, desk.cursor() as cursor:
            for table in DESK_TABLES:
                cursor.execute(f"SELECT {COLUMNS[f'desk.{table}']} FROM {table}")
                found[f"desk.{table}"] = {r[0]: tuple(map(_plain, r)) for r in cursor.fetchall()}
        with closing(sqlite3.connect(self.directory / "archive.sqlite")) as archive:
            for table in ("note", "lead"):
                rows = archive.execute(f"SELECT {COLUMNS[f'archive.{table}']} FROM {table}")
                found[f"archive.{table}"] = {r[0]: r for r in rows}
        for table, columns in (("play", ("id", "mail", "track")), ("sale", ("id", "mail", "at"))):
            met: list[Mapping[str, Any]] = []
            for path in sorted((self.directory / "lake" / table).glob("*.parquet")):
                met += self._rows(path)
            assert len({p["id"] for p in met}) == len(met), "a row of the lake is there twice"
            found[f"lake.{table}"] = {p["id"]: tuple(_plain(p[c]) for c in columns) for p in met}
        with self.crm.lock:
            contacts = list(self.crm.rows["contact"])
        found["crm.contact"] = {c["id"]: (c["id"], c["email"], c["stage"]) for c in contacts}
        return found

    def _rows(self, path: Path) -> list[dict[str, Any]]:
        """The rows of a file; read once for each content, for most of them never change."""
        met = path.stat()
        at = (path.name, path.parent.name, met.st_ino, met.st_mtime_ns, met.st_size)
        if at not in self._read:
            self._read[at] = pq.ParquetFile(path).read().to_pylist()
        return self._read[at]

    @contextmanager
    def _postgres(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.urls["shop"]) as connection:
            yield connection

    def answers(self) -> bool:
        """Whether both servers of the company take connections."""
        try:
            with self._postgres():
                opened(self.urls["desk"]).close()
        except (psycopg.Error, pymysql.Error):
            return False
        return True


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, dt.datetime) else value


def everybody(people: Sequence[int]) -> Rows:
    """The rows of many, in one."""
    rows: Rows = {table: {} for table in of(1)}
    for person in people:
        for table, hers in of(person).items():
            rows[table].update(hers)
    return rows


def owner(table: str, key: int) -> int:
    """Whose row it is."""
    return key if table in ("shop.customer", "crm.contact") else key // 10


def replaced(rows: Rows, person: int, left: Rows) -> Rows:
    """`rows` with what is `left` of one person in place of what there was."""
    return {
        table: {k: r for k, r in there.items() if owner(table, k) != person} | left[table]
        for table, there in rows.items()
    }


def others(rows: Rows, person: int | None) -> Rows:
    """The rows that are not this person's."""
    return {
        table: {k: r for k, r in there.items() if owner(table, k) != person}
        for table, there in rows.items()
    }


def differing(one: Rows, two: Rows) -> list[str]:
    """Which rows differ, with what stands there: people of the town are nobody's data."""
    return [
        json.dumps([table, key, one[table].get(key), two[table].get(key)], default=str)
        for table in one
        for key in sorted({*one[table], *two[table]})
        if one[table].get(key) != two[table].get(key)
    ]
