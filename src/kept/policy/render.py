"""The text as it is shown: placeholders resolved, cross-references anchored, terms explained.

Pages, mails and letters render these values; there is no markup here. What a placeholder
names is there, or rendering raises: a dangling reference cannot be shown.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from kept.errors import BundleError
from kept.policy.bundle import Bundle
from kept.policy.shapes import Definition, Section, Unit, UnitKind
from kept.policy.textfile import Mark, marks
from kept.policy.yamlfile import close
from kept.terms import tongues

SegmentKind = Literal["words", "term", "link", "reference", "email", "date"]
BlockKind = Literal["heading", "text", "list"]

PLACES: Final = (
    "link", "org.country", "org.email", "org.name", "org.post", "ref", "site", "version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a unit. `target` is an address or `#anchor`; `note` explains it: a term, say,
    whose meaning stands at its anchor.

    A link without a target is one whose address the original does not give: show its words
    and say so, as `note` does.
    """

    kind: SegmentKind
    words: str
    target: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A unit as shown. `anchors` are the clause ids that stand here for the first time."""

    kind: UnitKind
    segments: tuple[Segment, ...]
    clauses: tuple[str, ...]
    anchors: tuple[str, ...]
    level: int

    @property
    def words(self) -> str:
        """The unit as plain text."""
        return "".join(segment.words for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Block:
    """Units that stand together: one heading, the sentences of a paragraph, or a list."""

    kind: BlockKind
    units: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section as shown; its first block is its heading. `anchor` is the code, as `#anchor`."""

    id: str
    title: str
    anchor: str
    blocks: tuple[Block, ...]

    @property
    def units(self) -> tuple[Shown, ...]:
        """The units of all blocks, in order."""
        return tuple(unit for block in self.blocks for unit in block.units)


def render(bundle: Bundle) -> tuple[ShownSection, ...]:
    """The whole text. Raises BundleError (file:line) where a placeholder names nothing."""
    seen: set[str] = set()
    return tuple(_section(bundle, section, seen) for section in bundle.sections)


def plain(bundle: Bundle) -> str:
    """The whole text as plain text: paragraphs between blank lines, bullets with a dash."""
    paragraphs = []
    for section in render(bundle):
        for block in section.blocks:
            if block.kind == "list":
                paragraphs.append("\n".join(f"- {unit.words}" for unit in block.units))
            else:
                paragraphs.append(" ".join(unit.words for unit in block.units))
    return "\n\n".join(paragraphs) + "\n"


def resolve(bundle: Bundle, mark: Mark) -> Segment:
    """What a marked spot shows. Raises BundleError, with the fix, where it names nothing."""
    argument, organisation = mark.argument, bundle.organisation
    if argument and mark.kind not in {"term", "link", "ref"}:
        raise BundleError(f"{mark.words} takes nothing after a colon", fix=f"write {{{mark.kind}}}")
    if mark.kind == "words":
        return Segment("words", mark.words)
    if mark.kind == "term":
        definition = define(bundle, argument)
        if definition is None:
            raise BundleError(
                f"the term {argument!r} is not defined",
                fix=f"add it to `glossary` of vocabulary.yml, or {close(argument, _terms(bundle))}",
            )
        return Segment("term", mark.words, f"#{word_anchor(definition.term)}", definition.means)
    if mark.kind == "link":
        link = bundle.links.get(argument)
        if link is None:
            raise BundleError(
                f"the link {argument!r} is not in links.yml",
                fix=f"add it there, or {close(argument, bundle.links)}",
            )
        return Segment("link", link.words, link.url, link.note)
    if mark.kind == "ref":
        section = _find(bundle, argument)
        if section is None:
            codes = {s.id for s in bundle.sections}
            raise BundleError(
                f"the reference to {argument!r} dangles: there is no such section",
                fix=close(argument, codes | set(bundle.references)),
            )
        title = "".join(resolve(bundle, inner).words for inner in marks(section.title))
        return Segment("reference", title, f"#{section.id}")
    if mark.kind == "org.email":
        return Segment("email", organisation.email, f"mailto:{organisation.email}")
    if mark.kind == "version":
        return Segment("date", day(bundle.version, bundle.languages[0]), None,
                       bundle.version.isoformat())  # fmt: skip
    if mark.kind == "site":
        return Segment("link", bundle.sites[0], bundle.sites[0])
    plain_places = {
        "org.name": organisation.name,
        "org.country": organisation.country,
        "org.post": ", ".join(organisation.post),
    }
    if mark.kind not in plain_places:
        raise BundleError(f"{mark.words} is no placeholder", fix=close(mark.kind, PLACES))
    return Segment("words", plain_places[mark.kind])


def define(bundle: Bundle, term: str) -> Definition | None:
    """The definition of a term, by its name or one of its aliases, spelt exactly so."""
    found = bundle.glossary.get(term)
    if found is not None:
        return found
    return next((d for d in bundle.glossary.values() if term in d.aliases), None)


def glossary(bundle: Bundle) -> list[Definition]:
    """The terms that have a meaning here, by the alphabet."""
    return sorted(bundle.glossary.values(), key=lambda d: d.term.casefold())


def word_anchor(term: str) -> str:
    """Where on the page the meaning of a term stands."""
    return "-".join(["word", *re.findall(r"\w+", term.casefold())])


def day(date: dt.date, language: str) -> str:
    """A date in words (27 June 2023); in a language whose months are unknown, as ISO 8601."""
    return tongues.day(date, language)


def _terms(bundle: Bundle) -> set[str]:
    return {name for d in bundle.glossary.values() for name in (d.term, *d.aliases)}


def _find(bundle: Bundle, name: str) -> Section | None:
    """A section by its code, or by the words with which the text names it."""
    code = bundle.references[name].section if name in bundle.references else name
    return next((section for section in bundle.sections if section.id == code), None)


def _section(bundle: Bundle, section: Section, seen: set[str]) -> ShownSection:
    blocks = []
    for (_, kind), units in itertools.groupby(section.units, lambda u: (u.paragraph, _block(u))):
        shown = tuple(_shown(bundle, unit, seen) for unit in units)
        blocks.append(Block(kind, shown))
    title = blocks[0].units[0].words
    return ShownSection(section.id, title, section.id, tuple(blocks))


def _block(unit: Unit) -> BlockKind:
    if unit.kind == "bullet":
        return "list"
    return "text" if unit.kind == "sentence" else "heading"


def _shown(bundle: Bundle, unit: Unit, seen: set[str]) -> Shown:
    anchors = tuple(clause for clause in unit.clauses if clause not in seen)
    seen.update(anchors)
    segments = tuple(_segments(bundle, unit))
    return Shown(unit.kind, segments, unit.clauses, anchors, unit.level)


def _segments(bundle: Bundle, unit: Unit) -> Iterator[Segment]:
    for mark in marks(unit.text):
        try:
            yield resolve(bundle, mark)
        except BundleError as error:
            error.where = f"text.md:{unit.line}"
            raise
