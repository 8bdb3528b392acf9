"""`kept bench`: one benchmark of the clone, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, clone
from kept.errors import UsageError


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(bench)


def bench(
    name: str,
    /,
    *arguments: Annotated[
        str, Parameter(help="handed to the benchmark", allow_leading_hyphen=True)
    ],
    common: Common = COMMON,
) -> int:
    """Measure against a hand-written reference, interleaved: prints reference, ours, ratio."""
    root = clone()
    scripts = _scripts(root)
    if not scripts:
        raise UsageError(
            "there are no benchmarks here",
            expected="the folder bench/ of a clone, beside src/",
            fix="run it from a clone: the installed package does not carry them",
        )
    if name not in scripts:
        raise UsageError("there is no such benchmark", expected=f"one of {', '.join(scripts)}")
    command = [sys.executable, str(scripts[name]), *arguments]
    if common.json:
        command.append("--json")
    # A script of this clone, chosen from a list of its files.
    return subprocess.run(command, check=False).returncode  # noqa: S603


def _scripts(root: Path | None) -> dict[str, Path]:
    if root is None:
        return {}
    found = sorted((root / "bench").glob("*.py"))
    return {p.stem.removeprefix("bench_"): p for p in found if not p.stem.startswith("_")}
