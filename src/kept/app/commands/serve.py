"""`kept serve`: the pages and the API, in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
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
            forms_per_hour=config.forms_per_hour, choices_per_hour=config.choices_per_hour,
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
    """Serve until SIGINT or SIGTERM."""
    from kept.app.serving import serve as listen

    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await listen(app, address, port, ready, stopped, head_seconds=_HEADER_SECONDS)


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
