"""Holds: why something may not go yet — whose, where, by which ground, until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.model.plan import Reason
from kept.records.actor import Actor
from kept.records.ids import new_id

DATASETS: Final = (
    Dataset(
        "hold",
        ("id",),
        {
            "id": Field("id", "text", nullable=False),
            "number": Field("number", "integer", nullable=False),
            "subject": Field("subject", "integer", category="identity-link"),
            "system": Field("system", "text"),
            "dataset": Field("dataset", "text"),
            "ground": Field("ground", "bytes", nullable=False),
            "law": Field("law", "text"),
            "until": Field("until", "date"),
            "clause": Field("clause", "text", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "placed_at": Field("placed_at", "datetime", nullable=False),
            "released_at": Field("released_at", "datetime"),
            "released_by": Field("released_by", "integer"),
            "why": Field("why", "bytes"),
            "asked_by": Field("asked_by", "integer"),
            "asked_at": Field("asked_at", "datetime"),
        },
        links=(
            Link(("subject",), "subject", ("subject",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
            Link(("released_by",), "actor", ("actor",), Owner.ACCESSED),
            Link(("asked_by",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="hold",
        clock="placed_at",
        on_erase=OnErase.NEVER,
        title="Why something may not go yet",
    ),
)

_CLASS: Final = "hold"
#: What sealed words begin with; those from before they were sealed begin otherwise.
_SEAL: Final = b"\x01"
_COLUMNS: Final = (
    "h.id, h.subject, h.system, h.dataset, h.ground, h.law, h.until, h.clause, h.placed_at,"
    " h.released_at, a.actor, a.name, a.role, h.number,"
    " (SELECT b.name FROM actor b WHERE b.actor = h.asked_by)"
)
_OPEN: Final = "h.released_at IS NULL AND (h.until IS NULL OR h.until > %(today)s)"


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold. `subject`, `system`, `dataset` None: all of them.

    `until` is the first day on which it no longer holds; None: until it is released. `asked` is
    the name of who asked that it be released before its end.
    """

    id: str
    subject: int | None
    system: str | None
    dataset: str | None
    ground: str
    law: str | None
    until: dt.date | None
    clause: str
    placed_by: Actor
    placed_at: dt.datetime
    released_at: dt.datetime | None = None
    asked: str | None = None

    def reason(self) -> Reason:
        """Why rows stay, as a plan says it."""
        return Reason(self.ground, self.law, self.until, self.clause, self.id)

    def covers(self, system: str, dataset: str) -> bool:
        """Whether the hold speaks to that dataset."""
        return self.system in (None, system) and self.dataset in (None, dataset)


class Holds:
    """The holds of a deployment. What people wrote in them is sealed, each under its own key."""

    def __init__(self, database: Database, vault: Vault) -> None:
        """Seals words from before they were sealed, once."""
        self._database, self._vault = database, vault
        with database.connection() as c:
            clear = c.execute(
                "SELECT number, ground, why FROM hold WHERE substring(ground FOR 1) <> %(seal)s"
                " OR substring(why FOR 1) <> %(seal)s FOR UPDATE",
                {"seal": _SEAL},
            ).fetchall()
            for number, *words in clear:
                sealed = [
                    w if w is None or w.startswith(_SEAL) else self._said(c, number, label, w)
                    for label, w in zip(("ground", "why"), words, strict=True)
                ]
                c.execute(
                    "UPDATE hold SET ground = %s, why = %s WHERE number = %s", (*sealed, number)
                )

    def add(
        self,
        *,
        ground: str,
        clause: str,
        actor: Actor,
        now: dt.datetime,
        subject: int | None = None,
        system: str | None = None,
        dataset: str | None = None,
        law: str | None = None,
        until: dt.date | None = None,
        connection: Connection | None = None,
    ) -> Hold:
        """Place a hold. UsageError where it would hold everything, or names no ground."""
        if subject is None and system is None:
            raise UsageError(
                "a hold on everything was refused",
                expected="a person, a system, or a system and a dataset",
                fix="say what is held",
            )
        if dataset is not None and system is None:
            raise UsageError("a hold names a dataset without its system", fix="name the system too")
        if not ground.strip():
            raise UsageError("a hold has no ground", fix="say in words why it must stay")
        hold = Hold(new_id(now), subject, system, dataset, ground, law, until, clause, actor, now)
        with self._database.within(connection) as c:
            row = c.execute("SELECT nextval(pg_get_serial_sequence('hold', 'number'))").fetchone()
            assert row is not None
            sealed = self._said(c, row[0], "ground", ground.encode())
            c.execute(
                "INSERT INTO hold (id, number, subject, system, dataset, ground, law, until,"
                " clause, actor, placed_at) OVERRIDING SYSTEM VALUE"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    hold.id, row[0], subject, system, dataset, sealed, law, until, clause,
                    actor.id, now,
                ),
            )  # fmt: skip
        return hold

    def release(
        self,
        hold: str,
        actor: Actor,
        why: str,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> Hold:
        """Release a hold, once. UsageError where there is none of that id or it is released."""
        with self._database.within(connection) as c:
            done = c.execute(
                "UPDATE hold SET released_at = %s, released_by = %s"
                " WHERE id = %s AND released_at IS NULL RETURNING number",
                (now, actor.id, hold),
            ).fetchone()
            if done is None:
                raise UsageError(
                    "there is no such open hold", fix="see `kept hold list` for those that are"
                )
            sealed = self._said(c, done[0], "why", why.encode())
            c.execute("UPDATE hold SET why = %s WHERE number = %s", (sealed, done[0]))
            row = c.execute(
                f"SELECT {_COLUMNS} FROM hold h JOIN actor a USING (actor) WHERE h.id = %s",
                (hold,),
            ).fetchone()
            assert row is not None
            return self._hold(c, row)

    def get(self, hold: str) -> Hold:
        """The open hold of that id. UsageError where there is none."""
        with self._database.by_statement() as c:
            row = c.execute(
                f"SELECT {_COLUMNS} FROM hold h JOIN actor a USING (actor)"
                " WHERE h.id = %s AND h.released_at IS NULL",
                (hold,),
            ).fetchone()
            if row is None:
                raise UsageError(
                    "there is no such open hold", fix="see `kept hold list` for those that are"
                )
            return self._hold(c, row)

    def ask(self, hold: Hold, actor: Actor, now: dt.datetime, *, connection: Connection) -> None:
        """Note who asked that a hold be released before its end; the first one counts."""
        connection.execute(
            "UPDATE hold SET asked_by = %s, asked_at = %s WHERE id = %s AND asked_by IS NULL",
            (actor.id, now, hold.id),
        )

    def all(self, now: dt.datetime, *, released: bool = False) -> list[Hold]:
        """Holds that are open at `now`, oldest first; with `released` all there ever were."""
        with self._database.by_statement() as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM hold h JOIN actor a USING (actor)"
                f" WHERE %(all)s OR ({_OPEN}) ORDER BY h.placed_at, h.id",
                {"all": released, "today": _day(now)},
            ).fetchall()
            return [self._hold(c, row) for row in rows]

    def applying(
        self,
        subjects: Sequence[int],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> list[Hold]:
        """Open holds on any of these people, and those on everybody."""
        with self._database.by_statement(connection) as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM hold h JOIN actor a USING (actor) WHERE {_OPEN}"
                " AND (h.subject IS NULL OR h.subject = ANY(%(who)s)) ORDER BY h.placed_at, h.id",
                {"today": _day(now), "who": list(subjects)},
            ).fetchall()
            return [self._hold(c, row) for row in rows]

    def _said(self, c: Connection, number: int, label: str, words: bytes) -> bytes:
        return self._vault.seal(-number, _CLASS, words, label.encode(), connection=c)

    def _hold(self, c: Connection, row: tuple[Any, ...]) -> Hold:
        id_, subject, system, dataset, sealed, law, until, clause, placed_at, released_at = row[:10]
        ground = grounds(self._vault, c, row[13], sealed)
        actor = Actor(*row[10:13])
        return Hold(
            id_,
            subject,
            system,
            dataset,
            ground,
            law,
            until,
            clause,
            actor,
            placed_at,
            released_at,
            row[14],
        )


def grounds(vault: Vault, connection: Connection, number: int, sealed: bytes) -> str:
    """The ground of the hold with that number, unsealed."""
    return vault.unseal(-number, _CLASS, sealed, b"ground", connection=connection).decode()


def _day(now: dt.datetime) -> dt.date:
    return now.astimezone(dt.UTC).date()
