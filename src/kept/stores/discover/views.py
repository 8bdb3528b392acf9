"""Which base column a column of a view shows, read from its SQL with sqlglot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from kept.stores.columns import Table
from kept.stores.discover.shapes import Place, Traced


def trace(
    dialect: str, definitions: Mapping[str, str], tables: Mapping[str, Table]
) -> tuple[dict[str, Traced], dict[str, str]]:
    """Each view's columns with the table columns behind them; and why some views stay dark.

    A column made of several (`first || ' ' || last`) has several places. A view of a view is
    followed down to tables. Names are compared without regard to case.
    """
    datasets = {name.lower(): name for name in tables}
    schema: dict[str, Any] = {}
    for name, table in tables.items():
        at = schema
        *above, last = name.lower().split(".")
        for step in above:
            at = at.setdefault(step, {})
        at[last] = dict.fromkeys((c.lower() for c in table.columns), "text")
    flat = {n: c for n, c in schema.items() if "." not in n and n in datasets}
    direct: dict[str, Traced] = {}
    dark: dict[str, str] = {}
    for view, text in definitions.items():
        if view not in tables:
            continue
        try:
            direct[view] = dict(_view(dialect, text, tables[view], flat, datasets, tables))
        except (SqlglotError, RecursionError, KeyError, AttributeError) as problem:
            dark[view] = f"its SQL could not be traced ({type(problem).__name__})"
    return {view: _down(view, direct) for view in direct}, dark


def _view(
    dialect: str,
    text: str,
    view: Table,
    schema: Mapping[str, Any],
    datasets: Mapping[str, str],
    tables: Mapping[str, Table],
) -> Iterator[tuple[str, tuple[Place, ...]]]:
    tree = parse_one(text, dialect=dialect)
    query = tree.expression if isinstance(tree, exp.Create) else tree
    made = lineage(None, query, dict(schema), dialect=dialect)
    nodes: Mapping[str, Node] = made if isinstance(made, Mapping) else {}
    # a view may rename its columns in its head: they go by their order then
    by_name = {name.lower(): node for name, node in nodes.items()}
    in_order = list(nodes.values())
    for number, column in enumerate(view.columns):
        node = by_name.get(column.lower())
        if node is None and len(in_order) == len(view.columns):
            node = in_order[number]
        if node is not None:
            yield column, tuple(dict.fromkeys(_leaves(node, datasets, tables)))


def _leaves(
    node: Node, datasets: Mapping[str, str], tables: Mapping[str, Table]
) -> Iterator[Place]:
    for one in node.walk():
        if not isinstance(one.source, exp.Table) or one.downstream:
            continue
        source = one.source
        plain = source.name.lower()
        qualified = f"{source.db}.{plain}".lower() if source.db else plain
        dataset = datasets.get(qualified) or datasets.get(plain)
        if dataset is None:
            continue
        column = one.name.rpartition(".")[2].strip('"`').lower()
        for real in tables[dataset].columns:
            if real.lower() == column:
                yield dataset, real


def _down(view: str, direct: Mapping[str, Traced], deep: int = 0) -> Traced:
    """Down to tables: places in views are replaced by theirs."""
    found: Traced = {}
    for column, places in direct[view].items():
        ends: list[Place] = []
        for dataset, field in places:
            if dataset in direct and dataset != view and deep < 20:
                ends += _down(dataset, direct, deep + 1).get(field, ())
            else:
                ends.append((dataset, field))
        found[column] = tuple(dict.fromkeys(ends))
    return found
