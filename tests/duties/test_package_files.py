"""The files of a package: their names, their JSON, when it gets its name, what is left behind."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request
from kept.duties.rights.package import Package
from kept.errors import UsageError
from kept.records.case import State
from kept.terms.identifiers import parse
from tests.duties.test_package import EMPTY
from tests.world import NOW

ANA = "email=ana@example.org"
NAMES = ["a/b", "a_b", "A_B", "a_b-2", "\ufb01x", "fix", "x" * 300, "x" * 301, "..", "_"]


def _request(**more: str) -> Request:
    return Request(((parse(ANA),),), override="test", **more)


def test_each_dataset_has_a_file_of_its_own_whatever_it_is_called(tmp_path: Path) -> None:
    with Package(tmp_path / "p.zip", NOW) as package:
        for number, name in enumerate(NAMES):
            package.data("shop", name, [(None, ("n",), [(number,)])])
        package.finish(*EMPTY)
        package.place()
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        data = [n for n in archive.namelist() if n.startswith("data/") and n[-5:] == ".json"]
        assert len({n.casefold() for n in data}) == len(NAMES)
        assert all(len(n) < 200 for n in data)
        assert [json.loads(archive.read(n)) for n in data] == [[{"n": i}] for i in range(10)]
        assert set(json.loads(archive.read("manifest.json"))["files"]) >= set(data)


def test_what_is_no_finite_number_is_valid_json(tmp_path: Path) -> None:
    def strict(word: str) -> None:
        raise AssertionError(word)

    with Package(tmp_path / "p.zip", NOW) as package:
        rows = [(math.nan,), (math.inf,), (-math.inf,), (0.1,)]
        package.data("shop", "reading", [(None, ("v",), rows)])
        package.finish(*EMPTY)
        package.place()
    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        read = json.loads(archive.read("data/shop.reading.json"), parse_constant=strict)
    assert [r["v"] for r in read] == ["NaN", "Infinity", "-Infinity", 0.1]


def test_only_old_packages_of_ones_own_that_nobody_writes_are_cleaned_away(tmp_path: Path) -> None:
    precious = [
        tmp_path / n for n in (".kept-notes.zip", "kept-abcdefgh.zip", ".kept-ABCDEFGH.zip")
    ]
    stale, young = tmp_path / ".kept-abcdefgh.zip", tmp_path / ".kept-abcdefg2.zip"
    link = tmp_path / ".kept-abcdefg3.zip"
    for path in (*precious, stale, young):
        path.write_text("x")
    link.symlink_to(precious[0])
    for path in (*precious, stale):
        os.utime(path, (1, 1))
    with Package(tmp_path / "p.zip", NOW) as writing:
        os.utime(writing._temporary, (1, 1))
        with Package(tmp_path / "q.zip", NOW):
            assert writing._temporary.exists()
    assert not stale.exists()
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in (*precious, young, link)}


def test_a_close_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def fill() -> None:
        with Package(tmp_path / "p.zip", NOW) as package:
            package.data("shop", "x", [(None, ("n",), [(1,)])])
            os.close(package._file.fileno())  # as where the disk is full: no close succeeds
            package.finish(*EMPTY)

    with pytest.raises(OSError, match="Bad file"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_what_gets_no_name_is_told_by_its_case_which_can_go_on(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "p.zip"
    real = Package.place

    def taken(package: Package) -> None:
        out.write_text("somebody else's")  # between the entry and the name
        real(package)

    with Controller.open(deployment.read(world)) as controller:
        with monkeypatch.context() as patch:
            patch.setattr(Package, "place", taken)
            with pytest.raises(UsageError, match="already"):
                rights.access(controller, _request(), NOW, out=out)
        (case,) = controller.cases.all()
        assert case.state is State.CHECKED
        assert "nothing was handed out" in str(controller.cases.events(case)[-1].words)
        assert out.read_text() == "somebody else's"
        again = Request((), case=case.id)
        answer = rights.access(controller, again, NOW, out=tmp_path / "again.zip")
        assert answer.complete
        assert controller.cases.get(case.id).state is State.CLOSED
        with pytest.raises(UsageError, match="its package was made"):
            rights.access(controller, again, NOW, out=tmp_path / "third.zip")
        assert not (tmp_path / "third.zip").exists()


KILLED = """
import os, signal, sys, time
# Whoever runs the tests may ignore them (nohup, a job in the background).
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from kept.app.cli import main
from kept.duties.rights.package import Package
real, when = Package.place, sys.argv.pop(1)
def place(package):
    if when == "after":
        real(package)
    if when == "slow":
        print("here", flush=True)
        while True:  # a pause would sleep on, where the signal came just before it
            time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
Package.place = place
main(sys.argv[1:])
"""


def _killed(world: Path, out: Path, when: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, when, "rights", "access", "--identity", ANA, "--override",
         "test", "--out", str(out), "--dir", str(world)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_its_naming_the_record_is_there_first(
    when: str, world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.zip"
    with _killed(world, out, when) as process:
        assert process.wait(60) == -signal.SIGKILL
    assert out.exists() == (when == "after")
    with Controller.open(deployment.read(world)) as controller:
        (case,) = controller.cases.all()
        assert case.state is State.EXECUTED
        with controller.database.connection() as connection:
            kinds = connection.execute("SELECT count(*) FROM ledger_entry WHERE kind = 15")
            assert kinds.fetchone() == (1,)
        again = Request((), case=case.id)
        assert rights.access(controller, again, NOW, out=tmp_path / "q.zip").complete


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ended_by_a_signal_it_leaves_no_file(
    number: signal.Signals, world: Path, tmp_path: Path
) -> None:
    with _killed(world, tmp_path / "p.zip", "slow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(number)
        try:
            process.wait(30)
        finally:
            process.kill()
    assert [p.name for p in tmp_path.glob("*.zip")] == []
    assert [p.name for p in tmp_path.glob(".kept-*")] == []


def test_one_case_is_served_by_one_process_at_a_time(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, inside, met = Package.place, threading.Event(), []

    def slowly(package: Package) -> None:
        inside.set()
        time.sleep(1)
        real(package)

    monkeypatch.setattr(Package, "place", slowly)
    with Controller.open(deployment.read(world)) as controller:
        actor = controller.actors.of("operator", "operator", NOW)
        case = controller.cases.open("access", [[parse(ANA)]], actor, "test", NOW)

        def serve(name: str) -> None:
            try:
                rights.access(controller, Request((), case=case.id), NOW, out=tmp_path / name)
            except UsageError as problem:
                met.append(str(problem))

        first = threading.Thread(target=serve, args=("one.zip",))
        first.start()
        assert inside.wait(30)
        serve("two.zip")
        first.join()
    assert [p.name for p in tmp_path.glob("*.zip")] == ["one.zip"]
    assert len(met) == 1
    assert "its package was made" in met[0]
