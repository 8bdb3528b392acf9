"""RET: what has to stay is out of everybody's sight, and goes when nothing keeps it any more.

A shop whose support desk keeps its requests for a dispute: isolated on SQLite and PostgreSQL,
beside invoices that the law wants in the books.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Evidence, Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import holds, rights
from kept.duties.rights import EraseAnswer, Request
from kept.duties.rights import letter as letters
from kept.errors import Denied, Obstructed, Shredded
from kept.model.decision import Ask
from kept.model.plan import Action
from kept.records.hold import Hold
from kept.terms.identifiers import parse
from tests.acceptance.test_interruptions import _DRIVER as DRIVER
from tests.stores.engines import opened
from tests.world import NOW, ROOT, edit, make, sql

EMAIL = "email=ana@example.org"
ENGINES = ("sqlite", "postgresql")
WORDS = "She says the lamp burnt. Ana, +49 30 123456"
DESK = """
system: desk
title: Support desk
country: US
datasets:
  ticket:
    key: [id]
    title: Requests
    retention: support-cases
    clock: closed
    activities: [support]
    stays: isolated
    fields:
      id: {type: integer, nullable: false}
      sender: {category: contact.email, identifies: email, nullable: false, overwrite: "erased-{id}@erased.invalid"}
      words: {category: support-case}
      paid: {type: decimal, category: support-case}
      closed: datetime
"""  # noqa: E501
SCHEMA = (
    "CREATE TABLE ticket (id INTEGER PRIMARY KEY, sender TEXT NOT NULL UNIQUE, words TEXT,"
    " paid NUMERIC(10,2), closed TIMESTAMP);"
    f"INSERT INTO ticket VALUES (7, 'ANA@example.org', '{WORDS}', 12.50, '2026-01-01 00:00:00'),"
    " (8, 'ben@example.org', 'hi', NULL, NULL);"
)


class Desk:
    """The world with a desk beside the shop, and a look into the desk without Kept."""

    def __init__(self, world: Path, engine: str, url: str) -> None:
        self.world, self.engine, self.url = world, engine, url

    def do(self, statement: str) -> list[tuple[Any, ...]]:
        if self.engine == "sqlite":
            import sqlite3

            connection = sqlite3.connect(self.world / "desk.sqlite")
            try:
                with connection:
                    cursor = (
                        connection.executescript(statement)
                        if ";" in statement
                        else (connection.execute(statement))
                    )
                    return cursor.fetchall()
            finally:
                connection.close()
        if self.engine == "mariadb":
            with opened(self.url) as shop, shop.cursor() as cursor:
                for one in filter(str.strip, statement.split(";")):
                    cursor.execute(one)
                shop.commit()
                return list(cursor.fetchall())
        with psycopg.connect(self.url) as c:
            found = c.execute(statement.encode())
            return found.fetchall() if found.description else []

    def tickets(self) -> dict[int, tuple[Any, ...]]:
        rows = self.do("SELECT id, sender, words, paid FROM ticket ORDER BY id")
        return {row[0]: row[1:] for row in rows}


@pytest.fixture(params=ENGINES)
def desk(request: pytest.FixtureRequest, kept_url: str, fresh_pg_url: str, tmp_path: Path) -> Desk:
    world = make(tmp_path / "world", kept_url)
    path = f"sqlite:///{world / 'desk.sqlite'}"
    url = path if request.param == "sqlite" else fresh_pg_url
    made = Desk(world, request.param, url)
    made.do(SCHEMA)
    (world / "desk.yml").write_text(DESK, "utf-8")
    with (world / "kept.toml").open("a") as file:
        file.write(
            f'\n[systems.desk]\nstore = "{request.param}"\nurl = "{url}"\n'
            'mode = "act"\nmap = "desk.yml"\n'
        )
    return made


def _hold(desk: Desk, until: dt.date | None = None) -> Hold:
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        return holds.place(
            controller, ground="A dispute about a lamp.", clause="RET-10", actor=actor, now=NOW,
            person=[parse(EMAIL)], system="desk", until=until,
        )  # fmt: skip


def _release(desk: Desk, hold: Hold, now: dt.datetime = NOW) -> None:
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "operator", now)
        holds.release(controller, hold.id, "settled", actor, now)


def _erase(desk: Desk) -> EraseAnswer:
    with Controller.open(deployment.read(desk.world)) as controller:
        request = Request(people=((parse(EMAIL),),), override="test")
        return rights.erase(controller, request, NOW)


def _expire(desk: Desk, now: dt.datetime = NOW) -> rights.EndAnswer:
    with Controller.open(deployment.read(desk.world)) as controller:
        return rights.expire(controller, now)


def _access(desk: Desk, now: dt.datetime = NOW) -> tuple[rights.AccessAnswer, dict[str, Any], str]:
    out = desk.world / f"pack-{now:%Y%m%d%H%M%S}-{len(list(desk.world.iterdir()))}.zip"
    with Controller.open(deployment.read(desk.world)) as controller:
        request = Request(people=((parse(EMAIL),),), override="test")
        answer = rights.access(controller, request, now, out=out)
    with zipfile.ZipFile(out) as archive:
        names = [n for n in archive.namelist() if n.startswith("data/") and n[-5:] == ".json"]
        rows = {n[5:-5]: json.loads(archive.read(n)) for n in names}
        return answer, rows, archive.read("index.html").decode()


def _run(desk: Desk, name: str, now: dt.datetime = NOW) -> Evidence:
    with Controller.open(deployment.read(desk.world)) as controller:
        return run(controller, registered(), now, names=[name])[0]


UNREADABLE, ENDS = "rights.isolated-is-unreadable", "rights.what-is-kept-ends"


def test_RET_3_what_must_stay_is_isolated_and_read_back(desk: Desk) -> None:
    _hold(desk)
    answer = _erase(desk)
    assert answer.complete
    (step,) = [s for s in answer.steps if s.store == "desk"]
    assert (step.action, step.verified) == (Action.ISOLATE, True)
    assert (step.counts.found, step.counts.changed, step.counts.retained, step.counts.isolated) == (
        1, 0, 0, 1,
    )  # fmt: skip
    assert step.reason is not None
    assert (step.reason.words, step.reason.clause) == ("A dispute about a lamp.", "RET-10")
    # In the table nothing of her is left; the other's row is as it was.
    after = desk.tickets()
    assert after[7] == ("erased-7@erased.invalid", None, None)
    assert after[8][:2] == ("ben@example.org", "hi")
    # What the law wants in the books stays there, and is named so.
    assert sum(s.counts.retained for s in answer.steps if s.dataset == "invoice") == 1
    with Controller.open(deployment.read(desk.world)) as controller:
        closed = [e.body for _, e in controller.ledger.entries(kind="case.closed")]
    assert closed[-1]["isolated"] == 1
    # Kept itself holds it sealed only.
    with psycopg.connect(_own(desk)) as c:
        tables = [
            t for (t,) in c.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        dump = "".join(str(c.execute(f'SELECT t::text FROM "{t}" t').fetchall()) for t in tables)
    assert "lamp burnt" not in dump
    assert b"lamp burnt".hex() not in dump


def test_RIGHT_15_a_column_that_no_map_names_stops_what_would_leave_it(desk: Desk) -> None:
    """RIGHT-15: in a row that stays it would stay readable, and the answer would say complete."""
    desk.do("ALTER TABLE ticket ADD COLUMN firm TEXT; UPDATE ticket SET firm = 'Her firm';")
    hold = _hold(desk)
    request = Request(((parse(EMAIL),),), override="test")
    with Controller.open(deployment.read(desk.world)) as controller:
        shown = rights.preview(controller, request, NOW)
    assert any("`desk.ticket.firm`" in str(s.problem) for s in shown.steps)
    with pytest.raises(Obstructed, match=r"`desk\.ticket\.firm`.*fields"):
        _erase(desk)
    assert desk.tickets()[7][1] == WORDS
    edit(desk.world / "desk.yml", "      closed:", "      firm: {category: contact}\n      closed:")
    assert _erase(desk).complete
    assert desk.do("SELECT firm FROM ticket WHERE id = 7") == [(None,)]
    # A row that goes whole takes along whatever stands in it.
    _release(desk, hold)
    edit(desk.world / "desk.yml", "      firm: {category: contact}\n", "")
    assert _expire(desk).complete
    assert 7 not in desk.tickets()


def _own(desk: Desk) -> str:
    return deployment.read(desk.world).database


def test_RET_3_a_row_that_is_gone_before_it_is_sealed_is_not_called_isolated(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hold(desk)
    real = Controller.isolate

    def gone(self: Controller, *given: Any, **named: Any) -> None:
        desk.do("DELETE FROM ticket WHERE id = 7")
        real(self, *given, **named)

    monkeypatch.setattr(Controller, "isolate", gone)
    answer = _erase(desk)
    (step,) = [s for s in answer.steps if s.store == "desk"]
    assert (step.action, step.counts.isolated, step.verified) == (Action.ISOLATE, 0, False)
    assert step.problem == "1 of 1 rows that have to stay are gone, or not emptied"
    assert not answer.complete
    with psycopg.connect(_own(desk)) as c:
        assert c.execute("SELECT count(*) FROM isolated").fetchone() == (0,)


def test_RET_3_no_purpose_reads_it_and_the_control_looks(desk: Desk) -> None:
    hold = _hold(desk)
    before = _run(desk, UNREADABLE)
    assert before.outcome is Outcome.VACUOUS
    _erase(desk)
    ran = _run(desk, UNREADABLE)
    assert (ran.outcome, ran.findings) == (Outcome.PASS, ())
    with Controller.open(deployment.read(desk.world)) as controller:
        met = 0
        for activity in controller.bundle.activities.values():
            for category in ("support-case", "contact.email"):
                ask = Ask(
                    activity.purpose, category, activity.contexts[0] if activity.contexts else "any"
                )
                for who in (EMAIL, "email=erased-7@erased.invalid"):
                    try:
                        for place, batch in controller.use(ask, parse(who), NOW):
                            assert place[0] != "desk", place
                            met += len(batch.rows)
                    except Denied:
                        continue
        # A hold of her own opens it, for its ground only, and that is an entry.
        rows = list(rights.isolation.for_ground(controller, hold.id, NOW))
        ((place, batch),) = rows
        assert place == ("desk", "ticket")
        assert WORDS in batch.rows[0]
        used = [e.body for _, e in controller.ledger.entries(kind="locator.used")]
        assert used[-1]["found"] == 1
        with pytest.raises(Denied, match="no such open hold"):
            list(rights.isolation.for_ground(controller, "nothing", NOW))


def _written_back(desk: Desk) -> None:
    """Somebody restores the table from a backup."""
    desk.do(f"UPDATE ticket SET words = '{WORDS}' WHERE id = 7")


def _unveiled(desk: Desk) -> None:
    """The row is not on the list of those to leave out any more."""
    with psycopg.connect(_own(desk)) as c:
        c.execute("DELETE FROM retained WHERE system = 'desk'")


def _unsaid(desk: Desk) -> None:
    """Nobody decided that invoices stay readable."""
    edit(desk.world / "shop.yml", "    stays: in-place\n", "")


@pytest.mark.parametrize("plant", [_written_back, _unveiled, _unsaid])
def test_RET_3_the_control_fails_in_a_world_where_it_can_be_read(
    desk: Desk, plant: Callable[[Desk], None]
) -> None:
    _hold(desk)
    _erase(desk)
    plant(desk)
    assert _run(desk, UNREADABLE).outcome is Outcome.FAIL


def test_RET_3_the_person_sees_it_marked(desk: Desk) -> None:
    _hold(desk)
    _erase(desk)
    answer, rows, page = _access(desk)
    assert answer.complete
    (row,) = rows["desk.ticket"]
    assert (row["sender"], row["words"], float(row["paid"])) == ("ANA@example.org", WORDS, 12.5)
    (step,) = [s for s in answer.steps if s.dataset == "ticket"]
    assert (step.counts.found, step.counts.isolated, step.verified) == (1, 1, True)
    assert "is sealed: only whoever needs it for that reason can open it" in page
    assert "A dispute about a lamp." in page
    # Nobody else sees it: Ben's answer is his own.
    out = desk.world / "ben.zip"
    with Controller.open(deployment.read(desk.world)) as controller:
        request = Request(people=((parse("email=ben@example.org"),),), override="test")
        rights.access(controller, request, NOW, out=out)
    with zipfile.ZipFile(out) as archive:
        assert [n for n in archive.namelist() if b"lamp burnt" in archive.read(n)] == []


def test_RET_3_when_the_hold_ends_it_goes_without_human_help(desk: Desk) -> None:
    hold = _hold(desk)
    _erase(desk)
    assert _expire(desk).ended == 0
    assert 7 in desk.tickets()
    with (
        Controller.open(deployment.read(desk.world)) as controller,
        psycopg.connect(_own(desk)) as c,
    ):
        ((entry, sealed),) = c.execute("SELECT entry, sealed FROM isolated").fetchall()
        assert controller.vault.unseal(-entry, "locator", sealed, b"isolated")
        _release(desk, hold)
        late = NOW + dt.timedelta(days=3)
        assert _run(desk, ENDS, late).outcome is Outcome.FAIL
        done = _expire(desk, late)
        assert (done.complete, done.ended, done.gone) == (True, 1, 1)
        with pytest.raises(Shredded):
            controller.vault.unseal(-entry, "locator", sealed, b"isolated")
        assert c.execute("SELECT count(*) FROM isolated").fetchone() == (0,)
    assert list(desk.tickets()) == [8]
    assert _run(desk, ENDS, late).outcome is Outcome.PASS  # the invoice is still kept
    assert sql(desk.world, "SELECT id FROM invoice ORDER BY id") == [(1,), (3,)]
    _, rows, _ = _access(desk, late)
    assert "desk.ticket" not in rows or rows["desk.ticket"] == []
    # Once more changes nothing.
    again = _expire(desk, late)
    assert (again.ended, again.complete) == (0, True)


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_what_a_row_said_does_not_outlive_its_hold_where_the_row_stays_for_others(
    desk: Desk,
) -> None:
    """RET-3: her invoices keep the emptied customer they belong to, and nothing of what it said."""
    edit(desk.world / "shop.yml", "    activities: [account, service]\n",
         "    activities: [account, service]\n    stays: isolated\n")  # fmt: skip
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        hold = holds.place(
            controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
            person=[parse(EMAIL)], system="shop", dataset="customer",
        )  # fmt: skip
    assert _erase(desk).complete
    assert _access(desk)[1]["shop.customer"][0]["email"] == "ana@example.org"
    with psycopg.connect(_own(desk)) as c:
        ((entry, sealed),) = c.execute("SELECT entry, sealed FROM isolated").fetchall()
    _release(desk, hold)
    done = _expire(desk)
    assert (done.complete, done.ended, done.gone, done.renewed) == (True, 1, 0, 1)
    (step,) = done.steps
    assert (step.action, step.verified) == (Action.OVERWRITE, True)
    with Controller.open(deployment.read(desk.world)) as controller:
        with pytest.raises(Shredded):
            controller.vault.unseal(-entry, "locator", sealed, b"isolated")
        shredded = [e.body for _, e in controller.ledger.entries(kind="keys.shredded")]
    assert shredded[-1]["classes"] == ["locator"]
    with psycopg.connect(_own(desk)) as c:
        assert c.execute("SELECT count(*) FROM isolated").fetchone() == (0,)
    # She sees what is left: the bare row, and by when it goes.
    answer, rows, _ = _access(desk)
    assert answer.complete
    assert rows["shop.customer"][0]["email"] == "erased-1@erased.invalid"
    assert "O'Neill" not in json.dumps(rows)
    assert (_run(desk, UNREADABLE).outcome, _run(desk, ENDS).outcome) == (Outcome.PASS,) * 2
    assert _expire(desk, dt.datetime(2034, 5, 2, 12, tzinfo=dt.UTC)).complete
    assert sql(desk.world, "SELECT id FROM customer ORDER BY id") == [(2,), (3,)]


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_a_row_that_is_emptied_when_its_hold_ends_is_known_again(desk: Desk) -> None:
    """RET-3, RET-6: it stays for her invoices alone, and no purpose reads it until they go."""
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        hold = holds.place(
            controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
            person=[parse(EMAIL)], system="shop", dataset="customer",
        )  # fmt: skip
    assert _erase(desk).complete
    _release(desk, hold)
    assert _expire(desk).renewed == 1
    with Controller.open(deployment.read(desk.world)) as controller:
        found = {(one.system, one.dataset): one for one in controller.isolation()}
    one = found["shop", "customer"]
    assert (one.rows, one.gone, one.readable, one.shown) == (1, 0, 0, 0)


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_a_system_that_left_the_map_is_named_and_ends_no_run(desk: Desk) -> None:
    """RET-3: what was kept there is not called gone, and everything else goes on."""
    hold = _hold(desk)
    assert _erase(desk).complete
    _release(desk, hold)
    edit(desk.world / "kept.toml", "[systems.shop]", "[systems.store]")
    edit(desk.world / "shop.yml", "system: shop", "system: store")
    found = _expire(desk)
    assert (found.ended, found.gone, found.complete) == (1, 1, False)
    assert [system for system, _ in found.unreached] == ["shop"]
    with Controller.open(deployment.read(desk.world)) as controller:
        asked = Request(((parse(EMAIL),),), override="test")
        shown = rights.access(controller, asked, NOW, out=desk.world / "out.zip")
    assert (shown.complete, [system for system, _ in shown.unreached]) == (False, ["shop"])


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_a_table_that_left_the_map_ends_no_run_either(desk: Desk) -> None:
    """RET-3: its system is there, and nobody says any more what is whose in it."""
    held = _hold(desk)
    assert _erase(desk).complete
    _release(desk, held)
    with Controller.open(deployment.read(desk.world)) as controller:
        kept = {e.place[1] for e in controller.locator.ended(NOW) if e.place[0] == "shop"}
    text = (desk.world / "shop.yml").read_text("utf-8")
    alone = sorted(one for one in kept if f"to: {one}" not in text)[0]
    edit(desk.world / "shop.yml", f"\n  {alone}:", f"\n  {alone}_of_old:")
    assert not _expire(desk).complete


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_a_table_that_left_the_map_keeps_nothing_waiting_beside_it(desk: Desk) -> None:
    """RET-3: what was kept of one person there kept everybody's rows of that whole system."""
    ticket = DESK.partition("datasets:\n")[2]
    old = ticket.replace("ticket:", "old:").replace("title: Requests", "title: Old requests")
    (desk.world / "desk.yml").write_text(DESK + old, "utf-8")
    desk.do(SCHEMA.replace("ticket", "old").replace("ANA@", "cleo@"))
    held = _hold(desk)
    assert _erase(desk).complete
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        ben = (parse("email=ben@example.org"),)
        other = holds.place(
            controller, ground="Another lamp.", clause="RET-10", actor=actor, now=NOW,
            person=ben, system="desk", dataset="old",
        )  # fmt: skip
        rights.erase(controller, Request(people=(ben,), override="test"), NOW)
    _release(desk, held)
    _release(desk, other)
    (desk.world / "desk.yml").write_text(DESK, "utf-8")
    found = _expire(desk)
    assert (found.ended, found.gone) == (2, 1)
    assert [name for name, _ in found.unreached] == ["desk.old"]
    assert 7 not in desk.tickets()


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_a_table_that_left_the_map_keeps_nothing_of_the_others_waiting(desk: Desk) -> None:
    """RET-3: nothing refers from it to them, so it alone is named, and the rest goes."""
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        hold = holds.place(
            controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
            person=[parse(EMAIL)], system="shop",
        )  # fmt: skip
    assert _erase(desk).complete
    _release(desk, hold)
    text = (desk.world / "shop.yml").read_text("utf-8")
    (desk.world / "shop.yml").write_text(text.partition("\n  note:")[0] + "\n", "utf-8")
    found = _expire(desk)
    assert [name for name, _ in found.unreached] == ["shop.note"]
    assert sql(desk.world, "SELECT id FROM signup WHERE customer = 1") == []
    assert len(sql(desk.world, "SELECT id FROM note WHERE id = 1")) == 1
    with Controller.open(deployment.read(desk.world)) as controller:
        asked = Request(((parse(EMAIL),),), override="test")
        seen = rights.access(controller, asked, NOW, out=desk.world / "out.zip")
        taken = rights.port(controller, asked, NOW, out=desk.world / "hers.zip")
        planned = rights.preview(controller, asked, NOW)
    for answer in (seen, taken, planned):
        assert (answer.complete, [n for n, _ in answer.unreached]) == (False, ["shop.note"])
    assert any(s.store == "shop" and s.dataset == "invoice" for s in seen.steps)
    (desk.world / "shop.yml").write_text(text, "utf-8")
    assert _expire(desk).complete
    assert not sql(desk.world, "SELECT id FROM note WHERE id = 1")


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_a_table_that_comes_back_on_the_map_is_looked_through(desk: Desk) -> None:
    """RET-3: until then a case is not complete; what is hers there goes with it, what was kept of
    her there stays as it did, and who is called so there waits for somebody.
    """
    file = desk.world / "shop.yml"
    edit(file, "words: {category: free-text, free_text: true,", "words: {category: contact.name,")
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        holds.place(
            controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
            person=[parse(EMAIL)], system="shop", dataset="note",
        )  # fmt: skip
    assert _erase(desk).complete
    for row in ("60, 'ana@example.org', 'Xenia Y'", "61, 'xy@example.net', 'Xenia Y'"):
        sql(desk.world, f"INSERT INTO note VALUES ({row}, '2026-01-01 00:00:00')")
    text = file.read_text("utf-8")
    file.write_text(text.partition("\n  note:")[0] + "\n", "utf-8")
    begun = _erase(desk)
    assert (begun.complete, [n for n, _ in begun.unreached]) == (False, ["shop.note"])
    file.write_text(text, "utf-8")
    with Controller.open(deployment.read(desk.world)) as controller:
        done = rights.erase(controller, Request((), override="test", case=begun.case), NOW)
        assert len(controller.doubts.all(case=begun.case)) == 1
    assert done.complete
    notes = {(s.action, s.counts.found) for s in done.steps if s.dataset == "note"}
    assert notes == {(Action.DELETE, 1), (Action.RETAIN, 1)}
    assert sql(desk.world, "SELECT id FROM note ORDER BY id") == [(1,), (2,), (61,)]


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RET_3_a_hold_on_one_of_several_in_a_case_keeps_nothing_of_the_others(desk: Desk) -> None:
    """RET-3: when hers was released, her note stayed under that on another of the same list."""
    people = ((parse(EMAIL),), (parse("email=ben@example.org"),))
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        hers, _ = (
            holds.place(
                controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
                person=one, system="shop", dataset="note",
            )
            for one in people
        )  # fmt: skip
        assert rights.erase(controller, Request(people, override="test"), NOW).complete
    _release(desk, hers)
    assert _expire(desk).gone == 1
    assert sql(desk.world, "SELECT id FROM note") == [(2,)]


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RIGHT_15_a_letter_made_again_says_what_went_since_and_when(desk: Desk) -> None:
    """RIGHT-15: what was sealed for a hold is gone with it; what a law keeps is still named."""
    hold = _hold(desk)
    case = _erase(desk).case

    def letter(now: dt.datetime) -> str:
        with Controller.open(deployment.read(desk.world)) as controller:
            return " ".join(letters.letter(controller, case, now).text().split())

    sealed = "Requests: 1 record kept, sealed so that nobody uses them"
    before = letter(NOW)
    assert sealed in before
    assert "Requests (Support desk): 1 record, with no end set yet. Why: A dispute" in before
    access, _, _ = _access(desk)
    late = NOW + dt.timedelta(days=3)
    _release(desk, hold, late)
    assert _expire(desk, late).complete
    text = letter(late + dt.timedelta(days=1))
    assert sealed not in text
    assert "A dispute" not in text
    assert "Requests, since then, on 26 November 2026: 1 record deleted." in text
    assert "Invoices: 1 record kept; why is named below." in text
    assert "Invoices (Shop): 1 record, until 1 May 2034." in text
    # Of an access it is known what it met, and on which day.
    with Controller.open(deployment.read(desk.world)) as controller:
        read = " ".join(letters.letter(controller, access.case, late).text().split())
    assert "as it was on 23 November 2026: - Requests" in read
    # And once the day of the law has come nothing stays.
    over = dt.datetime(2034, 5, 2, 12, tzinfo=dt.UTC)
    assert _expire(desk, over).complete
    text = letter(over)
    assert "It is done." in text
    assert "What stays" not in text
    assert "kept" not in text.partition("What was done: Shop")[2].partition("If you do not")[0]
    assert "Invoices, since then, on 2 May 2034: 1 record deleted." in text
    assert "Customers, since then, on 2 May 2034: 1 record deleted." in text
    (ran,) = [_run(desk, "rights.answers-claim-what-was-done", over)]
    assert ran.findings == ()


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
def test_RIGHT_15_a_row_that_goes_on_for_another_reason_is_told_so(desk: Desk) -> None:
    """RIGHT-15: the hold is over and the law is not; what only others need is called emptied."""
    edit(desk.world / "shop.yml", "    activities: [account, service]\n",
         "    activities: [account, service]\n    stays: isolated\n")  # fmt: skip
    with Controller.open(deployment.read(desk.world)) as controller:
        actor = controller.actors.of("Pia", "privacy-officer", NOW)
        hold = holds.place(
            controller, ground="A dispute.", clause="RET-10", actor=actor, now=NOW,
            person=[parse(EMAIL)], system="shop",
        )  # fmt: skip
    case = _erase(desk).case
    _release(desk, hold)
    assert _expire(desk).complete
    with Controller.open(deployment.read(desk.world)) as controller:
        text = " ".join(letters.letter(controller, case, NOW).text().split())
    assert "A dispute" not in text
    assert "Customers, since then, on 23 November 2026: 1 record written over" in text
    assert "Customers (Shop)" not in text
    assert "Invoices, since then, on 23 November 2026: 1 record deleted." in text
    assert "Invoices: 1 record kept; why is named below." in text
    assert "Invoices (Shop): 1 record, until 1 May 2034." in text


def test_RET_6_when_the_day_of_the_law_comes_what_it_kept_goes_too(desk: Desk) -> None:
    """RET-6: the shell of the customer goes with the last row that needed it."""
    _erase(desk)
    kept_until = dt.datetime(2034, 5, 2, 12, tzinfo=dt.UTC)
    early = _expire(desk, kept_until - dt.timedelta(days=2))
    assert early.ended == 0
    done = _expire(desk, kept_until)
    assert done.complete
    assert done.gone == done.ended == 2
    assert sql(desk.world, "SELECT id FROM invoice ORDER BY id") == [(3,)]
    assert sql(desk.world, "SELECT id FROM customer ORDER BY id") == [(2,), (3,)]


def test_RET_3_a_second_hold_keeps_it_sealed_until_that_ends_too(desk: Desk) -> None:
    first = _hold(desk)
    second = _hold(desk)
    assert _erase(desk).complete
    _release(desk, first)
    now = NOW + dt.timedelta(days=1)
    one = _expire(desk, now)
    assert one.complete
    _, rows, _ = _access(desk, now)
    assert rows["desk.ticket"][0]["words"] == WORDS
    assert desk.tickets()[7][1] is None
    _release(desk, second, now)
    assert _expire(desk, now).complete
    assert list(desk.tickets()) == [8]


def test_RET_3_asked_again_nothing_of_the_copy_is_lost(desk: Desk) -> None:
    """RET-3: a second erasure meets an empty row and keeps what was sealed before."""
    hold = _hold(desk)
    _erase(desk)
    again = _erase(desk)
    assert again.complete
    _, rows, _ = _access(desk)
    assert rows["desk.ticket"][0]["words"] == WORDS
    _release(desk, hold)
    assert _expire(desk, NOW + dt.timedelta(days=1)).complete
    assert list(desk.tickets()) == [8]


def test_RET_3_in_mode_observe_nothing_is_sealed_and_nothing_written(desk: Desk) -> None:
    _hold(desk)
    text = (desk.world / "kept.toml").read_text("utf-8")
    head, tail = text.split("[systems.desk]")
    (desk.world / "kept.toml").write_text(
        head + "[systems.desk]" + tail.replace('mode = "act"', 'mode = "observe"'), "utf-8"
    )
    answer = _erase(desk)
    assert not answer.complete
    assert desk.tickets()[7][1] == WORDS
    with psycopg.connect(_own(desk)) as c:
        assert c.execute("SELECT count(*) FROM isolated").fetchone() == (0,)


@pytest.mark.parametrize("desk", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "point",
    [
        ("kept.records.isolated:Isolated", "seal", "before", 1),
        ("kept.records.isolated:Isolated", "seal", "after", 1),
        ("kept.stores.sqlite:SQLiteSession", "commit", "after", 1),
        ("kept.records.case:Cases", "record_step", "before", 1),
    ],
    ids=lambda p: "-".join(map(str, p)),
)
def test_RET_3_killed_anywhere_nothing_of_it_is_lost(
    desk: Desk, point: tuple[str, str, str, int]
) -> None:
    hold = _hold(desk)
    _killed(desk, DRIVER, point)
    with Controller.open(deployment.read(desk.world)) as controller:
        case = controller.cases.all()[-1].id
        request = Request(people=((parse(EMAIL),),), override="test", case=case)
        assert rights.erase(controller, request, NOW).complete
    assert desk.tickets()[7][1] is None
    _, rows, _ = _access(desk)
    assert rows["desk.ticket"][0]["words"] == WORDS
    _release(desk, hold)
    _killed(desk, DRIVER.replace("erase(controller, request, NOW)", "expire(controller, NOW)"),
            ("kept.records.locator:Locator", "drop", "before", 1))  # fmt: skip
    assert list(desk.tickets()) == [8]
    assert _expire(desk).gone == 1
    with psycopg.connect(_own(desk)) as c:
        assert c.execute("SELECT count(*) FROM isolated").fetchone() == (0,)


def _killed(desk: Desk, driver: str, point: tuple[str, str, str, int]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", driver, str(desk.world), *map(str, point), EMAIL],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
