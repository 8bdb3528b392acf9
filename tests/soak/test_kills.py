"""SEC, RIGHT: worker and databases killed at random; see tests/soak/kills.py."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator

import pytest

from kept.embedded import Server
from tests.mariadb import PROGRAM, Mariadb
from tests.soak import town
from tests.soak.kills import Broken, Stand
from tests.soak.nursery import Nursery
from tests.stores.vendor import TOKEN, vendor
from tests.world import ROOT

#: Killing a process loses nothing that it gave to the kernel; what an answer was given for must
#: have been given to it. Only the loss of power is left out.
PROCESS = {"fsync": "off", "max_connections": "40"}
SHORT, LONG = 6, 1000
#: Requests that see no kill, because all are spent, need people too.
PEOPLE = 40


@pytest.fixture
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """Servers of their own, for they will be killed."""
    if PROGRAM is None:
        pytest.skip("no MariaDB is installed here: `tools/setup system`")
    base = tmp_path_factory.mktemp("kills")
    seed = int(os.environ.get("KEPT_SOAK_SEED") or random.SystemRandom().randrange(10**6))
    shop, desk = Server(base / "shop", PROCESS), Mariadb(base / "mariadb")
    os.environ["CRM_TOKEN"] = TOKEN
    shop.acquire()
    desk.acquire()
    nursery = Nursery(ROOT, base / "workers", {"CRM_TOKEN": TOKEN})
    try:
        with vendor() as crm:
            made = town.Town(
                base / "town", shop.make_database("company", role="company"),
                desk.make_database("company"), crm,
            )  # fmt: skip
            people = range(1, PEOPLE + int(os.environ.get("KEPT_SOAK_ROUNDS") or LONG))
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
        del os.environ["CRM_TOKEN"]


#: How many kills a soak has survived so far; a soak that was stopped goes on from there.
PROGRESS = ROOT / "build" / "soak-kills.json"


def survive(stand: Stand, rounds: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Carry requests out until so many kills were survived; progress goes to the terminal."""
    began = time.monotonic()

    def say(words: str) -> None:
        with capsys.disabled():
            print(f"  [{time.monotonic() - began:6.0f} s, seed {stand.seed}] {words}", flush=True)

    try:
        while stand.rounds < rounds:
            stand.request(rounds, say)
    except Broken as broken:
        pytest.fail(f"seed {stand.seed}, round {stand.rounds}, person {stand.person}: {broken}")
    say(", ".join(f"{what}: {n}" for what, n in sorted(stand.tally.items())))


def test_RIGHT_3_a_few_kills_are_survived(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    """RIGHT-3, SEC-2: nothing lost, nothing done twice, no case stuck, others untouched."""
    survive(stand, SHORT, capsys)
    assert stand.rounds == SHORT


@pytest.mark.soak
def test_RIGHT_3_a_thousand_kills_are_survived(
    stand: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    """RIGHT-3, SEC-2: the same for hours. Stopped, it goes on with the kills that are left."""
    rounds = int(os.environ.get("KEPT_SOAK_ROUNDS") or LONG)
    before = json.loads(PROGRESS.read_text())["rounds"] if PROGRESS.exists() else 0
    PROGRESS.parent.mkdir(exist_ok=True)
    try:
        survive(stand, rounds - before, capsys)
    finally:
        PROGRESS.write_text(json.dumps({"rounds": before + stand.rounds, "seed": stand.seed}))
    assert before + stand.rounds >= rounds
    PROGRESS.unlink()
