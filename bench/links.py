"""Links in databases that others designed: precision and recall, their foreign keys the truth.

    kept bench links DIRECTORY [--keys dense|sparse] [--rows 0]

DIRECTORY holds one schema in each `NAME.sql` (PostgreSQL) or `NAME.DIALECT.sql` (mysql, sqlite,
tsql, …), and `people.json`, `{"NAME": ["table of people", …]}`: a link is one to people where it
leads to one of these. Each schema is read, its foreign keys are noted and left out, its tables are
made and filled with rows that obey the keys, and `discover` looks at what is left. A key that
the schema's authors did not declare counts as false where it is found: precision is a lower
bound. `dense`: whole-number keys count from 1, as they mostly do, so that the numbers of one table
are met in all; `sparse`: they are drawn from a wide range. `--rows 0`: tables without rows, judged
by names and types alone. Nothing of a schema is kept. What is left out: INHERITS, partitions,
unique indexes on expressions, and statements that the parser cannot read (counted).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import json
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from _ratio import Result, Row, bench
from kept.embedded import SUPERUSER, Server
from kept.stores.discover import discover
from kept.stores.sql import PostgreSQLStore

SETTINGS = {"fsync": "off", "autovacuum": "off", "full_page_writes": "off"}
YEAR = 2026
GOAL = 0.9
TYPES = {
    "INT BIGINT SMALLINT TINYINT MEDIUMINT UINT UBIGINT SERIAL BIGSERIAL SMALLSERIAL YEAR "
    "USMALLINT UTINYINT UMEDIUMINT INT256 INT128": "bigint",
    "BOOLEAN BIT": "boolean",
    "DATE": "date",
    "TIMESTAMP TIMESTAMPTZ DATETIME TIMESTAMPLTZ DATETIME2 SMALLDATETIME TIMESTAMPNTZ": "timestamp",
    "FLOAT DOUBLE": "double precision",
    "DECIMAL MONEY BIGDECIMAL SMALLMONEY": "numeric",
    "UUID UNIQUEIDENTIFIER": "uuid",
    "JSON JSONB": "jsonb",
    "VARBINARY BINARY BLOB LONGBLOB MEDIUMBLOB TINYBLOB IMAGE": "bytea",
}
SQL_OF = {name: sql for names, sql in TYPES.items() for name in names.split()}
FIRST = ("Ana", "Ben", "Carla", "David", "Eva", "Finn", "Greta", "Hugo", "Ines", "Jan", "Klara")
LAST = ("Adler", "Brandt", "Costa", "Dupont", "Engel", "Ferrari", "Garcia", "Huber", "Jansen")
WORDS = ("alpha", "report", "green", "river", "table", "cloud", "stone", "paper", "light", "window")


@dataclasses.dataclass
class Key:
    """`columns` here are found as `on` of table `to` (on empty: its primary key)."""

    columns: tuple[str, ...]
    to: str
    on: tuple[str, ...]


@dataclasses.dataclass
class Design:
    """One table as its authors wrote it: column → (type, may be null)."""

    columns: dict[str, tuple[str, bool]]
    key: tuple[str, ...] = ()
    unique: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    links: list[Key] = dataclasses.field(default_factory=list)


# ---------------------------------------------------------------- reading


def statements(text: str) -> Iterator[str]:
    """The statements of a script, split at semicolons outside of quotes and comments."""
    start = at = 0
    while at < len(text):
        two = text[at : at + 2]
        if two == "--":
            at = _after(text, "\n", at + 2)
        elif two == "/*":
            at = _after(text, "*/", at + 2)
        elif text[at] in "'\"`":
            at = _after(text, text[at], at + 1)
        elif text[at] == "$" and (end := text.find("$", at + 1)) > 0 and (
            end == at + 1 or text[at + 1 : end].isidentifier()
        ):  # fmt: skip
            at = _after(text, text[at : end + 1], end + 1)
        elif text[at] == ";":
            yield text[start:at]
            start = at = at + 1
        else:
            at += 1
    yield text[start:]


def _after(text: str, mark: str, at: int) -> int:
    end = text.find(mark, at)
    return len(text) if end < 0 else end + len(mark)


class Reader:
    """Tables of a script. `unread`: statements about tables that could not be parsed."""

    def __init__(self, text: str, dialect: str) -> None:
        self.dialect, self.unread = dialect, 0
        self.tables: dict[str, Design] = {}
        for statement in statements(text):
            words = " ".join(
                line for line in statement.split("\n") if not line.strip().startswith("--")
            ).upper()
            if not (("CREATE" in words and "TABLE" in words) or "ALTER TABLE" in words):
                continue
            try:
                self._read(parse_one(statement, dialect=dialect))
            except SqlglotError:
                self.unread += 1
        self.tables = {name: table for name, table in self.tables.items() if table.columns}
        for table in self.tables.values():
            table.key = self._real(table, table.key) or ()
            table.columns |= {c: (table.columns[c][0], False) for c in table.key}
            table.unique = [u for u in (self._real(table, u) for u in table.unique) if u]
        for table in self.tables.values():
            table.links = [k for k in (self._whole(table, k) for k in table.links) if k]

    def _read(self, tree: exp.Expression) -> None:
        if isinstance(tree, exp.Create) and tree.kind == "TABLE":
            if not isinstance(tree.this, exp.Schema):
                return
            made = self.tables[self._table(tree.this.this)] = Design({})
            for part in tree.this.expressions:
                if isinstance(part, exp.ColumnDef):
                    self._column(made, part)
                else:
                    self._constraint(made, part)
        elif isinstance(tree, exp.Alter) and tree.kind == "TABLE":
            known = self.tables.get(self._table(tree.this))
            for action in tree.args.get("actions") or () if known else ():
                assert known is not None
                if isinstance(action, exp.ColumnDef):
                    self._column(known, action)
                elif isinstance(action, exp.AddConstraint):
                    for part in action.expressions:
                        self._constraint(known, part)

    def _column(self, table: Design, part: exp.ColumnDef) -> None:
        name = self._name(part.this)
        kind = part.args.get("kind")
        text = (
            kind.this.name if isinstance(kind, exp.DataType) and kind.this != "USERDEFINED" else ""
        )
        null = "SERIAL" not in text
        for constraint in part.constraints:
            inner = constraint.kind
            if isinstance(inner, exp.PrimaryKeyColumnConstraint):
                table.key, null = (name,), False
            elif isinstance(inner, exp.NotNullColumnConstraint):
                null = bool(inner.args.get("allow_null"))
            elif isinstance(inner, exp.UniqueColumnConstraint):
                table.unique.append((name,))
            elif isinstance(inner, exp.Reference):
                table.links.append(self._reference((name,), inner))
        table.columns[name] = (SQL_OF.get(text, "text"), null)

    def _constraint(self, table: Design, part: exp.Expression) -> None:
        if isinstance(part, exp.Constraint):
            for inner in part.expressions:
                self._constraint(table, inner)
        elif isinstance(part, exp.PrimaryKey):
            table.key = tuple(self._name(c) for c in part.expressions)
        elif isinstance(part, exp.ForeignKey) and part.args.get("reference"):
            columns = tuple(self._name(c) for c in part.expressions)
            table.links.append(self._reference(columns, part.args["reference"]))
        elif isinstance(part, exp.UniqueColumnConstraint) and isinstance(part.this, exp.Schema):
            table.unique.append(tuple(self._name(c) for c in part.this.expressions))

    def _reference(self, columns: tuple[str, ...], made: exp.Expression) -> Key:
        target = made.this
        on: tuple[str, ...] = ()
        if isinstance(target, exp.Schema):
            on = tuple(self._name(c) for c in target.expressions)
            target = target.this
        return Key(columns, self._table(target), on)

    def _name(self, made: exp.Expression) -> str:
        one = made.find(exp.Identifier)
        if one is None:
            return made.name
        # where nothing is quoted, PostgreSQL folds; the others show what was written
        fold = self.dialect == "postgres" and not one.args.get("quoted")
        return one.name.lower() if fold else one.name

    def _table(self, made: exp.Expression) -> str:
        table = made if isinstance(made, exp.Table) else made.find(exp.Table)
        assert table is not None
        name = self._name(table.this)
        return f"{table.db}.{name}" if table.db not in ("", "public", "dbo") else name

    def _whole(self, table: Design, key: Key) -> Key | None:
        """The key with the names as the tables have them; None where its target is not there."""
        to = next((t for t in self.tables if t.lower() == key.to.lower()), None)
        mine = self._real(table, key.columns)
        if to is None or mine is None:
            return None
        on = self._real(self.tables[to], key.on) if key.on else self.tables[to].key
        return Key(mine, to, on) if on and len(on) == len(mine) else None

    @staticmethod
    def _real(table: Design, columns: tuple[str, ...]) -> tuple[str, ...] | None:
        known = {c.lower(): c for c in table.columns}
        real = tuple(known.get(c.lower(), "") for c in columns)
        return real if all(real) else None


# ---------------------------------------------------------------- filling


class Filler:
    """Rows that obey the keys."""

    def __init__(self, tables: dict[str, Design], rows: int, dense: bool, seed: int) -> None:
        self.tables, self.dense, self.rows = tables, dense, rows
        self.draw = random.Random(seed)
        self.done: dict[str, list[dict[str, Any]]] = {}
        self._open: set[str] = set()
        for name in tables if rows else ():
            self._fill(name)

    def _fill(self, name: str) -> None:
        if name in self.done or name in self._open:
            return
        self._open.add(name)
        table, draw = self.tables[name], self.draw
        links = sorted(table.links, key=lambda k: -len(k.columns))
        for link in links:
            self._fill(link.to)
        seen: dict[tuple[str, ...], set[tuple[Any, ...]]] = {
            u: set() for u in (table.key, *table.unique) if u
        }
        spans = {c: draw.choice((5, 50, 300)) for c in table.columns}
        once = {u[0] for u in seen if len(u) == 1}
        made: list[dict[str, Any]] = []
        for number in range(1, draw.choice((1, 2, 4)) * self.rows // 2 + 1):
            row: dict[str, Any] = {}
            for link in links:
                self._follow(name, table, link, row, made, once, number)
            for column, (kind, null) in table.columns.items():
                if column in row:
                    continue
                alone = column in once or column in table.key
                row[column] = (
                    None if null and not alone and draw.random() < 0.15
                    else self._value(column, kind, number, alone, spans[column])
                )  # fmt: skip
            given = {u: tuple(row[c] for c in u) for u in seen}
            short = any(row[c] is None for c, (_, null) in table.columns.items() if not null)
            if short or any(v in seen[u] and None not in v for u, v in given.items()):
                continue
            for unique, values in given.items():
                seen[unique].add(values)
            made.append(row)
        self.done[name] = made

    def _follow(
        self, name: str, table: Design, link: Key, row: dict[str, Any],
        made: list[dict[str, Any]], once: set[str], number: int,
    ) -> None:  # fmt: skip
        """Choose a row at the other end; null where there is none yet and it may be."""
        if any(c in row for c in link.columns):
            return
        there = made if link.to == name else self.done.get(link.to, [])
        optional = all(table.columns[c][1] for c in link.columns)
        if not there or (optional and self.draw.random() < 0.15):
            if optional:
                row.update(dict.fromkeys(link.columns))
            return
        single = set(link.columns) & once
        other = there[(number - 1) % len(there)] if single else self.draw.choice(there)
        row.update({c: other[o] for c, o in zip(link.columns, link.on, strict=True)})

    def _value(self, column: str, kind: str, number: int, alone: bool, span: int) -> Any:
        draw = self.draw
        match kind:
            case "bigint":
                if alone:
                    return number if self.dense else number * 7919 + draw.randrange(7000) + 10**6
                named = column.lower().endswith("id")
                return draw.randrange(1, 2 * self.rows) if named else draw.randrange(span)
            case "boolean":
                return draw.random() < 0.5
            case "date":
                return dt.date(2015, 1, 1) + dt.timedelta(days=draw.randrange(3600))
            case "timestamp":
                return dt.datetime(2015, 1, 1) + dt.timedelta(minutes=draw.randrange(5 * 10**6))  # noqa: DTZ001
            case "double precision" | "numeric":
                return round(draw.random() * 100, 2)
            case "uuid":
                return uuid.UUID(int=draw.getrandbits(128))
            case "jsonb":
                return json.dumps({"size": draw.randrange(9), "label": draw.choice(WORDS)})
            case "bytea":
                return number.to_bytes(4, "big") if alone else b"\x00\x01"
        return self._text(column.lower(), number, alone)

    def _text(self, column: str, number: int, alone: bool) -> str:
        draw = self.draw
        first, last = draw.choice(FIRST), draw.choice(LAST)
        for marks, made in (
            (("mail", "correo", "courriel"), f"{first}.{last}{number}@example.org".lower()),
            (("first", "vorname", "prenom", "given"), first),
            (("last_name", "lastname", "surname", "nachname", "cognome", "apellido"), last),
            (("phone", "telefon", "telephone", "mobile"), f"+49 30 {2_000_000 + number}"),
            (("login", "username", "user_name"), f"{first}{number}".lower()),
            (("desc", "body", "note", "comment", "message", "content", "texto"),
             " ".join(draw.choices(WORDS, k=9))),
            (("type", "status", "state", "kind", "lang", "locale", "currency", "code"),
             draw.choice(("open", "closed", "new", "en", "de")) + (str(number) if alone else "")),
        ):  # fmt: skip
            if any(mark in column for mark in marks):
                return made
        return f"{draw.choice(WORDS)} {number}" if alone else " ".join(draw.choices(WORDS, k=2))


def load(url: str, tables: dict[str, Design], rows: dict[str, list[dict[str, Any]]]) -> None:
    """The tables with their primary and unique keys, their rows, and no foreign key."""
    with psycopg.connect(url) as connection:
        for schema in {name.partition(".")[0] for name in tables if "." in name}:
            connection.execute(f"CREATE SCHEMA {quoted(schema)}")
        for name, table in tables.items():
            parts = [
                f"{quoted(c)} {kind}{'' if null else ' NOT NULL'}"
                for c, (kind, null) in table.columns.items()
            ]
            keys = [("PRIMARY KEY", table.key), *(("UNIQUE", u) for u in table.unique)]
            parts += [f"{word} ({', '.join(map(quoted, key))})" for word, key in keys if key]
            where = ".".join(map(quoted, name.split(".")))
            connection.execute(f"CREATE TABLE {where} ({', '.join(parts)})")
            columns = ", ".join(map(quoted, table.columns))
            with connection.cursor().copy(f"COPY {where} ({columns}) FROM STDIN") as copy:
                for row in rows.get(name, ()):
                    copy.write_row([row[c] for c in table.columns])


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


# ---------------------------------------------------------------- measuring


@dataclasses.dataclass
class Score:
    """Counts of links: those that are true, those that were found, and those that are both."""

    true: int = 0
    found: int = 0
    both: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(self.true + other.true, self.found + other.found, self.both + other.both)

    @property
    def precision(self) -> float:
        return self.both / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.both / self.true if self.true else 1.0

    def __str__(self) -> str:
        return (
            f"precision {self.precision:.3f}, recall {self.recall:.3f} "
            f"({self.true} true, {self.found} found, {self.both} both)"
        )


Link = tuple[str, frozenset[tuple[str, str]], str]


def compared(url: str, tables: dict[str, Design], people: set[str], show: bool) -> list[Score]:
    """Scores of links to people, and of all links."""
    store = PostgreSQLStore("bench", (), url)
    seen = discover(store, year=YEAR)
    store.close()
    true: set[Link] = {
        (name, frozenset(zip(k.columns, k.on, strict=True)), k.to)
        for name, table in tables.items()
        for k in table.links
    }
    found: set[Link] = {
        (name, frozenset(zip(k.columns, k.on, strict=True)), k.to)
        for name, one in seen.datasets.items()
        for k in one.links
        if k.basis == "inferred"
    }
    mine = [{k for k in links if k[2].lower() in people} for links in (true, found)]
    if show:
        for word, links in (("missed", mine[0] - mine[1]), ("false", mine[1] - mine[0])):
            for name, pairs, to in sorted(links, key=str):
                print(f"    {word}: {name} {sorted(pairs)} {to}")
    return [Score(len(a), len(b), len(a & b)) for a, b in ((mine[0], mine[1]), (true, found))]


def run(args: argparse.Namespace) -> Result:
    if args.directory is None:
        print("links: nothing measured; name a directory with schemas (`--help` says of what kind)")
        raise SystemExit(0)
    files = sorted(Path(args.directory).glob("*.sql"))
    if not files:
        print(f"links: expected schemas as NAME.sql in {args.directory}, met none", file=sys.stderr)
        raise SystemExit(2)
    listed = Path(args.directory) / "people.json"
    known = json.loads(listed.read_text("utf-8")) if listed.is_file() else {}
    totals, notes, took = [Score(), Score()], {}, 0.0
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory())
        server = Server(Path(where) / "postgres", SETTINGS)
        server.acquire()
        stack.callback(server.release)
        for number, file in enumerate(files):
            name, _, dialect = file.name.removesuffix(".sql").partition(".")
            read = Reader(file.read_text("utf-8", errors="replace"), dialect or "postgres")
            filled = Filler(read.tables, args.rows, args.keys == "dense", args.seed)
            url = server.make_database(f"schema_{number}")
            load(url, read.tables, filled.done)
            began = time.perf_counter()
            scores = compared(url, read.tables, {t.lower() for t in known.get(name, ())}, args.show)
            took += time.perf_counter() - began
            totals = [a + b for a, b in zip(totals, scores, strict=True)]
            unread = f"; {read.unread} statements unread" if read.unread else ""
            notes[f"{name}, {len(read.tables)} tables"] = (
                f"people {scores[0]}; all {scores[1]}{unread}"
            )
            with psycopg.connect(server.url("postgres", SUPERUSER), autocommit=True) as connection:
                connection.execute(f'DROP DATABASE "schema_{number}" WITH (FORCE)')
    notes |= {"all schemas, people": totals[0], "all schemas, all links": totals[1]}
    notes["seconds in discover"] = round(took, 1)
    shown = (("precision", totals[0].precision), ("recall", totals[0].recall))
    return Result(
        tuple(
            Row(f"{word} of links to people (goal: {GOAL})", GOAL, value, "", goal=1.0, more=True)
            for word, value in shown
        ),
        {k: str(v) for k, v in notes.items()},
    )


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", help="schemas, and people.json")
    parser.add_argument("--keys", choices=("dense", "sparse"), default="dense")
    parser.add_argument("--rows", type=int, default=200, help="about so many a table; 0: none")
    parser.add_argument("--seed", type=int, default=20230627)
    parser.add_argument(
        "--show", action="store_true", help="name what was missed and what is false"
    )


if __name__ == "__main__":
    bench("links", run, arguments=arguments)
