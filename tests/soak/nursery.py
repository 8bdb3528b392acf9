"""Workers that can be killed: each a process of its own, forked from one that has loaded Kept.

It reads one command a line (JSON: `argv` of `kept`, `out`, `err`), forks, and says `pid N`; when
the child has ended it says `end STATUS`, negative for a signal. Forking saves the seconds that
loading takes, so that a soak can afford a thousand of them; nothing else is shared, for the
parent opens no connection, no file of the deployment and no thread.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import kept
from kept import stores


def load() -> None:
    """Import all of Kept and what its stores need."""
    for module in pkgutil.walk_packages(kept.__path__, "kept."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    for name in (
        "tests.soak.faults",
        "pyarrow.parquet",
        "pyarrow.compute",
        "pymysql",
        "psycopg_pool",
        "sqlalchemy",
    ):
        importlib.import_module(name)
    stores.kinds()  # what is installed does not change
    gc.collect()
    gc.freeze()


def _patient(seconds: float) -> None:
    """Wait so long for a connection of Kept's own database, and no longer."""
    from kept.database import Database

    whole = Database.__init__

    def opened(self: Database, *args: Any, **more: Any) -> None:
        whole(self, *args, **more)
        self._pool.timeout = seconds

    Database.__init__ = opened  # type: ignore[method-assign]


def _child(command: dict[str, Any]) -> NoReturn:
    status = 70
    try:
        os.setsid()
        for name, to in (("out", 1), ("err", 2)):
            file = os.open(command[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, to)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        argv = command["argv"]
        if "fault" in command:
            from tests.soak import faults

            faults.plant(command["fault"])
        from kept.app.cli import main

        main(argv)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Until standard input ends."""
    load()
    if sys.argv[1:]:
        _patient(float(sys.argv[1]))
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _child(json.loads(line))
        print(f"pid {pid}", flush=True)
        _, status = os.waitpid(pid, 0)
        print(f"end {os.waitstatus_to_exitcode(status)}", flush=True)


class Worker:
    """One command that runs, as seen from the test."""

    def __init__(self, nursery: Nursery, out: Path, err: Path) -> None:
        self._nursery, self._out, self._err = nursery, out, err
        self.pid = nursery.told("pid")
        self.status: int | None = None

    def wait(self) -> int:
        if self.status is None:
            self.status = self._nursery.told("end")
        return self.status

    @property
    def out(self) -> str:
        return self._out.read_text("utf-8")

    @property
    def err(self) -> str:
        return self._err.read_text("utf-8")


class Nursery:
    """The process that workers are forked from; one worker at a time.

    `patience`: how many seconds they wait for Kept's database, where its server may be killed: it
    does not come back before its worker has given up. None: as long as ever, for on a machine with
    much to do a connection takes its time.
    """

    def __init__(
        self, root: Path, directory: Path, environment: dict[str, str],
        *, patience: float | None = None,
    ) -> None:  # fmt: skip
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "tests.soak.nursery",
                *(() if patience is None else (str(patience),)),
            ],
            cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **environment, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        )  # fmt: skip
        self._expect("ready")

    def run(self, *argv: str, fault: dict[str, Any] | None = None) -> Worker:
        assert self._process.stdin is not None
        out, err = self._directory / "out", self._directory / "err"
        command: dict[str, Any] = {"argv": list(argv), "out": str(out), "err": str(err)}
        command |= {"fault": fault} if fault else {}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return Worker(self, out, err)

    def told(self, word: str) -> int:
        return int(self._expect(word))

    def _expect(self, word: str) -> str:
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        assert said[:1] == [word], said
        return said[-1]

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


if __name__ == "__main__":
    serve()
