"""Whose rows they are: shared mailboxes, spellings over links, two cases of one person."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import zipfile
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import rights
from kept.duties.rights import EraseAnswer, Request, casework
from kept.duties.rights.doubt import Ambiguous
from kept.duties.rights.request import open_case
from kept.errors import Denied, Obstructed
from kept.records.case_state import State
from kept.terms.identifiers import parse
from tests.world import NOW, edit, sql

ANA = "email=ana@example.org"
FAMILY = "email=family@example.org"


def _request(*people: str, same: str | None = None, case: str | None = None) -> Request:
    who = (tuple(parse(p) for p in people),) if people else ()
    return Request(who, override="she called about the dog", case=case, same_person=same)


def _erase(world: Path, *people: str, same: str | None = None) -> EraseAnswer:
    with Controller.open(deployment.read(world)) as controller:
        return rights.erase(controller, _request(*people, same=same), NOW)


def _script(world: Path, text: str) -> None:
    shop = sqlite3.connect(world / "shop.sqlite")
    shop.executescript(text)
    shop.close()


@pytest.fixture
def family(world: Path) -> Path:
    """Two customers behind one address; the number of a customer is no identifier there."""
    _script(
        world,
        "PRAGMA writable_schema = ON;"
        "UPDATE sqlite_master SET sql = replace(sql, 'NULL UNIQUE', 'NULL')"
        " WHERE name = 'customer';"
        "DELETE FROM sqlite_master WHERE name = 'sqlite_autoindex_customer_1';"
        "PRAGMA writable_schema = OFF;",
    )
    edit(world / "shop.yml", "category: identifier.account, identifies: account,", "")
    _script(
        world,
        "INSERT INTO customer VALUES (8, 'family@example.org', 'Eve Two', NULL, '2026-01-01'),"
        " (9, 'Family@example.org', 'Adam One', '+49 30 9', '2026-01-01');"
        "INSERT INTO signup VALUES (8, 8, 'trial', '2026-01-02', 'contract'),"
        " (9, 9, 'trial', '2026-01-02', 'contract'), (10, 9, 'more', '2026-01-02', 'contract');",
    )
    return world


def test_RIGHT_1_two_people_behind_one_address_wait_for_a_human(family: Path) -> None:
    """RIGHT-1, RIGHT-15: nothing is shown or erased while it is not known who is meant."""
    out = family / "out.zip"
    with Controller.open(deployment.read(family)) as controller:
        with pytest.raises(Ambiguous, match=r"2 records in `shop.customer`") as refused:
            rights.access(controller, _request(FAMILY), NOW, out=out)
        assert not out.exists()
        for word in ("family", "Eve", "Adam"):
            assert word.lower() not in str(refused.value).lower()
        shown = rights.preview(controller, _request(FAMILY), NOW)
        assert any("2 records in `shop.customer`" in w for w in shown.warnings)
        with pytest.raises(Ambiguous):
            rights.erase(controller, _request(case=shown.case), NOW)
        assert sql(family, "SELECT count(*) FROM customer WHERE id > 7") == [(2,)]
        # Who is named more narrowly is one person.
        only = rights.access(controller, _request("phone=+49 30 9"), NOW, out=out)
        assert only.complete


def test_RIGHT_15_somebody_answers_for_two_records_being_one_person(family: Path) -> None:
    """RIGHT-15: the reason is sealed in the case, its keyed hash stands in the ledger."""
    with Controller.open(deployment.read(family)) as controller:
        answer = rights.erase(controller, _request(FAMILY, same="maiden name"), NOW)
        assert answer.complete
        case = controller.cases.get(answer.case)
        assert "maiden name" in [e.words for e in controller.cases.events(case)]
        verbs = [e.body["verb"] for _, e in controller.ledger.entries(kind="override.used")]
        assert "same-person" in verbs
        asked = Request(((parse(FAMILY),),), role="support", evidence="x", same_person="no")
        with pytest.raises(Denied):
            rights.erase(controller, asked, NOW)
    assert sql(family, "SELECT count(*) FROM customer WHERE email LIKE 'family%'") == [(0,)]


def test_RIGHT_15_one_person_entered_twice_is_no_doubt(family: Path) -> None:
    """RIGHT-15: records that agree are hers, and rows that hang on them never are a doubt."""
    sql(family, "UPDATE customer SET name = ' eve TWO', phone = NULL WHERE id = 9")
    assert _erase(family, FAMILY).complete
    assert sql(family, "SELECT count(*) FROM signup WHERE customer > 7") == [(0,)]


@pytest.mark.parametrize("identity", [ANA, "account=1"])
def test_RIGHT_15_a_link_by_address_folds(world: Path, identity: str) -> None:
    """RIGHT-15: an address in another spelling leads on, at home and into the next system."""
    links = "    links:\n      - {fields: [to_whom], to: customer, on: [email], kind: owned-by}\n"
    fields = (
        "    key: [id]\n    retention: messages\n    clock: at\n    activities: [communicate]\n"
        "    fields:\n      id: {type: integer, nullable: false}\n"
        "      to_whom: {category: contact.email}\n      at: {type: datetime}\n"
    )
    text = (world / "shop.yml").read_text("utf-8")
    (world / "shop.yml").write_text(f"{text}  letter:\n{fields}{links}", "utf-8")
    abroad = links.replace("to: customer", "to: customer, system: shop")
    (world / "news.yml").write_text(
        f"system: news\ntitle: News\ncountry: US\ndatasets:\n  letter:\n{fields}{abroad}", "utf-8"
    )
    with (world / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[systems.news]\nstore = "sqlite"\nmode = "act"\nmap = "news.yml"\n'
            f'url = "sqlite:///{world / "news.sqlite"}"\n'
        )
    rows = (
        "CREATE TABLE letter (id INTEGER PRIMARY KEY, to_whom TEXT, at TEXT);"
        "INSERT INTO letter VALUES (1, ' ANA@Example.ORG ', '2026-01-01 00:00:00'),"
        " (2, 'ben@example.org', '2026-01-01 00:00:00');"
    )
    _script(world, rows)
    news = sqlite3.connect(world / "news.sqlite")
    news.executescript(rows)
    assert _erase(world, identity).complete
    assert sql(world, "SELECT id FROM letter") == [(2,)]
    assert news.execute("SELECT id FROM letter").fetchall() == [(2,)]
    news.close()


def test_LEGAL_1_the_ledger_holds_no_hash_that_can_be_guessed(world: Path) -> None:
    """Two deployments that do the same write different hashes: each has a key of its own."""
    import hashlib

    _erase(world, ANA)
    with Controller.open(deployment.read(world)) as controller:
        bodies = json.dumps([e.body for _, e in controller.ledger.entries()])
        cases = controller.cases.all()
        with controller.database.connection() as c:
            plans = c.execute("SELECT plan_sha256 FROM rights_case").fetchall()
    assert cases
    assert plans
    assert hashlib.sha256(b"she called about the dog").hexdigest() not in bodies
    assert re.search(r'"reason": "[0-9a-f]{64}"', bodies)


def test_RIGHT_15_two_cases_of_one_person_count_each_row_once(world: Path) -> None:
    """RIGHT-15: under two identifiers, at the same time."""
    answers: dict[str, EraseAnswer] = {}
    with Controller.open(deployment.read(world)) as controller:
        ready = threading.Barrier(2)

        def run(identity: str) -> None:
            ready.wait()
            answers[identity] = rights.erase(controller, _request(identity), NOW)

        both = [threading.Thread(target=run, args=(i,)) for i in (ANA, "account=1")]
        for one in both:
            one.start()
        for one in both:
            one.join()
        entries = [e.body for _, e in controller.ledger.entries(kind="step.done")]
    assert len(answers) == 2
    gone = [
        (e["system"], e["dataset"]) for e in entries if e["action"] == "delete" and e["changed"]
    ]
    assert gone
    assert len(gone) == len(set(gone))
    over = [e for e in entries if e["action"] == "overwrite" and e["changed"]]
    assert len(over) == 1


def test_RIGHT_15_a_computed_field_follows_or_is_an_obstacle(world: Path) -> None:
    """RIGHT-15: what the engine computes from what goes is gone; else the preview says so."""
    _script(
        world,
        "ALTER TABLE customer ADD COLUMN hello TEXT GENERATED ALWAYS AS ('Dear ' || name) VIRTUAL",
    )
    edit(
        world / "shop.yml",
        "      phone: {",
        "      hello: {category: contact.name}\n      phone: {",
    )
    assert _erase(world, ANA).complete
    assert sql(world, "SELECT hello FROM customer WHERE id = 1") == [("Dear erased",)]


def test_RIGHT_15_a_computed_field_that_would_stay_is_an_obstacle(world: Path) -> None:
    """RIGHT-15: it is computed from what no map calls personal."""
    _script(
        world,
        "ALTER TABLE customer ADD COLUMN raw TEXT;"
        "ALTER TABLE customer ADD COLUMN hello TEXT GENERATED ALWAYS AS"
        " (json_extract(raw, '$.n')) VIRTUAL",
    )
    edit(
        world / "shop.yml",
        "      phone: {",
        "      raw: {type: text}\n      hello: {category: contact.name}\n      phone: {",
    )
    with Controller.open(deployment.read(world)) as controller:
        shown = rights.preview(controller, _request(ANA), NOW)
        assert any(s.problem and "computes `hello` from `raw`" in s.problem for s in shown.steps)
        with pytest.raises(Obstructed, match="computes"):
            rights.erase(controller, _request(ANA), NOW)


def test_RIGHT_15_a_view_is_an_obstacle(world: Path) -> None:
    """RIGHT-15: rows cannot be erased through it, and the preview says what to do."""
    _script(world, "ALTER TABLE note RENAME TO notes; CREATE VIEW note AS SELECT * FROM notes")
    with Controller.open(deployment.read(world)) as controller:
        shown = rights.preview(controller, _request(ANA), NOW)
        assert any(s.problem and "view" in s.problem for s in shown.steps)
        with pytest.raises(Obstructed, match="erase: never"):
            rights.erase(controller, _request(ANA), NOW)
        # Nor does anybody approve what cannot be carried out; when it is mended, it is looked anew.
        case = open_case(controller, "erasure", _request(ANA), NOW)[0].id
        planner, approver = (controller.actors.of(n, "approver", NOW) for n in ("mia", "pat"))
        looked = casework.look(controller, case, {}, planner, NOW)
        with pytest.raises(Obstructed, match=r"was not approved: .* it is a view"):
            casework.approve(controller, case, looked["plan"], approver, NOW)
        assert controller.cases.get(case).state is State.PLANNED
    _script(world, "DROP VIEW note; ALTER TABLE notes RENAME TO note")
    with Controller.open(deployment.read(world)) as controller:
        looked = casework.look(controller, case, {}, planner, NOW)
        done = casework.approve(controller, case, looked["plan"], approver, NOW)
        assert done.state is State.APPROVED
    assert sql(world, "SELECT email FROM customer WHERE id = 1") == [("ana@example.org",)]


@pytest.mark.parametrize("rule", ["", "ON DELETE CASCADE", "ON DELETE SET NULL"])
def test_RIGHT_15_a_reference_compared_loosely_is_an_obstacle(world: Path, rule: str) -> None:
    """RIGHT-15: the engine would take along rows that no search by the key has met."""
    _script(
        world,
        "DROP TABLE note; CREATE TABLE note (id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL,"
        " about TEXT NOT NULL, words TEXT NOT NULL, at TEXT NOT NULL);"
        f"CREATE TABLE tag (id INTEGER PRIMARY KEY, note TEXT REFERENCES note {rule}, t TEXT);"
        "INSERT INTO note VALUES ('C1', 'ana@example.org', 'a', '2024-06-01 00:00:00');"
        "INSERT INTO tag VALUES (1, 'c1', 'somebody');",
    )
    edit(
        world / "shop.yml",
        "      id: {type: integer, nullable: false}\n      about",
        "      id: {nullable: false}\n      about",
    )
    with pytest.raises(Obstructed, match="key"):
        _erase(world, ANA)
    assert sql(world, "SELECT note FROM tag") == [("c1",)]


def test_RIGHT_15_rows_whose_keys_differ_only_in_case_are_two_rows(world: Path) -> None:
    """RIGHT-15: a column of another collation, and a key that is told apart exactly (SQLite)."""
    _script(
        world,
        "DROP TABLE note; CREATE TABLE note (id TEXT COLLATE NOCASE NOT NULL,"
        " about TEXT NOT NULL, words TEXT NOT NULL, at TEXT NOT NULL);"
        "CREATE UNIQUE INDEX note_id ON note (id COLLATE BINARY);"
        "INSERT INTO note VALUES ('C1', 'ana@example.org', 'a', '2024-06-01 00:00:00'),"
        " ('c1', 'ben@example.org', 'b', '2024-06-01 00:00:00'),"
        " ('d1', 'ana@example.org', 'c', '2024-06-01 00:00:00'),"
        " ('D1', 'ANA@example.org', 'd', '2024-06-01 00:00:00');",
    )
    edit(
        world / "shop.yml",
        "      id: {type: integer, nullable: false}\n      about",
        "      id: {nullable: false}\n      about",
    )
    answer = _erase(world, ANA)
    assert answer.complete
    assert [s.counts.changed for s in answer.steps if s.dataset == "note"] == [3]
    assert sql(world, "SELECT id FROM note") == [("c1",)]


def test_RIGHT_15_an_account_used_again_goes_beside_what_an_erasure_kept(world: Path) -> None:
    """RIGHT-15: rows kept by the earlier erasure refer to hers: it is emptied again, others go."""
    assert _erase(world, ANA).complete
    kept = sql(world, "SELECT * FROM invoice WHERE customer = 1")
    assert len(kept) == 1
    _script(
        world,
        "UPDATE customer SET email = 'ana.new@example.org', name = 'Ana' WHERE id = 1;"
        "INSERT INTO signup VALUES (50, 1, 'trial', '2026-11-01 00:00:00', 'contract');",
    )
    done = _erase(world, "email=ana.new@example.org")
    acted = {s.dataset: (s.action.value, s.reason and s.reason.words) for s in done.steps}
    assert acted["customer"] == ("overwrite", "What stays of “Invoices” refers to it.")
    assert acted["signup"] == ("delete", None)
    assert any("in use again" in words for words in done.warnings)
    assert sql(world, "SELECT email, name FROM customer WHERE id = 1") == [
        ("erased-1@erased.invalid", "erased")
    ]
    assert sql(world, "SELECT * FROM signup WHERE customer = 1") == []
    assert sql(world, "SELECT * FROM invoice WHERE customer = 1") == kept


def _files(world: Path, rows: str, *, says: bool = True, link: bool = False) -> None:
    """Files on a customer, each with the address of who attached it; and texts are searched."""
    sql(world, "CREATE TABLE file (id INTEGER PRIMARY KEY, customer INTEGER, by TEXT)")
    sql(world, f"INSERT INTO file VALUES {rows}")
    edit(world / "shop.yml", "free_text: true", "free_text: redact")
    by = "      - {fields: [by], to: customer, on: [email], kind: owned-by}\n"
    with (world / "shop.yml").open("a", encoding="utf-8") as file:
        file.write(
            "  file:\n    key: [id]\n    retention: messages\n    activities: [communicate]\n"
            "    fields:\n      id: {type: integer, nullable: false}\n"
            "      customer: {type: integer}\n"
            f"      by: {{category: contact.email{', identifies: email' if says else ''}}}\n"
            "    links:\n      - {fields: [customer], to: customer, on: [id], kind: owned-by}\n"
            f"{by if link else ''}"
        )


def _suppressed(controller: Controller, *addresses: str) -> list[str]:
    found = ((one, controller.facts(parse(f"email={one}"), NOW)) for one in addresses)
    return [one for one, facts in found if "suppressed" in facts.held]


@pytest.mark.parametrize("how", ["identifies", "link", "both"])
def test_RIGHT_3_whose_address_stands_in_a_row_of_hers_is_not_her(
    world: Path, tmp_path: Path, how: str
) -> None:
    """He attached something to an order of hers: he is neither suppressed nor looked for as her."""
    rows = (
        "(1, 1, 'ana@example.org'), (2, 1, 'ben@example.org'),"
        " (3, 1, 'ana@old.example'), (4, 2, 'ana@example.net')"
    )
    _files(world, rows, says=how != "link", link=how != "identifies")
    said = ("Walrus: ask ben@example.org, not ana@old.example.", "Zebra: ask ben@example.org.")
    sql(world, "INSERT INTO note VALUES (40, 'cleo@example.org', ?, '2026-01-01 00:00:00'),"
               " (41, 'cleo@example.org', ?, '2026-01-01 00:00:00')", *said)  # fmt: skip
    with Controller.open(deployment.read(world)) as controller:
        asked = Request(((parse(ANA),),), override="for a test")
        told = rights.access(controller, asked, NOW, out=tmp_path / "hers.zip")
        with zipfile.ZipFile(tmp_path / "hers.zip") as package:
            given = "".join(package.read(n).decode("utf-8", "replace") for n in package.namelist())
        done = rights.erase(controller, asked, NOW)
        assert done.complete, done
        held = _suppressed(controller, "ana@example.org", "ana@old.example", "ben@example.org")
        left = [row[0] for row in sql(world, "SELECT id FROM file")]
    # An old address of hers leads to nobody, and is suppressed with her.
    assert held == ["ana@example.org", "ana@old.example"]
    assert left == [4]
    texts = [row[0] for row in sql(world, "SELECT words FROM note WHERE id >= 40 ORDER BY id")]
    assert texts == ["Walrus: ask ben@example.org, not [-].", "Zebra: ask ben@example.org."]
    # Nor is she given what was written of him.
    assert told.complete
    assert ("Walrus" in given) == (how != "link")  # what only links is looked for to erase it
    assert "Zebra" not in given


@pytest.mark.parametrize("link", [False, True])
def test_RIGHT_3_what_stands_in_her_own_row_is_hers_whatever_else_says_it(
    world: Path, link: bool
) -> None:
    """Asked for by her number: notes under her address are not found by it, and are nobody's."""
    _files(world, "(1, 1, 'ana@example.org')", link=link)
    said = "Ask ana@example.org."
    sql(world, "INSERT INTO note VALUES (40, 'cleo@example.org', ?, '2026-01-01 00:00:00')", said)
    with Controller.open(deployment.read(world)) as controller:
        assert rights.erase(controller, _request("account=1"), NOW).complete
        assert _suppressed(controller, "ana@example.org") == ["ana@example.org"]
    assert sql(world, "SELECT words FROM note WHERE id = 40") == [("Ask [-].",)]


def test_RIGHT_3_nothing_that_stays_of_hers_is_given_to_whose_address_stands_there(
    world: Path, tmp_path: Path
) -> None:
    """Nor is he erased, or held, as her."""
    _files(world, "(1, 1, 'ben@example.org')")
    sql(world, "UPDATE invoice SET total = '77.77' WHERE id = 1")
    with Controller.open(deployment.read(world)) as controller:
        assert rights.erase(controller, _request(ANA), NOW).complete
        asked = _request("email=ben@example.org")
        assert rights.access(controller, asked, NOW, out=tmp_path / "his.zip").complete
        with zipfile.ZipFile(tmp_path / "his.zip") as package:
            given = "".join(package.read(n).decode("utf-8", "replace") for n in package.namelist())
    assert "13.50" in given
    assert "77.77" not in given


@pytest.mark.parametrize("who", [ANA, "account=1"])
def test_RIGHT_3_whose_address_it_is_is_asked_again_where_a_system_was_away(
    world: Path, tmp_path: Path, who: str
) -> None:
    """He is known only there: he is suppressed no longer, and she as she was."""
    _files(world, "(1, 1, 'dan@example.org')")
    sql(world, "DELETE FROM invoice")
    (world / "news.yml").write_text(
        "system: news\ntitle: News\ncountry: US\ndatasets:\n"
        "  member:\n    key: [id]\n    retention: messages\n    activities: [communicate]\n"
        "    fields:\n      id: {type: integer, nullable: false}\n"
        "      customer: {type: integer}\n"
        "      mail: {category: contact.email, identifies: email}\n    links:\n"
        "      - {fields: [customer], to: customer, on: [id], kind: owned-by, system: shop}\n"
        "  talk:\n    key: [id]\n    retention: messages\n    activities: [communicate]\n"
        "    fields:\n      id: {type: integer, nullable: false}\n"
        "      words: {category: free-text, free_text: redact}\n",
        "utf-8",
    )
    with (world / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(
            '\n[systems.news]\nstore = "sqlite"\nmode = "act"\nmap = "news.yml"\n'
            f'url = "sqlite:///{tmp_path / "news.sqlite"}"\n'
        )
    news = sqlite3.connect(tmp_path / "away.sqlite")
    news.executescript(
        "CREATE TABLE member (id INTEGER PRIMARY KEY, customer INTEGER, mail TEXT);"
        "CREATE TABLE talk (id INTEGER PRIMARY KEY, words TEXT);"
        "INSERT INTO member VALUES (1, NULL, 'dan@example.org'), (2, 1, 'ana@example.org');"
        "INSERT INTO talk VALUES (1, 'Ask ana@example.org.'), (2, 'Ask dan@example.org.');"
    )
    news.close()
    with Controller.open(deployment.read(world)) as controller:
        case = rights.erase(controller, _request(who), NOW).case
    (tmp_path / "away.sqlite").rename(tmp_path / "news.sqlite")
    with Controller.open(deployment.read(world)) as controller:
        assert rights.erase(controller, _request(case=case), NOW).complete
        held = _suppressed(controller, "ana@example.org", "dan@example.org")
    news = sqlite3.connect(tmp_path / "news.sqlite")
    assert held == ["ana@example.org"]
    assert news.execute("SELECT id FROM member").fetchall() == [(1,)]
    told = [words for (words,) in news.execute("SELECT words FROM talk ORDER BY id")]
    assert told == ["Ask [-].", "Ask dan@example.org."]
    news.close()


@pytest.mark.parametrize("people", [(ANA, "email=ben@example.org"), ("account=1", "account=2")])
@pytest.mark.parametrize("more", ["", ", (5, 3, 'us@example.org')"])
def test_RIGHT_3_who_is_erased_together_is_suppressed_together(
    world: Path, people: tuple[str, ...], more: str
) -> None:
    """Each stands in rows of the other, and both share an address: which a third may use, too."""
    _files(
        world,
        "(1, 1, 'ben@example.org'), (2, 2, 'ben@example.org'), (3, 1, 'us@example.org'),"
        f" (4, 2, 'us@example.org'){more}",
    )
    both = Request(tuple((parse(one),) for one in people), override="for a test")
    theirs = ["ana@example.org", "ben@example.org"]
    with Controller.open(deployment.read(world)) as controller:
        assert rights.erase(controller, both, NOW).complete
        held = _suppressed(controller, *theirs, "us@example.org")
    assert held == [*theirs, *([] if more else ["us@example.org"])]
