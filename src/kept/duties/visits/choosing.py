"""From what was pressed to a choice, and from a choice to what the browser is told."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterable
from types import MappingProxyType
from typing import Final, Literal, get_args

from kept.decide.visit import Visit
from kept.errors import UsageError
from kept.model.choice import Choices
from kept.policy.bundle import Bundle

#: What can be pressed: all, none, one by one, load a part of a page.
Act = Literal["accept", "refuse", "save", "load"]
ACTS: Final[tuple[Act, ...]] = get_args(Act)
#: Where it was pressed.
PLACES: Final = ("banner", "embed", "page")
#: A path on this site, of letters that are safe in a header.
_PATH: Final = re.compile(r"/(?![/\\])[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,1999}", re.ASCII)
_COOKIE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}", re.ASCII)


def nothing() -> UsageError:
    """What is said to who chooses what nobody asked about."""
    return UsageError(
        "this is nothing that can be chosen here", fix="open the page again and choose there"
    )


def choose(
    bundle: Bundle, before: Choices | None, act: Act, today: dt.date,
    *, aims: Collection[str] = (), trackers: Collection[str] | None = None,
) -> Choices:  # fmt: skip
    """The choice that was made. `aims` are those ticked; `trackers` those left ticked of all
    that were shown (None: none were), or the one to load.

    Raises UsageError for what this bundle does not ask about.
    """
    optional = bundle.visits.optional
    asked = [r.id for r in bundle.trackers.values() if set(r.aims) & set(optional)]
    strange = {*aims} - {*optional} or {*(trackers or ())} - {*asked}
    if strange or not optional:
        raise nothing()
    if act == "load":
        if not trackers:
            raise UsageError("nothing is named to be loaded", fix="press the button in its place")
        kept = before or Choices(today, bundle.edition)
        return Choices(
            kept.on if any((*kept.aims.values(), *kept.trackers.values())) else today,
            bundle.edition,
            kept.aims,
            MappingProxyType({**kept.trackers, **dict.fromkeys(trackers, True)}),
        )
    yes = {"accept": set(optional), "refuse": set[str](), "save": set(aims)}[act]
    own: dict[str, bool] = {}
    if act == "save":
        # What was loaded one by one does not outlive a choice about the whole; a no does.
        known = before.trackers if before else {}
        left = set(asked) if trackers is None else set(trackers)
        if trackers is None:
            left -= {name for name, said in known.items() if not said}
        own = {
            name: False
            for name in asked
            if name not in left and yes.issuperset(bundle.trackers[name].aims)
        }
    said = {name: name in yes for name in optional}
    return Choices(today, bundle.edition, MappingProxyType(said), MappingProxyType(own))


def held(before: Choices | None, made: Choices) -> Choices | None:
    """What holds of a choice that cannot be put on record: each no, and no yes that is new.

    A yes that stood before goes on with its day. None where nothing is left that holds.
    """
    aims, trackers = (
        {name: False for name, yes in was.items() if not yes}
        | {name: yes for name, yes in now.items() if not yes or was.get(name)}
        for was, now in (
            (before.aims if before else {}, made.aims),
            (before.trackers if before else {}, made.trackers),
        )
    )
    if not aims and not trackers:
        return None
    on = before.on if before else made.on
    return Choices(on, made.edition, MappingProxyType(aims), MappingProxyType(trackers))


def back(path: str | None) -> str | None:
    """A path on this site to go back to; None for anything else."""
    return path if path and _PATH.fullmatch(path) else None


def expired(bundle: Bundle, visit: Visit, cookies: Iterable[str], host: str) -> list[str]:
    """`Set-Cookie` headers that remove what trackers left which may not run (any more).

    `cookies` are the names that the browser sent. A script sets its cookies for the whole
    domain, so each is removed for the host and for every domain above it.
    """
    gone, stays = (
        [
            trace.name
            for row in bundle.trackers.values()
            if visit.allows(row) is runs
            for trace in row.traces
            if trace.kind == "cookie" and trace.party == "first"
        ]
        for runs in (False, True)
    )
    named = {name for name in cookies if _COOKIE.fullmatch(name)}
    labels = host.split(".")
    domains = [".".join(labels[n:]) for n in range(len(labels) - 1)]
    if not re.fullmatch(r"[a-z0-9.-]+\.[a-z]{2,}", host, re.ASCII):
        domains = []  # an address or a single label has no domain above it
    return [
        f"{name}=; Path=/; Max-Age=0" + (f"; Domain={domain}" if domain else "")
        for name in sorted(named)
        if _fits(name, gone) and not _fits(name, stays)
        for domain in ("", *domains)
    ]


def _fits(name: str, declared: Iterable[str]) -> bool:
    """Whether a cookie has one of the declared names; one may end in a star."""
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in declared)
