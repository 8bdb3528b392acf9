"""The way of a person to her own choices: links that say no more than whose they are.

A link is a keyed hash of what names her, what it is for, and a day on which it ends, under a MAC:
no row is needed for it, nobody can make one up, and nobody can read from it whose it is. The mail
that brings one is remembered for an hour, for the limits; a code until it was typed.
"""

from __future__ import annotations

import datetime as dt
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final, Literal, get_args

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, OnErase
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.intake import CODE_GOOD, TRIES, Tally, Typed
from kept.records.subject import LINKING, suppression_mac
from kept.terms.identifiers import Identifier

DATASETS: Final = (
    Dataset(
        "preference_mail",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "at": Field("at", "datetime", nullable=False),
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "source": Field("source", "bytes", category="identity-link", nullable=False),
            "token": Field("token", "bytes"),
            "code": Field("code", "bytes"),
            "good_until": Field("good_until", "datetime"),
            "tries": Field("tries", "integer", nullable=False),
            "wanted": Field("wanted", "text", category="preference"),
        },
        retention="case",
        clock="at",
        # It leaves by itself within the hour.
        on_erase=OnErase.NEVER,
        title="Mail that led to the page of choices, as keyed hashes",
    ),
)

#: What a link is for: the page of choices, one press that stops something, taking that back.
Use = Literal["page", "stop", "back"]
_USES: Final[tuple[Use, ...]] = get_args(Use)
_FORM: Final = 1
_TAG: Final = 16
_LONGEST: Final = 300
#: How long a link is good: one that leads to what somebody chose, and one that only ever stops.
PAGE_GOOD: Final = dt.timedelta(days=60)
STOP_GOOD: Final = dt.timedelta(days=5 * 365)


@dataclass(frozen=True, slots=True)
class Way:
    """What a link says: for what it is, whose, until when, and about what (`stop`: a purpose).

    `mac` is the hash under which a suppression of the identifier is kept.
    """

    use: Use
    kind: str
    mac: bytes
    until: dt.date
    about: str = ""


def way_of(vault: Vault, use: Use, person: Identifier, now: dt.datetime, about: str = "") -> Way:
    """A new link for somebody. UsageError where what is given names nobody."""
    if person.kind not in LINKING:
        raise UsageError(
            "an identifier of this kind names no one person",
            expected=f"one of {', '.join(LINKING)}",
        )
    good = STOP_GOOD if use == "stop" else PAGE_GOOD
    until = (now + good).astimezone(dt.UTC).date()
    return Way(use, person.kind, suppression_mac(vault, person), until, about)


def token(vault: Vault, way: Way) -> str:
    """The link as it stands in an address."""
    days = way.until.toordinal().to_bytes(4, "big")
    head = bytes((_FORM, _USES.index(way.use), LINKING.index(way.kind)))
    body = head + days + way.mac + way.about.encode()
    return urlsafe_b64encode(body + _tag(vault, body)).decode().rstrip("=")


def read(vault: Vault, text: str, use: Use) -> Way | None:
    """What a link says; None for one that is none of ours, or is for something else. Whether its
    time is over is for who asks.
    """
    if len(text) > _LONGEST or not text.isascii():
        return None
    try:
        whole = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    body, tag = whole[:-_TAG], whole[-_TAG:]
    # What is compared is made anew whatever came, and compared in the same time.
    if not hmac.compare_digest(tag, _tag(vault, body)) or len(body) < 39 or body[0] != _FORM:
        return None
    if _USES[body[1]] != use:
        return None
    until = dt.date.fromordinal(int.from_bytes(body[3:7], "big"))
    return Way(use, LINKING[body[2]], body[7:39], until, body[39:].decode())


def _tag(vault: Vault, body: bytes) -> bytes:
    return vault.mac("preference-link", body)[:_TAG]


class PreferenceMail:
    """Mail about choices: how much of it went, and the codes that wait."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def one_at_a_time(self, connection: Connection) -> None:
        """Until the end of the transaction nobody else counts and sends: limits hold exactly."""
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('kept preferences', 0))")

    def tally(
        self, mac: bytes, source: str, since: dt.datetime, *, connection: Connection
    ) -> Tally:
        """How much went since then; counted without looking at who it was."""
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE mac = %(mac)s AND source = %(src)s),"
            " count(*) FILTER (WHERE mac = %(mac)s), count(*) FILTER (WHERE source = %(src)s),"
            " count(*) FROM preference_mail WHERE at > %(since)s",
            {"mac": mac, "src": self._mac("source", source), "since": since},
        ).fetchone()
        assert row is not None
        return Tally(*row)

    def put(
        self, mac: bytes, source: str, now: dt.datetime, *, connection: Connection,
        token: str | None = None, code: str | None = None, wanted: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Remember that mail went; with a code also what it is to allow."""
        connection.execute(
            "INSERT INTO preference_mail (at, mac, source, token, code, good_until, wanted)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                now, mac, self._mac("source", source),
                None if token is None else self._mac("token", token),
                None if token is None or code is None else self._code(token, code),
                None if code is None else now + CODE_GOOD,
                " ".join(wanted) or None,
            ),
        )  # fmt: skip

    def type_code(
        self, mac: bytes, token: str, code: str, now: dt.datetime, *, connection: Connection
    ) -> tuple[Typed, tuple[str, ...]]:
        """Try a code, and what it is to allow where it is right. Single use."""
        row = connection.execute(
            "SELECT number, code, wanted FROM preference_mail WHERE token = %s AND mac = %s"
            " AND code IS NOT NULL AND good_until > %s AND tries < %s FOR UPDATE",
            (self._mac("token", token), mac, now, TRIES),
        ).fetchone()
        if row is None:
            return Typed.STALE, ()
        if not hmac.compare_digest(row[1], self._code(token, code)):
            connection.execute(
                "UPDATE preference_mail SET tries = tries + 1 WHERE number = %s", (row[0],)
            )
            return Typed.WRONG, ()
        connection.execute(
            "UPDATE preference_mail SET code = NULL, wanted = NULL WHERE number = %s", (row[0],)
        )
        return Typed.RIGHT, tuple(str(row[2] or "").split())

    def tidy(self, before: dt.datetime) -> int:
        """Let go of what is of no use any more; how much."""
        with self._database.connection() as c:
            return c.execute("DELETE FROM preference_mail WHERE at < %s", (before,)).rowcount

    def _mac(self, what: str, text: str) -> bytes:
        return self._vault.mac(f"preference-{what}", text.encode())

    def _code(self, token: str, code: str) -> bytes:
        return self._mac("code", f"{token}\x00{code}")
