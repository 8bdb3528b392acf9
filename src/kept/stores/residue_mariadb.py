"""What an erasure leaves in a MariaDB: nothing is shown, and only the binary log has a date."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from kept.model.residue import Fate, Residue, Scrub, unseen

#: Runs a statement; its rows.
Ask: TypeAlias = Callable[[str], Sequence[tuple[Any, ...]]]

_SETTINGS = "SELECT @@log_bin, @@binlog_expire_logs_seconds"


def residue(ask: Ask, now: dt.datetime) -> Iterator[Residue]:
    """The layers of InnoDB, and the binary log where the server writes one."""
    yield unseen(
        "tables", "InnoDB does not show its pages: bytes of deleted rows stay in their free"
        " space until it is used again, or `--physical --full`",
    )  # fmt: skip
    yield unseen("undo and redo log", "they are written in a circle; older changes stay till then")
    on, seconds = ask(_SETTINGS)[0]
    if not on:
        return
    if not seconds:
        words = "the server never removes its binary logs: set binlog_expire_logs_seconds"
        yield Residue("binary log", Fate.UNTIL, words)
        return
    last = (now + dt.timedelta(seconds=math.ceil(seconds))).astimezone(dt.UTC).date()
    words = "the server removes its binary logs after that day, when it begins a new one"
    yield Residue("binary log", Fate.UNTIL, words, last + dt.timedelta(days=1))


def scrubbing(tables: Sequence[str], *, full: bool) -> Iterator[Scrub]:
    """OPTIMIZE TABLE, which writes a table anew."""
    if full and tables:
        yield Scrub(
            f"OPTIMIZE TABLE {', '.join(tables)}",
            "writers of a table wait at its beginning and its end; it needs as much room on the"
            " disk as the table",
        )


def scrub(ask: Ask, tables: Sequence[str]) -> bool:
    """Write the tables anew; False where the server refused one."""
    told = [row for name in tables for row in ask(f"OPTIMIZE TABLE {name}")]
    return not any(str(row[2]).lower() == "error" for row in told)
