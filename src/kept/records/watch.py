"""Who of the staff opened how many people within an hour, and the alerts that follow.

Of whom was opened a keyed hash is kept, so that one person opened ten times is one. It goes
after a month; what was disclosed for good stands in the case and in the ledger.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Field
from kept.keys import Vault
from kept.records.account import Account, by, own
from kept.records.actor import Actor

#: What is counted together, and for how long it is remembered.
HOUR: Final = dt.timedelta(hours=1)
#: What an alert is about: many people opened; something done alone that takes two people; more
#: reports of children than are acted on without a person; a public form that takes no more: of
#: requests, of complaints, of letters that lead to the page of choices, of reports of children.
BULK: Final = "bulk-reading"
ALONE: Final = "done-alone"
FLOOD: Final = "report-flood"
FULL: Final = "form-full"
COMPLAINTS_FULL: Final = "complaints-full"
CHOICES_FULL: Final = "choices-full"
REPORTS_FULL: Final = "reports-full"
_REMEMBERED: Final = dt.timedelta(days=30)

DATASETS: Final = (
    own(
        "desk_opening", ("number",), "Whom the staff opened, as keyed hashes",
        Field("number", "integer", nullable=False),
        Field("actor", "integer", nullable=False),
        Field("what", "bytes", category="identity-link", nullable=False),
        Field("records", "integer", nullable=False),
        Field("at", "datetime", nullable=False),
        Field("most_people", "integer"),
        Field("most_records", "integer"),
        clock="at", links=(by("actor", "actor"),),
    ),
    own(
        "desk_alert", ("number",), "When the staff opened many people",
        Field("number", "integer", nullable=False),
        Field("actor", "integer", category="account", nullable=False),
        Field("people", "integer", nullable=False),
        Field("records", "integer", nullable=False),
        Field("what", nullable=False),
        Field("at", "datetime", nullable=False),
        Field("seen_at", "datetime"),
        Field("seen_by", "integer"),
        clock="at", links=(by("actor", "actor"), by("seen_by")),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alert:
    """Somebody opened more people, or more records, within an hour than is usual; or did alone
    what takes two people; or more came by a public form than is usual, or than it takes (`what`).
    """

    number: int
    name: str
    role: str
    people: int
    records: int
    at: dt.datetime
    seen_at: dt.datetime | None
    what: str = BULK


@dataclass(frozen=True, slots=True)
class Hour:
    """What one name opened within the hour before a moment; `most` people, and records, from which
    on that was too much then, None where that is not known.
    """

    name: str
    people: int
    records: int
    most: tuple[int, int] | None = None

    def too_much(self, usual: tuple[int, int]) -> bool:
        """Whether that was too much; `usual` says it where it is not known."""
        people, records = self.most or usual
        return self.people >= people or self.records >= records


class Watch:
    """Whom staff opened, and alerts about it."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def opened(
        self, actor: Actor, what: Iterable[str], records: int, now: dt.datetime,
        most: tuple[int, int], *, connection: Connection,
    ) -> Hour:  # fmt: skip
        """Note whom somebody opened (names of cases or people) with how many records, and from how
        many people and records on an hour is too much now; what he opened within the hour by now,
        in all his roles.
        """
        macs = [self._vault.mac("opening", one.encode()) for one in what]
        connection.execute("DELETE FROM desk_opening WHERE at <= %s", (now - _REMEMBERED,))
        connection.execute(
            "INSERT INTO desk_opening (actor, what, records, at, most_people, most_records)"
            " SELECT %s, w, CASE WHEN n = 1 THEN %s ELSE 0 END, %s, %s, %s"
            " FROM unnest(%s::bytea[]) WITH ORDINALITY AS t (w, n)",
            (actor.id, records, now, *most, macs),
        )
        row = connection.execute(
            "SELECT count(DISTINCT o.what), coalesce(sum(o.records), 0) FROM desk_opening o"
            " JOIN actor a USING (actor) WHERE a.name = %s AND o.at > %s AND o.at <= %s",
            (actor.name, now - HOUR, now),
        ).fetchone()
        assert row is not None
        return Hour(actor.name, int(row[0]), int(row[1]), most)

    def recent(self, actor: Actor, now: dt.datetime, *, connection: Connection) -> bool:
        """Whether there is an alert about the same name within the hour: one is enough."""
        row = connection.execute(
            "SELECT 1 FROM desk_alert d JOIN actor a USING (actor)"
            " WHERE a.name = %s AND d.at > %s AND d.what = %s LIMIT 1",
            (actor.name, now - HOUR, BULK),
        ).fetchone()
        return row is not None

    def raised(self, actor: Actor, hour: Hour, now: dt.datetime, *, connection: Connection) -> None:
        """Raise an alert."""
        connection.execute(
            "INSERT INTO desk_alert (actor, people, records, at) VALUES (%s, %s, %s, %s)",
            (actor.id, hour.people, hour.records, now),
        )

    def alone(
        self, actor: Actor, people: int, records: int, now: dt.datetime, *, connection: Connection
    ) -> None:
        """Raise an alert that somebody did alone what takes two people."""
        connection.execute(
            "INSERT INTO desk_alert (actor, people, records, at, what) VALUES (%s, %s, %s, %s, %s)",
            (actor.id, people, records, now, ALONE),
        )

    def flooded(
        self, actor: Actor, came: int, now: dt.datetime, *, connection: Connection,
        what: str = FLOOD,
    ) -> bool:  # fmt: skip
        """Raise an alert that so many came within an hour; one an hour, else False."""
        done = connection.execute(
            "INSERT INTO desk_alert (actor, people, records, at, what)"
            " SELECT %(actor)s, %(n)s, 0, %(now)s, %(what)s WHERE NOT EXISTS (SELECT FROM"
            " desk_alert d WHERE d.what = %(what)s AND d.at > %(since)s)",
            {"actor": actor.id, "n": came, "now": now, "what": what, "since": now - HOUR},
        )
        return bool(done.rowcount)

    def alerts(self, *, unseen: bool = False) -> list[Alert]:
        """Alerts, newest first."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT d.number, a.name, a.role, d.people, d.records, d.at, d.seen_at, d.what"
                " FROM desk_alert d JOIN actor a USING (actor)"
                " WHERE NOT %s OR d.seen_at IS NULL ORDER BY d.number DESC",
                (unseen,),
            ).fetchall()
        return [Alert(*row) for row in rows]

    def seen(self, number: int, by_: Account, now: dt.datetime, *, connection: Connection) -> bool:
        """Note that an officer looked at an alert; whether it was one nobody had looked at.

        Nobody closes the alert about himself.
        """
        done = connection.execute(
            "UPDATE desk_alert d SET seen_at = %s, seen_by = %s FROM actor a"
            " WHERE d.number = %s AND d.seen_at IS NULL AND a.actor = d.actor AND a.name <> %s",
            (now, by_.number, number, by_.name),
        )
        return done.rowcount == 1

    def hours(self, since: dt.datetime) -> list[tuple[Hour, dt.datetime, bool]]:
        """(what a name had opened within the hour that ended with an opening, when, whether an
        alert was raised within that hour): the largest such hour of every name since `since`.
        """
        with self._database.by_statement() as c:
            rows = c.execute(
                "WITH o AS (SELECT a.name, o.what, o.records, o.at, o.most_people, o.most_records"
                " FROM desk_opening o JOIN actor a USING (actor) WHERE o.at > %(since)s),"
                " h AS (SELECT name, at, min(most_people) AS mp, min(most_records) AS mr FROM o"
                " GROUP BY name, at), s AS (SELECT h.name, h.at, h.mp, h.mr,"
                " count(DISTINCT o.what) AS people, sum(o.records) AS records FROM h"
                " JOIN o ON o.name = h.name AND o.at <= h.at AND o.at > h.at - interval '1 hour'"
                " GROUP BY h.name, h.at, h.mp, h.mr)"
                " SELECT s.name, s.people, s.records, s.at, EXISTS (SELECT FROM desk_alert d"
                " JOIN actor a USING (actor) WHERE a.name = s.name AND d.at <= s.at"
                " AND d.what = %(bulk)s AND d.at > s.at - interval '1 hour'), s.mp, s.mr"
                " FROM s ORDER BY s.at",
                {"since": since, "bulk": BULK},
            ).fetchall()
        return [
            (Hour(r[0], int(r[1]), int(r[2]), None if r[5] is None else (r[5], r[6])), r[3],
             bool(r[4]))
            for r in rows
        ]  # fmt: skip
