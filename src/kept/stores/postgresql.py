"""A company's PostgreSQL: snapshots to read, one transaction to write, pipelined."""

from __future__ import annotations

import datetime as dt
import select as polling
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import adapt, conninfo, postgres
from psycopg.abc import AdaptContext, Buffer
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from psycopg.types.string import TextLoader
from sqlalchemy.pool import NullPool

from kept.database import UNNAMED, names_its_host
from kept.datamap.map import Dataset
from kept.errors import StoreError, StoreUnreachable
from kept.model.abilities import Abilities
from kept.model.change import Change
from kept.model.plan import Counts, Obstacle
from kept.model.residue import Needles, Residue, Scrub
from kept.model.safety import Safety
from kept.stores import guarded_servers as servers
from kept.stores import introspect, refusals
from kept.stores import residue_postgresql as left
from kept.stores.along import looks, refusal
from kept.stores.columns import Along, Table
from kept.stores.dialects import POSTGRESQL
from kept.stores.engine_postgresql import ANEW
from kept.stores.obstacles import Refused, named, obstacle
from kept.stores.relational import CHUNK, Options, SqlSession, SqlStore
from kept.stores.statements import Built, Call, Written
from kept.wire import Statement, Wire

_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE: Final = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

#: SQLSTATE → kind of obstacle.
_KINDS: Final[Mapping[str, str]] = {
    "23502": "not-null", "23503": "foreign-key", "23001": "foreign-key", "23505": "unique",
    "23P01": "unique", "23514": "check", "44000": "check", "42501": "privilege",
    "25006": "privilege", "P0001": "trigger", "09000": "trigger", "27000": "trigger",
}  # fmt: skip

#: A table or column is not there, an operator does not fit, a prepared result has changed.
_STALE: Final = frozenset(("42P01", "42703", "42883", "0A000"))

#: Where the server says so of row security; its words are in its own language.
_ROW_SECURITY: Final = "check_enable_rls"
#: And where of a rule that does something else instead of what was asked.
_RULES: Final = "RewriteQuery"
#: Of the tables named by schema and table: those of which the role would see a part only.
_HIDING: Final = """
    SELECT s, t FROM unnest(%s::text[], %s::text[]) AS asked(s, t)
    WHERE row_security_active(format('%%I.%%I', s, t)) ORDER BY s, t
"""

#: Loaded as Values; every other type of the engine is text.
_VALUES: Final = (
    "bool", "int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar", "bpchar",
    "bytea", "date", "timestamp", "timestamptz", "uuid",
)  # fmt: skip


class _Loading:
    """How values are loaded: an AdaptContext."""

    connection = None

    def __init__(self, template: adapt.AdaptersMap) -> None:
        self.adapters = adapt.AdaptersMap(template)


class _Tolerant(adapt.Loader):
    """A moment that Python cannot hold (infinity, BC, year 10000) stays text."""

    inner: type[adapt.Loader]

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._inner = self.inner(oid, context)

    def load(self, data: Buffer) -> Any:
        """The moment, or its text."""
        try:
            return self._inner.load(data)
        except psycopg.DataError:
            return bytes(data).decode()


def _loading() -> tuple[_Loading, _Loading]:
    """The usual way, and the tolerant one for what it refuses."""
    usual = _Loading(postgres.adapters)
    wanted = {postgres.types[name].oid for name in _VALUES}
    for info in postgres.types:
        if info.oid not in wanted:
            usual.adapters.register_loader(info.oid, TextLoader)
        if info.array_oid:
            usual.adapters.register_loader(info.array_oid, TextLoader)
    tolerant = _Loading(usual.adapters)
    moments = {"date": DateLoader, "timestamp": TimestampLoader, "timestamptz": TimestamptzLoader}
    for name, inner in moments.items():
        tolerant.adapters.register_loader(name, type(name, (_Tolerant,), {"inner": inner}))
    return usual, tolerant


_USUAL, _CAREFUL = _loading()


#: One engine for each version of a server keeps the questions of reflection compiled; each thread
#: lends it the connection that is asked.
_ENGINES: Final[dict[int, sa.Engine]] = {}
_LENT: Final = threading.local()


def _inspecting(connection: psycopg.Connection[Any]) -> sa.Engine:
    """The engine that asks `connection` next, in this thread."""
    _LENT.connection = connection
    version = connection.info.server_version
    if version not in _ENGINES:
        made = sa.create_engine(
            "postgresql+psycopg://", creator=lambda: _LENT.connection, poolclass=NullPool
        )
        _ENGINES.setdefault(version, made)
    return _ENGINES[version]


class PostgreSQLStore(SqlStore):
    """`url` is a libpq URL or connection string.

    Reading sessions see one moment (REPEATABLE READ, read only); a writing session is one
    transaction. Connections that wrote are kept apart from those that read, so that reading
    back never happens through the handle that wrote.
    """

    dialect = POSTGRESQL

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
        self._idle: dict[bool, list[Wire]] = {False: [], True: []}
        self._idle_lock = threading.Lock()
        self.abilities = Abilities(
            grain="store",
            snapshot=True,
            rehearse=True,
            pipeline=True,
            marker=self.options.marker,
        )

    def _connect(self, loading: AdaptContext | None = _USUAL) -> psycopg.Connection[Any]:
        o = self.options
        try:
            made = conninfo.make_conninfo(
                self._url,
                connect_timeout=o.connect_timeout,
                application_name="kept",
                client_encoding="UTF8",
                tcp_user_timeout=30_000,
            )
            connection: psycopg.Connection[Any] = psycopg.connect(
                made, autocommit=True, context=loading
            )
        except psycopg.Error as error:
            problem = self._unreachable(error)
        else:
            try:
                settings = {
                    "TimeZone": "UTC",
                    "DateStyle": "ISO, YMD",
                    "bytea_output": "hex",
                    "statement_timeout": f"{round(o.statement_timeout * 1000)}ms",
                    "lock_timeout": f"{round(o.lock_timeout * 1000)}ms",
                    "idle_in_transaction_session_timeout": f"{round(o.idle_timeout * 1000)}ms",
                    # Row security would leave rows out in silence; so it is an error instead.
                    "row_security": "off",
                }
                calls = ", ".join(f"set_config('{k}', '{v}', false)" for k, v in settings.items())
                connection.execute(f"SELECT {calls}".encode())
                return connection
            except psycopg.Error as error:
                connection.close()
                problem = self._unreachable(error)
        raise problem

    def _unreachable(self, error: psycopg.Error) -> StoreUnreachable:
        """Never the driver's message: it can repeat the connection string."""
        try:
            given = conninfo.conninfo_to_dict(self._url)
            met = f"server {given.get('host') or 'local'}, port {given.get('port') or 5432}"
            if "://" in self._url and not names_its_host(self._url):
                met = UNNAMED
        except psycopg.Error:
            met = "a connection string that is not well formed"
        why = refusals.of_libpq(error)
        more = why or (f"SQLSTATE {error.sqlstate}" if error.sqlstate else "")
        return StoreUnreachable(
            f"the database of `{self.system}` could not be asked",
            expected="a PostgreSQL server that answers",
            met=f"{met}; {more}" if more else met,
            fix=refusals.fix(why),
        )

    def reflect(self, names: Collection[str] | None) -> dict[str, Table]:
        """What the catalogue says; StoreUnreachable."""
        connection = self._connect(None)  # SQLAlchemy wants lists where Kept wants text
        engine = _inspecting(connection)
        wanted = self.mapped if names is None else names
        problem: StoreError
        try:
            connection.autocommit = False
            with engine.connect() as asked:
                found = introspect.postgresql(asked, names)
                self._refuse_hidden(connection, [t for n, t in found.items() if n in wanted])
                return found
        except (psycopg.Error, sa.exc.DBAPIError) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            problem = self.wrapped(cause, None, connection)
        finally:
            connection.close()
        raise problem

    def _refuse_hidden(self, connection: psycopg.Connection[Any], tables: list[Table]) -> None:
        """StoreError where row security leaves rows of a table out: nothing would be whole."""
        asked = ([t.schema for t in tables], [t.name for t in tables])
        row = connection.execute(_HIDING, asked).fetchone()
        if row is not None:
            raise self._hidden(f"`{self.system}`, table `{row[0]}.{row[1]}`")

    @staticmethod
    def _hidden(where: str) -> StoreError:
        return StoreError(
            f"row security hides rows of {where} from Kept's role",
            expected="a role that sees every row, so that nothing is missed in silence",
            fix="let the role bypass it (ALTER ROLE … BYPASSRLS), or own the table",
        )

    def session(self, *, write: bool = False) -> PostgreSQLSession:
        """A connection of its own for the session; StoreUnreachable."""
        return PostgreSQLSession(self, self._take(write), write=write)

    def _take(self, write: bool) -> Wire:
        while True:
            with self._idle_lock:
                if not self._idle[write]:
                    break
                wire = self._idle[write].pop()
            with suppress(psycopg.Error):
                wire.settle()
                # An idle connection that has something to say says goodbye.
                if not polling.select([wire.connection.fileno()], [], [], 0)[0]:
                    return wire
            wire.connection.close()
        connection = self._connect()
        return Wire(connection, _CAREFUL, chunk=CHUNK, prepare=self.options.prepare, never=ANEW)

    def give_back(self, wire: Wire, write: bool) -> None:
        """Keep the connection for another session of the same kind, or close it."""
        with self._idle_lock:
            fit = not (wire.broken or wire.worn)
            if fit and len(self._idle[write]) < self.options.connections:
                self._idle[write].append(wire)
                return
        wire.connection.close()

    def residue(self, needles: Needles, now: dt.datetime) -> Iterable[Residue]:
        """The bytes of the server's files, where this machine may read them."""
        place = self.options.data_directory
        with self._asking() as ask:
            return list(left.residue(ask, Path(place) if place else None, needles))

    def safety(self) -> Safety:
        """What the server says of its own doors, and its drive where this machine may see it."""
        place = self.options.data_directory
        with self._asking() as ask:
            return servers.postgresql(ask, Path(place) if place else None)

    def scrubbing(self, *, full: bool = False) -> Iterable[Scrub]:
        """VACUUM of the mapped tables; `full`: written anew."""
        with self._asking() as ask:
            return list(left.scrubbing(*left.ours(ask, self._places()), full=full))

    def scrub(self, *, full: bool = False) -> None:
        """VACUUM of the mapped tables that the role owns; StoreError."""
        with self._asking() as ask:
            left.scrub(ask, left.ours(ask, self._places())[0], full=full)

    def _places(self) -> list[tuple[str, str]]:
        tables = [self.table(name) for name in self.mapped]
        return [(table.schema or "public", table.name) for table in tables]

    @contextmanager
    def _asking(self) -> Iterator[left.Ask]:
        """A connection outside of any transaction; PermissionError where the role may not."""
        connection = self._connect()
        problem: StoreError

        def ask(text: str, *given: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
            try:
                cursor = connection.execute(text.encode(), *given)
                return cursor.fetchall() if cursor.description else ()
            except psycopg.errors.InsufficientPrivilege:
                raise PermissionError from None

        try:
            connection.execute("SET statement_timeout = 0")
            yield ask
            return
        except PermissionError:
            problem = Refused(f"`{self.system}`", "", "privilege", "the role may not do that")
        except psycopg.Error as error:
            problem = self.wrapped(error, None, connection)
        finally:
            connection.close()
        raise problem

    def forget(self) -> None:
        """Reflect again, and prepare again."""
        super().forget()
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._idle_lock:
            wires = [*self._idle[False], *self._idle[True]]
            self._idle = {False: [], True: []}
        for wire in wires:
            wire.connection.close()

    def wrapped(
        self, error: BaseException | None, dataset: str | None, connection: psycopg.Connection[Any]
    ) -> StoreError:
        """The error without anything that a person wrote: its class, tables and constraints."""
        state = (error.sqlstate if isinstance(error, psycopg.Error) else None) or ""
        where = f"`{self.system}.{dataset}`" if dataset else f"`{self.system}`"
        if state.startswith(("08", "57P", "53", "28")) or (
            not state and (connection.broken or connection.closed)
        ):
            return StoreUnreachable(
                f"the connection to `{self.system}` was lost; what was not committed is undone",
                met=f"SQLSTATE {state}" if state else "no answer",
                fix="see that the server runs, then run it again",
            )
        if state == "57014":
            return StoreError(
                f"a statement on {where} took longer than allowed",
                expected=f"at most {self.options.statement_timeout:g} s",
                fix="look for a missing index on a link or identifying column, or raise"
                f" statement_timeout in [systems.{self.system}.options] of kept.toml",
            )
        if state in ("55P03", "40001", "40P01"):
            return StoreError(
                f"{where} is in use by others; nothing was changed",
                met=f"SQLSTATE {state}",
                fix="run it again",
            )
        if isinstance(error, psycopg.Error) and error.diag.source_function == _RULES:
            words = "a rule of the database (CREATE RULE) stands in for the statement"
            return Refused(where, dataset or "", "trigger", words)
        if state in _STALE:
            self.forget()
            return StoreError(
                f"{where} is not as it was when it was last looked at",
                met=f"SQLSTATE {state}",
                fix="compare the map with the database: `kept map check`",
            )
        if isinstance(error, psycopg.Error) and error.diag.source_function == _ROW_SECURITY:
            return self._hidden(where)
        kind = _KINDS.get(state)
        if kind is not None and isinstance(error, psycopg.Error):
            told = error.diag
            words = named(kind, told.table_name, told.column_name, told.constraint_name)
            return Refused(where, dataset or told.table_name or "", kind, words)
        return StoreError(
            f"{where} reported an error",
            met=f"SQLSTATE {state}" if state else type(error).__name__,
            fix="look the state up in the server's manual; the server's log has the details",
        )


class PostgreSQLSession(SqlSession):
    """One connection, one transaction that begins with the first statement."""

    store: PostgreSQLStore

    def __init__(self, store: PostgreSQLStore, wire: Wire, *, write: bool) -> None:
        super().__init__(store, write=write)
        self._wire = wire
        self._begun = False
        self._savepoint: str | None = None

    def _run(
        self,
        statements: Sequence[Statement],
        dataset: Callable[[int], str | None],
        *,
        prepare: bool = True,
    ) -> Iterator[tuple[int, list[Any], int]]:
        """All in one round trip, BEGIN among them. On an error the transaction is undone."""
        if not statements:
            return
        if self._wire.busy:
            raise StoreError(
                f"an answer of `{self.store.system}` is still being read",
                fix="read it to its end, or use a second session",
            )
        first = 0
        if not self._begun:
            statements = [(_WRITE if self.write else _READ, ()), *statements]
            first = 1
        self._begun = True
        problem: StoreError
        try:
            for index, rows, affected in self._wire.run(statements, prepare=prepare):
                if index >= first:
                    yield index - first, rows, affected
            return
        except psycopg.Error as error:
            at = self._wire.failed - first
            self._wire.worn = self._wire.worn or error.sqlstate in _STALE
            problem = self.store.wrapped(
                error, dataset(at) if at >= 0 else None, self._wire.connection
            )
        self._abandon()
        raise problem

    def _plain(self, *statements: str) -> None:
        made = [(text, ()) for text in statements]
        for _ in self._run(made, lambda _: None, prepare=False):
            pass

    def _abandon(self) -> None:
        """After an error: back to the savepoint, or as if the session were new."""
        back = f"ROLLBACK TO SAVEPOINT {self._savepoint}" if self._savepoint else "ROLLBACK"
        self._begun = self._savepoint is not None
        if not self._wire.broken:
            try:
                for _ in self._wire.run([(back, ())], prepare=False):
                    pass
            except psycopg.Error:
                self._wire.broken = True

    def _stream(self, calls: Sequence[Call]) -> Iterator[tuple[int, list[Any]]]:
        statements = [(call.sql, call.params) for call in calls]
        for index, rows, _ in self._run(statements, lambda i: calls[i].dataset):
            yield index, rows

    def _counting(self, made: Written) -> Statement:
        """One statement that changes the rows and counts those found and those changed."""

        def both(built: Built) -> sa.ClauseElement:
            where, statement = built
            done = statement.returning(sa.literal_column("1").label("one")).cte("done")
            changed = sa.select(sa.func.count()).select_from(done).scalar_subquery()
            if not made.counts:
                return sa.select(sa.literal_column("0"), changed)
            found = sa.select(sa.func.count()).select_from(made.table.clause).where(*where)
            return sa.select(found.scalar_subquery(), changed)

        return self.store.statements_of.compiled("change and count", made, both)

    def _change(self, changes: Sequence[Written]) -> list[Counts]:
        counts = [Counts()] * len(changes)
        # What a deletion would take along is asked in the same round trip, right before it.
        calls: list[tuple[int, Along | None, Statement]] = []
        for index, made in enumerate(changes):
            calls += [(index, one, look) for one, look in looks(self.store.statements_of, made)]
            calls.append((index, None, self._counting(made)))
        taken: tuple[int, Along] | None = None
        statements = [statement for _, _, statement in calls]
        answers = self._run(statements, lambda i: changes[calls[i][0]].table.dataset)
        for number, rows, _ in answers:
            index, one, _ = calls[number]
            if one is None and rows:
                counts[index] = Counts(found=rows[0][0], changed=rows[0][1])
            elif one is not None and rows and rows[0][0]:
                taken = taken or (index, one)
        if taken is not None:
            self._abandon()
            raise refusal(self.store.system, changes[taken[0]], taken[1])
        return counts

    def _chunks(self, call: Call) -> Iterator[list[Any]]:
        declare = f"DECLARE kept_rows NO SCROLL CURSOR FOR {call.sql}"
        fetch = f"FETCH {CHUNK} FROM kept_rows"
        statements: list[Statement] = [(declare, call.params), (fetch, ())]
        while True:
            # never prepared: the next cursor of this name has other columns
            answers = self._run(statements, lambda _: call.dataset, prepare=False)
            rows = [row for _, part, _ in answers for row in part]
            if not rows:
                break
            yield rows
            statements = [(fetch, ())]
        self._plain("CLOSE kept_rows")

    def _mark(self, step: str) -> bool:
        create = (
            "CREATE TABLE IF NOT EXISTS kept_step"
            " (step text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
        )
        insert = "INSERT INTO kept_step (step) VALUES ($1) ON CONFLICT DO NOTHING"
        self._plain(create)
        inserted = [n for _, _, n in self._run([(insert, (step,))], lambda _: "kept_step")]
        return sum(inserted) > 0

    def _attempt(self, changes: Sequence[Change]) -> list[Obstacle]:
        alone = not self._begun
        self._plain("SAVEPOINT kept_rehearsal")
        try:
            # Usually nothing stands in the way; only a refusal is looked at one by one.
            refused = self._tried(changes, "kept_rehearsal", constraints=True)
            if refused is None:
                return []
            obstacles: list[Obstacle] = []
            for change in changes:
                self._savepoint = "kept_rehearsal"
                self._plain("SAVEPOINT kept_change")
                one = self._tried([change], "kept_change")
                if one is not None:
                    obstacles.append(obstacle(change.select.dataset, one))
            self._plain("SAVEPOINT kept_change")
            deferred = self._tried((), "kept_change", constraints=True)
            if deferred is not None:
                obstacles.append(obstacle(changes[-1].select.dataset, deferred))
            return obstacles or [obstacle(changes[-1].select.dataset, refused)]
        finally:
            self._savepoint = None if alone else "kept_rehearsal"
            self._abandon()
            self._savepoint = None

    def apply(self, changes: Sequence[Change], step: str) -> list[Counts]:
        """As of every SQL store; what waits for the commit is looked at now, so that it refuses
        before another store is committed.
        """
        counts = super().apply(changes, step)
        if changes:
            self._plain("SET CONSTRAINTS ALL IMMEDIATE")
        return counts

    def _tried(
        self, changes: Sequence[Change], savepoint: str, *, constraints: bool = False
    ) -> StoreError | None:
        """What refuses the changes; the transaction is then back at the savepoint."""
        self._savepoint = savepoint
        try:
            self.carry_out(changes)
            if constraints:
                self._plain("SET CONSTRAINTS ALL IMMEDIATE")
        except StoreUnreachable:
            raise
        except StoreError as error:
            return error
        return None

    def commit(self) -> None:
        """Make it durable."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Undo what is not committed."""
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        self._open()
        if self._begun:
            self._plain(how)
            self._begun = False

    def close(self) -> None:
        """Undo what is not committed and give the connection back."""
        if self._closed:
            return
        self._closed = True
        if self._wire.busy:
            self._wire.broken = True
        elif self._begun and self.write:
            self._abandon()
        elif self._begun and not self._wire.broken:
            # Nobody waits for the end of a snapshot; a lost connection shows at its next use.
            try:
                self._wire.post("ROLLBACK")
            except psycopg.Error:
                self._wire.broken = True
        self.store.give_back(self._wire, self.write)
