"""`kept map`: where personal data lies, and whether that is still true."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter

from kept import deployment
from kept.app.commands.common import COMMON, Common, moment, opened
from kept.app.commands.slow import slowly
from kept.app.commands.undecided import undecided
from kept.app.fit import Exact
from kept.app.output import table
from kept.datamap import check as checking
from kept.datamap import fides, load
from kept.datamap.map import DataMap
from kept.datamap.searches import searches
from kept.deployment import Deployment, toml
from kept.duties import security
from kept.errors import ConfigError, KeptError, StoreUnreachable, UsageError
from kept.model.safety import ASPECTS
from kept.policy import bundle as policy_bundle
from kept.stores import open_store
from kept.stores.discover import SAMPLE, Discovery, discover, document, draft, questions
from kept.stores.indexes import Unindexed, unindexed
from kept.stores.relational import SqlStore
from kept.terms.words import many

#: What makes a known system one that can be asked.
TO_CONNECT: Final = (
    "to connect it, write `store`, `url` and `map` under [systems.{}] in kept.toml"
    " (docs/how-to/connect-a-database.md)"
)
group = App(name="map", help="Where personal data lies, and whether that is still true.")


def register(app: App) -> None:
    """Add the group to the command line."""
    app.command(group)


@group.command
def check(*, common: Common = COMMON) -> int:
    """The map against its own words, against the policy, and against what is really there.

    A system without a store is named; exit status 1 is for what is amiss, and for a system that
    does not answer.
    """
    config = deployment.read(common.directory)
    with common.out.progress("looking into the systems"):
        met = look(config)
    systems, problems = met.datamap.systems, met.problems
    notes = [*((system, one) for system, one, _ in met.undecided), *met.notes]
    to_decide = sum(count for *_, count in met.undecided)
    datasets = sum(len(s.datasets) for s in systems.values())
    document = {
        "systems": len(systems),
        "datasets": datasets,
        "problems": [{"where": p.where, "what": p.what, "fix": p.fix} for p in problems],
        "unreached": [{"store": s, "why": why} for s, why in met.unreached.items()],
        "unconnected": [{"store": s, "why": why} for s, why in met.unconnected.items()],
        "undecided": to_decide,
        "notes": [{"store": s, "words": one} for s, one in notes],
        "unindexed": [one.document() for one in met.slow],
    }
    words: list[str] = [str(p) for p in problems]
    words += [f"{system}: {one}" for system, one in notes]
    words += [f"{system} could not be looked into: {why}" for system, why in met.unreached.items()]
    words += [
        f"{system} cannot be asked, and every answer says so: {why}; {TO_CONNECT.format(system)}"
        for system, why in met.unconnected.items()
    ]
    words += slowly(met.slow)
    if words:
        words.append("")
    words.append(
        f"{many(datasets, 'dataset')} in {many(len(systems), 'system')}, "
        + (many(len(problems), "problem") if problems else "no problems")
        + (f", {to_decide:,} to decide" if to_decide else "")
        + (f", {many(len(met.unreached), 'system')} not looked into" if met.unreached else "")
        + (f", {many(len(met.unconnected), 'system')} not connected" if met.unconnected else "")
        + "."
    )
    common.out.result(document, words)
    return 1 if problems or met.unreached else 0


@group.command
def show(*, common: Common = COMMON) -> int:
    """Systems, datasets, and which fields hold personal data."""
    config = deployment.read(common.directory)
    datamap = config.read_map()
    systems: list[dict[str, Any]] = []
    rows: list[tuple[Any, ...]] = []
    for system in datamap.systems.values():
        datasets = []
        for d in system.datasets.values():
            personal = {f.name: f.category for f in d.personal}
            datasets.append(
                {
                    "dataset": d.name,
                    "title": d.title,
                    "key": list(d.key),
                    "retention": d.retention,
                    "erase": d.on_erase.value,
                    "shared": d.shared.value if d.shared else None,
                    "personal": personal,
                    "fields": len(d.fields),
                }
            )
            rows.append(
                (f"{system.name}.{d.name}", d.retention or "–",
                 d.shared.value if d.shared else d.on_erase.value, len(d.fields),
                 ", ".join(personal) or "–")
            )  # fmt: skip
        systems.append(
            {
                "system": system.name,
                "title": system.title,
                "country": system.country,
                "mode": system.mode.value,
                "store": system.store,
                "datasets": datasets,
            }
        )
    words: list[str] = [
        table(
            ("system", "mode", "store", "country", "title"),
            [
                (s.name, s.mode.value, s.store or "none yet", s.country or "–", s.title or "–")
                for s in datamap.systems.values()
            ],
        ),
        "",
        table(("dataset", "retention", "erase", "#fields", "personal"), rows),
    ]
    common.out.result({"systems": systems, "digest": datamap.digest}, words)
    return 0


@group.command
def places(
    *,
    now: Annotated[str | None, Parameter(help="the moment to judge at (for tests)")] = None,
    common: Common = COMMON,
) -> int:
    """The register of places where data lies: country, owner, and how safe each is.

    Encryption, the way there and who can reach it are measured where that can be done; else a
    person vouches for it in kept.toml. Exit status 1: a place is not safe, or nobody knows.
    """
    at = moment(now)
    with opened(common) as (controller, _), common.out.progress("looking at the places"):
        rows = security.register(controller, at)
    words: list[str] = []
    for row in rows:
        head = f"{row.system}: {row.title or 'no title'}"
        words += [
            head,
            f"  country    {row.country or 'not said'}",
            f"  owner      {row.owner or 'not said'}",
        ]
        for one in row.standing:
            mark = {True: "", False: "NOT SAFE: ", None: "NOT KNOWN: "}[one.safe]
            words.append(f"  {ASPECTS[one.aspect]:<18} {mark}{one.words}")
            if one.fix:
                words.append(f"    {one.fix}")
        words.append("")
    bad = sum(not one.safe for row in rows for one in row.standing)
    bad += sum(not said for row in rows for said in (row.country, row.owner))
    words.append(
        f"{many(len(rows), 'place')}, " + (f"{bad} to mend." if bad else "all known safe.")
    )
    common.out.result({"places": [row.document() for row in rows]}, words)
    return 1 if bad else 0


#: Seconds that one statement of a discovery may take.
_PATIENCE: Final = 60.0


@group.command(name="discover")
def find(
    url: Annotated[
        str, Parameter(help="the database: postgresql://…, mariadb://… or sqlite:///…, or env:NAME")
    ],
    /,
    *,
    sample: Annotated[int, Parameter(help="rows looked at in each table", negative="")] = SAMPLE,
    full: Annotated[bool, Parameter(help="compare all rows, however long", negative="")] = False,
    write: Annotated[Path | None, Parameter(help="write a draft of the map here")] = None,
    system: Annotated[str | None, Parameter(help="what the map calls the system")] = None,
    retention: Annotated[
        str | None,
        Parameter(
            help="retention class of the draft's personal data (default: guessed from the bundle)"
        ),
    ] = None,
    common: Common = COMMON,
) -> int:
    """Find personal data and whose it is in a database, also where nothing is declared.

    Reads only, in one snapshot; prints names, words and counts, never a value. Ctrl-C stops it;
    nothing is written then. Exit status 1: a table could not be read.
    """
    if sample < 1:
        raise UsageError("`--sample` is too small", expected="a whole number from 1 on")
    if write is not None and write.exists():
        raise UsageError(
            "the file of `--write` is there already",
            expected="a new file: a map that somebody wrote is never overwritten",
            fix="name another file, and compare the two",
        )
    name = system or (write.stem if write is not None else "discovered")
    classes = _classes(common, retention) if write is not None else {}
    store = _open(url, name)
    out = common.out
    try:
        with out.counting("looking into the database") as (begin, step):
            found = discover(
                store,
                year=dt.datetime.now(dt.UTC).year,
                sample=None if full else sample,
                begin=begin,
                step=step,
            )
    except (StoreUnreachable, ConfigError) as problem:
        # The URL was given here, and no kept.toml need exist.
        what = problem.what.replace(f"`url` of `{name}`", "URL")
        problem.what = what.replace(f"of `{name}`", "of the URL")
        in_file = "the system's `url` in kept.toml"
        problem.fix = (problem.fix or "").replace(in_file, "the URL").replace(" in kept.toml", "")
        raise
    finally:
        store.close()
    if write is not None:
        write.parent.mkdir(parents=True, exist_ok=True)
        write.write_text(draft(found, name, classes), "utf-8")
    words = _summary(found)
    if write is not None:
        left = sum(questions(found, one) for one in found.datasets)
        words.append(f"A draft of the map is in {write}. {many(left, 'question')} marked `# ?`.")
    else:
        words.append("`--json` tells the evidence; `--write FILE` drafts a map.")
    out.result(document(found), words)
    for dataset, why in found.unseen.items():
        out.warn(f"`{dataset}` could not be read: {why}")
    if found.left_out:
        out.warn(
            f"Without the extra `discover`, {' and '.join(found.left_out)}. "
            "To have that too, install `kept[discover]`."
        )
    return 1 if found.unseen else 0


def _classes(common: Common, given: str | None) -> dict[str, str]:
    """Retention classes for the draft: the one given, else the bundle's that no law keeps."""
    if given is not None:
        return {given: ""}
    if not (common.directory / "kept.toml").is_file():
        return {}
    loaded = policy_bundle.load(deployment.read(common.directory).bundle)
    return {c.id: c.category for c in loaded.retention.values() if c.law is None}


_URLS: Final = "postgresql://…, mariadb://… or sqlite:///path/to/file"
_SQL: Final = ("postgresql", "mariadb", "sqlite")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _open(url: str, system: str) -> SqlStore:
    if url.startswith("env:"):
        variable = url.removeprefix("env:")
        given = os.environ.get(variable)
        if given is None:
            known = _NAME.fullmatch(variable) is not None
            raise UsageError(
                "the environment variable of the URL is not set",
                expected=f"env:NAME, with {_URLS} in it",
                met=f"no `{variable}`" if known else "no name of a variable",
                fix=f"set it first: export {variable if known else 'NAME'}=…",
            )
        url = given
    kind = url.partition("://")[0].partition("+")[0] if "://" in url else ""
    kind = {"postgres": "postgresql"}.get(kind, kind)
    if kind not in _SQL:
        plain = not kind and (Path(url).exists() or url.endswith((".db", ".sqlite", ".sqlite3")))
        raise UsageError(
            "this is no URL of a database that discovery can read",
            expected=_URLS,
            met=f"{kind}://…" if _NAME.fullmatch(kind) else "no URL",
            fix="write sqlite:/// before the path of the file" if plain
            else "MariaDB is mariadb://; MySQL is not read" if kind == "mysql"
            else "write it in one of these ways, or keep it in the environment as env:NAME",
        )  # fmt: skip
    store = open_store(kind, system, (), url, {"statement_timeout": _PATIENCE})
    assert isinstance(store, SqlStore)
    return store


def _summary(found: Discovery) -> list[str]:
    rows: list[tuple[object, ...]] = []
    for one in found.datasets.values():
        personal = {v.category: None for v in one.fields.values() if v.category is not None}
        asked = questions(found, one.profile.name)
        to = [
            f"{link.kind.value} {link.to}"
            for link in one.links
            if found.datasets[link.to].person is not None
        ]
        size = one.profile.size
        shown = "–" if size is None else f"{size:,}" if one.profile.exact else f"~{size:,}"
        named = any(v.identifies for v in one.fields.values())
        whose = one.person or ("by its addresses" if named else "nobody's")
        whose = "view" if one.profile.table.view else whose
        rows.append(
            (one.profile.name, shown, whose, ", ".join(dict.fromkeys(to)) or "–",
             ", ".join(personal) or "–", asked or "–")
        )  # fmt: skip
    head = ("dataset", "#rows", "whose", "people it leads to", "personal", "#to decide")
    words = [table(head, rows), ""]
    held = sum(any(v.category for v in d.fields.values()) for d in found.datasets.values())
    words.append(f"{many(len(found.datasets), 'dataset')}, {held:,} with personal data.")
    return words


@group.command(name="import-fides")
def import_fides(
    file: list[Path],
    /,
    *,
    write: Annotated[
        Path | None, Parameter(help="the directory for the maps, one file per dataset")
    ] = None,
    retention: Annotated[
        str | None, Parameter(help="the retention class to write to every personal dataset")
    ] = None,
    common: Common = COMMON,
) -> int:
    """Maps from dataset files in the format of Fides; what cannot be carried over is named.

    Nothing that is there already is written over. Without --write the maps are shown.
    """
    try:
        texts = {str(path): path.read_text("utf-8") for path in file}
    except (OSError, UnicodeDecodeError):
        raise UsageError("a file cannot be read", expected="YAML files in UTF-8") from None
    made = fides.convert(texts, retention)
    written: dict[str, Path] = {}
    words: list[str] = []
    if write is None:
        words += [part for text in made.maps.values() for part in (Exact(text), "")]
    else:
        written = {system: write / f"{_file_name(system)}.yml" for system in made.maps}
        there = [path for path in written.values() if path.exists()]
        if there or len(set(written.values())) < len(written):
            raise UsageError(
                "a map is there already, and was left alone",
                where=str(there[0] if there else write),
                fix="name another directory, or remove it first",
            )
        write.mkdir(parents=True, exist_ok=True)
        for system, path in written.items():
            path.write_text(made.maps[system], "utf-8")
    problems = load.read(written)[1] if written else []
    words += [str(note) for note in (*made.notes, *problems)]
    words += [f"Written: {path}" for path in written.values()]
    words.append(
        f"{many(len(made.maps), 'map')}, {many(len(made.notes), 'note')}."
        " Next: name the systems in kept.toml, then `kept map check`."
    )
    document = {
        "maps": {s: str(written[s]) if written else text for s, text in made.maps.items()},
        "notes": [{"where": n.where, "what": n.what, "fix": n.fix} for n in made.notes],
        "problems": [{"where": p.where, "what": p.what, "fix": p.fix} for p in problems],
    }
    common.out.result(document, words)
    return 1 if problems else 0


def _file_name(system: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in system) or "_"


@dataclass
class Look:
    """What was met. `unread`: systems whose map cannot be read; `unreached`: those that do not
    answer; `unconnected`: those without a store (both: why). `undecided`: (system, what is left
    to decide, how many); `notes`: (system, what its store wants known).
    `slow`: searches that no index serves."""

    datamap: DataMap
    problems: list[checking.Problem]
    unread: set[str]
    unreached: dict[str, str]
    unconnected: dict[str, str]
    undecided: list[tuple[str, str, int]]
    notes: list[tuple[str, str]]
    slow: list[Unindexed]


def look(config: Deployment) -> Look:
    """The map, what is amiss with it, and what the systems say to it."""
    loaded = policy_bundle.load(config.bundle)
    datamap, problems = config.look_at_map()
    laws = {r.id for r in loaded.retention.values() if r.law is not None}
    problems += checking.check(
        datamap,
        set(loaded.vocabulary.categories),
        set(loaded.retention),
        set(loaded.activities),
        laws,
    )
    problems += _asked(config, datamap)
    # Of a map that cannot be read nothing else is said: all of it would be missing.
    unread = {name for name, s in datamap.systems.items() if s.file and not s.datasets}
    stores, unconnected = config.open_stores(datamap)
    left = list(undecided(datamap, loaded.vocabulary))
    met = Look(datamap, problems, unread, {}, unconnected, left, [], [])
    wanted = searches(datamap)
    try:
        for name, store in stores.items():
            if name in unread:
                continue
            try:
                met.problems += checking.compare(datamap.systems[name], store.datasets(), laws)
                met.notes += [(name, words) for words in store.notes()]
                met.slow += unindexed(store, wanted.get(name, ()))
            except KeptError as problem:
                met.unreached[name] = str(problem)
    finally:
        for store in stores.values():
            store.close()
    met.problems = sorted(set(met.problems))
    return met


def _asked(config: Deployment, datamap: DataMap) -> Iterator[checking.Problem]:
    """Questions of [desk.facts] to which no answer can ever be right."""
    file = config.directory / deployment.FILE
    for place, what, fix in checking.unasked(datamap, config.desk.facts):
        yield checking.Problem(
            toml.where(file, f'"{place}"'),
            f"[desk.facts] asks for `{place}`, where a field of the map is expected"
            f" (SYSTEM.DATASET.FIELD), but {what}: no answer can be right",
            fix,
        )
