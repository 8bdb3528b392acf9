"""Generalising: a value made so coarse that it is no one's. Pure, and done twice it is done once.

year, month       a date or moment becomes the first of its year or month
band-10           a number becomes the lower end of its band
prefix-2          text becomes its first letters
keep              the value stays: it tells nothing alone, but counts with the others
suppress          nothing is left (or what `overwrite` puts there)
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
from dataclasses import dataclass
from typing import Final

from kept.errors import UsageError
from kept.model.values import Type, Value

KEEP: Final = "keep"
SUPPRESS: Final = "suppress"
_SIZED: Final = re.compile(r"(band|prefix)-([1-9][0-9]{0,8})")
_TYPES: Final[dict[str, tuple[Type, ...]]] = {
    "year": ("date", "datetime"),
    "month": ("date", "datetime"),
    "band": ("integer", "decimal", "real"),
    "prefix": ("text",),
}


@dataclass(frozen=True, slots=True)
class Generalise:
    """An assignment: the field's own value, made coarse by the method `how`."""

    how: str


def method(how: str) -> tuple[str, int]:
    """The name of a method and its size (0 without one); UsageError where there is none such."""
    if how in (KEEP, SUPPRESS, "year", "month"):
        return how, 0
    sized = _SIZED.fullmatch(how)
    if sized is None:
        raise UsageError(
            "there is no such method of generalising",
            expected="one of suppress, keep, year, month, band-N, prefix-N",
        )
    return sized[1], int(sized[2])


def takes(how: str, kind: Type) -> bool:
    """Whether a method is for fields of that type."""
    name, _ = method(how)
    return name not in _TYPES or kind in _TYPES[name]


def generalise(how: str, value: Value) -> Value:
    """The value made coarse. A value that the method is not for is suppressed, not kept."""
    name, size = method(how)
    if name == KEEP or value is None:
        return value
    if name in ("year", "month") and isinstance(value, dt.date):
        first = value.replace(day=1) if name == "month" else value.replace(month=1, day=1)
        if isinstance(first, dt.datetime):
            first = first.replace(hour=0, minute=0, second=0, microsecond=0)
        return first
    if name == "band" and not isinstance(value, bool):
        if isinstance(value, int):
            return value // size * size
        if isinstance(value, (float, decimal.Decimal)) and math.isfinite(value):
            floor = math.floor(value / size) * size
            return decimal.Decimal(floor) if isinstance(value, decimal.Decimal) else float(floor)
    if name == "prefix" and isinstance(value, str):
        return value[:size]
    return None
