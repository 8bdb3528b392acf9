"""Directories in which personal data or keys may lie."""

from __future__ import annotations

from pathlib import Path


def make_private(directory: Path) -> None:
    """Make a directory that its owner alone enters, and every missing one on the way to it.

    One that is there already keeps its mode. `Path.mkdir(mode, parents=True)` would make the
    missing parents with the mode that everything gets. Raises OSError.
    """
    missing = []
    for at in (directory, *directory.parents):
        if at.exists():
            break
        missing.append(at)
    for at in reversed(missing or [directory]):
        at.mkdir(mode=0o700, exist_ok=True)
