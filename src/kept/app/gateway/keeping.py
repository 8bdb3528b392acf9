"""What the gateway does now and then: it counts signals by day, and reads rules that changed."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kept import deployment
from kept.app.gateway.guard import Site
from kept.database import Database
from kept.decide.visit import Visit
from kept.deployment import Deployment
from kept.errors import KeptError
from kept.policy.bundle import Bundle, state_of
from kept.records.visit import VisitRecords

#: Seconds between two looks; what was counted since the last one is lost with the process.
_PACE: Final = 10.0


class Signalled:
    """How often pages were asked for under a signal, by region; nothing of who asked.

    It is held in memory and added to the figures of the day, so that no request writes a row.
    """

    def __init__(self, config: Deployment) -> None:
        self._config = config
        self._seen: Counter[tuple[str, str]] = Counter()

    def __call__(self, visit: Visit) -> None:
        """A page was answered."""
        for signal, sent in (("gpc", visit.signals.gpc), ("dnt", visit.signals.dnt)):
            if sent:
                self._seen[visit.region, signal] += 1

    def flush(self, now: dt.datetime) -> None:
        """Add what was counted to the figures. Raises DatabaseError; that much is lost then."""
        seen, self._seen = self._seen, Counter()
        if seen:
            with Database.open(self._config.database, self._config.directory) as database:
                VisitRecords(database).count(now.astimezone(self._config.desk.zone).date(), seen)


class Rules:
    """The rules as they were read, until the files of the bundle or kept.toml are others.

    A declaration that was taken back must not go on for as long as a process lives. What cannot
    be read changes nothing and is said, once for each state of the files.
    """

    def __init__(self, config: Deployment, made: Callable[[Deployment, Bundle], Site]) -> None:
        self._directory, self._made = config.directory, made
        self._bundle, self._state = config.bundle, b""
        self._state = self._now()

    def _now(self) -> bytes:
        path = Path(self._directory) / deployment.FILE
        return state_of(self._bundle) + (path.read_bytes() if path.is_file() else b"")

    def fresh(self, *, told: bool = False) -> Site | None:
        """The site by rules that changed since, or None. Raises KeptError where they cannot be
        read. `told`: somebody asks for it, changed or not.
        """
        state = self._now()
        if state == self._state and not told:
            return None
        self._state = state
        config = deployment.read(self._directory)
        self._bundle = config.bundle
        return self._made(config, config.read_bundle())


async def keep(
    signalled: Signalled, rules: Rules, clock: Callable[[], dt.datetime], told: asyncio.Event,
    swap: Callable[[Site], None], say: Callable[[str], None], *, pace: float = _PACE,
) -> None:  # fmt: skip
    """Count and look, again and again, and at once when `told`; until it is cancelled."""
    while True:
        try:
            async with asyncio.timeout(pace):
                await told.wait()
        except TimeoutError:
            pass
        asked = told.is_set()
        told.clear()
        try:
            site = await asyncio.to_thread(rules.fresh, told=asked)
            if site is not None:
                swap(site)
                say(
                    f"kept: the rules were read anew (edition {site.bundle.edition}); start"
                    " `kept serve` again too, so that choices are made about the same"
                )
        except (KeptError, OSError) as problem:
            words = str(problem) if isinstance(problem, KeptError) else type(problem).__name__
            say(f"kept: the rules could not be read, those from before hold on: {words}")
        try:
            await asyncio.to_thread(signalled.flush, clock())
        except KeptError as problem:
            say(f"kept: signals were not counted: {problem}")
