"""A company's SQLite file: one snapshot to read, one immediate transaction to write.

Deleted content is overwritten (secure_delete) and foreign keys are kept, whatever the
file's own program does; after a commit the write-ahead log is emptied where nobody reads it.
"""

from __future__ import annotations

import datetime as dt
import glob
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from kept.datamap.map import Dataset
from kept.errors import StoreError, StoreUnreachable
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.residue import Needles, Residue, Scrub
from kept.model.safety import Safety
from kept.model.values import Type
from kept.stores import guarded, introspect, residue_sqlite
from kept.stores.along import looks, refusal
from kept.stores.columns import Table
from kept.stores.dialects import SQLITE, install
from kept.stores.engine_sqlite import install_met, listed_in
from kept.stores.looking import regular
from kept.stores.obstacles import Refused, named, obstacle
from kept.stores.relational import CHUNK, Options, SqlSession, SqlStore
from kept.stores.rows import decode
from kept.stores.statements import Built, Call, ReadCall, Written

_T = TypeVar("_T")

_KINDS: Final = {
    sqlite3.SQLITE_CONSTRAINT_NOTNULL: "not-null",
    sqlite3.SQLITE_MISMATCH: "not-null",  # what it says of a null in an integer primary key
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "foreign-key",
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: "unique",
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: "unique",
    sqlite3.SQLITE_CONSTRAINT_ROWID: "unique",
    sqlite3.SQLITE_CONSTRAINT_CHECK: "check",
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: "trigger",
}
_UNREACHABLE: Final = frozenset(
    (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL,
    )
)  # fmt: skip

#: Types whose stored form is not yet the Value.
_DECODED: Final = frozenset(("datetime", "date", "uuid", "boolean", "decimal", "real", "integer"))


class SQLiteStore(SqlStore):
    """`url` is `sqlite:///relative`, `sqlite:////absolute` or a path; the file must exist."""

    dialect = SQLITE

    def __init__(
        self,
        system: str,
        mapped: Iterable[Dataset] = (),
        url: str = "",
        *,
        options: Options | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(system, mapped, options=options)
        self.path = Path(url.removeprefix("sqlite:///") if url.startswith("sqlite:") else url)
        self.abilities = Abilities(
            grain="store",
            snapshot=True,
            rehearse=True,
            physical=True,
            marker=self.options.marker,
        )

    def safety(self) -> Safety:
        """The file with its logs, its drive, and the files of data beside it."""
        if not self.path.is_file():
            raise StoreUnreachable(
                f"the file of `{self.system}` is not there",
                fix="mend the system's `url` in kept.toml",
            )
        ours = [self.path, *self.path.parent.glob(f"{glob.escape(self.path.name)}-*")]
        beside = (one for one in self.path.parent.iterdir() if one not in ours)
        return guarded.safety(self.path, ours, beside)

    def connect(self, *, write: bool) -> sqlite3.Connection:
        """A connection with Kept's settings; StoreUnreachable where there is no such file."""
        # rw for readers too: only so can SQLite undo what a killed writer left half-done
        where = f"file:{quote(str(self.path.absolute()))}?mode=rw"
        problem: StoreError
        for suffix in ("", "-journal", "-wal", "-shm"):
            beside = self.path.with_name(self.path.name + suffix)
            if beside.exists() and not regular(beside) and not beside.is_dir():
                raise StoreUnreachable(
                    f"the file of `{self.system}`, or a log beside it, is a pipe, socket or device;"
                    " it was not opened",
                    expected="files of SQLite",
                    fix="check the system's `url` in kept.toml, and what lies beside the file",
                )
        try:
            connection = sqlite3.connect(
                where,
                uri=True,
                isolation_level=None,
                timeout=self.options.lock_timeout,
                check_same_thread=False,
            )
            try:
                connection.text_factory = _text
                install(connection)
                # keys of people must not reach the disk by way of a temporary file
                connection.execute("PRAGMA temp_store = MEMORY")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA secure_delete = ON")
                if not write:
                    connection.execute("PRAGMA query_only = ON")
                connection.execute("SELECT count(*) FROM sqlite_master")
                return connection
            except sqlite3.Error as error:
                connection.close()
                problem = self.wrapped(error, None)
        except sqlite3.Error as error:
            problem = self.wrapped(error, None)
        raise problem

    def reflect(self, names: Collection[str] | None) -> dict[str, Table]:
        """What the file says; mapped types stand where a declared type says less."""
        connection = self.connect(write=False)
        engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=NullPool)
        problem: StoreError
        try:
            with engine.connect() as asked:
                found = introspect.sqlite(asked, names)
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            problem = self.wrapped(cause, None)
        else:
            return {name: self._typed(table) for name, table in found.items()}
        finally:
            connection.close()
        raise problem

    def _typed(self, table: Table) -> Table:
        """SQLite's declared types bind nobody: the map knows what really stands in a column."""
        mapped = self.mapped.get(table.dataset)
        kinds: dict[str, Type] = {
            name: mapped.fields[name].type
            for name in table.columns
            if mapped is not None and name in mapped.fields
        }
        return table.typed({n: k for n, k in kinds.items() if k not in ("text", "other")})

    def session(self, *, write: bool = False) -> SQLiteSession:
        """A connection of its own; StoreUnreachable."""
        return SQLiteSession(self, self.connect(write=write), write=write)

    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        """The bytes of the file and of the logs beside it."""
        return residue_sqlite.residue(self.path, needles)

    def scrubbing(self, *, full: bool = False) -> Iterable[Scrub]:
        """VACUUM, which writes the file anew."""
        return (residue_sqlite.SCRUB,)

    def scrub(self, *, full: bool = False) -> None:
        """VACUUM, and an empty write-ahead log; StoreUnreachable where others use the file."""
        connection = self.connect(write=True)
        problem: StoreError
        try:
            if residue_sqlite.scrub(connection):
                return
            problem = StoreUnreachable(
                f"the write-ahead log of `{self.system}` could not be emptied: another program"
                " reads the file",
                fix="run it again when the other program is done",
            )
        except sqlite3.Error as error:
            problem = self.wrapped(error, None)
        finally:
            connection.close()
        raise problem

    def wrapped(self, error: BaseException | None, dataset: str | None) -> StoreError:
        """The error without anything that a person wrote."""
        code = getattr(error, "sqlite_errorcode", 0) or 0
        where = f"`{self.system}.{dataset}`" if dataset else f"`{self.system}`"
        kind = _KINDS.get(code)
        if kind is not None:
            return Refused(where, dataset or "", kind, named(kind, None, None, None))
        if code & 0xFF in _UNREACHABLE:
            busy = code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            return StoreUnreachable(
                f"the database file of `{self.system}` could not be "
                + ("used: another program holds it" if busy else "used"),
                expected="a SQLite file that can be opened",
                met=self._met() or getattr(error, "sqlite_errorname", type(error).__name__),
                fix="run it again when the other program is done"
                if busy
                else "check the system's `url` in kept.toml, and the file's permissions",
            )
        if code & 0xFF == sqlite3.SQLITE_READONLY:
            return Refused(where, dataset or "", "privilege", named("privilege", None, None, None))
        if code == sqlite3.SQLITE_ERROR:
            self.forget()
        return StoreError(
            f"{where} reported an error",
            met=getattr(error, "sqlite_errorname", type(error).__name__),
            fix="compare the map with the database: `kept map check`",
        )

    def _met(self) -> str:
        """What lies where the file should, without its name; empty where it is a database."""
        try:
            if not self.path.exists():
                return "no file there"
            if self.path.is_dir():
                return "a directory"
            with self.path.open("rb") as file:
                head = file.read(16)
        except OSError:
            return "a file that may not be read"
        return "" if head in (b"", b"SQLite format 3\0") else "a file of another kind"


def _text(raw: bytes) -> Any:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw  # not UTF-8: the bytes are what is really there


class SQLiteSession(SqlSession):
    """One connection; BEGIN IMMEDIATE to write, a deferred snapshot to read."""

    store: SQLiteStore

    def __init__(self, store: SQLiteStore, connection: sqlite3.Connection, *, write: bool) -> None:
        super().__init__(store, write=write)
        self._connection = connection
        #: The texts that statements of this session look for (`kept_met`).
        self._met: set[bytes] = set()
        install_met(connection, self._met)
        self._savepoint: str | None = None

    def _guarded(self, dataset: str | None, work: Callable[[], _T]) -> _T:
        problem: StoreError
        try:
            if not self._connection.in_transaction:
                self._begin()
            return work()
        except sqlite3.Error as error:
            problem = self.store.wrapped(error, dataset)
        self._abandon()
        raise problem

    def _begin(self) -> None:
        if self.write:
            self._connection.execute("BEGIN IMMEDIATE")
        else:
            self._connection.execute("BEGIN")
            # a deferred transaction sees its moment only from the first read on
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def _abandon(self) -> None:
        if self._connection.in_transaction:
            if self._savepoint is None:
                self._connection.execute("ROLLBACK")
            else:
                self._connection.execute(f"ROLLBACK TO {self._savepoint}")

    def _execute(self, dataset: str | None, text: str, params: Sequence[Any] = ()) -> Any:
        self._met.update(listed_in(text, params))
        return self._guarded(dataset, lambda: self._connection.execute(text, params))

    def _stream(self, calls: Sequence[Call]) -> Iterator[tuple[int, list[Any]]]:
        for index, call in enumerate(calls):
            for rows in self._chunks(call):
                yield index, rows

    def _chunks(self, call: Call) -> Iterator[list[Any]]:
        cursor = self._execute(call.dataset, call.sql, call.params)
        try:
            while rows := self._guarded(call.dataset, lambda: cursor.fetchmany(CHUNK)):
                yield rows
        finally:
            cursor.close()

    def _decoded(self, call: ReadCall, rows: list[Any]) -> list[Any]:
        kinds = [call.table.columns[name].type for name in call.columns]
        places = [(i, kind) for i, kind in enumerate(kinds) if kind in _DECODED]
        # the usual integer needs no work; anything else does
        places = [
            (i, kind)
            for i, kind in places
            if kind != "integer" or any(isinstance(row[i], str) for row in rows)
        ]
        if not places:
            return rows
        decoded = []
        for row in rows:
            values = list(row)
            for i, kind in places:
                values[i] = decode(values[i], kind)
            decoded.append(tuple(values))
        return decoded

    def _change(self, changes: Sequence[Written]) -> list[Counts]:
        return [self._one(made) for made in changes]

    def _one(self, made: Written) -> Counts:
        def count(built: Built) -> sa.ClauseElement:
            return sa.select(sa.func.count()).select_from(made.table.clause).where(*built[0])

        def counted() -> int:
            text, params = statements.compiled("count", made, count)
            return int(self._execute(dataset, text, params).fetchone()[0])

        statements, dataset = self.store.statements_of, made.table.dataset
        # Rows that go by a reference to others of them, the engine does not count.
        hidden = made.deletes and any(one.table == made.table.name for one in made.table.along)
        found = counted() if made.counts or hidden else 0
        for one, (look, values) in looks(statements, made):
            if self._execute(dataset, look, values).fetchone()[0]:
                self._abandon()
                raise refusal(self.store.system, made, one)
        text, params = statements.compiled("change", made, lambda built: built[1])
        changed = self._execute(dataset, text, params).rowcount
        if changed < 0:  # the driver does not count after WITH
            changed = int(self._execute(dataset, "SELECT changes()").fetchone()[0])
        return Counts(found if made.counts else 0, found - counted() if hidden else changed)

    def _mark(self, step: str) -> bool:
        self._execute(None, "CREATE TABLE IF NOT EXISTS kept_step (step TEXT PRIMARY KEY, at TEXT)")
        done = self._execute(
            None, "INSERT OR IGNORE INTO kept_step VALUES (?, datetime('now'))", (step,)
        )
        return bool(done.rowcount)

    def _attempt(self, changes: Sequence[Change]) -> list[Obstacle]:
        alone = not self._connection.in_transaction
        self._execute(None, "SAVEPOINT kept_rehearsal")
        obstacles: list[Obstacle] = []
        deferred = self._deferred()
        before = self._violations() if deferred else frozenset()
        try:
            for change in changes:
                self._savepoint = "kept_rehearsal"
                self._execute(None, "SAVEPOINT kept_change")
                self._savepoint = "kept_change"
                try:
                    self.carry_out([change])
                except StoreUnreachable:
                    raise
                except StoreError as error:
                    obstacles.append(obstacle(change.select.dataset, error))
            broken = (self._violations() if deferred else frozenset()) - before
            for table, _, _ in sorted(broken):
                words = named("foreign-key", table, None, None)
                obstacles.append(Refused("", table, "foreign-key", words).obstacle)
        finally:
            self._savepoint = None if alone else "kept_rehearsal"
            self._abandon()
            self._savepoint = None
        return list(dict.fromkeys(obstacles))

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """As of every SQL store; foreign keys that wait for the commit are looked at now, so
        that they refuse before another store is committed.
        """
        self._open(writes=True)
        deferred = self._deferred()
        before = self._violations() if deferred else frozenset()
        counts = super().apply(changes, step)
        if deferred and (broken := self._violations() - before):
            self._abandon()
            table = min(broken)[0]
            words = named("foreign-key", table, None, None)
            raise Refused(f"`{self.store.system}.{table}`", table, "foreign-key", words)
        return counts

    def _deferred(self) -> bool:
        """Whether any foreign key is checked only at the commit."""
        asked = "SELECT 1 FROM sqlite_master WHERE sql LIKE '%INITIALLY%DEFERRED%' LIMIT 1"
        return self._execute(None, asked).fetchone() is not None

    def _violations(self) -> frozenset[tuple[str, Any, Any]]:
        rows = self._execute(None, "PRAGMA foreign_key_check").fetchall()
        return frozenset((row[0], row[1], row[3]) for row in rows)

    def commit(self) -> None:
        """Make it durable, and empty the write-ahead log of what was deleted."""
        self._open()
        if not self._connection.in_transaction:
            return
        self._execute(None, "COMMIT")
        if self.write:
            # Where somebody reads, the log is emptied at a later commit: nobody waits for it.
            wait = round(self.store.options.lock_timeout * 1000)
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._connection.execute(f"PRAGMA busy_timeout = {wait}")

    def rollback(self) -> None:
        """Undo what is not committed."""
        self._open()
        self._abandon()

    def close(self) -> None:
        """Undo what is not committed and close the file."""
        if not self._closed:
            self._closed = True
            self._connection.close()
