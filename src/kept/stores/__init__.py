"""The hands: connectors to the systems of a company."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from inspect import signature
from typing import Any

from kept.datamap.map import Dataset
from kept.errors import ConfigError
from kept.stores.base import Store

GROUP = "kept.stores"


def kinds() -> tuple[str, ...]:
    """The kinds of stores that are installed, Kept's own and strangers' alike."""
    return tuple(sorted({point.name for point in _installed()}))


@cache
def _installed() -> EntryPoints:
    """Looked for once: every package that is installed is read for it."""
    return entry_points(group=GROUP)


def settings(kind: str) -> frozenset[str]:
    """The further keys that a kind of store understands in kept.toml; none of an unknown kind."""
    found = _installed().select(name=kind)
    return frozenset(key for point in found for key in getattr(point.load(), "settings", ()))


def open_store(
    kind: str,
    system: str,
    mapped: Iterable[Dataset],
    url: str,
    options: Mapping[str, Any] | None = None,
) -> Store:
    """The store of a system; nothing is asked of it yet. ConfigError for an unknown kind.

    `options` are settings of the kind (of SQL stores: stores.relational.Options).
    """
    found = _installed().select(name=kind)
    if not found:
        raise ConfigError(
            f"the system `{system}` has a store of an unknown kind",
            expected=" or ".join(f"`{name}`" for name in kinds()),
            met=f"`{kind}`",
            fix="mend `store` in kept.toml, or install the package that brings this kind",
        )
    made = next(iter(found)).load()
    if options and "options" not in signature(made).parameters:
        raise ConfigError(
            f"the kind `{kind}` of the system `{system}` has no options",
            fix=f"take [systems.{system}.options] out of kept.toml",
        )
    store = made(system, mapped, url, **({"options": options} if options else {}))
    if not isinstance(store, Store):
        raise ConfigError(
            f"the kind `{kind}` of the system `{system}` is not a store",
            expected="a subclass of kept.stores.base.Store",
        )
    return store
