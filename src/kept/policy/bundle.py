"""The bundle: a published policy as data, read from a directory and checked for its form.

`load` is for who wants to use a bundle, `read` for who wants to know all that is amiss with
one; whether a well-formed bundle also makes sense is the matter of `clauses.check`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar, cast

import rfc8785

from kept.errors import BundleError
from kept.policy import parts, textfile, yamlfile
from kept.policy import trackers as tracking
from kept.policy import visits as visiting
from kept.policy.problem import Problem
from kept.policy.shapes import (
    PERIOD,
    Activity,
    Choice,
    ChoiceValue,
    Clause,
    Definition,
    Form,
    Import,
    Link,
    Organisation,
    Recipient,
    Reference,
    RetentionClass,
    Section,
    Status,
    Unit,
)
from kept.policy.trackers import Tracker
from kept.policy.visits import Visits
from kept.terms.regimes import rules_of
from kept.terms.vocabulary import KINDS, SHIPPED, Kind, Vocabulary

Json: TypeAlias = Any
T = TypeVar("T")

#: The YAML files of format 1; `text.md` stands beside them.
FILES: Final = (
    "policy", "clauses", "vocabulary", "activities", "retention", "recipients", "links", "forms",
    "imports", "trackers", "messages",
)  # fmt: skip
_BESIDE: Final = {*(f"{name}.yml" for name in FILES), textfile.NAME, "README.md"}
# What says nothing of the rule itself, only of where it stands or how it is watched.
_NOT_RULES: Final = {"line", "notes", "note", "needed", "pages"}


@dataclass(frozen=True)
class Bundle:
    """A published policy as data.

    `answers` names, by region or as `default`, the choice within which a request is answered.
    `lines` gives the line of a key of policy.yml; `named_purposes` maps each purpose that
    vocabulary.yml lists to its line; `names` are proper names that need no definition. Of who is
    younger than `minimum_age` nothing is collected knowingly; None: the policy does not say so.
    `messages` gives words of the other files in another language: language → words → the same.
    """

    id: str
    title: str
    version: dt.date
    organisation: Organisation
    sites: tuple[str, ...]
    languages: tuple[str, ...]
    regions: tuple[str, ...]
    splitter_exceptions: tuple[str, ...]
    choices: Mapping[str, Choice]
    sections: tuple[Section, ...]
    clauses: Mapping[str, Clause]
    vocabulary: Vocabulary
    named_purposes: Mapping[str, int]
    glossary: Mapping[str, Definition]
    references: Mapping[str, Reference]
    names: tuple[str, ...]
    activities: Mapping[str, Activity]
    retention: Mapping[str, RetentionClass]
    recipients: Mapping[str, Recipient]
    links: Mapping[str, Link]
    forms: Mapping[str, Form]
    lines: Mapping[str, int]
    answers: Mapping[str, str]
    visits: Visits
    trackers: Mapping[str, Tracker]
    minimum_age: int | None = None
    imports: Mapping[str, Import] = dataclasses.field(default_factory=dict)
    messages: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    message_lines: Mapping[tuple[str, ...], int] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def units(self) -> tuple[Unit, ...]:
        """All units of the text, in order."""
        return tuple(unit for section in self.sections for unit in section.units)

    @functools.cached_property
    def text_digest(self) -> str:
        """SHA-256 (hex) of all that a reader is shown: see `written`."""
        return hashlib.sha256(rfc8785.dumps(self.written())).hexdigest()

    @functools.cached_property
    def rules_digest(self) -> str:
        """SHA-256 (hex) of what the text means for the machine: see `rules`."""
        return hashlib.sha256(rfc8785.dumps(self.rules())).hexdigest()

    @functools.cached_property
    def waiting(self) -> Mapping[str, tuple[str, ...]]:
        """Clauses that cannot be kept before something is decided: clause id → what of it waits.

        A choice by its name; an address that nobody has supplied as `links.NAME`.
        """
        found: dict[str, tuple[str, ...]] = {}
        for choice in self.choices.values():
            if choice.value is None:
                for clause in choice.clauses:
                    found[clause] = (*found.get(clause, ()), choice.name)
        for link in self.unaddressed:
            found[link.clause] = (*found.get(link.clause, ()), f"links.{link.id}")
        return MappingProxyType(found)

    @property
    def unaddressed(self) -> tuple[Link, ...]:
        """Links that a clause needs, and of which nobody has said where they lead."""
        return tuple(link for link in self.links.values() if link.needed and link.url is None)

    @functools.cached_property
    def periods(self) -> frozenset[str]:
        """Names of the choices whose value is a period: those that a retention class rests on,
        and those within which requests are answered.
        """
        laws = (row.law for row in self.retention.values() if row.law is not None)
        named = (*(r.keep_choice for r in self.retention.values()), *(x.keep_choice for x in laws))
        return frozenset(name for name in named if name is not None) | set(self.answers.values())

    def answer_within(self, region: str) -> str | None:
        """The period within which the policy has a request from a region answered (P30D)."""
        named = next((self.answers[r] for r in rules_of(region) if r in self.answers), None)
        return None if named is None else _period(named, self.choices)

    def serving(self, purpose: str) -> tuple[Activity, ...]:
        """The activities for a purpose or one below it, in the order of the file."""
        within = self.vocabulary.within
        return tuple(a for a in self.activities.values() if within("purposes", a.purpose, purpose))

    def status(self, clause: str) -> Status:
        """The status that counts: `open` as long as a choice it depends on is not made."""
        return "open" if clause in self.waiting else self.clauses[clause].status

    def written(self) -> Json:
        """All that a reader is shown, as JSON: the units, and what their placeholders show.

        The clause ids that a unit carries are no part of it: no reader sees them.
        """
        return {
            "id": self.id,
            "title": self.title,
            "version": self.version.isoformat(),
            "languages": list(self.languages),
            "organisation": _json(self.organisation),
            "sites": list(self.sites),
            "text": [
                {"section": section.id, "kind": unit.kind, "level": unit.level, "text": unit.text,
                 "paragraph": unit.paragraph}
                for section in self.sections
                for unit in section.units
            ],
            "glossary": {d.term: [d.means, list(d.aliases)] for d in self.glossary.values()},
            "links": {link.id: [link.words, link.url] for link in self.links.values()},
            **({"visits": self._visit_words()} if self.visits.aims else {}),
            **({"messages": _json(self.messages)} if self.messages else {}),
        }  # fmt: skip

    def _visit_words(self) -> Json:
        """The words in which visitors are asked."""
        return {
            "purposes": {
                aim.id: [dict(aim.label), dict(aim.words)] for aim in self.visits.aims.values()
            },
            "texts": {language: dict(row) for language, row in self.visits.texts.items()},
        }

    def rules(self) -> Json:
        """What binds the machine, as JSON; not how or whether it is watched."""
        return {
            "id": self.id,
            "version": self.version.isoformat(),
            "modes": {clause.id: clause.mode for clause in self.clauses.values()},
            "choices": {choice.name: _json(choice.value) for choice in self.choices.values()},
            # Where a term of the bundle's own stands in its tree decides what lies within what.
            "terms": {
                kind: {
                    term: parent
                    for term, parent in _own_terms(self.vocabulary, kind).items()
                    if kind != "recipients" or term not in self.recipients
                }
                for kind in KINDS
            },
            "sites": list(self.sites),
            "regions": list(self.regions),
            "activities": _json(self.activities),
            "retention": _json(self.retention),
            "recipients": _json(self.recipients),
            "links": _json(self.links),
            "forms": _json(self.forms),
            **({"answers": dict(self.answers)} if self.answers else {}),
            **({"visits": self._visit_rules()} if self.visits.aims else {}),
            **({"trackers": _json(self.trackers)} if self.trackers else {}),
            **({"imports": _json(self.imports)} if self.imports else {}),
            **({"minimum_age": self.minimum_age} if self.minimum_age is not None else {}),
        }

    def _visit_rules(self) -> Json:
        """What visitors choose about, without the words in which they are asked."""
        return {
            "purposes": {
                aim.id: {"necessary": aim.necessary, "covers": list(aim.covers)}
                for aim in self.visits.aims.values()
            },
            "rules": {region: dict(row) for region, row in self.visits.rules.items()},
            "gpc": sorted(self.visits.gpc),
            **(
                {"events": {"activity": events.activity, "fields": sorted(events.fields)}}
                if (events := self.visits.events)
                else {}
            ),
        }

    @functools.cached_property
    def edition(self) -> str:
        """What a choice of a visitor was about, in eight hex digits.

        It changes with the purposes that can be chosen, and with who is behind each: what
        somebody allowed covers nobody who came later. Other words for the same do not change it.
        """
        about: Json = {
            "purposes": {
                aim.id: sorted(aim.covers) for aim in self.visits.aims.values() if not aim.necessary
            },
            "trackers": {
                row.id: [row.provider, sorted(row.aims), sorted(row.sends)]
                for row in self.trackers.values()
            },
        }
        return hashlib.sha256(rfc8785.dumps(about)).hexdigest()[:8]

    def filled(self, words: str, make: Callable[[], Bundle]) -> Bundle:
        """The bundle with what a deployment fills in, as `make` makes it. `words` say all that is
        filled in: for those of last time it is the bundle of last time, whose digests are known.
        """
        for known, made in self._filled:
            if known == words:
                return made
        made = make()
        self._filled[:] = [(words, made)]
        return made

    def once(self, what: str, make: Callable[[], T]) -> T:
        """What `make` makes of this bundle and of nothing else, under the name `what`: made the
        first time, and the same ever after. Who changes a bundle has another one.
        """
        if what not in self._made:
            self._made.setdefault(what, make())
        return cast(T, self._made[what])

    @functools.cached_property
    def _made(self) -> dict[str, object]:
        """Room for it, for as long as there is the bundle."""
        return {}

    @functools.cached_property
    def _filled(self) -> list[tuple[str, Bundle]]:
        """Room for the last one: its digests take as long as opening a deployment."""
        return []

    def with_addresses(self, addresses: Mapping[str, str]) -> Bundle:
        """The bundle with addresses that a deployment supplies for links that have none.

        Raises BundleError for a link that is not there, or that the policy itself leads somewhere.
        """
        links = dict(self.links)
        for name, url in addresses.items():
            known = links.get(name)
            if known is None:
                raise BundleError(
                    f"the policy has no link named {name!r}", fix=yamlfile.close(name, links)
                )
            if known.url is not None and known.url != url:
                raise BundleError(
                    f"the policy itself says where the link {name} leads",
                    fix="leave it out of the deployment",
                )
            links[name] = dataclasses.replace(known, url=url)
        return dataclasses.replace(self, links=MappingProxyType(links))

    def with_partners(self, partners: Iterable[Recipient]) -> Bundle:
        """The bundle with recipients whom a deployment names: rules like those of its own."""
        extra = {r.id: r for r in partners}
        return dataclasses.replace(
            self,
            vocabulary=parts.with_recipients(self.vocabulary, extra),
            recipients=MappingProxyType({**self.recipients, **extra}),
        )

    def with_choices(self, values: Mapping[str, Any]) -> Bundle:
        """The bundle with choices made by a deployment; what names them follows.

        Raises BundleError on a name that the bundle does not ask for, on a choice that the
        bundle has made itself, and on a period that is none.
        """
        choices = dict(self.choices)
        for name, value in values.items():
            known = choices.get(name)
            if known is None:
                raise BundleError(
                    f"the policy leaves no choice named {name!r}",
                    fix=yamlfile.close(name, choices),
                )
            where = f"policy.yml:{known.line}"
            if known.value is not None and _frozen(value) != known.value:
                raise BundleError(
                    f"the choice {name} is made by the bundle itself",
                    where=where,
                    fix="change it there, with a new version, or leave it out of the deployment",
                )
            choices[name] = dataclasses.replace(known, value=_frozen(value))
        for name in self.answers.values():
            _period(name, choices)
        return dataclasses.replace(
            self,
            choices=MappingProxyType(choices),
            retention=MappingProxyType(_resolved(self.retention, choices)),
        )


def load(directory: Path | str) -> Bundle:
    """The bundle in a directory.

    Raises BundleError (`where` is file:line) for the first thing that cannot be read; the
    message counts the others. Files that have not changed are not read again.
    """
    state = state_of(Path(directory))
    known = _read_before(state)
    if known:
        return known[0]
    bundle, problems = read(directory)
    if bundle is None:
        first, more = problems[0], len(problems) - 1
        what = f"{first.what} (and {more} more)" if more else first.what
        where = str(Path(directory, first.where)) if first.where else None
        raise BundleError(what, where=where, fix=first.fix)
    if state_of(Path(directory)) == state:  # else somebody wrote meanwhile
        known.append(bundle)
    return bundle


@functools.lru_cache(maxsize=8)
def _read_before(state: bytes) -> list[Bundle]:
    """Room for the bundle that was read from files of this digest: reading takes 0.1 s."""
    return []


def state_of(root: Path) -> bytes:
    """A digest of all that a bundle is read from: its files, and the names beside them."""
    found = hashlib.sha256()
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        inside = path.read_bytes() if path.is_file() and path.name in _BESIDE else b""
        for part in (path.name.encode("utf-8", "surrogateescape"), inside):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.digest()


def read(directory: Path | str) -> tuple[Bundle | None, list[Problem]]:
    """The bundle in a directory, or None and all that is amiss with the form of its files.

    The `where` of a problem is relative to the directory. Raises BundleError where there is
    no such directory, or no policy.yml in it.
    """
    root = Path(directory)
    if not (root / "policy.yml").is_file():
        raise BundleError(
            f"{root} is no policy bundle",
            expected="a directory with policy.yml, text.md and clauses.yml",
            fix="name the directory of the bundle",
        )
    files = {name: yamlfile.read(root / f"{name}.yml") for name in FILES}
    sections, problems = textfile.read(root / textfile.NAME)
    for file in files.values():
        problems += file.problems
    for path in sorted(root.iterdir()):
        if path.name not in _BESIDE and not path.name.startswith("."):
            what = "this is no part of a bundle of format 1"
            problems.append(Problem(f"{path.name}:1", what, yamlfile.close(path.name, _BESIDE)))
    if problems:
        return None, sorted(problems, key=lambda p: p.place)
    vocabulary, named, problems = parts.vocabulary(files["vocabulary"])
    activities, twice = parts.activities(files["activities"])
    recipients, again = parts.recipients(files["recipients"])
    trackers, doubled = tracking.trackers(files["trackers"])
    problems += twice + again + doubled
    choices = parts.choices(files["policy"])
    retention, neither = parts.retention(files["retention"])
    problems += neither
    if problems or vocabulary is None:
        return None, sorted(problems, key=lambda p: p.place)
    vocabulary = parts.with_recipients(vocabulary, recipients)
    policy = files["policy"]
    top = policy.value
    bundle = Bundle(
        id=top["id"],
        title=top["title"],
        version=top["version"],
        organisation=parts.organisation(policy),
        sites=tuple(top["sites"]),
        languages=tuple(top["languages"]),
        regions=tuple(top["regions"]),
        splitter_exceptions=tuple(top.get("splitter_exceptions", ())),
        choices=MappingProxyType(choices),
        sections=sections,
        clauses=MappingProxyType(parts.clauses(files["clauses"])),
        vocabulary=vocabulary,
        named_purposes=MappingProxyType(named),
        glossary=MappingProxyType(parts.glossary(files["vocabulary"])),
        references=MappingProxyType(parts.references(files["vocabulary"])),
        names=tuple(files["vocabulary"].value.get("names", ())),
        activities=MappingProxyType(activities),
        retention=MappingProxyType(retention),
        recipients=MappingProxyType(recipients),
        links=MappingProxyType(parts.links(files["links"])),
        forms=MappingProxyType(parts.forms(files["forms"], top["sites"][0])),
        lines=MappingProxyType({key: policy.line(key) for key in top}),
        answers=MappingProxyType(dict(top.get("answers", {}))),
        visits=visiting.visits(policy),
        trackers=MappingProxyType(trackers),
        minimum_age=top.get("minimum_age"),
        imports=MappingProxyType(parts.imports(files["imports"])),
        messages=MappingProxyType(
            {k: MappingProxyType(dict(v)) for k, v in files["messages"].value.items()}
        ),
        message_lines=MappingProxyType(
            {tuple(map(str, at)): line for at, line in files["messages"].lines.items()}
        ),
    )
    try:
        return bundle.with_choices({}), []
    except BundleError as error:
        return None, [Problem(error.where or "policy.yml:1", error.what, error.fix or "mend it")]


def _frozen(value: Any) -> ChoiceValue:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _resolved(
    retention: Mapping[str, RetentionClass], choices: Mapping[str, Choice]
) -> dict[str, RetentionClass]:
    """The classes with every period that a choice gives."""
    found = {}
    for name, row in retention.items():
        law = row.law
        if law is not None and law.keep_choice is not None:
            law = dataclasses.replace(law, keep=_period(law.keep_choice, choices))
        keep = row.keep if row.keep_choice is None else _period(row.keep_choice, choices)
        found[name] = dataclasses.replace(row, keep=keep, law=law)
    return found


def _period(name: str, choices: Mapping[str, Choice]) -> str | None:
    choice = choices.get(name)
    if choice is None or choice.value is None:
        return None
    if isinstance(choice.value, str) and re.fullmatch(PERIOD, choice.value):
        return choice.value
    raise BundleError(
        f"the choice {name} is no period",
        where=f"policy.yml:{choice.line}",
        fix="write a period of the calendar such as P24M, P10Y or P30D",
    )


def _own_terms(vocabulary: Vocabulary, kind: Kind) -> Json:
    """Terms of one tree that the bundle adds or moves: id → the term above it."""
    shipped = SHIPPED.tree(kind)
    return {
        name: term.parent
        for name, term in vocabulary.tree(kind).items()
        if name not in shipped or shipped[name].parent != term.parent
    }


def _json(value: Any) -> Json:
    """A value of the bundle as plain JSON, without what is no rule."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _json(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.name not in _NOT_RULES
        }
    if isinstance(value, Mapping):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_json(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date) else value
