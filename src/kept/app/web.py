"""The web application: people's pages and the API on one server, loopback unless told otherwise."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from kept import __version__, deployment
from kept.app import api, pages
from kept.app.surface import SURFACES
from kept.controller import Controller
from kept.errors import KeptError, UsageError

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
#: Names the deployment of a server process.
DIRECTORY_VARIABLE: Final = "KEPT_DIR"


def _clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _for_programs(request: Request[Any, Any, Any]) -> bool:
    return request.url.path.startswith("/api/")


def _strict(response: Response[Any]) -> Response[Any]:
    """The headers of every answer; the framework gives them to answers without error only."""
    response.headers.update(HEADERS)
    return response


def _kept_error(request: Request[Any, Any, Any], problem: KeptError) -> Response[Any]:
    status = 400 if isinstance(problem, UsageError) else 503
    if not _for_programs(request):
        return _strict(pages.error_page(request, status))
    # Without `met`: an answer repeats nothing of what was sent.
    parts = {"detail": problem.what, "expected": problem.expected, "fix": problem.fix}
    document = {"status_code": status, **{k: v for k, v in parts.items() if v}}
    return _strict(Response(document, status_code=status))


def _http_error(request: Request[Any, Any, Any], problem: HTTPException) -> Response[Any]:
    if not _for_programs(request):
        return _strict(pages.error_page(request, problem.status_code))
    document: dict[str, Any] = {"status_code": problem.status_code, "detail": problem.detail}
    if isinstance(problem, ValidationException):
        document["detail"] = "the request is not of the form that this path takes"
        document["problems"] = api.explained(problem)
    elif problem.status_code == 400:
        document["detail"] = "the body is not JSON that can be read"
    return _strict(Response(document, status_code=problem.status_code, headers=problem.headers))


def _unexpected(request: Request[Any, Any, Any], problem: Exception) -> Response[Any]:
    # The kind of failure alone: its words may hold what was sent or stored.
    print(f"kept: {type(problem).__name__} while answering a request", file=sys.stderr)
    if not _for_programs(request):
        return _strict(pages.error_page(request, 500))
    document = {"status_code": 500, "detail": "something went wrong"}
    return _strict(Response(document, status_code=500))


def make(
    controller: Controller, *, token: str | None, shows: str, clock: Callable[[], dt.datetime]
) -> Litestar:
    """The application over an open Controller. `shows`: text, checks or live."""
    app = Litestar(
        route_handlers=[*pages.HANDLERS, api.decide],
        state=State({"controller": controller, "token": token, "shows": shows, "clock": clock}),
        response_headers=HEADERS,
        exception_handlers={
            KeptError: _kept_error,
            HTTPException: _http_error,
            Exception: _unexpected,
        },
        openapi_config=OpenAPIConfig(
            title="Kept",
            version=__version__,
            path="/api/v1/schema",
            render_plugins=[JsonRenderPlugin(path="/openapi.json", media_type=MediaType.JSON)],
        ),
        logging_config=None,
        request_max_body_size=64 * 1024,
    )
    controller.surfaces = SURFACES
    return app


def create() -> Litestar:
    """The application for a server process: reads the deployment that KEPT_DIR names."""
    config = deployment.read(Path(os.environ[DIRECTORY_VARIABLE]))
    controller = Controller.open(config)
    app = make(controller, token=config.token, shows=config.shows, clock=_clock)
    app.on_shutdown.append(controller.close)
    return app
