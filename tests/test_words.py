"""What never stands in the code: a way past the door, clause ids, people, loose ends."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "src" / "kept"
CODE = sorted([*(ROOT / "src").rglob("*.py")])
SHIPPED = sorted(
    path
    for path in (ROOT / "src").rglob("*")
    if path.suffix in {".py", ".sql", ".j2", ".html", ".json", ".css", ".yml", ".toml"}
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


# Sessions on a company's stores: only the door and the stores themselves open one.


def sessions(text: str) -> list[int]:
    """Lines that call `.session(…)` on anything."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "session"
    ]


def test_only_the_controller_opens_a_session() -> None:
    elsewhere = [
        f"{name_of(path)}:{line}"
        for path in CODE
        if path.relative_to(ROOT / "src").parts[1:2] not in {("controller",), ("controller.py",)}
        and "stores" not in path.relative_to(ROOT / "src").parts
        for line in sessions(path.read_text(encoding="utf-8"))
    ]
    assert not elsewhere, f"go through the controller: {elsewhere}"


def test_a_planted_session_is_found() -> None:
    assert sessions("def f(store):\n    with store.session(write=True) as s:\n        pass") == [2]
    assert sessions("session(1)") == []


# Clause ids belong to bundles and tests; the code cites articles, RFCs and control names.


def clause_ids() -> re.Pattern[str]:
    names: set[str] = set()
    for file in sorted((ROOT / "policies").glob("*/clauses.yml")):
        names |= set(yaml.safe_load(file.read_text(encoding="utf-8")) or ())
    names.discard("format")
    assert len(names) > 100
    return re.compile(rf"(?<![A-Z0-9-])({'|'.join(sorted(map(re.escape, names)))})(?![\d-])")


def test_no_clause_id_in_the_code() -> None:
    ids = clause_ids()
    assert ids.search("keeps RET-2.")
    assert not ids.search("RET-2000 or FORRET-2")
    met = [
        f"{name_of(path)}: {found[0]}"
        for path in SHIPPED
        if (found := ids.search(path.read_text(encoding="utf-8")))
    ]
    assert not met, f"cite the article or the control instead: {met}"


# Nor anything else of a bundle: another one has to run through the same code.


def words_of_bundles() -> re.Pattern[str]:
    """What only one organisation would say: its name, addresses, streets, sections, recipients."""
    found: set[str] = set()
    for file in sorted((ROOT / "policies").glob("*/policy.yml")):
        policy = yaml.safe_load(file.read_text(encoding="utf-8"))
        contacts = policy["organisation"]["contacts"]
        found |= {policy["id"], policy["title"], policy["organisation"]["name"], contacts["email"]}
        found |= {line for line in contacts["post"] if len(line) > 8}
        found |= {site.partition("://")[2] for site in policy["sites"]}
    assert len(found) > 10
    shipped = "|".join(sorted(map(re.escape, found)))
    return re.compile(rf"(?<![\w.])({shipped})(?!\w)", re.IGNORECASE)


def own_terms() -> set[str]:
    """Terms that a bundle adds to the vocabulary; those that are plain words say nothing."""
    found: set[str] = set()
    for file in sorted((ROOT / "policies").glob("*/vocabulary.yml")):
        words = yaml.safe_load(file.read_text(encoding="utf-8"))
        for kind in ("purposes", "categories", "recipients", "channels"):
            found |= {name for name, term in words.get(kind, {}).items() if term}
    found = {name for name in found if "-" in name or "." in name}
    assert len(found) > 20
    return found


def test_no_word_of_a_bundle_in_the_code() -> None:
    words, terms = words_of_bundles(), own_terms()
    for planted in ("Welcome to interop.io.", "write to DATENSCHUTZ@huettenbund.example"):
        assert words.search(planted)
    quoted = re.compile(rf"[\"']({'|'.join(sorted(map(re.escape, terms)))})[\"']")
    assert quoted.search('if purpose == "partner-contact":')
    met = [
        f"{name_of(path)}: {found[0]}"
        for path in SHIPPED
        for pattern in (words, quoted)
        if (found := pattern.search(path.read_text(encoding="utf-8")))
    ]
    assert not met, f"take it from the bundle: {met}"


# Messages hold no person: an f-string of a raised error may not show what could name one.

#: Last part of a name whose value can be personal, in rooms that handle people.
PERSONAL = re.compile(
    r"^(value|values|identifiers?|identity|identities|email|phone|name_value|person|people_values"
    r"|row|rows|record|key_values|needles?|params|parameters|subject|exc|error|err|e)$"
)
PEOPLE = ("controller", "decide", "duties", "keys", "ledger", "records", "stores")


def shown(text: str) -> Iterator[tuple[int, str]]:
    """(line, name) of what the message of a raised error shows."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        for part in ast.walk(node.exc):
            inner: ast.expr | None = None
            if isinstance(part, ast.FormattedValue):
                inner = part.value
            elif isinstance(part, ast.Call) and isinstance(part.func, ast.Name):
                inner = part.args[0] if part.func.id in ("str", "repr") and part.args else None
            if isinstance(inner, ast.Name):
                yield part.lineno, inner.id
            elif isinstance(inner, ast.Attribute):
                yield part.lineno, inner.attr


def test_no_message_shows_a_person() -> None:
    files = [
        path
        for path in CODE
        if path.relative_to(KEPT.parent).parts[1:2]
        and (
            path.relative_to(KEPT.parent).parts[1].removesuffix(".py") in PEOPLE
            or path.name == "identifiers.py"
        )
    ]
    assert len(files) > 15
    met = [
        f"{name_of(path)}:{line}: {name}"
        for path in files
        for line, name in shown(path.read_text(encoding="utf-8"))
        if PERSONAL.match(name)
    ]
    assert not met, f"say what was expected, not what was met: {met}"


@pytest.mark.parametrize(
    "text",
    [
        "raise E(f'no {identifier}')",
        "raise E('x', met=f'{row.value!r}')",
        "raise E(str(error)) from error",
        "raise E(repr(row))",
    ],
)
def test_a_planted_person_is_found(text: str) -> None:
    assert [name for _, name in shown(text) if PERSONAL.match(name)]


def test_kinds_and_counts_may_be_shown() -> None:
    text = "raise E(f'{dataset.name}: {len(rows)} rows, {type(error).__name__}')"
    assert not [name for _, name in shown(text) if PERSONAL.match(name)]


# Loose ends.

LOOSE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")


def test_no_loose_ends_in_the_code() -> None:
    assert LOOSE.search("# TO" + "DO: later")
    met = [name_of(p) for p in SHIPPED if LOOSE.search(p.read_text(encoding="utf-8"))]
    assert not met, f"finish it, or leave it out and say so in the clause's notes: {met}"


# The repository speaks of itself alone.


def tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git clone, so there is no list of its files (../shared neither)")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def strangers() -> re.Pattern[str]:
    """Paths of this machine, and addresses of package indexes."""
    places = {re.escape(str(ROOT)) + r"(?=[/\s\"'])"}
    if len(Path.home().parts) > 1:
        places.add(re.escape(str(Path.home())) + "/")
    indexes = [r"index-url\s*[=:]\s*\S", r"find-links\s*[=:]\s*\S", r"registry\s*=\s*http"]
    return re.compile("|".join([*sorted(places), r"/(home|Users)/[a-z]\w+/", *indexes]))


def test_no_path_of_a_machine_and_no_index_address() -> None:
    pattern = strangers()
    assert pattern.search("see /home/" + "mia/kept")
    met = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        met += [
            f"{name_of(path)}:{text[: found.start()].count(chr(10)) + 1}: {found[0]}"
            for found in pattern.finditer(text)
        ]
    assert not met, met


def test_the_core_stays_small() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if re.match(r"[a-zA-Z0-9]", line)]
    assert 20 < len(names) < 80
    assert all("==" in name and name.endswith("\\") for name in names), "each pinned, each hashed"
    assert not [line for line in lines if line.startswith("-")], "no options, no addresses"


# A message that names a page of the documentation leads to one that is there.


def test_pages_that_messages_name_are_there() -> None:
    named = {
        (name_of(path), page)
        for path in SHIPPED
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text("utf-8"))
    }
    assert named
    assert not [one for one in sorted(named) if not (ROOT / one[1]).is_file()]
