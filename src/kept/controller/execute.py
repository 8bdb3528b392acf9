"""Carrying out a plan: write, read back through a second handle, say what is true.

Stores whose grain is the whole store are written inside one open transaction each, and none
is committed before all of them took their changes: that is the rehearsal, and rolling back
all of them is what happens when one refuses, or leaves rows as they were without a word. Stores
of a finer grain come after.

What is reported never rests on what a write claimed: it is found by key, afterwards, through
a handle that did not write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, TypeAlias

from kept.datamap.map import DataMap, Dataset
from kept.decide.ties import norm
from kept.errors import KeptError, NotAble, Obstructed, Pending, StoreError
from kept.model.change import Assignment, Change, Const, Template
from kept.model.generalise import Generalise, generalise
from kept.model.plan import Action, Counts, Mode, Plan, Step, StepResult, SystemPlan, Word
from kept.model.redact import Redact, redact
from kept.model.select import by_key
from kept.model.values import Value, coerce
from kept.stores.base import Session, Store
from kept.stores.rows import fill

_EMPTYING = (Action.OVERWRITE, Action.ISOLATE, Action.ANONYMISE, Action.REDACT)
_WRITES = (Action.DELETE, *_EMPTYING)
#: What is said of a step that the mode of its system leaves undone: not a failure.
BY_MODE: Final[Mapping[Mode, str]] = {
    Mode.OBSERVE: "mode observe: nothing was written",
    Mode.ASSISTED: "mode assisted: a person carries the statements out, then run this again",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the steps of one system; `statements` for mode assisted."""

    system: str
    results: tuple[tuple[int, StepResult], ...]
    statements: tuple[str, ...] = ()


Recorder: TypeAlias = Callable[[Outcome], None]


def execute(
    plan: Plan,
    datamap: DataMap,
    stores: Mapping[str, Store],
    *,
    mark: str,
    done: Mapping[int, StepResult],
    record: Recorder,
) -> list[Outcome]:
    """Carry out the steps that are not `done` (verified before), system by system.

    `mark` names this execution (the case), the same when it is resumed. `record` is called
    once per system, as soon as its steps were read back. Raises Obstructed, with nothing
    written anywhere, when a store refuses its changes before the first commit.
    """
    left = {
        p.system: [s for s in plan.steps if s.system == p.system and s.number not in done]
        for p in plan.systems
    }
    ours = [p for p in plan.systems if left[p.system]]
    problems: dict[str, str | Pending] = {}
    statements: dict[str, tuple[str, ...]] = {}
    for p in ours:
        if p.mode is Mode.ASSISTED:
            statements[p.system] = _assisted(stores[p.system], left[p.system])
    together = [p for p in ours if p.mode is Mode.ACT and p.grain == "store"]
    _write_together(together, left, datamap, stores, mark, problems)
    for p in ours:
        if p.mode is Mode.ACT and p.grain != "store":
            _write_alone(p, left[p.system], stores[p.system], mark, problems)
    outcomes = []
    for p in ours:
        store, problem = stores[p.system], problems.get(p.system)
        results = _read_back(p, left[p.system], datamap, store, problem, mark)
        outcome = Outcome(p.system, tuple(results), statements.get(p.system, ()))
        record(outcome)
        outcomes.append(outcome)
    return outcomes


def changes(steps: Iterable[Step]) -> list[Change]:
    """The writing steps as changes by key, in their order."""
    return [
        Change(by_key(s.dataset, s.keys), dict(s.assign) if s.action in _EMPTYING else None)
        for s in _writing(steps)
    ]


def _assisted(store: Store, steps: Sequence[Step]) -> tuple[str, ...]:
    try:
        return tuple(store.statements(changes(steps)))
    except NotAble as problem:
        return (f"-- {problem}",)


def _write_together(
    plans: Sequence[SystemPlan],
    left: Mapping[str, Sequence[Step]],
    datamap: DataMap,
    stores: Mapping[str, Store],
    mark: str,
    problems: dict[str, str | Pending],
) -> None:
    """Apply in every store, then commit in every store."""
    with ExitStack() as stack:
        sessions: list[tuple[str, Session]] = []
        for p in plans:
            todo = changes(left[p.system])
            if not todo:
                continue
            try:
                session = stack.enter_context(stores[p.system].session(write=True))
                counts = session.apply(todo, mark)
                _refuse_silence(p.system, left[p.system], counts, session, datamap)
            except StoreError as problem:
                stack.close()  # every open transaction is rolled back
                _explain(stores[p.system], todo, problem)
            sessions.append((p.system, session))
        for index, (system, session) in enumerate(sessions):
            try:
                session.commit()
            except StoreError as problem:
                problems[system] = str(problem)
                if index == 0:
                    # Refused, or done and only the answer lost: the store is asked again.
                    session.close()
                    landed = _landed(left[system], datamap, stores[system])
                    if landed:
                        continue
                    stack.close()  # nothing was committed anywhere else
                    if landed is False:
                        _explain(stores[system], changes(left[system]), problem)
                    first = f"it is not known whether `{system}` took its changes"
                    for other, _ in sessions[1:]:
                        problems[other] = f"{first}; nothing was written here"
                    return


def _refuse_silence(
    system: str,
    steps: Sequence[Step],
    counts: Sequence[Counts],
    session: Session,
    datamap: DataMap,
) -> None:
    """Refuse where the store took a change and left rows as they were: row security, a rule or
    a trigger may do so without an error. Only where fewer rows changed than there are keys.

    Raises Obstructed; nothing is committed yet.
    """
    for s, c in zip(_writing(steps), counts, strict=True):
        if c.changed >= s.rows:
            continue
        # A row that somebody else has taken away meanwhile is nothing that the store refused.
        if s.action in _EMPTYING:
            left = sum(not as_wanted for _, as_wanted in _compared(session, datamap, s))
        else:
            left = session.count([by_key(s.dataset, s.keys)])[0]
        if left:
            keys = s.rows
            raise Obstructed(
                f"`{system}.{s.dataset}` refuses the plan: it takes the change without an error,"
                f" and leaves {left} of {keys} rows as they were;"
                " nothing was written in any system",
                expected="a plan that every store takes",
                met="silence",
                fix="look for row security, a rule or a trigger on this table, and let the role"
                " of the system's `url` change its rows",
            )


def _writing(steps: Iterable[Step]) -> list[Step]:
    """The steps that `changes` makes a change of, in the same order."""
    return [s for s in steps if s.action in _WRITES and len(s.keys)]


def _landed(steps: Sequence[Step], datamap: DataMap, store: Store) -> bool | None:
    """Whether the writing steps are done, all of them; None where that cannot be found out."""
    todo = _writing(steps)
    try:
        seen = _seen_after(todo, datamap, store)
    except KeptError:
        return None
    return all(_result(s, seen[s.number], None).verified for s in todo)


def _explain(store: Store, todo: Sequence[Change], problem: StoreError) -> None:
    """Raise what stands in the way, in words; else the problem as it was."""
    if store.abilities.rehearse:
        with store.session(write=True) as session:
            obstacles = session.rehearse(todo)
        if obstacles:
            first = obstacles[0]
            # What an engine says only of the whole transaction has no dataset.
            where = f"{store.system}.{first.dataset}" if first.dataset else store.system
            others = [
                f"`{one.dataset}`: {one.words}" if one.dataset else one.words
                for one in obstacles[1:]
            ]
            more = f" (and {'; '.join(others)})" if others else ""
            raise Obstructed(
                f"`{where}` refuses the plan: {first.words}{more};"
                " nothing was written in any system",
                expected="a plan that every store takes",
                met=first.met,
                fix="; ".join(dict.fromkeys(one.fix for one in obstacles)),
            ) from None
    raise problem


def _write_alone(
    p: SystemPlan,
    steps: Sequence[Step],
    store: Store,
    mark: str,
    problems: dict[str, str | Pending],
) -> None:
    todo = changes(steps)
    if not todo:
        return
    try:
        with store.session(write=True) as session:
            session.apply(todo, mark)
            session.commit()
    except Pending as problem:
        problems[p.system] = problem
    except StoreError as problem:
        problems[p.system] = str(problem)


def _read_back(
    p: SystemPlan,
    steps: Sequence[Step],
    datamap: DataMap,
    store: Store,
    problem: str | Pending | None,
    mark: str,
) -> list[tuple[int, StepResult]]:
    """What is true of each step now, found by key through a fresh handle."""
    # What a system has taken and not done is not done, even if it no longer shows it.
    waits = problem.datasets if isinstance(problem, Pending) else frozenset()
    problem = str(problem) if isinstance(problem, Pending) else problem
    if p.mode in BY_MODE:
        problem = BY_MODE[p.mode]
    elif store.abilities.word:
        return [(s.number, _said(s, store, mark, problem)) for s in steps]
    seen: dict[int, int] = {}
    try:
        seen = _seen_after([s for s in steps if len(s.keys)], datamap, store)
    except KeptError as unread:
        problem = problem or str(unread)
    results = []
    for s in steps:
        met = 0 if not len(s.keys) else seen.get(s.number)
        if s.dataset in waits and s.action in _WRITES:
            met = None
        results.append((s.number, _result(s, met, problem)))
    return results


def _seen_after(steps: Sequence[Step], datamap: DataMap, store: Store) -> dict[int, int]:
    """As `_seen`, through a handle that did not write."""
    if not store.abilities.reads_back:
        raise NotAble("the store cannot be read back, so nothing it did is known")
    with store.session() as session:
        return _seen(steps, datamap, session)


def _seen(steps: Sequence[Step], datamap: DataMap, session: Session) -> dict[int, int]:
    """Step → its rows that are there now, or, of an overwriting step, that are as it wants."""
    counted = [s for s in steps if s.action not in _EMPTYING]
    counts = session.count([by_key(s.dataset, s.keys) for s in counted])
    seen = {s.number: n for s, n in zip(counted, counts, strict=True)}
    for s in steps:
        if s.action in _EMPTYING:
            seen[s.number] = _overwritten(session, datamap, s)
    return seen


def _said(s: Step, store: Store, mark: str, problem: str | None) -> StepResult:
    """What people say became of a step; nothing of it is ever called read back."""
    if s.action not in _WRITES:
        counts = Counts(found=s.rows, retained=s.rows)
        return StepResult(s.system, s.dataset, s.action, counts, False, s.reason, None, True)
    try:
        with store.session() as session:
            word = session.word(s.dataset, s.action, mark)
    except KeptError as unheard:
        problem, word = problem or str(unheard), Word(None, "")
    rows = s.rows if word.rows is None else word.rows
    counts = Counts(found=rows, changed=rows if word.done else 0)
    problem = None if word.done else problem or word.words
    return StepResult(
        s.system, s.dataset, s.action, counts, False, s.reason, problem, bool(word.done)
    )


def _result(s: Step, met: int | None, problem: str | None) -> StepResult:
    rows = s.rows
    if met is None:
        counts, verified = Counts(found=rows), False
    elif s.action is Action.DELETE:
        counts, verified = Counts(found=rows, changed=rows - met), met == 0
    elif s.action in (Action.OVERWRITE, Action.ANONYMISE, Action.REDACT):
        counts, verified = Counts(found=rows, changed=met), met == rows
    elif s.action is Action.ISOLATE:
        counts, verified = Counts(found=rows, isolated=met), met == rows
    else:
        counts, verified = Counts(found=rows, retained=met), met == rows
    if verified:
        problem = None
    elif problem is None:
        left = rows - (counts.changed + counts.retained + counts.isolated)
        problem = f"{left} of {rows} rows are not as the step wants them"
        if s.action is Action.ISOLATE:
            problem = f"{left} of {rows} rows that have to stay are gone, or not emptied"
    return StepResult(s.system, s.dataset, s.action, counts, verified, s.reason, problem)


def _overwritten(session: Session, datamap: DataMap, step: Step) -> int:
    """How many rows of the step now hold what it assigned. A row that is gone counts as done, but
    not where rows have to stay: it may have gone before anything of it was sealed.
    """
    met = list(_compared(session, datamap, step))
    if step.action is Action.ISOLATE:
        return sum(as_wanted for _, as_wanted in met)
    return step.rows - sum(not as_wanted for _, as_wanted in met) if met else step.rows


def written_before(store: Store, datamap: DataMap, step: Step) -> frozenset[tuple[Value, ...]]:
    """Keys (normalised) of rows that hold already what an overwriting step would put there."""
    with store.session() as session:
        return frozenset(key for key, as_wanted in _compared(session, datamap, step) if as_wanted)


def _compared(
    session: Session, datamap: DataMap, step: Step
) -> Iterator[tuple[tuple[Value, ...], bool]]:
    """(key, whether it holds what the step assigns) of every row that is there."""
    dataset = datamap.dataset(step.system, step.dataset)
    for _, batch in session.read([by_key(step.dataset, step.keys)]):
        for row in {tuple(r) for r in batch.rows}:
            values = dict(zip(batch.columns, row, strict=True))
            key = norm(tuple(values[f] for f in dataset.key))
            yield key, as_wanted(step, dataset, values)


def as_wanted(step: Step, dataset: Dataset, row: Mapping[str, Value]) -> bool:
    """Whether a row holds what the step assigns."""
    return all(
        row[name] == coerce(_expected(name, assigned, row), dataset.fields[name].type)
        for name, assigned in step.assign.items()
    )


def _expected(name: str, assigned: Assignment, row: Mapping[str, Value]) -> Value:
    match assigned:
        case Const(value):
            return value
        case Template(text):
            return fill(text, row)
        case Redact():
            return redact(assigned, row[name])
        case Generalise(how):
            return generalise(how, row[name])
        case _:
            raise NotAble(
                "a per-row function cannot be read back",
                expected="a constant or a template",
            )
