"""`kept new`: a small deployment that works at once, to be changed into one's own."""

from __future__ import annotations

import json
import shutil
import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

from cyclopts import App, Parameter

from kept.app.commands.common import COMMON, Common, clone, moment, next_command
from kept.app.output import table
from kept.deployment import FILE, Deployment
from kept.duties import staff
from kept.errors import UsageError
from kept.policy import bundle as policy_bundle
from kept.policy.bundle import Bundle
from kept.policy.shapes import Activity
from kept.records.account import refuse_name

_EXAMPLE: Final = "example.sqlite3"
_NEXT: Final = (
    ("doctor",),
    ("policy", "publish"),
    ("rights", "access", "--identity", "email=ana@example.org", "--override", "a try"),
    ("serve",),
)


def register(app: App) -> None:
    """Add the command to the command line."""
    app.command(new)


def new(
    directory: Annotated[
        Path | None, Parameter(help="a new or empty one; --dir names it as well")
    ] = None,
    /,
    *,
    bundle: Annotated[
        Path | None,
        Parameter(help="the policy bundle to begin with; copied (default: the reference bundle)"),
    ] = None,
    organisation: Annotated[
        str | None, Parameter(help="the name of yours, for which the policy speaks")
    ] = None,
    officer: Annotated[
        str, Parameter(help="the name with which the first privacy officer logs in at the desk")
    ] = "officer",
    common: Common = COMMON,
) -> int:
    """Write a small working deployment into a new or empty directory, with example data."""
    if directory is not None and common.dir is not None:
        raise UsageError(
            "two directories are named", expected="one", fix="name it alone, without --dir"
        )
    directory = directory or common.dir
    if directory is None:
        raise UsageError(
            "no directory is named",
            expected="a new or empty directory",
            fix="name one: `kept new DIR`",
        )
    refuse_name(officer)
    source = bundle or _reference()
    made = policy_bundle.load(source)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            "a deployment needs a directory of its own",
            where=str(directory),
            expected="a new or empty directory",
            met="one with files in it" if directory.is_dir() else "a file",
            fix="name another directory",
        )
    try:
        # A password may come to stand in it, and personal data beside it.
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        (directory / "datamap").mkdir()
        shutil.copytree(source, directory / "policy")
        (directory / "datamap" / "example.yml").write_text(_map(made), "utf-8")
        if organisation is not None:
            _named(directory / "policy" / "policy.yml", made.organisation.name, organisation)
        (directory / FILE).touch(0o600)
        (directory / FILE).write_text(_toml(made, organisation), "utf-8")
        (directory / ".gitignore").write_text(_IGNORED, "utf-8")
        _database(directory / _EXAMPLE)
        password = staff.write_first(directory, officer, "Privacy officer", moment(None))
    except OSError as problem:
        raise UsageError(
            "the deployment cannot be written there",
            where=str(directory),
            met=problem.strerror or type(problem).__name__,
            fix="name a directory in which you may write",
        ) from None
    files = sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())
    words: list[str] = [
        f"A deployment was written to {directory.resolve()}",
        "",
        "  kept.toml             which policy, which database, which systems",
        "  policy/               the policy bundle, yours to change",
        "  datamap/example.yml   where personal data lies in the example database",
        f"  {_EXAMPLE}       an example database with two made-up customers",
        "",
        "Next:",
        *_first(made, organisation),
        *(f"  {next_command(words, directory)}" for words in _NEXT),
        "",
        "The desk is at /desk while `serve` runs. The first privacy officer logs in with",
        table(("", ""), [("  name", officer), ("  password", password)]),
        "It is shown this once, is good for seven days and has to be changed at the first login.",
        "",
        "Nothing is written into a system yet: its mode is observe. kept.toml says how to go on.",
    ]
    first = {"name": officer, "password": password}
    document = {"directory": str(directory.resolve()), "files": files, "officer": first}
    common.out.result(document, words)
    return 0


def only_example(config: Deployment) -> bool:
    """Whether a deployment has no system but the example database, or none."""
    return all(s.url == str(config.directory / _EXAMPLE) for s in config.systems.values())


def _named(policy: Path, old: str, new: str) -> None:
    """Put the name of an organisation in the place of another's, in policy.yml."""
    text = policy.read_text("utf-8")
    line, said = f"\n  name: {old}\n", json.dumps(new, ensure_ascii=False)
    if text.count(line) != 1:
        raise UsageError(
            "the bundle writes its organisation's name in another form",
            where=str(policy),
            fix="leave --organisation out, and change `organisation:` there by hand",
        )
    # The name stands once more, at the head of the address for letters.
    for head in ("  name:", "      -"):
        text = text.replace(f"\n{head} {old}\n", f"\n{head} {said}\n")
    policy.write_text(text, "utf-8")


def _first(bundle: Bundle, organisation: str | None) -> list[str]:
    """What is to be decided before a version is published, since each change makes another."""
    lines = (
        [
            f"  put the addresses of {organisation} in the place of {bundle.organisation.name}'s:"
            " `organisation:` in policy/policy.yml"
        ]
        if organisation
        else [
            f"  put your organisation in the place of {bundle.organisation.name}:"
            " `organisation:` in policy/policy.yml",
        ]
    )
    if any(choice.value is None for choice in bundle.choices.values()):
        lines.append("  decide what the policy leaves open: [choices] in kept.toml")
    return lines


def _reference() -> Path:
    """The bundle that policies/.default names."""
    root = clone()
    try:
        if root is not None:
            return root / "policies" / (root / "policies" / ".default").read_text("utf-8").strip()
    except OSError:
        pass
    raise UsageError(
        "there is no reference bundle here",
        expected="the folder policies/ of a clone, beside src/",
        fix="name a bundle with --bundle DIR",
    )


_IGNORED: Final = """\
# Kept's own database and keys stay on this machine, and so does what was packed for a person.
/postgres/
/keys/
*.zip
"""


def _toml(bundle: Bundle, organisation: str | None) -> str:
    periods = bundle.periods
    whose = "" if organisation is None else f"organisation = {json.dumps(organisation)}\n"
    head = f"""\
# A deployment of Kept. Paths are relative to this file. Secrets never stand here: write
# "env:NAME" and the value is read from the environment.

bundle = "policy"
{whose}database = "embedded"             # or "postgresql://…", or "env:NAME"

# What the public page shows of how the policy is kept: "text" (nothing), "checks" (checks that
# passed, with their date) or "live" (how every sentence stands).
[site]
host = "127.0.0.1"
port = 8790
shows = "text"

# How mail goes to people who ask on /privacy/requests; until it is set the page takes nothing.
# [mail]
# url = "smtp://mail.example:587"  # or "smtps://…", or a folder in which letters are laid
# from = "privacy@mail.example"

[api]
token = "env:KEPT_API_TOKEN"      # not set: the API for other programs is closed

# Whose weekends and public holidays (ISO 3166) and whose midnight count for the last day of an
# answer. Not set: those of the country that the policy names, and UTC.
# [desk]
# country = "CY"
# zone = "Asia/Nicosia"

# What nobody can measure of the whole house: when updates were brought in last, and when data was
# really brought back from a backup. `kept measure list` shows what is missing.
# [measures]
# updates = {{by = "NAME", date = 2026-01-31, how = "…"}}
# restore = {{by = "NAME", date = 2026-01-31, how = "…"}}

# Where personal data lies. A system that has no store yet belongs here too: it is known, and
# every answer says that it could not be asked.
# store and url: "postgresql" and "postgresql://…", "mariadb" and "mariadb://…", "sqlite" and a file
# owner: who answers for the place. declared: what nobody can measure of it, on a person's word;
# `kept map places` shows what is missing, of Kept's own place as well (under [own]).
# mode: "observe" (nothing is written), "assisted" (a person carries the statements out), "act"
# (Kept writes, and reads back). Stay in observe until access finds what you find by hand.
[systems.example]
store = "sqlite"
url = "{_EXAMPLE}"
mode = "observe"
map = "datamap/example.yml"
"""
    asked = [c for c in bundle.choices.values() if c.value is None]
    if not asked:
        return head
    lines = [
        "",
        "# What the policy leaves open is yours to decide; until then what rests on it stays open.",
        "# Take the # away and put your own value in. A value is one of these:",
        '#   "P30D"             a period: days (P30D), months (P24M) or years (P10Y)',
        "#   true, false        yes or no",
        "#   20                 a number",
        '#   "strict"           a word, a sentence, or the address of a document',
        '#   ["open", "click"]  several of these',
        "[choices]",
    ]
    for choice in asked:
        lines += [f"# {line}" for line in textwrap.wrap(choice.asks, 96)]
        lines += [f'# "{choice.name}" = ' + ('"P…"' if choice.name in periods else '"…"'), ""]
    return head + "\n".join(lines).rstrip() + "\n"


def _map(bundle: Bundle) -> str:
    person, message, purchase = (
        _word(bundle, word) for word in ("contact", "free-text", "transaction.paid")
    )
    return f"""\
system: example
title: Example database
country: {bundle.organisation.country}
datasets:
  customer:
    title: Customers
    key: [customer_id]
    origin: provided
    retention: {_class(bundle, person)}
    activities: {_activities(bundle, person)}
    fields:
      customer_id:
        {{type: integer, category: identifier.account, identifies: account, nullable: false}}
      name: {{category: contact.name, identifies: name}}
      email: {{category: contact.email, identifies: email}}
      country: text
      created_at: datetime
  message:
    title: Messages from customers
    key: [message_id]
    origin: provided
    retention: {_class(bundle, message)}
    activities: {_activities(bundle, message)}
    fields:
      message_id: {{type: integer, nullable: false}}
      customer_id: {{type: integer, category: identifier.account}}
      words: {{category: {message}, free_text: redact}}
      sent_at: datetime
    links:
      - {{fields: [customer_id], to: customer, on: [customer_id], kind: owned-by}}
  purchase:
    title: What customers bought
    key: [purchase_id]
    origin: provided
    retention: {_class(bundle, purchase)}
    clock: made_at
    activities: {_activities(bundle, purchase)}
    fields:
      purchase_id: {{type: integer, nullable: false}}
      customer_id: {{type: integer, category: identifier.account, nullable: false}}
      title: {{category: {purchase}}}
      price: {{type: decimal, category: {purchase}}}
      made_at: datetime
    links:
      - {{fields: [customer_id], to: customer, on: [customer_id], kind: owned-by}}
"""


def _word(bundle: Bundle, category: str) -> str:
    """A category as the activities of the bundle name it: itself, or the first below it."""
    named = [c for a in _serving(bundle) for c in a.categories]
    within = bundle.vocabulary.within
    if any(within("categories", category, c) for c in named):
        return category
    return next((c for c in named if within("categories", c, category)), category)


def _class(bundle: Bundle, category: str) -> str:
    """The retention class for a category: its own, else one above it, else the first."""
    within = bundle.vocabulary.within
    classes = bundle.retention.values()
    own = [c.id for c in classes if c.category == category]
    above = [c.id for c in classes if within("categories", category, c.category)]
    return next(iter((*own, *above, *bundle.retention)))


def _activities(bundle: Bundle, category: str) -> str:
    """Activities of the bundle that may hold a category, as a YAML list."""
    within = bundle.vocabulary.within
    names = [
        a.id
        for a in _serving(bundle)
        if any(within("categories", category, c) for c in a.categories)
    ]
    return f"[{', '.join(names[:1])}]"


def _serving(bundle: Bundle) -> list[Activity]:
    """Activities for which data is collected: not those that touch whatever is held."""
    touching = {a.id for purpose in ("rights", "storage") for a in bundle.serving(purpose)}
    return [a for a in bundle.activities.values() if a.id not in touching]


_TABLES: Final = """\
CREATE TABLE customer (
    customer_id INTEGER PRIMARY KEY, name TEXT, email TEXT, country TEXT, created_at TIMESTAMP);
CREATE TABLE message (
    message_id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customer,
    words TEXT, sent_at TIMESTAMP);
CREATE TABLE purchase (
    purchase_id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer,
    title TEXT, price DECIMAL(10, 2), made_at TIMESTAMP);
CREATE INDEX message_customer ON message (customer_id);
CREATE INDEX purchase_customer ON purchase (customer_id);
INSERT INTO customer VALUES
    (1, 'Ana Example', 'ana@example.org', 'DE', '2025-03-01 09:30:00'),
    (2, 'Ben Example', 'ben@example.org', 'US', '2025-05-12 14:05:00');
INSERT INTO message VALUES
    (1, 1, 'Does it run on my machine?', '2025-03-02 10:00:00'),
    (2, 1, 'It does, thank you.', '2025-03-03 08:15:00'),
    (3, 2, 'Please call me back.', '2025-05-13 16:40:00');
INSERT INTO purchase VALUES
    (1, 1, 'A year of the service', 120.00, '2025-03-04 11:20:00'),
    (2, 2, 'A month of the service', 12.00, '2025-05-14 09:00:00');
"""


def _database(path: Path) -> None:
    path.touch(0o600)  # its neighbours (journals) get the same mode
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_TABLES)
