# ruff: noqa: E501 — the map is easier to read with one field a line
"""A shop that gives registrations to partners and addresses to networks: tests/forms.py with a
table for each, and the releases of them.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from kept.controller import Controller
from kept.duties import release
from kept.duties.release import Ran
from tests import forms
from tests.networks import SECRET
from tests.world import NOW, edit, sql

TABLES = (
    """CREATE TABLE registration (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, company TEXT, job_title TEXT,
    basis TEXT NOT NULL, activity TEXT NOT NULL, notice TEXT, at TEXT NOT NULL
)""",
    """CREATE TABLE reader (
    id INTEGER PRIMARY KEY, email TEXT NOT NULL, since TEXT NOT NULL, basis TEXT
)""",
)
MAPPED = """  registration:
    title: Registrations
    key: [id]
    origin: provided
    retention: marketing-preferences
    clock: at
    activities: [co-marketing]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      name: {category: contact.name}
      company: {category: contact.company}
      job_title: {category: contact.job}
      basis: {stamp: basis}
      activity: {origin: own}
      notice: {stamp: notice}
      at: {type: datetime, nullable: false}
  reader:
    title: Readers
    key: [id]
    origin: provided
    retention: cookies
    clock: since
    activities: [targeted-advertising]
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      since: {type: datetime, nullable: false}
      basis: {stamp: basis}
"""
STORED = f"""
[forms.webinar]
dataset = "shop.registration"
{forms.STAMPED}
[documents."agreement:windowworks"]
signer = "Jo"
date = 2020-01-31
file = "assessment.md"

[documents."agreement:deskline"]
signer = "Jo"
date = 2020-01-31
file = "assessment.md"
"""
PURPOSE = "advertising.targeted"


def release_of(name: str, to: str, url: str, **more: str) -> str:
    """A table of kept.toml; `more` takes the place of what stands in it, or is left out as ""."""
    rows = {
        "to": f'"{to}"', "activity": '"co-marketing"', "dataset": '"shop.registration"',
        "fields": '{email = "mail", name = "name"}', "url": f'"{url}/{name}"',
        "secret": f'"{SECRET}"', "ages": "{from = 18}",
    } | more  # fmt: skip
    return f"\n[releases.{name}]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items() if v)


def audience_of(name: str, to: str, url: str, **more: str) -> str:
    """As `release_of`, of an audience of readers."""
    rows = {
        "activity": '"targeted-advertising"', "dataset": '"shop.reader"', "fields": '["email"]',
        "context": '"preference-page"', "audience": f'"{name}"',
    } | more  # fmt: skip
    return release_of(name, to, url, **rows)


def shop(directory: Path, *tables: str) -> Path:
    """Let a deployment of tests/world.py take registrations and release them."""
    forms.equip(directory)
    with (directory / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(STORED + "".join(tables))
    for table in TABLES:
        sql(directory, table)
    edit(directory / "shop.yml", "  note:\n", MAPPED + "  note:\n")
    return directory


def audiences(directory: Path, url: str) -> Path:
    """`shop` with three audiences at two networks."""
    networks = (
        '\n[networks]\ngoogle = {country = "US", audiences = ["spring", "autumn"]}\n'
        'linkedin = {country = "US", audiences = ["managers"]}\n'
    )
    return shop(
        directory, networks, audience_of("spring", "google", url),
        audience_of("autumn", "google", url), audience_of("managers", "linkedin", url),
    )  # fmt: skip


def ran(controller: Controller, name: str, now: dt.datetime = NOW) -> Ran:
    """Run a release."""
    actor = controller.actors.of("Kim", "operator", now)
    return release.run(controller, name, actor, lambda: now)
