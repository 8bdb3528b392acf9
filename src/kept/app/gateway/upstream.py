"""The server before a site: every request goes on to the site, or to Kept where it is Kept's.

Requests are read by the server (hyper) and written anew to the other side (h11), so that both
take a message to end at the same byte: what one of them could read otherwise is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import h11

from kept.app.gateway import trouble
from kept.app.gateway.asgi import App, Message, Receive, Scope, Send
from kept.app.gateway.collect import PATH, Collector
from kept.app.gateway.guard import Header
from kept.app.gateway.line import Broken, Late, Line, Lines, ask
from kept.app.gateway.rewrite import Garbled
from kept.duties.visits.banner import language_of
from kept.policy.bundle import Bundle
from kept.policy.spoken import speaking
from kept.terms.addresses import host_of

#: What Kept itself answers, at the address of the site: forms and cookies are of one origin.
OURS: Final = ("/privacy", "/forms/", "/p/", "/u/")
WELL_KNOWN: Final = frozenset({"/.well-known/gpc.json", "/.well-known/security.txt"})
#: What those pages load. By their whole names: anything else under /assets is the site's own.
ASSETS: Final = frozenset({"/assets/kept.css", "/assets/kept.svg"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: What is for the next machine alone (RFC 9110, 7.6.1).
_HOP: Final = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate",
        b"proxy-authorization", b"te", b"trailer", b"transfer-encoding", b"upgrade",
        b"http2-settings",
    )
)  # fmt: skip
_TOLD: Final = frozenset(
    (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"forwarded")
)
#: A host and a port, and nothing by which a link made of it leads elsewhere.
_AUTHORITY: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[^\s:@/\\?#\[\]]+)(?::[0-9]{0,5})?")
#: Bytes of all headers of a request, and how many there may be.
LARGEST, MOST = 32 * 1024, 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """Seconds to wait for a connection, for the next bytes of an answer and of a request, and
    until a visitor reads on: whoever stops a film still has it for a while.
    """

    connect: float = 5.0
    answer: float = 60.0
    request: float = 30.0
    visitor: float = 600.0


class Refused(Exception):
    """A request that goes no further; `status` is one of `trouble.PAGES`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Upstream:
    """An ASGI application that asks another server, and keeps connections to it.

    `proxied`: what a server before this one says of the visitor is believed. `last`: the other
    is told who asks, not through whom.
    """

    def __init__(
        self, url: str, *, wait: Waiting | None = None, proxied: bool = False,
        last: bool = False,
    ) -> None:  # fmt: skip
        self._wait = wait or Waiting()
        self._lines = Lines(url, self._wait.connect)
        self._proxied, self._last = proxied, last

    def close(self) -> None:
        """Give back all connections."""
        self._lines.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and its answer back as it comes."""
        wait, method = self._wait, scope["method"]
        headers, sized = _onwards(scope, self._proxied, self._last)
        query = scope.get("query_string", b"")
        target = bytes(scope.get("raw_path") or scope["path"].encode())
        body = _body(receive, wait.request) if sized else None
        try:
            line, answer = await ask(
                self._lines, method, target + (b"?" + query if query else b""), headers, body,
                write=wait.request, read=wait.answer,
            )  # fmt: skip
        except Broken:
            raise Refused(502) from None
        except Late:
            raise Refused(504) from None
        except h11.LocalProtocolError:  # what came is no request that can be written
            raise Refused(400) from None
        whole = False
        try:
            found = _back(list(answer.headers))
            await send(
                {"type": "http.response.start", "status": answer.status_code, "headers": found}
            )
            await self._pass_on(line, receive, send)
            whole = True
        except Broken:
            raise Refused(502) from None
        except (Late, TimeoutError):
            raise Refused(504) from None
        finally:
            # To HEAD some servers send a body all the same, when it is too late to notice.
            self._lines.give(line, keep=whole and method != "HEAD")

    async def _pass_on(self, line: Line, receive: Receive, send: Send) -> None:
        """The body as it comes. What is there already whole goes out as one part."""
        held: bytes | None = None
        gone: asyncio.Task[None] | None = None
        me = asyncio.current_task()
        try:
            while True:
                event = line.ready()
                late = event is None or isinstance(event, h11.Data)
                if late and held is not None:
                    if gone is None and me is not None:
                        # Before it waits for a visitor who may be gone already.
                        gone = asyncio.create_task(_leave(receive, me))
                    async with asyncio.timeout(self._wait.visitor):
                        await send(_part(held, more=True))
                    held = None
                if event is None:
                    event = await line.next(self._wait.answer)
                if not isinstance(event, h11.Data):
                    break
                held = bytes(event.data)
            async with asyncio.timeout(self._wait.visitor):
                await send(_part(held or b"", more=False))
        finally:
            if gone is not None:
                gone.cancel()


def _part(data: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _leave(receive: Receive, task: asyncio.Task[object]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()


async def _body(receive: Receive, seconds: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError:
            raise Refused(408) from None
        if message["type"] != "http.request":
            raise Refused(400)
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


def _onwards(scope: Scope, proxied: bool, last: bool) -> tuple[list[Header], bool]:
    """(the headers with which a request goes on, whether it has a body)."""
    given: Sequence[Header] = scope["headers"]
    drop = set(_HOP)
    sized, named, told = False, b"", []
    for name, value in given:
        if name == b"connection":
            drop |= {word.strip().lower() for word in value.split(b",")}
        elif name in (b"content-length", b"transfer-encoding"):
            sized = sized or value.strip() != b"0"
        elif name == b"host":
            named = value
        elif name == b"x-forwarded-for":
            told.append(value)
    real = told[-1].rpartition(b",")[2].strip() if proxied and told else b""
    # `Host` and what frames the body are no matter of the next machine alone.
    drop -= {b"host", b"content-length", b"cookie", b"authorization", b"sec-gpc"}
    found = [
        (n, v) for n, v in given
        if n not in drop and n != b"expect"
        and (n not in _TOLD or (proxied and n == b"x-forwarded-proto"))
    ]  # fmt: skip
    client = scope.get("client")
    address = str(client[0]).encode() if client else b""
    chain = b", ".join([*(told if proxied else ()), *([address] if address else ())])
    if last and real:
        chain = real
    if chain:
        found.append((b"x-forwarded-for", chain))
    known = {n for n, _ in found}
    # Only these two are what the server before this one is asked to say: the rest may be the
    # visitor's own words, and sites make links of them.
    found.append((b"x-forwarded-host", named))
    if real:
        found.append((b"x-real-ip", real))
    if b"x-forwarded-proto" not in known:
        found.append((b"x-forwarded-proto", scope["scheme"].encode()))
    if sized and b"content-length" not in known:
        found.append((b"transfer-encoding", b"chunked"))
    return found, sized


def _back(headers: Sequence[Header]) -> list[Header]:
    drop = set(_HOP)
    for name, value in headers:
        if name.lower() == b"connection":
            drop |= {word.strip().lower() for word in value.split(b",")}
    return [(n.lower(), v) for n, v in headers if n.lower() not in drop]


class Gateway:
    """The whole of it: `site` is guarded and answers what is not Kept's, `kept` what is.

    `unsaid` are headers that only a server before this one could truly send: they go. `bundle`
    gives the policy in whose languages its own pages speak; `views` is who takes views of pages.
    """

    def __init__(
        self, site: App, kept: App, names: frozenset[str], *, proxied: bool = False,
        unsaid: frozenset[bytes] = frozenset(), bundle: Callable[[], Bundle | None] = lambda: None,
        views: Collector | None = None,
    ) -> None:  # fmt: skip
        self._site, self._kept, self._names = site, kept, names
        self._proxied, self._unsaid, self._bundle = proxied, unsaid, bundle
        self._views = views

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what goes wrong is said in a page that can be read."""
        if scope["type"] != "http":
            return
        begun, start = False, None

        async def noting(message: Message) -> None:
            # The head goes out with the first of the body: until then it can be a page of ours.
            nonlocal begun, start
            if message["type"] == "http.response.start":
                start = message
                return
            if not begun and start is not None:
                begun = True
                await send(start)
            await send(message)

        try:
            scope = self._checked(scope)
            views = self._views
            if views is not None and scope["path"] == PATH and views.serves:
                await views(scope, receive, noting)
                return
            kept = _is_ours(scope)
            await (self._kept if kept else self._site)(scope, receive, noting)
        except (Refused, Garbled) as problem:
            if begun:
                raise
            status = problem.status if isinstance(problem, Refused) else 502
            await _say(status, scope, send, self._bundle())
        except asyncio.CancelledError:
            # Of the visitor, who is gone; or of the server, which ends all the same.
            return

    def _checked(self, scope: Scope) -> Scope:
        """The request, where two servers cannot read it in two ways. Raises Refused."""
        headers: Sequence[Header] = scope["headers"]
        if len(headers) > MOST or sum(len(n) + len(v) for n, v in headers) > LARGEST:
            raise Refused(431)
        if scope["method"] not in _METHODS:
            raise Refused(405)
        hosts = [v for n, v in headers if n == b"host"]
        if len(hosts) != 1:
            raise Refused(400)
        if hosts[0] and not _AUTHORITY.fullmatch(hosts[0]):
            raise Refused(400)
        if host_of(hosts[0].decode("latin-1")) not in self._names:
            raise Refused(421)
        codings = [v.strip().lower() for n, v in headers if n == b"transfer-encoding"]
        lengths = [v for n, v in headers if n == b"content-length"]
        if codings and (codings != [b"chunked"] or lengths):
            raise Refused(400)
        if len(lengths) > 1 or not all(v.isdigit() for v in lengths):
            raise Refused(400)
        if any(n == b"upgrade" for n, _ in headers):
            raise Refused(501)
        # Many servers take `_` for `-`: a header could be set so that is only ours to set.
        stay = [h for h in headers if h[0] not in self._unsaid and b"_" not in h[0]]
        scope = {**scope, "headers": stay}
        if self._proxied:
            said = [v for n, v in headers if n == b"x-forwarded-proto"]
            scope = {**scope, "scheme": "https" if said[-1:] == [b"https"] else "http"}
        return scope


def _is_ours(scope: Scope) -> bool:
    raw = bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    ours = raw == OURS[0] or raw.startswith((OURS[0] + "/", *OURS[1:]))
    if raw in WELL_KNOWN or raw in ASSETS:
        return True
    if ours and (set(scope["path"].split("/")[1:]) & {".", ".."} or "\\" in scope["path"]):
        raise Refused(400)  # no way from here to another part of Kept
    return ours


async def _say(status: int, scope: Scope, send: Send, bundle: Bundle | None) -> None:
    asked = b", ".join(v for n, v in scope["headers"] if n.lower() == b"accept-language")
    known = speaking(bundle, language_of(bundle, asked.decode("latin-1"))) if bundle else None
    with known or contextlib.nullcontext():
        body = trouble.page(status)
    headers = [*trouble.HEADERS, (b"content-length", str(len(body)).encode())]
    with contextlib.suppress(Exception):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        shown = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": shown, "more_body": False})
