"""Tables as they are: one statement each, the values counted and dropped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import sqlalchemy as sa

from kept.errors import StoreError, StoreUnreachable
from kept.stores.columns import Column, Element, Table
from kept.stores.discover import values
from kept.stores.discover.idioms import Idiom
from kept.stores.discover.shapes import Profile
from kept.stores.relational import SqlSession

#: With `--full`, values of this many rows are looked at; links are compared over all rows.
MOST: Final = 20_000
#: Documents are taken whole up to this length, and this many of them.
_DOCUMENT: Final = 20_000
_DOCUMENTS: Final = 100

_PLAIN: Final = frozenset(("integer", "boolean", "real", "decimal", "date", "datetime", "uuid"))


def profiles(
    session: SqlSession,
    idiom: Idiom,
    tables: Mapping[str, Table],
    sample: int | None,
    year: int,
    step: Callable[[str], None],
) -> dict[str, Profile]:
    """All tables and views, each with what a sample of `sample` rows (None: many) shows."""
    sizes = dict(idiom.sizes(session, tables))
    found: dict[str, Profile] = {}
    for name, table in tables.items():
        step(name)
        profile = found[name] = Profile(table, sizes.get(name))
        try:
            _fill(session, idiom, profile, sample, year)
        except StoreUnreachable:
            raise
        except StoreError as problem:
            profile.unseen = problem.what
    return found


def _fill(
    session: SqlSession, idiom: Idiom, profile: Profile, sample: int | None, year: int
) -> None:
    table = profile.table
    wanted = MOST if sample is None else sample
    source = idiom.rows(table, wanted, profile.size)
    columns = {n: c for n, c in table.columns.items() if c.type != "bytes"}
    if not columns:
        return
    shown = [_shown(idiom, column, source.c[name]) for name, column in columns.items()]
    # what was drawn comes in the order of the table: cut off early, the sample has no end of it
    limit: Element = sa.literal_column(str(wanted if source is table.clause else 3 * wanted))
    rows = session.ask(table.dataset, sa.select(*shown).select_from(source).limit(limit))
    if not rows and source is not table.clause:
        # every page drawn was empty: take what comes first
        shown = [_shown(idiom, column, table.clause.c[n]) for n, column in columns.items()]
        rows = session.ask(table.dataset, sa.select(*shown).limit(limit))
    if len(rows) < wanted and source is table.clause:  # all of them were read
        profile.size, profile.exact = len(rows), True
    for at, (name, column) in enumerate(columns.items()):
        seen = [row[at] for row in rows]
        profile.looks[name] = values.look(seen, column.type, year)
        if column.type == "json" or _documents(seen):
            profile.looks[name].paths = _paths(seen)


def _shown(idiom: Idiom, column: Column, element: Element) -> Element:
    if column.type in _PLAIN:
        return element
    length = _DOCUMENT if column.type == "json" else max(values.LONGEST, 2000)
    return idiom.short(element, length)


def _documents(seen: list[Any]) -> bool:
    """Whether text holds JSON objects."""
    texts = [v for v in seen[:20] if isinstance(v, str) and v]
    return len(texts) >= 3 and all(t.lstrip().startswith("{") for t in texts)


def _paths(seen: list[Any]) -> dict[tuple[str, ...], dict[str, int]]:
    made: list[dict[str, Any]] = []
    for text in seen:
        if isinstance(text, str) and len(made) < _DOCUMENTS:
            with contextlib.suppress(ValueError):
                document: Any = json.loads(text)
                if isinstance(document, dict):
                    made.append(document)
    return values.paths(made)
