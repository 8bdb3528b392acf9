"""TOTP against the vectors of RFC 6238, appendix B, and HOTP's of RFC 4226, appendix D."""

from __future__ import annotations

import base64
import datetime as dt
import urllib.parse

import pytest

from kept.records import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"),
        (1234567890, "89005924"), (2000000000, "69279037"), (20000000000, "65353130"),
    ],
)  # fmt: skip
def test_the_vectors_of_rfc_6238(seconds: int, code: str) -> None:
    now = dt.datetime.fromtimestamp(seconds, dt.UTC)
    assert totp.code(SECRET, totp.step(now), 8) == code
    assert totp.met(SECRET, code[-6:], now, None) == totp.step(now)


def test_the_vectors_of_rfc_4226() -> None:
    first = ["755224", "287082", "359152", "969429", "338314"]
    codes = [*first, "254676", "287922", "162583", "399871", "520489"]
    assert [totp.code(SECRET, n) for n in range(10)] == codes


def test_a_code_is_taken_once_near_its_time_and_as_people_type_it() -> None:
    now = dt.datetime(2026, 11, 29, 12, tzinfo=dt.UTC)
    at = totp.step(now)
    for near in (at - 1, at, at + 1):
        assert totp.met(SECRET, totp.code(SECRET, near), now, None) == near
        assert totp.met(SECRET, totp.code(SECRET, near), now, near) is None
        assert totp.met(SECRET, totp.code(SECRET, near), now, near - 1) == near
    for far in (at - 2, at + 2):
        assert totp.met(SECRET, totp.code(SECRET, far), now, None) is None
    spaced = totp.code(SECRET, at)
    assert totp.met(SECRET, f" {spaced[:3]} {spaced[3:]}\n", now, None) == at
    for bad in ("", "12345", "1234567", "abcdef", "１２３４５６", "é"):
        assert totp.met(SECRET, bad, now, None) is None


def test_the_address_for_an_authenticator() -> None:
    uri = urllib.parse.urlsplit(totp.uri(SECRET, "Hütten & Bund", "ana"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    said = urllib.parse.parse_qs(uri.query)
    assert base64.b32decode(said["secret"][0]) == SECRET
    assert said["issuer"] == ["Hütten & Bund"]
    assert urllib.parse.unquote(uri.path) == "/Hütten & Bund:ana"
    assert totp.spelt(SECRET).replace(" ", "") == said["secret"][0]
