"""A deployment as `kept new` makes it, on a database of the run's server; `kept` as a function."""

from __future__ import annotations

import functools
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kept.app.cli import main
from kept.embedded import Server

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-tests"


class Ran(NamedTuple):
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def said(self) -> str:
        return self.out + self.err


Kept = Callable[..., Ran]


@pytest.fixture
def kept(capfd: pytest.CaptureFixture[str]) -> Kept:
    """Run `kept` in this process."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        status = end.value.code
        assert isinstance(status, int)
        return Ran(status, out, err)

    return run


def put(directory: Path, **settings: str) -> None:
    """Change lines of kept.toml: `database="…"`."""
    file = directory / "kept.toml"
    text = file.read_text("utf-8")
    for key, value in settings.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f'{key} = "{value}"', text)
        assert count == 1, key
    file.write_text(text, "utf-8")


@functools.cache
def _new() -> tempfile.TemporaryDirectory[str]:
    """What `kept new` makes, once, to be copied: it says nothing of where it lies, and most of its
    time goes into the password of the first officer.
    """
    base = tempfile.TemporaryDirectory()
    with pytest.raises(SystemExit) as end:
        main(["new", str(Path(base.name, "deployment"))])
    assert end.value.code == 0
    return base


def make(directory: Path, url: str) -> Path:
    """A deployment in `directory` at work: its own database is at `url`, its systems in act."""
    shutil.copytree(Path(_new().name, "deployment"), directory)
    put(directory, database=url, token=TOKEN, mode="act", shows="live")
    return directory


@pytest.fixture
def place(kept_url: str, tmp_path: Path) -> Path:
    """A deployment of its own for one test."""
    return make(tmp_path / "deployment", kept_url)


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, pg_server: Server, _kept_template: str
) -> Iterator[tuple[str, Path]]:
    """(URL, directory) of a deployment that was published and checked, and is being served."""
    name = f"served_{os.getpid()}_{tmp_path_factory.getbasetemp().name}".replace("-", "_")
    url = pg_server.make_database(f"{name}_{len(os.listdir(tmp_path_factory.getbasetemp()))}",
                                  template=_kept_template)  # fmt: skip
    directory = make(tmp_path_factory.mktemp("served") / "deployment", url)
    for command in (("policy", "publish"), ("prove",)):
        with pytest.raises(SystemExit):
            main([*command, "--json", "--dir", str(directory)])
    process, document = serve(directory)
    try:
        yield document["url"], directory
    finally:
        process.terminate()
        assert process.wait(20) == 0


def serve(directory: Path, port: int = 0) -> tuple[subprocess.Popen[str], Any]:
    """`kept serve` as a process of its own, and what it says when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kept.app", "serve", "--port", str(port), "--json",
         "--dir", str(directory)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    assert ready, "the server did not answer in time"
    line = process.stdout.readline()
    assert line, process.stderr.read() if process.stderr else ""
    return process, json.loads(line)
