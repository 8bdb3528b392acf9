"""Surface: what can be reached from outside — routes and commands with their roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Surface:
    """One route (`GET /privacy`) or command (`rights erase`). Empty roles: anyone."""

    kind: Literal["http", "cli"]
    name: str
    method: str
    roles: frozenset[str]
    changes: bool  # whether it can change anything; a GET never may
