"""The desk for tests: the real application over a real deployment, at a clock that is set."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient
from tests import world

from kept import deployment
from kept.app import web
from kept.controller import Controller
from kept.duties import staff
from kept.records import totp
from kept.records.account import Account
from kept.records.password import hashed
from kept.records.session import Session

HOST = "http://127.0.0.1"
PASSWORD = "seven green umbrellas in the rain"
HASH = hashed(PASSWORD)


@dataclass
class Desk:
    """An application, its Controller and its clock."""

    app: Litestar
    controller: Controller
    directory: Path
    now: dt.datetime = world.NOW
    made: dict[str, Account] = field(default_factory=dict)

    def account(self, name: str, *roles: str, password: str = HASH) -> Account:
        """An account that has been through its first login, with these roles."""
        if name in self.made:
            return self.controller.accounts.get(self.made[name].number, self.now)
        accounts = self.controller.accounts
        with self.controller.database.connection() as c:
            made = accounts.add(name, name.title(), password, self.now, connection=c)
            accounts.set_password(made, password, connection=c)
            accounts.offer_secret(made, connection=c)
            accounts.enrol(made, 0, connection=c)
            for role in roles:
                accounts.grant(made, role, "a test", None, self.now, connection=c)
        self.made[name] = made
        return accounts.get(made.number, self.now)

    def code(self, account: Account) -> str:
        """The code that the authenticator shows now."""
        secret, _ = self.controller.accounts.secret(account)
        assert secret is not None
        return totp.code(secret, totp.step(self.now))

    def session(self, account: Account, *, proven: bool = True) -> Session:
        with self.controller.database.connection() as c:
            return self.controller.sessions.begin(account, self.now, proven=proven, connection=c)

    def browser(self, session: Session | None = None) -> Browser:
        return Browser(self, session)

    def entries(self, kind: str) -> list[dict[str, Any]]:
        return [dict(e.body) for _, e in self.controller.ledger.entries(kind=kind)]

    def later(self, **by: float) -> None:
        self.now += dt.timedelta(**by)


class Browser:
    """Somebody at the desk: keeps cookies, and sends forms as the page on show would."""

    def __init__(self, desk: Desk, session: Session | None) -> None:
        self.client = TestClient(desk.app, base_url=HOST, raise_server_exceptions=False)
        self.csrf = ""
        if session is not None:
            self.client.cookies.set("kept", session.token, domain="127.0.0.1", path="/")
            self.csrf = session.csrf

    def get(self, path: str) -> Response:
        return self._kept(self.client.get(path, follow_redirects=False))

    def post(self, path: str, *, origin: str = HOST, csrf: str | None = None,
             **fields: Any) -> Response:  # fmt: skip
        """Send a form. Where it leads elsewhere that page is loaded too, as a browser does; what
        is given back is the answer itself.
        """
        data = {"csrf": self.csrf if csrf is None else csrf, **fields}
        headers = {"Origin": origin} if origin else {}
        answer = self.client.post(path, data=data, headers=headers, follow_redirects=False)
        if answer.status_code == 303:
            self.get(answer.headers["location"])
        return self._kept(answer)

    def _kept(self, answer: Response) -> Response:
        met = re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.text)
        if met:
            self.csrf = met[1]
        return answer


@contextmanager
def opened(directory: Path, url: str, extra: str = "") -> Iterator[Desk]:
    """A desk over a small world of its own."""
    config = deployment.read(world.make(directory, url, extra=extra))
    with Controller.open(config) as controller:
        holder: dict[str, Desk] = {}
        app = web.make(controller, token="t", shows="text", clock=lambda: holder["desk"].now)
        holder["desk"] = Desk(app, controller, directory)
        staff.first_officer(controller, directory, world.NOW)
        yield holder["desk"]
