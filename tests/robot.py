"""A robot that opens every link it is sent, as mail scanners and eager browsers do; and the
application on a port of this machine, at the clock of the test.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from playwright.sync_api import Browser

from kept.app.serving import answers

#: What scanners say of themselves and what browsers say when they fetch ahead.
GUISES = (
    {"User-Agent": "Mozilla/5.0 (compatible; LinkScan/1.0)"},
    {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch", "X-Moz": "prefetch"},
)


@contextmanager
def listening(app: Any, port: int) -> Iterator[str]:
    """Serve an application as `kept serve` does, from a thread, until the block ends."""
    server: Any = None
    loop = asyncio.new_event_loop()

    async def run() -> None:
        nonlocal server
        server = Server(
            app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, websockets=False,
            http=HTTPModes.http1, log_enabled=False,
        )  # fmt: skip
        await server.serve()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert answers("127.0.0.1", port)
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(20)
        assert not thread.is_alive()


def follow(links: Iterable[str], browser: Browser) -> dict[str, set[int]]:
    """Open every link by every way that takes no person: the statuses met, by link.

    GET, HEAD and OPTIONS, with redirects followed, twice in each guise; then in a browser that
    runs what scripts there are, waits, loads again and fetches every further link of the page.
    """
    met: dict[str, set[int]] = {}
    links = sorted(links)
    with httpx.Client(follow_redirects=True, timeout=30) as client:
        for link in links:
            for guise in GUISES * 2:
                for method in ("GET", "HEAD", "OPTIONS"):
                    answer = client.request(method, link, headers=guise)
                    met.setdefault(link, set()).add(answer.status_code)
    context = browser.new_context()
    page = context.new_page()
    for link in links:
        page.goto(link)
        page.reload(wait_until="networkidle")
        page.evaluate(
            "() => Promise.all([...document.links].filter(a => a.origin === location.origin)"
            ".map(a => fetch(a.href).catch(() => null)))"
        )
        page.mouse.wheel(0, 2000)
        page.keyboard.press("Escape")
    context.close()
    return met
