"""Accounts: who of the staff may use the desk, with which roles, and how each proves it.

An account is known to the ledger by its `id`, which says nothing of the person. Passwords are
hashes; the secret of the second proof is sealed under the account's own key (class `account`,
the account's number negative); recovery codes are keyed hashes and go when they are used.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.actor import ROLES
from kept.records.password import code, typed

#: Roles that an account can have. The others are no staff, or are whoever is at the machine.
STAFF: Final = tuple(r for r in ROLES if r not in ("person", "agent", "operator"))
#: Who answers for accounts, alerts and reviews.
OFFICER: Final = "privacy-officer"
#: How many recovery codes an account gets.
CODES: Final = 10
#: How long a password that somebody else knows may be used.
FIRST_GOOD: Final = dt.timedelta(days=7)
#: How long a role lasts that somebody took in an emergency.
BROKEN: Final = dt.timedelta(hours=1)
_CLASS: Final = "account"
_SECRET: Final = 20  # bytes, as long as the hash (RFC 4226, section 4)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_NUMBER: Final = Field("account", "integer", nullable=False)


def own(name: str, key: tuple[str, ...], title: str, *fields: Field, clock: str | None = None,
        links: Sequence[Link] = ()) -> Dataset:  # fmt: skip
    """A dataset about staff: never found by a request's identifiers, kept as long as cases are."""
    return Dataset(
        name, key, {f.name: f for f in fields}, links=tuple(links), retention="case",
        clock=clock, on_erase=OnErase.NEVER, title=title,
    )  # fmt: skip


def by(field: str, to: str = "account") -> Link:
    """Who of the staff did it: no row of his."""
    return Link((field,), to, (to,), Owner.ACCESSED)


_OF: Final = by("account")

DATASETS: Final = (
    own(
        "account", ("account",), "Who of the staff may use the desk",
        _NUMBER,
        Field("id", nullable=False),
        Field("name", category="identifier.account", nullable=False),
        Field("shown", category="contact.name", nullable=False),
        Field("password", category="account", nullable=False),
        Field("changes", "boolean", nullable=False),
        Field("good_until", "datetime"),
        Field("totp", "bytes", category="account"),
        Field("totp_next", "bytes", category="account"),
        Field("totp_step", "integer"),
        Field("made_at", "datetime", nullable=False),
        Field("last_seen", "datetime", category="account"),
        Field("disabled_at", "datetime"),
        Field("mail", "bytes", category="contact.email"),
        clock="last_seen",
    ),
    own(
        "account_role", ("number",), "Which roles the staff was given",
        Field("number", "integer", nullable=False),
        _NUMBER,
        Field("role", category="contact.job", nullable=False),
        Field("granted_at", "datetime", nullable=False),
        Field("granted_by", "integer"),
        Field("why", "bytes", category="account", nullable=False),
        Field("until", "datetime"),
        Field("revoked_at", "datetime"),
        Field("revoked_by", "integer"),
        Field("reviewed_at", "datetime"),
        Field("reviewed_by", "integer"),
        clock="granted_at",
        links=(
            _OF,
            *(Link((f,), "account", ("account",), Owner.ACCESSED)
              for f in ("granted_by", "revoked_by", "reviewed_by")),
        ),
    ),
    own(
        "account_code", ("account", "mac"), "Recovery codes of the staff, as keyed hashes",
        _NUMBER, Field("mac", "bytes", category="account", nullable=False), links=(_OF,),
    ),
)  # fmt: skip

_COLUMNS: Final = (
    "a.account, a.id, a.name, a.shown, a.changes, a.good_until, a.totp IS NOT NULL, a.made_at,"
    " a.last_seen, a.disabled_at"
)
_LIVING: Final = "r.revoked_at IS NULL AND (r.until IS NULL OR r.until > %(now)s)"


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `changes`: the password is one that somebody else knows, and has to go;
    `enrolled`: it has a second proof; `roles` are those that hold at the moment asked for.
    """

    number: int
    id: str
    name: str
    shown: str
    changes: bool
    good_until: dt.datetime | None
    enrolled: bool
    made_at: dt.datetime
    last_seen: dt.datetime | None
    disabled_at: dt.datetime | None
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that an account was given. `by` None: on this machine, by whoever runs it.

    `until`: it was taken in an emergency, and ends by itself.
    """

    number: int
    account: int
    role: str
    at: dt.datetime
    by: str | None
    why: str
    until: dt.datetime | None
    revoked_at: dt.datetime | None
    reviewed_at: dt.datetime | None
    reviewed_by: str | None

    def holds(self, now: dt.datetime) -> bool:
        """Whether the role can be used at `now`."""
        return self.revoked_at is None and (self.until is None or self.until > now)


class Accounts:
    """The accounts of a deployment. Every change is made within the caller's transaction."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    # — who there is ——————————————————————————————————————————————————————————————————————

    def add(
        self, name: str, shown: str, password: str, now: dt.datetime, *, connection: Connection
    ) -> Account:
        """Make an account whose `password` (its hash) has to be changed at the first login."""
        refuse_name(name)
        if not shown.strip() or len(shown) > 120 or not shown.isprintable():
            raise UsageError("an account has no name to show", expected="up to 120 letters")
        row = connection.execute(
            "INSERT INTO account (id, name, shown, password, changes, good_until, made_at)"
            " VALUES (%s, %s, %s, %s, true, %s, %s) ON CONFLICT (name) DO NOTHING"
            " RETURNING account",
            (secrets.token_hex(16), name, shown.strip(), password, now + FIRST_GOOD, now),
        ).fetchone()
        if row is None:
            raise UsageError("there is an account of that name", fix="choose another name")
        return self.get(row[0], now, connection=connection)

    def get(
        self, number: int, now: dt.datetime, *, connection: Connection | None = None
    ) -> Account:
        """The account of that number. KeyError."""
        return self._some("a.account = %(key)s", number, now, connection)[0]

    def of(self, id_: str, now: dt.datetime, *, connection: Connection | None = None) -> Account:
        """The account of that id. UsageError where there is none."""
        found = self._some("a.id = %(key)s", id_, now, connection)
        if not found:
            raise UsageError("there is no such account", fix="see `kept account list`")
        return found[0]

    def named(
        self, name: str, now: dt.datetime, *, connection: Connection | None = None
    ) -> Account | None:
        """The account of that name to log in with; None where it is nobody's."""
        found = self._some("a.name = %(key)s", name.strip().lower(), now, connection)
        return found[0] if found else None

    def all(self, now: dt.datetime, *, connection: Connection | None = None) -> list[Account]:
        """Every account, by name."""
        return self._some("%(key)s::text IS NULL", None, now, connection)

    def any(self) -> bool:
        """Whether there is an account at all."""
        with self._database.by_statement() as c:
            return c.execute("SELECT 1 FROM account LIMIT 1").fetchone() is not None

    def _some(
        self, where: str, key: object, now: dt.datetime, connection: Connection | None
    ) -> list[Account]:
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                f"SELECT {_COLUMNS}, array(SELECT r.role FROM account_role r"
                f" WHERE r.account = a.account AND {_LIVING}) FROM account a"
                f" WHERE {where} ORDER BY a.name",
                {"key": key, "now": now},
            ).fetchall()
        return [_account(*row) for row in rows]

    # — roles —————————————————————————————————————————————————————————————————————————————

    def emergencies(self) -> list[Grant]:
        """Roles that were taken in an emergency, and into which no officer has looked."""
        return [g for g in self.grants() if g.until is not None and g.reviewed_at is None]

    def grants(
        self, *, living: dt.datetime | None = None, connection: Connection | None = None
    ) -> list[Grant]:
        """Every grant of a role, oldest first; with `living` those alone that hold then."""
        where = _LIVING if living is not None else "true"
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                "SELECT r.number, r.account, r.role, r.granted_at, g.name, r.why, r.until,"
                " r.revoked_at, r.reviewed_at, v.name FROM account_role r"
                " LEFT JOIN account g ON g.account = r.granted_by"
                " LEFT JOIN account v ON v.account = r.reviewed_by"
                f" WHERE {where} ORDER BY r.number",
                {"now": living},
            ).fetchall()
            why = self._vault.unseal_many(
                [(-row[1], _CLASS, bytes(row[5]), b"why") for row in rows], connection=c
            )
        return [_grant(said, *row) for row, said in zip(rows, why, strict=True)]

    def grant(
        self, to: Account, role: str, why: str, by_: Account | None, now: dt.datetime, *,
        connection: Connection, until: dt.datetime | None = None,
    ) -> None:  # fmt: skip
        """Give a role. UsageError where it is none of the staff's."""
        if role not in STAFF:
            raise UsageError("that is no role of an account", expected=f"one of {', '.join(STAFF)}")
        sealed = self._vault.seal(-to.number, _CLASS, why.encode(), b"why", connection=connection)
        connection.execute(
            "INSERT INTO account_role (account, role, granted_at, granted_by, why, until)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            (to.number, role, now, by_.number if by_ else None, sealed, until),
        )

    def revoke(
        self, of: Account, role: str, by_: Account | None, now: dt.datetime, *,
        connection: Connection,
    ) -> int:  # fmt: skip
        """Take a role away; how many grants of it held until now."""
        done = connection.execute(
            "UPDATE account_role r SET revoked_at = %(now)s, revoked_by = %(by)s"
            f" WHERE r.account = %(of)s AND r.role = %(role)s AND {_LIVING}",
            {"now": now, "by": by_.number if by_ else None, "of": of.number, "role": role},
        )
        return done.rowcount

    def reviewed(
        self, numbers: Iterable[int], by_: Account, now: dt.datetime, *, own: bool,
        connection: Connection,
    ) -> int:  # fmt: skip
        """Note that somebody looked at these grants; how many were noted. His own are not, but
        with `own`; what he took himself in an emergency never is.
        """
        done = connection.execute(
            "UPDATE account_role SET reviewed_at = %s, reviewed_by = %s"
            " WHERE number = ANY(%s) AND (account <> %s OR (%s AND until IS NULL))",
            (now, by_.number, list(numbers), by_.number, own),
        )
        return done.rowcount

    # — proof —————————————————————————————————————————————————————————————————————————————

    def password(self, of: Account | None, *, connection: Connection | None = None) -> str | None:
        """The hash of the account's password; None where it is nobody's."""
        if of is None:
            return None
        # Locked where something follows from it: nobody replaces it before that is done.
        lock = "" if connection is None else " FOR UPDATE"
        with self._database.by_statement(connection) as c:
            row = c.execute(
                f"SELECT password FROM account WHERE account = %s{lock}", (of.number,)
            ).fetchone()
        return None if row is None else str(row[0])

    def set_password(
        self, of: Account, hash_: str, *, connection: Connection, until: dt.datetime | None = None
    ) -> None:
        """Replace the password; with `until` it is one to be changed by then."""
        connection.execute(
            "UPDATE account SET password = %s, changes = %s, good_until = %s WHERE account = %s",
            (hash_, until is not None, until, of.number),
        )

    def offer_secret(self, of: Account, *, connection: Connection) -> None:
        """Make a secret for a second proof; it counts from `enrol` on."""
        sealed = self._vault.seal(
            -of.number, _CLASS, secrets.token_bytes(_SECRET), b"totp", connection=connection
        )
        connection.execute(
            "UPDATE account SET totp_next = %s WHERE account = %s", (sealed, of.number)
        )

    def secret(
        self, of: Account, *, offered: bool = False, connection: Connection | None = None
    ) -> tuple[bytes | None, int | None]:
        """(the secret of the second proof, the step of the last code that was taken)."""
        column = "totp_next" if offered else "totp"
        # Locked where a code is about to be taken: it is good once, whoever comes first.
        lock = "" if connection is None else " FOR UPDATE"
        with self._database.by_statement(connection) as c:
            row = c.execute(
                f"SELECT {column}, totp_step FROM account WHERE account = %s{lock}", (of.number,)
            ).fetchone()
            if row is None or row[0] is None:
                return None, None
            opened = self._vault.unseal(-of.number, _CLASS, bytes(row[0]), b"totp", connection=c)
        return opened, row[1]

    def set_mail(self, of: Account, address: str | None, *, connection: Connection) -> None:
        """Where somebody of the staff is reminded; None: nowhere. Sealed."""
        sealed = address and self._vault.seal(
            -of.number, _CLASS, address.encode(), b"mail", connection=connection
        )
        connection.execute(
            "UPDATE account SET mail = %s WHERE account = %s", (sealed or None, of.number)
        )

    def mail(self, of: Account) -> str | None:
        """Where somebody of the staff is reminded; None where nowhere."""
        with self._database.by_statement() as c:
            row = c.execute("SELECT mail FROM account WHERE account = %s", (of.number,)).fetchone()
            if row is None or row[0] is None:
                return None
            return self._vault.unseal(
                -of.number, _CLASS, bytes(row[0]), b"mail", connection=c
            ).decode()

    def enrol(self, of: Account, step: int, *, connection: Connection) -> list[str]:
        """The secret that was offered counts from now on; new recovery codes, to be shown once."""
        connection.execute(
            "UPDATE account SET totp = totp_next, totp_next = NULL, totp_step = %s"
            " WHERE account = %s",
            (step, of.number),
        )
        return self.new_codes(of, connection=connection)

    def took(self, of: Account, step: int, *, connection: Connection) -> None:
        """The code of this step was taken; it and those before count no more."""
        connection.execute(
            "UPDATE account SET totp_step = %s WHERE account = %s", (step, of.number)
        )

    def unproven(self, of: Account, *, connection: Connection) -> None:
        """The account has no second proof any more, and no recovery codes."""
        connection.execute(
            "UPDATE account SET totp = NULL, totp_next = NULL, totp_step = NULL WHERE account = %s",
            (of.number,),
        )
        connection.execute("DELETE FROM account_code WHERE account = %s", (of.number,))

    def new_codes(self, of: Account, *, connection: Connection) -> list[str]:
        """New recovery codes in the place of the old ones; each is good once."""
        made = [code() for _ in range(CODES)]
        connection.execute("DELETE FROM account_code WHERE account = %s", (of.number,))
        connection.execute(
            "INSERT INTO account_code (account, mac) SELECT %s, unnest(%s::bytea[])",
            (of.number, [self._mac(of, one) for one in made]),
        )
        return made

    def use_code(self, of: Account, given: str, *, connection: Connection) -> bool:
        """Whether it is a recovery code of the account; it is gone after that."""
        done = connection.execute(
            "DELETE FROM account_code WHERE account = %s AND mac = %s",
            (of.number, self._mac(of, given)),
        )
        return done.rowcount == 1

    def codes_left(self, of: Account) -> int:
        """How many recovery codes are left."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT count(*) FROM account_code WHERE account = %s", (of.number,)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def _mac(self, of: Account, given: str) -> bytes:
        return self._vault.mac("recovery", f"{of.id}\0{typed(given)}".encode())

    # — being there ———————————————————————————————————————————————————————————————————————

    def disable(self, of: Account, at: dt.datetime | None, *, connection: Connection) -> None:
        """From `at` on nobody logs in with it; None: it may be used again."""
        connection.execute(
            "UPDATE account SET disabled_at = %s WHERE account = %s", (at, of.number)
        )

    def seen(self, of: Account, now: dt.datetime, *, connection: Connection) -> None:
        """Somebody logged in with it."""
        connection.execute("UPDATE account SET last_seen = %s WHERE account = %s", (now, of.number))


def refuse_name(name: str) -> None:
    """UsageError for what cannot be a name to log in with."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "that cannot be a name to log in with",
            expected="2 to 64 small letters, figures and . _ -, the first a letter or figure",
        )


def _account(*row: Any) -> Account:
    return Account(*[*row[:-1], frozenset(row[-1])])


def _grant(why: bytes, *row: Any) -> Grant:
    return Grant(*[*row[:5], why.decode(), *row[6:]])
