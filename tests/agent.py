"""An agent of the Data Rights Protocol, written from its text; shares no code with the server."""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: How a call is made: method, path, headers, body.
Send = Callable[[str, str, dict[str, str], bytes | None], httpx.Response]


@dataclass
class Client:
    """An agent with its key, who calls a business."""

    id: str
    send: Send
    clock: Callable[[], dt.datetime]
    business: str = "OUR_HOUSE"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    token: str | None = None

    def entry(self, *hosts: str) -> dict[str, Any]:
        """What the directory says of it."""
        return {
            "id": self.id, "name": f"Agent {self.id}", "web_url": "https://agent.example.org",
            "verify_key": base64.b64encode(self.key.public_key().public_bytes_raw()).decode(),
            "callback_hosts": list(hosts),
        }  # fmt: skip

    def envelope(self, **other: Any) -> dict[str, Any]:
        now = self.clock()
        said = {
            "agent-id": self.id, "business-id": self.business, "issued-at": now.isoformat(),
            "expires-at": (now + dt.timedelta(minutes=5)).isoformat(), "drp.version": "1.0",
        } | {key.replace("__", "-"): value for key, value in other.items()}  # fmt: skip
        return {key: value for key, value in said.items() if value is not None}

    def exercise(self, exercise: str, email: str | None, **other: Any) -> dict[str, Any]:
        """The words of a request."""
        said = {"exercise": exercise, "email": email, "agent__request__id": str(uuid.uuid4())}
        return self.envelope(**(said | other))

    def signed(self, said: Any) -> bytes:
        text = said if isinstance(said, bytes) else json.dumps(said).encode()
        return base64.b64encode(self.key.sign(text) + text)

    def call(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "text/plain"
        return self.send(method, path, headers, body)

    def set_up(self) -> httpx.Response:
        """Get a token; it is kept."""
        answer = self.call("POST", f"/v1/agent/{self.id}", self.signed(self.envelope()))
        if answer.status_code == 200:
            self.token = answer.json()["token"]
        return answer

    def ask(self, exercise: str, email: str | None, **other: Any) -> httpx.Response:
        return self.post(self.exercise(exercise, email, **other))

    def post(self, said: Any) -> httpx.Response:
        return self.call("POST", "/v1/data-rights-request", self.signed(said))

    def status(self, id_: str) -> httpx.Response:
        return self.call("GET", f"/v1/data-rights-request/{id_}")

    def revoke(self, id_: str, said: Any = None) -> httpx.Response:
        said = {"reason": "I changed my mind."} if said is None else said
        return self.call("DELETE", f"/v1/data-rights-request/{id_}", self.signed(said))
