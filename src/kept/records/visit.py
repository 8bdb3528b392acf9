"""Choices of visitors: one row per choice, none per visit, and nothing that leads to somebody.

A row is a consent record (ISO/IEC TS 27560, with terms of W3C DPV) in the words in which it was
signed; who wants her receipt gets exactly that. The text that was shown stands beside it, once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg.types.json import Jsonb

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.model.values import Type


def _of_nobody(
    name: str, key: str, title: str, clock: str | None, fields: str, *links: Link
) -> Dataset:
    """A dataset without a field of a person; nobody can be found in it, so nobody is erased."""
    made = {}
    for text in fields.split(", "):
        field, type_ = text.split(" ")
        kind: Type = _TYPES[type_.rstrip("?")]
        made[field] = Field(field, kind, nullable=type_.endswith("?"))
    return Dataset(
        name,
        tuple(key.split()),
        made,
        links=links,
        on_erase=OnErase.NEVER,
        title=title,
        clock=clock,
    )


_TYPES: Final[Mapping[str, Type]] = {
    "text": "text", "integer": "integer", "boolean": "boolean", "date": "date",
    "datetime": "datetime", "json": "json",
}  # fmt: skip

DATASETS: Final = (
    _of_nobody(
        "visit_notice", "sha256", "What visitors were shown before they chose", "first_at",
        "sha256 text, language text, version date, edition text, words text, first_at datetime",
    ),
    _of_nobody(
        "visit_choice", "number", "Choices of visitors, without whose they are", "at",
        "number integer, id text, at datetime, act text, place text, region text, gpc boolean,"
        " dnt boolean, notice text, edition text, aims json, trackers json, record text,"
        " signature text",
        Link(("notice",), "visit_notice", ("sha256",), Owner.ACCESSED),
    ),
    _of_nobody(
        "visit_signal", "day region signal", "How often browsers sent a signal", None,
        "day date, region text, signal text, seen integer",
    ),
    _of_nobody(
        "outbound_look", "link at", "How the links of the policy stood", "at",
        "link text, url text, at datetime, outcome text, status integer?",
    ),
)  # fmt: skip


_COLUMNS: Final = (
    "id, at, act, place, region, gpc, dnt, notice, edition, aims, trackers, record, signature"
)


@dataclass(frozen=True, slots=True)
class Made:
    """One choice. `record` is the signed text (canonical JSON), `signature` base64."""

    id: str
    at: dt.datetime
    act: str
    place: str
    region: str
    gpc: bool
    dnt: bool
    notice: str
    edition: str
    aims: Mapping[str, bool]
    trackers: Mapping[str, bool]
    record: str
    signature: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What was shown: `sha256` (hex) of `words`."""

    sha256: str
    language: str
    version: dt.date
    edition: str
    words: str


@dataclass(frozen=True, slots=True)
class Look:
    """How a link stood. `outcome`: there, moved, gone, unreachable; `status` that of HTTP."""

    link: str
    url: str
    at: dt.datetime
    outcome: str
    status: int | None


class VisitRecords:
    """Choices of visitors, notices, figures of signals, and looks at links."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, made: Made, notice: Notice, *, connection: Connection) -> None:
        """Keep a choice and, if it is new, the text that was shown."""
        connection.execute(
            "INSERT INTO visit_notice VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (
                notice.sha256, notice.language, notice.version, notice.edition, notice.words,
                made.at,
            ),
        )  # fmt: skip
        connection.execute(
            f"INSERT INTO visit_choice ({_COLUMNS})"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                made.id, made.at, made.act, made.place, made.region, made.gpc, made.dnt,
                made.notice, made.edition, Jsonb(dict(made.aims)), Jsonb(dict(made.trackers)),
                made.record, made.signature,
            ),
        )  # fmt: skip

    def find(self, id: str) -> Made | None:
        """The choice of that number."""
        with self._database.connection() as c:
            row = c.execute(f"SELECT {_COLUMNS} FROM visit_choice WHERE id = %s", (id,)).fetchone()
        return Made(*row) if row else None

    def all(self) -> list[Made]:
        """Every choice, oldest first."""
        with self._database.connection() as c:
            rows = c.execute(f"SELECT {_COLUMNS} FROM visit_choice ORDER BY number")
            return [Made(*row) for row in rows]

    def notices(self) -> dict[str, Notice]:
        """Every text that was shown before a choice, by its hash."""
        with self._database.connection() as c:
            rows = c.execute("SELECT sha256, language, version, edition, words FROM visit_notice")
            return {row[0]: Notice(*row) for row in rows}

    def count(self, day: dt.date, seen: Mapping[tuple[str, str], int]) -> None:
        """Add to the figures of a day: (region, signal) → how often."""
        rows = sorted((region, signal, n) for (region, signal), n in seen.items() if n > 0)
        if not rows:
            return
        with self._database.connection() as c:
            c.execute(
                "INSERT INTO visit_signal SELECT %s, r, s, n"
                " FROM unnest(%s::text[], %s::text[], %s::bigint[]) x (r, s, n)"
                " ON CONFLICT (day, region, signal) DO UPDATE"
                " SET seen = visit_signal.seen + excluded.seen",
                (day, [r for r, _, _ in rows], [s for _, s, _ in rows], [n for _, _, n in rows]),
            )

    def counted(self, since: dt.date) -> dict[str, int]:
        """How often each signal was seen since a day."""
        with self._database.connection() as c:
            rows = c.execute(
                "SELECT signal, sum(seen) FROM visit_signal WHERE day >= %s GROUP BY signal",
                (since,),
            ).fetchall()
        return {str(signal): int(seen) for signal, seen in rows}

    def forget(self, before: dt.datetime) -> int:
        """Let choices go that are older; how many."""
        with self._database.connection() as c:
            gone = c.execute("DELETE FROM visit_choice WHERE at < %s", (before,)).rowcount
            c.execute(
                "DELETE FROM visit_notice n WHERE n.first_at < %s AND NOT EXISTS"
                " (SELECT FROM visit_choice v WHERE v.notice = n.sha256)",
                (before,),
            )
        return gone

    def looked(self, look: Look, *, connection: Connection) -> None:
        """Keep how a link stood."""
        connection.execute(
            "INSERT INTO outbound_look VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (look.link, look.url, look.at, look.outcome, look.status),
        )

    def looks(self) -> dict[str, Look]:
        """The newest look at each link."""
        with self._database.connection() as c:
            rows = c.execute(
                "SELECT DISTINCT ON (link) link, url, at, outcome, status FROM outbound_look"
                " ORDER BY link, at DESC"
            ).fetchall()
        return {row[0]: Look(*row) for row in rows}
