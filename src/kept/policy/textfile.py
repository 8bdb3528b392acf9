"""text.md: the text that is shown, one unit a line, each ending with the clauses it carries.

    # Privacy policy {section=PREAM} {#ABC-1}
    ## How long we keep it {section=RET} {#ABC-1}
    When we no longer need your data we delete it. {#ABC-1}{#ABC-2}
    - a bullet {#ABC-3}

Lines that follow each other make a paragraph. `{org.email}`, `{link:ID}`, `{ref:CODE}` and
`[[Term]]` are resolved by `render`; here they only have to be well formed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from kept.policy.problem import Problem
from kept.policy.shapes import Section, Unit, UnitKind

NAME: Final = "text.md"

_IDS: Final = re.compile(r"(?:\s*\{#[^{}\s]*\})+\s*\Z")
_ID: Final = re.compile(r"\{#([^{}\s]*)\}")
_CLAUSE: Final = re.compile(r"[A-Z][A-Z0-9]*-[1-9][0-9]*\Z")
_HEADING: Final = re.compile(r"(#{1,3})\s+(.*)\Z")
_SECTION: Final = re.compile(r"\s*\{section=([^{}]*)\}\s*")
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]*\Z")
# [[Term]], [[words|Term]], {place} and {place:argument}; what is left of brackets is stray.
_MARK: Final = re.compile(
    r"\[\[(?P<words>[^\[\]{}|]+)(?:\|(?P<term>[^\[\]{}|]+))?\]\]"
    r"|\{(?P<place>[a-z][a-z.]*)(?::(?P<argument>[^{}\[\]]+))?\}"
)


class Mark(NamedTuple):
    """A marked spot of a unit's text: plain words, a defined term, or a placeholder.

    `kind` is `words`, `term` or the placeholder's name; `argument` the glossary term, or what
    follows the colon of a placeholder.
    """

    kind: str
    words: str
    argument: str


def marks(text: str) -> Iterator[Mark]:
    """The text of a unit, cut into plain words, terms and placeholders."""
    at = 0
    for match in _MARK.finditer(text):
        if match.start() > at:
            yield Mark("words", text[at : match.start()], "")
        if match["place"]:
            yield Mark(match["place"], match[0], (match["argument"] or "").strip())
        else:
            yield Mark("term", match["words"], (match["term"] or match["words"]).strip())
        at = match.end()
    if at < len(text):
        yield Mark("words", text[at:], "")


def read(path: Path) -> tuple[tuple[Section, ...], list[Problem]]:
    """The sections of a text, and what is amiss with its form. An absent file has none."""
    try:
        raw = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return (), [Problem(f"{NAME}:1", "there is no text", f"write {NAME}, one unit a line")]
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return (), [Problem(f"{NAME}:{line}", "this is not UTF-8", "save the file as UTF-8")]
    return _Reader().read(raw.replace("\r\n", "\n"))


class _Reader:
    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._sections: list[Section] = []
        self._units: list[Unit] = []
        self._paragraph = 0
        self._titled = False

    def read(self, raw: str) -> tuple[tuple[Section, ...], list[Problem]]:
        new_paragraph = True
        for number, line in enumerate(raw.split("\n"), start=1):
            if not line.strip():
                new_paragraph = True
                continue
            heading = line.startswith("#")
            if new_paragraph or heading:
                self._paragraph += 1
            self._line(number, line.strip())
            new_paragraph = heading
        if not self._titled:
            self._wrong(1, "the text has no title", "begin it with `# Title {section=CODE}`")
        self._close()
        return tuple(self._sections), self._problems

    def _wrong(self, line: int, what: str, fix: str) -> None:
        self._problems.append(Problem(f"{NAME}:{line}", what, fix))

    def _line(self, number: int, line: str) -> None:
        ending = _IDS.search(line)
        clauses = self._clauses(number, _ID.findall(ending[0])) if ending else ()
        text = line[: ending.start()] if ending else line
        code = ""
        heading = _HEADING.match(text)
        kind: UnitKind = "sentence"
        level = 0
        if heading:
            level, text = len(heading[1]), heading[2]
            kind = "title" if level == 1 else "heading"
            marked = _SECTION.search(text)
            if marked:
                code, text = marked[1], _SECTION.sub(" ", text, count=1)
                kind = "title" if level == 1 else "section"
        elif text.startswith("#"):
            self._wrong(number, "this is no heading", "write one to three # and a blank before it")
        elif text.startswith("- "):
            kind, text = "bullet", text[2:]
        text = " ".join(text.split())
        self._form(number, text)
        if kind == "title":
            if self._titled:
                self._wrong(number, "a second title", "write ## for the heading of a section")
            self._titled = True
        if code:
            self._open(number, code, text)
        elif not self._sections:
            self._wrong(number, "this stands before the first section",
                        "name the section in the title: `# Title {section=CODE}`")  # fmt: skip
        self._units.append(Unit(kind, text, clauses, number, self._paragraph, level))

    def _clauses(self, number: int, ids: list[str]) -> tuple[str, ...]:
        found: list[str] = []
        for name in ids:
            if not _CLAUSE.match(name):
                self._wrong(number, f"{{#{name}}} is no clause id", "write an id such as {#ABC-1}")
            elif name in found:
                self._wrong(number, f"{name} stands here twice", "keep one of them")
            else:
                found.append(name)
        return tuple(found)

    def _form(self, number: int, text: str) -> None:
        if not text:
            self._wrong(number, "a line with nothing to read", "write the sentence, or remove it")
        stray = re.search(r"\{#[^{}]*\}?|\{section=[^{}]*\}?|\[\[|\]\]|[{}]", _MARK.sub("", text))
        if stray:
            self._wrong(
                number,
                f"{stray[0]!r} stands where it has no meaning",
                "write ids at the end of the line, {section=CODE} in a heading, "
                "{placeholder} and [[Term]] closed as they were opened",
            )

    def _open(self, number: int, code: str, title: str) -> None:
        self._close()
        if not _CODE.match(code):
            self._wrong(number, f"{code!r} is no code of a section",
                        "write capitals and digits: {section=RET}")  # fmt: skip
        earlier = next((s.line for s in self._sections if s.id == code), None)
        if earlier is not None:
            self._wrong(number, f"the section {code} stands here a second time "
                        f"(first in line {earlier})", "give it another code")  # fmt: skip
        self._sections.append(Section(code, title, (), number))

    def _close(self) -> None:
        """Hand the units gathered so far to the section that is open."""
        if self._sections:
            last = self._sections[-1]
            self._sections[-1] = Section(last.id, last.title, tuple(self._units), last.line)
            self._units = []
