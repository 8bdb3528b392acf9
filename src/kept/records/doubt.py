"""Doubtful matches: two identifiers that may be one person's, until a human has decided.

The identifiers themselves are sealed under the key of the case that met them; a pair is known
again by a keyed hash, whichever of the two people asks.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.actor import Actor
from kept.records.case import Case
from kept.records.ids import new_id
from kept.records.subject import identity_mac
from kept.terms.identifiers import Identifier
from kept.terms.likeness import OF_HER_ROWS

_CLASS: Final = "case"
_LABEL: Final = b"doubt"
SAME: Final = "same"
DIFFERENT: Final = "different"
OUTCOMES: Final = (SAME, DIFFERENT)

DATASETS: Final = (
    Dataset(
        "identity_doubt",
        ("pair",),
        {
            "pair": Field("pair", "bytes", category="identity-link", nullable=False),
            "id": Field("id", nullable=False),
            "number": Field("number", "integer", nullable=False),
            "subject": Field("subject", "integer", category="identity-link"),
            "mac": Field("mac", "bytes", category="identity-link", nullable=False),
            "other_mac": Field("other_mac", "bytes", category="identity-link", nullable=False),
            "reason": Field("reason", category="identity-link", nullable=False),
            "kind": Field("kind", nullable=False),
            "other": Field("other", nullable=False),
            "sealed": Field("sealed", "bytes", category="identity-link", nullable=False),
            "met_at": Field("met_at", "datetime", category="identity-link", nullable=False),
            "outcome": Field("outcome", category="identity-link"),
            "words": Field("words", "bytes", category="identity-link"),
            "actor": Field("actor", "integer"),
            "settled_at": Field("settled_at", "datetime"),
        },
        links=(
            Link(("subject",), "subject", ("subject",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="person",
        clock="met_at",
        title="Records that may be the person’s, for somebody to decide",
    ),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two identifiers that may be one person's, and why (terms.likeness.REASONS)."""

    one: Identifier
    other: Identifier
    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """A pair in the queue. `outcome` None: it waits for somebody."""

    id: str
    case: str
    number: int
    reason: str
    kind: str
    other: str
    met_at: dt.datetime
    outcome: str | None
    settled_at: dt.datetime | None


_COLUMNS: Final[LiteralString] = (
    "d.id, r.id, d.number, d.reason, d.kind, d.other, d.met_at, d.outcome, d.settled_at"
)


class Doubts:
    """The queue."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def before(
        self, ones: Sequence[Identifier], others: Sequence[Identifier]
    ) -> dict[tuple[str, str], tuple[Identifier, str | None]]:
        """(kind, normalised) of those of `others` that were met with one of `ones` before → that
        one, and what was decided of them (None: it waits); decided with one is decided.
        """
        named = {
            self._pair(one, other): (one, (other.kind, other.normalised))
            for one in ones
            for other in others
        }
        if not named:
            return {}
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT pair, outcome FROM identity_doubt WHERE pair = ANY(%s)"
                " ORDER BY outcome IS NOT NULL, met_at DESC, id DESC",
                (list(named),),
            ).fetchall()
        found: dict[tuple[str, str], tuple[Identifier, str | None]] = {}
        for pair, outcome in rows:
            one, other = named[bytes(pair)]
            found[other] = (one, outcome)
        return found

    def add(
        self, case: Case, pairs: Sequence[Pair], now: dt.datetime, *, connection: Connection
    ) -> int:
        """Put pairs into the queue that were never in it; how many are new.

        Those that an erasure met stay with its case until they are settled: what it may have
        missed has to be decided when she is gone, too.
        """
        new = 0
        for pair in pairs:
            new += connection.execute(
                "INSERT INTO identity_doubt (pair, id, number, subject, mac, other_mac, reason,"
                " kind, other, sealed, met_at) VALUES (%s, %s, %s, (SELECT subject FROM identity"
                " WHERE mac = %s AND %s ORDER BY subject LIMIT 1), %s, %s, %s, %s, %s, %s, %s)"
                " ON CONFLICT (pair) DO NOTHING",
                (
                    self._pair(pair.one, pair.other), new_id(now), case.number,
                    mac := identity_mac(self._vault, pair.one), case.right != "erasure", mac,
                    identity_mac(self._vault, pair.other), pair.reason, pair.one.kind,
                    pair.other.kind, self._sealed(case, pair, connection), now,
                ),
            ).rowcount  # fmt: skip
        return new

    def take(
        self, case: Case, ones: Sequence[tuple[Doubt, Pair]], *, connection: Connection
    ) -> None:
        """Let an erasure have what other cases met, as it was decided there; `Pair.one` is hers."""
        for one, pair in ones:
            row = connection.execute(
                "SELECT number, words FROM identity_doubt WHERE id = %s FOR UPDATE", (one.id,)
            ).fetchone()
            if row is None:
                continue
            words = row[1] and self._vault.seal(
                case.key_subject, _CLASS,
                self._vault.unseal(-row[0], _CLASS, row[1], _LABEL, connection=connection),
                _LABEL, connection=connection,
            )  # fmt: skip
            connection.execute(
                "UPDATE identity_doubt SET number = %s, subject = NULL, mac = %s, other_mac = %s,"
                " kind = %s, other = %s, sealed = %s, words = %s WHERE id = %s",
                (
                    case.number, identity_mac(self._vault, pair.one),
                    identity_mac(self._vault, pair.other), pair.one.kind, pair.other.kind,
                    self._sealed(case, pair, connection), words, one.id,
                ),
            )  # fmt: skip

    def _sealed(self, case: Case, pair: Pair, connection: Connection) -> bytes:
        """What a pair says, under the key of a case."""
        said = json.dumps([[i.kind, i.value] for i in (pair.one, pair.other)]).encode()
        return self._vault.seal(case.key_subject, _CLASS, said, _LABEL, connection=connection)

    def met_with(self, ones: Sequence[Identifier]) -> list[Doubt]:
        """Those that were met with one of these, decided or not."""
        return self._read("d.mac = ANY(%s)", ([identity_mac(self._vault, one) for one in ones],))

    def naming(self, ones: Sequence[Identifier]) -> list[Doubt]:
        """Those that wait and name one of these, whoever of the two has asked."""
        macs = [identity_mac(self._vault, one) for one in ones]
        return self._read(
            "d.outcome IS NULL AND (d.mac = ANY(%s) OR d.other_mac = ANY(%s))", (macs, macs)
        )

    def waiting_as(self, pairs: Sequence[Pair]) -> list[tuple[Doubt, Pair]]:
        """Those that wait as one of these pairs, by whichever of the two people it was met."""
        named = {self._pair(pair.one, pair.other): pair for pair in pairs}
        with self._database.by_statement() as c:
            rows = c.execute(
                f"SELECT d.pair, {_COLUMNS} FROM identity_doubt d JOIN rights_case r USING (number)"
                " WHERE d.outcome IS NULL AND d.pair = ANY(%s) ORDER BY d.met_at, d.id",
                (list(named),),
            ).fetchall()
        return [(Doubt(*row[1:]), named[bytes(row[0])]) for row in rows]

    def apart(self, ones: Sequence[Identifier]) -> dict[bytes, set[bytes]]:
        """`identity_mac` of those of `ones` of which rows that are like hers were decided to be
        another's → that of what these rows say. Of an identifier that her own rows say as well,
        only the rows of others were decided.
        """
        macs = [identity_mac(self._vault, one) for one in ones]
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT mac, other_mac FROM identity_doubt"
                " WHERE outcome = %s AND reason <> ALL(%s)"
                " AND (mac = ANY(%s) OR other_mac = ANY(%s))",
                (DIFFERENT, list(OF_HER_ROWS), macs, macs),
            ).fetchall()
        found: dict[bytes, set[bytes]] = {}
        for one, other in rows:
            found.setdefault(bytes(one), set()).add(bytes(other))
            found.setdefault(bytes(other), set()).add(bytes(one))
        return found

    def pairs(self, case: Case, also: Sequence[Doubt] = ()) -> frozenset[bytes]:
        """The keys of those that a case met, and of some others."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT pair FROM identity_doubt WHERE number = %s OR id = ANY(%s)",
                (case.number, [one.id for one in also]),
            ).fetchall()
        return frozenset(bytes(row[0]) for row in rows)

    def forget(
        self, case: Case, identifiers: Sequence[Identifier], *, connection: Connection
    ) -> None:
        """Somebody is erased: other cases keep no doubtful match that names her."""
        macs = [identity_mac(self._vault, i) for i in identifiers]
        connection.execute(
            "DELETE FROM identity_doubt WHERE (mac = ANY(%s) OR other_mac = ANY(%s))"
            " AND number <> %s",
            (macs, macs, case.number),
        )

    def all(self, *, settled: bool = False, case: str | None = None) -> list[Doubt]:
        """Those that wait, oldest first; with `settled` also those that were decided."""
        where: LiteralString = "(%s OR d.outcome IS NULL) AND (%s::text IS NULL OR r.id = %s)"
        return self._read(where, (settled, case, case))

    def get(self, id_: str) -> Doubt:
        """The one of that id. UsageError where there is none."""
        for one in self._read("d.id = %s", (id_,)):
            return one
        raise UsageError("there is no such doubtful match", fix="see `kept identity doubts`")

    def waiting(self) -> tuple[int, dt.datetime | None]:
        """How many wait for somebody, and since when the first of them does."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT count(*), min(met_at) FROM identity_doubt WHERE outcome IS NULL"
            ).fetchone()
        assert row is not None
        return int(row[0]), row[1]

    def _read(self, where: LiteralString, values: tuple[object, ...]) -> list[Doubt]:
        with self._database.by_statement() as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM identity_doubt d JOIN rights_case r USING (number)"
                f" WHERE {where} ORDER BY d.met_at, d.id",
                values,
            ).fetchall()
        return [Doubt(*row) for row in rows]

    def pair(self, doubt: Doubt) -> Pair:
        """The identifiers, unsealed."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT sealed FROM identity_doubt WHERE id = %s", (doubt.id,)
            ).fetchone()
            assert row is not None
            plain: list[list[Any]] = json.loads(
                self._vault.unseal(-doubt.number, _CLASS, row[0], _LABEL, connection=c)
            )
        one, other = (Identifier(kind, value) for kind, value in plain)
        return Pair(one, other, doubt.reason)

    def settle(
        self, doubt: Doubt, outcome: str | None, reason: str, actor: Actor, now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """Record what somebody decided, and why; None asks it again. UsageError where it is not any
        more what `doubt` says: what another has decided meanwhile is not undone unseen.
        """
        sealed = self._vault.seal(
            -doubt.number, _CLASS, reason.encode(), _LABEL, connection=connection
        )
        changed = connection.execute(
            "UPDATE identity_doubt SET outcome = %s, words = %s, actor = %s, settled_at = %s"
            " WHERE id = %s AND outcome IS NOT DISTINCT FROM %s",
            (outcome, sealed, actor.id, None if outcome is None else now, doubt.id, doubt.outcome),
        ).rowcount
        if not changed:
            raise UsageError(
                "somebody has decided this meanwhile; nothing was changed",
                fix="see what was decided, then decide anew where it is wrong",
            )

    def _pair(self, one: Identifier, other: Identifier) -> bytes:
        both = sorted((identity_mac(self._vault, one), identity_mac(self._vault, other)))
        return self._vault.mac("doubt", b"".join(both))
