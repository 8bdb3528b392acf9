"""Codes that change every 30 seconds (TOTP, RFC 6238, over HOTP, RFC 4226)."""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import urllib.parse
from typing import Final

#: Seconds for which one code stands, and its digits; what every authenticator takes.
STEP: Final = 30
DIGITS: Final = 6
#: Steps before and after the present one that are taken too: clocks differ, people type.
SLACK: Final = 1


def step(now: dt.datetime) -> int:
    """The number of the 30 seconds in which `now` (aware) lies."""
    return int(now.timestamp()) // STEP


def code(secret: bytes, at: int, digits: int = DIGITS) -> str:
    """The code of a step (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, at.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def met(secret: bytes, given: str, now: dt.datetime, used: int | None) -> int | None:
    """The step whose code was given, None where it is none. `used`: the last step that was taken;
    it and those before it count no more, so that a code is good once (RFC 6238, section 5.2).
    """
    typed = "".join(given.split()).encode()
    found = None
    for at in range(step(now) - SLACK, step(now) + SLACK + 1):
        same = hmac.compare_digest(code(secret, at).encode(), typed)
        if same and (used is None or at > used):
            found = at
    return found


def spelt(secret: bytes) -> str:
    """The secret as people type it: base32 in groups of four."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(text[n : n + 4] for n in range(0, len(text), 4))


def uri(secret: bytes, issuer: str, name: str) -> str:
    """What a QR code says to an authenticator: the otpauth URI."""
    label = urllib.parse.quote(f"{issuer}:{name}", safe=":")
    asked = {"secret": spelt(secret).replace(" ", ""), "issuer": issuer}
    return f"otpauth://totp/{label}?{urllib.parse.urlencode(asked, quote_via=urllib.parse.quote)}"
