"""What a browser met on the pages of a site, held against what is declared and what may run.

A pass is one visitor: what she chose, whether her browser sends Global Privacy Control, where she
is. What stays of a pass names hosts and names, never a value, a query or a path of somebody's.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from kept.decide.loading import of_host
from kept.decide.sightings import Sighting, shown_host, shown_name
from kept.decide.visit import Visit, judge, rule_of
from kept.model import choice
from kept.model.choice import Choices
from kept.policy.bundle import Bundle
from kept.policy.trackers import DIRECTIVES, Trace, Tracker
from kept.terms.regimes import region_of
from kept.terms.signals import Signals

#: Choices that every bundle with purposes has; beside them stands each purpose alone.
NONE: Final = "none"
REFUSED: Final = "refused"
ALL: Final = "all"
#: A country for each region, the most asked for first; "" is a visitor of whom nobody knows it.
_COUNTRIES: Final = ("DE", "US", "GB", "CH", "US-CA", "US-VA", "BR", "")
#: A lifetime may be longer than declared by this much: clocks differ, and months do.
_SLACK: Final = dt.timedelta(days=3)
#: The cookie of a choice: who only looks has none.
_CHOSEN: Final = (choice.name(True), choice.name(False))

Kind = Literal["host", "cookie", "local-storage", "session-storage"]
#: `asked`: the page wanted it and nothing of the site was in the way. `refused`: the policy of
#: the page kept it out. `left`: it lies in the browser, or was to be laid there.
Outcome = Literal["asked", "refused", "left"]
Party = Literal["first", "third"]


@dataclass(frozen=True, slots=True)
class Stop:
    """One pass: a choice (`none`, `refused`, `all`, or a purpose alone), the signal, a country."""

    choice: str
    gpc: bool
    country: str

    @property
    def words(self) -> str:
        """How the pass is called."""
        where = self.country or "nowhere"
        return f"{self.choice}{' + GPC' if self.gpc else ''}, {where}"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that was met in a pass.

    `directive` is what a host was asked for, `via` how; `whose` the host that a cookie belongs
    to; `days` how long it lasts (None: until the browser is closed, or not known).
    """

    kind: Kind
    name: str
    outcome: Outcome
    page: str
    directive: str = ""
    via: str = ""
    whose: str = ""
    party: Party = "first"
    days: int | None = None
    http_only: bool = False


@dataclass(frozen=True, slots=True)
class Amiss:
    """Something that should not be, and in which passes."""

    what: str
    words: str
    stops: tuple[str, ...]


def choices(bundle: Bundle) -> tuple[str, ...]:
    """All choices of a visitor that are scanned."""
    aims = bundle.visits.optional
    return (NONE, REFUSED, *aims, ALL) if aims else (NONE,)


def countries(bundle: Bundle) -> tuple[str, ...]:
    """A country for each set of rules that the bundle has."""
    found: dict[tuple[str, ...], str] = {}
    for country in _COUNTRIES:
        place, _, part = country.partition("-")
        region = region_of(place, part or None)
        rules = tuple(rule_of(bundle.visits, region, aim) for aim in bundle.visits.optional)
        found.setdefault(rules, country)
    return tuple(found.values())


def visit(bundle: Bundle, stop: Stop) -> Visit:
    """What may run in a pass."""
    aims = bundle.visits.optional
    chosen = None
    if stop.choice != NONE:
        said = {aim: stop.choice in (ALL, aim) for aim in aims}
        chosen = Choices(dt.date(2000, 1, 1), bundle.edition, MappingProxyType(said))
    place, _, part = stop.country.partition("-")
    return judge(bundle.visits, region_of(place, part or None), chosen, Signals(stop.gpc))


def declaring(bundle: Bundle, item: Item) -> list[Tracker]:
    """Who declares what was met; nobody, where it stands on no list."""
    rows = bundle.trackers.values()
    if item.kind == "host":
        kind = next((d for d in DIRECTIVES if d == item.directive), None)
        return of_host(rows, item.name, kind)
    return [row for row in rows if trace(row, item) is not None]


def trace(row: Tracker, item: Item) -> Trace | None:
    """The trace of a tracker that something left in the browser is."""
    for one in row.traces:
        if one.kind == item.kind and fits(one.name, item.name):
            return one
    return None


def fits(declared: str, met: str) -> bool:
    """Whether a declared name covers this one.

    A site without https cannot set a cookie whose name begins with `__Host-`: Kept leaves its own
    without the prefix there.
    """
    plain = declared.removeprefix("__Host-")
    if declared.endswith("*"):
        return met.startswith((declared[:-1], plain[:-1]) if plain[:-1] else declared[:-1])
    return met in (declared, plain)


def shown(bundle: Bundle, item: Item) -> Item:
    """The same, with names in which no number of somebody's is left; declared names stay."""
    if item.kind == "host":
        return replace(item, name=shown_host(item.name))
    known = {one.name for row in bundle.trackers.values() for one in row.traces}
    name = item.name if item.name in known else shown_name(item.name)
    return replace(item, name=name, whose=shown_host(item.whose) if item.whose else "")


def amiss(bundle: Bundle, stop: Stop, items: Iterable[Item]) -> Iterator[tuple[str, str]]:
    """(what, why it should not be) of one pass."""
    now = visit(bundle, stop)
    for item in items:
        if item.outcome == "refused":
            continue
        rows = declaring(bundle, item)
        kind = item.kind.replace("-", " ")
        if not rows:
            yield item.name, f"{kind} that stands on no list"
            continue
        if stop.choice == NONE and item.kind == "cookie" and item.name in _CHOSEN:
            yield item.name, "cookie of a choice that nobody made: a script pressed for her"
        running = [row for row in rows if now.allows(row)]
        if not running:
            names = ", ".join(row.id for row in rows)
            why = "was not chosen yet" if stop.choice == NONE else "was refused"
            if stop.choice == NONE and now.signals.gpc:
                why = "the signal or the region keeps out"
            did = "is asked" if item.kind == "host" else "is left"
            yield item.name, f"{kind} {did} though it {why} ({names})"
            continue
        limits = [_limit(trace(row, item)) for row in running]
        if item.days is not None and None not in limits:
            longest = max(one for one in limits if one is not None)
            if dt.timedelta(days=item.days) > longest + _SLACK:
                yield item.name, f"{kind} lasts {item.days} days, longer than declared"


def _limit(one: Trace | None) -> dt.timedelta | None:
    """The declared lifetime; None where none is known."""
    if one is None or one.lifetime is None:
        return None
    if one.lifetime == "session":
        return dt.timedelta(0)
    met = re.fullmatch(r"P(T?)([0-9]+)([YMWDHS])", one.lifetime)
    if met is None:
        return None
    number = int(met[2])
    if met[1]:
        seconds = {"H": 3600, "M": 60, "S": 1}.get(met[3], 0)
        return dt.timedelta(seconds=number * seconds)
    return dt.timedelta(days=number * {"Y": 366, "M": 31, "W": 7, "D": 1}.get(met[3], 0))


def together(found: Mapping[str, Sequence[tuple[str, str]]]) -> list[Amiss]:
    """What is amiss, each thing once, with the passes in which it was met."""
    by: dict[tuple[str, str], list[str]] = {}
    for stop, rows in found.items():
        for row in dict.fromkeys(rows):
            by.setdefault(row, []).append(stop)
    return [Amiss(what, words, tuple(stops)) for (what, words), stops in by.items()]


def unseen(bundle: Bundle, items: Sequence[Item]) -> list[str]:
    """Declared trackers of which nothing was met, asked for or refused."""
    met = {row.id for item in items for row in declaring(bundle, item)}
    return [row.id for row in bundle.trackers.values() if row.id not in met]


def new(bundle: Bundle, items: Iterable[Item]) -> dict[Sighting, int]:
    """What stands on no list, as sightings for the desk; what was refused as well."""
    found: dict[Sighting, int] = {}
    for item in items:
        if item.kind not in ("host", "cookie") or declaring(bundle, item):
            continue
        directive = f"{item.directive}-src" if item.kind == "host" else ""
        kind: Literal["host", "cookie"] = "host" if item.kind == "host" else "cookie"
        one = Sighting(kind, item.name, directive, item.page)
        found[one] = found.get(one, 0) + 1
    return found


def draft(bundle: Bundle, items: Iterable[Item]) -> str:
    """Rows for trackers.yml of what stands on no list; without a purpose, so that none runs."""
    hosts: dict[str, dict[str, None]] = {}
    traces: dict[tuple[str, str, str, int | None], None] = {}
    for item in items:
        if declaring(bundle, item):
            continue
        if item.kind == "host" and item.directive in DIRECTIVES and "*" not in item.name:
            hosts.setdefault(item.name, {})[item.directive] = None
        elif item.kind != "host":
            traces[item.name, item.kind, item.party, item.days] = None
    parts = []
    for host, kinds in sorted(hosts.items()):
        places = ", ".join(f'{kind}: ["{host}"]' for kind in sorted(kinds))
        parts.append(
            f"- id: {_id(host)}\n  title: {host}\n  provider: null  # who is it? a recipient\n"
            "  purposes: []  # without one it never runs\n  hosting: provider\n"
            f"  hosts: {{{places}}}\n  sends: []  # what goes out\n  outside: true\n  clauses: []\n"
        )
    for name, kind, party, days in sorted(traces, key=lambda t: t[:3]):
        life = "session" if days is None else f"P{days}D"
        parts.append(
            f"- id: {_id(name)}\n  title: {name}\n  provider: null\n"
            "  purposes: []  # without one it never runs\n  hosting: self\n"
            f'  leaves: [{{name: "{name}", kind: {kind}, party: {party}, lifetime: {life}}}]\n'
            "  clauses: []\n"
        )
    return "".join(parts)


def _id(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
