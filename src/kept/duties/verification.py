"""Verification: that only registered uses happen, that the map is whole, that the record holds."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from kept.controller import Controller
from kept.controls.history import latest
from kept.controls.registry import UNDER_WAY, Finding, Looked, control, registered, unasked
from kept.decide.use import use
from kept.errors import StoreError, Tampered
from kept.model.decision import Ask, Facts
from kept.records import wholeness
from kept.records.run import digest

#: Seconds that the independent verifier may take.
_PATIENCE: Final = 600
_RESTORE: Final = "see `kept ledger verify`; restore the database from a backup before the change"
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REPAIR: Final = "give it a field in the data map, with its category or as not personal"


@control("activities.bound-to-clauses")
def bound_to_clauses(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every activity that data is held for is registered and bound to clauses; no other runs."""
    bundle = controller.bundle
    count = 0
    for system in controller.datamap.systems.values():
        for dataset in system.datasets.values():
            if dataset.personal and not dataset.activities and dataset.on_erase != "never":
                yield Finding(
                    f"{system.name}.{dataset.name}",
                    "it serves no registered activity",
                    f"in {system.file or system.name}:{dataset.line}, name under `activities:`"
                    " what it is used for, of activities.yml",
                )
            for name in dataset.activities:
                count += 1
                activity = bundle.activities.get(name)
                if activity is None or not set(activity.clauses) & set(bundle.clauses):
                    yield Finding(
                        f"{system.name}.{dataset.name}",
                        f"its activity `{name}` is bound to no clause of the policy",
                        "register it in activities.yml with the clauses it rests on",
                    )
    for _, entry in controller.ledger.entries(kind="use.decided"):
        count += 1
        if entry.body["allowed"] and not entry.body.get("clauses"):
            yield Finding("the ledger", "a use was allowed that no clause decided")
    # One that is not registered is tried at the door itself.
    refused = use(controller.rules, Ask("not-registered", "contact"), Facts())
    if refused.allow:
        yield Finding("the door", "an activity that nobody registered was allowed")
    yield Looked(count, "activities of the data map and decisions in the ledger")


@control("activities.purposes-cite-clauses")
def purposes_cite_clauses(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every purpose in use cites a clause, and every clause about a use is cited by a purpose."""
    bundle = controller.bundle
    cited: set[str] = set()
    for activity in bundle.activities.values():
        known = [c for c in activity.clauses if c in bundle.clauses]
        cited.update(known)
        if not known:
            yield Finding("activities.yml", f"the activity `{activity.id}` cites no clause")
    uses = [c.id for c in bundle.clauses.values() if c.kind == "use"]
    for clause in uses:
        if clause not in cited:
            yield Finding("activities.yml", f"no activity cites the clause {clause}")
    yield Looked(len(bundle.activities) + len(uses), "activities and clauses about use")


@control("use.outside-the-matrix-is-denied")
def outside_is_denied(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every pair of purpose and category that the policy does not name is denied at the door."""
    raw = _yaml(controller.bundle_directory / "activities.yml")
    parents = {
        kind: _parents(controller.bundle.vocabulary, kind) for kind in ("purposes", "categories")
    }
    named: set[tuple[str, str]] = set()
    for activity in raw:
        tops = activity["categories"]
        categories = {c for top in tops for c in _below(parents["categories"], top)}
        purposes = _below(parents["purposes"], activity["purpose"])
        named.update(itertools.product(purposes, categories))
    everything = controller.rules.word(
        Facts(frozenset(f for f in controller.rules.facts if not _impedes(f)))
    )
    contexts = sorted({c for a in raw for c in a["contexts"]} | {"any"})
    count = 0
    for purpose, category in itertools.product(parents["purposes"], parents["categories"]):
        if (purpose, category) in named:
            continue
        for context in contexts:
            count += 1
            ask = Ask(purpose, category, context, region="US")
            if use(controller.rules, ask, everything).allow:
                where = f"`{purpose}` with `{category}` collected in `{context}`"
                yield Finding("the door", f"{where} was allowed, which no activity names")
    yield Looked(count, "uses outside the register, tried at the door")


@control("map.every-column-is-labelled")
def every_column_is_labelled(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Every table and column of every system that can be asked is named in the data map."""
    inspector = controller.inspect()
    for system in inspector.systems:
        mapped = controller.datamap.systems[system].datasets
        try:
            reality = inspector.reality(system)
        except StoreError as problem:
            yield unasked(system, problem)
            continue
        columns = 0
        there = {}
        for dataset in reality:
            there[dataset.name] = dataset
            columns += len(dataset.fields)
            if dataset.name not in mapped:
                yield Finding(system, f"the table `{dataset.name}` is not in the map", _REPAIR)
                continue
            for name in dataset.fields:
                if name not in mapped[dataset.name].fields:
                    where = f"{system}.{dataset.name}"
                    yield Finding(where, f"the column `{name}` is not in the map", _REPAIR)
        for name, dataset in mapped.items():
            if name not in there:
                yield Finding(system, f"the map names a table `{name}` that is not there")
                continue
            for field in dataset.fields:
                if field not in there[name].fields:
                    yield Finding(
                        f"{system}.{name}", f"the map names a column `{field}` that is not there"
                    )
        yield Looked(columns, system, system)


@control("evidence.every-clause-has-a-trail")
def every_clause_has_a_trail(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Every checked clause leads to controls, and they to evidence that the ledger confirms.

    What this pass runs has its evidence at the end of it; and before there was a pass over the
    whole policy nothing is missing yet.
    """
    bundle = controller.bundle
    known = registered()
    size = controller.ledger.size()  # read before the records are: runs come to both meanwhile
    with controller.database.connection() as connection:
        rows = connection.execute("SELECT entry, document FROM control_run").fetchall()
    newest = {e.control: e for e in latest(controller)}
    whole = any(document.get("full") for _, document in rows)
    running = UNDER_WAY.get()
    count = 0
    for clause in bundle.clauses.values():
        if clause.status != "checked":
            continue
        count += 1
        for name in clause.controls:
            if name not in known:
                yield Finding(clause.id, f"its control `{name}` does not exist")
            elif (
                name in newest
                and newest[name].outcome == "error"
                and not all(f.unasked for f in newest[name].findings)
            ):
                yield Finding(clause.id, f"the evidence of `{name}` was altered or broke off")
            elif whole and name not in newest and name not in running:
                yield Finding(clause.id, f"its control `{name}` never ran", "run `kept prove`")
    written = dict(controller.ledger.entries(kind="control.ran"))
    for entry, document in rows:
        if entry not in written or written[entry].body.get("evidence") != digest(document):
            yield Finding("control_run", "a run of a control is not what the ledger holds")
    recorded = {entry for entry, _ in rows}
    last = {str(e.body["control"]): at for at, e in written.items() if at < size}
    for name, at in sorted(last.items()):
        if at not in recorded:
            yield Finding(
                "control_run",
                f"the record of the newest run of `{name}`, entry {at} of the ledger, is gone",
                "find out who took it away, then run `kept prove` again",
            )
    yield Looked(count + len(rows), "checked clauses and runs")


# `wholeness.CONTROL`, written out: names are read from here without running it.
@control("ledger.is-whole")
def ledger_is_whole(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """An independent program finds the whole ledger unaltered, in order and signed.

    So does the ledger itself: it also sees what no copy holds, as under which kind an entry is
    found.
    """
    report = wholeness.look(controller.database, controller.ledger)
    for problem in report.problems:
        yield Finding("the ledger", problem, _RESTORE)
    if not report.ok:  # and it is not signed for once more
        yield Looked(report.entries, "entries of the ledger")
        return
    with tempfile.TemporaryDirectory(prefix="kept-") as scratch:
        target = Path(scratch) / "ledger"
        try:
            controller.ledger.checkpoint(now)
            controller.ledger.export(target)
        except Tampered as problem:
            yield Looked(report.entries, "entries of the ledger")
            yield Finding("the ledger", str(problem), _RESTORE)
            return
        done = subprocess.run(  # noqa: S603 — our own program, a path of our own
            [sys.executable, "-I", "-m", "kept_verify", str(target), "--json"],
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    try:
        said = json.loads(done.stdout)
    except ValueError:
        yield Finding("the ledger", "the independent verifier gave no answer")
        return
    yield Looked(int(said.get("entries") or 0), "entries of the ledger")
    if done.returncode != 0 or not said.get("ok"):
        yield Finding(
            "the ledger",
            "stored entries are not what was signed",
            _RESTORE,
        )


def _yaml(path: Path) -> list[dict[str, Any]]:
    return list(_Loader(path.read_text("utf-8")).get_single_data())


def _parents(vocabulary: Any, kind: str) -> Mapping[str, str | None]:
    return {name: term.parent for name, term in getattr(vocabulary, kind).items()}


def _below(parents: Mapping[str, str | None], above: str) -> set[str]:
    """The terms of a tree that are this one or lie below it."""
    found = {above}
    while more := {n for n, p in parents.items() if p in found} - found:
        found |= more
    return found


def _impedes(fact: str) -> bool:
    return fact.partition(":")[0] in (
        "objection", "withdrawn", "restricted", "child", "isolated", "suppressed", "erased",
        "unjudged",
    )  # fmt: skip
