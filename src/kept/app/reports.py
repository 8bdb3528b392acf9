"""Reports of browsers about what they refused to load, and of the gateway about cookies.

Anybody can send them. They are counted in memory, only so many at a time, and written together;
who sent one is never looked at.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from litestar import Litestar, Request, Response, post
from litestar.datastructures import State
from litestar.params import RawBody

from kept.app.log import logged
from kept.controller import Controller
from kept.decide.csp import REPORTS
from kept.decide.sightings import Sighting, read
from kept.duties import trackers

#: Where the reports of an application wait.
WAITING: Final = "reports"
#: Kinds of sightings that wait at once; messages that are read in a second, in the mean.
_MOST: Final = 500
_A_SECOND: Final = 50
#: Messages that may come at once.
_BURST: Final = 200.0
#: Seconds until what waits is written.
_PACE: Final = 2.0


class Waiting:
    """Reports that wait to be written."""

    def __init__(self, controller: Controller, clock: Callable[[], dt.datetime]) -> None:
        self._controller, self._clock = controller, clock
        self._rows: Counter[Sighting] = Counter()
        self._left, self._at = _BURST, 0.0
        self._task: asyncio.Task[None] | None = None

    def take(self, body: bytes) -> None:
        """Count what a message says; beyond what is read in a second it says nothing."""
        now = asyncio.get_running_loop().time()
        self._left = min(_BURST, self._left + (now - self._at) * _A_SECOND)
        self._at = now
        if self._left < 1:
            return
        self._left -= 1
        for one, count in read(body):
            if one in self._rows or len(self._rows) < _MOST:
                self._rows[one] += count
        if self._rows and self._task is None:
            self._task = asyncio.create_task(self._later())

    async def _later(self) -> None:
        await asyncio.sleep(_PACE)
        self._task = None
        await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Write what waits. What cannot be written is left: the next browser reports it again."""
        rows, self._rows = self._rows, Counter()
        if rows:
            try:
                trackers.note(self._controller, rows, self._clock())
            except Exception as problem:
                logged(self._clock(), f"reports were not kept: {type(problem).__name__}")


@post(REPORTS, status_code=204, sync_to_thread=False, include_in_schema=False)
def reported(request: Request[Any, Any, Any], state: State, body: RawBody) -> Response[None]:
    """Take a report. The answer is always the same."""
    waiting = state.get(WAITING)
    if waiting is None:
        waiting = state[WAITING] = Waiting(state.controller, state.clock)
    waiting.take(body)
    return Response(None, status_code=204)


def finish(app: Litestar) -> None:
    """Write what waits, before the server goes."""
    waiting = app.state.get(WAITING)
    if waiting is not None:
        waiting.write()


HANDLERS: Final = [reported]
