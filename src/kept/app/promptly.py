"""What must not wait for the table of schedules: mail that was just queued, a record to freeze.

Threads beside the server do it as soon as they are told to, and nobody who asks waits for them: so
an answer takes the same time whatever there is to do. What they leave undone the jobs do.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kept.app import mail
from kept.app.log import logged
from kept.controller import Controller
from kept.duties import rights

#: Seconds that a server waits, when it is stopped, for a message that is under way.
_PATIENCE: Final = 20.0
#: Seconds after which it looks by itself: a message that failed, a system that was away.
_LOOK: Final = 60.0
#: Seconds between two looks: where much comes in, one look sees to many.
_PAUSE: Final = 0.05


def see_to(controller: Controller, clock: Callable[[], dt.datetime]) -> bool:
    """Freeze what was reported and begin what was asked; whether nothing is left."""
    left = rights.freeze_reported(controller, clock())
    return not rights.begin_waiting(controller, clock()) + left


def send(controller: Controller, clock: Callable[[], dt.datetime]) -> bool:
    """Send what waits; whether nothing failed."""
    return not mail.deliver(controller, clock).failed


def tell(controller: Controller, clock: Callable[[], dt.datetime]) -> bool:
    """Carry out what agents asked and tell them how it stands; whether nothing failed."""
    left = rights.agent_status.keep_up(controller, clock())
    return not rights.agent_status.tell_agents(controller, clock()) + left


#: Each on a thread of its own: no slow mail server holds up a freeze, no slow system a code.
_WORK: Final = (see_to, send, tell)


def at_once(controller: Controller, clock: Callable[[], dt.datetime]) -> bool:
    """All of it, one after another; whether nothing is left."""
    done = [work(controller, clock) for work in _WORK]
    return all(done)


@contextmanager
def running(
    controller: Controller, clock: Callable[[], dt.datetime]
) -> Iterator[Callable[[], None]]:
    """Be ready for as long as the block lasts; what it yields tells the threads to look."""
    stop, told = threading.Event(), [threading.Event() for _ in _WORK]

    def go_on(work: Callable[..., bool], mine: threading.Event) -> None:
        while True:
            mine.wait(_LOOK)
            mine.clear()
            if stop.is_set():
                return
            try:
                work(controller, clock)
            except Exception as problem:
                # The class alone: the words of an error nobody foresaw may hold personal data.
                what = work.__name__.replace("_", " ")
                logged(clock(), f"could not {what}: {type(problem).__name__}")
            stop.wait(_PAUSE)

    def wake() -> None:
        for one in told:
            one.set()

    threads = [
        threading.Thread(target=go_on, args=pair, name="kept promptly", daemon=True)
        for pair in zip(_WORK, told, strict=True)
    ]
    for thread in threads:
        thread.start()
    wake()
    try:
        yield wake
    finally:
        stop.set()
        wake()
        for thread in threads:
            thread.join(_PATIENCE)
