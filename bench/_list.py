"""A list of people, each with an answer of her own: one by one, and as a run.

One by one: every case asks the stores for itself, as a single request does. The run: the stores
are asked for many people at once (`Controller.together`). The answers are the same by a test; what
is counted are the statements that read one dataset of the shop.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime as dt
import itertools
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

import _duty
import _shop
from _ratio import Result, interleave, row
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights.bulk import carry_out, open_run
from kept.records.bulk import End, Ended, Run
from kept.stores.relational import SqlSession

_numbers = itertools.count(1)

Act = Callable[[Controller, rights.Request, Path], Any]
ACTS: dict[str, tuple[str, Act]] = {
    "access": ("access", lambda c, r, out: rights.access(c, r, _duty.NOW, out=out)),
    "restrict": ("restriction", lambda c, r, _: rights.restrict(c, r, "accuracy", _duty.NOW)),
}


@contextlib.contextmanager
def counted() -> Iterator[collections.Counter[str]]:
    """Statements that read the shop, by dataset, while it lasts."""
    found: collections.Counter[str] = collections.Counter()
    whole = SqlSession.read, SqlSession.keys

    def read(self: SqlSession, selects: Sequence[Any]) -> Any:
        if self.store.system == "shop":
            found.update(select.dataset for select in selects)
        return whole[0](self, selects)

    def keys(self: SqlSession, selects: Sequence[Any]) -> Any:
        if self.store.system == "shop":
            found.update(select.dataset for select in selects)
        return whole[1](self, selects)

    SqlSession.read, SqlSession.keys = read, keys  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        SqlSession.read, SqlSession.keys = whole  # type: ignore[method-assign]


class Listed:
    """Both ways over the people of a list; the rows that were found."""

    def __init__(self, controller: Controller, directory: Path, what: str) -> None:
        self.controller, self.directory = controller, directory
        self.right, self.act = ACTS[what]
        self.asked: dict[str, collections.Counter[str]] = {}

    def alone(self, numbers: Sequence[int]) -> int:
        with self._opened(numbers, "alone") as (run, carry):
            cases = self.controller.bulks.cases(run)
            for case in cases:
                carry(self.controller, rights.Request((), case=case), _duty.NOW)
        return carry.rows

    def together(self, numbers: Sequence[int]) -> int:
        with self._opened(numbers, "together") as (run, carry):
            request = rights.Request((), override=_duty.WHY)
            run = carry_out(self.controller, run, request, carry, lambda: _duty.NOW)
            if run.state != "over":
                raise SystemExit("a run is not over")
        return carry.rows

    @contextlib.contextmanager
    def _opened(self, numbers: Sequence[int], way: str) -> Iterator[tuple[Run, _Carry]]:
        people = ((n, (_shop.identifier(number),)) for n, number in enumerate(numbers, 1))
        request = rights.Request((), override=_duty.WHY)
        run = open_run(self.controller, self.right, people, request, _duty.NOW)
        out = Path(tempfile.mkdtemp(dir=self.directory))
        try:
            with counted() as asked:
                yield run, _Carry(self.act, out)
            self.asked[way] = asked
        finally:
            shutil.rmtree(out)


class _Carry:
    def __init__(self, act: Act, out: Path) -> None:
        self.act, self.out, self.rows = act, out, 0

    def __call__(self, controller: Controller, request: rights.Request, now: dt.datetime) -> End:
        answer = self.act(controller, request, self.out / f"{next(_numbers)}.zip")
        self.rows += sum(s.counts.found for s in getattr(answer, "steps", ()))
        return End(Ended.DONE)


def measure(args: argparse.Namespace, shop: _shop.Shop) -> Result:
    draw = random.Random(args.seed)
    with psycopg.connect(shop.url) as connection:
        there = shop.present(connection)
    rows, notes = [], {}
    with (
        tempfile.TemporaryDirectory() as place,
        _duty.duty(shop.url, Path(place) / "deployment") as duty,
    ):
        for what in ACTS:
            both = Listed(duty.controller, Path(place), what)
            ways = {"reference": both.alone, "ours": both.together}
            cases = [draw.sample(there, args.list) for _ in range(min(args.rounds, 2))]
            times = interleave(ways, cases)
            rows.append(row(f"{what}: {args.list} people of a list", times))
            for way, asked in both.asked.items():
                dataset, most = asked.most_common(1)[0]
                words = f"statements on the shop, {what}, {way}"
                notes[words] = f"{asked.total():,} (of `{dataset}` {most:,})"
    return Result(tuple(rows), notes)
