"""A company's MariaDB: one snapshot to read, one InnoDB transaction to write.

Tables without transactions, and such as keep their history, are read but never changed.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from kept.datamap.map import Dataset
from kept.errors import StoreError, StoreUnreachable
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.residue import Needles, Residue, Scrub
from kept.model.safety import Safety
from kept.stores import guarded_servers as servers
from kept.stores import introspect, residue_mariadb
from kept.stores import link_mariadb as link
from kept.stores.along import looks, refusal
from kept.stores.columns import Table
from kept.stores.dialects import MARIADB
from kept.stores.link_mariadb import Connection, Cursor, InUse, SSCursor, pymysql, shut
from kept.stores.obstacles import Refused, obstacle
from kept.stores.relational import CHUNK, Options, SqlSession, SqlStore
from kept.stores.rows import decode, utc
from kept.stores.statements import Built, Call, ReadCall, Written

_T = TypeVar("_T")

_READ: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
_WRITE: Final = (
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "START TRANSACTION READ WRITE",
)

#: Types whose form on the wire is not yet the Value.
_DECODED: Final = frozenset(("boolean", "uuid"))


class MariaDBStore(SqlStore):
    """`url` is `mariadb://user:password@host:port/database`.

    `?unix_socket=` names a socket instead of host and port; `?ssl_ca=` a file of certificates
    by which the server must prove itself (with `ssl_cert` and `ssl_key`, Kept as well).
    Connections that wrote are kept apart from those that read, so that reading back never
    happens through the handle that wrote.
    """

    dialect = MARIADB
    opening = (
        "SET NAMES utf8mb4;",
        "SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,SIMULTANEOUS_ASSIGNMENT';",
        "START TRANSACTION;",
    )

    def __init__(
        self,
        system: str,
        mapped: Iterable[Dataset] = (),
        url: str = "",
        *,
        options: Options | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(system, mapped, options=options)
        self._url = url
        self._idle: dict[bool, list[Connection[Any]]] = {False: [], True: []}
        self._idle_lock = threading.Lock()
        self.abilities = Abilities(
            grain="store", snapshot=True, rehearse=True, marker=self.options.marker
        )

    def _connect(self) -> Connection[Any]:
        return link.connect(self._url, self.system, self.options)

    def reflect(self, names: Collection[str] | None) -> dict[str, Table]:
        """What the catalogue says; the map decides where a type has two meanings."""
        connection = self._take(False)
        problem: StoreError
        try:
            with connection.cursor() as cursor:

                def ask(text: str) -> Iterable[tuple[Any, ...]]:
                    cursor.execute(text)
                    rows: Iterable[tuple[Any, ...]] = cursor.fetchall()
                    return rows

                found = introspect.mariadb(ask, names)
        except (pymysql.Error, OSError) as error:
            shut(connection)
            problem = self.wrapped(error, None)
        else:
            self.give_back(connection, False)
            return {name: self._typed(table) for name, table in found.items()}
        raise problem

    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        """What the server says of its logs; it shows none of its bytes."""
        return self._asked(lambda ask: list(residue_mariadb.residue(ask, now)))

    def safety(self) -> Safety:
        """What the server says of its own doors and of its files."""
        return self._asked(servers.mariadb)

    def scrubbing(self, *, full: bool = False) -> Iterable[Scrub]:
        """OPTIMIZE TABLE of the mapped tables, where `full`."""
        return residue_mariadb.scrubbing(self._quoted(), full=full)

    def scrub(self, *, full: bool = False) -> None:
        """Write the mapped tables anew, where `full`; StoreError."""
        tables = self._quoted() if full else []
        if not self._asked(lambda ask: residue_mariadb.scrub(ask, tables)):
            words = "the role may not have a table written anew (it needs SELECT and INSERT)"
            raise Refused(f"`{self.system}`", "", "privilege", words)

    def _quoted(self) -> list[str]:
        tables = [self.table(name) for name in sorted(self.mapped)]
        names = [table.name.replace("`", "``") for table in tables if not table.view]
        return [f"`{name}`" for name in names]

    def _asked(self, work: Callable[[residue_mariadb.Ask], _T]) -> _T:
        """What a connection of its own is asked, outside of any transaction."""
        connection = self._connect()
        problem: StoreError
        try:
            with connection.cursor() as cursor:

                def ask(text: str) -> Sequence[tuple[Any, ...]]:
                    cursor.execute(text)
                    rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
                    return rows

                return work(ask)
        except (pymysql.Error, OSError) as error:
            problem = self.wrapped(error, None)
        finally:
            shut(connection)
        raise problem

    def _typed(self, table: Table) -> Table:
        """tinyint(1) is a truth or a number, binary(16) an identifier or bytes: as mapped."""
        mapped = self.mapped.get(table.dataset)
        both = {("boolean", "integer"), ("bytes", "uuid")}
        columns = dict(table.columns)
        for name, column in table.columns.items():
            wanted = mapped.fields.get(name) if mapped is not None else None
            if wanted is None or (column.type, wanted.type) not in both:
                continue
            if wanted.type == "integer" or column.native == "binary(16)":
                columns[name] = replace(column, type=wanted.type)
        return replace(table, columns=columns)

    def session(self, *, write: bool = False) -> MariaDBSession:
        """A connection of its own for the session; StoreUnreachable."""
        return MariaDBSession(self, self._take(write), write=write)

    def _take(self, write: bool) -> Connection[Any]:
        while True:
            with self._idle_lock:
                if not self._idle[write]:
                    break
                connection = self._idle[write].pop()
            try:
                connection.ping(reconnect=False)
                return connection
            except (pymysql.Error, OSError):
                shut(connection)
        return self._connect()

    def give_back(self, connection: Connection[Any], write: bool) -> None:
        """Keep the connection for another session of the same kind, or close it."""
        with self._idle_lock:
            if connection.open and len(self._idle[write]) < self.options.connections:
                self._idle[write].append(connection)
                return
        shut(connection)

    def close(self) -> None:
        """Close the idle connections."""
        with self._idle_lock:
            idle = [*self._idle[False], *self._idle[True]]
            self._idle = {False: [], True: []}
        for connection in idle:
            shut(connection)

    def make_marker(self) -> None:
        """The table of step ids, through a connection of its own: DDL commits whatever is open."""
        connection = self._connect()
        problem: StoreError
        try:
            with connection.cursor() as cursor:
                cursor.execute("SHOW TABLES LIKE 'kept\\_step'")
                if not cursor.fetchall():
                    cursor.execute(
                        "CREATE TABLE IF NOT EXISTS kept_step (step VARCHAR(255) CHARACTER SET"
                        " utf8mb4 COLLATE utf8mb4_nopad_bin PRIMARY KEY, at TIMESTAMP NOT NULL"
                        " DEFAULT current_timestamp()) ENGINE = InnoDB"
                    )
            return
        except pymysql.Error as error:
            problem = self.wrapped(error, "kept_step")
        finally:
            shut(connection)
        raise problem

    def wrapped(self, error: BaseException, dataset: str | None) -> StoreError:
        """The error without anything that a person wrote."""
        if link.number(error) in link.STALE:
            self.forget()
        return link.wrapped(error, dataset, system=self.system, options=self.options)


class MariaDBSession(SqlSession):
    """One connection, one transaction that begins with the first statement."""

    store: MariaDBStore

    def __init__(self, store: MariaDBStore, connection: Connection[Any], *, write: bool) -> None:
        super().__init__(store, write=write)
        self._connection = connection
        self._begun = False
        self._savepoint: str | None = None
        self._busy = False

    def _guarded(self, dataset: str | None, work: Callable[[], _T]) -> _T:
        """Run it in the transaction; after an error that is undone, as far as the savepoint."""
        if self._busy:
            raise StoreError(
                f"an answer of `{self.store.system}` is still being read",
                fix="read it to its end, or use a second session",
            )
        problem: StoreError
        try:
            if not self._begun:
                with self._connection.cursor() as cursor:
                    for text in _WRITE if self.write else _READ:
                        cursor.execute(text)
                self._begun = True
            return work()
        except (pymysql.Error, OSError) as error:
            problem = self.store.wrapped(error, dataset)
        self._abandon()
        raise problem

    def _abandon(self) -> None:
        """After an error: back to the savepoint, or as if the session were new."""
        if self._savepoint is not None and self._went(f"ROLLBACK TO SAVEPOINT {self._savepoint}"):
            return
        self._begun = False
        if not self._went("ROLLBACK"):
            shut(self._connection)

    def _went(self, text: str) -> bool:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(text)
        except (pymysql.Error, OSError):
            return False
        return True

    def _execute(
        self, dataset: str | None, text: str, params: Sequence[Any] = ()
    ) -> tuple[Sequence[Any], int]:
        """Rows, and the number of rows affected."""

        def work() -> tuple[Sequence[Any], int]:
            with self._connection.cursor() as cursor:
                affected = self._send(cursor, dataset, text, params)
                return cursor.fetchall(), affected

        return self._guarded(dataset, work)

    def _send(self, cursor: Cursor, dataset: str | None, text: str, params: Sequence[Any]) -> int:
        return link.send(cursor, text, params, dataset, system=self.store.system)

    def _stream(self, calls: Sequence[Call]) -> Iterator[tuple[int, list[Any]]]:
        for index, call in enumerate(calls):
            for rows in self._unbuffered(call):
                yield index, rows

    def _unbuffered(self, call: Call) -> Iterator[list[Any]]:
        """The rows as they arrive; until the last of them nothing else can be asked."""
        cursor = self._connection.cursor(SSCursor)
        self._guarded(call.dataset, lambda: self._send(cursor, call.dataset, call.sql, call.params))
        self._busy = True
        try:
            while True:
                self._busy = False
                rows = self._guarded(call.dataset, lambda: list(cursor.fetchmany(CHUNK)))
                self._busy = True
                if not rows:
                    break
                yield rows
        finally:
            self._busy = False
            with suppress(pymysql.Error, OSError):
                cursor.close()  # reads what nobody wanted, so that the connection is in step

    def _chunks(self, call: Call) -> Iterator[list[Any]]:
        # other statements run between: the connection must have given all of its answer
        rows, _ = self._execute(call.dataset, call.sql, call.params)
        for start in range(0, len(rows), CHUNK):
            yield list(rows[start : start + CHUNK])

    def _decoded(self, call: ReadCall, rows: list[Any]) -> list[Any]:
        columns = [call.table.columns[name] for name in call.columns]
        places = [(i, c) for i, c in enumerate(columns) if c.type in _DECODED or c.aware]
        if not places:
            return rows
        decoded = []
        for row in rows:
            values = list(row)
            for i, column in places:
                values[i] = utc(values[i]) if column.aware else decode(values[i], column.type)
            decoded.append(tuple(values))
        return decoded

    def _change(self, changes: Sequence[Written]) -> list[Counts]:
        return [self._one(made) for made in changes]

    def _one(self, made: Written) -> Counts:
        table = made.table.clause

        def count(built: Built) -> sa.ClauseElement:
            return sa.select(sa.func.count()).select_from(table).where(*built[0])

        def change(built: Built) -> sa.ClauseElement:
            # in the form for several tables, or a list of keys would cost a scan
            statement = built[1]
            if isinstance(statement, sa.Delete):
                quoted = made.table.name.replace("`", "``")
                target: sa.ColumnElement[Any] = sa.literal_column(f"`{quoted}`")
                return statement.prefix_with(target)
            one = sa.select(sa.literal_column("1").label("one")).subquery("kept_one")
            return statement.where(one.c.one == sa.literal_column("1"))

        statements, dataset = self.store.statements_of, made.table.dataset
        found = 0
        if made.counts:
            rows, _ = self._execute(dataset, *statements.compiled("count", made, count))
            found = rows[0][0]
        for one, look in looks(statements, made):
            if self._execute(dataset, *look)[0][0][0]:
                self._abandon()
                raise refusal(self.store.system, made, one)
        _, changed = self._execute(dataset, *statements.compiled("change", made, change))
        return Counts(found=found, changed=changed)

    def _mark(self, step: str) -> bool:
        self.store.make_marker()
        insert = "INSERT IGNORE INTO kept_step (step) VALUES (%s)"
        return self._execute("kept_step", insert, (step,))[1] > 0

    def _attempt(self, changes: Sequence[Change]) -> list[Obstacle]:
        alone = not self._begun
        self._execute(None, "SAVEPOINT kept_rehearsal")
        obstacles: list[Obstacle] = []
        try:
            for change in changes:
                self._savepoint = "kept_rehearsal"
                self._execute(None, "SAVEPOINT kept_change")
                self._savepoint = "kept_change"
                try:
                    self.carry_out([change])
                except (StoreUnreachable, InUse):
                    raise
                except StoreError as error:
                    obstacles.append(obstacle(change.select.dataset, error))
        finally:
            self._savepoint = None if alone else "kept_rehearsal"
            if self._begun:
                self._abandon()
            self._savepoint = None
        return obstacles

    def commit(self) -> None:
        """Make it durable."""
        self._open()
        if self._begun:
            self._execute(None, "COMMIT")
            self._begun = False

    def rollback(self) -> None:
        """Undo what is not committed."""
        self._open()
        if self._begun:
            self._abandon()

    def close(self) -> None:
        """Undo what is not committed and give the connection back."""
        if self._closed:
            return
        self._closed = True
        if self._busy:
            shut(self._connection)
        elif self._begun and self._connection.open:
            self._abandon()
        self.store.give_back(self._connection, self.write)
