"""How an engine would run a search: through an index, or by reading the whole table."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from kept.datamap.searches import Search
from kept.model.select import KeyTable, Route, Select
from kept.model.values import Type, Value
from kept.stores.reading import Call, Reading

#: A value of each type that an engine can compare through an index; it need not be there.
SAMPLES: Final[Mapping[Type, Value]] = {
    "integer": 1, "decimal": decimal.Decimal(1), "real": 1.0, "text": "nobody",
    "uuid": uuid.UUID(int=1), "date": dt.date(2000, 1, 1), "bytes": b"nobody",
}  # fmt: skip


def served(statements: Reading, search: Search, explain: Callable[[str, Call], list[Any]]) -> bool:
    """Whether the engine, asked for one value of a type in SAMPLES, goes through an index.

    `explain` runs a call with words of the engine before it (SqlSession.explain).
    """
    table = statements.table(search.dataset)
    values = tuple(SAMPLES[table.column(name).type] for name in search.fields)
    route = Route(KeyTable(search.fields, ((0, values),)), (), search.folded)
    call = statements.read(Select(search.dataset, search.fields, (route,)), search.fields, {})
    if call is None:
        return True  # no value of this type can be in it
    engine = statements.dialect.name
    return _THROUGH[engine](explain(_EXPLAIN[engine], call))


def _postgresql(rows: list[Any]) -> bool:
    told = json.loads(rows[0][0]) if isinstance(rows[0][0], str) else rows[0][0]
    waiting = [told[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        if "Index Cond" in node:
            return True
        waiting += node.get("Plans", [])
    return False


def _sqlite(rows: list[Any]) -> bool:
    steps = [str(row[3]) for row in rows]
    return not any(step.startswith("SCAN ") for step in steps)


def _mariadb(rows: list[Any]) -> bool:
    # No kind of access at all: the row was looked up while it was planned.
    return all(row[3] not in ("ALL", "index") for row in rows)


_EXPLAIN: Final = {
    "postgresql": "EXPLAIN (FORMAT JSON) ",
    "sqlite": "EXPLAIN QUERY PLAN ",
    "mariadb": "EXPLAIN ",
}
_THROUGH: Final = {"postgresql": _postgresql, "sqlite": _sqlite, "mariadb": _mariadb}
