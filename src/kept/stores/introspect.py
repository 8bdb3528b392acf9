"""What is really there: tables, views, columns, keys and foreign keys, by reflection.

SQLAlchemy's Inspector reads names and constraints; one catalogue query adds what it does not
tell of PostgreSQL (base types of domains, collations that are not exact, partitions). Of
MariaDB the catalogue alone is asked: it tells a role that may only read as much as any other.
Dataset names: `table` in the default schema, `schema.table` elsewhere.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Inspector
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope

from kept.datamap.map import Dataset, Field, Link, OnErase
from kept.model.values import Type
from kept.stores.columns import Along, Column, Reference, Table

_FACTS: Final = sa.text(
    """
    SELECT n.nspname, c.relname, c.relkind, a.attname, a.attnotnull OR t.typnotnull,
           a.attgenerated <> '' OR a.attidentity = 'a', b.typtype, b.typname,
           format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END,
                       CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END),
           coalesce(l.collisdeterministic, true),
           CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    CROSS JOIN LATERAL (
        WITH RECURSIVE base(oid, typtype, typname, typbasetype) AS (
            SELECT t.oid, t.typtype, t.typname, t.typbasetype
            UNION ALL
            SELECT p.oid, p.typtype, p.typname, p.typbasetype
            FROM base JOIN pg_type p ON p.oid = base.typbasetype AND base.typtype = 'd'
        ) SELECT typtype, typname FROM base WHERE typtype <> 'd'
    ) b
    WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT c.relispartition
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND n.nspname = ANY(:schemas)
      AND (:everything OR c.relname = ANY(:names))
    ORDER BY n.nspname, c.relname, a.attnum
    """
)

_INHERITED: Final = sa.text(
    """
    SELECT DISTINCT c.relname
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname = :schema
    """
)

_COLLATED: Final = sa.text(
    """
    SELECT x.name FROM pragma_index_list(:name) AS l, pragma_index_xinfo(l.name) AS x
    WHERE l."unique" AND x.key AND x.name IS NOT NULL AND upper(x.coll) <> 'BINARY'
    """
)

#: Foreign keys by which an engine changes the referring rows itself when others go.
_ALONG: Final = sa.text(
    """
    SELECT tn.nspname, t.relname, fn.nspname, f.relname,
           (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey)
              WITH ORDINALITY AS k (attnum, n) JOIN pg_catalog.pg_attribute a
              ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
           (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey)
              WITH ORDINALITY AS k (attnum, n) JOIN pg_catalog.pg_attribute a
              ON a.attrelid = c.confrelid AND a.attnum = k.attnum)
    FROM pg_catalog.pg_constraint c
    JOIN pg_catalog.pg_class t ON t.oid = c.confrelid
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_class f ON f.oid = c.conrelid
    JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
    WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd')
    ORDER BY c.conrelid, c.conname
    """
)
_SQLITE_ALONG: Final = sa.text(
    """
    SELECT lower(f."table"), m.name, f.id, f."from", f."to"
    FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
    WHERE m.type = 'table' AND upper(f.on_delete) IN ('CASCADE', 'SET NULL', 'SET DEFAULT')
    ORDER BY m.name, f.id, f.seq
    """
)

_POSTGRESQL_TYPES: Final[Mapping[str, Type]] = {
    "int2": "integer", "int4": "integer", "int8": "integer", "numeric": "decimal",
    "float4": "real", "float8": "real", "bool": "boolean", "date": "date",
    "timestamp": "datetime", "timestamptz": "datetime", "uuid": "uuid", "bytea": "bytes",
    "json": "json", "jsonb": "json", "text": "text", "varchar": "text", "bpchar": "text",
    "citext": "text",
}  # fmt: skip

_GENERIC_TYPES: Final[tuple[tuple[type[sa.types.TypeEngine[Any]], Type], ...]] = (
    (sa.types.Boolean, "boolean"),
    (sa.types.Integer, "integer"),
    (sa.types.Float, "real"),
    (sa.types.Numeric, "decimal"),
    (sa.types.DateTime, "datetime"),
    (sa.types.Date, "date"),
    (sa.types.Uuid, "uuid"),
    (sa.types.JSON, "json"),
    (sa.types.LargeBinary, "bytes"),
    (sa.types.String, "text"),
)


def postgresql(connection: sa.Connection, names: Collection[str] | None = None) -> dict[str, Table]:
    """The tables and views of all schemas but the system's; with `names`, of those datasets."""
    # with nothing on the search path, every name comes back with its schema
    connection.execute(sa.text("SET LOCAL search_path = ''"))
    inspector: Inspector = sa.inspect(connection)
    schemas = [
        s
        for s in inspector.get_schema_names()
        if not s.startswith("pg_") and s != "information_schema"
    ]
    wanted: set[str] | None = None
    if names is not None:
        splits = [name.split(".") for name in names]
        wanted = {".".join(parts[i:]) for parts in splits for i in range(len(parts))}
        first = {".".join(parts[:i]) for parts in splits for i in range(1, len(parts))}
        schemas = [s for s in schemas if s == "public" or s in first]
    facts: dict[tuple[str, str], list[Any]] = {}
    asked = {"schemas": schemas, "everything": wanted is None, "names": sorted(wanted or ())}
    for row in connection.execute(_FACTS, asked):
        facts.setdefault((row[0], row[1]), []).append(row[2:])
    along: dict[tuple[str, str], list[Along]] = {}
    for to_schema, to, own_schema, own, fields, on in connection.execute(_ALONG):
        one = Along(own_schema, own, tuple(fields), tuple(on))
        along.setdefault((to_schema, to), []).append(one)
    tables: dict[str, Table] = {}
    for schema in schemas:
        here = {table: rows for (s, table), rows in facts.items() if s == schema}
        if not here:
            continue
        scope: Any = {
            "schema": schema,
            "filter_names": sorted(here),
            "kind": ObjectKind.ANY,
            "scope": ObjectScope.ANY,
        }
        keys = inspector.get_multi_pk_constraint(**scope)
        uniques = inspector.get_multi_indexes(**scope)
        foreign = inspector.get_multi_foreign_keys(**scope)
        # A query of the parent meets the rows of its heirs too, which its keys do not cover.
        heirs = {str(row[0]) for row in connection.execute(_INHERITED, {"schema": schema})}
        keys = {at: key for at, key in keys.items() if at[1] not in heirs}
        uniques = {at: found for at, found in uniques.items() if at[1] not in heirs}
        for name, rows in here.items():
            names_ = [row[1] for row in rows]
            columns = {row[1]: _postgresql_column(row[1:], names_) for row in rows}
            at = (schema, name)
            table = _table(
                _dataset_name(schema, name), name, schema, columns,
                primary=keys.get(at) or {}, indexes=uniques.get(at) or (),
                foreign=foreign.get(at) or (),
                view=rows[0][0] in ("v", "m"),
                physical=("tableoid", "ctid") if rows[0][0] in ("r", "p") else (),
                default_schema="public",
            )  # fmt: skip
            tables[table.dataset] = replace(table, along=tuple(along.get(at, ())))
    return tables


def _dataset_name(schema: str | None, table: str) -> str:
    plain = schema is None or (schema == "public" and "." not in table)
    return table if plain else f"{schema}.{table}"


def _postgresql_column(row: tuple[Any, ...], names: Collection[str]) -> Column:
    name, not_null, generated, category, base, native, deterministic, expression = row
    kind = _POSTGRESQL_TYPES.get(base, "other")
    if category == "e":
        kind = "text"
    character = base in ("varchar", "bpchar", "text")
    return Column(
        name,
        kind,
        # a cast to character(n) would cut silently; assignment to the column does not
        ("bpchar" if base == "bpchar" else "text") if character else native,
        nullable=not not_null,
        plain=bool(deterministic) and category != "e" and base != "citext",
        aware=base == "timestamptz",
        padded=base == "bpchar",
        generated=bool(generated),
        sources=_sources(name, expression, names),
        loose=not deterministic or base == "citext",
    )


def _sources(name: str, expression: str | None, names: Collection[str]) -> tuple[str, ...]:
    """The columns that the expression of a generated column may read: all that it names.

    Words are looked at, not grammar: rather one column too many than one too few.
    """
    words = {word.casefold() for word in re.findall(r"\w+", expression or "")}
    if not words:
        return ()
    return tuple(
        n for n in names
        if n != name and {w.casefold() for w in re.findall(r"\w+", n)} <= words
    )  # fmt: skip


def sqlite(connection: sa.Connection, names: Collection[str] | None = None) -> dict[str, Table]:
    """The tables and views of the main database of the file."""
    inspector: Inspector = sa.inspect(connection)
    views = set(inspector.get_view_names())
    there = [*inspector.get_table_names(), *views]
    rowless = {
        row[1] for row in connection.exec_driver_sql("PRAGMA main.table_list") if row[4] == 1
    }
    along: dict[str, dict[tuple[str, int], list[tuple[str, str | None]]]] = {}
    for to, table_name, number, own, on in connection.execute(_SQLITE_ALONG):
        along.setdefault(to, {}).setdefault((table_name, number), []).append((own, on))
    tables: dict[str, Table] = {}
    for name in sorted(there):
        if names is not None and name not in names:
            continue
        reflected = inspector.get_columns(name)
        pragma = sa.text("SELECT name, type FROM pragma_table_xinfo(:name)")
        declared = {row[0]: row[1].upper() for row in connection.execute(pragma, {"name": name})}
        primary: Mapping[str, Any] = {} if name in views else inspector.get_pk_constraint(name)
        loose = _loose(connection, name)
        keyed = list(primary.get("constrained_columns") or ())
        columns = {}
        for column in reflected:
            kind = _sqlite_type(column["type"], declared.get(column["name"], ""))
            alias = keyed == [column["name"]] and kind == "integer"  # the rowid under a name
            never_null = alias or (name in rowless and column["name"] in keyed)
            columns[column["name"]] = Column(
                column["name"],
                kind,
                kind,
                nullable=bool(column["nullable"]) and not never_null,
                aware=False,
                generated="computed" in column,
                sources=_sources(column["name"], _expression(column), list(declared)),
                loose=column["name"] in loose,
            )
        free = [n for n in ("rowid", "_rowid_", "oid") if n not in {c.lower() for c in columns}]
        table = _table(
            name, name, None, columns, primary=primary,
            indexes=() if name in views else _sqlite_uniques(inspector, name),
            foreign=() if name in views else inspector.get_foreign_keys(name),
            view=name in views,
            physical=tuple(free[:1]) if name not in views and name not in rowless else (),
            default_schema=None,
        )  # fmt: skip
        # A reference that names no columns is to the primary key.
        reached = tuple(
            Along(None, at, tuple(own for own, _ in pairs),
                  tuple(on or keyed[i] for i, (_, on) in enumerate(pairs)))
            for (at, _), pairs in along.get(name.lower(), {}).items()
        )  # fmt: skip
        tables[name] = replace(table, along=reached)
    return tables


def _expression(column: Mapping[str, Any]) -> str | None:
    computed = column.get("computed")
    return computed["sqltext"] if computed else None


def _loose(connection: sa.Connection, table: str) -> frozenset[str]:
    """Columns under a unique index of another collation than BINARY: those are what foreign keys
    can point at, and the engine then takes unlike texts for equal.
    """
    return frozenset(str(row[0]) for row in connection.execute(_COLLATED, {"name": table}))


def _sqlite_uniques(inspector: Inspector, name: str) -> list[Mapping[str, Any]]:
    with warnings.catch_warnings():
        # An index on expressions proves nothing here, and is not worth a word on a terminal.
        warnings.filterwarnings("ignore", "Skipped unsupported reflection")
        return _sqlite_all(inspector, name)


def _sqlite_all(inspector: Inspector, name: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = [
        {"unique": True, "column_names": made["column_names"]}
        for made in inspector.get_unique_constraints(name)
    ]
    return [*found, *inspector.get_indexes(name)]


def _sqlite_type(kind: sa.types.TypeEngine[Any], declared: str) -> Type:
    if "UUID" in declared or "GUID" in declared:
        return "uuid"
    found: Type = next((t for cls, t in _GENERIC_TYPES if isinstance(kind, cls)), "other")
    # numeric is also SQLite's answer to a type that it does not know
    known = found != "decimal" or "NUM" in declared or "DEC" in declared
    return found if known and declared else "other"


#: Runs a statement on the catalogue.
Ask: TypeAlias = Callable[[str], Iterable[tuple[Any, ...]]]

_MARIADB_TYPES: Final[Mapping[str, Type]] = {
    "tinyint": "integer", "smallint": "integer", "mediumint": "integer", "int": "integer",
    "bigint": "integer", "year": "integer", "bit": "integer", "decimal": "decimal",
    "float": "real", "double": "real", "date": "date", "datetime": "datetime",
    "timestamp": "datetime", "uuid": "uuid", "char": "text", "varchar": "text",
    "tinytext": "text", "text": "text", "mediumtext": "text", "longtext": "text",
    "enum": "text", "set": "text", "binary": "bytes", "varbinary": "bytes",
    "tinyblob": "bytes", "blob": "bytes", "mediumblob": "bytes", "longblob": "bytes",
}  # fmt: skip

_MARIADB_TABLES: Final = """
    SELECT t.table_name, t.table_type, t.engine, e.transactions
    FROM information_schema.tables t
    LEFT JOIN information_schema.engines e ON e.engine = t.engine
    WHERE t.table_schema = database()
      AND t.table_type IN ('BASE TABLE', 'VIEW', 'SYSTEM VERSIONED')
    ORDER BY t.table_name"""
_MARIADB_COLUMNS: Final = """
    SELECT table_name, column_name, data_type, column_type, is_nullable, collation_name,
           lower(extra), is_generated
    FROM information_schema.columns WHERE table_schema = database()
    ORDER BY table_name, ordinal_position"""
_MARIADB_UNIQUE: Final = """
    SELECT table_name, index_name, column_name, sub_part
    FROM information_schema.statistics WHERE table_schema = database() AND non_unique = 0
    ORDER BY table_name, index_name = 'PRIMARY' DESC, index_name, seq_in_index"""
_MARIADB_FOREIGN: Final = """
    SELECT u.table_schema = database(), u.table_schema, u.table_name, u.constraint_name,
           u.column_name, u.referenced_table_schema, u.referenced_table_name,
           u.referenced_column_name, r.delete_rule
    FROM information_schema.key_column_usage u
    LEFT JOIN information_schema.referential_constraints r
      ON r.constraint_schema = u.constraint_schema AND r.constraint_name = u.constraint_name
     AND r.table_name = u.table_name
    WHERE u.referenced_table_name IS NOT NULL
      AND (u.table_schema = database() OR u.referenced_table_schema = database())
    ORDER BY u.table_schema, u.table_name, u.constraint_name, u.ordinal_position"""
_MARIADB_JSON: Final = """
    SELECT table_name, constraint_name FROM information_schema.check_constraints
    WHERE constraint_schema = database() AND level = 'Column'
      AND check_clause = concat('json_valid(`', replace(constraint_name, '`', '``'), '`)')"""


def mariadb(ask: Ask, names: Collection[str] | None = None) -> dict[str, Table]:
    """The tables and views of the connection's database."""
    here = next(iter(ask("SELECT database()")))[0]
    json = {(table, column) for table, column in ask(_MARIADB_JSON)}
    columns: dict[str, dict[str, Column]] = {}
    for table, *facts in ask(_MARIADB_COLUMNS):
        made = _mariadb_column(facts, json=(table, facts[0]) in json)
        columns.setdefault(table, {})[made.name] = made
    unique: dict[str, dict[str, list[str | None]]] = {}
    for table, index, column, part in ask(_MARIADB_UNIQUE):
        # an index on the beginnings of texts proves nothing about the texts
        members = unique.setdefault(table, {}).setdefault(index, [])
        members.append(None if part else column)
    outgoing: dict[str, dict[Any, dict[str, Any]]] = {}
    incoming: dict[str, dict[Any, Along]] = {}
    for ours, schema, table, name, column, to_schema, to, on, rule in ask(_MARIADB_FOREIGN):
        at = (schema, table, name)
        if ours:
            foreign = outgoing.setdefault(table, {}).setdefault(
                at,
                {
                    "constrained_columns": [],
                    "referred_schema": None if to_schema == here else to_schema,
                    "referred_table": to,
                    "referred_columns": [],
                },
            )
            foreign["constrained_columns"].append(column)
            foreign["referred_columns"].append(on)
        # the rule is hidden from a role that may not change the other table
        if to_schema == here and rule not in ("RESTRICT", "NO ACTION"):
            known = incoming.setdefault(to, {}).get(at)
            incoming[to][at] = Along(
                None if ours else schema,
                table,
                (*(known.fields if known else ()), column),
                (*(known.on if known else ()), on),
            )
    tables: dict[str, Table] = {}
    for name, kind, store, transactions in ask(_MARIADB_TABLES):
        if names is not None and name not in names:
            continue
        indexes = unique.get(name, {})
        made_of = _table(
            name, name, None, columns.get(name, {}),
            primary={"constrained_columns": indexes.get("PRIMARY")},
            indexes=[{"unique": True, "column_names": members} for members in indexes.values()],
            foreign=outgoing.get(name, {}).values(),
            view=kind == "VIEW", physical=(), default_schema=None,
        )  # fmt: skip
        barred = None
        if kind == "SYSTEM VERSIONED":
            barred = "system-versioned: what is deleted stays readable in its history"
        elif kind != "VIEW" and transactions != "YES":
            barred = f"kept by the engine {store}, which has no transactions"
        along = tuple(incoming.get(name, {}).values())
        tables[name] = replace(made_of, barred=barred, along=along)
    return tables


def _mariadb_column(facts: Sequence[Any], *, json: bool) -> Column:
    name, native, declared, nullable, collation, extra, generated = facts
    kind = _MARIADB_TYPES.get(native, "other")
    if json:
        kind = "json"
    elif declared in ("tinyint(1)", "bit(1)"):
        kind = "boolean"
    elif collation and native not in ("enum", "set"):
        native = collation  # an index of this collation serves
    elif declared == "binary(16)":
        native = declared
    return Column(
        name,
        kind,
        native if kind != "json" else collation,
        nullable=nullable == "YES",
        aware=native == "timestamp",
        padded=declared.startswith("char("),
        generated=generated == "ALWAYS",
        touched="on update" in extra,
    )


def _table(
    dataset: str,
    name: str,
    schema: str | None,
    columns: Mapping[str, Column],
    *,
    primary: Mapping[str, Any],
    indexes: Iterable[Mapping[str, Any]],
    foreign: Iterable[Mapping[str, Any]],
    view: bool,
    physical: tuple[str, ...],
    default_schema: str | None,
) -> Table:
    key = tuple(primary.get("constrained_columns") or ())
    sets = [key] if key else []
    for index in indexes:
        partial = any("where" in option for option in index.get("dialect_options") or ())
        members = tuple(index.get("column_names") or ())
        whole = members and None not in members and not index.get("expressions")
        if index.get("unique") and whole and not partial:
            sets.append(members)
    proven = [
        frozenset(members)
        for members in sets
        if all(m in columns and not columns[m].nullable for m in members)
    ]
    references = tuple(
        Reference(
            tuple(f["constrained_columns"]),
            _dataset_name(f.get("referred_schema") or default_schema, f["referred_table"]),
            tuple(f["referred_columns"]),
        )
        for f in foreign
    )
    if not key and proven:
        first = next(members for members in sets if frozenset(members) in proven)
        key = first
    return Table(
        dataset, name, schema, columns, key, tuple(proven), references, view, physical
    )  # fmt: skip


def dataset_of(table: Table) -> Dataset:
    """The table as a value of the data map. Of a view or a barred table nothing is erased."""
    return Dataset(
        table.dataset,
        table.key,
        {
            name: Field(
                name, column.type, nullable=column.nullable, loose=column.loose,
                computed=column.sources if column.generated else None,
            )
            for name, column in table.columns.items()
        },
        links=tuple(Link(r.fields, r.to, r.on) for r in table.references),
        on_erase=OnErase.NEVER if table.view or table.barred else OnErase.DELETE,
        title="view" if table.view else table.barred,
        readonly=table.view or table.barred is not None,
    )  # fmt: skip
