"""Publication: the policy in force, its versions, its page — and what proves them."""

from __future__ import annotations

import datetime as dt
import html.parser
import http.client
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from typing import Final

from kept.controller import Controller
from kept.controls.registry import Finding, Looked, control
from kept.errors import UsageError
from kept.ledger.entry import Entry, moment, name
from kept.policy import clauses, render, versions
from kept.policy.problem import Problem
from kept.records.version import Version, Versions, archived

_PAGE: Final = "/privacy"
#: The name under which the page says whose it is and which text it shows.
MARK: Final = "kept"


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


def marks(controller: Controller) -> tuple[str, str]:
    """What only a page of this deployment can carry, and what only one with today's text can."""
    text = controller.bundle.text_digest
    return controller.vault.mac("page", b"").hex(), controller.vault.mac(
        "page", text.encode()
    ).hex()


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


class _Page(html.parser.HTMLParser):
    """What a browser would fetch, run or show as headings."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches: list[str] = []
        self.scripts = 0
        self.marks: tuple[str, ...] = ()
        self.ids: list[str] = []
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        """Note the words, without the blanks between them."""
        self.words += data.split()

    def holds(self, pieces: Iterable[str]) -> bool:
        """Whether all of the pieces stand there, one after the other."""
        text, at = "".join(self.words), 0
        for piece in ("".join(p.split()) for p in pieces):
            found = text.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the tag would fetch."""
        values = dict(attrs)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "meta" and values.get("name") == MARK:
            self.marks = tuple(str(values.get("content")).split())
        if tag == "script":
            self.scripts += 1
        source = values.get("src") or values.get("data") or values.get("srcset")
        if tag == "link" and values.get("href"):
            source = values["href"]
        if source:
            self.fetches.append(source)


@control("publication.policy-page-is-clean")
def policy_page_is_clean(controller: Controller, now: dt.datetime) -> Iterator[Looked | Finding]:
    """The policy page shows every section in order, sets no cookie, asks no other host.

    Where another program answers in the place of this deployment, nothing was looked at.
    """
    if controller.site_url is None:
        return
    base = urllib.parse.urlsplit(controller.site_url)
    try:
        kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
        connection = kind(base.hostname or "", base.port, timeout=10)
        connection.request("GET", _PAGE, headers={"Accept": "text/html"})
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    except OSError:
        return  # nothing is served now: nothing was looked at
    page = _Page()
    page.feed(body)
    ours, text = marks(controller)
    if page.marks[:1] != (ours,):
        return  # whoever answers there, it is no page of ours
    yield Looked(1, _PAGE)
    if response.status != 200:
        yield Finding(_PAGE, f"the page answers {response.status}")
        return
    if page.marks != (ours, text):
        yield Finding(
            _PAGE, "the page shows another text than the bundle holds", "restart the server"
        )
    if response.headers.get_all("Set-Cookie"):
        yield Finding(_PAGE, "the page sets a cookie")
    for source in page.fetches:
        host = urllib.parse.urlsplit(urllib.parse.urljoin(controller.site_url, source)).netloc
        if host != base.netloc:
            yield Finding(_PAGE, "the page asks another host for something")
    if page.scripts:
        yield Finding(_PAGE, "the page runs a script")
    wanted = [s.id for s in controller.bundle.sections]
    shown = [i for i in page.ids if i in set(wanted)]
    yield Looked(len(shown), f"{_PAGE} sections")
    if shown != wanted:
        yield Finding(_PAGE, "sections are missing or out of order")
    units = [u for s in render.render(controller.bundle) for u in s.units if u.kind != "title"]
    if not page.holds(segment.words for unit in units for segment in unit.segments):
        yield Finding(_PAGE, "the page does not show the words of the text")
