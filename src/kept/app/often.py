"""How often one source sends, within an hour. Held in memory under a key that dies with the
process: nothing of who sends is stored for it.

A source is what one customer of a network has: an address of IPv4, and of IPv6 the 64 bits that
name a network (RFC 6177), for within them whoever has it takes as many addresses as he likes.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import secrets
import threading
from collections import deque
from typing import Final

WINDOW: Final = dt.timedelta(hours=1)
#: Sources that are counted at once; beyond them the one that is silent longest is forgotten.
_MANY: Final = 20_000


def whose(address: str) -> str:
    """What counts as one source of an address; what is no address of IPv6 counts as it is."""
    if ":" not in address:
        return address
    try:
        met = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if met.ipv4_mapped is not None:
        return str(met.ipv4_mapped)
    return f"{ipaddress.IPv6Address(int(met) >> 64 << 64)}/64"


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
        who = hashlib.blake2b(whose(source).encode(), key=self._key, digest_size=16).digest()
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


class Bucket:
    """Lets so many in at once from a source, and so many in an hour from then on (a token bucket):
    two numbers for each source, however many are let in. For one thread.
    """

    def __init__(self, burst: int, an_hour: int) -> None:
        self._burst, self._pace = float(burst), an_hour / 3600
        self._left: dict[int, tuple[float, float]] = {}

    def too(self, source: str, now: float) -> bool:
        """Count one more; whether it is one too many. `now` in seconds of any clock."""
        key = hash(whose(source))  # keyed anew by each process
        left, at = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._pace)
        self._left[key] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _MANY:
            self._left.pop(next(iter(self._left)))
        return left < 1
