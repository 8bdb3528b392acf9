"""Controls over views of pages: what stands there is declared, was allowed, and stands once.

They read the table itself, hold it against law and bundle as a table of rules, against refusals as
they are stored, and against the ledger; none of it goes through what decided.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final, LiteralString

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide.views import BROWSERS
from kept.policy.bundle import Bundle
from kept.policy.visits import RECORDED
from kept.records.declared import SYSTEM
from kept.records.view import NAME
from kept.terms.regimes import REGIONS, end_of
from kept.terms.signals import ASKS_FIRST

#: What a declared field may look like at most.
_FITS: Final[tuple[tuple[str, LiteralString, str], ...]] = (
    ("page", "page !~ '^/[a-z.*/-]*$' OR length(page) > 200", "pages with more than their words"),
    ("referrer", "referrer !~ '^[a-z0-9*.-]+$'", "pages that led there with more than their host"),
    ("country", "country !~ '^[A-Z]{2}$'", "places finer than a country"),
    ("browser", "NOT browser = ANY(%(browsers)s)", "browsers with more than their type"),
    ("mac", "length(mac) < 16 OR length(mac) > 64", "cookies that are no keyed hash"),
)
#: Columns beside the declared ones: when, where, by which rule, in which batch.
_BESIDE: Final = frozenset({"id", "at", "site", "region", "why", "version", "batch"})


def _count(controller: Controller, text: LiteralString, told: dict[str, Any]) -> int:
    with controller.database.connection() as c:
        row = c.execute(text, told).fetchone()
    return int(row[0]) if row else 0


def _all(controller: Controller) -> Looked:
    number = _count(controller, "SELECT count(*) FROM visit_event", {})
    return Looked(number, "views of pages", SYSTEM.name)


@control("visits.views-hold-what-is-declared")
def views_hold_what_is_declared(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Of each view of a page only what the policy declares is kept, no finer than that needs.

    No other column is there, none that is not declared is filled, none says more than a kind of
    page, a host, a type of browser, a country, a keyed hash; each has its moment and its version.
    """
    events = controller.bundle.visits.events
    declared = {RECORDED[name] for name in events.fields} if events else set()
    with controller.database.connection() as c:
        there = {
            str(row[0])
            for row in c.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = 'visit_event'::regclass"
                " AND attnum > 0 AND NOT attisdropped"
            )
        }
        filled = c.execute(
            "SELECT count(page), count(referrer), count(browser), count(country), count(mac)"
            " FROM visit_event"
        ).fetchone()
    for column in sorted(there - _BESIDE - set(RECORDED.values())):
        yield Finding(NAME, f"the column `{column}` is nothing that is recorded of a view")
    for column, number in zip(RECORDED.values(), filled or (), strict=True):
        if number and column not in declared:
            yield Finding(NAME, f"{number} views hold `{column}`, which is not declared")
    for column, beyond, words in _FITS:
        number = _count(
            controller, f"SELECT count(*) FROM visit_event WHERE {beyond}",
            {"browsers": sorted(BROWSERS)} if column == "browser" else {},
        )  # fmt: skip
        if number:
            yield Finding(NAME, f"there are {number} {words}")
    number = _count(
        controller, "SELECT count(*) FROM visit_event WHERE at > %(now)s",
        {"now": now + dt.timedelta(minutes=5)},
    )  # fmt: skip
    if number:
        yield Finding(NAME, f"{number} views lie in the future")
    yield _all(controller)


@control("visits.views-were-allowed")
def views_were_allowed(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """No view is kept that was not allowed: by choice or region, or by whoever had refused before.

    Where it is asked first, each rests on a yes; elsewhere the rule lets it be until a no. None is
    later than a refusal of its browser, or of the person whom its cookie leads to; none is older
    than its class of retention lets it be.
    """
    bundle = controller.bundle
    events = bundle.visits.events
    activity = bundle.activities.get(events.activity) if events else None
    with controller.database.connection() as c:
        met = c.execute(
            "SELECT region, why, count(*) FROM visit_event GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
    if activity is None:
        if met:
            yield Finding(NAME, "there are views, and the policy declares none")
        yield _all(controller)
        return
    aim = bundle.visits.covering(activity.purpose)
    for region, why, number in met:
        if aim is None or not _may(bundle, aim, str(region), str(why)):
            yield Finding(NAME, f"{number} views were recorded in {region} although `{why}`")
    purposes = bundle.vocabulary.above("purposes", activity.purpose)
    told = {
        "channels": [f":objection:{purpose}" for purpose in purposes],
        "facts": [f"{no}:{purpose}" for no in ("objection", "withdrawn") for purpose in purposes],
    }
    number = _count(
        controller,
        "SELECT count(*) FROM visit_event e WHERE EXISTS (SELECT FROM suppression s"
        " WHERE s.mac = e.mac AND s.since < e.at AND (s.channel = ANY(%(channels)s)"
        " OR (s.channel = '' AND s.source = 'erasure')))",
        told,
    )
    if number:
        yield Finding(NAME, f"{number} views are later than the refusal of their browser")
    number = _count(
        controller,
        "SELECT count(*) FROM visit_event e JOIN identity i ON i.suppress = e.mac"
        " CROSS JOIN LATERAL (SELECT DISTINCT ON (f.fact) f.holds FROM fact f"
        " WHERE f.subject = i.subject AND f.fact = ANY(%(facts)s)"
        " AND f.valid_from < e.at AND f.known_from < e.at"
        " ORDER BY f.fact, f.valid_from DESC, f.seq DESC) x WHERE x.holds",
        told,
    )
    if number:
        yield Finding(NAME, f"{number} views are later than the refusal of whose they are")
    yield from _overdue(controller, activity.retention, now)
    yield _all(controller)


def _may(bundle: Bundle, aim: str, region: str, why: str) -> bool:
    """Whether a view may be recorded there for that reason, by the rules read as a table."""
    if why == "allowed":
        return True
    if why == "necessary":
        return bundle.visits.aims[aim].necessary
    if why != "until-refused" or region in ASKS_FIRST or region not in REGIONS:
        return False
    nearest = (region, "US" if region.startswith("US-") else region, "default")
    rules = bundle.visits.rules
    said = [rules[place][aim] for place in nearest if aim in rules.get(place, {})]
    return said[:1] == ["opt-out"]


def _overdue(controller: Controller, retention: str, now: dt.datetime) -> Iterator[Finding]:
    rule = controller.bundle.retention.get(retention)
    if rule is None or rule.keep is None:
        return
    if any(hold.covers(SYSTEM.name, NAME) for hold in controller.holds.all(now)):
        return  # what a hold keeps is older, and stays
    with controller.database.connection() as c:
        row = c.execute("SELECT min(at) FROM visit_event").fetchone()
    if row and row[0] and end_of(row[0], rule.keep) + dt.timedelta(days=2) < now:
        yield Finding(NAME, "views are past the time of their class",
                      "see that `kept serve` runs, or run `kept retain run`")  # fmt: skip


@control("visits.views-count-once")
def views_count_once(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """A view is recorded once, by one road: each stands in a batch of the ledger, which has not
    more of them than it says; no other system of the map records views for the same activity.
    """
    events = controller.bundle.visits.events
    said = {
        str(e.body["batch"]): int(e.body["rows"])
        for _, e in controller.ledger.entries(kind="views.recorded")
    }
    with controller.database.connection() as c:
        there = c.execute("SELECT batch, count(*) FROM visit_event GROUP BY batch").fetchall()
    strange = sum(number for batch, number in there if batch not in said)
    if strange:
        yield Finding(NAME, f"{strange} views came by another road, in no batch of the ledger")
    more = sum(number > said[batch] for batch, number in there if batch in said)
    if more:
        yield Finding(NAME, f"{more} batches have more views than were recorded")
    within = controller.bundle.vocabulary.within
    for system in controller.datamap.systems.values():
        if system.name == SYSTEM.name or events is None or not there:
            continue
        for dataset in system.datasets.values():
            pages = any(
                f.category and within("categories", f.category, "navigation.pages")
                for f in dataset.fields.values()
            )
            if pages and events.activity in dataset.activities:
                yield Finding(
                    f"{system.name}.{dataset.name}",
                    f"it has pages for `{events.activity}` too: a view counts twice",
                    "name the activity that this log serves, or stop one of the two",
                )
    yield _all(controller)
