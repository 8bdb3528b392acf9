"""Holds: why something may not go yet — whose, where, by which ground, until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.model.plan import Reason
from kept.records.actor import Actor
from kept.records.ids import new_id

DATASETS: Final = (
    Dataset(
        "hold",
        ("id",),
        {
            "id": Field("id", "text", nullable=False),
            "subject": Field("subject", "integer", category="identity-link"),
            "system": Field("system", "text"),
            "dataset": Field("dataset", "text"),
            "ground": Field("ground", "text", nullable=False, free_text=True),
            "law": Field("law", "text"),
            "until": Field("until", "date"),
            "clause": Field("clause", "text", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "placed_at": Field("placed_at", "datetime", nullable=False),
            "released_at": Field("released_at", "datetime"),
            "released_by": Field("released_by", "integer"),
            "why": Field("why", "text", free_text=True),
        },
        links=(
            Link(("subject",), "subject", ("subject",)),
            Link(("actor",), "actor", ("actor",), Owner.ACCESSED),
            Link(("released_by",), "actor", ("actor",), Owner.ACCESSED),
        ),
        retention="hold",
        clock="placed_at",
        on_erase=OnErase.NEVER,
        title="Why something may not go yet",
    ),
)

_COLUMNS: Final = (
    "h.id, h.subject, h.system, h.dataset, h.ground, h.law, h.until, h.clause, h.placed_at,"
    " h.released_at, a.actor, a.name, a.role"
)
_OPEN: Final = "h.released_at IS NULL AND (h.until IS NULL OR h.until > %(today)s)"


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold. `subject`, `system`, `dataset` None: all of them.

    `until` is the first day on which it no longer holds; None: until it is released.
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

    def reason(self) -> Reason:
        """Why rows stay, as a plan says it."""
        return Reason(self.ground, self.law, self.until, self.clause, self.id)

    def covers(self, system: str, dataset: str) -> bool:
        """Whether the hold speaks to that dataset."""
        return self.system in (None, system) and self.dataset in (None, dataset)


class Holds:
    """The holds of a deployment."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
            c.execute(
                "INSERT INTO hold (id, subject, system, dataset, ground, law, until, clause, actor,"
                " placed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    hold.id, subject, system, dataset, ground, law, until, clause, actor.id, now,
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
                "UPDATE hold SET released_at = %s, released_by = %s, why = %s"
                " WHERE id = %s AND released_at IS NULL",
                (now, actor.id, why, hold),
            ).rowcount
            if not done:
                raise UsageError(
                    "there is no such open hold", fix="see `kept hold list` for those that are"
                )
            row = c.execute(
                f"SELECT {_COLUMNS} FROM hold h JOIN actor a USING (actor) WHERE h.id = %s",
                (hold,),
            ).fetchone()
        assert row is not None
        return _hold(row)

    def all(self, now: dt.datetime, *, released: bool = False) -> list[Hold]:
        """Holds that are open at `now`, oldest first; with `released` all there ever were."""
        with self._database.connection() as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM hold h JOIN actor a USING (actor)"
                f" WHERE %(all)s OR ({_OPEN}) ORDER BY h.placed_at, h.id",
                {"all": released, "today": _day(now)},
            ).fetchall()
        return [_hold(row) for row in rows]

    def applying(
        self,
        subjects: Sequence[int],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> list[Hold]:
        """Open holds on any of these people, and those on everybody."""
        with self._database.within(connection) as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM hold h JOIN actor a USING (actor) WHERE {_OPEN}"
                " AND (h.subject IS NULL OR h.subject = ANY(%(who)s)) ORDER BY h.placed_at, h.id",
                {"today": _day(now), "who": list(subjects)},
            ).fetchall()
        return [_hold(row) for row in rows]


def _day(now: dt.datetime) -> dt.date:
    return now.astimezone(dt.UTC).date()


def _hold(row: tuple[Any, ...]) -> Hold:
    id_, subject, system, dataset, ground, law, until, clause, placed_at, released_at = row[:10]
    actor = Actor(*row[10:13])
    return Hold(
        id_, subject, system, dataset, ground, law, until, clause, actor, placed_at, released_at
    )
