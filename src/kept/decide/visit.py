"""What may run in a visit: what the visitor chose, then what her browser says, then her region.

An explicit choice comes before a signal, a signal before the rule of the region. What is not
known — a purpose, a region, a tracker — is not allowed. Global Privacy Control is an opt-out of
sharing: under it nothing reaches another without an explicit yes; what is our own goes on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from kept.model import choice, gpp
from kept.model.choice import Choices
from kept.policy.bundle import Bundle
from kept.policy.trackers import Tracker
from kept.policy.visits import Visits
from kept.terms.regimes import REGIONS, is_eu, region_of, rules_of
from kept.terms.signals import ASKS_FIRST, SILENT, Rule, Signals, signals

#: Why an aim is allowed or not.
Why = Literal["necessary", "allowed", "refused", "signal", "not-asked", "until-refused"]
ALLOWS: Final = frozenset({"necessary", "allowed", "until-refused"})
#: Of these, what somebody said, or never has to.
_SAID: Final = frozenset({"necessary", "allowed"})


@dataclass(frozen=True, slots=True)
class Visit:
    """What may run. `why` has one reason for every aim of the bundle.

    `ask`: something waits for a choice, so the banner is to be shown. `chosen`: the visitor
    chose something. `trackers` are those chosen about one by one. `state` is two letters of a
    state of the United States that has a section of its own in the string of `gpp`.
    """

    region: str
    why: Mapping[str, Why]
    signals: Signals
    ask: bool
    chosen: bool
    trackers: Mapping[str, bool]
    state: str | None = None

    @property
    def allowed(self) -> frozenset[str]:
        """The aims for which something may run."""
        return frozenset(aim for aim, why in self.why.items() if why in ALLOWS)

    @property
    def shared(self) -> frozenset[str]:
        """The aims for which something may reach another: under the signal, those with a yes."""
        return self._with_a_yes if self.signals.gpc else self.allowed

    @property
    def _with_a_yes(self) -> frozenset[str]:
        return frozenset(aim for aim, why in self.why.items() if why in _SAID)

    def waits(self, tracker: Tracker) -> bool:
        """Whether a tracker needs an explicit yes wherever others run until they are refused.

        One that stands in the page to be clicked does: a button is part of what somebody reads,
        and reading is no choice. Under the signal all do that somebody else receives.
        """
        return tracker.embed or (self.signals.gpc and tracker.provider is not None)

    def allows(self, tracker: Tracker) -> bool:
        """Whether a tracker may run: by what was chosen about it, else by all of its aims.

        One without an aim never does; a no to one of its aims is a no to it. A click that
        loads it in its place is a choice about it alone. One that is necessary always runs.
        """
        if not tracker.aims or not all(aim in self.why for aim in tracker.aims):
            return False
        if all(self.why[aim] == "necessary" for aim in tracker.aims):
            return True
        own = self.trackers.get(tracker.id)
        if own is not None:
            return own
        return (self._with_a_yes if self.waits(tracker) else self.allowed).issuperset(tracker.aims)

    def gpp(self, rules: Visits) -> str:
        """The string that tells others of it in the United States; "" elsewhere.

        She opted out where one of the aims that Global Privacy Control stops is not allowed:
        those are the ones by which something is shared.
        """
        if not self.region.startswith("US"):
            return ""
        out = not self.allowed.issuperset(rules.gpc) if rules.gpc else self.signals.gpc
        return gpp.opted(out, gpc=self.signals.gpc, state=self.state)


def waiting(bundle: Bundle, visit: Visit) -> frozenset[str]:
    """The purposes that are on, and behind which something runs only after an explicit yes."""
    return frozenset(
        aim
        for row in bundle.trackers.values()
        if visit.waits(row)
        for aim in row.aims
        if visit.why.get(aim) == "until-refused"
    )


def switched_on(bundle: Bundle, visit: Visit) -> frozenset[str]:
    """The purposes that a page of choices shows as on: saving it as it is makes no new yes."""
    return visit.allowed - waiting(bundle, visit)


def judge(
    rules: Visits, region: str, choices: Choices | None = None, signals: Signals = SILENT
) -> Visit:
    """What may run for somebody in a region who chose this and whose browser says that."""
    where = region if region in REGIONS else "unknown"
    chosen = choices.aims if choices else {}
    why = {
        aim.id: "necessary" if aim.necessary else _why(rules, where, aim.id, chosen, signals)
        for aim in rules.aims.values()
    }
    return Visit(
        region=where,
        why=MappingProxyType(why),
        signals=signals,
        ask=not signals.gpc and "not-asked" in why.values(),
        chosen=bool(chosen),
        trackers=choices.trackers if choices else MappingProxyType({}),
    )


def under_gpc(rules: Visits, visit: Visit) -> Visit:
    """The same visit, if the browser sent the signal: for a page that hears it before we do."""
    why: dict[str, Why] = {
        aim: "signal" if aim in rules.gpc and reason in ("until-refused", "not-asked") else reason
        for aim, reason in visit.why.items()
    }
    heard = Signals(True, visit.signals.dnt)
    return replace(visit, why=MappingProxyType(why), signals=heard, ask=False)


def _why(rules: Visits, region: str, aim: str, chosen: Mapping[str, bool], signals: Signals) -> Why:
    if aim in chosen:
        return "allowed" if chosen[aim] else "refused"
    if signals.gpc and aim in rules.gpc:
        return "signal"
    return "until-refused" if rule_of(rules, region, aim) == "opt-out" else "not-asked"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks, as far as a browser says it. `eu` None: nobody knows the country.

    The European Union is not the EEA: the region decides what may run, `eu` which of the
    policy's links is hers.
    """

    visit: Visit
    choices: Choices | None
    eu: bool | None


def met(
    bundle: Bundle, headers: Iterable[tuple[str, str]], key: bytes, *, secure: bool,
    country: str | None, today: dt.date,
) -> Visitor:  # fmt: skip
    """The visitor of a request, by its headers; `country` (ISO 3166) as the operator knows it.

    `secure`: the site is reached by https. `key` seals the cookie.
    """
    lines = list(headers)
    value = choice.found((v for n, v in lines if n.lower() == "cookie"), secure)
    choices = choice.decode(value, key, edition=bundle.edition, today=today)
    place, _, part = (country or "").partition("-")
    region = region_of(place, part or None)
    visit = judge(bundle.visits, region, choices, signals(lines))
    if region.startswith("US") and f"us{part.lower()}" in gpp.SECTIONS:
        visit = replace(visit, state=part.upper())
    eu = None if region == "unknown" else is_eu(place)
    return Visitor(visit, choices, eu)


def rule_of(rules: Visits, region: str, aim: str) -> Rule:
    """The rule of a region for an aim: its own, or that of the next region.

    Where the law asks first, what the bundle does not say is opt-in, and `default` does not
    reach there. An unknown region has the strictest rule of all.
    """
    if region not in REGIONS or region == "unknown":
        return "opt-in"
    for name in rules_of(region):
        if name == "default" and region in ASKS_FIRST:
            break
        if aim in rules.rules.get(name, {}):
            return rules.rules[name][aim]
    return "opt-in"
