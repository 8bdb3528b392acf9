# ruff: noqa: E501 — the map is easier to read with one field a line
"""A shop that brings lists in: the small world of tests/world.py with a table for each import."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from kept import deployment
from kept.controller import Controller
from kept.duties.collect import importing
from kept.duties.collect.importing import Delivery
from kept.records.imported import Run
from tests.world import NOW, edit, make, sql

EXTRA = """
[recipients.windowworks]
title = "Windowworks Ltd"
lane = "co-marketing"
policy = "https://windowworks.example/privacy"

[recipients.deskline]
title = "Deskline"
lane = "co-marketing"
policy = "https://deskline.example/privacy"

[documents."agreement:windowworks"]
signer = "Jo"
date = 2026-01-31
file = "agreement.md"

[documents."assessment:facts-from-providers"]
signer = "Jo"
date = 2026-01-31
file = "agreement.md"

[documents."assessment:facts-from-the-public-web"]
signer = "Jo"
date = 2026-01-31
file = "agreement.md"

[documents."agreement:provider"]
signer = "Jo"
date = 2026-01-31
file = "agreement.md"

[imports.partner-leads]
dataset = "shop.lead"
sources = ["windowworks", "deskline"]
stamps = {basis = "basis", activity = "activity", source = "source", date = "given", mark = "mark", at = "at"}

[imports.provider-facts]
dataset = "shop.fact"
sources = ["provider"]
fields = {address = "url"}
stamps = {basis = "basis", source = "source", date = "given", mark = "mark", at = "at"}

[imports.public-facts]
dataset = "shop.found"
sources = ["organisation"]
stamps = {basis = "basis", source = "source", address = "url", date = "seen", mark = "mark", at = "at"}
"""
TABLES = (
    """CREATE TABLE lead (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, company TEXT, country TEXT,
    event TEXT NOT NULL, note TEXT, agreed_on TEXT, agreed_to TEXT, agreed_at TEXT,
    score TEXT, basis TEXT, activity TEXT, source TEXT, given TEXT, mark TEXT UNIQUE,
    at TEXT NOT NULL
)""",
    """CREATE TABLE fact (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, job_title TEXT, industry TEXT, employees INTEGER,
    url TEXT, basis TEXT, source TEXT, given TEXT, mark TEXT UNIQUE, at TEXT NOT NULL
)""",
    """CREATE TABLE found (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, fact TEXT NOT NULL, source TEXT, url TEXT,
    seen TEXT, basis TEXT, mark TEXT UNIQUE, at TEXT NOT NULL
)""",
)
MAPPED = """  lead:
    title: Leads
    key: [id]
    origin: others
    retention: partner-leads
    clock: at
    activities: [partner-leads]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      name: {category: contact.name}
      company: {category: contact.company}
      country: {category: partner-lead}
      event: {category: partner-lead, nullable: false, overwrite: erased}
      note: {category: partner-lead, free_text: true}
      agreed_on: {type: date, category: partner-lead}
      agreed_to: {category: partner-lead}
      agreed_at: {category: partner-lead}
      score: {category: interest-event}
      basis: {stamp: basis}
      activity: {origin: own}
      source: {origin: own}
      given: {type: date}
      mark: {origin: own}
      at: {type: datetime, nullable: false}
  fact:
    title: Facts of providers
    key: [id]
    origin: others
    retention: enrichment
    clock: at
    activities: [facts-from-providers]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      job_title: {category: enrichment}
      industry: {category: enrichment}
      employees: {type: integer, category: enrichment}
      url: {category: enrichment}
      basis: {stamp: basis}
      source: {origin: own}
      given: {type: date}
      mark: {origin: own}
      at: {type: datetime, nullable: false}
"""
MAPPED += """  found:
    title: What stands on the internet
    key: [id]
    origin: others
    retention: public-web
    clock: at
    activities: [facts-from-the-public-web]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      fact: {category: public-web, free_text: true, nullable: false, overwrite: erased}
      source: {category: public-web}
      url: {category: public-web}
      seen: {type: date, category: public-web}
      basis: {stamp: basis}
      mark: {origin: own}
      at: {type: datetime, nullable: false}
"""
HEAD = "E-mail,Full name,Company,Country,Event,Notes,Opt-in,agreed_on,agreed_to,agreed_at"
GIVEN = dt.date(2026, 11, 20)


def shop(directory: Path, database: str) -> Path:
    """The deployment; nothing is brought in yet."""
    return equip(make(directory, database))


def equip(directory: Path) -> Path:
    """Let a deployment of tests/world.py bring lists in."""
    with (directory / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(EXTRA)
    (directory / "agreement.md").write_text("They tell people that they give it to us.\n", "utf-8")
    for table in TABLES:
        sql(directory, table)
    edit(directory / "shop.yml", "  note:\n", MAPPED + "  note:\n")
    return directory


def lead(
    email: str, *, name: str = "Lea", event: str = "Fair", note: str = "", agreed: str = "yes",
    on: str = "2026-11-02", to: str = "v3 of the fair's form", at: str = "https://fair.example/form",
    country: str = "DE",
) -> str:  # fmt: skip
    """A line of HEAD, with a consent that is proved."""
    cells = (email, name, "Works", country, event, note, agreed, on, to, at)
    return ",".join(f'"{cell}"' if "," in cell else cell for cell in cells)


def written(directory: Path, *lines: str, head: str = HEAD, name: str = "leads.csv") -> Path:
    """A list as a file."""
    file = directory / name
    file.write_text("\n".join([head, *lines, ""]), "utf-8")
    return file


def brought(
    controller: Controller, file: Path, import_: str = "partner-leads",
    source: str | None = "windowworks", now: dt.datetime = NOW,
) -> Run:  # fmt: skip
    """The list, brought in."""
    delivery = Delivery(file, import_, source, GIVEN)
    return importing.bring(controller, delivery, controller.actors.of("Jo", "operator", now), now)


def looked(
    controller: Controller, file: Path, import_: str = "partner-leads",
    source: str | None = "windowworks", now: dt.datetime = NOW,
) -> list[importing.Judged]:  # fmt: skip
    """What would become of its lines."""
    return list(importing.look(controller, Delivery(file, import_, source, GIVEN), now))


def opened(directory: Path) -> Controller:
    """The deployment at work."""
    return Controller.open(deployment.read(directory))
