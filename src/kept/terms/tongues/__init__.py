"""Kept's own words for people, in their language: a sentence is its own key in every catalogue.

The code speaks English. `say` gives a sentence in the language that is spoken, `speaking` sets
that language for what is made within it, and without it English is spoken: the desk and the
commands. Words of the policy are the policy's (`kept.policy.spoken`); what is lacking in a
language stays in another, and `spoken()` names in which, so that a page can mark it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from kept.terms.tongues import german

_ENGLISH_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language: its sentences by the English ones, forms by number, days and numbers.

    `forms` holds by the English plural what is said, in the order in which `form` counts; `date`
    is written with {day}, {month} and {year}. `small`: what begins a line begins a sentence small
    elsewhere; `cites` writes a source of the law as the language does.
    """

    code: str
    name: str
    said: Mapping[str, str]
    forms: Mapping[str, Sequence[str]]
    months: Sequence[str]
    date: str = "{day} {month} {year}"
    thousands: str = ","
    both: str = "{first} and {last}"
    form: Callable[[int], int] = lambda n: 0 if n == 1 else 1
    small: bool = True
    cites: Callable[[str], str] = str


ENGLISH: Final = Tongue("en", "English", {}, {}, _ENGLISH_MONTHS)
GERMAN: Final = Tongue(
    "de", "Deutsch", german.SAID, german.FORMS, german.MONTHS,
    date="{day}. {month} {year}", thousands=".", both="{first} und {last}",
    small=False, cites=german.cites,
)  # fmt: skip
#: Language, as two letters → Tongue. English is spoken by the code itself.
TONGUES: Final[dict[str, Tongue]] = {one.code: one for one in (ENGLISH, GERMAN)}


@dataclass(frozen=True, slots=True)
class Speech:
    """What is spoken. `chosen`: the language that somebody asked for; None: nobody did. `language`
    is that of the page, as the policy spells it; `tongue` says our words; `own` holds words of the
    policy in `asked`, those that it lacks are in `first`.
    """

    chosen: str | None
    asked: str
    language: str
    tongue: Tongue
    first: str
    own: Mapping[str, str]


_SILENT: Final = Speech(None, "en", "en", ENGLISH, "en", MappingProxyType({}))
_SPOKEN: Final[ContextVar[Speech]] = ContextVar("spoken", default=_SILENT)


def base(language: str) -> str:
    """A language without its region: de-AT is de."""
    return language.lower().partition("-")[0]


def known(language: str) -> bool:
    """Whether our words are there in a language."""
    return base(language) in TONGUES


def tongue_of(language: str) -> Tongue:
    """The tongue of a language; English where there is none."""
    return TONGUES.get(base(language), ENGLISH)


@contextmanager
def speaking(
    language: str | None, first: str = "en", own: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Speech]:
    """Speak a language within the block. `first` is that of the policy, which stands in for a
    language in which our words are lacking; `own`, words of the policy (`kept.policy.spoken`).
    """
    asked = language or first
    code = asked if known(asked) else first if known(first) else "en"
    token = _SPOKEN.set(Speech(language, asked, code, tongue_of(code), first, own))
    try:
        yield _SPOKEN.get()
    finally:
        _SPOKEN.reset(token)


def spoken() -> Speech:
    """What is spoken now."""
    return _SPOKEN.get()


def with_chosen(words: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody said, with the language that she chose, so that she is answered in it."""
    chosen = _SPOKEN.get().chosen
    return dict(words) | ({} if chosen is None else {"language": chosen})


def say(sentence: str, /, **values: object) -> str:
    """A sentence of ours in the language that is spoken; `{name}` takes a value."""
    return said(_SPOKEN.get().tongue, sentence, **values)


def said(tongue: Tongue, sentence: str, /, **values: object) -> str:
    """A sentence of ours in a language, or in English where it is lacking there."""
    found = tongue.said.get(sentence, sentence)
    return found.format(**values) if values else found


def count(n: int, one: str, more: str, /, **values: object) -> str:
    """The sentence for a number of things, `{n}`; by the forms that the language has."""
    tongue = _SPOKEN.get().tongue
    forms = tongue.forms.get(more)
    found = forms[tongue.form(n)] if forms else (one if n == 1 else more)
    return found.format(n=number(n), **values)


def retold(words: str, sentences: Sequence[str]) -> str:
    """Words that were written down in English, said again where they are one of these sentences."""
    for sentence in sentences if _SPOKEN.get().tongue.said else ():
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(sentence))
        if met := re.fullmatch(pattern, words):
            values = met.groupdict()
            if "day" in values:
                values["day"] = day(dt.date.fromisoformat(values["day"]))
            return say(sentence, **values) if values else say(sentence)
    return words


def number(n: int) -> str:
    """A whole number with its thousands apart."""
    return f"{n:,}".replace(",", _SPOKEN.get().tongue.thousands)


def day(date: dt.date, language: str | None = None) -> str:
    """A day in words: 27 June 2023. In a language of which the months are unknown, ISO 8601."""
    if language is not None and not known(language):
        return date.isoformat()
    tongue = _SPOKEN.get().tongue if language is None else tongue_of(language)
    return tongue.date.format(day=date.day, month=tongue.months[date.month - 1], year=date.year)


def within(words: str) -> str:
    """Words that stand for themselves, within a sentence. In German nouns stay as they are."""
    return words.lower() if _SPOKEN.get().tongue.small else words


def law(source: str) -> str:
    """Where a law says it, as the language cites laws: GDPR Art. 15(1) is Art. 15 Abs. 1 DSGVO."""
    tongue = _SPOKEN.get().tongue
    return tongue.cites(tongue.said.get(source, source))


def minute(moment: dt.datetime) -> str:
    """A moment in words, in UTC."""
    moment = moment.astimezone(dt.UTC)
    return f"{day(moment.date())}, {moment:%H:%M} UTC"


def listed(words: Sequence[str]) -> str:
    """Several words as one: a, b and c."""
    if len(words) < 2:
        return "".join(words)
    both = _SPOKEN.get().tongue.both
    return both.format(first=", ".join(words[:-1]), last=words[-1])
