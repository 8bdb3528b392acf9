"""A hold and an erasure that meet: what is held stays, or nobody is told that it is held."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kept import deployment
from kept.controller import Controller
from kept.duties import holds
from kept.duties.rights import Request, expire
from kept.duties.rights.planning import REGISTRY_GOES
from kept.errors import UsageError
from kept.records import case as cases
from kept.records.hold import Hold
from kept.terms.identifiers import parse
from tests.world import NOW, edit, sql

#: The module; in its package the function of the same name stands in its place.
erasing = importlib.import_module("kept.duties.rights.erase")
ANA = (parse("email=ana@example.org"),)
BEN = (parse("email=ben@example.org"),)
LATER = NOW + dt.timedelta(hours=1)


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def place(controller: Controller, now: dt.datetime = NOW, **what: Any) -> Hold:
    actor = controller.actors.of("Kim", "operator", now)
    return holds.place(
        controller, ground="a dispute", clause="RET-10", actor=actor, now=now,
        **(what or {"person": ANA}),
    )  # fmt: skip


#: Holds that would keep rows of Ana.
HOLDS = [{"person": ANA}, {"system": "shop"}, {"system": "shop", "dataset": "note"}]


@pytest.mark.parametrize("what", HOLDS)
def test_no_hold_is_placed_while_she_is_being_erased(
    what: dict[str, Any], controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "_PATIENCE", 1)
    with (
        controller.cases.person_alone([ANA]),
        pytest.raises(UsageError, match="being carried out right now"),
    ):
        place(controller, **what)
    assert controller.holds.all(NOW) == []
    assert place(controller, **what).released_at is None


def test_a_hold_on_a_table_waits_for_nobody_who_only_holds(controller: Controller) -> None:
    place(controller)
    place(controller, system="shop")
    with controller.cases.person_alone([ANA]), controller.cases.person_alone([BEN]):
        pass  # two erasures hold up neither each other nor later ones
    assert len(controller.holds.all(NOW)) == 2


@pytest.mark.parametrize("what", HOLDS)
def test_a_hold_placed_between_plan_and_first_write_is_kept(
    what: dict[str, Any], controller: Controller, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = erasing._drawn
    placed: list[Hold] = []

    def drawn(*given: object) -> object:
        made = real(*given)
        if not placed:
            placed.append(place(controller, **what))
        return made

    monkeypatch.setattr(erasing, "_drawn", drawn)
    answer = erasing.erase(controller, Request((ANA,), override="test"), NOW)
    assert answer.complete
    kept = {s.dataset for s in answer.steps if s.reason and s.reason.hold == placed[0].id}
    assert "note" in kept
    assert sql(world, "SELECT count(*) FROM note WHERE id = 1") == [(1,)]


def test_tables_that_no_map_names_are_counted_in_the_answer(world: Path) -> None:
    with Controller.open(deployment.read(world)) as controller:
        seen = erasing.preview(controller, Request((ANA,), override="test"), NOW)
        assert not [words for words in seen.warnings if "mapped" in words]
    sql(world, "CREATE TABLE note_log (id INTEGER PRIMARY KEY, words TEXT)")
    with Controller.open(deployment.read(world)) as controller:
        answer = erasing.erase(controller, Request((ANA,), override="test"), NOW)
    assert [words for words in answer.warnings if "mapped" in words] == [
        "1 table of `shop` is not mapped, so not searched;"
        " `kept map check` names what is not mapped"
    ]


def _named_by_ben(world: Path) -> None:
    edit(world / "shop.yml", "free_text: true", "free_text: redact")
    sql(world, "UPDATE note SET words = 'ask ana@example.org' WHERE id = 2")


def test_a_hold_on_somebody_else_waits_for_her_erasure_too(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Ben wrote of Ana is changed in her case, so a hold on him waits for it."""
    monkeypatch.setattr(cases, "_PATIENCE", 1)
    _named_by_ben(world)
    tried: list[str] = []
    real = Controller.execute

    def executing(self: Controller, *given: Any, **named: Any) -> Any:
        with Controller.open(deployment.read(world)) as other:
            try:
                place(other, person=BEN)
                tried.append("placed")
            except UsageError:
                tried.append("waits")
        return real(self, *given, **named)

    monkeypatch.setattr(Controller, "execute", executing)
    with Controller.open(deployment.read(world)) as controller:
        answer = erasing.erase(controller, Request((ANA,), override="test"), NOW)
        assert answer.complete
        assert set(tried) == {"waits"}
        assert controller.holds.all(NOW) == []
        # Afterwards it is placed, and before the erasure it keeps his words as they are.
        assert place(controller, LATER, person=BEN).released_at is None
    assert "ana@" not in str(sql(world, "SELECT words FROM note WHERE id = 2"))


def test_what_is_left_of_an_erasure_keeps_the_texts_of_who_is_held_since(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    _named_by_ben(world)
    with Controller.open(deployment.read(world)) as controller:
        with monkeypatch.context() as patched:
            patched.setattr(erasing, "_to_the_end", stop)
            with pytest.raises(Stopped):
                erasing.erase(controller, Request((ANA,), override="test"), NOW)
        (case,) = controller.cases.all()
        hold = place(controller, LATER, person=BEN)
        again = Request((), case=case.id)
        with pytest.raises(UsageError, match="nothing more was written"):
            erasing.erase(controller, again, LATER)
        assert sql(world, "SELECT words FROM note WHERE id = 2") == [("ask ana@example.org",)]
        actor = controller.actors.of("Kim", "operator", LATER)
        holds.release(controller, hold.id, "settled", actor, LATER)
        assert erasing.erase(controller, again, LATER).complete
    assert "ana@" not in str(sql(world, "SELECT words FROM note WHERE id = 2"))


def test_what_is_left_of_an_erasure_waits_for_a_hold_placed_since(
    controller: Controller, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(erasing, "_to_the_end", stop)
        with pytest.raises(Stopped):
            erasing.erase(controller, Request((ANA,), override="test"), NOW)
    (case,) = controller.cases.all()
    before = sql(world, "SELECT * FROM note"), sql(world, "SELECT * FROM customer")
    hold = place(controller, LATER)
    again = Request((), case=case.id)
    with pytest.raises(UsageError, match="nothing more was written"):
        erasing.erase(controller, again, LATER)
    assert (sql(world, "SELECT * FROM note"), sql(world, "SELECT * FROM customer")) == before
    actor = controller.actors.of("Kim", "operator", LATER)
    holds.release(controller, hold.id, "settled", actor, LATER)
    assert erasing.erase(controller, again, LATER).complete
    assert sql(world, "SELECT count(*) FROM note WHERE id = 1") == [(0,)]


def test_a_hold_by_her_number_holds_what_is_asked_for_by_her_address(
    controller: Controller, world: Path
) -> None:
    actor = controller.actors.of("Kim", "operator", NOW)
    hold = holds.place(
        controller, ground="a dispute", clause="RET-10", actor=actor, now=NOW,
        person=(parse("account=1"),),
    )  # fmt: skip
    answer = erasing.erase(controller, Request((ANA,), override="test"), NOW)
    assert "note" in {s.dataset for s in answer.steps if s.reason and s.reason.hold == hold.id}
    assert sql(world, "SELECT count(*) FROM note WHERE id = 1") == [(1,)]


#: Tables of Kept's own that hold what is known of a person, and her keys that still open.
KNOWN = {
    "subject": "SELECT count(*) FROM subject",
    "identity": "SELECT count(*) FROM identity",
    "fact": "SELECT count(*) FROM fact",
    "keys": "SELECT count(*) FROM subject_key WHERE class = 'person' AND wrapped IS NOT NULL",
}


def _known(controller: Controller) -> dict[str, int]:
    with controller.database.connection() as c:
        return {what: c.execute(said).fetchall()[0][0] for what, said in KNOWN.items()}


def test_who_she_is_to_kept_goes_whatever_is_held_and_is_called_gone(
    world: Path, controller: Controller
) -> None:
    """RET-3, RIGHT-3: what is said to stay stays, and what goes is said to go."""
    number = controller.subjects.of(ANA, NOW)
    controller.consents.record(number, [("consent:marketing.email", True)], NOW, source="form")
    assert _known(controller) == {"subject": 1, "identity": 1, "fact": 1, "keys": 1}
    held = place(controller)
    answer = erasing.erase(controller, Request((ANA,), override="test"), NOW)
    assert answer.complete
    assert REGISTRY_GOES in answer.warnings
    own = {s.dataset: s.counts for s in answer.steps if s.store == "own"}
    for dataset in ("subject", "identity", "fact"):
        assert (own[dataset].changed, own[dataset].retained) == (1, 0), dataset
    theirs = [s for s in answer.steps if s.store != "own" and s.reason]
    assert {s.reason.hold for s in theirs if s.reason} == {held.id}
    assert sql(world, "SELECT count(*) FROM note WHERE id = 1") == [(1,)]
    assert set(_known(controller).values()) == {0}
    # She comes back as somebody new, and stays when the hold is over.
    again = controller.subjects.of(ANA, LATER)
    assert again != number
    holds.release(controller, held.id, "settled", controller.actors.of("Kim", "operator", LATER),
                  LATER)  # fmt: skip
    assert expire(controller, LATER).complete
    assert sql(world, "SELECT count(*) FROM note WHERE id = 1") == [(0,)]
    assert controller.subjects.find(ANA) == (again,)


def test_nothing_is_said_of_the_registry_where_nothing_is_held(controller: Controller) -> None:
    controller.subjects.of(ANA, NOW)
    answer = erasing.erase(controller, Request((ANA,), override="test"), NOW)
    assert REGISTRY_GOES not in answer.warnings


def test_a_hold_on_the_registry_is_refused(controller: Controller) -> None:
    with pytest.raises(UsageError, match="goes with an erasure, whatever is held"):
        place(controller, person=(), system="own", dataset="fact")


def test_a_hold_on_all_of_kept_is_refused_alike(controller: Controller) -> None:
    """It would be on the registry first of all. Other tables of Kept's own can be held."""
    with pytest.raises(UsageError, match="goes with an erasure, whatever is held"):
        place(controller, person=(), system="own")
    assert place(controller, person=(), system="own", dataset="rights_case").system == "own"
