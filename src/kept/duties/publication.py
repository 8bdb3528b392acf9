"""Publication: the policy in force, its versions, its page — and what proves them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.errors import UsageError
from kept.ledger.entry import Entry, moment, name
from kept.policy import clauses, render, versions
from kept.policy.problem import Problem
from kept.records.version import Version, Versions, archived


def publish(controller: Controller, now: dt.datetime, control_names: set[str]) -> Version:
    """Publish the bundle as it stands: id, date and hashes go into the ledger, the text is kept.

    Refused while `kept policy check` finds problems, and when text or rules changed without a
    new version. Publishing the same version twice returns what was published.
    """
    archive = Versions(controller.database)
    newest = archive.newest(controller.bundle.id)
    published = versions.publish(controller.bundle)
    if newest and newest.published == published:
        return newest
    problems = clauses.check(controller.bundle, control_names, newest.published if newest else None)
    if problems:
        raise UsageError(
            f"the bundle has {len(problems)} problem{'s' * (len(problems) > 1)} and was not"
            f" published; first: {problems[0]}",
            expected="a bundle without problems",
            fix="run `kept policy check` and mend what it lists",
        )
    units = [u for s in render.render(controller.bundle) for u in s.units]
    entry = Entry(
        "policy.published",
        now,
        {
            "policy": name(published.id),
            "version": str(published.version),
            "text": published.text_sha256,
            "rules": published.rules_sha256,
            "archive": archived([(u.kind, u.words) for u in units]),
        },
    )
    with controller.database.connection() as connection:
        index = controller.ledger.append_in(connection, [entry])[0]
        version = Version(
            published,
            tuple(u.words for u in units),
            tuple(u.kind for u in units),
            now,
            index,
        )
        archive.add(connection, version)
    return version


def problems(controller: Controller, control_names: set[str]) -> list[Problem]:
    """What `kept policy check` finds, the published version taken into account."""
    newest = Versions(controller.database).newest(controller.bundle.id)
    return clauses.check(controller.bundle, control_names, newest.published if newest else None)


@control("publication.version-is-dated")
def version_is_dated(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """The version in force has a date, and text and rules are those that were published."""
    bundle = controller.bundle
    entries = [
        e
        for _, e in controller.ledger.entries(kind="policy.published")
        if e.body["policy"] == name(bundle.id)
    ]
    yield Looked(len(entries), "the ledger")
    if not entries:
        return
    last = entries[-1].body
    if last["version"] != str(bundle.version):
        yield Finding(
            "policy.yml", "the version shown was never published", "run `kept policy publish`"
        )
    for what, digest in (("text", bundle.text_digest), ("rules", bundle.rules_digest)):
        if last["version"] == str(bundle.version) and last[what] != digest:
            yield Finding(
                "policy.yml",
                f"the {what} changed after this version was published",
                "give the bundle a new version and date, then publish it",
            )
    if bundle.version > now.date():
        yield Finding("policy.yml", "the version in force lies in the future")


@control("publication.archive-is-complete")
def archive_is_complete(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every version that was ever published can still be read, unaltered.

    The ledger holds a hash over the archived sentences. For a version from before it did, they
    are held against the bundle, while that is still the one whose hash was published; otherwise
    nobody can tell, and this says so.
    """
    bundle = controller.bundle
    with controller.database.connection() as connection:
        rows = connection.execute(
            "SELECT entry, version, text_sha256, rules_sha256, at, units FROM policy_version"
            " WHERE policy = %s ORDER BY entry",
            (bundle.id,),
        ).fetchall()
    kept = {row[0]: row[1:] for row in rows}
    count = 0
    for index, entry in controller.ledger.entries(kind="policy.published"):
        said = entry.body
        if said["policy"] != name(bundle.id):
            continue
        count += 1
        if index not in kept:
            yield Finding("the archive", f"version {said['version']} is not in the archive")
            continue
        version, text, rules, at, units = kept.pop(index)
        if (version, text, rules, moment(at)) != (
            said["version"], said["text"], said["rules"], moment(entry.at),
        ):  # fmt: skip
            yield Finding("the archive", f"version {said['version']} is not what was published")
            continue
        published = said.get("archive")
        if published is None and bundle.text_digest == said["text"]:
            shown = [u for s in render.render(bundle) for u in s.units]
            published = archived([(u.kind, u.words) for u in shown])
        if not units:
            yield Finding("the archive", f"version {version} has no text")
        elif published is None:
            yield Finding(
                "the archive",
                f"whether the text of version {version} was altered cannot be told: it was"
                " published before the ledger held a hash of what is archived",
                "compare it with a copy of that bundle, and keep that copy",
            )
        elif archived(units) != published:
            yield Finding("the archive", f"the text of version {version} was altered")
    if kept:
        yield Finding("the archive", f"{len(kept)} versions in the archive were never published")
    yield Looked(count, "the archive")


@control("publication.contact-points-held-once")
def contact_points_held_once(
    controller: Controller, now: dt.datetime
) -> Iterator[Looked | Finding]:
    """Contact points stand once in the bundle; every other place refers to them."""
    contacts = controller.bundle.organisation
    street = next((line for line in contacts.post if any(c.isdigit() for c in line)), None)
    needles = [n.lower() for n in (contacts.email, street) if n]
    files = sorted(p for p in controller.bundle_directory.rglob("*") if p.suffix in (".yml", ".md"))
    for path in files:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            hit = any(needle in line.lower() for needle in needles)
            if hit and path.name != "policy.yml":
                yield Finding(
                    f"{path.name}:{number}",
                    "a contact point is written out",
                    "use its placeholder instead",
                )
    yield Looked(len(files), "files of the bundle")


@control("publication.references-resolve")
def references_resolve(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every cross-reference of the shown text leads to a part of it."""
    text = (controller.bundle_directory / "text.md").read_text("utf-8")
    codes = set(re.findall(r"\{section=([A-Z][A-Z0-9]*)\}", text))
    named = {words: r.section for words, r in controller.bundle.references.items()}
    count = 0
    for target in [*re.findall(r"\{ref:([^}]+)\}", text), *named]:
        count += 1
        if named.get(target, target) not in codes:
            yield Finding("text.md", "a reference leads nowhere", "mend `references:`")
    yield Looked(count, "references in the text")


@control("publication.terms-are-defined")
def terms_are_defined(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """Every term that the glossary or the text marks as defined has a meaning and a source."""
    bundle = controller.bundle
    for term in bundle.glossary.values():
        if not term.means.strip() or term.source not in bundle.clauses:
            yield Finding("vocabulary.yml", f"the term `{term.term}` has no meaning or no source")
    known = {n for t in bundle.glossary.values() for n in (t.term, *t.aliases)}
    text = (controller.bundle_directory / "text.md").read_text("utf-8")
    used = [m[1] or m[0] for m in re.findall(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]", text)]
    for term_used in sorted({u for u in used if u not in known}):
        yield Finding("text.md", f"the term `{term_used}` is used and not defined")
    yield Looked(len(bundle.glossary) + len(used), "terms")
