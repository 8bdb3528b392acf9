"""Who approves: never who entered the request, two people for what is large or early; and what is
done alone in an emergency is alerted. Rehearsed in every role.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from kept import deployment
from kept.app.surface import roles_of
from kept.controller import Controller
from kept.duties import holds, rights
from kept.duties.rights import Request, casework
from kept.duties.rights.request import MAY_OVERRIDE, open_case
from kept.errors import Denied
from kept.records.actor import OPERATOR, ROLES, Actor
from kept.records.case_state import State
from kept.terms.identifiers import parse
from tests import world
from tests.world import NOW, make

LARGE = "[desk]\nlarge = 2\n"
#: Nothing is held of her that would go: small. Of Ana more rows go than one answers for: large.
NEW = (parse("email=somebody-new@example.org"),)
ANA = (parse("email=ana@example.org"),)
#: Who may come as far as approving at all.
APPROVERS = sorted(roles_of("case approve"))


@pytest.fixture(scope="module")
def controller(
    tmp_path_factory: pytest.TempPathFactory, kept_module_url: str
) -> Iterator[Controller]:
    directory = make(tmp_path_factory.mktemp("approve") / "world", kept_module_url, extra=LARGE)
    with Controller.open(deployment.read(directory)) as opened:
        yield opened


def _actor(controller: Controller, name: str, role: str) -> Actor:
    return controller.actors.of(name, role, NOW)


def _planned(
    controller: Controller, opener: str, planner: str, people: Any = ANA, **more: Any
) -> tuple[str, str]:
    known = more or {"evidence": "a code"}
    request = Request((people,), opener, "operator", **known)
    case = open_case(controller, "erasure", request, NOW)[0].id
    looked = casework.look(controller, case, {}, _actor(controller, planner, "approver"), NOW)
    return case, str(looked["plan"])


@pytest.mark.parametrize("looked", [(), ("pat",), ("mia", "pat")])
def test_by_command_nobody_draws_up_and_approves_what_takes_two(
    controller: Controller, looked: tuple[str, ...]
) -> None:
    """Whoever looked before: what is drawn up with the command counts."""
    request = Request((ANA,), "by herself", "person", evidence="a code")
    case = open_case(controller, "erasure", request, NOW)[0].id
    for who in looked:
        casework.look(controller, case, {}, _actor(controller, who, "approver"), NOW)
    with pytest.raises(Denied, match="another than who drew it up"):
        rights.erase(controller, Request((), "mia", "approver", case=case), NOW)
    assert controller.cases.get(case).state in (State.IDENTIFIED, State.PLANNED)


@pytest.mark.parametrize("role", sorted(ROLES))
@pytest.mark.parametrize("act", ["opened", "planned", "neither"])
@pytest.mark.parametrize("size", ["small", "large", "early"])
def test_who_may_approve(controller: Controller, role: str, act: str, size: str) -> None:
    """Expected is written out anew here, apart from the table."""
    known = {"override": "a court"} if size == "early" else {"evidence": "a code"}
    case, plan = _planned(
        controller, "mia" if act == "opened" else "ira", "mia" if act == "planned" else "pat",
        NEW if size == "small" else ANA, **known,
    )  # fmt: skip
    two = act == "opened" or (act == "planned" and size != "small")
    if role != OPERATOR and two:
        with pytest.raises(Denied, match="another person"):
            casework.approve(controller, case, plan, _actor(controller, "mia", role), NOW)
        assert controller.cases.get(case).state is State.PLANNED
    else:
        casework.approve(controller, case, plan, _actor(controller, "mia", role), NOW)
        assert controller.cases.get(case).state is State.APPROVED


def test_only_those_who_answer_for_it_come_so_far() -> None:
    assert set(APPROVERS) == MAY_OVERRIDE - {OPERATOR}, "who has the machine carries it out"


def test_what_is_done_alone_is_recorded_and_alerted(controller: Controller) -> None:
    for opener, planner, size in itertools.product(("mia", "ira"), ("mia", "pat"), (NEW, ANA)):
        before = controller.watch.alerts()
        case, plan = _planned(controller, opener, planner, size)
        two = opener == "mia" or (planner == "mia" and size is ANA)
        mia = _actor(controller, "mia", "approver")
        with pytest.raises(Denied, match="why it could not wait") if two else _nothing():
            casework.approve(controller, case, plan, mia, NOW, alone=" ")
        why = "the officer is ill, and the day is over"
        casework.approve(controller, case, plan, mia, NOW, alone=why)
        assert controller.cases.get(case).state is State.APPROVED
        raised = [a for a in controller.watch.alerts() if a not in before]
        assert [(a.name, a.what) for a in raised] == [("mia", "done-alone")] * two
        entries = [
            e.kind for _, e in controller.ledger.entries(kind=("override.used", "alert.raised"))
            if e.body.get("case") == case
        ]  # fmt: skip
        assert entries == ["override.used", "alert.raised"] * two
        assert why not in repr([e.body for _, e in controller.ledger.entries()])


class _nothing:  # noqa: N801 — reads like the raises that it stands for
    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_looking_again_draws_nothing_up(controller: Controller) -> None:
    """Both officers press the button before one approves: what nothing is changed by."""
    case, plan = _planned(controller, "ira", "pat")
    entries = controller.ledger.size()
    pat, mia = (_actor(controller, who, "approver") for who in ("pat", "mia"))
    for _ in range(2):
        looked = casework.look(controller, case, {}, mia, NOW + dt.timedelta(hours=1))
        assert (looked["plan"], looked["by"]) == (plan, "pat")
    assert controller.ledger.size() == entries
    with pytest.raises(Denied, match="than who drew it up"):
        casework.approve(controller, case, plan, pat, NOW)
    assert casework.approve(controller, case, plan, mia, NOW).state is State.APPROVED
    casework.look(controller, case, {}, pat, NOW)
    assert controller.cases.get(case).state is State.APPROVED, "the same needs no other approval"


def test_who_drew_up_an_older_plan_approves_the_last_one(controller: Controller) -> None:
    case, old = _planned(controller, "ira", "pat")
    new = "INSERT INTO note VALUES (78, 'ana@example.org', 'x', '2024-06-03 00:00:00')"
    world.sql(controller.reach.directory, new)
    pat, mia = (_actor(controller, who, "approver") for who in ("pat", "mia"))
    plan = casework.look(controller, case, {}, mia, NOW)["plan"]
    assert plan != old
    with pytest.raises(Denied, match="than who drew it up"):
        casework.approve(controller, case, plan, mia, NOW)
    assert casework.approve(controller, case, plan, pat, NOW).state is State.APPROVED


def test_by_command_the_same_holds(controller: Controller) -> None:
    """Where nobody approved before, whoever carries it out does so: who entered it may not."""
    asked = Request((ANA,), "mia", "approver", evidence="a code")
    case = open_case(controller, "erasure", asked, NOW)[0].id
    with pytest.raises(Denied, match=r"entered a request.*--alone|another person"):
        rights.erase(controller, Request((), "mia", "approver", case=case), NOW)
    assert controller.cases.get(case).state is not State.EXECUTING
    with pytest.raises(Denied, match="may not"):
        rights.erase(
            controller, Request((), "mia", "support", case=case, alone="nobody is here"), NOW
        )
    done = rights.erase(
        controller, Request((), "mia", "approver", case=case, alone="nobody is here"), NOW
    )
    assert done.complete


def test_what_was_approved_at_the_desk_is_what_a_command_carries_out(
    controller: Controller,
) -> None:
    ben = (parse("email=ben@example.org"),)
    case, plan = _planned(controller, "ira", "pat", ben)
    casework.approve(controller, case, plan, _actor(controller, "abe", "approver"), NOW)
    # Whoever drew it up carries it out, for another has approved it.
    done = rights.erase(controller, Request((), "pat", "approver", case=case), NOW)
    assert done.complete
    assert [e.actor.name for e in controller.cases.events(controller.cases.get(case))
            if e.state is State.APPROVED] == ["abe"]  # fmt: skip


@pytest.mark.parametrize("role", ["privacy-officer", OPERATOR])
def test_a_hold_is_released_early_by_two(controller: Controller, role: str) -> None:
    clause = holds.allowing(controller.bundle)[0]
    placed = holds.place(controller, ground="a claim", clause=clause, person=ANA, now=NOW,
                         actor=_actor(controller, "lea", role))  # fmt: skip
    mia, pat = (_actor(controller, n, role) for n in ("mia", "pat"))
    done = holds.release(controller, placed.id, "it is over", mia, NOW)
    if role == OPERATOR:
        assert done.released_at == NOW
        return
    for _ in range(2):
        assert holds.release(controller, placed.id, "it is over", mia, NOW).released_at is None
    assert placed.id in {h.id for h in controller.holds.all(NOW)}
    asked = [e.body for _, e in controller.ledger.entries(kind="hold.asked")]
    assert [b["hold"] for b in asked] == [placed.id]
    assert holds.release(controller, placed.id, "so it is", pat, NOW).released_at == NOW
    assert not controller.holds.all(NOW)


def test_a_hold_that_is_released_alone_is_alerted(controller: Controller) -> None:
    clause = holds.allowing(controller.bundle)[0]
    placed = holds.place(controller, ground="a claim", clause=clause, person=ANA, now=NOW,
                         actor=_actor(controller, "lea", "privacy-officer"))  # fmt: skip
    before = len(controller.watch.alerts())
    mia = _actor(controller, "mia", "privacy-officer")
    done = holds.release(controller, placed.id, "over", mia, NOW, alone="fire in the house")
    assert (done.released_at, len(controller.watch.alerts())) == (NOW, before + 1)
