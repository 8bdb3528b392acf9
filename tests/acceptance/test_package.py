"""RIGHT, RET, PREAM: a package that she can read and load, in which nobody else stands."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import Request
from kept.duties.rights.package import SHOWN
from kept.terms.identifiers import parse
from tests.acceptance.conftest import kept
from tests.world import NOW, edit, make, sql

ANA = "email=ana@example.org"
#: What stands in her tickets of other people, and how often (69 tickets).
ROWS = 69
OTHERS = ("Jane Peacock", "jane@shop.example", "cleo@example.org", "901820", "90 18 20", "Margaret")
TICKETS = """
  agent:
    title: Our people at the desk
    key: [id]
    retention: contact
    activities: [support]
    erase: overwrite
    fields:
      id: {type: integer, nullable: false}
      name: {category: contact.name, overwrite: erased}
      email: {category: contact.email, identifies: email, overwrite: "erased-{id}@erased.invalid"}
  ticket:
    title: Support requests
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      customer: {type: integer, category: identifier.account}
      agent: integer
      handled_by: {others: staff}
      copy_to: {category: contact.email, identifies: email, others: person}
      body: {category: support-case, free_text: true}
      prefs: {type: json, category: support-case}
      photo: {type: bytes, category: support-case}
      urgent: {type: boolean, category: support-case}
      price: {type: decimal, category: support-case}
      opened_at: {type: datetime, category: support-case}
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by}
      - {fields: [agent], to: agent, on: [id], kind: accessed-by}
"""


@pytest.fixture
def shop(kept_url: str, tmp_path: Path) -> Path:
    world = make(tmp_path / "world", kept_url)
    sql(world, "CREATE TABLE agent (id INTEGER PRIMARY KEY, name TEXT, email TEXT)")
    sql(world, "INSERT INTO agent VALUES (1, 'Jane Peacock', 'jane@shop.example'),"
               " (8, 'Margaret Park', 'margaret@shop.example')")  # fmt: skip
    sql(world, "CREATE TABLE ticket (id INTEGER PRIMARY KEY, customer INTEGER, agent INTEGER,"
               " handled_by TEXT, copy_to TEXT, body TEXT, prefs TEXT, photo BLOB, urgent INTEGER,"
               " price TEXT, opened_at TEXT)")  # fmt: skip
    body = (
        "=Hello Jane Peacock, I am Ana O'Neill (ana@example.org, +49 30 123456). My colleague is"
        " cleo@example.org, +49 30 90 18 20."
    )
    for n in range(1, ROWS + 1):
        sql(world, "INSERT INTO ticket VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            n, 1 if n % 2 else None, "Margaret" if n == 2 else None,
            {3: "cleo@example.org", 4: "Ana@example.org", 5: ""}.get(n),
            body if n % 2 else "\\N", '{"seats": 3}', b"\x89PNG\r\n" + bytes(2000), n % 2,
            "1234.50", f"2025-{1 + n % 12:02d}-{1 + n % 28:02d} 09:00:00")  # fmt: skip
    edit(world / "shop.yml", "datasets:\n", f"datasets:{TICKETS}")
    return world


def _made(world: Path, out: Path, verb: Any = rights.access) -> tuple[Any, dict[str, bytes]]:
    with Controller.open(deployment.read(world)) as controller:
        told = verb(controller, Request(((parse(ANA),),), override="test"), NOW, out=out)
    with zipfile.ZipFile(out) as archive:
        return told, {name: archive.read(name) for name in archive.namelist()}


def test_RIGHT_1_others_are_covered_by_rule_and_counted(shop: Path, tmp_path: Path) -> None:
    told, files = _made(shop, tmp_path / "a.zip")
    assert told.complete
    for name, content in files.items():
        for word in OTHERS:
            assert word.encode() not in content, (name, word)
    rows = json.loads(files["data/shop.ticket.json"])
    assert len(rows) == ROWS
    # Her own stands everywhere, also where a rule speaks of others, and where the numbers of an
    # agent and of her are the same.
    assert all(r["customer"] == 1 for r in rows)
    assert rows[3]["copy_to"] == "Ana@example.org"
    assert all("Ana O'Neill (ana@example.org, +49 30 123456)" in r["body"] for r in rows[::2])
    assert {r["agent"] for r in rows} == {None, "a member of staff"}
    odd = (ROWS + 1) // 2
    # Staff: the link and the name in the text of odd ones, `handled_by` once. Others: address and
    # number in the text of odd ones, `copy_to` once.
    counts = {"staff": 2 * odd + 1, "people": 2 * odd + 1}
    (covered,) = told.document()["covered"]
    assert {k: covered[k] for k in counts} == counts
    assert json.loads(files["answer.json"])["covered"] == [covered]
    page = html.unescape(files["index.html"].decode())
    assert f"{sum(counts.values())} names and addresses were covered" in page
    assert "Art. 15(4)" in page
    ran = kept(shop, "rights", "access", "--identity", ANA, "--override", "test", "--out",
               tmp_path / "b.zip", "--now", NOW.isoformat(), json=False)  # fmt: skip
    assert f"{sum(counts.values())} names and addresses were covered" in ran.out


def test_RIGHT_1_it_can_be_read_and_checked(shop: Path, tmp_path: Path) -> None:
    _, files = _made(shop, tmp_path / "a.zip")
    page = html.unescape(files["index.html"].decode())
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="https?://(?!127\.0\.0\.1)', page)
    first = page[: page.index("What is in this answer")]
    for words in ("This is the answer", "Who answers for your data", "records about you",
                  "that a law makes us keep", "Invoices"):  # fmt: skip
        assert words in first, words
    for words in ("What for", "On which ground", "What kind of data", "Where it came from",
                  "From you", "Who may receive it", "How long", "What follows from that",
                  "Decisions by machines", "Have it deleted", "Where you can complain",
                  f"the newest {SHOWN} are shown here", "picture (PNG), 2 kB",
                  "1,234.50"):  # fmt: skip
        assert words in page, words
    # The newest come first; all of them are in the files.
    days = re.findall(r"<dt>opened at</dt><dd[^>]*>(\d+) (\w+) 2025, 09:00", page)
    assert len(days) == SHOWN
    assert days[0][1] == "December"
    ids = set(re.findall(r' id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= ids | {"main"}
    assert set(re.findall(r'href="([^"#:]+)"', page)) <= files.keys()
    told = json.loads(files["manifest.json"])["files"]
    assert told.keys() == files.keys() - {"manifest.json"}
    assert all(hashlib.sha256(files[n]).hexdigest() == t["sha256"] for n, t in told.items())
    assert "answer.json" in files["README.txt"].decode()


def test_RIGHT_1_the_tables_load_by_their_schema_and_say_what_the_json_says(
    shop: Path, tmp_path: Path
) -> None:
    _, files = _made(shop, tmp_path / "a.zip")
    described = json.loads(files["datapackage.json"])["resources"]
    assert len(described) >= 5
    for one in described:
        exact = json.loads(files[one["exact"]])
        schema = json.loads(files[one["exact"].replace("data/", "schema/")])
        assert _amiss(schema, exact) == []
        assert _amiss(schema, [{**exact[0], "more": 1}])
        fields = one["schema"]["fields"]
        guard = one["guarded"]
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE t ({})".format(", ".join(f'"{f["name"]}"' for f in fields)))
        for cells in list(csv.reader(io.StringIO(files[one["path"]].decode(), newline="")))[1:]:
            # Nothing that a spreadsheet would run.
            assert not any(re.match(r"[=@\t\r]|[+-](?![\d.]+$)", c) for c in cells)
            row = []
            for field, cell in zip(fields, cells, strict=True):
                if cell in one["schema"]["missingValues"]:
                    row.append(None)
                elif field["type"] == "integer":
                    row.append(int(cell))
                elif field["type"] == "boolean":
                    row.append({"true": True, "false": False}[cell])
                else:
                    row.append(re.sub(guard["pattern"], "", cell))
            database.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(row))})", row)
        names = [f["name"] for f in fields]
        loaded = [dict(zip(names, r, strict=True)) for r in database.execute("SELECT * FROM t")]
        assert loaded == exact, one["name"]


def _amiss(schema: dict[str, Any], value: Any) -> list[str]:
    """What of a value a JSON Schema refuses, as far as these schemas go."""
    kinds = {"string": str, "integer": int, "boolean": bool, "number": (int, float),
             "array": list, "object": dict, "null": type(None)}  # fmt: skip
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(
        isinstance(value, kinds[t]) and (t == "boolean") == isinstance(value, bool) for t in types
    ):
        return [f"{types}: {type(value).__name__}"]
    if isinstance(value, list):
        return [bad for one in value for bad in _amiss(schema["items"], one)]
    if isinstance(value, dict):
        known = schema["properties"]
        bad = [name for name in schema["required"] if name not in value]
        bad += [name for name in value if name not in known and not schema["additionalProperties"]]
        return bad + [b for n, v in value.items() if n in known for b in _amiss(known[n], v)]
    return []


def test_RIGHT_6_what_she_takes_along_holds_nobody_else(shop: Path, tmp_path: Path) -> None:
    sql(shop, "UPDATE ticket SET agent = NULL")
    told, files = _made(shop, tmp_path / "p.zip", rights.port)
    assert told.complete
    for name, content in files.items():
        for word in OTHERS:
            assert word.encode() not in content, (name, word)
    rows = json.loads(files["data/shop.ticket.json"])
    assert len(rows) == ROWS
    assert not {"agent", "handled_by", "copy_to"} & set(rows[0])
    left = {one.fields: one.why for one in told.left_out}
    assert left["handled_by", "copy_to"] == "it names somebody else"
    odd = (ROWS + 1) // 2
    (covered,) = told.document()["covered"]
    assert (covered["staff"], covered["people"]) == (odd, 2 * odd)
    assert "README.txt" in files


def test_RET_6_what_is_kept_on_is_named_with_why_until_and_law(shop: Path, tmp_path: Path) -> None:
    with Controller.open(deployment.read(shop)) as controller:
        request = Request(((parse(ANA),),), override="test")
        assert rights.erase(controller, request, NOW).complete
    told, files = _made(shop, tmp_path / "a.zip")
    page = html.unescape(files["index.html"].decode())
    assert told.complete
    first = page[: page.index("What is in this answer")]
    assert "kept on, although you had your data deleted" in first
    for words in ("Why it stays", "By which law", "1 May 2034", "Clause RET-10"):
        assert words in page, words
    assert "data/shop.invoice.csv" in files


def test_PREAM_10_contact_points_come_from_the_bundle(shop: Path, tmp_path: Path) -> None:
    edit(shop / "policy" / "policy.yml", "info@interop.io", "privacy@elsewhere.example")
    edit(shop / "policy" / "policy.yml", "609 East Market Street", "1 Other Street")
    _, files = _made(shop, tmp_path / "a.zip")
    page = files["index.html"].decode()
    assert "mailto:privacy@elsewhere.example" in page
    assert "1 Other Street" in page
    assert not re.search(r"info@interop\.io|609 East", page)


def test_PI_1_fields_that_look_like_others_and_have_no_rule_are_named(shop: Path) -> None:
    ran = kept(shop, "map", "check")
    assert not [n for n in ran.document["notes"] if "somebody else" in n["words"]]
    edit(shop / "shop.yml", "handled_by: {others: staff}", "handled_by: text")
    ran = kept(shop, "map", "check")
    (note,) = [n for n in ran.document["notes"] if "somebody else" in n["words"]]
    assert "`ticket.handled_by`: its name speaks of somebody else" in note["words"]
    assert re.search(r"shop\.yml:\d+\)", note["words"])
