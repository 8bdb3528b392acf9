"""One spelling of what somebody tells of herself and of what is held, so that the two compare.

Days, numbers and telephone numbers are written in more than one way by people who mean the same.
Each text has one reading, never two: otherwise one try would be two guesses. Pure.
"""

from __future__ import annotations

import datetime as dt
import decimal
import re
import unicodedata
from typing import Final

from kept.errors import IdentifierError
from kept.terms.identifiers import normalise, whole_number

_MONTHS: Final = (
    ("jan", "january", "januar", "janner", "jaenner"), ("feb", "february", "februar"),
    ("mar", "march", "marz", "maerz", "mrz"), ("apr", "april"), ("may", "mai"),
    ("jun", "june", "juni"), ("jul", "july", "juli"), ("aug", "august"),
    ("sep", "sept", "september"), ("oct", "october", "okt", "oktober"), ("nov", "november"),
    ("dec", "december", "dez", "dezember"),
)  # fmt: skip
_MONTH: Final = {word: n for n, words in enumerate(_MONTHS, 1) for word in words}
#: Words around a day that say nothing of it.
_DAYS: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "montag",
    "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonnabend", "sonntag",
)  # fmt: skip
_BESIDE: Final = frozenset((*_DAYS, "the", "of", "on", "am", "den", "der", "vom"))
_TIME: Final = re.compile(r"(?<=\d)(?:[T ]|, )\d{1,2}:\d\d.*$", re.DOTALL)
_ORDINAL: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")
_COIN: Final = r"(?:[€$£¥]|eur|euros?|usd|dollars?|gbp|pounds?|chf|franken|sfr\.?)"
_NUMBER: Final = re.compile(
    rf"(?P<before>{_COIN})?\s*(?P<sign>[-−])?\s*(?P<digits>\d(?:[\d.,'’\s]*\d)?)(?:[.,](?:-+|–|—)?)?"
    rf"\s*(?P<after>{_COIN})?\.?",
    re.IGNORECASE,
)
_GROUPED: Final = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3}(?:\1\d{3})*)")
_CENTURY: Final = 100
#: No day and no number is longer.
_LONGEST: Final = 60


def letters(text: str) -> str:
    """Letters and digits alone, small and capital alike, without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if c.isalnum())


def day(text: str, today: dt.date, *, month_first: bool = False) -> dt.date | None:
    """The day that a text names and nothing else: 2025-03-02, 2.3.2025, 2 March 2025, 2. März 2025,
    March 2nd, 2025; a time behind it is left out. None where it is no day.

    Of 02/03/2025 the first number is the day, or with `month_first` the month, unless it is too
    large for one. A year of two digits is the last one that is not after `today`'s.
    """
    if len(text) > _LONGEST:
        return None
    said = _TIME.sub("", text.strip())
    plain = unicodedata.normalize("NFKD", said.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    parts = [p for p in re.split(r"[\W_]+", _ORDINAL.sub(r"\1", plain)) if p not in ("", *_BESIDE)]
    if len(parts) == 1 and len(parts[0]) == 8 and _digits(parts[0]):
        parts = [parts[0][:4], parts[0][4:6], parts[0][6:]]
    if len(parts) != 3:
        return None
    named = [p for p in parts if p in _MONTH]
    if named:
        rest = [p for p in parts if p not in _MONTH]
        if len(rest) != 2 or not all(map(_digits, rest)):
            return None
        year, number = rest[::-1] if len(rest[0]) < 3 else rest
        return _made(year, _MONTH[named[0]], int(number), today)
    if not all(map(_digits, parts)):
        return None
    if len(parts[0]) == 4:
        return _made(parts[0], int(parts[1]), int(parts[2]), today)
    one, other = int(parts[0]), int(parts[1])
    if "." not in said and (other > 12 or (month_first and one <= 12)):
        one, other = other, one
    return _made(parts[2], other, one, today)


def number(text: str) -> str | None:
    """The number that a text is, with or without a coin, in plain digits: 1.234,50 € is 1234.5.

    Three digits behind one mark are thousands. None where it is no number, or not one alone.
    """
    met = _met(text)
    if met is None:
        return None
    digits = re.sub(r"['’\s]", "", met["digits"])
    if _GROUPED.fullmatch(digits):
        digits = re.sub(r"[.,]", "", digits)
    whole, mark, places = max(digits.rpartition("."), digits.rpartition(","), key=_behind)
    grouped = re.fullmatch(r"\d{1,3}(?:([.,])\d{3}(?:\1\d{3})*)?|\d+", whole)
    if mark and (grouped is None or mark in whole):
        return None
    try:
        value = decimal.Decimal(re.sub(r"[.,]", "", whole) + (f".{places}" if mark else places))
    except decimal.InvalidOperation:
        return None
    return plain_number(-value if met["sign"] else value)


def plain_number(value: decimal.Decimal) -> str:
    """A number without the zeros that change nothing."""
    with decimal.localcontext(prec=_LONGEST * 2):
        return format(value.normalize(), "f") if value else "0"


def marked_number(text: str) -> str | None:
    """`number`, of a text that says itself that it is one: it has a coin, or places behind a point.

    003 is no number there: it may be a name of something, whose zeros count.
    """
    met = _met(text)
    if met is None:
        return None
    marked = met["before"] or met["after"] or re.search(r"[.,]\d{1,2}$", met["digits"])
    return number(text) if marked else None


def phone(text: str, country: str | None) -> str | None:
    """A telephone number in one spelling (E.164); without its own country it is one of `country`.

    None where it is none.
    """
    whole = whole_number(text)
    if whole is not None or country is None:
        return whole
    try:
        return normalise("phone", text, region=country)
    except IdentifierError:
        return None


# — inside ————————————————————————————————————————————————————————————————————————————————


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _met(text: str) -> re.Match[str] | None:
    return _NUMBER.fullmatch(text.strip()) if len(text) <= _LONGEST else None


def _made(year: str, month: int, number: int, today: dt.date) -> dt.date | None:
    if len(year) not in (2, 4) or not _digits(year):
        return None
    full = int(year)
    if len(year) == 2:
        full += today.year - today.year % _CENTURY
        full -= _CENTURY if full > today.year else 0
    try:
        return dt.date(full, month, number)
    except ValueError:
        return None


def _behind(parts: tuple[str, str, str]) -> int:
    """How far behind the mark stands at which a text was parted."""
    return len(parts[0]) if parts[1] else -1
