"""A test in which the MariaDB of the tests fell over by itself is run again; no other is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mariadb import Mariadb
from tests.world import ROOT

TESTS = """
import os, signal, pathlib
from tests.stores.test_mariadb import run
seen = pathlib.Path(__file__).with_name("seen")
def test_it(maria_url, maria_server):
    times = len(seen.read_text()) if seen.exists() else 0
    seen.write_text("x" * (times + 1))
    if times < {falls}:
        os.kill(maria_server.pid, signal.{signal})
        while os.path.exists(f"/proc/{{maria_server.pid}}/exe"):
            pass
    run(maria_url, "SELECT 1")
def test_next(maria_url):
    run(maria_url, "SELECT 1")
"""

SIGNALS = {"SIGSEGV": 11, "SIGABRT": 6, "SIGKILL": 9}


@pytest.mark.parametrize(
    ("falls", "signal", "workers", "failed", "told"),
    [
        (1, "SIGSEGV", 0, 0, True),
        (2, "SIGABRT", 1, 1, True),
        (1, "SIGKILL", 0, 1, False),  # by the test itself
    ],
)
def test_a_fall_of_the_server_takes_no_test_with_it(
    tmp_path: Path, falls: int, signal: str, workers: int, failed: int, told: bool
) -> None:
    if not Mariadb.here():
        pytest.skip("no MariaDB is installed here: `tools/setup system`")
    (tmp_path / "test_it.py").write_text(TESTS.format(falls=falls, signal=signal))
    run = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", f"-n{workers}",
            f"--rootdir={tmp_path}", str(tmp_path),
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    said = run.stdout + run.stderr
    assert run.returncode == (1 if failed else 0), said
    counted = f"{failed} failed, {2 - failed} passed" if failed else "2 passed"
    assert counted in run.stdout.splitlines()[-1], said
    assert ("which was run again" in run.stdout) is told, said
    assert (f"got signal {SIGNALS[signal]}" in run.stdout) is told, said
