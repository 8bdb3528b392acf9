"""Who declares a host: what the gateway and its controls share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from kept.policy.trackers import DIRECTIVES, Directive, Tracker

_HOST: Final = re.compile(r"(?:https?://)?(\*\.)?([a-z0-9.-]+)(?::[0-9]+)?")


def matches(pattern: str, host: str) -> bool:
    """Whether a declared host covers this one: `*.example` covers what lies below `example`."""
    met = _HOST.fullmatch(pattern)
    return met is not None and (host.endswith("." + met[2]) if met[1] else host == met[2])


def of_host(trackers: Iterable[Tracker], host: str, kind: Directive | None = None) -> list[Tracker]:
    """The trackers that declare a host, for a kind of thing or for any."""
    kinds = DIRECTIVES if kind is None else (kind,)
    return [
        one
        for one in trackers
        if any(matches(pattern, host) for k in kinds for pattern in one.hosts.get(k, ()))
    ]
