"""Thousands of people in one run: a list is read, and carried out batch by batch.

A batch of an erasure is one case with one sealed plan: one statement per dataset for all of its
people. What leaves the house, or binds one person, is hers alone: then every line is a case of
its own, and the stores are asked for many of them at once (`Controller.together`). Who is in
doubt, or whose rows a store refuses, is set apart in a case of her own and stops nobody else.
Between two batches a run can pause, be killed, and go on.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeAlias

from kept.controller import Controller
from kept.controller.foresee import Foreseen
from kept.duties.rights.clock import split, start
from kept.duties.rights.doubt import Ambiguous
from kept.duties.rights.ends import NOWHERE
from kept.duties.rights.proving import needs
from kept.duties.rights.request import VERBS, Request, begun, refuse_role, searched
from kept.errors import Busy, Denied, KeptError, Obstructed, StoreError, UsageError
from kept.records.actor import Actor
from kept.records.bulk import AGAIN, End, Ended, Run, batches
from kept.records.case import Case, State
from kept.terms.identifiers import Identifier

#: People of one batch where nothing else is said; the most that are taken.
BATCH: Final = 500
MOST: Final = 2_000
#: For so many cases of one person the stores are asked at once.
TOGETHER: Final = 100
#: Rights for which rows are shown.
_SHOWN: Final = ("access", "portability")
#: How often one batch is halved at most to find the rows that a store refuses.
_HALVINGS: Final = 24
_FRESH: Final = (State.RECEIVED, State.ACKNOWLEDGED, State.IDENTIFIED, State.PLANNED)
#: What a case tells of its people before it is known whose rows a store refuses.
_REFUSES: Final = "a store refuses rows of somebody in the same batch"

#: Carries out one case, named by the Request, at a moment, by the Controller that it is given. It
#: may say how it ended for the one person of the case; a duty that records that itself says None.
Carry: TypeAlias = Callable[[Controller, Request, dt.datetime], End | None]


def open_run(
    controller: Controller,
    right: str,
    people: Iterable[tuple[int, tuple[Identifier, ...]]],
    request: Request,
    now: dt.datetime,
    *,
    batch: int = BATCH,
) -> Run:
    """Read a list, (line, identifiers) of each person, into a run. All of it, or nothing.

    At most `batch` people are in memory at once and in one case; `request` says who acts and how
    it was checked who asks, for all of them. Raises UsageError where a person stands there twice
    or nobody does, and whatever reading the list raises.
    """
    refuse_role(request)
    if not 1 <= batch <= MOST:
        raise UsageError("a batch of such a size is not taken", expected=f"1 to {MOST:,} people")
    size = batch if right == "erasure" else 1
    actor = controller.actors.of(request.actor, request.role, now)
    entries = []
    with controller.database.connection() as connection:
        id_, number = controller.bulks.open(right, actor, now, connection=connection)
        for part in batches(people, size):
            case = controller.cases.open(
                right, [one for _, one in part], actor, request.override, now,
                evidence=request.evidence, way=request.way,
                needs=needs(controller, right, request.region, None), connection=connection,
            )  # fmt: skip
            lines = [line for line, _ in part]
            controller.bulks.add(number, case, lines, now, connection=connection)
            due = start(
                controller, case, now, region=request.region, arrived=request.arrived,
                connection=connection,
            )  # fmt: skip
            entries += begun(controller, case, actor, now, due, override=request.override)
        if not entries:
            raise UsageError("the list names nobody", expected="one person a line")
        twice = controller.bulks.twice(number, connection=connection)
        if twice:
            raise UsageError(
                "the list names somebody more than once; nothing was opened",
                expected="each person in one line",
                met=", ".join(f"line {again} as line {first}" for first, again in twice),
                fix="take the second line out",
            )
        controller.ledger.append_in(connection, entries)
    return controller.bulks.get(id_)


def carry_out(
    controller: Controller,
    run: Run,
    request: Request,
    carry: Carry,
    clock: Callable[[], dt.datetime],
    *,
    tell: Callable[[dict[Ended, int]], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Carry out what is left of a run, batch by batch; the run as it stands afterwards.

    `tell` gets the tally after each batch. When `stop` says so, or somebody has it pause, it ends
    after the batch that is under way. Raises Busy where another process runs it, Denied before it
    is known who asks.
    """
    going = _Going(
        controller, carry, request, controller.actors.of(request.actor, request.role, clock())
    )
    paused = False
    with controller.bulks.alone(run, clock()):
        controller.bulks.catch_up(run, clock())
        todo, busy = deque(controller.bulks.cases(run, AGAIN)), list[str]()
        if todo:
            _require_known(controller, run, todo[0], request)
        again = False
        while todo or (busy and not again):
            if stop() or controller.bulks.pausing(run):
                paused = True
                break
            if not todo:
                # Somebody else was at these; by now that may be over. What still is waits.
                todo, busy, again = deque(busy), [], True
            id_ = todo.popleft()
            try:
                todo.extendleft(reversed(going.batch(id_, clock(), todo)))
            except (Busy, StoreError) as problem:
                # Of two that wait for each other an engine lets one go: it is asked once more.
                busy.append(id_)
                waits = Ended.WAITS if isinstance(problem, Busy) else Ended.INCOMPLETE
                going.all(id_, End(waits, why=problem.what), clock())
            tell(controller.bulks.tally(run))
        return controller.bulks.stop(run, clock(), paused=paused)


def _require_known(controller: Controller, run: Run, case_id: str, request: Request) -> None:
    case = controller.cases.get(case_id)
    if not (case.evidence or case.override or request.evidence or request.override):
        again = f"kept rights {VERBS[run.right]} --case {run.id}"
        controller.bulks.stop(run, run.changed_at, paused=False)
        raise Denied(
            f"run {run.id} has no evidence of who asks; nothing was done",
            fix=f'say how it was checked: `{again} --evidence "…"`; or give --override REASON and'
            " answer for it",
        )


@dataclass(slots=True)
class _Going:
    """A run under way."""

    controller: Controller
    carry: Carry
    request: Request
    actor: Actor
    #: Case → the batch out of which its people were set apart; and how often that was halved.
    roots: dict[str, str] = field(default_factory=dict)
    halved: Counter[str] = field(default_factory=Counter)
    #: Cases whose people's rows were asked for together, with the Controller that knows them.
    seen: dict[str, int] = field(default_factory=dict)
    view: tuple[Controller, Foreseen] | None = None

    def batch(self, id_: str, now: dt.datetime, following: Iterable[str] = ()) -> list[str]:
        """Carry out one case; which come next because people were set apart. Raises Busy, and what
        a store says. `following` come after it: what is asked for it is asked for them too.
        """
        case = self.controller.cases.get(id_)
        people = self.controller.cases.identifiers(case)
        nowhere = [n for n, one in enumerate(people) if not searched(self.controller, [one])]
        if nowhere and case.state in _FRESH:
            if self._apart(case, nowhere, End(Ended.INCOMPLETE, why=NOWHERE), now):
                return [id_]
            return []
        r = self.request
        one = Request((), r.actor, r.role, r.override, r.evidence, id_)
        try:
            with self.turn(case, following) as controller:
                end = self.carry(controller, one, now)
        except Ambiguous as doubt:
            stays = self._apart(case, doubt.who, End(Ended.DOUBTFUL, why=doubt.what), now)
            return [id_] if stays else []
        except Obstructed as problem:
            return self._halve(id_, problem, now)
        except (Busy, StoreError):
            raise
        except KeptError as problem:
            self.all(id_, End(Ended.INCOMPLETE, why=problem.what), now)
        else:
            if end is not None:
                self.all(id_, end, now)
        return []

    @contextmanager
    def turn(self, case: Case, following: Iterable[str]) -> Iterator[Controller]:
        """The Controller for a case: one that knows of her what was asked for several at once."""
        if case.right == "erasure" or case.state not in _FRESH:
            yield self.controller
            return
        if case.id not in self.seen:
            self._look([case.id, *islice(following, TOGETHER - 1)], case.right)
        if self.view is None or case.id not in self.seen:
            yield self.controller
            return
        view, foreseen = self.view
        with foreseen.turn(self.seen.pop(case.id)):
            yield view

    def _look(self, ids: Sequence[str], right: str) -> None:
        fresh = [c for id_ in ids if (c := self.controller.cases.get(id_)).state in _FRESH]
        named = [self.controller.cases.identifiers(c)[0] for c in fresh if c.people == 1]
        people = self.controller.identities.widen(named)
        self.view = self.controller.together(people, whole=right in _SHOWN)
        self.seen = {c.id: n for n, c in enumerate(c for c in fresh if c.people == 1)}

    def all(self, id_: str, end: End, now: dt.datetime) -> None:
        """So it stands for everybody of a case."""
        case = self.controller.cases.get(id_)
        self.controller.bulks.record(case, dict.fromkeys(range(case.people), end), now)

    def _apart(self, case: Case, who: Sequence[int], end: End, now: dt.datetime) -> bool:
        """Give each of these a case of her own, with how it stands for her; whether anybody is
        left for whom the case is to be carried out. Where nobody is, the first stays in it alone.
        """
        all_ = len(who) >= case.people
        going = who[1:] if all_ else who
        for one in self._set_apart(case, [[n] for n in going], now) if going else ():
            self.all(one, end, now)
        if all_:
            self.all(case.id, end, now)
        return not all_

    def _halve(self, id_: str, problem: Obstructed, now: dt.datetime) -> list[str]:
        """A store refuses a batch: its halves are tried, until it is known whose rows it means.

        No more than so often: what it refuses of everybody is not asked one by one.
        """
        case, root = self.controller.cases.get(id_), self.roots.get(id_, id_)
        alone = case.people == 1
        if alone or case.state not in _FRESH or self.halved[root] >= _HALVINGS:
            words = problem.what if alone else f"{_REFUSES}: {problem.what}"
            self.all(id_, End(Ended.INCOMPLETE, why=words), now)
            return []
        self.halved[root] += 1
        (half,) = self._set_apart(case, [range(case.people // 2, case.people)], now)
        self.roots[half] = root
        return [id_, half]

    def _set_apart(
        self, case: Case, parts: Sequence[Sequence[int]], now: dt.datetime
    ) -> list[str]:  # fmt: skip
        override = self.controller.cases.words(case).override
        with self.controller.database.connection() as connection:
            made = self.controller.bulks.set_apart(
                case, parts, self.actor, now, connection=connection
            )
            entries = []
            for one in made:
                due = split(self.controller, case, one, now, connection=connection)
                entries += begun(self.controller, one, self.actor, now, due, override=override)
            self.controller.ledger.append_in(connection, entries)
        return [one.id for one in made]
