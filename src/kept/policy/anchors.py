"""Anchors: how a clause is tied to a sentence of an original text, by place and hash.

An original is plain text. Its units are headings, sentences and bullets, named
`L<line>.<n>`: the line of the file, and the number of the sentence in that line, both from
one. Whoever has the original can check, unit by unit, that nothing was left out.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from kept.policy.problem import Problem

if TYPE_CHECKING:
    from kept.policy.bundle import Bundle

REF: Final = re.compile(r"L([1-9][0-9]*)\.([1-9][0-9]*)\Z")

_BULLET: Final = re.compile(r"\s*[•‣◦⁃∙·▪●○*–—-]\s+")
# A sentence ends at . ! or ?, with the quotes and brackets that close on it, before a blank.
_END: Final = re.compile(r"[.!?][\"'”’»)\]]*(?=\s+\S)")
_OPENING: Final = "([{\"'“‘«"


def normal(sentence: str) -> str:
    """The form that is hashed: NFC, no leading bullet, single blanks, trimmed."""
    text = unicodedata.normalize("NFC", sentence)
    return " ".join(_BULLET.sub("", text, count=1).split() if _BULLET.match(text) else text.split())


def digest(sentence: str) -> str:
    """SHA-256 (hex) of the normal form in UTF-8."""
    return hashlib.sha256(normal(sentence).encode()).hexdigest()


def sentences(line: str, exceptions: Iterable[str] = ()) -> list[str]:
    """The sentences of one line, in normal form.

    `exceptions` are literal texts (`e.g.`, `Inc. of`): no sentence ends inside one of them
    or with its last letter, where it begins at the beginning of a word.
    """
    text = normal(line)
    closed = [span for exception in exceptions for span in _spans(text, normal(exception))]
    found, start = [], 0
    for match in _END.finditer(text):
        if any(a < match.end() <= b for a, b in closed):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    rest = text[start:].strip()
    return [*found, rest] if rest else found


def units(source_text: str, exceptions: Iterable[str] = ()) -> dict[str, str]:
    """All units of an original: reference → sentence in normal form, in the order of the text."""
    exceptions = tuple(exceptions)
    text = source_text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return {
        f"L{number}.{n}": sentence
        for number, line in enumerate(text.split("\n"), start=1)
        for n, sentence in enumerate(sentences(line, exceptions), start=1)
    }


def check(bundle: Bundle, source_text: str, name: str = "source") -> list[Problem]:
    """Every anchor against the original, and every unit of the original against the anchors.

    `name` is what the original is called in a problem's `where`.
    """
    found = units(source_text, bundle.splitter_exceptions)
    places: dict[str, list[str]] = {}
    for ref, sentence in found.items():
        places.setdefault(digest(sentence), []).append(ref)
    anchored: set[str] = set()
    problems = []
    for clause in bundle.clauses.values():
        if not clause.sources:
            problems.append(
                Problem(
                    f"clauses.yml:{clause.line}",
                    f"{clause.id} is anchored to no sentence of the original",
                    "name under `source` the sentence that says it, or that implies it",
                )
            )
        for anchor in clause.sources:
            where = f"clauses.yml:{anchor.line}"
            sentence_there = found.get(anchor.ref)
            moved = places.get(anchor.sha256, [])
            if sentence_there is not None and digest(sentence_there) == anchor.sha256:
                anchored.add(anchor.ref)
            elif moved:
                problems.append(
                    Problem(
                        where,
                        f"{clause.id} is anchored to {anchor.ref}, but its sentence stands at "
                        f"{', '.join(moved)} of the original",
                        f"change `ref` to {moved[0]}, after reading both",
                    )
                )
            elif sentence_there is None:
                problems.append(
                    Problem(
                        where,
                        f"{clause.id} is anchored to {anchor.ref}, which the original lacks",
                        f"name a unit of the original: it has {len(found)} (check "
                        "`splitter_exceptions` in policy.yml if the numbers are off)",
                    )
                )
            else:
                anchored.add(anchor.ref)
                problems.append(
                    Problem(
                        where,
                        f"{clause.id}: the sentence at {anchor.ref} is not the one that was hashed",
                        "read the sentence again; if the clause still says what it says, "
                        f"set sha256 to {digest(sentence_there)}",
                    )
                )
    for ref in found.keys() - anchored:
        line = ref[1:].partition(".")[0]
        problems.append(
            Problem(
                f"{name}:{line}",
                f"no clause is anchored to {ref}",
                f"add {{ref: {ref}, sha256: {digest(found[ref])}}} to the clause that carries it",
            )
        )
    for exception in bundle.splitter_exceptions:
        if not any(_spans(sentence, normal(exception)) for sentence in found.values()):
            problems.append(
                Problem(
                    f"policy.yml:{bundle.lines.get('splitter_exceptions', 1)}",
                    f"the splitter exception {exception!r} does not occur in the original",
                    "remove it from `splitter_exceptions`",
                )
            )
    return sorted(problems, key=lambda p: p.place)


def _spans(text: str, exception: str) -> list[tuple[int, int]]:
    """Where a literal exception occurs at the beginning of a word: (start, end) each."""
    spans, at = [], text.find(exception) if exception else -1
    while at >= 0:
        if at == 0 or text[at - 1].isspace() or text[at - 1] in _OPENING:
            spans.append((at, at + len(exception)))
        at = text.find(exception, at + 1)
    return spans
