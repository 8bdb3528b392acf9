"""The steps of a case: what was planned, begun and found out, one row each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from kept.database import Connection, Database
from kept.decide.reasons import OF_ANOTHER
from kept.errors import Denied
from kept.keys import Vault
from kept.model.plan import Action, Counts, Reason, Step, StepResult
from kept.records.case_state import Case, State, StepRecord, StepState
from kept.records.hold import grounds


class Steps:
    """The part of `Cases` that holds their steps."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def steps(self, case: Case) -> list[StepRecord]:
        """The steps of the case with what became of them, in order."""
        with self._database.by_statement() as c:
            rows = c.execute(
                "SELECT step, s.system, s.dataset, action, planned, state, found, changed,"
                " retained, isolated, verified, words, s.law, s.until, s.clause, hold, problem,"
                " attempts, h.number, h.ground, s.at"
                " FROM case_step s LEFT JOIN hold h ON h.id = s.hold"
                " WHERE s.number = %s ORDER BY step",
                (case.number,),
            ).fetchall()
            said = {
                row[18]: grounds(self._vault, c, row[18], row[19])
                for row in rows
                if row[18] is not None
            }
        return [
            StepRecord(
                r[0], r[1], r[2], Action(r[3]), r[4], StepState(r[5]), Counts(*r[6:10]), r[10],
                Reason(r[11] or said.get(r[18], ""), *r[12:16]) if r[14] is not None else None,
                r[16], r[17], r[20],
            )
            for r in rows
        ]  # fmt: skip

    def begin_steps(
        self,
        case: Case,
        steps: Sequence[int],
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Record that steps begin; committed before the store is touched.

        Denied where the case is not executing, or its plan is not sealed.
        """
        with self._database.within(connection) as c, c.pipeline():
            row = c.execute(
                "SELECT state, EXISTS (SELECT FROM case_sealed s WHERE s.number = r.number"
                " AND s.name = 'plan') FROM rights_case r WHERE number = %s FOR UPDATE",
                (case.number,),
            ).fetchone()
            if row != (State.EXECUTING, True):
                raise Denied(
                    "a step cannot begin before the case executes a sealed plan",
                    fix="seal the plan, then move the case to `executing`",
                )
            c.execute(
                "UPDATE case_step SET state = %s, attempts = attempts + 1, problem = NULL, at = %s"
                " WHERE number = %s AND step = ANY(%s)",
                (StepState.BEGUN, now, case.number, list(steps)),
            )

    def record_step(
        self,
        case: Case,
        step: Step | int,
        result: StepResult,
        now: dt.datetime,
        *,
        connection: Connection | None = None,
    ) -> None:
        """Record how a step came out; counts are those of the whole step, not of an attempt.

        It is done when it is settled, else failed.
        """
        number = step if isinstance(step, int) else step.number
        n = result.counts
        with self._database.within(connection) as c:
            c.execute(
                "UPDATE case_step SET state = %s, found = %s, changed = %s, retained = %s,"
                " isolated = %s, verified = %s, words = %s, law = %s, until = %s, clause = %s,"
                " hold = %s, problem = %s, at = %s WHERE number = %s AND step = %s",
                (
                    StepState.DONE if result.settled else StepState.FAILED,
                    n.found, n.changed, n.retained, n.isolated, result.verified,
                    *_reason_columns(result.reason), result.problem, now, case.number, number,
                ),
            )  # fmt: skip

    def leave_steps(
        self, case: Case, since: Mapping[int, dt.datetime], now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """Record which steps are left, and since when, because she has agreed anew to what her data
        there serves; one that was left before and is not among them is to be done again.
        """
        connection.execute(
            "UPDATE case_step SET state = %s, at = %s WHERE number = %s AND state = %s"
            " AND step <> ALL(%s)",
            (StepState.PLANNED, now, case.number, StepState.LEFT, list(since)),
        )
        connection.execute(
            "UPDATE case_step s SET state = %s, problem = NULL, at = n.at"
            " FROM unnest(%s::integer[], %s::timestamptz[]) AS n (step, at)"
            " WHERE s.number = %s AND s.step = n.step",
            (StepState.LEFT, list(since), list(since.values()), case.number),
        )

    def overtaken(
        self, case: Case, steps: Sequence[int], why: str, now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """Record which steps are left for good, and why: nothing is there to do them to."""
        connection.execute(
            "UPDATE case_step SET state = %s, problem = %s, at = %s"
            " WHERE number = %s AND step = ANY(%s)",
            (StepState.LEFT, why, now, case.number, list(steps)),
        )

    def record_reads(
        self, case: Case, results: Sequence[StepResult], now: dt.datetime,
        *, connection: Connection,
    ) -> None:  # fmt: skip
        """Record what was read in a case that writes nothing, in the place of what was before."""
        connection.execute("DELETE FROM case_step WHERE number = %s", (case.number,))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO case_step (number, step, system, dataset, action, planned, state,"
                " found, retained, isolated, verified, words, law, until, clause, hold, problem,"
                " attempts, at) VALUES"
                " (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 1, %s)",
                [
                    (
                        case.number, number, r.store, r.dataset, r.action, r.counts.found,
                        StepState.DONE if r.settled else StepState.FAILED, r.counts.found,
                        r.counts.retained, r.counts.isolated, r.verified,
                        *_reason_columns(r.reason), r.problem, now,
                    )
                    for number, r in enumerate(results, 1)
                ],
            )  # fmt: skip


def add_steps(c: Connection, case: Case, steps: Sequence[Step], now: dt.datetime) -> None:
    """Enter the steps of a plan, in the caller's transaction."""
    with c.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO case_step (number, step, system, dataset, action, planned, state,"
            " words, law, until, clause, hold, at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    case.number, s.number, s.system, s.dataset, s.action, s.rows,
                    StepState.PLANNED, *_reason_columns(s.reason), now,
                )
                for s in steps
            ],
        )  # fmt: skip


def _reason_columns(reason: Reason | None) -> tuple[object, ...]:
    if reason is None:
        return (None,) * 5
    # The ground of a hold stands sealed with the hold, and nowhere else.
    words = None if reason.hold and reason.words != OF_ANOTHER else reason.words
    return words, reason.law, reason.until, reason.clause, reason.hold
