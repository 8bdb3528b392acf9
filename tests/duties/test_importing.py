"""Lists that are brought in, over real stores: once, to the end, and never against a person."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from openpyxl import Workbook

from kept.controller import Controller
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import rights
from kept.duties.collect import deciding, importing
from kept.duties.rights import Request
from kept.errors import Busy, Denied, StoreError, UsageError
from kept.terms.identifiers import parse
from tests import huts
from tests import importing as world
from tests.acceptance.conftest import kept
from tests.importing import brought, lead, looked, opened, written
from tests.world import NOW, ROOT, edit, sql

#: The command, with batches so small that a list has many.
SMALL_BATCHES = """
import sys
from kept.app.cli import main
from kept.duties.collect import importing
importing.BATCH = 100
main(sys.argv[1:])
"""
WHEN = ("--now", NOW.isoformat())


@pytest.fixture
def shop(kept_url: str, tmp_path: Path) -> Path:
    return world.shop(tmp_path / "world", kept_url)


@pytest.fixture
def controller(shop: Path) -> Iterator[Controller]:
    with opened(shop) as made:
        yield made


def stored(shop: Path, what: str = "email") -> list[object]:
    return [row[0] for row in sql(shop, f"SELECT {what} FROM lead ORDER BY id")]


def test_the_same_list_again_and_lines_of_it_in_another_change_nothing(
    shop: Path, controller: Controller
) -> None:
    file = written(shop, lead("a@example.org"), lead("b@example.org"), lead("A@example.org"))
    first = brought(controller, file)
    assert dict(first.counts) == {"taken": 2, "there": 1}
    size = controller.ledger.size
    again = brought(controller, file)
    assert (again.id, controller.ledger.size) == (first.id, size)
    more = written(shop, lead("b@example.org"), lead("c@example.org"), name="more.csv")
    assert dict(brought(controller, more).counts) == {"taken": 1, "there": 1}
    assert stored(shop) == ["a@example.org", "b@example.org", "c@example.org"]
    # Of whom it came and on what it rests stands with each row.
    assert set(sql(shop, "SELECT basis, activity, source, given FROM lead")) == {
        ("consent", "partner-leads", "windowworks", "2026-11-20")
    }
    (entry,) = [e for _, e in controller.ledger.entries(kind="import.stored")][:1]
    assert (entry.body["rows"], entry.body["there"], entry.body["bases"]) == (2, 1, ["consent"])
    assert "example.org" not in repr([e for _, e in controller.ledger.entries()])


def test_nothing_undoes_what_people_said(shop: Path, controller: Controller) -> None:
    """Suppressed, objecting, restricted, erased, reported as a child, and put right."""
    who = {n: parse(f"email={n}@example.org") for n in ("sup", "obj", "res", "new", "ana", "wd")}

    def asked(name: str) -> Request:
        return Request(((who[name],),), override="test")

    controller.suppressions.add([who["sup"]], NOW, channel="email", source="page")
    number = controller.subjects.of([who["obj"]], NOW)
    controller.consents.object_to(number, "marketing", NOW, source="letter")
    controller.consents.restrict(controller.subjects.of([who["res"]], NOW), True, NOW, source="x")
    wd = controller.subjects.of([who["wd"]], NOW)
    controller.consents.grant(wd, "marketing.email", NOW, source="form")
    controller.consents.withdraw(wd, "marketing.email", NOW, source="page")
    assert rights.erase(controller, asked("ana"), NOW).complete
    names = ("SUP", "obj", "res", "ana", "wd", "new")
    file = written(shop, *(lead(f"{n}@example.org") for n in names))
    assert [j.outcome for j in looked(controller, file)] == ["refused"] * 5 + ["taken"]
    assert sql(shop, "SELECT count(*) FROM lead") == [(0,)]
    run = brought(controller, file)
    assert dict(run.counts) == {"taken": 1, "refused": 5, "refused.denied": 5}
    assert stored(shop) == ["new@example.org"]
    assert controller.suppressions.channels(who["sup"]) == {"email"}
    # Facts of a provider are no message, and she who was erased comes by no list.
    facts = written(shop, "ana@example.org,Head", "sup@example.org,Head", head="email,Title",
                    name="facts.csv")  # fmt: skip
    done = brought(controller, facts, "provider-facts", None)
    assert dict(done.counts) == {"taken": 1, "refused": 1, "refused.denied": 1}
    assert sql(shop, "SELECT email FROM fact") == [("sup@example.org",)]


def test_what_was_put_right_stays_right_in_what_a_list_says_tomorrow(
    shop: Path, controller: Controller
) -> None:
    brought(controller, written(shop, lead("lea@example.org", name="Lea Nil")))
    request = Request(((parse("email=lea@example.org"),),), override="test")
    answer = rights.rectify(controller, request, "shop.lead.name", "Lea Neill", NOW)
    assert answer.complete
    tomorrow = written(
        shop, lead("lea@example.org", name="LEA NIL", event="Show"), name="tomorrow.csv"
    )
    brought(controller, tomorrow)
    assert sql(shop, "SELECT name, event FROM lead ORDER BY id") == [
        ("Lea Neill", "Fair"), ("Lea Neill", "Show"),
    ]  # fmt: skip


def test_without_an_agreement_in_force_nothing_is_stored(
    shop: Path, controller: Controller
) -> None:
    file = written(shop, lead("a@example.org"))
    for source, error in (("deskline", Denied), (None, UsageError), ("somebody", UsageError)):
        with pytest.raises(error):
            brought(controller, file, source=source)
    late = NOW.replace(year=2025)
    with pytest.raises(Denied, match=r"no agreement in force.*\[documents\."):
        brought(controller, file, now=late)
    assert (stored(shop), controller.imports.all()) == ([], [])


def test_what_may_be_a_childs_waits_and_is_stored_or_gone_when_somebody_decided(
    shop: Path, controller: Controller
) -> None:
    father = lead("not@example.org", note="my 12 year old")
    file = written(shop, lead("kid@example.org", note="I am 14"), father)
    assert dict(brought(controller, file).counts) == {"waits": 2}
    assert stored(shop) == []
    one, two = controller.quarantine.open()
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    assert deciding.look(controller, one.id)[1]["email"] == "kid@example.org"
    deciding.decide(controller, one.id, "child", "her mother called", officer, NOW)
    # Its place does not take it: it waits on, and can be let through again.
    sql(shop, "ALTER TABLE lead RENAME TO away")
    with pytest.raises(StoreError):
        deciding.decide(controller, two.id, "no-child", "a father of one", officer, NOW)
    sql(shop, "ALTER TABLE away RENAME TO lead")
    deciding.decide(controller, two.id, "no-child", "a father of one", officer, NOW)
    assert stored(shop) == ["not@example.org"]
    with pytest.raises(UsageError, match="gone"):
        controller.quarantine.sent(two)
    # The same list with a line more: who was let through is there.
    more = written(shop, father, lead("c@example.org"), name="more.csv")
    assert dict(brought(controller, more).counts) == {"taken": 1, "there": 1}


def test_two_who_let_the_same_line_through_store_it_once(
    shop: Path, controller: Controller
) -> None:
    brought(controller, written(shop, lead("not@example.org", note="my 12 year old")))
    (one,) = controller.quarantine.open()
    sent = controller.quarantine.sent(one)  # both have read it
    made = [importing.let_through(controller, one, sent, NOW) for _ in range(2)]
    assert (made, stored(shop)) == ([True, False], ["not@example.org"])
    handed = [e for _, e in controller.ledger.entries(kind="form.handed")]
    assert len(handed) == 1
    # A row with a mark that somebody made up did not come by an import.
    name = "collect.imports-hold-what-is-declared"
    # The words on which she agreed lie with her row; no form of ours showed them.
    assert [*controller.ledger.entries(kind="consent.given")]
    for each in (name, "notice.can-be-shown-again"):
        assert not run(controller, registered(), NOW, names=[each])[0].findings
    columns = "email, event, basis, activity, source, given, at"
    more = f"INSERT INTO lead (id, mark, {columns}) SELECT 99, 'made up', {columns} FROM lead"
    sql(shop, more)
    found = run(controller, registered(), NOW, names=[name])[0].findings
    assert any("the ledger does not have" in one.words for one in found)
    # Nor does a run that was left between two batches speak for them.
    with controller.database.connection() as c:
        c.execute("UPDATE import_run SET state = 'running'")
    found = run(controller, registered(), NOW, names=[name])[0].findings
    assert any("the ledger does not have" in one.words for one in found)


def test_a_line_that_waits_from_two_files_is_counted_once(
    shop: Path, controller: Controller
) -> None:
    line = lead("not@example.org", note="my 12 year old")
    brought(controller, written(shop, line))
    brought(controller, written(shop, line, lead("z@example.org"), name="more.csv"))
    waits = controller.quarantine.open()
    assert len(waits) == 2
    made = [
        importing.let_through(controller, one, controller.quarantine.sent(one), NOW)
        for one in waits
    ]
    assert (made, stored(shop)) == ([True, False], ["z@example.org", "not@example.org"])
    rows = [(e.body["rows"], e.body["there"]) for _, e in
            controller.ledger.entries(kind="import.stored")][-2:]  # fmt: skip
    assert rows == [(1, 0), (0, 1)]
    assert len([*controller.ledger.entries(kind="consent.given")]) == 2
    found = run(controller, registered(), NOW, names=["collect.imports-hold-what-is-declared"])
    assert not found[0].findings


def test_a_line_that_was_let_through_when_the_machine_stopped_is_entered(
    shop: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought(controller, written(shop, lead("not@example.org", note="my 12 year old")))
    (one,) = controller.quarantine.open()
    sent = controller.quarantine.sent(one)
    with monkeypatch.context() as stopped:
        stopped.setattr(importing, "_tally", {}.pop)  # after the row, before the entry
        with pytest.raises(Exception):  # noqa: B017, PT011
            importing.let_through(controller, one, sent, NOW)
    assert stored(shop) == ["not@example.org"]
    assert importing.let_through(controller, one, sent, NOW)
    (entry,) = [e for _, e in controller.ledger.entries(kind="import.stored")][1:]
    assert (entry.body["rows"], entry.body["there"]) == (1, 0)
    assert stored(shop) == ["not@example.org"]


def test_a_list_that_is_written_to_while_it_is_read_ends_there(
    shop: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is what was surveyed, and counted as that file."""
    file = written(shop, lead("a@example.org"), lead("b@example.org"), lead("c@example.org"))
    begin = importing._begin

    def changed(*given: Any) -> Any:
        written(shop, lead("x@example.org"))
        return begin(*given)

    monkeypatch.setattr(importing, "_begin", changed)
    with pytest.raises(UsageError, match="changed while it was read"):
        brought(controller, file)
    assert stored(shop) == []
    assert not controller.imports.all()[0].done


def test_a_batch_that_was_cut_off_between_both_databases_is_done_again(
    shop: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored at the company's and not yet written down: nothing twice, nothing uncounted."""
    file = written(shop, *(lead(f"p{n}@example.org") for n in range(5)))
    with monkeypatch.context() as patch:
        patch.setattr(controller.imports, "through", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            brought(controller, file)
    assert len(stored(shop)) == 5
    (run,) = controller.imports.all()
    assert (run.through, run.under_way, dict(run.counts)) == (1, 6, {})
    assert [e.body for _, e in controller.ledger.entries(kind="consent.given")] == []
    done = brought(controller, file)
    assert (done.done, dict(done.counts)) == (True, {"taken": 5})
    assert len(stored(shop)) == 5
    assert len(list(controller.ledger.entries(kind="consent.given"))) == 5


def test_killed_anywhere_it_goes_on_where_it_was(shop: Path, kept_url: str) -> None:
    """A process that is killed outright, and the same command again."""
    lines = [f"p{n}@example.org,Head of {n}" for n in range(1_500)]
    file = written(shop, *lines, head="email,Title", name="facts.csv")
    command = [sys.executable, "-c", SMALL_BATCHES, "import", str(file), "--as", "provider-facts",
               "--given", "2026-11-20", "--yes", "--dir", str(shop), *WHEN]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    try:
        while process.poll() is None:
            if sql(shop, "SELECT count(*) FROM fact") > [(0,)]:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.01)
    finally:
        process.wait()
    assert process.returncode == -signal.SIGKILL
    (there,) = sql(shop, "SELECT count(*) FROM fact")[0]
    assert 0 < int(str(there)) < 1_500
    ran = kept(shop, "import", file, "--as", "provider-facts", "--given", "2026-11-20", "--yes",
               *WHEN)  # fmt: skip
    assert ran.status == 0, ran.said
    assert ran.document["counts"] == {"taken": 1_500}
    assert sql(shop, "SELECT count(*), count(DISTINCT email) FROM fact") == [(1_500, 1_500)]
    with psycopg.connect(kept_url) as connection:
        (rows,) = connection.execute("SELECT counts->>'taken' FROM import_run").fetchone() or ()
    assert rows == "1500"


def test_the_command_shows_first_names_nobody_and_stops_when_asked(
    shop: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = world.HEAD + ",Score,Birthday"
    file = written(shop, lead("a@example.org") + ",9,1990-01-01",
                   lead("kid@example.org") + ",9,2012-01-01", lead("b@example.org", on="")
                   + ",9,", head=head)  # fmt: skip
    call = ("import", file, "--as", "partner-leads", "--from", "windowworks", "--given",
            "2026-11-20", *WHEN)  # fmt: skip
    shown = kept(shop, *call, json=False)
    assert shown.status == 0, shown.said
    words = " ".join(shown.out.split())
    assert "does not declare it: `Score`, `Birthday`" in words
    assert "3 refused it is about somebody too young; nothing of it is kept (`Birthday`)" in words
    assert "1 to be stored, 2 refused" in words
    assert "example.org" not in shown.said
    assert (stored(shop), controller.quarantine.counts()) == ([], {})
    done = kept(shop, *call, "--yes")
    assert (done.status, done.document["complete"]) == (0, True)
    assert controller.quarantine.counts() == {
        ("import:partner-leads", "age"): 1, ("import:partner-leads", "proof"): 1,
    }  # fmt: skip
    assert kept(shop, *call, "--yes").document["there_before"] is True
    assert kept(shop, *call, "--role", "auditor").status == 1
    with controller.imports.alone("partner-leads"), pytest.raises(Busy):
        brought(controller, file)


def test_what_is_set_up_wrong_is_said_with_its_line(shop: Path) -> None:
    for before, after, words in (
        ('dataset = "shop.lead"', 'dataset = "shop.none"', "cannot be stored as it is set up"),
        ('sources = ["windowworks", "deskline"]', 'sources = ["provider"]', "nobody who may give"),
        ("[imports.partner-leads]", "[imports.partner-lead]", "no import"),
        ('mark = "mark", at = "at"}\n\n', 'at = "at"}\n\n', "does not name the columns"),
        ("retention: partner-leads", "retention: contact", "as the policy says"),
    ):
        file = shop / ("shop.yml" if before.startswith("retention") else "kept.toml")
        edit(file, before, after)
        ran = kept(shop, "import", "x.csv", "--as", "partner-leads", *WHEN)
        assert ran.status == 2
        assert words in ran.said, ran.said
        edit(file, after, before)


JOINED = """CREATE TABLE beitritt (
    nr text PRIMARY KEY, name text NOT NULL, mail text, geboren date, land text, news_am date,
    news_text text, news_wo text, basis text, quelle text, marke text UNIQUE
)"""
JOINED_MAP = """  beitritt:
    title: Members of sections that joined
    key: [nr]
    origin: provided
    retention: list-of-members
    activities: [members]
    fields:
      nr: {category: identifier.account, nullable: false}
      name: {category: contact.name, identifies: name, nullable: false, overwrite: erased}
      mail: {category: contact.email, identifies: email}
      geboren: {type: date, category: birth}
      land: {category: contact.address}
      news_am: {type: date, category: membership}
      news_text: {category: membership}
      news_wo: {category: membership}
      basis: {stamp: basis}
      quelle: {origin: own}
      marke: {origin: own}
"""
JOINED_TOML = """
[imports.section-joins]
dataset = "geschaeftsstelle.beitritt"
sources = ["organisation"]
fields = {mitglied = "nr", who = "name", born = "geboren", news_on = "news_am", news_words = "news_text", news_at = "news_wo"}
stamps = {basis = "basis", source = "quelle", mark = "marke"}
"""  # noqa: E501


def test_another_bundle_brings_its_members_in_from_a_spreadsheet(
    kept_url: str, fresh_pg_url: str, tmp_path: Path
) -> None:
    """Nobody's list but its own, children among them, days as cells; PostgreSQL."""
    place = huts.make(tmp_path / "world", kept_url, fresh_pg_url)
    edit(place / "office.yml", "  spende:\n", JOINED_MAP.rstrip("\n") + "\n  spende:\n")
    with (place / "kept.toml").open("a", encoding="utf-8") as file:
        file.write(JOINED_TOML)
    with psycopg.connect(fresh_pg_url) as office:
        office.execute(JOINED)
    book = Workbook()
    assert book.active is not None
    for row in (
        ("Mitgliedsnummer", "Name", "E-Mail", "Geburtsdatum", "Land", "news", "news_on",
         "news_words", "news_at", "Passwort"),
        ("B-1", "Ladina", "ladina@example.org", dt.date(2014, 4, 3), "CH", "ja", "01.10.2026",
         "Version 2", "Hauptversammlung", "x"),
        ("B-2", "Reto", "reto@example.org", "3.4.1980", "AT", "ja", None, "Version 2", None, "x"),
        ("B-3", "=1+1", None, None, None, None, None, None, None, None),
        ("B-4", "Uorsin", None, 29314, None, None, None, None, None, None),
    ):  # fmt: skip
        book.active.append(row)
    book.save(tmp_path / "sektion.xlsx")
    ran = kept(place, "import", tmp_path / "sektion.xlsx", "--as", "section-joins", "--given",
               "2026-11-01", "--yes", *WHEN)  # fmt: skip
    assert ran.status == 0, ran.said
    assert ran.document["left_out"] == ["Passwort"]
    assert ran.document["counts"] == {
        "taken": 2, "refused": 2, "refused.formula": 1, "refused.malformed": 1,
    }  # fmt: skip
    with psycopg.connect(fresh_pg_url) as office:
        rows = office.execute(
            "SELECT nr, geboren, news_am, basis, quelle FROM beitritt ORDER BY nr"
        ).fetchall()
    assert rows == [
        ("B-1", dt.date(2014, 4, 3), dt.date(2026, 10, 1), "contract", "organisation"),
        ("B-2", dt.date(1980, 4, 3), None, "contract", "organisation"),
    ]
    with opened(place) as controller:
        # Whose consent is proved has given it, and nobody else.
        for who, gave in (("ladina", True), ("reto", False)):
            facts = controller.facts(parse(f"email={who}@example.org"), NOW)
            assert ("consent:newsletter" in facts.held) is gave
