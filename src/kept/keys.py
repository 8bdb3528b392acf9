"""The vault: one key per person and retention class, and how it is destroyed.

What is written under a key goes when the key goes. Each key is wrapped (AES-256-GCM) under a
key-encryption key (KEK) of the current epoch. KEKs never enter the database; a custodian
keeps them. Shredding a key takes its wrapped bytes out of the table at once; copies of those
bytes in the database's own log and in backups die on the day on which the epoch's KEK is
destroyed: the living keys are first wrapped under the next epoch, then the old KEK goes.

Numbers of subjects are positive. Kept's own records (a case, an entry of the locator) have
keys of their own under negative numbers, so that they can die apart from any person.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kept.custodian import Custodian, FileCustodian
from kept.database import Connection, Cursor, Database
from kept.errors import Shredded, VaultError
from kept.wire import Statement

__all__ = ["EPOCH_DAYS", "OWN_CLASSES", "PERSON", "Custodian", "FileCustodian", "Newborn", "Vault"]

#: Planned life of an epoch, in days: the longest time for which a shredded key's wrapped
#: bytes in a log or a backup can still be of use to anyone.
EPOCH_DAYS: Final = 30
#: Classes of Kept's own records; an erasure does not shred them.
OWN_CLASSES: Final = frozenset(
    (
        "case",
        "suppression",
        "locator",
        "hold",
        "intake",
        "outbox",
        "agent",
        "complaint",
        "incident",
        "quarantine",
    )
)
#: The class under which identifiers are sealed.
PERSON: Final = "person"

_SEAL: Final = b"\x01"
_BATCH: Final = 1000
#: With which secrets the database was begun, and whether it has an epoch.
_BEGUN: Final = (
    "SELECT (SELECT digest FROM key_check WHERE name = 'mac'),"
    " (SELECT digest FROM key_check WHERE name = 'signing'), EXISTS (SELECT FROM key_epoch)"
)
_CURRENT: Final = "SELECT epoch FROM key_epoch WHERE current "
_BORN: Final = (
    "INSERT INTO subject_key (subject, class, generation, epoch, wrapped)"
    " VALUES ($1::bigint, $2::text, 1, $3::int, $4::bytea)"
)


class Vault:
    """Keys of people × classes. Threads may share it."""

    def __init__(
        self, database: Database, custodian: Custodian, *, now: dt.datetime | None = None
    ) -> None:
        """Open the vault; make its first epoch (as of `now`) and secrets where it is new.

        Raises VaultError where the custodian's keys are not those of this database.
        """
        self._database, self._custodian = database, custodian
        with database.by_statement() as c:
            row = c.execute(_BEGUN).fetchone()
        assert row is not None
        mac, signing, epoch = row
        self._root = self._secret("mac", mac)
        self._uses: dict[str, bytes] = {}
        self._signing = Ed25519PrivateKey.from_private_bytes(self._secret("signing", signing))
        if not epoch:
            self._first_epoch(now or dt.datetime.now(dt.UTC))

    # — keys ——————————————————————————————————————————————————————————————————————————————

    def key(self, subject: int, cls: str, *, connection: Connection | None = None) -> bytes:
        """The key (32 bytes) of a subject and class, made on demand. Raises Shredded."""
        return self._keys([(subject, cls)], connection)[(subject, cls)][1]

    def seal(
        self,
        subject: int,
        cls: str,
        data: bytes,
        label: bytes,
        *,
        connection: Connection | None = None,
    ) -> bytes:
        """Encrypt `data` under the key of subject and class; `label` must be given to unseal."""
        generation, key = self._keys([(subject, cls)], connection)[(subject, cls)]
        return _seal(subject, cls, generation, key, data, label)

    def seal_many(
        self,
        parts: Sequence[tuple[int, str, bytes, bytes]],
        *,
        connection: Connection | None = None,
    ) -> list[bytes]:
        """Seal (subject, class, data, label) each; the keys are fetched with one statement."""
        keys = self._keys([(s, c) for s, c, _, _ in parts], connection)
        return [_seal(s, c, *keys[(s, c)], data, label) for s, c, data, label in parts]

    def current(self) -> Statement:
        """For who asks several things at once: a row of the epoch under which `newborn` wraps. It
        stays current until the transaction ends; no row where it was just left.
        """
        return _CURRENT + "FOR SHARE", ()

    def newborn(self, subject: int, cls: str, epoch: int) -> Newborn:
        """The first key of a number that was never used, in the transaction of `current`."""
        key = secrets.token_bytes(32)
        return Newborn(subject, cls, epoch, key, self._wrap(subject, cls, 1, epoch, key))

    def fresh(self, connection: Connection) -> Fresh:
        """Keys for records that are being made in this transaction: see `Fresh`."""
        return Fresh(self, connection)

    def unseal(
        self,
        subject: int,
        cls: str,
        sealed: bytes,
        label: bytes,
        *,
        connection: Connection | None = None,
    ) -> bytes:
        """Decrypt what `seal` gave. Raises Shredded, or VaultError where it was altered."""
        return self.unseal_many([(subject, cls, sealed, label)], connection=connection)[0]

    def unseal_many(
        self,
        parts: Sequence[tuple[int, str, bytes, bytes]],
        *,
        connection: Connection | None = None,
    ) -> list[bytes]:
        """Unseal (subject, class, sealed, label) each; the keys are fetched with one statement."""
        named = []
        for subject, cls, sealed, _ in parts:
            if len(sealed) < 33 or sealed[:1] != _SEAL:
                raise VaultError("sealed data has a form that the vault does not know")
            named.append((subject, cls, int.from_bytes(sealed[1:5], "big")))
        if not parts:
            return []
        with self._database.by_statement(connection) as c:
            rows = _those(c, sorted(set(named)))
            keys = {one: self._opened(c, *one, *rows.get(one, (None, None))) for one in set(named)}
        plain = []
        for one, (_, _, sealed, label) in zip(named, parts, strict=True):
            try:
                plain.append(
                    AESGCM(_use(keys[one], b"seal")).decrypt(
                        sealed[5:17], sealed[17:], _bound(*one, label)
                    )
                )
            except InvalidTag:
                raise VaultError(
                    "sealed data was altered, or belongs elsewhere",
                    fix="restore that record from a backup of the database",
                ) from None
        return plain

    def pseudonym(
        self, subject: int, cls: str, at: dt.datetime, *, connection: Connection | None = None
    ) -> str:
        """What the ledger calls a person: 32 hex digits, other ones for each class and month.

        Without the key nobody can tell whose it is, nor that two are the same person's.
        """
        return self.pseudonyms([(subject, cls)], at, connection=connection)[0]

    def pseudonyms(
        self,
        pairs: Sequence[tuple[int, str]],
        at: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> list[str]:
        """`pseudonym` of each (subject, class), with one statement for the keys."""
        keys = self._keys(pairs, connection)
        return [_pseudonym(keys[pair][1], at) for pair in pairs]

    def mac(self, use: str, data: bytes) -> bytes:
        """HMAC-SHA-256 (32 bytes) under the deployment's key for `use` (locator, suppression …).

        Hashes of different uses cannot be compared with each other.
        """
        key = self._uses.get(use)
        if key is None:
            key = self._uses[use] = _use(self._root, b"mac:" + use.encode())
        return hmac.digest(key, data, "sha256")

    def signing_key(self) -> Ed25519PrivateKey:
        """The key that signs checkpoints; kept by the custodian, never in the database."""
        return self._signing

    # — destruction ———————————————————————————————————————————————————————————————————————

    def shred(
        self,
        subjects: Iterable[int],
        classes: Iterable[str],
        now: dt.datetime,
        *,
        final: bool = True,
        connection: Connection | None = None,
    ) -> dt.date:
        """Destroy the keys of subjects × classes; the day on which no copy is of use any more.

        The wrapped bytes leave the table at once. With `final` no new key is ever made for
        these; without it (a class past its time, of somebody who stays) the next use makes one.
        """
        people, names = sorted(set(subjects)), sorted(set(classes))
        with self._database.within(connection) as c:
            c.execute(
                "UPDATE subject_key SET wrapped = NULL, epoch = NULL, shredded_at = %s, final = %s"
                " WHERE subject = ANY(%s) AND class = ANY(%s) AND wrapped IS NOT NULL",
                (now, final, people, names),
            )
            if final:
                c.execute(
                    "INSERT INTO subject_key (subject, class, generation, final, shredded_at)"
                    " SELECT s, k, 0, true, %s FROM unnest(%s::bigint[]) s, unnest(%s::text[]) k"
                    " WHERE NOT EXISTS (SELECT FROM subject_key WHERE subject = s AND class = k)"
                    " ON CONFLICT DO NOTHING",
                    (now, people, names),
                )
                c.execute(
                    "UPDATE subject_key SET final = true WHERE subject = ANY(%s)"
                    " AND class = ANY(%s) AND NOT final AND wrapped IS NULL",
                    (people, names),
                )
            row = c.execute(
                "SELECT max(ends_on) FROM key_epoch WHERE destroyed_at IS NULL"
            ).fetchone()
        assert row is not None
        planned: dt.date = row[0]
        return max(planned, now.astimezone(dt.UTC).date())

    def drop(self, subject: int, cls: str, *, connection: Connection) -> None:
        """Destroy the keys of a record of Kept's own whose number is never used again, and forget
        that there were any. As with `shred`, copies of the wrapped bytes die with their epoch.
        """
        if subject >= 0 or cls not in OWN_CLASSES:
            raise VaultError("only keys of Kept's own records are dropped", met=f"class `{cls}`")
        connection.execute(
            "DELETE FROM subject_key WHERE subject = %s AND class = %s", (subject, cls)
        )

    def rotate(self, now: dt.datetime) -> int:
        """Begin a new epoch and wrap every living key under it; the new epoch's number.

        The old KEKs stay until `destroy_epoch`. A rotation that was cut off is simply repeated.
        """
        with self._database.connection() as c:
            old = _current(c, "FOR UPDATE")
            new = old + 1
            # The KEK first: a row without its KEK would lock the vault, a KEK alone harms none.
            self._custodian.make(new)
            c.execute("UPDATE key_epoch SET current = false WHERE epoch = %s", (old,))
            c.execute(
                "INSERT INTO key_epoch (epoch, made_at, ends_on, current)"
                " VALUES (%s, %s, %s, true)",
                (new, now, _end(now)),
            )
        self._rewrap()
        return new

    def destroy_epoch(self, epoch: int, now: dt.datetime) -> None:
        """Destroy an epoch's KEK for good, after its living keys were wrapped under the current.

        Of the current epoch: a new one is begun first. Repeating it does no harm.
        """
        with self._database.connection() as c:
            row = c.execute(
                "SELECT current, destroyed_at FROM key_epoch WHERE epoch = %s", (epoch,)
            ).fetchone()
        if row is None:
            raise VaultError("there is no such epoch", met=f"epoch {epoch}")
        if row[0]:
            self.rotate(now)
        self._rewrap()
        self._custodian.destroy(epoch)
        with self._database.connection() as c:
            c.execute(
                "UPDATE key_epoch SET destroyed_at = %s WHERE epoch = %s AND destroyed_at IS NULL",
                (now, epoch),
            )

    def turn(self, now: dt.datetime) -> list[int]:
        """Destroy every epoch whose planned end has come; their numbers. For the daily job."""
        with self._database.connection() as c:
            due = c.execute(
                "SELECT epoch FROM key_epoch WHERE destroyed_at IS NULL AND"
                " (ends_on <= %s OR NOT current AND NOT EXISTS"
                " (SELECT FROM subject_key k WHERE k.epoch = key_epoch.epoch))"
                " ORDER BY epoch",
                (now.astimezone(dt.UTC).date(),),
            ).fetchall()
        for (epoch,) in due:
            self.destroy_epoch(epoch, now)
        return [epoch for (epoch,) in due]

    # — inside ————————————————————————————————————————————————————————————————————————————

    def _keys(
        self, pairs: Sequence[tuple[int, str]], connection: Connection | None
    ) -> dict[tuple[int, str], tuple[int, bytes]]:
        """(generation, key) of each pair; what is missing is made, all at once."""
        wanted = sorted(set(pairs))
        with self._database.within(connection) as c:
            rows = _rows(c, wanted)
            missing = [
                (subject, cls, 1 if generation is None else generation + 1)
                for subject, cls, generation, _, wrapped, final in rows
                if wrapped is None and not final
            ]
            if missing:
                # Shared with other makers, exclusive to `rotate`: no key is wrapped under an
                # epoch that is just being left.
                epoch = _current(c, "FOR SHARE")
                made = [
                    (s, k, g, epoch, self._wrap(s, k, g, epoch, secrets.token_bytes(32)))
                    for s, k, g in missing
                ]
                there = c.execute(
                    "INSERT INTO subject_key (subject, class, generation, epoch, wrapped)"
                    " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::int[],"
                    " %s::bytea[]) ON CONFLICT DO NOTHING RETURNING subject, class",
                    [list(column) for column in zip(*made, strict=True)],
                ).fetchall()
                if len(there) < len(made):  # somebody else made some of them meanwhile
                    rows = _rows(c, wanted)
                else:
                    new = {(s, k): (s, k, g, e, w, False) for s, k, g, e, w in made}
                    rows = [new.get((row[0], row[1]), row) for row in rows]
            found: dict[tuple[int, str], tuple[int, bytes]] = {}
            for subject, cls, generation, epoch, wrapped, _ in rows:
                key = self._opened(c, subject, cls, generation, epoch, wrapped)
                found[(subject, cls)] = (generation, key)
        return found

    def _opened(
        self,
        c: Connection,
        subject: int,
        cls: str,
        generation: int,
        epoch: int | None,
        wrapped: bytes | None,
    ) -> bytes:
        """The key in a row just read, or Shredded. Reads the row again where its epoch ended
        meanwhile: the key was then wrapped under a later one before the KEK went.
        """
        while epoch is not None and wrapped is not None:
            try:
                return self._unwrap(subject, cls, generation, epoch, wrapped)
            except VaultError:
                before = epoch
                one = (subject, cls, generation)
                epoch, wrapped = _those(c, [one]).get(one, (None, None))
                if epoch == before:
                    raise
        raise _shredded(cls)

    def _wrap(self, subject: int, cls: str, generation: int, epoch: int, key: bytes) -> bytes:
        nonce = secrets.token_bytes(12)
        bound = _bound(subject, cls, generation, b"wrap %d" % epoch)
        return nonce + AESGCM(self._custodian.kek(epoch)).encrypt(nonce, key, bound)

    def _unwrap(self, subject: int, cls: str, generation: int, epoch: int, wrapped: bytes) -> bytes:
        bound = _bound(subject, cls, generation, b"wrap %d" % epoch)
        try:
            return AESGCM(self._custodian.kek(epoch)).decrypt(wrapped[:12], wrapped[12:], bound)
        except InvalidTag:
            raise VaultError(
                "a wrapped key was altered, or is not of this vault",
                met=f"a key of class `{cls}` in epoch {epoch}",
                fix="restore the database and the key directory of the same day",
            ) from None

    def _rewrap(self) -> None:
        """Wrap every living key of older epochs under the current one, in batches."""
        while True:
            with self._database.connection() as c:
                epoch = _current(c, "FOR SHARE")
                rows = c.execute(
                    "SELECT subject, class, generation, epoch, wrapped FROM subject_key"
                    " WHERE epoch < %s AND wrapped IS NOT NULL LIMIT %s FOR UPDATE",
                    (epoch, _BATCH),
                ).fetchall()
                if not rows:
                    return
                c.execute(
                    "UPDATE subject_key k SET wrapped = n.wrapped, epoch = %s FROM unnest("
                    "%s::bigint[], %s::text[], %s::int[], %s::bytea[])"
                    " AS n (subject, class, generation, wrapped) WHERE k.subject = n.subject"
                    " AND k.class = n.class AND k.generation = n.generation",
                    (
                        epoch,
                        [r[0] for r in rows],
                        [r[1] for r in rows],
                        [r[2] for r in rows],
                        [self._wrap(r[0], r[1], r[2], epoch, self._unwrap(*r)) for r in rows],
                    ),
                )

    def _first_epoch(self, now: dt.datetime) -> None:
        """The one that is there when two begin at once stays."""
        with self._database.connection() as c:
            if c.execute("SELECT 1 FROM key_epoch LIMIT 1").fetchone():
                return
            self._custodian.make(1)
            c.execute(
                "INSERT INTO key_epoch (epoch, made_at, ends_on, current)"
                " VALUES (1, %s, %s, true) ON CONFLICT DO NOTHING",
                (now, _end(now)),
            )

    def _secret(self, name: str, begun: bytes | None) -> bytes:
        """A secret of the custodian. The database remembers its digest, `begun`, and notices
        another; None: it was begun with none.
        """
        secret = self._custodian.secret(name, make=begun is None)
        digest = hashlib.sha256(b"kept key check\0" + name.encode() + b"\0" + secret).digest()
        if begun is None:
            with self._database.connection() as c:
                c.execute(
                    "INSERT INTO key_check (name, digest) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    (name, digest),
                )
                row = c.execute("SELECT digest FROM key_check WHERE name = %s", (name,)).fetchone()
            begun = row[0] if row else None
        if begun is None or not hmac.compare_digest(begun, digest):
            raise VaultError(
                "the key directory is not that of this database",
                expected=f"the key `{name}` with which the database was begun",
                met="another one",
                fix="put the right key directory back; without it nothing sealed can be read",
            )
        return secret


@dataclass(frozen=True, slots=True)
class Newborn:
    """A key that is not stored yet: `statement` stores it, before or with what lies under it."""

    subject: int
    cls: str
    epoch: int
    key: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)

    @property
    def statement(self) -> Statement:
        """For `at_once`; one that is there already is an error, and nothing stays."""
        return _BORN, (self.subject, self.cls, self.epoch, self.wrapped)

    def seal(self, data: bytes, label: bytes) -> bytes:
        """As `Vault.seal` does."""
        return _seal(self.subject, self.cls, 1, self.key, data, label)

    def pseudonym(self, at: dt.datetime) -> str:
        """As `Vault.pseudonym` says."""
        return _pseudonym(self.key, at)


class Fresh:
    """Keys for records of Kept's own whose numbers were never used before, in one transaction.

    Nothing has to be looked up for them, so in a pipeline they cost no round trip of their own.
    """

    def __init__(self, vault: Vault, connection: Connection) -> None:
        self._vault, self._connection = vault, connection
        # Asked for now, read with the first key: see `Vault._keys` for the lock.
        self._asked: Cursor | None = connection.execute(_CURRENT + "FOR SHARE")
        self._epoch = 0

    def seal(self, number: int, cls: str, data: bytes, label: bytes) -> bytes:
        """Encrypt `data` under a key that is made for the record of that (negative) number."""
        if number >= 0 or cls not in OWN_CLASSES:
            raise VaultError("only records of Kept's own are new to the vault", met=f"`{cls}`")
        if self._asked is not None:
            row = self._asked.fetchone()
            self._epoch = _current(self._connection, "FOR SHARE") if row is None else int(row[0])
            self._asked = None
        key = secrets.token_bytes(32)
        # One that is there already is an error, and nothing of the transaction stays.
        self._connection.execute(
            "INSERT INTO subject_key (subject, class, generation, epoch, wrapped)"
            " VALUES (%s, %s, 1, %s, %s)",
            (number, cls, self._epoch, self._vault._wrap(number, cls, 1, self._epoch, key)),
        )
        return _seal(number, cls, 1, key, data, label)


def _rows(
    c: Connection, pairs: Sequence[tuple[int, str]]
) -> list[tuple[int, str, int, int, bytes, bool]]:
    """(subject, class, generation, epoch, wrapped, final) of the newest key of each pair."""
    return c.execute(
        "SELECT w.subject, w.class, k.generation, k.epoch, k.wrapped, coalesce(k.final, false)"
        " FROM unnest(%s::bigint[], %s::text[]) AS w (subject, class) LEFT JOIN LATERAL"
        " (SELECT * FROM subject_key s WHERE s.subject = w.subject AND s.class = w.class"
        " ORDER BY generation DESC LIMIT 1) k ON true",
        ([s for s, _ in pairs], [k for _, k in pairs]),
    ).fetchall()


def _those(
    c: Connection, named: Sequence[tuple[int, str, int]]
) -> dict[tuple[int, str, int], tuple[int | None, bytes | None]]:
    """(epoch, wrapped) of each key (subject, class, generation); None twice where shredded."""
    rows = c.execute(
        "SELECT k.subject, k.class, k.generation, k.epoch, k.wrapped"
        " FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS w (subject, class, generation)"
        " JOIN subject_key k USING (subject, class, generation)",
        [[one[n] for one in named] for n in range(3)],
    ).fetchall()
    return {(s, k, g): (epoch, wrapped) for s, k, g, epoch, wrapped in rows}


def _current(c: Connection, lock: str) -> int:
    # A rotation that commits while we wait leaves the row that we waited for without `current`.
    for _ in range(3):
        row = c.execute(_CURRENT + lock).fetchone()
        if row is not None:
            return int(row[0])
    raise VaultError("the vault has no current epoch", fix="run it again")


def _end(now: dt.datetime) -> dt.date:
    return now.astimezone(dt.UTC).date() + dt.timedelta(days=EPOCH_DAYS)


def _seal(subject: int, cls: str, generation: int, key: bytes, data: bytes, label: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    bound = _bound(subject, cls, generation, label)
    body = AESGCM(_use(key, b"seal")).encrypt(nonce, data, bound)
    return _SEAL + generation.to_bytes(4, "big") + nonce + body


def _pseudonym(key: bytes, at: dt.datetime) -> str:
    month = at.astimezone(dt.UTC).strftime("%Y-%m").encode()
    return hmac.digest(_use(key, b"pseudonym"), month, "sha256")[:16].hex()


def _bound(subject: int, cls: str, generation: int, label: bytes) -> bytes:
    """What sealed bytes are bound to, so that they cannot be moved to another place."""
    return b"%d\0%s\0%d\0%s" % (subject, cls.encode(), generation, label)


def _use(key: bytes, use: bytes) -> bytes:
    """A key for one use only (HKDF-Expand, RFC 5869, one block)."""
    return hmac.digest(key, b"kept " + use + b"\x01", "sha256")


def _shredded(cls: str) -> Shredded:
    return Shredded(
        f"a key of class `{cls}` was destroyed",
        fix="nothing can bring back what lay under it; that is its purpose",
    )
