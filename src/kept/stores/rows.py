"""What every store does with single rows: fill templates, decode storage, find by walking.

Pure functions over rows as mappings (field → Value). The SQL stores use them where the
work cannot be left to the engine; MemoryStore and RowStore use nothing else.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from string import Formatter
from typing import TypeAlias

from kept.errors import StoreError, UsageError
from kept.model.change import Assignment, Const, Template
from kept.model.generalise import Generalise, generalise
from kept.model.predicate import fields_of, matches
from kept.model.redact import Redact, redact
from kept.model.select import Batch, Route, Select
from kept.model.values import Type, Value, coerce, fold, normal, sizable

Row: TypeAlias = Mapping[str, Value]

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY = 86_400_000_000
_MILLISECONDS = 10**11  # a number of seconds beyond the year 5138 is one of milliseconds


def template_parts(text: str) -> list[tuple[str, str | None]]:
    """(literal, field or None) in order; UsageError where more than a whole field is braced."""
    parts: list[tuple[str, str | None]] = []
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            if spec or conversion or name == "":
                raise ValueError
            parts.append((literal, name))
    except ValueError:
        raise UsageError(
            "a template for overwriting is not well formed",
            expected="text with whole fields in braces, such as erased-{customer_id}",
            fix="write `{{` and `}}` for literal braces",
        ) from None
    return parts


def template_fields(text: str) -> frozenset[str]:
    """The fields that a template reads."""
    return frozenset(name for _, name in template_parts(text) if name is not None)


def fill(text: str, row: Row) -> str:
    """The template filled from `row`; a null fills as empty text."""
    filled = []
    for literal, name in template_parts(text):
        filled.append(literal)
        if name is not None:
            value = coerce(row.get(name), "text")
            filled.append("" if value is None else str(value))
    return "".join(filled)


def assigned(assign: Mapping[str, Assignment], row: Row) -> dict[str, Value]:
    """The new values of the assigned fields; every assignment sees the row as it was."""
    new: dict[str, Value] = {}
    for name, how in assign.items():
        if isinstance(how, Const):
            new[name] = how.value
        elif isinstance(how, Template):
            new[name] = fill(how.text, row)
        elif isinstance(how, Redact):
            new[name] = redact(how, row.get(name))
        elif isinstance(how, Generalise):
            new[name] = generalise(how.how, row.get(name))
        else:
            new[name] = how.function(row)
    return new


def held(value: Value, kind: Type, *, dataset: str, field: str) -> Value:
    """The value as a column of `kind` holds it; StoreError instead of a silent null."""
    if value is None or kind == "other":
        return value
    kept = coerce(value, kind)
    if kept is None:
        raise StoreError(
            f"`{field}` of `{dataset}` cannot hold the value assigned",
            expected=f"a value of type {kind}",
            met=type(value).__name__,
            fix="mend the overwrite rule of this field in the data map",
        )
    return kept


def same(a: Value, b: Value) -> bool:
    """Whether two keys of possibly different types are equal; a null equals nothing."""
    if a is None or b is None:
        return False
    a, b = normal(a), normal(b)
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    return bool(a == b)


# ---------------------------------------------------------------- storage without types


def decode(raw: Value, kind: Type) -> Value:
    """A stored value as a Value of `kind`; what does not look like one stays as it is.

    For engines that keep moments, identifiers and truth as text or numbers (SQLite, files).
    Numbers in a datetime column are seconds (or milliseconds) since 1970 in UTC.
    """
    if raw is None:
        return None
    try:
        if isinstance(raw, str):
            if kind == "datetime":
                return _utc(dt.datetime.fromisoformat(raw))
            if kind == "date":
                try:
                    return dt.date.fromisoformat(raw)
                except ValueError:
                    return _utc(dt.datetime.fromisoformat(raw))
            if kind == "uuid":
                return uuid.UUID(raw)
            if kind == "integer":
                whole = normal(raw)
                return whole if isinstance(whole, int) else raw
            if kind == "decimal":
                number = decimal.Decimal(raw)
                return number if sizable(number) or not number.is_finite() else raw
            return raw
        if isinstance(raw, bytes):
            return uuid.UUID(bytes=raw) if kind == "uuid" and len(raw) == 16 else raw
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            if kind == "boolean" and raw in (0, 1):
                return bool(raw)
            if kind == "decimal":
                return decimal.Decimal(repr(raw))
            if kind == "real":
                return float(raw)
            if kind == "datetime":
                seconds = raw / 1000 if abs(raw) >= _MILLISECONDS else raw
                return _EPOCH + dt.timedelta(seconds=seconds)
            if kind == "text":
                return str(raw)
    except (ValueError, ArithmeticError):
        return raw
    return raw


def instant(value: Value) -> int | None:
    """Microseconds since 1970; without an offset a moment counts as UTC. Null if no moment."""
    if isinstance(value, dt.datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return (moment - _EPOCH) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - _EPOCH.date()).days * _DAY
    return None


def utc(value: Value) -> Value:
    """A moment that a store gives in UTC without saying so; anything else as it is."""
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else value


def canonical(value: Value) -> Value:
    """Dates, moments and UUIDs as the one text by which equal ones are equal."""
    if isinstance(value, dt.datetime):
        return _utc(value).isoformat()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    return value


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment


# ---------------------------------------------------------------- finding by walking

#: dataset → its rows; kind of (dataset, field)
Rows: TypeAlias = Callable[[str], Iterable[Row]]
Kinds: TypeAlias = Callable[[str, str], Type]
Comparable: TypeAlias = tuple[Hashable, ...]


def _wanted(route: Route, end: str, kinds: Kinds) -> dict[Comparable, set[int]]:
    """Comparable key → persons, for one route; keys with a null match nothing and are left out."""
    wanted: dict[Comparable, set[int]] = {}
    types = [kinds(end, name) for name in route.fields]
    for person, key in route.keys.rows:
        held_as = tuple(coerce(v, t) for v, t in zip(key, types, strict=True))
        if None not in held_as:
            wanted.setdefault(_bare(held_as), set()).add(person)
    return wanted


def _bare(key: Iterable[Value]) -> Comparable:
    # True == 1 in Python, but not as keys of rows
    return tuple(("bool", v) if isinstance(v, bool) else v for v in key)


def owners(select: Select, rows: Rows, kinds: Kinds) -> Callable[[Row], list[int]]:
    """A function row → persons it belongs to, by the law: walk each route, compare at its end.

    Reads every dataset on the paths once. A Select without routes gives every row to -1.
    """
    if not select.routes:
        return lambda row: [-1]
    finders = [_finder(select.dataset, route, rows, kinds) for route in select.routes]

    def persons(row: Row) -> list[int]:
        return sorted(set().union(*(find(row) for find in finders)))

    return persons


def _finder(start: str, route: Route, rows: Rows, kinds: Kinds) -> Callable[[Row], set[int]]:
    """From the end of the path to its start: joined values → persons."""
    wanted = _wanted(route, route.path[-1].to if route.path else start, kinds)
    fields, folded, loose = route.fields, route.folded, False
    for join in reversed(route.path):
        there: dict[Comparable, set[int]] = {}
        for row in rows(join.to):
            people = wanted.get(_key(row, fields, folded, loose))
            if people:
                key = _key(row, join.on, False, True)
                if None not in key:
                    there.setdefault(key, set()).update(people)
        wanted, fields, folded, loose = there, join.fields, False, True
    nobody: set[int] = set()
    return lambda row: wanted.get(_key(row, fields, folded, loose), nobody)


def _key(row: Row, fields: Sequence[str], folded: bool, loose: bool) -> Comparable:
    values: list[Value] = []
    for name in fields:
        value = row.get(name)
        if folded and isinstance(value, str):
            value = fold(value)
        values.append(normal(value) if loose else value)
    return _bare(values)


def found(select: Select, rows: Rows, kinds: Kinds) -> Iterable[tuple[Row, list[int]]]:
    """The rows of `select`, each with the persons it belongs to."""
    for name in fields_of(select.only):
        kinds(select.dataset, name)  # raises for a field that is not there
    persons = owners(select, rows, kinds)
    for row in rows(select.dataset):
        if matches(select.only, row):
            people = persons(row)
            if people:
                yield row, people


def batches(
    select: Select, pairs: Iterable[tuple[Row, list[int]]], columns: Sequence[str], size: int
) -> Iterable[Batch]:
    """The rows in Batches of at most `size` rows; a row of two people once for each."""
    wanted = tuple(select.fields or columns)
    rows: list[tuple[Value, ...]] = []
    people: list[int] = []
    for row, persons in pairs:
        values = tuple(row.get(name) for name in wanted)
        for person in persons:
            rows.append(values)
            people.append(person)
        if len(rows) >= size:
            yield Batch(wanted, rows, people)
            rows, people = [], []
    if rows:
        yield Batch(wanted, rows, people)


def json_list(values: Sequence[object]) -> str:
    """A JSON array, compact, as SQLite reads it back without loss."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
