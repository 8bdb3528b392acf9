"""What browsers met on the pages, what was decided about it, and what the choice of a visitor
means for each declared tracker.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.decide import csp
from kept.decide.loading import of_host
from kept.decide.sightings import Sighting
from kept.decide.visit import judge
from kept.errors import UsageError
from kept.ledger.entry import Entry, name
from kept.model.choice import Choices
from kept.policy.trackers import Tracker
from kept.records.actor import Actor
from kept.records.sighting import VERDICTS, Met
from kept.terms.regimes import REGIONS
from kept.terms.signals import Signals

#: Whoever allowed a thing is not asked for longer than this whether a pasted tag has gone.
_RECENT: Final = dt.timedelta(days=30)


def note(controller: Controller, rows: Mapping[Sighting, int], now: dt.datetime) -> int:
    """Keep what browsers reported; how many names were met for the first time."""
    with controller.database.connection() as c:
        new = controller.sightings.note(rows, now, connection=c)
        if new:
            controller.ledger.append_in(c, [_entry(one, now) for one in new])
    return len(new)


def _entry(one: Sighting, now: dt.datetime) -> Entry:
    body = {"what": one.kind, "name": name(one.name)}
    if one.directive:
        body["directive"] = name(one.directive)
    return Entry("tracker.met", now, body)


def settle(
    controller: Controller, kind: str, what: str, verdict: str, actor: Actor, now: dt.datetime
) -> None:
    """Decide about a name that stands on no list. UsageError where it was never met."""
    chosen = next((v for v in VERDICTS if v == verdict), None)
    if chosen is None:
        raise UsageError("there is no such decision", expected=f"one of {', '.join(VERDICTS)}")
    with controller.database.connection() as c:
        if not controller.sightings.settle(kind, what, chosen, actor, now, connection=c):
            raise UsageError("this was never met", fix="open the list again and choose there")
        body = {"what": kind, "name": name(what), "outcome": chosen, "actor": name(actor.role)}
        controller.ledger.append_in(c, [Entry("tracker.settled", now, body)])


def declared(controller: Controller, met: Met) -> list[Tracker]:
    """Who declares what was met; nobody, where it stands on no list."""
    rows = controller.bundle.trackers.values()
    if met.kind == "host":
        return of_host(rows, met.name)
    return [
        row
        for row in rows
        if any(
            trace.kind == "cookie"
            and (met.name == trace.name or (trace.name.endswith("*")
                 and met.name.startswith(trace.name[:-1])))
            for trace in row.traces
        )
    ]  # fmt: skip


@control("trackers.nothing-undeclared")
def nothing_undeclared(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Whatever browsers met on the pages is declared, or somebody decided about it."""
    with controller.database.connection() as c:
        # Read apart from the record: each name with the last day on which it was met.
        rows = c.execute(
            "SELECT s.kind, s.name, max(s.last_seen), max(v.verdict), max(v.at) FROM sighting s"
            " LEFT JOIN sighting_verdict v ON v.kind = s.kind AND v.name = s.name"
            " WHERE s.last_seen > %s AND s.first_seen <= %s GROUP BY 1, 2 ORDER BY 1, 2",
            (now - _RECENT, now),
        ).fetchall()
    listed = {
        "host": {h for t in controller.bundle.trackers.values() for v in t.hosts.values()
                 for h in v},
        "cookie": {trace.name for t in controller.bundle.trackers.values() for trace in t.traces},
    }  # fmt: skip
    entered = _entered(controller, now)
    there = {(kind, met) for kind, met, *_ in rows}
    for kind, met in sorted(entered.met - there):
        if not any(covers(one, met, kind) for one in listed[kind]):
            yield Finding(met, "it stands in the ledger as met, and is on the list no more")
    for kind, met, seen, verdict, at in rows:
        if verdict is not None and entered.settled.get((kind, met)) != verdict:
            yield Finding(met, "the ledger has no such decision about it", "decide at the desk")
        if any(covers(one, met, kind) for one in listed[kind]) or verdict == "noise":
            continue
        if verdict == "remove" and seen <= at:
            continue
        what = "a host" if kind == "host" else "a cookie"
        words = (
            f"{what} that was to leave the pages was met again" if verdict == "remove"
            else f"{what} that somebody wanted to declare is not in trackers.yml yet"
            if verdict == "declare" else f"{what} that stands on no list was met"
        )  # fmt: skip
        yield Finding(met, words, "declare it in trackers.yml, or take it out of the pages")
    yield Looked(len(rows), "hosts and cookies met within 30 days")


@dataclass(frozen=True, slots=True)
class _Entered:
    """What the ledger has: names met for the first time of late, and what was decided last."""

    met: frozenset[tuple[str, str]]
    settled: Mapping[tuple[str, str], str]


def _entered(controller: Controller, now: dt.datetime) -> _Entered:
    met, settled = set(), {}
    for _, entry in controller.ledger.entries(kind=("tracker.met", "tracker.settled")):
        about = str(entry.body["what"]), str(entry.body["name"])
        if entry.at > now:
            continue
        if "outcome" in entry.body:
            settled[about] = str(entry.body["outcome"])
        elif entry.at > now - _RECENT:
            met.add(about)
    return _Entered(frozenset(met), settled)


def covers(listed: str, met: str, kind: str) -> bool:
    """Written anew, apart from what the gateway asks."""
    if kind == "cookie":
        return met == listed or (listed[-1:] == "*" and met.startswith(listed[:-1]))
    plain = listed.partition("://")[2] or listed
    plain = plain.rpartition(":")[0] if plain.rpartition(":")[2].isdigit() else plain
    return met == plain or (plain.startswith("*.") and met.endswith(plain[1:]))


def _states(controller: Controller) -> Iterator[tuple[Choices | None, str]]:
    """Choices that a visitor can have made: none, no to all, yes to one, yes to all."""
    bundle = controller.bundle
    aims = bundle.visits.optional
    yield None, "before a choice"
    if aims:
        for allowed in ((), *((aim,) for aim in aims), aims):
            said = {aim: aim in allowed for aim in aims}
            words = "all allowed" if allowed == aims else f"allowed: {', '.join(allowed) or '–'}"
            yield Choices(dt.date(2000, 1, 1), bundle.edition, MappingProxyType(said)), words


@control("trackers.choice-governs")
def choice_governs(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """The policy of a page names a host only while a visitor allows what it is for.

    Every region, with and without the signal, before a choice, after a no, and after each yes.
    The header is read as a browser reads it, and held against the rules of the bundle as written.
    """
    bundle, count = controller.bundle, 0
    visits, rows = bundle.visits, list(bundle.trackers.values())
    for region, gpc in itertools.product(REGIONS, (False, True)):
        for chosen, words in _states(controller):
            visit = judge(visits, region, chosen, Signals(gpc))
            header = csp.policy(t for t in rows if visit.allows(t))
            named = {
                (kind.removesuffix("-src"), source)
                for directive in header.split(";")
                for kind, *sources in [directive.split()]
                for source in sources
            }
            said = None if chosen is None else chosen.aims
            allowed = {aim for aim in visits.aims if may(controller, region, gpc, said, aim)}
            for row in rows:
                runs_now = bool(row.aims) and allowed.issuperset(row.aims)
                # A button waits for a yes, and under the signal whatever others receive.
                if runs_now and (row.embed or (gpc and row.provider is not None)):
                    runs_now = all(
                        visits.aims[a].necessary or (chosen is not None and chosen.aims.get(a))
                        for a in row.aims
                    )
                for kind, hosts in row.hosts.items():
                    for host in hosts:
                        count += 1
                        others = [t for t in rows if t is not row and host in t.hosts.get(kind, ())]
                        if runs_now and (kind, host) not in named:
                            yield Finding(row.id, f"does not load in {region}, {words}")
                        if not runs_now and not others and (kind, host) in named:
                            yield Finding(
                                row.id, f"would load in {region}, {words}",
                                "nothing may load that was not allowed",
                            )  # fmt: skip
    yield Looked(count, "hosts × regions × choices × signal")


def may(
    controller: Controller, region: str, gpc: bool, chosen: Mapping[str, bool] | None, aim: str
) -> bool:
    """What the bundle says of a purpose, read straight from it."""
    visits = controller.bundle.visits
    if visits.aims[aim].necessary:
        return True
    if chosen is not None and aim in chosen:
        return chosen[aim]
    if gpc and aim in visits.gpc:
        return False
    asks_first = region in ("EEA", "UK", "CH", "unknown")
    names = {"UK": ("UK", "EEA"), "CH": ("CH", "EEA"), "US-CA": ("US-CA", "US", "default"),
             "US-VA": ("US-VA", "US", "default"), "unknown": ()}.get(
                 region, (region,) if asks_first else (region, "default"))  # fmt: skip
    rule = next((visits.rules[n][aim] for n in names if aim in visits.rules.get(n, {})), "opt-in")
    return rule == "opt-out"


@control("trackers.scope-is-said")
def scope_is_said(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """What others provide says what goes out, who hosts it, whose policy holds, and has a purpose.

    What the provider does with it later lies outside the policy; that it waits for a choice of
    the visitor lies inside.
    """
    bundle = controller.bundle
    for row in bundle.trackers.values():
        where = f"trackers.yml: {row.id}"
        if not row.aims:
            yield Finding(where, "has no purpose, so that it never runs", "name one or remove it")
        if row.provider is None:
            if row.hosting == "self" and row.outside:
                yield Finding(where, "is ours, and said to lie outside the policy")
            continue
        if row.hosting == "provider" and not row.outside:
            yield Finding(where, "is a provider's, and the policy is said to reach there")
        if not row.sends:
            yield Finding(where, "does not say what goes out", "name categories under `sends`")
        if row.policy is None or row.policy not in bundle.links:
            yield Finding(where, "names no policy of its provider", "name a link under `policy`")
        if all(bundle.visits.aims[a].necessary for a in row.aims if a in bundle.visits.aims):
            yield Finding(where, "is another's, and runs without being chosen")
    yield Looked(len(bundle.trackers), "declared trackers")
