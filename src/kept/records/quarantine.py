"""What forms sent beside what was taken: what waits for a person, what came twice, and counters.

Of who was refused nothing is kept but a number. What waits is sealed under a key of its own, which
goes with it; it leaves by itself when nobody has decided.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import UsageError
from kept.keys import Vault
from kept.records.ids import new_id
from kept.wire import Statement

#: How long something waits for a person.
WAITS: Final = dt.timedelta(days=14)
#: How long it is remembered that a form was sent.
ONCE: Final = dt.timedelta(days=1)
_CLASS: Final = "quarantine"
_SENT: Final = b"sent"

DATASETS: Final = (
    Dataset(
        "quarantine",
        ("number",),
        {
            "number": Field("number", "integer", nullable=False),
            "id": Field("id", nullable=False),
            "form": Field("form", nullable=False),
            "region": Field("region", nullable=False),
            "notice": Field("notice", nullable=False),
            "arrived_at": Field("arrived_at", "datetime", nullable=False),
            "expires_at": Field("expires_at", "datetime", nullable=False),
            "sealed": Field("sealed", "bytes", category="free-text"),
            "outcome": Field("outcome"),
            "decided_at": Field("decided_at", "datetime"),
            "actor": Field("actor", "integer"),
        },
        links=(Link(("actor",), "actor", ("actor",), Owner.ACCESSED),),
        retention="case",
        clock="arrived_at",
        on_erase=OnErase.NEVER,
        title="What waits for a person because it may be a child's",
    ),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One that waits, or waited. `open`: nobody has decided yet, and it is still there."""

    number: int
    id: str
    form: str
    region: str
    notice: str
    arrived_at: dt.datetime
    expires_at: dt.datetime
    open: bool
    outcome: str | None
    decided_at: dt.datetime | None


_COLUMNS: Final = (
    "number, id, form, region, notice, arrived_at, expires_at,"
    " sealed IS NOT NULL AND outcome IS NULL, outcome, decided_at"
)


class Quarantine:
    """What waits, what came twice, and how much was refused."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    # — counters ——————————————————————————————————————————————————————————————————————————

    def count(self, form: str, why: str, now: dt.datetime) -> None:
        """One more that was not taken; nothing else of it is kept."""
        with self._database.connection() as c:
            c.execute(
                "INSERT INTO form_refused AS r (day, form, why, count) VALUES (%s, %s, %s, 1)"
                " ON CONFLICT (day, form, why) DO UPDATE SET count = r.count + 1",
                (now.astimezone(dt.UTC).date(), form, why),
            )

    def count_many(
        self, form: str, whys: Mapping[str, int], now: dt.datetime, *, connection: Connection
    ) -> None:
        """So many more that were not taken, by why."""
        if not whys:
            return
        connection.execute(
            "INSERT INTO form_refused AS r (day, form, why, count)"
            " SELECT %s, %s, w, n FROM unnest(%s::text[], %s::bigint[]) u (w, n)"
            " ON CONFLICT (day, form, why) DO UPDATE SET count = r.count + excluded.count",
            (now.astimezone(dt.UTC).date(), form, list(whys), list(whys.values())),
        )

    def counts(self) -> dict[tuple[str, str], int]:
        """(form, why) → how many were not taken."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT form, why, sum(count)::bigint FROM form_refused GROUP BY form, why"
            ).fetchall()
        return {(row[0], row[1]): int(row[2]) for row in rows}

    # — what is sent twice ————————————————————————————————————————————————————————————————

    def first(self, once: str, now: dt.datetime) -> Statement:
        """For who does several things at once: a row where this was not sent before; from now on
        it was.
        """
        mac = self._vault.mac("form-once", once.encode())
        return (
            "INSERT INTO form_once (once, at) VALUES ($1::bytea, $2::timestamptz)"
            " ON CONFLICT DO NOTHING RETURNING 1",
            (mac, now.isoformat()),
        )

    def again(self, once: str) -> None:
        """It was not stored after all: it may be sent again."""
        mac = self._vault.mac("form-once", once.encode())
        with self._database.connection() as c:
            c.execute("DELETE FROM form_once WHERE once = %s", (mac,))

    # — what waits ————————————————————————————————————————————————————————————————————————

    def hold(
        self, form: str, region: str, notice: str, sent: Mapping[str, Any], now: dt.datetime,
        *, connection: Connection,
    ) -> str:  # fmt: skip
        """Seal what was sent until a person has decided; its id."""
        id_ = new_id(now)
        row = connection.execute(
            "INSERT INTO quarantine (id, form, region, notice, arrived_at, expires_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) RETURNING number",
            (id_, form, region, notice, now, now + WAITS),
        ).fetchone()
        assert row is not None
        sealed = self._vault.seal(
            -row[0], _CLASS, json.dumps(dict(sent)).encode(), _SENT, connection=connection
        )
        connection.execute("UPDATE quarantine SET sealed = %s WHERE number = %s", (sealed, row[0]))
        return id_

    def open(self, most: int = 100) -> list[Waiting]:
        """Those that wait, the oldest first."""
        with self._database.by_statement() as c:
            rows = c.execute(
                f"SELECT {_COLUMNS} FROM quarantine WHERE sealed IS NOT NULL AND outcome IS NULL"
                " ORDER BY number LIMIT %s",
                (most,),
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def get(self, id_: str, *, connection: Connection | None = None) -> Waiting:
        """The one of that id. UsageError where there is none."""
        with self._database.by_statement(connection) as c:
            row = c.execute(f"SELECT {_COLUMNS} FROM quarantine WHERE id = %s", (id_,)).fetchone()
        if row is None:
            raise UsageError("nothing waits under this id", fix="see `kept quarantine list`")
        return Waiting(*row)

    def sent(self, one: Waiting, *, connection: Connection | None = None) -> dict[str, Any]:
        """What was sent. For whoever decides, and for whoever may store it then."""
        with self._database.by_statement(connection) as c:
            row = c.execute(
                "SELECT sealed FROM quarantine WHERE number = %s", (one.number,)
            ).fetchone()
            if row is None or row[0] is None:
                raise UsageError("it is gone: its time was over, or somebody has decided")
            plain = self._vault.unseal(-one.number, _CLASS, row[0], _SENT, connection=c)
        found: dict[str, Any] = json.loads(plain)
        return found

    def decide(
        self, one: Waiting, outcome: str, actor: int, now: dt.datetime, *, keep: bool,
        connection: Connection,
    ) -> bool:  # fmt: skip
        """Write down what a person decided; False where somebody has, or its time was over.

        `keep`: it may be stored, and stays sealed until it is fetched; otherwise it is gone.
        """
        done = connection.execute(
            "UPDATE quarantine SET outcome = %s, decided_at = %s, actor = %s"
            " WHERE number = %s AND outcome IS NULL AND sealed IS NOT NULL AND expires_at > %s",
            (outcome, now, actor, one.number, now),
        ).rowcount
        if done and not keep:
            self._destroy(connection, [one.number])
        return done == 1

    def gone(self, one: Waiting, *, connection: Connection) -> bool:
        """What may be stored is handed over: nothing of it stays here. False where it was gone;
        of two who hand it over at once the second waits, and is told so.
        """
        there = connection.execute(
            "SELECT FROM quarantine WHERE number = %s AND sealed IS NOT NULL FOR UPDATE",
            (one.number,),
        ).fetchone()
        self._destroy(connection, [one.number])
        return there is not None

    def sweep(self, now: dt.datetime) -> int:
        """Remove what is past its time, decided or not; how many were never decided."""
        with self._database.connection() as c:
            c.execute("DELETE FROM form_once WHERE at <= %s", (now - ONCE,))
            rows = c.execute(
                "SELECT number, outcome FROM quarantine WHERE sealed IS NOT NULL"
                " AND expires_at <= %s FOR UPDATE",
                (now,),
            ).fetchall()
            late = [row[0] for row in rows if row[1] is None]
            c.execute(
                "UPDATE quarantine SET outcome = 'expired', decided_at = %s WHERE number = ANY(%s)",
                (now, late),
            )
            self._destroy(c, [row[0] for row in rows])
        return len(late)

    def _destroy(self, connection: Connection, numbers: list[int]) -> None:
        for number in numbers:
            self._vault.drop(-number, _CLASS, connection=connection)
        connection.execute("UPDATE quarantine SET sealed = NULL WHERE number = ANY(%s)", (numbers,))
