"""Whoever only reads: does the site let her, and is anything of her kept for it?

Read from the scans: how each page answered a visitor who chose nothing and one who refused all,
and which of Kept's own tables grew while a visitor did nothing but read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control

#: A scan says something of the pages for so long.
_LASTS: Final = dt.timedelta(days=35)
#: Who refuses may miss what others would have shown; not most of the page.
_SHARE: Final = 0.5
#: Fewer words than these say nothing about a page.
_FEW: Final = 20


@control("trackers.reading-asks-nothing")
def reading_asks_nothing(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every page is read without an account and without a yes, and reading adds no row of anybody.

    By the newest scan of each site in which somebody who chose nothing and somebody who refused
    opened the pages; those of members (kept.toml, [site] members) are left out of it.
    """
    wanted = ["none", *(["refused"] if controller.bundle.visits.optional else [])]
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT DISTINCT ON (s.site) s.site, s.document->'passes' FROM scan s"
            " WHERE s.at > %s AND s.at <= %s AND (SELECT count(DISTINCT p->>'choice') FROM"
            " jsonb_array_elements(s.document->'passes') p WHERE p->>'choice' = ANY(%s)"
            " AND jsonb_array_length(coalesce(p->'opened', '[]')) > 0) = %s"
            " ORDER BY s.site, s.number DESC",
            (now - _LASTS, now, wanted, len(wanted)),
        ).fetchall()
    count = 0
    for site, passes in rows:
        readers = [p for p in passes if p["choice"] in wanted and p.get("opened")]
        told: set[tuple[str, str]] = set()
        for one in readers:
            count += len(one["opened"])
            for page, words, fix in _pages(one):
                if (page, words) not in told:
                    told.add((page, words))
                    yield Finding(f"{site}{page}", words, fix)
        yield from _missing(site, passes)
        yield from _kept(site, [p.get("rows", {}) for p in passes if p["choice"] == "none"])
    yield Looked(count, "pages, as visitors who chose nothing or refused")


def _pages(one: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What kept a page from a reader."""
    for row in one["opened"]:
        page = row["page"]
        if row["asks"] == "account":
            yield (
                page, "a reader is asked to log in",
                "open it to everybody, or name it under `members` of [site] in kept.toml",
            )  # fmt: skip
        elif row["asks"] == "choice":
            yield (
                page, "something lies over the page of who allowed nothing",
                "ask beside the page, not before it",
            )  # fmt: skip


def _missing(site: str, passes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Pages that say much less to who refused than to who allowed all, from the same place."""
    said = {
        (p["choice"], p["gpc"], p["country"], row["page"]): (row["words"], row["status"])
        for p in passes
        for row in p.get("opened", ())
    }
    told: set[str] = set()
    for (choice, gpc, country, page), (words, status) in said.items():
        whole, fine = said.get(("all", gpc, country, page), (0, 0))
        if choice != "refused" or page in told or not 200 <= fine < 300 or whole < _FEW:
            continue
        if not 200 <= status < 300 or words < whole * _SHARE:
            told.add(page)
            yield Finding(
                f"{site}{page}", "who refused is not shown most of it",
                "show the same page, whatever was chosen",
            )  # fmt: skip


def _kept(site: str, rows: Sequence[Mapping[str, int]]) -> Iterator[Finding]:
    """Tables that grew every time when somebody only read.

    What came once, of several times, may be another visitor's; what came each time is hers until
    a scan in a quiet hour says otherwise.
    """
    for table in sorted(set.intersection(*map(set, rows)) if rows else ()):
        yield Finding(
            f"own.{table}", f"rows came each time ({len(rows)}) while {site} was only read",
            "scan at an hour when nobody else is there; what still comes is kept of readers",
        )  # fmt: skip
