"""What every command shares: `--dir`, `--json`, the clock, the actor, opening a deployment."""

from __future__ import annotations

import datetime as dt
import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from kept import deployment
from kept.app.output import Output
from kept.app.surface import SURFACES, require
from kept.controller import Controller
from kept.controls.registry import Control, registered
from kept.deployment import Deployment
from kept.errors import UsageError

#: Names the deployment where `--dir` does not.
DIRECTORY_VARIABLE: Final = "KEPT_DIR"


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command."""

    dir: Annotated[
        Path | None,
        Parameter(help="the deployment: a directory with kept.toml (default: KEPT_DIR, or here)"),
    ] = None
    json: Annotated[bool, Parameter(help="one JSON document instead of words", negative="")] = False

    @property
    def out(self) -> Output:
        """Where the command speaks."""
        return Output(as_json=self.json)

    @property
    def directory(self) -> Path:
        """The deployment's directory."""
        return self.dir or Path(os.environ.get(DIRECTORY_VARIABLE) or ".")


@Parameter(name="*")
@dataclass(frozen=True)
class Acting:
    """Options of commands that act for the organisation: who does it, in which role."""

    actor: Annotated[str, Parameter(help="who carries it out; recorded", env_var="KEPT_ACTOR")] = (
        "operator"
    )
    role: Annotated[str, Parameter(help="in which role", env_var="KEPT_ROLE")] = "operator"
    now: Annotated[
        str | None, Parameter(help="the moment to act at, ISO 8601 (for tests; default: now)")
    ] = None

    @property
    def moment(self) -> dt.datetime:
        """The moment to act at."""
        return moment(self.now)


COMMON: Final = Common()
ACTING: Final = Acting()


def moment(text: str | None) -> dt.datetime:
    """The moment that `--now` names, in UTC where it names no zone; the clock's without it."""
    if text is None:
        return dt.datetime.now(dt.UTC)
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "`--now` is not a moment", expected="ISO 8601, as 2026-11-23T20:16:14Z"
        ) from None
    return given if given.tzinfo else given.replace(tzinfo=dt.UTC)


def day(text: str | None, option: str) -> dt.date | None:
    """The day that an option names."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"`{option}` is not a date", expected="ISO 8601, as 2036-12-31") from None


@contextmanager
def opened(
    common: Common, command: str = "", role: str | None = None
) -> Iterator[tuple[Controller, Deployment]]:
    """The deployment at work, after the role was checked; closed at the end."""
    if role is not None:
        require(command, role)
    config = deployment.read(common.directory)
    with Controller.open(config) as controller:
        controller.surfaces = SURFACES
        yield controller, config


def shipped() -> Mapping[str, Control]:
    """The shipped controls by name; importing the duties makes them known."""
    importlib.import_module("kept.duties")
    return registered()


def clone() -> Path | None:
    """The clone that this installation runs from, or None: examples/ and bench/ lie in it."""
    root = Path(__file__).resolve().parents[4]
    return (
        root if (root / "pyproject.toml").is_file() and (root / "src" / "kept").is_dir() else None
    )
