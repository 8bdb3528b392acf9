"""Strikes: what people decided to leave out of texts, because it concerns others. Pure.

A strike is a run of words, an address or a number. It is found whole, in every spelling of its
letters and whatever white space stands between its words, and everywhere it stands.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from kept.model.cover import ROLES, Cover, Role

#: Who brought a strike up: a rule of the map or a look at who is known, or a person.
How = Literal["found", "added"]
#: The longest strike, in characters: what is longer is no mention of somebody.
LONGEST: Final = 200
#: Words that may begin a name: a capital letter, and letters after it.
_WORD: Final = re.compile(r"[^\W\d_][^\W\d_'’\-]*(?:['’\-][^\W\d_]+)*")
_GAP: Final = re.compile(r"\.?,?\s{1,3}\Z")
#: Words of a name that is looked up, at most.
_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class Strike:
    """What is left out: its words, who is meant, what stands there instead; `on` False: it was
    brought up, and somebody decided that it stays.
    """

    words: str
    role: Role
    instead: str
    how: How = "found"
    on: bool = True


@dataclass(frozen=True, slots=True)
class Strikes:
    """What was decided for the texts of one answer. `texts` are the hashes of those that were
    looked at: nothing is decided for any other.
    """

    strikes: tuple[Strike, ...]
    texts: frozenset[str]

    @property
    def on(self) -> tuple[Strike, ...]:
        """Those that are carried out."""
        return tuple(s for s in self.strikes if s.on)

    def apply(self, text: str) -> tuple[str, Counter[Role]]:
        """The text without what is struck, and how many places that were, by role."""
        met: Counter[Role] = Counter()
        parts, at = [], 0
        for start, end, strike in places(text, self.on):
            parts += [text[at:start], strike.instead]
            at = end
            met[strike.role] += 1
        return "".join([*parts, text[at:]]), met


def digest(text: str) -> str:
    """By which a text is known again: any change of it makes another."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def suggested(cover: Cover, texts: Iterable[str]) -> list[Strike]:
    """What the texts say of others, each once, in the order met."""
    found: dict[str, Strike] = {}
    for text in texts:
        for start, end, role, instead in cover.spans(text):
            words = " ".join(text[start:end].split())
            found.setdefault(_plain(words), Strike(words, role, instead))
    return list(found.values())


def added(words: str) -> Strike:
    """A strike in the words of a person."""
    return Strike(" ".join(words.split()), "person", f"[{ROLES['person']}]", "added")


def names(text: str) -> Iterator[tuple[str, ...]]:
    """Runs of two or three words that may be a name: each begins with a capital letter."""
    run: list[tuple[str, int]] = []
    for m in _WORD.finditer(text):
        if run and not _GAP.match(text[run[-1][1] : m.start()]):
            run = []
        if not m[0][0].isupper():
            run = []
            continue
        run.append((m[0], m.end()))
        for length in range(2, _MOST + 1):
            if len(run) >= length:
                yield tuple(word for word, _ in run[-length:])


def places(text: str, strikes: Sequence[Strike]) -> list[tuple[int, int, Strike]]:
    """Where these stand, in order; where two overlap the longer one counts."""
    met = [
        (*m.span(), strike)
        for strike in strikes
        for m in _pattern(strike.words).finditer(text)
    ]  # fmt: skip
    taken: list[tuple[int, int, Strike]] = []
    there = bytearray(len(text))
    for start, end, strike in sorted(met, key=lambda one: (one[0] - one[1], one[0])):
        # What reaches over something longer is struck as far as it stands beside it.
        for first, last in _free(there, start, end):
            there[first:last] = b"x" * (last - first)
            taken.append((first, last, strike))
    return sorted(taken, key=lambda one: one[0])


def holds(text: str, words: str) -> int:
    """How often a text holds these words, whole."""
    return sum(1 for _ in _pattern(words).finditer(text))


def any_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """One pattern of all of these; None of none. Quicker than one after the other."""
    ordered = sorted({w for w in words if w}, key=len, reverse=True)
    return re.compile("|".join(map(_source, ordered)), re.IGNORECASE) if ordered else None


def _free(there: bytearray, start: int, end: int) -> Iterator[tuple[int, int]]:
    first = None
    for i in range(start, end + 1):
        taken = i == end or there[i]
        if not taken and first is None:
            first = i
        elif taken and first is not None:
            yield first, i
            first = None


def _plain(words: str) -> str:
    return unicodedata.normalize("NFC", words).casefold()


def _source(words: str) -> str:
    forms = dict.fromkeys(unicodedata.normalize(form, words) for form in ("NFC", "NFD"))
    made = []
    for form in forms:
        inside = r"\s+".join(map(re.escape, form.split()))
        head = r"(?<!\w)" if form[:1].isalnum() or form[:1] == "_" else ""
        tail = r"(?!\w)" if form[-1:].isalnum() or form[-1:] == "_" else ""
        made.append(f"{head}{inside}{tail}")
    return f"(?:{'|'.join(made)})"


@lru_cache(maxsize=2048)
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(_source(words), re.IGNORECASE)
