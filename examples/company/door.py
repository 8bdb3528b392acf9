"""Asking Kept: what is told on a form, what of it may be stored; may this be used?"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

#: Country and state of whom they are not known.
NOWHERE = ("", "")


@dataclass(frozen=True, slots=True)
class Use:
    """What we want to do: Kept's words for purpose, context of collection and region.

    `grounds` are facts that arise in the act itself: a box that is ticked is a consent, an
    order makes a contract.
    """

    purpose: str
    context: str
    region: str = "unknown"
    grounds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What Kept said of a use."""

    allow: bool
    because: tuple[str, ...]
    basis: str | None
    activity: str | None
    reason: str
    policy_version: str


class Unanswered(Exception):
    """Kept could not be asked; nothing is stored."""


class Door:
    """The one way in: `http://host:port` of Kept and the bearer token of its kept.toml."""

    def __init__(self, base: str, token: str) -> None:
        self._url, self._token = base.rstrip("/") + "/api/v1/", token

    def _call(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                said: dict[str, Any] = json.load(reply)
        except (OSError, ValueError) as error:
            status = f" (status {error.code})" if isinstance(error, urllib.error.HTTPError) else ""
            raise Unanswered(f"Kept did not answer{status}") from None
        return said

    def shown(self, form: str, lives: tuple[str, str] = NOWHERE) -> dict[str, Any]:
        """A form as it has to be shown to somebody who lives there: `told` and `fields` as HTML."""
        query = urlencode({"country": lives[0], "part": lives[1]})
        return self._call(f"forms/{form}?{query}")

    def send(
        self, form: str, fields: Sequence[tuple[str, str]], origin: str | None,
        lives: tuple[str, str] = NOWHERE, email: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """What of it may be stored: `outcome`, `values`, `stamps`. `email`: of her account."""
        by = {"kind": "email", "value": email} if email else None
        known = {"country": lives[0], "part": lives[1], "subject": by}
        return self._call(f"forms/{form}", {"fields": fields, "origin": origin, **known})

    def ask(self, use: Use, category: str, email: str | None = None) -> Answer:
        """May `category` be used? With `email`, of that person."""
        subject = {"kind": "email", "value": email} if email else None
        body: dict[str, Any] = {
            "purpose": use.purpose, "category": category, "context": use.context,
            "recipient": "controller", "region": use.region, "subject": subject,
            "grounds": list(use.grounds),
        }  # fmt: skip
        said = self._call("decide", body)
        because, basis, version = tuple(said["because"]), said["basis"], said["policy"]["version"]
        return Answer(said["allow"], because, basis, said["activity"], said["reason"], version)
