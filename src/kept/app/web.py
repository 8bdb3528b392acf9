"""The web application: people's pages and the API on one server, loopback unless told otherwise."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Litestar, MediaType, Request, Response, Router
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.exceptions import ClientException, HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kept import __version__, deployment
from kept.app import (
    api,
    choices,
    complaints,
    delivery,
    desk,
    drp,
    forms,
    mail,
    pages,
    preferences,
    reports,
    requests,
    speech,
    wellknown,
)
from kept.app.desk import working
from kept.app.log import logged
from kept.app.often import Often
from kept.app.surface import SURFACES
from kept.controller import Controller
from kept.deployment import CHOICES_PER_HOUR, FORMS_PER_HOUR, LOOPBACK, Deployment
from kept.duties import page, rights, staff
from kept.errors import KeptError, UsageError
from kept.records.case import Case
from kept.terms.addresses import host_of

#: Sent with every answer.
HEADERS: Final = {
    "Content-Security-Policy": page.POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "browsing-topics=(), interest-cohort=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Sent too where `[site] url` is https on its usual port: for a year browsers ask this host by
#: https alone (RFC 6797). Of hosts below it only who runs them can say that.
BY_HTTPS_ALONE: Final = (b"strict-transport-security", b"max-age=31536000")
_ELSEWHERE: Final = "This server does not answer under that name; kept.toml [site] url gives it.\n"
#: Seconds within which a body has to arrive.
BODY_SECONDS: Final = 15.0
#: Said of a body that is no JSON.
UNREADABLE: Final = "the body is not JSON that can be read"
#: Names the deployment of a server process.
DIRECTORY_VARIABLE: Final = "KEPT_DIR"


def _clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _for_programs(request: Request[Any, Any, Any]) -> bool:
    return request.url.path.startswith(("/api/", "/v1/"))


def _strict(response: Response[Any]) -> Response[Any]:
    """The headers of every answer; the framework gives them to answers without error only."""
    response.headers.update(HEADERS)
    return response


def _kept_error(request: Request[Any, Any, Any], problem: KeptError) -> Response[Any]:
    status = 400 if isinstance(problem, UsageError) else 503
    if status == 503:
        logged(request.app.state.clock(), f"{type(problem).__name__} while answering a request")
    if not _for_programs(request):
        return _strict(pages.error_page(request, status))
    # Without `met`: an answer repeats nothing of what was sent.
    parts = {"detail": problem.what, "expected": problem.expected, "fix": problem.fix}
    document = {"status_code": status, **{k: v for k, v in parts.items() if v}}
    return _strict(Response(document, status_code=status))


def _http_error(request: Request[Any, Any, Any], problem: HTTPException) -> Response[Any]:
    if not _for_programs(request):
        page = pages.error_page(request, problem.status_code)
        page.headers.update(problem.headers or {})  # 405 says what is allowed (RFC 9110, 15.5.6)
        return _strict(page)
    if problem.status_code == 401:
        logged(request.app.state.clock(), "a request to the API had no right token")
    document: dict[str, Any] = {"status_code": problem.status_code, "detail": problem.detail}
    if isinstance(problem, ValidationException):
        document["detail"] = "the request is not of the form that this path takes"
        document["problems"] = api.explained(problem)
    elif problem.status_code == 400:
        document["detail"] = UNREADABLE
    return _strict(Response(document, status_code=problem.status_code, headers=problem.headers))


def _unreadable(request: Request[Any, Any, Any], _: Exception) -> Response[Any]:
    """A body that the reader of JSON gave up on: bytes that are no text, or nested without end."""
    return _http_error(request, ClientException())


def _unexpected(request: Request[Any, Any, Any], problem: Exception) -> Response[Any]:
    # The kind of failure alone: its words may hold what was sent or stored.
    logged(request.app.state.clock(), f"{type(problem).__name__} while answering a request")
    if not _for_programs(request):
        return _strict(pages.error_page(request, 500))
    document = {"status_code": 500, "detail": "something went wrong"}
    return _strict(Response(document, status_code=500))


def _answering_head(app: ASGIApp) -> ASGIApp:
    """HEAD is GET without what it would show (RFC 9110, 9.3.2), for every path at once."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "HEAD":
            await app(scope, receive, send)
            return
        scope["method"] = "GET"

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await app(scope, receive, without_body)

    return answer


def _readable(app: ASGIApp) -> ASGIApp:
    """A sign that no database takes stands for none in an address, as bytes do that are no text:
    such an address leads nowhere, and is no failure of this side.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            scope["path"] = scope["path"].replace("\0", "\ufffd")
            scope["query_string"] = scope["query_string"].replace(b"%00", b"%EF%BF%BD")
        await app(scope, receive, send)

    return answer


def _in_time(app: ASGIApp, seconds: float) -> ASGIApp:
    """Give up on a body that does not arrive in time: who sends it slowly keeps nothing open."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await app(scope, receive, send)
            return
        end, whole = asyncio.get_running_loop().time() + seconds, False

        async def receive_in_time() -> Any:
            nonlocal whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError:
                raise HTTPException("the body did not arrive in time", status_code=408) from None
            whole = not message.get("more_body", False)
            return message

        await app(scope, receive_in_time, send)

    return answer


def hosts(config: Deployment, address: str) -> frozenset[str] | None:
    """The names under which people may ask a server on `address`; None: under any.

    A page elsewhere can give its own name the address of this machine and so be taken by the
    reader's browser for ours (DNS rebinding). An address that stands for all of a machine's
    has no name that could be known here.
    """
    if address in ("0.0.0.0", "::"):  # noqa: S104 — compared, not listened on
        return None
    public = urlsplit(config.url).hostname if config.url else None
    before = config.gateway.hosts  # the gateway asks by the name under which it was asked
    return frozenset(n for n in (*LOOPBACK, address.lower(), public, *before) if n)


def _named(app: ASGIApp, names: frozenset[str]) -> ASGIApp:
    """Answer only who asks for one of these names; browsers always say for which."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            for header, value in scope["headers"]:
                if header == b"host" and host_of(value.decode("latin-1")).strip("[]") not in names:
                    words = Response(_ELSEWHERE, status_code=421, media_type=MediaType.TEXT)
                    response = _strict(words).to_asgi_response(None, Request(scope))
                    await response(scope, receive, send)
                    return
        await app(scope, receive, send)

    return answer


def https_alone(url: str | None) -> bool:
    """Whether browsers may be told to ask the host of a site by https alone: what else it serves on
    another port they would ask so as well.
    """
    parts = urlsplit(url or "")
    return parts.scheme == "https" and parts.port in (None, 443)


def _pinned(app: ASGIApp) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_it(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], BY_HTTPS_ALONE]}
            await send(message)

        await app(scope, receive, with_it)

    return answer


def _door() -> Router:
    given_up: dict[int | type[Exception], Any] = dict.fromkeys(
        (RecursionError, UnicodeDecodeError), _unreadable
    )
    return Router(
        "/",
        route_handlers=[api.decide, *forms.PROGRAMS, *preferences.PROGRAMS],
        exception_handlers=given_up,
    )


def make(
    controller: Controller, *, token: str | None, shows: str, clock: Callable[[], dt.datetime],
    names: frozenset[str] | None = None, console: bool = True,
    wake: Callable[[], None] = lambda: None, proxy: bool = False, cookie: str | None = None,
    country: str | None = None, forms_per_hour: int = FORMS_PER_HOUR,
    choices_per_hour: int = CHOICES_PER_HOUR,
) -> Litestar:  # fmt: skip
    """The application over an open Controller. `shows`: text, checks or live; `names`: `hosts`;
    `console`: with the staff's desk; `wake` tells who sends mail that there is some; `proxy`: a
    server before this one says who asks; `cookie` is that by which the site knows a visitor,
    `country` the header in which a server before this one says where she is;
    `forms_per_hour`: so many forms one source may send; `choices_per_hour`: so many choices of
    its visitors are put on record.
    """
    app = Litestar(
        route_handlers=[
            *pages.HANDLERS,
            *requests.HANDLERS,
            *complaints.HANDLERS,
            *delivery.HANDLERS,
            *choices.HANDLERS,
            *preferences.PAGES,
            *reports.HANDLERS,
            *wellknown.HANDLERS,
            *forms.PAGES,
            _door(),
            drp.router(_strict),
            *([desk.router()] if console else []),
        ],
        state=State(
            {
                "controller": controller,
                "token": token,
                "shows": shows,
                "clock": clock,
                "wake": wake,
                "proxy": proxy,
                "cookie": cookie,
                "country": country,
                "often": Often(forms_per_hour),
                "choosing": Often(choices_per_hour),
                "console": console,
                # By https the cookie of choices is one that no neighbour can plant.
                "secure": (controller.site_url or "").startswith("https://"),
                "choice_key": controller.vault.mac("visitor choices", b"cookie"),
            }
        ),
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
        request_max_body_size=pages.LARGEST,
        # Before whoever opened the Controller closes it.
        on_shutdown=[working.finish, reports.finish],
    )
    app.asgi_handler = speech.speaks(app.asgi_handler, controller.bundle)
    app.asgi_handler = _in_time(_answering_head(_readable(app.asgi_handler)), BODY_SECONDS)
    if names is not None:
        app.asgi_handler = _named(app.asgi_handler, names)
    if https_alone(controller.site_url):
        app.asgi_handler = _pinned(app.asgi_handler)
    if controller.post is not None:

        def send_code(case: Case, code: str, until: dt.datetime) -> bool:
            sent = rights.mail_code(controller, case, code, until)
            wake()
            return sent

        app.state[delivery.SENDER] = send_code
    controller.surfaces = SURFACES
    controller.specimens = mail.specimens
    return app


def create() -> Litestar:
    """The application for a server process: reads the deployment that KEPT_DIR names."""
    config = deployment.read(Path(os.environ[DIRECTORY_VARIABLE]))
    controller = Controller.open(config)
    app = make(
        controller, token=config.token, shows=config.shows, clock=_clock,
        names=hosts(config, config.host), console=config.serves_desk(config.host),
        proxy=config.proxy, cookie=config.cookie, country=config.country,
    )  # fmt: skip
    staff.first_officer(controller, config.directory, _clock())
    app.on_shutdown.append(controller.close)
    return app
