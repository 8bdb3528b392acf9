"""Rectification: at the source and in its copies, read back, and not undone by an import."""

from __future__ import annotations

import datetime as dt
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.app.commands.prove import broken
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import report, run
from kept.duties import holds, rights
from kept.duties.rights import RectifyAnswer, Request, recipients, reminding
from kept.duties.rights.letter import letter
from kept.errors import Busy, Denied, Obstructed, UsageError
from kept.records import case as cases
from kept.records.case import State
from kept.records.subject import suppression_mac
from kept.stores import letters
from kept.stores.tasks import Answered, Derived, Notice, Task
from kept.stores.tasks import Outcome as Said
from kept.terms.identifiers import Identifier, parse
from tests.world import AGENCY, NOW, STATS, edit, make, sql

ANA, BEN = parse("email=ana@example.org"), parse("email=ben@example.org")
COPY = """
  lead:
    title: Leads
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email, nullable: false}
      who: {category: contact.name}
      number: {category: contact.phone, identifies: phone}
      greeting: {category: contact.name, origin: derived}
"""
LETTERS = """
  letters:
    key: [mail]
    retention: messages
    activities: [communicate]
    fields:
      mail: {category: contact.email, identifies: email, nullable: false}
"""
NAME = "shop.customer.name"
LATER = NOW + dt.timedelta(days=1)


@pytest.fixture
def leads(world: Path) -> Path:
    """A second table that holds her name as well, and greetings made of it."""
    sql(
        world,
        "CREATE TABLE lead (id INTEGER PRIMARY KEY, mail TEXT, who TEXT, number TEXT,"
        " greeting TEXT)",
    )
    for row in (
        (1, "ana@example.org", "Ana O'Neill", "+49 30 123456", "Dear Ana O'Neill"),
        (2, "ANA@example.org", "A. Neil", None, "Dear A."),
        (3, "ben@example.org", "Ana O'Neill", None, "Dear Ana O'Neill"),
    ):
        sql(world, "INSERT INTO lead VALUES (?, ?, ?, ?, ?)", *row)
    edit(world / "shop.yml", "datasets:\n", f"datasets:{COPY}")
    return world


@pytest.fixture
def controller(leads: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(leads)) as opened:
        yield opened


def _rectify(controller: Controller, at: str, value: str, **more: Any) -> RectifyAnswer:
    request = Request(((more.pop("who", ANA),),), override="test")
    return rights.rectify(controller, request, at, value, NOW, **more)


def _answer(
    controller: Controller, task: Task, outcome: Said, role: str, at: dt.datetime = NOW
) -> None:
    said = Answered(outcome, "Olaf", at, "He said so by telephone")
    recipients.record(controller, task.id, said, role)


def _names(world: Path) -> list[object]:
    return [r[0] for r in sql(world, "SELECT name FROM customer ORDER BY id")]


def _leads(world: Path) -> list[object]:
    return [r[0] for r in sql(world, "SELECT who FROM lead ORDER BY id")]


def _outcome(controller: Controller, at: dt.datetime = NOW) -> Outcome:
    return run(controller, registered(), at, names=["rights.corrections-hold"])[0].outcome


def test_it_is_put_right_at_the_source_and_in_copies_and_nowhere_else(
    controller: Controller, leads: Path
) -> None:
    before = sql(leads, "SELECT id, email, phone, since FROM customer")
    shown = rights.preview_rectification(
        controller, Request(((ANA,),)), NAME, "Ana Neill", NOW
    )  # fmt: skip
    assert {(s.dataset, s.counts.found) for s in shown.steps} == {("customer", 1), ("lead", 1)}
    assert _names(leads)[0] == "Ana O'Neill"
    answer = _rectify(controller, NAME, "Ana Neill")
    assert answer.complete
    assert all(s.verified and s.counts.changed == 1 for s in answer.steps)
    assert _names(leads) == ["Ana Neill", 'Ben "B" Ünal', "Cleo; DROP TABLE customer"]
    # Ben's row says the same name, and is his; another spelling of hers is named, not guessed.
    assert _leads(leads) == ["Ana Neill", "A. Neil", "Ana O'Neill"]
    assert any("`shop.lead.who` says something else in 1" in w for w in answer.warnings)
    assert any("greeting" in w and "made of other data" in w for w in answer.warnings)
    assert sql(leads, "SELECT id, email, phone, since FROM customer") == before
    text = str([e for _, e in controller.ledger.entries()])
    assert "Neil" not in text
    assert {"plan.made", "step.done", "case.closed"} <= {
        e.kind for _, e in controller.ledger.entries()
    }
    # The other spelling, by name.
    again = _rectify(controller, "shop.lead.who", "Ana Neill", was="A. Neil")
    assert again.complete
    assert _leads(leads) == ["Ana Neill", "Ana Neill", "Ana O'Neill"]


SCORES = """
  score:
    title: Scores
    key: [id]
    origin: derived
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      customer: {type: integer, category: identifier.account, nullable: false}
      worth: {category: statistics}
      class: {category: statistics}
    links:
      - {fields: [customer], to: customer, on: [id], kind: owned-by}
"""


@pytest.fixture
def scores(leads: Path) -> Path:
    """A third table, of what was worked out: Ana has a worth and no class."""
    sql(leads, "CREATE TABLE score (id INTEGER PRIMARY KEY, customer INTEGER, worth TEXT,"
        " class TEXT)")  # fmt: skip
    for row in ((1, 1, "high", None), (2, 2, "low", "B")):
        sql(leads, "INSERT INTO score VALUES (?, ?, ?, ?)", *row)
    edit(leads / "shop.yml", "datasets:\n", f"datasets:{SCORES}")
    return leads


def test_what_was_made_of_it_is_asked_to_be_made_anew_wherever_it_lies(scores: Path) -> None:
    """It was named in a note to whoever typed the command, and nobody had to do anything."""
    tell = ("provider", "partner", "co-marketing")
    with Controller.open(deployment.read(scores)) as controller:
        shown = rights.preview_rectification(
            controller, Request(((ANA,),)), NAME, "Ana Neill", NOW
        )  # fmt: skip
        assert {w for w in shown.warnings if "made of other data" in w} == {
            f"`{f}` of `{p}` is made of other data; whoever serves it is asked to make it anew"
            for f, p in (("greeting", "shop.lead"), ("worth", "shop.score"))
        }
        assert shown.anew == ()
        answer = _rectify(controller, NAME, "Ana Neill")
        assert {(a.dataset, a.state) for a in answer.anew} == {
            ("lead", "asked"), ("score", "asked")
        }  # fmt: skip
        tasks = {t.dataset: t for t in controller.tasks() if t.action is Derived.ANEW}
        assert {d: t.fields for d, t in tasks.items()} == {
            "lead": ("greeting",), "score": ("worth",)
        }  # fmt: skip
        # Who serves the system sees it, whom it is about, and until when; no value of hers.
        mine = _to_make_anew(controller)
        assert {(t.dataset, t.asked, t.due) for t in mine} == {
            (d, NOW, NOW + dt.timedelta(days=14)) for d in ("lead", "score")
        }
        told = "\n".join(letters.letter(tasks["score"], None))
        assert "ana@example.org" in told
        assert "worth" in told
        assert not any(wrong in told for wrong in ("O'Neill", "Neill", "high", "ben@"))
        # Her answer says how it stands, whoever else had to be told has answered, and it is open.
        said = " ".join(letter(controller, answer.case, NOW).text().split())
        assert "Scores (Shop): whoever serves it was asked on 23 November 2026 to make it" in said
        for task in controller.tasks():
            if task.dataset in tell:
                _answer(controller, task, Said.DONE, "privacy-officer")
        assert controller.cases.get(answer.case).state is State.AWAITING
        _answer(controller, tasks["score"], Said.DONE, "system-owner", LATER)
        assert controller.cases.get(answer.case).state is State.AWAITING
        _answer(controller, tasks["lead"], Said.NOTHING, "system-owner", LATER)
        assert controller.cases.get(answer.case).state is State.CLOSED
        said = " ".join(letter(controller, answer.case, LATER).text().split())
        made = "Scores (Shop): it was made anew, by the word of whoever serves it, of 24 November"
        assert made in said
        assert "none of it rests on what was wrong" in said
        assert _outcome(controller, LATER) is Outcome.PASS


def _to_make_anew(controller: Controller) -> list[Task]:
    return [t for t in controller.tasks() if t.action is Derived.ANEW]


def test_what_is_not_made_anew_is_brought_before_the_officers(scores: Path) -> None:
    file = scores / "kept.toml"
    file.write_text(file.read_text() + '\n[mail]\nurl = "out"\nfrom = "desk@kept.test"\n')
    with Controller.open(deployment.read(scores)) as controller:
        answer = _rectify(controller, NAME, "Ana Neill")
        late = NOW + dt.timedelta(days=22)
        told = [c for c in reminding.calls(controller, late) if c.silent]
        assert {c.silent for c in told} >= {(answer.case, f"shop.{d}") for d in ("lead", "score")}
        assert all(c.officers for c in told)
        fresh = [c for c in reminding.calls(controller, NOW) if c.serves]
        assert {(c.about, c.path) for c in fresh} == {(answer.case, "/desk/tasks")}
        for task in controller.tasks():
            if task.action is not Derived.ANEW:
                _answer(controller, task, Said.DONE, "privacy-officer")
        assert reminding.remind(controller, NOW + dt.timedelta(days=20))
        assert controller.cases.get(answer.case).state is State.AWAITING
        assert reminding.remind(controller, late)
        assert controller.cases.get(answer.case).state is State.CLOSED
        assert _outcome(controller, late) is Outcome.FAIL
        # What comes later is recorded, and nothing of it stays open.
        for task in _to_make_anew(controller):
            _answer(controller, task, Said.DONE, "system-owner", late)
        assert _outcome(controller, late) is Outcome.PASS


def test_what_is_erased_need_not_be_made_anew_and_its_task_names_nobody(scores: Path) -> None:
    with Controller.open(deployment.read(scores)) as controller:
        case = _rectify(controller, NAME, "Ana Neill").case
        bens = _rectify(controller, NAME, "Ben Neill", who=BEN).case
        assert len(_to_make_anew(controller)) == 4
        request = Request(((ANA,),), override="test")
        gone = rights.erase(controller, request, LATER)
        assert gone.complete
        # Ben's stay, though they were asked at the same places.
        assert {t.case for t in _to_make_anew(controller)} == {bens}
        files = [p.read_text("utf-8") for p in (scores / "state").rglob("*make-anew*")]
        assert len(files) == 2
        assert not any("ana@example.org" in text for text in files)
        # Recipients of the correction have not answered: they are told of the erasure instead.
        assert not [t for t in controller.tasks() if t.case == case]
        assert not any("name her until they are answered" in w for w in gone.warnings)
        assert controller.cases.get(case).state is State.CLOSED
        said = " ".join(letter(controller, case, LATER).text().split())
        assert "Scores (Shop): nothing of it is there any more: what we held of you there" in said
        assert _outcome(controller, LATER) is Outcome.PASS


def test_who_was_told_of_her_new_address_is_told_when_she_is_erased_by_it(leads: Path) -> None:
    """Her letter said that nothing named her any more, and the task held both addresses."""
    edit(leads / "shop.yml", "identifier.account, identifies: account,", "identifier.account,")
    for table in ("customer SET phone = NULL", "lead SET number = NULL"):
        sql(leads, f"UPDATE {table}")
    with Controller.open(deployment.read(leads)) as controller:
        _rectify(controller, "shop.customer.email", "anna@example.org")
        (told,) = [t for t in controller.tasks() if t.action is not Derived.ANEW]
        assert "anna@example.org" in str(told)
        request = Request(((parse("email=anna@example.org"),),), override="test")
        gone = rights.erase(controller, request, LATER)
        assert not any("name her until they are answered" in w for w in gone.warnings)
        (left,) = controller.tasks()
        assert (left.case, left.dataset, left.action) == (gone.case, told.dataset, Notice.ERASED)


def test_what_is_still_there_is_still_to_be_made_anew_after_an_erasure(scores: Path) -> None:
    with Controller.open(deployment.read(scores)) as controller:
        _rectify(controller, NAME, "Ana Neill")
        holds.place(
            controller, ground="a claim", clause="RET-10",
            actor=controller.actors.of("Lea", "privacy-officer", NOW), now=NOW,
            system="shop", dataset="score",
        )  # fmt: skip
        gone = rights.erase(controller, Request(((ANA,),), override="test"), LATER)
        assert gone.complete
        assert {t.dataset for t in _to_make_anew(controller)} == {"score"}
        assert len([t for t in controller.tasks() if t.case != gone.case]) == 1
        said = " ".join(letter(controller, gone.case, LATER).text().split())
        assert "In one place somebody still has to act" in said


@pytest.fixture
def twice(scores: Path) -> Path:
    """Scores in two systems, and mail."""
    (scores / "stats.yml").write_text(STATS, "utf-8")
    with sqlite3.connect(scores / "stats.sqlite") as own:
        own.execute("CREATE TABLE score (id INTEGER PRIMARY KEY, mail TEXT, worth TEXT)")
        own.execute("INSERT INTO score VALUES (1, 'ana@example.org', 'high')")
    with (scores / "kept.toml").open("a") as file:
        file.write('\n[mail]\nurl = "out"\nfrom = "desk@kept.test"\n'
                   f'[systems.stats]\nstore = "sqlite"\nurl = "sqlite:///{scores}/stats.sqlite"\n'
                   'mode = "act"\nmap = "stats.yml"\n')  # fmt: skip
    return scores


@pytest.mark.parametrize("answered", [True, False])
def test_what_two_systems_call_the_same_are_two_tasks(twice: Path, answered: bool) -> None:
    """One of them could not be answered, nor was it brought before the officers."""
    late = NOW + dt.timedelta(days=22)
    with Controller.open(deployment.read(twice)) as controller:
        case = _rectify(controller, NAME, "Ana Neill").case
        asked = [t for t in controller.tasks() if answered or t.action is not Derived.ANEW]
        for task in asked:
            _answer(controller, task, Said.DONE, "privacy-officer", LATER)
        reminding.remind(controller, late)
        assert controller.cases.get(case).state is State.CLOSED
        assert _outcome(controller, late) is (Outcome.PASS if answered else Outcome.FAIL)


def test_whoever_makes_it_anew_is_told_only_by_what_they_know_her(twice: Path) -> None:
    """Her new number went out by letter to people who know her by her address alone."""
    with Controller.open(deployment.read(twice)) as controller:
        _rectify(controller, "shop.customer.phone", "+49 30 99")
        by = {
            t.system: {kind for person in t.people for kind, _ in person}
            for t in controller.tasks() if t.action is Derived.ANEW
        }  # fmt: skip
    assert by["stats"] == {"email", "corrected"}
    assert by["shop"] > {"email", "phone", "corrected"}


def test_a_case_that_was_stopped_finds_what_was_made_by_the_name_that_is_right_now(
    twice: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise RuntimeError

    with Controller.open(deployment.read(twice)) as controller:
        with monkeypatch.context() as machine:
            machine.setattr(controller.cases, "finish", stopped)
            with pytest.raises(RuntimeError):
                _rectify(controller, "shop.customer.email", "ana.neill@example.org")
        (case,) = controller.cases.all()
        request = Request((), case=case.id, override="test")
        answer = rights.rectify(controller, request, None, None, NOW)
        assert answer.complete
        assert {(a.system, a.dataset) for a in answer.anew} == {
            ("shop", "lead"), ("shop", "score"), ("stats", "score")
        }  # fmt: skip


def test_what_a_law_keeps_or_an_engine_makes_is_asked_of_nobody(leads: Path) -> None:
    sql(leads, "CREATE TABLE score (id INTEGER PRIMARY KEY, customer INTEGER, worth TEXT,"
        " class TEXT GENERATED ALWAYS AS (worth || '!') STORED)")  # fmt: skip
    sql(leads, "INSERT INTO score (id, customer, worth) VALUES (1, 1, 'high')")
    kept = SCORES.replace("retention: messages", "retention: transactions-paid\n    clock: at")
    kept = kept.replace("worth: {", "at: {type: datetime, category: transaction.paid}\n"
                        "      worth: {")  # fmt: skip
    sql(leads, "ALTER TABLE score ADD COLUMN at TEXT")
    sql(leads, "UPDATE score SET at = '2026-05-01 00:00:00'")
    edit(leads / "shop.yml", "datasets:\n", f"datasets:{kept}")
    edit(leads / "shop.yml", "greeting: {category: contact.name, origin: derived}",
         "greeting: {category: contact.name}")  # fmt: skip
    with Controller.open(deployment.read(leads)) as controller:
        assert _rectify(controller, NAME, "Ana Neill").anew == ()
    sql(leads, "UPDATE score SET at = '2001-05-01 00:00:00'")
    with Controller.open(deployment.read(leads)) as controller:
        (one,) = _rectify(controller, NAME, "Ana Nova").anew
        (task,) = _to_make_anew(controller)
    assert (one.dataset, task.fields) == ("score", ("worth",))


def test_a_name_that_names_her_has_copies_that_are_only_names(leads: Path) -> None:
    edit(leads / "shop.yml", "name: {category: contact.name,",
         "name: {category: contact.name, identifies: name,")  # fmt: skip
    with Controller.open(deployment.read(leads)) as controller:
        assert _rectify(controller, NAME, "Ana Neill").complete
    assert (1, "Ana Neill") in sql(leads, "SELECT id, who FROM lead")


#: Rows that refer to others by a name, or by an address.
JOINED = """
  badge:
    title: Badges
    key: [KEY]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email, nullable: false}
      holder: {category: contact.name, nullable: false}
      login: {category: contact.name, identifies: cookie}
      heir: {category: contact.name, identifies: name, others: person}
  entry:
    title: Entries by badge
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      holder: {category: contact.name, nullable: false}
    links:
      - {fields: [holder], to: badge, on: [holder], kind: owned-by}
"""


@pytest.mark.parametrize("key", ["id", "holder"])
@pytest.mark.parametrize("enforced", [False, True])
def test_a_name_by_which_rows_are_joined_stays_joined(
    leads: Path, key: str, enforced: bool
) -> None:
    """Nor is it changed by which she signs in, or who is called as she is."""
    her = "Ana O'Neill"
    sql(leads, f"CREATE TABLE badge (id INTEGER, mail TEXT NOT NULL,"
        f" holder TEXT NOT NULL UNIQUE, login TEXT, heir TEXT, PRIMARY KEY ({key}))")  # fmt: skip
    refers = "REFERENCES badge (holder)" if enforced else ""
    sql(leads, f"CREATE TABLE entry (id INTEGER PRIMARY KEY, holder TEXT NOT NULL {refers})")
    sql(leads, "INSERT INTO badge VALUES (1, 'ana@example.org', ?, ?, ?)", her, her, her)
    sql(leads, "INSERT INTO entry VALUES (1, ?)", her)
    edit(leads / "shop.yml", "datasets:\n", f"datasets:{JOINED.replace('KEY', key)}")
    edit(leads / "shop.yml", "name: {category: contact.name,",
         "name: {category: contact.name, identifies: name,")  # fmt: skip
    with Controller.open(deployment.read(leads)) as controller:
        answer = _rectify(controller, NAME, "Ana Neill")
        assert answer.complete
        assert _names(leads)[0] == "Ana Neill"
        assert sql(leads, "SELECT login, heir FROM badge") == [(her, her)]
        both = sql(leads, "SELECT b.holder FROM entry e JOIN badge b USING (holder)")
        assert both == [("Ana Neill" if key == "id" and not enforced else her,)]
        assert any("joined by `shop.entry.holder`" in w for w in answer.warnings) == (
            both == [(her,)]
        )
        # Nothing is lost to an erasure: it meets them still.
        assert rights.erase(controller, Request(((ANA,),), override="test"), NOW).complete
        assert sql(leads, "SELECT * FROM entry") == []


REFERS = """
  sub:
    title: Subscriptions
    key: [KEY]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      customer: {category: contact.email, nullable: false}
    links:
      - {fields: [customer], to: customer, on: [email], kind: owned-by}
"""


@pytest.mark.parametrize("key", ["id", "customer"])
@pytest.mark.parametrize("cascades", [False, True])
def test_what_refers_to_what_is_put_right_goes_along(leads: Path, key: str, cascades: bool) -> None:
    """By Kept, or by its engine; what cannot follow stands in the way of all of it."""
    refers = "REFERENCES customer (email) ON UPDATE CASCADE" if cascades else ""
    sql(leads, f"CREATE TABLE sub (id INTEGER UNIQUE, customer TEXT NOT NULL UNIQUE {refers})")
    sql(leads, "INSERT INTO sub VALUES (1, 'ana@example.org')")
    edit(leads / "shop.yml", "datasets:\n", f"datasets:{REFERS.replace('KEY', key)}")
    right = "anna@example.org"
    with Controller.open(deployment.read(leads)) as controller:
        if key == "customer" and not cascades:
            with pytest.raises(Obstructed, match=r"`shop\.sub` stands in the way"):
                _rectify(controller, "shop.customer.email", right)
            right = "ana@example.org"
        else:
            assert _rectify(controller, "shop.customer.email", right).complete
        assert sql(leads, "SELECT customer FROM sub") == [(right,)]
        assert (right,) in sql(leads, "SELECT email FROM customer")


CHAIN = """
  diary:
    title: Diaries
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      whose: {category: contact.email, nullable: false}
    links:
      - {fields: [whose], to: sub, on: [customer], kind: owned-by}
  bill:
    title: Bills
    key: [id]
    retention: transactions-paid
    clock: at
    activities: [payment]
    stays: in-place
    fields:
      id: {type: integer, nullable: false}
      payer: {category: contact.email, nullable: false, overwrite: erased}
      at: {type: datetime, nullable: false}
    links:
      - {fields: [payer], to: customer, on: [email], kind: owned-by}
"""


@pytest.fixture
def chain(leads: Path) -> Path:
    """Diaries belong to subscriptions, which an engine changes with the address; and bills."""
    sql(leads, "CREATE TABLE sub (id INTEGER PRIMARY KEY, customer TEXT NOT NULL UNIQUE"
        " REFERENCES customer (email) ON UPDATE CASCADE)")  # fmt: skip
    sql(leads, "CREATE TABLE diary (id INTEGER PRIMARY KEY, whose TEXT NOT NULL)")
    sql(leads, "CREATE TABLE bill (id INTEGER PRIMARY KEY, payer TEXT NOT NULL, at TEXT NOT NULL)")
    for what in ("sub", "diary"):
        sql(leads, f"INSERT INTO {what} VALUES (1, 'ana@example.org')")
    edit(leads / "shop.yml", "datasets:\n", f"datasets:{REFERS.replace('KEY', 'id')}{CHAIN}")
    return leads


def test_what_refers_to_what_an_engine_changes_goes_along(chain: Path) -> None:
    """It would be nobody's: neither an answer nor an erasure met it again."""
    right = "anna@example.org"
    with Controller.open(deployment.read(chain)) as controller:
        assert _rectify(controller, "shop.customer.email", right).complete
        assert sql(chain, "SELECT customer, whose FROM sub, diary") == [(right, right)]
        request = Request(((parse(f"email={right}"),),), override="test")
        assert rights.erase(controller, request, NOW).complete
        assert sql(chain, "SELECT * FROM diary") == []


def test_by_what_rows_are_hers_is_not_put_right_alone(chain: Path) -> None:
    """The row would be nobody's; at what it refers to it is put right with it."""
    for at in ("shop.diary.whose", "shop.sub.customer"):
        with (
            Controller.open(deployment.read(chain)) as controller,
            pytest.raises(Obstructed, match=r"put right alone are hers"),
        ):
            _rectify(controller, at, "anna@example.org")
    assert sql(chain, "SELECT customer, whose FROM sub, diary") == [("ana@example.org",) * 2]


@pytest.mark.parametrize("at", ["2026-05-01", "2001-05-01"])
def test_what_a_law_keeps_stays_hers(chain: Path, at: str) -> None:
    """Where a law keeps by which it is hers, all stays: an answer would meet it no more."""
    sql(chain, "INSERT INTO bill VALUES (1, 'ana@example.org', ?)", f"{at} 00:00:00")
    with Controller.open(deployment.read(chain)) as controller:
        if at > "2016":
            with pytest.raises(Obstructed, match="would be hers no more"):
                _rectify(controller, "shop.customer.email", "anna@example.org")
        else:
            assert _rectify(controller, "shop.customer.email", "anna@example.org").complete
        assert sql(chain, "SELECT b.id FROM bill b JOIN customer c ON c.email = b.payer") == [(1,)]


def test_who_handled_it_and_is_called_as_she_is_keeps_the_name(leads: Path) -> None:
    edit(leads / "shop.yml", "who: {category: contact.name}",
         "who: {category: contact.name, others: staff}")  # fmt: skip
    before = _leads(leads)
    with Controller.open(deployment.read(leads)) as controller:
        answer = _rectify(controller, NAME, "Ana Neill")
    assert answer.complete
    assert _leads(leads) == before
    assert not any("shop.lead.who" in w for w in answer.warnings)


def test_another_field_of_the_same_row_is_no_copy(world: Path) -> None:
    """City and state of one row hold the same word; the bill repeats both of them."""
    sql(world, "ALTER TABLE customer ADD COLUMN City TEXT")
    sql(world, "ALTER TABLE customer ADD COLUMN State TEXT")
    sql(world, "UPDATE customer SET City = 'Dublin', State = 'Dublin'")
    sql(world, "CREATE TABLE bill (id INTEGER PRIMARY KEY, mail TEXT, BillingCity TEXT,"
        " BillingState TEXT, town TEXT)")  # fmt: skip
    for n in (1, 2):
        row = (n, "ana@example.org", "Dublin", "Dublin", "Dublin")
        sql(world, "INSERT INTO bill VALUES (?, ?, ?, ?, ?)", *row)
    place = "{category: contact.address}"
    edit(world / "shop.yml", "      email: {", f"      City: {place}\n      State: {place}\n"
         "      email: {")  # fmt: skip
    edit(
        world / "shop.yml",
        "datasets:\n",
        f"""datasets:
  bill:
    title: Bills
    key: [id]
    retention: messages
    activities: [communicate]
    fields:
      id: {{type: integer, nullable: false}}
      mail: {{category: contact.email, identifies: email, nullable: false}}
      BillingCity: {place}
      BillingState: {place}
      town: {place}
""",
    )
    with Controller.open(deployment.read(world)) as controller:
        request = Request(((ANA,),))
        at = "shop.customer.City"
        shown = rights.preview_rectification(controller, request, at, "Cork", NOW)
        planned = {name: s.counts.found for s, name in zip(shown.steps, shown.fields, strict=True)}
        assert planned == {"City": 1, "BillingCity": 2, "town": 2}
        assert {s["field"] for s in shown.document()["steps"]} == set(planned)
        assert not any("State" in w for w in shown.warnings)
        assert _rectify(controller, at, "Cork").complete
    assert sql(world, "SELECT City, State FROM customer WHERE id = 1") == [("Cork", "Dublin")]
    billed = sql(world, "SELECT DISTINCT BillingCity, BillingState, town FROM bill")
    assert billed == [("Cork", "Dublin", "Cork")]


def test_an_import_that_undoes_it_is_found_and_mended(controller: Controller, leads: Path) -> None:
    _rectify(controller, NAME, "Ana Neill")
    assert _outcome(controller) is Outcome.PASS
    # The source comes back as it was, in a row with another key; and so does the copy.
    sql(leads, "UPDATE customer SET name = ' ANA O''NEILL' WHERE id = 1")
    sql(leads, "DELETE FROM lead WHERE id = 1")
    sql(leads, "INSERT INTO lead VALUES (9, 'ana@example.org', 'Ana O''Neill', NULL, '')")
    assert _outcome(controller) is Outcome.FAIL
    # Were the clause open for another reason, what its control found is told beside that.
    evidence = run(controller, registered(), NOW, names=["rights.corrections-hold"])
    open_ = replace(controller.bundle.clauses["RIGHT-2"], status="open")
    bundle = replace(controller.bundle, clauses={**controller.bundle.clauses, "RIGHT-2": open_})
    told = [r for r in report(bundle, evidence, NOW) if r.evidence]
    assert [(r.outcome, r.word, broken(r)) for r in told] == [("open", "open (fail)", True)]
    answers = rights.correct_again(controller, NOW, actor="nightly", role="operator")
    assert answers
    assert all(a.complete for a in answers)
    assert _names(leads)[0] == "Ana Neill"
    assert _leads(leads) == ["A. Neil", "Ana O'Neill", "Ana Neill"]
    assert _outcome(controller) is Outcome.PASS
    assert rights.correct_again(controller, NOW, actor="nightly", role="operator") == []
    # What she changes herself later is no undoing.
    sql(leads, "UPDATE customer SET name = 'Ana Nova' WHERE id = 1")
    assert _outcome(controller) is Outcome.PASS


def test_a_correction_of_a_correction(controller: Controller, leads: Path) -> None:
    _rectify(controller, NAME, "Ana Neill")
    _rectify(controller, NAME, "Ana Nova")
    sql(leads, "UPDATE customer SET name = 'Ana O''Neill' WHERE id = 1")
    rights.correct_again(controller, NOW, actor="nightly", role="operator")
    assert _names(leads)[0] == "Ana Nova"
    # And back to the first: that is right now, whatever it was before.
    assert _rectify(controller, NAME, "Ana O'Neill").complete
    assert _outcome(controller) is Outcome.PASS
    assert rights.correct_again(controller, NOW, actor="nightly", role="operator") == []


def test_a_new_number_is_hers_in_every_table_and_leads_to_her(
    controller: Controller, leads: Path
) -> None:
    answer = _rectify(controller, "shop.customer.phone", "+49 30 99")
    assert answer.complete
    assert sql(leads, "SELECT phone FROM customer WHERE id = 1") == [("+49 30 99",)]
    assert sql(leads, "SELECT number FROM lead WHERE id = 1") == [("+49 30 99",)]
    assert controller.subjects.find([parse("phone=+49 30 99")]) == controller.subjects.find([ANA])


def test_what_a_law_keeps_stays_as_it_was(controller: Controller, leads: Path) -> None:
    answer = _rectify(controller, "shop.invoice.total", "11.00", was="10.00")
    assert [(s.action.value, s.counts.retained) for s in answer.steps] == [("retain", 1)]
    assert answer.steps[0].reason is not None
    assert answer.steps[0].reason.law
    assert sql(leads, "SELECT total FROM invoice WHERE id = 1") == [("10.00",)]


@pytest.mark.parametrize(
    ("at", "value", "error"),
    [
        ("shop.customer.nothing", "x", "no such field"),
        ("shop", "x", "no such field"),
        ("own.fact.fact", "x", "no such field"),
        ("shop.customer.id", "7", "key"),
        ("shop.customer.since", "2020-01-01", "personal"),
        ("shop.lead.greeting", "Dear", "made of other data"),
        ("shop.customer.email", "secret-value", "not one that this field can hold"),
        (NAME, "  ", "empty"),
        ("shop.lead.who", "Ana", "2 values"),
    ],
)
def test_what_cannot_be_put_right_is_refused(
    controller: Controller, leads: Path, at: str, value: str, error: str
) -> None:
    with pytest.raises(UsageError, match=error) as problem:
        _rectify(controller, at, value)
    assert "secret-value" not in str(problem.value)
    assert _names(leads)[0] == "Ana O'Neill"


def test_nothing_before_it_is_known_who_asks_and_nothing_that_a_store_refuses(
    controller: Controller, leads: Path
) -> None:
    with pytest.raises(Denied, match="no evidence"):
        rights.rectify(controller, Request(((ANA,),)), NAME, "Ana Neill", NOW)
    with pytest.raises(UsageError, match="nowhere"):
        _rectify(controller, NAME, "Ana Neill", was="Anna")
    sql(leads, "CREATE UNIQUE INDEX one ON customer (name)")
    with pytest.raises(Obstructed) as problem:
        _rectify(controller, NAME, 'Ben "B" Ünal')
    assert "Ünal" not in str(problem.value)
    assert _names(leads)[0] == "Ana O'Neill"


def test_a_system_that_is_away_is_asked_when_it_is_back(
    controller: Controller, leads: Path
) -> None:
    shown = rights.preview_rectification(
        controller, Request(((ANA,),), override="x"), NAME, "Ana Neill", NOW
    )
    (leads / "shop.sqlite").rename(leads / "away.sqlite")
    with pytest.raises(UsageError, match="could not be asked"):
        rights.rectify(controller, Request((), case=shown.case), NAME, "Ana Neill", NOW)
    (leads / "away.sqlite").rename(leads / "shop.sqlite")
    done = rights.rectify(controller, Request((), case=shown.case), NAME, "Ana Neill", NOW)
    # Whoever lost the answer is told again; nothing is done twice.
    again = rights.rectify(controller, Request((), case=shown.case), None, None, NOW)
    assert (again.complete, again.steps) == (True, done.steps)


def test_an_erasure_takes_the_memory_of_it_along(controller: Controller) -> None:
    _rectify(controller, NAME, "Ana Neill")
    assert rights.erase(controller, Request(((ANA,),), override="test"), NOW).complete
    assert controller.corrections.all() == []


@pytest.fixture
def texts(leads: Path) -> Path:
    """Ben's note names Ana by the address that is wrong, and by the right one."""
    edit(leads / "shop.yml", "free_text: true", "free_text: redact")
    sql(leads, "INSERT INTO note VALUES (9, 'ben@example.org', ?, '2024-06-03 00:00:00')",
        "Ask ana@example.org or anja@example.org.")  # fmt: skip
    return leads


ANJA, SINCE = parse("email=anja@example.org"), "2024-05-01 00:00:00"


def _note(world: Path) -> object:
    return sql(world, "SELECT words FROM note WHERE id = 9")[0][0]


def _suppressed(controller: Controller, one: Identifier) -> bool:
    with controller.database.connection() as c:
        row = c.execute(
            "SELECT EXISTS (SELECT FROM suppression WHERE mac = %s)",
            (suppression_mac(controller.vault, one),),
        ).fetchone()
    return bool(row and row[0])


def _stay_erased(controller: Controller, at: dt.datetime) -> Outcome:
    return run(controller, registered(), at, names=["rights.erased-stay-erased"])[0].outcome


def test_what_named_her_before_a_correction_is_hers_when_she_is_erased(texts: Path) -> None:
    """It stayed in texts and was not suppressed, and nobody who knew her by it was told of it."""
    with Controller.open(deployment.read(texts)) as controller:
        assert _rectify(controller, "shop.customer.phone", "+49 30 999").complete
        # Corrected twice: both of before were hers.
        assert _rectify(controller, "shop.customer.email", "annie@example.org").complete
        annie = parse("email=annie@example.org")
        assert _rectify(controller, "shop.customer.email", "anja@example.org", who=annie).complete
        for task in controller.tasks():
            _answer(controller, task, Said.DONE, "privacy-officer")
        request = Request(((ANJA,),), override="test")
        copy = rights.access(controller, request, LATER, out=texts / "copy.zip")
        with zipfile.ZipFile(texts / "copy.zip") as packed:  # nobody else's address is covered
            whole = b"".join(map(packed.read, packed.namelist()))
        assert b"Ask ana@example.org or anja@example.org." in whole
        assert any("2 further e-mail addresses" in w for w in copy.warnings)
        shown = rights.preview(controller, request, LATER)
        assert any("2 further e-mail addresses and 1 further telephone number" in w
                   for w in shown.warnings), shown.warnings  # fmt: skip
        gone = rights.erase(controller, Request((), case=shown.case, override="test"), LATER)
        assert gone.complete
        assert _note(texts) == "Ask [-] or [-]."
        assert all(_suppressed(controller, one) for one in (ANA, annie, ANJA))
        told = [t for t in controller.tasks() if t.case == gone.case]
        assert told
        said = {value for task in told for one in task.people for _, value in one}
        assert {"ana@example.org", "annie@example.org", "anja@example.org"} <= said
        assert _stay_erased(controller, LATER) is Outcome.PASS
        sql(texts, f"INSERT INTO customer VALUES (8, 'ana@example.org', 'A', NULL, '{SINCE}')")
        assert _stay_erased(controller, LATER) is Outcome.FAIL


def test_an_address_of_before_by_which_somebody_else_is_known_binds_nobody(texts: Path) -> None:
    """It was a typing error, and is another's address: he keeps what he has."""
    sql(texts, "DELETE FROM lead")
    with Controller.open(deployment.read(texts)) as controller:
        by = Request(((parse("account=1"),),), override="test")
        address = "anja@example.org"
        assert rights.rectify(controller, by, "shop.customer.email", address, NOW).complete
        sql(texts, f"INSERT INTO customer VALUES (8, 'ana@example.org', 'A', NULL, '{SINCE}')")
        hers = Request(((ANJA,),), override="test")
        copy = rights.access(controller, hers, LATER, out=texts / "copy.zip")
        gone = rights.erase(controller, hers, LATER)
        assert gone.complete
        for said in (copy.warnings, gone.warnings):
            assert any("1 further e-mail address" in w and "not covered" in w for w in said)
        assert sql(texts, "SELECT email FROM customer WHERE id = 8") == [("ana@example.org",)]
        assert _note(texts) == "Ask ana@example.org or [-]."
        assert (_suppressed(controller, ANA), _suppressed(controller, ANJA)) == (False, True)
        assert _stay_erased(controller, LATER) is Outcome.PASS


_CRM = """
system: crm
title: CRM
country: US
datasets:
  contact:
    title: Contacts
    key: [id]
    origin: provided
    retention: contact
    activities: [communicate]
    fields:
      id: {type: integer, nullable: false}
      mail: {category: contact.email, identifies: email}
"""


def _crm(world: Path, *mails: str) -> Path:
    """One more system that knows people by their addresses."""
    file = world / "crm.sqlite"
    with closing(sqlite3.connect(file)) as c, c:
        c.execute("CREATE TABLE contact (id INTEGER PRIMARY KEY, mail TEXT)")
        c.executemany("INSERT INTO contact (mail) VALUES (?)", [(mail,) for mail in mails])
    (world / "crm.yml").write_text(_CRM, "utf-8")
    with (world / "kept.toml").open("a") as toml:
        toml.write(
            f'\n[systems.crm]\nstore = "sqlite"\nurl = "sqlite:///{file}"\n'
            'mode = "act"\nmap = "crm.yml"\n'
        )
    return file


@pytest.mark.parametrize("others", [True, False])
def test_what_nobody_could_ask_of_is_not_taken_for_hers(texts: Path, others: bool) -> None:
    """Whoever has that address may be known to the system that is away."""
    sql(texts, "DELETE FROM lead")
    sql(texts, "DELETE FROM note WHERE id = 1")
    by = Request(((parse("account=1"),),), override="test")
    with Controller.open(deployment.read(texts)) as controller:
        address = "anja@example.org"
        assert rights.rectify(controller, by, "shop.customer.email", address, NOW).complete
    file = _crm(texts, *["ana@example.org"] * others)
    away = file.rename(texts / "away.sqlite")
    hers = Request(((ANJA,),), override="test")
    with Controller.open(deployment.read(texts)) as controller:
        copy = rights.access(controller, hers, LATER, out=texts / "copy.zip")
        with zipfile.ZipFile(texts / "copy.zip") as packed:
            assert b"ana@example.org" not in b"".join(map(packed.read, packed.namelist()))
        gone = rights.erase(controller, hers, LATER)
        for warnings in (copy.warnings, gone.warnings):
            assert any("could not be looked for in crm" in w for w in warnings), warnings
        assert [s for s, _ in gone.unreached] == ["crm"]
        assert not _suppressed(controller, ANA)
        assert _note(texts) == "Ask ana@example.org or [-]."
    away.rename(file)
    with Controller.open(deployment.read(texts)) as controller:
        on = Request((), case=gone.case, override="test")
        done = rights.erase(controller, on, LATER)
        assert done.complete
        assert not any("could not be looked for" in w for w in done.warnings)
        assert _suppressed(controller, ANA) is not others
        assert _note(texts) == f"Ask {'ana@example.org' if others else '[-]'} or [-]."
        assert _stay_erased(controller, LATER) is Outcome.PASS


def test_who_took_an_address_of_before_since_an_erasure_was_stopped_keeps_it(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(texts, "DELETE FROM lead")
    sql(texts, "DELETE FROM note WHERE id = 1")
    by = Request(((parse("account=1"),),), override="test")
    with Controller.open(deployment.read(texts)) as controller:
        address = "anja@example.org"
        assert rights.rectify(controller, by, "shop.customer.email", address, NOW).complete
        shown = rights.preview(controller, Request(((ANJA,),), override="test"), LATER)
        on = Request((), case=shown.case, override="test")
        with monkeypatch.context() as patched:
            patched.setattr(Controller, "execute", _killed)
            with pytest.raises(KeyboardInterrupt):
                rights.erase(controller, on, LATER)
        assert _suppressed(controller, ANA)
        sql(texts, f"INSERT INTO customer VALUES (8, 'ana@example.org', 'A', NULL, '{SINCE}')")
        done = rights.erase(controller, on, LATER + dt.timedelta(days=1))
        assert done.complete
        assert _note(texts) == "Ask ana@example.org or [-]."
        assert (_suppressed(controller, ANA), _suppressed(controller, ANJA)) == (False, True)
        assert _stay_erased(controller, LATER + dt.timedelta(days=2)) is Outcome.PASS


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_what_a_store_refused_goes_on_in_the_same_case(controller: Controller, leads: Path) -> None:
    sql(leads, "CREATE TRIGGER no BEFORE UPDATE ON lead BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Obstructed):
        _rectify(controller, NAME, "Ana Neill")
    (case,) = controller.cases.all()
    assert _names(leads)[0] == "Ana O'Neill"  # refused in one table, written in none
    sql(leads, "DROP TRIGGER no")
    done = rights.rectify(controller, Request((), case=case.id), None, None, NOW)
    assert (done.complete, _names(leads)[0], _leads(leads)[0]) == (True, "Ana Neill", "Ana Neill")


NEWS = """
  newsletter:
    key: [email]
    retention: messages
    activities: [communicate]
    fields:
      email: {category: contact.email, identifies: email, nullable: false}
      list: {category: contact}
"""


def test_a_copy_that_is_the_key_of_its_row_is_put_right_by_hand_first(world: Path) -> None:
    """It was left wrong, and the person was told that all is done."""
    sql(world, "CREATE TABLE newsletter (email TEXT PRIMARY KEY, list TEXT)")
    sql(world, "INSERT INTO newsletter VALUES ('ana@example.org', 'weekly'), ('b@c.example', 'w')")
    edit(world / "shop.yml", "datasets:\n", f"datasets:{NEWS}")
    at, right = "shop.customer.email", "anja@example.org"
    with Controller.open(deployment.read(world)) as controller:
        by = Request(((ANA,),), override="test")
        shown = rights.preview_rectification(controller, by, at, right, NOW)
        (words,) = [w for w in shown.warnings if "in the way" in w]
        assert words.startswith("`shop.newsletter` stands in the way: what is wrong is the key")
        on = Request((), case=shown.case, override="test")
        with pytest.raises(Obstructed) as refused:
            rights.rectify(controller, on, at, right, NOW)
        for said in ("Put it right there by hand", f"Case {shown.case} waits: go on with it by"):
            assert said in str(refused.value)
        assert sql(world, "SELECT email FROM customer WHERE id = 1") == [("ana@example.org",)]
        assert "It is done" not in letter(controller, shown.case, NOW).text()
        sql(world, "UPDATE newsletter SET email = ? WHERE email = 'ana@example.org'", right)
        assert rights.rectify(controller, on, at, right, NOW).complete
        assert sql(world, "SELECT email FROM customer WHERE id = 1") == [(right,)]
        assert "It is done" in letter(controller, shown.case, NOW).text()
        assert _outcome(controller) is Outcome.PASS


def test_who_comes_second_is_told_by_which_case_it_goes_on(
    controller: Controller, leads: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told to run that again, which would have been another case."""
    monkeypatch.setattr(cases, "_PATIENCE", 1)
    with controller.cases.person_alone([[ANA]]), pytest.raises(Busy) as refused:
        _rectify(controller, NAME, "Ana Neill")
    (case,) = controller.cases.all()
    assert f"Case {case.id} waits: go on with it by `kept rights rectify" in str(refused.value)
    request = Request(((ANA,),), override="test")
    for right, ask in (
        ("object", lambda: rights.object_to(controller, request, ["marketing"], NOW, region="EEA")),
        ("restrict", lambda: rights.restrict(controller, request, "accuracy", NOW, region="EEA")),
    ):
        with controller.cases.person_alone([[ANA]]), pytest.raises(Busy) as refused:
            ask()
        other = controller.cases.all()[-1].id
        assert f"Case {other} waits: go on with it by `kept rights {right}" in str(refused.value)
    done = rights.rectify(controller, Request((), case=case.id), NAME, "Ana Neill", NOW)
    assert (done.complete, _names(leads)[0]) == (True, "Ana Neill")


SERVED = """
[systems.agency]
store = "mailbox"
url = "letters"
mode = "act"
map = "agency.yml"
"""
WHO = AGENCY.replace("list: {category: contact}", "list: {category: contact}\n"
                     "      called: {category: contact.name}\n"
                     "      signed: {category: contact.name}")  # fmt: skip


@pytest.fixture
def served(tmp_path: Path, kept_url: str) -> Iterator[Controller]:
    """The shop, and an agency of people that has her name too."""
    world = make(tmp_path / "served", kept_url, extra=SERVED)
    (world / "agency.yml").write_text(WHO, "utf-8")
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def _at_agency(controller: Controller) -> list[Task]:
    return [t for t in controller.tasks() if t.system == "agency"]


def test_people_who_serve_a_system_are_asked_to_put_it_right_too(served: Controller) -> None:
    """Nobody was asked, and the case was called complete with the wrong name still there."""
    answer = _rectify(served, NAME, "Ana Neill")
    assert not answer.complete
    served.deliver(NOW)
    (task,) = _at_agency(served)
    text = "\n".join(letters.letter(task, NOW))
    for words in ("email: ana@example.org", "Please put right",
                  "called: wrong is “Ana O'Neill”, right is “Ana Neill”",
                  "signed: wrong is “Ana O'Neill”, right is “Ana Neill”"):  # fmt: skip
        assert words in text, text
    assert "empty every field" not in text
    assert [t.action for t in _at_agency(served)] == [task.action], "one letter for the dataset"
    said = " ".join(letter(served, answer.case, NOW).text().split())
    assert "NOT done for 1 record. Why: " in said
    assert "subscribers" not in str(_rows(answer, verified=True))
    # They cannot: it stays open. They have: it rests on their word, and the letter says so.
    on = Request((), "Kim", "operator", case=answer.case)
    _answer(served, task, Said.CANNOT, "system-owner")
    assert not rights.rectify(served, on, None, None, NOW).complete
    _answer(served, task, Said.DONE, "system-owner", LATER)
    done = rights.rectify(served, on, None, None, LATER)
    assert done.complete
    assert [(s.verified, s.word) for s in done.steps if s.store == "agency"] == [(False, True)]
    said = " ".join(letter(served, answer.case, LATER).text().split())
    assert "1 record put right. This rests on the word of the people there" in said
    assert _outcome(served, LATER) is Outcome.PASS
    kept = "".join(f.read_text("utf-8") for f in (served.reach.directory / "letters").iterdir())
    assert not any(of in kept for of in ("Neill", "ana@")), "struck out when it is answered"
    assert "Neill" not in str([e for _, e in served.ledger.entries()])


def _rows(answer: RectifyAnswer, *, verified: bool) -> list[str]:
    return [s.dataset for s in answer.steps if s.verified is verified]


def test_what_stands_with_people_alone_takes_the_word_of_what_is_wrong(served: Controller) -> None:
    """Nobody can look there, so what is wrong is said; a value of another kind is no copy."""
    with pytest.raises(UsageError) as refused:
        _rectify(served, "agency.subscribers.list", "monthly")
    assert "--was" in str(refused.value)
    answer = _rectify(served, "agency.subscribers.list", "monthly", was="weekly")
    assert [(s.store, s.counts.found) for s in answer.steps] == [("agency", 1)]
    (task,) = _at_agency(served)
    assert "list: wrong is “weekly”, right is “monthly”" in "\n".join(letters.letter(task, NOW))
    _answer(served, task, Said.NOTHING, "system-owner")
    on = Request((), "Kim", "operator", case=answer.case)
    assert rights.rectify(served, on, None, None, NOW).complete
    # Her phone is no field of theirs.
    assert _rectify(served, "shop.customer.phone", "+49 30 999").complete
    assert len(_at_agency(served)) == 1


def _stands_with_people(world: Path) -> str:
    """All that lies in the folders of letters and tasks."""
    files = [f for at in ("letters", "state", "notices") for f in (world / at).rglob("*")]
    return "".join(f.read_text("utf-8") for f in files if f.is_file())


def test_what_is_erased_is_put_right_no_more(served: Controller) -> None:
    """Whoever served the system got both letters, to put right and to erase; the case never ended,
    and its task named her for ever.
    """
    case = _rectify(served, "shop.customer.email", "anja@example.org").case
    bens = _rectify(served, "shop.customer.email", "benno@example.org", who=BEN).case
    on = Request((), case=rights.erase(served, Request(((ANJA,),), override="test"), LATER).case)
    served.deliver(LATER)
    # She is asked for by both; who may know her only by what was wrong finds her, too.
    (hers,) = [t for t in _at_agency(served) if t.case != bens]
    both = {("email", "ana@example.org"), ("email", "anja@example.org")}
    assert (hers.case, str(hers.action), set(hers.people[0])) == (on.case, "delete", both)
    # It is over, and says why, to everybody who looks.
    over = served.cases.get(case)
    assert (over.state, over.complete) == (State.CLOSED, True)
    assert served.cases.get(bens).state is State.CHECKED
    said = " ".join(letter(served, case, LATER).text().split())
    assert "nothing is put right there any more: what we held of you there was erased on" in said
    _answer(served, hers, Said.DONE, "system-owner", LATER)
    done = rights.erase(served, replace(on, override="test"), LATER)
    assert done.complete
    assert not any("name her" in w for w in done.warnings)
    for task in served.tasks():
        if task.case == done.case and task.open:
            _answer(served, task, Said.DONE, "privacy-officer", LATER)
    there = _stands_with_people(served.reach.directory)
    assert not any(of in there for of in ("ana@example.org", "anja@example.org"))
    assert "benno@example.org" in there
    again = rights.rectify(served, Request((), case=case), None, None, LATER)
    assert again.complete
    assert _outcome(served, LATER) is Outcome.PASS


def test_who_is_told_of_an_erasure_is_told_of_no_correction_before_it(world: Path) -> None:
    tell = ("rights.recipients-are-told",)
    with Controller.open(deployment.read(world)) as controller:
        case = _rectify(controller, "shop.customer.email", "anja@example.org").case
        bens = _rectify(controller, "shop.customer.email", "benno@example.org", who=BEN).case
        assert controller.cases.get(case).state is State.AWAITING
        gone = rights.erase(controller, Request(((ANJA,),), override="test"), LATER)
        assert gone.complete
        assert {t.case for t in controller.tasks()} == {gone.case, bens}
        assert controller.cases.get(case).state is State.CLOSED
        said = " ".join(letter(controller, case, LATER).text().split())
        assert "it is told that what it had of you is erased" in said
        for task in controller.tasks():
            if task.case == gone.case:
                _answer(controller, task, Said.DONE, "privacy-officer", LATER)
        there = _stands_with_people(world)
        assert not any(of in there for of in ("ana@example.org", "anja@example.org"))
        (found,) = run(controller, registered(), LATER, names=tell)
        assert not [f for f in found.findings if "ledger" in f.words], found.findings
