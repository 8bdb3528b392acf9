"""Who is out there: given to a partner or put into an audience, and not taken back yet.

A row says what was sent for what, by keyed hashes alone; it goes when whoever has her data confirms
that it is gone. What was asked and confirmed, time by time, stands in the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, OnErase
from kept.errors import Busy
from kept.keys import Vault
from kept.records.subject import suppression_mac
from kept.terms.identifiers import Identifier

_LOCK: Final = "hashtextextended('release:' || %s, 0)"
_COLUMNS: Final = (
    "number, release, recipient, audience, purpose, context, categories, member, macs, said,"
    " notice, put_at, confirmed_at, asked_at, tries, sent_to"
)

DATASETS: Final = (
    Dataset(
        "release_member",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "release": Field("release", nullable=False),
            "recipient": Field("recipient", nullable=False),
            "audience": Field("audience"),
            "purpose": Field("purpose", nullable=False),
            "context": Field("context", nullable=False),
            "categories": Field("categories", "other", nullable=False),
            "member": Field("member", category="identity-link", nullable=False),
            "macs": Field("macs", "other", category="identity-link", nullable=False),
            "said": Field("said", "bytes", category="identity-link", nullable=False),
            "notice": Field("notice"),
            "put_at": Field("put_at", "datetime", nullable=False),
            "confirmed_at": Field("confirmed_at", "datetime"),
            "asked_at": Field("asked_at", "datetime"),
            "tries": Field("tries", "integer", nullable=False),
            "sent_to": Field("sent_to", "other"),
        },
        retention="case",
        # Whoever has her data has to be asked for it also when nothing else is left of her.
        on_erase=OnErase.NEVER,
        title="Whose data lies with a partner or in an audience, as keyed hashes",
    ),
)


@dataclass(frozen=True, slots=True)
class Member:
    """One person by one release. `confirmed_at`: the recipient said that it has her; `asked_at`:
    since when it is asked to give her up, `tries` times until now; `sent_to`: to which addresses
    she went since it last said that it has her, as keyed hashes, None where that is not on record.
    """

    number: int
    release: str
    recipient: str
    audience: str | None
    purpose: str
    context: str
    categories: tuple[str, ...]
    member: str
    macs: tuple[bytes, ...]
    said: bytes
    notice: str | None
    put_at: dt.datetime
    confirmed_at: dt.datetime | None
    asked_at: dt.datetime | None
    tries: int
    sent_to: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands for one release, in counts."""

    release: str
    recipient: str
    audience: str | None
    out: int
    confirmed: int
    asked: int


class Members:
    """Who is out there."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def name(self, release: str, one: Identifier) -> str:
        """Under which name the recipient of a release knows a person (64 hex digits)."""
        text = f"{release}\x00{one.kind}\x00{one.normalised}"
        return self._vault.mac("release", text.encode()).hex()

    def said(self, text: str) -> bytes:
        """A keyed hash of what is sent."""
        return self._vault.mac("release-said", text.encode())

    def place(self, url: str) -> bytes:
        """A keyed hash of the address of a recipient."""
        return self._vault.mac("release-place", url.rstrip("/").encode())

    def macs(self, people: Sequence[Identifier]) -> tuple[bytes, ...]:
        """By which hashes she is judged again, whatever is left of her."""
        return tuple(sorted({suppression_mac(self._vault, one) for one in people}))

    def known(self, release: str, members: Sequence[str]) -> dict[str, Member]:
        """Of these names of a release those that are out there."""
        return {one.member: one for one in self._some("release = %s AND member = ANY(%s)",
                                                      (release, list(members)))}  # fmt: skip

    def all(self, release: str | None = None, after: int = 0, most: int = 500) -> list[Member]:
        """The next rows behind a number, of one release or of all."""
        where = "number > %s AND (%s::text IS NULL OR release = %s)"
        return self._some(where, (after, release, release), most)

    def elsewhere(self, release: str, recipient: str, audience: str | None, purpose: str) -> int:
        """How many are out by a release that went to somebody else than this, or for another
        purpose: kept.toml was changed since.
        """
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT count(*) FROM release_member WHERE release = %s AND"
                " (recipient, coalesce(audience, ''), purpose) <> (%s, %s, %s)",
                (release, recipient, audience or "", purpose),
            ).fetchone()
        return int(row[0]) if row else 0

    def standing(self) -> list[Standing]:
        """How many are out by each release."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT release, recipient, audience, count(*), count(confirmed_at),"
                " count(asked_at) FROM release_member GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()
        return [Standing(*row) for row in rows]

    def put(self, one: Member, *, connection: Connection) -> None:
        """She is about to be sent, anew or with other words, perhaps to another address."""
        connection.execute(
            "INSERT INTO release_member (release, recipient, audience, purpose, context,"
            " categories, member, macs, said, notice, put_at, sent_to)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (release, member) DO UPDATE SET said = excluded.said,"
            " macs = excluded.macs, categories = excluded.categories, notice = excluded.notice,"
            " confirmed_at = NULL, sent_to = CASE WHEN release_member.sent_to @> excluded.sent_to"
            " OR release_member.sent_to IS NULL THEN release_member.sent_to"
            " ELSE release_member.sent_to || excluded.sent_to END",
            (
                one.release, one.recipient, one.audience, one.purpose, one.context,
                list(one.categories), one.member, list(one.macs), one.said, one.notice, one.put_at,
                None if one.sent_to is None else list(one.sent_to),
            ),
        )  # fmt: skip

    def confirm(
        self, release: str, members: Sequence[str], place: bytes, now: dt.datetime, *,
        connection: Connection,
    ) -> None:  # fmt: skip
        """The recipient said, at this address, that it has these."""
        connection.execute(
            "UPDATE release_member SET confirmed_at = %s, sent_to = %s"
            " WHERE release = %s AND member = ANY(%s)",
            (now, [place], release, list(members)),
        )

    def ask(self, numbers: Sequence[int], now: dt.datetime, *, connection: Connection) -> None:
        """The recipient is about to be asked to give these up."""
        connection.execute(
            "UPDATE release_member SET asked_at = coalesce(asked_at, %s), tries = tries + 1"
            " WHERE number = ANY(%s)",
            (now, list(numbers)),
        )

    def gone(self, numbers: Sequence[int], *, connection: Connection) -> None:
        """The recipient said that these are gone."""
        connection.execute("DELETE FROM release_member WHERE number = ANY(%s)", (list(numbers),))

    @contextmanager
    def alone(self, release: str) -> Iterator[None]:
        """The release for this process only, while it lives. Raises Busy where another runs."""
        with self._database.connection() as c:
            held = c.execute(f"SELECT pg_try_advisory_lock({_LOCK})", (release,)).fetchone()
            c.commit()
            if held is None or not held[0]:
                raise Busy(
                    f"the release `{release}` is being run by somebody else right now",
                    fix="wait until it is through",
                )
            try:
                yield
            finally:
                with suppress(psycopg.Error):  # a lost connection has given it back already
                    c.execute(f"SELECT pg_advisory_unlock({_LOCK})", (release,))
                    c.commit()

    def _some(self, where: str, parameters: tuple[object, ...], most: int = 10_000) -> list[Member]:
        with self._database.by_statement() as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM release_member WHERE {where} ORDER BY number LIMIT {most}",
                parameters,
            ).fetchall()
        return [_member(row) for row in rows]


def _member(row: tuple[Any, ...]) -> Member:
    values = list(row)
    values[6], values[8], values[9] = tuple(row[6]), tuple(map(bytes, row[8])), bytes(row[9])
    values[15] = None if row[15] is None else tuple(map(bytes, row[15]))
    return Member(*values)
