"""Requests carried out while their worker, or a database beneath it, is killed at random.

A round is one kill: SIGKILL to the worker (a `kept` process), to the company's PostgreSQL or
MariaDB, or to Kept's own PostgreSQL, at a random moment of the work. Then what was killed is
started again, the same case goes on, and perhaps is killed once more. After every kill nobody
else's row may have changed and the ledger has to hold; once the request has come to its end, all
stores hold what was written down by hand, the answer's counts are those of an undisturbed run,
every step was receipted once, and no case is left open.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from kept import deployment
from kept.controller import Controller
from kept.embedded import Server
from tests.mariadb import Mariadb
from tests.soak import town
from tests.soak.nursery import Nursery, Worker

#: Longest that one command may take on a busy machine; longer is called stuck.
PATIENCE: Final = 180.0
#: A request is killed at most so often before it is left in peace.
MOST: Final = 6
VICTIMS: Final = {"worker": 10, "postgresql": 2, "mariadb": 2, "kept": 2, "worker and kept": 1}
RIGHTS: Final = {"erasure": 10, "rectification": 3, "withdrawal": 3, "restriction": 1,
                 "objection": 1, "access": 2, "portability": 1}  # fmt: skip
#: Answered by a package: a file that gets its name when its entry is there.
PACKED: Final = ("access", "portability")
NAME: Final = "Pat Wright"
ASKED: Final = {
    "erasure": ["erase"],
    "rectification": ["rectify", "--at", "shop.customer.name", "--value", NAME],
    "withdrawal": ["withdraw", "--erase", "--purpose", "marketing", "--region", "EEA"],
    "restriction": ["restrict", "--ground", "accuracy"],
    "objection": ["object", "--purpose", "marketing", "--region", "EEA"],
    "access": ["access"],
    "portability": ["port"],
}
CHOICES: Final = ("withdrawal", "objection")
#: Entries of a case of which no two may say the same.
ONCE: Final = (
    "case.opened", "plan.made", "plan.approved", "keys.shredded", "consent.withdrawn",
    "objection.made", "restriction.set", "word.given",
)  # fmt: skip
#: Before anything was begun.
FRESH: Final = ("received", "acknowledged", "identified", "planned", "approved")


class Broken(AssertionError):
    """An invariant that did not survive a kill."""


@dataclass
class Stand:
    """The town, its servers, and what should be true of them; it goes on where it stopped."""

    town: town.Town
    shop: Server
    desk: Mariadb
    nursery: Nursery
    seed: int
    model: town.Rows
    person: int = 0
    rounds: int = 0
    tally: Counter[str] = field(default_factory=Counter)
    known: set[str] = field(default_factory=set)
    erased: list[int] = field(default_factory=list)
    let_go: int = 0
    packages: int = 0
    took: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.own = Server(self.town.directory / "postgres")

    # ------------------------------------------------------------ one request

    def request(self, limit: int, say: Callable[[str], None]) -> None:
        """The next person's request, killed on its way until `limit` rounds are done."""
        self.person += 1
        right = self._draw(RIGHTS)
        self._carry_out(right, self._first(right), limit, say)
        if right == "erasure":
            self.erased.append(self.person)
            if self.random.random() < 0.3:
                self._carry_out("ending", [], limit, say)

    def _draw(self, weights: dict[str, int]) -> str:
        return self.random.choices(list(weights), list(weights.values()))[0]

    def _carry_out(
        self, right: str, first: Sequence[str], limit: int, say: Callable[[str], None]
    ) -> None:
        self.case = None
        kills, most = 0, self.random.randint(1, MOST)
        while True:
            argv = list(first) if self.case is None else self._again(right, self.case)
            if kills < most and self.rounds < limit and not self._over(right):
                victim = self._draw(VICTIMS)
                worker = self._killed(argv, victim)
                kills += 1
                self.rounds += 1
                self.tally[f"{right} / {victim}"] += 1
                self._quiet(right, worker)
            else:
                # A choice that is recorded and closed is not asked for again; its record tells.
                again = right not in (*CHOICES, *PACKED) or not self._over(right)
                worker = self._run(argv) if again else None
                if worker is not None:
                    self._quiet(right, worker)
                self._ended(right, worker)
                say(f"{self.rounds} kills: {right} of person {self.person} survived {kills}")
                return

    def _over(self, right: str) -> bool:
        """Whether the kill came when all was done: then nothing is left to be killed."""
        done = {"restriction": ("checked",)}.get(right, ("closed", "awaiting"))
        return self.case is not None and self.state in done

    def _moment(self) -> str:
        days = 1 if self.ending else 0
        return (town.moment(self.person) + days * (town.moment(1) - town.moment(0)) / 2).isoformat()

    #: The case of the request that is under way, as far as it was opened, and how it stands.
    case: str | None = None
    state: str = ""
    ending: bool = False

    def _first(self, right: str) -> list[str]:
        who = ["--identity", f"email={town.email(self.person)}", "--override", "a soak"]
        return ["rights", *ASKED[right], *who, *self._out(right), *self._common(right)]

    def _again(self, right: str, case: str) -> list[str]:
        """How the same case goes on; before it was begun, what is asked is said again."""
        asked = ASKED[right]
        if right == "rectification" and self.state not in FRESH:
            asked = asked[:1]
        said = ("--case", case, "--override", "a soak")
        return ["rights", *asked, *said, *self._out(right), *self._common(right)]

    def _out(self, right: str) -> list[str]:
        """Where a package goes: each attempt has a name of its own."""
        if right not in PACKED:
            return []
        self.packages += 1
        return ["--out", str(self.town.directory / f"package-{self.packages}.zip")]

    def _common(self, right: str = "") -> list[str]:
        yes = [] if right in (*PACKED, "ending") else ["--yes"]
        return [*yes, "--now", self._moment(), "--dir", str(self.town.directory), "--json"]

    # ------------------------------------------------------------ a server dies at a write

    def server_dies(self, victim: str, place: str) -> None:
        """What was kept of an erased person ends; after the first write of `place` the server dies.

        Then it is started again, and the same command goes on.
        """
        self.person += 1
        self._carry_out("erasure", self._first("erasure"), 0, lambda _: None)
        self.erased.append(self.person)
        self.case, self.ending = None, True
        fired = self.town.directory / "fired"
        fired.unlink(missing_ok=True)
        pid = {"postgresql": lambda: _postgres(self.shop), "mariadb": lambda: self.desk.pid,
               "kept": lambda: _postgres(self.own)}[victim]()  # fmt: skip
        fault = {"place": place, "number": 1, "when": "after", "how": "server", "victim": pid,
                 "fired": str(fired)}  # fmt: skip
        worker = self.nursery.run(*self._retain(), fault=fault)
        self._within(worker)
        self._restart(victim)
        if not fired.exists():
            raise Broken(f"nothing was written at {place}")
        self._quiet("ending", worker)
        self._ended("ending", self._run([]))

    # ------------------------------------------------------------ killing

    def _run(self, argv: Sequence[str]) -> Worker:
        if not argv:
            self.ending = True
            argv = self._retain()
        began = time.monotonic()
        worker = self.nursery.run(*argv)
        self._within(worker)
        self.took[self._kind(argv)] = time.monotonic() - began
        self.ending = False
        return worker

    def _retain(self) -> list[str]:
        return ["retain", "run", *self._common("ending")]

    @staticmethod
    def _kind(argv: Sequence[str]) -> str:
        return " ".join(argv[:2])

    def _within(self, worker: Worker) -> None:
        """Its end, or Broken where it hangs."""
        end = time.monotonic() + PATIENCE
        while _runs(worker.pid):
            if time.monotonic() > end:
                os.kill(worker.pid, signal.SIGKILL)
                worker.wait()
                raise Broken(f"a command hung for {PATIENCE:.0f} s: {worker.err[-400:]}")
            time.sleep(0.01)
        worker.wait()

    def _killed(self, argv: Sequence[str], victim: str) -> Worker:
        if not argv:
            self.ending = True
            argv = self._retain()
        usual = self.took.get(self._kind(argv), 3.0)
        after = self.random.uniform(0, usual * 1.1)
        worker = self.nursery.run(*argv)
        end = time.monotonic() + after
        while time.monotonic() < end and _runs(worker.pid):
            time.sleep(0.002)
        if not _runs(worker.pid):
            self.tally["came after the end"] += 1
        if "worker" in victim and _runs(worker.pid):
            os.kill(worker.pid, signal.SIGKILL)
        if "kept" in victim:
            _kill_postgres(self.own)
        if victim == "postgresql":
            _kill_postgres(self.shop)
        if victim == "mariadb":
            os.kill(self.desk.pid, signal.SIGKILL)
        self._within(worker)
        self.ending = False
        self._restart(victim)
        return worker

    def _restart(self, victim: str) -> None:
        """What was killed is there again. Kept's own server is started by whoever needs it."""
        if victim == "postgresql":
            self.shop.release()
            self.shop.acquire()
        if victim == "mariadb":
            while _runs(self.desk.pid):
                time.sleep(0.01)
            self.desk.restart()
        if "kept" in victim and self.random.random() < 0.5:
            self.own.release()
            self.own.acquire()

    # ------------------------------------------------------------ what has to be true

    def _quiet(self, right: str, worker: Worker) -> None:
        """Nobody else's row changed, the ledger holds, no error says who it is about."""
        if "Traceback" in worker.err or worker.status not in (0, 1, 2, -signal.SIGKILL):
            raise Broken(f"{right} ended with {worker.status}: {worker.err[-2000:]}")
        if town.email(self.person) in worker.err.lower():
            raise Broken(f"an error of {right} names the person")
        hers = {self.person} if right != "ending" else set(self.erased)
        met, meant = self.town.actual(), self.model
        for one in hers:
            met, meant = town.others(met, one), town.others(meant, one)
        if wrong := town.differing(met, meant):
            raise Broken(f"{right} changed rows of others: {wrong}")
        with Controller.open(deployment.read(self.town.directory)) as controller:
            if not controller.ledger.verify(deep=False).ok:
                raise Broken(f"the ledger does not hold after {right}")
            # The case that the killed command had opened, as an operator would find it.
            new = [c for c in controller.cases.all() if c.id not in self.known]
            if right in PACKED:
                given = sum(1 for _ in controller.ledger.entries(kind="access.given"))
                if len(list(self.town.directory.glob("package-*.zip"))) > given:
                    raise Broken(f"{right}: a package was handed out that no entry tells of")
        if len(new) > 1:
            raise Broken(f"{len(new)} cases were opened for one request")
        if right != "ending" and new:
            self.case, self.state = new[0].id, new[0].state.value

    def _ended(self, right: str, worker: Worker | None) -> None:
        if worker is not None and worker.status != 0:
            raise Broken(f"{right} does not come to an end: {worker.out[-3000:]} {worker.err}")
        answer = json.loads(worker.out) if worker is not None else {"case": self.case}
        if right == "ending":
            for person in self.erased:
                self.model = town.replaced(self.model, person, town.ended(person)[0])
            self.let_go += len(self.erased)
            self.erased = []
            self._told_of_ends()
        elif right in ("erasure", "rectification", "withdrawal"):
            left, told = {
                "erasure": lambda: town.erased(self.person),
                "rectification": lambda: town.rectified(self.person, NAME),
                "withdrawal": lambda: town.withdrawn(self.person),
            }[right]()
            self.model = town.replaced(self.model, self.person, left)
            if worker is not None:
                self._told(right, answer, told)
        if wrong := town.differing(self.town.actual(), self.model):
            raise Broken(f"{right} did not end as an undisturbed run does: {wrong}")
        if right == "ending":
            return
        case = str(answer["case"])
        self._receipts(right, case)
        self.known.add(case)
        shown = self._asked("case", "show", case)
        if right != "restriction" and not shown["complete"]:
            raise Broken(f"`kept case show` says that {right} is not complete")

    def _told(self, right: str, answer: dict[str, Any], told: town.Told) -> None:
        met: town.Told = {}
        steps = answer["steps"] if right != "withdrawal" else answer["due"]
        for s in steps:
            if not s["verified"]:
                raise Broken(f"{right}: a step of {s['store']}.{s['dataset']} is not read back")
            if s["store"] in ("own", "kept"):
                continue
            at = (f"{s['store']}.{s['dataset']}", s["action"])
            one = (s["found"], s["changed"], s["retained"], s["isolated"])
            before = met.get(at, (0, 0, 0, 0))
            met[at] = (before[0] + one[0], before[1] + one[1], before[2] + one[2],
                       before[3] + one[3])  # fmt: skip
        if met != told:
            raise Broken(f"{right} tells {met}, true is {told}")

    def _told_of_ends(self) -> None:
        """The ledger tells of every row that was let go, once."""
        met: Counter[str] = Counter()
        with Controller.open(deployment.read(self.town.directory)) as controller:
            for _, e in controller.ledger.entries(kind="retention.ran"):
                if e.body["verified"]:
                    met[f"{e.body['system']}.{e.body['dataset']}"] += e.body["changed"]
        true = {place: self.let_go for place, _ in town.ended(1)[1]}
        if met != true:
            raise Broken(f"of what was let go the ledger tells {dict(met)}, true is {true}")

    def _receipts(self, right: str, case: str) -> None:
        """Every step was receipted once, the case ended once, and all its records agree."""
        with Controller.open(deployment.read(self.town.directory)) as controller:
            if not controller.ledger.verify(deep=self.rounds % 10 == 0).ok:
                raise Broken("the ledger does not hold")
            of = [e for _, e in controller.ledger.entries() if e.body.get("case") == case]
            shown = controller.cases.get(case)
            steps = controller.cases.steps(shown)
        done = Counter(e.body["step"] for e in of if e.kind == "step.done" and e.body["verified"])
        once = Counter(json.dumps([e.kind, dict(e.body)]) for e in of if e.kind in ONCE)
        twice = [what for what, n in (done | once).items() if n != 1]
        if twice:
            raise Broken(f"{right}: written twice: {twice}")
        if right in ("erasure", "rectification", "withdrawal"):
            if len(done) != len(steps) or any(s.state.value != "done" for s in steps):
                raise Broken(f"{right}: {len(done)} receipts of {len(steps)} steps")
            ends = [e.body["complete"] for e in of if e.kind == "case.closed"]
            if ends.count(True) != 1 or ends[-1] is not True:
                raise Broken(f"{right}: ended {ends}")
        if right != "restriction" and shown.state.value not in ("awaiting", "closed"):
            raise Broken(f"{right}: the case is {shown.state}")

    def _asked(self, *argv: str) -> dict[str, Any]:
        worker = self._run([*argv, "--dir", str(self.town.directory), "--json"])
        if worker.status != 0:
            raise Broken(f"`kept {' '.join(argv)}` ended with {worker.status}: {worker.err}")
        return dict(json.loads(worker.out))


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _postgres(server: Server) -> int:
    """The process of a server; 0 where there is none."""
    try:
        pid = int((server.data / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pid if _runs(pid) and "postgres" in psutil.Process(pid).name() else 0


def _kill_postgres(server: Server) -> None:
    """SIGKILL to its first process; the others notice and go, as after an accident."""
    if pid := _postgres(server):
        os.kill(pid, signal.SIGKILL)
