"""The declared trackers: whatever a page may load from others, or leave in a browser.

One row of trackers.yml is one thing a visitor would recognise: an analytics tag, a button, our
own cookie. Its hosts stand by the directive of Content-Security-Policy under which a browser
asks for them, so that what is not declared cannot load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from kept.policy.problem import Problem
from kept.policy.yamlfile import File

#: The kinds of things a page loads; `<kind>-src` is the directive.
Directive = Literal["script", "connect", "img", "frame", "style", "font", "media"]
DIRECTIVES: Final[tuple[Directive, ...]] = (
    "script", "connect", "img", "frame", "style", "font", "media",
)  # fmt: skip

#: Who serves it: we do, or the provider.
Hosting = Literal["self", "provider"]
#: What is left in the browser, and where.
Keeping = Literal["cookie", "local-storage", "session-storage"]


@dataclass(frozen=True, slots=True)
class Trace:
    """Something left in a browser. `name` may end in `*`: every name that begins so.

    `lifetime` is a period, or `session`; None: not known. `party`: whose host sets it.
    """

    name: str
    kind: Keeping
    party: Literal["first", "third"]
    lifetime: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Tracker:
    """One declared tracker.

    `provider` is a recipient of the bundle, None for our own. `aims` are purposes of
    `visits`: all of them must be allowed for it to run, and one without any never runs.
    `sends` are categories of what goes out. `outside`: what the provider does later with it
    lies outside the policy; loading it and what it takes along lie inside. `policy` and
    `opt_out` are links of the bundle. `embed`: it stands in a page as a visible part and is
    loaded by a click.
    """

    id: str
    title: str
    provider: str | None
    aims: tuple[str, ...]
    hosting: Hosting
    hosts: Mapping[Directive, tuple[str, ...]]
    traces: tuple[Trace, ...]
    sends: tuple[str, ...]
    outside: bool
    policy: str | None
    opt_out: tuple[str, ...]
    embed: bool
    clauses: tuple[str, ...]
    notes: str
    line: int


def trackers(file: File) -> tuple[dict[str, Tracker], list[Problem]]:
    """The trackers, by id, in the order of the file."""
    found: dict[str, Tracker] = {}
    problems = []
    for n, row in enumerate(file.value):
        line, name = file.line(n), row["id"]
        if name in found:
            what = f"{name} stands here a second time (first in line {found[name].line})"
            problems.append(Problem(f"{file.name}:{line}", what, "give one of them another id"))
        found[name] = Tracker(
            id=name,
            title=row["title"],
            provider=row["provider"],
            aims=tuple(row["purposes"]),
            hosting=row["hosting"],
            hosts=MappingProxyType(
                {kind: tuple(hosts) for kind, hosts in row.get("hosts", {}).items()}
            ),
            traces=tuple(map(_trace, row.get("leaves", ()))),
            sends=tuple(row.get("sends", ())),
            outside=row.get("outside", False),
            policy=row.get("policy"),
            opt_out=tuple(row.get("opt-out", ())),
            embed=row.get("embed", False),
            clauses=tuple(row["clauses"]),
            notes=row.get("notes", ""),
            line=line,
        )
    return found, problems


def _trace(row: Mapping[str, Any]) -> Trace:
    return Trace(
        row["name"], row.get("kind", "cookie"), row.get("party", "first"), row["lifetime"],
        row.get("words", ""),
    )  # fmt: skip
