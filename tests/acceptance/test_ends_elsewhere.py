"""RET, PI: anonymous rows and redacted texts where no SQL is: files, services, people.

Each does it, or the plan says that it cannot, and why, before anything is written anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.rights import EraseAnswer, Request
from kept.errors import Obstructed
from kept.model.plan import Action
from kept.terms.identifiers import parse
from tests.acceptance.test_services import AGENCY, CRM, CRM_HTTP
from tests.stores.vendor import TOKEN, Vendor, vendor
from tests.world import NOW, edit, make, sql

LAKE = """
system: lake
title: Logs
country: US
datasets:
  post:
    key: [id]
    retention: support-cases
    activities: [support]
    fields:
      id: {type: integer, nullable: false}
      author: {category: contact.email, identifies: email}
      words: {category: free-text, free_text: redact}
  visit:
    key: [id]
    retention: support-cases
    activities: [support]
    erase: anonymise
    k: 2
    fields:
      id: {type: integer, nullable: false}
      email: {category: contact.email, identifies: email}
      born: {type: date, category: support-case, anonymise: year}
      town: {category: support-case, anonymise: prefix-2}
      kind: {anonymise: keep}
"""
POSTS = {
    1: ("ben@example.org", "ANA@Example.org, not diana@example.org",
        "[-], not diana@example.org"),
    2: ("ben@example.org", "030/123 456 or 0301234567", "[-] or 0301234567"),
    3: ("cleo@example.org", "ana@example.org.evil", "ana@example.org.evil"),
    4: ("cleo@example.org", None, None),
    5: ("ana@example.org", "mine", None),
}  # fmt: skip
VISITS = [
    (1, "Ana@example.org", "1990-05-06", "Berlin"), (2, "ben@example.org", "1990-07-08", "Bern"),
    (3, "ana@example.org", "1931-05-06", "Oslo"), (4, "cleo@example.org", "1990-01-01", "Bergen"),
]  # fmt: skip


def _system(world: Path, name: str, text: str, table: str) -> None:
    (world / f"{name}.yml").write_text(text, "utf-8")
    with (world / "kept.toml").open("a") as file:
        file.write(f'\n[systems.{name}]\nmode = "act"\nmap = "{name}.yml"\n{table}\n')


@pytest.fixture
def lake(kept_url: str, tmp_path: Path) -> Path:
    world = make(tmp_path / "world", kept_url)
    edit(world / "shop.yml", "free_text: true", "free_text: redact")
    for part in (0, 1):
        posts = {n: row for n, row in POSTS.items() if n % 2 == part}
        visits = [row for row in VISITS if row[0] % 2 == part]
        tables = {
            "post": {
                "id": pa.array(list(posts), pa.int64()),
                "author": [row[0] for row in posts.values()],
                "words": pa.array([row[1] for row in posts.values()]).dictionary_encode(),
            },
            "visit": {
                "id": [row[0] for row in visits],
                "email": [row[1] for row in visits],
                "born": pa.array([row[2] for row in visits]).cast(pa.date32()),
                "town": [row[3] for row in visits],
                "kind": ["shop"] * len(visits),
            },
        }
        for name, columns in tables.items():
            folder = world / "logs" / name
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table(columns), folder / f"{part}.parquet", compression="zstd")
    _system(world, "lake", LAKE, 'store = "parquet"\nurl = "logs"')
    return world


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    monkeypatch.setenv("CRM_TOKEN", TOKEN)
    with vendor() as server:
        server.fill(
            {
                "contact": [
                    {"id": 1, "email": "Ana@Example.org", "name": "Ana", "since": "2020-03-04"},
                    {"id": 2, "email": "ben@example.org", "name": "Ben", "since": "2020-08-08"},
                ],
                "ticket": [
                    {"id": 10, "contact_id": 1, "words": "help"},
                    {"id": 11, "contact_id": 2, "words": "ask ana@example.org, diana@example.org"},
                    {"id": 12, "contact_id": 2, "words": "hi"},
                ],
            }
        )
        yield server


@pytest.fixture
def shop(kept_url: str, tmp_path: Path, crm: Vendor) -> Path:
    """The shop with a service whose tickets are searched and can be changed."""
    world = make(tmp_path / "world", kept_url)
    table = f'store = "http"\nurl = "{crm.url}"\n[systems.crm.options]\n'
    table += 'describe = "crm.http.yml"\nsecret = "env:CRM_TOKEN"'
    _system(world, "crm", CRM.replace("free_text: true", "free_text: redact"), table)
    update = '    update: {path: "/tickets/{id}", method: PATCH}\n'
    (world / "crm.http.yml").write_text(CRM_HTTP.rstrip("\n") + "\n" + update, "utf-8")
    return world


def _request(*people: str) -> Request:
    who = tuple((parse(f"email={p}@example.org"),) for p in people)
    return Request(people=who, override="test")


def _erase(world: Path, *people: str) -> EraseAnswer:
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, _request(*people), NOW)


def _shown(world: Path) -> list[str]:
    """The obstacles that a preview shows."""
    with Controller.open(deployment.read(world)) as controller:
        return [s.problem for s in rights.preview(controller, _request("ana"), NOW).steps
                if s.problem]  # fmt: skip


def _control(world: Path, name: str) -> Outcome:
    with Controller.open(deployment.read(world)) as controller:
        return run(controller, registered(), NOW, names=[name])[0].outcome


def _table(world: Path, name: str) -> dict[int, dict[str, Any]]:
    return {row["id"]: row for row in pq.read_table(world / "logs" / name).to_pylist()}


def _refused(world: Path, words: str) -> None:
    """Nothing is written anywhere, not in the shop either."""
    before = list(sql(world, "SELECT * FROM note")), list(sql(world, "SELECT * FROM customer"))
    with pytest.raises(Obstructed, match=words):
        _erase(world, "ana")
    assert before == (
        list(sql(world, "SELECT * FROM note")), list(sql(world, "SELECT * FROM customer"))
    )  # fmt: skip


def test_RIGHT_3_passages_are_taken_out_of_files(lake: Path) -> None:
    sql(lake, "UPDATE customer SET phone = '+49 30 123456' WHERE id = 1")
    before = _table(lake, "post")
    with Controller.open(deployment.read(lake)) as controller:
        answer = rights.access(controller, _request("ana"), NOW, out=lake / "pack.zip")
        assert answer.complete
    erased = _erase(lake, "ana")
    assert erased.complete, [s.problem for s in erased.steps]
    told = {s.action: s.counts.changed for s in erased.steps
            if (s.store, s.dataset) == ("lake", "post")}  # fmt: skip
    assert told == {Action.DELETE: 1, Action.REDACT: 2}
    left = {n: {**before[n], "words": POSTS[n][2]} for n in POSTS if n != 5}
    assert _table(lake, "post") == left
    assert _control(lake, "rights.texts-name-nobody-unfound") is Outcome.PASS


def test_RET_11_rows_of_files_become_nobodys(lake: Path) -> None:
    name = "rights.anonymised-is-nobodys"
    erased = _erase(lake, "ana", "ben")
    assert erased.complete, [s.problem for s in erased.steps]
    after = _table(lake, "visit")
    alike = {"email": None, "born": "1990-01-01", "town": "Be", "kind": "shop"}
    bare = {"email": None, "born": None, "town": None, "kind": None}
    for number, wanted in ((1, alike), (2, alike), (3, bare)):
        met = {**after[number], "born": after[number]["born"] and str(after[number]["born"])}
        assert met == {"id": number, **wanted}
    assert after[4]["email"] == "cleo@example.org"
    assert _control(lake, name) is Outcome.PASS
    # By none of what was known of them is a byte of the files met again.
    known = [v for _, mail, *_ in VISITS[:3] for v in (mail, mail.lower())]
    known += [hashlib.new(n, v.encode()).hexdigest() for n in ("md5", "sha256") for v in known]
    texts = [str(v) for row in after.values() for v in row.values()]
    assert not [v for v in texts if any(one in v for one in known)]
    # Planted: the hash of an address in rows of nobody.
    table = pq.read_table(lake / "logs" / "visit" / "1.parquet")
    digest = hashlib.sha256(b"ana@example.org").hexdigest()
    at = table.column_names.index("kind")
    pq.write_table(
        table.set_column(at, "kind", pa.array([digest] * len(table))),
        lake / "logs" / "visit" / "1.parquet",
    )
    assert _control(lake, name) is Outcome.FAIL


def test_RIGHT_3_passages_are_taken_out_of_what_a_service_holds(shop: Path, crm: Vendor) -> None:
    erased = _erase(shop, "ana")
    assert erased.complete, [s.problem for s in erased.steps]
    assert crm.rows["ticket"] == [
        {"id": 11, "contact_id": 2, "words": "ask [-], diana@example.org"},
        {"id": 12, "contact_id": 2, "words": "hi"},
    ]
    writes = [path for verb, path in crm.asked if verb == "PATCH"]
    assert writes == ["/api/tickets/11"]


def test_RET_11_rows_of_a_service_become_nobodys(shop: Path, crm: Vendor) -> None:
    edit(shop / "crm.yml", "    retention: contact\n    activities: [communicate]\n    fields:\n",
         "    retention: contact\n    activities: [communicate]\n    erase: anonymise\n    k: 2\n"
         "    fields:\n"
         "      since: {type: date, category: contact, anonymise: year}\n")  # fmt: skip
    edit(shop / "crm.http.yml", "  ticket:\n",
         '    update: {path: "/contacts/{id}", method: PATCH}\n  ticket:\n')  # fmt: skip
    erased = _erase(shop, "ana", "ben")
    assert erased.complete, [s.problem for s in erased.steps]
    nobody = {"email": None, "name": None, "since": "2020-01-01"}
    assert crm.rows["contact"] == [{"id": 1, **nobody}, {"id": 2, **nobody}]
    assert crm.rows["ticket"] == []
    assert _control(shop, "rights.anonymised-is-nobodys") is Outcome.PASS


def test_RIGHT_3_texts_that_no_request_lists_are_named_before_anything_is_written(
    shop: Path, crm: Vendor
) -> None:
    text = (shop / "crm.http.yml").read_text("utf-8")
    listing = text[
        text.rindex("      - {path: /tickets,") : text.rindex('    erase: {path: "/tick')
    ]
    edit(shop / "crm.http.yml", listing, "")
    with Controller.open(deployment.read(shop)) as controller:
        answer = rights.access(controller, _request("ana"), NOW, out=shop / "pack.zip")
    assert not answer.complete
    assert dict(answer.unreached)["crm"].startswith("`ticket`: the map wants people found")
    _refused(shop, "nothing there can search or list them")
    assert len(crm.rows["ticket"]) == 3


def test_RIGHT_3_a_service_that_decides_itself_what_is_put_there_is_refused(
    shop: Path, crm: Vendor
) -> None:
    edit(shop / "crm.http.yml", "method: PATCH}", "method: PATCH, body: {state: closed}}")
    assert any("no passage can be taken out" in words for words in _shown(shop))
    _refused(shop, "no passage can be taken out")
    assert len(crm.rows["ticket"]) == 3


@pytest.mark.parametrize("way", ["redact", "anonymise"])
def test_RIGHT_3_of_what_people_serve_neither_is_asked(
    kept_url: str, tmp_path: Path, way: str
) -> None:
    world = make(tmp_path / "world", kept_url)
    table = 'store = "mailbox"\nurl = "letters"\n[systems.agency.options]\ndays = 10\nremind = 3'
    _system(world, "agency", AGENCY, table)
    if way == "redact":
        edit(world / "agency.yml", "list: {category: contact}",
             "list: {category: free-text, free_text: redact}")  # fmt: skip
        _refused(world, "nothing there can search or list them")
    else:
        edit(world / "agency.yml", "    fields:\n", "    erase: anonymise\n    k: 2\n    fields:\n")
        _refused(world, "nobody could say whether rows")
        assert any("nobody could say" in words for words in _shown(world))
    assert not (world / "letters").exists()
