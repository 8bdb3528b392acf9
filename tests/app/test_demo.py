"""The demonstration: all of it in one command, and nothing left behind."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.conftest import ROOT, Kept
from tests.serving import running

from kept import deployment
from kept.app.commands import demo
from kept.app.commands.common import Common

COMMAND = [sys.executable, "-m", "kept.app", "demo", "--once"]
STEPS = [
    "visit", "contact form", "trial", "a marketer", "account", "order", "support", "access",
    "by hand", "erasure", "access again", "afterwards",
]  # fmt: skip


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
    assert [step["step"] for step in document["life"]["steps"]] == STEPS
    assert document["totals"]["pass"] >= 10
    assert document["ledger"]["ok"] is True
    assert not Path(document["directory"]).exists()
    assert not Path(document["package"]).exists()
    assert processes(document["directory"]) == []


def test_what_is_amiss_on_purpose_is_said(tmp_path: Path) -> None:
    """And what nobody looked at, with why: by the clauses that the controls judge."""
    rows = {
        "PASTED-1": ("open", "trackers.nothing-undeclared"),
        "AWAY-1": ("vacuous", "visits.opt-out-links-work"),
        "AWAY-2": ("pass", "visits.opt-out-links-work"),
    }
    clauses = [{"id": i, "outcome": o, "controls": [c]} for i, (o, c) in rows.items()]
    document = {
        "clauses": clauses, "gateway": "http://127.0.0.1:1", "serving": True, "totals": {},
        "ledger": {"ok": True, "entries": 1, "root": "x"}, "life": {"wrong": []},
        "policy": "p", "site": "s", "kept": "k", "package": "z",
    }  # fmt: skip
    play = demo._Play(ROOT, tmp_path, Common(dir=tmp_path), None)
    words = "\n".join(map(str, play.summary(document)))
    assert "http://127.0.0.1:1/film carries a tag that nobody declared" in words
    assert "exit status 1: the check behind PASTED-1 fails" in words
    assert "  AWAY-1: nothing to check yet" in words
    assert "AWAY-2" not in words
    alone = "\n".join(map(str, play.summary({**document, "gateway": None, "clauses": []})))
    assert "On purpose" not in alone


def test_a_gateway_that_is_left_out_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play = demo._Play(ROOT, tmp_path, Common(dir=tmp_path), None)
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert play._before("http://127.0.0.1:1", "http://127.0.0.1:2", port) is None
    assert f"no gateway: port {port}" in capsys.readouterr().out


def interrupted(
    directory: Path, until: str, *options: str, stop: signal.Signals = signal.SIGINT
) -> tuple[int, str]:
    """(exit status, all that was said) of `kept demo`, interrupted once it said `until`."""
    process = subprocess.Popen(
        [*COMMAND[:-1], *options, "--dir", str(directory)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith(until):
            break
    if until.startswith("Ctrl-C"):
        beside(directory)
    assert len(processes(str(directory))) > 3, said
    process.send_signal(stop)
    out, _ = process.communicate(timeout=60)
    for _ in range(50):
        if not processes(str(directory)):
            break
        time.sleep(0.1)
    assert processes(str(directory)) == []
    return process.returncode, "".join((*said, out))


def beside(directory: Path) -> None:
    """What one that runs already says to a second one."""
    for options in (("--fresh",), ("--port", "0")):
        second = subprocess.run(
            [*COMMAND[:-1], *options, "--dir", str(directory)], capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert second.returncode == 2, second.stdout
        assert "the demonstration runs already" in second.stderr
        assert "name another folder" in second.stderr
        assert (directory / "company" / "company.json").exists()


@contextlib.contextmanager
def answering(port: int) -> Iterator[None]:
    """A server that answers as Kept does when it is asked whether it is there."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            self.end_headers()
            self.wfile.write(b"ok" if self.path == "/health" else b"")

    with running(http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)):
        yield


@pytest.mark.soak
def test_interrupted_and_gone_on_with_and_made_anew(tmp_path: Path) -> None:
    directory = tmp_path / "world"
    status, said = interrupted(directory, "Ready", "--port", "0")
    assert status == 130, said
    assert "Traceback" not in said
    assert f"Preparing the company in {directory}" in said
    doctor = subprocess.run(
        [*COMMAND[:-2], "doctor", "--dir", str(directory)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert doctor.returncode == 1
    assert "the demonstration is stopped; start it again: " in doctor.stdout
    earlier = directory / "company" / "access-1.zip"
    earlier.write_text("the answer of an earlier run")
    (directory / "company" / "lives").write_text("1")
    settings = deployment.read(directory)
    with answering(settings.port):
        running = directory / "postgres" / "data" / "postmaster.pid"
        running.touch()
        second = subprocess.run(
            [*COMMAND[:-1], "--dir", str(directory)], capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert "is being served already" in second.stderr
        running.unlink()  # then it is the Kept of somebody else, and the port another one
        status, said = interrupted(directory, "Ctrl-C stops all of it", stop=signal.SIGHUP)
    assert status == 0, said  # being interrupted is how it ends
    assert deployment.read(directory).port != settings.port
    assert earlier.read_text() == "the answer of an earlier run"
    assert f"{directory}/company/access-2.zip" in said
    assert (directory / "company" / "access-2.zip").exists()
    for address in ("/privacy", "/privacy/versions", "/contact"):
        assert f"{address}" in said
    assert "Stopped. Go on with this company: " in said
    assert "Going on with the company that was made on " in said
    assert f"demo --fresh --dir {directory} removes it" in said
    (directory / "mine").write_text("stays")
    # As a removal that was broken off leaves it: the sign of its database is gone already.
    (directory / ".removing").mkdir()
    (directory / "postgres").rename(directory / ".removing" / "postgres")
    (directory / "company" / "postgres" / "PG_VERSION").unlink()
    status, said = interrupted(directory, "Ready", "--port", "0")
    assert said.startswith("Removing the old company …\n")
    assert f"Preparing the company in {directory}" in said
    assert (directory / "mine").read_text() == "stays"
    assert not (directory / ".removing").exists()
    # A first start that was broken off while its databases were made begins anew as well.
    (directory / "company" / "company.json").unlink()
    (directory / "company" / "postgres" / "PG_VERSION").unlink()
    status, said = interrupted(directory, "Ready", "--port", "0", "--fresh")
    assert said.startswith("Removing the old company …\n")
    assert f"Preparing the company in {directory}" in said
    assert (directory / "mine").read_text() == "stays"


def test_only_a_demonstration_is_removed(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "company").mkdir()
    (tmp_path / "company" / "mine").write_text("stays")
    ran = kept("demo", "--fresh", "--dir", tmp_path)
    assert ran.status == 2
    assert "not made by `kept demo`" in ran.err
    assert (tmp_path / "company" / "mine").exists()
