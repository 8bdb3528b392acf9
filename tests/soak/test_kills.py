"""SEC, RIGHT: worker and databases killed at random; see tests/soak/kills.py."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kept.embedded import Server
from tests.mariadb import PROGRAM, Mariadb
from tests.soak import TOLD, town
from tests.soak.kills import Broken, Stand
from tests.soak.nursery import Nursery
from tests.stores.vendor import TOKEN, vendor
from tests.world import ROOT

#: Killing a process loses nothing that it gave to the kernel; what an answer was given for must
#: have been given to it. Only the loss of power is left out.
PROCESS = {"fsync": "off", "max_connections": "40"}
SHORT, LONG = 6, 1000
#: People of the small town: as many as there are requests in the tests of this file.
FEW = 40


@contextmanager
def standing(base: Path, people: Sequence[int], turn: int = 0) -> Iterator[Stand]:
    """A town with servers of its own, for they will be killed. Each `turn` draws other moments."""
    if PROGRAM is None:
        pytest.skip("no MariaDB is installed here: `tools/setup system`")
    seed = int(os.environ.get("KEPT_SOAK_SEED") or random.SystemRandom().randrange(10**6)) + turn
    shop, desk = Server(base / "shop", PROCESS), Mariadb(base / "mariadb")
    os.environ["CRM_TOKEN"] = TOKEN
    shop.acquire()
    desk.acquire()
    nursery = Nursery(ROOT, base / "workers", {"CRM_TOKEN": TOKEN}, patience=1.0)
    try:
        with vendor() as crm:
            made = town.Town(
                base / "town", shop.make_database("company", role="company"),
                desk.make_database("company"), crm,
            )  # fmt: skip
            made.build(people, "embedded")
            held = Stand(made, shop, desk, nursery, seed, town.everybody(people))
            held.own.acquire()
            try:
                yield held
            finally:
                held.own.release()
    finally:
        nursery.close()
        shop.release()
        desk.release()
        shutil.rmtree(base, ignore_errors=True)
        os.environ.pop("CRM_TOKEN", None)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """A small one, which all but the soak share."""
    with standing(tmp_path_factory.mktemp("kills"), range(1, FEW)) as held:
        yield held


#: Where in the end of an isolation a server dies: after what was written there, before its commit
#: (`apply`), and after its commit, before Kept's own record of it.
POINTS = ("shop.apply", "shop.commit", "desk.apply", "desk.commit", "lake.file")
SERVERS = ("postgresql", "mariadb", "kept")
FIRST = (
    ("postgresql", "shop.apply"), ("postgresql", "shop.commit"), ("mariadb", "desk.commit"),
    ("kept", "desk.commit"),
)  # fmt: skip


@pytest.mark.parametrize(("victim", "place"), FIRST, ids=lambda p: p)
def test_RET_3_a_server_dies_while_what_was_kept_ends(
    stand: Stand, victim: str, place: str
) -> None:
    """RET-3, RIGHT-3: it ends all the same, is told of once, and nobody else's row is touched."""
    stand.server_dies(victim, place)


@pytest.mark.soak
@pytest.mark.parametrize("victim", SERVERS)
@pytest.mark.parametrize("place", POINTS)
def test_RET_3_every_server_dies_at_every_write_of_an_end(
    stand: Stand, victim: str, place: str
) -> None:
    """RET-3, RIGHT-3: the whole of the same."""
    stand.server_dies(victim, place)


#: How many kills a soak has survived so far; a soak that was stopped goes on from there.
PROGRESS = ROOT / "build" / "soak-kills.json"
#: Rounds of one town: what it remembers grows, and what has to be looked at with it.
ROUNDS = 250
#: Where so much is broken, the rest would tell nothing new.
MOST_BROKEN = 20


def survive(stand: Stand, rounds: int, say: Callable[[str], None]) -> None:
    """Carry requests out until so many kills were survived. Broken, with all that repeats it."""
    try:
        while stand.rounds < rounds:
            stand.request(rounds, say)
    except Broken as broken:
        where = f"seed {stand.seed}, round {stand.rounds}, person {stand.person}"
        raise Broken(f"{where}: {broken}") from broken


def test_RIGHT_3_a_few_kills_are_survived(stand: Stand) -> None:
    """RIGHT-3, SEC-2: nothing lost, nothing done twice, no case stuck, others untouched."""
    before = stand.rounds
    survive(stand, before + SHORT, lambda _: None)
    assert stand.rounds == before + SHORT


@pytest.mark.soak
def test_RIGHT_3_a_thousand_kills_are_survived(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """RIGHT-3, SEC-2: the same for hours. Stopped, it goes on with the kills that are left."""
    rounds = int(os.environ.get("KEPT_SOAK_ROUNDS") or LONG)
    soak = Soak.read()
    began = time.monotonic()

    def tell(words: str) -> None:
        with capsys.disabled():
            print(f"  [{time.monotonic() - began:6.0f} s] {words}", flush=True)

    try:
        while (before := soak.kills) < rounds and soak.broken < MOST_BROKEN:
            part = min(ROUNDS, rounds - before)
            with standing(tmp_path_factory.mktemp("soak"), range(1, part + FEW), before) as held:

                def say(words: str, held: Stand = held, before: int = before) -> None:
                    soak.write(before + held.rounds, held.tally)
                    tell(f"{before + held.rounds} of {rounds} kills, {soak.broken} broken; {words}")

                tell(f"a new town, seed {held.seed}: {part} kills")
                try:
                    survive(held, part, say)
                except Broken as broken:  # told, counted, and the rest is done in another town
                    soak.broken += 1
                    tell(f"BROKEN: {broken}")
                finally:
                    soak.done(before + held.rounds, held.tally)
    finally:
        TOLD.append(soak.words)
    finished = soak.kills >= rounds
    broken = soak.broken
    if finished:
        PROGRESS.unlink()
    assert finished
    assert not broken, f"{broken} of {rounds} kills broke something: see above"


@dataclass
class Soak:
    """What a soak has come to, over all its runs; written down after each request."""

    kills: int = 0
    broken: int = 0
    tally: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls) -> Soak:
        if not PROGRESS.exists():
            return cls()
        raw = json.loads(PROGRESS.read_text())
        return cls(raw["kills"], raw["broken"], Counter(raw["tally"]))

    def write(self, kills: int, tally: Counter[str]) -> None:
        PROGRESS.parent.mkdir(exist_ok=True)
        body = {"kills": kills, "broken": self.broken, "tally": self.tally + tally}
        PROGRESS.write_text(json.dumps(body))

    def done(self, kills: int, tally: Counter[str]) -> None:
        self.kills, self.tally = kills, self.tally + tally
        self.write(kills, Counter())

    @property
    def words(self) -> str:
        each = ", ".join(f"{what}: {n}" for what, n in sorted(self.tally.items()))
        late = self.tally["came after the end"]
        return (
            f"SOAK: {self.kills} rounds, {self.kills - late} kills in the middle of a command and"
            f" {late} after its end, {self.broken} broken ({each})"
        )
