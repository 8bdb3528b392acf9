"""Every write of every right, failed before and failed after, by an error and by a killed process.

An undisturbed run on the same town is the twin: whatever failed, the case that goes on has to end
with the rows, the counts, the receipts and the records of the twin.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from kept import deployment
from kept.controller import Controller
from kept.terms.identifiers import parse
from tests.soak import town
from tests.soak.kills import ASKED, CHOICES, FRESH, ONCE, PACKED
from tests.soak.nursery import Nursery, Worker
from tests.world import NOW, edit

HER: Final = 1
PEOPLE: Final = (1, 2, 3)
#: What is done, undisturbed, before the right that is disturbed. `asking`: an erasure of which a
#: part is asked of people by letter; `answering`: what they say is recorded; `hearing`: the
#: erasure goes on with it. `ending`: the law's day has come for what an erasure left.
BEFORE: Final = {
    "ending": ("erasure",), "scrubbing": ("erasure",), "lifting": ("restriction", "told"),
    "answering": ("asking",), "hearing": ("asking", "answering"),
}  # fmt: skip
RIGHTS: Final = (
    "erasure", "rectification", "withdrawal", "restriction", "objection", "lifting", "ending",
    "scrubbing", "access", "portability", "asking", "answering", "hearing",
)  # fmt: skip
LETTERS: Final = ("asking", "answering", "hearing")
#: What two runs of may tell differently: the second only of what the first had left.
_RUNS: Final = ("ending", "scrubbing", "answering")
#: Tables that tell of every attempt, not of what is true at the end.
_TASK: Final = re.compile(r".*\.[0-9a-f]{12}")
_ATTEMPTS: Final = re.compile(
    r"ledger|case_event|checkpoint|tile|alembic|actor|outbox|epoch|^desk_opening$"
)


@dataclass(frozen=True)
class Fault:
    """Where, at which of its writes, before or after, and how."""

    right: str
    place: str
    number: int
    when: str
    how: str

    def __str__(self) -> str:
        return f"{self.right}-{self.place}-{self.number}-{self.when}-{self.how}"

    @classmethod
    def of(cls, words: str) -> Fault:
        right, place, number, when, how = words.split("-")
        return cls(right, place, int(number), when, how)


@dataclass(frozen=True)
class End:
    """How a world stands at the end; the counts are by table and action."""

    rows: town.Rows
    told: dict[str, tuple[int, ...]]
    tables: dict[str, int]
    once: dict[str, int]
    case: tuple[Any, ...]
    status: int
    files: tuple[str, ...]


class Matrix:
    """One town that is made anew for every fault."""

    def __init__(self, made: town.Town, nursery: Nursery, kept: Any) -> None:
        self.town, self.nursery, self._kept = made, nursery, kept
        self.pristine = made.directory.with_name("pristine")
        made.build(PEOPLE, "TO-BE-SET")
        made.directory.rename(self.pristine)
        self.case = ""
        self._twins: dict[str, End] = {}

    # ------------------------------------------------------------ worlds

    def anew(self, right: str) -> None:
        directory = self.town.directory
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(self.pristine, directory)
        self.url = self._kept()
        edit(directory / "kept.toml", "TO-BE-SET", self.url)
        self.town.fill(PEOPLE)
        # Kept itself knows her: she agreed to something, and has keys that an erasure shreds.
        with Controller.open(deployment.read(directory)) as controller:
            who = controller.subjects.of([parse(f"email={town.email(HER)}")], NOW)
            controller.consents.grant(who, "marketing.email", NOW, source="form")
        if right in LETTERS:
            with (directory / "kept.toml").open("a") as file:
                file.write(town.AGENCY_SYSTEM)
        self.case = self.task = ""
        for before in BEFORE.get(right, ()):
            self._undisturbed(before)

    def _undisturbed(self, right: str) -> None:
        if right == "told":
            said = ("--told", "by letter today")
            self._fine("rights", "lift", "--case", self.case, *said, *self._at(0))
            return
        done = self._fine(*self.argv(right, None), status=1 if right == "asking" else 0)
        self.case = done["case"] if right != "answering" else self.case
        if right == "asking":
            tasks = self._fine("task", "list", *self._at(0))["tasks"]
            (self.task,) = (t["task"] for t in tasks if t["store"] == "agency")

    def _at(self, days: float) -> list[str]:
        step = town.moment(1) - town.moment(0)
        now = town.moment(HER) + days * step / 2
        return ["--now", now.isoformat(), "--dir", str(self.town.directory), "--json"]

    def _first(self, right: str) -> list[str]:
        who = ["--identity", f"email={town.email(HER)}", "--override", "a test"]
        yes = [] if right in PACKED else ["--yes"]
        return [*self._asked(right), *who, *yes, *self._at(0)]

    def argv(self, right: str, case: str | None, state: str = "") -> list[str]:
        if right == "ending":
            return ["retain", "run", *self._at(1)]
        if right == "scrubbing":
            return ["rights", "erase", "--case", self.case, "--physical", "--yes", *self._at(0.5)]
        if right == "lifting":
            said = ("--reason", "the matter is settled")
            return ["rights", "lift", "--case", self.case, *said, *self._at(0.5)]
        if right == "answering":
            said = ("--evidence", "Kim of the agency wrote it on 3 March", *self._at(0.25))
            return ["task", "done", self.task, *said]
        if right == "hearing":
            return ["rights", "erase", "--case", self.case, "--yes", *self._at(0.5)]
        if case is None:
            return ["rights", *self._first(right)]
        asked = self._asked(right)
        if right == "rectification" and state not in FRESH:
            asked = asked[:1]
        yes = [] if right in PACKED else ["--yes"]
        return ["rights", *asked, "--case", case, "--override", "a test", *yes, *self._at(0)]

    def _asked(self, right: str) -> list[str]:
        """The words of the command; a package gets a name of its own each time."""
        if right == "asking":
            return ASKED["erasure"]
        if right not in PACKED:
            return ASKED[right]
        there = len(list(self.town.directory.glob("package-*.zip")))
        return [*ASKED[right], "--out", str(self.town.directory / f"package-{there + 1}.zip")]

    def _fine(self, *argv: str, status: int = 0) -> dict[str, Any]:
        worker = self.nursery.run(*argv)
        assert worker.wait() == status, worker.out + worker.err
        return dict(json.loads(worker.out))

    # ------------------------------------------------------------ runs

    def points(self, right: str) -> list[tuple[str, int]]:
        """The writes of an undisturbed run, in their order."""
        self.anew(right)
        record = self.town.directory / "points"
        worker = self.nursery.run(*self.argv(right, None), fault={"record": str(record)})
        # As the twin ends: a store that is away would leave most of the writes out.
        assert worker.wait() == (1 if right == "asking" else 0), worker.out + worker.err
        lines = [line.split() for line in record.read_text().splitlines()]
        return [(place, int(number)) for place, number in lines]

    def faults(self, right: str) -> Iterator[Fault]:
        for place, number in self.points(right):
            for when in ("before", "after"):
                for how in ("error", "kill"):
                    yield Fault(right, place, number, when, how)

    def twin(self, right: str) -> End:
        """How it ends when nothing fails."""
        if right not in self._twins:
            self.anew(right)
            worker = self.nursery.run(*self.argv(right, None))
            assert worker.wait() == (1 if right == "asking" else 0), worker.out + worker.err
            self._twins[right] = self._end(right, worker)
        return self._twins[right]

    def survive(self, fault: Fault) -> None:
        """The same request with the fault, resumed, ends as its twin does; AssertionError."""
        twin = self.twin(fault.right)
        self.anew(fault.right)
        before = self.town.actual()
        fired = self.town.directory / "fired"
        spec = {
            "place": fault.place, "number": fault.number, "when": fault.when, "how": fault.how,
            "fired": str(fired),
        }  # fmt: skip
        worker = self.nursery.run(*self.argv(fault.right, None), fault=spec)
        status = worker.wait()
        assert status == -signal.SIGKILL if fault.how == "kill" else status in (0, 1), (
            status, worker.out, worker.err,
        )  # fmt: skip
        assert fired.exists(), ("there is no such write", status, worker.out, worker.err)
        assert "Traceback" not in worker.err
        assert town.email(HER) not in worker.err.lower()
        assert not town.differing(
            town.others(self.town.actual(), HER), town.others(before, HER)
        ), "rows of others"  # fmt: skip
        with Controller.open(deployment.read(self.town.directory)) as controller:
            assert controller.ledger.verify(deep=True).ok
        self._recorded_first()
        case, state = self.found()
        over = self._over(fault.right, state)
        again = self.nursery.run(*self.argv(fault.right, case, state))
        ended = again.wait()
        if over:
            assert ended == 2, (again.out, again.err)  # it says so, and its record tells the rest
        else:
            assert ended == twin.status, (again.out, again.err)
        told = ended != 2
        end = self._end(fault.right, again if told else None)
        assert not town.differing(end.rows, twin.rows)
        if told and fault.right not in _RUNS:
            assert end.told == twin.told, (end.told, twin.told)
        for met, meant in ((end.tables, twin.tables), (end.once, twin.once)):
            assert met == meant, {
                k: (met.get(k), meant.get(k)) for k in {*met, *meant} if met.get(k) != meant.get(k)
            }
        assert (end.case, end.files) == (twin.case, twin.files), (end.case, end.files)

    def _over(self, right: str, state: str) -> bool:
        """Whether the fault came when all was done, so that the same is refused."""
        if right == "answering":
            shown = self._fine("task", "list", "--all", *self._at(0.25))["tasks"]
            (task,) = (t for t in shown if t["task"] == self.task)
            return task["outcome"] is not None
        return right in ("lifting", *CHOICES, *PACKED) and state == "closed"

    def _recorded_first(self) -> None:
        """No package has a name that no entry tells of."""
        packages = len(list(self.town.directory.glob("package-*.zip")))
        with Controller.open(deployment.read(self.town.directory)) as controller:
            told = list(controller.ledger.entries(kind="access.given"))
        assert packages <= len(told)

    def found(self) -> tuple[str | None, str]:
        """The case that was opened, if one was, and how it stands."""
        with Controller.open(deployment.read(self.town.directory)) as controller:
            cases = controller.cases.all()
        assert len(cases) <= 1
        return (cases[0].id, cases[0].state.value) if cases else (None, "")

    def _end(self, right: str, worker: Worker | None) -> End:
        document = json.loads(worker.out) if worker is not None else {}
        met: dict[str, tuple[int, ...]] = {}
        for s in [*document.get("steps", ()), *document.get("due", ())]:
            assert s["verified"] or s["store"] == "agency", s
            at = f"{s['store']}.{s['dataset']} {s['action']}"
            counts = (s["found"], s["changed"], s["retained"], s["isolated"])
            met[at] = tuple(a + b for a, b in zip(met.get(at, (0, 0, 0, 0)), counts, strict=True))
        with Controller.open(deployment.read(self.town.directory)) as controller:
            assert controller.ledger.verify(deep=True).ok
            entries = [e for _, e in controller.ledger.entries()]
            (case,) = controller.cases.all()
            steps = controller.cases.steps(case)
        once = Counter(
            json.dumps([e.kind, {k: v for k, v in e.body.items() if k not in _NAMES}])
            for e in entries
            # An end in two runs lets go in each what it can, and its keys with it.
            if (e.kind in ONCE and (right != "ending" or e.kind != "keys.shredded"))
            or (e.kind in ("step.done", "retention.ran") and e.body["verified"])
            or (e.kind == "case.closed" and e.body["complete"])
        )  # fmt: skip
        shown = self._fine("case", "show", case.id, "--dir", str(self.town.directory), "--json")
        stands = (
            shown["state"], shown["complete"],
            sorted((s.number, s.system, s.dataset, s.state.value) for s in steps),
        )  # fmt: skip
        return End(
            self.town.actual(), met, self._tables(), dict(once), stands,
            worker.wait() if worker is not None else 0, self._files(right),
        )  # fmt: skip

    def _files(self, right: str) -> tuple[str, ...]:
        """What lies with the tasks and letters, by kind, and whether it names her."""
        found = []
        for path in (self.town.directory / "letters").glob("*"):
            assert path.stat().st_mode & 0o77 == 0, path
            named = town.email(HER) in path.read_text("utf-8")
            found.append(f"{_TASK.sub('', path.name)} {named}")
        return tuple(sorted(found))

    def _tables(self) -> dict[str, int]:
        with psycopg.connect(self.url) as c:
            names = [
                n for (n,) in c.execute("SELECT tablename FROM pg_tables WHERE schemaname='public'")
            ]
            counts = {}
            for name in names:
                if not _ATTEMPTS.search(name):
                    row = c.execute(f'SELECT count(*) FROM "{name}"'.encode()).fetchone()
                    assert row is not None
                    counts[name] = int(row[0])
        return counts


#: What differs from one run to the next for no reason that matters.
_NAMES: Final = frozenset({"case", "plan", "attempt", "id", "package"})
