"""The gateway's server: hyper reads the requests, one process answers them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

_BACKLOG: Final = 1024
_CONNECTIONS: Final = 4096
#: Seconds within which the head of a request has to arrive, the next one's too.
_HEADER_SECONDS: Final = 15
#: Bytes of a head that are read at all; what is allowed of them is less.
_HEAD: Final = 128 * 1024


async def serve(
    app: Any, address: str, port: int, ready: Callable[[], None], stopped: asyncio.Event
) -> None:
    """Serve until told to stop."""
    server: Any = Server(
        app, address=address, port=port, interface=Interfaces.ASGINL, websockets=False,
        http=HTTPModes.http1, log_enabled=False, backlog=_BACKLOG, backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(
            header_read_timeout=_HEADER_SECONDS * 1000, max_buffer_size=_HEAD
        ),
    )  # fmt: skip
    running = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stopped.wait())
    answers = asyncio.create_task(_answers(address, port))
    try:
        await asyncio.wait({answers, running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.is_set() and not running.done():
            ready()
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (waiting, answers):
            task.cancel()
        server.stop()
        await running


async def _answers(address: str, port: int) -> None:
    """Wait until it listens."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return
