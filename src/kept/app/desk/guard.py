"""The one guard of the desk: who asks, whether the table lets him, and that he meant it.

What the table does not name is refused. A request that changes something has to come from a page
of this server (Origin, RFC 6454) and to carry the token of its session, which no other site can
read. Neither is remembered anywhere: the token follows from the session's.
"""

from __future__ import annotations

import asyncio
import io
import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import multipart
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
)
from litestar.handlers import BaseRouteHandler

from kept.app.surface import DESK, GUEST, HALF, STAFF
from kept.app.whence import whence
from kept.controller import Controller
from kept.duties import staff
from kept.duties.staff import owed
from kept.errors import UsageError
from kept.model.surface import Surface
from kept.records.session import LIFE, Session
from kept.terms.addresses import place_of

Asked: TypeAlias = Request[Any, Any, State]
#: Fields that a form may have.
_FIELDS: Final = 500
#: The types of parts of a path; the framework's own spelling of a path leaves them out.
_TYPE: Final = re.compile(r":\w+(?=\})")
_TABLE: Final = {(_TYPE.sub("", s.name), s.method): s for s in DESK}


#: Where a file may be sent; each handler says how large it may be.
_FILES: Final = frozenset(
    (
        "/desk/requests/import",
        "/desk/requests/mail",
        "/desk/requests/{request_id}/scan",
        "/desk/tasks/done",
    )
)


class Form:
    """What was sent, by name. Fields that are not there are empty."""

    def __init__(
        self, fields: list[tuple[str, str]], files: Mapping[str, tuple[str, bytes]] | None = None
    ) -> None:
        self._fields, self._files = fields, files or {}

    def file(self, name: str) -> tuple[str, bytes] | None:
        """The name and the bytes of a file; None where none was chosen."""
        return self._files.get(name)

    def one(self, name: str) -> str:
        """The first value of a field."""
        return next((v for n, v in self._fields if n == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field, as boxes that are ticked send them."""
        return [v for n, v in self._fields if n == name]


def session(request: Asked) -> Session:
    """Whoever passed the guard. NotAuthorizedException where nobody has to be logged in."""
    found: Session | None = request.state.desk
    if found is None:
        raise NotAuthorizedException
    return found


def form(request: Asked) -> Form:
    """What the guard has read and checked."""
    sent: Form = request.state.form
    return sent


def source(request: Asked) -> str:
    """Whence the request comes."""
    return whence(request, request.app.state.proxy)


def cookie_name(controller: Controller) -> str:
    """The name of the cookie; by https one that no neighbour on the same host can set."""
    secure = (controller.site_url or "").startswith("https://")
    return "__Host-kept" if secure else "kept"


def cookie(controller: Controller, made: Session | None) -> Cookie:
    """The cookie of a session; None: the one that takes it away."""
    name = cookie_name(controller)
    return Cookie(
        key=name, value=made.token if made else "", path="/", httponly=True, samesite="strict",
        secure=name.startswith("__Host-"),
        max_age=int(LIFE.total_seconds()) if made else 0,
    )  # fmt: skip


async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let in whom the table names. 401: log in; 403: not in these roles, or not meant."""
    request: Asked = Request(connection.scope, connection.receive, connection.send)
    request.state.desk, request.state.form = None, Form([])
    surface = _TABLE.get((connection.scope["path_template"], str(connection.scope.get("method"))))
    if surface is None:
        raise PermissionDeniedException("nobody was let in here")
    state = request.app.state
    token = request.cookies.get(cookie_name(state.controller))
    found: Session | None = None
    if token:
        found = await asyncio.to_thread(state.controller.sessions.find, token, state.clock())
    request.state.desk = found
    _let_in(surface, found)
    if surface.changes:
        _from_here(request)
        request.state.form = sent = await _sent(request)
        if GUEST not in surface.roles and (found is None or not found.carries(sent.one("csrf"))):
            raise PermissionDeniedException("the page is of another login")
    # The page itself shows nobody, and leaves out what leads to more.
    if found is not None and surface.name.partition("}")[2]:
        allowed = surface.roles & found.account.roles
        if owed.SUPPORT in allowed:
            await asyncio.to_thread(_still_owed, request, state, allowed)


def _let_in(surface: Surface, found: Session | None) -> None:
    if not surface.roles or GUEST in surface.roles:
        return
    if found is None:
        raise NotAuthorizedException
    if staff.stage(found) != "full":
        if HALF not in surface.roles:
            raise NotAuthorizedException
    elif STAFF not in surface.roles and not surface.roles & found.account.roles:
        raise PermissionDeniedException("your roles do not let you in here")


def _still_owed(request: Asked, state: State, allowed: frozenset[str]) -> None:
    """Keep support from what lies below a case, a request or a complaint that is over. Denied."""
    controller: Controller = state.controller
    find: Mapping[str, Callable[[str], owed.About]] = {
        "case": controller.cases.get, "request_id": controller.intakes.get,
        "complaint": controller.complaints.get,
    }  # fmt: skip
    for part in find.keys() & request.path_params.keys():
        try:
            one = find[part](request.path_params[part])
        except UsageError:
            return  # the page says that it is not there
        owed.require(controller, allowed, one, state.clock())


def _from_here(request: Asked) -> None:
    """Refuse what a page elsewhere sends, and what says nothing of whence it comes."""
    origin = request.headers.get("origin", "")
    if place_of(origin) != request.headers.get("host", "").lower():
        raise PermissionDeniedException("this was sent from another place")


async def _sent(request: Asked) -> Form:
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and request.scope["path_template"] in _FILES:
        return await asyncio.to_thread(_sent_with_files, given, await request.body())
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException("a form was expected", status_code=415)
    try:
        fields = urllib.parse.parse_qsl(
            (await request.body()).decode("ascii"), keep_blank_values=True, errors="strict",
            max_num_fields=_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise ClientException("the form cannot be read") from None
    if any("\0" in value for _, value in fields):
        raise ClientException("the form cannot be read")
    return Form(fields)


def _sent_with_files(given: str, body: bytes) -> Form:
    """A form with files, in memory alone: what is sealed later lies nowhere in the clear."""
    boundary = multipart.parse_options_header(given)[1].get("boundary", "")
    fields: list[tuple[str, str]] = []
    files: dict[str, tuple[str, bytes]] = {}
    try:
        parser = multipart.MultipartParser(
            io.BytesIO(body), boundary, len(body), part_limit=_FIELDS, spool_limit=len(body) + 1,
            memory_limit=len(body) + 1, disk_limit=0,
        )  # fmt: skip
        for part in parser:
            if part.filename is None:
                fields.append((part.name, part.raw.decode("utf-8")))
            elif part.filename:  # a field for a file in which none was chosen is sent as well
                files[part.name] = (part.filename, part.raw)
    except (multipart.MultipartError, ValueError):
        raise ClientException("the form cannot be read") from None
    if any("\0" in value for _, value in fields):
        raise ClientException("the form cannot be read")
    return Form(fields, files)
