"""Predicate: which rows. One definition of matching, which every engine must agree with.

The algebra is two-valued: a comparison with a null is false, `Not` is its complement
(so `Not(Eq("a", 1))` holds where `a` is null). `matches` is the law; dialects render it.
An empty `And` is everything, an empty `Or` and an empty `In` nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from kept.model.values import Value, fold
from kept.terms.printed import BARE


@dataclass(frozen=True, slots=True)
class Eq:
    """`field` equals `value`; with `folded`, after `fold` on the row's side (value is folded)."""

    field: str
    value: Value
    folded: bool = False


@dataclass(frozen=True, slots=True)
class In:
    """`field` equals one of `values`."""

    field: str
    values: tuple[Value, ...]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Before:
    """`field` is strictly before `moment` (a date column before its date). Null: never."""

    field: str
    moment: dt.datetime | dt.date


@dataclass(frozen=True, slots=True)
class IsNull:
    """`field` has no value."""

    field: str


@dataclass(frozen=True, slots=True)
class Bits:
    """`field & mask == value` on a 63-bit unsigned word. Null: never."""

    field: str
    mask: int
    value: int


@dataclass(frozen=True, slots=True)
class Contains:
    """The text `field` holds one of `texts`, letters A-Z in either case. No text: never.

    `texts` are in lower case. With `bare`, blanks, dashes and . / ( ) do not count (BARE).
    """

    field: str
    texts: tuple[str, ...]
    bare: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """All of `parts` hold; with none, everything."""

    parts: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """One of `parts` holds; with none, nothing."""

    parts: tuple[Predicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """`part` does not hold."""

    part: Predicate


Predicate: TypeAlias = Eq | In | Before | IsNull | Bits | Contains | And | Or | Not

EVERYTHING = And()
_LOWER: Final = {letter: letter + 32 for letter in range(ord("A"), ord("Z") + 1)}
_BARE: Final = {**_LOWER, **dict.fromkeys(map(ord, BARE))}
NOTHING = Or()


def matches(predicate: Predicate, row: Mapping[str, Value]) -> bool:
    """Whether `row` (field → value) matches; a field that the row lacks is a null."""
    match predicate:
        case Eq(field, value, folded):
            return _equal(row.get(field), value, folded)
        case In(field, values, folded):
            met = row.get(field)
            return any(_equal(met, value, folded) for value in values)
        case Before(field, moment):
            return _before(row.get(field), moment)
        case IsNull(field):
            return row.get(field) is None
        case Bits(field, mask, value):
            word = row.get(field)
            return isinstance(word, int) and word & mask == value
        case Contains(field, texts, bare):
            met = row.get(field)
            if not isinstance(met, str):
                return False
            text = met.translate(_BARE if bare else _LOWER)
            return any(one in text for one in texts)
        case And(parts):
            return all(matches(part, row) for part in parts)
        case Or(parts):
            return any(matches(part, row) for part in parts)
        case Not(part):
            return not matches(part, row)


def fields_of(predicate: Predicate) -> frozenset[str]:
    """The fields that a predicate reads."""
    match predicate:
        case And(parts) | Or(parts):
            return frozenset().union(*(fields_of(part) for part in parts))
        case Not(part):
            return fields_of(part)
        case _:
            return frozenset((predicate.field,))


def _equal(met: Value, value: Value, folded: bool) -> bool:
    if met is None or value is None:
        return False
    if isinstance(met, bool) != isinstance(value, bool):
        return False
    if folded and isinstance(met, str):
        met = fold(met)
    try:
        return bool(met == value)
    except TypeError:  # aware against naive datetimes
        return False


def _before(met: Value, moment: dt.datetime | dt.date) -> bool:
    if not isinstance(met, dt.date):
        return False
    if isinstance(met, dt.datetime):
        if not isinstance(moment, dt.datetime):
            moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=met.tzinfo)
        elif met.tzinfo is None and moment.tzinfo is not None:
            moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
        elif met.tzinfo is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        return met < moment
    return met < (moment.date() if isinstance(moment, dt.datetime) else moment)
