"""What a value is, when two are the same, and how case, nulls and types are treated.

Laws, the same in every engine (the conformance suite proves each store against them):

- A null equals nothing, not even another null; it is neither before nor after anything.
- Text is compared by code points: case counts, blanks count, `%` and `_` are letters.
- `fold` is the one relaxation: leading and trailing ASCII blanks go and A-Z become a-z.
  It is ASCII only, because engines disagree on every other letter; callers that need more
  ask for several spellings at once.
- The same key may have different types in two stores (1, "1", Decimal("1.0")): `normal`
  gives their common form, `coerce` the form that a given column can be compared with.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from typing import Final, Literal, TypeAlias

Value: TypeAlias = (
    None
    | bool
    | int
    | float
    | decimal.Decimal
    | str
    | bytes
    | dt.date
    | dt.datetime
    | dt.time
    | dt.timedelta
    | uuid.UUID
)

#: Column types that the map knows. `other` is compared as text.
Type = Literal[
    "text", "integer", "decimal", "real", "boolean", "date", "datetime", "uuid", "bytes", "json",
    "other",
]  # fmt: skip

_UPPER: Final = {c: c + 32 for c in range(ord("A"), ord("Z") + 1)}
_PLACES: Final = 1000  # before or behind the point of a number that is written out
_BLANKS: Final = " \t\r\n\f\v"


def fold(text: str) -> str:
    """Trim ASCII blanks and lower A-Z; every other letter stays as it is."""
    return text.strip(_BLANKS).translate(_UPPER)


def sizable(number: float | decimal.Decimal) -> bool:
    """Whether a number is finite and can be written out: 1e1000000 would take minutes."""
    if isinstance(number, decimal.Decimal):
        return number.is_finite() and (not number or abs(number.adjusted()) <= _PLACES)
    return math.isfinite(number)


def normal(value: Value) -> Value:
    """The form in which equal keys of different types and engines are equal.

    Numbers without a fraction (up to 1000 digits) become int, UUIDs lower-case text, text that
    is a plain decimal integer (no sign but "-", no leading zero) int; everything else stays.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value
    if isinstance(value, (float, decimal.Decimal)):
        whole = sizable(value) and value == int(value)
        return int(value) if whole else value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, str):
        digits = value[1:] if value.startswith("-") else value
        plain = digits.isascii() and digits.isdigit() and len(digits) <= 18
        return int(value) if plain and (digits[0] != "0" or value == "0") else value
    return value


def forms(value: Value, to: Type) -> tuple[Value, ...]:
    """Every form in which a column of type `to` may hold a key: `coerce`, the likeliest first.

    A number written down as text stands with or without the places behind its point: 1, 1.0.
    """
    found = [coerce(value, to)]
    if to == "text" and isinstance(value, (decimal.Decimal, float)):
        number = decimal.Decimal(str(value))
        if sizable(number):
            found.append(format(number.normalize(), "f"))
    return tuple(dict.fromkeys(v for v in found if v is not None))


def coerce(value: Value, to: Type) -> Value:
    """The value as a column of type `to` would hold it; None where it cannot hold it.

    None means "matches nothing" (a null never matches), so a key of a foreign shape
    finds no rows instead of raising or, worse, finding the wrong ones.
    """
    if value is None:
        return None
    try:
        if to == "integer":
            if isinstance(value, bool):
                return None
            n = normal(value)
            return n if isinstance(n, int) and -(2**63) <= n < 2**63 else None
        if to in ("decimal", "real"):
            if isinstance(value, bool):
                return None
            number = decimal.Decimal(str(value))
            if not sizable(number):
                return None
            if to == "decimal":
                return number
            real = float(number)
            return real if math.isfinite(real) else None
        if to == "uuid":
            return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
        if to == "boolean":
            return value if isinstance(value, bool) else None
        if to == "datetime":
            if isinstance(value, dt.datetime):
                return value
            if isinstance(value, dt.date):
                return dt.datetime.combine(value, dt.time())
            return dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        if to == "date":
            if isinstance(value, dt.datetime):
                return value.date()
            if isinstance(value, dt.date):
                return value
            return dt.date.fromisoformat(value) if isinstance(value, str) else None
        if to == "bytes":
            return value if isinstance(value, bytes) else str(value).encode()
    except (ValueError, ArithmeticError):
        return None
    if isinstance(value, bytes):
        return None
    if isinstance(value, (dt.date, dt.datetime, dt.time)):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
