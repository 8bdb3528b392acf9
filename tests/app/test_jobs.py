"""What runs by itself: once, again after a failure or a kill, and without anybody's help."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.app.conftest import ROOT, Kept, serve
from tests.world import NOW as WORLD
from tests.world import edit, make, sql

from kept import deployment
from kept.app import jobs
from kept.app.jobs import JOBS, run_due
from kept.controller import Controller
from kept.database import Database
from kept.duties import holds, rights
from kept.duties.rights import Request
from kept.errors import ConfigError
from kept.records.job import Jobs
from kept.terms.identifiers import parse

EMAIL = "email=ana@example.org"
DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)
#: What runs once a day, and what several times.
DAILY = [("retain", "done"), ("visits", "done")]
OFTEN = [
    (job, "done")
    for job in (
        "letters",
        "clocks",
        "systems",
        "releases",
        "intake",
        "agents",
        "deliveries",
        "forms",
    )
]
#: Servers go by the clock of the machine, so the world must not begin after it.
NOW = min(WORLD, dt.datetime.now(dt.UTC) - DAY)


@pytest.fixture
def world(kept_url: str, tmp_path: Path) -> Path:
    """Ana's note is isolated because of a hold, which is released."""
    made = make(tmp_path / "world", kept_url)
    edit(made / "shop.yml", "\n  note:", "\n  note:\n    stays: isolated")
    with Controller.open(deployment.read(made)) as controller:
        actor = controller.actors.of("Pia", "operator", NOW)
        hold = holds.place(
            controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
            person=[parse(EMAIL)], system="shop", dataset="note",
        )  # fmt: skip
        request = Request(people=((parse(EMAIL),),), override="test")
        assert rights.erase(controller, request, NOW).complete
        holds.release(controller, hold.id, "settled", actor, NOW)
    assert notes(made) == 2
    assert copies(made) == 1
    return made


def notes(world: Path) -> int:
    return len(sql(world, "SELECT id FROM note"))


def copies(world: Path) -> int:
    with psycopg.connect(deployment.read(world).database) as c:
        row = c.execute("SELECT count(*) FROM isolated").fetchone()
    assert row is not None
    return int(row[0])


def ran(world: Path, now: dt.datetime) -> list[tuple[str, str]]:
    config = deployment.read(world)
    with Database.open(config.database, world) as database:
        return run_due(config, database, lambda: now)


def test_a_command_lets_go_what_nothing_keeps(world: Path, kept: Kept) -> None:
    when = ("--now", NOW + DAY, "--dir", world, "--json")
    planned = kept("retain", "plan", *when)
    assert planned.status == 0
    assert (planned.document["ended"], planned.document["executed"]) == (1, False)
    (step,) = [s for s in planned.document["steps"] if s["dataset"] == "note"]
    assert (step["action"], step["found"], step["changed"]) == ("delete", 1, 1)
    assert notes(world) == 2
    done = kept("retain", "run", *when)
    assert done.status == 0
    assert {k: done.document[k] for k in ("ended", "gone", "renewed", "complete")} == {
        "ended": 1, "gone": 1, "renewed": 0, "complete": True,
    }  # fmt: skip
    assert (notes(world), copies(world)) == (1, 0)
    again = kept("retain", "run", *when)
    assert (again.status, again.document["ended"]) == (0, 0)
    assert kept("retain", "plan", *when[:-1]).out.strip() == "Nothing would go today."


def test_not_every_role_may(world: Path, kept: Kept) -> None:
    refused = kept("retain", "run", "--role", "support", "--dir", world)
    assert refused.status == 1
    assert "the role `support` may not use `kept retain run`" in refused.err
    assert notes(world) == 2


def test_what_cannot_be_asked_is_named_and_not_done(world: Path, kept: Kept) -> None:
    (world / "shop.sqlite").rename(world / "away")
    (world / "shop.sqlite").write_bytes(b"no database")
    for verb in ("plan", "run"):
        failed = kept("retain", verb, "--now", NOW + DAY, "--dir", world)
        assert failed.status == 1, verb
        assert "Could not be asked: shop" in failed.out
    (world / "shop.sqlite").unlink()
    (world / "away").rename(world / "shop.sqlite")
    assert copies(world) == 1
    assert kept("retain", "run", "--now", NOW + DAY, "--dir", world).status == 0
    assert copies(world) == 0


def test_a_job_runs_once_a_day_and_says_so(world: Path) -> None:
    assert ran(world, NOW + DAY) == [*DAILY, *OFTEN]
    assert (notes(world), copies(world)) == (1, 0)
    assert ran(world, NOW + DAY + MINUTE) == []
    assert ran(world, NOW + 2 * DAY - MINUTE) == OFTEN
    assert ran(world, NOW + 2 * DAY) == DAILY


def test_shredded_keys_go_for_good_on_the_day_that_was_named(world: Path) -> None:
    ran(world, NOW + DAY)
    with psycopg.connect(deployment.read(world).database) as c:
        ends = "SELECT epoch, ends_on, destroyed_at IS NULL FROM key_epoch ORDER BY epoch"
        ((first, day, there),) = c.execute(ends).fetchall()
        assert there
        at = dt.datetime.combine(day, dt.time(1), dt.UTC)
        assert ran(world, at)[0] == ("retain", "done")
        assert [(e, t) for e, _, t in c.execute(ends)] == [(first, False), (first + 1, True)]
    # What is not shredded can be read as before.
    with Controller.open(deployment.read(world)) as controller:
        assert controller.cases.identifiers(controller.cases.all()[0]) == [[parse(EMAIL)]]


def test_what_fails_is_shown_and_tried_again(world: Path, kept: Kept) -> None:
    (world / "shop.sqlite").rename(world / "away")
    (world / "shop.sqlite").write_bytes(b"no database")
    at = dt.datetime.now(dt.UTC)
    assert ran(world, at)[0] == ("retain", "incomplete")
    shown = kept("doctor", "--dir", world)
    assert shown.status == 1
    assert "retain: incomplete, 1 time" in shown.out
    assert ran(world, at + MINUTE / 2) == []
    assert ran(world, at + MINUTE) == [("retain", "incomplete")]
    assert ran(world, at + 2 * MINUTE) == []
    assert ran(world, at + 3 * MINUTE) == [("retain", "incomplete")]
    (world / "shop.sqlite").unlink()
    (world / "away").rename(world / "shop.sqlite")
    assert ran(world, at + 10 * MINUTE) == [("retain", "done")]
    assert copies(world) == 0
    checks = kept("doctor", "--dir", world, "--json").document["checks"]
    (check,) = [c for c in checks if c["name"] == "jobs"]
    assert check["ok"] is True


def test_an_error_is_known_by_its_class_alone(
    world: Path, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> bool:
        raise ValueError("ana@example.org")

    broken = jobs.Job("retain", DAY, "retain run", breaks)
    monkeypatch.setattr(jobs, "JOBS", (broken,))
    assert ran(world, NOW) == [("retain", "ValueError")]
    with Database.open(deployment.read(world).database, world) as database:
        (row,) = Jobs(database).all()
        assert (row.outcome, row.failures) == ("ValueError", 1)
    said = kept("doctor", "--dir", world).said
    assert "retain: ValueError" in said
    assert "ana@" not in said


DRIVER = """
import datetime as dt, os, signal, sys
from pathlib import Path
from kept import deployment
from kept.app.jobs import run_due
from kept.database import Database
from kept.records.locator import Locator
def killed(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
Locator.drop = killed
world = Path(sys.argv[1])
config = deployment.read(world)
with Database.open(config.database, world) as database:
    run_due(config, database, lambda: dt.datetime.fromisoformat(sys.argv[2]))
"""


def test_killed_in_the_middle_it_goes_on(world: Path) -> None:
    at = NOW + DAY
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(world), at.isoformat()], cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert (notes(world), copies(world)) == (1, 1)
    # Not tomorrow: what was cut off is due at once.
    assert ran(world, at + MINUTE)[0] == ("retain", "done")
    assert copies(world) == 0


def test_two_runners_run_it_once(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def slow(_: Controller, __: dt.datetime) -> bool:
        met.append(1)
        begun.set()
        return go.wait(30)

    monkeypatch.setattr(jobs, "JOBS", (jobs.Job("retain", DAY, "retain run", slow),))
    first = threading.Thread(target=ran, args=(world, NOW))
    first.start()
    try:
        assert begun.wait(30)
        assert ran(world, NOW + 9 * DAY) == []
    finally:
        go.set()
        first.join()
    assert ran(world, NOW + MINUTE) == []
    assert len(met) == 1


def _until(holds_true: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds_true():
            return True
        time.sleep(0.2)
    return False


def test_served_it_goes_without_human_help(world: Path) -> None:
    """RET-3: two servers of one deployment; the hold was released, nobody does anything more."""
    with (world / "kept.toml").open("a") as file:
        file.write("\n[jobs]\nretain = 1\n")
    processes = [serve(world)[0], serve(world)[0]]
    try:
        assert _until(lambda: copies(world) == 0)
        assert notes(world) == 1
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        ends = [process.wait(30) for process in processes]
    assert ends == [0, 0]
    with Controller.open(deployment.read(world)) as controller:
        gone = [e.body for _, e in controller.ledger.entries(kind="retention.ran")]
        assert sum(body["changed"] for body in gone) == 1
        assert len(list(controller.ledger.entries(kind="keys.shredded"))) == 2


@pytest.mark.parametrize("value", ["-1", '"often"', "true", "1.5", "9999999999"])
def test_a_pace_is_a_number_of_seconds(world: Path, value: str) -> None:
    with (world / "kept.toml").open("a") as file:
        file.write(f"\n[jobs]\nretain = {value}\n")
    with pytest.raises(ConfigError, match=r"`retain` of \[jobs\] is not a number of seconds"):
        deployment.read(world)


def test_a_job_can_be_left_out(world: Path) -> None:
    with (world / "kept.toml").open("a") as file:
        file.write("\n[jobs]\nretain = 0\n")
    assert ran(world, NOW) == [("visits", "done"), *OFTEN]


def test_every_job_has_a_pace_to_set_and_a_command(kept: Kept) -> None:
    from kept.app.surface import COMMANDS
    from kept.deployment import _TABLES

    assert {job.name for job in JOBS} == _TABLES["jobs"]
    assert {job.command for job in JOBS} <= {surface.name for surface in COMMANDS}
