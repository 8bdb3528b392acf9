"""Where a run keeps its files: in memory, where the machine has enough of it.

Thousands of tests make files and databases, and each waits until all of it is on the disk; in
memory nothing waits. Elsewhere they lie where temporary files do.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

_PREFIX: Final = "kept-tests-"
_PLACE: Final = Path("/dev/shm")
#: In a directory in memory stands whose it is.
_MARK: Final = "run"
#: What has to be free; a whole run takes less than half of it.
_ENOUGH: Final = 8 * 2**30


def directory() -> Path:
    """A new directory for this run. What runs that have ended left in memory goes."""
    if os.access(_PLACE, os.W_OK):
        for old in _PLACE.glob(f"{_PREFIX}*/{_MARK}"):
            if old.owner() == Path.home().owner() and not _lives(int(old.read_text() or 0), old):
                shutil.rmtree(old.parent, ignore_errors=True)
        if shutil.disk_usage(_PLACE).free >= _ENOUGH <= psutil.virtual_memory().available:
            made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_PLACE))
            # A server that runs as another account walks through it.
            made.chmod(0o711)
            (made / _MARK).write_text(str(os.getpid()))
            return made
    return Path(tempfile.mkdtemp(prefix=_PREFIX))


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
