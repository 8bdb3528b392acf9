"""Settings of a store of Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kept.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Options:
    """`threads`: files worked on at once (0: as many as processors); `wait`: seconds for
    another writer of Kept to finish."""

    threads: int = 0
    wait: float = 10.0

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From the words of a settings file; ConfigError for one that is not known."""
        for name, value in given.items():
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if name not in ("threads", "wait") or not number or value < 0:
                raise ConfigError(
                    f"`{name}` is not a setting of a store of Parquet files, or not of its kind",
                    expected="threads (int), wait (float)",
                    fix="mend it in kept.toml",
                )
        return cls(int(given.get("threads", 0)), float(given.get("wait", 10.0)))
