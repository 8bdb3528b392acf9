"""What was met on the pages of the site: hosts that browsers refused, cookies nobody declared.

Of no person: a host or a name, what it was for, on which kind of page, how often, when first and
last. Whoever sends reports can make some up, so there is an end to how many are kept.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from kept.database import Connection, Database
from kept.datamap.map import Field
from kept.decide.sightings import Kind, Sighting
from kept.records.account import by, own
from kept.records.actor import Actor

#: What somebody can decide about a name: it goes onto the list, it has to leave the pages, or it
#: is none of the site's doing.
Verdict = Literal["declare", "remove", "noise"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
#: Rows that are kept, and the days after which one that was not met again goes.
MOST: Final = 2000
_DAYS: Final = 180

DATASETS: Final = (
    own(
        "sighting_verdict", ("kind", "name"), "What was decided about hosts and cookies met",
        Field("kind", "text", nullable=False),
        Field("name", "text", nullable=False),
        Field("verdict", "text", nullable=False),
        Field("at", "datetime", nullable=False),
        Field("actor", "integer", nullable=False),
        clock="at", links=(by("actor", "actor"),),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Met:
    """One name: what for, on how many kinds of pages (and one of them), how often, when."""

    kind: Kind
    name: str
    directives: tuple[str, ...]
    pages: int
    page: str
    count: int
    first_seen: dt.datetime
    last_seen: dt.datetime
    verdict: Verdict | None
    settled_at: dt.datetime | None


class Sightings:
    """What was met, and what was decided about it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self, rows: Mapping[Sighting, int], now: dt.datetime, *, connection: Connection
    ) -> list[Sighting]:
        """Add what was met; the names that were never met before, as one sighting of each."""
        connection.execute(
            "DELETE FROM sighting WHERE last_seen < %s", (now - dt.timedelta(days=_DAYS),)
        )
        there = connection.execute(
            "SELECT s.kind, s.name, count(*), max(v.verdict) FROM sighting s"
            " LEFT JOIN sighting_verdict v USING (kind, name) GROUP BY 1, 2"
        ).fetchall()
        # What somebody called noise takes no room from what comes, and no more of it is kept.
        noise = {(kind, name) for kind, name, _, verdict in there if verdict == "noise"}
        known = {(kind, name): int(count) for kind, name, count, _ in there}
        room = MOST - sum(n for one, n in known.items() if one not in noise)
        new = []
        for one, count in rows.items():
            done = connection.execute(
                "UPDATE sighting SET count = count + %s, last_seen = greatest(last_seen, %s)"
                " WHERE kind = %s AND name = %s AND directive = %s AND page = %s",
                (count, now, one.kind, one.name, one.directive, one.page),
            )
            if done.rowcount or room <= 0 or (one.kind, one.name) in noise:
                continue
            connection.execute(
                "INSERT INTO sighting (kind, name, directive, page, count, first_seen, last_seen)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (one.kind, one.name, one.directive, one.page, count, now, now),
            )
            room -= 1
            if (one.kind, one.name) not in known:
                known[one.kind, one.name] = 1
                new.append(one)
        return new

    def all(self) -> list[Met]:
        """Every name that was met, those met last first."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT s.kind, s.name, array_agg(DISTINCT s.directive), count(DISTINCT s.page),"
                " (array_agg(s.page ORDER BY s.count DESC))[1], sum(s.count), min(s.first_seen),"
                " max(s.last_seen), v.verdict, v.at FROM sighting s"
                " LEFT JOIN sighting_verdict v USING (kind, name)"
                " GROUP BY s.kind, s.name, v.verdict, v.at ORDER BY 8 DESC, 2"
            ).fetchall()
        return [
            Met(r[0], r[1], tuple(d for d in r[2] if d), int(r[3]), r[4], int(r[5]), *r[6:])
            for r in rows
        ]

    def settle(
        self, kind: str, name: str, verdict: Verdict, actor: Actor, now: dt.datetime, *,
        connection: Connection,
    ) -> bool:  # fmt: skip
        """Decide about a name; False where it was never met."""
        done = connection.execute(
            "INSERT INTO sighting_verdict (kind, name, verdict, at, actor)"
            " SELECT %(kind)s, %(name)s, %(verdict)s, %(now)s, %(actor)s"
            " WHERE EXISTS (SELECT FROM sighting WHERE kind = %(kind)s AND name = %(name)s)"
            " ON CONFLICT (kind, name) DO UPDATE SET verdict = EXCLUDED.verdict,"
            " at = EXCLUDED.at, actor = EXCLUDED.actor",
            {"kind": kind, "name": name, "verdict": verdict, "now": now, "actor": actor.id},
        )
        return done.rowcount == 1
