"""Where the servers of a run keep their files: in memory, where the machine has enough of it.

Hundreds of tests want a database of their own, and files are made and removed there several times
as fast. Elsewhere they lie in the directory of the run, as everything else of it does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

#: How the directories of runs begin.
PREFIX: Final = "kept-tests-"
_PLACE: Final = Path("/dev/shm")
#: What has to be free; a whole run takes less than half of it.
_ENOUGH: Final = 8 * 2**30


def take(run: Path) -> None:
    """Make the directory in memory that goes with the run, and remove those of runs that died."""
    if not os.access(_PLACE, os.W_OK):
        return
    for old in _PLACE.glob(f"{PREFIX}*/run"):
        if old.owner() == Path.home().owner() and not _lives(int(old.read_text() or 0), old):
            shutil.rmtree(old.parent, ignore_errors=True)
    if shutil.disk_usage(_PLACE).free >= _ENOUGH <= psutil.virtual_memory().available:
        place = _PLACE / run.name
        place.mkdir(mode=0o711)
        (place / "run").write_text(str(os.getpid()))


def give_back(run: Path) -> None:
    """Remove it: nobody looks at the files of a server."""
    shutil.rmtree(_PLACE / run.name, ignore_errors=True)


def beside(run: Path) -> Path:
    """The directory in memory that goes with a run; the run's own where it has none."""
    place = _PLACE / run.name
    mine = run.parent == Path(tempfile.gettempdir()) and (place / "run").exists()
    return place if mine else run


def _lives(run: int, mark: Path) -> bool:
    """Whether the run of that number goes on, or a server that it began."""
    if psutil.pid_exists(run):
        return True
    here = str(mark.parent)
    return any(
        here in word
        for process in psutil.process_iter(["cmdline"])
        for word in process.info["cmdline"] or ()
    )
