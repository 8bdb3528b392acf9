"""The desk forgets by its own rule: whom, what and how it was checked. Its figures stay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from kept import deployment
from kept.controller import Controller
from kept.controls.evidence import Outcome
from kept.controls.registry import registered
from kept.controls.runner import run
from kept.duties import figures, incidents, rights
from kept.duties.rights import Request, complaints, entering, forgetting
from kept.terms.identifiers import parse
from tests.world import NOW, make

CHOICES = """[choices]
"retention.rights-cases" = "P24M"
"retention.identity-proof" = "P30D"
"""
SECRETS = ("cleo", "Cleo", "example.org", "passport", "burglar", "rude")
CONTROL = "rights.desk-data-goes"
MONTH = dt.timedelta(days=31)


@pytest.fixture
def world(tmp_path: Path, kept_url: str) -> Path:
    directory = make(tmp_path / "w", kept_url)
    file = directory / "kept.toml"
    text = file.read_text("utf-8")
    file.write_text(text.replace("[choices]\n", CHOICES, 1), "utf-8")
    return directory


@pytest.fixture
def controller(world: Path) -> Iterator[Controller]:
    with Controller.open(deployment.read(world)) as opened:
        yield opened


def fill(controller: Controller, world: Path) -> str:
    """A case that is over with a note, a question, a complaint and an incident; the case's id."""
    actor = controller.actors.of("Jo", "privacy-officer", NOW)
    who = (parse("email=cleo@example.org"),)
    request = Request((who,), evidence="a passport was looked at")
    id_ = rights.access(controller, request, NOW, out=world / "c.zip").case
    case = controller.cases.get(id_)
    with controller.database.connection() as c:
        controller.papers.add(case, "answer", b"Cleo", {}, actor, NOW, connection=c)
        c.execute("UPDATE case_proof SET about = '\\x01'")
        controller.casework.note(case, "Cleo was rude", actor, NOW, connection=c)
    came = entering.Came("letter", NOW.date(), who, ("question",), "Who is Cleo?")
    (asked,), _ = entering.add(controller, came, actor, NOW)
    entering.close(controller, asked.id, "answered", "told", None, actor, NOW)
    complaint = complaints.add(
        controller, complaints.Came("letter", NOW.date(), "You were rude", who[0]), actor, NOW
    )
    complaints.answer(
        controller, complaint.id, "upheld", "We were rude", "letter", actor, NOW, country="DE"
    )
    made, _ = incidents.enter(
        controller, kinds=["availability"], places=["shop.note"], nature="a burglar came",
        noticed=NOW, happened=None, actor=actor, now=NOW,
    )  # fmt: skip
    incidents.judge(controller, made.id, "none", "locked", {"measures": "a lock"}, actor, NOW)
    incidents.close(controller, made.id, "buy locks", actor, NOW)
    return id_


def judged(controller: Controller, now: dt.datetime) -> tuple[Outcome, list[str]]:
    evidence = run(controller, registered(), now, names=[CONTROL])[0]
    return evidence.outcome, [f.words for f in evidence.findings]


def living(controller: Controller) -> int:
    """Keys of the desk's own records that still open something."""
    with controller.database.connection() as c:
        (row,) = c.execute(
            "SELECT count(*) FROM subject_key WHERE subject < 0 AND wrapped IS NOT NULL"
            " AND class IN ('case', 'intake', 'complaint', 'incident')"
        ).fetchall()
    return int(row[0])


def test_each_goes_by_its_rule_and_the_figures_stay(controller: Controller, world: Path) -> None:
    id_ = fill(controller, world)
    before = figures.counted(controller, NOW.year, NOW)
    assert forgetting.forget(controller, NOW + dt.timedelta(days=20)) == {}
    # The proof first; the rest after two years, to the day.
    assert forgetting.forget(controller, NOW + MONTH) == {"proofs": 1}
    case = controller.cases.get(id_)
    assert case.evidence
    assert controller.cases.words(case).evidence == ""
    last = dt.datetime(NOW.year + 2, NOW.month, NOW.day, 12, tzinfo=dt.UTC)
    assert forgetting.forget(controller, last - dt.timedelta(days=1)) == {}
    assert living(controller) >= 4
    gone = forgetting.forget(controller, last)
    assert gone == {"cases": 1, "requests": 1, "complaints": 1, "incidents": 1}
    assert forgetting.forget(controller, last) == {}
    assert living(controller) == 0
    case = controller.cases.get(id_)
    assert controller.cases.identifiers(case) == [[]]
    assert controller.casework.notes(case) == []
    with controller.database.connection() as c:
        left = c.execute(
            "SELECT (SELECT count(*) FROM case_letter), (SELECT count(about) FROM case_proof)"
        ).fetchone()
    assert left == (0, 0), "neither letters nor the hash of an address outlive it"
    assert controller.cases.naming(parse("email=cleo@example.org")) == []
    (complaint,) = controller.complaints.all()
    assert (complaint.struck, complaint.acts[-1].words) == (True, "")
    assert controller.incidents.all()[0].said("nature") == ""
    assert figures.counted(controller, NOW.year, NOW) == before
    assert [e.body["what"] for _, e in controller.ledger.entries(kind="desk.forgot")] == [
        "proofs", "cases", "requests", "complaints", "incidents",
    ]  # fmt: skip
    assert judged(controller, last + MONTH)[1] == []
    # Whatever else proves cases still holds.
    names = [n for n in registered() if n.startswith(("rights.", "security.incid"))]
    failed = [e.control for e in run(controller, registered(), last, names=names)
              if e.outcome is Outcome.ERROR]  # fmt: skip
    assert failed == []


@pytest.mark.parametrize(
    "left", ["case", "letter", "address", "proof", "request", "complaint", "incident"]
)
def test_the_control_fails_where_something_stays(
    controller: Controller, world: Path, left: str
) -> None:
    fill(controller, world)
    late = NOW + dt.timedelta(days=800)
    if left == "proof":
        late = NOW + dt.timedelta(days=40)
    else:
        forgetting.forget(controller, late)
        assert judged(controller, late) == (Outcome.VACUOUS, [])
    sin = {
        "case": "INSERT INTO case_person SELECT number, 0, 'email', '\\x00' FROM rights_case",
        "letter": "INSERT INTO case_letter (number, kind, sealed, made_at, actor) SELECT number,"
        " 'answer', '\\x00', now(), (SELECT min(actor) FROM actor) FROM rights_case",
        "address": "UPDATE case_proof SET about = '\\x00'",
        "proof": "SELECT 1",
        "request": "UPDATE intake SET mac = '\\x00' WHERE ended_at IS NOT NULL",
        "complaint": "UPDATE complaint_act SET sealed = '\\x00'",
        "incident": "UPDATE incident SET sealed = '\\x00'",
    }[left]
    with controller.database.connection() as c:
        c.execute(sin.encode())
    outcome, words = judged(controller, late)
    assert outcome is Outcome.FAIL
    assert words == ["of 1 that are past their time something of people is left"]


def test_a_period_that_nobody_decided_lets_nothing_go(tmp_path: Path, kept_url: str) -> None:
    with Controller.open(deployment.read(make(tmp_path / "w", kept_url))) as controller:
        fill(controller, tmp_path / "w")
        late = NOW + dt.timedelta(days=9999)
        assert forgetting.forget(controller, late) == {}
        assert judged(controller, late) == (Outcome.VACUOUS, [])
