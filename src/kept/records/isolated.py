"""Isolation: what a row said that has to stay lies sealed here, and not in its table any more.

Each copy lies under the key of its entry of the locator and dies with it, key first. It is
opened for two: the person, in a case that names her, and the ground of the hold that keeps it.
Nobody else can read it, because nobody else has anything to read.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase
from kept.errors import VaultError
from kept.keys import Vault
from kept.model.codec import decode_value, encode_value
from kept.model.select import Batch
from kept.model.values import Value

#: Field → what it said.
Copy: TypeAlias = Mapping[str, Value]
#: (system, dataset, key) → the keyed hash of the key (`Locator.key_mac`).
KeyMac: TypeAlias = Callable[[str, str, Sequence[Value]], bytes]
#: (system, dataset), the keyed hash of the row's key, what it said.
Kept: TypeAlias = tuple[tuple[str, str], bytes, bytes]

_CLASS: Final = "locator"
_LABEL: Final = b"isolated"

DATASETS: Final = (
    Dataset(
        "isolated",
        ("entry", "mac"),
        {
            "entry": Field("entry", "integer", nullable=False),
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "sealed": Field("sealed", "bytes", category="identity-link", nullable=False),
            "made_at": Field("made_at", "datetime", nullable=False),
        },
        links=(Link(("entry",), "locator", ("entry",)),),
        retention="locator",
        clock="made_at",
        on_erase=OnErase.NEVER,
        title="What isolated rows said, sealed",
    ),
)


class Isolated:
    """The sealed copies, each named by the keyed hash of its row's key (`Locator.key_mac`)."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def seal(
        self,
        number: int | None,
        place: tuple[str, str],
        copies: Mapping[bytes, Copy],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> int:
        """Seal copies (keyed hash of the row's key → fields) under the entries of a case, or of
        all cases that retain these rows.

        What was sealed of them before is replaced; the number of copies written. Rows without an
        entry are left out.
        """
        plain = {mac: _packed(copy) for mac, copy in copies.items()}
        with self._database.within(connection) as c:
            return self._put(c, number, [(place, mac, data) for mac, data in plain.items()], now)

    def known(
        self, place: tuple[str, str], macs: Sequence[bytes], number: int | None = None
    ) -> dict[bytes, Copy]:
        """The copies of these rows, of whichever case (or of one). For the controller only."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT DISTINCT ON (i.mac) i.mac, i.entry, i.sealed FROM isolated i"
                " JOIN locator l USING (entry) WHERE l.system = %s AND l.dataset = %s"
                " AND i.mac = ANY(%s) AND (%s::bigint IS NULL OR l.number = %s)"
                " ORDER BY i.mac, i.made_at, i.entry",
                (*place, list(macs), number, number),
            ).fetchall()
            return {bytes(mac): self._open(c, entry, sealed) for mac, entry, sealed in rows}

    def of_entries(
        self, entries: Sequence[int], place: tuple[str, str], macs: Sequence[bytes]
    ) -> dict[bytes, Copy]:
        """The copies of these rows that lie under these entries."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT DISTINCT ON (i.mac) i.mac, i.entry, i.sealed FROM isolated i"
                " JOIN locator l USING (entry) WHERE i.entry = ANY(%s) AND l.system = %s"
                " AND l.dataset = %s AND i.mac = ANY(%s) ORDER BY i.mac, i.made_at, i.entry",
                (list(entries), *place, list(macs)),
            ).fetchall()
            return {bytes(mac): self._open(c, entry, sealed) for mac, entry, sealed in rows}

    def taken(self, c: Connection, number: int) -> list[Kept]:
        """All copies of a case, opened, to be put back when its entries are made anew."""
        rows = c.execute(
            "SELECT l.system, l.dataset, i.mac, i.entry, i.sealed FROM isolated i"
            " JOIN locator l USING (entry) WHERE l.number = %s",
            (number,),
        ).fetchall()
        return [
            (
                (str(system), str(dataset)),
                bytes(mac),
                self._vault.unseal(-entry, _CLASS, sealed, _LABEL, connection=c),
            )
            for system, dataset, mac, entry, sealed in rows
        ]

    def put_back(self, c: Connection, number: int, copies: Sequence[Kept], now: dt.datetime) -> int:
        """Seal what `taken` gave under the entries that the case has now."""
        return self._put(c, number, copies, now)

    def move(self, c: Connection, entry: int, new: int) -> None:
        """Seal the copies of an entry under another."""
        rows = c.execute("SELECT mac, sealed FROM isolated WHERE entry = %s", (entry,)).fetchall()
        plain = [self._vault.unseal(-entry, _CLASS, one, _LABEL, connection=c) for _, one in rows]
        sealed = self._vault.seal_many(
            [(-new, _CLASS, data, _LABEL) for data in plain], connection=c
        )
        c.execute(
            "UPDATE isolated i SET entry = %s, sealed = w.sealed FROM unnest(%s::bytea[],"
            " %s::bytea[]) AS w (mac, sealed) WHERE i.entry = %s AND i.mac = w.mac",
            (new, [mac for mac, _ in rows], sealed, entry),
        )

    def _put(
        self, c: Connection, number: int | None, copies: Sequence[Kept], now: dt.datetime
    ) -> int:
        if not copies:
            return 0
        entries: dict[tuple[tuple[str, str], bytes], list[int]] = {}
        for system, dataset, mac, entry in c.execute(
            "SELECT r.system, r.dataset, r.mac, r.entry FROM retained r"
            " JOIN locator l USING (entry) WHERE (%s::bigint IS NULL OR l.number = %s)"
            " AND r.mac = ANY(%s)",
            (number, number, [mac for _, mac, _ in copies]),
        ):
            entries.setdefault(((system, dataset), bytes(mac)), []).append(entry)
        parts = [
            (entry, mac, data)
            for place, mac, data in copies
            for entry in entries.get((place, mac), ())
        ]
        sealed = self._vault.seal_many(
            [(-entry, _CLASS, data, _LABEL) for entry, _, data in parts], connection=c
        )
        c.execute(
            "INSERT INTO isolated (entry, mac, sealed, made_at)"
            " SELECT *, %s FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[])"
            " ON CONFLICT (entry, mac) DO UPDATE SET sealed = EXCLUDED.sealed",
            (now, [e for e, _, _ in parts], [m for _, m, _ in parts], sealed),
        )
        return len(parts)

    def _open(self, c: Connection, entry: int, sealed: bytes) -> Copy:
        return _unpacked(self._vault.unseal(-entry, _CLASS, sealed, _LABEL, connection=c))


class Opened:
    """Copies opened for somebody who may see them: those under certain entries only.

    `met` counts the rows that were shown with what they said, by place.
    """

    def __init__(self, isolated: Isolated, entries: Iterable[int], key_mac: KeyMac) -> None:
        self._isolated, self._entries, self._key_mac = isolated, sorted(set(entries)), key_mac
        self.met: dict[tuple[str, str], int] = {}

    def overlaid(self, place: tuple[str, str], key: Sequence[str], batch: Batch) -> Batch:
        """The batch with what its isolated rows said; one statement for all of it."""
        if not self._entries or not batch.rows:
            return batch
        at = [batch.columns.index(name) for name in key]
        macs = [self._key_mac(*place, [row[i] for i in at]) for row in batch.rows]
        copies = self._isolated.of_entries(self._entries, place, macs)
        if not copies:
            return batch
        rows = []
        for row, mac in zip(batch.rows, macs, strict=True):
            said = copies.get(mac)
            if said is not None:
                self.met[place] = self.met.get(place, 0) + 1
                pairs = zip(batch.columns, row, strict=True)
                row = tuple(said.get(name, value) for name, value in pairs)
            rows.append(row)
        return Batch(batch.columns, rows, batch.persons)


def _packed(copy: Copy) -> bytes:
    return json.dumps(
        {name: encode_value(value) for name, value in copy.items()}, separators=(",", ":")
    ).encode()


def _unpacked(data: bytes) -> Copy:
    raw = json.loads(data)
    if not isinstance(raw, dict):
        raise VaultError("a sealed copy has a form that Kept does not know")
    return {str(name): decode_value(value) for name, value in raw.items()}
