"""`kept doctor`: is everything there that this deployment needs?"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from cyclopts import App

from kept import deployment
from kept.app import jobs
from kept.app.commands.common import COMMON, Common, as_called, moment, shipped, stranger, whose
from kept.app.commands.demo import stopped
from kept.app.commands.mapping import TO_CONNECT, Look, look
from kept.app.commands.new import only_example
from kept.app.fit import Exact
from kept.app.output import table
from kept.controller import workdays
from kept.custodian import FileCustodian
from kept.database import Database
from kept.deployment import Deployment
from kept.duties.rights.recipients import SERVES
from kept.duties.rights.request import MAY_OVERRIDE
from kept.errors import BundleError, KeptError, UsageError
from kept.keys import Vault
from kept.ledger.log import Ledger
from kept.ledger.proof import KeySigner
from kept.policy import bundle as policy_bundle
from kept.policy import clauses, versions
from kept.policy.bundle import Bundle
from kept.records import wholeness
from kept.records.account import Accounts
from kept.records.agent import Agents
from kept.records.clock import Clocks
from kept.records.job import Jobs
from kept.records.version import Versions
from kept.terms import clocks
from kept.terms.clocks import Light
from kept.terms.words import many

#: Ledgers of more entries are looked at by their tree only: a glance takes no minutes.
_DEEP: Final = 50_000
_DASH: Final = (
    "A row with – is yours to do or to decide, or could not be looked at because of another row."
)
#: How many requests are named at most that are late.
_NAMED: Final = 10
_NO_BUNDLE: Final = "not looked at: the bundle cannot be read"
_HOW: Final = "docs/how-to/connect-a-database.md"
_SEE: Final = "all who are to see tasks of systems can"
_RESTORE: Final = (
    "see `kept ledger verify`, and restore Kept's database from a backup before the change"
)


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(doctor)


@dataclass
class _Check:
    """One thing looked at.

    `ok` None: for the organisation to do or decide, or not looked at because of another thing.
    """

    name: str
    ok: bool | None
    words: str
    fixes: list[str] = field(default_factory=list)


def doctor(*, common: Common = COMMON) -> int:
    """Look at configuration, bundle, database, keys, ledger, systems and map; changes no data."""
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
        for fix in check.fixes:
            exact = isinstance(fix, Exact)
            words.append(fix if exact else f"{check.name}: {as_called(fix, common.dir)}")
    if any(c.ok is None for c in checks):
        words.append(_DASH)
    bad = [c for c in checks if c.ok is False]
    waiting = [c.name for c in checks if c.ok is None]
    if bad:
        said = f"{len(bad)} to mend."
    elif waiting:
        said = f"Nothing to mend; still to do: {', '.join(waiting)}."
    else:
        said = "Everything is there."
    words += ["", said]
    with suppress(KeptError):
        if only_example(deployment.read(common.directory)):
            discover = common.next("map", "discover", "URL", "--write", "datamap/NAME.yml")
            words.append(
                f"To connect a database of yours: {discover}, then name it in {deployment.FILE}"
                f" ({_HOW})"
            )
    document = {
        "ok": not bad,
        "checks": [
            {"name": c.name, "ok": c.ok, "words": c.words, "fixes": c.fixes} for c in checks
        ],
    }
    common.out.result(document, words)
    if any(c.name == "kept.toml" for c in bad):
        return UsageError.exit_status
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

    yield _closed(_try("kept.toml", read), common)
    if config is None:
        names = ("bundle", "choices", "database", "keys", "ledger", "published", "systems", "map")
        for name in names:
            yield _Check(name, None, "not looked at: there is no configuration")
        return
    yield from _inside(config, common)


def _inside(config: Deployment, common: Common) -> Iterator[_Check]:
    made: Bundle | None = None
    with suppress(KeptError):
        made = policy_bundle.load(config.bundle)
    filled: Bundle | None = None

    def choices() -> str:
        nonlocal filled
        filled = config.read_bundle()
        left = sum(one.value is None for one in filled.choices.values())
        return f"{len(config.choices):,} made in {deployment.FILE}, {left:,} left open"

    chosen = None if made is None else _try("choices", choices)
    # A wrong choice is a fault of kept.toml; the bundle is then looked at without any.
    yield _try("bundle", lambda: _bundle(config, filled or made))
    yield chosen or _Check("choices", None, _NO_BUNDLE)
    database: Database | None = None

    def connect() -> str:
        nonlocal database
        database = Database.open(config.database, config.directory)
        return "embedded" if config.database == "embedded" else database.where

    yield _try("database", connect)
    try:
        if database is None:
            yield _Check("keys", None, "not looked at: there is no database")
            yield _Check("ledger", None, "not looked at: there is no database")
            yield _Check("published", None, "not looked at: there is no database")
            yield _Check("answers", None, "not looked at: there is no database")
        else:
            yield _try("keys", lambda: _keys(config, database))
            yield _ledger(config, database, made)
            yield from _published(config, database, filled or made)
            yield _jobs(config, database)
            yield _answers(config, database, made)
            if any(system.accounts for system in config.systems.values()):
                yield _accounts(config, database)
            if config.drp is not None:
                yield _agents(config, database)
    finally:
        if database is not None:
            database.close()
    yield from _systems(config, common)


def _bundle(config: Deployment, made: Bundle | None) -> str:
    made = made or policy_bundle.load(config.bundle)
    problems = clauses.check(made, set(shipped()))
    if problems:
        raise KeptError(
            f"{many(len(problems), 'problem')}, the first: {problems[0]}",
            fix="see all with `kept policy check`",
        )
    return f"{made.id} of {made.version}, {len(made.clauses)} clauses"


def _keys(config: Deployment, database: Database | None) -> str:
    assert database is not None
    vault = Vault(database, FileCustodian(config.directory / "keys", config.passphrase))
    vault.signing_key()
    how = "a passphrase" if config.passphrase else "a key file that only its owner reads"
    return f"open, under {how}"


def _ledger(config: Deployment, database: Database, made: Bundle | None) -> _Check:
    """The whole record as `kept ledger verify` looks at it; of a long one the tree alone."""
    if made is None:
        return _Check("ledger", None, _NO_BUNDLE)
    try:
        vault = Vault(database, FileCustodian(config.directory / "keys", config.passphrase))
        signer = KeySigner(vault.signing_key())
        ledger = Ledger(database, signer, f"kept/{made.id}")
        deep = ledger.size() <= _DEEP
        report = wholeness.look(database, ledger, deep=deep)
    except KeptError as problem:
        return _failed("ledger", problem)
    if report.problems:
        words = f"not as it was written: {'; '.join(report.problems)}"
        return _Check("ledger", False, words, [_RESTORE])
    if not report.entries:
        return _Check("ledger", True, "nothing was recorded yet")
    bare = wholeness.unsigned(report)
    if bare is not None:
        return _Check("ledger", None, bare, ["sign for them with `kept ledger checkpoint`"])
    words = f"{report.entries:,} entries hold, {report.signed:,} of them signed for"
    return _Check("ledger", True, words + ("" if deep else "; only the tree over them was checked"))


def _published(config: Deployment, database: Database, made: Bundle | None) -> Iterator[_Check]:
    """For whom the policy speaks, and whether what was published is what the bundle holds."""
    if made is None:
        yield _Check("published", None, _NO_BUNDLE)
        return
    newest = Versions(database).newest(made.id)
    if stranger(config, made):
        words = f"the policy speaks for {made.organisation.name}, and nobody said that this is you"
        yield _Check("organisation", None, words, [whose(config, made)])
    else:
        yield _Check("organisation", True, made.organisation.name)
    if newest is None:
        words = "a draft: no version was published yet"
        yield _Check("published", None, words, ["publish it with `kept policy publish`"])
        return
    changed = versions.changed(made, newest.published)
    if changed:
        fixes = [str(one) for one in changed]
        words = f"not what was published as version {newest.published.version}"
        yield _Check("published", False, words, fixes)
    elif newest.published.version != made.version:
        words = f"version {newest.published.version}; the bundle holds {made.version}"
        fix = "publish what the bundle holds with `kept policy publish`"
        yield _Check("published", None, words, [fix])
    else:
        yield _Check("published", True, f"version {newest.published.version}")


def _jobs(config: Deployment, database: Database) -> _Check:
    """What runs by itself: what fails, and what should have run long ago."""
    last = {one.job: one for one in Jobs(database).all()}
    now, bad, late, words, fixes = moment(None), False, False, [], []
    for job in jobs.JOBS:
        every, one = jobs.pace(config, job), last.get(job.name)
        if every is None or one is None:
            continue
        if one.failures:
            bad = True
            words.append(
                f"{job.name}: {one.outcome or 'runs again'}, {many(one.failures, 'time')},"
                f" last {one.began_at:%Y-%m-%d %H:%M} UTC"
            )
            fixes.append(f"it is tried again; to see why: `kept {job.command}`")
        else:
            late = late or one.began_at + 3 * every < now
            words.append(f"{job.name}: ran {one.began_at:%Y-%m-%d %H:%M} UTC")
    if late and not bad:
        fixes.append("they run while `kept serve` does: start it")
    if not words:
        return _Check("jobs", True, "none ran yet: they run while `kept serve` does")
    return _Check("jobs", False if bad else None if late else True, "; ".join(words), fixes)


def _agents(config: Deployment, database: Database) -> _Check:
    """Who may ask in the name of people, and whether anybody can be asked to confirm."""
    assert config.drp is not None
    try:
        vault = Vault(database, FileCustodian(config.directory / "keys", config.passphrase))
        tokens = Agents(database, vault).tokens()
    except KeptError as problem:
        return _failed("agents", problem)
    known = config.drp.agents
    words = f"{many(len(known), 'agent')} in the directory of {config.drp.business}, "
    words += f"{len(known.keys() & tokens.keys()):,} of them with a token"
    gone = sorted(tokens.keys() - known.keys())
    words += f"; not heard any more: {', '.join(gone[:_NAMED])}" if gone else ""
    fixes = []
    if config.mail is None:
        fixes.append("set up [mail]: people cannot be asked to confirm what an agent asks")
    if not (config.url or "").startswith("https://"):
        fixes.append("set `url` of [site] with https://: agents lead people there")
    return _Check("agents", None if fixes else True, words, fixes)


def _accounts(config: Deployment, database: Database) -> _Check:
    """Whether those who are to see the tasks of a system can: a name that is no account sees none,
    and nobody hears of it.
    """
    try:
        vault = Vault(database, FileCustodian(config.directory / "keys", config.passphrase))
        there = {a.name: a for a in Accounts(database, vault).all(moment(None))}
    except KeptError as problem:
        return _failed("accounts", problem)
    fixes = []
    for system in config.systems.values():
        for name in dict.fromkeys(system.accounts):
            account = there.get(name)
            if account is None:
                why = f"`{name}` is no account"
                fix = f"correct it, or make it with `kept account add {name} --role {SERVES}`"
            elif account.disabled_at is not None:
                why, fix = f"the account `{name}` is disabled", "name another"
            elif not account.roles & {SERVES, *MAY_OVERRIDE}:
                why = f"the account `{name}` has not the role `{SERVES}`"
                fix = f'give it: `kept account grant {name} --role {SERVES} --why "…"`'
            else:
                continue
            fixes.append(f"{why}, and `accounts` of [systems.{system.name}] names it; {fix}")
    words = f"{many(len(fixes), 'name')} of those who are to see tasks of systems cannot"
    return _Check("accounts", False, words, fixes) if fixes else _Check("accounts", True, _SEE)


def _answers(config: Deployment, database: Database, made: Bundle | None) -> _Check:
    """Which requests wait past their last day, and which will soon."""
    if made is None:
        return _Check("answers", None, _NO_BUNDLE)
    try:
        vault = Vault(database, FileCustodian(config.directory / "keys", config.passphrase))
        known = Clocks(database, vault)
        waiting = known.unanswered()
        found, days = known.many(waiting), workdays(config.desk, made)
    except KeptError as problem:
        return _failed("answers", problem)
    today = moment(None).astimezone(config.desk.zone).date()
    lights: dict[Light, list[str]] = {}
    for number, one in found.items():
        if one.paused_since is None:
            light = clocks.light(today, one.due, days)
            lights.setdefault(light, []).append(f"{waiting[number]}, by {one.due}")
    late, soon = lights.get(Light.OVERDUE, []), lights.get(Light.RED, [])
    words = f"{many(len(waiting), 'request')} to answer"
    words += f", {len(late):,} of them late" if late else ""
    words += f", {len(soon):,} nearly late" if soon else ""
    fixes = [f"late: {one}" for one in late[:_NAMED]] + [f"soon: {one}" for one in soon[:_NAMED]]
    if len(found) < len(waiting):
        fixes.append("some have no last day yet: `kept case remind`")
    if late or soon:
        fixes.append("see `kept case list --sort due`")
    return _Check("answers", False if late else None if fixes else True, words, fixes)


def _systems(config: Deployment, common: Common) -> Iterator[_Check]:
    try:
        met = look(config)
    except BundleError:
        yield _Check("map", None, _NO_BUNDLE)
        return
    except KeptError as problem:
        yield _failed("map", problem)
        return
    away = []
    if stopped(config.directory):
        away = [f"the demonstration is stopped; start it again: {common.next('demo')}"]
    for name, system in met.datamap.systems.items():
        row = f"system {name}"
        if name in met.unconnected:
            words = f"{met.unconnected[name]}; every answer says so"
            yield _Check(row, None, words, [TO_CONNECT.format(name)])
        elif name in met.unread:
            yield _Check(row, None, "not looked into: its map cannot be read")
        elif name in met.unreached:
            yield _Check(row, False, met.unreached[name], away)
        else:
            mapped = many(len(system.datasets), "dataset")
            words = f"answers; mode {system.mode.value}, {mapped} mapped"
            said = [one for where, one in met.notes if where == name]
            yield _Check(row, True, "; ".join((words, *said)))
    if not config.systems:
        yield _Check("systems", None, "none is named: nothing can be found or erased")
    if met.slow:
        helps = [part for one in met.slow for part in (one.words, Exact(f"  {one.statement}"))]
        words = f"searches for a person that read a whole large table: {len(met.slow):,}"
        yield _Check("indexes", None, words, helps)
    yield _map(met)


def _map(met: Look) -> _Check:
    if met.problems:
        words = many(len(met.problems), "problem")
        return _Check("map", False, words, [str(p) for p in met.problems])
    words = "as it is in the systems" if not met.unreached else "as far as the systems answered"
    if met.undecided:
        fixes = [f"{system}: {one}" for system, one, _ in met.undecided]
        count = sum(count for *_, count in met.undecided)
        return _Check("map", None, f"{words}, as far as it is decided: {count:,} to decide", fixes)
    return _Check("map", True, words)


def _closed(check: _Check, common: Common) -> _Check:
    """Of a configuration that can be read: whether by everybody on the machine."""
    file = common.directory / deployment.FILE
    if check.ok and file.stat().st_mode & 0o007:
        words = (
            f"{check.words}, which everybody on this machine may open; a password may stand in it"
        )
        return _Check(check.name, None, words, [f"close it: chmod 600 {file}"])
    return check


def _try(name: str, look: Callable[[], str]) -> _Check:
    try:
        return _Check(name, True, look())
    except KeptError as problem:
        return _failed(name, problem)


def _failed(name: str, problem: KeptError) -> _Check:
    fixes = [problem.fix] if problem.fix else []
    words = KeptError(problem.what, expected=problem.expected, met=problem.met, where=problem.where)
    return _Check(name, False, str(words), fixes)
