"""A message that an agent signed: opened, and checked in the order of the Data Rights Protocol 1.0.

base64 → signature (Ed25519, prepended to the JSON) → strict JSON → agent → business → times → new
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kept.controller import Controller
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.model.agents import Agent

#: The longest body, in bytes, as it is sent.
LONGEST: Final = 24 * 1024
#: How long a message may be good, as the protocol recommends.
WINDOW: Final = dt.timedelta(minutes=10)
#: How far the clock of an agent may be ahead of ours.
SKEW: Final = dt.timedelta(seconds=30)
VERSION: Final = "1.0"
_SIGNATURE: Final = 64
_DEPTH: Final = 8
_DIGITS: Final = 20
#: What bounds a message to one agent, one business and ten minutes.
ENVELOPE: Final = ("agent-id", "business-id", "issued-at", "expires-at")


class Refused(UsageError):
    """A message that is not taken. `status` is of HTTP, `why` a word for the ledger; `fatal`: the
    same will never be taken, so whoever signed it need not try again.
    """

    def __init__(
        self, status: int, why: str, what: str, *, fatal: bool = False, expected: str | None = None
    ) -> None:
        self.status, self.why, self.fatal = status, why, fatal
        super().__init__(what, expected=expected)


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose signature is right. `mark` is a hash of the signature."""

    said: Mapping[str, Any]
    mark: bytes


def opened(body: bytes, agent: Agent) -> Message:
    """The message in a body that this agent signed; raises Refused. Of its words nothing is read
    before the signature is known to be right.
    """
    if len(body) > LONGEST:
        raise Refused(413, "too-long", "the message is too long", fatal=True,
                      expected=f"at most {LONGEST:,} bytes")  # fmt: skip
    try:
        whole = base64.b64decode(body.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "not-base64", "the body is not base64") from None
    signature, text = whole[:_SIGNATURE], whole[_SIGNATURE:]
    if len(signature) < _SIGNATURE or not text:
        raise Refused(400, "truncated", "the body is too short to be signed",
                      expected="a signature of 64 bytes, then JSON")  # fmt: skip
    try:
        Ed25519PublicKey.from_public_bytes(agent.key).verify(signature, text)
    except (InvalidSignature, ValueError):
        raise Refused(403, "signature", "the signature is not right") from None
    return Message(_strict(text), hashlib.sha256(signature).digest())


def checked(
    controller: Controller, message: Message, agent: Agent, business: str, now: dt.datetime
) -> None:
    """Refuse a message for another agent or business, out of its time, or met before."""
    said = message.said
    if said.get("agent-id") != agent.id:
        raise Refused(403, "agent-id", "`agent-id` is not that of who calls")
    if said.get("business-id") != business:
        raise Refused(403, "business-id", "`business-id` is not ours")
    issued, expires = _moment(said, "issued-at"), _moment(said, "expires-at")
    if now + SKEW < issued:
        raise Refused(400, "issued-at", "`issued-at` is still to come")
    if now >= expires:
        raise Refused(400, "expires-at", "`expires-at` is past")
    if expires - issued > WINDOW + SKEW or expires > now + WINDOW + SKEW:
        raise Refused(400, "window", "`expires-at` is too far away",
                      expected="at most ten minutes after `issued-at`")  # fmt: skip
    if said.get("drp.version", VERSION) != VERSION:
        raise Refused(400, "version", "`drp.version` is another", fatal=True, expected=VERSION)
    with controller.database.connection() as c:
        if not controller.agents.first_time(message.mark, expires, now, connection=c):
            raise Refused(409, "replay", "this message came before",
                          expected="one that is signed anew")  # fmt: skip


def note_refusal(controller: Controller, agent: str, why: str, now: dt.datetime) -> None:
    """Enter that a message of somebody with a good token was not taken; nothing else is kept."""
    body = {"agent": name(agent), "why": name(why)}
    controller.ledger.append(Entry("agent.refused", now, body))


def _moment(said: Mapping[str, Any], key: str) -> dt.datetime:
    value = said.get(key)
    try:
        moment = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise Refused(400, key, f"`{key}` is no moment", fatal=True,
                  expected="ISO 8601 with its zone, as 2026-01-31T12:00:00Z")  # fmt: skip


def _strict(text: bytes) -> dict[str, Any]:
    """JSON that every reader reads alike: an object, each key once, no depths, no odd numbers."""
    try:
        document = json.loads(
            text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no, parse_int=_whole
        )
        _shallow(document, _DEPTH)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Refused(400, "not-json", "what was signed is not JSON as it is taken", fatal=True,
                      expected="one object in UTF-8, each key once, at most 8 deep")  # fmt: skip
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no(word: str) -> Any:
    raise ValueError


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError
    return int(text)


def _shallow(value: Any, left: int) -> None:
    """ValueError for what is nested deeper than that, or holds half a sign."""
    if left < 0:
        raise ValueError
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, one in value.items():
            key.encode("utf-8")
            _shallow(one, left - 1)
    elif isinstance(value, list):
        for one in value:
            _shallow(one, left - 1)
