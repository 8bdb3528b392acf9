"""A shop that takes forms: the small world of tests/world.py with a table for what is sent.

`Visitor` is somebody's browser at Kept's own pages under /forms: it sends what the page on show
holds, and says whence it comes as browsers do.
"""

from __future__ import annotations

import datetime as dt
import html.parser
import urllib.parse
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.testing import TestClient

from kept.app import web
from kept.controller import Controller
from kept.duties.collect import storing, taking
from kept.duties.collect.taking import Answer, Sent
from tests.world import NOW, edit, make, sql

TOKEN = "a-token-for-tests"
SITE = "https://interop.io"
AT_TRIAL = "https://trial.shop.example"
OWN = "http://testserver.local"
STAMPED = 'stamps = {basis = "basis", activity = "activity", notice = "notice", at = "at"}\n'
EXTRA = f"""
[api]
token = "{TOKEN}"

[site]
shows = "live"

[origins]
"{AT_TRIAL}" = "{SITE}"

[forms.contact]
dataset = "shop.message"
constants = {{form = "contact"}}
{STAMPED}
[documents."assessment:communicate"]
signer = "Jo"
date = 2020-01-31
file = "assessment.md"

[recipients.windowworks]
title = "Windowworks Ltd"
lane = "co-marketing"
policy = "https://windowworks.example/privacy"
forms = ["webinar"]

[recipients.deskline]
title = "Deskline"
lane = "co-marketing"
policy = "https://deskline.example/privacy"
"""
TABLE = """CREATE TABLE message (
    id INTEGER PRIMARY KEY, form TEXT NOT NULL, email TEXT NOT NULL, message TEXT NOT NULL,
    name TEXT, company TEXT, job_title TEXT, phone TEXT, address TEXT,
    basis TEXT NOT NULL, activity TEXT NOT NULL, notice TEXT NOT NULL, at TEXT NOT NULL
)"""
MAPPED = """  message:
    title: Messages
    key: [id]
    origin: provided
    retention: messages
    clock: at
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      form: {nullable: false, origin: own}
      email: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      message: {category: free-text, free_text: true, nullable: false, overwrite: erased}
      name: {category: contact.name}
      company: {category: contact.company}
      job_title: {category: contact.job}
      phone: {category: contact.phone, identifies: phone}
      address: {category: contact.address}
      basis: {stamp: basis}
      activity: {origin: own}
      notice: {stamp: notice}
      at: {type: datetime, nullable: false}
"""  # noqa: E501 — one field a line


def shop(directory: Path, database: str) -> Path:
    """The deployment; nothing runs yet."""
    return equip(make(directory, database))


def equip(directory: Path) -> Path:
    """Let a deployment of tests/world.py take forms."""
    with (directory / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(EXTRA)
    (directory / "assessment.md").write_text("Whoever writes to us wants an answer.\n", "utf-8")
    sql(directory, TABLE)
    edit(directory / "shop.yml", "  note:\n", MAPPED + "  note:\n")
    return directory


def serving(controller: Controller, clock: Any = lambda: NOW) -> TestClient[Litestar]:
    """Kept's pages and API, in this process."""
    app = web.make(controller, token=TOKEN, shows="live", clock=clock)
    return TestClient(app, raise_server_exceptions=True)


def sent(
    controller: Controller, form: str, now: dt.datetime = NOW, *, origin: str = SITE,
    region: str = "unknown", **typed: str,
) -> Answer:  # fmt: skip
    """Send a form past the pages, as the company's program or Kept's page would."""
    shown = taking.prepared(controller, form, region, None)
    came = Sent([*typed.items()], origin, shown.hash, region)
    if storing.place_of(controller, form) is None:
        return taking.submit(controller, form, came, now)
    return storing.submit(controller, form, came, now)


class Fields(html.parser.HTMLParser):
    """What the form on a page holds before anybody touches it, as a browser would send it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self.boxes: dict[str, bool] = {}
        self.names: list[str] = []
        self.required: set[str] = set()
        self.links: list[str] = []
        self._text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {k: v or "" for k, v in attrs}
        if tag == "a":
            self.links.append(values.get("href", ""))
        name = values.get("name", "")
        if tag not in ("input", "textarea", "select") or not name:
            return
        self.names.append(name)
        if "required" in values:
            self.required.add(name)
        if values.get("type") == "checkbox":
            self.boxes[name] = "checked" in values
            if "checked" in values:
                self.fields.append((name, values.get("value", "on")))
            return
        self.fields.append((name, values.get("value", "")))

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())


class Visitor:
    """Somebody's browser at a form of Kept's own pages."""

    def __init__(self, client: TestClient[Litestar], form: str, *, query: str = "") -> None:
        self.client, self.path = client, f"/forms/{form}"
        reply = client.get(self.path + query)
        self.status, self.page, self.headers = reply.status_code, reply.text, reply.headers
        self.shown = Fields(reply.text)

    def send(
        self, *more: tuple[str, str], origin: str | None = OWN, body: bytes | None = None,
        kind: str = "application/x-www-form-urlencoded", **typed: str,
    ) -> Any:  # fmt: skip
        """Fill in and send; `more` are fields that the page does not have."""
        fields = [(n, typed.pop(n, v)) for n, v in self.shown.fields]
        fields += [*typed.items(), *more]
        data = urllib.parse.urlencode(fields).encode() if body is None else body
        headers = {"Content-Type": kind} | ({} if origin is None else {"Origin": origin})
        return self.client.post(self.path, content=data, headers=headers)


class Program:
    """The company's own program at the API."""

    def __init__(self, client: TestClient[Litestar]) -> None:
        self.client, self.headers = client, {"Authorization": f"Bearer {TOKEN}"}

    def shown(self, form: str, **query: str) -> dict[str, Any]:
        reply = self.client.get(f"/api/v1/forms/{form}", params=query, headers=self.headers)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def send(
        self, form: str, *more: tuple[str, str], origin: str | None = SITE, once: bool = True,
        region: str = "unknown", **typed: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Show the form, and hand over what somebody typed into it."""
        page = Fields(self.shown(form, region=region)["fields_html"])
        own = [(n, v) for n, v in page.fields if n.startswith("kept.")]
        fields = [*(own if once else own[:-1]), *typed.items(), *more]
        reply = self.client.post(
            f"/api/v1/forms/{form}", headers=self.headers,
            json={"fields": fields, "origin": origin},
        )  # fmt: skip
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found


def at(moment: dt.datetime) -> Any:
    """A clock that stands still."""
    return lambda: moment
