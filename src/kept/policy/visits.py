"""What a visitor can choose about: purposes, the rule of each region, what a signal stops, texts.

The section `visits` of policy.yml. A bundle without it asks nothing and allows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from kept.policy.yamlfile import File
from kept.terms.signals import Rule

#: Words of one thing in each language of the bundle.
Words = Mapping[str, str]


#: Category → the column in which it is kept of a view of a page. Nothing else of one is recorded.
RECORDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "navigation.pages": "page",
        "navigation.referrer": "referrer",
        "navigation.browser": "browser",
        "navigation.location": "country",
        "cookie": "mac",
    }
)


@dataclass(frozen=True, slots=True)
class Aim:
    """A purpose as a visitor chooses about it.

    `covers` are the purposes of the vocabulary that stand behind it. A `necessary` one is not
    chosen about: the site cannot run without it.
    """

    id: str
    necessary: bool
    covers: tuple[str, ...]
    label: Words
    words: Words
    line: int


@dataclass(frozen=True, slots=True)
class Events:
    """What is recorded of a page that somebody views: for which activity of the register, and
    which categories; nothing else of it is.
    """

    activity: str
    fields: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Visits:
    """The choices of visitors. `rules`: region or `default` → aim → rule.

    `gpc` names the aims that Global Privacy Control stops; `texts` the words of banner and
    page: language → key → text. `events` None: no view of a page is recorded.
    """

    aims: Mapping[str, Aim]
    rules: Mapping[str, Mapping[str, Rule]]
    gpc: frozenset[str]
    texts: Mapping[str, Mapping[str, str]]
    clauses: tuple[str, ...]
    line: int
    events: Events | None = None

    def covering(self, purpose: str) -> str | None:
        """The aim under which visitors choose about a purpose of the vocabulary."""
        return next((aim.id for aim in self.aims.values() if purpose in aim.covers), None)

    @property
    def optional(self) -> tuple[str, ...]:
        """The aims that are chosen about, in the order of the file."""
        return tuple(aim.id for aim in self.aims.values() if not aim.necessary)


_EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})
#: What a bundle has that says nothing of visits.
NOTHING: Final = Visits(_EMPTY, _EMPTY, frozenset(), _EMPTY, (), 1)


def visits(file: File) -> Visits:
    """The section of policy.yml."""
    value = file.value.get("visits")
    if value is None:
        return NOTHING
    aims = {
        name: Aim(
            id=name,
            necessary=row.get("necessary", False),
            covers=tuple(row["covers"]),
            label=MappingProxyType(row["label"]),
            words=MappingProxyType(row["words"]),
            line=file.line("visits", "purposes", name),
        )
        for name, row in value["purposes"].items()
    }
    return Visits(
        aims=MappingProxyType(aims),
        rules=MappingProxyType(
            {region: MappingProxyType(row) for region, row in value.get("rules", {}).items()}
        ),
        gpc=frozenset(value.get("gpc", ())),
        texts=MappingProxyType(
            {language: MappingProxyType(row) for language, row in value.get("texts", {}).items()}
        ),
        clauses=tuple(value["clauses"]),
        line=file.line("visits"),
        events=_events(file, value.get("events")),
    )


def _events(file: File, value: Mapping[str, Any] | None) -> Events | None:
    if value is None:
        return None
    return Events(value["activity"], tuple(value["fields"]), file.line("visits", "events"))
