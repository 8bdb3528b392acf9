"""Connections to the server behind: HTTP/1.1 as h11 reads it, kept while both sides are sure.

A connection on which more came than was asked for is never used again: what is left on it would
be taken for the answer to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import h11

from kept.app.gateway.guard import Header

#: Bytes of a head, and those of a body that wait to be passed on.
_HEAD: Final = 64 * 1024
_AHEAD: Final = 128 * 1024
#: Connections that wait for the next request, and seconds for which they do.
_IDLE: Final = 64
_KEEP: Final = 15.0
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})


class Broken(Exception):
    """The other side did not answer, or not in HTTP."""


class Late(Exception):
    """The other side did not answer in time."""


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)
        self._transport: asyncio.Transport | None = None
        self._wake: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._ahead = 0
        self._ended = False
        self._paused = False
        self.gone = self.heard = self.idle = False
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.idle:
            self.close()
            return
        self.heard = True
        self._http.receive_data(data)
        self._ahead += len(data)
        if self._ahead > _AHEAD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._awake()

    def eof_received(self) -> bool:
        """No more will come."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self.gone = True
        self._end()
        self._room.set()

    def pause_writing(self) -> None:
        """The other side reads more slowly than this one writes."""
        self._room.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._room.set()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            with contextlib.suppress(h11.RemoteProtocolError):
                self._http.receive_data(b"")
        self.gone = self.gone or self.idle
        self._awake()

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def send(self, event: h11.Event, seconds: float) -> None:
        """Send a part of the request."""
        data = self._http.send(event)
        if data and self._transport is not None and not self.gone:
            self._transport.write(data)
            if not self._room.is_set():
                try:
                    async with asyncio.timeout(seconds):
                        await self._room.wait()
                except TimeoutError:
                    raise Late from None

    async def next(self, seconds: float) -> h11.Event:
        """The next part of the answer. Raises Broken and Late."""
        while (event := self.ready()) is None:
            if self._ended:
                raise Broken
            await self._more(seconds)
        return event

    def ready(self) -> h11.Event | None:
        """The next part of the answer, if it is there already. Raises Broken."""
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError:
            raise Broken from None
        if event is h11.NEED_DATA:
            return None
        if isinstance(event, h11.Event) and not isinstance(event, h11.ConnectionClosed):
            return event
        raise Broken

    async def _more(self, seconds: float) -> None:
        self._ahead = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        self._wake = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._wake
        except TimeoutError:
            raise Late from None
        finally:
            self._wake = None

    def again(self) -> bool:
        """Whether another request can follow: both are done, and nothing more came."""
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if self.gone or self._ended or not done or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        self.heard, self.idle, self._ahead = False, True, 0
        return True

    def close(self) -> None:
        """Close it."""
        self.gone = True
        if self._transport is not None:
            self._transport.abort()


class Lines:
    """The connections to one server."""

    def __init__(self, url: str, connect: float) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._connect = connect
        self._idle: list[Line] = []

    async def get(self, *, fresh: bool = False) -> Line:
        """A connection that waits, or a new one. Raises Broken where there is none to be had."""
        now = asyncio.get_running_loop().time()
        while self._idle and not fresh:
            line = self._idle.pop()
            if not line.gone and now - line.since < _KEEP:
                line.idle = False
                return line
            line.close()
        context = ssl.create_default_context() if self._secure else None
        try:
            async with asyncio.timeout(self._connect):
                _, made = await asyncio.get_running_loop().create_connection(
                    Line, self._host, self._port, ssl=context
                )
        except (OSError, TimeoutError):
            raise Broken from None
        return made

    def give(self, line: Line, *, keep: bool) -> None:
        """Give a connection back."""
        if keep and len(self._idle) < _IDLE and line.again():
            line.since = asyncio.get_running_loop().time()
            self._idle.append(line)
        else:
            line.close()

    def close(self) -> None:
        """Close all that wait."""
        for line in self._idle:
            line.close()
        self._idle.clear()


async def ask(
    lines: Lines, method: str, target: bytes, headers: Sequence[Header],
    body: AsyncIterator[bytes] | None, *, write: float, read: float,
) -> tuple[Line, h11.Response]:  # fmt: skip
    """Send a request; the connection, and the head of the answer.

    A connection that waited may have been closed meanwhile. What may be asked twice (RFC 9110,
    9.2.2) and has no body is asked once more; all else never goes out on one that waited.
    """
    request = h11.Request(method=method, target=target, headers=list(headers))
    twice = body is None and method in _IDEMPOTENT
    for fresh in (False, True) if twice else (True,):
        line = await lines.get(fresh=fresh)
        try:
            await line.send(request, write)
            if body is not None:
                async for chunk in body:
                    await line.send(h11.Data(data=chunk), write)
            await line.send(h11.EndOfMessage(), write)
            while True:
                event = await line.next(read)
                if isinstance(event, h11.Response):
                    return line, event
        except Broken:
            line.close()
            if fresh or line.heard:
                raise
        except BaseException:
            line.close()
            raise
    raise Broken
