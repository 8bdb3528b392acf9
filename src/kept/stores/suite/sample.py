"""The rows with which the laws are tried, and short words to ask for them."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from kept.datamap.map import Dataset, Field, Link
from kept.errors import KeptError
from kept.model.predicate import (
    NOTHING,
    And,
    Predicate,
)
from kept.model.select import Join, KeyTable, Route, Select, by_key
from kept.model.values import Value

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Value]]]


def _dataset(name: str, key: tuple[str, ...], fields: Iterable[Field], *links: Link) -> Dataset:
    return Dataset(name, key, {f.name: f for f in fields}, links)


PERSON: Final = _dataset(
    "person",
    ("id",),
    (
        Field("id", "integer", nullable=False),
        Field("email", identifies="email", folded=True),
        Field("name"),
        Field("bits", "integer"),
        Field("score", "decimal"),
        Field("weight", "real"),
        Field("active", "boolean"),
        Field("born", "date"),
        Field("seen", "datetime"),
        Field("token", "uuid"),
        Field("photo", "bytes"),
    ),
)
ORDER: Final = _dataset(
    "order",  # a reserved word, on purpose
    ("id",),
    (Field("id", "integer", nullable=False), Field("person_id", "integer"), Field("select")),
    Link(("person_id",), "person", ("id",)),
)
LINE: Final = _dataset(
    "line",
    ("order_id", "n"),
    (
        Field("order_id", "integer", nullable=False),
        Field("n", "integer", nullable=False),
        Field("Größe %s"),
    ),
    Link(("order_id",), "order", ("id",)),
)
#: What `make` fills. Keys are unique; nothing else is.
DATASETS: Final = (PERSON, ORDER, LINE)

TO_PERSON: Final = Join(("person_id",), "person", ("id",))
TO_ORDER: Final = Join(("order_id",), "order", ("id",))
SIZE: Final = "Größe %s"


def person(number: int, email: str | None, **fields: Value) -> dict[str, Value]:
    """A row of person; fields not given are null."""
    row: dict[str, Value] = dict.fromkeys(PERSON.fields)
    return {**row, "id": number, "email": email, **fields}


def moment(day: int, hour: int = 0, microsecond: int = 0) -> dt.datetime:
    """A moment of January 2024, without an offset, as most companies store it."""
    return dt.datetime(2024, 1, day, hour, 0, 0, microsecond, tzinfo=dt.UTC).replace(tzinfo=None)


def sample() -> dict[str, list[dict[str, Value]]]:
    """The rows with which most laws are tried: namesakes, nulls, wildcards, quotes, blanks."""
    token = uuid.UUID("6f2c0d3e-1111-4222-8333-abcdefabcdef")
    return {
        "person": [
            person(1, "ana@x.de", name="Ana", bits=5, score=decimal.Decimal("1.50"), weight=0.1,
                    active=True, born=dt.date(1990, 1, 31), seen=moment(1, 12), token=token,
                    photo=b"\x00\xff'"),
            person(2, " Ana@X.de\t", name="ana", bits=4, score=decimal.Decimal(2), active=False,
                    born=dt.date(1990, 2, 1), seen=moment(2), photo=b""),
            person(3, "a_a@x.de", name="A%", bits=0, seen=moment(2, 0, 1)),
            person(4, "aXa@x.de", name="O'Hara \"\\", bits=2**62 + 1, born=dt.date(2000, 1, 1)),
            person(5, None, name=None),
            person(6, "ÀÉ@x.de", name="Ana ", bits=7),
            person(7, "àé@x.de", name="ANA"),
            person(8, "ana@x.de", name="Namesake"),
        ],
        "order": [
            {"id": 10, "person_id": 1, "select": "one"},
            {"id": 11, "person_id": 1, "select": None},
            {"id": 12, "person_id": 2, "select": "two"},
            {"id": 13, "person_id": None, "select": "nobody's"},
            {"id": 14, "person_id": 4, "select": "one"},
            {"id": 15, "person_id": 8, "select": "x"},
            {"id": 1, "person_id": 6, "select": "the number of somebody else"},
        ],
        "line": [
            {"order_id": 10, "n": 1, SIZE: "s"},
            {"order_id": 10, "n": 2, SIZE: "m"},
            {"order_id": 11, "n": 1, SIZE: None},
            {"order_id": 12, "n": 2, SIZE: "s"},
            {"order_id": 12, "n": 1, SIZE: "s"},
            {"order_id": 13, "n": 1, SIZE: "s"},
            {"order_id": 1, "n": 1, SIZE: "l"},
            {"order_id": 2, "n": 10, SIZE: "l"},
        ],
    }  # fmt: skip


def keys(fields: Sequence[str] | str, *rows: tuple[int, Any]) -> KeyTable:
    """A KeyTable from (person, value) or (person, values)."""
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    return KeyTable(names, tuple((p, v if isinstance(v, tuple) else (v,)) for p, v in rows))


def people(*routes: Route, only: Predicate = NOTHING, fields: tuple[str, ...] = ()) -> Select:
    """A Select of persons."""
    return Select("person", ("id",), routes, And() if routes and only == NOTHING else only, fields)


def lines(*routes: Route) -> Select:
    """A Select of lines."""
    return Select("line", ("order_id", "n"), routes)


def of(name: str, *ids: int) -> Select:
    """Rows of a dataset with a numeric key, by key."""
    return by_key(name, keys("id", *((0, i) for i in ids)))


BY_NAME: Final = {d.name: d for d in DATASETS}


def lacking(
    content: dict[str, list[dict[str, Value]]], without: frozenset[str]
) -> dict[str, list[dict[str, Value]]]:
    """The content, less the fields of person that the engine has no type for."""
    people_ = [{f: v for f, v in r.items() if f not in without} for r in content["person"]]
    return {**content, "person": people_}


def order_of(dataset: Dataset, row: Mapping[str, Value]) -> tuple[str, ...]:
    """What rows are sorted by: their key."""
    return tuple(repr(row.get(name)).rjust(12) for name in dataset.key)


def say(*parts: Value) -> str:
    """The parts as one text."""
    return "".join(str(part) for part in parts)


def always(value: Value, _: Mapping[str, Value]) -> Value:
    """A per-row function that gives `value`."""
    return value


def raises(kind: type[KeptError], work: Callable[[], Any]) -> KeptError:
    """The error that `work` raises; AssertionError where it raises none."""
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")
