"""`--people FILE`: a list of people for a command of `kept rights`, as one run.

One person a line, by KIND=VALUE identifiers: separated by commas (CSV), or as JSON. No message
repeats a value.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

from cyclopts import Parameter

from kept.app.commands.common import Acting, Common, interrupted
from kept.app.output import table
from kept.controller import Controller
from kept.duties.rights import (
    AccessAnswer,
    ChoiceAnswer,
    PortAnswer,
    Request,
    erase,
    residue,
)
from kept.duties.rights.bulk import BATCH, MOST, Carry, carry_out, open_run
from kept.duties.rights.request import VERBS
from kept.duties.rights.shown import problems
from kept.errors import IdentifierError, UsageError
from kept.model.plan import Counts, StepResult
from kept.private import make_private
from kept.records.bulk import OVER, End, Ended, Line, Run, RunState
from kept.terms.identifiers import Identifier, parse
from kept.terms.words import many

People = Annotated[
    Path | None,
    Parameter(
        help="a file (- for standard input) with one person a line, as KIND=VALUE,KIND=VALUE or"
        ' {"KIND": "VALUE"}: one run over all of them, in batches',
    ),
]
Batch = Annotated[
    int,
    Parameter(help=f"with --people: how many are erased by one plan (at most {MOST:,})"),
]
SIZE: Final = BATCH

_NOT: Final = "not everything could be found out; the package says what"

#: The longest line of a list, in bytes; a person has few names.
_LONGEST: Final = 65_536
#: How many lines that wait are shown; all of them with --json.
_SHOWN: Final = 10
_EXPECTED: Final = (
    'KIND=VALUE,KIND=VALUE or {"KIND": "VALUE"} or {"KIND": ["VALUE", "VALUE"]} in UTF-8'
)


def read(file: Path) -> Iterator[tuple[int, tuple[Identifier, ...]]]:
    """(line, identifiers) of each person of a list, streamed. Errors name the line only."""
    try:
        if str(file) == "-":
            yield from _people(sys.stdin.buffer)
        else:
            with file.open("rb") as opened:
                yield from _people(opened)
    except OSError as problem:
        raise UsageError(
            "what `--people` names cannot be read",
            expected=f"a file of lines, each {_EXPECTED}",
            met=problem.strerror,
        ) from None


def _people(file: BinaryIO) -> Iterator[tuple[int, tuple[Identifier, ...]]]:
    number = 0
    while data := file.readline(_LONGEST + 1):
        number += 1
        try:
            if len(data) > _LONGEST:
                raise UsageError("the line is too long", expected=f"at most {_LONGEST:,} bytes")
            line = data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if line:
                yield number, _person(line)
        except UnicodeDecodeError:
            raise UsageError(
                "the line is not UTF-8", expected=_EXPECTED, where=_where(number)
            ) from None
        except UsageError as problem:
            problem.where = _where(number)
            raise


def _where(number: int) -> str:
    return f"line {number} of `--people`"


def _person(line: str) -> tuple[Identifier, ...]:
    if line[0] in "{[":
        texts = _json(line)
    else:
        try:
            texts = [text for text in next(csv.reader([line], strict=True)) if text.strip()]
        except csv.Error:
            raise UsageError("the line is not CSV", expected=_EXPECTED) from None
    if not texts:
        raise UsageError("the line names nobody", expected=_EXPECTED)
    named = [parse(text.strip()) for text in texts]
    return tuple({(i.kind, i.normalised): i for i in named}.values())


def _json(line: str) -> list[str]:
    try:
        given = json.loads(line)
    except ValueError:
        raise UsageError("the line is not JSON", expected=_EXPECTED) from None
    if isinstance(given, dict):
        values = [(k, v) for k, vs in given.items() for v in (vs if isinstance(vs, list) else [vs])]
        if all(isinstance(v, str | int) and not isinstance(v, bool) for _, v in values):
            return [f"{kind}={value}" for kind, value in values]
    elif all(isinstance(one, str) for one in given):
        return list(given)
    raise IdentifierError("the line does not name a person", expected=_EXPECTED)


@dataclass(frozen=True, slots=True)
class Several:
    """A run that a command is about, and how it is carried out."""

    controller: Controller
    common: Common
    acting: Acting
    request: Request
    run: Run

    @classmethod
    def of(
        cls, controller: Controller, common: Common, acting: Acting, right: str, request: Request,
        people: Path | None, batch: int,
    ) -> Several | None:  # fmt: skip
        """The run that --people makes or --case names; None where one person is meant."""
        if people is None:
            run = controller.bulks.find(request.case) if request.case else None
            if run is None:
                return None
            if run.right != right:
                raise UsageError(
                    f"the run is about the right `{run.right}`",
                    expected=f"a run about `{right}`",
                    fix=f"use `kept rights {VERBS.get(run.right, run.right)}`",
                )
        else:
            run = open_run(controller, right, read(people), request, acting.moment, batch=batch)
        if request.same_person:
            raise UsageError(
                "who is one person is said of one person, not of a list",
                fix="say it with the case that she was set apart in (see `kept case show`)",
            )
        return cls(controller, common, acting, request, run)

    def carry(self, carry: Carry) -> int:
        """Carry it out, with progress; the exit status."""
        out, people = self.common.out, self.run.people

        def through(tally: dict[Ended, int]) -> int:
            return people - tally.get(Ended.WAITS, 0)

        before = through(self.controller.bulks.tally(self.run))
        with interrupted() as stop, out.running(people, before) as tell:

            def told(tally: dict[Ended, int]) -> None:
                tell(through(tally))

            run = carry_out(
                self.controller, self.run, self.request, carry, lambda: self.acting.moment,
                tell=told, stop=stop,
            )  # fmt: skip
        self.controller.deliver(self.acting.moment)
        self.controller.ledger.checkpoint(self.acting.moment)
        document, words = shown(self.controller, self.common, run)
        out.result(document, words)
        return 0 if document["complete"] else 1

    def only_opened(self, words: Sequence[str] = (), plan: Sequence[Any] = ()) -> int:
        """Say what would be done; nothing was."""
        self.controller.ledger.checkpoint(self.acting.moment)
        document, told = shown(self.controller, self.common, self.run)
        self.common.out.result({**document, "plan": list(plan)}, [*told, *words])
        return 0


def erasing(controller: Controller, request: Request, now: dt.datetime) -> None:
    """Erase the people of a case and look beneath the rows; how it ended is recorded with it."""
    answer = erase(controller, request, now)
    if answer.complete:
        residue(controller, answer.case, now)


def packages(out: Path, name: str, act: Callable[..., AccessAnswer | PortAnswer]) -> Carry:
    """A package for the one person of a case, in the directory `out`: `name` and her case."""
    try:
        make_private(out)
    except OSError as problem:
        taken = isinstance(problem, (FileExistsError, NotADirectoryError))
        raise UsageError(
            "`--out` is not a directory, and cannot become one",
            expected="with --people, the directory for the packages",
            met="a file" if taken else problem.strerror,
            fix="name another one",
        ) from None

    def carry(controller: Controller, request: Request, now: dt.datetime) -> End:
        names = (f"{name}-{request.case}{n}.zip" for n in ("", *(f"-{n}" for n in range(2, 100))))
        # Where an earlier attempt was killed its package may lie there already.
        path = next(one for name in names if not (one := out.resolve() / name).exists())
        answer = act(controller, request, now, out=path)
        counts = Counts(
            sum(s.counts.found for s in answer.steps), 0,
            sum(s.counts.retained for s in answer.steps),
            sum(s.counts.isolated for s in answer.steps),
        )  # fmt: skip
        if not answer.complete:
            away = [f"`{s}` could not be asked: {why}" for s, why in answer.unreached]
            rest = answer.summary if isinstance(answer, AccessAnswer) else _NOT
            why = next(iter((*away, *problems(answer.steps))), rest)
            return End(Ended.INCOMPLETE, counts, why)
        return End(Ended.DONE if counts.found else Ended.NOBODY, counts)

    return carry


def choosing(act: Callable[[Controller, Request, dt.datetime], ChoiceAnswer]) -> Carry:
    """A choice of the one person of a case."""

    def carry(controller: Controller, request: Request, now: dt.datetime) -> End:
        answer = act(controller, request, now)
        rows = sum(s.counts.found for s in answer.due)
        counts = Counts(rows, sum(s.counts.changed for s in answer.due))
        if answer.complete:
            return End(Ended.DONE, counts)
        if answer.weighed:
            return End(Ended.INCOMPLETE, counts, "in force, and to be weighed: `kept rights weigh`")
        away = [f"`{s}` could not be asked: {why}" for s, why in answer.unreached]
        why = next(iter((*away, *problems(answer.due))), "data of hers is due, and not erased yet")
        return End(Ended.INCOMPLETE, counts, why)

    return carry


def total(steps: Sequence[StepResult]) -> list[StepResult]:
    """Steps of which only the rows differ as one."""
    found: dict[StepResult, Counts] = {}
    for s in steps:
        like = replace(s, counts=Counts())
        a, b = found.get(like, Counts()), s.counts
        found[like] = Counts(
            a.found + b.found, a.changed + b.changed, a.retained + b.retained,
            a.isolated + b.isolated,
        )  # fmt: skip
    return [replace(like, counts=counts) for like, counts in found.items()]


def shown(
    controller: Controller, common: Common, run: Run, *, every: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """A run as it stands: (document, words). `every`: with each line of the list."""
    bulks = controller.bulks
    tally, rows = bulks.tally(run), bulks.summed(run)
    over = sum(n for one, n in tally.items() if one in OVER)
    waiting = (Ended.DOUBTFUL, Ended.INCOMPLETE)
    lines = list(bulks.lines(run, tuple(Ended) if every else waiting))
    document = {
        "run": run.id,
        "right": run.right,
        "state": run.state.value,
        "complete": over == run.people,
        "people": run.people,
        "outcomes": {one.value: tally.get(one, 0) for one in Ended},
        "rows": {
            "found": rows.found, "changed": rows.changed, "retained": rows.retained,
            "isolated": rows.isolated,
        },
        "lines": [_line(one) for one in lines],
    }  # fmt: skip
    words = [
        f"Run {run.id}: {run.right} for {many_people(run.people)}, {run.state.value};"
        f" {over:,} of {run.people:,} done",
        "",
        table(("#people", "how it ended"), [(tally[one], _WORDS[one]) for one in Ended
                                            if one in tally]),
        "",
    ]  # fmt: skip
    if rows.found:
        words += [
            f"{many(rows.found, 'row')} found: {rows.changed:,} changed,"
            f" {rows.retained + rows.isolated:,} kept.",
            "",
        ]
    met = lines if every else lines[:_SHOWN]
    if met:
        words += [
            table(("line", "how it ended", "case", "why"),
                  [(one.line, one.end.outcome, one.case, one.end.why or "") for one in met]),
            *([f"and {many_people(len(lines) - _SHOWN)} more (all of them with --json)"]
              if not every and len(lines) > _SHOWN else []),
            "",
        ]  # fmt: skip
    return document, [*words, *_next(run, common, tally)]


_WORDS: Final = {
    Ended.WAITS: "wait: nothing was carried out for them yet",
    Ended.DOUBTFUL: "in doubt: somebody has to say whether it is one person",
    Ended.INCOMPLETE: "not complete: what is in the way is named below",
    Ended.DONE: "done",
    Ended.NOBODY: "done: nothing is held of them",
    Ended.REFUSED: "refused",
    Ended.WITHDRAWN: "withdrawn",
}


#: Rights that are about purposes.
_FOR: Final = ("withdrawal", "objection")


def _next(run: Run, common: Common, tally: dict[Ended, int]) -> list[str]:
    verb = VERBS[run.right]
    asked = {"restriction": ("--ground", "…"), **dict.fromkeys(_FOR, ("--purpose", "…"))}
    shown = run.right in ("access", "portability")
    more = (*asked.get(run.right, ()), *(() if shown else ("--yes",)))
    lines = []
    if tally.get(Ended.DOUBTFUL):
        again = common.next("rights", verb, "--case", "CASE", *more, "--same-person", "…")
        lines.append(f"Who is in doubt goes on in the case of her own: {again}")
    if run.state in (RunState.RUNNING, RunState.PAUSING):
        lines.append(f"To have it pause: {common.next('rights', 'pause', '--case', run.id)}")
    elif tally.get(Ended.WAITS) or tally.get(Ended.INCOMPLETE):
        lines.append(f"To go on: {common.next('rights', verb, '--case', run.id, *more)}")
    return lines


def _line(one: Line) -> dict[str, Any]:
    c = one.end.counts
    return {
        "line": one.line, "case": one.case, "outcome": one.end.outcome.value, "why": one.end.why,
        "found": c.found, "changed": c.changed, "retained": c.retained, "isolated": c.isolated,
    }  # fmt: skip


def many_people(count: int) -> str:
    """`1 person`, `2 people`."""
    return f"{count:,} {'person' if count == 1 else 'people'}"
