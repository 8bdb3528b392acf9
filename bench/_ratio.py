"""Ratios against a reference that runs interleaved in the same minute.

On shared cores the same code differs by a factor of ten within half an hour, so no absolute
figure is ever a gate. For each case the methods run in an order drawn at random, each is
timed, and the ratio of the medians (p50) is reported; p99 is shown and gates nothing. A goal
is missed only where the ratio exceeds it in each of three tries.

    def run(args: argparse.Namespace) -> Result: …
    if __name__ == "__main__":
        bench("decide", run, arguments=lambda parser: …)
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import random
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

TRIES = 3


@dataclasses.dataclass(frozen=True)
class Row:
    """One comparison. Figures are in `unit`; `goal` None: shown, not gated.

    `ratio` is ours over reference where less is better (times), the other way round where
    `more` (rates): always, one means as good, two means twice as slow.
    """

    name: str
    reference: float
    ours: float
    unit: str
    goal: float | None = None
    more: bool = False
    reference_p99: float | None = None
    ours_p99: float | None = None

    @property
    def ratio(self) -> float:
        one, other = (self.reference, self.ours) if self.more else (self.ours, self.reference)
        return one / other if other else float("inf")

    @property
    def met(self) -> bool:
        return self.goal is None or self.ratio <= self.goal

    def as_dict(self) -> dict[str, object]:
        return {**dataclasses.asdict(self), "ratio": round(self.ratio, 3), "met": self.met}


@dataclasses.dataclass(frozen=True)
class Result:
    """The rows of one try, and what else is worth knowing (sizes, counts: they show that the
    methods did the same work)."""

    rows: tuple[Row, ...]
    notes: Mapping[str, object] = dataclasses.field(default_factory=dict)


def quantile(samples: list[float], q: float) -> float:
    """The q-quantile (0 to 1) by nearest rank."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def median(samples: list[float]) -> float:
    """The middle of the samples."""
    return quantile(samples, 0.5)


def interleave(
    methods: Mapping[str, Callable[[T], object]],
    cases: Iterable[T],
    *,
    seed: int = 20230627,
    warm: int = 0,
    same: bool = True,
) -> dict[str, list[float]]:
    """Runs every method on every case, in an order drawn anew for each; seconds by method.

    The first `warm` cases are run and not counted. With `same`, all methods must give equal
    answers for a case: one that does less work must not look fast. Where a method changes
    what the next would find, give each its own part of the case and compare the counts.
    """
    draw = random.Random(seed)
    names = list(methods)
    times: dict[str, list[float]] = {name: [] for name in names}
    was = gc.isenabled()
    gc.disable()
    try:
        for number, case in enumerate(cases):
            draw.shuffle(names)
            answers = {}
            for name in names:
                method = methods[name]
                start = time.perf_counter_ns()
                answers[name] = method(case)
                took = time.perf_counter_ns() - start
                if number >= warm:
                    times[name].append(took / 1e9)
            if same:
                first = answers[names[0]]
                for name in names[1:]:
                    if answers[name] != first:
                        raise SystemExit(f"`{name}` and `{names[0]}` differ on case {number}")
            if number % 64 == 0:
                gc.collect(0)
    finally:
        if was:
            gc.enable()
    return times


def row(
    name: str,
    times: Mapping[str, list[float]],
    *,
    reference: str = "reference",
    ours: str = "ours",
    unit: str = "ms",
    per: float = 1,
    goal: float | None = None,
) -> Row:
    """A Row from `interleave`: medians and p99 in `unit` (s, ms, µs, ns), divided by `per`."""
    scale = {"s": 1.0, "ms": 1e3, "µs": 1e6, "ns": 1e9}[unit] / per
    return Row(
        name,
        median(times[reference]) * scale,
        median(times[ours]) * scale,
        unit,
        goal,
        reference_p99=quantile(times[reference], 0.99) * scale,
        ours_p99=quantile(times[ours], 0.99) * scale,
    )


def best(run: Callable[[], Result], tries: int = TRIES) -> tuple[Result, int]:
    """Runs until every goal is met, at most `tries` times; the last result and the tries."""
    used = 1
    result = run()
    while used < tries and not all(each.met for each in result.rows):
        used += 1
        result = run()
    return result, used


def bench(
    name: str,
    run: Callable[[argparse.Namespace], Result],
    *,
    arguments: Callable[[argparse.ArgumentParser], None] | None = None,
    argv: list[str] | None = None,
) -> None:
    """The command line of a bench: prints the rows (`--json`: one object); exit status 1 where
    a goal was missed in each try."""
    doc = sys.modules["__main__"].__doc__ or name
    parser = argparse.ArgumentParser(prog=name, description=doc.strip().splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--tries", type=int, default=TRIES, help="runs before a goal is missed")
    if arguments is not None:
        arguments(parser)
    args = parser.parse_args(argv)
    result, tries = best(lambda: run(args), args.tries)
    met = all(each.met for each in result.rows)
    if args.json:
        rows = [each.as_dict() for each in result.rows]
        print(
            json.dumps(
                {
                    "bench": name,
                    "rows": rows,
                    "notes": dict(result.notes),
                    "tries": tries,
                    "met": met,
                }
            )
        )
    else:
        _print(name, result, tries)
    sys.exit(0 if met else 1)


def _print(name: str, result: Result, tries: int) -> None:
    print(f"{name}  ({tries} of at most {TRIES} tries)" if tries > 1 else name)
    width = max(len(each.name) for each in result.rows)
    print(f"  {'':{width}}  {'reference':>12}  {'ours':>12}  unit   ratio   goal")
    for each in result.rows:
        goal = "" if each.goal is None else f"≤ {each.goal:g}" + ("" if each.met else "  missed")
        print(
            f"  {each.name:{width}}  {each.reference:>12,.4g}  {each.ours:>12,.4g}  "
            f"{each.unit:<5}  {each.ratio:>5.2f}  {goal:>5}"
        )
    for key, value in result.notes.items():
        print(f"  {key}: {value:,}" if isinstance(value, int) else f"  {key}: {value}")
