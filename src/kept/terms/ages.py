"""How old somebody says she is: names of fields that ask it, and what their values mean. Pure.

A value that cannot be read says nothing; nobody's age is guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final
from zoneinfo import ZoneInfo

from kept.terms.regimes import STRICTEST, add_months

#: Parts of names of fields that hold an age, a day of birth, or a year of it.
_AGE: Final = frozenset(("age", "alter", "edad", "eta", "ans"))
_BIRTH: Final = frozenset(
    (
        "birth", "birthday", "birthdate", "birthyear", "dob", "bday", "born", "yob", "geburt",
        "geburtstag", "geburtsdatum", "geburtsjahr", "geboren", "naissance", "nacimiento",
        "nascita",
    )
)  # fmt: skip
_WORD: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
#: Ages and years as they are typed.
_NUMBER: Final = re.compile(r"\s*(\d{1,3})(?:\s*(?:years?(?: old)?|yrs?|y/?o|jahre?(?: alt)?))?\s*")
_YEAR: Final = re.compile(r"\s*((?:19|20)\d\d)\s*")
_ISO: Final = re.compile(r"\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ].*)?\s*")
_DAY_FIRST: Final = re.compile(r"\s*(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d{4})\s*")

#: Where a day begins last in a region: whoever has her birthday has it there too. An unknown
#: region has that of the strictest, and the rest of the world the last of all.
_LAST_DAY: Final = {
    "EEA": "Atlantic/Azores", "UK": "Europe/London", "CH": "Europe/Zurich",
    "US-CA": "America/Los_Angeles", "US-VA": "America/New_York", "US": "Pacific/Honolulu",
    "other": "Etc/GMT+12",
}  # fmt: skip

_SMALL: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen", "twenty",
)  # fmt: skip
_KLEIN: Final = (
    "null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn",
    "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn",
    "neunzehn", "zwanzig",
)  # fmt: skip
_SPELT: Final = {word: n for words in (_SMALL, _KLEIN) for n, word in enumerate(words)}
_N: Final = rf"(?P<n>\d{{1,3}}|{'|'.join(sorted(_SPELT, key=len, reverse=True))})"
#: Without a digit, or a word that begins like a number, nobody says how old she is.
_DIGIT: Final = re.compile(r"\d")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_NUMBERS: Final = tuple(_SPELT)
#: Ways in which people write down how old somebody is.
_TOLD: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:i am|i['’]?m|im|he is|she is|he['’]s|she['’]s|aged?|turn(?:ed|ing)?)\s+(?:only\s+"
        rf"|just\s+|now\s+)?{_N}(?=\s*(?:$|[.,;!?)](?!\d)|and\b|but\b|so\b|years?\b|yrs?\b|y/?o\b))",
        rf"\b{_N}[\s-]*(?:years?|yrs?)[\s-]*(?:of age|old)\b",
        rf"\b{_N}\s*y/?o\b",
        rf"\bmy\s+{_N}(?:st|nd|rd|th)\s+birthday\b",
        rf"\b(?:ich bin|bin|er ist|sie ist)\s+(?:erst\s+|gerade\s+|jetzt\s+)?{_N}"
        r"(?=\s*(?:$|[.,;!?)](?!\d)|und\b|aber\b|jahre?\b|j\.))",
        rf"\b{_N}\s*(?:jahre?|j\.)\s*alt\b",
        rf"\b{_N}[\s-]*jährige?[rnms]?\b",
    )
)
_BORN: Final = re.compile(
    r"\b(?:i was born|born|ich wurde|geboren|jahrgang)\s+(?:in\s+|on\s+|am\s+|im jahre?\s+)?"
    r"(?P<day>\d{4}-\d\d-\d\d|\d{1,2}[./]\s?\d{1,2}[./]\s?\d{4}|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)


def asks_age(name: str) -> bool:
    """Whether a field of this name asks how old somebody is, or when she was born."""
    parts = {part.casefold() for part in _WORD.findall(_CAMEL.sub(" ", name))}
    return not parts.isdisjoint(_AGE | _BIRTH)


def today_in(region: str, now: dt.datetime) -> dt.date:
    """Which day it is, at the latest, everywhere in a region."""
    zone = _LAST_DAY.get(region, _LAST_DAY[STRICTEST])
    return now.astimezone(ZoneInfo(zone)).date()


def under(value: str, years: int, today: dt.date) -> bool | None:
    """Whether a value of such a field says that somebody is younger; None: it says nothing.

    Of a year of birth alone the whole year counts: who may still be younger is.
    """
    if met := _NUMBER.fullmatch(value.casefold()):
        return int(met[1]) < years
    if met := _YEAR.fullmatch(value):
        return _younger(dt.date(int(met[1]), 12, 31), years, today)
    for born in _days(value):
        return _younger(born, years, today)
    return None


def tells_of_younger(text: str, years: int, today: dt.date) -> bool:
    """Whether a text in somebody's own words may say that somebody is younger."""
    if _DIGIT.search(text) is None and not any(
        word.startswith(_NUMBERS) for word in _LETTERS.findall(text.casefold())
    ):
        return False
    for pattern in _TOLD:
        for met in pattern.finditer(text):
            said = met["n"].casefold()
            if (_SPELT[said] if said in _SPELT else int(said)) < years:
                return True
    return any(under(met["day"], years, today) for met in _BORN.finditer(text))


def _days(value: str) -> list[dt.date]:
    """The day of birth that a value names; where day and month can be exchanged, the later."""
    found = []
    if met := _ISO.fullmatch(value):
        found = [(int(met[1]), int(met[2]), int(met[3]))]
    elif met := _DAY_FIRST.fullmatch(value):
        year, one, two = int(met[4]), int(met[1]), int(met[3])
        # With points the day comes first; with strokes it may be either.
        found = [(year, two, one)] + [(year, one, two)] * (met[2] == "/")
    days = []
    for parts in found:
        try:
            days.append(dt.date(*parts))
        except ValueError:
            continue
    return [max(days)] if days else []


def _younger(born: dt.date, years: int, today: dt.date) -> bool | None:
    if born > today or born.year < 1900:
        return None  # nobody was born then
    return today < add_months(born, 12 * years)
