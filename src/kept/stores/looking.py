"""Looking for byte strings in files, as they lie on the disk."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: Bytes of files times values to look for, in one layer: about a minute of work.
MOST: Final = 2**36
#: Places of one value in one file that are looked at more closely.
_PLACES: Final = 1000
#: So many bytes of a file are looked through at once.
_WINDOW: Final = 2**24


@dataclass(frozen=True, slots=True)
class Hit:
    """A value met in a file: its number among the needles, and where it begins."""

    needle: int
    offset: int


def affordable(files: Iterable[Path], needles: Sequence[bytes], also: int = 0) -> bool:
    """Whether looking for all of them, in `also` so many bytes, takes about a minute at most."""
    return (sum(size_of(file) for file in files) + also) * len(needles) <= MOST


def regular(file: Path) -> bool:
    """Whether it is a file with bytes. A pipe or a device could hold up its reader for ever."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return False


def size_of(file: Path) -> int:
    """Its bytes; 0 where it has gone, or is a pipe, a socket or a device."""
    try:
        met = file.stat()
    except FileNotFoundError:
        return 0
    return met.st_size if stat.S_ISREG(met.st_mode) else 0


def hits(file: Path, needles: Sequence[bytes]) -> Iterator[Hit]:
    """Where the needles begin in a file, A to Z in either case; up to a thousand places of each.

    A pipe has none.
    """
    if not size_of(file):
        return
    try:
        # Should it be a pipe by now, this does not wait for a writer.
        handle = os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except FileNotFoundError:
        return
    with handle:
        met = os.fstat(handle.fileno())
        if not (stat.S_ISREG(met.st_mode) and met.st_size):
            return
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            small = [needle.lower() for needle in needles]
            seen = [0] * len(small)
            longest = max(map(len, small), default=0)
            for start in range(0, len(data), _WINDOW):
                part = data[start : start + _WINDOW + longest].lower()
                for number, needle in enumerate(small):
                    end = _WINDOW + len(needle) - 1  # what begins later is the next window's
                    at = part.find(needle, 0, end)
                    while at >= 0 and seen[number] < _PLACES:
                        yield Hit(number, start + at)
                        seen[number] += 1
                        at = part.find(needle, at + 1, end)
