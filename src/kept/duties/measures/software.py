"""Which software is in use, and whether anybody still mends its faults. Nobody is asked for it."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import platform
import re
import sqlite3
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.backends.openssl.backend import backend

from kept.controller import Controller
from kept.deployment import FILE
from kept.duties.measures.looks import Places, Seen
from kept.errors import StoreError
from kept.records.declared import SYSTEM
from kept.terms import support
from kept.terms.support import Software
from kept.terms.words import many

_MAPS: Final = Path("/proc/self/maps")
#: Where an operating system lays what it brings.
_SHIPPED: Final = ("/usr/lib", "/lib")
_VERSION: Final = re.compile(r"\d+(?:\.\d+)+")
#: The exact versions that Kept was tested with, beside a clone of it.
_LOCK: Final = Path(__file__).parents[4] / "requirements.lock"
_LOCKED: Final = re.compile(r"(?m)^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def unsaved(controller: Controller, now: dt.datetime, places: Places) -> Iterator[Seen]:
    """No server says that its last try to lay a copy elsewhere failed."""
    del controller, now
    for system, safety in places().items():
        if not isinstance(safety, StoreError) and safety.unsaved:
            yield Seen(
                False,
                f"the last try of {_name(system)} to archive its log failed",
                "see the log of the server and `archive_command`",
            )


def look(controller: Controller, now: dt.datetime, places: Places) -> Iterator[Seen]:
    """Somebody mends the faults of everything that runs, and Kept's packages are those tested."""
    known = [(one, "") for one in _here()]
    for system, safety in places().items():
        if isinstance(safety, StoreError):
            words = f"{system} could not be asked what runs there: {safety.what}"
            yield Seen(False, words, safety.fix or "run it again once this is mended", True)
            continue
        known += [(one, _name(system)) for one in safety.software]
    os = _system()
    good = []
    for one, where in known:
        seen = _mended(controller, one, where, os, now)
        if seen.holds:
            good.append(seen.words)
        else:
            yield seen
    if good:
        yield Seen(True, "; ".join(good))
    yield from _packages(_LOCK)


def _name(system: str) -> str:
    return "Kept's own database" if system == SYSTEM.name else system


def _mended(
    controller: Controller, one: Software, where: str, os: tuple[str, str] | None, now: dt.datetime
) -> Seen:
    """Whether somebody mends one program: its maker, who ships it, or whom the company names."""
    release = support.release(one.name, one.version)
    row = support.ROWS.get(release)
    place = f" ({where or one.where})" if where or one.where else ""
    word = controller.measures.supported.get(release)
    if word is not None and word.in_force(now):
        return Seen(True, f"{release}{place} until {word.expires}, by the word of {word.by}")
    shipped = support.ROWS.get(support.release(*os)) if one.shipped and os else None
    rows = [r for r in (row, shipped) if r is not None]
    fix = (
        f"bring in a newer release; or, where somebody mends this one for you, write below"
        f' [measures.supported] of {FILE}: "{release}" = {{by = "NAME", date = 2026-01-31,'
        ' how = "…", expires = 2026-12-31}'
    )
    if not rows:
        words = f"{release}{place}: nobody here knew on {support.READ} until when it is mended"
        return Seen(False, words, fix)
    last = max(rows, key=lambda r: r.until)
    by = f", with {last.release}" if last is shipped else ""
    if last.until < now.astimezone(dt.UTC).date():
        return Seen(False, f"{release}{place}: it is mended no more since {last.until}",
                    fix)  # fmt: skip
    return Seen(True, f"{release}{place} until {last.until}{by}")


def _here() -> list[Software]:
    """What this very program runs with."""
    loaded = _loaded()
    found = [
        Software("Python", platform.python_version(), shipped=sys.base_prefix == "/usr"),
        Software("OpenSSL", _number(ssl.OPENSSL_VERSION), shipped="libssl" in loaded),
        Software("SQLite", sqlite3.sqlite_version, shipped="libsqlite3" in loaded),
    ]
    inside = Software("OpenSSL", _number(backend.openssl_version_text()), "in cryptography")
    return [*found, inside]


def _number(words: str) -> str:
    met = _VERSION.search(words)
    return met[0] if met else "?"


def _loaded() -> set[str]:
    """Libraries in use that the operating system brought, by the beginning of their names."""
    try:
        lines = _MAPS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not Linux
        return set()
    paths = {line.split(maxsplit=5)[-1] for line in lines}
    return {p.rpartition("/")[2].partition(".")[0] for p in paths if p.startswith(_SHIPPED)}


def _system() -> tuple[str, str] | None:
    """The operating system as it names itself, such as ("debian", "12")."""
    with contextlib.suppress(OSError):
        said = platform.freedesktop_os_release()
        return said.get("ID", ""), said.get("VERSION_ID", "")
    return None


def _packages(lock: Path) -> Iterator[Seen]:
    """Whether the packages are those that Kept was tested with, where that list is here."""
    try:
        wanted = dict(_LOCKED.findall(lock.read_text("utf-8")))
    except OSError:
        yield Seen(None, "the list of versions that Kept was tested with is not here")
        return
    there, other = 0, []
    for name, version in wanted.items():
        try:
            met = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        there += 1
        if met != version:
            other.append(f"{name} {met}, not {version}")
    if other:
        words = f"{many(len(other), 'package')} of another version than tested: {other[0]}"
        yield Seen(False, words, "run `make install` in the clone, or install requirements.lock")
    elif there:
        yield Seen(True, f"{many(there, 'package')} of the versions that were tested")
    else:
        yield Seen(None, "none of the packages that Kept was tested with says its version")
