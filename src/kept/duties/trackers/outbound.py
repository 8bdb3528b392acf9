"""Where links of the pages lead: the inventory that a scan makes, and whether somebody is there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.sightings import pattern, shown_host
from kept.duties.trackers import guarded
from kept.terms.addresses import host_in

#: An inventory is worth something for so long.
_LASTS: Final = dt.timedelta(days=35)
_DEAD: Final = {
    "gone": "is gone", "moved": "leads to a front page", "unreachable": "does not answer",
}  # fmt: skip


def inventory(controller: Controller, now: dt.datetime) -> dict[str, list[dict[str, Any]]]:
    """By site, from the newest scan: page, host, which declared link it is, and how it stood."""
    with controller.database.by_statement() as c:
        rows = c.execute(
            "SELECT DISTINCT ON (s.site) s.site, s.document->'links' FROM scan s"
            " WHERE s.at > %s AND s.at <= %s AND s.document ? 'links'"
            " ORDER BY s.site, s.number DESC",
            (now - _LASTS, now),
        ).fetchall()
    return {site: list(links) for site, links in rows}


@control("trackers.outbound-links-are-known")
def outbound_links_are_known(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Every link that leaves the site stands in the inventory, and those looked at answer.

    The pages are asked for once more as a stranger gets them, where kept.toml lets us look.
    Whether somebody is there is known only of hosts that it names ([links] look).
    """
    known = inventory(controller, now)
    for site, links in known.items():
        for row in links:
            if row.get("state") in _DEAD:
                yield Finding(
                    f"{site}{row['page']}", f"a link to {row['host']} {_DEAD[row['state']]}",
                    "mend the link; then scan again",
                )  # fmt: skip
        yield Looked(len(links), f"pages and hosts to which they link, of {site}")
    listed = {(row["page"], row["host"]) for links in known.values() for row in links}
    count, told = 0, set[tuple[str, str]]()
    for one in guarded.pages(controller) if known else ():
        if isinstance(one, Finding):
            yield one
            continue
        own, path, _, body = one
        for href in guarded.links(body):
            host = host_in(href)
            if host is None or host == own:
                continue
            count += 1
            met = pattern(path), shown_host(host)
            if met not in listed and met not in told:
                told.add(met)
                yield Finding(
                    path, f"a link to {met[1]} stands in no inventory",
                    "scan the site again (`kept scan`)",
                )  # fmt: skip
    yield Looked(count, "links that leave the site, as a stranger gets them")
