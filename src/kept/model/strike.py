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
from html.entities import codepoint2name
from typing import Final, Literal

from kept.model.cover import ROLES, Cover, Role, Span

#: Who brought a strike up: a rule of the map or a look at who is known, or a person.
How = Literal["found", "added"]
#: The longest strike, in characters: what is longer is no mention of somebody.
LONGEST: Final = 200
#: Words that may begin a name: a capital letter, and letters after it.
_WORD: Final = re.compile(r"[^\W\d_][^\W\d_'’\-]*(?:['’\-][^\W\d_]+)*")
_GAP: Final = re.compile(r"\.?,?\s{1,3}\Z")
#: Signs that nobody sees: they stand between letters, and hide a word from a search.
_UNSEEN: Final = (
    r"[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
    r"|&shy;|&zwn?j;|&#0*(?:173|820[3-7]|65279);|&#x0*(?:ad|200[b-f]|feff);"
)
_NOTHING: Final = f"(?:{_UNSEEN})*"
#: What stands between two words: white space, also as texts out of web pages have it.
_GAPS: Final = (
    rf"(?:\s|{_UNSEEN}|&(?:nbsp|e[mn]sp|thinsp);|&#0*(?:32|160);|&#xa0;|<[^<>]{{0,200}}>)+"
)
#: Signs that are written for one another.
_ALIKE: Final = ("'’‘ʼ`´′", "-‐‑‒–—−", '"“”„«»')
#: A name as networks of people write it.
_HANDLE: Final = re.compile(r"(?<![\w@./])@[A-Za-z_]\w{1,29}(?:\.\w{1,29}){0,3}")
#: An account at a bank as it is printed.
_BANK: Final = re.compile(
    r"(?<![^\W_])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![^\W_])", re.ASCII
)
#: An address whose sign, and perhaps whose points, are words in brackets.
_DOT: Final = re.compile(r"[(\[{<](?:dot|punkt|\.)[)\]}>]")
_AROUND: Final = re.compile(
    r"(?<!\w)(?P<local>\w[\w.+-]{0,63})\s{0,2}[(\[{<]\s{0,2}(?:at|ät|@)\s{0,2}[)\]}>]\s{0,2}"
    r"(?P<domain>\w[\w-]{0,62}"
    r"(?:(?:\.|\s{0,2}[(\[{<]\s{0,2}(?:dot|punkt|\.)\s{0,2}[)\]}>]\s{0,2})\w[\w-]{0,62}){0,4})",
    re.IGNORECASE,
)
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
    """What the texts say of others, each once, in the order met: what is covered anyway, and what
    may name somebody, of which a person decides.
    """
    found: dict[str, Strike] = {}
    for text in texts:
        known = cover.spans(text)
        there = [(start, end) for start, end, _, _ in known]
        may: list[Span] = [
            (*span, "person", f"[{ROLES['person']}]")
            for span in _may_name(cover, text)
            if not any(first < span[1] and span[0] < last for first, last in there)
        ]
        for start, end, role, instead in sorted((*known, *may)):
            words = " ".join(text[start:end].split())
            found.setdefault(_plain(words), Strike(words, role, instead))
    return list(found.values())


def _may_name(cover: Cover, text: str) -> Iterator[tuple[int, int]]:
    """Where a handle, an account at a bank, or an address that is written around its sign stands
    that is not hers. An account at a bank is one by its check digits (ISO 13616).
    """
    values = {value for _, value in cover.hers}
    hers = {_bare(part) for value in values for part in (value, value.partition("@")[0])}
    for m in _HANDLE.finditer(text):
        if _bare(m[0]) not in hers:
            yield m.span()
    for m in _BANK.finditer(text):
        number = _bare(m[0]).upper()
        digits = "".join(str(int(sign, 36)) for sign in number[4:] + number[:4])
        if int(digits) % 97 == 1 and _bare(m[0]) not in hers:
            yield m.span()
    own = {value for kind, value in cover.hers | cover.public if kind == "email"}
    for m in _AROUND.finditer(text):
        local, domain = (re.sub(r"\s", "", part).casefold() for part in m.group("local", "domain"))
        address = f"{local}@{_DOT.sub('.', domain)}"
        if not any(one == address or one.startswith(f"{address}.") for one in own):
            yield m.span()


def _bare(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


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
    words = unicodedata.normalize("NFC", words)
    inside = _GAPS.join(_NOTHING.join(_forms(word)) for word in words.split())
    head = r"(?<!\w)" if words[:1].isalnum() or words[:1] == "_" else ""
    tail = r"(?!\w)" if words[-1:].isalnum() or words[-1:] == "_" else ""
    return f"(?:{head}{inside}{tail})"


def _forms(word: str) -> Iterator[str]:
    """Letter by letter, in every way in which a reader sees the same."""
    for letter in re.findall(r"ss|.", word, re.IGNORECASE | re.DOTALL):
        if letter.casefold() == "ss":
            yield f"(?:s{_NOTHING}s|ß|ẞ|&szlig;)"
        else:
            yield _form(letter)


@lru_cache(maxsize=4096)
def _form(letter: str) -> str:
    alike = next((signs for signs in _ALIKE if letter in signs), "")
    forms = dict.fromkeys((letter, unicodedata.normalize("NFD", letter), *alike))
    made = [re.escape(form) for form in forms]
    for one in dict.fromkeys((letter, letter.lower(), letter.upper(), *alike)):
        if len(one) != 1:
            continue
        if "!" <= one <= "~":  # as wide as a sign of Chinese, as some keyboards write it
            made.append(chr(ord(one) + 0xFEE0))
        if not (one.isascii() and one.isalnum()):
            name = codepoint2name.get(ord(one))
            made += [f"&(?-i:{name});"] if name else []
            made.append(f"&#0*{ord(one)};")
            made.append(f"&#x0*{ord(one):x};")
    return f"(?:{'|'.join(made)})"


@lru_cache(maxsize=2048)
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(_source(words), re.IGNORECASE)
