"""How Kept listens: hyper reads the requests, one process answers them. Site and gateway alike."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

_READY_SECONDS: Final = 30
#: Connections that may wait to be taken, and that may be open at once. An open connection that
#: says nothing costs some memory; with the server's own 128, as many of them shut all others out.
_BACKLOG: Final = 1024
_CONNECTIONS: Final = 4096


async def serve(
    app: Any, address: str, port: int, ready: Callable[[], None], stopped: asyncio.Event, *,
    head_seconds: int, head_bytes: int | None = None,
) -> None:  # fmt: skip
    """Serve until told to stop; nothing is left when it is gone.

    `head_seconds`: within which the head of a request has to arrive, the next one's too.
    `head_bytes`: so much of a head is read at all.
    """
    limits: dict[str, Any] = {} if head_bytes is None else {"max_buffer_size": head_bytes}
    server: Any = Server(
        app, address=address, port=port, interface=Interfaces.ASGINL, websockets=False,
        http=HTTPModes.http1, log_enabled=False, backlog=_BACKLOG, backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=head_seconds * 1000, **limits),
    )  # fmt: skip
    running = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stopped.wait())
    try:
        listens = asyncio.create_task(asyncio.to_thread(answers, address, port))
        await asyncio.wait({listens, running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.is_set() and not running.done():
            ready()
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        server.stop()
        await running


def answers(address: str, port: int) -> bool:
    """Wait until it is listened there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    for _ in range(_READY_SECONDS * 20):
        try:
            socket.create_connection((host, port), timeout=_READY_SECONDS).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False
