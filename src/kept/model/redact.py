"""Redaction: a person's identifiers are found in a text and replaced by a neutral mark. Pure.

What is looked for: e-mail addresses in every case and form of their domain; telephone numbers
however they are punctuated, with their country or as dialled at home; other identifiers as they
are. They are found whole only: `ana@x.de` does not stand in `diana@x.de`. A name of at least two
words is looked for only in a text that holds one of these as well: alone it may be a namesake's.

Laws: nothing outside what was found changes; done twice it is done once; a text never grows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers

from kept.errors import IdentifierError
from kept.model.predicate import NOTHING, Contains, Or, Predicate
from kept.model.values import Value
from kept.terms.identifiers import Identifier, spellings
from kept.terms.printed import BARE

#: Stands where somebody was named. No longer than the shortest thing it can stand for.
MARK: Final = "[-]"
#: What people write between the digits of a telephone number.
_BETWEEN: Final = rf"[\s{re.escape(BARE)}]{{0,3}}"
#: Identifiers of other kinds are looked for from this length on: shorter ones stand in every text.
_SHORTEST: Final = 8
#: A number as dialled at home, without its zero, is looked for from so many digits on.
_HOME: Final = 7
_WORD: Final = r"[\w.+\-%]"
#: Before an address: no part of a longer one, but up to three signs of a list or of emphasis.
_HEAD: Final = "(?:{})".format(
    "|".join(
        [rf"(?<!{_WORD})"] + [rf"(?<=[-_.]{{{n}}})(?<!{_WORD}[-_.]{{{n}}})" for n in (1, 2, 3)]
    )
)
#: After it: a full stop may end the sentence; more letters are another domain.
_TAIL: Final = r"(?![\-_]*[^\W_]|@|\.\w)"
#: How @ is written where a program has written it.
_AT: Final = ("@", "%40", "&#64;")
_OTHERS: Final = re.compile(
    rf"[\w.+\-%]+@[\w\-]+(?:\.[\w\-]+)+|\+?\d[\d\s{re.escape(BARE)}]{{5,}}\d"
)


@dataclass(frozen=True, slots=True)
class Redact:
    """An assignment: the text without the passages that name one of these; `needles` are (kind,
    value) of identifiers.
    """

    needles: tuple[tuple[str, str], ...]


def redact(how: Redact, value: Value) -> Value:
    """The value with a mark where one of the needles stood; what is no text stays."""
    if not isinstance(value, str):
        return value
    parts, last = [], 0
    for start, end in found(how.needles, value):
        parts += [value[last:start], MARK]
        last = end
    return "".join([*parts, value[last:]])


def found(needles: Sequence[tuple[str, str]], text: str) -> list[tuple[int, int]]:
    """Where the needles stand: (start, end), in order, overlapping ones as one."""
    strong, names = _patterns(tuple(needles))
    spans: list[tuple[int, int]] = []
    left = text
    while strong is not None:
        met = [_whole(left, *match.span()) for match in strong.finditer(left)]
        if names is not None and (met or spans):
            met += [match.span() for match in names.finditer(left)]
        if not met:
            break
        spans += met
        # What stood right beside something of hers now stands alone: look once more.
        for start, end in met:
            left = left[:start] + "]" * (end - start) + left[end:]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _whole(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the bracket before it that its own bracket closes: (030) 123456."""
    open_ = text.count("(", start, end) < text.count(")", start, end)
    return (start - 1 if open_ and start and text[start - 1] == "(" else start), end


def passages(
    needles: Sequence[tuple[str, str]], text: str, around: int = 60
) -> list[tuple[str, int]]:
    """What stands about her: each place with a few words before and after, in which the addresses
    and numbers of others are masked; and how many these are.
    """
    shown: list[tuple[int, int]] = []
    hers = found(needles, text)
    for start, end in hers:
        first, last = max(0, start - around), min(len(text), end + around)
        if shown and first <= shown[-1][1]:
            shown[-1] = (shown[-1][0], last)
        else:
            shown.append((first, last))
    others = [
        m.span()
        for m in _OTHERS.finditer(text)
        if not any(start < m.end() and m.start() < end for start, end in hers)
    ]
    return [_masked(text, first, last, others) for first, last in shown]


def _masked(text: str, first: int, last: int, others: Iterable[tuple[int, int]]) -> tuple[str, int]:
    parts, at, masked = ["…" if first else ""], first, 0
    for start, end in others:
        if start < last and end > first:
            parts += [text[at : max(at, start)], MARK]
            at = min(end, last)
            masked += 1
    return "".join([*parts, text[at:last], "…" if last < len(text) else ""]), masked


def may_hold(field_: str, needles: Sequence[tuple[str, str]]) -> Predicate:
    """Which rows to read: every text that holds a needle is among them, and some that do not."""
    plain: dict[str, None] = {}
    digits: dict[str, None] = {}
    for one in _identifiers(needles):
        if one.kind == "phone":
            number = phonenumbers.parse(one.normalised)
            digits[phonenumbers.national_significant_number(number)] = None
        elif one.kind == "email":
            # The domain may be spelt in two ways, the local part in any case.
            plain.update(dict.fromkeys(t.replace("@", at) for t in spellings(one) for at in _AT))
        elif one.kind != "name" and len(one.normalised) >= _SHORTEST:
            plain.update(dict.fromkeys(spellings(one)))
    parts: list[Predicate] = []
    if plain:
        parts.append(Contains(field_, tuple(plain)))
    if digits:
        parts.append(Contains(field_, tuple(digits), bare=True))
    return Or(tuple(parts)) if parts else NOTHING


def _identifiers(needles: Iterable[tuple[str, str]]) -> Iterable[Identifier]:
    for kind, value in needles:
        one = Identifier(kind, value)
        try:
            _ = one.normalised
        except IdentifierError:
            continue
        yield one


@lru_cache(maxsize=256)
def _patterns(
    needles: tuple[tuple[str, str], ...],
) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    strong: dict[str, None] = {}
    names: dict[str, None] = {}
    for one in _identifiers(needles):
        if one.kind == "phone":
            strong.update(dict.fromkeys(_phone(one.normalised)))
        elif one.kind == "name":
            words = one.normalised.split()
            if len(words) > 1:
                names.update(dict.fromkeys(_forms(one.normalised)))
        elif one.kind == "email" or len(one.normalised) >= _SHORTEST:
            for text in spellings(one):
                at = f"(?:{'|'.join(_AT)})" if one.kind == "email" else "@"
                strong[_HEAD + at.join(map(re.escape, text.split("@"))) + _TAIL] = None
    return _one_of(strong), _one_of(names)


def _forms(name: str) -> Iterable[str]:
    for form in ("NFC", "NFD"):
        words = map(re.escape, unicodedata.normalize(form, name).split())
        spread = r"\s+".join(words)
        yield rf"(?<!\w){spread}(?!\w)"


def _phone(number: str) -> Iterable[str]:
    parsed = phonenumbers.parse(number)
    home = phonenumbers.national_significant_number(parsed)
    country = str(parsed.country_code)
    spread = _BETWEEN.join(home)
    abroad = _BETWEEN.join(country)
    yield rf"(?<![\d+])(?:\+|00){_BETWEEN}{abroad}{_BETWEEN}(?:\(?0\)?{_BETWEEN})?{spread}(?!\d)"
    yield rf"(?<![\d+]){abroad}{_BETWEEN}{spread}(?!\d)"
    if len(home) >= _HOME:
        yield rf"(?<![\d+])0{_BETWEEN}{spread}(?!\d)"


def _one_of(patterns: Iterable[str]) -> re.Pattern[str] | None:
    ordered = sorted(patterns, key=len, reverse=True)
    return re.compile("|".join(ordered), re.IGNORECASE) if ordered else None
