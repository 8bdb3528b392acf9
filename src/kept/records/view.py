"""Views of pages: one row for each that may be recorded, with the columns that the policy declares.

The site's own cookie stands there as the keyed hash under which refusals are kept, never as it is:
by it a person's views are found and erased, and a refusal is held against them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field
from kept.keys import Vault
from kept.records.subject import suppression_mac
from kept.terms.identifiers import Identifier

#: The table, and the column by which the views of a browser are found.
NAME: Final = "visit_event"
MAC: Final = "mac"
DATASETS: Final = (
    Dataset(
        NAME,
        ("id",),
        {
            "id": Field("id", "bytes", nullable=False),
            "at": Field("at", "datetime", category="navigation", nullable=False),
            "site": Field("site", nullable=False),
            "page": Field("page", category="navigation.pages"),
            "referrer": Field("referrer", category="navigation.referrer"),
            "browser": Field("browser", category="navigation.browser"),
            "country": Field("country", category="navigation.location"),
            MAC: Field(MAC, "bytes", category="cookie"),
            "region": Field("region", nullable=False),
            "why": Field("why", nullable=False),
            "version": Field("version", "date", nullable=False),
            "batch": Field("batch", nullable=False),
        },
        clock="at",
        title="Pages that were viewed, by browsers that may be counted",
    ),
)  # fmt: skip
#: Numbers and hashes come as one string of bytes each, and what many views share (where, what kind
#: of page, why) once: of thousands in a second an array for each column costs more than the rest.
_INSERT: Final = (
    "INSERT INTO visit_event"
    " (id, at, site, page, referrer, browser, country, mac, region, why, version, batch)"
    " SELECT substring(%(ids)b::bytea FROM x.n::int * 16 - 15 FOR 16), to_timestamp(x.at), s.site,"
    " s.page, s.referrer, s.browser, s.country,"
    " nullif(substring(%(macs)b::bytea FROM x.n::int * 32 - 31 FOR 32), %(none)b::bytea),"
    " s.region, s.why, %(version)s, %(batch)s"
    " FROM unnest(%(at)s::float8[], %(which)s::int[]) WITH ORDINALITY x (at, which, n)"
    " JOIN unnest(%(site)s::text[], %(page)s::text[], %(referrer)s::text[], %(browser)s::text[],"
    " %(country)s::text[], %(region)s::text[], %(why)s::text[]) WITH ORDINALITY"
    " s (site, page, referrer, browser, country, region, why, n) ON s.n = x.which"
    " ON CONFLICT (id) DO NOTHING"
)
_SHARED: Final = ("site", "page", "referrer", "browser", "country", "region", "why")
#: Bytes of a number and of a hash; and what stands for no hash.
_ID, _MAC = 16, 32
_NONE: Final = bytes(_MAC)
#: Of these hashes, those under which somebody is known, or something was refused.
_KNOWN: Final = (
    "SELECT mac FROM suppression WHERE mac = ANY(%(macs)s)"
    " UNION SELECT suppress FROM identity WHERE suppress = ANY(%(macs)s)"
)
#: The hashes of the cookies of people.
_THEIRS: Final = "(SELECT suppress FROM identity WHERE subject = ANY(%(held)s))"


@dataclass(frozen=True, slots=True)
class Row:
    """One view as it is kept. `id` is the number that the browser gave it; `why` is the reason
    for which it was allowed (decide.visit.Why), `mac` the hash of the site's own cookie.
    """

    id: bytes
    at: dt.datetime
    site: str
    page: str | None
    referrer: str | None
    browser: str | None
    country: str | None
    mac: bytes | None
    region: str
    why: str


class Views:
    """Views of pages."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def mac(self, cookie: Identifier) -> bytes:
        """The hash under which the views of a browser with that cookie are kept."""
        return suppression_mac(self._vault, cookie)

    def known(self, macs: Sequence[bytes]) -> frozenset[bytes]:
        """Of these, those that lead to somebody, or under which something was refused."""
        if not macs:
            return frozenset()
        with self._database.by_statement() as c:
            return frozenset(bytes(m) for (m,) in c.execute(_KNOWN, {"macs": list(macs)}))

    def add(
        self, rows: Sequence[Row], version: dt.date, batch: str, *, connection: Connection
    ) -> int:
        """Keep views; how many are new. One that came before is not kept again."""
        shared: dict[tuple[str | None, ...], int] = {}
        which = [shared.setdefault(_shared(row), len(shared) + 1) for row in rows]
        columns = zip(_SHARED, map(list, zip(*shared, strict=True)), strict=True)
        done = connection.execute(
            _INSERT,
            {
                "ids": b"".join(row.id for row in rows),
                "macs": b"".join(row.mac or _NONE for row in rows),
                "none": _NONE,
                "at": [row.at.timestamp() for row in rows],
                "which": which,
                "version": version,
                "batch": batch,
                **dict(columns),
            },
        )
        return done.rowcount

    def forget(
        self, before: dt.datetime, held: Sequence[int], *, connection: Connection
    ) -> tuple[int, int]:
        """Let views go that are older, but for those of these people; (gone, kept for them)."""
        told = {"before": before, "held": list(held)}
        past = "FROM visit_event WHERE at < %(before)s AND"
        kept = connection.execute(f"SELECT count(*) {past} mac IN {_THEIRS}", told).fetchone()
        gone = connection.execute(
            f"DELETE {past} (mac IS NULL OR mac NOT IN {_THEIRS})", told
        ).rowcount
        return gone, int(kept[0]) if kept else 0


def _shared(row: Row) -> tuple[str | None, ...]:
    return (
        row.site, row.page, row.referrer, row.browser, row.country, row.region, row.why
    )  # fmt: skip
