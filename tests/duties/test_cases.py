"""What people of the organisation do with cases and holds, and what is left of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.registry import Finding
from kept.duties import holds, rights
from kept.duties.rights import Request, close_case
from kept.errors import Denied, KeptError, UsageError
from kept.model.plan import Action
from kept.records.case import State
from kept.terms.identifiers import parse
from tests.world import NOW, sql

ANA = parse("email=ana@example.org")
DAY = dt.timedelta(days=1)


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def _asked(controller: Controller, **more: Any) -> str:
    """A case that was opened and planned for show."""
    request = Request(**{"people": ((ANA,),), **more})
    return rights.preview(controller, request, NOW).case


def _bodies(controller: Controller, kind: str) -> list[dict[str, Any]]:
    return [dict(e.body) for _, e in controller.ledger.entries(kind=kind)]


def _findings(controller: Controller) -> list[object]:
    """What the control finds that holds answers against the record."""
    found = rights.checks.answers_tell_what_was_done(controller, NOW)
    return [f for f in found if isinstance(f, Finding)]


@pytest.mark.parametrize(("outcome", "state"), sorted(rights.request.WITHOUT.items()))
def test_a_case_ends_without_being_carried_out(
    controller: Controller, world: Path, outcome: Any, state: State
) -> None:
    before = sql(world, "SELECT * FROM customer")
    case = _asked(controller, override="test")
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    said = "She wrote on Monday that ana@example.org is not hers."
    code = "others-rights" if outcome == "refused" else None
    done = close_case(controller, case, outcome, said, officer, NOW + DAY, code=code)
    assert done.refusal == code
    assert (done.state, done.closed_at, done.complete) == (state, NOW + DAY, None)
    event = controller.cases.events(done)[-1]
    assert (event.state, event.words, event.actor) == (state, said, officer)
    (moved,) = _bodies(controller, "case.moved")
    assert (moved["case"], moved["state"], moved["actor"]) == (case, outcome, "privacy-officer")
    assert "ana" not in str(_bodies(controller, "case.moved")).replace(case, "")
    # Nothing follows: not its execution, not another end.
    for again in (
        lambda: rights.erase(controller, Request(people=(), case=case, override="x"), NOW),
        lambda: rights.preview(controller, Request(people=(), case=case), NOW),
        lambda: close_case(controller, case, "withdrawn", "x", officer, NOW),
        lambda: close_case(controller, case, "refused", "x", officer, NOW, code="excessive"),
    ):
        with pytest.raises(UsageError):
            again()
    assert sql(world, "SELECT * FROM customer") == before
    assert len(_bodies(controller, "case.moved")) == 1
    # And the control that holds answers against the record has nothing to say about it.
    assert _findings(controller) == []
    # Unless somebody ends it past the door, or it did change something.
    for amiss in (
        "UPDATE rights_case SET state = CASE state WHEN 'refused' THEN 'withdrawn' ELSE 'refused'"
        " END",
        "INSERT INTO case_step (number, step, system, dataset, action, planned, state, changed, at)"
        " SELECT number, 1, 'shop', 'note', 'delete', 1, 'done', 1, now() FROM rights_case",
    ):
        with controller.database.connection() as connection:
            connection.execute(amiss)
        assert _findings(controller)
        with controller.database.connection() as connection:
            connection.execute("DELETE FROM case_step")
            connection.execute("UPDATE rights_case SET state = %s", (state,))
    assert _findings(controller) == []


def test_who_may_end_a_case_and_when(controller: Controller) -> None:
    case = _asked(controller, override="test")
    marketer = controller.actors.of("Max", "marketer", NOW)
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    with pytest.raises(Denied, match="may not refuse"):
        close_case(controller, case, "refused", "no", marketer, NOW, code="excessive")
    for words in ("", " \n"):
        with pytest.raises(UsageError, match="no reason"):
            close_case(controller, case, "refused", words, officer, NOW, code="excessive")
    for none in (None, "", "nothing-held", "no"):
        with pytest.raises(UsageError, match="no such reason to refuse"):
            close_case(controller, case, "refused", "words", officer, NOW, code=none)
    with pytest.raises(UsageError, match="no such end"):
        close_case(controller, case, "closed", "x", officer, NOW)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no such case"):
        close_case(controller, "none", "refused", "x", officer, NOW, code="excessive")
    assert controller.cases.get(case).state is State.RECEIVED
    assert _bodies(controller, "case.moved") == []
    # Once something was written there is no way back, only through.
    assert rights.erase(controller, Request(people=(), case=case), NOW).complete
    for outcome in ("refused", "withdrawn"):
        with pytest.raises(UsageError, match="nothing was changed"):
            close_case(controller, case, outcome, "x", officer, NOW, code="excessive")  # type: ignore[arg-type]
    assert controller.cases.get(case).state in (State.AWAITING, State.CLOSED)


def test_a_begun_case_is_not_withdrawn(controller: Controller, world: Path) -> None:
    """With a system away it was executed, and is not complete."""
    (world / "shop.sqlite").rename(world / "away.sqlite")
    answer = rights.erase(controller, Request(people=((ANA,),), override="test"), NOW)
    assert not answer.complete
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    with pytest.raises(UsageError, match="can only be finished"):
        close_case(controller, answer.case, "withdrawn", "x", officer, NOW)
    (world / "away.sqlite").rename(world / "shop.sqlite")
    assert rights.erase(controller, Request(people=(), case=answer.case), NOW).complete


def test_the_answer_says_what_became_of_her_keys(controller: Controller) -> None:
    """A day where Kept had made keys of hers, also when asked again; else that it had none."""
    none = rights.erase(controller, Request(people=((ANA,),), override="test"), NOW)
    assert (none.complete, none.physical) == (True, None)
    assert none.document()["keys_gone_for_good_on"] is None
    assert "none to destroy" in none.document()["keys"]
    ben = parse("email=ben@example.org")
    controller.subjects.of([ben], NOW)
    asked = rights.preview(controller, Request(people=((ben,),), override="test"), NOW)
    assert (asked.physical, asked.keys) == (None, None)
    some = rights.erase(controller, Request(people=(), case=asked.case), NOW)
    (shredded,) = _bodies(controller, "keys.shredded")
    again = rights.erase(controller, Request(people=(), case=asked.case), NOW + DAY)
    for answer in (some, again):
        assert answer.document()["keys_gone_for_good_on"] == shredded["dies"]
        assert shredded["dies"] in answer.document()["keys"]
    again = rights.erase(controller, Request(people=(), case=none.case), NOW + DAY)
    assert again.document()["keys"] == none.document()["keys"]


def test_what_a_law_keeps_is_answered_with_the_clause_that_lets_it_stay(
    controller: Controller,
) -> None:
    """Not the first clause of the class, which says how long such data are kept without a law."""
    law = controller.bundle.retention["transactions-paid"].law
    assert law is not None
    assert law.clause is not None
    assert law.clause != controller.bundle.retention["transactions-paid"].clause
    answer = rights.erase(controller, Request(people=((ANA,),), override="test"), NOW)
    kept = [s for s in answer.steps if s.action in (Action.RETAIN, Action.OVERWRITE)]
    assert {s.dataset for s in kept} == {"customer", "invoice"}
    assert {s.reason.clause for s in kept if s.reason} == {law.clause}
    entries = [b for b in _bodies(controller, "step.done") if "clauses" in b]
    assert [b["clauses"] for b in entries] == [[law.clause]] * 2


def test_a_hold_is_placed_and_released_with_its_entries(controller: Controller) -> None:
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    law = controller.bundle.retention["transactions-paid"].law
    assert law is not None
    clause = law.clause or ""
    hold = holds.place(
        controller, ground="Ana claims that the trial never began", clause=clause, actor=officer,
        now=NOW, person=[ANA], system="shop", dataset="signup", until=(NOW + 9 * DAY).date(),
    )  # fmt: skip
    assert controller.holds.all(NOW) == [hold]
    (added,) = _bodies(controller, "hold.added")
    assert (added["hold"], added["clause"], added["ground"]) == (hold.id, clause, "reason")
    assert (added["system"], added["dataset"], added["actor"]) == ("shop", "signup", officer.role)
    assert added["subject"] != str(hold.subject)
    assert "Ana" not in str(added)
    answer = rights.erase(controller, Request(people=((ANA,),), override="test"), NOW)
    (step,) = (s for s in answer.steps if s.dataset == "signup")
    assert step.reason is not None
    assert (step.action, step.reason.hold, step.reason.clause) == (Action.RETAIN, hold.id, clause)
    (again,) = (
        s
        for s in controller.cases.steps(controller.cases.get(answer.case))
        if s.reason == step.reason
    )
    assert again.dataset == "signup"
    with controller.database.connection() as c:
        kept = c.execute("SELECT string_agg(s::text, '') FROM case_step s").fetchone()
    assert kept is not None
    assert "never began" not in kept[0]  # the ground stands sealed with the hold only
    # Before its end it takes two.
    other = controller.actors.of("Ola", "privacy-officer", NOW)
    holds.release(controller, hold.id, "Ana lost her claim", other, NOW + DAY)
    assert controller.holds.all(NOW + DAY) == [replace(hold, asked="Ola")]
    done = holds.release(controller, hold.id, "Ana lost her claim", officer, NOW + DAY)
    assert done == replace(hold, released_at=NOW + DAY, asked="Ola")
    assert controller.holds.all(NOW + DAY) == []
    (released,) = _bodies(controller, "hold.released")
    assert (released["hold"], released["actor"]) == (hold.id, officer.role)
    with pytest.raises(UsageError, match="no such open hold"):
        holds.release(controller, hold.id, "again", officer, NOW + DAY)
    assert len(_bodies(controller, "hold.released")) == 1


def test_holds_that_are_refused_leave_nothing(controller: Controller) -> None:
    officer = controller.actors.of("Pia", "privacy-officer", NOW)
    clause = next(iter(controller.bundle.clauses))
    good = {"ground": "books", "clause": clause, "system": "shop", "person": [ANA]}
    for wrong in (
        {"clause": "GONE-1"},
        {"system": "till"},
        {"dataset": "till"},
        {"ground": " "},
        {"system": None, "dataset": "signup"},
        {"system": None, "person": ()},
    ):
        with pytest.raises(UsageError):
            holds.place(controller, actor=officer, now=NOW, **{**good, **wrong})  # type: ignore[arg-type]
    assert controller.holds.all(NOW, released=True) == []
    assert controller.subjects.find([ANA]) == ()
    assert _bodies(controller, "hold.added") == []


def test_two_people_named_as_one_are_refused(controller: Controller, world: Path) -> None:
    """One of them was erased: what is retained of her leads elsewhere than what lives of him."""
    assert rights.erase(controller, Request(people=((ANA,),), override="test"), NOW).complete
    ben = parse("email=ben@example.org")
    before = sql(world, "SELECT * FROM customer"), sql(world, "SELECT * FROM signup")
    request = Request(people=((ANA, ben),), override="test")
    out = world / "pack.zip"
    for asked in (
        lambda: rights.access(controller, request, NOW, out=out),
        lambda: rights.preview(controller, request, NOW),
        lambda: rights.erase(controller, request, NOW),
    ):
        with pytest.raises(KeptError, match="another whose data is retained"):
            asked()
    assert (sql(world, "SELECT * FROM customer"), sql(world, "SELECT * FROM signup")) == before
    assert not out.exists()
    # She came back under her address: found both ways, she is one.
    sql(
        world, "INSERT INTO customer VALUES (7, 'ana@example.org', 'Ana', '+49 30 7', '2026-11-01')"
    )
    both = Request(people=((ANA, parse("phone=+49 30 7")),), override="test")
    answer = rights.access(controller, both, NOW, out=out)
    assert answer.complete
    found = {s.dataset: s.counts.found for s in answer.steps if s.store == "shop"}
    assert (found["customer"], found["invoice"]) == (1, 1)
