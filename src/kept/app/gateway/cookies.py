"""Cookies that pass: declared ones whose purpose is allowed now, and that of the choice itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from kept.model.choice import name as choice_name
from kept.policy.trackers import Tracker

#: The cookie that remembers what was chosen, over https and without.
OURS: Final = frozenset({choice_name(True), choice_name(False)})
_EXPIRED: Final = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"


class Declared:
    """The cookies of trackers.yml that the site itself may set."""

    def __init__(self, trackers: Iterable[Tracker]) -> None:
        self._exact: dict[str, list[Tracker]] = {}
        self._begins: list[tuple[str, Tracker]] = []
        for tracker in trackers:
            for trace in tracker.traces:
                if trace.kind != "cookie" or trace.party != "first":
                    continue
                if trace.name.endswith("*"):
                    self._begins.append((trace.name[:-1], tracker))
                else:
                    self._exact.setdefault(trace.name, []).append(tracker)

    def of(self, name: str) -> list[Tracker]:
        """Who declares a cookie of this name; nobody, where it is unknown."""
        return [*self._exact.get(name, ()), *(t for b, t in self._begins if name.startswith(b))]

    def passes(self, name: str, runs: Callable[[Tracker], bool]) -> bool:
        """Whether a cookie of this name may be there."""
        return name in OURS or any(map(runs, self.of(name)))


def pairs(header: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, the pair as it was sent) of each cookie in a `Cookie` header."""
    for part in header.split(b";"):
        pair = part.strip(b" \t")
        if pair:
            yield pair.partition(b"=")[0].strip(b" \t").decode("latin-1"), pair


def name_set(header: bytes) -> str:
    """The name of the cookie in a `Set-Cookie` header."""
    name, equals, _ = header.partition(b";")[0].partition(b"=")
    return name.strip(b" \t").decode("latin-1") if equals else ""


def expiring(name: str, host: str) -> Iterator[bytes]:
    """`Set-Cookie` headers that end a cookie, HttpOnly or not, of the host or of one above it."""
    if name.startswith("__Host-"):
        yield f"{name}=; {_EXPIRED}; Secure".encode("latin-1")
        return
    secure = "; Secure" if name.startswith("__Secure-") else ""
    yield f"{name}=; {_EXPIRED}{secure}".encode("latin-1")
    labels = host.split(".")
    if not host.startswith("[") and not labels[-1].isdigit():
        for n in range(len(labels) - 1):
            domain = ".".join(labels[n:])
            yield f"{name}=; {_EXPIRED}; Domain={domain}{secure}".encode("latin-1")
