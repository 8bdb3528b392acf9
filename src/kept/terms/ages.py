"""How old somebody says she is: names of fields that ask it, and what their values mean. Pure.

A value that cannot be read says nothing; nobody's age is guessed.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import unicodedata
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
_DAY_FIRST: Final = re.compile(r"\s*(\d{1,2})([-/.])\s?(\d{1,2})\2\s?(\d{4}|\d{2})\s*")
_CLOSE: Final = re.compile(r"\s*((?:19|20)\d\d)[ ]?(\d\d)[ ]?(\d\d)\s*")
_MONTH: Final = re.compile(r"\s*(?:(\d{4})[-/.](\d{1,2})|(\d{1,2})[-/.](\d{4}))\s*")
_UNDER: Final = re.compile(r"\s*(?:under|below|younger than|unter|<)\s*(\d{1,3})\s*")
#: By their first letters, in the languages of the words above.
_MONTHS: Final = {
    name: n
    for n, names in enumerate(
        ("jan jän", "feb", "mar mär mrz", "apr", "may mai", "jun", "jul", "aug", "sep", "oct okt",
         "nov", "dec dez"), 1,
    )
    for name in names.split()
}  # fmt: skip
_NAMED: Final = (
    r"(?:(?P<d1>\d{1,2})(?:st|nd|rd|th)?[. -]{0,2}(?P<m1>[^\W\d_]{3,9})"
    r"|(?P<m2>[^\W\d_]{3,9})[. ]{0,2}(?P<d2>\d{1,2})(?:st|nd|rd|th)?)"
    r",?[. -]{0,2}(?P<y>(?:19|20)\d\d)"
)
_SPELT_OUT: Final = re.compile(rf"\s*{_NAMED}\s*")
#: Fields that hold a day or a month alone: the number in it is no age.
_PARTS: Final = frozenset(("day", "month", "tag", "monat", "mon", "dd", "mm"))
_DASHES: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")

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
        rf"|just\s+|now\s+)?{_N}(?=\s*(?:$|[.,;!?)](?!\d)|-\s|and\b|but\b|so\b|soon\b|years?\b|yrs?\b|y/?o\b))",
        rf"\b(?:son|daughter|child|kid|brother|sister|sohn|tochter|kind|bruder|schwester)\s+"
        rf"(?:is|ist)\s+(?:only\s+|just\s+|erst\s+|gerade\s+)?{_N}"
        r"(?=\s*(?:$|[.,;!?)](?!\d)|-\s|and\b|und\b))",
        rf"\b(?:age|alter)\s*[:=]\s*{_N}\b",
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
    rf"(?P<day>\d{{4}}-\d\d-\d\d|\d{{1,2}}[./]\s?\d{{1,2}}[./]\s?\d{{4}}|{_NAMED}|(?:19|20)\d\d)\b",
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


def told(name: str, value: str, years: int, today: dt.date) -> bool | None:
    """Whether a field of this name and value says that somebody is younger; None: nothing."""
    if not asks_age(name):
        return None
    parts = {part.casefold() for part in _WORD.findall(_CAMEL.sub(" ", name))}
    return None if parts & _PARTS and value.strip().isdigit() else under(value, years, today)


def under(value: str, years: int, today: dt.date) -> bool | None:
    """Whether a value of such a field says that somebody is younger; None: it says nothing.

    Of a year or a month of birth alone all of it counts: who may still be younger is.
    """
    value = _plain(value)
    if met := _NUMBER.fullmatch(value):
        return int(met[1]) < years
    if value.strip() in _SPELT:
        return _SPELT[value.strip()] < years
    if (met := _UNDER.fullmatch(value)) and int(met[1]) <= years:
        return True
    if met := _YEAR.fullmatch(value):
        return _younger(dt.date(int(met[1]), 12, 31), years, today)
    for born in _days(value, today):
        return _younger(born, years, today)
    return None


def _plain(text: str) -> str:
    """In small letters, with one kind of digit and of dash, and without what nobody sees."""
    if text.isascii():
        return text.casefold()
    seen = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "".join(seen).translate(_DASHES).casefold()


def tells_of_younger(text: str, years: int, today: dt.date) -> bool:
    """Whether a text in somebody's own words may say that somebody is younger."""
    text = _plain(text)
    if _DIGIT.search(text) is None and not any(
        word.startswith(_NUMBERS) for word in _LETTERS.findall(text)
    ):
        return False
    for pattern in _TOLD:
        for met in pattern.finditer(text):
            said = met["n"].casefold()
            if (_SPELT[said] if said in _SPELT else int(said)) < years:
                return True
    return any(under(met["day"], years, today) for met in _BORN.finditer(text))


def _days(value: str, today: dt.date) -> list[dt.date]:
    """The day of birth that a value names; where day and month can be exchanged, the later."""
    found = []
    if met := _ISO.fullmatch(value) or _CLOSE.fullmatch(value):
        found = [(int(met[1]), int(met[2]), int(met[3]))]
    elif met := _SPELT_OUT.fullmatch(value):
        month = _MONTHS.get((met["m1"] or met["m2"])[:3])
        found = [(int(met["y"]), month, int(met["d1"] or met["d2"]))] if month else []
    elif met := _MONTH.fullmatch(value):
        year, month = int(met[1] or met[4]), int(met[2] or met[3])
        if 1 <= month <= 12 and year > 1:
            found = [(year, month, calendar.monthrange(year, month)[1])]
    elif met := _DAY_FIRST.fullmatch(value):
        year, one, two = int(met[4]), int(met[1]), int(met[3])
        if len(met[4]) == 2:  # the last year that ended so
            year = today.year - (today.year - year) % 100
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
    birthday = add_months(born, 12 * years)
    # Born on a leap day: where there is none, she is older when 28 February is over.
    return today < birthday + dt.timedelta(days=(born.day - birthday.day) * (born.month == 2))
