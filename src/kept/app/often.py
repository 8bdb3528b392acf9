"""How often one source sends, within an hour. Held in memory under a key that dies with the
process: nothing of who sends is stored for it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import threading
from collections import deque
from typing import Final

WINDOW: Final = dt.timedelta(hours=1)
#: Sources that are counted at once; beyond them the one that is silent longest is forgotten.
_MANY: Final = 20_000


class Often:
    """Counts what comes from a source; `most` within an hour, 0: as many as like."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._one = threading.Lock()  # of two who count at once one would count for nothing
        self._key = secrets.token_bytes(32)
        self._seen: dict[bytes, deque[dt.datetime]] = {}

    def too(self, source: str, now: dt.datetime) -> bool:
        """Count one more; whether it is one too many, which is not counted."""
        if not self._most:
            return False
        who = hashlib.blake2b(source.encode(), key=self._key, digest_size=16).digest()
        with self._one:
            return self._too(who, now)

    def _too(self, who: bytes, now: dt.datetime) -> bool:
        times = self._seen.pop(who, None) or deque(maxlen=self._most)
        while times and times[0] <= now - WINDOW:
            times.popleft()
        self._seen[who] = times  # last: the first is the one that is silent longest
        if len(self._seen) > _MANY:
            self._seen.pop(next(iter(self._seen)), None)
        if len(times) >= self._most:
            return True
        times.append(now)
        return False
