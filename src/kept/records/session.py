"""Sessions of the desk, and tries to log in that failed.

A session is a token of 256 random bits that only the browser has; here is its SHA-256. It ends
when it is idle, when it is old, at logout, and when its account is disabled or its password
changes. It is `proven` once the second proof was given; a new token comes with that.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Field
from kept.keys import Vault
from kept.records.account import Account, Accounts, by, own

#: After which a session ends: without a request; after the login; with the first proof alone.
IDLE: Final = dt.timedelta(minutes=30)
LIFE: Final = dt.timedelta(hours=12)
HALF: Final = dt.timedelta(minutes=15)
#: A request within this of the last one is not noted: reading pages writes next to nothing.
_NOTED: Final = dt.timedelta(minutes=1)
#: Tries that may fail in `WINDOW`: with one name from one place, with one name from anywhere,
#: and from one place with any names.
WINDOW: Final = dt.timedelta(minutes=15)
BOTH: Final = 5
PER_NAME: Final = 30
PER_SOURCE: Final = 60
#: For how long a try is remembered.
_REMEMBERED: Final = dt.timedelta(days=1)

DATASETS: Final = (
    own(
        "account_session", ("token",), "Who of the staff is logged in",
        Field("token", "bytes", nullable=False),
        Field("account", "integer", nullable=False),
        Field("proven", "boolean", nullable=False),
        Field("begun_at", "datetime", category="account", nullable=False),
        Field("seen_at", "datetime", category="account", nullable=False),
        clock="seen_at", links=(by("account"),),
    ),
    own(
        "account_attempt", ("number",), "Logins that failed, as keyed hashes",
        Field("number", "integer", nullable=False),
        Field("name", "bytes", category="account", nullable=False),
        Field("source", "bytes", category="account", nullable=False),
        Field("at", "datetime", nullable=False),
        clock="at",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Session:
    """One login. `csrf` is what every form of it has to carry."""

    token: str
    account: Account
    proven: bool
    begun_at: dt.datetime
    seen_at: dt.datetime

    @property
    def csrf(self) -> str:
        """Follows from the token, and the token does not follow from it."""
        return hmac.digest(self.token.encode(), b"kept csrf", "sha256").hex()

    def carries(self, given: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.csrf.encode(), given.encode())


class Sessions:
    """The sessions of a deployment."""

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database, self._accounts = database, accounts

    def begin(
        self, account: Account, now: dt.datetime, *, proven: bool, connection: Connection
    ) -> Session:
        """A new session; those of anybody that are over go."""
        connection.execute(
            "DELETE FROM account_session WHERE begun_at <= %s OR seen_at <= %s",
            (now - LIFE, now - IDLE),
        )
        token = secrets.token_urlsafe(32)
        connection.execute(
            "INSERT INTO account_session (token, account, proven, begun_at, seen_at)"
            " VALUES (%s, %s, %s, %s, %s)",
            (_digest(token), account.number, proven, now, now),
        )
        return Session(token, account, proven, now, now)

    def find(self, token: str, now: dt.datetime) -> Session | None:
        """The living session of a token; None where there is none, or its account is disabled."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT account, proven, begun_at, seen_at FROM account_session"
                " WHERE token = %s AND begun_at > %s AND seen_at > %s",
                (_digest(token), now - LIFE, now - IDLE),
            ).fetchone()
            if row is None:
                return None
            number, proven, begun_at, seen_at = row
            account = self._accounts.get(number, now, connection=c)
            if account.disabled_at is not None or (not proven and begun_at <= now - HALF):
                return None
            if seen_at <= now - _NOTED:
                c.execute(
                    "UPDATE account_session SET seen_at = %s WHERE token = %s",
                    (now, _digest(token)),
                )
        return Session(token, account, proven, begun_at, seen_at)

    def end(self, session: Session, *, connection: Connection) -> None:
        """End one session."""
        connection.execute(
            "DELETE FROM account_session WHERE token = %s", (_digest(session.token),)
        )

    def end_all(self, of: Account, *, connection: Connection, but: Session | None = None) -> int:
        """End every session of an account, but perhaps one; how many there were."""
        done = connection.execute(
            "DELETE FROM account_session WHERE account = %s AND token <> %s",
            (of.number, _digest(but.token) if but else b""),
        )
        return done.rowcount

    def count(self, of: Account, now: dt.datetime) -> int:
        """How many sessions of an account are alive."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT count(*) FROM account_session"
                " WHERE account = %s AND begun_at > %s AND seen_at > %s",
                (of.number, now - LIFE, now - IDLE),
            ).fetchone()
        return 0 if row is None else int(row[0])


class Attempts:
    """Logins that failed. A name that is nobody's is counted as any other."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def take(self, name: str, source: str, now: dt.datetime) -> int | None:
        """Count a try before it is looked at: which of late it is, of this name from there.

        None: so many failed that none is taken for a while; it is not counted. Tries at the same
        moment are counted one after another.
        """
        macs = self._macs(name, source)
        with self._database.connection() as c:
            c.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (macs["name"].hex(),)
            )
            row = c.execute(
                "SELECT count(*) FILTER (WHERE name = %(name)s AND source = %(source)s),"
                " count(*) FILTER (WHERE name = %(name)s), count(*) FILTER"
                " (WHERE source = %(source)s) FROM account_attempt"
                " WHERE (name = %(name)s OR source = %(source)s) AND at > %(since)s",
                {**macs, "since": now - WINDOW},
            ).fetchone()
            assert row is not None
            if row[0] >= BOTH or row[1] >= PER_NAME or row[2] >= PER_SOURCE:
                return None
            c.execute("DELETE FROM account_attempt WHERE at <= %s", (now - _REMEMBERED,))
            c.execute(
                "INSERT INTO account_attempt (name, source, at)"
                " VALUES (%(name)s, %(source)s, %(now)s)",
                {**macs, "now": now},
            )
        return int(row[0]) + 1

    def forget(self, name: str, source: str, *, connection: Connection) -> None:
        """It was the person after all."""
        connection.execute(
            "DELETE FROM account_attempt WHERE name = %(name)s AND source = %(source)s",
            self._macs(name, source),
        )

    def forget_name(self, name: str, *, connection: Connection) -> None:
        """Somebody who may has made a new password for the name."""
        connection.execute(
            "DELETE FROM account_attempt WHERE name = %(name)s", self._macs(name, "")
        )

    def _macs(self, name: str, source: str) -> dict[str, bytes]:
        return {
            "name": self._vault.mac("login", name.strip().lower().encode()),
            "source": self._vault.mac("login", b"\0" + coarse(source).encode()),
        }


def coarse(source: str) -> str:
    """Whence a request comes, as far as it matters: the network, not the machine."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return ""
    # A server that listens for both kinds calls an address of IPv4 one of IPv6.
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
