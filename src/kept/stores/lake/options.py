"""Settings of a store of Parquet files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kept.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Options:
    """`threads`: files worked on at once (0: as many as processors); `wait`: seconds for
    another writer of Kept to finish; `count_keys`: of datasets of at most so many rows it is
    counted whether the mapped key names one row."""

    threads: int = 0
    wait: float = 10.0
    count_keys: int = 500_000

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """From the words of a settings file; ConfigError for one that is not known."""
        kinds = {option.name: type(option.default) for option in fields(cls)}
        for name, value in given.items():
            if name not in kinds:
                raise ConfigError(
                    f"`{name}` is not an option of a store of Parquet files",
                    expected=f"one of {', '.join(kinds)}",
                    fix="correct its spelling in kept.toml, or remove it",
                )
            if type(value) not in (int, kinds[name]) or not 0 <= value < 2**40:
                raise ConfigError(
                    f"the value of the option `{name}` is not of its kind",
                    expected="a whole number" if kinds[name] is int else "seconds",
                    fix="mend it in kept.toml",
                )
        return cls(**given)
