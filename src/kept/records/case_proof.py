"""How well it is known who asks in a case: in which ways that was found out, and what was typed.

What she typed is kept as keyed hashes, sealed under the key of the case, until it is compared; a
paper that came as a proof lies sealed beside it. Neither outlives the case (`Proofs.destroyed`).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kept.database import Connection
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.records.actor import Actor
from kept.records.case_state import Case
from kept.records.case_steps import Steps
from kept.terms import proof
from kept.terms.identifiers import Identifier

_CLASS: Final = "case"
#: Under this name lie the keyed hashes of what she typed; under the other, with a number, papers.
TYPED: Final = "typed"
PAPER: Final = "paper:"
#: What is left of one that was destroyed, until the ledger says so.
GONE: Final = "gone:"
#: How often somebody may try to tell what is held of her: in one case, and in all cases of hers
#: that were opened within a while, so that another case is no way to go on guessing.
TRIES: Final = 3
TRIES_IN_ALL: Final = 9
WITHIN: Final = dt.timedelta(days=30)

DATASETS: Final = (
    Dataset(
        "case_proof",
        ("number", "turn"),
        {
            "number": Field("number", "integer", nullable=False),
            "turn": Field("turn", "integer", nullable=False),
            "way": Field("way", "text", category="rights-case", nullable=False),
            "level": Field("level", "integer", category="rights-case", nullable=False),
            "about": Field("about", "bytes", category="identity-link"),
            "actor": Field("actor", "integer", nullable=False),
            "at": Field("at", "datetime", category="rights-case", nullable=False),
        },
        links=(
            Link(("number",), "rights_case", ("number",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="How it was found out that it was you who asked",
    ),
)


@dataclass(frozen=True, slots=True)
class Proof:
    """One way in which it was found out who asks; `level` is what it proved with those before."""

    way: str
    level: int
    actor: Actor
    at: dt.datetime


class Proofs(Steps):
    """The part of `Cases` that knows how well it is known who asks."""

    def proofs(self, case: Case) -> list[Proof]:
        """The ways in which that was found out, in order."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT p.way, p.level, p.actor, a.name, a.role, p.at FROM case_proof p"
                " JOIN actor a USING (actor) WHERE p.number = %s ORDER BY p.turn",
                (case.number,),
            ).fetchall()
        return [Proof(r[0], int(r[1]), Actor(*r[2:5]), r[5]) for r in rows]

    def prove(
        self, case: Case, way: str, actor: Actor, now: dt.datetime,
        *, connection: Connection, about: Identifier | None = None,
    ) -> int:  # fmt: skip
        """Record one more way; the level that all of them reach. `about`: the address that was
        confirmed, where it is a new one.
        """
        c = connection
        c.execute("SELECT FROM rights_case WHERE number = %s FOR UPDATE", (case.number,))
        ways = [
            row[0]
            for row in c.execute(
                "SELECT way FROM case_proof WHERE number = %s", (case.number,)
            ).fetchall()
        ]
        level = proof.reached([*ways, way])
        c.execute(
            "INSERT INTO case_proof (number, turn, way, level, about, actor, at) SELECT %s,"
            " coalesce((SELECT max(turn) FROM case_proof WHERE number = %s), 0) + 1,"
            " %s, %s, %s, %s, %s",
            (case.number, case.number, way, level, about and self.about(about), actor.id, now),
        )
        c.execute("UPDATE rights_case SET proof = %s WHERE number = %s", (level, case.number))
        return level

    def as_well(self, case: Case, of: Case, *, connection: Connection) -> None:
        """Let it be known as well who asks in a case as in the one that it was split off."""
        connection.execute("DELETE FROM case_proof WHERE number = %s", (case.number,))
        connection.execute(
            "INSERT INTO case_proof (number, turn, way, level, about, actor, at)"
            " SELECT %s, turn, way, level, about, actor, at FROM case_proof WHERE number = %s",
            (case.number, of.number),
        )
        connection.execute(
            "UPDATE rights_case r SET proof = o.proof, needs = o.needs FROM rights_case o"
            " WHERE r.number = %s AND o.number = %s",
            (case.number, of.number),
        )

    def need(self, case: Case, level: int, *, connection: Connection | None = None) -> None:
        """Store how much the case takes."""
        with self._database.within(connection) as c:
            c.execute(
                "UPDATE rights_case SET needs = %s WHERE number = %s AND needs <> %s",
                (level, case.number, level),
            )

    def confirmed(self, case: Case, address: Identifier) -> bool:
        """Whether a new address was confirmed, at the old one and at itself."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT EXISTS (SELECT FROM case_proof WHERE number = %s AND way = 'both'"
                " AND about = %s)",
                (case.number, self.about(address)),
            ).fetchone()
        return bool(row and row[0])

    def about(self, address: Identifier) -> bytes:
        """The keyed hash of a new address."""
        words = f"{address.kind}\x00{address.normalised}"
        return self._vault.mac("proof-about", words.encode())

    # — what she typed ————————————————————————————————————————————————————————————————————————

    def tries_left(self, case: Case, *, connection: Connection | None = None) -> int:
        """How often it may still be tried to tell what is held; the same whoever is known."""
        with self._database.by_statement(connection) as c:
            row = c.execute(
                "SELECT r.tried, (SELECT coalesce(sum(o.tried), 0) FROM rights_case o"
                "  WHERE o.opened_at > r.opened_at - %s AND o.number IN (SELECT p.number"
                "  FROM case_person p JOIN case_person w USING (mac) WHERE w.number = r.number))"
                " FROM rights_case r WHERE r.number = %s",
                (WITHIN, case.number),
            ).fetchone()
        return max(min(TRIES - int(row[0]), TRIES_IN_ALL - int(row[1])), 0) if row else 0

    def typed(self, case: Case, hashes: Mapping[str, str], *, connection: Connection) -> int | None:
        """Keep what was typed (place → keyed hash) until it is compared; the number of the try,
        None where there were enough of them.
        """
        c = connection
        # One after the other, so that cases tried at the same time count one another.
        c.execute("SELECT pg_advisory_xact_lock(hashtextextended('kept tries', 0))")
        if not self.tries_left(case, connection=c):
            return None
        row = c.execute(
            "UPDATE rights_case SET tried = tried + 1 WHERE number = %s AND tried < %s"
            " AND done_at IS NULL RETURNING tried",
            (case.number, TRIES),
        ).fetchone()
        if row is None:
            return None
        packed = json.dumps(dict(hashes)).encode()
        sealed = self._vault.seal(
            case.key_subject, _CLASS, packed, TYPED.encode(), connection=connection
        )
        c.execute(
            "INSERT INTO case_sealed (number, name, sealed) VALUES (%s, %s, %s)"
            " ON CONFLICT (number, name) DO UPDATE SET sealed = excluded.sealed",
            (case.number, TYPED, sealed),
        )
        return int(row[0])

    def take_typed(self, case: Case, *, connection: Connection) -> dict[str, str] | None:
        """What was typed last, taken away for good; None where nothing waits."""
        row = connection.execute(
            "DELETE FROM case_sealed WHERE number = %s AND name = %s RETURNING sealed",
            (case.number, TYPED),
        ).fetchone()
        if row is None:
            return None
        plain = self._vault.unseal(
            case.key_subject, _CLASS, row[0], TYPED.encode(), connection=connection
        )
        found: dict[str, str] = json.loads(plain)
        return found

    def with_typed(self) -> Sequence[str]:
        """The ids of cases in which something that was typed waits."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT r.id FROM case_sealed s JOIN rights_case r USING (number)"
                " WHERE s.name = %s ORDER BY r.number",
                (TYPED,),
            ).fetchall()
        return [row[0] for row in rows]

    # — papers ————————————————————————————————————————————————————————————————————————————————

    def keep_paper(self, case: Case, content: bytes, *, connection: Connection) -> None:
        """Keep a paper that came as a proof, sealed, until the case ends."""
        row = connection.execute(
            "SELECT count(*) FROM case_sealed WHERE number = %s AND name LIKE %s",
            (case.number, f"{PAPER}%"),
        ).fetchone()
        assert row is not None
        name = f"{PAPER}{row[0] + 1}"
        sealed = self._vault.seal(
            case.key_subject, _CLASS, content, name.encode(), connection=connection
        )
        connection.execute(
            "INSERT INTO case_sealed (number, name, sealed) VALUES (%s, %s, %s)",
            (case.number, name, sealed),
        )

    def papers(self, case: Case) -> list[bytes]:
        """The papers that are there, unsealed; none once the case has ended."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT name, sealed FROM case_sealed WHERE number = %s AND name LIKE %s"
                " ORDER BY name",
                (case.number, f"{PAPER}%"),
            ).fetchall()
            return [
                self._vault.unseal(case.key_subject, _CLASS, data, name.encode(), connection=c)
                for name, data in rows
            ]

    def destroyed(self, number: int, *, connection: Connection) -> None:
        """Destroy what proved who asks: the case has ended (GDPR Art. 5(1)(e))."""
        connection.execute(
            "DELETE FROM case_sealed WHERE number = %s AND name = %s", (number, TYPED)
        )
        connection.execute(
            "UPDATE case_sealed SET name = %s || name, sealed = '' WHERE number = %s"
            " AND name LIKE %s",
            (GONE, number, f"{PAPER}%"),
        )
