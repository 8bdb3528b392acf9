"""Mail to people that waits to be sent: sealed, each under a key of its own.

At least once: a message that was handed over when the machine stopped goes again, under the same
Message-ID. What was sent, or is of no use any more, loses its words and its key at once.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Cursor, Database
from kept.datamap.map import Dataset, Field, OnErase
from kept.keys import Fresh, Vault
from kept.records.ids import new_id
from kept.terms import tongues

_CLASS: Final = "outbox"
_LABEL: Final = b"message"
#: What was handed to a mail server; what was given up, because none took it in time; and what a
#: newer message took the place of before it went.
SENT: Final = "sent"
GIVEN_UP: Final = "given-up"
REPLACED: Final = "replaced"
#: What failed is tried again after this long, then after twice as long, and so on.
_RETRY: Final = dt.timedelta(minutes=1)
#: How often a server may refuse an address before the letter is given up.
_REFUSALS: Final = 5
#: How long it is remembered that a message went.
_REMEMBERED: Final = dt.timedelta(days=30)
_NUMBERS: Final = (
    "SELECT nextval(pg_get_serial_sequence('outbox', 'number')) FROM generate_series(1, %s)"
)

DATASETS: Final = (
    Dataset(
        "outbox",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "id": Field("id", "text", nullable=False),
            "sealed": Field("sealed", "bytes", category="identity-link"),
            "queued_at": Field("queued_at", "datetime", nullable=False),
            "good_until": Field("good_until", "datetime", nullable=False),
            "next_at": Field("next_at", "datetime", nullable=False),
            "attempts": Field("attempts", "integer", nullable=False),
            "sent_at": Field("sent_at", "datetime"),
            "outcome": Field("outcome", "text"),
        },
        retention="case",
        clock="queued_at",
        on_erase=OnErase.NEVER,
        title="Mail to people, sealed until it was sent",
    ),
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message: to whom, after which template, with which values. `id` is its Message-ID's;
    `language` that which she chose; None: she chose none.
    """

    id: str
    to: str
    template: str
    values: Mapping[str, str]
    queued_at: dt.datetime
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where messages of one transaction will stand: their numbers, and the keys made for them."""

    keys: Fresh
    numbers: Cursor


class Outbox:
    """The mail that waits."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def put(
        self, to: str, template: str, values: Mapping[str, str], now: dt.datetime,
        *, good_until: dt.datetime, connection: Connection, language: str | None = None,
        place: Place | None = None,
    ) -> str:  # fmt: skip
        """Queue a message in the transaction that it speaks of; its id. It speaks `language`; None:
        that which somebody chose who reads a page now.
        """
        place = place or self.places(1, connection)
        row = place.numbers.fetchone()
        assert row is not None
        id_, number = new_id(now), int(row[0])
        language = language or tongues.spoken().chosen
        said = {"to": to, "template": template, "values": dict(values), "language": language}
        words = json.dumps(said).encode()
        sealed = place.keys.seal(-number, _CLASS, words, _LABEL)
        connection.execute(
            "INSERT INTO outbox (number, id, sealed, queued_at, good_until, next_at)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, %s, %s, %s)",
            (number, id_, sealed, now, good_until, now),
        )
        return id_

    def places(self, many: int, connection: Connection, keys: Fresh | None = None) -> Place:
        """Places for up to so many messages of this transaction, asked for ahead: in a pipeline
        `put` then waits for nothing.
        """
        keys = keys or self._vault.fresh(connection)
        return Place(keys, connection.execute(_NUMBERS, (many,)))

    @contextmanager
    def next(self, now: dt.datetime) -> Iterator[tuple[Letter, _Turn] | None]:
        """The oldest message that is due and that nobody else is sending; None where there is none.

        What becomes of it is recorded on the `_Turn` within the block, and committed with it.
        """
        with self._database.connection() as c, c.pipeline():
            # Where the machine stops before this is on disk, the letter goes again: as it does
            # where it stopped before this was written, so no letter waits for the disk.
            c.execute("SET LOCAL synchronous_commit TO off")
            row = c.execute(
                "SELECT number, id, sealed, queued_at FROM outbox WHERE outcome IS NULL"
                " AND next_at <= %s AND good_until > %s ORDER BY next_at, number LIMIT 1"
                " FOR UPDATE SKIP LOCKED",
                (now, now),
            ).fetchone()
            if row is None:
                yield None
                return
            number, id_, sealed, queued = row
            plain = self._vault.unseal(-number, _CLASS, bytes(sealed), _LABEL, connection=c)
            said = json.loads(plain)
            yield (
                Letter(
                    id_, said["to"], said["template"], said["values"], queued, said.get("language")
                ),
                _Turn(self, c, number),
            )

    def replace(self, id_: str, *, connection: Connection) -> bool:
        """A newer message of this transaction takes the place of one that waits: its words go.
        False where it went already, or goes now.
        """
        row = connection.execute(
            "SELECT number FROM outbox WHERE id = %s AND outcome IS NULL FOR UPDATE SKIP LOCKED",
            (id_,),
        ).fetchone()
        if row is not None:
            self._over(connection, int(row[0]), REPLACED, None)
        return row is not None

    def tidy(self, now: dt.datetime) -> int:
        """Give up what is of no use any more, and forget what went long ago; how many were given
        up unsent.
        """
        with self._database.connection() as c:
            late = c.execute(
                "SELECT number FROM outbox WHERE outcome IS NULL AND good_until <= %s FOR UPDATE",
                (now,),
            ).fetchall()
            for (number,) in late:
                self._over(c, number, GIVEN_UP, None)
            c.execute(
                "DELETE FROM outbox WHERE queued_at < %s AND outcome IS NOT NULL",
                (now - _REMEMBERED,),
            )
        return len(late)

    def outcomes(self, ids: Iterable[str], *, connection: Connection) -> dict[str, str | None]:
        """Id → what became of the message, None while it waits; without those long forgotten."""
        rows = connection.execute(
            "SELECT id, outcome FROM outbox WHERE id = ANY(%s)", (list(ids),)
        ).fetchall()
        return dict(rows)

    def waiting(self) -> int:
        """How many messages wait."""
        with self._database.by_statement() as c:
            row = c.execute("SELECT count(*) FROM outbox WHERE outcome IS NULL").fetchone()
        assert row is not None
        return int(row[0])

    def _over(self, c: Connection, number: int, outcome: str, sent_at: dt.datetime | None) -> None:
        c.execute(
            "UPDATE outbox SET sealed = NULL, outcome = %s, sent_at = %s WHERE number = %s",
            (outcome, sent_at, number),
        )
        # No number is used twice, so nothing but the key itself has to be remembered as gone.
        self._vault.drop(-number, _CLASS, connection=c)


@dataclass(frozen=True, slots=True)
class _Turn:
    """One attempt to send a message."""

    outbox: Outbox
    connection: Connection
    number: int

    def sent(self, now: dt.datetime) -> None:
        """It was handed over: its words go."""
        self.outbox._over(self.connection, self.number, SENT, now)

    def given_up(self) -> None:
        """It can never be sent: its words go."""
        self.outbox._over(self.connection, self.number, GIVEN_UP, None)

    def refused(self, now: dt.datetime) -> None:
        """The server does not take its address: tried a few times again, then given up."""
        row = self.connection.execute(
            "SELECT attempts FROM outbox WHERE number = %s", (self.number,)
        ).fetchone()
        if row is not None and row[0] + 1 >= _REFUSALS:
            self.given_up()
        else:
            self.failed(now)

    def failed(self, now: dt.datetime) -> None:
        """It was not: it is tried again later."""
        self.connection.execute(
            "UPDATE outbox SET attempts = attempts + 1,"
            " next_at = %s + %s * power(2, least(attempts, 6)) WHERE number = %s",
            (now, _RETRY, self.number),
        )
