"""`kept serve`: the pages and the API, in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from kept import deployment
from kept.app import jobs, promptly
from kept.app.commands.common import COMMON, Common, moment
from kept.app.output import table
from kept.controller import Controller
from kept.deployment import PORTS
from kept.duties import staff
from kept.errors import UsageError

_READY_SECONDS: Final = 30
#: Connections that may wait to be taken, and that may be open at once. An open connection that
#: says nothing costs some memory; with the server's own 128, as many of them shut all others out.
_BACKLOG: Final = 1024
_CONNECTIONS: Final = 4096
#: Seconds within which the head of a request has to arrive, the next one's too.
_HEADER_SECONDS: Final = 10


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(serve)


def serve(
    *,
    host: Annotated[
        str | None, Parameter(help="the address to listen on (default: kept.toml, else loopback)")
    ] = None,
    port: Annotated[int | None, Parameter(help="the port; 0 takes a free one")] = None,
    common: Common = COMMON,
) -> int:
    """Serve the policy and the API on this machine; Ctrl-C stops it and leaves no process."""
    from kept.app import web  # the web framework is loaded by this command alone
    from kept.app.desk import working

    config = deployment.read(common.directory)
    address = host or config.host
    number = free_port(address, config.port if port is None else port)
    console = config.serves_desk(address)
    url = f"http://{f'[{address}]' if ':' in address else address}:{number}"
    document = {
        "url": url,
        "pages": {
            "policy": f"{url}/privacy", "versions": f"{url}/privacy/versions",
            "requests": f"{url}/privacy/requests",
        },
        "desk": f"{url}/desk" if console else None,
        "api": f"{url}/api/v1/schema/openapi.json",
        "pid": os.getpid(),
    }  # fmt: skip

    def ready() -> None:
        rows = [
            ("policy", f"{url}/privacy"),
            ("versions", f"{url}/privacy/versions"),
            ("requests", f"{url}/privacy/requests"
             + ("" if config.mail else "  (closed: no [mail] is set)")),
            *([("desk", f"{url}/desk")] if console else []),
            ("API", f"{url}/api/v1/schema/openapi.json"
             + ("" if config.token else "  (closed: no token is set)")),
        ]  # fmt: skip
        common.out.result(document, [table(("", ""), rows), "", "Ctrl-C stops it."])
        sys.stdout.flush()

    with (
        Controller.open(config) as controller,
        promptly.running(controller, lambda: moment(None)) as wake,
    ):
        app = web.make(
            controller, token=config.token, shows=config.shows, clock=lambda: moment(None),
            names=web.hosts(config, address), console=console, wake=wake, proxy=config.proxy,
            cookie=config.cookie, country=config.country,
        )  # fmt: skip
        staff.first_officer(controller, config.directory, moment(None))
        with jobs.running(config, controller.database, lambda: moment(None)):
            asyncio.run(_serve(app, address, number, ready))
            working.finish()
    # The server's own threads outlive it by a moment, and the interpreter coming down under
    # them can abort the process. Everything is closed by now: leave at once.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _serve(app: Any, address: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM. One process: nothing is left when it is gone."""
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    server: Any = Server(
        app, address=address, port=port, interface=Interfaces.ASGINL, websockets=False,
        http=HTTPModes.http1,
        log_enabled=False,
        backlog=_BACKLOG, backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_SECONDS * 1000),
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    running = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stopped.wait())
    try:
        answers = asyncio.create_task(asyncio.to_thread(_answers, address, port))
        await asyncio.wait({answers, running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.is_set() and not running.done():
            ready()
            await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        server.stop()
        await running


def _answers(address: str, port: int) -> bool:
    """Wait until the server answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    connection = http.client.HTTPConnection(host, port, timeout=_READY_SECONDS)
    for _ in range(_READY_SECONDS * 20):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        connection.close()
        time.sleep(0.05)
    return False


def free_port(address: str, port: int) -> int:
    """The port, if nobody listens on it; a free one for 0. UsageError where it is taken."""
    if port not in PORTS:
        raise UsageError(
            "that is not a port",
            expected=f"a number from {PORTS[0]} to {PORTS[-1]}; 0 takes a free one",
        )
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
            return int(probe.getsockname()[1])
    except OSError as problem:
        raise UsageError(
            "cannot listen there",
            where=f"{address}:{port}",
            met=problem.strerror or type(problem).__name__,
            fix="stop what listens there, or choose another with --port (0 takes a free one)",
        ) from None
