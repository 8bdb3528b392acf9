"""The demonstration: all of it in one command, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.app.conftest import ROOT

COMMAND = [sys.executable, "-m", "kept.app", "demo", "--once"]


def processes(directory: str) -> list[str]:
    """Command lines of living processes that name the directory."""
    listing = subprocess.run(
        ["ps", "-axww", "-o", "command"], capture_output=True, text=True, check=True
    )
    return [line for line in listing.stdout.splitlines() if directory in line]


def test_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "--json"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["ok"] is True
    assert document["life"]["wrong"] == []
    assert {"access", "erasure", "access again"} <= {s["step"] for s in document["life"]["steps"]}
    assert document["totals"]["pass"] >= 10
    assert document["ledger"]["ok"] is True
    assert not Path(document["directory"]).exists()
    assert processes(document["directory"]) == []


def test_interrupted(tmp_path: Path) -> None:
    directory = tmp_path / "world"
    process = subprocess.Popen(
        [*COMMAND, "--dir", str(directory)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Ready"):
            break
    assert len(processes(str(directory))) > 3, said
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130, "".join(said) + out
    assert "Traceback" not in out
    for _ in range(50):
        if not processes(str(directory)):
            break
        time.sleep(0.1)
    assert processes(str(directory)) == []
