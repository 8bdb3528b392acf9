"""The web application: people's pages and the API on one server, loopback unless told otherwise."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from kept import __version__, deployment
from kept.app import api, pages
from kept.controller import Controller
from kept.errors import KeptError, UsageError
from kept.model.surface import Surface

#: Sent with every answer. No script is allowed, nothing comes from elsewhere.
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "browsing-topics=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
DIRECTORY_VARIABLE: Final = "KEPT_DIR"


def _clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _kept_error(_: Request[Any, Any, Any], problem: KeptError) -> Response[dict[str, object]]:
    status = 400 if isinstance(problem, UsageError) else 503
    return Response({"status_code": status, "detail": str(problem)}, status_code=status)


def _http_error(request: Request[Any, Any, Any], problem: HTTPException) -> Response[Any]:
    if request.url.path.startswith("/api/"):
        document = {"status_code": problem.status_code, "detail": problem.detail}
        return Response(document, status_code=problem.status_code, headers=problem.headers)
    return pages.error_page(request, problem.status_code)


def make(
    controller: Controller, *, token: str | None, shows: str, clock: Callable[[], dt.datetime]
) -> Litestar:
    """The application over an open Controller. `shows`: text, checks or live."""
    app = Litestar(
        route_handlers=[*pages.HANDLERS, api.decide],
        state=State(
            {"controller": controller, "token": token, "shows": shows, "clock": clock}
        ),
        response_headers=HEADERS,
        exception_handlers={KeptError: _kept_error, HTTPException: _http_error},
        openapi_config=OpenAPIConfig(
            title="Kept",
            version=__version__,
            path="/api/v1/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json", media_type=MediaType.JSON)],
        ),
        logging_config=None,
        request_max_body_size=64 * 1024,
    )
    controller.surfaces = surfaces(app)
    return app


def surfaces(app: Litestar) -> tuple[Surface, ...]:
    """The routes as values, so that controls can read what can be reached."""
    found = []
    for route in app.routes:
        for method in sorted(getattr(route, "methods", ())):
            closed = any(
                api.bearer in handler.resolve_guards()
                for handler in getattr(route, "route_handlers", ())
            )
            roles = frozenset({"program"}) if closed else frozenset()
            changes = method not in ("GET", "HEAD", "OPTIONS")
            found.append(Surface("http", route.path, method, roles, changes))
    return tuple(found)


def create() -> Litestar:
    """The application for a server process: reads the deployment that KEPT_DIR names."""
    config = deployment.read(Path(os.environ[DIRECTORY_VARIABLE]))
    controller = Controller.open(config)
    app = make(controller, token=config.token, shows=config.shows, clock=_clock)
    app.on_shutdown.append(controller.close)
    return app
