"""Asking Kept: may this be stored? One question per kind of data, before anything is written."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: States of the European Economic Area; for all other countries see `region_of`.
EEA = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE IS LI NO"


def region_of(country: str | None, state: str | None = None) -> str:
    """The region whose rules apply; where the country is not known, `unknown` (the strictest)."""
    if not country:
        return "unknown"
    if country in EEA.split():
        return "EEA"
    if country == "US":
        return f"US-{state}" if state in ("CA", "VA") else "US"
    return {"GB": "UK", "CH": "CH"}.get(country, "other")


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
    """What Kept said. The stamps go into the row that is stored."""

    allow: bool
    because: tuple[str, ...]
    basis: str | None
    activity: str | None
    reason: str
    policy_version: str

    @property
    def stamps(self) -> tuple[str, str, str]:
        """legal_basis, activity, policy_version."""
        return str(self.basis), str(self.activity), self.policy_version


class Refused(Exception):
    """Kept said no; nothing is stored."""

    def __init__(self, use: Use, category: str, answer: Answer) -> None:
        super().__init__(f"{use.purpose} of {category}: {answer.reason}")
        self.use, self.category, self.answer = use, category, answer


class Unanswered(Exception):
    """Kept could not be asked; nothing is stored."""


class Door:
    """The one way in: `http://host:port` of Kept and the bearer token of its kept.toml."""

    def __init__(self, base: str, token: str) -> None:
        self._url, self._token = base.rstrip("/") + "/api/v1/decide", token

    def ask(self, use: Use, category: str, email: str | None = None) -> Answer:
        """May `category` be stored for this use? With `email`, of that person."""
        subject = {"kind": "email", "value": email} if email else None
        body: dict[str, Any] = {
            "purpose": use.purpose, "category": category, "context": use.context,
            "recipient": "controller", "region": use.region, "subject": subject,
        }  # fmt: skip
        if use.grounds:
            body["grounds"] = list(use.grounds)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                said = json.load(reply)
        except (OSError, ValueError) as error:
            status = f" (status {error.code})" if isinstance(error, urllib.error.HTTPError) else ""
            raise Unanswered(f"Kept did not answer{status}") from None
        version = said["policy"]["version"]
        because, basis, activity = tuple(said["because"]), said["basis"], said["activity"]
        return Answer(said["allow"], because, basis, activity, said["reason"], version)

    def allowed(self, use: Use, categories: Iterable[str], email: str) -> Answer:
        """The answer for the first category, once all of them were allowed; else Refused."""
        answers = []
        for category in dict.fromkeys(categories):
            answers.append(self.ask(use, category, email))
            if not answers[-1].allow:
                raise Refused(use, category, answers[-1])
        return answers[0]
