"""The guard within an ASGI server: `Guarded(app, site)` answers as `app` does, judged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from kept.app.gateway.guard import Passage, Passing, Site
from kept.app.gateway.make import clock as machine

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]


class Guarded:
    """The application behind the guard."""

    def __init__(self, app: App, site: Site, clock: Callable[[], dt.datetime] = machine) -> None:
        self._app, self.site, self._clock = app, site, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = scope.get("query_string", b"")
        raw = bytes(scope.get("raw_path") or scope["path"].encode())
        here = (raw + (b"?" + query if query else b"")).decode("latin-1")
        passing = Passing(self.site, scope["headers"], path=here, today=self._clock().date())
        body: Passage | None = None
        start: Message | None = None

        async def judged(message: Message) -> None:
            nonlocal body, start
            kind = message["type"]
            if kind == "http.response.start":
                headers = [(n.lower(), v) for n, v in message.get("headers", ())]
                found, body = passing.answer(message["status"], headers)
                message = {**message, "headers": found}
                if body is not None:  # with the first of the body it is known how long that is
                    start = message
                    return
            elif kind == "http.response.body" and body is not None:
                more = message.get("more_body", False)
                data = message.get("body", b"")
                if start is not None and not more:
                    data = body.whole(data)
                else:
                    data = body.feed(data) if more else body.feed(data) + body.close()
                if start is not None:
                    if not more and scope["method"] != "HEAD":
                        start["headers"].append((b"content-length", str(len(data)).encode()))
                    await send(start)
                    start = None
                message = {**message, "body": data}
            await send(message)

        # What a server can send past this one (files, hints, pushes) an application is not offered.
        known = {n: v for n, v in (scope.get("extensions") or {}).items() if n == "tls"}
        inner = {**scope, "headers": passing.request, "extensions": known}
        await self._app(inner, receive, judged)
