"""What scans of the site found, kept as evidence; and whether it is as the bundle says.

The control reads what the browser met, and judges it anew by the bundle as it stands.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import rfc8785

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide import scan
from kept.decide.scan import Item, Stop
from kept.duties.trackers import review
from kept.ledger.entry import Entry, name
from kept.policy.bundle import Bundle
from kept.records.scan import KEPT

#: A scan says something of the pages for so long.
_LASTS: Final = dt.timedelta(days=35)


def rules(bundle: Bundle) -> str:
    """SHA-256 (hex) of all that a scan is held against."""
    said = bundle.rules()
    about = {key: said.get(key) for key in ("visits", "trackers")}
    return hashlib.sha256(rfc8785.dumps(about)).hexdigest()


def whole(bundle: Bundle, stops: Sequence[Stop], countries: Sequence[str]) -> bool:
    """Whether these passes are every visitor: each choice, signal and country that counts."""
    wanted = {
        (choice, gpc, country)
        for choice in scan.choices(bundle)
        for gpc in (False, True)
        for country in countries
    }
    return wanted <= {(s.choice, s.gpc, s.country) for s in stops}


def keep(
    controller: Controller, site: str, document: Mapping[str, Any], *, complete: bool,
    now: dt.datetime,
) -> int:  # fmt: skip
    """Keep a scan, and what stands on no list for the desk; how many names are new there."""
    made = rules(controller.bundle)
    body = {
        "site": name(site), "passes": len(document["passes"]), "pages": len(document["pages"]),
        "amiss": len(document["amiss"]), "whole": complete, "rules": made,
        "document": hashlib.sha256(rfc8785.dumps(dict(document))).hexdigest(),
    }  # fmt: skip
    with controller.database.connection() as c:
        controller.scans.add(site, now, made, complete, document, connection=c)
        controller.ledger.append_in(c, [Entry("site.scanned", now, body)])
    met = [Item(**row) for one in document["passes"] for row in one["items"]]
    return review.note(controller, scan.new(controller.bundle, met), now)


@control("trackers.scans-find-what-is-declared")
def scans_find_what_is_declared(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """What a browser met as every visitor is declared, and loaded or left only where allowed.

    Read from the scans since the last whole one under the rules of today; a site that was not
    scanned since the rules changed, or within five weeks, was not looked at.
    """
    made, count = rules(controller.bundle), 0
    with controller.database.connection() as c:
        rows = c.execute(
            "SELECT s.site, s.document, s.whole FROM scan s"
            " WHERE s.rules = %s AND s.at > %s AND s.at <= %s"
            " AND s.number >= (SELECT max(w.number) FROM scan w WHERE w.site = s.site AND w.whole"
            " AND w.rules = s.rules AND w.at > %s AND w.at <= %s) ORDER BY s.site, s.number DESC",
            (made, now - _LASTS, now, now - _LASTS, now),
        ).fetchall()
    told: set[tuple[str, ...]] = set()
    made_so = _entered(controller, made, now)
    there: set[tuple[str, str, bool]] = set()
    for site, document, every in rows:
        one_made = hashlib.sha256(rfc8785.dumps(document)).hexdigest(), bool(every)
        if one_made not in made_so.get(site, ()):
            yield Finding(site, "a scan is not as the ledger has it", "scan again")
            continue
        there.add((site, *one_made))
        for one in document["passes"]:
            count += len(one["items"]) + one["pages"]
            for what, words in _judged(controller, one):
                if (site, what, words) not in told:
                    told.add((site, what, words))
                    yield Finding(
                        f"{site}: {what}", words,
                        "declare it in trackers.yml, or take it out of the pages; then scan again",
                    )  # fmt: skip
    for site, scans in made_so.items():
        if any((site, *one) not in there for one in (scans[0], *scans[1:][1 - KEPT :])):
            yield Finding(site, "a scan that the ledger has is not there", "scan again")
    yield Looked(count, "pages, and things met on them, as every visitor")


def _entered(
    controller: Controller, made: str, now: dt.datetime
) -> Mapping[str, Sequence[tuple[str, bool]]]:
    """Site → (hash, whether it was whole) of its scans since the last whole one, by the ledger."""
    found: dict[str, list[tuple[str, bool]]] = {}
    for _, entry in controller.ledger.entries(kind="site.scanned"):
        body, site = entry.body, str(entry.body["site"])
        if body["rules"] != made or not now - _LASTS < entry.at <= now:
            continue
        if body["whole"]:
            found[site] = []
        if site in found:
            found[site].append((str(body["document"]), bool(body["whole"])))
    return found


def _judged(controller: Controller, one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Written anew, by the rules of the bundle as written and by nothing that a scan uses."""
    bundle = controller.bundle
    aims, choice = bundle.visits.optional, one["choice"]
    chosen = None if choice == "none" else {aim: choice in ("all", aim) for aim in aims}
    allowed = {
        aim for aim in bundle.visits.aims
        if review.may(controller, one["region"], one["gpc"], chosen, aim)
    }  # fmt: skip
    for item in one["items"]:
        if item["outcome"] == "refused":
            continue
        kind, met = item["kind"], item["name"]
        rows = [
            row
            for row in bundle.trackers.values()
            if (
                any(
                    review.covers(host, met, "host")
                    for d, hosts in row.hosts.items()
                    for host in hosts
                    if item["directive"] in (d, "", "manifest", "navigate")
                )
                if kind == "host"
                else any(
                    t.kind == kind
                    and (review.covers(t.name, met, "cookie")
                         or review.covers(t.name.removeprefix("__Host-"), met, "cookie"))
                    for t in row.traces
                )
            )
        ]  # fmt: skip
        if chosen is None and kind == "cookie" and met.removeprefix("__Host-") == "kept-choices":
            yield met, "a choice was made for a visitor who made none"
        if not rows:
            yield met, f"a {kind} that stands on no list was met"
        elif not any(
            row.aims
            and allowed.issuperset(row.aims)
            and (not row.embed or all(
                bundle.visits.aims[a].necessary or (chosen or {}).get(a) for a in row.aims))
            for row in rows
        ):  # fmt: skip
            when = "before a choice" if chosen is None else "though it was refused"
            yield met, f"a {kind} of {', '.join(r.id for r in rows)} was met {when}"
