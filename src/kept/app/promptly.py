"""What must not wait for the table of schedules: mail that was just queued, a record to freeze.

A thread beside the server does it as soon as it is told to, and nobody who asks waits for it: so
an answer takes the same time whatever there is to do. What it leaves undone the jobs do.
"""

from __future__ import annotations

import datetime as dt
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kept.app import mail
from kept.controller import Controller
from kept.duties import rights

#: Seconds that a server waits, when it is stopped, for a message that is under way.
_PATIENCE: Final = 20.0
#: Seconds after which it looks by itself: a message that failed, a system that was away.
_LOOK: Final = 60.0


def at_once(controller: Controller, clock: Callable[[], dt.datetime]) -> bool:
    """Freeze what was reported, then send what waits; whether all was done."""
    left = rights.freeze_reported(controller, clock())
    left += rights.begin_waiting(controller, clock())
    return not mail.deliver(controller, clock).failed and not left


@contextmanager
def running(
    controller: Controller, clock: Callable[[], dt.datetime]
) -> Iterator[Callable[[], None]]:
    """Be ready for as long as the block lasts; what it yields tells the thread to look."""
    stop, told = threading.Event(), threading.Event()

    def work() -> None:
        while not stop.is_set():
            told.wait(_LOOK)
            told.clear()
            if stop.is_set():
                return
            try:
                at_once(controller, clock)
            except Exception as problem:
                # The class alone: the words of an error nobody foresaw may hold personal data.
                print(f"kept: mail was not sent: {type(problem).__name__}", file=sys.stderr)

    thread = threading.Thread(target=work, name="kept mail", daemon=True)
    thread.start()
    told.set()
    try:
        yield told.set
    finally:
        stop.set()
        told.set()
        thread.join(_PATIENCE)
