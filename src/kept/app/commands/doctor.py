"""`kept doctor`: is everything there that this deployment needs?"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cyclopts import App

from kept import deployment
from kept.app.commands.common import COMMON, Common, shipped
from kept.app.commands.mapping import look
from kept.app.output import table
from kept.custodian import FileCustodian
from kept.database import Database
from kept.deployment import Deployment
from kept.errors import KeptError
from kept.keys import Vault
from kept.policy import clauses
from kept.records.version import Versions


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(doctor)


@dataclass
class _Check:
    """One thing looked at. `ok` None: could not be looked at because of something before it."""

    name: str
    ok: bool | None
    words: str
    fixes: list[str] = field(default_factory=list)


def doctor(*, common: Common = COMMON) -> int:
    """Look at Python, configuration, bundle, database, keys, systems and map; changes no data."""
    checks: list[_Check] = []
    with common.out.progress("looking"):
        for check in _checks(common):
            checks.append(check)
    words: list[str] = [
        table(
            ("", "what", "how it is"),
            [({True: "ok", False: "NO", None: "–"}[c.ok], c.name, c.words) for c in checks],
        )
    ]
    for check in checks:
        words += [f"{check.name}: {fix}" for fix in check.fixes]
    bad = [c for c in checks if c.ok is False]
    words += ["", "Everything is there." if not bad else f"{len(bad)} to mend."]
    document = {
        "ok": not bad,
        "checks": [
            {"name": c.name, "ok": c.ok, "words": c.words, "fixes": c.fixes} for c in checks
        ],
    }
    common.out.result(document, words)
    return 1 if bad else 0


def _checks(common: Common) -> Iterator[_Check]:
    new_enough = sys.version_info >= (3, 11)
    version = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    yield _Check("python", new_enough, version)
    config: Deployment | None = None

    def read() -> str:
        nonlocal config
        config = deployment.read(common.directory)
        return str(config.directory / deployment.FILE)

    yield _try("kept.toml", read)
    if config is None:
        for name in ("bundle", "database", "keys", "published", "systems", "map"):
            yield _Check(name, None, "not looked at: there is no configuration")
        return
    yield from _inside(config)


def _inside(config: Deployment) -> Iterator[_Check]:
    def bundle() -> str:
        made = config.read_bundle()
        problems = clauses.check(made, set(shipped()))
        if problems:
            raise KeptError(f"{len(problems)} problems", fix="run `kept policy check`")
        return f"{made.id} of {made.version}, {len(made.clauses)} clauses"

    yield _try("bundle", bundle)
    database: Database | None = None

    def connect() -> str:
        nonlocal database
        database = Database.open(config.database, config.directory)
        return "embedded" if config.database == "embedded" else database.where

    yield _try("database", connect)
    try:
        if database is None:
            yield _Check("keys", None, "not looked at: there is no database")
            yield _Check("published", None, "not looked at: there is no database")
        else:
            yield _try("keys", lambda: _keys(config, database))
            yield _published(config, database)
    finally:
        if database is not None:
            database.close()
    yield from _systems(config)


def _keys(config: Deployment, database: Database | None) -> str:
    assert database is not None
    vault = Vault(database, FileCustodian(config.directory / "keys", config.passphrase))
    vault.signing_key()
    how = "a passphrase" if config.passphrase else "a key file that only its owner reads"
    return f"open, under {how}"


def _published(config: Deployment, database: Database) -> _Check:
    made: Any = None
    with suppress(KeptError):
        made = config.read_bundle()
    if made is None:
        return _Check("published", None, "not looked at: the bundle cannot be read")
    newest = Versions(database).newest(made.id)
    if newest is None:
        return _Check("published", True, "a draft: no version was published yet")
    if newest.published.version != made.version:
        words = f"version {newest.published.version}; the bundle holds {made.version}"
        return _Check("published", True, words)
    return _Check("published", True, f"version {newest.published.version}")


def _systems(config: Deployment) -> Iterator[_Check]:
    try:
        datamap, problems, unreached = look(config)
    except KeptError as problem:
        yield _failed("map", problem)
        return
    for name, system in datamap.systems.items():
        if name in unreached:
            yield _Check(f"system {name}", False, unreached[name])
        else:
            words = f"answers; mode {system.mode.value}, {len(system.datasets)} datasets mapped"
            yield _Check(f"system {name}", True, words)
    if problems:
        yield _Check("map", False, f"{len(problems)} problems", [str(p) for p in problems])
    else:
        words = "as it is in the systems" if not unreached else "as far as the systems answered"
        yield _Check("map", True, words)


def _try(name: str, look: Callable[[], str]) -> _Check:
    try:
        return _Check(name, True, look())
    except KeptError as problem:
        return _failed(name, problem)


def _failed(name: str, problem: KeptError) -> _Check:
    place = f"{problem.where}: " if problem.where else ""
    fixes = [problem.fix] if problem.fix else []
    return _Check(name, False, place + problem.what, fixes)
