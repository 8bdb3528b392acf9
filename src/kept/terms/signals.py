"""What a browser says by itself: Global Privacy Control, and the older Do Not Track.

GPC is a legal opt-out of sharing in some places and a clear wish in all; DNT was never given a
meaning that all agreed on, so it is counted and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

#: How a region treats a purpose nobody has chosen about: off until allowed, on until refused.
Rule = Literal["opt-in", "opt-out"]

#: Regions whose law asks before anything is read from or written to a device. A bundle that
#: says nothing about one of them leaves it at opt-in; so does a region that is not known.
ASKS_FIRST: Final = frozenset({"EEA", "UK", "CH", "unknown"})

#: The header of GPC, and of DNT, in lower case.
GPC: Final = "sec-gpc"
DNT: Final = "dnt"


@dataclass(frozen=True, slots=True)
class Signals:
    """What the browser sent. `dnt` is weak: noted, and nothing is decided by it."""

    gpc: bool = False
    dnt: bool = False


#: A browser that said nothing.
SILENT: Final = Signals()


def signals(headers: Iterable[tuple[str | bytes, str | bytes]]) -> Signals:
    """What the headers of a request say; (name, value) as text or as the bytes of the wire.

    A signal is on when one of its lines is exactly `1`: any other value says nothing, as the
    specification of GPC asks.
    """
    on = {_text(name).lower() for name, value in headers if _text(value).strip(" \t") == "1"}
    return Signals(GPC in on, DNT in on)


def _text(part: str | bytes) -> str:
    return part if isinstance(part, str) else part.decode("latin-1")
