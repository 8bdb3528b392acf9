"""People who ask: the real application in this process, a real mail server, a clock to turn."""

from __future__ import annotations

import contextlib
import datetime as dt
import email
import email.policy
import re
import socket
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import psycopg
from aiosmtpd.controller import Controller as MailServer
from litestar.testing import TestClient

from kept import deployment
from kept.app import promptly, web
from kept.app.surface import SURFACES
from kept.controller import Controller
from kept.stores.post import Written
from kept.terms.identifiers import parse
from tests.world import NOW, make


class Inbox:
    """What came out of a mail server on loopback."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.refuse = False

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse:
            return "451 try again later"
        met = read(envelope.content)
        met["X-Rcpt"] = ",".join(envelope.rcpt_tos)
        self.letters.append(met)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [m for m in self.letters if m["X-Rcpt"] == address]

    def code(self, address: str) -> str:
        """The newest code that was sent to an address."""
        found = re.search(r"^(\d{4} \d{4})$", text(self.to(address)[-1]), re.MULTILINE)
        assert found
        return found[1]


def read(letter: bytes | Written) -> EmailMessage:
    """A letter as the program of whoever gets it reads it."""
    data = letter.data if isinstance(letter, Written) else letter
    met = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(met, EmailMessage)
    return met


def text(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    assert body is not None
    return body.get_content()


def links(letter: EmailMessage) -> set[str]:
    """Every address in a letter, of both its forms."""
    body = letter.get_body(("html",))
    assert body is not None
    return set(re.findall(r"https?://[^\s<>\"]+", text(letter) + body.get_content()))


@contextmanager
def mail_server(handler: Any = None) -> Iterator[tuple[Inbox, str]]:
    """An inbox and the URL of the server that fills it, or that has another handler."""
    inbox = Inbox()
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = MailServer(handler or inbox, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True)
    server.start()
    try:
        yield inbox, f"smtp://127.0.0.1:{port}"
    finally:
        server.stop()


@dataclass
class Desk:
    """The application over a deployment, and what it needs to be asked."""

    directory: Path
    controller: Controller
    client: TestClient[Any]
    inbox: Inbox
    now: dt.datetime = NOW
    source: str = "192.0.2.1"
    _once: int = 0
    mistakes: list[str] = field(default_factory=list)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path, follow_redirects=False)

    def post(self, path: str, fields: dict[str, Any]) -> httpx.Response:
        return self.client.post(
            path,
            content=urllib.parse.urlencode(fields, doseq=True),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Forwarded-For": self.source,
            },
            follow_redirects=False,
        )

    def send(self, *asked: str, email: str, once: str = "", **more: str) -> httpx.Response:
        """Send the form as a browser does that was just given it."""
        if not once:
            self._once += 1
            once = f"{self._once:032x}"
        fields = {"asked": list(asked), "email": email, "once": once, "words": "", **more}
        return self.post("/privacy/requests", fields)

    def ask(self, *asked: str, email: str, **more: str) -> str:
        """Ask; the path of the page that the browser is led to."""
        answer = self.send(*asked, email=email, **more)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def proven(self, *asked: str, email: str, **more: str) -> str:
        """Ask, and type the code that came; the path of the page from then on."""
        page = self.ask(*asked, email=email, **more)
        answer = self.post(page, {"do": "code", "code": self.inbox.code(email)})
        assert answer.status_code == 303, answer.text
        assert answer.headers["Location"] != page
        return answer.headers["Location"]

    def later(self, **spell: float) -> None:
        self.now += dt.timedelta(**spell)

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(deployment.read(self.directory).database) as connection:
            return connection.execute(statement, parameters).fetchall()

    def change(self, statement: str, *parameters: object) -> None:
        """Change Kept's own tables behind its back."""
        with psycopg.connect(deployment.read(self.directory).database) as connection:
            connection.execute(statement, parameters)

    def rows(self, *but: str) -> dict[str, tuple[Any, ...]]:
        """Every table of Kept's own, as a count and a hash; without those named."""
        found = {}
        with psycopg.connect(deployment.read(self.directory).database) as c:
            for (table,) in c.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ):
                if table not in but:
                    row = c.execute(
                        f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text))"
                        f' FROM "{table}" t'
                    ).fetchone()
                    assert row is not None
                    found[table] = tuple(row)
        return found

    def held(self, identifier: str) -> frozenset[str]:
        """The facts that the door knows of whoever is met under an identifier."""
        return self.controller.facts(parse(identifier), self.now).held


@contextmanager
def desk(directory: Path, url: str, *, mail: bool = True, extra: str = "") -> Iterator[Desk]:
    """A small deployment at work, asked by people."""
    with mail_server() as (inbox, server):
        settings = f'[mail]\nurl = "{server}"\nfrom = "privacy@example.net"\n' if mail else ""
        make(directory, url, extra=settings + extra)
        with Controller.open(deployment.read(directory)) as controller:
            controller.surfaces = SURFACES

            def clock() -> dt.datetime:
                return one.now

            app = web.make(
                controller, token=None, shows="text", clock=clock, proxy=True,
                wake=lambda: promptly.at_once(controller, clock) and None,
                cookie="visitor",
            )  # fmt: skip
            with TestClient(app, raise_server_exceptions=True) as client:
                one = Desk(directory, controller, client, inbox)
                yield one
