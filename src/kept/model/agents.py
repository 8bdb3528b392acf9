"""Agents who ask in the name of people, as the operator's directory names them: shapes only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from kept.errors import ConfigError

#: Claims of an agent that can count as checked → the kind of identifier that each is.
CLAIMS: Final[Mapping[str, str]] = MappingProxyType({"email": "email", "phone_number": "phone"})
_ID: Final = re.compile(r"[A-Z_]{1,64}")
#: What an entry may say; the last three are the network's and are not used here.
_KEYS: Final = frozenset(
    (
        "id", "name", "verify_key", "web_url", "callback_hosts",
        "identity_assurance_url", "technical_contact", "business_contact",
    )
)  # fmt: skip
_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::\d{1,5})?")


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: the key (Ed25519, 32 bytes) that proves a message hers, and the hosts
    (`host` or `host:port`) that may be told how her requests stand.
    """

    id: str
    name: str
    key: bytes
    web_url: str
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Drp:
    """`[drp]`: under which id agents know the organisation, and whom it listens to.

    `verifications` are keys of CLAIMS: what of an agent's word counts as checked. `sale` are the
    purposes of the policy that an opt-out of sale stops; empty: those of `SALE` that it has.
    """

    business: str
    agents: Mapping[str, Agent]
    verifications: tuple[str, ...] = ()
    sale: tuple[str, ...] = ()


#: What comes nearest to selling or sharing for advertisements among the shipped purposes.
SALE: Final = ("advertising.targeted", "marketing.partner-offers")


def directory(document: Any, where: str) -> dict[str, Agent]:
    """Id → agent, from a directory file: a list of entries. ConfigError says what is amiss."""
    if not isinstance(document, list):
        raise ConfigError(
            "the directory of agents is no list", where=where, expected="[{…}, {…}] in JSON"
        )
    found: dict[str, Agent] = {}
    for number, entry in enumerate(document, 1):
        one = _agent(entry, f"{where}, entry {number}")
        if one.id in found:
            raise ConfigError(
                f"the agent `{one.id}` stands twice in the directory",
                where=f"{where}, entry {number}",
                fix="remove one of both",
            )
        found[one.id] = one
    return found


def _agent(entry: Any, where: str) -> Agent:
    if not isinstance(entry, dict):
        raise ConfigError("an agent is an object", where=where, expected='{"id": …, "name": …}')
    for key in entry:
        if key not in _KEYS:
            raise ConfigError(
                "an agent has a key that is unknown",
                where=where,
                expected=f"some of {', '.join(sorted(_KEYS))}",
            )
    for key in ("id", "name", "verify_key", "web_url"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise ConfigError(f"an agent has no `{key}`", where=where, expected="a text")
    if not _ID.fullmatch(entry["id"]):
        raise ConfigError(
            "the `id` of an agent is none", where=where, expected="letters A to Z and _"
        )
    try:
        key = base64.b64decode(entry["verify_key"], validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ConfigError(
            f"the `verify_key` of the agent `{entry['id']}` is none",
            where=where,
            expected="an Ed25519 key of 32 bytes in base64 (44 signs)",
            fix="ask the agent for it; keys in hexadecimal are of an older protocol",
        )
    hosts = entry.get("callback_hosts", [])
    if not isinstance(hosts, list) or not all(
        isinstance(h, str) and _HOST.fullmatch(h) for h in hosts
    ):
        raise ConfigError(
            f"the `callback_hosts` of the agent `{entry['id']}` are none",
            where=where,
            expected='names in small letters, as ["status.example.org", "example.org:8443"]',
        )
    name = " ".join(entry["name"].split())  # it stands in a line of a mail
    return Agent(entry["id"], name, key, entry["web_url"], frozenset(hosts))
