"""Real engines holding the rows of the conformance suite."""

from __future__ import annotations

import decimal
import sqlite3
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
import pymysql

from kept.datamap.map import Dataset
from kept.model.predicate import Predicate
from kept.model.values import Value
from kept.stores.adapter import RowStore
from kept.stores.mariadb import MariaDBStore
from kept.stores.sql import PostgreSQLStore, SQLiteStore
from kept.stores.suite import DATASETS, Rows

_TYPES = {
    "postgresql": {"integer": "bigint", "decimal": "numeric", "real": "double precision",
                   "datetime": "timestamp", "bytes": "bytea"},
    "mariadb": {"integer": "bigint", "text": "text", "decimal": "decimal(20,2)",
                "real": "double", "datetime": "datetime(6)", "bytes": "longblob"},
    "sqlite": {"decimal": "numeric(10,2)", "bytes": "blob"},
}  # fmt: skip


def ddl(engine: str) -> list[str]:
    """Tables for DATASETS with their keys, links and nulls as constraints."""
    made = []
    for d in DATASETS:
        columns = [
            f'"{f.name}" {_TYPES[engine].get(f.type, f.type)}' + ("" if f.nullable else " not null")
            for f in d.fields.values()
        ]
        columns.append("primary key (" + ", ".join(f'"{k}"' for k in d.key) + ")")
        if d.name == "order":  # lines may dangle, as in real life
            columns.append('foreign key ("person_id") references "person" ("id")')
        made.append(f'create table "{d.name}" ({", ".join(columns)})')
    return made


def fill_postgresql(url: str, rows: Rows) -> None:
    with psycopg.connect(url) as connection:
        there = connection.execute("select to_regclass('person')").fetchone()
        if there == (None,):
            for statement in ddl("postgresql"):
                connection.execute(statement)
        connection.execute('truncate "line", "order", "person"')
        for d in DATASETS:
            for row in rows.get(d.name, ()):
                names = ", ".join(f'"{n}"'.replace("%", "%%") for n in row)
                marks = ", ".join(["%s"] * len(row))
                connection.execute(
                    f'insert into "{d.name}" ({names}) values ({marks})', list(row.values())
                )


def fill_sqlite(path: Path, rows: Rows) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("pragma synchronous = off")
    connection.execute("begin")
    if not connection.execute("select 1 from sqlite_master").fetchone():
        for statement in ddl("sqlite"):
            connection.execute(statement)
    for d in reversed(DATASETS):
        connection.execute(f'delete from "{d.name}"')
    for d in DATASETS:
        for row in rows.get(d.name, ()):
            names = ", ".join(f'"{n}"' for n in row)
            connection.execute(
                f'insert into "{d.name}" ({names}) values ({", ".join("?" * len(row))})',
                [_sqlite(v) for v in row.values()],
            )
    connection.execute("commit")
    connection.close()


def _sqlite(value: Value) -> Any:
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value).upper()
    if isinstance(value, (bool, int, float, str, bytes)) or value is None:
        return value
    return str(value)


def fill_mariadb(url: str, rows: Rows) -> None:
    with opened(url) as connection, connection.cursor() as cursor:
        cursor.execute("set sql_mode = 'ansi_quotes,strict_all_tables'")
        if not cursor.execute("show tables"):
            for statement in ddl("mariadb"):
                cursor.execute(f"{statement} default charset utf8mb4")
        for d in reversed(DATASETS):
            cursor.execute(f'delete from "{d.name}"')
        for d in DATASETS:
            for row in rows.get(d.name, ()):
                names = ", ".join(f'"{n}"'.replace("%", "%%") for n in row)
                marks = ", ".join(["%s"] * len(row))
                values = [str(v) if isinstance(v, uuid.UUID) else v for v in row.values()]
                cursor.execute(f'insert into "{d.name}" ({names}) values ({marks})', values)
        connection.commit()


def opened(url: str) -> pymysql.Connection:
    """A connection to the MariaDB of a URL, by the driver alone."""
    place = urlsplit(url)
    return pymysql.connect(
        unix_socket=dict(parse_qsl(place.query))["unix_socket"],
        user=unquote(place.username or ""),
        password=unquote(place.password or ""),
        database=place.path.removeprefix("/"),
        charset="utf8mb4",
        ssl_disabled=True,
    )


def mariadb(url: str) -> MariaDBStore:
    return MariaDBStore("desk", DATASETS, url)


def postgresql(url: str) -> PostgreSQLStore:
    return PostgreSQLStore("shop", DATASETS, url)


def sqlite(path: Path) -> SQLiteStore:
    return SQLiteStore("desk", DATASETS, f"sqlite:///{path}")


class Cupboard(RowStore):
    """A RowStore as a hurried author writes it: a shared dict, too many rows, no filter."""

    drawers: dict[str, dict[tuple[Value, ...], dict[str, Value]]]

    def __init__(self, drawers: dict[str, dict[tuple[Value, ...], dict[str, Value]]]) -> None:
        super().__init__("cupboard", DATASETS)
        self.drawers = drawers

    def datasets(self) -> Iterable[Dataset]:
        return DATASETS

    def _read(self, dataset: str, only: Predicate) -> Iterable[Mapping[str, Value]]:
        return list(self.drawers[dataset].values())

    def _write(
        self, dataset: str, key: Mapping[str, Value], new: Mapping[str, Value] | None
    ) -> None:
        at = tuple(key.values())
        if new is None:
            self.drawers[dataset].pop(at, None)
        elif at in self.drawers[dataset]:
            self.drawers[dataset][at] = {**self.drawers[dataset][at], **new}


def drawers(rows: Rows) -> dict[str, dict[tuple[Value, ...], dict[str, Value]]]:
    return {
        d.name: {tuple(r.get(k) for k in d.key): dict(r) for r in rows.get(d.name, ())}
        for d in DATASETS
    }
