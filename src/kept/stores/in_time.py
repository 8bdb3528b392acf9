"""One time limit for the whole of a request, however slowly the other side speaks.

The time limits of an HTTP client are of one read of the socket each. Whoever sends a byte of its
headers now and then, or one interim answer (RFC 9110, 15.2) after the other, keeps within them
for ever. Here every read and write may take what is left of the whole, and no more.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore


class Deadline:
    """When the request of each thread has to be over, by `clock` (seconds)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._of = clock, threading.local()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What this thread reads and writes here has to be done in so many seconds."""
        self._of.end = self._clock() + seconds
        try:
            yield
        finally:
            self._of.end = None

    def left(self, timeout: float | None) -> float | None:
        """The shorter of `timeout` and what is left. Raises TimeoutError where nothing is."""
        end = getattr(self._of, "end", None)
        if end is None:
            return timeout
        left = float(end - self._clock())
        if left <= 0:
            raise TimeoutError
        return left if timeout is None else min(left, timeout)


class Network(httpcore.NetworkBackend):
    """The machine's sockets, each read and written before the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline, self._real = deadline, httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect in the time that is left."""
        left = self._deadline.left(timeout)
        made = self._real.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(made, self._deadline)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        self._real.sleep(seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, real: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._real, self._deadline = real, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._real.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._real.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._real.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        return _Stream(self._real.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._real.get_extra_info(info)
