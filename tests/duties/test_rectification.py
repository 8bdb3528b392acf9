"""Rectification: at the source and in its copies, read back, and not undone by an import."""

from __future__ import annotations

from collections.abc import Iterator
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
from kept.duties import rights
from kept.duties.rights import RectifyAnswer, Request
from kept.errors import Denied, Obstructed, UsageError
from kept.terms.identifiers import parse
from tests.world import NOW, edit, sql

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
NAME = "shop.customer.name"


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


def _names(world: Path) -> list[object]:
    return [r[0] for r in sql(world, "SELECT name FROM customer ORDER BY id")]


def _leads(world: Path) -> list[object]:
    return [r[0] for r in sql(world, "SELECT who FROM lead ORDER BY id")]


def _outcome(controller: Controller) -> Outcome:
    return run(controller, registered(), NOW, names=["rights.corrections-hold"])[0].outcome


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


def test_what_a_store_refused_goes_on_in_the_same_case(controller: Controller, leads: Path) -> None:
    sql(leads, "CREATE TRIGGER no BEFORE UPDATE ON lead BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Obstructed):
        _rectify(controller, NAME, "Ana Neill")
    (case,) = controller.cases.all()
    assert _names(leads)[0] == "Ana O'Neill"  # refused in one table, written in none
    sql(leads, "DROP TRIGGER no")
    done = rights.rectify(controller, Request((), case=case.id), None, None, NOW)
    assert (done.complete, _names(leads)[0], _leads(leads)[0]) == (True, "Ana Neill", "Ana Neill")
