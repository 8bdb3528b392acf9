"""Accounts that log in through a provider of logins: which of its words means which account.

Of the provider's word for somebody there is a keyed hash alone, of it with the provider's own
name: the same word of another provider is another.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Field, Link, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.account import Account, Accounts, by, own

#: For so long one login may take.
LASTS: Final = dt.timedelta(minutes=15)

DATASETS: Final = (
    own(
        "account_link", ("account",), "Which of the staff log in through a provider",
        Field("account", "integer", nullable=False),
        Field("who", "bytes", category="account", nullable=False),
        Field("linked_at", "datetime", nullable=False),
        Field("linked_by", "integer"),
        clock="linked_at",
        links=(
            by("account"),
            Link(("linked_by",), "account", ("account",), Owner.ACCESSED),
        ),
    ),
    own(
        "account_link_used", ("state",), "Logins through a provider, each taken once",
        Field("state", "bytes", nullable=False),
        Field("at", "datetime", nullable=False),
        clock="at",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Linked:
    """Since when an account logs in through the provider. `by` None: whoever runs the machine."""

    account: int
    at: dt.datetime
    by: str | None


class Links:
    """The links of a deployment. Every change is made within the caller's transaction."""

    def __init__(self, database: Database, vault: Vault, accounts: Accounts) -> None:
        self._database, self._vault, self._accounts = database, vault, accounts

    def all(self) -> dict[int, Linked]:
        """Number of the account → its link."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT l.account, l.linked_at, a.name FROM account_link l"
                " LEFT JOIN account a ON a.account = l.linked_by"
            ).fetchall()
        return {row[0]: Linked(*row) for row in rows}

    def find(
        self, issuer: str, word: str, now: dt.datetime, *, connection: Connection
    ) -> Account | None:
        """Whom a word of the provider means; None: nobody."""
        row = connection.execute(
            "SELECT account FROM account_link WHERE who = %s", (self._who(issuer, word),)
        ).fetchone()
        return None if row is None else self._accounts.get(row[0], now, connection=connection)

    def add(
        self, of: Account, issuer: str, word: str, by_: Account | None, now: dt.datetime, *,
        connection: Connection,
    ) -> None:  # fmt: skip
        """Let a word mean this account. UsageError where either of them has another already."""
        done = connection.execute(
            "INSERT INTO account_link (account, who, linked_at, linked_by) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (of.number, self._who(issuer, word), now, by_.number if by_ else None),
        )
        if not done.rowcount:
            raise UsageError(
                "the account, or that word of the provider, is linked already; nothing was changed",
                expected="one word for one account",
                fix="end the link that there is first",
            )

    def remove(self, of: Account, *, connection: Connection) -> bool:
        """End the link of an account; whether there was one."""
        done = connection.execute("DELETE FROM account_link WHERE account = %s", (of.number,))
        return bool(done.rowcount)

    def use(self, state: str, now: dt.datetime, *, connection: Connection) -> bool:
        """Whether this login is taken for the first time. Those that are long over go."""
        connection.execute("DELETE FROM account_link_used WHERE at <= %s", (now - 2 * LASTS,))
        done = connection.execute(
            "INSERT INTO account_link_used (state, at) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (self._vault.mac("login-used", state.encode()), now),
        )
        return bool(done.rowcount)

    def _who(self, issuer: str, word: str) -> bytes:
        return self._vault.mac("login-elsewhere", f"{issuer}\0{word}".encode())
