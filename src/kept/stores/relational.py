"""What the stores of companies' SQL databases have in common.
The statements come from `stores.statements`, compiled once per shape; the drivers run them
as they are. Errors of a database never leave this room: their details hold values.
"""

from __future__ import annotations

import abc
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import sqlalchemy as sa

from kept.datamap.map import Dataset
from kept.datamap.searches import Search
from kept.errors import ConfigError, NotAble, StoreError
from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.select import Batch, KeyRow, KeySet, KeyTable, Select
from kept.model.values import Value
from kept.stores import introspect
from kept.stores.base import Session, Store
from kept.stores.columns import Table
from kept.stores.dialects import Dialect
from kept.stores.engine_sqlite import OURS
from kept.stores.explain import SAMPLES, served
from kept.stores.rows import assigned, decode
from kept.stores.statements import Call, Memo, ReadCall, Statements, Written

#: Rows per Batch, and per step where rows are computed outside the engine.
CHUNK: Final = 2000

#: Rows that one statement adds, and values in it at most (SQLite takes 32,766).
ROWS: Final = 250
VARIABLES: Final = 30_000

#: The longest time that an option names, in seconds: a day. More connections than that, none.
LONGEST: Final = 86_400

_MARKER: Final = "kept_step"
_WORDS: Final[Mapping[Any, str]] = {
    bool: "true or false",
    int: f"a whole number from 1 to {LONGEST}",
    float: f"seconds, from 0.001 to {LONGEST}",
    str: "a text",
}


@dataclass(frozen=True, slots=True)
class Options:
    """How a SQL store behaves; times in seconds.

    `statement_timeout` ends a statement, `lock_timeout` a wait for somebody else's lock,
    `idle_timeout` a transaction that Kept itself left open (PostgreSQL). `prepare` off: for a
    pooler between that does not keep prepared statements. `marker` on: the operator allows
    the table kept_step, which makes a step id do nothing the second time, for ever.
    `data_directory`: where the server's own files lie, if this account may read them: what an
    erasure leaves in them is looked at (PostgreSQL).
    """

    statement_timeout: float = 300.0
    lock_timeout: float = 10.0
    idle_timeout: float = 600.0
    connect_timeout: int = 10
    connections: int = 4
    prepare: bool = True
    marker: bool = False
    data_directory: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From the words of a settings file; ConfigError for one that is not known."""
        kinds = {option.name: type(option.default) for option in fields(cls)}
        for name, value in given.items():
            wanted = kinds.get(name)
            if wanted is None:
                raise ConfigError(
                    f"`{name}` is not an option of a SQL store",
                    expected=f"one of {', '.join(kinds)}",
                    fix="correct its spelling in kept.toml, or remove it",
                )
            whole = type(value) is int and 1 <= value <= LONGEST
            part = type(value) is float and 0.001 <= value <= LONGEST
            fits = {
                bool: type(value) is bool, int: whole, float: whole or part,
                str: type(value) is str,
            }  # fmt: skip
            if not fits[wanted]:
                raise ConfigError(
                    f"the value of the option `{name}` is not of its kind",
                    expected=_WORDS[wanted],
                    fix="mend it in kept.toml",
                )
        return cls(**given)


class SqlStore(Store):
    """A store whose statements one dialect writes."""

    dialect: Dialect
    #: how a person begins the transaction in which the statements are run
    opening: tuple[str, ...] = ("BEGIN;",)

    def __init__(
        self,
        system: str,
        mapped: Iterable[Dataset] = (),
        *,
        options: Options | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(system, mapped)
        self.options = options if isinstance(options, Options) else Options.of(options or {})
        self._lock = threading.RLock()
        self._tables: dict[str, Table] = {}
        self._served: dict[Search, bool] = {}
        self.statements_of = Statements(self.dialect, self.table, self.served)

    @abc.abstractmethod
    def reflect(self, names: Collection[str] | None) -> dict[str, Table]:
        """What the database says of its tables; StoreUnreachable."""

    @abc.abstractmethod
    def session(self, *, write: bool = False) -> SqlSession:
        """A fresh handle; StoreUnreachable."""

    def datasets(self) -> Iterable[Dataset]:
        """All tables and views, but Kept's own marker; a view is read-only."""
        return [
            introspect.dataset_of(table)
            for name, table in self.reflect(None).items()
            if name != _MARKER
        ]

    def table(self, dataset: str) -> Table:
        """What the dataset really is; reflected once, all mapped datasets together."""
        found = self._tables.get(dataset)
        if found is None:
            with self._lock:
                self._tables.update(self.reflect({*self.mapped, dataset}))
            found = self._tables.get(dataset)
        if found is None:
            raise StoreError(
                f"`{self.system}` has no table `{dataset}`",
                expected="every dataset of the data map to be a table or view",
                fix="compare the map with the database: `kept map check`",
            )
        return found

    def served(self, search: Search) -> bool:
        """Whether an index finds the rows of a search, as far as can be told.

        Asked once, until `forget`, and only where the dialect turns joins.
        """
        known = self._served.get(search)
        if known is None:
            # What is explained may itself hold a list (the spellings of one key): as it comes.
            known = self._served[search] = True
            table = self.table(search.dataset)
            if all(table.column(name).type in SAMPLES for name in search.fields):
                session = self.session()
                with session:
                    known = served(self.statements_of, search, session.explain)
                self._served[search] = known
        return known

    def forget(self) -> None:
        """Reflect again at the next use: the database has changed under us."""
        with self._lock:
            self._tables.clear()
            self._served.clear()
            self.statements_of = Statements(self.dialect, self.table, self.served)

    def statements(self, changes: Sequence[Change]) -> list[str]:
        """The changes as SQL for a person to run, in one transaction, literals quoted.

        New values that the engine cannot compute are read and computed now.
        """
        written = []
        memo: Memo = {}
        for change in changes:
            if self.statements_of.by_row(change):
                written += self._by_row_text(change)
                continue
            made = self.statements_of.change(change, memo)
            if made is not None:
                written.append(made.text)
        if any(name in text for text in written for name in OURS):
            raise NotAble(
                f"a change of `{self.system}` needs functions that only Kept's connection has",
                expected="keys and conditions without dates, moments and bytes",
                fix="set the system's mode to `act`, or do it in the system itself",
            )
        return [*self.opening, *written, "COMMIT;"] if written else []

    def _by_row_text(self, change: Change) -> list[str]:
        session = self.session()
        with session:
            return [made.text for _, made in session.computed(change) if made is not None]


class SqlSession(Session):
    """One transaction. The subclasses know how statements run and how errors read."""

    def __init__(self, store: SqlStore, *, write: bool) -> None:
        self.store, self.write = store, write
        self._closed = False

    # ------------------------------------------------------------ what the driver does

    @abc.abstractmethod
    def _stream(self, calls: Sequence[Call]) -> Iterator[tuple[int, list[Any]]]:
        """Run; (index, some rows) in order. StoreError, with the transaction undone."""

    @abc.abstractmethod
    def _change(self, changes: Sequence[Written]) -> list[Counts]:
        """Run, and count found and changed rows."""

    @abc.abstractmethod
    def _attempt(self, changes: Sequence[Change]) -> list[Obstacle]:
        """Apply one by one inside the transaction and undo it all; what went wrong."""

    @abc.abstractmethod
    def _mark(self, step: str) -> bool:
        """Note the step id; False: it was there already."""

    @abc.abstractmethod
    def _chunks(self, call: Call) -> Iterator[list[Any]]:
        """The rows in chunks, while other statements may run between."""

    def _decoded(self, call: ReadCall, rows: list[Any]) -> list[Any]:
        """The rows with Values in them."""
        return rows

    # ------------------------------------------------------------ what all have in common

    def ask(self, dataset: str | None, statement: sa.ClauseElement) -> list[Any]:
        """The rows of a statement that only looks (discovery), whole; StoreError as ever."""
        self._open()
        made = statement.compile(dialect=self.store.dialect.compiled)
        params = [made.params[name] for name in getattr(made, "positiontup", None) or ()]
        call = Call(dataset or "", str(made), params)
        return [row for _, rows in self._stream([call]) for row in rows]

    def explain(self, how: str, call: Call) -> list[Any]:
        """What the engine says, after the words `how`, of the way in which it would run a call."""
        self._open()
        asked = Call(call.dataset, how + call.sql, call.params)
        return [row for _, rows in self._stream([asked]) for row in rows]

    def read(self, selects: Sequence[Select]) -> Iterator[tuple[int, Batch]]:
        """Stream the rows; all statements are under way at once where the engine allows it."""
        self._open()
        memo: Memo = {}
        read = self.store.statements_of.read
        made = [read(s, s.fields, memo) for s in selects]
        calls = [(i, call) for i, call in enumerate(made) if call is not None]
        for n, rows in self._stream([call for _, call in calls]):
            if not rows:
                continue
            index, call = calls[n]
            rows = self._decoded(call, rows)
            if call.person is not None:
                yield index, Batch(call.columns, rows, [call.person] * len(rows))
            else:
                yield index, Batch(call.columns, [r[:-1] for r in rows], [r[-1] for r in rows])

    def keys(self, selects: Sequence[Select]) -> KeySet:
        """The key values of the rows, each with its person."""
        self._open()
        memo: Memo = {}
        read = self.store.statements_of.read
        found: dict[str, tuple[tuple[str, ...], dict[KeyRow, None]]] = {}
        calls: list[tuple[Select, ReadCall]] = []
        for select in selects:
            fields, _ = found.setdefault(select.dataset, (select.key, {}))
            if fields != select.key:
                raise StoreError(
                    f"`{select.dataset}` was asked for two different keys at once",
                    expected="selects of one dataset to agree on its key",
                )
            call = read(select, select.key, memo)
            if call is not None:
                calls.append((select, call))
        for n, rows in self._stream([call for _, call in calls]):
            select, call = calls[n]
            into = found[select.dataset][1]
            person = call.person
            for row in self._decoded(call, rows):
                into[(row[-1], row[:-1]) if person is None else (person, row)] = None
        return KeySet({name: KeyTable(key, tuple(rows)) for name, (key, rows) in found.items()})

    def count(self, selects: Sequence[Select]) -> list[int]:
        """Distinct rows per select, counted by the engine."""
        self._open()
        memo: Memo = {}
        counts = [0] * len(selects)
        made = [self.store.statements_of.count(s, memo) for s in selects]
        calls = [(i, call) for i, call in enumerate(made) if call is not None]
        for n, rows in self._stream([call for _, call in calls]):
            if rows:
                counts[calls[n][0]] = rows[0][0]
        return counts

    def rehearse(self, changes: Sequence[Change]) -> list[Obstacle]:
        """Apply, look for refusals (deferred constraints too), and undo."""
        self._open(writes=True)
        for change in changes:
            self.store.statements_of.writable(change)
        return self._attempt(changes)

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """Carry out the changes in order, one statement each (see Options.marker for `step`)."""
        self._open(writes=True)
        for change in changes:
            self.store.statements_of.writable(change)
        if self.store.options.marker and changes and not self._mark(step):
            return [Counts(found=n) for n in self.count([c.select for c in changes])]
        return self.carry_out(changes)

    def carry_out(self, changes: Sequence[Change]) -> list[Counts]:
        """`apply`, whatever the step."""
        counts: list[Counts] = []
        waiting: list[tuple[int, Written]] = []
        memo: Memo = {}

        def run() -> None:
            done = self._change([made for _, made in waiting])
            for (index, _), count in zip(waiting, done, strict=True):
                counts[index] = count
            waiting.clear()

        for change in changes:
            counts.append(Counts())
            if self.store.statements_of.by_row(change):
                run()
                counts[-1] = self._by_row(change)
                continue
            made = self.store.statements_of.change(change, memo)
            if made is not None:
                waiting.append((len(counts) - 1, made))
        run()
        return counts

    def add(self, dataset: str, row: Mapping[str, Value]) -> tuple[Value, ...]:
        """Add one row; its key."""
        self._open(writes=True)
        key = self.store.mapped[dataset].key
        text, params = self.store.statements_of.insertion(dataset, row, key)
        rows = [r for _, found in self._stream([Call(dataset, text, params)]) for r in found]
        kinds = [self.store.table(dataset).column(name).type for name in key]
        return tuple(decode(v, kind) for v, kind in zip(rows[0], kinds, strict=True))

    def add_rows(
        self, dataset: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]
    ) -> None:
        """Add rows, some hundred with one statement."""
        self._open(writes=True)
        size = max(1, min(ROWS, VARIABLES // max(1, len(columns))))
        if self.store.dialect.unfolds:
            size = CHUNK
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            call = Call(dataset, *self.store.statements_of.insertions(dataset, columns, part))
            for _ in self._stream([call]):
                pass

    def computed(self, change: Change) -> Iterator[tuple[int, Written | None]]:
        """Rows read, and the update with their new values, chunk by chunk."""
        select, assign = change.select, change.assign or {}
        statements = self.store.statements_of
        table = self.store.table(select.dataset)
        if not table.proven(select.key):
            raise StoreError(
                f"rows of `{select.dataset}` cannot be overwritten one by one",
                expected="a key that is unique and never null",
                fix="name such a key in the data map",
            )
        call = statements.read(select, (), {}, whose=False)
        if call is None:
            return
        names = tuple(assign)
        for chunk in self._chunks(call):
            rows: list[tuple[tuple[Value, ...], tuple[Value, ...]]] = []
            for values in self._decoded(call, chunk):
                row = dict(zip(call.columns, values, strict=True))
                new = assigned(assign, row)
                rows.append((tuple(row[k] for k in select.key), tuple(new[n] for n in names)))
            yield len(rows), statements.by_key(table, select.key, names, rows) if rows else None

    def _by_row(self, change: Change) -> Counts:
        found = changed = 0
        for rows, made in self.computed(change):
            found += rows
            if made is not None:
                changed += self._change([made])[0].changed
        return Counts(found=found, changed=changed)

    def _open(self, *, writes: bool = False) -> None:
        if self._closed:
            raise StoreError(f"a closed session of `{self.store.system}` was used again")
        if writes and not self.write:
            raise StoreError(
                f"a reading session of `{self.store.system}` was asked to write",
                fix="open it with write=True",
            )
