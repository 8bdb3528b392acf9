"""`/c`: one view of a page, told by the page's own script, judged and kept before the answer.

The answer is the same whether a view was kept or refused: it tells nobody what is known of whom.
What waits while a batch is being committed is the next batch, so that one commit serves them all.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from kept.app.gateway.asgi import Message, Receive, Scope, Send
from kept.app.gateway.guard import Site
from kept.app.log import logged
from kept.app.often import Bucket
from kept.controller import Controller
from kept.decide import views as deciding
from kept.deployment import Deployment
from kept.duties.visits.views import View, record
from kept.errors import KeptError
from kept.model import choice
from kept.records.view import Row
from kept.terms.addresses import host_of

PATH: Final = deciding.PATH
#: Views that one address may tell of at once, and from then on in an hour.
BURST, AN_HOUR = 120, 1200
#: Views that wait at most; of one batch; and seconds within which a message has to arrive.
_WAITING: Final = 4096
_BATCH: Final = 512
_SECONDS: Final = 10.0
#: The longest cookie that is looked at.
_COOKIE: Final = 200


class Recorder:
    """Writes batches, one at a time, by an own open Controller; anew when the rules change."""

    def __init__(self, config: Deployment) -> None:
        self._config = config
        self._open: list[Controller] = []  # one at most, from the first batch on
        self._one = threading.Lock()

    def renew(self, config: Deployment) -> None:
        """Record by these rules from the next batch on."""
        with self._one:
            self._config = config
            self._shut()

    def __call__(self, came: Sequence[View], refused: int, now: dt.datetime) -> int:
        """Keep a batch. Raises KeptError where it is not kept."""
        with self._one:
            if not self._open:
                self._open = [Controller.open(self._config)]
            return record(self._open[0], came, refused, now)

    def close(self) -> None:
        """Give the database back."""
        with self._one:
            self._shut()

    def _shut(self) -> None:
        for controller in self._open:
            controller.close()
        self._open = []


class Collector:
    """The ASGI application at `/c`. `cookie` is the site's own by which it knows a browser;
    `proxied`: a server before this one says last in `X-Forwarded-For` who asks.
    """

    def __init__(
        self, site: Site, keep: Callable[[Sequence[View], int, dt.datetime], object],
        clock: Callable[[], dt.datetime], *, cookie: str | None = None, proxied: bool = False,
        often: Bucket | None = None,
    ) -> None:  # fmt: skip
        self.site, self._keep, self._clock = site, keep, clock
        self._cookie, self._proxied, self._often = cookie, proxied, often or Bucket(BURST, AN_HOUR)
        self._waiting: list[tuple[View, asyncio.Future[None]]] = []
        self._refused = 0
        self._task: asyncio.Task[None] | None = None
        #: Who is being read → until when; and the look that ends it.
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="views")

    @property
    def serves(self) -> bool:
        """Whether the policy has views recorded at all; else the path is the site's own."""
        return self.site.bundle.visits.events is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one view."""
        status = await self._take(scope, receive)
        headers = [(b"cache-control", b"no-store")]
        if status == 405:
            headers.append((b"allow", b"POST"))
        if status == 429:
            headers.append((b"retry-after", b"60"))
        if status != 204:
            headers.append((b"content-length", b"0"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _take(self, scope: Scope, receive: Receive) -> int:
        if scope["method"] != "POST":
            return 405
        headers = scope["headers"]
        said = dict(headers)
        host = said.get(b"host", b"").lower()
        if not _own_page(said, host):
            return 403
        loop = asyncio.get_running_loop()
        if self._often.too(self._whence(scope, headers), loop.time()):
            return 429
        length = said.get(b"content-length", b"0")
        if not length.isdigit():
            return 400
        if len(length) > 6 or int(length) > deciding.LARGEST:
            return 413
        body = await self._body(receive, loop)
        if isinstance(body, int):
            return body
        name = host_of(host.decode("latin-1"))
        told = deciding.read(body, name)
        if isinstance(told, str):
            return 400
        now = self._clock()
        site = self.site
        standing = site.standing(headers, now.date())
        visit = standing.visit
        why = deciding.reason(site.bundle, visit)
        if why is None:
            self._refused += 1  # counted with the next batch that has something to keep
            return 204
        where = said.get(site.country, b"").decode("latin-1") if site.country else ""
        row = Row(
            told.id, now, name, told.page, told.referrer,
            deciding.browser(said.get(b"user-agent", b"").decode("latin-1")[:400]),
            deciding.country(where), None, visit.region, why,
        )  # fmt: skip
        return await self._kept(View(row, self._own_cookie(headers, standing.ids), told.dropped))

    async def _body(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> bytes | int:
        """The message, or the status with which it is turned away."""
        me = asyncio.current_task()
        assert me is not None
        self._reading[me] = loop.time() + _SECONDS
        if self._watch is None:
            self._watch = loop.call_later(1.0, self._late, loop)
        parts, size = [], 0
        try:
            while True:
                message: Message = await receive()
                if message["type"] != "http.request":
                    return 400
                part = message.get("body", b"")
                size += len(part)
                if size > deciding.LARGEST:
                    return 413
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
        except asyncio.CancelledError:
            if me in self._reading:
                raise
            me.uncancel()
            return 408
        finally:
            self._reading.pop(me, None)

    def _late(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up on messages that do not arrive; one look for all of them."""
        now = loop.time()
        for task in [task for task, end in self._reading.items() if end < now]:
            del self._reading[task]
            task.cancel()
        self._watch = loop.call_later(1.0, self._late, loop) if self._reading else None

    def _own_cookie(
        self, headers: Sequence[tuple[bytes, bytes]], ids: frozenset[str]
    ) -> str | None:
        """The site's own cookie, where it is declared and may be there."""
        if self._cookie is None:
            return None
        if not self.site.declared.passes(self._cookie, lambda tracker: tracker.id in ids):
            return None
        lines = (v.decode("latin-1") for n, v in headers if n == b"cookie")
        value = (choice.named(lines, self._cookie) or "").strip()
        return value if 0 < len(value) <= _COOKIE and value.isprintable() else None

    def _whence(self, scope: Scope, headers: Sequence[tuple[bytes, bytes]]) -> str:
        client = scope.get("client")
        host = str(client[0]) if client else ""
        if not self._proxied:
            return host
        told = [v for n, v in headers if n == b"x-forwarded-for"]
        return told[-1].rpartition(b",")[2].strip().decode("latin-1") if told else host

    async def _kept(self, view: View) -> int:
        if len(self._waiting) >= _WAITING:
            return 503
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((view, done))
        if self._task is None:
            self._task = asyncio.create_task(self._write())
        try:
            await done
        except KeptError:
            return 503
        return 204

    async def _write(self) -> None:
        """Commit what waits, batch by batch, until nothing does."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                refused, self._refused = self._refused, 0
                came = [view for view, _ in batch]
                try:
                    await loop.run_in_executor(
                        self._thread, self._keep, came, refused, self._clock()
                    )
                except Exception as problem:
                    # The kind of failure alone: its words may hold what was sent.
                    logged(self._clock(), f"views were not kept: {type(problem).__name__}")
                    self._refused += refused
                    failure = KeptError("views were not kept")
                    for _, done in batch:
                        if not done.done():
                            done.set_exception(failure)
                else:
                    for _, done in batch:
                        if not done.done():  # its visitor may be gone
                            done.set_result(None)
        finally:
            self._task = None

    async def close(self) -> None:
        """Commit what waits, and how many were refused since; then take nothing more."""
        if self._watch is not None:
            self._watch.cancel()
        if self._task is not None:
            await self._task
        refused, self._refused = self._refused, 0
        if refused:
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._thread, self._keep, (), refused, self._clock())
            except KeptError as problem:
                logged(self._clock(), f"refusals were not counted: {type(problem).__name__}")
        self._thread.shutdown()


def _own_page(said: dict[bytes, bytes], host: bytes) -> bool:
    """Whether a page of the same site tells it: browsers say so themselves, and scripts of other
    sites cannot make them say otherwise.
    """
    if said.get(b"sec-fetch-site", b"same-origin") != b"same-origin":
        return False
    origin = said.get(b"origin", b"").lower()
    return bool(host) and origin in (b"https://" + host, b"http://" + host)
