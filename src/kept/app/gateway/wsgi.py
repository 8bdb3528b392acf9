"""The guard within a WSGI server: `Guarded(app, site)` answers as `app` does, judged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias
from urllib.parse import quote

from kept.app.gateway.guard import Header, Passage, Passing, Site
from kept.app.gateway.make import clock as machine
from kept.terms.signals import GPC

Environ: TypeAlias = dict[str, Any]
App: TypeAlias = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Guarded:
    """The application behind the guard."""

    def __init__(self, app: App, site: Site, clock: Callable[[], dt.datetime] = machine) -> None:
        self._app, self._site, self._clock = app, site, clock

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        query = environ.get("QUERY_STRING", "")
        here = quote(environ.get("PATH_INFO", ""), encoding="latin-1")
        passing = Passing(
            self._site, _headers(environ), path=here + ("?" + query if query else ""),
            today=self._clock().date(),
        )  # fmt: skip
        body: list[Passage | None] = [None]

        def judged(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            given = [(n.lower().encode("latin-1"), v.encode("latin-1")) for n, v in headers]
            found, body[0] = passing.answer(int(status.partition(" ")[0]), given)
            texts = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in found]
            write = start_response(status, texts, *rest)
            return write if body[0] is None else lambda data: write(body[0].feed(data))

        return _passed(self._app(_with(environ, passing.request), judged), body)


def _headers(environ: Environ) -> list[Header]:
    found = []
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            name = key[5:].replace("_", "-").lower()
            # Two lines of the signal came joined into one; either of them is enough.
            lines = value.split(",") if name == GPC else (value,)
            found += [(name.encode("latin-1"), line.encode("latin-1")) for line in lines]
    return found


def _with(environ: Environ, headers: list[Header]) -> Environ:
    left = {k: v for k, v in environ.items() if not k.startswith("HTTP_")}
    for name, value in headers:
        left["HTTP_" + name.decode("latin-1").replace("-", "_").upper()] = value.decode("latin-1")
    return left


def _passed(chunks: Iterable[bytes], body: list[Passage | None]) -> Iterator[bytes]:
    """What the application yields, rewritten; headers are known at its first piece (PEP 3333)."""
    try:
        for chunk in chunks:
            yield chunk if body[0] is None else body[0].feed(chunk)
        if body[0] is not None:
            yield body[0].close()
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
