"""Cookies that a site set and nobody declared: their names, told to Kept now and then."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final

import httpcore

from kept.decide.csp import REPORTS
from kept.decide.sightings import COOKIE

#: Names that are held at once, and seconds between two tellings.
_MOST: Final = 200
_PACE: Final = 10.0


class Noticed:
    """Collects what was noticed; `tell` sends it until it is cancelled."""

    def __init__(self, kept: str) -> None:
        self._url = kept.rstrip("/") + REPORTS
        self._seen: dict[tuple[str, str, str], int] = {}

    def __call__(self, kind: str, name: str, path: str) -> None:
        """Something was met that nobody declared."""
        key = (kind, name, path.partition("?")[0])
        if key in self._seen or len(self._seen) < _MOST:
            self._seen[key] = self._seen.get(key, 0) + 1

    async def tell(self) -> None:
        """Send what there is, again and again."""
        while True:
            await asyncio.sleep(_PACE)
            await self.flush()

    async def flush(self) -> None:
        """Send what there is; what Kept cannot take now is not sent again."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        reports = [
            {"type": COOKIE, "body": {"name": name, "path": path, "count": count}}
            for (_, name, path), count in seen.items()
        ]
        headers = [("content-type", "application/reports+json")]
        with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException):
            async with httpcore.AsyncConnectionPool() as pool:
                await pool.request(
                    "POST", self._url, headers=headers, content=json.dumps(reports).encode(),
                    extensions={"timeout": {"connect": 5.0, "read": 5.0, "write": 5.0}},
                )  # fmt: skip
