"""Statements on a PostgreSQL connection: one round trip for many, answers streamed.

psycopg's own pipeline holds each answer whole; a person with a million rows would fill the
memory. This one speaks to libpq through `psycopg.pq`: all statements are sent at once, each
is prepared the first time it is met, and every answer arrives in chunks of bounded size.
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import pq
from psycopg.abc import AdaptContext
from psycopg.adapt import Transformer

_DONE: Final = frozenset((pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK))
_ROWS: Final = frozenset(
    (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.TUPLES_CHUNK, pq.ExecStatus.SINGLE_TUPLE)
)
_CHUNKED: Final = pq.version() >= 170000
_READABLE: Final = select.POLLIN | select.POLLERR | select.POLLHUP

#: Statements kept prepared per connection; beyond it the connection starts anew.
_PREPARED: Final = 1000

#: A parameter; it is sent as text, and the statement says of which type it is.
Param: TypeAlias = None | int | float | str | bytes
Statement: TypeAlias = tuple[str, Sequence[Param]]


@dataclass(slots=True)
class Prepared:
    """What is prepared on a connection, by its text."""

    names: dict[str, bytes] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)


class Wire:
    """One connection in the hands of one session at a time.

    `broken`: the connection is lost or out of step. `worn`: what it prepared no longer fits
    the tables. Either is closed, never handed on.
    `failed` is the index of the statement that raised last.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        tolerant: AdaptContext,
        *,
        chunk: int = 2000,
        prepare: bool = True,
        never: str | None = None,
        known: Prepared | None = None,
    ) -> None:
        self.connection = connection
        self.broken = False
        self.busy = self.worn = False
        self.failed = 0
        self._pg = connection.pgconn
        self._load = Transformer(connection)
        self._tolerant = tolerant
        self._chunk = chunk
        self._prepare, self._never = prepare, never
        known = Prepared() if known is None else known
        self._names, self._numbers = known.names, known.numbers
        self._owed: Iterator[tuple[int, list[Any], int]] | None = None
        self._poll = select.poll()
        self._poll.register(self._pg.socket, _READABLE)

    def run(
        self, statements: Sequence[Statement], *, prepare: bool = True
    ) -> Iterator[tuple[int, list[Any], int]]:
        """Run all in one pipeline; yields (index, rows, rows affected), in order.

        A statement's rows come in chunks of at most `chunk`; the last of them carries the
        number of rows affected (else 0), and comes even when it holds no row. Raises the
        psycopg error of the first statement that fails; the others after it did not run.
        """
        self.settle()
        if self.broken:
            raise psycopg.OperationalError("the connection is no longer usable")
        if len(self._names) > _PREPARED:
            self._names.clear()
            self._pg.exec_(b"DEALLOCATE ALL")
        self.broken = self.busy = True  # until every answer is read
        answers = self._answers(self._send(statements, prepare and self._prepare))
        try:
            # one by one: `yield from` would close the answers together with this generator
            while (answer := next(answers, None)) is not None:
                yield answer
        except GeneratorExit:
            # Nobody wants the rest; the connection still has to be brought into step.
            for _ in answers:
                pass
            raise
        except KeyboardInterrupt:
            # The server would go on with what nobody waits for.
            with suppress(psycopg.Error):
                self.connection.cancel()
            raise
        finally:
            self.busy = False

    def post(self, text: str) -> None:
        """Send one statement and do not wait; `settle` or the next `run` reads the answer."""
        self._owed = self._answers(self._send([(text, ())], self._prepare))

    def settle(self) -> None:
        """Read what `post` left. Raises the psycopg error, as `run` does."""
        owed, self._owed = self._owed, None
        if owed is not None:
            self.broken = True  # until it is read
            for _ in owed:
                pass

    def _send(self, statements: Sequence[Statement], prepare: bool) -> list[str | None]:
        """Send all; per statement the text that was prepared for the first time."""
        pg = self._pg
        pg.enter_pipeline_mode()
        fresh: list[str | None] = []
        for text, params in statements:
            values = [None if p is None else _text(p) for p in params]
            name = self._names.get(text)
            if name is None and prepare and (self._never is None or self._never not in text):
                name = self._names[text] = b"kept_%d" % next(self._numbers)
                pg.send_prepare(name, text.encode())
                fresh.append(text)
            else:
                fresh.append(None)
            if name is None:
                pg.send_query_params(text.encode(), values)
            else:
                pg.send_query_prepared(name, values)
        pg.pipeline_sync()
        self._flush()
        return fresh

    def _answers(self, fresh: Sequence[str | None]) -> Iterator[tuple[int, list[Any], int]]:
        error: psycopg.Error | None = None
        for index, prepared in enumerate(fresh):
            if prepared is not None and (unprepared := self._prepared()) is not None:
                self._names.pop(prepared, None)
                if error is None:
                    error, self.failed = unprepared, index
            # Said before the answer's first byte is looked at, or libpq refuses; it also
            # refuses for statements that an error before them cancelled.
            if error is None and _CHUNKED:
                self._pg.set_chunked_rows_mode(self._chunk)
            elif error is None:
                self._pg.set_single_row_mode()
            loaded: list[Any] = []
            typed, affected = False, 0
            while (result := self._result()) is not None:
                status = result.status
                if status in _ROWS:
                    if result.ntuples:
                        if loaded:
                            yield index, loaded, 0
                        loaded, typed = self._rows(result, typed), True
                elif status not in _DONE and error is None:
                    error, self.failed = psycopg.errors.error_from_result(result), index
                if status in _DONE:
                    affected = result.command_tuples or 0
            if error is None:
                yield index, loaded, affected
        end = self._result()
        if end is not None and end.status == pq.ExecStatus.PIPELINE_SYNC:
            self._pg.exit_pipeline_mode()
            self.broken = False
        if error is not None:
            raise error

    def _prepared(self) -> psycopg.Error | None:
        """Read the answer to a PREPARE; its error, if it failed."""
        error = None
        while (result := self._result()) is not None:
            if result.status not in _DONE:
                error = psycopg.errors.error_from_result(result)
        return error

    def _rows(self, result: pq.abc.PGresult, typed: bool) -> list[Any]:
        load = self._load
        load.set_pgresult(result, set_loaders=not typed)
        try:
            return load.load_rows(0, result.ntuples, tuple)
        except psycopg.DataError:
            # A moment such as `infinity` that Python has no value for: it stays text.
            careful = Transformer(self._tolerant)
            careful.set_pgresult(result)
            return careful.load_rows(0, result.ntuples, tuple)

    def _result(self) -> pq.abc.PGresult | None:
        pg = self._pg
        while pg.is_busy():
            self._poll.poll()
            pg.consume_input()
        return pg.get_result()

    def _flush(self) -> None:
        """Send everything; read meanwhile, or both sides could wait for each other."""
        pg = self._pg
        if not pg.flush():
            return
        both = select.poll()
        both.register(pg.socket, _READABLE | select.POLLOUT)
        while pg.flush():
            for _, event in both.poll():
                if event & _READABLE:
                    pg.consume_input()


def _text(param: int | float | str | bytes) -> bytes:
    """A parameter as the server reads it."""
    return b"\\x%s" % param.hex().encode() if isinstance(param, bytes) else str(param).encode()
