"""What the public forms share: how they are read, whence they come, and a thread for the work."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar

from litestar import Request
from litestar.datastructures import State

from kept.app.often import whose
from kept.app.whence import whence
from kept.errors import IdentifierError
from kept.terms.identifiers import Identifier

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Only ever shown to who asked: nothing on the way keeps it.
PRIVATE: Final = {"Cache-Control": "no-store"}
ELSEWHERE: Final = "Another site sent this form. If you want it, send it yourself."


def aside(work: Callable[_P, _R]) -> Callable[_P, Awaitable[_R]]:
    """Work that waits for a database, on a thread of its own.

    Where GET and POST share a path the framework takes a handler in twice, and its own
    `sync_to_thread` would then answer with what is still to be awaited.
    """

    @functools.wraps(work)
    async def run(*given: _P.args, **named: _P.kwargs) -> _R:
        return await asyncio.to_thread(work, *given, **named)

    return run


def fields_of(body: bytes) -> dict[str, list[str]]:
    """The fields of a form as it was sent; what is no form has none."""
    try:
        text = body.decode("utf-8", "replace")
        return urllib.parse.parse_qs(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return {}


def one(fields: Mapping[str, Sequence[str]], name: str) -> str:
    """The first value of a field; empty where it is not there."""
    return fields.get(name, [""])[0]


def source(request: Request[Any, Any, Any], state: State) -> str:
    """Where it came from: an address of a machine; of IPv6 the part that is one customer's."""
    try:
        return whose(str(ipaddress.ip_address(whence(request, state.proxy))))
    except ValueError:
        return "unknown"


def elsewhere(request: Request[Any, Any, Any]) -> bool:
    """Whether another site made the browser send this.

    Newer browsers say so (Sec-Fetch-Site); of older ones the origin that they name is looked at.
    """
    came = request.headers.get("sec-fetch-site")
    return foreign(request) if came is None else came == "cross-site"


def foreign(request: Request[Any, Any, Any]) -> bool:
    """Whether a browser names another site whence the form came. Ours may hide its own from all,
    so that it says `null`.
    """
    origin = request.headers.get("origin")
    site: str = request.app.state.controller.site_url or ""
    ours = {request.headers.get("host", ""), urllib.parse.urlsplit(site).netloc}
    try:
        return (
            origin not in (None, "null") and urllib.parse.urlsplit(origin or "").netloc not in ours
        )
    except ValueError:  # nothing that a browser sends
        return True


def is_email(value: str) -> bool:
    """Whether mail can go there."""
    try:
        return bool(Identifier("email", value).normalised)
    except IdentifierError:
        return False
