"""A run over a list of people: which line is whom, in which case, and how it ended for her.

A line of the list names one person. She is one of the people of a case, where her identifiers
lie sealed, and nowhere else: a run knows her by the number of her line. Who needs an answer of
her own is set apart, in a case of her own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import psycopg

from kept.database import Connection, Database
from kept.datamap.map import Dataset, Field, Link, OnErase, Owner
from kept.errors import Busy, UsageError
from kept.model.plan import Counts
from kept.records.actor import Actor
from kept.records.case import Case, Cases
from kept.records.case_state import State
from kept.records.ids import new_id
from kept.terms.identifiers import Identifier

#: The longest reason that is kept with a line, in characters.
_LONGEST: Final = 400


class Ended(StrEnum):
    """How it stands for one person of the list."""

    WAITS = "waits"  # nothing was carried out for her yet
    DOUBTFUL = "doubtful"  # somebody has to say whether it is one person
    INCOMPLETE = "incomplete"  # begun, or refused by a store: goes on when that is mended
    DONE = "done"
    NOBODY = "nobody"  # searched everywhere, and nothing is held of her
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


#: What nothing follows.
OVER: Final = frozenset((Ended.DONE, Ended.NOBODY, Ended.REFUSED, Ended.WITHDRAWN))
#: What a run takes up when it goes on; who is in doubt waits for a word of somebody.
AGAIN: Final = (Ended.WAITS, Ended.INCOMPLETE)


class RunState(StrEnum):
    """Where a run stands."""

    OPEN = "open"  # nothing runs; some wait
    RUNNING = "running"
    PAUSING = "pausing"  # runs until its batch is done
    PAUSED = "paused"
    INTERRUPTED = "interrupted"  # whoever ran it is gone
    OVER = "over"  # nobody of the list is left


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `people` counts the lines that name somebody."""

    id: str
    number: int
    right: str
    actor: Actor
    people: int
    state: RunState
    opened_at: dt.datetime
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class End:
    """How it ended for one person; `why` in words that name nobody."""

    outcome: Ended
    counts: Counts = field(default_factory=Counts)
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list: the case in which its person is, and how it ended for her."""

    line: int
    case: str
    end: End


_NUMBER: Final = Field("number", "integer", nullable=False)
_COUNTS: Final = ("found", "changed", "retained", "isolated")

DATASETS: Final = (
    Dataset(
        "bulk",
        ("bulk",),
        {
            "bulk": Field("bulk", "integer", nullable=False),
            "id": Field("id", nullable=False),
            "right": Field("right", nullable=False),
            "actor": Field("actor", "integer", nullable=False),
            "people": Field("people", "integer", nullable=False),
            "state": Field("state", nullable=False),
            "opened_at": Field("opened_at", "datetime", nullable=False),
            "changed_at": Field("changed_at", "datetime", nullable=False),
        },
        links=(Link(("actor",), "actor", ("actor",), Owner.ACCESSED),),
        retention="case",
        on_erase=OnErase.NEVER,
        title="Runs over lists of people",
    ),
    Dataset(
        "bulk_person",
        ("bulk", "line"),
        {
            "bulk": Field("bulk", "integer", nullable=False),
            "line": Field("line", "integer", nullable=False),
            "number": _NUMBER,
            "person": Field("person", "integer", nullable=False),
            "outcome": Field("outcome", category="rights-case", nullable=False),
            "why": Field("why", category="rights-case"),
            **{n: Field(n, "integer", category="rights-case", nullable=False) for n in _COUNTS},
            "at": Field("at", "datetime", nullable=False),
        },
        links=(
            Link(("bulk",), "bulk", ("bulk",)),
            Link(("number",), "rights_case", ("number",)),
        ),
        retention="case",
        on_erase=OnErase.NEVER,
        title="How each request of a run ended",
    ),
)

_RUN: Final = (
    'SELECT b.id, b.bulk, b."right", a.actor, a.name, a.role, b.people, b.state, b.opened_at,'
    " b.changed_at FROM bulk b JOIN actor a USING (actor)"
)
_LOCK: Final = "hashtextextended('kept bulk ' || %s, 0)"


class Bulks:
    """Runs over lists of people."""

    def __init__(self, database: Database, cases: Cases) -> None:
        self._database, self._cases = database, cases

    def open(
        self, right: str, actor: Actor, now: dt.datetime, *, connection: Connection
    ) -> tuple[str, int]:
        """A run without anybody yet: (id, number). Its list follows in the same transaction."""
        row = connection.execute(
            'INSERT INTO bulk (id, "right", actor, people, state, opened_at, changed_at)'
            " VALUES (%s, %s, %s, 0, %s, %s, %s) RETURNING id, bulk",
            (new_id(now), right, actor.id, RunState.OPEN, now, now),
        ).fetchone()
        assert row is not None
        return str(row[0]), int(row[1])

    def add(
        self, number: int, case: Case, lines: Sequence[int], now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """The people of a case, in their order, as lines of the list of run `number`."""
        connection.execute(
            "INSERT INTO bulk_person (bulk, line, number, person, outcome, at)"
            " SELECT %s, line, %s, place - 1, %s, %s"
            " FROM unnest(%s::int[]) WITH ORDINALITY AS l (line, place)",
            (number, case.number, Ended.WAITS, now, list(lines)),
        )
        connection.execute(
            "UPDATE bulk SET people = people + %s WHERE bulk = %s", (len(lines), number)
        )

    def twice(self, number: int, *, connection: Connection) -> list[tuple[int, int]]:
        """(first line, line) of lines that name by the very same identifiers, at most five."""
        rows = connection.execute(
            "SELECT lines[1], lines[2] FROM (SELECT array_agg(line ORDER BY line) AS lines FROM"
            " (SELECT p.line, array_agg(c.mac ORDER BY c.mac) AS macs FROM bulk_person p"
            " JOIN case_person c USING (number, person) WHERE p.bulk = %s GROUP BY p.line) m"
            " GROUP BY macs HAVING count(*) > 1) l ORDER BY 2 LIMIT 5",
            (number,),
        ).fetchall()
        return [(int(first), int(again)) for first, again in rows]

    def find(self, id_: str) -> Run | None:
        """The run of that id; None where there is none."""
        with self._database.by_statement() as c:
            row = c.execute(f"{_RUN} WHERE b.id = %s", (id_,)).fetchone()
            return None if row is None else self._read(c, row)

    def get(self, id_: str) -> Run:
        """The run of that id; UsageError where there is none."""
        run = self.find(id_)
        if run is None:
            raise UsageError("there is no such run", fix="see `kept case list`")
        return run

    def all(self) -> list[Run]:
        """All runs, oldest first."""
        with self._database.by_statement() as c:
            rows = c.execute(f"{_RUN} ORDER BY b.bulk").fetchall()
            return [self._read(c, row) for row in rows]

    def tally(self, run: Run) -> dict[Ended, int]:
        """How many people stand how; only what is met."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT outcome, count(*) FROM bulk_person WHERE bulk = %s GROUP BY 1",
                (run.number,),
            ).fetchall()
        found = {Ended(outcome): int(count) for outcome, count in rows}
        return {one: found[one] for one in Ended if one in found}

    def summed(self, run: Run) -> Counts:
        """The rows of all its people together."""
        with self._database.by_statement() as c:
            row = c.execute(
                "SELECT coalesce(sum(found), 0)::bigint, coalesce(sum(changed), 0)::bigint,"
                " coalesce(sum(retained), 0)::bigint, coalesce(sum(isolated), 0)::bigint"
                " FROM bulk_person WHERE bulk = %s",
                (run.number,),
            ).fetchone()
        assert row is not None
        return Counts(*(int(n) for n in row))

    def lines(self, run: Run, outcomes: Sequence[Ended] = tuple(Ended)) -> Iterator[Line]:
        """The lines that stand so, in order, streamed."""
        with self._database.connection() as c, c.cursor(name="lines") as cursor:
            cursor.execute(
                "SELECT p.line, r.id, p.outcome, p.found, p.changed, p.retained, p.isolated, p.why"
                " FROM bulk_person p JOIN rights_case r USING (number)"
                " WHERE p.bulk = %s AND p.outcome = ANY(%s) ORDER BY p.line",
                (run.number, list(outcomes)),
            )
            for line, case, outcome, *counts, why in cursor:
                yield Line(line, case, End(Ended(outcome), Counts(*counts), why))

    def cases(self, run: Run, outcomes: Sequence[Ended] = AGAIN) -> list[str]:
        """The cases in which somebody stands so, in the order of the list."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT r.id FROM rights_case r JOIN (SELECT number, min(line) AS first"
                " FROM bulk_person WHERE bulk = %s AND outcome = ANY(%s) GROUP BY number) p"
                " USING (number) ORDER BY p.first",
                (run.number, list(outcomes)),
            ).fetchall()
        return [str(row[0]) for row in rows]

    def record(
        self, case: Case, ends: Mapping[int, End], now: dt.datetime,
        *, connection: Connection | None = None,
    ) -> None:  # fmt: skip
        """How it ended for people of a case, by their place in it; nothing where no run has it."""
        rows = [
            (who, e.outcome.value, e.why[:_LONGEST] if e.why else None,
             *(getattr(e.counts, n) for n in _COUNTS))
            for who, e in sorted(ends.items())
        ]  # fmt: skip
        with self._database.within(connection) as c:
            c.execute(
                "UPDATE bulk_person p SET outcome = e.outcome, why = e.why, found = e.found,"
                " changed = e.changed, retained = e.retained, isolated = e.isolated, at = %s"
                " FROM unnest(%s::int[], %s::text[], %s::text[], %s::int[], %s::int[], %s::int[],"
                " %s::int[]) AS e (person, outcome, why, found, changed, retained, isolated)"
                " WHERE p.number = %s AND p.person = e.person",
                (now, *([row[n] for row in rows] for n in range(7)), case.number),
            )

    def catch_up(self, run: Run, now: dt.datetime) -> None:
        """Take over how cases ended that were brought to their end outside the run, or by one
        that was killed before it could say so.
        """
        done = [State.AWAITING, State.CLOSED]
        with self._database.connection() as c:
            c.execute(
                "UPDATE bulk_person p SET outcome = CASE WHEN r.state <> ALL(%s) THEN r.state"
                " WHEN s.found = 0 THEN %s ELSE %s END, why = NULL, at = %s,"
                " found = coalesce(s.found, p.found), changed = coalesce(s.changed, p.changed),"
                " retained = coalesce(s.retained, p.retained),"
                " isolated = coalesce(s.isolated, p.isolated)"
                " FROM rights_case r LEFT JOIN (SELECT number, sum(found) AS found,"
                " sum(changed) AS changed, sum(retained) AS retained, sum(isolated) AS isolated"
                " FROM case_step GROUP BY number) s USING (number)"
                " WHERE p.bulk = %s AND r.number = p.number AND NOT p.outcome = ANY(%s)"
                " AND (r.state = ANY(%s) OR r.state = ANY(%s) AND r.people = 1)",
                (
                    done, Ended.NOBODY, Ended.DONE, now, run.number, list(OVER),
                    [State.REFUSED, State.WITHDRAWN], done,
                ),
            )  # fmt: skip

    def set_apart(
        self, case: Case, parts: Sequence[Sequence[int]], actor: Actor, now: dt.datetime,
        *, connection: Connection,
    ) -> list[Case]:  # fmt: skip
        """Give people of a case cases of their own, one for each part: who, by place in it.

        They were received when it was, and it is known as well who asks. UsageError where the
        case was planned, or would be left with nobody.
        """
        people = self._cases.identifiers(case)
        going = {who for part in parts for who in part}
        if self._cases.plan(case) is not None or len(going) >= len(people):
            raise UsageError(
                f"nobody of case {case.id} can be set apart",
                expected="a case that is not planned, in which somebody stays",
            )
        words = self._cases.words(case)
        made = []
        for part in parts:
            one = self._cases.open(
                case.right, [people[who] for who in part], actor, words.override, case.opened_at,
                evidence=words.evidence, connection=connection,
            )  # fmt: skip
            self._cases.as_well(one, case, connection=connection)
            self._move(connection, case, one, part, now)
            made.append(one)
        staying = [who for who in range(len(people)) if who not in going]
        # Downwards only, one after the other in order: nobody meets the place of another.
        self._move(connection, case, case, staying, now)
        self._cases.name_only(case, [people[who] for who in staying], connection=connection)
        return made

    def _move(
        self, c: Connection, case: Case, to: Case, who: Sequence[int], now: dt.datetime
    ) -> None:
        c.execute(
            "UPDATE bulk_person p SET number = %s, person = w.place - 1, at = %s"
            " FROM unnest(%s::int[]) WITH ORDINALITY AS w (person, place)"
            " WHERE p.number = %s AND p.person = w.person",
            (to.number, now, list(who), case.number),
        )

    # — running ———————————————————————————————————————————————————————————————————————————

    @contextmanager
    def alone(self, run: Run, now: dt.datetime) -> Iterator[None]:
        """The run for this process only, as long as it lives. Raises Busy where another runs it."""
        with self._database.connection() as c:
            try:
                # Whoever only looks whether it is held has it for a moment too.
                c.execute("SET LOCAL lock_timeout = '1s'")
                c.execute(f"SELECT pg_advisory_lock({_LOCK})", (str(run.number),))
                c.commit()
            except psycopg.errors.LockNotAvailable:
                raise Busy(
                    f"run {run.id} is being carried out by somebody else right now",
                    fix=f"wait, or have it pause: `kept rights pause --case {run.id}`",
                ) from None
            try:
                self._set(run, RunState.RUNNING, now)
                yield
            finally:
                with suppress(psycopg.Error):  # a lost connection has given it back already
                    c.execute(f"SELECT pg_advisory_unlock({_LOCK})", (str(run.number),))
                    c.commit()

    def ask_pause(self, run: Run, now: dt.datetime) -> bool:
        """Have the run pause after its batch; whether one was running."""
        with self._database.connection() as c:
            c.execute(
                "UPDATE bulk SET state = %s, changed_at = %s WHERE bulk = %s AND state = ANY(%s)",
                (RunState.PAUSING, now, run.number, [RunState.RUNNING, RunState.PAUSING]),
            )
        return self.get(run.id).state is RunState.PAUSING

    def pausing(self, run: Run) -> bool:
        """Whether somebody asked for a pause."""
        with self._database.by_statement() as c:
            row = c.execute("SELECT state FROM bulk WHERE bulk = %s", (run.number,)).fetchone()
        return row == (RunState.PAUSING,)

    def stop(self, run: Run, now: dt.datetime, *, paused: bool) -> Run:
        """The run stops here: paused, over, or open because some wait."""
        left = any(one not in OVER for one in self.tally(run))
        state = RunState.OVER if not left else RunState.PAUSED if paused else RunState.OPEN
        self._set(run, state, now)
        return self.get(run.id)

    def _set(self, run: Run, state: RunState, now: dt.datetime) -> None:
        with self._database.connection() as c:
            c.execute(
                "UPDATE bulk SET state = %s, changed_at = %s WHERE bulk = %s",
                (state, now, run.number),
            )

    def _read(self, c: Connection, row: tuple[Any, ...]) -> Run:
        state = RunState(row[7])
        if state in (RunState.RUNNING, RunState.PAUSING):
            # The lock of a process dies with it; what it wrote about itself does not.
            lock = "pg_try_advisory_xact_lock_shared"
            free = c.execute(f"SELECT {lock}({_LOCK})", (str(row[1]),)).fetchone()
            state = RunState.INTERRUPTED if free == (True,) else state
        return Run(row[0], row[1], row[2], Actor(*row[3:6]), row[6], state, row[8], row[9])


def batches(
    people: Iterable[tuple[int, tuple[Identifier, ...]]], size: int
) -> Iterator[list[tuple[int, tuple[Identifier, ...]]]]:
    """(line, identifiers) in batches of at most `size`; one batch at a time in memory."""
    batch: list[tuple[int, tuple[Identifier, ...]]] = []
    for one in people:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
